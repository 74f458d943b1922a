"""Every durable event and every transient notice, one class each.

An event is a fact in the journal; a notice (a token that just arrived) is shown and forgotten. The events that are
also stimuli of the loop are marked in `engine.loop`. The classes are encoded with their tag as `type`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .agent import AgentSpec, Limits
from .control import Act, ReturnReason, Turn
from .feedback import Thumb
from .image import GivenImages
from .memory import Weighed
from .message import Part, ToolCall, Usage, UserTurn
from .plan import Plan
from .process import ExitStatus, Pid, Process, Signal, State, WaitReason
from .request import Request, RequestStatus
from .routing import Family
from .snapshot import Snapshot
from .tool import Approval, Decision, Outcome

MODEL_INTERRUPTED = "model_interrupted"
"""The `error` of a `ModelFailed` that a signal or a dead server caused: nobody's fault, so it is not counted."""


class ProcessSpawned(msgspec.Struct, frozen=True, tag="process.spawned", tag_field="type"):
    """A process was recorded in READY."""

    process: Process
    spec: AgentSpec


class ProcessRestored(msgspec.Struct, frozen=True, tag="process.restored", tag_field="type", omit_defaults=True):
    """It was recorded as one that goes on from another (`process.came_from`): what lies before is that one's journal.

    `told` is what the agent reads of it, `edited` what a person changed in the history, in a sentence. `model` is asked
    from here on, '' for the one it had. `tainted`: the history came from elsewhere.
    """

    process: Process
    spec: AgentSpec
    told: str
    edited: str = ""
    model: str = ""
    tainted: bool = False


class StateChanged(msgspec.Struct, frozen=True, tag="process.state", tag_field="type", omit_defaults=True):
    """It moved by a legal move. `why` is a sentence where the move is not plain."""

    state: State
    wait: WaitReason | None = None
    why: str = ""


class SignalSent(msgspec.Struct, frozen=True, tag="process.signal", tag_field="type"):
    """A signal was recorded; a running process gets it at the next point where it can."""

    signal: Signal


class LimitsExtended(msgspec.Struct, frozen=True, tag="process.limits", tag_field="type"):
    """A person set new limits."""

    limits: Limits


class ModelChosen(msgspec.Struct, frozen=True, tag="process.model", tag_field="type"):
    """A person chose another model, or `auto`; it is asked from the next step on. `by` is their name."""

    model: str
    by: str


class ProcessExited(msgspec.Struct, frozen=True, tag="process.exited", tag_field="type"):
    """It ended and is a ZOMBIE now."""

    status: ExitStatus


class ProcessReaped(msgspec.Struct, frozen=True, tag="process.reaped", tag_field="type"):
    """Somebody took note of the end; its home may be removed."""

    home_kept: bool


class ProcessErased(msgspec.Struct, frozen=True, tag="process.erased", tag_field="type"):
    """All that was kept of it is gone, this journal with it. It is passed on, and then goes, too."""


class MessageSent(msgspec.Struct, frozen=True, tag="message.sent", tag_field="type", omit_defaults=True):
    """Words for the agent, read before its next model call. `sender` is a person's name or `agent:PID`.

    `correlation` is the id of the request that the words make, answer or close.
    """

    id: str
    sender: str
    text: str
    kind: str = "note"
    correlation: str = ""
    images: GivenImages = ()


class RequestOpened(msgspec.Struct, frozen=True, tag="request.opened", tag_field="type"):
    """This agent asked another one for something; written to the journal of the one that asks."""

    request: Request


class RequestMoved(msgspec.Struct, frozen=True, tag="request.moved", tag_field="type"):
    """A request was accepted or is settled; written to the journals of both sides."""

    request_id: str
    status: RequestStatus


class ModelRequested(msgspec.Struct, frozen=True, tag="model.requested", tag_field="type", omit_defaults=True):
    """A model is about to be asked; what it may cost at most is reserved. `step` counts from 1.

    `why` is the reason for the choice of this model, '' where somebody named it; then `family` is the one that was
    chosen, and `since` the step since which it is so. `system` and `tools` are the digests of the standing instructions
    and the tools' schemas as they were sent.
    """

    step: int
    model: str
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    why: str = ""
    system: str = ""
    tools: str = ""
    family: Family | None = None
    since: int = 0


