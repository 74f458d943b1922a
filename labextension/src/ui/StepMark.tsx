/** How a step of a plan stands: a shape, a colour and a word. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { StepStatus } from '../api/types';
import { useWords } from './words';

/** Every status, in the order in which it is offered. */
export const STATUSES: readonly StepStatus[] = [' ', '~', 'x', '!', '-'];

/** The word for a status. */
export function statusWord(
  status: StepStatus,
  trans: TranslationBundle
): string {
  switch (status) {
    case ' ':
      return trans.__('Open');
    case '~':
      return trans.__('Doing');
    case 'x':
      return trans.__('Done');
    case '!':
      return trans.__('Blocked');
    case '-':
      return trans.__('Dropped');
  }
}

const BARE = 'var(--ae-surface)';

const SHAPES: Readonly<Record<StepStatus, React.JSX.Element>> = {
  ' ': <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" />,
  '~': (
    <>
      <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" />
      <circle cx="7" cy="7" r="2.4" fill="currentColor" />
    </>
  ),
  x: (
    <>
      <circle cx="7" cy="7" r="6.3" fill="currentColor" />
      <path d="m4.2 7.2 2 2 3.6-4.1" fill="none" stroke={BARE} />
    </>
  ),
  '!': (
    <>
      <path d="M7 .2 13.8 7 7 13.8.2 7Z" fill="currentColor" />
      <path d="M7 3.9v3.7M7 9.7v.2" stroke={BARE} />
    </>
  ),
  '-': (
    <>
      <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" />
      <path d="M4.4 7h5.2" stroke="currentColor" />
    </>
  )
};

const NAMES: Readonly<Record<StepStatus, string>> = {
  ' ': 'open',
  '~': 'doing',
  x: 'done',
  '!': 'blocked',
  '-': 'dropped'
};

/** The mark; its word is there for screen readers and as a tooltip. */
export function StepMark(props: { status: StepStatus }): React.JSX.Element {
  const trans = useWords();
  const word = statusWord(props.status, trans);
  return (
    <span className={`ae-stepmark ${NAMES[props.status]}`} title={word}>
      <svg
        viewBox="0 0 14 14"
        aria-hidden="true"
        focusable="false"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
      >
        {SHAPES[props.status]}
      </svg>
      <span className="ae-sr">{word}</span>
    </span>
  );
}
