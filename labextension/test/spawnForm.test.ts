import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Template } from '../src/api/types';
import {
  emptyForm,
  fieldOf,
  type Form,
  formFrom,
  isAuto,
  routeRequest,
  secondsOf,
  specOf,
  unsaid
} from '../src/panels/missionControl/spawnForm';
import { plain } from '../src/ui/words';

const form: Form = {
  goal: ' Fix it ',
  name: '',
  model: '',
  mode: 'ask_risky',
  sandbox: 'auto',
  desktop: 'none',
  network: 'none',
  hosts: '',
  steps: '50',
  cost: '$2.50',
  time: '30 min',
  role: '',
  permissions: '',
  folders: '',
  reflect: ''
};

const preferred = { model: '', mode: 'ask_risky' as const, steps: 50 };
const empty = emptyForm({}, preferred);

const explore: Template = {
  name: 'explore',
  title: 'Explore',
  summary: 'Columns and figures',
  category: 'data',
  spec: {
    goal: 'Explore /workspaces/data/<file> for <whom>.',
    images: [],
    name: '',
    role: 'analyst',
    model: '',
    fallbacks: [],
    system: 'Count with commands.',
    tools: ['run_command'],
    mode: 'accept_edits',
    permissions: [{ verdict: 'deny', tool: 'delete_file' }],
    sandbox: {
      kind: 'auto',
      network: 'none',
      memory_mb: 2048,
      cpus: 2,
      pids: 512,
      desktop: 'none',
      hosts: [],
      disk_mb: null,
      gpus: 0
    },
    limits: { steps: 40, tokens: null, cost_usd: 2, wall_s: 1800 },
    output_schema: null,
    temperature: null,
    max_output_tokens: 4096,
    keep_home: false,
    keep_profile: false,
    reflect: null,
    workspaces: ['data'],
    labels: {},
    origin: 'api'
  }
};

test('a full form becomes a spec in the units of the server', () => {
  assert.deepEqual(specOf(form, {}, null, plain), {
    spec: {
      goal: 'Fix it',
      mode: 'ask_risky',
      sandbox: { kind: 'auto', desktop: 'none', network: 'none', hosts: [] },
      limits: { steps: 50, cost_usd: 2.5, wall_s: 1800 },
      permissions: [],
      workspaces: [],
      role: '',
      origin: 'lab'
    }
  });
});

test('hosts count with the network that has some, and that needs Docker', () => {
  const some = {
    ...form,
    network: 'allowed' as const,
    hosts: 'pypi.org, *.pythonhosted.org\nexample.org:8443'
  };
  const read = specOf(some, {}, null, plain);
  assert.ok('spec' in read);
  assert.deepEqual(read.spec.sandbox?.hosts, [
    'pypi.org',
    '*.pythonhosted.org',
    'example.org:8443'
  ]);
  const none = specOf({ ...some, network: 'none' }, {}, null, plain);
  assert.ok('spec' in none);
  assert.deepEqual(none.spec.sandbox?.hosts, []);
  const fields = [
    { ...some, hosts: ' ' },
    { ...some, sandbox: 'bubblewrap' as const }
  ].map(each => specOf(each, {}, null, plain));
  assert.deepEqual(
    fields.map(each => 'field' in each && each.field),
    ['hosts', 'network']
  );
});

test('an empty limit is no limit', () => {
  const read = specOf(
    { ...form, steps: '', cost: ' ', time: '' },
    {},
    null,
    plain
  );
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
    { time: 'soon' },
    { role: 'a/b' },
    { folders: 'data, My Files' },
    { folders: 'data', sandbox: 'host' as const }
  ].map(change => {
    const read = specOf({ ...form, ...change }, {}, null, plain);
    return 'field' in read ? read.field : 'fits';
  });
  assert.deepEqual(fields, [
    'goal',
    'steps',
    'steps',
    'cost',
    'cost',
    'time',
    'role',
    'folders',
    'folders'
  ]);
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
  const told = { code: 'bad_request', details: { field: 'permissions' } };
  assert.equal(
    fieldOf(Object.assign(new Error("'maybe' begins with none"), told)),
    'permissions'
  );
  assert.equal(refused('model_not_configured', 'No key'), 'model');
  assert.equal(refused('sandbox_unavailable', 'No engine'), 'sandbox');
  assert.equal(
    refused('bad_request', 'limits.steps: Expected `int` >= 1'),
    'steps'
  );
  assert.equal(
    refused('bad_request', 'workspaces[0]: Expected `str`'),
    'folders'
  );
  assert.equal(refused('bad_request', 'role: Expected `str`'), 'role');
  assert.equal(refused('bad_request', 'Something'), null);
});

