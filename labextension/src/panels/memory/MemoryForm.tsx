/** Edits one memory. What was typed is never lost: not by another hand, not by a failure, not by a look elsewhere. */
import * as React from 'react';

import { AetherError } from '../../api/client';
import type { Layer, Memory } from '../../api/types';
import { Button, Note, useWords } from '../../ui';
import { useServices } from '../services';
import {
  afterSaving,
  asDraft,
  type IDrafts,
  type IMemoryDraft
} from './drafts';
import { dots } from './fading';
import { parseTags } from './tags';
import { LAYERS, layerWords } from './words';

export function MemoryForm(props: {
  memory: Memory;
  drafts: IDrafts<number, IMemoryDraft>;
  onSaved: (memory: Memory) => void;
  /** It was saved, or nothing shall be changed. */
  onDone: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { memory, drafts } = props;
  const draft = drafts.of(memory.id) ?? asDraft(memory);
  const { text, layer, importance, tags } = draft;
  const type = (typed: Partial<IMemoryDraft>) =>
    drafts.change(memory.id, before => ({
      ...(before ?? asDraft(memory)),
      ...typed
    }));
  /** What is there now where another hand changed it meanwhile. */
  const [other, setOther] = React.useState<Memory | null>(null);
  const [failure, setFailure] = React.useState('');
  const [saving, setSaving] = React.useState(false);
  const id = React.useId();
  const blank = text.trim() === '';
  const latest = React.useRef(drafts);
  latest.current = drafts;
  const here = React.useRef(true);
  React.useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);

  const save = async () => {
    if (blank || saving) return;
    setSaving(true);
    setFailure('');
    const sent = drafts.of(memory.id);
    try {
      const saved = await client.changeMemory(memory.id, {
        text,
        layer,
        importance,
        tags: parseTags(tags),
        version: other?.version ?? draft.version
      });
      const done = here.current && latest.current.of(memory.id) === sent;
      setOther(null);
      props.onSaved(saved);
      drafts.change(memory.id, now => afterSaving(now, sent, saved.version));
      if (done) props.onDone();
    } catch (error) {
      const [now] =
        error instanceof AetherError && error.status === 409
          ? await client.memory(memory.id).catch(() => [])
          : [];
      if (now) setOther(now);
      else setFailure(error instanceof Error ? error.message : String(error));
    }
    setSaving(false);
  };
  const cancel = () => {
    drafts.change(memory.id, () => null);
    props.onDone();
  };

  return (
    <form
      className="mi-form"
      data-lm-suppress-shortcuts="true"
      aria-label={trans.__('Edit memory %1', memory.id)}
      onSubmit={event => {
        event.preventDefault();
        void save();
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          cancel();
        } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          void save();
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
        onChange={event => type({ text: event.currentTarget.value })}
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
              onChange={() => type({ importance: dot / 5 })}
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
        onChange={event => type({ layer: event.currentTarget.value as Layer })}
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
        onChange={event => type({ tags: event.currentTarget.value })}
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
                drafts.change(memory.id, () => asDraft(other));
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
          onClick={() => void save()}
        >
          {other ? trans.__('Save mine') : trans.__('Save')}
        </Button>
        <Button small onClick={cancel}>
          {trans.__('Cancel')}
        </Button>
      </div>
    </form>
  );
}
