/** What stands beside the timeline: goal and limits, files, the journal as lines, costs. */
import * as React from 'react';

import type {
  AetherEvent,
  AgentSpec,
  FileInfo,
  JournalRecord,
  Process,
  Profile,
  Stage
} from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import { progress } from '../../state/plan';
import { runSeconds, tokens } from '../../state/selectors';
import type { Block, StepBlock } from '../../state/timeline';
import { describe } from '../../state/view';
import {
  Button,
  figures,
  Icon,
  type ITab,
  Meter,
  Note,
  Patience,
  ProfileCard,
  Skeleton,
  useWords
} from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { Output } from '../../ui/Text';
import { useClock, useCommand, useServices } from '../services';
import { useAgent } from './context';
import { MemoryTab } from './MemoryTab';
import { PlanPart } from './PlanPart';
import { DesktopThumb } from '../thumbnails';
import { SnapshotsPart } from './SnapshotsPart';
import { useAsked } from '../useAsked';

export type InspectorTab =
  'plan' | 'files' | 'memory' | 'desktop' | 'browser' | 'logs' | 'costs';

export const INSPECTOR_TABS: readonly InspectorTab[] = [
  'plan',
  'files',
  'memory',
  'desktop',
  'browser',
  'logs',
  'costs'
];

/** The tabs with their words; those of desktop and browser for an agent that has them. */
export function useInspectorTabs(
  desktop: boolean,
  browser: boolean
): ITab<InspectorTab>[] {
  const trans = useWords();
  const tabs: ITab<InspectorTab>[] = [
    { id: 'plan', label: trans.__('Plan') },
    { id: 'files', label: trans.__('Files') },
    { id: 'memory', label: trans.__('Memory') },
    { id: 'desktop', label: trans.__('Desktop') },
    { id: 'browser', label: trans.__('Browser') },
    { id: 'logs', label: trans.__('Logs') },
    { id: 'costs', label: trans.__('Costs') }
  ];
  return tabs.filter(
    ({ id }) => (desktop || id !== 'desktop') && (browser || id !== 'browser')
  );
}

export function Inspector(props: {
  tab: InspectorTab;
  process: Process;
  records: readonly JournalRecord[];
  blocks: readonly Block[];
}): React.JSX.Element {
  const [editing, setEditing] = React.useState(false);
  const here = props.tab === 'plan';
  return (
    <>
      {/* A plan that is edited is not lost to a look at another part. */}
      {(here || editing) && (
        <div className="planpart" hidden={!here}>
          <PlanPart
            process={props.process}
            records={props.records}
            editing={editing}
            onEdit={setEditing}
          />
        </div>
      )}
      <Part {...props} />
    </>
  );
}

function Part(props: {
  tab: InspectorTab;
  process: Process;
  records: readonly JournalRecord[];
  blocks: readonly Block[];
}): React.JSX.Element {
  switch (props.tab) {
    case 'plan':
      return <About process={props.process} records={props.records} />;
    case 'files':
      return <Files process={props.process} />;
    case 'memory':
      return <MemoryTab process={props.process} />;
    case 'desktop':
      return <StageTab process={props.process} stage="desktop" />;
    case 'browser':
      return <StageTab process={props.process} stage="browser" />;
    case 'logs':
      return <Logs records={props.records} />;
    case 'costs':
      return <Costs process={props.process} blocks={props.blocks} />;
  }
}

