/** `aether:show-keys`: which keys the panel has that the focus is in. */
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { rowsOf } from '../../commands/keys';
import { WordsProvider } from '../../ui';
import { type IShownKey, KeyOverview } from './KeyOverview';

const REQUEST = '.ae-approval:not(.cell)';

interface IPanelKeys {
  readonly selector: string;
  readonly title: string;
  /** Whether requests can stand in it. */
  readonly asks: boolean;
  /** Keys that every list or field has by its nature; they are no commands. */
  readonly own: readonly IShownKey[];
  /** The same of parts of it. */
  readonly parts?: readonly {
    heading: string;
    rows: readonly IShownKey[];
  }[];
}

function panels(trans: TranslationBundle): readonly IPanelKeys[] {
  return [
    {
      selector: '.jp-AetherMissionControl',
      title: trans.__('Keys of Mission Control'),
      asks: false,
      own: [
        { keys: ['←', '↑', '↓', '→'], words: trans.__('Between agents') },
        { keys: ['Enter'], words: trans.__('Open') },
        { keys: ['Space'], words: trans.__('Select') },
        { keys: ['Shift+Space'], words: trans.__('Select up to here') }
      ]
    },
    {
      selector: '.jp-AetherAgent',
      title: trans.__('Keys of the agent view'),
      asks: true,
      own: [
        { keys: ['Enter'], words: trans.__('Fold or unfold the step') },
        { keys: ['Ctrl+Enter'], words: trans.__('Send the message') }
      ],
      parts: [
        {
          heading: trans.__('The plan'),
          rows: [
            { keys: ['↑', '↓'], words: trans.__('Between its steps') },
            { keys: ['→', '←'], words: trans.__('Unfold or fold a step') },
            { keys: ['Enter'], words: trans.__('Go to where it moved') }
          ]
        },
        {
          heading: trans.__('The plan while it is edited'),
          rows: [
            { keys: ['Enter'], words: trans.__('Add a step below') },
            {
              keys: ['Alt+↑', 'Alt+↓'],
              words: trans.__('Move the step up or down')
            },
            {
              keys: ['Ctrl+[', 'Ctrl+]'],
              words: trans.__('Move the step out or in')
            },
            {
              keys: ['Backspace'],
              words: trans.__('Remove a step without words')
            },
            { keys: ['Ctrl+Enter'], words: trans.__('Save the plan') },
            { keys: ['Esc'], words: trans.__('Cancel') }
          ]
        }
      ]
    },
    {
      selector: '.jp-AetherMemory',
      title: trans.__('Keys of the Memory Inspector'),
      asks: false,
      own: [
        { keys: ['↑', '↓'], words: trans.__('Between memories') },
        { keys: ['Enter'], words: trans.__('Show in full') },
        { keys: ['Space'], words: trans.__('Select') },
        { keys: ['Shift+Space'], words: trans.__('Select up to here') },
        { keys: ['Ctrl+Enter'], words: trans.__('Save what was edited') }
      ]
    },
    {
      selector: '.jp-AetherApprovals',
      title: trans.__('Keys of the approvals'),
      asks: true,
      own: [
        {
          keys: ['Ctrl+Enter'],
          words: trans.__('Send what was written or edited')
        },
        { keys: ['Esc'], words: trans.__('Back, without a decision') }
      ]
    }
  ];
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:keys',
  description: 'The overview of keys.',
  autoStart: true,
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const known = panels(trans);
    const here = (): IPanelKeys => {
      const focused = document.activeElement;
      const node = shell.currentWidget?.node;
      return (
        known.find(({ selector }) => focused?.closest(selector)) ??
        known.find(({ selector }) => node?.querySelector(selector)) ??
        known.find(({ selector }) => node?.matches(selector)) ??
        known[0]
      );
    };
    const listed = (selectors: readonly string[], of = ''): IShownKey[] =>
      rowsOf(commands.keyBindings, selectors)
        .filter(
          ({ command }) =>
            command.startsWith(of) && commands.hasCommand(command)
        )
        .map(row => ({ keys: row.keys, words: commands.label(row.command) }));
    let open: Widget | null = null;

    commands.addCommand(CommandIDs.showKeys, {
      label: trans.__('Keys of This Panel'),
      execute: () => {
        if (open) return;
        const { selector, title, asks, own, parts = [] } = here();
        const groups = [
          { heading: trans.__('Panel'), rows: [...own, ...listed([selector])] },
          ...parts
        ];
        if (asks) {
          groups.push({
            heading: trans.__('The request with the focus'),
            rows: listed([REQUEST])
          });
        }
        groups.push({
          heading: trans.__('Everywhere'),
          rows: listed(['body'], 'aether:')
        });
        const widget = ReactWidget.create(
          <WordsProvider value={trans}>
            <KeyOverview
              title={title}
              groups={groups.filter(group => group.rows.length > 0)}
              onChange={
                commands.hasCommand('settingeditor:open')
                  ? () => {
                      void commands.execute('settingeditor:open', {
                        query: 'Keyboard Shortcuts'
                      });
                    }
                  : null
              }
              onClose={() => {
                open = null;
                widget.dispose();
              }}
            />
          </WordsProvider>
        );
        widget.addClass('jp-Aether');
        widget.addClass('jp-AetherKeys');
        open = widget;
        Widget.attach(widget, document.body);
      }
    });
    palette?.addItem({
      command: CommandIDs.showKeys,
      category: trans.__('Aether')
    });
  }
};

export default plugin;
