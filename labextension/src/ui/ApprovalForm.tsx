/**
 * One approval to decide: the exact call in full, why it asks, and what a person may say to it. Approve is offered
 * only where the whole of what will run has been on the screen to its last line.
 */
import * as React from 'react';

import type { Approval, Decision, Remember } from '../api/types';
import { CommandIDs } from '../commands/ids';
import { Button, Note } from './controls';
import { age, limitDuration, limitMoney, tokenCount } from './figures';
import { useHints } from './hints';
import { Icon } from './icons';
import { diffSize, isDiff, lineCount } from './plainText';
import { Diff, Revealed } from './Text';
import { useWords } from './words';

const SHORT_LINES = 14;
const SHORT_CHARS = 1400;
/** A card that has just come must not take a key that was meant for another. */
const DEAF_MS = 500;
const SURE_MS = 4000;

/** What a key does to a request. */
export type ApprovalKey =
  'approve' | 'read' | 'edit' | 'refuse' | `option-${number}`;

type Deeds = Readonly<Partial<Record<ApprovalKey, () => void>>>;

const pressable = new WeakMap<Element, (key: ApprovalKey) => void>();

/** Does what a key stands for to the request that `focused` is in, if it is in one. */
export function pressApproval(focused: Element | null, key: ApprovalKey): void {
  const card = focused?.closest('.ae-approval');
  if (card) pressable.get(card)?.(key);
}

/**
 * Lets keys act on the card of `root`, but not on one that came in the last half second. The deeds are those that
 * `current` holds when a key is pressed.
 */
export function usePressable(
  root: React.RefObject<HTMLElement>
): React.MutableRefObject<Deeds> {
  const deeds = React.useRef<Deeds>({});
  React.useEffect(() => {
    const { current: card } = root;
    if (!card) return undefined;
    const born = performance.now();
    pressable.set(card, key => {
      if (performance.now() - born >= DEAF_MS) deeds.current[key]?.();
    });
    return () => {
      pressable.delete(card);
    };
  }, [root]);
  return deeds;
}

/** A held Enter presses the button again and again; only the first time is meant. */
export function ignoreHeldEnter(event: React.KeyboardEvent): void {
  if (
    event.repeat &&
    event.key === 'Enter' &&
    event.target instanceof HTMLButtonElement
  ) {
    event.preventDefault();
  }
}

export interface IApprovalFormProps {
  approval: Approval;
  /** The server's clock in seconds. */
  now: number;
  /** `card` has a head of its own, `inline` stands in a step, `cell` under the head of a notebook cell. */
  variant?: 'card' | 'inline' | 'cell';
  onDecide: (decision: Decision) => Promise<void>;
  onOpen?: () => void;
}

type Doing = 'looking' | 'editing' | 'refusing';

