"""What the doors answer and is no thing of the model: lists in their wrappings, reports, and the frames of the feed.

The doors write these and the client reads them, so they lie where both may reach.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .abc import Check, FileInfo, ModelInfo, SandboxInfo
from .model.agent import Template
from .model.events import Notice, Record
from .model.feedback import Judgement
from .model.ledger import UsageRow
from .model.memory import Alike, Consolidated, Layer, Memory, MemorySpace, MemoryUse
from .model.notes import Notes
from .model.process import Process
from .model.profile import Standing
from .model.request import Request
from .model.snapshot import Snapshot
from .model.tool import Approval, ApprovalRule, ToolSpec
from .model.view import Spend, View


class Said(msgspec.Struct, frozen=True):
    """The id of the message."""

    id: str


class TerminalOpened(msgspec.Struct, frozen=True):
    """The name of a terminal of the Jupyter server."""

    name: str


class Server(msgspec.Struct, frozen=True):
    """The server's version, and a name for its `AETHER_HOME` that two servers on one home share."""

    version: str
    home_id: str


class Me(msgspec.Struct, frozen=True):
    """Who asks, and what they may do."""

    user: str
    scopes: list[str]
    server: Server


class ProcessList(msgspec.Struct, frozen=True):
    """Processes, newest first."""

    processes: list[Process]


class SnapshotList(msgspec.Struct, frozen=True):
    """Snapshots, newest first."""

    snapshots: list[Snapshot]


class RecordList(msgspec.Struct, frozen=True):
    """Lines of one process's journal, by `n`, ascending."""

    records: list[Record]


class RequestList(msgspec.Struct, frozen=True):
    """What an agent was asked by others and has asked of them, the oldest first."""

    requests: list[Request]


class FileList(msgspec.Struct, frozen=True):
    """Entries of one folder of an agent's home."""

    files: list[FileInfo]


class ApprovalList(msgspec.Struct, frozen=True):
    """Questions to a person."""

    approvals: list[Approval]


class RuleList(msgspec.Struct, frozen=True):
    """Standing approvals."""

    rules: list[ApprovalRule]


class UsageReport(msgspec.Struct, frozen=True):
    """Use by day, model and agent, and what today has cost."""

    rows: list[UsageRow]
    spend: Spend


class ModelList(msgspec.Struct, frozen=True):
    """The models to choose from; `default` is used where none is chosen, and empty if there is none."""

    models: list[ModelInfo]
    default: str


class ToolList(msgspec.Struct, frozen=True):
    """The tools that agents can be given."""

    tools: list[ToolSpec]


class SandboxList(msgspec.Struct, frozen=True):
    """The kinds of sandbox, the most isolated first."""

    sandboxes: list[SandboxInfo]


class TemplateList(msgspec.Struct, frozen=True):
    """What agents can be begun from. `workspaces` is where one's shared folders lie on the server, each by its name."""

    templates: list[Template]
    workspaces: str


class FeedbackList(msgspec.Struct, frozen=True):
    """What people said."""

    feedback: list[Judgement]


class ProfileList(msgspec.Struct, frozen=True):
    """Agents in figures."""

    profiles: list[Standing]


class MemoryList(msgspec.Struct, frozen=True):
    """Memories."""

    memories: list[Memory]


class NotesList(msgspec.Struct, frozen=True):
    """Versions of an agent's MEMORY.md, the newest first; empty if there is none."""

    notes: list[Notes]


class SpaceList(msgspec.Struct, frozen=True):
    """Whose memories there are. `waiting` counts those not found by meaning yet; None where that is never so.

    The strength of a memory is its importance, halved with each `half_life_s` of its layer since it was last of use
    (created or used); pinned ones have 1. Below `faded` none is given to a model unasked. A layer keeps `limit`.
    """

    spaces: list[MemorySpace]
    waiting: int | None
    half_life_s: dict[Layer, float]
    faded: float
    limit: int


class AlikeList(msgspec.Struct, frozen=True):
    """Pairs of memories that say nearly the same, the most alike first, among the `looked_at` newest."""

    pairs: list[Alike]
    looked_at: int


class ReportList(msgspec.Struct, frozen=True):
    """What became of an agent's memories by consolidation and eviction, the last first."""

    reports: list[Consolidated]


class UseList(msgspec.Struct, frozen=True):
    """Where a memory was given to a model, the last first."""

    uses: list[MemoryUse]


class Health(msgspec.Struct, frozen=True):
    """Each part's answer; `ok` is false if a part fails without which nothing works."""

    ok: bool
    checks: list[Check]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request failed (RFC 9457): `type` is the error's code, `detail` a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    details: dict[str, Any] = {}


class SnapshotFrame(msgspec.Struct, frozen=True):
    """The feed begins, or begins again: everything as it stands."""

    snapshot: View


class RecordsFrame(msgspec.Struct, frozen=True):
    """What happened since; `cursor` is where to go on after a break."""

    records: list[Record]
    cursor: int


class NoticesFrame(msgspec.Struct, frozen=True):
    """What is shown and forgotten, of the watched processes only."""

    notices: list[Notice]


Frame = SnapshotFrame | RecordsFrame | NoticesFrame


def read_frame(text: str | bytes) -> Frame | None:
    """The frame that a feed sent, None if it is of a kind that came later. Raises `msgspec.DecodeError`."""
    members = _members(text)
    if "snapshot" in members:
        return msgspec.json.decode(text, type=SnapshotFrame)
    if "records" in members:
        return msgspec.json.decode(text, type=RecordsFrame)
    if "notices" in members:
        return msgspec.json.decode(text, type=NoticesFrame)
    return None


def named(error: msgspec.ValidationError) -> str:
    """`Expected …, got … - at `$.limits.steps`` with the field in front."""
    said, at, where = str(error).partition(" - at `")
    if not at:
        return said
    field = re.sub(r"^key in ", "", where.rstrip("`")).removeprefix("$").lstrip(".")
    return f"{field}: {said}" if field else said


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
