"""Everything about a person or one of their agents: what there is, as rows to take away, and gone for good.

An erasure deletes rows, which is the one change that no event tells of: the events go themselves. So each process that
goes leaves a last record, `ProcessErased`, by which screens and other servers forget it; once it was passed on, it
goes, too. What other agents hold of one that is erased is found by its number and by the uses of its memories, and is
blanked.
At last the full text is merged and the file rewritten, so that no word is left in a free page.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping, Sequence
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert as insert_or

from ..model.access import Principal, require
from ..model.errors import BadRequest, Conflict, Forbidden
from ..model.events import (
    Event,
    MemoriesGiven,
    MessageSent,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    RequestOpened,
    ToolEnded,
)
from ..model.memory import BELOW, memory_name
from ..model.personal import ERASED
from ..model.plan import Plan, PlanStep
from ..model.process import Process
from ..model.view import advance
from ..store import search, tables
from ..store.database import Database, Transaction, upsert
from ..store.holdings import BULK, FEW, Whose, counted, plain_row, rows_of, tables_of_people
from ..store.journal import Entry, Journal, decode_event
from . import images
from .action import action
from .budgets import Budgets, day
from .feed import Feed
from .memories import Memories
from .notes import NotesKeeper

SETTLE_S = 1.0
"""Seconds in which screens and other servers take note that processes are gone."""
FEW_PIDS = 20
FIRST = -(2**62)
"""Before every record of the journal; those of the histories that restored processes began with lie below zero."""
PAGE = 2_000
MERGES = 10_000

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_process = msgspec.json.Decoder(Process).decode
p, e, s, m, u, t = (
    tables.process,
    tables.event,
    tables.memory_space,
    tables.memory,
    tables.usage,
    tables.text,
)
_FOLD = upsert(
    u, key=("owner", "day", "pid", "model"), add=("calls", "input_tokens", "output_tokens", "cost_usd"), keep=("name",)
)
_EVENTS = select(e.c.at, e.c.n, e.c.body).where(e.c.pid == bindparam("k")).order_by(e.c.n)
_OTHERS = (
    select(e.c.seq, e.c.pid, e.c.body)
    .where(e.c.owner == bindparam("owner"), e.c.seq > bindparam("after"))
    .order_by(e.c.seq)
    .limit(PAGE)
)
_TELLING = ("message.sent", "request.opened", "memory.given", "tool.ended", "plan.changed")
_PEER_TOOLS = frozenset({"wait_agent", "list_agents", "list_requests", "ask_agent"})
_MARK = select(tables.meta.c.value).where(tables.meta.c.key == "erasing")
_SENT = text(
    "SELECT DISTINCT json_extract(CAST(body AS TEXT), '$.system'), json_extract(CAST(body AS TEXT), '$.tools') "
    "FROM event WHERE owner = :owner AND seq > :after "
    'AND CAST(substr(body, 1, 24) AS TEXT) = \'{"type":"model.requested\''
)


class _Mark(msgspec.Struct, frozen=True):
    """In `meta` until the file is rewritten: how many erasures began since, and which full texts are to be merged."""

    times: int = 0
    shelves: tuple[int, ...] = ()


_read_mark = msgspec.json.Decoder(_Mark).decode


class Erasure:
    """`whose` finds what is meant, `counts` and `dump` show it, `erase` and `rewrite` take it away."""

    def __init__(
        self, database: Database, journal: Journal, feed: Feed, budgets: Budgets, memories: Memories, notes: NotesKeeper
    ) -> None:
        self._database = database
        self._journal = journal
        self._feed = feed
        self._budgets = budgets
        self._memories = memories
        self._notes = notes
        self._gone: set[int] = set()
        journal.on_entry(self._heed)

    # --- what there is -------------------------------------------------------------------------------------------

    async def whose(self, actor: Principal, agent: str) -> Whose:
        """All of the person, or the agent of this name with those below it. Raises `BadRequest` if there is none."""
        _person(actor, "me:read")
        if not agent:
            return Whose(actor.owner, True)
        rows = await self._database.fetch(select(p.c.pid, p.c.name, p.c.parent).where(p.c.owner == actor.owner))
        by_pid = {row.pid: row for row in rows}
        names: MutableMapping[str, list[int]] = {}
        name_of = {row.pid: _whole_name(by_pid, row) for row in rows}
        for pid, name in name_of.items():
            names.setdefault(name, []).append(pid)
        spaces = await self._database.fetch(select(s.c.id, s.c.agent).where(s.c.owner == actor.owner))
        n = tables.memory_notes
        written = await self._database.fetch(select(n.c.agent).where(n.c.owner == actor.owner).distinct())
        known = {*names, *(row.agent for row in spaces), *(row.agent for row in written)}
        meant = {name for name in known if name == agent or name.startswith(agent + BELOW)}
        # A name that would be too long is cut, and no longer begins with that of the agent above.
        while more := {name_of[row.pid] for row in rows if name_of.get(row.parent) in meant} - meant:
            meant |= more
        if not meant:
            raise BadRequest(f"agent: nothing is kept of an agent named {agent!r}")
        return Whose(
            owner=actor.owner,
            whole=False,
            agents=tuple(sorted(meant)),
            spaces=tuple(row.id for row in spaces if row.agent in meant),
            pids=tuple(sorted(pid for name in meant for pid in names.get(name, ()))),
        )

    async def counts(self, whose: Whose) -> Mapping[str, int]:
        """Rows by kind."""
        return await self._database.look(lambda connection: counted(connection, whose))

    async def pids(self, whose: Whose, *, alive: bool = False) -> Sequence[int]:
        """The processes that are meant; only those that have not ended, if `alive`."""
        statement = select(p.c.pid).where(rows_of(p, whose)).order_by(p.c.pid)
        if alive:
            statement = statement.where(p.c.state != "ZOMBIE")
        return [row.pid for row in await self._database.fetch(statement)]

    async def images(self, whose: Whose) -> AsyncIterator[tuple[str, bytes]]:
        """The name of a file and the bytes of each image that is meant, one in memory at a time."""
        i = tables.image
        for row in await self._database.fetch(select(i.c.owner, i.c.digest).where(rows_of(i, whose))):
            one = select(i.c.about, i.c.content).where(i.c.owner == row.owner, i.c.digest == row.digest)
            for found in await self._database.fetch(one):
                kind = images.read(found.about).media_type.removeprefix("image/")
                yield f"{row.digest}.{kind}", found.content

    async def names(self, whose: Whose) -> Sequence[tuple[int, str]]:
        """The memory spaces that are meant: number and agent."""
        return [
            (row.id, row.agent)
            for row in await self._database.fetch(select(s.c.id, s.c.agent).where(rows_of(s, whose)).order_by(s.c.id))
        ]

    async def dump(self, whose: Whose) -> AsyncIterator[tuple[str, IO[bytes]]]:
        """Each table's rows as JSON lines in a temporary file, which is the caller's to close."""
        for table in tables_of_people():
            file = TemporaryFile()  # noqa: SIM115 (whoever takes it closes it)
            rows = await self._database.look(lambda c, table=table, file=file: _written(c, table, whose, file))  # type: ignore[misc]
            if rows:
                file.seek(0)
                yield table.name, file
            else:
                file.close()

    # --- taking it away ------------------------------------------------------------------------------------------

    async def erase(self, actor: Principal, whose: Whose) -> Mapping[str, int]:
        """Erase rows, and what others hold of them; returns how many of each kind there were.

        Processes must have ended: raises `Conflict` if one has not, or begins meanwhile. It works in small
        transactions, so that other agents go on; cut off, it can be repeated. What was erased is to be read in free
        pages of the file until `rewrite`.
        """
        _person(actor, "me:erase")
        if alive := await self.pids(whose, alive=True):
            raise Conflict(
                f"{len(alive)} agents have not ended: {', '.join(map(str, alive[:10]))}", running=list(alive)
            )
        counts = await self.counts(whose)
        pids = await self.pids(whose)
        spaces = [space for space, _ in await self.names(whose)]
        await self._mark(actor, whose)
        if not whose.whole:
            await self._blank_others(actor, whose)
        for space in spaces:
            await self._empty(actor, space)
        for at in range(0, len(pids), FEW_PIDS):
            await self._bury(actor, whose.owner, tuple(pids[at : at + FEW_PIDS]), frozenset(pids))
        shelves = await self._sweep(actor, whose)
        if not whose.whole:
            await self._drop_texts(actor, whose.owner)
        self._memories.dropped(whose.owner, spaces)
        self._notes.forget(whose.owner)
        await asyncio.sleep(SETTLE_S)
        await self._settle(actor, pids, shelves)
        self._forget()
        return counts

    async def rewrite(self) -> None:
        """Merge the full texts and write the file anew, so that no erased word is left in a free page.

        Raises `StorageFull` without room for it and `StorageBusy`; the mark stays then, and `finish` tries it again.
        """
        marks = await self._database.fetch(_MARK)
        if not marks:
            return
        value = marks[0].value
        for shelf in _marked(value).shelves:
            for _ in range(MERGES):
                if not await self._database.write(lambda tx, shelf=shelf: search.merge(tx, shelf)):  # type: ignore[misc]
                    break
        await self._database.rewrite()
        meta = tables.meta
        # An erasure that began meanwhile has changed the mark, and rewrites the file itself.
        done = delete(meta).where(meta.c.key == "erasing", meta.c.value == value)
        await self._database.write(lambda tx: tx.run(done).rowcount)

    async def finish(self) -> None:
        """Go on where a server was cut off: what was passed on goes, and the file is rewritten.

        It raises nothing: what fails is logged, and tried again when a server starts.
        """
        try:
            if not await self._database.fetch(_MARK):
                return
            told = text("SELECT DISTINCT pid FROM event WHERE pid NOT IN (SELECT pid FROM process)")
            pids = await self._database.look(lambda connection: [row.pid for row in connection.execute(told)])
            await self._database.write(lambda tx: self._settled(tx, pids))
            await self.rewrite()
        except Exception:
            log.exception("an erasure that was cut off cannot be finished; it is tried again when a server starts")

    @action("me:erase")
    def _mark(self, tx: Transaction, actor: Principal, whose: Whose) -> None:
        # The full text of a whole person goes with its table.
        shelves = [] if whose.whole else tx.all(select(s.c.shelf).where(rows_of(s, whose)).distinct())
        self._remember(tx, [row.shelf for row in shelves])

    def _remember(self, tx: Transaction, shelves: Iterable[int]) -> None:
        before = tx.one(_MARK)
        mark = _Mark() if before is None else _marked(before.value)
        value = _encode(_Mark(mark.times + 1, tuple(sorted({*mark.shelves, *shelves})))).decode()
        new = insert_or(tables.meta).values(key="erasing", value=value)
        tx.run(new.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    async def _empty(self, actor: Principal, space: int) -> None:
        """Take all memories of a space away, with what belongs to each."""
        after = 0
        while True:
            statement = select(m.c.id).where(m.c.space == space, m.c.id > after).order_by(m.c.id).limit(FEW)
            keys = [row.id for row in await self._database.fetch(statement)]
            if not keys:
                return
            after = keys[-1]
            await self._drop_memories(actor, space, keys)

    @action("me:erase")
    def _drop_memories(self, tx: Transaction, actor: Principal, space: int, keys: Sequence[int]) -> None:
        shelf = tx.one(select(s.c.shelf).where(s.c.id == space))
        if shelf is not None:
            search.drop(tx, shelf.shelf, space, keys)
        for table in tables_of_people():
            if "memory" in table.c:
                tx.run(delete(table).where(table.c.memory.in_(keys)))
        tx.run(delete(m).where(m.c.id.in_(keys)))

    @action("me:erase")
    def _bury(self, tx: Transaction, actor: Principal, owner: str, pids: Sequence[int], meant: frozenset[int]) -> None:
        """Take processes away with all that names them, and leave the record that tells of it."""
        these = Whose(owner, False, pids=tuple(pids))
        rows = tx.all(select(p.c.pid, p.c.head, p.c.epoch, p.c.state).where(p.c.pid.in_(pids), p.c.owner == owner))
        if any(row.state != "ZOMBIE" for row in rows):
            raise Conflict("An agent began meanwhile; end it and erase again")
        below = {row.pid for row in tx.all(select(p.c.pid).where(p.c.parent.in_(pids)))}
        if below - meant:
            raise Conflict("An agent was begun below one that is erased meanwhile; erase again")
        self._fold_usage(tx, owner, rows_of(u, these))
        shown = images.named_by(tx, pids)
        for table in tables_of_people():
            if table is not p and {"pid", "sender", "receiver"} & set(table.c.keys()):
                tx.run(delete(table).where(rows_of(table, these)))
        images.drop(tx, owner, shown)
        tx.run(delete(p).where(p.c.pid.in_([row.pid for row in rows])))
        for row in rows:
            self._journal.append(
                tx,
                pid=row.pid,
                n=row.head + 1,
                owner=owner,
                actor=actor.name,
                epoch=row.epoch + 1,
                events=(ProcessErased(),),
            )

    @action("me:erase")
    def _sweep(self, tx: Transaction, actor: Principal, whose: Whose) -> Sequence[int]:
        """Take away what belongs to no process and no memory; returns the shelves that are left to be merged."""
        shelves = sorted({row.shelf for row in tx.all(select(s.c.shelf).where(rows_of(s, whose)))})
        if whose.whole:
            if tx.one(select(p.c.pid).where(p.c.owner == whose.owner)) is not None:
                raise Conflict("An agent began meanwhile; end it and erase again")
            self._fold_usage(tx, whose.owner, u.c.owner == whose.owner)
            self._unname(tx, whose.owner)
        # What models were asked for an agent's memory stands under no process, but under its name.
        self._fold_usage(tx, whose.owner, and_(u.c.owner == whose.owner, u.c.pid == 0, u.c.name.in_(whose.agents)))
        for table in tables_of_people():
            if table not in (p, e, u, s):
                tx.run(delete(table).where(rows_of(table, whose)))
        tx.run(delete(s).where(rows_of(s, whose)))
        if whose.whole:
            for shelf in shelves:
                search.unmake(tx, shelf)
            return []
        return shelves

    def _fold_usage(self, tx: Transaction, owner: str, which: Any) -> None:
        """The ledger keeps the sums of each day and no names: what was spent was spent."""
        sums = [func.sum(u.c[name]).label(name) for name in ("calls", "input_tokens", "output_tokens", "cost_usd")]
        named = or_(u.c.pid != 0, u.c.name != "")
        rows = tx.all(select(u.c.day, *sums).where(which, named).group_by(u.c.day))
        tx.run(delete(u).where(which, named))
        for row in rows:
            tx.run(_FOLD, {**row._mapping, "owner": owner, "pid": 0, "model": "", "name": ""})

    def _unname(self, tx: Transaction, owner: str) -> None:
        """The sums of days go to nobody; that of today stays the person's while a budget is counted on it."""
        today = day(tx.now) if self._budgets.daily_usd is not None else ""
        rows = tx.all(select(u).where(u.c.owner == owner, u.c.day != today))
        tx.run(delete(u).where(u.c.owner == owner, u.c.day != today))
        for row in rows:
            tx.run(_FOLD, {**row._mapping, "owner": ""})

    @action("me:erase")
    def _settle(self, tx: Transaction, actor: Principal, pids: Sequence[int], shelves: Sequence[int]) -> None:
        self._settled(tx, pids)
        # Once more, for another server may have rewritten the file and taken the mark away meanwhile.
        self._remember(tx, shelves)

    def _settled(self, tx: Transaction, pids: Sequence[int]) -> None:
        """The records that told of erasures go. The newest of the journal stays without a name, or numbers would be
        given twice; readers that have not come so far begin with a snapshot.
        """
        meta = tables.meta
        last = tx.one(select(func.coalesce(func.max(e.c.seq), 0)))[0]
        before = tx.one(select(meta.c.value).where(meta.c.key == "erased"))
        if before is not None:
            tx.run(delete(e).where(e.c.seq == int(before.value), e.c.seq < last, e.c.owner == ""))
        for at in range(0, len(pids), FEW):
            these = e.c.pid.in_(pids[at : at + FEW])
            tx.run(delete(e).where(these, e.c.seq < last))
            tx.run(update(e).where(these).values(owner="", actor=""))
        new = insert_or(meta).values(key="erased", value=str(last))
        tx.run(new.on_conflict_do_update(index_elements=["key"], set_={"value": str(last)}))

    # --- what others hold ----------------------------------------------------------------------------------------

    async def _blank_others(self, actor: Principal, whose: Whose) -> None:
        """Blank the words of these agents, and their memories, in the journals of others."""
        gone = frozenset(whose.pids)
        given: set[int] = set()
        uses = tables.memory_use
        found = await self._database.fetch(
            select(uses.c.memory).join(m, m.c.id == uses.c.memory).where(m.c.space.in_(whose.spaces)).distinct()
        )
        given.update(row.memory for row in found)
        after = FIRST
        while True:
            changed: MutableMapping[int, list[tuple[int, bytes]]] = {}
            while rows := await self._database.fetch(_OTHERS, {"owner": whose.owner, "after": after}):
                after = rows[-1].seq
                for seq, pid, body in await asyncio.to_thread(_blanked, rows, gone, given):
                    changed.setdefault(pid, []).append((seq, body))
            # What was written meanwhile is looked at in another round.
            if not changed:
                return
            for pid, bodies in changed.items():
                await self._rewrite(actor, pid, bodies, gone, given)
                self._journal.blank({seq for seq, _ in bodies})

    @action("me:erase")
    def _rewrite(
        self,
        tx: Transaction,
        actor: Principal,
        pid: int,
        bodies: Sequence[tuple[int, bytes]],
        gone: frozenset[int],
        given: set[int],
    ) -> None:
        """Write events of a process anew, and its row with them: it is the fold of all, and shows those words, too."""
        for seq, body in bodies:
            tx.run(update(e).where(e.c.seq == seq).values(body=body))
        row = tx.one(select(p.c.body).where(p.c.pid == pid))
        if row is None:
            return
        process = _process(row.body)
        for each in tx.all(_EVENTS, {"k": pid}):
            process = advance(process, decode_event(each.body), each.at, each.n)
        # The row stands where these have brought it, too, though no statement finds them yet.
        for waiting in tx.waiting:
            if waiting.row["pid"] != pid:
                continue
            new = _without(waiting.event, gone, given)
            if new is not waiting.event:
                waiting.event, waiting.row["body"] = new, _encode(new)
            process = advance(process, new, waiting.row["at"], waiting.row["n"])
        tx.run(update(p).where(p.c.pid == pid).values(body=_encode(process)))

    async def _drop_texts(self, actor: Principal, owner: str) -> None:
        """Drop the standing instructions that no agent was given any more, also those an erasure cut off left."""

        def unused(connection: Connection) -> tuple[int, set[str]]:
            # The texts first: each comes in one transaction with the event that names it.
            kept = {row.digest for row in connection.execute(select(t.c.digest).where(t.c.owner == owner))}
            last = connection.execute(select(func.coalesce(func.max(e.c.seq), 0))).scalar_one()
            rows = connection.execute(_SENT, {"owner": owner, "after": FIRST})
            return last, kept - {each for row in rows for each in row if each}

        last, digests = await self._database.look(unused)
        await self._drop_unused(actor, owner, digests, last)

    @action("me:erase")
    def _drop_unused(self, tx: Transaction, actor: Principal, owner: str, digests: set[str], last: int) -> None:
        since = {each for row in tx.all(_SENT, {"owner": owner, "after": last}) for each in row if each}
        for waiting in tx.waiting:
            if isinstance(waiting.event, ModelRequested):
                since |= {waiting.event.system, waiting.event.tools}
        for digest in digests - since:
            tx.run(delete(t).where(t.c.owner == owner, t.c.digest == digest))

    # --- what is in memory ---------------------------------------------------------------------------------------

    def _heed(self, entry: Entry) -> None:
        """A record tells that a process is gone, wherever it was erased: forget what was said of it."""
        if isinstance(entry.event, ProcessErased):
            if not self._gone:
                asyncio.get_running_loop().call_soon(self._forget)
            self._gone.add(entry.pid)

    def _forget(self) -> None:
        gone, self._gone = self._gone, set()
        self._journal.drop(gone)
        self._feed.forget()


