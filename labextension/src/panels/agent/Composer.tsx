/** Words for the agent, read before its next step or at once. */
import * as React from 'react';

import type { Process } from '../../api/types';
import { Button, Note, useWords } from '../../ui';
import { AttachButton, useAttached } from '../attached';
import { Pictures } from '../Pictures';
import { useServices } from '../services';

export const Composer = React.forwardRef<
  HTMLTextAreaElement,
  { process: Process }
>(function Composer(props, ref): React.JSX.Element {
  const { pid, state } = props.process;
  const trans = useWords();
  const { client } = useServices();
  const [text, setText] = React.useState('');
  const [when, setWhen] = React.useState<'next' | 'now'>('next');
  const [busy, setBusy] = React.useState(false);
  const [failure, setFailure] = React.useState('');
  const attached = useAttached(client);
  const { images, coming } = attached;
  const over = state === 'ZOMBIE';
  const send = async () => {
    if (!text.trim() || busy || over || coming > 0) return;
    setBusy(true);
    setFailure('');
    try {
      await client.send(pid, text.trim(), {
        interrupt: when === 'now',
        images
      });
      setText('');
      attached.clear();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  const lines = Math.min(8, text.split('\n').length);
  if (over) {
    return (
      <footer className="comp">
        <p className="ae-small ae-2">
          {trans.__('It has ended and reads no more messages.')}
        </p>
      </footer>
    );
  }
  return (
    <footer className="comp">
      {(failure || attached.failure) && (
        <Note tone="bad" icon="error" alert>
          {failure || attached.failure}
        </Note>
      )}
      <Pictures images={images} scale="small" onRemove={attached.remove} />
      <div
        className="cbox"
        data-lm-suppress-shortcuts="true"
        {...attached.handlers}
      >
        <textarea
          ref={ref}
          rows={lines}
          value={text}
          aria-label={trans.__('Message to agent %1', pid)}
          placeholder={
            when === 'next'
              ? trans.__('Message %1. It reads this before its next step.', pid)
              : trans.__('Message %1. It drops its step and reads this.', pid)
          }
          onChange={event => setText(event.currentTarget.value)}
          onKeyDown={event => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              event.stopPropagation();
              void send();
            } else if (event.key === 'Escape') {
              event.currentTarget.blur();
            }
          }}
        />
        <AttachButton attached={attached} />
        <select
          className="ae-select hide-n"
          aria-label={trans.__('When')}
          value={when}
          onChange={event =>
            setWhen(event.currentTarget.value === 'now' ? 'now' : 'next')
          }
        >
          <option value="next">{trans.__('Next step')}</option>
          <option value="now">{trans.__('Interrupt now')}</option>
        </select>
        <Button
          kind="primary"
          small
          icon="send"
          title={trans.__('Ctrl Enter')}
          disabled={
            (busy && trans.__('The message is on its way')) ||
            (coming > 0 && trans.__('An image is on its way')) ||
            (!text.trim() &&
              (images.length > 0
                ? trans.__('Write what the images are for')
                : trans.__('Nothing is written yet')))
          }
          onClick={() => void send()}
        >
          {trans.__('Send')}
        </Button>
      </div>
    </footer>
  );
});
