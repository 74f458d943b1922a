"""The agent's tool for images: shown to its own model, to another, or told by a program where nobody sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter import reading
from aether_jupyter.abc import Seen, ToolContext
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import ToolCall
from aether_jupyter.model.tool import Outcome
from aether_jupyter.pictures import examine
from aether_jupyter.runtime.toolbox import Toolbox

from ..drawn import drawn

TEAL = drawn("teal", (400, 200))


@pytest.fixture
def analyze(toolbox: Toolbox, context: ToolContext, home: Path) -> Callable[..., Awaitable[Outcome]]:
    (home / "a.png").write_bytes(TEAL)

    async def run(image: str, question: str = "", **changes: Any) -> Outcome:
        call = ToolCall("c1", "analyze_image", {"image": image, "question": question})
        return await toolbox.run(call, replace(context, **changes))

    return run


async def test_a_model_that_sees_is_shown_the_image_with_its_question(analyze: Any) -> None:
    outcome = await analyze("a.png", "Which colour?", sees=True)
    assert outcome.ok
    assert outcome.images == (examine(TEAL),)
    assert "Which colour?" in outcome.content
    assert outcome.evidence.path == "a.png"
    # What stands in a picture was written by others.
    assert outcome.labels == {"text": "text"}


async def test_another_model_looks_where_the_own_one_does_not_see(analyze: Any) -> None:
    asked: list[Any] = []

    async def look(image: Image, content: bytes, media_type: str, question: str) -> Seen:
        asked.append((image, content, media_type, question))
        return Seen("openai:gpt-5-mini", "A teal box.")

    outcome = await analyze("a.png", look=look)
    assert asked == [(examine(TEAL), TEAL, "image/png", "What is on it?")]
    assert "openai:gpt-5-mini looked at" in outcome.content
    assert "A teal box." in outcome.content
    assert outcome.images == (examine(TEAL),)


@pytest.mark.parametrize(
    ("words", "said"),
    [("Total 12.50", "read off it by machine"), ("", "No text was found"), (None, "Nothing here reads text")],
)
async def test_where_nobody_sees_it_says_so_and_what_a_program_can_tell(
    analyze: Any, words: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def words_of(content: bytes) -> str | None:
        return words

    monkeypatch.setattr(reading, "words_of", words_of)
    outcome = await analyze("a.png", "Which colour?")
    assert outcome.ok
    assert outcome.images == ()
    assert outcome.content.startswith("Nobody saw this image")
    assert "nobody is here" in outcome.content
    assert "400×200" in outcome.content
    assert "#008080 100%" in outcome.content
    assert said in outcome.content
    assert (words or "") in outcome.content
    assert words is not None or reading.WAY_OUT in outcome.content


async def test_an_image_of_the_conversation_is_found_by_its_name(analyze: Any) -> None:
    async def given(beginning: str) -> bytes:
        assert beginning == "3f2a91c0"
        return TEAL

    assert (await analyze("3F2a91c0", sees=True, given_image=given)).images == (examine(TEAL),)
    unknown = await analyze("3f2a91c0", sees=True)
    assert not unknown.ok
    assert "no image of this conversation" in unknown.content


async def test_what_is_no_image_or_lies_elsewhere_is_refused(analyze: Any, home: Path, tmp_path: Path) -> None:
    (home / "a.txt").write_text("hello")
    (home / "large.png").write_bytes(bytes(10_000_001))
    (tmp_path / "outside.png").write_bytes(TEAL)
    (tmp_path / "shared" / "b.png").write_bytes(TEAL)
    for path, words in (
        ("a.txt", "no PNG"),
        ("large.png", "at most 10,000,000"),
        ("none.png", "none.png"),
        ("../../outside.png", ".."),
        ("/workspaces/other/b.png", "no workspace 'other'"),
    ):
        outcome = await analyze(path, sees=True)
        assert not outcome.ok, path
        assert words in outcome.content, path
    (home / "link.png").symlink_to(tmp_path / "outside.png")
    assert not (await analyze("link.png", sees=True)).ok
    assert (await analyze("/workspaces/team/b.png", sees=True)).ok
