/** Plans: what changed in them, and what a person does to one while it is edited. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Plan, PlanStep, StepStatus } from '../src/api/types';
import {
  act,
  can,
  changes,
  type Deed,
  DEPTH,
  mark,
  planOf,
  progress,
  type Rows,
  rowsOf,
  STEPS,
  takeOver,
  walk,
  write
} from '../src/state/plan';

/** An outline as `model/plan.py` reads it, as far as tests need it. */
function parse(outline: string): Plan {
  const top: PlanStep[] = [];
  const open: { depth: number; steps: PlanStep[] }[] = [];
  for (const line of outline.split('\n').filter(each => each.trim())) {
    const found = /^( *)- (?:\[(.)\] )?(.*?)(?: \(agent (\d+)\))?$/.exec(line);
    assert.ok(found, line);
    const depth = found[1].length / 2;
    const steps: PlanStep[] = [];
    const step = {
      text: found[3],
      status: (found[2] ?? ' ') as StepStatus,
      steps,
      ...(found[4] ? { pid: Number(found[4]) } : {})
    };
    while (open.length && open[open.length - 1].depth >= depth) open.pop();
    (open.at(-1)?.steps ?? top).push(step);
    open.push({ depth, steps });
  }
  return { steps: top };
}

function outline(rows: Rows): string {
  return rows
    .map(row => `${'  '.repeat(row.depth)}- [${row.status}] ${row.text}`)
    .join('\n');
}

const PLAN = `- [x] read
- [~] mend
  - [x] dates
  - [ ] names
    - [ ] of people
- [ ] write`;

describe('what changed', () => {
  const cases: [string, string, string[]][] = [
    ['', '- a\n  - b', ['1 added', '1.1 added']],
    ['- a\n- b', '- [x] a\n- b\n- c', ['1 status x', '3 added']],
    ['- a\n- b', '- b', ['1 removed']],
    ['- a\n- b', '- a\n- b2', ['2 reworded']],
    ['- a', '- a (agent 4)', ['1 given']],
    ['- a (agent 4)', '- a', ['1 taken']],
    ['- a\n  - x\n- b', '- a\n- b\n  - x', ['2.1 moved 1.1']],
    ['- a\n- b\n- c', '- c\n- a\n- b', ['2 moved 1', '3 moved 2']],
    ['- a\n  - b', '- [x] a\n  - [x] b', ['1.1 status x']],
    ['- a', '- a', []]
  ];
  for (const [before, after, told] of cases) {
    test(JSON.stringify([before, after]), () => {
      const found = changes(parse(before), parse(after)).map(
        ({ number, what, from, status }) =>
          [number, what, from ?? status].filter(each => each).join(' ')
      );
      assert.deepEqual(found, told);
    });
  }
});

