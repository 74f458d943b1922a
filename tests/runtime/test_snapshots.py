"""Snapshots: taken in one piece, gone on from under another number, and forks from any step."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from aether_jupyter.abc import ToolContext
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.engine import branch as branches
from aether_jupyter.model.access import RUNTIME
from aether_jupyter.model.agent import Limits, Mode, SandboxSpec
from aether_jupyter.model.errors import (
    BadRequest,
    BadSnapshot,
    Conflict,
    ProcessNotFound,
    SnapshotNotFound,
    StorageFull,
)
from aether_jupyter.model.events import (
    ApprovalClosed,
    ApprovalRequested,
    ControlReturned,
    ControlTaken,
    PlanChanged,
    ProcessRestored,
    ShellClosed,
    ShellOpened,
    SnapshotDeleted,
    SnapshotTaken,
    ToolEnded,
)
from aether_jupyter.model.memory import Change, Note, Source
from aether_jupyter.model.message import Part, Text, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.plan import Plan
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.snapshot import Branching, EditedMessage, EditedResult
from aether_jupyter.model.tool import Decision
from aether_jupyter.plugins import hookimpl
from aether_jupyter.runtime import captures
from aether_jupyter.runtime.vault import Vault

from .conftest import ANA, BOB, House, Ticks

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


class Tools:
    """A tool that writes a file, one that cannot be undone, and one that lasts until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.began = asyncio.Event()

    @hookimpl
    def register_tools(self, settings: Settings) -> list[object]:
        @tool(risk="write")
        async def put(ctx: ToolContext, path: str, text: str) -> str:
            """Write a file.

            Args:
                path: Where.
                text: What.
            """
            (ctx.home / path).parent.mkdir(parents=True, exist_ok=True)
            (ctx.home / path).write_text(text)
            return f"wrote {path}"

        @tool(risk="destructive", effect="destroy")
        async def wipe(ctx: ToolContext) -> str:
            """Remove every file."""
            for path in ctx.home.glob("*"):
                if path.is_file():
                    path.unlink()
            return "wiped"

        @tool(risk="write")
        async def last(ctx: ToolContext) -> str:
            """Last until it is let go."""
            (ctx.home / "begun").write_text("begun")
            self.began.set()
            await self.go.wait()
            (ctx.home / "ended").write_text("ended")
            return "lasted"

        return [put, wipe, last]


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def ticks(tools: Tools) -> Ticks:
    class Both(Ticks):
        @hookimpl
        def register_tools(self, settings: Settings) -> list[object]:
            return [*Ticks.register_tools(self, settings), *tools.register_tools(settings)]

    return Both()


@pytest.fixture
def script(script: Script) -> Script:
    """Scripts whose steps count from 1, as those of the journal."""
    return lambda name, body: script(name, lambda step, turns: body(step + 1, turns))


def call(step: int, name: str, **arguments: object) -> ToolCall:
    return ToolCall(id=f"c{step}", tool=name, arguments=dict(arguments))


