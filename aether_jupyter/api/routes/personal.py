"""What is kept about oneself: seen, taken away, erased."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from ...model.access import Principal
from ...model.errors import Conflict
from ...model.memory import NAME_CHARS
from ...model.personal import Holding
from ..archives import packed
from ..routing import ZIP, Attachment, House, route

Agent = Annotated[str, msgspec.Meta(max_length=NAME_CHARS)]


@route("GET", "/me/data", scope="me:read")
async def get_my_data(house: House, who: Principal, *, agent: Agent = "") -> Holding:
    """How much is kept of oneself, or of one agent and those below it, and what an erasure would leave."""
    return await house.personal.holding(who, agent)


@route("GET", "/me/export", scope="me:read", media=(ZIP,))
async def export_my_data(house: House, who: Principal, *, agent: Agent = "") -> Attachment:
    """All of it as a zip: every row, memories as Markdown, the files of agents; with a report of what is in it."""
    stem = re.sub(r"[^\w.-]+", "-", agent or who.name).strip("-.")[:60] or "me"
    return Attachment(f"aether-{stem}.zip", ZIP, packed(house.personal.export(who, agent)))


@route("DELETE", "/me/data", scope="me:erase", errors=(Conflict,))
async def erase_my_data(
    house: House,
    who: Principal,
    *,
    confirm: Annotated[str, msgspec.Meta(max_length=NAME_CHARS)],
    agent: Agent = "",
    force: bool = False,
) -> Holding:
    """Erase it for good: of one agent and those below it, or of oneself. Returns what was erased, and what stays.

    `confirm` is the name of the agent, or one's own. Agents must have ended; `force` kills those that have not.
    """
    return await house.personal.erase(who, agent, confirm=confirm, force=force)
