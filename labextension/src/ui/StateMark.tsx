/** The state of an agent: a shape, a colour and a word. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Process } from '../api/types';
import { type Standing, standing } from '../state/selectors';
import { useWords } from './words';

/** The word for a standing. */
export function standingWord(mark: Standing, trans: TranslationBundle): string {
  switch (mark) {
    case 'you':
      return trans.__('Waiting for you');
    case 'running':
      return trans.__('Running');
    case 'ready':
      return trans.__('Ready');
    case 'waiting':
      return trans.__('Waiting');
    case 'stopped':
      return trans.__('Stopped');
    case 'done':
      return trans.__('Done');
    case 'failed':
      return trans.__('Failed');
  }
}

/** The kernel's name of the state and the reason, for a tooltip. */
export function kernelState(process: Process): string {
  const { state, wait, exit, reaped_at } = process;
  if (state === 'ZOMBIE') {
    const ended = `${reaped_at === null ? 'ZOMBIE' : 'reaped'}, exit ${exit?.code ?? 0}`;
    return exit && exit.reason !== 'completed'
      ? `${ended}, ${exit.reason}`
      : ended;
  }
  if (state === 'WAITING' && wait) {
    return wait.detail
      ? `WAITING(${wait.kind}): ${wait.detail}`
      : `WAITING(${wait.kind})`;
  }
  return state;
}

const BARE = 'var(--ae-surface)';

const SHAPES: Readonly<Record<Standing, React.JSX.Element>> = {
  you: (
    <>
      <path d="M7 .2 13.8 7 7 13.8.2 7Z" fill="currentColor" />
      <path
        d="M7 3.9v3.7M7 9.7v.2"
        stroke={BARE}
        strokeWidth="1.6"
        strokeLinecap="round"
      />
    </>
  ),
  running: (
    <>
      <circle cx="7" cy="7" r="2.8" fill="currentColor" />
      <path
        className="arc"
        d="M7 1.2A5.8 5.8 0 1 1 1.9 4.3"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
      />
    </>
  ),
  ready: (
    <circle
      cx="7"
      cy="7"
      r="5"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
    />
  ),
  waiting: (
    <path
      d="M7 1.3 12.7 7 7 12.7 1.3 7Z"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinejoin="round"
    />
  ),
  stopped: (
    <>
      <rect
        x="1.3"
        y="1.3"
        width="11.4"
        height="11.4"
        rx="1.5"
        fill="currentColor"
      />
      <path
        d="M5.2 4.3v5.4M8.8 4.3v5.4"
        stroke={BARE}
        strokeWidth="1.6"
        strokeLinecap="round"
      />
    </>
  ),
  done: (
    <>
      <circle cx="7" cy="7" r="6.3" fill="currentColor" />
      <path
        d="m4.2 7.2 2 2 3.6-4.1"
        fill="none"
        stroke={BARE}
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
  failed: (
    <>
      <path
        d="M4.2.6h5.6l3.6 3.6v5.6l-3.6 3.6H4.2L.6 9.8V4.2Z"
        fill="currentColor"
      />
      <path
        d="m4.9 4.9 4.2 4.2M9.1 4.9 4.9 9.1"
        stroke={BARE}
        strokeWidth="1.6"
        strokeLinecap="round"
      />
    </>
  )
};

/** The mark of a standing. The word is hidden text if `quiet`, where a heading already says it. */
export function Mark(props: {
  standing: Standing;
  title?: string;
  quiet?: boolean;
  word?: string;
}): React.JSX.Element {
  const trans = useWords();
  const word = props.word ?? standingWord(props.standing, trans);
  return (
    <span className={`ae-mark ${props.standing}`} title={props.title ?? word}>
      <svg viewBox="0 0 14 14" aria-hidden="true" focusable="false">
        {SHAPES[props.standing]}
      </svg>
      <span className={props.quiet ? 'ae-sr' : undefined}>{word}</span>
    </span>
  );
}

/** The mark of a process; its tooltip gives the kernel's name and the reason. */
export function StateMark(props: {
  process: Process;
  quiet?: boolean;
}): React.JSX.Element {
  return (
    <Mark
      standing={standing(props.process)}
      title={kernelState(props.process)}
      quiet={props.quiet}
    />
  );
}
