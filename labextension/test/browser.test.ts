import assert from 'node:assert/strict';
import { test } from 'node:test';

import { completed } from '../src/panels/browser/address';
import { begins, reachable } from '../src/panels/browser/choosing';
import {
  buttonName,
  heldBits,
  type KeyLike,
  meant,
  pagePoint,
  wheelPixels
} from '../src/panels/browser/input';
import { BLANK, frontOf, type News, told } from '../src/panels/browser/news';

const PAGE = { width: 1280, height: 800 };

function key(
  name: string,
  more: Partial<KeyLike> = {},
  graph = false
): KeyLike {
  return {
    key: name,
    code: '',
    keyCode: 0,
    location: 0,
    repeat: false,
    isComposing: false,
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    getModifierState: state => graph && state === 'AltGraph',
    ...more
  };
}

function message(
  name: string,
  more: Partial<KeyLike> = {},
  graph = false,
  mac = false
) {
  const found = meant(key(name, more, graph), true, mac);
  assert.equal(found.what, 'key');
  return found.what === 'key' ? found : assert.fail();
}

test('a place in the window is the pixel of the page below it, whatever the scale', () => {
  const half = { left: 100, top: 50, width: 640, height: 400 };
  const at = (clientX: number, clientY: number) => ({ clientX, clientY });
  assert.deepEqual(pagePoint(at(100, 50), half, PAGE), { x: 0, y: 0 });
  assert.deepEqual(pagePoint(at(420, 250), half, PAGE), { x: 640, y: 400 });
  assert.deepEqual(pagePoint(at(420.5, 250), half, PAGE), { x: 641, y: 400 });
  // Full screen, larger than the page, and no whole number of pixels as on a dense screen.
  const large = { left: 0.4, top: 0, width: 1920.6, height: 1200.375 };
  const found = pagePoint(at(0.4 + 1920.6 / 2, 1200.375 / 4), large, PAGE);
  assert.ok(Math.abs(found.x - 640) < 1e-9 && Math.abs(found.y - 200) < 1e-9);
  // What is dragged out of the picture stays on its edge.
  assert.deepEqual(pagePoint(at(5000, -20), half, PAGE), { x: 1279, y: 0 });
  assert.deepEqual(
    pagePoint(at(5, 5), { ...half, width: 0, height: 0 }, PAGE),
    {
      x: 0,
      y: 0
    }
  );
});

test('wheels that turn by lines and pages are told in pixels', () => {
  const turn = (deltaX: number, deltaY: number, deltaMode: number) =>
    wheelPixels({ deltaX, deltaY, deltaMode }, PAGE);
  assert.deepEqual(turn(1, -3.5, 0), { dx: 1, dy: -3.5 });
  assert.deepEqual(turn(0, 3, 1), { dx: 0, dy: 120 });
  assert.deepEqual(turn(0, -1, 2), { dx: 0, dy: -800 });
});

test('buttons and what is held have the names and bits of the seam', () => {
  assert.deepEqual([0, 1, 2, 3].map(buttonName), [
    'left',
    'middle',
    'right',
    'none'
  ]);
  assert.equal(heldBits(key('a', { altKey: true, shiftKey: true })), 9);
  assert.equal(heldBits(key('a', { ctrlKey: true, metaKey: true })), 6);
});

test('letters of any layout are typed as they are', () => {
  const plain = message('ä', { code: 'Quote', keyCode: 222 });
  assert.deepEqual(plain.message, {
    kind: 'key',
    down: true,
    key: 'ä',
    code: 'Quote',
    number: 222,
    text: 'ä',
    held: 0,
    location: 0,
    again: false
  });
  // AltGr comes as Control and Alt on some machines: for the page it is no shortcut.
  const euro = message(
    '€',
    { ctrlKey: true, altKey: true, shiftKey: true },
    true
  );
  assert.deepEqual([euro.message.text, euro.message.held], ['€', 8]);
  const option = message('ƒ', { altKey: true }, false, true);
  assert.deepEqual([option.message.text, option.message.held], ['ƒ', 0]);
  const menu = message('f', { altKey: true });
  assert.deepEqual([menu.message.text, menu.message.held], ['', 1]);
  assert.equal(message('😀').message.text, '😀');
});

test('keys that type nothing have no text, and Enter ends a line', () => {
  assert.equal(message('ArrowLeft').message.text, '');
  assert.equal(message('Enter').message.text, '\r');
  assert.equal(message('a', { ctrlKey: true }).message.text, '');
  const up = meant(key('a'), false, false);
  assert.equal(up.what === 'key' && up.message.text, '');
});

