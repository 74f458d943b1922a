/** The browser panel: the pages of an agent's browser in the main area. */
import { CommandIDs } from '../../commands/ids';
import { browserIcon } from '../../ui';
import { stagePlugin } from '../stage/plugin';
import { BrowserPanel } from './BrowserPanel';

export default stagePlugin({
  stage: 'browser',
  description: 'The browser of one agent, to watch and to take over.',
  command: CommandIDs.openBrowser,
  icon: browserIcon,
  Panel: BrowserPanel,
  has: ({ browser }) => browser,
  words: trans => ({
    open: trans.__('Open Browser'),
    openOne: trans.__('Open an Agent’s Browser…'),
    openOf: trans.__('Open the browser of'),
    none: trans.__('No agent that runs has a browser.')
  })
});