export function ApprovalForm(props: IApprovalFormProps): React.JSX.Element {
  const { approval, variant = 'card', onDecide } = props;
  const trans = useWords();
  const [doing, setDoing] = React.useState<Doing>('looking');
  const [busy, setBusy] = React.useState(false);
  const [failure, setFailure] = React.useState('');
  const root = React.useRef<HTMLElement>(null);
  const keys = usePressable(root);

  const send = (decision: Decision) => {
    if (busy) return;
    setBusy(true);
    setFailure('');
    onDecide(decision).catch((error: unknown) => {
      setFailure(error instanceof Error ? error.message : String(error));
      setBusy(false);
    });
  };
  const back = () => {
    setDoing('looking');
    root.current?.focus();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Escape' && doing !== 'looking') {
      back();
      event.stopPropagation();
      event.preventDefault();
      return;
    }
    ignoreHeldEnter(event);
  };

  const head = {
    call: approval.call?.tool ?? trans.__('Tool call'),
    question: trans.__('Question'),
    limit: trans.__('Limit reached')
  }[approval.kind];
  const parts: IPartProps = {
    approval,
    variant,
    busy,
    doing,
    setDoing,
    back,
    send,
    keys
  };
  return (
    <article
      ref={root}
      // A notebook has its own meaning for single letters, and they must not act on its cells from here.
      data-lm-suppress-shortcuts={variant === 'cell' ? 'true' : undefined}
      className={`ae-approval ${variant}`}
      tabIndex={0}
      aria-label={trans.__('%1 asks: %2', approval.name, head)}
      aria-busy={busy}
      onKeyDown={onKeyDown}
      data-approval={approval.id}
    >
      {variant !== 'inline' && (
        <header>
          <span className="ae-row">
            <b className="ae-b ae-trunc">{head}</b>
            {approval.risk && <RiskChip risk={approval.risk} />}
            <span className="ae-grow" />
            <time className="ae-small ae-2" title={trans.__('Asked')}>
              {age(props.now - approval.created_at)}
            </time>
          </span>
          {variant === 'card' && (
            <p className="ae-small ae-2 ae-trunc">
              <a
                role="link"
                tabIndex={0}
                title={trans.__('Open the agent')}
                onClick={props.onOpen}
                onKeyDown={event => {
                  if (event.key === 'Enter') props.onOpen?.();
                }}
              >
                {approval.name}
              </a>
              {` · ${approval.pid} · ${trans.__('step %1', approval.step)}`}
            </p>
          )}
        </header>
      )}
      {approval.kind === 'call' && <Call {...parts} />}
      {approval.kind === 'question' && <Question {...parts} />}
      {approval.kind === 'limit' && <Limit {...parts} />}
      {failure && (
        <Note tone="bad" icon="error" alert>
          {failure}
        </Note>
      )}
    </article>
  );
}

interface IPartProps {
  approval: Approval;
  variant: 'card' | 'inline' | 'cell';
  busy: boolean;
  doing: Doing;
  setDoing: (doing: Doing) => void;
  back: () => void;
  send: (decision: Decision) => void;
  keys: React.MutableRefObject<Deeds>;
}

/** What a call may do, in one word. */
export function RiskChip(props: {
  risk: NonNullable<Approval['risk']>;
}): React.JSX.Element {
  const trans = useWords();
  const word = {
    safe: trans.__('safe'),
    write: trans.__('write'),
    execute: trans.__('execute'),
    network: trans.__('network'),
    destructive: trans.__('destructive')
  }[props.risk];
  const tone =
    props.risk === 'destructive' ? 'bad' : props.risk === 'safe' ? '' : 'warn';
  return <span className={`ae-chip ae-risk ${tone}`}>{word}</span>;
}

