/** The rows of the side panel: groups, agents, and children below their parents. Pure. */
import type { Process } from '../../api/types';
import { standing } from '../../state/selectors';
import type { StandingGroup } from '../missionControl/order';

export type TreeRow =
  | {
      kind: 'group';
      key: string;
      group: StandingGroup;
      count: number;
      folded: boolean;
    }
  | {
      kind: 'agent';
      key: string;
      process: Process;
      level: number;
      /** Whether it has children below it, and whether they are shown. */
      children: 'none' | 'shown' | 'folded';
    };

/** Children that work stand below their parent; who needs a person or has ended stands in the group that says so. */
function nests(process: Process): boolean {
  const mark = standing(process);
  return mark !== 'you' && mark !== 'done' && mark !== 'failed';
}

/** All rows in order. `folded` holds keys of groups and of agents. */
export function rowsOf(
  groups: readonly StandingGroup[],
  folded: ReadonlySet<string>
): TreeRow[] {
  const members = new Map(
    groups.flatMap(group =>
      group.members.map(process => [process.pid, process])
    )
  );
  const below = new Map<number, Process[]>();
  const nested = new Set<number>();
  for (const process of members.values()) {
    const parent =
      process.parent === null ? undefined : members.get(process.parent);
    if (!parent || !nests(process) || standing(parent) === 'done') continue;
    nested.add(process.pid);
    const siblings = below.get(parent.pid);
    if (siblings) siblings.push(process);
    else below.set(parent.pid, [process]);
  }
  const rows: TreeRow[] = [];
  const add = (process: Process, level: number) => {
    const children = below.get(process.pid) ?? [];
    const key = `pid/${process.pid}`;
    const shut = folded.has(key);
    rows.push({
      kind: 'agent',
      key,
      process,
      level,
      children: children.length === 0 ? 'none' : shut ? 'folded' : 'shown'
    });
    if (shut) return;
    for (const child of children.sort((a, b) => a.pid - b.pid)) {
      add(child, level + 1);
    }
  };
  for (const group of groups) {
    const top = group.members.filter(process => !nested.has(process.pid));
    if (top.length === 0) continue;
    const key = `group/${group.key}`;
    const shut = folded.has(key);
    rows.push({
      kind: 'group',
      key,
      group,
      count: group.members.length,
      folded: shut
    });
    if (!shut) for (const process of top) add(process, 0);
  }
  return rows;
}
