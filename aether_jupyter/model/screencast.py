"""What passes between an agent's browser and the people who look at it; pure data. Sizes and places are CSS pixels."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from .browsing import Tab

WIDTH, HEIGHT = 1280, 800
"""The window of every agent's browser."""

Held = Annotated[int, msgspec.Meta(ge=0, le=15)]
"""Modifiers that are held: Alt 1, Ctrl 2, Meta 4, Shift 8."""
Across = Annotated[float, msgspec.Meta(ge=-10_000, le=10_000)]
Words = Annotated[str, msgspec.Meta(max_length=1_000_000)]
KeyName = Annotated[str, msgspec.Meta(max_length=40)]
Button = Literal["none", "left", "middle", "right"]


class _Said(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=True):
    """A message by a socket, told apart by its `kind`."""


# --- what a person sends ---------------------------------------------------------------------------------------------


class SeenFrame(_Said, frozen=True, tag="seen"):
    """The last frame has been drawn; the next may come."""


class Mouse(_Said, frozen=True, tag="mouse"):
    """The pointer moved, or a button went down or up. `clicks` counts those in one place, as browsers do."""

    event: Literal["move", "down", "up"]
    x: Across
    y: Across
    button: Button = "none"
    clicks: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    held: Held = 0


class Wheel(_Said, frozen=True, tag="wheel"):
    """The wheel was turned by so many pixels."""

    x: Across
    y: Across
    dx: Across = 0.0
    dy: Across = 0.0
    held: Held = 0


class Key(_Said, frozen=True, tag="key"):
    """A key, as `KeyboardEvent` tells it: `number` is its keyCode, `text` what it types, `again` that it repeats."""

    down: bool
    key: KeyName
    code: KeyName = ""
    number: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    text: Annotated[str, msgspec.Meta(max_length=8)] = ""
    held: Held = 0
    location: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    again: bool = False


class Insert(_Said, frozen=True, tag="insert"):
    """Text that no single key types: what is pasted or composed."""

    text: Words


class Copy(_Said, frozen=True, tag="copy"):
    """What is chosen on the page is wanted; the answer is `Copied`."""


class Visit(_Said, frozen=True, tag="open"):
    """Go to an address, in the tab in front or in a new one."""

    url: Annotated[str, msgspec.Meta(max_length=8_000)]
    new_tab: bool = False


class Go(_Said, frozen=True, tag="go"):
    """Along the history of the tab in front, or load it again, or stop loading."""

    where: Literal["back", "forward", "reload", "stop"]


class ShowTab(_Said, frozen=True, tag="tab"):
    """Bring a tab to the front."""

    number: int


class CloseTab(_Said, frozen=True, tag="close"):
    """Close a tab."""

    number: int


class Answer(_Said, frozen=True, tag="answer"):
    """Yes or no to the dialog of the page, and what was typed there."""

    accept: bool
    text: Words = ""


class Choose(_Said, frozen=True, tag="choose"):
    """The option to choose of the list that is open, by its place in it; none to leave it as it is."""

    index: int | None = None


Input = Mouse | Wheel | Key | Insert | Copy | Visit | Go | ShowTab | CloseTab | Answer | Choose
"""What acts on the browser: only who has control gets it through."""


# --- what a person is sent, beside the frames ------------------------------------------------------------------------


class CastState(_Said, frozen=True, tag="state", omit_defaults=False):
    """The window. While it is not `open` no frames come: nothing was opened yet, or it rests. Titles are strangers'."""

    open: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    loading: bool = False
    tabs: tuple[Tab, ...] = ()


class PageDialog(_Said, frozen=True, tag="dialog", omit_defaults=False):
    """The page asks something of the person who has control, and waits. `given` is what it would have typed."""

    type: Literal["alert", "confirm", "prompt", "beforeunload"]
    message: str
    given: str = ""


class DialogGone(_Said, frozen=True, tag="dialog_gone"):
    """The page asks no longer."""


class ChoiceOption(msgspec.Struct, frozen=True):
    """One option of a list, and the group it stands in."""

    label: str
    disabled: bool = False
    group: str = ""


class PageChoice(_Said, frozen=True, tag="choice", omit_defaults=False):
    """A list was opened, which Chromium draws outside of the page: its options, and where its box is."""

    options: tuple[ChoiceOption, ...]
    chosen: int
    x: float
    y: float
    width: float
    height: float


class Copied(_Said, frozen=True, tag="copied", omit_defaults=False):
    """What was chosen on the page."""

    text: str


class Trouble(_Said, frozen=True, tag="trouble", omit_defaults=False):
    """Something could not be done, or happened beside the page: one sentence."""

    words: str


Shown = CastState | PageDialog | DialogGone | PageChoice | Copied | Trouble
