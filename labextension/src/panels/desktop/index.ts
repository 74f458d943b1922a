/** The desktop panel: an agent's desktop in the main area, restored after a reload. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  Notification,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../../commands/ids';
import { IAetherClient, IAetherStore } from '../../tokens';
import { desktopIcon } from '../../ui';
import type { PanelServices } from '../services';
import { DesktopPanel } from './DesktopPanel';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:desktop',
  description: 'The desktop of one agent, to watch and to take over.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const services: PanelServices = { client, store, commands };
    const tracker = new WidgetTracker<DesktopPanel>({
      namespace: 'aether-desktop'
    });

    /** The PID of the agent whose desktop the person wants, or null. */
    const ask = async (): Promise<number | null> => {
      const agents = Object.values(store.view?.processes ?? {})
        .filter(({ display, state }) => display && state !== 'ZOMBIE')
        .sort((a, b) => b.pid - a.pid);
      if (agents.length === 0) {
        Notification.info(trans.__('No agent that runs has a desktop.'), {
          autoClose: 5000
        });
        return null;
      }
      const labels = agents.map(({ pid, name }) => `${pid} ${name}`);
      const asked = await InputDialog.getItem({
        title: trans.__('Open the desktop of'),
        items: labels,
        okLabel: trans.__('Open')
      });
      return asked.button.accept
        ? (agents[labels.indexOf(asked.value ?? '')]?.pid ?? null)
        : null;
    };

    commands.addCommand(CommandIDs.openDesktop, {
      label: args =>
        args.palette
          ? trans.__('Open an Agent’s Desktop…')
          : trans.__('Open Desktop'),
      icon: args => (args.palette ? undefined : desktopIcon),
      execute: async args => {
        const pid = args.pid === undefined ? await ask() : Number(args.pid);
        if (pid === null || !Number.isInteger(pid)) return null;
        const name = typeof args.name === 'string' ? args.name : '';
        let panel = tracker.find(open => open.pid === pid);
        if (!panel) {
          panel = new DesktopPanel(pid, name, services, trans);
          await tracker.add(panel);
        }
        if (!panel.isAttached) {
          shell.add(panel, 'main', {
            ref: labShell?.currentWidget?.id,
            type: 'Aether desktop'
          });
        }
        shell.activateById(panel.id);
        return panel;
      }
    });
    palette?.addItem({
      command: CommandIDs.openDesktop,
      category: trans.__('Aether'),
      args: { palette: true }
    });

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openDesktop,
        args: panel => ({ pid: panel.pid, name: panel.name }),
        name: panel => String(panel.pid)
      });
    }
  }
};

export default plugin;
