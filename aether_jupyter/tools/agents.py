"""Tools between agents and towards the person: start, message, ask, answer, list and await other agents.

A request (a task, a review) is a row that the kernel keeps: it is answered, refused or timed out, and both sides are
told. An answer names the request, so none is answered twice or by accident.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from ..abc import Tool, ToolContext
from ..config import Settings
from ..declare import tool
from ..model.control import HELP_TOOL
from ..model.errors import ToolFailed
from ..model.request import NoteKind, RequestKind, RequestVerdict
from ..model.tool import Outcome
from ..plugins import hookimpl

Pid = Annotated[int, msgspec.Meta(ge=1)]


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The tools that concern other agents and the person."""
    return [
        spawn_agent,
        send_message,
        broadcast,
        ask_agent,
        answer_request,
        list_requests,
        list_agents,
        wait_agent,
        ask_person,
        ask_for_help,
    ]


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
        model: Model as provider:model, or auto for one that fits the task; empty for the server's default.
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
    args={"to": "dest:agent", "text": "content", "kind": "name"},
    fields={"id": "system"},
    default=False,
)
async def send_message(
    ctx: ToolContext,
    to: Pid,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)],
    kind: NoteKind = "note",
) -> Outcome:
    """Send a message to another agent, which reads it before its next step. It need not answer; ask_agent asks.

    Args:
        to: PID of the agent.
        text: The message.
        kind: What it is: a note, how you stand (status), or something worth knowing (knowledge).
    """
    message = await ctx.peers.send(to, text, kind=kind)
    return Outcome(ok=True, content=f"Sent message {message} to agent {to}.")


@tool(risk="safe", effect="send", args={"text": "content", "kind": "name"}, fields={"agents": "system"}, default=False)
async def broadcast(
    ctx: ToolContext,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)],
    kind: NoteKind = "status",
) -> Outcome:
    """Tell all agents you work with (your parent, its other children, your own) how you stand or what you found.

    Args:
        text: The message.
        kind: What it is: a note, how you stand (status), or something worth knowing (knowledge).
    """
    told = await ctx.peers.broadcast(text, kind=kind)
    return Outcome(ok=True, content=f"Told agents {', '.join(map(str, told))}." if told else "There is nobody to tell.")


@tool(
    risk="safe",
    effect="send",
    args={"to": "dest:agent", "text": "content", "kind": "name", "timeout_s": "time"},
    fields={"request": "system"},
    default=False,
)
async def ask_agent(
    ctx: ToolContext,
    to: Pid,
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)],
    kind: RequestKind = "task",
    timeout_s: Annotated[float, msgspec.Meta(ge=1, le=604_800)] = 600.0,
) -> Outcome:
    """Give another agent a task, or ask it for a review. Its answer, its refusal or the time-out comes as a message.

    Args:
        to: PID of the agent.
        text: What it is to do or to look at, with everything it has to know.
        kind: task, or review.
        timeout_s: Seconds it may take.
    """
    request = await ctx.peers.ask(to, text, kind=kind, timeout_s=timeout_s)
    words = f"Asked agent {to}: request {request.id}. Go on meanwhile, or answer in words to wait for it."
    return Outcome(ok=True, content=words)


@tool(
    risk="safe",
    effect="send",
    args={"request": "select:request", "text": "content", "verdict": "name"},
    fields={"status": "system"},
    default=False,
)
async def answer_request(
    ctx: ToolContext,
    request: Annotated[str, msgspec.Meta(max_length=100)],
    verdict: RequestVerdict,
    text: Annotated[str, msgspec.Meta(max_length=200_000)] = "",
) -> Outcome:
    """Accept, answer or refuse what another agent asked of you. What you never answer, your last words answer.

    Args:
        request: The id that came with it.
        verdict: accept says that you work on it, answer ends it with the result, refuse with the reason.
        text: The result or the reason.
    """
    settled = await ctx.peers.answer(request, verdict, text)
    return Outcome(ok=True, content=f"Request {request} of agent {settled.sender} is {settled.status}.")


@tool(risk="safe", fields={"requests": "text"}, repeatable=True, default=False)
async def list_requests(ctx: ToolContext) -> Outcome:
    """List what other agents wait for from you, and what you wait for from them."""
    lines = [
        f"{request.id} {request.kind} {request.status} "
        + (f"from agent {request.sender}" if request.receiver == ctx.pid else f"to agent {request.receiver}")
        + f", due in {max(0.0, request.due_at - time.time()):.0f} s: {_short(request.text)}"
        for request in await ctx.peers.requests()
    ]
    return Outcome(ok=True, content="\n".join(lines) or "[nothing is open]")


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


@tool(risk="safe", args={"question": "content"}, fields={"answer": "system"}, needs="screen", name=HELP_TOOL)
async def ask_for_help(
    ctx: ToolContext, question: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
) -> Outcome:
    """Ask a person to do what you cannot or must not do on your desktop or in your browser: sign in, pass a check.

    You wait until they hand it back, and are told what they did.

    Args:
        question: What they are to do, understandable by itself.
    """
    raise ToolFailed("help is asked for by the kernel; this call came another way and nobody saw it")


def _short(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 120 else text[:120] + "…") if " " in text or len(text) > 120 else text
