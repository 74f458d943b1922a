/** The blocks of the timeline: steps with their entries on a rail, messages, notes, the end, and folded stretches. */
import * as React from 'react';

import type { Evidence } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import type {
  ActionEntry,
  AskEntry,
  Block,
  EndBlock,
  Entry,
  LookbackBlock,
  MessageBlock,
  NoteBlock,
  Said,
  PlanEntry,
  StepBlock,
  Stretch
} from '../../state/timeline';
import { callText, kinds } from '../../state/timeline';
import { describe } from '../../state/view';
import {
  ApprovalForm,
  Button,
  figures,
  Icon,
  type IconName,
  Mark,
  RiskChip,
  StepStrip,
  Thumbs,
  useVerdict,
  useWords
} from '../../ui';
import { Markdown } from '../../ui/Markdown';
import { diffSize, isDiff, lineCount, stripAnsi } from '../../ui/plainText';
import { Diff, Found, Inline, Output } from '../../ui/Text';
import { Pictures } from '../Pictures';
import { useClock, useCommand } from '../services';
import { useAgent } from './context';
import { ForkPopover } from './ForkPopover';
import { Changes } from './PlanChanges';

/** One row of the timeline. */
export const Row = React.memo(function Row(props: {
  row: Block | Stretch;
  live: boolean;
}): React.JSX.Element {
  const { row } = props;
  switch (row.kind) {
    case 'stretch':
      return <StretchRow stretch={row} />;
    case 'step':
      return <StepRow block={row} live={props.live} />;
    case 'message':
      return <MessageRow block={row} />;
    case 'note':
      return <NoteRow block={row} />;
    case 'end':
      return <EndRow block={row} />;
    case 'lookback':
      return <LookbackRow block={row} />;
  }
});

function Clock(props: { at: number }): React.JSX.Element {
  const now = useClock();
  const date = new Date(props.at * 1000);
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {figures.clock(props.at, now, true)}
    </time>
  );
}

function StretchRow(props: { stretch: Stretch }): React.JSX.Element {
  const trans = useWords();
  const { toggle } = useAgent();
  const { blocks, key } = props.stretch;
  const last = blocks[blocks.length - 1];
  const cost = blocks.reduce((sum, block) => sum + block.cost, 0);
  const known = blocks.every(block => block.costKnown);
  return (
    <button
      type="button"
      className="foldrow"
      aria-expanded={false}
      onClick={() => toggle(key, true)}
    >
      <Icon name="chevronRight" size={12} />
      <b>{trans.__('Steps %1 to %2', blocks[0].step, last.step)}</b>
      <span className="ae-trunc ae-grow">{useStretchWords(blocks)}</span>
      <StepStrip strip={blocks.flatMap(kinds).join('')} />
      <span>{figures.duration(last.endedAt - blocks[0].at)}</span>
      <span>{figures.money(cost, known)}</span>
    </button>
  );
}

/** "read 9 files, ran 6 commands". */
function useStretchWords(blocks: readonly StepBlock[]): string {
  const trans = useWords();
  const calls = new Map<string, number>();
  let thoughts = 0;
  for (const block of blocks) {
    for (const entry of block.entries) {
      if (entry.kind === 'thought') thoughts += 1;
      if (entry.kind !== 'action') continue;
      calls.set(entry.call.tool, (calls.get(entry.call.tool) ?? 0) + 1);
    }
  }
  const count = (...tools: string[]) => {
    const found = tools.reduce((sum, tool) => sum + (calls.get(tool) ?? 0), 0);
    for (const tool of tools) calls.delete(tool);
    return found;
  };
  const read = count('read_file');
  const wrote = count('write_file', 'edit_file', 'append_file');
  const ran = count('run_command');
  const others = [...calls.values()].reduce((sum, n) => sum + n, 0);
  const said = [
    read && trans._n('read %1 file', 'read %1 files', read),
    wrote && trans._n('wrote %1 file', 'wrote %1 files', wrote),
    ran && trans._n('ran %1 command', 'ran %1 commands', ran),
    others && trans._n('%1 other call', '%1 other calls', others)
  ].filter(text => text);
  return said.length > 0
    ? said.join(', ')
    : trans._n('%1 thought', '%1 thoughts', thoughts);
}

