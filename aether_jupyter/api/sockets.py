"""The sockets: a person's feed, a desktop, a browser; each is sent only as fast as the browser takes it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..abc import CastView, DisplayView
from ..model.access import Principal, require
from ..model.errors import AetherError, NotFound
from .bodies import Natural, Watch
from .identity import principal
from .routing import PROBLEM, RESOURCE, Argument, Entrance, House, parse_query, problem, refusal, summary

MESSAGE_BYTES = 16_384
DISPLAY_BYTES = 1_100_000
PING_MS = 30_000
GOING_AWAY, POLICY, TROUBLE = 1001, 1008, 1011
"""WebSocket close codes (RFC 6455): the server stops, the client broke a rule, the server failed."""


class Socket(WebSocketMixin, WebSocketHandler, JupyterHandler, ABC):
    """What every socket asks before the upgrade: who, whether they may, and what for. Nothing is buffered here."""

    auth_resource = RESOURCE
    entrance: Entrance
    sockets: set[Socket]
    house: House
    who: Principal
    pump: asyncio.Task[None] | None = None
    scope: ClassVar[str]
    arguments: ClassVar[tuple[Argument, ...]]
    what: ClassVar[str]

    def initialize(self, entrance: Entrance, sockets: set[Socket]) -> None:
        """Tornado's own hook for a handler's arguments."""
        self.entrance = entrance
        self.sockets = sockets

    async def prepared(self, in_path: dict[str, str], query: dict[str, Any]) -> None:
        """Whatever else must be known before the upgrade; raises what refuses it."""

    @abstractmethod
    async def go(self) -> None:
        """Serve until there is nothing more to send."""

    def _request_summary(self) -> str:
        return summary(self.request)

    def set_default_headers(self) -> None:
        """None: those of Jupyter's pages mean nothing to a socket."""

    def get_compression_options(self) -> dict[str, Any] | None:
        """Off: frames are small, and secrets beside chosen text must not be compressed together."""
        return None

    @property
    def ping_interval(self) -> float:
        """Seconds between pings, which are Tornado's own: Jupyter's are set in milliseconds that Tornado misreads."""
        return float(self.settings.get("ws_ping_interval", PING_MS)) / 1000

    @property
    def ping_timeout(self) -> float:
        """Seconds within which a ping must be answered."""
        return self.ping_interval

    @property
    def max_message_size(self) -> int:
        """Bytes that one message of a client may have."""
        return MESSAGE_BYTES

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Who, what, and then the upgrade, where Tornado checks the Origin."""
        try:
            allowed = await ensure_async(
                self.authorizer.is_authorized(self, self.current_user, "read", self.auth_resource)
            )
            if not allowed:
                raise web.HTTPError(403)
            self.who = principal(self.identity_provider, self.current_user)
            require(self.who, self.scope)
            query = parse_query(self.arguments, self.request.query_arguments)
            self.house = await self.entrance.house()
            await self.prepared(kwargs, query)
        except AetherError as error:
            self._refuse(error, error.status)
            return
        except web.HTTPError:
            raise
        except Exception:
            # Tornado would log the request with its address, which may hold a token.
            self.log.exception("Aether: a %s could not begin", self.what)
            self._refuse(AetherError("the server made a mistake; its log says more"), 500)
            return
        await super().get(*args, **kwargs)

    async def open(self, *args: Any, **kwargs: Any) -> None:
        """Start the pump."""
        self.sockets.add(self)
        self.pump = asyncio.create_task(self._pump(), name=f"aether {self.what}")

    async def _pump(self) -> None:
        try:
            await self.go()
        except WebSocketClosedError:
            return
        except AetherError as error:
            self.log.warning("Aether: a %s ended: %s", self.what, error.message)
            self.close(TROUBLE, error.code)
        except Exception:
            self.log.exception("Aether: a %s failed", self.what)
            self.close(TROUBLE, "aether_error")
        else:
            self.close(GOING_AWAY, "there is no more")

    def on_close(self) -> None:
        """The other side is gone: so is the pump."""
        if self.pump is not None:
            self.pump.cancel()
        self.sockets.discard(self)
        super().on_close()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Refusals before the upgrade are problem JSON."""
        self._refuse(refusal(status_code, self._reason, kwargs.get("exc_info")), status_code)

    def _refuse(self, error: AetherError, status: int) -> None:
        self.set_status(status)
        self.set_header("Content-Type", PROBLEM)
        self.finish(problem(error, status))


