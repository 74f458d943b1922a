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
  SameCalls,
  Skeleton,
  Tabs,
  useHints,
  useVerdict,
  useWords
} from '../../ui';
import { useCommand, useServices } from '../services';
import {
  type Gone,
  GONE_S,
  leave,
  next,
  NOTHING,
  type Shown,
  take
} from './arrivals';
import { places, sameness } from './same';

type Tab = 'waiting' | 'decided' | 'rules';
const KEYS = 'aether-jupyter:inbox-keys';
/** So many decisions are on their way at once. */
const AT_ONCE = 6;
const NO_APPROVALS: Readonly<Record<string, Approval>> = {};

export function Inbox(props: {
  /** The approval that somebody asked to see, with a number that changes with each asking. */
  asked: { id: string; turn: number } | null;
  onNotify: (() => void) | null;
  onSettings: (() => void) | null;
}): React.JSX.Element {
  const trans = useWords();
  const { client, store } = useServices();
  const run = useCommand();
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
            },
            {
              label: trans.__('All keys'),
              onSelect: () => run(CommandIDs.showKeys)
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
      {tab === 'waiting' && keys && Boolean(waiting) && <KeyStrip />}
    </>
  );
}

/** The keys of the list, as they are bound now. */
function KeyStrip(): React.JSX.Element {
  const trans = useWords();
  const hint = useHints();
  const keys: readonly (readonly [readonly string[], string])[] = [
    [[CommandIDs.nextApproval, CommandIDs.previousApproval], trans.__('move')],
    [[CommandIDs.approve], trans.__('approve')],
    [[CommandIDs.editApproval], trans.__('edit')],
    [[CommandIDs.refuse], trans.__('refuse')],
    [[CommandIDs.showKeys], '']
  ];
  return (
    <footer className="keys">
      {keys.map(([commands, words]) => (
        <span key={words}>
          {commands.map(command => (
            <kbd key={command} className="ae-kbd">
              {hint(command)}
            </kbd>
          ))}{' '}
          {words}
        </span>
      ))}
    </footer>
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
  /** Folds that this person took apart. */
  const [apart, setApart] = React.useState<ReadonlySet<string>>(
    () => new Set()
  );
  for (const approval of Object.values(waiting ?? NO_APPROVALS)) {
    known.current.set(approval.id, approval);
  }

  React.useEffect(() => {
    if (!waiting) return;
    const busy =
      looking.current ||
      Boolean(list.current?.contains(document.activeElement));
    setShown(before => {
      const shown = next(before, waiting, store.now(), busy);
      for (const id of known.current.keys()) {
        if (!(id in waiting) && !shown.cards.includes(id)) {
          known.current.delete(id);
        }
      }
      return shown;
    });
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
      `[data-approval~="${CSS.escape(asked.id)}"]`
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
  const sendAll = async (
    approvals: readonly Approval[],
    decision: Decision
  ): Promise<readonly string[]> => {
    const failures: string[] = [];
    const left = [...approvals];
    const worker = async () => {
      for (let each = left.shift(); each; each = left.shift()) {
        try {
          await decide(client, each, decision);
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    list.current?.focus({ preventScroll: true });
    return failures;
  };

  // Many that left together leave one line together.
  const alike = new Map<string, string[]>();
  for (const id of shown.cards) {
    const left = shown.gone[id];
    if (!left) continue;
    const like = likeness(left);
    alike.set(like, [...(alike.get(like) ?? []), id]);
  }
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
      {places(shown.cards, waiting, apart).map(({ key, ids }) => {
        const [id] = ids;
        if (ids.length > 1) {
          const approvals = ids.map(each => waiting[each]);
          return (
            <SameCalls
              key={key}
              approvals={approvals}
              now={now}
              onDecide={decision => sendAll(approvals, decision)}
              onApart={() => setApart(new Set([...apart, key]))}
            />
          );
        }
        const left = shown.gone[id];
        const approval = waiting[id] ?? left?.approval ?? known.current.get(id);
        if (!approval) return null;
        if (left) {
          const many = alike.get(likeness(left)) ?? [id];
          return many[0] === id ? (
            <GoneLine key={key} {...left} me={me} count={many.length} />
          ) : null;
        }
        return (
          <ApprovalForm
            key={key}
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

/** What makes two that left say the same; otherwise each is like nothing but itself. */
function likeness({ approval, decision, closed }: Gone): string {
  const same = sameness(approval);
  return same === null
    ? approval.id
    : JSON.stringify([same, decision?.verdict, decision?.by, closed]);
}

/** A decided card for its last moment, with the way to stop what was just let go. */
function GoneLine(props: {
  approval: Approval;
  decision: Decision | null;
  closed: string;
  me: string;
  count: number;
}): React.JSX.Element {
  const { approval, decision, count } = props;
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
      {count > 1 && <span className="ae-count">{count}</span>}
      <span className="ae-2 ae-trunc ae-grow" title={said}>
        {running && count === 1 ? trans.__('%1, running', said) : said}
      </span>
      {running && count === 1 && (
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
