"""People at the controls: one lease a process, whatever of it they look at; what they did, and what it left behind.

The desktop and the browser are stages: each shows itself, says who looks at it, and lets go of what a person held down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ..abc import Clock
from ..config import Settings
from ..engine.takeover import joined
from ..kernel.control import Control
from ..kernel.feed import Feed
from ..kernel.processes import Processes
from ..model.access import RUNTIME, Principal
from ..model.control import ACTS, Act, ControlStatus, Scene, Stage, Turn, Viewer
from ..model.errors import AetherError, ControlHeld, NotFound
from ..model.events import ControlReturned, ControlTaken, PersonActed, ProcessExited
from ..model.image import Image
from ..model.process import Process, State
from ..store.journal import Entry, Journal

log = logging.getLogger(__name__)

BEAT_S = 2.0
LOOK_S, MEND_S = 5.0, 2.0
"""How long a stage may take to show itself, and to be put back: a frozen one must not keep control from the agent."""


class Look(msgspec.Struct, frozen=True):
    """A moment of a stage: its picture as a JPEG, its size in pixels, and the titles of its windows or tabs."""

    image: Image
    content: bytes
    size: tuple[int, int]
    titles: tuple[str, ...]


class Watcher(Protocol):
    """One person's view of a stage. `let_go` releases what they hold down there."""

    @property
    def name(self) -> str: ...
    @property
    def view_only(self) -> bool: ...
    def let_go(self) -> None: ...
    def close(self) -> None: ...


class Staged(Protocol):
    """What a person can take over."""

    stage: Stage

    async def look(self, pid: int) -> Look | None:
        """What it shows now, None while it shows nothing. It is not opened for a look."""
        ...

    async def put_back(self, pid: int, before: Look) -> None:
        """Mend what a person changed only for themselves."""
        ...

    def forget(self, pid: int) -> None:
        """The process has ended."""
        ...


W = TypeVar("W", bound=Watcher)
T = TypeVar("T")


class Audience(Generic[W]):
    """Who looks at one stage, process by process; and who of them may act there."""

    def __init__(self, takeovers: Takeovers, stage: Stage) -> None:
        self.stage = stage
        self._takeovers = takeovers
        self._watchers: dict[int, set[W]] = {}

    def enter(self, pid: int, watcher: W) -> None:
        """Somebody looks from now on."""
        self._watchers.setdefault(pid, set()).add(watcher)

    def leave(self, pid: int, watcher: W) -> None:
        """Somebody does not look any more."""
        watchers = self._watchers.get(pid)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[pid]

    def of(self, pid: int) -> tuple[W, ...]:
        """Those who look at this one."""
        return tuple(self._watchers.get(pid, ()))

    def viewers(self, pid: int) -> tuple[Viewer, ...]:
        """They by name, and whether each may act."""
        found = (Viewer(each.name, self.may_act(pid, each)) for each in self.of(pid))
        return tuple(sorted(found, key=lambda each: each.name))

    def may_act(self, pid: int, watcher: W) -> bool:
        """Whether what they send gets through: they have control, and do not only look."""
        return not watcher.view_only and self._takeovers.holder(pid) == watcher.name

    def acted(self, pid: int, act: Act) -> None:
        """Note what the person who has control did here, and show it."""
        self._takeovers.acted(pid, msgspec.structs.replace(act, stage=self.stage))

    def close(self) -> None:
        """Hang up on all."""
        for pid in list(self._watchers):
            for each in self.of(pid):
                each.close()


class _Held:
    """A person's turn while it lasts."""

    def __init__(self, before: Mapping[Stage, Look]) -> None:
        self.before = before
        self.did: list[Act] = []


