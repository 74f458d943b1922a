/** The journal of one process as people read it: steps with their entries, messages, and how it ended. Pure. */
import type {
  Approval,
  CameFrom,
  ControlReturned,
  Decision,
  ExitStatus,
  Image,
  JournalRecord,
  LimitsExtended,
  Outcome,
  Plan,
  SignalName,
  Snapshot,
  Thumb,
  ToolCall
} from '../api/types';

import { type PlanChange, changes as changesOf, progress } from './plan';

/** The kinds that a strip and the filter count. */
export type Kind = 't' | 'a' | 'o' | 'p' | 'm' | 'e';

export interface ThoughtEntry {
  readonly kind: 'thought';
  readonly key: string;
  readonly text: string;
  /** Reasoning that the model shows apart from its answer. */
  readonly apart: boolean;
}

/** The last words of an agent that ended well: its result. */
export interface AnswerEntry {
  readonly kind: 'answer';
  readonly key: string;
  readonly text: string;
}

export type Phase =
  'proposed' | 'asking' | 'approved' | 'running' | 'ended' | 'dropped';

/** A tool call from proposal to outcome. */
export interface ActionEntry {
  readonly kind: 'action';
  readonly key: string;
  readonly call: ToolCall;
  readonly phase: Phase;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why it was allowed. */
  readonly why: string;
  readonly outcome: Outcome | null;
  readonly approval: Approval | null;
  readonly decision: Decision | null;
  /** Why nobody needs to decide any more. */
  readonly closed: string;
}

/** A question or a limit that belongs to no call. */
export interface AskEntry {
  readonly kind: 'ask';
  readonly key: string;
  readonly approval: Approval;
  readonly decision: Decision | null;
  readonly closed: string;
}

export interface ErrorEntry {
  readonly kind: 'error';
  readonly key: string;
  readonly text: string;
  readonly code: string;
  /** Which try this was, of three. */
  readonly attempt: number | null;
}

/** Which model was chosen for this step and those after it, or which answered in the place of another. */
export interface ModelEntry {
  readonly kind: 'model';
  readonly key: string;
  readonly model: string;
  /** Why it was chosen, or why another did not answer. */
  readonly why: string;
  readonly what: 'chosen' | 'instead';
}

/** The plan is another now. */
export interface PlanEntry {
  readonly kind: 'plan';
  readonly key: string;
  readonly done: number;
  readonly steps: number;
  /** What is otherwise; null where the plan before is not known. */
  readonly changes: readonly PlanChange[] | null;
}

export type Entry =
  | ThoughtEntry
  | AnswerEntry
  | ActionEntry
  | AskEntry
  | ErrorEntry
  | ModelEntry
  | PlanEntry;

export interface StepBlock {
  readonly kind: 'step';
  readonly key: string;
  readonly step: number;
  readonly at: number;
  readonly endedAt: number;
  readonly entries: readonly Entry[];
  /** The model that answered, until then the one that was asked first. */
  readonly model: string;
  readonly asked: string;
  /** Why that one was asked, empty where somebody named it. */
  readonly why: string;
  /** The step since which it is so. */
  readonly since: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
  readonly costKnown: boolean;
  /** Whether the model has answered and every call came to its end. */
  readonly settled: boolean;
  /** Whether the model has answered; what has no answer cannot be judged. */
  readonly answered: boolean;
  /** What people said of it, one each. */
  readonly judgements: readonly Said[];
}

/** One person's judgement of a step. */
export interface Said {
  readonly by: string;
  readonly thumb: Thumb;
  readonly comment: string;
  readonly at: number;
}

/** What an ended run learnt when it looked back. */
export interface LookbackBlock {
  readonly kind: 'lookback';
  readonly key: string;
  readonly at: number;
  readonly rating: number;
  readonly worked: readonly string[];
  readonly failed: readonly string[];
  readonly lessons: readonly string[];
  readonly strategy: string;
  /** How many memories its lessons are, new ones and those known before. */
  readonly kept: number;
}

export interface MessageBlock {
  readonly kind: 'message';
  readonly key: string;
  readonly at: number;
  readonly sender: string;
  readonly text: string;
  /** The first message is the goal itself; what the agent remembers, and older steps in short, are nobody's message. */
  readonly what: 'goal' | 'message' | 'memory' | 'summary';
  readonly images?: readonly Image[];
  /** The memories that it tells of, by their ids. */
  readonly memories?: readonly number[];
  /** The first and the last of the steps that a summary tells in short; they stay in the timeline as they are. */
  readonly steps?: readonly [number, number];
  /** Tokens of the whole context before and after. */
  readonly tokens?: readonly [number, number];
}

