/** The snapshots of an agent: taken, gone on from, compared, taken elsewhere, deleted. */
import * as React from 'react';

import type {
  Comparison,
  JournalRecord,
  Process,
  Snapshot
} from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import {
  Button,
  Failure,
  figures,
  Icon,
  type IMenuItem,
  Menu,
  Note,
  useWords
} from '../../ui';
import { useAsked } from '../useAsked';
import { useClock, useCommand, useServices } from '../services';

export function SnapshotsPart(props: {
  process: Process;
  records: readonly JournalRecord[];
}): React.JSX.Element {
  const { process, records } = props;
  const { pid } = process;
  const trans = useWords();
  const { client, commands } = useServices();
  const run = useCommand();
  const news = records.filter(
    ({ event }) =>
      event.type === 'snapshot.taken' || event.type === 'snapshot.deleted'
  ).length;
  const asked = useAsked<Snapshot[]>(
    () => client.snapshots(pid),
    `${pid} ${news}`
  );
  const { value, failure, again } = asked;
  const [chosen, setChosen] = React.useState<Snapshot | null>(null);
  const [compared, setCompared] = React.useState<Comparison | null>(null);
  const [busy, setBusy] = React.useState('');
  const [trouble, setTrouble] = React.useState('');

  const attempt = async (what: string, deed: () => Promise<unknown>) => {
    setBusy(what);
    setTrouble('');
    try {
      await deed();
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
    setBusy('');
  };
  const take = () =>
    attempt(trans.__('It is being captured'), async () => {
      await client.takeSnapshot(pid);
      again();
    });
  const restore = (snapshot: Snapshot) =>
    attempt(trans.__('It is being restored'), async () => {
      const made = await client.restoreSnapshot(snapshot.id);
      run(CommandIDs.openAgent, { pid: made.process.pid });
      run(CommandIDs.tellBranched, {
        pid: made.process.pid,
        notes: made.notes
      });
    });
  const compare = (snapshot: Snapshot) => {
    if (!chosen || chosen.id === snapshot.id) {
      setChosen(snapshot);
      setCompared(null);
      return;
    }
    const [before, after] =
      chosen.id < snapshot.id ? [chosen, snapshot] : [snapshot, chosen];
    void attempt(trans.__('They are being compared'), async () => {
      setCompared(await client.compareSnapshots(before.id, after.id));
      setChosen(null);
    });
  };
  const remove = async ({ id }: Snapshot) => {
    if (!(await commands.execute(CommandIDs.deleteSnapshot, { id }))) return;
    setCompared(null);
    setChosen(null);
    again();
  };
  const items = (snapshot: Snapshot): IMenuItem[] => [
    {
      label: trans.__('Restore as a new agent'),
      icon: 'undo',
      note: trans.__('With its files and what it remembered then'),
      onSelect: () => void restore(snapshot)
    },
    {
      label:
        chosen && chosen.id !== snapshot.id
          ? trans.__('Compare with snapshot %1', chosen.id)
          : trans.__('Compare with another…'),
      icon: 'layers',
      disabled:
        (value?.length ?? 0) < 2 && trans.__('There is no other snapshot'),
      onSelect: () => compare(snapshot)
    },
    {
      label: trans.__('Export'),
      icon: 'download',
      onSelect: () => download(client.snapshotExportUrl(snapshot.id))
    },
    {
      label: snapshot.kept
        ? trans.__('Let it go with the oldest')
        : trans.__('Keep'),
      icon: 'pin',
      onSelect: () =>
        void attempt(trans.__('It is being marked'), async () => {
          await client.markSnapshot(snapshot.id, !snapshot.kept);
          again();
        })
    },
    {
      label: trans.__('Delete…'),
      icon: 'trash',
      separated: true,
      onSelect: () => void remove(snapshot)
    }
  ];
  return (
    <div className="snapshots">
      <div className="ae-row">
        <h4 className="ae-grow">{trans.__('Snapshots')}</h4>
        <Button
          small
          kind="quiet"
          icon="plus"
          disabled={busy || false}
          onClick={() => void take()}
        >
          {trans.__('Take one')}
        </Button>
      </div>
      {busy && (
        <p className="ae-small ae-2" role="status">
          {trans.__('%1…', busy)}
        </p>
      )}
      {trouble && (
        <Note tone="bad" icon="error" alert>
          {trouble}
        </Note>
      )}
      {failure && !value && (
        <Failure tone="bad" again={again}>
          {failure.message}
        </Failure>
      )}
      {value?.length === 0 && (
        <p className="ae-small ae-2">
          {trans.__(
            'A snapshot holds its files, its place in the journal, its memory and plan. Another agent can go on from it.'
          )}
        </p>
      )}
      {value && value.length > 0 && (
        <ul className="snaplist">
          {value.map(snapshot => (
            <Row
              key={snapshot.id}
              snapshot={snapshot}
              chosen={chosen?.id === snapshot.id}
              items={items(snapshot)}
            />
          ))}
        </ul>
      )}
      {chosen && (
        <p className="ae-small ae-2" role="status">
          {trans.__(
            'Choose Compare at another one to see what differs from snapshot %1.',
            chosen.id
          )}
        </p>
      )}
      {compared && (
        <Compared found={compared} onClose={() => setCompared(null)} />
      )}
    </div>
  );
}

function Row(props: {
  snapshot: Snapshot;
  chosen: boolean;
  items: IMenuItem[];
}): React.JSX.Element {
  const { snapshot, chosen, items } = props;
  const trans = useWords();
  const now = useClock();
  const { id, step, label = '', reason, kept, taken_at, size_bytes } = snapshot;
  const why =
    label ||
    (reason === 'destructive'
      ? trans.__('before what cannot be undone')
      : reason === 'fork'
        ? trans.__('for a fork')
        : '');
  return (
    <li className={chosen ? 'on' : undefined}>
      <span className="what">
        <b>{id}</b>
        <span className="ae-2 step">{trans.__('step %1', step)}</span>
        {kept && <Icon name="pin" size={12} label={trans.__('Kept')} />}
        {why && (
          <span className="ae-trunc ae-2" title={why}>
            {why}
          </span>
        )}
      </span>
      <span className="ae-small ae-2 facts">
        <span>{figures.clock(taken_at, now)}</span>
        <span title={trans._n('%1 file', '%1 files', snapshot.files ?? 0)}>
          {figures.size(size_bytes ?? 0)}
        </span>
      </span>
      <Menu label={trans.__('What to do with snapshot %1', id)} items={items} />
    </li>
  );
}

function Compared(props: {
  found: Comparison;
  onClose: () => void;
}): React.JSX.Element {
  const { found, onClose } = props;
  const trans = useWords();
  const { before, after, files } = found;
  const layers = Object.entries(found.layers).filter(([, by]) => by !== 0);
  return (
    <section
      className="compared"
      aria-label={trans.__('What differs between two snapshots')}
    >
      <div className="ae-row">
        <b className="ae-grow">
          {trans.__('Snapshot %1 to %2', before.id, after.id)}
        </b>
        <Button
          small
          kind="quiet"
          icon="close"
          label={trans.__('Close the comparison')}
          onClick={onClose}
        />
      </div>
      <p className="ae-small ae-2">
        {trans.__(
          '%1 added, %2 removed, %3 changed, %4 as they were',
          found.added,
          found.removed,
          found.changed,
          found.unchanged
        )}
      </p>
      <ul className="ae-mono">
        {files.map(({ path, before_bytes: was, after_bytes: is }) => (
          <li
            key={path}
            className={was === null ? 'add' : is === null ? 'del' : undefined}
          >
            <span className="sign" aria-hidden="true">
              {was === null ? '+' : is === null ? '−' : '~'}
            </span>
            <span className="ae-trunc ae-grow" title={path}>
              {path}
            </span>
            <span className="ae-2">
              {was !== null && is !== null && was !== is
                ? `${figures.size(was)} → ${figures.size(is)}`
                : figures.size(is ?? was ?? 0)}
            </span>
          </li>
        ))}
      </ul>
      {found.plan.map(line => (
        <p key={line} className="ae-small">
          {trans.__('Plan: %1', line)}
        </p>
      ))}
      {layers.map(([layer, by]) => (
        <p key={layer} className="ae-small">
          {trans.__(
            'Memory: %1 %2',
            by > 0 ? `+${by}` : String(by).replace('-', '−'),
            layer
          )}
        </p>
      ))}
    </section>
  );
}

function download(url: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = '';
  link.click();
}
