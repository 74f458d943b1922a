"""What one agent may do with others: the kernel's system calls under the agent's own, cut-down principal."""

from __future__ import annotations

from typing import Any

import msgspec

from ..kernel.processes import Processes
from ..model.access import Principal
from ..model.agent import AgentSpec
from ..model.errors import BadRequest


class AgentPeers:
    """Implements `abc.Peers` for one agent."""

    def __init__(self, processes: Processes, principal: Principal) -> None:
        self._processes = processes
        self._principal = principal

    async def send(self, to: int, text: str, *, kind: str = "note", correlation: str = "") -> str:
        """Write to another agent of the same owner."""
        return await self._processes.send(self._principal, to, text, kind=kind, correlation=correlation)

    async def list(self) -> list[dict[str, Any]]:
        """The owner's agents, with what one needs to address them."""
        found = await self._processes.list(self._principal, limit=100)
        return [{"pid": p.pid, "name": p.name, "state": str(p.state), "parent": p.parent} for p in found]

    async def spawn(self, goal: str, **options: Any) -> int:
        """Start a child. It may do no more without asking than its parent may."""
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
