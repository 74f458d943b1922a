/** Words for the agent, read before its next step or at once. */
import * as React from 'react';

import type { Image, Process } from '../../api/types';
import { Button, Note, useWords } from '../../ui';
import { Pictures } from '../Pictures';
import { useServices } from '../services';

const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
const MOST_BYTES = 10_000_000;
const MOST = 20;

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
  const [images, setImages] = React.useState<readonly Image[]>([]);
  const [coming, setComing] = React.useState(0);
  const chooser = React.useRef<HTMLInputElement>(null);
  const attach = async (files: readonly File[]) => {
    setFailure('');
    for (const file of files) {
      if (file.size > MOST_BYTES) {
        setFailure(
          trans.__('%1 is larger than 10 MB. Make it smaller first.', file.name)
        );
        continue;
      }
      setComing(count => count + 1);
      try {
        const image = await client.keepImage(file);
        setImages(had =>
          had.some(({ digest }) => digest === image.digest)
            ? had
            : [...had, image].slice(0, MOST)
        );
      } catch (error) {
        setFailure(
          `${file.name}: ${error instanceof Error ? error.message : String(error)}`
        );
      } finally {
        setComing(count => count - 1);
      }
    }
  };
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
      setImages([]);
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
      {failure && (
        <Note tone="bad" icon="error" alert>
          {failure}
        </Note>
      )}
      <Pictures
        images={images}
        scale="small"
        onRemove={({ digest }) =>
          setImages(had => had.filter(each => each.digest !== digest))
        }
      />
      <div
        className="cbox"
        data-lm-suppress-shortcuts="true"
        onPaste={event => {
          const files = pictures(event.clipboardData.files);
          if (files.length === 0) return;
          event.preventDefault();
          void attach(files);
        }}
        onDragOver={event => {
          if (event.dataTransfer.types.includes('Files')) {
            event.preventDefault();
          }
        }}
        onDrop={event => {
          const files = pictures(event.dataTransfer.files);
          if (files.length === 0) return;
          event.preventDefault();
          event.stopPropagation();
          void attach(files);
        }}
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
        <input
          ref={chooser}
          type="file"
          accept={TYPES.join(',')}
          multiple
          hidden
          aria-hidden="true"
          tabIndex={-1}
          onChange={event => {
            void attach([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
          }}
        />
        <Button
          kind="quiet"
          small
          icon="image"
          label={trans.__('Attach images; they can be pasted, too')}
          disabled={coming > 0 && trans.__('An image is on its way')}
          onClick={() => chooser.current?.click()}
        />
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

/** The images among files. */
function pictures(files: FileList): File[] {
  return [...files].filter(({ type }) => TYPES.includes(type));
}
