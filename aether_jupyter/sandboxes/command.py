"""Runs one operating-system process with bounded output, and ends all of it at a timeout or a cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from ..abc import Completed, OnOutput
from ..model.errors import FolderNotFound, SandboxUnavailable, ToolFailed

_GRACE_S = 0.2
"""Seconds that output may still come after the process ended: a child left in the background keeps the pipe open."""

_FLOOD_BYTES = 16_000_000
_FLOOD_SHARE = 1_000_000
_FLOOD_PAUSE_S = 0.02


async def run_process(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: dict[str, str],
    cwd: str | None = None,
    stdin: bytes = b"",
    output_limit: int = 1_000_000,
    on_output: OnOutput | None = None,
) -> Completed:
    """Run `argv` in a session of its own. Returns when it has ended, or was ended after `timeout_s`.

    At most `output_limit` bytes of each stream are kept; `on_output` sees every byte. Raises `FolderNotFound` if `cwd`
    cannot be entered, `ToolFailed` if it cannot be started. When the caller is cancelled the whole process tree is
    killed first.
    """
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    try:
        transport, protocol = await loop.subprocess_exec(
            lambda: _Running(output_limit, on_output),
            *argv,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if cwd is not None and isinstance(error, OSError) and error.filename == cwd:
            raise FolderNotFound(f"the command did not run: the folder {cwd} cannot be entered: {words}") from None
        raise ToolFailed(f"the command could not be started: {words}") from None
    timed_out = False
    try:
        if stdin:
            pipe = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
            pipe.write(stdin)
            pipe.write_eof()
        done, _ = await asyncio.wait({protocol.ended}, timeout=timeout_s)
        if not done:
            timed_out = True
            end_tree(transport.get_pid())
            await asyncio.wait({protocol.ended}, timeout=2.0)
    finally:
        if transport.get_returncode() is None:
            end_tree(transport.get_pid())
        transport.close()
    code = transport.get_returncode()
    if code is not None and code < 0:
        # As a shell says it, and as commands in a container say it.
        code = 128 - code
    return Completed(
        exit_code=None if timed_out else code,
        stdout=bytes(protocol.kept[1]),
        stderr=bytes(protocol.kept[2]),
        stdout_bytes=protocol.counted[1],
        stderr_bytes=protocol.counted[2],
        duration_s=time.perf_counter() - began,
        timed_out=timed_out,
    )


class _Running(asyncio.SubprocessProtocol):
    """Gathers what one process writes. `ended` is set when it has exited and its pipes are closed or quiet."""

    def __init__(self, limit: int, on_output: OnOutput | None) -> None:
        self.kept: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.counted: dict[int, int] = {1: 0, 2: 0}
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._limit = limit
        self._on_output = on_output
        self._transport: asyncio.SubprocessTransport | None = None
        self._open = {1, 2}
        self._paused: set[int] = set()
        self._unpaused: dict[int, int] = {1: 0, 2: 0}
        self._exited = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.counted[fd] += len(data)
        room = self._limit - len(self.kept[fd])
        if room > 0:
            self.kept[fd] += data[:room]
        if self._on_output is not None:
            name: Literal["stdout", "stderr"] = "stdout" if fd == 1 else "stderr"
            self._on_output(name, data)
        self._unpaused[fd] += len(data)
        if self.counted[fd] > _FLOOD_BYTES and self._unpaused[fd] > _FLOOD_SHARE and self._transport is not None:
            # A command that writes without end would keep the loop busy; the pause makes it wait for us instead.
            pipe = cast("asyncio.ReadTransport | None", self._transport.get_pipe_transport(fd))
            # Python before 3.11.5 cannot say whether a pipe is being read.
            if pipe is not None and fd not in self._paused:
                self._paused.add(fd)
                self._unpaused[fd] = 0
                pipe.pause_reading()
                asyncio.get_running_loop().call_later(_FLOOD_PAUSE_S, self._resume, fd, pipe)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._settle()

    def process_exited(self) -> None:
        self._exited = True
        self._settle()
        if not self.ended.done():
            asyncio.get_running_loop().call_later(_GRACE_S, self._finish)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()

    def _resume(self, fd: int, pipe: asyncio.ReadTransport) -> None:
        self._paused.discard(fd)
        if not pipe.is_closing():
            pipe.resume_reading()

    def _settle(self) -> None:
        if self._exited and not self._open:
            self._finish()

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class Calls:
    """The commands that run in one sandbox now, so that closing it ends them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Completed]] = set()
        self._cut: dict[asyncio.Task[Completed], str] = {}
        self.closed = False

    @property
    def running(self) -> int:
        """How many run now."""
        return len(self._running)

    async def run(self, work: Coroutine[Any, Any, Completed]) -> Completed:
        """Do one command. Raises `SandboxUnavailable` if the sandbox is closed, before or meanwhile, `ToolFailed` if it
        is cut off.
        """
        if self.closed:
            work.close()
            raise SandboxUnavailable("the sandbox is closed")
        task = asyncio.ensure_future(work)
        self._running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._running.discard(task)
            why = self._cut.pop(task, "")
            if not task.done():
                task.cancel()
                # The kill happens in the task's own clean-up, which is to be over before the caller goes on.
                await asyncio.wait({task}, timeout=2.0)
        if task.cancelled() and why:
            raise ToolFailed(why)
        if task.cancelled():
            raise SandboxUnavailable("the sandbox was closed while the command ran")
        return task.result()

    def cut(self, why: str) -> None:
        """End all that run now; `why` is what is told of them."""
        for task in self._running:
            self._cut[task] = why
            task.cancel()

    async def close(self) -> None:
        """End all of them, and let no other begin."""
        self.closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=5.0)


def end_tree(pid: int) -> None:
    """Kill a process that leads its own session, its group, and on Linux those of its children that left the group."""
    if sys.platform == "win32":
        subprocess.Popen(
            ["taskkill", "/F", "/T", "/PID", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return
    below = _descendants(pid)
    for kill, target in ((os.killpg, pid), *((os.kill, child) for child in below)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(target, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            try:
                children = [int(word) for word in (thread / "children").read_text().split()]
            except OSError:
                continue
            found += children
            waiting += children
    return found


def shell_argv(command: str | Sequence[str], shell: str) -> list[str]:
    """The argv of a shell line or of an argv; raises `ToolFailed` for what no process can be given."""
    argv = [shell, "-c", command] if isinstance(command, str) else list(command)
    if not argv or any("\0" in word for word in argv):
        raise ToolFailed("the command is empty or holds a NUL character")
    try:
        longest = max(len(os.fsencode(word)) for word in argv)
    except UnicodeEncodeError:
        raise ToolFailed("the command holds half of a character, which no process can be given") from None
    # One argument may have 128 kB on Linux, whatever the sum of all may be.
    if sys.platform != "win32" and longest > 131_000:
        raise ToolFailed("the command is longer than 128 kB; write it to a file with write_file and run that")
    return argv


def clean_environment(home: str, path: str, extra: dict[str, str] | None = None) -> dict[str, str]:
    """What a command finds in its environment: nothing of the server's."""
    return {
        "PATH": path,
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(extra or {}),
    }


def own_home(home: Path, uid: int, gid: int) -> None:
    """A home made by or for another user becomes this one's, with all in it; links are not followed."""
    if home.stat().st_uid == uid:
        return
    # By descriptors: another agent may be at work in a shared workspace, and swap a folder for a link meanwhile.
    for _, folders, files, fd in os.fwalk(home):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
    os.chown(home, uid, gid)
