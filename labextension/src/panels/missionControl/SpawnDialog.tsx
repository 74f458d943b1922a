/** Asks for what a new agent needs, and spawns it. What cannot run says why in its place. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import type { AetherClient } from '../../api/client';
import type {
  AgentSpec,
  Mode,
  Process,
  RouteInfo,
  Spend,
  Template,
  TemplateList
} from '../../api/types';
import type { IAetherStore } from '../../state/store';
import { AttachButton, useAttached } from '../attached';
import { PicturesOf } from '../Pictures';
import {
  emptyForm,
  fieldOf,
  type Form,
  formFrom,
  isAuto,
  routeRequest,
  specOf,
  unsaid
} from './spawnForm';
import {
  FolderHint,
  ModeField,
  ModelField,
  NetworkField,
  SandboxTiles,
  type Surroundings,
  TextField
} from './SpawnFields';
import { TemplateChooser } from './TemplateChooser';
import {
  Button,
  figures,
  Note,
  useModal,
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
  /** The name of the template to begin from. */
  template?: string;
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

function SpawnDialog(
  props: SpawnOptions & { onClose: (process: Process | null) => void }
): React.JSX.Element {
  const trans = useWords();
  const { client, first, preferred, onClose } = props;
  const spend = props.store.view?.spend ?? null;
  const attached = useAttached(client);
  const dialog = useModal();
  const goal = React.useRef<HTMLTextAreaElement>(null);
  const [around, setAround] = React.useState<Surroundings | null>(null);
  const empty = React.useMemo(
    () => emptyForm(first, preferred),
    [first, preferred]
  );
  const [form, setForm] = React.useState<Form>(empty);
  const [catalog, setCatalog] = React.useState<TemplateList | null>(null);
  const [template, setTemplate] = React.useState<Template | null>(null);
  const [more, setMore] = React.useState(false);
  const [problem, setProblem] = React.useState<{
    field: keyof Form | null;
    text: string;
  } | null>(null);
  const [busy, setBusy] = React.useState(false);
  const [another, setAnother] = React.useState(false);
  const [started, setStarted] = React.useState<Process | null>(null);

  React.useEffect(() => goal.current?.focus(), []);

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

  const automatic = isAuto(form.model || (around?.defaultModel ?? ''));
  const [route, setRoute] = React.useState<RouteInfo | string | null>(null);
  const asked = JSON.stringify(
    automatic && { ...routeRequest(form, template), images: attached.images }
  );
  React.useEffect(() => {
    const wanted = JSON.parse(asked) as AgentSpec | false;
    if (!wanted) return undefined;
    let gone = false;
    // Once the person pauses, not with each letter.
    const later = window.setTimeout(() => {
      client.route(wanted).then(
        found => !gone && setRoute(found),
        (error: unknown) => !gone && setRoute(said(error))
      );
    }, 300);
    return () => {
      gone = true;
      window.clearTimeout(later);
    };
  }, [client, asked]);

  const choose = React.useCallback(
    (chosen: Template | null) => {
      setForm(current => formFrom(current, chosen, template, empty));
      setTemplate(chosen);
      setProblem(null);
    },
    [template, empty]
  );

  React.useEffect(() => {
    let gone = false;
    client
      .templates()
      .then(found => {
        if (gone) return;
        setCatalog(found);
        const named = found.templates.find(one => one.name === props.template);
        if (named) choose(named);
      })
      // A form without templates starts agents all the same.
      .catch(() => !gone && setCatalog({ templates: [], workspaces: '' }));
    return () => {
      gone = true;
    };
    // Only the first time: what was chosen since stands.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client]);

  /** Puts the cursor where the template leaves something to say. */
  const askGoal = (words: string | undefined, text: string) => {
    const field = goal.current;
    if (!field) return;
    field.focus();
    const at = words ? text.indexOf(words) : -1;
    if (at >= 0) field.setSelectionRange(at, at + (words?.length ?? 0));
  };

  const [waking, setWaking] = React.useState(0);
  React.useEffect(() => {
    if (waking) askGoal(unsaid(template, form.goal)[0], form.goal);
    // Once for each choice, not for each letter.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [waking]);

  const set = <K extends keyof Form>(key: K, value: Form[K]) => {
    setForm(current => ({ ...current, [key]: value }));
    setProblem(current =>
      current && (current.field === key || current.field === null)
        ? null
        : current
    );
  };

  const show = (fault: { field: keyof Form | null; text: string }) => {
    setProblem(fault);
    if (fault.field === null) return;
    if (FOLDED.has(fault.field)) setMore(true);
    const place = `[name="${fault.field}"]`;
    // After the paint that unfolds it.
    requestAnimationFrame(() => {
      const element = dialog.current?.querySelector<HTMLElement>(place);
      element?.focus();
      element?.scrollIntoView({ block: 'center' });
    });
    if (fault.field === 'goal') {
      askGoal(unsaid(template, form.goal)[0], form.goal);
    }
  };

  const submit = async () => {
    if (busy || attached.coming > 0) return;
    const read = specOf(form, first, template, trans);
    if ('field' in read) {
      show(read);
      return;
    }
    setBusy(true);
    try {
      const process = await client.spawn({
        ...read.spec,
        images: [...attached.images]
      });
      if (another) {
        setStarted(process);
        attached.clear();
        setForm(current => ({
          ...current,
          goal: template?.spec.goal ?? '',
          name: ''
        }));
        setWaking(count => count + 1);
      } else {
        onClose(process);
      }
    } catch (error) {
      show({ field: fieldOf(error), text: said(error) });
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
      <div className="spawn-body">
        <TemplateChooser
          templates={catalog?.templates ?? null}
          chosen={template}
          onChoose={(chosen, by) => {
            choose(chosen);
            if (by === 'click') setWaking(count => count + 1);
          }}
        />
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
              {...attached.handlers}
              {...field('goal')}
            />
            {told('goal')}
            {attached.failure && (
              <p className="spawn-problem" role="alert">
                {attached.failure}
              </p>
            )}
            <PicturesOf
              client={client}
              images={attached.images}
              scale="small"
              onRemove={attached.remove}
            />
            <AttachButton attached={attached}>
              {trans.__('Attach images')}
            </AttachButton>
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
              route={route}
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
          <div className="spawn-two">
            <NetworkField
              value={form.network}
              attributes={field('network')}
              onChange={network => set('network', network)}
            >
              {told('network')}
            </NetworkField>
            <div>
              <label className="ae-label" htmlFor="spawn-desktop">
                {trans.__('Desktop')}
              </label>
              <select
                id="spawn-desktop"
                className="spawn-select"
                value={form.desktop}
                onChange={event =>
                  set('desktop', event.target.value as Form['desktop'])
                }
                {...field('desktop')}
              >
                <option value="none">{trans.__('None')}</option>
                <option value="xfce">{trans.__('XFCE')}</option>
                <option value="openbox">{trans.__('Openbox, lighter')}</option>
              </select>
              {told('desktop')}
              {form.desktop !== 'none' && (
                <p className="ae-hint">
                  {trans.__(
                    'A Linux desktop of its own in Docker, with a browser and an editor. You can watch it and take over.'
                  )}
                </p>
              )}
            </div>
          </div>
          {form.network === 'allowed' && (
            <div>
              <TextField
                id="hosts"
                label={trans.__('Hosts')}
                value={form.hosts}
                hint="pypi.org, *.pythonhosted.org"
                attributes={field('hosts')}
                onChange={value => set('hosts', value)}
              />
              {told('hosts')}
            </div>
          )}
          <FolderHint folders={form.folders} base={catalog?.workspaces ?? ''} />
          <div>
            <div className="spawn-three">
              <TextField
                id="steps"
                label={trans.__('Steps')}
                value={form.steps}
                hint={trans.__('no limit')}
                attributes={field('steps')}
                onChange={value => set('steps', value)}
              />
              <TextField
                id="cost"
                label={trans.__('Cost, at most')}
                value={form.cost}
                hint={trans.__('no limit')}
                attributes={field('cost')}
                onChange={value => set('cost', value)}
              />
              <TextField
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
              {trans.__('At a limit it waits and asks you.')}{' '}
              {left(spend, trans)}
            </p>
          </div>
          <details
            className="spawn-more"
            open={more}
            onToggle={event => setMore(event.currentTarget.open)}
          >
            <summary>
              {trans.__('Role, folders, permissions, looking back')}
              <span className="ae-2 ae-trunc">{folded(form)}</span>
            </summary>
            <div className="spawn-two">
              <div>
                <TextField
                  id="role"
                  label={trans.__('Role')}
                  value={form.role}
                  hint={trans.__('in a word, such as analyst')}
                  attributes={field('role')}
                  onChange={value => set('role', value)}
                />
                {told('role')}
              </div>
              <div>
                <TextField
                  id="folders"
                  label={trans.__('Shared folders')}
                  value={form.folders}
                  hint={trans.__('names, such as data')}
                  attributes={field('folders')}
                  onChange={value => set('folders', value)}
                />
                {told('folders')}
              </div>
            </div>
            <div>
              <label className="ae-label" htmlFor="spawn-reflect">
                {trans.__('Looks back on its run')}
              </label>
              <select
                id="spawn-reflect"
                className="spawn-select"
                value={form.reflect}
                onChange={event =>
                  set('reflect', event.target.value as Form['reflect'])
                }
              >
                <option value="">{trans.__('As the server is set')}</option>
                <option value="yes">{trans.__('Yes')}</option>
                <option value="no">{trans.__('No')}</option>
              </select>
              <p className="ae-hint">
                {trans.__(
                  'A model rates the ended run and keeps lessons for later ones; it counts towards its cost.'
                )}
              </p>
            </div>
            <label className="ae-label" htmlFor="spawn-permissions">
              {trans.__('Permissions')}
            </label>
            <textarea
              id="spawn-permissions"
              className="spawn-lines"
              rows={2}
              spellCheck={false}
              value={form.permissions}
              placeholder="deny tool=delete_file"
              onChange={event => set('permissions', event.target.value)}
              {...field('permissions')}
            />
            {told('permissions')}
            <p className="ae-hint">
              {trans.__(
                'One a line: allow, ask or deny, then conditions. Deny beats ask beats allow; those of the administrator hold too.'
              )}
            </p>
          </details>
        </form>
      </div>
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
          disabled={
            (busy && trans.__('It is being started')) ||
            (attached.coming > 0 && trans.__('An image is on its way'))
          }
          onClick={() => void submit()}
        >
          {busy ? trans.__('Starting…') : trans.__('Start agent')}
        </Button>
      </footer>
    </dialog>
  );
}

const FOLDED: ReadonlySet<keyof Form> = new Set([
  'role',
  'permissions',
  'folders'
]);

/** What stands in the folded fields, in a few words. */
function folded(form: Form): string {
  const [line, ...lines] = form.permissions.split('\n').filter(text => text);
  const rules = lines.length ? `${line} +${lines.length}` : line;
  return [form.role.trim(), rules, form.folders.trim()]
    .filter(text => text)
    .join(' · ');
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
