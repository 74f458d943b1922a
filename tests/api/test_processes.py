"""Agents over HTTP, from spawn to reap."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat

from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers import scripted


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


async def test_signals_messages_and_limits(call: Any) -> None:
    pid = (await call("POST", "processes", {"goal": "dawdle", "model": "scripted:slow"})).json["pid"]
    more = await call("POST", f"processes/{pid}/limits", {"steps": 25, "cost_usd": 1.5})
    assert more.json["limits"]["steps"] == 75
    assert (await call("POST", f"processes/{pid}/messages", {"text": "hurry"})).status == 201
    report = (await call("POST", "signals", {"signal": "KILL", "pids": [pid, pid, 999]})).json
    assert report["delivered"] == [pid]
    assert list(report["failed"]) == ["999"]
    process = await ended(call, pid)
    assert process["exit"]["reason"] == "killed"
    late = await call("POST", f"processes/{pid}/signals", {"signal": "STOP"})
    assert (late.status, late.json["type"]) == (409, "illegal_transition")


async def test_another_model_is_chosen_in_the_middle_of_a_run(call: Any) -> None:
    pid = (await call("POST", "processes", {"goal": "ask", "model": "scripted:ask"})).json["pid"]
    await call("GET", f"processes/{pid}/wait", params={"timeout_s": "20"})
    chosen = await call("POST", f"processes/{pid}/model", {"model": "auto"})
    assert (chosen.status, chosen.json["model"]) == (200, "auto")
    wrong = await call("POST", f"processes/{pid}/model", {"model": "auto:fast"})
    assert (wrong.status, wrong.json["type"]) == (400, "unknown_name")
    assert "cheap, standard, frontier" in wrong.json["detail"]
    nobody = await call("POST", f"processes/{pid}/model", {"model": "anthropic:x"})
    assert (nobody.status, nobody.json["type"]) == (424, "model_not_configured")
    assert (await call("POST", "processes/999/model", {"model": "auto"})).status == 404
    records = (await call("GET", f"processes/{pid}/records")).json["records"]
    assert [r["event"]["model"] for r in records if r["event"]["type"] == "process.model"] == ["auto"]


async def test_what_agents_ask_of_each_other_is_listed_on_both_sides(call: Any) -> None:
    asked = (await call("POST", "processes", {"goal": "wait", "model": "scripted:slow"})).json["pid"]
    arguments = {"to": asked, "text": "count the stars", "timeout_s": 60}
    scripted.register("asks", lambda n, turns: [ToolCall("", "ask_agent", arguments)] if n == 0 else [Text("I wait.")])
    spec = {"goal": "ask", "model": "scripted:asks", "tools": ["ask_agent"]}
    asker = (await call("POST", "processes", spec)).json["pid"]
    async with asyncio.timeout(10):
        while not (lists := (await call("GET", f"processes/{asker}/requests")).json["requests"]):
            await asyncio.sleep(0.02)
    assert (await call("GET", f"processes/{asked}/requests")).json["requests"] == lists
    told = [(each["sender"], each["receiver"], each["text"], each["status"]) for each in lists]
    assert told == [(asker, asked, "count the stars", "open")]
    await call("POST", "signals", {"signal": "KILL", "pids": [asker, asked]})
    assert (await call("GET", f"processes/{asked}/requests")).json["requests"] == []


async def test_files_come_as_attachments_that_no_page_runs(call: Any, tmp_path: Path) -> None:
    pid = (await call("POST", "processes", {"goal": "hi"})).json["pid"]
    await ended(call, pid)
    home = tmp_path / "aether" / "homes" / str(pid)
    home.mkdir(parents=True, exist_ok=True)
    page = b"<script>alert(1)</script>" * 100_000
    (home / "a b\u00fc.html").write_bytes(page)
    (home / "empty").touch()
    (home / "out").symlink_to("/etc/passwd")

    names = [file["path"] for file in (await call("GET", f"processes/{pid}/files")).json["files"]]
    assert {"a bü.html", "empty"} <= set(names)
    whole = await call("GET", f"processes/{pid}/files/content", params={"path": "a bü.html"})
    assert whole.body == page
    assert whole.headers["Content-Disposition"] == "attachment; filename*=utf-8''a%20b%C3%BC.html"
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert (await call("GET", f"processes/{pid}/files/content", params={"path": "empty"})).body == b""
    for path in ("none", "../../aether.db", "/etc/passwd", "out", ".", "a/../../x", "x" * 300):
        answer = await call("GET", f"processes/{pid}/files/content", params={"path": path})
        assert 400 <= answer.status < 500, (path, answer.status)
        assert b"root:" not in answer.body


async def test_exports(call: Any) -> None:
    pid = (await call("POST", "processes", {"goal": "say hello", "name": "../évil name"})).json["pid"]
    await ended(call, pid)
    answers = {}
    for kind in ("json", "text", "notebook"):
        answer = answers[kind] = await call("GET", f"processes/{pid}/export", params={"format": kind})
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].startswith(f"attachment; filename*=utf-8''{pid}-vil-name.")
    assert answers["json"].json["records"][0]["event"]["type"] == "process.spawned"
    assert "say hello" in answers["text"].body.decode()
    nbformat.validate(answers["notebook"].json)


async def test_permissions_are_taken_as_objects_or_lines_kept_with_the_request_and_refused_where_wrong(
    call: Any,
) -> None:
    lines = [{"verdict": "deny", "tool": "run_command", "risk": ["execute"], "why": "no programs"}]
    for given in (lines, ["deny tool=run_command risk=execute why='no programs'"]):
        started = await call("POST", "processes", {"goal": "hi", "role": "clerk", "permissions": given})
        assert started.status == 201
        spec = (await call("GET", f"processes/{started.json['pid']}/spec")).json
        assert (spec["permissions"], spec["role"]) == (lines, "clerk")
    for wrong, words in (
        ({"verdict": "forbid"}, "permissions[0].verdict"),
        ({"verdict": "deny", "tol": "x"}, "tol"),
        ({"verdict": "deny", "tool": "[x"}, "without its"),
        ({"verdict": "deny", "folder": "a/../b"}, "'..' leads nowhere"),
        ({"verdict": "deny", "risk": ["awful"]}, "permissions[0].risk"),
        ({"verdict": "deny", "tool": "run_comand"}, "about no tool"),
        ({"tool": "run_command"}, "verdict"),
        ("deny tol=run_command", "Did you mean 'tool'?"),
        ("maybe", "begins with none of allow, ask, deny"),
        (7, "permissions[0]"),
    ):
        answer = await call("POST", "processes", {"goal": "hi", "permissions": [wrong]})
        assert answer.status == 400, wrong
        assert words in answer.json["detail"]
    wrong_line = await call("POST", "processes", {"goal": "hi", "permissions": ["maybe"]})
    assert wrong_line.json["details"] == {"field": "permissions"}
    many = await call("POST", "processes", {"goal": "hi", "permissions": lines * 201})
    assert many.status == 400
    assert (await call("POST", "processes", {"goal": "hi", "role": "x\ny"})).status == 400
    denied = [{"verdict": "deny", "model": "scripted:*", "why": "only on real ones"}]
    answer = await call("POST", "processes", {"goal": "hi", "permissions": denied})
    assert (answer.status, answer.json["type"]) == (403, "forbidden")
    assert "only on real ones" in answer.json["detail"]
