/** Holds the view of the fleet. Only the feed writes to it; screens read it and are told at most four times a second. */
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import type {
  Frame,
  JournalRecord,
  Notice,
  PersonActed,
  View
} from '../api/types';
import { Pace } from './pace';
import { applyAll } from './view';

/** How the page stands to the server. */
export interface Connection {
  /** `connecting` until the first frame, `live` while frames come, `lost` until the next connect. */
  readonly status: 'connecting' | 'live' | 'lost';
  /** When the server last said anything, in milliseconds since the epoch of this page's clock; `null` before. */
  readonly lastNewsAt: number | null;
  /** When the next try is, in the same clock; `null` while connected. */
  readonly retryAt: number | null;
  /** Why there is no connection, where the server said so. */
  readonly detail: string;
}

/** What a process says and does right now; each part goes when the journal has the whole of it. */
export interface Live {
  /** Words of the answer that is being written. */
  readonly text: string;
  readonly thinking: string;
  /** Output of running commands by call id; the last 20,000 characters. */
  readonly output: Readonly<Record<string, string>>;
  readonly preparing: { what: string; done: number | null } | null;
  /** What the person who has control did since they took it; never what they typed. */
  readonly acts: readonly PersonActed['act'][];
  /** Who asks for control, '' if nobody does. */
  readonly asked: string;
}

/** What a screen shows, as it was at the last paint. */
export interface AetherState {
  /** `null` until the first snapshot. */
  readonly view: View | null;
  readonly connection: Connection;
  /** Only of processes that are watched. */
  readonly live: Readonly<Record<number, Live>>;
}

/** Where screens read; see `useStore` for React. */
export interface IAetherStore {
  /** The view as it is now, not only as painted; `null` until the first snapshot. */
  readonly view: View | null;
  /** The state at the last paint: the same object until `subscribe` calls back. */
  readonly state: AetherState;
  /** Calls back at most four times a second, in an animation frame. Returns the way to stop. */
  subscribe(changed: () => void): () => void;
  /** Every batch of new journal lines, at once, also while the page is hidden. */
  readonly recordsArrived: ISignal<IAetherStore, readonly JournalRecord[]>;
  /** Every batch of notices of watched processes, at once. */
  readonly noticesArrived: ISignal<IAetherStore, readonly Notice[]>;
  /** A snapshot replaced the view: what was followed record by record may have a gap. */
  readonly snapshotArrived: ISignal<IAetherStore, View>;
  /** Asks for the notices of a process until disposed; several may ask for one. */
  watch(pid: number): IDisposable;
  /** Resolves when the first snapshot is there. */
  readonly ready: Promise<void>;
  /** The server's clock, in seconds since the epoch. */
  now(): number;
  /** Steps that began in each of the last `minutes`, oldest first, and since when that is known (server's clock). */
  pace(minutes?: number): { counts: readonly number[]; since: number };
  /** Tries to connect at once. */
  retry(): void;
}

const PAINT_MS = 250;
const OUTPUT_CHARS = 20_000;
const ACTS = 200;
const NOTHING: Live = {
  text: '',
  thinking: '',
  output: {},
  preparing: null,
  acts: [],
  asked: ''
};

/** Runs a paint after a wait; the product waits for a frame of the screen, tests need none. */
export type PaintLater = (paint: () => void, waitMs: number) => void;

const nextFrame: PaintLater = (paint, waitMs) => {
  window.setTimeout(() => window.requestAnimationFrame(paint), waitMs);
};

/** The store itself; `index.ts` connects it to the feed. */
export class AetherStore implements IAetherStore {
  constructor(private readonly _later: PaintLater = nextFrame) {}

  get view(): View | null {
    return this._view;
  }

  get state(): AetherState {
    return this._state;
  }

  get cursor(): number | null {
    return this._view ? this._view.cursor : null;
  }

  get recordsArrived(): ISignal<IAetherStore, readonly JournalRecord[]> {
    return this._recordsArrived;
  }

  get noticesArrived(): ISignal<IAetherStore, readonly Notice[]> {
    return this._noticesArrived;
  }

  get snapshotArrived(): ISignal<IAetherStore, View> {
    return this._snapshotArrived;
  }

  /** The processes whose notices are wanted changed. */
  get watchChanged(): ISignal<this, readonly number[]> {
    return this._watchChanged;
  }

  /** Somebody wants to connect at once. */
  get retryAsked(): ISignal<this, void> {
    return this._retryAsked;
  }

  private _isReady: () => void = () => undefined;

  readonly ready: Promise<void> = new Promise(resolve => {
    this._isReady = resolve;
  });

  subscribe(changed: () => void): () => void {
    this._readers.add(changed);
    return () => {
      this._readers.delete(changed);
    };
  }

  watch(pid: number): IDisposable {
    const watchers = (this._watched.get(pid) ?? 0) + 1;
    this._watched.set(pid, watchers);
    if (watchers === 1) this._watchChanged.emit([...this._watched.keys()]);
    return new DisposableDelegate(() => {
      const left = (this._watched.get(pid) ?? 1) - 1;
      if (left > 0) {
        this._watched.set(pid, left);
        return;
      }
      this._watched.delete(pid);
      this._forget(pid);
      this._watchChanged.emit([...this._watched.keys()]);
    });
  }

  now(): number {
    return Date.now() / 1000 + (this._ahead ?? 0);
  }

  pace(minutes = 20): { counts: readonly number[]; since: number } {
    return this._pace.read(this.now(), minutes);
  }

  retry(): void {
    this._retryAsked.emit();
  }

