"""Drives `tests.crash.host` from outside: starts it, kills it, and reads what it answers."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.model_server import model_server


class Server:
    """One server process. What it says is kept in `said`, and handed out by `until`."""

    def __init__(self, home: Path, url: str, marks: Path, *, slots: int = 256) -> None:
        self._start("tests.crash.host", str(home), url, str(marks), str(time.time()), str(slots))

    @classmethod
    def stopping(cls, home: Path, sandbox: str, point: str = "none") -> Server:
        """One that stops for ever at a point of a snapshot or a restore; see `tests.crash.snapshot_host`."""
        server = cls.__new__(cls)
        server._start("tests.crash.snapshot_host", str(home), sandbox, point)
        return server

    def _start(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.said: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self) -> int:
        """Its number in the operating system."""
        return self._process.pid

    def order(self, words: str) -> None:
        """Give an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def until(self, key: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Read answers up to the first that has `key`."""
        deadline = time.monotonic() + timeout_s
        while True:
            line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            if line is None:
                raise RuntimeError("the server ended")
            answer = json.loads(line)
            self.said.append(answer)
            if key in answer:
                return answer

    def rest(self) -> list[dict[str, Any]]:
        """Everything it said until it ended."""
        while (line := self._lines.get(timeout=30)) is not None:
            if line.endswith("\n"):
                self.said.append(json.loads(line))
        return self.said

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def stop(self) -> None:
        """End in good order."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._reader.join(30)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()


def resume_s(agents: int) -> float:
    """Seconds from the start of a server until all agents of a killed one work again."""
    with tempfile.TemporaryDirectory() as folder, model_server() as url:
        home, marks = Path(folder) / "home", Path(folder) / "marks"
        first = Server(home, url, marks)
        first.until("ready")
        first.order(f"fill {agents} bench-100-50ms-again")
        first.until("filled")
        time.sleep(1.0)
        first.kill()
        second = Server(home, url, marks)
        try:
            second.until("ready")
            second.order("resumed")
            return float(second.until("resumed_s")["resumed_s"])
        finally:
            second.kill()


def read_marks(path: Path) -> Counter[tuple[str, int, str]]:
    """How often each call of each tool really ran: `(tool, pid, call id)`."""
    found: Counter[tuple[str, int, str]] = Counter()
    for line in path.read_text().splitlines() if path.exists() else ():
        kind, pid, call = line.split()
        found[kind, int(pid), call] += 1
    return found


def faults(report: list[dict[str, Any]], accepted: set[int], marks: Counter[tuple[str, int, str]]) -> list[str]:
    """Every way in which the journal and the marks break the promise; none is right."""
    wrong: list[str] = []
    known = {each["pid"] for each in report if "pid" in each}
    wrong += [f"process {pid} was accepted and is gone" for pid in accepted - known]
    for each in report:
        if "pid" in each:
            wrong += _faults_of(each, marks)
    return wrong


def _faults_of(agent: dict[str, Any], marks: Counter[tuple[str, int, str]]) -> list[str]:
    pid, events = agent["pid"], agent["events"]
    wrong: list[str] = []
    if agent["state"] != "ZOMBIE" or agent["code"] != 0:
        wrong.append(f"process {pid} is {agent['state']} with code {agent['code']}")
    if [event["n"] for event in events] != list(range(1, len(events) + 1)):
        wrong.append(f"process {pid}: the events have gaps")
    answered = Counter(event["step"] for event in events if event["type"] == "model.answered")
    # A step whose answer a crash cut off is asked again under the next number, so numbers may be missing.
    if set(answered.values()) != {1}:
        wrong.append(f"process {pid}: steps answered more than once: {answered}")
    started = Counter(event["call"]["id"] for event in events if event["type"] == "tool.started")
    ended = {event["call_id"]: event for event in events if event["type"] == "tool.ended"}
    if set(started) != set(ended) or len(ended) != sum(event["type"] == "tool.ended" for event in events):
        wrong.append(f"process {pid}: calls started {len(started)}, ended {len(ended)}")
    for call, end in ended.items():
        runs, tool, ok = marks[end["tool"], pid, call], end["tool"], end["outcome"]["ok"]
        if tool == "once" and runs > 1:
            wrong.append(f"process {pid}: {call} ran {runs} times")
        if ok and runs == 0:
            wrong.append(f"process {pid}: {call} ended well and never ran")
        if not ok and (tool != "once" or end["outcome"].get("error") != "tool_interrupted"):
            wrong.append(f"process {pid}: {call} of {tool} failed: {end['outcome']}")
    return wrong
