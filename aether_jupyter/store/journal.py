"""The journal: rows appended inside an action's transaction, and a tail in memory that followers read from.

A group of rows that this process committed joins the tail without being read back. Rows of another server on the same
file are found by a poll and read from the database, so the tail is always in the order of `seq`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, func, insert, select
from uuid_utils import uuid7

from ..model.events import Event, ProcessErased, Record
from . import tables
from .database import Appended, Database, Transaction

log = logging.getLogger(__name__)

TAIL = 20_000
TAIL_BYTES = 32_000_000
POLL_S = 0.25
READ = 2_000
"""Rows that are read and decoded at once, so that a long way to catch up does not hold the event loop."""

_encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode

_AFTER = (
    select(tables.event)
    .where(tables.event.c.seq > bindparam("after"))
    .order_by(tables.event.c.seq)
    .limit(bindparam("most"))
)
_LAST = select(func.coalesce(func.max(tables.event.c.seq), 0))
_FIRST = select(func.coalesce(func.min(tables.event.c.seq), 0))


class Entry(NamedTuple):
    """One journal row as followers need it: `raw` is the encoded `Record`, `event` None where it cannot be read."""

    seq: int
    pid: int
    n: int
    owner: str
    raw: bytes
    event: Event | None


class Journal:
    """Appends and follows. `Journal.open(database)` keeps the tail true until it is left."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tail: deque[Entry] = deque()
        self._bytes = 0
        self.last = 0
        self._committed_to = 0
        self._listeners: list[Callable[[Entry], None]] = []
        self._changed = asyncio.Event()
        self._behind = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[Journal]:
        """Start at the end of what is there."""
        journal = cls(database)
        journal.last = int((await database.fetch(_LAST))[0][0])
        database.on_commit(journal._committed)
        task = asyncio.create_task(journal._catch_up())
        try:
            yield journal
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def append(
        self, tx: Transaction, *, pid: int, n: int, owner: str, actor: str, epoch: int, events: Iterable[Event]
    ) -> None:
        """Add events `n`, `n+1`, … of one process to this transaction."""
        for event in events:
            row = {
                "pid": pid,
                "n": n,
                "id": str(uuid7()),
                "owner": owner,
                "actor": actor,
                "epoch": epoch,
                "at": tx.now,
                "body": _encode(event),
            }
            tx.appended.append(Appended(row, event))
            n += 1

    def put_before(self, tx: Transaction, *, pid: int, owner: str, history: Iterable[tuple[float, str, Event]]) -> None:
        """Write what a process began with, as its events from 1 on: `(at, actor, event)` each.

        It is no news: its numbers lie below zero, which no follower reads.
        """
        rows = [
            {
                "pid": pid,
                "n": n,
                "id": str(uuid7()),
                "owner": owner,
                "actor": actor[:200],
                "epoch": 0,
                "at": at,
                "body": _encode(event),
            }
            for n, (at, actor, event) in enumerate(history, 1)
        ]
        first = min(0, tx.one(_FIRST)[0]) - len(rows)
        tx.run(insert(tables.event), [{**row, "seq": first + place} for place, row in enumerate(rows)])

    def after(self, seq: int) -> list[Entry] | None:
        """The entries after `seq`, or None where the tail no longer reaches back that far."""
        missing = self.last - seq
        if missing <= 0:
            return []
        if missing > len(self._tail):
            return None
        tail = self._tail
        return [tail[i] for i in range(len(tail) - missing, len(tail))]

    async def changed(self, seq: int, timeout_s: float | None = None) -> None:
        """Return when something after `seq` is there, when somebody nudges, or after `timeout_s`."""
        if self.last > seq:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    def on_entry(self, listener: Callable[[Entry], None]) -> None:
        """Call `listener` for each entry as it joins the tail; it must be quick and must not raise."""
        self._listeners.append(listener)

    def nudge(self) -> None:
        """Wake whoever waits in `changed`, to look at something that is not in the journal."""
        self._signal()

    def drop(self, pids: Container[int]) -> None:
        """These processes were erased: nothing of them is told any more but that they are gone."""
        self._replace(lambda entry: entry.pid in pids and not isinstance(entry.event, ProcessErased))

    def blank(self, seqs: Container[int]) -> None:
        """These records were rewritten: nobody is told what they held."""
        self._replace(lambda entry: entry.seq in seqs)

    def _replace(self, gone: Callable[[Entry], bool]) -> None:
        # Their places stay, for the tail has no gaps.
        kept = [Entry(x.seq, x.pid, x.n, "", b"", None) if gone(x) else x for x in self._tail]
        self._tail = deque(kept)
        self._bytes = sum(len(entry.raw) for entry in kept)

    async def follow(self) -> AsyncIterator[list[Entry]]:
        """Every batch of entries from now on, in order, for readers that keep up (the runtime)."""
        seq = self.last
        while True:
            await self.changed(seq)
            entries = self.after(seq)
            if entries is None:
                entries = await self.read(seq)
            if entries:
                seq = entries[-1].seq
                yield entries

    async def read(self, after: int, most: int = READ) -> list[Entry]:
        """Entries from the database."""
        rows = await self._database.fetch(_AFTER, {"after": after, "most": most})
        return [_entry(row._mapping, _readable(row)) for row in rows]

    def _committed(self, rows: list[Appended]) -> None:
        self._committed_to = rows[-1].row["seq"]
        if rows[0].row["seq"] == self.last + 1 and not self._behind.is_set():
            self._extend(_entry(appended.row, appended.event) for appended in rows)
        elif rows[-1].row["seq"] > self.last:
            self._behind.set()

    def _extend(self, entries: Iterable[Entry]) -> None:
        tail = self._tail
        for entry in entries:
            tail.append(entry)
            for listener in self._listeners:
                listener(entry)
            self._bytes += len(entry.raw)
            self.last = entry.seq
        while len(tail) > TAIL or (self._bytes > TAIL_BYTES and len(tail) > 1):
            self._bytes -= len(tail.popleft().raw)
        self._signal()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _catch_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._behind.wait()
            try:
                await self._read_on()
            except Exception:
                # Everybody follows this tail: it goes on as soon as the database does.
                log.exception("the journal cannot be read on; it is tried again")
                await asyncio.sleep(POLL_S)

    async def _read_on(self) -> None:
        if not self._behind.is_set() and int((await self._database.fetch(_LAST))[0][0]) <= self.last:
            return
        # From here until the flag is cleared, commits of this process wait for this read as well.
        self._behind.set()
        entries = await self.read(self.last)
        self._extend(entry for entry in entries if entry.seq > self.last)
        if len(entries) < READ and self.last >= self._committed_to:
            self._behind.clear()


def to_record(row: Any) -> Record:
    """A row of `tables.event` as a `Record`."""
    return Record(
        seq=row.seq,
        id=row.id,
        pid=row.pid,
        n=row.n,
        owner=row.owner,
        actor=row.actor,
        at=row.at,
        event=decode_event(row.body),
    )


def _readable(row: Any) -> Event | None:
    try:
        event: Event = decode_event(row.body)
    except msgspec.DecodeError:
        log.exception("event %s of process %s cannot be read; it is passed on as it is", row.n, row.pid)
        return None
    return event


def _entry(row: Mapping[str, Any], event: Event | None) -> Entry:
    raw = b'{"seq":%d,"id":"%s","pid":%d,"n":%d,"owner":%s,"actor":%s,"at":%s,"event":%s}' % (
        row["seq"],
        row["id"].encode(),
        row["pid"],
        row["n"],
        _encode(row["owner"]),
        _encode(row["actor"]),
        _encode(row["at"]),
        row["body"],
    )
    return Entry(row["seq"], row["pid"], row["n"], row["owner"], raw, event)
