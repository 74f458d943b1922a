/** The desktop's clipboard: what it holds, and a way to put text on it; in step with the browser's where that allows. */
import * as React from 'react';

import { Button, useWords } from '../../ui';
import type { DesktopLink } from './link';

/** Reads the browser's clipboard if it lets us without asking; null if not. */
async function allowedText(): Promise<string | null> {
  try {
    const { state } = await navigator.permissions.query({
      name: 'clipboard-read' as PermissionName
    });
    return state === 'granted' ? await navigator.clipboard.readText() : null;
  } catch {
    // A browser that has no such permission, or a page that has not the focus.
    return null;
  }
}

/**
 * Keeps both clipboards in step while `on`: what is copied on the desktop goes to the browser's, and what that holds
 * goes to the desktop when it gets the focus. Gives what the desktop's holds.
 */
export function useClipboard(
  link: DesktopLink | null,
  on: boolean
): { text: string; put: (text: string) => void } {
  const [text, setText] = React.useState('');
  // What the browser's held when it was last looked at: only what is new there goes to the desktop, so that text
  // which was put there on purpose stays.
  const known = React.useRef<string | null>(null);
  React.useEffect(() => {
    if (!link) return undefined;
    const heard = (_: DesktopLink, copied: string) => {
      setText(copied);
      // Only for who has control: a page must not change the clipboard of somebody who looks on.
      if (!on) return;
      navigator.clipboard?.writeText(copied).then(
        () => {
          known.current = copied;
        },
        () => undefined
      );
    };
    link.copied.connect(heard);
    return () => {
      link.copied.disconnect(heard);
    };
  }, [link, on]);
  const put = React.useCallback(
    (wanted: string) => {
      setText(wanted);
      link?.paste(wanted);
    },
    [link]
  );
  React.useEffect(() => {
    if (!link || !on) return undefined;
    const bring = () => {
      // Who presses Ctrl V at once means what they have copied.
      link.hold(
        allowedText().then(found => {
          if (found !== null && found !== '' && found !== known.current) {
            known.current = found;
            put(found);
          }
        })
      );
    };
    known.current = null;
    bring();
    const { target } = link;
    target.addEventListener('focusin', bring);
    window.addEventListener('focus', bring);
    return () => {
      target.removeEventListener('focusin', bring);
      window.removeEventListener('focus', bring);
    };
  }, [link, on, put]);
  return { text, put };
}

/** A button that opens the clipboard as text. */
export function ClipboardButton(props: {
  text: string;
  /** Why nothing can be put there. */
  disabled: string | false;
  onPut: (text: string) => void;
}): React.JSX.Element {
  const trans = useWords();
  const button = React.useRef<HTMLButtonElement>(null);
  const box = React.useRef<HTMLDivElement>(null);
  const [open, setOpen] = React.useState(false);
  const [draft, setDraft] = React.useState('');
  const [asks, setAsks] = React.useState(false);

  React.useEffect(() => {
    const popup = box.current;
    const anchor = button.current;
    if (!open || !popup || !anchor) return undefined;
    popup.showPopover();
    const place = anchor.getBoundingClientRect();
    const left = Math.min(place.left, window.innerWidth - 320 - 8);
    popup.style.left = `${Math.max(8, left)}px`;
    popup.style.top = `${place.bottom + 4}px`;
    popup.querySelector('textarea')?.focus();
    const closed = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') setOpen(false);
    };
    popup.addEventListener('toggle', closed);
    return () => popup.removeEventListener('toggle', closed);
  }, [open]);
  React.useEffect(() => {
    if (!open) return;
    setDraft(props.text);
    navigator.permissions
      ?.query({ name: 'clipboard-read' as PermissionName })
      .then(
        ({ state }) => setAsks(state === 'prompt'),
        () => setAsks(false)
      );
  }, [open, props.text]);

  const close = () => {
    box.current?.hidePopover();
    button.current?.focus();
  };
  return (
    <>
      <Button
        ref={button}
        icon="clipboard"
        className="clipboard"
        label={trans.__('Clipboard')}
        onClick={() => setOpen(true)}
      />
      {open && (
        <div
          ref={box}
          className="clip"
          role="dialog"
          aria-label={trans.__('The clipboard of the desktop')}
          data-lm-suppress-shortcuts="true"
          onKeyDown={event => {
            event.stopPropagation();
            if (event.key === 'Escape') close();
          }}
          {...{ popover: 'auto' }}
        >
          <label className="ae-label" htmlFor="ae-desktop-clipboard">
            {trans.__('The clipboard of the desktop')}
          </label>
          <textarea
            id="ae-desktop-clipboard"
            rows={5}
            value={draft}
            readOnly={Boolean(props.disabled)}
            placeholder={trans.__(
              'What is copied there shows here. Type or paste here what it shall hold.'
            )}
            onChange={event => setDraft(event.target.value)}
          />
          {asks && !props.disabled && (
            <p className="ae-hint">
              {trans.__(
                'Allow this page to read your clipboard, and what you copy is there by itself.'
              )}{' '}
              <Button
                kind="quiet"
                small
                onClick={() => {
                  navigator.clipboard.readText().then(
                    found => {
                      setAsks(false);
                      if (found) setDraft(found);
                    },
                    () => setAsks(false)
                  );
                }}
              >
                {trans.__('Allow')}
              </Button>
            </p>
          )}
          <div className="ae-row">
            <Button
              small
              icon="copy"
              disabled={!draft && trans.__('It holds no text')}
              onClick={() => {
                void navigator.clipboard?.writeText(draft).then(close, close);
              }}
            >
              {trans.__('Copy')}
            </Button>
            <span className="ae-grow" />
            <Button
              small
              kind="primary"
              disabled={props.disabled}
              onClick={() => {
                props.onPut(draft);
                close();
              }}
            >
              {trans.__('Put it there')}
            </Button>
          </div>
        </div>
      )}
    </>
  );
}
