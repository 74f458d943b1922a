"""Jupyter's own terminals, in which shells of agents' sandboxes run: to speak with one, and to end it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..model.errors import ServerNotFound
from .discover import Address
from .feed import tls
from .requests import Request

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MESSAGE_BYTES = 16 * 1024 * 1024


@asynccontextmanager
async def attach(address: Address, name: str) -> AsyncGenerator[ClientConnection, None]:
    """A connection to the terminal of this name. Raises `ServerNotFound` if none comes about."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake

    try:
        socket = await connect(
            f"ws{address.url.removeprefix('http')}terminals/websocket/{name}",
            additional_headers=address.headers,
            max_size=MESSAGE_BYTES,
            ssl=tls(address),
            open_timeout=15,
            proxy=None if address.local else True,
        )
    except (InvalidHandshake, TimeoutError, OSError) as error:
        raise ServerNotFound(f"{address.url} does not show the terminal {name}: {error}") from error
    async with socket:
        yield socket


def end(name: str) -> Request[None]:
    """Ends the terminal of this name. `NotFound` if it has ended."""
    return Request("DELETE", f"api/terminals/{name}", None)
