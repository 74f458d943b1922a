/** One agent as a card of steady height: who, how it stands, what it says or asks, and what it used. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Approval, Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { runSeconds, standing, tokens } from '../../state/selectors';
import { useStore, useWatch } from '../../state/useStore';
import { describe } from '../../state/view';
import {
  Button,
  figures,
  Icon,
  type IconName,
  Menu,
  type IMenuItem,
  Meter,
  limitTone,
  StateMark,
  standingWord,
  StepStrip,
  useWords
} from '../../ui';
import { useClock, useCommand, useServices } from '../services';
import { DesktopThumb } from '../thumbnails';
import { AskButtons } from './AskButtons';
import { afterTool, saying, type Saying, waitWords } from './voice';

const NEW_MS = 500;

export const AgentCard = React.memo(function AgentCard(props: {
  process: Process;
  approval: Approval | undefined;
  selected: boolean;
  onOpen: (pid: number) => void;
  onSelect: (pid: number, range: boolean) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const run = useCommand();
  const { process, approval, selected } = props;
  const { pid } = process;
  const mark = standing(process);
  const born = React.useRef(performance.now());
  const asks = mark === 'you';
  return (
    <article
      className={`mc-card ${mark} ${selected ? 'selected' : ''}`}
      tabIndex={0}
      data-pid={pid}
      aria-label={`${process.name}, ${standingWord(mark, trans)}${selected ? `, ${trans.__('selected')}` : ''}`}
      onClick={event => {
        if ((event.target as Element).closest('button, a')) return;
        if (event.ctrlKey || event.metaKey || event.shiftKey) {
          props.onSelect(pid, event.shiftKey);
        }
      }}
      onDoubleClick={event => {
        if (!(event.target as Element).closest('button, a')) props.onOpen(pid);
      }}
      onKeyDown={event => {
        if (event.target !== event.currentTarget) return;
        // A key meant for another card must not hit one that has only just come in.
        if (performance.now() - born.current < NEW_MS) return;
        if (event.key === 'Enter') {
          event.preventDefault();
          props.onOpen(pid);
        } else if (event.key === ' ') {
          event.preventDefault();
          props.onSelect(pid, event.shiftKey);
        }
      }}
    >
      <header>
        <h3 className="ae-trunc" title={process.goal}>
          <a role="link" tabIndex={-1} onClick={() => props.onOpen(pid)}>
            {process.name}
          </a>
        </h3>
        <span className="mc-pid">{pid}</span>
        <CardMenu process={process} />
      </header>
      <p className="mc-meta">
        <StateMark process={process} />
        <span
          className="ae-trunc"
          title={`${process.owner} · ${process.model}`}
        >
          {process.owner === store.view?.user ? '' : `${process.owner} · `}
          {shortModel(process.model)}
        </span>
        <SandboxBox name={process.sandbox} />
      </p>
      <div className="mc-mid">
        {asks ? (
          <Ask process={process} approval={approval} />
        ) : (
          <Voice process={process} />
        )}
        {process.display && process.state !== 'ZOMBIE' && (
          <DesktopThumb
            pid={pid}
            width={90}
            className="card"
            onOpen={() => run(CommandIDs.openDesktop, { pid })}
          />
        )}
      </div>
      <div className="mc-stripline">
        <StepStrip strip={process.strip} />
        <span>
          <b>{process.step}</b>
          {process.limits.steps === null
            ? ` ${trans.__('steps')}`
            : `/${process.limits.steps} ${trans.__('steps')}`}
          {process.plan_steps > 0 && (
            <>
              {' · '}
              <b>{process.plan_done}</b>
              {`/${process.plan_steps} ${trans.__('of the plan')}`}
            </>
          )}
        </span>
      </div>
      <div className="mc-prog">
        <StepMeter process={process} />
      </div>
      <footer>
        <span>
          {trans.__('%1 tokens', figures.tokenCount(tokens(process)))}
        </span>
        <span>
          <b>{figures.money(process.cost_usd, process.cost_known)}</b>
          {process.limits.cost_usd !== null &&
            ` ${trans.__('of %1', figures.limitMoney(process.limits.cost_usd))}`}
        </span>
        <Elapsed process={process} />
      </footer>
    </article>
  );
});

/** Steps against their limit; the colour says how it ended. */
export function StepMeter(props: { process: Process }): React.JSX.Element {
  const trans = useWords();
  const { process } = props;
  const { steps } = process.limits;
  const mark = standing(process);
  const tone =
    mark === 'done'
      ? 'ok'
      : mark === 'failed'
        ? 'bad'
        : mark === 'stopped'
          ? 'flat'
          : steps === null
            ? 'run'
            : limitTone(process.step, steps);
  return (
    <Meter
      used={mark === 'done' ? 1 : process.step}
      limit={mark === 'done' ? 1 : steps}
      label={trans.__('Steps')}
      tone={tone}
    />
  );
}

