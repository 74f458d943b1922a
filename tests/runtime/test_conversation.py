"""A conversation with an agent goes on after restarts, and can be read in whole from outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, get_args

import nbformat

from aether_jupyter.api.bodies import ExportFormat
from aether_jupyter.api.export import export
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.message import Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.tool import Decision

from .conftest import ANA

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


async def test_three_servers_hold_one_conversation(settings: Settings, script: Script) -> None:
    read: list[list[str]] = []

    def talks(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        read.append([turn.text for turn in turns if isinstance(turn, UserTurn)])
        if n < 2:
            return [ToolCall(f"q{n}", "ask_person", {"question": f"Question {n}?"})]
        return [Text("The report is in blue, with tables.")]

    model = script("talks", talks)
    async with open_app(settings) as app:
        pid = (await app.processes.spawn(ANA, AgentSpec(goal="Ask, then report.", model=model, name="reporter"))).pid
        assert (await app.processes.wait(ANA, pid, timeout_s=20)).needs_person
        await app.processes.send(ANA, pid, "The colour is blue.")
    async with open_app(settings) as app:
        (asked,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, asked.id, Decision(verdict="answer", answer="First answer."))
        assert (await app.processes.wait(ANA, pid, timeout_s=20)).needs_person
        # A message to one that is paused waits for it.
        await app.processes.signal(ANA, pid, Signal.STOP)
        await app.processes.send(ANA, pid, "Tables, too.")
    async with open_app(settings) as app:
        await app.processes.signal(ANA, pid, Signal.CONT)
        (asked,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, asked.id, Decision(verdict="answer", answer="Second answer."))
        process = await app.processes.wait(ANA, pid, timeout_s=20)
        assert process.state is State.ZOMBIE
        records = await app.processes.records(ANA, pid, limit=1000)
        spec = await app.processes.spec(ANA, pid)
    assert [len(turns) for turns in read] == [1, 2, 3]
    assert read[-1][0] == "Ask, then report."
    assert "The colour is blue." in read[-1][1]
    assert "Tables, too." in read[-1][2]
    assert [record.n for record in records] == list(range(1, len(records) + 1))
    said = ["The colour is blue.", "First answer.", "Tables, too.", "Second answer.", "with tables."]
    for form in get_args(ExportFormat):
        body = export(form, process, spec, records).content
        assert isinstance(body, bytes)
        # The last place: how it ended stands at the top, too.
        places = [body.decode().rfind(words) for words in said]
        assert -1 not in places, form
        assert places == sorted(places), form
        whole: Any = json.loads(body) if form != "text" else None
        if form == "notebook":
            nbformat.validate(nbformat.from_dict(whole))
