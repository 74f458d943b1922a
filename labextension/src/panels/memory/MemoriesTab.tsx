/** The memories of one agent: layers, search, list, what is done with those selected, and one in full beside it. */
import * as React from 'react';

import type {
  Layer,
  Memory,
  MemorySort,
  MemorySourceKind,
  MemorySpace,
  Merged
} from '../../api/types';
import {
  Button,
  Failure,
  Icon,
  Note,
  Patience,
  useHints,
  useWords
} from '../../ui';
import { useClock, useServices } from '../services';
import { useAsked } from '../useAsked';
import type { IDrafts, IMemoryDraft } from './drafts';
import { type IDetailHandle, MemoryDetail } from './MemoryDetail';
import { type IMemoryListHandle, MemoryList } from './MemoryList';
import { WaitingRow } from './MemoryRow';
import { MergeDialog } from './MergeDialog';
import type { IFading } from './Strength';
import {
  FOUND_MOST,
  type IFilter,
  NO_FILTER,
  useList,
  useSearch
} from './useMemories';
import { LAYERS, layerWords, sourceKinds } from './words';

const UNDO_MS = 10_000;
const MINUTE_S = 60;
const NOTHING: ReadonlySet<number> = new Set();

/** What a key does here; each is a command of its own. */
export type MemoryKey =
  | 'search'
  | 'next'
  | 'previous'
  | 'edit'
  | 'pin'
  | 'forget'
  | 'merge'
  | 'clear';

export interface IMemoriesHandle {
  press(key: MemoryKey): void;
}

export interface IMemoriesTabProps {
  agent: string;
  space: MemorySpace | null;
  agents: readonly string[];
  fading: IFading;
  /** The memory shown in full. */
  memory: number | null;
  /** Counts what may have changed memories of this agent from elsewhere. */
  news: number;
  /** Counts what a person did to them elsewhere in the panel: shown at once, wherever the pointer is. */
  done: number;
  /** How many the server cannot find by meaning yet; `null` where it never will. */
  waiting: number | null;
  drafts: IDrafts<number, IMemoryDraft>;
  onMemory: (id: number | null) => void;
  /** Something was done here that changes the counts. */
  onChanged: () => void;
}

/** Deeds on several memories go out one after the other; what failed is told with its number. */
async function each(
  memories: readonly Memory[],
  deed: (memory: Memory) => Promise<Memory>
): Promise<{ done: Memory[]; failed: string[] }> {
  const done: Memory[] = [];
  const failed: string[] = [];
  for (const memory of memories) {
    try {
      done.push(await deed(memory));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      failed.push(`#${memory.id}: ${why}`);
    }
  }
  return { done, failed };
}

