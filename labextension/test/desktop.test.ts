import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bits, levels, Meter } from '../src/panels/desktop/quality';

/** So many bytes that wait for a connection of this speed: they come in messages of the server's size. */
function send(meter: Meter, bytes: number, perSecond: number, from: number) {
  let at = from;
  for (let left = bytes; left > 0; left -= 65_536) {
    const size = Math.min(left, 65_536);
    at += (size / perSecond) * 1000;
    meter.take(size, at);
  }
  return at;
}

test('the connection is measured on what waits for it, not on how little there is to say', () => {
  const meter = new Meter();
  assert.equal(meter.capacity(0), null);
  // A film of small pictures says nothing of the connection.
  for (let frame = 0; frame < 300; frame++) meter.take(9000, frame * 40);
  assert.equal(meter.capacity(12_000), null);
  const end = send(meter, 600_000, 400_000, 20_000);
  const slow = meter.capacity(end);
  assert.ok(slow !== null && Math.abs(slow - 400_000) < 40_000, `${slow}`);
  assert.ok(meter.rate(end) > 100_000);
  assert.equal(meter.rate(end + 10_000), 0);
  // One picture that came at once is worth more than any that had to wait for the server.
  const later = send(meter, 200_000, 20_000_000, end + 1000);
  assert.ok((meter.capacity(later) ?? 0) > 5_000_000);
});

test('a connection that was slow is tried again', () => {
  const meter = new Meter();
  const end = send(meter, 300_000, 50_000, 0);
  const before = meter.capacity(end) ?? 0;
  assert.ok(Math.abs(before - 50_000) < 5_000);
  assert.equal(meter.capacity(end + 20_000), before);
  assert.equal(meter.capacity(end + 31_000), before * 2);
  assert.equal(meter.capacity(end + 62_000), before * 4);
});

test('quality goes with the connection, and does not swing at the edge', () => {
  const fast = levels(5_000_000, { quality: 6, compression: 2 });
  assert.deepEqual(fast, { quality: 8, compression: 1 });
  assert.deepEqual(levels(900_000, fast), fast);
  assert.equal(levels(500_000, fast).quality, 6);
  assert.equal(levels(20_000, fast).quality, 1);
  const low = levels(20_000, fast);
  assert.equal(levels(100_000, low).quality, 3);
  assert.equal(levels(900_000, levels(300_000, low)).quality, 6);
});

test('speeds are told in bits', () => {
  assert.equal(bits(22_500), '180 kbit/s');
  assert.equal(bits(425_000), '3.4 Mbit/s');
  assert.equal(bits(90_000_000), '> 100 Mbit/s');
});
