/** The widget of the inbox. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { VisibleStore } from '../../state/visible';
import { approvalsIcon, Mended, WordsProvider } from '../../ui';
import { type PanelServices, ServicesProvider } from '../services';
import { Inbox } from './Inbox';

export class ApprovalsPanel extends ReactWidget {
  constructor(
    private readonly _services: PanelServices,
    private readonly _trans: TranslationBundle,
    private readonly _onNotify: (() => void) | null,
    private readonly _onSettings: (() => void) | null
  ) {
    super();
    this.id = 'aether-approvals';
    this.addClass('jp-Aether');
    this.addClass('jp-AetherApprovals');
    this.node.tabIndex = -1;
    this.title.icon = approvalsIcon;
    this.title.caption = _trans.__('Approvals');
    this._store = new VisibleStore(_services.store, this);
  }

  /** Brings the card of an approval into view and gives it the focus. */
  review(id: string): void {
    this._asked = { id, turn: (this._asked?.turn ?? 0) + 1 };
    this.update();
  }

  /** Goes to the next card (1) or the one before (-1). */
  move(by: 1 | -1): void {
    const cards = [...this.node.querySelectorAll<HTMLElement>('.ae-approval')];
    const at = cards.findIndex(card => card.contains(document.activeElement));
    const to = at < 0 ? (by > 0 ? 0 : cards.length - 1) : at + by;
    cards[Math.max(0, Math.min(cards.length - 1, to))]?.focus();
  }

  protected override render(): React.JSX.Element {
    return (
      <ServicesProvider value={{ ...this._services, store: this._store }}>
        <WordsProvider value={this._trans}>
          <Mended>
            <Inbox
              asked={this._asked}
              onNotify={this._onNotify}
              onSettings={this._onSettings}
            />
          </Mended>
        </WordsProvider>
      </ServicesProvider>
    );
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    if (this._asked || this.node.contains(document.activeElement)) return;
    const card = this.node.querySelector<HTMLElement>('.ae-approval');
    (card ?? this.node).focus();
  }

  private _asked: { id: string; turn: number } | null = null;
  private readonly _store: VisibleStore;
}
