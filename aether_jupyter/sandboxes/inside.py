"""The shell server: the first process of a container, which runs the commands it is told over its standard input.

It is handed to the container as text and needs Python's standard library only. As process 1 it cannot be killed from
inside, collects every orphan, and when its standard input closes (the server is gone, however it went) it ends and
the container with it. Commands have the same user as it, so what it says is no more to be trusted than they are.

A frame is one letter, a call's number and a length, then that many bytes:
in   R run (JSON)   I input   E end of input   K kill
out  H hello (text) O stdout  S stderr  X exit (JSON: the code, the limits that were met meanwhile, or why it could not
start, or enter its folder)
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import struct
import subprocess
import time
from typing import Any

HEADER = struct.Struct(">cII")
BLOCK = 65536
GRACE_S = 0.2
ROOM_S = 2.0
ROUNDS = 30
MARK = "AETHER_CALL"


class Call:
    """One command that runs, or whose children still hold its pipes."""

    def __init__(self, number: int, pid: int, out: int, err: int, into: int | None) -> None:
        self.number = number
        self.pid = pid
        self.pipes = {out: b"O", err: b"S"}
        self.into = into
        self.pending = b""
        self.input_ended = False
        self.code: int | None = None
        self.ended_at = 0.0
        self.told = False
        self.met = met()


class Server:
    """Waits on everything at once: its input, the commands' pipes, and the deaths of children."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.calls: dict[int, Call] = {}
        self.buffer = b""
        self.open = True

    def serve(self) -> None:
        """Run until the input closes; then everything in the container dies."""
        ear, mouth = os.pipe()
        os.set_blocking(ear, False)
        os.set_blocking(mouth, False)
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, self.listen)
        self.selector.register(ear, selectors.EVENT_READ, lambda: os.read(ear, 4096))
        token = ""
        with contextlib.suppress(OSError), open(os.path.join(os.getcwd(), ".aether/token")) as file:
            token = file.read(100)
        self.say(b"H", 0, token.encode())
        while self.open:
            waiting = any(call.code is not None and not call.told for call in self.calls.values())
            for key, _ in self.selector.select(0.02 if waiting else None):
                key.data()
            self.bury()
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def stop(self) -> None:
        """Leave the loop at its next turn."""
        self.open = False

    def say(self, kind: bytes, number: int, data: bytes) -> None:
        """Write one frame; waits for the reader, which is how a flood of output is slowed down."""
        view = memoryview(HEADER.pack(kind, number, len(data)) + data)
        while view:
            view = view[os.write(1, view) :]

    def listen(self) -> None:
        """Read frames from the input."""
        try:
            data = os.read(0, BLOCK)
        except BlockingIOError:
            return
        if not data:
            self.stop()
            return
        self.buffer += data
        while len(self.buffer) >= HEADER.size:
            kind, number, length = HEADER.unpack_from(self.buffer)
            if len(self.buffer) < HEADER.size + length:
                return
            body = self.buffer[HEADER.size : HEADER.size + length]
            self.buffer = self.buffer[HEADER.size + length :]
            call = self.calls.get(number)
            if kind == b"R":
                self.run(number, json.loads(body))
            elif call is not None and kind == b"I":
                call.pending += body
                self.feed(call)
            elif call is not None and kind == b"E":
                call.input_ended = True
                self.feed(call)
            elif call is not None and kind == b"K":
                self.kill(call)

    def run(self, number: int, wish: dict[str, Any]) -> None:
        """Start a command in a session of its own."""
        try:
            try:
                child = self.start(number, wish)
            except BlockingIOError:
                # What commands left running uses up the limit of processes: it goes, so that the sandbox stays usable.
                self.sweep(None)
                child = self.start_when_there_is_room(number, wish)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            name = getattr(error, "filename", None)
            if isinstance(error, BlockingIOError):
                why = "the sandbox's limit of processes is reached"
            end = {"error": f"{name}: {why}" if name else why, "folder": name is not None and name == wish["cwd"]}
            self.say(b"X", number, json.dumps(end).encode())
            return
        assert child.stdout is not None
        assert child.stderr is not None
        into = None
        if child.stdin is not None:
            into = os.dup(child.stdin.fileno())
            child.stdin.close()
            os.set_blocking(into, False)
        out, err = os.dup(child.stdout.fileno()), os.dup(child.stderr.fileno())
        child.stdout.close()
        child.stderr.close()
        # Process 1 waits for everybody in one place; the object must not do so a second time.
        child.returncode = 0
        call = self.calls[number] = Call(number, child.pid, out, err, into)
        for fd in (out, err):
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ, lambda fd=fd: self.hear(call, fd))

    def start_when_there_is_room(self, number: int, wish: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Fork as soon as enough of those that were killed are dead and collected."""
        deadline = time.monotonic() + ROOM_S
        while True:
            self.bury()
            try:
                return self.start(number, wish)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    @staticmethod
    def start(number: int, wish: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Fork."""
        return subprocess.Popen(
            wish["argv"],
            cwd=wish["cwd"],
            env={**wish["env"], MARK: str(number)},
            stdin=subprocess.PIPE if wish["stdin"] else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )

    def hear(self, call: Call, fd: int) -> None:
        """Pass on what a command writes; after its end, only keep its children's pipes from filling."""
        try:
            data = os.read(fd, BLOCK)
        except BlockingIOError:
            return
        if data:
            if not call.told:
                self.say(call.pipes[fd], call.number, data)
            return
        self.selector.unregister(fd)
        os.close(fd)
        del call.pipes[fd]

    def feed(self, call: Call) -> None:
        """Write to a command's input what it takes."""
        if call.into is None:
            return
        while call.pending:
            try:
                call.pending = call.pending[os.write(call.into, call.pending) :]
            except BlockingIOError:
                if call.into not in self.selector.get_map():
                    self.selector.register(call.into, selectors.EVENT_WRITE, lambda: self.feed(call))
                return
            except BrokenPipeError:
                call.pending = b""
                call.input_ended = True
        if call.into in self.selector.get_map():
            self.selector.unregister(call.into)
        if call.input_ended:
            os.close(call.into)
            call.into = None

    def bury(self) -> None:
        """Collect the dead; tell the end of a command when its pipes are empty or its children keep them too long."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            for call in self.calls.values():
                if call.pid == pid and call.code is None:
                    code = os.waitstatus_to_exitcode(status)
                    call.code = code if code >= 0 else 128 - code
                    call.ended_at = time.monotonic()
        for call in list(self.calls.values()):
            if call.code is None:
                continue
            if not call.told and (not call.pipes or time.monotonic() - call.ended_at > GRACE_S):
                limits = [name for name, count in met().items() if count > call.met[name]]
                self.say(b"X", call.number, json.dumps({"code": call.code, "limits": limits}).encode())
                call.told = True
                call.pending, call.input_ended = b"", True
                self.feed(call)
            if call.told and not call.pipes:
                del self.calls[call.number]

    def kill(self, call: Call) -> None:
        """Kill a command and all it started."""
        self.sweep(call)

    def sweep(self, call: Call | None) -> None:
        """Kill all of one command, or of all that have ended; all there is, if that does not get to an end.

        One that was killed may take a while to die, and starts nothing more: only who comes anew needs another round.
        """
        killed: set[int] = set()
        for _ in range(ROUNDS):
            # The oldest first: who waits for another must not go on when that one dies.
            living = sorted(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != 1)
            doomed = [pid for pid in living if self.doomed(pid, call)]
            if killed.issuperset(doomed):
                return
            killed.update(doomed)
            for pid in doomed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.bury()
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def doomed(self, pid: int, call: Call | None) -> bool:
        """Whether a living process is of this command; for None, whether it is of no command that still runs."""
        if call is not None:
            return belongs(pid, call.pid, call.number)
        running = [other for other in self.calls.values() if other.code is None]
        return alive(pid) and not any(belongs(pid, other.pid, other.number) for other in running)


def met() -> dict[str, int]:
    """How often the container met its limits so far, as its control group counts it: kills and refused forks."""
    found = {}
    for name, word, files in (
        ("memory", b"oom_kill ", ("memory.events", "memory/memory.oom_control")),
        ("processes", b"max ", ("pids.events", "pids/pids.events")),
    ):
        found[name] = 0
        for file in files:
            with contextlib.suppress(OSError, ValueError), open(f"/sys/fs/cgroup/{file}", "rb") as told:
                found[name] += sum(int(line[len(word) :]) for line in told if line.startswith(word))
    return found


def alive(pid: int) -> bool:
    """Whether it is there and not only waiting to be collected."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def belongs(pid: int, leader: int, number: int) -> bool:
    """Whether a living process is of this command, by its session or by the mark in its environment."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        if words[0] in (b"Z", b"X"):
            return False
        if int(words[3]) == leader:
            return True
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARK}={number}".encode() in file.read().split(b"\0")
    except OSError:
        return False


if __name__ == "__main__":
    # Not dumpable: a command, though of the same user, cannot open this process's descriptors or memory.
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    Server().serve()
