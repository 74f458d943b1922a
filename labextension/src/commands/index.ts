/** The commands that act on agents, in the palette, the launcher and the menus. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { IAetherClient, IAetherStore } from '../tokens';
import type { CommandContext } from './context';
import { extendCommand } from './extend';
import { CommandIDs } from './ids';
import { chooseModelCommand } from './model';
import { newAgentCommand } from './newAgent';
import { openTutorialCommand } from './openTutorial';
import {
  eraseAgentCommand,
  eraseMyDataCommand,
  exportMyDataCommand
} from './personal';
import { reapCommand } from './reap';
import { sendCommand } from './send';
import { signalCommand } from './signal';
import {
  deleteSnapshotCommand,
  importSnapshotCommand,
  takeSnapshotCommand,
  tellBranchedCommand
} from './snapshot';
import { openTerminalCommand } from './terminal';

export { CommandIDs } from './ids';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:plugin',
  description: 'Commands for agents, and the settings of the extension.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [ICommandPalette, ILauncher, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const context: CommandContext = { client, store, trans };
    const { commands } = app;
    commands.addCommand(CommandIDs.signal, signalCommand(context));
    commands.addCommand(CommandIDs.extend, extendCommand(context));
    commands.addCommand(CommandIDs.chooseModel, chooseModelCommand(context));
    commands.addCommand(CommandIDs.send, sendCommand(context));
    commands.addCommand(CommandIDs.reap, reapCommand(context));
    commands.addCommand(
      CommandIDs.openTerminal,
      openTerminalCommand(context, commands)
    );
    commands.addCommand(
      CommandIDs.newAgent,
      newAgentCommand(context, app, registry)
    );
    commands.addCommand(
      CommandIDs.openTutorial,
      openTutorialCommand(context, app)
    );

    commands.addCommand(CommandIDs.takeSnapshot, takeSnapshotCommand(context));
    commands.addCommand(
      CommandIDs.importSnapshot,
      importSnapshotCommand(context, commands)
    );
    commands.addCommand(
      CommandIDs.deleteSnapshot,
      deleteSnapshotCommand(context)
    );
    commands.addCommand(CommandIDs.tellBranched, tellBranchedCommand(context));
    commands.addCommand(CommandIDs.exportMyData, exportMyDataCommand(context));
    commands.addCommand(CommandIDs.eraseAgent, eraseAgentCommand(context));
    commands.addCommand(CommandIDs.eraseMyData, eraseMyDataCommand(context));

    const category = trans.__('Aether');
    for (const command of [
      CommandIDs.newAgent,
      CommandIDs.openTutorial,
      CommandIDs.openTerminal,
      CommandIDs.takeSnapshot,
      CommandIDs.importSnapshot,
      CommandIDs.exportMyData,
      CommandIDs.eraseAgent,
      CommandIDs.eraseMyData
    ]) {
      palette?.addItem({ command, category, args: { palette: true } });
    }
    launcher?.add({ command: CommandIDs.newAgent, category, rank: 1 });
    launcher?.add({ command: CommandIDs.openTutorial, category, rank: 3 });
  }
};

export default plugin;