def writer(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
    """Writes one file a step, then says which results it has read."""
    if step <= 4:
        return [Text(f"Now file {step}."), call(step, "put", path=f"notes/{step}.txt", text=f"text {step}")]
    read = [turn.content for turn in turns if isinstance(turn, ToolTurn)]
    return [Text(f"Done. I read: {' | '.join(read)}")]


def home_of(house: House, pid: int) -> Path:
    """The home, with its volume mounted where it is one."""
    return house.app.captures._machines.homes.existing(pid)


def files(house: House, pid: int) -> list[str]:
    root = home_of(house, pid)
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


async def test_a_restored_agent_goes_on_from_its_snapshot_under_another_number(house: House, script: Script) -> None:
    asked_at: list[int] = []

    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        asked_at.append(step)
        if step == 3:
            return [call(step, "ask_person", question="Go on?")]
        return writer(step if step < 3 else step - 1, turns)

    first = await house.spawn(script("pausing", body), limits=Limits(steps=10, cost_usd=5.0))
    await house.settled(first.pid)
    snapshot = await house.app.captures.take(ANA, first.pid, label="two files")
    assert (snapshot.step, snapshot.files, snapshot.label, snapshot.reason) == (3, 2, "two files", "asked")
    assert snapshot.pause_s < 3
    assert snapshot.still

    branched = await house.app.captures.restore(ANA, snapshot.id, Branching())
    again = await house.settled(branched.process.pid)
    assert again.pid != first.pid
    assert again.came_from is not None
    assert (again.came_from.pid, again.came_from.step, again.came_from.snapshot) == (first.pid, 3, snapshot.id)
    assert files(house, again.pid) == ["notes/1.txt", "notes/2.txt"]
    # The question was the other one's: this one asks anew, and only its own answer counts.
    assert again.wait is not None
    assert again.wait.kind == "answer"
    [asked] = [each for each in await house.app.approvals.list(ANA) if each.pid == again.pid]
    await house.app.approvals.decide(ANA, asked.id, Decision(verdict="answer", answer="yes"), digest=asked.digest)
    done = await house.settled(again.pid)
    assert done.exit is not None
    assert done.exit.message.startswith("Done. I read: wrote notes/1.txt | wrote notes/2.txt | yes | wrote")
    assert files(house, done.pid) == [f"notes/{n}.txt" for n in range(1, 5)]
    # The first one still waits where it was, with the files that it had.
    assert (await house.app.processes.get(ANA, first.pid)).state is State.WAITING
    assert files(house, first.pid) == ["notes/1.txt", "notes/2.txt"]
    assert asked_at == [1, 2, 3, 4, 5, 6]


async def test_what_it_spent_is_not_counted_twice_and_limits_are_what_is_left(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "ask_person", question="Go on?")] if step == 3 else writer(step, turns)

    first = await house.spawn(script("spending", body), limits=Limits(steps=10, tokens=100_000))
    first = await house.settled(first.pid)
    spent = first.tokens
    assert spent > 0
    snapshot = await house.app.captures.take(ANA, first.pid)
    branched = await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True))
    again = branched.process
    assert again.state is State.STOPPED
    assert (again.step, again.tokens, again.cost_usd, again.run_s) == (3, 0, 0.0, 0.0)
    assert again.limits == Limits(steps=10, tokens=100_000 - spent)
    usage = await house.app.budgets.usage(ANA)
    assert all(line.pid != again.pid for line in usage)


async def test_history_is_no_news_and_reads_like_a_journal(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "ask_person", question="Go on?")] if step == 2 else writer(step, turns)

    first = await house.spawn(script("telling", body))
    await house.settled(first.pid)
    snapshot = await house.app.captures.take(ANA, first.pid)
    cursor = (await house.app.feed.snapshot(ANA)).cursor
    again = (await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True))).process
    view = await house.app.feed.snapshot(ANA)
    # One record told all followers of it.
    assert view.cursor == cursor + 1
    assert view.processes[again.pid] == again
    assert [each.pid for each in view.approvals.values()] == [first.pid]
    records = await house.app.processes.records(ANA, again.pid, limit=1000)
    assert [record.n for record in records] == list(range(1, again.head + 1))
    assert all(record.seq < 0 for record in records[:-1])
    assert [record.seq for record in records] == sorted(record.seq for record in records)
    assert isinstance(records[-1].event, ProcessRestored)
    assert records[0].event.process.pid == again.pid  # type: ignore[union-attr]
    closed = [record.event for record in records if isinstance(record.event, ApprovalClosed)]
    asked = [record.event for record in records if isinstance(record.event, ApprovalRequested)]
    assert [each.approval_id for each in closed] == [each.approval.id for each in asked]


