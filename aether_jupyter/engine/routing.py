"""Which model is asked for a step, and why; pure.

A cascade in the small: what is plain goes to a cheap model, everything else to a standard one, and what keeps going
wrong one family up, as in FrugalGPT (Chen, Zaharia and Zou 2023), though judged by what tools and kernel said rather
than by a model. That the choice at the door may rest on the task alone is RouteLLM's idea (Ong et al. 2024), that a
model is passed over whose window is too small is LiteLLM's (`context_window_fallbacks`).

Changing the model in the middle of a run throws away the provider's prompt cache and mixes the marks of two providers
in one transcript. So a route is held until there is a reason to leave it, and the same provider's model comes first.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from ..model.agent import AgentSpec, Limits
from ..model.routing import FAMILIES, Condition, Family, Route, RoutingRule

STUMBLES = 3
"""Steps in a row that went wrong, after which the next family is asked; the loop says what counts how much."""
LITTLE, VERY_LITTLE = 0.25, 0.1
"""Shares of the agent's money: with less left than the first no frontier model is asked, with less than the second none
but a cheap one."""
SHORT_GOAL = 400
PLAIN = re.compile(
    r"(?:please\s+)?(summari[sz]e|translate|extract|rephrase|reword|shorten|proofread|classify|categori[sz]e|"
    r"transcribe|count|sort|rename|rewrite\s+(?:\w+\s+){0,2}(?:texts?|paragraphs?|sentences?|e?mails?|letters?|notes?))"
    r"\b",
    re.IGNORECASE,
)
"""The words with which a goal begins that is plain work; in other languages than English none is told."""


class Candidate(msgspec.Struct, frozen=True):
    """A model that may be asked. `window` is in tokens and `tools` how many it can be given, None for no limit.

    `sees`: it takes images. Prices are dollars per million tokens, None where not known.
    """

    id: str
    window: int | None = None
    tools: int | None = None
    input_usd: float | None = None
    output_usd: float | None = None
    sees: bool = False

    @property
    def provider(self) -> str:
        """The prefix of its id."""
        return self.id.partition(":")[0]


class Roster(msgspec.Struct, frozen=True):
    """The models of each family, those first that are asked first, and what is known of each."""

    families: Mapping[Family, tuple[str, ...]]
    candidates: Mapping[str, Candidate]

    def models(self, first: Family | None = None) -> tuple[str, ...]:
        """All of them, from the cheapest family on; those of `first` before the others."""
        order = FAMILIES if first is None else _order(first, up=True)
        return tuple(dict.fromkeys(model for family in order for model in self.families.get(family, ())))

    def of(self, model: str) -> tuple[Family, ...]:
        """The families that a model belongs to."""
        return tuple(family for family in FAMILIES if model in self.families.get(family, ()))

    def only(self, models: Iterable[str]) -> Roster:
        """The same without those that are not among `models`."""
        kept = frozenset(models)
        return Roster({f: tuple(m for m in ms if m in kept) for f, ms in self.families.items()}, self.candidates)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a choice rests on. `context` and `output` are tokens, money is US dollars, `left_usd` None without a limit.

    `stumbles` counts the steps in a row that went wrong. `images`: there are some to be seen.
    """

    goal: str
    agent: str = ""
    role: str = ""
    labels: Mapping[str, str] = {}
    context: int = 0
    output: int = 0
    tools: int = 0
    result: bool = False
    images: bool = False
    steps: int = 0
    stumbles: int = 0
    left_usd: float | None = None
    limit_usd: float | None = None


def task_of(
    spec: AgentSpec,
    agent: str,
    *,
    context: int,
    tools: int,
    limits: Limits,
    spent_usd: float = 0.0,
    steps: int = 0,
    stumbles: int = 0,
    images: bool = False,
) -> Task:
    """The next step of an agent. `context` is what its request holds, in tokens; `limits` are those in force now."""
    limit = limits.cost_usd
    return Task(
        goal=spec.goal,
        agent=agent,
        role=spec.role,
        labels=spec.labels,
        context=context,
        output=spec.max_output_tokens,
        tools=tools,
        result=spec.output_schema is not None,
        images=images,
        steps=steps,
        stumbles=stumbles,
        left_usd=None if limit is None else limit - spent_usd,
        limit_usd=limit,
    )


class Choice(msgspec.Struct, frozen=True):
    """Whom to ask, in order, and the route that says why."""

    models: tuple[str, ...]
    route: Route