class Takeovers:
    """Hands control over and back. `run` keeps the leases of people who are there, and ends those of others."""

    def __init__(
        self, processes: Processes, control: Control, feed: Feed, journal: Journal, settings: Settings, clock: Clock
    ) -> None:
        self._processes = processes
        self._control = control
        self._feed = feed
        self._settings = settings
        self._clock = clock
        self._stages: list[Staged] = []
        self._audiences: list[Audience[Any]] = []
        self._holders: dict[int, str] = {}
        self._owners: dict[int, str] = {}
        self._held: dict[int, _Held] = {}
        self._ending: set[int] = set()
        journal.on_entry(self._hear)

    def audience(self, staged: Staged) -> Audience[W]:
        """Those who look at one more thing that can be taken over."""
        self._stages.append(staged)
        found: Audience[W] = Audience(self, staged.stage)
        self._audiences.append(found)
        return found

    def known(self, process: Process) -> None:
        """Take up whose it is and who has control before somebody looks. Raises `NotFound` if it has ended."""
        if process.state is State.ZOMBIE:
            raise NotFound(f"agent {process.pid} has ended, and its desktop and browser with it")
        self._owners[process.pid] = process.owner
        if process.control:
            self._holders[process.pid] = process.control

    # --- people ----------------------------------------------------------------------------------------------------

    async def take(self, who: Principal, pid: int) -> ControlStatus:
        """Take control: the agent stops at once. Raises `ControlHeld` if somebody else has it."""
        process = await self._control.take(who, pid)
        self._owners[pid] = process.owner
        self._holders[pid] = process.control
        if pid not in self._held:
            # First of all, so that nothing they do meanwhile is lost.
            held = self._held[pid] = _Held({})
            looks = await asyncio.gather(*(self._look(each, pid) for each in self._stages))
            held.before = {each.stage: look for each, (look, _) in zip(self._stages, looks, strict=True) if look}
        return await self.status(who, pid)

    async def give_back(self, who: Principal, pid: int, note: str) -> ControlStatus:
        """Hand control back, with words for the agent."""
        process = await self._processes.get(who, pid)
        if process.control and process.control != who.name:
            raise ControlHeld(
                f"{process.control} has control of agent {pid}, and alone can hand it back", holder=process.control
            )
        turn, images = await self._turn(pid)
        await self._control.give_back(who, pid, note, turn, images)
        self._held.pop(pid, None)
        return await self.status(who, pid)

    async def ask(self, who: Principal, pid: int) -> None:
        """Ask whoever has control to hand it over. Raises `Conflict` if nobody has taken it."""
        await self._control.ask(who, pid)

    async def status(self, who: Principal, pid: int) -> ControlStatus:
        """Who has control, and since when."""
        lease = await self._control.lease(who, pid)
        return (
            ControlStatus(pid=pid)
            if lease is None
            else ControlStatus(pid=pid, holder=lease.holder, since=lease.taken_at)
        )

    def holder(self, pid: int) -> str:
        """The person who has control, '' while the agent has it."""
        return self._holders.get(pid, "")

    def watched(self, pid: int) -> bool:
        """Whether somebody looks at anything of it, or has control."""
        return pid in self._holders or any(audience.of(pid) for audience in self._audiences)

    def acted(self, pid: int, act: Act) -> None:
        """Note what the person who has control did, and show it."""
        held = self._held.setdefault(pid, _Held({}))
        joined(held.did, act)
        del held.did[:-ACTS]
        owner = self._owners.get(pid)
        if owner is not None:
            self._feed.publish(owner, PersonActed(pid, act))

    # --- care ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the leases of people who are there, end those of people who are gone, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._beat(tasks)
                except AetherError as error:
                    log.warning("control of agents is not looked after: %s", error.message)
                except Exception:
                    # Without a beat every lease would last for ever, and its agent stay stopped.
                    log.exception("control of agents is not looked after")
                await self._clock.sleep(BEAT_S)

    async def _beat(self, tasks: asyncio.TaskGroup) -> None:
        leases = await self._control.leases()
        if not leases:
            return
        here = [each.pid for each in leases if any(watcher.name == each.holder for watcher in self._of(each.pid))]
        if here:
            await self._control.seen(RUNTIME, here)
        before = self._clock.now() - self._settings.control_grace_s
        for lease in leases:
            if lease.pid not in here and lease.seen_at < before and lease.pid not in self._ending:
                # Beside the beat: what this one shows may be long in coming, and others are there meanwhile.
                self._ending.add(lease.pid)
                tasks.create_task(self._end(lease.pid, before), name=f"end of control of {lease.pid}")

    async def _end(self, pid: int, before: float) -> None:
        """End a lease whose holder is gone. What fails is tried again with a later beat."""
        try:
            turn, images = await self._turn(pid)
            if await self._control.lapse(RUNTIME, pid, before, turn, images):
                self._held.pop(pid, None)
        except AetherError as error:
            log.warning("control of process %s does not end: %s", pid, error.message)
        except Exception:
            log.exception("control of process %s does not end", pid)
        finally:
            self._ending.discard(pid)

    def _of(self, pid: int) -> Iterable[Watcher]:
        return (watcher for audience in self._audiences for watcher in audience.of(pid))

    def _hear(self, entry: Entry) -> None:
        match entry.event:
            case ControlTaken(by=by):
                self._holders[entry.pid] = by
            case ControlReturned():
                self._holders.pop(entry.pid, None)
                self._held.pop(entry.pid, None)
                for watcher in self._of(entry.pid):
                    watcher.let_go()
            case ProcessExited():
                self._holders.pop(entry.pid, None)
                self._held.pop(entry.pid, None)
                self._owners.pop(entry.pid, None)
                for staged in self._stages:
                    staged.forget(entry.pid)
            case _:
                pass

    async def _look(self, staged: Staged, pid: int) -> tuple[Look | None, bool]:
        """What it shows now; and whether that is known."""
        return await _within(LOOK_S, staged.look(pid), f"the {staged.stage} of process {pid} cannot be seen")

    async def _leave(self, staged: Staged, pid: int, before: Look | None) -> tuple[Look | None, bool]:
        """What a person leaves there, and whether that is known; then it is put back."""
        found = await self._look(staged, pid)
        if before is not None:
            # Of one that does not answer, too: what it was sent is done when it goes on.
            deed = staged.put_back(pid, before)
            await _within(MEND_S, deed, f"the {staged.stage} of process {pid} cannot be put back")
        return found

    async def _turn(self, pid: int) -> tuple[Turn, Mapping[Image, bytes]]:
        held = self._held.get(pid) or _Held({})
        stages = [each.stage for each in self._stages]
        left = await asyncio.gather(*(self._leave(each, pid, held.before.get(each.stage)) for each in self._stages))
        after = {stage: look for stage, (look, _) in zip(stages, left, strict=True) if look is not None}
        unseen = {stage for stage, (_, known) in zip(stages, left, strict=True) if not known}
        worked_on = {act.stage for act in held.did}
        seen = [stage for stage in stages if stage in held.before or stage in after or stage in unseen]
        # Where nobody did anything there is nothing to tell; of one it is said that it is as it was.
        told = [stage for stage in seen if stage in worked_on] or seen[:1]
        scenes = tuple(_scene(each, held.before.get(each), after.get(each), unseen=each in unseen) for each in told)
        looks = [each for stage in told for each in (held.before.get(stage), after.get(stage)) if each is not None]
        return Turn(did=tuple(held.did), scenes=scenes), {each.image: each.content for each in looks}


async def _within(seconds: float, deed: Awaitable[T], trouble: str) -> tuple[T | None, bool]:
    """What comes of a deed, and whether it was done in time. Never raises: control goes back whatever a stage does."""
    try:
        async with asyncio.timeout(seconds):
            return await deed, True
    except TimeoutError:
        log.warning("%s: it does not answer", trouble)
    except AetherError as error:
        log.info("%s: %s", trouble, error.message)
    except Exception:
        log.exception("%s", trouble)
    return None, False


def _scene(stage: Stage, before: Look | None, after: Look | None, *, unseen: bool) -> Scene:
    return Scene(
        stage=stage,
        before=before.image if before is not None else None,
        after=after.image if after is not None else None,
        open=after.titles if after is not None else (),
        unseen=unseen,
    )


async def anywhere(pid: int) -> bool:
    """What a stage asks before it shows a process, until it is told of other servers."""
    return True
