"""Plans of any depth, as people and models write them: an outline with a mark before each step.

    - [x] Read the export
    - [~] Mend the dates
      - [x] find the rows that differ
      - [!] ask whose format holds (waits for Ana)
    - [ ] Write the report

A step's number is its place in the outline: `2.1` is the first step below the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec

from .errors import BadRequest

STEPS = 500
DEPTH = 20
_LINE = re.compile(r"^([ \t]*)(?:[-*+]|\d+[.)])[ \t]+(?:\[(.)\][ \t]*)?(\S.*?)[ \t]*$")


class StepStatus(StrEnum):
    """How a step stands; the value is the mark in an outline. A step that has others below it follows from them."""

    OPEN = " "
    DOING = "~"
    DONE = "x"
    BLOCKED = "!"
    DROPPED = "-"


class PlanStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step, with those below it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    status: StepStatus = StepStatus.OPEN
    steps: tuple[PlanStep, ...] = ()


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent means to do. An empty one is no plan."""

    steps: tuple[PlanStep, ...] = ()

    def walk(self) -> Iterator[tuple[str, PlanStep]]:
        """Every step with its number, as the outline lists them."""
        yield from _walk(self.steps, "")


def _walk(steps: tuple[PlanStep, ...], above: str) -> Iterator[tuple[str, PlanStep]]:
    for place, step in enumerate(steps, 1):
        number = f"{above}{place}"
        yield number, step
        yield from _walk(step.steps, f"{number}.")


def progress(plan: Plan) -> tuple[int, int]:
    """How many of the steps that have none below them are done, and how many there are; dropped ones do not count."""
    leaves = [step.status for _, step in plan.walk() if not step.steps and step.status is not StepStatus.DROPPED]
    return leaves.count(StepStatus.DONE), len(leaves)


def outline(plan: Plan) -> str:
    """The plan as an outline; `parse_plan` reads it back."""
    return "\n".join(f"{'  ' * number.count('.')}- [{step.status}] {step.text}" for number, step in plan.walk())


def parse_plan(text: str) -> Plan:
    """The plan that an outline tells. Raises `BadRequest` with the line that does not read well."""
    top: list[_Draft] = []
    open_steps: list[tuple[int, _Draft]] = []
    count = 0
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None:
            raise BadRequest(f"line {place} of the plan is no step: {line.strip()[:80]!r}. Begin each with '- '")
        indent, mark, words = len(match[1].expandtabs(4)), match[2] or " ", match[3]
        try:
            status = StepStatus(mark.lower())
        except ValueError:
            marks = ", ".join(f"[{each}] {each.name.lower()}" for each in StepStatus)
            raise BadRequest(f"line {place} of the plan has the mark [{mark}]; there are {marks}") from None
        count += 1
        if count > STEPS:
            raise BadRequest(f"the plan has more than {STEPS} steps; give parts of it to other agents")
        while open_steps and open_steps[-1][0] >= indent:
            open_steps.pop()
        if len(open_steps) >= DEPTH:
            raise BadRequest(f"line {place} of the plan lies more than {DEPTH} deep")
        draft = _Draft(words[:1_000], status)
        (open_steps[-1][1].below if open_steps else top).append(draft)
        open_steps.append((indent, draft))
    return Plan(tuple(each.step() for each in top))


def mark(plan: Plan, number: str, status: StepStatus, text: str = "") -> Plan:
    """The plan with one step set, and its words where `text` gives new ones. Raises `BadRequest`.

    What lies below a step that is done or dropped is so, too; a step all of whose parts are done is done.
    """
    if number not in (there := [each for each, _ in plan.walk()]):
        raise BadRequest(f"the plan has no step {number!r}; there are {', '.join(there) or 'none'}")
    places = [int(part) - 1 for part in number.split(".")]
    return Plan(_marked(plan.steps, places, status, text))


def _marked(steps: tuple[PlanStep, ...], places: list[int], status: StepStatus, text: str) -> tuple[PlanStep, ...]:
    at, *rest = places
    step = steps[at]
    if rest:
        below = _marked(step.steps, rest, status, text)
        new = msgspec.structs.replace(step, steps=below, status=_from(below, step.status))
    else:
        closes = status in (StepStatus.DONE, StepStatus.DROPPED)
        below = tuple(_closed(each, status) for each in step.steps) if closes else step.steps
        new = msgspec.structs.replace(step, steps=below, status=status, text=text or step.text)
    return (*steps[:at], new, *steps[at + 1 :])


def _closed(step: PlanStep, status: StepStatus) -> PlanStep:
    if step.status in (StepStatus.DONE, StepStatus.DROPPED):
        status = step.status
    return msgspec.structs.replace(step, status=status, steps=tuple(_closed(each, status) for each in step.steps))


def _from(below: tuple[PlanStep, ...], status: StepStatus) -> StepStatus:
    """How a step stands whose parts stand so."""
    left = {each.status for each in below if each.status is not StepStatus.DROPPED}
    if left == {StepStatus.DONE}:
        return StepStatus.DONE
    if left & {StepStatus.DOING, StepStatus.DONE}:
        return StepStatus.DOING
    if left == {StepStatus.BLOCKED}:
        return StepStatus.BLOCKED
    return StepStatus.OPEN if status is StepStatus.DONE else status


class _Draft:
    """A step while its outline is read."""

    def __init__(self, text: str, status: StepStatus) -> None:
        self.text = text
        self.status = status
        self.below: list[_Draft] = []

    def step(self) -> PlanStep:
        return PlanStep(self.text, self.status, tuple(each.step() for each in self.below))
