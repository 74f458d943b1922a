import assert from 'node:assert/strict';
import { test } from 'node:test';

import type {
  AetherEvent,
  JournalRecord,
  Part,
  ProcessSpawned,
  ToolCall
} from '../src/api/types';
import {
  type ActionEntry,
  callText,
  countKinds,
  fold,
  kinds,
  type StepBlock,
  timeline,
  words
} from '../src/state/timeline';
import { aProcess } from './samples';

function records(...events: AetherEvent[]): JournalRecord[] {
  return events.map((event, index) => ({
    seq: index + 1,
    id: `id-${index}`,
    pid: 1,
    n: index + 1,
    owner: 'ana',
    actor: 'ana',
    at: 100 + index,
    event
  }));
}

const spawned: AetherEvent = {
  type: 'process.spawned',
  process: aProcess(),
  spec: { goal: 'Load the orders' } as ProcessSpawned['spec']
};

function call(id: string, command = 'ls'): ToolCall {
  return { type: 'call', id, tool: 'run_command', arguments: { command } };
}

function answered(step: number, ...parts: Part[]): AetherEvent[] {
  return [
    { type: 'model.requested', step, model: 'm' },
    {
      type: 'model.answered',
      step,
      model: 'm',
      parts,
      usage: { input_tokens: 10, output_tokens: 5 },
      cost_usd: 0.01
    }
  ];
}

function ran(step: number, id: string, ok = true): AetherEvent[] {
  return [
    {
      type: 'tool.started',
      step,
      call: call(id)
    },
    {
      type: 'tool.ended',
      step,
      call_id: id,
      tool: 'run_command',
      outcome: { ok, content: ok ? 'fine' : 'broken' }
    }
  ];
}

function quietStep(step: number): AetherEvent[] {
  return [
    ...answered(step, { type: 'text', text: `t${step}` }, call(`c${step}`)),
    ...ran(step, `c${step}`)
  ];
}

function onlyStep(events: JournalRecord[]): StepBlock {
  const found = timeline(events).filter(block => block.kind === 'step');
  assert.equal(found.length, 1);
  return found[0];
}

test('a step holds its thought, its call and what came of it', () => {
  const blocks = timeline(records(spawned, ...quietStep(1)));
  assert.deepEqual(
    blocks.map(block => block.kind),
    ['message', 'step']
  );
  const step = blocks[1] as StepBlock;
  assert.deepEqual(
    step.entries.map(entry => entry.kind),
    ['thought', 'action']
  );
  const action = step.entries[1] as ActionEntry;
  assert.equal(action.phase, 'ended');
  assert.equal(action.outcome?.content, 'fine');
  assert.equal(step.inputTokens + step.outputTokens, 15);
  assert.ok(step.settled);
  assert.deepEqual(kinds(step), ['t', 'a', 'o']);
});

test('calls of one step stay side by side in the order they were proposed', () => {
  const step = onlyStep(
    records(
      ...answered(1, call('a'), call('b')),
      ...ran(1, 'b'),
      ...ran(1, 'a', false)
    )
  );
  assert.deepEqual(
    step.entries.map(entry => [entry.key, (entry as ActionEntry).phase]),
    [
      ['call-a', 'ended'],
      ['call-b', 'ended']
    ]
  );
  assert.deepEqual(kinds(step), ['a', 'e', 'a', 'o']);
});

test('a call that waits is not settled; a refused one is dropped', () => {
  const asking: AetherEvent[] = [
    ...answered(1, call('a', 'rm -r build')),
    {
      type: 'approval.requested',
      approval: {
        id: 'p1',
        pid: 1,
        owner: 'ana',
        name: 'x',
        kind: 'call',
        step: 1,
        created_at: 5,
        call: call('a', 'rm -r build')
      }
    }
  ];
  const waiting = onlyStep(records(...asking));
  assert.equal((waiting.entries[0] as ActionEntry).phase, 'asking');
  assert.ok(!waiting.settled);
  const refused = onlyStep(
    records(...asking, {
      type: 'approval.decided',
      approval_id: 'p1',
      kind: 'call',
      call_id: 'a',
      decision: { verdict: 'refuse', by: 'ana', reason: 'no' }
    })
  );
  const entry = refused.entries[0] as ActionEntry;
  assert.equal(entry.phase, 'dropped');
  assert.equal(entry.decision?.reason, 'no');
});

