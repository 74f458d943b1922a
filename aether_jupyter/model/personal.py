"""What is kept about a person or one of their agents, and what an erasure has taken away."""

from __future__ import annotations

import msgspec

ERASED = "(erased)"
"""Stands where another agent's journal held words of one that was erased."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, or was erased (`erased`), of one agent with those below it; of all of a person where `agent` is ''.

    `counts` are rows by kind. `running` are agents that have not ended. `stays` says what is not touched, and why.
    """

    owner: str
    agent: str
    erased: bool
    counts: dict[str, int]
    files: int
    file_bytes: int
    running: list[int]
    stays: list[str]
