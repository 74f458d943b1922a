"""Full text and vectors over memories: FTS5, and exact cosine over one matrix per space.

The space of a memory is part of the key of every search: the range of rows in the index and the key of the matrix,
never a filter over what was found.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select, text

from . import tables
from .database import Transaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BEFORE_CHARS = 2_000
MATRIX_BYTES = 512 * 1024 * 1024

_BLOCK = 256
SPACE_BITS = 40
"""A row of the index is the space, then the memory in this many bits: a search is one range of rows."""

_ADD = text("INSERT INTO memory_text (rowid, text, before) VALUES (:row, :text, :before)")
_DROP = text("DELETE FROM memory_text WHERE rowid = :row")
_BEFORE = text("UPDATE memory_text SET before = :before WHERE rowid = :row")
_FIND: Any = text(
    "SELECT rowid AS row, -bm25(memory_text, 1.0, 0.5) AS score FROM memory_text "
    "WHERE memory_text MATCH :query AND rowid BETWEEN :first AND :last ORDER BY score DESC LIMIT :most"
)
"""The memory before counts half of what the memory itself says."""
v = tables.memory_vector
_VECTORS = (
    select(v.c.memory, v.c.vector)
    .where(v.c.space == bindparam("space"), v.c.model == bindparam("model"))
    .order_by(v.c.memory)
)


def add(tx: Transaction, space: int, rows: Sequence[tuple[int, str, str]]) -> None:
    """Index memories of one space: `(id, text, the text before it in the space)`."""
    tx.run(
        _ADD,
        [{"row": _row(space, key), "text": words, "before": before[:BEFORE_CHARS]} for key, words, before in rows],
    )


def drop(tx: Transaction, space: int, keys: Iterable[int]) -> None:
    """Take memories out of the index."""
    for key in keys:
        tx.run(_DROP, {"row": _row(space, key)})


def set_before(tx: Transaction, space: int, key: int, before: str) -> None:
    """The memory before this one has another text now."""
    tx.run(_BEFORE, {"row": _row(space, key), "before": before[:BEFORE_CHARS]})


def by_words(connection: Connection, spaces: Iterable[int], words: Sequence[str], most: int) -> dict[int, float]:
    """The best matches of any of these words in each space, with their BM25 score (greater is better)."""
    # Each word is quoted: nothing that a person types is an operator.
    query = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
    found: dict[int, float] = {}
    for space in spaces:
        within = {"query": query, "first": _row(space, 0), "last": _row(space + 1, 0) - 1, "most": most}
        found |= {row - within["first"]: score for row, score in connection.execute(_FIND, within)}
    return found


def _row(space: int, key: int) -> int:
    return (space << SPACE_BITS) | key


class Vectors:
    """The vectors of one embedding model, one matrix a space, read when first asked for and kept while there is room.

    Every change of a space's vectors counts up its `revision`, so a matrix that another server has overtaken is read
    again. Threads may ask while the event loop tells of changes: the lock is held for the bookkeeping only.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self._spaces: OrderedDict[int, _Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def nearest(
        self,
        connection: Connection,
        spaces: Mapping[int, int],
        query: NDArray[np.float32],
        most: int,
        also: Iterable[int] = (),
    ) -> dict[int, float]:
        """The `most` memories nearest in meaning in each of these spaces (id: revision), and `also` these if they are
        there, with their cosine.
        """
        found: dict[int, float] = {}
        wanted = list(also)
        for space, revision in spaces.items():
            found |= self._matrix(connection, space, revision).nearest(query, most, wanted)
        return found

    def like(self, connection: Connection, space: int, revision: int, key: int, most: int) -> dict[int, float]:
        """The memories of a space nearest in meaning to one of them, with their cosine; none if it has no vector."""
        matrix = self._matrix(connection, space, revision)
        vector = matrix.vector(key)
        return {} if vector is None else matrix.nearest(vector, most, ())

    def pairs(
        self, connection: Connection, space: int, revision: int, keys: Sequence[int], least: float
    ) -> list[tuple[int, int, float]]:
        """Pairs of these memories whose cosine is at least this, the nearest first."""
        return self._matrix(connection, space, revision).pairs(keys, least)

    def added(self, space: int, revision: int, rows: Sequence[tuple[int, NDArray[np.float32]]]) -> None:
        """Follow vectors that this server has just written; they may take the place of old ones."""
        with self._lock:
            matrix = self._spaces.get(space)
        if matrix is None:
            return
        follows = matrix.revision == revision - 1
        new = matrix.without({key for key, _ in rows}).plus(rows, revision) if follows else None
        with self._lock:
            if self._spaces.get(space) is not matrix:
                return
            if new is None:
                del self._spaces[space]
            else:
                self._spaces[space] = new

    def _matrix(self, connection: Connection, space: int, revision: int) -> _Matrix:
        with self._lock:
            matrix = self._spaces.get(space)
        if matrix is None or matrix.revision < revision:
            rows = connection.execute(_VECTORS, {"space": space, "model": self.model}).all()
            matrix = _Matrix.of([(row.memory, row.vector) for row in rows], revision)
        with self._lock:
            known = self._spaces.get(space)
            if known is None or known.revision < matrix.revision:
                self._spaces[space] = matrix
            self._spaces.move_to_end(space)
            while len(self._spaces) > 1 and sum(each.bytes for each in self._spaces.values()) > MATRIX_BYTES:
                self._spaces.popitem(last=False)
        return matrix


class _Matrix:
    """Ids and unit vectors. One that was handed out stays as it is: what comes is written behind its rows."""

    def __init__(self, keys: NDArray[np.int64], vectors: NDArray[np.float32], rows: int, revision: int) -> None:
        self._keys = keys
        self._vectors = vectors
        self._rows = rows
        self._order: NDArray[np.int64] | None = None
        self.revision = revision

    @classmethod
    def of(cls, rows: Sequence[tuple[int, bytes]], revision: int) -> _Matrix:
        """From what the database holds."""
        import numpy as np

        width = len(rows[0][1]) // 4 if rows else 0
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype=np.float32).reshape(len(rows), width)
        return cls(np.array([key for key, _ in rows], dtype=np.int64), vectors, len(rows), revision)

    @property
    def bytes(self) -> int:
        """What it holds in memory."""
        return int(self._vectors.nbytes)

    def plus(self, rows: Sequence[tuple[int, NDArray[np.float32]]], revision: int) -> _Matrix:
        """With these at the end; the arrays grow by doubling."""
        import numpy as np

        keys, vectors, need = self._keys, self._vectors, self._rows + len(rows)
        if rows and need > len(keys):
            room = max(need, 2 * len(keys), 256)
            keys, vectors = np.zeros(room, np.int64), np.zeros((room, len(rows[0][1])), np.float32)
            keys[: self._rows] = self._keys[: self._rows]
            if self._rows:
                vectors[: self._rows] = self._vectors[: self._rows]
        if rows:
            keys[self._rows : need] = [key for key, _ in rows]
            vectors[self._rows : need] = [vector for _, vector in rows]
        return _Matrix(keys, vectors, need, revision)

    def without(self, keys: set[int]) -> _Matrix:
        """Without these; itself if none of them is there."""
        import numpy as np

        stays = ~np.isin(self._keys[: self._rows], list(keys))
        if stays.all():
            return self
        rows = int(stays.sum())
        return _Matrix(self._keys[: self._rows][stays], self._vectors[: self._rows][stays], rows, self.revision)

    def vector(self, key: int) -> NDArray[np.float32] | None:
        """The vector of one."""
        import numpy as np

        places = np.flatnonzero(self._keys[: self._rows] == key)
        return self._vectors[places[0]] if len(places) else None

    def pairs(self, keys: Sequence[int], least: float) -> list[tuple[int, int, float]]:
        """Pairs of these whose cosine is at least this, the nearest first, the smaller id before the greater."""
        import numpy as np

        rows = np.flatnonzero(np.isin(self._keys[: self._rows], np.asarray(keys, np.int64)))
        ids, vectors = self._keys[rows], self._vectors[rows]
        found: list[tuple[int, int, float]] = []
        for start in range(0, len(rows), _BLOCK):
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

        if not self._rows:
            return {}
        keys = self._keys[: self._rows]
        near = self._vectors[: self._rows] @ query
        if most >= self._rows:
            return dict(zip(keys.tolist(), near.tolist(), strict=True))
        best = np.argpartition(near, -most)[-most:]
        found = dict(zip(keys[best].tolist(), near[best].tolist(), strict=True))
        if also:
            if self._order is None:
                self._order = np.argsort(keys)
            places = np.searchsorted(keys, also, sorter=self._order)
            rows = self._order[np.minimum(places, self._rows - 1)]
            rows = rows[keys[rows] == also]
            found |= dict(zip(keys[rows].tolist(), near[rows].tolist(), strict=True))
        return found
