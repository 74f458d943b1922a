"""Terminals in the sandboxes of agents: Jupyter's own, with another program in them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..model.access import RUNTIME
from ..model.errors import AetherError, Forbidden, ProcessNotFound, StorageBusy, TooMany

if TYPE_CHECKING:
    from ..abc import Surroundings
    from ..kernel.processes import Processes
    from ..model.access import Principal
    from ..model.agent import AgentSpec
    from ..model.process import Process

log = logging.getLogger(__name__)

MOST = 8
"""Terminals that one agent's sandbox may have at a time."""


class Terminals:
    """Opens them through the manager of `jupyter_server_terminals`; `web` are the settings of Jupyter's web server."""

    def __init__(self, web: Mapping[str, Any]) -> None:
        self._web = web
        self._opening: set[str] = set()
        self._ends: dict[asyncio.Task[None], asyncio.Event] = {}

    async def open(
        self, who: Principal, process: Process, spec: AgentSpec, surroundings: Surroundings, processes: Processes
    ) -> str:
        """A new terminal; its name. The journal tells of it, and of its end.

        Raises `Forbidden` where this server has none, `TooMany`, and what sandboxes do.
        """
        manager = self._web.get("terminal_manager") if self._web.get("terminals_available") else None
        if manager is None:
            raise Forbidden(
                "terminals are off on this server: c.ServerApp.terminals_enabled = False, or the extension "
                "jupyter_server_terminals is not loaded"
            )
        first = f"agent{process.pid}"
        names = [first, *(f"{first}_{number}" for number in range(2, MOST + 1))]
        name = next((name for name in names if name not in manager.terminals and name not in self._opening), "")
        if not name:
            raise TooMany(f"{process.name} ({process.pid}) has {MOST} terminals; close one first")

        term: Any = None

        def ending() -> None:
            # Another terminal may have the name by now.
            if term is not None and manager.terminals.get(name) is term and os.name == "posix":
                term.kill(signal.SIGUSR1)

        self._opening.add(name)
        try:
            argv = await surroundings.terminal(process, spec, ending)
            manager.create(name=name, shell_command=argv)
        except OSError as error:
            raise AetherError(f"the terminal could not be opened: {error.strerror or error}") from error
        finally:
            self._opening.discard(name)
        term = manager.terminals[name]
        ended = asyncio.Event()
        term.clients.append(_Ear(ended.set))
        began = time.monotonic()
        try:
            await processes.note_terminal(who, process.pid, name)
        except BaseException:
            # What the journal cannot tell of is not done.
            await manager.terminate(name, force=True)
            raise
        self._follow(processes, process.pid, who.name, name, began, ended)
        return name

    async def close(self) -> None:
        """Note the end of all: a server that stops ends its terminals."""
        for ended in self._ends.values():
            ended.set()
        await asyncio.gather(*self._ends, return_exceptions=True)

    def _follow(self, processes: Processes, pid: int, by: str, name: str, began: float, ended: asyncio.Event) -> None:
        async def note() -> None:
            await ended.wait()
            # The process may be erased by then.
            with contextlib.suppress(ProcessNotFound, StorageBusy):
                await processes.note_terminal_end(RUNTIME, pid, by, name, time.monotonic() - began)

        task = asyncio.create_task(note(), name=f"terminal {name}")
        self._ends[task] = ended
        task.add_done_callback(self._noted)

    def _noted(self, task: asyncio.Task[None]) -> None:
        self._ends.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("the end of a terminal was not noted", exc_info=task.exception())


class _Ear:
    """Hears when a terminal ends: one more of those who look at it, without a size, and deaf to what it shows."""

    size = (None, None)

    def __init__(self, on_pty_died: Callable[[], None]) -> None:
        self.on_pty_died = on_pty_died

    def on_pty_read(self, text: str) -> None:
        """Nothing of it is kept."""
