/** What was typed and is not saved yet. */
import * as React from 'react';

import type { Layer, Memory } from '../../api/types';

/** MEMORY.md as it was typed, on which version of it. */
export interface INotesDraft {
  readonly text: string;
  readonly version: number;
}

/** A memory as it was typed, on which version of it; the tags with commas between them. */
export interface IMemoryDraft {
  readonly text: string;
  readonly layer: Layer;
  readonly importance: number;
  readonly tags: string;
  readonly version: number;
}

/** A memory as the form shows it before anything was typed. */
export function asDraft(memory: Memory): IMemoryDraft {
  const { text, layer, importance, tags, version } = memory;
  return { text, layer, importance, tags: tags.join(', '), version };
}

/**
 * The draft that stands after `sent` was saved as `version`: none, or what was typed since then, on the new version.
 */
export function afterSaving<D extends { readonly version: number }>(
  draft: D | null,
  sent: D | null,
  version: number
): D | null {
  return draft === null || draft === sent ? null : { ...draft, version };
}

/** Drafts by what they belong to. */
export interface IDrafts<K, D> {
  of(key: K): D | null;
  change(key: K, change: (before: D | null) => D | null): void;
}

/** Holds drafts: above the parts where they are typed, so that they outlive a change of tab or row. */
export function useDrafts<K, D>(): IDrafts<K, D> {
  const [drafts, setDrafts] = React.useState<ReadonlyMap<K, D>>(
    () => new Map()
  );
  const change = React.useCallback(
    (key: K, to: (before: D | null) => D | null) =>
      setDrafts(before => {
        const after = new Map(before);
        const draft = to(before.get(key) ?? null);
        if (draft === null) after.delete(key);
        else after.set(key, draft);
        return after;
      }),
    []
  );
  return React.useMemo(
    () => ({ of: key => drafts.get(key) ?? null, change }),
    [drafts, change]
  );
}
