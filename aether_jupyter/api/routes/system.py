"""Who one is, what the server has, how it is, and what was used."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ... import __version__
from ...abc import RouteInfo
from ...answers import Health, Me, ModelList, SandboxList, Server, ToolList, UsageReport
from ...model.access import Principal
from ...model.errors import ModelNotConfigured, UnknownName
from ..bodies import Spawn
from ..routing import House, route


@route("GET", "/me", scope="system:read")
async def me(house: House, who: Principal) -> Me:
    """Who asks, what they may do, and which server this is."""
    return Me(who.name, sorted(who.scopes), Server(__version__, house.instance))


@route("GET", "/openapi.json", scope="system:read")
async def openapi(house: House, who: Principal) -> dict[str, Any]:
    """This document."""
    from ..openapi import document

    return document()


@route("GET", "/aether/health", scope="system:read", absolute=True)
async def health(house: House, who: Principal) -> Health:
    """Asks each part how it is; what is not well says what to do."""
    checks = await house.surroundings.health()
    return Health(all(check.ok for check in checks if check.fatal), checks)


@route("GET", "/usage", scope="usage:read")
async def usage(house: House, who: Principal, *, days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 30) -> UsageReport:
    """Tokens and money by day, model and agent over the last `days`, and what today has cost."""
    return UsageReport(await house.budgets.usage(who, days=days), await house.budgets.spend(who))


@route("GET", "/models", scope="system:read")
async def list_models(house: House, who: Principal) -> ModelList:
    """The models to choose from, each with whether it can be used here and if not, what to do."""
    return ModelList(await house.surroundings.models(), house.surroundings.default_model())


@route("POST", "/models/route", scope="processes:spawn", errors=(UnknownName, ModelNotConfigured))
async def preview_route(house: House, who: Principal, body: Spawn) -> RouteInfo:
    """Which models an agent of this request would be asked from first, and why. Nothing is started."""
    return await house.surroundings.route(body.spec())


@route("GET", "/tools", scope="system:read")
async def list_tools(house: House, who: Principal) -> ToolList:
    """The tools that agents can be given, as they declare themselves."""
    return ToolList(house.surroundings.tools())


@route("GET", "/sandboxes", scope="system:read")
async def list_sandboxes(house: House, who: Principal) -> SandboxList:
    """Where tools can run, the most isolated first."""
    return SandboxList(await house.surroundings.sandboxes())
