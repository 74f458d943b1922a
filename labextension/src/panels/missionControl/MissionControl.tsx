/** The whole panel: the fleet, the filters, cards or rows, and what floats above them. */
import * as React from 'react';

import type { Process, View } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import {
  approvalsByPid,
  counts as countsOf,
  type GroupBy,
  isToday,
  parseFilter,
  standing,
  visibleProcesses
} from '../../state/selectors';
import { useNow, useStore } from '../../state/useStore';
import { Button, figures, Mark, standingWord, useWords } from '../../ui';
import { NowProvider, useCommand, useServices } from '../services';
import { AgentCard } from './AgentCard';
import { AgentTable, Footer, ManyNote } from './AgentTable';
import { BulkBar } from './BulkBar';
import { type ColumnId, type Sort, USUAL } from './columns';
import { FilterBar } from './FilterBar';
import { FleetBar, type FleetFilter } from './FleetBar';
import { type StandingGroup, useHeldGroups } from './order';
import { Empty, Loading, LostAfterGrace } from './states';

const NARROW = 700;
const CARD = 320;
const GAP = 12;
const ROWS = 2;
const FEWEST = 4;
const MANY = 60;

/** What a person chose, kept from one visit to the next. */
export interface Choice {
  view: 'grid' | 'table';
  group: GroupBy;
  columns: readonly ColumnId[];
  sort: Sort;
  folded: readonly string[];
  /** That the offer of the table was seen. */
  offered: boolean;
}

export const FIRST_CHOICE: Choice = {
  view: 'grid',
  group: 'attention',
  columns: USUAL,
  sort: { by: 'state', down: false },
  folded: [],
  offered: false
};

/** What commands may ask of the panel. */
export interface MissionControlHandle {
  search(text?: string): void;
  toggleView(): void;
  /** Pauses or continues the focused agent, or all that are selected. */
  togglePause(): void;
  /** Clears the selection, else the filter. */
  clear(): void;
}

export interface MissionControlProps {
  first: Choice;
  throughput: boolean;
  onChoice: (choice: Choice) => void;
  handle: React.MutableRefObject<MissionControlHandle | null>;
}

export function MissionControl(props: MissionControlProps): React.JSX.Element {
  const { store } = useServices();
  const view = useStore(store, state => state.view);
  const now = useNow(store, 1000);
  return (
    <NowProvider value={now}>
      <div className="mc">
        <LostAfterGrace />
        {view === null ? (
          <Loading />
        ) : Object.keys(view.processes).length === 0 ? (
          <Empty />
        ) : (
          <Fleet {...props} view={view} now={now} />
        )}
      </div>
    </NowProvider>
  );
}

