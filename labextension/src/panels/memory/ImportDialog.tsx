/** Brings back a folder of memories that was edited by hand: shows what would change, and does it only then. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { FileChange, ImportReport } from '../../api/types';
import {
  Button,
  Note,
  Patience,
  Skeleton,
  Switch,
  useModal,
  useWords
} from '../../ui';
import { Diff } from '../../ui/Text';
import { useServices } from '../services';

export function ImportDialog(props: {
  agent: string;
  file: File;
  onDone: (report: ImportReport) => void;
  onClose: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { agent, file, onClose } = props;
  const dialog = useModal();
  const [forgetMissing, setForgetMissing] = React.useState(false);
  const [report, setReport] = React.useState<ImportReport | null>(null);
  const [failure, setFailure] = React.useState('');
  const [turn, setTurn] = React.useState(0);
  const [busy, setBusy] = React.useState(false);
  const id = React.useId();

  React.useEffect(() => {
    let stale = false;
    setReport(null);
    client.importMemories(agent, zipped(file), { forgetMissing }).then(
      found => {
        if (!stale) setReport(found);
      },
      (error: unknown) => {
        if (stale) return;
        setFailure(error instanceof Error ? error.message : String(error));
      }
    );
    return () => {
      stale = true;
    };
  }, [client, agent, file, forgetMissing, turn]);

  const apply = async () => {
    if (!report || busy) return;
    setBusy(true);
    setFailure('');
    try {
      props.onDone(
        await client.importMemories(agent, zipped(file), {
          forgetMissing,
          apply: report.digest
        })
      );
    } catch (error) {
      setBusy(false);
      setFailure(error instanceof Error ? error.message : String(error));
      if (error instanceof AetherError && error.status === 409) {
        // Something changed since the preview: it is shown anew before anything is done.
        setTurn(count => count + 1);
      }
    }
  };
  const words = useKindWords();
  const counts = Object.entries(report?.counts ?? {}).filter(
    ([, count]) => count > 0
  );
  const does = (report?.changes ?? []).some(
    ({ kind }) =>
      kind !== 'older' && kind !== 'conflict' && kind !== 'unreadable'
  );
  return (
    <dialog
      ref={dialog}
      className="mi-dialog"
      aria-labelledby={`${id}-title`}
      data-lm-suppress-shortcuts="true"
      onCancel={event => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={event => event.stopPropagation()}
    >
      <div>
        <header>
          <h2 id={`${id}-title`} className="ae-trunc">
            {trans.__('Import %1 for %2', file.name, agent)}
          </h2>
          <Button
            kind="quiet"
            icon="close"
            label={trans.__('Close')}
            onClick={onClose}
          />
        </header>
        <div className="mi-dialog-body" tabIndex={0}>
          {failure && (
            <Note
              tone="bad"
              icon="error"
              alert
              action={
                !report && (
                  <Button
                    small
                    onClick={() => {
                      setFailure('');
                      setTurn(count => count + 1);
                    }}
                  >
                    {trans.__('Try again')}
                  </Button>
                )
              }
            >
              {trans.__('Nothing was imported. %1', failure)}
            </Note>
          )}
          {!report && !failure && (
            <>
              <Skeleton height={16} width="50%" />
              <Skeleton height={60} />
              <Patience>
                {trans.__('The server compares the files with what is there.')}
              </Patience>
            </>
          )}
          {report && (
            <>
              <p className="mi-counts">
                {counts.length === 0
                  ? trans.__('There is nothing in it.')
                  : counts.map(([kind, count]) => (
                      <span key={kind} className="ae-chip">
                        <b>{count}</b> {words(kind)}
                      </span>
                    ))}
              </p>
              <Switch on={forgetMissing} onChange={setForgetMissing}>
                {trans.__('Forget memories whose file is gone')}
              </Switch>
              <ul className="mi-changes">
                {report.changes.map(change => (
                  <Change
                    key={`${change.kind} ${change.path} ${change.id}`}
                    change={change}
                    words={words}
                  />
                ))}
              </ul>
            </>
          )}
        </div>
        <footer>
          <span className="ae-grow" />
          <Button onClick={onClose}>{trans.__('Cancel')}</Button>
          <Button
            kind="primary"
            disabled={
              (!report && trans.__('What it changes is not known yet')) ||
              (!does && trans.__('It changes nothing')) ||
              (busy && trans.__('It is being imported'))
            }
            onClick={() => void apply()}
          >
            {trans.__('Import')}
          </Button>
        </footer>
      </div>
    </dialog>
  );
}

/** The server asks for this type, whatever the system calls the file. */
function zipped(file: File): Blob {
  return file.slice(0, file.size, 'application/zip');
}

function useKindWords(): (kind: string) => string {
  const trans = useWords();
  const words: Readonly<Record<string, string>> = {
    new: trans.__('new'),
    changed: trans.__('changed'),
    moved: trans.__('moved to another layer'),
    forgotten: trans.__('forgotten'),
    notes: trans.__('MEMORY.md'),
    older: trans.__('older than here, left'),
    conflict: trans.__('changed on both sides, left'),
    unreadable: trans.__('not readable, left'),
    same: trans.__('the same'),
    missing: trans.__('without a file, stay')
  };
  return kind => words[kind] ?? kind;
}

function Change(props: {
  change: FileChange;
  words: (kind: string) => string;
}): React.JSX.Element {
  const trans = useWords();
  const { change, words } = props;
  const left =
    change.kind === 'conflict' ||
    change.kind === 'unreadable' ||
    change.kind === 'older';
  return (
    <li>
      <p className="ae-row">
        <span className={left ? 'ae-chip warn' : 'ae-chip'}>
          {words(change.kind)}
        </span>
        <code className="ae-trunc" title={change.path}>
          {change.path}
        </code>
        {change.line && (
          <span className="ae-small ae-2 mi-line">
            {trans.__('line %1', change.line)}
          </span>
        )}
      </p>
      {change.problem && <p className="ae-small">{change.problem}</p>}
      {change.diff && <Diff diff={change.diff} wrap />}
    </li>
  );
}
