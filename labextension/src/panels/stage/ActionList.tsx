/** What was done, newest first: the agent's actions with the reason of the last one, and people's turns. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Act, Image, Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { Button, figures, Icon, StepStrip, useWords } from '../../ui';
import { useCommand } from '../services';
import type { Deed } from './acts';

/** How many are drawn; what is older is in the agent view. */
const MOST = 120;

/** Minutes and seconds, as in the head of a clock that runs; another day by its date. */
function short(at: number, now: number): string {
  const exact = figures.clock(at, now, true);
  return exact.includes(':') ? exact.slice(-5) : exact;
}

/** What a person did, in words. */
function actWords(act: Act, trans: TranslationBundle): [string, string] {
  const at = `${act.x ?? 0}, ${act.y ?? 0}`;
  const count = act.count ?? 1;
  switch (act.kind) {
    case 'click':
      return count > 1
        ? [trans.__('clicked %1 times', count), at]
        : [trans.__('clicked'), at];
    case 'drag':
      return [trans.__('dragged'), trans.__('from %1', at)];
    case 'scroll':
      return [trans.__('scrolled'), at];
    case 'type':
      return [
        trans.__('typed'),
        trans._n('hidden, %1 character', 'hidden, %1 characters', count)
      ];
    case 'key':
      return [
        trans.__('pressed'),
        count > 1 ? `${act.key ?? ''} × ${count}` : (act.key ?? '')
      ];
    case 'open':
      return [trans.__('opened'), act.key || trans.__('another page')];
    case 'choose':
      return [trans.__('chose'), trans.__('from a list')];
    case 'answer':
      return [trans.__('answered'), trans.__('a question of the page')];
  }
}

export const ActionList = React.memo(function ActionList(props: {
  process: Process;
  deeds: readonly Deed[];
  me: string;
  now: number;
  /** The key of the one whose picture is shown. */
  shown: string;
  onShow: (deed: Deed, image: Image) => void;
  /** What is said while nothing was done. */
  none: string;
}): React.JSX.Element {
  const { process, deeds, me, now, shown } = props;
  const trans = useWords();
  const run = useCommand();
  const { limits } = process;
  const who = (by: string) => (by === me ? trans.__('you') : by);
  const latest = deeds.find(
    deed => deed.kind === 'agent' && deed.icon !== 'thought'
  );
  const row = (deed: Deed): React.JSX.Element => {
    const image =
      deed.kind === 'person' ? undefined : (deed.images.at(-1) ?? undefined);
    let name: string;
    let detail: string;
    let reason = '';
    if (deed.kind === 'agent') {
      ({ name, detail } = deed);
      reason = deed === latest ? deed.reason : '';
    } else if (deed.kind === 'person') {
      [name, detail] = actWords(deed.act, trans);
      name = `${who(deed.by)} ${name}`;
    } else {
      name = {
        took: trans.__('%1 took over', who(deed.by)),
        returned: trans.__('%1 handed back', who(deed.by)),
        gone: trans.__('%1 was gone', who(deed.by)),
        ended: trans.__('the agent ended', who(deed.by))
      }[deed.what];
      detail = deed.note;
    }
    const classes = [
      deed.kind === 'agent' ? '' : 'me',
      deed.kind === 'agent' && deed.failed ? 'failed' : '',
      deed === latest && process.control === '' ? 'nowr' : '',
      deed.key === shown ? 'shown' : ''
    ];
    const inner = (
      <>
        <Icon name={deed.kind === 'agent' ? deed.icon : 'person'} size={14} />
        <span className="ae-grow">
          <span className="line ae-trunc" title={detail}>
            <b>{name}</b> <span className="ae-2">{detail}</span>
            {deed.kind === 'agent' && deed.failed && (
              <span className="ae-sr">{trans.__('failed')}</span>
            )}
          </span>
          {reason && <span className="line ae-small ae-2 why">{reason}</span>}
        </span>
        <time className="ae-small ae-2">{short(deed.at, now)}</time>
      </>
    );
    return (
      <li key={deed.key} className={classes.filter(each => each).join(' ')}>
        {image ? (
          <button
            type="button"
            title={trans.__('Show this moment')}
            onClick={() => props.onShow(deed, image)}
          >
            {inner}
          </button>
        ) : (
          <div>{inner}</div>
        )}
      </li>
    );
  };
  return (
    <aside className="side" aria-label={trans.__('Actions')}>
      <header className="ae-row">
        <h2>{trans.__('Actions')}</h2>
        <span className="ae-grow" />
        <span className="ae-small ae-2">{trans.__('newest first')}</span>
      </header>
      <ul tabIndex={0} aria-label={trans.__('Actions, newest first')}>
        {process.control === me && (
          <li className="div0">{trans.__('Your turn, recorded')}</li>
        )}
        {deeds.slice(0, MOST).map(row)}
        {deeds.length === 0 && <li className="none ae-2">{props.none}</li>}
      </ul>
      <footer>
        <p className="ae-trunc" title={process.goal}>
          <b>{process.goal}</b>
        </p>
        <StepStrip strip={process.strip} />
        <p className="ae-row ae-small ae-2">
          <span>
            {limits.steps === null
              ? trans._n('%1 step', '%1 steps', process.step)
              : trans.__('%1 of %2 steps', process.step, limits.steps)}
          </span>
          <span className="ae-grow" />
          <span>
            {figures.money(process.cost_usd, process.cost_known)}
            {limits.cost_usd !== null &&
              ` ${trans.__('of %1', figures.limitMoney(limits.cost_usd))}`}
          </span>
        </p>
        <Button
          kind="quiet"
          small
          className="open"
          onClick={() => run(CommandIDs.openAgent, { pid: process.pid })}
        >
          {trans.__('Open agent view')}
        </Button>
      </footer>
    </aside>
  );
});
