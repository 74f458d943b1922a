"""Browsers of agents: how they are; what they show comes by a socket."""

from __future__ import annotations

from ...model.access import Principal
from ...model.control import BrowserStatus
from ...model.errors import NotFound, ProcessNotFound
from ..bodies import Pid
from ..routing import House, route


@route("GET", "/processes/{pid}/browser", scope="displays:view", errors=(ProcessNotFound, NotFound))
async def get_browser(house: House, who: Principal, pid: Pid) -> BrowserStatus:
    """The browser of an agent: whether it is open, who has control and who looks."""
    return await house.screencasts.status(who, pid)
