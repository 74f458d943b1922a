/** Connects the store to the feed and offers it to other plugins. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { AetherError } from '../api/client';
import { Feed } from '../api/feed';
import { IAetherClient, IAetherStore } from '../tokens';
import { AetherStore } from './store';

const plugin: JupyterFrontEndPlugin<IAetherStore> = {
  id: 'aether-jupyter:store',
  description: 'The live view of the agents.',
  autoStart: true,
  requires: [IAetherClient],
  optional: [ITranslator],
  provides: IAetherStore,
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const store = new AetherStore();
    const feed = new Feed(app.serviceManager.serverSettings, {
      get cursor() {
        return store.cursor;
      },
      onFrame: frame => store.take(frame),
      onOpen: () => undefined,
      onLost: (retryAt, opened) => {
        store.lose(retryAt);
        // A socket cannot say why it was refused; a plain call can.
        if (!opened) {
          client.me().catch((error: unknown) => {
            if (error instanceof AetherError && error.code !== 'network') {
              store.explain(
                error.status === 404
                  ? trans.__(
                      'The server extension aether_jupyter is not enabled on this server.'
                    )
                  : error.detail
              );
            }
          });
        }
      }
    });
    store.watchChanged.connect((_, pids) => feed.watch(pids));
    store.retryAsked.connect(() => feed.retryNow());
    return store;
  }
};

export default plugin;
