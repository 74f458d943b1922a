"""Deeds on one page by Playwright: finding what is meant, doing it, coming to rest, reading; and errors in words."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import urlsplit

from ..model.browsing import (
    Back,
    ByCss,
    ByRole,
    ByText,
    Click,
    Deed,
    Drag,
    Hover,
    Open,
    Point,
    Press,
    ReadingKind,
    Ref,
    Scroll,
    Select,
    Switch,
    Target,
    Type,
    Upload,
    Wait,
    told,
)
from ..model.errors import ToolFailed, ToolTimeout
from .clipboard import Clipboard, pastes
from .page_scripts import LINKS, QUIET, SAVE, SCROLLED, TEXT

if TYPE_CHECKING:
    import playwright.async_api as pw

ACTION_S = 5.0
OPEN_S = 30.0
REOPEN_S = 10.0
REST_S = 4.0
"""Seconds that a page is given to come to rest after a deed; one that never does is read as it is."""
FIND_S = 2.0
HANGS_S = 6.0
LONG_S = 30.0
QUIET_MS = 120
PICTURE_HEIGHT = 8_000
DOWNLOAD = "it is a download"
BLANK = "about:blank"

_WEIGHTY = frozenset({"document", "script", "stylesheet", "xhr", "fetch"})
_CLICKED = (
    "button",
    "link",
    "menuitem",
    "tab",
    "option",
    "checkbox",
    "radio",
    "switch",
    "menuitemcheckbox",
    "treeitem",
)
_KEYS = {
    "ctrl": "Control",
    "control": "Control",
    "cmd": "Meta",
    "command": "Meta",
    "meta": "Meta",
    "alt": "Alt",
    "option": "Alt",
    "shift": "Shift",
    "enter": "Enter",
    "return": "Enter",
    "esc": "Escape",
    "escape": "Escape",
    "del": "Delete",
    "delete": "Delete",
    "backspace": "Backspace",
    "tab": "Tab",
    "space": " ",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "pageup": "PageUp",
    "pagedown": "PageDown",
    "home": "Home",
    "end": "End",
}


class Sheet:
    """One tab: its page, and what must be known to say when it rests."""

    def __init__(self, number: int, page: pw.Page, clipboard: Clipboard) -> None:
        self.number = number
        self.page = page
        self.clipboard = clipboard
        self.document = 0
        self.loading = False
        self.pending = 0
        self.status: int | None = None
        self.media = ""
        self.refused = False
        self.lines: tuple[str, ...] = ()
        self.chooser: pw.FileChooser | None = None

    @property
    def url(self) -> str:
        """Where it is, shortened if it is very long."""
        url = self.page.url
        return url if len(url) <= 500 else f"{url[:500]}…"

    @property
    def empty(self) -> bool:
        """Whether there is no page in it and none on its way."""
        return self.page.url == BLANK and not self.loading

    def listen(self) -> None:
        """Follow what the page loads."""
        page = self.page
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)
        page.on("response", self._status)
        page.on("domcontentloaded", self._loaded)

    def _asked(self, request: pw.Request) -> None:
        self.pending += request.resource_type in _WEIGHTY
        if _leads(request, self.page):
            self.loading = True

    def _answered(self, request: pw.Request) -> None:
        self.pending = max(0, self.pending - (request.resource_type in _WEIGHTY))
        if request.failure is not None and _leads(request, self.page):
            self.loading = False

    def _status(self, response: pw.Response) -> None:
        if _leads(response.request, self.page):
            self.status = response.status
            self.refused = response.headers.get("proxy-status", "").startswith("gate;")
            self.media = response.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _loaded(self, _: pw.Page) -> None:
        self.loading = False
        self.document += 1
        self.pending = 0
        self.chooser = None


def _leads(request: pw.Request, page: pw.Page) -> bool:
    """Whether a request is for another page in this tab."""
    if not request.is_navigation_request():
        return False
    try:
        return request.frame == page.main_frame
    except Exception:  # noqa: BLE001 (the frame of a request that is older than its page is not known)
        return False


# --- addresses -------------------------------------------------------------------------------------------------------


def address(text: str) -> tuple[str, str]:
    """A URL of the web and its host. Raises `ToolFailed` for whatever else a browser could show."""
    bare = text.strip()
    if bare == BLANK:
        return bare, ""
    if re.search(r"[\s\\\x00-\x1f]", bare):
        raise ToolFailed(f"{text!r} is no address: it has blanks or backslashes in it")
    if "://" not in bare:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:(?!\d)", bare):
            raise ToolFailed(f"{text!r}: only http and https addresses are opened")
        bare = f"https://{bare}"
    try:
        parts = urlsplit(bare)
        host = parts.hostname or ""
    except ValueError:
        host = ""
        parts = urlsplit("")
    if parts.scheme not in ("http", "https"):
        raise ToolFailed(f"{text!r}: only http and https addresses are opened")
    if not host:
        raise ToolFailed(f"{text!r} names no host")
    return bare, host.lower().rstrip(".")


async def open_page(sheet: Sheet, url: str) -> str:
    """Go there. Returns why that did not work, '' if it did."""
    try:
        await sheet.page.goto(url, wait_until="domcontentloaded", timeout=OPEN_S * 1000)
    except Exception as error:  # noqa: BLE001 (translated)
        sheet.loading = False
        return in_words(error)
    return "the gate refused it" if sheet.refused else ""


async def reopen(sheet: Sheet, url: str) -> None:
    """Open what a tab showed before its browser fell or went to rest, as far as that is possible."""
    import playwright.async_api as pw

    if url.startswith(("http:", "https:")):
        # It is slow, gone, or refused by now; the tab shows what came of it.
        with contextlib.suppress(pw.Error):
            await sheet.page.goto(url, wait_until="domcontentloaded", timeout=REOPEN_S * 1000)


# --- finding what is meant -------------------------------------------------------------------------------------------


async def locate(sheet: Sheet, where: Target, *, field: bool = False) -> pw.Locator:
    """The one element that is meant, in whatever frame or open shadow root it is. Raises `ToolFailed`."""
    page = sheet.page
    if isinstance(where, Ref):
        found = page.locator(f"aria-ref={where.ref}")
        if not await found.count():
            raise ToolFailed(f"{where.ref} is not on the page any more; read it again with browser_read")
        return found
    assert not isinstance(where, Point)
    deadline = time.monotonic() + FIND_S
    while True:
        for candidates in _candidates(page, where, field=field):
            counted = [(each, await each.count()) for each in candidates]
            total = sum(count for _, count in counted)
            if total == 1:
                return next(each for each, count in counted if count)
            if total > 1:
                raise ToolFailed(f"{total} elements fit {told(where)}; give a reference of browser_read, such as e12")
        if time.monotonic() > deadline:
            raise ToolFailed(f"nothing on the page fits {told(where)}; read it with browser_read")
        await asyncio.sleep(0.2)


def _candidates(page: pw.Page, where: ByRole | ByText | ByCss, *, field: bool) -> Iterator[list[pw.Locator]]:
    """Ways to find it, the most certain first; each a locator a frame."""
    frames = page.frames

    def each(find: Callable[[pw.Frame], pw.Locator]) -> list[pw.Locator]:
        return [find(frame).filter(visible=True) for frame in frames]

    match where:
        case ByCss(selector):
            yield [page.locator(selector).filter(visible=True)]
            # A field for files, for one, is often hidden behind a button.
            yield [page.locator(selector)]
            yield [frame.locator(selector) for frame in frames[1:]]
        case ByRole(role, name):
            kind: Any = role
            # Options of a closed list have no place in the window, and yet can be chosen.
            yield [frame.get_by_role(kind, name=name, exact=True) for frame in frames]
            yield [frame.get_by_role(kind, name=name) for frame in frames]
        case ByText(text):
            if field:
                yield each(lambda frame: frame.get_by_label(text, exact=True))
                yield each(lambda frame: frame.get_by_placeholder(text, exact=True))
                yield each(lambda frame: frame.get_by_label(text))
            else:

                def clicked(frame: pw.Frame) -> pw.Locator:
                    first, *others = (frame.get_by_role(kind, name=text, exact=True) for kind in _CLICKED)  # type: ignore[arg-type]
                    for other in others:
                        first = first.or_(other)
                    return first

                yield each(clicked)
                yield each(lambda frame: frame.get_by_label(text, exact=True))
            yield each(lambda frame: frame.get_by_text(text, exact=True))
            yield each(lambda frame: frame.get_by_text(text))
            yield each(lambda frame: frame.get_by_placeholder(text))
            yield each(lambda frame: frame.get_by_title(text))


# --- doing it --------------------------------------------------------------------------------------------------------


async def do(sheet: Sheet, deed: Deed) -> str:
    """Do it; returns what was done, in a sentence. Raises `ToolFailed`, `ToolTimeout`."""
    import playwright.async_api as pw

    try:
        return await _do(sheet, deed)
    except pw.TimeoutError as error:
        raise ToolTimeout(_hindrance(error, deed)) from None
    except pw.Error as error:
        if sheet.page.is_closed():
            return "The tab was closed by it."
        raise ToolFailed(in_words(error)) from None


async def _do(sheet: Sheet, deed: Deed) -> str:
    page = sheet.page
    match deed:
        case Click(target=Point(x, y), button=button, count=count):
            await page.mouse.click(x, y, button=button, click_count=count)
            return f"{_clicked(deed)} {told(deed.target)}."
        case Click(target=target, button=button, count=count):
            element = await locate(sheet, target)
            if await element.evaluate("e => e.tagName == 'OPTION'"):
                return await _choose(element)
            await element.click(button=button, click_count=count)
            return f"{_clicked(deed)} {told(target)}."
        case Hover(target=Point(x, y)):
            await page.mouse.move(x, y)
            return f"The mouse is over {told(deed.target)}."
        case Hover(target=target):
            await (await locate(sheet, target)).hover()
            return f"The mouse is over {told(target)}."
        case Drag(source=source, to=to):
            await _drag(sheet, source, to)
            return f"Dragged {told(source)} to {told(to)}."
        case Type():
            return await _type(sheet, deed)
        case Select(target=target, options=options):
            element = await locate(sheet, target, field=True)
            chosen = await element.select_option(list(options))
            return f"Chose {', '.join(map(repr, chosen)) or 'nothing'} in {told(target)}."
        case Press():
            return await _press(sheet, deed)
        case Scroll():
            return await _scroll(sheet, deed)
        case Back(forward=forward):
            return await _go(sheet, forward)
        case Upload():
            return await _upload(sheet, deed)
        case Open() | Wait() | Switch():
            raise AssertionError("these are deeds of the whole browser")
        case _:
            assert_never(deed)


def _clicked(deed: Click) -> str:
    word = "Clicked" if deed.count == 1 else "Double-clicked" if deed.count == 2 else f"Clicked {deed.count} times"
    return f"{word}{f' ({deed.button} button)' if deed.button != 'left' else ''}"


async def _choose(option: pw.Locator) -> str:
    """Choose an option of a list that a browser draws itself, where no mouse reaches it."""
    words = (await option.inner_text()).strip()
    value = await option.evaluate("e => e.value")
    await option.locator("xpath=ancestor::select[1]").select_option(value=value)
    return f"Chose {words!r}."


async def _type(sheet: Sheet, deed: Type) -> str:
    page = sheet.page
    if isinstance(deed.target, Point):
        await page.mouse.click(deed.target.x, deed.target.y)
        await page.keyboard.insert_text(deed.text)
    else:
        element = await locate(sheet, deed.target, field=True)
        if deed.append:
            await element.focus()
            await page.keyboard.press("End")
            await page.keyboard.type(deed.text)
        else:
            await element.fill(deed.text)
    if deed.submit:
        await page.keyboard.press("Enter")
    much = f"{len(deed.text)} characters" if len(deed.text) > 60 else repr(deed.text)
    return f"Typed {much} into {told(deed.target)}{' and pressed Enter' if deed.submit else ''}."


async def _press(sheet: Sheet, deed: Press) -> str:
    keys, page = chord(deed.keys), sheet.page
    element = None if deed.target is None else await locate(sheet, deed.target, field=True)
    if pastes(keys):
        if element is not None:
            await element.focus()
        try:
            async with asyncio.timeout(ACTION_S):
                await sheet.clipboard.paste(page)
        except TimeoutError:
            raise ToolTimeout(f"the page did not take {deed.keys} within {ACTION_S:g} s") from None
    elif element is not None:
        await element.press(keys)
    else:
        await page.keyboard.press(keys)
    on = "" if deed.target is None else f" on {told(deed.target)}"
    empty = "; nothing was copied before" if pastes(keys) and not sheet.clipboard.text else ""
    return f"Pressed {deed.keys}{on}{empty}."


async def _drag(sheet: Sheet, source: Target, to: Target) -> None:
    if not isinstance(source, Point) and not isinstance(to, Point):
        await (await locate(sheet, source)).drag_to(await locate(sheet, to))
        return
    mouse = sheet.page.mouse
    await mouse.move(*(await _middle(sheet, source)))
    await mouse.down()
    await mouse.move(*(await _middle(sheet, to)), steps=10)
    await mouse.up()


async def _middle(sheet: Sheet, where: Target) -> tuple[float, float]:
    if isinstance(where, Point):
        return where.x, where.y
    element = await locate(sheet, where)
    await element.scroll_into_view_if_needed()
    box = await element.bounding_box()
    if box is None:
        raise ToolFailed(f"{told(where)} is not to be seen")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def _scroll(sheet: Sheet, deed: Scroll) -> str:
    page = sheet.page
    if deed.target is not None and not isinstance(deed.target, Point):
        element = await locate(sheet, deed.target)
        await element.scroll_into_view_if_needed()
        if not deed.down and not deed.right:
            return f"{told(deed.target)} is in view."
        await element.hover()
    else:
        size = page.viewport_size or {"width": 2, "height": 2}
        at = deed.target or Point(size["width"] / 2, size["height"] / 2)
        await page.mouse.move(at.x, at.y)
    await page.mouse.wheel(deed.right, deed.down)
    # The wheel is heard by the next frame.
    await asyncio.sleep(0.1)
    top, height, whole = await page.evaluate(SCROLLED)
    return f"Scrolled; the window shows {top} to {top + height} of {whole} pixels."


async def _go(sheet: Sheet, forward: bool) -> str:
    page, before, document = sheet.page, sheet.page.url, sheet.document
    go = page.go_forward if forward else page.go_back
    answer = await go(wait_until="domcontentloaded", timeout=OPEN_S * 1000)
    if answer is None and page.url == before and sheet.document == document:
        raise ToolFailed(f"there is no page to go {'forward' if forward else 'back'} to")
    return f"Went {'forward' if forward else 'back'} to {sheet.url}."


async def _upload(sheet: Sheet, deed: Upload) -> str:
    payloads: list[Any] = [
        {"name": name, "mimeType": mimetypes.guess_type(name)[0] or "application/octet-stream", "buffer": content}
        for name, content in deed.files
    ]
    names = ", ".join(name for name, _ in deed.files)
    if deed.target is None:
        if sheet.chooser is None:
            raise ToolFailed("the page has not asked for files; name the field, or click what opens the question")
        chooser, sheet.chooser = sheet.chooser, None
        await chooser.set_files(payloads)
        return f"Gave {names}."
    if isinstance(deed.target, Point):
        raise ToolFailed("give a reference, a text or css= for the field, not a point")
    element = await locate(sheet, deed.target, field=True)
    if await element.evaluate("e => e.tagName == 'INPUT' && e.type == 'file'"):
        await element.set_input_files(payloads)
    else:
        async with sheet.page.expect_file_chooser(timeout=ACTION_S * 1000) as asked:
            await element.click()
        await (await asked.value).set_files(payloads)
        sheet.chooser = None
    return f"Gave {names} to {told(deed.target)}."


async def wait(sheet: Sheet, deed: Wait, busy: Callable[[], bool]) -> str:
    """Wait for a text to come or go; or, with none, for downloads (`busy`) to end or the page to change."""
    began = time.monotonic()
    before = await tree(sheet)
    loading = busy()
    while True:
        if deed.text and await _stands(sheet, deed.text):
            return f"{deed.text!r} is there, after {time.monotonic() - began:.1f} s."
        if deed.gone and not await _stands(sheet, deed.gone):
            return f"{deed.gone!r} is gone, after {time.monotonic() - began:.1f} s."
        if not deed.text and not deed.gone and not busy():
            if loading:
                return "The downloads have ended."
            if await tree(sheet) != before:
                return f"The page changed after {time.monotonic() - began:.1f} s."
        if time.monotonic() - began > deed.seconds:
            break
        await asyncio.sleep(0.2)
    if deed.text or deed.gone:
        words = f"{deed.text or deed.gone!r} is {'still there' if deed.gone else 'not on the page'}"
        raise ToolTimeout(f"{words} after {deed.seconds:g} s")
    return f"Waited {deed.seconds:g} s; {'downloads are not finished' if loading else 'nothing changed'}."


async def _stands(sheet: Sheet, text: str) -> bool:
    import playwright.async_api as pw

    for frame in sheet.page.frames:
        # A frame may go, or load another page, while one looks.
        with contextlib.suppress(pw.Error):
            if await frame.get_by_text(text).filter(visible=True).count():
                return True
    return False


def chord(keys: str) -> str:
    """The name of a key or chord as Playwright has it: `ctrl+a` is `Control+a`."""
    if len(keys) == 1:
        return keys
    parts = keys.replace(" ", "").split("+") if not keys.endswith("+") else [*keys[:-1].strip("+").split("+"), "+"]
    return "+".join(_KEYS.get(part.lower(), part) for part in parts if part)


# --- coming to rest --------------------------------------------------------------------------------------------------


async def settle(sheet: Sheet) -> None:
    """Wait until the page has loaded and nothing changes any more, or a while has passed."""
    import playwright.async_api as pw

    deadline = time.monotonic() + REST_S
    await asyncio.sleep(0.03)
    while time.monotonic() < deadline and not sheet.page.is_closed():
        # A page that is on its way, or whose script never ends, does not answer.
        with contextlib.suppress(pw.Error, TimeoutError):
            async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                if sheet.loading:
                    await sheet.page.wait_for_load_state("domcontentloaded")
                await sheet.page.evaluate(QUIET, [QUIET_MS, 1500])
                if not sheet.loading and not sheet.pending:
                    return
        await asyncio.sleep(0.05)


async def save(sheet: Sheet) -> str:
    """Download what the tab shows. Returns why that cannot be, '' where it has begun."""
    try:
        await sheet.page.evaluate(SAVE)
    except Exception as error:  # noqa: BLE001 (translated)
        return in_words(error)
    # The browser hears of a download a little later than the page that asked for it.
    await asyncio.sleep(0.2)
    return ""


# --- reading ---------------------------------------------------------------------------------------------------------


async def tree(sheet: Sheet) -> tuple[str, ...]:
    """The accessibility tree, a line an element, frames and open shadow roots included. Remembered for what is next."""
    try:
        async with asyncio.timeout(HANGS_S):
            await sheet.page.evaluate("0")
    except TimeoutError:
        raise ToolTimeout(
            "the page does not answer: a script of its own runs on and on. Open another page, or close the tab"
        ) from None
    sheet.lines = await _drawn(sheet.page)
    return sheet.lines


async def _drawn(what: pw.Page | pw.Locator) -> tuple[str, ...]:
    """The lines of a page's or an element's tree. The references of the last one drawn are those that are found."""
    # Of a page with tens of thousands of elements it takes seconds.
    text = await what.aria_snapshot(mode="ai", timeout=LONG_S * 1000)
    return tuple(row for row in text.split("\n") if row.strip())


async def read(sheet: Sheet, kind: ReadingKind, where: Target | None) -> tuple[str, ...]:
    """All lines of the page, or of one element, as a tree, a text or a list of links."""
    import playwright.async_api as pw

    try:
        if isinstance(where, Point):
            raise ToolFailed("give a reference, a role and name, or a text, not a point")
        element = await locate(sheet, where) if where is not None else None
        if kind == "tree":
            if element is None:
                return await tree(sheet)
            part = await _drawn(element)
            # The references that were given of the rest of the page hold on.
            await _drawn(sheet.page)
            return part
        script = TEXT if kind == "text" else LINKS
        if element is not None:
            found: list[str] = await element.evaluate(script)
            return tuple(found)
        return tuple([row async for row in _of_frames(sheet.page, script)])
    except pw.TimeoutError as error:
        raise ToolTimeout(in_words(error)) from None
    except pw.Error as error:
        raise ToolFailed(in_words(error)) from None


async def _of_frames(page: pw.Page, script: str) -> Any:
    """The lines of each frame, the page's own first."""
    for frame in page.frames:
        try:
            async with asyncio.timeout(LONG_S):
                rows: Sequence[str] = await frame.evaluate(f"() => ({script})(document.documentElement)")
        except Exception as error:  # noqa: BLE001 (a frame may go while others are read)
            rows = [f"[a frame could not be read: {in_words(error)}]"]
        if rows and frame != page.main_frame:
            yield f"[frame {frame.url[:300]}]"
        for row in rows:
            yield row


