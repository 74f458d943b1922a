/** What the panel knows of memories, asked of the server when it is wanted and when there is news of an agent. */
import * as React from 'react';

import type { AetherClient } from '../../api/client';
import type {
  JournalRecord,
  Layer,
  Memory,
  MemorySort,
  MemorySourceKind,
  Recalled,
  SpaceList
} from '../../api/types';
import { memoryName } from '../../state/selectors';
import type { IAetherStore } from '../../state/store';
import { asError, useAsked } from '../useAsked';
import { Pages } from './pages';

/** What the list is narrowed to; empty ones narrow nothing. */
export interface IFilter {
  readonly layer: Layer | null;
  readonly tag: string;
  readonly source: MemorySourceKind | null;
  readonly pinned: boolean;
  readonly forgotten: boolean;
}

export const NO_FILTER: IFilter = {
  layer: null,
  tag: '',
  source: null,
  pinned: false,
  forgotten: false
};

const TYPING_MS = 120;
const NEWS_MS = 600;
/** The most that a search answers. */
export const FOUND_MOST = 200;
/** The least likeness that counts as found by meaning where no word is shared. */
const LIKE = 0.35;

/** Whose memories there are. */
export function useSpaces(
  client: AetherClient,
  news: number
): { spaces: SpaceList | null; failure: Error | null; again: () => void } {
  const { value, failure, again } = useAsked(
    () => client.memorySpaces(),
    String(news)
  );
  return { spaces: value, failure, again };
}

/** The memories of one agent in pages. `turn` counts the changes of what is in them. */
export function useList(
  client: AetherClient,
  agent: string,
  filter: IFilter,
  sort: MemorySort,
  reload: number
): { pages: Pages<Memory> | null; turn: number } {
  const [state, setState] = React.useState<{
    pages: Pages<Memory> | null;
    turn: number;
  }>({ pages: null, turn: 0 });
  const shown = React.useRef('');
  React.useEffect(() => {
    if (!agent) return undefined;
    let stopped = false;
    const pages: Pages<Memory> = new Pages(
      async (cursor, limit) => {
        const page = await client.memories({
          agent,
          layer: filter.layer ? [filter.layer] : [],
          tag: filter.tag ? [filter.tag] : [],
          kind: filter.source ? [filter.source] : [],
          pinned: filter.pinned,
          forgotten: filter.forgotten,
          sort,
          cursor,
          limit
        });
        return { items: page.memories, next: page.next, total: page.total };
      },
      () => {
        if (!stopped) setState({ pages, turn: pages.turn });
      }
    );
    // The memories of another agent are never shown under this one's name; of the same one they stay until the answer.
    if (shown.current !== agent) setState({ pages: null, turn: 0 });
    shown.current = agent;
    pages.want(1);
    return () => {
      stopped = true;
      pages.stop();
    };
  }, [client, agent, filter, sort, reload]);
  return state;
}

/** What a search found, and how long it took. */
export interface IFound {
  readonly text: string;
  readonly found: readonly Recalled[];
  readonly tookS: number;
  readonly byMeaning: boolean;
}

/** Whether a recalled memory is a find: a model is told the nearest there are, a person what fits. */
export function fits({ why }: Recalled): boolean {
  return why.words > 0 || (why.likeness ?? 0) >= LIKE;
}

/** Searches as one types: the last words count, an answer to earlier ones is dropped. */
export function useSearch(
  client: AetherClient,
  agent: string,
  text: string,
  filter: IFilter,
  reload: number
): { found: IFound | null; failure: Error | null; again: () => void } {
  const [state, setState] = React.useState<{
    found: IFound | null;
    failure: Error | null;
  }>({ found: null, failure: null });
  const [turn, setTurn] = React.useState(0);
  const again = React.useCallback(() => setTurn(count => count + 1), []);
  const words = text.trim();
  const { layer, tag } = filter;
  React.useEffect(() => {
    if (!words || !agent) {
      setState({ found: null, failure: null });
      return undefined;
    }
    let stale = false;
    const timer = window.setTimeout(() => {
      client
        .recall({
          agent,
          query: text,
          layer: layer ? [layer] : [],
          tag: tag ? [tag] : [],
          limit: FOUND_MOST
        })
        .then(
          ({ found, by_meaning: byMeaning, took_s: tookS }) => {
            if (stale) return;
            setState({
              found: { text, found: found.filter(fits), tookS, byMeaning },
              failure: null
            });
          },
          (error: unknown) => {
            if (stale) return;
            setState(before => ({ ...before, failure: asError(error) }));
          }
        );
    }, TYPING_MS);
    return () => {
      stale = true;
      window.clearTimeout(timer);
    };
  }, [client, agent, text, words, layer, tag, reload, turn]);
  return { ...state, again };
}

const TELLING = new Set<string>([
  'memory.given',
  'process.exited',
  'process.reflected',
  'feedback.given'
]);
const TOOLS = new Set(['remember', 'forget', 'recall']);

/** Whether a journal line says that memories of its process may have changed. */
export function tellsOfMemory({ event }: JournalRecord): boolean {
  return event.type === 'tool.ended'
    ? TOOLS.has(event.tool)
    : TELLING.has(event.type);
}

/**
 * Memories have no feed of their own, but whatever an agent does to its memory leaves a line in its journal. Calls back
 * soon after such a line, and after a gap in the feed; a burst counts once. A person's own doing is known without.
 */
export function useNews(
  store: IAetherStore,
  onNews: (agents: ReadonlySet<string>) => void
): void {
  const latest = React.useRef(onNews);
  latest.current = onNews;
  React.useEffect(() => {
    let timer = 0;
    let agents = new Set<string>();
    const tell = () => {
      timer = 0;
      const told = agents;
      agents = new Set();
      latest.current(told);
    };
    const later = () => {
      if (timer === 0) timer = window.setTimeout(tell, NEWS_MS);
    };
    const onRecords = (
      _: IAetherStore,
      records: readonly JournalRecord[]
    ): void => {
      const { view } = store;
      for (const record of records) {
        if (!view || !tellsOfMemory(record)) continue;
        agents.add(memoryName(view, record.pid));
        later();
      }
    };
    store.recordsArrived.connect(onRecords);
    store.snapshotArrived.connect(later);
    return () => {
      window.clearTimeout(timer);
      store.recordsArrived.disconnect(onRecords);
      store.snapshotArrived.disconnect(later);
    };
  }, [store]);
}
