/** An agent as the output of a cell: its state and cost, what it does now or asks, and its result first when it ends. */
import * as React from 'react';

import { AetherError } from '../api/client';
import type { Decision, Process, VoiceKind } from '../api/types';
import { CommandIDs } from '../commands/ids';
import { Pictures } from '../panels/Pictures';
import { useCommand, useServices } from '../panels/services';
import { decide } from '../state/deciding';
import { approvalOf, runSeconds, standing, tokens } from '../state/selectors';
import {
  callText,
  type Entry,
  type StepBlock,
  timeline
} from '../state/timeline';
import { useNow, useStore, useView, useWatch } from '../state/useStore';
import { useTranscript } from '../state/useTranscript';
import {
  ApprovalForm,
  Button,
  figures,
  Icon,
  type IconName,
  Menu,
  Meter,
  Skeleton,
  StateMark,
  StepStrip,
  standingWord,
  Thumbs,
  useWords
} from '../ui';
import { type IMarkdownTools, Markdown } from '../ui/Markdown';
import { stripAnsi } from '../ui/plainText';
import { Inline, Output } from '../ui/Text';
import type { ICellData } from './output';

const LATEST = 3;

export function CellRun(props: {
  data: ICellData;
  markdown: IMarkdownTools;
}): React.JSX.Element {
  const { pid, name, saved } = props.data;
  const { client, store } = useServices();
  const trans = useWords();
  const loaded = useStore(
    store,
    ({ view, connection }) => view !== null && connection.status === 'live'
  );
  const known = useView(store, view => view.processes[pid] ?? null);
  const [other, setOther] = React.useState<Process | null>(null);
  const [absent, setAbsent] = React.useState(false);
  React.useEffect(() => {
    if (!loaded || known) return;
    client.process(pid).then(setOther, (error: unknown) => {
      // Without an answer nothing is known; the next connection asks again.
      if (error instanceof AetherError && error.status === 404) setAbsent(true);
    });
  }, [client, pid, loaded, known]);

  const process = known ?? other;
  // Numbers begin anew on every server, so a notebook from elsewhere may name another agent's.
  const stranger =
    process !== null && name !== '' && process.name !== name ? process : null;
  if (stranger || (absent && !process)) {
    return (
      <>
        <p className="absent">
          <Icon name="aether" size={14} />
          <span>
            {name
              ? trans.__('Agent %1, %2, is not on this server.', pid, name)
              : trans.__('Agent %1 is not on this server.', pid)}{' '}
            {saved && trans.__('What the notebook kept of it:')}
          </span>
        </p>
        {saved && <Markdown text={saved} tools={props.markdown} />}
      </>
    );
  }
  if (!process) {
    return (
      <section className="run" aria-busy="true">
        <div className="rh">
          <Skeleton width={220} height={14} />
        </div>
        <div className="curr">
          <Skeleton width="80%" height={14} />
        </div>
      </section>
    );
  }
  return <Run process={process} markdown={props.markdown} />;
}

