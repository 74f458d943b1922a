"""Control goes back to the agent whatever its desktop or browser does, and whoever else has control of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aether_jupyter.config import Settings
from aether_jupyter.model.events import ControlReturned
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.process import Signal, State
from aether_jupyter.runtime import takeover
from aether_jupyter.runtime.takeover import Look, Takeovers
from tests.runtime.conftest import ANA, House

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "aether", durability="NORMAL", control_grace_s=0.2)


@pytest.fixture
def takeovers(house: House) -> Takeovers:
    assert isinstance(house.app.takeovers, Takeovers)
    return house.app.takeovers


def waits(script: Script) -> str:
    """An agent that asks a person and waits."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall("q", "ask_person", {"question": "Which one?"})] if n == 0 else [Text("done")]

    return script("waits", play)


async def until(found: Callable[[], Any], seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (answer := await found()):
            await asyncio.sleep(0.02)
        return answer


async def waiting(house: House, model: str) -> int:
    pid = (await house.spawn(model)).pid

    async def there() -> bool:
        return (await house.app.processes.get(ANA, pid)).state is State.WAITING

    await until(there)
    return pid


async def returned(house: House, pid: int) -> ControlReturned | None:
    records = await house.app.processes.records(ANA, pid, limit=200)
    return next((r.event for r in records if isinstance(r.event, ControlReturned)), None)


async def test_a_stage_that_does_not_answer_holds_up_no_other_lease(
    house: House, takeovers: Takeovers, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = waits(script)
    frozen, free = await waiting(house, model), await waiting(house, model)
    for pid in (frozen, free):
        await takeovers.take(ANA, pid)
    monkeypatch.setattr(takeover, "LOOK_S", 3600.0)
    looked = asyncio.Event()

    async def look(pid: int) -> Look | None:
        if pid == frozen:
            looked.set()
            await asyncio.Event().wait()
        return None

    monkeypatch.setattr(house.app.displays, "look", look)
    async with asyncio.timeout(15):
        await looked.wait()
    assert await until(lambda: returned(house, free))
    assert await returned(house, frozen) is None
    for pid in (frozen, free):
        await house.app.processes.signal(ANA, pid, Signal.KILL)


@pytest.mark.parametrize("trouble", ["it hangs", "it fails"])
async def test_control_of_somebody_gone_goes_back_though_a_stage_cannot_be_seen(
    house: House, takeovers: Takeovers, script: Script, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(takeover, "LOOK_S", 0.1)
    pid = await waiting(house, waits(script))
    await takeovers.take(ANA, pid)

    async def look(pid: int) -> Look | None:
        if trouble == "it hangs":
            await asyncio.Event().wait()
        raise RuntimeError("a picture of nothing")

    monkeypatch.setattr(house.app.displays, "look", look)
    event = await until(lambda: returned(house, pid))
    assert event.why == "gone"
    assert [(scene.stage, scene.unseen) for scene in event.turn.scenes] == [("desktop", True)]
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_handing_back_does_not_wait_for_a_stage_that_does_not_answer(
    house: House, takeovers: Takeovers, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "LOOK_S", 0.1)

    async def look(pid: int) -> Look | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(house.app.displays, "look", look)
    pid = await waiting(house, waits(script))
    async with asyncio.timeout(5):
        await takeovers.take(ANA, pid)
        assert (await takeovers.give_back(ANA, pid, "I signed in.")).holder == ""
    event = await returned(house, pid)
    assert event is not None
    assert [(scene.stage, scene.unseen) for scene in event.turn.scenes] == [("desktop", True)]
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_leases_are_looked_after_again_when_that_has_failed(
    house: House, takeovers: Takeovers, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, failed = takeovers._control, asyncio.Event()
    leases = control.leases

    async def fail() -> NoReturn:
        failed.set()
        monkeypatch.setattr(control, "leases", leases)
        raise RuntimeError("a bug")

    monkeypatch.setattr(control, "leases", fail)
    pid = await waiting(house, waits(script))
    await takeovers.take(ANA, pid)
    async with asyncio.timeout(15):
        await failed.wait()
    assert (await until(lambda: returned(house, pid))).why == "gone"
    await house.app.processes.signal(ANA, pid, Signal.KILL)
