"""Which steps of a run are telling, in a sentence each: what an agent's own journal keeps of it; pure.

Telling is a failure and how it was mended, or that it was not; what a person refused, changed or answered; words of a
person that say how they want it; a call repeated without getting further; and the end. Everything else stays in the
timeline alone.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..model.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    Guidance,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ProcessRestored,
    ToolEnded,
)
from ..model.harmless import line
from ..model.memory import Layer, Note
from ..model.message import ToolCall
from ..model.process import ExitStatus
from ..model.tool import Approval

ENTRIES = 12
"""The most that is kept of one run; what comes later is left to the timeline."""
_CALL, _WORDS = 160, 300
_HEADING = re.compile(r"exit code: \d+$|std(?:out|err):$")
"""What stands above the output of a command."""
_UNTOLD = ("tool_arguments", "tool_refused", "tool_interrupted")
_WISH = re.compile(
    r"\b(?:no|not|don'?t|never|always|prefer|instead|rather|wrong|stop|must|from now on|next time|in future|remember"
    r"|should|please (?:use|keep|write|call|ask))\b",
    re.IGNORECASE,
)
"""Words by which people say how they want it. Others' languages are not read: nothing is kept then."""


class Entry(msgspec.Struct, frozen=True):
    """A note, the step it tells of, and whether words of strangers may have gone into it."""

    note: Note
    step: int
    tainted: bool


class Telling(msgspec.Struct, frozen=True):
    """What is known so far. `failing`: by tool, how often it failed in a row, and what it said first."""

    entries: tuple[Entry, ...] = ()
    calls: dict[str, ToolCall] = {}
    failing: dict[str, tuple[int, str]] = {}
    asking: dict[str, Approval] = {}
    step: int = 0
    tainted: bool = False


def note(told: Telling, event: Event) -> Telling:
    """With one more event of the process."""
    replace = msgspec.structs.replace
    match event:
        case ProcessRestored(tainted=tainted):
            # What lies before was another's, whose own journal tells of it.
            return Telling(step=told.step, tainted=told.tainted or tainted)
        case ModelAnswered(step=step, parts=parts):
            return replace(told, step=step, calls={p.id: p for p in parts if isinstance(p, ToolCall)})
        case ToolEnded():
            return _ended(told, event)
        case ApprovalRequested(approval=approval):
            return replace(told, asking={**told.asking, approval.id: approval})
        case ApprovalDecided():
            return _decided(told, event)
        case MessageSent(sender=sender, text=text):
            if sender.startswith("agent:"):
                return replace(told, tainted=True)
            if not _WISH.search(text):
                return told
            # A person's own words, to the letter: what strangers wrote has no part in them.
            return _with(told, f'{sender} said: "{line(text, _WORDS)}"', Layer.SOCIAL, 0.6, tainted=False)
        case MemoriesGiven(tainted=True):
            return replace(told, tainted=True)
        case Guidance(reason="stuck"):
            calls = ", ".join(brief(call) for call in told.calls.values())
            return _with(told, f"Repeating {calls} did not get any further.", Layer.EPISODIC, 0.5)
        case _:
            return told


def entries(told: Telling, goal: str, status: ExitStatus, *, named: bool) -> tuple[Entry, ...]:
    """What the journal keeps of a run that ends so. An uneventful success is kept only where the agent has a name of
    its own: nobody else will run under it again.
    """
    completed = status.reason == "completed"
    killed = status.reason in ("killed", "terminated")
    for tool, (count, first) in told.failing.items():
        times = "failed" if count == 1 else f"failed {count} times"
        text = f"{tool} {times} and was not mended ({first})."
        told = _with(told, text, Layer.EPISODIC, min(0.8, 0.5 + 0.1 * count))
    if told.step < 2 or killed or (completed and not named and not told.entries):
        return told.entries
    how = "was done" if completed else f"ended as {status.reason}"
    words = f' It said: "{line(status.message, _WORDS)}"' if status.message else ""
    text = f'The task "{line(goal, _CALL)}" {how} after {told.step} steps.{words}'
    end = Note(text=text, layer=Layer.EPISODIC, importance=0.4 if completed else 0.6, tags=("journal",))
    return (*told.entries, Entry(end, told.step, told.tainted))


def brief(call: ToolCall | None) -> str:
    """A call on one line."""
    if call is None:
        return "a call"
    values = [_value(value) for value in (call.arguments or {}).values()]
    return line(f"{call.tool} {', '.join(values)}", _CALL).strip()


def _ended(told: Telling, event: ToolEnded) -> Telling:
    outcome = event.outcome
    told = msgspec.structs.replace(told, tainted=told.tainted or "text" in outcome.labels.values())
    if outcome.error in _UNTOLD:
        return told
    failing = dict(told.failing)
    if not outcome.ok:
        count, first = failing.get(event.tool, (0, ""))
        rows = (row.strip() for row in outcome.content.splitlines())
        said = next((row for row in rows if row and not _HEADING.match(row)), "it failed")
        failing[event.tool] = (count + 1, first or f"{brief(told.calls.get(event.call_id))}: {line(said, _CALL)}")
        return msgspec.structs.replace(told, failing=failing)
    count, first = failing.pop(event.tool, (0, ""))
    if not count:
        return told
    times = "failed" if count == 1 else f"failed {count} times"
    text = f"{event.tool} {times} ({first}); what worked: {brief(told.calls.get(event.call_id))}."
    told = msgspec.structs.replace(told, failing=failing)
    return _with(told, text, Layer.EPISODIC, min(0.8, 0.4 + 0.1 * count))


def _decided(told: Telling, event: ApprovalDecided) -> Telling:
    asking, decision = dict(told.asking), event.decision
    approval = asking.pop(event.approval_id, None)
    told = msgspec.structs.replace(told, asking=asking)
    if approval is None or event.kind == "limit":
        return told
    call = brief(approval.call)
    if decision.verdict == "refuse":
        # Without a reason it says nothing about whoever refused, only that it did not happen.
        why = f': "{line(decision.reason, _WORDS)}"' if decision.reason else "."
        layer = Layer.SOCIAL if decision.reason else Layer.EPISODIC
        return _with(told, f"{decision.by} refused {call}{why}", layer, 0.7 if decision.reason else 0.5)
    if decision.verdict == "edit":
        instead = brief(ToolCall("", approval.call.tool if approval.call else "", decision.arguments))
        return _with(told, f"{decision.by} changed {call} to {instead} before it ran.", Layer.SOCIAL, 0.6)
    if decision.verdict == "answer" and decision.answer:
        words = f'Asked "{line(approval.question, _CALL)}", {decision.by} answered: "{line(decision.answer, _WORDS)}"'
        return _with(told, words, Layer.SOCIAL, 0.6)
    return told


def _with(told: Telling, text: str, layer: Layer, importance: float, *, tainted: bool | None = None) -> Telling:
    entry = Entry(
        Note(text=text, layer=layer, importance=round(importance, 2), tags=("journal",)),
        told.step,
        told.tainted if tainted is None else tainted,
    )
    if len(told.entries) >= ENTRIES or any(each.note.text == text for each in told.entries):
        return told
    return msgspec.structs.replace(told, entries=(*told.entries, entry))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