function Fleet(
  props: MissionControlProps & { view: View; now: number }
): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { store } = useServices();
  const { view, handle, onChoice } = props;
  const status = useStore(store, state => state.connection.status);
  const [choice, setChoice] = React.useState(props.first);
  const [text, setText] = React.useState('');
  const [mark, setMark] = React.useState('');
  const [owner, setOwner] = React.useState('');
  const [pressed, setPressed] = React.useState<FleetFilter | null>(null);
  const [selected, setSelected] = React.useState<ReadonlySet<number>>(
    new Set<number>()
  );
  const [stale, setStale] = React.useState<{ sortAgain: () => void } | null>(
    null
  );
  const anchor = React.useRef<number | null>(null);
  const search = React.useRef<HTMLInputElement>(null);
  const body = React.useRef<HTMLDivElement>(null);
  const width = useWidth(body);
  const narrow = width > 0 && width < NARROW;

  const choose = React.useCallback(
    (change: Partial<Choice>) => setChoice(old => ({ ...old, ...change })),
    []
  );
  React.useEffect(() => onChoice(choice), [choice, onChoice]);

  const { processes: table, approvals: waiting } = view;
  const all = React.useMemo(() => visibleProcesses(view), [table]); // eslint-disable-line react-hooks/exhaustive-deps -- the table is all that it reads
  const approvals = React.useMemo(() => approvalsByPid(view), [waiting]); // eslint-disable-line react-hooks/exhaustive-deps -- as above
  const minute = Math.floor(props.now / 60);
  const counts = React.useMemo(
    () => countsOf(view, minute * 60),
    [table, minute] // eslint-disable-line react-hooks/exhaustive-deps -- as above
  );
  const owners = React.useMemo(
    () => [...new Set(all.map(process => process.owner))].sort(),
    [all]
  );
  const test = React.useMemo(() => parseFilter(text), [text]);
  const shown = React.useMemo(
    () =>
      all.filter(process => {
        const is = standing(process);
        if (mark && is !== mark) return false;
        if (owner && process.owner !== owner) return false;
        if (pressed) {
          if (is !== pressed) return false;
          const ended = pressed === 'done' || pressed === 'failed';
          if (ended && !isToday(process.ended_at, minute * 60)) return false;
        }
        return test(process);
      }),
    [all, mark, owner, pressed, test, minute]
  );
  const reason = [choice.group, text, mark, owner, pressed].join('\n');

  const chosen = React.useMemo(
    () =>
      [...selected]
        .map(pid => table[pid])
        .filter(
          (process): process is Process =>
            process !== undefined && process.reaped_at === null
        ),
    [selected, table]
  );
  const open = React.useCallback(
    (pid: number) => run(CommandIDs.openAgent, { pid }),
    [run]
  );
  const select = React.useCallback(
    (pid: number, range: boolean, order: readonly number[]) => {
      const from = anchor.current === null ? -1 : order.indexOf(anchor.current);
      const to = order.indexOf(pid);
      setSelected(old => {
        const next = new Set(old);
        if (range && from >= 0 && to >= 0) {
          const [low, high] = from < to ? [from, to] : [to, from];
          for (const other of order.slice(low, high + 1)) next.add(other);
        } else if (next.has(pid)) next.delete(pid);
        else next.add(pid);
        return next;
      });
      if (!range) anchor.current = pid;
    },
    []
  );
  const selectAll = React.useCallback((pids: readonly number[] | null) => {
    setSelected(new Set(pids ?? []));
  }, []);

  handle.current = {
    search: given => {
      if (given !== undefined) setText(given);
      search.current?.focus();
      search.current?.select();
    },
    toggleView: () =>
      choose({ view: choice.view === 'grid' ? 'table' : 'grid' }),
    togglePause: () => {
      const focused = Number(
        (document.activeElement as HTMLElement | null)?.dataset.pid
      );
      const process = table[focused];
      if (process) {
        run(CommandIDs.signal, {
          pid: focused,
          signal: process.state === 'STOPPED' ? 'CONT' : 'STOP'
        });
      } else if (chosen.length > 0) {
        const stopped = chosen.every(other => other.state === 'STOPPED');
        run(CommandIDs.signal, {
          pids: chosen.map(other => other.pid),
          signal: stopped ? 'CONT' : 'STOP'
        });
      }
    },
    clear: () => {
      if (selected.size > 0) setSelected(new Set());
      else {
        setText('');
        setMark('');
        setOwner('');
        setPressed(null);
      }
    }
  };

  const filtered = shown.length !== all.length;
  return (
    <>
      <FleetBar
        counts={counts}
        spend={view.spend}
        pressed={pressed}
        throughput={props.throughput}
        onPress={setPressed}
      />
      <FilterBar
        choices={{
          text,
          state: mark,
          owner,
          group: choice.group,
          view: choice.view
        }}
        owners={owners}
        search={search}
        onChange={change => {
          if (change.text !== undefined) setText(change.text);
          if (change.state !== undefined) setMark(change.state);
          if (change.owner !== undefined) setOwner(change.owner);
          if (change.group !== undefined) choose({ group: change.group });
          if (change.view !== undefined) choose({ view: change.view });
        }}
        onNew={() => run(CommandIDs.newAgent)}
      />
      <div className="mc-body" ref={body}>
        {choice.view === 'grid' && !choice.offered && all.length > MANY && (
          <ManyNote
            onTable={() => choose({ view: 'table', offered: true })}
            onClose={() => choose({ offered: true })}
          />
        )}
        {shown.length === 0 ? (
          <Nothing
            onClear={() => {
              setText('');
              setMark('');
              setOwner('');
              setPressed(null);
            }}
          />
        ) : choice.view === 'table' ? (
          <AgentTable
            processes={shown}
            approvals={approvals}
            selected={selected}
            sort={choice.sort}
            shown={choice.columns}
            narrow={narrow}
            reason={reason}
            onSort={sort => choose({ sort })}
            onShow={columns => choose({ columns })}
            onOpen={open}
            onSelect={select}
            onSelectAll={selectAll}
            onStale={setStale}
          />
        ) : (
          <Grid
            processes={shown}
            approvals={approvals}
            selected={selected}
            by={choice.group}
            reason={reason}
            width={width}
            folded={choice.folded}
            onFold={folded => choose({ folded })}
            onOpen={open}
            onSelect={select}
          />
        )}
        <BulkBar
          selected={chosen}
          processes={shown}
          onSelect={selectAll}
          onClear={() => setSelected(new Set())}
        />
      </div>
      {(choice.view === 'table' || filtered) && (
        <Footer
          count={shown.length}
          total={all.length}
          status={status}
          note={
            stale && choice.view === 'table' ? (
              <>
                {trans.__('Order changed,')}{' '}
                <button
                  type="button"
                  className="mc-linklike"
                  onClick={stale.sortAgain}
                >
                  {trans.__('sort again')}
                </button>
              </>
            ) : choice.view === 'table' && choice.sort.by === 'state' ? (
              trans.__('Sorted by who needs you, then the newest')
            ) : (
              ''
            )
          }
        />
      )}
    </>
  );
}

