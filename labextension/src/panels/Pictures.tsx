/** Images of the journal: small in a row, large when one is chosen; fetched when they come into sight. */
import * as React from 'react';

import type { AetherClient } from '../api/client';
import type { Image } from '../api/types';
import { Button, figures, Icon, useModal, useWords } from '../ui';
import { useServices } from './services';

/** Pixels of a small image: no higher, and no wider. */
const HIGH = { small: 56, usual: 96 };
const WIDE = { small: 100, usual: 168 };
type Scale = keyof typeof HIGH;

interface PicturesProps {
  images: readonly Image[] | undefined;
  scale?: Scale;
  /** Taken away by a person who has not sent them yet. */
  onRemove?: (image: Image) => void;
}

export function Pictures(props: PicturesProps): React.JSX.Element | null {
  const { client } = useServices();
  return <PicturesOf client={client} {...props} />;
}

/** The same where no services are handed down. */
export function PicturesOf(
  props: PicturesProps & { client: AetherClient }
): React.JSX.Element | null {
  const { client, images, onRemove } = props;
  const trans = useWords();
  const [large, setLarge] = React.useState<Image | null>(null);
  if (!images || images.length === 0) return null;
  return (
    <div className="ae-pics">
      {images.map((image, index) => (
        <span className="ae-pic" key={`${image.digest}-${index}`}>
          <button
            type="button"
            className="ae-picb"
            style={sized(image, props.scale ?? 'usual')}
            title={trans.__('Show large')}
            onClick={() => setLarge(image)}
          >
            <Picture client={client} image={image} />
          </button>
          {onRemove && (
            <Button
              kind="quiet"
              small
              icon="close"
              label={trans.__('Remove the image')}
              onClick={() => onRemove(image)}
            />
          )}
        </span>
      ))}
      {large && (
        <Large client={client} image={large} onClose={() => setLarge(null)} />
      )}
    </div>
  );
}

/** The box that an image will fill, so that nothing jumps when it comes. */
function sized(image: Image, to: Scale): React.CSSProperties {
  const scale = Math.min(1, HIGH[to] / image.height, WIDE[to] / image.width);
  return {
    width: Math.max(24, Math.round(image.width * scale)),
    height: Math.max(24, Math.round(image.height * scale))
  };
}

function useAlt(): (image: Image) => string {
  const trans = useWords();
  return image =>
    image.words
      ? trans.__('Image with the text: %1', image.words.slice(0, 300))
      : trans.__('Image, %1 by %2 pixels', image.width, image.height);
}

/** One image as an `<img>` of its bytes: whatever they are, nothing in it is run. */
function Picture(props: {
  client: AetherClient;
  image: Image;
}): React.JSX.Element {
  const { client, image } = props;
  const trans = useWords();
  const alt = useAlt();
  const box = React.useRef<HTMLSpanElement>(null);
  const [near, setNear] = React.useState(false);
  const [url, setUrl] = React.useState('');
  const [failure, setFailure] = React.useState('');
  React.useEffect(() => {
    const element = box.current;
    if (!element || near) return;
    const seen = new IntersectionObserver(
      entries => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) setNear(true);
      },
      { rootMargin: '400px' }
    );
    seen.observe(element);
    return () => seen.disconnect();
  }, [near]);
  const { digest, media_type: type } = image;
  React.useEffect(() => {
    if (!near) return;
    let made = '';
    let over = false;
    setFailure('');
    client.image(digest, type).then(
      blob => {
        if (over) return;
        made = URL.createObjectURL(blob);
        setUrl(made);
      },
      (error: unknown) => {
        if (!over) {
          setFailure(error instanceof Error ? error.message : String(error));
        }
      }
    );
    return () => {
      over = true;
      if (made) URL.revokeObjectURL(made);
      setUrl('');
    };
  }, [client, digest, type, near]);
  if (failure) {
    return (
      <span className="ae-picx" role="img" aria-label={alt(image)}>
        <Icon name="image" size={14} />
        <span title={failure}>{trans.__('Not to be had')}</span>
      </span>
    );
  }
  return (
    <span ref={box} className="ae-pici">
      {url && <img src={url} alt={alt(image)} draggable={false} />}
    </span>
  );
}

function Large(props: {
  client: AetherClient;
  image: Image;
  onClose: () => void;
}): React.JSX.Element {
  const { client, image, onClose } = props;
  const trans = useWords();
  const dialog = useModal();
  return (
    <dialog
      ref={dialog}
      className="ae-large"
      aria-label={trans.__('Image')}
      data-lm-suppress-shortcuts="true"
      onCancel={event => {
        // It may lie over another dialog, which is to stay.
        event.stopPropagation();
        event.preventDefault();
        onClose();
      }}
      onKeyDown={event => event.stopPropagation()}
      onClick={event => {
        event.stopPropagation();
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <header>
        <span className="ae-small ae-2 ae-grow ae-trunc">
          {trans.__(
            '%1 × %2, %3',
            image.width,
            image.height,
            figures.size(image.size_bytes)
          )}{' '}
          <code>{image.digest.slice(0, 12)}</code>
        </span>
        <Button
          kind="quiet"
          small
          icon="close"
          label={trans.__('Close')}
          onClick={onClose}
        />
      </header>
      <div className="ae-largei">
        <Picture client={client} image={image} />
      </div>
    </dialog>
  );
}
