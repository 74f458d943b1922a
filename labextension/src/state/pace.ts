/** How many steps began in each minute, counted from the server's own times. */
import type { JournalRecord } from '../api/types';

const KEPT_MINUTES = 30;

export class Pace {
  /** Counting begins, or begins anew after a gap. */
  begin(now: number): void {
    if (this._since === null) this._since = now;
  }

  note(record: JournalRecord): void {
    if (record.event.type !== 'model.requested') return;
    const minute = Math.floor(record.at / 60);
    this._counts.set(minute, (this._counts.get(minute) ?? 0) + 1);
    if (this._since === null || record.at < this._since) {
      this._since = record.at;
    }
    for (const old of this._counts.keys()) {
      if (old < minute - KEPT_MINUTES) this._counts.delete(old);
    }
  }

  /** Counts of the last `minutes`, oldest first; the last one is of the minute that has not ended. */
  read(
    now: number,
    minutes: number
  ): { counts: readonly number[]; since: number } {
    const last = Math.floor(now / 60);
    const counts = Array.from(
      { length: minutes },
      (_, index) => this._counts.get(last - minutes + 1 + index) ?? 0
    );
    return { counts, since: Math.max(this._since ?? now, now - minutes * 60) };
  }

  private readonly _counts = new Map<number, number>();
  private _since: number | null = null;
}
