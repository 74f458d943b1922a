/** Processes, views, memories and journal lines for the tests. */
import type {
  AetherEvent,
  JournalRecord,
  Memory,
  Process,
  View
} from '../src/api/types';

export function aProcess(given: Partial<Process> = {}): Process {
  return {
    pid: 1,
    name: 'Backfill orders',
    owner: 'ana',
    goal: 'Load the orders of March',
    model: 'scripted:hello',
    sandbox: 'bubblewrap',
    mode: 'ask_risky',
    limits: { steps: 50, tokens: null, cost_usd: null, wall_s: null },
    state: 'READY',
    parent: null,
    wait: null,
    exit: null,
    created_at: 0,
    run_since: null,
    run_s: 0,
    ended_at: null,
    reaped_at: null,
    step: 0,
    input_tokens: 0,
    output_tokens: 0,
    cost_usd: 0,
    reserved_tokens: 0,
    reserved_usd: 0,
    cost_known: true,
    voice: null,
    strip: '',
    origin: 'api',
    signal: null,
    head: 1,
    plan_done: 0,
    plan_steps: 0,
    plan_n: 0,
    display: '',
    browser: false,
    control: '',
    rating: null,
    came_from: null,
    ...given
  };
}

export function aView(processes: readonly Process[]): View {
  return {
    cursor: 0,
    user: 'ana',
    processes: Object.fromEntries(processes.map(p => [p.pid, p])),
    approvals: {},
    spend: { day: '2026-01-01', cost_usd: 0, limit_usd: null, until: 0 }
  };
}

export function aMemory(given: Partial<Memory> = {}): Memory {
  return {
    id: 1,
    owner: 'ana',
    agent: 'clerk',
    layer: 'semantic',
    text: 'The export has 19 columns.',
    source: {
      by: 'ana',
      kind: 'person',
      pid: null,
      step: null,
      tainted: false
    },
    importance: 0.5,
    tags: [],
    pinned: false,
    created_at: 0,
    changed_at: 0,
    used_at: null,
    uses: 0,
    version: 1,
    changed_by: '',
    forgotten_at: null,
    merged: [],
    merged_into: null,
    sources: [],
    made_from: [],
    contradicts: [],
    ...given
  };
}

export function aRecord(event: AetherEvent, n = 1): JournalRecord {
  return {
    seq: n,
    id: `r${n}`,
    pid: 1,
    n,
    owner: 'ana',
    actor: 'agent:1',
    at: 0,
    event
  };
}
