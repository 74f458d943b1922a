/** The widget of a panel in which a person can act in an agent's place. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';

import { AgentWidget } from '../AgentWidget';
import type { PanelServices } from '../services';
import type { IStageProps } from './useStage';

/** One stage of one agent in the main area; its id holds the PID, so that each has one tab. */
export abstract class StagePanel extends AgentWidget {
  constructor(
    pid: number,
    name: string,
    services: PanelServices,
    trans: TranslationBundle
  ) {
    super(pid, name, services, trans);
    this.addClass('jp-AetherStage');
    this.node.addEventListener('keydown', this._onKeyDown, { capture: true });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.node.removeEventListener('keydown', this._onKeyDown, {
      capture: true
    });
    super.dispose();
  }

  /** What a view of a stage is given. */
  protected get stage(): IStageProps {
    return {
      pid: this.pid,
      root: this.node,
      seen: this._seen,
      seenChanged: this._seenChanged,
      left: this._left
    };
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

  /** All keys go to the stage; this one alone comes back from it. */
  private readonly _onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !event.ctrlKey || !event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this._left.emit();
  };

  private readonly _left = new Signal<this, void>(this);
  private readonly _seenChanged = new Signal<this, void>(this);
}
