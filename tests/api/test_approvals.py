"""Decisions over HTTP: bound to the call that was shown, and made once."""

from __future__ import annotations

import asyncio
from typing import Any

from .test_owners import approval_of
from .test_processes import ended


async def test_the_second_decision_is_refused(call: Any) -> None:
    pid = (await call("POST", "processes", {"goal": "tidy up", "model": "scripted:risky"})).json["pid"]
    approval = await approval_of(call, pid)
    path = f"approvals/{approval['id']}/decision"
    wrong = await call("POST", path, {"verdict": "refuse", "digest": "another"})
    assert (wrong.status, wrong.json["type"]) == (409, "approval_mismatch")
    forged = await call("POST", path, {"verdict": "refuse", "by": "somebody else"})
    assert (forged.status, "by" in forged.json["detail"]) == (400, True)
    # A person who changed the arguments must not learn afterwards that the old ones ran.
    for changed in ({"arguments": {"command": "true"}}, {"reason": "no"}, {"answer": "yes"}, {"steps": 5}):
        refused = await call("POST", path, {"verdict": "approve", **changed})
        assert (refused.status, refused.json["type"]) == (400, "bad_request")
        assert refused.json["detail"].startswith(next(iter(changed)))

    body = {"verdict": "refuse", "reason": "not today", "digest": approval["digest"]}
    both = await asyncio.gather(call("POST", path, body), call("POST", path, body))
    assert sorted(answer.status for answer in both) == [200, 409]
    (late,) = [answer for answer in both if answer.status == 409]
    assert late.json["type"] == "already_decided"

    decided = (await call("GET", f"approvals/{approval['id']}")).json
    assert decided["decision"]["reason"] == "not today"
    assert decided["decision"]["by"] == (await call("GET", "me")).json["user"]
    assert (await call("GET", "approvals", params={"pid": str(pid)})).json["approvals"] == []
    assert (await ended(call, pid))["exit"] is not None


async def test_a_standing_approval_can_be_withdrawn_once(call: Any) -> None:
    spec = {"goal": "write", "model": "scripted:echo-file", "mode": "ask_always"}
    pid = (await call("POST", "processes", spec)).json["pid"]
    approval = await approval_of(call, pid)
    await call("POST", f"approvals/{approval['id']}/decision", {"verdict": "approve", "remember": "always"})
    (rule,) = (await call("GET", "rules")).json["rules"]
    assert (await call("DELETE", f"rules/{rule['id']}")).status == 204
    again = await call("DELETE", f"rules/{rule['id']}")
    assert (again.status, again.json["type"]) == (404, "rule_not_found")