class FeedSocket(Socket):
    """`/aether/feed?cursor=N`. Frames are `bodies.Frame`; a client may send `bodies.Watch`.

    A slow reader is simply not pulled for, and the kernel gives it a snapshot when it is too far behind.
    """

    scope = "processes:read"
    arguments = (Argument("cursor", Natural, None),)
    what = "feed"
    cursor: int | None = None

    def initialize(self, entrance: Entrance, sockets: set[Socket]) -> None:
        """Nothing is watched yet."""
        super().initialize(entrance, sockets)
        self.watched: set[int] = set()

    async def prepared(self, in_path: dict[str, str], query: dict[str, Any]) -> None:
        """Where to begin."""
        self.cursor = query["cursor"]

    async def go(self) -> None:
        """Snapshot and records as they come."""
        frames = self.house.feed.follow(self.who, cursor=self.cursor, watch=self.watched)
        async with contextlib.aclosing(frames):  # type: ignore[type-var]
            async for frame in frames:
                # Waits until the frame has left for the network: this is the back-pressure.
                await self.write_message(frame)

    async def on_message(self, message: str | bytes) -> None:
        """Take the new set of watched processes; what is not the caller's own is as if it were not there."""
        try:
            wanted = set(_WATCH.decode(message).watch)
        except (msgspec.DecodeError, RecursionError):
            self.close(POLICY, 'send {"watch": [pid, ...]}')
            return
        self.watched &= wanted
        for pid in wanted - self.watched:
            with contextlib.suppress(NotFound):
                await self.house.processes.get(self.who, pid)
                self.watched.add(pid)


class ViewSocket(Socket):
    """Somebody's view of a desktop or browser, for as long as the socket is open."""

    scope = "displays:view"
    arguments = (Argument("view_only", bool, False),)
    view: DisplayView | CastView | None = None
    ended: ClassVar[str]

    @abstractmethod
    async def look(self, pid: int, view_only: bool) -> DisplayView | CastView:
        """Open the view, or raise what refuses it."""

    @abstractmethod
    async def take(self, message: str | bytes) -> None:
        """Pass on what the viewer sends. Raises `ValueError` for what is no message."""

    async def prepared(self, in_path: dict[str, str], query: dict[str, Any]) -> None:
        """The view; refused before the upgrade if it cannot be had."""
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "write", self.auth_resource)
        )
        self.view = await self.look(int(in_path["pid"]), query["view_only"] or not allowed)

    async def open(self, *args: Any, **kwargs: Any) -> None:
        """Small messages must not wait for large ones."""
        self.set_nodelay(True)
        await super().open(*args, **kwargs)

    async def go(self) -> None:
        """What is shown, for as long as there is anything."""
        assert self.view is not None
        while data := await self.view.read():
            # Waits until it has left for the network, and meanwhile whatever is shown waits for us.
            await self.write_message(data, binary=isinstance(data, bytes))

    async def on_message(self, message: str | bytes) -> None:
        """Pass on what the viewer sends; the next message is read when this one is through."""
        if self.view is None:
            return
        try:
            await self.take(message)
        except ValueError as error:
            self.close(POLICY, str(error)[:100])
        except OSError:
            self.close(GOING_AWAY, self.ended)

    def on_close(self) -> None:
        """The view goes with its socket."""
        if self.view is not None:
            self.view.close()
        super().on_close()

    def on_finish(self) -> None:
        """Refused after all, by its Origin for one: the view must not stay open."""
        if self.view is not None and self.pump is None and self.get_status() != 101:
            self.view.close()


class DisplaySocket(ViewSocket):
    """`/aether/displays/{pid}?view_only=`: the RFB protocol of an agent's desktop, which is started if need be.

    Bytes pass both ways as they come; what acts on the desktop passes only from the person who has control.
    """

    what = "desktop"
    ended = "the desktop has ended"
    view: DisplayView | None = None

    @property
    def max_message_size(self) -> int:
        """Room for a large clipboard."""
        return DISPLAY_BYTES

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """What VNC clients for browsers ask for."""
        return "binary" if "binary" in subprotocols else None

    async def look(self, pid: int, view_only: bool) -> DisplayView:
        """The desktop."""
        return await self.house.displays.view(self.who, pid, view_only=view_only)

    async def take(self, message: str | bytes) -> None:
        """Bytes of the protocol."""
        assert self.view is not None
        await self.view.write(message.encode() if isinstance(message, str) else message)


class BrowserSocket(ViewSocket):
    """`/aether/browsers/{pid}?view_only=`: what an agent's browser shows, and what whoever has control does there.

    Binary messages are JPEG frames, each sent when the last was drawn; texts are JSON (see `model.screencast`).
    """

    what = "browser"
    ended = "the browser has ended"
    view: CastView | None = None

    @property
    def max_message_size(self) -> int:
        """Room for a large paste."""
        return DISPLAY_BYTES

    async def look(self, pid: int, view_only: bool) -> CastView:
        """The browser, whether it is open or not."""
        return await self.house.screencasts.view(self.who, pid, view_only=view_only)

    async def take(self, message: str | bytes) -> None:
        """A message of the viewer."""
        assert self.view is not None
        self.view.write(message)


async def close_all(sockets: set[Socket]) -> None:
    """Say goodbye to every client and wait for the pumps, so that the kernel can close after this."""
    pumps = [socket.pump for socket in sockets if socket.pump is not None]
    for socket in list(sockets):
        socket.close(GOING_AWAY, "the server stops")
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


_WATCH = msgspec.json.Decoder(Watch)
