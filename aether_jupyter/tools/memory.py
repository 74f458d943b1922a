"""Tools by which an agent remembers across runs: keep a note, find what fits, forget."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

import msgspec

from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.harmless import line
from ..model.memory import Importance, Layer, Note, Tag, told
from ..model.tool import Outcome
from ..plugins import hookimpl

SHOWN = 2_000
"""Characters of one memory that a model reads."""


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """`remember`, `recall` and `forget`."""
    return [remember, recall, forget]


@tool(
    risk="safe",
    effect="write",
    args={"text": "content", "layer": "name", "importance": "name", "tags": "name"},
    fields={"id": "system"},
)
async def remember(
    ctx: ToolContext,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)],
    layer: Layer = Layer.SEMANTIC,
    importance: Importance = 0.5,
    tags: Annotated[list[Tag], msgspec.Meta(max_length=20)] = [],  # noqa: B006 (the schema copies it)
) -> Outcome:
    """Keep a note for your later runs. Write it so that it makes sense without this conversation.

    Args:
        text: What to remember, in full sentences, with names and dates.
        layer: episodic (what happened), semantic (what is so), procedural (how to do it) or social (who is who).
        importance: From 0 (a detail) to 1 (never forget).
        tags: Words to find it by.
    """
    note = Note(text=text, layer=layer, importance=importance, tags=tuple(tags))
    kept = await ctx.memory.remember(note, tainted=ctx.tainted)
    return Outcome(ok=True, content=f"Remembered as {kept.id}.")


@tool(
    risk="safe",
    effect="read",
    args={"query": "content", "layer": "name", "limit": "name"},
    fields={"memories": "text"},
    repeatable=True,
)
async def recall(
    ctx: ToolContext,
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)],
    layer: Layer | None = None,
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5,
) -> Outcome:
    """Find what you remember from earlier runs.

    Args:
        query: What you want to know, in words that the note may use.
        layer: Only this layer: episodic, semantic, procedural or social.
        limit: How many at most.
    """
    found = await ctx.memory.recall(query, layers=(layer,) if layer else (), limit=limit)
    if not found.found:
        return Outcome(ok=True, content="You remember nothing that fits.")
    return Outcome(ok=True, content="\n".join(told(each.memory, time.time(), SHOWN) for each in found.found))


@tool(risk="write", effect="destroy", args={"id": "select:memory"}, fields={"id": "system"})
async def forget(ctx: ToolContext, id: Annotated[int, msgspec.Meta(ge=1)]) -> Outcome:  # noqa: A002 (what models call it)
    """Forget one of your memories, because it is wrong or no longer so.

    Args:
        id: Its number, as remember and recall tell it.
    """
    gone = await ctx.memory.forget(id)
    return Outcome(ok=True, content=f"Forgot {gone.id}: {line(gone.text, 200)}")
