/** One agent: what it is, what it did, what it asks; and the way to say something to it. */
import type { ISignal } from '@lumino/signaling';
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Approval, Decision } from '../../api/types';
import { decide } from '../../state/deciding';
import {
  type Block,
  countKinds,
  fold,
  kinds,
  type Stretch,
  timeline,
  words
} from '../../state/timeline';
import { useNow, useStore, useView, useWatch } from '../../state/useStore';
import {
  Button,
  Failure,
  figures,
  Icon,
  Note,
  Patience,
  Skeleton,
  Switch,
  Tabs,
  useWords
} from '../../ui';
import type { IMarkdownTools } from '../../ui/Markdown';
import { NowProvider, useServices } from '../services';
import { Composer } from './Composer';
import { AgentProvider, type IAgentContext } from './context';
import { Header } from './Header';
import {
  Inspector,
  INSPECTOR_TABS,
  type InspectorTab,
  useInspectorTabs
} from './Inspector';
import { Ruler } from './Ruler';
import { Row } from './Step';
import { useTranscript } from '../../state/useTranscript';

/** What a key does in the agent view; each is a command of its own. */
export type AgentKey =
  | 'next'
  | 'previous'
  | 'match'
  | 'search'
  | 'message'
  | 'judge'
  | 'fork'
  | 'follow'
  | 'tab-before'
  | 'tab-after';

type KindFilter = 'all' | 't' | 'a' | 'p' | 'm' | 'e';
const TAB_KEY = 'aether-jupyter:inspector';
const NEAR_END = 24;

