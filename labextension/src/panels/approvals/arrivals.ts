/** What the inbox shows while things come and go: nothing moves under a pointer. Pure. */
import type { Approval, Decision } from '../../api/types';

/** A card that was decided; it stays as one line for a moment. */
export interface Gone {
  readonly approval: Approval;
  readonly decision: Decision | null;
  readonly closed: string;
  readonly until: number;
}

export interface Shown {
  /** Ids of the cards, in order. */
  readonly cards: readonly string[];
  readonly gone: Readonly<Record<string, Gone>>;
  /** Ids that came while somebody was looking; shown when asked for. */
  readonly arrived: readonly string[];
}

export const NOTHING: Shown = { cards: [], gone: {}, arrived: [] };
export const GONE_S = 4;

/**
 * The list after a change. `waiting` is what waits now. New ones go to the top at once if nobody is `busy` in the
 * list; otherwise they gather. Cards that left stay in their place while they are in `gone`.
 */
export function next(
  shown: Shown,
  waiting: Readonly<Record<string, Approval>>,
  now: number,
  busy: boolean
): Shown {
  const gone = Object.fromEntries(
    Object.entries(shown.gone).filter(([, left]) => left.until > now)
  );
  const kept = shown.cards.filter(id => id in waiting || id in gone);
  const gathered = shown.arrived.filter(id => id in waiting);
  const seen = new Set([...kept, ...gathered]);
  const fresh = Object.values(waiting)
    .filter(approval => !seen.has(approval.id))
    .sort((a, b) => b.created_at - a.created_at)
    .map(approval => approval.id);
  return busy && kept.length > 0
    ? { cards: kept, gone, arrived: [...fresh, ...gathered] }
    : { cards: [...fresh, ...gathered, ...kept], gone, arrived: [] };
}

/** Puts what gathered at the top. */
export function take(shown: Shown): Shown {
  return {
    ...shown,
    cards: [...shown.arrived, ...shown.cards],
    arrived: []
  };
}

/** Notes that a card was decided or closed; only one that is on the screen leaves a line. */
export function leave(shown: Shown, left: Gone): Shown {
  const { id } = left.approval;
  if (!shown.cards.includes(id)) return shown;
  return { ...shown, gone: { ...shown.gone, [id]: left } };
}
