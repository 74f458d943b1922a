/** What the form of a new agent holds, and the spec it asks for. No page here, so tests can read it. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  AgentSpec,
  DesktopKind,
  NetworkKind,
  Mode,
  SandboxName,
  Template
} from '../../api/types';

export interface Form {
  goal: string;
  name: string;
  model: string;
  mode: Mode;
  sandbox: SandboxName;
  /** What it sees, and people can take over. */
  desktop: DesktopKind;
  network: NetworkKind;
  /** Names of hosts, with commas or spaces between them; they count with the network `allowed`. */
  hosts: string;
  steps: string;
  cost: string;
  time: string;
  role: string;
  /** Lines as the terminal takes them, one below the other. */
  permissions: string;
  /** Names, with commas or spaces between them. */
  folders: string;
  /** Whether it looks back on its run; `` is as the server is set. */
  reflect: '' | 'yes' | 'no';
}

/** What a form holds before anybody has written into it: what is known already, else the person's settings. */
export function emptyForm(
  first: Partial<AgentSpec>,
  preferred: { model: string; mode: Mode; steps: number }
): Form {
  const limits = first.limits ?? { steps: preferred.steps };
  return {
    goal: first.goal ?? '',
    name: first.name ?? '',
    model: first.model ?? preferred.model,
    mode: first.mode ?? preferred.mode,
    sandbox: first.sandbox?.kind ?? 'auto',
    desktop: first.sandbox?.desktop ?? 'none',
    network: first.sandbox?.network ?? 'none',
    hosts: (first.sandbox?.hosts ?? []).join(', '),
    steps: limits.steps ? String(limits.steps) : '',
    cost: limits.cost_usd ? `$${limits.cost_usd}` : '',
    time: limits.wall_s ? `${limits.wall_s / 60} min` : '',
    role: first.role ?? '',
    permissions: '',
    folders: (first.workspaces ?? []).join(', '),
    reflect: lookingBack(first)
  };
}

function lookingBack(spec: Partial<AgentSpec>): Form['reflect'] {
  if (spec.reflect === null || spec.reflect === undefined) return '';
  return spec.reflect ? 'yes' : 'no';
}

/**
 * The form after another template was chosen (`null`: none). A goal that the person wrote stays, and so do what the
 * person chose of model and looking back, and name and sandbox, which no template is about.
 */
export function formFrom(
  form: Form,
  chosen: Template | null,
  before: Template | null,
  empty: Form
): Form {
  const own = form.goal.trim() && form.goal !== before?.spec.goal;
  const { name, sandbox, permissions, reflect } = form;
  const usual = (template: Template | null) =>
    template?.spec.model || empty.model;
  const model = form.model === usual(before) ? usual(chosen) : form.model;
  const back = (template: Template | null) =>
    template ? lookingBack(template.spec) : empty.reflect;
  return {
    ...(chosen ? emptyForm(chosen.spec, { ...empty, steps: 0 }) : empty),
    ...{ name, model, sandbox, permissions },
    reflect: reflect === back(before) ? back(chosen) : reflect,
    goal: own ? form.goal : (chosen?.spec.goal ?? empty.goal)
  };
}

/** What a template leaves for the person to say: the `<words in brackets>` of its goal that are still there. */
export function unsaid(template: Template | null, goal: string): string[] {
  const asked = template?.spec.goal.match(/<[^<>\n]{1,80}>/g) ?? [];
  return asked.filter(words => goal.includes(words));
}

/** The field that an answer of the server is about, if its words or details name one. */
export function fieldOf(error: unknown): keyof Form | null {
  const { code, message, details } = error as Partial<{
    code: string;
    message: string;
    details: Record<string, unknown>;
  }>;
  if (code === 'model_not_configured') return 'model';
  if (code === 'sandbox_unavailable') return 'sandbox';
  const named = /^(\w+)(?:\[\d+\])?(?:\.(\w+))?: /.exec(message ?? '');
  const name = String(details?.field ?? named?.[1] ?? '');
  const within = named?.[2] ?? '';
  const fields: Readonly<Record<string, keyof Form>> = {
    goal: 'goal',
    name: 'name',
    model: 'model',
    mode: 'mode',
    sandbox: 'sandbox',
    'sandbox.desktop': 'desktop',
    'sandbox.network': 'network',
    'sandbox.hosts': 'hosts',
    role: 'role',
    permissions: 'permissions',
    workspaces: 'folders',
    'limits.steps': 'steps',
    'limits.cost_usd': 'cost',
    'limits.wall_s': 'time'
  };
  return fields[`${name}.${within}`] ?? fields[name] ?? null;
}

/**
 * The spec that the form asks for, or the first field that does not fit and why. What the form has no field for comes
 * from the template, and before that from what was known `first`.
 */
