"""Tools between agents and towards the person: start, message, list and await other agents, ask a question.

Messages follow small protocols: a request (`review_request`, `task`) opens a correlation, its answer (`review_answer`,
`task_result`) must name it, so that no request is answered twice or by accident.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.errors import ToolArguments, ToolFailed
from ..model.tool import Outcome
from ..plugins import hookimpl

Kind = Literal["note", "review_request", "review_answer", "task", "task_result", "status", "knowledge"]

REQUESTS: frozenset[str] = frozenset({"review_request", "task"})
ANSWERS: frozenset[str] = frozenset({"review_answer", "task_result"})

Pid = Annotated[int, msgspec.Meta(ge=1)]


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The tools that concern other agents and the person."""
    return [spawn_agent, send_message, list_agents, wait_agent, ask_person]


@tool(
    risk="execute",
    effect="commit",
    args={"goal": "content", "name": "name", "model": "select:model", "tools": "select:tool"},
    fields={"pid": "system"},
    default=False,
)
async def spawn_agent(
    ctx: ToolContext,
    goal: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)],
    name: str = "",
    model: str = "",
    tools: list[str] | None = None,
) -> Outcome:
    """Start another agent that works on a goal of its own. Returns its PID; it knows nothing but the goal.

    Args:
        goal: What it is to do, with everything it has to know.
        name: Short name to show.
        model: Model as provider:model; empty for the server's default.
        tools: Names of the tools it gets; leave out for the usual ones.
    """
    options: dict[str, Any] = {"name": name, "model": model}
    if tools is not None:
        options["tools"] = tuple(tools)
    pid = await ctx.peers.spawn(goal, **{key: value for key, value in options.items() if value != ""})
    return Outcome(ok=True, content=f"Started agent {pid}. wait_agent tells its result.")


@tool(
    risk="safe",
    effect="send",
    args={"to": "dest:agent", "text": "content", "kind": "name", "correlation": "select:correlation"},
    fields={"id": "system", "correlation": "system"},
    default=False,
)
async def send_message(
    ctx: ToolContext,
    to: Pid,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)],
    kind: Kind = "note",
    correlation: Annotated[str, msgspec.Meta(max_length=100)] = "",
) -> Outcome:
    """Send a message to another agent, which reads it before its next step.

    Args:
        to: PID of the agent.
        text: The message.
        kind: What it is. task and review_request expect an answer; task_result and review_answer give one.
        correlation: For an answer, the correlation of the request it answers. Leave empty otherwise.
    """
    if kind in ANSWERS and not correlation:
        raise ToolArguments(f"send_message: a {kind} must name the correlation of the request that it answers")
    if kind in REQUESTS and not correlation:
        correlation = secrets.token_hex(6)
    message = await ctx.peers.send(to, text, kind=kind, correlation=correlation)
    more = f" Its correlation is {correlation}; the answer will carry it." if kind in REQUESTS else ""
    return Outcome(ok=True, content=f"Sent message {message} to agent {to}.{more}")


@tool(risk="safe", fields={"agents": "text"}, repeatable=True, default=False)
async def list_agents(ctx: ToolContext) -> Outcome:
    """List the agents that belong to the same person: PID, name, state and goal."""
    found = await ctx.peers.list()
    lines = [" ".join(f"{key}={_short(value)}" for key, value in agent.items()) for agent in found[:200]]
    return Outcome(ok=True, content="\n".join(lines) or "[no other agent]")


@tool(
    risk="safe",
    args={"pid": "select:agent", "timeout_s": "time"},
    fields={"result": "text", "state": "system"},
    repeatable=True,
    default=False,
)
async def wait_agent(
    ctx: ToolContext, pid: Pid, timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 60.0
) -> Outcome:
    """Wait until another agent has ended or needs a person. Returns its state and result.

    Args:
        pid: PID of the agent.
        timeout_s: How many seconds to wait at most.
    """
    if pid == ctx.pid:
        raise ToolFailed("an agent cannot wait for itself")
    found = await ctx.peers.wait(pid, min(timeout_s, ctx.max_timeout_s))
    return Outcome(ok=True, content="\n".join(f"{key}: {value}" for key, value in found.items()))


@tool(risk="safe", args={"question": "content", "options": "content"}, fields={"answer": "system"})
async def ask_person(
    ctx: ToolContext,
    question: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)],
    options: Annotated[list[str], msgspec.Meta(max_length=20)] = [],  # noqa: B006 (the schema copies it)
) -> Outcome:
    """Ask the person a question and wait for the answer. Use it only when you cannot go on without knowing.

    Args:
        question: The question, understandable by itself.
        options: Answers to choose from, if there are a few.
    """
    raise ToolFailed("questions are put to the person by the kernel; this call came another way and nobody saw it")


def _short(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 120 else text[:120] + "…") if " " in text or len(text) > 120 else text
