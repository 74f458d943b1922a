/** The desktop of one agent: the picture, who has control of it, and what was done. */
import { Notification } from '@jupyterlab/apputils';
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

import type { Act, Approval, DisplayStatus, Image } from '../../api/types';
import { attempt, sentence } from '../../commands/context';
import { CommandIDs } from '../../commands/ids';
import { useNow, useStore, useView, useWatch } from '../../state/useStore';
import { useTranscript } from '../../state/useTranscript';
import { Button, figures, Note, Patience, useWords } from '../../ui';
import { useCommand, useServices } from '../services';
import { useAsked } from '../useAsked';
import { ActionList } from './ActionList';
import { type AgentDeed, type Deed, deeds, joined, type LiveAct } from './acts';
import { ClipboardButton, useClipboard } from './Clipboard';
import { DesktopLink, type LinkState } from './link';
import { Overlay, type Pointed, useFrame } from './Overlay';
import { placeOf } from './points';
import { bits, type QualityChoice } from './quality';
import { standingOf, TakeoverBar } from './TakeoverBar';

const LOOK_MS = 5_000;
/** A panel that nobody sees, and that nobody works in, lets go of the desktop after this time. */
const HIDDEN_MS = 5_000;
const HELP_TOOL = 'ask_for_help';
/** Below this width the desktop keeps its size: nothing could be read on one as small as the panel. */
const NARROW_PX = 700;
const NO_ACTS: readonly Act[] = [];
const COMMON = { width: 1280, height: 800 };

