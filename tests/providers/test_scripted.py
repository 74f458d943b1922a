"""Scripts: the same words every time, chosen by name only."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.errors import ModelRefused, ModelUnavailable, UnknownName
from aether_jupyter.model.message import ModelTurn, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.providers import scripted
from aether_jupyter.runtime.language import Language

pytestmark = pytest.mark.anyio

DOCUMENTED = re.findall(r"^\| `([\w-]+)` \|", scripted.__doc__ or "", re.MULTILINE)


def language() -> Language:
    settings = Settings(home=Path("/nonexistent"), model_attempts=1)
    return Language({"scripted": scripted.register_models(settings)[0]}, settings, SystemClock())


async def run(name: str, steps: int, *, ok: bool = True) -> list[Any]:
    it = language()
    turns: list[Turn] = [UserTurn("go")]
    said: list[Any] = []
    for _ in range(steps):
        answer = await it.ask((f"scripted:{name}",), system="s", turns=turns)
        said.append(answer)
        turns.append(ModelTurn(answer.parts))
        turns += [ToolTurn(p.id, p.tool, "process 7", ok) for p in answer.parts if isinstance(p, ToolCall)]
        if not any(isinstance(part, ToolCall) for part in answer.parts):
            break
    return said


async def test_every_documented_script_is_there() -> None:
    assert len(DOCUMENTED) >= 15
    for name in DOCUMENTED:
        assert scripted.Scripted().info(name).available.ok
    with pytest.raises(UnknownName, match="echo-file"):
        language().check("scripted:nobody")


async def test_a_script_says_the_same_each_time_and_is_offered_to_nobody() -> None:
    first, second = await run("echo-file", 9), await run("echo-file", 9)
    assert [a.parts for a in first] == [a.parts for a in second]
    assert [a.usage for a in first] == [a.usage for a in second]
    assert [call.tool for a in first for call in a.parts if isinstance(call, ToolCall)] == ["write_file", "read_file"]
    assert isinstance(first[-1].parts[0], Text)
    assert language().models() == []


async def test_ids_of_calls_never_repeat_within_a_run() -> None:
    for name in ("loop", "parallel"):
        ids = [call.id for a in await run(name, 5) for call in a.parts if isinstance(call, ToolCall)]
        assert len(set(ids)) == len(ids)


async def test_the_risky_script_says_whether_it_was_let() -> None:
    assert (await run("risky", 5))[-1].parts[0].text == "The build folder is gone."
    assert "could not" in (await run("risky", 5, ok=False))[-1].parts[0].text


async def test_a_parent_waits_for_its_child() -> None:
    answers = await run("parent", 5)
    assert answers[1].parts[0].arguments == {"pid": 7}


async def test_failures_are_played_as_errors() -> None:
    with pytest.raises(ModelRefused):
        await run("fail", 1)
    with pytest.raises(ModelUnavailable):
        await run("down", 1)


async def test_a_paced_script_speaks_word_by_word() -> None:
    scripted.register("paced", lambda step, turns: [Thinking("one two three four")], pace_s=0.2)
    heard: list[str] = []
    began = time.monotonic()
    await language().ask(
        ("scripted:paced",), system="s", turns=(UserTurn("go"),), on_text=lambda kind, text: heard.append(text)
    )
    assert heard == ["one ", "two ", "three ", "four"]
    assert time.monotonic() - began >= 0.19
