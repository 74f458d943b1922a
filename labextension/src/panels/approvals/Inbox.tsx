/** The approvals inbox: what waits for this person, what was decided, and the standing rules. */
import * as React from 'react';

import type {
  Approval,
  ApprovalRule,
  Decision,
  JournalRecord
} from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { decide } from '../../state/deciding';
import { standing } from '../../state/selectors';
import type { IAetherStore } from '../../state/store';
import { useNow, useStore, useView } from '../../state/useStore';
import {
  ApprovalForm,
  Button,
  figures,
  Icon,
  Mark,
  Menu,
  Note,
  Patience,
  Skeleton,
  Tabs,
  useVerdict,
  useWords
} from '../../ui';
import { useCommand, useServices } from '../services';
import { GONE_S, leave, next, NOTHING, type Shown, take } from './arrivals';

type Tab = 'waiting' | 'decided' | 'rules';
const KEYS = 'aether-jupyter:inbox-keys';
const NO_APPROVALS: Readonly<Record<string, Approval>> = {};

export function Inbox(props: {
  /** The approval that somebody asked to see, with a number that changes with each asking. */
  asked: { id: string; turn: number } | null;
  onNotify: (() => void) | null;
  onSettings: (() => void) | null;
}): React.JSX.Element {
  const trans = useWords();
  const { client, store } = useServices();
  const [tab, setTab] = React.useState<Tab>('waiting');
  const [keys, setKeys] = React.useState(
    () => window.localStorage.getItem(KEYS) !== 'off'
  );
  const waiting = useView(store, view => Object.keys(view.approvals).length);
  const rules = useTurning(store, () => client.rules());
  const { asked } = props;
  React.useEffect(() => {
    if (asked) setTab('waiting');
  }, [asked]);
  const showKeys = (on: boolean) => {
    setKeys(on);
    window.localStorage.setItem(KEYS, on ? 'on' : 'off');
  };
  const panel = React.useId();
  return (
    <>
      <header className="ph">
        <h2>{trans.__('Approvals')}</h2>
        <span className="ae-grow" />
        {props.onSettings && (
          <Button
            kind="quiet"
            small
            icon="bell"
            label={trans.__('Notification settings')}
            onClick={props.onSettings}
          />
        )}
        <Menu
          label={trans.__('More')}
          items={[
            {
              label: keys
                ? trans.__('Hide the keys')
                : trans.__('Show the keys'),
              onSelect: () => showKeys(!keys)
            }
          ]}
        />
      </header>
      <Tabs<Tab>
        className="pt"
        label={trans.__('Approvals')}
        controls={panel}
        selected={tab}
        onSelect={setTab}
        tabs={[
          {
            id: 'waiting',
            label: trans.__('Waiting'),
            count: waiting ?? 0,
            asks: true
          },
          { id: 'decided', label: trans.__('Decided') },
          {
            id: 'rules',
            label: trans.__('Rules'),
            count: rules.value?.length ?? 0
          }
        ]}
      />
      {tab === 'waiting' && (
        <Waiting id={panel} asked={asked} onNotify={props.onNotify} />
      )}
      {tab === 'decided' && <DecidedList id={panel} />}
      {tab === 'rules' && <Rules id={panel} rules={rules} />}
      {tab === 'waiting' && keys && Boolean(waiting) && (
        <footer className="keys">
          <span>
            <kbd className="ae-kbd">J</kbd> <kbd className="ae-kbd">K</kbd>{' '}
            {trans.__('move')}
          </span>
          <span>
            <kbd className="ae-kbd">A</kbd> {trans.__('approve')}
          </span>
          <span>
            <kbd className="ae-kbd">E</kbd> {trans.__('edit')}
          </span>
          <span>
            <kbd className="ae-kbd">R</kbd> {trans.__('refuse')}
          </span>
        </footer>
      )}
    </>
  );
}

interface IAnswer<T> {
  readonly value: T | null;
  readonly failure: string;
  readonly again: () => void;
}

