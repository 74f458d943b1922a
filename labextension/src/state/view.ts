/**
 * The one fold that keeps a screen true: the twin of `aether_jupyter/model/view.py`, tested on the same recorded feeds.
 */
import type {
  AetherEvent,
  Approval,
  JournalRecord,
  Process,
  Spend,
  State,
  ToolCall,
  View,
  Voice,
  VoiceKind
} from '../api/types';
import { progress } from './plan';

const VOICE_CHARS = 280;
const STRIP = 20;
const TELLING = ['command', 'path', 'text', 'question'] as const;

/** Python's idea of white space, which is not quite that of `\s`. */
const SPACE = new RegExp(
  // eslint-disable-next-line no-control-regex -- Python splits at the separators x1c to x1f too
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+',
  'u'
);

/** The process after one event. `at` is when, `n` its number within the process. */
export function advance(
  process: Process,
  event: AetherEvent,
  at: number,
  n: number
): Process {
  return { ...step(process, event, at, n), head: n };
}

/** The view after one record. Records at or before the cursor change nothing, so a repeated frame is harmless. */
export function apply(view: View, record: JournalRecord): View {
  return applyAll(view, [record]);
}

/** The view after all records of a batch; the tables are copied once. */
export function applyAll(view: View, records: readonly JournalRecord[]): View {
  let { cursor, processes, approvals, spend } = view;
  let owned = false;
  const mine: Record<number, Process> = {};
  const erased = new Set<number>();
  for (const record of records) {
    if (record.seq <= cursor) continue;
    cursor = record.seq;
    const { event, pid } = record;
    spend = today(spend, record.at);
    const before = mine[pid] ?? processes[pid];
    if (event.type === 'process.erased') {
      erased.add(pid);
      approvals = Object.fromEntries(
        Object.entries(approvals).filter(([, each]) => each.pid !== pid)
      );
    } else if (
      event.type === 'process.spawned' ||
      event.type === 'process.restored'
    ) {
      mine[pid] = advance(event.process, event, record.at, record.n);
    } else if (before) {
      mine[pid] = advance(before, event, record.at, record.n);
    }
    if (event.type === 'approval.requested') {
      approvals = { ...approvals, [event.approval.id]: event.approval };
    } else if (
      event.type === 'approval.decided' ||
      event.type === 'approval.closed'
    ) {
      approvals = without(approvals, event.approval_id);
    } else if (
      event.type === 'model.answered' ||
      event.type === 'auxiliary.answered'
    ) {
      spend = { ...spend, cost_usd: spend.cost_usd + (event.cost_usd ?? 0) };
    } else if (event.type === 'model.failed') {
      spend = { ...spend, cost_usd: spend.cost_usd + (event.charged_usd ?? 0) };
    }
    owned = true;
  }
  if (!owned) return view;
  processes = { ...processes, ...mine };
  if (erased.size > 0) {
    processes = Object.fromEntries(
      Object.entries(processes).filter(([pid]) => !erased.has(Number(pid)))
    );
  }
  return { ...view, cursor, processes, approvals, spend };
}

/** A new day begins at nothing. What it is called is for the server to say, whose day it is. */
function today(spend: Spend, at: number): Spend {
  const { limit_usd, until } = spend;
  if (!until || at < until) return spend;
  const days = 1 + Math.floor((at - until) / DAY_S);
  return { day: '', cost_usd: 0, limit_usd, until: until + DAY_S * days };
}

const DAY_S = 86_400;
const INTERRUPTED = 'model_interrupted';

/** A call as one line: the tool and its most telling argument. */
export function describe(call: ToolCall): string {
  const given = call.arguments ?? {};
  const key = TELLING.find(name => name in given);
  const telling = key === undefined ? '' : given[key];
  return trim(`${call.tool} ${typeof telling === 'string' ? telling : ''}`);
}

