/** What the model saw: for any step the exact context, by section with token counts, recalled against used. */
import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import type {
  ContextEntry,
  ContextMemory,
  ContextSection,
  ContextView,
  Process
} from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { standing } from '../../state/selectors';
import {
  Button,
  Failure,
  figures,
  Icon,
  leftOutWord,
  Note,
  notKeptWords,
  Patience,
  SECTION_COLOURS,
  Skeleton,
  standingWord,
  useWords
} from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { Pictures } from '../Pictures';
import { useClock, useCommand, useServices } from '../services';
import { useAsked, usePaced } from '../useAsked';
import {
  contextChanges,
  type ISectionChange,
  sectionsGone
} from './contextDiff';

/** How many steps back the list to compare with goes. */
const BACK = 50;
const WHOLE_CHARS = 1_000_000;
/** How much of a text is shown that is no more there. */
const GONE_CHARS = 4000;
/** Milliseconds between two looks while the agent works. */
const PACE_MS = 2000;

export interface IContextTabProps {
  agent: string;
  /** The runs under this name, the newest first. */
  runs: readonly Process[];
  /** The run and step to show; `null` is the newest, and follows it. */
  pid: number | null;
  step: number | null;
  onPlace: (place: { pid?: number | null; step?: number | null }) => void;
  onMemory: (id: number) => void;
}

