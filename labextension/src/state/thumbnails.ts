/** Small live pictures of desktops: one request for all places that show the same one, and only while one is seen. */

const EVERY_MS = 2_000;
/** Where nothing runs yet; asking never starts a desktop. */
const ABSENT_MS = 10_000;
const GONE_MS = 30_000;

/** Reads a picture of at least this width. Rejects where there is none. */
export type ReadPicture = (pid: number, width: number) => Promise<Blob>;

interface Watched {
  /** The widths that are wanted, one for each place that is seen. */
  readonly widths: Map<() => void, number>;
  url: string;
  askedAt: number;
  asking: boolean;
  absent: boolean;
  timer: ReturnType<typeof setTimeout> | null;
}

/** The pictures of all agents that somebody sees. */
export class Thumbnails {
  constructor(
    private readonly _read: ReadPicture,
    private readonly _page: Pick<
      Document,
      'visibilityState' | 'addEventListener'
    > = document,
    private readonly _now: () => number = () => Date.now()
  ) {
    this._page.addEventListener('visibilitychange', () => {
      for (const pid of this._watched.keys()) this._plan(pid);
    });
  }

  /** The last picture, as an object URL; '' while there is none. */
  url(pid: number): string {
    return this._watched.get(pid)?.url ?? '';
  }

  /** Keeps the picture fresh until the function that comes back is called. */
  watch(pid: number, width: number, changed: () => void): () => void {
    let watched = this._watched.get(pid);
    if (!watched) {
      watched = {
        widths: new Map(),
        url: '',
        askedAt: -Infinity,
        asking: false,
        absent: false,
        timer: null
      };
      this._watched.set(pid, watched);
    }
    watched.widths.set(changed, width);
    this._plan(pid);
    return () => {
      watched.widths.delete(changed);
      this._plan(pid);
    };
  }

  private _plan(pid: number): void {
    const watched = this._watched.get(pid);
    if (!watched) return;
    if (watched.timer !== null) clearTimeout(watched.timer);
    watched.timer = null;
    if (watched.widths.size === 0) {
      // A card that scrolls by is back soon, and shows what was seen before.
      watched.timer = setTimeout(() => this._forget(pid), GONE_MS);
      return;
    }
    if (watched.asking || this._page.visibilityState !== 'visible') return;
    const wait =
      watched.askedAt + (watched.absent ? ABSENT_MS : EVERY_MS) - this._now();
    watched.timer = setTimeout(
      () => void this._ask(pid, watched),
      Math.max(0, wait)
    );
  }

  private async _ask(pid: number, watched: Watched): Promise<void> {
    watched.timer = null;
    watched.asking = true;
    watched.askedAt = this._now();
    try {
      const picture = await this._read(
        pid,
        Math.max(...watched.widths.values())
      );
      this._show(watched, URL.createObjectURL(picture));
      watched.absent = false;
    } catch {
      watched.absent = true;
    }
    watched.asking = false;
    this._plan(pid);
  }

  private _show(watched: Watched, url: string): void {
    if (watched.url) URL.revokeObjectURL(watched.url);
    watched.url = url;
    for (const changed of watched.widths.keys()) changed();
  }

  private _forget(pid: number): void {
    const watched = this._watched.get(pid);
    if (!watched || watched.widths.size > 0) return;
    if (watched.url) URL.revokeObjectURL(watched.url);
    this._watched.delete(pid);
  }

  private readonly _watched = new Map<number, Watched>();
}
