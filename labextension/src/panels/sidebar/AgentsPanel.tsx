/** The fleet beside other work: a tree of agents, what they need, and what the day cost. */
import { useVirtualizer } from '@tanstack/react-virtual';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Approval, Process, View } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import {
  approvalsByPid,
  parseFilter,
  standing,
  visibleProcesses
} from '../../state/selectors';
import { useNow, useStore } from '../../state/useStore';
import {
  Button,
  figures,
  Icon,
  Menu,
  Meter,
  Skeleton,
  standingWord,
  StateMark,
  useWords
} from '../../ui';
import { useAgentMenu } from '../missionControl/AgentCard';
import { usePace } from '../missionControl/FleetBar';
import { useHeldGroups } from '../missionControl/order';
import { LostAfterGrace } from '../missionControl/states';
import { reason } from '../missionControl/voice';
import { NowProvider, useClock, useCommand, useServices } from '../services';
import { rowsOf, type TreeRow } from './tree';

const ROW = 28;
const TALL = 38;

export function AgentsPanel(): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { store } = useServices();
  const view = useStore(store, state => state.view);
  const now = useNow(store, 1000);
  const none = view !== null && Object.keys(view.processes).length === 0;
  return (
    <NowProvider value={now}>
      <section className="sb" aria-label={trans.__('Agents')}>
        <header className="sb-head">
          <h2>{trans.__('Agents')}</h2>
          <span className="ae-grow" />
          <Button
            kind="quiet"
            small
            icon="plus"
            label={trans.__('New agent')}
            onClick={() => run(CommandIDs.newAgent)}
          />
          <Button
            kind="quiet"
            small
            icon="grid"
            label={trans.__('Open Mission Control')}
            onClick={() => run(CommandIDs.openMissionControl)}
          />
          <Menu
            label={trans.__('More')}
            items={[
              {
                label: trans.__('Open approvals'),
                icon: 'approval',
                onSelect: () => run(CommandIDs.openApprovals)
              },
              {
                label: trans.__('Open the first tutorial'),
                icon: 'notebook',
                onSelect: () => run(CommandIDs.openTutorial)
              },
              {
                label: trans.__('Settings'),
                icon: 'settings',
                onSelect: () => run('settingeditor:open', { query: 'Aether' })
              }
            ]}
          />
        </header>
        <LostAfterGrace />
        {view === null ? (
          <Waiting />
        ) : none ? (
          <div className="sb-empty">
            <b>{trans.__('No agents yet')}</b>
            <p className="ae-2">
              {trans.__('Give one a goal and a budget; it works while you do.')}
            </p>
            <Button
              kind="primary"
              icon="plus"
              onClick={() => run(CommandIDs.newAgent)}
            >
              {trans.__('New agent')}
            </Button>
            <Button kind="quiet" onClick={() => run(CommandIDs.openTutorial)}>
              {trans.__('Open the first tutorial')}
            </Button>
          </div>
        ) : (
          <Tree view={view} />
        )}
        {view !== null && !none && <Foot view={view} />}
      </section>
    </NowProvider>
  );
}

function Waiting(): React.JSX.Element {
  return (
    <div className="sb-skeleton" aria-busy="true">
      {[153, 174, 116, 163, 132, 184, 105].map((width, index) => (
        <div className="ae-row" key={index}>
          <Skeleton width={14} height={14} />
          <Skeleton width={width} height={11} />
        </div>
      ))}
    </div>
  );
}

function Foot(props: { view: View }): React.JSX.Element {
  const trans = useWords();
  const { perMinute } = usePace();
  const { cost_usd: cost, limit_usd: limit } = props.view.spend;
  return (
    <footer className="sb-foot">
      <div className="ae-row">
        <b>{figures.money(cost)}</b>
        <span className="ae-2">
          {limit === null
            ? trans.__('today')
            : trans.__('of %1 today', figures.limitMoney(limit))}
        </span>
        <span className="ae-grow" />
        <span className="ae-2">{trans.__('%1 steps/min', perMinute)}</span>
      </div>
      {limit !== null && (
        <Meter used={cost} limit={limit} label={trans.__('Spend today')} />
      )}
    </footer>
  );
}

