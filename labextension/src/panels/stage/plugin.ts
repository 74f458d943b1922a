/** What the plugins of all stages do: a command that opens the panel of an agent, its place in the palette, restoring. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  Notification
} from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';

import type { Process, Stage } from '../../api/types';
import { IAetherClient, IAetherStore } from '../../tokens';
import { OnePerAgent } from '../OnePerAgent';
import type { PanelServices } from '../services';
import type { StagePanel } from './StagePanel';

export interface IStageKind {
  readonly stage: Stage;
  readonly description: string;
  readonly command: string;
  readonly icon: LabIcon;
  readonly Panel: new (
    pid: number,
    name: string,
    services: PanelServices,
    trans: TranslationBundle
  ) => StagePanel;
  /** Whether the agent has such a stage. */
  readonly has: (process: Process) => boolean;
  readonly words: (trans: TranslationBundle) => {
    readonly open: string;
    readonly openOne: string;
    readonly openOf: string;
    readonly none: string;
  };
}

export function stagePlugin(kind: IStageKind): JupyterFrontEndPlugin<void> {
  return {
    id: `aether-jupyter:${kind.stage}`,
    description: kind.description,
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
      const words = kind.words(trans);
      const services: PanelServices = {
        client,
        store,
        commands: app.commands
      };
      const panels = new OnePerAgent(
        app,
        labShell,
        kind.stage,
        (pid, name) => new kind.Panel(pid, name, services, trans)
      );

      /** The PID of the agent that the person wants, or null. */
      const ask = async (): Promise<number | null> => {
        const agents = Object.values(store.view?.processes ?? {})
          .filter(process => kind.has(process) && process.state !== 'ZOMBIE')
          .sort((a, b) => b.pid - a.pid);
        if (agents.length === 0) {
          Notification.info(words.none, { autoClose: 5000 });
          return null;
        }
        const labels = agents.map(({ pid, name }) => `${pid} ${name}`);
        const asked = await InputDialog.getItem({
          title: words.openOf,
          items: labels,
          okLabel: trans.__('Open')
        });
        return asked.button.accept
          ? (agents[labels.indexOf(asked.value ?? '')]?.pid ?? null)
          : null;
      };

      app.commands.addCommand(kind.command, {
        label: args => (args.palette ? words.openOne : words.open),
        icon: args => (args.palette ? undefined : kind.icon),
        execute: async args => {
          const pid = args.pid === undefined ? await ask() : Number(args.pid);
          if (pid === null || !Number.isInteger(pid)) return null;
          return panels.open(pid, args);
        }
      });
      palette?.addItem({
        command: kind.command,
        category: trans.__('Aether'),
        args: { palette: true }
      });
      panels.restore(restorer, kind.command);
    }
  };
}
