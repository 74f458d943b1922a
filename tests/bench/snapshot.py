"""How long an agent is held for a snapshot: `python -m tests.bench.snapshot MEGABYTES`. Prints a JSON object.

The home holds files of 4 MB, one of a quarter of it, and two thousand small ones. The floor copies the same folder with
`shutil.copytree`. Beside the pause it tells how long all of it took, a second one in which nothing had changed, a third
in which one small file had, and going on from the first in another, empty `AETHER_HOME`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.snapshot import Branching

PERSON = Principal.person("bench")


def fill(home: Path, megabytes: int) -> None:
    """Half of it random, half of it text that packs well."""
    dice = random.Random(7)
    words = [f"word{number} " for number in range(500)]
    large = megabytes // 4
    (home / "large.bin").write_bytes(os.urandom(large << 20))
    left = megabytes - large - 8
    for number in range(left // 4):
        text = "".join(dice.choices(words, k=600_000)).encode()[: 4 << 20]
        (home / f"{number}.bin").write_bytes(text if number % 2 else os.urandom(4 << 20))
    for number in range(2000):
        folder = home / f"many/{number % 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_bytes(os.urandom(4096))


async def measure(megabytes: int, folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = {"megabytes": megabytes}
    here = Settings(home=folder / "here", home_quota_bytes=4_000_000_000)
    file = folder / "one.aethersnapshot"
    async with open_app(here) as app:
        process = await app.processes.spawn(PERSON, AgentSpec(goal="hold", model="scripted:ask"))
        await app.processes.wait(PERSON, process.pid, timeout_s=30)
        home = here.homes / str(process.pid)
        home.mkdir(parents=True, exist_ok=True)
        fill(home, megabytes)
        os.sync()
        began = time.perf_counter()
        await asyncio.to_thread(shutil.copytree, home, folder / "copy")
        figures["floor_s"] = time.perf_counter() - began
        shutil.rmtree(folder / "copy")
        await asyncio.sleep(2.5)
        began = time.perf_counter()
        taken = await app.captures.take(PERSON, process.pid)
        figures |= {"pause_s": taken.pause_s, "whole_s": time.perf_counter() - began, "stored": taken.new_bytes}
        began = time.perf_counter()
        again = await app.captures.take(PERSON, process.pid)
        figures |= {"again_pause_s": again.pause_s, "again_s": time.perf_counter() - began, "again": again.new_bytes}
        (home / "many/7/7.txt").write_bytes(os.urandom(4096))
        began = time.perf_counter()
        changed = await app.captures.take(PERSON, process.pid)
        figures |= {"changed_pause_s": changed.pause_s, "changed_s": time.perf_counter() - began}
        figures["changed"] = changed.new_bytes
        _, pieces = await app.captures.export(PERSON, taken.id)
        with file.open("wb") as out:
            async for piece in pieces:
                out.write(piece)
    there = Settings(home=folder / "there", home_quota_bytes=4_000_000_000)
    async with open_app(there) as app:
        began = time.perf_counter()
        brought = await app.captures.take_in(PERSON, file)
        figures["import_s"] = time.perf_counter() - began
        began = time.perf_counter()
        made = await app.captures.restore(PERSON, brought.id, Branching())
        figures["restore_s"] = time.perf_counter() - began
        waits = await app.processes.wait(PERSON, made.process.pid, timeout_s=30)
        figures["goes_on"] = waits.wait is not None and waits.wait.kind == "answer"
    return figures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as at:
        print(json.dumps(asyncio.run(measure(int(sys.argv[1]), Path(at)))))