test('a call that was edited shows the arguments it ran with', () => {
  const step = onlyStep(
    records(...answered(1, call('a', 'rm -r build')), ...ran(1, 'a'))
  );
  assert.deepEqual((step.entries[0] as ActionEntry).call.arguments, {
    command: 'ls'
  });
});

test('the last words of a run that ended well are its answer', () => {
  const blocks = timeline(
    records(spawned, ...answered(1, { type: 'text', text: 'All done.' }), {
      type: 'process.exited',
      status: { code: 0, reason: 'completed', message: 'All done.' }
    })
  );
  assert.deepEqual(
    (blocks[1] as StepBlock).entries.map(entry => entry.kind),
    ['answer']
  );
  const end = blocks[2];
  assert.ok(end.kind === 'end' && end.said);
});

test('a step that was tried again is one block with its failures', () => {
  const step = onlyStep(
    records(
      { type: 'model.requested', step: 1, model: 'm' },
      {
        type: 'model.failed',
        step: 1,
        model: 'm',
        error: 'model_unavailable',
        message: 'down'
      },
      ...answered(1, { type: 'text', text: 'hello' }),
      { type: 'model.guided', reason: 'empty', text: 'say more', attempt: 2 }
    )
  );
  assert.deepEqual(
    step.entries.map(entry => entry.kind),
    ['error', 'thought', 'error']
  );
});

test('what an agent remembers stands before its step, and is no message', () => {
  const blocks = timeline(
    records(
      spawned,
      {
        type: 'memory.given',
        about: 'goal',
        said: 1,
        memories: [3],
        text: 'From your memory: [3] Open it with care.'
      },
      ...quietStep(1)
    )
  );
  assert.deepEqual(
    blocks.map(block => (block.kind === 'message' ? block.what : block.kind)),
    ['goal', 'memory', 'step']
  );
});

test('records that begin in the middle of a run still make blocks', () => {
  const [, , , ...rest] = records(spawned, ...quietStep(1), ...quietStep(2));
  const blocks = timeline(rest);
  assert.equal(blocks.filter(block => block.kind === 'step').length, 2);
});

test('finished stretches fold; failures, questions and the end stay', () => {
  const steps = Array.from({ length: 12 }, (_, index) => quietStep(index + 1));
  const broken = [...answered(13, call('c13')), ...ran(13, 'c13', false)];
  const more = Array.from({ length: 8 }, (_, index) => quietStep(index + 14));
  const blocks = timeline(
    records(spawned, ...steps.flat(), ...broken, ...more.flat())
  );
  const folded = fold(blocks, new Set());
  assert.deepEqual(
    folded.map(row => row.kind),
    [
      'message',
      'stretch',
      'step',
      'step',
      'step',
      'step',
      'step',
      'step',
      'step',
      'step',
      'step'
    ]
  );
  const opened = fold(blocks, new Set(['fold-step-1']));
  assert.equal(opened.length, blocks.length);
  assert.equal(fold(blocks, new Set(), 0).length, 4);
});

test('ten thousand entries are read in well under a second', () => {
  const events = Array.from({ length: 3400 }, (_, index) =>
    quietStep(index + 1)
  ).flat();
  const lines = records(spawned, ...events);
  const begin = performance.now();
  const blocks = timeline(lines);
  const folded = fold(blocks, new Set());
  assert.equal(countKinds(blocks).all, 10_200);
  assert.equal(folded.length, 8);
  assert.ok(performance.now() - begin < 500);
});

test('search reads thoughts, calls and output', () => {
  const step = onlyStep(records(...quietStep(1)));
  const text = words(step);
  for (const part of ['t1', 'run_command', 'ls', 'fine']) {
    assert.ok(text.includes(part), part);
  }
});

