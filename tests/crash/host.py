"""A server process to be killed: an open app with two tools that leave a durable mark for every run of a call.

`python -m tests.crash.host HOME MODEL_URL MARKS BEGAN SLOTS` obeys lines on its standard input and answers with JSON
lines: `fill N MODEL` spawns until N agents are in flight (each accepted PID is told), `resumed` tells when every agent
that was in flight at the start works again, `idle` when none is in flight, `report` what the journal holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from aether_jupyter.abc import Tool, ToolContext
from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.declare import tool
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits
from aether_jupyter.model.process import State
from aether_jupyter.plugins import hookimpl

PERSON = Principal.person("crash")
LIVE = (State.READY, State.RUNNING, State.WAITING, State.STOPPED)


class Marks:
    """One line a run of a call, on disk before the call ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, kind: str, context: ToolContext) -> None:
        os.write(self._file, f"{kind} {context.pid} {context.call_id}\n".encode())
        os.fdatasync(self._file)


class MarkTools:
    """A plugin with a call that must never run twice, and one that may."""

    def __init__(self, marks: Marks) -> None:
        @tool(risk="safe", default=False)
        async def once(ctx: ToolContext, text: str) -> str:
            """Do what must not be done twice.

            Args:
                text: Anything.
            """
            marks.add("once", ctx)
            await asyncio.sleep(0.01)
            return "done"

        @tool(risk="safe", repeatable=True, default=False)
        async def again(ctx: ToolContext, text: str) -> str:
            """Do what may be done twice.

            Args:
                text: Anything.
            """
            marks.add("again", ctx)
            await asyncio.sleep(0.01)
            return "done"

        self._tools = [once, again]

    @hookimpl
    def register_tools(self, settings: Settings) -> list[Tool]:
        return list(self._tools)


def tell(**words: Any) -> None:
    """Answer. Written at once: the next instruction may be a kill."""
    os.write(1, (json.dumps(words) + "\n").encode())


class Host:
    """Obeys one line at a time."""

    def __init__(self, app: App, began: float, held: Held) -> None:
        self.app = app
        self.began = began
        self.held = held

    async def live(self) -> list[int]:
        processes = await self.app.processes.list(PERSON, states=LIVE, limit=10_000)
        return [process.pid for process in processes]

    async def fill(self, wanted: str, model: str) -> None:
        missing = max(0, int(wanted) - len(await self.live()))
        spec = AgentSpec(
            goal="Work.", name="crash", model=f"openai:{model}", tools=("once", "again"), limits=Limits(steps=10_000)
        )

        async def one() -> None:
            process = await self.app.processes.spawn(PERSON, spec)
            tell(accepted=process.pid)

        await asyncio.gather(*(one() for _ in range(missing)))
        tell(filled=missing)

    async def resumed(self) -> None:
        while not await asyncio.to_thread(self.held.all_resumed):
            await asyncio.sleep(0.02)
        tell(resumed_s=time.time() - self.began, agents=len(self.held.epochs))

    async def idle(self) -> None:
        while await self.live():
            await asyncio.sleep(0.1)
        tell(idle=True)

    async def report(self) -> None:
        after: list[int] = []
        for process in await self.app.processes.list(PERSON, limit=100_000):
            after.append(process.pid)
            n, events = 0, []
            while records := await self.app.processes.records(PERSON, process.pid, after=n, limit=500):
                n = records[-1].n
                events += [msgspec.to_builtins(record.event) | {"n": record.n} for record in records]
            status = process.exit
            tell(pid=process.pid, state=str(process.state), code=status.code if status else None, events=events)
        tell(reported=len(after))


class Held:
    """What was in flight when this server started: each is resumed once it is claimed anew, or has ended."""

    def __init__(self, database: Path) -> None:
        self._path = database
        rows = self._rows() if database.exists() else []
        self.epochs = {pid: epoch for pid, epoch, state in rows if state in ("RUNNING", "READY")}

    def _rows(self) -> list[tuple[int, int, str]]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as connection:
            # The other server may have made the file and not yet its tables.
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'process'").fetchone():
                return []
            return connection.execute("SELECT pid, epoch, state FROM process").fetchall()

    def all_resumed(self) -> bool:
        """Whether none still waits for this server (or for another one on the same home)."""
        return all(
            state == "ZOMBIE" or (state != "READY" and epoch > self.epochs[pid])
            for pid, epoch, state in self._rows()
            if pid in self.epochs
        )


async def main(home: str, url: str, marks: str, began: str, slots: str) -> None:
    environment = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "crash"}
    settings = Settings(home=Path(home), environment=environment, slots=int(slots))
    held = Held(settings.database)
    async with open_app(settings, plugins=[MarkTools(Marks(Path(marks)))]) as app:
        host = Host(app, float(began), held)
        tell(ready=True)
        tasks = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *arguments = line.split()
            task = asyncio.create_task(getattr(host, word)(*arguments))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
