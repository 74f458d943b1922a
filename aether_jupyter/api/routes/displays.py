"""Desktops of agents: how they are, who has control, and a picture; their bytes come by a socket."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...model.access import Principal
from ...model.control import DisplayStatus
from ...model.errors import Conflict, ControlHeld, IllegalTransition, NotFound, ProcessNotFound
from ..bodies import HandBack, Pid
from ..routing import Attachment, House, route

Width = Annotated[int, msgspec.Meta(ge=16, le=4096)]


@route("GET", "/processes/{pid}/display", scope="displays:view", errors=(ProcessNotFound,))
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
    """What the desktop shows, at most two seconds old. One that does not run is not started for it."""
    return Attachment(f"desktop-{pid}.jpg", "image/jpeg", await house.displays.picture(who, pid, width))


@route(
    "POST",
    "/processes/{pid}/control",
    scope="displays:control",
    errors=(ProcessNotFound, ControlHeld, IllegalTransition),
)
async def take_control(house: House, who: Principal, pid: Pid) -> DisplayStatus:
    """Take the agent's desktop over. The agent stops at once, and goes on when control is handed back."""
    return await house.displays.take(who, pid)


@route(
    "POST",
    "/processes/{pid}/control/return",
    scope="displays:control",
    errors=(ProcessNotFound, ControlHeld, IllegalTransition),
)
async def return_control(house: House, who: Principal, pid: Pid, body: HandBack) -> DisplayStatus:
    """Hand control back. The agent is told what changed, and the note."""
    return await house.displays.give_back(who, pid, body.note)


@route("POST", "/processes/{pid}/control/ask", scope="displays:control", status=204, errors=(ProcessNotFound, Conflict))
async def ask_for_control(house: House, who: Principal, pid: Pid) -> None:
    """Ask whoever has control to hand it over; they see it on their screens."""
    await house.displays.ask(who, pid)
