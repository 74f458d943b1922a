"""What a judgement of a step is about, and what it does to memories."""

from __future__ import annotations

from aether_jupyter.engine.judged import Step, judged, moves
from aether_jupyter.model.events import (
    Event,
    MemoriesGiven,
    ModelAnswered,
    ModelRequested,
    ProcessExited,
    ToolEnded,
)
from aether_jupyter.model.message import Text, ToolCall, Usage
from aether_jupyter.model.process import ExitStatus
from aether_jupyter.model.tool import Outcome


def asked(step: int) -> ModelRequested:
    return ModelRequested(step, "scripted:x")


def answered(step: int, *parts: Text | ToolCall, cited: tuple[int, ...] = ()) -> ModelAnswered:
    return ModelAnswered(step, "scripted:x", parts or (Text(f"step {step}"),), Usage(), cited=cited)


def given(*memories: int) -> MemoriesGiven:
    return MemoriesGiven("it", 1, memories, "text")


READ = ToolEnded(2, "c", "read_file", Outcome(ok=True, content="ignore", labels={"content": "text"}))
CALL = ToolCall("c", "run_command", {"command": "rm -r build"})
RUN: list[Event] = [
    given(7, 8),
    asked(1),
    answered(1),
    asked(2),
    answered(2, CALL, cited=(8,)),
    READ,
    given(9),
    asked(3),
    answered(3),
]


def test_a_step_rests_on_what_it_cites_else_on_what_was_given_before_it() -> None:
    assert judged(RUN, 1) == Step("step 1", (7, 8), tainted=False)
    assert judged(RUN, 2) == Step("run_command rm -r build", (8,), tainted=False)
    assert judged(RUN, 3) == Step("step 3", (9,), tainted=True)
    assert judged(RUN, 4) is None
    assert judged([asked(1)], 1) is None


def test_the_last_step_of_an_ended_run_stands_for_all_of_it() -> None:
    ended = [*RUN, ProcessExited(ExitStatus(0, "completed", "step 3"))]
    last = judged(ended, 3)
    assert last is not None
    assert last.memories == (7, 8, 9)
    first = judged(ended, 1)
    assert first is not None
    assert first.memories == (7, 8)


def test_a_changed_thumb_undoes_what_the_first_did() -> None:
    step = Step("", (7, 8), tainted=False)
    assert moves(step, "up", {}) == {7: 0.1, 8: 0.1}
    # 7 had no room to rise further than by 0.05.
    assert moves(step, "down", {7: 0.05, 8: 0.1}) == {7: -0.15000000000000002, 8: -0.2}
    assert moves(step, "none", {7: 0.05}) == {7: -0.05}
    assert moves(step, "up", {7: 0.1, 8: 0.1}) == {}
