/**
 * What the server says, as types: the twin of `aether_jupyter.model`. Times are seconds since the epoch, money is US
 * dollars. A field is optional where the server leaves out a default.
 */

export type State = 'READY' | 'RUNNING' | 'WAITING' | 'STOPPED' | 'ZOMBIE';

export type SignalName = 'STOP' | 'CONT' | 'INT' | 'TERM' | 'KILL';

export type Mode =
  'plan' | 'ask_always' | 'ask_risky' | 'accept_edits' | 'autonomous';

export type WaitKind =
  'approval' | 'answer' | 'limit' | 'message' | 'agent' | 'time' | 'resource';

export interface WaitReason {
  kind: WaitKind;
  detail?: string;
  approvals?: string[];
  until?: number | null;
  pid?: number | null;
}

export interface ExitStatus {
  code: number;
  reason: 'completed' | 'failed' | 'limit' | 'terminated' | 'killed' | 'stuck';
  message?: string;
  result?: unknown;
  error?: string | null;
}

export type VoiceKind =
  'thought' | 'action' | 'observation' | 'message' | 'error' | 'answer';

export interface Voice {
  kind: VoiceKind;
  text: string;
}

/** `null` is no limit; `wall_s` counts time spent RUNNING. */
export interface Limits {
  steps: number | null;
  tokens: number | null;
  cost_usd: number | null;
  wall_s: number | null;
}

export type SandboxName = 'auto' | 'docker' | 'bubblewrap' | 'host';

export interface SandboxSpec {
  kind?: SandboxName;
  network?: 'none' | 'host';
  memory_mb?: number;
  cpus?: number;
  pids?: number;
}

/** The request for one agent; all but the goal may be left to the server. */
export interface AgentSpec {
  goal: string;
  name?: string;
  model?: string;
  fallbacks?: string[];
  system?: string;
  tools?: string[] | null;
  mode?: Mode;
  sandbox?: SandboxSpec;
  limits?: Partial<Limits>;
  output_schema?: Record<string, unknown> | null;
  temperature?: number | null;
  max_output_tokens?: number;
  keep_home?: boolean;
  workspaces?: string[];
  labels?: Record<string, string>;
  origin?: string;
}

/** `strip` holds the kinds of the last 20 timeline entries, oldest first, as one letter each of `taopme`. */
export interface Process {
  pid: number;
  name: string;
  owner: string;
  goal: string;
  model: string;
  sandbox: string;
  mode: Mode;
  limits: Limits;
  state: State;
  parent: number | null;
  wait: WaitReason | null;
  exit: ExitStatus | null;
  created_at: number;
  run_since: number | null;
  run_s: number;
  ended_at: number | null;
  reaped_at: number | null;
  step: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  reserved_tokens: number;
  reserved_usd: number;
  cost_known: boolean;
  voice: Voice | null;
  strip: string;
  origin: string;
  signal: SignalName | null;
  head: number;
}

export type Risk = 'safe' | 'write' | 'execute' | 'network' | 'destructive';

export interface TextPart {
  type: 'text';
  text: string;
  provider?: Record<string, unknown> | null;
}

export interface ThinkingPart {
  type: 'thinking';
  text: string;
  provider?: Record<string, unknown> | null;
}

/** `arguments` is `null` when `raw` could not be read as a JSON object. */
export interface ToolCall {
  type?: 'call';
  id: string;
  tool: string;
  arguments: Record<string, unknown> | null;
  raw?: string;
  provider?: Record<string, unknown> | null;
}

export type Part = TextPart | ThinkingPart | (ToolCall & { type: 'call' });

export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  cached_tokens?: number;
  known?: boolean;
}

export interface Evidence {
  exit_code?: number | null;
  stdout?: string;
  stderr?: string;
  stdout_bytes?: number;
  stderr_bytes?: number;
  stdout_path?: string;
  stderr_path?: string;
  path?: string;
  diff?: string;
  sha256?: string;
  timed_out?: boolean;
  sandbox?: string;
}

export interface Outcome {
  ok: boolean;
  content: string;
  error?: string | null;
  evidence?: Evidence | null;
  labels?: Record<string, string>;
  duration_s?: number;
}

export type Verdict =
  'approve' | 'edit' | 'answer' | 'refuse' | 'extend' | 'finish';

export type Remember = 'once' | 'session' | 'always';

export interface Decision {
  verdict: Verdict;
  by?: string;
  at?: number;
  arguments?: Record<string, unknown> | null;
  answer?: string | null;
  reason?: string | null;
  steps?: number | null;
  remember?: Remember;
}

export interface Approval {
  id: string;
  pid: number;
  owner: string;
  name: string;
  kind: 'call' | 'question' | 'limit';
  step: number;
  created_at: number;
  call?: ToolCall | null;
  risk?: Risk | null;
  because?: string;
  where?: string;
  preview?: string;
  question?: string;
  options?: string[];
  digest?: string;
  decision?: Decision | null;
  closed?: string;
}

/** A standing yes; `pid` is set for one process's session only. */
export interface ApprovalRule {
  id: string;
  owner: string;
  tool: string;
  pid: number | null;
  created_at: number;
  created_by: string;
  uses: number;
}

export interface ProcessSpawned {
  type: 'process.spawned';
  process: Process;
  spec: AgentSpec;
}

export interface StateChanged {
  type: 'process.state';
  state: State;
  wait?: WaitReason | null;
  why?: string;
}

export interface SignalSent {
  type: 'process.signal';
  signal: SignalName;
}

export interface LimitsExtended {
  type: 'process.limits';
  limits: Limits;
}

