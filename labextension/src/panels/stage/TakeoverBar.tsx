/** Who has control, and the way to take it, hand it back or ask for it; and what can be done with the picture. */
import * as React from 'react';

import type { Approval, Process, Viewer } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { standing } from '../../state/selectors';
import { Button, figures, Icon, Mark, Switch, useWords } from '../../ui';
import { useCommand } from '../services';
import type { IStage } from './useStage';

export type Standing = 'agent' | 'you' | 'other' | 'help' | 'ended';

/** Whose turn it is. */
export function standingOf(
  process: Process,
  me: string,
  help: Approval | null
): Standing {
  if (process.state === 'ZOMBIE') return 'ended';
  if (process.control) return process.control === me ? 'you' : 'other';
  return help ? 'help' : 'agent';
}

/** What the server says of who has control and who looks. */
export interface IStageStatus {
  readonly since: number | null;
  readonly viewers: readonly Viewer[];
}

export function TakeoverBar(props: {
  stage: IStage;
  process: Process;
  status: IStageStatus | null;
  /** What the bar is for; what is said when the agent of this name and number has ended. */
  label: string;
  ended: (agent: string) => string;
  /** What only this stage has, before screenshot and full screen. */
  tools?: React.ReactNode;
  /** Somebody looks at the bar. */
  onLook?: () => void;
}): React.JSX.Element {
  const { process, stage } = props;
  const { me, help, now, viewOnly, state: link } = stage;
  const trans = useWords();
  const run = useCommand();
  const stands = standingOf(process, me, help);
  const [note, setNote] = React.useState('');
  const [asked, setAsked] = React.useState('');
  const { pid, control } = process;
  React.useEffect(() => setAsked(''), [control]);
  const mine = stands === 'you';
  const lost = link.phase === 'lost' && stands !== 'ended';
  const since = props.status?.since ?? null;
  const picture =
    link.phase === 'open' ? false : trans.__('There is no picture');
  const agent = `${process.name} ${pid}`;

  const head = (): React.JSX.Element => {
    switch (stands) {
      case 'you':
        return (
          <>
            <Icon name="hand" />
            <b>{trans.__('You have control')}</b>
          </>
        );
      case 'other':
        return (
          <>
            <Icon name="person" />
            <b>{trans.__('%1 has control', control)}</b>
          </>
        );
      case 'help':
        return <Mark standing="you" word={trans.__('Asks for help')} />;
      case 'ended':
        return <Mark standing={standing(process)} />;
      case 'agent':
        return (
          <Mark
            standing={standing(process)}
            word={
              process.state === 'RUNNING'
                ? trans.__('Agent has control')
                : trans.__('Agent has control, %1', waits(process))
            }
          />
        );
    }
  };
  const waits = ({ state }: Process): string =>
    state === 'STOPPED'
      ? trans.__('stopped')
      : state === 'WAITING'
        ? trans.__('waiting')
        : trans.__('ready');
  const about = (): string => {
    if (lost) {
      return link.seenAt === null
        ? trans.__('The connection is lost; it is tried again')
        : trans.__(
            'The connection is lost; this was at %1',
            figures.clock(link.seenAt / 1000, now, true)
          );
    }
    switch (stands) {
      case 'you':
        return since === null
          ? trans.__('The agent stopped at step %1', process.step)
          : trans.__(
              'The agent stopped at step %1, %2 ago',
              process.step,
              figures.age(now - since)
            );
      case 'other':
        return since === null
          ? agent
          : trans.__('%1, since %2', agent, figures.wait(now - since));
      case 'help':
        return trans.__(
          '%1 waits since %2',
          agent,
          figures.wait(now - (help?.created_at ?? now))
        );
      case 'ended':
        return props.ended(agent);
      case 'agent':
        return process.limits.steps === null
          ? trans.__('%1, step %2', agent, process.step)
          : trans.__(
              '%1, step %2 of %3',
              agent,
              process.step,
              process.limits.steps
            );
    }
  };

  const viewers = props.status?.viewers ?? [];
  const back = () => {
    stage.giveBack(note);
    setNote('');
  };
  return (
    <div
      className="barbox"
      onPointerEnter={props.onLook}
      onFocus={event => {
        if (!event.currentTarget.contains(event.relatedTarget)) {
          props.onLook?.();
        }
      }}
    >
      <header
        className={`bar ${mine ? 'own' : ''} ${lost ? 'lost' : ''}`}
        aria-label={props.label}
      >
        <span className="who" role="status">
          {head()}
        </span>
        <span className={`ae-2 ae-trunc ${lost ? '' : 'hide-n'}`}>
          {about()}
        </span>
        <span className="ae-grow" />
        {viewers.length > 0 && (
          <span
            className="view hide-n"
            title={trans.__(
              'Watching: %1',
              viewers
                .map(({ name }) => (name === me ? trans.__('you') : name))
                .join(', ')
            )}
          >
            {viewers.slice(0, 3).map(({ name }, index) => (
              <i key={index} aria-hidden="true">
                {name === me ? trans.__('me') : name.slice(0, 2)}
              </i>
            ))}
            <span className="ae-small ae-2">
              {trans._n('%1 watches', '%1 watch', viewers.length)}
            </span>
          </span>
        )}
        <span className="tools">
          {stands !== 'ended' && (
            <span
              className="vo"
              title={
                mine
                  ? trans.__('While it is on, no key and no click goes there')
                  : trans.__('Take over to type and click')
              }
            >
              <Switch
                on={viewOnly || !mine}
                onChange={on => {
                  if (mine) stage.setViewOnly(on);
                }}
              >
                {trans.__('View only')}
              </Switch>
            </span>
          )}
          {props.tools}
          <Button
            icon="camera"
            className="hide-n"
            label={trans.__('Screenshot')}
            disabled={picture}
            onClick={stage.screenshot}
          />
          <Button
            icon="open"
            className="fullscreen"
            label={
              stage.full
                ? trans.__('Leave full screen')
                : trans.__('Full screen')
            }
            pressed={stage.full || undefined}
            onClick={stage.fill}
          />
        </span>
        {lost && (
          <Button icon="refresh" onClick={() => stage.link?.retryNow()}>
            {trans.__('Try now')}
          </Button>
        )}
        {(stands === 'agent' || stands === 'help') && !lost && (
          <Button
            kind="primary"
            icon="hand"
            disabled={stage.busy && trans.__('One moment')}
            onClick={stage.take}
          >
            {trans.__('Take over')}
          </Button>
        )}
        {stands === 'other' && (
          <Button
            disabled={
              asked === control && trans.__('%1 sees that you ask', control)
            }
            onClick={() => {
              setAsked(control);
              stage.ask();
            }}
          >
            {asked === control
              ? trans.__('Asked')
              : trans.__('Ask for control')}
          </Button>
        )}
      </header>
      {mine && (
        <form
          className="hb"
          onSubmit={event => {
            event.preventDefault();
            back();
          }}
        >
          <label className="ae-field ae-grow">
            <input
              aria-label={trans.__('Note for the agent')}
              placeholder={
                stage.asker
                  ? trans.__('%1 asks for control', stage.asker)
                  : trans.__('What the agent should know, if anything')
              }
              value={note}
              maxLength={20_000}
              onChange={event => setNote(event.target.value)}
              onKeyDown={event => event.stopPropagation()}
            />
          </label>
          {stage.asker && (
            <span className="ae-chip warn" role="status">
              {trans.__('%1 asks for control', stage.asker)}
            </span>
          )}
          <Button
            kind="primary"
            disabled={stage.busy && trans.__('One moment')}
            onClick={back}
          >
            {trans.__('Hand back')}
          </Button>
        </form>
      )}
      {stands === 'help' && help && (
        <div className="hb help">
          <Icon name="message" size={14} />
          <p className="ae-grow">
            <b>{help.question || help.because}</b>
          </p>
          <Button
            onClick={() => run(CommandIDs.openApprovals, { id: help.id })}
          >
            {trans.__('Answer')}
          </Button>
        </div>
      )}
    </div>
  );
}
