"""How many tokens a text comes to, without the tokeniser of any model; pure.

A token is about three and a half bytes of UTF-8, and a digit is one by itself. Measured on the vocabulary of Qwen2.5
that is a tenth to two fifths too many for prose, code and JSON (English to Korean; twice too many for Russian), and a
fifth too few for tables of numbers and listings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec

from ..model.image import Image, caption
from ..model.message import ToolCall, ToolTurn, Turn, UserTurn
from ..model.tool import ToolSpec
from .seeing import WORDS_CHARS, Gallery, image_tokens

WEIGHT_A_TOKEN = 3.5
_DIGITS = b"0123456789"
_A_DIGIT = 2.5
"""What a digit weighs beyond its one byte."""
_USER, _RESULT, _CALL, _TOOL = 16, 32, 32, 40
"""What the form around a turn, a result, a call and a tool's schema weighs."""


def tokens(weight: float) -> int:
    """Tokens of what weighs this much."""
    return int(weight / WEIGHT_A_TOKEN)


def weight(text: str) -> float:
    """A text's bytes, digits counting for more."""
    data = text.encode(errors="replace")
    return len(data) + _A_DIGIT * (len(data) - len(data.translate(None, _DIGITS)))


def turn_weight(turn: Turn, result_chars: int | None = None) -> float:
    """A turn with its form; of results, no more than `result_chars` characters count if a provider shortens them.

    Of images only the line counts that names them: whether they are shown depends on the whole transcript.
    """
    if isinstance(turn, UserTurn):
        return weight(turn.text) + _USER + _named(turn)
    if isinstance(turn, ToolTurn):
        return weight(turn.content[:result_chars]) + _RESULT + _named(turn)
    return sum(call_weight(part) if isinstance(part, ToolCall) else weight(part.text) for part in turn.parts)


def _named(turn: UserTurn | ToolTurn) -> float:
    return sum(weight(caption(image)) + _USER for image in turn.images) if turn.images else 0.0


def image_weight(image: Image) -> float:
    """An image that is shown to a model that sees, or told as the text that is on it."""
    return max(image_tokens(image) * WEIGHT_A_TOKEN, weight(image.words[:WORDS_CHARS]))


def call_weight(call: ToolCall) -> float:
    """A call with its form."""
    return weight(msgspec.json.encode(call.arguments).decode()) + len(call.raw) + _CALL


def tools_weight(tools: Iterable[ToolSpec]) -> float:
    """The schemas of these tools."""
    return sum(map(tool_weight, tools))


_KNOWN: dict[int, tuple[ToolSpec, float]] = {}


def tool_weight(tool: ToolSpec) -> float:
    """One tool's schema, weighed once."""
    found = _KNOWN.get(id(tool))
    if found is None or found[0] is not tool:
        if len(_KNOWN) > 1000:
            _KNOWN.clear()
        found = (tool, weight(tool.name) + weight(tool.description) + weight(json.dumps(tool.parameters)) + _TOOL)
        _KNOWN[id(tool)] = found
    return found[1]


class Scale:
    """Weighs a transcript that grows, each turn once. One that was compacted is weighed anew."""

    def __init__(self, result_chars: int | None = None) -> None:
        self._result_chars = result_chars
        self._weights: list[float] = []
        self._last: Turn | None = None
        self._sum = 0.0
        self._gallery = Gallery()

    def weights(self, turns: Sequence[Turn]) -> Sequence[float]:
        """The weight of every turn, with the images that are shown of it."""
        self._weigh(turns)
        shown = self._gallery.shown(turns)
        if not shown:
            return self._weights
        weights = self._weights.copy()
        for place in shown:
            weights[place[0]] += image_weight(self._gallery.images[place])
        return weights

    def total(self, turns: Sequence[Turn]) -> float:
        """The weight of all turns together."""
        self._weigh(turns)
        images = self._gallery.images
        return self._sum + sum(image_weight(images[place]) for place in self._gallery.shown(turns))

    def _weigh(self, turns: Sequence[Turn]) -> None:
        done = len(self._weights)
        if done > len(turns) or (done and turns[done - 1] is not self._last and turns[done - 1] != self._last):
            self._weights, self._sum, self._gallery, done = [], 0.0, Gallery(), 0
        for turn in turns[done:]:
            self._weights.append(turn_weight(turn, self._result_chars))
            self._sum += self._weights[-1]
        self._last = turns[-1] if turns else None
