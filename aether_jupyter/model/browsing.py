"""What an agent does in its browser and what it is told of it: targets, deeds, what happened; pure data."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

ROLES = frozenset(
    {
        *("alert", "alertdialog", "article", "banner", "blockquote", "button", "caption", "cell", "checkbox", "code"),
        *("columnheader", "combobox", "complementary", "contentinfo", "dialog", "document", "emphasis", "feed"),
        *("figure", "form", "generic", "grid", "gridcell", "group", "heading", "img", "insertion", "link", "list"),
        *("listbox", "listitem", "log", "main", "marquee", "math", "menu", "menubar", "menuitem", "menuitemcheckbox"),
        *("menuitemradio", "meter", "navigation", "note", "option", "paragraph", "progressbar", "radio"),
        *("radiogroup", "region", "row", "rowgroup", "rowheader", "scrollbar", "search", "searchbox", "separator"),
        *("slider", "spinbutton", "status", "switch", "tab", "table", "tablist", "tabpanel", "term", "textbox"),
        *("time", "timer", "toolbar", "tooltip", "tree", "treegrid", "treeitem"),
    }
)
"""Roles of elements, as trees name them."""


class Ref(msgspec.Struct, frozen=True):
    """An element by the reference that a tree gave it, such as `e12` or `f1e3` in a frame."""

    ref: str


class ByRole(msgspec.Struct, frozen=True):
    """An element by its role and accessible name."""

    role: str
    name: str


class ByText(msgspec.Struct, frozen=True):
    """An element by its label, or by the text that stands on it."""

    text: str


class ByCss(msgspec.Struct, frozen=True):
    """An element by a CSS selector."""

    selector: str


class Point(msgspec.Struct, frozen=True):
    """A place in the window, in CSS pixels from its upper left corner."""

    x: float
    y: float


Target = Ref | ByRole | ByText | ByCss | Point

_REF = re.compile(r"(?:f\d+)?e\d+")
_POINT = re.compile(r"\(?\s*(\d{1,5}(?:\.\d+)?)\s*[,; ]\s*(\d{1,5}(?:\.\d+)?)\s*\)?")
_ROLE = re.compile(r"""(?:-\s*)?([a-z]+)\s+(?:"(.*?)"|'(.*?)')(?:\s+\[.*)?:?.*""", re.DOTALL)


def target(text: str) -> Target:
    """What a model means: `e12`, `button "Save"`, `120,300`, `css=#save`, or the text on it.

    A whole line of a tree is taken, too. Raises `ValueError` for an empty one.
    """
    bare = text.strip()
    if not bare:
        raise ValueError("the target is empty; give a reference such as e12, or the text on the element")
    if named := re.search(r"\bref=((?:f\d+)?e\d+)\b", bare):
        return Ref(named[1])
    if _REF.fullmatch(bare.strip("[]")):
        return Ref(bare.strip("[]"))
    if point := _POINT.fullmatch(bare):
        return Point(float(point[1]), float(point[2]))
    if bare.startswith("css="):
        return ByCss(bare.removeprefix("css=").strip())
    role = _ROLE.fullmatch(bare)
    if role is not None and role[1] in ROLES:
        return ByRole(role[1], role[2] or role[3] or "")
    return ByText(bare.removeprefix("text=").strip("\"'"))


def told(where: Target) -> str:
    """A target in words."""
    match where:
        case Ref(ref):
            return ref
        case ByRole(role, name):
            return f"{role} {name!r}"
        case ByText(text):
            return repr(text)
        case ByCss(selector):
            return f"css={selector}"
        case Point(x, y):
            return f"the point {x:g},{y:g}"


# --- deeds -----------------------------------------------------------------------------------------------------------


class Open(msgspec.Struct, frozen=True):
    """Go to an address, in the tab in front or in a new one."""

    url: str
    new_tab: bool = False


class Click(msgspec.Struct, frozen=True):
    """Press a mouse button on something."""

    target: Target
    button: Literal["left", "right", "middle"] = "left"
    count: int = 1


class Hover(msgspec.Struct, frozen=True):
    """Move the mouse over something."""

    target: Target


class Drag(msgspec.Struct, frozen=True):
    """Drag something to something else."""

    source: Target
    to: Target


class Type(msgspec.Struct, frozen=True):
    """Put text into a field, in place of what is there or behind it; `submit` presses Enter after it."""

    target: Target
    text: str
    append: bool = False
    submit: bool = False


class Select(msgspec.Struct, frozen=True):
    """Choose exactly these options of a list, by their text or value."""

    target: Target
    options: tuple[str, ...]


class Press(msgspec.Struct, frozen=True):
    """Press a key or a chord, such as `Control+a`, where the focus is or on something."""

    keys: str
    target: Target | None = None


class Scroll(msgspec.Struct, frozen=True):
    """Scroll the page, or the element, by so many pixels; or bring the element into view."""

    down: float = 0.0
    right: float = 0.0
    target: Target | None = None


class Wait(msgspec.Struct, frozen=True):
    """Wait until a text is there, or is gone; with neither until downloads have ended and the page rests."""

    seconds: float
    text: str = ""
    gone: str = ""


class Back(msgspec.Struct, frozen=True):
    """Go back, or `forward`, in the history of the tab in front."""

    forward: bool = False


class Upload(msgspec.Struct, frozen=True):
    """Hand files to a field, or to the question for files that is open."""

    target: Target | None
    files: tuple[tuple[str, bytes], ...]


class Switch(msgspec.Struct, frozen=True):
    """Bring a tab to the front, or close it."""

    tab: int
    close: bool = False


Deed = Open | Click | Hover | Drag | Type | Select | Press | Scroll | Wait | Back | Upload | Switch


class DialogAnswer(msgspec.Struct, frozen=True):
    """How dialogs that a deed brings up are answered. By default messages are read, and questions are answered no."""

    accept: bool | None = None
    text: str = ""


# --- what came of it -------------------------------------------------------------------------------------------------


class Tab(msgspec.Struct, frozen=True):
    """One tab. Numbers are never given twice."""

    number: int
    url: str
    title: str
    front: bool = False


class Happened(msgspec.Struct, frozen=True):
    """What came of a deed.

    `fresh` says that another page is shown: then `lines` are the first of its tree, else those that are new in it, and
    `gone` counts those that went. `notes` are dialogs, downloads, new tabs, refusals of the gate, each a sentence.
    """

    said: str
    tab: Tab
    tabs: int = 1
    status: int | None = None
    fresh: bool = False
    lines: tuple[str, ...] = ()
    more: int = 0
    gone: int = 0
    notes: tuple[str, ...] = ()


ReadingKind = Literal["tree", "text", "links"]


class Reading(msgspec.Struct, frozen=True):
    """What stands on a page: all lines of its tree, of its text, or of its links."""

    tab: Tab
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()
