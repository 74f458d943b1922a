/** The frame of a panel that shows one agent: its services, its name as it changes, and the focus. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { VisibleStore } from '../state/visible';
import { Mended, WordsProvider } from '../ui';
import { type PanelServices, ServicesProvider } from './services';

/** A widget in the main area that follows one agent, whose PID it keeps also when the agent is gone. */
export abstract class AgentWidget extends ReactWidget {
  constructor(
    readonly pid: number,
    private _name: string,
    private readonly _services: PanelServices,
    protected readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Aether');
    this.node.tabIndex = -1;
    this.title.closable = true;
    this._store = new VisibleStore(_services.store, this);
    this._entitle();
    this._stop = _services.store.subscribe(() => this._entitle());
  }

  get name(): string {
    return this._name;
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this._stop();
    super.dispose();
  }

  /** What is shown. */
  protected abstract content(): React.JSX.Element;

  /** Label and caption of the tab, told whenever they may have changed. */
  protected abstract words(): { label: string; caption: string };

  protected override render(): React.JSX.Element {
    return (
      <ServicesProvider value={{ ...this._services, store: this._store }}>
        <WordsProvider value={this.trans}>
          <Mended>{this.content()}</Mended>
        </WordsProvider>
      </ServicesProvider>
    );
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    if (!this.node.contains(document.activeElement)) this.node.focus();
  }

  private _entitle(): void {
    const process = this._services.store.view?.processes[this.pid];
    if (process) this._name = process.name;
    const { label, caption } = this.words();
    if (this.title.label !== label) this.title.label = label;
    if (this.title.caption !== caption) this.title.caption = caption;
  }

  private readonly _store: VisibleStore;
  private readonly _stop: () => void;
}