/** What happened to the process between its steps. */
export interface NoteBlock {
  readonly kind: 'note';
  readonly key: string;
  readonly at: number;
  readonly actor: string;
  readonly what:
    | { readonly type: 'signal'; readonly signal: SignalName }
    | { readonly type: 'limits'; readonly limits: LimitsExtended['limits'] }
    | { readonly type: 'why'; readonly text: string }
    | { readonly type: 'model'; readonly model: string }
    | { readonly type: 'taken' }
    | { readonly type: 'asked' }
    | { readonly type: 'terminal'; readonly durationS: number | null }
    | {
        readonly type: 'returned';
        readonly why: ControlReturned['why'];
        readonly durationS: number;
        readonly note: string;
      }
    | { readonly type: 'no-lookback'; readonly text: string }
    | { readonly type: 'plan'; readonly plan: PlanEntry }
    | { readonly type: 'reaped'; readonly kept: boolean }
    | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
    | {
        readonly type: 'restored';
        readonly from: CameFrom | null;
        readonly edited: string;
      };
}

export interface EndBlock {
  readonly kind: 'end';
  readonly key: string;
  readonly at: number;
  readonly status: ExitStatus;
  /** Whether the message already stands as the answer of the last step. */
  readonly said: boolean;
}

export type Block =
  StepBlock | MessageBlock | NoteBlock | EndBlock | LookbackBlock;

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type StepDraft = Draft<Omit<StepBlock, 'entries' | 'judgements'>> & {
  entries: Draft<Entry>[];
};

