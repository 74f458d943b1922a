/** What can be done with all that are selected; floats while something is. */
import * as React from 'react';

import type { Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { takes } from '../../commands/signal';
import { standing } from '../../state/selectors';
import { Button, figures, standingWord, useWords } from '../../ui';
import { useCommand } from '../services';

export function BulkBar(props: {
  selected: readonly Process[];
  /** All that the filter lets through, for "select all running". */
  processes: readonly Process[];
  onSelect: (pids: readonly number[]) => void;
  onClear: () => void;
}): React.JSX.Element | null {
  const trans = useWords();
  const run = useCommand();
  const { selected } = props;
  if (selected.length === 0) return null;
  const pids = selected.map(process => process.pid);
  const marks = new Set(selected.map(standing));
  const [mark] = marks;
  const alike =
    marks.size === 1
      ? props.processes.filter(process => standing(process) === mark)
      : [];
  const alive = selected.filter(process => process.state !== 'ZOMBIE');
  const ended = selected.filter(
    process => process.state === 'ZOMBIE' && process.reaped_at === null
  );
  const spent = selected.reduce((sum, process) => sum + process.cost_usd, 0);
  const steps = selected.reduce((sum, process) => sum + process.step, 0);
  const barred =
    alive.length === 0 ? trans.__('All of them have ended') : false;
  const signal = (name: 'STOP' | 'CONT' | 'TERM') => () =>
    run(CommandIDs.signal, { pids, signal: name });
  return (
    <div
      className="mc-bulk"
      role="toolbar"
      aria-label={trans.__('Selected agents')}
    >
      <b>{trans.__('%1 selected', selected.length)}</b>
      {alike.length > selected.length && (
        <button
          type="button"
          className="mc-linklike"
          onClick={() => props.onSelect(alike.map(process => process.pid))}
        >
          {trans.__(
            'Select all %1 %2',
            alike.length,
            standingWord(mark, trans).toLowerCase()
          )}
        </button>
      )}
      <span className="sep" />
      <Button
        small
        icon="pause"
        disabled={
          selected.some(process => takes(process, 'STOP'))
            ? false
            : barred || trans.__('All of them are stopped')
        }
        onClick={signal('STOP')}
      >
        {trans.__('Pause')}
      </Button>
      <Button
        small
        icon="play"
        disabled={
          selected.some(process => takes(process, 'CONT'))
            ? false
            : barred || trans.__('None of them is stopped')
        }
        onClick={signal('CONT')}
      >
        {trans.__('Continue')}
      </Button>
      <Button
        small
        disabled={barred}
        onClick={() => run(CommandIDs.extend, { pids })}
      >
        {trans.__('+25 steps')}
      </Button>
      <Button
        small
        icon="message"
        disabled={barred}
        onClick={() => run(CommandIDs.send, { pids })}
      >
        {trans.__('Message')}
      </Button>
      {ended.length === selected.length ? (
        <Button
          small
          icon="trash"
          onClick={() => run(CommandIDs.reap, { pids })}
        >
          {trans.__('Remove')}
        </Button>
      ) : (
        <Button
          small
          icon="terminate"
          disabled={barred}
          onClick={signal('TERM')}
        >
          {trans.__('Terminate')}
        </Button>
      )}
      <span className="sep" />
      <span className="ae-small ae-2">
        {trans.__('%1 spent, %2 steps', figures.money(spent), steps)}
      </span>
      <Button
        kind="quiet"
        small
        icon="close"
        label={trans.__('Clear selection')}
        onClick={props.onClear}
      />
    </div>
  );
}
