/** One memory in full: what it says, how it fades, where it comes from, where it was used, who reads it, how it changed. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Memory, MemorySource, MemorySpace } from '../../api/types';
import {
  Button,
  Failure,
  figures,
  Icon,
  type IconName,
  Note,
  Patience,
  Skeleton,
  useHints,
  useWords
} from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { useClock, useServices } from '../services';
import { useAsked } from '../useAsked';
import type { IDrafts, IMemoryDraft } from './drafts';
import { MemoryForm } from './MemoryForm';
import { BigCurve, Dots, type IFading, useStrengthWords } from './Strength';
import { changedFields, difference } from './versions';
import {
  LayerName,
  layerWords,
  sourceWords,
  StepLink,
  usedWords
} from './words';

export interface IDetailHandle {
  /** The memory that is shown, as far as it is known. */
  readonly memory: Memory | null;
  edit(): void;
}

export interface IMemoryDetailProps {
  id: number;
  /** As the list knows it, so that there is something to see at once. */
  known: Memory | null;
  /** Counts what may have changed it. */
  news: number;
  fading: IFading;
  space: MemorySpace | null;
  /** The other agents that there are. */
  agents: readonly string[];
  drafts: IDrafts<number, IMemoryDraft>;
  onClose: () => void;
  onChanged: (memory: Memory) => void;
  onPin: (memory: Memory) => void;
  onForget: (memory: Memory) => void;
  onRestore: (memory: Memory) => void;
  /** Looks for others that say the same, to merge it with. */
  onMerge: (memory: Memory) => void;
  onGrant: (reader: string, allow: boolean) => Promise<boolean>;
  onShow: (id: number) => void;
}