export const MemoriesTab = React.forwardRef<IMemoriesHandle, IMemoriesTabProps>(
  function MemoriesTab(props, ref) {
    const trans = useWords();
    const hints = useHints();
    const { client } = useServices();
    const clock = useClock();
    // Curves need no second hand, and rows are not drawn again while the minute lasts.
    const now = Math.floor(clock / MINUTE_S) * MINUTE_S;
    const { agent, fading, memory: current, onMemory, onChanged } = props;
    const [filter, setFilter] = React.useState<IFilter>(NO_FILTER);
    const [text, setText] = React.useState('');
    const [sort, setSort] = React.useState<MemorySort | 'match'>('newest');
    const [filtering, setFiltering] = React.useState(false);
    const [checked, setChecked] = React.useState(NOTHING);
    const [asked, setReload] = React.useState(0);
    const reload = asked + props.done;
    const [stale, setStale] = React.useState(false);
    const [merging, setMerging] = React.useState<readonly Memory[] | null>(
      null
    );
    const [undo, setUndo] = React.useState<readonly Memory[] | null>(null);
    const [trouble, setTrouble] = React.useState('');
    const search = React.useRef<HTMLInputElement>(null);
    const list = React.useRef<IMemoryListHandle>(null);
    const detail = React.useRef<IDetailHandle>(null);
    const [pivot, setPivot] = React.useState<number | null>(null);

    const searching = text.trim() !== '';
    const { pages, turn } = useList(
      client,
      agent,
      filter,
      sort === 'match' ? 'newest' : sort,
      reload
    );
    const {
      found,
      failure: searchFailure,
      again: searchAgain
    } = useSearch(client, agent, text, filter, reload);
    const [patches, setPatches] = React.useState<ReadonlyMap<number, Memory>>(
      () => new Map()
    );
    React.useEffect(() => setPatches(new Map()), [found]);
    React.useEffect(() => {
      setChecked(NOTHING);
      setText('');
      setFilter(NO_FILTER);
      setSort('newest');
      setTrouble('');
      setUndo(null);
    }, [agent]);

    // News of this agent: the list is read anew, unless somebody's hand is in it.
    const news = React.useRef(props.news);
    React.useEffect(() => {
      if (news.current === props.news) return;
      news.current = props.news;
      if (list.current?.isTouched()) setStale(true);
      else setReload(count => count + 1);
    }, [props.news]);
    React.useEffect(() => setStale(false), [reload, agent]);

    const items = React.useMemo<readonly Memory[]>(() => {
      if (!searching) return [...(pages?.items ?? [])];
      const known = (found?.found ?? [])
        .map(({ memory }) => patches.get(memory.id) ?? memory)
        .filter(
          memory =>
            (memory.forgotten_at !== null) === filter.forgotten &&
            (!filter.pinned || memory.pinned) &&
            (!filter.source ||
              (memory.source.kind ?? 'person') === filter.source)
        );
      return sort === 'newest' || sort === 'match'
        ? sort === 'match'
          ? known
          : known.toSorted((a, b) => b.id - a.id)
        : known.toSorted((a, b) =>
            sort === 'importance'
              ? b.importance - a.importance
              : (b.used_at ?? 0) - (a.used_at ?? 0)
          );
      // eslint-disable-next-line react-hooks/exhaustive-deps -- `turn` says that the pages changed
    }, [searching, found, pages, turn, patches, filter, sort]);
    const total = searching ? items.length : (pages?.total ?? 0);
    const byId = React.useMemo(
      () => new Map(items.map(memory => [memory.id, memory])),
      [items]
    );
    const selected = [...checked]
      .map(id => byId.get(id))
      .filter((memory): memory is Memory => memory !== undefined);

    const replaced = (memories: readonly Memory[]) => {
      for (const memory of memories) pages?.replace(memory);
      setPatches(before => {
        const after = new Map(before);
        for (const memory of memories) after.set(memory.id, memory);
        return after;
      });
      onChanged();
    };
    const tell = (failed: readonly string[]) => {
      setTrouble(failed.length > 0 ? failed.join(' · ') : '');
    };
    const pin = async (memories: readonly Memory[]) => {
      const pinned = !memories.every(memory => memory.pinned);
      const { done, failed } = await each(memories, memory =>
        client.changeMemory(memory.id, { pinned, version: memory.version })
      );
      replaced(done);
      tell(failed);
    };
    const forget = async (memories: readonly Memory[]) => {
      const going = memories.filter(memory => memory.forgotten_at === null);
      const at = items.findIndex(memory => memory.id === current);
      const { done, failed } = await each(going, memory =>
        client.forgetMemory(memory.id)
      );
      const gone = new Set(done.map(memory => memory.id));
      if (filter.forgotten) replaced(done);
      else {
        pages?.remove(gone);
        replaced(done);
      }
      setChecked(before => new Set([...before].filter(id => !gone.has(id))));
      if (current !== null && gone.has(current)) {
        const next =
          at < 0
            ? null
            : items.slice(at + 1).find(memory => !gone.has(memory.id));
        onMemory(next?.id ?? null);
      }
      if (done.length > 0) setUndo(done);
      tell(failed);
    };
    const restore = async (memories: readonly Memory[]) => {
      const { done, failed } = await each(memories, memory =>
        client.restoreMemory(memory.id)
      );
      setUndo(null);
      replaced(done);
      setReload(count => count + 1);
      if (done.length === 1) onMemory(done[0].id);
      tell(failed);
    };
    const check = (id: number, range: boolean) => {
      setChecked(before => {
        const after = new Set(before);
        const from = items.findIndex(memory => memory.id === pivot);
        const to = items.findIndex(memory => memory.id === id);
        if (range && from >= 0 && to >= 0) {
          for (const memory of items.slice(
            Math.min(from, to),
            Math.max(from, to) + 1
          )) {
            after.add(memory.id);
          }
        } else if (after.has(id)) after.delete(id);
        else after.add(id);
        return after;
      });
      setPivot(id);
    };
    const grant = async (reader: string, allow: boolean) => {
      try {
        await client.grantMemory({ agent, reader, allow });
        setTrouble('');
        onChanged();
        return true;
      } catch (error) {
        setTrouble(error instanceof Error ? error.message : String(error));
        return false;
      }
    };
    const merged = (outcome: Merged) => {
      setMerging(null);
      setChecked(NOTHING);
      setReload(count => count + 1);
      onMemory(outcome.memory.id);
      onChanged();
    };

    // What was done here to one that is not among the pages that were read is known all the same.
    const shown =
      current === null
        ? null
        : (byId.get(current) ?? patches.get(current) ?? null);
    const press = (key: MemoryKey) => {
      const inFull = detail.current?.memory ?? null;
      const aimed = selected.length > 0 ? selected : inFull ? [inFull] : [];
      switch (key) {
        case 'search':
          search.current?.focus();
          search.current?.select();
          return;
        case 'next':
          return list.current?.move(1);
        case 'previous':
          return list.current?.move(-1);
        case 'edit':
          return detail.current?.edit();
        case 'pin':
          return void (aimed.length > 0 && pin(aimed));
        case 'forget':
          return void (aimed.length > 0 && forget(aimed));
        case 'merge':
          return void (selected.length > 1 && setMerging(selected));
        case 'clear':
          if (checked.size > 0) setChecked(NOTHING);
          else if (current !== null) {
            onMemory(null);
            list.current?.focus();
          } else if (text) setText('');
          return;
      }
    };
    React.useImperativeHandle(ref, () => ({ press }));

    const setWords = (words: string) => {
      setText(words);
      if (words.trim() && !searching) setSort('match');
      else if (!words.trim()) setSort('newest');
    };
    const counts = props.space?.layers;
    const all = LAYERS.reduce((sum, layer) => sum + (counts?.[layer] ?? 0), 0);
    const narrowed =
      filter.tag !== '' ||
      filter.source !== null ||
      filter.pinned ||
      filter.forgotten;
    const tags = React.useMemo(
      () => [...new Set(items.slice(0, 1000).flatMap(memory => memory.tags))],
      [items]
    );
    const want = React.useCallback(
      (count: number) => {
        if (!searching) pages?.want(count);
      },
      [pages, searching]
    );
    const failure = searching ? searchFailure : (pages?.failure ?? null);
    const opened = searching ? found !== null : pages?.opened === true;
    const onTag = (tag: string) => {
      setFilter(before => ({ ...before, tag }));
      setFiltering(true);
    };

    return (
      <div className={current === null ? 'mi-cols' : 'mi-cols with'}>
        <div className="mi-left">
          <Layers
            selected={filter.layer}
            counts={counts}
            all={all}
            onSelect={layer => setFilter(before => ({ ...before, layer }))}
          />
          <div className="mi-bar">
            <label
              className="ae-field ae-grow"
              data-lm-suppress-shortcuts="true"
            >
              <Icon name="search" size={14} />
              <input
                ref={search}
                type="text"
                role="searchbox"
                value={text}
                aria-label={trans.__('Search memories')}
                placeholder={trans.__('Search what %1 remembers', agent)}
                title={hints('aether:memory-search')}
                onChange={event => setWords(event.currentTarget.value)}
                onKeyDown={event => {
                  if (event.key === 'Escape') {
                    setWords('');
                    event.currentTarget.blur();
                    list.current?.focus();
                  } else if (event.key === 'Enter' && items[0]) {
                    event.preventDefault();
                    onMemory(items[0].id);
                    list.current?.focus(0);
                  } else if (event.key === 'ArrowDown' && items[0]) {
                    event.preventDefault();
                    list.current?.focus();
                  }
                }}
              />
              <span
                className="ae-small mi-found"
                role="status"
                title={
                  found && !found.byMeaning
                    ? trans.__('Found by their words alone')
                    : undefined
                }
              >
                {searching && found
                  ? trans.__(
                      '%1 found, %2 ms',
                      found.found.length >= FOUND_MOST
                        ? trans.__('%1 or more', FOUND_MOST)
                        : items.length,
                      Math.max(1, Math.round(found.tookS * 1000))
                    )
                  : ''}
              </span>
            </label>
            <SortBy
              className="hide-n"
              sort={sort}
              searching={searching}
              onSort={setSort}
            />
            <Button
              icon="settings"
              label={narrowed ? trans.__('Filter, in use') : trans.__('Filter')}
              pressed={filtering || narrowed}
              onClick={() => setFiltering(!filtering)}
            />
          </div>
          {filtering && (
            <FilterBar
              key={`${agent} ${filter.tag}`}
              tags={tags}
              filter={filter}
              sort={sort}
              searching={searching}
              onSort={setSort}
              onFilter={setFilter}
              onClear={() =>
                setFilter(before => ({ ...NO_FILTER, layer: before.layer }))
              }
            />
          )}
          {selected.length > 0 && (
            <SelectionBar
              selected={selected}
              onMerge={() => setMerging(selected)}
              onPin={() => void pin(selected)}
              onForget={() => void forget(selected)}
              onRestore={() => void restore(selected)}
              onClear={() => setChecked(NOTHING)}
            />
          )}
          {trouble && (
            <div className="mi-notes">
              <Note
                tone="bad"
                icon="error"
                alert
                action={
                  <Button
                    kind="quiet"
                    small
                    icon="close"
                    label={trans.__('Close')}
                    onClick={() => setTrouble('')}
                  />
                }
              >
                {trouble}
              </Note>
            </div>
          )}
          {stale && (
            <div className="mi-notes">
              <Note
                tone="run"
                icon="refresh"
                action={
                  <Button small onClick={() => setReload(count => count + 1)}>
                    {trans.__('Show')}
                  </Button>
                }
              >
                {trans.__('%1 remembers more than is shown here.', agent)}
              </Note>
            </div>
          )}
          {failure && (
            <div className="mi-notes">
              <Failure
                tone={opened ? 'warn' : 'bad'}
                again={() => (searching ? searchAgain() : pages?.retry())}
              >
                {opened
                  ? trans.__('What is here stays. %1', failure.message)
                  : failure.message}
              </Failure>
            </div>
          )}
          {!opened && !failure && (
            <div className="mi-list" aria-busy="true">
              <div className="ae-late">
                {[0, 1, 2, 3, 4, 5].map(index => (
                  <div key={index} aria-hidden="true">
                    <WaitingRow index={index} />
                  </div>
                ))}
              </div>
              <Patience>
                {trans.__('The memories are still being read.')}
              </Patience>
            </div>
          )}
          {opened && total === 0 && (
            <Nothing
              agent={agent}
              searching={searching}
              narrowed={narrowed || filter.layer !== null}
              waiting={props.waiting}
              onClear={() => {
                setFilter(NO_FILTER);
                setWords('');
              }}
            />
          )}
          {opened && total > 0 && (
            <MemoryList
              ref={list}
              agent={agent}
              items={items}
              total={total}
              of={`${agent} ${searching ? text : ''} ${sort} ${JSON.stringify(filter)}`}
              query={searching ? (found?.text ?? '') : ''}
              current={current}
              checked={checked}
              fading={fading}
              now={now}
              label={trans.__('Memories of %1', agent)}
              onWant={want}
              onShow={onMemory}
              onCheck={check}
              onTag={onTag}
            />
          )}
        </div>
        {current !== null && (
          <MemoryDetail
            ref={detail}
            id={current}
            known={shown}
            news={props.news + reload}
            fading={fading}
            space={props.space}
            agents={props.agents}
            drafts={props.drafts}
            onClose={() => {
              onMemory(null);
              list.current?.focus();
            }}
            onChanged={memory => replaced([memory])}
            onPin={memory => void pin([memory])}
            onForget={memory => void forget([memory])}
            onRestore={memory => void restore([memory])}
            onMerge={memory => setMerging([memory])}
            onGrant={grant}
            onShow={onMemory}
          />
        )}
        {undo && (
          <Undo
            key={undo.map(memory => memory.id).join()}
            memories={undo}
            onUndo={() => void restore(undo)}
            onOver={() => setUndo(null)}
          />
        )}
        {merging && (
          <MergeDialog
            memories={merging}
            onDone={merged}
            onClose={() => setMerging(null)}
          />
        )}
      </div>
    );
  }
);

