"""The GPUs of the machine, and which agent has which: each belongs to one at a time, while its container lives."""

from __future__ import annotations

import csv
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..model.errors import SandboxUnavailable

_ASKED = "--query-gpu=uuid,name,memory.total"
_TIMEOUT_S = 10


class Gpu(NamedTuple):
    """One GPU as its driver names it."""

    id: str
    name: str
    memory_mb: int


Found = Callable[[Mapping[str, Any]], Sequence[Gpu]]
"""The GPUs that containers of an engine can be given, which says `info` of itself. Blocks."""


def found(info: Mapping[str, Any]) -> Sequence[Gpu]:
    """Those of NVIDIA, where the driver answers and the engine has its runtime."""
    program = shutil.which("nvidia-smi")
    if program is None or "nvidia" not in (info.get("Runtimes") or {}):
        return ()
    try:
        done = subprocess.run(
            [program, _ASKED, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return listed(done.stdout) if done.returncode == 0 else ()


def listed(text: str) -> list[Gpu]:
    """What the driver's list says; lines that say something else are passed over."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    return [Gpu(row[0], row[1], int(row[2])) for row in rows if len(row) == 3 and row[2].isdigit()]


class Gpus:
    """Who has which. Safe to be used by threads."""

    def __init__(self) -> None:
        self._all: Sequence[Gpu] = ()
        self._of: dict[int, tuple[Gpu, ...]] = {}
        self._lock = threading.Lock()

    def know(self, gpus: Sequence[Gpu]) -> None:
        """These are there now."""
        with self._lock:
            self._all = tuple(gpus)

    def take(self, pid: int, count: int, others: Iterable[str] = ()) -> tuple[Gpu, ...]:
        """So many for this agent, those it has already if it has any. Raises `SandboxUnavailable`.

        `others` are the ids of those that other servers' containers have.
        """
        with self._lock:
            if pid in self._of or count == 0:
                return self._of.get(pid, ())
            if len(self._all) < count:
                raise SandboxUnavailable(
                    f"docker: the agent asks for {_words(count)}, and this machine has {_words(len(self._all))} for "
                    "containers (they need NVIDIA's driver and container toolkit)"
                )
            taken = {gpu.id for gpus in self._of.values() for gpu in gpus}.union(others)
            free = [gpu for gpu in self._all if gpu.id not in taken]
            if len(free) < count:
                who = ", ".join(map(str, sorted(self._of))) or "another server"
                raise SandboxUnavailable(
                    f"docker: the agent asks for {_words(count)}, and {_words(len(free))} of {len(self._all)} is free; "
                    f"the others are with agents ({who}) until they end"
                )
            self._of[pid] = tuple(free[:count])
            return self._of[pid]

    def give_back(self, pid: int) -> None:
        """The agent needs its own no more."""
        with self._lock:
            self._of.pop(pid, None)

    def __str__(self) -> str:
        """How many there are and who has them; '' where there are none."""
        with self._lock:
            if not self._all:
                return ""
            taken = [f"{len(gpus)} with process {pid}" for pid, gpus in sorted(self._of.items())]
            names = ", ".join(sorted({gpu.name for gpu in self._all}))
            return ", ".join([f"{_words(len(self._all))} ({names})", *taken])


def _words(count: int) -> str:
    return {0: "no GPU", 1: "1 GPU"}.get(count, f"{count} GPUs")
