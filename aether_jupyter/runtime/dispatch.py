"""The lease of this server on the processes it runs: registered, renewed, and known to be fresh before each deed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable

from ..abc import Clock
from ..kernel.processes import Processes
from ..model.access import RUNTIME
from ..model.errors import StorageBusy, StorageFull

log = logging.getLogger(__name__)

FRESH = 0.8
"""The part of a lease within which a confirmed renewal vouches for it; a woken server makes no stale calls."""


class Lease:
    """One server's claim to be alive. `lost` is called when others have declared it dead."""

    def __init__(self, processes: Processes, clock: Clock, lease_s: float, lost: Callable[[], None]) -> None:
        self._processes = processes
        self._clock = clock
        self._lease_s = lease_s
        self._lost = lost
        self._renewed_at = -1e9
        self._renewed = asyncio.Event()
        self.worker = 0

    async def register(self) -> None:
        """Become a worker."""
        about = json.dumps({"host": socket.gethostname(), "process": os.getpid()})
        began = self._clock.monotonic()
        self.worker = await self._processes.register(RUNTIME, self._lease_s, about)
        self._confirm(began)

    async def fresh(self) -> None:
        """Return at once while the lease is fresh, else once it is renewed."""
        while self._clock.monotonic() - self._renewed_at > FRESH * self._lease_s:
            await self._renewed.wait()

    async def keep(self) -> None:
        """Renew four times a lease, for ever."""
        while True:
            await self._clock.sleep(self._lease_s / 4)
            began = self._clock.monotonic()
            try:
                alive = await self._processes.renew(RUNTIME, self.worker, self._lease_s)
            except (StorageBusy, StorageFull) as error:
                log.warning("the lease could not be renewed: %s", error.message)
                continue
            except Exception:
                log.exception("the lease could not be renewed")
                continue
            if not alive:
                log.warning("this server was declared dead (it did not answer in time); its agents run elsewhere")
                self._lost()
                await self.register()
            else:
                self._confirm(began)

    def _confirm(self, began: float) -> None:
        self._renewed_at = began
        self._renewed.set()
        self._renewed = asyncio.Event()
