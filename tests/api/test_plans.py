"""Plans over HTTP: read, changed, and refused with what is there now."""

from __future__ import annotations

from typing import Any


async def asking(call: Any) -> int:
    """An agent that waits for a person."""
    pid = (await call("POST", "processes", {"goal": "x", "model": "scripted:ask"})).json["pid"]
    await call("GET", f"processes/{pid}/wait", params={"timeout_s": 20})
    return int(pid)


async def test_a_plan_is_set_read_and_changed(call: Any) -> None:
    pid = await asking(call)
    path = f"processes/{pid}/plan"
    none = await call("GET", path)
    assert none.json == {"plan": {}, "outline": "", "done": 0, "steps": 0, "by": "", "at": 0.0, "n": 0}
    outline = "- [x] read\n  - [x] open it\n- [!] write (because: no paper)"
    made = (await call("PUT", path, {"outline": outline, "seen": 0})).json
    assert (made["outline"], made["done"], made["steps"]) == (outline, 1, 2)
    assert made["plan"]["steps"][1] == {"text": "write", "status": "!", "why": "no paper", "step": 1}
    assert (await call("GET", path)).json == made
    steps = [*made["plan"]["steps"], {"text": "send"}]
    again = (await call("PUT", path, {"plan": {"steps": steps}, "seen": made["n"]})).json
    assert again["outline"] == f"{outline}\n- [ ] send"
    assert again["plan"]["steps"][1]["step"] == 1
    late = await call("PUT", path, {"outline": "- mine", "seen": made["n"]})
    assert (late.status, late.json["type"]) == (409, "conflict")
    assert late.json["details"]["plan"] == again
    assert (await call("GET", f"processes/{pid}")).json["plan_n"] == again["n"]


async def test_what_is_no_plan_is_refused_with_the_reason(call: Any) -> None:
    pid = await asking(call)
    deep: dict[str, Any] = {"text": "x"}
    for _ in range(20):
        deep = {"text": "x", "steps": [deep]}
    for body, words in (
        ({}, "outline or plan: give one of them"),
        ({"outline": "- a", "plan": {}}, "outline or plan"),
        ({"outline": "a"}, "line 1 of the plan is no step"),
        ({"plan": {"steps": [{"text": ""}]}}, "plan.steps[0].text"),
        ({"plan": {"steps": [{"text": "a", "status": "?"}]}}, "plan.steps[0].status"),
        ({"plan": {"steps": [{"text": "\n"}]}}, "step 1 of the plan has no words"),
        ({"plan": {"steps": [deep]}}, "lies more than 20 deep"),
        ({"outline": "- a (agent 4711)"}, "agent 4711 was not started by"),
        ({"outline": "- a", "seen": -1}, "seen"),
    ):
        answer = await call("PUT", f"processes/{pid}/plan", body)
        assert (answer.status, answer.json["type"]) == (400, "bad_request"), (body, answer.json)
        assert words in answer.json["detail"]
    assert (await call("PUT", "processes/4711/plan", {"outline": "- a"})).status == 404
    assert (await call("GET", "processes/4711/plan")).status == 404


async def test_the_largest_plan_goes_both_ways(call: Any) -> None:
    pid = await asking(call)
    outline = "\n".join(f"{'  ' * (n % 20)}- [ ] part {n}" for n in range(500))
    made = await call("PUT", f"processes/{pid}/plan", {"outline": outline})
    assert (made.status, made.json["outline"]) == (200, outline)
    plan = made.json["plan"]
    again = await call("PUT", f"processes/{pid}/plan", {"plan": plan, "seen": made.json["n"]})
    assert (again.status, again.json["n"]) == (200, made.json["n"])
