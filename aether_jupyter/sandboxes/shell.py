"""The stream to a container's shell server (`inside.py`), which runs the commands it is told.

A frame is one letter, a call's number and a length, then that many bytes; the letters are in `inside.py`. The engine
wraps what comes out in frames of its own, which tell the server's words from what Python says when it falls.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..abc import OnOutput
from ..model.errors import SandboxUnavailable

log = logging.getLogger(__name__)

_HEADER = struct.Struct(">cII")
_ENGINE_HEADER = struct.Struct(">BxxxI")
_FRAME_LIMIT = 1 << 20
_FLOOD_BYTES = 16_000_000
_FLOOD_SHARE = 1 << 18
_PAUSE_S, _FLOOD_PAUSE_S, _CALM_S = 0.002, 0.01, 5.0
"""Seconds of rest after each megabyte that is read, and in a flood after each quarter; after so long none is one."""
PYTHON = "/usr/bin/python3"
_LOADER = """import os
text = b""
while len(text) < {size}:
    text += os.read(0, {size} - len(text)) or exit(1)
exec(text)"""


def entry_point(program: str = "inside.py") -> list[str]:
    """What a container runs: Python, which reads a program's text, the shell server's, and becomes it.

    The image's own Python: by its name alone, it could be one that the agent put into its home.
    """
    return [PYTHON, "-I", "-u", "-c", _LOADER.format(size=len(text_of(program)))]


@functools.cache
def text_of(program: str = "inside.py") -> bytes:
    """The text of a program that containers are handed."""
    return Path(__file__).with_name(program).read_bytes()


class Call:
    """What came of one command so far."""

    def __init__(self, limit: int, on_output: OnOutput | None) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.counted = {"stdout": 0, "stderr": 0}
        self.code: int | None = None
        self.trouble = ""
        self.astray = False
        self.limits: list[str] = []
        self.timed_out = False
        self.lost = False
        self._limit = limit
        self._on_output = on_output

    def take(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        self.counted[stream] += len(data)
        room = self._limit - len(self.kept[stream])
        if room > 0:
            self.kept[stream] += data[:room]
        if self._on_output is not None:
            self._on_output(stream, data)

    def finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Connection:
    """The stream to a container's shell server. Nothing that comes from it is believed beyond its bounds."""

    def __init__(self, remove: Callable[[], None], keep: object, container: str) -> None:
        self.container = container
        self.hello: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lost = False
        self._remove = remove
        # The client's own object closes the socket when it is collected.
        self._keep = keep
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._said = b""

    async def open(self, sock: socket.socket) -> None:
        """Begin to read."""
        sock.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=sock, limit=1 << 18)
        self._task = asyncio.create_task(self._listen(reader))

    def introduce(self) -> None:
        """Hand over the shell server's own text."""
        if self._writer is not None:
            self._writer.write(text_of())

    def begin(self, call: Call) -> int:
        """A number under which the call's frames come."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._calls[number] = call
        return number

    def end(self, number: int) -> None:
        """Forget a call."""
        self._calls.pop(number, None)

    async def send(self, kind: bytes, number: int, body: bytes) -> None:
        """Write one frame. Raises `SandboxUnavailable` if the container is gone."""
        if self._writer is None or self.lost:
            raise SandboxUnavailable("the container has ended; the next command starts a new one")
        try:
            self._writer.write(_HEADER.pack(kind, number, len(body)) + body)
            await self._writer.drain()
        except OSError:
            self.lost = True
            raise SandboxUnavailable("the container has ended; the next command starts a new one") from None

    async def close(self) -> None:
        """End the container. Never raises for what is gone already."""
        self.lost = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=2.0)
        if self._writer is not None:
            self._writer.close()
        self._drop()
        removal = asyncio.ensure_future(asyncio.to_thread(self._remove))
        try:
            await asyncio.shield(removal)
        except asyncio.CancelledError:
            # Left alone, it would be cut off when the loop closes.
            await asyncio.wait({removal})
            raise

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        counted, share, last = 0, 0, time.monotonic()
        try:
            while True:
                stream, length = _ENGINE_HEADER.unpack(await reader.readexactly(_ENGINE_HEADER.size))
                while length:
                    data = await reader.read(min(length, 1 << 16))
                    if not data:
                        return
                    length -= len(data)
                    if stream != 1:
                        self._said = (self._said + data)[-2000:]
                        continue
                    buffer += data
                    counted += len(data)
                    share += len(data)
                    if not self._take(buffer):
                        log.warning("the shell server of a container sent a malformed frame; closing it")
                        return
                    if share > (_FLOOD_SHARE if counted > _FLOOD_BYTES else _FRAME_LIMIT):
                        share, now = 0, time.monotonic()
                        if now - last > _CALM_S:
                            counted = 0
                        # A flood of output leaves the loop to others, and is slowed by not being read: nobody keeps it.
                        await asyncio.sleep(_FLOOD_PAUSE_S if counted > _FLOOD_BYTES else _PAUSE_S)
                        last = now
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.lost = True
            self._drop()

    def _take(self, buffer: bytearray) -> bool:
        """Use up the whole frames in the buffer; false if one cannot be."""
        while len(buffer) >= _HEADER.size:
            kind, number, length = _HEADER.unpack_from(buffer)
            if length > _FRAME_LIMIT:
                return False
            if len(buffer) < _HEADER.size + length:
                return True
            body = bytes(buffer[_HEADER.size : _HEADER.size + length])
            del buffer[: _HEADER.size + length]
            call = self._calls.get(number)
            if kind == b"H":
                if not self.hello.done():
                    self.hello.set_result(body.decode("utf-8", "replace"))
            elif call is None or call.ended.done():
                continue
            elif kind == b"O":
                call.take("stdout", body)
            elif kind == b"S":
                call.take("stderr", body)
            elif kind == b"X" and not _told_end(call, body):
                return False
        return True

    def _drop(self) -> None:
        for call in self._calls.values():
            if not call.ended.done():
                call.lost = True
                call.finish()
        if not self.hello.done():
            words = self._said.decode("utf-8", "replace").strip()[-500:] or "it ended at once"
            self.hello.set_exception(OSError(words))
            # Nobody may be waiting any more; asked for once, it is not reported as forgotten.
            self.hello.exception()


def _told_end(call: Call, body: bytes) -> bool:
    try:
        said: dict[str, Any] = json.loads(body)
        call.code = int(said["code"]) if "code" in said else None
        call.trouble = str(said.get("error", ""))[:500]
        call.astray = bool(said.get("folder"))
        call.limits = [name for name in ("memory", "processes") if name in said.get("limits", ())]
    except (ValueError, TypeError, AttributeError):
        return False
    call.finish()
    return True