function step(p: Process, event: AetherEvent, at: number, n: number): Process {
  switch (event.type) {
    case 'process.spawned':
    case 'process.restored':
      return event.process;
    case 'process.state': {
      const { state } = event;
      const still = state === 'STOPPED' || state === 'WAITING';
      return {
        ...p,
        state,
        wait: event.wait ?? null,
        signal: still ? null : p.signal,
        ...clock(p, state, at)
      };
    }
    case 'process.signal':
      return { ...p, signal: event.signal };
    case 'process.limits':
      return { ...p, limits: event.limits };
    case 'process.exited': {
      const { status } = event;
      const well = status.code === 0;
      return {
        ...p,
        state: 'ZOMBIE',
        wait: null,
        signal: null,
        exit: status,
        ended_at: at,
        reserved_usd: 0,
        reserved_tokens: 0,
        voice: status.message
          ? voice(well ? 'answer' : 'error', status.message)
          : p.voice,
        control: '',
        strip: well ? p.strip : strip(p, 'e'),
        ...clock(p, 'ZOMBIE', at)
      };
    }
    case 'process.reaped':
      return { ...p, reaped_at: at };
    case 'process.erased':
      return p;
    case 'message.sent':
      return {
        ...p,
        voice: voice('message', event.text),
        strip: strip(p, 'm')
      };
    case 'process.model':
      return { ...p, model: event.model };
    case 'model.requested':
      return {
        ...p,
        step: event.step,
        model: event.model,
        reserved_tokens: event.reserved_tokens ?? 0,
        reserved_usd: event.reserved_usd ?? 0
      };
    case 'model.answered': {
      const said = event.parts
        .map(part => (part.type === 'call' ? '' : part.text))
        .filter(text => text)
        .join(' ');
      const heard = trim(said) !== '';
      return {
        ...p,
        model: event.model,
        input_tokens: p.input_tokens + (event.usage.input_tokens ?? 0),
        output_tokens: p.output_tokens + (event.usage.output_tokens ?? 0),
        cost_usd: p.cost_usd + (event.cost_usd ?? 0),
        cost_known: p.cost_known && (event.cost_known ?? true),
        reserved_tokens: 0,
        reserved_usd: 0,
        voice: heard ? voice('thought', said) : p.voice,
        strip: heard ? strip(p, 't') : p.strip
      };
    }
    case 'model.failed':
      return {
        ...p,
        cost_usd: p.cost_usd + (event.charged_usd ?? 0),
        reserved_tokens: 0,
        reserved_usd: 0,
        // A request that a signal or a dead server cut off is nobody's error.
        voice:
          event.error === INTERRUPTED ? p.voice : voice('error', event.message),
        strip: event.error === INTERRUPTED ? p.strip : strip(p, 'e')
      };
    case 'model.guided':
      return { ...p, voice: voice('error', event.text), strip: strip(p, 'e') };
    case 'tool.started':
      return {
        ...p,
        voice: voice('action', describe(event.call)),
        strip: strip(p, 'a')
      };
    case 'tool.ended': {
      const { ok, content } = event.outcome;
      return {
        ...p,
        voice: voice(ok ? 'observation' : 'error', content),
        strip: strip(p, ok ? 'o' : 'e')
      };
    }
    case 'approval.requested':
      return { ...p, strip: strip(p, 'p') };
    case 'auxiliary.requested':
      return {
        ...p,
        reserved_tokens: event.reserved_tokens ?? 0,
        reserved_usd: event.reserved_usd ?? 0
      };
    case 'auxiliary.answered':
      return {
        ...p,
        input_tokens: p.input_tokens + (event.usage?.input_tokens ?? 0),
        output_tokens: p.output_tokens + (event.usage?.output_tokens ?? 0),
        cost_usd: p.cost_usd + (event.cost_usd ?? 0),
        cost_known: p.cost_known && (event.cost_known ?? true),
        reserved_tokens: 0,
        reserved_usd: 0
      };
    case 'plan.changed': {
      const { done, steps } = progress(event.plan);
      return { ...p, plan_done: done, plan_steps: steps, plan_n: n };
    }
    case 'control.taken':
      return { ...p, control: event.by };
    case 'control.returned':
      return {
        ...p,
        control: '',
        voice: event.note ? voice('message', event.note) : p.voice,
        strip: strip(p, 'm')
      };
    case 'process.reflected':
      return { ...p, rating: event.rating };
    case 'memory.given':
    case 'context.compacted':
    case 'feedback.given':
    case 'control.asked':
    case 'terminal.opened':
    case 'terminal.closed':
    case 'snapshot.taken':
    case 'snapshot.deleted':
    case 'approval.decided':
    case 'approval.closed':
    case 'request.opened':
    case 'request.moved':
      return p;
    default: {
      // A server newer than this page may say what it does not know; what it knows stays right.
      const unknown: never = event;
      void unknown;
      return p;
    }
  }
}

function voice(kind: VoiceKind, text: string): Voice {
  const flat = Array.from(text.slice(0, VOICE_CHARS * 8))
    .slice(0, VOICE_CHARS * 4)
    .join('')
    .split(SPACE)
    .filter(word => word)
    .join(' ');
  const letters = Array.from(flat);
  return {
    kind,
    text:
      letters.length <= VOICE_CHARS
        ? flat
        : letters.slice(0, VOICE_CHARS - 1).join('') + '…'
  };
}

function strip(p: Process, kind: string): string {
  return (p.strip + kind).slice(-STRIP);
}

function clock(
  p: Process,
  state: State,
  at: number
): Partial<Pick<Process, 'run_since' | 'run_s'>> {
  if (state === 'RUNNING') return { run_since: p.run_since ?? at };
  if (p.run_since === null) return {};
  return { run_since: null, run_s: p.run_s + Math.max(0, at - p.run_since) };
}

function without(
  approvals: Readonly<Record<string, Approval>>,
  id: string
): Readonly<Record<string, Approval>> {
  if (!(id in approvals)) return approvals;
  const { [id]: _gone, ...rest } = approvals;
  return rest;
}

function trim(text: string): string {
  return text
    .replace(new RegExp(`^${SPACE.source}`, 'u'), '')
    .replace(new RegExp(`${SPACE.source}$`, 'u'), '');
}