function StepRow(props: {
  block: StepBlock;
  live: boolean;
}): React.JSX.Element {
  const trans = useWords();
  const { isOpen, toggle } = useAgent();
  const { block, live } = props;
  const spent = block.inputTokens + block.outputTokens;
  const key = `${block.key}-facts`;
  const open = isOpen(key, false);
  return (
    <section
      className="step"
      tabIndex={-1}
      aria-label={trans.__('Step %1', block.step)}
    >
      <button
        type="button"
        className="sn"
        aria-expanded={open}
        aria-label={trans.__('Model, tokens and cost of step %1', block.step)}
        onClick={() => toggle(key, !open)}
      >
        <b>{block.step}</b>
        <Clock at={block.at} />
      </button>
      <div className="evs">
        {open && <StepFacts block={block} />}
        {groups(block.entries).map(group =>
          group.length > 1 ? (
            <div key={group[0].key} className="parallel">
              {group.map(entry => (
                <div key={entry.key}>
                  <EntryView entry={entry} />
                </div>
              ))}
            </div>
          ) : (
            <EntryView key={group[0].key} entry={group[0]} />
          )
        )}
        {live && <LiveWords step={block} />}
        {block.judgements.map(said => (
          <SaidView key={said.by} said={said} />
        ))}
      </div>
      <div
        className="scost"
        title={
          spent > 0
            ? [
                trans.__(
                  '%1 tokens in, %2 out, by %3',
                  block.inputTokens,
                  block.outputTokens,
                  block.model
                ),
                block.why
              ]
                .filter(text => text)
                .join('\n')
            : undefined
        }
      >
        {spent > 0 && (
          <>
            <span>{figures.tokenCount(spent)}</span>
            <span>{figures.stepMoney(block.cost, block.costKnown)}</span>
          </>
        )}
      </div>
      {block.answered && <StepTools block={block} />}
    </section>
  );
}

/** What one can do with a step: fork from it, judge it. Shown where the pointer or the focus is. */
function StepTools(props: { block: StepBlock }): React.JSX.Element {
  const trans = useWords();
  const { me, judge, process } = useAgent();
  const { step, judgements } = props.block;
  const [forking, setForking] = React.useState(false);
  const anchor = React.useRef<HTMLButtonElement>(null);
  return (
    <span className="tools">
      <Button
        ref={anchor}
        small
        icon="fork"
        className="forkbtn"
        onClick={() => setForking(true)}
      >
        {trans.__('Fork from here')}
      </Button>
      {forking && anchor.current && (
        <ForkPopover
          anchor={anchor.current}
          process={process}
          block={props.block}
          onClose={() => {
            setForking(false);
            anchor.current?.focus();
          }}
        />
      )}
      <Thumbs
        about={trans.__('Judge step %1', step)}
        mine={judgements.find(({ by }) => by === me) ?? null}
        note={
          process.state === 'ZOMBIE'
            ? trans.__('Its later runs read this.')
            : trans.__('It reads this before its next step, and later runs do.')
        }
        onJudge={(thumb, comment) => judge(step, thumb, comment)}
      />
    </span>
  );
}

/** What one person said of a step. */
function SaidView(props: { said: Said }): React.JSX.Element {
  const trans = useWords();
  const { me, query } = useAgent();
  const { by, thumb, comment } = props.said;
  const words = {
    up: trans.__('Thumb up'),
    down: trans.__('Thumb down'),
    none: trans.__('Comment')
  };
  const icons: Record<Said['thumb'], IconName> = {
    up: 'thumbUp',
    down: 'thumbDown',
    none: 'message'
  };
  return (
    <Event kind="msg" icon={icons[thumb]} word={words[thumb]}>
      <Head>
        <b>{by === me ? trans.__('You') : by}</b>{' '}
        <span className="said">
          {comment ? <Inline text={comment} query={query} /> : words[thumb]}
        </span>
      </Head>
    </Event>
  );
}

