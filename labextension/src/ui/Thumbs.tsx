/** Two thumbs and a comment: what one thinks of a step. */
import * as React from 'react';

import type { Thumb } from '../api/types';
import { Button, Note } from './controls';
import { usePopover } from './usePopover';
import { useWords } from './words';

/**
 * `mine` is what one said so far. A pressed thumb pressed again is taken back. `note` says who reads the comment, and
 * when; `onJudge` rejects with the reason why it was not kept.
 */
export function Thumbs(props: {
  about: string;
  mine: { readonly thumb: Thumb; readonly comment: string } | null;
  note: string;
  onJudge: (thumb: Thumb, comment: string) => Promise<void>;
  className?: string;
}): React.JSX.Element {
  const trans = useWords();
  const { mine, onJudge } = props;
  const thumb = mine?.thumb ?? 'none';
  const comment = mine?.comment ?? '';
  const [writing, setWriting] = React.useState(false);
  const [failure, setFailure] = React.useState('');
  /** What was written and could not be kept. */
  const [unkept, setUnkept] = React.useState<string | null>(null);
  const anchor = React.useRef<HTMLButtonElement>(null);
  const judge = async (next: Thumb, words: string): Promise<boolean> => {
    setFailure('');
    try {
      await onJudge(next, words);
      return true;
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      return false;
    }
  };
  const press = (which: 'up' | 'down') => () =>
    void judge(thumb === which ? 'none' : which, comment);
  return (
    <span
      className={`ae-thumbs ${props.className ?? ''}`}
      role="group"
      aria-label={props.about}
    >
      <Button
        kind="quiet"
        small
        icon="thumbUp"
        label={trans.__('Thumb up')}
        pressed={thumb === 'up'}
        onClick={press('up')}
      />
      <Button
        kind="quiet"
        small
        icon="thumbDown"
        label={trans.__('Thumb down')}
        pressed={thumb === 'down'}
        onClick={press('down')}
      />
      <Button
        ref={anchor}
        kind="quiet"
        small
        icon="message"
        label={comment ? trans.__('Change the comment') : trans.__('Comment')}
        pressed={comment !== ''}
        onClick={() => setWriting(true)}
      />
      {failure && !writing && (
        <span className="ae-small why" role="alert">
          {failure}
        </span>
      )}
      {writing && anchor.current && (
        <Comment
          anchor={anchor.current}
          about={props.about}
          text={unkept ?? comment}
          kept={comment}
          failure={failure}
          note={props.note}
          onClose={() => {
            setWriting(false);
            anchor.current?.focus();
          }}
          onSave={async words => {
            const done = await judge(thumb, words);
            setUnkept(done ? null : words);
            return done;
          }}
        />
      )}
    </span>
  );
}

/** A few words in a popover, which closes when they are kept; Ctrl Enter keeps them, Escape does not. */
function Comment(props: {
  anchor: HTMLElement;
  about: string;
  text: string;
  /** The comment as it is kept now. */
  kept: string;
  failure: string;
  note: string;
  /** Says whether it is kept. */
  onSave: (text: string) => Promise<boolean>;
  onClose: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { anchor, onClose } = props;
  const [text, setText] = React.useState(props.text);
  const [saving, setSaving] = React.useState(false);
  const box = React.useRef<HTMLDivElement>(null);
  const id = React.useId();
  usePopover(box, anchor, onClose);
  const close = () => box.current?.hidePopover();
  const save = async () => {
    if (saving) return;
    setSaving(true);
    const kept =
      text.trim() === props.kept || (await props.onSave(text.trim()));
    setSaving(false);
    if (kept) close();
  };
  return (
    <div
      ref={box}
      className="ae-comment"
      role="dialog"
      aria-label={props.about}
      data-lm-suppress-shortcuts="true"
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          void save();
        }
      }}
      {...{ popover: 'auto' }}
    >
      <label htmlFor={id} className="ae-b">
        {props.about}
      </label>
      <textarea
        id={id}
        className="ae-input"
        rows={3}
        maxLength={4000}
        value={text}
        placeholder={trans.__('What was good, or what should be otherwise')}
        onChange={event => setText(event.currentTarget.value)}
      />
      {props.failure && (
        <Note tone="bad" icon="error" alert>
          {props.failure}
        </Note>
      )}
      <p className="ae-small ae-2">{props.note}</p>
      <div className="ae-row">
        <span className="ae-grow" />
        <Button small onClick={close}>
          {trans.__('Cancel')}
        </Button>
        <Button
          small
          kind="primary"
          hint="Ctrl ⏎"
          disabled={saving && trans.__('It is being saved')}
          onClick={() => void save()}
        >
          {props.kept && !text.trim() ? trans.__('Remove') : trans.__('Keep')}
        </Button>
      </div>
    </div>
  );
}
