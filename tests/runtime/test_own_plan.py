"""Agents that plan: what they write is in their journal and before their model, and goes together with other hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.engine.context import plan_section
from aether_jupyter.kernel.processes import Processes
from aether_jupyter.model.access import Principal
from aether_jupyter.model.events import Event, PlanChanged, ToolEnded
from aether_jupyter.model.message import Part, Text, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.plan import Plan, outline, parse_plan
from aether_jupyter.model.tool import Decision

ANA = Principal.person("ana")
Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]
TOOLS = ("create_plan", "update_plan", "get_plan", "tick", "spawn_agent", "wait_agent")


def update(number: str, status: str, **more: Any) -> ToolCall:
    return ToolCall("", "update_plan", {"step": number, "status": status, **more})


async def events(house: Any, pid: int) -> list[Event]:
    return [record.event for record in await house.app.processes.records(ANA, pid, limit=1000)]


async def test_the_plan_is_before_the_model_as_it_stands_and_only_once(house: Any, script: Script) -> None:
    seen: list[list[str]] = []

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        seen.append([turn.text for turn in turns if isinstance(turn, UserTurn)])
        if n == 0:
            return [ToolCall("", "create_plan", {"outline": "- [~] read\n- [ ] write"})]
        return [update("1", "done")] if n == 1 else [Text("done")]

    p = await house.run(script("planner", play), tools=TOOLS)
    assert p.exit.code == 0
    assert seen[0] == ["do it"]
    assert seen[1] == ["do it", plan_section(parse_plan("- [~] read\n- [ ] write"))]
    assert seen[2] == ["do it", plan_section(parse_plan("- [x] read\n- [ ] write"))]
    assert (p.plan_done, p.plan_steps) == (1, 2)


async def test_a_change_is_committed_with_the_end_of_its_call(
    house: Any, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[type[Event]]] = []
    append = Processes.append

    def noting(self: Any, tx: Any, row: Any, actor: str, batch: Sequence[Event], **options: Any) -> Any:
        batches.append([type(event) for event in batch])
        return append(self, tx, row, actor, batch, **options)

    monkeypatch.setattr(Processes, "append", noting)
    made = [ToolCall("", "create_plan", {"outline": "- a"})]
    await house.run(script("once", lambda n, turns: [Text("done")] if n else made), tools=TOOLS)
    assert next(batch for batch in batches if PlanChanged in batch)[:2] == [ToolEnded, PlanChanged]


async def test_calls_side_by_side_change_it_in_their_order(house: Any, script: Script) -> None:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        made = ToolCall("", "create_plan", {"outline": "- a\n- b\n- c"})
        return [Text("done")] if n else [made, update("1", "done"), update("2", "done"), update("9", "done")]

    p = await house.run(script("many", play), tools=TOOLS)
    found = await house.app.plans.get(ANA, p.pid)
    assert found.outline == "- [x] a\n- [x] b\n- [ ] c"
    ended = [event for event in await events(house, p.pid) if isinstance(event, ToolEnded)]
    assert sorted(event.outcome.ok for event in ended) == [False, True, True, True]


async def test_what_a_person_changed_in_the_same_moment_is_kept_and_told(
    house: Any, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    record = Processes.record
    meanwhile = [parse_plan("- [ ] a\n- [ ] b\n- [ ] show it to Ana")]

    async def late(self: Any, actor: Any, claim: Any, known: int, batch: Sequence[Event], *more: Any) -> Any:
        if any(isinstance(e, PlanChanged) and e.plan.steps[0].status == "x" for e in batch) and meanwhile:
            await house.app.plans.change(ANA, claim.pid, meanwhile.pop())
        return await record(self, actor, claim, known, batch, *more)

    monkeypatch.setattr(Processes, "record", late)

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        told.extend(turn.text for turn in turns if isinstance(turn, UserTurn) and turn.text.startswith("ana"))
        return [[ToolCall("", "create_plan", {"outline": "- a\n- b"})], [update("1", "done")], [Text("done")]][n]

    p = await house.run(script("both", play), tools=TOOLS)
    assert (await house.app.plans.get(ANA, p.pid)).outline == "- [x] a\n- [ ] b\n- [ ] show it to Ana"
    assert told == ["ana changed your plan: 3 added: show it to Ana"]
    by = [event.by for event in await events(house, p.pid) if isinstance(event, PlanChanged)]
    assert by == ["agent", "ana", "agent"]
    # What the run folded is what the journal holds.
    assert (await house.app.processes.get(ANA, p.pid)).head == len(await events(house, p.pid))


async def test_a_change_of_what_a_person_took_away_is_dropped(
    house: Any, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Processes.record
    meanwhile = [Plan()]

    async def late(self: Any, actor: Any, claim: Any, known: int, batch: Sequence[Event], *more: Any) -> Any:
        if any(isinstance(e, PlanChanged) and e.plan.steps[0].status == "x" for e in batch) and meanwhile:
            await house.app.plans.change(ANA, claim.pid, meanwhile.pop())
        return await record(self, actor, claim, known, batch, *more)

    monkeypatch.setattr(Processes, "record", late)

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [[ToolCall("", "create_plan", {"outline": "- a"})], [update("1", "done")], [Text("done")]][n]

    p = await house.run(script("gone", play), tools=TOOLS)
    assert p.exit.code == 0
    assert (await house.app.plans.get(ANA, p.pid)).outline == ""


async def test_a_step_given_to_a_child_is_done_when_the_child_is(house: Any, script: Script) -> None:
    helper = script("helper", lambda n, turns: [Text("found it")])

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n == 0:
            return [
                ToolCall("", "create_plan", {"outline": "- read\n- write"}),
                ToolCall("", "spawn_agent", {"goal": "read", "model": helper}),
            ]
        words = " ".join(turn.content for turn in turns if isinstance(turn, ToolTurn))
        child = int(words.split("Started agent ")[1].split(".")[0])
        if n == 1:
            return [update("1", "doing", agent=child), update("2", "open", agent=child + 1000)]
        return [ToolCall("", "wait_agent", {"pid": child, "timeout_s": 30})] if n == 2 else [Text("done")]

    p = await house.run(script("giver", play), tools=TOOLS, mode="autonomous")
    assert p.exit.code == 0, p.exit
    found = await house.app.plans.get(ANA, p.pid)
    child = found.plan.steps[0].pid
    assert outline(found.plan) == f"- [x] read (agent {child})\n- [ ] write"
    refused = [e.outcome.content for e in await events(house, p.pid) if isinstance(e, ToolEnded) and not e.outcome.ok]
    assert len(refused) == 1
    assert "No process" in refused[0]


async def test_a_child_that_had_ended_when_it_was_given_a_step_is_followed_at_once(house: Any, script: Script) -> None:
    helper = script("helper", lambda n, turns: [Text("found it")])

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        words = " ".join(turn.content for turn in turns if isinstance(turn, ToolTurn))
        if n == 0:
            return [ToolCall("", "spawn_agent", {"goal": "read", "model": helper})]
        child = int(words.split("Started agent ")[1].split(".")[0])
        if n == 1:
            return [ToolCall("", "wait_agent", {"pid": child, "timeout_s": 30})]
        if n == 2:
            return [ToolCall("", "create_plan", {"outline": f"- read (agent {child})"})]
        return [ToolCall("", "get_plan", {})] if n == 3 else [Text(words)]

    p = await house.run(script("late", play), tools=TOOLS, mode="autonomous")
    assert "1 [x] read (agent" in p.exit.message


async def test_a_restart_goes_on_with_the_plan(house: Any, script: Script) -> None:
    sections: list[str] = []

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        sections.append(next((t.text for t in turns if isinstance(t, UserTurn) and t.text.startswith("Your plan")), ""))
        if n == 0:
            return [ToolCall("", "create_plan", {"outline": "- a"})]
        return [ToolCall("", "ask_person", {"question": "go on?"})] if n == 1 else [Text("done")]

    model = script("waits", play)
    p = await house.run(model, tools=(*TOOLS, "ask_person"))
    [approval] = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="answer", answer="yes"))
    await house.settled(p.pid)
    # Another claim folded the journal anew.
    assert sections == ["", *[plan_section(parse_plan("- a"))] * 2]
