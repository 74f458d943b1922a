import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

import { Thumbnails } from '../src/state/thumbnails';

beforeEach(() => mock.timers.reset());

/** A page that can be hidden, and pictures that count how often they were asked for. */
function scene(absent = false) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let hidden = false;
  let changed: () => void = () => undefined;
  const asked: [number, number][] = [];
  const page = {
    get visibilityState(): DocumentVisibilityState {
      return hidden ? 'hidden' : 'visible';
    },
    addEventListener: (_: string, heard: () => void) => {
      changed = heard;
    }
  };
  const thumbnails = new Thumbnails(
    async (pid, width) => {
      asked.push([pid, width]);
      if (absent) throw new Error('none runs');
      return new Blob(['picture']);
    },
    page as unknown as Document
  );
  return {
    asked,
    thumbnails,
    hide: (on: boolean) => {
      hidden = on;
      changed();
    },
    pass: async (ms: number) => {
      mock.timers.tick(ms);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
}

test('all places that show one desktop share a request, at most one in two seconds', async () => {
  const { asked, thumbnails, pass } = scene();
  let painted = 0;
  thumbnails.watch(7, 180, () => (painted += 1));
  thumbnails.watch(7, 720, () => (painted += 1));
  await pass(0);
  assert.deepEqual(asked, [[7, 720]]);
  assert.equal(painted, 2);
  assert.match(thumbnails.url(7), /^blob:/);
  await pass(1900);
  assert.equal(asked.length, 1);
  await pass(200);
  assert.equal(asked.length, 2);
});

test('nothing is asked for while nobody sees it, or the page is hidden', async () => {
  const { asked, thumbnails, hide, pass } = scene();
  const stop = thumbnails.watch(7, 90, () => undefined);
  await pass(0);
  hide(true);
  await pass(60_000);
  assert.equal(asked.length, 1);
  hide(false);
  await pass(0);
  assert.equal(asked.length, 2);
  stop();
  await pass(20_000);
  assert.equal(asked.length, 2);
  assert.match(thumbnails.url(7), /^blob:/);
  await pass(20_000);
  assert.equal(thumbnails.url(7), '');
});

test('where no desktop runs it is asked seldom, and shows nothing', async () => {
  const { asked, thumbnails, pass } = scene(true);
  thumbnails.watch(7, 90, () => undefined);
  await pass(0);
  await pass(9_000);
  assert.equal(asked.length, 1);
  await pass(1_100);
  assert.equal(asked.length, 2);
  assert.equal(thumbnails.url(7), '');
});
