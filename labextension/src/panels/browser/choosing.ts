/** Which option of a list the keys lead to. Pure. */
import type { PageOption } from './news';

/** The next option from `from` on in steps of `step` that can be chosen; `from` itself counts. -1 if there is none. */
export function reachable(
  options: readonly PageOption[],
  from: number,
  step: 1 | -1
): number {
  for (let at = from; at >= 0 && at < options.length; at += step) {
    if (!options[at].disabled) return at;
  }
  return -1;
}

/** The option whose words begin with what was typed, from the one after `at` on and round. -1 if there is none. */
export function begins(
  options: readonly PageOption[],
  typed: string,
  at: number
): number {
  const wanted = typed.toLowerCase();
  const first = typed.length > 1 ? at : at + 1;
  for (let n = 0; n < options.length; n++) {
    const index = (Math.max(0, first) + n) % options.length;
    const { label, disabled } = options[index];
    if (!disabled && label.toLowerCase().startsWith(wanted)) return index;
  }
  return -1;
}
