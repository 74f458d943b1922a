/** Equal calls as one card: each is listed in full, and one press decides them all once all of it was on the screen. */
import * as React from 'react';

import type { Approval, Decision } from '../api/types';
import { CommandIDs } from '../commands/ids';
import {
  callTexts,
  ignoreHeldEnter,
  Readable,
  Refuse,
  RiskChip,
  usePressable
} from './ApprovalForm';
import { Button, Note } from './controls';
import { age } from './figures';
import { useHints } from './hints';
import { Revealed } from './Text';
import { useWords } from './words';

const LIST = 'all';

export function SameCalls(props: {
  /** Two or more waiting calls of one tool, of agents of one name. */
  approvals: readonly Approval[];
  /** The server's clock in seconds. */
  now: number;
  /** Decides all; resolves with what could not be decided, as sentences. */
  onDecide: (decision: Decision) => Promise<readonly string[]>;
  onApart: () => void;
}): React.JSX.Element {
  const approvals = [...props.approvals].sort(
    (a, b) => a.pid - b.pid || a.step - b.step
  );
  const trans = useWords();
  const hint = useHints();
  const root = React.useRef<HTMLElement>(null);
  const box = React.useRef<HTMLElement | null>(null);
  const keys = usePressable(root);
  const [refusing, setRefusing] = React.useState(false);
  const [busy, setBusy] = React.useState(false);
  const [failures, setFailures] = React.useState<readonly string[]>([]);
  // One that joins must be read too.
  const ids = approvals.map(approval => approval.id).join(' ');
  const [read, setRead] = React.useState('');
  const unread = read !== ids;

  const send = (decision: Decision) => {
    if (busy) return;
    setBusy(true);
    setFailures([]);
    void props
      .onDecide(decision)
      .then(setFailures)
      .finally(() => setBusy(false));
  };
  const readOn = () => {
    const { current } = box;
    current?.scrollBy({ top: Math.max(40, current.clientHeight - 36) });
    current?.scrollIntoView({ block: 'nearest' });
  };
  const approve = () => {
    if (!unread) send({ verdict: 'approve', remember: 'once' });
  };
  const refuse = () => setRefusing(true);
  keys.current = refusing ? {} : { approve, read: readOn, refuse };
  const noteRead = React.useCallback(() => setRead(ids), [ids]);
  const holder = React.useCallback(
    (_name: string, element: HTMLElement | null) => {
      box.current = element;
    },
    []
  );

  const [first] = approvals;
  const count = approvals.length;
  const tool = first.call?.tool ?? '';
  const places = new Set(approvals.map(approval => approval.where ?? ''));
  const reasons = new Set(approvals.map(approval => approval.because ?? ''));
  const oldest = Math.min(...approvals.map(({ created_at }) => created_at));
  return (
    <article
      ref={root}
      className="ae-approval card same"
      tabIndex={0}
      aria-label={trans.__('%1 calls of %2 by %3', count, tool, first.name)}
      aria-busy={busy}
      data-approval={ids}
      onKeyDown={event => {
        ignoreHeldEnter(event);
        if (event.key !== 'Escape' || !refusing) return;
        setRefusing(false);
        root.current?.focus();
        event.stopPropagation();
        event.preventDefault();
      }}
    >
      <header>
        <span className="ae-row">
          <b className="ae-b ae-trunc">{tool}</b>
          <span className="ae-count warn">{count}</span>
          {first.risk && <RiskChip risk={first.risk} />}
          <span className="ae-grow" />
          <time className="ae-small ae-2" title={trans.__('The oldest')}>
            {age(props.now - oldest)}
          </time>
        </span>
        <p className="ae-small ae-2 ae-trunc" title={first.name}>
          {first.name}
        </p>
      </header>
      <Readable
        key={ids}
        name={LIST}
        label=""
        onRead={noteRead}
        holder={holder}
      >
        <ol className="ae-same">
          {approvals.map(approval => (
            <li key={approval.id}>
              <span className="ae-small ae-2">
                {trans.__('%1, step %2', approval.pid, approval.step)}
              </span>
              {callTexts(approval.call).map((text, _, all) => (
                <span key={text.name}>
                  {all.length > 1 && (
                    <span className="ae-2">
                      <Revealed text={text.name} />:{' '}
                    </span>
                  )}
                  <Revealed text={text.value} />
                </span>
              ))}
              {approval.preview && <Revealed text={approval.preview} />}
            </li>
          ))}
        </ol>
      </Readable>
      <dl className="ae-approval-facts">
        <dt>{trans.__('Where')}</dt>
        <dd>
          {places.size === 1
            ? trans.__('%1, for %2', [...places][0], first.owner)
            : trans._n('%1 place', '%1 places', places.size)}
        </dd>
        <dt>{trans.__('Asks because')}</dt>
        <dd>{[...reasons].filter(text => text).join('; ')}</dd>
      </dl>
      {refusing ? (
        <Refuse
          send={send}
          back={() => {
            setRefusing(false);
            root.current?.focus();
          }}
        />
      ) : (
        <div className="ae-approval-acts">
          {unread ? (
            <Button
              kind="primary"
              small
              hint={hint(CommandIDs.readApproval)}
              onClick={readOn}
            >
              {trans.__('Read')}
            </Button>
          ) : (
            <Button
              kind="primary"
              small
              hint={hint(CommandIDs.approve)}
              disabled={busy && trans.__('The decisions are on their way')}
              onClick={approve}
            >
              {trans.__('Approve %1', count)}
            </Button>
          )}
          <Button
            small
            hint={hint(CommandIDs.refuse)}
            disabled={busy && trans.__('The decisions are on their way')}
            onClick={refuse}
          >
            {trans.__('Refuse %1', count)}
          </Button>
          <Button small onClick={props.onApart}>
            {trans.__('One by one')}
          </Button>
        </div>
      )}
      {unread && !refusing && (
        <p className="ae-small ae-2">
          {trans.__('Approve comes after the last line.')}
        </p>
      )}
      {failures.length > 0 && (
        <Note tone="bad" icon="error" alert>
          {trans._n(
            '%1 was not decided. %2',
            '%1 were not decided. %2',
            failures.length,
            [...new Set(failures)].join(' ')
          )}
        </Note>
      )}
    </article>
  );
}
