/** Search, filters, grouping, and the way to see them. */
import * as React from 'react';

import type { GroupBy } from '../../state/selectors';
import { Button, Icon, useHints, useWords } from '../../ui';

export interface Choices {
  text: string;
  state: string;
  owner: string;
  group: GroupBy;
  view: 'grid' | 'table';
}

export function FilterBar(props: {
  choices: Choices;
  owners: readonly string[];
  search: React.RefObject<HTMLInputElement>;
  onChange: (change: Partial<Choices>) => void;
  onNew: () => void;
}): React.JSX.Element {
  const trans = useWords();
  const { choices, owners, onChange } = props;
  const hint = useHints()('aether:mission-control-search');
  const [unfolded, setUnfolded] = React.useState(false);
  const groupNames: readonly (readonly [GroupBy, string])[] = [
    ['attention', trans.__('Attention')],
    ['owner', trans.__('Owner')],
    ['model', trans.__('Model')],
    ['parent', trans.__('Parent')],
    ['none', trans.__('None')]
  ];
  const filtered = choices.state !== '' || choices.owner !== '';
  return (
    <section
      className={unfolded ? 'mc-bar unfolded' : 'mc-bar'}
      aria-label={trans.__('Filters')}
    >
      <label className="ae-field mc-find">
        <Icon name="search" size={14} />
        <input
          ref={props.search}
          value={choices.text}
          type="search"
          placeholder={trans.__('Filter by name, goal, PID or owner:ana')}
          aria-label={trans.__('Filter agents')}
          title={trans.__(
            'Words, or owner: model: state: parent: name: sandbox: – or cost>1 steps>10 tokens>5k; a minus before excludes'
          )}
          spellCheck={false}
          data-lm-suppress-shortcuts="true"
          onChange={event => onChange({ text: event.target.value })}
          onKeyDown={event => {
            if (event.key !== 'Escape') return;
            if (choices.text) {
              event.stopPropagation();
              onChange({ text: '' });
            } else event.currentTarget.blur();
          }}
        />
        {choices.text ? (
          <Button
            kind="quiet"
            small
            icon="close"
            label={trans.__('Clear the filter')}
            onClick={() => {
              onChange({ text: '' });
              props.search.current?.focus();
            }}
          />
        ) : (
          hint && (
            <span className="ae-kbd" aria-hidden="true">
              {hint}
            </span>
          )
        )}
      </label>
      <span className="mc-only-narrow">
        <Button
          icon="settings"
          label={trans.__('Filter and group')}
          pressed={unfolded || filtered}
          onClick={() => setUnfolded(!unfolded)}
        />
      </span>
      <div className="mc-choices">
        <Choice
          label={trans.__('State')}
          value={choices.state}
          options={[
            ['', trans.__('All')],
            ['you', trans.__('Waiting for you')],
            ['running', trans.__('Running')],
            ['ready', trans.__('Ready')],
            ['waiting', trans.__('Waiting')],
            ['stopped', trans.__('Stopped')],
            ['done', trans.__('Done')],
            ['failed', trans.__('Failed')]
          ]}
          onChange={state => onChange({ state })}
        />
        {owners.length > 1 && (
          <Choice
            label={trans.__('Owner')}
            value={choices.owner}
            options={[
              ['', trans.__('Everyone')],
              ...owners.map(owner => [owner, owner] as const)
            ]}
            onChange={owner => onChange({ owner })}
          />
        )}
        {choices.view === 'grid' && (
          <Choice
            label={trans.__('Group')}
            value={choices.group}
            options={groupNames}
            onChange={group => onChange({ group: group as GroupBy })}
          />
        )}
      </div>
      <span className="ae-grow mc-hide-narrow" />
      <span className="ae-group" role="group" aria-label={trans.__('View')}>
        <Button
          icon="grid"
          label={trans.__('Grid')}
          pressed={choices.view === 'grid'}
          onClick={() => onChange({ view: 'grid' })}
        />
        <Button
          icon="table"
          label={trans.__('Table')}
          pressed={choices.view === 'table'}
          onClick={() => onChange({ view: 'table' })}
        />
      </span>
      <Button
        kind="primary"
        icon="plus"
        label={trans.__('New agent')}
        className="mc-new"
        onClick={props.onNew}
      >
        <span>{trans.__('New agent')}</span>
      </Button>
    </section>
  );
}

/** A list to choose from, drawn as label and value; the browser's own list lies over it. */
function Choice(props: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}): React.JSX.Element {
  const shown = props.options.find(([value]) => value === props.value);
  return (
    <label className="ae-select mc-choice">
      <span>{props.label}</span> <b>{shown?.[1] ?? props.value}</b>
      <Icon name="chevronDown" size={12} />
      <select
        value={props.value}
        aria-label={props.label}
        data-lm-suppress-shortcuts="true"
        onChange={event => props.onChange(event.target.value)}
      >
        {props.options.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
