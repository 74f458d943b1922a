/** What every stage knows and does: who has control, the connection while it is seen, taking over and handing back. */
import type { ServerConnection } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

import type {
  Act,
  Approval,
  JournalRecord,
  Process,
  Stage
} from '../../api/types';
import { attempt } from '../../commands/context';
import { useNow, useStore, useView, useWatch } from '../../state/useStore';
import { useTranscript } from '../../state/useTranscript';
import { useServices } from '../services';
import { joined, type LiveAct, stageOfAct } from './acts';
import { IDLE, type LinkState, type StageLink } from './link';

/** A panel that nobody sees, and that nobody works in, lets go of the connection after this time. */
const HIDDEN_MS = 5_000;
const HELP_TOOL = 'ask_for_help';
const NO_ACTS: readonly Act[] = [];

/** What the widget gives its view. */
export interface IStageProps {
  readonly pid: number;
  /** The element that fills the screen in full screen. */
  readonly root: HTMLElement;
  /** Whether the panel is seen. */
  readonly seen: () => boolean;
  readonly seenChanged: ISignal<unknown, void>;
  /** The person leaves the stage by a key. */
  readonly left: ISignal<unknown, void>;
}

export interface IStage<Link extends StageLink = StageLink> {
  readonly kind: Stage;
  readonly pid: number;
  readonly process: Process | null;
  /** Whether the agent has this stage, ended or not; and whether it has it now. */
  readonly offered: boolean;
  readonly has: boolean;
  /** Whether it is known which agents there are. */
  readonly loaded: boolean;
  readonly me: string;
  /** What the agent asks for help with. */
  readonly help: Approval | null;
  readonly now: number;
  readonly records: readonly JournalRecord[];
  readonly live: readonly LiveAct[];
  readonly target: React.RefObject<HTMLDivElement>;
  readonly link: Link | null;
  readonly state: LinkState;
  /** The person who asks the one here for control; '' for nobody. */
  readonly asker: string;
  readonly holder: string;
  /** Whether the one here has control, and whether keys and clicks go there. */
  readonly mine: boolean;
  readonly acting: boolean;
  readonly viewOnly: boolean;
  readonly busy: boolean;
  readonly full: boolean;
  readonly setViewOnly: (on: boolean) => void;
  readonly take: () => void;
  readonly giveBack: (note: string) => void;
  readonly ask: () => void;
  readonly fill: () => void;
  readonly screenshot: () => void;
}

export function useStage<Link extends StageLink>(
  props: IStageProps,
  kind: Stage,
  hasStage: (process: Process) => boolean,
  Link: new (
    target: HTMLElement,
    settings: ServerConnection.ISettings,
    pid: number
  ) => Link
): IStage<Link> {
  const { pid, root, seen, seenChanged, left } = props;
  const { client, store } = useServices();
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
  const { records } = useTranscript(client, store, pid, false);

  const target = React.useRef<HTMLDivElement>(null);
  const [link, setLink] = React.useState<Link | null>(null);
  const [state, setState] = React.useState<LinkState>(IDLE);
  const [viewOnly, setViewOnly] = React.useState(false);
  const [busy, setBusy] = React.useState(false);
  const [full, setFull] = React.useState(false);

  const offered = process !== null && hasStage(process);
  const has = offered && process.state !== 'ZOMBIE';
  const holder = process?.control ?? '';
  const asker = useStore(store, ({ live }) => live[pid]?.asked ?? '');
  const acts = useStore(store, ({ live }) => live[pid]?.acts ?? NO_ACTS);
  const live = React.useMemo(
    () =>
      acts
        .filter(act => stageOfAct(act) === kind)
        .reduce<readonly LiveAct[]>(
          (all, act) => joined(all, { by: holder, act }),
          []
        ),
    [acts, kind, holder]
  );
  const mine = holder !== '' && holder === me;
  const acting = mine && !viewOnly;

  React.useEffect(() => {
    if (!target.current) return undefined;
    const made = new Link(target.current, client.settings, pid);
    const heard = () => setState(made.state);
    made.changed.connect(heard);
    setLink(made);
    setState(made.state);
    return () => {
      setLink(null);
      made.dispose();
    };
  }, [Link, client, pid]);

  // Whoever has control stays connected also while the panel is hidden: leaving would give it back.
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
    if (!mine) setViewOnly(false);
  }, [mine]);

  React.useEffect(() => {
    const changed = () => setFull(document.fullscreenElement === root);
    document.addEventListener('fullscreenchange', changed);
    return () => document.removeEventListener('fullscreenchange', changed);
  }, [root]);

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

  const deed = async (what: () => Promise<unknown>) => {
    setBusy(true);
    await attempt(what);
    setBusy(false);
  };
  const take = () => {
    setViewOnly(false);
    void deed(() => client.takeControl(pid));
  };
  const screenshot = async () => {
    const picture = await link?.picture();
    if (!picture) return;
    const anchor = document.createElement('a');
    anchor.href = URL.createObjectURL(picture);
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    anchor.download = `${kind}-${pid}-${stamp}.png`;
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
    // So that Esc goes there, too; held down it still leaves.
    const { keyboard } = navigator as Navigator & {
      keyboard?: { lock?: (codes: string[]) => Promise<void> };
    };
    await keyboard?.lock?.(['Escape']).catch(() => undefined);
  };

  return {
    kind,
    pid,
    process,
    offered,
    has,
    loaded,
    me,
    help,
    now,
    records,
    live,
    target,
    link,
    state,
    asker,
    holder,
    mine,
    acting,
    viewOnly,
    busy,
    full,
    setViewOnly,
    take,
    giveBack: note => void deed(() => client.returnControl(pid, note)),
    ask: () => void attempt(() => client.askForControl(pid)),
    fill: () => void attempt(fill),
    screenshot: () => void screenshot()
  };
}
