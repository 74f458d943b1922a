"""Images in the journal: those that tools make and those that people give; erased and taken away with the rest."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter import reading
from aether_jupyter.abc import ToolContext
from aether_jupyter.api.archives import packed
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.engine import loop
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import NotFound
from aether_jupyter.model.events import ToolEnded
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import ModelTurn, Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.tool import Outcome
from aether_jupyter.plugins import hookimpl
from aether_jupyter.providers import scripted

from ..drawn import drawn
from .conftest import ANA, BOB, House, Ticks

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]
MADE = {"teal": drawn("teal"), "gold": drawn("gold"), "plum": drawn("plum")}


class Painter(Ticks):
    """Paints, beside what `Ticks` does; may keep what it does not show, or show what it did not keep."""

    @hookimpl
    def register_tools(self, settings: Settings) -> list[object]:
        @tool(risk="safe")
        async def paint(ctx: ToolContext, colours: list[str], shown: list[int]) -> Outcome:
            """Paint.

            Args:
                colours: What to paint.
                shown: Which of them to show.
            """
            kept = [await ctx.keep_image(MADE[colour]) for colour in colours]
            kept.append(Image(digest="0" * 64, media_type="image/png", width=1, height=1, size_bytes=1))
            return Outcome(ok=True, content="painted", images=tuple(kept[place] for place in shown))

        return [*super().register_tools(settings), paint]


@pytest.fixture
def ticks() -> Ticks:
    return Painter()


def paints(*calls: tuple[list[str], list[int]]) -> Callable[[int, Sequence[Turn]], Sequence[Part]]:
    """One step with these calls, side by side, then the end."""
    return lambda n, turns: (
        [ToolCall(f"p{place}", "paint", {"colours": c, "shown": s}) for place, (c, s) in enumerate(calls)]
        if n == 0
        else [Text("done")]
    )


async def ended(house: House, pid: int) -> dict[str, Outcome]:
    records = await house.app.processes.records(ANA, pid, limit=1000)
    return {r.event.call_id: r.event.outcome for r in records if isinstance(r.event, ToolEnded)}


async def test_what_a_tool_shows_is_kept_and_what_it_does_not_show_is_not(house: House, script: Script) -> None:
    calls = (["teal", "gold"], [0]), (["gold"], [0]), (["plum"], [])
    pid = (await house.run(script("paints", paints(*calls)), tools=("paint",))).pid
    found = await ended(house, pid)
    [teal], [gold] = found["p0"].images, found["p1"].images
    assert found["p2"].images == ()
    assert await house.app.images.content(ANA, teal.digest) == (teal, MADE["teal"])
    assert await house.app.images.content(ANA, gold.digest) == (gold, MADE["gold"])
    rows = await house.app.processes._database.fetch(_sizes())
    assert sorted(row.size for row in rows) == sorted(len(MADE[name]) for name in ("teal", "gold"))
    with pytest.raises(NotFound):
        await house.app.images.content(BOB, teal.digest)


async def test_a_tool_that_shows_what_it_did_not_keep_is_at_fault(house: House, script: Script) -> None:
    pid = (await house.run(script("lies", paints((["teal"], [0, 1]))), tools=("paint",))).pid
    outcome = (await ended(house, pid))["p0"]
    assert (outcome.ok, outcome.error, outcome.images) == (False, "tool_failed", ())
    assert "fault of the tool" in outcome.content


async def test_the_same_call_with_another_image_is_no_circle(house: House, script: Script) -> None:
    colours = ["teal", "gold", "plum", "teal"]

    def look(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n >= len(colours):
            return [Text("done")]
        MADE["now"] = drawn(colours[n])
        return [ToolCall(f"c{n}", "paint", {"colours": ["now"], "shown": [0]})]

    pid = (await house.run(script("looks", look), tools=("paint",))).pid
    assert "Guidance" not in await house.kinds(pid)


async def test_images_are_taken_away_and_erased_with_the_last_agent_that_names_them(
    house: House, script: Script
) -> None:
    given = await house.app.images.keep(ANA, drawn("navy"))
    model = script("paints", paints((["teal"], [0])))
    for name in ("first", "second"):
        spec = AgentSpec(goal="paint", model=model, name=name, tools=("paint",), images=(given,))
        await house.settled((await house.app.processes.spawn(ANA, spec)).pid)
    other = await house.run(script("other", paints((["plum"], [0]))), tools=("paint",), name="other")
    [plum] = (await ended(house, other.pid))["p0"].images

    data = house.app.personal
    assert (await data.holding(ANA, "first")).counts["images"] == 2
    assert (await data.holding(ANA, "")).counts["images"] == 3
    archive = b"".join([piece async for piece in packed(data.export(ANA, "first"))])
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.read(f"images/{given.digest}.png") == drawn("navy")
        assert given.digest.encode() in files.read("tables/image.jsonl")
        assert len([name for name in files.namelist() if name.startswith("images/")]) == 2

    await data.erase(ANA, "first", confirm="first")
    assert (await house.app.images.content(ANA, given.digest))[1] == drawn("navy")
    await data.erase(ANA, "second", confirm="second")
    with pytest.raises(NotFound):
        await house.app.images.content(ANA, given.digest)
    assert (await house.app.images.content(ANA, plum.digest))[0] == plum
    await data.erase(ANA, "", confirm="ana")
    assert not await house.app.processes._database.fetch(_sizes())


# --- what models are shown -------------------------------------------------------------------------------------------


async def test_a_model_that_sees_is_shown_what_people_give_and_tools_make(house: House) -> None:
    seen: list[list[tuple[str, str]]] = []

    def look(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        seen.append([(turn.text if isinstance(turn, UserTurn) else turn.content, image.digest)
                     for turn in turns if not isinstance(turn, ModelTurn) for image in turn.images])  # fmt: skip
        return [ToolCall("p", "paint", {"colours": ["gold"], "shown": [0]})] if n == 0 else [Text("seen")]

    scripted.register("looks-at", look, sees=True)
    given = await house.app.images.keep(ANA, drawn("navy"))
    spec = AgentSpec(goal="look", model="scripted:looks-at", tools=("paint",), images=(given,))
    process = await house.app.processes.spawn(ANA, spec)
    await house.app.processes.send(ANA, process.pid, "and this", images=(given,))
    await house.settled(process.pid)
    first, last = seen
    assert {digest for _, digest in first} == {given.digest}
    gold = hashlib.sha256(MADE["gold"]).hexdigest()
    assert [digest for _, digest in last if digest != given.digest] == [gold]
    assert all(digest[:12] in words for words, digest in last)
    context = await house.app.contexts.get(ANA, process.pid)
    told = [entry for section in context.sections for entry in section.entries if entry.images]
    assert [(entry.title, len(entry.images), entry.shown) for entry in told] == [
        ("person", 1, (0,)), ("ana", 1, (0,)), ("paint", 1, (0,))
    ]  # fmt: skip


async def test_a_model_that_does_not_see_is_told_the_text_once_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    async def words_of(content: bytes) -> str:
        read.append(content)
        return "INVOICE 2026-118"

    monkeypatch.setattr(reading, "words_of", words_of)
    heard: list[str] = []

    def look(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        heard.append(turns[0].text if isinstance(turns[0], UserTurn) else "")
        assert not any(turn.images for turn in turns if not isinstance(turn, ModelTurn))
        return [ToolCall(f"t{n}", "tick", {"word": str(n)})] if n < 2 else [Text("done")]

    scripted.register("reads", look)
    given = await house.app.images.keep(ANA, drawn("navy"))
    for _ in range(2):
        spec = AgentSpec(goal="look", model="scripted:reads", tools=("tick",), images=(given,))
        await house.settled((await house.app.processes.spawn(ANA, spec)).pid)
    assert len(heard) == 6
    assert all("INVOICE 2026-118" in each and "You did not see it" in each for each in heard)
    assert read == [drawn("navy")]


async def test_the_server_changes_to_a_model_that_sees_when_there_is_something_to_see(
    tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> None:
    asked: list[str] = []

    def plays(name: str) -> Callable[[int, Sequence[Turn]], Sequence[Part]]:
        def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
            asked.append(name)
            return [ToolCall(f"p{n}", "paint", {"colours": ["teal"], "shown": [0]})] if n == 0 else [Text("done")]

        return play

    scripted.register("blind-one", plays("blind"))
    scripted.register("seeing-one", plays("seeing"), sees=True)
    models = ("scripted:blind-one", "scripted:seeing-one")
    settings = Settings(home=tmp_path / "a", durability="NORMAL", default_model="auto", standard_models=models)
    painter = Painter()
    async with open_app(settings, plugins=[painter]) as app:
        house = House(app, painter)
        await house.settled((await app.processes.spawn(ANA, AgentSpec(goal="paint", tools=("paint",)))).pid)
    assert asked == ["blind", "seeing"]


async def test_what_a_person_gives_taints_for_others_may_have_written_on_it(house: House) -> None:
    given = await house.app.images.keep(ANA, drawn("navy"))
    state = loop.begin(AgentSpec(goal="look", images=(given,)))
    assert state.touched
    assert not loop.begin(AgentSpec(goal="look")).touched


def _sizes() -> Any:
    from sqlalchemy import select

    from aether_jupyter.store import tables

    return select(tables.image.c.size)
