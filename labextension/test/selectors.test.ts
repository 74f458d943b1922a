import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Process } from '../src/api/types';
import {
  counts,
  groups,
  parseFilter,
  runSeconds,
  standing
} from '../src/state/selectors';
import { aProcess, aView } from './samples';

const waitsForYou = aProcess({
  pid: 1,
  state: 'WAITING',
  wait: { kind: 'approval' }
});
const waits = aProcess({ pid: 2, state: 'WAITING', wait: { kind: 'agent' } });
const runs = aProcess({ pid: 3, state: 'RUNNING', run_since: 10, run_s: 5 });
const stopped = aProcess({ pid: 4, state: 'STOPPED' });
const done = aProcess({
  pid: 5,
  state: 'ZOMBIE',
  exit: { code: 0, reason: 'completed' },
  ended_at: 1000
});
const failed = aProcess({
  pid: 6,
  state: 'ZOMBIE',
  exit: { code: 1, reason: 'failed' },
  ended_at: 1001
});
const all = [waitsForYou, waits, runs, stopped, done, failed];

test('a state is read as people say it', () => {
  assert.deepEqual(all.map(standing), [
    'you',
    'waiting',
    'running',
    'stopped',
    'done',
    'failed'
  ]);
  assert.equal(standing(aProcess()), 'ready');
});

test('counts take the finished of today only', () => {
  const old = aProcess({ ...done, pid: 9, ended_at: 1000 - 3 * 86400 });
  assert.deepEqual(counts(aView([...all, old]), 2000), {
    you: 1,
    running: 1,
    stopped: 1,
    doneToday: 1,
    failedToday: 1
  });
});

test('attention groups stand in their order, the newest first within', () => {
  const made = groups(
    [...all, aProcess({ ...runs, pid: 30 })],
    'attention'
  ).map(group => [group.key, group.members.map(member => member.pid)]);
  assert.deepEqual(made, [
    ['you', [1]],
    ['running', [30, 3]],
    ['quiet', [2, 4]],
    ['finished', [6, 5]]
  ]);
});

test('groups by parent are in the order of their numbers', () => {
  const made = groups(
    [
      aProcess({ pid: 1 }),
      aProcess({ pid: 2, parent: 10 }),
      aProcess({ pid: 3, parent: 9 })
    ],
    'parent'
  );
  assert.deepEqual(
    made.map(group => group.key),
    ['', '9', '10']
  );
});

test('time spent goes on while running', () => {
  assert.equal(runSeconds(runs, 17), 12);
  assert.equal(runSeconds(stopped, 17), 0);
});

const cheap = aProcess({
  pid: 11,
  name: 'Tune churn model',
  owner: 'mei',
  model: 'local:qwen',
  cost_usd: 0.4,
  step: 12,
  input_tokens: 6000
});
const dear = aProcess({
  pid: 12,
  name: 'Close dashboards',
  goal: 'Close "stale" boards',
  owner: 'ana',
  cost_usd: 3,
  state: 'RUNNING'
});

const filters: [string, Process[]][] = [
  ['', [cheap, dear]],
  ['churn', [cheap]],
  ['CHURN model', [cheap]],
  ['12', [dear]],
  ['owner:ana', [dear]],
  ['-owner:ana', [cheap]],
  ['model:qwen cost<1', [cheap]],
  ['cost>1', [dear]],
  ['cost>$1', [dear]],
  ['tokens>=6k', [cheap]],
  ['steps=12', [cheap]],
  ['state:running', [dear]],
  ['state:run', [dear]],
  ['state:ready', [cheap]],
  ['"tune churn"', [cheap]],
  ['name:"close dash"', [dear]],
  ['pid:11', [cheap]],
  ['nothing', []]
];

for (const [text, expected] of filters) {
  test(`filter ${text || '(empty)'}`, () => {
    assert.deepEqual([cheap, dear].filter(parseFilter(text)), expected);
  });
}
