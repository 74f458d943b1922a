/** Which picture quality a connection carries, measured on what comes anyway. Pure. */

export type QualityChoice = 'auto' | 'best' | 'balanced' | 'low';

/** noVNC's levels, from 0 to 9: more quality is a sharper JPEG, more compression costs the server time. */
export interface Levels {
  readonly quality: number;
  readonly compression: number;
}

const LADDER: readonly (Levels & { readonly from: number })[] = [
  { from: 0, quality: 1, compression: 9 },
  { from: 60_000, quality: 3, compression: 6 },
  { from: 250_000, quality: 6, compression: 2 },
  { from: 1_000_000, quality: 8, compression: 1 }
];
/** A rung is left downwards only when the measure is this far below it. */
const SLACK = 0.7;
const BURST_GAP_MS = 250;
const BURST_BYTES = 32_000;
const RATE_MS = 3_000;

/** The levels that a person chose by name. */
export const CHOSEN: Readonly<Record<Exclude<QualityChoice, 'auto'>, Levels>> =
  {
    best: { quality: 9, compression: 1 },
    balanced: { quality: 6, compression: 2 },
    low: { quality: 1, compression: 9 }
  };

/** The levels for so many bytes a second, given those that hold now. */
export function levels(bytesPerSecond: number, now: Levels): Levels {
  const held = LADDER.findIndex(rung => rung.quality === now.quality);
  let at = LADDER.length - 1;
  while (
    at > 0 &&
    bytesPerSecond < LADDER[at].from * (at <= held ? SLACK : 1)
  ) {
    at -= 1;
  }
  const { quality, compression } = LADDER[at];
  return { quality, compression };
}

/**
 * Counts what arrives. What the connection carries shows only while much comes at once: the speed of such bursts is
 * `capacity`, in bytes a second; null until one was seen. Times are milliseconds.
 */
export class Meter {
  take(bytes: number, at: number): void {
    if (at - this._last > BURST_GAP_MS) {
      this._endBurst();
      this._began = at;
      // The first message says nothing of how long it took to come.
      this._burst = 0;
    } else {
      this._burst += bytes;
    }
    this._last = at;
    if (this._burst >= BURST_BYTES * 8) {
      this._endBurst();
      this._began = at;
      this._burst = 0;
    }
    this._recent.push({ at, bytes });
    while (this._recent.length > 0 && at - this._recent[0].at > RATE_MS) {
      this._recent.shift();
    }
  }

  /** Bytes a second of the last three seconds. */
  rate(now: number): number {
    const sum = this._recent
      .filter(({ at }) => now - at <= RATE_MS)
      .reduce((bytes, each) => bytes + each.bytes, 0);
    return (sum * 1000) / RATE_MS;
  }

  get capacity(): number | null {
    return this._capacity;
  }

  private _endBurst(): void {
    if (this._burst < BURST_BYTES) return;
    const seconds = Math.max(0.001, (this._last - this._began) / 1000);
    const speed = this._burst / seconds;
    this._capacity =
      this._capacity === null ? speed : this._capacity * 0.6 + speed * 0.4;
  }

  private _began = 0;
  private _last = -1e9;
  private _burst = 0;
  private _capacity: number | null = null;
  private _recent: { at: number; bytes: number }[] = [];
}

/** `3.4 Mbit/s`, `180 kbit/s`. */
export function bits(bytesPerSecond: number): string {
  const kilo = (bytesPerSecond * 8) / 1000;
  return kilo >= 1000
    ? `${(kilo / 1000).toFixed(1)} Mbit/s`
    : `${Math.round(kilo)} kbit/s`;
}
