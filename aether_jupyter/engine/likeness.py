"""Whether two memories say the same, and which of those that were given an answer rests on; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from ..model.memory import TOLD
from ..model.message import MEMORY, ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn
from .recall import share, terms

ALIKE = 0.8
"""The least likeness of two memories that are shown as saying nearly the same: a cosine, or the share of words."""
CITED = 2
"""How many telling words, that stood nowhere else, make an answer rest on a memory. One with a digit in it counts for
two: a number, a date or a name like `v2` is seldom hit by chance.
"""
_TERMS = 400
_COMMON = 50
"""A word in more memories than this says nothing about whether two of them are alike."""
_DIGIT = re.compile(r"\d")
_NAMED = re.compile(r"(?<![\w\])])\[(\d+)\]|\bmemory (?:no\. |number |#)?(\d+)\b", re.IGNORECASE)


def alike_by_words(texts: Sequence[tuple[int, str]], least: float = ALIKE) -> list[tuple[int, int, float]]:
    """Pairs of memories (`(id, text)`) that have most of their words in common, the most alike first."""
    words = {key: frozenset(terms(text[:_CHARS], _TERMS)) for key, text in texts}
    holders: dict[str, list[int]] = {}
    for key, said in words.items():
        for word in said:
            holders.setdefault(word, []).append(key)
    met: set[tuple[int, int]] = set()
    for keys in holders.values():
        if len(keys) <= _COMMON:
            met.update((a, b) for at, a in enumerate(keys) for b in keys[at + 1 :])
    pairs = [(min(pair), max(pair), share(words[pair[0]], words[pair[1]])) for pair in met]
    return sorted((pair for pair in pairs if pair[2] >= least), key=lambda pair: (-pair[2], pair[0], pair[1]))


def told_in(turns: Sequence[Turn], tool: str) -> dict[int, str]:
    """The memories that stand in these turns: those given unasked, and what `tool` has found."""
    texts = [
        turn.text if isinstance(turn, UserTurn) else turn.content
        for turn in turns
        if (isinstance(turn, UserTurn) and turn.source == MEMORY) or (isinstance(turn, ToolTurn) and turn.tool == tool)
    ]
    return {int(key): words for text in texts for key, _, _, words in TOLD.findall(text)}


def other_words(turns: Sequence[Turn], tool: str) -> set[str]:
    """The words of all turns but those that tell memories."""
    found: set[str] = set()
    for turn in turns:
        match turn:
            case UserTurn(text=text, source=source) if source != MEMORY:
                found.update(terms(text[:_CHARS], _ALL))
            case ToolTurn(tool=name, content=content) if name != tool:
                found.update(terms(content[:_CHARS], _ALL))
            case ModelTurn(parts=parts):
                found.update(terms(said_by(parts)[:_CHARS], _ALL))
            case _:
                pass
    return found


def said_by(parts: Sequence[object]) -> str:
    """What an answer says, and the values with which it calls tools."""
    said = [part.text for part in parts if isinstance(part, Text)]
    calls = [part.arguments for part in parts if isinstance(part, ToolCall)]
    return "\n".join([*said, *(value for call in calls for value in _strings(call))])


def cited(answer: str, given: Mapping[int, str], elsewhere: Collection[str]) -> tuple[int, ...]:
    """Which of the given memories (id: as it was told) an answer rests on.

    It names the memory's number as it was told (`[12]`, `memory 12`), or says words that stand in the memory and
    `elsewhere` nowhere: as many as `CITED`, or all that the memory alone has told where that is fewer.
    """
    named = {int(a or b) for a, b in _NAMED.findall(answer)}
    said = set(terms(answer[:_CHARS], _ALL))
    found = []
    for key, text in given.items():
        alone = {word for word in terms(text[:_CHARS], _TERMS) if word not in elsewhere}
        worth = sum(_worth(word) for word in alone & said)
        if key in named or (alone and worth >= min(CITED, sum(map(_worth, alone)))):
            found.append(key)
    return tuple(found)


_ALL, _CHARS = 100_000, 100_000


def _worth(word: str) -> int:
    return 2 if _DIGIT.search(word) else 1


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [str(value)] if isinstance(value, int | float) else []
