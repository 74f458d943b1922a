/**
 * The feed socket. Connecting again is the same as connecting: the cursor of what was seen goes with it, and the
 * server answers with what came since, or with a whole snapshot.
 */
import { URLExt } from '@jupyterlab/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

import type { Frame } from './types';

/** What a feed tells its reader. */
export interface IFeedReader {
  /** The cursor to go on from, `null` to start with a snapshot. */
  readonly cursor: number | null;
  onFrame(frame: Frame): void;
  onOpen(): void;
  /** The socket closed or could not be opened; the next try is at `retryAt` (milliseconds since the epoch). */
  onLost(retryAt: number, opened: boolean): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/** The wait before try number `attempt` (from 0): doubling, at most 30 s, the upper half of it by chance. */
export function backoff(attempt: number, chance: number): number {
  const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.round(ceiling * (0.5 + 0.5 * chance));
}

/** One socket at a time, opened again until disposed. */
export class Feed implements IDisposable {
  constructor(
    private readonly _settings: ServerConnection.ISettings,
    private readonly _reader: IFeedReader
  ) {
    window.addEventListener('online', this.retryNow);
    this._connect();
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** Says whose notices are wanted; said again after each connect. */
  watch(pids: readonly number[]): void {
    this._watched = pids;
    if (this._socket?.readyState === 1) {
      this._socket.send(JSON.stringify({ watch: pids }));
    }
  }

  /** Tries at once rather than at the end of the wait. */
  readonly retryNow = (): void => {
    if (this._disposed || this._timer === null) return;
    window.clearTimeout(this._timer);
    this._attempt = 0;
    this._connect();
  };

  dispose(): void {
    if (this._disposed) return;
    this._disposed = true;
    window.removeEventListener('online', this.retryNow);
    if (this._timer !== null) window.clearTimeout(this._timer);
    this._socket?.close();
  }

  private _connect(): void {
    this._timer = null;
    const socket = new this._settings.WebSocket(this._url());
    let opened = false;
    this._socket = socket;
    socket.onopen = () => {
      opened = true;
      if (this._watched.length > 0) {
        socket.send(JSON.stringify({ watch: this._watched }));
      }
      this._reader.onOpen();
    };
    socket.onmessage = message => {
      if (this._disposed || socket !== this._socket) return;
      // Only a frame proves that the server follows; an open socket alone may close again at once.
      this._attempt = 0;
      this._reader.onFrame(JSON.parse(String(message.data)) as Frame);
    };
    socket.onclose = () => {
      if (this._disposed || socket !== this._socket) return;
      this._socket = null;
      const wait = backoff(this._attempt++, Math.random());
      this._timer = window.setTimeout(() => this._connect(), wait);
      this._reader.onLost(Date.now() + wait, opened);
    };
  }

  private _url(): string {
    const query = new URLSearchParams();
    if (this._reader.cursor !== null) {
      query.set('cursor', String(this._reader.cursor));
    }
    if (this._settings.appendToken && this._settings.token) {
      query.set('token', this._settings.token);
    }
    const url = URLExt.join(this._settings.wsUrl, 'aether/feed');
    const text = query.toString();
    return text ? `${url}?${text}` : url;
  }

  private _disposed = false;
  private _socket: WebSocket | null = null;
  private _timer: number | null = null;
  private _attempt = 0;
  private _watched: readonly number[] = [];
}
