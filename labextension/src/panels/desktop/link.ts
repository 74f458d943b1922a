/** The connection to one agent's desktop, and what can be done over it. */
import type { ServerConnection } from '@jupyterlab/services';
import type RFB from '@novnc/novnc';

import { StageLink } from '../stage/link';
import {
  CHOSEN,
  type Levels,
  levels,
  Meter,
  type QualityChoice
} from './quality';

/** What keys are held when the desktop is left: they would stay down there. */
const HELD: readonly (readonly [number, string])[] = [
  [0xffe1, 'ShiftLeft'],
  [0xffe2, 'ShiftRight'],
  [0xffe3, 'ControlLeft'],
  [0xffe4, 'ControlRight'],
  [0xffe9, 'AltLeft'],
  [0xffea, 'AltRight'],
  [0xfe03, 'AltRight'],
  [0xffeb, 'MetaLeft'],
  [0xffec, 'MetaRight'],
  [0xff1b, 'Escape']
];
const TELL_MS = 1_000;
/** Keys wait no longer than this for what they are held for. */
const HOLD_MS = 2_000;

/** What shows a desktop, by noVNC. */
export class DesktopLink extends StageLink {
  constructor(
    target: HTMLElement,
    settings: ServerConnection.ISettings,
    pid: number
  ) {
    super(target, settings, `aether/displays/${pid}`);
    target.addEventListener('keydown', this._keep, { capture: true });
    target.addEventListener('keyup', this._keep, { capture: true });
    this._measuring = window.setInterval(() => this._measure(), TELL_MS);
  }

  /** The last picture of a connection that is gone, as a data URL; '' while there is none. */
  get last(): string {
    return this._last;
  }

  /** Bytes a second that came lately, and what the connection seems to carry. */
  get speed(): { rate: number; capacity: number | null } {
    return {
      rate: this._meter.rate(performance.now()),
      capacity: this._meter.capacity(performance.now())
    };
  }

  get levels(): Levels {
    return this._levels;
  }

  /** Whether keys and clicks go to the desktop, and whether it takes the size of the panel. */
  control(on: boolean, resize: boolean): void {
    if (this._controls && !on) this.release();
    this._controls = on;
    this._resizes = resize;
    this._apply();
  }

  choose(quality: QualityChoice): void {
    this._quality = quality;
    this._measure();
  }

  focus(): void {
    this._rfb?.focus({ preventScroll: true });
  }

  blur(): void {
    this.release();
    this._rfb?.blur();
  }

  /** Says that no modifier is held any more. */
  release(): void {
    const rfb = this._rfb;
    if (!rfb || rfb.viewOnly) return;
    for (const [keysym, code] of HELD) rfb.sendKey(keysym, code, false);
    // noVNC forgets what it believes to be held when it lets go of the keyboard.
    rfb.viewOnly = true;
    rfb.viewOnly = false;
  }

  /** Presses keys one after the other and releases them in reverse. */
  press(...keysyms: readonly number[]): void {
    for (const keysym of keysyms) this._rfb?.sendKey(keysym, null, true);
    for (const keysym of [...keysyms].reverse()) {
      this._rfb?.sendKey(keysym, null, false);
    }
    this.focus();
  }

  /** Keys that come before this is done go to the desktop after it, in their order. */
  hold(done: Promise<unknown>): void {
    this._holds += 1;
    let over = false;
    const go = () => {
      if (over) return;
      over = true;
      window.clearTimeout(timer);
      this._holds -= 1;
      if (this._holds > 0) return;
      for (const [node, key] of this._kept.splice(0)) node.dispatchEvent(key);
    };
    const timer = window.setTimeout(go, HOLD_MS);
    done.then(go, go);
  }

  /** Puts text on the desktop's clipboard. */
  paste(text: string): void {
    if (this._controls) this._rfb?.clipboardPasteFrom(text);
  }

  picture(): Promise<Blob | null> {
    return new Promise(resolve => {
      if (this._rfb) this._rfb.toBlob(resolve, 'image/png');
      else resolve(null);
    });
  }

