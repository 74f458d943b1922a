"""Recorded feeds with the view they must give; the labextension's tests read the same files.

Each line of a feed is a frame as the socket sends it; the last line is `{"view": …}`. After a change of the model,
`python -m tests.contracts.test_feeds` writes the files again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from aether_jupyter.model.agent import AgentSpec, Limits, Mode
from aether_jupyter.model.control import Act, Scene, Turn
from aether_jupyter.model.events import (
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ContextCompacted,
    ControlAsked,
    ControlReturned,
    ControlTaken,
    Event,
    FeedbackGiven,
    Guidance,
    LimitsExtended,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelChosen,
    ModelFailed,
    ModelRequested,
    PlanChanged,
    ProcessErased,
    ProcessExited,
    ProcessReaped,
    ProcessRestored,
    ProcessSpawned,
    Record,
    Reflected,
    RequestMoved,
    RequestOpened,
    ShellClosed,
    ShellOpened,
    SignalSent,
    SnapshotDeleted,
    SnapshotTaken,
    StateChanged,
    ToolEnded,
    ToolStarted,
)
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import Text, Thinking, ToolCall, Usage
from aether_jupyter.model.plan import parse_plan
from aether_jupyter.model.process import CameFrom, ExitStatus, Process, Signal, State, WaitReason
from aether_jupyter.model.request import Request
from aether_jupyter.model.snapshot import Snapshot
from aether_jupyter.model.tool import Approval, Decision, Evidence, Outcome, Risk
from aether_jupyter.model.view import Spend, View, apply

FEEDS = Path(__file__).parent / "feeds"
START = 1_700_000_000.0


class Journal:
    """Numbers events as the journal would: `seq` over all, `n` within a process."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._n: dict[int, int] = {}

    def say(self, pid: int, *events: Event, after_s: float = 1.0) -> None:
        for event in events:
            self._n[pid] = self._n.get(pid, 0) + 1
            seq = len(self.records) + 1
            at = (self.records[-1].at if self.records else START) + after_s
            identity = f"01890000-0000-7000-8000-{seq:012d}"
            self.records.append(
                Record(seq=seq, id=identity, pid=pid, n=self._n[pid], owner="ana", actor="runtime", at=at, event=event)
            )


def spawned(pid: int, goal: str, *, parent: int | None = None) -> ProcessSpawned:
    spec = AgentSpec(goal=goal, name=f"agent {pid}", limits=Limits(steps=3, cost_usd=0.5), mode=Mode.ASK_RISKY)
    process = Process(
        pid=pid,
        name=spec.name,
        owner="ana",
        goal=goal,
        model="scripted:risky",
        sandbox="bubblewrap",
        mode=spec.mode,
        limits=spec.limits,
        parent=parent,
        created_at=START,
    )
    return ProcessSpawned(process=process, spec=spec)


