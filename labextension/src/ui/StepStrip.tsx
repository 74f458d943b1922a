/** The rhythm of an agent: one bar for each of its last entries, newest at the right. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { useWords } from './words';

export type StepKind = 't' | 'a' | 'o' | 'p' | 'm' | 'e';

/** Thought, observation, action, then approval, message and error at full height. */
export const STEP_HEIGHT: Readonly<Record<StepKind, number>> = {
  t: 5,
  o: 9,
  a: 13,
  p: 16,
  m: 16,
  e: 16
};

/** The strip as a sentence for a screen reader: "Last 20 steps: 6 thoughts, 6 actions". */
export function stripSentence(strip: string, trans: TranslationBundle): string {
  const counted = (kind: StepKind) => strip.split(kind).length - 1;
  const parts = [
    [counted('t'), trans._n('%1 thought', '%1 thoughts', counted('t'))],
    [counted('a'), trans._n('%1 action', '%1 actions', counted('a'))],
    [counted('o'), trans._n('%1 observation', '%1 observations', counted('o'))],
    [counted('p'), trans._n('%1 approval', '%1 approvals', counted('p'))],
    [counted('m'), trans._n('%1 message', '%1 messages', counted('m'))],
    [counted('e'), trans._n('%1 error', '%1 errors', counted('e'))]
  ] as const;
  if (strip.length === 0) return trans.__('No steps yet');
  return trans.__(
    'Last %1 steps: %2',
    strip.length,
    parts
      .filter(([count]) => count > 0)
      .map(([, text]) => text)
      .join(', ')
  );
}

/** `strip` as the server keeps it: kinds as letters, oldest first. `live` lets the newest bar breathe. */
export const StepStrip = React.memo(function StepStrip(props: {
  strip: string;
  slots?: number;
  live?: boolean;
  className?: string;
}): React.JSX.Element {
  const trans = useWords();
  const { slots = 20, live = false } = props;
  const kinds = props.strip.slice(-slots).padStart(slots, ' ');
  return (
    <svg
      className={`ae-strip ${props.className ?? ''}`}
      viewBox={`0 0 ${slots * 8 - 2} 16`}
      preserveAspectRatio="none"
      role="img"
      aria-label={stripSentence(props.strip.slice(-slots), trans)}
      focusable="false"
    >
      {Object.entries(bars(kinds, live)).map(([name, path]) => (
        <path key={name} className={name} d={path} />
      ))}
    </svg>
  );
});

/** One path for each kind rather than one shape for each bar: a page of strips is thousands of bars. */
function bars(kinds: string, live: boolean): Readonly<Record<string, string>> {
  const paths: Record<string, string> = {};
  Array.from(kinds, (letter, index) => {
    const height = STEP_HEIGHT[letter as StepKind] ?? 2;
    const inset = letter === 'm' ? 0.75 : 0;
    const name =
      (letter === ' ' ? 'x' : letter) +
      (live && index === kinds.length - 1 ? ' now' : '');
    paths[name] = (paths[name] ?? '') + bar(index * 8, height, inset);
  });
  return paths;
}

/** A bar 6 wide on the ground line, its corners rounded by 1. */
function bar(left: number, height: number, inset: number): string {
  const across = 4 - 2 * inset;
  const down = height - 2 - 2 * inset;
  return `M${left + inset + 1} ${16 - height + inset}h${across}q1 0 1 1v${down}q0 1 -1 1h${-across}q-1 0 -1 -1v${-down}q0 -1 1 -1z`;
}