function About(props: {
  process: Process;
  records: readonly JournalRecord[];
}): React.JSX.Element {
  const { process } = props;
  const { client } = useServices();
  const trans = useWords();
  const run = useCommand();
  const now = useClock();
  const { limits } = process;
  const { value: spec } = useAsked<AgentSpec>(
    () => client.spec(process.pid),
    String(process.pid)
  );
  const mode = {
    plan: trans.__('Only read and plan'),
    ask_always: trans.__('Ask always'),
    ask_risky: trans.__('Ask if risky'),
    accept_edits: trans.__('Accept edits'),
    autonomous: trans.__('Autonomous')
  }[process.mode];
  const spent = runSeconds(process, now);
  const used = tokens(process);
  return (
    <>
      <h4>{trans.__('Goal')}</h4>
      <p className="goal">{process.goal}</p>
      <h4>{trans.__('Limits')}</h4>
      <dl className="kv">
        <dt>{trans.__('Steps')}</dt>
        <dd>
          {limits.steps !== null && (
            <Meter
              used={process.step}
              limit={limits.steps}
              label={trans.__('Steps')}
            />
          )}
          <span>
            {limits.steps === null
              ? trans.__('%1, no limit', process.step)
              : trans.__('%1 of %2', process.step, limits.steps)}
          </span>
        </dd>
        <dt>{trans.__('Tokens')}</dt>
        <dd>
          {limits.tokens !== null && (
            <Meter
              used={used}
              limit={limits.tokens}
              label={trans.__('Tokens')}
            />
          )}
          <span>
            {limits.tokens === null
              ? trans.__('%1, no limit', figures.tokenCount(used))
              : trans.__(
                  '%1 of %2',
                  figures.tokenCount(used),
                  figures.tokenCount(limits.tokens)
                )}
          </span>
        </dd>
        <dt>{trans.__('Cost')}</dt>
        <dd>
          {limits.cost_usd !== null && (
            <Meter
              used={process.cost_usd}
              limit={limits.cost_usd}
              label={trans.__('Cost')}
            />
          )}
          <span>
            {limits.cost_usd === null
              ? trans.__(
                  '%1, no limit',
                  figures.money(process.cost_usd, process.cost_known)
                )
              : trans.__(
                  '%1 of %2',
                  figures.money(process.cost_usd, process.cost_known),
                  figures.limitMoney(limits.cost_usd)
                )}
          </span>
        </dd>
        <dt>{trans.__('Time')}</dt>
        <dd>
          {limits.wall_s !== null && (
            <Meter
              used={spent}
              limit={limits.wall_s}
              label={trans.__('Time')}
            />
          )}
          <span>
            {limits.wall_s === null
              ? trans.__('%1, no limit', figures.duration(spent))
              : trans.__(
                  '%1 of %2',
                  figures.duration(spent),
                  figures.limitDuration(limits.wall_s)
                )}
          </span>
        </dd>
        <dt>{trans.__('May act')}</dt>
        <dd>{mode}</dd>
        <dt>{trans.__('Sandbox')}</dt>
        <dd>{process.sandbox}</dd>
        <dt>{trans.__('Network')}</dt>
        <dd>
          {spec?.sandbox?.network === 'host'
            ? trans.__('that of the server')
            : trans.__('none')}
        </dd>
      </dl>
      <h4>{trans.__('Around it')}</h4>
      <dl className="kv">
        <dt>{trans.__('Model')}</dt>
        <dd>
          <span className="ae-trunc" title={process.model}>
            {process.model}
          </span>
        </dd>
        {spec?.fallbacks && spec.fallbacks.length > 0 && (
          <>
            <dt>{trans.__('Or else')}</dt>
            <dd>
              <span className="ae-trunc">{spec.fallbacks.join(', ')}</span>
            </dd>
          </>
        )}
        <dt>{trans.__('Started from')}</dt>
        <dd>
          <span className="ae-trunc" title={process.origin}>
            {process.origin}
          </span>
        </dd>
        {process.came_from && process.came_from.pid !== null && (
          <>
            <dt>{trans.__('Goes on from')}</dt>
            <dd>
              <Button
                kind="quiet"
                small
                onClick={() =>
                  run(CommandIDs.openAgent, {
                    pid: process.came_from?.pid ?? null,
                    step: process.came_from?.step ?? null
                  })
                }
              >
                {trans.__(
                  'Agent %1, step %2',
                  process.came_from.pid ?? '',
                  process.came_from.step
                )}
              </Button>
            </dd>
          </>
        )}
        {process.parent !== null && (
          <>
            <dt>{trans.__('Child of')}</dt>
            <dd>
              <Button
                kind="quiet"
                small
                onClick={() =>
                  run(CommandIDs.openAgent, { pid: process.parent })
                }
              >
                {trans.__('Agent %1', process.parent)}
              </Button>
            </dd>
          </>
        )}
        {spec?.tools && (
          <>
            <dt>{trans.__('Tools')}</dt>
            <dd className="many">{spec.tools.join(', ')}</dd>
          </>
        )}
      </dl>
      <SnapshotsPart process={process} records={props.records} />
      <EarlierRuns process={process} />
    </>
  );
}

