import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type { Frame, View } from '../src/api/types';
import { AetherStore } from '../src/state/store';
import { apply, applyAll } from '../src/state/view';

const FEEDS = join(__dirname, '..', '..', '..', 'tests', 'contracts', 'feeds');

function feed(name: string): { frames: Frame[]; view: View } {
  const lines = readFileSync(join(FEEDS, name), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as unknown);
  const { view } = lines.pop() as { view: View };
  return { frames: lines as Frame[], view };
}

/** A view as plain JSON, with the defaults that the wire may leave out. */
function plain(view: View): unknown {
  return JSON.parse(JSON.stringify(view));
}

for (const name of readdirSync(FEEDS).filter(file => file.endsWith('.jsonl'))) {
  test(`${name}: batches fold to the recorded view`, () => {
    const { frames, view } = feed(name);
    const store = new AetherStore(paint => paint());
    for (const frame of frames) store.take(frame);
    assert.deepEqual(plain(store.view as View), view);
  });

  test(`${name}: one record at a time folds to the same`, () => {
    const { frames, view } = feed(name);
    let folded = (frames[0] as { snapshot: View }).snapshot;
    for (const frame of frames) {
      if ('records' in frame) {
        for (const record of frame.records) folded = apply(folded, record);
      }
    }
    assert.deepEqual(plain(folded), view);
  });
}

test('records at or before the cursor change nothing', () => {
  const { frames, view } = feed('a_life.jsonl');
  for (const frame of frames) {
    if ('records' in frame) {
      assert.equal(applyAll(view, frame.records), view);
    }
  }
});
