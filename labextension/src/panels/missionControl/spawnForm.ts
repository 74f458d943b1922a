/** What the form of a new agent holds, and the spec it asks for. No page here, so tests can read it. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { AgentSpec, Mode, SandboxName } from '../../api/types';

export interface Form {
  goal: string;
  name: string;
  model: string;
  mode: Mode;
  sandbox: SandboxName;
  steps: string;
  cost: string;
  time: string;
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
  const named = /\$\.(\w+)(?:\.(\w+))?/.exec(message ?? '');
  const name = named?.[2] ?? named?.[1] ?? String(details?.field ?? '');
  const fields: Readonly<Record<string, keyof Form>> = {
    goal: 'goal',
    name: 'name',
    model: 'model',
    mode: 'mode',
    sandbox: 'sandbox',
    kind: 'sandbox',
    steps: 'steps',
    cost_usd: 'cost',
    wall_s: 'time'
  };
  return fields[name] ?? null;
}

/** The spec that the form asks for, or the first field that does not fit and why. */
export function specOf(
  form: Form,
  first: Partial<AgentSpec>,
  trans: TranslationBundle
): { spec: AgentSpec } | { field: keyof Form; text: string } {
  const goal = form.goal.trim();
  if (!goal) {
    return { field: 'goal', text: trans.__('Say what it should do.') };
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
  const spec: AgentSpec = {
    ...first,
    goal,
    mode: form.mode,
    sandbox: { ...first.sandbox, kind: form.sandbox },
    limits: { ...first.limits, steps, cost_usd: cost, wall_s: time },
    origin: 'lab'
  };
  if (form.name.trim()) spec.name = form.name.trim();
  else delete spec.name;
  if (form.model) spec.model = form.model;
  else delete spec.model;
  return { spec };
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