function Call(props: IPartProps): React.JSX.Element {
  const { approval, variant, busy, doing, setDoing, send, keys } = props;
  const trans = useWords();
  const call = approval.call;
  const destructive = approval.risk === 'destructive';
  const preview = approval.preview ?? '';
  const texts = React.useMemo(() => callTexts(call), [call]);
  const [unread, setUnread] = React.useState<ReadonlySet<string>>(
    () => new Set([...texts.map(text => text.name), ...(preview ? ['#'] : [])])
  );
  const [remember, setRemember] = React.useState<Remember>('once');
  /** When the question after the first press was asked; `null` if it is not. */
  const [sureAt, setSureAt] = React.useState<number | null>(null);
  const sure = sureAt !== null;
  const hint = useHints();
  const boxes = React.useRef(new Map<string, HTMLElement>());
  const [open, setOpen] = React.useState(false);

  React.useEffect(() => {
    if (!sure) return undefined;
    const timer = window.setTimeout(() => setSureAt(null), SURE_MS);
    return () => window.clearTimeout(timer);
  }, [sure]);

  const noteRead = React.useCallback((name: string) => {
    setUnread(before =>
      before.has(name)
        ? new Set([...before].filter(other => other !== name))
        : before
    );
  }, []);
  const holder = React.useCallback((name: string, box: HTMLElement | null) => {
    if (box) boxes.current.set(name, box);
    else boxes.current.delete(name);
  }, []);

  const read = () => {
    if (!open) {
      setOpen(true);
      return;
    }
    const next = [...boxes.current.keys()].find(name => unread.has(name));
    const box = next === undefined ? undefined : boxes.current.get(next);
    // A page at a time; the observer says when the end was on the screen.
    box?.scrollBy({ top: Math.max(40, box.clientHeight - 36) });
    box?.scrollIntoView({ block: 'nearest' });
  };
  const approve = () => {
    if (unread.size > 0) {
      read();
    } else if (destructive && sureAt === null) {
      setSureAt(performance.now());
    } else if (
      sureAt === null ||
      // The second half of a double click has not read the question.
      performance.now() - sureAt >= DEAF_MS
    ) {
      send({ verdict: 'approve', remember });
    }
  };
  const edit = () => setDoing('editing');
  const refuse = () => setDoing('refusing');
  keys.current =
    doing === 'looking'
      ? {
          approve: () => {
            if (unread.size === 0) approve();
          },
          read,
          edit: call?.arguments ? edit : undefined,
          refuse
        }
      : {};

  if (doing === 'editing' && call?.arguments) {
    return <Edit {...props} />;
  }
  const lines = lineCount(preview);
  const size = isDiff(preview) ? diffSize(preview) : null;
  return (
    <>
      <div className={open ? 'ae-approval-call open' : 'ae-approval-call'}>
        {texts.map(text => (
          <Readable
            key={text.name}
            name={text.name}
            label={texts.length > 1 ? text.name : ''}
            onRead={noteRead}
            holder={holder}
          >
            <Revealed text={text.value} />
          </Readable>
        ))}
      </div>
      {preview && (
        <div
          className={open ? 'ae-approval-preview open' : 'ae-approval-preview'}
        >
          <p className="ae-small ae-2">
            {size ? (
              <>
                {trans.__('Changes')} <span className="add">+{size.added}</span>{' '}
                <span className="del">-{size.removed}</span>
              </>
            ) : (
              trans._n('What it runs, %1 line', 'What it runs, %1 lines', lines)
            )}
          </p>
          {open || isShort(preview) ? (
            <Readable name="#" label="" onRead={noteRead} holder={holder}>
              {size ? (
                <Diff diff={preview} wrap />
              ) : (
                <Revealed text={preview} />
              )}
            </Readable>
          ) : null}
        </div>
      )}
      {(approval.where || approval.because) &&
        (variant === 'card' ? (
          <dl className="ae-approval-facts">
            {approval.where && (
              <>
                <dt>{trans.__('Where')}</dt>
                <dd>
                  {trans.__('%1, for %2', approval.where, approval.owner)}
                </dd>
              </>
            )}
            {approval.because && (
              <>
                <dt>{trans.__('Asks because')}</dt>
                <dd>{approval.because}</dd>
              </>
            )}
          </dl>
        ) : (
          <p className="ae-small ae-2 ae-approval-why">
            {approval.because && (
              <>
                <b className="ae-b">{trans.__('Asks because')}</b>{' '}
                {approval.because}
                {/[.!?]$/.test(approval.because) ? ' ' : '. '}
              </>
            )}
            {approval.where &&
              trans.__('Runs in %1, for %2.', approval.where, approval.owner)}
          </p>
        ))}
      {doing === 'refusing' ? (
        <Refuse {...props} />
      ) : (
        <>
          <div className="ae-approval-acts">
            {unread.size > 0 ? (
              <Button
                kind="primary"
                small
                hint={hint(CommandIDs.readApproval)}
                onClick={read}
              >
                {trans.__('Read')}
              </Button>
            ) : (
              <Button
                kind={sure ? 'danger' : 'primary'}
                small
                hint={hint(CommandIDs.approve)}
                disabled={busy && trans.__('The decision is on its way')}
                onClick={approve}
              >
                {sure
                  ? trans.__('Run %1, for good', call?.tool ?? '')
                  : trans.__('Approve')}
              </Button>
            )}
            <Button
              small
              hint={hint(CommandIDs.editApproval)}
              disabled={
                !call?.arguments && trans.__('The arguments cannot be edited')
              }
              onClick={edit}
            >
              {trans.__('Edit')}
            </Button>
            <Button small hint={hint(CommandIDs.refuse)} onClick={refuse}>
              {trans.__('Refuse')}
            </Button>
          </div>
          {unread.size > 0 ? (
            <p className="ae-small ae-2">
              {trans.__('Approve comes after the last line.')}
            </p>
          ) : sure ? (
            <p className="ae-small ae-2" role="status">
              {trans.__(
                'What it removes cannot be brought back. Press again to run it.'
              )}
            </p>
          ) : (
            !destructive &&
            !approval.each_time &&
            call && (
              <label className="ae-approval-scope ae-small ae-2">
                <span>{trans.__('Covers')}</span>
                <select
                  className="ae-select"
                  data-lm-suppress-shortcuts="true"
                  value={remember}
                  onChange={event =>
                    setRemember(event.currentTarget.value as Remember)
                  }
                >
                  <option value="once">{trans.__('only this call')}</option>
                  <option value="session">
                    {trans.__(
                      'every %1 of agent %2, this session',
                      call.tool,
                      approval.pid
                    )}
                  </option>
                  <option value="always">
                    {trans.__(
                      'every %1 of all my agents, until revoked',
                      call.tool
                    )}
                  </option>
                </select>
              </label>
            )
          )}
        </>
      )}
    </>
  );
}