/** What the agent has done under its name, this run included once it has ended. */
function EarlierRuns(props: { process: Process }): React.JSX.Element | null {
  const { pid, state, rating } = props.process;
  const { client } = useServices();
  const trans = useWords();
  const run = useCommand();
  const now = useClock();
  const { me } = useAgent();
  const { value, failure } = useAsked<Profile>(
    () => client.processProfile(pid),
    `${pid} ${state === 'ZOMBIE'} ${rating ?? ''}`
  );
  if (!value && !failure) return null;
  return (
    <>
      <h4>{trans.__('Its runs')}</h4>
      {value ? (
        <ProfileCard
          profile={value}
          me={me}
          now={now}
          onOpen={other => run(CommandIDs.openAgent, { pid: other })}
        />
      ) : (
        <Note tone="bad" icon="error">
          {failure?.message}
        </Note>
      )}
    </>
  );
}

/** Who has control of the desktop or the browser, and the way to it; the desktop in small. */
function StageTab(props: {
  process: Process;
  stage: Stage;
}): React.JSX.Element {
  const { pid, state, control } = props.process;
  const trans = useWords();
  const run = useCommand();
  const { me } = useAgent();
  const desktop = props.stage === 'desktop';
  const open = () =>
    run(desktop ? CommandIDs.openDesktop : CommandIDs.openBrowser, { pid });
  if (state === 'ZOMBIE') {
    return (
      <p className="ae-2">
        {desktop
          ? trans.__('The agent has ended, and its desktop with it.')
          : trans.__('The agent has ended, and its browser with it.')}
      </p>
    );
  }
  return (
    <>
      <div className="ae-row ih">
        <b className="ae-grow">
          {control === ''
            ? trans.__('Agent has control')
            : control === me
              ? trans.__('You have control')
              : trans.__('%1 has control', control)}
        </b>
        <Button small icon="open" onClick={open}>
          {trans.__('Open')}
        </Button>
      </div>
      {desktop && (
        <DesktopThumb pid={pid} width={360} className="wide" onOpen={open} />
      )}
      <p className="ae-small ae-2">
        {desktop
          ? trans.__(
              'Opening it starts the desktop if it does not run yet. Take over there to type and click; the agent stops meanwhile.'
            )
          : trans.__(
              'It shows the page that the agent is on. Take over there to type and click; the agent stops meanwhile.'
            )}
      </p>
    </>
  );
}

const PREVIEW_BYTES = 200_000;

