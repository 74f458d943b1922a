"""What an agent is told of its earlier runs."""

from __future__ import annotations

from aether_jupyter.engine.context import joined, standing
from aether_jupyter.engine.profile import earlier_runs
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.profile import History


def test_without_a_history_nothing_is_said() -> None:
    assert earlier_runs(None) == ""
    assert [part.kind for part in standing(AgentSpec(goal="x"), "clerk")] == ["system"]


def test_three_lines_tell_how_it_went_what_people_said_and_what_worked() -> None:
    history = History(
        tasks=12,
        succeeded=10,
        failed=1,
        stopped=1,
        quality=3.75,
        thumbs_up=3,
        thumbs_down=1,
        comments=(("ana", "Name the file\nin full."), ("priya", "x" * 900)),
        strategies=("Read the header first.",),
    )
    told = earlier_runs(history).split("\n")
    assert told[0] == (
        "In your earlier runs you did 12 tasks: 10 succeeded, 1 failed, 1 was stopped; "
        "your own ratings average 3.8 of 5."
    )
    assert told[1].startswith("People's feedback: 3 thumbs up, 1 down; ana said: Name the file in full.; priya said: x")
    assert told[2] == "What worked: Read the header first."
    assert len("".join(told)) < 1_000
    system, profile = standing(AgentSpec(goal="x"), "clerk", earlier_runs="\n".join(told))
    assert (system.kind, profile.kind) == ("system", "profile")
    assert joined((system, profile)).endswith("\n\n" + "\n".join(told))


def test_one_run_is_one_task() -> None:
    assert earlier_runs(History(tasks=1, succeeded=1, failed=0, stopped=0)) == (
        "In your earlier runs you did 1 task: 1 succeeded."
    )
