"""The tool by which an agent reads what people said of its runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

import msgspec

from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.feedback import Judgement
from ..model.harmless import line
from ..model.tool import Outcome
from ..plugins import hookimpl

SHOWN = 1_000
"""Characters of one comment that a model reads."""
_DAY_S = 86_400.0


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """`get_feedback`."""
    return [get_feedback]


@tool(risk="safe", effect="read", args={"limit": "name"}, fields={"feedback": "text"}, repeatable=True)
async def get_feedback(ctx: ToolContext, limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10) -> Outcome:
    """Read what people said of your steps, in this run and in earlier ones, the newest first.

    Args:
        limit: How many at most.
    """
    found = await ctx.feedback(limit)
    if not found:
        return Outcome(ok=True, content="Nobody has said anything of your work yet.", labels=_OWN)
    told = "\n".join(_told(each, ctx.pid, time.time()) for each in found)
    # The comments are people's; what a step did may be in strangers' words.
    return Outcome(ok=True, content=told, labels={} if any(each.tainted for each in found) else _OWN)


_OWN = {"feedback": "system"}


def _told(judgement: Judgement, pid: int, now: float) -> str:
    days = max(0.0, now - judgement.at) / _DAY_S
    age = "today" if days < 1 else f"{days:.0f} days ago"
    run = "this run" if judgement.pid == pid else f"run {judgement.pid}"
    thumb = {"up": " thumb up", "down": " thumb down", "none": ""}[judgement.thumb]
    comment = f": {line(judgement.comment, SHOWN)}" if judgement.comment else ""
    by = line(judgement.by, 60)
    return f"[{run}, step {judgement.step}, {age}] {by}{thumb}{comment} (the step: {judgement.about})"
