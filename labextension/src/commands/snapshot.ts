/** Snapshots taken, brought from elsewhere and deleted, and what is told of an agent that goes on from another. */
import {
  Dialog,
  InputDialog,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import type { Branched, Process } from '../api/types';
import { attempt, type CommandContext } from './context';
import { CommandIDs } from './ids';
import { targets } from './targets';

export function takeSnapshotCommand({
  client,
  store,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  const ask = async (): Promise<Process | null> => {
    const agents = Object.values(store.view?.processes ?? {}).sort(
      (a, b) => b.pid - a.pid
    );
    const labels = agents.map(({ pid, name }) => `${pid} ${name}`);
    const asked = await InputDialog.getItem({
      title: trans.__('Take a snapshot of'),
      items: labels,
      okLabel: trans.__('Take')
    });
    return asked.button.accept
      ? (agents[labels.indexOf(asked.value ?? '')] ?? null)
      : null;
  };
  return {
    label: args =>
      args.palette
        ? trans.__('Take a Snapshot of an Agent…')
        : trans.__('Take snapshot'),
    execute: async args => {
      const process =
        args.pid === undefined ? await ask() : targets(args, store)[0];
      if (!process) return;
      await attempt(async () => {
        const { id, step } = await client.takeSnapshot(process.pid);
        Notification.success(
          trans.__('Snapshot %1 of %2, step %3', id, process.name, step),
          { autoClose: 4000 }
        );
      });
    }
  };
}

export function importSnapshotCommand(
  { client, trans }: CommandContext,
  commands: CommandRegistry
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Import a Snapshot…'),
    caption: trans.__(
      'A file that was exported on another server; an agent can go on from it'
    ),
    execute: async () => {
      const file = await choose();
      if (!file) return;
      await attempt(async () => {
        const snapshot = await client.importSnapshot(file);
        Notification.success(
          trans.__(
            'Snapshot %1 of %2, step %3. It came from elsewhere: what goes on from it asks before what is risky.',
            snapshot.id,
            snapshot.name,
            snapshot.step
          ),
          {
            autoClose: false,
            actions: [
              {
                label: trans.__('Restore as a new agent'),
                displayType: 'accent',
                callback: () =>
                  void attempt(async () => {
                    const made = await client.restoreSnapshot(snapshot.id);
                    await opened(commands, made);
                  })
              }
            ]
          }
        );
      });
    }
  };
}

/** `aether:delete-snapshot`. Arguments: `id`. */
export function deleteSnapshotCommand({
  client,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Delete a Snapshot…'),
    isVisible: () => false,
    execute: async args => {
      const id = Number(args.id);
      const result = await showDialog({
        title: trans.__('Delete snapshot %1?', id),
        body: trans.__(
          'What only this snapshot holds is gone for good. The agent, its other snapshots and agents that went on from this one stay as they are.'
        ),
        buttons: [
          Dialog.cancelButton(),
          Dialog.warnButton({ label: trans.__('Delete') })
        ],
        defaultButton: 0
      });
      if (!result.button.accept) return false;
      return attempt(() => client.deleteSnapshot(id));
    }
  };
}

/** Says in which ways a new agent differs from the moment it was branched from. Arguments: `pid`, `notes`. */
export function tellBranchedCommand({
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Say How a Branched Agent Differs'),
    isVisible: () => false,
    execute: args => {
      const notes = Array.isArray(args.notes) ? args.notes.map(String) : [];
      if (notes.length === 0) return;
      Notification.info(
        trans.__('Agent %1: %2', Number(args.pid), notes.join(' ')),
        { autoClose: 12000 }
      );
    }
  };
}

async function opened(
  commands: CommandRegistry,
  made: Branched
): Promise<void> {
  const { pid } = made.process;
  await commands.execute(CommandIDs.openAgent, { pid });
  await commands.execute(CommandIDs.tellBranched, { pid, notes: made.notes });
}

/** The file that a person takes, or null. */
function choose(): Promise<File | null> {
  return new Promise(resolve => {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = '.aethersnapshot,application/zip';
    input.addEventListener('change', () => resolve(input.files?.[0] ?? null));
    input.addEventListener('cancel', () => resolve(null));
    input.click();
  });
}
