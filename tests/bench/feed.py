"""Ten readers of one event stream over real WebSockets: our feed against one JSON message per event and client.

`python -m tests.bench.feed` prints one JSON object. The readers live in a process of their own and count what comes;
the server tells of journal events as fast as the slowest of them takes them.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler
from uuid_utils import uuid7

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.kernel.feed import Feed
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.events import ModelRequested
from aether_jupyter.store.database import Appended

CLIENTS = 10
PERSON = Principal.person("bench")
PLAIN_EVENTS, OUR_EVENTS = 3_000, 60_000
BATCH, AHEAD = 250, 4_500
_SEQ = re.compile(r'"seq":')


class OurSocket(WebSocketHandler):
    """What the feed socket of the extension does, less Jupyter's login."""

    def initialize(self, feed: Feed, seen: dict[int, int]) -> None:
        self.feed, self.seen = feed, seen

    def open(self) -> None:
        self.task = asyncio.create_task(self.pump())

    async def pump(self) -> None:
        async for frame in self.feed.follow(PERSON, cursor=None, watch=set()):
            await self.write_message(frame)
            self.seen[id(self)] = int(frame[frame.rindex(b":") + 1 : -1]) if frame.startswith(b'{"records"') else 0

    def on_close(self) -> None:
        self.task.cancel()


class PlainSocket(WebSocketHandler):
    """One message an event."""

    clients: list[PlainSocket] = []

    def open(self) -> None:
        self.clients.append(self)


async def serve_plain(event: dict[str, Any]) -> None:
    """The floor: every event is encoded and sent to every client."""
    for number in range(PLAIN_EVENTS):
        sent = [client.write_message(json.dumps(event | {"seq": number})) for client in PlainSocket.clients]
        await asyncio.gather(*sent)


async def serve_ours(app: App, seen: dict[int, int]) -> None:
    """Tell the journal of commits as the writer does, in groups as a busy fleet makes them.

    The rows are not written: the floor keeps nothing either, and what counts is the way from a commit to the readers.
    """
    event = ModelRequested(1, "openai:bench", 1000, 0.001)
    journal = app.processes._journal
    start = journal.last
    while journal.last - start < OUR_EVENTS:
        rows = [
            Appended(
                {
                    "seq": journal.last + 1 + i,
                    "pid": 1,
                    "n": journal.last + 1 + i,
                    "id": str(uuid7()),
                    "owner": PERSON.owner,
                    "actor": "runtime",
                    "at": time.time(),
                    "body": msgspec.json.encode(event),
                },
                event,
            )
            for i in range(BATCH)
        ]
        journal._committed(rows)
        await asyncio.sleep(0)
        while journal.last - min(seen.values()) > AHEAD:
            await asyncio.sleep(0.002)


async def readers(url: str, events: int) -> None:
    """In their own process: connect all, say so, count; print the seconds from the first event to the last."""

    async def read(session: aiohttp.ClientSession, up: asyncio.Event) -> tuple[float, float]:
        async with session.ws_connect(url, max_msg_size=0) as socket:
            connected.append(1)
            if len(connected) == CLIENTS:
                up.set()
            count, first = 0, 0.0
            while count < events:
                text = (await socket.receive()).data
                found = len(_SEQ.findall(text))
                if found and not count:
                    first = time.perf_counter()
                count += found
            return first, time.perf_counter()

    connected: list[int] = []
    up = asyncio.Event()
    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.create_task(read(session, up)) for _ in range(CLIENTS)]
        await up.wait()
        print("up", flush=True)
        times = await asyncio.gather(*tasks)
    print(max(end for _, end in times) - min(first for first, _ in times), flush=True)


async def measure(url: str, events: int, work: Any, ready: Any) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.feed", url, str(events), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    while not ready():
        await asyncio.sleep(0.01)
    await work()
    async with asyncio.timeout(120):
        seconds = float(await process.stdout.readline())
        await process.wait()
    return events / seconds


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(Settings(home=Path(folder), default_model="scripted:hello")) as app:
            process = await app.processes.spawn(PERSON, AgentSpec(goal="hello", model="scripted:hello"))
            await app.processes.wait(PERSON, process.pid, timeout_s=20)
            record = json.loads(app.processes._journal.after(0)[-1].raw)
            seen: dict[int, int] = {}
            web = Application([("/ours", OurSocket, {"feed": app.feed, "seen": seen}), ("/plain", PlainSocket)])
            server = HTTPServer(web)
            sockets = bind_sockets(0, "127.0.0.1")
            server.add_sockets(sockets)
            base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
            plain = await measure(
                f"{base}/plain", PLAIN_EVENTS, lambda: serve_plain(record), lambda: len(PlainSocket.clients) == CLIENTS
            )
            ours = await measure(
                f"{base}/ours", OUR_EVENTS, lambda: serve_ours(app, seen), lambda: len(seen) == CLIENTS
            )
            server.stop()
    print(json.dumps({"floor": plain, "value": ours}))


if __name__ == "__main__":
    asyncio.run(readers(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 1 else main())
