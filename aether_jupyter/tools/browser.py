"""Tools for the web: open pages, read them, click, type and choose in them, as a person does in a browser.

What stands on a page is words of strangers, and so is every result: titles, labels and messages are whatever the page
says. All but reading may have an effect on others, so it counts as network, and policy and permissions are asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from .. import beneath
from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.browsing import (
    Back,
    Click,
    Deed,
    DialogAnswer,
    Drag,
    Happened,
    Hover,
    Open,
    Press,
    ReadingKind,
    Scroll,
    Select,
    Switch,
    Tab,
    Target,
    Type,
    Upload,
    Wait,
    target,
)
from ..model.errors import FileNotFound, ToolArguments, ToolFailed
from ..model.harmless import plain
from ..model.tool import Outcome
from ..plugins import hookimpl

LINE_CHARS = 300
UPLOAD_BYTES = 45_000_000
"""What the driver takes as bytes; it hands larger files over by their path, which an agent could swap for a link."""

PAGE = {"page": "text"}
Short = Annotated[str, msgspec.Meta(max_length=2_000)]
Number = Annotated[int, msgspec.Meta(ge=1)]


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The tools of the browser, which agents get when they are named."""
    return (
        *(browser_open, browser_read, browser_click, browser_type, browser_select, browser_press, browser_hover),
        *(browser_drag, browser_scroll, browser_wait, browser_screenshot, browser_back, browser_forward),
        *(browser_tabs, browser_upload),
    )


@tool(risk="network", effect="read", args={"url": "url"}, fields=PAGE, default=False)
async def browser_open(
    ctx: ToolContext, url: Short, new_tab: bool = False, dialog: Literal["accept", "dismiss"] | None = None
) -> Outcome:
    """Open a page of the web in your browser and see what is on it.

    Args:
        url: Address, http or https.
        new_tab: Open it in a new tab, beside those that are open.
        dialog: accept leaves a page that asks whether changes may be lost.
    """
    return await _act(ctx, Open(url, new_tab), dialog)


@tool(risk="safe", args={"kind": "name", "where": "select"}, fields=PAGE, repeatable=True, default=False)
async def browser_read(
    ctx: ToolContext, kind: ReadingKind = "tree", where: Short = "", from_line: Number = 1
) -> Outcome:
    """Read the page in front: its elements as a tree with references such as e12, its text, or its links.

    Args:
        kind: tree (elements and their references, to click and type), text (as it is seen), or links.
        where: Only this element; empty for the whole page.
        from_line: First line to give, counted from 1, for long pages.
    """
    browser = await ctx.browser()
    found = await browser.read(kind, _target(where) if where else None)
    rows = [_row(row) for row in found.lines[from_line - 1 :]]
    shown: list[str] = []
    size = 0
    for row in rows:
        size += len(row.encode()) + 1
        if size > ctx.output_limit and shown:
            break
        shown.append(row)
    last = from_line - 1 + len(shown)
    text = "\n".join(shown) or "[nothing]"
    if last < len(found.lines):
        text += f"\n[lines {from_line} to {last} of {len(found.lines)}; go on with from_line={last + 1}, or name where]"
    return Outcome(ok=True, content="\n".join((_head(found.tab, None), *found.notes, text)))


@tool(risk="network", effect="send", args={"target": "select", "dialog": "name"}, fields=PAGE, default=False)
async def browser_click(
    ctx: ToolContext,
    target: Short,
    button: Literal["left", "right", "middle"] = "left",
    double: bool = False,
    dialog: Literal["accept", "dismiss"] | None = None,
    dialog_text: Short = "",
) -> Outcome:
    """Click on something on the page.

    Args:
        target: A reference of browser_read such as e12, a role and name such as button "Save", the text on it,
            css=SELECTOR, or a point such as 120,300.
        button: Which mouse button.
        double: Click twice.
        dialog: How a question that comes up is answered; without it, no.
        dialog_text: What is typed into a question that asks for text.
    """
    return await _act(ctx, Click(_target(target), button, 2 if double else 1), dialog, dialog_text)


@tool(risk="network", effect="send", args={"target": "select", "text": "content"}, fields=PAGE, default=False)
async def browser_type(
    ctx: ToolContext,
    target: Short,
    text: Annotated[str, msgspec.Meta(max_length=100_000)],
    append: bool = False,
    submit: bool = False,
) -> Outcome:
    """Put text into a field, in place of what is in it. Dates are 2026-01-31, times 13:45, ranges a number.

    Args:
        target: The field: a reference, its label, or css=SELECTOR.
        text: What to write; empty to clear it.
        append: Write it behind what is there, key by key.
        submit: Press Enter after it.
    """
    return await _act(ctx, Type(_target(target), text, append, submit))