describe('a plan while it is edited', () => {
  const rows = rowsOf(parse(PLAN));
  const after = (at: number, deed: Deed) => act(rows, at, deed, 99);

  test('is the same plan again', () => {
    assert.equal(outline(rows), PLAN);
    assert.deepEqual(
      walk(planOf(rows)).map(({ number }) => number),
      ['1', '2', '2.1', '2.2', '2.2.1', '3']
    );
    assert.deepEqual(progress(planOf(rows)), { done: 2, steps: 4 });
  });

  test('moves with all that lies below', () => {
    const up = after(1, 'up');
    assert.equal(up.at, 0);
    assert.equal(outline(up.rows).split('\n')[5], '- [ ] write');
    assert.equal(outline(up.rows).split('\n')[4], '- [x] read');
    const down = after(1, 'down');
    assert.equal(down.at, 2);
    assert.equal(outline(down.rows).split('\n')[1], '- [ ] write');
    assert.equal(outline(act(down.rows, 2, 'up', 0).rows), PLAN);
  });

  test('goes in and out, and those it lay among stay where they are', () => {
    const inner = after(5, 'indent');
    assert.equal(inner.rows[5].depth, 1);
    const out = after(2, 'outdent');
    assert.equal(
      outline(out.rows),
      `- [x] read
- [ ] mend
  - [ ] names
    - [ ] of people
- [x] dates
- [ ] write`.replace('[ ] mend', '[~] mend')
    );
    assert.equal(out.rows[out.at].text, 'dates');
  });

  test('does nothing that cannot be done', () => {
    for (const [at, deed] of [
      [0, 'up'],
      [5, 'down'],
      [0, 'indent'],
      [0, 'outdent'],
      [2, 'up']
    ] as [number, Deed][]) {
      assert.equal(can(rows, at, deed), false, `${at} ${deed}`);
      assert.equal(after(at, deed).rows, rows);
    }
  });

  test('gets steps and loses them', () => {
    const more = after(1, 'add');
    assert.equal(more.at, 5);
    assert.equal(more.rows[5].depth, 0);
    // One without words is not kept.
    assert.equal(walk(planOf(more.rows)).length, 6);
    const named = write(more.rows, 5, { text: ' check ' });
    assert.equal(walk(planOf(named))[5].step.text, 'check');
    const less = after(1, 'remove');
    assert.equal(outline(less.rows), '- [x] read\n- [ ] write');
    assert.equal(less.at, 0);
  });

  test('is ticked and dropped as the server will have it', () => {
    const done = mark(rows, 3, 'x');
    assert.deepEqual(
      done.map(row => row.status),
      ['x', 'x', 'x', 'x', 'x', ' ']
    );
    const open = mark(done, 4, ' ');
    assert.deepEqual(
      open.map(row => row.status),
      ['x', '~', 'x', ' ', ' ', ' ']
    );
    const held = write(mark(rows, 5, '!'), 5, { why: 'no paper' });
    assert.equal(planOf(held).steps?.[2].why, 'no paper');
    assert.equal(planOf(mark(held, 5, '~')).steps?.[2].why, undefined);
  });

  test('of the largest size is changed at once', () => {
    const large = rowsOf(
      parse(
        Array.from(
          { length: STEPS },
          (_, n) => `${'  '.repeat(n % DEPTH)}- [ ] part ${n}`
        ).join('\n')
      )
    );
    assert.equal(large.length, STEPS);
    const began = performance.now();
    let now: { rows: Rows; at: number } = { rows: large, at: 40 };
    for (let turn = 0; turn < 20; turn += 1) {
      now = act(now.rows, now.at, turn % 2 ? 'up' : 'down', turn);
      now = { ...now, rows: mark(now.rows, now.at, turn % 2 ? 'x' : ' ') };
    }
    changes(planOf(large), planOf(now.rows));
    assert.ok((performance.now() - began) / 20 < 25);
    assert.equal(can(large, 0, 'add'), false);
    assert.equal(can(large, DEPTH - 1, 'indent'), false);
  });
});

