/** `aether:choose-model`: another model for agents, asked from their next step on. */
import { InputDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import {
  attempt,
  sentence,
  tellFailures,
  type CommandContext
} from './context';
import { targets } from './targets';

export function chooseModelCommand({
  client,
  store,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  const live = (args: ReadonlyPartialJSONObject) =>
    targets(args, store).filter(process => process.state !== 'ZOMBIE');

  /** The id of the model that the person takes, or null. */
  const ask = async (title: string, current: string) => {
    const { models } = await client.models();
    const ready = models.filter(model => model.available.ok);
    const offered = new Map<string, string>([
      [trans.__('Auto: the server chooses for each task'), 'auto'],
      ...ready.map((model): [string, string] => [
        [
          model.label ? `${model.label} (${model.id})` : model.id,
          ...model.families
        ].join(', '),
        model.id
      ])
    ]);
    const labels = [...offered.keys()];
    const asked = await InputDialog.getItem({
      title,
      label: trans.__('Asked from the next step on'),
      items: labels,
      current: Math.max(0, [...offered.values()].indexOf(current)),
      okLabel: trans.__('Choose')
    });
    return asked.button.accept
      ? (offered.get(asked.value ?? '') ?? null)
      : null;
  };

  return {
    label: trans.__('Change model…'),
    isEnabled: args => live(args).length > 0,
    execute: async args => {
      const processes = live(args);
      if (processes.length === 0) return;
      let model = typeof args.model === 'string' ? args.model : null;
      if (!model) {
        const title =
          processes.length === 1
            ? trans.__('Model of %1', processes[0].name)
            : trans.__('Model of %1 agents', processes.length);
        await attempt(async () => {
          model = await ask(title, processes[0].model);
        });
      }
      const chosen = model;
      if (!chosen) return;
      const failed: Record<number, string> = {};
      await Promise.all(
        processes.map(async ({ pid }) => {
          try {
            await client.chooseModel(pid, chosen);
          } catch (error) {
            failed[pid] = sentence(error);
          }
        })
      );
      tellFailures(failed, trans);
    }
  };
}