async def picture(sheet: Sheet, where: Target | None, whole: bool) -> bytes:
    """The window, an element or the whole page as a JPEG."""
    page = sheet.page
    if isinstance(where, Point):
        raise ToolFailed("give a reference, a role and name, or a text, not a point")
    if where is not None:
        element = await locate(sheet, where)
        return await element.screenshot(type="jpeg", quality=80, scale="css", timeout=LONG_S * 1000)
    if not whole:
        return await page.screenshot(type="jpeg", quality=80, scale="css", timeout=LONG_S * 1000)
    _, _, height = await page.evaluate(SCROLLED)
    size = page.viewport_size or {"width": 1280, "height": 800}
    clip: Any = {"x": 0, "y": 0, "width": size["width"], "height": min(height, PICTURE_HEIGHT)}
    return await page.screenshot(type="jpeg", quality=70, scale="css", full_page=True, clip=clip, timeout=LONG_S * 1000)


# --- errors ----------------------------------------------------------------------------------------------------------

_HINDRANCES = (
    (r"(<[^>]+>).*? intercepts pointer events", "{0} lies over it; close or move that first"),
    (r"element is not visible", "it is not to be seen; scroll, or open what it is in"),
    (r"element is not enabled", "it is disabled"),
    (r"element is not stable", "it moves all the time"),
    (r"element is outside of the viewport", "it is outside of the window and cannot be scrolled to"),
    (r"did not find some options", "it has no such option"),
    (r"element is not editable", "it is read-only"),
)
_FAULTS = (
    (r"Download is starting", DOWNLOAD),
    (r"net::ERR_TUNNEL_CONNECTION_FAILED", "the gate refused it, or the site cannot be reached"),
    (r"net::ERR_PROXY_CONNECTION_FAILED", "the gate does not answer"),
    (r"net::ERR_UNSAFE_PORT", "browsers open no pages at this port"),
    (r"net::ERR_CERT_\w+", "its certificate is not valid"),
    (r"net::ERR_ABORTED", "it was not shown"),
    (r"net::ERR_(\w+)", "{0}"),
    (r"Cannot navigate to invalid URL", "that is no address"),
    (r"Unknown key: (.*)", "there is no key {0}; write Enter, Control+a, ArrowDown, or a character"),
    (r"Element is not an? <input>", "it is no field that takes text; click it and use browser_press"),
    (r"Element is not a <select> element", "it is no list of options; click it, then what it shows"),
    (r"Malformed value", "the field does not take this; a date is 2026-01-31, a time 13:45, a range a number"),
    (r"Input of type \"(\w+)\" cannot be filled", "a field of type {0} takes no text; click it"),
    (r"Node is not an HTMLInputElement|Non-multiple file input", "it takes one file, and no more"),
    (r"Unexpected token|is not a valid selector|Unknown engine", "that is no CSS selector"),
    (r"Target page, context or browser has been closed|Target crashed", "the page is gone"),
    (r"Timeout (\d+)ms exceeded", "it took longer than {0} ms"),
)


def in_words(error: BaseException) -> str:
    """What a driver's error means, without its log."""
    text = str(error)
    for pattern, words in _FAULTS:
        if found := re.search(pattern, text):
            return words.format(*(group.lower().replace("_", " ").strip('"') for group in found.groups()))
    first = re.sub(r"^\w+\.\w+: ", "", text.split("\n", 1)[0])
    return first[:300] or type(error).__name__


def _hindrance(error: BaseException, deed: Deed) -> str:
    text = str(error)
    what = type(deed).__name__.lower()
    where = getattr(deed, "target", None) or getattr(deed, "source", None)
    on = f" {told(where)}" if where is not None else ""
    for pattern, words in _HINDRANCES:
        if found := re.search(pattern, text):
            return f"{what}{on} did not work within {ACTION_S:g} s: {words.format(*found.groups())}"
    return f"{what}{on} did not work within {ACTION_S:g} s: the page did not answer in time"
