/** `aether:new-agent`: asks for a goal, a model, a sandbox and limits, and spawns. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { CommandRegistry } from '@lumino/commands';

import type { AgentSpec, Mode } from '../api/types';
import { openSpawnDialog } from '../panels/missionControl/SpawnDialog';
import { aetherIcon } from '../ui';
import type { CommandContext } from './context';
import { CommandIDs } from './ids';

const SETTINGS = 'aether-jupyter:plugin';

export function newAgentCommand(
  { client, store, trans }: CommandContext,
  app: JupyterFrontEnd,
  registry: ISettingRegistry | null
): CommandRegistry.ICommandOptions {
  return {
    label: args =>
      args.palette || args.isMenu
        ? trans.__('New Agent…')
        : trans.__('New agent'),
    caption: trans.__('Give a goal and limits; it works in a sandbox'),
    icon: args => (args.palette ? undefined : aetherIcon),
    execute: async args => {
      const first: Partial<AgentSpec> = {};
      if (typeof args.goal === 'string') first.goal = args.goal;
      if (typeof args.name === 'string') first.name = args.name;
      if (typeof args.model === 'string') first.model = args.model;
      const settings = await registry?.load(SETTINGS).catch(() => null);
      const preferred = {
        model: (settings?.composite.defaultModel as string | undefined) ?? '',
        mode:
          (settings?.composite.defaultMode as Mode | undefined) ?? 'ask_risky',
        steps: (settings?.composite.defaultSteps as number | undefined) ?? 50
      };
      const process = await openSpawnDialog({
        client,
        store,
        trans,
        first,
        preferred,
        template: typeof args.template === 'string' ? args.template : ''
      });
      if (process && args.open !== false) {
        await store.ready;
        if (app.commands.hasCommand(CommandIDs.openAgent)) {
          await app.commands.execute(CommandIDs.openAgent, {
            pid: process.pid
          });
        }
      }
      return process?.pid ?? null;
    }
  };
}
