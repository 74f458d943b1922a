"""Who keeps a processor busy goes last: containers that compute all the time give way to those that seldom do.

Nothing is lost where processors are free; where they are not, commands of other agents and the server do not wait for
one that never stops. Use is read off the control groups of this machine; where the engine runs elsewhere all weigh the
same. Little weight alone lets what computes finish its slice before others come; where the kernel can (Linux 5.15) and
the server may (root), it is put into the class that runs only while nobody else wants to.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..pacing import set_control

EVERY_S = 0.5
BUSY, CALM = 0.4, 0.2
"""Of one processor, over the time between two looks: more is busy, less is calm."""
CALM_S = 5.0
"""Seconds of calm after which a container has its weight again."""
USUAL, LAST = 256, 2

Weigh = Callable[[str, int], None]


@dataclass
class _Watched:
    file: Path
    used_s: float
    seen_at: float
    calm_at: float = 0.0
    last: bool = False


class Fairness:
    """Looks at what containers use and weighs them; `weigh` blocks, and never raises."""

    def __init__(self, weigh: Weigh) -> None:
        self._weigh = weigh
        self._watched: dict[str, _Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, container: str, pid: int) -> None:
        """Look at a container, whose first process has this number on the engine's machine."""
        file = usage_file(container, pid)
        if file is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._watched[container] = _Watched(file, used_s(file), time.monotonic())
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._look())

    def drop(self, container: str) -> None:
        """Look at it no more."""
        self._watched.pop(container, None)
        if not self._watched and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        while self._watched:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            for container, watched in list(self._watched.items()):
                try:
                    used = used_s(watched.file)
                except (OSError, ValueError):
                    self.drop(container)
                    continue
                share = (used - watched.used_s) / max(now - watched.seen_at, 0.001)
                watched.used_s, watched.seen_at = used, now
                if share > CALM:
                    watched.calm_at = now
                if not watched.last and share > BUSY:
                    watched.last = True
                elif watched.last and now - watched.calm_at > CALM_S:
                    watched.last = False
                else:
                    continue
                await asyncio.to_thread(self._put, container, watched)

    def _put(self, container: str, watched: _Watched) -> None:
        if watched.last:
            self._weigh(container, LAST)
            set_control(idle_file(watched.file), "1")
        else:
            # A group of that class has no weight that could be set.
            set_control(idle_file(watched.file), "0")
            self._weigh(container, USUAL)


def usage_file(container: str, pid: int) -> Path | None:
    """Where the control group of a container tells what it used, None if that is not on this machine."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if container not in path:
                continue
            if names == "":
                found = Path("/sys/fs/cgroup") / path.lstrip("/") / "cpu.stat"
            elif "cpuacct" in names.split(","):
                roots = (Path("/sys/fs/cgroup") / each for each in (names, "cpuacct"))
                root = next((each for each in roots if each.is_dir()), Path("/sys/fs/cgroup") / names)
                found = root / path.lstrip("/") / "cpuacct.usage"
            else:
                continue
            if found.is_file():
                return found
    return None


def idle_file(usage: Path) -> Path:
    """Where the kernel is told the class of the group whose use is told there; an old one has no such file."""
    parts = ("cpu" if part == "cpuacct" else part for part in usage.parent.parts)
    return Path(*parts) / "cpu.idle"


def used_s(file: Path) -> float:
    """Seconds of processor time. Raises `OSError` when the group is gone."""
    text = file.read_text()
    if file.name == "cpuacct.usage":
        return int(text) / 1e9
    return int(dict(line.split(" ", 1) for line in text.splitlines())["usage_usec"]) / 1e6
