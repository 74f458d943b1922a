"""Tools by which an agent plans: write a plan down, move its steps, give them to other agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.errors import ToolFailed
from ..model.plan import Plan, StepStatus, mark, parse_plan, progress, revise, words
from ..model.tool import Outcome
from ..plugins import hookimpl

Outline = Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
Number = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """`create_plan`, `update_plan` and `get_plan`."""
    return [create_plan, update_plan, get_plan]


@tool(risk="safe", effect="write", args={"outline": "content"}, fields={"progress": "system"})
async def create_plan(ctx: ToolContext, outline: Outline) -> Outcome:
    """Write down your plan for a task of several parts, or another one. You see it again before each step.

    Args:
        outline: One step a line, begun with "- [ ] "; parts of a step are indented by two blanks below it. Marks:
            [ ] open, [~] doing, [x] done, [!] blocked, [-] dropped.
    """
    new = parse_plan(outline)
    if not new.steps:
        raise ToolFailed("the outline has no step; write one a line, begun with '- [ ] '")
    return Outcome(ok=True, content=_told(await ctx.plan.change(lambda _: new)))


@tool(
    risk="safe",
    effect="write",
    args={
        "step": "name",
        "status": "name",
        "text": "content",
        "why": "content",
        "agent": "select:agent",
        "outline": "content",
    },
    fields={"progress": "system"},
)
async def update_plan(
    ctx: ToolContext,
    step: Number,
    status: Literal["open", "doing", "done", "blocked", "dropped"],
    text: Annotated[str, msgspec.Meta(max_length=1_000)] = "",
    why: Annotated[str, msgspec.Meta(max_length=300)] = "",
    agent: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    outline: Annotated[str, msgspec.Meta(max_length=200_000)] = "",
) -> Outcome:
    """Say how a step of your plan stands now. What you give besides is changed with it.

    Args:
        step: Its number in the plan, such as 2 or 2.1.
        status: open, doing, done, blocked or dropped.
        text: Other words for the step.
        why: Why it is blocked or dropped.
        agent: PID of an agent you started that does it; when that agent ends, the step is done, or blocked.
        outline: New parts of the step, in place of those below it; one a line, begun with "- [ ] ".
    """
    below = parse_plan(outline) if outline.strip() else None
    stands = StepStatus[status.upper()]

    def edit(plan: Plan) -> Plan:
        if below is not None:
            plan = revise(plan, step, below)
        return mark(plan, step, stands, text.strip(), pid=agent, why=why)

    return Outcome(ok=True, content=_told(await ctx.plan.change(edit)))


@tool(risk="safe", effect="read", fields={"plan": "system"}, repeatable=True)
async def get_plan(ctx: ToolContext) -> Outcome:
    """Read your whole plan, with the numbers of its steps."""
    plan = ctx.plan.read()
    if not plan.steps:
        return Outcome(ok=True, content="You have no plan. create_plan writes one down.")
    rows = [f"{'  ' * number.count('.')}{number} [{step.status}] {words(step)}" for number, step in plan.walk()]
    return Outcome(ok=True, content="\n".join(rows))


def _told(plan: Plan) -> str:
    done, steps = progress(plan)
    return f"{done} of {steps} done."
