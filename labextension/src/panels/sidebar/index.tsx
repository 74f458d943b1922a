/** The agents in Lab's left side bar. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { VisibleStore } from '../../state/visible';
import { IAetherClient, IAetherStore } from '../../tokens';
import { aetherIcon, Mended, WordsProvider } from '../../ui';
import { type PanelServices, ServicesProvider } from '../services';
import { AgentsPanel } from './AgentsPanel';

const ID = 'aether-agents';

class AgentsWidget extends ReactWidget {
  constructor(
    services: PanelServices,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = ID;
    this.addClass('jp-Aether');
    this.addClass('jp-AetherAgents');
    this.title.icon = aetherIcon;
    this.title.caption = _trans.__('Agents');
    this._services = {
      ...services,
      store: new VisibleStore(services.store, this)
    };
  }

  protected render(): React.JSX.Element {
    return (
      <WordsProvider value={this._trans}>
        <ServicesProvider value={this._services}>
          <Mended>
            <AgentsPanel />
          </Mended>
        </ServicesProvider>
      </WordsProvider>
    );
  }

  private readonly _services: PanelServices;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:agents',
  description: 'The agents in the side bar.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const widget = new AgentsWidget({ client, store, commands }, trans);
    shell.add(widget, 'left', { rank: 350, type: 'Agents' });
    restorer?.add(widget, ID);
    commands.addCommand(CommandIDs.showAgents, {
      label: trans.__('Agents'),
      caption: trans.__('Show the agents in the side bar'),
      execute: () => shell.activateById(ID)
    });
    palette?.addItem({
      command: CommandIDs.showAgents,
      category: trans.__('Aether')
    });
  }
};

export default plugin;
