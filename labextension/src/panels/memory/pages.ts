/** A long list that is read page by page as it is scrolled. */

/** One page. `next` is the cursor of the one behind it, '' after the last; `total` counts all that fit. */
export interface IPage<T> {
  readonly items: readonly T[];
  readonly next: string;
  readonly total: number;
}

export type AskPage<T> = (cursor: string, limit: number) => Promise<IPage<T>>;

const PAGE = 200;
const MOST = 1000;

/** Reads pages one after the other, as far as somebody wants to see; calls back after each. */
export class Pages<T extends { readonly id: number }> {
  constructor(
    private readonly _ask: AskPage<T>,
    private readonly _changed: () => void
  ) {}

  /** What was read; the array grows in place, `turn` counts its changes. */
  get items(): readonly T[] {
    return this._items;
  }

  get turn(): number {
    return this._turn;
  }

  /** How many there are in all, read or not. */
  get total(): number {
    return this._total;
  }

  /** Whether anything was read yet. */
  get opened(): boolean {
    return this._opened;
  }

  get failure(): Error | null {
    return this._failure;
  }

  /** Reads on until there are `count` items, or the end. One read goes on for all who want. */
  want(count: number): void {
    this._wanted = Math.max(this._wanted, count);
    if (this._failure === null) void this._read();
  }

  /** After a failure. */
  retry(): void {
    this._failure = null;
    void this._read();
  }

  /** Puts in what an item is now, if it was read. */
  replace(item: T): void {
    const at = this._items.findIndex(known => known.id === item.id);
    if (at < 0) return;
    this._items[at] = item;
    this._tell();
  }

  remove(ids: ReadonlySet<number>): void {
    const before = this._items.length;
    this._items = this._items.filter(item => !ids.has(item.id));
    this._total -= before - this._items.length;
    this._tell();
  }

  /** Nobody looks any more; what still comes is dropped. */
  stop(): void {
    this._stopped = true;
  }

  private async _read(): Promise<void> {
    if (this._reading) return;
    this._reading = true;
    try {
      while (!this._stopped && this._isShort()) {
        const missing = this._wanted - this._items.length;
        const limit = Math.min(MOST, Math.max(PAGE, missing));
        const page = await this._ask(this._next, limit);
        if (this._stopped) return;
        this._items.push(...page.items);
        this._next = page.next;
        this._total = page.total;
        this._opened = true;
        // What went meanwhile makes the end come sooner than was told.
        if (!page.next) this._total = this._items.length;
        this._tell();
      }
    } catch (error) {
      if (this._stopped) return;
      this._failure = error instanceof Error ? error : new Error(String(error));
      this._tell();
    } finally {
      this._reading = false;
    }
  }

  private _isShort(): boolean {
    return (
      !this._opened || (this._next !== '' && this._items.length < this._wanted)
    );
  }

  private _tell(): void {
    this._turn += 1;
    this._changed();
  }

  private _items: T[] = [];
  private _next = '';
  private _total = 0;
  private _turn = 0;
  private _wanted = PAGE;
  private _opened = false;
  private _reading = false;
  private _stopped = false;
  private _failure: Error | null = null;
}
