/** `aether:reap-agent`: removes agents that ended, and their files. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import { sentence, tellFailures, type CommandContext } from './context';
import { targets } from './targets';

export function reapCommand({
  client,
  store,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Remove…'),
    isEnabled: args =>
      targets(args, store).some(
        process => process.state === 'ZOMBIE' && process.reaped_at === null
      ),
    execute: async args => {
      const processes = targets(args, store).filter(
        process => process.state === 'ZOMBIE' && process.reaped_at === null
      );
      if (processes.length === 0) return;
      const result = await showDialog({
        title:
          processes.length === 1
            ? trans.__('Remove %1?', processes[0].name)
            : trans.__('Remove %1 agents?', processes.length),
        body: trans.__(
          'The timeline stays in the journal. The files in its home are deleted unless you keep them.'
        ),
        checkbox: { label: trans.__('Keep the files'), checked: false },
        buttons: [
          Dialog.cancelButton(),
          Dialog.warnButton({ label: trans.__('Remove') })
        ],
        defaultButton: 0
      });
      if (!result.button.accept) return;
      const failed: Record<number, string> = {};
      await Promise.all(
        processes.map(async ({ pid }) => {
          try {
            await client.reap(pid, result.isChecked ?? false);
          } catch (error) {
            failed[pid] = sentence(error);
          }
        })
      );
      tellFailures(failed, trans);
    }
  };
}
