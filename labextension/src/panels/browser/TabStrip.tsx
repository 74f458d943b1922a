/** The tabs of a browser. Numbers are those that the agent names them by; titles are words of pages. */
import * as React from 'react';

import { Button, Icon, neighbour, useWords } from '../../ui';
import { frontOf, type Page, type PageTab } from './news';

/** The title of a tab, or where it is. */
export function titleOf({ title, url }: PageTab): string {
  return title || (url === 'about:blank' ? '' : url);
}

export function TabStrip(props: {
  page: Page;
  /** The id of what the tabs change. */
  controls: string;
  /** A tab is begun that has no page yet. */
  fresh: boolean;
  /** Why nothing can be done. */
  disabled: string | false;
  onSelect: (number: number) => void;
  onClose: (number: number) => void;
  onNew: () => void;
}): React.JSX.Element {
  const { page, disabled, fresh } = props;
  const { tabs } = page;
  const trans = useWords();
  const front = frontOf(page);
  const strip = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    const on = strip.current?.querySelector('[aria-selected="true"]');
    on?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [front?.number, tabs.length, fresh]);
  const onKeyDown = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const focused = [...event.currentTarget.children].indexOf(
      document.activeElement as Element
    );
    const next = neighbour(event, focused, tabs.length);
    if (disabled) return;
    if (next !== null) props.onSelect(tabs[next].number);
    if (event.key === 'Delete' && tabs[focused]) {
      props.onClose(tabs[focused].number);
    }
  };
  return (
    <div className="tabs">
      <div
        ref={strip}
        className="strip"
        role="tablist"
        aria-label={trans.__('Tabs of the browser')}
        onKeyDown={onKeyDown}
        onWheel={event => {
          event.currentTarget.scrollLeft += event.deltaY;
        }}
      >
        {tabs.map(tab => {
          const { number } = tab;
          const on = tab === front && !fresh;
          const title = titleOf(tab);
          return (
            <button
              key={number}
              type="button"
              role="tab"
              aria-selected={on}
              aria-controls={props.controls}
              aria-disabled={disabled ? true : undefined}
              aria-keyshortcuts="Delete"
              tabIndex={tab === (front ?? tabs[0]) ? 0 : -1}
              title={disabled ? `${title}\n${disabled}` : title}
              onClick={() => {
                if (!disabled) props.onSelect(number);
              }}
            >
              <span className="n">{number}</span>
              <span className="ae-trunc">
                {title || trans.__('Empty page')}
              </span>
              {!disabled && (
                // For the pointer alone; the key Delete does the same.
                <span
                  className="x"
                  aria-hidden="true"
                  title={trans.__('Close tab %1 (Del)', number)}
                  onClick={event => {
                    event.stopPropagation();
                    props.onClose(number);
                  }}
                >
                  <Icon name="close" size={12} />
                </span>
              )}
            </button>
          );
        })}
        {fresh && (
          <button
            type="button"
            role="tab"
            aria-selected="true"
            aria-controls={props.controls}
            tabIndex={0}
          >
            <span className="ae-trunc">{trans.__('New tab')}</span>
          </button>
        )}
      </div>
      <Button
        kind="quiet"
        small
        icon="plus"
        label={trans.__('New tab')}
        disabled={disabled}
        onClick={props.onNew}
      />
    </div>
  );
}
