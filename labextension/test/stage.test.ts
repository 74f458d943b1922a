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
} from '../src/panels/stage/acts';
import { pixels, placeOf, placeOfCall } from '../src/panels/stage/points';

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
  const at = placeOfCall(call('desktop_click', { x: 512, y: 320 }), 'desktop', {
    width: 1024,
    height: 640
  });
  assert.deepEqual(at, { x: 0.5, y: 0.5 });
  // The pixels of a page in a browser are not those of the desktop.
  const point = call('browser_click', { target: '320, 200' });
  assert.equal(placeOfCall(point, 'desktop', SIZE), null);
  assert.deepEqual(placeOfCall(point, 'browser', SIZE), { x: 0.25, y: 0.25 });
  // Most targets are no points.
  const named = call('browser_click', { target: 'button "Save 1, 2"' });
  assert.equal(placeOfCall(named, 'browser', SIZE), null);
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
  assert.equal(iconOf('browser_open'), 'globe');
  assert.equal(iconOf('browser_wait'), 'clock');
  const awaited = call('browser_wait', { text: 'Saved' });
  assert.equal(detailOf(awaited), '');
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
    'desktop',
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
  const during = deeds(journal(taken), [{ by: 'ana', act }], 'desktop', SIZE);
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
      turn: {
        did: [act],
        scenes: [{ stage: 'desktop', after: picture(640, 400) }]
      }
    } as AetherEvent),
    // What was live is in the journal now, and must not stand there twice.
    [{ by: 'ana', act }],
    'desktop',
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

test('each stage has a list of its own, with what is on neither in both', () => {
  const started = (tool: string, id: string) =>
    ({
      type: 'tool.started',
      step: 1,
      call: call(tool, { target: '64, 80', url: 'https://a.test/' }, id)
    }) as AetherEvent;
  const records = journal(
    started('desktop_click', 'a'),
    started('browser_click', 'b'),
    started('write_file', 'c'),
    { type: 'control.taken', by: 'ana' } as AetherEvent,
    {
      type: 'control.returned',
      by: 'ana',
      why: 'returned',
      duration_s: 3,
      turn: {
        did: [
          { kind: 'click', at: 103, x: 1, y: 1 },
          { kind: 'type', at: 103.5, count: 4, stage: 'browser' }
        ],
        scenes: [
          { stage: 'desktop', after: picture(640, 400), open: ['Editor'] },
          { stage: 'browser', after: picture(320, 200), open: ['Shop'] }
        ]
      }
    } as AetherEvent
  );
  const told = (stage: 'desktop' | 'browser') =>
    deeds(records, [], stage, SIZE).map(deed =>
      deed.kind === 'agent'
        ? deed.name
        : deed.kind === 'person'
          ? deed.act.kind
          : `${deed.what} ${deed.images[0]?.width ?? ''}`
    );
  const both = ['took ', 'write file'];
  assert.deepEqual(told('desktop'), [
    'returned 640',
    'click',
    ...both,
    'click'
  ]);
  assert.deepEqual(told('browser'), ['returned 320', 'type', ...both, 'click']);
  // A page is counted in its own pixels, whatever picture of it was taken.
  const [place] = deeds(records, [], 'browser', SIZE).flatMap(deed =>
    deed.kind === 'agent' && deed.place ? [deed.place] : []
  );
  assert.deepEqual(place, { x: 0.05, y: 0.1 });
});