def _person(actor: Principal, scope: str) -> None:
    require(actor, scope)
    if actor.pid is not None:
        raise Forbidden("An agent cannot do that; a person must")


def _marked(value: str) -> _Mark:
    try:
        return _read_mark(value)
    except msgspec.DecodeError:
        # Written before the mark told anything.
        return _Mark()


def _whole_name(by_pid: Mapping[int, Any], row: Any) -> str:
    parents = []
    above = row.parent
    while above is not None and above in by_pid:
        parents.append(by_pid[above].name)
        above = by_pid[above].parent
    return memory_name(row.name, parents)


def _written(connection: Connection, table: Any, whose: Whose, file: IO[bytes]) -> int:
    rows = 0
    columns = [column for column in table.c if column.name not in BULK]
    found = connection.execution_options(yield_per=500).execute(select(*columns).where(rows_of(table, whose)))
    for row in found:
        file.write(_encode(plain_row(row)) + b"\n")
        rows += 1
    return rows


def _blanked(rows: Iterable[Any], gone: frozenset[int], given: set[int]) -> list[tuple[int, int, bytes]]:
    changed = []
    for row in rows:
        if row.pid in gone or not any(kind.encode() in row.body[:40] for kind in _TELLING):
            continue
        try:
            event = decode_event(row.body)
        except msgspec.DecodeError:
            continue
        new = _without(event, gone, given)
        if new is not event:
            changed.append((row.seq, row.pid, _encode(new)))
    return changed


