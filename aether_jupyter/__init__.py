"""Aether Jupyter: AI agents as processes of a Jupyter server.

import aether_jupyter as aether

run = await aether.spawn("Count the words in notes.txt")
print(await run)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import open_app as open_app
    from .client.client import Aether as Aether
    from .client.client import AsyncAether as AsyncAether
    from .client.run import Run as Run
    from .client.run import attach as attach
    from .client.run import connect as connect
    from .client.run import ps as ps
    from .client.run import spawn as spawn
    from .model import errors as errors
    from .model.memory import Note as Note

__version__ = "0.1.0"

_LATER = {
    "spawn": "client.run",
    "attach": "client.run",
    "ps": "client.run",
    "connect": "client.run",
    "Run": "client.run",
    "Aether": "client.client",
    "AsyncAether": "client.client",
    "open_app": "app",
    "Note": "model.memory",
    "errors": "model",
}
"""Public names and where they are; imported when first used, so that a notebook or server starts quickly."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "errors":
        found: Any = importlib.import_module(f"{__name__}.model.errors")
    else:
        found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where Jupyter finds the server extension."""
    # By name: whoever imports the package for its client must not come to know the server's floors.
    extension = importlib.import_module(f"{__name__}.extension")
    return [{"module": __name__, "app": extension.AetherApp}]


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
