"""Holding an agent still for a moment: no tool of it begins while it is held, and those that run are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Holds:
    """Runs work under `working`, and whoever wants them still takes `hold`. Asking a model moves nothing."""

    def __init__(self) -> None:
        self._held: dict[int, asyncio.Event] = {}
        self._working: dict[int, asyncio.Event] = {}

    @asynccontextmanager
    async def working(self, pid: int) -> AsyncIterator[None]:
        """Tools run within the block; it begins when nobody holds the process."""
        while (let_go := self._held.get(pid)) is not None:
            await let_go.wait()
        done = self._working[pid] = asyncio.Event()
        try:
            yield
        finally:
            del self._working[pid]
            done.set()

    def works(self, pid: int) -> bool:
        """Whether a tool of this process runs here."""
        return pid in self._working

    @asynccontextmanager
    async def hold(self, pid: int, patience_s: float) -> AsyncIterator[None]:
        """Let no tool of the process begin within the block; one that runs has so many seconds to end before it."""
        while (other := self._held.get(pid)) is not None:
            await other.wait()
        let_go = self._held[pid] = asyncio.Event()
        try:
            if (done := self._working.get(pid)) is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await done.wait()
            yield
        finally:
            del self._held[pid]
            let_go.set()