export const MemoryDetail = React.forwardRef<IDetailHandle, IMemoryDetailProps>(
  function MemoryDetail(props, ref) {
    const trans = useWords();
    const hints = useHints();
    const { client } = useServices();
    const { id, known, fading, drafts } = props;
    /** Which one the form was opened for; where something was typed it stays open for that one. */
    const [opened, setOpened] = React.useState<number | null>(null);
    const editing = opened === id || drafts.of(id) !== null;
    const {
      value: versions,
      of,
      failure,
      again
    } = useAsked(
      () => client.memory(id),
      `${id} ${known?.version ?? 0} ${props.news}`
    );
    const mine = of.startsWith(`${id} `) ? versions : null;
    // The newer of the two: the list is told at once what was done here.
    const memory =
      known && (mine?.[0]?.version ?? 0) <= known.version
        ? known
        : (mine?.[0] ?? null);
    const close = React.useRef<HTMLButtonElement>(null);
    React.useEffect(() => setOpened(null), [id]);
    React.useImperativeHandle(ref, () => ({
      memory,
      edit: () => {
        if (memory && memory.forgotten_at === null) setOpened(id);
      }
    }));

    if (!memory) {
      return (
        <aside className="mi-detail" aria-label={trans.__('Memory')}>
          <header>
            <span className="ae-grow" />
            <Button
              kind="quiet"
              icon="close"
              label={trans.__('Close')}
              onClick={props.onClose}
            />
          </header>
          {failure ? (
            <Note
              tone="bad"
              icon="error"
              action={
                failure instanceof AetherError &&
                failure.status === 404 ? null : (
                  <Button small onClick={again}>
                    {trans.__('Try again')}
                  </Button>
                )
              }
            >
              {failure instanceof AetherError && failure.status === 404
                ? trans.__(
                    'Memory %1 is not here: it was erased, or belongs to somebody else.',
                    id
                  )
                : failure.message}
            </Note>
          ) : (
            <>
              <Skeleton height={18} />
              <Skeleton height={18} width="60%" />
              <Patience>{trans.__('The memory is still being read.')}</Patience>
            </>
          )}
        </aside>
      );
    }
    const gone = memory.forgotten_at !== null;
    return (
      <aside
        className="mi-detail"
        aria-label={trans.__('Memory %1', memory.id)}
        data-memory={memory.id}
      >
        <header>
          <LayerName layer={memory.layer} />
          <span className="ae-small ae-2">{`#${memory.id}`}</span>
          <span className="ae-grow" />
          <Button
            ref={close}
            kind="quiet"
            icon="close"
            label={trans.__('Close')}
            onClick={props.onClose}
          />
        </header>
        {editing ? (
          <MemoryForm
            key={id}
            memory={memory}
            drafts={drafts}
            onSaved={props.onChanged}
            onDone={() => {
              setOpened(null);
              close.current?.focus();
            }}
          />
        ) : (
          <>
            <Whole text={stripAnsi(memory.text)} />
            {gone ? (
              <Note
                icon="trash"
                action={
                  memory.merged_into ? (
                    <Button
                      small
                      onClick={() => props.onShow(memory.merged_into ?? 0)}
                    >
                      {trans.__('Show it')}
                    </Button>
                  ) : (
                    <Button
                      small
                      icon="undo"
                      onClick={() => props.onRestore(memory)}
                    >
                      {trans.__('Restore')}
                    </Button>
                  )
                }
              >
                {memory.merged_into
                  ? trans.__(
                      'It was merged into memory %1 and is found no more by itself.',
                      memory.merged_into
                    )
                  : trans.__('It is forgotten: no search finds it.')}
              </Note>
            ) : (
              <div className="mi-acts">
                <Button
                  small
                  icon="pin"
                  pressed={memory.pinned}
                  title={
                    memory.pinned
                      ? trans.__('Let it fade again')
                      : trans.__('Never fades, is never forgotten by itself')
                  }
                  onClick={() => props.onPin(memory)}
                >
                  {memory.pinned ? trans.__('Pinned') : trans.__('Pin')}
                </Button>
                <Button
                  small
                  icon="edit"
                  title={hints('aether:memory-edit')}
                  onClick={() => setOpened(id)}
                >
                  {trans.__('Edit')}
                </Button>
                <Button
                  small
                  icon="merge"
                  title={trans.__('With another that says the same')}
                  onClick={() => props.onMerge(memory)}
                >
                  {trans.__('Merge')}
                </Button>
                <Button
                  small
                  icon="trash"
                  title={trans.__('Can be undone')}
                  onClick={() => props.onForget(memory)}
                >
                  {trans.__('Forget')}
                </Button>
              </div>
            )}
            <p className="mi-facts">
              <Dots importance={memory.importance} />
              <span>{usedWords(memory, trans)}</span>
              {memory.tags.map(tag => (
                <span key={tag} className="ae-chip">
                  {tag}
                </span>
              ))}
            </p>
          </>
        )}
        {failure && (
          <Failure tone="warn" again={again}>
            {trans.__('Shown as it was. %1', failure.message)}
          </Failure>
        )}
        {!gone && <Strength memory={memory} fading={fading} />}
        <Provenance memory={memory} onShow={props.onShow} />
        <Uses memory={memory} news={props.news} />
        <Readers
          memory={memory}
          space={props.space}
          agents={props.agents}
          onGrant={props.onGrant}
        />
        {mine && mine.length > 1 && <History versions={mine} />}
      </aside>
    );
  }
);

const MOST_CHARS = 1500;

/** The whole text, folded where it is very long. */
function Whole(props: { text: string }): React.JSX.Element {
  const trans = useWords();
  const { text } = props;
  const [all, setAll] = React.useState(false);
  const long = text.length > MOST_CHARS;
  return (
    <div className="mi-whole">
      <p>{long && !all ? `${text.slice(0, MOST_CHARS)}…` : text}</p>
      {long && !all && (
        <Button small kind="quiet" onClick={() => setAll(true)}>
          {trans.__('All %1 characters', text.length.toLocaleString('en-US'))}
        </Button>
      )}
    </div>
  );
}

function Strength(props: {
  memory: Memory;
  fading: IFading;
}): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const said = useStrengthWords(props.memory, now, props.fading);
  return (
    <section>
      <h4>
        {trans.__('Strength')} <span>{said}</span>
      </h4>
      <BigCurve memory={props.memory} now={now} fading={props.fading} />
    </section>
  );
}

