import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AetherEvent, JournalRecord, View } from '../src/api/types';
import { backoff } from '../src/api/feed';
import { type AetherState, AetherStore } from '../src/state/store';
import { aProcess, aView } from './samples';

function line(seq: number, pid: number, event: AetherEvent): JournalRecord {
  return {
    seq,
    id: String(seq),
    pid,
    n: seq,
    owner: 'ana',
    actor: 'runtime',
    at: 100,
    event
  };
}

/** The painted state, read anew each time (the compiler would take an earlier assertion for granted). */
function painted(store: AetherStore): AetherState {
  return store.state;
}

function filled(): AetherStore {
  const store = new AetherStore(paint => paint());
  store.take({ snapshot: aView([aProcess({ pid: 7 })]) });
  return store;
}

test('readers are told once for many frames, and see the last', () => {
  const paints: (() => void)[] = [];
  const store = new AetherStore(paint => paints.push(paint));
  let told = 0;
  store.subscribe(() => (told += 1));
  store.take({ snapshot: aView([aProcess({ pid: 7 })]) });
  for (let seq = 1; seq <= 50; seq++) {
    store.take({
      records: [
        line(seq, 7, { type: 'model.requested', step: seq, model: 'm' })
      ],
      cursor: seq
    });
  }
  assert.equal(paints.length, 1);
  assert.equal(painted(store).view, null);
  paints[0]();
  assert.equal(told, 1);
  assert.equal(painted(store).view?.processes[7].step, 50);
});

test('the next paint waits for what is left of a quarter of a second', () => {
  const waits: number[] = [];
  const store = new AetherStore((paint, wait) => {
    waits.push(wait);
    paint();
  });
  store.take({ snapshot: aView([]) });
  store.take({ notices: [] });
  assert.equal(waits[0], 0);
  assert.ok(waits[1] > 150 && waits[1] <= 250, String(waits[1]));
});

test('a lost connection keeps what was seen and dates it', () => {
  const store = filled();
  store.lose(5000, 'why');
  const { connection, view } = store.state;
  assert.equal(connection.status, 'lost');
  assert.equal(connection.retryAt, 5000);
  assert.equal(connection.detail, 'why');
  assert.ok(connection.lastNewsAt !== null);
  assert.ok(view?.processes[7]);
  store.take({ notices: [] });
  assert.equal(store.state.connection.status, 'live');
});

test('notices are kept only for watched processes, until the journal has the whole', () => {
  const store = filled();
  const asked: (readonly number[])[] = [];
  store.watchChanged.connect((_, pids) => asked.push(pids));
  const words = (text: string) =>
    store.take({
      notices: [{ type: 'notice.text', pid: 7, step: 1, kind: 'text', text }]
    });
  words('lost');
  assert.equal(painted(store).live[7], undefined);
  const one = store.watch(7);
  const two = store.watch(7);
  words('he');
  words('llo');
  assert.equal(painted(store).live[7].text, 'hello');
  one.dispose();
  assert.deepEqual(asked, [[7]]);
  store.take({
    records: [
      line(1, 7, {
        type: 'model.answered',
        step: 1,
        model: 'm',
        parts: [],
        usage: {}
      })
    ],
    cursor: 1
  });
  assert.equal(painted(store).live[7].text, '');
  words('late words of step 1');
  assert.equal(painted(store).live[7].text, '');
  two.dispose();
  assert.deepEqual(asked, [[7], []]);
  assert.equal(painted(store).live[7], undefined);
});

test('the cursor moves past records of other people', () => {
  const store = filled();
  store.take({ records: [], cursor: 40 });
  assert.equal(store.cursor, 40);
  assert.deepEqual((store.view as View).processes[7], aProcess({ pid: 7 }));
});

test('steps are counted by the minute of the server', () => {
  const store = filled();
  const at = store.now();
  const steps = [at - 60, at - 60, at].map((when, index) => ({
    ...line(index + 1, 7, {
      type: 'model.requested' as const,
      step: 1,
      model: 'm'
    }),
    at: when
  }));
  store.take({ records: steps, cursor: 3 });
  const { counts } = store.pace(20);
  assert.equal(counts.length, 20);
  assert.deepEqual(counts.slice(-2), [2, 1]);
});

test('waits before a new try double up to half a minute, and differ by chance', () => {
  assert.equal(backoff(0, 1), 500);
  assert.equal(backoff(0, 0), 250);
  assert.equal(backoff(3, 1), 4000);
  assert.equal(backoff(50, 1), 30_000);
});

test('who asks for control is shown until it changes hands, also to who looks later', () => {
  const store = filled();
  const asked = () => painted(store).live[7]?.asked;
  store.take({
    records: [
      line(1, 7, { type: 'control.taken', by: 'ana' }),
      line(2, 7, { type: 'control.asked', by: 'priya' })
    ],
    cursor: 2
  });
  assert.equal(asked(), 'priya');
  store.take({
    records: [line(3, 7, { type: 'control.taken', by: 'priya' })],
    cursor: 3
  });
  assert.equal(asked(), '');
});