def a_life() -> list[Record]:
    """Two agents from spawn to the end, through every event there is."""
    journal = Journal()
    say = journal.say
    call = ToolCall(id="c1", tool="run_command", arguments={"command": "rm -r build", "path": "build"})
    ask = Approval(
        id="a1",
        pid=1,
        owner="ana",
        name="agent 1",
        kind="call",
        step=1,
        created_at=START + 5,
        call=call,
        risk=Risk.DESTRUCTIVE,
        because="It deletes files.",
        digest="d1",
    )
    say(1, spawned(1, "tidy up"), StateChanged(State.RUNNING), ModelRequested(1, "scripted:risky", 900, 0.02))
    say(2, spawned(2, "help", parent=1), after_s=0.25)
    answer = (Thinking("First I look."), Text("The build folder is old, so it can go."), call)
    say(1, ModelAnswered(1, "scripted:risky", answer, Usage(700, 40), 0.0123, True, 1.5))
    say(1, ApprovalRequested(ask), StateChanged(State.WAITING, WaitReason("approval", "run_command", ("a1",))))
    say(2, StateChanged(State.RUNNING), ModelRequested(1, "scripted:slow"), SignalSent(Signal.STOP))
    say(2, ModelFailed(1, "scripted:slow", "model_unavailable", "The model server is down.", 0.001))
    say(2, ModelChosen("auto", "ana"))
    say(2, StateChanged(State.STOPPED, why="STOP"), SignalSent(Signal.CONT), StateChanged(State.READY))
    say(1, ApprovalDecided("a1", "call", "c1", Decision(verdict="approve", by="ana", at=START + 20)))
    say(1, StateChanged(State.READY), StateChanged(State.RUNNING), ToolStarted(1, call, "approved by ana"))
    seen = Image(digest="5e" * 32, media_type="image/png", width=64, height=48, size_bytes=155, words="build")
    evidence = Evidence(exit_code=0, stdout="removed\n", stdout_bytes=8, sandbox="bubblewrap")
    say(
        1,
        ToolEnded(
            1, "c1", "run_command", Outcome(ok=True, content="exit 0\n\nremoved", evidence=evidence, images=(seen,))
        ),
    )
    routed = ModelRequested(2, "scripted:risky", 950, 0.02, "Standard: by default.", family="standard", since=2)
    say(1, routed, ModelAnswered(2, "scripted:risky", (), Usage(known=False)))
    say(1, MemoriesGiven("tidy up", 1, (3, 4), "From your memory: [3] The build folder may go.", by_meaning=True))
    plan = parse_plan("- [x] look\n- [~] tidy\n  - [x] old\n  - [-] young\n  - [!] odd (asks Ana)\n- [ ] tell")
    say(1, PlanChanged(plan, "agent"), AuxiliaryRequested("summary", "scripted:echo", 300, 0.01))
    say(1, AuxiliaryAnswered("summary", "scripted:echo", Usage(200, 20), 0.004, True, 0.5))
    say(1, ContextCompacted(2, 1, 1, "It found the build folder.", 900, 400))
    say(1, Guidance("empty", "You answered with nothing. Call a tool or give the result.", 1))
    say(1, MessageSent("m1", "ana", "Is it gone?", images=(seen,)), LimitsExtended(Limits(steps=28, cost_usd=0.5)))
    broken = ToolCall(id="c2", tool="read_file", arguments=None, raw='{"path": ')
    say(1, ToolStarted(2, broken))
    times = {"created_at": START + 30, "due_at": START + 630}
    wanted = Request(id="q1", kind="task", owner="ana", sender=1, receiver=2, text="count", **times)
    say(2, MessageSent("m2", "agent:1", "count", "task", "q1"))
    say(1, RequestOpened(wanted), RequestMoved("q1", "accepted"))
    say(1, ToolEnded(2, "c2", "read_file", Outcome(ok=False, content="No such file", error="tool_failed")))
    say(1, ModelAnswered(3, "scripted:risky", (Text("Gone."),), Usage(800, 3), 0.02, False))
    say(1, ProcessExited(ExitStatus(0, "completed", "The build folder is gone.")))
    say(1, AuxiliaryRequested("reflection", "scripted:echo", 300, 0.01))
    say(1, AuxiliaryAnswered("reflection", "scripted:echo", Usage(300, 30), 0.005, False))
    say(1, Reflected(4, ("looking first",), (), ("Ask before rm.",), "Look, ask, remove.", (5,)))
    say(1, FeedbackGiven(1, "ana", "up", "Well asked.", (3,)), ProcessReaped(home_kept=False))
    question = Approval(id="a2", pid=2, owner="ana", name="agent 2", kind="question", step=1, created_at=START + 40)
    say(2, StateChanged(State.RUNNING), ControlTaken("ana"), SignalSent(Signal.STOP), StateChanged(State.STOPPED))
    say(2, ControlAsked("priya"))
    scene = Scene(stage="desktop", after=seen, open=("Portal",))
    turn = Turn(did=(Act(kind="click", at=START, x=3, y=4),), scenes=(scene,))
    say(2, ControlReturned("ana", "returned", 80.0, "Signed in.", turn), StateChanged(State.READY), ControlTaken("ana"))
    say(2, ControlReturned("ana", "gone", 60.0), StateChanged(State.RUNNING), ApprovalRequested(question))
    say(2, StateChanged(State.WAITING, WaitReason("answer", "Which one?", ("a2",))), SignalSent(Signal.KILL))
    say(2, ApprovalClosed("a2", "the process ended"), ProcessExited(ExitStatus(137, "killed", "Killed by ana.")))
    taken = Snapshot(
        id=1, owner="ana", pid=1, agent="agent 1", name="agent 1", step=3, n=9, taken_at=START + 45, by="ana"
    )
    say(1, ShellOpened("ana", "agent1"), ShellClosed("ana", "agent1", 65.0))
    say(1, SnapshotTaken(taken), SnapshotDeleted(1, "retention"))
    branched = spawned(4, "tidy up")
    came_from = CameFrom(pid=1, n=9, step=3, snapshot=1, files_step=3)
    process = msgspec.structs.replace(branched.process, step=3, strip="tapo", came_from=came_from)
    say(4, ProcessRestored(process, branched.spec, "You go on from here.", "ana changed the goal."))
    say(4, StateChanged(State.RUNNING))
    say(3, spawned(3, "forgotten"), StateChanged(State.RUNNING))
    asked = Approval(id="a3", pid=3, owner="ana", name="agent 3", kind="question", step=1, created_at=START + 50)
    say(3, ApprovalRequested(asked), ProcessErased())
    return journal.records


