"""What comes at the wrong moment – a signal, a decision, a fault – is neither lost nor does it stop anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.declare import tool
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import Mode
from aether_jupyter.model.events import StateChanged, ToolEnded, ToolStarted
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.tool import Decision
from aether_jupyter.plugins import hookimpl

ANA = Principal.person("ana")
Script = Callable[..., str]


class Ticks:
    """Tools that behave badly; `pause` waits until the test lets it go."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    @hookimpl
    def register_tools(self, settings: Any) -> list[object]:
        @tool(risk="safe")
        async def vanish(ctx: ToolContext) -> str:
            """Cancel itself."""
            raise asyncio.CancelledError

        @tool(risk="safe")
        async def pause(ctx: ToolContext) -> str:
            """Wait."""
            self.seen.append("pause")
            self.begun.set()
            await self.go.wait()
            return "waited"

        @tool(risk="execute")
        async def risky(ctx: ToolContext, word: str) -> str:
            """Do something.

            Args:
                word: The word.
            """
            self.seen.append(word)
            self.begun.set()
            if word == "slow":
                await self.go.wait()
            return word

        return [vanish, pause, risky]


@pytest.fixture
def ticks(jp_asyncio_loop: Any) -> Ticks:
    return Ticks()


@contextmanager
def before_it_concludes(house: Any, deed: Callable[[int], Awaitable[Any]]) -> Any:
    """Do something once, just before the first conclusion of any agent is written."""
    record, done = house.app.processes.record, False

    async def late(actor: Any, claim: Any, known: int, events: Any, conclusion: Any = (), *more: Any) -> Any:
        nonlocal done
        if conclusion and not done:
            done = True
            await deed(claim.pid)
        return await record(actor, claim, known, events, conclusion, *more)

    house.app.processes.record = late
    try:
        yield
    finally:
        del house.app.processes.record


async def becomes(house: Any, pid: int, state: State) -> None:
    async with asyncio.timeout(10):
        while (await house.app.processes.get(ANA, pid)).state is not state:
            await asyncio.sleep(0.02)


async def test_an_end_or_pause_that_comes_as_it_begins_to_wait_is_obeyed(house: Any, script: Script) -> None:
    model = script("asks", lambda n, turns: [ToolCall("", "risky", {"word": "x"})])

    async def end(pid: int) -> None:
        await house.app.processes.signal(ANA, pid, Signal.TERM)

    async def pause(pid: int) -> None:
        await house.app.processes.signal(ANA, pid, Signal.STOP)

    with before_it_concludes(house, end):
        assert (await house.run(model)).exit.reason == "terminated"
    with before_it_concludes(house, pause):
        paused = await house.spawn(model)
        await becomes(house, paused.pid, State.STOPPED)
    await house.app.processes.signal(ANA, paused.pid, Signal.CONT)
    assert (await house.settled(paused.pid)).wait.kind == "approval"


async def test_a_continue_that_comes_as_it_stops_is_not_lost(house: Any, script: Script, ticks: Ticks) -> None:
    model = script("pauses", lambda n, turns: [ToolCall("", "pause", {})] if n == 0 else [Text("done")])

    async def go_on(pid: int) -> None:
        await house.app.processes.signal(ANA, pid, Signal.CONT)

    agent = await house.spawn(model, tools=("pause",))
    await ticks.begun.wait()
    await house.app.processes.signal(ANA, agent.pid, Signal.STOP)
    with before_it_concludes(house, go_on):
        ticks.go.set()
        assert (await house.settled(agent.pid)).exit.message == "done"


async def test_a_decision_that_comes_while_another_call_runs_is_not_slept_through(
    house: Any, script: Script, ticks: Ticks
) -> None:
    calls = [ToolCall("a", "risky", {"word": "slow"}), ToolCall("b", "risky", {"word": "quick"})]
    model = script("two", lambda n, turns: calls if n == 0 else [Text("done")])
    agent = await house.run(model, tools=("risky",))
    assert agent.state is State.WAITING
    approvals = {a.call.id: a.id for a in await house.app.approvals.list(ANA)}
    await house.app.approvals.decide(ANA, approvals["a"], Decision(verdict="approve"))
    await ticks.begun.wait()
    await house.app.approvals.decide(ANA, approvals["b"], Decision(verdict="approve"))
    ticks.go.set()
    async with asyncio.timeout(10):
        while (ended := await house.app.processes.get(ANA, agent.pid)).state is not State.ZOMBIE:
            await asyncio.sleep(0.02)
    assert ended.exit.code == 0
    assert ticks.seen == ["slow", "quick"]


