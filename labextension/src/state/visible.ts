/** A store for one panel that stands still while the panel is hidden and catches up when it is shown. */
import type { IDisposable } from '@lumino/disposable';
import { type Message, MessageLoop } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type { JournalRecord, Notice, View } from '../api/types';
import type { AetherState, IAetherStore } from './store';

/** Wraps `store` for what `widget` shows: no call back, and the same `state`, while it is hidden. */
export class VisibleStore implements IAetherStore, IDisposable {
  constructor(
    private readonly _store: IAetherStore,
    private readonly _widget: Widget
  ) {
    this._state = _store.state;
    this._stop = _store.subscribe(() => this._pass());
    MessageLoop.installMessageHook(_widget, this._hook);
    _widget.disposed.connect(this.dispose, this);
  }

  get view(): View | null {
    return this._store.view;
  }

  get state(): AetherState {
    return this._state;
  }

  get recordsArrived(): ISignal<IAetherStore, readonly JournalRecord[]> {
    return this._store.recordsArrived;
  }

  get noticesArrived(): ISignal<IAetherStore, readonly Notice[]> {
    return this._store.noticesArrived;
  }

  get snapshotArrived(): ISignal<IAetherStore, View> {
    return this._store.snapshotArrived;
  }

  get ready(): Promise<void> {
    return this._store.ready;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  subscribe(changed: () => void): () => void {
    this._readers.add(changed);
    return () => {
      this._readers.delete(changed);
    };
  }

  watch(pid: number): IDisposable {
    return this._store.watch(pid);
  }

  /** Stands still with the rest, so that no clock of a hidden panel draws. */
  now(): number {
    if (this._widget.isVisible) this._now = this._store.now();
    return this._now;
  }

  pace(minutes?: number): { counts: readonly number[]; since: number } {
    return this._store.pace(minutes);
  }

  retry(): void {
    this._store.retry();
  }

  dispose(): void {
    if (this._disposed) return;
    this._disposed = true;
    this._stop();
    MessageLoop.removeMessageHook(this._widget, this._hook);
    this._readers.clear();
  }

  private readonly _hook = (_sender: unknown, message: Message): boolean => {
    if (message.type === 'after-show' || message.type === 'after-attach') {
      // A hook runs before the widget itself knows that it can be seen.
      queueMicrotask(() => this._pass());
    }
    return true;
  };

  private _pass(): void {
    if (this._disposed || !this._widget.isVisible) return;
    if (this._state === this._store.state) return;
    this._state = this._store.state;
    for (const changed of [...this._readers]) changed();
  }

  private _state: AetherState;
  private _disposed = false;
  private _now = Date.now() / 1000;
  private readonly _stop: () => void;
  private readonly _readers = new Set<() => void>();
}
