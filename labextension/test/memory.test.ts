import assert from 'node:assert/strict';
import { test } from 'node:test';

import { afterSaving, type INotesDraft } from '../src/panels/memory/drafts';
import { around, marked, telling } from '../src/panels/memory/marks';
import { type IPage, Pages } from '../src/panels/memory/pages';
import { curve, daysAbove, dots, strength } from '../src/panels/memory/fading';
import { contextChanges, sectionsGone } from '../src/panels/memory/contextDiff';
import { parseTags } from '../src/panels/memory/tags';
import { fits, tellsOfMemory } from '../src/panels/memory/useMemories';
import { changedFields, difference } from '../src/panels/memory/versions';
import { memoryName } from '../src/state/selectors';
import type { ContextView } from '../src/api/types';
import { aMemory, aProcess, aRecord, aView } from './samples';

const DAY = 86_400;
const HALF_LIVES = {
  episodic: 14 * DAY,
  semantic: 180 * DAY,
  procedural: 365 * DAY,
  social: 365 * DAY
};
const NOW = 1_700_000_000;

test('strength halves with each half-life since it was last of use', () => {
  const memory = aMemory({
    layer: 'episodic',
    importance: 0.8,
    created_at: NOW - 28 * DAY
  });
  assert.equal(strength(memory, NOW, HALF_LIVES).toFixed(3), '0.200');
  const used = { ...memory, used_at: NOW - 14 * DAY };
  assert.equal(strength(used, NOW, HALF_LIVES).toFixed(3), '0.400');
  assert.equal(strength({ ...memory, pinned: true }, NOW, HALF_LIVES), 1);
  // A clock that is behind does not make it stronger than it is.
  assert.equal(
    strength({ ...memory, created_at: NOW + DAY }, NOW, HALF_LIVES),
    0.8
  );
});

test('how long it stays above the line follows from the same formula', () => {
  const memory = aMemory({
    layer: 'episodic',
    importance: 0.8,
    created_at: NOW
  });
  assert.equal(
    daysAbove(memory, NOW, HALF_LIVES, 0.1)?.toFixed(6),
    '42.000000'
  );
  assert.equal(daysAbove(memory, NOW + 43 * DAY, HALF_LIVES, 0.1), 0);
  assert.equal(
    daysAbove({ ...memory, pinned: true }, NOW, HALF_LIVES, 0.1),
    null
  );
});

test('a curve joins what was and what will be at today', () => {
  const fresh = curve(
    aMemory({ created_at: NOW, importance: 1 }),
    NOW,
    HALF_LIVES
  );
  assert.deepEqual([fresh.past.length, fresh.today], [0, 0]);
  assert.deepEqual(fresh.future[0], [0, 1]);
  const old = curve(
    aMemory({ created_at: NOW - 12 * DAY, importance: 1, layer: 'episodic' }),
    NOW,
    HALF_LIVES
  );
  assert.equal(old.today, 0.2);
  assert.deepEqual(old.past.at(-1), old.future[0]);
  assert.deepEqual(old.past[0], [0, 1]);
  assert.equal(old.future.at(-1)?.[0], 1);
  // Of a very old one half of the days are still to come.
  const ancient = curve(
    aMemory({ created_at: NOW - 900 * DAY }),
    NOW,
    HALF_LIVES
  );
  assert.equal(ancient.today, 0.5);
});

test('an importance is told in five dots', () => {
  assert.deepEqual(
    [0, 0.01, 0.2, 0.5, 0.8, 1].map(value => dots(value)),
    [0, 1, 1, 3, 4, 5]
  );
});

const found = (text: string, query: string) =>
  marked(text, query)
    .filter(piece => piece.found)
    .map(piece => piece.text);

test('the telling words of a search are marked, in any form', () => {
  assert.deepEqual(telling('the fixture names in THE tests'), [
    'fixture',
    'names',
    'tests'
  ]);
  assert.deepEqual(telling('who is it'), ['who', 'is', 'it']);
  assert.deepEqual(
    found(
      'priya wants fixture names kept when a fixture is named.',
      'fixtures name '
    ),
    ['fixture', 'names', 'fixture', 'named']
  );
  assert.deepEqual(found('Uploads and stories', 'upload story '), [
    'Uploads',
    'stories'
  ]);
  // The word that is being typed finds what begins with it; a shorter one would find everything.
  assert.deepEqual(found('conftest of the confused', 'conf'), [
    'conftest',
    'confused'
  ]);
  assert.deepEqual(found('of the order', 'o'), []);
});

test('marks lose nothing of a text, whatever is in it', () => {
  for (const text of ['<b>a</b> & "x"', '日本語 テスト', '🙂 upload', '']) {
    for (const query of ['b', '<b>', 'テスト', '*', 'upload" OR (', '']) {
      assert.equal(
        marked(text, query)
          .map(piece => piece.text)
          .join(''),
        text
      );
    }
  }
});

