"""What a model was told at one step, section by section, as a screen shows it."""

from __future__ import annotations

from typing import Literal

import msgspec

from .image import Image
from .memory import LeftOut, Why
from .process import Pid

SectionKind = Literal["system", "notes", "profile", "tools", "goal", "plan", "memories", "summary", "steps"]
EntryKind = Literal["text", "tool", "message", "kernel", "memory", "thinking", "answer", "call", "result"]
ENTRY_CHARS = 4_000


class Standing(msgspec.Struct, frozen=True):
    """A part of what is said with every request and is no turn: instructions, MEMORY.md, the profile, the plan."""

    kind: SectionKind
    text: str


class Window(msgspec.Struct, frozen=True):
    """What a model takes at most, in tokens.

    `own_tokens` is set where the provider says the system part and the tools in words of its own, which come to so
    many; `result_chars` where it shortens each result to so many characters.
    """

    tokens: int
    own_tokens: int | None = None
    result_chars: int | None = None


class ContextEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of a section. `title` is the tool's name or who spoke, `step` the step it belongs to.

    `place` counts the entries of the whole context. `chars` is the length of the text as the model read it; `text` is
    shorter where it was cut for the screen. `ok` is False for a call that failed. `images` came with it; `shown` are
    the places among these of what the model was shown, or told the text of.
    """

    place: int
    kind: EntryKind
    tokens: int
    chars: int
    text: str
    title: str = ""
    step: int | None = None
    ok: bool = True
    images: tuple[Image, ...] = ()
    shown: tuple[int, ...] = ()


class ContextSection(msgspec.Struct, frozen=True):
    """Entries that belong together, as they were sent. `tokens` is their sum, an estimate like every count here."""

    kind: SectionKind
    title: str
    tokens: int
    entries: tuple[ContextEntry, ...]


class ContextMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A memory that was weighed for this context. `step` is the one before which that was.

    `left_out` is why the model was not told, '' where it was. `cited` are the steps, up to the
    one that is shown, whose answers rest on it. `text` is what the model read, or else what the memory says now: '' if
    it is gone.
    """

    id: int
    step: int
    text: str
    layer: str = ""
    left_out: LeftOut = ""
    cited: tuple[int, ...] = ()
    why: Why | None = None


class Compacted(msgspec.Struct, frozen=True):
    """The steps that a summary stands for, and who wrote it. The steps themselves stay in the journal."""

    first: int
    last: int
    model: str
    at: float
    tokens_before: int
    tokens_after: int


class ContextView(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was told at `step`, of `last_step` so far. `at` is in seconds since the epoch.

    `tokens` is the sum of the sections, an estimate; `input_tokens` is what the provider counted, None where it did
    not say. `window_tokens` is what the model takes at most. `kept` is False where the standing instructions and the
    tools of that step were not kept. `abridged` says that the provider says system part, tools and reminders in its
    own, shorter words and shortens results, as the embedded model's does.
    """

    pid: Pid
    step: int
    last_step: int
    model: str
    at: float
    tokens: int
    window_tokens: int
    sections: tuple[ContextSection, ...]
    memories: tuple[ContextMemory, ...] = ()
    compacted: Compacted | None = None
    why: str = ""
    input_tokens: int | None = None
    kept: bool = True
    abridged: bool = False
