"""Follows what the kernel holds and does the deeds: claims READY processes, runs each in a task, delivers signals.

Nobody who spawns an agent has to start it. A restart is nothing special: the supervisor finds the same facts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from ..abc import Clock
from ..config import Settings
from ..kernel.approvals import Approvals
from ..kernel.feed import Feed
from ..kernel.feedback import Feedback
from ..kernel.images import Images
from ..kernel.memories import Memories
from ..kernel.notes import NotesKeeper
from ..kernel.processes import Claim, Processes
from ..kernel.profiles import Profiles
from ..kernel.requests import Requests
from ..model.access import RUNTIME
from ..model.errors import AetherError, Fenced
from ..model.events import (
    ControlTaken,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessRestored,
    ProcessSpawned,
    SignalSent,
    StateChanged,
)
from ..model.process import Process, State
from ..store.journal import Entry, Journal
from .browsers import Browsers
from .dispatch import Lease
from .displays import Displays
from .holds import Holds
from .language import Language
from .machines import Machines
from .runner import Run, Runner
from .sight import Eyes
from .toolbox import Toolbox

log = logging.getLogger(__name__)

POLL_S = 1.0
SWEEP_S = 0.5
REAP_S = 30.0
LEAVE_S = 15.0
"""Seconds in which an agent that was killed must have left what it does."""


class Supervisor:
    """`run` works until it is cancelled, and then gives back what it holds."""

    def __init__(
        self,
        processes: Processes,
        requests: Requests,
        approvals: Approvals,
        memories: Memories,
        notes: NotesKeeper,
        feedback: Feedback,
        profiles: Profiles,
        images: Images,
        feed: Feed,
        journal: Journal,
        language: Language,
        toolbox: Toolbox,
        machines: Machines,
        browsers: Browsers,
        displays: Displays,
        holds: Holds,
        capture: Callable[[int, int], Awaitable[None]],
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._processes = processes
        self._requests = requests
        self._images = images
        self._eyes = Eyes(images)
        self._journal = journal
        self._machines = machines
        self._browsers = browsers
        self._settings = settings
        self._clock = clock
        self._runs: dict[int, tuple[Run, asyncio.Task[None]]] = {}
        self._chores: set[asyncio.Future[None]] = set()
        self._wake = asyncio.Event()
        self._ready = False
        self._swept_at: float | None = None
        self._jumped = False
        self._trust_at = -1e9
        self._alive = False
        self._lease = Lease(processes, clock, settings.lease_s, self._drop_all)
        self._runner = Runner(
            processes=processes,
            requests=requests,
            approvals=approvals,
            memories=memories,
            notes=notes,
            feedback=feedback,
            profiles=profiles,
            eyes=self._eyes,
            feed=feed,
            language=language,
            toolbox=toolbox,
            machines=machines,
            browsers=browsers,
            displays=displays,
            settings=settings,
            clock=clock,
            holds=holds,
            capture=capture,
            lease=self._lease.fresh,
            others_wait=lambda: self._ready,
        )

    @property
    def lease(self) -> Lease:
        """This server's claim to be alive."""
        return self._lease

    @property
    def running(self) -> int:
        """Agents that this server runs now."""
        return len(self._runs)

    async def may_open(self, pid: int) -> bool:
        """Whether no other server works on the process now: that one's sandbox would go if one were opened here."""
        return await self._processes.holder(pid) in (None, self._lease.worker)

    def runs(self, pid: int) -> bool:
        """Whether this server runs the process now."""
        return pid in self._runs

    async def left(self, pids: Iterable[int]) -> None:
        """Return when this server works no more on these processes, which have ended; at the latest after a while."""
        tasks = [self._runs[pid][1] for pid in pids if pid in self._runs]
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_S)

    @property
    def alive(self) -> bool:
        """Whether it claims and runs."""
        return self._alive

    async def run(self) -> None:
        """Claim and run, for ever."""
        await self._lease.register()
        self._alive = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lease.keep())
                group.create_task(self._follow())
                group.create_task(self._repeat(SWEEP_S, self._sweep))
                group.create_task(self._repeat(REAP_S, self._reap))
                await self._claim_for_ever(group)
        finally:
            self._alive = False
            self._drop_all()
            tasks = [task for _, task in self._runs.values()]
            await asyncio.gather(*tasks, *self._chores, return_exceptions=True)
            # Before another server opens sandboxes of its own for what is given back.
            await self._machines.close_all()
            await self._browsers.close_all()
            with suppress(AetherError):
                await self._processes.retire(RUNTIME, self._lease.worker)

    async def _claim_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            free = self._settings.slots - len(self._runs)
            if free > 0:
                try:
                    claims = await self._processes.claim(RUNTIME, self._lease.worker, min(free, 64))
                except Fenced:
                    claims = []
                except AetherError as error:
                    log.warning("no agent could be claimed: %s", error.message)
                    claims = []
                except Exception:
                    # Those that run already must not end because no other can begin.
                    log.exception("no agent could be claimed")
                    claims = []
                for claim, process in claims:
                    self._start(group, claim, process)
                self._ready = len(claims) == free
                if len(claims) == min(free, 64):
                    continue
            else:
                self._ready = True
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    def _start(self, group: asyncio.TaskGroup, claim: Claim, process: Process) -> None:
        run = self._runner.start(claim, process)
        task = group.create_task(run.go(), name=f"agent-{claim.pid}")
        self._runs[claim.pid] = (run, task)
        task.add_done_callback(lambda done: self._left(claim.pid, done))

    def _left(self, pid: int, task: asyncio.Task[None]) -> None:
        if pid in self._runs and self._runs[pid][1] is task:
            del self._runs[pid]
        if self._ready:
            self._wake.set()

    def _drop_all(self) -> None:
        for _, task in self._runs.values():
            task.cancel()

    async def _follow(self) -> None:
        async for entries in self._journal.follow():
            for entry in entries:
                self._heed(entry)

    def _heed(self, entry: Entry) -> None:
        held = self._runs.get(entry.pid)
        match entry.event:
            case ProcessSpawned() | ProcessRestored() | StateChanged(state=State.READY):
                self._wake.set()
            case SignalSent(signal=signal) if held is not None:
                held[0].deliver(signal, entry.n)
            case ControlTaken(by=by) if held is not None:
                held[0].taken_over(by, entry.n)
            case ProcessExited(status=status):
                # Ended by somebody else's KILL: the claim is fenced already, and nothing more must be done.
                if held is not None and status.reason in ("killed", "terminated"):
                    held[1].cancel()
                self._later(self._machines.close(entry.pid))
                self._later(self._browsers.close(entry.pid))
            case ProcessErased():
                self._eyes.forget()
            case ProcessReaped(home_kept=False):
                self._later(self._remove_homes([entry.pid]))
            case _:
                pass

    def _later(self, deed: Awaitable[None]) -> None:
        task = asyncio.ensure_future(deed)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _repeat(self, every_s: float, deed: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await deed()
            except AetherError as error:
                log.warning("%s", error.message)
            except Exception:
                # A chore that fails is tried again; the agents at work have no part in it.
                log.exception("a chore of the supervisor failed")
            await self._clock.sleep(every_s)

    async def _sweep(self) -> None:
        if self._steady():
            stolen = await self._processes.steal(RUNTIME, self._lease.worker)
            if stolen:
                log.info("%d agents of a server that is gone go on here", len(stolen))
        await self._processes.wake_due(RUNTIME)
        await self._requests.expire(RUNTIME)

    def _steady(self) -> bool:
        """Whether the leases of others can be trusted: not within one lease after a pause of all, or a jump of time.

        After sleep, a locked database or a clock that was set, every lease looks expired until it is renewed.
        """
        now, lease_s = self._clock.now(), self._settings.lease_s
        jumped = self._swept_at is not None and abs(now - self._swept_at - SWEEP_S) > lease_s
        if jumped and not self._jumped:
            self._trust_at = self._clock.monotonic() + lease_s
        # A server that is always late is not paused: it must not spare the dead for ever.
        self._swept_at, self._jumped = now, jumped
        return self._clock.monotonic() >= self._trust_at

    async def _reap(self) -> None:
        alive = await self._processes.alive()
        await self._machines.reap(alive, list(self._runs))
        await self._browsers.reap(alive)
        await self._processes.reap_old(RUNTIME, self._settings.keep_ended_s)
        await self._images.drop_unnamed(RUNTIME)
        homes = await asyncio.to_thread(self._machines.homes.pids)
        await self._remove_homes(await self._processes.homes_to_remove(homes))

    async def _remove_homes(self, pids: Sequence[int]) -> None:
        for pid in pids:
            try:
                await self._machines.homes.remove(pid)
            except (AetherError, OSError) as error:
                log.info("the home of process %s cannot be removed: %s", pid, error)