def _without(event: Event, gone: frozenset[int], given: set[int]) -> Event:
    """The event without what erased agents said or remembered; itself if there is nothing of it."""
    replace = msgspec.structs.replace
    match event:
        case MessageSent(sender=sender) if _number(sender) in gone:
            return replace(event, text=ERASED)
        case RequestOpened(request=request) if {request.sender, request.receiver} & gone:
            return replace(event, request=replace(request, text=ERASED))
        case MemoriesGiven(memories=memories) if given.intersection(memories):
            return replace(
                event,
                text=ERASED,
                memories=tuple(key for key in memories if key not in given),
                weighed=tuple(each for each in event.weighed if each.memory not in given),
            )
        case ToolEnded(tool="recall", outcome=outcome) if any(f"[{key}]" in outcome.content for key in given):
            return replace(event, outcome=replace(outcome, content=ERASED))
        case ToolEnded(tool=tool, outcome=outcome) if tool in _PEER_TOOLS and any(
            re.search(rf"(?<!\d){pid}(?!\d)", outcome.content) for pid in gone
        ):
            return replace(event, outcome=replace(outcome, content=ERASED))
        case PlanChanged(plan=plan) if any(step.why and step.pid in gone for _, step in plan.walk()):
            return replace(event, plan=Plan(_unexplained(plan.steps, gone)))
        case _:
            return event


def _unexplained(steps: Iterable[PlanStep], gone: frozenset[int]) -> tuple[PlanStep, ...]:
    """The steps without the last words of erased agents, which say why one is blocked."""
    return tuple(
        msgspec.structs.replace(
            step, steps=_unexplained(step.steps, gone), why=ERASED if step.why and step.pid in gone else step.why
        )
        for step in steps
    )


def _number(sender: str) -> int:
    kind, _, number = sender.partition(":")
    return int(number) if kind == "agent" and number.isdecimal() else 0
