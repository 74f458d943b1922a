/** Panels of which each agent has one: found again when it is open, and restored after a reload. */
import type {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd
} from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { DockLayout } from '@lumino/widgets';

import type { AgentWidget } from './AgentWidget';

export class OnePerAgent<W extends AgentWidget> {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _labShell: ILabShell | null,
    /** `agent`, as in the name of its space in the saved layout. */
    private readonly _kind: string,
    private readonly _make: (pid: number, name: string) => W
  ) {
    this.tracker = new WidgetTracker<W>({ namespace: `aether-${_kind}` });
  }

  readonly tracker: WidgetTracker<W>;

  /** Shows the panel of the agent; `begin` is told a new one before it is drawn. */
  async open(
    pid: number,
    args: ReadonlyPartialJSONObject,
    begin: (panel: W) => void = () => undefined,
    mode?: DockLayout.InsertMode
  ): Promise<W> {
    const name = typeof args.name === 'string' ? args.name : '';
    const { shell } = this._app;
    let panel = this.tracker.find(open => open.pid === pid);
    if (!panel) {
      panel = this._make(pid, name);
      begin(panel);
      await this.tracker.add(panel);
    }
    if (!panel.isAttached) {
      shell.add(panel, 'main', {
        ref: this._labShell?.currentWidget?.id,
        type: `Aether ${this._kind}`,
        ...(mode ? { mode } : {})
      });
    }
    shell.activateById(panel.id);
    return panel;
  }

  /** Opens them again by this command after a reload. */
  restore(restorer: ILayoutRestorer | null, command: string): void {
    void restorer?.restore(this.tracker, {
      command,
      args: panel => ({ pid: panel.pid, name: panel.name }),
      name: panel => String(panel.pid)
    });
  }
}
