/** The Memory Inspector as a widget of Lab. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { VisibleStore } from '../../state/visible';
import { Mended, WordsProvider } from '../../ui';
import { type PanelServices, ServicesProvider } from '../services';
import { type IMemoryViewHandle, type IPlace, MemoryView } from './MemoryView';

/** What changed while nobody looked is read when the panel is shown again, at most this often. */
const REST_MS = 5000;

export class MemoryPanel extends ReactWidget {
  constructor(
    private readonly _options: {
      services: PanelServices;
      trans: TranslationBundle;
      place: IPlace;
      onPlace: () => void;
    }
  ) {
    super();
    this.addClass('jp-Aether');
    this.addClass('jp-AetherMemory');
    this.node.tabIndex = -1;
    const { services, place } = _options;
    this._place = place;
    this._services = {
      ...services,
      store: new VisibleStore(services.store, this)
    };
  }

  readonly handle: React.MutableRefObject<IMemoryViewHandle | null> = {
    current: null
  };

  /** What it shows. */
  get place(): IPlace {
    return this._place;
  }

  /** Shows that, now or as soon as it is drawn. */
  go(place: Partial<IPlace>): void {
    if (this.handle.current) this.handle.current.go(place);
    else this._place = { ...this._place, ...place };
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    if (Date.now() - this._hiddenAt > REST_MS) this.handle.current?.refresh();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._hiddenAt = Date.now();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  protected override render(): React.JSX.Element {
    const { trans, onPlace } = this._options;
    return (
      <WordsProvider value={trans}>
        <ServicesProvider value={this._services}>
          <Mended>
            <MemoryView
              first={this._place}
              onPlace={place => {
                this._place = place;
                onPlace();
              }}
              handle={this.handle}
            />
          </Mended>
        </ServicesProvider>
      </WordsProvider>
    );
  }

  private _place: IPlace;
  private _hiddenAt = Date.now();
  private readonly _services: PanelServices;
}
