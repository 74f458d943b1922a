"""Snapshots as deeds: an agent is held for a moment and copied, and new ones go on from what was copied.

What is slow (hashing, compressing, flushing) is done when the agent runs again. Files are in their place before the row
that names them, and the row of a process that goes on from a snapshot is written when its home is where it belongs, so
a crash leaves nothing half: what no row names is swept.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from uuid_utils import uuid7

from .. import __version__
from ..abc import Clock, Showing
from ..config import Settings
from ..engine import branch as branches
from ..engine import manifest as manifests
from ..engine.branch import At
from ..kernel.memories import Memories
from ..kernel.notes import NotesKeeper
from ..kernel.processes import Processes
from ..kernel.snapshots import Kept, Moment, Snapshots
from ..model.access import RUNTIME, Principal, require
from ..model.agent import AgentSpec
from ..model.errors import AetherError, BadSnapshot, Conflict, StorageFull
from ..model.events import ProcessRestored
from ..model.memory import Memory, Source, memory_name
from ..model.process import CameFrom, Process, State
from ..model.snapshot import (
    Branched,
    Branching,
    Comparison,
    Entry,
    Files,
    Manifest,
    MemoryPart,
    Reason,
    Snapshot,
    SnapshotDetail,
)
from ..model.tool import Risk
from ..store.database import Transaction
from . import archive
from .holds import Holds
from .machines import Machines
from .toolbox import Toolbox
from .vault import SPARE_BYTES, Capture, Vault, chunks_of, folds_case, locked

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S, MORE_PATIENCE_S = 2.0, 20.0
"""How long a tool is let go on before its sandbox is frozen; and where that cannot be."""
SHOWING_S = 1.0
NAMES = 100
NAME_CHARS = 120
ENDING = "aethersnapshot"
LATEST = 2**31 - 1
AT_ONCE, SOME = 5_000, 500
"""So many memories are written in the transaction in which an agent begins, for which all others wait; and by each one
after it."""


class Recalled(msgspec.Struct, frozen=True):
    """What is to be put into the memory of `agent`; nothing where it shares one that is there."""

    agent: str = ""
    memories: Sequence[Memory] = ()
    notes: str = ""


class Captures:
    """Implements `abc.Captures`. `runs_here` says whether this server runs a process; `showing` what it has open."""

    def __init__(
        self,
        snapshots: Snapshots,
        processes: Processes,
        memories: Memories,
        notes: NotesKeeper,
        machines: Machines,
        toolbox: Toolbox,
        holds: Holds,
        settings: Settings,
        clock: Clock,
        showing: Sequence[Showing] = (),
    ) -> None:
        self._snapshots = snapshots
        self._processes = processes
        self._memories = memories
        self._notes = notes
        self._machines = machines
        self._toolbox = toolbox
        self._holds = holds
        self._settings = settings
        self._clock = clock
        self._showing = showing
        self._locks: dict[str, asyncio.Lock] = {}
        self._placer = asyncio.Lock()
        self.runs_here: Callable[[int], bool] = lambda pid: False

    # --- taking --------------------------------------------------------------------------------------------------

    async def take(
        self,
        actor: Principal,
        pid: int,
        *,
        label: str = "",
        kept: bool = False,
        reason: Reason = "asked",
        upto: int | None = None,
    ) -> Snapshot:
        """Capture a process as it stands, or as its journal stood after event `upto`.

        It is held while its files are copied: a tool that runs is let end, or its sandbox is frozen; a model that is
        asked meanwhile is not disturbed. Raises `Conflict` for one that another server runs, `StorageFull`.
        """
        require(actor, "snapshots:write")
        process = await self._processes.get(actor, pid)
        if process.state is State.RUNNING and not self.runs_here(pid):
            raise Conflict(f"Agent {pid} is run by another server of this AETHER_HOME; pause it, or ask that server")
        async with self._alone(process.owner) as vault:
            known: Mapping[str, Entry] = {}
            seen = await self._snapshots.before(RUNTIME, pid, LATEST)
            if seen is not None:
                known = await asyncio.to_thread(_known, vault, seen.manifest)
            moment, capture, extras, pause_s, still = await self._captured(vault, pid, known)
            try:
                kept_as = secrets.token_hex(8)
                made, new_bytes = await _to_the_end(
                    _keep, vault, kept_as, capture, moment, extras, upto or moment.process.head, self._clock.now()
                )
            except BaseException:
                # A full disk: what was kept of it by then is room again. The copy goes with it.
                await self._sweep(vault, process.owner)
                raise
            await asyncio.to_thread(vault.discard, capture)
            files = [entry for entry in made.files if entry.kind == "file"]
            snapshot, gone = await self._snapshots.taken(
                actor,
                Snapshot(
                    id=0,
                    owner=process.owner,
                    pid=pid,
                    agent=moment.agent,
                    name=moment.process.name,
                    step=moment.process.step,
                    n=made.n,
                    taken_at=made.taken_at,
                    by=actor.name,
                    reason=reason,
                    label=label,
                    kept=kept,
                    files=len(files),
                    size_bytes=sum(entry.size for entry in files),
                    new_bytes=new_bytes,
                    memories=sum(moment.layers.values()),
                    plan_done=moment.process.plan_done,
                    plan_steps=moment.process.plan_steps,
                    pause_s=pause_s,
                    still=still,
                    left_out=capture.left,
                    extras={kind: len(open_) for kind, open_ in extras.items()},
                ),
                kept_as,
            )
            if gone:
                await self._sweep(vault, process.owner)
        return snapshot

    async def before_destructive(self, pid: int, upto: int) -> None:
        """Capture an agent of this server before what cannot be undone. Raises `AetherError` where that fails."""
        await self.take(RUNTIME, pid, reason="destructive", upto=upto)

    async def _captured(
        self, vault: Vault, pid: int, known: Mapping[str, Entry]
    ) -> tuple[Moment, Capture, dict[str, list[Any]], float, bool]:
        patience_s = PATIENCE_S if self._machines.freezable(pid) else MORE_PATIENCE_S
        async with self._holds.hold(pid, patience_s):
            home = await asyncio.to_thread(self._machines.homes.existing, pid)
            began = time.perf_counter()
            # While programs still answer: they do not once they are frozen.
            extras = await self._open_things(pid)
            async with self._machines.frozen(pid) as frozen:
                still = frozen or not (self._holds.works(pid) or await self._in_hand(pid))
                moment = await self._snapshots.moment(pid)
                capture = await asyncio.to_thread(vault.spool, home, known)
            pause_s = time.perf_counter() - began
        return moment, capture, extras, pause_s, still

    async def _in_hand(self, pid: int) -> bool:
        """Whether a person has a terminal here. A desktop that a person may have is always frozen."""
        if not self._machines.shows(pid):
            return False
        events = await self._snapshots.history(pid)
        latest = events[-1][0]
        return bool(branches.at_hand(events, latest, latest + 1))

    async def _open_things(self, pid: int) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for ask in self._showing:
            try:
                async with asyncio.timeout(SHOWING_S):
                    found |= manifests.open_things(await ask(pid))
            except Exception:
                # A screen that does not answer is no reason to have no snapshot.
                log.exception("what process %s has open could not be asked", pid)
        return found

    # --- looking -------------------------------------------------------------------------------------------------

    async def detail(self, actor: Principal, key: int) -> SnapshotDetail:
        """A snapshot and what is in it."""
        kept = await self._snapshots.get(actor, key)
        manifest = await self._manifest(kept)
        return SnapshotDetail(
            kept.snapshot, manifest.plan, manifest.memory.layers, list(manifest.left_out), manifest.extras
        )

    async def compare(self, actor: Principal, before: int, after: int) -> Comparison:
        """What is otherwise in the second of two snapshots."""
        pair = [await self._snapshots.get(actor, key) for key in (before, after)]
        old, new = [(kept.snapshot, await self._manifest(kept)) for kept in pair]
        return await asyncio.to_thread(manifests.compare, old, new)

    async def delete(self, actor: Principal, key: int) -> Snapshot:
        """Delete a snapshot, and from the disk what no other one holds."""
        gone = await self._snapshots.delete(actor, key)
        async with self._alone(gone.owner) as vault:
            await self._sweep(vault, gone.owner)
        return gone

    # --- going on ------------------------------------------------------------------------------------------------

    async def restore(self, actor: Principal, key: int, how: Branching, *, trusted: bool = False) -> Branched:
        """A new process that goes on from a snapshot, with its files. Raises what a spawn would, `BadSnapshot`.

        With `trusted` one that came from elsewhere keeps its instructions, role, desktop and hosts: see `tamed`.
        """
        require(actor, "snapshots:write")
        kept = await self._snapshots.get(actor, key)
        manifest = await self._manifest(kept)
        events = await self._history(kept, manifest)
        how = msgspec.structs.replace(how, memory=how.memory or "then")
        upto = _with_message(events, manifest.n, how)
        notes = _of_files(kept.snapshot)
        source, spec = kept.snapshot.pid, manifest.spec
        lost: Sequence[str] = ()
        if source is None:
            spec, lost = self._tamed(spec, trusted)
        return await self._go_on(actor, source, events, upto, spec, how, (kept, manifest), notes, lost)

    async def fork(
        self, actor: Principal, pid: int, step: int | None, how: Branching, files: Files = "nearest"
    ) -> Branched:
        """A new process that goes on from a step of a living or ended one; from where it stands if none is named.

        Files are those of the last snapshot at or before the step (`nearest`), or as they are `now`; a step that is the
        last one is captured for it. The notes say where they differ from the step.
        """
        require(actor, "snapshots:write")
        process = await self._processes.get(actor, pid)
        events = await self._snapshots.history(pid)
        latest = events[-1][0]
        upto = latest if step is None else branches.position(events, step)
        upto = _with_message(events, upto, how)
        how = msgspec.structs.replace(how, memory=how.memory or "now")
        reads = {tool.name for tool in self._toolbox.all() if tool.risk is Risk.SAFE}.__contains__
        at_end = not branches.touched_files(events, upto, latest, reads)
        there = (self._settings.homes / str(pid)).is_dir()
        kept: Kept | None = None
        if files == "now" and not there:
            raise Conflict(f"The files of agent {pid} are gone; fork with files from a snapshot, or none")
        if there and (files == "now" or (files == "nearest" and at_end)):
            taken = await self.take(actor, pid, reason="fork")
            kept = await self._snapshots.get(actor, taken.id)
            events = await self._snapshots.history(pid)
        elif files == "nearest":
            kept = await self._snapshots.before(actor, pid, upto)
        manifest = await self._manifest(kept) if kept is not None else None
        notes = _differing(pid, events, upto, kept, reads) if files != "none" else ["It begins with an empty home."]
        spec = await self._processes.spec(actor, pid)
        found = (kept, manifest) if kept is not None and manifest is not None else None
        return await self._go_on(actor, process.pid, events, upto, spec, how, found, notes)

    async def _go_on(
        self,
        actor: Principal,
        source: int | None,
        events: Sequence[At],
        upto: int,
        spec: AgentSpec,
        how: Branching,
        files: tuple[Kept, Manifest] | None,
        notes: list[str],
        lost: Sequence[str] = (),
    ) -> Branched:
        """`notes` are read by the agent, too; what it `lost` on its way here by people alone."""
        require(actor, "processes:spawn")
        now, foreign, of_files = self._clock.now(), source is None, tuple(notes)
        notes = [*notes, *lost]
        if foreign:
            events, images = branches.sightless(events)
            notes += [f"{_count(images, 'image')} of its journal stayed elsewhere."] if images else []
        if how.model:
            spec = msgspec.structs.replace(spec, model=how.model, fallbacks=())
        made = await asyncio.to_thread(
            branches.branch, events, upto, spec, how, by=actor.name, now=now, key=str(uuid7())
        )
        old = made.process
        above = [] if foreign else await self._snapshots.names_above(old.parent)
        parent = old.parent if above else None
        self._processes.admissible(made.spec, (how.name or old.name, *above))
        name, told, recalled = await self._remembering(actor, made, above, how, files, foreign)
        notes += told
        state, wait = branches.going_on(made, how)
        snapshot = files[0].snapshot if files is not None else None
        process = msgspec.structs.replace(
            old,
            pid=0,
            name=name,
            owner=actor.owner,
            goal=made.spec.goal,
            model=how.model or old.model,
            parent=parent,
            state=state,
            wait=wait,
            limits=branches.left_of(made.state.limits, made.state, made.events[-1][0]),
            exit=None,
            run_since=None,
            run_s=0.0,
            ended_at=None,
            reaped_at=None,
            input_tokens=0,
            output_tokens=0,
            cost_usd=0.0,
            cost_known=True,
            reserved_tokens=0,
            reserved_usd=0.0,
            signal=None,
            rating=None,
            origin=f"snapshot:{snapshot.id}" if snapshot is not None else f"fork:{source}",
            came_from=CameFrom(
                pid=source,
                n=upto,
                step=made.state.step,
                snapshot=snapshot.id if snapshot is not None else None,
                files_step=snapshot.step if snapshot is not None else None,
            ),
        )
        if wait is not None:
            notes.append(wait.detail)
        extras = files[1].extras if files is not None else {}
        told_agent = _told(source, made, [*of_files, *_closed(extras)])
        tainted = foreign or (old.parent is not None and parent is None)

        def restored(new: Process) -> ProcessRestored:
            return ProcessRestored(new, made.spec, told_agent, made.edited, how.model, tainted)

        if files is None:
            return Branched(await self._begin(actor, process, made.events, restored, recalled, None), notes)
        most = self._machines.homes.size(made.spec.sandbox)
        await asyncio.to_thread(_must_fit, self._settings.snapshots, files[1], most)
        # To the end: what lies beside it half done would be swept.
        async with self._alone(actor.owner) as vault:
            staged = await asyncio.to_thread(vault.folder)
            try:
                await asyncio.to_thread(self._fill, vault, staged, files[1], made.spec)
                begun = await self._begin(actor, process, made.events, restored, recalled, staged)
            finally:
                await asyncio.to_thread(vault.drop, staged)
        return Branched(begun, notes)

    async def _begin(
        self,
        actor: Principal,
        process: Process,
        history: Sequence[branches.Kept],
        restored: Callable[[Process], ProcessRestored],
        recalled: Recalled,
        staged: Path | None,
    ) -> Process:
        placed: list[int] = []

        def place(pid: int) -> None:
            if staged is not None:
                placed.append(pid)
                self._machines.homes.put(staged, pid)

        def recall(tx: Transaction) -> None:
            self._memories.keep_again(tx, actor.owner, recalled.agent, recalled.memories[-AT_ONCE:])
            if recalled.notes:
                self._notes.put(tx, actor, recalled.agent, recalled.notes)

        async with self._placing():
            try:
                begun = await self._snapshots.begin(actor, process, history, restored, place, recall)
            except Exception:
                # It was not committed, so this is nobody's.
                for pid in placed:
                    await self._machines.homes.remove(pid)
                raise
        self._memories.changed()
        self._notes.forget(actor.owner)
        # The oldest of very many come while it works already.
        older = recalled.memories[:-AT_ONCE]
        for at in range(0, len(older), SOME):
            await self._memories.put_back(actor, recalled.agent, older[at : at + SOME])
        return begun

    def _fill(self, vault: Vault, folder: Path, manifest: Manifest, spec: AgentSpec) -> None:
        with self._machines.homes.filling(folder, spec.sandbox) as home:
            vault.lay_out(manifest, home)

    def _tamed(self, spec: AgentSpec, trusted: bool) -> tuple[AgentSpec, list[str]]:
        """A request from elsewhere as it may run here, and what it lost."""
        tame = branches.tamed(spec, trusted=trusted)
        told = []
        if (spec.role, spec.system) != (tame.role, tame.system):
            told.append(
                "Its role and its own instructions were left out: they would stand in every prompt. If you vouch for "
                "them, restore it as trusted."
            )
        if spec.tools is not None:
            here = {tool.name for tool in self._toolbox.all()}
            lacking = [name for name in spec.tools if name not in here]
            tame = msgspec.structs.replace(tame, tools=tuple(name for name in spec.tools if name in here))
            told += [f"These tools are not here: {', '.join(lacking)}."] if lacking else []
        if tame.mode is not spec.mode:
            told.append(f"It may act as far as {tame.mode}, not {spec.mode}: it came from elsewhere.")
        if len(tame.permissions) < len(spec.permissions):
            told.append("What its permissions allowed there is not allowed here.")
        if spec.workspaces:
            told.append(f"It has no shared folders here ({', '.join(spec.workspaces)}).")
        if spec.sandbox != tame.sandbox:
            lost = [
                each for each in ("network", "desktop") if getattr(spec.sandbox, each) != getattr(tame.sandbox, each)
            ]
            without = f", without {' or '.join(lost)}" if lost else ""
            way_out = " Restored as trusted, it has them." if lost and not trusted else ""
            told.append(f"It gets the sandbox of this server{without}.{way_out}")
        return tame, told

    async def _remembering(
        self,
        actor: Principal,
        made: branches.Branch,
        above: Sequence[str],
        how: Branching,
        files: tuple[Kept, Manifest] | None,
        foreign: bool,
    ) -> tuple[str, list[str], Recalled]:
        """The name under which it remembers, and its memories of the time if they are to be put there."""
        name = how.name or made.process.name
        agent = memory_name(name, above)
        if how.memory == "now" or files is None:
            held = await self._snapshots.remembers(actor.owner, agent)
            return name, [f"It shares the memory of {agent}, as it is now."] if held else [], Recalled()
        kept, manifest = files
        part = manifest.memory
        if not foreign and agent == part.agent and await self._unchanged(kept, part):
            return name, [], Recalled()
        if await self._snapshots.remembers(actor.owner, agent):
            if how.name:
                raise Conflict(f"name: {agent} remembers things of its own; choose another name, or memory=now")
            name, agent = await self._free_name(actor.owner, f"{name} (step {made.state.step})", above)
        memories = await asyncio.to_thread(archive.memories_of, self._vault(actor.owner), manifest)
        if foreign:
            source = Source(actor.name, "import", tainted=True)
            memories = [msgspec.structs.replace(memory, source=source) for memory in memories]
        require(actor, "memory:write")
        told = [f"It remembers what it did then ({_count(len(memories), 'memory', 'memories')}), as {agent}."]
        if part.notes and foreign:
            told.append("Its MEMORY.md was left out: it would stand in every prompt.")
        return name, told, Recalled(agent, memories, part.notes if not foreign else "")

    async def _unchanged(self, kept: Kept, part: MemoryPart) -> bool:
        if kept.snapshot.pid is None:
            return False
        moment = await self._snapshots.moment(kept.snapshot.pid)
        pages = await asyncio.to_thread(lambda: [each for page in moment.pages for each in chunks_of(page)])
        return moment.agent == part.agent and tuple(pages) == part.pages and moment.notes == part.notes

    async def _free_name(self, owner: str, name: str, above: Sequence[str]) -> tuple[str, str]:
        for number in range(1, NAMES):
            tail = f" {number}" if number > 1 else ""
            tried = name[: NAME_CHARS - len(tail)] + tail
            agent = memory_name(tried, above)
            if not await self._snapshots.remembers(owner, agent):
                return tried, agent
        raise Conflict(f"name: there are {NAMES} agents called {name} and a number already; choose another name")

    # --- elsewhere -----------------------------------------------------------------------------------------------

    async def export(self, actor: Principal, key: int) -> tuple[str, AsyncGenerator[bytes, None]]:
        """A snapshot as one file: its name, and its bytes in pieces."""
        kept = await self._snapshots.get(actor, key)
        manifest = manifests.portable(await self._manifest(kept))
        pid = kept.snapshot.pid
        events = await self._snapshots.history(pid, manifest.n) if pid is not None else ()
        stem = re.sub(r"[^\w.-]+", "-", kept.snapshot.name).strip("-.")[:60] or "agent"
        pieces = archive.packed(self._vault(kept.snapshot.owner), manifest, events)
        return f"{stem}-step-{kept.snapshot.step}.{ENDING}", _in_threads(pieces)

    @contextmanager
    def upload(self) -> Iterator[Path]:
        """A file for what is to be imported; it is gone when the context is left."""
        self._settings.snapshots.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._settings.snapshots / f"upload-{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def take_in(self, actor: Principal, path: Path) -> Snapshot:
        """Keep a snapshot that came as a file. It is words of strangers, whoever brings it.

        Raises `BadSnapshot` for what is damaged, or holds what no snapshot may; nothing of it is kept then.
        """
        require(actor, "snapshots:write")
        async with self._alone(actor.owner) as vault:
            name = secrets.token_hex(8)
            try:
                manifest, new_bytes = await _to_the_end(_taken_in, vault, path, name)
                files = [entry for entry in manifest.files if entry.kind == "file"]
                return await self._snapshots.imported(
                    actor,
                    Snapshot(
                        id=0,
                        owner=actor.owner,
                        pid=None,
                        agent=manifest.process.name[:NAME_CHARS],
                        name=manifest.process.name[:NAME_CHARS],
                        step=manifest.process.step,
                        n=manifest.n,
                        taken_at=manifest.taken_at,
                        by=actor.name,
                        reason="imported",
                        files=len(files),
                        size_bytes=sum(entry.size for entry in files),
                        new_bytes=new_bytes,
                        memories=sum(manifest.memory.layers.values()),
                        plan_done=manifest.process.plan_done,
                        plan_steps=manifest.process.plan_steps,
                        left_out=len(manifest.left_out),
                        extras={kind: len(each) for kind, each in manifest.extras.items()},
                    ),
                    name,
                )
            except BaseException:
                await self._sweep(vault, actor.owner)
                raise

    # --- tidying -------------------------------------------------------------------------------------------------

    async def tidy(self) -> None:
        """Take away what a server that was cut off has left: copies, contents nobody names, homes without an agent."""
        try:
            await self._tidy_homes()
            for owner in await asyncio.to_thread(self._owners):
                names = await self._snapshots.manifests(owner)
                vault = self._vault(owner)
                if await asyncio.to_thread(vault.left_over, names):
                    await asyncio.to_thread(self._sweep_if_free, vault, names)
        except Exception:
            log.exception("what a cut-off snapshot has left could not be swept; it is tried when a server starts again")

    async def swept(self, owner: str) -> None:
        """Rows of an owner were erased: sweep what no row names any more."""
        async with self._alone(owner) as vault:
            names = await self._snapshots.manifests(owner)
            await asyncio.to_thread(vault.sweep, names)
            if not names:
                await asyncio.to_thread(vault.drop, vault.root)

    def folder(self, owner: str) -> Path:
        """Where the files of an owner's snapshots lie."""
        return self._vault(owner).root

    def _owners(self) -> list[str]:
        root = self._settings.snapshots
        for path in root.glob("upload-*") if root.is_dir() else ():
            if time.time() - path.stat().st_mtime > 86_400:
                path.unlink(missing_ok=True)
        return [unquote(path.name[3:]) for path in root.glob("of-*")] if root.is_dir() else []

    async def _tidy_homes(self) -> None:
        if not self._settings.snapshots.is_dir():
            return
        async with self._placing():
            found = await asyncio.to_thread(self._machines.homes.pids)
            # Asked afterwards: whatever was there before and is newer than the newest agent is nobody's.
            newest = await self._processes.newest()
            for pid in found:
                if pid > newest:
                    await self._machines.homes.remove(pid)

    def _sweep_if_free(self, vault: Vault, names: Sequence[str]) -> None:
        with vault.alone(wait=False) as free:
            if free:
                vault.sweep(names)

    async def _sweep(self, vault: Vault, owner: str) -> None:
        names = await self._snapshots.manifests(owner)
        await asyncio.to_thread(vault.sweep, names)

    def _vault(self, owner: str) -> Vault:
        return Vault(self._settings.snapshots, owner, self._settings.durability == "FULL")

    @asynccontextmanager
    async def _alone(self, owner: str) -> AsyncIterator[Vault]:
        """The owner's vault, with no other hand in it, of this server or another."""
        vault = self._vault(owner)
        async with self._locks.setdefault(owner, asyncio.Lock()):
            stack = ExitStack()
            await asyncio.to_thread(stack.enter_context, vault.alone())
            try:
                yield vault
            finally:
                await asyncio.shield(asyncio.to_thread(stack.close))

    @asynccontextmanager
    async def _placing(self) -> AsyncIterator[None]:
        """No two servers put homes in their places, or look for those without an agent, at once."""
        async with self._placer:
            stack = ExitStack()
            await asyncio.to_thread(stack.enter_context, locked(self._settings.snapshots))
            try:
                yield
            finally:
                await asyncio.shield(asyncio.to_thread(stack.close))

    async def _manifest(self, kept: Kept) -> Manifest:
        return await asyncio.to_thread(self._vault(kept.snapshot.owner).read, kept.manifest)

    async def _history(self, kept: Kept, manifest: Manifest) -> Sequence[At]:
        pid = kept.snapshot.pid
        if pid is not None:
            return await self._snapshots.history(pid)
        return await asyncio.to_thread(archive.journal_of, self._vault(kept.snapshot.owner), manifest)