async def test_a_call_under_way_is_told_as_cut_off(
    house: House, script: Script, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if step == 1:
            return [call(step, "last")]
        said = [turn.text for turn in turns if isinstance(turn, UserTurn)][1]
        read = next(turn.content for turn in turns if isinstance(turn, ToolTurn))
        return [Text(f"{read} / {said}")]

    first = await house.spawn(script("lasting", body))
    async with asyncio.timeout(10):
        await tools.began.wait()
    monkeypatch.setattr(captures, "MORE_PATIENCE_S", 0.2)
    snapshot = await house.app.captures.take(ANA, first.pid)
    assert not snapshot.still
    again = (await house.app.captures.restore(ANA, snapshot.id, Branching())).process
    done = await house.settled(again.pid)
    tools.go.set()
    assert done.exit is not None
    assert "Whether it took effect is not known" in done.exit.message
    assert "A command ran or a terminal was open while its files were copied" in done.exit.message
    assert files(house, again.pid) == ["begun"]
    await house.app.processes.signal(ANA, first.pid, Signal.KILL)


async def test_no_tool_begins_while_its_files_are_copied(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.spawn(script("held", writer), limits=Limits(steps=10))
    began, spool = asyncio.get_running_loop().create_future(), Vault.spool

    def slowly(self: Vault, home: Path, known: object) -> object:
        before = sorted(home.rglob("*"))
        time.sleep(0.5)
        began.get_loop().call_soon_threadsafe(began.set_result, before == sorted(home.rglob("*")))
        return spool(self, home, known)  # type: ignore[arg-type]

    monkeypatch.setattr(Vault, "spool", slowly)
    snapshot = await house.app.captures.take(ANA, first.pid)
    assert await began
    assert snapshot.still
    assert (await house.settled(first.pid)).exit is not None


async def test_a_fork_goes_on_from_any_step_with_the_files_of_the_nearest_snapshot(
    house: House, script: Script
) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "ask_person", question="Go on?")] if step == 2 else writer(step, turns)

    first = await house.spawn(script("forking", body), limits=Limits(steps=10))
    await house.settled(first.pid)
    await house.app.captures.take(ANA, first.pid)
    [asked] = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, asked.id, Decision(verdict="answer", answer="yes"), digest=asked.digest)
    ended = await house.settled(first.pid)
    assert ended.state is State.ZOMBIE
    assert files(house, first.pid) == ["notes/1.txt", "notes/3.txt", "notes/4.txt"]

    changed = EditedResult("c3", "wrote nothing: the disk was full")
    forked = await house.app.captures.fork(ANA, first.pid, 3, Branching(result=changed))
    assert forked.notes[0].startswith("Its files are as of step 2, the nearest snapshot before")
    assert files(house, forked.process.pid) == ["notes/1.txt"]
    done = await house.settled(forked.process.pid)
    assert done.exit is not None
    assert (
        done.exit.message
        == "Done. I read: wrote notes/1.txt | yes | wrote nothing: the disk was full | wrote notes/4.txt"
    )
    records = await house.app.processes.records(ANA, forked.process.pid, limit=1000)
    [restored] = [record.event for record in records if isinstance(record.event, ProcessRestored)]
    assert restored.edited == "ana changed the result of a call at step 3."
    assert "Its files are as of step 2" in restored.told

    early = await house.app.captures.fork(ANA, first.pid, 1, Branching(paused=True))
    assert early.notes[0] == "No snapshot was taken at or before this step, so it begins with an empty home."
    assert early.process.step == 1
    with pytest.raises(BadRequest, match="it has made 5 steps"):
        await house.app.captures.fork(ANA, first.pid, 9, Branching())
    with pytest.raises(BadRequest, match="fork from step 1 to change it"):
        await house.app.captures.fork(ANA, first.pid, 3, Branching(result=EditedResult("c1", "no")))
    with pytest.raises(ProcessNotFound):
        await house.app.captures.fork(BOB, first.pid, 3, Branching())


async def test_a_fork_says_who_had_the_terminal_between_its_step_and_its_files(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "ask_person", question="Go on?")] if step == 2 else writer(step, turns)

    first = await house.spawn(script("watched", body), limits=Limits(steps=10))
    await house.settled(first.pid)
    none = await house.app.captures.fork(ANA, first.pid, 2, Branching(paused=True, memory="now"))
    assert not any("terminal" in note for note in none.notes)
    await house.app.processes.note_terminal(ANA, first.pid, "t1")
    (home_of(house, first.pid) / "by-hand.txt").write_text("typed")
    await house.app.processes.note_terminal_end(RUNTIME, first.pid, "ana", "t1", 3.0)
    now = await house.app.captures.fork(ANA, first.pid, 2, Branching(paused=True))
    assert "by-hand.txt" in files(house, now.process.pid)
    assert "ana had its terminal or desktop after that step; what they changed in files is in them." in now.notes
    [asked] = await house.app.approvals.list(ANA, pid=first.pid)
    await house.app.approvals.decide(ANA, asked.id, Decision(verdict="answer", answer="yes"), digest=asked.digest)
    await house.settled(first.pid)
    last = await house.app.captures.fork(ANA, first.pid, 4, Branching(paused=True))
    assert not any("ana had" in note for note in last.notes)


