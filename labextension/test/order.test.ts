import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hold } from '../src/panels/missionControl/order';
import { rowsOf } from '../src/panels/sidebar/tree';
import { groups } from '../src/state/selectors';
import { aProcess } from './samples';

const asks = { state: 'WAITING', wait: { kind: 'approval' } } as const;

test('a card that changes group stays where it is while it is held', () => {
  const layout = [{ key: 'running', pids: [3, 2, 1] }];
  const now = [
    aProcess({ pid: 1, state: 'RUNNING' }),
    aProcess({ pid: 2, ...asks }),
    aProcess({ pid: 3, state: 'RUNNING' })
  ];
  const held = hold(layout, now, 'attention');
  assert.deepEqual(
    held.map(group => [group.key, group.members.map(p => p.pid), group.more]),
    [['running', [3, 2, 1], 0]]
  );
});

test('who is new to a group is counted, not placed', () => {
  const layout = [
    { key: 'you', pids: [5] },
    { key: 'running', pids: [3] }
  ];
  const now = [
    aProcess({ pid: 5, ...asks }),
    aProcess({ pid: 3, state: 'RUNNING' }),
    aProcess({ pid: 6, state: 'RUNNING' })
  ];
  const held = hold(layout, now, 'attention');
  assert.deepEqual(
    held.map(group => [group.key, group.members.map(p => p.pid), group.more]),
    [
      ['you', [5], 0],
      ['running', [3], 1]
    ]
  );
});

test('a group that did not exist comes at the end', () => {
  const held = hold(
    [{ key: 'running', pids: [3] }],
    [aProcess({ pid: 3, state: 'RUNNING' }), aProcess({ pid: 4, ...asks })],
    'attention'
  );
  assert.deepEqual(
    held.map(group => group.key),
    ['running', 'you']
  );
});

const fleet = [
  aProcess({ pid: 1, state: 'RUNNING' }),
  aProcess({ pid: 2, state: 'RUNNING', parent: 1 }),
  aProcess({ pid: 3, state: 'WAITING', wait: { kind: 'agent' }, parent: 2 }),
  aProcess({ pid: 4, parent: 1, ...asks }),
  aProcess({
    pid: 5,
    parent: 1,
    state: 'ZOMBIE',
    exit: { code: 0, reason: 'completed' },
    ended_at: 9
  })
];
const standingGroups = () =>
  groups(fleet, 'attention').map(group => ({ ...group, more: 0 }));

function outline(folded: readonly string[]): string[] {
  return rowsOf(standingGroups(), new Set(folded)).map(row =>
    row.kind === 'group'
      ? `${row.key} ${row.count}`
      : `${' '.repeat(row.level)}${row.process.pid}`
  );
}

test('children that work stand below their parents, the others in their group', () => {
  assert.deepEqual(outline([]), [
    'group/you 1',
    '4',
    'group/running 2',
    '1',
    ' 2',
    '  3',
    'group/finished 1',
    '5'
  ]);
});

test('folding hides what is below', () => {
  assert.deepEqual(outline(['group/finished', 'pid/1']), [
    'group/you 1',
    '4',
    'group/running 2',
    '1',
    'group/finished 1'
  ]);
});
