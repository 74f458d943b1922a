/** What can be said to a request from where it is not shown in full: never Approve. */
import { Notification } from '@jupyterlab/apputils';
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Approval, Decision, Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { MORE_STEPS } from '../../commands/extend';
import { Button, growth, useWords } from '../../ui';
import { useCommand, useServices } from '../services';

/** `single` leaves only the one action that lets work go on. */
export function AskButtons(props: {
  process: Process;
  approval: Approval | undefined;
  small?: boolean;
  single?: boolean;
  plain?: boolean;
  onDone?: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { client } = useServices();
  const { process, approval, small, single } = props;
  const [sent, setSent] = React.useState(false);
  const first = props.plain ? 'plain' : 'primary';
  const waiting = sent ? trans.__('It is being told') : false;

  const decide = async (decision: Decision) => {
    if (!approval || sent) return;
    setSent(true);
    try {
      await client.decide(approval.id, decision, approval.digest);
      props.onDone?.();
    } catch (error) {
      setSent(false);
      Notification.warning(
        error instanceof AetherError ? error.detail : String(error),
        { autoClose: 8000 }
      );
    }
  };
  const open = (id: string, args: Record<string, string | number>) => {
    run(id, args);
    props.onDone?.();
  };

  if (approval?.kind === 'call') {
    return (
      <>
        <Button
          kind={first}
          small={small}
          onClick={() => open(CommandIDs.openApprovals, { id: approval.id })}
        >
          {trans.__('Review')}
        </Button>
        {!single && (
          <Button
            small={small}
            disabled={waiting}
            onClick={() => void decide({ verdict: 'refuse' })}
          >
            {trans.__('Refuse')}
          </Button>
        )}
      </>
    );
  }
  if (approval?.kind === 'limit') {
    const offer = (approval.options ?? []).filter(option =>
      option.includes('=')
    );
    const more = growth(offer) || `+${MORE_STEPS}`;
    const inSteps = offer.every(option => option.startsWith('steps='));
    return (
      <>
        <Button
          kind={first}
          small={small}
          disabled={waiting}
          onClick={() => void decide({ verdict: 'extend' })}
        >
          {inSteps && !single ? trans.__('%1 steps', more) : more}
        </Button>
        {!single && (
          <Button
            small={small}
            disabled={waiting}
            onClick={() => void decide({ verdict: 'finish' })}
          >
            {trans.__('Finish here')}
          </Button>
        )}
      </>
    );
  }
  const answers = approval?.kind === 'question';
  return (
    <>
      <Button
        kind={first}
        small={small}
        onClick={() =>
          answers
            ? open(CommandIDs.openApprovals, { id: approval.id })
            : open(CommandIDs.openAgent, { pid: process.pid })
        }
      >
        {answers ? trans.__('Answer') : trans.__('Open')}
      </Button>
      {answers && !single && (
        <Button
          small={small}
          onClick={() => open(CommandIDs.openAgent, { pid: process.pid })}
        >
          {trans.__('Open')}
        </Button>
      )}
    </>
  );
}