def odd_words() -> list[Record]:
    """Text that two languages could cut differently: letters outside the basic plane, odd spaces, long lines."""
    journal = Journal()
    say = journal.say
    say(1, spawned(1, "words"), StateChanged(State.RUNNING))
    for text in (
        "𝒜🚀é" * 400,
        "  a\x1cb\x1fc\x85d\u2003e\u3000f\ufeffg\u200bh\n\n",
        "x" * 280,
        "x" * 281,
        "\t \n",
        "word " * 100,
    ):
        say(1, ModelAnswered(1, "scripted:echo", (Text(text),), Usage(1, 1), 0.1))
    for arguments in ({"question": "why?\n now"}, {"path": "a b", "text": "t"}, {"other": 1}, {"command": True}, {}):
        say(1, ToolStarted(1, ToolCall(id="c", tool="tool", arguments=arguments)))
    for _ in range(30):
        say(1, ToolEnded(1, "c", "tool", Outcome(ok=True, content="")), after_s=0.1)
    say(1, StateChanged(State.WAITING, WaitReason("time", until=START + 100)), StateChanged(State.READY))
    return journal.records


STORIES = {"a_life": a_life, "odd_words": odd_words}


def recorded(records: list[Record]) -> bytes:
    """The feed as it goes over the wire (three records a frame), and the view that must come out."""
    # The day ends in the middle of the story.
    today = Spend(day="2023-11-14", cost_usd=0.25, limit_usd=5.0, until=START + 12)
    first = View(cursor=0, user="ana", spend=today)
    lines: list[dict[str, Any]] = [{"snapshot": first}]
    view = first
    for start in range(0, len(records), 3):
        batch = records[start : start + 3]
        lines.append({"records": batch, "cursor": batch[-1].seq})
        for record in batch:
            view = apply(view, record)
    # A frame that comes twice changes nothing.
    lines.append(lines[-1])
    lines.append({"view": view})
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def written() -> Iterable[tuple[Path, bytes]]:
    for name, story in STORIES.items():
        yield FEEDS / f"{name}.jsonl", recorded(story())


@pytest.mark.parametrize(("path", "content"), list(written()), ids=list(STORIES))
def test_recorded_feed_is_what_the_code_would_write(path: Path, content: bytes) -> None:
    assert path.read_bytes() == content, "run `python -m tests.contracts.test_feeds`"


@pytest.mark.parametrize("path", sorted(FEEDS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_folding_the_wire_form_gives_the_view(path: Path) -> None:
    lines = [msgspec.Raw(line) for line in path.read_bytes().splitlines()]
    view = msgspec.json.decode(lines[0], type=dict[str, View])["snapshot"]
    for line in lines[1:-1]:
        for record in msgspec.json.decode(line, type=_Records).records:
            view = apply(view, record)
    assert view == msgspec.json.decode(lines[-1], type=dict[str, View])["view"]


def test_the_life_tells_of_every_event() -> None:
    assert {type(record.event) for record in a_life()} == set(get_args(Event))


class _Records(msgspec.Struct):
    records: list[Record]
    cursor: int


if __name__ == "__main__":
    FEEDS.mkdir(exist_ok=True)
    for target, text in written():
        target.write_bytes(text)
