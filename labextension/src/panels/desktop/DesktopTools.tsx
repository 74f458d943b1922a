/** What the bar of a desktop has beside what every bar has: the quality, the clipboard, keys that the browser keeps. */
import * as React from 'react';

import { type IMenuItem, Menu, useWords } from '../../ui';
import type { IStage } from '../stage/useStage';
import { ClipboardButton, useClipboard } from './Clipboard';
import type { DesktopLink } from './link';
import { bits, type QualityChoice } from './quality';

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

export function DesktopTools(props: {
  stage: IStage<DesktopLink>;
}): React.JSX.Element {
  const { link, acting, mine, state } = props.stage;
  const trans = useWords();
  const [quality, setQuality] = React.useState<QualityChoice>('auto');
  React.useEffect(() => link?.choose(quality), [link, quality]);
  const clipboard = useClipboard(link, acting);

  const { rate, capacity } = link?.speed ?? { rate: 0, capacity: null };
  const speed =
    capacity === null
      ? trans.__('Follows the connection; %1 now', bits(rate))
      : trans.__(
          'Follows the connection: it carries %1, %2 now',
          bits(capacity),
          bits(rate)
        );
  const choices: readonly (readonly [QualityChoice, string, string])[] = [
    ['auto', trans.__('Auto'), speed],
    ['best', trans.__('Best'), trans.__('Sharp, for a fast connection')],
    ['balanced', trans.__('Balanced'), ''],
    ['low', trans.__('Low'), trans.__('For a slow connection')]
  ];
  const qualities: IMenuItem[] = choices.map(([id, label, words]) => ({
    label,
    note: words || undefined,
    icon: id === quality ? 'check' : undefined,
    onSelect: () => setQuality(id)
  }));
  const typing = !mine
    ? trans.__('Take over first')
    : state.phase !== 'open'
      ? trans.__('There is no picture')
      : !acting && trans.__('View only is on');
  const key = (label: string, ...keysyms: number[]): IMenuItem => ({
    label,
    disabled: typing,
    onSelect: () => link?.press(...keysyms)
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
  return (
    <>
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
      <ClipboardButton
        text={clipboard.text}
        disabled={!acting && trans.__('Take over first')}
        onPut={clipboard.put}
      />
      <Menu
        items={keys}
        icon="keyboard"
        kind="plain"
        small={false}
        className="hide-n"
        label={trans.__('Send keys')}
      />
    </>
  );
}
