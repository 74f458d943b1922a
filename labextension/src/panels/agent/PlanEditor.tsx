/** A plan while a person edits it: one row a step, and what the agent changed meanwhile. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { PlanAsItStands, StepStatus } from '../../api/types';
import {
  act,
  can,
  type Deed,
  mark,
  numbersOf,
  planOf,
  type Row,
  type Rows,
  rowsOf,
  STEPS,
  takeOver,
  write
} from '../../state/plan';
import {
  Button,
  type IconName,
  Note,
  STATUSES,
  statusWord,
  StepMark,
  useWords
} from '../../ui';
import { useServices } from '../services';
import { Changes } from './PlanChanges';

const FRESH: Omit<Row, 'key'> = {
  depth: 0,
  text: '',
  status: ' ',
  why: '',
  pid: null,
  step: 0
};

/** `now` is the plan as the server has it; it may change while this is open. */
export function PlanEditor(props: {
  pid: number;
  now: PlanAsItStands;
  onDone: (saved: boolean) => void;
}): React.JSX.Element {
  const { pid, onDone } = props;
  const { client } = useServices();
  const trans = useWords();
  const [base, setBase] = React.useState(() => ({
    n: props.now.n,
    plan: props.now.plan,
    rows: rowsOf(props.now.plan)
  }));
  const [theirs, setTheirs] = React.useState(props.now);
  const [rows, setRows] = React.useState(() =>
    base.rows.length > 0 ? base.rows : [{ ...FRESH, key: 0 }]
  );
  const [at, setAt] = React.useState(0);
  const [failure, setFailure] = React.useState('');
  const [saving, setSaving] = React.useState(false);
  const [leaving, setLeaving] = React.useState(false);
  const nextKey = React.useRef(10_000);
  const list = React.useRef<HTMLOListElement>(null);
  const wanted = React.useRef<number | null>(null);
  const asked = React.useRef<HTMLButtonElement>(null);

  React.useEffect(() => {
    setTheirs(before => (props.now.n > before.n ? props.now : before));
  }, [props.now]);
  React.useLayoutEffect(() => {
    // The focus goes with the row that was moved or made.
    const key = wanted.current;
    wanted.current = null;
    if (key === null) return;
    const field = list.current?.querySelector<HTMLInputElement>(
      `[data-key="${key}"] input`
    );
    field?.focus();
    field?.scrollIntoView({ block: 'nearest' });
  });
  React.useEffect(() => {
    list.current?.querySelector<HTMLInputElement>('input')?.focus();
  }, []);

  React.useEffect(() => {
    if (leaving) asked.current?.focus();
  }, [leaving]);

  const latest = React.useRef(rows);
  latest.current = rows;
  const perform = React.useCallback((place: number, deed: Deed) => {
    nextKey.current += 1;
    const done = act(latest.current, place, deed, nextKey.current);
    if (done.rows === latest.current) return;
    const left =
      done.rows.length > 0
        ? done.rows
        : [{ ...FRESH, key: (nextKey.current += 1) }];
    wanted.current = left[done.at]?.key ?? null;
    setRows(left);
    setAt(done.at);
  }, []);
  const onWords = React.useCallback(
    (place: number, words: { text?: string; why?: string }) =>
      setRows(write(latest.current, place, words)),
    []
  );
  const onStatus = React.useCallback(
    (place: number, status: StepStatus) =>
      setRows(mark(latest.current, place, status)),
    []
  );
  const onKey = React.useCallback(
    (place: number, event: React.KeyboardEvent<HTMLInputElement>) => {
      const { key, ctrlKey, metaKey, altKey } = event;
      const strong = ctrlKey || metaKey;
      const all = latest.current;
      const step = (to: number) => {
        if (to < 0 || to >= all.length) return;
        wanted.current = all[to].key;
        setAt(to);
      };
      if (key === 'Enter' && !strong) perform(place, 'add');
      else if (altKey && key === 'ArrowUp') perform(place, 'up');
      else if (altKey && key === 'ArrowDown') perform(place, 'down');
      else if (strong && key === ']') perform(place, 'indent');
      else if (strong && key === '[') perform(place, 'outdent');
      else if (key === 'Backspace' && !all[place].text && all.length > 1) {
        perform(place, 'remove');
      } else if (key === 'ArrowUp') step(place - 1);
      else if (key === 'ArrowDown') step(place + 1);
      else return;
      event.preventDefault();
    },
    [perform]
  );

  const save = async () => {
    setSaving(true);
    setFailure('');
    try {
      await client.setPlan(pid, planOf(rows), base.n);
      onDone(true);
    } catch (error) {
      setSaving(false);
      const found =
        error instanceof AetherError && error.code === 'conflict'
          ? (error.details.plan as PlanAsItStands | undefined)
          : undefined;
      if (found) setTheirs(found);
      else setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  const here = Math.min(at, rows.length - 1);
  const conflict = theirs.n > base.n;
  const merged = React.useMemo(
    () =>
      conflict ? takeOver(base, theirs.plan, rows, nextKey.current + 1) : null,
    [conflict, base, theirs, rows]
  );
  const settle = (left: Rows) => {
    if (!merged) return;
    // The most that it can have given.
    nextKey.current += merged.base.rows.length + 1;
    const now = left.length > 0 ? left : [{ ...FRESH, key: nextKey.current }];
    const place = now.findIndex(({ key }) => key === rows[here].key);
    wanted.current = now[Math.max(0, place)].key;
    setAt(Math.max(0, place));
    setRows(now);
    setBase({ n: theirs.n, ...merged.base });
  };
  const leave = () => {
    const changed =
      JSON.stringify(planOf(rows)) !== JSON.stringify(planOf(base.rows));
    if (changed) setLeaving(true);
    else onDone(false);
  };
  const stay = () => {
    wanted.current = rows[here].key;
    setLeaving(false);
  };
  const numbers = React.useMemo(() => numbersOf(rows), [rows]);
  const deeds: readonly (readonly [Deed, IconName, string, string])[] = [
    ['up', 'chevronUp', trans.__('Move up'), 'Alt+↑'],
    ['down', 'chevronDown', trans.__('Move down'), 'Alt+↓'],
    ['outdent', 'chevronLeft', trans.__('Move out'), 'Ctrl+['],
    ['indent', 'chevronRight', trans.__('Move in'), 'Ctrl+]'],
    ['add', 'plus', trans.__('Add a step below'), 'Enter'],
    ['remove', 'trash', trans.__('Remove with all below it'), '']
  ];
  return (
    <section
      className="planedit"
      aria-label={trans.__('Edit the plan')}
      data-lm-suppress-shortcuts="true"
      onKeyDown={event => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          if (!saving && !conflict) void save();
        } else if (event.key === 'Escape') {
          if (leaving) stay();
          else leave();
        } else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <div
        className="deeds"
        role="toolbar"
        aria-label={trans.__('The chosen step')}
      >
        {deeds.map(([deed, icon, label, keys]) => (
          <Button
            key={deed}
            kind="quiet"
            small
            icon={icon}
            label={label}
            title={keys ? `${label} (${keys})` : label}
            disabled={
              !can(rows, here, deed) &&
              (rows.length >= STEPS && deed === 'add'
                ? trans.__('A plan has at most %1 steps', STEPS)
                : trans.__('There is no room for it there'))
            }
            onClick={() => perform(here, deed)}
          />
        ))}
      </div>
      {failure && (
        <Note tone="bad" icon="error" alert>
          {failure}
        </Note>
      )}
      {leaving && (
        <Note tone="warn" icon="error" alert>
          {trans.__('What you changed is not saved.')}
          <span className="ae-row">
            <Button ref={asked} small kind="primary" onClick={stay}>
              {trans.__('Go on editing')}
            </Button>
            <Button small onClick={() => onDone(false)}>
              {trans.__('Drop it')}
            </Button>
          </span>
        </Note>
      )}
      {merged && (
        <Note tone="warn" icon="approval" alert>
          <b>
            {theirs.by.startsWith('agent')
              ? trans.__('The agent changed its plan while you were editing.')
              : trans.__(
                  '%1 changed the plan while you were editing.',
                  theirs.by
                )}
          </b>{' '}
          {trans.__('What you wrote is still here.')}
          <Changes found={merged.changes} left={merged.left} />
          <span className="ae-row">
            <Button small kind="primary" onClick={() => settle(merged.rows)}>
              {trans.__('Put this into mine')}
            </Button>
            <Button small onClick={() => settle(rows)}>
              {trans.__('Keep only mine')}
            </Button>
            <Button small onClick={() => onDone(false)}>
              {trans.__('Drop mine')}
            </Button>
          </span>
        </Note>
      )}
      <ol ref={list} className="plan">
        {rows.map((row, place) => (
          <EditRow
            key={row.key}
            row={row}
            place={place}
            chosen={place === here}
            number={numbers[place]}
            onChoose={setAt}
            onWords={onWords}
            onStatus={onStatus}
            onKey={onKey}
          />
        ))}
      </ol>
      <div className="ends">
        <Button
          kind="quiet"
          small
          onClick={leave}
          title={`${trans.__('Cancel')} (Esc)`}
        >
          {trans.__('Cancel')}
        </Button>
        <Button
          kind="primary"
          small
          hint="Ctrl ⏎"
          disabled={
            (saving && trans.__('It is being saved')) ||
            (conflict && trans.__('Decide what becomes of the other change'))
          }
          onClick={() => void save()}
        >
          {trans.__('Save')}
        </Button>
      </div>
    </section>
  );
}

const EditRow = React.memo(function EditRow(props: {
  row: Row;
  place: number;
  chosen: boolean;
  number: string;
  onChoose: (place: number) => void;
  onWords: (place: number, words: { text?: string; why?: string }) => void;
  onStatus: (place: number, status: StepStatus) => void;
  onKey: (place: number, event: React.KeyboardEvent<HTMLInputElement>) => void;
}): React.JSX.Element {
  const { row, place, chosen, onWords, onStatus, onKey } = props;
  const trans = useWords();
  const explained = row.status === '!' || row.status === '-';
  const level = trans.__('step %1', props.number);
  return (
    <li
      data-key={row.key}
      className={chosen ? 'er on' : 'er'}
      style={{ '--depth': Math.min(row.depth, 8) } as React.CSSProperties}
      onFocus={() => props.onChoose(place)}
    >
      <span className="ae-stepselect">
        <StepMark status={row.status} />
        <select
          aria-label={trans.__('Status, %1', level)}
          value={row.status}
          onChange={event => {
            const found = STATUSES.find(
              each => each === event.currentTarget.value
            );
            if (found) onStatus(place, found);
          }}
        >
          {STATUSES.map(each => (
            <option key={each} value={each}>
              {statusWord(each, trans)}
            </option>
          ))}
        </select>
      </span>
      <span className="fields">
        <input
          className="ae-input"
          value={row.text}
          maxLength={1000}
          aria-label={trans.__('Words, %1', level)}
          placeholder={trans.__('What is to be done')}
          onChange={event =>
            onWords(place, { text: event.currentTarget.value })
          }
          onKeyDown={event => onKey(place, event)}
        />
        {explained && (
          <input
            className="ae-input why"
            value={row.why}
            maxLength={300}
            aria-label={trans.__('Why, %1', level)}
            placeholder={
              row.status === '!'
                ? trans.__('Why it is blocked')
                : trans.__('Why it is dropped')
            }
            onChange={event =>
              onWords(place, { why: event.currentTarget.value })
            }
          />
        )}
      </span>
      {row.pid !== null && (
        <span className="ae-small ae-2">{trans.__('agent %1', row.pid)}</span>
      )}
    </li>
  );
});
