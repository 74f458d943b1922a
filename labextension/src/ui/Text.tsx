/** Words and code of agents, shown as text. */
import * as React from 'react';

import { diffLines, type IPiece, reveal, stripAnsi } from './plainText';

/** The text with what is searched for marked. */
export function Found(props: {
  text: string;
  query?: string;
}): React.JSX.Element {
  const { text, query } = props;
  if (!query) return <>{text}</>;
  const parts: React.ReactNode[] = [];
  const low = text.toLowerCase();
  const wanted = query.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    parts.push(
      text.slice(from, at),
      <mark key={at}>{text.slice(at, at + wanted.length)}</mark>
    );
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}

/** A sentence of an agent: plain, but what it set in backticks is code. Nothing else of Markdown, and never HTML. */
export function Inline(props: {
  text: string;
  query?: string;
}): React.JSX.Element {
  const parts = stripAnsi(props.text).split(/(`[^`\n]+`)/);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <code key={index}>
            <Found text={part.slice(1, -1)} query={props.query} />
          </code>
        ) : (
          <Found key={index} text={part} query={props.query} />
        )
      )}
    </>
  );
}

/** Output of a tool, as a terminal would have shown it. */
export function Output(props: {
  text: string;
  query?: string;
  label?: string;
}): React.JSX.Element {
  return (
    <pre className="ae-code wrap" tabIndex={0} aria-label={props.label}>
      <Found text={stripAnsi(props.text)} query={props.query} />
    </pre>
  );
}

/** A unified diff. */
export function Diff(props: {
  diff: string;
  query?: string;
  wrap?: boolean;
}): React.JSX.Element {
  return (
    <pre className={`ae-code ae-diff ${props.wrap ? 'wrap' : ''}`} tabIndex={0}>
      {diffLines(props.diff).map((line, index) => (
        <span key={index} className={line.kind || undefined}>
          {props.wrap ? (
            <Pieces pieces={reveal(line.text)} />
          ) : (
            <Found text={stripAnsi(line.text)} query={props.query} />
          )}
        </span>
      ))}
    </pre>
  );
}

/** What a person is asked to approve: every hidden character is written out. */
export function Revealed(props: { text: string }): React.JSX.Element {
  return <Pieces pieces={reveal(props.text)} />;
}

function Pieces(props: { pieces: readonly IPiece[] }): React.JSX.Element {
  return (
    <>
      {props.pieces.map((piece, index) =>
        piece.odd ? (
          <span key={index} className="odd">
            {piece.text}
          </span>
        ) : (
          piece.text
        )
      )}
    </>
  );
}
