/** The fields of the form for a new agent. What cannot be used says why in its place. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type {
  Mode,
  ModelInfo,
  NetworkKind,
  RouteInfo,
  SandboxInfo,
  SandboxName
} from '../../api/types';
import { Icon, type IconName, useWords } from '../../ui';
import { isAuto, whyNot } from './spawnForm';

/** What the server has: models, the one that is used where none is chosen, and sandboxes. */
export interface Surroundings {
  models: ModelInfo[];
  defaultModel: string;
  sandboxes: SandboxInfo[];
}

/** What ties an input to its problem. */
export type FieldAttributes = {
  name: string;
  'aria-invalid'?: boolean;
  'aria-describedby'?: string;
};

export function ModelField(props: {
  around: Surroundings | null;
  value: string;
  /** Which model the server would choose now, or why it cannot; null while that is not known. */
  route: RouteInfo | string | null;
  attributes: FieldAttributes;
  onChange: (model: string) => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  const { around, value } = props;
  const standard = around?.models.find(
    model => model.id === around.defaultModel
  );
  const chosen = value
    ? around?.models.find(model => model.id === value)
    : standard;
  const usable = around?.models.filter(model => model.available.ok) ?? [];
  const barred = around?.models.filter(model => !model.available.ok) ?? [];
  return (
    <div>
      <label className="ae-label" htmlFor="spawn-model">
        {trans.__('Model')}
      </label>
      <select
        id="spawn-model"
        className="spawn-select"
        value={value}
        onChange={event => props.onChange(event.target.value)}
        {...props.attributes}
      >
        <option value="auto">{trans.__('Auto: for each task')}</option>
        <option value="">
          {around
            ? trans.__(
                'Default: %1',
                standard?.label || around.defaultModel || trans.__('none')
              )
            : trans.__('Default')}
        </option>
        {value && value !== 'auto' && around && !chosen && (
          <option value={value}>{value}</option>
        )}
        {usable.map(model => (
          <option key={model.id} value={model.id}>
            {model.label || model.id}
          </option>
        ))}
        {barred.length > 0 && (
          <optgroup label={trans.__('Not ready here')}>
            {barred.map(model => (
              <option key={model.id} value={model.id}>
                {model.label || model.id}
              </option>
            ))}
          </optgroup>
        )}
      </select>
      {props.children}
      {isAuto(value || (around?.defaultModel ?? '')) ? (
        <RouteHint route={props.route} />
      ) : chosen && !chosen.available.ok ? (
        <p className="spawn-problem">{whyNot(chosen.available)}</p>
      ) : (
        <p className="ae-hint">{priced(chosen, trans)}</p>
      )}
    </div>
  );
}

function RouteHint(props: {
  route: RouteInfo | string | null;
}): React.JSX.Element {
  const trans = useWords();
  const { route } = props;
  if (typeof route === 'string') {
    return <p className="spawn-problem">{route}</p>;
  }
  return (
    <p className="ae-hint" aria-live="polite">
      {route === null
        ? trans.__('The server chooses for each task')
        : trans.__('Now %1. %2', route.models[0], route.why)}
    </p>
  );
}

function priced(
  model: ModelInfo | undefined,
  trans: TranslationBundle
): string {
  if (!model) return trans.__('The server chooses');
  const price =
    model.input_usd === null || model.output_usd === null
      ? trans.__('Price not known')
      : model.input_usd === 0 && model.output_usd === 0
        ? trans.__('Costs nothing')
        : trans.__(
            '$%1 in, $%2 out for a million tokens',
            model.input_usd,
            model.output_usd
          );
  const sees = model.sees ? trans.__('Takes images') : '';
  return [model.families.join(', '), price, sees, model.note ?? '']
    .filter(text => text)
    .map(text => text.charAt(0).toUpperCase() + text.slice(1))
    .join('. ');
}

export function ModeField(props: {
  value: Mode;
  attributes: FieldAttributes;
  onChange: (mode: Mode) => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  const modes: readonly (readonly [Mode, string, string])[] = [
    [
      'plan',
      trans.__('Plan only'),
      trans.__('Reads and thinks; changes nothing')
    ],
    [
      'ask_always',
      trans.__('Ask always'),
      trans.__('Asks before everything that is not safe')
    ],
    [
      'ask_risky',
      trans.__('Ask if risky'),
      trans.__('Asks before commands, network, delete')
    ],
    [
      'accept_edits',
      trans.__('Accept edits'),
      trans.__('Works in its sandbox; asks before network, delete')
    ],
    [
      'autonomous',
      trans.__('Autonomous'),
      trans.__('Asks for nothing but what a rule forbids')
    ]
  ];
  return (
    <div>
      <label className="ae-label" htmlFor="spawn-mode">
        {trans.__('May act')}
      </label>
      <select
        id="spawn-mode"
        className="spawn-select"
        value={props.value}
        onChange={event => props.onChange(event.target.value as Mode)}
        {...props.attributes}
      >
        {modes.map(([mode, label]) => (
          <option key={mode} value={mode}>
            {label}
          </option>
        ))}
      </select>
      {props.children}
      <p className="ae-hint">
        {modes.find(([mode]) => mode === props.value)?.[2]}
      </p>
    </div>
  );
}

const TILES: readonly (readonly [SandboxName, IconName])[] = [
  ['auto', 'sandbox'],
  ['docker', 'layers'],
  ['bubblewrap', 'sandbox'],
  ['host', 'error']
];

export function SandboxTiles(props: {
  sandboxes: SandboxInfo[] | null;
  value: SandboxName;
  onChange: (sandbox: SandboxName) => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  const { sandboxes, value } = props;
  const names: Record<SandboxName, readonly [string, string]> = {
    auto: [trans.__('Automatic'), trans.__('the best there is')],
    docker: [trans.__('Docker'), trans.__('isolated')],
    bubblewrap: [trans.__('bubblewrap'), trans.__('light, no engine')],
    host: [trans.__('Host'), trans.__('no isolation')]
  };
  const found = (name: SandboxName) =>
    sandboxes?.find(sandbox => sandbox.name === name);
  const offered = TILES.filter(([name]) => {
    if (name === 'auto') return true;
    // Until the server has said what there is, only what no server forbids.
    if (sandboxes === null) return name !== 'host';
    const sandbox = found(name);
    // What isolates nothing needs no setting up: where it cannot be used it is forbidden.
    return sandbox && (sandbox.isolated || sandbox.available.ok);
  });
  const isolated = sandboxes?.filter(sandbox => sandbox.isolated) ?? [];
  const first = ['docker', 'bubblewrap'].find(name =>
    isolated.some(sandbox => sandbox.name === name && sandbox.available.ok)
  );
  const why = (name: SandboxName): string => {
    if (sandboxes === null) return '';
    if (name === 'auto') {
      return first ? '' : trans.__('No isolation is to be had here');
    }
    const sandbox = found(name);
    return sandbox && !sandbox.available.ok ? whyNot(sandbox.available) : '';
  };
  const move = (event: React.KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[
      event.key
    ];
    if (!step) return;
    event.preventDefault();
    const open = offered.filter(([name]) => !why(name));
    const at = open.findIndex(([name]) => name === value);
    const next = open[(at + step + open.length) % open.length];
    if (next) props.onChange(next[0]);
  };
  const chosen = why(value);
  return (
    <div>
      <span className="ae-label" id="spawn-sandbox">
        {trans.__('Sandbox')}
      </span>
      <div
        className="spawn-tiles"
        role="radiogroup"
        aria-labelledby="spawn-sandbox"
        onKeyDown={move}
      >
        {offered.map(([name, icon]) => {
          const reason = why(name);
          const on = name === value;
          const words =
            name === 'auto' && first
              ? names[first as SandboxName][0]
              : names[name][1];
          return (
            <button
              key={name}
              type="button"
              role="radio"
              aria-checked={on}
              aria-disabled={reason ? true : undefined}
              tabIndex={on ? 0 : -1}
              className={`${on ? 'on' : ''} ${name === 'host' ? 'host' : ''}`}
              title={reason || undefined}
              ref={element => {
                if (on && document.activeElement?.role === 'radio') {
                  element?.focus();
                }
              }}
              onClick={() => {
                if (!reason) props.onChange(name);
              }}
            >
              <Icon name={icon} size={14} />
              <b className="ae-trunc">{names[name][0]}</b>
              <small>{reason ? trans.__('not ready here') : words}</small>
            </button>
          );
        })}
      </div>
      {props.children}
      {offered.map(
        ([name]) =>
          name !== value &&
          why(name) && (
            <p className="ae-hint" key={name}>
              {`${names[name][0]}: ${why(name)}`}
            </p>
          )
      )}
      {chosen ? (
        <p className="spawn-problem">{chosen}</p>
      ) : value === 'host' ? (
        <p className="spawn-problem">
          {trans.__(
            'Commands run as you, on this machine, with all your files and the network.'
          )}
        </p>
      ) : (
        <p className="ae-hint">
          {trans.__('Files: a home of its own, of limited size.')}
        </p>
      )}
    </div>
  );
}

export function NetworkField(props: {
  value: NetworkKind;
  attributes: FieldAttributes;
  onChange: (network: NetworkKind) => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  const kinds: readonly (readonly [NetworkKind, string, string])[] = [
    [
      'none',
      trans.__('None'),
      trans.__('Its commands reach nothing outside the sandbox.')
    ],
    [
      'allowed',
      trans.__('Some hosts'),
      trans.__(
        'Its commands reach these hosts by a proxy, and nothing else. Needs Docker.'
      )
    ],
    [
      'host',
      trans.__('This machine’s'),
      trans.__('Its commands reach whatever this machine does.')
    ]
  ];
  return (
    <div>
      <label className="ae-label" htmlFor="spawn-network">
        {trans.__('Network')}
      </label>
      <select
        id="spawn-network"
        className="spawn-select"
        value={props.value}
        onChange={event => props.onChange(event.target.value as NetworkKind)}
        {...props.attributes}
      >
        {kinds.map(([kind, label]) => (
          <option key={kind} value={kind}>
            {label}
          </option>
        ))}
      </select>
      {props.children}
      <p className="ae-hint">
        {kinds.find(([kind]) => kind === props.value)?.[2]}
      </p>
    </div>
  );
}

export function TextField(props: {
  id: string;
  label: string;
  value: string;
  hint: string;
  attributes: FieldAttributes;
  onChange: (value: string) => void;
}): React.JSX.Element {
  return (
    <div>
      <label className="ae-label" htmlFor={`spawn-${props.id}`}>
        {props.label}
      </label>
      <span className="ae-field">
        <input
          id={`spawn-${props.id}`}
          value={props.value}
          placeholder={props.hint}
          autoComplete="off"
          onChange={event => props.onChange(event.target.value)}
          {...props.attributes}
        />
      </span>
    </div>
  );
}

/** Where a person puts the files that the agent is to find in its shared folders. */
export function FolderHint(props: {
  folders: string;
  base: string;
}): React.JSX.Element | null {
  const trans = useWords();
  const names = props.folders.split(/[\s,]+/).filter(name => name);
  if (names.length === 0 || !props.base) return null;
  return (
    <ul className="spawn-folders ae-hint">
      {names.map(name => (
        <li key={name}>
          <Icon name="folder" size={12} />
          <span>
            <code>/workspaces/{name}</code> {trans.__('is, on the server,')}{' '}
            <code>
              {props.base}/{name}
            </code>
          </span>
        </li>
      ))}
    </ul>
  );
}
