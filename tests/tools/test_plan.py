"""Plans as a model writes and moves them."""

from __future__ import annotations

from aether_jupyter.abc import ToolContext
from aether_jupyter.engine.policy import rule
from aether_jupyter.model.agent import Mode, SandboxSpec
from aether_jupyter.model.plan import outline
from aether_jupyter.runtime.toolbox import Toolbox

from .conftest import Call


async def test_a_plan_is_written_moved_and_read(call: Call, context: ToolContext) -> None:
    assert (await call("get_plan")).content == "You have no plan. create_plan writes one down."
    made = await call("create_plan", outline="- [ ] read\n- [ ] mend\n- [ ] write")
    assert (made.ok, made.content) == (True, "0 of 3 done.")
    assert (await call("update_plan", step="1", status="done")).content == "1 of 3 done."
    parts = "- [x] dates\n- [ ] names"
    assert (await call("update_plan", step="2", status="doing", outline=parts)).content == "2 of 4 done."
    await call("update_plan", step="2.2", status="blocked", why="no list", text="names of people")
    await call("update_plan", step="3", status="open", agent=12)
    assert (await call("get_plan")).content == (
        "1 [x] read\n2 [~] mend\n  2.1 [x] dates\n  2.2 [!] names of people (because: no list)\n3 [ ] write (agent 12)"
    )
    assert outline(context.plan.read()).startswith("- [x] read\n- [~] mend")


async def test_what_does_not_fit_is_explained_and_changes_nothing(call: Call, context: ToolContext) -> None:
    await call("create_plan", outline="- read")
    for tool, arguments, words in (
        ("create_plan", {"outline": "First I read, then I write."}, "Begin each with '- '"),
        ("create_plan", {"outline": "\n"}, "the outline has no step"),
        ("update_plan", {"step": "7", "status": "done"}, "the plan has no step '7'; there are 1"),
        ("update_plan", {"step": "1", "status": "ready"}, "status"),
        ("update_plan", {"step": "1"}, "status"),
    ):
        outcome = await call(tool, **arguments)
        assert not outcome.ok
        assert words in outcome.content
    assert outline(context.plan.read()) == "- [ ] read"


def test_an_agent_that_may_only_plan_may_plan(toolbox: Toolbox) -> None:
    for spec in toolbox.specs(("create_plan", "update_plan", "get_plan")):
        assert rule(spec, Mode.PLAN, SandboxSpec(), "bubblewrap").verdict == "allow"
