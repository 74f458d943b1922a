"""Random legal walks through the loop: wherever it gets to, it asks, waits or ends; with a sound model it ends."""

from __future__ import annotations

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from aether_jupyter.engine import loop
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    MessageSent,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    ProcessExited,
    RequestMoved,
    RequestOpened,
    SignalSent,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from aether_jupyter.model.message import Text, ToolCall, Usage
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.request import Request
from aether_jupyter.model.tool import Approval, ApprovalKind, Decision, Outcome

TOOLS = ("read_file", "run_command", *loop.QUESTION_TOOLS, loop.RESULT_TOOL)
FAILURES = ("model_unavailable", "model_rate_limited", "model_answer_cut", "model_refused", loop.INTERRUPTED)
WILD, SOUND = 40, 60


class Walk:
    """Plays runner, model, policy, person and other agents by the throws of `dice`; a sound world only succeeds."""

    def __init__(self, dice: random.Random, spec: AgentSpec) -> None:
        self.dice = dice
        self.state = loop.begin(spec)
        self.n = 0
        self.sound = False
        self.kinds: dict[str, ApprovalKind] = {}
        self.fold(StateChanged(State.RUNNING))

    def fold(self, *events: Event) -> None:
        for event in events:
            self.n += 1
            self.state = loop.fold(self.state, event, self.n, float(self.n))

    def step(self) -> loop.Instruction | None:
        """One decision and what comes of it; the instruction."""
        if not self.sound and self.dice.random() < 0.2:
            self.disturb()
        instruction = loop.decide(self.state)
        match instruction:
            case loop.AskModel(step=step):
                assert step == self.state.step + 1
                self.fold(ModelRequested(step, "m"))
                self.answer(step)
            case loop.Judge(calls=calls):
                for call in calls:
                    self.judge(call)
            case loop.RunTools(calls=opened):
                self.fold(*(ToolStarted(self.state.step, each.call) for each in opened))
            case loop.Guide(guidance=guidance):
                self.fold(guidance)
            case loop.Hold():
                self.hold(instruction)
            case loop.Exit(status=status):
                self.fold(ProcessExited(status))
            case None:
                started = [c.call for c in self.state.calls if c.status == "started"]
                assert started, "it neither runs, waits nor ends"
                self.end(self.dice.choice(started))
        return instruction

    def answer(self, step: int) -> None:
        if self.sound:
            schema = self.state.spec.output_schema
            parts = (ToolCall("r", loop.RESULT_TOOL, {}),) if schema is not None else (Text("All is done."),)
            self.fold(ModelAnswered(step, "m", parts, Usage(1, 1)))
        elif self.dice.random() < 0.2:
            self.fold(ModelFailed(step, "m", self.dice.choice(FAILURES), "down"))
        else:
            calls = [
                ToolCall(f"c{k}", self.dice.choice(TOOLS), self.dice.choice([{"a": 1}, {"a": 2}, None]))
                for k in range(self.dice.choice([0, 1, 1, 2, 3]))
            ]
            words = self.dice.choice(["", "Thinking.", "It is done."])
            self.fold(ModelAnswered(step, "m", (Text(words), *calls), Usage(1, 1)))

    def judge(self, call: ToolCall) -> None:
        way = self.dice.choice(["ask", "deny", "start"])
        if call.arguments is None:
            self.end(call, "tool_arguments")
        elif call.tool == loop.RESULT_TOOL:
            self.fold(ToolEnded(1, call.id, call.tool, Outcome(ok=True, content="{}")))
        elif way == "deny":
            self.end(call, "tool_refused")
        elif way == "start":
            self.fold(ToolStarted(self.state.step, call))
        else:
            kind: ApprovalKind = "question" if call.tool in loop.QUESTION_TOOLS else "call"
            self.fold(self.asks(kind, call))

    def asks(self, kind: ApprovalKind, call: ToolCall | None) -> ApprovalRequested:
        key = f"a{self.n}"
        self.kinds[key] = kind
        return ApprovalRequested(
            Approval(id=key, pid=1, owner="ana", name="n", kind=kind, step=1, created_at=0, call=call, digest="d")
        )

    def end(self, call: ToolCall, error: str | None = None) -> None:
        ok = error is None and (self.sound or self.dice.random() < 0.7)
        content = self.dice.choice(["fine", "other"])
        self.fold(ToolEnded(1, call.id, call.tool, Outcome(ok=ok, content=content, error=None if ok else error)))

    def hold(self, hold: loop.Hold) -> None:
        self.fold(StateChanged(State.WAITING, hold.reason))
        if hold.reason.kind == "agent":
            (request, *_) = self.state.awaited
            self.fold(RequestMoved(request.id, "answered"), MessageSent("m", "agent:2", "42", "task_answered"))
        elif hold.delay_s is None:
            assert hold.reason.approvals, "nobody can end this wait"
            key = self.dice.choice(hold.reason.approvals)
            call_id = next((c.call.id for c in self.state.calls if c.approval == key), key)
            verdicts = {"call": ["approve", "edit", "refuse"], "question": ["answer", "refuse"]}
            verdict = self.dice.choice(verdicts.get(self.kinds[key], ["extend", "finish"]))
            decision = Decision(verdict=verdict, arguments={}, answer="yes")  # type: ignore[arg-type]
            self.fold(ApprovalDecided(key, self.kinds[key], call_id, decision))
        self.fold(StateChanged(State.READY), StateChanged(State.RUNNING))

    def disturb(self) -> None:
        what = self.dice.choice(["message", "interrupt", "limit", "pause", "ask"])
        idle = not self.state.calls and not self.state.thinking and not self.state.limit
        if what == "message":
            self.fold(MessageSent("m", "ana", "hurry"))
        elif what == "interrupt":
            self.fold(SignalSent(Signal.INT))
            for each in self.state.calls:
                if each.status != "asking":
                    self.end(each.call, "tool_interrupted")
        elif what == "limit" and idle:
            self.fold(self.asks("limit", None))
        elif what == "pause":
            self.fold(StateChanged(State.STOPPED), StateChanged(State.READY), StateChanged(State.RUNNING))
        elif what == "ask":
            request = Request(
                id=f"q{self.n}", kind="task", owner="ana", sender=1, receiver=2, text="t", created_at=0, due_at=9
            )
            self.fold(RequestOpened(request))


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_from_everywhere_it_comes_to_an_end(dice: random.Random, typed: bool) -> None:
    walk = Walk(dice, AgentSpec(goal="g", output_schema={"type": "object"} if typed else None))
    for _ in range(WILD):
        if isinstance(walk.step(), loop.Exit):
            break
    walk.sound = True
    for _ in range(SOUND):
        if walk.state.ended:
            break
        walk.step()
    assert walk.state.ended, f"it does not end; it is at {loop.decide(walk.state)}"
    assert loop.decide(walk.state) is None


def test_a_thousand_steps_fold_in_no_time() -> None:
    events: list[Event] = [StateChanged(State.RUNNING)]
    for step in range(1, 1001):
        call = ToolCall(f"c{step}", "read_file", {"path": f"{step}.txt"})
        events += [
            ModelRequested(step, "m"),
            ModelAnswered(step, "m", (Text("I look."), call), Usage(1, 1)),
            ToolStarted(step, call),
            ToolEnded(step, call.id, call.tool, Outcome(ok=True, content=f"line {step}\n" * 200)),
        ]

    def fold(some: list[Event]) -> float:
        began = time.perf_counter()
        state = loop.begin(AgentSpec(goal="g"))
        for n, event in enumerate(some, 1):
            state = loop.fold(state, event, n, float(n))
        return time.perf_counter() - began

    assert fold(events) < 1.0
