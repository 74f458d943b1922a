"""A full disk, a locked database, a reader that does not read, and an event loop that must stay awake."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.errors import StorageBusy, StorageFull
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.providers.scripted import register
from tests.bench.ours import BenchTools

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

PERSON = Principal.person("ada")
STEPS = 30


def _noting(answers: int, _: Sequence[Turn]) -> Sequence[Part]:
    if answers < STEPS:
        return (ToolCall("", "note", {"text": f"{answers} {'x' * 400}"}, ""),)
    return (Text("Noted."),)


register("noting", _noting, pace_s=0.02)
NOTING = AgentSpec(goal="Take notes.", model="scripted:noting", tools=("note",), limits=Limits(steps=1000))


@asynccontextmanager
async def _app(home: Path) -> AsyncIterator[App]:
    async with open_app(Settings(home=home, lease_s=30.0), plugins=[BenchTools()]) as app:
        yield app


async def _end(app: App, pid: int, timeout_s: float = 60) -> None:
    process = await app.processes.wait(PERSON, pid, timeout_s=timeout_s)
    assert process.exit is not None, f"{process.state}: {process.wait}"
    assert process.exit.code == 0, process.exit.message


async def _spawn_many(app: App, count: int) -> None:
    for _ in range(count):
        await app.processes.spawn(PERSON, NOTING)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 2 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_is_told_and_agents_go_on_when_there_is_room(small_disk: Path) -> None:
    async with _app(small_disk / "home") as app:
        first = await app.processes.spawn(PERSON, NOTING)
        with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"\0" * 4096)
        # Pages of the write-ahead log that are there already take a few more rows.
        with pytest.raises(StorageFull, match="full"):
            await _spawn_many(app, 200)
        before = await app.processes.get(PERSON, first.pid)
        assert before.exit is None, "it ended before the disk was full: nothing was shown"
        (small_disk / "ballast").unlink()
        await _end(app, first.pid)


async def test_a_locked_database_is_told_and_agents_go_on_after_it(tmp_path: Path) -> None:
    async with _app(tmp_path / "home") as app:
        running = await app.processes.spawn(PERSON, NOTING)
        with contextlib.closing(sqlite3.connect(app.settings.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageBusy, match="holds the database"):
                await app.processes.spawn(PERSON, NOTING)
            # What is only read is still to be had.
            assert [p.pid for p in await app.processes.list(PERSON)] == [running.pid]
            other.execute("ROLLBACK")
        await _end(app, running.pid)


async def test_a_reader_that_does_not_read_costs_nothing_and_gets_a_snapshot(tmp_path: Path) -> None:
    async with _app(tmp_path / "home") as app:
        slow = app.feed.follow(PERSON, cursor=None, watch=set())
        assert b"snapshot" in await anext(slow)
        pids = [(await app.processes.spawn(PERSON, NOTING)).pid for _ in range(60)]
        for pid in pids:
            await _end(app, pid)
        frame = await anext(slow)
        assert frame.startswith(b'{"snapshot"'), "6,000 records late, it starts again from what is true now"
        processes = msgspec.json.decode(frame)["snapshot"]["processes"]
        assert {processes[str(pid)]["state"] for pid in pids} == {"ZOMBIE"}
        await slow.aclose()  # type: ignore[attr-defined]


@pytest.mark.crash
async def test_the_event_loop_never_stalls_with_fifty_agents(tmp_path: Path) -> None:
    """Longest time between two turns of the loop; the CPU time of this thread tells ours from other programs' load."""
    # What other tests of this process left must not make each collection of garbage a long one.
    gc.collect()
    gc.freeze()
    async with _app(tmp_path / "home") as app:
        # First use imports libraries; that happens on threads, and is not measured as if it were a step.
        await _end(app, (await app.processes.spawn(PERSON, NOTING)).pid)
        stalls: list[tuple[float, float]] = []

        async def watch() -> None:
            while True:
                wall, cpu = time.perf_counter(), time.thread_time()
                await asyncio.sleep(0.005)
                stalls.append((time.thread_time() - cpu, time.perf_counter() - wall))

        watcher = asyncio.create_task(watch())
        pids = [(await app.processes.spawn(PERSON, NOTING)).pid for _ in range(50)]
        for pid in pids:
            await _end(app, pid)
        watcher.cancel()
    assert max(cpu for cpu, _ in stalls) < 0.1
    stalls.sort(key=lambda each: each[1])
    assert stalls[int(len(stalls) * 0.99)][1] < 0.1