def _known(vault: Vault, name: str) -> Mapping[str, Entry]:
    try:
        return {entry.path: entry for entry in vault.read(name).files}
    except AetherError as error:
        log.warning("the last snapshot cannot be built upon: %s", error.message)
        return {}


def _keep(
    vault: Vault,
    name: str,
    capture: Capture,
    moment: Moment,
    extras: dict[str, list[Any]],
    upto: int,
    now: float,
) -> tuple[Manifest, int]:
    files, new_bytes = vault.keep(capture)
    pages, more_bytes = vault.keep_lines(moment.pages)
    manifest = Manifest(
        software=__version__,
        taken_at=now,
        n=upto,
        process=moment.process,
        spec=moment.spec,
        plan=moment.plan,
        memory=MemoryPart(agent=moment.agent, layers=moment.layers, pages=pages, notes=moment.notes),
        files=files,
        left_out=tuple(capture.left_out),
        extras=extras,
    )
    vault.write(name, manifest)
    return manifest, new_bytes + more_bytes


def _taken_in(vault: Vault, path: Path, name: str) -> tuple[Manifest, int]:
    # Lies there as long as contents are kept that nothing names: a server that was cut off here sees it, and sweeps.
    under_way = vault.folder()
    manifest, new_bytes = archive.taken_in(vault, path, folds_case=folds_case(vault.root))
    events = archive.journal_of(vault, manifest)
    try:
        # Whoever restores it will fold it: a journal that cannot be is refused now.
        branches.branch(events, manifest.n, manifest.spec, Branching(), by="", now=manifest.taken_at, key="")
    except Exception as error:  # noqa: BLE001 (whatever it is, the file is at fault)
        raise BadSnapshot(f"its journal does not tell of one agent: {error}") from None
    vault.write(name, manifest)
    vault.drop(under_way)
    return manifest, new_bytes


