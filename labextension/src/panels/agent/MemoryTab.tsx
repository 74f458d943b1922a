/** What the model was told for a step, by section, and what came of the memories that were recalled for it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type {
  ContextMemory,
  ContextView,
  Layer,
  Process
} from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import {
  Button,
  Failure,
  figures,
  Icon,
  leftOutWord,
  notKeptWords,
  Patience,
  SECTION_COLOURS,
  Skeleton,
  useWords
} from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { layerWords } from '../memory/words';
import { useCommand, useServices } from '../services';
import { useAsked, usePaced } from '../useAsked';

/** How many steps back the chooser goes. */
const BACK = 200;
/** Milliseconds between two looks while the agent works. */
const PACE_MS = 2000;

export function MemoryTab(props: { process: Process }): React.JSX.Element {
  const { pid, step: last } = props.process;
  const { client, commands } = useServices();
  const trans = useWords();
  const run = useCommand();
  const [chosen, setChosen] = React.useState<number | null>(null);
  const newest = usePaced(last, PACE_MS);
  const { value, failure, again } = useAsked<ContextView | null>(
    () =>
      newest === 0
        ? Promise.resolve(null)
        : client.context(pid, { step: chosen, chars: 0 }),
    `${pid} ${chosen ?? `latest ${newest}`}`
  );
  if (newest === 0) {
    return <p className="ae-2">{trans.__('No model has been asked yet.')}</p>;
  }
  if (!value) {
    return failure ? (
      <Failure tone="bad" again={again}>
        {failure.message}
      </Failure>
    ) : (
      <>
        <Skeleton height={20} />
        <Skeleton height={12} />
        <Skeleton height={20} />
        <Patience>
          {trans.__('The journal is being read up to that step.')}
        </Patience>
      </>
    );
  }
  const window_ = value.window_tokens;
  const most = Math.max(1, ...value.sections.map(section => section.tokens));
  const { compacted } = value;
  return (
    <>
      <div className="ae-row ih">
        <span className="ae-grow">
          <b>{figures.tokenCount(value.tokens)}</b>{' '}
          <span className="ae-2">
            {window_ > 0
              ? trans.__('of %1 tokens', figures.tokenCount(window_))
              : trans.__('tokens')}
          </span>
        </span>
        <select
          className="ae-select"
          aria-label={trans.__('Step')}
          value={chosen ?? ''}
          onChange={event =>
            setChosen(Number(event.currentTarget.value) || null)
          }
        >
          <option value="">
            {trans.__('Step %1, the last', value.last_step)}
          </option>
          {Array.from(
            { length: Math.min(BACK, value.last_step) },
            (_, back) => value.last_step - back
          ).map(step => (
            <option key={step} value={step}>
              {trans.__('Step %1', step)}
            </option>
          ))}
        </select>
      </div>
      {failure && (
        <Failure tone="warn" again={again}>
          {failure.message}
        </Failure>
      )}
      <div
        className="stack"
        role="img"
        aria-label={trans.__(
          '%1 % of what the model takes',
          figures.percent(value.tokens, window_)
        )}
      >
        {value.sections.map(section => (
          <i
            key={section.kind}
            style={{
              flexGrow: section.tokens,
              background: SECTION_COLOURS[section.kind]
            }}
          />
        ))}
        <i style={{ flexGrow: Math.max(0, window_ - value.tokens) }} />
      </div>
      <ul className="sections">
        {value.sections.map(section => (
          <li key={section.kind}>
            <i style={{ background: SECTION_COLOURS[section.kind] }} />
            <span className="ae-trunc" title={section.title}>
              {section.title}
            </span>
            <span className="bar" aria-hidden="true">
              <b
                style={{
                  width: `${figures.percent(section.tokens, most)}%`,
                  background: SECTION_COLOURS[section.kind]
                }}
              />
            </span>
            <span className="ae-num">{figures.tokenCount(section.tokens)}</span>
          </li>
        ))}
      </ul>
      {compacted && (
        <p className="ae-small ae-2">
          {trans.__(
            'Steps %1 to %2 are told in short by %3; they stand in full in the timeline.',
            compacted.first,
            compacted.last,
            compacted.model
          )}
        </p>
      )}
      {!value.kept && <p className="ae-small ae-2">{notKeptWords(trans)}</p>}
      {value.abridged && (
        <p className="ae-small ae-2">
          {trans.__(
            'The provider of this model says system part, tools and reminders in shorter words of its own, and shortens results.'
          )}
        </p>
      )}
      <h4>{trans.__('Recalled for this step')}</h4>
      {value.memories.length === 0 ? (
        <p className="ae-2">
          {trans.__('Nothing that it remembers came into question.')}
        </p>
      ) : (
        <ul className="recalled">
          {value.memories.map(memory => (
            <Recalled key={memory.id} memory={memory} step={value.step} />
          ))}
        </ul>
      )}
      {commands.hasCommand(CommandIDs.openContext) && (
        <Button
          kind="quiet"
          small
          onClick={() => run(CommandIDs.openContext, { pid, step: value.step })}
        >
          {trans.__('Open what the model saw')}
        </Button>
      )}
    </>
  );
}

function Recalled(props: {
  memory: ContextMemory;
  step: number;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { memory, step } = props;
  const layers = layerWords(trans);
  const layer = layers[memory.layer as Layer];
  const { word, tone } = outcome(memory, step, trans);
  return (
    <li className={memory.left_out ? 'missed' : undefined}>
      <button
        type="button"
        className="ae-link"
        title={trans.__('Show it in the Memory Inspector')}
        onClick={() => run(CommandIDs.openMemory, { memory: memory.id })}
      >
        <span>{stripAnsi(memory.text) || trans.__('It is gone.')}</span>
      </button>
      <p className="ae-row ae-small ae-2">
        {layer && (
          <span className="ae-row">
            <Icon name={layer.icon} size={12} />
            {layer.label}
          </span>
        )}
        {memory.why && (
          <span>{trans.__('score %1', memory.why.score.toFixed(2))}</span>
        )}
        <span className="ae-grow" />
        <span className={tone}>
          {tone && <Icon name="check" size={12} />}
          {word}
        </span>
      </p>
    </li>
  );
}

function outcome(
  memory: ContextMemory,
  step: number,
  trans: TranslationBundle
): { word: string; tone: string } {
  const left = leftOutWord(memory.left_out ?? '', trans);
  if (left) return { word: left, tone: '' };
  const cited = memory.cited ?? [];
  if (cited.includes(step)) return { word: trans.__('Used'), tone: 'good' };
  if (cited.length > 0) {
    return { word: trans.__('Used at step %1', cited[0]), tone: 'good' };
  }
  return { word: trans.__('Not used'), tone: '' };
}