export function specOf(
  form: Form,
  first: Partial<AgentSpec>,
  template: Template | null,
  trans: TranslationBundle
): { spec: AgentSpec } | { field: keyof Form; text: string } {
  const goal = form.goal.trim();
  if (!goal) {
    return { field: 'goal', text: trans.__('Say what it should do.') };
  }
  const [missing] = unsaid(template, goal);
  if (missing) {
    return {
      field: 'goal',
      text: trans.__('Write what you mean in place of %1.', missing)
    };
  }
  const steps = form.steps.trim() ? Number(form.steps.trim()) : null;
  if (steps !== null && !(Number.isInteger(steps) && steps >= 1)) {
    return {
      field: 'steps',
      text: trans.__('Steps: a whole number from 1, or nothing for no limit.')
    };
  }
  const cost = form.cost.trim()
    ? Number(form.cost.replace(/[$\s]/g, ''))
    : null;
  if (cost !== null && !(cost > 0)) {
    return {
      field: 'cost',
      text: trans.__(
        'Cost: an amount in dollars, like 2 or 0.50, or nothing for no limit.'
      )
    };
  }
  const time = form.time.trim() ? secondsOf(form.time) : null;
  if (time !== null && !(time > 0)) {
    return {
      field: 'time',
      text: trans.__('Time: like 30 min, 2 h or 90 s, or nothing for no limit.')
    };
  }
  if (!/^[A-Za-z0-9 _-]{0,40}$/.test(form.role.trim())) {
    return {
      field: 'role',
      text: trans.__('Role: up to 40 letters, digits, spaces, - and _.')
    };
  }
  const folders = form.folders.split(/[\s,]+/).filter(name => name);
  const odd = folders.find(name => !/^[a-z0-9][a-z0-9_-]{0,39}$/.test(name));
  if (odd) {
    return {
      field: 'folders',
      text: trans.__(
        'Folder “%1”: a name of small letters, digits, - and _, such as data.',
        odd
      )
    };
  }
  if (folders.length && form.sandbox === 'host') {
    return {
      field: 'folders',
      text: trans.__(
        'The bare host mounts no shared folders. Choose another sandbox, or no folders.'
      )
    };
  }
  if (form.desktop !== 'none' && !['auto', 'docker'].includes(form.sandbox)) {
    return {
      field: 'desktop',
      text: trans.__(
        'A desktop runs in Docker only. Choose that sandbox, or no desktop.'
      )
    };
  }
  const hosts = form.hosts.split(/[\s,]+/).filter(name => name);
  if (form.network === 'allowed' && !hosts.length) {
    return {
      field: 'hosts',
      text: trans.__('Hosts: at least one, such as pypi.org or *.pypi.org.')
    };
  }
  if (
    form.network === 'allowed' &&
    !['auto', 'docker'].includes(form.sandbox)
  ) {
    return {
      field: 'network',
      text: trans.__(
        'Some hosts only: that needs Docker. Choose that sandbox, or another network.'
      )
    };
  }
  const base: Partial<AgentSpec> = { ...first, ...template?.spec };
  const lines = form.permissions
    .split('\n')
    .map(line => line.trim())
    .filter(line => line);
  const spec: AgentSpec = {
    ...base,
    goal,
    mode: form.mode,
    sandbox: {
      ...base.sandbox,
      kind: form.sandbox,
      desktop: form.desktop,
      network: form.network,
      hosts: form.network === 'allowed' ? hosts : []
    },
    limits: { ...base.limits, steps, cost_usd: cost, wall_s: time },
    permissions: [...(base.permissions ?? []), ...lines],
    workspaces: folders,
    role: form.role.trim(),
    origin: 'lab'
  };
  if (template) spec.labels = { ...base.labels, template: template.name };
  if (form.name.trim()) spec.name = form.name.trim();
  else delete spec.name;
  if (form.model) spec.model = form.model;
  else delete spec.model;
  if (form.reflect) spec.reflect = form.reflect === 'yes';
  else delete spec.reflect;
  return { spec };
}

/** Whether the server is to choose the model. */
export function isAuto(model: string): boolean {
  return model === 'auto' || model.startsWith('auto:');
}

/** What the choice of a model rests on, as far as the form says it. An empty goal is a goal that says nothing. */
export function routeRequest(form: Form, template: Template | null): AgentSpec {
  const cost = Number(form.cost.replace(/[$\s]/g, ''));
  return {
    goal: form.goal.trim() || '…',
    name: form.name,
    role: /^[A-Za-z0-9 _-]{0,40}$/.test(form.role.trim())
      ? form.role.trim()
      : '',
    model: form.model,
    permissions: form.permissions.split('\n').filter(line => line.trim()),
    ...(template
      ? { labels: { ...template.spec.labels, template: template.name } }
      : {}),
    ...(template?.spec.tools ? { tools: template.spec.tools } : {}),
    ...(cost > 0 ? { limits: { cost_usd: cost } } : {})
  };
}

/** What is wrong with a model or sandbox that cannot be used, and what to do. */
export function whyNot(available: { detail: string; fix: string }): string {
  return [available.detail, available.fix].filter(text => text).join('; ');
}

/** `30 min`, `2h`, `90 s`, `1h 30m`; a bare number is minutes. `NaN` for anything else. */
export function secondsOf(text: string): number {
  const units: Readonly<Record<string, number>> = {
    s: 1,
    m: 60,
    h: 3600,
    d: 86400
  };
  const words = text.trim().toLowerCase();
  if (/^[\d.]+$/.test(words)) return Number(words) * 60;
  if (!/^(?:[\d.]+\s*[smhd][a-z]*\s*)+$/.test(words)) return NaN;
  let total = 0;
  for (const [, figure, unit] of words.matchAll(/([\d.]+)\s*([smhd])/g)) {
    total += Number(figure) * units[unit];
  }
  return total;
}
