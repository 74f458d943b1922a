/** The head of the agent view: state and name, the figures that matter, signals. */
import * as React from 'react';

import type { Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { needsPerson, runSeconds, tokens } from '../../state/selectors';
import {
  Button,
  figures,
  Icon,
  type IMenuItem,
  Menu,
  StateMark,
  useWords
} from '../../ui';
import { useClock, useCommand, useServices } from '../services';

export function Header(props: { process: Process }): React.JSX.Element {
  const { process } = props;
  const trans = useWords();
  const { client } = useServices();
  const run = useCommand();
  const now = useClock();
  const { pid, limits } = process;
  const over = process.state === 'ZOMBIE';
  const signal = (name: string) =>
    run(CommandIDs.signal, { pid, signal: name });
  const ended = over && trans.__('It has ended');

  const signals: IMenuItem[] = [
    {
      label: trans.__('Terminate'),
      note: trans.__('Finishes the step that runs, then ends'),
      icon: 'terminate',
      disabled: ended,
      onSelect: () => signal('TERM')
    },
    {
      label: trans.__('Kill'),
      note: trans.__('Cuts off what runs, at once'),
      icon: 'close',
      disabled: ended,
      onSelect: () => signal('KILL')
    }
  ];
  const download = (format: 'json' | 'text' | 'notebook') => () => {
    window.open(client.exportUrl(pid, format), '_blank', 'noopener');
  };
  const control = process.control
    ? trans.__('%1 has control', process.control)
    : trans.__('To watch, or to take over');
  const more: IMenuItem[] = [
    {
      label: trans.__('Change model…'),
      note: trans.__('From the next step on; now %1', process.model),
      icon: 'settings',
      disabled: ended,
      onSelect: () => run(CommandIDs.chooseModel, { pid })
    },
    ...((process.display
      ? [
          {
            label: trans.__('Open desktop'),
            note: control,
            icon: 'desktop',
            disabled: ended,
            onSelect: () => run(CommandIDs.openDesktop, { pid })
          }
        ]
      : []) as IMenuItem[]),
    ...((process.browser
      ? [
          {
            label: trans.__('Open browser'),
            note: control,
            icon: 'browser',
            disabled: ended,
            onSelect: () => run(CommandIDs.openBrowser, { pid })
          }
        ]
      : []) as IMenuItem[]),
    {
      label: trans.__('Open terminal'),
      note: trans.__('A shell in its sandbox'),
      icon: 'terminal',
      disabled: ended,
      onSelect: () => run(CommandIDs.openTerminal, { pid })
    },
    {
      label: trans.__('Export as notebook'),
      separated: true,
      icon: 'notebook',
      onSelect: download('notebook')
    },
    {
      label: trans.__('Export as text'),
      icon: 'file',
      onSelect: download('text')
    },
    {
      label: trans.__('Export as JSON'),
      icon: 'download',
      onSelect: download('json')
    },
    {
      label: trans.__('What it remembers'),
      note: trans.__('Opens the Memory Inspector'),
      icon: 'layers',
      separated: true,
      // Under which name it remembers is found there.
      onSelect: () => run(CommandIDs.openMemory, { pid })
    },
    {
      label: trans.__('Put away'),
      note: trans.__('Takes it off the lists; the journal stays'),
      icon: 'trash',
      separated: true,
      disabled:
        (!over && trans.__('It has not ended')) ||
        (process.reaped_at !== null && trans.__('It is put away')),
      onSelect: () => run(CommandIDs.reap, { pid })
    }
  ];
  return (
    <header className="top">
      <div className="t1">
        <StateMark process={process} />
        <h1 className="ae-trunc" title={process.name}>
          {process.name}
        </h1>
        <span className="pid">{trans.__('PID %1', pid)}</span>
        <span className="ae-chip hide-n" title={trans.__('Owner')}>
          <Icon name="person" size={12} />
          {process.owner}
        </span>
        <span className="ae-chip hide-n chip-model" title={process.model}>
          <span className="ae-trunc">{process.model}</span>
        </span>
        <span
          className={`ae-chip hide-n ${process.sandbox === 'host' ? 'warn' : ''}`}
          title={
            process.sandbox === 'host'
              ? trans.__('No isolation: tools run on the server itself')
              : trans.__('Sandbox')
          }
        >
          <Icon name="sandbox" size={12} />
          {process.sandbox}
        </span>
      </div>
      <div className="t2">
        <dl className="mx">
          <div>
            <dt>{trans.__('Steps')}</dt>
            <dd>
              {process.step}
              {limits.steps !== null && <span>/{limits.steps}</span>}
            </dd>
          </div>
          <div className="hide-n">
            <dt>{trans.__('Tokens')}</dt>
            <dd>{figures.tokenCount(tokens(process))}</dd>
          </div>
          <div>
            <dt>{trans.__('Cost')}</dt>
            <dd>
              {figures.money(process.cost_usd, process.cost_known)}
              {limits.cost_usd !== null && (
                <span className="hide-n">
                  {' '}
                  {trans.__('of %1', figures.limitMoney(limits.cost_usd))}
                </span>
              )}
            </dd>
          </div>
          <div className="hide-n">
            <dt>{trans.__('Elapsed')}</dt>
            <dd>{figures.duration(runSeconds(process, now))}</dd>
          </div>
        </dl>
        {!over && (
          <>
            <Button
              small
              title={trans.__('Adds 25 steps to its limit')}
              disabled={limits.steps === null && trans.__('It has no limit')}
              onClick={() => run(CommandIDs.extend, { pid, steps: 25 })}
            >
              {trans.__('+25 steps')}
            </Button>
            <span
              className="ae-group"
              role="group"
              aria-label={trans.__('Signals')}
            >
              {process.state === 'STOPPED' ? (
                <Button
                  small
                  icon="play"
                  title="CONT"
                  onClick={() => signal('CONT')}
                >
                  {trans.__('Continue')}
                </Button>
              ) : (
                <Button
                  small
                  icon="pause"
                  title="STOP"
                  onClick={() => signal('STOP')}
                >
                  {trans.__('Pause')}
                </Button>
              )}
              <Button
                small
                icon="interrupt"
                title="INT"
                className="hide-n"
                disabled={
                  process.state !== 'RUNNING' &&
                  (needsPerson(process)
                    ? trans.__('It waits for you; there is nothing to drop')
                    : trans.__('No step runs'))
                }
                onClick={() => signal('INT')}
              >
                {trans.__('Interrupt')}
              </Button>
              <Menu
                items={signals}
                icon="chevronDown"
                kind="plain"
                label={trans.__('More signals: Terminate, Kill')}
              />
            </span>
          </>
        )}
        <Menu items={more} kind="plain" label={trans.__('More')} />
      </div>
    </header>
  );
}