export function DesktopView(props: {
  pid: number;
  name: string;
  /** The element that fills the screen in full screen. */
  root: HTMLElement;
  /** Whether the panel is seen. */
  seen: () => boolean;
  seenChanged: ISignal<unknown, void>;
  /** The person leaves the desktop by a key. */
  left: ISignal<unknown, void>;
}): React.JSX.Element {
  const { pid, root } = props;
  const { client, store } = useServices();
  const trans = useWords();
  const run = useCommand();
  useWatch(store, pid);
  const process = useView(store, view => view.processes[pid] ?? null);
  const loaded = useView(store, () => true) ?? false;
  const me = useView(store, view => view.user) ?? '';
  const help = useView<Approval | null>(
    store,
    view =>
      Object.values(view.approvals).find(
        each =>
          each.pid === pid &&
          !each.decision &&
          !each.closed &&
          each.call?.tool === HELP_TOOL
      ) ?? null
  );
  const now = useNow(store, 1000, true);
  const transcript = useTranscript(client, store, pid, false);

  const target = React.useRef<HTMLDivElement>(null);
  const [link, setLink] = React.useState<DesktopLink | null>(null);
  const [state, setState] = React.useState<LinkState | null>(null);
  const [viewOnly, setViewOnly] = React.useState(false);
  const [quality, setQuality] = React.useState<QualityChoice>('auto');
  const [busy, setBusy] = React.useState(false);
  const [full, setFull] = React.useState(false);
  const [moment, setMoment] = React.useState<{
    deed: Deed;
    url: string;
  } | null>(null);

  const ended = process?.state === 'ZOMBIE';
  const has = Boolean(process?.display) && !ended;
  const holder = process?.control ?? '';
  const asker = useStore(store, ({ live }) => live[pid]?.asked ?? '');
  const acts = useStore(store, ({ live }) => live[pid]?.acts ?? NO_ACTS);
  const live = React.useMemo(
    () =>
      acts.reduce<readonly LiveAct[]>(
        (all, act) => joined(all, { by: holder, act }),
        []
      ),
    [acts, holder]
  );
  const mine = holder !== '' && holder === me;
  const acting = mine && !viewOnly;

  React.useEffect(() => {
    if (!target.current) return undefined;
    const made = new DesktopLink(target.current, client.settings, pid);
    const heard = () => setState(made.state);
    made.changed.connect(heard);
    setLink(made);
    setState(made.state);
    return () => {
      setLink(null);
      made.dispose();
    };
  }, [client, pid]);

  // Whoever has control stays connected also while the panel is hidden: leaving would give it back.
  const { seen, seenChanged } = props;
  React.useEffect(() => {
    if (!link) return undefined;
    if (!has) {
      link.leave();
      return undefined;
    }
    let timer = 0;
    const look = () => {
      window.clearTimeout(timer);
      if (seen() || mine) link.enter();
      else timer = window.setTimeout(() => link.leave(), HIDDEN_MS);
    };
    look();
    seenChanged.connect(look);
    return () => {
      window.clearTimeout(timer);
      seenChanged.disconnect(look);
    };
  }, [link, has, mine, seen, seenChanged]);

  React.useEffect(() => {
    if (!link) return undefined;
    const control = () => {
      // What is hidden has no size that a desktop could take.
      link.control(acting, seen() && root.clientWidth >= NARROW_PX);
    };
    control();
    if (acting && seen()) link.focus();
    const sizes = new ResizeObserver(control);
    sizes.observe(root);
    seenChanged.connect(control);
    return () => {
      sizes.disconnect();
      seenChanged.disconnect(control);
    };
  }, [link, acting, root, seen, seenChanged, state?.phase]);
  React.useEffect(() => link?.choose(quality), [link, quality]);
  React.useEffect(() => {
    if (!mine) setViewOnly(false);
  }, [mine]);

  React.useEffect(() => {
    const changed = () => setFull(document.fullscreenElement === root);
    document.addEventListener('fullscreenchange', changed);
    return () => document.removeEventListener('fullscreenchange', changed);
  }, [root]);

  const { left } = props;
  React.useEffect(() => {
    if (!link) return undefined;
    const leave = () => {
      link.blur();
      root.querySelector<HTMLElement>('.bar button')?.focus();
    };
    left.connect(leave);
    return () => {
      left.disconnect(leave);
    };
  }, [link, left, root]);

  const turn = Math.floor((now * 1000) / LOOK_MS);
  const looked = useAsked<DisplayStatus>(
    process?.display ? () => client.display(pid) : null,
    `${pid} ${holder} ${state?.phase ?? ''} ${seen() ? turn : ''}`
  );
  const status = looked.value;
  const frame = useFrame(link);
  const clipboard = useClipboard(link, acting);
  const size = frame?.desktop ?? COMMON;
  const done = React.useMemo(
    () => deeds(transcript.records, live, size),
    [transcript.records, live, size.width, size.height] // eslint-disable-line react-hooks/exhaustive-deps -- a new object of the same size is the same
  );

  if (!process) {
    return (
      <div className="dk">
        <div className="stage">
          <div className="cv">
            <div className="screen">
              <div className="rfb" ref={target} />
            </div>
            {loaded && (
              <Note icon="error">
                {trans.__('There is no agent %1 here any more.', pid)}
              </Note>
            )}
          </div>
        </div>
      </div>
    );
  }

  const deed = async (what: () => Promise<unknown>) => {
    setBusy(true);
    const well = await attempt(what);
    setBusy(false);
    return well;
  };
  const take = async () => {
    setViewOnly(false);
    if (await deed(() => client.takeControl(pid))) link?.focus();
  };
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
  const screenshot = async () => {
    const picture = await link?.picture();
    if (!picture) return;
    const anchor = document.createElement('a');
    anchor.href = URL.createObjectURL(picture);
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    anchor.download = `desktop-${pid}-${stamp}.png`;
    anchor.click();
    window.setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
  };
  const fill = async () => {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    await root.requestFullscreen();
    // The bar stays while it has the focus.
    (document.activeElement as HTMLElement | null)?.blur();
    if (acting) link?.focus();
    // So that Esc goes to the desktop there, too; held down it still leaves.
    const { keyboard } = navigator as Navigator & {
      keyboard?: { lock?: (codes: string[]) => Promise<void> };
    };
    await keyboard?.lock?.(['Escape']).catch(() => undefined);
  };

  const stands = standingOf(process, me, help);
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

  const phase = state?.phase ?? 'idle';
  const { rate, capacity } = link?.speed ?? { rate: 0, capacity: null };
  const speed =
    capacity === null
      ? trans.__('Follows the connection; %1 now', bits(rate))
      : trans.__(
          'Follows the connection: it carries %1, %2 now',
          bits(capacity),
          bits(rate)
        );
  const bar: LinkState = state ?? {
    phase: 'idle',
    retryAt: null,
    seenAt: null,
    last: ''
  };
  return (
    <div className={`dk ${mine ? 'own' : ''} ${full ? 'full' : ''}`}>
      <TakeoverBar
        process={process}
        me={me}
        help={help}
        status={status}
        link={bar}
        now={now}
        viewOnly={viewOnly}
        quality={quality}
        speed={speed}
        full={full}
        busy={busy}
        asker={asker}
        clipboard={
          <ClipboardButton
            text={clipboard.text}
            disabled={!acting && trans.__('Take over first')}
            onPut={clipboard.put}
          />
        }
        onTake={() => void take()}
        onReturn={note => void deed(() => client.returnControl(pid, note))}
        onAsk={() => void attempt(() => client.askForControl(pid))}
        onAnswer={() => {
          if (help) run(CommandIDs.openApprovals, { id: help.id });
        }}
        onRetry={() => link?.retryNow()}
        onViewOnly={setViewOnly}
        onQuality={setQuality}
        onPress={(...keysyms) => link?.press(...keysyms)}
        onScreenshot={() => void screenshot()}
        onFull={() => void attempt(fill)}
      />
      <div className="stage">
        <div
          className="cv"
          style={
            {
              '--dk-ratio': `${size.width} / ${size.height}`
            } as React.CSSProperties
          }
        >
          <div
            className={`screen ${phase === 'lost' || phase === 'idle' ? 'past' : ''}`}
            role="application"
            aria-label={trans.__('Desktop of agent %1', pid)}
            data-lm-suppress-shortcuts={acting ? 'true' : undefined}
          >
            {/* Nobody but the link puts anything in there. */}
            <div className="rfb" ref={target} />
            {bar.last && phase !== 'open' && (
              <img className="last" src={bar.last} alt="" draggable={false} />
            )}
          </div>
          {link && frame && phase === 'open' && (
            <div className="overbox">
              <Overlay
                link={link}
                frame={frame}
                agent={agent}
                person={person}
                own={acting ? trans.__('you') : ''}
              />
            </div>
          )}
          {!process.display && (
            <Note icon="desktop">
              {trans.__(
                'This agent has no desktop. One is asked for when an agent is started, with the sandbox docker.'
              )}
            </Note>
          )}
          {stands === 'ended' && process.display && !bar.last && (
            <Note
              icon="desktop"
              action={
                <Button
                  small
                  onClick={() => run(CommandIDs.openAgent, { pid })}
                >
                  {trans.__('Open agent view')}
                </Button>
              }
            >
              {trans.__(
                'The agent has ended, and its desktop with it. What it did is still there to read.'
              )}
            </Note>
          )}
          {has && phase === 'connecting' && !bar.last && (
            <div className="starts ae-late">
              <p role="status" className="ae-2">
                {trans.__('The desktop starts')}
              </p>
              <Patience>
                {trans.__(
                  'This takes longer than usual; a first start has to make the container.'
                )}
              </Patience>
            </div>
          )}
          {has && phase === 'lost' && looked.failure && (
            <Note tone="warn" icon="error">
              {looked.failure.message}
            </Note>
          )}
          {phase === 'lost' && bar.seenAt !== null && (
            <p className="dated ae-small">
              {trans.__(
                'As it was at %1',
                figures.clock(bar.seenAt / 1000, now, true)
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
              <img
                src={moment.url}
                alt={trans.__('The desktop at that moment')}
              />
            </div>
          )}
        </div>
        <ActionList
          process={process}
          deeds={done}
          me={me}
          now={now}
          shown={moment?.deed.key ?? ''}
          onShow={show}
        />
      </div>
    </div>
  );
}
