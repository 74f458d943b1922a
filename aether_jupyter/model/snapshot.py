"""A process as it stood at one moment: what is in a snapshot, how it is listed, and what two of them differ in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from .agent import AgentSpec
from .plan import Plan
from .process import Pid, Process

VERSION = 1
CHUNK_BYTES = 4 << 20
LABEL_CHARS = 200
NAMED = 200
"""So many paths of each kind a comparison names, and a snapshot of those it left out; the rest is counted."""

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, msgspec.Meta(max_length=LABEL_CHARS)]
Reason = Literal["asked", "destructive", "fork", "imported"]
Files = Literal["nearest", "now", "none"]
Remembered = Literal["then", "now"]


class Chunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a file: the SHA-256 of its bytes, and how many there are. A `digest` of '' stands for zeros."""

    size: Annotated[int, msgspec.Meta(ge=1, le=CHUNK_BYTES)]
    digest: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One name in the home. `path` is relative, with slashes; `target` is where a link points.

    `stamp` tells an unchanged file on this machine (its inode and when that changed); it is not taken elsewhere.
    """

    path: str
    kind: Literal["file", "directory", "link"] = "file"
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o777)] = 0o644
    mtime_ns: int = 0
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    chunks: tuple[Chunk, ...] = ()
    target: str = ""
    stamp: str = ""


class LeftOut(msgspec.Struct, frozen=True):
    """What is in the home and cannot be in a snapshot, and why."""

    path: str
    why: str


class MemoryPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent remembered: how many by layer, the memories as JSON lines in `pages`, and MEMORY.md."""

    agent: str
    layers: dict[str, int] = {}
    pages: tuple[Chunk, ...] = ()
    notes: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a snapshot by name; the bytes are found by their digests.

    `n` is the position in the journal: what came after it is not part of it. The journal itself is read from the
    database, but for a snapshot that came from elsewhere, whose `journal` holds it as JSON lines. `extras` are the
    windows and pages that were open.
    """

    format: Literal["aether-snapshot"] = "aether-snapshot"
    version: int = VERSION
    software: str = ""
    taken_at: float
    n: Annotated[int, msgspec.Meta(ge=1)]
    process: Process
    spec: AgentSpec
    plan: Plan = Plan()
    memory: MemoryPart
    files: tuple[Entry, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    extras: dict[str, Any] = {}
    journal: tuple[Chunk, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as a list shows it. Times are seconds since the epoch, sizes bytes.

    `pid` is whose it is, None for one that came from elsewhere. `size_bytes` is what the files come to, `new_bytes`
    what was stored that was not there before. `pause_s` is how long the agent was held. `still` is False where a
    command ran, or a terminal was open, while its files were read. `kept` ones are spared when the oldest go.
    `left_out` counts what could not be taken (sockets, devices), `extras` says how many windows and pages were open by
    kind.
    """

    id: int
    owner: str
    pid: Pid | None
    agent: str
    name: str
    step: int
    n: int
    taken_at: float
    by: str
    reason: Reason = "asked"
    label: str = ""
    kept: bool = False
    files: int = 0
    size_bytes: int = 0
    new_bytes: int = 0
    memories: int = 0
    plan_done: int = 0
    plan_steps: int = 0
    pause_s: float = 0.0
    still: bool = True
    left_out: int = 0
    extras: dict[str, int] = {}


class SnapshotDetail(msgspec.Struct, frozen=True):
    """A snapshot with what is in it: the plan, memories by layer, the first paths that were left out, and why."""

    snapshot: Snapshot
    plan: Plan
    layers: dict[str, int]
    left_out: list[LeftOut]
    extras: dict[str, Any]


class ChangedFile(msgspec.Struct, frozen=True):
    """A path that two snapshots differ in: its size in each, None where it is not there."""

    path: str
    before_bytes: int | None
    after_bytes: int | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What is otherwise in `after`. `files` are the first of them by path, the counts are of all.

    `plan` is a line for each change of the plan; `layers` is by how many memories each layer grew.
    """

    before: Snapshot
    after: Snapshot
    added: int
    removed: int
    changed: int
    unchanged: int
    bytes: int
    files: list[ChangedFile]
    steps: int
    plan: list[str]
    layers: dict[str, int]


class EditedMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that a fork reads in the place of others: `id` names a message, `goal` the goal; '' adds a new one."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    id: Annotated[str, msgspec.Meta(max_length=100)] = ""


class EditedResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fork reads as the result of one call."""

    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    content: Annotated[str, msgspec.Meta(max_length=1_000_000)]


class Branching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a new process goes on from an old one.

    `memory` `now` shares what the agent remembers today; `then` gives it what it remembered at the time, in a space of
    its own if that is another by now. None: `then` for a snapshot, `now` for a fork. `paused` leaves it STOPPED.
    `model` is asked from its next step on.
    """

    name: Annotated[str, msgspec.Meta(max_length=120)] = ""
    model: Annotated[str, msgspec.Meta(max_length=300)] = ""
    memory: Remembered | None = None
    paused: bool = False
    message: EditedMessage | None = None
    result: EditedResult | None = None


class Branched(msgspec.Struct, frozen=True):
    """The new process, and what differs from the moment it was branched from, in sentences for people."""

    process: Process
    notes: list[str]
