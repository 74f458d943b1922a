/** Draws again what failed to draw, so that one bad moment does not leave a panel empty. */
import * as React from 'react';

import { Button, Note } from './controls';
import { useWords } from './words';

const AT_ONCE = 3;
const CALM_MS = 10_000;

interface IState {
  /** Counts the tries; what stands below is made anew with each. */
  readonly turn: number;
  readonly failed: boolean;
}

/**
 * Catches what goes wrong below: it is made anew at once, and after three failures in a row only when a person asks.
 * Foreign hands in the page (a search that marks words, a translation of the browser) move nodes that React keeps.
 */
export class Mended extends React.Component<
  { children: React.ReactNode },
  IState
> {
  override state: IState = { turn: 0, failed: false };

  static getDerivedStateFromError(): Partial<IState> {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    console.warn('A part of the page is drawn again', error);
    const now = Date.now();
    this._times = [...this._times.filter(at => now - at < CALM_MS), now];
    if (this._times.length <= AT_ONCE) this._again();
  }

  override render(): React.ReactNode {
    return this.state.failed ? (
      <Failed onAgain={() => this._again()} />
    ) : (
      <React.Fragment key={this.state.turn}>
        {this.props.children}
      </React.Fragment>
    );
  }

  private _again(): void {
    this.setState(({ turn }) => ({ turn: turn + 1, failed: false }));
  }

  private _times: readonly number[] = [];
}

function Failed(props: { onAgain: () => void }): React.JSX.Element {
  const trans = useWords();
  return (
    <Note
      tone="bad"
      icon="error"
      alert
      action={
        <Button small onClick={props.onAgain}>
          {trans.__('Draw it again')}
        </Button>
      }
    >
      {trans.__('This part could not be drawn. The agents are not affected.')}
    </Note>
  );
}