  override dispose(): void {
    super.dispose();
    this.target.removeEventListener('keydown', this._keep, { capture: true });
    this.target.removeEventListener('keyup', this._keep, { capture: true });
    window.clearInterval(this._measuring);
  }

  /** Keeps a key while keys are held; one that was let go again is not trusted, and passes. */
  private readonly _keep = (event: KeyboardEvent): void => {
    if (this._holds === 0 || !event.isTrusted || !event.target) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { key, code, location, repeat, isComposing } = event;
    const { ctrlKey, shiftKey, altKey, metaKey } = event;
    const again = new KeyboardEvent(event.type, {
      ...{ key, code, location, repeat, isComposing },
      ...{ ctrlKey, shiftKey, altKey, metaKey },
      modifierAltGraph: event.getModifierState('AltGraph'),
      modifierCapsLock: event.getModifierState('CapsLock'),
      modifierNumLock: event.getModifierState('NumLock'),
      bubbles: true,
      cancelable: true
    });
    this._kept.push([event.target, again]);
  };

  protected override connect(): void {
    void this._connect();
  }

  protected override disconnect(): void {
    const rfb = this._rfb;
    if (!rfb) return;
    this._keepLast(rfb);
    this._rfb = null;
    rfb.disconnect();
  }

  private async _connect(): Promise<void> {
    let Client: typeof RFB;
    try {
      Client = (await import('@novnc/novnc')).default;
    } catch {
      // Its chunk comes from the server, which may be gone just now.
      this.lost();
      return;
    }
    if (!this.wanted || this._rfb) return;
    const socket = new this.settings.WebSocket(this.url, ['binary']);
    socket.binaryType = 'arraybuffer';
    const rfb = new Client(this.target, socket, { shared: true });
    this._rfb = rfb;
    rfb.background = 'transparent';
    rfb.scaleViewport = true;
    this._apply();
    rfb.addEventListener('connect', () => {
      this._last = '';
      this.pictured();
      this.opened();
    });
    rfb.addEventListener('clipboard', event => {
      this.tellCopied(event.detail.text);
    });
    rfb.addEventListener('disconnect', () => {
      if (this._rfb !== rfb) return;
      this._keepLast(rfb);
      this._rfb = null;
      this.lost();
    });
    socket.addEventListener('message', ({ data }) => {
      const bytes = data instanceof ArrayBuffer ? data.byteLength : 0;
      this._meter.take(bytes, performance.now());
      if (this.state.phase === 'open') this.pictured();
    });
  }

  private _keepLast(rfb: RFB): void {
    if (this.state.phase !== 'open') return;
    this._last = rfb.toDataURL('image/jpeg', 0.7);
  }

  private _apply(): void {
    const rfb = this._rfb;
    if (!rfb) return;
    const resizes = this._controls && this._resizes;
    // Saying it again would grab the keyboard again, or ask for the size again.
    if (rfb.viewOnly === this._controls) rfb.viewOnly = !this._controls;
    if (rfb.resizeSession !== resizes) rfb.resizeSession = resizes;
    rfb.focusOnClick = this._controls;
    const { canvas } = this;
    if (canvas) canvas.tabIndex = this._controls ? 0 : -1;
    rfb.qualityLevel = this._levels.quality;
    rfb.compressionLevel = this._levels.compression;
  }

  private _measure(): void {
    const capacity = this._meter.capacity(performance.now());
    const wanted =
      this._quality !== 'auto'
        ? CHOSEN[this._quality]
        : capacity === null
          ? this._levels
          : levels(capacity, this._levels);
    if (wanted.quality === this._levels.quality) return;
    this._levels = wanted;
    this._apply();
    this.tell();
  }

  private _rfb: RFB | null = null;
  private _last = '';
  private _controls = false;
  private _resizes = false;
  private _holds = 0;
  private readonly _kept: [EventTarget, KeyboardEvent][] = [];
  private _quality: QualityChoice = 'auto';
  private _levels: Levels = CHOSEN.balanced;
  private readonly _measuring: number;
  private readonly _meter = new Meter();
}
