"""Consolidations as facts: who has begun one, what it came to and cost, and what was evicted meanwhile.

A row says that one is under way, so of two servers one does it. What a model may cost is charged to the owner's day
when it is reserved, and put right when the answer is there: a server that dies in between has charged it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, func, insert, select, update

from ..engine.consolidation import duplicates, mergeable
from ..model.access import Principal
from ..model.errors import Conflict, MemoryNotFound
from ..model.memory import Change, Consolidated, Memory, Note, Source
from ..model.message import Usage
from ..store import tables
from ..store.database import Database, Transaction
from .action import action
from .budgets import Budgets
from .memories import Memories, MemoryRow

STALE_S = 900.0
"""After so long it is taken for one whose server has died."""
r, s, m, p = tables.memory_report, tables.memory_space, tables.memory, tables.process
_NOTHING = Usage()
_encode = msgspec.json.Encoder().encode


class Begun(msgspec.Struct, frozen=True):
    """One under way: its report's id, the space, and up to which memory a model has read what there is."""

    id: int
    space: int
    owner: str
    agent: str
    after: int


class Reserved(msgspec.Struct, frozen=True):
    """What was charged for a call before it was made, of which model, and when."""

    model: str
    usd: float
    at: float


class Drawn(msgspec.Struct, frozen=True):
    """A fact to be kept, and the memories it was made from, as a model was shown them."""

    note: Note
    made_from: Sequence[Memory]


