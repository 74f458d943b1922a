"""The real clock, behind `abc.Clock`."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Wall time from the system, measuring time from its monotonic clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)
