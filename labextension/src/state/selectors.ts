/** What screens pick from the view: standing, counts, groups, the filter's language. All pure. */
import type { Approval, Process, View } from '../api/types';

/** What people see of a state: the words of the visual language. */
export type Standing =
  'you' | 'running' | 'ready' | 'waiting' | 'stopped' | 'done' | 'failed';

const FOR_A_PERSON = new Set(['approval', 'answer', 'limit', 'message']);

/** Whether only a person can let it go on. */
export function needsPerson(process: Process): boolean {
  return (
    process.state === 'WAITING' &&
    process.wait !== null &&
    FOR_A_PERSON.has(process.wait.kind)
  );
}

export function standing(process: Process): Standing {
  switch (process.state) {
    case 'READY':
      return 'ready';
    case 'RUNNING':
      return 'running';
    case 'STOPPED':
      return 'stopped';
    case 'WAITING':
      return needsPerson(process) ? 'you' : 'waiting';
    case 'ZOMBIE':
      return process.exit && process.exit.code !== 0 ? 'failed' : 'done';
  }
}

/** Seconds spent RUNNING until `now` (the server's clock). */
export function runSeconds(process: Process, now: number): number {
  return (
    process.run_s +
    (process.run_since === null ? 0 : Math.max(0, now - process.run_since))
  );
}

export function tokens(process: Process): number {
  return process.input_tokens + process.output_tokens;
}

const BELOW = ' › ';

/** Under which name a process remembers: a child's memory lies below its parent's. */
export function memoryName(view: View, pid: number): string {
  const names: string[] = [];
  const seen = new Set<number>();
  let at: number | null = pid;
  while (at !== null && !seen.has(at)) {
    seen.add(at);
    const process: View['processes'][number] | undefined = view.processes[at];
    if (!process) break;
    names.unshift(process.name.replaceAll('›', '>'));
    at = process.parent;
  }
  return names.join(BELOW);
}

/** The approval that a process waits for, the oldest if there are several. */
export function approvalOf(view: View, pid: number): Approval | null {
  let found: Approval | null = null;
  for (const approval of Object.values(view.approvals)) {
    if (
      approval.pid === pid &&
      (!found || approval.created_at < found.created_at)
    ) {
      found = approval;
    }
  }
  return found;
}

/** The oldest waiting approval of each process. */
export function approvalsByPid(view: View): ReadonlyMap<number, Approval> {
  const found = new Map<number, Approval>();
  for (const approval of Object.values(view.approvals)) {
    const other = found.get(approval.pid);
    if (!other || approval.created_at < other.created_at) {
      found.set(approval.pid, approval);
    }
  }
  return found;
}

/** Processes that are not reaped, newest first. */
export function visibleProcesses(view: View): Process[] {
  return Object.values(view.processes)
    .filter(process => process.reaped_at === null)
    .sort((a, b) => b.pid - a.pid);
}

/** Whether a time lies on the day of `now`; both in seconds, in this page's time zone. */
export function isToday(at: number | null, now: number): boolean {
  return (
    at !== null &&
    new Date(at * 1000).toDateString() === new Date(now * 1000).toDateString()
  );
}

export interface Counts {
  readonly you: number;
  readonly running: number;
  readonly stopped: number;
  readonly doneToday: number;
  readonly failedToday: number;
}

export function counts(view: View, now: number): Counts {
  const found = {
    you: 0,
    running: 0,
    stopped: 0,
    doneToday: 0,
    failedToday: 0
  };
  for (const process of Object.values(view.processes)) {
    const mark = standing(process);
    if (mark === 'done' || mark === 'failed') {
      if (isToday(process.ended_at, now)) found[`${mark}Today`] += 1;
    } else if (process.reaped_at === null) {
      if (mark === 'you') found.you += 1;
      else if (mark === 'running') found.running += 1;
      else if (mark === 'stopped') found.stopped += 1;
    }
  }
  return found;
}

export type GroupBy = 'attention' | 'owner' | 'model' | 'parent' | 'none';

/** A heading and what stands under it. `standing` is set where all of a group share one mark. */
export interface Group {
  readonly key: string;
  readonly kind: GroupBy;
  readonly standing: Standing | null;
  readonly members: readonly Process[];
}

const ATTENTION: readonly (readonly [string, Standing, readonly Standing[]])[] =
  [
    ['you', 'you', ['you']],
    ['running', 'running', ['running']],
    ['quiet', 'stopped', ['ready', 'waiting', 'stopped']],
    ['finished', 'done', ['done', 'failed']]
  ];

const RANK: Readonly<Record<Standing, number>> = {
  you: 0,
  running: 1,
  ready: 2,
  waiting: 3,
  stopped: 4,
  failed: 5,
  done: 6
};

/** The order within a group: who needs a person, then who runs; the newest first, the latest to end first. */
export function byAttention(a: Process, b: Process): number {
  const rank = RANK[standing(a)] - RANK[standing(b)];
  if (rank !== 0) return rank;
  if (a.ended_at !== null && b.ended_at !== null && a.ended_at !== b.ended_at) {
    return b.ended_at - a.ended_at;
  }
  return b.pid - a.pid;
}

