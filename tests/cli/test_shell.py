"""`aether shell`: a real pseudo terminal shows a shell of a sandbox, and is left as it was."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import time

import pytest

from aether_jupyter.cli.common import NOT_THERE
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.events import ShellClosed
from tests.faces import ROOT, Server

from .test_terminal import aether, data

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
if os.name == "posix":
    import fcntl
    import pty
    import termios


class Screen:
    """A terminal of which a program has the other side; `said` is what it has shown."""

    def __init__(self, *arguments: str, env: dict[str, str], rows: int = 31, columns: int = 97) -> None:
        self.mine, its = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aether_jupyter", *arguments],
            env=env,
            stdin=its,
            stdout=its,
            stderr=its,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.its = its
        self.said = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.mine, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.mine, text.encode())

    def until(self, word: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while word not in self.said:
            assert time.monotonic() < end, self.said
            if select.select([self.mine], [], [], 0.2)[0]:
                self.said += os.read(self.mine, 65_536).decode(errors="replace")

    def end(self) -> int:
        """The exit code, once the program has ended by itself."""
        code = self.process.wait(30)
        # As it was: lines are edited and echoed again.
        assert termios.tcgetattr(self.its)[3] & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO
        os.close(self.its)
        os.close(self.mine)
        return code


@pytest.fixture
def waiting(server: Server) -> int:
    """An agent that waits for an answer."""
    with server.client() as client:
        pid = client.spawn(AgentSpec(goal="ask", model="scripted:ask")).pid
        client.wait(pid)
    return pid


def test_a_shell_of_an_agent_s_sandbox_is_shown_here(server: Server, waiting: int) -> None:
    screen = Screen("shell", str(waiting), env=server.environment)
    screen.until("$ ")
    screen.type("stty size; echo grüße > from_shell; echo there-$((1+1))\r")
    screen.until("there-2")
    assert "31 97" in screen.said
    # Ctrl-C is the shell's there, not this program's.
    screen.type("sh -c 'echo asleep-$((1+1)); exec sleep 600'\r")
    screen.until("asleep-2")
    screen.type("\x03")
    screen.until("^C")
    screen.type("echo on-$((1+1))\r")
    screen.until("on-2")
    screen.resize(20, 61)
    for n in range(100):
        screen.type(f"stty size; echo size-$((1+{n}))\r")
        screen.until(f"size-{1 + n}")
        if "20 61" in screen.said:
            break
    else:
        raise AssertionError(screen.said)
    screen.type("exit\r")
    assert screen.end() == 0
    with server.client() as client:
        assert client.read_file(waiting, "from_shell").decode() == "grüße\n"
    assert "opened one in its sandbox" in aether("logs", str(waiting), env=server.environment).stdout


def test_a_shell_whose_terminal_goes_away_leaves_nothing_behind(server: Server, waiting: int) -> None:
    screen = Screen("shell", str(waiting), env=server.environment)
    screen.until("$ ")
    screen.process.send_signal(signal.SIGHUP)
    assert screen.end() == 0
    end = time.monotonic() + 20
    with server.client() as client:
        while not any(isinstance(each.event, ShellClosed) for each in client.records(waiting, limit=1000)):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_shell_needs_a_terminal_and_an_agent_that_lives(server: Server, waiting: int) -> None:
    done = aether("shell", str(waiting), env=server.environment)
    assert done.returncode == 1
    assert "no terminal here" in done.stderr
    assert data("shell", str(waiting), env=server.environment) == {"name": f"agent{waiting}"}
    screen = Screen("shell", "4711", env=server.environment)
    screen.until("4711")
    assert screen.end() == NOT_THERE
