"""Aether Jupyter: AI agents as processes of a Jupyter server."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where Jupyter finds the server extension."""
    from .extension import AetherApp

    return [{"module": "aether_jupyter", "app": AetherApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the built front end."""
    return [{"src": "labextension", "dest": "aether-jupyter"}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext aether_jupyter`."""
    from .magics import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext aether_jupyter`."""
    from .magics import unload_ipython_extension as unload

    unload(shell)
