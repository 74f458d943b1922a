"""A desktop's server that answers as a test says, over a real socket; and what such a server says."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aether_jupyter.rfb.client import RAW
from aether_jupyter.rfb.input import Message, ViewerStream


def screen(width: int, height: int) -> bytes:
    return struct.pack(">HH16sI", width, height, b"", 0)


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def raw(x: int, y: int, width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", x, y, width, height, RAW) + bytes(4 * width * height)


@contextlib.asynccontextmanager
async def answering(
    place: Path, answer: Callable[[Message], bytes | None], size: tuple[int, int]
) -> AsyncIterator[Path]:
    """A server that shakes hands and then answers what it is told; on None it stops reading."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            writer.write(b"RFB 003.008\n\x01\x01\0\0\0\0" + screen(*size))
            stream = ViewerStream()
            while heard := await reader.read(4096):
                for message in stream.feed(heard):
                    said = answer(message)
                    if said is None:
                        await over.wait()
                        return
                    writer.write(said)

    over = asyncio.Event()
    server = await asyncio.start_unix_server(serve, place / "s")
    try:
        yield place / "s"
    finally:
        over.set()
        server.close()
