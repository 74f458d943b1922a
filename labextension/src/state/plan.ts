/**
 * Plans: how far they are, what changed in them (the twins of `model/plan.py`), and a plan while a person edits it. Pure.
 *
 * While it is edited a plan is a list of rows with their depth, as an outline is: each change gives a new list in which
 * the rows that stayed are the same objects.
 */
import type { Plan, PlanStep, StepStatus } from '../api/types';

/** The server refuses more steps, and deeper ones. */
export const STEPS = 500;
export const DEPTH = 20;

/** A step with its number in the outline: `2.1` is the first below the second. */
export interface Numbered {
  readonly number: string;
  readonly step: PlanStep;
}

/** Every step, as the outline lists them. */
export function walk(plan: Plan): Numbered[] {
  const found: Numbered[] = [];
  const go = (steps: readonly PlanStep[], above: string): void => {
    steps.forEach((step, place) => {
      const number = `${above}${place + 1}`;
      found.push({ number, step });
      go(step.steps ?? [], `${number}.`);
    });
  };
  go(plan.steps ?? [], '');
  return found;
}

/** How many of the steps that have none below them are done, and how many there are; dropped ones do not count. */
export function progress(plan: Plan): { done: number; steps: number } {
  let done = 0;
  let steps = 0;
  const go = (below: readonly PlanStep[]): void => {
    for (const each of below) {
      if (each.steps?.length) {
        go(each.steps);
      } else if (each.status !== '-') {
        steps += 1;
        if (each.status === 'x') done += 1;
      }
    }
  };
  go(plan.steps ?? []);
  return { done, steps };
}

/** One thing that is otherwise in a plan. `from` is the number it had; `status` and `why` are how it stands now. */
export interface PlanChange {
  readonly number: string;
  readonly what:
    'added' | 'removed' | 'reworded' | 'moved' | 'given' | 'taken' | 'status';
  readonly text: string;
  readonly from?: string;
  readonly pid?: number;
  readonly status?: StepStatus;
  readonly why?: string;
}

/** What is otherwise in `after`, in the order of its steps; what is gone comes last. */
export function changes(before: Plan, after: Plan): PlanChange[] {
  const { pairs, gone, added } = pairsOf(before, after);
  const numbers = new Map(pairs.map(([old, now]) => [now.number, old.number]));
  const moved = movedOf(numbers);
  const found = new Map<string, PlanChange[]>();
  for (const [old, { number, step }] of pairs) {
    const { text } = step;
    const here: PlanChange[] = [];
    if (old.step.text !== text) here.push({ number, what: 'reworded', text });
    if (moved.has(number)) {
      here.push({ number, what: 'moved', text, from: old.number });
    }
    if ((old.step.pid ?? 0) !== (step.pid ?? 0)) {
      here.push(
        step.pid
          ? { number, what: 'given', text, pid: step.pid }
          : { number, what: 'taken', text }
      );
    }
    const { status = ' ', why = '' } = step;
    // How a step with others below it stands follows from them, unless it is held up or dropped as a whole.
    const own = !step.steps?.length || status === '!' || status === '-';
    if (
      own &&
      ((old.step.status ?? ' ') !== status || (old.step.why ?? '') !== why)
    ) {
      here.push({ number, what: 'status', text, status, why });
    }
    found.set(number, here);
  }
  for (const { number, step } of added) {
    found.set(number, [{ number, what: 'added', text: step.text }]);
  }
  return [
    ...walk(after).flatMap(({ number }) => found.get(number) ?? []),
    ...gone.map(({ number, step }): PlanChange => ({
      number,
      what: 'removed',
      text: step.text
    }))
  ];
}

