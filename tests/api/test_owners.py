"""Two people on one server see nothing of each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, User

from aether_jupyter.api.routes import ROUTES

from ..drawn import drawn

BODIES: dict[str, Any] = {
    "chooseModel": {"model": "scripted:hello"},
    "giveFeedback": {"step": 1, "thumb": "up"},
    "setPlan": {"outline": "- mine"},
    "signalProcess": {"signal": "KILL"},
    "sendMessage": {"text": "hello"},
    "extendLimits": {"steps": 5},
    "decideApproval": {"verdict": "approve"},
    "changeMemory": {"text": "mine"},
    "returnControl": {"note": "mine"},
    "takeSnapshot": {},
    "markSnapshot": {"kept": True},
    "restoreSnapshot": {},
    "forkProcess": {},
}


class People(IdentityProvider):
    """Whoever names themselves is let in under that name."""

    def get_user(self, handler: Any) -> User | None:
        name = handler.request.headers.get("X-Person")
        handler._token_authenticated = name is not None
        return User(name) if name else None


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    jp_server_config["ServerApp"]["identity_provider_class"] = People
    return jp_server_config


@pytest.fixture
def as_person(call: Any) -> Callable[[str], Any]:
    def person(name: str) -> Any:
        async def asked(method: str, path: str, body: Any = None, **options: Any) -> Any:
            headers = {"X-Person": name} | options.pop("headers", {})
            return await call(method, path, body, headers=headers, **options)

        return asked

    return person


async def approval_of(asked: Any, pid: int) -> dict[str, Any]:
    for _ in range(200):
        approvals = (await asked("GET", "approvals", params={"pid": str(pid)})).json["approvals"]
        if approvals:
            return approvals[0]  # type: ignore[no-any-return]
        await asyncio.sleep(0.05)
    raise AssertionError("no approval came")


async def test_what_is_of_another_person_is_not_there(as_person: Any) -> None:
    alice, bob = as_person("alice"), as_person("bob")
    assert (await bob("GET", "me")).json["user"] == "bob"
    spec = {"goal": "write", "model": "scripted:echo-file", "mode": "ask_always"}
    pid = (await alice("POST", "processes", spec)).json["pid"]
    first = await approval_of(alice, pid)
    decided = await alice("POST", f"approvals/{first['id']}/decision", {"verdict": "approve", "remember": "session"})
    assert decided.status == 200, decided.body
    waiting = (await alice("POST", "processes", {"goal": "rm", "model": "scripted:risky"})).json["pid"]
    approval = await approval_of(alice, waiting)
    rule = (await alice("GET", "rules")).json["rules"][0]
    notes = {"agent": "clerk", "notes": [{"text": "The safe is blue."}]}
    memory = (await alice("POST", "memories", notes)).json["memories"][0]
    image = (await alice("POST", "images", drawn(), headers={"Content-Type": "image/png"})).json
    snapshot = (await alice("POST", f"processes/{waiting}/snapshots", {})).json
    theirs = {
        "pid": str(waiting),
        "approval_id": approval["id"],
        "rule_id": rule["id"],
        "memory_id": str(memory["id"]),
        "digest": image["digest"],
        "snapshot_id": str(snapshot["id"]),
    }
    before = (await alice("GET", f"processes/{waiting}")).json

    for route in (r for r in ROUTES if r.in_path):
        path = route.full_path.format(**theirs)
        body = BODIES[route.operation_id] if route.body is not None else None
        query = {a.name: "x" for a in route.in_query if a.name == "path"}
        query |= {a.name: str(snapshot["id"]) for a in route.in_query if a.name == "before"}
        answer = await bob(route.method, "/" + path, body, params=query)
        assert answer.status == 404, (route.operation_id, answer.status, answer.body)
        nothing = {"approval_id": "nothing", "rule_id": "nothing", "digest": "0" * 64}
        absent = route.full_path.format(pid="424242", memory_id="424242", snapshot_id="424242", **nothing)
        other = await bob(route.method, "/" + absent, body, params=query)
        assert other.json["type"] == answer.json["type"], route.operation_id

    assert (await bob("GET", "processes", params={"reaped": "true"})).json["processes"] == []
    for waiting_only in ("true", "false"):
        assert (await bob("GET", "approvals", params={"waiting": waiting_only})).json["approvals"] == []
    assert (await bob("GET", "rules")).json["rules"] == []
    for path, member in (("memories", "memories"), ("memories/recall", "found"), ("memories/spaces", "spaces")):
        query = {} if path.endswith("spaces") else {"agent": "clerk"} | ({"query": "safe"} if "recall" in path else {})
        assert len((await alice("GET", path, params=query)).json[member]) == 1
        assert (await bob("GET", path, params=query)).json[member] == []
    assert (await bob("GET", "usage")).json["rows"] == []
    report = (await bob("POST", "signals", {"signal": "KILL", "pids": [waiting]})).json
    assert report["delivered"] == []
    assert (await bob("POST", "processes", {"goal": "x", "parent": waiting})).status == 404
    assert (await bob("POST", "processes", {"goal": "x", "images": [image]})).status == 400
    assert (await alice("GET", f"processes/{waiting}")).json == before
    assert (await alice("GET", "rules")).json["rules"][0]["id"] == rule["id"]


async def test_feeds_are_apart(as_person: Any, jp_ws_fetch: Any) -> None:
    alice = as_person("alice")
    pid = (await alice("POST", "processes", {"goal": "hi", "model": "scripted:slow"})).json["pid"]
    bobs = await jp_ws_fetch("aether", "feed", headers={"X-Person": "bob"})
    alices = await jp_ws_fetch("aether", "feed", headers={"X-Person": "alice"})
    await bobs.write_message(json.dumps({"watch": [pid]}))
    assert json.loads(await bobs.read_message())["snapshot"]["processes"] == {}
    seen = json.loads(await alices.read_message())
    assert str(pid) in seen["snapshot"]["processes"]
    await alice("POST", f"processes/{pid}/messages", {"text": "for this feed only"})
    while "records" not in seen:
        seen = json.loads(await asyncio.wait_for(alices.read_message(), 30))
    with pytest.raises(TimeoutError):
        print(await asyncio.wait_for(bobs.read_message(), 0.7))
    await alice("POST", f"processes/{pid}/signals", {"signal": "KILL"})
    bobs.close()
    alices.close()