const SOURCE_ICONS: Readonly<
  Record<NonNullable<MemorySource['kind']>, IconName>
> = {
  agent: 'aether',
  person: 'person',
  journal: 'list',
  reflection: 'thought',
  consolidation: 'merge',
  import: 'upload'
};

function SourceItem(props: {
  source: MemorySource;
  at: number | null;
}): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { source, at } = props;
  const kind = source.kind ?? 'person';
  const titles: Readonly<Record<typeof kind, string>> = {
    agent: trans.__('Written by the agent'),
    person: trans.__('Written by %1', source.by),
    journal: trans.__('Journal of the agent'),
    reflection: trans.__('Reflection after a run'),
    consolidation: trans.__('Merged from others'),
    import: trans.__('Imported by %1', source.by)
  };
  return (
    <li>
      <Icon name={SOURCE_ICONS[kind]} size={14} />
      <div>
        <b>{titles[kind]}</b>
        <p className="ae-small ae-2">
          {source.pid && <StepLink pid={source.pid} step={source.step} />}{' '}
          {at !== null && (
            <time dateTime={new Date(at * 1000).toISOString()}>
              {figures.clock(at, now)}
            </time>
          )}
        </p>
      </div>
    </li>
  );
}

function Provenance(props: {
  memory: Memory;
  onShow: (id: number) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { memory } = props;
  const { source, sources, merged, made_from, contradicts } = memory;
  return (
    <section>
      <h4>{trans.__('Where it comes from')}</h4>
      <ul className="mi-prov">
        <SourceItem source={source} at={memory.created_at} />
        {sources.map((each, index) => (
          <SourceItem key={index} source={each} at={null} />
        ))}
        <Others
          icon="merge"
          title={trans.__('Went into it')}
          ids={merged}
          onShow={props.onShow}
        />
        <Others
          icon="layers"
          title={trans.__('Drawn from')}
          ids={made_from}
          onShow={props.onShow}
        />
        <Others
          icon="error"
          title={trans.__('Cannot be true at once with')}
          ids={contradicts}
          onShow={props.onShow}
        />
        {source.tainted && (
          <li>
            <Icon name="globe" size={14} />
            <div>
              <b>{trans.__('Words of strangers went into it')}</b>
              <p className="ae-small ae-2">
                {trans.__(
                  'A page, a file or a command said them. Models get it as material, never as an instruction, and it raises no permission.'
                )}
              </p>
            </div>
          </li>
        )}
      </ul>
    </section>
  );
}

/** Other memories that belong to this one, each with the way to it. */
function Others(props: {
  icon: IconName;
  title: string;
  ids: readonly number[];
  onShow: (id: number) => void;
}): React.JSX.Element | null {
  const { ids } = props;
  if (ids.length === 0) return null;
  return (
    <li>
      <Icon name={props.icon} size={14} />
      <div>
        <b>{props.title}</b>
        <p className="ae-small">
          {ids.map(id => (
            <button
              key={id}
              type="button"
              className="mi-link"
              onClick={() => props.onShow(id)}
            >
              {`#${id}`}
            </button>
          ))}
        </p>
      </div>
    </li>
  );
}

const SHOWN_USES = 5;

function Uses(props: { memory: Memory; news: number }): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { id } = props.memory;
  const [all, setAll] = React.useState(false);
  const {
    value,
    of,
    failure,
    again: retry
  } = useAsked(() => client.memoryUses(id), `${id} ${props.news}`);
  const uses = of.startsWith(`${id} `) ? value : null;
  const shown = all ? uses : uses?.slice(0, SHOWN_USES);
  return (
    <section>
      <h4>{trans.__('Used in')}</h4>
      {!uses && !failure && <Skeleton height={16} />}
      {failure && (
        <p className="ae-small ae-2">
          {failure.message}{' '}
          <button type="button" className="mi-link" onClick={retry}>
            {trans.__('Try again')}
          </button>
        </p>
      )}
      {uses?.length === 0 && (
        <p className="ae-small ae-2">
          {trans.__('No model was given it yet.')}
        </p>
      )}
      <ul className="mi-uses">
        {shown?.map(use => (
          <li key={`${use.pid} ${use.step} ${use.how}`}>
            <StepLink pid={use.pid} step={use.step} />
            <span className="ae-small ae-2">
              {use.cited !== null
                ? trans.__('cited')
                : use.how === 'recalled'
                  ? trans.__('looked up')
                  : trans.__('given')}
            </span>
            <span className="ae-grow" />
            <span className="ae-small ae-2">
              {trans.__('score %1', use.score.toFixed(2))}
            </span>
          </li>
        ))}
      </ul>
      {uses && uses.length > SHOWN_USES && !all && (
        <Button small kind="quiet" onClick={() => setAll(true)}>
          {trans.__('All %1', uses.length)}
        </Button>
      )}
    </section>
  );
}

