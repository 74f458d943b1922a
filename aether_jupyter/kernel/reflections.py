"""Which ended runs are still to look back, who is at it, and what came of it.

That a run is to look back is a row written in the transaction of its exit, so no crash loses it and no exit waits for
it. A row is taken by a worker whose lease holds (`Processes.register`), and every write of that worker asks for it
again: of two servers one looks back, and what a dead one left is taken up by another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from ..model.access import Principal
from ..model.agent import AgentSpec
from ..model.errors import Fenced
from ..model.events import AuxiliaryAnswered, AuxiliaryRequested, Reflected
from ..model.memory import Note, Source
from ..model.process import Process
from ..store import tables
from ..store.database import Database, Transaction
from . import uses
from .action import action
from .memories import Memories
from .processes import Processes
from .profiles import Profiles

r, w = tables.reflection, tables.worker
_TRIES = select(r.c.tries).where(r.c.pid == bindparam("k"), r.c.worker == bindparam("worker"))


class Owed(msgspec.Struct, frozen=True):
    """A run that is to look back. `tries` counts this one; `child`: another agent started it."""

    process: Process
    spec: AgentSpec
    agent: str
    parents: tuple[str, ...]
    tries: int

    @property
    def child(self) -> bool:
        """Whether its goal may come from what another agent has read."""
        return bool(self.parents)


class Lessons(msgspec.Struct, frozen=True):
    """What a run learnt: `notes` are new, `known` the memories that say nearly the same already."""

    reflected: Reflected
    notes: tuple[Note, ...]
    known: tuple[int, ...]
    tainted: bool


class Reflections:
    """`wants` says of each run that ends whether it is to look back."""

    def __init__(
        self,
        database: Database,
        processes: Processes,
        memories: Memories,
        profiles: Profiles,
        wants: Callable[[AgentSpec, Process], bool],
    ) -> None:
        self._database = database
        self._processes = processes
        self._memories = memories
        self._profiles = profiles
        self._wants = wants
        processes.on_exit(self._ended)

    @action("system:run")
    def claim(
        self, tx: Transaction, actor: Principal, worker: int, most: int, busy: Collection[int] = ()
    ) -> Sequence[Owed]:
        """Take up to `most` runs that are due, the oldest first.

        Free are also those of workers that are gone, and the worker's own that it is not `busy` with any more.
        """
        mine = and_(r.c.worker == worker, r.c.pid.not_in(busy))
        free = or_(r.c.worker.is_(None), r.c.worker.not_in(select(w.c.id)), mine)
        due = tx.all(select(r.c.pid, r.c.tries).where(r.c.due_at <= tx.now, free).order_by(r.c.due_at).limit(most))
        owed = []
        for row in due:
            process = self._processes.row(tx, row.pid).process
            tx.run(update(r).where(r.c.pid == row.pid).values(worker=worker, tries=row.tries + 1))
            spec, parents = self._processes.origin(tx, process)
            agent, _ = self._processes.agent_name(tx, process)
            owed.append(Owed(process, spec, agent, parents, row.tries + 1))
        return owed

    @action("system:run")
    def ask(self, tx: Transaction, actor: Principal, worker: int, pid: int, event: AuxiliaryRequested) -> Process:
        """Reserve one call. Raises `OverBudget`, or `Fenced` where another server has it now."""
        return self._append(tx, worker, pid, event)

    @action("system:run")
    def answered(self, tx: Transaction, actor: Principal, worker: int, pid: int, event: AuxiliaryAnswered) -> Process:
        """Charge one call whose answer is not the last word."""
        return self._append(tx, worker, pid, event)

    @action("system:run")
    def put_off(
        self, tx: Transaction, actor: Principal, worker: int, pid: int, event: AuxiliaryAnswered, due_at: float
    ) -> None:
        """No model was to be reached: it is tried again at `due_at`."""
        self._append(tx, worker, pid, event)
        tx.run(update(r).where(r.c.pid == pid).values(worker=None, due_at=due_at))

    @action("system:run")
    def give_up(self, tx: Transaction, actor: Principal, worker: int, pid: int, event: AuxiliaryAnswered) -> None:
        """It is not tried again; the event says why."""
        self._append(tx, worker, pid, event)
        tx.run(delete(r).where(r.c.pid == pid))

    async def learn(
        self, actor: Principal, worker: int, owed: Owed, event: AuxiliaryAnswered, lessons: Lessons
    ) -> Reflected:
        """Charge the last call, keep the lessons and tell of them, in one transaction."""
        reflected = await self._learn(actor, worker, owed, event, lessons)
        self._memories.changed()
        return reflected

    @action("system:run")
    def _learn(
        self, tx: Transaction, actor: Principal, worker: int, owed: Owed, event: AuxiliaryAnswered, lessons: Lessons
    ) -> Reflected:
        pid, owner = owed.process.pid, owed.process.owner
        source = Source(f"agent:{pid}", "reflection", pid, owed.process.step, lessons.tainted)
        kept = self._memories.keep(tx, owner, owed.agent, lessons.notes, source)
        # What is learnt again is of use: it fades later.
        uses.touch(tx, lessons.known, owner)
        self._memories.learnt_again(tx, owner, lessons.known, source)
        ids = (*(memory.id for memory in kept), *lessons.known)
        reflected = msgspec.structs.replace(lessons.reflected, memories=ids)
        process = self._append(tx, worker, pid, event, reflected)
        self._profiles.rated(tx, process, reflected.strategy, tainted=lessons.tainted)
        tx.run(delete(r).where(r.c.pid == pid))
        return reflected

    def _append(
        self, tx: Transaction, worker: int, pid: int, *events: AuxiliaryRequested | AuxiliaryAnswered | Reflected
    ) -> Process:
        if tx.one(_TRIES, {"k": pid, "worker": worker}) is None:
            raise Fenced(f"Another server looks back on process {pid} now")
        row = self._processes.row(tx, pid)
        process = self._processes.append(tx, row, f"agent:{pid}", events)
        if any(isinstance(event, AuxiliaryAnswered) for event in events):
            self._profiles.spent(tx, process)
        return process

    def _ended(self, tx: Transaction, process: Process) -> None:
        spec, _ = self._processes.origin(tx, process)
        if self._wants(spec, process):
            values = {"pid": process.pid, "owner": process.owner, "worker": None, "due_at": tx.now, "tries": 0}
            tx.run(insert(r), values)