/** Time spent, told once a second while it runs. */
export function Elapsed(props: { process: Process }): React.JSX.Element {
  return <span className="mc-elapsed">{useElapsed(props.process)}</span>;
}

function useElapsed(process: Process): string {
  return figures.duration(runSeconds(process, useClock()));
}

/** `provider:model` without what everybody knows. */
export function shortModel(model: string): string {
  const at = model.indexOf(':');
  return at < 0 || /^(scripted|auto):/.test(model)
    ? model
    : model.slice(at + 1);
}

function SandboxBox(props: { name: string }): React.JSX.Element {
  const trans = useWords();
  const host = props.name === 'host';
  return (
    <span
      className={host ? 'mc-box host' : 'mc-box'}
      title={
        host
          ? trans.__('Sandbox: none, runs on the host')
          : trans.__('Sandbox: %1', props.name)
      }
    >
      <Icon name={host ? 'error' : 'sandbox'} size={12} />
      {shortSandbox(props.name)}
    </span>
  );
}

export function shortSandbox(name: string): string {
  return name === 'bubblewrap' ? 'bwrap' : name;
}

const VOICES: Readonly<Record<Saying['kind'], IconName>> = {
  thought: 'thought',
  action: 'action',
  observation: 'observation',
  message: 'message',
  error: 'error',
  answer: 'check'
};

