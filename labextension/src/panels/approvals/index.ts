/** The approvals inbox in the right side bar. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addApprovalCommands } from '../../commands/approvals';
import { sentence } from '../../commands/context';
import { CommandIDs } from '../../commands/ids';
import { watchHeldKeys } from '../../commands/keys';
import { askPermission } from '../../notifications/browser';
import { IAetherClient, IAetherStore } from '../../tokens';
import { approvalsIcon } from '../../ui';
import { ApprovalsPanel } from './ApprovalsPanel';

const SETTINGS = 'aether-jupyter:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:approvals',
  description: 'The inbox for what waits for a person.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const panel = new ApprovalsPanel(
      { client, store, commands },
      trans,
      registry &&
        (() => {
          askPermission()
            .then(granted =>
              registry.set(SETTINGS, 'desktopNotifications', granted)
            )
            .catch((error: unknown) => {
              Notification.error(sentence(error), { autoClose: 8000 });
            });
        }),
      () => {
        if (commands.hasCommand('settingeditor:open')) {
          void commands.execute('settingeditor:open', { query: 'Aether' });
        }
      }
    );
    shell.add(panel, 'right', { rank: 850, type: 'Aether' });
    restorer?.add(panel, panel.id);

    const count = () => Object.keys(store.view?.approvals ?? {}).length;
    store.subscribe(() => {
      const waiting = count();
      panel.title.caption =
        waiting > 0
          ? trans._n('Approvals: %1 waits', 'Approvals: %1 wait', waiting)
          : trans.__('Approvals');
      panel.title.className = waiting > 0 ? 'jp-mod-aether-asks' : '';
    });

    commands.addCommand(CommandIDs.openApprovals, {
      label: args => (args.id ? trans.__('Review') : trans.__('Approvals')),
      caption: trans.__('What waits for you, what was decided, and your rules'),
      icon: approvalsIcon,
      execute: args => {
        shell.activateById(panel.id);
        if (typeof args.id === 'string') panel.review(args.id);
      }
    });
    watchHeldKeys();
    addApprovalCommands(commands, trans);
    commands.addCommand(CommandIDs.nextApproval, {
      label: trans.__('Next Request'),
      execute: () => panel.move(1)
    });
    commands.addCommand(CommandIDs.previousApproval, {
      label: trans.__('Previous Request'),
      execute: () => panel.move(-1)
    });
    palette?.addItem({
      command: CommandIDs.openApprovals,
      category: trans.__('Aether')
    });
  }
};

export default plugin;
