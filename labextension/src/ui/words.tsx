/** The words of the interface in the person's language, for every component below. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

function fill(text: string, args: readonly unknown[]): string {
  return text.replace(/%(\d+)/g, (whole, index: string) => {
    const value = args[Number(index) - 1];
    return value === undefined ? whole : String(value);
  });
}

/** English as written; used where no language was given. */
export const plain: TranslationBundle = {
  __: (text: string, ...args: unknown[]) => fill(text, args),
  gettext: (text: string, ...args: unknown[]) => fill(text, args),
  _n: (one: string, many: string, n: number, ...args: unknown[]) =>
    fill(n === 1 ? one : many, [n, ...args]),
  ngettext: (one: string, many: string, n: number, ...args: unknown[]) =>
    fill(n === 1 ? one : many, [n, ...args]),
  _p: (_context: string, text: string, ...args: unknown[]) => fill(text, args),
  pgettext: (_context: string, text: string, ...args: unknown[]) =>
    fill(text, args),
  _np: (
    _context: string,
    one: string,
    many: string,
    n: number,
    ...args: unknown[]
  ) => fill(n === 1 ? one : many, [n, ...args]),
  npgettext: (
    _context: string,
    one: string,
    many: string,
    n: number,
    ...args: unknown[]
  ) => fill(n === 1 ? one : many, [n, ...args]),
  dcnpgettext: (
    _domain: string,
    _context: string,
    one: string,
    many: string,
    n: number,
    ...args: unknown[]
  ) => fill(n === 1 ? one : many, [n, ...args])
};

const Words = React.createContext<TranslationBundle>(plain);

/** Gives the language to what stands below; put it round the root of every panel. */
export const WordsProvider = Words.Provider;

/** The translation bundle of the nearest `WordsProvider`. */
export function useWords(): TranslationBundle {
  return React.useContext(Words);
}
