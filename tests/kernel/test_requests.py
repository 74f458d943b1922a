"""Requests between agents: answered, refused, timed out or closed by the kernel, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.model.access import Principal
from aether_jupyter.model.errors import AlreadyDecided, BadRequest, IllegalTransition, ProcessNotFound, RequestNotFound
from aether_jupyter.model.events import MessageSent, RequestMoved
from aether_jupyter.model.message import Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.process import Process, Signal, State
from aether_jupyter.providers import scripted

ANA, BOB = Principal.person("ana"), Principal.person("bob")
TOOLS = ("ask_agent", "answer_request", "list_requests", "send_message", "broadcast", "tick")
Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


def heard(turns: Sequence[Turn], words: str) -> str | None:
    """The newest message that holds these words."""
    return next((t.text for t in reversed(turns) if isinstance(t, UserTurn) and words in t.text), None)


def asks(script: Script, receiver: Callable[[], int], **options: Any) -> str:
    """A model that asks another agent, says that it is done, and repeats what it is told about the request."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n == 0:
            return [ToolCall("", "ask_agent", {"to": receiver(), "text": "count the stars", **options})]
        told = heard(turns, "(task_") or heard(turns, "(review_")
        return [Text(f"told: {told}" if told else "I wait.")]

    return script("asker", play)


