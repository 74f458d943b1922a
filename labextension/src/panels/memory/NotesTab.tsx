/** MEMORY.md of an agent: a person's own words, which every run of that name is told. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Notes } from '../../api/types';
import { Button, figures, Note, Patience, Skeleton, useWords } from '../../ui';
import { useClock, useServices } from '../services';
import { difference } from './versions';
import { useAsked } from './useMemories';

export function NotesTab(props: {
  agent: string;
  news: number;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const now = useClock();
  const { agent } = props;
  const { value, of, failure, again } = useAsked(
    () => client.notes(agent),
    `${props.news} ${agent}`
  );
  const versions = of.endsWith(` ${agent}`) ? value : null;
  const newest = versions?.[0] ?? null;
  /** What was typed, on which version; `null` while it is as it was read. */
  const [draft, setDraft] = React.useState<{
    agent: string;
    text: string;
    version: number;
  } | null>(null);
  const [told, setTold] = React.useState<'' | 'saved' | 'conflict'>('');
  const [trouble, setTrouble] = React.useState('');
  const [saving, setSaving] = React.useState(false);
  const mine = draft?.agent === agent ? draft : null;
  const text = mine?.text ?? newest?.text ?? '';
  const dirty = mine !== null && mine.text !== (newest?.text ?? '');

  const save = async () => {
    if (!mine || saving) return;
    setSaving(true);
    setTrouble('');
    setTold('');
    try {
      await client.writeNotes(agent, mine.text, mine.version);
      setDraft(null);
      setTold('saved');
      again();
    } catch (error) {
      if (error instanceof AetherError && error.status === 409) {
        setTold('conflict');
        again();
      } else {
        setTrouble(error instanceof Error ? error.message : String(error));
      }
    } finally {
      setSaving(false);
    }
  };
  if (!versions) {
    return (
      <div className="mi-loading" aria-busy={!failure}>
        {failure ? (
          <Note
            tone="bad"
            icon="error"
            action={
              <Button small onClick={again}>
                {trans.__('Try again')}
              </Button>
            }
          >
            {failure.message}
          </Note>
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
      {told === 'conflict' && newest && mine && (
        <Note
          tone="warn"
          icon="error"
          alert
          action={
            <>
              <Button
                small
                onClick={() => {
                  setDraft({ ...mine, version: newest.version });
                  setTold('');
                }}
              >
                {trans.__('Keep mine')}
              </Button>
              <Button
                small
                onClick={() => {
                  setDraft(null);
                  setTold('');
                }}
              >
                {trans.__('Take that')}
              </Button>
            </>
          }
        >
          {trans.__(
            '%1 changed it meanwhile. Yours is kept here and nothing was written.',
            newest.by
          )}
          <blockquote className="mi-other">{newest.text}</blockquote>
        </Note>
      )}
      {trouble && (
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
          setTold(before => (before === 'saved' ? '' : before));
          setDraft({
            agent,
            text: event.currentTarget.value,
            version: mine?.version ?? newest?.version ?? 0
          });
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
          <Button small onClick={() => setDraft(null)}>
            {trans.__('Undo the changes')}
          </Button>
        )}
        <span className="ae-small ae-2" role="status">
          {told === 'saved'
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
