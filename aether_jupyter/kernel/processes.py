"""Processes: spawn, signal, send, extend, reap – and the claims by which the runtime runs them.

Every public method is one action: one transaction that writes rows and events. `append` is the only place that
changes a process; it derives the row from the events by the same fold that the screens use.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update
from uuid_utils import uuid7

from ..engine.lifecycle import deliver, move
from ..engine.permissions import inherited
from ..model.access import RUNTIME, Principal, may_see, require
from ..model.agent import PERMISSIONS, AgentSpec, Limits
from ..model.errors import AetherError, BadRequest, ControlHeld, Fenced, IllegalTransition, ProcessNotFound, TooMany
from ..model.events import (
    MODEL_INTERRUPTED,
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ControlReturned,
    Event,
    LimitsExtended,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelChosen,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessRestored,
    ProcessSpawned,
    Record,
    ShellClosed,
    ShellOpened,
    StateChanged,
    ToolEnded,
)
from ..model.image import Image
from ..model.memory import memory_name
from ..model.message import AGENT
from ..model.plan import Plan
from ..model.process import ExitStatus, Process, Signal, SignalReport, State
from ..model.request import NoteKind
from ..model.tool import Approval, Decision
from ..model.view import advance
from ..store import tables
from ..store.database import Database, Transaction, insert_once
from ..store.journal import Entry, Journal, decode_event, to_record
from . import images as pictures
from . import uses
from .action import action
from .budgets import Budgets

CHILDREN, DEPTH = 20, 5
NAME_CHARS = 80
LONGEST_LEASE_S = 60.0
SOME = 500
TEXTS = 100_000
"""Of how many texts a server knows that they are written; beyond it asks anew."""

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_process = msgspec.json.Decoder(Process).decode
_spec = msgspec.json.Decoder(AgentSpec).decode
_approval = msgspec.json.Decoder(Approval).decode

p, e = tables.process, tables.event
_LOAD = select(p.c.body, p.c.epoch, p.c.worker, p.c.reaped).where(p.c.pid == bindparam("k"))
_LOAD_ALL = select(p.c.body, p.c.epoch, p.c.spec).where(p.c.pid == bindparam("k"))
_READY_OWNERS = select(p.c.owner).where(p.c.state == "READY").distinct()
_READY = (
    select(p.c.pid, p.c.ready_at)
    .where(p.c.owner == bindparam("owner"), p.c.state == "READY")
    .order_by(p.c.ready_at)
    .limit(bindparam("most"))
)
_SAVE = (
    update(p)
    .where(p.c.pid == bindparam("k"))
    .values(
        state=bindparam("state"),
        epoch=bindparam("epoch"),
        worker=bindparam("worker"),
        ready_at=bindparam("ready_at"),
        until=bindparam("until"),
        head=bindparam("head"),
        reserved_usd=bindparam("reserved_usd"),
        ended_at=bindparam("ended_at"),
        reaped=bindparam("reaped"),
        body=bindparam("body"),
    )
)
_ABOVE = select(p.c.name, p.c.parent).where(p.c.pid == bindparam("k"))
_INSERT = insert(p)
_BODY = update(p).where(p.c.pid == bindparam("k")).values(body=bindparam("body"))
_EVENTS = (
    select(tables.event.c.n, tables.event.c.at, tables.event.c.body)
    .where(tables.event.c.pid == bindparam("k"), tables.event.c.n > bindparam("after"))
    .order_by(tables.event.c.n)
)
_LATEST = (
    select(tables.event.c.body)
    .where(tables.event.c.pid == bindparam("k"))
    .order_by(tables.event.c.n.desc())
    .limit(SOME)
)
_KEEP_TEXT = insert_once(tables.text)
_NO_TEXTS: Mapping[str, bytes] = {}
_NO_IMAGES: Mapping[Image, bytes] = {}
_WAITING = select(tables.approval.c.id, tables.approval.c.body).where(
    tables.approval.c.pid == bindparam("k"), tables.approval.c.status == "waiting"
)
_REAPED = b'{"type":"process.reaped",'
_CLOSE = (
    update(tables.approval)
    .where(tables.approval.c.id == bindparam("k"), tables.approval.c.status == "waiting")
    .values(status=bindparam("status"), body=bindparam("body"))
)


class Row(msgspec.Struct):
    """A process as the writer holds it inside one transaction."""

    process: Process
    epoch: int
    worker: int | None
    reaped: bool = False


class Claim(msgspec.Struct, frozen=True):
    """The right to run a process: valid while its epoch is the row's. `parents` are the names above its own."""

    pid: int
    epoch: int
    worker: int
    owner: str
    name: str
    spec: AgentSpec
    parents: tuple[str, ...] = ()


class Recorded(msgspec.Struct, frozen=True):
    """What a runner learns from `record`: the process, and what others had appended before its own events.

    `concluded` tells whether the conclusion was written. `stale` means that no event was: the plan is another by now
    than the one that the events change, so they are to be made anew.
    """

    process: Process
    missed: tuple[tuple[int, float, Event], ...]
    at: float
    concluded: bool
    stale: bool = False


class Alive(msgspec.Struct, frozen=True):
    """The PIDs that had not ended when it was asked; whoever was spawned since (beyond `newest`) counts as alive."""

    pids: frozenset[int]
    newest: int

    def __contains__(self, pid: object) -> bool:
        return pid in self.pids or (isinstance(pid, int) and pid > self.newest)


