"""The tail: in order, without gaps, whoever writes – and it goes on after what it cannot read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aether_jupyter.model.events import SignalSent
from aether_jupyter.model.process import Signal
from aether_jupyter.store.database import Database, Transaction
from aether_jupyter.store.journal import READ, Entry, Journal

EVENT = SignalSent(Signal.STOP)


def one(journal: Journal, pid: int) -> Callable[[Transaction], None]:
    def body(tx: Transaction) -> None:
        journal.append(tx, pid=pid, n=1, owner="ana", actor="ana", epoch=0, events=[EVENT])

    return body


@contextmanager
def other_server(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def insert(connection: sqlite3.Connection, pid: int, body: bytes) -> None:
    connection.execute(
        "INSERT INTO event (seq, pid, n, id, owner, actor, epoch, at, body) "
        "SELECT COALESCE(MAX(seq), 0) + 1, ?, 1, 'x', 'ana', 'ana', 0, 1.0, ? FROM event",
        (pid, body),
    )


async def reach(journal: Journal, last: int, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while journal.last < last:
            await journal.changed(journal.last)


async def test_rows_of_two_servers_join_one_tail_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database.open(path) as database, Journal.open(database) as journal:
        seen: list[Entry] = []
        journal.on_entry(seen.append)
        with other_server(path) as other:
            for pid in range(1, 41, 2):
                await database.write(one(journal, pid))
                insert(other, pid + 1, b'{"type":"process.signal","signal":"STOP"}')
        await reach(journal, 40)
        assert [entry.seq for entry in seen] == list(range(1, 41))
        assert sorted(entry.pid for entry in seen) == list(range(1, 41))
        assert journal.after(10) == seen[10:]


async def test_an_event_of_a_newer_server_is_passed_on_and_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database.open(path) as database, Journal.open(database) as journal:
        with other_server(path) as other:
            insert(other, 1, b'{"type":"from.the.future"}')
        await database.write(one(journal, 2))
        await reach(journal, 2)
        first, second = journal.after(0) or []
        assert first.event is None
        assert b"from.the.future" in first.raw
        assert second.event == EVENT


async def test_a_read_that_fails_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database.open(path) as database, Journal.open(database) as journal:
        fetch, failed = database.fetch, asyncio.Event()

        async def broken(*_: Any) -> Any:
            failed.set()
            raise sqlite3.OperationalError("disk I/O error")

        database.fetch = broken  # type: ignore[method-assign]
        await asyncio.wait_for(failed.wait(), 5)
        database.fetch = fetch  # type: ignore[method-assign]
        with other_server(path) as other:
            insert(other, 1, b'{"type":"process.signal","signal":"STOP"}')
        await reach(journal, 1)


async def test_what_is_committed_while_others_rows_are_read_does_not_wait_for_the_next_poll(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database.open(path) as database, Journal.open(database) as journal:
        read, sought = journal.read, 0

        async def slowly(after: int, most: int = READ) -> list[Entry]:
            nonlocal sought
            sought += 1
            entries = await read(after, most)
            if sought == 1:
                await database.write(one(journal, 3))
            return entries

        journal.read = slowly  # type: ignore[method-assign]
        with other_server(path) as other:
            insert(other, 1, b'{"type":"process.signal","signal":"STOP"}')
        await database.write(one(journal, 2))
        loop = asyncio.get_running_loop()
        await reach(journal, 2)
        began = loop.time()
        await reach(journal, 3)
        assert loop.time() - began < 0.1
        assert [entry.pid for entry in journal.after(0) or []] == [1, 2, 3]
