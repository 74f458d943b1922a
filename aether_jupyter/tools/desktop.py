"""What an agent does on its desktop: looks, points, types; opens programs and finds its way among their windows.

Pointer, keys and clipboard go over a connection of the sandbox's own to the desktop's server, which takes a few
milliseconds; only windows are asked for by a command. Places are those of the picture that the model saw.
"""

from __future__ import annotations

import asyncio
import io
import shlex
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ..abc import Desktop, Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.errors import ToolArguments, ToolFailed
from ..model.harmless import line
from ..model.tool import Evidence, Outcome
from ..plugins import hookimpl
from ..reading import words_of
from ..rfb.actions import THOUSAND, TYPED, WHEEL, Action, Button, Place, chord, parsed
from ..rfb.keysyms import CONTROL, NAMED, UNICODE, keysym, of_character

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LONGEST = 1280
"""Pixels of the longer side of a picture that a model is shown: larger ones cost more and help it little."""
QUALITY = 80
SETTLE_S, DRAWN_S = 0.25, 1.5
"""After an action the picture is taken when nothing was drawn for so long, or so long after it at the latest."""
KEY_S, NEW_KEY_S, CLICK_S, DRAG_S = 0.004, 0.03, 0.04, 0.01
DRAG_STEPS = 12
START_S = 10.0
CLIPBOARD_CHARS = 20_000
READ_CHARS = 8_000
WINDOWS = 20