function Tree(props: { view: View }): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const at = useClock();
  const { view } = props;
  const { processes: table, approvals: waiting } = view;
  const [text, setText] = React.useState('');
  const [folded, setFolded] = React.useState<ReadonlySet<string>>(
    new Set(['group/finished'])
  );
  const [active, setActive] = React.useState<string | null>(null);
  const scroller = React.useRef<HTMLDivElement>(null);
  const all = React.useMemo(() => visibleProcesses(view), [table]); // eslint-disable-line react-hooks/exhaustive-deps -- the table is all that it reads
  const approvals = React.useMemo(() => approvalsByPid(view), [waiting]); // eslint-disable-line react-hooks/exhaustive-deps -- as above
  const shown = React.useMemo(
    () => (text.trim() ? all.filter(parseFilter(text)) : all),
    [all, text]
  );
  const searching = text.trim() !== '';
  const groups = useHeldGroups(
    scroller,
    shown,
    searching ? 'none' : 'attention',
    text
  );
  const rows = rowsOf(groups, searching ? new Set() : folded);
  const lines = rows.map(row =>
    row.kind === 'agent'
      ? reason(row.process, approvals.get(row.process.pid), trans, at)
      : ''
  );
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: index => (lines[index] ? TALL : ROW),
    getItemKey: index => rows[index].key,
    overscan: 10
  });
  const shape = lines.map(line => (line ? 'T' : 't')).join('');
  React.useEffect(() => virtual.measure(), [virtual, shape]);

  const toggle = (key: string, shut?: boolean) =>
    setFolded(old => {
      const next = new Set(old);
      if (shut ?? !next.has(key)) next.add(key);
      else next.delete(key);
      return next;
    });
  const focus = (index: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    setActive(rows[to]?.key ?? null);
    virtual.scrollToIndex(to);
    window.requestAnimationFrame(() =>
      scroller.current
        ?.querySelector<HTMLElement>(`[data-index="${to}"]`)
        ?.focus()
    );
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const element = event.target as HTMLElement;
    if (element.dataset.index === undefined) return;
    const index = Number(element.dataset.index);
    const row = rows[index];
    const open = row.kind === 'group' ? !row.folded : row.children === 'shown';
    const foldable = row.kind === 'group' || row.children !== 'none';
    switch (event.key) {
      case 'ArrowDown':
        focus(index + 1);
        break;
      case 'ArrowUp':
        focus(index - 1);
        break;
      case 'Home':
        focus(0);
        break;
      case 'End':
        focus(rows.length - 1);
        break;
      case 'ArrowRight':
        if (foldable && !open) toggle(row.key, false);
        else if (foldable) focus(index + 1);
        break;
      case 'ArrowLeft':
        if (foldable && open) toggle(row.key, true);
        else {
          const level = row.kind === 'agent' ? row.level : -1;
          for (let up = index - 1; up >= 0; up--) {
            const other = rows[up];
            if (other.kind === 'group' || other.level < level) {
              focus(up);
              break;
            }
          }
        }
        break;
      case 'Enter':
        if (row.kind === 'group') toggle(row.key);
        else run(CommandIDs.openAgent, { pid: row.process.pid });
        break;
      case ' ':
        if (row.kind === 'group') toggle(row.key);
        else {
          run(CommandIDs.signal, {
            pid: row.process.pid,
            signal: row.process.state === 'STOPPED' ? 'CONT' : 'STOP'
          });
        }
        break;
      default:
        return;
    }
    event.preventDefault();
  };
  const tabbable = Math.max(
    0,
    rows.findIndex(row => row.key === active)
  );
  const items = virtual.getVirtualItems();
  return (
    <>
      <div className="sb-find">
        <label className="ae-field">
          <Icon name="search" size={14} />
          <input
            value={text}
            placeholder={trans.__('Filter agents')}
            aria-label={trans.__('Filter agents')}
            spellCheck={false}
            onChange={event => setText(event.target.value)}
            onKeyDown={event => {
              if (event.key === 'Escape') setText('');
              if (event.key === 'ArrowDown') focus(0);
            }}
          />
          {text && (
            <Button
              kind="quiet"
              small
              icon="close"
              label={trans.__('Clear the filter')}
              onClick={() => setText('')}
            />
          )}
        </label>
      </div>
      <div className="sb-scroll" ref={scroller}>
        <div
          className="sb-tree"
          role="tree"
          aria-label={trans.__('Agents')}
          style={{ height: virtual.getTotalSize() }}
          onKeyDown={onKeyDown}
        >
          <div style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
            {items.map(item => {
              const row = rows[item.index];
              const common = {
                'data-index': item.index,
                tabIndex: item.index === tabbable ? 0 : -1
              };
              return row.kind === 'group' ? (
                <div
                  key={row.key}
                  className="sb-group"
                  role="treeitem"
                  aria-level={1}
                  aria-expanded={!row.folded}
                  onClick={() => toggle(row.key)}
                  {...common}
                >
                  <Icon
                    name={row.folded ? 'chevronRight' : 'chevronDown'}
                    size={12}
                  />
                  <b>{groupTitle(row.group.key, searching, trans)}</b>
                  <span className="ae-2">{row.count}</span>
                  {row.group.more > 0 && (
                    <span className="ae-chip on">
                      {trans.__('%1 more', row.group.more)}
                    </span>
                  )}
                </div>
              ) : (
                <AgentRow
                  key={row.key}
                  row={row}
                  line={lines[item.index]}
                  approval={approvals.get(row.process.pid)}
                  find={searching ? text : ''}
                  attributes={common}
                  onFold={() => toggle(row.key)}
                  onFocus={() => setActive(row.key)}
                />
              );
            })}
          </div>
        </div>
        {searching && rows.length === 0 && (
          <p className="sb-none ae-small ae-2">
            {trans.__(
              'No agent fits. Names, goals, models and PIDs are searched.'
            )}
          </p>
        )}
      </div>
    </>
  );
}

