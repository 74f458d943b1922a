/** The widget of the agent view. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import * as React from 'react';

import { VisibleStore } from '../../state/visible';
import { aetherIcon, Mended, WordsProvider } from '../../ui';
import type { IMarkdownTools } from '../../ui/Markdown';
import { type PanelServices, ServicesProvider } from '../services';
import { type AgentKey, AgentView } from './AgentView';

/** One agent in the main area; its id holds the PID, so that one agent has one tab. */
export class AgentPanel extends ReactWidget {
  constructor(
    readonly pid: number,
    name: string,
    private readonly _services: PanelServices,
    private readonly _markdown: IMarkdownTools,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = AgentPanel.idOf(pid);
    this.addClass('jp-Aether');
    this.addClass('jp-AetherAgent');
    this.node.tabIndex = -1;
    this.title.icon = aetherIcon;
    this.title.closable = true;
    this._store = new VisibleStore(_services.store, this);
    this._name = name;
    this._entitle();
    this._stop = _services.store.subscribe(() => this._entitle());
  }

  static idOf(pid: number): string {
    return `aether-agent-${pid}`;
  }

  get name(): string {
    return this._name;
  }

  /** Shows a step, as soon as it is read. */
  goTo(step: number): void {
    this._wanted = step;
    this._steps.emit(step);
  }

  /** Does what a key stands for. */
  press(key: AgentKey): void {
    this._keys.emit(key);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this._stop();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return (
      <ServicesProvider value={{ ...this._services, store: this._store }}>
        <WordsProvider value={this._trans}>
          <Mended>
            <AgentView
              pid={this.pid}
              name={this._name}
              markdown={this._markdown}
              keys={this._keys}
              step={this._wanted}
              steps={this._steps}
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

  private _entitle(): void {
    const process = this._services.store.view?.processes[this.pid];
    if (process) this._name = process.name;
    const label = this._name ? `${this.pid} ${this._name}` : `${this.pid}`;
    if (this.title.label === label) return;
    this.title.label = label;
    this.title.caption = this._trans.__('Agent %1: %2', this.pid, this._name);
  }

  private _name: string;
  private _wanted: number | null = null;
  private readonly _steps = new Signal<this, number>(this);
  private readonly _keys = new Signal<this, AgentKey>(this);
  private readonly _store: VisibleStore;
  private readonly _stop: () => void;
}