def roster(ready: Sequence[Candidate], set_up: Mapping[Family, Sequence[Candidate]]) -> Roster:
    """The families: as they are set up, else by price among the models that are `ready`, in their order.

    A provider's own prices tell what it thinks of its models, and those of two providers do not compare: so each
    provider's cheapest is cheap, its dearest (of three prices or more) frontier, all others standard. What costs
    nothing is cheap. A family that is set up is taken as it is, and its models are put into no other.
    """
    named = {candidate.id for candidates in set_up.values() for candidate in candidates}
    families: dict[Family, list[str]] = {family: [c.id for c in set_up.get(family, ())] for family in FAMILIES}
    for candidate in ready:
        if candidate.id not in named:
            family = _by_price(candidate, [each for each in ready if each.provider == candidate.provider])
            if not set_up.get(family):
                families[family].append(candidate.id)
    known = {each.id: each for each in (*ready, *(c for candidates in set_up.values() for c in candidates))}
    return Roster({family: tuple(dict.fromkeys(models)) for family, models in families.items()}, known)


def choose(
    task: Task, rules: Sequence[RoutingRule], found: Roster, *, pinned: Family | None = None, held: Route | None = None
) -> Choice:
    """Whom to ask for the next step. `held` is the route of the step before; `found` must hold at least one model.

    The first rule that fits wins, then the built-in ones. The chain goes on with the neighbouring families, the
    stronger first unless money is short, and leaves out what cannot hold the request or what the money does not pay.
    """
    family, reason = _family(task, rules, pinned, held)
    if task.images and not any(found.candidates[model].sees for model in found.models()):
        # Nobody sees here: whoever is asked is told what was read off the images.
        task = msgspec.structs.replace(task, images=False)
    short = _most(task)[0] != "frontier"
    order = [m for each in _order(family, up=not short) for m in _preferred(found.families.get(each, ()), held)]
    order = list(dict.fromkeys(order))
    models = _fitting(order, task, found)
    first = models[0]
    if held is not None and (held.family, held.model) == (family, first):
        return Choice(models, held)
    wanted = found.families.get(family, ())
    but = ""
    if first not in wanted:
        lacking = _first_misfit(wanted, task, found)
        but = f"; {lacking or f'no {family} model is ready here'}, so {first} is asked"
    elif held is not None and held.family == family and held.model in order and first != held.model:
        misfit = _misfit(found.candidates[held.model], task)
        but = f"; {misfit}" if misfit else ""
    why = f"{family.capitalize()}: {reason}{but}."
    return Choice(models, Route(family, first, why, task.steps + 1))


# --- the family ------------------------------------------------------------------------------------------------------


def _family(task: Task, rules: Sequence[RoutingRule], pinned: Family | None, held: Route | None) -> tuple[Family, str]:
    if pinned is not None:
        return pinned, "the agent keeps to this family"
    for rule in rules:
        if fits(rule, task):
            return rule.family, rule.why.rstrip(".") or f"the rule “{rule}” fits"
    family, reason = _built_in(task, held)
    most, money = _most(task)
    return (most, money) if FAMILIES.index(family) > FAMILIES.index(most) else (family, reason)


def _built_in(task: Task, held: Route | None) -> tuple[Family, str]:
    if held is not None:
        above = FAMILIES[min(FAMILIES.index(held.family) + 1, len(FAMILIES) - 1)]
        if task.stumbles >= STUMBLES and above != held.family:
            return above, f"the last steps went wrong with a {held.family} model"
        return held.family, _reason(held)
    begins = PLAIN.match(task.goal.lstrip())
    if begins is not None and len(task.goal) <= SHORT_GOAL:
        return "cheap", f"“{begins[1].lower()}” is plain work, and the goal is short"
    return "standard", "nothing asks for a cheaper or a stronger model"


def _reason(held: Route) -> str:
    """Why the route was taken, as it was said then."""
    return held.why.removeprefix(f"{held.family.capitalize()}: ").partition("; ")[0].rstrip(".")


def _most(task: Task) -> tuple[Family, str]:
    """The strongest family that the money allows, and why no more."""
    if task.left_usd is None or not task.limit_usd:
        return "frontier", ""
    share = task.left_usd / task.limit_usd
    words = f"only ${max(0.0, task.left_usd):.2f} of ${task.limit_usd:.2f} is left"
    return ("cheap" if share < VERY_LITTLE else "standard" if share < LITTLE else "frontier"), words


def fits(rule: RoutingRule, task: Task) -> bool:
    """Whether a step fits all conditions of a rule."""
    return all(_holds(condition, task) for condition in rule.conditions)


