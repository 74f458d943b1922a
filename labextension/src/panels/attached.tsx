/** Images that a person is about to give to an agent: chosen, pasted or dropped, and kept by the server at once. */
import * as React from 'react';

import type { AetherClient } from '../api/client';
import type { Image } from '../api/types';
import { Button, useWords } from '../ui';

const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
const MOST_BYTES = 10_000_000;
const MOST = 20;

export interface Attached {
  readonly images: readonly Image[];
  /** How many are on their way to the server. */
  readonly coming: number;
  /** Why the last one was not kept, in a sentence. */
  readonly failure: string;
  attach(files: readonly File[]): Promise<void>;
  remove(image: Image): void;
  clear(): void;
  /** For the element into which images may be pasted or dropped. */
  readonly handlers: Pick<
    React.HTMLAttributes<HTMLElement>,
    'onPaste' | 'onDragOver' | 'onDrop'
  >;
}

export function useAttached(client: AetherClient): Attached {
  const trans = useWords();
  const [images, setImages] = React.useState<readonly Image[]>([]);
  const [coming, setComing] = React.useState(0);
  const [failure, setFailure] = React.useState('');
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
  const take = (
    event: React.ClipboardEvent | React.DragEvent,
    files: FileList
  ) => {
    const found = [...files].filter(({ type }) => TYPES.includes(type));
    if (found.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    void attach(found);
  };
  return {
    images,
    coming,
    failure,
    attach,
    remove: ({ digest }) =>
      setImages(had => had.filter(each => each.digest !== digest)),
    clear: () => {
      setImages([]);
      setFailure('');
    },
    handlers: {
      onPaste: event => take(event, event.clipboardData.files),
      onDragOver: event => {
        if (event.dataTransfer.types.includes('Files')) event.preventDefault();
      },
      onDrop: event => take(event, event.dataTransfer.files)
    }
  };
}

export function AttachButton(props: {
  attached: Attached;
  /** Words beside the icon. */
  children?: React.ReactNode;
}): React.JSX.Element {
  const { attached, children } = props;
  const trans = useWords();
  const chooser = React.useRef<HTMLInputElement>(null);
  const words = trans.__('Attach images; they can be pasted, too');
  return (
    <>
      <input
        ref={chooser}
        type="file"
        accept={TYPES.join(',')}
        multiple
        hidden
        aria-hidden="true"
        tabIndex={-1}
        onChange={event => {
          void attached.attach([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
      <Button
        kind="quiet"
        small
        icon="image"
        label={children ? undefined : words}
        title={words}
        disabled={attached.coming > 0 && trans.__('An image is on its way')}
        onClick={() => chooser.current?.click()}
      >
        {children}
      </Button>
    </>
  );
}