def idle(
    script: Script, name: str = "idler", after: Callable[[int, Sequence[Turn]], Sequence[Part]] | None = None
) -> str:
    """A model that works on something long until it was asked, and then does `after`."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if heard(turns, "(task ") is None and heard(turns, "(review ") is None:
            return [ToolCall("", "run_command", {"command": "sleep 0.05"})]
        return after(n, turns) if after else [ToolCall("", "run_command", {"command": f"sleep 0.1; echo {n}"})]

    return script(name, play)


def request_in(turns: Sequence[Turn]) -> str:
    told = heard(turns, "(task ") or heard(turns, "(review ")
    assert told is not None
    return told.split("(", 1)[1].split(" ", 1)[1].split(")", 1)[0]


async def until(check: Callable[[], Any], timeout_s: float = 40) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):
            await asyncio.sleep(0.02)
        return found


async def spawn(house: Any, model: str, **fields: Any) -> Process:
    return await house.spawn(model, tools=(*TOOLS, "run_command"), mode="autonomous", **fields)


async def messages(house: Any, pid: int) -> list[MessageSent]:
    records = await house.app.processes.records(ANA, pid, limit=1000)
    return [r.event for r in records if isinstance(r.event, MessageSent)]


async def moves(house: Any, pid: int) -> list[str]:
    records = await house.app.processes.records(ANA, pid, limit=1000)
    return [r.event.status for r in records if isinstance(r.event, RequestMoved)]


async def test_an_asker_waits_without_a_slot_and_goes_on_with_the_answer(house: Any, script: Script) -> None:
    def work(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        request = request_in(turns)
        done = sum(not isinstance(t, UserTurn) and "Request" in str(t) for t in turns)
        if done == 0:
            return [ToolCall("", "answer_request", {"request": request, "verdict": "accept"})]
        if not heard(turns, "go"):
            return [ToolCall("", "run_command", {"command": f"sleep 0.2; echo {n}"})]
        if done < 2 or "answered" not in str(turns):
            return [ToolCall("", "answer_request", {"request": request, "verdict": "answer", "text": "42 stars"})]
        return [Text("done")]

    worker = await spawn(house, idle(script, after=work))
    asker = await spawn(house, asks(script, lambda: worker.pid))
    waits = await until(lambda: _waiting(house, asker.pid))
    assert f"agent {worker.pid}" in waits.wait.detail
    assert not waits.needs_person
    (request,) = await house.app.requests.list(ANA, worker.pid)
    await until(lambda: _status(house, worker.pid, "accepted"))
    await house.app.processes.send(ANA, worker.pid, "go")
    ended = await house.settled(asker.pid)
    assert ended.exit.message == f"told: Message from agent:{worker.pid} (task_answered {request.id}): 42 stars"
    assert await moves(house, asker.pid) == ["accepted", "answered"]
    assert await moves(house, worker.pid) == ["accepted", "answered"]
    assert await house.app.requests.list(ANA, worker.pid) == []


async def _waiting(house: Any, pid: int) -> Process | None:
    process = await house.app.processes.get(ANA, pid)
    return process if process.state is State.WAITING and process.wait.kind == "agent" else None


async def _status(house: Any, pid: int, status: str) -> bool:
    return any(r.status == status for r in await house.app.requests.list(ANA, pid))


async def test_a_refusal_comes_with_its_reason(house: Any, script: Script) -> None:
    def refuse(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if "refused" in str(turns):
            return [Text("no")]
        arguments = {"request": request_in(turns), "verdict": "refuse", "text": "the sky is cloudy"}
        return [ToolCall("", "answer_request", arguments)]

    worker = await spawn(house, idle(script, after=refuse))
    asker = await house.settled((await spawn(house, asks(script, lambda: worker.pid, kind="review"))).pid)
    assert "(review_refused " in asker.exit.message
    assert "cloudy" in asker.exit.message


async def test_what_nobody_answers_times_out_for_both_sides(house: Any, script: Script) -> None:
    worker = await spawn(house, idle(script))
    asker = await house.settled((await spawn(house, asks(script, lambda: worker.pid, timeout_s=1))).pid)
    assert "(task_timed_out " in asker.exit.message
    told = await messages(house, worker.pid)
    assert [m.kind for m in told] == ["task", "task_timed_out"]
    late = Principal.agent(worker.pid, "ana")
    with pytest.raises(AlreadyDecided, match="time ran out"):
        await house.app.requests.answer(late, told[0].correlation, "answer", "42")
    await house.app.processes.signal(ANA, worker.pid, Signal.KILL)


async def test_last_words_answer_what_was_asked(house: Any, script: Script) -> None:
    worker = await spawn(house, idle(script, after=lambda n, turns: [Text("there are 43")]))
    asker = await house.settled((await spawn(house, asks(script, lambda: worker.pid))).pid)
    assert "(task_answered " in asker.exit.message
    assert "there are 43" in asker.exit.message


async def test_an_asked_agent_that_is_killed_leaves_nobody_waiting(house: Any, script: Script) -> None:
    worker = await spawn(house, idle(script))
    asker = await spawn(house, asks(script, lambda: worker.pid))
    await until(lambda: _waiting(house, asker.pid))
    await house.app.processes.signal(ANA, worker.pid, Signal.KILL)
    ended = await house.settled(asker.pid)
    assert "(task_abandoned " in ended.exit.message
    assert "Killed" in ended.exit.message


async def test_an_asker_that_ends_withdraws_its_request(house: Any, script: Script) -> None:
    worker = await spawn(house, idle(script))
    asker = await spawn(house, asks(script, lambda: worker.pid))
    await until(lambda: _waiting(house, asker.pid))
    await house.app.processes.signal(ANA, asker.pid, Signal.KILL)
    assert [m.kind for m in await messages(house, worker.pid)] == ["task", "task_withdrawn"]
    assert await house.app.requests.list(ANA, worker.pid) == []
    await house.app.processes.signal(ANA, worker.pid, Signal.KILL)


async def test_an_answer_that_comes_while_the_asker_is_stopped_is_there_when_it_goes_on(
    house: Any, script: Script
) -> None:
    worker = await spawn(house, idle(script))
    asker = await spawn(house, asks(script, lambda: worker.pid))
    await until(lambda: _waiting(house, asker.pid))
    await house.app.processes.signal(ANA, asker.pid, Signal.STOP)
    await house.app.processes.signal(ANA, worker.pid, Signal.KILL)
    assert (await house.app.processes.get(ANA, asker.pid)).state is State.STOPPED
    await house.app.processes.signal(ANA, asker.pid, Signal.CONT)
    assert "(task_abandoned " in (await house.settled(asker.pid)).exit.message


async def test_only_the_agent_that_was_asked_answers_and_only_within_one_owner(house: Any, script: Script) -> None:
    worker = await spawn(house, idle(script))
    asker = await spawn(house, asks(script, lambda: worker.pid))
    await until(lambda: _waiting(house, asker.pid))
    (request,) = await house.app.requests.list(ANA, worker.pid)
    for stranger in (ANA, Principal.agent(asker.pid, "ana"), Principal.agent(worker.pid, "bob")):
        with pytest.raises(RequestNotFound):
            await house.app.requests.answer(stranger, request.id, "answer", "42")
    foreign = await house.spawn("scripted:slow", actor=BOB)
    agent = Principal.agent(asker.pid, "ana")
    with pytest.raises(ProcessNotFound):
        await house.app.requests.open(agent, foreign.pid, "hello", kind="task", timeout_s=60)
    with pytest.raises(ProcessNotFound):
        await house.app.requests.list(BOB, worker.pid)
    with pytest.raises(BadRequest, match="itself"):
        await house.app.requests.open(agent, asker.pid, "hello", kind="task", timeout_s=60)
    with pytest.raises(BadRequest, match="Only agents"):
        await house.app.requests.open(ANA, worker.pid, "hello", kind="task", timeout_s=60)
    for pid in (worker.pid, asker.pid):
        await house.app.processes.signal(ANA, pid, Signal.KILL)
    with pytest.raises(IllegalTransition):
        await house.app.requests.open(agent, worker.pid, "hello", kind="task", timeout_s=60)


async def test_a_broadcast_reaches_the_living_family_and_nobody_else(house: Any, script: Script) -> None:
    root = await spawn(house, idle(script))
    children = [await house.app.processes.spawn(ANA, _spec(), parent=root.pid) for _ in range(3)]
    stranger = await spawn(house, "scripted:slow")
    await house.app.processes.signal(ANA, children[2].pid, Signal.KILL)
    told = await house.app.processes.broadcast(Principal.agent(children[0].pid, "ana"), "found it", kind="knowledge")
    assert sorted(told) == [root.pid, children[1].pid]
    assert (await messages(house, children[1].pid))[-1].kind == "knowledge"
    assert await messages(house, stranger.pid) == []
    for pid in (root.pid, children[0].pid, children[1].pid, stranger.pid):
        await house.app.processes.signal(ANA, pid, Signal.KILL)


def _spec() -> Any:
    from aether_jupyter.model.agent import AgentSpec

    return AgentSpec(goal="wait", model="scripted:slow", mode="autonomous")  # type: ignore[arg-type]


async def test_a_message_after_an_interruption_is_read_at_once(house: Any, script: Script) -> None:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if heard(turns, "something else"):
            return [Text("so be it")]
        return [ToolCall("", "run_command", {"command": "sleep 20"})]

    agent = await spawn(house, script("stubborn", play))
    await until(lambda: _running_tool(house, agent.pid))
    await house.app.processes.send(ANA, agent.pid, "do something else", interrupt=True)
    assert (await house.settled(agent.pid, timeout_s=8)).exit.message == "so be it"


async def _running_tool(house: Any, pid: int) -> bool:
    return "ToolStarted" in await house.kinds(pid)


async def test_a_message_that_comes_as_the_agent_ends_is_read_before_it_ends(house: Any, script: Script) -> None:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [Text("heard" if heard(turns, "wait for me") else "done")]

    record, sent = house.app.processes.record, False

    async def late(actor: Any, claim: Any, known: int, events: Any, conclusion: Any = (), *more: Any) -> Any:
        nonlocal sent
        if conclusion and not sent:
            sent = True
            await house.app.processes.send(ANA, claim.pid, "wait for me")
        return await record(actor, claim, known, events, conclusion, *more)

    house.app.processes.record = late
    try:
        assert (await house.run(script("leaving", play))).exit.message == "heard"
    finally:
        del house.app.processes.record
    assert scripted is not None
