"""Full text and vectors over memories: FTS5, and exact cosine over one matrix per space.

The space of a memory is part of the key of every search: the range of rows in the index and the key of the matrix,
never a filter over what was found. Each owner has an index of their own (a *shelf*), so that not even how common a word
is elsewhere can be told from a score.

Nothing outside of this module knows of FTS5 or matrices: its functions and `Vectors` take and give ids, texts, vectors
and scores. That is where PostgreSQL goes in: a column of tsvector, and one of pgvector in place of the matrices.
"""

from __future__ import annotations

import functools
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from ..model.writing import SIGNS, UNSPACED
from . import tables
from .database import Transaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEFORE_CHARS = 2_000
MATRIX_BYTES = 512 * 1024 * 1024
_BLOCK, _READ = 256, 2_000
_EMPTIED = 0.25
"""A matrix is packed when this share of its rows is of vectors that are gone."""
SPACE_BITS = 40
"""A row of the index is the space, then the memory in this many bits: a search is one range of rows."""

_LONE = re.compile(f"[{UNSPACED}{SIGNS}]")
v = tables.memory_vector
_NEWER = select(v.c.memory, v.c.vector).where(
    v.c.space == bindparam("space"), v.c.model == bindparam("model"), v.c.revision > bindparam("after")
)


class Space(Protocol):
    """A row of `tables.memory_space`: its id, the revision of its vectors, and the shelf of its owner."""

    @property
    def id(self) -> Any: ...
    @property
    def vectors(self) -> Any: ...
    @property
    def shelf(self) -> Any: ...


class _Statements:
    """What is asked of one shelf. Its name is a number of our own."""

    def __init__(self, shelf: int) -> None:
        name = f"memory_text_{int(shelf)}"
        self.make = text(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5(text, before, tokenize='porter unicode61')"
        )
        self.add = text(f"INSERT INTO {name} (rowid, text, before) VALUES (:row, :text, :before)")  # noqa: S608
        self.drop = text(f"DELETE FROM {name} WHERE rowid = :row")  # noqa: S608
        self.before = text(f"UPDATE {name} SET before = :before WHERE rowid = :row")  # noqa: S608
        # The memory before counts half of what the memory itself says.
        self.find: Any = text(
            f"SELECT rowid AS row, -bm25({name}, 1.0, 0.5) AS score FROM {name} "  # noqa: S608
            f"WHERE {name} MATCH :query AND rowid BETWEEN :first AND :last ORDER BY score DESC LIMIT :most"
        )


_of = functools.lru_cache(256)(_Statements)


def make(tx: Transaction, shelf: int) -> None:
    """A new owner's index."""
    tx.run(_of(shelf).make)


def add(tx: Transaction, shelf: int, space: int, rows: Sequence[tuple[int, str, str]]) -> None:
    """Index memories of one space: `(id, text, the text before it in the space)`."""
    tx.run(
        _of(shelf).add,
        [
            {"row": _row(space, key), "text": indexed(words), "before": indexed(before[:BEFORE_CHARS])}
            for key, words, before in rows
        ],
    )


def drop(tx: Transaction, shelf: int, space: int, keys: Iterable[int]) -> None:
    """Take memories out of the index."""
    for key in keys:
        tx.run(_of(shelf).drop, {"row": _row(space, key)})


def set_before(tx: Transaction, shelf: int, space: int, key: int, before: str) -> None:
    """The memory before this one has another text now."""
    tx.run(_of(shelf).before, {"row": _row(space, key), "before": indexed(before[:BEFORE_CHARS])})


def unmake(tx: Transaction, shelf: int) -> None:
    """Take an owner's index away."""
    tx.run(text(f"DROP TABLE IF EXISTS memory_text_{int(shelf)}"))


_THERE = text("SELECT 1 FROM sqlite_master WHERE name = :name")


def merge(tx: Transaction, shelf: int) -> bool:
    """Join a part of an index, so that words of rows that are gone go from it; False when there is nothing to join."""
    driver: Any = tx.connection.connection.driver_connection
    before = driver.total_changes
    name = f"memory_text_{int(shelf)}"
    if tx.one(_THERE, {"name": name}) is None:
        return False
    tx.run(text(f"INSERT INTO {name} ({name}, rank) VALUES ('merge', -500)"))  # noqa: S608
    # FTS5 counts two changes even when it has nothing to do.
    return bool(driver.total_changes - before >= 2)