/** Which step of `before` is which of `after`: by its words, in the same place first; else by a place of its own. */
function pairsOf(
  before: Plan,
  after: Plan
): { pairs: [Numbered, Numbered][]; gone: Numbered[]; added: Numbered[] } {
  const left = new Map(walk(before).map(each => [each.number, each]));
  const found = new Map<string, Numbered>();
  const all = walk(after);
  const take = (now: Numbered, old: string): void => {
    const one = left.get(old);
    if (one) found.set(now.number, one);
    left.delete(old);
  };
  let rest: Numbered[] = [];
  for (const now of all) {
    if (left.get(now.number)?.step.text === now.step.text) {
      take(now, now.number);
    } else {
      rest.push(now);
    }
  }
  const byText = new Map<string, string[]>();
  for (const { number, step } of left.values()) {
    byText.set(step.text, [...(byText.get(step.text) ?? []), number]);
  }
  const other: Numbered[] = [];
  for (const now of rest) {
    const same = byText.get(now.step.text)?.shift();
    if (same) take(now, same);
    else other.push(now);
  }
  rest = [];
  for (const now of other) {
    if (left.has(now.number)) take(now, now.number);
    else rest.push(now);
  }
  const pairs = all.flatMap((now): [Numbered, Numbered][] => {
    const old = found.get(now.number);
    return old ? [[old, now]] : [];
  });
  return { pairs, gone: [...left.values()], added: rest };
}

function movedOf(numbers: ReadonlyMap<string, string>): Set<string> {
  const moved = new Set<string>();
  const furthest = new Map<string, number>();
  for (const [now, old] of numbers) {
    const above = parent(now);
    const place = Number(old.slice(old.lastIndexOf('.') + 1));
    if (
      (above ? numbers.get(above) : '') !== parent(old) ||
      place < (furthest.get(above) ?? 0)
    ) {
      moved.add(now);
    } else {
      furthest.set(above, place);
    }
  }
  return moved;
}

function parent(number: string): string {
  return number.slice(0, Math.max(0, number.lastIndexOf('.')));
}

/** A step while its plan is edited; `key` is its own as long as it is edited. */
export interface Row {
  readonly key: number;
  readonly depth: number;
  readonly text: string;
  readonly status: StepStatus;
  readonly why: string;
  readonly pid: number | null;
  readonly step: number;
}

export type Rows = readonly Row[];

/** The rows of a plan. */
export function rowsOf(plan: Plan): Rows {
  return walk(plan).map(({ number, step }, key) => ({
    key,
    depth: number.split('.').length - 1,
    text: step.text,
    status: step.status ?? ' ',
    why: step.why ?? '',
    pid: step.pid ?? null,
    step: step.step ?? 0
  }));
}

/** The plan of the rows; those without words are left out, and what lies below one moves up. */
export function planOf(rows: Rows): Plan {
  interface Draft extends Omit<PlanStep, 'steps'> {
    steps: Draft[];
  }
  const top: Draft[] = [];
  const open: { depth: number; steps: Draft[] }[] = [];
  for (const { depth, text, status, why, pid, step } of rows) {
    if (!text.trim()) continue;
    while (open.length && open[open.length - 1].depth >= depth) open.pop();
    const draft: Draft = { text: text.trim(), status, steps: [], step };
    if (why && (status === '!' || status === '-')) draft.why = why;
    if (pid !== null) draft.pid = pid;
    (open.at(-1)?.steps ?? top).push(draft);
    open.push({ depth, steps: draft.steps });
  }
  return { steps: top };
}

/** The place after the last row below the row at `at`. */
export function endOf(rows: Rows, at: number): number {
  let end = at + 1;
  while (end < rows.length && rows[end].depth > rows[at].depth) end += 1;
  return end;
}

/** Where the row stands that the one at `at` lies below; -1 at the top. */
export function aboveOf(rows: Rows, at: number): number {
  let above = at - 1;
  while (above >= 0 && rows[above].depth >= rows[at].depth) above -= 1;
  return above;
}

/** How deep the deepest row below `at` lies. */
function deepest(rows: Rows, at: number): number {
  return Math.max(...rows.slice(at, endOf(rows, at)).map(row => row.depth));
}

