"""Cassettes: recorded once, replayed free, loud where a run differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.errors import BadRequest, ModelNotConfigured, ModelRefused
from aether_jupyter.model.message import ModelTurn, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.tool import Risk, ToolSpec
from aether_jupyter.providers import cassette, scripted
from aether_jupyter.runtime.language import Language

pytestmark = pytest.mark.anyio

TOOLS = tuple(
    ToolSpec(name=name, description=name, parameters={"type": "object"}, risk=Risk.SAFE)
    for name in ("write_file", "read_file")
)
RECORD = "cassette:run.jsonl?record=scripted:echo-file"


def language(home: Path) -> Language:
    settings = Settings(home=home, model_attempts=1)
    providers = (*cassette.register_models(settings), *scripted.register_models(settings))
    return Language({provider.prefix: provider for provider in providers}, settings, SystemClock())


async def run(it: Language, model: str, goal: str = "go", read: str = "written by an agent") -> list[Any]:
    """A whole run with tools that always answer the same; the answers."""
    turns: list[Turn] = [UserTurn(goal)]
    answers = []
    for _ in range(3):
        answer = await it.ask((model,), system="s", turns=turns, tools=TOOLS)
        answers.append(answer)
        turns.append(ModelTurn(answer.parts))
        turns += [
            ToolTurn(p.id, p.tool, read if p.tool == "read_file" else "done")
            for p in answer.parts
            if isinstance(p, ToolCall)
        ]
    return answers


async def test_a_recorded_run_is_replayed_free_and_the_same(tmp_path: Path) -> None:
    recorded = await run(language(tmp_path), RECORD)
    path = tmp_path / "cassettes" / "run.jsonl"
    for name in (f"cassette:{path}", "cassette:run.jsonl"):
        replayed = await run(language(tmp_path), name)
        assert [a.parts for a in replayed] == [a.parts for a in recorded]
        assert [a.usage for a in replayed] == [a.usage for a in recorded]
        assert all((a.cost_usd, a.cost_known) == (0.0, True) for a in replayed)


async def test_the_words_of_a_replay_are_heard(tmp_path: Path) -> None:
    it = language(tmp_path)
    await run(it, RECORD)
    heard: list[tuple[str, str]] = []
    await it.ask(
        ("cassette:run.jsonl",),
        system="s",
        turns=[UserTurn("go")],
        tools=TOOLS,
        on_text=lambda kind, text: heard.append((kind, text)),
    )
    assert heard == [("thinking", "I write the file first.")]


async def test_another_system_part_is_the_same_request(tmp_path: Path) -> None:
    it = language(tmp_path)
    await run(it, RECORD)
    answer = await it.ask(("cassette:run.jsonl",), system="another name", turns=[UserTurn("go")], tools=TOOLS)
    assert isinstance(answer.parts[0], Thinking)


async def test_a_run_that_differs_is_refused_with_the_difference(tmp_path: Path) -> None:
    it = language(tmp_path)
    await run(it, RECORD)
    with pytest.raises(ModelRefused) as caught:
        await run(it, "cassette:run.jsonl", read="something else")
    assert "step 3" in caught.value.message
    assert "-read_file: written by an agent" in caught.value.message
    assert "+read_file: something else" in caught.value.message
    with pytest.raises(ModelRefused, match=r"\+user: another goal"):
        await run(it, "cassette:run.jsonl", goal="another goal")


async def test_an_interrupted_recording_is_gone_on_with(tmp_path: Path) -> None:
    await run(language(tmp_path), RECORD)
    path = tmp_path / "cassettes" / "run.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:3]) + "\n")
    await run(language(tmp_path), RECORD)
    assert path.read_text().splitlines() == lines
    # Cut within a line, as a full disk leaves it; and an editor that writes no last line's end.
    for left in ("\n".join(lines[:3]) + lines[3][:50], "\n".join(lines[:3]), "\n".join(lines), ""):
        path.write_text(left)
        await run(language(tmp_path), RECORD)
        assert path.read_text() == "\n".join(lines) + "\n"


async def test_a_cassette_is_lines_that_people_can_read(tmp_path: Path) -> None:
    await run(language(tmp_path), RECORD)
    head, first, *_ = map(json.loads, (tmp_path / "cassettes" / "run.jsonl").read_text().splitlines())
    assert head == {"type": "cassette", "model": "scripted:echo-file", "version": 1}
    assert first["since"] == [{"type": "user", "text": "go", "source": "person"}]
    assert first["tools"] == ["read_file", "write_file"]
    assert "I write the file first." in json.dumps(first["response"])


async def test_what_is_no_cassette_is_said_to_be_none(tmp_path: Path) -> None:
    it = language(tmp_path)
    with pytest.raises(ModelNotConfigured, match="there is no file"):
        it.check("cassette:missing.jsonl")
    other = tmp_path / "other.jsonl"
    for content in (b"{}\n", b'{"type": "\xff"}\n', b""):
        other.write_bytes(content)
        with pytest.raises(ModelNotConfigured, match="not a cassette"):
            await run(it, f"cassette:{other}")
    (tmp_path / "cassettes").mkdir()
    mine = tmp_path / "cassettes" / "run.jsonl"
    for text in ("my own notes", "{}\n"):
        mine.write_text(text)
        with pytest.raises(ModelNotConfigured, match="not a cassette"):
            await run(it, RECORD)
        assert mine.read_text() == text


async def test_recordings_go_nowhere_else(tmp_path: Path) -> None:
    it = language(tmp_path)
    for name in (
        f"cassette:{tmp_path}/x.jsonl?record=scripted:hello",
        "cassette:../x.jsonl?record=scripted:hello",
        "cassette:x.py?record=scripted:hello",
        "cassette:x.jsonl?record=cassette:y.jsonl",
        "cassette:x.jsonl?play=scripted:hello",
    ):
        with pytest.raises(BadRequest):
            it.check(name)


async def test_a_replay_is_labelled_as_one(tmp_path: Path) -> None:
    it = language(tmp_path)
    await run(it, RECORD)
    (info,) = [info for info in it.models() if info.id.startswith("cassette:")]
    assert info.label == "Replay of run"
    assert "no language model" in info.note
