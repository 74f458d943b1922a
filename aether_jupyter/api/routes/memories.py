"""What agents remember: keep, recall, list, change, share, forget."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...answers import MemoryList, SpaceList
from ...model.access import Principal
from ...model.errors import Conflict, MemoryNotFound
from ...model.memory import AgentName, Layer, Memory, Recall, Source
from ..bodies import ChangeMemory, Grant, KeepNotes, Key
from ..routing import House, route

Query = Annotated[str, msgspec.Meta(max_length=20_000)]


@route("GET", "/memories", scope="memory:read")
async def list_memories(
    house: House,
    who: Principal,
    *,
    agent: AgentName,
    layer: Layer | None = None,
    before: Key | None = None,
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200,
) -> MemoryList:
    """What an agent remembers, newest first; `before` is the id to go on from."""
    return MemoryList(list(await house.memories.list(who, agent, layer=layer, before=before, limit=limit)))


@route("POST", "/memories", scope="memory:write", status=201)
async def remember(house: House, who: Principal, body: KeepNotes) -> MemoryList:
    """Keep notes for an agent, in one transaction. They are found by words at once, by meaning soon after."""
    kept = await house.memories.remember_many(who, body.agent, body.notes, Source(who.name))
    return MemoryList(list(kept))


@route("GET", "/memories/recall", scope="memory:read")
async def recall(
    house: House,
    who: Principal,
    *,
    agent: AgentName,
    query: Query,
    layer: tuple[Layer, ...] = (),
    tag: tuple[str, ...] = (),
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10,
) -> Recall:
    """What an agent remembers, or was granted to read, that fits the query: best first, each with its reasons."""
    return await house.memories.recall(who, agent, query, layers=layer, tags=tag, limit=limit)


@route("GET", "/memories/spaces", scope="memory:read")
async def list_spaces(house: House, who: Principal) -> SpaceList:
    """The agents that remember something, the last changed first, and who may read it besides."""
    return SpaceList(list(await house.memories.spaces(who)), await house.memories.waiting(who))


@route("POST", "/memories/grants", scope="memory:write", status=204)
async def grant_memory(house: House, who: Principal, body: Grant) -> None:
    """Let one agent recall what another remembers, or no longer."""
    await house.memories.grant(who, body.agent, body.reader, allow=body.allow)


@route("GET", "/memories/{memory_id}", scope="memory:read", errors=(MemoryNotFound,))
async def list_versions(house: House, who: Principal, memory_id: Key) -> MemoryList:
    """A memory as it is, and before it was changed: the newest version first."""
    return MemoryList(list(await house.memories.versions(who, memory_id)))


@route("POST", "/memories/{memory_id}", scope="memory:write", errors=(MemoryNotFound, Conflict))
async def change_memory(house: House, who: Principal, memory_id: Key, body: ChangeMemory) -> Memory:
    """Change a memory; what was there is kept as a version. `version`, if given, must be the one that was seen."""
    return await house.memories.edit(who, memory_id, body.change(), version=body.version)


@route("DELETE", "/memories/{memory_id}", scope="memory:write", errors=(MemoryNotFound,))
async def forget_memory(house: House, who: Principal, memory_id: Key) -> Memory:
    """Forget a memory: it is found no more. Its versions stay readable."""
    return (await house.memories.forget(who, (memory_id,)))[0]
