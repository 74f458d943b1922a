/** A connection to what an agent works on: opened, opened again when it is lost, and what can be done over it. */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { backoff } from '../../api/feed';

export interface LinkState {
  readonly phase: 'idle' | 'connecting' | 'open' | 'lost';
  /** Milliseconds since the epoch; the next try of a lost connection. */
  readonly retryAt: number | null;
  /** When the last picture came, in milliseconds since the epoch; null before the first. */
  readonly seenAt: number | null;
}

export const IDLE: LinkState = { phase: 'idle', retryAt: null, seenAt: null };

/** One connection at a time, whose picture is in `target`, kept until `leave` or `dispose`. */
export abstract class StageLink implements IDisposable {
  constructor(
    readonly target: HTMLElement,
    protected readonly settings: ServerConnection.ISettings,
    private readonly _path: string
  ) {
    window.addEventListener('online', this.retryNow);
  }

  get state(): LinkState {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Text that was copied there. */
  get copied(): ISignal<this, string> {
    return this._copied;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** The picture as it is drawn; null while there is none. */
  get canvas(): HTMLCanvasElement | null {
    return this.target.querySelector('canvas');
  }

  /** Connects, if it is not. */
  enter(): void {
    if (this._disposed || this._wanted) return;
    this._wanted = true;
    this._attempt = 0;
    this._try();
  }

  /** Goes away; what was seen last stays. */
  leave(): void {
    this._wanted = false;
    if (this._timer !== null) window.clearTimeout(this._timer);
    this._timer = null;
    this.disconnect();
    this.tell({ phase: 'idle', retryAt: null });
  }

  readonly retryNow = (): void => {
    if (this._timer === null) return;
    window.clearTimeout(this._timer);
    this._attempt = 0;
    this._try();
  };

  dispose(): void {
    if (this._disposed) return;
    this.leave();
    this._disposed = true;
    window.removeEventListener('online', this.retryNow);
    Signal.clearData(this);
  }

  abstract focus(): void;

  /** Lets go of the keyboard, and of all keys that are held. */
  abstract blur(): void;

  /** The picture as a PNG file; null while there is none. */
  abstract picture(): Promise<Blob | null>;

  /** Begins a connection; `opened` and `lost` say what came of it. */
  protected abstract connect(): void;

  /** Ends the connection there is, if any. */
  protected abstract disconnect(): void;

  protected get wanted(): boolean {
    return this._wanted;
  }

  protected opened(): void {
    this._attempt = 0;
    this.tell({ phase: 'open' });
  }

  /** A picture came; told with whatever is told next. */
  protected pictured(): void {
    this._seenAt = Date.now();
  }

  /** Tries again after a while. */
  protected lost(): void {
    if (!this._wanted || this._disposed) return;
    const wait = backoff(this._attempt++, Math.random());
    this._timer = window.setTimeout(() => this._try(), wait);
    this.tell({ phase: 'lost', retryAt: Date.now() + wait });
  }

  protected tell(news: Partial<LinkState> = {}): void {
    this._state = { ...this._state, seenAt: this._seenAt, ...news };
    if (!this._disposed) this._changed.emit();
  }

  protected tellCopied(text: string): void {
    this._copied.emit(text);
  }

  protected get url(): string {
    const url = URLExt.join(this.settings.wsUrl, this._path);
    const { appendToken, token } = this.settings;
    return appendToken && token
      ? `${url}?token=${encodeURIComponent(token)}`
      : url;
  }

  private _try(): void {
    this._timer = null;
    this.tell({ phase: 'connecting', retryAt: null });
    this.connect();
  }

  private _state = IDLE;
  private _wanted = false;
  private _disposed = false;
  private _attempt = 0;
  private _seenAt: number | null = null;
  private _timer: number | null = null;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _copied = new Signal<this, string>(this);
}
