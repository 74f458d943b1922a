import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  fieldOf,
  type Form,
  secondsOf,
  specOf
} from '../src/panels/missionControl/spawnForm';
import { plain } from '../src/ui/words';

const form: Form = {
  goal: ' Fix it ',
  name: '',
  model: '',
  mode: 'ask_risky',
  sandbox: 'auto',
  steps: '50',
  cost: '$2.50',
  time: '30 min'
};

test('a full form becomes a spec in the units of the server', () => {
  assert.deepEqual(specOf(form, {}, plain), {
    spec: {
      goal: 'Fix it',
      mode: 'ask_risky',
      sandbox: { kind: 'auto' },
      limits: { steps: 50, cost_usd: 2.5, wall_s: 1800 },
      origin: 'lab'
    }
  });
});

test('an empty limit is no limit', () => {
  const read = specOf({ ...form, steps: '', cost: ' ', time: '' }, {}, plain);
  assert.ok('spec' in read);
  assert.deepEqual(read.spec.limits, {
    steps: null,
    cost_usd: null,
    wall_s: null
  });
});

test('the first field that does not fit is named', () => {
  const fields = [
    { goal: '  ' },
    { steps: '1.5' },
    { steps: '0' },
    { cost: 'two' },
    { cost: '0' },
    { time: 'soon' }
  ].map(change => {
    const read = specOf({ ...form, ...change }, {}, plain);
    return 'field' in read ? read.field : 'fits';
  });
  assert.deepEqual(fields, ['goal', 'steps', 'steps', 'cost', 'cost', 'time']);
});

test('times are read as people write them', () => {
  assert.equal(secondsOf('90s'), 90);
  assert.equal(secondsOf('30'), 1800);
  assert.equal(secondsOf('1h 30m'), 5400);
  assert.equal(secondsOf('2 hours'), 7200);
  assert.ok(Number.isNaN(secondsOf('x')));
});

test('an answer of the server finds its field', () => {
  const refused = (code: string, message: string) =>
    fieldOf(Object.assign(new Error(message), { code, details: {} }));
  assert.equal(refused('model_not_configured', 'No key'), 'model');
  assert.equal(refused('sandbox_unavailable', 'No engine'), 'sandbox');
  assert.equal(
    refused('bad_request', 'Expected int - at `$.limits.steps`'),
    'steps'
  );
  assert.equal(refused('bad_request', 'Something'), null);
});
