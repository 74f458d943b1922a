"""Snapshots: which there are, whose, and the processes that go on from them. Their files are the runtime's.

A row is written last and is the truth: files that no row names are nobody's. The journal of a snapshot is that of its
process up to `n`, so that what is erased there is erased here; only one that came from elsewhere brings its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from ..engine.branch import At
from ..engine.manifest import too_many
from ..model.access import Principal, may_see, require
from ..model.agent import AgentSpec
from ..model.errors import Forbidden, ProcessNotFound, SnapshotNotFound
from ..model.events import Event, PlanChanged, ProcessRestored, SnapshotDeleted, SnapshotTaken
from ..model.memory import memory_name
from ..model.plan import Plan
from ..model.process import Process
from ..model.snapshot import Label, Snapshot
from ..store import tables
from ..store.database import Database, Transaction
from ..store.holdings import Whose, rows_of
from ..store.journal import decode_event
from .action import action
from .processes import Processes, names_above

MOST = 1_000
PAGE = 500
"""Memories of one page: by their ids, so that a page in which nothing changed is the same page again."""

_encode = msgspec.json.Encoder().encode
_snapshot = msgspec.json.Decoder(Snapshot).decode
_process = msgspec.json.Decoder(Process).decode
_spec = msgspec.json.Decoder(AgentSpec).decode
x, p, e, s, m, n = (
    tables.snapshot,
    tables.process,
    tables.event,
    tables.memory_space,
    tables.memory,
    tables.memory_notes,
)
_ONE = select(x.c.body, x.c.owner, x.c.manifest).where(x.c.id == bindparam("k"))
_PROCESS = select(p.c.body, p.c.spec).where(p.c.pid == bindparam("k"))
_SPACE = select(s.c.id).where(s.c.owner == bindparam("owner"), s.c.agent == bindparam("agent"))
_MEMORIES = (
    select(m.c.id, m.c.layer, m.c.body)
    .where(m.c.space == bindparam("space"), m.c.forgotten.is_(False))
    .order_by(m.c.id)
)
_NOTES = (
    select(n.c.text)
    .where(n.c.owner == bindparam("owner"), n.c.agent == bindparam("agent"))
    .order_by(n.c.version.desc())
    .limit(1)
)
_EVENTS = (
    select(e.c.n, e.c.at, e.c.actor, e.c.body)
    .where(e.c.pid == bindparam("k"), e.c.n <= bindparam("upto"))
    .order_by(e.c.n)
)
_AT = select(e.c.body).where(e.c.pid == bindparam("k"), e.c.n == bindparam("n"))


class Moment(msgspec.Struct, frozen=True):
    """What the database holds of a process at one time. `pages` are its memories as JSON lines."""

    process: Process
    spec: AgentSpec
    agent: str
    plan: Plan
    pages: tuple[bytes, ...]
    layers: dict[str, int]
    notes: str


class Kept(msgspec.Struct, frozen=True):
    """A snapshot and the name of its manifest."""

    snapshot: Snapshot
    manifest: str


class Snapshots:
    """`keep` says how many of one process stay, 0 for all."""

    def __init__(self, database: Database, processes: Processes, keep: int) -> None:
        self._database = database
        self._processes = processes
        self._keep = keep

    # --- reads ---------------------------------------------------------------------------------------------------

    async def list(self, actor: Principal, *, pid: int | None = None, limit: int = MOST) -> Sequence[Snapshot]:
        """One's snapshots, or those of one agent; the newest first."""
        require(actor, "snapshots:read")
        statement = select(x.c.body).where(x.c.owner == actor.owner).order_by(x.c.id.desc()).limit(limit)
        if pid is not None:
            await self._processes.get(actor, pid)
            statement = statement.where(x.c.pid == pid)
        return [_snapshot(row.body) for row in await self._database.fetch(statement)]

    async def of(self, whose: Whose) -> Sequence[Snapshot]:
        """All that are meant, the oldest first."""
        statement = select(x.c.body).where(rows_of(x, whose)).order_by(x.c.id)
        return [_snapshot(row.body) for row in await self._database.fetch(statement)]

    async def get(self, actor: Principal, key: int) -> Kept:
        """One snapshot. Raises `SnapshotNotFound` also for what belongs to somebody else."""
        require(actor, "snapshots:read")
        rows = await self._database.fetch(_ONE, {"k": key}) if 0 <= key < 2**63 else ()
        return _seen(actor, key, rows[0] if rows else None)

    async def before(self, actor: Principal, pid: int, upto: int) -> Kept | None:
        """The last snapshot of this process that was taken at or before event `upto`."""
        statement = (
            select(x.c.body, x.c.manifest)
            .where(x.c.pid == pid, x.c.n <= upto)
            .order_by(x.c.n.desc(), x.c.id.desc())
            .limit(1)
        )
        if actor.owner:
            statement = statement.where(x.c.owner == actor.owner)
        rows = await self._database.fetch(statement)
        return Kept(_snapshot(rows[0].body), rows[0].manifest) if rows else None

    async def manifests(self, owner: str) -> Sequence[str]:
        """The names of all manifests of an owner."""
        rows = await self._database.fetch(select(x.c.manifest).where(x.c.owner == owner))
        return [row.manifest for row in rows]

    async def owners(self) -> Sequence[str]:
        """Whoever has a snapshot."""
        return [row.owner for row in await self._database.fetch(select(x.c.owner).distinct())]

    async def moment(self, pid: int) -> Moment:
        """All that a snapshot holds of a process beside its files, read at one time."""

        def look(connection: Connection) -> Moment:
            row = connection.execute(_PROCESS, {"k": pid}).first()
            if row is None:
                raise ProcessNotFound(f"No process {pid}")
            process = _process(row.body)
            agent = memory_name(process.name, names_above(connection, process.parent))
            whose = {"owner": process.owner, "agent": agent}
            plan = Plan()
            if process.plan_n:
                event = decode_event(connection.execute(_AT, {"k": pid, "n": process.plan_n}).scalar_one())
                plan = event.plan if isinstance(event, PlanChanged) else plan
            pages, layers = _remembered(connection, connection.execute(_SPACE, whose).scalar())
            notes = connection.execute(_NOTES, whose).scalar() or ""
            return Moment(process, _spec(row.spec), agent, plan, pages, layers, notes)

        return await self._database.look(look)

    async def history(self, pid: int, upto: int = 2**31) -> Sequence[At]:
        """The journal of a process up to event `upto`."""

        def look(connection: Connection) -> Sequence[At]:
            rows = connection.execute(_EVENTS, {"k": pid, "upto": upto})
            return [(row.n, row.at, row.actor, decode_event(row.body)) for row in rows]

        return await self._database.look(look)

    async def names_above(self, parent: int | None) -> Sequence[str]:
        """The names of a parent and of those above it, the nearest first; none where it is gone."""
        return await self._database.look(lambda connection: names_above(connection, parent))

    async def remembers(self, owner: str, agent: str) -> bool:
        """Whether an agent of this name has memories, forgotten ones too, or a MEMORY.md."""

        def look(connection: Connection) -> bool:
            whose = {"owner": owner, "agent": agent}
            space = connection.execute(_SPACE, whose).scalar()
            held = space is not None and connection.execute(select(m.c.id).where(m.c.space == space).limit(1)).first()
            return bool(held) or bool(connection.execute(_NOTES, whose).scalar())

        return await self._database.look(look)

    # --- changes -------------------------------------------------------------------------------------------------

    @action("snapshots:write")
    def taken(
        self, tx: Transaction, actor: Principal, snapshot: Snapshot, manifest: str
    ) -> tuple[Snapshot, Sequence[Snapshot]]:
        """Record a snapshot whose files are in their place. Returns it with its id, and those that went for it."""
        _person_or_runtime(actor)
        snapshot = self._insert(tx, snapshot, manifest)
        assert snapshot.pid is not None
        row = self._processes.load(tx, actor, snapshot.pid)
        mine = [_snapshot(each.body) for each in tx.all(select(x.c.body).where(x.c.pid == snapshot.pid))]
        gone = too_many(mine, self._keep)
        tx.run(delete(x).where(x.c.id.in_([each.id for each in gone])))
        events: list[Event] = [SnapshotTaken(snapshot), *(SnapshotDeleted(each.id, "retention") for each in gone)]
        self._processes.append(tx, row, actor.name, events)
        return snapshot, gone

    @action("snapshots:write")
    def imported(self, tx: Transaction, actor: Principal, snapshot: Snapshot, manifest: str) -> Snapshot:
        """Record a snapshot that came from elsewhere."""
        _person_or_runtime(actor)
        return self._insert(tx, snapshot, manifest)

    @action("snapshots:write")
    def mark(self, tx: Transaction, actor: Principal, key: int, *, label: Label | None, kept: bool | None) -> Snapshot:
        """Say what it is, and whether it is spared when the oldest go; None leaves it as it is."""
        found = _seen(actor, key, tx.one(_ONE, {"k": key})).snapshot
        new = msgspec.structs.replace(
            found, label=found.label if label is None else label, kept=found.kept if kept is None else kept
        )
        tx.run(update(x).where(x.c.id == key).values(body=_encode(new)))
        return new

    @action("snapshots:write")
    def delete(self, tx: Transaction, actor: Principal, key: int) -> Snapshot:
        """Forget a snapshot; what only it holds is swept from the disk afterwards."""
        _person_or_runtime(actor)
        found = _seen(actor, key, tx.one(_ONE, {"k": key})).snapshot
        tx.run(delete(x).where(x.c.id == key))
        if found.pid is not None:
            row = self._processes.load(tx, actor, found.pid)
            self._processes.append(tx, row, actor.name, (SnapshotDeleted(key, "asked"),))
        return found

    @action("snapshots:write")
    def begin(
        self,
        tx: Transaction,
        actor: Principal,
        process: Process,
        history: Sequence[tuple[float, str, Event]],
        restored: Callable[[Process], ProcessRestored],
        place: Callable[[int], None],
        recall: Callable[[Transaction], None],
    ) -> Process:
        """Record the process that goes on from a snapshot or a step; see `Processes.begin_from`.

        `recall` writes what it remembers in the same transaction: one that cannot begin leaves no memory behind.
        """
        require(actor, "processes:spawn")
        _person_or_runtime(actor)
        recall(tx)
        return self._processes.begin_from(tx, actor, process, history, restored, place)

    def _insert(self, tx: Transaction, snapshot: Snapshot, manifest: str) -> Snapshot:
        values: Mapping[str, Any] = {
            "owner": snapshot.owner,
            "pid": snapshot.pid,
            "agent": snapshot.agent,
            "n": snapshot.n,
            "manifest": manifest,
        }
        key = tx.run(insert(x), {**values, "body": b""}).inserted_primary_key[0]
        snapshot = msgspec.structs.replace(snapshot, id=key)
        tx.run(update(x).where(x.c.id == key).values(body=_encode(snapshot)))
        return snapshot


def _remembered(connection: Connection, space: int | None) -> tuple[tuple[bytes, ...], dict[str, int]]:
    if space is None:
        return (), {}
    rows = connection.execute(_MEMORIES, {"space": space}).all()
    pages = tuple(
        b"".join(row.body + b"\n" for row in some)
        for _, some in itertools.groupby(rows, key=lambda row: row.id // PAGE)
    )
    layers = connection.execute(
        select(m.c.layer, func.count().label("number"))
        .where(and_(m.c.space == space, m.c.forgotten.is_(False)))
        .group_by(m.c.layer)
    )
    return pages, {row.layer: row.number for row in layers}


def _seen(actor: Principal, key: int, row: Any) -> Kept:
    if row is None or not may_see(actor, row.owner):
        raise SnapshotNotFound(f"No snapshot {key}")
    return Kept(_snapshot(row.body), row.manifest)


def _person_or_runtime(actor: Principal) -> None:
    if actor.pid is not None:
        raise Forbidden("An agent cannot do that; a person must")
