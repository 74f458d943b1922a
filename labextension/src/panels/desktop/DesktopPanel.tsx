/** The widget of the desktop panel. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import * as React from 'react';

import { VisibleStore } from '../../state/visible';
import { desktopIcon, Mended, WordsProvider } from '../../ui';
import { type PanelServices, ServicesProvider } from '../services';
import { DesktopView } from './DesktopView';

/** One agent's desktop in the main area; its id holds the PID, so that one desktop has one tab. */
export class DesktopPanel extends ReactWidget {
  constructor(
    readonly pid: number,
    name: string,
    private readonly _services: PanelServices,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = `aether-desktop-${pid}`;
    this.addClass('jp-Aether');
    this.addClass('jp-AetherDesktop');
    this.node.tabIndex = -1;
    this.title.icon = desktopIcon;
    this.title.closable = true;
    this.title.label = _trans.__('Desktop %1', pid);
    this._store = new VisibleStore(_services.store, this);
    this._name = name;
    this._entitle();
    this._stop = _services.store.subscribe(() => this._entitle());
    this.node.addEventListener('keydown', this._onKeyDown, { capture: true });
  }

  get name(): string {
    return this._name;
  }

  /** Lets go of the keyboard. */
  leave(): void {
    this._left.emit();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this._stop();
    this.node.removeEventListener('keydown', this._onKeyDown, {
      capture: true
    });
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return (
      <ServicesProvider value={{ ...this._services, store: this._store }}>
        <WordsProvider value={this._trans}>
          <Mended>
            <DesktopView
              pid={this.pid}
              name={this._name}
              root={this.node}
              seen={this._seen}
              seenChanged={this._seenChanged}
              left={this._left}
            />
          </Mended>
        </WordsProvider>
      </ServicesProvider>
    );
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._seenChanged.emit();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._seenChanged.emit();
  }

  private readonly _seen = (): boolean => this.isVisible;

  /** All keys go to the desktop; this one alone comes back from it. */
  private readonly _onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !event.ctrlKey || !event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.leave();
  };

  private _entitle(): void {
    const process = this._services.store.view?.processes[this.pid];
    if (process) this._name = process.name;
    this.title.caption = this._trans.__('Desktop of %1', this._name);
  }

  private _name: string;
  private readonly _left = new Signal<this, void>(this);
  private readonly _seenChanged = new Signal<this, void>(this);
  private readonly _store: VisibleStore;
  private readonly _stop: () => void;
}
