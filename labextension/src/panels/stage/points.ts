/** Where on a stage a call acts, read off its arguments whatever tool it is of. Pure. */
import type { Stage, ToolCall } from '../../api/types';

/** A place as shares of width and height, from 0 to 1. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

type Pixels = readonly [number, number];

/** The stage that a tool acts on, by the beginning of its name; null for one that acts on neither. */
export function stageOf(tool: string): Stage | null {
  if (/^(desktop_|computer)/.test(tool)) return 'desktop';
  return tool.startsWith('browser_') ? 'browser' : null;
}

/** A point as the browser's tools take one for a target: `120,300`. */
const POINT = /^\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*$/;

/**
 * The pixels that the arguments name: `x` and `y`, where a drag ends, a pair called `coordinate`, `point`, …, or a
 * target that is a point.
 */
export function pixels(args: Readonly<Record<string, unknown>>): Pixels | null {
  const own = pair(args);
  if (own) return own;
  const target = POINT.exec(String(args.to ?? args.target ?? ''));
  if (target) return [Number(target[1]), Number(target[2])];
  for (const name of [
    'coordinate',
    'coordinates',
    'point',
    'position',
    'to',
    'action'
  ]) {
    const found = pair(args[name]);
    if (found) return found;
  }
  return null;
}

function pair(value: unknown): Pixels | null {
  if (Array.isArray(value)) {
    return value.length === 2 && value.every(Number.isFinite)
      ? [Number(value[0]), Number(value[1])]
      : null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const given = value as Record<string, unknown>;
  const { coordinate } = given;
  for (const [x, y] of [
    [given.x, given.y],
    [given.to_x, given.to_y]
  ]) {
    if (typeof x === 'number' && typeof y === 'number') return [x, y];
  }
  return coordinate === undefined ? null : pair(coordinate);
}

/** Pixels of a picture of this size as a place; null for what lies outside of it. */
export function placeOf(at: Pixels, size: Size): Place | null {
  if (!(size.width > 0) || !(size.height > 0)) return null;
  const x = at[0] / size.width;
  const y = at[1] / size.height;
  return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x, y } : null;
}

/**
 * Where on the stage a call acts. `seen` is the size that the agent counts in: of the last picture it was shown of a
 * desktop, of the page in a browser.
 */
export function placeOfCall(
  call: ToolCall,
  stage: Stage,
  seen: Size
): Place | null {
  if (stageOf(call.tool) !== stage) return null;
  const at = pixels((call.arguments ?? {}) as Record<string, unknown>);
  return at && placeOf(at, seen);
}
