"""Terminals in the sandboxes of agents: Jupyter's own, with another program in them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..model.errors import AetherError, Forbidden, TooMany

if TYPE_CHECKING:
    from ..abc import Surroundings
    from ..model.agent import AgentSpec
    from ..model.process import Process

MOST = 8
"""Terminals that one agent's sandbox may have at a time."""


class Terminals:
    """Opens them through the manager of `jupyter_server_terminals`; `web` are the settings of Jupyter's web server."""

    def __init__(self, web: Mapping[str, Any]) -> None:
        self._web = web
        self._opening: set[str] = set()

    async def open(self, process: Process, spec: AgentSpec, surroundings: Surroundings) -> str:
        """A new terminal; its name. Raises `Forbidden` where this server has none, `TooMany`, and what sandboxes do."""
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
        return name
