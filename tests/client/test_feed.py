"""The feed connection over breaks, pauses and what it does not know, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
import pytest

from aether_jupyter.answers import Frame, RecordsFrame, SnapshotFrame, read_frame
from aether_jupyter.client import feed as feeds
from aether_jupyter.client.client import AsyncAether
from aether_jupyter.client.discover import Address
from aether_jupyter.client.feed import Feed, Hub
from aether_jupyter.model.agent import Limits, Mode
from aether_jupyter.model.errors import AetherError, ProcessNotFound, ServerNotFound
from aether_jupyter.model.process import Process
from aether_jupyter.model.view import View

pytestmark = pytest.mark.anyio

PROCESS = Process(
    pid=7, name="a", owner="ada", goal="g", model="m", sandbox="s", mode=Mode.ASK_RISKY, limits=Limits(), head=1
)
SNAPSHOT = SnapshotFrame(View(cursor=1, user="ada", processes={7: PROCESS}))


async def somewhere() -> Address:
    return Address("http://127.0.0.1:9/")


class Scripted(Feed):
    """A feed whose connections are given: each lasts so long, or is refused."""

    def __init__(self, *connections: float | Exception) -> None:
        super().__init__(somewhere)
        self.left = list(connections)
        self.open = 0

    async def _connection(self) -> AsyncGenerator[Frame, None]:
        last = self.left.pop(0)
        if isinstance(last, Exception):
            raise last
        self.open += 1
        try:
            yield SNAPSHOT
            await asyncio.sleep(last)
        finally:
            self.open -= 1


async def test_a_server_may_come_back_after_a_long_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAUSES_S", (0.01,))
    monkeypatch.setattr(feeds, "GIVE_UP_S", 0.2)
    feed = Scripted(0.4, ConnectionRefusedError("restarting"), ConnectionRefusedError("restarting"), 5.0)
    frames = feed.frames()
    assert await anext(frames) is SNAPSHOT
    assert await asyncio.wait_for(anext(frames), 3) is SNAPSHOT, "the time without a server counts from the break"
    await frames.aclose()


async def test_nobody_waits_for_ever_for_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAUSES_S", (0.01,))
    monkeypatch.setattr(feeds, "GIVE_UP_S", 0.1)
    with pytest.raises(ServerNotFound, match="two minutes"):
        await anext(Scripted(*[ConnectionRefusedError("gone")] * 100).frames())


async def test_who_stops_reading_closes_the_connection() -> None:
    feed = Scripted(60.0)
    views = feed.views()
    assert (await anext(views)).cursor == 1
    await views.aclose()
    assert feed.open == 0


class Server:
    """What a hub needs of a client."""

    def __init__(self, feed: Feed | None = None) -> None:
        self.opened: list[Feed] = []
        self._feed = feed

    def feed(self) -> Feed:
        self.opened.append(self._feed or Leisurely())
        return self.opened[-1]

    async def get(self, pid: int) -> Process:
        raise ProcessNotFound(f"No process {pid}")


class Leisurely(Feed):
    """A feed that takes its time to close, as a network does."""

    def __init__(self) -> None:
        super().__init__(somewhere)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        try:
            yield SNAPSHOT
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(asyncio.sleep(0.2))


async def test_who_comes_while_an_idle_connection_closes_gets_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "IDLE_S", 0.1)
    server = Server()
    hub = Hub(cast(AsyncAether, server))
    async with hub.follow(7):
        pass
    await asyncio.sleep(0.25)
    async with hub.follow(7) as follower:
        await asyncio.sleep(0.4)
        hub.check()
        assert hub.processes[follower.pid].name == "a"
    assert len(server.opened) == 2
    await hub.aclose()


class Twice(Feed):
    """A feed that begins again without the process that was there."""

    def __init__(self) -> None:
        super().__init__(somewhere)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        yield SNAPSHOT
        await asyncio.sleep(0.05)
        yield SnapshotFrame(View(cursor=2, user="ada"))
        await asyncio.sleep(60)


async def test_a_process_that_a_new_snapshot_leaves_out_ends_no_connection() -> None:
    hub = Hub(cast(AsyncAether, Server(Twice())))
    async with hub.follow(7):
        await asyncio.sleep(0.2)
        hub.check()
        assert 7 in hub.processes
    await hub.aclose()


class Odd(Feed):
    """A feed in words that came after this client."""

    def __init__(self) -> None:
        super().__init__(somewhere)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        yield cast(Any, read_frame(b'{"records":[{"event":{"type":"of.tomorrow"}}],"cursor":1}'))


async def test_what_a_client_cannot_read_is_said_to_its_followers() -> None:
    hub = Hub(cast(AsyncAether, Server(Odd())))
    with pytest.raises(AetherError, match="version"):
        async with hub.follow(7):
            pass
    await hub.aclose()


def test_a_frame_is_read_by_what_it_holds() -> None:
    assert read_frame(msgspec.json.encode(SNAPSHOT)) == SNAPSHOT
    assert read_frame(b'{"records":[],"cursor":3}') == RecordsFrame([], 3)
    assert read_frame(b'{"later":1}') is None