function Nothing(props: { onClear: () => void }): React.JSX.Element {
  const trans = useWords();
  return (
    <div className="mc-empty small">
      <p className="ae-2">{trans.__('No agent fits the filter.')}</p>
      <Button small onClick={props.onClear}>
        {trans.__('Show all')}
      </Button>
    </div>
  );
}

interface GridProps {
  processes: readonly Process[];
  approvals: ReturnType<typeof approvalsByPid>;
  selected: ReadonlySet<number>;
  by: GroupBy;
  reason: string;
  width: number;
  folded: readonly string[];
  onFold: (folded: readonly string[]) => void;
  onOpen: (pid: number) => void;
  onSelect: (pid: number, range: boolean, order: readonly number[]) => void;
}

function Grid(props: GridProps): React.JSX.Element {
  const trans = useWords();
  const area = React.useRef<HTMLDivElement>(null);
  const { by, folded, width } = props;
  const shownGroups = useHeldGroups(area, props.processes, by, props.reason);
  const [unfolded, setUnfolded] = React.useState<ReadonlySet<string>>(
    new Set<string>()
  );
  const padding = width < NARROW ? 24 : 32;
  const across = Math.max(
    1,
    Math.floor((width - padding + GAP) / (CARD + GAP))
  );
  const room = Math.max(across * ROWS, FEWEST);
  const visible = shownGroups.map(group => {
    const id = `${by}/${group.key}`;
    const whole = unfolded.has(id) || group.members.length <= room;
    return {
      id,
      group,
      folded: folded.includes(id),
      members: whole ? group.members : group.members.slice(0, room)
    };
  });
  const order = visible
    .filter(entry => !entry.folded)
    .flatMap(entry => entry.members.map(process => process.pid));
  const newest = React.useRef(order);
  newest.current = order;
  const { onSelect } = props;
  const select = React.useCallback(
    (pid: number, range: boolean) => onSelect(pid, range, newest.current),
    [onSelect]
  );
  return (
    <div
      className="mc-scroll"
      ref={area}
      onKeyDown={event => moveFocus(event, area.current)}
    >
      {visible.map(({ id, group, members, folded: isFolded }) => (
        <section
          className="mc-group"
          key={id}
          aria-label={titleOf(group, trans)}
        >
          {by !== 'none' && (
            <GroupHeading
              group={group}
              folded={isFolded}
              onFold={() =>
                props.onFold(
                  isFolded
                    ? folded.filter(other => other !== id)
                    : [...folded, id]
                )
              }
            />
          )}
          {!isFolded && (
            <>
              <div className="mc-cards">
                {members.map(process => (
                  <AgentCard
                    key={process.pid}
                    process={process}
                    approval={props.approvals.get(process.pid)}
                    selected={props.selected.has(process.pid)}
                    onOpen={props.onOpen}
                    onSelect={select}
                  />
                ))}
              </div>
              {members.length < group.members.length && (
                <button
                  type="button"
                  className="ae-btn quiet small mc-more"
                  onClick={() => setUnfolded(new Set([...unfolded, id]))}
                >
                  {trans.__(
                    'Show %1 more',
                    group.members.length - members.length
                  )}
                </button>
              )}
              {unfolded.has(id) && group.members.length > room && (
                <button
                  type="button"
                  className="ae-btn quiet small mc-more"
                  onClick={() =>
                    setUnfolded(
                      new Set([...unfolded].filter(other => other !== id))
                    )
                  }
                >
                  {trans.__('Show fewer')}
                </button>
              )}
            </>
          )}
        </section>
      ))}
    </div>
  );
}