/** What a person can do with the row at `at`; each gives the rows, and where the row stands then. */
export type Deed =
  'up' | 'down' | 'indent' | 'outdent' | 'add' | 'below' | 'remove';

/** Whether a deed changes anything. */
export function can(rows: Rows, at: number, deed: Deed): boolean {
  const row = rows[at];
  if (!row) return deed === 'add' && rows.length < STEPS;
  switch (deed) {
    case 'up':
      return at > 0 && rows[at - 1].depth >= row.depth;
    case 'down': {
      const end = endOf(rows, at);
      return end < rows.length && rows[end].depth === row.depth;
    }
    case 'indent':
      return (
        at > 0 &&
        rows[at - 1].depth >= row.depth &&
        deepest(rows, at) + 1 < DEPTH
      );
    case 'outdent':
      return row.depth > 0;
    case 'add':
      return rows.length < STEPS;
    case 'below':
      return rows.length < STEPS && row.depth + 1 < DEPTH;
    case 'remove':
      return true;
  }
}

/** Does it; what cannot be done changes nothing. `key` is for a new row. */
export function act(
  rows: Rows,
  at: number,
  deed: Deed,
  key: number
): { rows: Rows; at: number } {
  if (!can(rows, at, deed)) return { rows, at };
  const end = rows[at] ? endOf(rows, at) : 0;
  const part = rows.slice(at, end);
  const deeper = (by: number) =>
    part.map(row => ({ ...row, depth: row.depth + by }));
  const fresh = (depth: number): Row => ({
    key,
    depth,
    text: '',
    status: ' ',
    why: '',
    pid: null,
    step: 0
  });
  switch (deed) {
    case 'up': {
      let to = at - 1;
      while (rows[to].depth > rows[at].depth) to -= 1;
      return {
        rows: settled([
          ...rows.slice(0, to),
          ...part,
          ...rows.slice(to, at),
          ...rows.slice(end)
        ]),
        at: to
      };
    }
    case 'down': {
      const next = endOf(rows, end);
      return {
        rows: settled([
          ...rows.slice(0, at),
          ...rows.slice(end, next),
          ...part,
          ...rows.slice(next)
        ]),
        at: at + next - end
      };
    }
    case 'indent':
      return {
        rows: settled([...rows.slice(0, at), ...deeper(1), ...rows.slice(end)]),
        at
      };
    case 'outdent': {
      // It comes after all that it lay among, which stays where it is.
      const over = endOf(rows, aboveOf(rows, at));
      return {
        rows: settled([
          ...rows.slice(0, at),
          ...rows.slice(end, over),
          ...deeper(-1),
          ...rows.slice(over)
        ]),
        at: at + over - end
      };
    }
    case 'add':
      return {
        rows: settled([
          ...rows.slice(0, end),
          fresh(rows[at]?.depth ?? 0),
          ...rows.slice(end)
        ]),
        at: end
      };
    case 'below':
      return {
        rows: settled([
          ...rows.slice(0, at + 1),
          fresh(rows[at].depth + 1),
          ...rows.slice(at + 1)
        ]),
        at: at + 1
      };
    case 'remove': {
      const left = settled([...rows.slice(0, at), ...rows.slice(end)]);
      return { rows: left, at: Math.max(0, Math.min(at, left.length) - 1) };
    }
  }
}

/** The rows with other words at `at`. */
export function write(
  rows: Rows,
  at: number,
  words: Partial<Pick<Row, 'text' | 'why'>>
): Rows {
  return rows.map((row, place) => (place === at ? { ...row, ...words } : row));
}

/** The rows with another status at `at`; what lies below one that is done or dropped is so, too. */
export function mark(rows: Rows, at: number, status: StepStatus): Rows {
  const closes = status === 'x' || status === '-';
  const end = endOf(rows, at);
  return settled(
    rows.map((row, place) => {
      if (place === at) return { ...row, status, why: '' };
      const open = row.status !== 'x' && row.status !== '-';
      return closes && open && place > at && place < end
        ? { ...row, status }
        : row;
    })
  );
}

