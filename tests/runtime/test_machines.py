"""One sandbox a process, opened once, never less isolated than asked."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from aether_jupyter.abc import Availability, Completed, Sandbox
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import SandboxUnavailable, UnknownName
from aether_jupyter.runtime.machines import Machines

pytestmark = pytest.mark.anyio

SPEC = SandboxSpec()


class Box:
    """A sandbox that only knows whether it is open."""

    name = "box"
    workdir = "/home/agent"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.closed = 0

    async def run(self, command: object, **options: object) -> Completed:
        return Completed(0, b"", b"", 0, 0, 0.0)

    async def close(self) -> None:
        self.closed += 1
        if self.home.name == "13":
            raise OSError("does not close")


class Kind:
    """A kind of sandbox that counts."""

    def __init__(self, name: str, ok: bool = True, isolated: bool = True) -> None:
        self.name = name
        self.isolated = isolated
        self.answer = Availability(ok, f"{name} detail", "" if ok else f"fix {name}")
        self.boxes: list[Box] = []
        self.fails = 0

    async def available(self) -> Availability:
        return self.answer

    async def open(self, pid: int, spec: SandboxSpec, home: Path, workspaces: object = None) -> Sandbox:
        await asyncio.sleep(0.01)
        if self.fails:
            self.fails -= 1
            raise SandboxUnavailable("not now")
        self.boxes.append(Box(home))
        return self.boxes[-1]

    async def reap(self, instance: str, alive: frozenset[int]) -> list[int]:
        return [5] if 5 not in alive else []


def machines(tmp_path: Path, *kinds: Kind, **changes: object) -> Machines:
    return Machines({k.name: k for k in kinds}, Settings(home=tmp_path, **changes))  # type: ignore[arg-type]


async def test_opened_once_and_closed_with_the_process(tmp_path: Path) -> None:
    kind = Kind("docker")
    async with machines(tmp_path, kind) as found:
        boxes = await asyncio.gather(*(found.open(7, SPEC) for _ in range(10)), found.open(8, SPEC))
        assert len(set(map(id, boxes))) == len(kind.boxes) == 2
        kind.boxes.sort(key=lambda box: box.home)
        assert kind.boxes[0].home == tmp_path / "homes" / "7"
        assert stat.S_IMODE(kind.boxes[0].home.stat().st_mode) == 0o700
        await found.close(7)
        await found.close(7)
        await found.close(99)
        assert [b.closed for b in kind.boxes] == [1, 0]
        assert await found.open(7, SPEC) is kind.boxes[2]
    assert [b.closed for b in kind.boxes] == [1, 1, 1]


async def test_failed_opening_is_tried_again(tmp_path: Path) -> None:
    kind = Kind("docker")
    kind.fails = 1
    async with machines(tmp_path, kind) as found:
        with pytest.raises(SandboxUnavailable):
            await found.open(7, SPEC)
        assert await found.open(7, SPEC) is kind.boxes[0]


async def test_one_that_does_not_close_keeps_no_other_open(tmp_path: Path) -> None:
    kind = Kind("docker")
    async with machines(tmp_path, kind) as found:
        for pid in (12, 13, 14):
            await found.open(pid, SPEC)
    assert [b.closed for b in kind.boxes] == [1, 1, 1]


async def test_auto_takes_the_best_that_works(tmp_path: Path) -> None:
    for docker, bubblewrap, expected in ((True, True, "docker"), (False, True, "bubblewrap"), (True, False, "docker")):
        found = machines(tmp_path, Kind("host", isolated=False), Kind("bubblewrap", bubblewrap), Kind("docker", docker))
        assert await found.resolve("auto") == expected


async def test_auto_never_falls_back_to_the_host(tmp_path: Path) -> None:
    host = Kind("host", isolated=False)
    found = machines(tmp_path, Kind("docker", ok=False), Kind("bubblewrap", ok=False), host, allow_host_sandbox=True)
    with pytest.raises(SandboxUnavailable, match="fix docker, or fix bubblewrap"):
        await found.open(7, SPEC)
    assert host.boxes == []


async def test_named_kind_is_that_kind_or_nothing(tmp_path: Path) -> None:
    docker = Kind("docker", ok=False)
    bubblewrap = Kind("bubblewrap")
    found = machines(tmp_path, docker, bubblewrap, Kind("host", isolated=False))
    with pytest.raises(SandboxUnavailable, match="fix docker"):
        await found.open(7, SandboxSpec(kind="docker"))
    with pytest.raises(SandboxUnavailable, match="allow_host_sandbox"):
        await found.open(7, SandboxSpec(kind="host"))
    with pytest.raises(UnknownName, match="Did you mean 'docker'"):
        await found.resolve("dokcer")
    assert bubblewrap.boxes == []


async def test_server_setting_decides_what_auto_means(tmp_path: Path) -> None:
    kinds = (Kind("docker"), Kind("bubblewrap"), Kind("host", isolated=False))
    assert await machines(tmp_path, *kinds, sandbox="bubblewrap").resolve("auto") == "bubblewrap"
    with pytest.raises(SandboxUnavailable):
        await machines(tmp_path, *kinds, sandbox="host").resolve("auto")
    assert await machines(tmp_path, *kinds, sandbox="host", allow_host_sandbox=True).resolve("auto") == "host"


async def test_statuses_and_reaping(tmp_path: Path) -> None:
    found = machines(tmp_path, Kind("docker", ok=False), Kind("bubblewrap"))
    assert [(s.name, s.available.ok) for s in await found.statuses()] == [("docker", False), ("bubblewrap", True)]
    assert await found.reap(frozenset()) == [5]
    assert await found.reap(frozenset({5})) == []


class Resting(Box):
    """One that can be asked whether something runs in it."""

    rests = True

    async def resting(self) -> bool:
        return self.rests


async def test_a_sandbox_that_nobody_uses_is_closed_and_comes_back(tmp_path: Path) -> None:
    class Costly(Kind):
        async def open(self, pid: int, spec: SandboxSpec, home: Path, workspaces: object = None) -> Sandbox:
            self.boxes.append(Resting(home))
            return self.boxes[-1]

    kind = Costly("docker")
    watched: set[int] = set()
    async with machines(tmp_path, kind, sandbox_idle_s=0.2) as found:
        found.in_use.append(watched.__contains__)
        first = await found.open(7, SPEC)
        alive = frozenset({7})
        await found.reap(alive)
        assert await found.open(7, SPEC) is first
        await asyncio.sleep(0.3)
        await found.reap(alive, [7])
        await found.reap(alive)
        assert await found.open(7, SPEC) is first, "it was at work a moment ago"
        await asyncio.sleep(0.3)
        watched.add(7)
        await found.reap(alive)
        watched.clear()
        assert kind.boxes[0].closed == 0
        await asyncio.sleep(0.3)
        Resting.rests = False
        await found.reap(alive)
        Resting.rests = True
        assert kind.boxes[0].closed == 0
        await asyncio.sleep(0.3)
        await found.reap(alive)
        assert kind.boxes[0].closed == 1
        assert await found.open(7, SPEC) is kind.boxes[1]
