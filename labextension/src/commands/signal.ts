/** `aether:signal`: pauses, continues, interrupts or ends agents; one request for many. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import type { Process, SignalName } from '../api/types';
import { attempt, tellFailures, type CommandContext } from './context';
import { targets } from './targets';

const SIGNALS: readonly SignalName[] = ['STOP', 'CONT', 'INT', 'TERM', 'KILL'];

/** Whether a signal does anything to a process as it stands. */
export function takes(process: Process, signal: SignalName): boolean {
  switch (signal) {
    case 'STOP':
      return process.state !== 'ZOMBIE' && process.state !== 'STOPPED';
    case 'CONT':
      return process.state === 'STOPPED';
    case 'INT':
      return process.state === 'RUNNING';
    case 'TERM':
    case 'KILL':
      return process.state !== 'ZOMBIE';
  }
}

export function signalCommand(
  context: CommandContext
): CommandRegistry.ICommandOptions {
  const { client, store, trans } = context;
  const labels: Record<SignalName, string> = {
    STOP: trans.__('Pause'),
    CONT: trans.__('Continue'),
    INT: trans.__('Interrupt'),
    TERM: trans.__('Terminate'),
    KILL: trans.__('Kill')
  };
  const read = (value: unknown): SignalName =>
    SIGNALS.find(signal => signal === value) ?? 'STOP';
  return {
    label: args => labels[read(args.signal)],
    isEnabled: args =>
      targets(args, store).some(process => takes(process, read(args.signal))),
    execute: async args => {
      const signal = read(args.signal);
      const processes = targets(args, store).filter(p => takes(p, signal));
      if (processes.length === 0) return;
      const ends = signal === 'TERM' || signal === 'KILL';
      if (ends && !args.sure && !(await sure(context, signal, processes))) {
        return;
      }
      await attempt(async () => {
        if (processes.length === 1) {
          await client.signal(processes[0].pid, signal);
        } else {
          const report = await client.signalMany(
            processes.map(process => process.pid),
            signal
          );
          tellFailures(report.failed, trans);
        }
      });
    }
  };
}

async function sure(
  { trans }: CommandContext,
  signal: SignalName,
  processes: readonly Process[]
): Promise<boolean> {
  const one = processes.length === 1 ? processes[0] : null;
  const kills = signal === 'KILL';
  const title = one
    ? kills
      ? trans.__('Kill %1?', one.name)
      : trans.__('Terminate %1?', one.name)
    : kills
      ? trans.__('Kill %1 agents?', processes.length)
      : trans.__('Terminate %1 agents?', processes.length);
  const body = kills
    ? trans.__(
        'What runs now is cut off at once. Files and the timeline are kept.'
      )
    : trans.__(
        'The step that runs now is finished, then it ends. Files and the timeline are kept.'
      );
  const result = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({
        label: one
          ? kills
            ? trans.__('Kill')
            : trans.__('Terminate')
          : kills
            ? trans.__('Kill %1 agents', processes.length)
            : trans.__('Terminate %1 agents', processes.length)
      })
    ],
    defaultButton: 0
  });
  return result.button.accept;
}
