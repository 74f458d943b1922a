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


async def test_request_opens_a_correlation_that_its_answer_must_name(call: Call, context: ToolContext) -> None:
    done = await call("send_message", to=3, text="please review", kind="review_request")
    correlation = asked(context)[0][4]
    assert correlation
    assert correlation in done.content
    refused = await call("send_message", to=3, text="fine", kind="review_answer")
    assert (refused.ok, refused.error) == (False, "tool_arguments")
    assert "correlation" in refused.content
    assert (await call("send_message", to=3, text="fine", kind="review_answer", correlation=correlation)).ok
    assert (await call("send_message", to=3, text="fine", kind="shout")).error == "tool_arguments"


async def test_list_and_wait(call: Call, context: ToolContext) -> None:
    assert (await call("list_agents")).content == "pid=3 name=other state=RUNNING goal='count all the stars'"
    assert (await call("wait_agent", pid=3, timeout_s=5)).content == "state: ZOMBIE\nresult: done"
    assert asked(context) == [("wait", 3, 5.0)]
    assert not (await call("wait_agent", pid=7)).ok


async def test_question_never_answers_itself(call: Call, toolbox: Toolbox) -> None:
    (spec,) = toolbox.specs(["ask_person"])
    assert (spec.risk, spec.default) == ("safe", True)
    assert not (await call("ask_person", question="which colour?")).ok
