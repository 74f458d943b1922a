"""Images in the journal: those that tools make and those that people give; erased and taken away with the rest."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.api.archives import packed
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import NotFound
from aether_jupyter.model.events import ToolEnded
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.tool import Outcome
from aether_jupyter.plugins import hookimpl

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


def _sizes() -> Any:
    from sqlalchemy import select

    from aether_jupyter.store import tables

    return select(tables.image.c.size)
