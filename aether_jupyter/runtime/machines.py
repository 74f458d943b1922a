"""The sandboxes that are open, one a process: opened on first use, closed with the process."""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from ..abc import NO_WORKSPACES, Freezable, OneForAll, RestingSandbox, Sandbox, SandboxInfo, SandboxKind
from ..config import Settings
from ..model.agent import SandboxSpec
from ..model.errors import SandboxUnavailable, UnknownName
from .homes import Homes

log = logging.getLogger(__name__)

AUTOMATIC = ("docker", "bubblewrap")
"""What `auto` tries, best first. Kinds without isolation are never among them."""


class Machines:
    """Opens sandboxes by kind and keeps them by pid. Leaving its context closes all of them."""

    def __init__(self, kinds: Mapping[str, SandboxKind], settings: Settings) -> None:
        self._kinds = dict(kinds)
        self._settings = settings
        self.homes = Homes(settings)
        self._open: dict[int, Sandbox] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._shown: dict[int, list[Callable[[], None]]] = {}
        self._used_at: dict[int, float] = {}
        self.in_use: list[Callable[[int], bool]] = []
        """Asked before a sandbox that rests is closed: whether somebody looks at it or has it in hand."""

    async def __aenter__(self) -> Machines:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_all()
        await self.homes.close()

    def home(self, pid: int) -> Path:
        """The process's folder, made if missing and readable by its owner only."""
        return self.homes.path(pid)

    def workspaces(self, owner: str, names: Sequence[str]) -> dict[str, Path]:
        """The owner's shared folders of these names, made where missing."""
        root = self.workspaces_of(owner)
        found = {name: root / name for name in names}
        for folder in found.values():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return found

    def workspaces_of(self, owner: str) -> Path:
        """The folder that holds the owner's shared folders, each by its name."""
        # Quoted, so that no owner's name can be a path; a leading dot would survive quoting.
        return self._settings.home / "workspaces" / f"of-{quote(owner, safe='')}"

    async def open(self, pid: int, spec: SandboxSpec, workspaces: Mapping[str, Path] = NO_WORKSPACES) -> Sandbox:
        """The process's sandbox. Raises `SandboxUnavailable`; nothing ran then."""
        self._used_at[pid] = time.monotonic()
        found = self._open.get(pid)
        if found is not None:
            return found
        async with self._locks.setdefault(pid, asyncio.Lock()):
            found = self._open.get(pid)
            if found is None:
                kind = self._kinds[await self.resolve(spec.kind)]
                found = await kind.open(pid, spec, await self.homes.ready(pid, spec), workspaces)
                self._open[pid] = found
            return found

    async def open_elsewhere(self, pid: int, spec: SandboxSpec) -> bool:
        """Whether another server has the process's sandbox open, which would end if one were opened here."""
        lock = self._locks.setdefault(pid, asyncio.Lock())
        if pid in self._open or lock.locked():
            return False
        async with lock:
            try:
                kind: object = self._kinds[await self.resolve(spec.kind)]
            except SandboxUnavailable:
                return False
            return isinstance(kind, OneForAll) and await kind.open_elsewhere(pid)

    async def terminal(
        self, pid: int, spec: SandboxSpec, workspaces: Mapping[str, Path], ending: Callable[[], None]
    ) -> list[str]:
        """What shows a person a shell of the process's sandbox; `ending` is called before that ends."""
        sandbox = await self.open(pid, spec, workspaces)
        argv = await sandbox.terminal()
        self._shown.setdefault(pid, []).append(ending)
        return argv

    def shows(self, pid: int) -> bool:
        """Whether a person was given a shell of the process's open sandbox, which may have ended since."""
        return bool(self._shown.get(pid))

    def freezable(self, pid: int) -> bool:
        """Whether the process has an open sandbox that can be frozen."""
        return isinstance(self._open.get(pid), Freezable)

    @asynccontextmanager
    async def frozen(self, pid: int) -> AsyncIterator[bool]:
        """Stop whatever runs in the process's sandbox within the block. False if that cannot be done."""
        found: object = self._open.get(pid)
        if not isinstance(found, Freezable):
            yield False
            return
        frozen = await found.freeze()
        try:
            yield frozen
        finally:
            if frozen:
                await asyncio.shield(found.thaw())

    async def close(self, pid: int) -> None:
        """End the process's sandbox, if one is open."""
        lock = self._locks.get(pid)
        if lock is None:
            return
        async with lock:
            found = self._open.pop(pid, None)
            for ending in self._shown.pop(pid, ()):
                ending()
            if found is not None:
                await found.close()
        self._locks.pop(pid, None)
        self._used_at.pop(pid, None)

    async def close_all(self) -> None:
        """End every sandbox; one that does not close is logged and does not keep the others open."""
        pids = list(self._locks)
        for pid, result in zip(
            pids, await asyncio.gather(*(self.close(p) for p in pids), return_exceptions=True), strict=True
        ):
            if isinstance(result, Exception):
                log.error("sandbox of process %s did not close", pid, exc_info=result)

    async def resolve(self, kind: str = "auto") -> str:
        """The name of the sandbox that `kind` stands for here. Raises `UnknownName`, `SandboxUnavailable`."""
        if kind == "auto":
            kind = self._settings.sandbox
        if kind == "auto":
            return await self._automatic()
        chosen = self._kinds.get(kind)
        if chosen is None:
            near = difflib.get_close_matches(kind, self._kinds, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownName(f"no sandbox {kind!r}.{hint} There are: auto, {', '.join(self._kinds)}")
        if not chosen.isolated and not self._settings.allow_host_sandbox:
            raise SandboxUnavailable(
                f"the sandbox {kind!r} isolates nothing and is not allowed on this server "
                "(c.Aether.allow_host_sandbox = True allows it)"
            )
        answer = await chosen.available()
        if not answer.ok:
            raise SandboxUnavailable(f"sandbox {kind}: {answer.detail}. {answer.fix}", fix=answer.fix)
        return kind

    async def statuses(self) -> list[SandboxInfo]:
        """Every kind and whether it can be used here, asked now."""
        kinds = list(self._kinds.values())
        answers = await asyncio.gather(*(kind.available() for kind in kinds))
        return [SandboxInfo(k.name, k.isolated, a) for k, a in zip(kinds, answers, strict=True)]

    async def reap(self, alive: Container[int], needed: Iterable[int] = ()) -> list[int]:
        """Remove what a crash left of processes of this `AETHER_HOME` that are not alive. Returns their pids.

        `needed` are those at work here: their homes stay at hand, and their sandboxes open. Others that nobody used for
        `c.Aether.sandbox_idle_s` are closed; the next command opens one over the same files.
        """
        needed = frozenset(needed)
        await self._rest(needed)
        gone = {pid for pid in list(self._open) if pid not in alive}
        for pid in gone:
            await self.close(pid)
        for kind in self._kinds.values():
            gone.update(await kind.reap(str(self._settings.home), alive))
        await self.homes.settle({*self._open, *needed})
        return sorted(gone)

    async def _rest(self, needed: Container[int]) -> None:
        before = time.monotonic() - self._settings.sandbox_idle_s
        for pid, found in list(self._open.items()):
            if pid in needed or not isinstance(found, RestingSandbox) or any(asked(pid) for asked in self.in_use):
                self._used_at[pid] = time.monotonic()
            elif self._used_at.get(pid, 0.0) < before:
                if await found.resting():
                    log.info("the sandbox of process %s is closed: nobody used it", pid)
                    await self.close(pid)
                else:
                    self._used_at[pid] = time.monotonic()

    async def _automatic(self) -> str:
        told: list[str] = []
        fixes: list[str] = []
        for name in AUTOMATIC:
            kind = self._kinds.get(name)
            if kind is None:
                continue
            answer = await kind.available()
            if answer.ok:
                return name
            told.append(f"{name}: {answer.detail}")
            fixes.append(answer.fix)
        raise SandboxUnavailable(
            "no sandbox can isolate commands here, so nothing runs. "
            + "; ".join(told)
            + ". To mend it: "
            + ", or ".join(fix for fix in fixes if fix),
            fixes=fixes,
        )
