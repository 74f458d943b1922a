/** Keys as people read them, always from the bindings that Lab has now: a person may have changed them. */
import { CommandRegistry } from '@lumino/commands';

/** Whether the key that is being handled is held down: a command is told which key, but not that. */
let held = false;

/** Notes from here on whether keys are held; once for the page. */
export function watchHeldKeys(): void {
  const note = (event: KeyboardEvent) => {
    held = event.type === 'keydown' && event.repeat;
  };
  // Before Lab, which listens on the document and runs commands from there.
  window.addEventListener('keydown', note, { capture: true });
  window.addEventListener('keyup', note, { capture: true });
}

/** Whether a command runs because a key is still down since an earlier press. */
export function keyIsHeld(): boolean {
  return held;
}

/** The strokes of one binding: `A`, `Ctrl+Shift+M`, `?`. */
export function readable(keys: readonly string[]): string {
  return keys
    .map(stroke =>
      stroke === 'Shift /' ? '?' : CommandRegistry.formatKeystroke([stroke])
    )
    .join(' ');
}

/** What of a key binding matters here. */
export interface IBinding {
  readonly command: string;
  readonly keys: readonly string[];
  readonly selector: string;
}

/** A command with every key that it has in a place, in the order of the bindings. */
export interface IKeyRow {
  readonly command: string;
  readonly keys: readonly string[];
}

/** The bindings of `selectors`, one row for each command. A row of many keys in a series shows its ends. */
export function rowsOf(
  bindings: readonly IBinding[],
  selectors: readonly string[]
): IKeyRow[] {
  const rows = new Map<string, string[]>();
  for (const { command, keys, selector } of bindings) {
    if (!selectors.includes(selector) || keys.length === 0) continue;
    const known = rows.get(command);
    if (known) known.push(readable(keys));
    else rows.set(command, [readable(keys)]);
  }
  return [...rows].map(([command, keys]) => ({
    command,
    keys: keys.length > 3 ? [keys[0], '…', keys[keys.length - 1]] : keys
  }));
}
