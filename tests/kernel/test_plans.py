"""Plans in the kernel: a person's change is one action, conflicts are told, children are followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden, IllegalTransition, ProcessNotFound
from aether_jupyter.model.events import PlanChanged
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.plan import Plan, parse_plan
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.tool import Decision

ANA, BOB = Principal.person("ana"), Principal.person("bob")
Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


def asks(script: Script) -> str:
    """An agent that plans and then waits for a person."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n == 0:
            return [ToolCall("", "create_plan", {"outline": "- [~] read\n- [ ] write"})]
        return [ToolCall("", "ask_person", {"question": "which?"})] if n == 1 else [Text("done")]

    return script("planner", play)


async def changes(house: Any, pid: int) -> list[PlanChanged]:
    records = await house.app.processes.records(ANA, pid, limit=1000)
    return [record.event for record in records if isinstance(record.event, PlanChanged)]


async def test_a_person_changes_a_plan_that_the_agent_made(house: Any, script: Script) -> None:
    pid = (await house.run(asks(script))).pid
    plans = house.app.plans
    seen = await plans.get(ANA, pid)
    assert (seen.outline, seen.by, seen.done, seen.steps) == ("- [~] read\n- [ ] write", "agent", 0, 2)
    assert [step.step for step in seen.plan.steps] == [1, 0]
    new = await plans.change(ANA, pid, parse_plan("- [x] read\n- [ ] write\n- [ ] send"), seen=seen.n)
    assert (new.by, new.done, new.steps) == ("ana", 1, 3)
    assert new.plan.steps[0].step == 2
    assert await plans.get(ANA, pid) == new
    process = await house.app.processes.get(ANA, pid)
    assert (process.plan_done, process.plan_steps, process.plan_n) == (1, 3, new.n)
    # The same again changes nothing, and is no event.
    assert await plans.change(ANA, pid, new.plan, seen=new.n) == new
    assert [event.by for event in await changes(house, pid)] == ["agent", "ana"]


async def test_a_change_of_what_is_no_more_is_a_conflict_with_what_is(house: Any, script: Script) -> None:
    pid = (await house.run(asks(script))).pid
    plans = house.app.plans
    seen = await plans.get(ANA, pid)
    other = await plans.change(ANA, pid, parse_plan("- read both"))
    with pytest.raises(Conflict, match="ana changed the plan of agent") as caught:
        await plans.change(ANA, pid, parse_plan("- mine"), seen=seen.n)
    assert caught.value.details["plan"]["outline"] == "- [ ] read both"
    assert caught.value.details["plan"]["n"] == other.n
    assert (await plans.get(ANA, pid)).outline == "- [ ] read both"
    # Whoever saw that there was none must learn of the first one, too.
    with pytest.raises(Conflict):
        await plans.change(ANA, pid, parse_plan("- mine"), seen=0)


async def test_a_plan_is_taken_away_and_an_ended_agent_keeps_its_own(house: Any, script: Script) -> None:
    pid = (await house.run(asks(script))).pid
    plans = house.app.plans
    none = await plans.change(ANA, pid, Plan())
    assert (none.outline, none.steps) == ("", 0)
    await plans.change(ANA, pid, parse_plan("- again"))
    await house.app.processes.signal(ANA, pid, Signal.KILL)
    with pytest.raises(IllegalTransition, match="has ended"):
        await plans.change(ANA, pid, parse_plan("- later"))
    assert (await plans.get(ANA, pid)).outline == "- [ ] again"


async def test_plans_are_those_of_ones_own_agents(house: Any, script: Script) -> None:
    pid = (await house.run(asks(script))).pid
    for act in (house.app.plans.get(BOB, pid), house.app.plans.change(BOB, pid, parse_plan("- mine"))):
        with pytest.raises(ProcessNotFound):
            await act
    with pytest.raises(Forbidden, match="processes:plan"):
        await house.app.plans.change(Principal.agent(pid, "ana"), pid, parse_plan("- mine"))
    with pytest.raises(BadRequest, match=f"agent {pid} was not started by agent {pid}"):
        await house.app.plans.change(ANA, pid, parse_plan(f"- mine (agent {pid})"))


@pytest.mark.parametrize(("ending", "status"), [("answer", "DONE"), ("kill", "BLOCKED")])
async def test_what_a_child_was_given_follows_how_it_ends(house: Any, script: Script, ending: str, status: str) -> None:
    app = house.app
    parent = (await house.run(asks(script))).pid
    child = await app.processes.spawn(ANA, AgentSpec(goal="help", model="scripted:planner"), parent=parent)
    await house.settled(child.pid)
    await app.plans.change(ANA, parent, parse_plan(f"- read\n- [~] write (agent {child.pid})"))
    if ending == "kill":
        await app.processes.signal(ANA, child.pid, Signal.KILL)
    else:
        [approval] = await app.approvals.list(ANA, pid=child.pid)
        await app.approvals.decide(ANA, approval.id, Decision(verdict="answer", answer="both"))
    assert (await house.settled(child.pid)).state is State.ZOMBIE
    found = await app.plans.get(ANA, parent)
    assert (found.by, found.plan.steps[1].status.name) == (f"agent:{child.pid}", status)
    assert found.plan.steps[1].why.startswith(f"agent {child.pid} ended with 137: " if ending == "kill" else "")
    # One that had ended before it was given something is followed at once.
    await app.plans.change(ANA, parent, Plan())
    late = await app.plans.change(ANA, parent, parse_plan(f"- read\n- later (agent {child.pid})"))
    assert late.plan.steps[1].status.name == status


async def test_children_that_end_together_are_all_followed(house: Any, script: Script) -> None:
    app = house.app
    parent = (await house.run(asks(script))).pid
    spec = AgentSpec(goal="help", model="scripted:planner")
    children = [(await app.processes.spawn(ANA, spec, parent=parent)).pid for _ in range(3)]
    for child in children:
        await house.settled(child)
    outline = "\n".join(f"- part {child} (agent {child})" for child in children)
    await app.plans.change(ANA, parent, parse_plan(outline))
    report = await app.processes.signal_many(ANA, Signal.KILL, children)
    assert report.failed == {}
    found = await app.plans.get(ANA, parent)
    assert [step.status.name for step in found.plan.steps] == ["BLOCKED"] * 3
