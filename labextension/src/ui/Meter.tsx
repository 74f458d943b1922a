/** How much of a limit is used, as one thin bar. */
import * as React from 'react';

import { percent } from './figures';

export type MeterTone = 'run' | 'warn' | 'ok' | 'bad' | 'flat';

/** The tone of a limit: amber from nine tenths on. */
export function limitTone(used: number, limit: number): MeterTone {
  return limit > 0 && used >= limit * 0.9 ? 'warn' : 'run';
}

/** `label` says of what. A `limit` of `null` is no limit and gives an empty bar. */
export function Meter(props: {
  used: number;
  limit: number | null;
  label: string;
  tone?: MeterTone;
}): React.JSX.Element {
  const share = props.limit === null ? 0 : percent(props.used, props.limit);
  const tone =
    props.tone ??
    (props.limit === null ? 'run' : limitTone(props.used, props.limit));
  return (
    <span
      className={`ae-meter ${tone}`}
      role="progressbar"
      aria-label={props.label}
      aria-valuenow={share}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${share}%` }} />
    </span>
  );
}
