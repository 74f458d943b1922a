/** The columns of the table: what they show, and how they sort. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Approval, Process } from '../../api/types';
import { byAttention, runSeconds, tokens } from '../../state/selectors';
import { figures, StateMark, StepStrip } from '../../ui';
import { Elapsed, shortModel, shortSandbox } from './AgentCard';
import { now as nowLine } from './voice';

export type ColumnId =
  | 'state'
  | 'pid'
  | 'name'
  | 'now'
  | 'strip'
  | 'steps'
  | 'plan'
  | 'tokens'
  | 'cost'
  | 'elapsed'
  | 'owner'
  | 'model'
  | 'sandbox'
  | 'parent'
  | 'started';

export interface Sort {
  readonly by: ColumnId;
  readonly down: boolean;
}

export interface Column {
  readonly id: ColumnId;
  readonly label: string;
  /** A width of CSS grid. */
  readonly width: string;
  readonly number?: boolean;
  readonly className?: string;
  /** Less than zero if `a` comes first. Figures are sorted down at the first click, words up. */
  readonly compare?: (a: Process, b: Process, at: number) => number;
  readonly render: (row: Row) => React.ReactNode;
}

export interface Row {
  readonly process: Process;
  readonly approval: Approval | undefined;
  readonly trans: TranslationBundle;
  readonly at: number;
}

/** Columns that are shown unless a person chose others. */
export const USUAL: readonly ColumnId[] = [
  'state',
  'pid',
  'name',
  'now',
  'strip',
  'steps',
  'tokens',
  'cost',
  'elapsed',
  'owner',
  'model',
  'sandbox'
];

/** Cannot be taken away: without them a row says nothing. */
export const ALWAYS: ReadonlySet<ColumnId> = new Set(['state', 'name']);

const words =
  (pick: (process: Process) => string) => (a: Process, b: Process) =>
    pick(a).localeCompare(pick(b), undefined, { numeric: true });
const least =
  (pick: (process: Process) => number) => (a: Process, b: Process) =>
    pick(a) - pick(b);

export function columns(trans: TranslationBundle): readonly Column[] {
  return [
    {
      id: 'state',
      label: trans.__('State'),
      width: '136px',
      compare: byAttention,
      render: ({ process }) => <StateMark process={process} />
    },
    {
      id: 'pid',
      label: trans.__('PID'),
      width: '56px',
      number: true,
      className: 'mc-pid',
      compare: least(process => process.pid),
      render: ({ process }) => process.pid
    },
    {
      id: 'name',
      label: trans.__('Name'),
      width: 'minmax(120px, 178px)',
      className: 'name',
      compare: words(process => process.name),
      render: ({ process }) => process.name
    },
    {
      id: 'now',
      label: trans.__('Now'),
      width: 'minmax(120px, 1fr)',
      className: 'now',
      render: ({ process, approval, trans: say, at }) =>
        nowLine(process, approval, say, at)
    },
    {
      id: 'strip',
      label: trans.__('Last 20 steps'),
      width: '136px',
      render: ({ process }) => <StepStrip strip={process.strip} />
    },
    {
      id: 'steps',
      label: trans.__('Steps'),
      width: '64px',
      number: true,
      compare: least(process => process.step),
      render: ({ process }) => figures.steps(process.step, process.limits.steps)
    },
    {
      id: 'plan',
      label: trans.__('Plan'),
      width: '56px',
      number: true,
      compare: least(({ plan_done, plan_steps }) =>
        plan_steps > 0 ? plan_done / plan_steps : -1
      ),
      render: ({ process: { plan_done, plan_steps } }) =>
        plan_steps > 0 ? `${plan_done}/${plan_steps}` : ''
    },
    {
      id: 'tokens',
      label: trans.__('Tokens'),
      width: '64px',
      number: true,
      compare: least(tokens),
      render: ({ process }) => figures.tokenCount(tokens(process))
    },
    {
      id: 'cost',
      label: trans.__('Cost'),
      width: '64px',
      number: true,
      className: 'ae-b',
      compare: least(process => process.cost_usd),
      render: ({ process }) =>
        figures.money(process.cost_usd, process.cost_known)
    },
    {
      id: 'elapsed',
      label: trans.__('Elapsed'),
      width: '78px',
      number: true,
      compare: (a, b, at) => runSeconds(a, at) - runSeconds(b, at),
      render: ({ process }) => <Elapsed process={process} />
    },
    {
      id: 'owner',
      label: trans.__('Owner'),
      width: '72px',
      compare: words(process => process.owner),
      render: ({ process }) => process.owner
    },
    {
      id: 'model',
      label: trans.__('Model'),
      width: '112px',
      compare: words(process => process.model),
      render: ({ process }) => shortModel(process.model)
    },
    {
      id: 'sandbox',
      label: trans.__('Sandbox'),
      width: '76px',
      compare: words(process => process.sandbox),
      render: ({ process }) => shortSandbox(process.sandbox)
    },
    {
      id: 'parent',
      label: trans.__('Parent'),
      width: '64px',
      number: true,
      compare: least(process => process.parent ?? 0),
      render: ({ process }) => process.parent ?? ''
    },
    {
      id: 'started',
      label: trans.__('Started'),
      width: '72px',
      number: true,
      compare: least(process => process.created_at),
      render: ({ process, at }) => figures.clock(process.created_at, at)
    }
  ];
}

/** The least width of a row in pixels: what the tracks of the grid cannot go below. */
export function leastWidth(shown: readonly Column[]): number {
  return shown.reduce(
    (sum, column) => sum + Number(/\d+/.exec(column.width)?.[0] ?? 0),
    60
  );
}

/** The PIDs in the order of `sort`; ties go to who needs a person. */
export function sorted(
  processes: readonly Process[],
  sort: Sort,
  known: readonly Column[],
  at: number
): number[] {
  const compare =
    known.find(column => column.id === sort.by)?.compare ?? byAttention;
  const sign = sort.down ? -1 : 1;
  return [...processes]
    .sort((a, b) => sign * compare(a, b, at) || byAttention(a, b))
    .map(process => process.pid);
}
