/** Folds equal calls of a crowded inbox. Pure. */
import type { Approval } from '../../api/types';

/** With more than so many waiting, equal calls fold. */
export const CROWD = 20;

/** One place in the list: a card, or several equal calls in the place of the first of them. */
export interface Place {
  readonly key: string;
  readonly ids: readonly string[];
}

/**
 * What makes calls equal: the tool, and the name of the agents. `null` for what is decided alone: a question, a limit,
 * and what could not be brought back.
 */
export function sameness(approval: Approval): string | null {
  if (approval.kind !== 'call' || !approval.call) return null;
  if (approval.risk === 'destructive') return null;
  return JSON.stringify([approval.call.tool, approval.name]);
}

/**
 * The places of `ids`, in their order. Only what waits folds, only in a crowd, and nothing whose sameness is in
 * `apart`.
 */
export function places(
  ids: readonly string[],
  waiting: Readonly<Record<string, Approval>>,
  apart: ReadonlySet<string>
): Place[] {
  const alone = (id: string): Place => ({ key: id, ids: [id] });
  if (Object.keys(waiting).length <= CROWD) return ids.map(alone);
  const crowds = new Map<string, string[]>();
  for (const id of ids) {
    const same = waiting[id] ? sameness(waiting[id]) : null;
    if (same === null || apart.has(same)) continue;
    const crowd = crowds.get(same);
    if (crowd) crowd.push(id);
    else crowds.set(same, [id]);
  }
  const made: Place[] = [];
  for (const id of ids) {
    const same = waiting[id] ? sameness(waiting[id]) : null;
    const crowd = same === null ? undefined : crowds.get(same);
    if (!crowd || crowd.length < 2) made.push(alone(id));
    else if (crowd[0] === id) made.push({ key: same ?? id, ids: crowd });
  }
  return made;
}
