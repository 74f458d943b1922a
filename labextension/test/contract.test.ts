/**
 * The types that are written by hand against those generated from the server's OpenAPI document. They differ in one
 * thing: which fields may be missing depends on the direction (a request may leave out what has a default, an answer
 * leaves out defaults only of some classes), and OpenAPI says it once for both. So all fields are compared as if they
 * were there. A difference stops the compiler.
 */
import { test } from 'node:test';

import type { components } from '../src/api/schema';
import type * as hand from '../src/api/types';

type Made = components['schemas'];

/** The type with every field there, all the way down. */
type Whole<T> = unknown extends T
  ? unknown
  : T extends readonly (infer Item)[]
    ? Whole<Item>[]
    : T extends object
      ? { [Key in keyof T]-?: Whole<Exclude<T[Key], undefined>> }
      : T;

type Same<A, B> = [Whole<A>] extends [Whole<B>]
  ? [Whole<B>] extends [Whole<A>]
    ? true
    : { missing: Exclude<keyof A, keyof B> }
  : { extra: Exclude<keyof B, keyof A> };

/** Compiles only if every line is `true`. */
const checks: {
  AgentSpec: Same<hand.AgentSpec, Made['AgentSpec']>;
  Approval: Same<hand.Approval, Made['Approval']>;
  ApprovalClosed: Same<hand.ApprovalClosed, Made['ApprovalClosed']>;
  ApprovalDecided: Same<hand.ApprovalDecided, Made['ApprovalDecided']>;
  ApprovalRequested: Same<hand.ApprovalRequested, Made['ApprovalRequested']>;
  ApprovalRule: Same<hand.ApprovalRule, Made['ApprovalRule']>;
  Availability: Same<hand.Availability, Made['Availability']>;
  Decision: Same<hand.Decision, Made['Decision']>;
  Evidence: Same<hand.Evidence, Made['Evidence']>;
  ExitStatus: Same<hand.ExitStatus, Made['ExitStatus']>;
  FileInfo: Same<hand.FileInfo, Made['FileInfo']>;
  Guidance: Same<hand.Guidance, Made['Guidance']>;
  Limits: Same<hand.Limits, Made['Limits']>;
  LimitsExtended: Same<hand.LimitsExtended, Made['LimitsExtended']>;
  Me: Same<hand.Me, Made['Me']>;
  MessageSent: Same<hand.MessageSent, Made['MessageSent']>;
  Mode: Same<hand.Mode, Made['Mode']>;
  ModelAnswered: Same<hand.ModelAnswered, Made['ModelAnswered']>;
  ModelFailed: Same<hand.ModelFailed, Made['ModelFailed']>;
  ModelInfo: Same<hand.ModelInfo, Made['ModelInfo']>;
  ModelRequested: Same<hand.ModelRequested, Made['ModelRequested']>;
  Outcome: Same<hand.Outcome, Made['Outcome']>;
  OutputDelta: Same<hand.OutputDelta, Made['OutputDelta']>;
  Preparing: Same<hand.Preparing, Made['Preparing']>;
  Process: Same<hand.Process, Made['Process']>;
  ProcessExited: Same<hand.ProcessExited, Made['ProcessExited']>;
  ProcessReaped: Same<hand.ProcessReaped, Made['ProcessReaped']>;
  ProcessSpawned: Same<hand.ProcessSpawned, Made['ProcessSpawned']>;
  Risk: Same<hand.Risk, Made['Risk']>;
  SandboxInfo: Same<hand.SandboxInfo, Made['SandboxInfo']>;
  SandboxSpec: Same<hand.SandboxSpec, Made['SandboxSpec']>;
  SignalReport: Same<hand.SignalReport, Made['SignalReport']>;
  SignalSent: Same<hand.SignalSent, Made['SignalSent']>;
  Spend: Same<hand.Spend, Made['Spend']>;
  State: Same<hand.State, Made['State']>;
  StateChanged: Same<hand.StateChanged, Made['StateChanged']>;
  TextDelta: Same<hand.TextDelta, Made['TextDelta']>;
  ToolCall: Same<hand.ToolCall, Made['ToolCall']>;
  ToolEnded: Same<hand.ToolEnded, Made['ToolEnded']>;
  ToolSpec: Same<hand.ToolSpec, Made['ToolSpec']>;
  ToolStarted: Same<hand.ToolStarted, Made['ToolStarted']>;
  Usage: Same<hand.Usage, Made['Usage']>;
  UsageRow: Same<hand.UsageRow, Made['UsageRow']>;
  View: Same<hand.View, Made['View']>;
  Voice: Same<hand.Voice, Made['Voice']>;
  WaitReason: Same<hand.WaitReason, Made['WaitReason']>;
  JournalRecord: Same<hand.JournalRecord, Made['Record']>;
  TextPart: Same<hand.TextPart, Made['Text']>;
  ThinkingPart: Same<hand.ThinkingPart, Made['Thinking']>;
  SignalName: Same<hand.SignalName, Made['Signal']>;
} = {
  AgentSpec: true,
  Approval: true,
  ApprovalClosed: true,
  ApprovalDecided: true,
  ApprovalRequested: true,
  ApprovalRule: true,
  Availability: true,
  Decision: true,
  Evidence: true,
  ExitStatus: true,
  FileInfo: true,
  Guidance: true,
  Limits: true,
  LimitsExtended: true,
  Me: true,
  MessageSent: true,
  Mode: true,
  ModelAnswered: true,
  ModelFailed: true,
  ModelInfo: true,
  ModelRequested: true,
  Outcome: true,
  OutputDelta: true,
  Preparing: true,
  Process: true,
  ProcessExited: true,
  ProcessReaped: true,
  ProcessSpawned: true,
  Risk: true,
  SandboxInfo: true,
  SandboxSpec: true,
  SignalReport: true,
  SignalSent: true,
  Spend: true,
  State: true,
  StateChanged: true,
  TextDelta: true,
  ToolCall: true,
  ToolEnded: true,
  ToolSpec: true,
  ToolStarted: true,
  Usage: true,
  UsageRow: true,
  View: true,
  Voice: true,
  WaitReason: true,
  JournalRecord: true,
  TextPart: true,
  ThinkingPart: true,
  SignalName: true
};

test('types written by hand are those of the OpenAPI document', () => {
  void checks;
});