function Readers(props: {
  memory: Memory;
  space: MemorySpace | null;
  agents: readonly string[];
  onGrant: (reader: string, allow: boolean) => Promise<boolean>;
}): React.JSX.Element {
  const trans = useWords();
  const { memory, space, agents, onGrant } = props;
  const [adding, setAdding] = React.useState(false);
  const [name, setName] = React.useState('');
  const button = React.useRef<HTMLButtonElement>(null);
  const list = React.useId();
  const readers = space?.readers ?? [];
  const share = async () => {
    const reader = name.trim();
    if (!reader) return;
    if (await onGrant(reader, true)) {
      setAdding(false);
      setName('');
      button.current?.focus();
    }
  };
  return (
    <section>
      <h4>{trans.__('Who can read it')}</h4>
      <p className="ae-small ae-2 mi-hint">
        {trans.__('All that %1 remembers is shared together.', memory.agent)}
      </p>
      <div className="mi-readers">
        <span className="ae-chip">{memory.agent}</span>
        {readers.map(reader => (
          <span key={reader} className="ae-chip">
            {reader}
            <button
              type="button"
              className="mi-x"
              aria-label={trans.__('Share no more with %1', reader)}
              title={trans.__('Share no more with %1', reader)}
              onClick={() => void onGrant(reader, false)}
            >
              <Icon name="close" size={12} />
            </button>
          </span>
        ))}
        {!adding && (
          <Button
            ref={button}
            small
            kind="quiet"
            onClick={() => setAdding(true)}
          >
            {trans.__('Share')}
          </Button>
        )}
      </div>
      {adding && (
        <form
          className="mi-share"
          data-lm-suppress-shortcuts="true"
          onSubmit={event => {
            event.preventDefault();
            void share();
          }}
          onKeyDown={event => {
            if (event.key !== 'Escape') return;
            event.stopPropagation();
            setAdding(false);
            window.requestAnimationFrame(() => button.current?.focus());
          }}
        >
          <input
            className="ae-input ae-grow"
            list={list}
            value={name}
            autoFocus
            maxLength={200}
            aria-label={trans.__('Name of the agent that may read')}
            placeholder={trans.__('Name of an agent')}
            onChange={event => setName(event.currentTarget.value)}
          />
          <datalist id={list}>
            {agents
              .filter(
                agent => agent !== memory.agent && !readers.includes(agent)
              )
              .map(agent => (
                <option key={agent} value={agent} />
              ))}
          </datalist>
          <Button
            kind="primary"
            small
            disabled={
              name.trim() === '' && trans.__('Name the agent that may read')
            }
            onClick={() => void share()}
          >
            {trans.__('Share')}
          </Button>
          <Button small kind="quiet" onClick={() => setAdding(false)}>
            {trans.__('Cancel')}
          </Button>
        </form>
      )}
    </section>
  );
}

