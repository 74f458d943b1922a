"""Desktops of agents: how they are, and a picture; their bytes come by a socket."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...model.access import Principal
from ...model.control import DisplayStatus
from ...model.errors import Conflict, NotFound, ProcessNotFound
from ..bodies import Pid
from ..routing import Attachment, House, route

Width = Annotated[int, msgspec.Meta(ge=16, le=4096)]


@route("GET", "/processes/{pid}/display", scope="displays:view", errors=(ProcessNotFound, Conflict))
async def get_display(house: House, who: Principal, pid: Pid) -> DisplayStatus:
    """The desktop of an agent: whether it runs, how large it is, who has control and who looks."""
    return await house.displays.status(who, pid)


@route(
    "GET",
    "/processes/{pid}/display/picture",
    scope="displays:view",
    media=("image/jpeg",),
    errors=(NotFound,),
)
async def get_display_picture(house: House, who: Principal, pid: Pid, *, width: Width = 1280) -> Attachment:
    """What the desktop shows, at most two seconds old. One that does not run is not started for it.

    `width` in pixels is rounded up to a power of two, so that all who look share a few pictures; none is wider than the
    desktop.
    """
    return Attachment(f"desktop-{pid}.jpg", "image/jpeg", await house.displays.picture(who, pid, width))
