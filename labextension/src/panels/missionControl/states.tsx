/** Mission Control without agents, while loading, and without a connection. */
import * as React from 'react';

import type { ModelInfo } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import type { Connection } from '../../state/store';
import { useStore } from '../../state/useStore';
import { Button, figures, Icon, Patience, Skeleton, useWords } from '../../ui';
import { useClock, useCommand, useServices } from '../services';
import { FleetBarSkeleton } from './FleetBar';
import { whyNot } from './spawnForm';

const GRACE_MS = 2000;
const WALTZ = [10, 22, 34];

/** What a newcomer sees: one sentence, two ways on, and the model that will be used. */
export function Empty(): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  return (
    <div className="mc-empty">
      <svg width="200" height="56" viewBox="0 0 200 56" aria-hidden="true">
        <g fill="var(--ae-track)">
          {Array.from({ length: 20 }, (_, index) => {
            const height = WALTZ[index % 3];
            return (
              <rect
                key={index}
                x={index * 10}
                y={56 - height}
                width="6"
                height={height}
                rx="2"
              />
            );
          })}
        </g>
      </svg>
      <h2>{trans.__('No agents yet')}</h2>
      <p className="ae-2">
        {trans.__(
          'An agent is a process: it gets a goal, works in a sandbox, and stops at the limits you set.'
        )}
      </p>
      <div className="mc-ways">
        <button
          type="button"
          className="mc-way"
          onClick={() => run(CommandIDs.newAgent)}
        >
          <Icon name="plus" size={20} />
          <b>{trans.__('Start from a template')}</b>
          <span>
            {trans.__(
              'Or from nothing: you see model, sandbox and budget first.'
            )}
          </span>
          <Titles />
        </button>
        <button
          type="button"
          className="mc-way"
          onClick={() => run(CommandIDs.openTutorial)}
        >
          <Icon name="notebook" size={20} />
          <b>{trans.__('Start in a notebook')}</b>
          <span>
            {trans.__(
              'Write a goal in a cell and watch the agent work under it.'
            )}
          </span>
          <code>
            %%agent
            <br />
            {trans.__('Profile data/orders.csv')}
          </code>
        </button>
      </div>
      <ModelLine />
    </div>
  );
}

/** Two of the templates, of different kinds. */
function Titles(): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const [titles, setTitles] = React.useState<readonly string[]>([]);
  React.useEffect(() => {
    let gone = false;
    client
      .templates()
      .then(({ templates }) => {
        const kinds = new Map(templates.map(one => [one.category, one.title]));
        if (!gone) setTitles([...kinds.values()].slice(0, 2));
      })
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [client]);
  return (
    <em>
      {titles.length
        ? titles.map(title => (
            <React.Fragment key={title}>
              {title}
              <br />
            </React.Fragment>
          ))
        : trans.__('Find why tests/upload fails, and fix it')}
    </em>
  );
}

/** Which model new agents will use, and whether it is ready. */
function ModelLine(): React.JSX.Element | null {
  const trans = useWords();
  const { client } = useServices();
  const [model, setModel] = React.useState<ModelInfo | string | null>(null);
  React.useEffect(() => {
    let gone = false;
    client
      .models()
      .then(({ models, default: id }) => {
        if (gone) return;
        setModel(models.find(known => known.id === id) ?? id);
      })
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [client]);
  if (model === null) return <p className="ae-small ae-2">&nbsp;</p>;
  if (typeof model === 'string') {
    return (
      <p className="ae-small ae-2">
        {/^auto(:|$)/.test(model)
          ? trans.__('The server chooses a model for each task.')
          : model
            ? trans.__('Agents use %1.', model)
            : trans.__(
                'No model is set up. Set a provider’s key for the server, or choose a model for each agent.'
              )}
      </p>
    );
  }
  return (
    <p className="ae-small ae-2">
      {model.available.ok
        ? trans.__('Agents use %1.', model.label || model.id)
        : `${trans.__('%1 is not ready here.', model.label || model.id)} ${whyNot(model.available)}`}
    </p>
  );
}

/** The final layout in grey. */
export function Loading(): React.JSX.Element {
  const trans = useWords();
  return (
    <>
      <FleetBarSkeleton />
      <section className="mc-bar" aria-hidden="true">
        <Skeleton width={340} height={28} />
      </section>
      <div
        className="mc-scroll"
        aria-busy="true"
        aria-label={trans.__('Loading')}
      >
        <div className="mc-cards">
          {Array.from({ length: 8 }, (_, index) => (
            <article className="mc-card sk" key={index} aria-hidden="true">
              <Skeleton width="60%" height={14} />
              <Skeleton width="80%" height={10} />
              <Skeleton height={48} />
              <Skeleton height={16} />
              <Skeleton width="70%" height={10} />
            </article>
          ))}
        </div>
        <Patience>
          {trans.__(
            'The server takes its time with the first answer. Agents work on meanwhile.'
          )}
        </Patience>
      </div>
    </>
  );
}

/** Says that there is no connection, from when the page is, and offers to try at once. */
function Lost(props: { connection: Connection }): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const now = useClock();
  const { connection } = props;
  const { lastNewsAt, retryAt, detail } = connection;
  const left =
    retryAt === null
      ? 0
      : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  return (
    <div className="mc-lost ae-note warn" role="status">
      <Icon name="error" size={14} />
      <div className="ae-grow">
        <b>{trans.__('No connection to the server')}</b>
        <p>
          {detail ||
            (lastNewsAt === null
              ? trans.__('Nothing was heard of it yet.')
              : trans.__(
                  'Agents go on without this page. What you see is from %1.',
                  figures.clock(lastNewsAt / 1000, now)
                ))}
        </p>
      </div>
      <Button small onClick={() => store.retry()}>
        {left > 0 ? trans.__('Try now (%1 s)', left) : trans.__('Try now')}
      </Button>
    </div>
  );
}

/** A connection that comes back within two seconds was never worth a word. */
export function LostAfterGrace(): React.JSX.Element | null {
  const { store } = useServices();
  const connection = useStore(store, state => state.connection);
  const lost = connection.status === 'lost';
  const [told, setTold] = React.useState(false);
  React.useEffect(() => {
    if (!lost) {
      setTold(false);
      return undefined;
    }
    const timer = window.setTimeout(() => setTold(true), GRACE_MS);
    return () => window.clearTimeout(timer);
  }, [lost]);
  return told && lost ? <Lost connection={connection} /> : null;
}