/** Which model was asked for a step and why, and what it used. */
function StepFacts(props: { block: StepBlock }): React.JSX.Element {
  const trans = useWords();
  const { block } = props;
  const run = useCommand();
  const { pid } = useAgent();
  const { asked, model, why, since, step } = block;
  const spent = block.inputTokens + block.outputTokens;
  const facts: [string, React.ReactNode][] = [
    [trans.__('Model'), <code key="model">{model}</code>]
  ];
  if (asked && asked !== model) {
    facts.push([trans.__('Asked first'), <code key="asked">{asked}</code>]);
  }
  if (why) {
    facts.push([
      trans.__('Why'),
      since < step ? `${why} ${trans.__('So since step %1.', since)}` : why
    ]);
  }
  if (spent > 0) {
    facts.push(
      [
        trans.__('Tokens'),
        trans.__(
          '%1 in, %2 out',
          figures.tokenCount(block.inputTokens),
          figures.tokenCount(block.outputTokens)
        )
      ],
      [trans.__('Cost'), figures.stepMoney(block.cost, block.costKnown)]
    );
  }
  facts.push([
    trans.__('Context'),
    <button
      key="context"
      type="button"
      className="ae-link"
      onClick={() => run(CommandIDs.openContext, { pid, step })}
    >
      {trans.__('What the model saw')}
    </button>
  ]);
  return (
    <dl className="sfacts">
      {facts.map(([name, value]) => (
        <React.Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </React.Fragment>
      ))}
    </dl>
  );
}

/** Calls that follow each other in one step ran side by side. */
function groups(entries: readonly Entry[]): Entry[][] {
  const made: Entry[][] = [];
  for (const entry of entries) {
    const last = made.at(-1);
    if (
      entry.kind === 'action' &&
      !entry.approval &&
      last?.[0].kind === 'action' &&
      !last[0].approval
    ) {
      last.push(entry);
    } else {
      made.push([entry]);
    }
  }
  return made;
}

/** Text of the running step streams into its own entry and moves nothing above it. */
function LiveWords(props: { step: StepBlock }): React.JSX.Element | null {
  const trans = useWords();
  const { live, process } = useAgent();
  const { entries, settled } = props.step;
  const thinks =
    process.state === 'RUNNING' &&
    !settled &&
    entries.every(entry => entry.kind === 'model');
  if (live?.preparing) {
    const { what, done } = live.preparing;
    return (
      <Event kind="thought" icon="clock" word={trans.__('Preparing')}>
        <Head>
          {what}
          {done !== null && ` ${Math.round(done * 100)} %`}
        </Head>
      </Event>
    );
  }
  const words = live?.text || live?.thinking;
  if (words) {
    return (
      <Event kind="thought" icon="thought" word={trans.__('Thought')}>
        <Head>
          <Inline text={words.trimStart()} />
          <span className="caret" />
        </Head>
      </Event>
    );
  }
  return thinks ? (
    <Event kind="thought" icon="thought" word={trans.__('Thought')}>
      <Head>
        <span className="ae-3">{trans.__('Thinking')}</span>
        <span className="caret" />
      </Head>
    </Event>
  ) : null;
}

/** An entry on the rail. */
function Event(props: {
  kind: 'thought' | 'action' | 'obs' | 'appr' | 'msg' | 'err' | 'ok';
  icon: IconName;
  word: string;
  children: React.ReactNode;
}): React.JSX.Element {
  return (
    <div className={`ev ${props.kind}`}>
      <span className="dot" title={props.word}>
        <Icon name={props.icon} size={14} label={props.word} />
      </span>
      <div className="evb">{props.children}</div>
    </div>
  );
}

