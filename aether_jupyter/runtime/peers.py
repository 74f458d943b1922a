"""What one agent may do with others: the kernel's system calls under the agent's own, cut-down principal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..kernel.processes import Processes
from ..kernel.requests import Requests
from ..model.access import Principal
from ..model.agent import AgentSpec
from ..model.errors import BadRequest
from ..model.request import NoteKind, Request, RequestKind, RequestVerdict


class AgentPeers:
    """Implements `abc.Peers` for one agent."""

    def __init__(self, processes: Processes, requests: Requests, principal: Principal) -> None:
        self._processes = processes
        self._requests = requests
        self._principal = principal

    async def send(self, to: int, text: str, *, kind: NoteKind = "note") -> str:
        """Write to another agent of the same owner."""
        return await self._processes.send(self._principal, to, text, kind=kind)

    async def broadcast(self, text: str, *, kind: NoteKind = "status") -> Sequence[int]:
        """Write to the whole family; returns who got it."""
        return await self._processes.broadcast(self._principal, text, kind=kind)

    async def ask(self, to: int, text: str, *, kind: RequestKind, timeout_s: float) -> Request:
        """Ask another agent of the same owner for a task or a review."""
        return await self._requests.open(self._principal, to, text, kind=kind, timeout_s=timeout_s)

    async def answer(self, request: str, verdict: RequestVerdict, text: str) -> Request:
        """Accept, answer or refuse what was asked of this agent."""
        return await self._requests.answer(self._principal, request, verdict, text)

    async def requests(self) -> Sequence[Request]:
        """What this agent was asked and has asked, as far as it is not settled."""
        assert self._principal.pid is not None
        return await self._requests.list(self._principal, self._principal.pid)

    async def list(self) -> list[dict[str, Any]]:
        """The owner's agents, with what one needs to address them."""
        found = await self._processes.list(self._principal, limit=100)
        return [{"pid": p.pid, "name": p.name, "state": str(p.state), "parent": p.parent} for p in found]

    async def spawn(self, goal: str, **options: Any) -> int:
        """Start a child. It may do no more without asking than its parent may, whose permissions and role it gets."""
        assert self._principal.pid is not None
        parent = await self._processes.spec(self._principal, self._principal.pid)
        fields = {
            "goal": goal,
            "model": parent.model,
            "fallbacks": parent.fallbacks,
            "mode": parent.mode,
            "sandbox": parent.sandbox,
            "limits": parent.limits,
            "workspaces": parent.workspaces,
        }
        try:
            spec = msgspec.convert(fields | options, AgentSpec)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from None
        return (await self._processes.spawn(self._principal, spec)).pid

    async def wait(self, pid: int, timeout_s: float) -> dict[str, Any]:
        """How another agent stands after at most `timeout_s`."""
        p = await self._processes.wait(self._principal, pid, timeout_s=timeout_s)
        ended = {"code": p.exit.code, "message": p.exit.message, "result": p.exit.result} if p.exit else None
        return {"pid": p.pid, "name": p.name, "state": str(p.state), "exit": ended}
