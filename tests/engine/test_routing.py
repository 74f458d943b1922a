"""Which family a step goes to, which model of it is asked, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from aether_jupyter.engine import loop
from aether_jupyter.engine.routing import Candidate, Roster, Task, choose, fits, roster
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.errors import BadRequest, UnknownName
from aether_jupyter.model.events import (
    Guidance,
    LimitsExtended,
    ModelAnswered,
    ModelChosen,
    ModelRequested,
    ToolEnded,
    ToolStarted,
)
from aether_jupyter.model.message import ToolCall, Usage
from aether_jupyter.model.routing import Route, is_auto, parse_rule, pinned
from aether_jupyter.model.tool import Outcome

PRICED = [
    Candidate("openai:mini", 400_000, None, 0.25, 2.0),
    Candidate("openai:big", 400_000, None, 1.25, 10.0),
    Candidate("openai:nano", 400_000, None, 0.05, 0.4),
    Candidate("anthropic:sonnet", 200_000, None, 3.0, 15.0),
    Candidate("anthropic:haiku", 200_000, None, 1.0, 5.0),
    Candidate("anthropic:opus", 200_000, None, 5.0, 25.0),
]
ALL = roster(PRICED, {})
HELD = Route("standard", "openai:mini", "Standard: nothing asks for a cheaper or a stronger model.", 1)


def task(**given: Any) -> Task:
    return Task(**({"goal": "Find out why the build fails", "context": 3000, "output": 4096, "steps": 4} | given))


def chosen(rules: Sequence[str] = (), found: Roster = ALL, held: Route | None = None, **given: Any) -> Any:
    return choose(task(**given), [parse_rule(rule) for rule in rules], found, held=held)


# --- families --------------------------------------------------------------------------------------------------------


def test_a_providers_own_prices_part_its_models() -> None:
    assert ALL.families == {
        "cheap": ("openai:nano", "anthropic:haiku"),
        "standard": ("openai:mini", "anthropic:sonnet"),
        "frontier": ("openai:big", "anthropic:opus"),
    }


@pytest.mark.parametrize(
    ("prices", "families"),
    [
        ([None], ["standard"]),
        ([2.0], ["standard"]),
        ([0.0], ["cheap"]),
        ([0.0, 0.0], ["cheap", "cheap"]),
        ([1.0, 2.0], ["cheap", "standard"]),
        ([2.0, 2.0], ["standard", "standard"]),
        ([3.0, 1.0, 2.0, 1.0], ["frontier", "cheap", "standard", "cheap"]),
        ([3.0, None, 1.0], ["standard", "standard", "cheap"]),
    ],
)
def test_what_price_says_of_one_provider(prices: list[float | None], families: list[str]) -> None:
    models = [Candidate(f"own:m{n}", input_usd=price, output_usd=price) for n, price in enumerate(prices)]
    found = roster(models, {})
    assert [found.of(model.id) for model in models] == [(family,) for family in families]


def test_what_is_set_up_is_taken_as_it_is_and_goes_nowhere_else() -> None:
    own = Candidate("local:own", 4096)
    found = roster(PRICED, {"cheap": [own, PRICED[3]], "standard": []})
    assert found.families["cheap"] == ("local:own", "anthropic:sonnet")
    assert found.families["standard"] == ("openai:mini",)
    assert found.families["frontier"] == ("openai:big", "anthropic:opus")
    assert found.candidates["local:own"] is own


# --- the built-in rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "held", "first", "why"),
    [
        ({}, None, "openai:mini", "Standard: nothing asks for a cheaper or a stronger model."),
        (
            {"goal": "Summarise notes.txt"},
            None,
            "openai:nano",
            "Cheap: “summarise” is plain work, and the goal is short.",
        ),
        ({"goal": "please translate it"}, None, "openai:nano", "Cheap: “translate” is plain work"),
        ({"goal": "Rewrite this short mail"}, None, "openai:nano", "Cheap: "),
        ({"goal": "Rewrite the parser in Rust"}, None, "openai:mini", "Standard: "),
        ({"goal": "Sorting is broken"}, None, "openai:mini", "Standard: "),
        ({"goal": "Summarise " + "x" * 400}, None, "openai:mini", "Standard: "),
        ({"stumbles": 2}, HELD, "openai:mini", HELD.why),
        ({"stumbles": 3}, HELD, "openai:big", "Frontier: the last steps went wrong with a standard model."),
        ({"left_usd": 0.6, "limit_usd": 2.0}, HELD, "openai:mini", HELD.why),
        (
            {"left_usd": 0.15, "limit_usd": 2.0},
            HELD,
            "openai:nano",
            "Cheap: only $0.15 of $2.00 is left.",
        ),
        (
            {"left_usd": 0.4, "limit_usd": 2.0, "stumbles": 3},
            HELD,
            "openai:mini",
            HELD.why,
        ),
        (
            {"left_usd": 0.4, "limit_usd": 2.0},
            Route("frontier", "openai:big", "Frontier: so.", 3),
            "openai:mini",
            "Standard: only $0.40 of $2.00 is left.",
        ),
    ],
)
def test_what_is_asked_and_why(given: dict[str, Any], held: Route | None, first: str, why: str) -> None:
    choice = chosen(held=held, **given)
    assert choice.models[0] == first
    assert choice.route.model == first
    assert choice.route.why.startswith(why)


def test_a_route_is_held_while_nothing_speaks_against_it() -> None:
    held = Route("cheap", "anthropic:haiku", "Cheap: “count” is plain work, and the goal is short.", 1)
    choice = chosen(held=held, goal="Count them")
    assert choice.route is held
    assert choice.models[0] == "anthropic:haiku", "though another cheap model stands before it"


def test_a_change_keeps_to_the_provider_that_was_asked() -> None:
    held = Route("standard", "anthropic:sonnet", "Standard: so.", 2)
    choice = chosen(held=held, stumbles=4)
    assert choice.models[:2] == ("anthropic:opus", "openai:big")
    assert choice.route.since == 5


def test_the_chain_goes_on_with_the_nearest_families() -> None:
    families = [ALL.of(model)[0] for model in chosen().models]
    assert families == ["standard"] * 2 + ["frontier"] * 2 + ["cheap"] * 2
    poor = [ALL.of(model)[0] for model in chosen(left_usd=0.45, limit_usd=2.0).models]
    assert poor == ["standard"] * 2 + ["cheap"] * 2 + ["frontier"] * 2


def test_what_is_too_long_goes_to_a_model_that_can_hold_it() -> None:
    small = roster([msgspec.structs.replace(PRICED[0], window=50_000), *PRICED[1:]], {})
    choice = chosen(found=small, held=HELD, context=60_000)
    assert choice.models[0] == "openai:big" or choice.models[0] == "anthropic:sonnet"
    assert "openai:mini" not in choice.models
    assert choice.route.why == (
        "Standard: nothing asks for a cheaper or a stronger model; "
        "openai:mini cannot hold the 60,000 tokens of this step."
    )
    only = roster([Candidate("a:small", 8_000), Candidate("a:large", 100_000, None, 9.0, 9.0)], {"standard": []})
    assert choose(task(context=200_000), [], only).models == ("a:large", "a:small"), "the one that holds most"


def test_where_no_model_of_the_family_will_do_the_reason_says_so() -> None:
    local = roster([Candidate("local:small", None, 6, 0.0, 0.0)], {})
    alone = choose(task(), [], local)
    assert alone.models == ("local:small",)
    assert alone.route.why.endswith("; no standard model is ready here, so local:small is asked.")
    two = roster([PRICED[0]], {"cheap": [Candidate("local:small", None, 6)]})
    busy = choose(task(goal="Count them", tools=9), [], two)
    assert busy.models == ("openai:mini",)
    assert busy.route.why.endswith("; local:small cannot be given 9 tools, so openai:mini is asked.")


def test_images_go_to_a_model_that_sees_and_where_none_does_to_whoever_is_asked_anyway() -> None:
    seeing = [msgspec.structs.replace(each, sees=each.id != "openai:mini") for each in PRICED]
    found = roster(seeing, {})
    assert chosen(found=found).models[0] == "openai:mini"
    choice = chosen(found=found, held=HELD, images=True)
    assert choice.models[0] == "anthropic:sonnet"
    assert "openai:mini takes no images" in choice.route.why
    assert "openai:mini" not in choice.models
    assert chosen(images=True).models[0] == "openai:mini"
    assert chosen(["frontier needs=vision"], found, images=True).models[0] == "openai:big"
    assert chosen(["frontier needs=vision"], found).models[0] == "openai:mini"


def test_a_model_that_the_money_does_not_pay_is_left_out() -> None:
    choice = chosen(["frontier"], left_usd=0.05, limit_usd=2.0, context=20_000)
    assert choice.models[0] == "anthropic:haiku" or choice.models[0] == "openai:mini"
    assert not {"openai:big", "anthropic:opus"} & set(choice.models)
    assert "may cost $0.07, and $0.05 is left" in choice.route.why
    broke = chosen(left_usd=0.0, limit_usd=2.0)
    assert broke.models[0] == "openai:nano", "the cheapest, so that the limit is asked for as little as can be"


def test_a_family_that_is_named_is_kept() -> None:
    choice = choose(task(stumbles=9), [parse_rule("frontier")], ALL, pinned="cheap", held=HELD)
    assert choice.models[0] == "openai:nano"
    assert choice.route.why == "Cheap: the agent keeps to this family."


# --- rules of one's own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "given", "fit"),
    [
        ("cheap", {}, True),
        ("frontier role=review*", {"role": "reviewer"}, True),
        ("frontier role=!reviewer", {"role": "reviewer"}, False),
        ("frontier role=!reviewer", {}, True),
        ("cheap agent='Spring *'", {"agent": "Spring orders"}, True),
        ("cheap goal~=summar,extract", {"goal": "EXTRACT all dates"}, True),
        ("cheap goal~=summar", {"goal": "extract"}, False),
        ("standard context>30000", {"context": 30_001}, True),
        ("standard context>30000", {"context": 30_000}, False),
        ("standard context>1000 context<2000", {"context": 1500}, True),
        ("standard context>1000 context<2000", {"context": 2500}, False),
        ("frontier stumbles>1", {"stumbles": 2}, True),
        ("cheap left<0.50", {"left_usd": 0.49, "limit_usd": 1.0}, True),
        ("cheap left<0.50", {}, False),
        ("standard needs=result", {"result": True}, True),
        ("standard needs=tools", {"tools": 3}, True),
        ("standard needs=!tools", {"tools": 0}, True),
        ("standard tools>6", {"tools": 7}, True),
        ("frontier label=team:legal", {"labels": {"team": "legal"}}, True),
        ("frontier label=team:*", {"labels": {"other": "x"}}, False),
        ("cheap steps>10 role=scribe", {"steps": 11, "role": "scribe"}, True),
    ],
)
def test_when_a_rule_fits(line: str, given: dict[str, Any], fit: bool) -> None:
    assert fits(parse_rule(line), task(**given)) is fit


def test_the_first_rule_that_fits_wins_before_the_built_in_ones() -> None:
    rules = ["frontier role=reviewer why='reviews are read twice'", "cheap goal~=build", "standard"]
    assert chosen(rules, role="reviewer").route.why == "Frontier: reviews are read twice."
    assert chosen(rules).route.why == "Cheap: the rule “cheap goal~=build” fits."
    assert chosen(["cheap"], held=HELD, stumbles=9).models[0] == "openai:nano", "no built-in rule overrides it"


def test_a_rule_that_fits_no_more_leaves_the_route_as_it_is() -> None:
    held = chosen(["frontier stumbles>1"], stumbles=2).route
    assert chosen(["frontier stumbles>1"], held=held).route is held


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "is empty. Write it as: cheap, standard or frontier"),
        ("cheep role=x", "'cheep', which is no family. Did you mean 'cheap'?"),
        ("cheap rolle=x", "no condition 'rolle'. Did you mean 'role'? There are: role, agent"),
        ("cheap role", "'role' is no condition"),
        ("cheap role=", "'role=' is no condition"),
        ("cheap role>3", "role takes =, as in role=x"),
        ("cheap goal=x", "goal takes ~=, as in goal~=summar"),
        ("cheap context=3", "context takes > or <, as in context>20"),
        ("cheap context>many", "context>many: that is no number"),
        ("cheap role=[x", "a '[' without its ']'"),
        ("cheap label=team", "label=team:legal"),
        ("cheap needs=images", "there are: tools, result"),
        ("cheap goal~=,", "it names no word"),
        ("cheap role=a role=b", "has role= twice; write two rules"),
        ("cheap why='x", "No closing quotation"),
        (7, "7 is no rule"),
    ],
)
def test_a_wrong_rule_is_named(line: Any, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_rule(line)
    assert words in caught.value.message


def test_a_rule_reads_as_it_was_written() -> None:
    line = "cheap agent='Spring *' goal~=a,b context>30000"
    assert str(parse_rule(line)) == line
    assert parse_rule(str(parse_rule(line))) == parse_rule(line)


def test_auto_and_its_families() -> None:
    assert is_auto("auto")
    assert is_auto("auto:cheap")
    assert not is_auto("openai:auto")
    assert pinned("auto") is None
    assert pinned("auto:cheap") == "cheap"
    for wrong in ("auto:chaep", "auto:"):
        with pytest.raises(UnknownName, match="There are: cheap, standard, frontier"):
            pinned(wrong)


# --- what the journal keeps of it ------------------------------------------------------------------------------------


def folded(*events: Any, spec: AgentSpec | None = None) -> loop.AgentState:
    state = loop.begin(spec or AgentSpec(goal="g", model="auto", limits=Limits(cost_usd=1.0)))
    for n, event in enumerate(events, 1):
        state = loop.fold(state, event, n, float(n))
    return state


def asked(step: int, family: Any = "standard", model: str = "openai:mini", since: int = 1) -> ModelRequested:
    return ModelRequested(step, model, why="Standard: so.", family=family, since=since)


def called(step: int, *outcomes: Outcome) -> list[Any]:
    calls = tuple(ToolCall(f"c{step}-{n}", "t", {"n": step}) for n in range(len(outcomes)))
    events: list[Any] = [asked(step), ModelAnswered(step, "openai:mini", calls, Usage())]
    events += [ToolStarted(step, call) for call in calls]
    return events + [ToolEnded(step, call.id, "t", each) for call, each in zip(calls, outcomes, strict=True)]


BAD = Outcome(ok=False, content="no")
GOOD = Outcome(ok=True, content="yes")


def test_the_route_is_folded_from_the_journal() -> None:
    assert folded(asked(1)).route == Route("standard", "openai:mini", "Standard: so.", 1)
    assert folded(ModelRequested(1, "openai:mini")).route is None
    assert folded(asked(1), ModelRequested(2, "openai:mini")).route is not None
    chose = folded(asked(1), ModelChosen("openai:big", "ana"))
    assert (chose.chosen, chose.route) == ("openai:big", None)


@pytest.mark.parametrize(
    ("events", "stumbles"),
    [
        ([*called(1, BAD), *called(2, BAD)], 2),
        ([*called(1, BAD, BAD, BAD)], 1),
        ([*called(1, BAD), *called(2, GOOD)], 0),
        ([*called(1, GOOD, BAD)], 1),
        ([*called(1, Outcome(ok=False, content="", error="tool_refused"))], 0),
        ([*called(1, Outcome(ok=False, content="", error="tool_interrupted"))], 0),
        ([*called(1, Outcome(ok=False, content="", error="tool_arguments"))], 2),
        ([asked(1), ModelAnswered(1, "m", (), Usage()), Guidance("empty", "say", 1)], 2),
        ([*called(1, GOOD), Guidance("stuck", "again", 1)], 3),
        ([asked(1), Guidance("doubt", "sure?", 1)], 0),
        ([*called(1, BAD), *called(2, BAD), asked(3, "frontier", "openai:big", 3)], 0),
    ],
)
def test_what_counts_as_a_stumble(events: list[Any], stumbles: int) -> None:
    assert folded(*events).stumbles == stumbles


def test_more_money_is_a_reason_to_route_anew_and_more_steps_are_not() -> None:
    assert folded(asked(1), LimitsExtended(Limits(steps=99, cost_usd=1.0))).route is not None
    assert folded(asked(1), LimitsExtended(Limits(cost_usd=2.0))).route is None