function Run(props: {
  process: Process;
  markdown: IMarkdownTools;
}): React.JSX.Element {
  const { process, markdown } = props;
  const { pid, limits } = process;
  const trans = useWords();
  const { client, store } = useServices();
  const run = useCommand();
  useWatch(store, pid);
  const mark = standing(process);
  const over = mark === 'done' || mark === 'failed';
  const now = useNow(store, 1000, !over);
  const approval = useView(store, view => approvalOf(view, pid));
  const live = useStore(store, state => state.live[pid] ?? null);
  const [open, setOpen] = React.useState(false);
  const transcript = useTranscript(client, store, pid, open);
  const blocks = React.useMemo(
    () =>
      timeline(transcript.records).filter(
        (block): block is StepBlock => block.kind === 'step'
      ),
    [transcript.records]
  );
  const last = blocks.findLast(({ answered }) => answered);
  const entries = blocks.flatMap(block =>
    block.entries.map(entry => ({ step: block.step, entry }))
  );
  const asks = mark === 'you' && approval !== null;
  const share = limits.steps === null ? null : limits.steps;
  const shown = open
    ? entries
    : over && mark === 'done'
      ? []
      : entries.slice(asks ? entries.length : -LATEST);
  const earlier = Math.max(
    0,
    process.step - new Set(shown.map(({ step }) => step)).size
  );
  const signal = (which: string) =>
    run(CommandIDs.signal, { pid, signal: which });
  const tone = { done: 'ok', failed: 'bad' } as const;
  const download = (format: 'notebook' | 'text' | 'json') => () => {
    window.open(client.exportUrl(pid, format), '_blank', 'noopener');
  };
  // Lab's search marks words by cutting up the text nodes it finds, which React would go on writing to. It leaves
  // alone what stands in a <map>; what has ended does not change any more and can be searched.
  const Frame = over ? React.Fragment : Live;
  return (
    <Frame>
      <section
        className={`run ${mark}`}
        aria-label={trans.__(
          'Agent %1, %2',
          pid,
          standingWord(mark, trans).toLowerCase()
        )}
      >
        <header className="rh">
          <StateMark process={process} />
          <span className="pid" title={process.name}>
            {pid}
          </span>
          <span className="ae-grow" />
          <span className="mxs">
            <span>
              <b>{process.step}</b>
              {limits.steps !== null && `/${limits.steps}`}
              <span className="more"> {trans.__('steps')}</span>
            </span>
            {process.plan_steps > 0 && (
              <span className="more">
                <b>{process.plan_done}</b>/{process.plan_steps}{' '}
                {trans.__('of the plan')}
              </span>
            )}
            <span>
              <b>{figures.money(process.cost_usd, process.cost_known)}</b>
              <span className="more">
                {' '}
                {limits.cost_usd !== null
                  ? trans.__('of %1', figures.limitMoney(limits.cost_usd))
                  : process.model.startsWith('local:')
                    ? trans.__('local')
                    : ''}
              </span>
            </span>
            <span>{figures.duration(runSeconds(process, now))}</span>
          </span>
          <span className="rb" data-lm-suppress-shortcuts="true">
            {!over &&
              (process.state === 'STOPPED' ? (
                <Button
                  kind="quiet"
                  small
                  icon="play"
                  title="CONT"
                  label={trans.__('Continue')}
                  onClick={() => signal('CONT')}
                >
                  {trans.__('Continue')}
                </Button>
              ) : (
                <Button
                  kind="quiet"
                  small
                  icon="pause"
                  title="STOP"
                  label={trans.__('Pause')}
                  onClick={() => signal('STOP')}
                >
                  {trans.__('Pause')}
                </Button>
              ))}
            <Button
              kind="quiet"
              small
              icon="open"
              label={trans.__('Open')}
              onClick={() => run(CommandIDs.openAgent, { pid })}
            >
              {trans.__('Open')}
            </Button>
          </span>
        </header>
        <span className="rm">
          <Meter
            used={process.step}
            limit={share}
            label={trans.__('Steps')}
            tone={mark === 'done' || mark === 'failed' ? tone[mark] : undefined}
          />
        </span>
        {mark === 'done' && <Result process={process} markdown={markdown} />}
        {mark === 'failed' && <Failure process={process} last={last} />}
        {asks && (
          <ApprovalForm
            key={approval.id}
            approval={approval}
            now={now}
            variant="cell"
            onDecide={async (decision: Decision) => {
              await decide(client, approval, decision);
            }}
          />
        )}
        {!over && !asks && <Current process={process} live={live} />}
        {!(mark === 'done') && (
          <ul className={open ? 'entries all' : 'entries'}>
            {(earlier > 0 || open) && (
              <li className="earlier" data-lm-suppress-shortcuts="true">
                <Button
                  kind="quiet"
                  small
                  icon={open ? 'chevronDown' : 'chevronRight'}
                  onClick={() => setOpen(!open)}
                >
                  {open
                    ? trans.__('All steps')
                    : trans._n('%1 earlier step', '%1 earlier steps', earlier)}
                </Button>
                <span className="ae-grow" />
                <StepStrip
                  strip={process.strip}
                  live={process.state === 'RUNNING'}
                />
              </li>
            )}
            {shown.map(({ entry }) => (
              <EntryLine key={entry.key} entry={entry} />
            ))}
          </ul>
        )}
        {mark === 'done' && (
          <>
            <footer className="rf" data-lm-suppress-shortcuts="true">
              <Button
                kind="quiet"
                small
                icon={open ? 'chevronDown' : 'chevronRight'}
                onClick={() => setOpen(!open)}
              >
                {trans._n('%1 step', '%1 steps', process.step)}
              </Button>
              <StepStrip strip={process.strip} />
              <span className="ae-grow" />
              <span className="said ae-trunc">
                {trans.__(
                  '%1 tokens, %2',
                  figures.tokenCount(tokens(process)),
                  process.model
                )}
              </span>
              <Judge pid={pid} step={last} />
              <Menu
                icon="notebook"
                label={trans.__('Export')}
                items={[
                  {
                    label: trans.__('As notebook'),
                    icon: 'notebook',
                    onSelect: download('notebook')
                  },
                  {
                    label: trans.__('As text'),
                    icon: 'file',
                    onSelect: download('text')
                  },
                  {
                    label: trans.__('As JSON'),
                    icon: 'download',
                    onSelect: download('json')
                  }
                ]}
              >
                {trans.__('Export')}
              </Menu>
            </footer>
            {open && (
              <ul className="entries all">
                {shown.map(({ entry }) => (
                  <EntryLine key={entry.key} entry={entry} />
                ))}
              </ul>
            )}
          </>
        )}
      </section>
    </Frame>
  );
}

