"""Memories: remember, recall, edit, pin, share and forget.

Each agent of an owner has a space of its own, and the space is part of the key of every statement and search: what
one agent remembers is not there for another, unless a person granted it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, union_all, update

from ..engine.likeness import ALIKE, alike_by_words
from ..engine.recall import (
    FADED,
    REMINDERS,
    contenders,
    explain,
    fuse,
    same_task,
    share,
    strength,
    terms,
    vitality,
)
from ..model.access import RUNTIME, Principal, require
from ..model.errors import BadRequest, Conflict, Forbidden, MemoryNotFound, ModelNotConfigured
from ..model.memory import (
    TAGS,
    Alike,
    Change,
    Consolidated,
    Layer,
    Memory,
    MemoryPage,
    MemorySpace,
    MemoryUse,
    Merged,
    Note,
    Recall,
    Recalled,
    Sort,
    Source,
    SourceKind,
)
from ..model.message import encodable
from ..model.process import ExitStatus, Process
from ..store import search, tables
from ..store.database import Database, Transaction
from . import pages, uses
from .action import action

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 100
"""How many matches by words and by meaning are weighed against each other."""
SOURCES = 50
"""So many of the runs that came to the same are named."""
LESSONS = 200
"""Among how many of the newest lessons of a space those of a like task are looked for."""
FILTERED = 15_000
"""As many where only some layers or tags are wanted, and how many are read by one statement."""
Matches = dict[int, tuple[float, float]]
LIST_MOST = 1_000
REPORTS_MOST = 100
QUERY_CHARS = 20_000
"""What is longer is looked up by its beginning."""
ALIKE_AMONG = 2_000
"""Among how many of the newest pairs are looked for: their number grows with the square."""
KNOWN_S = 1.0
"""Seconds until it is seen that an agent began to remember on another server."""
EVICT_EVERY, EVICT_MOST = 64, 1_000
"""After how many new ones a layer is tidied, and how many go at once."""

_memory = msgspec.json.Decoder(Memory).decode
_report = msgspec.json.Decoder(Consolidated).decode
_process = msgspec.json.Decoder(Process).decode
_encode = msgspec.json.Encoder().encode
s, m, g, t, p = tables.memory_space, tables.memory, tables.memory_grant, tables.memory_tag, tables.process
_SPACE = select(s.c.id, s.c.vectors, s.c.shelf).where(s.c.owner == bindparam("owner"), s.c.agent == bindparam("agent"))
_READABLE = union_all(
    _SPACE,
    select(s.c.id, s.c.vectors, s.c.shelf)
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
    s.c.shelf,
    select(m.c.body)
    .where(m.c.space == s.c.id, m.c.forgotten.is_(False))
    .order_by(m.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("body"),
).where(s.c.owner == bindparam("owner"), s.c.agent == bindparam("agent"))
_THESE = select(m.c.id, m.c.body).where(m.c.id.in_(bindparam("keys", expanding=True)), m.c.forgotten.is_(False))
"""By key alone: with the space in it SQLite would rather walk through all of the space."""
_LEARNT = (
    select(m.c.id, m.c.body)
    .where(m.c.space == bindparam("space"), m.c.forgotten.is_(False), m.c.kind == "reflection")
    .order_by(m.c.id.desc())
    .limit(LESSONS)
)
_TAG = insert(t)
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
        self._owed: dict[int, tuple[str, Sequence[tuple[Note, Source]], ExitStatus]] = {}
        self._untidied: dict[tuple[int, Layer], int] = {}

    @property
    def embedding(self) -> tuple[str, str]:
        """The embedding model, '' where there is none; and why it cannot be used after all."""
        return (self._embedder.name, self._embedder.fault) if self._embedder is not None else ("", "")

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after memories were written here."""
        self._listeners.append(listener)

    def dropped(self, owner: str, spaces: Sequence[int]) -> None:
        """These spaces were erased: nothing of them is kept in mind."""
        self._known.pop(owner, None)
        gone = set(spaces)
        self._untidied = {key: waits for key, waits in self._untidied.items() if key[0] not in gone}
        if self._vectors is not None:
            self._vectors.forget(gone)

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
        space, shelf, last = self._end(tx, owner, agent)
        fresh = [
            Memory(
                id=0,
                owner=owner,
                agent=agent,
                layer=note.layer,
                text=encodable(note.text),
                source=source,
                importance=note.importance,
                tags=note.tags,
                pinned=note.pinned,
                created_at=tx.now if note.at is None else note.at,
                changed_at=tx.now,
            )
            for note in notes
        ]
        if not fresh:
            return []
        rows = [{"space": space, "created_at": memory.created_at, "model": ""} | _columns(memory) for memory in fresh]
        keys = [row.id for row in tx.run(_INSERT, rows)]
        kept = [msgspec.structs.replace(memory, id=key) for key, memory in zip(keys, fresh, strict=True)]
        befores = [last, *(memory.text for memory in kept[:-1])]
        search.add(tx, shelf, space, [(k.id, k.text, before) for k, before in zip(kept, befores, strict=True)])
        self._tag(tx, space, kept)
        for layer in {memory.layer for memory in kept}:
            self._tidy(tx, space, layer, sum(memory.layer is layer for memory in kept))
        return kept

    async def put_back(self, actor: Principal, agent: str, memories: Sequence[Memory]) -> None:
        """Keep what an agent remembered elsewhere or at another time as new memories, each with its own source."""
        await self._put_back(actor, agent, memories)
        self.changed()

    @action("memory:write")
    def _put_back(self, tx: Transaction, actor: Principal, agent: str, memories: Sequence[Memory]) -> None:
        self.keep_again(tx, actor.owner, agent, memories)

    def keep_again(self, tx: Transaction, owner: str, agent: str, memories: Sequence[Memory]) -> None:
        """`put_back` inside the transaction of another action, whose caller calls `changed` after the commit."""
        for source, same in itertools.groupby(memories, key=lambda each: each.source):
            notes = [
                Note(
                    text=each.text,
                    layer=each.layer,
                    importance=each.importance,
                    tags=each.tags,
                    at=each.created_at,
                    pinned=each.pinned,
                )
                for each in same
            ]
            self.keep(tx, owner, agent, notes, source)

    def annotate(self, tx: Transaction, owner: str, key: int, **fields: Any) -> None:
        """Set where a memory came from; what it says stays, so it is no new version."""
        row = tx.one(_ONE.where(m.c.id == key, s.c.owner == owner))
        tx.run(update(m).where(m.c.id == key).values(_columns(msgspec.structs.replace(_read(row), **fields))))

    def learnt_again(self, tx: Transaction, owner: str, keys: Sequence[int], source: Source) -> None:
        """Another run has come to the same."""
        for row in tx.all(_ONE.where(m.c.id.in_(keys), s.c.owner == owner)):
            before = _read(row).sources
            if source.pid not in {each.pid for each in (_read(row).source, *before)}:
                self.annotate(tx, owner, row.id, sources=(*before, source)[-SOURCES:])

    def oppose(self, tx: Transaction, owner: str, key: int, other: int) -> bool:
        """Have two memories name each other as what they disagree with; False where that is known, or one is gone."""
        where = (m.c.id.in_((key, other)), s.c.owner == owner, m.c.forgotten.is_(False))
        rows = {row.id: row for row in tx.all(_ONE.where(*where))}
        if len(rows) < 2 or rows[key].space != rows[other].space or other in _read(rows[key]).contradicts:
            return False
        for row in rows.values():
            against = key if row.id == other else other
            self._set_against(tx, row, (*_read(row).contradicts, against))
        return True

    def _set_against(self, tx: Transaction, row: Any, contradicts: Sequence[int]) -> None:
        old, by = _read(row), "consolidation"
        changed = {"contradicts": tuple(contradicts), "changed_at": tx.now, "changed_by": by}
        self._save(tx, row.space, old, msgspec.structs.replace(old, version=old.version + 1, **changed), by)

    def _reconcile(self, tx: Transaction, gone: Memory, but: Collection[int] = ()) -> None:
        """Nothing disagrees with what is forgotten, or says something else now. `but` are written by the caller."""
        for key in set(gone.contradicts).difference(but):
            row = tx.one(_ONE.where(m.c.id == key))
            if row is not None:
                self._set_against(tx, row, [each for each in _read(row).contradicts if each != gone.id])

    def owe(self, pid: int, agent: str, notes: Sequence[tuple[Note, Source]], status: ExitStatus) -> None:
        """What shall be kept of a run in the transaction in which it ends so, in the place of what was owed before."""
        self._owed[pid] = agent, notes, status

    def owe_nothing(self, pid: int) -> None:
        """The end was written, or will not be."""
        self._owed.pop(pid, None)

    def ended(self, tx: Transaction, process: Process) -> None:
        """A process ends: keep what is owed of it, if it tells of this end.

        It stays owed until the commit is known to have succeeded: this is run once more where it failed.
        """
        agent, notes, status = self._owed.get(process.pid, ("", (), None))
        if process.exit != status:
            return
        for source, same in itertools.groupby(notes, key=lambda each: each[1]):
            self.keep(tx, process.owner, agent, [note for note, _ in same], source)

    async def remembers(self, owner: str, agent: str) -> bool:
        """Whether this agent has something to recall, as of a moment ago."""
        return agent in await self._readers(owner)

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
        if change.text is not None:
            set_["text"] = encodable(change.text)
        if msgspec.structs.replace(old, **set_) == old:
            return old
        if old.contradicts and set_.get("text", old.text) != old.text:
            self._reconcile(tx, old)
            set_["contradicts"] = ()
        new = msgspec.structs.replace(old, **set_, changed_at=tx.now, version=old.version + 1, changed_by=actor.name)
        self._save(tx, row.space, old, new, actor.name)
        if new.text != old.text:
            search.drop(tx, self._shelf(tx, row.space), row.space, [key])
            self._index(tx, row.space, new)
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
            self._reconcile(tx, row.memory)
            new = msgspec.structs.replace(new, contradicts=())
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
        space, _ = self._space(tx, actor.owner, agent)
        tx.run(delete(g).where(g.c.space == space, g.c.reader == reader))
        if allow:
            tx.run(insert(g), {"space": space, "reader": reader, "at": tx.now, "actor": actor.name})

    async def restore(self, actor: Principal, key: int) -> Memory:
        """Undo that a memory was forgotten, evicted or merged into another: it is found again, as a new version."""
        back = await self._restore(actor, key)
        self.changed()
        return back

    @action("memory:write")
    def _restore(self, tx: Transaction, actor: Principal, key: int) -> Memory:
        row = self._row(tx, actor, key, forgotten=True)
        old = row.memory
        if old.forgotten_at is None:
            return old
        new = msgspec.structs.replace(
            old, forgotten_at=None, merged_into=None, changed_at=tx.now, version=old.version + 1, changed_by=actor.name
        )
        self._save(tx, row.space, old, new, actor.name)
        self._index(tx, row.space, new)
        return new

    async def merge(
        self, actor: Principal, keys: Sequence[int], change: Change | None = None, *, dry_run: bool = False
    ) -> Merged:
        """Make one memory of several of one agent: the first stays, the others go into it and can be restored.

        It keeps the greatest importance, all tags and all sources, and counts as words of strangers if one of them
        does; `change` says otherwise where it says anything. `dry_run` only tells what it would come to.
        """
        if dry_run:
            require(actor, "memory:write")
            memories = [await self.get(actor, key) for key in dict.fromkeys(keys)]
            return _merged(memories, change or Change(), time.time(), actor.name)
        done = await self._merge(actor, keys, change or Change())
        self.changed()
        return done

    @action("memory:write")
    def _merge(self, tx: Transaction, actor: Principal, keys: Sequence[int], change: Change) -> Merged:
        rows = [self._row(tx, actor, key) for key in dict.fromkeys(keys)]
        return self.merge_rows(tx, actor.name, rows, change)

    def merge_rows(self, tx: Transaction, by: str, rows: Sequence[MemoryRow], change: Change) -> Merged:
        """Merge what was read in this transaction; the first row stays."""
        done = _merged([row.memory for row in rows], change, tx.now, by)
        space, old = rows[0].space, rows[0].memory
        self._save(tx, space, old, done.memory, by)
        for row in rows:
            self._reconcile(tx, row.memory, {each.memory.id for each in rows})
        for row, gone in zip(rows[1:], done.gone, strict=True):
            self._save(tx, space, row.memory, gone, by)
        self._unindex(tx, space, [gone.id for gone in done.gone])
        if done.memory.text != old.text:
            search.drop(tx, self._shelf(tx, space), space, [old.id])
            self._index(tx, space, done.memory)
        return done

    @action("memory:write")
    def touch(self, tx: Transaction, actor: Principal, agent: str, step: int, found: Sequence[Recalled]) -> None:
        """An agent was given these by its tool, and its own are of use: they fade later."""
        if actor.pid is not None:
            uses.recalled(tx, actor.pid, step, found)
        uses.touch(tx, [each.memory.id for each in found if each.memory.agent == agent], actor.owner)

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
        typing: bool = False,
        goal: str = "",
    ) -> Recall:
        """What this agent remembers, or was granted to read, that fits the query: best first, each with its reasons.

        `typing`: the query is being typed, so its last word may be the beginning of one. What was learnt in runs with
        a like `goal` fits as well, whatever its words are.
        """
        require(actor, "memory:read")
        began = time.perf_counter()
        query = encodable(query[:QUERY_CHARS])
        words = terms(query)
        if not words:
            return Recall([], False)
        # What a filter lets pass may lie far behind.
        most = FILTERED if tags or layers else CANDIDATES + limit
        who = {"owner": actor.owner, "agent": agent}
        if agent not in await self._readers(actor.owner):
            return Recall([], False)
        vector = await self._vector(query)

        def look(connection: Connection) -> tuple[Sequence[Memory], Matches, dict[int, float], dict[int, float]]:
            spaces = connection.execute(_READABLE, who).all()
            by_words = search.by_words(connection, spaces, words, most, typing=typing)
            near: dict[int, float] = {}
            if vector is not None and self._vectors is not None:
                near = self._vectors.nearest(connection, spaces, vector, most, by_words)
            matches = fuse(by_words, near)
            keys = list(matches) if layers or tags else contenders(matches, limit)
            parts = (keys[start : start + FILTERED] for start in range(0, len(keys), FILTERED))
            rows = (row for part in parts for row in connection.execute(_THESE, {"keys": part}).all())
            found = {row.id: _read(row) for row in rows}
            learnt: dict[int, float] = {}
            for memory, alike in _lessons(connection, actor.owner, spaces, goal) if goal else ():
                found[memory.id], learnt[memory.id] = memory, alike
            return list(found.values()), matches, near, learnt

        found, matches, by_meaning, learnt = await self._database.look(look)
        now = time.time()
        fitting = [
            Recalled(
                memory,
                explain(
                    memory,
                    matches.get(memory.id, (0.0, 0.0)),
                    by_meaning.get(memory.id),
                    now,
                    learnt.get(memory.id, 0.0),
                ),
            )
            for memory in found
            if (not layers or memory.layer in layers) and set(tags) <= set(memory.tags)
        ]
        fitting.sort(key=lambda each: (-each.why.score, -each.memory.id))
        return Recall(fitting[:limit], bool(by_meaning), time.perf_counter() - began)

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

    async def page(
        self,
        actor: Principal,
        agent: str,
        *,
        sort: Sort = "newest",
        layers: Sequence[Layer] = (),
        tags: Sequence[str] = (),
        kinds: Sequence[SourceKind] = (),
        pinned: bool = False,
        forgotten: bool = False,
        cursor: str = "",
        limit: int = 200,
    ) -> MemoryPage:
        """One page of what an agent remembers, or has forgotten. `cursor` is the `next` of the page before."""
        require(actor, "memory:read")
        at = pages.read(cursor, sort, time.time())
        wanted = pages.Wanted(sort, tuple(layers), tuple(tags), tuple(kinds), pinned, forgotten, min(limit, LIST_MOST))
        who = {"owner": actor.owner, "agent": agent}

        def look(connection: Connection) -> MemoryPage:
            space = connection.execute(_SPACE, who).first()
            if space is None:
                return MemoryPage([], "", 0, {})
            rows, following = pages.rows(connection, space.id, wanted, at)
            found = [_read(row) for row in rows]
            total, layers = pages.counts(connection, space.id, wanted)
            return MemoryPage(found, following, total, layers)

        return await self._database.look(look)

    async def uses(self, actor: Principal, key: int) -> Sequence[MemoryUse]:
        """Where a memory was given to a model, the last first."""
        await self.get(actor, key)
        u = tables.memory_use
        statement = select(u).where(u.c.memory == key).order_by(u.c.at.desc(), u.c.pid.desc()).limit(uses.USES_MOST)
        return [uses.read(row) for row in await self._database.fetch(statement)]

    async def reports(self, actor: Principal, agent: str) -> Sequence[Consolidated]:
        """What consolidations did with an agent's memories, and what was evicted, the last first."""
        require(actor, "memory:read")
        r = tables.memory_report
        rows = await self._database.fetch(
            select(r.c.id, r.c.body)
            .join(s, s.c.id == r.c.space)
            .where(s.c.owner == actor.owner, s.c.agent == agent, r.c.ended_at.is_not(None))
            .order_by(r.c.id.desc())
            .limit(REPORTS_MOST)
        )
        return [msgspec.structs.replace(_report(row.body), id=row.id) for row in rows]

    async def alike(
        self, actor: Principal, agent: str, *, layers: Sequence[Layer] = (), least: float = ALIKE, limit: int = 50
    ) -> tuple[Sequence[Alike], int]:
        """Pairs that say nearly the same, the most alike first, and among how many of the newest it was looked.

        By meaning where both have vectors, else by their words.
        """
        require(actor, "memory:read")
        who = {"owner": actor.owner, "agent": agent}
        newest = select(m.c.id, m.c.body, m.c.model).where(m.c.forgotten.is_(False), m.c.space == bindparam("space"))
        if layers:
            newest = newest.where(m.c.layer.in_([str(layer) for layer in layers]))

        def look(connection: Connection) -> tuple[Sequence[Alike], int]:
            space = connection.execute(_SPACE, who).first()
            if space is None:
                return [], 0
            rows = connection.execute(newest.order_by(m.c.id.desc()).limit(ALIKE_AMONG), {"space": space.id}).all()
            found = {row.id: _read(row) for row in rows}
            mine = self._embedder.name if self._embedder is not None else ""
            embedded = [row.id for row in rows if mine and row.model == mine]
            pairs = [(a, b, near, True) for a, b, near in self._near_pairs(connection, space, embedded, least)]
            bare = [] if len(embedded) == len(rows) else [(key, memory.text) for key, memory in found.items()]
            known = set(embedded)
            pairs += [
                (a, b, near, False) for a, b, near in alike_by_words(bare, least) if a not in known or b not in known
            ]
            pairs.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
            return [Alike(found[a], found[b], near, by) for a, b, near, by in pairs[:limit]], len(rows)

        return await self._database.look(look)

    def _near_pairs(
        self, connection: Connection, space: Any, keys: Sequence[int], least: float
    ) -> Sequence[tuple[int, int, float]]:
        if self._vectors is None or len(keys) < 2:
            return []
        return self._vectors.pairs(connection, space, keys, least)

    async def like(self, actor: Principal, key: int, *, least: float = ALIKE, limit: int = 20) -> Sequence[Alike]:
        """What says nearly the same as this one, in all of its agent's memory."""
        memory = await self.get(actor, key)
        if memory.forgotten_at is not None:
            return []
        who = {"owner": actor.owner, "agent": memory.agent}
        words = terms(memory.text[:QUERY_CHARS])

        def look(connection: Connection) -> Sequence[Alike]:
            space = connection.execute(_SPACE, who).first()
            assert space is not None
            near: Mapping[int, float] = {}
            if self._vectors is not None:
                near = self._vectors.like(connection, space, key, limit + 1)
            worded = search.by_words(connection, [space], words, CANDIDATES)
            rows = connection.execute(_THESE, {"keys": [*{*near, *worded} - {key}]})
            found = []
            for other in map(_read, rows):
                by_meaning = other.id in near
                if not by_meaning and near:
                    # Its vector lies farther off than those, or is still to come.
                    continue
                likeness = near[other.id] if by_meaning else share(words, terms(other.text[:QUERY_CHARS]))
                if likeness >= least:
                    found.append(Alike(memory, other, likeness, by_meaning))
            return sorted(found, key=lambda pair: -pair.likeness)[:limit]

        return await self._database.look(look)

    def read(self, row: Any) -> Memory:
        """A row of `tables.memory` with its id and body."""
        return _read(row)

    @property
    def limit(self) -> int:
        """How many memories an agent keeps in each layer."""
        return self._keep

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
        await self._keep_vectors(RUNTIME, found)

    @action("system:run")
    def _keep_vectors(
        self, tx: Transaction, actor: Principal, found: Sequence[tuple[Unembedded, NDArray[np.float32]]]
    ) -> None:
        assert self._embedder is not None
        bodies = tx.all(select(m.c.id, m.c.body).where(m.c.id.in_([e.id for e, _ in found]), m.c.forgotten.is_(False)))
        texts = {row.id: _memory(row.body).text for row in bodies}
        rows = [(each, vector) for each, vector in found if texts.get(each.id) == each.text]
        for space in {each.space for each, _ in rows}:
            mine = [(each.id, vector.tobytes()) for each, vector in rows if each.space == space]
            search.keep_vectors(tx, space, self._embedder.name, mine)
        tx.run(update(m).where(m.c.id.in_([each.id for each, _ in rows])).values(model=self._embedder.name))

    # --- private -------------------------------------------------------------------------------------------------

    def _space(self, tx: Transaction, owner: str, agent: str) -> tuple[int, int]:
        """The space of an agent and the shelf of its owner, made where there is none."""
        found = tx.one(_SPACE, {"owner": owner, "agent": agent})
        if found is not None:
            return found.id, found.shelf
        shelf = tx.one(select(s.c.shelf).where(s.c.owner == owner).limit(1))
        values = {"owner": owner, "agent": agent, "vectors": 0, "shelf": shelf.shelf if shelf is not None else 0}
        space = int(tx.run(insert(s), values).inserted_primary_key[0])
        if shelf is not None:
            return space, shelf.shelf
        tx.run(update(s).where(s.c.id == space).values(shelf=space))
        search.make(tx, space)
        return space, space

    def _shelf(self, tx: Transaction, space: int) -> int:
        return int(tx.one(select(s.c.shelf).where(s.c.id == space)).shelf)

    def _end(self, tx: Transaction, owner: str, agent: str) -> tuple[int, int, str]:
        """The space of an agent and its shelf, made where there is none, and the last text in it."""
        found = tx.one(_END, {"owner": owner, "agent": agent})
        if found is None:
            return *self._space(tx, owner, agent), ""
        return found.id, found.shelf, _memory(found.body).text if found.body is not None else ""

    def _row(self, tx: Transaction, actor: Principal, key: int, *, forgotten: bool = False) -> MemoryRow:
        found = tx.one(_ONE.where(m.c.id == key)) if 0 < key < 2**63 else None
        if found is None or found.owner != actor.owner or (found.forgotten and not forgotten):
            raise MemoryNotFound(f"No memory {key}")
        return MemoryRow(_read(found), found.space)

    def current(self, tx: Transaction, owner: str, key: int) -> MemoryRow | None:
        """A memory as this transaction finds it; None where it is forgotten or gone."""
        found = tx.one(_ONE.where(m.c.id == key, s.c.owner == owner, m.c.forgotten.is_(False)))
        return MemoryRow(_read(found), found.space) if found is not None else None

    def _neighbour(self, tx: Transaction, space: int, side: ColumnElement[bool], order: Any) -> Memory | None:
        statement = select(m.c.id, m.c.body).where(m.c.space == space, m.c.forgotten.is_(False), side)
        found = tx.one(statement.order_by(order).limit(1))
        return _read(found) if found is not None else None

    def _save(self, tx: Transaction, space: int, old: Memory, new: Memory, actor: str) -> None:
        """Write what a memory is now, and keep what it was."""
        was = {"memory": old.id, "version": old.version, "at": tx.now, "actor": actor, "body": _encode(old)}
        tx.run(insert(tables.memory_version), was)
        tx.run(update(m).where(m.c.id == new.id).values(_columns(new)))
        if new.tags != old.tags:
            tx.run(delete(t).where(t.c.memory == new.id))
            self._tag(tx, space, (new,))

    def _tag(self, tx: Transaction, space: int, memories: Sequence[Memory]) -> None:
        rows = [
            {"space": space, "tag": tag, "memory": each.id} for each in memories for tag in dict.fromkeys(each.tags)
        ]
        if rows:
            tx.run(_TAG, rows)

    def _unembed(self, tx: Transaction, space: int, keys: Sequence[int]) -> None:
        search.drop_vectors(tx, space, keys)
        tx.run(update(m).where(m.c.id.in_(keys)).values(model=""))

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
            self._reconcile(tx, old, {each.id for each in faded})
            self._save(tx, space, old, msgspec.structs.replace(new, contradicts=()), "runtime")
        keys = [row.id for row in faded]
        self._unindex(tx, space, keys)
        if keys:
            report = Consolidated(agent=_read(faded[0]).agent, at=tx.now, evicted=tuple(keys))
            values = {"space": space, "kind": "eviction", "began_at": tx.now, "ended_at": tx.now, "upto": 0}
            tx.run(insert(tables.memory_report), values | {"body": _encode(report)})

    def _index(self, tx: Transaction, space: int, memory: Memory) -> None:
        """Put a changed or restored memory into the searches, and its words beside the memory after it."""
        shelf = self._shelf(tx, space)
        before = self._neighbour(tx, space, m.c.id < memory.id, m.c.id.desc())
        search.add(tx, shelf, space, [(memory.id, memory.text, before.text if before else "")])
        after = self._neighbour(tx, space, m.c.id > memory.id, m.c.id.asc())
        if after is not None:
            search.set_before(tx, shelf, space, after.id, memory.text)
        self._unembed(tx, space, [memory.id])

    def _unindex(self, tx: Transaction, space: int, keys: Sequence[int]) -> None:
        """Take forgotten memories out of the searches, their words beside the memory after them as well."""
        shelf = self._shelf(tx, space)
        search.drop(tx, shelf, space, keys)
        for key in keys:
            after = self._neighbour(tx, space, m.c.id > key, m.c.id.asc())
            if after is not None:
                before = self._neighbour(tx, space, m.c.id < after.id, m.c.id.desc())
                search.set_before(tx, shelf, space, after.id, before.text if before else "")
        self._unembed(tx, space, keys)


