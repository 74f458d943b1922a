"""Plans of agents: read by whoever may see the agent, changed by people; and what a child's end means for its parent's.

An agent changes its own plan through its journal, as everything it does. A person's change is one action, and is
refused if the agent changed its plan since the person saw it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import bindparam, select

from ..model.access import Principal
from ..model.errors import BadRequest, Conflict, IllegalTransition
from ..model.events import Event, PlanChanged
from ..model.plan import Plan, PlanAsItStands, assigned, followed, outline, progress, settled, stamped
from ..model.process import Process, State
from ..store import tables
from ..store.database import Database, Transaction
from ..store.journal import decode_event
from .action import action
from .processes import Processes

_process = msgspec.json.Decoder(Process).decode
e, p = tables.event, tables.process
_AT = select(e.c.at, e.c.body).where(e.c.pid == bindparam("k"), e.c.n == bindparam("n"))
_CHILDREN = select(p.c.pid, p.c.body).where(
    p.c.parent == bindparam("k"), p.c.pid.in_(bindparam("some", expanding=True))
)


class Plans:
    """The plan of each process, which is the last `PlanChanged` of its journal."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes
        processes.on_exit(self._ended)
        processes.on_plan(self._planned)

    async def get(self, actor: Principal, pid: int) -> PlanAsItStands:
        """The plan of one agent; an empty one if it has none."""
        process = await self._processes.get(actor, pid)
        if not process.plan_n:
            return PlanAsItStands(Plan(), "", 0, 0)
        [row] = await self._database.fetch(_AT, {"k": pid, "n": process.plan_n})
        return _as_it_stands(decode_event(row.body), row.at, process.plan_n)

    @action("processes:plan")
    def change(
        self, tx: Transaction, actor: Principal, pid: int, plan: Plan, *, seen: int | None = None
    ) -> PlanAsItStands:
        """Give an agent another plan; it is told before its next step. An empty one takes its plan away.

        `seen`, if given, is the `n` of the plan that the person saw. Raises `Conflict`, with the plan that is there
        now in `details["plan"]`, if it is another; `IllegalTransition` if the agent has ended; `BadRequest` for a plan
        that is none.
        """
        row = self._processes.load(tx, actor, pid)
        process = row.process
        now = self._read(tx, process)
        if process.state is State.ZOMBIE:
            raise IllegalTransition(f"Process {pid} has ended; its plan stays as it is")
        if seen is not None and seen != now.n:
            who = "the agent" if now.by.startswith("agent") else now.by
            raise Conflict(
                f"{who} changed the plan of agent {pid} since you saw it; look again", plan=msgspec.to_builtins(now)
            )
        plan = settled(plan)
        children = self._children(tx, pid, given := assigned(plan) - assigned(now.plan))
        if (stranger := min(given - children.keys(), default=None)) is not None:
            raise BadRequest(f"agent {stranger} was not started by agent {pid}; a plan gives steps to its own children")
        plan = stamped(now.plan, _followed(plan, children), process.step)
        if plan == now.plan:
            return now
        n = self._processes.append(tx, row, actor.name, (PlanChanged(plan, actor.name),)).plan_n
        return PlanAsItStands(plan, outline(plan), *progress(plan), actor.name, tx.now, n)

    def _children(self, tx: Transaction, pid: int, some: frozenset[int]) -> dict[int, Process]:
        found = tx.all(_CHILDREN, {"k": pid, "some": list(some)}) if some else ()
        return {each.pid: _process(each.body) for each in found}

    def _planned(self, tx: Transaction, process: Process, plan: Plan) -> None:
        """A child that ended before its parent gave it something does not tell of its end any more."""
        for child in self._children(tx, process.pid, assigned(plan)).values():
            if child.exit is not None:
                self._ended(tx, child)

    def _ended(self, tx: Transaction, child: Process) -> None:
        """What an ended child was given in its parent's plan is done, or blocked."""
        assert child.exit is not None
        if child.parent is None:
            return
        row = self._processes.row(tx, child.parent)
        if row.process.state is State.ZOMBIE or not row.process.plan_n:
            return
        plan = self._read(tx, row.process).plan
        after = stamped(plan, followed(plan, child.pid, child.exit), row.process.step)
        if after != plan:
            name = f"agent:{child.pid}"
            self._processes.append(tx, row, name, (PlanChanged(after, name),))

    def _read(self, tx: Transaction, process: Process) -> PlanAsItStands:
        if not process.plan_n:
            return PlanAsItStands(Plan(), "", 0, 0)
        wanted = process.pid, process.plan_n
        # What this transaction itself has appended is not in the table before it ends.
        for each in (*reversed(tx.appended), *reversed(tx.waiting)):
            if (each.row["pid"], each.row["n"]) == wanted:
                return _as_it_stands(each.event, each.row["at"], process.plan_n)
        row = tx.one(_AT, {"k": process.pid, "n": process.plan_n})
        return _as_it_stands(decode_event(row.body), row.at, process.plan_n)


def _followed(plan: Plan, children: Mapping[int, Process]) -> Plan:
    for child in children.values():
        if child.exit is not None:
            plan = followed(plan, child.pid, child.exit)
    return plan


def _as_it_stands(event: Event, at: float, n: int) -> PlanAsItStands:
    assert isinstance(event, PlanChanged)
    return PlanAsItStands(event.plan, outline(event.plan), *progress(event.plan), event.by, at, n)
