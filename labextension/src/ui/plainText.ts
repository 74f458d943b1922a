/** Text that agents and their tools wrote, made safe to look at. It is only ever shown as text, never as HTML. */

// The control characters themselves are what these expressions are about.
/* eslint-disable no-control-regex */
const SEQUENCES =
  /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;
/** With the marks that turn the order of all that follows them. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/g;
const HIDDEN =
  /\u034f|\u17b4|\u17b5|\u180e|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
/* eslint-enable no-control-regex */

/** What a terminal would have shown, as plain text: no colours, no links, and only the last state of a progress line. */
export function stripAnsi(text: string): string {
  const bare = text.replace(SEQUENCES, '').replace(/\r+\n/g, '\n');
  const lines = bare.includes('\r')
    ? bare
        .split('\n')
        .map(line => line.slice(line.replace(/\r+$/, '').lastIndexOf('\r') + 1))
        .join('\n')
    : bare;
  return lines.replace(CONTROLS, '');
}

/** A piece of a text; `odd` ones stand for a character that would not have been seen. */
export interface IPiece {
  readonly text: string;
  readonly odd: boolean;
}

/**
 * The text with every character that cannot be seen, or that turns the order of others, written out (`\u202e`). For
 * what a person approves: what is read must be what is run.
 */
export function reveal(text: string): IPiece[] {
  const pieces: IPiece[] = [];
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > from) {
      pieces.push({ text: text.slice(from, found.index), odd: false });
    }
    const code = found[0].codePointAt(0) ?? 0;
    const hex = code.toString(16);
    pieces.push({
      text: code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`,
      odd: true
    });
    from = found.index + found[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), odd: false });
  return pieces;
}

export type DiffKind = 'add' | 'del' | 'at' | '';

/** The lines of a unified diff with what each is; file headers become one line with the path. */
export function diffLines(diff: string): { kind: DiffKind; text: string }[] {
  return diff
    .replace(/\n$/, '')
    .split('\n')
    .filter(line => !/^--- /.test(line))
    .map(text => ({
      kind: /^(\+\+\+ |@@|diff |index )/.test(text)
        ? ('at' as const)
        : text.startsWith('+')
          ? ('add' as const)
          : text.startsWith('-')
            ? ('del' as const)
            : ('' as const),
      text: text.replace(/^\+\+\+ (?:b\/)?/, '')
    }));
}

/** Lines added and removed by a unified diff. */
export function diffSize(diff: string): { added: number; removed: number } {
  const lines = diffLines(diff);
  return {
    added: lines.filter(line => line.kind === 'add').length,
    removed: lines.filter(line => line.kind === 'del').length
  };
}

/** Whether a text is a unified diff rather than a script. */
export function isDiff(text: string): boolean {
  return /^(?:--- .*\n\+\+\+ |@@ |diff --git )/m.test(text);
}

/** A link of an agent that may be followed, or `null`: only http, https and mailto, never of this page's own scheme. */
export function safeHref(href: string): string | null {
  const bare = href.replace(HIDDEN, '').trim();
  return /^(?:https?:\/\/|mailto:)[^\s]+$/i.test(bare) ? bare : null;
}

/** How many lines a text has. */
export function lineCount(text: string): number {
  return text === '' ? 0 : text.replace(/\n$/, '').split('\n').length;
}
