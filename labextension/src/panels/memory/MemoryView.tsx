/** What agents remember, and what a model saw of it. */
import * as React from 'react';

import type { Process, View } from '../../api/types';
import { memoryName } from '../../state/selectors';
import { useNow, useStore, useView } from '../../state/useStore';
import {
  Button,
  figures,
  Icon,
  type ITab,
  Note,
  Skeleton,
  Tabs,
  useWords
} from '../../ui';
import { CommandIDs } from '../../commands/ids';
import { NowProvider, useCommand, useServices } from '../services';
import { Agents } from './Agents';
import { ContextTab } from './ContextTab';
import { type IMemoryDraft, type INotesDraft, useDrafts } from './drafts';
import { JournalTab } from './JournalTab';
import { ProfileTab } from './ProfileTab';
import { NotesTab } from './NotesTab';
import { Transfer } from './Transfer';
import {
  type IMemoriesHandle,
  MemoriesTab,
  type MemoryKey
} from './MemoriesTab';
import type { IFading } from './Strength';
import type { HalfLives } from './fading';
import { useNews, useSpaces } from './useMemories';

export type MemoryTab =
  'memories' | 'context' | 'journal' | 'profile' | 'notes';

export const MEMORY_TABS: readonly MemoryTab[] = [
  'memories',
  'context',
  'journal',
  'profile',
  'notes'
];

/** What is shown; kept over a reload. */
export interface IPlace {
  readonly agent: string;
  readonly tab: MemoryTab;
  readonly memory: number | null;
  /** The run and step whose context is shown; `null` is the newest. */
  readonly pid: number | null;
  readonly step: number | null;
}

export const FIRST_PLACE: IPlace = {
  agent: '',
  tab: 'memories',
  memory: null,
  pid: null,
  step: null
};

export interface IMemoryViewHandle {
  press(key: MemoryKey | 'tab-before' | 'tab-after'): void;
  go(place: Partial<IPlace>): void;
  /** Reads again what another hand may have changed. */
  refresh(): void;
}

const NO_RUNS: readonly Process[] = [];

/** The runs under each name that a memory can have, the newest first. */
function runsByMemory(view: View): ReadonlyMap<string, Process[]> {
  const found = new Map<string, Process[]>();
  const newest = Object.values(view.processes).sort((a, b) => b.pid - a.pid);
  for (const process of newest) {
    const name = memoryName(view, process.pid);
    const others = found.get(name);
    if (others) others.push(process);
    else found.set(name, [process]);
  }
  return found;
}

