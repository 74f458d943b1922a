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
/** A message of the size that the server reads at once says that more was waiting. */
const FULL = 65_536;
const RUN_BYTES = 32_000;
const KEPT_MS = 10_000;
/** After so long without a measure it may be better than it was. */
const HOPE_MS = 30_000;
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
 * Counts what arrives. How fast a connection is shows only while something waits for it: what follows a full message
 * comes as fast as it can. Times are milliseconds.
 */
export class Meter {
  take(bytes: number, at: number): void {
    if (this._full) {
      this._run += bytes;
      if (bytes < FULL) this._measured(at);
    } else {
      this._run = 0;
      this._began = at;
    }
    this._full = bytes >= FULL;
    if (this._run >= 8 * FULL) {
      this._measured(at);
      this._run = 0;
      this._began = at;
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

  /** Bytes a second that it carries: the most of the last seconds. Null until it was measured. */
  capacity(now: number): number | null {
    const last = this._speeds.at(-1);
    if (!last) return null;
    if (now - last.at > HOPE_MS) {
      this._speeds = [{ at: now, speed: last.speed * 2 }];
    }
    return Math.max(...this._speeds.map(({ speed }) => speed));
  }

  private _measured(at: number): void {
    if (this._run < RUN_BYTES) return;
    const seconds = Math.max(0.001, (at - this._began) / 1000);
    this._speeds = [
      ...this._speeds.filter(each => at - each.at <= KEPT_MS),
      { at, speed: this._run / seconds }
    ];
  }

  private _full = false;
  private _run = 0;
  private _began = 0;
  private _speeds: readonly { at: number; speed: number }[] = [];
  private readonly _recent: { at: number; bytes: number }[] = [];
}

/** `3.4 Mbit/s`, `180 kbit/s`; what is beyond any picture is not told apart. */
export function bits(bytesPerSecond: number): string {
  const kilo = (bytesPerSecond * 8) / 1000;
  if (kilo >= 100_000) return '> 100 Mbit/s';
  return kilo >= 1000
    ? `${(kilo / 1000).toFixed(1)} Mbit/s`
    : `${Math.round(kilo)} kbit/s`;
}
