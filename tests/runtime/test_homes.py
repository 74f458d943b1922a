"""Homes of fixed size in a whole app: one each, found again after a restart, gone with the process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import AgentSpec, SandboxSpec
from aether_jupyter.model.errors import BadRequest, SandboxUnavailable
from aether_jupyter.model.message import Text, ToolCall, ToolTurn
from aether_jupyter.runtime import homes
from aether_jupyter.runtime.homes import Homes

from .conftest import ANA

Script = Callable[..., str]
SPEC = SandboxSpec()


@pytest.fixture
def sized(tmp_path: Path) -> None:
    if why := Homes(Settings(home=tmp_path / "probe"))._volumes.missing():
        pytest.skip(f"not run: no volumes: {why}")


def mounted(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if str(folder) in line]


def writes(name: str, script: Script, path: str = "a.txt", content: str = "kept") -> str:
    call = ToolCall("c", "write_file", {"path": path, "content": content})
    return script(
        name, lambda n, turns: [call] if n == 0 else [Text(next(t.content for t in turns if isinstance(t, ToolTurn)))]
    )


async def test_files_of_an_agent_are_in_its_volume_and_doors_see_them_after_a_restart(
    sized: None, settings: Settings, ticks: Any, script: Script
) -> None:
    async with open_app(settings, plugins=[ticks]) as app:
        spec = AgentSpec(goal="g", model=writes("w", script), sandbox=SandboxSpec(disk_mb=40))
        pid = (await app.processes.spawn(ANA, spec)).pid
        await app.processes.wait(ANA, pid, timeout_s=30)
        home = settings.homes / str(pid)
        assert mounted(settings.home) == [str(home)]
        assert 40 << 20 <= os.statvfs(home).f_bavail * os.statvfs(home).f_frsize < 60 << 20
        assert (home / "a.txt").read_text() == "kept"
    assert mounted(settings.home) == []
    async with open_app(settings, plugins=[ticks]) as app:
        assert [entry.path for entry in await app.surroundings.files(pid, "")] == ["a.txt"]
        assert await app.surroundings.read_file(pid, "a.txt") == b"kept"
        await app.processes.reap(ANA, pid)
        while home.exists() or (settings.home / "volumes" / f"{pid}.img").exists():
            await asyncio.sleep(0.02)
    assert mounted(settings.home) == []


async def test_who_touches_no_files_gets_no_volume(sized: None, house: Any, settings: Settings, script: Script) -> None:
    tick = ToolCall("c", "tick", {"word": "hello"})
    done = await house.run(script("t", lambda n, turns: [tick] if n == 0 else [Text("done")]))
    assert done.exit.code == 0
    assert mounted(settings.home) == []
    assert not (settings.home / "volumes" / f"{done.pid}.img").exists()


async def test_nobody_asks_for_more_than_the_administrator_allows(settings: Settings, ticks: Any) -> None:
    most = msgspec.structs.replace(settings, home_quota_bytes=100 << 20)
    async with open_app(most, plugins=[ticks]) as app:
        with pytest.raises(BadRequest, match=r"sandbox.disk_mb: 101 MB are more than .* 100 MB"):
            await app.processes.spawn(
                ANA, AgentSpec(goal="g", model="scripted:echo-file", sandbox=SandboxSpec(disk_mb=101))
            )


async def test_what_nobody_uses_is_unmounted_after_a_while_and_comes_back(
    sized: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Homes(settings)
    home = await found.ready(7, SPEC)
    (home / "kept").write_text("here")
    await found.settle(())
    assert mounted(settings.home) == [str(home)]
    monkeypatch.setattr(homes, "IDLE_S", -1.0)
    await found.settle({7})
    assert mounted(settings.home) == [str(home)]
    with (home / "kept").open():
        await found.settle(())
        assert mounted(settings.home) == [str(home)]
    await found.settle(())
    assert mounted(settings.home) == []
    assert (found.existing(7) / "kept").read_text() == "here"
    await found.close()
    assert mounted(settings.home) == []


async def test_who_reads_in_a_home_keeps_its_volume_mounted_as_who_works_in_it_does(
    sized: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Homes(settings)
    home = await found.ready(7, SPEC)
    monkeypatch.setattr(homes, "IDLE_S", 0.3)
    await asyncio.sleep(0.4)
    assert found.existing(7) == home
    await found.settle(())
    assert mounted(settings.home) == [str(home)]
    await asyncio.sleep(0.4)
    await found.settle(())
    assert mounted(settings.home) == []


async def test_a_volume_that_is_asked_for_while_it_is_tidied_up_stays(
    sized: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the tidying thread comes late, when somebody has begun to work in the home again."""
    found = Homes(settings)
    home = await found.ready(7, SandboxSpec(disk_mb=40))
    leave = found._volumes.leave

    def late(pid: int, mount: Path, *more: float) -> bool:
        # What `ready` does meanwhile in a thread of its own.
        assert found._volumes.use(pid, mount, 40 << 20)
        (mount / "a.txt").write_text("kept")
        return leave(pid, mount, *more)

    monkeypatch.setattr(homes, "IDLE_S", 0.0)
    monkeypatch.setattr(found._volumes, "leave", late)
    await asyncio.sleep(0.01)
    await found.settle(())
    assert mounted(settings.home) == [str(home)]
    assert (found.existing(7) / "a.txt").read_text() == "kept"
    monkeypatch.setattr(found._volumes, "leave", leave)
    await found.close()
    assert mounted(settings.home) == []


async def test_never_makes_folders_and_always_refuses_where_there_can_be_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Homes(msgspec.structs.replace(settings, home_volumes="never"))
    assert not os.path.ismount(await plain.ready(7, SPEC))
    assert await plain.sized() == "c.Aether.home_volumes = 'never'"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxUnavailable, match="home_volumes = 'always'"):
        await Homes(msgspec.structs.replace(settings, home_volumes="always")).ready(8, SPEC)
    assert not os.path.ismount(await Homes(settings).ready(9, SPEC))


async def test_always_refuses_a_home_of_before_and_one_that_cannot_be_filled_as_a_volume(
    sized: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = Homes(msgspec.structs.replace(settings, home_volumes="never"))
    ((await plain.ready(7, SPEC)) / "old.txt").write_text("from before")
    always = Homes(msgspec.structs.replace(settings, home_volumes="always"))
    with pytest.raises(SandboxUnavailable, match=r"holds files from before .* 'auto', or take a snapshot"):
        await always.ready(7, SPEC)
    assert mounted(settings.home) == []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    elsewhere = Homes(msgspec.structs.replace(settings, home_volumes="always"))
    with pytest.raises(SandboxUnavailable, match="the server is not root"), elsewhere.filling(tmp_path, SPEC):
        pytest.fail("it is filled as a plain folder")


async def test_health_says_what_holds_a_home(settings: Settings, ticks: Any) -> None:
    for setting, words in (("auto", ""), ("never", "measured while commands run; volumes of fixed size: c.Aether")):
        async with open_app(msgspec.structs.replace(settings, home_volumes=setting), plugins=[ticks]) as app:
            (check,) = [each for each in await app.surroundings.health() if each.name == "homes"]
            assert check.ok
            assert words in check.detail
            assert "2000 MB" in check.detail
