"""What clients send and is no thing of the model: the bodies of requests, and the one message on the feed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ..model.agent import PERMISSIONS, AgentSpec
from ..model.errors import BadRequest
from ..model.feedback import COMMENT_CHARS, Thumb
from ..model.image import GivenImages
from ..model.memory import TAGS, TEXT_CHARS, AgentName, Change, Importance, Layer, Note, Tag
from ..model.notes import NOTES_CHARS
from ..model.permission import Permission, parse_permission
from ..model.plan import Plan, parse_plan
from ..model.process import Signal
from ..model.request import NoteKind
from ..model.snapshot import Branching, Files, Label
from ..model.tool import Remember, Verdict

Pid = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""A process id; the bound is the largest whole number that every JSON reader keeps."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]

Key = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""The id of a memory."""


class Spawn(AgentSpec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request for one agent, and whose child it shall be. A permission may be a line of text, too."""

    permissions: Annotated[tuple[Permission | str, ...], msgspec.Meta(max_length=PERMISSIONS)] = ()  # type: ignore[assignment]
    parent: Pid | None = None

    def spec(self) -> AgentSpec:
        """The request without the parent, which the kernel takes apart from it. Raises `BadRequest`."""
        fields = {name: getattr(self, name) for name in AgentSpec.__struct_fields__}
        try:
            fields["permissions"] = tuple(parse_permission(each) for each in self.permissions)
        except BadRequest as error:
            raise BadRequest(error.message, field="permissions") from None
        return AgentSpec(**fields)


class SendSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signal to one process."""

    signal: Signal


class HandBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for the agent whose desktop is handed back."""

    note: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class SignalMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signal to many processes."""

    signal: Signal
    pids: Annotated[tuple[Pid, ...], msgspec.Meta(min_length=1, max_length=1000)]


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for an agent. `interrupt` drops its present step so that it reads them at once.

    `images` were kept beforehand (`POST /images`).
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    kind: NoteKind = "note"
    interrupt: bool = False
    images: GivenImages = ()


class Extend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to the limits of a process."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    tokens: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    cost_usd: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None
    wall_s: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None


class TakeSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it shall be called, and whether it is spared when the oldest go."""

    label: Label = ""
    kept: bool = False


class MarkSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a snapshot; what is left out stays."""

    label: Label | None = None
    kept: bool | None = None


class Fork(Branching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which step (the present one if none is named), with which files, and what is changed."""

    step: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    files: Files = "nearest"

    def how(self) -> Branching:
        """The changes alone."""
        return Branching(**{name: getattr(self, name) for name in Branching.__struct_fields__})


class Restore(Branching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed. `trusted` leaves an agent that came from elsewhere its instructions, role, desktop and hosts."""

    trusted: bool = False

    def how(self) -> Branching:
        """The changes alone."""
        return Branching(**{name: getattr(self, name) for name in Branching.__struct_fields__})


class ChooseModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model to ask from the next step on: `provider:model`, `auto`, or `auto:` and a family."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class SetPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan of an agent shall be: an outline, or its steps. An empty one takes the plan away.

    `seen` is the `n` of the plan that it was made from; if the agent has another by now, nothing is changed.
    """

    outline: Annotated[str, msgspec.Meta(max_length=1_000_000)] | None = None
    plan: Plan | None = None
    seen: Natural | None = None

    def wanted(self) -> Plan:
        """The plan. Raises `BadRequest` for an outline that does not read well, or neither or both of the two."""
        if (self.outline is None) == (self.plan is None):
            raise BadRequest("outline or plan: give one of them")
        return self.plan if self.plan is not None else parse_plan(self.outline or "")


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


class GiveFeedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one says of one step; it replaces what one said of it before."""

    step: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    thumb: Thumb = "none"
    comment: Annotated[str, msgspec.Meta(max_length=COMMENT_CHARS)] = ""


class KeepNotes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Notes for the memory of one agent."""

    agent: AgentName
    notes: Annotated[tuple[Note, ...], msgspec.Meta(min_length=1, max_length=10_000)]


class ChangeMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a memory shall be; what is left out stays."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARS)] | None = None
    layer: Layer | None = None
    importance: Importance | None = None
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=TAGS)] | None = None
    pinned: bool | None = None
    version: Natural | None = None

    def change(self) -> Change:
        """The change without the version that was seen."""
        return Change(text=self.text, layer=self.layer, importance=self.importance, tags=self.tags, pinned=self.pinned)


class Merge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Memories of one agent that shall be one: the first of `keys` stays. What is left out is taken from them all.

    `dry_run` tells what it would come to and changes nothing.
    """

    keys: Annotated[tuple[Key, ...], msgspec.Meta(min_length=2, max_length=50)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARS)] | None = None
    layer: Layer | None = None
    importance: Importance | None = None
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=TAGS)] | None = None
    dry_run: bool = False

    def change(self) -> Change:
        """What the one shall be."""
        return Change(text=self.text, layer=self.layer, importance=self.importance, tags=self.tags)


class WriteNotes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MEMORY.md of an agent; '' for none. `version`, if given, must be the one that was seen (0: there was none)."""

    agent: AgentName
    text: Annotated[str, msgspec.Meta(max_length=NOTES_CHARS)]
    version: Natural | None = None


class Consolidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose memories shall be put in order."""

    agent: AgentName


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That `reader` may recall what `agent` remembers, or no longer."""

    agent: AgentName
    reader: AgentName
    allow: bool = True


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client's one message on the feed: the processes whose notices it wants from now on."""

    watch: Annotated[tuple[Pid, ...], msgspec.Meta(max_length=64)]


ExportFormat = Literal["json", "text", "notebook"]
