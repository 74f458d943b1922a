/** Who has control, and the way to take it, hand it back or ask for it; and what can be done with the picture. */
import * as React from 'react';

import type { Approval, DisplayStatus, Process } from '../../api/types';
import {
  Button,
  figures,
  Icon,
  type IMenuItem,
  Mark,
  Menu,
  Switch,
  useWords
} from '../../ui';
import { standing } from '../../state/selectors';
import type { LinkState } from './link';
import type { QualityChoice } from './quality';

/** The keys that a browser or Lab keeps for itself, by X11 keysyms. */
const KEYS = {
  control: 0xffe3,
  alt: 0xffe9,
  super: 0xffeb,
  escape: 0xff1b,
  tab: 0xff09,
  del: 0xffff,
  f4: 0xffc1,
  print: 0xff61
} as const;

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

export interface IBarProps {
  process: Process;
  me: string;
  help: Approval | null;
  status: DisplayStatus | null;
  link: LinkState;
  now: number;
  viewOnly: boolean;
  quality: QualityChoice;
  /** What the connection carries and what is made of it, in words. */
  speed: string;
  full: boolean;
  busy: boolean;
  clipboard: React.ReactNode;
  /** The person who asks the one here for control; '' for nobody. */
  asker: string;
  onTake: () => void;
  onReturn: (note: string) => void;
  onAsk: () => void;
  onAnswer: () => void;
  onRetry: () => void;
  onViewOnly: (on: boolean) => void;
  onQuality: (quality: QualityChoice) => void;
  onPress: (...keysyms: readonly number[]) => void;
  onScreenshot: () => void;
  onFull: () => void;
}

export function TakeoverBar(props: IBarProps): React.JSX.Element {
  const { process, me, help, link, now, viewOnly, quality } = props;
  const trans = useWords();
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
        return trans.__('%1 has ended, and its desktop with it', agent);
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

  const choices: readonly (readonly [QualityChoice, string, string])[] = [
    ['auto', trans.__('Auto'), props.speed],
    ['best', trans.__('Best'), trans.__('Sharp, for a fast connection')],
    ['balanced', trans.__('Balanced'), ''],
    ['low', trans.__('Low'), trans.__('For a slow connection')]
  ];
  const qualities: IMenuItem[] = choices.map(([id, label, words]) => ({
    label,
    note: words || undefined,
    icon: id === quality ? 'check' : undefined,
    onSelect: () => props.onQuality(id)
  }));
  const typing =
    mine && !viewOnly && link.phase === 'open'
      ? false
      : mine
        ? picture || trans.__('View only is on')
        : trans.__('Take over first');
  const key = (label: string, ...keysyms: number[]): IMenuItem => ({
    label,
    disabled: typing,
    onSelect: () => props.onPress(...keysyms)
  });
  const keys: IMenuItem[] = [
    key('Ctrl Alt Del', KEYS.control, KEYS.alt, KEYS.del),
    key('Super', KEYS.super),
    key('Esc', KEYS.escape),
    key('Alt Tab', KEYS.alt, KEYS.tab),
    key('Alt F4', KEYS.alt, KEYS.f4),
    key('Print', KEYS.print),
    {
      label: trans.__('Ctrl Alt Esc leaves the desktop'),
      note: trans.__('Esc alone goes to it'),
      separated: true,
      disabled: trans.__('A key to remember'),
      onSelect: () => undefined
    }
  ];
  const viewers = props.status?.viewers ?? [];
  const back = () => {
    props.onReturn(note);
    setNote('');
  };
  return (
    <div className="barbox">
      <header
        className={`bar ${mine ? 'own' : ''} ${lost ? 'lost' : ''}`}
        aria-label={trans.__('Control of the desktop')}
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
                  if (mine) props.onViewOnly(on);
                }}
              >
                {trans.__('View only')}
              </Switch>
            </span>
          )}
          <Menu
            items={qualities}
            icon="chevronDown"
            kind="plain"
            small={false}
            className="quality hide-m"
            label={trans.__('Quality')}
          >
            <span className="ae-2">{trans.__('Quality')}</span>{' '}
            <b>{choices.find(([id]) => id === quality)?.[1]}</b>
          </Menu>
          {props.clipboard}
          <Menu
            items={keys}
            icon="keyboard"
            kind="plain"
            small={false}
            className="hide-n"
            label={trans.__('Send keys')}
          />
          <Button
            icon="camera"
            className="hide-n"
            label={trans.__('Screenshot')}
            disabled={picture}
            onClick={props.onScreenshot}
          />
          <Button
            icon="open"
            className="fullscreen"
            label={
              props.full
                ? trans.__('Leave full screen')
                : trans.__('Full screen')
            }
            pressed={props.full || undefined}
            onClick={props.onFull}
          />
        </span>
        {lost && (
          <Button icon="refresh" onClick={props.onRetry}>
            {trans.__('Try now')}
          </Button>
        )}
        {(stands === 'agent' || stands === 'help') && !lost && (
          <Button
            kind="primary"
            icon="hand"
            disabled={props.busy && trans.__('One moment')}
            onClick={props.onTake}
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
              props.onAsk();
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
                props.asker
                  ? trans.__('%1 asks for control', props.asker)
                  : trans.__('What the agent should know, if anything')
              }
              value={note}
              maxLength={20_000}
              onChange={event => setNote(event.target.value)}
              onKeyDown={event => event.stopPropagation()}
            />
          </label>
          {props.asker && (
            <span className="ae-chip warn" role="status">
              {trans.__('%1 asks for control', props.asker)}
            </span>
          )}
          <Button
            kind="primary"
            disabled={props.busy && trans.__('One moment')}
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
          <Button onClick={props.onAnswer}>{trans.__('Answer')}</Button>
        </div>
      )}
    </div>
  );
}