X = Annotated[int, msgspec.Meta(ge=0, le=16_384)]
Y = Annotated[int, msgspec.Meta(ge=0, le=16_384)]
Shown = {"screen": "text"}


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The tools of agents that have a desktop."""
    return [
        desktop_screenshot,
        desktop_click,
        desktop_move,
        desktop_drag,
        desktop_scroll,
        desktop_type,
        desktop_press,
        desktop_wait,
        desktop_open,
        desktop_windows,
        desktop_clipboard,
        computer,
    ]


@tool(risk="safe", fields=Shown, repeatable=True, needs="desktop")
async def desktop_screenshot(ctx: ToolContext) -> Outcome:
    """See your desktop as it is now, with the pointer. Places in later calls are pixels of this picture."""
    return await _look(ctx, await ctx.desktop(), "")


@tool(risk="execute", effect="commit", fields=Shown, needs="desktop")
async def desktop_click(
    ctx: ToolContext,
    x: X,
    y: Y,
    button: Button = "left",
    count: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1,
    hold: str = "",
) -> Outcome:
    """Click on your desktop. Returns a picture of what came of it.

    Args:
        x: Pixels from the left of the picture.
        y: Pixels from its top.
        button: Which button.
        count: 2 for a double click, 3 for a triple click.
        hold: Keys to hold meanwhile, such as ctrl or ctrl+shift.
    """
    keys = chord(hold) if hold else ()
    return await _do(ctx, Action(kind="click", path=((x, y),), button=_BUTTONS[button], count=count, keys=keys))


@tool(risk="execute", effect="commit", fields=Shown, needs="desktop")
async def desktop_move(ctx: ToolContext, x: X, y: Y) -> Outcome:
    """Move the pointer without a click, to see what a thing says of itself. Returns a picture.

    Args:
        x: Pixels from the left of the picture.
        y: Pixels from its top.
    """
    return await _do(ctx, Action(kind="move", path=((x, y),)))


@tool(risk="execute", effect="commit", fields=Shown, needs="desktop")
async def desktop_drag(ctx: ToolContext, from_x: X, from_y: Y, to_x: X, to_y: Y) -> Outcome:
    """Drag with the left button from one place to another. Returns a picture.

    Args:
        from_x: Where to press: pixels from the left.
        from_y: Pixels from the top.
        to_x: Where to let go: pixels from the left.
        to_y: Pixels from the top.
    """
    return await _do(ctx, Action(kind="drag", path=((from_x, from_y), (to_x, to_y))))


@tool(risk="execute", effect="commit", fields=Shown, needs="desktop")
async def desktop_scroll(
    ctx: ToolContext,
    x: X,
    y: Y,
    direction: Literal["up", "down", "left", "right"] = "down",
    notches: Annotated[int, msgspec.Meta(ge=1, le=30)] = 5,
) -> Outcome:
    """Turn the wheel over a place. Returns a picture.

    Args:
        x: Pixels from the left of the picture.
        y: Pixels from its top.
        direction: Which way.
        notches: How far; a page is about eight.
    """
    return await _do(ctx, Action(kind="scroll", path=((x, y),), turns=((direction, notches),)))


@tool(risk="execute", effect="commit", args={"text": "content"}, fields=Shown, needs="desktop")
async def desktop_type(
    ctx: ToolContext,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TYPED)],
    enter: bool = False,
) -> Outcome:
    """Type text where the focus is, any character of Unicode; a line's end is the Return key. Returns a picture.

    Args:
        text: What to type.
        enter: Whether to press Return after it.
    """
    return await _do(ctx, Action(kind="type", text=text, enter=enter))


@tool(risk="execute", effect="commit", fields=Shown, needs="desktop")
async def desktop_press(
    ctx: ToolContext,
    keys: Annotated[str, msgspec.Meta(min_length=1, max_length=100)],
    times: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1,
) -> Outcome:
    """Press keys together, such as ctrl+s, alt+F4, Return or Page_Down. Returns a picture.

    Args:
        keys: The keys, joined by +.
        times: How often.
    """
    return await _do(ctx, Action(kind="press", keys=chord(keys), count=times))


@tool(risk="safe", args={"seconds": "time"}, fields=Shown, repeatable=True, needs="desktop")
async def desktop_wait(
    ctx: ToolContext, seconds: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10.0, still: bool = False
) -> Outcome:
    """Wait until something on your desktop changes and comes to rest. Returns a picture.

    Args:
        seconds: How long at most.
        still: Wait the whole time, whatever changes.
    """
    desk = await ctx.desktop()
    if still:
        await asyncio.sleep(seconds)
        return await _look(ctx, desk, f"Waited {seconds:g} s.")
    began = time.monotonic()
    share = await desk.changed(seconds, settle_s=0.5, share=_NOISE)
    waited = time.monotonic() - began
    said = f"It changed, after {waited:.1f} s." if share else f"Nothing changed for {waited:.0f} s."
    return await _look(ctx, desk, said)


@tool(risk="execute", effect="commit", args={"program": "select:command"}, fields=Shown, needs="desktop")
async def desktop_open(
    ctx: ToolContext,
    program: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)],
) -> Outcome:
    """Open a program on your desktop and wait for its window. Returns a picture.

    Args:
        program: What to open: browser, editor, terminal, files, or a command line such as 'mousepad notes.txt'.
    """
    known = _PROGRAMS.get(program.strip().lower())
    try:
        argv = shlex.split(program) if known is None else []
    except ValueError as error:
        raise ToolArguments(f"desktop_open: {error}; quote file names with spaces") from None
    if known is None and not argv:
        raise ToolArguments(f"desktop_open: program is empty; say {', '.join(_PROGRAMS)}, or a command line")
    words = known or " ".join(shlex.quote(word) for word in argv)
    desk, sandbox = await ctx.desktop(), await ctx.sandbox()
    # A window that is there before the window manager would not get the focus.
    await sandbox.run(_MANAGED, timeout_s=START_S)
    before = await _windows(ctx)
    # Found first: what cannot be started would say so to nobody.
    first = words.split()[0] if known else shlex.quote(argv[0])
    found = await sandbox.run(
        f"command -v {first} >/dev/null && (setsid -f {words} >/dev/null 2>&1)", timeout_s=START_S
    )
    if found.exit_code:
        raise ToolFailed(
            f"there is no program {argv[0] if argv else program!r} here. There are: {', '.join(_PROGRAMS)}, "
            "and what the sandbox has; look with run_command"
        )
    deadline = time.monotonic() + START_S
    known_ids = {each.id for each in before}
    while time.monotonic() < deadline:
        new = [each.id for each in await _windows(ctx) if each.id not in known_ids]
        if new:
            await sandbox.run(["wmctrl", "-i", "-a", new[-1]], timeout_s=START_S)
            await desk.changed(2.0, settle_s=0.4)
            return await _look(ctx, desk, f"{program} is open.")
        await desk.changed(0.3, settle_s=0.05)
    return await _look(ctx, desk, f"{program} was started; it has opened no window within {START_S:.0f} s.")


@tool(risk="execute", effect="commit", fields={"windows": "text"}, needs="desktop")
async def desktop_windows(
    ctx: ToolContext, do: Literal["list", "focus", "close"] = "list", window: str = ""
) -> Outcome:
    """List the windows of your desktop, bring one to the front, or close one.

    Args:
        do: list, focus or close.
        window: For focus and close: its number in the list, or a part of its title.
    """
    found = await _windows(ctx)
    if do == "list":
        return Outcome(ok=True, content=_told(found))
    fitting = [each for each in found if each.id == window or (window and window.lower() in each.title.lower())]
    if len(fitting) != 1:
        what = "no window fits" if not fitting else f"{len(fitting)} windows fit"
        raise ToolArguments(f"desktop_windows: {what} {window!r}. There are:\n{_told(found)}")
    sandbox = await ctx.sandbox()
    await sandbox.run(["wmctrl", "-i", "-a" if do == "focus" else "-c", fitting[0].id], timeout_s=START_S)
    desk = await ctx.desktop()
    await desk.changed(DRAWN_S, settle_s=SETTLE_S)
    return await _look(ctx, desk, "It is in front now." if do == "focus" else "It was told to close.")


@tool(risk="execute", effect="commit", args={"text": "content"}, fields={"clipboard": "text"}, needs="desktop")
async def desktop_clipboard(
    ctx: ToolContext, text: Annotated[str, msgspec.Meta(max_length=1_000_000)] | None = None
) -> Outcome:
    """Read what was copied on your desktop, or put text there to be pasted.

    Args:
        text: What to put on the clipboard; left out, it is read.
    """
    desk = await ctx.desktop()
    if text is not None:
        await desk.copy(text)
        return Outcome(ok=True, content=f"{len(text):,} characters are on the clipboard; paste them with ctrl+v.")
    said = await desk.clipboard()
    rest = f"\n[{len(said):,} characters in all]" if len(said) > CLIPBOARD_CHARS else ""
    return Outcome(ok=True, content=(said[:CLIPBOARD_CHARS] + rest) or "[the clipboard is empty]")


@tool(
    risk="execute",
    effect="commit",
    args={"action": "content", "text": "content"},
    fields=Shown,
    needs="desktop",
    default=False,
)
async def computer(
    ctx: ToolContext,
    action: str | dict[str, Any] = "",
    type: str = "",  # noqa: A002 (so OpenAI's models name it)
    coordinate: list[float] | None = None,
    start_coordinate: list[float] | None = None,
    text: Annotated[str, msgspec.Meta(max_length=TYPED)] | None = None,
    scroll_direction: str | None = None,
    scroll_amount: int | None = None,
    duration: float | None = None,
    repeat: int | None = None,
    x: float | None = None,
    y: float | None = None,
    button: str | None = None,
    path: list[dict[str, float] | list[float]] | None = None,
    keys: list[str] | str | None = None,
    scroll_x: float | None = None,
    scroll_y: float | None = None,
    direction: str | None = None,
    magnitude: int | None = None,
    press_enter: bool | None = None,
    clear_before_typing: bool | None = None,
    destination_x: float | None = None,
    destination_y: float | None = None,
) -> Outcome:
    """Act on your desktop in the words of your provider's own computer tool. Returns a picture.

    Args:
        action: What to do: screenshot, left_click, type, key, scroll, click_at and so on; or all of it as an object
            with a type, as in OpenAI's calls.
        type: The same, as OpenAI names it: click, double_click, drag, keypress, move, scroll, type, wait.
        coordinate: Where, as [x, y] in pixels of the picture.
        start_coordinate: Where a drag begins.
        text: What to type, or the keys to press or hold, such as ctrl+s.
        scroll_direction: up, down, left or right.
        scroll_amount: Notches of the wheel.
        duration: Seconds to wait or to hold keys.
        repeat: How often to press the keys.
        x: Pixels from the left, or thousandths of the width for actions that end in _at.
        y: Pixels from the top, or thousandths of the height.
        button: left, right, wheel, back or forward.
        path: The places of a drag.
        keys: The keys of a keypress or key_combination.
        scroll_x: Pixels to scroll to the right.
        scroll_y: Pixels to scroll down.
        direction: The direction of scroll_at and scroll_document.
        magnitude: How far scroll_at goes, in pixels.
        press_enter: Whether type_text_at presses Return after it.
        clear_before_typing: Whether type_text_at empties the field first.
        destination_x: Where drag_and_drop ends, in thousandths of the width.
        destination_y: Where it ends, in thousandths of the height.
    """
    given = {name: value for name, value in locals().items() if name != "ctx"}
    return await _do(ctx, parsed(given))


# --- doing -----------------------------------------------------------------------------------------------------------

_BUTTONS: dict[Button, int] = {"left": 1, "middle": 2, "right": 4}
_PROGRAMS = {
    "browser": "browser",
    "editor": "mousepad",
    "code editor": "geany",
    "terminal": "x-terminal-emulator",
    # Asked one by one: Debian's sh looks at the first name only.
    "files": "sh -c 'exec $(command -v thunar || command -v pcmanfm)'",
}
_MANAGED = "for _ in $(seq 100); do wmctrl -m >/dev/null 2>&1 && break; sleep 0.05; done"
_NOISE = 0.0005
"""The share of the screen that a blinking cursor or a clock draws anew; less is no change."""


class Window(msgspec.Struct, frozen=True):
    """An open window; its title is whatever its program says."""

    id: str
    title: str


async def _do(ctx: ToolContext, action: Action) -> Outcome:
    """Do it, wait until the screen has come to rest, and show it."""
    desk = await ctx.desktop()
    try:
        said = await perform(desk, action)
    except asyncio.CancelledError:
        # Whoever cuts it off, such as a person who takes over, must not find a button or a key held down.
        await desk.release()
        raise
    if action.kind == "where":
        return Outcome(ok=True, content=said)
    if action.kind not in ("look", "wait"):
        await desk.changed(DRAWN_S, settle_s=SETTLE_S)
    return await _look(ctx, desk, said)


async def perform(desk: Desktop, action: Action) -> str:
    """Do one action; what is held down is let go, also if this is cut off. Returns what was done, in words."""
    way = [_pixel(desk, place, thousandths=action.thousandths) for place in action.path]
    symbols = _symbols(action.keys)
    match action.kind:
        case "look":
            return ""
        case "wait":
            await asyncio.sleep(action.seconds)
            return f"Waited {action.seconds:g} s."
        case "where":
            scale = _scale(desk.size)
            return f"x={round(desk.at[0] * scale)}, y={round(desk.at[1] * scale)}"
        case "move":
            # With the button that is down: so things are dragged in steps.
            await desk.pointer(*way[-1], desk.buttons)
            return "The pointer is there."
        case "down" | "up":
            await desk.pointer(*(way[-1] if way else desk.at), 1 if action.kind == "down" else 0)
            return "The button is down." if action.kind == "down" else "The button is up."
        case "click":
            await _held(desk, symbols, _click(desk, way[-1] if way else desk.at, action))
            return "Clicked."
        case "scroll":
            await _held(desk, symbols, _turn(desk, way[-1] if way else desk.at, action))
            return "Scrolled."
        case "drag":
            await _drag(desk, way)
            return "Dragged."
        case "type":
            await _type(desk, way, action)
            return f"Typed {len(action.text):,} characters."
        case "press":
            for _ in range(action.count):
                await _held(desk, symbols, asyncio.sleep(KEY_S))
            return f"Pressed {'+'.join(action.keys)}{f' {action.count} times' if action.count > 1 else ''}."
        case "hold":
            await _held(desk, symbols, asyncio.sleep(action.seconds))
            return f"Held {'+'.join(action.keys)} for {action.seconds:g} s."


async def _held(desk: Desktop, symbols: Sequence[int], deed: Coroutine[Any, Any, Any]) -> None:
    """Hold keys down while something is done."""
    try:
        for symbol in symbols:
            await desk.key(symbol, down=True)
        await deed
    finally:
        deed.close()
        for symbol in reversed(symbols):
            await desk.key(symbol, down=False)


async def _click(desk: Desktop, at: Place, action: Action) -> None:
    await desk.pointer(*at)
    for _ in range(action.count):
        try:
            await desk.pointer(*at, action.button)
            await asyncio.sleep(CLICK_S)
        finally:
            await desk.pointer(*at)
        await asyncio.sleep(CLICK_S)


async def _turn(desk: Desktop, at: Place, action: Action) -> None:
    await desk.pointer(*at)
    for direction, notches in action.turns:
        for _ in range(notches):
            await desk.pointer(*at, WHEEL[direction])
            await desk.pointer(*at)


async def _drag(desk: Desktop, way: Sequence[Place]) -> None:
    start = way[0] if len(way) > 1 else desk.at
    await desk.pointer(*start)
    try:
        await desk.pointer(*start, 1)
        for end in way[1:] if len(way) > 1 else way:
            for at in _between(desk.at, end):
                await desk.pointer(*at, 1)
                await asyncio.sleep(DRAG_S)
        await asyncio.sleep(CLICK_S)
    finally:
        await desk.pointer(*desk.at)


def _between(start: Place, end: Place) -> Iterable[Place]:
    """Places on the way: programs take a jump for no drag."""
    for step in range(1, DRAG_STEPS + 1):
        share = step / DRAG_STEPS
        yield round(start[0] + (end[0] - start[0]) * share), round(start[1] + (end[1] - start[1]) * share)


async def _type(desk: Desktop, way: Sequence[Place], action: Action) -> None:
    if way:
        await _click(desk, way[-1], Action(kind="click"))
    if action.clear:
        await _held(desk, (CONTROL,), _tap(desk, ord("a")))
        await _tap(desk, NAMED["backspace"])
    for character in action.text.replace("\r\n", "\n") + ("\n" if action.enter else ""):
        await _tap(desk, of_character(character))


async def _tap(desk: Desktop, symbol: int) -> None:
    try:
        await desk.key(symbol, down=True)
    finally:
        await desk.key(symbol, down=False)
    # Programs read the layout anew for a key it had not, and that takes them a moment.
    await asyncio.sleep(KEY_S if symbol < UNICODE else NEW_KEY_S)


def _symbols(keys: Sequence[str]) -> list[int]:
    found = []
    for name in keys:
        symbol = keysym(name)
        if symbol is None:
            raise ToolArguments(f"there is no key {name!r}; say Return, Tab, Escape, F1, Page_Down, ctrl, a and so on")
        found.append(symbol)
    return found


def _scale(size: tuple[int, int]) -> float:
    """Pixels of the picture for one of the screen."""
    return min(1.0, LONGEST / max(size))


def _pixel(desk: Desktop, place: Place, *, thousandths: bool) -> Place:
    """A place of the picture, or in thousandths, as one of the screen. Raises `ToolArguments` if it lies beyond."""
    width, height = desk.size
    x, y = place
    if thousandths:
        if not (0 <= x <= THOUSAND and 0 <= y <= THOUSAND):
            raise ToolArguments(f"the place {x}, {y} lies beyond the screen: thousandths go from 0 to {THOUSAND}")
        return round(x * (width - 1) / THOUSAND), round(y * (height - 1) / THOUSAND)
    scale = _scale(desk.size)
    if not (0 <= x < width * scale and 0 <= y < height * scale):
        shown = f"{round(width * scale)} by {round(height * scale)}"
        raise ToolArguments(f"the place {x}, {y} lies beyond the picture, which is {shown} pixels")
    return round(x / scale), round(y / scale)


async def _look(ctx: ToolContext, desk: Desktop, said: str) -> Outcome:
    """A picture of the screen, made as small as models want it."""
    began = time.perf_counter()
    picture = await desk.picture()
    scale = _scale(picture.size)
    content = await asyncio.to_thread(_jpeg, picture, scale)
    image = await ctx.keep_image(content)
    took = f"{(time.perf_counter() - began) * 1000:.0f} ms"
    lines = [said] if said else []
    if not ctx.sees:
        # A model that takes no images is told these words with the image, and only as long as it is among the newest.
        image = msgspec.structs.replace(image, words=(await words_of(content) or "")[:READ_CHARS])
    open_now = await _windows(ctx)
    lines.append(f"Windows: {_titles(open_now)}")
    return Outcome(
        ok=True,
        content="\n".join(lines),
        images=(image,),
        evidence=Evidence(stdout=f"{image.width} × {image.height}, {took}"),
    )


def _jpeg(picture: Picture, scale: float) -> bytes:
    if scale < 1.0:
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


async def _windows(ctx: ToolContext) -> list[Window]:
    done = await (await ctx.sandbox()).run(["wmctrl", "-l"], timeout_s=START_S)
    rows = (row.split(None, 3) for row in done.stdout.decode("utf-8", "replace").splitlines())
    # What lies on no desktop are panels and the like.
    return [Window(row[0], row[3]) for row in rows if len(row) == 4 and row[1] != "-1"]


def _told(windows: Sequence[Window]) -> str:
    return "\n".join(f"{each.id} {line(each.title)}" for each in windows) or "[no window is open]"


def _titles(windows: Sequence[Window]) -> str:
    return ", ".join(repr(line(each.title, 80)) for each in windows[:WINDOWS]) or "none is open"
