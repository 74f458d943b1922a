/** How strong a memory is, now and later: the server's own formula, so that a curve needs no call. Pure. */
import type { Layer, Memory } from '../../api/types';

const DAY_S = 86_400;

/** How memories fade: seconds until the strength of each layer has halved. */
export type HalfLives = Readonly<Record<Layer, number>>;

/** What of a memory its strength depends on. */
export type Fading = Pick<
  Memory,
  'layer' | 'importance' | 'pinned' | 'created_at' | 'used_at'
>;

/** Since when it fades: when it was last of use, or when it happened. */
export function fadesSince(memory: Fading): number {
  return Math.max(memory.used_at ?? 0, memory.created_at);
}

/** From 0 to 1 at the time `at`, in seconds since the epoch; what is pinned does not fade. */
export function strength(
  memory: Fading,
  at: number,
  halfLives: HalfLives
): number {
  if (memory.pinned) return 1;
  const idle = Math.max(0, at - fadesSince(memory));
  return memory.importance * 0.5 ** (idle / halfLives[memory.layer]);
}

/** Days from `at` until it is weaker than `line`: 0 if it is, `null` if it never will be. */
export function daysAbove(
  memory: Fading,
  at: number,
  halfLives: HalfLives,
  line: number
): number | null {
  if (memory.pinned || line <= 0) return null;
  const now = strength(memory, at, halfLives);
  if (now < line) return 0;
  return (Math.log2(now / line) * halfLives[memory.layer]) / DAY_S;
}

/** A curve over some days: `y` is a strength, `x` from 0 (the first day) to 1 (the last). */
export interface ICurve {
  readonly past: readonly (readonly [x: number, y: number])[];
  readonly future: readonly (readonly [x: number, y: number])[];
  /** Where today is. */
  readonly today: number;
  /** How many of the days lie before today. */
  readonly daysPast: number;
}

/** What was (as far as it is known: since it was last of use) and what will be if it is of no use again. */
export function curve(
  memory: Fading,
  at: number,
  halfLives: HalfLives,
  days = 60,
  points = 24
): ICurve {
  const known = Math.max(0, at - fadesSince(memory)) / DAY_S;
  const daysPast = Math.min(known, days / 2);
  const today = daysPast / days;
  const line = (from: number, to: number): (readonly [number, number])[] => {
    const count = Math.max(2, Math.round(points * (to - from)));
    return Array.from({ length: count }, (_, index) => {
      const x = from + ((to - from) * index) / (count - 1);
      return [
        x,
        strength(memory, at + (x - today) * days * DAY_S, halfLives)
      ] as const;
    });
  };
  return {
    past: today > 0 ? line(0, today) : [],
    future: line(today, 1),
    today,
    daysPast
  };
}

/** How many of five dots stand for an importance; one that counts at all has one. */
export function dots(importance: number): number {
  if (importance <= 0) return 0;
  return Math.max(1, Math.min(5, Math.round(importance * 5)));
}
