/** The agent view: one agent in the main area, restored after a reload. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../../commands/ids';
import { IAetherClient, IAetherStore } from '../../tokens';
import { aetherIcon } from '../../ui';
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
    const { commands, shell } = app;
    const services: PanelServices = { client, store, commands };
    const tracker = new WidgetTracker<AgentPanel>({
      namespace: 'aether-agent'
    });

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
        const pid = Number(args.pid);
        const name = typeof args.name === 'string' ? args.name : '';
        const step = Number.isInteger(args.step) ? Number(args.step) : null;
        let panel = tracker.find(open => open.pid === pid);
        if (!panel) {
          panel = new AgentPanel(pid, name, services, rendermime, trans);
          // Before it is drawn, so that it begins there.
          if (step !== null) panel.goTo(step);
          await tracker.add(panel);
        }
        if (!panel.isAttached) {
          shell.add(panel, 'main', {
            ref: labShell?.currentWidget?.id,
            type: 'Aether agent',
            ...(args.beside ? { mode: 'split-right' as const } : {})
          });
        }
        shell.activateById(panel.id);
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

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openAgent,
        args: panel => ({ pid: panel.pid, name: panel.name }),
        name: panel => String(panel.pid)
      });
    }
  }
};

export default plugin;
