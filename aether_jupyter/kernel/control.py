"""Who has control of an agent's desktop: one lease a process, taken by a person, handed back or lost.

Taking it stops the agent; handing it back lets it go on, told what changed. A lease is a row that says when its holder
was last there, so it ends in time whichever server saw them go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ..engine.lifecycle import deliver
from ..model.access import RUNTIME, Principal, require
from ..model.control import HELP_TOOL, ReturnReason, Turn
from ..model.errors import BadRequest, Conflict, ControlHeld, IllegalTransition
from ..model.events import ApprovalDecided, ControlAsked, ControlReturned, ControlTaken, Event
from ..model.image import Image
from ..model.process import Process, Signal, State
from ..model.tool import Decision
from ..store import tables
from ..store.database import Database, Transaction
from . import images as pictures
from .action import action
from .processes import Processes, Row

NOTE_CHARS = 20_000
NOTHING = Turn()

c = tables.control
_ONE = select(c).where(c.c.pid == bindparam("k"))
_GONE = delete(c).where(c.c.pid == bindparam("k"))
_NO_IMAGES: Mapping[Image, bytes] = {}


class Lease(msgspec.Struct, frozen=True):
    """A person's hold on one agent's desktop. Times are seconds since the epoch."""

    pid: int
    owner: str
    holder: str
    taken_at: float
    seen_at: float
    stopped: bool


class Control:
    """`take`, `ask`, `give_back` are people's; `seen` and `lapse` keep a lease, or end it when its holder is gone."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes
        processes.on_exit(self._ended)

    @action("displays:control")
    def take(self, tx: Transaction, actor: Principal, pid: int) -> Process:
        """Take control and stop the agent, in the middle of a call, too. Raises `ControlHeld` if somebody else has it.

        Whoever has it already keeps it.
        """
        row = self._processes.load(tx, actor, pid)
        process = row.process
        if process.state is State.ZOMBIE:
            raise IllegalTransition(f"Process {pid} has ended; there is nothing to take over")
        if (held := tx.one(_ONE, {"k": pid})) is not None:
            if held.holder != actor.name:
                raise ControlHeld(f"{held.holder} has control of agent {pid}; ask for it", holder=held.holder)
            return process
        stopping = deliver(process, Signal.STOP) if process.signal is not Signal.STOP else ()
        values = {"pid": pid, "owner": process.owner, "holder": actor.name, "stopped": bool(stopping)}
        tx.run(insert(c), {**values, "taken_at": tx.now, "seen_at": tx.now})
        return self._processes.append(tx, row, actor.name, (ControlTaken(actor.name), *stopping))

    @action("displays:control")
    def give_back(
        self,
        tx: Transaction,
        actor: Principal,
        pid: int,
        note: str = "",
        turn: Turn = NOTHING,
        images: Mapping[Image, bytes] = _NO_IMAGES,
    ) -> Process:
        """Hand control back; the agent goes on if it was stopped for it. `images` are the bytes of the turn's pictures.

        What it asked for help with is answered. Raises `ControlHeld` if somebody else has control, `IllegalTransition`
        if nobody has.
        """
        if len(note) > NOTE_CHARS:
            raise BadRequest(f"note: {len(note):,} characters; at most {NOTE_CHARS:,}")
        row = self._processes.load(tx, actor, pid)
        held = tx.one(_ONE, {"k": pid})
        if held is None:
            raise IllegalTransition(f"Nobody has taken control of agent {pid}; it has it itself")
        if held.holder != actor.name:
            raise ControlHeld(
                f"{held.holder} has control of agent {pid}, and alone can hand it back", holder=held.holder
            )
        return self._return(tx, row, Lease(**held._mapping), "returned", note.strip(), turn, images)

    @action("displays:control")
    def ask(self, tx: Transaction, actor: Principal, pid: int) -> None:
        """Ask whoever has control to hand it over. Raises `Conflict` if nobody has taken it."""
        row = self._processes.load(tx, actor, pid)
        if tx.one(_ONE, {"k": pid}) is None:
            raise Conflict(f"nobody has taken control of agent {pid}; take it")
        self._processes.append(tx, row, actor.name, (ControlAsked(actor.name),))

    @action("system:run")
    def lapse(
        self,
        tx: Transaction,
        actor: Principal,
        pid: int,
        before: float,
        turn: Turn = NOTHING,
        images: Mapping[Image, bytes] = _NO_IMAGES,
    ) -> bool:
        """End a lease whose holder was last seen before that time; false if they were there since."""
        held = tx.one(_ONE, {"k": pid})
        if held is None or held.seen_at >= before:
            return False
        self._return(tx, self._processes.row(tx, pid), Lease(**held._mapping), "gone", "", turn, images)
        return True

    @action("system:run")
    def seen(self, tx: Transaction, actor: Principal, pids: Sequence[int]) -> None:
        """The holders of these leases are there."""
        tx.run(update(c).where(c.c.pid.in_(pids)).values(seen_at=tx.now))

    async def leases(self) -> Sequence[Lease]:
        """Every lease there is."""
        return [Lease(**row._mapping) for row in await self._database.fetch(select(c))]

    async def lease(self, actor: Principal, pid: int) -> Lease | None:
        """The lease on one agent's desktop, None while the agent has control."""
        require(actor, "displays:view")
        await self._processes.get(actor, pid)
        rows = await self._database.fetch(_ONE, {"k": pid})
        return Lease(**rows[0]._mapping) if rows else None

    def _return(
        self,
        tx: Transaction,
        row: Row,
        lease: Lease,
        why: ReturnReason,
        note: str,
        turn: Turn,
        images: Mapping[Image, bytes],
    ) -> Process:
        for image, content in images.items():
            pictures.keep(tx, lease.owner, image, content)
        tx.run(_GONE, {"k": lease.pid})
        returned = ControlReturned(lease.holder, why, max(0.0, tx.now - lease.taken_at), note, turn)
        events: list[Event] = [returned]
        if why == "returned":
            events += self._answered(tx, lease)
        if lease.stopped:
            events += self._processes.going_on(tx, row)
        by = lease.holder if why == "returned" else RUNTIME.name
        return self._processes.append(tx, row, by, events)

    def _answered(self, tx: Transaction, lease: Lease) -> Sequence[Event]:
        """What the agent asked for help with was given, whatever else it waits for."""
        events: list[Event] = []
        for approval in self._processes.asked(tx, lease.pid):
            if approval.call is not None and approval.call.tool == HELP_TOOL:
                words = f"{lease.holder} took over and has handed back; what they say follows."
                decision = Decision(verdict="answer", by=lease.holder, at=tx.now, answer=words)
                self._processes.close(tx, approval, decision)
                events.append(ApprovalDecided(approval.id, approval.kind, approval.call.id, decision))
        return events

    def _ended(self, tx: Transaction, process: Process) -> None:
        tx.run(_GONE, {"k": process.pid})
