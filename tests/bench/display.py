"""Desktops in containers: how soon one is there, how long a picture takes, and what the server's own door lets through.

`python -m tests.bench.display one` and `… eight` print one JSON object each; they need a Docker engine and the images.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.rfb.client import RfbClient
from aether_jupyter.sandboxes.containers import SOCKETS
from aether_jupyter.sandboxes.desktop import SOCKET
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.tools.desktop import _jpeg
from tests.faces import TOKEN, running_server

TIMES = 5
PICTURES = 40
SECONDS = 4.0
PAINT = "while :; do xsetroot -solid \\#$(head -c 3 /dev/urandom | od -An -tx1 | tr -d ' '); done"
DESKTOPS = 8
SPEC = SandboxSpec(desktop="xfce")
RAW = struct.pack(">BxHi", 2, 1, 0)
FORMAT = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Stream:
    """Bytes of a socket or a WebSocket, asked for by number."""

    def __init__(self, read: Any, write: Any) -> None:
        self._read, self._write = read, write
        self._buffer = bytearray()

    async def take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += await self._read()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    async def skip(self, count: int) -> None:
        while count > len(self._buffer):
            count -= len(self._buffer)
            self._buffer.clear()
            self._buffer += await self._read()
        del self._buffer[:count]

    async def say(self, data: bytes) -> None:
        await self._write(data)


async def _rate(stream: Stream) -> float:
    """Megabytes a second of a screen that changes all the time, every picture asked for when the one before is there.

    Sent as they are, pixel by pixel, which is the most that a viewer can ask for; the desktop's server draws 30 a
    second at the most.
    """
    await stream.take(12)
    await stream.say(b"RFB 003.008\n")
    await stream.take(2)
    await stream.say(b"\x01")
    await stream.take(4)
    await stream.say(b"\x01")
    width, height, length = struct.unpack(">HH16xI", await stream.take(24))
    await stream.take(length)
    await stream.say(FORMAT + RAW)
    size, began = 0, 0.0
    while not began or time.perf_counter() - began < SECONDS:
        await stream.say(struct.pack(">BBHHHH", 3, 1, 0, 0, width, height))
        _, count = struct.unpack(">BxH", await stream.take(4))
        for _ in range(count):
            _, _, w, h, _ = struct.unpack(">HHHHi", await stream.take(12))
            await stream.skip(4 * w * h)
            size += 4 * w * h
        if not began:
            began, size = time.perf_counter(), 0
    return size / 1e6 / (time.perf_counter() - began)


async def one() -> dict[str, float]:
    """First frame, picture and bridge."""
    first, picture = [], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        kind = Docker(home)
        for turn in range(TIMES):
            (home / "homes" / str(turn)).mkdir(parents=True)
            began = time.perf_counter()
            box = await kind.open(turn, SPEC, home / "homes" / str(turn))
            desk = await RfbClient(*await box.display()).open()
            await desk.picture()
            first.append(time.perf_counter() - began)
            if turn == TIMES - 1:
                while await desk.changed(1.0):
                    pass
                for _ in range(PICTURES):
                    began = time.perf_counter()
                    shown = await desk.picture()
                    await asyncio.to_thread(_jpeg, shown, 1.0)
                    picture.append(time.perf_counter() - began)
            await desk.close()
            await box.close()
    pairs = await _bridge()
    direct, bridged = sorted(pairs, key=lambda pair: pair[1] / pair[0])[len(pairs) // 2]
    return {
        "first_frame_s": statistics.median(first),
        "picture_s": statistics.median(picture),
        "direct_mb_s": direct,
        "bridged_mb_s": bridged,
    }


async def _bridge() -> list[tuple[float, float]]:
    """Rates by the container's own socket and by the server's door, in turns."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        spec = {"goal": "wait", "model": "scripted:ask", "sandbox": {"desktop": "openbox"}}
        headers = {"Authorization": f"token {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.post(f"{server.url}aether/api/v1/processes", json=spec) as answer:
                pid = (await answer.json())["pid"]
            pairs = []
            for _ in range(3):
                address = f"{server.url}aether/displays/{pid}"
                async with session.ws_connect(address, protocols=("binary",), max_msg_size=0) as socket:

                    async def read(socket: Any = socket) -> bytes:
                        return (await socket.receive()).data  # type: ignore[no-any-return]

                    if not pairs:
                        _paint(pid)
                    bridged = await _rate(Stream(read, socket.send_bytes))
                reader, writer = await asyncio.open_unix_connection(_socket_of(pid), limit=1 << 20)

                async def near(reader: asyncio.StreamReader = reader) -> bytes:
                    return await reader.read(1 << 18)

                async def say(data: bytes, writer: asyncio.StreamWriter = writer) -> None:
                    writer.write(data)

                direct = await _rate(Stream(near, say))
                writer.close()
                pairs.append((direct, bridged))
            await session.post(f"{server.url}aether/api/v1/processes/{pid}/signals", json={"signal": "KILL"})
        return pairs


def _paint(pid: int) -> None:
    """Change the whole screen again and again."""
    import docker

    client = docker.APIClient()
    (found,) = client.containers(filters={"label": f"aether.pid={pid}"})[:1]
    made = client.exec_create(found["Id"], ["bash", "-c", PAINT], user="1000", environment={"DISPLAY": ":1"})
    client.exec_start(made, detach=True)


def _socket_of(pid: int) -> str:
    import docker

    client = docker.APIClient()
    (found,) = client.containers(filters={"label": f"aether.pid={pid}"})[:1]
    mounts = client.inspect_container(found["Id"])["Mounts"]
    return next(f"{each['Source']}/{SOCKET}" for each in mounts if each["Destination"] == SOCKETS)


async def eight() -> dict[str, float]:
    """Eight desktops with a browser in each: until all show it, and the memory that all take together."""
    import docker

    client = docker.APIClient()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        kind = Docker(home)
        page = "<title>Ready</title><body style='background:teal'><h1>Ready</h1>"
        boxes = []
        began = time.perf_counter()

        async def begin(turn: int) -> Any:
            own = home / "homes" / str(turn)
            own.mkdir(parents=True)
            (own / "page.html").write_text(page)
            box = await kind.open(turn, SandboxSpec(desktop="xfce", memory_mb=2048), own)
            boxes.append(box)
            desk = await RfbClient(*await box.display()).open()
            await box.run("setsid -f browser --start-maximized page.html >/dev/null 2>&1", timeout_s=30)
            async with asyncio.timeout(120):
                while True:
                    shown = await desk.picture()
                    if shown.getpixel((640, 600)) == (0, 128, 128):
                        return desk
                    await asyncio.sleep(0.2)

        try:
            desks = await asyncio.gather(*(begin(turn) for turn in range(DESKTOPS)))
            ready = time.perf_counter() - began
            used = 0
            for found in client.containers(filters={"label": f"aether.home={home}"}):
                stats = client.stats(found["Id"], stream=False, one_shot=True)
                used += stats["memory_stats"]["usage"] - stats["memory_stats"]["stats"].get("total_inactive_file", 0)
            for desk in desks:
                await desk.close()
        finally:
            await asyncio.gather(*(box.close() for box in boxes))
    return {"ready_s": ready, "memory_gb": used / 1e9, "desktops": DESKTOPS}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(one() if sys.argv[1] == "one" else eight())))