/** The first line of an entry: words, a fact at the right, and the button that folds what is below. */
function Head(props: {
  children: React.ReactNode;
  fact?: React.ReactNode;
  open?: boolean;
  onToggle?: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { open, onToggle } = props;
  return (
    <div className="evh">
      <span className="evt">{props.children}</span>
      {props.fact && <span className="evm">{props.fact}</span>}
      {onToggle ? (
        <Button
          kind="quiet"
          small
          className="fold"
          icon={open ? 'chevronDown' : 'chevronRight'}
          label={open ? trans.__('Fold') : trans.__('Unfold')}
          onClick={onToggle}
        />
      ) : (
        <span className="fold" />
      )}
    </div>
  );
}

function EntryView(props: { entry: Entry }): React.JSX.Element {
  const trans = useWords();
  const { query, markdown, isOpen, toggle } = useAgent();
  const { entry } = props;
  switch (entry.kind) {
    case 'thought': {
      const long = entry.apart && lineCount(entry.text) > 3;
      const open = !long || isOpen(entry.key, false);
      return (
        <Event
          kind="thought"
          icon="thought"
          word={entry.apart ? trans.__('Reasoning') : trans.__('Thought')}
        >
          <Head
            open={open}
            onToggle={long ? () => toggle(entry.key, !open) : undefined}
          >
            {lineCount(entry.text) > 2 && !entry.apart && !query ? (
              <Markdown text={entry.text} tools={markdown} />
            ) : (
              <span className={open ? 'said' : 'said short'}>
                <Inline text={entry.text} query={query} />
              </span>
            )}
          </Head>
        </Event>
      );
    }
    case 'answer':
      return (
        <Event kind="ok" icon="check" word={trans.__('Result')}>
          <div className="answer">
            <Markdown text={entry.text} tools={markdown} />
          </div>
        </Event>
      );
    case 'error':
      return (
        <Event kind="err" icon="error" word={trans.__('Error')}>
          <Head
            fact={
              entry.attempt !== null &&
              trans.__('try %1 of %2', entry.attempt, 3)
            }
          >
            <Inline text={stripAnsi(entry.text)} query={query} />
          </Head>
        </Event>
      );
    case 'model':
      return (
        <Event kind="obs" icon="settings" word={trans.__('Model')}>
          <Head>
            {entry.what === 'chosen'
              ? trans.__('Asks')
              : trans.__('Answered by')}{' '}
            <code>
              <Found text={entry.model} query={query} />
            </code>{' '}
            <span className="ae-2">
              <Found
                text={
                  entry.what === 'chosen'
                    ? entry.why
                    : trans.__('instead: %1', entry.why)
                }
                query={query}
              />
            </span>
          </Head>
        </Event>
      );
    case 'plan':
      return <PlanView entry={entry} />;
    case 'ask':
      return <AskView entry={entry} />;
    case 'action':
      return <ActionView entry={entry} />;
  }
}

function AskView(props: { entry: AskEntry }): React.JSX.Element {
  const trans = useWords();
  const { approval, decision, closed } = props.entry;
  return (
    <Event
      kind={decision || closed ? 'obs' : 'appr'}
      icon="approval"
      word={trans.__('Approval')}
    >
      <Decided
        approval={approval}
        decision={decision}
        closed={closed}
        title={
          approval.kind === 'limit'
            ? trans.__('Limit reached')
            : trans.__('Question')
        }
        words={approval.question || approval.because || ''}
      />
    </Event>
  );
}

/** A request with its form while it waits, and what was decided after. */
function Decided(props: {
  approval: AskEntry['approval'];
  decision: AskEntry['decision'];
  closed: string;
  title: string;
  words: string;
}): React.JSX.Element {
  const { approval, decision, closed } = props;
  const trans = useWords();
  const now = useClock();
  const { decide, me, query } = useAgent();
  const verdict = useVerdict();
  const waits = !decision && !closed;
  return (
    <>
      <Head
        fact={
          waits
            ? trans.__('waiting %1', figures.age(now - approval.created_at))
            : verdict(approval, decision, closed, me).slice(0, 80)
        }
      >
        <b>{props.title}</b>{' '}
        {!waits && <Inline text={props.words} query={query} />}
        {approval.risk && waits && <RiskChip risk={approval.risk} />}
      </Head>
      {waits && (
        <ApprovalForm
          key={approval.id}
          approval={approval}
          now={now}
          variant="inline"
          onDecide={decision => decide(approval, decision)}
        />
      )}
    </>
  );
}

function ActionView(props: { entry: ActionEntry }): React.JSX.Element {
  const trans = useWords();
  const { query, isOpen, toggle, live, process } = useAgent();
  const { entry } = props;
  const { call, outcome, approval, decision, phase } = entry;
  const text = callText(call);
  const evidence = outcome?.evidence ?? null;
  const diff = evidence?.diff ?? '';
  const many =
    lineCount(text) > 1 ||
    text.length > 160 ||
    Object.keys(call.arguments ?? {}).length > 1;
  const openCall = isOpen(`${entry.key}-call`, false);
  // One line: what the call is about, without the tool that stands before it.
  const line = firstLine(
    call.arguments === null ? text : describe(call).slice(call.tool.length + 1)
  );
  const waits =
    approval !== null && !decision && !entry.closed && phase === 'asking';
  const output = live?.output[call.id] ?? '';
  const sizes = diff ? diffSize(diff) : null;
  const openDiff = isOpen(`${entry.key}-diff`, lineCount(diff) <= 24);
  const head = (
    <>
      <b>
        <Found text={call.tool} query={query} />
      </b>{' '}
      {line && (
        <code>
          <Found text={stripAnsi(line)} query={query} />
        </code>
      )}
    </>
  );
  return (
    <>
      {approval && (
        <Event
          kind={waits ? 'appr' : 'obs'}
          icon="approval"
          word={trans.__('Approval')}
        >
          <Decided
            approval={approval}
            decision={decision}
            closed={entry.closed}
            title={waits ? call.tool : trans.__('Approval')}
            words={approval.because ?? ''}
          />
        </Event>
      )}
      {!waits && (
        <Event kind="action" icon="action" word={trans.__('Action')}>
          <Head
            fact={
              sizes
                ? `+${sizes.added} -${sizes.removed}`
                : phase === 'running' && !outcome
                  ? trans.__('running')
                  : phase === 'dropped' && !outcome
                    ? trans.__('not run')
                    : evidence?.sandbox || process.sandbox
            }
            open={diff ? openDiff : openCall}
            onToggle={
              diff
                ? () => toggle(`${entry.key}-diff`, !openDiff)
                : many
                  ? () => toggle(`${entry.key}-call`, !openCall)
                  : undefined
            }
          >
            {head}
          </Head>
          {many && openCall && !diff && <Output text={text} query={query} />}
          {diff && openDiff && <Diff diff={diff} query={query} />}
          {phase === 'running' && output && (
            <Output
              text={tail(output, 12)}
              label={trans.__('Output as it comes')}
            />
          )}
        </Event>
      )}
      {outcome && <OutcomeView entry={entry} />}
    </>
  );
}

function tail(text: string, lines: number): string {
  return text.replace(/\n$/, '').split('\n').slice(-lines).join('\n');
}

/** What a call came to, with what proves it. */
function OutcomeView(props: { entry: ActionEntry }): React.JSX.Element | null {
  const trans = useWords();
  const { query, isOpen, toggle } = useAgent();
  const { entry } = props;
  const { outcome } = entry;
  if (!outcome) return null;
  const evidence = outcome.evidence ?? {};
  const proof = shown(evidence, outcome.content);
  const key = `${entry.key}-proof`;
  const open = isOpen(key, !outcome.ok && lineCount(proof) <= 40);
  const spent = outcome.duration_s ?? 0;
  const exit = evidence.exit_code;
  const summary =
    exit !== null && exit !== undefined
      ? evidence.timed_out
        ? trans.__('Stopped after %1', figures.took(spent))
        : trans.__('Exit %1 after %2', exit, figures.took(spent))
      : '';
  const words = firstLine(
    summary ? stripAnsi(lastLine(proof)) : stripAnsi(outcome.content)
  );
  const facts = Boolean(proof || evidence.sha256 || evidence.stdout_path);
  return (
    <Event
      kind={outcome.ok ? 'obs' : 'err'}
      icon={outcome.ok ? 'observation' : 'error'}
      word={outcome.ok ? trans.__('Observation') : trans.__('Error')}
    >
      <Head
        fact={
          facts
            ? trans.__('evidence')
            : spent > 0
              ? figures.took(spent)
              : undefined
        }
        open={open}
        onToggle={facts ? () => toggle(key, !open) : undefined}
      >
        {summary && <b>{summary}</b>}
        {summary && words && ', '}
        <Found text={words} query={query} />
      </Head>
      <Pictures images={outcome.images} />
      {open && (
        <>
          {proof &&
            (isDiff(proof) ? (
              <Diff diff={proof} query={query} />
            ) : (
              <Output text={proof} query={query} />
            ))}
          <EvidenceLine evidence={evidence} />
        </>
      )}
    </Event>
  );
}

/** The output to show: what went to the two streams, or what the model was told if that is more than a line. */
function shown(evidence: Evidence, content: string): string {
  const streams = [evidence.stdout, evidence.stderr]
    .filter((text): text is string => Boolean(text))
    .join('\n');
  if (streams) return streams;
  return lineCount(content) > 1 || content.length > 160 ? content : '';
}

function firstLine(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

function EvidenceLine(props: { evidence: Evidence }): React.JSX.Element | null {
  const trans = useWords();
  const { fileUrl } = useAgent();
  const { evidence } = props;
  const links = [
    [evidence.stdout_path, evidence.stdout_bytes, 'stdout'],
    [evidence.stderr_path, evidence.stderr_bytes, 'stderr']
  ] as const;
  const whole = links.filter(([path]) => path);
  const { sha256, path } = evidence;
  if (whole.length === 0 && !sha256 && !path) return null;
  return (
    <p className="evidence">
      <Icon name="file" size={12} />
      {path && (
        <a href={fileUrl(path)} target="_blank" rel="noopener noreferrer">
          {path}
        </a>
      )}
      {whole.map(([file, bytes, name]) => (
        <a
          key={name}
          href={fileUrl(file ?? '')}
          target="_blank"
          rel="noopener noreferrer"
        >
          {trans.__('whole %1, %2', name, figures.size(bytes ?? 0))}
        </a>
      ))}
      {sha256 && <span title={sha256}>{`sha256 ${sha256.slice(0, 8)}`}</span>}
    </p>
  );
}

function MessageRow(props: { block: MessageBlock }): React.JSX.Element {
  const trans = useWords();
  const { me, pid, query } = useAgent();
  const { block } = props;
  const sender = block.sender === me ? trans.__('You') : block.sender;
  const titles: Record<MessageBlock['what'], readonly [IconName, string]> = {
    goal: ['aether', trans.__('Goal')],
    message: ['message', trans.__('Message')],
    memory: ['layers', trans.__('Remembers')],
    summary: ['layers', trans.__('In short')]
  };
  const [icon, title] = titles[block.what];
  if (block.steps) return <SummaryRow block={block} steps={block.steps} />;
  return (
    <section
      className="step person"
      tabIndex={-1}
      aria-label={sender ? trans.__('Message of %1', sender) : title}
    >
      <div className="sn">
        <Clock at={block.at} />
      </div>
      <div className="evs">
        <Event kind="msg" icon={icon} word={title}>
          <Head fact={block.what === 'memory' ? '' : trans.__('to %1', pid)}>
            <b>{block.what === 'message' ? sender : title}</b>{' '}
            <span className="said">
              {block.memories ? (
                <Remembered text={block.text} known={block.memories} />
              ) : (
                <Inline text={block.text} query={query} />
              )}
            </span>
          </Head>
          <Pictures images={block.images} />
        </Event>
      </div>
      <div className="scost" />
    </section>
  );
}

/** What a model is told of older steps from here on, folded: the steps themselves stand above. */
function SummaryRow(props: {
  block: MessageBlock;
  steps: readonly [number, number];
}): React.JSX.Element {
  const trans = useWords();
  const { query } = useAgent();
  const { at, text, tokens } = props.block;
  const [first, last] = props.steps;
  const title =
    first === last
      ? trans.__('Step %1 in short', first)
      : trans.__('Steps %1 to %2 in short', first, last);
  const found = query !== '' && text.toLowerCase().includes(query);
  return (
    <section className="step person" tabIndex={-1} aria-label={title}>
      <div className="sn">
        <Clock at={at} />
      </div>
      <div className="evs">
        <Event kind="msg" icon="layers" word={trans.__('In short')}>
          <details className="short" open={found || undefined}>
            <summary>
              <b>{title}</b>{' '}
              <span className="ae-2">
                {tokens &&
                  trans.__(
                    'from here on the model reads this instead; %1 tokens became %2',
                    figures.tokenCount(tokens[0]),
                    figures.tokenCount(tokens[1])
                  )}
              </span>
            </summary>
            <p className="said">
              <Inline text={text} query={query} />
            </p>
          </details>
        </Event>
      </div>
      <div className="scost" />
    </section>
  );
}

/** What a model was reminded of, each memory with the way to it. */
function Remembered(props: {
  text: string;
  known: readonly number[];
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { query } = useAgent();
  // Only numbers that the journal itself tells become links, whatever the text of a memory looks like.
  const pieces = props.text.split(/^\[(\d+)\]/m);
  return (
    <>
      {pieces.map((piece, index) => {
        const id = Number(piece);
        if (index % 2 === 0) {
          return <Inline key={index} text={piece} query={query} />;
        }
        if (!props.known.includes(id)) return `[${piece}]`;
        return (
          <button
            key={index}
            type="button"
            className="ae-link"
            title={trans.__('Show it in the Memory Inspector')}
            onClick={() => run(CommandIDs.openMemory, { memory: id })}
          >{`[${id}]`}</button>
        );
      })}
    </>
  );
}

/** A change of the plan: how far it is, and folded below it what is otherwise. */
function PlanView(props: { entry: PlanEntry }): React.JSX.Element {
  const trans = useWords();
  const { isOpen, toggle, query } = useAgent();
  const { key, done, steps, changes } = props.entry;
  const some = changes !== null && changes.length > 0;
  const open = some && isOpen(key, query !== '');
  return (
    <Event kind="obs" icon="list" word={trans.__('Plan')}>
      <Head open={open} onToggle={some ? () => toggle(key, !open) : undefined}>
        {trans.__('Plan: %1 of %2 done', done, steps)}
      </Head>
      {open && <Changes found={changes} />}
    </Event>
  );
}

/** A person changed the plan, or a child that ended did. */
function PlanNote(props: {
  entry: PlanEntry;
  who: string;
  at: number;
}): React.JSX.Element {
  const trans = useWords();
  const { isOpen, toggle, query } = useAgent();
  const { entry, who, at } = props;
  const some = entry.changes !== null && entry.changes.length > 0;
  const open = some && isOpen(entry.key, query !== '');
  return (
    <div className="noterow">
      <Clock at={at} />
      <div>
        <span className="ae-row">
          {who.startsWith('agent:')
            ? trans.__(
                'Agent %1 ended. Plan: %2 of %3 done',
                who.slice(6),
                entry.done,
                entry.steps
              )
            : trans.__(
                '%1 changed the plan: %2 of %3 done',
                who,
                entry.done,
                entry.steps
              )}
          {some && (
            <Button
              kind="quiet"
              small
              className="fold"
              icon={open ? 'chevronDown' : 'chevronRight'}
              label={open ? trans.__('Fold') : trans.__('Unfold')}
              onClick={() => toggle(entry.key, !open)}
            />
          )}
        </span>
        {open && <Changes found={entry.changes ?? []} />}
      </div>
    </div>
  );
}

function NoteRow(props: { block: NoteBlock }): React.JSX.Element {
  const trans = useWords();
  const { me } = useAgent();
  const { what, actor, at } = props.block;
  const who = actor === me ? trans.__('You') : actor;
  if (what.type === 'plan') {
    return <PlanNote entry={what.plan} who={who} at={at} />;
  }
  const text = (): string => {
    switch (what.type) {
      case 'signal':
        return {
          STOP: trans.__('%1 paused it', who),
          CONT: trans.__('%1 let it go on', who),
          INT: trans.__('%1 interrupted the step', who),
          TERM: trans.__('%1 asked it to end after the step', who),
          KILL: trans.__('%1 killed it', who)
        }[what.signal];
      case 'limits':
        return trans.__(
          '%1 set new limits: %2',
          who,
          [
            what.limits.steps !== null &&
              trans.__('%1 steps', what.limits.steps),
            what.limits.tokens !== null &&
              trans.__('%1 tokens', figures.tokenCount(what.limits.tokens)),
            what.limits.cost_usd !== null &&
              figures.limitMoney(what.limits.cost_usd),
            what.limits.wall_s !== null &&
              figures.limitDuration(what.limits.wall_s)
          ]
            .filter(part => part)
            .join(', ') || trans.__('none')
        );
      case 'taken':
        return trans.__('%1 took over', who);
      case 'asked':
        return trans.__('%1 asks for control', who);
      case 'terminal':
        return what.durationS === null
          ? trans.__('%1 opened a terminal in its sandbox', who)
          : trans.__(
              '%1 left the terminal after %2',
              who,
              figures.duration(what.durationS)
            );
      case 'returned': {
        const time = figures.duration(what.durationS);
        if (what.why === 'gone') {
          return trans.__(
            '%1 was gone; the agent has control again, after %2',
            who,
            time
          );
        }
        return what.note
          ? trans.__('%1 handed back after %2: %3', who, time, what.note)
          : trans.__('%1 handed back after %2', who, time);
      }
      case 'reaped':
        return what.kept
          ? trans.__('%1 put it away; its files are kept', who)
          : trans.__('%1 put it away; its files are gone', who);
      case 'model':
        return what.model === 'auto'
          ? trans.__('%1 left the choice of the model to the server', who)
          : trans.__('%1 chose the model %2', who, what.model);
      case 'snapshot': {
        const { id, label, reason } = what.snapshot;
        const named = label ? `${id} (“${label}”)` : String(id);
        return reason === 'destructive'
          ? trans.__('Snapshot %1, before what cannot be undone', named)
          : trans.__('%1 took snapshot %2', who, named);
      }
      case 'restored': {
        const { from, edited } = what;
        const begun =
          from?.pid === null || from?.pid === undefined
            ? trans.__(
                '%1 brought it from elsewhere; it goes on from here',
                who
              )
            : trans.__(
                '%1 had it go on from here, apart from agent %2',
                who,
                from.pid
              );
        return edited ? `${begun}. ${edited}` : begun;
      }
      case 'no-lookback':
        return trans.__('It does not look back: %1', what.text);
      case 'why':
        return what.text;
    }
  };
  return (
    <p className="noterow">
      <Clock at={at} />
      <span>{text()}</span>
    </p>
  );
}

function EndRow(props: { block: EndBlock }): React.JSX.Element {
  const trans = useWords();
  const { markdown } = useAgent();
  const { status, at, said } = props.block;
  const well = status.code === 0;
  const reason = {
    completed: '',
    failed: '',
    limit: trans.__('at a limit'),
    terminated: trans.__('terminated'),
    killed: trans.__('killed'),
    stuck: trans.__('stuck')
  }[status.reason];
  return (
    <section
      className={`endrow ${well ? 'good' : 'bad'}`}
      tabIndex={-1}
      aria-label={well ? trans.__('Done') : trans.__('Failed')}
    >
      <div className="ae-row">
        <Mark
          standing={well ? 'done' : 'failed'}
          title={`exit ${status.code}, ${status.reason}`}
        />
        {reason && <span className="ae-2">{reason}</span>}
        <span className="ae-grow" />
        <span className="ae-small ae-2">
          {trans.__('exit %1', status.code)} · <Clock at={at} />
        </span>
      </div>
      {status.message &&
        !said &&
        (well ? (
          <Markdown text={status.message} tools={markdown} />
        ) : (
          <p className="said">
            <Inline text={stripAnsi(status.message)} />
          </p>
        ))}
      {status.result !== null && status.result !== undefined && (
        <Output
          text={JSON.stringify(status.result, null, 2)}
          label={trans.__('Result')}
        />
      )}
    </section>
  );
}

/** What an ended run learnt: its own rating, and folded below it what worked, what did not, and the lessons. */
function LookbackRow(props: { block: LookbackBlock }): React.JSX.Element {
  const trans = useWords();
  const { query, isOpen, toggle } = useAgent();
  const { block } = props;
  const { rating, worked, failed, lessons, strategy, kept } = block;
  const open = isOpen(block.key, false) || query !== '';
  const lists: readonly (readonly [string, readonly string[]])[] = [
    [trans.__('Lessons'), lessons],
    [trans.__('Worked'), worked],
    [trans.__('Did not work'), failed],
    [trans.__('Next time'), strategy ? [strategy] : []]
  ];
  const parts = lists.filter(([, words]) => words.length > 0);
  return (
    <section
      className="step"
      tabIndex={-1}
      aria-label={trans.__('Looks back: %1 of 5', rating)}
    >
      <div className="sn">
        <Clock at={block.at} />
      </div>
      <div className="evs">
        <Event kind="thought" icon="refresh" word={trans.__('Looks back')}>
          <Head
            fact={
              kept > 0 && trans._n('%1 memory kept', '%1 memories kept', kept)
            }
            open={open}
            onToggle={
              parts.length > 0 ? () => toggle(block.key, !open) : undefined
            }
          >
            <b>{trans.__('Looks back: %1 of 5', rating)}</b>{' '}
            {!open && (
              <span className="said short">{lessons[0] ?? strategy}</span>
            )}
          </Head>
          {open && (
            <dl className="lookback">
              {parts.map(([title, words]) => (
                <React.Fragment key={title}>
                  <dt>{title}</dt>
                  {words.map(text => (
                    <dd key={text}>
                      <Inline text={text} query={query} />
                    </dd>
                  ))}
                </React.Fragment>
              ))}
            </dl>
          )}
        </Event>
      </div>
      <div className="scost" />
    </section>
  );
}