def _with_message(events: Sequence[At], upto: int, how: Branching) -> int:
    """How far the history goes: as far as a message that a person changes in it."""
    if how.message is None or how.message.id in ("", "goal"):
        return upto
    return branches.message_at(events, upto, how.message.id)


def _of_files(snapshot: Snapshot) -> list[str]:
    notes = []
    if not snapshot.still:
        notes.append(
            "A command ran or a terminal was open while its files were copied, so they may be of slightly different "
            "times."
        )
    if snapshot.left_out:
        notes.append(f"{_count(snapshot.left_out, 'name')} in its home could not be copied.")
    return notes


def _differing(pid: int, events: Sequence[At], upto: int, kept: Kept | None, reads: Callable[[str], bool]) -> list[str]:
    """How the files differ from the moment, if they do."""
    if kept is None:
        if branches.touched_files(events, 0, upto, reads):
            return ["No snapshot was taken at or before this step, so it begins with an empty home."]
        return []
    snapshot = kept.snapshot
    notes = _of_files(snapshot)
    first, last = sorted((snapshot.n, upto))
    worked = branches.touched_files(events, first, last, reads)
    people = " and ".join(branches.at_hand(events, first, last))
    if snapshot.n <= upto:
        as_of = f"Its files are as of step {snapshot.step}, the nearest snapshot before"
        if people:
            notes.insert(0, f"{people} had its terminal or desktop since; what they changed in files is gone.")
        if worked or people:
            notes.insert(0, f"{as_of}; later work on them is gone." if worked else f"{as_of}.")
    else:
        as_of = f"Its files are as agent {pid} has them now, at step {snapshot.step}"
        if people:
            notes.insert(
                0, f"{people} had its terminal or desktop after that step; what they changed in files is in them."
            )
        if worked or people:
            notes.insert(0, f"{as_of}.")
    return notes


