/** The widget of the desktop panel. */
import * as React from 'react';

import { desktopIcon } from '../../ui';
import { StagePanel } from '../stage/StagePanel';
import { DesktopView } from './DesktopView';

/** One agent's desktop in the main area. */
export class DesktopPanel extends StagePanel {
  constructor(...args: ConstructorParameters<typeof StagePanel>) {
    super(...args);
    this.id = `aether-desktop-${this.pid}`;
    this.addClass('jp-AetherDesktop');
    this.title.icon = desktopIcon;
  }

  protected override content(): React.JSX.Element {
    return <DesktopView {...this.stage} />;
  }

  protected override words(): { label: string; caption: string } {
    return {
      label: this.trans.__('Desktop %1', this.pid),
      caption: this.trans.__('Desktop of %1', this.name)
    };
  }
}