export function AgentView(props: {
  pid: number;
  name: string;
  markdown: IMarkdownTools;
  keys: ISignal<unknown, AgentKey>;
  /** The step to begin at, and those that are asked for later. */
  step: number | null;
  steps: ISignal<unknown, number>;
}): React.JSX.Element {
  const { pid, keys, steps } = props;
  const { client, store } = useServices();
  const trans = useWords();
  useWatch(store, pid);
  const known = useView(store, view => view.processes[pid] ?? null);
  const me = useView(store, view => view.user) ?? '';
  const live = useStore(store, state => state.live[pid] ?? null);
  const connection = useStore(store, state => state.connection);
  const loaded = useStore(
    store,
    ({ view, connection: { status } }) => view !== null && status === 'live'
  );
  const transcript = useTranscript(client, store, pid);
  const [other, setOther] = React.useState<typeof known>(null);
  const [absent, setAbsent] = React.useState('');
  const process = known ?? other;
  const now = useNow(store, 1000, true);

  React.useEffect(() => {
    if (!loaded || known) return;
    // One that was put away is not in the view any more, but the server still knows it.
    client.process(pid).then(setOther, (error: unknown) => {
      // Without an answer nothing is known; the next connection asks again.
      if (error instanceof AetherError && error.status === 404) {
        setAbsent(error.detail);
      }
    });
  }, [client, pid, loaded, known]);

  const blocks = React.useMemo(
    () => timeline(transcript.records),
    [transcript.records]
  );
  const [opened, setOpened] = React.useState<ReadonlyMap<string, boolean>>(
    () => new Map()
  );
  const [query, setQuery] = React.useState('');
  const [kind, setKind] = React.useState<KindFilter>('all');
  const [tight, setTight] = React.useState(false);
  const [follow, setFollow] = React.useState(props.step === null);
  const [seenStep, setSeenStep] = React.useState(0);
  const [side, setSide] = React.useState<InspectorTab>(
    () =>
      INSPECTOR_TABS.find(
        tab => tab === window.localStorage.getItem(TAB_KEY)
      ) ?? 'plan'
  );
  /** In a narrow place the inspector's tabs stand beside Steps. */
  const [narrowTab, setNarrowTab] = React.useState<InspectorTab | 'steps'>(
    'steps'
  );
  const root = React.useRef<HTMLDivElement>(null);
  const stream = React.useRef<HTMLDivElement>(null);
  const search = React.useRef<HTMLInputElement>(null);
  const composer = React.useRef<HTMLTextAreaElement>(null);

  const counts = React.useMemo(() => countKinds(blocks), [blocks]);
  const rows = React.useMemo((): (Block | Stretch)[] => {
    const wanted = query.trim().toLowerCase();
    if (wanted || kind !== 'all') {
      return blocks.filter(
        block =>
          (kind === 'all' || kinds(block).includes(kind)) &&
          (!wanted || words(block).toLowerCase().includes(wanted))
      );
    }
    const open = new Set(
      [...opened].filter(([, isOpen]) => isOpen).map(([key]) => key)
    );
    return fold(blocks, open, tight ? 1 : 6);
  }, [blocks, query, kind, opened, tight]);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => stream.current,
    estimateSize: index => (rows[index]?.kind === 'stretch' ? 40 : 84),
    getItemKey: index => rows[index].key,
    overscan: 6,
    paddingStart: 4,
    paddingEnd: 12
  });
  const height = virtual.getTotalSize();
  const lastStep = React.useMemo(
    () =>
      blocks.reduce(
        (most, block) =>
          block.kind === 'step' ? Math.max(most, block.step) : most,
        0
      ),
    [blocks]
  );

  React.useLayoutEffect(() => {
    const { current: box } = stream;
    if (follow && box) box.scrollTop = box.scrollHeight;
  }, [follow, height, rows, live]);

  const [cursor, setCursor] = React.useState(-1);
  const goTo = React.useCallback(
    (index: number, focus: boolean) => {
      if (index < 0 || index >= rows.length) return;
      setFollow(false);
      setCursor(index);
      virtual.scrollToIndex(index, { align: focus ? 'auto' : 'start' });
      if (focus) {
        // The row is there only after the virtual list has painted.
        window.requestAnimationFrame(() =>
          window.requestAnimationFrame(() =>
            stream.current
              ?.querySelector<HTMLElement>(
                `[data-index="${index}"] > [tabindex], [data-index="${index}"] > button`
              )
              ?.focus({ preventScroll: true })
          )
        );
      }
    },
    [rows.length, virtual]
  );
  const [wanted, setWanted] = React.useState(props.step);
  React.useEffect(() => {
    const onStep = (_: unknown, step: number) => {
      setQuery('');
      setKind('all');
      setFollow(false);
      setNarrowTab('steps');
      setWanted(step);
    };
    steps.connect(onStep);
    return () => {
      steps.disconnect(onStep);
    };
  }, [steps]);
  React.useEffect(() => {
    if (wanted === null) return;
    const index = rows.findIndex(row =>
      row.kind === 'stretch'
        ? row.blocks.some(block => block.step === wanted)
        : row.kind === 'step' && row.step === wanted
    );
    // It may lie in a page that is still to be read.
    if (index < 0) return;
    const row = rows[index];
    if (row.kind === 'stretch') {
      setOpened(before => new Map(before).set(row.key, true));
    } else {
      setWanted(null);
      goTo(index, true);
    }
  }, [wanted, rows, goTo]);
  const followAgain = () => {
    setFollow(true);
    setSeenStep(lastStep);
    setCursor(-1);
  };

  const items = virtual.getVirtualItems();
  const offset = virtual.scrollOffset ?? 0;
  const shown = items.filter(
    item =>
      item.end > offset &&
      item.start < offset + (stream.current?.clientHeight ?? 0)
  );
  const place = React.useMemo(() => {
    const index = new Map(blocks.map((block, at) => [block.key, at]));
    return (row: Block | Stretch | undefined, last: boolean): number => {
      if (!row) return 0;
      if (row.kind !== 'stretch') return index.get(row.key) ?? 0;
      const edge = last ? row.blocks[row.blocks.length - 1] : row.blocks[0];
      return index.get(edge.key) ?? 0;
    };
  }, [blocks]);
  const first = place(rows[shown[0]?.index ?? 0], false);
  const last = place(rows[shown.at(-1)?.index ?? 0], true);
  const seen = React.useMemo<readonly [number, number]>(
    () => [first, last],
    [first, last]
  );

  const context = React.useMemo<IAgentContext | null>(
    () =>
      process && {
        pid,
        process,
        me,
        markdown: props.markdown,
        live,
        query: query.trim(),
        isOpen: (key, byDefault) => opened.get(key) ?? byDefault,
        toggle: (key, open) => {
          setOpened(before => new Map(before).set(key, open));
          // Who unfolds what was done wants to read it there, not to be taken to the end.
          if (key.startsWith('fold-')) {
            setFollow(false);
            setSeenStep(lastStep);
          }
        },
        decide: async (approval: Approval, decision: Decision) => {
          await decide(client, approval, decision);
          // Its form goes; the keys of the view go on.
          stream.current?.focus({ preventScroll: true });
        },
        judge: async (step, thumb, comment) => {
          await client.judge(pid, step, thumb, comment);
        },
        goToStep: step => setSought(`step-${step}`),
        fileUrl: path => client.fileUrl(pid, path)
      },
    [pid, process, me, props.markdown, live, query, opened, client, lastStep]
  );

  const [sought, setSought] = React.useState('');
  React.useEffect(() => {
    if (!sought) return;
    const at = rows.findIndex(
      row =>
        row.key === sought ||
        (row.kind === 'stretch' &&
          row.blocks.some(block => block.key === sought))
    );
    if (at >= 0 && rows[at].kind === 'stretch') {
      const { key } = rows[at];
      setFollow(false);
      setOpened(before => new Map(before).set(key, true));
    } else if (at >= 0) {
      setSought('');
      setNarrowTab('steps');
      goTo(at, true);
    } else if (
      (query || kind !== 'all') &&
      blocks.some(block => block.key === sought)
    ) {
      setQuery('');
      setKind('all');
    } else {
      setSought('');
    }
  }, [sought, rows, blocks, query, kind, goTo]);

  const inspectorTabs = useInspectorTabs(
    Boolean(process?.display),
    Boolean(process?.browser)
  );
  // The tab is kept per person, and not every agent has each.
  const tab = inspectorTabs.some(({ id }) => id === side) ? side : 'plan';
  const chooseSide = (tab: InspectorTab) => {
    setSide(tab);
    window.localStorage.setItem(TAB_KEY, tab);
  };

  /** The first of what a step offers that fits: of the step with the focus, else of the last one that is shown. */
  const offered = (selector: string): HTMLElement | null => {
    const { activeElement } = window.document;
    const steps = [
      ...(stream.current?.querySelectorAll<HTMLElement>('.step') ?? [])
    ].filter(step => step.querySelector('.tools'));
    const step =
      steps.find(each => each.contains(activeElement)) ?? steps.at(-1);
    return step?.querySelector<HTMLElement>(`.tools ${selector}`) ?? null;
  };
  const forkHere = () => {
    const button = offered('.forkbtn');
    // Without a pointer that hovers it is there only for the step with the focus.
    button?.closest<HTMLElement>('.step')?.focus({ preventScroll: true });
    button?.click();
  };
  const press = (key: AgentKey) => {
    const at = inspectorTabs.findIndex(({ id }) => id === tab);
    const turn = (by: number) =>
      chooseSide(
        inspectorTabs[(at + by + inspectorTabs.length) % inspectorTabs.length]
          .id
      );
    const here = cursor < 0 ? rows.length : cursor;
    switch (key) {
      case 'next':
        return goTo(Math.min(rows.length - 1, here + 1), true);
      case 'previous':
        return goTo(Math.max(0, here - 1), true);
      case 'match':
        return goTo(cursor + 1 >= rows.length ? 0 : cursor + 1, true);
      case 'search':
        return search.current?.focus();
      case 'message':
        return composer.current?.focus();
      case 'judge':
        return offered('.ae-thumbs button')?.focus();
      case 'fork':
        return forkHere();
      case 'follow':
        return followAgain();
      case 'tab-before':
        return turn(-1);
      case 'tab-after':
        return turn(1);
    }
  };
  const pressed = React.useRef(press);
  pressed.current = press;
  React.useEffect(() => {
    const onKey = (_: unknown, key: AgentKey) => pressed.current(key);
    keys.connect(onKey);
    return () => {
      keys.disconnect(onKey);
    };
  }, [keys]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (event.key === 'Enter' && target.classList.contains('step')) {
      target.querySelector<HTMLElement>('.ae-btn.fold')?.click();
      event.preventDefault();
    }
  };

  if (!process || !context) {
    return absent ? (
      <div className="ae-empty">
        <h3>{trans.__('Agent %1 is not here', pid)}</h3>
        <p className="ae-2">{absent}</p>
      </div>
    ) : (
      <div className="av">
        <div className="top">
          <Skeleton width={320} height={18} />
        </div>
        <div className="ins">
          {[0, 1, 2, 3, 4, 5].map(index => (
            <Skeleton key={index} height={16} />
          ))}
          <Patience>
            {trans.__('Still no word from the server about agent %1.', pid)}
          </Patience>
        </div>
      </div>
    );
  }

  const fresh = Math.max(0, lastStep - seenStep);
  const { limits } = process;
  const left =
    process.state === 'ZOMBIE'
      ? trans._n('%1 step', '%1 steps', process.step)
      : limits.steps === null
        ? trans.__('no step limit')
        : trans._n(
            '%1 step left',
            '%1 steps left',
            Math.max(0, limits.steps - process.step)
          );
  const filters: readonly (readonly [KindFilter, string, number])[] = [
    ['all', trans.__('All'), counts.all],
    ['t', trans.__('Thoughts'), counts.t],
    ['a', trans.__('Actions'), counts.a],
    ['p', trans.__('Approvals'), counts.p],
    ['m', trans.__('Messages'), counts.m],
    ['e', trans.__('Errors'), counts.e]
  ];
  const empty = transcript.opened && blocks.length === 0;
  const lastStepKey = blocks.findLast(block => block.kind === 'step')?.key;
  return (
    <AgentProvider value={context}>
      <NowProvider value={now}>
        <div
          ref={root}
          className={`av show-${narrowTab === 'steps' ? 'steps' : 'side'}`}
          onKeyDown={onKeyDown}
        >
          <Header process={process} />
          {connection.status === 'lost' && (
            <Note tone="warn" icon="error">
              {trans.__(
                'No connection to the server since %1. The agent goes on without this page.',
                connection.lastNewsAt === null
                  ? trans.__('the page was opened')
                  : figures.clock(connection.lastNewsAt / 1000, now, true)
              )}
            </Note>
          )}
          <Tabs
            className="only-n"
            label={trans.__('Parts of the agent')}
            tabs={[
              { id: 'steps' as const, label: trans.__('Steps') },
              ...inspectorTabs
            ]}
            selected={narrowTab}
            onSelect={tab => {
              setNarrowTab(tab);
              if (tab !== 'steps') chooseSide(tab);
            }}
          />
          <div className="split">
            <section className="left" aria-label={trans.__('Steps')}>
              <div className="find">
                <label className="ae-field" data-lm-suppress-shortcuts="true">
                  <Icon name="search" size={14} />
                  <input
                    ref={search}
                    value={query}
                    aria-label={trans.__('Search steps')}
                    placeholder={trans.__('Search steps')}
                    onChange={event => {
                      setQuery(event.currentTarget.value);
                      setCursor(-1);
                    }}
                    onKeyDown={event => {
                      if (event.key === 'Enter') {
                        goTo(event.shiftKey ? cursor - 1 : cursor + 1, false);
                        event.preventDefault();
                      } else if (event.key === 'Escape') {
                        setQuery('');
                        event.currentTarget.blur();
                      }
                    }}
                  />
                  {query && (
                    <>
                      <span className="ae-small" role="status">
                        {cursor >= 0
                          ? trans.__('%1 of %2', cursor + 1, rows.length)
                          : String(rows.length)}
                      </span>
                      <Button
                        kind="quiet"
                        small
                        icon="chevronUp"
                        label={trans.__('Previous')}
                        onClick={() => goTo(cursor - 1, false)}
                      />
                      <Button
                        kind="quiet"
                        small
                        icon="chevronDown"
                        label={trans.__('Next')}
                        onClick={() => goTo(cursor + 1, false)}
                      />
                    </>
                  )}
                </label>
                <span
                  className="kinds"
                  role="group"
                  aria-label={trans.__('Kinds')}
                >
                  {filters.map(([id, label, count]) => (
                    <Button
                      key={id}
                      small
                      pressed={kind === id}
                      onClick={() => setKind(id)}
                    >
                      {id !== 'all' && <i className={`kd ${id}`} />}
                      {label}
                      <span className="ae-2">{count}</span>
                    </Button>
                  ))}
                </span>
                <span className="ae-grow" />
                <Button
                  kind="quiet"
                  small
                  className="hide-n"
                  onClick={() => {
                    setOpened(new Map());
                    setTight(!tight);
                  }}
                >
                  {tight ? trans.__('Unfold') : trans.__('Fold all')}
                </Button>
                <Switch
                  on={follow}
                  onChange={on => {
                    if (on) followAgain();
                    else {
                      setFollow(false);
                      setSeenStep(lastStep);
                    }
                  }}
                >
                  {trans.__('Follow')}
                </Switch>
              </div>
              <Ruler
                blocks={blocks}
                seen={seen}
                left={left}
                onGo={block => {
                  const { key } = blocks[block];
                  const index = rows.findIndex(
                    row =>
                      row.key === key ||
                      (row.kind === 'stretch' &&
                        row.blocks.some(inner => inner.key === key))
                  );
                  goTo(index, false);
                }}
              />
              <div
                ref={stream}
                className="stream"
                role="region"
                aria-label={trans.__('Timeline')}
                aria-busy={!transcript.opened}
                tabIndex={0}
                onWheel={event => {
                  if (event.deltaY < 0 && follow) {
                    setFollow(false);
                    setSeenStep(lastStep);
                  }
                }}
                onScroll={event => {
                  const box = event.currentTarget;
                  const away =
                    box.scrollHeight - box.scrollTop - box.clientHeight;
                  if (away < NEAR_END && !follow && cursor < 0) followAgain();
                }}
              >
                {!transcript.opened && !transcript.failure && (
                  <div className="ins">
                    <Skeleton height={16} />
                    <Skeleton height={16} width="80%" />
                    <Skeleton height={16} width="60%" />
                    <Patience>
                      {trans.__('The timeline is still being read.')}
                    </Patience>
                  </div>
                )}
                {transcript.failure && (
                  <Failure tone="bad" again={transcript.retry}>
                    {transcript.failure.message}
                  </Failure>
                )}
                {empty && (
                  <p className="ae-2 ins">
                    {trans.__('No step yet. The first one shows here.')}
                  </p>
                )}
                {transcript.opened && rows.length === 0 && !empty && (
                  <p className="ae-2 ins">{trans.__('No step matches.')}</p>
                )}
                <div className="rowsbox" style={{ height }}>
                  {items.map(item => {
                    const row = rows[item.index];
                    return (
                      <div
                        key={item.key}
                        ref={virtual.measureElement}
                        data-index={item.index}
                        className="vrow"
                        style={{ transform: `translateY(${item.start}px)` }}
                      >
                        <Row
                          row={row}
                          live={
                            row.key === lastStepKey &&
                            process.state === 'RUNNING'
                          }
                        />
                      </div>
                    );
                  })}
                </div>
              </div>
              {!follow && fresh > 0 && (
                <Button
                  small
                  className="jump"
                  icon="chevronDown"
                  onClick={followAgain}
                >
                  {trans._n('%1 new step', '%1 new steps', fresh)}
                </Button>
              )}
              <Composer ref={composer} process={process} />
            </section>
            <aside className="right" aria-label={trans.__('Inspector')}>
              <Tabs
                className="hide-n"
                label={trans.__('Inspector')}
                tabs={inspectorTabs}
                selected={tab}
                onSelect={chooseSide}
              />
              <div className="ins" role="tabpanel" tabIndex={-1}>
                <Inspector
                  tab={tab}
                  process={process}
                  records={transcript.records}
                  blocks={blocks}
                />
              </div>
            </aside>
          </div>
        </div>
      </NowProvider>
    </AgentProvider>
  );
}