class Consolidations:
    """Reports of what was put in order."""

    def __init__(self, database: Database, memories: Memories, budgets: Budgets) -> None:
        self._database = database
        self._memories = memories
        self._budgets = budgets

    @action("memory:write")
    def begin(self, tx: Transaction, actor: Principal, agent: str) -> Begun:
        """Begin one. Raises `Conflict` while another is under way, `MemoryNotFound` for who remembers nothing."""
        space = tx.one(select(s.c.id).where(s.c.owner == actor.owner, s.c.agent == agent))
        if space is None:
            raise MemoryNotFound(f"{agent!r} remembers nothing")
        begun = self._begin(tx, space.id, actor.owner, agent)
        if begun is None:
            raise Conflict(f"The memories of {agent!r} are being consolidated already; look again in a while")
        return begun

    @action("system:run")
    def begin_due(self, tx: Transaction, actor: Principal, every_s: float, least: int) -> Begun | None:
        """Begin the one that is due, if any: some time ago the last one, new memories since, and its owner's agents
        at rest.
        """
        last = (
            select(r.c.space, func.max(r.c.began_at).label("at"), func.max(r.c.upto).label("upto"))
            .where(r.c.kind == "consolidation")
            .group_by(r.c.space)
            .subquery()
        )
        new = and_(m.c.space == s.c.id, m.c.forgotten.is_(False), m.c.id > func.coalesce(last.c.upto, 0))
        busy = select(p.c.owner).where(p.c.state == "RUNNING")
        rows = tx.all(
            select(s.c.id, s.c.owner, s.c.agent)
            .select_from(s.outerjoin(last, last.c.space == s.c.id).join(m, new))
            .where(func.coalesce(last.c.at, 0.0) < tx.now - every_s, s.c.owner.not_in(busy))
            .group_by(s.c.id)
            .having(func.count() >= least)
            .limit(1)
        )
        return self._begin(tx, rows[0].id, rows[0].owner, rows[0].agent) if rows else None

    def _begin(self, tx: Transaction, space: int, owner: str, agent: str) -> Begun | None:
        mine = (r.c.space == space, r.c.kind == "consolidation")
        open_ = tx.one(select(r.c.id).where(*mine, r.c.ended_at.is_(None), r.c.began_at > tx.now - STALE_S))
        if open_ is not None:
            return None
        after = tx.one(select(func.max(r.c.read_upto)).where(*mine))[0] or 0
        upto = tx.one(select(func.max(m.c.id)).where(m.c.space == space))[0] or 0
        report = Consolidated(agent=agent, at=tx.now)
        values = {"space": space, "kind": "consolidation", "began_at": tx.now, "upto": upto, "body": _encode(report)}
        return Begun(int(tx.run(insert(r), values).inserted_primary_key[0]), space, owner, agent, after)

    @action("system:run")
    def reserve(self, tx: Transaction, actor: Principal, begun: Begun, model: str, usd: float) -> Reserved:
        """Reserve what one call of a model may cost. Raises `OverBudget`."""
        self._budgets.check(tx, begun.owner, usd)
        self._budgets.charge_beside(tx, begun.owner, begun.agent, model, Usage(), usd, calls=1, at=tx.now)
        return Reserved(model, usd, tx.now)

    @action("system:run")
    def settle(
        self,
        tx: Transaction,
        actor: Principal,
        begun: Begun,
        reserved: Reserved,
        model: str = "",
        usage: Usage = _NOTHING,
        usd: float = 0.0,
    ) -> None:
        """Put right what was reserved for a call, on the day it was: what it really cost, of the model that really
        answered; nothing, where none did.
        """
        charge, at = self._budgets.charge_beside, reserved.at
        charge(tx, begun.owner, begun.agent, reserved.model, Usage(), -reserved.usd, calls=-1, at=at)
        if model:
            charge(tx, begun.owner, begun.agent, model, usage, usd, calls=1, at=at)

    @action("system:run")
    def merge(
        self, tx: Transaction, actor: Principal, begun: Begun, kept: Memory, gone: Sequence[Memory]
    ) -> Sequence[int]:
        """Make one of several; answers which went. What has changed since it was read may be another thing now."""
        one = self._as_seen(tx, begun, kept)
        if one is None:
            return ()
        others = [row for each in gone if (row := self._as_seen(tx, begun, each)) and mergeable(one.memory, row.memory)]
        if others:
            self._memories.merge_rows(tx, "consolidation", (one, *others), Change())
        return [row.memory.id for row in others]

    def _as_seen(self, tx: Transaction, begun: Begun, seen: Memory) -> MemoryRow | None:
        """A memory as it is now; None where it is gone or says something else by now."""
        row = self._memories.current(tx, begun.owner, seen.id)
        return row if row is not None and row.space == begun.space and row.memory.text == seen.text else None

    @action("system:run")
    def draw(
        self,
        tx: Transaction,
        actor: Principal,
        begun: Begun,
        drawn: Sequence[Drawn],
        disagree: Sequence[tuple[Memory, Memory]],
    ) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        """Keep facts with where they were made from, and have those that disagree name each other.

        What rests on a memory that is gone or says something else by now is left out.
        """
        made = []
        for each in drawn:
            rows = [self._as_seen(tx, begun, memory) for memory in each.made_from]
            now = [row.memory for row in rows if row is not None]
            if len(now) < len(rows):
                continue
            source = Source("consolidation", "consolidation", tainted=any(memory.source.tainted for memory in now))
            (kept,) = self._memories.keep(tx, begun.owner, begun.agent, (each.note,), source)
            sources = dict.fromkeys(one for memory in now for one in (memory.source, *memory.sources))
            self._memories.annotate(
                tx,
                begun.owner,
                kept.id,
                made_from=tuple(memory.id for memory in now),
                sources=tuple(sources),
            )
            made.append(kept.id)
        linked = []
        for one, other in disagree:
            there = self._as_seen(tx, begun, one) and self._as_seen(tx, begun, other)
            if there and self._memories.oppose(tx, begun.owner, one.id, other.id):
                linked.append((one.id, other.id))
        return made, linked

    @action("system:run")
    def end(self, tx: Transaction, actor: Principal, begun: Begun, report: Consolidated, read: int) -> Consolidated:
        """Write what it came to, and up to which memory a model has read by now."""
        whole = msgspec.structs.replace(report, id=begun.id, at=tx.now)
        tx.run(update(r).where(r.c.id == begun.id).values(ended_at=tx.now, read_upto=read, body=_encode(whole)))
        return whole

    async def duplicates(self, begun: Begun, among: int) -> Sequence[Sequence[Memory]]:
        """Groups of what says the same words, among so many of the newest; the oldest of each group is its first."""
        newest = (
            select(m.c.id, m.c.body)
            .where(m.c.space == begun.space, m.c.forgotten.is_(False))
            .order_by(m.c.id.desc())
            .limit(among)
        )
        return await self._database.look(
            lambda connection: duplicates(self._memories.read(row) for row in connection.execute(newest))
        )

    async def since(self, begun: Begun, layers: Sequence[str], most: int) -> Sequence[Memory]:
        """The oldest memories of these layers that no model has read."""
        rows = await self._database.fetch(
            select(m.c.id, m.c.body)
            .where(m.c.space == begun.space, m.c.forgotten.is_(False), m.c.id > begun.after, m.c.layer.in_(layers))
            .order_by(m.c.id)
            .limit(most)
        )
        return [self._memories.read(row) for row in rows]
