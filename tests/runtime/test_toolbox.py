"""Whatever a tool does, the model gets an outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.declare import tool
from aether_jupyter.model.errors import SandboxUnavailable, ToolArguments, ToolTimeout, UnknownName
from aether_jupyter.model.message import ToolCall
from aether_jupyter.model.tool import Outcome
from aether_jupyter.runtime.toolbox import Toolbox

pytestmark = pytest.mark.anyio


@tool(risk="safe", fields={"word": "system"})
async def say(ctx: ToolContext, word: str = "hello") -> str:
    """Say a word.

    Args:
        word: What to say.
    """
    if word == "boom":
        raise KeyError("canary of the host")
    if word == "late":
        raise ToolTimeout("took too long")
    if word == "nowhere":
        raise SandboxUnavailable("no sandbox here; install one")
    if word == "wait":
        await asyncio.sleep(10)
    return word


@tool(risk="write", default=False)
async def rare(ctx: ToolContext) -> Outcome:
    """Do something rare."""
    return Outcome(ok=False, content="no", error="tool_failed", labels={"x": "text"})


CONTEXT: Any = type("Context", (), {"pid": 7})()


@pytest.fixture
def toolbox() -> Toolbox:
    return Toolbox({"say": say, "rare": rare})


def test_default_set_and_named_sets(toolbox: Toolbox) -> None:
    assert [s.name for s in toolbox.specs()] == ["say"]
    assert [s.name for s in toolbox.specs(["rare", "say", "rare"])] == ["rare", "say"]
    assert [s.name for s in toolbox.all()] == ["say", "rare"]
    assert toolbox.specs([]) == ()
    with pytest.raises(UnknownName, match=r"no tool 'sai'. Did you mean 'say'\? There are: rare, say"):
        toolbox.specs(["sai"])


async def test_outcome_carries_labels_and_duration(toolbox: Toolbox) -> None:
    done = await toolbox.run(ToolCall("1", "say", {}), CONTEXT)
    assert (done.ok, done.content, done.labels) == (True, "hello", {"word": "system"})
    assert 0 < done.duration_s < 1
    assert (await toolbox.run(ToolCall("1", "rare", {}), CONTEXT)).labels == {"x": "text"}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (ToolCall("1", "say", {"word": "late"}), "tool_timeout", "took too long"),
        (ToolCall("1", "say", {"word": "nowhere"}), "sandbox_unavailable", "install one"),
        (ToolCall("1", "say", {"wrod": "x"}), "tool_arguments", "did you mean 'word'"),
        (ToolCall("1", "say", None, raw='{"word": '), "tool_arguments", 'You gave: {"word": '),
        (ToolCall("1", "say", None), "tool_arguments", "You gave: nothing"),
        (ToolCall("1", "shout", {}), "unknown_name", "There are: rare, say"),
    ],
)
async def test_errors_become_outcomes(toolbox: Toolbox, call: ToolCall, error: str, words: str) -> None:
    done = await toolbox.run(call, CONTEXT)
    assert (done.ok, done.error) == (False, error)
    assert words in done.content


async def test_fault_of_a_tool_is_logged_and_not_shown(toolbox: Toolbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        done = await toolbox.run(ToolCall("1", "say", {"word": "boom"}), CONTEXT)
    assert (done.ok, done.error) == (False, "tool_failed")
    assert "KeyError" in done.content
    assert "canary" not in done.content
    assert "Traceback" in caplog.text


async def test_cancellation_passes_through(toolbox: Toolbox) -> None:
    running = asyncio.create_task(toolbox.run(ToolCall("1", "say", {"word": "wait"}), CONTEXT))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_check_raises_for_the_loop(toolbox: Toolbox) -> None:
    assert toolbox.check(ToolCall("1", "say", {})) == {"word": "hello"}
    with pytest.raises(ToolArguments):
        toolbox.check(ToolCall("1", "say", {"word": 1}))
    with pytest.raises(UnknownName):
        toolbox.check(ToolCall("1", "shout", {}))


async def test_a_call_costs_microseconds(toolbox: Toolbox) -> None:
    call = ToolCall("1", "say", {"word": "x"})
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(200):
            await toolbox.run(call, CONTEXT)
        best = min(best, (time.perf_counter() - began) / 200)
    assert best < 50e-6


async def test_ten_megabytes_of_a_result_are_bounded(toolbox: Toolbox) -> None:
    done = await toolbox.run(ToolCall("1", "say", {"word": "x" * 10_000_000}), CONTEXT)
    assert len(done.content) < 1_001_000
    assert "the result had 10,000,000 characters" in done.content[-200:]
