/** Edits one memory. What was typed is never lost: not by a change of another hand, not by a failure. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Layer, Memory } from '../../api/types';
import { Button, Note, useWords } from '../../ui';
import { useServices } from '../services';
import { dots } from './strength';
import { parseTags } from './tags';
import { LAYERS, layerWords } from './words';

export function MemoryForm(props: {
  memory: Memory;
  onSaved: (memory: Memory) => void;
  onCancel: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { memory } = props;
  const [text, setText] = React.useState(memory.text);
  const [layer, setLayer] = React.useState<Layer>(memory.layer);
  const [importance, setImportance] = React.useState(memory.importance);
  const [tags, setTags] = React.useState(memory.tags.join(', '));
  /** The version that was seen; what is there now where another hand changed it meanwhile. */
  const [version, setVersion] = React.useState(memory.version);
  const [other, setOther] = React.useState<Memory | null>(null);
  const [failure, setFailure] = React.useState('');
  const [saving, setSaving] = React.useState(false);
  const id = React.useId();
  const blank = text.trim() === '';

  const save = async (seen: number) => {
    if (blank || saving) return;
    setSaving(true);
    setFailure('');
    try {
      props.onSaved(
        await client.changeMemory(memory.id, {
          text,
          layer,
          importance,
          tags: parseTags(tags),
          version: seen
        })
      );
      return;
    } catch (error) {
      if (error instanceof AetherError && error.status === 409) {
        const [now] = await client.memory(memory.id).catch(() => []);
        setOther(now ?? null);
        setVersion(now?.version ?? seen);
      } else {
        setFailure(error instanceof Error ? error.message : String(error));
      }
    }
    setSaving(false);
  };

  return (
    <form
      className="mi-form"
      data-lm-suppress-shortcuts="true"
      aria-label={trans.__('Edit memory %1', memory.id)}
      onSubmit={event => {
        event.preventDefault();
        void save(version);
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          props.onCancel();
        } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          void save(version);
        }
      }}
    >
      <label className="ae-label" htmlFor={`${id}-text`}>
        {trans.__('Memory')}
      </label>
      <textarea
        id={`${id}-text`}
        className="ae-input"
        autoFocus
        rows={Math.min(14, Math.max(4, Math.ceil(text.length / 38)))}
        value={text}
        onChange={event => setText(event.currentTarget.value)}
      />
      <fieldset className="mi-importance-field">
        <legend className="ae-label">{trans.__('Importance')}</legend>
        {[1, 2, 3, 4, 5].map(dot => (
          <label key={dot} title={trans.__('%1 of 5', dot)}>
            <input
              type="radio"
              name={`${id}-importance`}
              checked={dots(importance) === dot}
              aria-label={trans.__('%1 of 5', dot)}
              onChange={() => setImportance(dot / 5)}
            />
            <i className={dot <= dots(importance) ? 'on' : undefined} />
          </label>
        ))}
        <span className="ae-small ae-2">{importance.toFixed(2)}</span>
      </fieldset>
      <label className="ae-label" htmlFor={`${id}-layer`}>
        {trans.__('Layer')}
      </label>
      <select
        id={`${id}-layer`}
        className="ae-select"
        value={layer}
        onChange={event => setLayer(event.currentTarget.value as Layer)}
      >
        {LAYERS.map(each => {
          const { label, holds } = layerWords(trans)[each];
          return (
            <option key={each} value={each}>
              {`${label}: ${holds}`}
            </option>
          );
        })}
      </select>
      <label className="ae-label" htmlFor={`${id}-tags`}>
        {trans.__('Tags, with commas between them')}
      </label>
      <input
        id={`${id}-tags`}
        className="ae-input"
        value={tags}
        onChange={event => setTags(event.currentTarget.value)}
      />
      {other && (
        <Note
          tone="warn"
          icon="error"
          alert
          action={
            <Button
              small
              onClick={() => {
                setText(other.text);
                setLayer(other.layer);
                setImportance(other.importance);
                setTags(other.tags.join(', '));
                setOther(null);
              }}
            >
              {trans.__('Take that')}
            </Button>
          }
        >
          {trans.__(
            'It was changed meanwhile. Yours is kept here and nothing was written; save again to put it in the place of:'
          )}
          <blockquote className="mi-other">{other.text}</blockquote>
        </Note>
      )}
      {failure && (
        <Note tone="bad" icon="error" alert>
          {trans.__('Not saved. %1', failure)}
        </Note>
      )}
      <p className="ae-hint">
        {trans.__('What was there is kept as a version.')}
      </p>
      <div className="mi-acts">
        <Button
          kind="primary"
          small
          hint="Ctrl+Enter"
          disabled={
            (blank &&
              trans.__('An empty memory tells nothing; forget it instead')) ||
            (saving && trans.__('It is being saved'))
          }
          onClick={() => void save(version)}
        >
          {other ? trans.__('Save mine') : trans.__('Save')}
        </Button>
        <Button small onClick={props.onCancel}>
          {trans.__('Cancel')}
        </Button>
      </div>
    </form>
  );
}