test('a long memory is shown where the first find is', () => {
  const text = `${'before '.repeat(200)}needle ${'after '.repeat(200)}`;
  assert.match(around(text, 'needle'), /^….*needle.*…$/);
  assert.equal(around('short', 'needle'), 'short');
  assert.ok(around(text, '').startsWith('before'));
});

test('a search finds what shares a word or lies near, not whatever is nearest', () => {
  const of = (words: number, likeness: number | null) =>
    fits({
      memory: aMemory({}),
      why: {
        score: 0,
        words,
        meaning: 0,
        importance: 0,
        recency: 0,
        task: 0,
        likeness
      }
    });
  assert.deepEqual(
    [of(0.2, null), of(0, 0.6), of(0, 0.2), of(0, null)],
    [true, true, false, false]
  );
});

test('what changed in a text is told word by word', () => {
  assert.deepEqual(
    difference('one folder for each upload.', 'one folder of each upload now.'),
    [
      { text: 'one folder ', kind: '' },
      { text: 'for', kind: 'del' },
      { text: 'of', kind: 'add' },
      { text: ' each ', kind: '' },
      { text: 'upload.', kind: 'del' },
      { text: 'upload now.', kind: 'add' }
    ]
  );
  assert.deepEqual(difference('same', 'same'), [{ text: 'same', kind: '' }]);
});

test('either text can be had back from the difference, long ones as well', () => {
  const long = Array.from({ length: 5000 }, (_, n) => `w${n}`).join(' ');
  for (const [a, b] of [
    ['', 'new'],
    ['gone', ''],
    ['a b c d', 'a x c y d'],
    ['x\n\ny', 'x\ny'],
    [`start ${long}`, `begin ${long} end`],
    [long, long.toUpperCase()]
  ]) {
    const changes = difference(a, b);
    const side = (kind: 'add' | 'del') =>
      changes
        .filter(change => change.kind !== kind)
        .map(change => change.text)
        .join('');
    assert.equal(side('add'), a);
    assert.equal(side('del'), b);
  }
});

test('versions tell which fields changed', () => {
  const before = aMemory({ tags: ['a'], text: 'x' });
  assert.deepEqual(changedFields(before, { ...before, version: 2 }), []);
  assert.deepEqual(
    changedFields(before, {
      ...before,
      text: 'y',
      tags: ['a', 'b'],
      pinned: true,
      forgotten_at: 5
    }),
    ['text', 'tags', 'pinned', 'forgotten']
  );
});

/** A server with so many items, and what it was asked. */
function aServer(count: number) {
  const asked: [string, number][] = [];
  let broken = false;
  const ask = async (
    cursor: string,
    limit: number
  ): Promise<IPage<{ id: number }>> => {
    asked.push([cursor, limit]);
    await Promise.resolve();
    if (broken) throw new Error('lost');
    const from = Number(cursor || 0);
    const to = Math.min(count, from + limit);
    return {
      items: Array.from({ length: to - from }, (_, n) => ({ id: from + n })),
      next: to < count ? String(to) : '',
      total: count
    };
  };
  return { ask, asked, break: (is: boolean) => (broken = is) };
}

const settled = () => new Promise(resolve => setTimeout(resolve, 5));

test('pages are read as far as somebody wants to see, and no further', async () => {
  const server = aServer(100_000);
  let told = 0;
  const pages = new Pages(server.ask, () => (told += 1));
  pages.want(30);
  pages.want(60);
  await settled();
  assert.deepEqual(server.asked, [['', 200]]);
  assert.deepEqual(
    [pages.items.length, pages.total, pages.opened, told],
    [200, 100_000, true, 1]
  );
  pages.want(5200);
  await settled();
  assert.equal(pages.items.length, 5200);
  assert.equal(server.asked.length, 6, 'in large bites where the way is far');
  assert.deepEqual(
    pages.items.map(item => item.id),
    Array.from({ length: 5200 }, (_, n) => n)
  );
});

test('a page that fails is told, and asked again when a person wants', async () => {
  const server = aServer(1000);
  const pages = new Pages(server.ask, () => undefined);
  pages.want(200);
  await settled();
  server.break(true);
  pages.want(400);
  await settled();
  assert.equal(pages.failure?.message, 'lost');
  assert.equal(pages.items.length, 200, 'what was read stays');
  pages.want(600);
  await settled();
  assert.equal(server.asked.length, 2, 'nobody asks on by itself');
  server.break(false);
  pages.retry();
  await settled();
  assert.deepEqual([pages.failure, pages.items.length], [null, 600]);
});