function Layers(props: {
  selected: Layer | null;
  counts: Readonly<Partial<Record<Layer, number>>> | undefined;
  all: number;
  onSelect: (layer: Layer | null) => void;
}): React.JSX.Element {
  const trans = useWords();
  const words = layerWords(trans);
  const order: readonly (Layer | null)[] = [null, ...LAYERS];
  const onKeyDown = (event: React.KeyboardEvent<HTMLDivElement>) => {
    const step =
      event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const at = order.indexOf(props.selected);
    const next = (at + step + order.length) % order.length;
    props.onSelect(order[next]);
    (event.currentTarget.children[next] as HTMLElement).focus();
    event.preventDefault();
  };
  return (
    <div
      className="mi-layers"
      role="tablist"
      aria-label={trans.__('Layers')}
      onKeyDown={onKeyDown}
    >
      {order.map(layer => (
        <button
          key={layer ?? 'all'}
          type="button"
          role="tab"
          aria-selected={layer === props.selected}
          tabIndex={layer === props.selected ? 0 : -1}
          onClick={() => props.onSelect(layer)}
        >
          {layer && <Icon name={words[layer].icon} size={14} />}
          <b>{layer ? words[layer].label : trans.__('All')}</b>
          <span>
            {(layer ? (props.counts?.[layer] ?? 0) : props.all).toLocaleString(
              'en-US'
            )}
          </span>
          {layer && <small>{words[layer].holds}</small>}
        </button>
      ))}
    </div>
  );
}