@tool(risk="network", effect="send", args={"target": "select", "options": "select"}, fields=PAGE, default=False)
async def browser_select(
    ctx: ToolContext, target: Short, options: Annotated[list[Short], msgspec.Meta(max_length=200)]
) -> Outcome:
    """Choose in a list (a select element): exactly these options, all others are not chosen after it.

    Args:
        target: The list: a reference, its label, or css=SELECTOR.
        options: The options by their text or value; several where the list takes several.
    """
    return await _act(ctx, Select(_target(target), tuple(options)))


@tool(risk="network", effect="send", args={"keys": "content", "target": "select"}, fields=PAGE, default=False)
async def browser_press(
    ctx: ToolContext,
    keys: Annotated[str, msgspec.Meta(min_length=1, max_length=100)],
    target: Short = "",
    dialog: Literal["accept", "dismiss"] | None = None,
) -> Outcome:
    """Press a key or a chord, such as Enter, Escape, ArrowDown, Control+a.

    Args:
        keys: The key, or keys joined by +.
        target: Where; empty for where the focus is.
        dialog: How a question that comes up is answered; without it, no.
    """
    return await _act(ctx, Press(keys, _target(target) if target else None), dialog)


@tool(risk="network", effect="read", args={"target": "select"}, fields=PAGE, default=False)
async def browser_hover(ctx: ToolContext, target: Short) -> Outcome:
    """Move the mouse over something, for menus and hints that open by themselves.

    Args:
        target: A reference, a role and name, the text on it, css=SELECTOR, or a point.
    """
    return await _act(ctx, Hover(_target(target)))


@tool(risk="network", effect="send", args={"source": "select", "to": "select"}, fields=PAGE, default=False)
async def browser_drag(ctx: ToolContext, source: Short, to: Short) -> Outcome:
    """Drag something to something else.

    Args:
        source: What to drag: a reference, a role and name, a text, css=SELECTOR, or a point.
        to: Where to drop it, in the same words.
    """
    return await _act(ctx, Drag(_target(source), _target(to)))


@tool(risk="safe", args={"down": "name", "right": "name", "target": "select"}, fields=PAGE, default=False)
async def browser_scroll(ctx: ToolContext, down: float = 600, right: float = 0, target: Short = "") -> Outcome:
    """Scroll by the mouse wheel. Pages that load more as one scrolls do so.

    Args:
        down: Pixels down; negative for up. A window is 800 high.
        right: Pixels to the right; negative for left.
        target: Scroll within this element; with down and right 0, bring it into view.
    """
    return await _act(ctx, Scroll(down, right, _target(target) if target else None))


@tool(risk="safe", args={"text": "name", "gone": "name", "seconds": "name"}, fields=PAGE, default=False)
async def browser_wait(
    ctx: ToolContext,
    text: Short = "",
    gone: Short = "",
    seconds: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10,
) -> Outcome:
    """Wait until a text is on the page, or is gone; with neither, until downloads have ended or the page changes.

    Args:
        text: Wait until this is to be seen.
        gone: Wait until this is not to be seen any more.
        seconds: How long at most.
    """
    if text and gone:
        raise ToolArguments("browser_wait: give text or gone, not both")
    return await _act(ctx, Wait(seconds, text, gone))


@tool(risk="safe", args={"where": "select", "whole": "name"}, fields=PAGE, repeatable=True, default=False)
async def browser_screenshot(ctx: ToolContext, where: Short = "", whole: bool = False) -> Outcome:
    """Take a picture of the window, of one element, or of the whole page. A point for browser_click is a pixel of it.

    For what is written on a page browser_read is quicker, and exact.

    Args:
        where: Only this element; empty for the window.
        whole: The page from top to bottom, as far as 8000 pixels; points of it are not those of the window.
    """
    if where and whole:
        raise ToolArguments("browser_screenshot: give where or whole, not both")
    browser = await ctx.browser()
    picture = await browser.picture(_target(where) if where else None, whole)
    image = await ctx.keep_image(picture)
    front = next((tab for tab in await browser.tabs() if tab.front), None)
    head = f"{_head(front, None)}\n" if front is not None else ""
    # Whether a model sees it is told with each request, for another model may be asked next.
    return Outcome(
        ok=True, content=f"{head}A picture of {image.width}×{image.height} pixels was taken.", images=(image,)
    )


@tool(risk="network", effect="read", fields=PAGE, default=False)
async def browser_back(ctx: ToolContext) -> Outcome:
    """Go back to the page before, as the browser's button does."""
    return await _act(ctx, Back())


@tool(risk="network", effect="read", fields=PAGE, default=False)
async def browser_forward(ctx: ToolContext) -> Outcome:
    """Go forward again after browser_back."""
    return await _act(ctx, Back(forward=True))


