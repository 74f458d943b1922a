"""Where the values of a call came from: the person's words, a tool's result, or the model's own hand; pure.

The journal keeps this with each call, so that a gate outside the model can later tell whose words chose a destination
or an object. It looks for the value verbatim: a paraphrase or a computed value is the model's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..model.message import MEMORY, NOBODY, ToolCall, ToolTurn, Turn, UserTurn

LONGEST = 2_000
"""Characters beyond which a value is content rather than a destination or a name; it is the model's own."""
RESULTS = 200
"""The newest results that are searched."""


WORK = 50_000_000
"""Characters that are searched for one call; one place that is looked at closely counts as many. About 50 ms."""
PLACE = 1_000


def sources(turns: Sequence[Turn], call: ToolCall) -> dict[str, str]:
    """For each argument: `prompt`, `message:agent:PID`, `memory`, `result:CALL_ID`, or `model`.

    A list or object counts as its least trusted part, in the order prompt, message, memory, result, model; so does what
    would take too long to look for.
    """
    search = _Search(turns)
    found = {}
    for name, value in (call.arguments or {}).items():
        least = ""
        for leaf in dict.fromkeys(_leaves(value)):
            least = max(least, search.origin(leaf), key=_distrust)
            if least == "model":
                break
        found[name] = least or "model"
    return found


class _Search:
    """Looks for values in what was said, and stops when it has worked enough."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        # A summary is a model's own words, whomever it quotes.
        said = [turn for turn in turns if isinstance(turn, UserTurn) and turn.source not in NOBODY]
        remembered = [turn for turn in turns if isinstance(turn, UserTurn) and turn.source == MEMORY]
        results = [turn for turn in turns if isinstance(turn, ToolTurn)][-RESULTS:]
        self._texts = [
            *((turn.text, f"message:{turn.source}" if turn.source.startswith("agent:") else "prompt") for turn in said),
            *((turn.text, MEMORY) for turn in remembered),
            *((turn.content, f"result:{turn.call_id}") for turn in reversed(results)),
        ]
        self._left = WORK

    def origin(self, value: str) -> str:
        if not value or len(value) > LONGEST:
            return "model"
        return next((origin for text, origin in self._texts if self._holds(text, value)), "model")

    def _holds(self, text: str, value: str) -> bool:
        """Whether `value` stands in `text` as a whole word, path or address."""
        if self._left < 0:
            return False
        self._left -= len(text)
        at = text.find(value)
        while at >= 0:
            if not _joins(text[at - 1 : at], "_@./-") and not _joins(
                text[at + len(value) : at + len(value) + 1], "_@/-"
            ):
                return True
            self._left -= PLACE
            if self._left < 0:
                return False
            at = text.find(value, at + 1)
        return False


def _joins(character: str, marks: str) -> bool:
    return bool(character) and (character.isalnum() or character in marks)


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
    return ("", "prompt", "message", MEMORY, "result", "model").index(origin.partition(":")[0])
