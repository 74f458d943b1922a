/** Which words of a memory a search found: told as pieces of text, never as HTML. Pure. */

/** A piece of a text; `found` ones are words that were searched for. */
export interface IMarked {
  readonly text: string;
  readonly found: boolean;
}

const WORD = /[\p{L}\p{N}]+/gu;
/** Words that tell nothing by themselves; the server leaves them out of a search, too. */
const SILENT = new Set(
  (
    'a about after again all also am an and any are as at be because been before being between both but by can could ' +
    'd did do does doing down during each few for from further had has have having he her here hers him his how i if ' +
    'in into is it its just ll m me more most my no nor not now of off on once only or other our out over own re s ' +
    'same she should so some such t than that the their theirs them then there these they this those through to too ' +
    'under until up ve very was we were what when where which while who whom why will with would you your yours'
  ).split(' ')
);

/** The telling words of a query; all of them where none is telling. */
export function telling(query: string): string[] {
  const words = [...new Set(query.toLowerCase().match(WORD) ?? [])];
  const rest = words.filter(word => !SILENT.has(word));
  return rest.length > 0 ? rest : words;
}

/** The word without its commonest English endings: near enough to what the server's index does to mark the same. */
function stem(word: string): string {
  const bare = word
    .replace(/(?:ies)$/, 'y')
    .replace(/(?:sses)$/, 'ss')
    .replace(/(?<=[^s])s$/, '');
  const cut = bare.replace(/(?:ing|ed|ly|ment|ness)$/, '');
  return (cut.length >= 3 ? cut : bare)
    .replace(/([^aeiouls])\1$/, '$1')
    .replace(/e$/, '');
}

/** The text in pieces, with the words of `query` found in it; the word being typed finds what begins with it. */
export function marked(text: string, query: string): IMarked[] {
  const wanted = telling(query);
  if (wanted.length === 0) return [{ text, found: false }];
  const stems = new Set(wanted.map(stem));
  const last = /[\p{L}\p{N}]$/u.test(query) ? (wanted.at(-1) ?? '') : '';
  const pieces: IMarked[] = [];
  let from = 0;
  for (const match of text.matchAll(WORD)) {
    const word = match[0].toLowerCase();
    const hit =
      stems.has(stem(word)) || (last.length >= 3 && word.startsWith(last));
    if (!hit) continue;
    if (match.index > from) {
      pieces.push({ text: text.slice(from, match.index), found: false });
    }
    pieces.push({ text: match[0], found: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), found: false });
  return pieces;
}

/** The text from shortly before the first word that was found, so that a long memory shows why it is here. */
export function around(text: string, query: string, most = 320): string {
  if (text.length <= most) return text;
  const first = query ? marked(text, query).findIndex(piece => piece.found) : 0;
  if (first <= 0) return `${text.slice(0, most)}…`;
  const at = marked(text, query)
    .slice(0, first)
    .reduce((sum, piece) => sum + piece.text.length, 0);
  if (at < most / 2) return `${text.slice(0, most)}…`;
  const from = Math.max(0, text.lastIndexOf(' ', at - 60) + 1);
  const end = from + most;
  return `…${text.slice(from, end)}${end < text.length ? '…' : ''}`;
}
