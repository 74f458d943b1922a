"""What does not fit is refused with its name, and nothing a client sends ends as a 500."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aether_jupyter.api.routes import ROUTES
from aether_jupyter.api.routing import BODY_BYTES, is_upload

WITH_PID = [r for r in ROUTES if "{pid}" in r.path]
WITH_BODY = [r for r in ROUTES if r.body is not None and not is_upload(r.body)]
UPLOADS = [r for r in ROUTES if is_upload(r.body)]


def path(full: str, pid: str = "1") -> str:
    return "/" + re.sub(r"{\w+}", "1", full.replace("{pid}", pid))


@pytest.mark.parametrize("pid", ["-1", "0", "abc", "1.5", "9" * 40, str(2**53), "NaN", "0x1", "%00", "1%002", "%ff"])
async def test_a_pid_is_a_whole_number_from_one(raw: Any, jp_auth_header: dict[str, str], pid: str) -> None:
    for route in WITH_PID:
        body = b"{}" if route.method == "POST" else None
        answer = await raw(
            route.method, path(route.full_path, pid), body, Content_Type="application/json", **jp_auth_header
        )
        assert answer.status == 400, (route.operation_id, answer.status, answer.body)
        assert answer.json["type"] == "bad_request"


BROKEN = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b'{"a":1}{',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"no such":1}',
    b"NaN",
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_a_broken_body_is_refused(call: Any, body: bytes) -> None:
    for route in WITH_BODY:
        answer = await call(route.method, path(route.full_path), body)
        assert answer.status == 400, (route.operation_id, answer.status, answer.body)
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_nesting_has_a_bound(call: Any) -> None:
    for levels, status in ((25, 201), (75, 400)):
        schema: dict[str, Any] = {"type": "object"}
        for _ in range(levels):
            schema = {"type": "object", "properties": {"inner": schema}}
        assert (await call("POST", "processes", {"goal": "x", "output_schema": schema})).status == status


async def test_a_body_must_be_json_and_not_huge(call: Any) -> None:
    huge = json.dumps({"goal": "x" * BODY_BYTES}).encode()
    for route in WITH_BODY:
        plain = await call(route.method, path(route.full_path), b"{}", headers={"Content-Type": "text/plain"})
        assert (plain.status, plain.json["type"]) == (415, "bad_request")
        assert (await call(route.method, path(route.full_path), huge)).status == 413


async def test_an_upload_must_be_an_archive_or_an_image(call: Any) -> None:
    assert UPLOADS
    for route in UPLOADS:
        params = {each.name: "clerk" for each in route.in_query if each.name == "agent"}
        given = {"params": params, "headers": {"Content-Type": "text/plain"}}
        plain = await call(route.method, path(route.full_path), b"{}", **given)
        assert (plain.status, plain.json["type"]) == (415, "bad_request")


FIELDS = [
    ({"goal": "x", "gaol": "y"}, "gaol"),
    ({"goal": 5}, "goal"),
    ({"goal": ""}, "goal"),
    ({"goal": " \n"}, "goal"),
    ({"goal": "x", "limits": {"steps": "many"}}, "limits.steps"),
    ({"goal": "x", "limits": {"steps": -1}}, "limits.steps"),
    ({"goal": "x", "sandbox": {"kind": "moon"}}, "sandbox.kind"),
    ({"goal": "x", "temperature": 99}, "temperature"),
    ({"goal": "x", "mode": "yolo"}, "mode"),
    ({"goal": "x", "parent": -1}, "parent"),
    ({"goal": "x", "tools": "all"}, "tools"),
    ({"goal": "x", "labels": {"a": 1}}, "labels"),
    ({"goal": "x", "model": "nobody:nothing"}, "nobody"),
    ({"goal": "x", "tools": ["no_such_tool"]}, "no_such_tool"),
    ({"goal": "x", "max_output_tokens": 10**30}, "max_output_tokens"),
    ({"goal": "x", "limits": {"tokens": 10**25}}, "limits.tokens"),
    ({"goal": "x", "limits": {"stpes": 5}}, "stpes"),
    ({}, "goal"),
]


@pytest.mark.parametrize(("body", "named"), FIELDS, ids=[f"{i}-{named}" for i, (_, named) in enumerate(FIELDS)])
async def test_the_refusal_names_the_field(call: Any, body: dict[str, Any], named: str) -> None:
    answer = await call("POST", "processes", body)
    assert 400 <= answer.status < 500, answer.body
    assert named in answer.json["detail"]


QUERIES = [
    ("processes", {"state": "SLEEPING"}, "state"),
    ("processes", {"limit": "0"}, "limit"),
    ("processes", {"limit": "many"}, "limit"),
    ("processes", {"reaped": "perhaps"}, "reaped"),
    ("processes", {"parent": "-4"}, "parent"),
    ("processes", {"stat": "READY"}, "stat"),
    ("processes", {"parent": "null"}, "parent"),
    ("processes/1/records", {"after": "-1"}, "after"),
    ("processes/1/records", {"before": "1" * 30}, "before"),
    ("processes/1/wait", {"timeout_s": "nan"}, "timeout_s"),
    ("processes/1/wait", {"timeout_s": "61"}, "timeout_s"),
    ("processes/1/files/content", {}, "path"),
    ("processes/1/files", {"path": "a\0b"}, "path"),
    ("processes/1/export", {"format": "exe"}, "format"),
    ("usage", {"days": "-1"}, "days"),
]


@pytest.mark.parametrize(("where", "query", "named"), QUERIES, ids=[f"{w}-{q}" for w, q, _ in QUERIES])
async def test_a_query_is_checked(call: Any, where: str, query: dict[str, str], named: str) -> None:
    answer = await call("GET", where, params=query)
    assert answer.status == 400, answer.body
    assert named in answer.json["detail"]


async def test_several_states_and_the_marks_of_jupyter_are_understood(call: Any) -> None:
    query = {"state": "READY,RUNNING", "1763840000000": "", "no_track_activity": "1"}
    assert (await call("GET", "processes", params=query)).json == {"processes": []}


async def test_limits_grow_only_as_far_as_they_can_be_read_again(call: Any) -> None:
    pid = (await call("POST", "processes", {"goal": "x", "model": "scripted:risky"})).json["pid"]
    answer = await call("POST", f"processes/{pid}/limits", {"steps": 100_000})
    assert (answer.status, "steps" in answer.json["detail"]) == (400, True)
    assert (await call("GET", f"processes/{pid}")).json["limits"]["steps"] == 50
    assert (await call("POST", f"processes/{pid}/signals", {"signal": "KILL"})).status == 200
