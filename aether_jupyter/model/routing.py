"""Families of models, and the lines by which a person says which family a task is for.

One line as text, as the configuration takes it:

    frontier role=reviewer
    cheap goal~=summar,translat context<20000 why="short texts"

`engine.routing` says which line fits a step, and which model of a family is asked.
"""

from __future__ import annotations

import difflib
import re
import shlex
from typing import Literal, get_args

import msgspec

from .errors import BadRequest, UnknownName

Family = Literal["cheap", "standard", "frontier"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""From the cheapest to the strongest."""

AUTO = "auto"
"""What stands in the place of a model's name where the server is to choose; `auto:cheap` keeps to a family."""

NAMES = ("role", "agent", "label", "needs")
NUMBERS = ("context", "tools", "steps", "stumbles", "left")
CONDITIONS = (*NAMES, "goal", *NUMBERS)
NEEDS = ("tools", "result", "vision")

Sign = Literal["=", "~=", ">", "<"]


class Route(msgspec.Struct, frozen=True):
    """Where a step was routed: the family, the model that is asked first, why, and the step since which it is so."""

    family: Family
    model: str
    why: str
    since: int


class Condition(msgspec.Struct, frozen=True):
    """One condition of a rule: `role=reviewer`, `goal~=summar,translat` or `context>30000`."""

    name: str
    sign: Sign
    value: str

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.name}{self.sign}{shlex.quote(self.value)}"


class RoutingRule(msgspec.Struct, frozen=True):
    """One line: the family for the steps that fit all its conditions; without any it fits every step.

    `role`, `agent`, `label` (as `name:value`) and `needs` are patterns with `*`, `?` and `[…]`; a `!` in
    front turns one round. `goal~=` looks for any of the words, in small or capital letters. `context` and `tools` are
    tokens and tools of the request, `steps` those that were made, `stumbles` those in a row that went wrong, `left` the
    dollars that are left of the agent's limit.
    """

    family: Family
    conditions: tuple[Condition, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        """The line as text, without `why`."""
        return " ".join((self.family, *map(str, self.conditions)))


def is_auto(model: str) -> bool:
    """Whether the server is to choose."""
    return model == AUTO or model.startswith(f"{AUTO}:")


def pinned(model: str) -> Family | None:
    """The family that `auto:cheap` keeps to, None for `auto`. Raises `UnknownName` for a family that there is not."""
    if model == AUTO:
        return None
    name = model.partition(":")[2]
    return _family(name, f"{model!r} names no family of models")


def parse_rule(line: str | RoutingRule) -> RoutingRule:
    """A rule from its text. Raises `BadRequest` with what is wrong and what there is."""
    if isinstance(line, RoutingRule):
        return line
    if not isinstance(line, str):
        raise BadRequest(f"{line!r} is no rule. {_FORM}")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadRequest(f"{line!r}: {error}. {_FORM}") from None
    if not words:
        raise BadRequest(f"{line!r} is empty. {_FORM}")
    family = _family(words[0], f"{line!r} begins with {words[0]!r}, which is no family", _FORM)
    conditions: list[Condition] = []
    why = ""
    for word in words[1:]:
        if word.startswith("why="):
            why = word[4:]
            continue
        condition = _condition(line, word)
        if any((each.name, each.sign) == (condition.name, condition.sign) for each in conditions):
            raise BadRequest(f"{line!r} has {condition.name}{condition.sign} twice; write two rules")
        conditions.append(condition)
    return RoutingRule(family, tuple(conditions), why)


_FORM = "Write it as: cheap, standard or frontier, then conditions such as role=reviewer, goal~=summar or context>30000"
_THERE_ARE = f"There are: {', '.join(FAMILIES)}"
_WORD = re.compile(r"([A-Za-z_]+)(~=|=|>|<)(.*)", re.DOTALL)


def _family(name: str, fault: str, form: str = "") -> Family:
    for family in FAMILIES:
        if name == family:
            return family
    near = difflib.get_close_matches(name, FAMILIES, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownName(f"{fault}.{hint} {form or _THERE_ARE}")


def _condition(line: str, word: str) -> Condition:
    found = _WORD.fullmatch(word)
    if found is None or not found[3].strip():
        raise BadRequest(f"{line!r}: {word!r} is no condition. {_FORM}")
    name, sign, value = found[1], found[2], found[3]
    if name not in CONDITIONS:
        near = difflib.get_close_matches(name, CONDITIONS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise BadRequest(f"{line!r} has no condition {name!r}.{hint} There are: {', '.join(CONDITIONS)}, why")
    signs = (">", "<") if name in NUMBERS else ("~=",) if name == "goal" else ("=",)
    if sign not in signs:
        usual = f"{name}>20" if name in NUMBERS else f"{name}=x"
        example = {"goal": "goal~=summar", "left": "left<0.50"}.get(name, usual)
        raise BadRequest(f"{line!r}: {name} takes {' or '.join(signs)}, as in {example}")
    if fault := _fault(name, value):
        raise BadRequest(f"{line!r}: {name}{sign}{value}: {fault}")
    return Condition(name, sign, value)  # type: ignore[arg-type]


def _fault(name: str, value: str) -> str:
    """What is wrong with a value, or nothing."""
    bare = value.removeprefix("!")
    if name in NUMBERS:
        return "" if re.fullmatch(r"\d+(\.\d+)?", value) else "that is no number, such as 30000 or 0.50"
    if any(ord(letter) < 32 for letter in value):
        return "it holds a control character"
    if name == "goal":
        return "" if any(word.strip() for word in value.split(",")) else "it names no word"
    if not bare.strip():
        return "the pattern is empty"
    if bare.count("[") != bare.count("]"):
        return "a '[' without its ']' (or the other way round)"
    if name == "label" and ":" not in bare:
        return "a label is named with its value, as in label=team:legal or label=team:*"
    if name == "needs" and not any(letter in bare for letter in "*?[") and bare not in NEEDS:
        return f"there are: {', '.join(NEEDS)}"
    return ""
