/** Asks for what a new agent needs, and spawns it. What cannot run says why in its place. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import type { AetherClient } from '../../api/client';
import type {
  AgentSpec,
  Mode,
  ModelInfo,
  Process,
  SandboxInfo,
  SandboxName,
  Spend
} from '../../api/types';
import type { IAetherStore } from '../../state/store';
import { fieldOf, type Form, specOf } from './spawnForm';
import {
  Button,
  figures,
  Icon,
  type IconName,
  Note,
  useWords,
  WordsProvider
} from '../../ui';

export interface SpawnOptions {
  client: AetherClient;
  store: IAetherStore;
  trans: TranslationBundle;
  /** What is known already. */
  first: Partial<AgentSpec>;
  /** What the person's settings say. */
  preferred: { model: string; mode: Mode; steps: number };
}

/** Opens the dialog over the page; resolves with the process, or `null` if nothing was started. */
export function openSpawnDialog(
  options: SpawnOptions
): Promise<Process | null> {
  return new Promise(resolve => {
    const widget = ReactWidget.create(
      <WordsProvider value={options.trans}>
        <SpawnDialog
          {...options}
          onClose={process => {
            widget.dispose();
            resolve(process);
          }}
        />
      </WordsProvider>
    );
    widget.addClass('jp-Aether');
    widget.addClass('jp-AetherSpawn');
    Widget.attach(widget, document.body);
  });
}

interface Surroundings {
  models: ModelInfo[];
  defaultModel: string;
  sandboxes: SandboxInfo[];
}

function SpawnDialog(
  props: SpawnOptions & { onClose: (process: Process | null) => void }
): React.JSX.Element {
  const trans = useWords();
  const { client, first, preferred, onClose } = props;
  const spend = props.store.view?.spend ?? null;
  const dialog = React.useRef<HTMLDialogElement>(null);
  const goal = React.useRef<HTMLTextAreaElement>(null);
  const [around, setAround] = React.useState<Surroundings | null>(null);
  const [form, setForm] = React.useState<Form>({
    goal: first.goal ?? '',
    name: first.name ?? '',
    model: first.model ?? preferred.model,
    mode: first.mode ?? preferred.mode,
    sandbox: first.sandbox?.kind ?? 'auto',
    steps: String(first.limits?.steps ?? preferred.steps),
    cost: first.limits?.cost_usd ? String(first.limits.cost_usd) : '',
    time: first.limits?.wall_s ? `${first.limits.wall_s / 60} min` : ''
  });
  const [problem, setProblem] = React.useState<{
    field: keyof Form | null;
    text: string;
  } | null>(null);
  const [busy, setBusy] = React.useState(false);
  const [another, setAnother] = React.useState(false);
  const [started, setStarted] = React.useState<Process | null>(null);

  React.useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    goal.current?.focus();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  React.useEffect(() => {
    let gone = false;
    Promise.all([client.models(), client.sandboxes()])
      .then(([{ models, default: defaultModel }, sandboxes]) => {
        if (!gone) setAround({ models, defaultModel, sandboxes });
      })
      .catch((error: unknown) => {
        if (!gone) setProblem({ field: null, text: said(error) });
      });
    return () => {
      gone = true;
    };
  }, [client]);

  const set = <K extends keyof Form>(key: K, value: Form[K]) => {
    setForm(current => ({ ...current, [key]: value }));
    setProblem(current =>
      current && (current.field === key || current.field === null)
        ? null
        : current
    );
  };

  const submit = async () => {
    if (busy) return;
    const read = specOf(form, first, trans);
    if ('field' in read) {
      setProblem(read);
      dialog.current
        ?.querySelector<HTMLElement>(`[name="${read.field}"]`)
        ?.focus();
      return;
    }
    setBusy(true);
    try {
      const process = await client.spawn(read.spec);
      if (another) {
        setStarted(process);
        setForm(current => ({ ...current, goal: '', name: '' }));
        goal.current?.focus();
      } else {
        onClose(process);
      }
    } catch (error) {
      setProblem({ field: fieldOf(error), text: said(error) });
    } finally {
      setBusy(false);
    }
  };

  const told = (field: keyof Form) =>
    problem?.field === field ? (
      <p className="spawn-problem" id={`spawn-${field}-problem`} role="alert">
        {problem.text}
      </p>
    ) : null;
  const field = (key: keyof Form) => ({
    name: key,
    'aria-invalid': problem?.field === key || undefined,
    'aria-describedby':
      problem?.field === key ? `spawn-${key}-problem` : undefined
  });

  return (
    <dialog
      ref={dialog}
      className="spawn"
      aria-labelledby="spawn-title"
      data-lm-suppress-shortcuts="true"
      onCancel={event => {
        event.preventDefault();
        onClose(started);
      }}
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          void submit();
        }
      }}
    >
      <header>
        <h2 id="spawn-title">{trans.__('New agent')}</h2>
        <Button
          kind="quiet"
          icon="close"
          label={trans.__('Close')}
          onClick={() => onClose(started)}
        />
      </header>
      <form
        className="spawn-form"
        onSubmit={event => {
          event.preventDefault();
          void submit();
        }}
      >
        {problem && problem.field === null && (
          <Note tone="bad" icon="error" alert>
            {problem.text}
          </Note>
        )}
        {started && (
          <Note tone="run" icon="check">
            {trans.__('%1 started as PID %2.', started.name, started.pid)}
          </Note>
        )}
        <div>
          <label className="ae-label" htmlFor="spawn-goal">
            {trans.__('Goal')}
          </label>
          <textarea
            id="spawn-goal"
            ref={goal}
            rows={3}
            value={form.goal}
            placeholder={trans.__(
              'What should be true when it is done, and how you would check it'
            )}
            onChange={event => set('goal', event.target.value)}
            {...field('goal')}
          />
          {told('goal')}
        </div>
        <div>
          <label className="ae-label" htmlFor="spawn-name">
            {trans.__('Name')}
          </label>
          <span className="ae-field">
            <input
              id="spawn-name"
              value={form.name}
              maxLength={120}
              placeholder={trans.__('Taken from the goal')}
              onChange={event => set('name', event.target.value)}
              {...field('name')}
            />
          </span>
          {told('name')}
        </div>
        <div className="spawn-two">
          <ModelField
            around={around}
            value={form.model}
            attributes={field('model')}
            onChange={model => set('model', model)}
          >
            {told('model')}
          </ModelField>
          <ModeField
            value={form.mode}
            attributes={field('mode')}
            onChange={mode => set('mode', mode)}
          >
            {told('mode')}
          </ModeField>
        </div>
        <SandboxTiles
          sandboxes={around?.sandboxes ?? null}
          value={form.sandbox}
          onChange={sandbox => set('sandbox', sandbox)}
        >
          {told('sandbox')}
        </SandboxTiles>
        <div>
          <div className="spawn-three">
            <LimitField
              id="steps"
              label={trans.__('Steps')}
              value={form.steps}
              hint={trans.__('no limit')}
              attributes={field('steps')}
              onChange={value => set('steps', value)}
            />
            <LimitField
              id="cost"
              label={trans.__('Cost, at most')}
              value={form.cost}
              hint={trans.__('no limit')}
              attributes={field('cost')}
              onChange={value => set('cost', value)}
            />
            <LimitField
              id="time"
              label={trans.__('Time, at most')}
              value={form.time}
              hint={trans.__('no limit')}
              attributes={field('time')}
              onChange={value => set('time', value)}
            />
          </div>
          {told('steps')}
          {told('cost')}
          {told('time')}
          <p className="ae-hint">
            {trans.__('At a limit it waits and asks you.')} {left(spend, trans)}
          </p>
        </div>
      </form>
      <footer>
        <label className="ae-row spawn-keep">
          <input
            type="checkbox"
            checked={another}
            onChange={event => setAnother(event.target.checked)}
          />
          <span className="ae-2">
            {trans.__('Keep this window open for another')}
          </span>
        </label>
        <span className="ae-grow" />
        <Button onClick={() => onClose(started)}>{trans.__('Cancel')}</Button>
        <Button
          kind="primary"
          hint="Ctrl ⏎"
          disabled={busy ? trans.__('It is being started') : false}
          onClick={() => void submit()}
        >
          {busy ? trans.__('Starting…') : trans.__('Start agent')}
        </Button>
      </footer>
    </dialog>
  );
}