/** Thumbs for the result: the last step stands for all of the run. */
function Judge(props: {
  pid: number;
  step: StepBlock | undefined;
}): React.JSX.Element | null {
  const { pid, step } = props;
  const { client, store } = useServices();
  const trans = useWords();
  const me = useView(store, view => view.user) ?? '';
  if (!step) return null;
  return (
    <Thumbs
      about={trans.__('Judge the result of agent %1', pid)}
      mine={step.judgements.find(({ by }) => by === me) ?? null}
      note={trans.__('Its later runs read this.')}
      onJudge={async (thumb, comment) => {
        await client.judge(pid, step.step, thumb, comment);
      }}
    />
  );
}

function Live(props: { children: React.ReactNode }): React.JSX.Element {
  return <map className="live">{props.children}</map>;
}

/** What it does now, in two lines: the words that stream, else the last it said or did. */
function Current(props: {
  process: Process;
  live: {
    text: string;
    thinking: string;
    preparing: { what: string; done: number | null } | null;
  } | null;
}): React.JSX.Element {
  const { process, live } = props;
  const trans = useWords();
  const icons: Readonly<Record<VoiceKind, IconName>> = {
    thought: 'thought',
    action: 'action',
    observation: 'observation',
    message: 'message',
    error: 'error',
    answer: 'check'
  };
  const streams = live?.text || live?.thinking || '';
  // The end of what streams is what is new; two lines show about so much.
  const words = streams
    ? `${streams.length > 220 ? '…' : ''}${streams.slice(-220)}`
    : live?.preparing
      ? `${live.preparing.what}${live.preparing.done === null ? '' : ` ${Math.round(live.preparing.done * 100)} %`}`
      : process.state === 'WAITING' && process.wait?.detail
        ? process.wait.detail
        : (process.voice?.text ??
          (process.state === 'READY'
            ? trans.__('In the queue')
            : trans.__('Starting')));
  const icon = streams
    ? 'thought'
    : process.voice
      ? icons[process.voice.kind]
      : 'clock';
  return (
    <div className="curr">
      <Icon name={icon} size={14} />
      <p>
        <Inline text={stripAnsi(words)} />
        {process.state === 'RUNNING' && <span className="caret" />}
      </p>
    </div>
  );
}

