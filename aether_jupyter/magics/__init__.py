"""`%load_ext aether_jupyter`: the magics `%%agent` and `%aether`."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Register the magics with an IPython shell or kernel; loading twice changes nothing."""
    from .agent import AetherMagics, await_agent_cells
    from .words import complete

    if not isinstance(shell.magics_manager.registry.get("AetherMagics"), AetherMagics):
        shell.register_magics(AetherMagics(shell=shell))
        shell.set_hook("complete_command", complete, str_key="%aether")
    if await_agent_cells not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(await_agent_cells)


def unload_ipython_extension(shell: Any) -> None:
    """Forget the magics."""
    from .agent import await_agent_cells

    if await_agent_cells in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(await_agent_cells)
    shell.magics_manager.magics["cell"].pop("agent", None)
    shell.magics_manager.magics["line"].pop("aether", None)
    shell.magics_manager.registry.pop("AetherMagics", None)
