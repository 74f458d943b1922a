/** The keys of commands, for the small signs on buttons that do the same. */
import * as React from 'react';

/** The key of a command as the person has set it, ready to read; empty where it has none. */
export type Hint = (command: string) => string;

const Hints = React.createContext<Hint>(() => '');

/** Gives the keys to what stands below; without it no button shows one. */
export const HintsProvider = Hints.Provider;

/** The keys of commands, of the nearest `HintsProvider`. */
export function useHints(): Hint {
  return React.useContext(Hints);
}
