"""One agent's memory, as its tools may use it: the kernel's system calls under the agent's own principal."""

from __future__ import annotations

from collections.abc import Sequence

from ..kernel.memories import Memories
from ..model.access import Principal
from ..model.errors import MemoryNotFound
from ..model.memory import Layer, Memory, Note, Recall, Source


class AgentMemory:
    """Implements `abc.OwnMemory` for one agent at one step."""

    def __init__(self, memories: Memories, principal: Principal, agent: str, step: int) -> None:
        self._memories = memories
        self._principal = principal
        self._agent = agent
        self._step = step

    async def remember(self, note: Note, *, tainted: bool) -> Memory:
        """Keep a note of its own."""
        source = Source(self._principal.name, "agent", self._principal.pid, self._step, tainted)
        return await self._memories.remember(self._principal, self._agent, note, source)

    async def recall(self, query: str, *, layers: Sequence[Layer] = (), limit: int = 10) -> Recall:
        """What it remembers, or was granted to read, that fits. What is its own fades later for it."""
        found = await self._memories.recall(self._principal, self._agent, query, layers=layers, limit=limit)
        if found.found:
            await self._memories.touch(self._principal, self._agent, self._step, found.found)
        return found

    async def forget(self, key: int) -> Memory:
        """Forget one of its own. Raises `MemoryNotFound` for any other."""
        if (await self._memories.get(self._principal, key)).agent != self._agent:
            raise MemoryNotFound(f"No memory {key}")
        return (await self._memories.forget(self._principal, (key,)))[0]
