/** A plan as a tree: how each step stands, who has it, and at which step of the agent it moved. */
import * as React from 'react';

import type { Plan } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { type Numbered, walk } from '../../state/plan';
import { Icon, StepMark, useWords } from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { useCommand } from '../services';
import { useAgent } from './context';

/** Branches with more below than this are folded at first, if they are closed. */
const LONG = 60;

export function PlanTree(props: { plan: Plan }): React.JSX.Element {
  const trans = useWords();
  const { goToStep } = useAgent();
  const run = useCommand();
  const rows = React.useMemo(() => walk(props.plan), [props.plan]);
  // What a person folded or unfolded is kept by the words of the step: its number may change under their hands.
  const [turned, setTurned] = React.useState<ReadonlyMap<string, boolean>>(
    () => new Map()
  );
  const [current, setCurrent] = React.useState('1');
  const list = React.useRef<HTMLUListElement>(null);

  const isOpen = React.useCallback(
    ({ step }: Numbered) =>
      turned.get(step.text) ??
      (rows.length <= LONG || (step.status !== 'x' && step.status !== '-')),
    [turned, rows.length]
  );
  const shown = React.useMemo(() => {
    const found: Numbered[] = [];
    let under = '';
    for (const row of rows) {
      if (under && row.number.startsWith(under)) continue;
      under = row.step.steps?.length && !isOpen(row) ? `${row.number}.` : '';
      found.push(row);
    }
    return found;
  }, [rows, isOpen]);

  const focus = (number: string) => {
    setCurrent(number);
    list.current
      ?.querySelector<HTMLElement>(`[data-number="${number}"]`)
      ?.focus();
  };
  const turn = React.useCallback((row: Numbered, open: boolean) => {
    setTurned(before => new Map(before).set(row.step.text, open));
  }, []);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const at = shown.findIndex(row => row.number === current);
    const row = shown[at];
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const below = Boolean(row.step.steps?.length);
    const over = row.number.slice(0, Math.max(0, row.number.lastIndexOf('.')));
    switch (event.key) {
      case 'ArrowDown':
        if (at + 1 < shown.length) focus(shown[at + 1].number);
        break;
      case 'ArrowUp':
        if (at > 0) focus(shown[at - 1].number);
        break;
      case 'Home':
        focus(shown[0].number);
        break;
      case 'End':
        focus(shown[shown.length - 1].number);
        break;
      case 'ArrowRight':
        if (below && !isOpen(row)) turn(row, true);
        else if (below) focus(`${row.number}.1`);
        break;
      case 'ArrowLeft':
        if (below && isOpen(row)) turn(row, false);
        else if (over) focus(over);
        break;
      case 'Enter':
        if (event.target !== event.currentTarget && row.step.step) {
          if ((event.target as HTMLElement).closest('button')) return;
          goToStep(row.step.step);
        }
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const reachable = shown.some(row => row.number === current)
    ? current
    : shown[0]?.number;
  return (
    <ul
      ref={list}
      className="plan"
      role="tree"
      aria-label={trans.__('Plan')}
      data-lm-suppress-shortcuts="true"
      onKeyDown={onKeyDown}
    >
      {shown.map(row => {
        const { number, step } = row;
        const status = step.status ?? ' ';
        const depth = number.split('.').length;
        const below = Boolean(step.steps?.length);
        const open = below && isOpen(row);
        return (
          <li
            key={number}
            role="treeitem"
            data-number={number}
            className={`st s-${status === ' ' ? 'open' : status === 'x' ? 'done' : status === '-' ? 'dropped' : 'now'}`}
            aria-level={depth}
            aria-expanded={below ? open : undefined}
            tabIndex={number === reachable ? 0 : -1}
            style={{ '--depth': Math.min(depth - 1, 8) } as React.CSSProperties}
            onFocus={event => {
              if (event.target === event.currentTarget) setCurrent(number);
            }}
          >
            {below ? (
              <button
                type="button"
                tabIndex={-1}
                className="fold"
                aria-label={open ? trans.__('Fold') : trans.__('Unfold')}
                onClick={() => turn(row, !open)}
              >
                <Icon name={open ? 'chevronDown' : 'chevronRight'} size={12} />
              </button>
            ) : (
              <span className="fold" />
            )}
            <StepMark status={status} />
            <span className="words">
              {stripAnsi(step.text)}
              {step.why && <span className="why">{stripAnsi(step.why)}</span>}
            </span>
            <span className="at">
              {step.pid && (
                <button
                  type="button"
                  tabIndex={number === reachable ? 0 : -1}
                  className="ae-link"
                  onClick={() => run(CommandIDs.openAgent, { pid: step.pid })}
                >
                  {trans.__('agent %1', step.pid)}
                </button>
              )}
              {step.step ? (
                <button
                  type="button"
                  tabIndex={number === reachable ? 0 : -1}
                  className="ae-link quiet"
                  title={trans.__('Moved at step %1; go there', step.step)}
                  aria-label={trans.__('Moved at step %1; go there', step.step)}
                  onClick={() => goToStep(step.step ?? 0)}
                >
                  {step.step}
                </button>
              ) : null}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