function SortBy(props: {
  className: string;
  sort: MemorySort | 'match';
  searching: boolean;
  onSort: (sort: MemorySort | 'match') => void;
}): React.JSX.Element {
  const trans = useWords();
  return (
    <label className={`ae-select mi-sort ${props.className}`}>
      <span>{trans.__('Sort')}</span>
      <select
        value={props.sort}
        aria-label={trans.__('Sort by')}
        onChange={event =>
          props.onSort(event.currentTarget.value as MemorySort | 'match')
        }
      >
        {props.searching && <option value="match">{trans.__('Match')}</option>}
        <option value="newest">{trans.__('Newest')}</option>
        {!props.searching && (
          <option value="strength">{trans.__('Strength')}</option>
        )}
        <option value="importance">{trans.__('Importance')}</option>
        <option value="used">{trans.__('Last used')}</option>
      </select>
    </label>
  );
}

function FilterBar(props: {
  filter: IFilter;
  /** Tags of what is shown, to choose from. */
  tags: readonly string[];
  sort: MemorySort | 'match';
  searching: boolean;
  onSort: (sort: MemorySort | 'match') => void;
  onFilter: (filter: IFilter) => void;
  onClear: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { filter, onFilter } = props;
  // A part of a tag is no tag: it counts once it is whole.
  const [tag, setTag] = React.useState(filter.tag);
  const list = React.useId();
  const choose = (to: string) => {
    if (to.trim() !== filter.tag) onFilter({ ...filter, tag: to.trim() });
  };
  return (
    <div className="mi-filter" role="group" aria-label={trans.__('Filter')}>
      <SortBy
        className="only-n"
        sort={props.sort}
        searching={props.searching}
        onSort={props.onSort}
      />
      <label className="ae-field" data-lm-suppress-shortcuts="true">
        <span>{trans.__('Tag')}</span>
        <input
          value={tag}
          size={12}
          list={list}
          aria-label={trans.__('Only with this tag')}
          onChange={event => {
            setTag(event.currentTarget.value);
            if (props.tags.includes(event.currentTarget.value)) {
              choose(event.currentTarget.value);
            }
          }}
          onBlur={() => choose(tag)}
          onKeyDown={event => {
            if (event.key === 'Enter') choose(tag);
            else if (event.key === 'Escape') {
              setTag('');
              choose('');
            }
          }}
        />
        <datalist id={list}>
          {props.tags.map(each => (
            <option key={each} value={each} />
          ))}
        </datalist>
      </label>
      <label className="ae-select">
        <span>{trans.__('From')}</span>
        <select
          value={filter.source ?? ''}
          aria-label={trans.__('Only from this source')}
          onChange={event =>
            onFilter({
              ...filter,
              source: (event.currentTarget.value ||
                null) as MemorySourceKind | null
            })
          }
        >
          <option value="">{trans.__('Anywhere')}</option>
          {sourceKinds(trans).map(([kind, label]) => (
            <option key={kind} value={kind}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <Button
        small
        icon="pin"
        pressed={filter.pinned}
        onClick={() => onFilter({ ...filter, pinned: !filter.pinned })}
      >
        {trans.__('Pinned')}
      </Button>
      <Button
        small
        icon="trash"
        pressed={filter.forgotten}
        disabled={
          props.searching && trans.__('No search finds what is forgotten')
        }
        onClick={() => onFilter({ ...filter, forgotten: !filter.forgotten })}
      >
        {trans.__('Forgotten')}
      </Button>
      <Button small kind="quiet" onClick={props.onClear}>
        {trans.__('Clear')}
      </Button>
    </div>
  );
}

function SelectionBar(props: {
  selected: readonly Memory[];
  onMerge: () => void;
  onPin: () => void;
  onForget: () => void;
  onRestore: () => void;
  onClear: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { selected } = props;
  const gone = selected.every(memory => memory.forgotten_at !== null);
  const likeness = useLikeness(selected);
  const pinned = selected.every(memory => memory.pinned);
  return (
    <div
      className="mi-selected"
      role="group"
      aria-label={trans.__('What is selected')}
    >
      <b>{trans.__('%1 selected', selected.length)}</b>
      <span className="ae-2 ae-trunc mi-alike" role="status">
        {likeness !== null &&
          trans.__('They say nearly the same (%1).', likeness.toFixed(2))}
      </span>
      <span className="ae-grow" />
      {gone ? (
        <Button small icon="undo" onClick={props.onRestore}>
          {trans.__('Restore')}
        </Button>
      ) : (
        <>
          <Button
            small
            icon="merge"
            kind={likeness !== null ? 'primary' : 'plain'}
            disabled={
              selected.length < 2 &&
              trans.__('Select another one to merge with')
            }
            onClick={props.onMerge}
          >
            {trans.__('Merge')}
          </Button>
          <Button
            small
            icon="pin"
            pressed={pinned}
            label={trans.__('Pin')}
            onClick={props.onPin}
          >
            <span className="hide-xs">
              {pinned ? trans.__('Pinned') : trans.__('Pin')}
            </span>
          </Button>
          <Button
            small
            icon="trash"
            label={trans.__('Forget')}
            onClick={props.onForget}
          >
            <span className="hide-xs">{trans.__('Forget')}</span>
          </Button>
        </>
      )}
      <Button
        small
        kind="quiet"
        icon="close"
        label={trans.__('Select nothing')}
        onClick={props.onClear}
      />
    </div>
  );
}

/** How alike two selected ones are, where they say nearly the same. */
function useLikeness(selected: readonly Memory[]): number | null {
  const { client } = useServices();
  const [first, second] = selected;
  const key =
    selected.length === 2 ? `${first.id} ${second.id} ${first.version}` : '';
  const { value, of } = useAsked(
    key ? () => client.similarMemories(first.id) : null,
    key
  );
  if (!key || of !== key) return null;
  return value?.find(pair => pair.second.id === second.id)?.likeness ?? null;
}

function Nothing(props: {
  agent: string;
  searching: boolean;
  narrowed: boolean;
  waiting: number | null;
  onClear: () => void;
}): React.JSX.Element {
  const trans = useWords();
  if (props.searching || props.narrowed) {
    return (
      <div className="ae-empty">
        <h3>{trans.__('No memory fits')}</h3>
        <p className="ae-2">
          {props.searching && props.waiting
            ? trans._n(
                '%1 memory cannot be found by meaning yet; it is found by its words.',
                '%1 memories cannot be found by meaning yet; they are found by their words.',
                props.waiting
              )
            : trans.__('Other words, or fewer filters, find more.')}
        </p>
        <Button onClick={props.onClear}>{trans.__('Show all')}</Button>
      </div>
    );
  }
  return (
    <div className="ae-empty">
      <Icon name="layers" size={20} />
      <h3>{trans.__('%1 remembers nothing yet', props.agent)}</h3>
      <p className="ae-2">
        {trans.__(
          'An agent keeps what it may need in its next run. You can tell it, too: "Remember that the figures are without tax."'
        )}
      </p>
    </div>
  );
}

/** What was just forgotten can be had back for ten seconds without looking for it. */
function Undo(props: {
  memories: readonly Memory[];
  onUndo: () => void;
  onOver: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { memories } = props;
  const over = React.useRef(props.onOver);
  over.current = props.onOver;
  const [held, setHeld] = React.useState(false);
  React.useEffect(() => {
    if (held) return undefined;
    const timer = window.setTimeout(() => over.current(), UNDO_MS);
    return () => window.clearTimeout(timer);
  }, [held]);
  return (
    <div
      className="mi-undo"
      role="status"
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span className="ae-trunc">
        {memories.length === 1
          ? trans.__('Forgot “%1”', memories[0].text.slice(0, 60))
          : trans.__('Forgot %1 memories', memories.length)}
      </span>
      <Button small icon="undo" onClick={props.onUndo}>
        {trans.__('Undo')}
      </Button>
    </div>
  );
}