function Voice(props: { process: Process }): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const { process } = props;
  const now = useClock();
  const mark = standing(process);
  const run = useCommand();
  const live = useStore(store, state => state.live[process.pid]);
  const { kind, text } = saying(process, live, trans, now);
  const names: Record<Saying['kind'], string> = {
    thought: trans.__('Thought'),
    action: trans.__('Action'),
    observation: trans.__('Observation'),
    message: trans.__('Message'),
    error: trans.__('Error'),
    answer: trans.__('Answer')
  };
  return (
    <div className={`mc-voice k-${kind}`}>
      {process.state === 'RUNNING' && <Listening pid={process.pid} />}
      <Icon name={VOICES[kind]} size={14} label={names[kind]} />
      <div className="ae-grow">
        <p
          className={`${kind === 'action' ? 'mono' : ''} ${mark === 'failed' ? 'two' : ''}`}
          title={text}
        >
          {text}
        </p>
        {mark === 'failed' && (
          <div className="mc-acts">
            <Button
              small
              onClick={() => run(CommandIDs.openAgent, { pid: process.pid })}
            >
              {trans.__('See why')}
            </Button>
            <Button
              small
              onClick={() =>
                run(CommandIDs.newAgent, {
                  goal: process.goal,
                  name: process.name,
                  model: process.model
                })
              }
            >
              {trans.__('Try again…')}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

/** Asks for the live words of one agent while its card is there. */
function Listening(props: { pid: number }): null {
  const { store } = useServices();
  useWatch(store, props.pid);
  return null;
}

function Ask(props: {
  process: Process;
  approval: Approval | undefined;
}): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  const { process, approval } = props;
  const since = approval?.created_at ?? process.created_at;
  return (
    <div className="mc-voice ask">
      <AskLine process={process} approval={approval} now={now} />
      <div className="mc-acts">
        <AskButtons process={process} approval={approval} small />
        <span className="ae-chip warn ae-risk">
          {riskWord(process, approval, trans)}
        </span>
        {approval && (
          <span className="mc-since">{figures.wait(now - since)}</span>
        )}
      </div>
    </div>
  );
}

function AskLine(props: {
  process: Process;
  approval: Approval | undefined;
  now: number;
}): React.JSX.Element {
  const trans = useWords();
  const { approval, process } = props;
  if (approval?.kind === 'call' && approval.call) {
    const line = afterTool(approval.call);
    return (
      <p className="ae-trunc" title={describe(approval.call)}>
        <b>{approval.call.tool}</b> {line && <code>{line}</code>}
      </p>
    );
  }
  const text =
    approval?.question ||
    approval?.because ||
    waitWords(process, trans, props.now);
  return (
    <p className="ae-trunc" title={text}>
      {text}
    </p>
  );
}

export function riskWord(
  process: Process,
  approval: Approval | undefined,
  trans: TranslationBundle
): string {
  if (approval?.kind === 'call') return approval.risk ?? trans.__('approval');
  const kind = approval?.kind ?? process.wait?.kind;
  if (kind === 'question' || kind === 'answer') return trans.__('question');
  if (kind === 'limit') return trans.__('limit');
  return trans.__('message');
}

/** All that can be done with one agent. */
export function useAgentMenu(process: Process): IMenuItem[] {
  const trans = useWords();
  const run = useCommand();
  const { pid, state } = process;
  const ended = state === 'ZOMBIE';
  const over = ended ? trans.__('It has ended') : false;
  const signal = (name: string) => () =>
    run(CommandIDs.signal, { pid, signal: name });
  return [
    {
      label: trans.__('Open'),
      icon: 'open',
      onSelect: () => run(CommandIDs.openAgent, { pid })
    },
    state === 'STOPPED'
      ? {
          label: trans.__('Continue'),
          icon: 'play',
          onSelect: signal('CONT')
        }
      : {
          label: trans.__('Pause'),
          icon: 'pause',
          disabled: over,
          onSelect: signal('STOP')
        },
    {
      label: trans.__('Interrupt'),
      icon: 'interrupt',
      note: trans.__('drops the present step'),
      disabled:
        over || (state === 'RUNNING' ? false : trans.__('It is not in a step')),
      onSelect: signal('INT')
    },
    {
      label: trans.__('Message…'),
      icon: 'message',
      disabled: over,
      onSelect: () => run(CommandIDs.send, { pid })
    },
    ...((process.display
      ? [
          {
            label: trans.__('Open desktop'),
            icon: 'desktop',
            disabled: over,
            onSelect: () => run(CommandIDs.openDesktop, { pid })
          }
        ]
      : []) as IMenuItem[]),
    ...((process.browser
      ? [
          {
            label: trans.__('Open browser'),
            icon: 'browser',
            disabled: over,
            onSelect: () => run(CommandIDs.openBrowser, { pid })
          }
        ]
      : []) as IMenuItem[]),
    {
      label: trans.__('Open terminal'),
      icon: 'terminal',
      disabled: over,
      onSelect: () => run(CommandIDs.openTerminal, { pid })
    },
    {
      label: trans.__('+25 steps'),
      icon: 'plus',
      disabled:
        over ||
        (process.limits.steps === null
          ? trans.__('It has no step limit')
          : false),
      onSelect: () => run(CommandIDs.extend, { pid })
    },
    {
      label: trans.__('Start one like it…'),
      icon: 'copy',
      onSelect: () =>
        run(CommandIDs.newAgent, {
          goal: process.goal,
          name: process.name,
          model: process.model
        })
    },
    ended
      ? {
          label: trans.__('Remove…'),
          icon: 'trash',
          separated: true,
          disabled:
            process.reaped_at === null ? false : trans.__('It is removed'),
          onSelect: () => run(CommandIDs.reap, { pid })
        }
      : {
          label: trans.__('Terminate…'),
          icon: 'terminate',
          note: trans.__('after the present step'),
          separated: true,
          onSelect: signal('TERM')
        },
    ...(ended
      ? []
      : [
          {
            label: trans.__('Kill…'),
            icon: 'close' as const,
            note: trans.__('at once'),
            onSelect: signal('KILL')
          }
        ])
  ];
}

function CardMenu(props: { process: Process }): React.JSX.Element {
  const trans = useWords();
  return (
    <Menu
      label={trans.__('More for %1', props.process.name)}
      items={useAgentMenu(props.process)}
    />
  );
}
