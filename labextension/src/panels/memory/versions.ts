/** How a memory changed from one version to the next. Pure. */
import type { Memory } from '../../api/types';

/** A stretch of words: kept, added or taken away. */
export interface IChange {
  readonly text: string;
  readonly kind: '' | 'add' | 'del';
}

const MOST_WORDS = 600;

/** The difference of two texts, word by word; of long ones, as a whole. */
export function difference(before: string, after: string): IChange[] {
  if (before === after) return before ? [{ text: before, kind: '' }] : [];
  const a = before.split(/(\s+)/).filter(part => part);
  const b = after.split(/(\s+)/).filter(part => part);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail += 1;
  }
  const middle = between(
    a.slice(head, a.length - tail),
    b.slice(head, b.length - tail)
  );
  return joined([
    ...a.slice(0, head).map(text => ({ text, kind: '' as const })),
    ...middle,
    ...a.slice(a.length - tail).map(text => ({ text, kind: '' as const }))
  ]);
}

/** The longest common subsequence, by a table. */
function between(a: readonly string[], b: readonly string[]): IChange[] {
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) {
    return [
      { text: a.join(''), kind: 'del' },
      { text: b.join(''), kind: 'add' }
    ];
  }
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        a[i] === b[j]
          ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const changes: IChange[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      changes.push({ text: a[i], kind: '' });
      i += 1;
      j += 1;
    } else if (
      j < b.length &&
      (i === a.length || table[i * width + j + 1] > table[(i + 1) * width + j])
    ) {
      changes.push({ text: b[j], kind: 'add' });
      j += 1;
    } else {
      changes.push({ text: a[i], kind: 'del' });
      i += 1;
    }
  }
  return changes;
}

function joined(changes: readonly IChange[]): IChange[] {
  const pieces: IChange[] = [];
  for (const change of changes) {
    const last = pieces.at(-1);
    if (last && last.kind === change.kind) {
      pieces[pieces.length - 1] = {
        text: last.text + change.text,
        kind: last.kind
      };
    } else if (change.text) pieces.push(change);
  }
  return pieces;
}

/** The lines of two texts with what was added and taken away, for sections of a context. */
export function lineDifference(before: string, after: string): IChange[] {
  const a = before.split('\n').map(line => `${line}\n`);
  const b = after.split('\n').map(line => `${line}\n`);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail += 1;
  }
  return [
    ...a.slice(0, head).map(text => ({ text, kind: '' as const })),
    ...between(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(text => ({ text, kind: '' as const }))
  ];
}

export type ChangedField =
  'text' | 'layer' | 'importance' | 'tags' | 'pinned' | 'forgotten';

/** What is not the same in two versions. */
export function changedFields(before: Memory, after: Memory): ChangedField[] {
  const fields: ChangedField[] = [];
  if (before.text !== after.text) fields.push('text');
  if (before.layer !== after.layer) fields.push('layer');
  if (before.importance !== after.importance) fields.push('importance');
  if (before.tags.join('\n') !== after.tags.join('\n')) fields.push('tags');
  if (before.pinned !== after.pinned) fields.push('pinned');
  if ((before.forgotten_at === null) !== (after.forgotten_at === null)) {
    fields.push('forgotten');
  }
  return fields;
}