/** What a call answers, asked again whenever somebody decides. */
function useTurning<T>(store: IAetherStore, ask: () => Promise<T>): IAnswer<T> {
  const [answer, setAnswer] = React.useState<{
    value: T | null;
    failure: string;
  }>({ value: null, failure: '' });
  const [turn, setTurn] = React.useState(0);
  const latest = React.useRef(ask);
  latest.current = ask;
  React.useEffect(() => {
    let timer = 0;
    const onRecords = (
      _: IAetherStore,
      records: readonly JournalRecord[]
    ): void => {
      if (
        records.some(
          ({ event }) =>
            event.type === 'approval.decided' ||
            event.type === 'approval.closed'
        )
      ) {
        window.clearTimeout(timer);
        timer = window.setTimeout(() => setTurn(count => count + 1), 300);
      }
    };
    store.recordsArrived.connect(onRecords);
    return () => {
      window.clearTimeout(timer);
      store.recordsArrived.disconnect(onRecords);
    };
  }, [store]);
  React.useEffect(() => {
    let stale = false;
    latest.current().then(
      value => {
        if (!stale) setAnswer({ value, failure: '' });
      },
      (error: unknown) => {
        if (stale) return;
        const failure = error instanceof Error ? error.message : String(error);
        setAnswer(before => ({ ...before, failure }));
      }
    );
    return () => {
      stale = true;
    };
  }, [turn]);
  return {
    ...answer,
    again: React.useCallback(() => setTurn(count => count + 1), [])
  };
}

function Waiting(props: {
  id: string;
  asked: { id: string; turn: number } | null;
  onNotify: (() => void) | null;
}): React.JSX.Element {
  const trans = useWords();
  const { client, store } = useServices();
  const run = useCommand();
  const waiting = useView(store, view => view.approvals);
  const me = useView(store, view => view.user) ?? '';
  const working = useView(
    store,
    view =>
      Object.values(view.processes).filter(
        process => standing(process) === 'running'
      ).length
  );
  const now = useNow(store, 1000);
  const list = React.useRef<HTMLDivElement>(null);
  const looking = React.useRef(false);
  const [shown, setShown] = React.useState<Shown>(NOTHING);
  const known = React.useRef(new Map<string, Approval>());
  for (const approval of Object.values(waiting ?? NO_APPROVALS)) {
    known.current.set(approval.id, approval);
  }

  React.useEffect(() => {
    if (!waiting) return;
    const busy =
      looking.current ||
      Boolean(list.current?.contains(document.activeElement));
    setShown(before => next(before, waiting, store.now(), busy));
  }, [waiting, store, now]);

  React.useEffect(() => {
    // Heard before the paint that takes the card away, so that its line can say who decided.
    const onRecords = (
      _: IAetherStore,
      records: readonly JournalRecord[]
    ): void => {
      for (const { event } of records) {
        if (
          event.type !== 'approval.decided' &&
          event.type !== 'approval.closed'
        ) {
          continue;
        }
        const approval = known.current.get(event.approval_id);
        if (!approval) continue;
        setShown(before =>
          leave(before, {
            approval,
            decision: event.type === 'approval.decided' ? event.decision : null,
            closed: event.type === 'approval.closed' ? event.why : '',
            until: store.now() + GONE_S
          })
        );
      }
    };
    store.recordsArrived.connect(onRecords);
    return () => {
      store.recordsArrived.disconnect(onRecords);
    };
  }, [store]);

  const { asked } = props;
  const askedFor = React.useRef<typeof asked>(null);
  React.useEffect(() => {
    if (!asked || askedFor.current === asked) return;
    if (shown.arrived.includes(asked.id)) {
      setShown(take);
      return;
    }
    const card = list.current?.querySelector<HTMLElement>(
      `[data-approval="${CSS.escape(asked.id)}"]`
    );
    if (card) {
      askedFor.current = asked;
      card.scrollIntoView({ block: 'nearest' });
      card.focus({ preventScroll: true });
    }
  }, [asked, shown]);

  const send = async (
    approval: Approval,
    decision: Decision
  ): Promise<void> => {
    const decided = await decide(client, approval, decision);
    // The card goes; the keys of the list go on from here.
    list.current?.focus({ preventScroll: true });
    if (!decided.mine) {
      setShown(before =>
        leave(before, {
          approval,
          decision: decided.approval.decision ?? null,
          closed: decided.approval.closed ?? '',
          until: store.now() + GONE_S
        })
      );
    }
  };
  const move = (by: number) => {
    const cards = [
      ...(list.current?.querySelectorAll<HTMLElement>('.ae-approval') ?? [])
    ];
    const at = cards.findIndex(card => card.contains(document.activeElement));
    const to = at < 0 ? (by > 0 ? 0 : cards.length - 1) : at + by;
    cards[Math.max(0, Math.min(cards.length - 1, to))]?.focus();
  };

  if (!waiting) {
    return (
      <div id={props.id} className="list" role="tabpanel">
        <Skeleton height={150} />
        <Skeleton height={110} />
        <Patience>{trans.__('Still no word from the server.')}</Patience>
      </div>
    );
  }
  if (shown.cards.length === 0 && Object.keys(waiting).length === 0) {
    return (
      <div id={props.id} className="ae-empty" role="tabpanel">
        <svg width="72" height="40" viewBox="0 0 72 40" aria-hidden="true">
          <path
            d="M36 2 54 20 36 38 18 20Z"
            fill="none"
            stroke="var(--ae-track)"
            strokeWidth="3"
          />
          <path
            d="m28 20 6 6 11-12"
            fill="none"
            stroke="var(--ae-ok)"
            strokeWidth="3"
            strokeLinecap="round"
            strokeLinejoin="round"
          />
        </svg>
        <h3>{trans.__('Nothing waits for you')}</h3>
        <p className="ae-2">
          {working
            ? trans._n(
                '%1 agent is working. When one needs a decision, it shows here and in the status bar.',
                '%1 agents are working. When one needs a decision, it shows here and in the status bar.',
                working
              )
            : trans.__(
                'When an agent needs a decision, it shows here and in the status bar.'
              )}
        </p>
        {props.onNotify && (
          <Button small onClick={props.onNotify}>
            {trans.__('Notify me outside this tab')}
          </Button>
        )}
      </div>
    );
  }
  return (
    <div
      ref={list}
      id={props.id}
      className="list"
      role="tabpanel"
      tabIndex={-1}
      onPointerEnter={() => {
        looking.current = true;
      }}
      onPointerLeave={() => {
        looking.current = false;
      }}
      onKeyDown={event => {
        const field = /^(?:INPUT|TEXTAREA|SELECT)$/.test(
          (event.target as HTMLElement).tagName
        );
        if (field || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === 'j' || event.key === 'k') {
          move(event.key === 'j' ? 1 : -1);
          event.preventDefault();
        }
      }}
    >
      {shown.arrived.length > 0 && (
        <Button
          small
          className="arrived"
          icon="chevronUp"
          onClick={() => {
            setShown(take);
            list.current?.scrollTo({ top: 0 });
            list.current?.focus({ preventScroll: true });
          }}
        >
          {trans._n('%1 new', '%1 new', shown.arrived.length)}
        </Button>
      )}
      {shown.cards.map(id => {
        const left = shown.gone[id];
        const approval = waiting[id] ?? left?.approval ?? known.current.get(id);
        if (!approval) return null;
        if (left) return <GoneLine key={id} {...left} me={me} />;
        return (
          <ApprovalForm
            key={id}
            approval={approval}
            now={now}
            onDecide={decision => send(approval, decision)}
            onOpen={() => run(CommandIDs.openAgent, { pid: approval.pid })}
          />
        );
      })}
    </div>
  );
}