function titleOf(
  group: StandingGroup,
  trans: ReturnType<typeof useWords>
): string {
  switch (group.kind) {
    case 'attention':
      switch (group.key) {
        case 'you':
          return standingWord('you', trans);
        case 'running':
          return standingWord('running', trans);
        case 'quiet':
          return trans.__('Waiting and stopped');
        default:
          return trans.__('Finished');
      }
    case 'parent':
      return group.key === ''
        ? trans.__('Without a parent')
        : trans.__('Children of %1', group.key);
    case 'none':
      return trans.__('Agents');
    default:
      return group.key || trans.__('none');
  }
}

function GroupHeading(props: {
  group: StandingGroup;
  folded: boolean;
  onFold: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { group, folded } = props;
  const title = titleOf(group, trans);
  const cost = group.members.reduce((sum, { cost_usd }) => sum + cost_usd, 0);
  return (
    <h2>
      <Button
        kind="quiet"
        small
        icon={folded ? 'chevronRight' : 'chevronDown'}
        label={folded ? trans.__('Show %1', title) : trans.__('Fold %1', title)}
        onClick={props.onFold}
      />
      {group.standing ? (
        <Mark standing={group.standing} word={title} />
      ) : (
        <span className="ae-b">{title}</span>
      )}
      <span className="ae-3">{group.members.length}</span>
      {group.more > 0 && (
        <span className="ae-chip on">{trans.__('%1 more', group.more)}</span>
      )}
      <span className="line" />
      <span className="ae-small ae-2">{figures.money(cost)}</span>
    </h2>
  );
}

/** Arrows go to the nearest card in their direction, across groups. */
function moveFocus(event: React.KeyboardEvent, area: HTMLElement | null): void {
  const card = event.target as HTMLElement;
  if (!area || !card.classList.contains('mc-card')) return;
  const cards = [...area.querySelectorAll<HTMLElement>('.mc-card')];
  const at = cards.indexOf(card);
  let next: HTMLElement | undefined;
  if (event.key === 'ArrowRight') next = cards[at + 1];
  else if (event.key === 'ArrowLeft') next = cards[at - 1];
  else if (event.key === 'Home') [next] = cards;
  else if (event.key === 'End') next = cards[cards.length - 1];
  else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    const from = card.getBoundingClientRect();
    const down = event.key === 'ArrowDown';
    let best = Infinity;
    for (const other of cards) {
      const to = other.getBoundingClientRect();
      const away = down ? to.top - from.top : from.top - to.top;
      if (away < 8) continue;
      const distance = away + Math.abs(to.left - from.left) * 0.5;
      if (distance < best) {
        best = distance;
        next = other;
      }
    }
  } else return;
  event.preventDefault();
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

function useWidth(element: React.RefObject<HTMLElement>): number {
  const [width, setWidth] = React.useState(0);
  React.useLayoutEffect(() => {
    const node = element.current;
    if (!node) return undefined;
    setWidth(node.clientWidth);
    const watching = new ResizeObserver(() => setWidth(node.clientWidth));
    watching.observe(node);
    return () => watching.disconnect();
  }, [element]);
  return width;
}
