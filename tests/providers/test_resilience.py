"""A simulator of the providers' faults judges the client: llmock's verdict has no error and no warning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.errors import ModelRefused
from aether_jupyter.model.message import Text, ToolCall, UserTurn
from aether_jupyter.model.tool import Risk, ToolSpec
from aether_jupyter.providers import models
from aether_jupyter.runtime import language as module
from aether_jupyter.runtime.language import Language

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

pytest.importorskip("llmock", reason="pip install 'aether_jupyter[test]'")

IDS = {"openai": "openai:gpt-5-mini", "anthropic": "anthropic:claude-sonnet-4-5", "gemini": "google:gemini-2.5-flash"}
WEATHER = ToolSpec(
    name="get_weather",
    description="The weather of a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    risk=Risk.SAFE,
)


@pytest.fixture
def asked(llmock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`await asked(provider, text, …)`: the answer of the simulated provider; words are streamed."""
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.15)
    environment = {
        "OPENAI_BASE_URL": llmock.base_url("openai"),
        "OPENAI_API_KEY": "test",
        "ANTHROPIC_BASE_URL": llmock.base_url("anthropic"),
        "ANTHROPIC_API_KEY": "test",
        "GEMINI_BASE_URL": llmock.base_url("gemini").removesuffix("/v1beta"),
        "GEMINI_API_VERSION": "v1beta",
        "GEMINI_API_KEY": "test",
    }
    settings = Settings(home=tmp_path, environment=environment, model_timeout_s=0.8)

    async def ask(provider: str, text: str, *, tools: tuple[ToolSpec, ...] = (), stream: bool = True) -> Any:
        it = Language({p.prefix: p for p in models.register_models(settings)}, settings, SystemClock())
        try:
            async with asyncio.timeout(30):
                return await it.ask(
                    (IDS[provider],),
                    system="Be brief.",
                    turns=(UserTurn(text),),
                    tools=tools,
                    on_text=(lambda kind, word: None) if stream else None,
                )
        finally:
            await it.close()

    return ask


async def _all_faults(provider: str, llmock: Any, asked: Any) -> None:
    # At the pace of a real model: a burst is all sent before any client can stop reading it.
    llmock.pace(20)
    whole = (await asked(provider, "plain")).parts
    assert isinstance(whole[0], Text)
    faults: dict[str, Callable[[], Any]] = {
        "rate": lambda: llmock.rate_limit(times=2, retry_after=0.3),
        "error": lambda: llmock.fail(500, times=3),
        "overloaded": lambda: llmock.fail(529 if provider == "anthropic" else 503, times=2),
        "truncate": lambda: llmock.truncate(after_chunks=2),
        "disconnect": lambda: llmock.disconnect(after_chunks=2),
        "corrupt": lambda: llmock.corrupt(after_chunks=1),
        "stall": lambda: llmock.stall(after_chunks=1, seconds=5.0),
    }
    for name, inject in faults.items():
        inject()
        answer = await asked(provider, f"now with {name}")
        assert answer.attempts > 1, name
        assert isinstance(answer.parts[0], Text), name
    llmock.fail(500, times=1)
    assert (await asked(provider, "not streamed", stream=False)).attempts == 2
    llmock.fail(400, times=1)
    with pytest.raises(ModelRefused):
        await asked(provider, "a bad request")
    verdict = llmock.verdict()
    assert verdict.faults >= 11
    assert not verdict.findings, verdict.render()


async def test_openai_faults(llmock: Any, asked: Any) -> None:
    await _all_faults("openai", llmock, asked)


async def test_anthropic_faults(llmock: Any, asked: Any) -> None:
    await _all_faults("anthropic", llmock, asked)


async def test_gemini_faults(llmock: Any, asked: Any) -> None:
    await _all_faults("gemini", llmock, asked)


async def test_broken_calls_are_told_apart_from_whole_ones(llmock: Any, asked: Any) -> None:
    for provider in IDS:
        llmock.call_tool("get_weather", {"city": "Paris"})
        (call,) = [p for p in (await asked(provider, "a", tools=(WEATHER,))).parts if isinstance(p, ToolCall)]
        assert (call.tool, call.arguments) == ("get_weather", {"city": "Paris"}), provider
        llmock.break_tool_call("unknown_tool")
        (call,) = [p for p in (await asked(provider, "b", tools=(WEATHER,))).parts if isinstance(p, ToolCall)]
        assert call.tool != "get_weather", provider
    for provider in ("openai", "anthropic"):
        llmock.break_tool_call("malformed_arguments")
        (call,) = [p for p in (await asked(provider, "c", tools=(WEATHER,))).parts if isinstance(p, ToolCall)]
        assert call.arguments is None, provider
        assert call.raw, provider
