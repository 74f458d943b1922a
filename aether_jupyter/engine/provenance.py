"""Where the values of a call came from: the person's words, a tool's result, or the model's own hand; pure.

The journal keeps this with each call, so that a gate outside the model can later tell whose words chose a destination
or an object. It looks for the value verbatim: a paraphrase or a computed value is the model's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..model.message import ToolCall, ToolTurn, Turn, UserTurn

LONGEST = 2_000
"""Characters beyond which a value is content rather than a destination or a name; it is the model's own."""
RESULTS = 200
"""The newest results that are searched."""


def sources(turns: Sequence[Turn], call: ToolCall) -> dict[str, str]:
    """For each argument: `prompt`, `message:agent:PID`, `result:CALL_ID`, or `model`.

    A list or object counts as its least trusted part, in the order prompt, message, result, model.
    """
    found = {}
    for name, value in (call.arguments or {}).items():
        origins = [_origin(turns, leaf) for leaf in _leaves(value)]
        found[name] = max(origins, key=_distrust, default="model")
    return found


def _origin(turns: Sequence[Turn], value: str) -> str:
    if not value or len(value) > LONGEST:
        return "model"
    whole = re.compile(rf"(?<![\w@./-]){re.escape(value)}(?![\w@/-])")
    said = [turn for turn in turns if isinstance(turn, UserTurn) and turn.source != "kernel"]
    for turn in said:
        if value in turn.text and whole.search(turn.text):
            return f"message:{turn.source}" if turn.source.startswith("agent:") else "prompt"
    results = [turn for turn in turns if isinstance(turn, ToolTurn)][-RESULTS:]
    for result in reversed(results):
        if value in result.content and whole.search(result.content):
            return f"result:{result.call_id}"
    return "model"


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _distrust(origin: str) -> int:
    return ("prompt", "message", "result", "model").index(origin.partition(":")[0])