/** How steps that have others below them stand follows from those, as the server will have it. */
export function settled(rows: Rows): Rows {
  const found = [...rows];
  for (let at = found.length - 1; at >= 0; at -= 1) {
    const row = found[at];
    const left = new Set<StepStatus>();
    const end = endOf(found, at);
    for (let place = at + 1; place < end; place += 1) {
      const { depth, status } = found[place];
      if (depth === row.depth + 1 && status !== '-') left.add(status);
    }
    const only = left.size === 1 ? [...left][0] : null;
    const status: StepStatus =
      left.size === 0
        ? row.status
        : only === 'x' || only === '!'
          ? only
          : left.has('~') || left.has('x')
            ? '~'
            : row.status === 'x'
              ? ' '
              : row.status;
    if (status !== row.status) found[at] = { ...row, status };
  }
  return found;
}

/** The number that each row has in the outline. */
export function numbersOf(rows: Rows): string[] {
  const counts: number[] = [];
  return rows.map(({ depth }) => {
    counts.length = depth + 1;
    counts[depth] = (counts[depth] ?? 0) + 1;
    return Array.from(counts, count => count ?? 1).join('.');
  });
}

/** The plan that a person began with; its steps under the keys that they have where it is edited. */
export interface Basis {
  readonly plan: Plan;
  readonly rows: Rows;
}

/** What somebody else changed meanwhile, put into the rows of a person. */
export interface TakenOver {
  readonly rows: Rows;
  /** The plan of the other, as what is edited from now on begins with it. */
  readonly base: Basis;
  /** What the other changed. */
  readonly changes: readonly PlanChange[];
  /** Those of the changes that are not in `rows`: the person did otherwise. */
  readonly left: ReadonlySet<PlanChange>;
}

/**
 * Puts what somebody else changed since `base` into `mine`: each step has the words and the status of whoever changed
 * them, the person's where both did. Where steps stand is as the other has it, unless the person moved some. Keys of
 * steps that are new are counted from `key`, as many as `theirs` has steps at most.
 */
export function takeOver(
  base: Basis,
  theirs: Plan,
  mine: Rows,
  key: number
): TakenOver {
  const was = new Map(base.rows.map(row => [row.key, row]));
  const baseNumbers = numbersOf(base.rows);
  const keys = new Map(
    base.rows.map((row, at) => [baseNumbers[at], row.key] as const)
  );
  const numbers = new Map(
    base.rows.map((row, at) => [row.key, baseNumbers[at]] as const)
  );
  const before = new Map(
    pairsOf(base.plan, theirs).pairs.map(([old, now]) => [
      now.number,
      keys.get(old.number)
    ])
  );
  // A step that both added is one.
  const added = new Map(
    mine
      .filter(row => !was.has(row.key) && row.text.trim())
      .map(row => [row.text.trim(), row.key] as const)
  );
  const byNumber = new Map<string, Row>();
  const other = rowsOf(theirs);
  numbersOf(other).forEach((number, at) => {
    let found = before.get(number);
    if (found === undefined) {
      found = added.get(other[at].text) ?? key + at;
      added.delete(other[at].text);
    }
    byNumber.set(number, { ...other[at], key: found });
  });
  const their = [...byNumber.values()];
  const now = new Map(their.map(row => [row.key, row]));
  const own = new Map(mine.map(row => [row.key, row]));

  const mineNumbers = numbersOf(mine);
  const stood = new Map<string, string>();
  mine.forEach((row, at) => {
    const number = numbers.get(row.key);
    if (number !== undefined) stood.set(mineNumbers[at], number);
  });
  const moved = movedOf(stood).size > 0;

  // What the other removed stays if the person changed it, or if something stays below it.
  const stays = new Set<number>();
  for (let at = mine.length - 1; at >= 0; at -= 1) {
    const row = mine[at];
    if (now.has(row.key)) continue;
    const below = mine.slice(at + 1, endOf(mine, at));
    if (
      touched(was.get(row.key), row, below.length === 0) ||
      below.some(({ key }) => stays.has(key) || (moved && now.has(key)))
    ) {
      stays.add(row.key);
    }
  }
  const goes = ({ key }: Row) =>
    was.has(key) && !(own.has(key) && (now.has(key) || stays.has(key)));
  const shape = moved
    ? interwoven(mine, their, goes)
    : interwoven(their, mine, goes);
  const rows = settled(
    shape.flatMap(({ key, depth }) => {
      const row = joined(was.get(key), now.get(key), own.get(key));
      return row ? [{ ...row, depth }] : [];
    })
  );

  const after = new Map(rows.map(row => [row.key, row]));
  const found = changes(base.plan, theirs);
  const left = found.filter(({ number, what }) => {
    if (what === 'removed') return after.has(keys.get(number) ?? -1);
    const wanted = byNumber.get(number);
    const row = wanted && after.get(wanted.key);
    if (!row) return true;
    if (what === 'reworded') return row.text !== wanted.text;
    if (what === 'moved') return moved;
    return (
      what === 'status' &&
      (row.status !== wanted.status || row.why !== wanted.why)
    );
  });
  return {
    rows,
    base: { plan: theirs, rows: their },
    changes: found,
    left: new Set(left)
  };
}

