"""People judge steps: memories move, agents hear of it, profiles count it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import BadRequest, Forbidden, ProcessNotFound
from aether_jupyter.model.events import FeedbackGiven, MessageSent
from aether_jupyter.model.memory import Layer, Note
from aether_jupyter.model.message import Part, Text, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.process import Process, Signal, State
from aether_jupyter.model.profile import Profile
from aether_jupyter.model.tool import Decision
from aether_jupyter.store import tables

from .conftest import ANA, BOB, House

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


async def clerk(house: House, model: str = "scripted:hello", name: str = "clerk", **fields: object) -> Process:
    spec = AgentSpec(goal="How does the safe open?", name=name, model=model, **fields)  # type: ignore[arg-type]
    return await house.settled((await house.app.processes.spawn(ANA, spec)).pid)


async def importance(house: House, key: int) -> float:
    return (await house.app.memories.get(ANA, key)).importance


async def test_a_thumb_moves_the_memories_behind_a_step_and_a_changed_mind_moves_them_back(house: House) -> None:
    kept = await house.app.memories.remember(ANA, "clerk", Note(text="The safe: open it by turning the key twice."))
    other = await house.app.memories.remember(ANA, "clerk", Note(text="Nobody reads the minutes."))
    process = await clerk(house)
    give = house.app.feedback.give
    said = await give(ANA, process.pid, 1, "up", "Right.")
    assert (said.thumb, said.moved, said.agent, said.about) == (
        "up",
        {kept.id: 0.1},
        "clerk",
        "Hello from a scripted model.",
    )
    assert await importance(house, kept.id) == 0.6
    assert await importance(house, other.id) == 0.5
    await give(ANA, process.pid, 1, "down")
    assert await importance(house, kept.id) == 0.4
    await give(ANA, process.pid, 1, "down", "The wrong safe.")
    assert await importance(house, kept.id) == 0.4
    await give(ANA, process.pid, 1, "none")
    assert await importance(house, kept.id) == 0.5
    assert await house.app.feedback.list(ANA, process.pid) == []
    versions = await house.app.memories.versions(ANA, kept.id)
    assert [each.importance for each in versions] == [0.5, 0.4, 0.6, 0.5]
    assert versions[0].changed_by == f"feedback of ana on step 1 of {process.pid}"
    records = await house.app.processes.records(ANA, process.pid)
    events = [record.event for record in records if isinstance(record.event, FeedbackGiven)]
    assert [(event.thumb, event.comment, event.memories) for event in events] == [
        ("up", "Right.", (kept.id,)),
        ("down", "", (kept.id,)),
        ("down", "The wrong safe.", ()),
        ("none", "", (kept.id,)),
    ]
    assert records[-1].actor == "ana"


async def test_what_cannot_be_judged_is_refused_with_its_reason(house: House) -> None:
    process = await clerk(house)
    give = house.app.feedback.give
    with pytest.raises(BadRequest, match="no answer of step 9 to judge; it has made 1"):
        await give(ANA, process.pid, 9, "up")
    with pytest.raises(BadRequest, match="at most 4,000"):
        await give(ANA, process.pid, 1, "up", "x" * 4_001)
    with pytest.raises(ProcessNotFound):
        await give(BOB, process.pid, 1, "up")
    with pytest.raises(ProcessNotFound):
        await house.app.feedback.list(BOB, process.pid)
    with pytest.raises(Forbidden, match="feedback:give"):
        await give(Principal.agent(process.pid, "ana"), process.pid, 1, "up")


async def test_a_comment_on_an_agent_at_work_is_a_message_and_a_thumb_alone_is_not(
    house: House, script: Script
) -> None:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        told = [turn.text for turn in turns if isinstance(turn, UserTurn) and turn.text.startswith("Message")]
        return [Text(told[-1])] if told else [ToolCall("", "ask_person", {"question": "And now?"})]

    process = await house.spawn(script("asks", play), name="clerk")
    process = await house.settled(process.pid)
    assert process.state is State.WAITING
    await house.app.feedback.give(ANA, process.pid, 1, "down")
    await house.app.feedback.give(ANA, process.pid, 1, "down", "Do not ask me.")
    # The same words again, with another thumb, are not said twice.
    await house.app.feedback.give(ANA, process.pid, 1, "up", "Do not ask me.")
    messages = [
        record.event
        for record in await house.app.processes.records(ANA, process.pid)
        if isinstance(record.event, MessageSent)
    ]
    assert [(each.sender, each.kind, each.text) for each in messages] == [
        ("ana", "feedback", "on your step 1 of 1, thumb down: Do not ask me.")
    ]
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="answer", answer="Go on."))
    process = await house.settled(process.pid)
    assert process.exit is not None
    assert process.exit.message == "Message from ana (feedback): on your step 1 of 1, thumb down: Do not ask me."


async def test_a_later_run_reads_what_people_said_of_the_name_and_no_other_does(house: House, script: Script) -> None:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if n == 0:
            return [ToolCall("", "get_feedback", {"limit": 5})]
        return [Text(next(turn.content for turn in turns if isinstance(turn, ToolTurn)))]

    reads = script("reads", play)
    first = await clerk(house)
    await house.app.feedback.give(ANA, first.pid, 1, "down", "Name the safe.")
    second = await clerk(house, reads)
    assert second.exit is not None
    assert second.exit.message == (
        f"[run {first.pid}, step 1, today] ana thumb down: Name the safe. (the step: Hello from a scripted model.)"
    )
    stranger = await clerk(house, reads, "other")
    assert stranger.exit is not None
    assert stranger.exit.message == "Nobody has said anything of your work yet."
    with pytest.raises(Forbidden):
        await house.app.feedback.of_agent(Principal("x", "ana", frozenset()), "clerk")
    assert await house.app.feedback.of_agent(BOB, "clerk") == []


async def test_a_profile_tells_how_the_runs_of_a_name_ended_and_what_they_rest_on(house: House, script: Script) -> None:
    def tick(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall("", "tick", {"word": str(n)})] if n < 2 else [Text("done")]

    assert await house.app.profiles.get(ANA, "clerk") == Profile(agent="clerk")
    good = await clerk(house, script("ticks", tick), role="archivist", tools=("tick",))
    bad = await clerk(house, "scripted:fail")
    stopped = await house.spawn("scripted:ask", name="clerk")
    await house.settled(stopped.pid)
    await house.app.processes.signal(ANA, stopped.pid, Signal.KILL)
    await house.app.feedback.give(ANA, good.pid, 3, "up", "Well done.")
    note = Note(text="Wind it up first.", layer=Layer.PROCEDURAL, tags=("clock",))
    await house.app.memories.remember(ANA, "clerk", note)
    await clerk(house, name="other")
    profile = await house.app.profiles.of(ANA, bad.pid)
    assert profile == await house.app.profiles.get(ANA, "clerk")
    assert (profile.tasks, profile.succeeded, profile.failed, profile.stopped) == (3, 1, 1, 1)
    assert (profile.success_rate, profile.quality, profile.rated) == (0.5, None, 0)
    assert (profile.thumbs_up, profile.thumbs_down) == (1, 0)
    assert (profile.tools, profile.tags, profile.roles) == ({"tick": 2}, {"clock": 1}, ("archivist",))
    assert [(task.pid, task.succeeded, task.reason) for task in profile.last] == [
        (stopped.pid, None, "killed"),
        (bad.pid, False, "failed"),
        (good.pid, True, "completed"),
    ]
    assert [each.comment for each in profile.feedback] == ["Well done."]
    tokens = sum([(await house.app.processes.get(ANA, pid)).tokens for pid in (good.pid, bad.pid, stopped.pid)])
    assert (profile.tokens, profile.mean_tokens) == (tokens, tokens / 3)
    standings = await house.app.profiles.list(ANA)
    assert [(each.agent, each.tasks, each.thumbs_up) for each in standings] == [("other", 1, 0), ("clerk", 3, 1)]
    assert await house.app.profiles.list(BOB) == []
    assert await house.app.profiles.get(BOB, "clerk") == Profile(agent="clerk")
    with pytest.raises(ProcessNotFound):
        await house.app.profiles.of(BOB, good.pid)


async def test_a_child_is_known_by_its_name_below_that_of_its_parent(house: House) -> None:
    parent = await clerk(house, "scripted:parent", mode="autonomous", tools=("spawn_agent", "wait_agent"))
    (child,) = await house.app.processes.list(ANA, parent=parent.pid)
    assert [each.agent for each in await house.app.profiles.list(ANA)] == ["clerk", f"clerk › {child.name}"]
    assert (await house.app.profiles.of(ANA, child.pid)).tasks == 1


async def test_an_agent_is_told_of_the_runs_that_ended_before_it_began(house: House) -> None:
    assert await house.app.profiles.history("ana", "clerk", time.time()) is None
    first = await clerk(house)
    began = (await house.app.processes.get(ANA, first.pid)).created_at
    await house.app.feedback.give(ANA, first.pid, 1, "up", "Right.")
    told = await house.app.profiles.history("ana", "clerk", time.time())
    assert told is not None
    assert (told.tasks, told.succeeded, told.thumbs_up, told.comments) == (1, 1, 1, (("ana", "Right."),))
    assert await house.app.profiles.history("ana", "clerk", began) is None
    assert await house.app.profiles.history("bob", "clerk", time.time()) is None


async def test_a_home_goes_with_its_reaped_process_although_somebody_judged_it_later(house: House) -> None:
    process = await clerk(house)
    await house.app.processes.reap(ANA, process.pid)
    kept = await clerk(house)
    await house.app.processes.reap(ANA, kept.pid, keep_home=True)
    for pid in (process.pid, kept.pid):
        await house.app.feedback.give(ANA, pid, 1, "up")
    assert await house.app.processes.homes_to_remove([process.pid, kept.pid]) == [process.pid]


async def test_ten_thousand_runs_are_summed_in_no_time(house: House) -> None:
    row = {
        "owner": "ana",
        "succeeded": True,
        "rating": 4,
        "steps": 9,
        "tokens": 900,
        "cost_usd": 0.01,
        "run_s": 3.0,
        "strategy": "",
        "tainted": False,
    }
    rows = [row | {"pid": 10_000 + n, "agent": f"agent {n % 20}", "ended_at": float(n)} for n in range(10_000)]
    database = house.app.profiles._database
    await database.write(lambda tx: tx.run(tables.outcome.insert(), rows))
    took = []
    for _ in range(3):
        began = time.perf_counter()
        standings = await house.app.profiles.list(ANA)
        middle = time.perf_counter()
        profile = await house.app.profiles.history("ana", "agent 3", time.time())
        took.append((middle - began, time.perf_counter() - middle))
    assert len(standings) == 20
    assert profile is not None
    assert profile.tasks == 50
    assert min(listed for listed, _ in took) < 0.2
    assert min(told for _, told in took) < 0.02
    print("profiles of 10,000 runs:", took)