  /** Takes one frame of the feed. */
  take(frame: Frame): void {
    this._connect({
      status: 'live',
      lastNewsAt: Date.now(),
      retryAt: null,
      detail: ''
    });
    if ('snapshot' in frame) {
      this._view = frame.snapshot;
      this._answered.clear();
      this._live = {};
      this._pace.begin(this.now());
      this._isReady();
      this._snapshotArrived.emit(frame.snapshot);
    } else if ('records' in frame) {
      this._takeRecords(frame.records, frame.cursor);
    } else {
      for (const notice of frame.notices) this._hear(notice);
      this._noticesArrived.emit(frame.notices);
    }
    this._changed();
  }

  /** Notes that the connection is gone; what was seen stays. */
  lose(retryAt: number, detail = ''): void {
    this._connect({ ...this._connection, status: 'lost', retryAt, detail });
    this._changed();
  }

  /** Says why there is no connection, once that is known. */
  explain(detail: string): void {
    if (this._connection.status === 'live') return;
    this._connect({ ...this._connection, detail });
    this._changed();
  }

  private _takeRecords(
    records: readonly JournalRecord[],
    cursor: number
  ): void {
    if (!this._view) return;
    const { cursor: seen } = this._view;
    const fresh = records.filter(record => record.seq > seen);
    let view = applyAll(this._view, fresh);
    // The server also steps over lines that are not for this person.
    if (cursor > view.cursor) view = { ...view, cursor };
    this._view = view;
    const here = Date.now() / 1000;
    for (const record of fresh) {
      const ahead = record.at - here;
      if (this._ahead === null || ahead > this._ahead) this._ahead = ahead;
      this._pace.note(record);
      this._settle(record);
    }
    if (fresh.length > 0) this._recordsArrived.emit(fresh);
  }

  private _hear(notice: Notice): void {
    if (!this._watched.has(notice.pid)) return;
    // Words may come after the record of the whole answer that they belong to.
    if (
      notice.type === 'notice.text' &&
      notice.step <= (this._answered.get(notice.pid) ?? 0)
    ) {
      return;
    }
    const before = this._live[notice.pid] ?? NOTHING;
    let after: Live;
    switch (notice.type) {
      case 'notice.text':
        after =
          notice.kind === 'text'
            ? { ...before, text: before.text + notice.text, preparing: null }
            : {
                ...before,
                thinking: before.thinking + notice.text,
                preparing: null
              };
        break;
      case 'notice.output': {
        const said = (before.output[notice.call_id] ?? '') + notice.text;
        after = {
          ...before,
          output: {
            ...before.output,
            [notice.call_id]: said.slice(-OUTPUT_CHARS)
          }
        };
        break;
      }
      case 'notice.preparing':
        after = {
          ...before,
          preparing: { what: notice.what, done: notice.done ?? null }
        };
        break;
      case 'notice.person_acted':
        after = { ...before, acts: [...before.acts, notice.act].slice(-ACTS) };
        break;
    }
    this._live = { ...this._live, [notice.pid]: after };
  }

  /** Drops what was live and is now in the journal. */
  private _settle({ pid, event }: JournalRecord): void {
    if (event.type === 'model.answered' || event.type === 'model.failed') {
      this._answered.set(pid, event.step);
    }
    if (event.type === 'control.asked') {
      // Also where nobody looks yet: whoever has control may open the panel later.
      const before = this._live[pid] ?? NOTHING;
      this._live = { ...this._live, [pid]: { ...before, asked: event.by } };
      return;
    }
    const before = this._live[pid];
    if (!before) return;
    switch (event.type) {
      case 'model.requested':
      case 'model.answered':
      case 'model.failed':
        this._live = {
          ...this._live,
          [pid]: { ...before, text: '', thinking: '', preparing: null }
        };
        break;
      case 'tool.ended': {
        const { [event.call_id]: _whole, ...output } = before.output;
        this._live = {
          ...this._live,
          [pid]: { ...before, output, preparing: null }
        };
        break;
      }
      case 'control.taken':
      case 'control.returned':
        this._live = {
          ...this._live,
          [pid]: { ...before, acts: [], asked: '' }
        };
        break;
      case 'process.exited':
        this._forget(pid);
        break;
    }
  }

  private _forget(pid: number): void {
    const { [pid]: _gone, ...rest } = this._live;
    this._live = rest;
    this._changed();
  }

  private _connect(connection: Connection): void {
    this._connection = connection;
  }

  private _changed(): void {
    if (this._painting) return;
    this._painting = true;
    const wait = Math.max(0, this._paintedAt + PAINT_MS - Date.now());
    this._later(() => this._paint(), wait);
  }

  private _paint(): void {
    this._painting = false;
    this._paintedAt = Date.now();
    this._state = {
      view: this._view,
      connection: this._connection,
      live: this._live
    };
    for (const changed of [...this._readers]) changed();
  }

  private _view: View | null = null;
  private _live: Readonly<Record<number, Live>> = {};
  private _connection: Connection = {
    status: 'connecting',
    lastNewsAt: null,
    retryAt: null,
    detail: ''
  };
  private _state: AetherState = {
    view: null,
    connection: this._connection,
    live: this._live
  };
  private _painting = false;
  private _paintedAt = 0;
  private _ahead: number | null = null;
  private readonly _pace = new Pace();
  private readonly _readers = new Set<() => void>();
  private readonly _watched = new Map<number, number>();
  private readonly _recordsArrived = new Signal<
    IAetherStore,
    readonly JournalRecord[]
  >(this);
  private readonly _answered = new Map<number, number>();
  private readonly _noticesArrived = new Signal<
    IAetherStore,
    readonly Notice[]
  >(this);
  private readonly _snapshotArrived = new Signal<IAetherStore, View>(this);
  private readonly _watchChanged = new Signal<this, readonly number[]>(this);
  private readonly _retryAsked = new Signal<this, void>(this);
}
