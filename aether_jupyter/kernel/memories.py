"""Memories: remember, recall, edit, pin, share and forget.

Each agent of an owner has a space of its own, and the space is part of the key of every statement and search: what
one agent remembers is not there for another, unless a person granted it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, union_all, update

from ..engine.recall import contenders, explain, fuse, terms, vitality
from ..model.access import RUNTIME, Principal, require
from ..model.errors import BadRequest, Conflict, Forbidden, MemoryNotFound, ModelNotConfigured
from ..model.memory import Change, Layer, Memory, MemorySpace, Note, Recall, Recalled, Source
from ..store import search, tables
from ..store.database import Database, Transaction
from .action import action

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 100
"""How many matches by words and by meaning are weighed against each other."""
FILTERED = 15_000
"""As many where only some layers or tags are wanted, and how many are read by one statement."""
Matches = dict[int, tuple[float, float]]
LIST_MOST = 1_000
KNOWN_S = 1.0
"""Seconds until it is seen that an agent began to remember on another server."""
EVICT_EVERY, EVICT_MOST = 64, 1_000
"""After how many new ones a layer is tidied, and how many go at once."""

_memory = msgspec.json.Decoder(Memory).decode
_encode = msgspec.json.Encoder().encode
s, m, g = tables.memory_space, tables.memory, tables.memory_grant
_SPACE = select(s.c.id, s.c.vectors).where(s.c.owner == bindparam("owner"), s.c.agent == bindparam("agent"))
_READABLE = union_all(
    _SPACE,
    select(s.c.id, s.c.vectors)
    .join(g, g.c.space == s.c.id)
    .where(s.c.owner == bindparam("owner"), g.c.reader == bindparam("agent")),
)
_READERS = union_all(
    select(s.c.agent).where(s.c.owner == bindparam("owner")),
    select(g.c.reader.label("agent")).join(s, s.c.id == g.c.space).where(s.c.owner == bindparam("owner")),
)
_ONE = select(m.c.id, m.c.space, m.c.forgotten, m.c.body, s.c.owner, s.c.agent).join(s, s.c.id == m.c.space)
_END = select(
    s.c.id,
    select(m.c.body)
    .where(m.c.space == s.c.id, m.c.forgotten.is_(False))
    .order_by(m.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("body"),
).where(s.c.owner == bindparam("owner"), s.c.agent == bindparam("agent"))
_THESE = select(m.c.id, m.c.body).where(m.c.id.in_(bindparam("keys", expanding=True)), m.c.forgotten.is_(False))
"""By key alone: with the space in it SQLite would rather walk through all of the space."""
_INSERT = insert(m).returning(m.c.id, sort_by_parameter_order=True)


class Unembedded(msgspec.Struct, frozen=True):
    """A memory that waits for its vector."""

    id: int
    space: int
    text: str


class Meaning(Protocol):
    """What the kernel needs of an embedding model: its name, and the vector of a query.

    `fault` is why it cannot be used after all, '' while it can.
    """

    name: str
    fault: str

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """A unit vector. Raises `ModelNotConfigured`."""
        ...


class Memories:
    """`embedder` gives vectors, or None where there is none; recall then goes by words alone, and says so."""

    def __init__(self, database: Database, embedder: Meaning | None, keep: int) -> None:
        self._database = database
        self._embedder = embedder
        self._keep = keep
        self._vectors = search.Vectors(embedder.name) if embedder is not None else None
        self._listeners: list[Callable[[], None]] = []
        self._known: dict[str, tuple[float, int, frozenset[str]]] = {}
        self._changes = 0
        self._asking: dict[str, asyncio.Lock] = {}
        self._untidied: dict[tuple[int, Layer], int] = {}

    @property
    def embedding(self) -> tuple[str, str]:
        """The embedding model, '' where there is none; and why it cannot be used after all."""
        return (self._embedder.name, self._embedder.fault) if self._embedder is not None else ("", "")

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after memories were written here."""
        self._listeners.append(listener)

    # --- writing -------------------------------------------------------------------------------------------------

    async def remember(self, actor: Principal, agent: str, note: Note, source: Source | None = None) -> Memory:
        """Keep one note. It is found by its words at once, and by its meaning soon after."""
        return (await self.remember_many(actor, agent, (note,), source))[0]

    async def remember_many(
        self, actor: Principal, agent: str, notes: Sequence[Note], source: Source | None = None
    ) -> Sequence[Memory]:
        """Keep many notes in one transaction."""
        kept = await self._remember(actor, agent, notes, source or Source(actor.name))
        self.changed()
        return kept

    def changed(self) -> None:
        """Tell those who listen that something was kept: whoever called `keep` calls this after the commit."""
        self._changes += 1
        for listener in self._listeners:
            listener()

    @action("memory:write")
    def _remember(
        self, tx: Transaction, actor: Principal, agent: str, notes: Sequence[Note], source: Source
    ) -> Sequence[Memory]:
        return self.keep(tx, actor.owner, agent, notes, source)

    def keep(self, tx: Transaction, owner: str, agent: str, notes: Sequence[Note], source: Source) -> Sequence[Memory]:
        """Keep notes inside the transaction of another action."""
        blank = next((note for note in notes if not note.text.strip()), None)
        if blank is not None or not agent.strip():
            raise BadRequest("text: an empty memory tells nothing" if blank is not None else "agent: whose memory?")
        space, last = self._end(tx, owner, agent)
        fresh = [
            Memory(
                id=0,
                owner=owner,
                agent=agent,
                layer=note.layer,
                text=note.text,
                source=source,
                importance=note.importance,
                tags=note.tags,
                created_at=tx.now if note.at is None else note.at,
                changed_at=tx.now,
            )
            for note in notes
        ]
        if not fresh:
            return []
        rows = [
            {
                "space": space,
                "layer": str(memory.layer),
                "forgotten": False,
                "created_at": memory.created_at,
                "vitality": vitality(memory),
                "model": "",
                "body": _encode(memory),
            }
            for memory in fresh
        ]
        keys = [row.id for row in tx.run(_INSERT, rows)]
        kept = [msgspec.structs.replace(memory, id=key) for key, memory in zip(keys, fresh, strict=True)]
        befores = [last, *(memory.text for memory in kept[:-1])]
        search.add(tx, space, [(k.id, k.text, before) for k, before in zip(kept, befores, strict=True)])
        for layer in {memory.layer for memory in kept}:
            self._tidy(tx, space, layer, sum(memory.layer is layer for memory in kept))
        return kept

    async def edit(self, actor: Principal, key: int, change: Change, *, version: int | None = None) -> Memory:
        """Change a memory; what was there is kept as a version. `version`, if given, must be the one that was seen."""
        changed = await self._edit(actor, key, change, version)
        for listener in self._listeners:
            listener()
        return changed

    @action("memory:write")
    def _edit(self, tx: Transaction, actor: Principal, key: int, change: Change, version: int | None) -> Memory:
        row = self._row(tx, actor, key)
        old = row.memory
        if version is not None and version != old.version:
            raise Conflict(f"Memory {key} was changed meanwhile (version {old.version}, not {version}); look again")
        if change.text is not None and not change.text.strip():
            raise BadRequest("text: an empty memory tells nothing; forget it instead")
        set_ = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
        if msgspec.structs.replace(old, **set_) == old:
            return old
        new = msgspec.structs.replace(old, **set_, changed_at=tx.now, version=old.version + 1, changed_by=actor.name)
        self._save(tx, row.space, old, new, actor.name)
        if new.text != old.text:
            search.drop(tx, row.space, [key])
            before = self._neighbour(tx, row.space, m.c.id < key, m.c.id.desc())
            search.add(tx, row.space, [(key, new.text, before.text if before else "")])
            after = self._neighbour(tx, row.space, m.c.id > key, m.c.id.asc())
            if after is not None:
                search.set_before(tx, row.space, after.id, new.text)
            self._unembed(tx, row.space, [key])
        return new

    @action("memory:write")
    def forget(self, tx: Transaction, actor: Principal, keys: Sequence[int]) -> Sequence[Memory]:
        """Take memories out of every list and search. Their versions stay readable until they are erased."""
        gone = []
        for key in dict.fromkeys(keys):
            row = self._row(tx, actor, key)
            new = msgspec.structs.replace(
                row.memory,
                forgotten_at=tx.now,
                changed_at=tx.now,
                version=row.memory.version + 1,
                changed_by=actor.name,
            )
            self._save(tx, row.space, row.memory, new, actor.name)
            self._unindex(tx, row.space, [key])
            gone.append(new)
        return gone

    def reweigh(self, tx: Transaction, owner: str, moves: Mapping[int, float], why: str) -> dict[int, float]:
        """Move the importance of memories, each within 0–1, in the transaction of another action.

        Returns by how much each was really moved; what was forgotten meanwhile is left out. `why` stands as the one
        who made the new version.
        """
        moved = {}
        for key, by in moves.items():
            found = tx.one(_ONE.where(m.c.id == key, s.c.owner == owner, m.c.forgotten.is_(False)))
            if found is None:
                continue
            old = _read(found)
            importance = round(min(1.0, max(0.0, old.importance + by)), 6)
            if importance == old.importance:
                moved[key] = 0.0
                continue
            new = msgspec.structs.replace(
                old, importance=importance, changed_at=tx.now, version=old.version + 1, changed_by=why
            )
            self._save(tx, found.space, old, new, why)
            moved[key] = round(importance - old.importance, 6)
        return moved

    async def grant(self, actor: Principal, agent: str, reader: str, *, allow: bool = True) -> None:
        """Let another agent of the same owner recall what this one remembers, or no longer."""
        await self._grant(actor, agent, reader, allow)
        self._changes += 1

    @action("memory:write")
    def _grant(self, tx: Transaction, actor: Principal, agent: str, reader: str, allow: bool) -> None:
        if actor.pid is not None:
            raise Forbidden("An agent cannot share memories; a person must")
        if not agent.strip():
            raise BadRequest("agent: whose memory?")
        if reader == agent or not reader.strip():
            raise BadRequest("reader: name another agent")
        if not allow and tx.one(_SPACE, {"owner": actor.owner, "agent": agent}) is None:
            return
        space = self._space(tx, actor.owner, agent)
        tx.run(delete(g).where(g.c.space == space, g.c.reader == reader))
        if allow:
            tx.run(insert(g), {"space": space, "reader": reader, "at": tx.now, "actor": actor.name})

    @action("memory:write")
    def touch(self, tx: Transaction, actor: Principal, agent: str, keys: Sequence[int]) -> None:
        """These of the agent's own were of use: they fade later."""
        for key in keys:
            found = tx.one(_ONE.where(m.c.id == key, s.c.owner == actor.owner, s.c.agent == agent))
            if found is None or found.forgotten:
                continue
            memory = _read(found)
            used = msgspec.structs.replace(memory, uses=memory.uses + 1, used_at=tx.now)
            tx.run(update(m).where(m.c.id == key).values(vitality=vitality(used), body=_encode(used)))

    # --- reading -------------------------------------------------------------------------------------------------

    async def recall(
        self,
        actor: Principal,
        agent: str,
        query: str,
        *,
        layers: Sequence[Layer] = (),
        tags: Sequence[str] = (),
        limit: int = 10,
    ) -> Recall:
        """What this agent remembers, or was granted to read, that fits the query: best first, each with its reasons."""
        require(actor, "memory:read")
        words = terms(query)
        if not words:
            return Recall([], False)
        # What a filter lets pass may lie far behind.
        most = FILTERED if tags or layers else CANDIDATES + limit
        who = {"owner": actor.owner, "agent": agent}
        if agent not in await self._readers(actor.owner):
            return Recall([], False)
        vector = await self._vector(query)

        def look(connection: Connection) -> tuple[Sequence[Memory], Matches, dict[int, float]]:
            spaces = {row.id: row.vectors for row in connection.execute(_READABLE, who)}
            by_words = search.by_words(connection, spaces, words, most)
            near: dict[int, float] = {}
            if vector is not None and self._vectors is not None:
                near = self._vectors.nearest(connection, spaces, vector, most, by_words)
            matches = fuse(by_words, near)
            keys = list(matches) if layers or tags else contenders(matches, limit)
            parts = (keys[start : start + FILTERED] for start in range(0, len(keys), FILTERED))
            rows = (row for part in parts for row in connection.execute(_THESE, {"keys": part}))
            return [_read(row) for row in rows], matches, near

        found, matches, by_meaning = await self._database.look(look)
        now = time.time()
        fitting = [
            Recalled(memory, explain(memory, matches[memory.id], by_meaning.get(memory.id), now))
            for memory in found
            if (not layers or memory.layer in layers) and set(tags) <= set(memory.tags)
        ]
        fitting.sort(key=lambda each: (-each.why.score, -each.memory.id))
        return Recall(fitting[:limit], bool(by_meaning))

    async def _readers(self, owner: str) -> frozenset[str]:
        """The agents of this owner that have something to recall: a thousand that have not cost one look a while."""
        async with self._asking.setdefault(owner, asyncio.Lock()):
            at, changes, names = self._known.get(owner, (-math.inf, 0, frozenset[str]()))
            if changes != self._changes or time.monotonic() - at > KNOWN_S:
                # Counted before the look: what is written meanwhile is not taken for seen.
                changes = self._changes
                names = frozenset(row.agent for row in await self._database.fetch(_READERS, {"owner": owner}))
                self._known[owner] = time.monotonic(), changes, names
            return names

    async def _vector(self, query: str) -> NDArray[np.float32] | None:
        try:
            return await self._embedder.embed_query(query) if self._embedder is not None else None
        except ModelNotConfigured:
            # Health tells why; an agent goes on with words alone.
            return None

    async def get(self, actor: Principal, key: int) -> Memory:
        """One memory, forgotten or not."""
        require(actor, "memory:read")
        rows = await self._database.fetch(_ONE.where(m.c.id == key)) if 0 < key < 2**63 else []
        if not rows or rows[0].owner != actor.owner:
            raise MemoryNotFound(f"No memory {key}")
        return _read(rows[0])

    async def versions(self, actor: Principal, key: int) -> Sequence[Memory]:
        """How a memory changed, the newest first; the first is how it is now."""
        now = await self.get(actor, key)
        v = tables.memory_version
        rows = await self._database.fetch(select(v.c.body).where(v.c.memory == key).order_by(v.c.version.desc()))
        return [now, *(msgspec.structs.replace(_memory(row.body), id=key) for row in rows)]

    async def list(
        self,
        actor: Principal,
        agent: str,
        *,
        layer: Layer | None = None,
        before: int | None = None,
        limit: int = 200,
    ) -> Sequence[Memory]:
        """What an agent remembers, newest first; `before` is the id to go on from."""
        require(actor, "memory:read")
        statement = _ONE.where(s.c.owner == actor.owner, s.c.agent == agent, m.c.forgotten.is_(False))
        if layer is not None:
            statement = statement.where(m.c.layer == str(layer))
        if before is not None:
            statement = statement.where(m.c.id < before)
        rows = await self._database.fetch(statement.order_by(m.c.id.desc()).limit(min(limit, LIST_MOST)))
        return [_read(row) for row in rows]

    async def spaces(self, actor: Principal) -> Sequence[MemorySpace]:
        """The agents of this owner that remember something; who remembered the last thing is first."""
        require(actor, "memory:read")
        rows = await self._database.fetch(
            select(s.c.agent, m.c.layer, func.count().label("count"), func.max(m.c.created_at).label("newest"))
            .join(m, m.c.space == s.c.id)
            .where(s.c.owner == actor.owner, m.c.forgotten.is_(False))
            .group_by(s.c.id, m.c.layer)
        )
        grants = await self._database.fetch(
            select(s.c.agent, g.c.reader).join(g, g.c.space == s.c.id).where(s.c.owner == actor.owner)
        )
        readers: MutableMapping[str, list[str]] = {}
        layers: MutableMapping[str, dict[Layer, int]] = {}
        for row in grants:
            readers.setdefault(row.agent, []).append(row.reader)
            layers.setdefault(row.agent, {})
        newest: MutableMapping[str, float] = {}
        for row in rows:
            layers.setdefault(row.agent, {})[Layer(row.layer)] = row.count
            newest[row.agent] = max(row.newest, newest.get(row.agent, row.newest))
        return [
            MemorySpace(agent, layers[agent], tuple(sorted(readers.get(agent, ()))), newest.get(agent, 0.0))
            for agent in sorted(layers, key=lambda agent: -newest.get(agent, 0.0))
        ]

    async def waiting(self, actor: Principal) -> int | None:
        """How many of this owner's memories have no vector yet; None where there is no embedding model."""
        require(actor, "memory:read")
        if self._embedder is None or self._embedder.fault:
            return None
        rows = await self._database.fetch(
            select(func.count().label("count"))
            .select_from(m.join(s, s.c.id == m.c.space))
            .where(s.c.owner == actor.owner, m.c.model == "", m.c.forgotten.is_(False))
        )
        return int(rows[0].count)

    # --- vectors, for the runtime --------------------------------------------------------------------------------

    async def unembedded(self, most: int) -> Sequence[Unembedded]:
        """Memories without a vector of the present model, the newest first: what was just said is asked for soonest."""
        if self._embedder is None:
            return []
        rows = await self._database.fetch(
            select(m.c.id, m.c.space, m.c.body)
            .where(m.c.model == "", m.c.forgotten.is_(False))
            .order_by(m.c.id.desc())
            .limit(most)
        )
        return [Unembedded(row.id, row.space, _memory(row.body).text) for row in rows]

    @action("system:run")
    def outdate(self, tx: Transaction, actor: Principal) -> int:
        """Drop the vectors of other embedding models, so that they are computed anew; how many there were."""
        if self._embedder is None:
            return 0
        others = m.c.model.not_in(("", self._embedder.name))
        tx.run(delete(tables.memory_vector).where(tables.memory_vector.c.model != self._embedder.name))
        return int(tx.run(update(m).where(others).values(model="")).rowcount)

    async def keep_vectors(self, found: Sequence[tuple[Unembedded, NDArray[np.float32]]]) -> None:
        """Write vectors; those whose memory was changed or forgotten meanwhile are dropped."""
        assert self._vectors is not None
        written = await self._keep_vectors(RUNTIME, found)
        for space, (revision, keys) in written.items():
            added = [(each.id, vector) for each, vector in found if each.id in keys]
            await asyncio.to_thread(self._vectors.added, space, revision, added)

    @action("system:run")
    def _keep_vectors(
        self, tx: Transaction, actor: Principal, found: Sequence[tuple[Unembedded, NDArray[np.float32]]]
    ) -> Mapping[int, tuple[int, set[int]]]:
        assert self._embedder is not None
        name, v = self._embedder.name, tables.memory_vector
        bodies = tx.all(select(m.c.id, m.c.body).where(m.c.id.in_([e.id for e, _ in found]), m.c.forgotten.is_(False)))
        texts = {row.id: _memory(row.body).text for row in bodies}
        rows = [(each, vector) for each, vector in found if texts.get(each.id) == each.text]
        keys = [each.id for each, _ in rows]
        tx.run(delete(v).where(v.c.memory.in_(keys)))
        if rows:
            tx.run(
                insert(v),
                [
                    {"memory": each.id, "space": each.space, "model": name, "vector": vector.tobytes()}
                    for each, vector in rows
                ],
            )
        tx.run(update(m).where(m.c.id.in_(keys)).values(model=name))
        spaces: MutableMapping[int, tuple[int, set[int]]] = {}
        for space in {each.space for each, _ in rows}:
            mine = {each.id for each, _ in rows if each.space == space}
            spaces[space] = (self._revise(tx, space), mine)
        return spaces

    # --- private -------------------------------------------------------------------------------------------------

    def _space(self, tx: Transaction, owner: str, agent: str) -> int:
        found = tx.one(_SPACE, {"owner": owner, "agent": agent})
        if found is not None:
            return int(found.id)
        values = {"owner": owner, "agent": agent, "vectors": 0}
        return int(tx.run(insert(s), values).inserted_primary_key[0])

    def _end(self, tx: Transaction, owner: str, agent: str) -> tuple[int, str]:
        """The space of an agent, made where there is none, and the last text in it."""
        found = tx.one(_END, {"owner": owner, "agent": agent})
        if found is None:
            return self._space(tx, owner, agent), ""
        return found.id, _memory(found.body).text if found.body is not None else ""

    def _row(self, tx: Transaction, actor: Principal, key: int) -> _Row:
        found = tx.one(_ONE.where(m.c.id == key)) if 0 < key < 2**63 else None
        if found is None or found.owner != actor.owner or found.forgotten:
            raise MemoryNotFound(f"No memory {key}")
        return _Row(_read(found), found.space)

    def _neighbour(self, tx: Transaction, space: int, side: ColumnElement[bool], order: Any) -> Memory | None:
        statement = select(m.c.id, m.c.body).where(m.c.space == space, m.c.forgotten.is_(False), side)
        found = tx.one(statement.order_by(order).limit(1))
        return _read(found) if found is not None else None

    def _save(self, tx: Transaction, space: int, old: Memory, new: Memory, actor: str) -> None:
        """Write what a memory is now, and keep what it was."""
        was = {"memory": old.id, "version": old.version, "at": tx.now, "actor": actor, "body": _encode(old)}
        tx.run(insert(tables.memory_version), was)
        tx.run(
            update(m)
            .where(m.c.id == new.id)
            .values(
                layer=str(new.layer),
                forgotten=new.forgotten_at is not None,
                vitality=vitality(new),
                body=_encode(new),
            )
        )

    def _unembed(self, tx: Transaction, space: int, keys: Sequence[int]) -> None:
        tx.run(delete(tables.memory_vector).where(tables.memory_vector.c.memory.in_(keys)))
        tx.run(update(m).where(m.c.id.in_(keys)).values(model=""))
        self._revise(tx, space)

    def _revise(self, tx: Transaction, space: int) -> int:
        tx.run(update(s).where(s.c.id == space).values(vectors=s.c.vectors + 1))
        return int(tx.one(select(s.c.vectors).where(s.c.id == space))[0])

    def _tidy(self, tx: Transaction, space: int, layer: Layer, added: int) -> None:
        """Now and then, and when a space is first written to here: forget what a layer holds beyond its limit."""
        waits = self._untidied.get((space, layer), EVICT_EVERY) + added
        if waits >= EVICT_EVERY:
            self._evict(tx, space, layer)
            waits = 0
        self._untidied[space, layer] = waits

    def _evict(self, tx: Transaction, space: int, layer: Layer) -> None:
        """Forget what has faded most where a layer holds more than it may."""
        of = (m.c.space == space, m.c.forgotten.is_(False), m.c.layer == str(layer))
        excess = tx.one(select(func.count()).where(*of))[0] - self._keep
        if excess <= 0:
            return
        faded = tx.all(
            select(m.c.id, m.c.body)
            .where(*of, m.c.vitality < math.inf)
            .order_by(m.c.vitality)
            .limit(min(excess, EVICT_MOST))
        )
        for row in faded:
            old = _read(row)
            new = msgspec.structs.replace(
                old, forgotten_at=tx.now, changed_at=tx.now, version=old.version + 1, changed_by="runtime"
            )
            self._save(tx, space, old, new, "runtime")
        self._unindex(tx, space, [row.id for row in faded])

    def _unindex(self, tx: Transaction, space: int, keys: Sequence[int]) -> None:
        """Take forgotten memories out of the searches, their words beside the memory after them as well."""
        search.drop(tx, space, keys)
        for key in keys:
            after = self._neighbour(tx, space, m.c.id > key, m.c.id.asc())
            if after is not None:
                before = self._neighbour(tx, space, m.c.id < after.id, m.c.id.desc())
                search.set_before(tx, space, after.id, before.text if before else "")
        self._unembed(tx, space, keys)


class _Row(msgspec.Struct, frozen=True):
    memory: Memory
    space: int


def _read(row: Any) -> Memory:
    return msgspec.structs.replace(_memory(row.body), id=row.id)