def test_who_had_it_at_hand_is_told_by_spans_that_touch_the_time_between() -> None:
    told = [
        ControlTaken("ana"),
        ControlReturned("ana", "person", 1.0),
        ShellOpened("bob", "t1"),
        PlanChanged(Plan(), "kernel"),
        ShellClosed("bob", "t1", 2.0),
        ShellOpened("eve", "t2"),
    ]
    events = [(n, 0.0, "", event) for n, event in enumerate(told, 1)]
    spans = {(0, 1): ["ana"], (1, 2): ["ana"], (2, 3): ["bob"], (3, 4): ["bob"], (4, 5): ["bob"], (5, 6): ["eve"]}
    assert {span: branches.at_hand(events, *span) for span in spans} == spans
    assert branches.at_hand(events, 0, 9) == ["ana", "bob", "eve"]
    assert branches.at_hand(events, 4, 4) == []


async def test_an_open_terminal_that_cannot_be_frozen_is_told(settings: Settings, ticks: Ticks, script: Script) -> None:
    async with open_app(msgspec.structs.replace(settings, allow_host_sandbox=True), plugins=[ticks]) as app:
        house = House(app, ticks)
        body = lambda step, turns: [call(step, "ask_person", question="Go on?")] if step == 1 else [Text("done")]  # noqa: E731
        first = await house.spawn(script("typed", body), sandbox=SandboxSpec(kind="host"))
        process = await house.settled(first.pid)
        spec = await app.processes.spec(ANA, first.pid)
        await app.surroundings.terminal(process, spec, lambda: None)
        await app.processes.note_terminal(ANA, first.pid, "t1")
        snapshot = await app.captures.take(ANA, first.pid)
        assert not snapshot.still
        restored = await app.captures.restore(ANA, snapshot.id, Branching(paused=True))
        assert any("a terminal was open while its files were copied" in note for note in restored.notes)
        await app.processes.note_terminal_end(RUNTIME, first.pid, "ana", "t1", 3.0)
        assert (await app.captures.take(ANA, first.pid)).still


