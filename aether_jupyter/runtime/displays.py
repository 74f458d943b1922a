"""The desktops that are open: an agent's own hands on each, and the people who look.

Every viewer has a connection of their own to the desktop's server, so each is sent only what they can take. What they
send is taken apart; only who has control gets anything through that acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import pictures
from ..abc import Clock, DesktopSandbox, Reader, Sandbox, Writer
from ..kernel.processes import Processes
from ..model.access import RUNTIME, Principal, require
from ..model.agent import SandboxSpec
from ..model.control import DisplayStatus, Stage
from ..model.errors import Conflict, NotFound, SandboxUnavailable, ToolFailed
from ..model.process import State
from ..rfb.client import RfbClient
from ..rfb.input import Recorder, ViewerStream
from .machines import Machines
from .takeover import Audience, Look, Takeovers, anywhere

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

log = logging.getLogger(__name__)

PICTURE_S = 2.0
"""How old a picture may be that is shown small."""
WIDTHS = (128, 256, 512, 1024, 2048, 4096)
"""The widths in pixels that small pictures have, so that all who look share a few."""
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
                if not self._displays.audience.may_act(self._pid, self):
                    continue
                act = self._recorder.hear(message, self._displays.now())
                if act is not None:
                    self._displays.audience.acted(self._pid, act)
            self._writer.write(message.raw)
        await self._writer.drain()

    def let_go(self) -> None:
        """Release what this viewer holds down: what they send from now on does not get through."""
        for raw in self._recorder.released():
            self._writer.write(raw)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
        self._displays.audience.leave(self._pid, self)


class Displays:
    """Opens desktops and lets people in."""

    stage: Stage = "desktop"

    def __init__(self, machines: Machines, processes: Processes, takeovers: Takeovers, clock: Clock) -> None:
        self._machines = machines
        self._processes = processes
        self._takeovers = takeovers
        self._clock = clock
        self.audience: Audience[View] = takeovers.audience(self)
        self._hands: dict[int, RfbClient] = {}
        # Apart from an agent's hands, which may wait for minutes until something changes.
        self._eyes: dict[int, RfbClient] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self.may_open: Callable[[int], Awaitable[bool]] = anywhere
        """Asked before a desktop is opened for a person: whether no other server runs the process."""
        self._small: dict[tuple[int, int], tuple[float, asyncio.Future[bytes]]] = {}

    # --- the agent's side ------------------------------------------------------------------------------------------

    async def hands(self, pid: int, spec: SandboxSpec, workspaces: Mapping[str, Path]) -> RfbClient:
        """The agent's own connection to its desktop. Raises `SandboxUnavailable`, and `NotFound` if it has none."""
        async with self._locks.setdefault(pid, asyncio.Lock()):
            found = self._hands.get(pid)
            if found is not None and not found.lost:
                return found
            sandbox = await self._sandbox(pid, spec, workspaces)
            self._hands[pid] = opened = await _connected(sandbox)
            return opened

    # --- people ----------------------------------------------------------------------------------------------------

    async def view(self, who: Principal, pid: int, *, view_only: bool = False) -> View:
        """Open a view; the desktop is started if it does not run. Raises `NotFound` if the agent has none.

        Raises `Conflict` while another server of this `AETHER_HOME` has it.
        """
        require(who, "displays:view")
        process = await self._processes.get(who, pid)
        if not process.display:
            raise NotFound(f"agent {pid} has no desktop; it was started without one (sandbox.desktop)")
        self._takeovers.known(process)
        spec = await self._processes.spec(RUNTIME, pid)
        await self._not_elsewhere(pid, spec.sandbox)
        workspaces = self._machines.workspaces(process.owner, spec.workspaces)
        reader, writer = await (await self._sandbox(pid, spec.sandbox, workspaces)).display()
        view = View(self, who, pid, reader, writer, view_only=view_only or "displays:control" not in who.scopes)
        self.audience.enter(pid, view)
        try:
            # It goes on when the viewer leaves, and is known to run by this.
            await self._eyes_on(pid)
        except BaseException:
            # Nobody would ever close it: a lease would be kept for a person who sees nothing.
            view.close()
            raise
        return view

    async def status(self, who: Principal, pid: int) -> DisplayStatus:
        """How the desktop is and who is there. Raises `Conflict` while another server has it."""
        require(who, "displays:view")
        process = await self._processes.get(who, pid)
        control = await self._takeovers.status(who, pid)
        eyes = await self._eyes_on(pid)
        if eyes is None and process.display and process.state is not State.ZOMBIE:
            await self._not_elsewhere(pid, await self._spec(pid))
        if eyes is not None and control.holder:
            # Whoever has control fits the screen to their panel, and a connection hears of it by looking.
            with contextlib.suppress(ToolFailed):
                await eyes.picture()
        width, height = eyes.size if eyes is not None else (0, 0)
        return DisplayStatus(
            pid=pid,
            desktop=process.display,
            running=eyes is not None,
            width=width,
            height=height,
            holder=control.holder,
            since=control.since,
            viewers=self.audience.viewers(pid),
        )

    async def picture(self, who: Principal, pid: int, width: int) -> bytes:
        """A small picture of a desktop that runs, as a JPEG, taken once for all who look within two seconds.

        It is as wide as the next of `WIDTHS`, and no wider than the desktop.
        """
        require(who, "displays:view")
        await self._processes.get(who, pid)
        wide = next((each for each in WIDTHS if each >= width), WIDTHS[-1])
        now = self._clock.monotonic()
        # Nobody is shown an old one again, also of agents that have ended since.
        for key in [key for key, (at, old) in self._small.items() if _stale(old, now - at)]:
            del self._small[key]
        if (pid, wide) not in self._small:
            # Before anything is awaited: who asks meanwhile waits for the same.
            self._small[pid, wide] = now, asyncio.ensure_future(self._shrunk(pid, wide))
        return await asyncio.shield(self._small[pid, wide][1])

    async def showing(self, pid: int) -> Mapping[str, Sequence[str]]:
        """The titles of the windows that are open on a desktop that runs, as snapshots keep them."""
        hands = self._hands.get(pid)
        if hands is None or hands.lost:
            return {}
        return {"windows": await titles(await self._machines.open(pid, await self._spec(pid)))}

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now()

    # --- as a stage ------------------------------------------------------------------------------------------------

    async def look(self, pid: int) -> Look | None:
        """What the desktop shows now, None if it does not run."""
        eyes = await self._eyes_on(pid)
        if eyes is None:
            return None
        picture = await eyes.picture()
        sandbox = await self._machines.open(pid, await self._spec(pid))
        open_ = await titles(sandbox)
        content = await asyncio.to_thread(jpeg, picture)
        image = await asyncio.to_thread(pictures.examine, content)
        return Look(image, content, picture.size, open_)

    async def put_back(self, pid: int, before: Look) -> None:
        """People fit the screen to their panel; the agent finds it as it was."""
        eyes = await self._eyes_on(pid)
        if eyes is not None:
            await eyes.resize(*before.size)

    def forget(self, pid: int) -> None:
        """The process has ended."""
        self._locks.pop(pid, None)
        self._hands.pop(pid, None)
        self._eyes.pop(pid, None)
        for key in [key for key in self._small if key[0] == pid]:
            del self._small[key]

    async def close(self) -> None:
        """Hang up everywhere."""
        self.audience.close()
        await asyncio.gather(*(each.close() for each in (*self._hands.values(), *self._eyes.values())))
        self._hands.clear()
        self._eyes.clear()

    async def _spec(self, pid: int) -> SandboxSpec:
        return (await self._processes.spec(RUNTIME, pid)).sandbox

    async def _eyes_on(self, pid: int) -> RfbClient | None:
        """A connection to look by, None if the desktop does not run here. It is not started for a look."""
        seen, hands = self._eyes.get(pid), self._hands.get(pid)
        if seen is not None and not seen.lost:
            return seen
        if (hands is None or hands.lost) and not self.audience.of(pid):
            return None
        async with self._locks.setdefault(pid, asyncio.Lock()):
            eyes = self._eyes.get(pid)
            if eyes is None or eyes.lost:
                try:
                    sandbox = await self._sandbox(pid, await self._spec(pid), {})
                    eyes = await _connected(sandbox)
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

    async def _not_elsewhere(self, pid: int, spec: SandboxSpec) -> None:
        """A desktop is one for all servers: opened here as well, it would end there with all that is open on it."""
        if not await self.may_open(pid) or await self._machines.open_elsewhere(pid, spec):
            raise Conflict(
                f"the desktop of agent {pid} is open on another server of this AETHER_HOME; look at it there, or end "
                "that server, and it opens here"
            )

    async def _shrunk(self, pid: int, width: int) -> bytes:
        eyes = await self._eyes_on(pid)
        if eyes is None:
            raise NotFound(f"the desktop of agent {pid} does not run here")
        picture = await eyes.picture()
        return await asyncio.to_thread(jpeg, picture, width)


def _stale(picture: asyncio.Future[bytes], age_s: float) -> bool:
    return picture.done() and (age_s > PICTURE_S or picture.cancelled() or picture.exception() is not None)


async def _connected(sandbox: DesktopSandbox) -> RfbClient:
    reader, writer = await sandbox.display()
    try:
        return await RfbClient(reader, writer).open()
    except BaseException:
        # Whoever waited may have given it up in the middle of a handshake.
        writer.close()
        raise


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
