"""Browsers as people see them: one screencast an agent for all who look, and what whoever has control does there.

A viewer is sent the newest frame when they have drawn the last, so nobody waits for the slowest and nothing piles up;
Chromium paints as fast as the fastest of them draws. While a page stands still nothing is sent at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from .. import pictures
from ..abc import Clock
from ..config import Settings
from ..kernel.processes import Processes
from ..model.access import RUNTIME, Principal, require
from ..model.control import Act, BrowserStatus, Stage
from ..model.errors import AetherError, Conflict, NotFound
from ..model.process import Process
from ..model.screencast import (
    HEIGHT,
    WIDTH,
    Answer,
    CastState,
    Choose,
    DialogGone,
    Go,
    Input,
    Insert,
    Key,
    Mouse,
    PageDialog,
    SeenFrame,
    Shown,
    ShowTab,
    Trouble,
    Visit,
    Wheel,
)
from .browsers import Browsers, seating
from .machines import Machines
from .takeover import Audience, Look, Takeovers, anywhere

log = logging.getLogger(__name__)

WAITING = 50
"""How many messages wait for a viewer; one who takes none for so long is sent away."""
DRAGGED = 8
"""CSS pixels between press and release beyond which it is a drag."""
TITLES, TITLE_CHARS = 30, 200
HOST_CHARS = 100
_SILENT = frozenset({"Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "NumLock", "Dead", "Process"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SeenFrame | Input).decode


class CastView:
    """One person's view of one browser."""

    def __init__(self, screencasts: Screencasts, show: _Show, who: Principal, *, view_only: bool) -> None:
        self.name = who.name
        self.view_only = view_only
        self._screencasts = screencasts
        self._show = show
        self._news: deque[Shown] = deque()
        self._stirred = asyncio.Event()
        self._drawn = True
        self._seen = 0
        self._open = True
        self._recorder = _Recorder()

    async def read(self) -> bytes | str:
        """The next message, or the newest frame if the last is drawn; empty when it has ended."""
        while self._open:
            if self._news:
                return _encode(self._news.popleft()).decode()
            if self._drawn and self._show.picture and self._seen != self._show.number:
                self._drawn, self._seen = False, self._show.number
                self._show.taken.set()
                return self._show.picture
            self._stirred.clear()
            await self._stirred.wait()
        return b""

    def write(self, message: str | bytes) -> None:
        """Take what the viewer sends; what acts gets through from who has control. Raises `ValueError` for nonsense."""
        try:
            what = _decode(message)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"no message: {error}") from None
        if isinstance(what, SeenFrame):
            self._drawn = True
            self._stirred.set()
        elif self._screencasts.audience.may_act(self._show.pid, self):
            act = self._recorder.hear(what, self._screencasts.now())
            if act is not None:
                self._screencasts.audience.acted(self._show.pid, act)
            self._screencasts.take(self._show.pid, what)

    def tell(self, news: Shown) -> None:
        """Something to send."""
        if isinstance(news, CastState):
            self._news = deque(each for each in self._news if not isinstance(each, CastState))
        self._news.append(news)
        if len(self._news) > WAITING:
            self._open = False
        self._stirred.set()

    def stir(self) -> None:
        """There is another frame."""
        self._stirred.set()

    def let_go(self) -> None:
        """Release what they hold down."""
        self._recorder = _Recorder()
        self._screencasts.let_go(self._show.pid)

    def close(self) -> None:
        """Hang up."""
        self._open = False
        self._stirred.set()
        self._screencasts.left(self._show.pid, self)


