import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { AetherEvent, Image, JournalRecord } from '../src/api/types';
import {
  type AgentDeed,
  deeds,
  detailOf,
  iconOf,
  joined,
  nameOf
} from '../src/panels/desktop/acts';
import { pixels, placeOf, placeOfCall } from '../src/panels/desktop/points';
import { bits, levels, Meter } from '../src/panels/desktop/quality';

const SIZE = { width: 1280, height: 800 };

function call(tool: string, args: Record<string, unknown>, id = 'c1') {
  return { type: 'call' as const, id, tool, arguments: args };
}

function picture(width: number, height: number): Image {
  return {
    digest: 'd'.repeat(64),
    media_type: 'image/png',
    width,
    height,
    size_bytes: 1000
  };
}

function journal(...events: AetherEvent[]): JournalRecord[] {
  return events.map((event, index) => ({
    seq: index + 1,
    id: String(index),
    pid: 1,
    n: index + 1,
    owner: 'ana',
    actor: 'ana',
    at: 100 + index,
    event
  }));
}

test('pixels are found however a provider names them', () => {
  assert.deepEqual(pixels({ x: 10, y: 20 }), [10, 20]);
  assert.deepEqual(pixels({ coordinate: [3, 4] }), [3, 4]);
  assert.deepEqual(pixels({ action: { type: 'click', x: 5, y: 6 } }), [5, 6]);
  assert.deepEqual(pixels({ point: { x: 1, y: 2 } }), [1, 2]);
  assert.deepEqual(pixels({ from_x: 1, from_y: 2, to_x: 3, to_y: 4 }), [3, 4]);
  assert.equal(pixels({ text: 'hello' }), null);
  assert.equal(pixels({ coordinate: ['a', 'b'] }), null);
  assert.equal(pixels({ x: 10 }), null);
});

test('a place is a share of the picture that the agent saw', () => {
  assert.deepEqual(placeOf([640, 400], SIZE), { x: 0.5, y: 0.5 });
  assert.equal(placeOf([1281, 10], SIZE), null);
  assert.equal(placeOf([1, 1], { width: 0, height: 0 }), null);
  const at = placeOfCall(call('desktop_click', { x: 512, y: 320 }), {
    width: 1024,
    height: 640
  });
  assert.deepEqual(at, { x: 0.5, y: 0.5 });
  // The pixels of a page in a browser are not those of the desktop.
  assert.equal(placeOfCall(call('browser_click', { x: 1, y: 1 }), SIZE), null);
});

test('calls are named as people say them, and typed text is only counted', () => {
  assert.equal(nameOf(call('desktop_double_click', {})), 'double click');
  assert.equal(
    nameOf(call('computer', { action: 'left_click' })),
    'left click'
  );
  assert.equal(
    nameOf(call('computer', { action: { type: 'scroll', x: 1 } })),
    'scroll'
  );
  assert.equal(
    detailOf(call('desktop_click', { x: 871, y: 231.2 })),
    '871, 231'
  );
  const typed = detailOf(call('desktop_type', { text: 'geheim€' }));
  assert.equal(typed, '7 characters');
  assert.equal(detailOf(call('run_command', { command: 'ls  -la' })), 'ls -la');
  assert.equal(iconOf('double click'), 'pointer');
  assert.equal(iconOf('screenshot'), 'camera');
  assert.equal(iconOf('something else'), 'action');
});

test('the list is newest first, with the reason under the last action and its pictures', () => {
  const found = deeds(
    journal(
      {
        type: 'model.answered',
        step: 1,
        model: 'm',
        parts: [
          { type: 'text', text: 'I look first.' },
          call('desktop_screenshot', {}, 'a')
        ]
      } as AetherEvent,
      {
        type: 'tool.started',
        step: 1,
        call: call('desktop_screenshot', {}, 'a')
      } as AetherEvent,
      {
        type: 'tool.ended',
        step: 1,
        call_id: 'a',
        tool: 'desktop_screenshot',
        outcome: { ok: true, content: '', images: [picture(640, 400)] }
      } as AetherEvent,
      {
        type: 'model.answered',
        step: 2,
        model: 'm',
        parts: [
          { type: 'text', text: 'The button is there.' },
          call('desktop_click', { x: 320, y: 100 }, 'b')
        ]
      } as AetherEvent,
      {
        type: 'tool.started',
        step: 2,
        call: call('desktop_click', { x: 320, y: 100 }, 'b')
      } as AetherEvent
    ),
    [],
    SIZE
  ) as AgentDeed[];
  assert.deepEqual(
    found.map(({ name, reason, running }) => [name, reason, running]),
    [
      ['click', 'The button is there.', true],
      ['screenshot', '', false]
    ]
  );
  // In pixels of the picture it had just seen, which is half as large as the desktop.
  assert.deepEqual(found[0].place, { x: 0.5, y: 0.25 });
  assert.equal(found[1].images.length, 1);
});

test('a turn of a person stands with all they did, before and after it is handed back', () => {
  const act = { kind: 'click' as const, at: 101.5, x: 5, y: 6 };
  const taken = { type: 'control.taken', by: 'ana' } as AetherEvent;
  const during = deeds(journal(taken), [{ by: 'ana', act }], SIZE);
  assert.deepEqual(
    during.map(deed => deed.kind),
    ['person', 'turn']
  );
  const after = deeds(
    journal(taken, {
      type: 'control.returned',
      by: 'ana',
      why: 'returned',
      duration_s: 3,
      note: 'Go on.',
      turn: { did: [act], after: picture(640, 400) }
    } as AetherEvent),
    // What was live is in the journal now, and must not stand there twice.
    [{ by: 'ana', act }],
    SIZE
  );
  assert.deepEqual(
    after.map(deed => deed.kind),
    ['turn', 'person', 'turn']
  );
  assert.equal(after[0].kind === 'turn' && after[0].note, 'Go on.');
});

test('letters of one word are one act', () => {
  const typed = (at: number) => ({
    by: 'ana',
    act: { kind: 'type' as const, at }
  });
  const once = joined(joined([], typed(1)), typed(1.2));
  assert.deepEqual(
    once.map(({ act }) => act.count),
    [2]
  );
  assert.equal(joined(once, typed(9)).length, 2);
  const click = { by: 'ana', act: { kind: 'click' as const, at: 9.1 } };
  assert.equal(joined(joined(once, click), click).length, 3);
});

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
