/** `aether:send-message`: words for one or more agents, read before their next model call. */
import { InputDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import { sentence, tellFailures, type CommandContext } from './context';
import { targets } from './targets';

export function sendCommand({
  client,
  store,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Message…'),
    isEnabled: args =>
      targets(args, store).some(process => process.state !== 'ZOMBIE'),
    execute: async args => {
      const processes = targets(args, store).filter(
        process => process.state !== 'ZOMBIE'
      );
      if (processes.length === 0) return;
      const asked = await InputDialog.getText({
        title:
          processes.length === 1
            ? trans.__('Message to %1', processes[0].name)
            : trans.__('Message to %1 agents', processes.length),
        label: trans.__('Read before the next step'),
        okLabel: trans.__('Send')
      });
      const text = asked.value?.trim();
      if (!asked.button.accept || !text) return;
      const failed: Record<number, string> = {};
      await Promise.all(
        processes.map(async ({ pid }) => {
          try {
            await client.send(pid, text);
          } catch (error) {
            failed[pid] = sentence(error);
          }
        })
      );
      tellFailures(failed, trans);
    }
  };
}
