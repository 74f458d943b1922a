"""Plans of any depth, as people and models write them: an outline with a mark before each step.

    - [x] Read the export
    - [~] Mend the dates
      - [x] find the rows that differ (agent 12)
      - [!] ask whose format holds (because: Ana is away)
    - [ ] Write the report

A step's number is its place in the outline: `2.1` is the first step below the second. `(agent 12)` says which agent it
was given to, `(because: …)` why it is blocked or dropped.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from .errors import BadRequest
from .process import ExitStatus

STEPS = 500
DEPTH = 20
TEXT_CHARS, WHY_CHARS = 1_000, 300
_LINE = re.compile(r"^([ \t]*)(?:[-*+]|\d+[.)])[ \t]+(?:\[(.)\][ \t]*)?(\S.*?)[ \t]*$")
_WORDS = re.compile(r"(\S.*?)(?:\s*\(agent (\d{1,15})\))?(?:\s*\(because: (.+)\))?", re.DOTALL)


class StepStatus(StrEnum):
    """How a step stands; the value is the mark in an outline. A step that has others below it follows from them."""

    OPEN = " "
    DOING = "~"
    DONE = "x"
    BLOCKED = "!"
    DROPPED = "-"


CLOSED = (StepStatus.DONE, StepStatus.DROPPED)
_EXPLAINED = (StepStatus.BLOCKED, StepStatus.DROPPED)
_NOW = {
    StepStatus.OPEN: "open again",
    StepStatus.DOING: "begun",
    StepStatus.DONE: "done",
    StepStatus.BLOCKED: "blocked",
    StepStatus.DROPPED: "dropped",
}


class PlanStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step, with those below it.

    `pid` is the agent it was given to, `why` the reason where it is blocked or dropped. `step` is at which step of the
    agent its status last changed, 0 for none.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARS)]
    status: StepStatus = StepStatus.OPEN
    steps: tuple[PlanStep, ...] = ()
    pid: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    why: Annotated[str, msgspec.Meta(max_length=WHY_CHARS)] = ""
    step: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent means to do. An empty one is no plan."""

    steps: tuple[PlanStep, ...] = ()

    def walk(self) -> Iterator[tuple[str, PlanStep]]:
        """Every step with its number, as the outline lists them."""
        yield from _walk(self.steps, "")


class PlanAsItStands(msgspec.Struct, frozen=True):
    """The plan of an agent, also as an outline, and who changed it last: `agent`, `agent:PID`, or a person's name.

    `n` is the number of that change in the agent's journal, 0 where there never was a plan; `at` is when. `done` of
    `steps` are done.
    """

    plan: Plan
    outline: str
    done: int
    steps: int
    by: str = ""
    at: float = 0.0
    n: int = 0


def _walk(steps: tuple[PlanStep, ...], above: str) -> Iterator[tuple[str, PlanStep]]:
    for place, step in enumerate(steps, 1):
        number = f"{above}{place}"
        yield number, step
        yield from _walk(step.steps, f"{number}.")


def progress(plan: Plan) -> tuple[int, int]:
    """How many of the steps that have none below them are done, and how many there are; dropped ones do not count."""
    leaves = [step.status for _, step in plan.walk() if not step.steps and step.status is not StepStatus.DROPPED]
    return leaves.count(StepStatus.DONE), len(leaves)


def words(step: PlanStep) -> str:
    """The step as an outline says it after its mark."""
    given = f" (agent {step.pid})" if step.pid is not None else ""
    return f"{step.text}{given}{f' (because: {step.why})' if step.why else ''}"


def outline(plan: Plan) -> str:
    """The plan as an outline; `parse_plan` reads it back."""
    return "\n".join(f"{'  ' * number.count('.')}- [{step.status}] {words(step)}" for number, step in plan.walk())


def parse_plan(text: str) -> Plan:
    """The plan that an outline tells; headings are passed over. Raises `BadRequest` naming the line."""
    top: list[_Draft] = []
    open_steps: list[tuple[int, _Draft]] = []
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise BadRequest(f"line {place} of the plan is no step: {line.strip()[:80]!r}. Begin each with '- '")
        indent, mark, said = len(match[1].expandtabs(4)), match[2] or " ", match[3]
        try:
            status = StepStatus(mark.lower())
        except ValueError:
            marks = ", ".join(f"[{each}] {each.name.lower()}" for each in StepStatus)
            raise BadRequest(f"line {place} of the plan has the mark [{mark}]; there are {marks}") from None
        while open_steps and open_steps[-1][0] >= indent:
            open_steps.pop()
        if len(open_steps) >= DEPTH:
            raise BadRequest(f"line {place} of the plan lies more than {DEPTH} deep")
        draft = _Draft(said, status)
        (open_steps[-1][1].below if open_steps else top).append(draft)
        open_steps.append((indent, draft))
    return settled(Plan(tuple(each.step() for each in top)))


