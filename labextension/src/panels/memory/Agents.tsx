/** Whose memories there are, and how much room is left. In a narrow place one chooser stands for the list. */
import * as React from 'react';

import type { MemorySpace, Process, SpaceList } from '../../api/types';
import {
  Failure,
  Icon,
  Meter,
  Patience,
  Skeleton,
  StateMark,
  useWords
} from '../../ui';
import { LAYERS } from './words';

/** How many memories a space holds. */
export function sizeOf(space: MemorySpace | null | undefined): number {
  return LAYERS.reduce((sum, layer) => sum + (space?.layers[layer] ?? 0), 0);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function Agents(props: {
  spaces: SpaceList | null;
  failure: Error | null;
  /** The runs under each memory's name, the newest first. */
  runs: ReadonlyMap<string, readonly Process[]>;
  selected: string;
  onSelect: (agent: string) => void;
  onRetry: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { spaces, runs, selected } = props;
  const [find, setFind] = React.useState('');
  const [order, setOrder] = React.useState<readonly string[]>([]);
  const known = React.useMemo(
    () => new Map((spaces?.spaces ?? []).map(space => [space.agent, space])),
    [spaces]
  );
  // Whoever is there keeps the place: nothing moves because an agent remembered something.
  React.useEffect(() => {
    setOrder(before => {
      const kept = before.filter(agent => known.has(agent));
      const placed = new Set(kept);
      const fresh = [...known.keys()].filter(agent => !placed.has(agent));
      return before.length === 0 ? fresh : [...kept, ...fresh];
    });
  }, [known]);
  const names = known.has(selected) || !selected ? order : [selected, ...order];
  const wanted = find.trim().toLowerCase();
  const shown = names.filter(agent => agent.toLowerCase().includes(wanted));
  const granted = (spaces?.spaces ?? []).filter(space =>
    space.readers.includes(selected)
  );
  const space = known.get(selected);

  const item = (agent: string) => {
    const process = runs.get(agent)?.[0];
    return (
      <li key={agent}>
        <button
          type="button"
          className={agent === selected ? 'on' : undefined}
          aria-current={agent === selected || undefined}
          title={agent}
          onClick={() => props.onSelect(agent)}
        >
          {process ? (
            <StateMark process={process} quiet />
          ) : (
            <Icon name="layers" size={14} />
          )}
          <span className="ae-grow ae-trunc">{agent}</span>
          <span className="ae-small ae-2">
            {count(sizeOf(known.get(agent)))}
          </span>
        </button>
      </li>
    );
  };
  return (
    <>
      <div className="mi-chooser only-n">
        <label className="ae-select">
          <Icon name="layers" size={14} />
          <select
            value={selected}
            aria-label={trans.__('Agent')}
            onChange={event => props.onSelect(event.currentTarget.value)}
          >
            {names.map(agent => (
              <option key={agent} value={agent}>
                {trans._n(
                  '%2, %1 memory',
                  '%2, %1 memories',
                  sizeOf(known.get(agent)),
                  agent
                )}
              </option>
            ))}
          </select>
        </label>
      </div>
      <nav className="mi-agents" aria-label={trans.__('Agents that remember')}>
        <label className="ae-field" data-lm-suppress-shortcuts="true">
          <Icon name="search" size={14} />
          <input
            value={find}
            aria-label={trans.__('Find an agent')}
            placeholder={trans.__('Find an agent')}
            onChange={event => setFind(event.currentTarget.value)}
            onKeyDown={event => {
              if (event.key === 'Escape') {
                setFind('');
                event.currentTarget.blur();
              } else if (event.key === 'Enter' && shown[0]) {
                props.onSelect(shown[0]);
              }
            }}
          />
        </label>
        <div className="mi-names">
          {!spaces && !props.failure && (
            <>
              {[70, 50, 60, 40].map(width => (
                <p key={width} className="mi-name-sk">
                  <Skeleton height={12} width={`${width}%`} />
                </p>
              ))}
              <Patience>
                {trans.__('The server takes its time with the first answer.')}
              </Patience>
            </>
          )}
          {props.failure && (
            <Failure tone={spaces ? 'warn' : 'bad'} again={props.onRetry}>
              {props.failure.message}
            </Failure>
          )}
          <ul>{shown.map(item)}</ul>
          {spaces && shown.length === 0 && names.length > 0 && (
            <p className="ae-small ae-2 mi-none">
              {trans.__('No agent of that name remembers anything.')}
            </p>
          )}
          {granted.length > 0 && (
            <>
              <h3>{trans.__('Shared with %1', selected)}</h3>
              <ul>
                {granted.map(each => (
                  <li key={each.agent}>
                    <button
                      type="button"
                      title={each.agent}
                      onClick={() => props.onSelect(each.agent)}
                    >
                      <Icon name="people" size={14} />
                      <span className="ae-grow ae-trunc">{each.agent}</span>
                      <span className="ae-small ae-2">
                        {count(sizeOf(each))}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
        {spaces && space && <Room space={space} limit={spaces.limit} />}
      </nav>
    </>
  );
}

/** Each layer has its own limit; the fullest one is what matters. */
function Room(props: { space: MemorySpace; limit: number }): React.JSX.Element {
  const trans = useWords();
  const { space, limit } = props;
  const size = sizeOf(space);
  const most = limit * LAYERS.length;
  const fullest = Math.max(...LAYERS.map(layer => space.layers[layer] ?? 0));
  const near = fullest >= limit * 0.9;
  return (
    <div className="mi-room">
      <p className="ae-row">
        <span>{trans.__('Room')}</span>
        <span className="ae-grow" />
        <b>{count(size)}</b>
        <span className="ae-2">{trans.__('of %1', count(most))}</span>
      </p>
      <Meter
        used={near ? fullest : size}
        limit={near ? limit : most}
        tone="run"
        label={trans.__('Room for memories')}
      />
      <p className="ae-small ae-2">
        {near
          ? trans.__(
              'A layer holds %1 of %2: its weakest unpinned memories go first.',
              count(fullest),
              count(limit)
            )
          : trans.__('Weakest unpinned memories go first.')}
      </p>
    </div>
  );
}
