/** What lies over the picture: whose pointer is where, the agent's click, the frame of whoever has control. */
import * as React from 'react';

import type { StageLink } from './link';
import type { Place, Size } from './points';

const RING_MS = 600;

export interface Frame extends Size {
  readonly left: number;
  readonly top: number;
  /** The size of the picture itself, in its own pixels. */
  readonly picture: Size;
}

/** Where in the link's target the picture is drawn; null while there is none. */
export function useFrame(link: StageLink | null): Frame | null {
  const [frame, setFrame] = React.useState<Frame | null>(null);
  React.useEffect(() => {
    if (!link) return undefined;
    const { target } = link;
    let waits = 0;
    const measure = () => {
      waits = 0;
      const { canvas } = link;
      if (!canvas) {
        // The last picture stands where the canvas was.
        return;
      }
      sizes.observe(canvas);
      const outer = target.getBoundingClientRect();
      const inner = canvas.getBoundingClientRect();
      const next: Frame = {
        left: inner.left - outer.left,
        top: inner.top - outer.top,
        width: inner.width,
        height: inner.height,
        picture: { width: canvas.width, height: canvas.height }
      };
      setFrame(before => (same(before, next) ? before : next));
    };
    const soon = () => {
      if (!waits) waits = window.requestAnimationFrame(measure);
    };
    const sizes = new ResizeObserver(soon);
    sizes.observe(target);
    const changes = new MutationObserver(soon);
    changes.observe(target, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ['width', 'height', 'style', 'hidden']
    });
    soon();
    return () => {
      window.cancelAnimationFrame(waits);
      sizes.disconnect();
      changes.disconnect();
    };
  }, [link]);
  return frame;
}

function same(a: Frame | null, b: Frame): boolean {
  return (
    a !== null &&
    a.left === b.left &&
    a.top === b.top &&
    a.width === b.width &&
    a.height === b.height &&
    a.picture.width === b.picture.width &&
    a.picture.height === b.picture.height
  );
}

/** A pointer with the name of whom it belongs to, and a ring for 600 ms where it clicked. */
function Pointer(props: {
  place: Place;
  label: string;
  kind: 'agent' | 'person';
  /** When it clicked, told by any change of the value; '' for a pointer that only stands there. */
  click: string;
}): React.JSX.Element {
  const { place, click } = props;
  const [rings, setRings] = React.useState(false);
  React.useEffect(() => {
    if (!click) return undefined;
    setRings(true);
    const timer = window.setTimeout(() => setRings(false), RING_MS);
    return () => window.clearTimeout(timer);
  }, [click]);
  return (
    <span
      className={`cur ${props.kind}`}
      style={{ left: `${place.x * 100}%`, top: `${place.y * 100}%` }}
    >
      {rings && <i key={click} className="ring" />}
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path d="M2 1 13 8.5 8 9.5 5.5 14Z" />
      </svg>
      <em>{props.label}</em>
    </span>
  );
}

/** The label that follows one's own pointer; moved without drawing anything again. */
function OwnPointer(props: {
  link: StageLink;
  frame: Frame;
  label: string;
}): React.JSX.Element {
  const { link, frame } = props;
  const label = React.useRef<HTMLElement>(null);
  React.useEffect(() => {
    const { target } = link;
    const move = (event: MouseEvent) => {
      const node = label.current;
      if (!node) return;
      const outer = target.getBoundingClientRect();
      const x = event.clientX - outer.left - frame.left;
      const y = event.clientY - outer.top - frame.top;
      const within = x >= 0 && y >= 0 && x <= frame.width && y <= frame.height;
      node.hidden = !within;
      node.style.transform = `translate(${x + 14}px, ${y + 14}px)`;
    };
    const hide = () => {
      if (label.current) label.current.hidden = true;
    };
    target.addEventListener('mousemove', move, { capture: true });
    target.addEventListener('mouseleave', hide);
    return () => {
      target.removeEventListener('mousemove', move, { capture: true });
      target.removeEventListener('mouseleave', hide);
    };
  }, [link, frame]);
  return (
    <em ref={label} className="own" hidden>
      {props.label}
    </em>
  );
}

export interface Pointed {
  readonly place: Place;
  readonly label: string;
  readonly click: string;
}

export function Overlay(props: {
  link: StageLink;
  frame: Frame;
  agent: Pointed | null;
  person: Pointed | null;
  /** The label of one's own pointer; '' while one has no control. */
  own: string;
}): React.JSX.Element {
  const { frame, agent, person } = props;
  const { left, top, width, height } = frame;
  return (
    <div
      className={props.own ? 'over mine' : 'over'}
      style={{ left, top, width, height }}
      aria-hidden="true"
    >
      {agent && <Pointer {...agent} kind="agent" />}
      {person && <Pointer {...person} kind="person" />}
      {props.own && (
        <OwnPointer link={props.link} frame={frame} label={props.own} />
      )}
    </div>
  );
}