function Files(props: { process: Process }): React.JSX.Element {
  const { pid, step, state } = props.process;
  const { client, store } = useServices();
  const trans = useWords();
  const [folder, setFolder] = React.useState('');
  const [chosen, setChosen] = React.useState('');
  const { value: files, failure } = useAsked<FileInfo[]>(
    () => client.files(pid, folder),
    `${pid} ${folder} ${step} ${state}`
  );
  const now = store.now();
  if (failure && !files) {
    return (
      <Note tone="bad" icon="error">
        {failure.message}
      </Note>
    );
  }
  if (!files) {
    return (
      <>
        <Skeleton height={20} />
        <Skeleton height={20} />
        <Patience>
          {trans.__('The files are being read from the sandbox.')}
        </Patience>
      </>
    );
  }
  const up = folder.split('/').slice(0, -1).join('/');
  const order = [...files].sort(
    (a, b) =>
      Number(b.kind === 'directory') - Number(a.kind === 'directory') ||
      b.modified_at - a.modified_at
  );
  return (
    <>
      <div className="ae-row ih">
        <b className="ae-trunc ae-grow" title={folder}>
          {folder || trans.__('Home')}
        </b>
        <span className="ae-small ae-2">
          {trans._n('%1 entry', '%1 entries', files.length)}
        </span>
      </div>
      {files.length === 0 && (
        <p className="ae-2">
          {trans.__('Nothing here yet. What the agent writes shows here.')}
        </p>
      )}
      <ul className="rows">
        {folder && (
          <li>
            <button
              type="button"
              className="open"
              onClick={() => {
                setFolder(up);
                setChosen('');
              }}
            >
              <Icon name="folder" size={14} />
              <b>..</b>
            </button>
          </li>
        )}
        {order.map(file => {
          const name = file.path.split('/').at(-1) ?? file.path;
          const isFolder = file.kind === 'directory';
          return (
            <li key={file.path} className={chosen === file.path ? 'on' : ''}>
              <button
                type="button"
                className="open"
                title={file.path}
                onClick={() => {
                  if (isFolder) {
                    setFolder(file.path);
                    setChosen('');
                  } else {
                    setChosen(chosen === file.path ? '' : file.path);
                  }
                }}
              >
                <Icon name={isFolder ? 'folder' : 'file'} size={14} />
                <b className="ae-trunc">{name}</b>
                <span className="ae-grow" />
                <span className="ae-small ae-2">
                  {isFolder
                    ? ''
                    : `${figures.size(file.size_bytes)}, ${figures.clock(file.modified_at, now)}`}
                </span>
              </button>
              {!isFolder && (
                <a
                  className="ae-btn quiet icon small"
                  href={client.fileUrl(pid, file.path)}
                  download={name}
                  aria-label={trans.__('Download %1', name)}
                  title={trans.__('Download %1', name)}
                >
                  <Icon name="download" size={14} />
                </a>
              )}
            </li>
          );
        })}
      </ul>
      {chosen && (
        <FileText
          key={chosen}
          pid={pid}
          path={chosen}
          turn={step}
          size={files.find(file => file.path === chosen)?.size_bytes ?? 0}
        />
      )}
    </>
  );
}

/** The text of a file of an agent; never rendered, since the agent wrote it. */
function FileText(props: {
  pid: number;
  path: string;
  turn: number;
  size: number;
}): React.JSX.Element | null {
  const { pid, path, turn, size } = props;
  const { client } = useServices();
  const trans = useWords();
  const { value, failure } = useAsked<string | null>(async () => {
    if (size > PREVIEW_BYTES) return null;
    const bytes = await client.file(pid, path);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return null;
    }
  }, `${pid} ${path} ${turn} ${size}`);
  if (failure) {
    return (
      <Note tone="bad" icon="error">
        {failure.message}
      </Note>
    );
  }
  if (value === null) {
    return size > PREVIEW_BYTES ? (
      <p className="ae-2">
        {trans.__(
          '%1 is too much to show here. Download it.',
          figures.size(size)
        )}
      </p>
    ) : null;
  }
  return (
    <>
      <h4>{path}</h4>
      {value.includes('\u0000') ? (
        <p className="ae-2">{trans.__('It is not text. Download it.')}</p>
      ) : (
        <Output text={value} label={path} />
      )}
    </>
  );
}

const SOURCES = [
  'step',
  'model',
  'tool',
  'gate',
  'plan',
  'person',
  'state',
  'message',
  'memory'
] as const;
type Source = (typeof SOURCES)[number];