test('a template fills the form, but for what the person has chosen', () => {
  const form = { ...empty, name: 'Spring', model: 'local:small' };
  assert.deepEqual(formFrom(form, explore, null, empty), {
    ...form,
    goal: explore.spec.goal,
    mode: 'accept_edits',
    steps: '40',
    cost: '$2',
    time: '30 min',
    role: 'analyst',
    folders: 'data'
  });
});

test('words of the person outlive the choice of a template, those of a template do not', () => {
  const own = formFrom({ ...empty, goal: 'My own' }, explore, null, empty);
  assert.equal(own.goal, 'My own');
  assert.equal(own.folders, 'data');
  const filled = formFrom(empty, explore, null, empty);
  assert.deepEqual(formFrom(filled, null, explore, empty), empty);
  const said = { ...filled, goal: 'Explore /workspaces/data/a.csv for me.' };
  assert.equal(formFrom(said, null, explore, empty).goal, said.goal);
});

test('what a template leaves open is asked for before anything starts', () => {
  const form = formFrom(empty, explore, null, empty);
  assert.deepEqual(unsaid(explore, form.goal), ['<file>', '<whom>']);
  const half = { ...form, goal: form.goal.replace('<file>', 'a.csv') };
  const read = specOf(half, {}, explore, plain);
  assert.ok('field' in read);
  assert.equal(read.field, 'goal');
  assert.match(read.text, /<whom>/);
  const own = specOf({ ...form, goal: 'Is 1 <file> 2?' }, {}, null, plain);
  assert.ok('spec' in own);
});

test('a template gives what the form has no field for, and its permissions stay', () => {
  const form = {
    ...formFrom(empty, explore, null, empty),
    goal: 'Explore it.',
    permissions: ' ask risk=write \n\ndeny tool=run_command'
  };
  const read = specOf(form, {}, explore, plain);
  assert.ok('spec' in read);
  assert.equal(read.spec.system, 'Count with commands.');
  assert.deepEqual(read.spec.tools, ['run_command']);
  assert.deepEqual(read.spec.workspaces, ['data']);
  assert.deepEqual(read.spec.labels, { template: 'explore' });
  assert.deepEqual(read.spec.permissions, [
    { verdict: 'deny', tool: 'delete_file' },
    'ask risk=write',
    'deny tool=run_command'
  ]);
});

test('a template may say which model, and what the person chose stays', () => {
  const auto = { ...explore, spec: { ...explore.spec, model: 'auto' } };
  const first = formFrom(empty, auto, null, empty);
  assert.equal(first.model, 'auto');
  assert.equal(formFrom(first, explore, auto, empty).model, '');
  const own = { ...empty, model: 'openai:big' };
  assert.equal(formFrom(own, auto, null, empty).model, 'openai:big');
});

test('whether it looks back is asked for only where somebody said so', () => {
  const eager = { ...explore, spec: { ...explore.spec, reflect: true } };
  const spec = (of: Form) => {
    const read = specOf({ ...of, goal: 'Fix it' }, {}, null, plain);
    assert.ok('spec' in read);
    return read.spec;
  };
  assert.ok(!('reflect' in spec(form)));
  assert.equal(spec({ ...form, reflect: 'no' }).reflect, false);
  const chosen = formFrom(empty, eager, null, empty);
  assert.equal(spec(chosen).reflect, true);
  assert.equal(formFrom(chosen, explore, eager, empty).reflect, '');
  const own = formFrom({ ...empty, reflect: 'no' }, eager, null, empty);
  assert.equal(own.reflect, 'no');
});

test('a choice is asked for with what the form says, also before it is whole', () => {
  assert.ok(isAuto('auto') && isAuto('auto:cheap') && !isAuto('openai:auto'));
  const bare = routeRequest({ ...empty, model: 'auto', role: 'a/b' }, null);
  assert.deepEqual(bare, {
    goal: '…',
    name: '',
    role: '',
    model: 'auto',
    permissions: []
  });
  const full = routeRequest(
    {
      ...form,
      model: 'auto',
      role: ' analyst ',
      permissions: 'deny model=openai:*\n\n'
    },
    explore
  );
  assert.deepEqual(full, {
    goal: 'Fix it',
    name: '',
    role: 'analyst',
    model: 'auto',
    permissions: ['deny model=openai:*'],
    labels: { template: 'explore' },
    tools: ['run_command'],
    limits: { cost_usd: 2.5 }
  });
});

test('a desktop needs docker', () => {
  const asks = (sandbox: Form['sandbox']) =>
    specOf({ ...form, sandbox, desktop: 'xfce' }, {}, null, plain);
  const refused = asks('bubblewrap');
  assert.equal('field' in refused && refused.field, 'desktop');
  const granted = asks('docker');
  assert.deepEqual('spec' in granted && granted.spec.sandbox, {
    kind: 'docker',
    desktop: 'xfce',
    network: 'none',
    hosts: []
  });
});
