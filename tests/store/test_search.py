"""Full text apart by owner and in every script; vectors that follow what is written without being read anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection, event, insert, select, text

from aether_jupyter.store import search, tables
from aether_jupyter.store.database import Database, Transaction

WIDTH = 4


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "a.db", "NORMAL") as database:
        await database.write(_spaces)
        yield database


def _spaces(tx: Transaction) -> None:
    """Two of ana's agents on one shelf, one of bob's on another."""
    for space, owner, agent, shelf in ((1, "ana", "clerk", 1), (2, "ana", "other", 1), (3, "bob", "clerk", 3)):
        tx.run(insert(tables.memory_space), {"id": space, "owner": owner, "agent": agent, "vectors": 0, "shelf": shelf})
        search.make(tx, shelf)


def space(connection: Connection, key: int) -> Any:
    return connection.execute(select(tables.memory_space).where(tables.memory_space.c.id == key)).one()


async def found(database: Database, key: int, *words: str, **more: Any) -> dict[int, float]:
    return await database.look(lambda c: search.by_words(c, [space(c, key)], words, 100, **more))


async def add(database: Database, shelf: int, key: int, *texts: str, first: int = 1) -> None:
    rows = [(first + n, words, "") for n, words in enumerate(texts)]
    await database.write(lambda tx: search.add(tx, shelf, key, rows))


async def test_how_common_a_word_is_with_others_does_not_show_in_a_score(database: Database) -> None:
    await add(database, 1, 1, "the blue safe", "the green door", "tea")
    before = await found(database, 1, "safe")
    await add(database, 3, 3, *["safe safe safe"] * 50)
    assert await found(database, 1, "safe") == before
    assert len(await found(database, 3, "safe")) == 50


async def test_a_search_stays_in_its_space(database: Database) -> None:
    await add(database, 1, 1, "mine")
    await add(database, 1, 2, "mine", first=7)
    assert set(await found(database, 1, "mine")) == {1}
    assert set(await found(database, 2, "mine")) == {7}
    both = await database.look(lambda c: search.by_words(c, [space(c, 1), space(c, 2)], ["mine"], 10))
    assert set(both) == {1, 7}


@pytest.mark.parametrize(
    ("text_", "words"),
    [
        ("明日の東京の天気は晴れです。", ["東京"]),
        ("明日の東京の天気は晴れです。", ["天気"]),
        ("会议在星期二上午十点。", ["星期", "期二"]),
        ("회의는 화요일에 있습니다.", ["화요"]),
        ("ประชุมวันอังคาร", ["คา"]),
        ("Party 😀 tonight", ["😀"]),
        ("Köln grüßt", ["koln"]),
        ("ﾃｽﾄ", ["テス"]),
    ],
)
async def test_scripts_without_blanks_and_signs_are_found_by_a_part(
    database: Database, text_: str, words: Sequence[str]
) -> None:
    await add(database, 1, 1, text_, "something else", "東西南北, 京都, 気, 曜")
    assert set(await found(database, 1, *words)) == {1}


async def test_the_last_word_may_be_half_typed(database: Database) -> None:
    await add(database, 1, 1, "the blue safe", "a sailor")
    assert set(await found(database, 1, "sa")) == set()
    assert set(await found(database, 1, "sa", typing=True)) == {1, 2}
    assert set(await found(database, 1, "blue", "sai", typing=True)) == {1, 2}


@pytest.mark.parametrize("word", ['"', "*", "a*", "NEAR(", "text:", "-", "^x", "a OR b", "(", "\0", "'", "{text}"])
async def test_nothing_in_a_word_is_an_operator(database: Database, word: str) -> None:
    await add(database, 1, 1, "something")
    for typing in (False, True):
        assert await found(database, 1, word, typing=typing) == {}


# --- vectors ---------------------------------------------------------------------------------------------------------


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array([*values, *[0.0] * (WIDTH - len(values))], np.float32)
    return vector / np.linalg.norm(vector)


class Reads:
    """Counts the rows of vectors that are read."""

    def __init__(self, database: Database) -> None:
        self.statements = 0
        event.listen(database._lookers, "before_cursor_execute", self._count)

    def _count(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements += "memory_vector" in statement


async def keep(database: Database, key: int, *rows: tuple[int, NDArray[np.float32]], model: str = "m") -> None:
    packed = [(memory, vector.tobytes()) for memory, vector in rows]
    await database.write(lambda tx: search.keep_vectors(tx, key, model, packed))


async def gone(database: Database, key: int, *memories: int) -> None:
    await database.write(lambda tx: search.drop_vectors(tx, key, memories))


async def near(
    database: Database, vectors: search.Vectors, key: int, query: NDArray[np.float32], most: int = 10, also: Any = ()
) -> dict[int, float]:
    found = await database.look(lambda c: vectors.nearest(c, [space(c, key)], query, most, also))
    return {memory: round(score, 3) for memory, score in found.items()}


async def test_the_nearest_are_found_and_those_asked_for(database: Database) -> None:
    vectors = search.Vectors("m")
    await keep(database, 1, *[(n, unit(1, n / 10)) for n in range(1, 9)])
    assert set(await near(database, vectors, 1, unit(1), 2)) == {1, 2}
    assert set(await near(database, vectors, 1, unit(1), 2, [8, 99])) == {1, 2, 8}
    assert await near(database, vectors, 2, unit(1)) == {}
    await keep(database, 1, (50, unit(1)), model="another")
    assert 50 not in await near(database, vectors, 1, unit(1))


async def test_what_is_written_replaced_or_gone_is_followed_without_reading_the_rest(database: Database) -> None:
    vectors, reads = search.Vectors("m"), Reads(database)
    await keep(database, 1, *[(n, unit(1, n)) for n in range(1, 300)])
    await near(database, vectors, 1, unit(1))
    matrix = vectors._spaces[1]
    taken: list[int] = []
    take = matrix._take
    matrix._take = lambda rows: (taken.append(len(rows)), take(rows))[1]  # type: ignore[method-assign,func-returns-value,assignment]
    await keep(database, 1, (7, unit(0, 0, 1)), (1000, unit(0, 0, 1, 0.1)))
    await gone(database, 1, 8, 4711)
    assert await near(database, vectors, 1, unit(0, 0, 1), 2) == {7: 1.0, 1000: 0.995}
    assert 8 not in await near(database, vectors, 1, unit(1), 400, [8])
    assert taken == [3]
    before = reads.statements
    await near(database, vectors, 1, unit(1))
    assert reads.statements == before


async def test_another_server_sees_the_same(database: Database) -> None:
    here, there = search.Vectors("m"), search.Vectors("m")
    for n in range(1, 40):
        await keep(database, 1, (n, unit(1, n)))
        if n % 3 == 0:
            await gone(database, 1, n - 1)
        assert await near(database, here, 1, unit(1, 5), 50) == await near(
            database, search.Vectors("m"), 1, unit(1, 5), 50
        )
    assert await near(database, there, 1, unit(1, 5), 50) == await near(database, here, 1, unit(1, 5), 50)


async def test_room_of_what_is_gone_is_used_again(database: Database) -> None:
    vectors = search.Vectors("m")
    for _ in range(30):
        # The same hundred, changed again and again.
        await keep(database, 1, *[(n, unit(1, n)) for n in range(1, 101)])
        await near(database, vectors, 1, unit(1))
    matrix = vectors._spaces[1]
    assert len(matrix._held.keys) <= 1_000
    assert len(await near(database, vectors, 1, unit(1), 5_000)) == 100


async def test_pairs_and_what_is_like_one(database: Database) -> None:
    vectors = search.Vectors("m")
    rows = [(n, unit(*np.random.default_rng(n).standard_normal(WIDTH))) for n in range(1, 700)]
    await keep(database, 1, *rows, (9_000, rows[4][1]))
    pairs = await database.look(lambda c: vectors.pairs(c, space(c, 1), [9_000, *range(1, 700), 5_555], 0.9999))
    assert pairs[0][:2] == (5, 9_000)
    assert all(score >= 0.9999 and a < b for a, b, score in pairs)
    like = await database.look(lambda c: vectors.like(c, space(c, 1), 5, 2))
    assert set(like) == {5, 9_000}
    assert await database.look(lambda c: vectors.like(c, space(c, 1), 4711, 2)) == {}


async def test_the_least_asked_for_matrix_goes_when_room_is_short(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MATRIX_BYTES", 6_000)
    vectors = search.Vectors("m")
    for key in (1, 2, 3):
        await keep(database, key, *[(key * 1_000 + n, unit(1, n)) for n in range(1, 200)])
        await near(database, vectors, key, unit(1))
    assert list(vectors._spaces) == [3]
    assert len(await near(database, vectors, 1, unit(1), 500)) == 199


async def test_memories_of_an_earlier_version_lie_on_the_shelf_of_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from aether_jupyter.store.migrate import upgrade

    with monkeypatch.context() as earlier:
        earlier.setattr("aether_jupyter.store.migrate.HEAD", "0006")
        upgrade(tmp_path / "b.db")
    with sqlite3.connect(tmp_path / "b.db") as plain:
        for key, owner in ((1, "ana"), (2, "bob"), (3, "ana")):
            plain.execute(
                "INSERT INTO memory_space (id, owner, agent, vectors) VALUES (?, ?, ?, 0)", (key, owner, f"{key}")
            )
            plain.execute(
                "INSERT INTO memory_text (rowid, text, before) VALUES (?, '東京は晴れ, blue', 'green')",
                ((key << 40) | key,),
            )
    plain.close()
    async with Database.open(tmp_path / "b.db") as database:
        for key in (1, 2, 3):
            assert set(await found(database, key, "東京")) == {key}
            assert set(await found(database, key, "green")) == {key}
        rows = await database.fetch(text("SELECT count(*) FROM memory_text_1"))  # type: ignore[arg-type]
        assert rows[0][0] == 2
