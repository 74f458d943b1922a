"""Who computes all the time weighs little, and has its weight again after a while of calm."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from aether_jupyter.sandboxes import fairness
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.sandboxes.fairness import LAST, USUAL, Fairness, idle_file, usage_file, used_s

from .conftest import SPEC

pytestmark = pytest.mark.anyio


class Meter:
    """Processor time that goes by at a rate."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._used = 0.0
        self._at = asyncio.get_running_loop().time()

    def read(self, file: Path) -> float:
        now = asyncio.get_running_loop().time()
        self._used += self.rate * (now - self._at)
        self._at = now
        return self._used


async def test_a_busy_one_goes_last_and_comes_back_when_it_is_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    monkeypatch.setattr(fairness, "usage_file", lambda container, pid: Path("meter"))
    monkeypatch.setattr(fairness, "used_s", meter.read)
    monkeypatch.setattr(fairness, "EVERY_S", 0.05)
    monkeypatch.setattr(fairness, "CALM_S", 0.4)
    told: list[tuple[str, int]] = []
    fair = Fairness(lambda container, shares: told.append((container, shares)))
    fair.add("c", 1)
    await asyncio.sleep(0.3)
    assert told == []
    meter.rate = 0.9
    await asyncio.sleep(0.3)
    assert told == [("c", LAST)]
    # A moment of rest is no calm.
    meter.rate = 0.0
    await asyncio.sleep(0.2)
    meter.rate = 0.3
    await asyncio.sleep(0.6)
    assert told == [("c", LAST)]
    meter.rate = 0.0
    await asyncio.sleep(0.8)
    assert told == [("c", LAST), ("c", USUAL)]
    fair.drop("c")
    meter.rate = 0.9
    await asyncio.sleep(0.3)
    assert len(told) == 2


@pytest.mark.docker
async def test_what_a_container_used_is_read_and_its_weight_is_set(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    kind = Docker(aether_home)
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert box._connection is not None
        container = box._connection.container
        file = usage_file(container, kind.engine.first_process(container))
        if file is None:
            pytest.skip("not run: the engine's control groups are not on this machine")
        before = used_s(file)
        await box.run("timeout 1 sh -c 'while :; do :; done'", timeout_s=20)
        assert 0.02 < used_s(file) - before < 3
        kind.engine.weigh(container, LAST)
        told = subprocess.run(
            ["docker", "inspect", "--format", "{{.HostConfig.CpuShares}}", container], capture_output=True, text=True
        )
        assert int(told.stdout) == LAST
    finally:
        await box.close()
    assert usage_file(container, 1) is None


@pytest.mark.docker
async def test_a_busy_container_runs_only_while_nobody_else_wants_to(
    docker_engine: None, anyio_backend: str, aether_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "CALM_S", 0.5)
    kind = Docker(aether_home)
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert box._connection is not None
        container = box._connection.container
        usage = usage_file(container, kind.engine.first_process(container))
        if usage is None or not os.access(idle_file(usage), os.W_OK):
            pytest.skip("not run: the kernel has no such class, or it may not be set")

        async def turned(to: str) -> None:
            async with asyncio.timeout(10):
                while idle_file(usage).read_text().strip() != to:
                    await asyncio.sleep(0.1)

        await turned("0")
        working = asyncio.create_task(box.run("timeout 6 sh -c 'while :; do :; done'", timeout_s=20))
        await turned("1")
        await working
        await turned("0")
        told = await asyncio.to_thread(
            subprocess.run,
            ["docker", "inspect", "--format", "{{.HostConfig.CpuShares}}", container],
            capture_output=True,
        )
        assert int(told.stdout) == USUAL
    finally:
        await box.close()
