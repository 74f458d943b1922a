"""The feed: a snapshot with its cursor in one read transaction, then every record after it that this person may see.

Frames are pulled, so back-pressure is simply not pulling: a reader that falls too far behind gets a new snapshot
instead of an ever longer queue. A frame is encoded once for all readers that want the same one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator

import msgspec
from sqlalchemy import bindparam, func, select

from ..model.access import Principal, require
from ..model.events import Notice
from ..model.view import Spend, View
from ..store import tables
from ..store.database import Database
from ..store.journal import Entry, Journal
from .budgets import _SPENT, Budgets, day, next_day

BATCH_S = 0.04
FRAME_BYTES = 1_000_000
BEHIND = 5_000
FULL = 1_000
SHOWN = 2_000
NOTICES = 256

_encode = msgspec.json.Encoder().encode
p, a = tables.process, tables.approval
_PROCESSES = (
    select(p.c.pid, p.c.body)
    .where(p.c.owner == bindparam("owner"), p.c.reaped.is_(False))
    .order_by(p.c.pid.desc())
    .limit(SHOWN)
)
_APPROVALS = select(a.c.id, a.c.body).where(a.c.owner == bindparam("owner"), a.c.status == "waiting")
_ERASED = select(tables.meta.c.value).where(tables.meta.c.key == "erased")
_LAST = select(func.coalesce(func.max(tables.event.c.seq), 0))


class Follower:
    """One reader: the PIDs whose notices it wants, and those that wait for it."""

    def __init__(self, owner: str, watch: set[int]) -> None:
        self.owner = owner
        self.watch = watch
        self.notices: deque[Notice] = deque(maxlen=NOTICES)


class Feed:
    """`snapshot` for programs, `follow` for sockets, `publish` for what is shown and forgotten."""

    def __init__(self, database: Database, journal: Journal, budgets: Budgets) -> None:
        self._database = database
        self._journal = journal
        self._budgets = budgets
        self._followers: set[Follower] = set()
        self._frames: dict[tuple[str, int, int], bytes] = {}

    async def snapshot(self, actor: Principal) -> View:
        """What this person may see now."""
        return msgspec.json.decode(await self._snapshot(actor), type=View)

    async def follow(self, actor: Principal, *, cursor: int | None, watch: set[int]) -> AsyncIterator[bytes]:
        """Encoded frames without end: `snapshot`, `records` with `cursor`, or `notices`."""
        require(actor, "processes:read")
        follower = Follower(actor.owner, watch)
        self._followers.add(follower)
        try:
            if cursor is None or cursor > self._journal.last or cursor < await self._erased():
                raw = await self._snapshot(actor)
                cursor = _cursor(raw)
                yield b'{"snapshot":%s}' % raw
            sent = 0.0
            while True:
                entries = self._journal.after(cursor)
                if entries is None or len(entries) > BEHIND:
                    raw = await self._snapshot(actor)
                    cursor = _cursor(raw)
                    yield b'{"snapshot":%s}' % raw
                elif entries:
                    frame, cursor = self._frame(actor.owner, cursor, entries)
                    if frame:
                        yield frame
                if follower.notices:
                    notices = list(follower.notices)
                    follower.notices.clear()
                    yield b'{"notices":%s}' % _encode(notices)
                if self._journal.last <= cursor and not follower.notices:
                    await self._journal.changed(cursor)
                # What comes within one batch time after a frame shares the next; news after a quiet time go at once.
                rest = sent + BATCH_S - time.monotonic()
                await asyncio.sleep(rest if rest > 0 and self._journal.last - cursor < FULL else 0)
                sent = time.monotonic()
        finally:
            self._followers.discard(follower)

    def followed(self, owner: str) -> bool:
        """Whether anybody reads this owner's feed, and so may begin to watch at any moment."""
        return any(follower.owner == owner for follower in self._followers)

    def watched(self, pid: int) -> bool:
        """Whether anybody wants the notices of a process: if not, nobody need make them."""
        return any(pid in follower.watch for follower in self._followers)

    def publish(self, owner: str, notice: Notice) -> None:
        """Show a notice to the owner's readers that watch its process; the oldest give way when a reader is slow."""
        for follower in self._followers:
            if follower.owner == owner and notice.pid in follower.watch:
                follower.notices.append(notice)

    def forget(self) -> None:
        """Let go of frames that were made already: words in them were erased."""
        self._frames.clear()

    async def flush(self) -> None:
        """Wake readers at a steady pace while notices wait for them."""
        while True:
            await asyncio.sleep(0.1)
            if any(follower.notices for follower in self._followers):
                self._journal.nudge()

    def _frame(self, owner: str, cursor: int, entries: list[Entry]) -> tuple[bytes, int]:
        last = entries[-1].seq
        key = (owner, cursor, last)
        frame = self._frames.get(key)
        if frame is None:
            size = 0
            chosen: list[bytes] = []
            for entry in entries:
                if entry.owner == owner:
                    if chosen and size + len(entry.raw) > FRAME_BYTES:
                        last = entry.seq - 1
                        break
                    size += len(entry.raw)
                    chosen.append(entry.raw)
            frame = b'{"records":[%s],"cursor":%d}' % (b",".join(chosen), last) if chosen else b""
            if len(self._frames) > 32:
                self._frames.clear()
            self._frames[owner, cursor, entries[-1].seq] = frame
        elif frame:
            last = _cursor_of_frame(frame)
        return frame, last

    async def _erased(self) -> int:
        """Up to which record the journal no longer tells all: what was erased is not in it."""
        rows = await self._database.fetch(_ERASED)
        return int(rows[0].value) if rows else 0

    async def _snapshot(self, actor: Principal) -> bytes:
        require(actor, "processes:read")
        values = {"owner": actor.owner}
        now = time.time()
        async with self._database.reader() as connection:
            cursor = (await connection.execute(_LAST)).scalar_one()
            processes = (await connection.execute(_PROCESSES, values)).all()
            approvals = (await connection.execute(_APPROVALS, values)).all()
            spent = (await connection.execute(_SPENT, values | {"day": day(now)})).scalar_one()
        return b'{"cursor":%d,"user":%s,"processes":%s,"approvals":%s,"spend":%s}' % (
            cursor,
            _encode(actor.owner),
            _encode({str(row.pid): msgspec.Raw(row.body) for row in processes}),
            _encode({row.id: msgspec.Raw(row.body) for row in approvals}),
            _encode(Spend(day(now), spent, self._budgets.daily_usd, next_day(now))),
        )


def _cursor(snapshot: bytes) -> int:
    return int(snapshot[len(b'{"cursor":') : snapshot.index(b",")])


def _cursor_of_frame(frame: bytes) -> int:
    return int(frame[frame.rindex(b":") + 1 : -1])
