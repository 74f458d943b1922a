"""What agents can be begun from."""

from __future__ import annotations

from ...answers import TemplateList
from ...model.access import Principal
from ..routing import House, route


@route("GET", "/templates", scope="system:read")
async def list_templates(house: House, who: Principal) -> TemplateList:
    """The templates of agents, and where the shared folders lie that some of them name."""
    return TemplateList(list(await house.catalog.templates(who)), house.surroundings.workspaces(who.owner))