def by_words(
    connection: Connection,
    spaces: Iterable[Space],
    words: Sequence[str],
    most: int,
    *,
    typing: bool = False,
) -> dict[int, float]:
    """The best matches of any of these words in each space (`id`, `shelf`), with their BM25 score (greater is better).

    `typing`: the last word may be the beginning of one.
    """
    if not words:
        return {}
    # Each word is quoted: nothing that a person types is an operator.
    quoted = ['"' + indexed(word).replace('"', '""') + '"' for word in words]
    query = " OR ".join(quoted) + (" *" if typing else "")
    found: dict[int, float] = {}
    for space in spaces:
        first = _row(space.id, 0)
        within = {"query": query, "first": first, "last": _row(space.id + 1, 0) - 1, "most": most}
        # All at once: a row at a time costs as much again as the search.
        found |= {row - first: score for row, score in connection.execute(_of(space.shelf).find, within).all()}
    return found


def indexed(words: str) -> str:
    """A text as it is indexed: each letter of Chinese, Japanese, Korean, Thai … is a word of its own, so that a few of
    them in a row are found as a phrase; a sign like an emoji is the word of its number.
    """
    if words.isascii():
        return words.replace("\0", " ")
    return _LONE.sub(_alone, unicodedata.normalize("NFKC", words)).replace("\0", " ")


def _alone(match: re.Match[str]) -> str:
    sign = match[0]
    return f" {sign} " if sign.isalnum() else f" u{ord(sign):x} "


def _row(space: int, key: int) -> int:
    return (space << SPACE_BITS) | key


# --- vectors ---------------------------------------------------------------------------------------------------------


def keep_vectors(tx: Transaction, space: int, model: str, rows: Sequence[tuple[int, bytes]]) -> None:
    """Write the vectors of memories (`(id, float32)`) in the place of those they had."""
    revision = _revise(tx, space)
    tx.run(delete(v).where(v.c.memory.in_([key for key, _ in rows])))
    made = [
        {"memory": key, "space": space, "model": model, "revision": revision, "vector": vector} for key, vector in rows
    ]
    if made:
        tx.run(insert(v), made)


def drop_vectors(tx: Transaction, space: int, keys: Sequence[int]) -> None:
    """Take the vectors of memories away. Their rows stay, empty, so that who holds a matrix sees that they are gone."""
    tx.run(update(v).where(v.c.memory.in_(keys)).values(vector=b"", revision=_revise(tx, space)))


def _revise(tx: Transaction, space: int) -> int:
    s = tables.memory_space
    tx.run(update(s).where(s.c.id == space).values(vectors=s.c.vectors + 1))
    return int(tx.one(select(s.c.vectors).where(s.c.id == space))[0])