async def test_a_fork_may_have_another_goal_message_or_model(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if step == 1:
            return [call(1, "tick", word="one")]
        said = [turn.text for turn in turns if isinstance(turn, UserTurn)]
        return [Text(" / ".join(words for words in said if not words.startswith("You go on from here")))]

    first = await house.run(script("saying", body))
    fresh = await house.app.captures.fork(ANA, first.pid, 0, Branching(message=EditedMessage("do that", "goal")))
    done = await house.settled(fresh.process.pid)
    assert done.goal == "do that"
    assert done.exit is not None
    assert done.exit.message == "do that"
    told = await house.app.captures.fork(ANA, first.pid, 1, Branching(message=EditedMessage("and be quick")))
    done = await house.settled(told.process.pid)
    assert done.exit is not None
    assert done.exit.message == "do it / Message from ana: and be quick"
    other = script("other", lambda step, turns: [Text(f"another, at step {step}")])
    forked = await house.app.captures.fork(ANA, first.pid, 1, Branching(model=other))
    done = await house.settled(forked.process.pid)
    assert done.exit is not None
    assert (done.exit.message, done.model) == ("another, at step 2", other)
    with pytest.raises(BadRequest, match="fork from step 0"):
        await house.app.captures.fork(ANA, first.pid, 1, Branching(message=EditedMessage("late", "goal")))


async def test_an_agent_that_had_answered_waits_for_words(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        words = [turn.text for turn in turns if isinstance(turn, UserTurn)]
        return [Text(f"answer {step}: {words[-1]}")]

    first = await house.run(script("answering", body))
    snapshot = await house.app.captures.take(ANA, first.pid)
    branched = await house.app.captures.restore(ANA, snapshot.id, Branching())
    assert branched.process.state is State.WAITING
    assert branched.process.exit is None
    assert "It goes on when you write to it" in branched.notes[-1]
    await house.app.processes.send(ANA, branched.process.pid, "and now this")
    done = await house.settled(branched.process.pid)
    assert done.exit is not None
    assert done.exit.message == "answer 2: Message from ana: and now this"


async def test_an_approval_of_the_one_is_none_of_the_other(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "wipe")] if step == 1 else [Text("gone")]

    first = await house.spawn(script("wiping", body))
    await house.settled(first.pid)
    [asked] = await house.app.approvals.list(ANA)
    await house.app.processes.signal(ANA, first.pid, Signal.STOP)
    await house.app.approvals.decide(ANA, asked.id, Decision(verdict="approve"), digest=asked.digest)
    snapshot = await house.app.captures.take(ANA, first.pid)
    again = (await house.app.captures.restore(ANA, snapshot.id, Branching())).process
    waiting = await house.settled(again.pid)
    assert waiting.wait is not None
    assert waiting.wait.kind == "approval"
    [anew] = [each for each in await house.app.approvals.list(ANA) if each.pid == again.pid]
    assert anew.digest != asked.digest


async def test_memory_of_then_goes_into_a_space_of_its_own_once_it_is_another(house: House, script: Script) -> None:
    name = script("remembering", lambda step, turns: [call(1, "ask_person", question="?")])
    source = Source("ana", "person")
    kept = await house.app.memories.remember(ANA, "archivist", Note(text="the blue door is locked"), source)
    first = await house.spawn(name, name="archivist")
    await house.settled(first.pid)
    snapshot = await house.app.captures.take(ANA, first.pid)
    assert snapshot.memories == 1
    same = await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True))
    assert same.process.name == "archivist"
    await house.app.memories.edit(ANA, kept.id, Change(text="the blue door is open"))
    await house.app.memories.remember(ANA, "archivist", Note(text="the red door is new"), source)
    then = await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True))
    assert then.process.name == "archivist (step 1)"
    assert "It remembers what it did then (1 memory), as archivist (step 1)." in then.notes
    found = await house.app.memories.list(ANA, "archivist (step 1)")
    assert [each.text for each in found] == ["the blue door is locked"]
    now = await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True, memory="now"))
    assert now.process.name == "archivist"
    with pytest.raises(Conflict, match="remembers things of its own"):
        await house.app.captures.restore(ANA, snapshot.id, Branching(name="archivist"))


async def test_what_cannot_be_restored_leaves_no_memory_and_no_home_behind(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, taking = Source("ana", "person"), house.app.captures
    await house.app.memories.remember(ANA, "archivist", Note(text="the blue door is locked"), source)
    await house.app.notes.write(ANA, "archivist", "Be brief.")
    first = await house.run(script("filing", writer), name="archivist")
    snapshot = await taking.take(ANA, first.pid)
    await house.app.memories.remember(ANA, "archivist", Note(text="the red door is new"), source)
    spaces = await house.app.memories.spaces(ANA)
    homes = taking._machines.homes

    def full(*_: object) -> None:
        raise StorageFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(homes, "put", full)
        with pytest.raises(StorageFull):
            await taking.restore(ANA, snapshot.id, Branching())
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "lay_out", full)
        with pytest.raises(StorageFull):
            await taking.restore(ANA, snapshot.id, Branching())
    assert await house.app.memories.spaces(ANA) == spaces
    assert await house.app.notes.of("ana", "archivist (step 5)") == ""
    assert homes.pids() == [first.pid]
    made = await taking.restore(ANA, snapshot.id, Branching(paused=True))
    assert made.process.name == "archivist (step 5)"
    found = await house.app.memories.list(ANA, "archivist (step 5)")
    assert "the blue door is locked" in [each.text for each in found]
    assert await house.app.notes.of("ana", "archivist (step 5)") == "Be brief."


