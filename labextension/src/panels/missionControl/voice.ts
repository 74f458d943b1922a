/** What an agent says right now, in one place for cards, rows and the side panel. Pure. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Approval, Process, ToolCall, VoiceKind } from '../../api/types';
import { standing } from '../../state/selectors';
import type { Live } from '../../state/store';
import { describe } from '../../state/view';
import { figures } from '../../ui';

export interface Saying {
  kind: VoiceKind;
  text: string;
}

const TAIL = 150;

/** The live thought if there is one, else the last thing it thought, did or saw, else why there is nothing. */
export function saying(
  process: Process,
  live: Live | undefined,
  trans: TranslationBundle,
  now: number
): Saying {
  if (process.state === 'RUNNING' && live) {
    if (live.preparing) {
      const { what, done } = live.preparing;
      const share = done === null ? '' : ` ${Math.round(done * 100)} %`;
      return { kind: 'observation', text: what + share };
    }
    const words = live.text || live.thinking;
    if (words.trim()) {
      const flat = words.replace(/\s+/g, ' ').trim();
      return {
        kind: 'thought',
        text: flat.length > TAIL ? `…${flat.slice(-TAIL)}` : flat
      };
    }
  }
  if (process.state === 'WAITING' && process.wait) {
    return { kind: 'observation', text: waitWords(process, trans, now) };
  }
  if (process.control) {
    return {
      kind: 'message',
      text: trans.__(
        '%1 has control; the agent goes on when it is handed back.',
        process.control
      )
    };
  }
  if (process.voice) return process.voice;
  return {
    kind: 'thought',
    text:
      process.state === 'READY'
        ? trans.__('In the queue')
        : process.state === 'RUNNING'
          ? trans.__('Begins: %1', process.goal)
          : process.goal
  };
}

/** Why it waits, in words. */
export function waitWords(
  process: Process,
  trans: TranslationBundle,
  now: number
): string {
  const { wait } = process;
  if (!wait) return '';
  switch (wait.kind) {
    case 'agent':
      return wait.pid
        ? trans.__('Waits for %1', wait.pid)
        : wait.detail || trans.__('Waits for another agent');
    case 'time':
      return wait.until
        ? trans.__('Waits until %1', figures.clock(wait.until, now))
        : trans.__('Waits for a time');
    case 'limit':
      return wait.detail || trans.__('A limit is reached');
    case 'message':
      return wait.detail || trans.__('Waits for your words');
    case 'answer':
      return wait.detail || trans.__('Asks a question');
    case 'approval':
      return wait.detail || trans.__('Asks for an approval');
    case 'resource':
      return wait.detail || trans.__('Waits for a resource');
  }
}

/** What it asks for, in one line; without the tool where that stands beside it. */
export function request(approval: Approval, trans: TranslationBundle): string {
  switch (approval.kind) {
    case 'call':
      if (!approval.call) return trans.__('Asks for an approval');
      return approval.call.tool === 'run_command'
        ? trans.__('Asks to run %1', afterTool(approval.call))
        : trans.__('Asks for %1', describe(approval.call));
    case 'question':
      return trans.__('Asks: %1', approval.question);
    case 'limit':
      return (
        approval.question || approval.because || trans.__('A limit is reached')
      );
  }
}

/** The telling argument of a call, without the name of the tool. */
export function afterTool(call: ToolCall): string {
  return describe(call).slice(call.tool.length).trim();
}

/** One line of what goes on, for a row of the table. */
export function now(
  process: Process,
  approval: Approval | undefined,
  trans: TranslationBundle,
  at: number
): string {
  if (approval && standing(process) === 'you') return request(approval, trans);
  return saying(process, undefined, trans, at).text;
}

/** The second line of a row in the side panel; empty where there is no reason for one. */
export function reason(
  process: Process,
  approval: Approval | undefined,
  trans: TranslationBundle,
  at: number
): string {
  switch (standing(process)) {
    case 'you':
      if (approval?.kind === 'call' && approval.call) {
        return trans.__('wants to %1', approval.call.tool);
      }
      if (approval?.kind === 'question') return trans.__('asks a question');
      if (approval?.kind === 'limit' && process.limits.steps !== null) {
        return trans.__(
          'limit, %1 of %2 steps',
          process.step,
          process.limits.steps
        );
      }
      return waitWords(process, trans, at);
    case 'waiting':
      return waitWords(process, trans, at);
    case 'failed':
      return process.exit?.message ?? '';
    default:
      return '';
  }
}
