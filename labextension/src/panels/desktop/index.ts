/** The desktop panel: an agent's desktop in the main area. */
import { CommandIDs } from '../../commands/ids';
import { desktopIcon } from '../../ui';
import { stagePlugin } from '../stage/plugin';
import { DesktopPanel } from './DesktopPanel';

export default stagePlugin({
  stage: 'desktop',
  description: 'The desktop of one agent, to watch and to take over.',
  command: CommandIDs.openDesktop,
  icon: desktopIcon,
  Panel: DesktopPanel,
  has: ({ display }) => display !== '',
  words: trans => ({
    open: trans.__('Open Desktop'),
    openOne: trans.__('Open an Agent’s Desktop…'),
    openOf: trans.__('Open the desktop of'),
    none: trans.__('No agent that runs has a desktop.')
  })
});
