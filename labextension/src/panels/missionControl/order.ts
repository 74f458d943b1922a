/** Holds the order of cards still while somebody points at them. */
import * as React from 'react';

import type { Process } from '../../api/types';
import { groups, type Group, type GroupBy } from '../../state/selectors';

const STILL_MS = 1000;
const TYPED_MS = 30_000;

/** A group as it stands on the page, and how many more belong to it by now. */
export interface StandingGroup extends Group {
  readonly more: number;
}

/** The places as they were when nobody looked too closely. */
type Layout = readonly { key: string; pids: readonly number[] }[];

/**
 * Puts processes at the places of `layout`. Those that moved on stay where they are; those that are new to a group
 * are counted in `more`.
 */
export function hold(
  layout: Layout,
  processes: readonly Process[],
  by: GroupBy
): StandingGroup[] {
  const known = new Map(processes.map(process => [process.pid, process]));
  const fresh = groups(processes, by);
  const placed = new Set(layout.flatMap(group => group.pids));
  const held = layout.map(({ key, pids }) => {
    const now = fresh.find(group => group.key === key);
    const members = pids
      .map(pid => known.get(pid))
      .filter((process): process is Process => process !== undefined);
    return {
      key,
      kind: by,
      standing: now?.standing ?? null,
      members,
      more:
        now?.members.filter(process => !pids.includes(process.pid)).length ?? 0
    };
  });
  const extra = fresh
    .filter(group => !layout.some(({ key }) => key === group.key))
    .map(group => ({
      ...group,
      members: group.members.filter(process => !placed.has(process.pid)),
      more: 0
    }));
  // A group that did not exist before stands at the end until the order may change.
  return [
    ...held.filter(group => group.members.length > 0 || group.more > 0),
    ...extra.filter(group => group.members.length > 0)
  ];
}

/**
 * The groups as they may be shown. `area` is where cards are; while the pointer is in it (and for a second after), or
 * somebody just used the keyboard in it, no card moves. A change of `reason` (a filter, a grouping) orders at once.
 */
export function useHeldGroups(
  area: React.RefObject<HTMLElement>,
  processes: readonly Process[],
  by: GroupBy,
  reason: string
): StandingGroup[] {
  const layout = React.useRef<{ reason: string; layout: Layout } | null>(null);
  const inside = React.useRef(false);
  const leftAt = React.useRef(0);
  const typedAt = React.useRef(0);
  const [, settle] = React.useReducer((count: number) => count + 1, 0);

  React.useEffect(() => {
    const element = area.current;
    if (!element) return undefined;
    let timer = 0;
    const enter = () => {
      inside.current = true;
      window.clearTimeout(timer);
    };
    const leave = () => {
      inside.current = false;
      leftAt.current = performance.now();
      window.clearTimeout(timer);
      timer = window.setTimeout(settle, STILL_MS + 20);
    };
    const typed = () => {
      typedAt.current = performance.now();
    };
    element.addEventListener('pointerenter', enter);
    element.addEventListener('pointerleave', leave);
    element.addEventListener('keydown', typed);
    return () => {
      window.clearTimeout(timer);
      element.removeEventListener('pointerenter', enter);
      element.removeEventListener('pointerleave', leave);
      element.removeEventListener('keydown', typed);
    };
  }, [area]);

  const now = performance.now();
  const busy =
    inside.current ||
    now - leftAt.current < STILL_MS ||
    (now - typedAt.current < TYPED_MS &&
      area.current?.contains(document.activeElement) === true);
  if (layout.current && layout.current.reason === reason && busy) {
    return hold(layout.current.layout, processes, by);
  }
  const fresh = groups(processes, by);
  layout.current = {
    reason,
    layout: fresh.map(({ key, members }) => ({
      key,
      pids: members.map(process => process.pid)
    }))
  };
  return fresh.map(group => ({ ...group, more: 0 }));
}