export function ContextTab(props: IContextTabProps): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { runs, onPlace, step } = props;
  const pid = props.pid ?? runs[0]?.pid ?? null;
  const process = runs.find(run => run.pid === pid) ?? null;
  const [against, setAgainst] = React.useState<number | null>(null);
  const [copied, setCopied] = React.useState('');
  const body = React.useRef<HTMLDivElement>(null);
  // The newest step is asked for again when there is a newer one; a step that was chosen stands.
  const newest = usePaced(process?.step ?? 0, PACE_MS);
  const key = `${pid} ${step ?? `latest ${newest}`}`;
  const { value, of, failure, again } = useAsked(
    pid === null ? null : () => client.context(pid, { step }),
    key
  );
  const view = value && of.startsWith(`${pid} `) ? value : null;
  const waits = view !== null && of !== key;
  // Whole texts are compared: what is shown is cut, and the difference may lie beyond.
  const seen = against === null ? null : (view?.step ?? null);
  const here = useWhole(pid, seen);
  const compared = useWhole(pid, against);
  const other = compared.view;
  const whole = here.view;
  const changes = React.useMemo(
    () => (whole && other ? contextChanges(whole, other) : null),
    [whole, other]
  );
  const wrong = [{ failure, again }, here, compared].find(
    each => each.failure !== null
  );
  React.useEffect(() => {
    setAgainst(null);
  }, [pid]);
  React.useEffect(() => setCopied(''), [pid, step]);

  if (pid === null) {
    return (
      <div className="ae-empty">
        <h3>{trans.__('%1 has not run here', props.agent)}</h3>
        <p className="ae-2">
          {trans.__(
            'Once it has, each of its steps shows what the model was told: instructions, tools, plan, memories, conversation.'
          )}
        </p>
      </div>
    );
  }
  const last = Math.max(view?.last_step ?? 0, process?.step ?? 0);
  const at = step ?? view?.step ?? last;
  const copy = async () => {
    setCopied('');
    try {
      const whole = await client.context(pid, {
        step: at || null,
        chars: WHOLE_CHARS
      });
      Clipboard.copyToSystem(JSON.stringify(whole, null, 2));
      setCopied(trans.__('Copied'));
    } catch (error) {
      setCopied(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div className="mi-saw">
      <div className="mi-bar">
        {runs.length > 1 && (
          <label className="ae-select mi-run">
            <select
              value={pid}
              aria-label={trans.__('Run')}
              onChange={event =>
                onPlace({ pid: Number(event.currentTarget.value), step: null })
              }
            >
              {runs.map(run => (
                <option key={run.pid} value={run.pid}>
                  {`${run.pid}, ${standingWord(standing(run), trans)}`}
                </option>
              ))}
            </select>
          </label>
        )}
        <span
          className="ae-group mi-steps"
          role="group"
          aria-label={trans.__('Step')}
        >
          <Button
            icon="chevronLeft"
            label={trans.__('Previous step')}
            disabled={at <= 1 && trans.__('This is the first step')}
            onClick={() => onPlace({ pid, step: at - 1 })}
          />
          <StepField
            step={at}
            last={last}
            onStep={to => onPlace({ pid, step: to })}
          />
          <Button
            icon="chevronRight"
            label={trans.__('Next step')}
            disabled={at >= last && trans.__('There is no later step yet')}
            onClick={() =>
              onPlace({ pid, step: at + 1 >= last ? null : at + 1 })
            }
          />
        </span>
        {view && <Head view={view} />}
        <span className="ae-grow" />
        <label className="ae-select hide-n">
          <span>{trans.__('Compare with')}</span>
          <select
            value={against ?? ''}
            aria-label={trans.__('Compare with')}
            onChange={event =>
              setAgainst(Number(event.currentTarget.value) || null)
            }
          >
            <option value="">{trans.__('no other')}</option>
            {Array.from(
              { length: Math.min(BACK, last) },
              (_, back) => Math.min(last, at + 2) - back
            )
              .filter(each => each >= 1 && each !== at)
              .map(each => (
                <option key={each} value={each}>
                  {trans.__('Step %1', each)}
                </option>
              ))}
          </select>
        </label>
        <span className="ae-small ae-2" role="status">
          {copied}
        </span>
        <Button
          icon="copy"
          label={trans.__('Copy as JSON')}
          onClick={() => void copy()}
        >
          <span className="hide-n">{trans.__('Copy as JSON')}</span>
        </Button>
      </div>
      {wrong && (
        <div className="mi-notes">
          <Failure tone={view ? 'warn' : 'bad'} again={wrong.again}>
            {wrong.failure?.message}
          </Failure>
        </div>
      )}
      {!view && !failure && (
        <div className="mi-loading" aria-busy="true">
          <Skeleton width={240} height={16} />
          <Skeleton height={12} />
          {[0, 1, 2, 3].map(index => (
            <Skeleton key={index} height={40} />
          ))}
          <Patience>
            {trans.__('The journal is being read up to that step.')}
          </Patience>
        </div>
      )}
      {view && (
        <div className={waits ? 'mi-context waits' : 'mi-context'}>
          <Sections
            view={view}
            changes={changes}
            onGo={kind =>
              body.current
                ?.querySelector<HTMLElement>(`[data-section="${kind}"]`)
                ?.focus()
            }
          />
          <div
            className="mi-told"
            ref={body}
            tabIndex={0}
            role="region"
            aria-label={trans.__('What the model was told')}
          >
            <Warnings view={view} />
            {view.sections.map(section => (
              <Section
                key={section.kind}
                view={view}
                section={section}
                change={changes?.get(section.kind) ?? null}
                against={other?.step ?? null}
                onMemory={props.onMemory}
              />
            ))}
            {view.memories.length > 0 &&
              !view.sections.some(({ kind }) => kind === 'memories') && (
                <section data-section="memories" tabIndex={-1}>
                  <h4>
                    {trans.__('Memories')}{' '}
                    <span>
                      {trans.__(
                        '%1 recalled, none given',
                        view.memories.length
                      )}
                    </span>
                  </h4>
                  <Memories
                    memories={view.memories}
                    onMemory={props.onMemory}
                  />
                </section>
              )}
            {other &&
              sectionsGone(view, other).map(section => (
                <section key={section.kind}>
                  <h4>
                    {section.title}{' '}
                    <span>{trans.__('only at step %1', other.step)}</span>
                  </h4>
                  {section.entries.map(entry => (
                    <Gone key={entry.place} entry={entry} />
                  ))}
                </section>
              ))}
          </div>
        </div>
      )}
    </div>
  );
}

/** What the model was told at a step, with all of its texts; `null` until it is known. */
function useWhole(
  pid: number | null,
  step: number | null
): { view: ContextView | null; failure: Error | null; again: () => void } {
  const { client } = useServices();
  const key = `${pid} ${step}`;
  const { value, of, failure, again } = useAsked(
    pid === null || step === null
      ? null
      : () => client.context(pid, { step, chars: WHOLE_CHARS }),
    key
  );
  return { view: of === key ? value : null, failure, again };
}

/** The number of the step, which can be typed. */
function StepField(props: {
  step: number;
  last: number;
  onStep: (step: number) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { step, last } = props;
  const [typed, setTyped] = React.useState<string | null>(null);
  const go = () => {
    const wanted = Math.round(Number(typed));
    if (typed && wanted >= 1) props.onStep(Math.min(last, wanted));
    setTyped(null);
  };
  return (
    <label className="ae-btn mi-step" data-lm-suppress-shortcuts="true">
      <span>{trans.__('Step')}</span>
      <input
        inputMode="numeric"
        size={Math.max(2, String(last).length)}
        value={typed ?? String(step)}
        aria-label={trans.__('Step, of %1', last)}
        onChange={event => setTyped(event.currentTarget.value)}
        onFocus={event => event.currentTarget.select()}
        onBlur={go}
        onKeyDown={event => {
          if (event.key === 'Enter') go();
          else if (event.key === 'Escape') setTyped(null);
        }}
      />
    </label>
  );
}

function Head(props: { view: ContextView }): React.JSX.Element {
  const now = useClock();
  const { view } = props;
  return (
    <span className="ae-2 ae-trunc hide-n" title={view.why || undefined}>
      {[
        view.model,
        figures.clock(view.at, now, true),
        view.why && `(${view.why})`
      ]
        .filter(part => part)
        .join(', ')}
    </span>
  );
}

function Warnings(props: { view: ContextView }): React.JSX.Element | null {
  const trans = useWords();
  const { view } = props;
  if (view.kept && !view.abridged) return null;
  return (
    <>
      {!view.kept && <Note icon="error">{notKeptWords(trans)}</Note>}
      {view.abridged && (
        <Note icon="observation">
          {trans.__(
            'This model’s provider says the instructions, tools and reminders in shorter words of its own, and shortens long results.'
          )}
        </Note>
      )}
    </>
  );
}

function Sections(props: {
  view: ContextView;
  changes: ReadonlyMap<ContextSection['kind'], ISectionChange> | null;
  onGo: (kind: ContextSection['kind']) => void;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { view, changes } = props;
  const most = Math.max(1, ...view.sections.map(section => section.tokens));
  const share = figures.percent(view.tokens, view.window_tokens);
  const { compacted } = view;
  return (
    <nav className="mi-sections" aria-label={trans.__('Context by section')}>
      <p className="ae-row mi-total">
        <b>{figures.tokenCount(view.tokens)}</b>
        <span className="ae-2">
          {view.window_tokens > 0
            ? trans.__(
                'of %1 tokens, %2 %',
                figures.tokenCount(view.window_tokens),
                share
              )
            : trans.__('tokens')}
        </span>
      </p>
      <div className="mi-stack" aria-hidden="true">
        {view.sections.map(section => (
          <i
            key={section.kind}
            style={{
              flexGrow: Math.max(section.tokens, view.tokens / 200),
              background: SECTION_COLOURS[section.kind]
            }}
          />
        ))}
      </div>
      <ul>
        {view.sections.map(section => {
          const change = changes?.get(section.kind);
          return (
            <li key={section.kind}>
              <button type="button" onClick={() => props.onGo(section.kind)}>
                <i style={{ background: SECTION_COLOURS[section.kind] }} />
                <span className="ae-trunc">
                  {section.title}
                  {change && change.state !== 'same' && (
                    <span className="mi-changed">
                      {change.state === 'new'
                        ? trans.__('new')
                        : trans.__('changed')}
                    </span>
                  )}
                </span>
                <span>{figures.tokenCount(section.tokens)}</span>
                <span className="bar">
                  <b
                    style={{
                      width: `${figures.percent(section.tokens, most)}%`,
                      background: SECTION_COLOURS[section.kind]
                    }}
                  />
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      <p className="ae-small ae-2">
        {view.input_tokens === null
          ? trans.__('Tokens are estimates.')
          : trans.__(
              'Tokens are estimates; the provider counted %1.',
              figures.tokenCount(view.input_tokens)
            )}
      </p>
      {compacted && (
        <p className="ae-small ae-2">
          {trans.__(
            'Compacted at %1 tokens to %2. The summarised steps can be read in full.',
            figures.tokenCount(compacted.tokens_before),
            figures.tokenCount(compacted.tokens_after)
          )}{' '}
          <button
            type="button"
            className="mi-link"
            onClick={() =>
              run(CommandIDs.openAgent, {
                pid: view.pid,
                step: compacted.first
              })
            }
          >
            {trans.__('Open them')}
          </button>
        </p>
      )}
    </nav>
  );
}

function Section(props: {
  view: ContextView;
  section: ContextSection;
  change: ISectionChange | null;
  against: number | null;
  onMemory: (id: number) => void;
}): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { view, section, change, against } = props;
  const said = [
    figures.tokenCount(section.tokens),
    section.kind === 'summary' &&
      view.compacted &&
      (view.compacted.model
        ? trans.__(
            'written by %1, %2',
            view.compacted.model,
            figures.clock(view.compacted.at, now)
          )
        : figures.clock(view.compacted.at, now)),
    change?.state === 'changed' &&
      trans.__('changed since step %1', against ?? ''),
    change?.state === 'new' && trans.__('not there at step %1', against ?? ''),
    change?.state === 'same' && trans.__('as at step %1', against ?? '')
  ].filter(part => part);
  return (
    <section data-section={section.kind} tabIndex={-1}>
      <h4>
        {section.title} <span>{said.join(', ')}</span>
      </h4>
      {section.kind === 'memories' && (
        <Memories memories={view.memories} onMemory={props.onMemory} />
      )}
      {change?.lines ? (
        <pre className="ae-code wrap" tabIndex={0}>
          {change.lines.map((line, index) =>
            line.kind === 'add' ? (
              <ins key={index}>{stripAnsi(line.text)}</ins>
            ) : line.kind === 'del' ? (
              <del key={index}>{stripAnsi(line.text)}</del>
            ) : (
              <React.Fragment key={index}>
                {stripAnsi(line.text)}
              </React.Fragment>
            )
          )}
        </pre>
      ) : (
        <Entries
          view={view}
          section={section}
          added={change?.added ?? null}
          gone={change?.gone ?? []}
        />
      )}
    </section>
  );
}

/** Each entry as it was sent; the text is only ever text. */
function Entries(props: {
  view: ContextView;
  section: ContextSection;
  added: ReadonlySet<number> | null;
  gone: readonly ContextEntry[];
}): React.JSX.Element {
  const trans = useWords();
  const { view, section, added, gone } = props;
  const fold = section.kind === 'tools' || section.kind === 'memories';
  const [open, setOpen] = React.useState(!fold);
  let step: number | null = null;
  return (
    <>
      {fold && (
        <Button
          small
          kind="quiet"
          icon={open ? 'chevronDown' : 'chevronRight'}
          onClick={() => setOpen(!open)}
        >
          {section.kind === 'tools'
            ? trans._n(
                '%1 schema as sent',
                '%1 schemas as sent',
                section.entries.length
              )
            : trans.__('As sent')}
        </Button>
      )}
      {open && (
        <div className="mi-entries">
          {section.entries.map(entry => {
            const at = entry.step ?? null;
            const fresh = at !== step;
            step = at;
            return (
              <Entry
                // A place is another text at another step.
                key={`${view.pid} ${view.step} ${entry.place}`}
                view={view}
                entry={entry}
                step={fresh && section.kind === 'steps' ? at : null}
                added={added?.has(entry.place) === true}
              />
            );
          })}
          {gone.map(entry => (
            <Gone key={`gone ${entry.place}`} entry={entry} />
          ))}
        </div>
      )}
    </>
  );
}

/** An entry that the other step had, and this one has not. */
function Gone(props: { entry: ContextEntry }): React.JSX.Element {
  const trans = useWords();
  const { entry } = props;
  return (
    <del className="mi-gone">
      {entry.title && `${entry.title} `}
      {stripAnsi(entry.text.slice(0, GONE_CHARS))}
      {entry.chars > GONE_CHARS &&
        trans.__(
          '… (%1 characters in all)',
          entry.chars.toLocaleString('en-US')
        )}
    </del>
  );
}

function Entry(props: {
  view: ContextView;
  entry: ContextEntry;
  step: number | null;
  added: boolean;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const run = useCommand();
  const { view, entry, step } = props;
  const [whole, setWhole] = React.useState<string | null>(null);
  const [failure, setFailure] = React.useState('');
  const cut = entry.chars > entry.text.length && whole === null;
  const seen = (entry.shown ?? []).flatMap(
    place => entry.images?.[place] ?? []
  );
  const unseen = (entry.images?.length ?? 0) - seen.length;
  const read = async () => {
    setFailure('');
    try {
      const found = await client.context(view.pid, {
        step: view.step,
        entry: entry.place,
        chars: WHOLE_CHARS
      });
      setWhole(
        found.sections
          .flatMap(section => section.entries)
          .find(each => each.place === entry.place)?.text ?? ''
      );
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div className={`mi-entry ${entry.kind} ${props.added ? 'added' : ''}`}>
      <div className="mi-margin">
        {step !== null && step > 0 && (
          <button
            type="button"
            className="mi-link"
            title={trans.__('Show it in the agent view')}
            onClick={() => run(CommandIDs.openAgent, { pid: view.pid, step })}
          >
            {trans.__('step %1', step)}
          </button>
        )}
      </div>
      <div className="mi-words">
        {entry.title && (
          <b className={entry.ok === false ? 'bad' : undefined}>
            {entry.title}{' '}
          </b>
        )}
        {props.added && <span className="ae-sr">{trans.__('new')}</span>}
        {stripAnsi(whole ?? entry.text)}
        {cut && (
          <>
            {'… '}
            <button
              type="button"
              className="mi-link"
              onClick={() => void read()}
            >
              {trans.__(
                'All %1 characters',
                entry.chars.toLocaleString('en-US')
              )}
            </button>
          </>
        )}
        {failure && <span className="ae-2"> {failure}</span>}
        <Pictures images={seen} scale="small" />
        {unseen > 0 && (
          <span className="ae-2">
            {' '}
            {trans._n(
              '(%1 image, not shown any more)',
              '(%1 images, not shown any more)',
              unseen
            )}
          </span>
        )}
      </div>
    </div>
  );
}

function Memories(props: {
  memories: readonly ContextMemory[];
  onMemory: (id: number) => void;
}): React.JSX.Element | null {
  const trans = useWords();
  if (props.memories.length === 0) return null;
  return (
    <ul className="mi-recalled" aria-label={trans.__('Memories recalled')}>
      {props.memories.map(memory => (
        <li
          key={`${memory.id} ${memory.step}`}
          className={memory.left_out ? 'out' : undefined}
        >
          {memory.left_out ? (
            <span className="mi-tag out">
              {leftOutWord(memory.left_out, trans)}
            </span>
          ) : memory.cited.length > 0 ? (
            <span
              className="mi-tag"
              title={trans.__('Cited in step %1', memory.cited.join(', '))}
            >
              <Icon name="check" size={12} />
              {trans.__('Given, cited')}
            </span>
          ) : (
            <span className="mi-tag not">{trans.__('Given, not cited')}</span>
          )}
          <p>
            {stripAnsi(memory.text) || trans.__('It is gone.')}{' '}
            <button
              type="button"
              className="mi-link"
              onClick={() => props.onMemory(memory.id)}
            >
              {`#${memory.id}`}
            </button>
          </p>
          <span className="mi-parts">
            {memory.why && (
              <>
                <b>{memory.why.score.toFixed(2)}</b>{' '}
                {trans.__(
                  'text %1, meaning %2',
                  memory.why.words.toFixed(2),
                  memory.why.meaning.toFixed(2)
                )}
                {(memory.why.task ?? 0) > 0 &&
                  ` ${trans.__('same task %1', (memory.why.task ?? 0).toFixed(2))}`}
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