/** Text in a box that tells when its end has been on the screen. */
export function Readable(props: {
  name: string;
  label: string;
  children: React.ReactNode;
  onRead: (name: string) => void;
  holder: (name: string, box: HTMLElement | null) => void;
}): React.JSX.Element {
  const { name, onRead, holder } = props;
  const box = React.useRef<HTMLDivElement>(null);
  const end = React.useRef<HTMLElement>(null);
  React.useEffect(() => {
    const { current: root } = box;
    if (!root || !end.current) return undefined;
    holder(name, root);
    const observer = new IntersectionObserver(
      entries => {
        if (entries.some(entry => entry.isIntersecting)) onRead(name);
      },
      { root, rootMargin: '0px 0px 4px 0px' }
    );
    observer.observe(end.current);
    return () => {
      observer.disconnect();
      holder(name, null);
    };
  }, [name, onRead, holder]);
  return (
    <>
      {props.label && (
        <span className="ae-approval-name">
          <Revealed text={props.label} />
        </span>
      )}
      <div className="ae-code wrap ae-readable" ref={box} tabIndex={0}>
        {props.children}
        <i ref={end} className="ae-end" aria-hidden="true" />
      </div>
    </>
  );
}

export interface ICallText {
  readonly name: string;
  readonly value: string;
}

