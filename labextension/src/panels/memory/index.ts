/** The Memory Inspector in the main area: one widget, restored after a reload with what it showed. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs } from '../../commands/ids';
import { IAetherClient, IAetherStore } from '../../tokens';
import { memoryIcon } from '../../ui';
import { MemoryPanel } from './MemoryPanel';
import {
  FIRST_PLACE,
  type IMemoryViewHandle,
  type IPlace,
  MEMORY_TABS
} from './MemoryView';

const ID = 'aether-memory';

/** The part of `args` that says what to show; anything may come from a workspace that was kept. */
function placeOf(args: Readonly<Record<string, unknown>>): Partial<IPlace> {
  const place: { -readonly [Key in keyof IPlace]?: IPlace[Key] } = {};
  if (typeof args.agent === 'string' && args.agent) place.agent = args.agent;
  if (Number.isInteger(args.memory)) {
    place.memory = Number(args.memory);
    // Whose it is, the view finds out.
    place.agent ??= '';
  }
  if (Number.isInteger(args.pid)) {
    place.pid = Number(args.pid);
    place.step = Number.isInteger(args.step) ? Number(args.step) : null;
    place.agent ??= '';
  }
  const tab = MEMORY_TABS.find(each => each === args.tab);
  if (tab) place.tab = tab;
  return place;
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'aether-jupyter:memory',
  description: 'What agents remember, and what a model saw of it.',
  autoStart: true,
  requires: [IAetherClient, IAetherStore],
  optional: [ILayoutRestorer, ICommandPalette, ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    client: IAetherClient,
    store: IAetherStore,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('aether_jupyter');
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<MemoryPanel>>({
      namespace: 'aether-memory'
    });

    const open = async (place: Partial<IPlace>): Promise<void> => {
      let widget = tracker.find(() => true);
      if (!widget || widget.isDisposed) {
        const content = new MemoryPanel({
          services: { client, store, commands },
          trans,
          place: { ...FIRST_PLACE, ...place },
          onPlace: () => {
            if (widget && !widget.isDisposed) void tracker.save(widget);
          }
        });
        widget = new MainAreaWidget({ content });
        widget.id = ID;
        widget.title.label = trans.__('Memory');
        widget.title.icon = memoryIcon;
        widget.title.closable = true;
        widget.toolbar.hide();
        await tracker.add(widget);
      } else widget.content.go(place);
      if (!widget.isAttached) shell.add(widget, 'main');
      shell.activateById(widget.id);
    };

    commands.addCommand(CommandIDs.openMemory, {
      label: trans.__('Memory Inspector'),
      caption: trans.__('What agents remember, and how strongly'),
      icon: args => (args.palette ? undefined : memoryIcon),
      execute: args => open({ tab: 'memories', ...placeOf(args) })
    });

    commands.addCommand(CommandIDs.openContext, {
      label: trans.__('What the Model Saw'),
      caption: trans.__('The exact context of a step, by section'),
      icon: memoryIcon,
      isEnabled: args => Number.isInteger(args.pid),
      execute: args => open({ ...placeOf(args), memory: null, tab: 'context' })
    });

    type Key = Parameters<IMemoryViewHandle['press']>[0];
    const keys: readonly (readonly [Key, string])[] = [
      ['search', trans.__('Search Memories')],
      ['next', trans.__('Next Memory')],
      ['previous', trans.__('Previous Memory')],
      ['edit', trans.__('Edit the Memory')],
      ['pin', trans.__('Pin the Memory, or What Is Selected')],
      ['forget', trans.__('Forget the Memory, or What Is Selected')],
      ['merge', trans.__('Merge the Selected Memories')],
      ['clear', trans.__('Clear Selection, Memory or Search')],
      ['tab-before', trans.__('Previous Part of the Memory')],
      ['tab-after', trans.__('Next Part of the Memory')]
    ];
    for (const [key, label] of keys) {
      commands.addCommand(`aether:memory-${key}`, {
        label,
        isEnabled: () => tracker.currentWidget !== null,
        execute: () => tracker.currentWidget?.content.handle.current?.press(key)
      });
    }

    const category = trans.__('Aether');
    palette?.addItem({
      command: CommandIDs.openMemory,
      category,
      args: { palette: true }
    });
    launcher?.add({ command: CommandIDs.openMemory, category, rank: 3 });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openMemory,
        args: ({ content: { place } }) => ({ ...place }),
        name: () => 'memory'
      });
    }
  }
};

export default plugin;
