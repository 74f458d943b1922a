"""What goes over the wire and is no thing of the model: request bodies and the lists that answers are wrapped in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from ..abc import Check, FileInfo, ModelInfo, SandboxInfo
from ..model.agent import AgentSpec
from ..model.events import Notice, Record
from ..model.process import Process, Signal
from ..model.tool import Approval, ApprovalRule, Remember, ToolSpec, Verdict
from ..model.view import Spend, View

Pid = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""A process id; the bound is the largest whole number that every JSON reader keeps."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Spawn(AgentSpec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request for one agent, and whose child it shall be."""

    parent: Pid | None = None

    def spec(self) -> AgentSpec:
        """The request without the parent, which the kernel takes apart from it."""
        return AgentSpec(**{name: getattr(self, name) for name in AgentSpec.__struct_fields__})


class SendSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signal to one process."""

    signal: Signal


class SignalMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signal to many processes."""

    signal: Signal
    pids: Annotated[tuple[Pid, ...], msgspec.Meta(min_length=1, max_length=1000)]


class SignalReport(msgspec.Struct, frozen=True):
    """Which processes got it, and why the others did not."""

    delivered: list[int]
    failed: dict[int, str]


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for an agent. `interrupt` drops its present step so that it reads them at once."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "note"
    correlation: Annotated[str, msgspec.Meta(max_length=200)] = ""
    interrupt: bool = False


class Said(msgspec.Struct, frozen=True):
    """The id of the message."""

    id: str


class Extend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to the limits of a process."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    cost_usd: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None
    wall_s: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None


class Decide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says to the very call that was shown, named by `digest`.

    `arguments` goes with edit, `answer` with answer, `reason` with refuse, `steps` with extend.
    """

    verdict: Verdict
    digest: Annotated[str, msgspec.Meta(max_length=200)] = ""
    arguments: dict[str, Any] | None = None
    answer: Annotated[str, msgspec.Meta(max_length=200_000)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=20_000)] | None = None
    steps: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    remember: Remember = "once"


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

    processes: Sequence[Process]


class RecordList(msgspec.Struct, frozen=True):
    """Lines of one process's journal, by `n`, ascending."""

    records: Sequence[Record]


class FileList(msgspec.Struct, frozen=True):
    """Entries of one folder of an agent's home."""

    files: Sequence[FileInfo]


class ApprovalList(msgspec.Struct, frozen=True):
    """Questions to a person."""

    approvals: Sequence[Approval]


class RuleList(msgspec.Struct, frozen=True):
    """Standing approvals."""

    rules: Sequence[ApprovalRule]


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent used of one model on one day (the server's local day, as YYYY-MM-DD)."""

    day: str
    model: str
    pid: int
    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


class UsageReport(msgspec.Struct, frozen=True):
    """Use by day, model and agent, and what today has cost."""

    rows: Sequence[UsageRow]
    spend: Spend


class ModelList(msgspec.Struct, frozen=True):
    """The models to choose from; `default` is used where none is chosen, and empty if there is none."""

    models: Sequence[ModelInfo]
    default: str


class ToolList(msgspec.Struct, frozen=True):
    """The tools that agents can be given."""

    tools: Sequence[ToolSpec]


class SandboxList(msgspec.Struct, frozen=True):
    """The kinds of sandbox, the most isolated first."""

    sandboxes: Sequence[SandboxInfo]


class Health(msgspec.Struct, frozen=True):
    """Each part's answer; `ok` is false if a part fails without which nothing works."""

    ok: bool
    checks: Sequence[Check]


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

    records: Sequence[Record]
    cursor: int


class NoticesFrame(msgspec.Struct, frozen=True):
    """What is shown and forgotten, of the watched processes only."""

    notices: list[Notice]


Frame = SnapshotFrame | RecordsFrame | NoticesFrame


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client's one message on the feed: the processes whose notices it wants from now on."""

    watch: Annotated[tuple[Pid, ...], msgspec.Meta(max_length=64)]


ExportFormat = Literal["json", "text", "notebook"]
