"""Follows one agent in the terminal: lines as they come, questions where a person sits, an exit code at the end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import click
import msgspec

from ..client import decisions, show
from ..client.client import Aether, AsyncAether
from ..client.run import Run
from ..model.errors import BadRequest, Conflict, IllegalTransition
from ..model.events import Event, ModelAnswered, ProcessExited, ProcessSpawned, Record
from ..model.harmless import line, plain
from ..model.message import ToolCall
from ..model.process import Process, Signal, State
from ..model.tool import Approval
from .common import INTERRUPTED, WAITS

COLOURS = {"error": "red", "failed": "red", "asks": "yellow", "answer": "green", "action": "blue"}


def follow(client: Aether, process: Process, *, as_json: bool, yes: bool) -> int:
    """Show everything until it ends or waits for a person who is not here; returns the exit code."""
    try:
        if not as_json:
            click.echo(f"Agent {process.pid} has started", err=True)
        with _Follower(client, process, as_json) as follower:
            while (process := follower.until_it_stops()).state is not State.ZOMBIE:
                if not _decide_all(client, process, as_json=as_json, yes=yes):
                    if as_json:
                        _json(process)
                    else:
                        click.echo(_safe(f"Agent {process.pid} waits for a person: aether approvals"), err=True)
                    return WAITS
    except click.Abort:
        click.echo(f"\nAgent {process.pid} still waits for a person: aether approvals", err=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        with contextlib.suppress(IllegalTransition):  # it ended by itself
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


def tail(client: Aether, pid: int, *, as_json: bool) -> None:
    """Show the whole timeline, and what comes until it ends."""
    with _Follower(client, client.get(pid), as_json, everything=True) as follower:
        follower.until_it_ends()


def show_record(record: Record, as_json: bool) -> None:
    """One line of a timeline."""
    if as_json:
        _json(record)
        return
    kind, words = show.event_text(record.event)
    if kind:
        label = click.style(f"{kind:8}", fg=COLOURS.get(kind), dim=kind == "thought")
        click.echo(f"{record.n:>4}  {label}  {_safe(line(words, 400))}")


class _Follower:
    """Shows the records of one agent as the feed brings them. Between two calls a person may take any time."""

    def __init__(self, client: Aether, process: Process, as_json: bool, *, everything: bool = False) -> None:
        self._address = client.address
        self._process = process
        self._as_json = as_json
        self._everything = everything or as_json
        self._after = 0
        self._runner = asyncio.Runner()

    def __enter__(self) -> _Follower:
        self._server = AsyncAether.at(self._address)
        self._run = Run(self._server, self._process, None)
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self._runner.run(self._server.aclose())
        finally:
            self._runner.close()

    def until_it_stops(self) -> Process:
        """Show what comes until it ends or only a person can let it go on; returns it as it is then."""
        return self._runner.run(self._show(stops=True))

    def until_it_ends(self) -> None:
        """Show what comes until it ends."""
        self._runner.run(self._show(stops=False))

    async def _show(self, *, stops: bool) -> Process:
        if stops:
            # A decision that was not taken leaves it as it was, and no record would come.
            process = await self._server.get(self._process.pid)
            if process.needs_person and process.head == self._after:
                return process
        async with contextlib.aclosing(self._run.records(after=self._after)) as records:
            async for record in records:
                self._after = record.n
                if self._everything or not _told_elsewhere(record.event):
                    show_record(record, self._as_json)
                process = self._run.process
                if stops and process.needs_person and process.head == record.n:
                    break
        return self._run.process


def _told_elsewhere(event: Event) -> bool:
    """The goal, which the person typed, and the answer, which is printed at the end."""
    if isinstance(event, ModelAnswered):
        return not any(isinstance(part, ToolCall) for part in event.parts)
    return isinstance(event, ProcessSpawned) or (isinstance(event, ProcessExited) and event.status.code == 0)


def _decide_all(client: Aether, process: Process, *, as_json: bool, yes: bool) -> bool:
    """Decide what can be decided here; false if that is nothing."""
    here = sys.stdin.isatty() and not as_json
    decided = False
    for approval in client.approvals(pid=process.pid):
        if yes and approval.kind == "call":
            given: dict[str, Any] | None = decisions.yes(approval)
        else:
            given = _ask(approval) if here else None
        if given is None:
            continue
        try:
            client.decide(approval, **given)
        except (Conflict, BadRequest) as error:
            if not here:
                raise
            click.echo(_safe(error.message), err=True)
        decided = True
    if not decided and here and process.wait is not None and process.wait.kind == "message":
        client.send(process.pid, click.prompt(_safe(process.wait.detail or "Words for it")))
        return True
    return decided


def _ask(approval: Approval) -> dict[str, Any]:
    click.echo("\n" + show.asked_text(approval))
    if approval.kind == "question":
        return decisions.answer(approval, click.prompt("Your answer"))
    if approval.kind == "limit":
        more = click.confirm(f"Go on for {decisions.offered(approval)}?", default=False)
        return decisions.yes(approval) if more else decisions.no(approval)
    choice = click.prompt("Run it? [y]es, [e]dit, [N]o", default="n", show_default=False).strip().lower()
    if choice in ("y", "yes"):
        return decisions.yes(approval)
    if choice in ("e", "edit"):
        arguments = _edited(approval)
        if arguments is not None:
            return decisions.yes(approval, arguments=arguments)
        click.echo("Nothing was changed.")
        return _ask(approval)
    return decisions.no(approval, click.prompt("Why not (it reads this)", default="", show_default=False))


def _edited(approval: Approval) -> dict[str, Any] | None:
    arguments = approval.call.arguments if approval.call else None
    text = msgspec.json.format(msgspec.json.encode(arguments or {}), indent=2).decode()
    changed = click.edit(text, extension=".json")
    if changed is None:
        return None
    try:
        return msgspec.json.decode(changed, type=dict[str, Any])
    except msgspec.DecodeError as error:
        click.echo(_safe(f"The edited arguments are no JSON object: {error}"), err=True)
        return None


def _json(value: Any) -> None:
    click.echo(msgspec.json.encode(value).decode())


_safe = plain
