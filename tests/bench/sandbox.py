"""`python -m tests.bench.sandbox TIMES`: seconds from nothing to the end of a container's first command, as JSON.

Each time is a new process with a home of its own, as an agent's first command meets it: a volume is made and mounted,
a container is made and started, the shell server says hello, a command runs. The floor is the engine alone: `docker
run` of the same image and command.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aether_jupyter.config import Settings
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.plugins import load_plugins
from aether_jupyter.runtime.machines import Machines

SPEC = SandboxSpec(kind="docker")


async def ours(home: Path, times: int) -> list[float]:
    settings = Settings(home=home)
    found: list[float] = []
    async with Machines(load_plugins(settings).sandboxes, settings) as machines:
        await machines.resolve("docker")
        await machines.homes.sized()
        for pid in range(1, times + 1):
            began = time.perf_counter()
            box = await machines.open(pid, SPEC)
            done = await box.run("echo ready", timeout_s=30)
            found.append(time.perf_counter() - began)
            assert done.stdout == b"ready\n", done
            await machines.close(pid)
            await machines.homes.remove(pid)
    return found


def floor(times: int) -> list[float]:
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        command = ["docker", "run", "--rm", "--network", "none", "aether-sandbox", "echo", "ready"]
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return found


def main() -> None:
    times = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as home:
        values = asyncio.run(ours(Path(home), times))
    floors = floor(times)
    ranked = sorted(values)
    told = {
        "p50_s": statistics.median(values),
        "p95_s": ranked[min(len(ranked) - 1, round(len(ranked) * 0.95))],
        "floor_s": statistics.median(floors),
        "times": times,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
