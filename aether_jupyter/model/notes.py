"""MEMORY.md: what a person wrote down for every run of an agent."""

from __future__ import annotations

import msgspec

NOTES_CHARS = 16_000
"""Characters that MEMORY.md may have, about 4,000 tokens: it is sent with every request."""


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an agent's MEMORY.md; an empty text is none. `at` is seconds since the epoch."""

    agent: str
    text: str
    version: int
    at: float
    by: str