/** The exact arguments as text, each with its name. */
export function callTexts(call: Approval['call']): ICallText[] {
  if (!call) return [];
  if (call.arguments === null) {
    return [{ name: 'arguments', value: call.raw ?? '' }];
  }
  const given = Object.entries(call.arguments);
  if (given.length === 0) return [];
  return given.map(([name, value]) => ({ name, value: fieldText(value) }));
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function isShort(text: string): boolean {
  return lineCount(text) <= SHORT_LINES && text.length <= SHORT_CHARS;
}

/** One line that the agent reads, and the refusal. */
export function Refuse(props: {
  send: (decision: Decision) => void;
  back: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const [reason, setReason] = React.useState('');
  const id = React.useId();
  const refuse = () =>
    props.send({ verdict: 'refuse', reason: reason.trim() || null });
  return (
    <div className="ae-approval-more" data-lm-suppress-shortcuts="true">
      <label className="ae-label" htmlFor={id}>
        {trans.__('Why not')}{' '}
        <span className="ae-2">{trans.__('the agent reads this')}</span>
      </label>
      <textarea
        id={id}
        className="ae-input"
        rows={2}
        value={reason}
        autoFocus
        onChange={event => setReason(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            refuse();
            event.preventDefault();
          }
        }}
      />
      <div className="ae-approval-acts">
        <Button kind="primary" small hint="Ctrl ⏎" onClick={refuse}>
          {trans.__('Refuse')}
        </Button>
        <Button small hint="Esc" onClick={props.back}>
          {trans.__('Back')}
        </Button>
      </div>
    </div>
  );
}

function Edit(props: IPartProps): React.JSX.Element {
  const trans = useWords();
  const { approval, send, back } = props;
  const given = React.useMemo(
    () => approval.call?.arguments ?? {},
    [approval.call]
  );
  const [fields, setFields] = React.useState<Readonly<Record<string, string>>>(
    () =>
      Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, fieldText(value)])
      )
  );
  const [problem, setProblem] = React.useState('');
  const changed = Object.keys(fields).filter(
    name => fields[name] !== fieldText(given[name])
  );
  const run = () => {
    const args: Record<string, unknown> = {};
    for (const [name, text] of Object.entries(fields)) {
      if (typeof given[name] === 'string') {
        args[name] = text;
        continue;
      }
      try {
        args[name] = JSON.parse(text) as unknown;
      } catch {
        setProblem(trans.__('%1 is not valid JSON. Nothing was sent.', name));
        return;
      }
    }
    send(
      changed.length > 0
        ? { verdict: 'edit', arguments: args }
        : { verdict: 'approve' }
    );
  };
  return (
    <form
      className="ae-approval-more"
      data-lm-suppress-shortcuts="true"
      onSubmit={event => {
        event.preventDefault();
        run();
      }}
      onKeyDown={event => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          run();
          event.preventDefault();
        }
      }}
    >
      {Object.entries(fields).map(([name, text], index) => (
        <label key={name} className="ae-approval-field">
          <span className="ae-label">
            {name}{' '}
            {changed.includes(name) && (
              <span className="ae-2">{trans.__('edited')}</span>
            )}
          </span>
          <textarea
            className="ae-input ae-mono"
            rows={Math.min(12, Math.max(1, lineCount(text)))}
            value={text}
            autoFocus={index === 0}
            spellCheck={false}
            onChange={event => {
              const { value } = event.currentTarget;
              setFields(before => ({ ...before, [name]: value }));
            }}
          />
        </label>
      ))}
      {problem ? (
        <Note tone="bad" icon="error" alert>
          {problem}
        </Note>
      ) : (
        <p className="ae-small ae-2">
          {changed.length > 0
            ? trans.__(
                'The agent is told that you changed %1.',
                changed.join(', ')
              )
            : trans.__('The agent is told what you change.')}
        </p>
      )}
      <div className="ae-approval-acts">
        <Button kind="primary" small hint="Ctrl ⏎" onClick={run}>
          {trans.__('Run edited')}
        </Button>
        <Button small hint="Esc" onClick={back}>
          {trans.__('Back')}
        </Button>
      </div>
    </form>
  );
}

