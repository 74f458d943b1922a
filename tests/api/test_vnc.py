"""A desktop through the server's own door, seen and typed on by a VNC client that knows nothing of this package."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.sandboxes.conftest import docker_engine

from .test_owners import People

__all__ = ["docker_engine"]

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("docker_engine"),
    pytest.mark.filterwarnings("ignore:Unclosed WebSocketClientConnection:ResourceWarning"),
]

DESKTOP = {"kind": "docker", "desktop": "openbox", "memory_mb": 1024}
WAIT_S = 60.0


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    jp_server_config["ServerApp"]["identity_provider_class"] = People
    return jp_server_config


@pytest.fixture
def knock(jp_serverapp: Any, jp_http_port: int, http_server_client: Any) -> Any:
    async def knock(person: str, pid: int, query: str = "") -> WebSocketClientConnection:
        url = f"ws://127.0.0.1:{jp_http_port}{jp_serverapp.base_url}aether/displays/{pid}{query}"
        return await websocket_connect(HTTPRequest(url, headers={"X-Person": person}), subprotocols=["binary"])

    return knock


@asynccontextmanager
async def _relay(open_socket: Callable[[], Awaitable[WebSocketClientConnection]]) -> AsyncIterator[int]:
    """A port where plain VNC is spoken; what passes there goes through the server's socket, and back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = await open_socket()

        async def out() -> None:
            while (data := await socket.read_message()) is not None:
                writer.write(data if isinstance(data, bytes) else data.encode())
                await writer.drain()
            writer.close()

        showing = asyncio.ensure_future(out())
        while data := await reader.read(65536):
            await socket.write_message(data, binary=True)
        showing.cancel()
        await asyncio.wait({showing})
        socket.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _vnc(port: int, *words: str) -> None:
    """Run the client with these words. It ends when it is shown a picture that was asked for after its last key."""
    argv = [sys.executable, "-m", "vncdotool.command", "-t", str(int(WAIT_S)), "-s", f"127.0.0.1::{port}", *words]
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def _until(found: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(WAIT_S):
        while not (answer := await found()):
            await asyncio.sleep(0.1)
        return answer


async def test_whoever_has_control_types_and_nobody_else(call: Any, knock: Any, tmp_path: Path) -> None:
    def as_person(name: str) -> Any:
        async def asked(method: str, path: str, body: Any = None, **options: Any) -> Any:
            return await call(method, path, body, headers={"X-Person": name}, **options)

        return asked

    alice, bob = as_person("alice"), as_person("bob")
    spec = {"goal": "write", "model": "scripted:echo-file", "mode": "ask_always", "sandbox": DESKTOP}
    pid = (await alice("POST", "processes", spec)).json["pid"]

    async def inside(command: str) -> str:
        def run() -> str:
            of_this = ["--filter", f"label=aether.home={tmp_path / 'aether'}"]
            listed = subprocess.run(["docker", "ps", "-q", *of_this], capture_output=True, text=True, check=True)
            argv = ["docker", "exec", *listed.stdout.split(), "sh", "-c", command]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout

        return await asyncio.to_thread(run)

    async def waits() -> bool:
        return bool((await alice("GET", f"processes/{pid}")).json["state"] == "WAITING")

    await _until(waits)
    picture = tmp_path / "seen.png"
    typed = ("key", "ctrl-s", "capture", str(picture))
    async with (
        _relay(lambda: knock("alice", pid)) as door,
        _relay(lambda: knock("alice", pid, "?view_only=true")) as window,
    ):
        # The desktop starts with the first who looks.
        await _vnc(door, "capture", str(picture))
        await inside("touch note.txt; setsid -f mousepad note.txt >/dev/null 2>&1")
        await _until(lambda: inside("xdotool getactivewindow getwindowname | grep note.txt"))
        await inside("wmctrl -r note.txt -b add,maximized_vert,maximized_horz")

        # The agent has control: its owner sees it all, and nothing that they do gets there.
        await _vnc(door, "move", "600", "400", "click", "1", "type", "stray", *typed)
        with Image.open(picture) as seen:
            assert seen.size == (1280, 800)
            assert len(seen.convert("RGB").getcolors(1 << 20)) > 20
        assert await inside("wmctrl -l | grep -c '[*]'") == "0\n"

        assert (await alice("POST", f"processes/{pid}/control")).status == 200
        await _vnc(door, "move", "600", "400", "click", "1", "type", "mine", *typed)

        async def has(words: str) -> bool:
            return (await inside("cat note.txt")).strip() == words

        await _until(lambda: has("mine"))

        # Whoever only looks types nothing, though they have control.
        await _vnc(window, "type", "stray", *typed)
        await _vnc(door, "type", "only", *typed)
        await _until(lambda: has("mineonly"))

        # For another person there is no such desktop, whoever has control of it.
        for answer in (
            await bob("GET", f"processes/{pid}/display"),
            await bob("GET", f"processes/{pid}/display/picture"),
            await bob("POST", f"processes/{pid}/control"),
            await bob("POST", f"processes/{pid}/control/ask"),
            await bob("POST", f"processes/{pid}/control/return", {"note": ""}),
        ):
            assert answer.status == 404
        for query in ("", "?view_only=true"):
            with pytest.raises(HTTPClientError) as refused:
                await knock("bob", pid, query)
            assert refused.value.code == 404

        # Handed back, the door is closed again for what acts.
        assert (await alice("POST", f"processes/{pid}/control/return", {"note": ""})).status == 200
        await _vnc(door, "type", "stray", *typed)
        assert (await alice("POST", f"processes/{pid}/control")).status == 200
        await _vnc(door, "type", "again", *typed)
        await _until(lambda: has("mineonlyagain"))
    await alice("POST", f"processes/{pid}/signals", {"signal": "KILL"})
