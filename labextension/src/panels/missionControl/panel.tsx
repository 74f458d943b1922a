/** Mission Control as a widget of Lab. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { VisibleStore } from '../../state/visible';
import { Mended, WordsProvider } from '../../ui';
import { type PanelServices, ServicesProvider } from '../services';
import {
  type Choice,
  MissionControl,
  type MissionControlHandle
} from './MissionControl';

export class MissionControlPanel extends ReactWidget {
  constructor(
    private readonly _options: {
      services: PanelServices;
      trans: TranslationBundle;
      choice: Choice;
      throughput: boolean;
      onChoice: (choice: Choice) => void;
    }
  ) {
    super();
    this.addClass('jp-Aether');
    this.addClass('jp-AetherMissionControl');
    this.node.tabIndex = -1;
    const { services } = _options;
    this._services = {
      ...services,
      store: new VisibleStore(services.store, this)
    };
  }

  readonly handle: React.MutableRefObject<MissionControlHandle | null> = {
    current: null
  };

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('keydown', this._enter);
  }

  protected onBeforeDetach(message: Message): void {
    this.node.removeEventListener('keydown', this._enter);
    super.onBeforeDetach(message);
  }

  protected onActivateRequest(_message: Message): void {
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  protected render(): React.JSX.Element {
    const { trans, choice, throughput, onChoice } = this._options;
    return (
      <WordsProvider value={trans}>
        <ServicesProvider value={this._services}>
          <Mended>
            <MissionControl
              first={choice}
              throughput={throughput}
              onChoice={onChoice}
              handle={this.handle}
            />
          </Mended>
        </ServicesProvider>
      </WordsProvider>
    );
  }

  /** From the panel itself an arrow goes to the first agent. */
  private readonly _enter = (event: KeyboardEvent): void => {
    if (event.target !== this.node || !event.key.startsWith('Arrow')) return;
    this.node.querySelector<HTMLElement>('.mc-card, .mc-row')?.focus();
    event.preventDefault();
  };

  private readonly _services: PanelServices;
}