/** A journal line as one line of a log. */
function logLine(
  event: AetherEvent,
  actor: string
): { source: Source; text: string } {
  switch (event.type) {
    case 'process.spawned':
      return { source: 'state', text: `spawned by ${actor}` };
    case 'process.restored':
      return {
        source: 'state',
        text: `goes on from here as agent ${event.process.pid}, by ${actor}. ${event.told}`
      };
    case 'snapshot.taken':
      return {
        source: 'state',
        text: `snapshot ${event.snapshot.id} taken by ${actor}`
      };
    case 'snapshot.deleted':
      return {
        source: 'state',
        text: `snapshot ${event.snapshot} deleted (${event.why})`
      };
    case 'process.state':
      return {
        source: 'state',
        text: [event.state, event.wait?.kind, event.why]
          .filter(part => part)
          .join(', ')
      };
    case 'process.signal':
      return { source: 'state', text: `${event.signal} by ${actor}` };
    case 'process.limits':
      return {
        source: 'state',
        text: `limits set by ${actor}: ${JSON.stringify(event.limits)}`
      };
    case 'process.exited':
      return {
        source: 'state',
        text: `exit ${event.status.code}, ${event.status.reason}`
      };
    case 'process.reaped':
      return { source: 'state', text: `reaped by ${actor}` };
    case 'process.erased':
      return { source: 'state', text: `erased by ${actor}` };
    case 'message.sent':
      return { source: 'message', text: `${event.sender}: ${event.text}` };
    case 'request.opened':
      return {
        source: 'message',
        text: `asked agent ${event.request.receiver} (${event.request.kind} ${event.request.id}): ${event.request.text}`
      };
    case 'request.moved':
      return {
        source: 'message',
        text: `request ${event.request_id} ${event.status.replace('_', ' ')}`
      };
    case 'process.model':
      return { source: 'person', text: `${event.by} chose ${event.model}` };
    case 'model.requested':
      return {
        source: 'step',
        text: `${event.step} begins, ${event.model}${event.why ? `. ${event.why}` : ''}`
      };
    case 'model.answered': {
      const used =
        (event.usage.input_tokens ?? 0) + (event.usage.output_tokens ?? 0);
      return {
        source: 'model',
        text: `${event.model} ${figures.tokenCount(used)} tokens, ${figures.took(event.duration_s ?? 0)}${(event.attempts ?? 1) > 1 ? `, ${event.attempts} tries` : ''}${event.instead ? `, for ${event.instead}` : ''}`
      };
    }
    case 'model.failed':
      return { source: 'model', text: `${event.error}: ${event.message}` };
    case 'memory.given':
      return {
        source: 'memory',
        text: `given ${event.memories.length}: ${event.text}`
      };
    case 'auxiliary.requested':
      return { source: 'model', text: `${event.purpose}: ${event.model}` };
    case 'auxiliary.answered':
      return {
        source: 'model',
        text: event.error
          ? `no ${event.purpose} (${event.error}): ${event.message ?? ''}`
          : `${event.purpose}: ${event.model}`
      };
    case 'context.compacted':
      return {
        source: 'memory',
        text: `compacted steps ${event.first} to ${event.last}: ${event.summary}`
      };
    case 'plan.changed': {
      const { done, steps } = progress(event.plan);
      return {
        source: 'plan',
        text: `changed by ${event.by}: ${done} of ${steps} done`
      };
    }
    case 'process.reflected':
      return {
        source: 'memory',
        text: `reflected, ${event.rating} of 5: ${(event.lessons ?? []).join(' ')}`
      };
    case 'feedback.given':
      return {
        source: 'person',
        text: `${event.by} on step ${event.step}: ${event.thumb ?? 'comment'} ${event.comment ?? ''}`
      };
    case 'control.taken':
      return { source: 'person', text: `${event.by} took over` };
    case 'control.asked':
      return { source: 'person', text: `${event.by} asks for control` };
    case 'terminal.opened':
      return {
        source: 'person',
        text: `${event.by} opened a terminal in its sandbox`
      };
    case 'terminal.closed':
      return {
        source: 'person',
        text: `${event.by} left the terminal after ${figures.duration(event.duration_s)}`
      };
    case 'control.returned':
      return {
        source: 'person',
        text: `${event.by} ${event.why === 'gone' ? 'is gone' : 'handed back'} after ${figures.duration(event.duration_s)}: ${event.note ?? ''}`
      };
    case 'model.guided':
      return {
        source: 'model',
        text: `guided (${event.reason}, try ${event.attempt}): ${event.text}`
      };
    case 'tool.started':
      return {
        source: 'tool',
        text: `${describe(event.call)}${event.why ? ` (${event.why})` : ''}`
      };
    case 'tool.ended': {
      const exit = event.outcome.evidence?.exit_code;
      return {
        source: 'tool',
        text: [
          event.tool,
          event.outcome.ok ? 'ok' : (event.outcome.error ?? 'failed'),
          exit !== null && exit !== undefined ? `exit ${exit}` : '',
          figures.took(event.outcome.duration_s ?? 0)
        ]
          .filter(part => part)
          .join(', ')
      };
    }
    case 'approval.requested':
      return {
        source: 'gate',
        text: `${event.approval.call?.tool ?? event.approval.kind} asks: ${event.approval.because || event.approval.question || ''}`
      };
    case 'approval.decided':
      return {
        source: 'gate',
        text: `${event.decision.verdict} by ${event.decision.by ?? actor}`
      };
    case 'approval.closed':
      return { source: 'gate', text: `closed: ${event.why}` };
  }
}

