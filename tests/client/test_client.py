"""Each route through the plain client, against a real server."""

from __future__ import annotations

import time

import pytest

from aether_jupyter.client.client import Aether, AsyncAether
from aether_jupyter.client.run import make_spec
from aether_jupyter.model.errors import (
    AlreadyDecided,
    ApprovalMismatch,
    BadRequest,
    Conflict,
    IllegalTransition,
    MemoryNotFound,
    NotFound,
    ProcessNotFound,
    UnknownName,
)
from aether_jupyter.model.memory import Change, Layer, Note
from aether_jupyter.model.plan import Plan, PlanStep
from aether_jupyter.model.process import Process, Signal, State
from tests.faces import Server


def ended(client: Aether, pid: int) -> Process:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        process = client.wait(pid, timeout_s=5)
        if process.state is State.ZOMBIE:
            return process
    raise AssertionError(f"agent {pid} has not ended")


def test_spawn_wait_read_and_reap(server: Server) -> None:
    with server.client() as client:
        process = client.spawn(make_spec("write", model="scripted:echo-file", name="writer", sandbox="bubblewrap"))
        assert ended(client, process.pid).exit is not None
        assert client.get(process.pid).name == "writer"
        assert client.spec(process.pid).goal == "write"
        assert client.records(process.pid)[0].n == 1
        assert [f.path for f in client.files(process.pid)] == ["notes.txt"]
        assert client.read_file(process.pid, "notes.txt") == b"written by an agent\n"
        assert b"written by an agent" in client.export(process.pid, "text")
        assert process.pid in [p.pid for p in client.processes(states=["ZOMBIE"], name="writer")]
        assert client.reap(process.pid).reaped_at is not None
        with pytest.raises(NotFound):
            client.read_file(process.pid, "notes.txt")


def test_what_the_server_has(server: Server) -> None:
    with server.client() as client:
        assert client.health().checks
        assert client.models().default == "scripted:hello"
        assert "write_file" in [tool.name for tool in client.tools()]
        assert "bubblewrap" in [box.name for box in client.sandboxes()]
        assert "write-a-script" in [template.name for template in client.templates().templates]
        assert client.usage(days=1).spend.cost_usd >= 0
        assert client.me().scopes


def test_memories_through_the_client(server: Server) -> None:
    with server.client() as client:
        first, second = client.remember("clerk", "The safe is blue.", Note(text="Ask Ann.", layer=Layer.SOCIAL))
        assert (first.layer, second.layer) == (Layer.SEMANTIC, Layer.SOCIAL)
        assert [each.memory.id for each in client.recall("clerk", "safe", layers=["semantic"]).found] == [first.id]
        changed = client.change_memory(first.id, Change(text="The safe is green."), version=1)
        assert [each.text for each in client.versions(first.id)] == [changed.text, first.text]
        client.grant_memory("clerk", "other")
        assert client.spaces().spaces[0].readers == ("other",)
        assert client.recall("other", "safe").found[0].memory.text == "The safe is green."
        client.forget(first.id)
        assert [each.id for each in client.memories("clerk").memories] == [second.id]
        with pytest.raises(MemoryNotFound):
            client.forget(first.id)


def test_errors_are_the_server_s(server: Server) -> None:
    with server.client() as client:
        with pytest.raises(ProcessNotFound, match="999999"):
            client.get(999_999)
        with pytest.raises(UnknownName):
            client.spawn(make_spec("x", model="scripted:nothing-of-the-kind"))
        process = client.spawn(make_spec("x", model="scripted:hello"))
        ended(client, process.pid)
        with pytest.raises(IllegalTransition):
            client.signal(process.pid, Signal.STOP)
        assert client.signal_many("STOP", [process.pid]).failed.keys() == {process.pid}


def test_a_spec_that_does_not_fit_names_the_field() -> None:
    with pytest.raises(BadRequest, match="mode"):
        make_spec("x", mode="whatever")
    with pytest.raises(BadRequest, match=r"^limits\.steps: "):
        make_spec("x", steps=0)
    with pytest.raises(BadRequest, match="tools"):
        make_spec("x", tools="read_file")
    with pytest.raises(BadRequest, match="fallbacks"):
        make_spec("x", fallbacks="openai:gpt")
    assert make_spec("x", workspaces=["data"], max_output_tokens=9).workspaces == ("data",)


def test_an_approval_is_decided_once_and_only_as_shown(server: Server) -> None:
    with server.client() as client:
        pid = client.spawn(make_spec("x", model="scripted:risky", sandbox="bubblewrap")).pid
        assert client.wait(pid, timeout_s=20).needs_person
        [approval] = client.approvals(pid=pid)
        assert client.approval(approval.id).call == approval.call
        with pytest.raises(ApprovalMismatch):
            client.decide(type(approval)(**{**_fields(approval), "digest": "another"}), "approve")
        assert client.decide(approval, "refuse", reason="not now").decision is not None
        with pytest.raises(AlreadyDecided):
            client.decide(approval, "approve")
        status = ended(client, pid).exit
        assert status is not None
        assert "not now" in status.message


def test_rules_are_listed_and_revoked(server: Server) -> None:
    with server.client() as client:
        pid = client.spawn(make_spec("x", model="scripted:risky", sandbox="bubblewrap")).pid
        client.wait(pid, timeout_s=20)
        client.decide(client.approvals(pid=pid)[0], "approve", remember="always")
        [rule] = client.rules()
        assert rule.tool == "run_command"
        client.revoke(rule.id)
        assert client.rules() == []


def test_limits_are_extended(server: Server) -> None:
    with server.client() as client:
        pid = client.spawn(make_spec("x", model="scripted:echo-file", steps=1, sandbox="bubblewrap")).pid
        process = client.wait(pid, timeout_s=20)
        assert process.wait is not None
        assert process.wait.kind == "limit"
        assert client.extend(pid, steps=25).limits.steps == 26
        assert ended(client, pid).exit is not None


def test_a_model_is_chosen_for_a_running_agent_and_a_route_is_told(server: Server) -> None:
    with server.client() as client:
        pid = client.spawn(make_spec("x", model="scripted:ask")).pid
        client.wait(pid, timeout_s=20)
        assert client.choose_model(pid, "scripted:hello").model == "scripted:hello"
        with pytest.raises(UnknownName, match="Did you mean 'cheap'"):
            client.choose_model(pid, "auto:chep")
        told = client.route(make_spec("x", model="auto:frontier"))
        assert told.family == "frontier"
        assert told.models
        assert any("cheap" in each.families for each in client.models().models)


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(AsyncAether) - {"aclose", "hub", "feed", "locate"} == public(Aether) - {"close"}


def _fields(thing: object) -> dict[str, object]:
    return {name: getattr(thing, name) for name in thing.__struct_fields__}  # type: ignore[attr-defined]


def test_a_plan_is_read_and_changed_and_a_late_change_is_refused(server: Server) -> None:
    with server.client() as client:
        pid = client.spawn(make_spec("x", model="scripted:ask")).pid
        client.wait(pid, timeout_s=20)
        assert client.plan(pid).plan == Plan()
        made = client.set_plan(pid, "- [x] read\n- [ ] write", seen=0)
        assert (made.done, made.steps) == (1, 2)
        again = client.set_plan(pid, Plan((*made.plan.steps, PlanStep("send"))), seen=made.n)
        assert client.plan(pid) == again
        assert again.outline.endswith("\n- [ ] send")
        with pytest.raises(Conflict, match="changed the plan"):
            client.set_plan(pid, "- mine", seen=made.n)
        client.signal(pid, Signal.KILL)
