/** What changed in what a model was told from one step to another. Pure. */
import type {
  ContextEntry,
  ContextSection,
  ContextView
} from '../../api/types';
import { type IChange, lineDifference } from './versions';

export interface ISectionChange {
  readonly state: 'same' | 'changed' | 'new';
  /** The places of entries that the other step had not. */
  readonly added: ReadonlySet<number>;
  /** What the other step had and this one has not. */
  readonly gone: readonly ContextEntry[];
  /** Line by line, where both are one text. */
  readonly lines: readonly IChange[] | null;
}

function key(entry: ContextEntry): string {
  return `${entry.kind}\n${entry.title}\n${entry.step}\n${entry.chars}\n${entry.text}`;
}

/** How one section differs from the same one of another step; `other` is `null` where there was none. */
export function sectionChange(
  now: ContextSection,
  other: ContextSection | null
): ISectionChange {
  if (!other) {
    return { state: 'new', added: new Set(), gone: [], lines: null };
  }
  const before = new Map<string, number>();
  for (const entry of other.entries) {
    before.set(key(entry), (before.get(key(entry)) ?? 0) + 1);
  }
  const added = new Set<number>();
  for (const entry of now.entries) {
    const left = before.get(key(entry)) ?? 0;
    if (left > 0) before.set(key(entry), left - 1);
    else added.add(entry.place);
  }
  const gone = other.entries.filter(entry => {
    const left = before.get(key(entry)) ?? 0;
    if (left > 0) before.set(key(entry), left - 1);
    return left > 0;
  });
  const single =
    added.size === 1 && now.entries.length === 1 && other.entries.length === 1;
  return {
    state: added.size > 0 || gone.length > 0 ? 'changed' : 'same',
    added,
    gone: single ? [] : gone,
    lines: single
      ? lineDifference(other.entries[0].text, now.entries[0].text)
      : null
  };
}

/** The changes of all sections, by their kind. */
export function contextChanges(
  now: ContextView,
  other: ContextView
): ReadonlyMap<ContextSection['kind'], ISectionChange> {
  const before = new Map(other.sections.map(each => [each.kind, each]));
  return new Map(
    now.sections.map(each => [
      each.kind,
      sectionChange(each, before.get(each.kind) ?? null)
    ])
  );
}

/** The sections that the other step had and this one has not. */
export function sectionsGone(
  now: ContextView,
  other: ContextView
): ContextSection[] {
  const here = new Set(now.sections.map(each => each.kind));
  return other.sections.filter(each => !here.has(each.kind));
}
