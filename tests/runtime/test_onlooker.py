"""Another model looks for an agent whose own takes no images: permitted, paid for, in the journal, and cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.abc import Availability, ModelInfo
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.events import AuxiliaryAnswered, AuxiliaryRequested, ToolEnded
from aether_jupyter.model.message import Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.permission import parse_permission
from aether_jupyter.model.process import Signal
from aether_jupyter.plugins import hookimpl
from aether_jupyter.providers import scripted

from ..drawn import drawn
from .conftest import ANA, House, Ticks

LOOKS = "scripted:onlooker"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "aether", durability="NORMAL", seeing_models=(LOOKS,))


def blind(calls: int = 1) -> str:
    """A model that takes no images, and calls the tool so often in its first step."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n == 0:
            return [ToolCall(f"a{c}", "analyze_image", {"image": f"{c}.png", "question": "Say."}) for c in range(calls)]
        return [Text("done")]

    scripted.register(f"blind-{calls}", play)
    return f"scripted:blind-{calls}"


def onlooker(play: Callable[[int, Sequence[Turn]], Sequence[Part]], pace_s: float = 0.0) -> None:
    scripted.register("onlooker", play, sees=True, pace_s=pace_s)


async def run(house: House, model: str, **fields: Any) -> tuple[int, list[Any]]:
    calls = int(model.rpartition("-")[2])
    spec = AgentSpec(goal="look", model=model, tools=("analyze_image",), **fields)
    process = await house.app.processes.spawn(ANA, spec)
    home = house.app.settings.homes / str(process.pid)
    home.mkdir(parents=True, exist_ok=True)
    for n, colour in enumerate(("teal", "gold", "plum", "navy")[:calls]):
        (home / f"{n}.png").write_bytes(drawn(colour))
    await house.settled(process.pid)
    return process.pid, [record.event for record in await house.app.processes.records(ANA, process.pid, limit=1000)]


def of(events: Sequence[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_it_looks_and_is_charged_and_the_journal_tells(house: House) -> None:
    shown: list[Turn] = []
    onlooker(lambda n, turns: shown.extend(turns) or [Text("A teal box.")])
    _, events = await run(house, blind())
    [turn] = shown
    assert isinstance(turn, UserTurn)
    assert turn.text.startswith("Say.")
    assert len(turn.images) == 1
    [ended] = of(events, ToolEnded)
    assert "A teal box." in ended.outcome.content
    assert len(ended.outcome.images) == 1
    [requested], [answered] = of(events, AuxiliaryRequested), of(events, AuxiliaryAnswered)
    assert (requested.purpose, requested.model, answered.purpose, answered.model) == ("vision", LOOKS, "vision", LOOKS)
    assert requested.reserved_tokens > 1000
    assert answered.usage.output_tokens > 0
    assert events.index(requested) < events.index(answered) < events.index(ended)


async def test_calls_side_by_side_each_have_their_look_and_nothing_of_the_journal_is_lost(house: House) -> None:
    onlooker(lambda n, turns: [Text("A box.")], pace_s=0.05)
    pid, events = await run(house, blind(4))
    assert len(of(events, ToolEnded)) == 4
    assert all("A box." in each.outcome.content for each in of(events, ToolEnded))
    kinds = [type(each) for each in events if isinstance(each, AuxiliaryRequested | AuxiliaryAnswered)]
    assert kinds == [AuxiliaryRequested, AuxiliaryAnswered] * 4
    process = await house.app.processes.get(ANA, pid)
    assert process.reserved_tokens == 0
    assert process.exit is not None
    assert process.exit.code == 0


async def test_whom_permissions_forbid_is_not_asked(house: House) -> None:
    onlooker(lambda n, turns: pytest.fail("it was asked"))
    _, events = await run(house, blind(), permissions=(parse_permission(f"deny model={LOOKS}"),))
    assert not of(events, AuxiliaryRequested)
    [ended] = of(events, ToolEnded)
    assert ended.outcome.content.startswith("Nobody saw this image")


async def test_without_enough_left_nobody_is_asked(house: House) -> None:
    onlooker(lambda n, turns: pytest.fail("it was asked"))
    _, events = await run(house, blind(), limits=Limits(tokens=1_100), max_output_tokens=100)
    assert not of(events, AuxiliaryRequested)
    [ended] = of(events, ToolEnded)
    assert "tokens" in ended.outcome.content


async def test_one_that_fails_is_told_of_and_a_program_says_what_it_can(house: House) -> None:
    def fails(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        raise RuntimeError("broken")

    onlooker(fails)
    _, events = await run(house, blind())
    [answered] = of(events, AuxiliaryAnswered)
    assert answered.error
    [ended] = of(events, ToolEnded)
    assert ended.outcome.content.startswith("Nobody saw this image")


class Slow:
    """A provider whose one model sees, and never comes to an end."""

    prefix = "slow"
    short = serial = False

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    def models(self) -> list[ModelInfo]:
        return []

    def info(self, name: str) -> ModelInfo:
        return ModelInfo(f"slow:{name}", "Slow", Availability(True), 1.0, 1.0, sees=True)

    async def create(self, name: str, progress: Any) -> Any:
        from aether_jupyter.providers.spoken import SpokenModel

        begun = self.begun

        class Model(SpokenModel):
            async def speak(self, *given: Any) -> Any:
                begun.set()
                await asyncio.sleep(60)

        return Model("slow", name)

    async def close(self) -> None:
        pass


class Slowly(Ticks):
    def __init__(self) -> None:
        super().__init__()
        self.provider = Slow()

    @hookimpl
    def register_models(self, settings: Settings) -> list[Any]:
        return [self.provider]


async def test_an_interruption_cuts_the_look_off_and_charges_what_was_reserved(
    jp_asyncio_loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    slowly = Slowly()
    settings = Settings(home=tmp_path / "other", durability="NORMAL", seeing_models=("slow:model",))
    async with open_app(settings, plugins=[slowly]) as app:
        house = House(app, slowly)
        spec = AgentSpec(goal="look", model=blind(), tools=("analyze_image",))
        process = await app.processes.spawn(ANA, spec)
        home = settings.homes / str(process.pid)
        home.mkdir(parents=True, exist_ok=True)
        (home / "0.png").write_bytes(drawn())
        async with asyncio.timeout(20):
            await slowly.provider.begun.wait()
        assert (await app.processes.get(ANA, process.pid)).reserved_tokens > 0
        await app.processes.signal(ANA, process.pid, Signal.INT)
        await house.settled(process.pid)
        events = [record.event for record in await app.processes.records(ANA, process.pid, limit=1000)]
        found = await app.processes.get(ANA, process.pid)
        [answered] = of(events, AuxiliaryAnswered)
        assert answered.error == "model_interrupted"
        assert answered.cost_usd > 0
        assert found.reserved_tokens == 0
        assert found.cost_usd == answered.cost_usd
