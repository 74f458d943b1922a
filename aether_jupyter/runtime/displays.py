"""The desktops that are open: an agent's own hands on each, and the people who watch or have taken over.

Every viewer has a connection of their own to the desktop's server, so each is sent only what they can take. What they
send is taken apart; only who has control gets anything through that acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .. import pictures
from ..abc import Clock, DesktopSandbox, Reader, Sandbox, Writer
from ..config import Settings
from ..kernel.control import Control
from ..kernel.feed import Feed
from ..kernel.processes import Processes
from ..model.access import RUNTIME, Principal, require
from ..model.agent import SandboxSpec
from ..model.control import ACTS, Act, DisplayStatus, Turn, Viewer
from ..model.errors import AetherError, Conflict, NotFound, SandboxUnavailable, ToolFailed
from ..model.events import ControlAsked, ControlReturned, ControlTaken, PersonActed, ProcessExited
from ..model.image import Image
from ..model.process import Process, State
from ..rfb.client import RfbClient
from ..rfb.input import Recorder, ViewerStream, joined
from ..store.journal import Entry, Journal
from .machines import Machines

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

log = logging.getLogger(__name__)

BEAT_S = 2.0
PICTURE_S = 2.0
"""How old a picture may be that is shown small."""
QUALITY = 80
WINDOWS, TITLE_CHARS = 30, 200
_READ = 1 << 18


class View:
    """One person's view of one desktop. `read` and `write` are the two directions of its bytes."""

    def __init__(
        self, displays: Displays, who: Principal, pid: int, reader: Reader, writer: Writer, *, view_only: bool
    ) -> None:
        self.name = who.name
        self.view_only = view_only
        self._displays = displays
        self._pid = pid
        self._reader = reader
        self._writer = writer
        self._stream = ViewerStream()
        self._recorder = Recorder()

    async def read(self) -> bytes:
        """What the desktop shows next; empty when it has ended."""
        try:
            return await self._reader.read(_READ)
        except (OSError, asyncio.IncompleteReadError):
            return b""

    async def write(self, data: bytes) -> None:
        """Take what the viewer sends. Raises `ValueError` for what is no message, `OSError` if the desktop is gone."""
        for message in self._stream.feed(data):
            if message.acts:
                if not self._displays.may_act(self, self._pid):
                    continue
                act = self._recorder.hear(message, self._displays.now())
                if act is not None:
                    self._displays.acted(self._pid, act)
            self._writer.write(message.raw)
        await self._writer.drain()

    def let_go(self) -> None:
        """Release what this viewer holds down: what they send from now on does not get through."""
        for raw in self._recorder.released():
            self._writer.write(raw)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
        self._displays.left(self, self._pid)


class _Held:
    """A person's turn while it lasts."""

    def __init__(self, before: Seen | None) -> None:
        self.before = before
        self.did: list[Act] = []


class Seen(msgspec.Struct, frozen=True):
    """A moment of a desktop: its picture as a JPEG, and the titles of its windows."""

    image: Image
    content: bytes
    size: tuple[int, int]
    windows: tuple[str, ...]