test('who does not look any more is told nothing', async () => {
  const server = aServer(1000);
  let told = 0;
  const pages = new Pages(server.ask, () => (told += 1));
  pages.want(1);
  pages.stop();
  await settled();
  assert.equal(told, 0);
});

test('what was forgotten leaves the pages and their count', async () => {
  const pages = new Pages(aServer(250).ask, () => undefined);
  pages.want(250);
  await settled();
  pages.remove(new Set([3, 7, 9999]));
  assert.deepEqual([pages.items.length, pages.total], [248, 248]);
  pages.replace({ id: 4 });
  assert.equal(pages.items[3].id, 4);
});

test('a memory has the name of its agent, below those above it', () => {
  const view = aView([
    aProcess({ pid: 1, name: 'clerk' }),
    aProcess({ pid: 2, name: 'a › b', parent: 1 }),
    aProcess({ pid: 3, name: 'c', parent: 2 }),
    aProcess({ pid: 4, name: 'orphan', parent: 99 })
  ]);
  assert.equal(memoryName(view, 1), 'clerk');
  assert.equal(memoryName(view, 3), 'clerk › a > b › c');
  assert.equal(memoryName(view, 4), 'orphan');
});

test('only what an agent does to its memory counts as news of it', () => {
  const ended = (tool: string) =>
    tellsOfMemory(
      aRecord({
        type: 'tool.ended',
        step: 1,
        call_id: 'c',
        tool,
        outcome: { ok: true, content: '' }
      })
    );
  assert.deepEqual(['remember', 'forget', 'read_file'].map(ended), [
    true,
    true,
    false
  ]);
});

test('tags are parted by commas, each once', () => {
  assert.deepEqual(parseTags(' a, b ,,a,\nlong tag '), ['a', 'b', 'long tag']);
  assert.equal(parseTags('x'.repeat(99))[0].length, 60);
});

type Entry = ContextView['sections'][number]['entries'][number];
type Kind = ContextView['sections'][number]['kind'];

function aContext(
  step: number,
  sections: Partial<Record<Kind, readonly string[]>>
): ContextView {
  let place = 0;
  return {
    pid: 1,
    step,
    last_step: 9,
    model: 'scripted:hello',
    at: 0,
    tokens: 0,
    window_tokens: 1000,
    memories: [],
    compacted: null,
    why: '',
    input_tokens: null,
    kept: true,
    abridged: false,
    sections: Object.entries(sections).map(([kind, texts]) => ({
      kind: kind as Kind,
      title: kind,
      tokens: 1,
      entries: texts.map((text): Entry => ({
        place: (place += 1),
        kind: 'text',
        tokens: 1,
        chars: text.length,
        text,
        title: '',
        step: null,
        ok: true
      }))
    }))
  };
}

test('a comparison marks what came, what went and what changed since another step', () => {
  const before = aContext(3, {
    system: ['You are clerk.'],
    goal: ['Do it.'],
    plan: ['4 of 6 done\n[ ] Run\n[ ] Push'],
    steps: ['a', 'b', 'b']
  });
  const now = aContext(4, {
    system: ['You are clerk.'],
    plan: ['4 of 6 done\n[x] Run\n[ ] Push'],
    summary: ['Short.'],
    steps: ['b', 'c', 'd']
  });
  const changes = contextChanges(now, before);
  assert.deepEqual(
    [...changes].map(([kind, change]) => `${kind} ${change.state}`),
    ['system same', 'plan changed', 'summary new', 'steps changed']
  );
  assert.deepEqual(
    changes
      .get('plan')
      ?.lines?.filter(line => line.kind)
      .map(line => `${line.kind} ${line.text.trim()}`),
    ['del [ ] Run', 'add [x] Run']
  );
  const steps = changes.get('steps');
  const added = now.sections
    .flatMap(section => section.entries)
    .filter(entry => steps?.added.has(entry.place));
  assert.deepEqual(
    [added.map(entry => entry.text), steps?.gone.map(entry => entry.text)],
    [
      ['c', 'd'],
      ['a', 'b']
    ]
  );
  assert.deepEqual(
    sectionsGone(now, before).map(section => section.kind),
    ['goal']
  );
});

test('a draft that was saved is gone; what was typed meanwhile stays, on the version that was saved', () => {
  const sent: INotesDraft = { text: 'Without tax.', version: 3 };
  assert.equal(afterSaving(sent, sent, 4), null);
  assert.equal(afterSaving<INotesDraft>(null, sent, 4), null);
  const typed: INotesDraft = { text: 'Without tax, in euros.', version: 3 };
  assert.deepEqual(afterSaving(typed, sent, 4), {
    text: 'Without tax, in euros.',
    version: 4
  });
});