def _holds(condition: Condition, task: Task) -> bool:
    name, value = condition.name, condition.value
    if name == "goal":
        goal = task.goal.casefold()
        return any(word.strip().casefold() in goal for word in value.split(",") if word.strip())
    if name in _NUMBERS:
        number = _NUMBERS[name](task)
        # Where there is no limit, no amount is left of it.
        return number is not None and (number > float(value) if condition.sign == ">" else number < float(value))
    bare = value.removeprefix("!")
    return any(fnmatch.fnmatchcase(each, bare) for each in _NAMES[name](task)) != value.startswith("!")


_NUMBERS: Mapping[str, Callable[[Task], float | None]] = {
    "context": lambda task: task.context,
    "tools": lambda task: task.tools,
    "steps": lambda task: task.steps,
    "stumbles": lambda task: task.stumbles,
    "left": lambda task: task.left_usd,
}
_NAMES: Mapping[str, Callable[[Task], Sequence[str]]] = {
    "role": lambda task: (task.role,),
    "agent": lambda task: (task.agent,),
    "label": lambda task: [f"{name}:{value}" for name, value in task.labels.items()],
    "needs": lambda task: [
        *(["tools"] if task.tools else []),
        *(["result"] if task.result else []),
        *(["vision"] if task.images else []),
    ],
}


# --- the models of a family ------------------------------------------------------------------------------------------


def _by_price(candidate: Candidate, siblings: Sequence[Candidate]) -> Family:
    price = _price(candidate)
    if price is None:
        return "standard"
    prices = sorted({found for each in siblings if (found := _price(each)) is not None})
    if price == 0 or (len(prices) > 1 and price == prices[0]):
        return "cheap"
    return "frontier" if len(prices) > 2 and price == prices[-1] else "standard"


def _price(candidate: Candidate) -> float | None:
    """Dollars for a million tokens as an agent uses them: about three are read for each one that is written."""
    if candidate.input_usd is None or candidate.output_usd is None:
        return None
    return (3 * candidate.input_usd + candidate.output_usd) / 4


def _order(family: Family, *, up: bool) -> list[Family]:
    """The families by nearness to this one, of two as near the stronger first if `up`."""
    place = FAMILIES.index(family)
    return sorted(FAMILIES, key=lambda each: (abs(FAMILIES.index(each) - place), (FAMILIES.index(each) < place) == up))


def _preferred(models: Sequence[str], held: Route | None) -> list[str]:
    """The model that was asked before, then others of its provider, then the rest, each as it was in order."""
    if held is None:
        return list(models)
    provider = held.model.partition(":")[0]
    return sorted(models, key=lambda each: (each != held.model, each.partition(":")[0] != provider))


def _fitting(order: Sequence[str], task: Task, found: Roster) -> tuple[str, ...]:
    """Those that the request fits into and the money pays. If there is none: the ones that come nearest to it."""
    known = found.candidates
    fitting = tuple(model for model in order if not _misfit(known[model], task))
    if fitting:
        return fitting
    roomy = [model for model in order if not _narrow(known[model], task)]
    if roomy:
        # Money is short: the limit will say so, but of the model that costs least.
        def faults(model: str) -> tuple[bool, bool, float]:
            each = known[model]
            return _blind(each, task), _overloaded(each, task), _cost(each, task) or 0.0

        return tuple(sorted(roomy, key=faults))
    return tuple(sorted(order, key=lambda each: -(known[each].window or 0)))


def _first_misfit(models: Sequence[str], task: Task, found: Roster) -> str:
    return next((fault for model in models if (fault := _misfit(found.candidates[model], task))), "")


def _misfit(candidate: Candidate, task: Task) -> str:
    """Why a model cannot be asked for this, or nothing."""
    if _narrow(candidate, task):
        return f"{candidate.id} cannot hold the {task.context:,} tokens of this step"
    if _overloaded(candidate, task):
        return f"{candidate.id} cannot be given {task.tools} tools"
    if _blind(candidate, task):
        return f"{candidate.id} takes no images"
    cost = _cost(candidate, task)
    if task.left_usd is not None and cost is not None and cost > task.left_usd:
        return f"a step of {candidate.id} may cost ${cost:.2f}, and ${max(0.0, task.left_usd):.2f} is left"
    return ""


def _narrow(candidate: Candidate, task: Task) -> bool:
    return candidate.window is not None and task.context + task.output > candidate.window


def _blind(candidate: Candidate, task: Task) -> bool:
    return task.images and not candidate.sees


def _overloaded(candidate: Candidate, task: Task) -> bool:
    return candidate.tools is not None and task.tools > candidate.tools


def _cost(candidate: Candidate, task: Task) -> float | None:
    """What one request costs at most."""
    if candidate.input_usd is None or candidate.output_usd is None:
        return None
    return (task.context * candidate.input_usd + task.output * candidate.output_usd) / 1e6
