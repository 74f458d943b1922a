"""Feedback and profiles over HTTP."""

from __future__ import annotations

from typing import Any


async def ended(call: Any, **spec: Any) -> int:
    pid = (await call("POST", "processes", {"goal": "hi", "model": "scripted:hello", **spec})).json["pid"]
    assert (await call("GET", f"processes/{pid}/wait", params={"timeout_s": "30"})).json["state"] == "ZOMBIE"
    return int(pid)


async def test_a_step_is_judged_listed_and_taken_back(call: Any) -> None:
    pid = await ended(call, name="clerk")
    path = f"processes/{pid}/feedback"
    given = await call("POST", path, {"step": 1, "thumb": "down", "comment": " Be brief. "})
    assert given.status == 200
    me = (await call("GET", "me")).json["user"]
    assert (given.json["by"], given.json["thumb"], given.json["comment"], given.json["agent"]) == (
        me,
        "down",
        "Be brief.",
        "clerk",
    )
    assert (await call("GET", path)).json == {"feedback": [given.json]}
    assert (await call("POST", path, {"step": 1})).status == 200
    assert (await call("GET", path)).json == {"feedback": []}
    late = await call("POST", path, {"step": 2, "thumb": "up"})
    assert (late.status, "no answer of step 2" in late.json["detail"]) == (400, True)
    assert (await call("POST", path, {"step": 1, "thumb": "sideways"})).status == 400
    assert (await call("POST", "processes/4711/feedback", {"step": 1, "thumb": "up"})).status == 404


async def test_profiles_are_listed_and_found_by_name_and_by_process(call: Any) -> None:
    pid = await ended(call, name="fix tests/api & docs")
    await call("POST", f"processes/{pid}/feedback", {"step": 1, "thumb": "up"})
    (standing,) = (await call("GET", "profiles")).json["profiles"]
    assert (standing["agent"], standing["tasks"], standing["thumbs_up"]) == ("fix tests/api & docs", 1, 1)
    profile = (await call("GET", "profile", params={"agent": "fix tests/api & docs"})).json
    assert {key: profile[key] for key in standing} == standing
    assert [task["pid"] for task in profile["last"]] == [pid]
    assert (await call("GET", f"processes/{pid}/profile")).json == profile
    assert (await call("GET", "profile", params={"agent": "nobody"})).json["tasks"] == 0
    assert (await call("GET", "profile", params={"agent": ""})).status == 400
    assert (await call("GET", "processes/4711/profile")).status == 404
