import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { JournalRecord } from '../src/api/types';
import { type ReadRecords, Transcript } from '../src/state/transcript';

function line(n: number): JournalRecord {
  return {
    seq: n,
    id: String(n),
    pid: 1,
    n,
    owner: 'ana',
    actor: 'ana',
    at: n,
    event: { type: 'process.signal', signal: 'STOP' }
  };
}

/** A server with lines 1 to `head()`. */
function server(head: () => number): ReadRecords {
  return async ({ after = 0, before, limit = 200 }) => {
    const all = Array.from({ length: head() }, (_, index) => line(index + 1));
    if (before !== undefined) {
      return all.filter(record => record.n < before).slice(-limit);
    }
    return all.filter(record => record.n > after).slice(0, limit);
  };
}

function numbers(transcript: Transcript): number[] {
  return transcript.records.map(record => record.n);
}

test('the end is read first, the older pages behind it', async () => {
  const transcript = new Transcript(server(() => 1200));
  await transcript.open(1200);
  assert.equal(numbers(transcript)[0], 701);
  assert.ok(!transcript.complete);
  assert.ok(await transcript.older());
  assert.ok(await transcript.older());
  assert.ok(!(await transcript.older()));
  assert.deepEqual(
    numbers(transcript),
    Array.from({ length: 1200 }, (_, index) => index + 1)
  );
});

test('live lines join; a gap is filled from the server', async () => {
  let head = 3;
  const transcript = new Transcript(server(() => head));
  await transcript.open(3);
  head = 7;
  await transcript.add([line(4), line(4)]);
  await transcript.add([line(7)]);
  assert.deepEqual(numbers(transcript), [1, 2, 3, 4, 5, 6, 7]);
});

test('of an erased process nothing is kept, and nothing is asked for', async () => {
  const transcript = new Transcript(server(() => 3));
  await transcript.open(3);
  const last: JournalRecord = { ...line(4), event: { type: 'process.erased' } };
  await transcript.add([last]);
  assert.deepEqual(numbers(transcript), []);
  assert.ok(transcript.complete);
  assert.equal(transcript.failure, null);
});

test('lines that come while the first page is read are not lost', async () => {
  let head = 2;
  const transcript = new Transcript(server(() => head));
  const opening = transcript.open(2);
  head = 3;
  await transcript.add([line(3)]);
  await opening;
  assert.deepEqual(numbers(transcript), [1, 2, 3]);
});

test('after a snapshot it catches up', async () => {
  let head = 2;
  const transcript = new Transcript(server(() => head));
  await transcript.open(2);
  head = 900;
  await transcript.catchUp(900);
  assert.equal(transcript.records.length, 900);
});

test('a read that fails is told and can be tried again', async () => {
  let down = true;
  const up = server(() => 2);
  const transcript = new Transcript(query =>
    down ? Promise.reject(new Error('no answer')) : up(query)
  );
  await transcript.open(2);
  assert.equal(transcript.failure?.message, 'no answer');
  assert.ok(!transcript.opened);
  down = false;
  await transcript.open(2);
  assert.equal(transcript.failure, null);
  assert.deepEqual(numbers(transcript), [1, 2]);
});
