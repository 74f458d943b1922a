"""The way out for agents that may reach some hosts: a network of its own for each, and one container with the gate.

A network has two addresses, the agent's and the gate's. Its bridge has none: the server and its machine cannot be
reached from it, whatever the firewall says, and neither can another agent. The gate's container also stands in the
engine's own network and leads out what the agent's list of hosts allows; it is there as long as somebody needs it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import gate
from ..model.errors import SandboxUnavailable
from .desktop import demultiplexed
from .shell import text_of
from .ways import PORT

if TYPE_CHECKING:
    from ..abc import Reader, Writer
    from .containers import Engine, Started, Way

log = logging.getLogger(__name__)

_START_S = 30.0
_LINE = 1 << 16
NOT_BY_PROXY = "localhost,127.0.0.1,::1"


class Egress:
    """The gate of one server, and the networks of the agents that it runs."""

    def __init__(self, engine: Engine, private: Sequence[str] = ()) -> None:
        self._engine = engine
        self._private = tuple(private)
        self._lock = asyncio.Lock()
        self._started: Started | None = None
        self._writer: Writer | None = None
        self._task: asyncio.Task[None] | None = None
        self._ways: dict[int, tuple[Way, tuple[str, ...]]] = {}
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._removing: set[asyncio.Future[None]] = set()

    async def open(self, pid: int, hosts: tuple[str, ...]) -> Way:
        """The network of this agent, with a gate in it that knows its hosts. Raises `SandboxUnavailable`."""
        known = self._ways.get(pid)
        if known is not None and known[1] == hosts and self._stands:
            return known[0]
        async with self._lock:
            try:
                if not self._stands:
                    await self._start()
                assert self._started is not None
                if pid not in self._ways:
                    way = await asyncio.to_thread(self._engine.make_way, pid, self._started.id)
                    self._ways[pid] = (way, hosts)
                else:
                    self._ways[pid] = (self._ways[pid][0], hosts)
                await self._tell(pid)
            except (SandboxUnavailable, OSError, TimeoutError) as error:
                why = str(error) or "it took too long"
                raise SandboxUnavailable(f"docker: the way out to its hosts cannot be made: {why}") from None
            return self._ways[pid][0]

    async def close(self, pid: int) -> None:
        """Take the agent's network away, and with the last one the gate."""
        async with self._lock:
            known = self._ways.pop(pid, None)
            if known is None:
                return
            if self._stands and self._writer is not None:
                self._writer.write(json.dumps({"close": pid}).encode() + b"\n")
            await asyncio.to_thread(self._engine.remove_way, known[0].network)
            if not self._ways:
                await self._end()

    @property
    def networks(self) -> Collection[str]:
        """Those that are in use here."""
        return [way.network for way, _ in self._ways.values()]

    @property
    def _stands(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _start(self) -> None:
        await self._end()
        self._started = await asyncio.to_thread(self._engine.start_gate)
        reader, self._writer = await demultiplexed(self._started.stream, self._started.keep)
        self._writer.write(text_of("ways.py"))
        self._writer.write(_program())
        self._task = asyncio.create_task(self._listen(reader))
        for pid, (way, _) in self._ways.items():
            # It ended while agents had their networks: they find the new one where the old one was.
            await asyncio.to_thread(self._engine.join_way, way, self._started.id)
            await self._tell(pid)

    async def _tell(self, pid: int) -> None:
        assert self._writer is not None
        way, hosts = self._ways[pid]
        told = {"open": pid, "address": way.gate, "hosts": hosts, "private": self._private}
        self._asked[pid] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(json.dumps(told).encode() + b"\n")
            await self._writer.drain()
            await asyncio.wait_for(self._asked[pid], _START_S)
        finally:
            self._asked.pop(pid, None)

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._started is not None:
            await asyncio.to_thread(self._engine.remove, self._started.id)
            self._started = None

    async def _listen(self, reader: Reader) -> None:
        rest = b""
        try:
            while data := await reader.read(_LINE):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._heed(line)
                if len(rest) > _LINE:
                    log.warning("the gate for containers says what cannot be read; it is begun anew")
                    return
        except OSError:
            return
        finally:
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(SandboxUnavailable("the gate for containers has ended"))

    def _heed(self, line: bytes) -> None:
        try:
            told = json.loads(line)
        except ValueError:
            return
        asked = self._asked.get(told.get("opened", told.get("failed", 0)))
        if asked is not None and not asked.done():
            if "opened" in told:
                asked.set_result(None)
            else:
                asked.set_exception(SandboxUnavailable(str(told.get("why", ""))))
        elif "refused" in told:
            log.info("process %s may not reach %s: %s", told["refused"], told.get("host"), told.get("why"))


@functools.cache
def _program() -> bytes:
    """The line that hands the gate's own text over."""
    return json.dumps({"gate": Path(gate.__file__).read_text("utf-8")}).encode() + b"\n"


def environment(way: Way) -> dict[str, str]:
    """What tells programs of the gate."""
    proxy = f"http://{way.gate}:{PORT}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    return dict.fromkeys(names, proxy) | {"no_proxy": NOT_BY_PROXY, "NO_PROXY": NOT_BY_PROXY}
