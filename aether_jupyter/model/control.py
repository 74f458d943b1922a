"""Who has control of an agent's desktop, and what a person did with it."""

from __future__ import annotations

from typing import Literal

import msgspec

from .image import Image

ActKind = Literal["click", "drag", "scroll", "type", "key"]
ReturnReason = Literal["returned", "gone", "ended"]
"""Why control went back: the person handed it back, was not there any more, or the agent ended."""

ACTS = 200
"""How many of a person's acts are kept of one turn, the newest."""

HELP_TOOL = "ask_for_help"
"""The tool by which an agent asks a person to take its desktop over."""


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a person did. `count` is of clicks, turns of the wheel, or typed characters, which are never kept.

    `x` and `y` are pixels of the desktop, where it began; `key` names a key that types nothing, with what was held.
    """

    kind: ActKind
    at: float
    x: int = 0
    y: int = 0
    count: int = 1
    key: str = ""


class Viewer(msgspec.Struct, frozen=True):
    """One open view of a desktop: whose it is, and whether it may type."""

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


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person's turn came to: what they did, the picture before and after it, and the titles of the windows then.

    Pictures and titles are what programs show, so they are words of strangers.
    """

    did: tuple[Act, ...] = ()
    before: Image | None = None
    after: Image | None = None
    windows: tuple[str, ...] = ()
