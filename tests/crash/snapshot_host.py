"""A server process that stops for ever at one point of a snapshot or a restore, to be killed there.

`python -m tests.crash.snapshot_host HOME SANDBOX POINT` obeys lines on its standard input and answers with JSON lines:
`begin` spawns an agent and tells its PID when it waits for an answer, `take PID` and `restore KEY` tell what they made,
`finish PID` answers the agent and tells its last words, `look` tells of what there is. POINT is one of `POINTS`, or
`none`; when it is reached, `at` is told and nothing goes on.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.message import Part, Text, ToolCall, ToolTurn, Turn
from aether_jupyter.model.snapshot import Branching
from aether_jupyter.model.tool import Decision
from aether_jupyter.providers.scripted import register
from aether_jupyter.runtime.homes import Homes
from aether_jupyter.runtime.vault import Vault

from .host import tell

PERSON = Principal.person("crash")
POINTS: dict[str, tuple[type, str]] = {
    "copied": (Vault, "spool"),
    "kept": (Vault, "keep"),
    "written": (Vault, "write"),
    "filled": (Vault, "lay_out"),
    "placed": (Homes, "put"),
}
"""After what each point comes: the files are copied and the agent is held still, and so on."""


def _report(step: int, turns: Sequence[Turn]) -> Sequence[Part]:
    """Writes a file with a command, asks, and reads it with another."""
    if step == 0:
        return [ToolCall("a", "run_command", {"command": "echo 41 cases > report.txt"})]
    if step == 1:
        return [ToolCall("b", "ask_person", {"question": "Shall I read it?"})]
    if step == 2:
        return [ToolCall("c", "run_command", {"command": "cat report.txt"})]
    return [Text(next(turn.content for turn in reversed(turns) if isinstance(turn, ToolTurn)))]


def _stopping(point: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def stopped(*arguments: Any) -> None:
        work(*arguments)
        tell(at=point)
        time.sleep(3600)

    return stopped


class Host:
    """Obeys one line at a time."""

    def __init__(self, app: App, sandbox: str) -> None:
        self.app = app
        self.sandbox = sandbox

    async def begin(self) -> None:
        spec = AgentSpec(
            goal="Report.",
            name="clerk",
            model="scripted:report",
            mode=Mode.AUTONOMOUS,
            sandbox=SandboxSpec(kind=self.sandbox),
        )
        pid = (await self.app.processes.spawn(PERSON, spec)).pid
        process = await self.app.processes.wait(PERSON, pid, timeout_s=60)
        tell(pid=pid, state=str(process.state))

    async def take(self, pid: str) -> None:
        tell(key=(await self.app.captures.take(PERSON, int(pid))).id)

    async def restore(self, key: str) -> None:
        tell(restored=(await self.app.captures.restore(PERSON, int(key), Branching())).process.pid)

    async def finish(self, pid: str) -> None:
        asked = [each for each in await self.app.approvals.list(PERSON) if each.pid == int(pid)]
        while not asked:
            await asyncio.sleep(0.05)
            asked = [each for each in await self.app.approvals.list(PERSON) if each.pid == int(pid)]
        decision = Decision(verdict="answer", answer="yes")
        await self.app.approvals.decide(PERSON, asked[0].id, decision, digest=asked[0].digest)
        process = await self.app.processes.wait(PERSON, int(pid), timeout_s=60)
        tell(finished=process.exit.message if process.exit else str(process.state))

    async def look(self) -> None:
        processes = await self.app.processes.list(PERSON)
        tell(
            pids=sorted(each.pid for each in processes),
            names=sorted({each.name for each in processes}),
            manifests=sorted(await self.app.snapshots.manifests(PERSON.owner)),
            spaces=sorted(each.agent for each in await self.app.memories.spaces(PERSON)),
        )


async def main(home: str, sandbox: str, point: str) -> None:
    register("report", _report)
    if point != "none":
        owner, name = POINTS[point]
        setattr(owner, name, _stopping(point, getattr(owner, name)))
    settings = Settings(home=Path(home), allow_host_sandbox=sandbox == "host")
    async with open_app(settings) as app:
        host = Host(app, sandbox)
        tell(ready=True)
        tasks = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *arguments = line.split()
            task = asyncio.create_task(getattr(host, word)(*arguments))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
