"""Where a home is a plain folder, what it holds is measured, and who fills it is ended with words."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from aether_jupyter.abc import SandboxKind
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import ToolFailed
from aether_jupyter.sandboxes.disk import DiskWatch, held_bytes

pytestmark = pytest.mark.anyio

FILL = "for i in $(seq 40); do head -c 1000000 /dev/urandom > big$i; sleep 0.05; done"


async def test_who_fills_the_home_is_ended_and_can_make_room(kind: SandboxKind, aether_home: Path) -> None:
    if not kind.isolated:
        pytest.skip(f"{kind.name} isolates nothing")
    home = aether_home / "homes" / "7"
    box = await kind.open(7, SandboxSpec(memory_mb=256, pids=64, disk_mb=16), home)
    try:
        began = time.monotonic()
        with pytest.raises(ToolFailed, match=r"the home holds \d+ MB and may hold 16; .* delete some of them"):
            await box.run(f"{FILL}; sleep 60", timeout_s=90)
        assert time.monotonic() - began < 20
        assert held_bytes(home) < 60 << 20
        # Over it already, it may still do what makes it less, and what writes a little.
        assert (await box.run("sleep 2.5; ls big1; rm big*; echo done", timeout_s=30)).stdout == b"big1\ndone\n"
        assert (await box.run("sleep 2.5; echo small > file; cat file", timeout_s=30)).stdout == b"small\n"
    finally:
        await box.close()


async def test_what_a_command_left_behind_is_watched_too(tmp_path: Path) -> None:
    told: list[str] = []
    watch = DiskWatch(tmp_path, 1_000_000, told.append)
    watch.start()
    await asyncio.sleep(0.3)
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    for _ in range(100):
        await asyncio.sleep(0.05)
        if told:
            break
    assert len(told) == 1
    await watch.close()


async def test_links_count_once_and_lead_nowhere(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.write_bytes(os.urandom(5_000_000))
    (home / "out").symlink_to(outside)
    (home / "loop").symlink_to(home)
    (home / "one").write_bytes(os.urandom(1_000_000))
    os.link(home / "one", home / "two")
    with (home / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert 1_000_000 <= held_bytes(home) < 1_100_000
