/** `aether:open-terminal`: Lab's own terminal, inside the sandbox of an agent. */
import { InputDialog, Notification } from '@jupyterlab/apputils';
import { terminalIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';

import type { Process } from '../api/types';
import { attempt, type CommandContext } from './context';
import { targets } from './targets';

/** Lab's command for a terminal that there is; it is missing where terminals are off. */
const LABS_OWN = 'terminal:open';

export function openTerminalCommand(
  { client, store, trans }: CommandContext,
  commands: CommandRegistry
): CommandRegistry.ICommandOptions {
  const alive = (): Process[] =>
    Object.values(store.view?.processes ?? {})
      .filter(process => process.state !== 'ZOMBIE')
      .sort((a, b) => b.pid - a.pid);

  const ask = async (): Promise<Process | null> => {
    const agents = alive();
    if (agents.length === 0) {
      Notification.info(
        trans.__('No agent runs, so there is no sandbox to look into.'),
        { autoClose: 5000 }
      );
      return null;
    }
    const labels = agents.map(({ pid, name }) => `${pid} ${name}`);
    const asked = await InputDialog.getItem({
      title: trans.__('Open a terminal in the sandbox of'),
      items: labels,
      okLabel: trans.__('Open')
    });
    return asked.button.accept
      ? (agents[labels.indexOf(asked.value ?? '')] ?? null)
      : null;
  };

  return {
    label: args =>
      args.palette
        ? trans.__('Open a Terminal in an Agent’s Sandbox…')
        : trans.__('Open Terminal'),
    icon: args => (args.palette ? undefined : terminalIcon),
    isEnabled: args =>
      args.pid === undefined ||
      targets(args, store).some(process => process.state !== 'ZOMBIE'),
    execute: async args => {
      const process =
        args.pid === undefined ? await ask() : targets(args, store)[0];
      if (!process) return;
      await attempt(async () => {
        if (!commands.hasCommand(LABS_OWN)) {
          throw new Error(
            trans.__(
              'Terminals are off in this JupyterLab, so there is none to show.'
            )
          );
        }
        const name = await client.terminal(process.pid);
        await commands.execute(LABS_OWN, { name });
      });
    }
  };
}
