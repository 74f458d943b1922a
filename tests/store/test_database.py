"""The writer: groups, savepoints, errors; the migrations; the reader's snapshot."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text

from aether_jupyter.kernel.memories import Memories
from aether_jupyter.model.access import Principal
from aether_jupyter.model.errors import Conflict, StorageBusy, StorageFull
from aether_jupyter.model.memory import memory_name
from aether_jupyter.store import tables
from aether_jupyter.store.database import Database, Transaction, instance_id
from aether_jupyter.store.migrate import upgrade


def put(key: str, value: str = "v"):
    def body(tx: Transaction) -> str:
        tx.run(text("INSERT INTO meta VALUES (:k, :v)"), {"k": key, "v": value})
        return key

    return body


async def keys(database: Database) -> set[str]:
    return {row[0] for row in await database.fetch(text("SELECT key FROM meta"))}  # type: ignore[arg-type]


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db") as database:
        assert await database.write(put("one")) == "one"
        name = await instance_id(database)
    async with Database.open(tmp_path / "a.db") as database:
        assert "one" in await keys(database)
        assert await instance_id(database) == name


async def test_a_body_that_raises_undoes_only_itself(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db") as database:

        def half(tx: Transaction) -> None:
            put("half")(tx)
            raise ValueError("no")

        results = await asyncio.gather(
            database.write(put("a")), database.write(half), database.write(put("b")), return_exceptions=True
        )
        assert isinstance(results[1], ValueError)
        assert {"a", "b"} <= await keys(database)
        assert "half" not in await keys(database)


async def test_many_writers_share_their_commits(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db") as database:
        await asyncio.gather(*(database.write(put(str(i))) for i in range(500)))
        assert len(await keys(database)) == 501


async def test_a_locked_database_is_said_so_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aether_jupyter.store.database.BUSY_MS", 200)
    async with Database.open(tmp_path / "a.db") as database:
        await database.write(put("first"))
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        loop = asyncio.get_running_loop()
        began = loop.time()
        late = 0.0
        task = asyncio.create_task(database.write(put("second")))
        while not task.done():
            before = loop.time()
            await asyncio.sleep(0.01)
            late = max(late, loop.time() - before - 0.01)
        with pytest.raises(StorageBusy, match="Another program"):
            await task
        assert loop.time() - began < 5
        assert late < 0.1
        other.execute("COMMIT")
        other.close()
        await database.write(put("second"))
        assert {"first", "second"} <= await keys(database)


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db"):
        pass
    with sqlite3.connect(tmp_path / "a.db") as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    plain.close()
    with pytest.raises(Conflict, match="newer version"):
        async with Database.open(tmp_path / "a.db"):
            pass


async def test_the_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db"):
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        # The full text and what SQLite keeps beside it belong to no table of ours.
        ours = {"compare_type": False, "include_name": lambda name, *_: not (name or "").startswith("memory_text")}
        differences = compare_metadata(MigrationContext.configure(connection, opts=ours), tables.metadata)
    engine.dispose()
    assert differences == []


async def test_memories_of_an_earlier_version_can_be_sorted_and_filtered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {
        "id": 0, "owner": "ana", "agent": "clerk", "layer": "social", "text": "Marta drinks tea.", "importance": 0.8,
        "source": {"by": "agent:7", "kind": "agent", "pid": 7}, "tags": ["tea"], "created_at": 5.0, "used_at": 6.0,
    }  # fmt: skip
    with monkeypatch.context() as earlier:
        earlier.setattr("aether_jupyter.store.migrate.HEAD", "0003")
        upgrade(tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as plain:
        plain.execute("INSERT INTO memory_space (id, owner, agent, vectors) VALUES (1, 'ana', 'clerk', 0)")
        plain.execute(
            "INSERT INTO memory (space, layer, forgotten, created_at, vitality, model, body) "
            "VALUES (1, 'social', 0, 5.0, 1.0, '', ?)",
            (json.dumps(body).encode(),),
        )
    plain.close()
    async with Database.open(tmp_path / "a.db") as database:
        memories, ana = Memories(database, None, 100), Principal.person("ana")
        for asked in ({"sort": "importance"}, {"sort": "used"}, {"tags": ("tea",)}, {"kinds": ("agent",)}):
            (memory,) = (await memories.page(ana, "clerk", **asked)).memories
            assert (memory.text, memory.id) == ("Marta drinks tea.", 1)
        assert (await memories.page(ana, "clerk", kinds=("person",))).memories == []
        m = tables.memory.c
        (row,) = await database.fetch(select(m.importance, m.used_at))
        assert tuple(row) == (0.8, 6.0)


async def test_two_servers_open_one_new_file_at_once(tmp_path: Path) -> None:
    async def one(name: str) -> None:
        async with Database.open(tmp_path / "a.db") as database:
            await database.write(put(name))

    await asyncio.gather(one("a"), one("b"))
    async with Database.open(tmp_path / "a.db") as database:
        assert {"a", "b"} <= await keys(database)


async def test_a_full_disk_is_told_to_every_caller_of_the_group_and_the_writer_goes_on(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db") as database:
        pages = await database.write(lambda tx: tx.one(text("PRAGMA page_count"))[0])
        await database.write(lambda tx: tx.run(text(f"PRAGMA max_page_count = {pages + 2}")).scalar())

        def missing(tx: Transaction) -> None:
            raise KeyError("mine")

        results = await asyncio.gather(
            database.write(put("small")),
            database.write(missing),
            database.write(put("big", "v" * 100_000)),
            database.write(put("after")),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [StorageFull, KeyError, StorageFull, StorageFull]
        assert await keys(database) == {"instance"}
        await database.write(lambda tx: tx.run(text("PRAGMA max_page_count = 1000000")).scalar())
        await database.write(put("small"))
        assert "small" in await keys(database)


async def test_whatever_happens_to_one_group_the_next_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database.open(tmp_path / "a.db") as database:

        def broken(*_: object) -> None:
            raise RuntimeError("the driver is lost")

        with monkeypatch.context() as patched:
            patched.setattr(database, "_group", broken)
            with pytest.raises(RuntimeError, match="driver"):
                await asyncio.wait_for(database.write(put("one")), 5)
        await asyncio.wait_for(database.write(put("two")), 5)
        assert await keys(database) == {"instance", "two"}


async def test_a_database_that_cannot_be_written_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("aether_jupyter.store.database._engine", refuse)
    monkeypatch.setattr("aether_jupyter.store.database.BUSY_MS", 100)
    with pytest.raises(StorageBusy):
        async with Database.open(tmp_path / "a.db"):
            pass


async def test_what_was_deleted_is_in_no_file_after_rewriting_which_waits_for_readers(tmp_path: Path) -> None:
    def bytes_of_all() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    async with Database.open(tmp_path / "a.db") as database:
        await database.write(put("one", "a secret of old"))
        await database.write(lambda tx: tx.run(text("DELETE FROM meta WHERE key = 'one'")))
        assert b"a secret of old" in bytes_of_all()
        async with database.reader() as connection:
            await connection.execute(text("SELECT * FROM meta"))
            rewriting = asyncio.ensure_future(database.rewrite())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(rewriting), 0.5)
        await rewriting
        assert b"a secret of old" not in bytes_of_all()


async def test_rewriting_says_that_a_reader_never_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aether_jupyter.store.database.READERS_MS", 100)
    async with Database.open(tmp_path / "a.db") as database, database.reader() as connection:
        await connection.execute(text("SELECT * FROM meta"))
        with pytest.raises(StorageBusy, match="could not be emptied"):
            await database.rewrite()
        await database.write(put("one"))


async def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch(mode=0o644)
    async with Database.open(tmp_path / "a.db") as database:
        await database.write(put("one"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes["a.db"] == modes["a.db-wal"] == 0o600


async def test_runs_that_ended_before_there_were_profiles_have_their_place_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(code: int, reason: str, **more: object) -> bytes:
        return json.dumps({"exit": {"code": code, "reason": reason}, "ended_at": 7.0, "step": 2, **more}).encode()

    with monkeypatch.context() as earlier:
        earlier.setattr("aether_jupyter.store.migrate.HEAD", "0007")
        upgrade(tmp_path / "a.db")
    rows = [
        (1, "boss", None, "ZOMBIE", body(0, "completed", input_tokens=40, output_tokens=2, cost_usd=0.5, run_s=3.0)),
        (2, "a › b", 1, "ZOMBIE", body(1, "failed")),
        (3, "c", 2, "ZOMBIE", body(137, "killed")),
        (4, "boss", None, "READY", b"{}"),
    ]
    with sqlite3.connect(tmp_path / "a.db") as plain:
        plain.executemany(
            "INSERT INTO process (pid, owner, name, parent, state, epoch, ready_at, head, reserved_usd, reaped, body, "
            "spec) VALUES (?, 'ana', ?, ?, ?, 0, 0.0, 1, 0.0, 0, ?, '{}')",
            rows,
        )
    plain.close()
    async with Database.open(tmp_path / "a.db") as database:
        found = await database.fetch(select(tables.outcome).order_by(tables.outcome.c.pid))
    assert [(row.pid, row.agent, row.succeeded, row.tainted) for row in found] == [
        (1, "boss", True, False),
        (2, memory_name("a › b", ("boss",)), False, True),
        (3, memory_name("c", ("a › b", "boss")), None, True),
    ]
    assert (found[0].tokens, found[0].cost_usd, found[0].run_s, found[0].steps) == (42, 0.5, 3.0, 2)
