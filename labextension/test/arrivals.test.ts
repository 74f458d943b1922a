import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Approval, JournalRecord } from '../src/api/types';
import { readCell } from '../src/cell/output';
import { newsOf } from '../src/notifications/news';
import { leave, next, NOTHING, take } from '../src/panels/approvals/arrivals';
import { aProcess } from './samples';

function approval(id: string, created_at: number): Approval {
  return {
    id,
    pid: 1,
    owner: 'ana',
    name: 'Backfill',
    kind: 'call',
    step: 1,
    created_at
  };
}

function waiting(...ids: string[]): Record<string, Approval> {
  return Object.fromEntries(
    ids.map(id => [id, approval(id, Number(id.slice(1)))])
  );
}

test('what waits is shown newest first', () => {
  const shown = next(NOTHING, waiting('a1', 'a3', 'a2'), 0, false);
  assert.deepEqual(shown.cards, ['a3', 'a2', 'a1']);
});

test('nothing moves while somebody looks; arrivals gather', () => {
  const before = next(NOTHING, waiting('a1'), 0, false);
  const busy = next(before, waiting('a1', 'a2'), 1, true);
  assert.deepEqual(busy.cards, ['a1']);
  assert.deepEqual(busy.arrived, ['a2']);
  assert.deepEqual(take(busy).cards, ['a2', 'a1']);
  assert.deepEqual(next(busy, waiting('a1', 'a2'), 2, false).cards, [
    'a2',
    'a1'
  ]);
});

test('into an empty list an arrival goes at once', () => {
  assert.deepEqual(next(NOTHING, waiting('a1'), 0, true).cards, ['a1']);
});

test('a decided card keeps its place for a moment, then leaves', () => {
  const before = next(NOTHING, waiting('a1', 'a2'), 0, false);
  const left = leave(before, {
    approval: approval('a2', 2),
    decision: { verdict: 'approve', by: 'ana' },
    closed: '',
    until: 4
  });
  const soon = next(left, waiting('a1'), 1, true);
  assert.deepEqual(soon.cards, ['a2', 'a1']);
  assert.ok('a2' in soon.gone);
  assert.deepEqual(next(soon, waiting('a1'), 5, true).cards, ['a1']);
});

function record(event: JournalRecord['event']): JournalRecord {
  return {
    seq: 1,
    id: 'x',
    pid: 1,
    n: 1,
    owner: 'ana',
    actor: 'ana',
    at: 1,
    event
  };
}

test('a new wait is news, one that was answered at once is not', () => {
  const asked = record({
    type: 'approval.requested',
    approval: approval('a1', 1)
  });
  const decided = record({
    type: 'approval.decided',
    approval_id: 'a1',
    kind: 'call',
    call_id: 'c',
    decision: { verdict: 'approve' }
  });
  assert.equal(newsOf([asked], {}, 'waiting').length, 1);
  assert.equal(newsOf([asked, decided], {}, 'waiting').length, 0);
  assert.equal(newsOf([asked], {}, 'none').length, 0);
});

test('ends are news only if wanted, and not if a person ended it', () => {
  const processes = { 1: aProcess() };
  const end = (
    code: number,
    reason: 'completed' | 'failed' | 'killed'
  ): JournalRecord =>
    record({ type: 'process.exited', status: { code, reason } });
  assert.deepEqual(newsOf([end(0, 'completed')], processes, 'waiting'), []);
  assert.equal(newsOf([end(0, 'completed')], processes, 'all')[0].kind, 'done');
  assert.equal(newsOf([end(1, 'failed')], processes, 'all')[0].kind, 'failed');
  assert.deepEqual(newsOf([end(137, 'killed')], processes, 'all'), []);
});

test('a notebook from anywhere cannot give a cell more than a number and words', () => {
  assert.deepEqual(readCell({ pid: 7, cursor: 0, name: 'x' }), {
    pid: 7,
    name: 'x',
    saved: ''
  });
  assert.deepEqual(readCell({ pid: 7, name: 5 }, ['**a', 'b**']), {
    pid: 7,
    name: '',
    saved: '**ab**'
  });
  for (const data of [
    null,
    'x',
    {},
    { pid: '7' },
    { pid: 0 },
    { pid: 1.5 },
    { pid: '../../x' }
  ]) {
    assert.equal(readCell(data), null);
  }
});
