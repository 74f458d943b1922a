/** Agents in Lab's own panel of what runs. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';

import type { Process } from '../api/types';
import { attempt, tellFailures } from '../commands/context';
import { CommandIDs } from '../commands/ids';
import { standing } from '../state/selectors';
import { IAetherClient, IAetherStore } from '../tokens';
import { aetherIcon, figures, kernelState, standingWord } from '../ui';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:running',
  description: 'Agents among the running sessions.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore, IRunningSessionManagers],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    managers: IRunningSessionManagers,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const alive = (): Process[] =>
      Object.values(store.view?.processes ?? {})
        .filter(process => process.state !== 'ZOMBIE')
        .sort((a, b) => b.pid - a.pid);
    const changed = new Signal<object, void>(app);
    let seen = '';
    store.subscribe(() => {
      // Lab draws its whole list anew at each signal, so only what it shows counts as a change.
      const now = alive()
        .map(({ pid, state, name }) => `${pid} ${state} ${name}`)
        .join('\n');
      if (now === seen) return;
      seen = now;
      changed.emit();
    });
    managers.add({
      name: trans.__('Agents'),
      supportsMultipleViews: false,
      running: () =>
        alive().map(process => new RunningAgent(process, app.commands, trans)),
      shutdownAll: () => {
        const pids = alive().map(process => process.pid);
        if (pids.length === 0) return;
        void attempt(async () => {
          tellFailures((await client.signalMany(pids, 'TERM')).failed, trans);
        });
      },
      refreshRunning: () => changed.emit(),
      runningChanged: changed,
      shutdownLabel: trans.__('Terminate'),
      shutdownAllLabel: trans.__('Terminate All'),
      shutdownAllConfirmationText: trans.__(
        'Terminate all agents? The step that runs now is finished first; files and timelines are kept.'
      )
    });
  }
};

export default plugin;

class RunningAgent {
  constructor(
    private readonly _process: Process,
    private readonly _commands: CommandRegistry,
    private readonly _trans: TranslationBundle
  ) {}

  open(): void {
    void this._commands.execute(CommandIDs.openAgent, {
      pid: this._process.pid
    });
  }

  shutdown(): void {
    void this._commands.execute(CommandIDs.signal, {
      pid: this._process.pid,
      signal: 'TERM'
    });
  }

  icon(): LabIcon {
    return aetherIcon;
  }

  label(): string {
    return `${this._process.name} (${this._process.pid})`;
  }

  labelTitle(): string {
    const { step, limits } = this._process;
    const word = standingWord(standing(this._process), this._trans);
    return [
      this._process.goal,
      `${word}, ${figures.steps(step, limits.steps)} (${kernelState(this._process)})`
    ].join('\n');
  }
}
