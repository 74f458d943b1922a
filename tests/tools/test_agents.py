"""Tools between agents, and the question to the person."""

from __future__ import annotations

from typing import Any

import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.runtime.toolbox import Toolbox

from .conftest import Call

pytestmark = pytest.mark.anyio


def asked(context: ToolContext) -> list[tuple[Any, ...]]:
    return context.peers.asked  # type: ignore[attr-defined,no-any-return]


async def test_spawn_tells_the_pid(call: Call, context: ToolContext) -> None:
    done = await call("spawn_agent", goal="count", name="counter", tools=["read_file"])
    assert "agent 12" in done.content
    assert asked(context) == [("spawn", "count", {"name": "counter", "tools": ("read_file",)})]


async def test_a_request_tells_its_id_and_the_answer_names_it(call: Call, context: ToolContext) -> None:
    done = await call("ask_agent", to=3, text="please review", kind="review", timeout_s=30)
    assert asked(context) == [("ask", 3, "please review", "review", 30.0)]
    assert "request r1" in done.content
    assert (await call("answer_request", request="r2", verdict="refuse", text="no time")).content.endswith("refused.")
    assert asked(context)[1] == ("answer", "r2", "refuse", "no time")
    assert (await call("ask_agent", to=3, text="x", kind="shout")).error == "tool_arguments"
    assert (await call("answer_request", request="r2", verdict="maybe")).error == "tool_arguments"


async def test_requests_are_listed_from_the_side_of_the_agent(call: Call, context: ToolContext) -> None:
    lines = (await call("list_requests")).content.splitlines()
    assert lines[0].startswith("r1 task open from agent 3, due in")
    assert lines[1].startswith("r2 review accepted to agent 3, due in")


async def test_a_broadcast_names_whom_it_reached(call: Call, context: ToolContext) -> None:
    assert (await call("broadcast", text="found it", kind="knowledge")).content == "Told agents 3, 4."
    assert asked(context) == [("broadcast", "found it", "knowledge")]


async def test_list_and_wait(call: Call, context: ToolContext) -> None:
    assert (await call("list_agents")).content == "pid=3 name=other state=RUNNING goal='count all the stars'"
    assert (await call("wait_agent", pid=3, timeout_s=5)).content == "state: ZOMBIE\nresult: done"
    assert asked(context) == [("wait", 3, 5.0)]
    assert not (await call("wait_agent", pid=7)).ok


async def test_question_never_answers_itself(call: Call, toolbox: Toolbox) -> None:
    (spec,) = toolbox.specs(["ask_person"])
    assert (spec.risk, spec.default) == ("safe", True)
    assert not (await call("ask_person", question="which colour?")).ok
