/** Memories as rows; only those on the screen cost anything, and pages are read as one scrolls. */
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

import type { Memory } from '../../api/types';
import { useWords } from '../../ui';
import { MemoryRow, WaitingRow } from './MemoryRow';
import type { IFading } from './Strength';

const ROW = 58;
/** Rows that are read ahead of those that are seen. */
const AHEAD = 100;

export interface IMemoryListProps {
  agent: string;
  /** What is read, in order; there may be more of them. */
  items: readonly Memory[];
  /** How many there are in all. */
  total: number;
  /** What is listed; another one begins at the top. */
  of: string;
  query: string;
  current: number | null;
  checked: ReadonlySet<number>;
  fading: IFading;
  now: number;
  label: string;
  onWant: (count: number) => void;
  onShow: (id: number) => void;
  onCheck: (id: number, range: boolean) => void;
  onTag: (tag: string) => void;
}

export interface IMemoryListHandle {
  /** Goes on by so many rows, shows that memory and gives it the focus. */
  move(by: number): void;
  /** To a row; to that of the memory shown, or the first, if none is named. */
  focus(row?: number): void;
  /** Whether a pointer or the focus is in it. */
  isTouched(): boolean;
}

export const MemoryList = React.forwardRef<IMemoryListHandle, IMemoryListProps>(
  function MemoryList(props, ref) {
    const trans = useWords();
    const { items, total, current, of, onWant } = props;
    const scroller = React.useRef<HTMLDivElement>(null);
    // A new function would have the places of all rows reckoned anew, at each frame of a scroll.
    const getItemKey = React.useCallback(
      (index: number) => items[index]?.id ?? -index - 1,
      [items]
    );
    const rows = useVirtualizer({
      count: total,
      getScrollElement: () => scroller.current,
      estimateSize: () => ROW,
      overscan: 6,
      getItemKey
    });
    const seen = rows.getVirtualItems();
    const first = seen[0]?.index ?? 0;
    const last = seen.at(-1)?.index ?? 0;
    React.useEffect(() => onWant(last + AHEAD), [last, onWant]);
    React.useLayoutEffect(() => {
      if (scroller.current) scroller.current.scrollTop = 0;
    }, [of]);

    // Rows are not drawn again for a new order, so what they call must find the newest.
    const latest = React.useRef(props);
    latest.current = props;
    const onShow = React.useCallback(
      (id: number) => latest.current.onShow(id),
      []
    );
    const onCheck = React.useCallback(
      (id: number, range: boolean) => latest.current.onCheck(id, range),
      []
    );
    const onTag = React.useCallback(
      (tag: string) => latest.current.onTag(tag),
      []
    );

    const at = React.useMemo(
      () =>
        current === null
          ? -1
          : items.findIndex(memory => memory.id === current),
      [items, current]
    );
    const focus = (index: number) => {
      const to = Math.max(0, Math.min(total - 1, index));
      rows.scrollToIndex(to);
      // The row is there only after the virtual list has painted.
      window.requestAnimationFrame(() =>
        window.requestAnimationFrame(() =>
          scroller.current
            ?.querySelector<HTMLElement>(`[data-row="${to}"]`)
            ?.focus({ preventScroll: true })
        )
      );
    };
    React.useImperativeHandle(ref, () => ({
      move: by => {
        const from = Number(
          scroller.current?.querySelector<HTMLElement>('[data-row]:focus')
            ?.dataset.row ?? (at < 0 ? (by > 0 ? -1 : total) : at)
        );
        const to = Math.max(0, Math.min(items.length - 1, from + by));
        if (items[to]) onShow(items[to].id);
        focus(to);
      },
      focus: row => focus(row ?? Math.max(0, at)),
      isTouched: () =>
        scroller.current?.matches(':hover, :focus-within') === true
    }));

    const onKeyDown = (event: React.KeyboardEvent<HTMLElement>) => {
      const row = event.target as HTMLElement;
      if (row.dataset.row === undefined) return;
      const index = Number(row.dataset.row);
      const page = Math.max(
        1,
        Math.floor((scroller.current?.clientHeight ?? 0) / ROW) - 1
      );
      const moves: Readonly<Record<string, number>> = {
        ArrowDown: index + 1,
        ArrowUp: index - 1,
        PageDown: index + page,
        PageUp: index - page,
        Home: 0,
        End: items.length - 1
      };
      if (event.key in moves) focus(moves[event.key]);
      else if (event.key === 'Enter') onShow(items[index].id);
      else if (event.key === ' ') onCheck(items[index].id, event.shiftKey);
      else return;
      event.preventDefault();
    };

    const tabbable = at >= first && at <= last ? at : first;
    return (
      <div
        className="mi-list"
        ref={scroller}
        role="grid"
        aria-label={props.label}
        aria-rowcount={total + 1}
        aria-multiselectable="true"
      >
        <div className="mi-thead" role="row" aria-rowindex={1}>
          <span role="columnheader">
            <span className="ae-sr">{trans.__('Selected')}</span>
          </span>
          <span role="columnheader">{trans.__('Memory')}</span>
          <span role="columnheader">{trans.__('Importance')}</span>
          <span role="columnheader">{trans.__('Strength, 60 days')}</span>
        </div>
        <div
          role="rowgroup"
          className="mi-rows"
          style={{ height: rows.getTotalSize() }}
          onKeyDown={onKeyDown}
        >
          {seen.map(item => {
            const memory = items[item.index];
            return (
              <div
                key={item.key}
                ref={rows.measureElement}
                data-index={item.index}
                role="presentation"
                className="mi-place"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {memory ? (
                  <MemoryRow
                    memory={memory}
                    agent={props.agent}
                    index={item.index}
                    query={props.query}
                    current={memory.id === current}
                    checked={props.checked.has(memory.id)}
                    tabbable={item.index === tabbable}
                    fading={props.fading}
                    now={props.now}
                    onShow={onShow}
                    onCheck={onCheck}
                    onTag={onTag}
                  />
                ) : (
                  <WaitingRow index={item.index} />
                )}
              </div>
            );
          })}
        </div>
      </div>
    );
  }
);
