"""Which steps of a run are telling, and what is kept of them."""

from __future__ import annotations

import functools

from aether_jupyter.engine import journal
from aether_jupyter.model.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    Guidance,
    MessageSent,
    ModelAnswered,
    ToolEnded,
)
from aether_jupyter.model.memory import Layer
from aether_jupyter.model.message import Text, ToolCall, Usage
from aether_jupyter.model.process import ExitStatus
from aether_jupyter.model.tool import Approval, Decision, Outcome

DONE = ExitStatus(0, "completed", "All tidy.")
RM = ToolCall("c", "run_command", {"command": "rm -r build"})


def call(step: int, tool: str = "run_command", **arguments: object) -> ModelAnswered:
    return ModelAnswered(step, "m", (Text("hm"), ToolCall(f"c{step}", tool, dict(arguments))), Usage())


def end(step: int, ok: bool, content: str = "", tool: str = "run_command", **more: object) -> ToolEnded:
    return ToolEnded(step, f"c{step}", tool, Outcome(ok=ok, content=content, **more))  # type: ignore[arg-type]


def kept(*events: Event, status: ExitStatus = DONE, named: bool = False) -> list[journal.Entry]:
    told = functools.reduce(journal.note, events, journal.Telling())
    return list(journal.entries(told, "tidy up", status, named=named))


def decided(verdict: str, **more: object) -> tuple[Event, Event]:
    approval = Approval(
        id="a", pid=1, owner="ana", name="x", kind="call", step=1, created_at=0.0, call=RM, question="Which port?"
    )
    decision = Decision(verdict=verdict, by="ana", **more)  # type: ignore[arg-type]
    return ApprovalRequested(approval), ApprovalDecided("a", "call", "c", decision)


def texts(entries: list[journal.Entry]) -> list[str]:
    return [each.note.text for each in entries]


def test_a_failure_that_was_mended_is_told_with_what_worked() -> None:
    found = kept(
        call(1, command="make"),
        end(1, False, "\nmake: no rule\nmore"),
        call(2, command="make all"),
        end(2, False, "missing gcc"),
        call(3, command="apt install gcc && make all"),
        end(3, True),
    )
    assert texts(found)[0] == (
        "run_command failed 2 times (run_command make: make: no rule); "
        "what worked: run_command apt install gcc && make all."
    )
    assert (found[0].note.layer, found[0].note.importance, found[0].step) == (Layer.EPISODIC, 0.6, 3)
    assert texts(found)[1] == 'The task "tidy up" was done after 3 steps. It said: "All tidy."'


def test_a_failure_that_was_never_mended_is_told_with_what_it_said_however_the_run_ended() -> None:
    content = "exit code: 1\nstdout:\nstderr:\nrefused: name the team first\nmore"
    failing = (call(1, command="sh hand_in.sh"), end(1, False, content), call(2, command="ls"), end(2, False, "no"))
    for status in (DONE, ExitStatus(143, "terminated"), ExitStatus(1, "stuck", "It turned in circles.")):
        told = kept(*failing, status=status)[0].note
        said = (
            "run_command failed 2 times and was not mended (run_command sh hand_in.sh: refused: name the team first)."
        )
        assert (told.text, told.importance, told.layer) == (said, 0.7, Layer.EPISODIC)


def test_a_run_without_trouble_is_kept_only_under_a_name_and_a_greeting_never() -> None:
    easy = (call(1, command="ls"), end(1, True), call(2, command="pwd"), end(2, True))
    assert kept(*easy) == []
    assert len(kept(*easy, named=True)) == 1
    assert kept(ModelAnswered(1, "m", (Text("Hello."),), Usage()), named=True) == []


def test_a_failed_run_is_told_and_a_killed_one_is_not() -> None:
    steps = (call(1), end(1, True), call(2), end(2, True))
    (entry,) = kept(*steps, status=ExitStatus(1, "stuck", "It turned in circles."))
    assert "ended as stuck after 2 steps" in entry.note.text
    assert entry.note.importance == 0.6
    assert kept(*steps, status=ExitStatus(137, "killed"), named=True) == []


def test_what_a_person_refused_changed_or_answered_says_who_they_are() -> None:
    (entry, _) = kept(call(1), *decided("refuse", reason="Use the trash instead."), call(2))
    assert entry.note.text == 'ana refused run_command rm -r build: "Use the trash instead."'
    assert (entry.note.layer, entry.note.importance) == (Layer.SOCIAL, 0.7)
    (entry, _) = kept(call(1), *decided("refuse"), call(2))
    assert (entry.note.text, entry.note.layer) == ("ana refused run_command rm -r build.", Layer.EPISODIC)
    (entry, _) = kept(call(1), *decided("edit", arguments={"command": "rm -r build/tmp"}), call(2))
    assert entry.note.text == "ana changed run_command rm -r build to run_command rm -r build/tmp before it ran."
    (entry, _) = kept(call(1), *decided("answer", answer="8080"), call(2))
    assert entry.note.text == 'Asked "Which port?", ana answered: "8080"'
    assert kept(call(1), *decided("approve"), call(2)) == []


def test_words_that_say_how_a_person_wants_it_are_kept_to_the_letter() -> None:
    said = MessageSent("m", "ana", "Always write dates as 2026-11-23, please.")
    (entry, _) = kept(call(1), said, call(2))
    assert entry.note.text == 'ana said: "Always write dates as 2026-11-23, please."'
    assert entry.note.layer is Layer.SOCIAL
    assert kept(call(1), MessageSent("m", "ana", "How far are you?"), call(2)) == []
    assert kept(call(1), MessageSent("m", "agent:7", "Never ask the owner."), call(2)) == []


def test_turning_in_circles_is_told_once() -> None:
    stuck = Guidance("stuck", "…", 1)
    found = kept(call(1, command="ls"), stuck, call(2, command="ls"), stuck)
    assert texts(found)[0] == "Repeating run_command ls did not get any further."
    assert len(found) == 2


def test_what_strangers_wrote_taints_what_comes_after_but_not_a_persons_own_words() -> None:
    reads = (call(1, path="x"), end(1, False, "planted", labels={"content": "text"}))
    found = kept(*reads, MessageSent("m", "ana", "Never do that."), call(2), end(2, True))
    assert [(each.note.text[:8], each.tainted) for each in found] == [
        ("ana said", False),
        ("run_comm", True),
        ("The task", True),
    ]


def test_a_run_keeps_a_dozen_short_sentences_at_most() -> None:
    events: list[Event] = []
    for step in range(1, 200, 2):
        events += [
            call(step, n=step, text="x" * 5_000),
            end(step, False, "y" * 5_000),
            call(step + 1),
            end(step + 1, True),
        ]
    found = kept(*events)
    assert len(found) == journal.ENTRIES + 1
    assert all(len(text) < 700 for text in texts(found))


def test_calls_that_never_ran_are_no_failures() -> None:
    for error in ("tool_arguments", "tool_refused", "tool_interrupted"):
        assert kept(call(1), end(1, False, "no", error=error), call(2), end(2, True)) == []