class ModelAnswered(msgspec.Struct, frozen=True, tag="model.answered", tag_field="type", omit_defaults=True):
    """The whole answer of one step. `cited` are the memories it rests on, of those that were given.

    `instead` says why the model that was asked first did not answer, '' where it did.
    """

    step: int
    model: str
    parts: tuple[Part, ...]
    usage: Usage
    cost_usd: float = 0.0
    cost_known: bool = True
    duration_s: float = 0.0
    attempts: int = 1
    cited: tuple[int, ...] = ()
    instead: str = ""


class ModelFailed(msgspec.Struct, frozen=True, tag="model.failed", tag_field="type", omit_defaults=True):
    """No answer came. `error` is a code of `model.errors`; the reservation is given back, or charged if unsure.

    `room`: the provider refused the context as too long, and below so many tokens, as we count, it may pass.
    """

    step: int
    model: str
    error: str
    message: str
    charged_usd: float = 0.0
    room: int | None = None


class MemoriesGiven(msgspec.Struct, frozen=True, tag="memory.given", tag_field="type", omit_defaults=True):
    """What the agent remembers that bears on `about` was put before the model, as `text`.

    `memories` are their ids, the best first. `said` is how much of what was said to the agent had been looked up by
    then. `tainted` says that words of strangers are among them. `weighed` is all that came into question.
    """

    about: str
    said: int
    memories: tuple[int, ...]
    text: str
    tainted: bool = False
    by_meaning: bool = False
    weighed: tuple[Weighed, ...] = ()


Purpose = Literal["summary", "reflection", "vision"]


class AuxiliaryRequested(msgspec.Struct, frozen=True, tag="auxiliary.requested", tag_field="type", omit_defaults=True):
    """A model is about to be asked beside the agent's own steps; what it may cost at most is reserved."""

    purpose: Purpose
    model: str
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    why: str = ""


class AuxiliaryAnswered(msgspec.Struct, frozen=True, tag="auxiliary.answered", tag_field="type", omit_defaults=True):
    """What that came to. `error` is a code of `model.errors` and `message` its sentence, both '' where it went well."""

    purpose: Purpose
    model: str
    usage: Usage = Usage()
    cost_usd: float = 0.0
    cost_known: bool = True
    duration_s: float = 0.0
    error: str = ""
    message: str = ""


class ContextCompacted(msgspec.Struct, frozen=True, tag="context.compacted", tag_field="type", omit_defaults=True):
    """The first `turns` turns after the goal are told by `summary` from now on; the journal keeps them whole.

    `first` and `last` are the steps that it covers. `kept` are the words of people among them, which stay as they are.
    Tokens are estimates of the whole context.
    """

    turns: int
    first: int
    last: int
    summary: str
    tokens_before: int
    tokens_after: int
    kept: tuple[UserTurn, ...] = ()


class PlanChanged(msgspec.Struct, frozen=True, tag="plan.changed", tag_field="type"):
    """The plan is this now. `by` is who changed it: `agent`, a person's name, or `agent:PID` for a child that ended."""

    plan: Plan
    by: str


class Reflected(msgspec.Struct, frozen=True, tag="process.reflected", tag_field="type", omit_defaults=True):
    """What an ended agent learnt. `rating` is from 1 (failed) to 5; `memories` are the lessons that were kept."""

    rating: int
    worked: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    strategy: str = ""
    memories: tuple[int, ...] = ()


class FeedbackGiven(msgspec.Struct, frozen=True, tag="feedback.given", tag_field="type", omit_defaults=True):
    """A person's judgement of one step: `thumb` is up, down, or none for a comment alone. It replaces the one before.

    `memories` are those whose importance it moved.
    """

    step: int
    by: str
    thumb: Thumb = "none"
    comment: str = ""
    memories: tuple[int, ...] = ()


class ControlTaken(msgspec.Struct, frozen=True, tag="control.taken", tag_field="type"):
    """A person took the agent's desktop and browser over; the agent is to stop at once."""

    by: str


class ControlAsked(msgspec.Struct, frozen=True, tag="control.asked", tag_field="type"):
    """`by` asks the person who has control to hand it over."""

    by: str


class ControlReturned(msgspec.Struct, frozen=True, tag="control.returned", tag_field="type", omit_defaults=True):
    """The agent has control again. `note` are the person's words, `turn` what their turn came to."""

    by: str
    why: ReturnReason
    duration_s: float
    note: str = ""
    turn: Turn = Turn()


class ShellOpened(msgspec.Struct, frozen=True, tag="terminal.opened", tag_field="type"):
    """A person opened a terminal in the agent's sandbox. What is typed there is kept nowhere."""

    by: str
    name: str


