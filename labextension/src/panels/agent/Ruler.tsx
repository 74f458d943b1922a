/** All entries of a run as one strip, with a window on what is visible; a click or a drag goes there. */
import * as React from 'react';

import type { Block, Kind } from '../../state/timeline';
import { kinds } from '../../state/timeline';
import { STEP_HEIGHT, stripSentence, useWords } from '../../ui';

const BAR = 8;

export function Ruler(props: {
  blocks: readonly Block[];
  /** The first and the last block on the screen. */
  seen: readonly [number, number];
  left: string;
  onGo: (block: number) => void;
}): React.JSX.Element {
  const { blocks, seen, onGo } = props;
  const trans = useWords();
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const bars = React.useMemo(() => {
    const found: { kind: Kind; block: number }[] = [];
    blocks.forEach((block, index) => {
      for (const kind of kinds(block)) found.push({ kind, block: index });
    });
    return found;
  }, [blocks]);
  const [width, setWidth] = React.useState(0);

  React.useEffect(() => {
    const { current: element } = canvas;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What is painted does not follow a change of the theme by itself; its style sheet comes a moment after its name.
  const [theme, setTheme] = React.useState(0);
  React.useEffect(() => {
    const repaint = () => setTheme(count => count + 1);
    const observer = new MutationObserver(() => {
      repaint();
      window.setTimeout(repaint, 600);
    });
    observer.observe(document.body, {
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    return () => observer.disconnect();
  }, []);

  const step = Math.min(BAR, width / Math.max(1, bars.length));
  React.useEffect(() => {
    const { current: element } = canvas;
    const pen = element?.getContext('2d');
    if (!element || !pen || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    element.width = width * scale;
    element.height = 18 * scale;
    pen.scale(scale, scale);
    const style = getComputedStyle(element);
    const ink = (name: string) => style.getPropertyValue(name).trim();
    const colours: Readonly<Record<Kind, string>> = {
      t: ink('--ae-k-thought'),
      a: ink('--ae-k-action'),
      o: ink('--ae-k-observation'),
      p: ink('--ae-k-approval'),
      m: ink('--ae-k-message'),
      e: ink('--ae-k-error')
    };
    // A canvas cannot read color-mix of variables, so each colour is resolved by the element itself.
    const probe = document.createElement('span');
    element.parentElement?.append(probe);
    const resolved = new Map<Kind, string>();
    for (const kind of Object.keys(colours) as Kind[]) {
      probe.style.color = colours[kind];
      resolved.set(kind, getComputedStyle(probe).color);
    }
    probe.remove();
    const wide = Math.max(0.75, step - (step > 4 ? 2 : 0.25));
    bars.forEach(({ kind }, index) => {
      const height = STEP_HEIGHT[kind];
      const x = index * step;
      if (kind === 'm' && wide > 4) {
        pen.strokeStyle = resolved.get(kind) ?? '';
        pen.lineWidth = 1.5;
        pen.strokeRect(x + 0.75, 17 - height + 0.75, wide - 1.5, height - 1.5);
      } else {
        pen.fillStyle = resolved.get(kind) ?? '';
        pen.fillRect(x, 17 - height, wide, height);
      }
    });
    const first = bars.findIndex(bar => bar.block >= seen[0]);
    const after = bars.findIndex(bar => bar.block > seen[1]);
    if (first >= 0) {
      const from = first * step;
      const to = (after < 0 ? bars.length : after) * step;
      pen.strokeStyle = style.color;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.roundRect(
        Math.max(0.75, from - 2),
        0.75,
        Math.max(8, to - from + 2),
        16.5,
        3
      );
      pen.stroke();
    }
  }, [bars, seen, step, width, theme]);

  const go = (event: React.PointerEvent<HTMLCanvasElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = Math.floor((event.clientX - box.left) / Math.max(0.1, step));
    const bar = bars[Math.max(0, Math.min(bars.length - 1, at))];
    if (bar) onGo(bar.block);
  };
  const now = blocks.at(seen[0]);
  return (
    <div className="ruler">
      <canvas
        ref={canvas}
        role="slider"
        tabIndex={0}
        aria-label={trans.__('Place in the run')}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, blocks.length - 1)}
        aria-valuenow={seen[0]}
        aria-valuetext={
          now?.kind === 'step'
            ? trans.__('Step %1', now.step)
            : stripSentence(bars.map(bar => bar.kind).join(''), trans)
        }
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          go(event);
        }}
        onPointerMove={event => {
          if (event.buttons & 1) go(event);
        }}
        onKeyDown={event => {
          const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (move === undefined) return;
          onGo(Math.max(0, Math.min(blocks.length - 1, seen[0] + move)));
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <span className="ae-small ae-2">{props.left}</span>
    </div>
  );
}