class MemoryRow(msgspec.Struct, frozen=True):
    """A memory as the writer holds it inside one transaction, and its space."""

    memory: Memory
    space: int


def _lessons(connection: Connection, owner: str, spaces: Sequence[Any], goal: str) -> Sequence[tuple[Memory, float]]:
    """The lessons of runs with such a goal that have not faded, and how alike the goals are; the nearest first."""
    rows = (row for space in spaces for row in connection.execute(_LEARNT, {"space": space.id}))
    now = time.time()
    kept = [memory for memory in map(_read, rows) if strength(memory, now) >= FADED]
    runs = {pid for memory in kept for pid in _learnt_by(memory)}
    bodies = connection.execute(select(p.c.pid, p.c.body).where(p.c.pid.in_(runs), p.c.owner == owner))
    alike = same_task(goal, {row.pid: _process(row.body).goal for row in bodies})
    found = [(memory, max(alike.get(pid, 0.0) for pid in _learnt_by(memory))) for memory in kept if _learnt_by(memory)]
    found.sort(key=lambda each: (-each[1], -each[0].importance, -each[0].id))
    return [each for each in found if each[1] > 0][:REMINDERS]


def _learnt_by(memory: Memory) -> Sequence[int]:
    return [each.pid for each in (memory.source, *memory.sources) if each.kind == "reflection" and each.pid is not None]


