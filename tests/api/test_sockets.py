"""The feed socket: who gets in, what comes, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from .test_doors import cookie

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed WebSocketClientConnection:ResourceWarning")


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Tornado's client complains when a refused connection is collected; that shall happen here and not later."""
    yield
    gc.collect()


async def frames(socket: Any, wanted: str, within_s: float = 30.0) -> dict[str, Any]:
    """The next frame of a kind."""
    async with asyncio.timeout(within_s):
        while True:
            text = await socket.read_message()
            assert text is not None, "the socket was closed"
            frame: dict[str, Any] = json.loads(text)
            if wanted in frame:
                return frame


@pytest.fixture
def knock(jp_serverapp: Any, jp_http_port: int, http_server_client: Any) -> Any:
    async def knock(query: str = "", door: str = "feed", **headers: str) -> Any:
        url = f"ws://127.0.0.1:{jp_http_port}{jp_serverapp.base_url}aether/{door}{query}"
        return await websocket_connect(HTTPRequest(url, headers=headers))

    return knock


DOORS = ("feed", "displays/1", "browsers/1")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1"])
async def test_foreign_pages_get_nothing(
    raw: Any, knock: Any, jp_serverapp: Any, origin: str, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    async def view(self: Any, who: Any, pid: int, *, view_only: bool = False) -> Any:
        opened.append(Blank())
        return opened[-1]

    monkeypatch.setattr("aether_jupyter.runtime.displays.Displays.view", view)
    monkeypatch.setattr("aether_jupyter.runtime.screencasts.Screencasts.view", view)
    cookies = await cookie(raw, jp_serverapp)
    with pytest.raises(HTTPClientError) as refused:
        await knock(door=door, Cookie=cookies, Origin=origin)
    assert refused.value.code == 403
    # The Origin is looked at last: what was opened until then is closed again.
    assert all(each.closed for each in opened)


class Blank:
    """A view that shows nothing."""

    closed = False

    async def read(self) -> bytes:
        await asyncio.sleep(60)
        return b""

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("query", "headers"), [("", {}), ("?token=wrong", {}), ("", {"Authorization": "token wrong"})])
async def test_nobody_gets_in_without_a_login(knock: Any, query: str, headers: dict[str, str], door: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await knock(query, door, **headers)
    assert refused.value.code == 403


@pytest.mark.parametrize("stage", ["displays", "browsers"])
async def test_the_screen_of_an_agent_without_one_is_not_there(
    call: Any, knock: Any, jp_auth_header: dict[str, str], stage: str
) -> None:
    pid = (await call("POST", "processes", {"goal": "hi", "model": "scripted:slow"})).json["pid"]
    for door, code in ((f"{stage}/{pid}", 404), (f"{stage}/999", 404), (f"{stage}/{pid}?view_only=maybe", 400)):
        with pytest.raises(HTTPClientError) as refused:
            await knock(door=door, **jp_auth_header)
        assert refused.value.code == code
        assert json.loads(refused.value.response.body)["status"] == code
    await call("POST", f"processes/{pid}/signals", {"signal": "KILL"})


class Endless(Blank):
    """A view that shows as much as anybody takes, and more than anybody should."""

    PIECE, ALL = 1 << 18, 1 << 27

    def __init__(self) -> None:
        self.taken = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0 if self.taken < self.ALL else 60)
        self.taken += self.PIECE
        return bytes(self.PIECE)


