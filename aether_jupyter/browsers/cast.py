"""What people see of a browser, and what they do there: frames of the tab in front, tabs, dialogs; mouse and keys.

Frames come by the protocol of Chromium's own developer tools, which paints the next one only when the last was
acknowledged. Input goes the same way, as the person's own browser told it: Playwright knows only a US keyboard.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..abc import Onlooker
from ..model.browsing import Tab
from ..model.errors import AetherError
from ..model.harmless import line, plain
from ..model.screencast import (
    HEIGHT,
    WIDTH,
    Answer,
    CastState,
    ChoiceOption,
    Choose,
    CloseTab,
    Copied,
    Copy,
    DialogGone,
    Go,
    Input,
    Insert,
    Key,
    Mouse,
    PageChoice,
    PageDialog,
    ShowTab,
    Trouble,
    Visit,
    Wheel,
)
from .clipboard import Clipboard
from .page_scripts import CHOOSE, CHOSEN, OPTIONS, RETITLED, SAY

if TYPE_CHECKING:
    import playwright.async_api as pw

log = logging.getLogger(__name__)

QUALITY = 75
INPUT_S = 5.0
"""How long the next input waits for a page that is busy with the last."""
QUEUED = 500
OPTIONS_SHOWN, LABEL_CHARS = 500, 200
DIALOG_CHARS = 2_000
WORLD = "aether"
_CTRL, _META, _SHIFT = 2, 4, 8
_V, _INSERT = 86, 45
_BUTTONS = {"none": 0, "left": 1, "right": 2, "middle": 4}


class Window(Protocol):
    """What a cast needs of its browser."""

    @property
    def page(self) -> pw.Page | None:
        """The page in front, None while it rests or is gone."""
        ...

    @property
    def clipboard(self) -> Clipboard: ...

    async def strip(self) -> Sequence[Tab]: ...
    async def visit(self, url: str, *, new_tab: bool) -> str:
        """Go there; why that did not work, '' if it did."""
        ...

    async def go(self, where: str) -> str: ...
    async def show(self, tab: int) -> None: ...
    async def shut(self, tab: int) -> None: ...


class Cast:
    """Shows one browser to an onlooker until it is closed, and passes on what a person does."""

    def __init__(self, window: Window, onlooker: Onlooker) -> None:
        self._window = window
        self._onlooker = onlooker
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._page: pw.Page | None = None
        self._session: pw.CDPSession | None = None
        self._main = ""
        self._loading = False
        self._told: CastState | None = None
        self._dialog: pw.Dialog | None = None
        self._answered: asyncio.Future[Answer] | None = None
        self._asking = asyncio.Event()
        self._one_question = asyncio.Lock()
        self._list = ""
        self._buttons = 0
        self._at = (0.0, 0.0)
        self._down: dict[str, Key] = {}
        self._queue: asyncio.Queue[Input] = asyncio.Queue(QUEUED)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start(self._follow())
        self._start(self._work())

    @property
    def attended(self) -> bool:
        """Whether a person has control and is there: what the page asks is asked of them."""
        return self._onlooker.attended

    def stir(self) -> None:
        """Something about the tabs has changed."""
        self._dirty.set()

    def tell(self, words: str) -> None:
        """Say something to the person who has control."""
        if self.attended:
            self._onlooker.shown(Trouble(line(words, 500)))

    def take(self, what: Input) -> None:
        """Do it when its turn comes."""
        if isinstance(what, Answer):
            if self._answered is not None and not self._answered.done():
                self._answered.set_result(what)
            return
        if self._dialog is not None or self._queue.full():
            # Nothing goes to a page that waits for an answer.
            return
        self._queue.put_nowait(what)

    def let_go(self) -> None:
        """Release what is held down; a question of the page is answered no."""
        x, y = self._at
        if self._buttons:
            for name, bit in _BUTTONS.items():
                if self._buttons & bit:
                    self.take(Mouse("up", x, y, button=name))  # type: ignore[arg-type]
        for key in list(self._down.values()):
            self.take(Key(down=False, key=key.key, code=key.code, number=key.number, location=key.location))
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(Answer(accept=False))

    async def ask(self, dialog: pw.Dialog) -> None:
        """Put a dialog before the person who has control, and answer as they do; one tab's after the other's."""
        async with self._one_question:
            if self.attended:
                await self._ask(dialog)
            else:
                await dialog.dismiss()

    async def _ask(self, dialog: pw.Dialog) -> None:
        self._dialog, self._answered = dialog, asyncio.get_running_loop().create_future()
        kind: Any = dialog.type
        self._onlooker.shown(PageDialog(kind, plain(dialog.message)[:DIALOG_CHARS], dialog.default_value))
        self._asking.set()
        try:
            answer = await self._answered
            await (dialog.accept(answer.text) if answer.accept else dialog.dismiss())
        finally:
            self._dialog = self._answered = None
            self._asking.clear()
            self._onlooker.shown(DialogGone())

    async def close(self) -> None:
        """Show nothing more."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(Answer(accept=False))
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leave()

    # --- what is shown -----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._turn_to(self._window.page)
            if self._dialog is not None and self._dialog.page is not None and self._dialog.page.is_closed():
                self.let_go()
            tabs = tuple(await self._window.strip()) if self._page is not None else ()
            state = CastState(self._page is not None, WIDTH, HEIGHT, self._loading, tabs)
            if state != self._told:
                self._told = state
                self._onlooker.shown(state)

    async def _turn_to(self, page: pw.Page | None) -> None:
        if page is self._page and page is not None and not page.is_closed():
            return
        import playwright.async_api as pw

        await self._leave()
        if page is None or page.is_closed():
            return
        try:
            session = await page.context.new_cdp_session(page)
            session.on("Page.screencastFrame", lambda event: self._start(self._frame(session, event)))
            session.on("Page.frameStartedLoading", lambda event: self._loads(event, True))
            session.on("Page.frameStoppedLoading", lambda event: self._loads(event, False))
            session.on("Runtime.bindingCalled", lambda _: self.stir())
            await session.send("Page.enable")
            await session.send("Runtime.enable")
            # In a world of its own, of which the page knows nothing.
            await session.send("Runtime.addBinding", {"name": SAY, "executionContextName": WORLD})
            watching = {"source": RETITLED, "worldName": WORLD, "runImmediately": True}
            await session.send("Page.addScriptToEvaluateOnNewDocument", watching)
            tree = await session.send("Page.getFrameTree")
            self._main = tree["frameTree"]["frame"]["id"]
            self._page, self._session = page, session
            await session.send(
                "Page.startScreencast",
                {"format": "jpeg", "quality": QUALITY, "maxWidth": WIDTH, "maxHeight": HEIGHT},
            )
        except pw.Error as error:
            log.debug("a page cannot be shown: %s", error)
            await self._leave()

    async def _leave(self) -> None:
        session, self._page, self._session = self._session, None, None
        self._loading, self._list = False, ""
        self._buttons = 0
        self._down.clear()
        if session is not None:
            await _quietly(session.detach())

    async def _frame(self, session: pw.CDPSession, event: dict[str, Any]) -> None:
        if session is not self._session:
            return
        # Returns when somebody has drawn it: this is the back-pressure.
        await self._onlooker.frame(base64.b64decode(event["data"]))
        await _quietly(session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]}))

    def _loads(self, event: dict[str, Any], begins: bool) -> None:
        if event.get("frameId") == self._main:
            self._loading = begins
            self._dirty.set()

    # --- what is done ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            what = await self._queue.get()
            doing = self._start(self._attempt(what))
            asked = asyncio.ensure_future(self._asking.wait())
            # A click that brings a dialog up is not over before that is answered.
            await asyncio.wait({doing, asked}, timeout=INPUT_S, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()

    async def _attempt(self, what: Input) -> None:
        import playwright.async_api as pw

        try:
            await self._do(what)
        except AetherError as error:
            self.tell(error.message)
        except pw.Error as error:
            # The page may be gone, in whatever way.
            log.debug("what a person did came to nothing: %s", error)

    async def _do(self, what: Input) -> None:
        match what:
            case Visit(url=url, new_tab=new_tab):
                self._start(self._tried(self._window.visit(url, new_tab=new_tab)))
                return
            case Go(where=where) if where != "stop":
                self._start(self._tried(self._window.go(where)))
                return
            case ShowTab(number=number):
                await self._window.show(number)
                return
            case CloseTab(number=number):
                await self._window.shut(number)
                return
            case _:
                pass
        session = self._session
        if session is None:
            return
        match what:
            case Go():
                await session.send("Page.stopLoading")
            case Mouse():
                await self._mouse(session, what)
            case Wheel(x=x, y=y, dx=dx, dy=dy, held=held):
                turned = {"type": "mouseWheel", "x": x, "y": y, "deltaX": dx, "deltaY": dy, "modifiers": held}
                await session.send("Input.dispatchMouseEvent", turned)
            case Key():
                await self._key(session, what)
            case Insert(text=text):
                await session.send("Input.insertText", {"text": text})
            case Copy():
                self._onlooker.shown(Copied(await self._chosen()))
            case Choose(index=index):
                await self._choose(session, index)

    async def _tried(self, deed: Coroutine[Any, Any, str]) -> None:
        import playwright.async_api as pw

        try:
            trouble = await deed
        except AetherError as error:
            trouble = error.message
        except pw.Error as error:
            log.debug("what a person did came to nothing: %s", error)
            trouble = "that did not work; the page is gone"
        if trouble:
            self.tell(trouble)

    async def _mouse(self, session: pw.CDPSession, what: Mouse) -> None:
        bit = _BUTTONS[what.button]
        if what.event == "down":
            if what.button == "left" and await self._opens_list(session, what):
                return
            self._buttons |= bit
        elif what.event == "up":
            if not self._buttons & bit:
                # Of a press that did not get through, or was released already.
                return
            self._buttons &= ~bit
        self._at = (what.x, what.y)
        kind = {"move": "mouseMoved", "down": "mousePressed", "up": "mouseReleased"}[what.event]
        button = what.button if what.event != "move" else _first(self._buttons)
        sent = {"type": kind, "x": what.x, "y": what.y, "button": button, "buttons": self._buttons}
        clicks = what.clicks if what.event != "move" else 0
        await session.send("Input.dispatchMouseEvent", {**sent, "clickCount": clicks, "modifiers": what.held})

    async def _key(self, session: pw.CDPSession, what: Key) -> None:
        if _pastes(what):
            # Chromium would paste what any agent, of anybody, has copied.
            if what.down and self._page is not None:
                await self._window.clipboard.paste(self._page)
            return
        name = what.code or what.key
        if what.down:
            self._down[name] = what
        elif self._down.pop(name, None) is None:
            return
        kind = "keyUp" if not what.down else "keyDown" if what.text else "rawKeyDown"
        sent: dict[str, Any] = {
            "type": kind,
            "key": what.key,
            "code": what.code,
            "windowsVirtualKeyCode": what.number,
            "nativeVirtualKeyCode": what.number,
            "modifiers": what.held,
            "location": what.location,
            "isKeypad": what.location == 3,
            "autoRepeat": what.again,
        }
        if what.text and what.down:
            sent |= {"text": what.text, "unmodifiedText": what.text}
        await session.send("Input.dispatchKeyEvent", sent)

    async def _chosen(self) -> str:
        """The text that is chosen, in whichever frame has the focus."""
        import playwright.async_api as pw

        assert self._page is not None
        for frame in self._page.frames:
            # A frame may go while it is asked.
            with contextlib.suppress(pw.Error):
                if found := await frame.evaluate(CHOSEN):
                    return str(found)[:1_000_000]
        return ""

    # --- lists, which Chromium draws outside of the page -------------------------------------------------------------

    async def _opens_list(self, session: pw.CDPSession, what: Mouse) -> bool:
        """Show the options of the list under the pointer, if there is one."""
        import playwright.async_api as pw

        try:
            at = {"x": round(what.x), "y": round(what.y), "includeUserAgentShadowDOM": False}
            node = (await session.send("DOM.getNodeForLocation", at))["backendNodeId"]
            found = await session.send("DOM.resolveNode", {"backendNodeId": node})
            thing = found["object"]
            if thing.get("description", "").partition("#")[0].partition(".")[0] != "select":
                await session.send("Runtime.releaseObject", {"objectId": thing["objectId"]})
                return False
            told = await self._on(session, thing["objectId"], OPTIONS)
            if told is None:
                return False
            model = await session.send("DOM.getBoxModel", {"backendNodeId": node})
        except pw.Error as error:
            # Nothing is there, or not any more: an ordinary click.
            log.debug("no list is there: %s", error)
            return False
        self._list = thing["objectId"]
        left, top, right, _, _, bottom = model["model"]["border"][:6]
        options = tuple(
            ChoiceOption(line(each["label"], LABEL_CHARS), bool(each["disabled"]), line(each["group"], LABEL_CHARS))
            for each in told["options"][:OPTIONS_SHOWN]
        )
        self._onlooker.shown(PageChoice(options, told["chosen"], left, top, right - left, bottom - top))
        return True

    async def _choose(self, session: pw.CDPSession, index: int | None) -> None:
        thing, self._list = self._list, ""
        if thing and index is not None:
            await self._on(session, thing, CHOOSE, index)
        if thing:
            await session.send("Runtime.releaseObject", {"objectId": thing})

    async def _on(self, session: pw.CDPSession, thing: str, script: str, *arguments: Any) -> Any:
        called = {
            "objectId": thing,
            "functionDeclaration": script,
            "arguments": [{"value": each} for each in arguments],
            "returnByValue": True,
            "userGesture": True,
        }
        return (await session.send("Runtime.callFunctionOn", called))["result"].get("value")

    def _start(self, deed: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("showing a browser failed", exc_info=task.exception())


def _pastes(what: Key) -> bool:
    """Whether Chromium would paste for it, which goes by the number and by the name."""
    if what.number == _V or what.key in ("v", "V") or what.code == "KeyV":
        return bool(what.held & (_CTRL | _META))
    if what.number == _INSERT or "Insert" in (what.key, what.code):
        return bool(what.held & _SHIFT)
    return what.key == "Paste"


def _first(buttons: int) -> str:
    return next((name for name, bit in _BUTTONS.items() if bit and buttons & bit), "none")


async def _quietly(deed: Coroutine[Any, Any, Any]) -> None:
    """Do it, unless what it is about is gone."""
    import playwright.async_api as pw

    with contextlib.suppress(pw.Error):
        await deed
