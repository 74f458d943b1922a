"""Agents that walk for as many steps as one likes, and a model that tells their steps in short – or does not.

`python -m tests.runtime.long_runs HOME STEPS` starts such an agent and hangs in its first summary, to be killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aether_jupyter.abc import Availability, ModelInfo, ToolContext
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.message import ModelTurn, Part, Text, ToolCall, Turn
from aether_jupyter.plugins import hookimpl
from aether_jupyter.providers import scripted

GOAL = "Visit every shelf of the archive and never touch shelf 13."
LIMIT = 6_000
"""Tokens; a step of a `Walker` is about 150."""


async def at_once() -> None:
    """For a writer that does not hesitate."""


class Writer:
    """A plugin with the model `writer:short`. `hesitate` is awaited before each summary, and may raise.

    `asked` is what it was given, `window` what it takes.
    """

    prefix = "writer"
    short = False
    serial = False

    def __init__(self, window: int = 128_000) -> None:
        self.asked: list[str] = []
        self.hesitate: Callable[[], Awaitable[None]] = at_once
        self.window = window

    def models(self) -> list[ModelInfo]:
        return [self.info("short")]

    def info(self, name: str) -> ModelInfo:
        return ModelInfo(id=f"writer:{name}", label=name, available=Availability(True), context_tokens=self.window)

    async def create(self, name: str, progress: Callable[[str, float | None], None]) -> Any:
        from pydantic_ai.messages import ModelResponse, TextPart
        from pydantic_ai.usage import RequestUsage

        from aether_jupyter.providers.spoken import SpokenModel, to_turns

        writer = self

        class WritingModel(SpokenModel):
            async def speak(self, messages: Any, settings: Any, parameters: Any, on_text: Any) -> ModelResponse:
                [turn] = to_turns(messages)
                writer.asked.append(turn.text)  # type: ignore[union-attr]
                await writer.hesitate()
                words = f"Summary number {len(writer.asked)}: all shelves so far were visited."
                usage = RequestUsage(input_tokens=len(writer.asked[-1]) // 4, output_tokens=20)
                return ModelResponse(parts=[TextPart(words)], usage=usage)

        return WritingModel("writer", name)

    async def close(self) -> None:
        return None

    @hookimpl
    def register_models(self, settings: Settings) -> list[Any]:
        return [self]


class Shelves:
    """A plugin with the tool `visit`. `seen` is every shelf that was visited, in order.

    `before` is awaited with each shelf.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.before: Callable[[int], Awaitable[None]] | None = None

    @hookimpl
    def register_tools(self, settings: Settings) -> list[object]:
        @tool(risk="safe", default=False)
        async def visit(ctx: ToolContext, shelf: int) -> str:
            """Visit a shelf.

            Args:
                shelf: Its number.
            """
            if self.before is not None:
                await self.before(shelf)
            self.seen.append(shelf)
            return f"Shelf {shelf} holds {'boxes ' * 60}and a note with the number {shelf * 7}."

        return [visit]


class Walker:
    """A script that visits shelf after shelf for as many steps, and keeps what it was sent at each.

    It goes by what it last did, for it may have forgotten how it began.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.sent: list[Sequence[Turn]] = []

    def __call__(self, n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        self.sent.append(turns)
        calls = [part for turn in turns if isinstance(turn, ModelTurn) for part in turn.parts]
        last = calls[-1] if calls else None
        shelf = (last.arguments or {})["shelf"] + 1 if isinstance(last, ToolCall) else 1
        return (ToolCall("", "visit", {"shelf": shelf}),) if shelf < self.steps else (Text("All visited."),)


def long_spec(steps: int, walker: Walker, **fields: Any) -> AgentSpec:
    """An agent that walks."""
    scripted.register("walker", walker)
    fields = {"limits": Limits(steps=None)} | fields
    return AgentSpec(goal=GOAL, model="scripted:walker", tools=("visit", "ask_person", "recall"), **fields)


def long_settings(home: Path, **changes: Any) -> Settings:
    """A small limit, and a cheap model of its own for summaries."""
    fields = {"compact_at_tokens": LIMIT, "cheap_models": ("writer:short",), "model_attempts": 1} | changes
    return Settings(home=home, durability="NORMAL", **fields)


async def _hang(home: Path, steps: int) -> None:
    writer = Writer()

    async def never() -> None:
        print("writing", flush=True)
        await asyncio.Event().wait()

    writer.hesitate = never
    async with open_app(long_settings(home), plugins=[writer, Shelves()]) as app:
        await app.processes.spawn(Principal.person("ana"), long_spec(steps, Walker(steps)))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hang(Path(sys.argv[1]), int(sys.argv[2])))
