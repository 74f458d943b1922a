/** What layers and sources are called. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Layer, Memory, MemorySource } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { Icon, type IconName, useWords } from '../../ui';
import { useCommand } from '../services';

export const LAYERS: readonly Layer[] = [
  'episodic',
  'semantic',
  'procedural',
  'social'
];

export interface ILayerWords {
  readonly label: string;
  /** What it holds, in three words. */
  readonly holds: string;
  readonly icon: IconName;
}

/** What the layers are called and hold. */
export function layerWords(
  trans: TranslationBundle
): Readonly<Record<Layer, ILayerWords>> {
  return {
    episodic: {
      label: trans.__('Episodic'),
      holds: trans.__('what happened'),
      icon: 'clock'
    },
    semantic: {
      label: trans.__('Semantic'),
      holds: trans.__('what is true'),
      icon: 'book'
    },
    procedural: {
      label: trans.__('Procedural'),
      holds: trans.__('how to do it'),
      icon: 'action'
    },
    social: {
      label: trans.__('Social'),
      holds: trans.__('who wants what'),
      icon: 'people'
    }
  };
}

/** A layer's icon and name. */
export function LayerName(props: { layer: Layer }): React.JSX.Element {
  const { label, icon } = layerWords(useWords())[props.layer];
  return (
    <span className="mi-layer">
      <Icon name={icon} size={12} />
      {label}
    </span>
  );
}

/** Where a memory came from, without the step: "journal", "written by ana". */
export function sourceWords(
  source: MemorySource,
  trans: TranslationBundle
): string {
  switch (source.kind) {
    case 'agent':
      return '';
    case 'journal':
      return trans.__('journal');
    case 'reflection':
      return trans.__('reflection');
    case 'consolidation':
      return trans.__('merged');
    case 'import':
      return trans.__('imported by %1', source.by);
    default:
      return trans.__('written by %1', source.by);
  }
}

/** The kinds of sources, for the filter. */
export function sourceKinds(
  trans: TranslationBundle
): readonly (readonly [NonNullable<MemorySource['kind']>, string])[] {
  return [
    ['agent', trans.__('The agent itself')],
    ['person', trans.__('A person')],
    ['journal', trans.__('Its journal')],
    ['reflection', trans.__('Its reflection')],
    ['consolidation', trans.__('Merging')],
    ['import', trans.__('An import')]
  ];
}

/** "4131, step 23", and the way there. */
export function StepLink(props: {
  pid: number;
  step?: number | null;
  tabIndex?: number;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { pid, step } = props;
  return (
    <button
      type="button"
      className="mi-link"
      tabIndex={props.tabIndex}
      title={trans.__('Show it in the agent view')}
      onClick={event => {
        event.stopPropagation();
        run(CommandIDs.openAgent, step ? { pid, step } : { pid });
      }}
    >
      {step ? trans.__('%1 step %2', pid, step) : String(pid)}
    </button>
  );
}

/** "journal, 4131 step 3, 14 Apr". */
export function SourceLine(props: {
  source: MemorySource;
  at?: string;
  tabIndex?: number;
}): React.JSX.Element {
  const trans = useWords();
  const { source } = props;
  const words = sourceWords(source, trans);
  return (
    <span className="ae-trunc">
      {words}
      {source.pid && (
        <>
          {words && ', '}
          <StepLink
            pid={source.pid}
            step={source.step}
            tabIndex={props.tabIndex}
          />
        </>
      )}
      {props.at && (words || source.pid ? `, ${props.at}` : props.at)}
    </span>
  );
}

/** How often it was of use. */
export function usedWords(
  memory: Pick<Memory, 'uses'>,
  trans: TranslationBundle
): string {
  if (memory.uses === 0) return trans.__('never used');
  if (memory.uses === 1) return trans.__('used once');
  return trans.__('used %1 times', memory.uses);
}
