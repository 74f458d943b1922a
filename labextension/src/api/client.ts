/** Typed calls to the server, one method a route, over `ServerConnection`. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  AgentSpec,
  Alike,
  Approval,
  ApprovalRule,
  Branched,
  BrowserStatus,
  ChangeMemory,
  Comparison,
  ContextView,
  Decision,
  DisplayStatus,
  FileInfo,
  Fork,
  Holding,
  Image,
  ImportReport,
  JournalRecord,
  Judgement,
  Layer,
  Me,
  Memory,
  MemoryPage,
  MemorySort,
  MemorySourceKind,
  MemoryUse,
  Merged,
  ModelInfo,
  Plan,
  PlanAsItStands,
  Notes,
  Process,
  Profile,
  Recall,
  RouteInfo,
  SandboxInfo,
  SignalName,
  SignalReport,
  Snapshot,
  SpaceList,
  Spend,
  Standing,
  State,
  TemplateList,
  Thumb,
  ToolSpec,
  UsageRow
} from './types';

/**
 * What a call failed with. `code` is the server's own (`already_decided`), or `network` if no answer came;
 * `message` is a sentence for people.
 */
export class AetherError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {}
  ) {
    super(message);
    this.name = 'AetherError';
  }

  /** The sentence. */
  get detail(): string {
    return this.message;
  }
}

type Query = Record<
  string,
  string | number | boolean | readonly (string | number)[] | null | undefined
>;

