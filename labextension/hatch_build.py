"""Build hook: where the machine has no Node that is new enough, one from PyPI builds the labextension."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST = 20


class NodeHook(BuildHookInterface[Any]):
    """Adds Node to what a build needs, unless it is there or this is an sdist, which holds the labextension built."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Asked before the environment of the build is prepared."""
        root = Path(self.root)
        if (root / "PKG-INFO").exists() or _node() >= OLDEST:
            return []
        groups: dict[str, list[str]] = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]
        return groups["node"]


def _node() -> int:
    """The major version of the Node on PATH; 0 where it or npm is missing."""
    if not (shutil.which("npm") and shutil.which("node")):
        return 0
    asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", asked.stdout)
    return int(found[1]) if found else 0
