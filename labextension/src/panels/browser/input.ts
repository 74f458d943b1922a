/** What mouse and keyboard come to on a page: exact pixels, keys as they were meant. Pure. */
import type { Size } from '../stage/points';

export interface Point {
  readonly x: number;
  readonly y: number;
}

interface Held {
  readonly altKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
}

export type MouseButtonName = 'none' | 'left' | 'middle' | 'right';

/** Which of the modifiers are held, as bits. */
export function heldBits(event: Held): number {
  return (
    (event.altKey ? 1 : 0) |
    (event.ctrlKey ? 2 : 0) |
    (event.metaKey ? 4 : 0) |
    (event.shiftKey ? 8 : 0)
  );
}

/** The buttons of a mouse that a page is told of, by `MouseEvent.button`. */
export function buttonName(button: number): MouseButtonName {
  return (['left', 'middle', 'right'] as const)[button] ?? 'none';
}

/**
 * Where on the page a place in the window is, in CSS pixels of the page. `box` is the picture as it is drawn, whatever
 * its scale; what lies outside of it is on its edge.
 */
export function pagePoint(
  at: { readonly clientX: number; readonly clientY: number },
  box: Size & { readonly left: number; readonly top: number },
  page: Size
): Point {
  const along = (from: number, span: number, most: number) =>
    span > 0 ? Math.min(Math.max((from / span) * most, 0), most - 1) : 0;
  return {
    x: along(at.clientX - box.left, box.width, page.width),
    y: along(at.clientY - box.top, box.height, page.height)
  };
}

const LINE_PX = 40;

/** How far a wheel turns, in pixels of the page: browsers tell pixels, lines, or pages. */
export function wheelPixels(
  wheel: {
    readonly deltaX: number;
    readonly deltaY: number;
    readonly deltaMode: number;
  },
  page: Size
): { dx: number; dy: number } {
  const { deltaX, deltaY, deltaMode } = wheel;
  if (deltaMode === 1) return { dx: deltaX * LINE_PX, dy: deltaY * LINE_PX };
  if (deltaMode === 2) {
    return { dx: deltaX * page.width, dy: deltaY * page.height };
  }
  return { dx: deltaX, dy: deltaY };
}

/** Command as the Control that it stands for on a Mac. */
function linux(held: number, mac: boolean): number {
  return mac && held & 4 ? (held & ~4) | 2 : held;
}

export interface KeyLike extends Held {
  readonly key: string;
  readonly code: string;
  readonly keyCode: number;
  readonly location: number;
  readonly repeat: boolean;
  readonly isComposing: boolean;
  getModifierState(name: string): boolean;
}

export interface KeyMessage {
  readonly kind: 'key';
  readonly down: boolean;
  readonly key: string;
  readonly code: string;
  readonly number: number;
  /** What it types; '' for a key that types nothing. */
  readonly text: string;
  readonly held: number;
  readonly location: number;
  readonly again: boolean;
}

/** What a key is to the page: one to pass on, a part of a text that is put together first, or an order of one's own. */
export type Meant =
  | {
      readonly what: 'key';
      readonly message: KeyMessage;
      readonly copies: boolean;
    }
  | { readonly what: 'compose' }
  | { readonly what: 'paste' };

/** A key of the person who acts. `mac`: there letters with Option are typed, and Command is what Control is elsewhere. */
export function meant(event: KeyLike, down: boolean, mac: boolean): Meant {
  const { key, keyCode } = event;
  // The agent's Chromium runs on Linux, where its shortcuts are with Control.
  const orders = mac && key === 'Meta';
  if (
    event.isComposing ||
    keyCode === 229 ||
    key === 'Dead' ||
    key === 'Process' ||
    key === 'Unidentified'
  ) {
    return { what: 'compose' };
  }
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  const letter = key.toLowerCase();
  if (
    (command && letter === 'v') ||
    (key === 'Insert' && event.shiftKey && !command && !event.altKey)
  ) {
    return { what: 'paste' };
  }
  const one = [...key].length === 1;
  const third =
    event.getModifierState('AltGraph') ||
    (mac && event.altKey && !event.ctrlKey && !event.metaKey);
  const types =
    one && (third || !(event.ctrlKey || event.altKey || event.metaKey));
  return {
    what: 'key',
    copies: down && command && (letter === 'c' || letter === 'x'),
    message: {
      kind: 'key',
      down,
      key: orders ? 'Control' : key,
      code: orders ? event.code.replace('Meta', 'Control') : event.code,
      number: orders ? 17 : keyCode,
      text: !down ? '' : types ? key : key === 'Enter' ? '\r' : '',
      // What chose the letter is not held for the page, which would take it for a shortcut.
      held: types && third ? heldBits(event) & 8 : linux(heldBits(event), mac),
      location: event.location,
      again: event.repeat
    }
  };
}