def _read(row: Any) -> Memory:
    return msgspec.structs.replace(_memory(row.body), id=row.id)


def _columns(memory: Memory) -> dict[str, Any]:
    """What statements ask for, and the whole."""
    return {
        "layer": str(memory.layer),
        "forgotten": memory.forgotten_at is not None,
        "vitality": vitality(memory),
        "importance": memory.importance,
        "used_at": memory.used_at or 0.0,
        "kind": memory.source.kind,
        "body": _encode(memory),
    }


def _merged(memories: Sequence[Memory], change: Change, now: float, by: str) -> Merged:
    """What these become. Raises `BadRequest` where they are not several of one agent."""
    if len(memories) < 2:
        raise BadRequest("keys: name at least two memories to merge")
    keep, *others = memories
    if any(each.agent != keep.agent for each in others):
        raise BadRequest("keys: these belong to different agents; memories are merged within one agent")
    lost = next((each.id for each in memories if each.forgotten_at is not None), None)
    if lost is not None:
        raise BadRequest(f"keys: memory {lost} is forgotten; restore it first")
    if change.text is not None and not change.text.strip():
        raise BadRequest("text: an empty memory tells nothing")
    tainted = any(each.source.tainted for each in memories)
    sources = dict.fromkeys(source for each in memories for source in (each.source, *each.sources))
    used = [each.used_at or each.created_at for each in memories if each.used_at or each.created_at > keep.created_at]
    fields: dict[str, Any] = {
        "importance": max(each.importance for each in memories),
        "tags": tuple(dict.fromkeys(tag for each in memories for tag in each.tags))[:TAGS],
        "pinned": any(each.pinned for each in memories),
    } | {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    one = msgspec.structs.replace(
        keep,
        **fields,
        source=msgspec.structs.replace(keep.source, tainted=tainted),
        sources=tuple(source for source in sources if source != keep.source),
        # A merge decides what holds: whatever disagreed is weighed anew.
        contradicts=(),
        uses=sum(each.uses for each in memories),
        used_at=max(used, default=None),
        merged=tuple(dict.fromkeys(key for each in memories for key in (*each.merged, each.id) if key != keep.id)),
        changed_at=now,
        version=keep.version + 1,
        changed_by=by,
    )
    gone = [
        msgspec.structs.replace(
            each,
            forgotten_at=now,
            merged_into=keep.id,
            contradicts=(),
            changed_at=now,
            version=each.version + 1,
            changed_by=by,
        )
        for each in others
    ]
    return Merged(one, gone)
