/** A desktop in small, wherever an agent is shown. */
import * as React from 'react';

import type { AetherClient } from '../api/client';
import { Thumbnails } from '../state/thumbnails';
import { useWords } from '../ui';
import { useServices } from './services';

const ofClient = new WeakMap<AetherClient, Thumbnails>();

function thumbnailsOf(client: AetherClient): Thumbnails {
  let found = ofClient.get(client);
  if (!found) {
    found = new Thumbnails((pid, width) => client.picture(pid, width));
    ofClient.set(client, found);
  }
  return found;
}

/** The desktop of an agent, small; nothing until there is a picture. `width` is in CSS pixels. */
export function DesktopThumb(props: {
  pid: number;
  width: number;
  className: string;
  onOpen: () => void;
}): React.JSX.Element {
  const { pid, width } = props;
  const trans = useWords();
  const thumbnails = thumbnailsOf(useServices().client);
  const place = React.useRef<HTMLButtonElement>(null);
  const [seen, setSeen] = React.useState(false);
  const [, setTurn] = React.useState(0);

  React.useEffect(() => {
    const node = place.current;
    if (!node) return undefined;
    const observer = new IntersectionObserver(entries => {
      setSeen(entries.at(-1)?.isIntersecting ?? false);
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  React.useEffect(() => {
    if (!seen) return undefined;
    const dense = Math.min(2, Math.ceil(window.devicePixelRatio || 1));
    return thumbnails.watch(pid, width * dense, () =>
      setTurn(turn => turn + 1)
    );
  }, [thumbnails, pid, width, seen]);

  const url = thumbnails.url(pid);
  return (
    <button
      ref={place}
      type="button"
      className={`ae-thumb ${props.className} ${url ? '' : 'none'}`}
      title={trans.__('Open the desktop')}
      aria-label={trans.__('Open the desktop of agent %1', pid)}
      onClick={event => {
        event.stopPropagation();
        props.onOpen();
      }}
    >
      {url && <img src={url} alt="" draggable={false} />}
    </button>
  );
}