class _Show:
    """What one browser shows to all who look; implements `abc.Onlooker`."""

    def __init__(self, screencasts: Screencasts, pid: int) -> None:
        self.pid = pid
        self.picture = b""
        self.number = 0
        self.state = CastState()
        self.dialog: PageDialog | None = None
        self.taken = asyncio.Event()
        self.on = False
        self._screencasts = screencasts

    @property
    def attended(self) -> bool:
        """Whether the person who has control is among those who look."""
        audience = self._screencasts.audience
        return any(audience.may_act(self.pid, each) for each in audience.of(self.pid))

    def shown(self, what: Shown) -> None:
        """The state is for all, the rest for whoever has control."""
        if isinstance(what, CastState):
            self.state = what
            if not what.open:
                self.picture, self.dialog = b"", None
        elif isinstance(what, PageDialog | DialogGone):
            self.dialog = what if isinstance(what, PageDialog) else None
        audience = self._screencasts.audience
        for each in self._screencasts.audience.of(self.pid):
            if isinstance(what, CastState | DialogGone) or audience.may_act(self.pid, each):
                each.tell(what)

    async def frame(self, jpeg: bytes) -> None:
        """Offer it to all; return when the first has taken it."""
        self.picture = jpeg
        self.number += 1
        self.taken.clear()
        for each in self._screencasts.audience.of(self.pid):
            each.stir()
        await self.taken.wait()


