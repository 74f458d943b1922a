/** The browser of one agent: its page as it changes, tabs and address, who has control of it, and what was done. */
import * as React from 'react';

import type { BrowserStatus, Process } from '../../api/types';
import { Button, Note, useWords } from '../../ui';
import { useServices } from '../services';
import { useFrame } from '../stage/Overlay';
import { StageFrame } from '../stage/StageFrame';
import { type IStageProps, useStage } from '../stage/useStage';
import { useAsked } from '../useAsked';
import { AddressBar } from './AddressBar';
import { ChoiceList } from './ChoiceList';
import { DialogBox } from './DialogBox';
import { BrowserLink, type Order } from './link';
import { BLANK, frontOf } from './news';
import { TabStrip } from './TabStrip';

const hasBrowser = ({ browser }: Process): boolean => browser;

export function BrowserView(props: IStageProps): React.JSX.Element {
  const { pid, seen } = props;
  const { client } = useServices();
  const trans = useWords();
  const stage = useStage(props, 'browser', hasBrowser, BrowserLink);
  const { process, link, state, acting, mine, holder } = stage;
  const { phase } = state;
  const page = link?.page ?? BLANK;
  const front = frontOf(page);
  const place = React.useId();
  const [fresh, setFresh] = React.useState(false);
  const [looks, setLooks] = React.useState(0);
  const [uncopied, setUncopied] = React.useState(false);

  const keys = trans.__('Keys to the page; Ctrl+Alt+Esc leaves it');
  React.useEffect(() => {
    if (!link) return;
    link.control(acting, keys);
    if (acting && seen()) link.focus();
    if (!acting) setFresh(false);
  }, [link, acting, keys, seen]);

  React.useEffect(() => {
    if (!link) return undefined;
    const heard = (_: unknown, text: string) => {
      // Only for who has control, and asked for it: a page must not change the clipboard of somebody who looks on.
      if (!acting) return;
      const written = navigator.clipboard?.writeText(text);
      (written ?? Promise.reject(new Error('no clipboard'))).then(
        () => setUncopied(false),
        () => setUncopied(true)
      );
    };
    link.copied.connect(heard);
    return () => {
      link.copied.disconnect(heard);
    };
  }, [link, acting]);

  // Pictures and what is open come by the connection, who has control by the feed: so this is asked on changes alone.
  const looked = useAsked<BrowserStatus>(
    process?.browser && phase !== 'connecting'
      ? () => client.browser(pid)
      : null,
    `${pid} ${holder} ${phase} ${looks}`
  );
  const frame = useFrame(link);
  const first =
    acting || !mine
      ? !acting && trans.__('Take over first')
      : trans.__('View only is on');
  const order = (given: Order) => {
    link?.order(given);
    // The keyboard goes on in the page.
    if (given.kind === 'open' || given.kind === 'answer') link?.focus();
  };
  const trouble = uncopied
    ? trans.__(
        'This page may not write to your clipboard, so nothing is copied.'
      )
    : page.trouble;
  const rests =
    state.seenAt !== null ||
    stage.records.some(
      ({ event }) =>
        event.type === 'tool.started' && event.call.tool.startsWith('browser_')
    );
  return (
    <StageFrame
      stage={stage}
      icon="browser"
      words={{
        control: trans.__('Control of the browser'),
        ended: agent =>
          trans.__('%1 has ended, and its browser with it', agent),
        over: trans.__(
          'The agent has ended, and its browser with it. What it did is still there to read.'
        ),
        picture: trans.__('Browser of agent %1', pid),
        past: trans.__('The page at that moment'),
        starts: trans.__('The browser is being connected'),
        slow: trans.__('This takes longer than usual.'),
        none: trans.__(
          'Nothing yet. What the agent does in its browser stands here.'
        ),
        missing: trans.__(
          'This agent has no browser. It needs one of the tools browser_… and a network.'
        )
      }}
      status={looked.value}
      failure={looked.failure}
      onLook={() => setLooks(count => count + 1)}
      frame={page.open ? frame : null}
      size={page}
      pictured={state.seenAt !== null}
      above={
        stage.has && (
          <div className="chrome">
            <TabStrip
              page={page}
              controls={place}
              fresh={fresh}
              disabled={first}
              onSelect={number => {
                setFresh(false);
                link?.order({ kind: 'tab', number });
              }}
              onClose={number => order({ kind: 'close', number })}
              onNew={() => setFresh(true)}
            />
            <AddressBar
              url={front?.url ?? ''}
              loading={page.loading}
              open={page.open}
              fresh={fresh}
              disabled={first}
              onOrder={order}
              onDone={() => setFresh(false)}
            />
            {trouble && (
              <Note
                tone="warn"
                icon="error"
                alert
                action={
                  <Button
                    small
                    kind="quiet"
                    icon="close"
                    label={trans.__('Dismiss')}
                    onClick={() => {
                      setUncopied(false);
                      link?.dismiss();
                    }}
                  />
                }
              >
                {trouble}
              </Note>
            )}
          </div>
        )
      }
      placeId={place}
      within={
        acting &&
        page.choice && (
          <ChoiceList
            choice={page.choice}
            page={page}
            onChoose={index => {
              link?.order({ kind: 'choose', index });
              link?.focus();
            }}
          />
        )
      }
    >
      {holder && page.dialog && phase === 'open' && (
        <DialogBox
          key={`${page.dialog.type} ${page.dialog.message}`}
          dialog={page.dialog}
          url={front?.url ?? ''}
          disabled={
            mine ? first : trans.__('%1 has control, and answers', holder)
          }
          onAnswer={(accept, text) => order({ kind: 'answer', accept, text })}
        />
      )}
      {stage.has && phase === 'open' && !page.open && (
        <Note icon="browser">
          {rests
            ? trans.__('The browser rests.')
            : trans.__('The agent has not opened its browser yet.')}{' '}
          {acting
            ? trans.__('Type an address above to open it.')
            : !holder && trans.__('Take over to open it yourself.')}
        </Note>
      )}
    </StageFrame>
  );
}
