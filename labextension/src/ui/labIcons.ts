/** The icons that JupyterLab itself draws: tabs, launcher cards, side bars. */
import { LabIcon } from '@jupyterlab/ui-components';

import { type IconName, iconPath } from './icons';

function drawn(name: IconName): LabIcon {
  // The fill is a style because Lab's icon classes colour whatever has the attribute.
  return new LabIcon({
    name: `aether-jupyter:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16"><path class="jp-icon3" stroke="#616161" style="fill:none" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" d="${iconPath(name)}"/></svg>`
  });
}

export const aetherIcon = drawn('aether');
export const missionControlIcon = drawn('grid');
export const memoryIcon = drawn('layers');
export const desktopIcon = drawn('desktop');
export const browserIcon = drawn('browser');
export const approvalsIcon = drawn('approval');
