/** Mouse and keyboard of the person who acts on a page. */
import type { IDisposable } from '@lumino/disposable';

import type { Size } from '../stage/points';
import {
  buttonName,
  heldBits,
  type KeyMessage,
  meant,
  type MouseButtonName,
  pagePoint,
  type Point,
  wheelPixels
} from './input';

/** What a person's hands come to, as the server takes it. */
export type HandAct =
  | {
      readonly kind: 'mouse';
      readonly event: 'move' | 'down' | 'up';
      readonly x: number;
      readonly y: number;
      readonly button: MouseButtonName;
      readonly clicks: number;
      readonly held: number;
    }
  | {
      readonly kind: 'wheel';
      readonly x: number;
      readonly y: number;
      readonly dx: number;
      readonly dy: number;
      readonly held: number;
    }
  | KeyMessage
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'copy' };

type Place = Pick<MouseEvent, 'clientX' | 'clientY'>;

const MAC = navigator.platform.startsWith('Mac');

/** Hears what is done on `canvas` while it is there, and says it in pixels of the page. */
export class Hands implements IDisposable {
  constructor(
    private readonly _canvas: HTMLCanvasElement,
    private readonly _size: () => Size,
    private readonly _act: (act: HandAct) => void,
    label: string
  ) {
    // Keys come by a field that is not seen: dead keys and input methods put their letters together there.
    const field = document.createElement('textarea');
    field.className = 'keys';
    field.setAttribute('aria-label', label);
    field.autocapitalize = 'off';
    field.autocomplete = 'off';
    field.spellcheck = false;
    this._field = field;
    _canvas.after(field);
    for (const [name, heard] of this._heard) {
      _canvas.addEventListener(name, heard, { passive: false });
    }
    for (const [name, heard] of this._typed) {
      field.addEventListener(name, heard);
    }
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  focus(): void {
    this._field.focus({ preventScroll: true });
  }

  blur(): void {
    this._field.blur();
  }

  dispose(): void {
    if (this._disposed) return;
    this._release();
    this._disposed = true;
    window.cancelAnimationFrame(this._waits);
    for (const [name, heard] of this._heard) {
      this._canvas.removeEventListener(name, heard);
    }
    this._field.remove();
  }

  private _at(event: Place): Point {
    return pagePoint(event, this._canvas.getBoundingClientRect(), this._size());
  }

  private _mouse(
    name: 'move' | 'down' | 'up',
    event: MouseEvent,
    button: MouseButtonName
  ): void {
    this._act({
      kind: 'mouse',
      event: name,
      // Pointers are told in parts of a pixel, mice in whole ones: those are more than one of a page drawn small.
      ...this._at(this._place ?? event),
      button,
      clicks: name === 'move' ? 0 : Math.max(1, event.detail),
      held: heldBits(event)
    });
  }

  private readonly _down = (event: MouseEvent): void => {
    event.preventDefault();
    this.focus();
    const button = buttonName(event.button);
    if (button === 'none') return;
    this._flush();
    const box = this._field.parentElement?.getBoundingClientRect();
    this._field.style.left = `${event.clientX - (box?.left ?? 0)}px`;
    this._field.style.top = `${event.clientY - (box?.top ?? 0)}px`;
    this._pressed.set(button, event);
    this._mouse('down', event, button);
  };

  private readonly _up = (event: MouseEvent): void => {
    event.preventDefault();
    const button = buttonName(event.button);
    if (!this._pressed.delete(button)) return;
    this._flush();
    this._mouse('up', event, button);
  };

  /** Moves and turns of the wheel are told once a frame, and before whatever comes after them. */
  private readonly _move = (event: PointerEvent): void => {
    this._place = event;
    if (event.pointerType === 'touch') {
      this._swipe(event);
      return;
    }
    this._moved = event;
    this._soon();
  };

  private readonly _wheel = (event: WheelEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    const { dx, dy } = wheelPixels(event, this._size());
    this._turn(event, dx, dy);
  };

  /** A finger that moves over the picture moves the page below it. */
  private _swipe(event: PointerEvent): void {
    const before = this._finger;
    this._finger = event;
    if (!before) return;
    const [from, to] = [this._at(before), this._at(event)];
    this._turn(event, from.x - to.x, from.y - to.y);
  }

  private _turn(event: MouseEvent, dx: number, dy: number): void {
    const { dx: x, dy: y } = this._turned ?? { dx: 0, dy: 0 };
    this._turned = { event, dx: x + dx, dy: y + dy };
    this._soon();
  }

  private _soon(): void {
    if (!this._waits) {
      this._waits = window.requestAnimationFrame(() => this._flush());
    }
  }

  private _flush(): void {
    window.cancelAnimationFrame(this._waits);
    this._waits = 0;
    const { _moved: moved, _turned: turned } = this;
    this._moved = null;
    this._turned = null;
    if (moved) {
      const [button = 'none'] = this._pressed.keys();
      this._mouse('move', moved, button);
    }
    if (turned) {
      const { event, dx, dy } = turned;
      const held = heldBits(event);
      this._act({ kind: 'wheel', ...this._at(event), dx, dy, held });
    }
  }

  private readonly _capture = (event: PointerEvent): void => {
    // So that what is dragged out of the picture, and let go there, is let go.
    this._place = event;
    this._canvas.setPointerCapture(event.pointerId);
    this._finger = event.pointerType === 'touch' ? event : null;
  };

  private readonly _raise = (event: PointerEvent): void => {
    this._place = event;
  };

  private readonly _lostPointer = (): void => {
    // The mouse is let go first where all is well; what is still held then would stay held.
    window.setTimeout(() => this._releaseMouse());
  };

  private readonly _menu = (event: Event): void => {
    // The page has a menu of its own, or none.
    event.preventDefault();
    event.stopPropagation();
  };

  private readonly _key = (event: KeyboardEvent): void => {
    const down = event.type === 'keydown';
    const found = meant(event, down, MAC);
    // What is put together or pasted comes to the field by itself.
    if (found.what !== 'key') return;
    event.preventDefault();
    event.stopPropagation();
    this._flush();
    const { code, key } = event;
    if (down) {
      if (found.copies) this._act({ kind: 'copy' });
      this._keys.set(code || key, found.message);
    } else if (!this._keys.delete(code || key)) return;
    this._act(found.message);
    // While it is held, a Mac does not tell that others are let go.
    if (!down && key === 'Meta') this._releaseKeys();
  };

  private readonly _composed = (event: CompositionEvent): void => {
    this._field.value = '';
    this._insert(event.data);
  };

  private readonly _input = (event: Event): void => {
    if ((event as InputEvent).isComposing) return;
    const { value } = this._field;
    this._field.value = '';
    this._insert(value);
  };

  private readonly _paste = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    this._insert(event.clipboardData?.getData('text/plain') ?? '');
  };