test('a call is written with its names where it has several arguments', () => {
  const with_ = (args: Record<string, unknown> | null, raw = '') =>
    callText({ type: 'call', id: 'x', tool: 't', arguments: args, raw });
  assert.equal(with_({ command: 'ls' }), 'ls');
  assert.equal(with_({ path: 'a', n: 2 }), 'path: a\nn: 2');
  assert.equal(with_(null, '{"cut'), '{"cut');
});

test('why a model was chosen stands where it was, and with every step', () => {
  const why = 'Standard: nothing asks for a cheaper or a stronger model.';
  const asks = (step: number, since: number): AetherEvent => ({
    type: 'model.requested',
    step,
    model: 'm:x',
    why,
    family: 'standard',
    since
  });
  const [, said] = answered(1, { type: 'text', text: 'Hm.' });
  const blocks = timeline(
    records(
      spawned,
      asks(1, 1),
      // Asked again after the server ended: it is still one choice.
      asks(1, 1),
      said,
      asks(2, 1),
      {
        type: 'model.answered',
        step: 2,
        model: 'm:y',
        parts: [],
        usage: {},
        instead: 'm:x is closed'
      },
      { type: 'process.model', model: 'auto:cheap', by: 'ana' }
    )
  );
  const [first, second] = blocks.filter(block => block.kind === 'step');
  assert.deepEqual(
    first.entries.map(entry => entry.kind),
    ['model', 'thought']
  );
  assert.equal(second.why, why);
  assert.equal(second.since, 1);
  assert.deepEqual([second.asked, second.model], ['m:x', 'm:y']);
  assert.deepEqual(second.entries, [
    {
      kind: 'model',
      key: 'n-6',
      model: 'm:y',
      why: 'm:x is closed',
      what: 'instead'
    }
  ]);
  assert.deepEqual(kinds(second), []);
  assert.match(words(second), /m:x is closed/);
  const note = blocks.find(block => block.kind === 'note');
  assert.deepEqual(note?.what, { type: 'model', model: 'auto:cheap' });
});

function said(
  step: number,
  by: string,
  thumb: 'up' | 'down' | 'none',
  comment = ''
): AetherEvent {
  return { type: 'feedback.given', step, by, thumb, comment };
}

test('what people said stands with its step, the last of each person', () => {
  const [, first, second] = timeline(
    records(
      spawned,
      ...answered(1, { type: 'text', text: 'First' }),
      ...answered(2, { type: 'text', text: 'Then' }),
      said(1, 'ana', 'up'),
      said(1, 'priya', 'none', 'Which file?'),
      said(1, 'ana', 'down', 'The wrong one.'),
      said(2, 'ana', 'up'),
      said(2, 'ana', 'none')
    )
  ) as [unknown, StepBlock, StepBlock];
  assert.deepEqual(
    first.judgements.map(({ by, thumb, comment }) => [by, thumb, comment]),
    [
      ['priya', 'none', 'Which file?'],
      ['ana', 'down', 'The wrong one.']
    ]
  );
  assert.deepEqual(second.judgements, []);
  assert.match(words(first), /Which file/);
  assert.ok(first.answered);
});

test('a step that somebody judged is not folded away', () => {
  const quiet = Array.from({ length: 6 }, (_, index) => [
    ...answered(index + 1, call(`c${index}`)),
    ...ran(index + 1, `c${index}`)
  ]).flat();
  const folded = fold(
    timeline(records(spawned, ...quiet, said(4, 'ana', 'up'))),
    new Set(),
    0
  );
  assert.deepEqual(
    folded.map(row => row.kind),
    ['message', 'stretch', 'step', 'step', 'step']
  );
});

