/** What an agent can be begun from, beside the form that it fills: searched by words, chosen by arrows or a click. */
import * as React from 'react';

import type { Template } from '../../api/types';
import { Icon, type IconName, Skeleton, useWords } from '../../ui';

const ICONS: Record<Template['category'], IconName> = {
  development: 'terminal',
  research: 'notebook',
  data: 'database',
  creative: 'edit',
  operations: 'people'
};

export function TemplateChooser(props: {
  /** `null` while they are fetched. */
  templates: readonly Template[] | null;
  chosen: Template | null;
  onChoose: (template: Template | null, by: 'arrow' | 'click') => void;
}): React.JSX.Element {
  const trans = useWords();
  const { templates, chosen } = props;
  const [words, setWords] = React.useState('');
  const list = React.useRef<HTMLUListElement>(null);
  const found = (templates ?? []).filter(template => says(template, words));
  const entries: readonly (Template | null)[] = [...found, null];
  const at = Math.max(0, entries.indexOf(chosen));

  const onKeyDown = (event: React.KeyboardEvent) => {
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: entries.length - 1
    };
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      props.onChoose(entries[at], 'click');
    } else if (event.key in moves) {
      event.preventDefault();
      const next = (moves[event.key] + entries.length) % entries.length;
      props.onChoose(entries[next], 'arrow');
      const options =
        list.current?.querySelectorAll<HTMLElement>('[role="option"]');
      options?.item(next)?.focus();
    }
  };

  return (
    <div className="spawn-templates">
      <label className="ae-field">
        <Icon name="search" size={14} />
        <input
          type="search"
          value={words}
          aria-label={trans.__('Search templates')}
          placeholder={
            templates
              ? trans.__('Search %1 templates', templates.length)
              : trans.__('Templates')
          }
          onChange={event => setWords(event.target.value)}
        />
      </label>
      {templates === null ? (
        <div aria-busy="true" aria-label={trans.__('Loading')}>
          {Array.from({ length: 6 }, (_, index) => (
            <Skeleton key={index} height={40} />
          ))}
        </div>
      ) : (
        <ul
          ref={list}
          role="listbox"
          aria-label={trans.__('Templates')}
          onKeyDown={onKeyDown}
        >
          {entries.map((template, index) => (
            <li
              key={template?.name ?? ''}
              role="option"
              aria-selected={template === chosen}
              tabIndex={index === at ? 0 : -1}
              className={template === chosen ? 'on' : ''}
              onClick={() => props.onChoose(template, 'click')}
            >
              <Icon name={template ? ICONS[template.category] : 'plus'} />
              <div>
                <b>{template?.title ?? trans.__('Empty')}</b>
                <p>{template?.summary ?? trans.__('Your goal, your tools')}</p>
              </div>
            </li>
          ))}
        </ul>
      )}
      {templates !== null && words && found.length === 0 && (
        <p className="ae-hint" role="status">
          {trans.__('No template says “%1”.', words)}
        </p>
      )}
    </div>
  );
}

function says(template: Template, words: string): boolean {
  const text = `${template.title} ${template.summary} ${template.category}`;
  return words
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.toLowerCase().includes(word));
}