/** The blocks of the records, which are in order of `n` and may begin in the middle of a run. */
export function timeline(records: readonly JournalRecord[]): Block[] {
  const blocks: (
    StepDraft | MessageBlock | NoteBlock | EndBlock | LookbackBlock
  )[] = [];
  const steps = new Map<number, StepDraft>();
  const actions = new Map<string, Draft<ActionEntry>>();
  const asks = new Map<string, Draft<ActionEntry> | Draft<AskEntry>>();
  const said = new Map<number, Map<string, Said>>();
  let latest: StepDraft | null = null;
  let fault: NoteBlock | null = null;

  const stepOf = (step: number, at: number): StepDraft => {
    let block = steps.get(step);
    if (!block) {
      block = {
        kind: 'step',
        key: `step-${step}`,
        step,
        at,
        endedAt: at,
        entries: [],
        model: '',
        asked: '',
        why: '',
        since: 0,
        inputTokens: 0,
        outputTokens: 0,
        cost: 0,
        costKnown: true,
        settled: false,
        answered: false
      };
      steps.set(step, block);
      blocks.push(block);
    }
    block.endedAt = Math.max(block.endedAt, at);
    latest = block;
    return block;
  };
  const actionOf = (
    step: StepDraft,
    call: ToolCall,
    at: number
  ): Draft<ActionEntry> => {
    let entry = actions.get(call.id);
    if (!entry) {
      entry = {
        kind: 'action',
        key: `call-${call.id}`,
        call,
        phase: 'proposed',
        startedAt: null,
        endedAt: null,
        why: '',
        outcome: null,
        approval: null,
        decision: null,
        closed: ''
      };
      actions.set(call.id, entry);
      step.entries.push(entry);
    }
    step.endedAt = Math.max(step.endedAt, at);
    return entry;
  };

  // Before the first of all records there is no plan; before one in the middle there may be any.
  let plan: Plan | null = records[0]?.n === 1 ? {} : null;
  for (const { n, at, actor, event } of records) {
    const key = `n-${n}`;
    switch (event.type) {
      case 'process.spawned':
        blocks.push({
          kind: 'message',
          key,
          at,
          sender: event.process.owner,
          text: event.spec.goal,
          what: 'goal',
          images: event.spec.images
        });
        break;
      case 'message.sent':
        blocks.push({
          kind: 'message',
          key,
          at,
          sender: event.sender,
          text: event.text,
          what: 'message',
          images: event.images
        });
        break;
      case 'memory.given':
        blocks.push({
          kind: 'message',
          key,
          at,
          sender: '',
          text: event.text,
          what: 'memory',
          memories: event.memories
        });
        break;
      case 'context.compacted':
        blocks.push({
          kind: 'message',
          key,
          at,
          sender: '',
          text: event.summary,
          what: 'summary',
          steps: [event.first, event.last],
          tokens: [event.tokens_before, event.tokens_after]
        });
        break;
      case 'process.state':
        if (event.why) {
          blocks.push({
            kind: 'note',
            key,
            at,
            actor,
            what: { type: 'why', text: event.why }
          });
        }
        break;
      case 'process.restored':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: {
            type: 'restored',
            from: event.process.came_from ?? null,
            edited: event.edited ?? ''
          }
        });
        break;
      case 'snapshot.taken':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: { type: 'snapshot', snapshot: event.snapshot }
        });
        break;
      case 'process.signal':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: { type: 'signal', signal: event.signal }
        });
        break;
      case 'process.limits':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: { type: 'limits', limits: event.limits }
        });
        break;
      case 'process.model':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: { type: 'model', model: event.model }
        });
        break;
      case 'control.taken':
      case 'control.asked':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor: event.by,
          what: { type: event.type === 'control.taken' ? 'taken' : 'asked' }
        });
        break;
      case 'terminal.opened':
      case 'terminal.closed':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor: event.by,
          what: {
            type: 'terminal',
            durationS:
              event.type === 'terminal.closed' ? event.duration_s : null
          }
        });
        break;
      case 'control.returned':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor: event.by,
          what: {
            type: 'returned',
            why: event.why,
            durationS: event.duration_s,
            note: event.note ?? ''
          }
        });
        break;
      case 'plan.changed': {
        const entry: PlanEntry = {
          kind: 'plan',
          key,
          ...progress(event.plan),
          changes: plan && changesOf(plan, event.plan)
        };
        plan = event.plan;
        const step = latest as StepDraft | null;
        if (event.by === 'agent' && step) step.entries.push(entry);
        else {
          const what = { type: 'plan', plan: entry } as const;
          blocks.push({ kind: 'note', key, at, actor: event.by, what });
        }
        break;
      }
      case 'process.reaped':
        blocks.push({
          kind: 'note',
          key,
          at,
          actor,
          what: { type: 'reaped', kept: event.home_kept }
        });
        break;
      case 'process.erased':
        break;
      case 'model.requested': {
        const step = stepOf(event.step, at);
        step.model = event.model;
        step.asked = event.model;
        step.why = event.why ?? '';
        step.since = event.since ?? 0;
        if (step.why && step.since === event.step) {
          step.entries = step.entries.filter(
            entry => entry.kind !== 'model' || entry.what !== 'chosen'
          );
          step.entries.push({
            kind: 'model',
            key,
            model: event.model,
            why: step.why,
            what: 'chosen'
          });
        }
        break;
      }
      case 'model.answered': {
        const step = stepOf(event.step, at);
        if (event.instead) {
          step.entries.push({
            kind: 'model',
            key,
            model: event.model,
            why: event.instead,
            what: 'instead'
          });
        }
        step.model = event.model;
        step.inputTokens += event.usage.input_tokens ?? 0;
        step.outputTokens += event.usage.output_tokens ?? 0;
        step.cost += event.cost_usd ?? 0;
        step.costKnown = step.costKnown && (event.cost_known ?? true);
        step.answered = true;
        event.parts.forEach((part, index) => {
          if (part.type === 'call') {
            actionOf(step, part, at);
          } else if (part.text.trim()) {
            step.entries.push({
              kind: 'thought',
              key: `${key}-${index}`,
              text: part.text.trim(),
              apart: part.type === 'thinking'
            });
          }
        });
        break;
      }
      case 'model.failed': {
        const step = stepOf(event.step, at);
        step.cost += event.charged_usd ?? 0;
        step.entries.push({
          kind: 'error',
          key,
          text: event.message,
          code: event.error,
          attempt: null
        });
        break;
      }
      case 'model.guided': {
        const step: StepDraft = latest ?? stepOf(0, at);
        step.entries.push({
          kind: 'error',
          key,
          text: event.text,
          code: event.reason,
          attempt: event.attempt
        });
        break;
      }
      case 'tool.started': {
        const entry = actionOf(stepOf(event.step, at), event.call, at);
        // A call that a person edited starts with other arguments than were proposed.
        entry.call = event.call;
        entry.phase = 'running';
        entry.startedAt = at;
        entry.why = event.why ?? '';
        break;
      }
      case 'tool.ended': {
        const entry = actionOf(
          stepOf(event.step, at),
          {
            type: 'call',
            id: event.call_id,
            tool: event.tool,
            arguments: null
          },
          at
        );
        entry.phase = 'ended';
        entry.endedAt = at;
        entry.outcome = event.outcome;
        break;
      }
      case 'approval.requested': {
        const { approval } = event;
        if (approval.call) {
          const entry = actionOf(stepOf(approval.step, at), approval.call, at);
          entry.approval = approval;
          entry.phase = 'asking';
          asks.set(approval.id, entry);
        } else {
          const entry: Draft<AskEntry> = {
            kind: 'ask',
            key,
            approval,
            decision: null,
            closed: ''
          };
          asks.set(approval.id, entry);
          stepOf(approval.step, at).entries.push(entry);
        }
        break;
      }
      case 'approval.decided': {
        const entry = asks.get(event.approval_id);
        if (!entry) break;
        entry.decision = event.decision;
        if (entry.kind === 'action' && entry.phase === 'asking') {
          entry.phase =
            event.decision.verdict === 'refuse' ? 'dropped' : 'approved';
        }
        break;
      }
      case 'approval.closed': {
        const entry = asks.get(event.approval_id);
        if (!entry) break;
        entry.closed = event.why;
        if (entry.kind === 'action' && entry.phase === 'asking') {
          entry.phase = 'dropped';
        }
        break;
      }
      case 'feedback.given': {
        const of = said.get(event.step) ?? new Map<string, Said>();
        said.set(event.step, of);
        const { by, thumb = 'none', comment = '' } = event;
        of.delete(by);
        if (thumb !== 'none' || comment) of.set(by, { by, thumb, comment, at });
        break;
      }
      case 'process.reflected':
        fault = null;
        blocks.push({
          kind: 'lookback',
          key,
          at,
          rating: event.rating,
          worked: event.worked ?? [],
          failed: event.failed ?? [],
          lessons: event.lessons ?? [],
          strategy: event.strategy ?? '',
          kept: event.memories?.length ?? 0
        });
        break;
      case 'auxiliary.answered':
        if (event.purpose === 'reflection' && event.error) {
          const text = event.message ?? event.error;
          fault = {
            kind: 'note',
            key,
            at,
            actor,
            what: { type: 'no-lookback', text }
          };
        } else if (event.error && event.message) {
          blocks.push({
            kind: 'note',
            key,
            at,
            actor,
            what: { type: 'why', text: event.message }
          });
        }
        break;
      case 'process.exited': {
        const told = answer(latest, event.status);
        blocks.push({ kind: 'end', key, at, status: event.status, said: told });
        for (const entry of actions.values()) {
          if (entry.phase !== 'ended') entry.phase = 'dropped';
        }
        break;
      }
    }
  }
  // Only what nothing better followed: a second try may have gone well.
  if (fault) blocks.push(fault);
  const over = blocks.some(block => block.kind === 'end');
  return blocks.map(block => {
    if (block.kind !== 'step') return block;
    const calls = block.entries.filter(entry => entry.kind === 'action');
    const settled =
      (block.answered || over || block !== latest) &&
      calls.every(
        entry => entry.phase === 'ended' || entry.phase === 'dropped'
      );
    const judgements = [...(said.get(block.step)?.values() ?? [])];
    return { ...block, settled, judgements };
  });
}

