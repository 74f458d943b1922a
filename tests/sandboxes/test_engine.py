"""What an engine says of itself decides whether it is used; nothing here needs one."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import SandboxUnavailable
from aether_jupyter.sandboxes.docker import Docker, DockerSandbox
from aether_jupyter.sandboxes.shell import Connection

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"OSType": "linux", "MemoryLimit": True, "PidsLimit": True, "NCPU": 2, "ServerVersion": "20.10"}


def engine(monkeypatch: pytest.MonkeyPatch, **info: Any) -> None:
    monkeypatch.setattr(docker.APIClient, "_retrieve_server_version", lambda self: "1.41")
    monkeypatch.setattr(docker.APIClient, "info", lambda self: GOOD | info)
    monkeypatch.setattr(docker.APIClient, "inspect_image", lambda self, name: {"Id": "sha256:0123456789abcdef"})


async def test_an_engine_that_can_limit_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine(monkeypatch)
    answer = await Docker(tmp_path).available()
    assert (answer.ok, answer.detail) == (True, "engine 20.10, image 0123456789ab")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"MemoryLimit": False, "PidsLimit": False}, "cannot limit the memory and the processes of a container"),
        ({"PidsLimit": False}, "cannot limit the processes of a container"),
        ({"OSType": "windows"}, "runs no Linux containers"),
    ],
)
async def test_an_engine_that_cannot_hold_commands_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, info: dict[str, Any], words: str
) -> None:
    """A rootless engine without control groups starts containers all the same, without their limits."""
    engine(monkeypatch, **info)
    kind = Docker(tmp_path)
    answer = await kind.available()
    assert not answer.ok
    assert words in answer.detail
    assert answer.fix
    with pytest.raises(SandboxUnavailable, match=words):
        await kind.open(7, SandboxSpec(), tmp_path)


async def test_no_engine_is_told_and_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(SandboxUnavailable, match="no Docker engine answers"):
        await Docker(tmp_path).open(7, SandboxSpec(), tmp_path)


async def test_a_desktop_is_not_opened_again_once_its_sandbox_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    box = DockerSandbox(Docker(tmp_path), 7, SandboxSpec(desktop="xfce"), tmp_path, {})
    await box.close()
    with pytest.raises(SandboxUnavailable, match="the sandbox is closed"):
        await box.display()


async def test_a_removal_that_is_cancelled_is_waited_for() -> None:
    removing, gone = threading.Event(), threading.Event()

    def remove() -> None:
        removing.set()
        time.sleep(0.2)
        gone.set()

    connection, before = Connection(remove, None, "c"), asyncio.all_tasks()
    closing = asyncio.create_task(connection.close())
    await asyncio.to_thread(removing.wait, 5)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert gone.is_set()
    assert asyncio.all_tasks() == before