export interface ProcessExited {
  type: 'process.exited';
  status: ExitStatus;
}

export interface ProcessReaped {
  type: 'process.reaped';
  home_kept: boolean;
}

export interface MessageSent {
  type: 'message.sent';
  id: string;
  sender: string;
  text: string;
  kind?: string;
  correlation?: string;
}

export interface Request {
  id: string;
  kind: 'task' | 'review';
  owner: string;
  sender: number;
  receiver: number;
  text: string;
  created_at: number;
  due_at: number;
  status?: RequestStatus;
}

export type RequestStatus =
  | 'open'
  | 'accepted'
  | 'answered'
  | 'refused'
  | 'timed_out'
  | 'abandoned'
  | 'withdrawn';

export interface RequestOpened {
  type: 'request.opened';
  request: Request;
}

export interface RequestMoved {
  type: 'request.moved';
  request_id: string;
  status: RequestStatus;
}

export interface ModelRequested {
  type: 'model.requested';
  step: number;
  model: string;
  reserved_tokens?: number;
  reserved_usd?: number;
}

export interface ModelAnswered {
  type: 'model.answered';
  step: number;
  model: string;
  parts: Part[];
  usage: Usage;
  cost_usd?: number;
  cost_known?: boolean;
  duration_s?: number;
  attempts?: number;
}

export interface ModelFailed {
  type: 'model.failed';
  step: number;
  model: string;
  error: string;
  message: string;
  charged_usd?: number;
}

export interface Guidance {
  type: 'model.guided';
  reason: 'arguments' | 'empty' | 'doubt' | 'stuck' | 'output';
  text: string;
  attempt: number;
}

export interface ToolStarted {
  type: 'tool.started';
  step: number;
  call: ToolCall;
  why?: string;
  sources?: Record<string, string>;
}

export interface ToolEnded {
  type: 'tool.ended';
  step: number;
  call_id: string;
  tool: string;
  outcome: Outcome;
}

export interface ApprovalRequested {
  type: 'approval.requested';
  approval: Approval;
}

export interface ApprovalDecided {
  type: 'approval.decided';
  approval_id: string;
  kind: string;
  call_id: string;
  decision: Decision;
}

export interface ApprovalClosed {
  type: 'approval.closed';
  approval_id: string;
  why: string;
}

/** Every durable event; the union is matched to exhaustion in `state/view.ts`. */
export type AetherEvent =
  | ProcessSpawned
  | StateChanged
  | SignalSent
  | LimitsExtended
  | ProcessExited
  | ProcessReaped
  | MessageSent
  | RequestOpened
  | RequestMoved
  | ModelRequested
  | ModelAnswered
  | ModelFailed
  | Guidance
  | ToolStarted
  | ToolEnded
  | ApprovalRequested
  | ApprovalDecided
  | ApprovalClosed;

/** One line of the journal: `seq` orders all of it, `n` the events of one process from 1 without gaps. */
export interface JournalRecord {
  seq: number;
  id: string;
  pid: number;
  n: number;
  owner: string;
  actor: string;
  at: number;
  event: AetherEvent;
}

/** Words of an answer as they arrive. */
export interface TextDelta {
  type: 'notice.text';
  pid: number;
  step: number;
  kind: 'text' | 'thinking';
  text: string;
}

/** Output of a command as it arrives. */
export interface OutputDelta {
  type: 'notice.output';
  pid: number;
  call_id: string;
  stream: 'stdout' | 'stderr';
  text: string;
}

/** Long work before a step can go on; `done` lies in 0–1 or is `null`. */
export interface Preparing {
  type: 'notice.preparing';
  pid: number;
  what: string;
  done?: number | null;
}

/** What is shown and forgotten. */
export type Notice = TextDelta | OutputDelta | Preparing;

/** Money of one owner today; `limit_usd` null is no limit. */
export interface Spend {
  day: string;
  cost_usd: number;
  limit_usd: number | null;
}

/** One person's fleet at `cursor`, the `seq` of the last record that is in it. */
export interface View {
  readonly cursor: number;
  readonly user: string;
  readonly processes: Readonly<Record<number, Process>>;
  readonly approvals: Readonly<Record<string, Approval>>;
  readonly spend: Spend;
}

/** What the feed socket sends. */
export type Frame =
  | { snapshot: View }
  | { records: JournalRecord[]; cursor: number }
  | { notices: Notice[] };

/** Whether a thing can be used here, and if not, why and what to do. */
export interface Availability {
  ok: boolean;
  detail: string;
  fix: string;
}

/** Prices are dollars per million tokens, `null` where not known. */
export interface ModelInfo {
  id: string;
  label: string;
  available: Availability;
  input_usd: number | null;
  output_usd: number | null;
  context_tokens: number;
  note: string;
}

export interface SandboxInfo {
  name: string;
  isolated: boolean;
  available: Availability;
}

export interface ToolSpec {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
  risk: Risk;
  effect: 'read' | 'write' | 'send' | 'commit' | 'destroy';
  args: Record<string, string>;
  fields: Record<string, string>;
  repeatable: boolean;
  default: boolean;
}

export interface FileInfo {
  path: string;
  kind: 'file' | 'directory' | 'link' | 'other';
  size_bytes: number;
  modified_at: number;
}

export interface UsageRow {
  day: string;
  model: string;
  pid: number;
  name: string;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

export interface Me {
  user: string;
  scopes: string[];
  server: { version: string; home_id: string };
}

export interface SignalReport {
  delivered: number[];
  failed: Record<number, string>;
}
