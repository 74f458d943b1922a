/** The desktop of one agent: the picture, who has control of it, and what was done. */
import * as React from 'react';

import type { DisplayStatus, Process } from '../../api/types';
import { useWords } from '../../ui';
import { useServices } from '../services';
import { useFrame } from '../stage/Overlay';
import { StageFrame } from '../stage/StageFrame';
import { type IStageProps, useStage } from '../stage/useStage';
import { useAsked } from '../useAsked';
import { DesktopTools } from './DesktopTools';
import { DesktopLink } from './link';

const LOOK_MS = 5_000;
/** Below this width the desktop keeps its size: nothing could be read on one as small as the panel. */
const NARROW_PX = 700;
const COMMON = { width: 1280, height: 800 };
const hasDesktop = ({ display }: Process): boolean => display !== '';

export function DesktopView(props: IStageProps): React.JSX.Element {
  const { pid, root, seen, seenChanged } = props;
  const { client } = useServices();
  const trans = useWords();
  const stage = useStage(props, 'desktop', hasDesktop, DesktopLink);
  const { process, link, state, acting, now } = stage;
  const { phase } = state;

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
  }, [link, acting, root, seen, seenChanged, phase]);

  const turn = Math.floor((now * 1000) / LOOK_MS);
  const looked = useAsked<DisplayStatus>(
    process?.display ? () => client.display(pid) : null,
    `${pid} ${stage.holder} ${phase} ${seen() ? turn : ''}`
  );
  const frame = useFrame(link);
  const last = link?.last ?? '';
  return (
    <StageFrame
      stage={stage}
      icon="desktop"
      words={{
        control: trans.__('Control of the desktop'),
        ended: agent =>
          trans.__('%1 has ended, and its desktop with it', agent),
        over: trans.__(
          'The agent has ended, and its desktop with it. What it did is still there to read.'
        ),
        picture: trans.__('Desktop of agent %1', pid),
        past: trans.__('The desktop at that moment'),
        starts: trans.__('The desktop starts'),
        slow: trans.__(
          'This takes longer than usual; a first start has to make the container.'
        ),
        none: trans.__(
          'Nothing yet. What the agent does on its desktop stands here.'
        ),
        missing: trans.__(
          'This agent has no desktop. One is asked for when an agent is started, with the sandbox docker.'
        )
      }}
      status={looked.value}
      failure={looked.failure}
      frame={frame}
      size={frame?.picture ?? COMMON}
      pictured={last !== ''}
      tools={<DesktopTools stage={stage} />}
      behind={
        last &&
        phase !== 'open' && (
          <img className="last" src={last} alt="" draggable={false} />
        )
      }
    />
  );
}