class Displays:
    """Opens desktops, lets people in, and hands control over. `run` ends the leases of people who are gone."""

    def __init__(
        self,
        machines: Machines,
        processes: Processes,
        control: Control,
        feed: Feed,
        journal: Journal,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._machines = machines
        self._processes = processes
        self._control = control
        self._feed = feed
        self._settings = settings
        self._clock = clock
        self._hands: dict[int, RfbClient] = {}
        # Apart from an agent's hands, which may wait for minutes until something changes.
        self._eyes: dict[int, RfbClient] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._views: dict[int, set[View]] = {}
        self._holders: dict[int, str] = {}
        self._owners: dict[int, str] = {}
        self._held: dict[int, _Held] = {}
        self._small: dict[tuple[int, int], tuple[float, asyncio.Future[bytes]]] = {}
        journal.on_entry(self._hear)
        machines.in_use.append(self.watched)

    # --- the agent's side ------------------------------------------------------------------------------------------

    async def hands(self, pid: int, spec: SandboxSpec, workspaces: Mapping[str, Path]) -> RfbClient:
        """The agent's own connection to its desktop. Raises `SandboxUnavailable`, and `NotFound` if it has none."""
        async with self._locks.setdefault(pid, asyncio.Lock()):
            found = self._hands.get(pid)
            if found is not None and not found.lost:
                return found
            sandbox = await self._sandbox(pid, spec, workspaces)
            self._hands[pid] = opened = await RfbClient(*await sandbox.display()).open()
            return opened

    # --- people ----------------------------------------------------------------------------------------------------

    async def view(self, who: Principal, pid: int, *, view_only: bool = False) -> View:
        """Open a view; the desktop is started if it does not run. Raises `NotFound` if the agent has none."""
        require(who, "displays:view")
        process = await self._living(who, pid)
        if process.control:
            self._holders[pid] = process.control
        spec = await self._processes.spec(RUNTIME, pid)
        workspaces = self._machines.workspaces(process.owner, spec.workspaces)
        reader, writer = await (await self._sandbox(pid, spec.sandbox, workspaces)).display()
        view = View(self, who, pid, reader, writer, view_only=view_only or "displays:control" not in who.scopes)
        self._views.setdefault(pid, set()).add(view)
        # It goes on when the viewer leaves, and is known to run by this.
        await self._eyes_on(pid)
        return view

    async def status(self, who: Principal, pid: int) -> DisplayStatus:
        """How the desktop is and who is there."""
        require(who, "displays:view")
        process = await self._processes.get(who, pid)
        lease = await self._control.lease(who, pid)
        eyes = await self._eyes_on(pid)
        if eyes is not None and lease is not None:
            # Whoever has control fits the screen to their panel, and a connection hears of it by looking.
            with contextlib.suppress(ToolFailed):
                await eyes.picture()
        width, height = eyes.size if eyes is not None else (0, 0)
        views = self._views.get(pid, ())
        return DisplayStatus(
            pid=pid,
            desktop=process.display,
            running=eyes is not None,
            width=width,
            height=height,
            holder=lease.holder if lease is not None else "",
            since=lease.taken_at if lease is not None else None,
            viewers=tuple(sorted((Viewer(v.name, self.may_act(v, pid)) for v in views), key=lambda v: v.name)),
        )

    async def take(self, who: Principal, pid: int) -> DisplayStatus:
        """Take control: the agent stops at once. Raises `ControlHeld` if somebody else has it."""
        process = await self._control.take(who, pid)
        self._holders[pid] = process.control
        if pid not in self._held:
            self._held[pid] = _Held(await self._seen(pid))
        return await self.status(who, pid)

    async def give_back(self, who: Principal, pid: int, note: str) -> DisplayStatus:
        """Hand control back, with words for the agent."""
        await self._processes.get(who, pid)
        turn, images = await self._turn(pid)
        await self._control.give_back(who, pid, note, turn, images)
        self._held.pop(pid, None)
        return await self.status(who, pid)

    async def ask(self, who: Principal, pid: int) -> None:
        """Ask whoever has control to hand it over."""
        require(who, "displays:control")
        process = await self._processes.get(who, pid)
        if not process.control:
            raise Conflict(f"nobody has taken control of agent {pid}; take it")
        self._feed.publish(process.owner, ControlAsked(pid, who.name))

    async def picture(self, who: Principal, pid: int, width: int) -> bytes:
        """A small picture of a desktop that runs, as a JPEG, taken once for all who look within two seconds."""
        require(who, "displays:view")
        await self._processes.get(who, pid)
        key, now = (pid, width), self._clock.monotonic()
        at, found = self._small.get(key, (0.0, None))
        if found is None or now - at > PICTURE_S or (found.done() and found.exception() is not None):
            # Before anything is awaited: who asks meanwhile waits for the same.
            found = asyncio.ensure_future(self._shrunk(pid, width))
            self._small[key] = now, found
        return await asyncio.shield(found)

    async def showing(self, pid: int) -> Mapping[str, Sequence[str]]:
        """The titles of the windows that are open on a desktop that runs, as snapshots keep them."""
        hands = self._hands.get(pid)
        if hands is None or hands.lost:
            return {}
        return {"windows": await titles(await self._machines.open(pid, await self._spec(pid)))}

    def may_act(self, view: View, pid: int) -> bool:
        """Whether what this viewer sends gets through: they have control, and do not only look."""
        return not view.view_only and self._holders.get(pid) == view.name

    def acted(self, pid: int, act: Act) -> None:
        """Note what the person who has control did, and show it."""
        held = self._held.setdefault(pid, _Held(None))
        joined(held.did, act)
        del held.did[:-ACTS]
        owner = self._owners.get(pid)
        if owner is not None:
            self._feed.publish(owner, PersonActed(pid, act))

    def left(self, view: View, pid: int) -> None:
        """A view was closed."""
        views = self._views.get(pid)
        if views is not None:
            views.discard(view)
            if not views:
                del self._views[pid]

    def watched(self, pid: int) -> bool:
        """Whether somebody looks at the desktop, or has control of it."""
        return pid in self._views or pid in self._holders

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now()

    # --- care ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the leases of people who are there, end those of people who are gone, for ever."""
        while True:
            try:
                await self._beat()
            except AetherError as error:
                log.warning("control of desktops is not looked after: %s", error.message)
            await self._clock.sleep(BEAT_S)

    async def close(self) -> None:
        """Hang up everywhere."""
        for pid in list(self._views):
            for view in list(self._views.get(pid, ())):
                view.close()
        await asyncio.gather(*(each.close() for each in (*self._hands.values(), *self._eyes.values())))
        self._hands.clear()
        self._eyes.clear()

    async def _beat(self) -> None:
        leases = await self._control.leases()
        if not leases:
            return
        here = [each.pid for each in leases if any(v.name == each.holder for v in self._views.get(each.pid, ()))]
        if here:
            await self._control.seen(RUNTIME, here)
        before = self._clock.now() - self._settings.control_grace_s
        for lease in leases:
            if lease.pid not in here and lease.seen_at < before:
                turn, images = await self._turn(lease.pid)
                if await self._control.lapse(RUNTIME, lease.pid, before, turn, images):
                    self._held.pop(lease.pid, None)

    def _hear(self, entry: Entry) -> None:
        match entry.event:
            case ControlTaken(by=by):
                self._holders[entry.pid] = by
            case ControlReturned():
                self._holders.pop(entry.pid, None)
                self._held.pop(entry.pid, None)
                for view in self._views.get(entry.pid, ()):
                    view.let_go()
            case ProcessExited():
                self._forget(entry.pid)
            case _:
                pass

    def _forget(self, pid: int) -> None:
        self._holders.pop(pid, None)
        self._held.pop(pid, None)
        self._locks.pop(pid, None)
        self._owners.pop(pid, None)
        self._hands.pop(pid, None)
        self._eyes.pop(pid, None)
        for key in [key for key in self._small if key[0] == pid]:
            del self._small[key]

    async def _living(self, who: Principal, pid: int) -> Process:
        process = await self._processes.get(who, pid)
        if not process.display:
            raise NotFound(f"agent {pid} has no desktop; it was started without one (sandbox.desktop)")
        if process.state is State.ZOMBIE:
            raise NotFound(f"agent {pid} has ended, and its desktop with it")
        self._owners[pid] = process.owner
        return process

    async def _spec(self, pid: int) -> SandboxSpec:
        return (await self._processes.spec(RUNTIME, pid)).sandbox

    async def _eyes_on(self, pid: int) -> RfbClient | None:
        """A connection to look by, None if the desktop does not run here. It is not started for a look."""
        seen, hands = self._eyes.get(pid), self._hands.get(pid)
        if seen is not None and not seen.lost:
            return seen
        if (hands is None or hands.lost) and pid not in self._views:
            return None
        async with self._locks.setdefault(pid, asyncio.Lock()):
            eyes = self._eyes.get(pid)
            if eyes is None or eyes.lost:
                try:
                    sandbox = await self._sandbox(pid, await self._spec(pid), {})
                    eyes = await RfbClient(*await sandbox.display()).open()
                except (SandboxUnavailable, ToolFailed) as error:
                    log.info("the desktop of process %s cannot be seen: %s", pid, error.message)
                    return None
                self._eyes[pid] = eyes
            return eyes

    async def _sandbox(self, pid: int, spec: SandboxSpec, workspaces: Mapping[str, Path]) -> DesktopSandbox:
        sandbox: Sandbox = await self._machines.open(pid, spec, workspaces)
        if spec.desktop == "none" or not isinstance(sandbox, DesktopSandbox):
            raise SandboxUnavailable(f"agent {pid} has no desktop: desktops run in the sandbox docker only")
        return sandbox

    async def _turn(self, pid: int) -> tuple[Turn, Mapping[Image, bytes]]:
        held = self._held.get(pid) or _Held(None)
        after = await self._seen(pid)
        eyes = await self._eyes_on(pid)
        if held.before is not None and eyes is not None:
            # People fit the screen to their panel; the agent finds it as it was.
            await eyes.resize(*held.before.size)
        found = {each.image: each.content for each in (held.before, after) if each is not None}
        turn = Turn(
            did=tuple(held.did),
            before=held.before.image if held.before is not None else None,
            after=after.image if after is not None else None,
            windows=after.windows if after is not None else (),
        )
        return turn, found

    async def _seen(self, pid: int) -> Seen | None:
        """What the desktop shows now, None if it does not run."""
        eyes = await self._eyes_on(pid)
        if eyes is None:
            return None
        try:
            picture = await eyes.picture()
            sandbox = await self._machines.open(pid, await self._spec(pid))
            windows = await titles(sandbox)
        except AetherError as error:
            log.info("the desktop of process %s cannot be seen: %s", pid, error.message)
            return None
        content = await asyncio.to_thread(jpeg, picture)
        image = await asyncio.to_thread(pictures.examine, content)
        return Seen(image, content, picture.size, windows)

    async def _shrunk(self, pid: int, width: int) -> bytes:
        eyes = await self._eyes_on(pid)
        if eyes is None:
            raise NotFound(f"the desktop of agent {pid} does not run here")
        picture = await eyes.picture()
        return await asyncio.to_thread(jpeg, picture, width)


def jpeg(picture: Picture, width: int = 0) -> bytes:
    """The picture as a JPEG, `width` pixels wide if that is less than it is."""
    if 0 < width < picture.width:
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


async def titles(sandbox: Sandbox) -> tuple[str, ...]:
    """The titles of the windows that are open, as programs gave them."""
    done = await sandbox.run(["wmctrl", "-l"], timeout_s=5.0)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    found = [line.split(None, 3) for line in lines]
    return tuple(each[3][:TITLE_CHARS] for each in found if len(each) == 4 and each[1] != "-1")[:WINDOWS]