export function MemoryView(props: {
  first: IPlace;
  onPlace: (place: IPlace) => void;
  handle: React.MutableRefObject<IMemoryViewHandle | null>;
}): React.JSX.Element {
  const trans = useWords();
  const { client, store } = useServices();
  const run = useCommand();
  const now = useNow(store, 1000, true);
  const view = useView(store, known => known);
  const connection = useStore(store, state => state.connection);
  const [place, setPlace] = React.useState(props.first);
  /** Counts what was heard: of anybody, for the counts; of the agent shown, for its memories. */
  const [heard, setHeard] = React.useState(0);
  const [news, setNews] = React.useState(0);
  const [done, setDone] = React.useState(0);
  const { spaces, failure, again } = useSpaces(client, heard);
  const memories = React.useRef<IMemoriesHandle>(null);
  const edits = useDrafts<number, IMemoryDraft>();
  const notes = useDrafts<string, INotesDraft>();
  const runs = React.useMemo(
    () => (view ? runsByMemory(view) : new Map<string, Process[]>()),
    [view]
  );
  const names = React.useMemo(
    () => [
      ...new Set([
        ...(spaces?.spaces ?? []).map(space => space.agent),
        ...runs.keys()
      ])
    ],
    [spaces, runs]
  );
  // Nothing was asked for: whoever remembered something last.
  const asked = place.agent === '' ? place.memory : null;
  const askedRun = place.agent === '' && asked === null ? place.pid : null;
  const agent =
    place.agent ||
    (asked === null && askedRun === null
      ? (spaces?.spaces[0]?.agent ?? [...runs.keys()][0] ?? '')
      : '');
  const [unknown, setUnknown] = React.useState('');
  React.useEffect(() => {
    if (asked === null) return undefined;
    setUnknown('');
    // A memory was asked for by its number alone.
    let stale = false;
    client.memory(asked).then(
      ([memory]) => {
        if (stale || !memory) return;
        setPlace(before => ({ ...before, agent: memory.agent }));
      },
      (error: unknown) => {
        if (stale) return;
        setUnknown(error instanceof Error ? error.message : String(error));
        setPlace(before => ({ ...before, memory: null }));
      }
    );
    return () => {
      stale = true;
    };
  }, [client, asked]);
  React.useEffect(() => {
    if (askedRun === null) return undefined;
    setUnknown('');
    // A run was asked for: under which name it remembers the server knows, also where a parent was put away.
    let stale = false;
    client.processProfile(askedRun).then(
      profile => {
        if (!stale) setPlace(before => ({ ...before, agent: profile.agent }));
      },
      (error: unknown) => {
        if (stale) return;
        setUnknown(error instanceof Error ? error.message : String(error));
        setPlace(before => ({ ...before, pid: null, step: null }));
      }
    );
    return () => {
      stale = true;
    };
  }, [client, askedRun]);
  const space = spaces?.spaces.find(each => each.agent === agent) ?? null;

  useNews(store, agents => {
    setHeard(count => count + 1);
    // A gap in the feed names nobody.
    if (agents.size === 0 || agents.has(agent)) setNews(count => count + 1);
  });

  const { onPlace } = props;
  const go = React.useCallback((to: Partial<IPlace>) => {
    setPlace(before => ({
      ...before,
      // A memory belongs to the agent that it was shown with.
      memory:
        to.agent !== undefined && to.agent !== before.agent
          ? null
          : before.memory,
      ...(to.agent !== undefined && to.agent !== before.agent
        ? { pid: null, step: null }
        : {}),
      ...to
    }));
  }, []);
  React.useEffect(() => onPlace(place), [onPlace, place]);

  const tabs: readonly ITab<MemoryTab>[] = [
    { id: 'memories', label: trans.__('Memories') },
    { id: 'context', label: trans.__('What the model saw') },
    { id: 'journal', label: trans.__('Journal') },
    { id: 'profile', label: trans.__('Profile') },
    { id: 'notes', label: 'MEMORY.md' }
  ];
  props.handle.current = {
    go,
    refresh: () => {
      setHeard(count => count + 1);
      setNews(count => count + 1);
    },
    press: key => {
      if (key !== 'tab-before' && key !== 'tab-after') {
        if (place.tab !== 'memories') go({ tab: 'memories' });
        else memories.current?.press(key);
        return;
      }
      const at = tabs.findIndex(tab => tab.id === place.tab);
      const by = key === 'tab-after' ? 1 : -1;
      go({ tab: tabs[(at + by + tabs.length) % tabs.length].id });
    }
  };

  // The same object as long as the server says the same, so that no row is drawn again.
  const halfLife = spaces ? JSON.stringify(spaces.half_life_s) : undefined;
  const faded = spaces?.faded;
  const fading = React.useMemo<IFading | null>(
    () =>
      faded === undefined || halfLife === undefined
        ? null
        : { halfLives: JSON.parse(halfLife) as HalfLives, faded },
    [halfLife, faded]
  );
  const nobody = spaces !== null && names.length === 0 && !agent;

  return (
    <NowProvider value={now}>
      <div className="mi">
        {connection.status === 'lost' && (
          <div className="mi-lost">
            <Note tone="warn" icon="error">
              {connection.lastNewsAt === null
                ? trans.__('No connection to the server.')
                : trans.__(
                    'No connection to the server. What you see is from %1.',
                    figures.clock(connection.lastNewsAt / 1000, now, true)
                  )}
            </Note>
          </div>
        )}
        {nobody ? (
          <div className="ae-empty">
            <Icon name="layers" size={20} />
            <h3>{trans.__('No agent remembers anything yet')}</h3>
            <p className="ae-2">
              {trans.__(
                'What an agent learns in a run it keeps for the next one: what happened, what is true, how to do it, who wants what.'
              )}
            </p>
            <Button onClick={() => run(CommandIDs.newAgent)}>
              {trans.__('New agent')}
            </Button>
          </div>
        ) : (
          <div className="mi-split">
            <Agents
              spaces={spaces}
              failure={failure}
              runs={runs}
              selected={agent}
              onSelect={name => go({ agent: name })}
              onRetry={again}
            />
            <main className="mi-main">
              {unknown && (
                <div className="mi-lost">
                  <Note tone="bad" icon="error" alert>
                    {unknown}
                  </Note>
                </div>
              )}
              <div className="mi-head">
                <Tabs
                  label={trans.__('Parts of the memory')}
                  tabs={tabs}
                  selected={place.tab}
                  onSelect={tab => go({ tab })}
                />
                {agent && (
                  <Transfer
                    agent={agent}
                    onImported={() => {
                      setHeard(count => count + 1);
                      setDone(count => count + 1);
                    }}
                  />
                )}
              </div>
              {agent && place.tab === 'context' ? (
                <ContextTab
                  key={agent}
                  agent={agent}
                  runs={runs.get(agent) ?? NO_RUNS}
                  pid={place.pid}
                  step={place.step}
                  onPlace={go}
                  onMemory={memory => go({ tab: 'memories', memory })}
                />
              ) : agent && place.tab === 'notes' ? (
                <NotesTab
                  key={agent}
                  agent={agent}
                  news={news + done}
                  drafts={notes}
                />
              ) : agent && place.tab === 'profile' ? (
                <ProfileTab agent={agent} news={news + done} />
              ) : agent && place.tab === 'journal' ? (
                <JournalTab
                  agent={agent}
                  news={news + done}
                  onMemory={memory => go({ tab: 'memories', memory })}
                />
              ) : agent && fading ? (
                <MemoriesTab
                  ref={memories}
                  agent={agent}
                  space={space}
                  agents={names}
                  fading={fading}
                  memory={place.memory}
                  news={news}
                  done={done}
                  waiting={spaces?.waiting ?? null}
                  drafts={edits}
                  onMemory={memory => go({ memory })}
                  onChanged={() => setHeard(count => count + 1)}
                />
              ) : (
                <div className="mi-loading" aria-busy="true">
                  {!failure &&
                    [90, 70, 80].map(width => (
                      <Skeleton key={width} width={`${width}%`} height={16} />
                    ))}
                </div>
              )}
            </main>
          </div>
        )}
      </div>
    </NowProvider>
  );
}