@tool(risk="safe", args={"action": "name", "tab": "select"}, fields=PAGE, default=False)
async def browser_tabs(
    ctx: ToolContext, action: Literal["list", "switch", "close"] = "list", tab: Number | None = None
) -> Outcome:
    """List your tabs, bring one to the front, or close one. New ones are opened by browser_open.

    Args:
        action: list, switch or close.
        tab: Its number, to switch or close.
    """
    if action == "list":
        tabs = await (await ctx.browser()).tabs()
        return Outcome(ok=True, content="\n".join(_tab(each) for each in tabs))
    if tab is None:
        raise ToolArguments(f"browser_tabs: to {action} a tab, give its number")
    return await _act(ctx, Switch(tab, close=action == "close"))


@tool(risk="network", effect="send", args={"paths": "select:file", "target": "select"}, fields=PAGE, default=False)
async def browser_upload(
    ctx: ToolContext, paths: Annotated[list[Short], msgspec.Meta(min_length=1, max_length=50)], target: Short = ""
) -> Outcome:
    """Give files of yours to the page: to a field for files, or to the question for files that is open.

    Args:
        paths: Files, relative to your home directory, or in /workspaces/NAME.
        target: The field or its button: a reference, its label, or css=SELECTOR; empty if the page has asked.
    """
    files: list[tuple[str, bytes]] = []
    left = UPLOAD_BYTES
    for path in paths:
        root, name = _file(ctx, path)
        if beneath.stat(root, name).size_bytes > left:
            raise ToolFailed(f"{path!r} is too large: at most {UPLOAD_BYTES:,} bytes are handed to a page at once")
        content = beneath.read(root, name, limit=left + 1)
        left -= len(content)
        if left < 0:
            raise ToolFailed(f"{path!r} is too large: at most {UPLOAD_BYTES:,} bytes are handed to a page at once")
        files.append((name.rsplit("/", 1)[-1], content))
    return await _act(ctx, Upload(_target(target) if target else None, tuple(files)))


# --- words -----------------------------------------------------------------------------------------------------------


async def _act(ctx: ToolContext, deed: Deed, dialog: str | None = None, text: str = "") -> Outcome:
    browser = await ctx.browser()
    answer = DialogAnswer(None if dialog is None else dialog == "accept", text)
    return Outcome(ok=True, content=_told(await browser.act(deed, answer), ctx.output_limit))


def _told(happened: Happened, limit: int) -> str:
    """What came of a deed, in few lines: what was done, where one is, what is new there."""
    rows = [happened.said, *happened.notes, _head(happened.tab, happened.status)]
    if happened.tabs > 1:
        rows[-1] += f" (tab {happened.tab.number} of {happened.tabs} that are open)"
    shown: list[str] = []
    size = 0
    for row in map(_row, happened.lines):
        size += len(row.encode()) + 1
        if size > limit // 2:
            break
        shown.append(row)
    more = happened.more + len(happened.lines) - len(shown)
    if happened.fresh:
        rows.append("The page:" if shown else "The page is empty.")
    elif shown:
        rows.append("New on the page:")
    elif happened.gone:
        rows.append(f"{happened.gone} lines of the page are gone, and none are new.")
    else:
        rows.append("Nothing else changed on the page.")
    rows += shown
    if more:
        rows.append(f"[{more} more lines; browser_read gives all]")
    return "\n".join(rows)


def _head(tab: Tab | None, status: int | None) -> str:
    if tab is None:
        return ""
    failed = f" (status {status})" if status is not None and status >= 400 else ""
    return f"At {_row(tab.url)}{failed}: {_row(tab.title) or 'no title'}"


def _tab(tab: Tab) -> str:
    return f"{tab.number}{' (in front)' if tab.front else ''}: {_row(tab.title) or 'no title'} - {_row(tab.url)}"


def _row(text: str) -> str:
    """A line of a page, shortened, with nothing in it that turns the direction of words or moves a cursor."""
    text = plain(text)
    return text if len(text) <= LINE_CHARS else f"{text[:LINE_CHARS]}…"


def _target(text: str) -> Target:
    try:
        return target(text)
    except ValueError as error:
        raise ToolArguments(f"target: {error}") from None


def _file(ctx: ToolContext, path: str) -> tuple[Path, str]:
    """The folder that a file lies in, and its name below."""
    names = path.strip().split("/")
    if names[:2] == ["", "workspaces"] and len(names) > 2:
        root = ctx.workspaces.get(names[2])
        if root is None:
            raise FileNotFound(f"no workspace {names[2]!r}; there are: {', '.join(ctx.workspaces) or 'none'}")
        return root, "/".join(beneath.parts("/".join(names[3:])))
    return ctx.home, "/".join(beneath.parts(path, ctx.home))