type FieldAttributes = {
  name: string;
  'aria-invalid'?: boolean;
  'aria-describedby'?: string;
};

function ModelField(props: {
  around: Surroundings | null;
  value: string;
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
        <option value="">
          {around
            ? trans.__(
                'Default: %1',
                standard?.label || around.defaultModel || trans.__('none')
              )
            : trans.__('Default')}
        </option>
        {value && around && !chosen && <option value={value}>{value}</option>}
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
      {chosen && !chosen.available.ok ? (
        <p className="spawn-problem">
          {[chosen.available.detail, chosen.available.fix]
            .filter(text => text)
            .join(' ')}
        </p>
      ) : (
        <p className="ae-hint">{priced(chosen, trans)}</p>
      )}
    </div>
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
  const note = model.note ?? '';
  return note
    ? `${price}. ${note.charAt(0).toUpperCase()}${note.slice(1)}`
    : price;
}

function ModeField(props: {
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

function SandboxTiles(props: {
  sandboxes: SandboxInfo[] | null;
  value: SandboxName;
  onChange: (sandbox: SandboxName) => void;
  children: React.ReactNode;
}): React.JSX.Element {
  const trans = useWords();
  const { sandboxes, value } = props;
  const names: Record<SandboxName, readonly [string, string]> = {
    auto: [trans.__('Automatic'), trans.__('the best there is')],
    docker: [trans.__('Docker'), trans.__('isolated, no network')],
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
    return sandbox && !sandbox.available.ok
      ? [sandbox.available.detail, sandbox.available.fix]
          .filter(text => text)
          .join(' ')
      : '';
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
          {trans.__('Network: none. Files: a home of its own.')}
        </p>
      )}
    </div>
  );
}

function LimitField(props: {
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

function left(spend: Spend | null, trans: TranslationBundle): string {
  if (!spend || spend.limit_usd === null) return '';
  return trans.__(
    'Left today: %1 of %2.',
    figures.money(Math.max(0, spend.limit_usd - spend.cost_usd)),
    figures.limitMoney(spend.limit_usd)
  );
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
