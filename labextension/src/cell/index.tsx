/** Draws `application/vnd.aether.process+json`: the same live view as the panels, in a notebook. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { type PanelServices, ServicesProvider } from '../panels/services';
import { VisibleStore } from '../state/visible';
import { IAetherClient, IAetherStore } from '../tokens';
import { Mended, WordsProvider } from '../ui';
import type { IMarkdownTools } from '../ui/Markdown';
import { CellRun } from './CellRun';
import { type ICellData, MIME, readCell } from './output';

/** One output of a cell. */
class CellOutput extends ReactWidget implements IRenderMime.IRenderer {
  constructor(
    private readonly _services: PanelServices,
    private readonly _markdown: IMarkdownTools,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Aether');
    this.addClass('ae-cell');
    this._store = new VisibleStore(_services.store, this);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = readCell(model.data[MIME], model.data['text/markdown']);
    if (!data) {
      throw new Error(this._trans.__('The output names no agent.'));
    }
    this._data = data;
    this.update();
    await this.renderPromise;
  }

  /** Nothing is drawn before it stands in the page: what never gets there would never be taken down again. */
  protected override onUpdateRequest(message: Message): void {
    if (this.isAttached) super.onUpdateRequest(message);
  }

  protected override render(): React.JSX.Element | null {
    return (
      this._data && (
        <ServicesProvider value={{ ...this._services, store: this._store }}>
          <WordsProvider value={this._trans}>
            <Mended>
              <CellRun
                key={this._data.pid}
                data={this._data}
                markdown={this._markdown}
              />
            </Mended>
          </WordsProvider>
        </ServicesProvider>
      )
    );
  }

  private _data: ICellData | null = null;
  private readonly _store: VisibleStore;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:cell',
  description: 'Agents as the output of cells.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore, IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const services: PanelServices = {
      client,
      store,
      commands: app.commands
    };
    // Before Markdown and plain text, which stand beside it for other front ends. It shows nothing of the data but a
    // number and a name, so it needs no trust.
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [MIME],
        createRenderer: () => new CellOutput(services, rendermime, trans)
      },
      0
    );
  }
};

export default plugin;
