/** `aether:open-tutorial`: the first tutorial, opened where it lies or made as a new notebook. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { notebookIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';

import { attempt, type CommandContext } from './context';

const SHIPPED = 'notebooks/01_first_agent.ipynb';
const MADE = 'First agent.ipynb';

export function openTutorialCommand(
  { trans }: CommandContext,
  app: JupyterFrontEnd
): CommandRegistry.ICommandOptions {
  return {
    label: args =>
      args.palette
        ? trans.__('Open the First Agent Tutorial')
        : trans.__('First agent'),
    caption: trans.__('A notebook that starts an agent and watches it work'),
    icon: notebookIcon,
    execute: () =>
      attempt(async () => {
        const { contents } = app.serviceManager;
        let path = '';
        for (const known of [SHIPPED, '01_first_agent.ipynb', MADE]) {
          try {
            path = (await contents.get(known, { content: false })).path;
            break;
          } catch {
            // Not there; the next may be.
          }
        }
        if (!path) {
          const saved = await contents.save(MADE, {
            type: 'notebook',
            format: 'json',
            content: tutorial(trans.__.bind(trans))
          });
          path = saved.path;
        }
        await app.commands.execute('docmanager:open', { path });
      })
  };
}

/** A short notebook: load the magics, give a goal, look at the agents. */
function tutorial(say: (text: string) => string): unknown {
  const markdown = (source: string, id: string) => ({
    cell_type: 'markdown',
    id,
    metadata: {},
    source
  });
  const code = (source: string, id: string) => ({
    cell_type: 'code',
    id,
    metadata: {},
    execution_count: null,
    outputs: [],
    source
  });
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: {
        name: 'python3',
        display_name: 'Python 3',
        language: 'python'
      }
    },
    cells: [
      markdown(
        `# ${say('Your first agent')}\n\n${say('An agent is a process: it gets a goal, works in a sandbox, and stops at the limits you set. Run the cells one after the other.')}`,
        'intro'
      ),
      code('%load_ext aether_jupyter', 'load'),
      code(
        '%%agent\nWrite a file hello.txt that says hello, then read it back and tell me what it says.',
        'agent'
      ),
      markdown(
        say(
          'The agent works under the cell. Mission Control shows it too, beside all others; so does this table:'
        ),
        'look'
      ),
      code('%aether ps', 'ps')
    ]
  };
}
