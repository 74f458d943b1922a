"""A whole app on scripted models, real SQLite and a tool that only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.message import Part, Turn
from aether_jupyter.model.process import Process
from aether_jupyter.plugins import hookimpl
from aether_jupyter.providers import scripted

ANA = Principal.person("ana")
BOB = Principal.person("bob")


class Ticks:
    """A plugin with one safe tool; `seen` is what really ran, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def register_tools(self, settings: Settings) -> list[object]:
        seen = self.seen

        @tool(risk="safe")
        async def tick(ctx: ToolContext, word: str) -> str:
            """Say a word.

            Args:
                word: The word.
            """
            seen.append(f"{ctx.pid}:{word}")
            return f"heard {word}"

        return [tick]


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "aether", durability="NORMAL")


class House:
    """An open app with short words for what tests do most."""

    def __init__(self, app: App, ticks: Ticks) -> None:
        self.app = app
        self.ticks = ticks

    async def spawn(self, model: str, actor: Principal = ANA, **fields: object) -> Process:
        return await self.app.processes.spawn(actor, AgentSpec(goal="do it", model=model, **fields))  # type: ignore[arg-type]

    async def settled(self, pid: int, actor: Principal = ANA, timeout_s: float = 45) -> Process:
        return await self.app.processes.wait(actor, pid, timeout_s=timeout_s)

    async def run(self, model: str, **fields: object) -> Process:
        return await self.settled((await self.spawn(model, **fields)).pid)

    async def kinds(self, pid: int) -> list[str]:
        records = await self.app.processes.records(ANA, pid, limit=1000)
        return [type(record.event).__name__ for record in records]


@pytest.fixture
def house(jp_asyncio_loop: asyncio.AbstractEventLoop, settings: Settings, ticks: Ticks) -> Iterator[House]:
    opening = open_app(settings, plugins=[ticks])
    yield House(jp_asyncio_loop.run_until_complete(opening.__aenter__()), ticks)
    jp_asyncio_loop.run_until_complete(opening.__aexit__(None, None, None))


@pytest.fixture
def script() -> Iterator[Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]]:
    def make(name: str, body: Callable[[int, Sequence[Turn]], Sequence[Part]]) -> str:
        scripted.register(name, body)
        return f"scripted:{name}"

    # What a test registers is gone after it: a name of its own may be one of the built-in scripts.
    built_in = dict(scripted._SCRIPTS)
    yield make
    scripted._SCRIPTS.clear()
    scripted._SCRIPTS.update(built_in)
