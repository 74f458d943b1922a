"""The desktop of one container: started by its shell server, reached by its socket.

The socket lies in a file system of its own that the engine keeps on the host; where the server may not go there (it is
not root, or the engine is on another machine) a program in the container passes the bytes on.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

from ..abc import Reader, Writer
from ..model.errors import SandboxUnavailable
from .connect import connect
from .containers import SOCKETS, WORKDIR, Started
from .shell import Call, Connection

SOCKET = "vnc.sock"
GEOMETRY = (1280, 800)
"""Pixels of a desktop when it starts: what large models are said to find their way on best."""
DISPLAY = {
    "DISPLAY": ":1",
    "XDG_RUNTIME_DIR": "/tmp/session",  # noqa: S108 (inside the container)
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/tmp/session/bus",
    "BROWSER": "/usr/local/bin/browser",
    "NO_AT_BRIDGE": "1",
}
"""How programs find the desktop, whoever starts them."""

START_S = 30.0
BUFFER = 1 << 20
_LOOK_S = 0.01
_LAST_WORD_S = 2.0
"""Seconds after which an X server that does not answer any more must have been reported as ended."""
_RELAY = """import os, select, socket
s = socket.socket(socket.AF_UNIX); s.connect("{path}")
while True:
    for r in select.select([0, s], [], [])[0]:
        d = os.read(0, 65536) if r == 0 else s.recv(65536)
        if not d: raise SystemExit
        if r == 0: s.sendall(d)
        else:
            while d: d = d[os.write(1, d):]"""
_ENGINE_HEADER = struct.Struct(">BxxxI")

Tunnel = Callable[[str, Sequence[str]], Awaitable[tuple[Reader, Writer]]]


class RunningDesktop:
    """A desktop that was started over this connection; it ends with it, or when its X server does."""

    def __init__(self, connection: Connection, started: Started, tunnel: Tunnel) -> None:
        self._connection = connection
        self._started = started
        self._tunnel = tunnel
        self._call = Call(4000, None)

    def runs(self, connection: Connection) -> bool:
        """Whether it runs, over this connection."""
        return connection is self._connection and not connection.lost and not self._call.ended.done()

    async def ended(self) -> bool:
        """Whether it has ended, waiting a little for word of it."""
        await asyncio.wait({self._call.ended}, timeout=_LAST_WORD_S)
        return self._call.ended.done()

    async def start(self, env: dict[str, str]) -> None:
        """Start it and wait until it answers. Raises `SandboxUnavailable`."""
        size = "x".join(map(str, GEOMETRY))
        argv = ["desktop-start", f"{SOCKETS}/{SOCKET}", size]
        wish = {"argv": argv, "cwd": WORKDIR, "env": env, "stdin": False}
        number = self._connection.begin(self._call)
        await self._connection.send(b"R", number, json.dumps(wish).encode())
        try:
            async with asyncio.timeout(START_S):
                while not self._call.ended.done():
                    try:
                        _, writer = await self.connect()
                    except SandboxUnavailable:
                        await asyncio.sleep(_LOOK_S)
                        continue
                    writer.close()
                    return
        except TimeoutError:
            raise SandboxUnavailable(f"docker: the desktop did not start within {START_S:.0f} s") from None
        words = self._call.trouble or self._call.kept["stderr"].decode("utf-8", "replace").strip()[-500:]
        raise SandboxUnavailable(f"docker: the desktop did not start: {words or 'it ended at once'}")

    async def connect(self) -> tuple[Reader, Writer]:
        """A connection to its RFB server. Raises `SandboxUnavailable` while there is none."""
        if self._started.sockets is not None:
            try:
                made = connect(self._started.sockets, SOCKET, self._started.uid)
            except OSError as error:
                raise SandboxUnavailable(f"docker: the desktop cannot be reached: {error}") from None
            return await asyncio.open_unix_connection(sock=made, limit=BUFFER)
        program = _RELAY.format(path=f"{SOCKETS}/{SOCKET}")
        return await self._tunnel(self._started.id, ["python3", "-I", "-u", "-c", program])


async def demultiplexed(stream: socket.socket, keep: object) -> tuple[Reader, Writer]:
    """The output of a program as the engine sends it, without the engine's headers, and its input."""
    stream.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=stream, limit=BUFFER)
    return _Output(reader, keep), writer


class _Output:
    """Standard output out of the engine's frames; what else the program says is passed over."""

    def __init__(self, reader: asyncio.StreamReader, keep: object) -> None:
        self._reader = reader
        # The client's own object closes the socket when it is collected.
        self._keep = keep
        self._left = 0

    async def read(self, n: int = -1) -> bytes:
        try:
            while not self._left:
                kind, self._left = _ENGINE_HEADER.unpack(await self._reader.readexactly(_ENGINE_HEADER.size))
                if kind != 1:
                    await self._reader.readexactly(self._left)
                    self._left = 0
        except asyncio.IncompleteReadError:
            return b""
        data = await self._reader.read(min(self._left, n if n > 0 else BUFFER))
        self._left -= len(data)
        return data

    async def readexactly(self, n: int) -> bytes:
        found = bytearray()
        while len(found) < n:
            data = await self.read(n - len(found))
            if not data:
                raise asyncio.IncompleteReadError(bytes(found), n)
            found += data
        return bytes(found)
