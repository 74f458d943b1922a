"""Who has control of an agent's desktop and browser, and what a person did with them."""

from __future__ import annotations

from typing import Literal

import msgspec

from .image import Image

ActKind = Literal["click", "drag", "scroll", "type", "key", "open", "choose", "answer"]
Stage = Literal["desktop", "browser"]
"""What of an agent a person acts on. One control is of both."""

ReturnReason = Literal["returned", "gone", "ended"]
"""Why control went back: the person handed it back, was not there any more, or the agent ended."""

ACTS = 200
"""How many of a person's acts are kept of one turn, the newest."""

HELP_TOOL = "ask_for_help"
"""The tool by which an agent asks a person to take its desktop over."""


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a person did. `count` is of clicks, turns of the wheel, or typed characters, which are never kept.

    `x` and `y` are pixels of the desktop, or CSS pixels of the page, where it began; `key` names a key that types
    nothing, with what was held; of an address that was opened it is the host.
    """

    kind: ActKind
    at: float
    x: int = 0
    y: int = 0
    count: int = 1
    key: str = ""
    stage: Stage = "desktop"


class Viewer(msgspec.Struct, frozen=True):
    """One open view of a desktop or browser: whose it is, and whether it may type."""

    name: str
    controls: bool


class DisplayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The desktop of an agent: `running` is false until somebody first looks or acts. Sizes are pixels.

    `holder` is the person who has control since `since`, '' while the agent has it.
    """

    pid: int
    desktop: str
    running: bool
    width: int = 0
    height: int = 0
    holder: str = ""
    since: float | None = None
    viewers: tuple[Viewer, ...] = ()


class BrowserStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The browser of an agent: `open` is false until something was opened there, and while it rests.

    Sizes are CSS pixels of a page. `holder` is as for the desktop.
    """

    pid: int
    open: bool
    width: int
    height: int
    holder: str = ""
    since: float | None = None
    viewers: tuple[Viewer, ...] = ()


class ControlStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Who has control of an agent's desktop and browser: a person since `since`, or '' for the agent."""

    pid: int
    holder: str = ""
    since: float | None = None


class Scene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The desktop or the browser at a person's turn: a picture before and after it, and the titles that were open then.

    Pictures and titles are what programs and pages show, so they are words of strangers. `unseen` says that it
    did not answer after the turn, so how it was left is not known.
    """

    stage: Stage
    before: Image | None = None
    after: Image | None = None
    open: tuple[str, ...] = ()
    unseen: bool = False


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person's turn came to: what they did, and what it left of the stages that they worked on."""

    did: tuple[Act, ...] = ()
    scenes: tuple[Scene, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures of it, stage by stage, each before and after."""
        return tuple(image for scene in self.scenes for image in (scene.before, scene.after) if image is not None)
