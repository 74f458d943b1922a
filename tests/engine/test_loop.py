"""The loop as data: transcripts in, decisions out; no clock, no network, no event loop."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aether_jupyter.engine import loop
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    Guidance,
    LimitsExtended,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from aether_jupyter.model.message import Text, ToolCall, ToolTurn, Usage, UserTurn
from aether_jupyter.model.plan import parse_plan
from aether_jupyter.model.process import State
from aether_jupyter.model.tool import Approval, Decision, Evidence, Outcome

READ = ToolCall("c1", "read_file", {"path": "a"})


def run(*events: Event, spec: AgentSpec | None = None) -> loop.AgentState:
    state = loop.begin(spec or AgentSpec(goal="do it"))
    for n, event in enumerate(events, 1):
        state = loop.fold(state, event, n, float(n))
    return state


def asked(step: int = 1) -> ModelRequested:
    return ModelRequested(step, "m")


def answer(*parts: Any, step: int = 1) -> ModelAnswered:
    return ModelAnswered(step, "m", parts, Usage(10, 5))


def ended(call: ToolCall, ok: bool = True, content: str = "fine", error: str | None = None) -> ToolEnded:
    return ToolEnded(1, call.id, call.tool, Outcome(ok=ok, content=content, error=error))


def approval(call: ToolCall | None, kind: str = "call") -> ApprovalRequested:
    return ApprovalRequested(
        Approval(id="a1", pid=1, owner="ana", name="n", kind=kind, step=1, created_at=0, call=call, digest="d")  # type: ignore[arg-type]
    )


def test_it_begins_by_asking_the_model() -> None:
    assert loop.decide(run()) == loop.AskModel(1)


def test_an_answer_in_words_ends_the_work() -> None:
    instruction = loop.decide(run(asked(), answer(Text("All done."))))
    assert isinstance(instruction, loop.Exit)
    assert (instruction.status.code, instruction.status.message) == (0, "All done.")


def test_proposed_calls_go_before_the_policy_and_their_results_to_the_model() -> None:
    state = run(asked(), answer(Text("reading"), READ))
    assert loop.decide(state) == loop.Judge((READ,))
    state = run(asked(), answer(READ), ToolStarted(1, READ))
    assert loop.decide(state) is None
    state = run(asked(), answer(READ), ToolStarted(1, READ), ended(READ))
    assert loop.decide(state) == loop.AskModel(2)
    assert state.turns[-1] == ToolTurn("c1", "read_file", "fine")


def test_a_success_claimed_after_a_failed_call_is_questioned_once() -> None:
    failed = (asked(), answer(READ), ToolStarted(1, READ), ended(READ, ok=False, content="no such file"))
    state = run(*failed, asked(2), answer(Text("Done!"), step=2))
    first = loop.decide(state)
    assert isinstance(first, loop.Guide)
    assert first.guidance.reason == "doubt"
    state = run(*failed, asked(2), answer(Text("Done!"), step=2), first.guidance, asked(3), answer(Text("It failed.")))
    last = loop.decide(state)
    assert isinstance(last, loop.Exit)
    assert last.status.message == "It failed."


def test_malformed_arguments_are_guided_three_times_and_then_end_it() -> None:
    events: list[Event] = []
    for step in range(1, 5):
        call = ToolCall(f"c{step}", "read_file", None, "{oops")
        events += [asked(step), answer(call, step=step), ended(call, ok=False, error="tool_arguments")]
        instruction = loop.decide(run(*events))
        if step <= 3:
            assert instruction == loop.AskModel(step + 1)
    assert isinstance(instruction, loop.Exit)
    assert instruction.status.code == 1


def test_an_empty_answer_is_guided() -> None:
    instruction = loop.decide(run(asked(), answer(Text("  "))))
    assert isinstance(instruction, loop.Guide)
    assert instruction.guidance.reason == "empty"


def test_a_typed_result_is_asked_for_by_its_tool() -> None:
    spec = AgentSpec(goal="g", output_schema={"type": "object"})
    instruction = loop.decide(run(asked(), answer(Text("42")), spec=spec))
    assert isinstance(instruction, loop.Guide)
    call = ToolCall("r", "final_result", {"n": 42})
    state = run(asked(), answer(call), ended(call, content='{"n":42}'), spec=spec)
    last = loop.decide(state)
    assert isinstance(last, loop.Exit)
    assert last.status.result == {"n": 42}


def test_it_waits_for_a_person_only_when_nothing_else_can_run() -> None:
    risky = ToolCall("c2", "run_command", {"command": "rm x"})
    state = run(asked(), answer(READ, risky), ToolStarted(1, READ), approval(risky))
    assert loop.decide(state) is None
    state = loop.fold(state, ended(READ), 5, 5.0)
    hold = loop.decide(state)
    assert isinstance(hold, loop.Hold)
    assert (hold.reason.kind, hold.reason.approvals) == ("approval", ("a1",))


def left(call: ToolCall, folder: str, ok: bool = True) -> ToolEnded:
    return ToolEnded(1, call.id, call.tool, Outcome(ok=ok, content="", evidence=Evidence(folder=folder)))


SHELLS = tuple(ToolCall(f"s{n}", "run_command", {"command": "?"}) for n in range(4))


def test_the_next_step_begins_in_the_folder_that_the_last_one_left() -> None:
    one, two, three, _ = SHELLS
    state = run(asked(), answer(one), ToolStarted(1, one), left(one, "src"))
    assert state.folder == "src"
    again = (asked(2), answer(two, step=2), ToolStarted(2, two))
    assert run(asked(), answer(one), left(one, "src"), *again, ended(two)).folder == "src"
    assert run(asked(), answer(one), left(one, "src"), *again, left(two, ".", ok=False)).folder == ""
    moved = run(asked(), answer(one), left(one, "src"), *again, left(two, "/tmp"), asked(3), answer(three, step=3))
    assert moved.folder == "/tmp"


def test_calls_of_one_answer_all_begin_where_the_step_began_and_the_last_in_order_decides() -> None:
    a, b, c, d = SHELLS
    begun = (asked(), answer(Text("all at once"), a, b, c, d), *(ToolStarted(1, call) for call in SHELLS))
    ends = (left(c, "third"), left(a, "first"), ended(d), left(b, "second"))
    for n in range(4):
        assert run(*begun, *ends[:n]).folder == ""
    assert run(*begun, *ends).folder == "third"
    assert run(*begun, *reversed(ends)).folder == "third"
    # Who says that it is where the step began has not moved, and does not take back where another went.
    assert run(*begun, left(a, "first"), left(b, "."), ended(c), ended(d)).folder == "first"


def test_the_folder_stands_while_a_call_of_the_answer_waits_for_a_person() -> None:
    goes, asks = SHELLS[0], ToolCall("c1", "run_command", {"command": "rm -r build"})
    waiting = (asked(), answer(goes, asks), ToolStarted(1, goes), approval(asks), left(goes, "src"))
    assert run(*waiting).folder == ""
    assert run(*waiting, decided("approve"), ToolStarted(1, asks)).folder == ""
    assert run(*waiting, decided("approve"), ToolStarted(1, asks), ended(asks)).folder == "src"
    assert run(*waiting, decided("refuse")).folder == "src"


def test_a_journal_from_before_folders_were_kept_still_folds() -> None:
    old = b'{"ok":true,"content":"fine","evidence":{"exit_code":0,"sandbox":"docker"}}'
    end = ToolEnded(1, SHELLS[0].id, "run_command", msgspec.json.decode(old, type=Outcome))
    assert run(asked(), answer(SHELLS[0]), ToolStarted(1, SHELLS[0]), end).folder == ""


def decided(verdict: str, **fields: Any) -> ApprovalDecided:
    return ApprovalDecided("a1", "call", "c1", Decision(verdict=verdict, **fields))  # type: ignore[arg-type]


def test_what_a_person_decides_becomes_a_run_an_edit_or_a_word_to_the_model() -> None:
    call = ToolCall("c1", "run_command", {"command": "rm x"})
    base = (asked(), answer(call), approval(call))
    go = loop.decide(run(*base, decided("approve")))
    assert isinstance(go, loop.RunTools)
    assert go.calls[0].call == call
    assert go.calls[0].digest == "d"
    edited = loop.decide(run(*base, decided("edit", arguments={"command": "rm y"})))
    assert isinstance(edited, loop.RunTools)
    assert edited.calls[0].call.arguments == {"command": "rm y"}
    refused = run(*base, decided("refuse", reason="too soon"))
    assert loop.decide(refused) == loop.AskModel(2)
    assert "too soon" in refused.turns[-1].content  # type: ignore[union-attr]


def test_a_message_in_the_middle_of_a_step_is_read_after_its_results() -> None:
    note = MessageSent("m1", "ana", "hurry")
    state = run(asked(), answer(READ), ToolStarted(1, READ), note, ended(READ))
    assert isinstance(state.turns[-2], ToolTurn)
    assert isinstance(state.turns[-1], UserTurn)
    assert "hurry" in state.turns[-1].text


def test_a_message_that_comes_with_the_last_answer_keeps_it_going() -> None:
    state = run(asked(), MessageSent("m1", "ana", "one more thing"), answer(Text("Done.")))
    assert loop.decide(state) == loop.AskModel(2)


def test_a_model_that_is_down_is_waited_for_and_then_given_up() -> None:
    down = ModelFailed(1, "m", "model_unavailable", "The server does not answer.")
    first = loop.decide(run(asked(), down))
    assert isinstance(first, loop.Hold)
    assert first.delay_s == 15
    third = loop.decide(run(asked(), down, asked(), down, asked(), down))
    assert isinstance(third, loop.Exit)
    assert third.status.error == "model_unavailable"


def test_after_the_wait_the_model_is_asked_again() -> None:
    down = ModelFailed(1, "m", "model_unavailable", "The server does not answer.")
    again = (StateChanged(State.WAITING), StateChanged(State.READY), StateChanged(State.RUNNING))
    state = run(StateChanged(State.RUNNING), asked(), down, *again)
    assert loop.decide(state) == loop.AskModel(2)
    last = loop.decide(run(asked(), down, *again, asked(2), down, *again, asked(3), down))
    assert isinstance(last, loop.Exit)


def test_a_refused_request_ends_at_once() -> None:
    last = loop.decide(run(asked(), ModelFailed(1, "m", "model_refused", "No such model.")))
    assert isinstance(last, loop.Exit)
    assert last.status.message == "No such model."


def test_an_interrupted_request_is_simply_made_again() -> None:
    state = run(asked(), ModelFailed(1, "m", loop.INTERRUPTED, "gone", 0.5))
    assert loop.decide(state) == loop.AskModel(1)
    assert state.cost_usd == 0.5


def test_repeating_itself_is_noticed_and_then_ended() -> None:
    events: list[Event] = []
    seen = []
    for step in range(1, 8):
        call = msgspec.structs.replace(READ, id=f"c{step}")
        events += [asked(step), answer(call, step=step), ToolStarted(step, call), ended(call)]
        instruction = loop.decide(run(*events))
        while isinstance(instruction, loop.Guide):
            seen.append(instruction.guidance.reason)
            events.append(instruction.guidance)
            instruction = loop.decide(run(*events))
        if isinstance(instruction, loop.Exit):
            break
    assert "stuck" in seen
    assert isinstance(instruction, loop.Exit)
    assert instruction.status.reason == "stuck"


def test_the_same_call_with_other_results_is_no_circle() -> None:
    events: list[Event] = []
    for step in range(1, 12):
        call = msgspec.structs.replace(READ, id=f"c{step}")
        events += [asked(step), answer(call, step=step), ToolStarted(step, call), ended(call, content=f"{step} %")]
        assert loop.decide(run(*events)) == loop.AskModel(step + 1)


def test_limits_are_checked_with_the_reservation_before_the_call() -> None:
    limits = Limits(steps=2, tokens=100, cost_usd=1.0, wall_s=10)
    spec = AgentSpec(goal="g", limits=limits)
    state = run(StateChanged(State.RUNNING), asked(), answer(READ), ToolStarted(1, READ), ended(READ), spec=spec)
    assert loop.afford(state, 10, 0.1, 2.0) is None
    assert "tokens" in (loop.afford(state, 90, 0.1, 2.0) or "")
    assert "$" in (loop.afford(state, 10, 1.1, 2.0) or "")
    assert "working time" in (loop.afford(state, 10, 0.1, 20.0) or "")
    state = loop.fold(state, asked(2), 6, 6.0)
    assert loop.afford(state, 1, 0, 2.0) == "All 2 steps are used."
    state = loop.fold(state, LimitsExtended(Limits(steps=5)), 7, 7.0)
    assert loop.afford(state, 1, 0, 2.0) is None


def test_finishing_at_the_limit_keeps_the_last_words() -> None:
    state = run(
        asked(), answer(Text("Best so far: 0.87"), READ), ToolStarted(1, READ), ended(READ), approval(None, "limit")
    )
    assert isinstance(loop.decide(state), loop.Hold)
    state = loop.fold(state, ApprovalDecided("a1", "limit", "a1", Decision(verdict="finish")), 6, 6.0)
    last = loop.decide(state)
    assert isinstance(last, loop.Exit)
    assert (last.status.reason, last.status.message) == ("limit", "Best so far: 0.87")


_calls = st.sampled_from([READ, ToolCall("c2", "run_command", {"command": "x"}), ToolCall("c3", "t", None, "{")])
_events = st.one_of(
    st.builds(asked, st.integers(1, 9)),
    st.builds(
        lambda calls, text: answer(Text(text), *calls),
        st.lists(_calls, max_size=3, unique_by=lambda c: c.id),
        st.text(),
    ),
    st.builds(lambda call: ToolStarted(1, call), _calls),
    st.builds(ended, _calls, st.booleans()),
    st.builds(lambda call: approval(call), _calls),
    st.builds(lambda v: decided(v, arguments={}), st.sampled_from(["approve", "edit", "refuse", "answer"])),
    st.builds(lambda text: MessageSent("m", "ana", text), st.text(min_size=1)),
    st.just(Guidance("empty", "say something", 1)),
    st.just(MemoriesGiven("goal", 1, (3,), "From your memory: [3] a", tainted=True)),
    st.just(ModelFailed(1, "m", "model_unavailable", "down")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_events, max_size=30))
def test_any_journal_folds_and_the_same_journal_decides_the_same(events: list[Event]) -> None:
    one, two = run(*events), run(*events)
    assert one == two
    assert loop.decide(one) == loop.decide(two)
    assert one.head == len(events)


def test_a_message_that_came_while_memories_were_looked_up_is_looked_up_next() -> None:
    state = run(MessageSent("m1", "ana", "And the safe?"), MemoriesGiven("goal", 1, (3,), "From your memory: [3] a"))
    assert loop.said(state)[state.reminded :] == ["Message from ana: And the safe?"]
    assert state.given == {3}
    state = run(MemoriesGiven("goal", 1, (3,), "From your memory: [3] a", tainted=True))
    assert loop.said(state)[state.reminded :] == []
    assert state.touched


def test_a_persons_change_of_the_plan_is_read_before_the_next_step_also_in_the_middle_of_one() -> None:
    planned = PlanChanged(parse_plan("- [ ] read\n- [ ] write"), "agent")
    changed = PlanChanged(parse_plan("- [x] read\n- [ ] write\n- [ ] show it to Ana"), "ana")
    told = UserTurn("ana changed your plan: 1 done; 3 added: show it to Ana", "ana")
    between = run(planned, changed)
    assert between.turns[-1] == told
    middle = run(planned, asked(), answer(READ), ToolStarted(1, READ), changed)
    assert told not in middle.turns
    assert middle.plan == changed.plan
    after = run(planned, asked(), answer(READ), ToolStarted(1, READ), changed, ended(READ))
    assert after.turns[-2:] == (ToolTurn("c1", "read_file", "fine"), told)
    # Last words that were said without it are no end.
    assert loop.decide(run(planned, asked(), changed, answer(Text("All done.")))) == loop.AskModel(2)


def test_an_agent_is_not_told_of_its_own_hand_nor_twice_of_a_child() -> None:
    plan = parse_plan("- [x] read (agent 7)")
    for by in ("agent", "agent:7"):
        state = run(PlanChanged(plan, by))
        assert state.plan == plan
        assert state.turns == (UserTurn("do it"),)


def test_of_many_changes_the_first_are_told() -> None:
    state = run(PlanChanged(parse_plan("\n".join(f"- part {n}" for n in range(100))), "ana"))
    text = state.turns[-1].text
    assert text.endswith("; 20 added: part 19; and 80 more")
