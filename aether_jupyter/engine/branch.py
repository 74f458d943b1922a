"""The history of a process that goes on from another one: where it is cut, and what is changed in it; pure.

The journal of the one, up to a position, becomes that of the other. What was open there (a question to a model, a call,
an approval) is closed in it, with no money charged twice, so that it folds to a state from which one can go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from ..model.agent import AgentSpec, Limits, Mode, SandboxSpec
from ..model.errors import BadRequest
from ..model.events import (
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    ControlAsked,
    ControlReturned,
    ControlTaken,
    Event,
    FeedbackGiven,
    Guidance,
    MessageSent,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessSpawned,
    Reflected,
    ShellClosed,
    ShellOpened,
    SnapshotDeleted,
    SnapshotTaken,
    ToolEnded,
    ToolStarted,
)
from ..model.message import ModelTurn
from ..model.process import Process, State, WaitReason
from ..model.snapshot import Branching
from ..model.tool import Outcome
from ..model.view import advance
from .loop import INTERRUPTED, AgentState, begin, fold
from .policy import clamp

At = tuple[int, float, str, Event]
"""An event with its number, its time, and who caused it."""
Kept = tuple[float, str, Event]
KERNEL = "kernel"

_LEFT = (
    ProcessExited
    | ProcessReaped
    | ProcessErased
    | Reflected
    | FeedbackGiven
    | ControlAsked
    | ShellOpened
    | ShellClosed
    | SnapshotTaken
    | SnapshotDeleted
)
"""What is about the one process and no part of what the other goes on from."""
_OF_A_STEP = (
    ModelAnswered
    | ModelFailed
    | ToolStarted
    | ToolEnded
    | PlanChanged
    | Guidance
    | ApprovalRequested
    | ApprovalDecided
    | ApprovalClosed
)
_LEAST_USD, _LEAST_S = 1e-6, 1e-3
AT_REST = WaitReason("message", "It had answered. It goes on when you write to it what to do next.")


class Branch(msgspec.Struct, frozen=True):
    """The history, the process and the state it folds to, and what a person changed in it, in a sentence."""

    events: tuple[Kept, ...]
    process: Process
    state: AgentState
    spec: AgentSpec
    edited: str
    answered: bool


def position(events: Sequence[At], step: int) -> int:
    """The number of the last event of this step; that of the birth for step 0. Raises `BadRequest` if there is none.

    What was said or done between the step and the next one belongs to the next one.
    """
    last = 0
    for n, _, _, event in events:
        if isinstance(event, ModelRequested):
            if event.step > step:
                return last or 1
            last = n
        elif isinstance(event, ProcessExited):
            break
        elif step and isinstance(event, _OF_A_STEP):
            last = n
    reached = max((e.step for _, _, _, e in events if isinstance(e, ModelRequested)), default=0)
    if step > reached:
        raise BadRequest(f"step: it has made {reached} steps; there is no step {step} to fork from")
    return last or 1


def message_at(events: Sequence[At], upto: int, key: str) -> int:
    """How far the history must go to hold this message; raises `BadRequest` where the agent has read it before."""
    found = next((n for n, _, _, event in events if isinstance(event, MessageSent) and event.id == key), None)
    if found is None:
        raise BadRequest(f"message: there is no message {key!r} in its journal")
    upto = max(upto, found)
    asked = next((e.step for n, _, _, e in events if found < n <= upto and isinstance(e, ModelRequested)), None)
    if asked is not None:
        raise BadRequest(f"message: it was read at step {asked}; fork from step {asked - 1} to change it")
    return upto


def branch(
    events: Sequence[At], upto: int, spec: AgentSpec, how: Branching, *, by: str, now: float, key: str
) -> Branch:
    """The history up to event `upto`, as `how` says. `by` is whose changes they are, `key` the id of a new message.

    Raises `BadRequest` for a change of what is not there, or lies before the last step.
    """
    kept: list[Kept] = [
        (at, actor, event) for n, at, actor, event in events if n <= upto and not isinstance(event, _LEFT)
    ]
    if not kept or not isinstance(kept[0][2], ProcessSpawned):
        raise BadRequest("its journal does not begin with its birth")
    answered_at_end = any(n <= upto and isinstance(event, ProcessExited) for n, _, _, event in events)
    edited: list[str] = []
    step = max((event.step for _, _, event in kept if isinstance(event, ModelRequested)), default=0)
    if how.result is not None:
        kept = _with_result(kept, how.result.call_id, how.result.content, step)
        edited.append(f"{by} changed the result of a call at step {step}.")
    if how.message is not None and how.message.id == "goal":
        if step:
            raise BadRequest("message: the goal was read at step 1; fork from step 0 to change it")
        spec = msgspec.structs.replace(spec, goal=how.message.text)
        edited.append(f"{by} changed the goal.")
    elif how.message is not None and how.message.id:
        old = how.message.id
        sent = MessageSent(old, by, how.message.text)
        mine = (by, sent)
        kept = [(at, *(mine if isinstance(e, MessageSent) and e.id == old else (a, e))) for at, a, e in kept]
        edited.append(f"{by} changed a message.")
    elif how.message is not None:
        kept.append((now, by, MessageSent(key, by, how.message.text)))
        edited.append(f"{by} added a message.")
    if how.model:
        edited.append(f"{by} chose the model {how.model}.")
    kept += [(now, KERNEL, event) for event in _closing(_folded(spec, kept))]
    state = _folded(spec, kept)
    process = kept[0][2].process  # type: ignore[union-attr]
    for n, (at, _, event) in enumerate(kept, 1):
        process = advance(process, event, at, n)
    rest = isinstance(state.turns[-1], ModelTurn) and not state.calls
    return Branch(tuple(kept), process, state, spec, " ".join(edited), rest or (answered_at_end and not edited))


def going_on(made: Branch, how: Branching) -> tuple[State, WaitReason | None]:
    """Where the new process begins: on its own, held, or waiting for words because it had nothing left to do."""
    wait = AT_REST if made.answered and how.message is None and how.result is None else None
    if how.paused:
        return State.STOPPED, wait
    return (State.WAITING, wait) if wait is not None else (State.READY, None)


def left_of(limits: Limits, state: AgentState, at: float) -> Limits:
    """What of the limits is left. Steps go on being counted from where they are, so that limit stays."""
    spent_s = state.run_s + (max(0.0, at - state.run_since) if state.run_since is not None else 0.0)
    return Limits(
        steps=limits.steps,
        tokens=limits.tokens and max(1, limits.tokens - state.tokens),
        cost_usd=limits.cost_usd and max(_LEAST_USD, limits.cost_usd - state.cost_usd),
        wall_s=limits.wall_s and max(_LEAST_S, limits.wall_s - spent_s),
    )


def tamed(spec: AgentSpec, *, trusted: bool = False) -> AgentSpec:
    """A request that came from elsewhere, without what it would be allowed beyond what every agent is.

    What it denies and asks for stays. Shared folders are those of whoever restores it, and so are standing permissions:
    some of them are for a role, so it has none, and no instructions of a stranger that stand in every prompt. Where a
    person vouches for it (`trusted`), it keeps these, its desktop, and the hosts that it may reach.
    """
    told, sandbox = ("", ""), SandboxSpec()
    if trusted:
        told, asked = (spec.role, spec.system), spec.sandbox
        reach = {"network": asked.network, "hosts": asked.hosts} if asked.network == "allowed" else {}
        sandbox = msgspec.structs.replace(sandbox, desktop=asked.desktop, **reach)
    return msgspec.structs.replace(
        spec,
        role=told[0],
        system=told[1],
        mode=clamp(spec.mode, Mode.ASK_RISKY),
        permissions=tuple(line for line in spec.permissions if line.verdict != "allow"),
        sandbox=sandbox,
        workspaces=(),
        labels={},
        images=(),
    )


def sightless(events: Sequence[At]) -> tuple[list[At], int]:
    """A journal without the images that it names, whose bytes are elsewhere; and how many those are."""
    replace, left = msgspec.structs.replace, 0
    blind: list[At] = []
    for n, at, actor, event in events:
        if isinstance(event, MessageSent) and event.images:
            left += len(event.images)
            blind.append((n, at, actor, replace(event, images=())))
        elif isinstance(event, ToolEnded) and event.outcome.images:
            left += len(event.outcome.images)
            blind.append((n, at, actor, replace(event, outcome=replace(event.outcome, images=()))))
        elif isinstance(event, ControlReturned) and event.turn.images:
            left += len(event.turn.images)
            scenes = tuple(replace(scene, before=None, after=None) for scene in event.turn.scenes)
            blind.append((n, at, actor, replace(event, turn=replace(event.turn, scenes=scenes))))
        else:
            blind.append((n, at, actor, event))
    return blind, left


def touched_files(events: Iterable[At], after: int, upto: int, reads: Callable[[str], bool]) -> bool:
    """Whether a call that may have written files began or ended between these events. `reads`: a tool only reads."""
    return any(
        after < n <= upto
        and (
            (isinstance(event, ToolStarted) and not reads(event.call.tool))
            or (isinstance(event, ToolEnded) and not reads(event.tool))
        )
        for n, _, _, event in events
    )


def at_hand(events: Iterable[At], after: int, upto: int) -> list[str]:
    """Who had a terminal or the desktop of the agent at hand between these events: the journal tells no more of it."""
    open_: dict[str, tuple[int, str]] = {}
    spans: list[tuple[int, int, str]] = []
    for n, _, _, event in events:
        match event:
            case ControlTaken(by=by):
                open_[""] = n, by
            case ShellOpened(by=by, name=name):
                open_[name] = n, by
            case ControlReturned() | ShellClosed():
                began = open_.pop(event.name if isinstance(event, ShellClosed) else "", None)
                spans += [(began[0], n, began[1])] if began is not None else []
            case _:
                pass
    spans += [(n, max(upto, n), by) for n, by in open_.values()]
    return sorted({by for began, ended, by in spans if after < upto and began <= upto and ended > after})


def _folded(spec: AgentSpec, kept: Sequence[Kept]) -> AgentState:
    state = begin(spec)
    for n, (at, _, event) in enumerate(kept, 1):
        state = fold(state, event, n, at)
    return state


def _closing(state: AgentState) -> list[Event]:
    """What was under way is told as cut off. It was the other process's, so nothing is charged."""
    events: list[Event] = []
    if state.thinking:
        events.append(ModelFailed(state.step, "", INTERRUPTED, "The history of another agent ends here."))
    if (aside := state.aside) is not None:
        words = "The history of another agent ends here."
        events.append(AuxiliaryAnswered(aside.purpose, aside.model, error=INTERRUPTED, message=words))
    for each in state.calls:
        if each.status == "started":
            words = (
                "This call was under way at the moment from which you go on. Whether it took effect is not known: look "
                "before you repeat it."
            )
            cut_off = Outcome(ok=False, content=words, error="tool_interrupted")
            events.append(ToolEnded(state.step, each.call.id, each.call.tool, cut_off))
        elif each.status == "asking":
            events.append(ApprovalClosed(each.approval, "It was asked of another agent; this one asks anew."))
    if state.limit:
        events.append(ApprovalClosed(state.limit, "It was asked of another agent; this one asks anew."))
    return events


def _with_result(kept: Sequence[Kept], call: str, content: str, step: int) -> list[Kept]:
    found = next((e for _, _, e in kept if isinstance(e, ToolEnded) and e.call_id == call), None)
    if found is None:
        raise BadRequest(f"result: no call {call!r} has ended by then; name one of step {step}")
    if found.step != step:
        raise BadRequest(f"result: it was read at step {found.step + 1}; fork from step {found.step} to change it")
    outcome = msgspec.structs.replace(found.outcome, content=content, evidence=None)
    new = msgspec.structs.replace(found, outcome=outcome)
    return [(at, actor, new if event is found else event) for at, actor, event in kept]