def _told(source: int | None, made: branches.Branch, notes: Sequence[str]) -> str:
    """What the agent reads of it."""
    whom = f"agent {source}" if source is not None else "an agent on another machine"
    begin = f"You go on from here under another number, from the state of {whom} after step {made.state.step}."
    said = [begin, "What is said and done above is its history and yours."]
    if made.edited:
        said.append(made.edited)
    said += notes
    if made.state.awaited:
        said.append("What it had asked of other agents, and agents that it had started, stay with it.")
    if any(each.status != "started" for each in made.state.calls):
        said.append("Calls that waited for a decision are asked anew.")
    return " ".join(said)


def _closed(extras: Mapping[str, Sequence[Any]]) -> list[str]:
    open_then = [_count(len(each), kind.removesuffix("s")) for kind, each in sorted(extras.items()) if each]
    return [f"{' and '.join(open_then)} were open then and are not now."] if open_then else []


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _must_fit(folder: Path, manifest: Manifest, most: int) -> None:
    wanted = sum(chunk.size for entry in manifest.files for chunk in entry.chunks if chunk.digest)
    # Also where homes are plain folders, which nothing would stop from being filled beyond it.
    if wanted > most:
        raise StorageFull(
            f"The files come to {wanted:,} bytes, and its home may hold {most:,}. Ask the administrator for a greater "
            "c.Aether.home_quota_bytes"
        )
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if wanted > free:
        raise StorageFull(f"The files come to {wanted:,} bytes, and {max(0, free):,} are free. Free some space.")


async def _to_the_end(call: Callable[..., T], *arguments: object) -> T:
    """A thread's work. Whoever is cancelled meanwhile waits for it: what it writes can be swept only afterwards."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def _in_threads(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if piece:
            yield piece