/** A decided card for its last moment, with the way to stop what was just let go. */
function GoneLine(props: {
  approval: Approval;
  decision: Decision | null;
  closed: string;
  me: string;
}): React.JSX.Element {
  const { approval, decision } = props;
  const trans = useWords();
  const { store } = useServices();
  const run = useCommand();
  const verdict = useVerdict();
  const running = useStore(
    store,
    ({ view }) => view?.processes[approval.pid]?.state === 'RUNNING'
  );
  const said = verdict(approval, decision, props.closed, props.me);
  return (
    <div className="gone ae-new" role="status">
      <Verdict decision={decision} />
      <b className="ae-trunc">{approval.call?.tool ?? approval.name}</b>
      <span className="ae-2 ae-trunc ae-grow" title={said}>
        {running ? trans.__('%1, running', said) : said}
      </span>
      {running && (
        <Button
          kind="quiet"
          small
          onClick={() =>
            run(CommandIDs.signal, { pid: approval.pid, signal: 'INT' })
          }
        >
          {trans.__('Interrupt')}
        </Button>
      )}
    </div>
  );
}

function Verdict(props: { decision: Decision | null }): React.JSX.Element {
  const trans = useWords();
  const verdict = props.decision?.verdict;
  if (!verdict) {
    return <Mark standing="stopped" quiet word={trans.__('Closed')} />;
  }
  return verdict === 'refuse' || verdict === 'finish' ? (
    <Mark standing="stopped" quiet word={trans.__('Refused')} />
  ) : (
    <Mark standing="done" quiet word={trans.__('Approved')} />
  );
}

