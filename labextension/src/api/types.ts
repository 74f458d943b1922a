/**
 * What the server says, under the names that this extension uses: nothing but aliases of the generated schema. Times are
 * seconds since the epoch, money is US dollars. A field is optional where the server leaves out a default.
 */
import type { components } from './schema';

type Schemas = components['schemas'];

export type State = Schemas['State'];
export type SignalName = Schemas['Signal'];
export type Mode = Schemas['Mode'];
export type WaitReason = Schemas['WaitReason'];
export type WaitKind = WaitReason['kind'];
export type ExitStatus = Schemas['ExitStatus'];
export type Voice = Schemas['Voice'];
export type VoiceKind = Voice['kind'];
export type Limits = Schemas['Limits'];
export type SandboxSpec = Schemas['PartialSandboxSpec'];
export type SandboxName = NonNullable<SandboxSpec['kind']>;
export type AgentSpec = Omit<Schemas['Spawn'], 'parent'>;
export type Template = Schemas['Template'];
export type TemplateList = Schemas['TemplateList'];
export type Process = Schemas['Process'];

export type Risk = Schemas['Risk'];
export type TextPart = Schemas['Text'];
export type ThinkingPart = Schemas['Thinking'];
export type ToolCall = Schemas['ToolCall'];
export type Part = TextPart | ThinkingPart | ToolCall;
export type Usage = Schemas['Usage'];
export type Evidence = Schemas['Evidence'];
export type Outcome = Schemas['Outcome'];
export type Image = Schemas['Image'];

export type Decision = Schemas['Decision'];
export type Verdict = Decision['verdict'];
export type Remember = NonNullable<Decision['remember']>;
export type Approval = Schemas['Approval'];
export type ApprovalRule = Schemas['ApprovalRule'];

/** One line of the journal. */
export type JournalRecord = Schemas['Record'];

/** Every durable event; the union is matched to exhaustion in `state/view.ts`. */
export type AetherEvent = JournalRecord['event'];

export type ProcessSpawned = Schemas['ProcessSpawned'];
export type StateChanged = Schemas['StateChanged'];
export type SignalSent = Schemas['SignalSent'];
export type LimitsExtended = Schemas['LimitsExtended'];
export type ControlReturned = Schemas['ControlReturned'];
export type PersonActed = Schemas['PersonActed'];
export type NetworkKind = NonNullable<
  NonNullable<AgentSpec['sandbox']>['network']
>;
export type DesktopKind = NonNullable<
  NonNullable<AgentSpec['sandbox']>['desktop']
>;
export type DisplayStatus = Schemas['DisplayStatus'];
export type Viewer = Schemas['Viewer'];
export type BrowserStatus = Schemas['BrowserStatus'];
/** Where a person can act in an agent's place. */
export type Stage = NonNullable<Act['stage']>;
export type ProcessExited = Schemas['ProcessExited'];
export type ProcessReaped = Schemas['ProcessReaped'];
export type MessageSent = Schemas['MessageSent'];
export type Request = Schemas['Request'];
export type RequestStatus = NonNullable<Request['status']>;

export type RequestOpened = Schemas['RequestOpened'];
export type RequestMoved = Schemas['RequestMoved'];
export type ModelRequested = Schemas['ModelRequested'];
export type ModelAnswered = Schemas['ModelAnswered'];
export type ModelFailed = Schemas['ModelFailed'];
export type MemoriesGiven = Schemas['MemoriesGiven'];
export type Plan = Schemas['Plan'];
export type PlanStep = Schemas['PlanStep'];
export type StepStatus = Schemas['StepStatus'];
export type PlanAsItStands = Schemas['PlanAsItStands'];
export type PlanChanged = Schemas['PlanChanged'];
export type Reflected = Schemas['Reflected'];
export type FeedbackGiven = Schemas['FeedbackGiven'];
export type Thumb = NonNullable<FeedbackGiven['thumb']>;
export type Judgement = Schemas['Judgement'];
export type Standing = Schemas['Standing'];
export type Profile = Schemas['Profile'];
export type PastTask = Schemas['PastTask'];
export type ContextCompacted = Schemas['ContextCompacted'];
export type AuxiliaryAnswered = Schemas['AuxiliaryAnswered'];
export type Guidance = Schemas['Guidance'];
export type ToolStarted = Schemas['ToolStarted'];
export type ToolEnded = Schemas['ToolEnded'];
export type ApprovalRequested = Schemas['ApprovalRequested'];
export type ApprovalDecided = Schemas['ApprovalDecided'];
export type ApprovalClosed = Schemas['ApprovalClosed'];

export type Snapshot = Schemas['Snapshot'];
export type SnapshotDetail = Schemas['SnapshotDetail'];
export type Comparison = Schemas['Comparison'];
export type Branched = Schemas['Branched'];
export type Fork = Schemas['Fork'];
export type CameFrom = Schemas['CameFrom'];
export type Act = Schemas['Act'];

export type TextDelta = Schemas['TextDelta'];
export type OutputDelta = Schemas['OutputDelta'];
export type Preparing = Schemas['Preparing'];

/** What is shown and forgotten. */
export type Notice = Schemas['NoticesFrame']['notices'][number];

export type Spend = Schemas['Spend'];

/** One person's fleet at `cursor`, the `seq` of the last record that is in it. */
export type View = Readonly<
  Omit<Schemas['View'], 'processes' | 'approvals'> & {
    processes: Readonly<Schemas['View']['processes']>;
    approvals: Readonly<Schemas['View']['approvals']>;
  }
>;

/** What the feed socket sends. */
export type Frame =
  Schemas['SnapshotFrame'] | Schemas['RecordsFrame'] | Schemas['NoticesFrame'];

export type Availability = Schemas['Availability'];
export type ModelInfo = Schemas['ModelInfo'];
export type RouteInfo = Schemas['RouteInfo'];
export type SandboxInfo = Schemas['SandboxInfo'];
export type ToolSpec = Schemas['ToolSpec'];
export type FileInfo = Schemas['FileInfo'];
export type Holding = Schemas['Holding'];
export type ImportReport = Schemas['ImportReport'];
export type Notes = Schemas['Notes'];
export type FileChange = Schemas['FileChange'];
export type UsageRow = Schemas['UsageRow'];
export type Me = Schemas['Me'];
export type SignalReport = Schemas['SignalReport'];

export type Layer = Schemas['Layer'];
export type Memory = Schemas['Memory'];
export type MemorySource = Schemas['Source'];
export type MemorySourceKind = NonNullable<MemorySource['kind']>;
export type MemorySpace = Schemas['MemorySpace'];
export type SpaceList = Schemas['SpaceList'];
export type MemoryPage = Schemas['MemoryPage'];
export type MemorySort = 'newest' | 'strength' | 'importance' | 'used';
export type MemoryUse = Schemas['MemoryUse'];
export type Recall = Schemas['Recall'];
export type Recalled = Schemas['Recalled'];
export type Alike = Schemas['Alike'];
export type Merged = Schemas['Merged'];
export type ChangeMemory = Schemas['ChangeMemory'];
export type ContextView = Schemas['ContextView'];
export type ContextSection = Schemas['ContextSection'];
export type ContextEntry = Schemas['ContextEntry'];
export type ContextMemory = Schemas['ContextMemory'];
