"""The folder of each process, where it can be a volume of fixed size, and what becomes of it.

A volume is mounted at the folder's own path, so that file tools, doors and sandboxes see the same files. It is made
before the first call that can touch files, mounted whenever somebody needs it, and unmounted when nobody does for a
while; it goes with the home.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import beneath
from ..config import Settings
from ..model.agent import SandboxSpec
from ..model.errors import AetherError, SandboxUnavailable
from ..volumes import Volumes

log = logging.getLogger(__name__)

IDLE_S = 60.0
"""Seconds a volume stays mounted that nobody needs."""
_FIX = "set c.Aether.home_volumes = 'auto', or run the server as root on Linux with loop devices"

_OLD_FIX = (
    "set c.Aether.home_volumes = 'auto', or take a snapshot of the agent and restore it: its home is a volume then"
)


class Homes:
    """One folder a process, named by its PID."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.homes
        self._setting = settings.home_volumes
        self._most = settings.home_quota_bytes
        self._volumes = Volumes(settings.home / "volumes", settings.home_write_mb_s * 1_000_000)
        self._ready: dict[int, float] = {}
        self._looked: set[int] = set()

    def path(self, pid: int) -> Path:
        """The folder, made if missing and readable by its owner only."""
        home = self._root / str(int(pid)) if pid in self._ready else self.existing(pid)
        if not home.is_dir():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                self._root.chmod(0o700)
        return home

    def existing(self, pid: int) -> Path:
        """The folder, which may not be there; its volume is mounted if it has one, which takes some milliseconds.

        It stays mounted for `IDLE_S` from now: whoever asks is about to read.
        """
        home = self._root / str(int(pid))
        if pid in self._looked and pid not in self._ready:
            return home
        # Also where none can be made any more: what was written there is to be found. And also of one that is mounted:
        # this is called in threads, and only the volumes know whether it is being unmounted at this moment.
        if self._volumes.use(pid, home, None):
            self._ready[pid] = time.monotonic()
        return home

    async def ready(self, pid: int, spec: SandboxSpec, *, files: bool = True) -> Path:
        """The folder with its volume, made now if it holds nothing yet. Raises `SandboxUnavailable`.

        Without `files` none is made: nothing will be written there yet.
        """
        if pid in self._ready:
            self._ready[pid] = time.monotonic()
        elif files:
            await asyncio.to_thread(self._prepare, pid, spec)
            self._ready[pid] = time.monotonic()
        elif pid not in self._looked:
            await asyncio.to_thread(self.path, pid)
            self._looked.add(pid)
        return self._root / str(pid)

    async def sized(self) -> str:
        """'' where homes are volumes of fixed size, else why they are not."""
        if self._setting == "never":
            return "c.Aether.home_volumes = 'never'"
        return await asyncio.to_thread(self._volumes.missing)

    async def settle(self, needed: Container[int]) -> None:
        """Unmount what nobody needs and nobody has used for a while."""
        before = time.monotonic() - IDLE_S
        for pid in self._volumes.used():
            if pid not in needed and self._ready.get(pid, 0.0) < before:
                self._ready.pop(pid, None)
                if not await asyncio.to_thread(self._volumes.leave, pid, self._root / str(pid), before):
                    self._ready[pid] = time.monotonic()
        for pid in [pid for pid, at in self._ready.items() if at < before and pid not in needed]:
            del self._ready[pid]
        self._looked = {pid for pid in self._looked if pid in needed}

    @contextmanager
    def filling(self, folder: Path, spec: SandboxSpec) -> Iterator[Path]:
        """A home that is nobody's yet, in this folder, to be filled within the block; `put` gives it to a process.

        Raises `SandboxUnavailable`.
        """
        home = folder / "home"
        home.mkdir(mode=0o700)
        if self._lacking():
            yield home
            return
        with self._volumes.filling(folder / "home.img", home, self.size(spec)):
            yield home

    def put(self, folder: Path, pid: int) -> None:
        """Give what was filled to a process that was just recorded. Quick: a writer waits for it."""
        home = self._root / str(int(pid))
        # A server that was cut off in this very place has left it under a number that was not given.
        self._volumes.remove(pid, home)
        beneath.remove(home)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (folder / "home.img").exists():
            self._volumes.give(folder / "home.img", pid)
            home.mkdir(mode=0o700)
        else:
            (folder / "home").rename(home)

    async def remove(self, pid: int) -> None:
        """Delete the home and its volume. Raises `ToolFailed`, `SandboxUnavailable`, `OSError`."""
        self._ready.pop(pid, None)
        self._looked.discard(pid)
        home = self._root / str(int(pid))
        await asyncio.to_thread(self._volumes.remove, pid, home)
        await asyncio.to_thread(beneath.remove, home)

    def pids(self) -> Sequence[int]:
        """Every process that has a home here."""
        folders = (
            [int(path.name) for path in self._root.iterdir() if path.name.isdigit()] if self._root.is_dir() else []
        )
        return sorted({*folders, *self._volumes.pids()})

    async def close(self) -> None:
        """Unmount what this server uses; what is still busy is said and left."""
        self._ready.clear()
        self._looked.clear()
        for pid in self._volumes.used():
            try:
                left = await asyncio.to_thread(self._volumes.leave, pid, self._root / str(pid))
            except AetherError as error:
                log.warning("the volume of process %s stays mounted: %s", pid, error.message)
            else:
                if not left:
                    log.warning("the volume of process %s stays mounted: it is in use", pid)

    def size(self, spec: SandboxSpec) -> int:
        """How many bytes a home of this kind may hold."""
        return self._most if spec.disk_mb is None else spec.disk_mb << 20

    def _lacking(self) -> str:
        """Why homes are no volumes here, '' where they are. Raises `SandboxUnavailable` where they have to be."""
        why = self._setting if self._setting == "never" else self._volumes.missing()
        if self._setting == "always" and why:
            raise SandboxUnavailable(
                f"c.Aether.home_volumes = 'always': homes cannot be volumes of fixed size here ({why}). {_FIX}",
                fix=_FIX,
            )
        return why

    def _prepare(self, pid: int, spec: SandboxSpec) -> None:
        home = self.path(pid)
        if self._lacking() or self._volumes.use(pid, home, self.size(spec)):
            return
        if self._setting == "always":
            raise SandboxUnavailable(
                f"c.Aether.home_volumes = 'always': the home of agent {pid} holds files from before homes were volumes "
                f"of fixed size. {_OLD_FIX}",
                fix=_OLD_FIX,
            )
