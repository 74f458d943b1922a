"""The same agents run by Aether: journal, memory, budgets and one feed reader on, reflection off.

`python -m tests.bench.ours URL AGENTS STEPS DELAY_MS REPEAT` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from aether_jupyter.abc import Tool, ToolContext
from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.events import ModelRequested, ProcessExited
from aether_jupyter.model.process import State
from aether_jupyter.plugins import hookimpl

PERSON = Principal.person("bench")


@tool(risk="safe", repeatable=True, default=False)
async def note(ctx: ToolContext, text: str) -> str:
    """Write a note.

    Args:
        text: What to write.
    """
    return f"noted {text}"


class BenchTools:
    """A plugin with one cheap tool."""

    @hookimpl
    def register_tools(self, settings: Settings) -> list[Tool]:
        return [note]


def spec(model: str) -> AgentSpec:
    return AgentSpec(
        goal="Write notes.",
        name="bench",
        model=f"openai:{model}",
        tools=("note", "recall"),
        # The floor does not look back on its runs either; here that would go on beside the next run.
        reflect=False,
        limits=Limits(steps=1000, tokens=10_000_000, cost_usd=100.0, wall_s=3600.0),
    )


class Reader:
    """One feed reader; counts what it is given and knows who ended."""

    def __init__(self) -> None:
        self.records = 0
        self.ended: set[int] = set()
        self.news = asyncio.Event()

    async def read(self, app: App, ready: asyncio.Event) -> None:
        async for frame in app.feed.follow(PERSON, cursor=None, watch=set()):
            ready.set()
            for record in msgspec.json.decode(frame).get("records", ()):
                self.records += 1
                if record["event"]["type"] == "process.exited":
                    self.ended.add(record["pid"])
                    self.news.set()


async def run(app: App, agents: int, model: str) -> dict[str, Any]:
    reader, ready = Reader(), asyncio.Event()
    task = asyncio.create_task(reader.read(app, ready))
    await ready.wait()
    gc.collect()
    cpu, began = time.process_time(), time.perf_counter()
    one = spec(model)
    spawned = await asyncio.gather(*(app.processes.spawn(PERSON, one) for _ in range(agents)))
    pids = {process.pid for process in spawned}
    if agents == 1:
        # As a cell waits. (The reader of the feed is told 40 ms later, with whatever else happened by then.)
        await app.processes.wait(PERSON, min(pids), timeout_s=60)
        cpu_end, end = time.process_time(), time.perf_counter()
    while not pids <= reader.ended:
        reader.news.clear()
        async with asyncio.timeout(300):
            await reader.news.wait()
    if agents > 1:
        cpu_end, end = time.process_time(), time.perf_counter()
    wall, cpu = end - began, cpu_end - cpu
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    steps: list[float] = []
    failures = 0
    for pid in pids:
        process = await app.processes.get(PERSON, pid)
        failures += process.state is not State.ZOMBIE or process.exit is None or process.exit.code != 0
        records = await app.processes.records(PERSON, pid, limit=1000)
        marks = [r.at for r in records if isinstance(r.event, ModelRequested | ProcessExited)]
        steps.extend(later - earlier for earlier, later in itertools.pairwise(marks))
    steps.sort()
    return {
        "wall_s": wall,
        "p95_s": steps[int(len(steps) * 0.95)],
        "cpu_ms_step": cpu / len(steps) * 1000,
        "steps": len(steps),
        "failures": failures,
        "records": reader.records,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def main() -> None:
    url, agents, steps, delay_ms, repeat = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            home=Path(folder),
            daily_budget_usd=1_000_000.0,
            environment={"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "bench"},
        )
        async with open_app(settings, plugins=[BenchTools()]) as app:
            await run(app, 1, "bench-1-0ms")
            found = [await run(app, int(agents), f"bench-{steps}-{delay_ms}ms") for _ in range(int(repeat))]
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