/** Turns the words that ended a run into its answer; whether there were such words. */
function answer(step: StepDraft | null, status: ExitStatus): boolean {
  if (!step || status.code !== 0 || !status.message) return false;
  let at = step.entries.length - 1;
  for (; at >= 0; at -= 1) {
    const entry = step.entries[at];
    if (entry.kind === 'thought' && !entry.apart) break;
  }
  const entry = step.entries[at];
  if (entry?.kind !== 'thought' || entry.text !== status.message.trim()) {
    return false;
  }
  step.entries[at] = { kind: 'answer', key: entry.key, text: entry.text };
  return true;
}

/** The kinds of the entries of a block, in order, as the strip shows them. */
export function kinds(block: Block): Kind[] {
  switch (block.kind) {
    case 'message':
      return block.what === 'message' ? ['m'] : [];
    case 'note':
    case 'lookback':
      return [];
    case 'end':
      return block.status.code === 0 ? [] : ['e'];
    case 'step':
      return block.entries.flatMap((entry): Kind[] => {
        switch (entry.kind) {
          case 'thought':
          case 'answer':
            return ['t'];
          case 'error':
            return ['e'];
          case 'model':
          case 'plan':
            return [];
          case 'ask':
            return ['p'];
          case 'action': {
            const found: Kind[] = entry.approval ? ['p'] : [];
            if (entry.startedAt !== null) found.push('a');
            if (entry.outcome) found.push(entry.outcome.ok ? 'o' : 'e');
            return found;
          }
        }
      });
  }
}

