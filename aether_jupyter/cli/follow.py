"""Follows one agent in the terminal: lines as they come, questions where a person sits, an exit code at the end."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from ..client import show
from ..client.client import Aether
from ..model.errors import AetherError, AlreadyDecided
from ..model.events import Event, ModelAnswered, ProcessExited, ProcessSpawned, Record
from ..model.message import ToolCall
from ..model.process import Process, Signal, State
from ..model.tool import Approval
from .main import INTERRUPTED, WAITS

ROUND_S = 0.25
COLOURS = {"error": "red", "failed": "red", "asks": "yellow", "answer": "green", "action": "blue"}


def follow(client: Aether, process: Process, *, as_json: bool, yes: bool) -> int:
    """Show everything until it ends or waits for a person who is not here; returns the exit code."""
    after = 0
    try:
        if not as_json:
            click.echo(f"Agent {process.pid} has started", err=True)
        while True:
            process, after = _catch_up(client, process.pid, after, as_json)
            if process.state is State.ZOMBIE:
                break
            if process.needs_person:
                if not _decide_all(client, process, as_json=as_json, yes=yes):
                    if not as_json:
                        click.echo(_safe(f"Agent {process.pid} waits for a person: aether approvals"), err=True)
                    else:
                        _json(process)
                    return WAITS
                continue
            _wait(client, process.pid)
    except KeyboardInterrupt:
        client.signal(process.pid, Signal.INT)
        click.echo(f"\nAgent {process.pid} is interrupted; it waits for words: aether send {process.pid} …", err=True)
        return INTERRUPTED
    assert process.exit is not None
    if as_json:
        _json(process)
    else:
        click.echo(_safe(f"{show.word(process)} {show.figures(process)}"), err=True)
        if process.exit.result is not None:
            _json(process.exit.result)
        else:
            click.echo(_safe(process.exit.message))
    return process.exit.code if 0 <= process.exit.code < 256 else 1


def show_record(record: Record, as_json: bool) -> None:
    """One line of a timeline."""
    if as_json:
        _json(record)
        return
    kind, words = show.event_text(record.event)
    if kind:
        label = click.style(f"{kind:8}", fg=COLOURS.get(kind), dim=kind == "thought")
        click.echo(f"{record.n:>4}  {label}  {_safe(show.line(words, 400))}")


def _catch_up(client: Aether, pid: int, after: int, as_json: bool) -> tuple[Process, int]:
    process = client.get(pid)
    while after < process.head:
        page = client.records(pid, after=after, limit=500)
        if not page:
            break
        for record in page:
            after = record.n
            if as_json or not _told_elsewhere(record.event):
                show_record(record, as_json)
    return process, after


def _told_elsewhere(event: Event) -> bool:
    """The goal, which the person typed, and the answer, which is printed at the end."""
    if isinstance(event, ModelAnswered):
        return not any(isinstance(part, ToolCall) for part in event.parts)
    return isinstance(event, ProcessSpawned) or (isinstance(event, ProcessExited) and event.status.code == 0)


def _wait(client: Aether, pid: int) -> None:
    # Short rounds: the wait of the server ends only at an end or a question, and steps are to be seen as they come.
    client.wait(pid, timeout_s=ROUND_S)


def _decide_all(client: Aether, process: Process, *, as_json: bool, yes: bool) -> bool:
    """Decide what can be decided here; false if that is nothing."""
    here = sys.stdin.isatty() and not as_json
    decided = False
    for approval in client.approvals(pid=process.pid):
        if yes and approval.kind == "call":
            given: dict[str, Any] | None = {"verdict": "approve"}
        else:
            given = _ask(approval) if here else None
        if given is None:
            continue
        try:
            client.decide(approval, **given)
        except AlreadyDecided as error:
            click.echo(_safe(error.message), err=True)
        decided = True
    if not decided and here and process.wait is not None and process.wait.kind == "message":
        client.send(process.pid, click.prompt(_safe(process.wait.detail or "Words for it")))
        return True
    return decided


def _ask(approval: Approval) -> dict[str, Any]:
    click.echo("")
    if approval.kind == "question":
        click.echo(_safe(f"Agent {approval.pid} asks: {approval.question}"))
        for number, option in enumerate(approval.options, 1):
            click.echo(_safe(f"  {number}. {option}"))
        words = str(click.prompt("Your answer"))
        if words.isdigit() and 0 < int(words) <= len(approval.options):
            words = approval.options[int(words) - 1]
        return {"verdict": "answer", "answer": words}
    if approval.kind == "limit":
        click.echo(_safe(approval.because or approval.question))
        more = click.confirm("Go on for 25 more steps?", default=False)
        return {"verdict": "extend", "steps": 25} if more else {"verdict": "finish"}
    risk = f" ({approval.risk.value})" if approval.risk is not None else ""
    click.echo(_safe(f"Agent {approval.pid} asks to run{risk}, {approval.where}:"))
    click.echo(_safe(show.call_text(approval)))
    if approval.preview:
        click.echo(_safe(approval.preview))
    if approval.because:
        click.echo(_safe(f"It asks because {approval.because}."))
    choice = click.prompt("Run it? [y]es, [e]dit, [N]o", default="n", show_default=False).strip().lower()
    if choice in ("y", "yes"):
        return {"verdict": "approve"}
    if choice in ("e", "edit"):
        arguments = _edited(approval)
        if arguments is not None:
            return {"verdict": "edit", "arguments": arguments}
        click.echo("Nothing was changed.")
        return _ask(approval)
    reason = click.prompt("Why not (it reads this)", default="", show_default=False)
    return {"verdict": "refuse", "reason": reason or None}


def _edited(approval: Approval) -> dict[str, Any] | None:
    arguments = approval.call.arguments if approval.call else None
    text = msgspec.json.format(msgspec.json.encode(arguments or {}), indent=2).decode()
    changed = click.edit(text, extension=".json")
    if changed is None:
        return None
    try:
        return msgspec.json.decode(changed, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise AetherError(f"The edited arguments are no JSON object: {error}") from None


def _json(value: Any) -> None:
    click.echo(msgspec.json.encode(value).decode())


_safe = show.plain
