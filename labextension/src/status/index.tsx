/** The fleet in Lab's status bar: who waits for you, how many run, what the day cost. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IStatusBar, type Popup, showPopup } from '@jupyterlab/statusbar';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { CommandIDs } from '../commands/ids';
import {
  type PanelServices,
  NowProvider,
  ServicesProvider,
  useCommand,
  useServices
} from '../panels/services';
import { AskButtons } from '../panels/missionControl/AskButtons';
import { reason } from '../panels/missionControl/voice';
import { approvalsByPid, needsPerson, standing } from '../state/selectors';
import { useNow, useStore } from '../state/useStore';
import { IAetherClient, IAetherStore } from '../tokens';
import {
  Button,
  figures,
  Icon,
  Mark,
  Mended,
  useWords,
  WordsProvider
} from '../ui';

const GRACE_MS = 2000;

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:status',
  description: 'The agents in the status bar.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore, IStatusBar],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    statusBar: IStatusBar,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const item = new StatusWidget(
      { client, store, commands: app.commands },
      trans
    );
    statusBar.registerStatusItem('aether-jupyter:status', {
      item,
      align: 'right',
      rank: 1000
    });
  }
};

export default plugin;

class StatusWidget extends ReactWidget {
  constructor(
    private readonly _services: PanelServices,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Aether');
    this.addClass('jp-AetherStatus');
  }

  protected render(): React.JSX.Element {
    return (
      <WordsProvider value={this._trans}>
        <ServicesProvider value={this._services}>
          <Mended>
            <Status onWaits={() => this._showWaits()} />
          </Mended>
        </ServicesProvider>
      </WordsProvider>
    );
  }

  private _showWaits(): void {
    if (this._popup && !this._popup.isDisposed) {
      this._popup.dispose();
      this._popup = null;
      return;
    }
    const body = ReactWidget.create(
      <WordsProvider value={this._trans}>
        <ServicesProvider value={this._services}>
          <Waits onDone={() => this._popup?.dispose()} />
        </ServicesProvider>
      </WordsProvider>
    );
    body.addClass('jp-Aether');
    body.addClass('jp-AetherWaits');
    const before = document.activeElement;
    this._popup = showPopup({ body, anchor: this, align: 'right' });
    const popup = this._popup;
    // Lab's popup leaves the focus where it was, which the keyboard would have to walk to the end of the page from.
    void body.renderPromise?.then(() =>
      body.node.querySelector('button')?.focus()
    );
    popup?.disposed.connect(() => {
      const focused = document.activeElement;
      if (before instanceof HTMLElement && popup.node.contains(focused)) {
        before.focus();
      }
    });
  }

  private _popup: Popup | null = null;
}

function Status(props: { onWaits: () => void }): React.JSX.Element | null {
  const trans = useWords();
  const run = useCommand();
  const { store } = useServices();
  const view = useStore(store, state => state.view);
  const connection = useStore(store, state => state.connection);
  const lost = connection.status === 'lost';
  const [told, setTold] = React.useState(false);
  React.useEffect(() => {
    if (!lost) {
      setTold(false);
      return undefined;
    }
    const timer = window.setTimeout(() => setTold(true), GRACE_MS);
    return () => window.clearTimeout(timer);
  }, [lost]);
  if (lost && told) {
    return (
      <button
        type="button"
        className="st-item asks"
        title={
          connection.detail ||
          trans.__('Agents go on without this page. Click to try now.')
        }
        onClick={() => store.retry()}
      >
        <Icon name="error" size={12} />
        {connection.lastNewsAt === null
          ? trans.__('Agents: not connected')
          : trans.__(
              'Not connected, %1',
              figures.clock(connection.lastNewsAt / 1000, store.now())
            )}
      </button>
    );
  }
  if (!view) return null;
  const processes = Object.values(view.processes).filter(
    process => process.reaped_at === null
  );
  const waits = processes.filter(needsPerson).length;
  const running = processes.filter(
    process => standing(process) === 'running'
  ).length;
  const openAll = () => run(CommandIDs.openMissionControl);
  if (processes.length === 0) {
    return (
      <button type="button" className="st-item" onClick={openAll}>
        <Mark standing="ready" quiet />
        {trans.__('No agents')}
      </button>
    );
  }
  const { cost_usd: cost, limit_usd: limit } = view.spend;
  const near = limit !== null && cost >= limit * 0.9;
  return (
    <>
      {waits > 0 && (
        <button
          type="button"
          className="st-item asks"
          title={trans.__('See what they ask')}
          onClick={props.onWaits}
        >
          <Mark standing="you" quiet />
          {trans._n('%1 waits for you', '%1 wait for you', waits)}
        </button>
      )}
      <button
        type="button"
        className="st-item"
        title={trans._n('%1 agent runs', '%1 agents run', running)}
        onClick={openAll}
      >
        <Mark standing={running > 0 ? 'running' : 'ready'} quiet />
        {running}
      </button>
      <button
        type="button"
        className={near ? 'st-item asks' : 'st-item'}
        title={
          near
            ? trans.__('Nine tenths of what may be spent today are used')
            : trans.__('Spent today')
        }
        onClick={openAll}
      >
        <Icon name="money" size={12} />
        {limit === null
          ? figures.money(cost)
          : trans.__(
              '%1 of %2',
              figures.money(cost),
              figures.limitMoney(limit)
            )}
      </button>
    </>
  );
}

/** What waits for you, with one action each. */
function Waits(props: { onDone: () => void }): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { store } = useServices();
  const view = useStore(store, state => state.view);
  const now = useNow(store, 1000);
  const approvals = view ? approvalsByPid(view) : new Map();
  const waiting = Object.values(view?.processes ?? {})
    .filter(needsPerson)
    .sort((a, b) => b.pid - a.pid);
  return (
    <NowProvider value={now}>
      <header className="ae-row">
        <b className="ae-grow">
          {trans._n('%1 waits for you', '%1 wait for you', waiting.length)}
        </b>
        <Button
          kind="quiet"
          small
          onClick={() => {
            props.onDone();
            run(CommandIDs.openApprovals);
          }}
        >
          {trans.__('Open approvals')}
        </Button>
      </header>
      <ul>
        {waiting.map(process => {
          const approval = approvals.get(process.pid);
          const title =
            approval?.kind === 'call'
              ? (approval.call?.tool ?? trans.__('Approval'))
              : approval?.kind === 'limit'
                ? trans.__('Limit')
                : approval?.kind === 'question'
                  ? trans.__('Question')
                  : trans.__('Message');
          const words =
            approval?.kind === 'call'
              ? approval.because
              : approval?.question || reason(process, approval, trans, now);
          const since = approval ? figures.wait(now - approval.created_at) : '';
          return (
            <li key={process.pid}>
              <span className="ae-grow">
                <span className="ae-trunc" style={{ display: 'block' }}>
                  <b>{title}</b> {process.name}
                </span>
                <span
                  className="ae-trunc ae-small ae-2"
                  style={{ display: 'block' }}
                >
                  {[words, since].filter(text => text).join(' · ')}
                </span>
              </span>
              <AskButtons
                process={process}
                approval={approval}
                small
                single
                plain
                onDone={props.onDone}
              />
            </li>
          );
        })}
      </ul>
    </NowProvider>
  );
}
