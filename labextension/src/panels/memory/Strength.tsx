/** How alive a memory is: dots for its importance, a curve for how it fades. */
import * as React from 'react';

import { useWords } from '../../ui';
import {
  curve,
  daysAbove,
  dots,
  type Fading,
  type HalfLives,
  strength
} from './fading';

/** How memories fade on this server. */
export interface IFading {
  readonly halfLives: HalfLives;
  /** Below this strength none is given to a model unasked. */
  readonly faded: number;
}

const DAYS = 60;

/** Five dots; the words stand for them where they cannot be seen. */
export function Dots(props: { importance: number }): React.JSX.Element {
  const trans = useWords();
  const count = dots(props.importance);
  return (
    <span
      className="mi-dots"
      role="img"
      aria-label={trans.__('Importance %1 of 5', count)}
      title={trans.__('Importance %1', props.importance.toFixed(2))}
    >
      {[1, 2, 3, 4, 5].map(dot => (
        <i key={dot} className={dot <= count ? 'on' : undefined} />
      ))}
    </span>
  );
}

function path(
  points: readonly (readonly [number, number])[],
  width: number,
  height: number,
  pad: number
): string {
  return points
    .map(([x, y], index) => {
      const left = (pad + x * (width - 2 * pad)).toFixed(1);
      const top = (pad + (1 - y) * (height - 2 * pad)).toFixed(1);
      return `${index === 0 ? 'M' : 'L'}${left} ${top}`;
    })
    .join('');
}

/**
 * The strength over 60 days: what was is solid, what will be is dotted, below the dashed line no model is given it
 * unasked. A pinned one is flat and green. Without `label` it is decoration.
 */
export function DecayCurve(props: {
  memory: Fading;
  now: number;
  fading: IFading;
  width: number;
  height: number;
  label?: string;
}): React.JSX.Element {
  const { memory, now, fading, width, height, label } = props;
  const pad = 4;
  const { past, future, today } = curve(memory, now, fading.halfLives, DAYS);
  const x = pad + today * (width - 2 * pad);
  const at = (value: number) => pad + (1 - value) * (height - 2 * pad);
  const access = label
    ? ({ role: 'img', 'aria-label': label } as const)
    : ({ 'aria-hidden': true } as const);
  return (
    <svg
      className={memory.pinned ? 'mi-curve pinned' : 'mi-curve'}
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      focusable="false"
      {...access}
    >
      <path
        className="line"
        d={`M${pad} ${at(fading.faded).toFixed(1)}H${width - pad}`}
      />
      {past.length > 0 && (
        <path className="past" d={path(past, width, height, pad)} />
      )}
      <path className="future" d={path(future, width, height, pad)} />
      <circle cx={x} cy={at(strength(memory, now, fading.halfLives))} r={3} />
    </svg>
  );
}

/** "0.81 now, given unasked for another 80 days": a search finds it after that, too. */
export function useStrengthWords(
  memory: Fading,
  now: number,
  fading: IFading
): string {
  const trans = useWords();
  if (memory.pinned) return trans.__('pinned: it does not fade');
  const value = strength(memory, now, fading.halfLives).toFixed(2);
  const days = daysAbove(memory, now, fading.halfLives, fading.faded);
  if (days === null) return trans.__('%1 now', value);
  if (days === 0) {
    return trans.__('%1 now, too faded to be given unasked', value);
  }
  const whole = Math.max(1, Math.round(days));
  const span =
    whole < 100
      ? trans._n('%1 day', '%1 days', whole)
      : whole < 720
        ? trans.__('%1 months', Math.round(whole / 30.4))
        : trans.__('%1 years', Math.round(whole / 365));
  return trans.__('%1 now, given unasked for another %2', value, span);
}

/** The curve at full width, with its days. */
export function BigCurve(props: {
  memory: Fading;
  now: number;
  fading: IFading;
}): React.JSX.Element {
  const trans = useWords();
  const { memory, now, fading } = props;
  const said = useStrengthWords(memory, now, fading);
  const { daysPast } = curve(memory, now, fading.halfLives, DAYS);
  const ago = Math.round(daysPast);
  return (
    <div className="mi-big">
      <DecayCurve
        memory={memory}
        now={now}
        fading={fading}
        width={308}
        height={92}
        label={trans.__('Strength over 60 days: %1', said)}
      />
      <p className="mi-axis" aria-hidden="true">
        <span>
          {ago > 0
            ? trans._n('%1 day ago', '%1 days ago', ago)
            : trans.__('today')}
        </span>
        {ago > 0 && (
          <span
            className="now"
            style={{ left: `${(daysPast / DAYS) * 100}%` }}
            hidden={ago < 14}
          >
            {trans.__('today')}
          </span>
        )}
        {ago === 0 && <span>{trans.__('30 days')}</span>}
        <span>{trans.__('%1 days', DAYS - ago)}</span>
      </p>
    </div>
  );
}
