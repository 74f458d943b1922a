"""Images beside the journal: whose they are, how long they stay, and how many wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aether_jupyter.kernel import images as pictures
from aether_jupyter.kernel.images import Images
from aether_jupyter.model.access import RUNTIME, Principal
from aether_jupyter.model.errors import BadRequest, NotFound, TooMany
from aether_jupyter.store.database import Database

from ..drawn import drawn

ANA, BOB = Principal.person("ana"), Principal.person("bob")


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "aether.db", "NORMAL") as database:
        yield database


async def test_an_image_is_there_for_its_owner_alone(database: Database) -> None:
    images = Images(database)
    content = drawn()
    image = await images.keep(ANA, content)
    assert await images.keep(ANA, content) == image
    assert await images.content(ANA, image.digest) == (image, content)
    with pytest.raises(NotFound):
        await images.content(BOB, image.digest)
    with pytest.raises(BadRequest, match="POST"):
        await database.write(lambda tx: pictures.known(tx, "bob", (image,)))


async def test_what_nobody_names_goes_and_what_a_journal_names_stays(database: Database) -> None:
    images = Images(database)
    named, unnamed = await images.keep(ANA, drawn("teal")), await images.keep(ANA, drawn("gold"))
    await database.write(lambda tx: pictures.name(tx, "ana", 1, (named,)))
    assert await images.drop_unnamed(RUNTIME) == 0
    assert await images.drop_unnamed(RUNTIME, older_s=-1) == 1
    assert (await images.content(ANA, named.digest))[0] == named
    with pytest.raises(NotFound):
        await images.content(ANA, unnamed.digest)


async def test_no_more_may_wait_than_there_is_room_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images(database)
    first = drawn("teal")
    monkeypatch.setattr(pictures, "UNNAMED_BYTES", len(first) + 1)
    image = await images.keep(ANA, first)
    with pytest.raises(TooMany, match="wait to be given"):
        await images.keep(ANA, drawn("gold"))
    await images.keep(BOB, drawn("gold"))
    await database.write(lambda tx: pictures.name(tx, "ana", 1, (image,)))
    await images.keep(ANA, drawn("gold"))
