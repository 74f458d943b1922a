/** What changed in a plan, a line each. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { PlanChange } from '../../state/plan';
import { statusWord, useWords } from '../../ui';
import { stripAnsi } from '../../ui/plainText';

const SHOWN = 20;

export function Changes(props: {
  found: readonly PlanChange[];
  /** Those that a person's own plan stands against. */
  left?: ReadonlySet<PlanChange>;
}): React.JSX.Element {
  const trans = useWords();
  const { found } = props;
  return (
    <ul className="planchanges">
      {found.slice(0, SHOWN).map((change, place) => (
        <li key={place}>
          <b>{change.number}</b> {said(change, trans)}{' '}
          <span className="ae-2">{stripAnsi(change.text)}</span>
          {props.left?.has(change) && (
            <b className="left">{trans.__('Not taken over: yours stays.')}</b>
          )}
        </li>
      ))}
      {found.length > SHOWN && (
        <li>{trans.__('and %1 more', found.length - SHOWN)}</li>
      )}
    </ul>
  );
}

function said(change: PlanChange, trans: TranslationBundle): string {
  switch (change.what) {
    case 'added':
      return trans.__('added');
    case 'removed':
      return trans.__('removed');
    case 'reworded':
      return trans.__('reworded');
    case 'moved':
      return trans.__('moved here from %1', change.from ?? '');
    case 'given':
      return trans.__('given to agent %1', change.pid ?? 0);
    case 'taken':
      return trans.__('taken back');
    case 'status': {
      const word = statusWord(change.status ?? ' ', trans).toLowerCase();
      return change.why ? `${word} (${stripAnsi(change.why)})` : word;
    }
  }
}