@pytest.mark.parametrize("stage", ["displays", "browsers"])
async def test_what_a_viewer_does_not_take_is_not_gathered_in_the_server(
    jp_serverapp: Any,
    jp_http_port: int,
    http_server_client: Any,
    jp_auth_header: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    shown = Endless()

    async def view(self: Any, who: Any, pid: int, *, view_only: bool = False) -> Any:
        return shown

    monkeypatch.setattr("aether_jupyter.runtime.displays.Displays.view", view)
    monkeypatch.setattr("aether_jupyter.runtime.screencasts.Screencasts.view", view)
    asked = {
        "Host": f"127.0.0.1:{jp_http_port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **jp_auth_header,
    }
    # By hand, since clients of websockets read on by themselves.
    reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port, limit=1 << 16)
    head = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    writer.write(f"GET {jp_serverapp.base_url}aether/{stage}/1 HTTP/1.1\r\n{head}\r\n".encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")

    async def still() -> int:
        """How much was taken, once that stays as it is."""
        async with asyncio.timeout(20):
            while True:
                before = shown.taken
                await asyncio.sleep(0.5)
                if before and shown.taken == before:
                    return before

    # The kernel's buffers of a connection hold some megabytes.
    held = await still()
    assert held < 32_000_000
    wanted = 2 * held
    while wanted > 0:
        wanted -= len(await reader.read(1 << 20))
    assert held < shown.taken < 4 * held + Endless.PIECE
    writer.close()
    async with asyncio.timeout(10):
        while not shown.closed:
            await asyncio.sleep(0.02)


async def test_a_browser_is_looked_at_before_it_is_open_and_nonsense_ends_it(call: Any, jp_ws_fetch: Any) -> None:
    spec = {"goal": "hi", "model": "scripted:slow", "tools": ["browser_open"], "sandbox": {"network": "host"}}
    pid = (await call("POST", "processes", spec)).json["pid"]
    assert (await call("POST", f"processes/{pid}/signals", {"signal": "STOP"})).json["browser"] is True
    socket = await jp_ws_fetch("aether", "browsers", str(pid))
    first = json.loads(await socket.read_message())
    assert (first["kind"], first["open"], first["tabs"]) == ("state", False, [])
    status = (await call("GET", f"processes/{pid}/browser")).json
    assert (status["open"], status["holder"], len(status["viewers"])) == (False, "", 1)
    taken = (await call("POST", f"processes/{pid}/control", {})).json
    assert taken["holder"] == status["viewers"][0]["name"]
    assert (await call("GET", f"processes/{pid}/browser")).json["viewers"][0]["controls"] is True
    # No key goes anywhere while there is no page.
    await socket.write_message('{"kind": "key", "down": true, "key": "a"}')
    assert (await call("POST", f"processes/{pid}/control/return", {})).json["holder"] == ""
    await socket.write_message('{"kind": "fly"}')
    while await socket.read_message() is not None:
        pass
    assert (socket.close_code, "no message" in socket.close_reason) == (1008, True)
    await call("POST", f"processes/{pid}/signals", {"signal": "KILL"})


async def test_a_failure_keeps_the_token_out_of_the_log(
    knock: Any, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: Any) -> None:
        raise RuntimeError("no house")

    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    monkeypatch.setattr(type(app.tenure), "house", broken)
    with caplog.at_level("DEBUG"), pytest.raises(HTTPClientError) as refused:
        await knock(f"?token={jp_serverapp.identity_provider.token}")
    assert refused.value.code == 500
    assert "no house" in caplog.text
    assert jp_serverapp.identity_provider.token not in caplog.text


async def test_a_browser_gets_in_by_its_cookie(raw: Any, knock: Any, jp_serverapp: Any, jp_http_port: int) -> None:
    cookies = await cookie(raw, jp_serverapp)
    socket = await knock(Cookie=cookies, Origin=f"http://127.0.0.1:{jp_http_port}")
    assert "snapshot" in await frames(socket, "snapshot")
    assert socket.headers.get("Sec-WebSocket-Extensions") is None
    socket.close()


@pytest.mark.parametrize("query", ["?cursor=-1", "?cursor=x", "?cursor=1&cursor=2", "?curser=1"])
async def test_a_cursor_is_checked_before_the_upgrade(knock: Any, jp_auth_header: dict[str, str], query: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await knock(query, **jp_auth_header)
    assert refused.value.code == 400


async def test_pings_are_counted_in_seconds_as_tornado_does(jp_ws_fetch: Any, jp_serverapp: Any) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    (feed,) = app.sockets
    assert (feed.ping_interval, feed.ping_timeout) == (30, 30)
    assert feed.ping_callback is None, "one of the two pings is enough"
    socket.close()


async def test_a_feed_goes_on_after_its_cursor(call: Any, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    start = (await frames(socket, "snapshot"))["snapshot"]
    assert start["processes"] == {}
    pid = (await call("POST", "processes", {"goal": "hi"})).json["pid"]
    seen = await frames(socket, "records")
    assert seen["records"][0]["event"]["type"] == "process.spawned"
    assert seen["records"][0]["pid"] == pid
    socket.close()

    again = await jp_ws_fetch("aether", "feed", params={"cursor": str(start["cursor"])})
    first = json.loads(await asyncio.wait_for(again.read_message(), 5))
    assert first["records"][0]["seq"] == seen["records"][0]["seq"]
    again.close()


async def test_notices_come_for_what_is_watched(call: Any, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    pid = (await call("POST", "processes", {"goal": "hi", "model": "scripted:slow"})).json["pid"]
    await socket.write_message(json.dumps({"watch": [pid, 999]}))
    seen = await frames(socket, "notices", within_s=90)
    assert {notice["pid"] for notice in seen["notices"]} == {pid}
    await call("POST", f"processes/{pid}/signals", {"signal": "KILL"})
    socket.close()


@pytest.mark.parametrize(
    "message",
    [
        b"{",
        b"[]",
        b'{"watch":"all"}',
        b'{"watch":[-1]}',
        b'{"watch":[1],"more":1}',
        json.dumps({"watch": list(range(1, 66))}).encode(),
        b"[" * 10_000,
    ],
    ids=range(7),
)
async def test_a_client_that_breaks_the_rules_is_let_go(jp_ws_fetch: Any, message: bytes) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    await socket.write_message(message)
    async with asyncio.timeout(5):
        while await socket.read_message() is not None:
            pass
    assert socket.close_code == 1008


async def test_a_huge_message_ends_the_socket(jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    await socket.write_message("x" * 100_000)
    async with asyncio.timeout(5):
        while await socket.read_message() is not None:
            pass


async def test_a_stopping_server_says_goodbye(jp_serverapp: Any, jp_ws_fetch: Any) -> None:
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    await app.stop_extension()
    async with asyncio.timeout(5):
        assert await socket.read_message() is None
    assert socket.close_code == 1001
    assert app.sockets == set()


async def test_a_reader_that_left_leaves_nothing_behind(jp_serverapp: Any, jp_ws_fetch: Any) -> None:
    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    socket = await jp_ws_fetch("aether", "feed")
    await frames(socket, "snapshot")
    (kept,) = app.sockets
    socket.close()
    async with asyncio.timeout(5):
        while not kept.pump.done() or app.sockets:
            await asyncio.sleep(0.02)
