"""Plans as outlines: read and written back, moved step by step, compared, followed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aether_jupyter.model.errors import BadRequest
from aether_jupyter.model.plan import (
    DEPTH,
    STEPS,
    Plan,
    PlanStep,
    StepStatus,
    assigned,
    changes,
    followed,
    mark,
    outline,
    parse_plan,
    progress,
    revise,
    settled,
    stamped,
)
from aether_jupyter.model.process import ExitStatus

EXPORT = """\
- [x] Read the export
- [~] Mend the dates
  - [x] find the rows that differ (agent 12)
  - [!] ask whose format holds (because: Ana is away)
- [ ] Write the report"""


def test_an_outline_is_read_and_written_back() -> None:
    plan = parse_plan(EXPORT)
    assert outline(plan) == EXPORT
    assert progress(plan) == (2, 4)
    dates = plan.steps[1]
    assert (dates.steps[0].pid, dates.steps[0].text) == (12, "find the rows that differ")
    assert (dates.steps[1].why, dates.steps[1].text) == ("Ana is away", "ask whose format holds")
    assert [number for number, _ in plan.walk()] == ["1", "2", "2.1", "2.2", "3"]


def test_outlines_are_read_as_people_and_models_write_them() -> None:
    written = "# My plan\n\n1. Read it\n2) Mend it\n\t* [X] dates\n\t* names\n\n+ Send it"
    assert outline(parse_plan(written)) == ("- [ ] Read it\n- [~] Mend it\n  - [x] dates\n  - [ ] names\n- [ ] Send it")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- [ ] a\nthen b", "line 2 of the plan is no step: 'then b'"),
        ("- [?] a", r"has the mark \[\?\]; there are \[ \] open, \[~\] doing"),
        ("\n".join("- a" for _ in range(STEPS + 1)), f"more than {STEPS} steps"),
        ("\n".join(f"{'  ' * deep}- a" for deep in range(DEPTH + 1)), f"line {DEPTH + 1} .* more than {DEPTH} deep"),
    ],
)
def test_what_is_no_plan_is_explained(text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_plan(text)


def test_the_largest_and_the_deepest_plan_are_read() -> None:
    deep = "\n".join(f"{'  ' * level}- a" for level in range(DEPTH))
    assert progress(parse_plan(deep)) == (0, 1)
    assert progress(parse_plan("\n".join("- a" for _ in range(STEPS)))) == (0, STEPS)


def test_a_step_follows_from_those_below_it() -> None:
    assert outline(parse_plan("- [ ] a\n  - [x] b\n  - [-] c")) == "- [x] a\n  - [x] b\n  - [-] c"
    assert outline(parse_plan("- [x] a\n  - [ ] b")) == "- [ ] a\n  - [ ] b"
    assert outline(parse_plan("- [-] a\n  - [ ] b\n  - [x] c")) == "- [x] a\n  - [-] b\n  - [x] c"


def test_steps_are_ticked_blocked_and_dropped() -> None:
    plan = mark(parse_plan(EXPORT), "2.2", StepStatus.DONE)
    assert plan.steps[1].status is StepStatus.DONE
    assert plan.steps[1].steps[1].why == ""
    plan = mark(plan, "3", StepStatus.BLOCKED, "Write it down", pid=7, why="no paper")
    assert outline(plan).splitlines()[-1] == "- [!] Write it down (agent 7) (because: no paper)"
    assert progress(plan) == (3, 4)
    closed = mark(parse_plan(EXPORT), "2", StepStatus.DROPPED)
    assert [step.status.name for _, step in closed.walk()] == ["DONE", "DONE", "DONE", "DROPPED", "OPEN"]
    with pytest.raises(BadRequest, match=r"no step '4'; there are 1, 2, 2\.1, 2\.2, 3"):
        mark(plan, "4", StepStatus.DONE)


def test_the_part_below_a_step_is_replaced() -> None:
    plan = revise(parse_plan(EXPORT), "3.", parse_plan("- [x] draft\n- [ ] polish"))
    assert outline(plan).splitlines()[4:] == ["- [~] Write the report", "  - [x] draft", "  - [ ] polish"]


def test_what_a_child_was_given_follows_how_it_ends() -> None:
    plan = parse_plan("- [~] a (agent 12)\n- [ ] b (agent 13)\n- [x] c (agent 13)")
    assert assigned(plan) == {12, 13}
    done = followed(plan, 12, ExitStatus(0, "completed", "found"))
    assert outline(done).splitlines()[0] == "- [x] a (agent 12)"
    failed = followed(done, 13, ExitStatus(1, "failed", "The disk\nis full."))
    assert outline(failed).splitlines()[1:] == [
        "- [!] b (agent 13) (because: agent 13 ended with 1: The disk is full.)",
        "- [x] c (agent 13)",
    ]


def test_steps_bear_the_agents_step_at_which_they_moved() -> None:
    first = stamped(Plan(), parse_plan("- [x] a\n- [ ] b\n- [~] c"), 3)
    assert [step.step for step in first.steps] == [3, 0, 3]
    second = stamped(first, parse_plan("- [x] new\n- [x] a\n- [x] b\n- [~] c"), 8)
    assert [step.step for step in second.steps] == [8, 3, 8, 3]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", "- a\n  - b", ["1 added: a", "1.1 added: b"]),
        ("- a", "", ["the plan was given up"]),
        ("- a\n- b", "- [x] a\n- b\n- c", ["1 done: a", "3 added: c"]),
        ("- a\n- b", "- b", ["1 removed: a"]),
        ("- a\n- b", "- [!] a (because: rain)\n- b2", ["1 blocked (rain): a", "2 reworded: b2"]),
        ("- a\n- b", "- a (agent 4)\n- b", ["1 given to agent 4: a"]),
        ("- a (agent 4)", "- a", ["1 taken back: a"]),
        ("- a\n  - x\n- b", "- a\n- b\n  - x", ["2.1 moved here from 1.1: x"]),
        ("- a\n- b\n- c", "- c\n- a\n- b", ["2 moved here from 1: a", "3 moved here from 2: b"]),
        ("- a\n  - b", "- [x] a\n  - [x] b", ["1.1 done: b"]),
        ("- a", "- a", []),
    ],
)
def test_changes_are_told_by_number(before: str, after: str, told: list[str]) -> None:
    assert changes(parse_plan(before), parse_plan(after)) == told


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda text: text.strip()
)
STEP = st.recursive(
    st.builds(PlanStep, TEXT, st.sampled_from(StepStatus), pid=st.none() | st.integers(1, 99)),
    lambda below: st.builds(PlanStep, TEXT, st.sampled_from(StepStatus), st.lists(below, max_size=3).map(tuple)),
    max_leaves=12,
)
PLAN = st.lists(STEP, max_size=4).map(lambda steps: settled(Plan(tuple(steps))))


@settings(max_examples=60, deadline=None)
@given(PLAN, PLAN)
def test_every_settled_plan_survives_its_outline(one: Plan, other: Plan) -> None:
    assert settled(one) == one
    assert parse_plan(outline(one)) == one
    assert changes(one, one) == []
    assert outline(stamped(one, other, 7)) == outline(other)
    assert {line.split()[0] for line in changes(one, other)} <= {
        "the",
        *(number for plan in (one, other) for number, _ in plan.walk()),
    }
