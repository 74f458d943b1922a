/** The widget of the agent view. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import * as React from 'react';

import { aetherIcon } from '../../ui';
import type { IMarkdownTools } from '../../ui/Markdown';
import { AgentWidget } from '../AgentWidget';
import type { PanelServices } from '../services';
import { type AgentKey, AgentView } from './AgentView';

/** One agent in the main area; its id holds the PID, so that one agent has one tab. */
export class AgentPanel extends AgentWidget {
  constructor(
    pid: number,
    name: string,
    services: PanelServices,
    private readonly _markdown: IMarkdownTools,
    trans: TranslationBundle
  ) {
    super(pid, name, services, trans);
    this.id = AgentPanel.idOf(pid);
    this.addClass('jp-AetherAgent');
    this.title.icon = aetherIcon;
  }

  static idOf(pid: number): string {
    return `aether-agent-${pid}`;
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

  protected override content(): React.JSX.Element {
    return (
      <AgentView
        pid={this.pid}
        name={this.name}
        markdown={this._markdown}
        keys={this._keys}
        step={this._wanted}
        steps={this._steps}
      />
    );
  }

  protected override words(): { label: string; caption: string } {
    const { pid, name } = this;
    return {
      label: name ? `${pid} ${name}` : `${pid}`,
      caption: this.trans.__('Agent %1: %2', pid, name)
    };
  }

  private _wanted: number | null = null;
  private readonly _steps = new Signal<this, number>(this);
  private readonly _keys = new Signal<this, AgentKey>(this);
}