class Processes:
    """`admit` is given each new spec, with the names of the agent and of those above it.

    It returns the spec clamped and completed, or raises what is wrong with it.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        budgets: Budgets,
        admit: Callable[[AgentSpec, tuple[str, ...]], AgentSpec],
    ) -> None:
        self._database = database
        self._journal = journal
        self._budgets = budgets
        self._admit = admit
        self._waiters: dict[int, set[asyncio.Event]] = {}
        self._texts: set[tuple[str, str]] = set()
        self._exit_listeners: list[Callable[[Transaction, Process], None]] = [self._tell_parent]
        self._plan_listeners: list[Callable[[Transaction, Process, Plan], None]] = []
        journal.on_entry(self._wake)

    # --- system calls --------------------------------------------------------------------------------------------

    @action("processes:spawn")
    def spawn(self, tx: Transaction, actor: Principal, spec: AgentSpec, *, parent: int | None = None) -> Process:
        """Record a new process in READY; the supervisor starts it after the commit. Returns it with its PID.

        A child is under its parent's permissions as well as its own.
        """
        if not spec.goal.strip():
            raise BadRequest("goal: an agent needs words to work by")
        parent = actor.pid if actor.pid is not None else parent
        if parent is not None:
            self._check_parent(tx, actor, parent)
            spec = inherited(self._spec_of(tx, parent), spec)
            if len(spec.permissions) > PERMISSIONS:
                raise BadRequest(f"permissions: {len(spec.permissions)} with the parent's; at most {PERMISSIONS}")
        if spec.images:
            spec = msgspec.structs.replace(spec, images=pictures.known(tx, actor.owner, spec.images))
        name = spec.name.strip() or _name(spec.goal)
        spec = self._admit(spec, (name, *self._names_from(tx, parent)))
        process = Process(
            pid=0,
            name=name,
            owner=actor.owner,
            goal=spec.goal,
            model=spec.model,
            sandbox=spec.sandbox.kind,
            display="" if spec.sandbox.desktop == "none" else spec.sandbox.desktop,
            browser=spec.browses,
            mode=spec.mode,
            limits=spec.limits,
            parent=parent,
            created_at=tx.now,
            origin=f"agent:{parent}" if actor.pid is not None else spec.origin,
            head=1,
        )
        values = self._columns(process, tx.now, 0, None, False) | {
            "owner": process.owner,
            "name": name[:200],
            "parent": parent,
            "spec": _encode(spec),
        }
        pid = tx.run(_INSERT, values).inserted_primary_key[0]
        process = msgspec.structs.replace(process, pid=pid)
        tx.run(_BODY, {"k": pid, "body": _encode(process)})
        pictures.name(tx, process.owner, pid, spec.images)
        self._write(tx, Row(process, 0, None), actor.name, (ProcessSpawned(process, spec),), 1)
        return process

    def admissible(self, spec: AgentSpec, names: tuple[str, ...]) -> AgentSpec:
        """The spec as it would run, for an agent of this name and those above it. Raises what a spawn would."""
        return self._admit(spec, names)

    def begin_from(
        self,
        tx: Transaction,
        actor: Principal,
        process: Process,
        history: Sequence[tuple[float, str, Event]],
        restored: Callable[[Process], ProcessRestored],
        place: Callable[[int], None],
    ) -> Process:
        """Record a process that goes on from another one, whose events become its `history`.

        `place` puts its files where its PID wants them. The history is no news: it is numbered below zero, where no
        follower reads, and the event of `restored` tells of the process as it stands.
        """
        first = history[0][2]
        if not isinstance(first, ProcessSpawned):
            raise BadRequest("its history does not begin with its birth")
        spec = self._admit(restored(process).spec, (process.name, *self._names_from(tx, process.parent)))
        process = msgspec.structs.replace(
            process,
            model=process.model or spec.model,
            sandbox=spec.sandbox.kind,
            display="" if spec.sandbox.desktop == "none" else spec.sandbox.desktop,
            browser=spec.browses,
            control="",
            mode=spec.mode,
            created_at=tx.now,
            head=len(history) + 1,
        )
        values = self._columns(process, tx.now, 0, None, False) | {
            "owner": process.owner,
            "name": process.name[:200],
            "parent": process.parent,
            "spec": _encode(spec),
        }
        pid = tx.run(_INSERT, values).inserted_primary_key[0]
        process = msgspec.structs.replace(process, pid=pid)
        tx.run(_BODY, {"k": pid, "body": _encode(process)})
        born = msgspec.structs.replace(first.process, pid=pid, owner=process.owner)
        past = [(history[0][0], history[0][1], ProcessSpawned(born, first.spec)), *history[1:]]
        self._journal.put_before(tx, pid=pid, owner=process.owner, history=past)
        pictures.name(tx, process.owner, pid, [*spec.images, *_shown(history)])
        told = msgspec.structs.replace(restored(process), process=process, spec=spec)
        self._write(tx, Row(process, 0, None), actor.name, (told,), process.head)
        place(pid)
        return process

    @action("processes:signal")
    def signal(self, tx: Transaction, actor: Principal, pid: int, signal: Signal) -> Process:
        """Deliver a signal. Raises `IllegalTransition` if the process has ended."""
        return self._signal(tx, actor, pid, signal)

    @action("processes:signal")
    def signal_many(self, tx: Transaction, actor: Principal, signal: Signal, pids: Sequence[int]) -> SignalReport:
        """Deliver one signal to many; those that cannot take it are named and hinder nobody."""
        report = SignalReport([], {})
        for pid in dict.fromkeys(pids):
            try:
                self._signal(tx, actor, pid, signal)
            except AetherError as error:
                report.failed[pid] = error.message
            else:
                report.delivered.append(pid)
        return report

    @action("processes:send")
    def send(
        self,
        tx: Transaction,
        actor: Principal,
        pid: int,
        text: str,
        *,
        kind: NoteKind = "note",
        interrupt: bool = False,
        images: Sequence[Image] = (),
    ) -> str:
        """Write to an agent; it reads this before its next model call. Returns the message's id.

        Raises `BadRequest` for an image that was not kept beforehand.
        """
        row = self.load(tx, actor, pid)
        shown = pictures.known(tx, row.process.owner, images)
        return self.tell(tx, row, MessageSent(_id(), actor.name, text, kind, images=shown), interrupt=interrupt)

    @action("processes:send")
    def broadcast(self, tx: Transaction, actor: Principal, text: str, *, kind: NoteKind = "status") -> Sequence[int]:
        """Write to every live agent of the actor's family: all that descend from the same first ancestor."""
        if actor.pid is None:
            raise BadRequest("A person has no family of agents; write to each by its PID")
        family = [pid for pid in self._family(tx, actor.pid) if pid != actor.pid]
        for pid in family:
            self.tell(tx, self.row(tx, pid), MessageSent(_id(), actor.name, text, kind))
        return family

    @action("processes:limits")
    def extend(
        self,
        tx: Transaction,
        actor: Principal,
        pid: int,
        *,
        steps: int | None = None,
        tokens: int | None = None,
        cost_usd: float | None = None,
        wall_s: float | None = None,
    ) -> Process:
        """Add to the limits; a process that waits at one goes on."""
        added = {"steps": steps, "tokens": tokens, "cost_usd": cost_usd, "wall_s": wall_s}
        if not any(added.values()) or any(value is not None and value < 0 for value in added.values()):
            raise BadRequest("Say how much more: steps, tokens, cost_usd or wall_s, each above zero")
        row = self.load(tx, actor, pid)
        return self.enlarge(tx, row, actor.name, added)

    @action("processes:model")
    def choose_model(self, tx: Transaction, actor: Principal, pid: int, model: str) -> Process:
        """Have it ask another model from its next step on; one that waits for a model to come back tries at once.

        `auto` leaves the choice to the server. Raises what a spawn with this model would raise.
        """
        row = self.load(tx, actor, pid)
        process = row.process
        if process.state is State.ZOMBIE:
            raise IllegalTransition(f"Process {pid} has ended; it asks no model any more")
        if not model:
            raise BadRequest("model: name one as provider:model, or auto")
        spec = self._spec_of(tx, pid)
        names = (process.name, *self._names_from(tx, process.parent))
        self._admit(msgspec.structs.replace(spec, model=model, fallbacks=()), names)
        events: list[Event] = [ModelChosen(model, actor.name)]
        if process.wait is not None and process.wait.kind == "resource":
            events.append(StateChanged(State.READY if process.state is State.WAITING else State.STOPPED))
        return self.append(tx, row, actor.name, events)

    @action("processes:terminal")
    def note_terminal(self, tx: Transaction, actor: Principal, pid: int, name: str) -> Process:
        """Note that a person has opened a terminal in its sandbox."""
        return self.append(tx, self.load(tx, actor, pid), actor.name, (ShellOpened(actor.name, name),))

    @action("system:run")
    def note_terminal_end(
        self, tx: Transaction, actor: Principal, pid: int, by: str, name: str, duration_s: float
    ) -> Process:
        """Note that the terminal has ended that `by` opened."""
        return self.append(tx, self.load(tx, actor, pid), by, (ShellClosed(by, name, round(duration_s, 1)),))

    @action("processes:reap")
    def reap(self, tx: Transaction, actor: Principal, pid: int, *, keep_home: bool = False) -> Process:
        """Take note of an end: the process leaves the lists, and its home goes unless it is kept."""
        row = self.load(tx, actor, pid)
        if row.process.state is not State.ZOMBIE:
            raise IllegalTransition(f"Process {pid} is {row.process.state}; only an ended process is reaped")
        if row.reaped:
            return row.process
        keep = keep_home or self._spec_of(tx, pid).keep_home
        return self.append(tx, row, actor.name, (ProcessReaped(keep),))

    # --- reads ---------------------------------------------------------------------------------------------------

    async def get(self, actor: Principal, pid: int) -> Process:
        """One process. Raises `ProcessNotFound` also for what belongs to somebody else."""
        require(actor, "processes:read")
        rows = await self._database.fetch(_LOAD, {"k": pid}) if 0 <= pid < 2**63 else []
        return _seen(actor, pid, _process(rows[0].body) if rows else None)

    async def spec(self, actor: Principal, pid: int) -> AgentSpec:
        """What the process was spawned with."""
        await self.get(actor, pid)
        return _spec((await self._database.fetch(select(p.c.spec).where(p.c.pid == pid)))[0].spec)

    async def lineage(self, actor: Principal, pid: int) -> tuple[str, ...]:
        """The name of the process and of those above it, the nearest first."""
        process = await self.get(actor, pid)
        return (process.name, *await self._database.look(lambda reader: names_above(reader, process.parent)))

    async def list(
        self,
        actor: Principal,
        *,
        states: Sequence[State] = (),
        name: str = "",
        parent: int | None = None,
        reaped: bool = False,
        limit: int = 1000,
    ) -> Sequence[Process]:
        """One's processes, newest first."""
        require(actor, "processes:read")
        statement = select(p.c.body).order_by(p.c.pid.desc()).limit(limit)
        if actor is not RUNTIME:
            statement = statement.where(p.c.owner == actor.owner)
        if not reaped:
            statement = statement.where(p.c.reaped.is_(False))
        if states:
            statement = statement.where(p.c.state.in_([str(s) for s in states]))
        if name:
            statement = statement.where(func.lower(p.c.name).contains(name.lower(), autoescape=True))
        if parent is not None:
            statement = statement.where(p.c.parent == parent)
        return [process for row in await self._database.fetch(statement) for process in _readable(row.body)]

    async def records(
        self, actor: Principal, pid: int, *, after: int = 0, before: int | None = None, limit: int = 200
    ) -> Sequence[Record]:
        """Events of one process by their number, ascending; with `before`, the last `limit` below it."""
        await self.get(actor, pid)
        statement = select(e).where(e.c.pid == pid, e.c.n > after).limit(limit)
        if before is not None:
            rows = await self._database.fetch(statement.where(e.c.n < before).order_by(e.c.n.desc()))
            return [to_record(row) for row in reversed(rows)]
        return [to_record(row) for row in await self._database.fetch(statement.order_by(e.c.n))]

    async def wait(self, actor: Principal, pid: int, *, timeout_s: float) -> Process:
        """The process once it has ended or needs a person, or as it is after `timeout_s`."""
        stopped = asyncio.Event()
        self._waiters.setdefault(pid, set()).add(stopped)
        try:
            process = await self.get(actor, pid)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while not _settled(process):
                        await stopped.wait()
                        stopped.clear()
                        process = await self.get(actor, pid)
            return process if _settled(process) else await self.get(actor, pid)
        finally:
            self._waiters[pid].discard(stopped)
            if not self._waiters[pid]:
                del self._waiters[pid]

    # --- what the runtime does -----------------------------------------------------------------------------------

    @action("system:run")
    def claim(self, tx: Transaction, actor: Principal, worker: int, most: int) -> Sequence[tuple[Claim, Process]]:
        """Take up to `most` READY processes, the next slot always to the owner with the fewest running."""
        if tx.one(select(tables.worker.c.id).where(tables.worker.c.id == worker)) is None:
            raise Fenced("this server's lease was lost")
        running = dict(tx.run(select(p.c.owner, func.count()).where(p.c.state == "RUNNING").group_by(p.c.owner)).all())
        ranked = []
        for (owner,) in tx.all(_READY_OWNERS):
            for place, found in enumerate(tx.all(_READY, {"owner": owner, "most": most}), 1):
                ranked.append((running.get(owner, 0) + place, found.ready_at, found.pid))
        claims = []
        for _, _, pid in sorted(ranked)[:most]:
            found = tx.one(_LOAD_ALL, {"k": pid})
            try:
                row, spec = Row(_process(found.body), found.epoch + 1, worker), _spec(found.spec)
            except msgspec.DecodeError as error:
                self._set_aside(tx, pid, error)
                continue
            process = self.append(tx, row, actor.name, (StateChanged(State.RUNNING),), worker=worker)
            parents = self._names_from(tx, process.parent)
            claims.append((Claim(pid, row.epoch, worker, process.owner, process.name, spec, parents), process))
        return claims

    async def record(
        self,
        actor: Principal,
        claim: Claim,
        known: int,
        events: Sequence[Event],
        conclusion: Sequence[Event] = (),
        texts: Mapping[str, bytes] = _NO_TEXTS,
        images: Mapping[Image, bytes] = _NO_IMAGES,
    ) -> Recorded:
        """Append what a runner did. Raises `Fenced`, with nothing written, if the claim is no longer its own.

        `conclusion` (to wait, to end) was drawn from the first `known` events, so it is written only if those are
        all: a message or decision that came meanwhile must not be slept through. `texts` and `images` are what the
        events name by their digests; each is written once.
        """
        fresh = {digest: body for digest, body in texts.items() if (claim.owner, digest) not in self._texts}
        recorded = await self._record(actor, claim, known, events, conclusion, fresh, images)
        if fresh:
            if len(self._texts) > TEXTS:
                self._texts.clear()
            self._texts.update((claim.owner, digest) for digest in fresh)
        return recorded

    @action("system:run")
    def _record(
        self,
        tx: Transaction,
        actor: Principal,
        claim: Claim,
        known: int,
        events: Sequence[Event],
        conclusion: Sequence[Event],
        texts: Mapping[str, bytes],
        images: Mapping[Image, bytes],
    ) -> Recorded:
        row = self._fenced(tx, claim)
        for digest, body in texts.items():
            tx.run(_KEEP_TEXT, {"owner": claim.owner, "digest": digest, "body": body})
        for image, content in images.items():
            pictures.keep(tx, claim.owner, image, content)
        missed: tuple[tuple[int, float, Event], ...] = ()
        if row.process.head > known:
            missed = self._since(tx, claim.pid, known)
        if missed and _plans(events) and _plans(event for _, _, event in missed):
            return Recorded(row.process, missed, tx.now, concluded=False, stale=True)
        concluded = not missed
        events = (*events, *conclusion) if concluded else events
        process = self.append(tx, row, f"agent:{claim.pid}", events, worker=claim.worker)
        return Recorded(process, missed, tx.now, concluded)

    async def history(self, pid: int) -> Sequence[tuple[int, float, Event]]:
        """All events of one process, for its runner."""

        def look(connection: Connection) -> Sequence[tuple[int, float, Event]]:
            rows = connection.execute(_EVENTS, {"k": pid, "after": 0})
            return [(row.n, row.at, decode_event(row.body)) for row in rows]

        # In a thread: a long run has thousands.
        return await self._database.look(look)

    @action("system:run")
    def wake_due(self, tx: Transaction, actor: Principal) -> int:
        """Make READY what waited for a time that has come. Returns how many."""
        due = tx.all(select(p.c.pid).where(p.c.state == "WAITING", p.c.until < tx.now))
        return len([self.append(tx, row, actor.name, (StateChanged(State.READY),)) for row in self._rows(tx, due)])

    @action("system:run")
    def reap_old(self, tx: Transaction, actor: Principal, keep_s: float) -> int:
        """Reap what ended more than `keep_s` ago, a hundred at a time."""
        old = tx.all(
            select(p.c.pid)
            .where(p.c.state == "ZOMBIE", p.c.reaped.is_(False), p.c.ended_at < tx.now - keep_s)
            .limit(100)
        )
        for row in self._rows(tx, old):
            self.append(tx, row, actor.name, (ProcessReaped(self._spec_of(tx, row.process.pid).keep_home),))
        return len(old)

    @action("system:run")
    def register(self, tx: Transaction, actor: Principal, lease_s: float, about: str) -> int:
        """A new worker with a lease; returns its id."""
        values = {"lease_until": tx.now + lease_s, "about": about}
        return int(tx.run(insert(tables.worker), values).inserted_primary_key[0])

    @action("system:run")
    def renew(self, tx: Transaction, actor: Principal, worker: int, lease_s: float) -> bool:
        """Extend a lease. False means that this worker was declared dead: its claims are others' now."""
        w = tables.worker
        return bool(tx.run(update(w).where(w.c.id == worker).values(lease_until=tx.now + lease_s)).rowcount)

    @action("system:run")
    def steal(self, tx: Transaction, actor: Principal, worker: int) -> Sequence[int]:
        """Free the processes of workers whose lease has run out. Dead is final. Returns the PIDs.

        `worker` is the one that asks: whoever can ask is alive, whatever the clock has done to its lease. No lease
        lies far ahead unless the clock was set back since; its worker would have renewed it.
        """
        w = tables.worker
        over = or_(w.c.lease_until < tx.now, w.c.lease_until > tx.now + LONGEST_LEASE_S)
        tx.run(delete(w).where(over, w.c.id != worker))
        orphans = tx.all(
            select(p.c.pid).where(p.c.state == "RUNNING", or_(p.c.worker.is_(None), p.c.worker.not_in(select(w.c.id))))
        )
        freed = []
        for row in self._rows(tx, orphans):
            row.epoch += 1
            self.append(tx, row, actor.name, (StateChanged(State.READY, why="The server that ran it is gone."),))
            freed.append(row.process.pid)
        return freed

    @action("system:run")
    def retire(self, tx: Transaction, actor: Principal, worker: int) -> None:
        """Give back everything a worker holds, and the worker itself: a server that stops in good order."""
        for row in self._rows(tx, tx.all(select(p.c.pid).where(p.c.state == "RUNNING", p.c.worker == worker))):
            row.epoch += 1
            self.append(tx, row, actor.name, (StateChanged(State.READY, why="The server that ran it stopped."),))
        tx.run(delete(tables.worker).where(tables.worker.c.id == worker))

    async def newest(self) -> int:
        """The highest PID that there is, 0 before the first."""
        return int((await self._database.fetch(select(func.coalesce(func.max(p.c.pid), 0))))[0][0])

    async def alive(self) -> Alive:
        """The PIDs that have not ended: whose sandboxes may live."""
        # The newest first: who is spawned between the two reads is newer, and so alive.
        newest = (await self._database.fetch(select(func.coalesce(func.max(p.c.pid), 0))))[0][0]
        rows = await self._database.fetch(select(p.c.pid).where(p.c.state != "ZOMBIE"))
        return Alive(frozenset(row.pid for row in rows), newest)

    async def holder(self, pid: int) -> int | None:
        """The worker that runs it now, None where none does."""
        rows = await self._database.fetch(select(p.c.worker).where(p.c.pid == pid))
        return rows[0].worker if rows else None

    async def homes_to_remove(self, pids: Iterable[int]) -> Sequence[int]:
        """Which of these homes belong to reaped processes that did not keep them, or to nobody.

        One of a number that was not given yet is spared: a restored process has its home before its row is committed.
        """
        # Asked first: whose row is committed after this read is newer, and so spared.
        newest = await self.newest()
        wanted = [pid for pid in pids if pid <= newest]
        remove: MutableSequence[int] = []
        for at in range(0, len(wanted), SOME):
            some = wanted[at : at + SOME]
            # Feedback and lessons may come after it, so the reaping is known by the beginning of its body.
            begins = func.substr(e.c.body, 1, len(_REAPED)) == _REAPED
            # Journals of processes that are not reaped are not looked at: this is asked all the time.
            reaping = and_(p.c.reaped.is_(True), e.c.pid == p.c.pid, begins)
            rows = await self._database.fetch(
                select(p.c.pid, p.c.reaped, e.c.body).select_from(p.outerjoin(e, reaping)).where(p.c.pid.in_(some))
            )
            kept = {row.pid for row in rows if not row.reaped or _home_kept(row.body)}
            remove += [pid for pid in some if pid not in kept]
        return remove

    # --- inside a transaction ------------------------------------------------------------------------------------

    def load(self, tx: Transaction, actor: Principal, pid: int) -> Row:
        """The row, or `ProcessNotFound` also for what belongs to somebody else."""
        found = tx.one(_LOAD, {"k": pid}) if 0 <= pid < 2**63 else None
        _seen(actor, pid, _process(found.body) if found else None)
        assert found is not None
        return Row(_process(found.body), found.epoch, found.worker, found.reaped)

    def append(
        self,
        tx: Transaction,
        row: Row,
        actor: str,
        events: Sequence[Event],
        *,
        worker: int | None = None,
    ) -> Process:
        """Write events and the row they lead to. The only place where a process changes."""
        if not events:
            return row.process
        first = row.process.head + 1
        process = row.process
        extra: MutableSequence[Event] = []
        planned: Plan | None = None
        for event in events:
            match event:
                case StateChanged(state=state) if state is not process.state:
                    move(process, state)
                case ProcessExited(status=status):
                    move(process, State.ZOMBIE)
                    extra += self._closing(tx, process.pid, status)
                    row.epoch += 1
                case ApprovalRequested(approval=approval):
                    self._insert_approval(tx, approval)
                case ModelRequested(reserved_usd=wanted) | AuxiliaryRequested(reserved_usd=wanted):
                    self._budgets.check(tx, process.owner, wanted)
                case ModelAnswered() | AuxiliaryAnswered() | ModelFailed():
                    self._budgets.charge(tx, process, event)
                    if isinstance(event, ModelAnswered) and event.cited:
                        uses.cited(tx, process, event)
                case MemoriesGiven():
                    uses.given(tx, process, event)
                case ToolEnded(outcome=outcome) if outcome.images:
                    pictures.name(tx, process.owner, process.pid, outcome.images)
                case MessageSent(images=images) if images:
                    pictures.name(tx, process.owner, process.pid, images)
                case ControlReturned(turn=turn):
                    pictures.name(tx, process.owner, process.pid, turn.images)
                case PlanChanged(plan=plan, by=by) if by == AGENT:
                    planned = plan
                case _:
                    pass
            process = advance(process, event, tx.now, process.head + 1)
        for event in extra:
            process = advance(process, event, tx.now, process.head + 1)
        row.reaped = row.reaped or process.reaped_at is not None
        row.worker = worker if process.state is State.RUNNING and worker is not None else row.worker
        if process.state is not State.RUNNING:
            row.worker = None
        row.process = process
        tx.run(_SAVE, self._columns(process, tx.now, row.epoch, row.worker, row.reaped) | {"k": process.pid})
        self._write(tx, row, actor, (*events, *extra), first)
        if any(isinstance(event, ProcessExited) for event in events):
            for listener in self._exit_listeners:
                listener(tx, process)
        if planned is not None:
            for tell in self._plan_listeners:
                tell(tx, process, planned)
        return process

    def tell(
        self,
        tx: Transaction,
        row: Row,
        message: MessageSent,
        *,
        before: Sequence[Event] = (),
        interrupt: bool = False,
    ) -> str:
        """Write a message, and wake whoever waits for words. `before` are events of the same move."""
        process = row.process
        if not message.text.strip():
            raise BadRequest("text: an empty message tells the agent nothing")
        if process.state is State.ZOMBIE:
            raise IllegalTransition(f"Process {process.pid} has ended; it reads no more messages")
        interruption = deliver(process, Signal.INT) if interrupt else ()
        events: list[Event] = [*before, *interruption, message]
        if process.wait is not None and process.wait.kind in ("message", "agent"):
            # A stopped one is not woken, but what it waited for is here: it goes on when it is continued.
            events.append(StateChanged(State.READY if process.state is State.WAITING else State.STOPPED))
        self.append(tx, row, message.sender, events)
        return message.id

    def agent_name(self, tx: Transaction, process: Process) -> tuple[str, bool]:
        """Under which name it remembers and is known, and whether another agent started it."""
        return memory_name(process.name, self._names_from(tx, process.parent)), process.parent is not None

    def origin(self, tx: Transaction, process: Process) -> tuple[AgentSpec, tuple[str, ...]]:
        """What it was spawned with, and the names of those above it, the nearest first."""
        return self._spec_of(tx, process.pid), self._names_from(tx, process.parent)

    def on_exit(self, listener: Callable[[Transaction, Process], None]) -> None:
        """Call `listener` in the transaction in which a process ends."""
        self._exit_listeners.append(listener)

    def on_plan(self, listener: Callable[[Transaction, Process, Plan], None]) -> None:
        """Call `listener` in the transaction in which an agent changes its own plan."""
        self._plan_listeners.append(listener)

    def enlarge(self, tx: Transaction, row: Row, actor: str, added: dict[str, Any]) -> Process:
        """New limits; closes a question about the limit, and makes a process READY that waited at it."""
        process = row.process
        if process.state is State.ZOMBIE:
            raise IllegalTransition(f"Process {process.pid} has ended; its limits cannot grow")
        old = msgspec.structs.asdict(process.limits)
        used = {"steps": process.step, "tokens": process.tokens, "cost_usd": process.cost_usd, "wall_s": process.run_s}
        new = {}
        for key, limit in old.items():
            more = added.get(key)
            new[key] = limit if more is None or limit is None else max(limit, used[key]) + more
        limits = Limits(**new)
        try:
            # Only what can be read again may be written: a row that cannot would stop every claim.
            msgspec.convert(msgspec.to_builtins(limits), Limits)
        except msgspec.ValidationError as error:
            raise BadRequest(f"limits: {error}") from None
        events: MutableSequence[Event] = [LimitsExtended(limits)]
        if process.wait is not None and process.wait.kind == "limit":
            for found in tx.all(_WAITING, {"k": process.pid}):
                approval = _approval(found.body)
                if approval.kind == "limit":
                    decision = Decision(verdict="extend", by=actor, at=tx.now, steps=added.get("steps"))
                    self.close(tx, approval, decision)
                    events.append(ApprovalDecided(approval.id, "limit", approval.id, decision))
            events.append(StateChanged(State.READY if process.state is State.WAITING else State.STOPPED))
        return self.append(tx, row, actor, events)

    def close(self, tx: Transaction, approval: Approval, decision: Decision) -> Approval:
        """Mark an approval as decided."""
        decided = msgspec.structs.replace(approval, decision=decision)
        tx.run(_CLOSE, {"k": approval.id, "status": "decided", "body": _encode(decided)})
        return decided

    def _wake(self, entry: Entry) -> None:
        if isinstance(entry.event, ProcessErased):
            # With what was erased, on this server or another, texts may have gone.
            self._texts.clear()
        if entry.pid in self._waiters and _stops(entry.event):
            for stopped in self._waiters[entry.pid]:
                stopped.set()

    # --- private -------------------------------------------------------------------------------------------------

    def _signal(self, tx: Transaction, actor: Principal, pid: int, signal: Signal) -> Process:
        row = self.load(tx, actor, pid)
        if actor.pid is not None and row.process.parent != actor.pid:
            raise ProcessNotFound(
                f"Process {pid} is not a child of {actor.pid}; an agent signals only its own children"
            )
        if signal is Signal.CONT and (holder := row.process.control):
            raise ControlHeld(f"{holder} has control of agent {pid}; it goes on when they hand it back", holder=holder)
        events = self.going_on(tx, row) if signal is Signal.CONT else deliver(row.process, signal)
        reserved = row.process.reserved_usd
        if reserved and any(isinstance(event, ProcessExited) for event in events):
            # The provider may charge for what nobody hears any more.
            events = (self._charged(tx, row.process), *events)
        return self.append(tx, row, actor.name, events)

    def going_on(self, tx: Transaction, row: Row) -> Sequence[Event]:
        """What is written when a process is continued; empty if it goes on already."""
        process = row.process
        events = deliver(process, Signal.CONT)
        wait = process.wait
        # A CONT that finds a decision already made goes to READY: what was decided must not wait for the rest.
        if process.state is State.STOPPED and wait is not None and wait.approvals:
            waiting = {found.id for found in tx.all(_WAITING, {"k": process.pid})}
            if not waiting.issuperset(wait.approvals):
                return (events[0], StateChanged(State.READY))
        return events

    def asked(self, tx: Transaction, pid: int) -> Sequence[Approval]:
        """What the process waits for a person to decide."""
        return [_approval(found.body) for found in tx.all(_WAITING, {"k": pid})]

    def _charged(self, tx: Transaction, process: Process) -> Event:
        """The end of the model call that is under way: its own step, or one beside the steps."""
        words, cost = "It was ended while the model was asked.", process.reserved_usd
        waiting = (each.event for each in reversed(tx.waiting) if each.row["pid"] == process.pid)
        written = (decode_event(found.body) for found in tx.all(_LATEST, {"k": process.pid}))
        for event in itertools.chain(waiting, written):
            if isinstance(event, AuxiliaryRequested):
                asked = event.purpose, event.model
                return AuxiliaryAnswered(
                    *asked, cost_usd=cost, cost_known=False, error=MODEL_INTERRUPTED, message=words
                )
            if isinstance(event, ModelRequested):
                break
        return ModelFailed(process.step, process.model, MODEL_INTERRUPTED, words, cost)

    def _since(self, tx: Transaction, pid: int, after: int) -> tuple[tuple[int, float, Event], ...]:
        """The events of a process beyond its first `after`, those of the same group of transactions too."""
        found = [(each.n, each.at, decode_event(each.body)) for each in tx.all(_EVENTS, {"k": pid, "after": after})]
        rows = ((each.row, each.event) for each in tx.waiting if each.row["pid"] == pid and each.row["n"] > after)
        return (*found, *((row["n"], row["at"], event) for row, event in rows))

    def _check_parent(self, tx: Transaction, actor: Principal, parent: int) -> None:
        self.load(tx, actor, parent)
        children = tx.one(select(func.count()).where(p.c.parent == parent, p.c.state != "ZOMBIE"))[0]
        if children >= CHILDREN:
            raise TooMany(
                f"Process {parent} has {children} live children; the limit is {CHILDREN}. Wait for one to end."
            )
        depth, at = 1, parent
        while (above := self._parent(tx, at)) is not None:
            depth, at = depth + 1, above
        if depth >= DEPTH:
            raise TooMany(f"Process {parent} is {depth} generations down; the limit is {DEPTH}.")

    def _parent(self, tx: Transaction, pid: int) -> int | None:
        found = tx.one(select(p.c.parent).where(p.c.pid == pid))
        return None if found is None else found.parent

    def _family(self, tx: Transaction, pid: int) -> Sequence[int]:
        """The live processes that share the first ancestor of `pid`, itself among them."""
        while (above := self._parent(tx, pid)) is not None:
            pid = above
        found, live = [pid], []
        while found:
            rows = tx.all(select(p.c.pid, p.c.state).where(p.c.pid.in_(found)))
            live += [row.pid for row in rows if row.state != "ZOMBIE"]
            found = [row.pid for row in tx.all(select(p.c.pid).where(p.c.parent.in_(found)))]
        return live

    def row(self, tx: Transaction, pid: int) -> Row:
        """The row, whoever asks: for the kernel's own moves."""
        found = tx.one(_LOAD, {"k": pid})
        if found is None:
            raise ProcessNotFound(f"No process {pid}")
        return Row(_process(found.body), found.epoch, found.worker, found.reaped)

    def _rows(self, tx: Transaction, found: Iterable[Any]) -> Iterable[Row]:
        for each in found:
            try:
                row = self.row(tx, each.pid)
            except msgspec.DecodeError as error:
                self._set_aside(tx, each.pid, error)
                continue
            yield row

    def _set_aside(self, tx: Transaction, pid: int, error: msgspec.DecodeError) -> None:
        """One row that cannot be read must not keep all others from running, nor from being freed or reaped."""
        log.critical("process %s cannot be read; it is set aside as STOPPED: %s", pid, error)
        tx.run(update(p).where(p.c.pid == pid).values(state=str(State.STOPPED), worker=None))

    def _fenced(self, tx: Transaction, claim: Claim) -> Row:
        try:
            row = self.row(tx, claim.pid)
        except ProcessNotFound:
            raise Fenced(f"Process {claim.pid} was erased") from None
        if row.epoch != claim.epoch or row.worker != claim.worker:
            raise Fenced(f"Process {claim.pid} is no longer run by this server (epoch {row.epoch}, not {claim.epoch})")
        return row

    def _spec_of(self, tx: Transaction, pid: int) -> AgentSpec:
        return _spec(tx.one(select(p.c.spec).where(p.c.pid == pid)).spec)

    def _names_from(self, tx: Transaction, pid: int | None) -> tuple[str, ...]:
        """The name of this process and of all above it; none for None."""
        return names_above(tx.connection, pid)

    def _insert_approval(self, tx: Transaction, approval: Approval) -> None:
        tx.run(
            insert(tables.approval),
            {
                "id": approval.id,
                "pid": approval.pid,
                "owner": approval.owner,
                "status": "waiting",
                "created_at": approval.created_at,
                "body": _encode(approval),
            },
        )

    def _closing(self, tx: Transaction, pid: int, status: ExitStatus) -> MutableSequence[Event]:
        closed: MutableSequence[Event] = []
        for found in tx.all(_WAITING, {"k": pid}):
            why = f"The agent ended ({status.reason})."
            body = _encode(msgspec.structs.replace(_approval(found.body), closed=why))
            tx.run(_CLOSE, {"k": found.id, "status": "closed", "body": body})
            closed.append(ApprovalClosed(found.id, why))
        return closed

    def _tell_parent(self, tx: Transaction, child: Process) -> None:
        assert child.exit is not None
        # The parent did not start what a person branched off its child.
        asked = child.parent is not None and child.came_from is None
        row = self.row(tx, child.parent) if asked and child.parent is not None else None
        if row is None or row.process.state is State.ZOMBIE:
            return
        text = f"Agent {child.pid} ({child.name}) ended with {child.exit.code}: {child.exit.message[:2000]}"
        self.append(tx, row, f"agent:{child.pid}", (MessageSent(_id(), f"agent:{child.pid}", text, "exit"),))

    def _write(self, tx: Transaction, row: Row, actor: str, events: Sequence[Event], first: int) -> None:
        process = row.process
        self._journal.append(
            tx, pid=process.pid, n=first, owner=process.owner, actor=actor, epoch=row.epoch, events=events
        )

    def _columns(self, process: Process, now: float, epoch: int, worker: int | None, reaped: bool) -> dict[str, Any]:
        wait = process.wait
        return {
            "state": str(process.state),
            "epoch": epoch,
            "worker": worker,
            "ready_at": now,
            "until": wait.until if process.state is State.WAITING and wait is not None else None,
            "head": process.head,
            "reserved_usd": process.reserved_usd,
            "ended_at": process.ended_at,
            "reaped": reaped,
            "body": _encode(process),
        }


