"""Snapshots over HTTP: taken, compared, gone on from, taken away and brought back – and files that mean harm."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

ZIP = {"Content-Type": "application/zip"}


async def written(call: Any) -> int:
    spec = {"goal": "write", "model": "scripted:echo-file"}
    pid = (await call("POST", "processes", spec)).json["pid"]
    for _ in range(200):
        if (await call("GET", f"processes/{pid}")).json["state"] == "ZOMBIE":
            return int(pid)
        await asyncio.sleep(0.05)
    raise AssertionError("it did not end")


async def test_an_agent_is_captured_listed_compared_marked_and_deleted(call: Any) -> None:
    pid = await written(call)
    first = (await call("POST", f"processes/{pid}/snapshots", {"label": "first"})).json
    second = (await call("POST", f"processes/{pid}/snapshots", {})).json
    assert (first["label"], first["pid"], first["reason"]) == ("first", pid, "asked")
    listed = (await call("GET", "snapshots", params={"pid": str(pid)})).json["snapshots"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    compared = (await call("GET", f"snapshots/{second['id']}/compare", params={"before": str(first["id"])})).json
    assert (compared["added"], compared["removed"], compared["changed"]) == (0, 0, 0)
    detail = (await call("GET", f"snapshots/{first['id']}")).json
    assert detail["snapshot"] == first
    marked = (await call("PUT", f"snapshots/{first['id']}", {"kept": True})).json
    assert (marked["kept"], marked["label"]) == (True, "first")
    assert (await call("DELETE", f"snapshots/{first['id']}")).status == 200
    answer = await call("GET", f"snapshots/{first['id']}")
    assert (answer.status, answer.json["type"]) == (404, "snapshot_not_found")


async def test_an_agent_is_forked_and_restored(call: Any) -> None:
    pid = await written(call)
    taken = (await call("POST", f"processes/{pid}/snapshots", {})).json
    restored = await call("POST", f"snapshots/{taken['id']}/restore", {"name": "again", "paused": True})
    assert restored.status == 201, restored.body
    process = restored.json["process"]
    assert (process["name"], process["state"], process["came_from"]["pid"]) == ("again", "STOPPED", pid)
    files = (await call("GET", f"processes/{process['pid']}/files")).json["files"]
    assert files == (await call("GET", f"processes/{pid}/files")).json["files"]
    forked = await call("POST", f"processes/{pid}/fork", {"step": 1, "message": {"text": "quicker"}, "paused": True})
    assert forked.json["process"]["came_from"]["step"] == 1
    wrong = await call("POST", f"processes/{pid}/fork", {"step": 99})
    assert (wrong.status, wrong.json["type"]) == (400, "bad_request")


async def test_a_snapshot_goes_out_as_a_file_and_comes_back(call: Any, tmp_path: Path) -> None:
    pid = await written(call)
    taken = (await call("POST", f"processes/{pid}/snapshots", {})).json
    answer = await call("GET", f"snapshots/{taken['id']}/export")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].endswith(".aethersnapshot")
    back = await call("POST", "snapshots/import", answer.body, headers=ZIP)
    assert back.status == 201, back.body
    assert (back.json["reason"], back.json["pid"], back.json["files"]) == ("imported", None, taken["files"])
    harmed = await call("POST", "snapshots/import", answer.body[:-200], headers=ZIP)
    assert (harmed.status, harmed.json["type"]) == (422, "bad_snapshot")
    assert len((await call("GET", "snapshots")).json["snapshots"]) == 2
    assert list((tmp_path / "aether" / "snapshots").glob("upload-*")) == []


@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, {"Content-Type": "text/plain"}])
async def test_what_is_sent_as_something_else_is_no_snapshot(call: Any, headers: dict[str, str]) -> None:
    assert (await call("POST", "snapshots/import", b"{}", headers=headers)).status == 415


async def test_who_is_nobody_sends_nothing(raw: Any, call: Any, tmp_path: Path) -> None:
    await call("GET", "health")
    answer = await raw("POST", "aether/api/v1/snapshots/import", b"x" * 100_000, Content_Type="application/zip")
    assert answer.status == 403
    assert list((tmp_path / "aether").glob("snapshots/upload-*")) == []
