/** How the sections of what a model was told look, and the words for what it was not told. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ContextMemory, ContextSection } from '../api/types';

/** The colour of a section: that of the entries it is made of. */
export const SECTION_COLOURS: Readonly<Record<ContextSection['kind'], string>> =
  {
    system: 'var(--ae-stop)',
    tools: 'var(--ae-k-thought)',
    profile: 'var(--ae-ready)',
    notes: 'color-mix(in srgb, var(--ae-k-message) 40%, var(--ae-surface))',
    goal: 'color-mix(in srgb, var(--ae-k-message) 62%, var(--ae-surface))',
    plan: 'var(--ae-k-action)',
    memories: 'var(--ae-k-message)',
    summary:
      'color-mix(in srgb, var(--ae-k-observation) 52%, var(--ae-surface))',
    steps: 'var(--ae-k-observation)'
  };

/** Why a model was not told a memory that was recalled; '' where it was. */
export function leftOutWord(
  reason: ContextMemory['left_out'],
  trans: TranslationBundle
): string {
  switch (reason) {
    case '':
      return '';
    case 'room':
      return trans.__('Left out, no room');
    case 'likeness':
      return trans.__('Left out, too far');
    case 'repeats':
      return trans.__('Left out, repeats');
    case 'given':
      return trans.__('Left out, told before');
    case 'faded':
      return trans.__('Left out, faded');
  }
}

/** What is said of a step whose instructions and tools were not all kept. */
export function notKeptWords(trans: TranslationBundle): string {
  return trans.__(
    'Not all of the instructions and tools of this step were kept. What is missing is not shown here, and the tokens leave it out.'
  );
}