def _readable(body: bytes) -> Sequence[Process]:
    try:
        return (_process(body),)
    except msgspec.DecodeError:
        log.exception("a process in the database cannot be read; it is left out of the list")
        return ()


def _home_kept(body: bytes | None) -> bool:
    try:
        event = decode_event(body or b"")
    except msgspec.DecodeError:
        return True
    return not isinstance(event, ProcessReaped) or event.home_kept


def _shown(history: Iterable[tuple[float, str, Event]]) -> Iterable[Image]:
    """The images that a history names."""
    for _, _, event in history:
        if isinstance(event, MessageSent):
            yield from event.images
        elif isinstance(event, ToolEnded):
            yield from event.outcome.images
        elif isinstance(event, ControlReturned):
            yield from event.turn.images


def names_above(connection: Connection, pid: int | None) -> tuple[str, ...]:
    """The name of this process and of those above it, the nearest first, as far as they are still there."""
    names: list[str] = []
    while pid is not None:
        found = connection.execute(_ABOVE, {"k": pid}).first()
        if found is None:
            # One above it was erased: it must not keep others from being claimed.
            break
        names.append(found.name)
        pid = found.parent
    return tuple(names)


def _plans(events: Iterable[Event]) -> bool:
    return any(isinstance(event, PlanChanged) for event in events)


def _stops(event: Event | None) -> bool:
    going = (State.READY, State.RUNNING)
    return isinstance(event, ProcessExited) or (isinstance(event, StateChanged) and event.state not in going)


def _settled(process: Process) -> bool:
    return process.state is State.ZOMBIE or process.needs_person


def _seen(actor: Principal, pid: int, process: Process | None) -> Process:
    if process is None or not may_see(actor, process.owner):
        raise ProcessNotFound(f"No process {pid}")
    return process


def _id() -> str:
    return str(uuid7())


def _name(goal: str) -> str:
    line = " ".join(goal.strip().split("\n", 1)[0].split())
    return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1].rstrip() + "…"
