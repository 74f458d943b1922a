"""The folder that shell lines go on in, on a whole app: kept in the journal, shown before it is approved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.events import ToolEnded
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.model.process import Process
from aether_jupyter.model.tool import Approval, Decision

ANA = Principal.person("ana")
HOST = SandboxSpec(kind="host")
Script = Callable[..., str]


@pytest.fixture
def bare(settings: Settings) -> Settings:
    """The bare host, on which every command is asked about, whatever the mode."""
    return msgspec.structs.replace(settings, allow_host_sandbox=True)


def shell(name: str, command: str, **more: str) -> ToolCall:
    return ToolCall(name, "run_command", {"command": command, **more})


def steps(*made: list[ToolCall]) -> Callable[..., list[Any]]:
    return lambda n, turns: made[n] if n < len(made) else [Text("done")]


async def approve(app: App, pid: int, *names: str) -> None:
    for approval in await app.approvals.list(ANA):
        if approval.call is not None and approval.call.id in names:
            await app.approvals.decide(ANA, approval.id, Decision(verdict="approve"), digest=approval.digest)
    async with asyncio.timeout(20):
        # It may wait again, for another of these, before it has seen the last decision.
        while not set(names) <= (await said(app, pid)).keys():
            await asyncio.sleep(0.02)
    await app.processes.wait(ANA, pid, timeout_s=20)


async def asked(app: App) -> dict[str, Approval]:
    return {a.call.id: a for a in await app.approvals.list(ANA) if a.call is not None}


async def said(app: App, pid: int) -> dict[str, str]:
    records = await app.processes.records(ANA, pid, limit=1000)
    ends: Sequence[ToolEnded] = [r.event for r in records if isinstance(r.event, ToolEnded)]
    return {event.call_id: event.outcome.content for event in ends}


async def spawn(app: App, model: str, **fields: Any) -> Process:
    process = await app.processes.spawn(ANA, AgentSpec(goal="do it", model=model, sandbox=HOST, **fields))
    return await app.processes.wait(ANA, process.pid, timeout_s=20)


async def test_a_person_is_shown_where_a_command_runs_and_there_it_runs(
    bare: Settings, ticks: Any, script: Script
) -> None:
    model = script(
        "mover",
        steps(
            [shell("go", "mkdir -p src lib; cd src; export A=1", cwd="")],
            [
                shell("move", "cd ../lib"),
                shell("rm", "pwd; echo $A"),
                shell("own", "pwd", cwd="lib"),
                shell("top", "pwd", cwd="."),
            ],
            [shell("last", "pwd")],
        ),
    )
    async with open_app(bare, plugins=[ticks]) as app:
        pid = (await spawn(app, model)).pid
        home = bare.homes / str(pid)
        assert (await asked(app))["go"].where == f"host, home of {pid}"
        await approve(app, pid, "go")
        places = {name: approval.where for name, approval in (await asked(app)).items()}
        there = f"host, home of {pid}, in src"
        assert places == {
            "move": there,
            "rm": there,
            "own": f"host, home of {pid}, in lib",
            "top": f"host, home of {pid}",
        }
        # Another call of the same answer leaves the folder while this one waits: it runs where it was shown to run.
        await approve(app, pid, "move")
        assert "working directory: lib" in (await said(app, pid))["move"]
        assert (await asked(app))["rm"].where == there
        await approve(app, pid, "rm", "own", "top")
        assert f"{home}/src\n1" in (await said(app, pid))["rm"]
        assert (await said(app, pid))["own"].endswith(f"{home}/lib")
        assert (await said(app, pid))["top"].endswith(f"{home}")
        assert (await asked(app))["last"].where == f"host, home of {pid}, in lib"
        await approve(app, pid, "last")
        assert (await said(app, pid))["last"].endswith(f"{home}/lib")


async def test_folder_and_variables_outlive_the_server(bare: Settings, ticks: Any, script: Script) -> None:
    model = script("stayer", steps([shell("go", "mkdir src; cd src; export A=1")], [shell("look", "pwd; echo $A")]))
    async with open_app(bare, plugins=[ticks]) as app:
        pid = (await spawn(app, model)).pid
        await approve(app, pid, "go")
    async with open_app(bare, plugins=[ticks]) as app:
        assert (await asked(app))["look"].where == f"host, home of {pid}, in src"
        await approve(app, pid, "look")
        assert (await said(app, pid))["look"].endswith(f"{bare.homes / str(pid)}/src\n1")


async def test_a_folder_that_went_away_is_named_once_and_then_it_is_the_home(
    bare: Settings, ticks: Any, script: Script
) -> None:
    model = script(
        "sawyer", steps([shell("go", "mkdir src; cd src")], [shell("lost", "touch ran")], [shell("home", "pwd; ls")])
    )
    async with open_app(bare, plugins=[ticks]) as app:
        pid = (await spawn(app, model)).pid
        home: Path = bare.homes / str(pid)
        await approve(app, pid, "go")
        (home / "src").rmdir()
        await approve(app, pid, "lost")
        assert "Nothing was run: your working directory src does not exist" in (await said(app, pid))["lost"]
        assert (await asked(app))["home"].where == f"host, home of {pid}"
        await approve(app, pid, "home")
        assert (await said(app, pid))["home"].endswith(str(home))


async def test_tools_that_run_no_command_are_shown_without_a_folder(bare: Settings, ticks: Any, script: Script) -> None:
    write = ToolCall("write", "write_file", {"path": "a", "content": "x"})
    model = script("writer", steps([shell("go", "mkdir src; cd src")], [write]))
    async with open_app(bare, plugins=[ticks]) as app:
        pid = (await spawn(app, model, mode=Mode.ASK_ALWAYS)).pid
        await approve(app, pid, "go")
        assert (await asked(app))["write"].where == f"host, home of {pid}"
        await approve(app, pid, "write")
        assert (bare.homes / str(pid) / "a").read_text() == "x"
