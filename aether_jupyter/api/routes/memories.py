"""What agents remember: keep, recall, list, change, merge, share, forget."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...answers import AlikeList, MemoryList, ReportList, SpaceList, UseList
from ...engine.likeness import ALIKE
from ...engine.recall import FADED, HALF_LIFE_S
from ...model.access import Principal
from ...model.errors import Conflict, MemoryNotFound
from ...model.memory import AgentName, Consolidated, Layer, Memory, MemoryPage, Merged, Recall, Sort, Source, SourceKind
from ..bodies import ChangeMemory, Consolidate, Grant, KeepNotes, Key, Merge
from ..routing import House, route

Query = Annotated[str, msgspec.Meta(max_length=20_000)]


@route("GET", "/memories", scope="memory:read")
async def list_memories(
    house: House,
    who: Principal,
    *,
    agent: AgentName,
    sort: Sort = "newest",
    layer: tuple[Layer, ...] = (),
    tag: tuple[str, ...] = (),
    kind: tuple[SourceKind, ...] = (),
    pinned: bool = False,
    forgotten: bool = False,
    cursor: Annotated[str, msgspec.Meta(max_length=1_000)] = "",
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200,
) -> MemoryPage:
    """What an agent remembers, or has forgotten, a page at a time; `cursor` is the `next` of the page before.

    It sorts by newest, strength, importance or last use. `kind` is where memories came from; `pinned` leaves out what
    is not.
    """
    return await house.memories.page(
        who,
        agent,
        sort=sort,
        layers=layer,
        tags=tag,
        kinds=kind,
        pinned=pinned,
        forgotten=forgotten,
        cursor=cursor,
        limit=limit,
    )


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
    typing: bool = False,
) -> Recall:
    """What an agent remembers, or was granted to read, that fits the query: best first, each with its reasons.

    `typing`: the query is being typed, so its last word may be the beginning of one.
    """
    return await house.memories.recall(who, agent, query, layers=layer, tags=tag, limit=limit, typing=typing)


@route("GET", "/memories/spaces", scope="memory:read")
async def list_spaces(house: House, who: Principal) -> SpaceList:
    """The agents that remember something, the last changed first, and who may read it besides."""
    spaces, waiting = await house.memories.spaces(who), await house.memories.waiting(who)
    return SpaceList(list(spaces), waiting, HALF_LIFE_S, FADED, house.memories.limit)


@route("GET", "/memories/similar", scope="memory:read")
async def list_similar(
    house: House,
    who: Principal,
    *,
    agent: AgentName,
    layer: tuple[Layer, ...] = (),
    least: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = ALIKE,
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50,
) -> AlikeList:
    """Pairs of an agent's memories that say nearly the same, the most alike first: offered for merging."""
    pairs, looked_at = await house.memories.alike(who, agent, layers=layer, least=least, limit=limit)
    return AlikeList(list(pairs), looked_at)


@route("POST", "/memories/consolidate", scope="memory:write", errors=(MemoryNotFound, Conflict))
async def consolidate_memories(house: House, who: Principal, body: Consolidate) -> Consolidated:
    """Put an agent's memories in order now. What says the same is merged; a cheap model draws facts from what is new
    and names what disagrees, charged to the owner. The answer is the report of what was done, and what it cost.
    """
    return await house.surroundings.consolidate(who, body.agent)


@route("GET", "/memories/reports", scope="memory:read")
async def list_memory_reports(house: House, who: Principal, *, agent: AgentName) -> ReportList:
    """What consolidations did with an agent's memories, and what was evicted by its limits; the last first."""
    return ReportList(list(await house.memories.reports(who, agent)))


@route("POST", "/memories/merge", scope="memory:write", errors=(MemoryNotFound,))
async def merge_memories(house: House, who: Principal, body: Merge) -> Merged:
    """Make one memory of several. The first stays and keeps all sources; the others go into it and can be restored."""
    return await house.memories.merge(who, body.keys, body.change(), dry_run=body.dry_run)


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


@route("POST", "/memories/{memory_id}/restore", scope="memory:write", errors=(MemoryNotFound,))
async def restore_memory(house: House, who: Principal, memory_id: Key) -> Memory:
    """Undo that a memory was forgotten or merged into another: it is found again, as a new version."""
    return await house.memories.restore(who, memory_id)


@route("GET", "/memories/{memory_id}/similar", scope="memory:read", errors=(MemoryNotFound,))
async def list_like(
    house: House,
    who: Principal,
    memory_id: Key,
    *,
    least: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = ALIKE,
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20,
) -> AlikeList:
    """What says nearly the same as this memory, in all that its agent remembers."""
    pairs = await house.memories.like(who, memory_id, least=least, limit=limit)
    return AlikeList(list(pairs), 0)


@route("GET", "/memories/{memory_id}/uses", scope="memory:read", errors=(MemoryNotFound,))
async def list_uses(house: House, who: Principal, memory_id: Key) -> UseList:
    """Where a memory was given to a model, the last first: the step, the score, and whether the answer rests on it."""
    return UseList(list(await house.memories.uses(who, memory_id)))
