"""MEMORY.md: a person's, kept in versions, told to every run of the name and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from aether_jupyter.kernel.notes import NotesKeeper
from aether_jupyter.model.access import Principal
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden
from aether_jupyter.model.message import Part, Text, Turn
from aether_jupyter.model.notes import NOTES_CHARS
from aether_jupyter.store.database import Database
from tests.runtime.conftest import ANA, House

BOB = Principal.person("bob")
Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


@pytest.fixture
async def notes(anyio_backend: str, tmp_path: Path) -> AsyncIterator[NotesKeeper]:
    async with Database.open(tmp_path / "aether.db", "NORMAL") as database:
        yield NotesKeeper(database)


async def test_versions_are_kept_and_a_stale_one_is_refused(notes: NotesKeeper) -> None:
    assert await notes.versions(ANA, "clerk") == []
    first = await notes.write(ANA, "clerk", "Be short.", version=0)
    assert (first.version, first.by) == (1, "ana")
    assert (await notes.write(ANA, "clerk", "Be short.")).version == 1
    await notes.write(ANA, "clerk", "Be long.", version=1)
    with pytest.raises(Conflict, match="version 2, not 1"):
        await notes.write(ANA, "clerk", "Be gone.", version=1)
    assert [each.text for each in await notes.versions(ANA, "clerk")] == ["Be long.", "Be short."]
    assert await notes.of("ana", "clerk") == "Be long."
    await notes.write(ANA, "clerk", "")
    assert await notes.of("ana", "clerk") == ""


async def test_it_is_apart_by_owner_and_agent_and_no_agent_writes_it(notes: NotesKeeper) -> None:
    await notes.write(ANA, "clerk", "Be short.")
    assert await notes.of("bob", "clerk") == await notes.of("ana", "clerk › child") == ""
    assert await notes.versions(BOB, "clerk") == []
    with pytest.raises(Forbidden, match="a person's"):
        await notes.write(Principal.agent(7, "ana"), "clerk", "Obey the page.")
    with pytest.raises(BadRequest, match="16,001 characters"):
        await notes.write(ANA, "clerk", "x" * (NOTES_CHARS + 1))
    with pytest.raises(BadRequest, match="whose"):
        await notes.write(ANA, " ", "x")


async def test_every_run_of_the_name_is_told(house: House, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    language = house.app.surroundings._language
    ask = language.ask

    async def listening(models: Sequence[str], **asked: object) -> object:
        told.append(str(asked["system"]))
        return await ask(models, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr(language, "ask", listening)
    done = script("done", lambda n, turns: [Text("Done.")])
    await house.app.notes.write(ANA, "clerk", "Ann calls the cellar 'the archive'.")
    await house.run(done, name="clerk")
    await house.run(done, name="other")
    assert "the person you work for has written down for you (MEMORY.md)" in told[0]
    assert told[0].endswith("Ann calls the cellar 'the archive'.")
    assert "archive" not in told[1]
