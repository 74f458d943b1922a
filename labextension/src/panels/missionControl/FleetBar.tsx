/** The fleet at a glance: five counts that are filters, today's spend, and the pace of the work. */
import * as React from 'react';

import type { Spend } from '../../api/types';
import type { Counts, Standing } from '../../state/selectors';
import { useStore } from '../../state/useStore';
import { figures, Mark, Meter, Skeleton, useWords } from '../../ui';
import { useClock, useServices } from '../services';

/** Which count is pressed. */
export type FleetFilter = Extract<
  Standing,
  'you' | 'running' | 'stopped' | 'done' | 'failed'
>;

export function FleetBar(props: {
  counts: Counts;
  spend: Spend;
  pressed: FleetFilter | null;
  throughput: boolean;
  onPress: (filter: FleetFilter | null) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { counts, pressed } = props;
  const items: readonly (readonly [FleetFilter, number, string])[] = [
    ['you', counts.you, trans.__('Waiting for you')],
    ['running', counts.running, trans.__('Running')],
    ['stopped', counts.stopped, trans.__('Stopped')],
    ['done', counts.doneToday, trans.__('Done today')],
    ['failed', counts.failedToday, trans.__('Failed today')]
  ];
  return (
    <section className="mc-fleet" aria-label={trans.__('Fleet summary')}>
      {items.map(([standing, count, words]) => (
        <button
          key={standing}
          type="button"
          className={`mc-count ${standing}`}
          aria-pressed={pressed === standing}
          title={
            pressed === standing
              ? trans.__('Show all again')
              : trans.__('Show only these')
          }
          onClick={() => props.onPress(pressed === standing ? null : standing)}
        >
          <Mark standing={standing} quiet />
          <b>{count}</b>
          <span>{words}</span>
        </button>
      ))}
      <SpendToday spend={props.spend} />
      {props.throughput && <Throughput />}
    </section>
  );
}

const ENOUGH_OF_A_DAY = 1 / 12;

/** What was spent today, and where it goes at this pace. */
export function SpendToday(props: { spend: Spend }): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { cost_usd: cost, limit_usd: limit } = props.spend;
  const today = new Date(now * 1000);
  const passed = (today.getHours() * 60 + today.getMinutes()) / 1440;
  return (
    <div className="mc-count wide mc-spend">
      <p>
        <b>{figures.money(cost)}</b>{' '}
        <span className="ae-2">
          {limit === null
            ? trans.__('today')
            : trans.__('of %1 today', figures.limitMoney(limit))}
        </span>
      </p>
      {limit !== null && (
        <Meter used={cost} limit={limit} label={trans.__('Spend today')} />
      )}
      <span>
        {cost > 0 && passed > ENOUGH_OF_A_DAY
          ? trans.__(
              'At this pace %1 by midnight',
              figures.money(cost / passed)
            )
          : limit === null
            ? trans.__('No limit for the day')
            : trans.__('%1 left', figures.money(Math.max(0, limit - cost)))}
      </span>
    </div>
  );
}

const MINUTES = 20;

/** Steps a minute, from the times the server gave them. */
export function usePace(): {
  perMinute: number;
  minutes: number;
  counts: readonly number[];
} {
  const { store } = useServices();
  // A new cursor or a new minute is what can change the pace.
  useStore(store, state => state.view?.cursor ?? 0);
  useClock();
  const { counts, since } = store.pace(MINUTES);
  const minutes = Math.min(MINUTES, Math.max(1, (store.now() - since) / 60));
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    perMinute: Math.round(total / minutes),
    minutes: Math.round(minutes),
    counts
  };
}

function Throughput(): React.JSX.Element {
  const trans = useWords();
  const { perMinute, minutes, counts } = usePace();
  return (
    <div className="mc-count wide mc-pace">
      <p>
        <b>{perMinute}</b> <span className="ae-2">{trans.__('steps/min')}</span>
      </p>
      <Sparkline values={counts} />
      <span>{trans._n('last minute', 'last %1 min', minutes)}</span>
    </div>
  );
}

const WIDTH = 150;
const HEIGHT = 30;

/** The values as one line over a wash, the newest with a dot. */
function Sparkline(props: { values: readonly number[] }): React.JSX.Element {
  const { values } = props;
  const top = Math.max(4, ...values);
  const points = values.map((value, index) => [
    (index / Math.max(1, values.length - 1)) * (WIDTH - 4) + 1,
    HEIGHT - 3 - (value / top) * (HEIGHT - 7)
  ]);
  const line = points
    .map(
      ([x, y], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
    )
    .join(' ');
  const [x, y] = points[points.length - 1];
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
      focusable="false"
    >
      <path
        d={`${line} L${x.toFixed(1)} ${HEIGHT} L1 ${HEIGHT}Z`}
        fill="var(--ae-run)"
        opacity=".13"
      />
      <path
        d={line}
        fill="none"
        stroke="var(--ae-run)"
        strokeWidth="1.5"
        strokeLinejoin="round"
      />
      <circle cx={x} cy={y} r="2.5" fill="var(--ae-run)" />
    </svg>
  );
}

export function FleetBarSkeleton(): React.JSX.Element {
  return (
    <section className="mc-fleet" aria-hidden="true">
      {[0, 1, 2, 3, 4].map(index => (
        <div className="mc-count" key={index}>
          <Skeleton width={36} height={20} />
          <span>
            <Skeleton width={76} height={10} />
          </span>
        </div>
      ))}
      <div className="mc-count wide mc-spend">
        <Skeleton width={110} height={16} />
        <Skeleton height={4} />
      </div>
    </section>
  );
}
