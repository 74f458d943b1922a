/** Where the browser is, and the ways on, back and to another address. The address is a page's: it is text, no link. */
import * as React from 'react';

import { Button, useWords } from '../../ui';
import { completed } from './address';
import type { Order } from './link';

export function AddressBar(props: {
  url: string;
  loading: boolean;
  /** Whether there is a page to go back from and to load again. */
  open: boolean;
  /** The address is for a new tab. */
  fresh: boolean;
  /** Why nothing can be done. */
  disabled: string | false;
  onOrder: (order: Order) => void;
  /** The address was given, or it is left as it was. */
  onDone: () => void;
}): React.JSX.Element {
  const { loading, fresh, disabled } = props;
  const trans = useWords();
  const field = React.useRef<HTMLInputElement>(null);
  const hint = React.useId();
  const [draft, setDraft] = React.useState<string | null>(null);
  const [wrong, setWrong] = React.useState(false);
  const url = fresh || props.url === 'about:blank' ? '' : props.url;
  React.useEffect(() => {
    if (!fresh) return;
    setDraft('');
    field.current?.focus();
  }, [fresh]);
  React.useEffect(() => {
    if (disabled) setDraft(null);
  }, [disabled]);

  const leave = () => {
    setDraft(null);
    setWrong(false);
    props.onDone();
  };
  const open = () => {
    const address = completed(draft ?? url);
    if (address === null) {
      setWrong(true);
      return;
    }
    props.onOrder({ kind: 'open', url: address, new_tab: fresh });
    leave();
  };
  const idle = disabled || (!props.open && trans.__('No page is open'));
  const go = (where: 'back' | 'forward' | 'reload' | 'stop') => () =>
    props.onOrder({ kind: 'go', where });
  return (
    <form
      className="at"
      onSubmit={event => {
        event.preventDefault();
        if (!disabled) open();
      }}
    >
      <Button
        kind="quiet"
        icon="chevronLeft"
        label={trans.__('Back')}
        disabled={idle}
        onClick={go('back')}
      />
      <Button
        kind="quiet"
        icon="chevronRight"
        label={trans.__('Forward')}
        disabled={idle}
        onClick={go('forward')}
      />
      <Button
        kind="quiet"
        icon={loading ? 'close' : 'refresh'}
        label={loading ? trans.__('Stop') : trans.__('Reload')}
        disabled={idle}
        onClick={go(loading ? 'stop' : 'reload')}
      />
      <label className={`ae-field ae-grow ${loading ? 'loading' : ''}`}>
        <input
          ref={field}
          type="text"
          inputMode="url"
          dir="ltr"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          data-lm-suppress-shortcuts="true"
          aria-label={trans.__('Address')}
          aria-invalid={wrong || undefined}
          aria-describedby={wrong ? hint : undefined}
          placeholder={
            disabled ? '' : trans.__('Address of a page, such as jupyter.org')
          }
          title={disabled || undefined}
          readOnly={Boolean(disabled)}
          maxLength={2000}
          value={draft ?? url}
          onFocus={event => event.currentTarget.select()}
          onChange={event => {
            setDraft(event.target.value);
            setWrong(false);
          }}
          onBlur={() => {
            // What was begun for a new tab stays until Esc; otherwise the page's own address is shown again.
            if (!fresh) leave();
          }}
          onKeyDown={event => {
            event.stopPropagation();
            if (event.key === 'Escape') leave();
          }}
        />
      </label>
      {wrong && (
        <span id={hint} role="alert" className="ae-small wrong">
          {trans.__('That is no address')}
        </span>
      )}
    </form>
  );
}
