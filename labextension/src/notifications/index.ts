/** Tells of what happens while a person does something else. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';

import type { Approval, JournalRecord } from '../api/types';
import { CommandIDs } from '../commands/ids';
import { describe } from '../state/view';
import { IAetherStore } from '../tokens';
import { stripAnsi } from '../ui/plainText';
import { askPermission, notifyOutside } from './browser';
import { type News, newsOf, type Wanted } from './news';

const SETTINGS = 'aether-jupyter:plugin';
const LONGEST = 140;

function short(text: string): string {
  const flat = stripAnsi(text).replace(/\s+/g, ' ').trim();
  return flat.length > LONGEST ? `${flat.slice(0, LONGEST - 1)}…` : flat;
}

/** "Backfill March orders asks to run a command". */
function asks(approval: Approval, trans: TranslationBundle): string {
  const name = short(approval.name);
  if (approval.kind === 'question') {
    return trans.__('%1 asks: %2', name, short(approval.question ?? ''));
  }
  if (approval.kind === 'limit') {
    return trans.__('%1 has reached a limit', name);
  }
  return approval.call
    ? trans.__('%1 asks: %2', name, short(describe(approval.call)))
    : trans.__('%1 asks', name);
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:notifications',
  description: 'Notifications of what waits, ends or fails.',
  autoStart: true,
  requires: [IAetherStore],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    store: IAetherStore,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands } = app;
    let wanted: Wanted = 'waiting';
    let outside = false;
    if (registry) {
      registry.load(SETTINGS).then(
        settings => {
          const read = () => {
            wanted = settings.get('notifications').composite as Wanted;
            const before = outside;
            outside = settings.get('desktopNotifications').composite as boolean;
            if (outside && !before) void askPermission();
          };
          settings.changed.connect(read);
          read();
        },
        (error: unknown) =>
          console.warn('The settings of notifications are not read', error)
      );
    }

    // Only new waits are announced; thoughts are not.
    const voice = document.createElement('div');
    voice.className = 'jp-Aether jp-AetherVoice';
    const words = document.createElement('div');
    words.className = 'ae-sr';
    words.setAttribute('aria-live', 'polite');
    words.setAttribute('role', 'status');
    voice.append(words);
    document.body.append(voice);

    const shown = new Map<string, string>();
    const remind = (text: string, review: () => void): string =>
      Notification.emit(text, 'warning', {
        autoClose: 10_000,
        actions: [
          {
            label: trans.__('Review'),
            displayType: 'accent',
            callback: review
          }
        ]
      });
    // Who has the inbox before them sees the card itself; a note would only lie over it.
    const inboxIsSeen = () =>
      document.getElementById('aether-approvals')?.checkVisibility() === true;
    const tell = (news: News) => {
      if (news.kind === 'asks') {
        const { approval } = news;
        const text = asks(approval, trans);
        const review = () => {
          void commands.execute(CommandIDs.openApprovals, { id: approval.id });
        };
        words.textContent = text;
        if (!inboxIsSeen()) {
          shown.set(approval.id, remind(text, review));
        }
        if (outside) {
          notifyOutside(trans.__('Waiting for you'), text, approval.id, review);
        }
        return;
      }
      const { process, kind } = news;
      const open = () => {
        void commands.execute(CommandIDs.openAgent, { pid: process.pid });
      };
      const name = short(process.name);
      const said = short(process.exit?.message ?? '');
      const text =
        kind === 'done'
          ? trans.__('%1 is done. %2', name, said)
          : trans.__('%1 failed. %2', name, said);
      Notification.emit(text.trim(), kind === 'done' ? 'success' : 'error', {
        autoClose: 8000,
        actions: [{ label: trans.__('Open'), callback: open }]
      });
      if (outside) notifyOutside(name, text, `pid-${process.pid}`, open);
    };

    store.recordsArrived.connect(
      (_: IAetherStore, records: readonly JournalRecord[]) => {
        for (const { event } of records) {
          if (
            event.type === 'approval.decided' ||
            event.type === 'approval.closed'
          ) {
            const id = shown.get(event.approval_id);
            if (id !== undefined) Notification.dismiss(id);
            shown.delete(event.approval_id);
          }
        }
        const found = newsOf(records, store.view?.processes ?? {}, wanted);
        const waits = found.filter(news => news.kind === 'asks');
        if (waits.length > 3) {
          // A fleet that starts to ask at once is one piece of news.
          const text = trans.__('%1 agents wait for you', waits.length);
          const review = () => {
            void commands.execute(CommandIDs.openApprovals);
          };
          words.textContent = text;
          if (!inboxIsSeen()) remind(text, review);
          if (outside) {
            notifyOutside(trans.__('Waiting for you'), text, 'many', review);
          }
          for (const news of found) if (news.kind !== 'asks') tell(news);
        } else {
          for (const news of found) tell(news);
        }
      }
    );
  }
};

export default plugin;