const LOG_PAGE = 300;

function Logs(props: { records: readonly JournalRecord[] }): React.JSX.Element {
  const trans = useWords();
  const { store } = useServices();
  const [query, setQuery] = React.useState('');
  const [source, setSource] = React.useState<Source | 'all'>('all');
  const [pages, setPages] = React.useState(1);
  const wanted = query.toLowerCase();
  const lines = React.useMemo(
    () =>
      props.records
        .map(({ n, at, actor, event }) => ({
          n,
          at,
          ...logLine(event, actor)
        }))
        .filter(
          line =>
            (source === 'all' || line.source === source) &&
            (!wanted || line.text.toLowerCase().includes(wanted))
        )
        .reverse(),
    [props.records, source, wanted]
  );
  const now = store.now();
  return (
    <>
      <div className="ae-row ih" data-lm-suppress-shortcuts="true">
        <label className="ae-field ae-grow">
          <Icon name="search" size={12} />
          <input
            value={query}
            placeholder={trans.__('Search logs')}
            aria-label={trans.__('Search logs')}
            onChange={event => setQuery(event.currentTarget.value)}
          />
        </label>
        <select
          className="ae-select"
          aria-label={trans.__('Source')}
          value={source}
          onChange={event =>
            setSource(
              SOURCES.find(name => name === event.currentTarget.value) ?? 'all'
            )
          }
        >
          <option value="all">{trans.__('All')}</option>
          {SOURCES.map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {lines.length === 0 && (
        <p className="ae-2">{trans.__('No line matches.')}</p>
      )}
      <div className="logs">
        {lines.slice(0, pages * LOG_PAGE).map(line => (
          <p key={line.n}>
            <time>{figures.clock(line.at, now, true)}</time>
            <b className={`l-${line.source}`}>{line.source}</b>
            <span title={line.text.slice(0, 1000)}>
              {stripAnsi(line.text).slice(0, 400)}
            </span>
          </p>
        ))}
      </div>
      {lines.length > pages * LOG_PAGE && (
        <Button small onClick={() => setPages(pages + 1)}>
          {trans.__(
            'Show %1 more',
            Math.min(LOG_PAGE, lines.length - pages * LOG_PAGE)
          )}
        </Button>
      )}
    </>
  );
}

function Costs(props: {
  process: Process;
  blocks: readonly Block[];
}): React.JSX.Element {
  const trans = useWords();
  const { process } = props;
  const { limits } = process;
  const steps = React.useMemo(
    () =>
      props.blocks.filter((block): block is StepBlock => block.kind === 'step'),
    [props.blocks]
  );
  const models = new Map<
    string,
    { calls: number; cost: number; input: number; output: number }
  >();
  for (const step of steps) {
    const before = models.get(step.model) ?? {
      calls: 0,
      cost: 0,
      input: 0,
      output: 0
    };
    models.set(step.model, {
      calls: before.calls + 1,
      cost: before.cost + step.cost,
      input: before.input + step.inputTokens,
      output: before.output + step.outputTokens
    });
  }
  const dear = [...steps].sort((a, b) => b.cost - a.cost).slice(0, 8);
  const most = dear[0]?.cost ?? 0;
  const free = process.cost_usd === 0;
  const input = process.input_tokens;
  const output = process.output_tokens;
  return (
    <>
      <div className="ae-row ih">
        <b>{figures.money(process.cost_usd, process.cost_known)}</b>
        {limits.cost_usd !== null && (
          <>
            <span className="ae-2">
              {trans.__(
                'of %1, %2 %',
                figures.limitMoney(limits.cost_usd),
                figures.percent(process.cost_usd, limits.cost_usd)
              )}
            </span>
            <span className="ae-grow">
              <Meter
                used={process.cost_usd}
                limit={limits.cost_usd}
                label={trans.__('Cost')}
              />
            </span>
          </>
        )}
        {process.reserved_usd > 0 && (
          <span className="ae-small ae-2">
            {trans.__(
              '%1 reserved for the step that runs',
              figures.money(process.reserved_usd, false)
            )}
          </span>
        )}
      </div>
      {free ? (
        <p className="ae-2">
          {trans.__(
            'No step cost money. Tokens: %1 in, %2 out.',
            figures.tokenCount(input),
            figures.tokenCount(output)
          )}
        </p>
      ) : (
        steps.length > 1 && <Curve steps={steps} />
      )}
      <h4>{trans.__('By part')}</h4>
      <dl className="kv">
        <dt>{trans.__('Prompts')}</dt>
        <dd>
          <Meter
            used={input}
            limit={Math.max(input, output)}
            tone="run"
            label={trans.__('Prompts')}
          />
          <span>{figures.tokenCount(input)}</span>
        </dd>
        <dt>{trans.__('Answers')}</dt>
        <dd>
          <Meter
            used={output}
            limit={Math.max(input, output)}
            tone="run"
            label={trans.__('Answers')}
          />
          <span>{figures.tokenCount(output)}</span>
        </dd>
      </dl>
      <h4>{trans.__('By model')}</h4>
      <dl className="kv wide">
        {[...models].map(([model, sum]) => (
          <React.Fragment key={model}>
            <dt className="ae-trunc" title={model}>
              {model}
            </dt>
            <dd>
              <span>
                {trans._n('%1 call', '%1 calls', sum.calls)}
                {', '}
                {figures.tokenCount(sum.input + sum.output)}
                {', '}
                {figures.money(sum.cost)}
              </span>
            </dd>
          </React.Fragment>
        ))}
      </dl>
      {!free && (
        <>
          <h4>{trans.__('Dearest steps')}</h4>
          <dl className="kv">
            {dear.map(step => (
              <React.Fragment key={step.key}>
                <dt>{trans.__('Step %1', step.step)}</dt>
                <dd>
                  <Meter
                    used={step.cost}
                    limit={most}
                    tone="run"
                    label={trans.__('Step %1', step.step)}
                  />
                  <span>{figures.stepMoney(step.cost, step.costKnown)}</span>
                </dd>
              </React.Fragment>
            ))}
          </dl>
        </>
      )}
    </>
  );
}

/** What was spent, step by step, as one line that rises. */
function Curve(props: { steps: readonly StepBlock[] }): React.JSX.Element {
  const trans = useWords();
  const { steps } = props;
  const sums: number[] = [];
  steps.reduce((sum, step) => {
    sums.push(sum + step.cost);
    return sum + step.cost;
  }, 0);
  const top = sums[sums.length - 1] || 1;
  const points = sums.map((sum, index) => [
    (index / Math.max(1, sums.length - 1)) * 336,
    54 - (sum / top) * 51
  ]);
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  const path = `M${line.join(' L')}`;
  const words = trans.__(
    'By step, %1 to %2',
    steps[0].step,
    steps[steps.length - 1].step
  );
  return (
    <figure>
      <svg
        className="curve"
        viewBox="0 0 336 56"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${words}, ${figures.money(top)}`}
      >
        <path d={`${path} L336 56 L0 56Z`} fill="var(--ae-run)" opacity=".13" />
        <path
          d={path}
          fill="none"
          stroke="var(--ae-run)"
          strokeWidth="1.5"
          vectorEffect="non-scaling-stroke"
        />
      </svg>
      <figcaption className="ae-small ae-2">{words}</figcaption>
    </figure>
  );
}