describe('what another hand changed while a plan is edited', () => {
  const base = { plan: parse(PLAN), rows: rowsOf(parse(PLAN)) };
  const onto = (mine: Rows, theirs: string) =>
    takeOver(base, parse(theirs), mine, 200);
  const told = (found: ReturnType<typeof takeOver>) =>
    [...found.left].map(({ number, what }) => `${number} ${what}`);

  test('is taken over as it is where the person did nothing', () => {
    for (const theirs of [
      '- [ ] other',
      PLAN.replace('names', 'the names').replace('- [x] read\n', ''),
      `- [ ] write
- [x] read
- [~] mend
  - [x] names
    - [x] dates
  - [ ] of people
- [ ] send
  - [ ] soon`
    ]) {
      const found = onto(base.rows, theirs);
      assert.equal(outline(found.rows), outline(rowsOf(parse(theirs))));
      assert.deepEqual(told(found), []);
    }
  });

  test('has what the person wrote beside it', () => {
    const mine = write(base.rows, 5, { text: 'write it down' });
    const found = onto(
      mine,
      PLAN.replace('[ ] of people', '[x] of people').replace(
        '- [ ] write',
        '  - [ ] places\n- [~] write'
      )
    );
    // The step that was reworded here and begun there is both.
    assert.equal(
      outline(found.rows),
      `- [x] read
- [~] mend
  - [x] dates
  - [x] names
    - [x] of people
  - [ ] places
- [~] write it down`
    );
    assert.deepEqual(told(found), []);
  });

  test('is named where the person did otherwise', () => {
    const mine = mark(write(base.rows, 4, { text: 'of all people' }), 5, 'x');
    const found = onto(
      mine,
      `- [x] read
- [~] mend
  - [x] dates
  - [ ] names
    - [ ] of women
- [!] write`
    );
    assert.equal(
      outline(found.rows),
      PLAN.replace('of people', 'of all people').replace(
        '[ ] write',
        '[x] write'
      )
    );
    assert.deepEqual(told(found), ['2.2.1 reworded', '3 status']);
  });

  test('removes what nobody touched, and stays removed where the person removed', () => {
    const gone = act(base.rows, 3, 'remove', 99).rows;
    const found = onto(
      gone,
      `- [~] mend
  - [x] dates
  - [x] names
    - [x] of people
- [ ] write`
    );
    assert.equal(outline(found.rows), '- [x] mend\n  - [x] dates\n- [ ] write');
    assert.deepEqual(told(found), ['1.2.1 status']);
  });

  test('does not take away a step that the person changed, or what is above it', () => {
    const mine = write(base.rows, 4, { text: 'of all people' });
    const found = onto(mine, '- [x] read\n- [ ] write');
    assert.equal(
      outline(found.rows),
      `- [x] read
- [~] mend
  - [ ] names
    - [ ] of all people
- [ ] write`
    );
    assert.deepEqual(told(found), [
      '2 removed',
      '2.2 removed',
      '2.2.1 removed'
    ]);
  });

  test('moves nothing where the person moved steps, and is named', () => {
    const mine = act(base.rows, 5, 'up', 99).rows;
    const found = onto(
      mine,
      `- [~] mend
  - [x] dates
  - [ ] names
    - [ ] of people
    - [ ] of places
- [x] read
- [ ] write it`
    );
    assert.equal(
      outline(found.rows),
      `- [x] read
- [ ] write it
- [~] mend
  - [x] dates
  - [ ] names
    - [ ] of people
    - [ ] of places`
    );
    assert.deepEqual(told(found), ['2 moved']);
  });

  test('keeps the places of new steps of both, and one that both wrote is one', () => {
    const mine = write(act(base.rows, 0, 'add', 99).rows, 1, {
      text: 'look'
    });
    const more = write(act(mine, 6, 'below', 100).rows, 7, { text: 'send' });
    const found = onto(
      more,
      PLAN.replace('- [~] mend', '- [x] look\n- [~] mend') + '\n- [ ] check'
    );
    assert.equal(
      outline(found.rows),
      PLAN.replace('- [~] mend', '- [x] look\n- [~] mend') +
        '\n  - [ ] send\n- [ ] check'
    );
    assert.deepEqual(told(found), []);
  });

  test('gives each row a key of its own, time after time', () => {
    let now = { base, rows: base.rows };
    let plan = PLAN;
    for (let turn = 0; turn < 3; turn += 1) {
      const mine = write(now.rows, 0, { text: `read ${turn}` });
      plan = `- [ ] new ${turn}\n${plan}`;
      now = takeOver(now.base, parse(plan), mine, 200 + turn * 50);
      const keys = now.rows.map(row => row.key);
      assert.equal(new Set(keys).size, keys.length);
    }
    // What was written at first is known again in the second and the third.
    assert.equal(
      outline(now.rows),
      plan
        .replace('new 1', 'read 2')
        .replace('new 0', 'read 1')
        .replace('- [x] read\n', '- [x] read 0\n')
    );
  });
});