export interface KindCounts {
  readonly all: number;
  readonly t: number;
  readonly a: number;
  readonly p: number;
  readonly m: number;
  readonly e: number;
}

/** How many entries of each kind there are; an observation belongs to its action. */
export function countKinds(blocks: readonly Block[]): KindCounts {
  const found = { all: 0, t: 0, a: 0, o: 0, p: 0, m: 0, e: 0 };
  for (const block of blocks) {
    for (const kind of kinds(block)) {
      found[kind] += 1;
      found.all += 1;
    }
  }
  const { o: _observations, ...rest } = found;
  return rest;
}

/** Everything of a block that can be searched, as one text. */
export function words(block: Block): string {
  switch (block.kind) {
    case 'message':
      return `${block.sender} ${block.text}`;
    case 'note':
      return 'text' in block.what
        ? block.what.text
        : block.what.type === 'plan'
          ? planWords(block.what.plan)
          : '';
    case 'lookback':
      return [
        ...block.worked,
        ...block.failed,
        ...block.lessons,
        block.strategy
      ].join('\n');
    case 'end':
      return block.status.message ?? '';
    case 'step':
      return block.entries
        .map((entry): string => {
          switch (entry.kind) {
            case 'thought':
            case 'answer':
            case 'error':
              return entry.text;
            case 'model':
              return `${entry.model} ${entry.why}`;
            case 'plan':
              return planWords(entry);
            case 'ask':
              return `${entry.approval.question ?? ''} ${entry.approval.because ?? ''}`;
            case 'action': {
              const { evidence, content } = entry.outcome ?? {};
              return [
                entry.call.tool,
                callText(entry.call),
                content ?? '',
                evidence?.stdout ?? '',
                evidence?.stderr ?? '',
                evidence?.diff ?? ''
              ].join('\n');
            }
          }
        })
        .concat(block.judgements.map(({ by, comment }) => `${by} ${comment}`))
        .join('\n');
  }
}

function planWords(entry: PlanEntry): string {
  return (entry.changes ?? []).map(({ text }) => text).join('\n');
}

/** The arguments of a call as one text: the only one bare, several with their names. */
export function callText(call: ToolCall): string {
  if (call.arguments === null) return call.raw ?? '';
  const given = Object.entries(call.arguments);
  if (given.length === 1) return argumentText(given[0][1]);
  return given
    .map(([name, value]) => `${name}: ${argumentText(value)}`)
    .join('\n');
}

/** One argument as text. */
export function argumentText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** Several blocks that finished without anything a person must see. */
export interface Stretch {
  readonly kind: 'stretch';
  readonly key: string;
  readonly blocks: readonly StepBlock[];
}

/** Whether a finished step holds nothing that failed, was asked or judged, or is the answer. */
function quiet(block: Block): block is StepBlock {
  return (
    block.kind === 'step' &&
    block.settled &&
    block.judgements.length === 0 &&
    block.entries.every(
      entry =>
        entry.kind === 'thought' ||
        entry.kind === 'plan' ||
        (entry.kind === 'action' &&
          entry.approval === null &&
          entry.outcome?.ok === true)
    )
  );
}

/**
 * Folds stretches of at least `least` quiet steps into one line, but never the last `keep` blocks and none that is
 * `open`. A stretch is known by its first step.
 */
export function fold(
  blocks: readonly Block[],
  open: ReadonlySet<string>,
  keep = 6,
  least = 3
): (Block | Stretch)[] {
  const folded: (Block | Stretch)[] = [];
  const end = Math.max(0, blocks.length - keep);
  let run: StepBlock[] = [];
  const close = () => {
    if (run.length >= least && !open.has(`fold-${run[0].key}`)) {
      folded.push({ kind: 'stretch', key: `fold-${run[0].key}`, blocks: run });
    } else {
      folded.push(...run);
    }
    run = [];
  };
  blocks.forEach((block, index) => {
    if (index < end && quiet(block)) {
      run.push(block);
    } else {
      close();
      folded.push(block);
    }
  });
  close();
  return folded;
}