async def test_very_many_memories_are_put_back_in_parts_and_none_is_missing(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captures, "AT_ONCE", 20)
    monkeypatch.setattr(captures, "SOME", 7)
    first = await house.run(script("counting", writer), name="clerk")
    notes = [Note(text=f"case {n} is settled") for n in range(60)]
    await house.app.memories.remember_many(ANA, "clerk", notes, Source("ana", "person"))
    snapshot = await house.app.captures.take(ANA, first.pid)
    await house.app.captures.restore(ANA, snapshot.id, Branching(paused=True, name="successor"))
    then, now = [await house.app.memories.list(ANA, name, limit=1000) for name in ("clerk", "successor")]
    assert len(then) >= 60
    assert sorted(each.text for each in now) == sorted(each.text for each in then)


async def test_what_was_telling_of_the_one_is_not_told_again_by_the_other(house: House, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [call(step, "read_file", path="missing.txt")] if step < 3 else [Text("it is not there")]

    first = await house.run(script("missing", body), name="seeker")
    told = [each.text for each in await house.app.memories.list(ANA, "seeker") if "read_file" in each.text]
    forked = await house.app.captures.fork(ANA, first.pid, 2, Branching(message=EditedMessage("look elsewhere")))
    await house.settled(forked.process.pid)
    assert told
    assert [each.text for each in await house.app.memories.list(ANA, "seeker") if "read_file" in each.text] == told


async def test_unchanged_files_cost_nothing_and_old_snapshots_go(house: House, script: Script) -> None:
    taking = house.app.captures
    first = await house.run(script("growing", writer), limits=Limits(steps=10))
    home = home_of(house, first.pid)
    (home / "large.bin").write_bytes(os.urandom(9_000_000))
    (home / "holes.bin").touch()
    os.truncate(home / "holes.bin", 50_000_000)
    (home / "link").symlink_to("/etc/passwd")
    os.mkfifo(home / "pipe")
    one = await taking.take(ANA, first.pid)
    assert one.new_bytes > 9_000_000
    assert one.size_bytes > 59_000_000
    assert one.left_out == 1
    two = await taking.take(ANA, first.pid)
    assert two.new_bytes == 0
    with (home / "large.bin").open("r+b") as file:
        file.write(b"changed")
    three = await taking.take(ANA, first.pid)
    assert 4_000_000 < three.new_bytes < 4_300_000
    compared = await taking.compare(ANA, one.id, three.id)
    assert (compared.added, compared.removed, compared.changed) == (0, 0, 1)
    assert [each.path for each in compared.files] == ["large.bin"]

    again = (await taking.restore(ANA, one.id, Branching(paused=True))).process
    new = home_of(house, again.pid)
    assert (new / "large.bin").read_bytes()[:7] != b"changed"
    assert (new / "holes.bin").stat().st_size == 50_000_000
    assert (new / "holes.bin").stat().st_blocks == 0
    assert os.readlink(new / "link") == "/etc/passwd"
    assert not (new / "pipe").exists()

    stored = sum(path.stat().st_size for path in taking.folder("ana").rglob("*") if path.is_file())
    await taking.delete(ANA, one.id)
    await taking.delete(ANA, two.id)
    left = sum(path.stat().st_size for path in taking.folder("ana").rglob("*") if path.is_file())
    assert stored - left > 4_000_000
    await taking.restore(ANA, three.id, Branching(paused=True))
    with pytest.raises(SnapshotNotFound):
        await taking.detail(ANA, one.id)
    with pytest.raises(SnapshotNotFound):
        await taking.detail(BOB, three.id)
    events = [record.event for record in await house.app.processes.records(ANA, first.pid, limit=1000)]
    assert [type(event) for event in events if isinstance(event, SnapshotTaken | SnapshotDeleted)] == [
        SnapshotTaken,
        SnapshotTaken,
        SnapshotTaken,
        SnapshotDeleted,
        SnapshotDeleted,
    ]


async def test_damage_on_the_disk_is_told_and_nothing_is_restored(house: House, script: Script) -> None:
    first = await house.run(script("damaged", writer), limits=Limits(steps=10))
    snapshot = await house.app.captures.take(ANA, first.pid)
    folder = house.app.captures.folder("ana") / "objects"
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    homes = sorted(house.app.settings.homes.iterdir())
    processes = await house.app.processes.list(ANA)
    with pytest.raises(BadSnapshot):
        await house.app.captures.restore(ANA, snapshot.id, Branching())
    assert sorted(house.app.settings.homes.iterdir()) == homes
    assert await house.app.processes.list(ANA) == processes


@pytest.fixture
def careful(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, snapshot_before_destructive=True, snapshots_keep=2)


async def test_a_destructive_tool_is_preceded_by_a_snapshot(careful: Settings, ticks: Ticks, script: Script) -> None:
    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if step in (1, 3, 5):
            return [call(step, "put", path=f"{step}.txt", text="here")]
        return [call(step, "wipe")] if step < 8 else [Text("done")]

    async with open_app(careful, plugins=[ticks]) as app:
        house = House(app, ticks)
        first = await house.run(script("destroying", body), mode=Mode.AUTONOMOUS, limits=Limits(steps=20))
        assert first.exit is not None
        assert first.exit.code == 0
        found = await app.snapshots.list(ANA, pid=first.pid)
        assert [each.reason for each in found] == ["destructive", "destructive"]
        assert files(house, first.pid) == []
        saved = next(each for each in found if each.step == 6)
        again = (await app.captures.restore(ANA, saved.id, Branching(paused=True))).process
        assert files(house, again.pid) == ["5.txt"]
        # The call that it was taken before is proposed, not begun.
        events = [record.event for record in await app.processes.records(ANA, again.pid, limit=1000)]
        assert not any(isinstance(event, ToolEnded) and event.call_id == "c6" for event in events)

        def broken(*_: object) -> None:
            raise Conflict("no room")

        app.captures._captured = broken  # type: ignore[assignment, method-assign]
        second = await house.run(script("refused", body), mode=Mode.AUTONOMOUS, limits=Limits(steps=20))
        assert files(house, second.pid) == ["1.txt", "3.txt", "5.txt"]


async def test_what_a_cut_off_server_left_is_swept(settings: Settings, ticks: Ticks, script: Script) -> None:
    model = script("sweeping", writer)
    async with open_app(settings, plugins=[ticks]) as app:
        house = House(app, ticks)
        first = await house.run(model, limits=Limits(steps=10))
        snapshot = await app.captures.take(ANA, first.pid)
        vault = app.captures.folder("ana")
    (vault / "staging" / "half").mkdir()
    (vault / "staging" / "half" / "spool").write_bytes(b"half")
    (vault / "manifests" / "nobodys").write_bytes(b"half")
    (vault / "objects" / "ab").mkdir(exist_ok=True)
    (vault / "objects" / "ab" / ("c" * 62)).write_bytes(b"half")
    orphan = settings.homes / str(first.pid + 1)
    orphan.mkdir()
    (orphan / "strange.txt").write_text("of nobody")
    async with open_app(settings, plugins=[ticks]) as app:
        house = House(app, ticks)
        assert list((vault / "staging").iterdir()) == []
        assert len(list((vault / "manifests").iterdir())) == 1
        assert not (vault / "objects" / "ab" / ("c" * 62)).exists()
        again = (await app.captures.restore(ANA, snapshot.id, Branching(paused=True))).process
        assert files(house, again.pid) == [f"notes/{n}.txt" for n in range(1, 5)]


async def test_a_home_in_its_place_before_its_agent_is_recorded_is_not_taken_for_nobodys(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = await house.run(script("w", writer))
    snapshot = await house.app.captures.take(ANA, done.pid)
    homes, loop = house.app.captures._machines.homes, asyncio.get_running_loop()
    put, removed = homes.put, []

    async def reaper() -> Sequence[int]:
        return await house.app.processes.homes_to_remove(await asyncio.to_thread(homes.pids))

    def look_meanwhile(folder: Path, pid: int) -> None:
        put(folder, pid)
        assert pid in homes.pids()
        removed.extend(asyncio.run_coroutine_threadsafe(reaper(), loop).result(10))

    monkeypatch.setattr(homes, "put", look_meanwhile)
    made = await house.app.captures.restore(ANA, snapshot.id, Branching())
    assert removed == []
    assert files(house, made.process.pid) == files(house, done.pid)


async def test_a_home_of_any_kind_is_filled_no_further_than_it_may(
    settings: Settings, ticks: Ticks, script: Script
) -> None:
    model = script("hoarding", writer)
    async with open_app(settings, plugins=[ticks]) as app:
        first = await House(app, ticks).run(model)
        (app.captures._machines.homes.existing(first.pid) / "large.bin").write_bytes(os.urandom(3_000_000))
        snapshot = await app.captures.take(ANA, first.pid)
    for volumes in ("auto", "never"):
        less = msgspec.structs.replace(settings, home_quota_bytes=2 << 20, home_volumes=volumes)
        async with open_app(less, plugins=[ticks]) as app:
            with pytest.raises(StorageFull, match=r"its home may hold 2,097,152.*home_quota_bytes"):
                await app.captures.restore(ANA, snapshot.id, Branching())
            assert app.captures._machines.homes.pids() == [first.pid]


async def test_what_a_snapshot_that_found_no_room_had_kept_is_room_again(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.run(script("w", writer))
    vault = house.app.captures.folder("ana")

    def full(*_: object) -> None:
        raise StorageFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Vault, "write", full)
        with pytest.raises(StorageFull):
            await house.app.captures.take(ANA, first.pid)
    assert [each for each in vault.rglob("*") if each.is_file() and each.name != "lock"] == []
    assert list((vault / "staging").iterdir()) == []


async def test_snapshots_go_with_what_is_erased(house: House, script: Script) -> None:
    first = await house.run(script("erased", writer), name="secretive", limits=Limits(steps=10))
    other = await house.run(script("staying", writer), name="other", limits=Limits(steps=10))
    await house.app.captures.take(ANA, first.pid)
    kept = await house.app.captures.take(ANA, other.pid)
    vault = house.app.captures.folder("ana")
    holding = await house.app.personal.holding(ANA, "secretive")
    assert holding.counts["snapshots"] == 1
    names = [name async for page in house.app.personal.export(ANA, "secretive") for name, _ in page]
    assert any(name.startswith("snapshots/1-") for name in names)
    await house.app.personal.erase(ANA, "secretive", confirm="secretive")
    assert [each.id for each in await house.app.snapshots.list(ANA)] == [kept.id]
    assert len(list((vault / "manifests").iterdir())) == 1
    await house.app.personal.erase(ANA, "", confirm="ana")
    assert not vault.exists()


@pytest.mark.docker
@pytest.mark.timeout(300)
async def test_a_container_is_frozen_while_its_files_are_copied(
    house: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "docker" not in [kind.name for kind in await house.app.surroundings.sandboxes() if kind.available.ok]:
        pytest.skip("not run: no Docker engine with the image aether-sandbox answers")

    def body(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
        line = "for i in $(seq 400); do echo $i >> tick; cp tick tock; sleep 0.05; done"
        return [call(step, "run_command", command=line)] if step == 1 else [Text("ticked")]

    sandbox = SandboxSpec(kind="docker")
    first = await house.spawn(script("ticking", body), mode=Mode.AUTONOMOUS, sandbox=sandbox)
    tick = home_of(house, first.pid) / "tick"
    async with asyncio.timeout(60):
        while not home_of(house, first.pid).joinpath("tock").exists():
            await asyncio.sleep(0.1)
    seen, spool = [], Vault.spool

    def slowly(self: Vault, home: Path, known: object) -> object:
        seen.append(tick.read_text())
        time.sleep(0.6)
        seen.append(tick.read_text())
        return spool(self, home, known)  # type: ignore[arg-type]

    monkeypatch.setattr(Vault, "spool", slowly)
    monkeypatch.setattr(captures, "PATIENCE_S", 0.1)
    snapshot = await house.app.captures.take(ANA, first.pid)
    assert snapshot.still
    # Nothing moved while it was held, and it goes on afterwards.
    assert seen[0] == seen[1] != ""
    async with asyncio.timeout(20):
        while tick.read_text() == seen[1]:
            await asyncio.sleep(0.1)
    await house.app.processes.signal(ANA, first.pid, Signal.KILL)