/** One entry as one line. */
function EntryLine(props: { entry: Entry }): React.JSX.Element {
  const trans = useWords();
  const { entry } = props;
  switch (entry.kind) {
    case 'thought':
    case 'answer':
      return (
        <li>
          <Icon
            name={entry.kind === 'answer' ? 'check' : 'thought'}
            size={14}
            label={trans.__('Thought')}
          />
          <span className="ae-grow ae-trunc ae-2">{entry.text}</span>
        </li>
      );
    case 'error':
      return (
        <li className="ke">
          <Icon name="error" size={14} label={trans.__('Error')} />
          <span className="ae-grow ae-trunc">{stripAnsi(entry.text)}</span>
        </li>
      );
    case 'plan':
      return (
        <li>
          <Icon name="list" size={14} label={trans.__('Plan')} />
          <span className="ae-grow ae-trunc ae-2">
            {trans.__('Plan: %1 of %2 done', entry.done, entry.steps)}
          </span>
        </li>
      );
    case 'model':
      return (
        <li>
          <Icon name="settings" size={14} label={trans.__('Model')} />
          <span className="ae-grow ae-trunc ae-2" title={entry.why}>
            {entry.what === 'chosen'
              ? trans.__('Asks %1. %2', entry.model, entry.why)
              : trans.__('Answered by %1 instead: %2', entry.model, entry.why)}
          </span>
        </li>
      );
    case 'ask':
      return (
        <li>
          <Icon name="approval" size={14} label={trans.__('Approval')} />
          <span className="ae-grow ae-trunc">
            {entry.approval.question || entry.approval.because}
          </span>
          <span className="r">{entry.decision?.verdict ?? ''}</span>
        </li>
      );
    case 'action': {
      const { call, outcome, phase } = entry;
      const evidence = outcome?.evidence;
      const exit = evidence?.exit_code;
      const spent = outcome?.duration_s ?? 0;
      const facts = outcome
        ? [
            exit !== null && exit !== undefined
              ? trans.__('exit %1', exit)
              : outcome.ok
                ? ''
                : trans.__('failed'),
            spent >= 0.1 ? figures.took(spent) : ''
          ]
            .filter(text => text)
            .join(', ')
        : phase === 'running'
          ? trans.__('running')
          : '';
      const failed = outcome !== null && !outcome.ok;
      return (
        <li className={failed ? 'ke' : 'ka'}>
          <Icon
            name={failed ? 'error' : 'action'}
            size={14}
            label={failed ? trans.__('Error') : trans.__('Action')}
          />
          <span className="ae-grow ae-trunc">
            <b>{call.tool}</b>{' '}
            <code>{stripAnsi(callText(call).split('\n')[0])}</code>
          </span>
          <span className="r">{facts}</span>
          <Pictures images={outcome?.images} scale="small" />
        </li>
      );
    }
  }
}

function Result(props: {
  process: Process;
  markdown: IMarkdownTools;
}): React.JSX.Element {
  const trans = useWords();
  const { exit } = props.process;
  return (
    <div className="res">
      {exit?.message ? (
        <Markdown text={exit.message} tools={props.markdown} />
      ) : (
        <p className="ae-2">{trans.__('It ended without words.')}</p>
      )}
      {exit?.result !== null && exit?.result !== undefined && (
        <Output
          text={JSON.stringify(exit.result, null, 2)}
          label={trans.__('Result')}
        />
      )}
    </div>
  );
}

/** The sentence, what is kept, and the ways on. */
function Failure(props: {
  process: Process;
  last: StepBlock | undefined;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { exit, pid, goal, model, step, reaped_at } = props.process;
  const killed = exit?.reason === 'killed' || exit?.reason === 'terminated';
  return (
    <div className="ae-note bad">
      <Icon name="error" size={14} />
      <div className="ae-grow">
        <p className="ae-b">
          {stripAnsi(
            exit?.message ||
              (killed
                ? trans.__('It was ended by hand.')
                : trans.__('It gave no reason.'))
          )}
        </p>
        <p className="ae-2">
          {reaped_at === null
            ? trans.__(
                'It stopped at step %1. Its files and its timeline are kept.',
                step
              )
            : trans.__('It stopped at step %1. Its timeline is kept.', step)}
        </p>
        <div className="acts" data-lm-suppress-shortcuts="true">
          <Button
            kind="primary"
            small
            onClick={() => run(CommandIDs.newAgent, { goal, model })}
          >
            {trans.__('Try again')}
          </Button>
          <Button small onClick={() => run(CommandIDs.openAgent, { pid })}>
            {step > 0 ? trans.__('Open step %1', step) : trans.__('Open')}
          </Button>
          <span className="ae-grow" />
          <Judge pid={pid} step={props.last} />
        </div>
      </div>
    </div>
  );
}
