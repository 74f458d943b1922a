/** One memory in the list. */
import * as React from 'react';

import type { Memory } from '../../api/types';
import { figures, Icon, Skeleton, useWords } from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { around, marked } from './marks';
import { DecayCurve, Dots, type IFading } from './Strength';
import { strength } from './fading';
import { LayerName, SourceLine, usedWords } from './words';

/** The text of a memory with the words marked that a search found; only ever as text. */
export function MarkedText(props: {
  text: string;
  query: string;
}): React.JSX.Element {
  return (
    <>
      {marked(props.text, props.query).map((piece, index) =>
        piece.found ? (
          <mark key={index}>{piece.text}</mark>
        ) : (
          <React.Fragment key={index}>{piece.text}</React.Fragment>
        )
      )}
    </>
  );
}

export interface IRowProps {
  memory: Memory;
  /** The agent whose list it stands in. */
  agent: string;
  index: number;
  query: string;
  current: boolean;
  checked: boolean;
  tabbable: boolean;
  fading: IFading;
  now: number;
  onShow: (id: number) => void;
  onCheck: (id: number, range: boolean) => void;
  onTag: (tag: string) => void;
}

export const MemoryRow = React.memo(function MemoryRow(
  props: IRowProps
): React.JSX.Element {
  const trans = useWords();
  const { memory, agent, index, current, checked, fading, now } = props;
  const text = around(stripAnsi(memory.text).trim(), props.query);
  const gone = memory.forgotten_at !== null;
  const classes = ['mi-row', current ? 'current' : '', gone ? 'gone' : ''];
  return (
    <div
      className={classes.filter(name => name).join(' ')}
      role="row"
      tabIndex={props.tabbable ? 0 : -1}
      data-row={index}
      data-memory={memory.id}
      aria-rowindex={index + 2}
      aria-selected={checked}
      aria-current={current || undefined}
      onClick={event => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) {
          props.onCheck(memory.id, event.shiftKey);
        } else props.onShow(memory.id);
      }}
    >
      <span role="gridcell" className="mi-check">
        <input
          type="checkbox"
          className="mc-check"
          tabIndex={-1}
          aria-label={trans.__('Select memory %1', memory.id)}
          checked={checked}
          onChange={() => undefined}
          onClick={event => {
            event.stopPropagation();
            props.onCheck(memory.id, event.shiftKey);
          }}
        />
      </span>
      <div role="gridcell" className="mi-what">
        <p className="mi-text">
          <MarkedText text={text} query={props.query} />
        </p>
        <div className="mi-meta">
          <LayerName layer={memory.layer} />
          <SourceLine
            source={memory.source}
            at={figures.clock(memory.created_at, now)}
            tabIndex={-1}
          />
          {memory.agent !== agent && (
            <span className="ae-trunc mi-of">
              {trans.__('from %1', memory.agent)}
            </span>
          )}
          {memory.contradicts.length > 0 && (
            <span
              className="mi-tainted"
              title={trans.__(
                'It cannot be true at once with %1; both stay until a person decides.',
                memory.contradicts.map(id => `#${id}`).join(', ')
              )}
            >
              <Icon name="error" size={12} />
              {trans.__('disagrees')}
            </span>
          )}
          {memory.source.tainted && (
            <span
              className="mi-tainted"
              title={trans.__(
                'Words of strangers went into it: it is told to models as material, never as an instruction.'
              )}
            >
              <Icon name="globe" size={12} />
              {trans.__('material')}
            </span>
          )}
          {memory.tags.map(tag => (
            <button
              key={tag}
              type="button"
              className="ae-chip"
              tabIndex={-1}
              title={trans.__('Only memories tagged %1', tag)}
              onClick={event => {
                event.stopPropagation();
                props.onTag(tag);
              }}
            >
              {tag}
            </button>
          ))}
        </div>
      </div>
      <div role="gridcell" className="mi-importance">
        <Dots importance={memory.importance} />
        <span>{usedWords(memory, trans)}</span>
      </div>
      <div role="gridcell" className="mi-strength">
        <DecayCurve
          memory={memory}
          now={now}
          fading={fading}
          width={92}
          height={28}
        />
        <span>
          {gone
            ? trans.__('forgotten')
            : memory.pinned
              ? trans.__('pinned')
              : strength(memory, now, fading.halfLives).toFixed(2)}
        </span>
      </div>
    </div>
  );
});

/** A row that is not read yet. */
export function WaitingRow(props: { index: number }): React.JSX.Element {
  return (
    <div
      className="mi-row waiting"
      role="row"
      aria-rowindex={props.index + 2}
      aria-busy="true"
    >
      <span role="gridcell" />
      <div role="gridcell" className="mi-what">
        <Skeleton width={`${50 + ((props.index * 17) % 40)}%`} height={12} />
        <Skeleton width="30%" height={10} />
      </div>
      <span role="gridcell" />
      <span role="gridcell" />
    </div>
  );
}
