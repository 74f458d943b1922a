"""Each provider's wire format, spoken with a simulator that others wrote; skipped where its npm package is missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.message import ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.tool import Risk, ToolSpec
from aether_jupyter.providers import models
from aether_jupyter.runtime.language import Language

SIMULATORS = Path(__file__).parent / "simulators"
AIMOCK = SIMULATORS / "node_modules" / ".bin" / "llmock"
MODELS = ("openai:gpt-5-mini", "ollama:qwen3", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash")
WEATHER = ToolSpec(
    name="get_weather",
    description="The weather of a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
    risk=Risk.SAFE,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.simulator,
    pytest.mark.skipif(
        not AIMOCK.exists() or shutil.which("node") is None, reason="npm ci in tests/providers/simulators"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # The simulator's Gemini ends a turn of calls with a reason that Google's SDK does not know.
    pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason"),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(AIMOCK), "-p", str(port), "-f", str(SIMULATORS / "fixtures.json"), "--log-level", "silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/__aimock/journal", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            pytest.fail("the simulator did not start")
        yield url
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def talking(simulator: str) -> AsyncIterator[Language]:
    environment = {
        "OPENAI_BASE_URL": f"{simulator}/v1",
        "OPENAI_API_KEY": "test",
        "OLLAMA_HOST": simulator,
        "ANTHROPIC_BASE_URL": simulator,
        "ANTHROPIC_API_KEY": "test",
        "GEMINI_BASE_URL": simulator,
        "GEMINI_API_VERSION": "v1beta",
        "GEMINI_API_KEY": "test",
    }
    settings = Settings(home=Path("/nonexistent"), environment=environment, model_timeout_s=10.0, model_attempts=1)
    it = Language({p.prefix: p for p in models.register_models(settings)}, settings, SystemClock())
    try:
        yield it
    finally:
        await it.close()


async def ask(it: Language, model: str, turns: list[Turn], *, heard: list[str] | None) -> Any:
    async with asyncio.timeout(30):
        return await it.ask(
            (model,),
            system="You know the weather.",
            turns=turns,
            tools=(WEATHER,),
            on_text=None if heard is None else lambda kind, text: heard.append(text),
        )


async def test_words_are_streamed_and_whole(simulator: str) -> None:
    async with talking(simulator) as talk:
        for model in MODELS:
            heard: list[str] = []
            answer = await ask(talk, model, [UserTurn("say hello")], heard=heard)
            assert answer.parts == (Text("Hello from the simulator."),), model
            assert "".join(heard) == "Hello from the simulator.", model
            assert len(heard) > 1, model
            whole = await ask(talk, model, [UserTurn("say hello")], heard=None)
            assert whole.parts == answer.parts, model
            # The simulator counts no tokens in the other two formats.
            assert whole.usage.known or model.startswith(("anthropic", "google")), model


async def test_calls_and_their_results_go_round(simulator: str) -> None:
    async with talking(simulator) as talk:
        for model in MODELS:
            turns: list[Turn] = [UserTurn("what is the weather?")]
            answer = await ask(talk, model, turns, heard=[])
            calls = [part for part in answer.parts if isinstance(part, ToolCall)]
            cities = [{"city": "Paris", "days": 2}, {"city": "Rome", "days": 1}]
            assert [call.arguments for call in calls] == cities, model
            assert len({call.id for call in calls}) == 2, model
            turns.append(ModelTurn(answer.parts))
            turns += [ToolTurn(call.id, call.tool, "sunny", ok=place == 0) for place, call in enumerate(calls)]
            answer = await ask(talk, model, turns, heard=[])
            assert answer.parts == (Text("Sunny in both."),), model


async def test_the_whole_schema_of_each_tool_is_sent(simulator: str) -> None:
    def sent() -> str:
        with urllib.request.urlopen(f"{simulator}/__aimock/journal", timeout=5) as response:
            return json.dumps(json.load(response)[-1]["body"])

    async with talking(simulator) as talk:
        for model in MODELS:
            await ask(talk, model, [UserTurn("say hello")], heard=[])
            body = await asyncio.to_thread(sent)
            words = ["get_weather", "The weather of a city.", "You know the weather."]
            # The simulator's journal keeps no schemas of Gemini's newer form.
            words += [] if model.startswith("google") else ['"city"', '"days"', '"integer"', '"required"']
            for word in words:
                assert word in body, (model, word)
