"""Control of agents' desktops and browsers: taken by a person, handed back, asked for."""

from __future__ import annotations

from ...model.access import Principal
from ...model.control import ControlStatus
from ...model.errors import Conflict, ControlHeld, IllegalTransition, ProcessNotFound
from ..bodies import HandBack, Pid
from ..routing import House, route


@route(
    "POST",
    "/processes/{pid}/control",
    scope="displays:control",
    errors=(ProcessNotFound, ControlHeld, IllegalTransition),
)
async def take_control(house: House, who: Principal, pid: Pid) -> ControlStatus:
    """Take the agent's desktop and browser over. The agent stops at once, and goes on when control is handed back."""
    return await house.takeovers.take(who, pid)


@route(
    "POST",
    "/processes/{pid}/control/return",
    scope="displays:control",
    errors=(ProcessNotFound, ControlHeld, IllegalTransition),
)
async def return_control(house: House, who: Principal, pid: Pid, body: HandBack) -> ControlStatus:
    """Hand control back. The agent is told what changed, and the note."""
    return await house.takeovers.give_back(who, pid, body.note)


@route("POST", "/processes/{pid}/control/ask", scope="displays:control", status=204, errors=(ProcessNotFound, Conflict))
async def ask_for_control(house: House, who: Principal, pid: Pid) -> None:
    """Ask whoever has control to hand it over; they see it on their screens."""
    await house.takeovers.ask(who, pid)
