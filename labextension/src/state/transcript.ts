/** The journal of one process as far as it is known here: its end first, older pages after, live lines as they come. */
import { type ISignal, Signal } from '@lumino/signaling';

import type { JournalRecord } from '../api/types';

/** Reads journal lines: those after `after`, or the last `limit` before `before`, ascending. */
export type ReadRecords = (query: {
  after?: number;
  before?: number;
  limit?: number;
}) => Promise<JournalRecord[]>;

const PAGE = 500;

/** Never holds a gap: lines that do not join are asked for. */
export class Transcript {
  constructor(private readonly _read: ReadRecords) {}

  /** In order of `n`, without gaps. A new array after each change. */
  get records(): readonly JournalRecord[] {
    return this._records;
  }

  /** Whether the first page was read. */
  get opened(): boolean {
    return this._opened;
  }

  /** Whether it reaches back to the first line. */
  get complete(): boolean {
    return this._opened && (this._records.length === 0 || this._first <= 1);
  }

  /** What the last read failed with. */
  get failure(): Error | null {
    return this._failure;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Reads the last page. `head` is the number of the last line that is known of. */
  async open(head: number): Promise<void> {
    await this._reading(async () => {
      const page = await this._read({ before: head + 1, limit: PAGE });
      this._join(page);
      this._opened = true;
      await this._fill();
    });
  }

  /** Reads one older page; false if there is none or it could not be read. */
  async older(): Promise<boolean> {
    if (!this._opened || this.complete) return false;
    return this._reading(async () => {
      const page = await this._read({ before: this._first, limit: PAGE });
      const joined = page.filter(record => record.n < this._first);
      if (joined.length === 0) throw new Error('The journal has a gap.');
      this._records = [...joined, ...this._records];
    });
  }

  /** Takes live lines of this process. */
  async add(records: readonly JournalRecord[]): Promise<void> {
    if (records.some(record => record.event.type === 'process.erased')) {
      // Nothing is left of it on the server, so nothing is kept of it here.
      this._records = [];
      this._pending = [];
      this._known = 0;
      this._opened = true;
      this._changed.emit();
      return;
    }
    if (!this._opened) {
      this._pending = [...this._pending, ...records];
      return;
    }
    this._join(records);
    this._changed.emit();
    await this._reading(() => this._fill());
  }

  /** Reads what came since the last line, after a snapshot replaced the view. */
  async catchUp(head: number): Promise<void> {
    if (!this._opened || head <= this._last) return;
    this._known = Math.max(this._known, head);
    await this._reading(() => this._fill());
  }

  private async _fill(): Promise<void> {
    this._join(this._pending);
    this._pending = [];
    while (this._known > this._last) {
      const page = await this._read({ after: this._last, limit: PAGE });
      const before = this._last;
      this._join(page);
      if (this._last === before) return;
      this._changed.emit();
    }
  }

  private _join(records: readonly JournalRecord[]): void {
    const fresh: JournalRecord[] = [];
    let last = this._last;
    for (const record of records) {
      this._known = Math.max(this._known, record.n);
      if (record.n === last + 1 || (last === 0 && !this._opened)) {
        fresh.push(record);
        last = record.n;
      }
    }
    if (fresh.length > 0) this._records = [...this._records, ...fresh];
  }

  private async _reading(read: () => Promise<void>): Promise<boolean> {
    try {
      await read();
      this._failure = null;
      return true;
    } catch (error) {
      this._failure = error instanceof Error ? error : new Error(String(error));
      return false;
    } finally {
      this._changed.emit();
    }
  }

  private get _first(): number {
    return this._records[0]?.n ?? 1;
  }

  private get _last(): number {
    return this._records.at(-1)?.n ?? 0;
  }

  private _records: readonly JournalRecord[] = [];
  private _pending: readonly JournalRecord[] = [];
  private _known = 0;
  private _opened = false;
  private _failure: Error | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
