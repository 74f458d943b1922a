"""The tools by name: checks arguments, runs calls, and turns whatever happens into an outcome the model can read."""

from __future__ import annotations

import difflib
import fnmatch
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..abc import Tool, ToolContext
from ..model.errors import AetherError, ToolArguments, UnknownName
from ..model.message import ToolCall, encodable
from ..model.permission import Permission
from ..model.tool import Evidence, Outcome, ToolSpec

log = logging.getLogger(__name__)

MAX_CONTENT = 1_000_000
"""Characters of a result that are kept."""


class Toolbox:
    """Every tool that was registered. It keeps nothing between calls, so one serves all agents."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = dict(tools)

    def specs(self, names: Sequence[str] | None = None) -> tuple[ToolSpec, ...]:
        """The declarations of these tools in this order, of the default set for None. Raises `UnknownName`."""
        if names is None:
            return tuple(tool.spec for tool in self._tools.values() if tool.spec.default)
        return tuple(self._tool(name).spec for name in dict.fromkeys(names))

    def all(self) -> tuple[ToolSpec, ...]:
        """The declarations of all tools."""
        return tuple(tool.spec for tool in self._tools.values())

    def check_permission(self, line: Permission) -> None:
        """Raise `UnknownName` if the permission names a tool that is none, and so would never be about anything."""
        pattern = line.tool.removeprefix("!").lower()
        if pattern and not fnmatch.filter((name.lower() for name in self._tools), pattern):
            raise UnknownName(f"'{line}' is about no tool. There are: {', '.join(sorted(self._tools))}")

    def check(self, call: ToolCall) -> dict[str, Any]:
        """The arguments, converted and complete. Raises `UnknownName`, `ToolArguments`."""
        tool = self._tool(call.tool)
        if call.arguments is None:
            raw = call.raw if len(call.raw) <= 300 else call.raw[:300] + "…"
            raise ToolArguments(f"{call.tool}: the arguments are not a JSON object. You gave: {raw or 'nothing'}")
        return tool.check(call.arguments)

    async def run(self, call: ToolCall, context: ToolContext) -> Outcome:
        """Run one call. Nothing but cancellation leaves it as an exception."""
        began = time.perf_counter()
        try:
            outcome = await self._tool(call.tool)(context, self.check(call))
        except AetherError as error:
            outcome = Outcome(ok=False, content=error.message, error=error.code)
        except Exception as error:
            log.exception("tool %s failed in call %s of process %s", call.tool, call.id, context.pid)
            outcome = Outcome(
                ok=False,
                content=f"{call.tool} broke with {type(error).__name__}; this is a fault of the tool, not of the call. "
                "Try another way.",
                error="tool_failed",
            )
        tool = self._tools.get(call.tool)
        labels = outcome.labels or (tool.spec.fields if tool is not None else {})
        return msgspec.structs.replace(
            outcome,
            content=_bounded(encodable(outcome.content)),
            evidence=_encodable(outcome.evidence),
            labels=labels,
            duration_s=time.perf_counter() - began,
        )

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            near = difflib.get_close_matches(name, self._tools, 1, 0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownName(f"no tool {name!r}.{hint} There are: {', '.join(sorted(self._tools))}")
        return tool


def _bounded(content: str) -> str:
    """No model reads more, and every server and screen that follows the journal would have to carry it."""
    if len(content) <= MAX_CONTENT:
        return content
    return f"{content[:MAX_CONTENT]}\n[the result had {len(content):,} characters; the rest was left out]"


def _encodable(evidence: Evidence | None) -> Evidence | None:
    """Names of files are whatever bytes a command chose; the journal takes only what UTF-8 can hold."""
    if evidence is None:
        return None
    changes = {
        name: mended
        for name in evidence.__struct_fields__
        if isinstance(text := getattr(evidence, name), str) and (mended := encodable(text)) is not text
    }
    return msgspec.structs.replace(evidence, **changes) if changes else evidence
