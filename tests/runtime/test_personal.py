"""All that is kept about a person or an agent: taken away whole, and erased so that no byte of it is left."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from aether_jupyter.api.archives import packed
from aether_jupyter.kernel.erasure import _without
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden, StorageFull
from aether_jupyter.model.events import MessageSent, PlanChanged
from aether_jupyter.model.memory import Change, Note
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.plan import Plan, PlanStep, StepStatus
from aether_jupyter.model.process import Signal
from aether_jupyter.store import holdings, tables
from aether_jupyter.store.database import Transaction

from .conftest import ANA, House

BOB = Principal.person("bob")
Play = Callable[[int, Sequence[Turn]], Sequence[Part]]
Script = Callable[[str, Play], str]
WORDS = ("zanzibar", "quetzal", "marzipan", "okapi", "ypsilanti", "kumquat")


def plays(*calls: tuple[str, dict[str, object]], last: str = "Done.") -> Play:
    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall("", *calls[n])] if n < len(calls) else [Text(last)]

    return play


def left(home: Path, words: Iterable[str]) -> list[tuple[str, str]]:
    """Where in the files below the home one of the words is still to be read, as the bytes lie on the disk."""
    found = []
    for path in sorted(home.rglob("*")):
        if path.is_file():
            data = bytes_of(path).lower()
            found += [(word, path.name) for word in words if word.encode() in data]
    return found


def bytes_of(path: Path) -> bytes:
    """What a file holds without its holes: a volume is mostly holes."""
    with path.open("rb") as file:
        data, at, size = b"", 0, path.stat().st_size
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            data += os.pread(file.fileno(), at - start, start)
    return data


def write(house: House, body: Callable[[Any], Any]) -> Any:
    return house.app.processes._database.write(body)


async def plant(house: House, script: Script, who: Principal, name: str, words: Sequence[str]) -> int:
    """An agent with words in its goal, file, memory, answer, messages, notes and rules."""
    goal, file, memory, answer, notes, message = words
    model = script(
        f"plant-{name}-{who.name}",
        plays(
            ("write_file", {"path": "a.txt", "content": f"about the {file}"}),
            ("remember", {"text": f"The {memory} is in the cellar.", "tags": [memory]}),
            ("recall", {"query": memory}),
            last=f"I saw the {answer}.",
        ),
    )
    await house.app.notes.write(who, name, f"Mind the {notes}.")
    await house.app.notes.write(who, name, f"Mind the {notes}, always.")
    process = await house.app.processes.spawn(who, AgentSpec(goal=f"Find the {goal}", model=model, name=name))
    await house.app.processes.send(who, process.pid, f"Look for the {message}.")
    done = await house.settled(process.pid, who)
    assert done.exit is not None
    assert done.exit.code == 0, done.exit
    [kept] = [each for each in await house.app.memories.list(who, name) if memory in each.text]
    await house.app.memories.edit(who, kept.id, Change(text=f"The {memory} is in the attic."))
    gone = await house.app.memories.remember(who, name, Note(text=f"A second {memory} flew away."))
    await house.app.memories.forget(who, (gone.id,))
    return process.pid


@pytest.fixture
def home(house: House) -> Path:
    return house.app.surroundings._settings.home


async def test_no_byte_of_a_person_is_left(house: House, script: Script, home: Path) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    bobs = await plant(house, script, BOB, "clerk", [f"{word}s-of-bob" for word in ("a", "b", "c", "d", "e", "f")])
    folder = house.app.surroundings._machines.workspaces(ANA.owner, ["data"])["data"]
    (folder / "x.txt").write_text("okapi")
    bob_before = await house.app.personal.holding(BOB, "")
    for _ in range(3):
        # As time goes by, older states of rows lie in free pages.
        await house.app.memories.remember_many(ANA, "clerk", [Note(text=f"okapi number {n}") for n in range(300)])
    await house.app.memories.forget(ANA, [m.id for m in await house.app.memories.list(ANA, "clerk", limit=500)])
    assert {word for word, _ in left(home, WORDS)} == set(WORDS)
    seen = await house.app.feed.snapshot(ANA)
    assert pid in seen.processes

    report = await house.app.personal.erase(ANA, "", confirm="ana")
    assert report.erased
    assert report.counts["agents"] == 1
    assert report.counts["memories"] >= 902
    assert report.counts["versions of MEMORY.md"] == 2
    assert report.files >= 2
    assert any("log of the Jupyter server" in each for each in report.stays)
    # The stem is what the full text keeps.
    assert left(home, [*WORDS, "zanzibar", "ypsilanti", "marzipan", '"ana"', "of-ana"]) == []
    assert not folder.exists()
    assert not (home / "homes" / str(pid)).exists()

    after = await house.app.feed.snapshot(ANA)
    assert after.processes == {}
    with pytest.raises(Exception, match="No process"):
        await house.app.processes.get(ANA, pid)
    assert (await house.app.memories.recall(ANA, "clerk", "okapi")).found == []
    assert (await house.app.personal.holding(ANA, "")).counts == {}
    now = await house.app.personal.holding(BOB, "")
    # Vectors are reckoned in the background.
    assert now.counts | {"vectors": 0} == bob_before.counts | {"vectors": 0}
    assert (await house.app.processes.get(BOB, bobs)).name == "clerk"

    # The house goes on: numbers of records are not given twice, and the person may begin anew.
    again = await plant(house, script, ANA, "clerk", WORDS)
    assert again > bobs
    assert (await house.app.feed.snapshot(ANA)).cursor > seen.cursor


async def test_connected_screens_see_them_go(house: House, script: Script) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    frames: list[bytes] = []
    cursor = (await house.app.feed.snapshot(ANA)).cursor

    async def watch() -> None:
        async for frame in house.app.feed.follow(ANA, cursor=cursor, watch=set()):
            print(frame)
            frames.append(frame)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    await house.app.personal.erase(ANA, "", confirm="ana")
    watching.cancel()
    records = [record for frame in frames for record in json.loads(frame).get("records", [])]
    assert [(each["pid"], each["event"]["type"]) for each in records] == [(pid, "process.erased")]
    # One that was away begins with a snapshot, for the journal no longer tells it what went.
    feed = house.app.feed.follow(ANA, cursor=cursor, watch=set())
    first = json.loads(await anext(feed))
    assert first["snapshot"]["processes"] == {}
    await feed.aclose()  # type: ignore[attr-defined]
    assert b"zanzibar" not in b"".join(entry.raw for entry in house.app.feed._journal._tail)


async def test_an_agent_goes_with_those_below_it_and_others_keep_no_words_of_it(
    house: House, script: Script, home: Path
) -> None:
    child = script("child", plays(("remember", {"text": "The quetzal sings."}), last="The quetzal sang marzipan."))
    parent = script(
        "parent",
        plays(
            ("spawn_agent", {"goal": "zanzibar", "name": "scout", "model": child}),
            ("wait_agent", {"pid": 2}),
            last="It is done.",
        ),
    )
    boss = await house.run(parent, name="boss", tools=("spawn_agent", "wait_agent"), mode="autonomous")
    assert boss.exit is not None
    assert boss.exit.code == 0
    await house.app.memories.remember(ANA, "boss", Note(text="The okapi is boss."))
    other = await house.run(script("other", plays(last="kumquat")), name="other")
    await house.app.memories.grant(ANA, "boss › scout", "other")
    reader = script("reader", plays(("recall", {"query": "who sings"}), last="I know."))
    await house.run(reader, name="other")
    assert {word for word, _ in left(home, ("quetzal", "marzipan"))} == {"quetzal", "marzipan"}

    with pytest.raises(BadRequest, match="nothing is kept"):
        await house.app.personal.holding(ANA, "scout")
    report = await house.app.personal.erase(ANA, "boss › scout", confirm="boss › scout")
    assert report.counts["agents"] == 1
    assert left(home, ("quetzal", "marzipan")) == []
    assert (await house.app.processes.get(ANA, boss.pid)).voice is not None
    kept = json.dumps([str(r.event) for r in await house.app.processes.records(ANA, boss.pid, limit=1000)])
    assert "(erased)" in kept
    assert "okapi" in {word for word, _ in left(home, ("okapi", "kumquat"))}
    assert (await house.app.processes.get(ANA, other.pid)).exit is not None
    assert "boss › scout" not in [space.agent for space in await house.app.memories.spaces(ANA)]


async def test_no_byte_of_an_agent_is_left(house: House, script: Script, home: Path) -> None:
    await plant(house, script, ANA, "clerk", WORDS)
    others = [f"{word}s-of-the-other" for word in ("a", "b", "c", "d", "e", "f")]
    await plant(house, script, ANA, "other", others)
    report = await house.app.personal.erase(ANA, "clerk", confirm="clerk")
    # MEMORY.md is part of the standing instructions, which are kept by their digest for all agents.
    assert left(home, WORDS) == []
    assert {word for word, _ in left(home, others)} == set(others)
    assert report.counts["versions of MEMORY.md"] == 2
    system = tables.text
    assert len(await house.app.processes._database.fetch(select(system.c.digest))) == 2


async def test_what_runs_is_killed_only_by_force(house: House, script: Script, home: Path) -> None:
    asks = script("asks", plays(("ask_person", {"question": "Where is the zanzibar?"})))
    process = await house.spawn(asks, name="clerk")
    await house.settled(process.pid)
    with pytest.raises(Conflict, match="have not ended") as told:
        await house.app.personal.erase(ANA, "clerk", confirm="clerk")
    assert told.value.details["running"] == [process.pid]
    assert (await house.app.approvals.list(ANA))[0].question == "Where is the zanzibar?"
    report = await house.app.personal.erase(ANA, "clerk", confirm="clerk", force=True)
    assert report.counts["approvals"] == 1
    assert left(home, ("zanzibar",)) == []
    assert (await house.app.feed.snapshot(ANA)).approvals == {}


async def test_only_the_person_and_only_with_the_word(house: House, script: Script) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    for agent, confirm in (("", ""), ("", "clerk"), ("clerk", "ana"), ("clerk", "clerk ")):
        with pytest.raises(BadRequest, match="confirm"):
            await house.app.personal.erase(ANA, agent, confirm=confirm)
    with pytest.raises(Forbidden):
        await house.app.personal.erase(Principal.agent(pid, "ana"), "", confirm=f"agent:{pid}")
    with pytest.raises(Forbidden):
        await house.app.personal.holding(Principal.agent(pid, "ana"), "")
    assert (await house.app.personal.holding(BOB, "")).counts == {}
    assert (await house.app.personal.erase(BOB, "", confirm="bob")).counts == {}
    assert (await house.app.processes.get(ANA, pid)).pid == pid


async def test_sums_of_money_stay_without_names(house: House, script: Script) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    usage = tables.usage
    row = {"owner": "ana", "day": "2020-01-01", "pid": pid, "model": "m", "name": "clerk", "calls": 2}
    tokens = {"input_tokens": 5, "output_tokens": 7, "cost_usd": 1.5}
    await write(house, lambda tx: tx.run(insert(usage), row | tokens))
    await house.app.personal.erase(ANA, "clerk", confirm="clerk")
    rows = {each.day: each for each in await house.app.budgets.usage(ANA, days=3650)}
    old = rows["2020-01-01"]
    assert (old.pid, old.model, old.name, old.calls, old.cost_usd) == (0, "", "", 2, 1.5)
    await house.app.personal.erase(ANA, "", confirm="ana")
    assert await house.app.budgets.usage(ANA, days=3650) == []
    rest = await house.app.processes._database.fetch(select(usage).where(usage.c.day == "2020-01-01"))
    assert [(each.owner, each.calls, each.cost_usd) for each in rest] == [("", 2, 1.5)]


async def test_what_a_consolidation_cost_loses_the_name_of_its_agent(house: House) -> None:
    usage = tables.usage
    row = {"owner": ANA.owner, "day": "2020-01-01", "pid": 0, "model": "x:cheap", "name": "secretary"}
    tokens = {"calls": 1, "input_tokens": 5, "output_tokens": 6, "cost_usd": 0.5}
    await write(house, lambda tx: tx.run(insert(usage), row | tokens))
    await house.app.memories.remember(ANA, "secretary", Note(text="The pot is red."))
    await house.app.personal.erase(ANA, "secretary", confirm="secretary")
    rows = await house.app.processes._database.fetch(select(usage).where(usage.c.day == "2020-01-01"))
    assert [(each.model, each.name, each.cost_usd) for each in rows] == [("", "", 0.5)]


async def test_an_export_holds_all_of_it_and_nothing_of_others(house: House, script: Script) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    await plant(house, script, BOB, "clerk", [f"{word}s-of-bob" for word in ("a", "b", "c", "d", "e", "f")])
    content = b"".join([piece async for piece in packed(house.app.personal.export(ANA, ""))])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    whole = b"".join(files.values())
    assert all(word.encode() in whole for word in WORDS)
    assert b"of-bob" not in whole
    report = json.loads(files["report.json"])
    assert (report["owner"], report["erased"], report["counts"]["agents"]) == ("ana", False, 1)
    lines = [json.loads(row) for row in files["tables/event.jsonl"].splitlines()]
    assert [each["n"] for each in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["body"]["type"] == "process.spawned"
    assert len(lines) == report["counts"]["journal lines"]
    assert files[f"homes/{pid}/a.txt"] == b"about the quetzal"
    [memory] = [name for name in files if name.startswith("memories/") and name.endswith("attic.md")]
    assert b"The marzipan is in the attic." in files[memory]
    assert any(name.endswith("/MEMORY.md") for name in files)
    part = b"".join([piece async for piece in packed(house.app.personal.export(ANA, "clerk"))])
    with zipfile.ZipFile(io.BytesIO(part)) as archive:
        assert f"homes/{pid}/a.txt" in archive.namelist()


async def test_a_cut_off_erasure_is_finished_when_a_server_begins(house: House, script: Script, home: Path) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    erasure = house.app.personal._erasure
    whose = await erasure.whose(ANA, "")
    await erasure._mark(ANA, whose)
    await erasure._bury(ANA, "ana", (pid,), frozenset({pid}))
    await house.app.personal._machines.homes.remove(pid)
    assert ("ana", "aether.db") in [(w, n.removesuffix("-wal")) for w, n in left(home, ("ana",))]
    await erasure.finish()
    await house.app.personal.erase(ANA, "", confirm="ana")
    assert whose.whole
    assert left(home, [*WORDS, '"ana"']) == []
    with sqlite3.connect(home / "aether.db") as plain:
        assert plain.execute("SELECT count(*) FROM meta WHERE key = 'erasing'").fetchone() == (0,)
        assert plain.execute("PRAGMA freelist_count").fetchone() == (0,)


async def test_a_record_of_the_same_group_is_blanked_and_breaks_nothing(house: House, script: Script) -> None:
    pid = await plant(house, script, ANA, "clerk", WORDS)
    asks = script("asks", plays(("ask_person", {"question": "Where?"}), last="Well."))
    other = await house.spawn(asks, name="other")
    await house.settled(other.pid)
    erasure, processes = house.app.personal._erasure, house.app.processes
    await processes._database.write(
        lambda tx: processes.append(
            tx, processes.row(tx, other.pid), "x", (MessageSent(text="a zanzibar", sender=f"agent:{pid}", id="1"),)
        )
    )
    bodies = [
        (row.seq, row.body)
        for row in await processes._database.fetch(select(tables.event).where(tables.event.c.pid == other.pid))
        if b"zanzibar" in row.body
    ]

    def late(tx: Any) -> None:
        message = MessageSent(text="a quetzal", sender=f"agent:{pid}", id="2")
        processes.append(tx, processes.row(tx, other.pid), "x", (message,))

    def both(tx: Any) -> None:
        # The two bodies of one group, by hand: what the first appended is not in the table yet.
        first = Transaction(tx.connection, tx.now)
        late(first)
        second = Transaction(tx.connection, tx.now, waiting=first.appended)
        body = type(erasure)._rewrite.__wrapped__  # type: ignore[attr-defined]
        body(erasure, second, ANA, other.pid, bodies, frozenset({pid}), set())
        tx.appended += first.appended

    await processes._database.write(both)
    head = (await processes.get(ANA, other.pid)).head
    records = await processes.records(ANA, other.pid, limit=1000)
    assert records[-1].n == head
    assert "quetzal" not in str(records[-1].event)
    # The next one does not take a number again.
    await processes.send(ANA, other.pid, "Go on.")
    await processes.signal(ANA, other.pid, Signal.KILL)


async def test_only_a_file_that_is_not_rewritten_is_told_as_done(
    house: House, script: Script, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(house, script, ANA, "clerk", WORDS)
    erasure = house.app.personal._erasure

    async def full(*args: object) -> None:
        raise StorageFull("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_sweep", full)
        with pytest.raises(StorageFull):
            await house.app.personal.erase(ANA, "clerk", confirm="clerk")
    await house.app.memories.remember(ANA, "clerk", Note(text="The okapi again."))
    with monkeypatch.context() as patch:
        patch.setattr(erasure._database, "rewrite", full)
        report = await house.app.personal.erase(ANA, "clerk", confirm="clerk")
        assert any("could not be written anew: The disk is full." in each for each in report.stays)
        # A server opens nevertheless.
        await erasure.finish()
    assert left(home, ("okapi",)) != []
    await erasure.finish()
    assert left(home, WORDS) == []
    with sqlite3.connect(home / "aether.db") as plain:
        assert plain.execute("SELECT count(*) FROM meta WHERE key = 'erasing'").fetchone() == (0,)


async def test_none_below_an_erased_agent_is_left_behind(house: House, script: Script) -> None:
    model = script("short", plays(last="Done."))
    boss = await house.run(model, name="b" * 50)
    child = await house.run(model, name="c" * 50)
    database = house.app.processes._database
    p = tables.process
    await write(house, lambda tx: tx.run(update(p).where(p.c.pid == child.pid).values(parent=boss.pid)))
    erasure = house.app.personal._erasure
    # The child's name is cut, so it does not begin with that of the agent above.
    assert (await erasure.whose(ANA, "b" * 50)).pids == (boss.pid, child.pid)
    with pytest.raises(Conflict, match="below one that is erased"):
        await erasure._bury(ANA, "ana", (boss.pid,), frozenset({boss.pid}))
    names = house.app.processes._names_from
    assert await database.write(lambda tx: names(tx, child.pid)) == ("c" * 50, "b" * 50)
    await write(house, lambda tx: tx.run(update(p).where(p.c.pid == child.pid).values(parent=10_000)))
    assert await database.write(lambda tx: names(tx, child.pid)) == ("c" * 50,)


def test_a_plan_does_not_say_why_an_erased_agent_failed() -> None:
    blocked = PlanStep("Look", StepStatus.BLOCKED, pid=2, why="agent 2 ended with 1: zanzibar")
    own = PlanStep("Write", StepStatus.BLOCKED, pid=3, why="no paper")
    event = PlanChanged(Plan((PlanStep("All", steps=(blocked, own)),)), "agent:2")
    new = _without(event, frozenset({2}), set())
    assert isinstance(new, PlanChanged)
    assert [step.why for _, step in new.plan.walk()] == ["", "(erased)", "no paper"]
    assert _without(event, frozenset({4}), set()) is event


def test_every_table_is_erased_or_is_about_nobody() -> None:
    for whole in (True, False):
        whose = holdings.Whose("ana", whole, ("clerk",), (1,), (1,))
        for table in tables.metadata.sorted_tables:
            if table.name not in holdings.NOBODY:
                # Raises for a table whose rows belong to nobody it knows.
                assert holdings.rows_of(table, whose) is not None
    assert {"worker", "meta"} == holdings.NOBODY
    told = {table.name: holdings.called(table) for table in holdings.tables_of_people()}
    assert len(set(told.values())) == len(told)
