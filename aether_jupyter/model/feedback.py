"""Feedback: what a person says of one step of one run."""

from __future__ import annotations

from typing import Literal

import msgspec

from .process import Pid

Thumb = Literal["up", "down", "none"]
COMMENT_CHARS = 4_000


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One person's judgement of one step; a later one of the same person on the step replaces it.

    `agent` is the name under which the agent remembers, `about` the step in a line. `moved` tells by how much it
    changed the importance of which memories. `tainted` says that words of strangers may stand in `about`.
    """

    pid: Pid
    step: int
    by: str
    agent: str
    thumb: Thumb = "none"
    comment: str = ""
    at: float = 0.0
    about: str = ""
    moved: dict[int, float] = {}
    tainted: bool = False