class ShellClosed(msgspec.Struct, frozen=True, tag="terminal.closed", tag_field="type"):
    """That terminal has ended. It is not told where the server was killed with it."""

    by: str
    name: str
    duration_s: float


class SnapshotTaken(msgspec.Struct, frozen=True, tag="snapshot.taken", tag_field="type"):
    """All of it was captured as it stood after event `snapshot.n`."""

    snapshot: Snapshot


class SnapshotDeleted(msgspec.Struct, frozen=True, tag="snapshot.deleted", tag_field="type"):
    """A snapshot of it is gone; `why` is `asked`, or `retention` where newer ones took its place."""

    snapshot: int
    why: Literal["asked", "retention"]


class Guidance(msgspec.Struct, frozen=True, tag="model.guided", tag_field="type"):
    """The kernel answers a malformed, empty or doubtful turn; `attempt` counts from 1 to at most 3."""

    reason: Literal["arguments", "empty", "doubt", "stuck", "output"]
    text: str
    attempt: int


class ToolStarted(msgspec.Struct, frozen=True, tag="tool.started", tag_field="type", omit_defaults=True):
    """A call begins: allowed by policy, rule or a person (`why`).

    `sources` says for each argument where it came from: `prompt`, `message:agent:PID`, `result:CALL_ID` or `model`.
    """

    step: int
    call: ToolCall
    why: str = ""
    sources: dict[str, str] = {}


class ToolEnded(msgspec.Struct, frozen=True, tag="tool.ended", tag_field="type"):
    """A call ended, well or not. `tool` repeats the name so that a screen needs no look-up."""

    step: int
    call_id: str
    tool: str
    outcome: Outcome


class ApprovalRequested(msgspec.Struct, frozen=True, tag="approval.requested", tag_field="type"):
    """A call, a question or a limit waits for a person."""

    approval: Approval


class ApprovalDecided(msgspec.Struct, frozen=True, tag="approval.decided", tag_field="type"):
    """A person decided; `call_id` is the approval's own id for questions and limits that belong to no call."""

    approval_id: str
    kind: str
    call_id: str
    decision: Decision


class ApprovalClosed(msgspec.Struct, frozen=True, tag="approval.closed", tag_field="type"):
    """Nobody needs to decide any more (the process ended)."""

    approval_id: str
    why: str


Event = (
    ProcessSpawned
    | ProcessRestored
    | StateChanged
    | SignalSent
    | LimitsExtended
    | ModelChosen
    | ProcessExited
    | ProcessReaped
    | ProcessErased
    | MessageSent
    | RequestOpened
    | RequestMoved
    | ModelRequested
    | ModelAnswered
    | ModelFailed
    | MemoriesGiven
    | AuxiliaryRequested
    | AuxiliaryAnswered
    | ContextCompacted
    | PlanChanged
    | Reflected
    | FeedbackGiven
    | ControlTaken
    | ControlAsked
    | ControlReturned
    | ShellOpened
    | ShellClosed
    | SnapshotTaken
    | SnapshotDeleted
    | Guidance
    | ToolStarted
    | ToolEnded
    | ApprovalRequested
    | ApprovalDecided
    | ApprovalClosed
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal.

    `seq` orders all of it, `n` the events of one process from 1 without gaps; `id` is a UUIDv7; `at` is seconds since
    the epoch; `actor` is who caused it.
    """

    seq: int
    id: str
    pid: Pid
    n: int
    owner: str
    actor: str
    at: float
    event: Event


class TextDelta(msgspec.Struct, frozen=True, tag="notice.text", tag_field="type"):
    """Words of an answer as they arrive."""

    pid: Pid
    step: int
    kind: Literal["text", "thinking"]
    text: str


class OutputDelta(msgspec.Struct, frozen=True, tag="notice.output", tag_field="type"):
    """Output of a command as it arrives."""

    pid: Pid
    call_id: str
    stream: Literal["stdout", "stderr"]
    text: str


class Preparing(msgspec.Struct, frozen=True, tag="notice.preparing", tag_field="type"):
    """Long work before a step can go on (weights joined, image built); `done` lies in 0–1 or is None."""

    pid: Pid
    what: str
    done: float | None = None


class PersonActed(msgspec.Struct, frozen=True, tag="notice.person_acted", tag_field="type"):
    """What the person who has control has just done. It has nothing of what was typed."""

    pid: Pid
    act: Act


Notice = TextDelta | OutputDelta | Preparing | PersonActed
