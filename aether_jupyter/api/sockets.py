"""The feed socket: one person's snapshot and events, pulled from the kernel only as fast as the browser takes them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..model.access import Principal, require
from ..model.errors import AetherError, NotFound
from .bodies import Natural, Watch
from .identity import principal
from .routing import PROBLEM, RESOURCE, Argument, Entrance, House, parse_query, problem, refusal, summary

ARGUMENTS = (Argument("cursor", Natural, None),)
MESSAGE_BYTES = 16_384
PING_MS = 30_000
GOING_AWAY, POLICY, TROUBLE = 1001, 1008, 1011
"""WebSocket close codes (RFC 6455): the server stops, the client broke a rule, the server failed."""


class FeedSocket(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """`/aether/feed?cursor=N`. Frames are `bodies.Frame`; a client may send `bodies.Watch`.

    Nothing is buffered here: a slow reader is simply not pulled for, and the kernel gives it a snapshot when it is
    too far behind.
    """

    auth_resource = RESOURCE
    entrance: Entrance
    sockets: set[FeedSocket]
    house: House
    who: Principal
    cursor: int | None = None
    pump: asyncio.Task[None] | None = None

    def initialize(self, entrance: Entrance, sockets: set[FeedSocket]) -> None:
        """Tornado's own hook for a handler's arguments."""
        self.entrance = entrance
        self.sockets = sockets
        self.watched: set[int] = set()

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
            require(self.who, "processes:read")
            self.cursor = parse_query(ARGUMENTS, self.request.query_arguments)["cursor"]
            self.house = await self.entrance.house()
        except AetherError as error:
            self._refuse(error, error.status)
            return
        except web.HTTPError:
            raise
        except Exception:
            # Tornado would log the request with its address, which may hold a token.
            self.log.exception("Aether: a feed could not begin")
            self._refuse(AetherError("the server made a mistake; its log says more"), 500)
            return
        await super().get(*args, **kwargs)

    async def open(self, *args: Any, **kwargs: Any) -> None:
        """Start the pump."""
        self.sockets.add(self)
        self.pump = asyncio.create_task(self._pump(), name="aether feed")

    async def _pump(self) -> None:
        try:
            frames = self.house.feed.follow(self.who, cursor=self.cursor, watch=self.watched)
            async with contextlib.aclosing(frames):  # type: ignore[type-var]
                async for frame in frames:
                    # Waits until the frame has left for the network: this is the back-pressure.
                    await self.write_message(frame)
        except WebSocketClosedError:
            return
        except AetherError as error:
            self.log.warning("Aether: a feed ended: %s", error.message)
            self.close(TROUBLE, error.code)
        except Exception:
            self.log.exception("Aether: a feed failed")
            self.close(TROUBLE, "aether_error")
        else:
            self.close(GOING_AWAY, "the server stops")

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


async def close_all(sockets: set[FeedSocket]) -> None:
    """Say goodbye to every client and wait for the pumps, so that the kernel can close after this."""
    pumps = [socket.pump for socket in sockets if socket.pump is not None]
    for socket in list(sockets):
        socket.close(GOING_AWAY, "the server stops")
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


_WATCH = msgspec.json.Decoder(Watch)
