"""Plugins by pluggy: built-in tools, models and sandboxes come in by the same hooks as those of other packages.

A package joins by an entry point of the group `aether_jupyter`; the built-ins are the modules in `BUILT_IN`, imported
when the hooks are first asked, so that importing Aether stays light.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .abc import BrowserKind, Embedder, ModelProvider, SandboxKind, Tool
    from .config import Settings

hookspec = pluggy.HookspecMarker("aether_jupyter")
hookimpl = pluggy.HookimplMarker("aether_jupyter")

BUILT_IN = (
    "aether_jupyter.tools.files",
    "aether_jupyter.tools.shell",
    "aether_jupyter.tools.agents",
    "aether_jupyter.tools.memory",
    "aether_jupyter.tools.feedback",
    "aether_jupyter.tools.plan",
    "aether_jupyter.tools.vision",
    "aether_jupyter.tools.browser",
    "aether_jupyter.tools.desktop",
    "aether_jupyter.providers.models",
    "aether_jupyter.providers.embedded",
    "aether_jupyter.providers.cassette",
    "aether_jupyter.providers.scripted",
    "aether_jupyter.providers.embeddings",
    "aether_jupyter.sandboxes.docker",
    "aether_jupyter.sandboxes.bubblewrap",
    "aether_jupyter.sandboxes.host",
    "aether_jupyter.browsers.chromium",
)


class Hooks:
    """What a plugin may offer. Each hook returns a list; an empty one is fine."""

    @hookspec
    def register_tools(self, settings: Settings) -> Iterable[Tool]:
        """Tools, one object each."""
        return ()

    @hookspec
    def register_models(self, settings: Settings) -> Iterable[ModelProvider]:
        """Model providers, one a prefix."""
        return ()

    @hookspec
    def register_sandboxes(self, settings: Settings) -> Iterable[SandboxKind]:
        """Kinds of sandbox, the most isolated first."""
        return ()

    @hookspec
    def register_browsers(self, settings: Settings) -> Iterable[BrowserKind]:
        """Kinds of browser; the first one that can be used here is."""
        return ()

    @hookspec
    def register_embedders(self, settings: Settings) -> Iterable[Embedder]:
        """Embedding models that can be used here, the best first."""
        return ()


@dataclass(frozen=True)
class Plugins:
    """All that was registered, by name. A name that is offered twice is an error at start."""

    tools: dict[str, Tool]
    models: dict[str, ModelProvider]
    sandboxes: dict[str, SandboxKind]
    browsers: dict[str, BrowserKind]
    embedders: dict[str, Embedder]


def load_plugins(settings: Settings, extra: Iterable[Any] = ()) -> Plugins:
    """Ask every built-in, every entry point and `extra` (modules or objects with the hooks)."""
    manager = pluggy.PluginManager("aether_jupyter")
    manager.add_hookspecs(Hooks)
    for name in BUILT_IN:
        manager.register(importlib.import_module(name), name)
    manager.load_setuptools_entrypoints("aether_jupyter")
    for plugin in extra:
        manager.register(plugin)
    hook = manager.hook
    return Plugins(
        tools=_by_name(
            (t.spec.name, t) for offered in reversed(hook.register_tools(settings=settings)) for t in offered
        ),
        models=_by_name(
            (m.prefix, m) for offered in reversed(hook.register_models(settings=settings)) for m in offered
        ),
        sandboxes=_by_name(
            (s.name, s) for offered in reversed(hook.register_sandboxes(settings=settings)) for s in offered
        ),
        browsers=_by_name(
            (b.name, b) for offered in reversed(hook.register_browsers(settings=settings)) for b in offered
        ),
        embedders=_by_name(
            (e.name, e) for offered in reversed(hook.register_embedders(settings=settings)) for e in offered
        ),
    )


def _by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, thing in pairs:
        if name in found:
            raise ValueError(f"two plugins offer {name!r}; remove one of them")
        found[name] = thing
    return found
