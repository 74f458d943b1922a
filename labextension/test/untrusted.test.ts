import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as React from 'react';
import { renderToStaticMarkup } from 'react-dom/server';

import type { Approval, ToolCall } from '../src/api/types';
import { ApprovalForm } from '../src/ui/ApprovalForm';
import { StateMark } from '../src/ui/StateMark';
import { Diff, Found, Inline, Output, Revealed } from '../src/ui/Text';
import { aProcess } from './samples';

const EVIL =
  '<img src=x onerror="alert(1)"><svg onload=alert(2)></svg>' +
  '<script>alert(3)</script>[a](javascript:alert(4)) `<b>`' +
  '\u001b]8;;javascript:alert(5)\u0007link\u001b]8;;\u0007\u001b[31m!';

function assertHarmless(html: string): void {
  assert.doesNotMatch(html, /<(?:img|script|iframe|svg [^>]*onload|object)/i);
  assert.doesNotMatch(html, /href="\s*javascript/i);
  // What stands in quotes is a value, not an attribute.
  const bare = html.replace(/"[^"]*"/g, '""');
  assert.doesNotMatch(bare, /<[a-z]+[^>]*\son[a-z]+=/i);
}

const components: Readonly<Record<string, React.ReactElement>> = {
  sentence: React.createElement(Inline, { text: EVIL, query: 'img' }),
  search: React.createElement(Found, { text: EVIL, query: '<svg' }),
  output: React.createElement(Output, { text: EVIL }),
  diff: React.createElement(Diff, { diff: `+${EVIL}\n-${EVIL}` }),
  'exact call': React.createElement(Revealed, { text: EVIL }),
  'tooltip of a mark': React.createElement(StateMark, {
    process: aProcess({
      state: 'WAITING',
      wait: { kind: 'answer', detail: EVIL }
    })
  })
};

for (const [name, component] of Object.entries(components)) {
  test(`text of an agent is only ever text: ${name}`, () => {
    assertHarmless(renderToStaticMarkup(component));
  });
}

function card(given: Partial<Approval>): string {
  return renderToStaticMarkup(
    React.createElement(ApprovalForm, {
      approval: {
        id: '"><img src=x>',
        pid: 1,
        owner: EVIL,
        name: EVIL,
        kind: 'call',
        step: 1,
        created_at: 0,
        ...given
      },
      now: 72,
      onDecide: async () => undefined
    })
  );
}

test('an approval shows hostile calls, questions and options as text', () => {
  assertHarmless(
    card({
      call: {
        type: 'call',
        id: 'a',
        tool: EVIL,
        arguments: { command: EVIL, [EVIL]: 1 }
      },
      risk: 'execute',
      because: EVIL,
      where: EVIL,
      preview: EVIL
    })
  );
  assertHarmless(
    card({ kind: 'question', question: EVIL, options: [EVIL, 'b'] })
  );
  assertHarmless(card({ kind: 'limit', because: EVIL, options: [EVIL] }));
});

test('what is approved hides no character, and is not offered unread', () => {
  const html = card({
    call: {
      type: 'call',
      id: 'a',
      tool: 'run_command',
      arguments: { command: 'echo \u202egpj.sh\u001b[8m rm -rf /' }
    },
    risk: 'execute'
  });
  assert.match(html, /\\u\{202e\}/);
  assert.match(html, /\\x1b/);
  assert.match(html, /rm -rf/);
  // Nothing was on a screen yet, so its end cannot have been read.
  assert.match(html, />Read</);
  assert.doesNotMatch(html, />Approve</);
});

test('a destructive call offers no standing rule', () => {
  const call: ToolCall = {
    type: 'call',
    id: 'a',
    tool: 'delete_path',
    arguments: {}
  };
  assert.match(card({ call, risk: 'write' }), /<select/);
  assert.doesNotMatch(card({ call, risk: 'destructive' }), /<select/);
});

test('a limit offers what the server would add', () => {
  assert.match(card({ kind: 'limit', options: ['steps=40'] }), /\+40 steps/);
  assert.match(card({ kind: 'limit', options: ['cost_usd=1.0'] }), /\+\$1</);
  assert.match(card({ kind: 'limit' }), /\+25 steps/);
});
