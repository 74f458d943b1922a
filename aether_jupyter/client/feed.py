"""The feed: snapshot, socket, cursor, reconnect; folded into views, or shared by all runs of a client.

Reconnecting is connecting: the cursor says where to go on, and a server that cannot go on from there sends a new
snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from ..answers import Frame, NoticesFrame, RecordsFrame, SnapshotFrame, read_frame
from ..model.errors import AetherError, Forbidden, NotFound, ServerNotFound
from ..model.events import (
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    Notice,
    ProcessRestored,
    ProcessSpawned,
    Record,
)
from ..model.process import Process, State
from ..model.tool import Approval
from ..model.view import View, advance, apply
from .discover import Address

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from .client import AsyncAether

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""How long to wait before each attempt to connect again; the last one repeats."""

GIVE_UP_S = 120.0
IDLE_S = 10.0
KEPT = 2_000
FRAME_BYTES = 64_000_000


class Feed:
    """One connection to the feed. Iterate `frames()`, or `views()` for what a screen would show.

    It connects again by itself and goes on where it was. It raises `Forbidden` if the server does not accept the
    token, and `ServerNotFound` after two minutes without a server.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[Address]],
        *,
        cursor: int | None = None,
        watch: Iterable[int] = (),
    ) -> None:
        self.cursor = cursor
        self._locate = locate
        self._watch = set(watch)
        self._changed = asyncio.Event()
        self.socket: ClientConnection | None = None

    def watch(self, pids: Iterable[int]) -> None:
        """Ask for the notices (words as they arrive) of these processes from now on; at most 64."""
        self._watch = set(sorted(pids)[-64:])
        self._changed.set()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Frames as they come, without end."""
        loop = asyncio.get_running_loop()
        failures, since = 0, loop.time()
        while True:
            try:
                async with contextlib.aclosing(self._connection()) as connection:
                    async for frame in connection:
                        failures = 0
                        yield frame
                since = loop.time()
            except (ServerNotFound, OSError) as error:
                if failures == 0:
                    since = loop.time()
                if loop.time() - since > GIVE_UP_S:
                    raise ServerNotFound(f"The server has not answered for two minutes: {error}") from error
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def views(self) -> AsyncGenerator[View, None]:
        """The view after each frame that changes it."""
        view: View | None = None
        async with contextlib.aclosing(self.frames()) as frames:
            async for frame in frames:
                match frame:
                    case SnapshotFrame():
                        view = frame.snapshot
                    case RecordsFrame() if view is not None:
                        for record in frame.records:
                            view = apply(view, record)
                    case _:
                        continue
                if view is not None:
                    yield view

    async def _connection(self) -> AsyncGenerator[Frame, None]:
        """Frames until the connection ends. Raises `ServerNotFound` if none comes about."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

        address = await self._locate()
        query = f"?cursor={self.cursor}" if self.cursor is not None else ""
        url = "ws" + address.url.removeprefix("http") + "aether/feed" + query
        try:
            socket = await connect(
                url,
                additional_headers=address.headers,
                max_size=FRAME_BYTES,
                compression=None,
                ssl=tls(address),
                open_timeout=15,
                proxy=None if address.local else True,
            )
        except InvalidStatus as error:
            raise _refusal(address, error.response.status_code, bytes(error.response.body or b"")) from error
        except (InvalidHandshake, TimeoutError) as error:
            raise ServerNotFound(f"{address.url} has no feed: {error}") from error
        self.socket = socket
        async with socket, contextlib.AsyncExitStack() as stack:
            if self._watch:
                self._changed.set()
            teller = asyncio.create_task(self._tell(socket.send), name="aether feed watch")
            stack.callback(teller.cancel)
            try:
                async for message in socket:
                    frame = read_frame(message)
                    match frame:
                        case SnapshotFrame(snapshot=view):
                            self.cursor = view.cursor
                        case RecordsFrame(cursor=cursor):
                            self.cursor = cursor
                        case _:
                            pass
                    if frame is not None:
                        yield frame
            except ConnectionClosed:
                return

    async def _tell(self, send: Callable[[bytes | str], Awaitable[None]]) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._changed.wait()
                self._changed.clear()
                await send(msgspec.json.encode({"watch": sorted(self._watch)}).decode())


class Follower:
    """One reader of one process: what came since it last looked, at most `KEPT` things."""

    def __init__(self, pid: int, notices: bool) -> None:
        self.pid = pid
        self.notices = notices
        self.waiting: deque[Record | Notice] = deque()
        self.changed = asyncio.Event()

    def put(self, thing: Record | Notice) -> None:
        """Add a thing; who reads too slowly loses all, and reads the records again by HTTP."""
        if len(self.waiting) >= KEPT:
            self.waiting.clear()
        self.waiting.append(thing)
        self.changed.set()


class Hub:
    """The one feed connection of a client, opened for the first follower and closed after the last.

    It holds every process and approval as the server shows them, kept by the same fold as every screen.
    """

    def __init__(self, client: AsyncAether) -> None:
        self.processes: dict[int, Process] = {}
        self.approvals: dict[str, Approval] = {}
        self._client = client
        self._followers: dict[int, list[Follower]] = {}
        self._feed: Feed | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: AetherError | None = None
        self._ready = asyncio.Event()
        self._empty_since = 0.0

    async def aclose(self) -> None:
        """End the connection; followers are told."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def follow(self, pid: int, *, notices: bool = False) -> AsyncIterator[Follower]:
        """Follow one process; inside, `processes[pid]` is there and true. Raises `ProcessNotFound`."""
        follower = Follower(pid, notices)
        self._followers.setdefault(pid, []).append(follower)
        try:
            self._begin()
            if notices:
                self._watch()
            await self._ready.wait()
            self.check()
            if pid not in self.processes:
                # Reaped, or one of so many that the snapshot leaves it out.
                process = await self._client.get(pid)
                self.processes.setdefault(pid, process)
            yield follower
        finally:
            mine = self._followers[pid]
            mine.remove(follower)
            if not mine:
                del self._followers[pid]
            if notices:
                self._watch()
            self._empty_since = asyncio.get_running_loop().time()

    def check(self) -> None:
        """Raise what ended the connection, if it ended."""
        if self._error is not None:
            raise self._error

    def _begin(self) -> None:
        if self._feed is None:
            self._ready = asyncio.Event()
            self._error = None
            self._feed = self._client.feed()
            task = asyncio.create_task(self._run(self._feed), name="aether feed")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _watch(self) -> None:
        if self._feed is not None:
            self._feed.watch({pid for pid, them in self._followers.items() if any(one.notices for one in them)})

    async def _run(self, feed: Feed) -> None:
        idle = asyncio.create_task(self._until_idle(), name="aether feed idle")
        reading = asyncio.create_task(self._read(feed), name="aether feed read")
        error: AetherError = ServerNotFound("The connection to the server was closed")
        try:
            await asyncio.wait({idle, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        except AetherError as told:
            error = told
        except msgspec.DecodeError as unknown:
            error = AetherError(f"The server's feed is not understood ({unknown}); client and server differ in version")
        finally:
            for task in (idle, reading):
                task.cancel()
            await asyncio.gather(idle, reading, return_exceptions=True)
            if self._feed is feed:
                self._feed, self._error = None, error
                self._ready.set()
                self._wake(self._followers)

    async def _until_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S / 2)
            if not self._followers and asyncio.get_running_loop().time() - self._empty_since > IDLE_S / 2:
                # To close takes a while; who comes meanwhile begins a connection of their own.
                self._feed = None
                return

    async def _read(self, feed: Feed) -> None:
        async with contextlib.aclosing(feed.frames()) as frames:
            async for frame in frames:
                match frame:
                    case SnapshotFrame(snapshot=view):
                        await self._restart(view)
                    case RecordsFrame(records=records):
                        for record in records:
                            self._fold(record)
                    case NoticesFrame(notices=notices):
                        for notice in notices:
                            for follower in self._followers.get(notice.pid, ()):
                                if follower.notices:
                                    follower.put(notice)

    async def _restart(self, view: View) -> None:
        # Followed ones that the snapshot leaves out (reaped, or one of very many) are asked for by themselves.
        followed = {pid: p for pid, p in self.processes.items() if pid in self._followers}
        self.processes, self.approvals = {**followed, **view.processes}, dict(view.approvals)
        for pid in followed.keys() - view.processes.keys():
            with contextlib.suppress(NotFound):
                self.processes[pid] = await self._client.get(pid)
        self._ready.set()
        self._wake(self._followers)

    def _fold(self, record: Record) -> None:
        event = record.event
        before = self.processes.get(record.pid)
        born = isinstance(event, ProcessSpawned | ProcessRestored)
        if isinstance(event, ProcessSpawned | ProcessRestored):
            before = event.process
        if before is not None and (record.n > before.head or born):
            self.processes[record.pid] = advance(before, event, record.at, record.n)
        match event:
            case ApprovalRequested(approval=approval):
                self.approvals[approval.id] = approval
            case ApprovalDecided(approval_id=key) | ApprovalClosed(approval_id=key):
                self.approvals.pop(key, None)
            case _:
                pass
        for follower in self._followers.get(record.pid, ()):
            follower.put(record)

    def _wake(self, pids: Iterable[int]) -> None:
        for pid in pids:
            for follower in self._followers[pid]:
                follower.changed.set()

    async def until(self, follower: Follower, done: Callable[[Process], bool], head: int = 0) -> Process:
        """Wait until `done` holds for the process, not before its record `head`; returns it as it is then."""
        while True:
            self.check()
            process = self.processes[follower.pid]
            if process.head >= head and (done(process) or process.state is State.ZOMBIE):
                return process
            follower.waiting.clear()
            follower.changed.clear()
            await follower.changed.wait()


def tls(address: Address) -> ssl.SSLContext | None:
    """How the certificate of a server is checked; None where it has none."""
    if not address.url.startswith("https"):
        return None
    if isinstance(address.verify, str):
        return ssl.create_default_context(cafile=address.verify)
    context = ssl.create_default_context()
    if not address.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refusal(address: Address, status: int, body: bytes) -> AetherError:
    from .requests import failure

    error = failure(status, "application/problem+json", body, address.url)
    return error if isinstance(error, Forbidden | ServerNotFound) else ServerNotFound(error.message)
