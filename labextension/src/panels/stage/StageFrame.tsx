/** The panel of a stage: the bar, the picture with whose pointer is where, and what was done. */
import { Notification } from '@jupyterlab/apputils';
import * as React from 'react';

import type { Image } from '../../api/types';
import { sentence } from '../../commands/context';
import { CommandIDs } from '../../commands/ids';
import {
  Button,
  figures,
  type IconName,
  Note,
  Patience,
  useWords
} from '../../ui';
import { useCommand, useServices } from '../services';
import { ActionList } from './ActionList';
import { type AgentDeed, type Deed, deeds } from './acts';
import { type Frame, Overlay, type Pointed } from './Overlay';
import { placeOf, type Size } from './points';
import { type IStageStatus, standingOf, TakeoverBar } from './TakeoverBar';
import type { IStage } from './useStage';

/** What is said of one kind of stage. */
export interface IStageWords {
  /** What the bar is for. */
  readonly control: string;
  /** An agent, by name and number, that has ended. */
  readonly ended: (agent: string) => string;
  readonly over: string;
  /** The name of the picture, now and at a moment that is past. */
  readonly picture: string;
  readonly past: string;
  /** While the first connection is made, and when that takes long. */
  readonly starts: string;
  readonly slow: string;
  /** While nothing was done. */
  readonly none: string;
  /** The agent has no such stage. */
  readonly missing: string;
}

export function StageFrame(props: {
  stage: IStage;
  icon: IconName;
  words: IStageWords;
  status: IStageStatus | null;
  /** Why nothing could be asked of the server. */
  failure: Error | null;
  /** Where the picture is, and how large it is in its own pixels. */
  frame: Frame | null;
  size: Size;
  /** Whether there is a picture, of now or of before. */
  pictured: boolean;
  tools?: React.ReactNode;
  onLook?: () => void;
  /** What stands over the picture's place. */
  above?: React.ReactNode;
  /** The id of the place of the picture, for tabs above it. */
  placeId?: string;
  /** What lies with the picture, and in its frame. */
  behind?: React.ReactNode;
  within?: React.ReactNode;
  /** Notes in the middle of the picture's place. */
  children?: React.ReactNode;
}): React.JSX.Element {
  const { stage, words, frame, size } = props;
  const { pid, process, link, live, me, mine, holder, now, state } = stage;
  const trans = useWords();
  const run = useCommand();
  const { client } = useServices();
  const [moment, setMoment] = React.useState<{
    deed: Deed;
    url: string;
  } | null>(null);
  const done = React.useMemo(
    () => deeds(stage.records, live, stage.kind, size),
    [stage.records, live, stage.kind, size.width, size.height] // eslint-disable-line react-hooks/exhaustive-deps -- a new object of the same size is the same
  );

  const show = (of: Deed, image: Image) => {
    if (moment?.deed.key === of.key) {
      setMoment(null);
      return;
    }
    client.image(image.digest, image.media_type).then(
      picture => setMoment({ deed: of, url: URL.createObjectURL(picture) }),
      (error: unknown) => Notification.error(sentence(error))
    );
  };

  const lately = done.find(
    (each): each is AgentDeed => each.kind === 'agent' && each.place !== null
  );
  const agent: Pointed | null =
    lately?.place && holder === ''
      ? {
          place: lately.place,
          label: String(pid),
          click: now - lately.at < 3 || lately.running ? lately.key : ''
        }
      : null;
  const latest = live.at(-1);
  const theirs =
    latest && !mine && holder
      ? placeOf([latest.act.x ?? 0, latest.act.y ?? 0], size)
      : null;
  const person: Pointed | null =
    theirs && latest?.act.kind !== 'type' && latest?.act.kind !== 'key'
      ? { place: theirs, label: holder, click: String(latest?.act.at) }
      : null;

  const { phase } = state;
  const ended =
    process !== null && standingOf(process, me, stage.help) === 'ended';
  return (
    <div className={`dk ${mine ? 'own' : ''} ${stage.full ? 'full' : ''}`}>
      {process && (
        <TakeoverBar
          stage={stage}
          process={process}
          status={props.status}
          label={words.control}
          ended={words.ended}
          tools={props.tools}
          onLook={props.onLook}
        />
      )}
      <div className="stage">
        <div className="front">
          {props.above}
          <div
            className="cv"
            id={props.placeId}
            role={props.placeId ? 'tabpanel' : undefined}
            aria-label={props.placeId ? words.picture : undefined}
            style={
              {
                '--dk-ratio': `${size.width} / ${size.height}`
              } as React.CSSProperties
            }
          >
            <div
              className={`screen ${phase === 'lost' || phase === 'idle' ? 'past' : ''}`}
              role="application"
              aria-label={words.picture}
              data-lm-suppress-shortcuts={stage.acting ? 'true' : undefined}
            >
              {/* Nobody but the link puts anything in there. */}
              <div className="rfb" ref={stage.target} />
              {props.behind}
            </div>
            {link && frame && phase === 'open' && (
              <div className="overbox">
                <Overlay
                  link={link}
                  frame={frame}
                  agent={agent}
                  person={person}
                  own={stage.acting ? trans.__('you') : ''}
                />
                {props.within && (
                  <div
                    className="within"
                    style={{
                      left: frame.left,
                      top: frame.top,
                      width: frame.width,
                      height: frame.height
                    }}
                  >
                    {props.within}
                  </div>
                )}
              </div>
            )}
            {stage.loaded && !process && (
              <Note icon="error">
                {trans.__('There is no agent %1 here any more.', pid)}
              </Note>
            )}
            {process && !stage.offered && (
              <Note icon={props.icon}>{words.missing}</Note>
            )}
            {ended && stage.offered && !props.pictured && (
              <Note
                icon={props.icon}
                action={
                  <Button
                    small
                    onClick={() => run(CommandIDs.openAgent, { pid })}
                  >
                    {trans.__('Open agent view')}
                  </Button>
                }
              >
                {words.over}
              </Note>
            )}
            {props.children}
            {stage.has && phase === 'connecting' && !props.pictured && (
              <div className="starts ae-late">
                <p role="status" className="ae-2">
                  {words.starts}
                </p>
                <Patience>{words.slow}</Patience>
              </div>
            )}
            {stage.has && phase === 'lost' && props.failure && (
              <Note tone="warn" icon="error">
                {props.failure.message}
              </Note>
            )}
            {phase === 'lost' && state.seenAt !== null && (
              <p className="dated ae-small">
                {trans.__(
                  'As it was at %1',
                  figures.clock(state.seenAt / 1000, now, true)
                )}
              </p>
            )}
            {moment && (
              <div className="moment">
                <p className="ae-row">
                  <b>
                    {trans.__(
                      'As the agent saw it at %1',
                      figures.clock(moment.deed.at, now, true)
                    )}
                  </b>
                  <span className="ae-grow" />
                  <Button
                    small
                    icon="close"
                    onClick={() => {
                      URL.revokeObjectURL(moment.url);
                      setMoment(null);
                    }}
                  >
                    {trans.__('Back to now')}
                  </Button>
                </p>
                <img src={moment.url} alt={words.past} />
              </div>
            )}
          </div>
        </div>
        {process && (
          <ActionList
            process={process}
            deeds={done}
            me={me}
            now={now}
            shown={moment?.deed.key ?? ''}
            onShow={show}
            none={words.none}
          />
        )}
      </div>
    </div>
  );
}