  private _insert(text: string): void {
    if (text) this._act({ kind: 'insert', text });
  }

  private readonly _release = (): void => {
    this._releaseMouse();
    this._releaseKeys();
  };

  private _releaseKeys(): void {
    for (const message of this._keys.values()) {
      this._act({ ...message, down: false, text: '', held: 0, again: false });
    }
    this._keys.clear();
  }

  private _releaseMouse(): void {
    for (const [button, event] of this._pressed) {
      this._mouse('up', event, button);
    }
    this._pressed.clear();
  }

  private readonly _heard: readonly (readonly [string, EventListener])[] = [
    ['pointerdown', this._capture as EventListener],
    ['pointermove', this._move as EventListener],
    ['pointerup', this._raise as EventListener],
    ['lostpointercapture', this._lostPointer],
    ['mousedown', this._down as EventListener],
    ['mouseup', this._up as EventListener],
    ['wheel', this._wheel as EventListener],
    ['contextmenu', this._menu]
  ];
  private readonly _typed: readonly (readonly [string, EventListener])[] = [
    ['keydown', this._key as EventListener],
    ['keyup', this._key as EventListener],
    ['compositionend', this._composed as EventListener],
    ['input', this._input],
    ['paste', this._paste as EventListener],
    ['blur', this._release]
  ];
  private readonly _field: HTMLTextAreaElement;
  private readonly _pressed = new Map<MouseButtonName, MouseEvent>();
  private readonly _keys = new Map<string, KeyMessage>();
  private _moved: PointerEvent | null = null;
  private _place: Place | null = null;
  private _finger: PointerEvent | null = null;
  private _turned: { event: MouseEvent; dx: number; dy: number } | null = null;
  private _waits = 0;
  private _disposed = false;
}
