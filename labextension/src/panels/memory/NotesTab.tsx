/** MEMORY.md of an agent: a person's own words, which every run of that name is told. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Notes } from '../../api/types';
import {
  Button,
  Failure,
  figures,
  Note,
  Patience,
  Skeleton,
  useWords
} from '../../ui';
import { useClock, useServices } from '../services';
import { useAsked } from '../useAsked';
import { afterSaving, type IDrafts, type INotesDraft } from './drafts';
import { difference } from './versions';

export function NotesTab(props: {
  agent: string;
  news: number;
  drafts: IDrafts<string, INotesDraft>;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const now = useClock();
  const { agent, drafts } = props;
  const { value, failure, again } = useAsked(
    () => client.notes(agent),
    `${props.news} ${agent}`
  );
  /** What was written from here, which the next reading has, too. */
  const [written, setWritten] = React.useState<Notes | null>(null);
  const versions =
    value && written && written.version > (value[0]?.version ?? 0)
      ? [written, ...value]
      : value;
  const newest = versions?.[0] ?? null;
  const [saved, setSaved] = React.useState(false);
  const [trouble, setTrouble] = React.useState('');
  const [saving, setSaving] = React.useState(false);
  const mine = drafts.of(agent);
  const text = mine?.text ?? newest?.text ?? '';
  const dirty = mine !== null && mine.text !== (newest?.text ?? '');
  const other =
    dirty && !saving && newest && newest.version > mine.version ? newest : null;
  const undo = () => {
    drafts.change(agent, () => null);
    setTrouble('');
  };

  const save = async () => {
    if (!mine || saving) return;
    setSaving(true);
    setTrouble('');
    setSaved(false);
    try {
      const now = await client.writeNotes(agent, mine.text, mine.version);
      setWritten(now);
      drafts.change(agent, typed => afterSaving(typed, mine, now.version));
      setSaved(true);
      again();
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
      if (error instanceof AetherError && error.status === 409) again();
    } finally {
      setSaving(false);
    }
  };
  if (!versions) {
    return (
      <div className="mi-loading" aria-busy={!failure}>
        {failure ? (
          <Failure tone="bad" again={again}>
            {failure.message}
          </Failure>
        ) : (
          <>
            <Skeleton height={16} width="40%" />
            <Skeleton height={160} />
            <Patience>{trans.__('The notes are still being read.')}</Patience>
          </>
        )}
      </div>
    );
  }
  return (
    <div className="mi-notes-tab">
      <p className="ae-2">
        {trans.__(
          'MEMORY.md is yours: every run of %1 is told it, as your own words. The agent cannot write it.',
          agent
        )}
      </p>
      {failure && (
        <Failure tone="warn" again={again}>
          {trans.__('Shown as it was. %1', failure.message)}
        </Failure>
      )}
      {other && (
        <Note
          tone="warn"
          icon="error"
          alert
          action={
            <>
              <Button
                small
                onClick={() => {
                  drafts.change(
                    agent,
                    typed => typed && { ...typed, version: other.version }
                  );
                  setTrouble('');
                }}
              >
                {trans.__('Keep mine')}
              </Button>
              <Button small onClick={undo}>
                {trans.__('Take that')}
              </Button>
            </>
          }
        >
          {trans.__(
            '%1 changed it meanwhile. Yours is kept here and nothing was written.',
            other.by
          )}
          <blockquote className="mi-other">{other.text}</blockquote>
        </Note>
      )}
      {trouble && !other && (
        <Note tone="bad" icon="error" alert>
          {trans.__('Not saved. %1', trouble)}
        </Note>
      )}
      <textarea
        className="ae-input ae-mono"
        aria-label={trans.__('MEMORY.md of %1', agent)}
        placeholder={trans.__(
          'For instance: All figures are without tax. The reports go to priya.'
        )}
        data-lm-suppress-shortcuts="true"
        value={text}
        onChange={event => {
          const { value: typed } = event.currentTarget;
          setSaved(false);
          drafts.change(agent, before => ({
            text: typed,
            version: before?.version ?? newest?.version ?? 0
          }));
        }}
        onKeyDown={event => {
          event.stopPropagation();
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void save();
          } else if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <div className="ae-row">
        <Button
          kind="primary"
          small
          hint={dirty ? 'Ctrl+Enter' : undefined}
          disabled={
            (!dirty && trans.__('Nothing was changed')) ||
            (saving && trans.__('It is being saved'))
          }
          onClick={() => void save()}
        >
          {trans.__('Save')}
        </Button>
        {dirty && (
          <Button small onClick={undo}>
            {trans.__('Undo the changes')}
          </Button>
        )}
        <span className="ae-small ae-2" role="status">
          {saved && !dirty
            ? trans.__('Saved. The next run is told it.')
            : newest
              ? trans.__(
                  'Version %1, by %2, %3',
                  newest.version,
                  newest.by,
                  figures.clock(newest.at, now)
                )
              : trans.__('Nothing is written yet.')}
        </span>
      </div>
      {versions.length > 1 && <NotesHistory versions={versions} />}
    </div>
  );
}

function NotesHistory(props: {
  versions: readonly Notes[];
}): React.JSX.Element {
  const trans = useWords();
  const now = useClock();
  return (
    <details>
      <summary>{trans.__('How it changed')}</summary>
      <ol className="mi-history">
        {props.versions.slice(0, -1).map((notes, index) => (
          <li key={notes.version}>
            <time dateTime={new Date(notes.at * 1000).toISOString()}>
              {figures.clock(notes.at, now)}
            </time>
            <div>
              <p className="mi-diff">
                {difference(props.versions[index + 1].text, notes.text).map(
                  (part, place) =>
                    part.kind === 'add' ? (
                      <ins key={place}>{part.text}</ins>
                    ) : part.kind === 'del' ? (
                      <del key={place}>{part.text}</del>
                    ) : (
                      <React.Fragment key={place}>{part.text}</React.Fragment>
                    )
                )}
              </p>
              <p className="ae-small ae-2">{trans.__('by %1', notes.by)}</p>
            </div>
          </li>
        ))}
      </ol>
    </details>
  );
}
