/** Many agents as rows; only those on the screen cost anything. The order holds still until a person sorts. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

import type { Approval, Process } from '../../api/types';
import { standing } from '../../state/selectors';
import {
  Button,
  figures,
  Icon,
  type IMenuItem,
  Mark,
  Menu,
  standingWord,
  StateMark,
  useWords
} from '../../ui';
import { useServices } from '../services';
import {
  ALWAYS,
  type Column,
  type ColumnId,
  columns as allColumns,
  leastWidth,
  type Sort,
  sorted,
  USUAL
} from './columns';
import { now as nowLine } from './voice';

const ROW = 28;
const NARROW_ROW = 47;

export interface TableProps {
  processes: readonly Process[];
  approvals: ReadonlyMap<number, Approval>;
  selected: ReadonlySet<number>;
  sort: Sort;
  shown: readonly ColumnId[];
  narrow: boolean;
  /** What the filter is; another one orders anew. */
  reason: string;
  onSort: (sort: Sort) => void;
  onShow: (columns: readonly ColumnId[]) => void;
  onOpen: (pid: number) => void;
  onSelect: (pid: number, range: boolean, order: readonly number[]) => void;
  onSelectAll: (pids: readonly number[] | null) => void;
  onStale: (stale: { sortAgain: () => void } | null) => void;
}

