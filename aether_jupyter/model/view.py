"""What a screen shows, and the one fold that keeps it true: `apply(view, record)`.

The kernel writes the process row with the same fold (`advance`), so that a snapshot and a folded stream cannot
disagree. The TypeScript twin in `labextension/src/state/view.ts` is tested on the same recorded feeds.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from .events import (
    MODEL_INTERRUPTED,
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ContextCompacted,
    ControlAsked,
    ControlReturned,
    ControlTaken,
    Event,
    FeedbackGiven,
    Guidance,
    LimitsExtended,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelChosen,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessRestored,
    ProcessSpawned,
    Record,
    Reflected,
    RequestMoved,
    RequestOpened,
    ShellClosed,
    ShellOpened,
    SignalSent,
    SnapshotDeleted,
    SnapshotTaken,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from .message import Text, Thinking, ToolCall
from .plan import progress
from .process import Process, State, Voice, VoiceKind
from .tool import Approval

VOICE_CHARS = 280
STRIP = 20


class Spend(msgspec.Struct, frozen=True):
    """Money of one owner today (the server's local day). `limit_usd` None is no limit.

    `until` is when the day ends, in seconds since the epoch; 0 where that is not known.
    """

    day: str = ""
    cost_usd: float = 0.0
    limit_usd: float | None = None
    until: float = 0.0


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One person's fleet at `cursor` (the `seq` of the last record that is in it)."""

    cursor: int
    user: str
    processes: dict[int, Process] = {}
    approvals: dict[str, Approval] = {}
    spend: Spend = Spend()


def advance(process: Process, event: Event, at: float, n: int) -> Process:
    """The process after one event. `at` is when, `n` its number within the process."""
    return msgspec.structs.replace(_advance(process, event, at, n), head=n)


def _advance(p: Process, event: Event, at: float, n: int) -> Process:
    replace = msgspec.structs.replace
    match event:
        case ProcessSpawned() | ProcessRestored():
            return event.process
        case StateChanged(state=state, wait=wait):
            running = _clock(p, state, at)
            signal = None if state in (State.STOPPED, State.WAITING) else p.signal
            return replace(p, state=state, wait=wait, signal=signal, **running)
        case SignalSent(signal=signal):
            return replace(p, signal=signal)
        case LimitsExtended(limits=limits):
            return replace(p, limits=limits)
        case ModelChosen(model=model):
            return replace(p, model=model)
        case ProcessExited(status=status):
            voice = _voice("answer" if status.code == 0 else "error", status.message) if status.message else p.voice
            strip = p.strip if status.code == 0 else _strip(p, "e")
            return replace(
                p,
                state=State.ZOMBIE,
                wait=None,
                signal=None,
                exit=status,
                ended_at=at,
                reserved_usd=0.0,
                reserved_tokens=0,
                voice=voice,
                strip=strip,
                control="",
                **_clock(p, State.ZOMBIE, at),
            )
        case ProcessReaped():
            return replace(p, reaped_at=at)
        case MessageSent(text=text):
            return replace(p, voice=_voice("message", text), strip=_strip(p, "m"))
        case ModelRequested():
            return replace(
                p,
                step=event.step,
                model=event.model,
                reserved_tokens=event.reserved_tokens,
                reserved_usd=event.reserved_usd,
            )
        case ModelAnswered():
            voice, strip = p.voice, p.strip
            words = " ".join(part.text for part in event.parts if isinstance(part, Text | Thinking) and part.text)
            if words.strip():
                voice, strip = _voice("thought", words), _strip(p, "t")
            return replace(
                p,
                model=event.model,
                input_tokens=p.input_tokens + event.usage.input_tokens,
                output_tokens=p.output_tokens + event.usage.output_tokens,
                cost_usd=p.cost_usd + event.cost_usd,
                cost_known=p.cost_known and event.cost_known,
                reserved_tokens=0,
                reserved_usd=0.0,
                voice=voice,
                strip=strip,
            )
        case ModelFailed():
            # A request that a signal or a dead server cut off is nobody's error, so it does not look like one.
            fault = event.error != MODEL_INTERRUPTED
            return replace(
                p,
                cost_usd=p.cost_usd + event.charged_usd,
                reserved_tokens=0,
                reserved_usd=0.0,
                voice=_voice("error", event.message) if fault else p.voice,
                strip=_strip(p, "e") if fault else p.strip,
            )
        case Guidance():
            return replace(p, voice=_voice("error", event.text), strip=_strip(p, "e"))
        case ToolStarted(call=call):
            return replace(p, voice=_voice("action", describe(call)), strip=_strip(p, "a"))
        case ToolEnded(outcome=outcome):
            kind: VoiceKind = "observation" if outcome.ok else "error"
            return replace(p, voice=_voice(kind, outcome.content), strip=_strip(p, "o" if outcome.ok else "e"))
        case ApprovalRequested():
            return replace(p, strip=_strip(p, "p"))
        case AuxiliaryRequested():
            return replace(p, reserved_tokens=event.reserved_tokens, reserved_usd=event.reserved_usd)
        case AuxiliaryAnswered():
            return replace(
                p,
                input_tokens=p.input_tokens + event.usage.input_tokens,
                output_tokens=p.output_tokens + event.usage.output_tokens,
                cost_usd=p.cost_usd + event.cost_usd,
                cost_known=p.cost_known and event.cost_known,
                reserved_tokens=0,
                reserved_usd=0.0,
            )
        case PlanChanged(plan=plan):
            done, steps = progress(plan)
            return replace(p, plan_done=done, plan_steps=steps, plan_n=n)
        case ControlTaken(by=by):
            return replace(p, control=by)
        case ControlReturned(note=note):
            return replace(p, control="", voice=_voice("message", note) if note else p.voice, strip=_strip(p, "m"))
        case Reflected(rating=rating):
            return replace(p, rating=rating)
        case (
            ProcessErased()
            | ApprovalDecided()
            | ApprovalClosed()
            | RequestOpened()
            | RequestMoved()
            | MemoriesGiven()
            | ContextCompacted()
            | FeedbackGiven()
            | ControlAsked()
            | ShellOpened()
            | ShellClosed()
            | SnapshotTaken()
            | SnapshotDeleted()
        ):
            return p
        case _:
            assert_never(event)


def apply(view: View, record: Record) -> View:
    """The view after one record. Records at or before the cursor change nothing, so a repeated frame is harmless."""
    if record.seq <= view.cursor:
        return view
    processes, approvals, spend = view.processes, view.approvals, _today(view.spend, record.at)
    event = record.event
    before = processes.get(record.pid)
    if isinstance(event, ProcessErased):
        processes = {pid: process for pid, process in processes.items() if pid != record.pid}
        approvals = {key: approval for key, approval in approvals.items() if approval.pid != record.pid}
    elif isinstance(event, ProcessSpawned | ProcessRestored):
        processes = {**processes, record.pid: advance(event.process, event, record.at, record.n)}
    elif before is not None:
        processes = {**processes, record.pid: advance(before, event, record.at, record.n)}
    match event:
        case ApprovalRequested(approval=approval):
            approvals = {**approvals, approval.id: approval}
        case ApprovalDecided(approval_id=key) | ApprovalClosed(approval_id=key):
            approvals = {k: v for k, v in approvals.items() if k != key}
        case ModelAnswered(cost_usd=cost) | AuxiliaryAnswered(cost_usd=cost) | ModelFailed(charged_usd=cost):
            spend = msgspec.structs.replace(spend, cost_usd=spend.cost_usd + cost)
        case _:
            pass
    return msgspec.structs.replace(view, cursor=record.seq, processes=processes, approvals=approvals, spend=spend)


def _today(spend: Spend, at: float) -> Spend:
    """A new day begins at nothing. What it is called is for the server to say, whose day it is."""
    if not spend.until or at < spend.until:
        return spend
    return Spend(limit_usd=spend.limit_usd, until=spend.until + 86_400 * (1 + (at - spend.until) // 86_400))


def describe(call: ToolCall) -> str:
    """A call as one line: the tool and its most telling argument."""
    arguments = call.arguments or {}
    telling = next((arguments[k] for k in ("command", "path", "text", "question") if k in arguments), "")
    return f"{call.tool} {telling if isinstance(telling, str) else ''}".strip()


def _voice(kind: VoiceKind, text: str) -> Voice:
    flat = " ".join(text[: VOICE_CHARS * 4].split())
    return Voice(kind, flat if len(flat) <= VOICE_CHARS else flat[: VOICE_CHARS - 1] + "…")


def _strip(p: Process, kind: str) -> str:
    return (p.strip + kind)[-STRIP:]


def _clock(p: Process, state: State, at: float) -> dict[str, float | None]:
    if state is State.RUNNING:
        return {"run_since": at if p.run_since is None else p.run_since}
    if p.run_since is None:
        return {}
    return {"run_since": None, "run_s": p.run_s + max(0.0, at - p.run_since)}
