"""Requests between agents: opened, accepted, answered, refused – or closed by the kernel when nobody does.

Each move is one transaction over the row and both journals, so the two sides can never disagree about it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, func, insert, or_, select, update
from uuid_utils import uuid7

from ..model.access import Principal, may_see, require
from ..model.errors import AlreadyDecided, BadRequest, RequestNotFound, TooMany
from ..model.events import MessageSent, RequestMoved, RequestOpened
from ..model.process import Process, State
from ..model.request import UNSETTLED, Request, RequestKind, RequestStatus, RequestVerdict
from ..store import tables
from ..store.database import Database, Transaction
from .action import action
from .processes import Processes

OPEN_MOST = 50
DUE_S = (1.0, 7 * 86_400.0)

_request = msgspec.json.Decoder(Request).decode
q = tables.request
_UNSETTLED = q.c.status.in_(UNSETTLED)
_OF = select(q.c.body).where(or_(q.c.sender == bindparam("k"), q.c.receiver == bindparam("k")), _UNSETTLED)


class Requests:
    """One agent's requests to another. People give agents work by spawning them, and need none of this."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes
        processes.on_exit(self._ended)

    @action("processes:send")
    def open(
        self, tx: Transaction, actor: Principal, receiver: int, text: str, *, kind: RequestKind, timeout_s: float
    ) -> Request:
        """Ask another live agent of the same owner. Not answered within `timeout_s`, it is closed and both are told."""
        if actor.pid is None:
            raise BadRequest("Only agents ask agents; a person spawns one with the task as its goal")
        if receiver == actor.pid:
            raise BadRequest(f"Agent {receiver} cannot ask itself")
        if not DUE_S[0] <= timeout_s <= DUE_S[1]:
            raise BadRequest(f"timeout_s: between {DUE_S[0]:.0f} and {DUE_S[1]:.0f} seconds")
        waiting = tx.one(select(func.count()).where(q.c.sender == actor.pid, _UNSETTLED))[0]
        if waiting >= OPEN_MOST:
            raise TooMany(f"Agent {actor.pid} waits for {waiting} answers already; the limit is {OPEN_MOST}")
        to = self._processes.load(tx, actor, receiver)
        request = Request(
            id=str(uuid7()),
            kind=kind,
            owner=actor.owner,
            sender=actor.pid,
            receiver=receiver,
            text=text,
            created_at=tx.now,
            due_at=tx.now + timeout_s,
        )
        self._processes.tell(tx, to, MessageSent(str(uuid7()), actor.name, text, kind, request.id))
        tx.run(
            insert(q),
            {
                "id": request.id,
                "owner": request.owner,
                "sender": request.sender,
                "receiver": request.receiver,
                "status": request.status,
                "due_at": request.due_at,
                "body": msgspec.json.encode(request),
            },
        )
        asker = self._processes.load(tx, actor, actor.pid)
        self._processes.append(tx, asker, actor.name, (RequestOpened(request),))
        return request

    @action("processes:send")
    def answer(
        self, tx: Transaction, actor: Principal, request_id: str, verdict: RequestVerdict, text: str = ""
    ) -> Request:
        """Accept, answer or refuse what was asked of this agent. The one that asked is told of the last two."""
        row = tx.one(select(q.c.body).where(q.c.id == request_id))
        request = _request(row.body) if row is not None else None
        if request is None or not may_see(actor, request.owner) or request.receiver != actor.pid:
            raise RequestNotFound(f"Nobody asked this agent for {request_id or 'something without an id'}")
        if request.status not in UNSETTLED:
            raise AlreadyDecided(f"Request {request_id} is settled already: {_WORDS[request.status]}")
        if verdict == "accept":
            if request.status == "accepted":
                raise AlreadyDecided(f"Request {request_id} was accepted already; answer it when it is done")
            return self._move(tx, request, "accepted", "")
        if not text.strip():
            raise BadRequest("text: an answer needs words, and a refusal its reason")
        return self._move(tx, request, "answered" if verdict == "answer" else "refused", text)

    async def list(self, actor: Principal, pid: int) -> Sequence[Request]:
        """What this process was asked and has asked and is not settled, the oldest first."""
        require(actor, "processes:read")
        await self._processes.get(actor, pid)
        rows = await self._database.fetch(_OF.order_by(q.c.id), {"k": pid})
        return [_request(row.body) for row in rows]

    @action("system:run")
    def expire(self, tx: Transaction, actor: Principal) -> int:
        """Close what is overdue and tell both sides. Returns how many."""
        due = tx.all(select(q.c.body).where(_UNSETTLED, q.c.due_at < tx.now))
        for row in due:
            self._move(tx, _request(row.body), "timed_out", "It was not answered in time.")
        return len(due)

    def _ended(self, tx: Transaction, process: Process) -> None:
        """Nobody is left waiting for a process that has ended: its last words answer what it was asked."""
        assert process.exit is not None
        done = process.exit.code == 0
        for row in tx.all(_OF, {"k": process.pid}):
            request = _request(row.body)
            if request.sender == process.pid:
                self._move(tx, request, "withdrawn", f"Agent {process.pid} has ended and needs no answer any more.")
            else:
                words = process.exit.message or "It said nothing."
                self._move(tx, request, "answered" if done else "abandoned", words)

    def _move(self, tx: Transaction, request: Request, status: RequestStatus, text: str) -> Request:
        """Write the new status to the row and both journals, and the words to whoever did not say them."""
        moved = msgspec.structs.replace(request, status=status)
        tx.run(update(q).where(q.c.id == request.id).values(status=status, body=msgspec.json.encode(moved)))
        event = RequestMoved(request.id, status)
        for pid in (request.sender, request.receiver):
            row = self._processes.row(tx, pid)
            if row.process.state is State.ZOMBIE:
                continue
            told = status in _TOLD[pid == request.sender]
            other = f"agent:{request.receiver if pid == request.sender else request.sender}"
            if told:
                kind = f"{request.kind}_{status}"
                message = MessageSent(str(uuid7()), other, text, kind, request.id)
                self._processes.tell(tx, row, message, before=(event,))
            else:
                self._processes.append(tx, row, other, (event,))
        return moved


_TOLD: dict[bool, frozenset[str]] = {
    True: frozenset({"answered", "refused", "timed_out", "abandoned"}),
    False: frozenset({"timed_out", "withdrawn"}),
}
"""Which moves come as a message: to the one that asked (True), to the one that was asked (False)."""

_WORDS: dict[RequestStatus, str] = {
    "open": "it is open",
    "accepted": "it is accepted",
    "answered": "it was answered",
    "refused": "it was refused",
    "timed_out": "its time ran out, and the one that asked was told",
    "abandoned": "the agent that was asked has ended",
    "withdrawn": "the agent that asked has ended",
}
