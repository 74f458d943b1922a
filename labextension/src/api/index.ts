/** Offers the server's calls to other plugins. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { IAetherClient } from '../tokens';
import { AetherClient } from './client';

const plugin: JupyterFrontEndPlugin<IAetherClient> = {
  id: 'aether-jupyter:client',
  description: 'Calls to the agent kernel of the server.',
  autoStart: true,
  optional: [ITranslator],
  provides: IAetherClient,
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) =>
    new AetherClient(
      app.serviceManager.serverSettings,
      (translator ?? nullTranslator).load('aether_jupyter')
    )
};

export default plugin;