/** How it changed, the newest change first. */
function History(props: { versions: readonly Memory[] }): React.JSX.Element {
  const trans = useWords();
  const { versions } = props;
  const [all, setAll] = React.useState(false);
  const pairs = versions
    .slice(0, -1)
    .map((after, index) => [versions[index + 1], after] as const);
  return (
    <section>
      <h4>
        {trans.__('How it changed')}{' '}
        <span>{trans.__('version %1', versions[0].version)}</span>
      </h4>
      <ol className="mi-history">
        {(all ? pairs : pairs.slice(0, 4)).map(([before, after]) => (
          <Change key={after.version} before={before} after={after} />
        ))}
        <Birth memory={versions[versions.length - 1]} />
      </ol>
      {pairs.length > 4 && !all && (
        <Button small kind="quiet" onClick={() => setAll(true)}>
          {trans.__('All %1 changes', pairs.length)}
        </Button>
      )}
    </section>
  );
}

function Birth(props: { memory: Memory }): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { memory } = props;
  return (
    <li>
      <time dateTime={new Date(memory.created_at * 1000).toISOString()}>
        {figures.clock(memory.created_at, now)}
      </time>
      <div>
        <b>{trans.__('Remembered')}</b>{' '}
        <span className="ae-small ae-2">
          {sourceWords(memory.source, trans) || memory.source.by}
        </span>
      </div>
    </li>
  );
}

/** Who made a change. */
function By(props: { name: string }): React.JSX.Element | null {
  const trans = useWords();
  const { name } = props;
  if (!name) return null;
  const pid = /^agent:(\d+)$/.exec(name)?.[1];
  return (
    <p className="ae-small ae-2">
      {pid ? (
        <StepLink pid={Number(pid)} />
      ) : name === 'runtime' ? (
        trans.__('by itself, for want of room')
      ) : (
        trans.__('by %1', name)
      )}
    </p>
  );
}

function Change(props: { before: Memory; after: Memory }): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { before, after } = props;
  const layers = layerWords(trans);
  const said = changedFields(before, after).map(field => {
    switch (field) {
      case 'text':
        return (
          <p key={field} className="mi-diff">
            {difference(stripAnsi(before.text), stripAnsi(after.text)).map(
              (part, index) =>
                part.kind === 'add' ? (
                  <ins key={index}>{part.text}</ins>
                ) : part.kind === 'del' ? (
                  <del key={index}>{part.text}</del>
                ) : (
                  <React.Fragment key={index}>
                    {shortened(part.text)}
                  </React.Fragment>
                )
            )}
          </p>
        );
      case 'layer':
        return (
          <p key={field}>
            {trans.__(
              '%1 became %2',
              layers[before.layer].label,
              layers[after.layer].label
            )}
          </p>
        );
      case 'importance':
        return (
          <p key={field}>
            {trans.__(
              'Importance %1 became %2',
              before.importance.toFixed(2),
              after.importance.toFixed(2)
            )}
          </p>
        );
      case 'tags':
        return (
          <p key={field}>
            {after.tags.length > 0
              ? trans.__('Tags are %1', after.tags.join(', '))
              : trans.__('No tags any more')}
          </p>
        );
      case 'pinned':
        return (
          <p key={field}>
            {after.pinned ? trans.__('Pinned') : trans.__('Not pinned')}
          </p>
        );
      case 'forgotten':
        return (
          <p key={field}>
            {after.forgotten_at !== null
              ? after.merged_into
                ? trans.__('Merged into #%1', after.merged_into)
                : trans.__('Forgotten')
              : trans.__('Restored')}
          </p>
        );
    }
  });
  return (
    <li>
      <time dateTime={new Date(after.changed_at * 1000).toISOString()}>
        {figures.clock(after.changed_at, now)}
      </time>
      <div>
        {said.length > 0 ? said : trans.__('Merged with another')}
        <By name={after.changed_by} />
      </div>
    </li>
  );
}

/** What did not change, long stretches of it only by their ends. */
function shortened(text: string): string {
  return text.length > 160 ? `${text.slice(0, 70)} … ${text.slice(-70)}` : text;
}
