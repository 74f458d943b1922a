/** The keys of one panel, read from the bindings that Lab has now. */
import * as React from 'react';

import { Button, useModal, useWords } from '../../ui';

export interface IShownKey {
  readonly keys: readonly string[];
  readonly words: string;
}

export function KeyOverview(props: {
  title: string;
  /** Groups of keys, each with its heading. */
  groups: readonly { heading: string; rows: readonly IShownKey[] }[];
  onChange: (() => void) | null;
  onClose: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { onClose } = props;
  const dialog = useModal();
  return (
    <dialog
      ref={dialog}
      className="ae-keys"
      aria-labelledby="ae-keys-title"
      data-lm-suppress-shortcuts="true"
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onClick={event => {
        // What is not the content is the backdrop.
        if (event.target === event.currentTarget) onClose();
      }}
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === '?') onClose();
      }}
    >
      <div>
        <header>
          <h2 id="ae-keys-title">{props.title}</h2>
          <Button
            kind="quiet"
            icon="close"
            label={trans.__('Close')}
            onClick={onClose}
          />
        </header>
        <div className="ae-keys-list" tabIndex={0}>
          {props.groups.map(({ heading, rows }) => (
            <section key={heading} aria-label={heading}>
              <h3>{heading}</h3>
              <dl>
                {rows.map(({ keys, words }) => (
                  <div key={words}>
                    <dt>
                      {keys.map((key, index) =>
                        key === '…' ? (
                          <span key={index}>…</span>
                        ) : (
                          <kbd key={index} className="ae-kbd">
                            {key}
                          </kbd>
                        )
                      )}
                    </dt>
                    <dd>{words}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        {props.onChange && (
          <footer>
            <span className="ae-small ae-2 ae-grow">
              {trans.__('Each key can be changed.')}
            </span>
            <Button
              small
              onClick={() => {
                onClose();
                props.onChange?.();
              }}
            >
              {trans.__('Change keys…')}
            </Button>
          </footer>
        )}
      </div>
    </dialog>
  );
}
