/** What is kept about oneself: `aether:export-my-data`, `aether:erase-agent`, `aether:erase-my-data`. */
import {
  Dialog,
  InputDialog,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';

import type { Holding } from '../api/types';
import { attempt, type CommandContext } from './context';

export function exportMyDataCommand({
  client,
  trans
}: CommandContext): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Export My Data'),
    caption: trans.__(
      'A zip of all that is kept about you: agents, journals, memories, files'
    ),
    execute: () => {
      const link = document.createElement('a');
      link.href = client.myExportUrl();
      link.download = '';
      link.click();
    }
  };
}

export function eraseAgentCommand(
  context: CommandContext
): CommandRegistry.ICommandOptions {
  const { client, store, trans } = context;
  return {
    label: trans.__('Erase an Agent and Its Memory…'),
    execute: args =>
      attempt(async () => {
        let agent = typeof args.agent === 'string' ? args.agent : '';
        if (!agent) {
          const { spaces } = await client.memorySpaces();
          const running = Object.values(store.view?.processes ?? {})
            .filter(process => process.parent === null)
            .map(process => process.name);
          const names = [
            ...new Set([...spaces.map(space => space.agent), ...running])
          ].sort((a, b) => a.localeCompare(b));
          const asked = await InputDialog.getItem({
            title: trans.__('Erase an Agent and Its Memory'),
            label: trans.__(
              'All that was kept under this name, and of agents below it'
            ),
            items: names,
            editable: true,
            okLabel: trans.__('Next…')
          });
          agent = asked.button.accept ? (asked.value ?? '') : '';
        }
        if (agent) await erase(context, agent);
      })
  };
}

export function eraseMyDataCommand(
  context: CommandContext
): CommandRegistry.ICommandOptions {
  return {
    label: context.trans.__('Erase My Data…'),
    execute: () => attempt(() => erase(context, ''))
  };
}

/** Shows what there is, asks for the name, and erases it. Rejects with what the server says. */
async function erase(
  { client, trans }: CommandContext,
  agent: string
): Promise<void> {
  const holding = await client.myData(agent);
  const word = agent || (await client.me()).user;
  const answer = await showDialog({
    title: agent
      ? trans.__('Erase %1 for good?', agent)
      : trans.__('Erase all that is kept about you?'),
    body: new EraseBody(holding, word, trans),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: trans.__('Erase') })
    ],
    defaultButton: 0,
    focusNodeSelector: 'input[type="text"]'
  });
  if (!answer.button.accept || !answer.value) return;
  if (answer.value.word !== word) {
    Notification.warning(
      trans.__('Nothing was erased: the name that was typed is not %1.', word),
      { autoClose: 8000 }
    );
    return;
  }
  const gone = client.eraseMyData(word, agent, answer.value.force);
  Notification.promise(gone, {
    pending: { message: trans.__('Erasing…') },
    success: {
      message: () =>
        agent
          ? trans.__('%1 is erased.', agent)
          : trans.__('All that was kept about you is erased.'),
      options: { autoClose: 8000 }
    },
    error: {
      message: (reason: unknown) =>
        reason instanceof Error ? reason.message : String(reason)
    }
  });
  await gone.catch(() => undefined);
}

interface IErasing {
  readonly word: string;
  readonly force: boolean;
}

/** What goes, what stays, the name to type, and whether agents that still work are ended. */
class EraseBody extends Widget implements Dialog.IBodyWidget<IErasing> {
  constructor(holding: Holding, word: string, trans: TranslationBundle) {
    super();
    this.addClass('jp-AetherErase');
    const what = document.createElement('div');
    what.className = 'jp-AetherErase-what';
    what.tabIndex = 0;
    this.node.append(what);
    const goes = document.createElement('dl');
    const kinds: [string, number][] = [
      ...Object.entries(holding.counts),
      [trans.__('files'), holding.files]
    ];
    for (const [kind, count] of kinds) {
      const number = document.createElement('dt');
      number.textContent = count.toLocaleString();
      const name = document.createElement('dd');
      name.textContent = kind;
      goes.append(number, name);
    }
    const stays = document.createElement('ul');
    for (const row of holding.stays) {
      const item = document.createElement('li');
      item.textContent = row;
      stays.append(item);
    }
    what.append(
      paragraph(trans.__('This goes, for good:')),
      goes,
      paragraph(trans.__('This stays:')),
      stays
    );
    if (holding.running.length > 0) {
      const label = document.createElement('label');
      this._force.type = 'checkbox';
      label.append(
        this._force,
        trans._n(
          'End the %1 agent that has not ended',
          'End the %1 agents that have not ended',
          holding.running.length
        )
      );
      this.node.append(label);
    }
    const label = document.createElement('label');
    this._word.type = 'text';
    this._word.className = 'jp-mod-styled';
    this._word.autocomplete = 'off';
    const words = document.createElement('span');
    words.textContent = trans.__('Type %1 to erase it', word);
    label.append(words, this._word);
    this.node.append(label);
  }

  getValue(): IErasing {
    return { word: this._word.value, force: this._force.checked };
  }

  private readonly _word = document.createElement('input');
  private readonly _force = document.createElement('input');
}

function paragraph(words: string): HTMLElement {
  const made = document.createElement('p');
  made.textContent = words;
  return made;
}
