"""What agents can be begun from: the templates that come with the package, one YAML file each."""

from __future__ import annotations

import asyncio
from importlib.resources import files

import msgspec

from ..model.access import Principal, require
from ..model.agent import Template


class Catalog:
    """Reads the package's templates once, when they are first asked for."""

    def __init__(self) -> None:
        self._templates: tuple[Template, ...] | None = None

    async def templates(self, actor: Principal) -> tuple[Template, ...]:
        """All templates, by title."""
        require(actor, "system:read")
        if self._templates is None:
            self._templates = await asyncio.to_thread(_read)
        return self._templates


def _read() -> tuple[Template, ...]:
    found = []
    for file in files("aether_jupyter").joinpath("templates").iterdir():
        if file.name.endswith(".yaml"):
            fields = msgspec.yaml.decode(file.read_bytes())
            found.append(msgspec.convert({"name": file.name.removesuffix(".yaml"), **fields}, Template))
    return tuple(sorted(found, key=lambda template: template.title))
