"""A server that is killed again and again with a hundred agents in flight, and two servers on one home."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bench.model_server import model_server

from .fleet import Server, faults, read_marks, resume_s

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

KILLS = 50
AGENTS = 100
SEED = 20_261
MODELS = ("bench-12-50ms-once", "bench-12-50ms-again")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_server() as base:
        yield base


def _accepted(server: Server) -> set[int]:
    return {answer["accepted"] for answer in server.said if "accepted" in answer}


def _report(server: Server) -> list[dict[str, object]]:
    before = len(server.said)
    server.order("report")
    server.until("reported", 120)
    return server.said[before:]


def _rows(home: Path, statement: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(home / "aether.db", timeout=10)) as connection:
        return connection.execute(statement).fetchall()


def _held(home: Path, server: int) -> dict[int, int]:
    """Epochs by PID of the agents that the server with this process number runs."""
    workers = {row[0] for row in _rows(home, "SELECT id, about FROM worker") if json.loads(row[1])["process"] == server}
    rows = _rows(home, "SELECT pid, epoch, worker FROM process WHERE state = 'RUNNING'")
    return {pid: epoch for pid, epoch, worker in rows if worker in workers}


def _moved(home: Path, orphans: dict[int, int]) -> bool:
    now = {pid: (epoch, state) for pid, epoch, state in _rows(home, "SELECT pid, epoch, state FROM process")}
    return all(now[pid][0] > epoch and now[pid][1] != "READY" for pid, epoch in orphans.items())


def _freeze(server: Server, home: Path) -> None:
    """Stop it, but not in the middle of a write: then it keeps SQLite's lock, and all others wait until it goes on."""
    for _ in range(100):
        server.signal(signal.SIGSTOP)
        while psutil.Process(server.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        with contextlib.closing(sqlite3.connect(home / "aether.db", timeout=0.1)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                server.signal(signal.SIGCONT)
                time.sleep(0.01)
            else:
                return
    pytest.fail("it writes all the time")


def test_fifty_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, url: str) -> None:
    chance = random.Random(SEED)
    home, marks = tmp_path / "home", tmp_path / "marks"
    accepted: set[int] = set()
    for kill in range(KILLS):
        server = Server(home, url, marks)
        server.until("ready")
        # Some kills come while agents are accepted, some while the last server's are waited for, most in the work.
        server.order(f"fill {AGENTS // 2} {MODELS[kill % 2]}")
        server.order(f"fill {AGENTS} {MODELS[(kill + 1) % 2]}")
        time.sleep(chance.choice((0.02, 0.2, 0.6, 1.0, 2.3)) * chance.uniform(0.5, 1.5))
        server.kill()
        server.rest()
        accepted |= _accepted(server)
    last = Server(home, url, marks)
    last.until("ready")
    last.order("idle")
    last.until("idle", 120)
    report = _report(last)
    last.stop()
    assert len(accepted) >= AGENTS
    assert faults(report, accepted, read_marks(marks)) == []
    interrupted = sum(
        event.get("outcome", {}).get("error") == "tool_interrupted"
        for agent in report
        for event in agent.get("events", ())  # type: ignore[attr-defined]
    )
    assert interrupted > 0, "no kill met a call that must not be repeated: the test has lost its teeth"


def test_a_hundred_agents_work_again_within_five_seconds() -> None:
    assert resume_s(AGENTS) < 5


def test_two_servers_share_the_agents_and_none_runs_twice(tmp_path: Path, url: str) -> None:
    home, marks = tmp_path / "home", tmp_path / "marks"
    # The first has slots for 90 of 120, so the second has its share however quick the first is to claim.
    one = Server(home, url, marks, slots=90)
    one.until("ready")
    one.order("fill 60 bench-200-50ms-once")
    one.until("filled")
    two = Server(home, url, marks)
    two.until("ready")
    two.order("fill 120 bench-200-50ms-once")
    two.until("filled")
    deadline = time.monotonic() + 30
    while not (_held(home, one.pid) and len(_held(home, two.pid)) >= 30):
        assert time.monotonic() < deadline, "the agents are not shared"
        time.sleep(0.05)
    orphans = _held(home, one.pid)
    assert orphans
    one.kill()
    killed_at = time.monotonic()
    while not _moved(home, orphans) and time.monotonic() - killed_at < 20:
        time.sleep(0.05)
    moved_s = time.monotonic() - killed_at
    two.order("idle")
    two.until("idle", 240)
    report = _report(two)
    accepted = _accepted(one) | _accepted(two)
    two.stop()
    assert len(accepted) >= 120
    assert faults(report, accepted, read_marks(marks)) == []
    assert moved_s < 5


def test_a_server_that_was_frozen_writes_nothing_stale(tmp_path: Path, url: str) -> None:
    home, marks = tmp_path / "home", tmp_path / "marks"
    frozen, other = Server(home, url, marks), None
    try:
        frozen.until("ready")
        frozen.order("fill 20 bench-20-50ms-once")
        frozen.until("filled")
        time.sleep(0.4)
        _freeze(frozen, home)
        other = Server(home, url, marks)
        other.until("ready", 90)
        other.order("resumed")
        other.until("resumed_s")
        frozen.signal(signal.SIGCONT)
        other.order("idle")
        other.until("idle", 60)
        report = _report(other)
        assert faults(report, _accepted(frozen), read_marks(marks)) == []
    finally:
        frozen.kill()
        if other is not None:
            other.stop()
