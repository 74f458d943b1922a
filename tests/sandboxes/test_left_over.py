"""A server that is killed leaves no container behind, and what is left all the same is reaped."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.model.errors import SandboxUnavailable
from aether_jupyter.sandboxes.bubblewrap import Bubblewrap
from aether_jupyter.sandboxes.command import own_home
from aether_jupyter.sandboxes.docker import Docker

from .conftest import SPEC

pytestmark = pytest.mark.anyio

SERVER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from aether_jupyter.model.agent import SandboxSpec
    from aether_jupyter.sandboxes.docker import Docker
    async def main():
        home = Path(sys.argv[1])
        box = await Docker(home).open(7, SandboxSpec(memory_mb=256), home / "homes" / "7")
        await box.run("nohup sleep 300 &", timeout_s=5)
        if "freeze" in sys.argv: assert await box.freeze()
        print("open", flush=True)
        await asyncio.sleep(300)
    asyncio.run(main())
""")


def containers(home: Path) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=aether.home={home}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_killed_server_leaves_no_container(docker_engine: None, aether_home: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(aether_home)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"open\n"
    assert len(containers(aether_home)) == 1
    server.kill()
    server.wait()
    server.stdout.close()
    deadline = time.monotonic() + 20
    while containers(aether_home) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert containers(aether_home) == []


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_containers_of_the_dead_are_reaped_and_of_the_living_kept(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    kind = Docker(aether_home)
    (aether_home / "homes" / "8").mkdir()
    dead = await kind.open(7, SPEC, aether_home / "homes" / "7")
    living = await kind.open(8, SPEC, aether_home / "homes" / "8")
    try:
        assert await kind.reap("/another/home", frozenset()) == []
        assert await kind.reap(str(aether_home), frozenset({8})) == [7]
        assert (await living.run("echo alive", timeout_s=5)).stdout == b"alive\n"
        # The one that was taken away comes back with the next command, over the same home.
        assert (await dead.run("echo again", timeout_s=20)).stdout == b"again\n"
    finally:
        await dead.close()
        await living.close()
    assert containers(aether_home) == []


def frozen_by_a_server_that_died(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER, str(home), "freeze"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"open\n"
        server.kill()
    time.sleep(1)
    # It stands still, so it does not see that its server is gone.
    assert len(containers(home)) == 1


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_frozen_container_of_a_dead_process_is_removed_by_whoever_is_first(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    await asyncio.to_thread(frozen_by_a_server_that_died, aether_home)
    servers = [Docker(aether_home), Docker(aether_home)]
    for each in servers:
        await each.available()
    # One is removed while the other removes it, too.
    found = await asyncio.gather(*(each.reap(str(aether_home), frozenset()) for each in servers))
    assert [7] in found
    deadline = time.monotonic() + 10
    while containers(aether_home) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert containers(aether_home) == []
    assert await servers[0].reap(str(aether_home), frozenset()) == []


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_frozen_container_of_a_living_process_does_not_stand_still_for_ever(
    docker_engine: None, anyio_backend: str, aether_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(frozen_by_a_server_that_died, aether_home)
    kind = Docker(aether_home)
    # Another server may be copying its files.
    assert await kind.reap(str(aether_home), frozenset({7})) == []
    assert await kind.open_elsewhere(7)
    await asyncio.sleep(1)
    assert len(containers(aether_home)) == 1
    monkeypatch.setattr("aether_jupyter.sandboxes.containers._STILL_S", 0.5)
    assert await kind.reap(str(aether_home), frozenset({7})) == []
    deadline = time.monotonic() + 10
    while containers(aether_home) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert containers(aether_home) == []
    assert not await kind.open_elsewhere(7)
    # What this server froze itself stays so until it is done.
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert await box.freeze()
        monkeypatch.setattr("aether_jupyter.sandboxes.containers._STILL_S", 0.0)
        await kind.reap(str(aether_home), frozenset({7}))
        state = ["docker", "inspect", "-f", "{{.State.Paused}}", *containers(aether_home)]
        assert subprocess.run(state, capture_output=True, text=True, check=True).stdout == "true\n"
        await box.thaw()
        assert (await box.run("echo on", timeout_s=10)).stdout == b"on\n"
    finally:
        await box.close()


async def test_control_groups_of_the_dead_are_removed(anyio_backend: str, aether_home: Path) -> None:
    kind = Bubblewrap(aether_home, 1_000_000)
    if not (await kind.available()).ok:
        pytest.skip("not run: bubblewrap does not work here")
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    if kind._groups is None:
        pytest.skip("not run: no control groups can be made here")
    assert await kind.reap(str(aether_home), frozenset({7})) == []
    assert await kind.reap(str(aether_home), frozenset()) == [7]
    await box.close()
    assert await kind.reap(str(aether_home), frozenset()) == []


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_container_that_ends_by_itself_is_replaced_at_once(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    box = await Docker(aether_home).open(7, SPEC, aether_home / "homes" / "7")
    try:
        for _ in range(5):
            with pytest.raises(SandboxUnavailable, match="the next command starts a new one"):
                await box.run("kill -INT 1; sleep 5", timeout_s=10)
            assert (await box.run("echo again", timeout_s=20)).stdout == b"again\n"
    finally:
        await box.close()


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_container_that_is_killed_from_outside_is_told_and_replaced(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    box = await Docker(aether_home).open(7, SPEC, aether_home / "homes" / "7")
    try:
        running = asyncio.create_task(box.run("echo kept > file; sleep 30", timeout_s=60))
        await asyncio.sleep(1)
        subprocess.run(["docker", "kill", *containers(aether_home)], capture_output=True, check=True)
        with pytest.raises(SandboxUnavailable, match="the next command starts a new one"):
            await running
        assert (await box.run("cat file", timeout_s=20)).stdout == b"kept\n"
        assert len(containers(aether_home)) == 1
    finally:
        await box.close()
    assert containers(aether_home) == []


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_container_rests_when_no_command_and_no_terminal_is_open(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    box = await Docker(aether_home).open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert await box.resting()
        running = asyncio.create_task(box.run("sleep 2", timeout_s=60))
        await asyncio.sleep(0.5)
        assert not await box.resting()
        await running
        assert await box.resting()
        terminal = subprocess.Popen(["docker", "exec", "-i", *containers(aether_home), "cat"], stdin=subprocess.PIPE)
        await asyncio.sleep(1)
        assert not await box.resting()
        assert terminal.stdin is not None
        terminal.stdin.close()
        terminal.wait(20)
        await asyncio.sleep(0.5)
        assert await box.resting()
    finally:
        await box.close()
    assert await box.resting()


@pytest.mark.docker
@pytest.mark.timeout(120)
async def test_a_desktop_that_is_reached_through_the_engine_rests_too(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    """A server that is not root may not go to the desktop's socket, and keeps a program in the container instead."""
    kind = Docker(aether_home)
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        (container,) = containers(aether_home)
        full = subprocess.run(
            ["docker", "inspect", "-f", "{{.Id}}", container], capture_output=True, text=True, check=True
        ).stdout.strip()
        _, writer = await kind.tunnel(full, ["cat"])
        assert await asyncio.to_thread(running_beside, container)
        assert await box.resting()
        with subprocess.Popen(["docker", "exec", "-i", container, "cat"], stdin=subprocess.PIPE):
            await asyncio.sleep(1)
            assert not await box.resting()
        writer.close()
    finally:
        await box.close()


def running_beside(container: str) -> bool:
    told = subprocess.run(["docker", "inspect", "-f", "{{.ExecIDs}}", container], capture_output=True, text=True)
    return told.stdout.strip() not in ("[]", "<nil>", "")


@pytest.fixture
def engine_of_its_own(
    docker_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """An engine that a test may end; what is returned ends it and starts it again."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("not run: a second engine needs root and dockerd")
    socket, data = tmp_path / "e.sock", Path(tempfile.mkdtemp(prefix="aether-engine-"))
    running: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")

    def start() -> None:
        running.append(
            subprocess.Popen(
                [
                    # In a network of its own: without a bridge it would take that of the other engine away.
                    *("unshare", "--net", "dockerd", "--host", f"unix://{socket}", "--data-root", str(data / "root")),
                    *("--exec-root", str(data / "exec"), "--pidfile", str(data / "pid")),
                    *("--bridge", "none", "--iptables=false"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "version"], capture_output=True).returncode != 0:
            assert running[-1].poll() is None, (tmp_path / "log").read_text()[-1000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def again() -> None:
        running[-1].terminate()
        running[-1].wait(60)
        start()

    saved = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "-o", str(saved), "aether-sandbox"], check=True)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    try:
        start()
        subprocess.run(["docker", "load", "-qi", str(saved)], check=True, capture_output=True)
        saved.unlink()
        yield again
    finally:
        running[-1].terminate()
        running[-1].wait(60)
        log.close()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{data}/"):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False)
        shutil.rmtree(data, ignore_errors=True)


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_an_engine_that_is_started_again_has_no_container_too_many(
    engine_of_its_own: Callable[[], None], anyio_backend: str, aether_home: Path
) -> None:
    kind = Docker(aether_home)
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert (await box.run("echo kept > file", timeout_s=20)).exit_code == 0
        await asyncio.to_thread(engine_of_its_own)
        for _ in range(3):
            # The command that meets the loss says so; the next one has a new container over the same files.
            try:
                done = await box.run("cat file", timeout_s=30)
            except SandboxUnavailable:
                continue
            break
        assert done.stdout == b"kept\n"
        await kind.reap(str(aether_home), frozenset({7}))
        assert len(containers(aether_home)) == 1
    finally:
        await box.close()
    deadline = time.monotonic() + 60
    while containers(aether_home) and time.monotonic() < deadline:
        await kind.reap(str(aether_home), frozenset())
        await asyncio.sleep(0.5)
    assert containers(aether_home) == []


@pytest.mark.docker
async def test_the_engine_is_found_where_dockers_own_command_finds_it(
    docker_engine: None, anyio_backend: str, aether_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{elsewhere}")
    answer = await Docker(aether_home).available()
    assert not answer.ok
    assert "engine" in answer.detail
    elsewhere.symlink_to("/var/run/docker.sock")
    assert (await Docker(aether_home).available()).ok


def test_a_folder_that_is_swapped_for_a_link_leads_no_change_of_owner_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root changes owners")
    outside, home = tmp_path / "outside", tmp_path / "home"
    outside.mkdir()
    (outside / "secret").write_text("canary")
    (home / "dir").mkdir(parents=True)
    (home / "dir" / "secret").write_text("mine")
    chown = os.chown

    def swapped(name: str, *arguments: int, **options: Any) -> None:
        if str(name).endswith("secret"):
            (home / "dir").rename(home / "aside")
            (home / "dir").symlink_to(outside)
        chown(name, *arguments, **options)

    monkeypatch.setattr(os, "chown", swapped)
    own_home(home, 1000, 1000)
    assert (outside / "secret").stat().st_uid == 0
    assert (home / "aside" / "secret").stat().st_uid == 1000
