"""What runs in a person's terminal: it passes keys into an agent's sandbox and shows what comes out.

Jupyter's terminals start it, outside the sandbox and with the server's environment. The shell has a pseudo terminal of
its own (in the container, or one made here), so nothing in the sandbox ever holds the one that Jupyter reads.
SIGWINCH hands the size on, SIGHUP ends the shell, SIGUSR1 says that the sandbox is ending.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

with contextlib.suppress(ImportError):
    # Not on Windows, where the kinds of sandbox that have terminals do not run either.
    import fcntl
    import pty
    import termios
    import tty

BLOCK = 65536
TYPE = "xterm-256color"
"""What Lab's terminal is."""

_MARK = "AETHER_TERMINAL"
_FAREWELL = (
    "\r\n\r\nThe sandbox of this agent has ended, and this terminal with it. Its files are kept. "
    "Press Enter to close.\r\n"
)
_LEAVING_S = 3.0
"""Seconds within which a container whose shell was killed must be seen to go, too."""
_STARTING_S = 5.0

# Runs in the container: an engine leaves a shell alone when the one who looked at it goes away.
_SWEEP = """import os, signal, sys, time
mark = f"{sys.argv[1]}={sys.argv[2]}".encode()
for kind in (signal.SIGHUP, signal.SIGCONT, signal.SIGKILL):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\\0"):
                    os.kill(int(pid), kind)
        except OSError:
            pass
    if kind == signal.SIGCONT:
        time.sleep(0.3)
"""


def command(argv: Sequence[str], env: Mapping[str, str], *, cwd: str, container: str = "") -> list[str]:
    """What Jupyter's terminals are to run: `argv` in a terminal of its own here, or in a running container.

    `env` is the whole environment of the shell.
    """
    wish = {"argv": list(argv), "env": dict(env), "cwd": cwd, "container": container}
    return [sys.executable, "-P", "-m", __name__, json.dumps(wish)]


class Shell(Protocol):
    """The far side."""

    def fileno(self) -> int: ...
    def read(self) -> bytes:
        """What it says next; nothing at its end."""
        ...

    def write(self, data: bytes) -> None: ...
    def resize(self, rows: int, columns: int) -> None: ...
    def end(self) -> None: ...
    def lost(self) -> bool:
        """After its end: whether the sandbox ended, and not the shell alone."""
        ...


class LocalShell:
    """A program in a pseudo terminal made here."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                for number in (signal.SIGPIPE, signal.SIGXFSZ):
                    signal.signal(number, signal.SIG_DFL)
                os.chdir(wish["cwd"])
                os.execvpe(wish["argv"][0], wish["argv"], wish["env"])  # noqa: S606 (a shell is what it is for)
            except OSError as error:
                os.write(2, f"{error.filename or wish['argv'][0]}: {error.strerror}\r\n".encode())
            finally:
                os._exit(127)

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        try:
            return os.read(self._fd, BLOCK)
        except OSError:  # Linux's way to say that nobody holds the other side
            return b""

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self) -> None:
        from .command import end_tree

        end_tree(self._pid)

    def lost(self) -> bool:
        return False


class ContainerShell:
    """A program in a pseudo terminal of a running container: the container's user, limits and seccomp profile hold."""

    def __init__(self, wish: dict[str, Any]) -> None:
        import docker

        from .containers import where

        self._client = docker.APIClient(**where())
        self._container = wish["container"]
        self._mark = secrets.token_hex(8)
        made = self._client.exec_create(
            self._container,
            wish["argv"],
            stdin=True,
            tty=True,
            workdir=wish["cwd"],
            environment={**wish["env"], _MARK: self._mark},
        )
        self._id = made["Id"]
        # The client's own object closes the socket when it is collected.
        self._keep = self._client.exec_start(self._id, tty=True, socket=True)
        raw = getattr(self._keep, "_sock", self._keep)
        if not isinstance(raw, socket.socket):
            raise OSError("the engine is reached by a way that has no sockets")
        raw.settimeout(None)
        self._socket = raw
        self._began = time.monotonic()

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        try:
            return self._socket.recv(BLOCK)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def resize(self, rows: int, columns: int) -> None:
        from docker.errors import DockerException

        while True:
            try:
                self._client.exec_resize(self._id, height=rows, width=columns)
                return
            except (DockerException, OSError):
                # An exec has no size before its program runs, which is shortly after it was started.
                if time.monotonic() - self._began > _STARTING_S:
                    return
                time.sleep(0.05)

    def end(self) -> None:
        # In a process of its own: Jupyter gives this one half a second.
        if os.fork() == 0:
            with contextlib.suppress(Exception):
                os.setsid()
                sweep = self._client.exec_create(
                    self._container, ["python3", "-I", "-c", _SWEEP, _MARK, self._mark], stdout=False, stderr=False
                )
                self._client.exec_start(sweep["Id"], detach=True)
            os._exit(0)

    def lost(self) -> bool:
        from docker.errors import DockerException

        until = time.monotonic() + _LEAVING_S
        while time.monotonic() < until:
            try:
                if not self._client.inspect_container(self._container)["State"]["Running"]:
                    return True
                if self._client.exec_inspect(self._id).get("ExitCode") != 137:
                    return False
            except (DockerException, OSError):
                return True
            time.sleep(0.1)
        return False


def relay(shell: Shell) -> bool:
    """Pass on what comes from either side until one ends. Whether the sandbox ended, which a person wants to know."""
    ear, mouth = os.pipe()
    for fd in (ear, mouth):
        os.set_blocking(fd, False)
    for number in (signal.SIGWINCH, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(mouth)
    shell.resize(*_size())
    with selectors.DefaultSelector() as selector:
        for source in (0, ear, shell.fileno()):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if ear in ready:
                said = os.read(ear, 4096)
                if signal.SIGUSR1 in said:
                    shell.end()
                    return True
                if signal.SIGHUP in said or signal.SIGTERM in said:
                    shell.end()
                    return False
                if signal.SIGWINCH in said:
                    shell.resize(*_size())
            if shell.fileno() in ready:
                data = shell.read()
                if not data:
                    return shell.lost()
                _show(data)
            if 0 in ready:
                try:
                    keys = os.read(0, BLOCK)
                    if not keys:
                        raise EOFError
                    shell.write(keys)
                except (EOFError, OSError):
                    shell.end()
                    return shell.lost()


def _size() -> tuple[int, int]:
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
    return rows or 24, columns or 80


def _show(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _farewell() -> None:
    """Say why it ended, and stay until it was read: Lab closes the tab of a terminal that has ended."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    termios.tcflush(0, termios.TCIFLUSH)
    _show(_FAREWELL.encode())
    while os.read(0, 1) not in (b"\r", b"\n", b"\x03", b"\x04", b""):
        pass


def main(wish: dict[str, Any]) -> None:
    """Show one shell, from its start to its end."""
    tty.setraw(0)
    try:
        shell: Shell = ContainerShell(wish) if wish["container"] else LocalShell(wish)
    except Exception as error:  # noqa: BLE001 (whatever it is, the person at the terminal reads it)
        _show(f"The terminal could not be opened: {error}".encode())
        _farewell()
        return
    if relay(shell):
        _farewell()


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        main(json.loads(sys.argv[1]))