test('a run that looks back tells its rating and lessons; a fault only where nothing better followed', () => {
  const fault: AetherEvent = {
    type: 'auxiliary.answered',
    purpose: 'reflection',
    model: 'm',
    error: 'tool_arguments',
    message: 'rating: it is missing'
  };
  const ended: AetherEvent = {
    type: 'process.exited',
    status: { code: 0, reason: 'completed', message: 'Done' }
  };
  const reflected: AetherEvent = {
    type: 'process.reflected',
    rating: 4,
    lessons: ['Read the header first.'],
    memories: [7, 8]
  };
  const well = timeline(records(spawned, ended, fault, reflected)).at(-1);
  assert.ok(well?.kind === 'lookback');
  assert.deepEqual(
    [well.rating, well.lessons, well.kept],
    [4, ['Read the header first.'], 2]
  );
  assert.match(words(well), /header/);
  const given = timeline(records(spawned, ended, fault)).at(-1);
  assert.ok(given?.kind === 'note' && given.what.type === 'no-lookback');
  assert.equal(given.what.text, 'rating: it is missing');
});

test('older steps that are told in short stand in the timeline with their summary, and stay', () => {
  const blocks = timeline(
    records(
      spawned,
      ...answered(1, call('a')),
      ...ran(1, 'a'),
      {
        type: 'context.compacted',
        turns: 2,
        first: 1,
        last: 1,
        summary: 'It listed the files.',
        tokens_before: 9000,
        tokens_after: 3000
      },
      {
        type: 'auxiliary.answered',
        purpose: 'summary',
        model: 'cheap',
        error: 'model_unavailable',
        message: 'The older steps could not be told in short.'
      },
      { type: 'auxiliary.answered', purpose: 'summary', model: 'cheap' }
    )
  );
  assert.deepEqual(
    blocks.map(block => block.kind),
    ['message', 'step', 'message', 'note']
  );
  const [, , short, note] = blocks;
  assert.ok(short.kind === 'message' && short.what === 'summary');
  assert.deepEqual(
    [short.steps, short.tokens],
    [
      [1, 1],
      [9000, 3000]
    ]
  );
  assert.match(words(short), /It listed the files/);
  assert.ok(note.kind === 'note' && note.what.type === 'why');
  assert.match(note.what.text, /could not be told in short/);
});

test('images stand with the goal, with messages and with what a call came to', () => {
  const image = {
    digest: '5e'.repeat(32),
    media_type: 'image/png' as const,
    width: 64,
    height: 48,
    size_bytes: 155
  };
  const given = spawned as ProcessSpawned;
  const blocks = timeline(
    records(
      { ...given, spec: { ...given.spec, images: [image] } },
      ...answered(1, call('c1')),
      { type: 'tool.started', step: 1, call: call('c1') },
      {
        type: 'tool.ended',
        step: 1,
        call_id: 'c1',
        tool: 'run_command',
        outcome: { ok: true, content: 'drawn', images: [image] }
      },
      {
        type: 'message.sent',
        id: 'm',
        sender: 'ana',
        text: 'and this',
        images: [image]
      }
    )
  );
  const [goal, step, message] = blocks;
  assert.deepEqual(goal.kind === 'message' && goal.images, [image]);
  assert.deepEqual(message.kind === 'message' && message.images, [image]);
  const entry = (step as StepBlock).entries[0] as ActionEntry;
  assert.deepEqual(entry.outcome?.images, [image]);
});

test('a person who was at a terminal is told of, and for how long', () => {
  const notes = timeline(
    records(
      spawned,
      { type: 'terminal.opened', by: 'ana', name: 'agent1' },
      { type: 'terminal.closed', by: 'ana', name: 'agent1', duration_s: 65 }
    )
  ).filter(block => block.kind === 'note');
  assert.deepEqual(
    notes.map(({ actor, what }) => [actor, what]),
    [
      ['ana', { type: 'terminal', durationS: null }],
      ['ana', { type: 'terminal', durationS: 65 }]
    ]
  );
});

test('who took control and who asked for it are told in their order', () => {
  const notes = timeline(
    records(
      spawned,
      { type: 'control.taken', by: 'ana' },
      { type: 'control.asked', by: 'priya' }
    )
  ).filter(block => block.kind === 'note');
  assert.deepEqual(
    notes.map(({ actor, what }) => [actor, what.type]),
    [
      ['ana', 'taken'],
      ['priya', 'asked']
    ]
  );
});