function groupTitle(
  key: string,
  searching: boolean,
  trans: TranslationBundle
): string {
  if (searching) return trans.__('Matches');
  if (key === 'you') return standingWord('you', trans);
  if (key === 'running') return standingWord('running', trans);
  if (key === 'quiet') return trans.__('Waiting and stopped');
  return trans.__('Finished');
}

function AgentRow(props: {
  row: Extract<TreeRow, { kind: 'agent' }>;
  line: string;
  approval: Approval | undefined;
  find: string;
  attributes: { 'data-index': number; tabIndex: number };
  onFold: () => void;
  onFocus: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { row, line } = props;
  const { process, level, children } = row;
  const mark = standing(process);
  const { pid } = process;
  return (
    <div
      className={`sb-row ${line ? 'tall' : ''}`}
      role="treeitem"
      aria-level={level + 2}
      aria-expanded={children === 'none' ? undefined : children === 'shown'}
      aria-label={`${process.name}, ${standingWord(mark, trans)}${line ? `, ${line}` : ''}`}
      style={{ '--lv': level } as React.CSSProperties}
      title={process.goal}
      onFocus={props.onFocus}
      onClick={event => {
        if (!(event.target as Element).closest('button')) {
          run(CommandIDs.openAgent, { pid });
        }
      }}
      {...props.attributes}
    >
      {children === 'none' ? (
        <span className="sb-twist" />
      ) : (
        <button
          type="button"
          className="sb-twist"
          tabIndex={-1}
          aria-hidden="true"
          onClick={props.onFold}
        >
          <Icon
            name={children === 'folded' ? 'chevronRight' : 'chevronDown'}
            size={12}
          />
        </button>
      )}
      <StateMark process={process} quiet />
      <span className="ae-grow">
        <span className="ae-trunc sb-name">
          <Found text={process.name} find={props.find} />
        </span>
        {line && <span className={`ae-trunc sb-line ${mark}`}>{line}</span>}
      </span>
      <Figure process={process} approval={props.approval} />
      <span className="sb-tools">
        {mark !== 'done' && mark !== 'failed' && (
          <Button
            kind="quiet"
            small
            icon={process.state === 'STOPPED' ? 'play' : 'pause'}
            label={
              process.state === 'STOPPED'
                ? trans.__('Continue %1', process.name)
                : trans.__('Pause %1', process.name)
            }
            onClick={() =>
              run(CommandIDs.signal, {
                pid,
                signal: process.state === 'STOPPED' ? 'CONT' : 'STOP'
              })
            }
          />
        )}
        <RowMenu process={process} />
      </span>
    </div>
  );
}

function RowMenu(props: { process: Process }): React.JSX.Element {
  const trans = useWords();
  return (
    <Menu
      label={trans.__('More for %1', props.process.name)}
      items={useAgentMenu(props.process)}
    />
  );
}

/** How long it has waited, how many steps it took, or what it cost. */
function Figure(props: {
  process: Process;
  approval: Approval | undefined;
}): React.JSX.Element {
  const at = useClock();
  const { process, approval } = props;
  const mark = standing(process);
  const text =
    mark === 'you' && approval
      ? figures.wait(at - approval.created_at)
      : mark === 'done' || mark === 'failed'
        ? figures.money(process.cost_usd, process.cost_known)
        : figures.steps(process.step, process.limits.steps);
  return <span className="sb-figure ae-small ae-2">{text}</span>;
}

/** The text with the sought words marked. */
function Found(props: { text: string; find: string }): React.JSX.Element {
  const words = props.find
    .split(/\s+/)
    .filter(word => word && !/[:<>=]/.test(word) && !word.startsWith('-'))
    .map(word => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (words.length === 0) return <>{props.text}</>;
  const parts = props.text.split(new RegExp(`(${words.join('|')})`, 'gi'));
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? <mark key={index}>{part}</mark> : part
      )}
    </>
  );
}
