"""One agent's whole conversation as a file: JSON that loses nothing, text for reading, a notebook for Jupyter.

Agents wrote most of what is in it. So the text holds no control characters, and the notebook's Markdown neither HTML
nor pictures that would be fetched from elsewhere when somebody opens it. Images that were kept are in the notebook
itself; the other two name them by their digest.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from ..model.agent import AgentSpec
from ..model.events import (
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    ContextCompacted,
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
    ShellOpened,
    SignalSent,
    SnapshotDeleted,
    SnapshotTaken,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from ..model.harmless import formatted, line, markdown, plain
from ..model.image import Image, caption, captions
from ..model.message import Text, Thinking, ToolCall
from ..model.plan import outline
from ..model.process import Process
from ..model.tool import Outcome
from ..model.view import describe
from .bodies import ExportFormat
from .routing import Attachment

Shown = Mapping[str, tuple[bytes, str]]
"""Images by their digest: the bytes, and their type."""
NONE: Shown = {}


def export(
    kind: ExportFormat, process: Process, spec: AgentSpec, records: Iterable[Record], shown: Shown = NONE
) -> Attachment:
    """The conversation as a file in one of the formats. Pure: the same records give the same bytes."""
    write, ending = _FORMATS[kind]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", process.name).strip("-.")[:60] or "agent"
    return Attachment(f"{process.pid}-{stem}.{ending}", MEDIA_TYPES[kind], write(process, spec, list(records), shown))


def named(spec: AgentSpec, records: Iterable[Record]) -> Sequence[str]:
    """The digests of all images that are in it, the newest first."""
    found = [image.digest for image in spec.images]
    for record in records:
        if isinstance(record.event, MessageSent):
            found += [image.digest for image in record.event.images]
        elif isinstance(record.event, ToolEnded):
            found += [image.digest for image in record.event.outcome.images]
    return list(dict.fromkeys(reversed(found)))


def as_json(process: Process, spec: AgentSpec, records: list[Record], shown: Shown = NONE) -> bytes:
    """`{"process", "spec", "records"}` in the encodings of the API."""
    return msgspec.json.format(msgspec.json.encode({"process": process, "spec": spec, "records": records}), indent=2)


def as_text(process: Process, spec: AgentSpec, records: list[Record], shown: Shown = NONE) -> bytes:
    """A transcript to be read from top to bottom; times are UTC."""
    lines = [
        f"Process {process.pid} · {process.name} · {process.state.value}",
        f"Model: {process.model}   Sandbox: {process.sandbox}   Mode: {process.mode.value}",
        f"Steps: {process.step}   Tokens: {process.tokens}   Cost: ${process.cost_usd:.4f}",
        "",
        "Goal",
        *_indented(spec.goal + captions(spec.images)),
    ]
    for record in records:
        for entry in _entries(record.event):
            lines += ["", f"{_when(record.at)}  {entry.title}", *_indented(entry.text)]
    return plain("\n".join(lines) + "\n").encode(errors="replace")


def as_notebook(process: Process, spec: AgentSpec, records: list[Record], shown: Shown = NONE) -> bytes:
    """Notebook format 4.5: thoughts as Markdown, tool calls as code cells with what came of them."""
    title = f"# {markdown(line(process.name))}\n\n{formatted(spec.goal)}"
    cells = [_markdown("goal", title, spec.images, shown)]
    outcomes = {r.event.call_id: r.event.outcome for r in records if isinstance(r.event, ToolEnded)}
    for record in records:
        event = record.event
        for index, entry in enumerate(_entries(event)):
            name = f"r{record.n}-{index}"
            if isinstance(event, ToolStarted):
                cells.append(_code(name, event.call, outcomes.get(event.call.id), shown))
            elif not isinstance(event, ToolEnded):
                said = f"**{markdown(line(entry.title))}**\n\n{formatted(entry.text)}".strip()
                images = event.images if isinstance(event, MessageSent) else ()
                cells.append(_markdown(name, said, images, shown))
    notebook = {
        "cells": cells,
        "metadata": {
            "aether": {"pid": process.pid, "model": process.model, "state": process.state.value},
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode(errors="replace")


MEDIA_TYPES: dict[ExportFormat, str] = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "notebook": "application/x-ipynb+json",
}
"""What each format is sent as."""

_FORMATS: dict[ExportFormat, tuple[Callable[[Process, AgentSpec, list[Record], Shown], bytes], str]] = {
    "json": (as_json, "json"),
    "text": (as_text, "txt"),
    "notebook": (as_notebook, "ipynb"),
}


class _Entry(NamedTuple):
    title: str
    text: str = ""


def _entries(event: Event) -> Iterator[_Entry]:
    match event:
        case ModelRequested(step=step, model=model, why=why, since=since) if why and step == since:
            yield _Entry(f"step {step} · asks {model}", why)
        case ModelChosen(model=model, by=by):
            yield _Entry(f"{by} chose {model}")
        case ModelAnswered(step=step, model=model, parts=parts, instead=instead):
            if instead:
                yield _Entry(f"step {step} · answered by {model}", instead)
            for part in parts:
                if isinstance(part, Text | Thinking) and part.text.strip():
                    yield _Entry(f"step {step} · {'thinking' if isinstance(part, Thinking) else 'says'}", part.text)
        case ModelFailed(step=step, error=error, message=message):
            yield _Entry(f"step {step} · no answer ({error})", message)
        case Guidance(text=text):
            yield _Entry("guidance", text)
        case MemoriesGiven(text=text):
            yield _Entry("remembers", text)
        case AuxiliaryAnswered(purpose=purpose, error=error, message=message) if error:
            yield _Entry(f"no {purpose} ({error})", message)
        case ContextCompacted(first=first, last=last, summary=summary):
            yield _Entry(f"steps {first} to {last} in short, as the model reads them from here", summary)
        case PlanChanged(plan=plan, by=by):
            yield _Entry(f"plan, changed by {by}", outline(plan))
        case Reflected():
            yield _Entry(f"looks back · {event.rating} of 5", _reflection(event))
        case FeedbackGiven(step=step, by=by, thumb=thumb, comment=comment):
            judged = {"up": "thumb up", "down": "thumb down", "none": "comment"}[thumb]
            yield _Entry(f"step {step} · {judged} by {by}", comment)
        case ProcessRestored(process=process, told=told):
            yield _Entry(f"goes on from here as agent {process.pid}", told)
        case ShellOpened(by=by):
            yield _Entry(f"{by} opened a terminal in its sandbox")
        case SnapshotTaken(snapshot=snapshot):
            yield _Entry(f"snapshot {snapshot.id}", snapshot.label)
        case ToolStarted(step=step, call=call):
            yield _Entry(f"step {step} · {call.tool}", _arguments(call))
        case ToolEnded(tool=tool, outcome=outcome):
            code = outcome.evidence.exit_code if outcome.evidence else None
            how = "done" if outcome.ok else f"failed ({outcome.error})" if outcome.error else "failed"
            exit_code = f", exit code {code}" if code is not None else ""
            yield _Entry(
                f"{tool} {how} in {outcome.duration_s:.2f} s{exit_code}", outcome.content + captions(outcome.images)
            )
        case MessageSent(sender=sender, text=text, kind=kind, images=images):
            yield _Entry(f"{kind} from {sender}", text + captions(images))
        case ApprovalRequested(approval=approval):
            asked = describe(approval.call) if approval.call else approval.question
            yield _Entry(f"asks a person · {approval.kind}", "\n".join(t for t in (asked, approval.because) if t))
        case ApprovalDecided(decision=decision):
            said = decision.answer or decision.reason or ""
            yield _Entry(f"{decision.by or 'a person'} decided: {decision.verdict}", said)
        case ApprovalClosed(why=why):
            yield _Entry("question withdrawn", why)
        case StateChanged(state=state, wait=wait, why=why) if why or wait:
            yield _Entry(state.value, why or (wait.detail if wait else ""))
        case SignalSent(signal=signal):
            yield _Entry(f"signal {signal.value}")
        case ProcessExited(status=status):
            yield _Entry(f"ended · {status.reason} (code {status.code})", status.message)
        case (
            StateChanged()
            | ProcessSpawned()
            | LimitsExtended()
            | ProcessReaped()
            | ProcessErased()
            | ModelRequested()
            | SnapshotDeleted()
        ):
            return


def _reflection(event: Reflected) -> str:
    heads = {"Worked": event.worked, "Did not work": event.failed, "Lessons": event.lessons}
    rows = [f"{head}: {' '.join(said)}" for head, said in heads.items() if said]
    return "\n".join([*rows, *([f"Strategy: {event.strategy}"] if event.strategy else [])])


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]


def _arguments(call: ToolCall) -> str:
    if call.arguments is None:
        return call.raw
    if call.tool == "run_command" and isinstance(call.arguments.get("command"), str):
        return f"$ {call.arguments['command']}"
    return json.dumps(call.arguments, indent=2, ensure_ascii=False, sort_keys=True)


def _markdown(name: str, text: str, images: Sequence[Image], shown: Shown) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}
    for image in images:
        if image.digest in shown:
            content, media_type = shown[image.digest]
            file = f"{image.digest[:12]}.{media_type.removeprefix('image/')}"
            cell.setdefault("attachments", {})[file] = {media_type: base64.b64encode(content).decode()}
            cell["source"] += f"\n\n![{caption(image)}](attachment:{file})"
    return cell


def _code(name: str, call: ToolCall, outcome: Outcome | None, shown: Shown) -> dict[str, Any]:
    outputs: list[dict[str, Any]] = []
    if outcome is not None:
        evidence = outcome.evidence
        printed = (
            [
                {"output_type": "stream", "name": stream, "text": text}
                for stream, text in (("stdout", evidence.stdout), ("stderr", evidence.stderr))
                if text
            ]
            if evidence
            else []
        )
        outputs = printed or [
            {"output_type": "stream", "name": "stdout" if outcome.ok else "stderr", "text": outcome.content}
        ]
        for image in outcome.images:
            data = {"text/plain": f"[{caption(image)}]"}
            if image.digest in shown:
                content, media_type = shown[image.digest]
                data[media_type] = base64.b64encode(content).decode()
            display: dict[str, Any] = {"output_type": "display_data", "data": data, "metadata": {}}
            outputs.append(display)
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"aether": {"tool": call.tool, "call_id": call.id}},
        "execution_count": None,
        "source": _source(call),
        "outputs": outputs,
    }


def _source(call: ToolCall) -> str:
    arguments = call.arguments or {}
    command, path, content = (arguments.get(key) for key in ("command", "path", "content"))
    if call.tool == "run_command" and isinstance(command, str):
        return f"%%bash\n{command}"
    if call.tool == "write_file" and isinstance(path, str) and isinstance(content, str) and "\n" not in path:
        return f"%%writefile {path}\n{content}"
    return "\n".join(f"# {line}" for line in f"{call.tool} {_arguments(call)}".splitlines())