/** The key of the group that a process belongs to. */
export function groupKey(process: Process, by: GroupBy): string {
  switch (by) {
    case 'attention': {
      const mark = standing(process);
      return ATTENTION.find(([, , marks]) => marks.includes(mark))?.[0] ?? '';
    }
    case 'owner':
      return process.owner;
    case 'model':
      return process.model;
    case 'parent':
      return process.parent === null ? '' : String(process.parent);
    case 'none':
      return '';
  }
}

export function groups(processes: readonly Process[], by: GroupBy): Group[] {
  const found = new Map<string, Process[]>();
  for (const process of processes) {
    const key = groupKey(process, by);
    const members = found.get(key);
    if (members) members.push(process);
    else found.set(key, [process]);
  }
  const made = [...found].map(([key, members]) => ({
    key,
    kind: by,
    standing:
      by === 'attention'
        ? (ATTENTION.find(([name]) => name === key)?.[1] ?? null)
        : null,
    members:
      key === 'finished'
        ? members.sort((a, b) => (b.ended_at ?? 0) - (a.ended_at ?? 0))
        : members.sort(byAttention)
  }));
  if (by === 'attention') {
    const place = new Map(ATTENTION.map(([name], index) => [name, index]));
    return made.sort(
      (a, b) => (place.get(a.key) ?? 0) - (place.get(b.key) ?? 0)
    );
  }
  return made.sort((a, b) =>
    a.key.localeCompare(b.key, undefined, { numeric: true })
  );
}

/** One test of a filter. */
type Test = (process: Process) => boolean;

const FIGURES: Readonly<Record<string, (process: Process) => number>> = {
  cost: process => process.cost_usd,
  steps: process => process.step,
  step: process => process.step,
  tokens,
  pid: process => process.pid
};

const WORDS: Readonly<Record<string, (process: Process) => string>> = {
  owner: process => process.owner,
  model: process => process.model,
  name: process => process.name,
  sandbox: process => process.sandbox,
  mode: process => process.mode,
  origin: process => process.origin
};

const STATES: Readonly<Record<string, readonly Standing[]>> = {
  you: ['you'],
  'waiting-for-you': ['you'],
  running: ['running'],
  ready: ['ready'],
  waiting: ['waiting', 'you'],
  stopped: ['stopped'],
  paused: ['stopped'],
  done: ['done'],
  failed: ['failed'],
  finished: ['done', 'failed'],
  zombie: ['done', 'failed']
};

/**
 * The filter's language: words are looked for in name, goal, PID, model and owner; `owner:ana`, `model:local`,
 * `state:running`, `parent:7`, `cost>1`, `steps>=10`, `tokens>5k`; `-` before a term excludes; quotes keep spaces.
 * All terms must hold.
 */
export function parseFilter(text: string): Test {
  const tests = (text.match(/-?(?:[^\s"]+:)?"[^"]*"?|\S+/g) ?? []).map(term);
  return process => tests.every(test => test(process));
}

function term(raw: string): Test {
  if (raw.length > 1 && raw.startsWith('-')) {
    const test = term(raw.slice(1));
    return process => !test(process);
  }
  const compared = /^([a-z]+)(>=|<=|>|<|=)\$?([\d.]+)([km]?)$/i.exec(raw);
  const figure = compared && FIGURES[compared[1].toLowerCase()];
  if (compared && figure) {
    const scale = { k: 1e3, m: 1e6 }[compared[4].toLowerCase()] ?? 1;
    const bound = Number(compared[3]) * scale;
    const sign = compared[2];
    return process => {
      const value = figure(process);
      if (sign === '>') return value > bound;
      if (sign === '<') return value < bound;
      if (sign === '>=') return value >= bound;
      if (sign === '<=') return value <= bound;
      return value === bound;
    };
  }
  const named = /^([a-z]+):(.*)$/is.exec(raw);
  if (named) {
    const key = named[1].toLowerCase();
    const value = unquote(named[2]).toLowerCase();
    if (key === 'state') {
      const marks = STATES[value];
      // While a word is being typed nothing should vanish that it may yet name.
      const started = Object.keys(STATES).filter(name =>
        name.startsWith(value)
      );
      const wanted = marks ?? started.flatMap(name => STATES[name]);
      return process => wanted.includes(standing(process));
    }
    if (key === 'parent' || key === 'pid') {
      return process =>
        String(key === 'pid' ? process.pid : (process.parent ?? '')) === value;
    }
    const word = WORDS[key];
    if (word) return process => word(process).toLowerCase().includes(value);
  }
  const wanted = unquote(raw).toLowerCase();
  return process =>
    process.name.toLowerCase().includes(wanted) ||
    process.goal.toLowerCase().includes(wanted) ||
    process.model.toLowerCase().includes(wanted) ||
    process.owner.toLowerCase().includes(wanted) ||
    String(process.pid) === wanted;
}

function unquote(text: string): string {
  return text.replace(/^"|"$/g, '');
}
