/** What a page asks, over the page, until the person who has control answers. Its words are a stranger's. */
import * as React from 'react';

import { Button, useWords } from '../../ui';
import type { PageDialog } from './news';

export function DialogBox(props: {
  dialog: PageDialog;
  /** Where the page is. */
  url: string;
  /** Why it cannot be answered. */
  disabled: string | false;
  onAnswer: (accept: boolean, text: string) => void;
}): React.JSX.Element {
  const { dialog, disabled } = props;
  const { type, message, given } = dialog;
  const trans = useWords();
  const box = React.useRef<HTMLFormElement>(null);
  const head = React.useId();
  const body = React.useId();
  const [text, setText] = React.useState(given);
  const able = !disabled;
  React.useEffect(() => {
    if (!able) return;
    box.current
      ?.querySelector<HTMLElement>('input, button.primary')
      ?.focus({ preventScroll: true });
  }, [able]);

  const leaving = type === 'beforeunload';
  return (
    <form
      ref={box}
      className="asks"
      role="dialog"
      aria-labelledby={head}
      aria-describedby={message ? body : undefined}
      data-lm-suppress-shortcuts="true"
      onSubmit={event => {
        event.preventDefault();
        if (able) props.onAnswer(true, text);
      }}
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Escape' && able) props.onAnswer(false, '');
      }}
    >
      <h3 id={head}>
        {leaving
          ? trans.__('Leave this page? What was entered there may be lost.')
          : type === 'alert'
            ? trans.__('The page says')
            : trans.__('The page asks')}
      </h3>
      {message && !leaving && (
        <blockquote id={body} dir="auto">
          {message}
        </blockquote>
      )}
      <p className="ae-small ae-2 ae-trunc" title={props.url}>
        {props.url}
      </p>
      {type === 'prompt' && (
        <label className="ae-field">
          <input
            aria-label={trans.__('Answer')}
            value={text}
            readOnly={!able}
            maxLength={20_000}
            onChange={event => setText(event.target.value)}
          />
        </label>
      )}
      <div className="ae-row">
        <span className="ae-grow ae-small ae-2">{disabled}</span>
        {type !== 'alert' && (
          <Button disabled={disabled} onClick={() => props.onAnswer(false, '')}>
            {leaving ? trans.__('Stay') : trans.__('Cancel')}
          </Button>
        )}
        <Button
          kind="primary"
          disabled={disabled}
          onClick={() => props.onAnswer(true, text)}
        >
          {leaving ? trans.__('Leave') : trans.__('OK')}
        </Button>
      </div>
    </form>
  );
}