def settled(plan: Plan) -> Plan:
    """The plan with what follows from the rest: steps from those below them, reasons only where they explain one.

    Raises `BadRequest` for more than `STEPS` steps, more than `DEPTH` levels or a step without words.
    """
    numbers = [(number, bool(step.text.strip())) for number, step in plan.walk()]
    if len(numbers) > STEPS:
        raise BadRequest(f"the plan has more than {STEPS} steps; give parts of it to other agents")
    for number, said in numbers:
        if number.count(".") >= DEPTH:
            raise BadRequest(f"step {number} of the plan lies more than {DEPTH} deep")
        if not said:
            raise BadRequest(f"step {number} of the plan has no words")
    return Plan(tuple(_settled(step) for step in plan.steps))


def _settled(step: PlanStep) -> PlanStep:
    status = step.status
    dropped = status is StepStatus.DROPPED
    below = tuple(_settled(_closed(each, status) if dropped else each) for each in step.steps)
    status = _from(below, status) if below else status
    match = _WORDS.fullmatch(" ".join(step.text.split()))
    assert match is not None
    pid = step.pid if step.pid is not None or match[2] is None else int(match[2])
    why = " ".join((step.why or match[3] or "").split())[:WHY_CHARS] if status in _EXPLAINED else ""
    return PlanStep(match[1][:TEXT_CHARS], status, below, pid, why, step.step)


def mark(plan: Plan, number: str, status: StepStatus, text: str = "", *, pid: int | None = None, why: str = "") -> Plan:
    """The plan with one step set, and its words, agent and reason where new ones are given. Raises `BadRequest`.

    What lies below a step that is done or dropped is so, too; a step all of whose parts are done is done.
    """

    def set_it(step: PlanStep) -> PlanStep:
        below = tuple(_closed(each, status) for each in step.steps) if status in CLOSED else step.steps
        said, given = text or step.text, step.pid if pid is None else pid
        return msgspec.structs.replace(step, steps=below, status=status, text=said, pid=given, why=why)

    return settled(Plan(_changed(plan.steps, _places(plan, number), set_it)))


def revise(plan: Plan, number: str, below: Plan) -> Plan:
    """The plan with another part below one step. Raises `BadRequest`."""

    def set_it(step: PlanStep) -> PlanStep:
        return msgspec.structs.replace(step, steps=below.steps)

    return settled(Plan(_changed(plan.steps, _places(plan, number), set_it)))


def followed(plan: Plan, pid: int, ended: ExitStatus) -> Plan:
    """The plan after an agent has ended: what it was given is done, or blocked with the reason."""
    done = ended.code == 0
    why = "" if done else f"agent {pid} ended with {ended.code}: {ended.message or ended.reason}"[:WHY_CHARS]
    for number, step in plan.walk():
        if step.pid == pid and step.status not in CLOSED:
            plan = mark(plan, number, StepStatus.DONE if done else StepStatus.BLOCKED, why=why)
    return plan


def assigned(plan: Plan) -> frozenset[int]:
    """The agents that something was given to which is not closed."""
    return frozenset(step.pid for _, step in plan.walk() if step.pid is not None and step.status not in CLOSED)


def stamped(before: Plan, after: Plan, step: int) -> Plan:
    """The plan `after`, with the agent's `step` at each of its steps that stands otherwise than in `before`."""
    old = {new: (stood.status, stood.step) for (_, stood), (new, _) in _pairs(before, after)[0]}

    def stamp(steps: tuple[PlanStep, ...], above: str) -> tuple[PlanStep, ...]:
        found = []
        for place, each in enumerate(steps, 1):
            number = f"{above}{place}"
            status, at = old.get(number, (StepStatus.OPEN, 0))
            at = at if status is each.status else step
            found.append(msgspec.structs.replace(each, step=at, steps=stamp(each.steps, f"{number}.")))
        return tuple(found)

    return Plan(stamp(after.steps, ""))


