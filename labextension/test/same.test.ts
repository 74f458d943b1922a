import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Approval } from '../src/api/types';
import { CROWD, places } from '../src/panels/approvals/same';

function approval(
  id: string,
  more: Partial<Approval> & { tool?: string } = {}
): Approval {
  const { tool = 'run_command', ...rest } = more;
  return {
    id,
    pid: 1,
    owner: 'ana',
    name: 'Check',
    step: 1,
    kind: 'call',
    risk: 'execute',
    call: { id: `c-${id}`, tool, arguments: { command: id } },
    digest: id,
    created_at: 1,
    ...rest
  } as Approval;
}

function crowd(...extra: Approval[]): Record<string, Approval> {
  const all = [
    ...Array.from({ length: CROWD }, (_, index) => approval(`a${index}`)),
    ...extra
  ];
  return Object.fromEntries(all.map(each => [each.id, each]));
}

test('few calls stand one by one', () => {
  const waiting = crowd();
  const ids = Object.keys(waiting);
  assert.equal(places(ids, waiting, new Set()).length, CROWD);
});

test('in a crowd equal calls fold into the place of the first', () => {
  const waiting = crowd(approval('b', { tool: 'delete_file' }));
  const ids = ['b', ...Object.keys(waiting).filter(id => id !== 'b')];
  const made = places(ids, waiting, new Set());
  assert.deepEqual(
    made.map(place => place.ids.length),
    [1, CROWD]
  );
  assert.equal(made[1].ids[0], 'a0');
});

test('another name, a question and what cannot be brought back do not fold', () => {
  const waiting = crowd(
    approval('other', { name: 'Elsewhere' }),
    approval('ask', { kind: 'question', call: null }),
    approval('gone1', { risk: 'destructive' }),
    approval('gone2', { risk: 'destructive' })
  );
  const made = places(Object.keys(waiting), waiting, new Set());
  assert.deepEqual(
    made.filter(place => place.ids.length === 1).map(place => place.key),
    ['other', 'ask', 'gone1', 'gone2']
  );
});

test('what a person took apart stays apart, and what is decided leaves the fold', () => {
  const waiting: Record<string, Approval> = crowd(approval('x'));
  const ids = Object.keys(waiting);
  const [fold] = places(ids, waiting, new Set());
  assert.equal(places(ids, waiting, new Set([fold.key])).length, ids.length);
  const left: Record<string, Approval> = { ...waiting, y: approval('y') };
  delete left.x;
  const made = places([...ids, 'y'], left, new Set());
  assert.deepEqual(
    made.map(place => place.ids.length),
    [CROWD + 1, 1]
  );
});
