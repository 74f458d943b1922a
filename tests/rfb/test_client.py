"""A desktop's server is in the agent's hands: whatever it sends, the client ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from aether_jupyter.model.errors import ToolFailed
from aether_jupyter.rfb import client
from aether_jupyter.rfb.client import COPY, DESKTOP_SIZE, MOST_RECTANGLES, RAW, STRIP_BYTES, RfbClient
from aether_jupyter.rfb.input import Message

from .server import answering, raw, screen, update

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def _met(place: Path, screen: bytes, then: bytes) -> AsyncIterator[RfbClient]:
    """A client that has met a server which shakes hands, tells of this screen, and says this and no more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RFB 003.008\n\x01\x01\0\0\0\0" + screen + then)
        with contextlib.suppress(OSError):
            while await reader.read(4096):
                pass
        writer.close()

    server = await asyncio.start_unix_server(serve, place / "s")
    try:
        yield RfbClient(*await asyncio.open_unix_connection(place / "s"))
    finally:
        server.close()


def _sized(width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", 0, 0, width, height, DESKTOP_SIZE)


@contextlib.contextmanager
def _flooding(place: Path, screen: bytes, flood: bytes) -> Iterator[None]:
    """A server in a thread of its own, as another program is, that shakes hands and then says this without end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "s"))
    listener.listen()

    def serve() -> None:
        met, _ = listener.accept()
        with met, contextlib.suppress(OSError):
            met.sendall(b"RFB 003.008\n\x01\x01\0\0\0\0" + screen)
            while True:
                met.sendall(flood)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.close()
        thread.join(10)


@pytest.mark.parametrize("size", [(0, 0), (1, 16_385), (16_384, 16_384), (5121, 2880)])
async def test_a_screen_of_no_size_is_no_desktop(tmp_path: Path, size: tuple[int, int]) -> None:
    async with _met(tmp_path, screen(*size), b"") as met:
        with pytest.raises(ToolFailed, match="the desktop does not answer: a screen of no size"):
            await met.open()


@pytest.mark.parametrize("place", [(0, 0, 11, 10, 0, 0), (0, 0, 10, 10, 60_000, 0), (1, 0, 10, 10, 0, 0)])
async def test_what_is_copied_from_or_to_beyond_the_screen_ends_it(
    tmp_path: Path, place: tuple[int, int, int, int, int, int]
) -> None:
    x, y, width, height, from_x, from_y = place
    copied = struct.pack(">BxHHHHHiHH", 0, 1, x, y, width, height, COPY, from_x, from_y)
    async with _met(tmp_path, screen(10, 10), copied) as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop has ended"):
            await desk.picture()
        await desk.close()


async def test_half_a_message_of_the_clipboard_ends_it(tmp_path: Path) -> None:
    async with _met(tmp_path, screen(10, 10), struct.pack(">Bxxxi", 3, -2) + b"ab") as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop has ended"):
            await desk.picture()
        await desk.close()


async def test_a_desktop_that_says_nothing_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.3)
    async with _met(tmp_path, screen(10, 10), b"") as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop does not answer"):
            await desk.picture()
        assert desk.lost
        await desk.close()


@pytest.mark.parametrize(
    "sent",
    [
        update(*[raw(0, 0, 0, 0)] * (MOST_RECTANGLES + 1)),
        update(*[raw(0, 0, 100, 100)] * 5),
        update(*[struct.pack(">HHHHiHH", 0, 0, 100, 100, COPY, 0, 0)] * 5),
        update(*[_sized(100, 200), _sized(200, 100)] * 5, raw(0, 0, 1, 1)),
    ],
    ids=["rectangles", "drawn", "copied", "sizes"],
)
async def test_an_update_that_draws_the_screen_over_and_over_ends_it(tmp_path: Path, sent: bytes) -> None:
    async with _met(tmp_path, screen(100, 100), sent) as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop has ended"):
            await desk.picture()
        await desk.close()


async def test_an_update_may_copy_and_draw_all_of_a_new_size(tmp_path: Path) -> None:
    copied = struct.pack(">HHHHiHH", 0, 0, 100, 100, COPY, 0, 0)
    sent = update(copied, _sized(200, 100), raw(0, 0, 100, 100), raw(100, 0, 100, 100))
    async with _met(tmp_path, screen(100, 100), sent) as met:
        desk = await met.open()
        assert (await desk.picture()).size == (200, 100)
        await desk.close()


@pytest.mark.parametrize(
    "flood",
    [b"\2" * 1_000_000, update(*[raw(0, 0, 1, 1)] * 9_000), update(raw(0, 0, 1920, 1080))],
    ids=["bells", "rectangles", "pictures"],
)
async def test_a_server_that_never_stops_leaves_the_loop_to_others(tmp_path: Path, flood: bytes) -> None:
    with _flooding(tmp_path, screen(1920, 1080), flood):
        desk = await RfbClient(*await asyncio.open_unix_connection(tmp_path / "s", limit=1 << 20)).open()
        turns, ends = 0, time.monotonic() + 1.0
        while time.monotonic() < ends:
            await asyncio.sleep(0.002)
            turns += 1
        assert not desk.lost
        await desk.close()
    # Of 500; a client that reads what is there in one go leaves a handful.
    assert turns > 60


async def test_a_large_picture_is_read_in_strips(tmp_path: Path) -> None:
    asked: list[int] = []

    class Noting:
        def __init__(self, reader: asyncio.StreamReader) -> None:
            self._reader = reader

        async def read(self, n: int = -1) -> bytes:
            return await self._reader.read(n)

        async def readexactly(self, n: int) -> bytes:
            asked.append(n)
            return await self._reader.readexactly(n)

    height = 1000
    rows = b"".join(bytes([row % 256, 0, 0, 0]) * 1000 for row in range(height))
    sent = update(struct.pack(">HHHHi", 0, 0, 1000, height, RAW) + rows)
    async with answering(tmp_path, lambda heard: sent if heard.raw[0] == 3 else b"", (1000, height)) as place:
        reader, writer = await asyncio.open_unix_connection(place)
        desk = await RfbClient(Noting(reader), writer).open()
        picture = await desk.picture()
        await desk.close()
    assert max(asked) <= STRIP_BYTES
    assert [picture.getpixel((500, row)) for row in range(height)] == [(0, 0, row % 256) for row in range(height)]


async def _typing(desk: RfbClient) -> None:
    while True:
        await desk.key(0x61, down=True)


async def test_a_server_that_does_not_read_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.3)
    async with answering(tmp_path, lambda heard: None if heard.kind == "key" else b"", (10, 10)) as place:
        desk = await RfbClient(*await asyncio.open_unix_connection(place)).open()
        with pytest.raises(ToolFailed, match="the desktop does not answer"):
            await asyncio.wait_for(_typing(desk), 20)
        assert desk.lost
        await desk.close()


async def test_a_size_that_is_not_taken_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.3)
    async with _met(tmp_path, screen(10, 10), b"") as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="does not take the size 20x30"):
            await asyncio.wait_for(desk.resize(20, 30), 5)
        await desk.close()


async def test_a_cursor_that_blinks_is_no_change_however_long_it_blinks(tmp_path: Path) -> None:
    answers: list[Callable[[int], bytes]] = [lambda _: raw(50, 50, 2, 20)]
    count = itertools.count()

    def answer(heard: Message) -> bytes:
        return update(answers[-1](next(count))) if heard.raw[0] == 3 else b""

    async with answering(tmp_path, answer, (100, 100)) as place:
        desk = await RfbClient(*await asyncio.open_unix_connection(place)).open()
        assert await desk.changed(1.0, share=0.01) == 0.0
        assert next(count) > 10
        # The same number of pixels, but each time of another column.
        answers.append(lambda n: raw(2 * (n % 50), 50, 2, 20))
        assert 0.01 < await desk.changed(1.0, share=0.01) <= 1.0
        await desk.close()


async def test_what_is_held_down_is_let_go_of_once_the_last_first(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(message: Message) -> bytes:
        if message.acts:
            heard.append(message.raw)
        return update(raw(0, 0, 1, 1)) if message.raw[0] == 3 else b""

    async with answering(tmp_path, answer, (100, 100)) as place:
        desk = await RfbClient(*await asyncio.open_unix_connection(place)).open()
        for symbol, down in ((0xFFE3, True), (0x61, True), (0x61, False), (0xFFE1, True)):
            await desk.key(symbol, down=down)
        await desk.pointer(30, 40, 1)
        assert desk.buttons == 1
        await desk.picture()
        heard.clear()
        await desk.release()
        await desk.release()
        # It was read when what was asked after it is answered.
        await desk.picture()
        up = [struct.pack(">BBxxI", 4, 0, symbol) for symbol in (0xFFE1, 0xFFE3)]
        assert heard == [*up, struct.pack(">BBHH", 5, 0, 30, 40)]
        assert desk.buttons == 0
        await desk.close()


async def test_letting_go_of_a_desktop_that_is_gone_is_no_error(tmp_path: Path) -> None:
    async with answering(tmp_path, lambda _: b"", (10, 10)) as place:
        desk = await RfbClient(*await asyncio.open_unix_connection(place)).open()
        await desk.pointer(1, 1, 1)
        await desk.close()
        await desk.release()
