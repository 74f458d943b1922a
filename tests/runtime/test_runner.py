"""Agents at work on a whole app: steps, approvals, signals, messages, limits, results, faults."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits, Mode
from aether_jupyter.model.errors import (
    AlreadyDecided,
    ApprovalMismatch,
    ApprovalNotFound,
    BadRequest,
    Forbidden,
    IllegalTransition,
    ModelNotConfigured,
    ProcessNotFound,
    SandboxUnavailable,
    TooMany,
    UnknownName,
)
from aether_jupyter.model.events import Guidance, ToolEnded, ToolStarted
from aether_jupyter.model.message import Text, ToolCall, ToolTurn, UserTurn
from aether_jupyter.model.process import Signal, State
from aether_jupyter.model.tool import Decision
from aether_jupyter.model.view import apply
from aether_jupyter.providers import scripted

ANA, BOB = Principal.person("ana"), Principal.person("bob")
Script = Callable[..., str]


def tick(n: int, word: str = "tock") -> ToolCall:
    return ToolCall(f"t{n}", "tick", {"word": word})


async def eventually(check: Callable[[], Any], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not await check():
            await asyncio.sleep(0.02)


async def test_an_agent_works_ends_and_its_answer_is_kept(house: Any) -> None:
    p = await house.run("scripted:echo-file")
    assert p.state is State.ZOMBIE
    assert p.exit.code == 0
    assert "written by an agent" in p.exit.message
    assert p.step == 3
    kinds = await house.kinds(p.pid)
    assert kinds[:2] == ["ProcessSpawned", "StateChanged"]
    assert kinds[-1] == "ProcessExited"
    assert kinds.count("ToolStarted") == kinds.count("ToolEnded") == 2
    assert p.head == len(kinds)


async def test_the_row_is_the_fold_of_its_records(house: Any) -> None:
    view = await house.app.feed.snapshot(ANA)
    p = await house.run("scripted:echo-file")
    for record in await house.app.processes.records(ANA, p.pid, limit=1000):
        view = apply(view, record)
    fresh = await house.app.feed.snapshot(ANA)
    assert view.processes == fresh.processes
    assert view.cursor == fresh.cursor


async def test_parallel_calls_of_one_step_all_run(house: Any, script: Script) -> None:
    model = script("three", lambda n, turns: [tick(1, "a"), tick(2, "b"), tick(3, "c")] if n == 0 else [Text("done")])
    p = await house.run(model, tools=("tick",))
    assert p.exit.code == 0
    assert sorted(house.ticks.seen) == [f"{p.pid}:a", f"{p.pid}:b", f"{p.pid}:c"]


async def test_a_risky_call_waits_for_a_person_and_runs_exactly_as_approved(house: Any) -> None:
    p = await house.run("scripted:risky")
    assert p.state is State.WAITING
    assert p.wait.kind == "approval"
    (approval,) = await house.app.approvals.list(ANA)
    assert approval.call.arguments == {"command": "rm -r build"}
    assert "ToolStarted" not in await house.kinds(p.pid)
    with pytest.raises(ApprovalMismatch):
        await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve"), digest="another")
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve"), digest=approval.digest)
    with pytest.raises(AlreadyDecided, match="ana has already decided"):
        await house.app.approvals.decide(ANA, approval.id, Decision(verdict="refuse"))
    p = await house.settled(p.pid)
    assert p.state is State.ZOMBIE
    started = [r.event for r in await house.app.processes.records(ANA, p.pid) if isinstance(r.event, ToolStarted)]
    assert [event.call.arguments for event in started] == [{"command": "rm -r build"}]


async def test_a_refused_call_never_runs_and_the_model_is_told_why(house: Any) -> None:
    p = await house.run("scripted:risky")
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="refuse", reason="keep the build"))
    p = await house.settled(p.pid)
    assert p.exit.code == 0
    assert "ToolStarted" not in await house.kinds(p.pid)


async def test_an_edited_call_runs_with_the_persons_arguments(house: Any) -> None:
    p = await house.run("scripted:risky")
    (approval,) = await house.app.approvals.list(ANA)
    edited = Decision(verdict="edit", arguments={"command": "echo kept"})
    await house.app.approvals.decide(ANA, approval.id, edited)
    await house.settled(p.pid)
    ended = [r.event for r in await house.app.processes.records(ANA, p.pid) if isinstance(r.event, ToolEnded)]
    assert "kept" in ended[0].outcome.content


async def test_a_decision_outlives_the_server(settings: Settings, ticks: Any) -> None:
    async with open_app(settings, plugins=[ticks]) as app:
        pid = (await app.processes.spawn(ANA, AgentSpec(goal="g", model="scripted:risky"))).pid
        await app.processes.wait(ANA, pid, timeout_s=20)
    async with open_app(settings, plugins=[ticks]) as app:
        (approval,) = await app.approvals.list(ANA)
        await app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))
        p = await app.processes.wait(ANA, pid, timeout_s=20)
        assert p.state is State.ZOMBIE


async def test_a_rule_for_the_session_lets_the_next_call_pass_until_it_is_revoked(house: Any, script: Script) -> None:
    def body(n: int, turns: Any) -> list[Any]:
        return [ToolCall(f"c{n}", "run_command", {"command": f"echo {n}"})] if n < 3 else [Text("done")]

    p = await house.run(script("echoes", body))
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve", remember="session"))
    p = await house.settled(p.pid)
    assert p.exit is not None
    (rule,) = await house.app.approvals.rules(ANA)
    assert (rule.tool, rule.pid, rule.uses) == ("run_command", p.pid, 2)
    other = await house.run("scripted:risky")
    assert other.state is State.WAITING
    with pytest.raises(Exception, match="No rule"):
        await house.app.approvals.revoke(BOB, rule.id)
    await house.app.approvals.revoke(ANA, rule.id)
    assert await house.app.approvals.rules(ANA) == []


async def test_an_answer_reaches_the_model(house: Any) -> None:
    p = await house.run("scripted:ask")
    assert p.wait.kind == "answer"
    (approval,) = await house.app.approvals.list(ANA)
    with pytest.raises(BadRequest, match="takes answer, refuse"):
        await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="answer", answer="green"))
    p = await house.settled(p.pid)
    assert "green" in p.exit.message


async def test_plan_mode_denies_what_changes_and_goes_on(house: Any) -> None:
    p = await house.run("scripted:echo-file", mode=Mode.PLAN)
    assert p.state is State.ZOMBIE
    ended = [r.event for r in await house.app.processes.records(ANA, p.pid) if isinstance(r.event, ToolEnded)]
    assert ended[0].outcome.error == "tool_refused"


async def test_at_the_step_limit_it_waits_and_goes_on_with_more(house: Any, script: Script) -> None:
    model = script("five", lambda n, turns: [tick(n, f"w{n}")] if n < 5 else [Text("done")])
    p = await house.run(model, tools=("tick",), limits=Limits(steps=3))
    assert (p.state, p.wait.kind, p.step) == (State.WAITING, "limit", 3)
    await house.app.processes.extend(ANA, p.pid, steps=25)
    p = await house.settled(p.pid)
    assert p.exit.code == 0
    assert p.limits.steps == 28
    assert await house.app.approvals.list(ANA) == []


async def test_finish_here_ends_at_the_limit(house: Any, script: Script) -> None:
    model = script("ever", lambda n, turns: [Text(f"best {n}"), tick(n, f"w{n}")])
    p = await house.run(model, tools=("tick",), limits=Limits(steps=2))
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.approvals.decide(ANA, approval.id, Decision(verdict="finish"))
    p = await house.settled(p.pid)
    assert (p.exit.reason, p.exit.message) == ("limit", "best 1")


async def test_a_token_limit_counts_the_reservation(house: Any, script: Script) -> None:
    model = script("one", lambda n, turns: [Text("hi")])
    p = await house.run(model, limits=Limits(tokens=500))
    assert p.wait.kind == "limit"
    assert p.step == 0
    assert p.tokens == 0


async def test_todays_budget_holds_for_the_owner(settings: Settings, ticks: Any) -> None:
    tight = msgspec.structs.replace(settings, daily_budget_usd=0.000001)
    async with open_app(tight, plugins=[ticks]) as app:
        before = app.surroundings._language.reserve
        app.surroundings._language.reserve = lambda *a: (before(*a)[0], 0.01)  # type: ignore[method-assign]
        pid = (await app.processes.spawn(ANA, AgentSpec(goal="g", model="scripted:hello"))).pid

        async def waits() -> bool:
            return (await app.processes.get(ANA, pid)).state is State.WAITING

        await eventually(waits)
        wait = (await app.processes.get(ANA, pid)).wait
        assert wait is not None
        assert "budget" in wait.detail
        assert wait.until is not None


async def test_pause_and_continue_between_steps(house: Any) -> None:
    p = await house.spawn("scripted:slow", mode=Mode.AUTONOMOUS)
    await eventually(lambda: _state(house, p.pid, State.RUNNING))
    await house.app.processes.signal(ANA, p.pid, Signal.INT)
    await eventually(lambda: _state(house, p.pid, State.WAITING))
    await house.app.processes.signal(ANA, p.pid, Signal.STOP)
    assert (await house.app.processes.get(ANA, p.pid)).state is State.STOPPED
    await house.app.processes.signal(ANA, p.pid, Signal.CONT)
    assert (await house.app.processes.get(ANA, p.pid)).wait.kind == "message"
    await house.app.processes.send(ANA, p.pid, "go on")
    await eventually(lambda: _state(house, p.pid, State.RUNNING))
    await house.app.processes.signal(ANA, p.pid, Signal.KILL)
    p = await house.settled(p.pid)
    assert p.exit.code == 137


async def test_terminate_lets_the_step_finish(house: Any, script: Script) -> None:
    scripted.register("steady", lambda n, turns: [tick(n, f"w{n}")], pace_s=0.1)
    p = await house.spawn("scripted:steady", tools=("tick",), limits=Limits(steps=None))
    await eventually(lambda: _step(house, p.pid, 2))
    await house.app.processes.signal(ANA, p.pid, Signal.TERM)
    p = await house.settled(p.pid)
    assert p.exit.code == 143
    kinds = await house.kinds(p.pid)
    assert kinds.count("ToolStarted") == kinds.count("ToolEnded")
    with pytest.raises(IllegalTransition):
        await house.app.processes.signal(ANA, p.pid, Signal.CONT)


async def test_a_kill_ends_a_running_command(house: Any, script: Script) -> None:
    model = script("sleepy", lambda n, turns: [ToolCall("c", "run_command", {"command": "sleep 60"})])
    p = await house.spawn(model, mode=Mode.AUTONOMOUS)

    async def started() -> bool:
        return "ToolStarted" in await house.kinds(p.pid)

    await eventually(started)
    await house.app.processes.signal(ANA, p.pid, Signal.KILL)
    assert (await house.settled(p.pid, timeout_s=2)).exit.code == 137


async def test_a_message_is_read_before_the_next_step(house: Any, script: Script) -> None:
    heard: list[str] = []

    def body(n: int, turns: Any) -> list[Any]:
        heard.extend(t.text for t in turns if isinstance(t, UserTurn) and "blue" in t.text)
        return [tick(n, f"w{n}")] if not heard and n < 200 else [Text("ok")]

    scripted.register("listening", body, pace_s=0.05)
    p = await house.spawn("scripted:listening", tools=("tick",), limits=Limits(steps=None))
    await eventually(lambda: _step(house, p.pid, 1))
    await house.app.processes.send(ANA, p.pid, "make it blue")
    p = await house.settled(p.pid)
    assert p.exit.message == "ok"


async def test_agents_spawn_and_message_each_other_under_their_owner(house: Any, script: Script) -> None:
    child = script("child", lambda n, turns: [Text("child says 7")])

    def body(n: int, turns: Any) -> list[Any]:
        if n == 0:
            return [ToolCall("s", "spawn_agent", {"goal": "count", "model": child})]
        if n == 1:
            pid = int(next(re.findall(r"agent (\d+)", t.content)[0] for t in turns if isinstance(t, ToolTurn)))
            return [ToolCall("w", "wait_agent", {"pid": pid})]
        return [Text(next(t.content for t in reversed(turns) if isinstance(t, ToolTurn)))]

    p = await house.run(script("parent-of", body), tools=("spawn_agent", "wait_agent"), mode=Mode.AUTONOMOUS)
    assert "child says 7" in p.exit.message
    (found,) = await house.app.processes.list(ANA, parent=p.pid)
    assert found.owner == "ana"


async def test_an_agent_cannot_spawn_without_end(house: Any, script: Script) -> None:
    model = script("quick", lambda n, turns: [Text("x")])
    pid = (await house.spawn(model)).pid
    for _ in range(4):
        agent = Principal.agent(pid, "ana")
        pid = (await house.app.processes.spawn(agent, AgentSpec(goal="g", model=model))).pid
    with pytest.raises(TooMany, match="generations"):
        await house.app.processes.spawn(Principal.agent(pid, "ana"), AgentSpec(goal="g", model=model))


async def test_a_typed_result_fits_its_schema_or_is_sent_back(house: Any, script: Script) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    def body(n: int, turns: Any) -> list[Any]:
        return [ToolCall(f"r{n}", "final_result", {"n": "seven"} if n == 0 else {"n": 7})]

    p = await house.run(script("typed", body), output_schema=schema)
    assert p.exit.result == {"n": 7}
    ended = [r.event for r in await house.app.processes.records(ANA, p.pid) if isinstance(r.event, ToolEnded)]
    assert ended[0].outcome.error == "tool_arguments"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "whatever"}, "output_schema: type: 'whatever'"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "'#/$defs/A' leads nowhere"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "leads nowhere in it"),
        ({"properties": []}, "output_schema: properties:"),
    ],
)
async def test_a_schema_that_can_judge_nothing_is_refused_before_anything_starts(
    house: Any, schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest, match=re.escape(words)):
        await house.spawn("scripted:result", output_schema=schema)


async def test_a_schema_may_refer_to_its_own_parts(house: Any) -> None:
    schema = {"type": "object", "properties": {"answer": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "integer"}}}
    assert (await house.run("scripted:result", output_schema=schema)).exit.result == {"answer": 42}


@pytest.mark.parametrize("name", ["malformed", "empty", "unknown-tool"])
async def test_what_a_model_gets_wrong_is_said_back_to_it(house: Any, name: str) -> None:
    p = await house.run(f"scripted:{name}")
    assert p.state is State.ZOMBIE
    records = await house.app.processes.records(ANA, p.pid)
    told = [
        r.event
        for r in records
        if isinstance(r.event, Guidance) or (isinstance(r.event, ToolEnded) and not r.event.outcome.ok)
    ]
    assert 1 <= len(told) <= 4


async def test_every_failure_ends_in_a_state_and_a_sentence(house: Any, script: Script) -> None:
    refused = await house.run("scripted:fail")
    assert (refused.state, refused.exit.code) == (State.ZOMBIE, 1)
    assert refused.exit.message

    def broken(n: int, turns: Any) -> list[Any]:
        raise ZeroDivisionError

    fault = await house.run(script("broken", broken))
    assert fault.state is State.ZOMBIE or fault.wait is not None


async def test_what_cannot_run_is_refused_before_it_is_spawned(house: Any) -> None:
    with pytest.raises(UnknownName, match="provider:model"):
        await house.spawn("nonsense")
    with pytest.raises(ModelNotConfigured, match="OPENAI_API_KEY"):
        await house.spawn("openai:gpt-5-mini")
    with pytest.raises(UnknownName, match="read_file"):
        await house.spawn("scripted:hello", tools=("red_file",))
    with pytest.raises(SandboxUnavailable, match="host"):
        await house.spawn(
            "scripted:hello", sandbox=msgspec.convert({"kind": "host"}, type(AgentSpec(goal="g").sandbox))
        )
    assert await house.app.processes.list(ANA) == []


async def test_two_people_see_nothing_of_each_other(house: Any) -> None:
    p = await house.run("scripted:risky")
    (approval,) = await house.app.approvals.list(ANA)
    app = house.app
    assert await app.processes.list(BOB) == []
    assert await app.approvals.list(BOB) == []
    assert (await app.feed.snapshot(BOB)).processes == {}
    assert await app.budgets.usage(BOB) == []
    for attempt in (
        app.processes.get(BOB, p.pid),
        app.processes.spec(BOB, p.pid),
        app.processes.records(BOB, p.pid),
        app.processes.signal(BOB, p.pid, Signal.KILL),
        app.processes.send(BOB, p.pid, "hi"),
        app.processes.extend(BOB, p.pid, steps=1),
        app.processes.reap(BOB, p.pid),
        app.processes.wait(BOB, p.pid, timeout_s=1),
        app.processes.spawn(BOB, AgentSpec(goal="g", model="scripted:hello"), parent=p.pid),
    ):
        with pytest.raises(ProcessNotFound):
            await attempt
    with pytest.raises(ApprovalNotFound):
        await app.approvals.decide(BOB, approval.id, Decision(verdict="approve"))
    with pytest.raises(Forbidden):
        await app.approvals.decide(Principal.agent(p.pid, "ana"), approval.id, Decision(verdict="approve"))
    report = await app.processes.signal_many(BOB, Signal.KILL, [p.pid])
    assert report.delivered == []


async def test_a_bulk_signal_names_what_could_not_take_it(house: Any) -> None:
    waiting = await house.run("scripted:risky")
    done = await house.run("scripted:hello")
    report = await house.app.processes.signal_many(ANA, Signal.STOP, [waiting.pid, done.pid, 9999])
    assert report.delivered == [waiting.pid]
    assert set(report.failed) == {done.pid, 9999}


async def test_an_end_closes_its_questions(house: Any) -> None:
    p = await house.run("scripted:risky")
    (approval,) = await house.app.approvals.list(ANA)
    await house.app.processes.signal(ANA, p.pid, Signal.KILL)
    assert await house.app.approvals.list(ANA) == []
    with pytest.raises(AlreadyDecided, match="Nobody needs to decide"):
        await house.app.approvals.decide(ANA, approval.id, Decision(verdict="approve"))


async def test_reaping_removes_the_home_and_the_row_from_lists(house: Any, settings: Settings) -> None:
    p = await house.run("scripted:echo-file")
    home = settings.homes / str(p.pid)
    assert home.is_dir()
    await house.app.processes.reap(ANA, p.pid)
    assert await house.app.processes.list(ANA) == []

    async def gone() -> bool:
        return not home.exists()

    await eventually(gone)
    assert len(await house.app.processes.list(ANA, reaped=True)) == 1


async def test_a_kept_home_stays(house: Any, settings: Settings) -> None:
    p = await house.run("scripted:echo-file", keep_home=True)
    await house.app.processes.reap(ANA, p.pid)
    await asyncio.sleep(0.2)
    assert (settings.homes / str(p.pid)).is_dir()
    assert await house.app.processes.homes_to_remove([p.pid]) == []


async def test_usage_is_kept_by_agent_day_and_model(house: Any) -> None:
    p = await house.run("scripted:echo-file")
    (row,) = await house.app.budgets.usage(ANA)
    assert (row.pid, row.calls, row.model) == (p.pid, 3, "scripted:echo-file")
    assert (row.input_tokens, row.output_tokens) == (p.input_tokens, p.output_tokens)


async def test_two_servers_on_one_home_share_the_agents(settings: Settings, ticks: Any, script: Script) -> None:
    model = script("shared", lambda n, turns: [tick(n, f"w{n}")] if n < 4 else [Text("done")])
    async with open_app(settings, plugins=[ticks]) as one, open_app(settings, plugins=[ticks]) as two:
        spec = AgentSpec(goal="g", model=model, tools=("tick",))
        pids = [(await (one, two)[i % 2].processes.spawn(ANA, spec)).pid for i in range(40)]
        ended = await asyncio.gather(*(two.processes.wait(ANA, pid, timeout_s=30) for pid in pids))
        assert all(p.exit is not None and p.exit.code == 0 for p in ended)
        assert sorted(ticks.seen) == sorted(f"{pid}:w{n}" for pid in pids for n in range(4))
        assert (await one.feed.snapshot(ANA)).processes == (await two.feed.snapshot(ANA)).processes


async def test_a_lost_claim_writes_nothing_more(house: Any, settings: Settings) -> None:
    p = await house.spawn("scripted:slow", mode=Mode.AUTONOMOUS)
    await eventually(lambda: _state(house, p.pid, State.RUNNING))
    with sqlite3.connect(settings.database) as other:
        other.execute(
            "UPDATE process SET epoch = epoch + 10, worker = 12345, state = 'RUNNING' WHERE pid = ?", (p.pid,)
        )
    other.close()
    # The sweep finds a worker nobody knows, frees the process, and it runs again under a new epoch.
    await eventually(lambda: _freed(house, p.pid))
    await house.app.processes.signal(ANA, p.pid, Signal.KILL)
    records = await house.app.processes.records(ANA, p.pid, limit=1000)
    assert [r.n for r in records] == list(range(1, len(records) + 1))


async def _freed(house: Any, pid: int) -> bool:
    records = await house.app.processes.records(ANA, pid, limit=1000)
    return any(getattr(r.event, "why", "") == "The server that ran it is gone." for r in records)


async def _state(house: Any, pid: int, state: State) -> bool:
    return (await house.app.processes.get(ANA, pid)).state is state


async def _step(house: Any, pid: int, step: int) -> bool:
    return (await house.app.processes.get(ANA, pid)).step >= step


async def test_homes_are_private(house: Any, settings: Settings) -> None:
    p = await house.run("scripted:echo-file")
    assert oct(Path(settings.homes / str(p.pid)).stat().st_mode)[-3:] == "700"


async def test_agents_of_one_owner_share_a_workspace_and_others_do_not(house: Any, script: Script) -> None:
    def writes(n: int, turns: Any) -> list[Any]:
        command = "echo shared > /workspaces/desk/note.txt"
        return [ToolCall("c", "run_command", {"command": command})] if n == 0 else [Text("ok")]

    def reads(n: int, turns: Any) -> list[Any]:
        if n == 0:
            return [ToolCall("c", "read_file", {"path": "/workspaces/desk/note.txt"})]
        return [Text(next(t.content for t in turns if isinstance(t, ToolTurn)))]

    first = await house.run(script("desk-writes", writes), workspaces=("desk",), mode=Mode.AUTONOMOUS)
    assert first.exit.code == 0
    second = await house.run(script("desk-reads", reads), workspaces=("desk",))
    assert "shared" in second.exit.message
    bob = await house.spawn("scripted:desk-reads", actor=BOB, workspaces=("desk",))
    assert "shared" not in (await house.settled(bob.pid, BOB)).exit.message
    without = await house.run("scripted:desk-reads")
    assert "no workspace" in without.exit.message


async def test_one_unreadable_row_stops_no_other_agent(house: Any, settings: Settings) -> None:
    broken = await house.run("scripted:risky")
    with sqlite3.connect(settings.database) as other:
        other.execute("UPDATE process SET body = ?, state = 'READY' WHERE pid = ?", (b"{}", broken.pid))
    other.close()
    p = await house.run("scripted:hello")
    assert p.exit.code == 0
    assert [q.pid for q in await house.app.processes.list(ANA)] == [p.pid]


async def test_what_was_spawned_after_the_question_counts_as_alive(house: Any) -> None:
    ended = await house.run("scripted:hello")
    alive = await house.app.processes.alive()
    later = await house.spawn("scripted:risky")
    assert ended.pid not in alive
    assert later.pid in alive
