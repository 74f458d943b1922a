/** The widget of the browser panel. */
import * as React from 'react';

import { browserIcon } from '../../ui';
import { StagePanel } from '../stage/StagePanel';
import { BrowserView } from './BrowserView';

/** One agent's browser in the main area. */
export class BrowserPanel extends StagePanel {
  constructor(...args: ConstructorParameters<typeof StagePanel>) {
    super(...args);
    this.id = `aether-browser-${this.pid}`;
    this.addClass('jp-AetherBrowser');
    this.title.icon = browserIcon;
  }

  protected override content(): React.JSX.Element {
    return <BrowserView {...this.stage} />;
  }

  protected override words(): { label: string; caption: string } {
    return {
      label: this.trans.__('Browser %1', this.pid),
      caption: this.trans.__('Browser of %1', this.name)
    };
  }
}