class Vectors:
    """The vectors of one embedding model, one matrix a space, read when first asked for and kept while there is room.

    Every change of a space's vectors counts up its `revision`, and each row tells in which revision it was written: a
    matrix that is behind reads what is newer, whoever wrote it, and nothing else.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._spaces: OrderedDict[int, _Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self, spaces: Iterable[int]) -> None:
        """Let the matrices of these spaces go."""
        with self._lock:
            for space in spaces:
                self._spaces.pop(space, None)

    def nearest(
        self,
        connection: Connection,
        spaces: Iterable[Space],
        query: NDArray[np.float32],
        most: int,
        also: Iterable[int] = (),
    ) -> dict[int, float]:
        """The `most` memories nearest in meaning in each of these spaces (`id`, `vectors`), and `also` these if they
        are there, with their cosine.
        """
        found: dict[int, float] = {}
        wanted = list(also)
        for space in spaces:
            found |= self._matrix(connection, space.id, space.vectors).nearest(query, most, wanted)
        return found

    def like(self, connection: Connection, space: Space, key: int, most: int) -> dict[int, float]:
        """The memories of a space nearest in meaning to one of them, with their cosine; none if it has no vector."""
        matrix = self._matrix(connection, space.id, space.vectors)
        vector = matrix.vector(key)
        return {} if vector is None else matrix.nearest(vector, most, ())

    def pairs(
        self, connection: Connection, space: Space, keys: Sequence[int], least: float
    ) -> list[tuple[int, int, float]]:
        """Pairs of these memories whose cosine is at least this, the nearest first, the smaller id before the other."""
        return self._matrix(connection, space.id, space.vectors).pairs(keys, least)

    def _matrix(self, connection: Connection, space: int, revision: int) -> _Matrix:
        with self._lock:
            matrix = self._spaces.setdefault(space, _Matrix())
            self._spaces.move_to_end(space)
        matrix.follow(connection, space, self.model, revision)
        with self._lock:
            while len(self._spaces) > 1 and sum(each.size for each in self._spaces.values()) > MATRIX_BYTES:
                self._spaces.popitem(last=False)
        return matrix


class _Held:
    """What a matrix held at one moment. Rows behind `rows` are of a later one; a key of 0: its vector is gone."""

    def __init__(self, keys: NDArray[np.int64], vectors: NDArray[np.float32], rows: int) -> None:
        self.keys = keys
        self.vectors = vectors
        self.rows = rows


class _Matrix:
    """Ids and unit vectors. What comes is written behind the last row; what goes leaves its row empty.

    Several threads may ask at once. Who reads while a row is emptied may still see it: what is forgotten is left out by
    whoever looks up the ids that were found.
    """

    def __init__(self) -> None:
        import numpy as np

        self._held = _Held(np.zeros(0, np.int64), np.zeros((0, 0), np.float32), 0)
        self._places: dict[int, int] = {}
        self._empty = 0
        self._revision = -1
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """What it holds in memory, in bytes."""
        return int(self._held.vectors.nbytes)

    def follow(self, connection: Connection, space: int, model: str, revision: int) -> None:
        """Read what is newer than what it holds."""
        if self._revision >= revision:
            return
        with self._lock:
            if self._revision >= revision:
                return
            newer = connection.execute(_NEWER, {"space": space, "model": model, "after": self._revision})
            for part in newer.partitions(_READ):
                self._take([(row.memory, row.vector) for row in part])
            self._revision = revision

    def _take(self, rows: Sequence[tuple[int, bytes]]) -> None:
        import numpy as np

        held = self._held
        gone = [place for key, _ in rows if (place := self._places.pop(key, None)) is not None]
        held.keys[gone] = 0
        held.vectors[gone] = 0.0
        self._empty += len(gone)
        come = [(key, vector) for key, vector in rows if vector]
        need = held.rows + len(come)
        if come and need > len(held.keys):
            held = self._grown(need, len(come[0][1]) // 4)
            need = held.rows + len(come)
        if come:
            held.keys[held.rows : need] = [key for key, _ in come]
            block = np.frombuffer(b"".join(vector for _, vector in come), np.float32)
            held.vectors[held.rows : need] = block.reshape(len(come), -1)
            self._places.update((key, held.rows + at) for at, (key, _) in enumerate(come))
        self._held = _Held(held.keys, held.vectors, need)

    def _grown(self, need: int, width: int) -> _Held:
        """Twice the room, and packed where much of it is empty."""
        import numpy as np

        held = self._held
        stays: Any = slice(0, held.rows)
        if self._empty > _EMPTIED * held.rows:
            stays = np.flatnonzero(held.keys[: held.rows])
            self._empty = 0
        kept = held.keys[stays]
        room = max(need, 2 * len(kept), 256)
        keys, vectors = np.zeros(room, np.int64), np.zeros((room, width), np.float32)
        keys[: len(kept)] = kept
        if len(kept):
            vectors[: len(kept)] = held.vectors[stays]
            self._places = {key: at for at, key in enumerate(kept.tolist()) if key}
        return _Held(keys, vectors, len(kept))

    def vector(self, key: int) -> NDArray[np.float32] | None:
        """The vector of one."""
        with self._lock:
            place = self._places.get(key)
            return None if place is None else self._held.vectors[place].copy()

    def pairs(self, keys: Sequence[int], least: float) -> list[tuple[int, int, float]]:
        """Pairs of these whose cosine is at least this, the nearest first, the smaller id before the greater."""
        import numpy as np

        with self._lock:
            places = [place for key in keys if (place := self._places.get(key)) is not None]
            ids, vectors = self._held.keys[places], self._held.vectors[places]
        found: list[tuple[int, int, float]] = []
        for start in range(0, len(places), _BLOCK):
            near = vectors[start : start + _BLOCK] @ vectors.T
            firsts, seconds = np.nonzero(near >= least)
            later = seconds > firsts + start
            firsts, seconds = firsts[later], seconds[later]
            scores = near[firsts, seconds].tolist()
            some, others = ids[firsts + start], ids[seconds]
            found += zip(np.minimum(some, others).tolist(), np.maximum(some, others).tolist(), scores, strict=True)
        return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))

    def nearest(self, query: NDArray[np.float32], most: int, also: Sequence[int]) -> dict[int, float]:
        """The nearest ones, and those asked for by their ids, with their cosine."""
        import numpy as np

        with self._lock:
            held = self._held
            wanted = [place for key in also if (place := self._places.get(key)) is not None]
        if not held.rows:
            return {}
        near = held.vectors[: held.rows] @ query
        best = np.argpartition(near, -most)[-most:] if most < held.rows else np.arange(held.rows)
        places = np.concatenate([best, np.array(wanted, np.int64)]) if wanted else best
        found = dict(zip(held.keys[places].tolist(), near[places].tolist(), strict=True))
        found.pop(0, None)
        return found