export function AgentTable(props: TableProps): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const { processes, sort, shown, narrow, onStale } = props;
  const every = React.useMemo(() => allColumns(trans), [trans]);
  const columns = every.filter(column => shown.includes(column.id));
  const known = new Map(processes.map(process => [process.pid, process]));
  const at = store.now();

  // The order is what it was at the last sort or filter; who came since stands at the end.
  const held = React.useRef<{ key: string; pids: number[] }>({
    key: '',
    pids: []
  });
  const [again, setAgain] = React.useState(0);
  const key = `${sort.by} ${sort.down} ${props.reason} ${again}`;
  const fresh = sorted(processes, sort, every, at);
  if (held.current.key !== key) held.current = { key, pids: fresh };
  const placed = new Set(held.current.pids);
  const order = [
    ...held.current.pids.filter(pid => known.has(pid)),
    ...fresh.filter(pid => !placed.has(pid))
  ];
  const stale = order.some((pid, index) => pid !== fresh[index]);
  React.useEffect(() => {
    onStale(stale ? { sortAgain: () => setAgain(count => count + 1) } : null);
  }, [stale, onStale]);
  React.useEffect(() => () => onStale(null), [onStale]);

  const scroller = React.useRef<HTMLDivElement>(null);
  const height = narrow ? NARROW_ROW : ROW;
  const rows = useVirtualizer({
    count: order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 8,
    getItemKey: index => order[index]
  });
  React.useEffect(() => rows.measure(), [rows, height]);

  // Rows are not drawn again for a new order, so what they call must find the newest.
  const current = React.useRef({ order, props });
  current.current = { order, props };
  const select = React.useCallback((pid: number, range: boolean) => {
    const { order: newest, props: latest } = current.current;
    latest.onSelect(pid, range, newest);
  }, []);
  const open = React.useCallback(
    (pid: number) => current.current.props.onOpen(pid),
    []
  );

  const focus = (index: number) => {
    const to = Math.max(0, Math.min(order.length - 1, index));
    rows.scrollToIndex(to);
    window.requestAnimationFrame(() => {
      scroller.current
        ?.querySelector<HTMLElement>(`[data-index="${to}"]`)
        ?.focus();
    });
  };
  const onRowKey = (event: React.KeyboardEvent<HTMLElement>) => {
    const row = event.target as HTMLElement;
    if (row.dataset.index === undefined) return;
    const index = Number(row.dataset.index);
    const pid = order[index];
    const page = Math.max(
      1,
      Math.floor((scroller.current?.clientHeight ?? 0) / height) - 2
    );
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: order.length - 1
    };
    if (event.key in moves) focus(moves[event.key]);
    else if (event.key === 'Enter') open(pid);
    else if (event.key === ' ') select(pid, event.shiftKey);
    else return;
    event.preventDefault();
  };

  const template = `32px ${columns.map(column => column.width).join(' ')} 28px`;
  const chosen = order.filter(pid => props.selected.has(pid)).length;
  const items = rows.getVirtualItems();
  const first = items[0]?.index ?? 0;
  return (
    <div
      className={narrow ? 'mc-table narrow' : 'mc-table'}
      ref={scroller}
      role="grid"
      aria-label={trans.__('Agents')}
      aria-rowcount={order.length + 1}
      aria-multiselectable="true"
      style={
        {
          '--mc-columns': template,
          '--mc-least': `${leastWidth(columns)}px`
        } as React.CSSProperties
      }
    >
      {!narrow && (
        <div className="mc-thead" role="row">
          <span role="columnheader" className="mc-cell check">
            <input
              type="checkbox"
              className="mc-check"
              aria-label={trans.__('Select all')}
              checked={chosen > 0 && chosen === order.length}
              ref={element => {
                if (element) {
                  element.indeterminate = chosen > 0 && chosen < order.length;
                }
              }}
              onChange={() =>
                props.onSelectAll(chosen === order.length ? null : order)
              }
            />
          </span>
          {columns.map(column => (
            <Heading
              key={column.id}
              column={column}
              sort={sort}
              onSort={next => {
                props.onSort(next);
                setAgain(count => count + 1);
              }}
            />
          ))}
          <span role="columnheader" className="mc-cell">
            <Menu
              icon="settings"
              label={trans.__('Columns')}
              items={columnItems(every, shown, props.onShow, trans)}
            />
          </span>
        </div>
      )}
      <div
        className="mc-tbody"
        role="rowgroup"
        style={{ height: rows.getTotalSize() }}
        onKeyDown={onRowKey}
      >
        <div style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
          {items.map(item => {
            const process = known.get(order[item.index]);
            if (!process) return null;
            const Line = narrow ? NarrowRow : WideRow;
            return (
              <Line
                key={process.pid}
                process={process}
                approval={props.approvals.get(process.pid)}
                columns={columns}
                index={item.index}
                tabbable={item.index === first}
                selected={props.selected.has(process.pid)}
                onOpen={open}
                onSelect={select}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function columnItems(
  every: readonly Column[],
  shown: readonly ColumnId[],
  onShow: (columns: readonly ColumnId[]) => void,
  trans: TranslationBundle
): IMenuItem[] {
  const items: IMenuItem[] = every
    .filter(column => !ALWAYS.has(column.id))
    .map(({ id, label }) => ({
      label,
      icon: shown.includes(id) ? 'check' : undefined,
      onSelect: () =>
        onShow(
          shown.includes(id)
            ? shown.filter(other => other !== id)
            : every
                .map(other => other.id)
                .filter(other => other === id || shown.includes(other))
        )
    }));
  items.push({
    label: trans.__('The usual ones'),
    separated: true,
    onSelect: () => onShow(USUAL)
  });
  return items;
}

function Heading(props: {
  column: Column;
  sort: Sort;
  onSort: (sort: Sort) => void;
}): React.JSX.Element {
  const { column, sort } = props;
  const on = sort.by === column.id;
  return (
    <span
      role="columnheader"
      className={column.number ? 'mc-cell ae-num' : 'mc-cell'}
      aria-sort={on ? (sort.down ? 'descending' : 'ascending') : undefined}
    >
      {column.compare ? (
        <button
          type="button"
          onClick={() =>
            props.onSort({
              by: column.id,
              down: on ? !sort.down : column.number === true
            })
          }
        >
          {column.label}
          {on && (
            <Icon name={sort.down ? 'chevronDown' : 'chevronUp'} size={12} />
          )}
        </button>
      ) : (
        column.label
      )}
    </span>
  );
}

interface RowProps {
  process: Process;
  approval: Approval | undefined;
  columns: readonly Column[];
  index: number;
  tabbable: boolean;
  selected: boolean;
  onOpen: (pid: number) => void;
  onSelect: (pid: number, range: boolean) => void;
}

/** Whether a row would look the same; its callbacks read what is current through refs. */
function same(a: RowProps, b: RowProps): boolean {
  return (
    a.process === b.process &&
    a.approval === b.approval &&
    a.selected === b.selected &&
    a.index === b.index &&
    a.tabbable === b.tabbable &&
    a.columns.length === b.columns.length &&
    a.columns.every((column, index) => column.id === b.columns[index].id)
  );
}

const WideRow = React.memo(function WideRow(
  props: RowProps
): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const { process, selected } = props;
  const row = {
    process,
    approval: props.approval,
    trans,
    at: store.now()
  };
  return (
    <div
      className={`mc-row ${standing(process)} ${selected ? 'selected' : ''}`}
      role="row"
      tabIndex={props.tabbable ? 0 : -1}
      data-index={props.index}
      data-pid={process.pid}
      aria-rowindex={props.index + 2}
      aria-selected={selected}
      onDoubleClick={() => props.onOpen(process.pid)}
      onClick={event => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) {
          props.onSelect(process.pid, event.shiftKey);
        }
      }}
    >
      <span className="mc-cell check" role="gridcell">
        <input
          type="checkbox"
          className="mc-check"
          tabIndex={-1}
          aria-label={trans.__('Select %1', process.name)}
          checked={selected}
          onChange={() => undefined}
          onClick={event => {
            event.stopPropagation();
            props.onSelect(process.pid, event.shiftKey);
          }}
        />
      </span>
      {props.columns.map(column => {
        const content = column.render(row);
        return (
          <span
            key={column.id}
            role="gridcell"
            className={`mc-cell ae-trunc ${column.number ? 'ae-num' : ''} ${column.className ?? ''}`}
            title={typeof content === 'string' ? content : undefined}
          >
            {column.id === 'name' ? (
              <a
                role="link"
                tabIndex={-1}
                onClick={() => props.onOpen(process.pid)}
              >
                {content}
              </a>
            ) : (
              content
            )}
          </span>
        );
      })}
      <span role="gridcell" />
    </div>
  );
}, same);

const NarrowRow = React.memo(function NarrowRow(
  props: RowProps
): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const { process, selected } = props;
  const mark = standing(process);
  return (
    <div
      className={`mc-row two ${mark} ${selected ? 'selected' : ''}`}
      role="row"
      tabIndex={props.tabbable ? 0 : -1}
      data-index={props.index}
      data-pid={process.pid}
      aria-rowindex={props.index + 2}
      aria-selected={selected}
      onClick={() => props.onOpen(process.pid)}
    >
      <span role="gridcell">
        <StateMark process={process} quiet />
      </span>
      <span role="gridcell" className="ae-grow">
        <span className="ae-row">
          <b className="ae-trunc">{process.name}</b>
          <span className="mc-pid">{process.pid}</span>
        </span>
        <span className="ae-small ae-2 ae-trunc mc-line">
          <b className={`w-${mark}`}>{standingWord(mark, trans)}</b>{' '}
          {nowLine(process, props.approval, trans, store.now())}
        </span>
      </span>
      <span role="gridcell" className="mc-right">
        <b>{figures.money(process.cost_usd, process.cost_known)}</b>
        <span className="ae-small ae-2">
          {figures.steps(process.step, process.limits.steps)}
        </span>
      </span>
    </div>
  );
}, same);

/** What stands below: how many, in what order, and whether the page is up to date. */
export function Footer(props: {
  count: number;
  total: number;
  note: React.ReactNode;
  status: 'connecting' | 'live' | 'lost';
}): React.JSX.Element {
  const trans = useWords();
  const { count, total } = props;
  return (
    <footer className="mc-foot">
      <span>
        {count === total
          ? trans._n('%1 agent', '%1 agents', total)
          : trans.__('%1 of %2 agents', count, total)}
      </span>
      <span className="ae-trunc">{props.note}</span>
      <span className="ae-grow" />
      {props.status === 'live' ? (
        <span className="ae-row mc-live">
          <Icon name="action" size={12} />
          {trans.__('Live')}
        </span>
      ) : (
        <span className="ae-row mc-live">
          <Icon name="error" size={12} />
          {trans.__('Not connected')}
        </span>
      )}
    </footer>
  );
}

/** Offers the table once, when there are so many that cards hide more than they show. */
export function ManyNote(props: {
  onTable: () => void;
  onClose: () => void;
}): React.JSX.Element {
  const trans = useWords();
  return (
    <div className="mc-many ae-note run">
      <Mark standing="running" quiet />
      <span className="ae-grow">
        {trans.__('With so many agents a table shows more at once.')}
      </span>
      <Button small onClick={props.onTable}>
        {trans.__('Show the table')}
      </Button>
      <Button
        kind="quiet"
        small
        icon="close"
        label={trans.__('Keep the grid')}
        onClick={props.onClose}
      />
    </div>
  );
}
