"""A desktop's server is in the agent's hands: whatever it sends, the client ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aether_jupyter.model.errors import ToolFailed
from aether_jupyter.rfb import client
from aether_jupyter.rfb.client import COPY, RfbClient

pytestmark = pytest.mark.anyio


def _screen(width: int, height: int) -> bytes:
    return struct.pack(">HH16sI", width, height, b"", 0)


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


@pytest.mark.parametrize("size", [(0, 0), (1, 16_385), (16_384, 16_384)])
async def test_a_screen_of_no_size_is_no_desktop(tmp_path: Path, size: tuple[int, int]) -> None:
    async with _met(tmp_path, _screen(*size), b"") as met:
        with pytest.raises(ToolFailed, match="the desktop does not answer: a screen of no size"):
            await met.open()


@pytest.mark.parametrize("place", [(0, 0, 11, 10, 0, 0), (0, 0, 10, 10, 60_000, 0), (1, 0, 10, 10, 0, 0)])
async def test_what_is_copied_from_or_to_beyond_the_screen_ends_it(
    tmp_path: Path, place: tuple[int, int, int, int, int, int]
) -> None:
    x, y, width, height, from_x, from_y = place
    copied = struct.pack(">BxHHHHHiHH", 0, 1, x, y, width, height, COPY, from_x, from_y)
    async with _met(tmp_path, _screen(10, 10), copied) as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop has ended"):
            await desk.picture()
        await desk.close()


async def test_half_a_message_of_the_clipboard_ends_it(tmp_path: Path) -> None:
    async with _met(tmp_path, _screen(10, 10), struct.pack(">Bxxxi", 3, -2) + b"ab") as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop has ended"):
            await desk.picture()
        await desk.close()


async def test_a_desktop_that_says_nothing_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.3)
    async with _met(tmp_path, _screen(10, 10), b"") as met:
        desk = await met.open()
        with pytest.raises(ToolFailed, match="the desktop does not answer"):
            await desk.picture()
        assert desk.lost
        await desk.close()
