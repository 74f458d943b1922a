"""Whatever a page tries in Chromium, and however an address is written: nothing reaches a canary on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from aether_jupyter.gate import SystemResolver
from aether_jupyter.runtime.browsers import Browsers

from ..test_gate import FORBIDDEN, NAMES
from .conftest import Agent
from .site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Canary:
    """Listens on loopback for connections and for datagrams at one port; `visits` is who came."""

    def __init__(self) -> None:
        self.port = 0
        self.visits: list[str] = []

    async def came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append("tcp")
        writer.write(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 6\r\n\r\ncanary")
        writer.close()

    def heard(self, data: bytes) -> None:
        self.visits.append(f"udp {data[:20]!r}")


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, canary: Canary) -> None:
        self.canary = canary

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.canary.heard(data)


@pytest.fixture
async def canary(anyio_backend: str) -> AsyncIterator[Canary]:
    canary = Canary()
    servers = [await asyncio.start_server(canary.came, "127.0.0.1", 0)]
    canary.port = servers[0].sockets[0].getsockname()[1]
    with contextlib.suppress(OSError):
        servers.append(await asyncio.start_server(canary.came, "::1", canary.port))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(canary), ("127.0.0.1", canary.port))
    yield canary
    transport.close()
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def names(browsers: Browsers) -> list[str]:
    """Names that lead to loopback and worse; all others are asked of the system. Returns what was asked."""
    system, asked = SystemResolver(), []

    async def resolve(name: str) -> Sequence[str]:
        asked.append(name)
        return NAMES[name] if name in NAMES else await system(name)

    browsers._gate.resolve = resolve
    return asked


async def test_the_canary_is_heard_where_nothing_is_in_the_way(canary: Canary) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", canary.port)
    writer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", canary.port))
    await asyncio.sleep(0.1)
    assert len(canary.visits) == 2


async def test_no_form_of_an_address_that_is_opened_reaches_it(agent: Agent, canary: Canary) -> None:
    for number, host in enumerate(FORBIDDEN):
        for scheme in ("http", "https") if number < 25 else ("http",):
            outcome = await agent.say("open", url=f"{scheme}://{host}:{canary.port}/")
            assert "canary" not in outcome.content
    assert canary.visits == []


ATTEMPTS = """async ([hosts, port]) => {
  const tries = [];
  const quiet = f => { try { const r = f(); if (r && r.catch) tries.push(r.catch(() => 0)); } catch (e) {} };
  for (const host of hosts) {
    for (const scheme of ['http', 'https']) {
      const url = `${scheme}://${host}:${port}/`;
      quiet(() => fetch(url, {mode: 'no-cors'}));
      quiet(() => navigator.sendBeacon(url, 'x'));
      quiet(() => { new Image().src = url + 'i'; });
      for (const [name, key, rel] of [['script', 'src'], ['iframe', 'src'], ['object', 'data'], ['video', 'src'],
          ['link', 'href', 'stylesheet'], ['link', 'href', 'preload'], ['link', 'href', 'prefetch'],
          ['link', 'href', 'preconnect'], ['link', 'href', 'dns-prefetch'], ['link', 'href', 'icon'],
          ['link', 'href', 'modulepreload'], ['link', 'href', 'manifest']])
        quiet(() => { const e = document.createElement(name); if (rel) { e.rel = rel; e.as = 'script'; }
                      e[key] = url + name; document.body.append(e); });
    }
    quiet(() => { new WebSocket(`ws://${host}:${port}/`); });
    quiet(() => { new WebSocket(`wss://${host}:${port}/`); });
    quiet(() => { new EventSource(`http://${host}:${port}/`); });
  }
  await Promise.race([Promise.all(tries), new Promise(done => setTimeout(done, 4000))]);
}"""

BESIDE = """async ([port]) => {
  const quiet = f => { try { return f(); } catch (e) {} };
  for (const server of [`stun:127.0.0.1:${port}`, `turn:127.0.0.1:${port}?transport=udp`,
                        `turn:127.0.0.1:${port}?transport=tcp`, `stun:localhost:${port}`]) quiet(() => {
    const peer = new RTCPeerConnection({iceServers: [{urls: server, username: 'u', credential: 'c'}]});
    peer.createDataChannel('x');
    peer.createOffer().then(o => peer.setLocalDescription(o)).catch(() => 0);
  });
  quiet(() => {
    const peer = new RTCPeerConnection();
    peer.createDataChannel('x');
    const offer = {type: 'offer', sdp: ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0',
      `m=application ${port} UDP/DTLS/SCTP webrtc-datachannel`, 'c=IN IP4 127.0.0.1', 'a=mid:0', 'a=ice-ufrag:abcd',
      'a=ice-pwd:abcdefghijklmnopqrstuvwx', 'a=setup:actpass', 'a=sctp-port:5000',
      'a=fingerprint:sha-256 ' + Array(32).fill('AA').join(':'),
      `a=candidate:1 1 udp 2113937151 127.0.0.1 ${port} typ host`, 'a=end-of-candidates', ''].join('\\r\\n')};
    peer.setRemoteDescription(offer).then(() => peer.createAnswer()).then(a => peer.setLocalDescription(a))
      .catch(() => 0);
  });
  quiet(() => { new WebTransport(`https://127.0.0.1:${port}/`).ready.catch(() => 0); });
  const worker = new Worker(URL.createObjectURL(new Blob([
    `fetch('http://127.0.0.1:${port}/', {mode: 'no-cors'}).catch(() => 0);
     new WebSocket('ws://127.0.0.1:${port}/');`])));
  const odd = ['file:///etc/passwd', 'chrome://version', 'view-source:http://127.0.0.1:' + port, 'ftp://127.0.0.1'];
  for (const url of odd)
    quiet(() => { window.open(url); });
  await new Promise(done => setTimeout(done, 3000));
}"""


async def _inside(agent: Agent, script: str, argument: Any) -> Any:
    """Run a page's own script, as a page would."""
    browser: Any = await agent.browser()
    return await browser._sheets[browser._front].page.evaluate(script, argument)


