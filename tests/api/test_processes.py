"""Agents over HTTP, from spawn to reap."""

from __future__ import annotations

from typing import Any


async def ended(call: Any, pid: int) -> Any:
    for _ in range(4):
        process = (await call("GET", f"processes/{pid}/wait", params={"timeout_s": "10"})).json
        if process["state"] == "ZOMBIE":
            return process
    raise AssertionError(process)


async def test_an_agent_is_spawned_watched_and_reaped(call: Any) -> None:
    spawned = await call("POST", "processes", {"goal": "say hello", "name": "greeter"})
    assert spawned.status == 201
    pid = spawned.json["pid"]

    process = await ended(call, pid)
    assert process["exit"]["code"] == 0
    assert (await call("GET", f"processes/{pid}/spec")).json["goal"] == "say hello"

    records = (await call("GET", f"processes/{pid}/records")).json["records"]
    assert [r["n"] for r in records] == list(range(1, len(records) + 1))
    assert records[0]["event"]["type"] == "process.spawned"
    last = (await call("GET", f"processes/{pid}/records", params={"before": "3", "limit": "1"})).json["records"]
    assert [r["n"] for r in last] == [2]

    reaped = await call("DELETE", f"processes/{pid}")
    assert reaped.status == 200
    assert reaped.json["reaped_at"]
    assert (await call("GET", "processes")).json["processes"] == []
    shown = (await call("GET", "processes", params={"reaped": "true"})).json["processes"]
    assert [p["pid"] for p in shown] == [pid]
