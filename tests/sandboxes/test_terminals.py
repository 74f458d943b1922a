"""A person's terminal in every kind of sandbox, in a real pseudo terminal as Jupyter's terminals make it."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import time
from collections.abc import AsyncIterator

import pytest
from ptyprocess import PtyProcess

from aether_jupyter.abc import Sandbox, SandboxKind
from aether_jupyter.model.errors import SandboxUnavailable

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="not run: no pseudo terminals here")]


_CODES = re.compile(r"\x1b\[[?\d;]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")
"""What a shell says to the screen and nobody reads."""


class Screen:
    """What a person sees, and their keys."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.process = PtyProcess.spawn(argv, env=environment, dimensions=(24, 80))
        self.text = ""

    async def _read(self) -> None:
        if not select.select([self.process.fd], [], [], 0)[0]:
            await asyncio.sleep(0.02)
            return
        try:
            self.text += self.process.read(65536).decode(errors="replace")
            self.text = _CODES.sub("", self.text)
        except EOFError:
            self.text += "<end>"

    async def until(self, pattern: str, timeout_s: float = 20) -> re.Match[str]:
        """Read on until the pattern stands there."""
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{self.text}"
            assert "<end>" not in self.text, self.text
            await self._read()
        return found

    async def ended(self) -> None:
        """Read on to its end."""
        async with asyncio.timeout(20):
            while "<end>" not in self.text:
                await self._read()

    async def say(self, line: str, pattern: str) -> str:
        """Type a line and read until the pattern comes after it; what its first group holds."""
        self.text = ""
        self.process.write(f"{line}\r".encode())
        found = await self.until(pattern)
        return found[1] if found.groups() else found[0]


@pytest.fixture
async def opened(sandbox: Sandbox) -> AsyncIterator[Screen]:
    environment = {**os.environ, "AETHER_SECRET_OF_THE_SERVER": "1", "JUPYTER_TOKEN": "secret"}
    screen = Screen(await sandbox.terminal(), environment)
    await screen.until(r"[$#] $")
    yield screen
    screen.process.close(force=True)


async def test_what_is_typed_runs_in_the_home_of_the_sandbox(sandbox: Sandbox, opened: Screen) -> None:
    assert await opened.say("pwd; echo done-$((1+1))", r"\n(/.+)\ndone-2") == sandbox.workdir
    await opened.say("echo ä€ > typed.txt; echo done-$((2+2))", r"done-4")
    assert (sandbox.home / "typed.txt").read_text() == "ä€\n"


async def test_it_has_the_size_of_the_screen_and_follows_it(opened: Screen) -> None:
    assert await opened.say("stty size", r"\n(\d+ \d+)\n") == "24 80"
    opened.process.setwinsize(40, 132)
    for _ in range(50):
        size = await opened.say("stty size", r"\n(\d+ \d+)\n")
        if size == "40 132":
            return
        await asyncio.sleep(0.1)
    raise AssertionError(size)


async def test_keys_interrupt_and_jobs_are_controlled(opened: Screen) -> None:
    opened.text = ""
    opened.process.write(b"sleep 100\r")
    await asyncio.sleep(0.5)
    opened.process.write(b"\x03")
    await opened.until(r"\^C")
    assert "130" in await opened.say("echo code $?", r"\ncode \d+")
    assert "no job control" not in opened.text
    assert await opened.say("sleep 50 & jobs", r"\[1\]\+?\s+Running")


async def test_nothing_of_the_servers_environment_is_in_it(opened: Screen) -> None:
    names = await opened.say("env | cut -d= -f1 | sort | tr '\\n' ' '; echo END", r"\n(.*)END\n")
    assert "TERM" in names.split()
    assert not [name for name in names.split() if name.startswith(("JUPYTER", "JPY", "AETHER_SECRET", "PYXTERM"))]


async def test_it_is_as_confined_as_a_command(kind: SandboxKind, sandbox: Sandbox, opened: Screen) -> None:
    if not kind.isolated:
        pytest.skip(f"not run: {kind.name} isolates nothing")
    facts = "grep -hE '^(CapEff|CapBnd|NoNewPrivs|Uid|Seccomp):' /proc/self/status | tr -s '\\t\\n ' ' '"
    done = await sandbox.run(facts, timeout_s=20)
    assert await opened.say(f"{facts}; echo END", r"\n(.*Uid.*)END\n") == done.stdout.decode()
    assert await opened.say("touch /usr/x; echo END", r"(Read-only file system|Permission denied)")
    assert await opened.say("ls /sys/class/net 2>/dev/null | tr '\\n' ' '; echo END", r"\n(.*)END\n") in ("lo ", "")


async def test_closing_it_ends_what_runs_in_it(sandbox: Sandbox, opened: Screen) -> None:
    beat = sandbox.home / "beat"
    opened.process.write(b"while true; do date +%s%N > beat; sleep 0.05; done\r")
    for _ in range(100):
        if beat.exists():
            break
        await asyncio.sleep(0.05)
    opened.process.kill(signal.SIGHUP)
    for _ in range(100):
        before = beat.read_text()
        await asyncio.sleep(0.3)
        if beat.read_text() == before:
            return
    raise AssertionError("it goes on")


async def test_it_ends_with_the_sandbox_and_says_so(sandbox: Sandbox, opened: Screen) -> None:
    opened.process.kill(signal.SIGUSR1)
    await sandbox.close()
    await opened.until("sandbox of this agent has ended")
    opened.process.write(b"\r")
    await opened.ended()
    with pytest.raises(SandboxUnavailable):
        await sandbox.terminal()
