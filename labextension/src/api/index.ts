/** Offers the server's calls to other plugins. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { IAetherClient } from '../tokens';
import { AetherClient } from './client';

const plugin: JupyterFrontEndPlugin<IAetherClient> = {
  id: 'aether-jupyter:client',
  description: 'Calls to the agent kernel of the server.',
  autoStart: true,
  provides: IAetherClient,
  activate: (app: JupyterFrontEnd) =>
    new AetherClient(app.serviceManager.serverSettings)
};

export default plugin;