/** Whether a person wrote a row, or changed it; how one with others below stands follows from those. */
function touched(was: Row | undefined, row: Row, last: boolean): boolean {
  if (!was || was.text !== row.text) return true;
  const own = last || row.status === '!' || row.status === '-';
  return own && (was.status !== row.status || was.why !== row.why);
}

/** A step as whoever changed it has it; as the person has it where both did. */
function joined(
  was: Row | undefined,
  theirs: Row | undefined,
  mine: Row | undefined
): Row | undefined {
  if (!theirs || !mine) return theirs ?? mine;
  const { text, status, why } = was ?? { ...theirs, status: ' ', why: '' };
  const own = mine.status !== status || mine.why !== why;
  return {
    ...theirs,
    text: mine.text === text ? theirs.text : mine.text,
    status: own ? mine.status : theirs.status,
    why: own ? mine.why : theirs.why
  };
}

interface Branch {
  readonly key: number;
  readonly below: Branch[];
}

/**
 * The keys of two outlines in one, with their depth: as the first has them; what only the second has comes after what it
 * comes after there. What goes leaves what is below it where it was.
 */
function interwoven(
  first: Rows,
  second: Rows,
  goes: (row: Row) => boolean
): { key: number; depth: number }[] {
  const top: Branch = { key: -1, below: [] };
  const known = new Map<number, Branch>();
  for (const rows of [first, second]) {
    interface Spot {
      readonly into: Branch;
      after: Branch | null;
    }
    const open: { depth: number; spot: Spot }[] = [];
    const all: Spot = { into: top, after: null };
    for (const row of rows) {
      while (open.length && open[open.length - 1].depth >= row.depth) {
        open.pop();
      }
      const spot = open.at(-1)?.spot ?? all;
      if (goes(row)) {
        open.push({ depth: row.depth, spot });
        continue;
      }
      const { below } = spot.into;
      let branch = known.get(row.key);
      if (!branch) {
        branch = { key: row.key, below: [] };
        known.set(row.key, branch);
        below.splice(spot.after ? below.indexOf(spot.after) + 1 : 0, 0, branch);
      }
      if (below.includes(branch)) spot.after = branch;
      open.push({ depth: row.depth, spot: { into: branch, after: null } });
    }
  }
  const found: { key: number; depth: number }[] = [];
  const lay = (branches: readonly Branch[], depth: number): void => {
    for (const { key, below } of branches) {
      found.push({ key, depth });
      lay(below, depth + 1);
    }
  };
  lay(top.below, 0);
  return found;
}
