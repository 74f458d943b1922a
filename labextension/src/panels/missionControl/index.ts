/** Mission Control in the main area: one widget, restored after a reload. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../../commands/ids';
import type { GroupBy } from '../../state/selectors';
import { IAetherClient, IAetherStore } from '../../tokens';
import { missionControlIcon } from '../../ui';
import { type Choice, FIRST_CHOICE } from './MissionControl';
import { MissionControlPanel } from './panel';

const KEPT = 'aether-jupyter:mission-control';
const ID = 'aether-mission-control';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:mission-control',
  description: 'The fleet of agents in the main area.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    ISettingRegistry,
    IStateDB,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    registry: ISettingRegistry | null,
    states: IStateDB | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<MissionControlPanel>>({
      namespace: 'aether-mission-control'
    });

    const kept = async (): Promise<{ choice: Choice; throughput: boolean }> => {
      const [settings, saved] = await Promise.all([
        registry?.load('aether-jupyter:plugin').catch(() => null),
        states?.fetch(KEPT).catch(() => undefined)
      ]);
      const composite = settings?.composite ?? {};
      const choice: Choice = {
        ...FIRST_CHOICE,
        view: composite.defaultView === 'table' ? 'table' : 'grid',
        group: (composite.groupBy as GroupBy | undefined) ?? FIRST_CHOICE.group,
        ...(saved as Partial<Choice> | undefined)
      };
      return { choice, throughput: composite.showThroughput !== false };
    };

    commands.addCommand(CommandIDs.openMissionControl, {
      label: trans.__('Mission Control'),
      caption: trans.__('All agents: what they do, ask and cost'),
      icon: args => (args.palette ? undefined : missionControlIcon),
      execute: async args => {
        let widget = tracker.find(() => true);
        if (!widget || widget.isDisposed) {
          const { choice, throughput } = await kept();
          const content = new MissionControlPanel({
            services: { client, store, commands },
            trans,
            choice,
            throughput,
            onChoice: changed => {
              void states?.save(KEPT, JSON.parse(JSON.stringify(changed)));
            }
          });
          widget = new MainAreaWidget({ content });
          widget.id = ID;
          widget.title.label = trans.__('Mission Control');
          widget.title.icon = missionControlIcon;
          widget.title.closable = true;
          widget.toolbar.hide();
          await tracker.add(widget);
        }
        if (!widget.isAttached) shell.add(widget, 'main');
        shell.activateById(widget.id);
        if (typeof args.filter === 'string') {
          widget.content.handle.current?.search(args.filter);
        }
      }
    });

    const current = () => tracker.currentWidget?.content.handle.current;
    const panelCommand = (id: string, label: string, deed: () => void) => {
      commands.addCommand(id, {
        label,
        isEnabled: () => current() !== undefined && current() !== null,
        execute: deed
      });
    };
    panelCommand(
      'aether:mission-control-search',
      trans.__('Filter Agents'),
      () => current()?.search()
    );
    panelCommand(
      'aether:mission-control-toggle-view',
      trans.__('Grid or Table of Agents'),
      () => {
        current()?.toggleView();
        // What had the focus is gone with the view it stood in.
        tracker.currentWidget?.content.node.focus();
      }
    );
    panelCommand(
      'aether:mission-control-toggle-pause',
      trans.__('Pause or Continue Agents'),
      () => current()?.togglePause()
    );
    panelCommand(
      'aether:mission-control-clear',
      trans.__('Clear Selection or Filter of Agents'),
      () => current()?.clear()
    );

    const category = trans.__('Aether');
    palette?.addItem({
      command: CommandIDs.openMissionControl,
      category,
      args: { palette: true }
    });
    launcher?.add({
      command: CommandIDs.openMissionControl,
      category,
      rank: 2
    });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openMissionControl,
        name: () => 'mission-control'
      });
    }
  }
};

export default plugin;