function Question(props: IPartProps): React.JSX.Element {
  const trans = useWords();
  const { approval, busy, send, keys } = props;
  const hint = useHints();
  const options = approval.options ?? [];
  const [words, setWords] = React.useState('');
  const answer = (text: string) => {
    if (text.trim()) send({ verdict: 'answer', answer: text.trim() });
  };
  keys.current = Object.fromEntries(
    options
      .slice(0, 9)
      .map((option, index) => [`option-${index + 1}`, () => answer(option)])
  );
  return (
    <>
      <p className="ae-approval-words">
        <Revealed text={approval.question || approval.because || ''} />
      </p>
      {options.length > 0 && (
        <div className="ae-approval-options">
          {options.map((option, index) => (
            <Button
              key={`${index} ${option}`}
              small
              hint={hint(`${CommandIDs.answer} ${index + 1}`)}
              disabled={busy && trans.__('The answer is on its way')}
              onClick={() => answer(option)}
            >
              <span className="ae-trunc" title={option}>
                {option}
              </span>
            </Button>
          ))}
        </div>
      )}
      <form
        className="ae-field ae-approval-answer"
        data-lm-suppress-shortcuts="true"
        onSubmit={event => {
          event.preventDefault();
          answer(words);
        }}
      >
        <input
          value={words}
          aria-label={trans.__('Answer')}
          placeholder={
            options.length > 0
              ? trans.__('Or answer in your words')
              : trans.__('Answer in your words')
          }
          onChange={event => setWords(event.currentTarget.value)}
        />
        <button
          type="submit"
          className="ae-btn quiet icon small"
          aria-label={trans.__('Send the answer')}
        >
          <Icon name="send" size={12} />
        </button>
      </form>
    </>
  );
}

/** What "go on" adds, as the server offers it: `steps=25`, `cost_usd=1`. */
export function growth(options: readonly string[]): string {
  const parts = options.map(option => {
    const [name, text] = option.split('=');
    const value = Number(text);
    if (name === 'cost_usd') return `+${limitMoney(value)}`;
    if (name === 'tokens') return `+${tokenCount(value)}`;
    if (name === 'wall_s') return `+${limitDuration(value)}`;
    return `+${value}`;
  });
  return parts.join(', ');
}

function Limit(props: IPartProps): React.JSX.Element {
  const trans = useWords();
  const { approval, busy, send, keys } = props;
  const options = (approval.options ?? []).filter(option =>
    option.includes('=')
  );
  const inSteps = options.every(option => option.startsWith('steps='));
  const more =
    options.length === 0
      ? trans.__('+25 steps')
      : inSteps
        ? trans.__('%1 steps', growth(options))
        : growth(options);
  const extend = () => send({ verdict: 'extend' });
  const finish = () => send({ verdict: 'finish' });
  keys.current = { approve: extend, refuse: finish };
  const hint = useHints();
  const wait = busy && trans.__('The decision is on its way');
  return (
    <>
      <p className="ae-approval-words">
        {approval.question || approval.because}
      </p>
      <div className="ae-approval-acts">
        <Button
          kind="primary"
          small
          hint={hint(CommandIDs.approve)}
          disabled={wait}
          onClick={extend}
        >
          {more}
        </Button>
        <Button
          small
          hint={hint(CommandIDs.refuse)}
          disabled={wait}
          onClick={finish}
        >
          {trans.__('Finish here')}
        </Button>
      </div>
    </>
  );
}

/** What was decided, as a few words: "approved by ana, edited". */
export function useVerdict(): (
  approval: Approval,
  decision: Decision | null,
  closed: string,
  me: string
) => string {
  const trans = useWords();
  return (_approval, decision, closed, me) => {
    if (!decision) return closed || trans.__('no longer needed');
    const by =
      decision.by === me || !decision.by ? trans.__('you') : decision.by;
    switch (decision.verdict) {
      case 'approve':
        return decision.remember === 'session'
          ? trans.__('approved by %1, this session', by)
          : decision.remember === 'always'
            ? trans.__('approved by %1, always', by)
            : trans.__('approved by %1, once', by);
      case 'edit':
        return trans.__('approved by %1, edited', by);
      case 'answer':
        return trans.__('answered by %1: %2', by, decision.answer ?? '');
      case 'refuse':
        return decision.reason
          ? trans.__('refused by %1: %2', by, decision.reason)
          : trans.__('refused by %1', by);
      case 'extend':
        return trans.__('extended by %1', by);
      case 'finish':
        return trans.__('finished by %1', by);
    }
  };
}
