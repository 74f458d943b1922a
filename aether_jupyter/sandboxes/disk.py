"""Measures what a home holds while commands run in it, where the home is no volume of fixed size."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

_EVERY_S, _SHARE = 1.0, 10
"""Seconds between two measurements while commands run; at most one part in so many of the time is spent measuring."""
_QUIET_S, _QUIET_SHARE = 30.0, 100
"""The same while none does: what one left in the background can still write."""


class DiskWatch:
    """One home. `full` is called once when it grows beyond its size; `busy` says whether a command runs."""

    def __init__(
        self, home: Path, most_bytes: int, full: Callable[[str], None], busy: Callable[[], bool] = lambda: True
    ) -> None:
        self._home = home
        self._most = most_bytes
        self._full = full
        self._busy = busy
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless the home's own size holds it; look again soon, if it has begun."""
        self._wake.set()
        if (self._task is None or self._task.done()) and not os.path.ismount(self._home):
            self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _watch(self) -> None:
        # Who is over it already may run what deletes; only what makes it more is ended.
        allowed = max(self._most, await asyncio.to_thread(held_bytes, self._home))
        while True:
            began = time.monotonic()
            found = await asyncio.to_thread(held_bytes, self._home)
            if found > allowed:
                self._full(
                    f"the home holds {found >> 20} MB and may hold {self._most >> 20}; all that ran in the sandbox was "
                    "ended. Files are kept: delete some of them first"
                )
                return
            allowed = max(self._most, min(allowed, found))
            took = time.monotonic() - began
            await asyncio.sleep(max(_EVERY_S, _SHARE * took))
            if not self._busy():
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(_QUIET_S, _QUIET_SHARE * took))


def held_bytes(folder: Path) -> int:
    """What lies below a folder takes of the disk. Links are not followed; what goes meanwhile is not counted."""
    total = 0
    seen: set[int] = set()
    for _, folders, files, fd in os.fwalk(folder, onerror=None):
        for name in (*files, *folders):
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError:
                continue
            if status.st_nlink > 1 and name in files:
                if status.st_ino in seen:
                    continue
                seen.add(status.st_ino)
            total += status.st_blocks * 512
    return total
