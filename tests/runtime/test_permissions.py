"""Permissions on a whole app: what is denied never runs, who asks is told why, and children are under them too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode
from aether_jupyter.model.errors import BadRequest, Forbidden, UnknownName
from aether_jupyter.model.events import ApprovalRequested, ToolEnded, ToolStarted
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.model.permission import Permission, parse_permission
from aether_jupyter.model.process import Process, State
from aether_jupyter.model.tool import Decision

ANA = Principal.person("ana")
Script = Callable[..., str]


def lines(*texts: str) -> tuple[Permission, ...]:
    return tuple(map(parse_permission, texts))


def calls(*made: ToolCall) -> Callable[..., list[Any]]:
    """A model that makes one call a step and then ends."""
    return lambda n, turns: [made[n]] if n < len(made) else [Text("done")]


def write(n: int, path: str) -> ToolCall:
    return ToolCall(f"w{n}", "write_file", {"path": path, "content": "x"})


async def run(app: App, model: str, **fields: Any) -> Process:
    process = await app.processes.spawn(ANA, AgentSpec(goal="do it", model=model, **fields))
    return await app.processes.wait(ANA, process.pid, timeout_s=20)


async def events(app: App, pid: int, kind: type[Any]) -> Sequence[Any]:
    return [r.event for r in await app.processes.records(ANA, pid, limit=1000) if isinstance(r.event, kind)]


async def refused(app: App, pid: int) -> list[str]:
    ended: Sequence[ToolEnded] = await events(app, pid, ToolEnded)
    return [event.outcome.content for event in ended if event.outcome.error == "tool_refused"]


async def test_a_denied_folder_is_not_written_and_the_model_reads_why(
    settings: Settings, ticks: Any, script: Script
) -> None:
    admin = msgspec.structs.replace(settings, permissions=lines("deny folder=ledger why='the books are closed'"))
    model = script("bookkeeper", calls(write(0, "ledger/a"), write(1, "notes/../ledger/a"), write(2, "notes/a")))
    async with open_app(admin, plugins=[ticks]) as app:
        allow = lines("allow tool=write_file", "allow folder=ledger")
        p = await run(app, model, mode=Mode.AUTONOMOUS, permissions=allow)
        assert p.exit is not None
        assert [event.call.arguments["path"] for event in await events(app, p.pid, ToolStarted)] == ["notes/a"]
        said = await refused(app, p.pid)
        assert len(said) == 2
        assert said[0].startswith("Not permitted by the administrator: the books are closed. ")
        homes = settings.homes / str(p.pid)
        assert not (homes / "ledger").exists()
        assert (homes / "notes" / "a").is_file()


async def test_a_default_of_an_argument_is_a_path_as_well(settings: Settings, ticks: Any, script: Script) -> None:
    admin = msgspec.structs.replace(settings, permissions=lines("deny folder=ledger"))
    model = script("seeker", calls(ToolCall("s", "search_files", {"pattern": "x"})))
    async with open_app(admin, plugins=[ticks]) as app:
        p = await run(app, model)
        assert len(await refused(app, p.pid)) == 1


async def test_who_asks_by_model_is_told_why_and_no_standing_yes_answers_for_the_administrator(
    settings: Settings, ticks: Any, script: Script
) -> None:
    model = script("stranger", calls(write(0, "a"), write(1, "b")))
    line = f"ask tool=write_file model={model} why='this model is on trial'"
    async with open_app(settings, plugins=[ticks]) as app:
        # Of the person's own ask, a standing yes takes the place.
        p = await run(app, model, mode=Mode.AUTONOMOUS, permissions=lines(line))
        (approval,) = await app.approvals.list(ANA)
        assert approval.because == "whoever started this agent wants it to be asked: this model is on trial"
        assert not approval.each_time
        await app.approvals.decide(ANA, approval.id, Decision(verdict="approve", remember="always"))
        assert (await app.processes.wait(ANA, p.pid, timeout_s=20)).state is State.ZOMBIE
    admin = msgspec.structs.replace(settings, permissions=lines(line))
    async with open_app(admin, plugins=[ticks]) as app:
        p = await run(app, model, mode=Mode.AUTONOMOUS, permissions=lines("allow tool=*"))
        assert p.state is State.WAITING
        (approval,) = await app.approvals.list(ANA)
        assert approval.because == "the administrator wants it to be asked: this model is on trial"
        with pytest.raises(BadRequest, match="asked each time"):
            await app.approvals.decide(ANA, approval.id, Decision(verdict="approve", remember="always"))
        await app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))
        p = await app.processes.wait(ANA, p.pid, timeout_s=20)
        assert p.state is State.WAITING, "the second call asks again"
        other = await run(app, script("known", calls(write(0, "a"))), mode=Mode.AUTONOMOUS)
        assert other.state is State.ZOMBIE
        assert await events(app, other.pid, ApprovalRequested) == []


async def test_an_allow_spares_the_question_and_says_so_up_to_the_freest_mode(
    settings: Settings, ticks: Any, script: Script
) -> None:
    model = script("runner", calls(ToolCall("c", "run_command", {"command": "true"})))
    allow = lines("allow tool=run_command why='tests may run'")
    async with open_app(settings, plugins=[ticks]) as app:
        p = await run(app, model, permissions=allow)
        assert p.state is State.ZOMBIE
        (started,) = await events(app, p.pid, ToolStarted)
        assert started.why == "whoever started this agent allows it: tests may run"
    tight = msgspec.structs.replace(settings, max_mode=Mode.ASK_RISKY)
    async with open_app(tight, plugins=[ticks]) as app:
        assert (await run(app, model, permissions=allow)).state is State.WAITING


async def test_a_child_is_under_its_parents_permissions_and_those_on_its_parents_name(
    settings: Settings, ticks: Any, script: Script
) -> None:
    child = script("child", calls(write(0, "secret/a"), ToolCall("d", "copy_file", {"source": "a", "target": "b"})))
    made = ToolCall("s", "spawn_agent", {"goal": "count", "name": "innocent", "model": child})
    parent = script("parent", calls(made, ToolCall("w", "wait_agent", {"pid": 2})))
    admin = msgspec.structs.replace(settings, permissions=lines("deny agent=chief tool=copy_file"))
    async with open_app(admin, plugins=[ticks]) as app:
        spec: dict[str, Any] = {"name": "chief", "role": "lead", "tools": ("spawn_agent", "wait_agent")}
        p = await run(app, parent, mode=Mode.AUTONOMOUS, permissions=lines("deny folder=secret"), **spec)
        assert p.state is State.ZOMBIE
        (found,) = await app.processes.list(ANA, parent=p.pid)
        inherited = await app.processes.spec(ANA, found.pid)
        assert (inherited.permissions, inherited.role) == (lines("deny folder=secret"), "lead")
        said = await refused(app, found.pid)
        assert [words.split(":")[0] for words in said] == [
            "Not permitted by whoever started this agent",
            "Not permitted by the administrator",
        ]
        # A person's own child of it as well, whatever the child brings along.
        spec = {"goal": "g", "model": child, "permissions": lines("allow folder=secret")}
        mine = await app.processes.spawn(ANA, AgentSpec(**spec), parent=p.pid)
        await app.processes.wait(ANA, mine.pid, timeout_s=20)
        assert len(await refused(app, mine.pid)) == 2


async def test_a_denied_model_is_not_to_be_had_and_not_asked_as_a_fallback(
    settings: Settings, ticks: Any, script: Script
) -> None:
    bad, good = script("bad", calls()), script("good", calls())
    admin = msgspec.structs.replace(
        settings, permissions=lines(f"deny model={bad} role=intern why='costly'"), fallback_models=(bad,)
    )
    async with open_app(admin, plugins=[ticks]) as app:
        with pytest.raises(Forbidden, match=f"{bad} is not permitted by the administrator: costly"):
            await run(app, bad, role="intern")
        with pytest.raises(Forbidden, match="costly"):
            await run(app, good, role="intern", fallbacks=(bad,))
        p = await run(app, good, role="intern")
        assert (await app.processes.spec(ANA, p.pid)).fallbacks == ()
        assert (await run(app, bad)).state is State.ZOMBIE


async def test_a_model_that_was_denied_since_is_not_asked_again(settings: Settings, ticks: Any, script: Script) -> None:
    model = script("was-fine", calls(ToolCall("q", "ask_person", {"question": "which?"})))
    async with open_app(settings, plugins=[ticks]) as app:
        pid = (await run(app, model)).pid
    admin = msgspec.structs.replace(settings, permissions=lines(f"deny model={model}"))
    async with open_app(admin, plugins=[ticks]) as app:
        (approval,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, approval.id, Decision(verdict="answer", answer="this"))
        p = await app.processes.wait(ANA, pid, timeout_s=20)
        assert p.exit is not None
        assert (p.exit.code, p.exit.error) == (1, "model_refused")
        assert "not permitted by the administrator" in p.exit.message


async def test_the_call_of_a_fallback_is_judged_by_the_fallback(settings: Settings, ticks: Any, script: Script) -> None:
    second = script("second", calls(write(0, "a")))
    line = f"deny tool=write_file model={second}"
    admin = msgspec.structs.replace(settings, permissions=lines(line), model_attempts=1)
    async with open_app(admin, plugins=[ticks]) as app:
        p = await run(app, "scripted:down", fallbacks=(second,))
        assert len(await refused(app, p.pid)) == 1


async def test_neither_an_approval_nor_an_edit_gets_round_a_deny(
    settings: Settings, ticks: Any, script: Script
) -> None:
    model = script("careful", calls(write(0, "open/a"), write(1, "open/b")))
    async with open_app(settings, plugins=[ticks]) as app:
        deny = lines("deny folder=closed")
        p = await run(app, model, mode=Mode.ASK_ALWAYS, permissions=deny)
        (approval,) = await app.approvals.list(ANA)
        edit = Decision(verdict="edit", arguments={"path": "closed/a", "content": "x"})
        await app.approvals.decide(ANA, approval.id, edit)
        p = await app.processes.wait(ANA, p.pid, timeout_s=20)
        assert len(await refused(app, p.pid)) == 1
        assert p.state is State.WAITING
    admin = msgspec.structs.replace(settings, permissions=lines("deny folder=open"))
    async with open_app(admin, plugins=[ticks]) as app:
        (approval,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))
        p = await app.processes.wait(ANA, p.pid, timeout_s=20)
        assert p.state is State.ZOMBIE
        assert len(await refused(app, p.pid)) == 2
        assert await events(app, p.pid, ToolStarted) == []


async def test_a_question_to_the_person_can_be_denied(settings: Settings, ticks: Any, script: Script) -> None:
    model = script("asker", calls(ToolCall("q", "ask_person", {"question": "which?"})))
    async with open_app(settings, plugins=[ticks]) as app:
        p = await run(app, model, permissions=lines("deny tool=ask_person why='nobody is there at night'"))
        assert p.state is State.ZOMBIE
        assert "nobody is there at night" in (await refused(app, p.pid))[0]


async def test_a_permission_about_no_tool_is_told_at_once(settings: Settings, ticks: Any, script: Script) -> None:
    model = script("any", calls())
    admin = msgspec.structs.replace(settings, permissions=lines("deny tool=run_comand"))
    async with open_app(admin, plugins=[ticks]) as app:
        with pytest.raises(UnknownName, match="about no tool"):
            await run(app, model, permissions=lines("deny tool=writefile"))
        (check,) = [check for check in await app.surroundings.health() if check.name == "permissions"]
        assert not check.ok
        assert "deny tool=run_comand" in check.detail


async def test_the_model_is_told_its_role(settings: Settings, ticks: Any, script: Script) -> None:
    from aether_jupyter.engine.context import system_prompt

    assert "Your role: code reviewer." in system_prompt(AgentSpec(goal="g", role="code reviewer"), "n")
