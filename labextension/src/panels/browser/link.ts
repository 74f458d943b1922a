/** The connection to one agent's browser: pictures as they come, what the server says, and what the person does. */
import type { ServerConnection } from '@jupyterlab/services';

import { StageLink } from '../stage/link';
import { type HandAct, Hands } from './hands';
import { BLANK, type News, type Page, told } from './news';

/** What is done on the browser rather than on its page. */
export type Order =
  | { readonly kind: 'open'; readonly url: string; readonly new_tab: boolean }
  | {
      readonly kind: 'go';
      readonly where: 'back' | 'forward' | 'reload' | 'stop';
    }
  | { readonly kind: 'tab' | 'close'; readonly number: number }
  | { readonly kind: 'answer'; readonly accept: boolean; readonly text: string }
  | { readonly kind: 'choose'; readonly index: number | null };

/** What draws the page of a browser on a canvas, and says that it has. */
export class BrowserLink extends StageLink {
  constructor(
    target: HTMLElement,
    settings: ServerConnection.ISettings,
    pid: number
  ) {
    super(target, settings, `aether/browsers/${pid}`);
    this._canvas.hidden = true;
    target.append(this._canvas);
  }

  /** What stands in the browser; it is kept while the connection is gone. */
  get page(): Page {
    return this._page;
  }

  override get canvas(): HTMLCanvasElement | null {
    return this._canvas.hidden ? null : this._canvas;
  }

  /** Whether keys and clicks go to the page; `label` names the field that takes the keys. */
  control(on: boolean, label: string): void {
    if (on === (this._hands !== null)) return;
    this._hands?.dispose();
    this._hands = on
      ? new Hands(
          this._canvas,
          () => this._page,
          act => this._send(act),
          label
        )
      : null;
  }

  order(order: Order): void {
    this._send(order);
    if (order.kind === 'answer') this._know({ ...this._page, dialog: null });
    if (order.kind === 'choose') this._know({ ...this._page, choice: null });
    if (order.kind === 'open') this.dismiss();
  }

  /** Puts the sentence about what could not be done away. */
  dismiss(): void {
    if (this._page.trouble) this._know({ ...this._page, trouble: '' });
  }

  focus(): void {
    this._hands?.focus();
  }

  blur(): void {
    this._hands?.blur();
  }

  picture(): Promise<Blob | null> {
    const { canvas } = this;
    return new Promise(resolve => {
      if (canvas) canvas.toBlob(resolve, 'image/png');
      else resolve(null);
    });
  }

  override dispose(): void {
    this.control(false, '');
    super.dispose();
    this._canvas.remove();
  }

  protected override connect(): void {
    const socket = new this.settings.WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this._socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket !== this._socket) return;
      if (typeof data === 'string') this._hear(JSON.parse(data) as News);
      else void this._draw(socket, data as ArrayBuffer);
    };
    socket.onclose = () => {
      if (socket !== this._socket) return;
      this._socket = null;
      this.lost();
    };
  }

  protected override disconnect(): void {
    const socket = this._socket;
    this._socket = null;
    socket?.close();
  }

  private _hear(news: News): void {
    if (news.kind === 'copied') {
      this.tellCopied(news.text);
      return;
    }
    let page = this._page;
    if (this.state.phase !== 'open') {
      // What was asked before the connection was lost is asked again, or it is answered.
      page = { ...page, dialog: null, choice: null };
    }
    this._page = told(page, news);
    if (!this._page.open) this._drawn = false;
    this._reveal();
    if (this.state.phase !== 'open') this.opened();
    else this.tell();
  }

  /** The server sends the next one when this one has been seen. */
  private async _draw(socket: WebSocket, bytes: ArrayBuffer): Promise<void> {
    let picture: ImageBitmap | null = null;
    try {
      picture = await createImageBitmap(
        new Blob([bytes], { type: 'image/jpeg' })
      );
    } catch {
      // One that cannot be read is passed over; the next one is asked for all the same.
    }
    window.requestAnimationFrame(() => {
      if (socket === this._socket) {
        if (picture) this._show(picture);
        socket.send('{"kind":"seen"}');
      }
      picture?.close();
    });
  }

  private _show(picture: ImageBitmap): void {
    const { _canvas: canvas } = this;
    const { width, height } = picture;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    canvas.getContext('2d')?.drawImage(picture, 0, 0);
    this.pictured();
    const first = !this._drawn;
    this._drawn = true;
    this._reveal();
    if (first) this.tell();
  }

  /** There is a picture while the browser is open, whichever of the two was told first. */
  private _reveal(): void {
    this._canvas.hidden = !(this._drawn && this._page.open);
  }

  private _send(message: HandAct | Order): void {
    if (this._socket?.readyState === 1) {
      this._socket.send(JSON.stringify(message));
    }
  }

  private _know(page: Page): void {
    this._page = page;
    this.tell();
  }

  private _page = BLANK;
  private _drawn = false;
  private _socket: WebSocket | null = null;
  private _hands: Hands | null = null;
  private readonly _canvas = document.createElement('canvas');
}