async def test_nothing_that_a_page_loads_reaches_it(agent: Agent, site: Site, canary: Canary) -> None:
    await agent.do("open", url=f"{site.origin}/form")
    hosts = [host for host in FORBIDDEN if " " not in host and "\t" not in host]
    for first in range(0, len(hosts), 32):
        await agent.do("open", url=f"{site.origin}/form?{first}")
        await _inside(agent, ATTEMPTS, [hosts[first : first + 32], canary.port])
    assert canary.visits == []
    assert "The gate refused a request: " in await agent.do("read")


async def test_nothing_goes_beside_the_proxy(agent: Agent, site: Site, canary: Canary) -> None:
    await agent.do("open", url=f"{site.origin}/form")
    await _inside(agent, BESIDE, [canary.port])
    assert canary.visits == []
    for url in [tab.url for tab in await (await agent.browser()).tabs()]:
        assert url.startswith((site.origin, "about:blank", "chrome-error:", ":")) or not url, url
    assert "root:x:0" not in await agent.do("read", kind="text")


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:PORT/", "http://loops.example:PORT/", "//[::1]:PORT/", "http://2130706433:PORT/"]
)
async def test_a_redirect_does_not_lead_there(to: str, agent: Agent, site: Site, canary: Canary) -> None:
    outcome = await agent.say("open", url=f"{site.origin}/redirect?to={to.replace('PORT', str(canary.port))}")
    assert not outcome.ok
    assert "cannot be opened: the gate refused it. The gate refused a request: " in outcome.content
    assert canary.visits == []


async def test_a_name_whose_answer_changes_does_not_lead_there(
    agent: Agent, site: Site, canary: Canary, browsers: Browsers
) -> None:
    answers = {"flips.example": [["192.0.2.1"], ["127.0.0.1"], ["::1"], ["127.0.0.1", "8.8.8.8"]]}

    async def flips(name: str) -> Sequence[str]:
        rest = answers.get(name)
        if rest is None:
            return ["127.0.0.1"]
        return rest.pop(0) if len(rest) > 1 else rest[0]

    browsers._gate.resolve = flips
    await agent.do("open", url=f"{site.origin}/form")
    for _ in range(4):
        outcome = await agent.say("open", url=f"http://flips.example:{canary.port}/")
        assert "The gate refuse" in outcome.content
        await _inside(
            agent, "url => fetch(url, {mode: 'no-cors'}).catch(() => 0)", f"http://flips.example:{canary.port}/"
        )
    assert canary.visits == []


async def test_names_are_asked_for_by_the_gate_alone(
    agent: Agent, site: Site, names: list[str], kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.do("open", url=f"{site.origin}/form")
    await _inside(
        agent,
        """() => { for (const rel of ['dns-prefetch', 'preconnect']) {
             const e = document.createElement('link'); e.rel = rel; e.href = '//secret-' + rel + '.example';
             document.head.append(e); }
             fetch('http://secret-fetch.example/').catch(() => 0); return new Promise(d => setTimeout(d, 1000)); }""",
        None,
    )
    assert "secret-fetch.example" in names
    # Whatever Chromium asks its maker, it does by no address of its own.
    assert not [name for name in names if name.endswith(("google.com", "googleapis.com", "gstatic.com"))]


async def test_the_program_is_told_to_resolve_nothing_and_to_use_the_gate(agent: Agent) -> None:
    import psutil

    await agent.browser()
    commands = [p.cmdline() for p in psutil.Process().children(recursive=True) if p.name().startswith("chrom")]
    main = next(c for c in commands if any("--remote-debugging-pipe" in part for part in c))
    text = json.dumps(main)
    assert "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1" in text
    assert "disable_non_proxied_udp" in text
    assert "--disable-quic" in text
    assert "<-loopback>" in text
    assert "--proxy-server=http://127.0.0.1:" in text
