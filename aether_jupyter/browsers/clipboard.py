"""The clipboard of one agent. Chromium has a single one for all contexts, so what one agent copies another could paste.

Nothing here reads that one: the keys that paste are not pressed but acted out with the agent's own text, the middle
button pastes nothing (a switch of Chromium's), and pages are not permitted to read. What a page or a key copies is
caught before it is written there. A page may get rid of the script that catches it, and then gives away its own words
to a clipboard that nobody reads.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import playwright.async_api as pw

MOST_CHARS = 1_000_000
"""What is copied beyond this is left out."""

FLAGS = ("--blink-settings=middleClickPasteAllowed=false",)

# Runs in each document before any script of its own.
_GUARD = """(() => {
  const tell = window['NAME'];
  delete window['NAME'];
  const marked = where => {
    if (where.type === 'password') return '';
    if (typeof where.selectionStart === 'number') return where.value.slice(where.selectionStart, where.selectionEnd);
    const root = where.getRootNode();
    return String(root.getSelection?.() ?? getSelection());
  };
  const caught = event => {
    if (!event.isTrusted) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === 'paste') return;
    const where = event.composedPath()[0];
    const clipboardData = new DataTransfer();
    const like = new ClipboardEvent(event.type, {clipboardData, bubbles: true, cancelable: true, composed: true});
    if (!where.dispatchEvent(like)) {
      tell(clipboardData.getData('text/plain'));
      return;
    }
    const text = marked(where);
    if (!text) return;
    tell(text);
    // A command that a command sets off is refused while that one runs.
    if (event.type === 'cut') queueMicrotask(() => document.execCommand('delete'));
  };
  for (const kind of ['copy', 'cut', 'paste']) window.addEventListener(kind, caught, true);
  if (!window.Clipboard) return;
  const permitted = () => {
    if (!navigator.userActivation.isActive) throw new DOMException('Write permission denied.', 'NotAllowedError');
  };
  Clipboard.prototype.writeText = async function writeText(text) {
    permitted();
    await tell(String(text));
  };
  Clipboard.prototype.write = async function write(items) {
    permitted();
    for (const item of items) {
      if (item.types.includes('text/plain')) return tell(await (await item.getType('text/plain')).text());
    }
  };
})()"""

_PASTE = """text => {
  let where = document.activeElement || document.body;
  while (where.shadowRoot?.activeElement) where = where.shadowRoot.activeElement;
  const usual = {bubbles: true, cancelable: true, composed: true};
  const key = {key: 'v', code: 'KeyV', keyCode: 86, which: 86, ctrlKey: true, ...usual};
  let wanted = where.dispatchEvent(new KeyboardEvent('keydown', key));
  if (wanted) {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    wanted = where.dispatchEvent(new ClipboardEvent('paste', {clipboardData, ...usual}));
  }
  where.dispatchEvent(new KeyboardEvent('keyup', key));
  return wanted;
}"""
"""Acts out the keys that paste; returns whether the text is still to be put in."""

_FOCUSED = """() => {
  let where = document.activeElement;
  while (where?.shadowRoot?.activeElement) where = where.shadowRoot.activeElement;
  return where;
}"""


def pastes(keys: str) -> bool:
    """Whether Chromium would paste for a chord, named as Playwright names it; rather once too often."""
    *held, key = keys.split("+")
    if key in ("v", "V", "KeyV"):
        return not {
            "Control",
            "ControlLeft",
            "ControlRight",
            "ControlOrMeta",
            "Meta",
            "MetaLeft",
            "MetaRight",
        }.isdisjoint(held)
    return key == "Insert" and not {"Shift", "ShiftLeft", "ShiftRight"}.isdisjoint(held)


class Clipboard:
    """What one agent has copied; it is forgotten with its browser."""

    def __init__(self) -> None:
        self.text = ""

    async def guard(self, context: pw.BrowserContext) -> None:
        """Catch what is copied in the pages of a context. Before it has any."""
        name = f"_{secrets.token_hex(8)}"
        await context.expose_binding(name, self._told)
        await context.add_init_script(_GUARD.replace("NAME", name))

    async def paste(self, page: pw.Page) -> None:
        """Put the text where the focus is, as the keys would that paste."""
        frame = page.main_frame
        while True:
            focused = (await frame.evaluate_handle(_FOCUSED)).as_element()
            inner = await focused.content_frame() if focused is not None else None
            if inner is None:
                break
            frame = inner
        if await frame.evaluate(_PASTE, self.text) and self.text:
            await page.keyboard.insert_text(self.text)

    def _told(self, source: Any, text: object = "") -> None:
        if isinstance(text, str):
            self.text = text[:MOST_CHARS]
