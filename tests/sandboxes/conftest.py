"""Every kind of sandbox, opened over a temporary home; where one cannot be had the reason is reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aether_jupyter.abc import Sandbox, SandboxKind
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.sandboxes.bubblewrap import Bubblewrap
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.sandboxes.host import Host

ROOT = Path(__file__).resolve().parents[2]
SPEC = SandboxSpec(memory_mb=256, pids=64, cpus=2)


def _engine_answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True, timeout=30).returncode == 0


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An engine with the image: the one that runs, or one started for the tests where we are root."""
    if shutil.which("docker") is None:
        pytest.skip("not run: no docker client on PATH")
    started: subprocess.Popen[bytes] | None = None
    if not _engine_answers():
        if os.name != "posix" or os.geteuid() != 0 or shutil.which("dockerd") is None:
            pytest.skip("not run: no Docker engine answers, and one can be started only as root with dockerd")
        # Kept between runs, so that the image is built once.
        data = Path("/var/lib/aether-docker")
        log = tmp_path_factory.mktemp("dockerd") / "log"
        with log.open("wb") as out:
            started = subprocess.Popen(
                ["dockerd", "--data-root", str(data)], stdout=out, stderr=out, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not _engine_answers():
            if started.poll() is not None or time.monotonic() > deadline:
                started.kill()
                pytest.skip(f"not run: dockerd does not start here: {log.read_text()[-300:]}")
            time.sleep(0.5)
    try:
        if subprocess.run([str(ROOT / "images/build"), "--check"], capture_output=True).returncode != 0:
            built = subprocess.run([str(ROOT / "images/build")], capture_output=True, text=True, timeout=900)
            if built.returncode != 0:
                pytest.skip(f"not run: the image cannot be built here: {built.stderr[-300:]}")
        yield
    finally:
        if started is not None:
            started.terminate()
            started.wait(30)


@pytest.fixture
def aether_home(tmp_path: Path) -> Path:
    (tmp_path / "homes" / "7").mkdir(parents=True)
    return tmp_path


KINDS = ["host", "bubblewrap", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.timeout(900)])]


@pytest.fixture(params=KINDS)
async def kind(request: pytest.FixtureRequest, anyio_backend: str, aether_home: Path) -> SandboxKind:
    found: SandboxKind
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
        found = Docker(aether_home)
    elif request.param == "bubblewrap":
        found = Bubblewrap(aether_home, 1_000_000_000)
    else:
        found = Host(allowed=True)
    answer = await found.available()
    if not answer.ok:
        pytest.skip(f"not run: {answer.detail}")
    return found


@pytest.fixture
async def sandbox(kind: SandboxKind, aether_home: Path) -> AsyncIterator[Sandbox]:
    opened = await kind.open(7, SPEC, aether_home / "homes" / "7")
    yield opened
    await opened.close()
