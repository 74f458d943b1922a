/** The agent view: one agent in the main area, restored after a reload. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../../commands/ids';
import { IAetherClient, IAetherStore } from '../../tokens';
import { aetherIcon } from '../../ui';
import { OnePerAgent } from '../OnePerAgent';
import type { PanelServices } from '../services';
import { AgentPanel } from './AgentPanel';
import type { AgentKey } from './AgentView';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:agent',
  description: 'The view of one agent.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore, IRenderMimeRegistry],
  optional: [ILabShell, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    rendermime: IRenderMimeRegistry,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands } = app;
    const services: PanelServices = { client, store, commands };
    const panels = new OnePerAgent(
      app,
      labShell,
      'agent',
      (pid, name) => new AgentPanel(pid, name, services, rendermime, trans)
    );
    const { tracker } = panels;

    commands.addCommand(CommandIDs.openAgent, {
      label: args => {
        const process = store.view?.processes[Number(args.pid)];
        return process
          ? trans.__('Open %1', process.name)
          : trans.__('Open Agent');
      },
      icon: aetherIcon,
      isEnabled: args =>
        Number.isInteger(Number(args.pid)) && args.pid !== null,
      execute: async args => {
        const step = Number.isInteger(args.step) ? Number(args.step) : null;
        const panel = await panels.open(
          Number(args.pid),
          args,
          begun => {
            if (step !== null) begun.goTo(step);
          },
          args.beside ? 'split-right' : undefined
        );
        if (step !== null) panel.goTo(step);
        return panel;
      }
    });

    const keys: readonly (readonly [AgentKey, string])[] = [
      ['next', trans.__('Next Step of the Agent')],
      ['previous', trans.__('Previous Step of the Agent')],
      ['match', trans.__('Next Match in the Steps')],
      ['search', trans.__('Search the Steps')],
      ['message', trans.__('Write to the Agent')],
      ['judge', trans.__('Judge the Step of the Agent')],
      ['fork', trans.__('Fork from the Step of the Agent')],
      ['follow', trans.__('Follow the Agent')],
      ['tab-before', trans.__('Previous Tab of the Inspector')],
      ['tab-after', trans.__('Next Tab of the Inspector')]
    ];
    for (const [key, label] of keys) {
      commands.addCommand(`aether:agent-${key}`, {
        label,
        isEnabled: () => tracker.currentWidget !== null,
        execute: () => tracker.currentWidget?.press(key)
      });
    }

    panels.restore(restorer, CommandIDs.openAgent);
  }
};

export default plugin;