/** The server's REST interface, version 1. Every method rejects with `AetherError`. */
export class AetherClient {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly _trans: TranslationBundle
  ) {}

  me(): Promise<Me> {
    return this._call('GET', 'me');
  }

  async processes(
    query: {
      state?: readonly State[];
      name?: string;
      parent?: number;
      reaped?: boolean;
      limit?: number;
    } = {}
  ): Promise<Process[]> {
    const answer = await this._call<{ processes: Process[] }>(
      'GET',
      'processes',
      query
    );
    return answer.processes;
  }

  spawn(spec: AgentSpec, parent?: number): Promise<Process> {
    const body = parent === undefined ? spec : { ...spec, parent };
    return this._call('POST', 'processes', {}, body);
  }

  process(pid: number): Promise<Process> {
    return this._call('GET', `processes/${pid}`);
  }

  spec(pid: number): Promise<AgentSpec> {
    return this._call('GET', `processes/${pid}/spec`);
  }

  /** Takes note of the end of a process; its files go unless `keepHome`. */
  reap(pid: number, keepHome = false): Promise<Process> {
    return this._call('DELETE', `processes/${pid}`, { keep_home: keepHome });
  }

  /** Journal lines by `n`, ascending: those after `after`, or the last `limit` before `before`. */
  async records(
    pid: number,
    query: { after?: number; before?: number; limit?: number } = {}
  ): Promise<JournalRecord[]> {
    const answer = await this._call<{ records: JournalRecord[] }>(
      'GET',
      `processes/${pid}/records`,
      query
    );
    return answer.records;
  }

  /**
   * What the model was told at a step, the last one if none is named. Texts are cut at `chars`; with `entry`, the place
   * of one, only that one has its text.
   */
  context(
    pid: number,
    query: { step?: number | null; entry?: number; chars?: number } = {}
  ): Promise<ContextView> {
    return this._call('GET', `processes/${pid}/context`, query);
  }

  signal(pid: number, signal: SignalName): Promise<Process> {
    return this._call('POST', `processes/${pid}/signals`, {}, { signal });
  }

  /** One request for many; those that could not be reached are named with the reason. */
  signalMany(
    pids: readonly number[],
    signal: SignalName
  ): Promise<SignalReport> {
    return this._call('POST', 'signals', {}, { signal, pids });
  }

  send(
    pid: number,
    text: string,
    options: {
      kind?: string;
      interrupt?: boolean;
      images?: readonly Image[];
    } = {}
  ): Promise<{ id: string }> {
    return this._call(
      'POST',
      `processes/${pid}/messages`,
      {},
      { text, ...options }
    );
  }

  /** Keeps an image, so that a goal or a message can name it. What it is, the server tells by its bytes. */
  async keepImage(content: Blob): Promise<Image> {
    const response = await this._request(
      'POST',
      this._url('images'),
      content,
      'application/octet-stream'
    );
    return (await response.json()) as Image;
  }

  /** The bytes of an image, as nothing but an image of its type. */
  async image(digest: string, type: Image['media_type']): Promise<Blob> {
    const response = await this._request('GET', this._url(`images/${digest}`));
    return new Blob([await response.arrayBuffer()], { type });
  }

  /** Its desktop: whether it runs, who has control, who looks. */
  display(pid: number): Promise<DisplayStatus> {
    return this._call('GET', `processes/${pid}/display`);
  }

  /** What its desktop shows, at most two seconds old; code `not_found` where none runs, and none is started for it. */
  async picture(pid: number, width: number): Promise<Blob> {
    const url = this._url(`processes/${pid}/display/picture`, { width });
    return (await this._request('GET', url)).blob();
  }

  /** Its browser: whether a page is open, who has control, who looks. */
  browser(pid: number): Promise<BrowserStatus> {
    return this._call('GET', `processes/${pid}/browser`);
  }

  /** Takes desktop and browser over; the agent stops. Code `control_held` where somebody else has it. */
  takeControl(pid: number): Promise<void> {
    return this._call('POST', `processes/${pid}/control`);
  }

  /** Hands them back; the agent goes on and reads the note. */
  returnControl(pid: number, note: string): Promise<void> {
    return this._call('POST', `processes/${pid}/control/return`, {}, { note });
  }

  /** Asks whoever has control for it. */
  askForControl(pid: number): Promise<void> {
    return this._call('POST', `processes/${pid}/control/ask`);
  }

  /** A new terminal in its sandbox; the name under which Jupyter's terminals have it. */
  async terminal(pid: number): Promise<string> {
    const answer = await this._call<{ name: string }>(
      'POST',
      `processes/${pid}/terminal`
    );
    return answer.name;
  }

  /** Judges one step; it replaces what one said of it before. No thumb and no comment take it back. */
  judge(
    pid: number,
    step: number,
    thumb: Thumb,
    comment: string
  ): Promise<Judgement> {
    return this._call(
      'POST',
      `processes/${pid}/feedback`,
      {},
      { step, thumb, comment }
    );
  }

  /** What the agent that this process is a run of has done in its runs. */
  processProfile(pid: number): Promise<Profile> {
    return this._call('GET', `processes/${pid}/profile`);
  }

  /** The same by the agent's name; all zeros where no run of it has ended. */
  profile(agent: string): Promise<Profile> {
    return this._call('GET', 'profile', { agent });
  }

  /** The agents whose runs have ended, in figures; who ended last is first. */
  async profiles(): Promise<Standing[]> {
    const answer = await this._call<{ profiles: Standing[] }>(
      'GET',
      'profiles'
    );
    return answer.profiles;
  }

  /** Adds to the limits. */
  extend(
    pid: number,
    more: {
      steps?: number;
      tokens?: number;
      cost_usd?: number;
      wall_s?: number;
    }
  ): Promise<Process> {
    return this._call('POST', `processes/${pid}/limits`, {}, more);
  }

  /** Its plan as it stands, and who changed it last. */
  plan(pid: number): Promise<PlanAsItStands> {
    return this._call('GET', `processes/${pid}/plan`);
  }

  /**
   * Gives it another plan; it is told before its next step. Code `conflict`, with the plan that is there now in
   * `details.plan`, if that is not the one whose `n` was `seen`.
   */
  setPlan(pid: number, plan: Plan, seen: number): Promise<PlanAsItStands> {
    return this._call('PUT', `processes/${pid}/plan`, {}, { plan, seen });
  }

  async files(pid: number, path = ''): Promise<FileInfo[]> {
    const answer = await this._call<{ files: FileInfo[] }>(
      'GET',
      `processes/${pid}/files`,
      { path }
    );
    return answer.files;
  }

  /** The address of a file of an agent, for a download link. */
  fileUrl(pid: number, path: string): string {
    return this._url(`processes/${pid}/files/content`, { path });
  }

  /** The bytes of a file of an agent. */
  async file(pid: number, path: string): Promise<ArrayBuffer> {
    const response = await this._request(
      'GET',
      this._url(`processes/${pid}/files/content`, { path })
    );
    return response.arrayBuffer();
  }

  /** The snapshots of an agent, the newest first. */
  async snapshots(pid: number): Promise<Snapshot[]> {
    const answer = await this._call<{ snapshots: Snapshot[] }>(
      'GET',
      'snapshots',
      { pid }
    );
    return answer.snapshots;
  }

  /** Captures an agent; it is held while its files are copied. */
  takeSnapshot(pid: number, label = ''): Promise<Snapshot> {
    return this._call('POST', `processes/${pid}/snapshots`, {}, { label });
  }

  /** Whether a snapshot is spared when the oldest go. */
  markSnapshot(id: number, kept: boolean): Promise<Snapshot> {
    return this._call('PUT', `snapshots/${id}`, {}, { kept });
  }

  deleteSnapshot(id: number): Promise<Snapshot> {
    return this._call('DELETE', `snapshots/${id}`);
  }

  compareSnapshots(before: number, after: number): Promise<Comparison> {
    return this._call('GET', `snapshots/${after}/compare`, { before });
  }

  /** A new agent that goes on from a snapshot. */
  restoreSnapshot(id: number): Promise<Branched> {
    return this._call('POST', `snapshots/${id}/restore`, {}, {});
  }

  /** A new agent that goes on from a step of another one. */
  fork(pid: number, how: Fork): Promise<Branched> {
    return this._call('POST', `processes/${pid}/fork`, {}, how);
  }

  /** The address of a snapshot as a file, for a download link. */
  snapshotExportUrl(id: number): string {
    return this._url(`snapshots/${id}/export`);
  }

  /** Brings a snapshot that was exported elsewhere; code `bad_snapshot` for what is damaged or no snapshot. */
  async importSnapshot(file: Blob): Promise<Snapshot> {
    const response = await this._request(
      'POST',
      this._url('snapshots/import'),
      file
    );
    return (await response.json()) as Snapshot;
  }

  /** The address of an export, for a download link. */
  exportUrl(pid: number, format: 'json' | 'text' | 'notebook'): string {
    return this._url(`processes/${pid}/export`, { format });
  }

  async approvals(
    query: { waiting?: boolean; pid?: number; limit?: number } = {}
  ): Promise<Approval[]> {
    const answer = await this._call<{ approvals: Approval[] }>(
      'GET',
      'approvals',
      query
    );
    return answer.approvals;
  }

  approval(id: string): Promise<Approval> {
    return this._call('GET', `approvals/${encodeURIComponent(id)}`);
  }

  /** Decides the very call that was shown: `digest` is the approval's own. Code `already_decided` if somebody did. */
  decide(id: string, decision: Decision, digest = ''): Promise<Approval> {
    return this._call(
      'POST',
      `approvals/${encodeURIComponent(id)}/decision`,
      {},
      { ...decision, digest }
    );
  }

  async rules(): Promise<ApprovalRule[]> {
    const answer = await this._call<{ rules: ApprovalRule[] }>('GET', 'rules');
    return answer.rules;
  }

  revoke(id: string): Promise<void> {
    return this._call('DELETE', `rules/${encodeURIComponent(id)}`);
  }

  usage(days = 30): Promise<{ rows: UsageRow[]; spend: Spend }> {
    return this._call('GET', 'usage', { days });
  }

  /** The models a person can choose, and the id of the one that is used where none is chosen. */
  models(): Promise<{ models: ModelInfo[]; default: string }> {
    return this._call('GET', 'models');
  }

  /** Which models an agent of this spec would be asked from first, and why. Nothing is started. */
  route(spec: AgentSpec): Promise<RouteInfo> {
    return this._call('POST', 'models/route', {}, spec);
  }

  /** Another model for an agent, or `auto`; it is asked from its next step on. */
  chooseModel(pid: number, model: string): Promise<Process> {
    return this._call('POST', `processes/${pid}/model`, {}, { model });
  }

  async tools(): Promise<ToolSpec[]> {
    const answer = await this._call<{ tools: ToolSpec[] }>('GET', 'tools');
    return answer.tools;
  }

  async sandboxes(): Promise<SandboxInfo[]> {
    const answer = await this._call<{ sandboxes: SandboxInfo[] }>(
      'GET',
      'sandboxes'
    );
    return answer.sandboxes;
  }

  /** What agents can be begun from, and where one's shared folders lie on the server. */
  templates(): Promise<TemplateList> {
    return this._call('GET', 'templates');
  }

  /** How much is kept of oneself, or of an agent and those below it. */
  myData(agent = ''): Promise<Holding> {
    return this._call('GET', 'me/data', agent ? { agent } : {});
  }

  /** The address of all of it as a zip, for a download link. */
  myExportUrl(agent = ''): string {
    return this._url('me/export', agent ? { agent } : {});
  }

  /** Erases it for good. `confirm` is the agent's name, or one's own; `force` kills agents that have not ended. */
  eraseMyData(confirm: string, agent = '', force = false): Promise<Holding> {
    const query = { confirm, force, ...(agent ? { agent } : {}) };
    return this._call('DELETE', 'me/data', query);
  }

  /** MEMORY.md of an agent, which a person writes, in all its versions: the newest first. */
  async notes(agent: string): Promise<Notes[]> {
    const answer = await this._call<{ notes: Notes[] }>(
      'GET',
      'memories/notes',
      { agent }
    );
    return answer.notes;
  }

  /** Writes MEMORY.md; code `conflict` unless `version` (0: there was none) is still the newest. */
  writeNotes(agent: string, text: string, version: number): Promise<Notes> {
    return this._call('POST', 'memories/notes', {}, { agent, text, version });
  }

  /** The address of an agent's memories as a zip of Markdown files, for a download link. */
  memoriesExportUrl(agent: string): string {
    return this._url('memories/export', { agent });
  }

  /**
   * What a zip of memories that was edited by hand would change. With the digest of such a preview as `apply` it is
   * done; code `conflict` if it would be something else by now.
   */
  async importMemories(
    agent: string,
    zip: Blob,
    options: { forgetMissing?: boolean; apply?: string } = {}
  ): Promise<ImportReport> {
    const response = await this._request(
      'POST',
      this._url('memories/import', {
        agent,
        forget_missing: options.forgetMissing,
        apply: options.apply
      }),
      zip
    );
    return (await response.json()) as ImportReport;
  }

  /** Whose memories there are, and how memories fade on this server. */
  memorySpaces(): Promise<SpaceList> {
    return this._call('GET', 'memories/spaces');
  }

  /** What an agent remembers, or has forgotten, a page at a time. */
  memories(query: {
    agent: string;
    sort?: MemorySort;
    layer?: readonly Layer[];
    tag?: readonly string[];
    kind?: readonly MemorySourceKind[];
    pinned?: boolean;
    forgotten?: boolean;
    cursor?: string;
    limit?: number;
  }): Promise<MemoryPage> {
    return this._call('GET', 'memories', query);
  }

  /** What an agent remembers, or was granted to read, that fits: best first, each with its reasons. */
  recall(query: {
    agent: string;
    query: string;
    layer?: readonly Layer[];
    tag?: readonly string[];
    limit?: number;
  }): Promise<Recall> {
    return this._call('GET', 'memories/recall', query);
  }

  /** A memory as it is, and before it was changed: the newest version first. */
  async memory(id: number): Promise<Memory[]> {
    const answer = await this._call<{ memories: Memory[] }>(
      'GET',
      `memories/${id}`
    );
    return answer.memories;
  }

  /** Code `conflict` where `version` is not the one that is there. */
  changeMemory(id: number, change: ChangeMemory): Promise<Memory> {
    return this._call('POST', `memories/${id}`, {}, change);
  }

  forgetMemory(id: number): Promise<Memory> {
    return this._call('DELETE', `memories/${id}`);
  }

  restoreMemory(id: number): Promise<Memory> {
    return this._call('POST', `memories/${id}/restore`);
  }

  /** What says nearly the same as a memory; it is the first of each pair. */
  async similarMemories(id: number): Promise<Alike[]> {
    const answer = await this._call<{ pairs: Alike[] }>(
      'GET',
      `memories/${id}/similar`
    );
    return answer.pairs;
  }

  /** Makes one memory of several: the first stays. `dry_run` only tells what it would come to. */
  mergeMemories(body: {
    keys: readonly number[];
    text?: string | null;
    dry_run?: boolean;
  }): Promise<Merged> {
    return this._call('POST', 'memories/merge', {}, body);
  }

  /** Where a memory was given to a model, the last first. */
  async memoryUses(id: number): Promise<MemoryUse[]> {
    const answer = await this._call<{ uses: MemoryUse[] }>(
      'GET',
      `memories/${id}/uses`
    );
    return answer.uses;
  }

  /** Lets one agent recall what another remembers, or no longer. */
  grantMemory(body: {
    agent: string;
    reader: string;
    allow: boolean;
  }): Promise<void> {
    return this._call('POST', 'memories/grants', {}, body);
  }

  private _url(path: string, query: Query = {}): string {
    const given = Object.entries(query)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(
        ([key, value]) =>
          `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`
      );
    const url = URLExt.join(this.settings.baseUrl, 'aether/api/v1', path);
    return given.length > 0 ? `${url}?${given.join('&')}` : url;
  }

  private async _call<T>(
    method: string,
    path: string,
    query: Query = {},
    body?: unknown
  ): Promise<T> {
    const response = await this._request(method, this._url(path, query), body);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  private async _request(
    method: string,
    url: string,
    body?: unknown,
    media = 'application/zip'
  ): Promise<Response> {
    const init: RequestInit = { method };
    if (body instanceof Blob) {
      init.body = body;
      init.headers = { 'Content-Type': media };
    } else if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch {
      throw new AetherError(
        'network',
        0,
        this._trans.__(
          'The server did not answer. Agents go on without this page; try again when it is back.'
        )
      );
    }
    if (!response.ok) throw await failure(response);
    return response;
  }
}

async function failure(response: Response): Promise<AetherError> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as {
      type?: string;
      detail?: string;
      message?: string;
      details?: Record<string, unknown>;
    };
    return new AetherError(
      body.type ?? 'http',
      response.status,
      body.detail ?? body.message ?? response.statusText,
      body.details
    );
  } catch {
    return new AetherError(
      'http',
      response.status,
      `${response.status} ${response.statusText}`
    );
  }
}
