"""Control of an agent: taken by one person, which stops it at once; handed back, which lets it go on, told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.kernel.control import Control
from aether_jupyter.model.access import RUNTIME, Principal
from aether_jupyter.model.errors import ControlHeld, Forbidden, IllegalTransition, ProcessNotFound
from aether_jupyter.model.events import ControlReturned, ControlTaken, ToolEnded
from aether_jupyter.model.message import Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.process import Signal, State
from aether_jupyter.plugins import hookimpl
from tests.runtime.conftest import House, Ticks

ANA, BOB = Principal.person("ana"), Principal.person("bob")
OTHER = Principal(name="priya", owner="ana")
Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


class Slow(Ticks):
    """A tool that goes on until it is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.cut = False

    @hookimpl
    def register_tools(self, settings: Settings) -> list[object]:
        @tool(risk="safe")
        async def dig(ctx: ToolContext) -> str:
            """Dig."""
            self.begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cut = True
                raise
            return "dug"

        return [*super().register_tools(settings), dig]


@pytest.fixture
def ticks() -> Slow:
    return Slow()


@pytest.fixture
def control(house: House) -> Control:
    return house.app.takeovers._control  # type: ignore[attr-defined, no-any-return]


async def until(house: House, pid: int, state: State) -> Any:
    for _ in range(400):
        process = await house.app.processes.get(ANA, pid)
        if process.state is state:
            return process
        await asyncio.sleep(0.02)
    raise AssertionError(f"{process.state}, not {state}")


def digs(script: Script, heard: list[Sequence[Turn]]) -> str:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        heard.append(turns)
        return [ToolCall("d1", "dig", {})] if n == 0 else [Text("done")]

    return script("digger", play)


async def test_taking_control_stops_an_agent_in_the_middle_of_a_call(
    house: House, ticks: Slow, control: Control, script: Script
) -> None:
    heard: list[Sequence[Turn]] = []
    pid = (await house.spawn(digs(script, heard), tools=("dig",))).pid
    await asyncio.wait_for(ticks.begun.wait(), 20)
    began = asyncio.get_running_loop().time()
    taken = await control.take(ANA, pid)
    stopped = await until(house, pid, State.STOPPED)
    assert asyncio.get_running_loop().time() - began < 1.0
    assert ticks.cut
    assert (taken.control, stopped.control) == ("ana", "ana")
    records = await house.app.processes.records(ANA, pid, limit=100)
    ended = next(r.event for r in records if isinstance(r.event, ToolEnded))
    assert ended.outcome.error == "tool_interrupted"
    assert "took over" in ended.outcome.content
    # Nothing goes on meanwhile, whatever comes.
    await house.app.processes.send(ANA, pid, "hello?")
    with pytest.raises(ControlHeld, match="ana has control"):
        await house.app.processes.signal(ANA, pid, Signal.CONT)
    await asyncio.sleep(0.2)
    assert (await house.app.processes.get(ANA, pid)).state is State.STOPPED
    assert len(heard) == 1

    back = await control.give_back(ANA, pid, "I signed in.")
    assert back.control == ""
    done = await house.settled(pid)
    assert done.state is State.ZOMBIE
    said = [turn.text for turn in heard[-1] if isinstance(turn, UserTurn)]
    assert any(text.startswith("Message from ana") and text.endswith("I signed in.") for text in said)
    assert any("ana had control for" in text for text in said)
    assert [type(r.event).__name__ for r in records if isinstance(r.event, ControlTaken)] == ["ControlTaken"]


async def test_one_person_has_control_and_others_are_told_who(house: House, control: Control, script: Script) -> None:
    pid = (await house.spawn(digs(script, []), tools=("dig",))).pid
    await control.take(ANA, pid)
    assert (await control.take(ANA, pid)).control == "ana"
    for refused in (control.take(OTHER, pid), control.give_back(OTHER, pid)):
        with pytest.raises(ControlHeld, match="ana has control") as held:
            await refused
        assert held.value.details["holder"] == "ana"
    for stranger in (control.take(BOB, pid), control.give_back(BOB, pid), control.lease(BOB, pid)):
        with pytest.raises(ProcessNotFound):
            await stranger
    looks = Principal(name="vera", owner="ana", scopes=frozenset({"processes:read", "displays:view"}))
    for beyond in (control.take(looks, pid), control.take(Principal.agent(pid, "ana"), pid)):
        with pytest.raises(Forbidden):
            await beyond
    await control.give_back(ANA, pid)
    with pytest.raises(IllegalTransition, match="it has it itself"):
        await control.give_back(ANA, pid)
    assert (await control.take(OTHER, pid)).control == "priya"
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_who_was_paused_before_stays_so(house: House, control: Control, script: Script) -> None:
    pid = (await house.spawn(digs(script, []), tools=("dig",))).pid
    await house.app.processes.signal(ANA, pid, Signal.STOP)
    await until(house, pid, State.STOPPED)
    await control.take(ANA, pid)
    assert (await control.give_back(ANA, pid)).state is State.STOPPED
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_a_lease_ends_when_its_holder_is_gone(
    house: House, control: Control, script: Script, settings: Settings
) -> None:
    pid = (await house.spawn(digs(script, []), tools=("dig",))).pid
    await control.take(ANA, pid)
    lease = await control.lease(ANA, pid)
    assert lease is not None
    await control.seen(RUNTIME, [pid])
    assert not await control.lapse(RUNTIME, pid, lease.seen_at)
    later = await control.lease(ANA, pid)
    assert later is not None
    assert later.seen_at >= lease.seen_at
    assert await control.lapse(RUNTIME, pid, later.seen_at + 1)
    assert await control.leases() == []
    process = await house.app.processes.get(ANA, pid)
    assert process.control == ""
    assert process.state is not State.STOPPED
    records = await house.app.processes.records(ANA, pid, limit=100)
    assert [r.event.why for r in records if isinstance(r.event, ControlReturned)] == ["gone"]
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_an_end_takes_the_lease_with_it(house: House, control: Control, script: Script) -> None:
    pid = (await house.spawn(digs(script, []), tools=("dig",))).pid
    await control.take(ANA, pid)
    ended = await house.app.processes.signal(ANA, pid, Signal.KILL)
    assert ended.control == ""
    assert await control.leases() == []
    with pytest.raises(IllegalTransition, match="nothing to take over"):
        await control.take(ANA, pid)
