/** Merges memories: shows what goes in and what comes of it, and does it only then. */
import * as React from 'react';

import type { Memory, Merged } from '../../api/types';
import {
  Button,
  Failure,
  Icon,
  Note,
  Patience,
  Skeleton,
  useModal,
  useWords
} from '../../ui';
import { stripAnsi } from '../../ui/plainText';
import { useServices } from '../services';
import { useAsked } from '../useAsked';
import { Dots } from './Strength';
import { LayerName, SourceLine } from './words';

export function MergeDialog(props: {
  /** Those that were selected. Of one alone, what says nearly the same is offered. */
  memories: readonly Memory[];
  onDone: (merged: Merged) => void;
  onClose: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { memories, onClose } = props;
  const [first] = memories;
  const dialog = useModal();
  const similar = useAsked(() => client.similarMemories(first.id), '');
  const likeness = new Map(
    similar.value?.map(({ second, likeness: near }) => [second.id, near])
  );
  const offered =
    memories.length > 1
      ? memories
      : [first, ...(similar.value ?? []).map(({ second }) => second)];
  const [left, setLeft] = React.useState<ReadonlySet<number>>(new Set());
  const keys = offered
    .filter(memory => !left.has(memory.id))
    .map(memory => memory.id);
  const enough = keys.length > 1;
  const outcome = useAsked(
    enough ? () => client.mergeMemories({ keys, dry_run: true }) : null,
    keys.join()
  );
  const merged = enough && outcome.of === keys.join() ? outcome.value : null;
  /** What was typed or chosen; `null` leaves the server's. */
  const [text, setText] = React.useState<string | null>(null);
  const said = text ?? merged?.memory.text ?? '';
  const [failure, setFailure] = React.useState('');
  const [merging, setMerging] = React.useState(false);
  const id = React.useId();

  const merge = async () => {
    if (!merged || !said.trim() || merging) return;
    setMerging(true);
    setFailure('');
    try {
      props.onDone(await client.mergeMemories({ keys, text }));
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setMerging(false);
    }
  };
  const alone = memories.length === 1 && similar.value?.length === 0;
  const unread = outcome.failure ? outcome : similar;

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
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          void merge();
        }
      }}
    >
      <div>
        <header>
          <h2 id={`${id}-title`}>
            {enough
              ? trans.__('Merge %1 memories', keys.length)
              : trans.__('Merge')}
          </h2>
          <Button
            kind="quiet"
            icon="close"
            label={trans.__('Close')}
            onClick={onClose}
          />
        </header>
        <div className="mi-dialog-body" tabIndex={0}>
          <ul className="mi-merging">
            {offered.map(memory => {
              const near = likeness.get(memory.id);
              return (
                <li key={memory.id}>
                  {memories.length === 1 && memory.id !== first.id && (
                    <input
                      type="checkbox"
                      className="mc-check"
                      aria-label={trans.__('Merge memory %1', memory.id)}
                      checked={!left.has(memory.id)}
                      onChange={() =>
                        setLeft(before => {
                          const after = new Set(before);
                          if (!after.delete(memory.id)) after.add(memory.id);
                          return after;
                        })
                      }
                    />
                  )}
                  <div className="ae-grow">
                    <p>{stripAnsi(memory.text)}</p>
                    <div className="mi-meta">
                      <LayerName layer={memory.layer} />
                      <Dots importance={memory.importance} />
                      <SourceLine source={memory.source} tabIndex={-1} />
                      {near !== undefined && (
                        <span>
                          {trans.__(
                            'likeness to the first %1',
                            near.toFixed(2)
                          )}
                        </span>
                      )}
                    </div>
                  </div>
                  {enough && said !== memory.text && (
                    <Button
                      small
                      kind="quiet"
                      onClick={() => setText(memory.text)}
                    >
                      {trans.__('Use its words')}
                    </Button>
                  )}
                </li>
              );
            })}
          </ul>
          {memories.length === 1 && !similar.value && !similar.failure && (
            <Skeleton height={40} />
          )}
          {alone ? (
            <p className="ae-2">
              {trans.__(
                'Nothing else says nearly the same. Any others can be selected in the list and merged from there.'
              )}
            </p>
          ) : (
            <h3>
              <Icon name="merge" size={14} />
              {trans.__('What comes of it')}
            </h3>
          )}
          {enough && !merged && !unread.failure && (
            <>
              <Skeleton height={60} />
              <Patience>
                {trans.__('The server still puts it together.')}
              </Patience>
            </>
          )}
          {merged && (
            <>
              <textarea
                className="ae-input"
                rows={Math.min(10, Math.max(3, Math.ceil(said.length / 60)))}
                aria-label={trans.__('What the merged memory says')}
                value={said}
                onChange={event => setText(event.currentTarget.value)}
              />
              <div className="mi-meta">
                <LayerName layer={merged.memory.layer} />
                <Dots importance={merged.memory.importance} />
                {merged.memory.pinned && (
                  <span className="ae-chip">{trans.__('pinned')}</span>
                )}
                {merged.memory.tags.map(tag => (
                  <span key={tag} className="ae-chip">
                    {tag}
                  </span>
                ))}
              </div>
              <p className="ae-hint">
                {trans.__(
                  'It keeps where all of them came from. What goes into it is found no more by itself, and can be restored.'
                )}
              </p>
            </>
          )}
          {failure && (
            <Note tone="bad" icon="error" alert>
              {trans.__('Nothing was merged. %1', failure)}
            </Note>
          )}
          {unread.failure && (
            <Failure tone="bad" again={unread.again}>
              {unread.failure.message}
            </Failure>
          )}
        </div>
        <footer>
          <span className="ae-grow" />
          <Button onClick={onClose}>{trans.__('Cancel')}</Button>
          <Button
            kind="primary"
            hint="Ctrl+Enter"
            disabled={
              (!merged && trans.__('What comes of it is not known yet')) ||
              (said.trim() === '' &&
                trans.__('An empty memory tells nothing')) ||
              (merging && trans.__('They are being merged'))
            }
            onClick={() => void merge()}
          >
            {trans.__('Merge')}
          </Button>
        </footer>
      </div>
    </dialog>
  );
}