async def test_an_interruption_between_the_commit_and_the_call_cuts_the_call_off(
    house: Any, script: Script, ticks: Ticks
) -> None:
    model = script("pauses", lambda n, turns: [ToolCall("", "pause", {})])
    record = house.app.processes.record

    async def early(actor: Any, claim: Any, known: int, events: Any, conclusion: Any = (), *more: Any) -> Any:
        recorded = await record(actor, claim, known, events, conclusion, *more)
        if any(isinstance(event, ToolStarted) for event in events):
            await house.app.processes.signal(ANA, claim.pid, Signal.INT)
            await asyncio.sleep(0.1)
        return recorded

    house.app.processes.record = early
    try:
        agent = await house.run(model, tools=("pause",))
    finally:
        del house.app.processes.record
    assert agent.wait.kind == "message"
    assert ticks.seen == []
    ended = [r.event for r in await house.app.processes.records(ANA, agent.pid) if isinstance(r.event, ToolEnded)]
    assert [event.outcome.error for event in ended] == ["tool_interrupted"]


async def test_a_tool_that_cancels_itself_leaves_no_agent_running_for_ever(house: Any, script: Script) -> None:
    agent = await house.run(script("vanishes", lambda n, turns: [ToolCall("", "vanish", {})]), tools=("vanish",))
    assert agent.exit.code == 1


async def test_an_approval_for_other_arguments_ends_the_agent_and_runs_nothing(
    house: Any, script: Script, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await house.run(script("asks", lambda n, turns: [ToolCall("", "risky", {"word": "x"})]))
    monkeypatch.setattr("aether_jupyter.engine.policy.digest", lambda *_: "another")
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))
    async with asyncio.timeout(10):
        while (ended := await house.app.processes.get(ANA, agent.pid)).state is not State.ZOMBIE:
            await asyncio.sleep(0.02)
    assert ended.exit.error == "approval_mismatch"
    assert ticks.seen == []


async def test_a_chore_that_fails_ends_no_agent(
    house: Any, script: Script, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def broken(*_: Any) -> Any:
        failed.set()
        raise RuntimeError("a fault")

    model = script("pauses", lambda n, turns: [ToolCall("", "pause", {})] if n == 0 else [Text("done")])
    agent = await house.spawn(model, tools=("pause",))
    await ticks.begun.wait()
    monkeypatch.setattr(house.app.processes, "steal", broken)
    monkeypatch.setattr(house.app.processes, "claim", broken)
    await failed.wait()
    await asyncio.sleep(0.1)
    monkeypatch.undo()
    ticks.go.set()
    assert (await house.settled(agent.pid)).exit.message == "done"
    records = await house.app.processes.records(ANA, agent.pid)
    moves = [r.event.state for r in records if isinstance(r.event, StateChanged)]
    assert moves == [State.RUNNING]


async def test_an_agent_whose_events_cannot_be_written_ends_and_hinders_nobody(
    house: Any, script: Script, ticks: Ticks
) -> None:
    record = house.app.processes.record
    model = script("pauses", lambda n, turns: [ToolCall("", "pause", {})] if n == 0 else [Text("done")])
    other = await house.spawn(model, tools=("pause",))
    await ticks.begun.wait()

    async def broken(actor: Any, claim: Any, known: int, events: Any, conclusion: Any = (), *more: Any) -> Any:
        if claim.pid != other.pid and known < 1_000_000:
            raise ValueError("what others appended cannot be read")
        return await record(actor, claim, known, events, conclusion, *more)

    house.app.processes.record = broken
    try:
        agent = await house.run("scripted:hello", mode=Mode.AUTONOMOUS)
    finally:
        del house.app.processes.record
    assert agent.exit.code == 1
    ticks.go.set()
    assert (await house.settled(other.pid)).exit.code == 0