class Screencasts:
    """Lets people look at browsers, and act there while they have control."""

    stage: Stage = "browser"

    def __init__(
        self,
        browsers: Browsers,
        machines: Machines,
        processes: Processes,
        takeovers: Takeovers,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._browsers = browsers
        self._machines = machines
        self._processes = processes
        self._takeovers = takeovers
        self._settings = settings
        self._clock = clock
        self._shows: dict[int, _Show] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing: dict[int, asyncio.Lock] = {}
        self.may_open: Callable[[int], Awaitable[bool]] = anywhere
        """Asked before somebody looks: whether no other server runs the process."""
        self.audience: Audience[CastView] = takeovers.audience(self)

    async def view(self, who: Principal, pid: int, *, view_only: bool = False) -> CastView:
        """Open a view. Nothing is opened for it: while the browser rests, it says so.

        Raises `NotFound` if the agent does not browse, `Conflict` while another server of this `AETHER_HOME` runs it.
        """
        require(who, "displays:view")
        process = await self._processes.get(who, pid)
        self._check(process)
        if self._browsers.opened(pid) is None and not await self.may_open(pid):
            raise Conflict(f"agent {pid} works on another server of this AETHER_HOME; look at its browser there")
        self._takeovers.known(process)
        show = self._shows.setdefault(pid, _Show(self, pid))
        view = CastView(self, show, who, view_only=view_only or "displays:control" not in who.scopes)
        view.tell(show.state)
        if show.dialog is not None and self._takeovers.holder(pid) == who.name:
            view.tell(show.dialog)
        self.audience.enter(pid, view)
        self._start(self._care(pid))
        return view

    async def status(self, who: Principal, pid: int) -> BrowserStatus:
        """How the browser is and who is there."""
        require(who, "displays:view")
        process = await self._processes.get(who, pid)
        self._check(process)
        control = await self._takeovers.status(who, pid)
        browser = self._browsers.opened(pid)
        return BrowserStatus(
            pid=pid,
            open=browser is not None and browser.awake,
            width=WIDTH,
            height=HEIGHT,
            holder=control.holder,
            since=control.since,
            viewers=self.audience.viewers(pid),
        )

    def left(self, pid: int, view: CastView) -> None:
        """A view was closed; with the last one the screencast ends."""
        self.audience.leave(pid, view)
        self._start(self._care(pid))

    def take(self, pid: int, what: Input) -> None:
        """Pass on what the person does who has control. An address opens the browser if it is not."""
        browser = self._browsers.opened(pid)
        if browser is not None:
            browser.take(what)
        elif isinstance(what, Visit):
            self._start(self._open(pid, what))

    def let_go(self, pid: int) -> None:
        """Release what is held down."""
        browser = self._browsers.opened(pid)
        if browser is not None:
            browser.let_go()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now()

    async def close(self) -> None:
        """Hang up everywhere."""
        self.audience.close()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- as a stage ------------------------------------------------------------------------------------------------

    async def look(self, pid: int) -> Look | None:
        """What the browser shows now, None if it is not open."""
        browser = self._browsers.opened(pid)
        seen = await browser.look() if browser is not None else None
        if seen is None:
            return None
        content, titles = seen
        image = await asyncio.to_thread(pictures.examine, content)
        return Look(image, content, (image.width, image.height), tuple(t[:TITLE_CHARS] for t in titles[:TITLES]))

    async def put_back(self, pid: int, before: Look) -> None:
        """A person's turn changes nothing for themselves alone here."""

    def forget(self, pid: int) -> None:
        """The process has ended: those who look are sent away."""
        for view in self.audience.of(pid):
            view.close()
        self._changing.pop(pid, None)

    # --- underneath ------------------------------------------------------------------------------------------------

    def _check(self, process: Process) -> None:
        if not process.browser:
            raise NotFound(
                f"agent {process.pid} does not browse; it was started without tools for it, or without a network"
            )

    async def _care(self, pid: int) -> None:
        """Show the browser if anybody looks, and else to nobody."""
        async with self._changing.setdefault(pid, asyncio.Lock()):
            looked_at = bool(self.audience.of(pid))
            show = self._shows.get(pid)
            if show is None or looked_at == show.on:
                return
            show.on = looked_at
            if not looked_at:
                self._shows.pop(pid, None)
            await self._browsers.watch(pid, show if looked_at else None)

    async def _open(self, pid: int, what: Visit) -> None:
        """Open the browser of an agent that has not yet done so here."""
        try:
            process = await self._processes.get(RUNTIME, pid)
            spec = await self._processes.spec(RUNTIME, pid)
            names = await self._processes.lineage(RUNTIME, pid)

            async def home() -> Path:
                return await self._machines.homes.ready(pid, spec.sandbox)

            kept, rules = seating(self._settings, process.owner, names, spec, lambda: process.model)
            (await self._browsers.open(pid, home, spec.sandbox, kept, rules)).take(what)
        except AetherError as error:
            show = self._shows.get(pid)
            if show is not None:
                show.shown(Trouble(error.message))

    def _start(self, deed: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(deed)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("showing a browser failed", exc_info=task.exception())


class _Recorder:
    """Turns what a person sends into acts that can be told, without what was typed."""

    def __init__(self) -> None:
        self._pressed = (0.0, 0.0)

    def hear(self, what: Input, at: float) -> Act | None:
        """The act that this completes."""
        match what:
            case Mouse(event="down", x=x, y=y):
                self._pressed = (x, y)
            case Mouse(event="up", x=x, y=y):
                from_x, from_y = self._pressed
                moved = max(abs(x - from_x), abs(y - from_y)) > DRAGGED
                return Act(kind="drag" if moved else "click", at=at, x=round(from_x), y=round(from_y))
            case Wheel(x=x, y=y):
                return Act(kind="scroll", at=at, x=round(x), y=round(y))
            case Key(down=True, key=key, text=text, held=held) if key not in _SILENT:
                if (text and not text.isspace() and not held & ~_SHIFT) or key == " ":
                    return Act(kind="type", at=at)
                names = [name for bit, name in _HELD if held & bit and (bit != _SHIFT or len(key) > 1)]
                return Act(kind="key", at=at, key="+".join((*names, key.lower())))
            case Insert(text=text) if text:
                return Act(kind="type", at=at, count=len(text))
            case Visit(url=url):
                return Act(kind="open", at=at, key=_host(url))
            case Go() | ShowTab():
                return Act(kind="open", at=at)
            case Choose(index=int()):
                return Act(kind="choose", at=at)
            case Answer():
                return Act(kind="answer", at=at)
        return None


_SHIFT = 8
_HELD = ((2, "ctrl"), (1, "alt"), (8, "shift"), (4, "super"))


def _host(url: str) -> str:
    """Of an address only the host is kept: the rest may be a secret."""
    return (
        url.partition("://")[2].partition("/")[0].rpartition("@")[2][:HOST_CHARS] or url.partition("/")[0][:HOST_CHARS]
    )