def changes(before: Plan, after: Plan, *, own: bool = False) -> list[str]:
    """What is otherwise in `after`, a line each, by its numbers; the twin of `changes` in `state/plan.ts`.

    `own`: only words that whoever made the change put there are quoted; what was there is named by its number alone.
    """
    known = {step.text for _, step in before.walk()}

    def said(text: str, old: str = "") -> str:
        if not own:
            return f": {text}"
        words = _new_words(old, text) if text not in known else ""
        return f": {words}" if words else ""

    def there(step: PlanStep) -> str:
        return "" if own else f": {step.text}"

    if not after.steps:
        return ["the plan was given up"] if before.steps else []
    if not before.steps:
        return [f"{number} added: {step.text}" for number, step in after.walk()]
    pairs, gone, added = _pairs(before, after)
    numbers = {new: old for (old, _), (new, _) in pairs}
    moved = _moved(numbers)
    told: list[tuple[str, str]] = []
    for (_, old), (number, new) in pairs:
        if old.text != new.text:
            told.append((number, f"reworded{said(new.text, old.text)}"))
        if number in moved:
            told.append((number, f"moved here from {numbers[number]}{there(new)}"))
        if old.pid != new.pid:
            told.append((number, f"{f'given to agent {new.pid}' if new.pid else 'taken back'}{there(new)}"))
        # How a step with others below it stands follows from them, unless it is held up or dropped as a whole.
        if (old.status, old.why) != (new.status, new.why) and (not new.steps or new.status in _EXPLAINED):
            why = "" if own and new.why == old.why else new.why
            told.append((number, f"{_NOW[new.status]}{f' ({why})' if why else ''}{there(new)}"))
    told += [(number, f"added{said(step.text)}") for number, step in added]
    order = {number: place for place, (number, _) in enumerate(after.walk())}
    told.sort(key=lambda each: order[each[0]])
    return [f"{number} {what}" for number, what in told] + [f"{n} removed{there(step)}" for n, step in gone]


def _new_words(old: str, new: str) -> str:
    """The words of `new` that do not stand in `old`, with … for those that do; '' for none."""
    before, after = old.split(), new.split()
    moves = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    parts = ["…" if move == "equal" else " ".join(after[start:end]) for move, _, _, start, end in moves]
    said = " ".join(filter(None, parts))
    return said if said != "…" else ""


_Numbered = tuple[str, PlanStep]


def _pairs(before: Plan, after: Plan) -> tuple[list[tuple[_Numbered, _Numbered]], list[_Numbered], list[_Numbered]]:
    """Which step of `before` is which of `after`, and what is in one alone.

    A step is known by its words, in the same place first; one with other words by the place that nothing else has.
    """
    left = dict(before.walk())
    found: dict[str, _Numbered] = {}
    rest = []
    for number, step in after.walk():
        if number in left and left[number].text == step.text:
            found[number] = (number, left.pop(number))
        else:
            rest.append((number, step))
    by_text: dict[str, list[str]] = {}
    for number, step in left.items():
        by_text.setdefault(step.text, []).append(number)
    other = []
    for number, step in rest:
        if same := by_text.get(step.text):
            old = same.pop(0)
            found[number] = (old, left.pop(old))
        else:
            other.append((number, step))
    added = []
    for number, step in other:
        if number in left:
            found[number] = (number, left.pop(number))
        else:
            added.append((number, step))
    pairs = [(found[number], (number, step)) for number, step in after.walk() if number in found]
    return pairs, list(left.items()), added


def _moved(numbers: dict[str, str]) -> set[str]:
    """Which of the new numbers lie below another step than before, or before one that they came after."""
    moved = set()
    furthest: dict[str, int] = {}
    for new, old in numbers.items():
        above, _, _ = new.rpartition(".")
        old_above, _, place = old.rpartition(".")
        if (numbers.get(above) if above else "") != old_above or int(place) < furthest.get(above, 0):
            moved.add(new)
        else:
            furthest[above] = int(place)
    return moved


def _places(plan: Plan, number: str) -> list[int]:
    number = number.strip().rstrip(".")
    if number not in (there := [each for each, _ in plan.walk()]):
        some = ", ".join(there[:40]) + ("…" if len(there) > 40 else "")
        raise BadRequest(f"the plan has no step {number!r}; there are {some or 'none'}")
    return [int(part) - 1 for part in number.split(".")]


def _changed(
    steps: tuple[PlanStep, ...], places: Sequence[int], set_it: Callable[[PlanStep], PlanStep]
) -> tuple[PlanStep, ...]:
    at, *rest = places
    step = steps[at]
    new = msgspec.structs.replace(step, steps=_changed(step.steps, rest, set_it)) if rest else set_it(step)
    return (*steps[:at], new, *steps[at + 1 :])


def _closed(step: PlanStep, status: StepStatus) -> PlanStep:
    if step.status in CLOSED:
        status = step.status
    return msgspec.structs.replace(step, status=status, steps=tuple(_closed(each, status) for each in step.steps))


def _from(below: tuple[PlanStep, ...], status: StepStatus) -> StepStatus:
    """How a step stands whose parts stand so."""
    left = {each.status for each in below if each.status is not StepStatus.DROPPED}
    if not left:
        return status
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