function DecidedList(props: { id: string }): React.JSX.Element {
  const trans = useWords();
  const { client, store } = useServices();
  const run = useCommand();
  const verdict = useVerdict();
  const me = useView(store, view => view.user) ?? '';
  const { value, failure } = useTurning(store, () =>
    client.approvals({ waiting: false, limit: 100 })
  );
  const now = store.now();
  if (!value) return <Loading id={props.id} failure={failure} />;
  if (value.length === 0) {
    return (
      <div id={props.id} className="ae-empty" role="tabpanel">
        <h3>{trans.__('Nothing decided yet')}</h3>
        <p className="ae-2">
          {trans.__('Each decision is kept here, with who took it and why.')}
        </p>
      </div>
    );
  }
  return (
    <ul id={props.id} className="hist" role="tabpanel" tabIndex={0}>
      {value.map(approval => {
        const decision = approval.decision ?? null;
        const said = verdict(approval, decision, approval.closed ?? '', me);
        const at = decision?.at ?? approval.created_at;
        return (
          <li key={approval.id}>
            <Verdict decision={decision} />
            <div className="ae-grow">
              <p className="ae-trunc">
                <b>
                  {approval.call?.tool ??
                    (approval.kind === 'limit'
                      ? trans.__('Limit')
                      : trans.__('Question'))}
                </b>{' '}
                <a
                  role="link"
                  tabIndex={0}
                  onClick={() =>
                    run(CommandIDs.openAgent, { pid: approval.pid })
                  }
                  onKeyDown={event => {
                    if (event.key === 'Enter') {
                      run(CommandIDs.openAgent, { pid: approval.pid });
                    }
                  }}
                >
                  {`${approval.pid} ${approval.name}`}
                </a>
              </p>
              <p className="ae-small ae-2 ae-trunc" title={said}>
                {said.charAt(0).toUpperCase() + said.slice(1)}
              </p>
            </div>
            <time className="ae-small ae-2">{figures.clock(at, now)}</time>
          </li>
        );
      })}
    </ul>
  );
}

function Rules(props: {
  id: string;
  rules: IAnswer<ApprovalRule[]>;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { value, failure, again } = props.rules;
  const [problem, setProblem] = React.useState('');
  React.useEffect(() => again(), [again]);
  if (!value) return <Loading id={props.id} failure={failure} />;
  if (value.length === 0) {
    return (
      <div id={props.id} className="ae-empty" role="tabpanel">
        <h3>{trans.__('No standing rules')}</h3>
        <p className="ae-2">
          {trans.__(
            'When you approve a call for the session or for always, the rule shows here and can be revoked.'
          )}
        </p>
      </div>
    );
  }
  return (
    <ul id={props.id} className="hist" role="tabpanel" tabIndex={0}>
      {problem && (
        <Note tone="bad" icon="error" alert>
          {problem}
        </Note>
      )}
      {value.map(rule => (
        <li key={rule.id}>
          <Icon name="check" size={14} />
          <div className="ae-grow">
            <p className="ae-trunc">
              <b>{rule.tool}</b>
            </p>
            <p className="ae-small ae-2">
              {rule.pid === null
                ? trans._n(
                    'all your agents, until you revoke, used %1 time',
                    'all your agents, until you revoke, used %1 times',
                    rule.uses
                  )
                : trans._n(
                    'agent %2, this session, used %1 time',
                    'agent %2, this session, used %1 times',
                    rule.uses,
                    rule.pid
                  )}
            </p>
          </div>
          <Button
            kind="quiet"
            small
            onClick={() => {
              client.revoke(rule.id).then(
                () => {
                  setProblem('');
                  again();
                },
                (error: unknown) =>
                  setProblem(
                    error instanceof Error ? error.message : String(error)
                  )
              );
            }}
          >
            {trans.__('Revoke')}
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Loading(props: { id: string; failure: string }): React.JSX.Element {
  const trans = useWords();
  return (
    <div id={props.id} className="list" role="tabpanel">
      {props.failure ? (
        <Note tone="bad" icon="error">
          {props.failure}
        </Note>
      ) : (
        <>
          <Skeleton height={40} />
          <Skeleton height={40} />
          <Patience>{trans.__('Still no word from the server.')}</Patience>
        </>
      )}
    </div>
  );
}
