import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  diffLines,
  diffSize,
  isDiff,
  reveal,
  safeHref,
  stripAnsi
} from '../src/ui/plainText';

const ESC = '\u001b';

test('colours, cursor moves and terminal links leave only their words', () => {
  assert.equal(stripAnsi(`${ESC}[1;31mFAILED${ESC}[0m here`), 'FAILED here');
  assert.equal(
    stripAnsi(`${ESC}]8;;https://evil.test${ESC}\\click${ESC}]8;;${ESC}\\`),
    'click'
  );
  assert.equal(stripAnsi(`${ESC}]0;title\u0007text`), 'text');
  assert.equal(stripAnsi(`a${ESC}[2K${ESC}[1Gb`), 'ab');
  assert.equal(stripAnsi('bell\u0007 null\u0000'), 'bell null');
});

test('a progress line shows its last state', () => {
  assert.equal(stripAnsi('10 %\r50 %\r100 %\ndone\r\n'), '100 %\ndone\n');
});

test('a sequence that is cut off shows nothing of itself', () => {
  assert.equal(stripAnsi(`text${ESC}[`), 'text');
  assert.equal(stripAnsi(`text${ESC}]8;;https://x`), 'text');
});

test('what a person approves hides no character', () => {
  const pieces = reveal('rm \u202etxt.sh\u202c \u001b[8m -rf\u200b');
  assert.equal(
    pieces.map(piece => piece.text).join(''),
    'rm \\u{202e}txt.sh\\u{202c} \\x1b[8m -rf\\u{200b}'
  );
  assert.deepEqual(
    pieces.filter(piece => piece.odd).map(piece => piece.text),
    ['\\u{202e}', '\\u{202c}', '\\x1b', '\\u{200b}']
  );
  assert.deepEqual(reveal('plain\n\ttext ä 日本'), [
    { text: 'plain\n\ttext ä 日本', odd: false }
  ]);
});

test('only links to the web and to mail are followed', () => {
  assert.equal(
    safeHref('https://example.org/a?b#c'),
    'https://example.org/a?b#c'
  );
  assert.equal(safeHref('mailto:a@example.org'), 'mailto:a@example.org');
  for (const href of [
    'javascript:alert(1)',
    ' java\u0000script:alert(1)',
    'JAVASCRIPT:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    '//evil.test',
    '/lab/api/shutdown',
    '#top',
    ''
  ]) {
    assert.equal(safeHref(href), null, href);
  }
});

test('a diff is read line by line', () => {
  const diff = '--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-a\n+b\n c\n';
  assert.ok(isDiff(diff));
  assert.ok(!isDiff('echo + - @@'));
  assert.deepEqual(
    diffLines(diff).map(line => [line.kind, line.text]),
    [
      ['at', 'x.py'],
      ['at', '@@ -1,2 +1,2 @@'],
      ['del', '-a'],
      ['add', '+b'],
      ['', ' c']
    ]
  );
  assert.deepEqual(diffSize(diff), { added: 1, removed: 1 });
});

test('marks that turn the order of what follows are not shown', () => {
  assert.equal(stripAnsi('a \u202eevil\u202c b'), 'a evil b');
});
