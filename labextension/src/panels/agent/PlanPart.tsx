/** The plan of an agent in the inspector: how far it is, the tree, and the way to edit it. */
import * as React from 'react';

import type { JournalRecord, PlanAsItStands, Process } from '../../api/types';
import { Button, figures, Meter, Note, Skeleton, useWords } from '../../ui';
import { useServices } from '../services';
import { PlanEditor } from './PlanEditor';
import { PlanTree } from './PlanTree';
import { useAsked } from '../useAsked';

export function PlanPart(props: {
  process: Process;
  records: readonly JournalRecord[];
  editing: boolean;
  onEdit: (editing: boolean) => void;
}): React.JSX.Element {
  const { editing, onEdit } = props;
  const { pid, plan_n: n, state } = props.process;
  const { client, store } = useServices();
  const trans = useWords();
  const { value: now, failure } = useAsked<PlanAsItStands>(
    () => client.plan(pid),
    `${pid} ${n}`
  );
  const button = React.useRef<HTMLButtonElement>(null);
  const ended = state === 'ZOMBIE';
  const close = (): void => {
    onEdit(false);
    window.requestAnimationFrame(() => button.current?.focus());
  };
  if (failure && !now) {
    return (
      <Note tone="bad" icon="error">
        {failure.message}
      </Note>
    );
  }
  if (!now) return <Skeleton height={20} />;
  const some = Boolean(now.plan.steps?.length);
  if (!some && ended && !editing) return <></>;
  return (
    <>
      <div className="ae-row ih planhead">
        {some ? (
          <>
            <b>{trans.__('%1 of %2 done', now.done, now.steps)}</b>
            <span className="ae-grow">
              <Meter
                used={now.done}
                limit={now.steps}
                tone="ok"
                label={trans.__('Plan')}
              />
            </span>
          </>
        ) : (
          <span className="ae-2 ae-grow">
            {trans.__('No plan. The agent may write one, and so may you.')}
          </span>
        )}
        {!ended && !editing && (
          <Button
            ref={button}
            kind="quiet"
            small
            icon={some ? 'edit' : 'plus'}
            onClick={() => onEdit(true)}
          >
            {some ? trans.__('Edit') : trans.__('Write a plan')}
          </Button>
        )}
      </div>
      {editing ? (
        <PlanEditor pid={pid} now={now} onDone={close} />
      ) : (
        some && <PlanTree plan={now.plan} />
      )}
      {some && !editing && (
        <p className="ae-small ae-2 planby">
          {changedBy(now, props.records, store.now())}{' '}
          {!ended &&
            trans.__(
              'You can edit, reorder or add; it reads the plan before its next step.'
            )}
        </p>
      )}
    </>
  );

  function changedBy(
    plan: PlanAsItStands,
    records: readonly JournalRecord[],
    at: number
  ): string {
    const step = stepAt(records, plan.n);
    const when =
      step > 0
        ? trans.__('at step %1', step)
        : trans.__('at %1', figures.clock(plan.at, at));
    if (plan.by === 'agent') {
      return trans.__('Changed by the agent %1.', when);
    }
    return plan.by.startsWith('agent:')
      ? trans.__('Changed %2, when agent %1 ended.', plan.by.slice(6), when)
      : trans.__('Changed by %1 %2.', plan.by, when);
  }
}

/** At which step of the agent the record with this `n` was written; 0 if that is not loaded. */
function stepAt(records: readonly JournalRecord[], n: number): number {
  let step = 0;
  for (const record of records) {
    if (record.n > n) break;
    if (record.event.type === 'model.requested') step = record.event.step;
  }
  return records.length > 0 && records[0].n <= n ? step : 0;
}
