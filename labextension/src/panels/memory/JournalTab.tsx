/** What an agent noted by itself as it worked, by run and time. */
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

import type { Memory } from '../../api/types';
import { Failure, figures, Icon, Patience, Skeleton, useWords } from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { useClock, useServices } from '../services';
import { type IFilter, NO_FILTER, useList } from './useMemories';
import { StepLink } from './words';

const JOURNAL: IFilter = { ...NO_FILTER, source: 'journal' };
const AHEAD = 60;

export function JournalTab(props: {
  agent: string;
  news: number;
  onMemory: (id: number) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const now = useClock();
  const { agent, onMemory } = props;
  const { pages } = useList(client, agent, JOURNAL, 'newest', props.news);
  const scroller = React.useRef<HTMLDivElement>(null);
  const items = pages?.items ?? [];
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 30,
    overscan: 12,
    getItemKey: index => items[index].id
  });
  const seen = rows.getVirtualItems();
  const last = seen.at(-1)?.index ?? 0;
  React.useEffect(() => pages?.want(last + AHEAD), [pages, last]);

  if (pages?.failure && !pages.opened) {
    return (
      <div className="mi-loading">
        <Failure tone="bad" again={() => pages.retry()}>
          {pages.failure.message}
        </Failure>
      </div>
    );
  }
  if (!pages?.opened) {
    return (
      <div className="mi-loading" aria-busy="true">
        {[60, 80, 70].map(width => (
          <Skeleton key={width} width={`${width}%`} height={14} />
        ))}
        <Patience>{trans.__('The journal is still being read.')}</Patience>
      </div>
    );
  }
  if (items.length === 0) {
    return (
      <div className="ae-empty">
        <Icon name="list" size={20} />
        <h3>{trans.__('Nothing is noted yet')}</h3>
        <p className="ae-2">
          {trans.__(
            'While it works, an agent notes by itself what tells: what failed and was mended, what a person decided, how it ended.'
          )}
        </p>
      </div>
    );
  }
  return (
    <>
      {pages.failure && (
        <div className="mi-notes">
          <Failure tone="warn" again={() => pages.retry()}>
            {trans.__('What is here stays. %1', pages.failure.message)}
          </Failure>
        </div>
      )}
      <div
        className="mi-journal"
        ref={scroller}
        role="region"
        aria-label={trans.__('Journal of %1', agent)}
        tabIndex={0}
      >
        <div className="mi-rows" style={{ height: rows.getTotalSize() }}>
          {seen.map(item => {
            const memory = items[item.index];
            const above: Memory | undefined = items[item.index - 1];
            return (
              <div
                key={item.key}
                ref={rows.measureElement}
                data-index={item.index}
                className="mi-place"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {above?.source.pid !== memory.source.pid && (
                  <h4>
                    {memory.source.pid
                      ? trans.__('Run %1', memory.source.pid)
                      : trans.__('No run')}
                  </h4>
                )}
                <div className="mi-noted">
                  <time
                    dateTime={new Date(memory.created_at * 1000).toISOString()}
                  >
                    {figures.clock(memory.created_at, now, true)}
                  </time>
                  <p>
                    {stripAnsi(memory.text)}{' '}
                    <button
                      type="button"
                      className="mi-link"
                      title={trans.__('Show it among the memories')}
                      onClick={() => onMemory(memory.id)}
                    >
                      {`#${memory.id}`}
                    </button>
                  </p>
                  {memory.source.pid ? (
                    <StepLink
                      pid={memory.source.pid}
                      step={memory.source.step}
                    />
                  ) : (
                    <span />
                  )}
                </div>
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}
