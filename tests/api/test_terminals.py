"""Terminals in sandboxes, through the doors and through Jupyter's own socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Call

pytestmark = pytest.mark.skipif(os.name != "posix", reason="not run: no pseudo terminals here")


@pytest.fixture
def jp_server_config(tmp_path: Path) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"aether_jupyter": True, "jupyter_server_terminals": True}},
        "Aether": {
            "home": str(tmp_path / "aether"),
            "default_model": "scripted:hello",
            "durability": "NORMAL",
            "sandbox": "bubblewrap",
        },
    }


async def _agent(call: Call, **spec: Any) -> int:
    answer = await call("POST", "processes", {"goal": "ask", "model": "scripted:ask", **spec})
    assert answer.status == 201, answer.body
    return int(answer.json["pid"])


async def _read_until(socket: Any, word: str) -> str:
    said = ""
    async with asyncio.timeout(20):
        while word not in said:
            kind, *rest = json.loads(await socket.read_message())
            said += rest[0] if kind == "stdout" else f"<{kind}>"
    return said


async def test_a_terminal_speaks_with_the_sandbox_of_the_agent(
    call: Call, jp_ws_fetch: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    pid = await _agent(call)
    answer = await call("POST", f"processes/{pid}/terminal", {})
    assert (answer.status, answer.json) == (201, {"name": f"agent{pid}"})
    socket = await jp_ws_fetch("terminals", "websocket", f"agent{pid}")
    await _read_until(socket, "$ ")
    await socket.write_message(json.dumps(["stdin", "echo hello > from_terminal; echo got-$((1+1))\r"]))
    await _read_until(socket, "got-2")
    assert (tmp_path / "aether" / "homes" / str(pid) / "from_terminal").read_text() == "hello\n"
    await socket.write_message(json.dumps(["set_size", 33, 99]))
    for _ in range(50):
        await socket.write_message(json.dumps(["stdin", "stty size; echo size-$((1+1))\r"]))
        if "33 99" in await _read_until(socket, "size-2"):
            break
    else:
        raise AssertionError("the size did not follow")

    assert (await call("POST", f"processes/{pid}/terminal", {})).json == {"name": f"agent{pid}_2"}
    assert (await call("POST", f"processes/{pid}/signals", {"signal": "KILL"})).status == 200
    await _read_until(socket, "sandbox of this agent has ended")
    await socket.write_message(json.dumps(["stdin", "\r"]))
    await _read_until(socket, "<disconnect>")

    ended = await call("POST", f"processes/{pid}/terminal", {})
    assert (ended.status, ended.json["type"]) == (409, "illegal_transition")
    assert "has ended" in ended.json["detail"]


async def test_the_journal_tells_who_was_there_and_not_what_was_typed(
    call: Call, jp_ws_fetch: Callable[..., Awaitable[Any]]
) -> None:
    pid = await _agent(call)
    await call("GET", f"processes/{pid}/wait")
    step = (await call("GET", f"processes/{pid}")).json["step"]
    me = (await call("GET", "me")).json["user"]
    name = (await call("POST", f"processes/{pid}/terminal", {})).json["name"]
    socket = await jp_ws_fetch("terminals", "websocket", name)
    await _read_until(socket, "$ ")
    await socket.write_message(json.dumps(["stdin", "echo a-private-word\r"]))
    await _read_until(socket, "a-private-word")
    await socket.write_message(json.dumps(["stdin", "exit\r"]))
    await _read_until(socket, "<disconnect>")

    async def told() -> list[dict[str, Any]]:
        records = (await call("GET", f"processes/{pid}/records", params={"limit": "1000"})).json["records"]
        assert "a-private-word" not in json.dumps(records)
        return [each["event"] for each in records if each["event"]["type"].startswith("terminal.")]

    async with asyncio.timeout(20):
        while len(await told()) < 2:
            await asyncio.sleep(0.05)
    opened, closed = await told()
    assert opened == {"type": "terminal.opened", "by": me, "name": name}
    assert closed.pop("duration_s") > 0
    assert closed == {"type": "terminal.closed", "by": me, "name": name}
    # The agent went on waiting for its answer, and made no step for it.
    process = (await call("GET", f"processes/{pid}")).json
    assert (process["state"], process["step"]) == ("WAITING", step)


async def test_a_server_that_stops_notes_the_end_of_its_terminals(call: Call, jp_serverapp: Any) -> None:
    pid = await _agent(call)
    await call("GET", f"processes/{pid}/wait")
    await call("POST", f"processes/{pid}/terminal", {})
    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    await app.tenure._terminals.close()
    records = (await call("GET", f"processes/{pid}/records", params={"limit": "1000"})).json["records"]
    assert [each["event"]["type"] for each in records][-2:] == ["terminal.opened", "terminal.closed"]


async def test_there_are_only_so_many_for_an_agent(call: Call) -> None:
    pid = await _agent(call)
    answers = [await call("POST", f"processes/{pid}/terminal", {}) for _ in range(9)]
    assert [answer.status for answer in answers] == [201] * 8 + [429]
    assert len({answer.json["name"] for answer in answers[:8]}) == 8


async def test_an_agent_that_is_not_there_has_none(call: Call) -> None:
    assert (await call("POST", "processes/4711/terminal", {})).json["type"] == "process_not_found"


async def test_where_terminals_are_off_it_says_so(call: Call, jp_serverapp: Any) -> None:
    pid = await _agent(call)
    jp_serverapp.web_app.settings["terminals_available"] = False
    answer = await call("POST", f"processes/{pid}/terminal", {})
    assert answer.status == 403
    assert "terminals_enabled" in answer.json["detail"]