test('Command of a Mac is the Control of the page', () => {
  const all = meant(key('a', { metaKey: true }), true, true);
  assert(all.what === 'key');
  assert.deepEqual([all.message.text, all.message.held], ['', 2]);
  const itself = meant(key('Meta', { code: 'MetaLeft' }), true, true);
  assert(itself.what === 'key');
  assert.deepEqual(
    [itself.message.key, itself.message.code, itself.message.number],
    ['Control', 'ControlLeft', 17]
  );
  const elsewhere = meant(key('a', { metaKey: true }), true, false);
  assert(elsewhere.what === 'key');
  assert.equal(elsewhere.message.held, 4);
});

test('what an input method or a dead key puts together is left to the field', () => {
  assert.equal(meant(key('Dead'), true, false).what, 'compose');
  assert.equal(
    meant(key('e', { isComposing: true }), true, false).what,
    'compose'
  );
  assert.equal(
    meant(key('Process', { keyCode: 229 }), true, false).what,
    'compose'
  );
});

test('copying is told before the key, and pasting is left to the browser', () => {
  assert.equal(message('c', { ctrlKey: true }).copies, true);
  assert.equal(message('X', { metaKey: true }).copies, true);
  assert.equal(message('c').copies, false);
  assert.equal(meant(key('v', { ctrlKey: true }), true, false).what, 'paste');
  assert.equal(meant(key('V', { metaKey: true }), true, true).what, 'paste');
  assert.equal(
    meant(key('Insert', { shiftKey: true }), true, false).what,
    'paste'
  );
  assert.equal(message('v').message.text, 'v');
});

test('an address without a scheme gets one', () => {
  const cases: Readonly<Record<string, string | null>> = {
    'jupyter.org': 'https://jupyter.org',
    ' example.org/a?b=c#d ': 'https://example.org/a?b=c#d',
    'example.org:8443/x': 'https://example.org:8443/x',
    'localhost:8888/lab': 'http://localhost:8888/lab',
    'app.localhost': 'http://app.localhost',
    '127.0.0.1:8000': 'http://127.0.0.1:8000',
    '[::1]:8000/x': 'http://[::1]:8000/x',
    'http://plain.test': 'http://plain.test',
    'HTTPS://Loud.test': 'HTTPS://Loud.test',
    intranet: 'https://intranet',
    'about:blank': 'about:blank',
    '': null,
    'two words': null,
    'mailto:ana@example.org': null,
    'javascript:alert(1)': null,
    '/only/a/path': null
  };
  for (const [typed, wanted] of Object.entries(cases)) {
    assert.equal(completed(typed), wanted, typed);
  }
});

test('the page is what was said of it, and a list goes with its page', () => {
  const state = (url: string, loading = false): News => ({
    kind: 'state',
    open: true,
    ...PAGE,
    loading,
    tabs: [
      { number: 1, url: 'https://a.test/', title: 'A', front: false },
      { number: 3, url, title: 'B', front: true }
    ]
  });
  const choice: News = {
    kind: 'choice',
    options: [{ label: 'one', disabled: false, group: '' }],
    chosen: 0,
    x: 1,
    y: 2,
    width: 3,
    height: 4
  };
  let page = told(BLANK, state('https://b.test/'));
  assert.equal(frontOf(page)?.number, 3);
  page = told(page, choice);
  assert.equal(page.choice?.options.length, 1);
  page = told(page, state('https://b.test/', true));
  assert.equal(page.choice?.options.length, 1);
  page = told(page, state('https://b.test/next'));
  assert.equal(page.choice, null);

  page = told(told(page, choice), {
    kind: 'dialog',
    type: 'prompt',
    message: 'Name?',
    given: 'ana'
  });
  assert.deepEqual(page.dialog, {
    type: 'prompt',
    message: 'Name?',
    given: 'ana'
  });
  assert.equal(page.choice, null);
  page = told(page, { kind: 'trouble', words: 'No such host.' });
  page = told(page, { kind: 'dialog_gone' });
  assert.deepEqual([page.dialog, page.trouble], [null, 'No such host.']);
  assert.equal(told(page, { kind: 'copied', text: 'x' }), page);
});

test('a list is gone through past what cannot be chosen, and by what is typed', () => {
  const options = ['', 'apple', 'pear', 'Apricot'].map((label, index) => ({
    label,
    disabled: index === 0 || index === 2,
    group: ''
  }));
  assert.equal(reachable(options, 0, 1), 1);
  assert.equal(reachable(options, 2, 1), 3);
  assert.equal(reachable(options, 2, -1), 1);
  assert.equal(reachable(options, 0, -1), -1);
  assert.equal(begins(options, 'a', 1), 3);
  assert.equal(begins(options, 'a', 3), 1);
  assert.equal(begins(options, 'ap', 3), 3);
  assert.equal(begins(options, 'app', 3), 1);
  assert.equal(begins(options, 'p', 1), -1);
});
