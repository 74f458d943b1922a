"""No form of an address leads through the gate to this machine, its networks or a cloud's metadata service."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx
import pytest

from aether_jupyter import gate as gates
from aether_jupyter.gate import Decision, Gate, Policy, kind_of, pattern

pytestmark = pytest.mark.anyio

NAMES = {
    "loops.example": ["127.0.0.1"],
    "loops6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mixed6.example": ["2606:2800:220:1::1", "::1"],
    "zero.example": ["0.0.0.0"],
    "ten.example": ["10.0.0.7"],
    "metadata.example": ["169.254.169.254"],
    "metadata6.example": ["fd00:ec2::254"],
    "scoped.example": ["fe80::1%lo"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:7f00:1::"],
    "compatible.example": ["::127.0.0.1"],
    "localhost": ["127.0.0.1", "::1"],
    "a.localhost": ["127.0.0.1"],
    "nowhere.example": [],
}


class Canary:
    """Listens on loopback, and counts who comes."""

    def __init__(self) -> None:
        self.port = 0
        self.visits: list[bytes] = []

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(self.visits)
        self.visits.append(b"")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
                self.visits[place] = head
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary")
                await writer.drain()
        writer.close()


@pytest.fixture
async def canary(anyio_backend: str) -> AsyncIterator[Canary]:
    canary = Canary()
    server = await asyncio.start_server(canary._visit, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    servers = [server]
    with contextlib.suppress(OSError):
        servers.append(await asyncio.start_server(canary._visit, "::1", canary.port))
    yield canary
    for each in servers:
        each.close()


async def named(name: str) -> Sequence[str]:
    if name not in NAMES:
        raise OSError(name)
    return NAMES[name]


@contextlib.asynccontextmanager
async def opened(policy: Policy, resolve: gates.Resolve = named, **options: object) -> AsyncIterator[Gate]:
    gate = Gate(anonymous=policy, resolve=resolve, **options)  # type: ignore[arg-type]
    await gate.start()
    try:
        yield gate
    finally:
        await gate.close()


async def say(gate: Gate, text: str | bytes, *, more: bytes = b"", read_s: float = 5.0) -> bytes:
    """All that the gate answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection(gate.host, gate.port)
    try:
        writer.write(text.encode("utf-8") if isinstance(text, str) else text)
        await writer.drain()
        if more:
            writer.write(more)
        async with asyncio.timeout(read_s):
            return await reader.read()
    finally:
        writer.close()


# Written as a person, a browser or an attacker may write them; PORT is that of the canary.
FORBIDDEN = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "2130706433",
    "127.0.0.1.",
    "127.255.255.254",
    "127.0.0.2",
    "0",
    "0.0.0.0",
    "0x0",
    "0.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "localhost.localdomain",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::5efe:127.0.0.1]",
    "[2606:4700::5efe:7f00:1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[fec0::1]",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "example.org@127.0.0.1",
    "user:pass@127.0.0.1",
    "127.0.0.1%2f@example.org",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127.0.0.1%00.example.org",
    "127。0。0。1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "ⓛocalhost",
    "127.0.0.1\\.example.org",
    "127.0.0.1#.example.org",
    "127.0.0.1?.example.org",
    "127.0.0.1 example.org",
    "127.0.0.1\texample.org",
    "[127.0.0.1]",
    "::1",
    "[::1",
    *NAMES,
]


@pytest.mark.parametrize("host", FORBIDDEN)
async def test_no_form_of_a_forbidden_address_reaches_loopback(host: str, canary: Canary) -> None:
    heard: list[Decision] = []
    async with opened(Policy(("*:*",)), hear=heard.append) as gate:
        for head in (
            f"CONNECT {host}:{canary.port} HTTP/1.1\r\nHost: example.org\r\n\r\n",
            f"GET http://{host}:{canary.port}/secret HTTP/1.1\r\nHost: example.org\r\n\r\n",
        ):
            answer = await say(gate, head)
            status = int(answer.split(b" ", 2)[1])
            assert status in (400, 403, 502), answer
            assert b"The gate refuses this: " in answer
    assert canary.visits == []
    assert not any(decision.allowed for decision in heard)


def test_there_are_sixty_forms_and_more() -> None:
    assert len(set(FORBIDDEN)) >= 60


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "127.0.0.1 is a loopback address of this machine"),
        ("loops.example", "127.0.0.1 is a loopback address of this machine, and loops.example leads there"),
        ("10.0.0.1", "10.0.0.1 is an address of a private network"),
        ("metadata.example", "169.254.169.254 is the address of a cloud's metadata service, which no list opens"),
        ("2130706433", "'2130706433' is no address: write it as four decimal numbers"),
        ("nowhere.example", "the name nowhere.example has no address"),
        ("unheard-of.example", "the name unheard-of.example is not known"),
    ],
)
async def test_a_refusal_says_why(host: str, why: str) -> None:
    async with opened(Policy(("*",))) as gate:
        answer = await say(gate, f"CONNECT {host}:443 HTTP/1.1\r\n\r\n")
    assert f"The gate refuses this: {why}" in answer.decode()
    assert b"\r\nProxy-Status: gate; error=" in answer


async def test_an_answer_that_changes_is_asked_for_once_and_pinned(canary: Canary) -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]]
    asked = 0

    async def flips(name: str) -> Sequence[str]:
        nonlocal asked
        asked += 1
        return answers[asked - 1]

    # The first answer is one that may be reached, the next ones are not: whoever asked twice would be led astray.
    async with opened(Policy(private=("127.0.0.1:*",), hosts=("*:*",)), flips) as gate:
        answer = await say(gate, f"GET http://flips.example:{canary.port}/ HTTP/1.1\r\n\r\n")
        assert answer.endswith(b"canary")
        assert asked == 1
        answer = await say(gate, f"GET http://flips.example:{canary.port}/ HTTP/1.1\r\n\r\n")
        assert b" 403 " in answer
    assert asked == 2
    assert len(canary.visits) == 1


async def test_a_public_answer_that_turns_to_loopback_never_arrives(canary: Canary) -> None:
    turns = iter([["192.0.2.1"], ["127.0.0.1"], ["::1"], ["127.0.0.1", "93.184.216.34"]])

    async def flips(name: str) -> Sequence[str]:
        return next(turns)

    async with opened(Policy(("*:*",)), flips) as gate:
        for _ in range(4):
            answer = await say(gate, f"GET http://flips.example:{canary.port}/ HTTP/1.1\r\n\r\n")
            assert b" 403 " in answer
    assert canary.visits == []


async def test_each_redirect_is_checked(canary: Canary) -> None:
    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{canary.port}/\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(redirecting, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with opened(Policy(private=(f"127.0.0.1:{port}",))) as gate:
        proxy = f"http://127.0.0.1:{gate.port}"
        async with httpx.AsyncClient(proxy=proxy, follow_redirects=True, trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/")
    assert answer.status_code == 403
    assert f"127.0.0.1:{canary.port} is not on the list" in answer.text
    assert canary.visits == []
    server.close()


async def test_a_private_address_is_reached_only_by_its_list_and_its_port(canary: Canary) -> None:
    listed = f"127.0.0.1:{canary.port}"
    for private, status in (((listed,), b"200"), (("127.0.0.1",), b"403"), (("127.0.0.0/8:*",), b"200")):
        async with opened(Policy(private=private)) as gate:
            answer = await say(gate, f"GET http://{listed}/ HTTP/1.1\r\n\r\n")
            assert answer.split(b" ", 2)[1] == status, (private, answer)
    async with opened(Policy(hosts=("loops.example:*",), private=("127.0.0.0/8:*",))) as gate:
        assert (await say(gate, f"GET http://loops.example:{canary.port}/ HTTP/1.1\r\n\r\n")).endswith(b"canary")
        assert b" 403 " in await say(gate, f"GET http://mapped.other:{canary.port}/ HTTP/1.1\r\n\r\n")


async def test_a_name_that_no_list_has_is_not_even_resolved() -> None:
    async def never(name: str) -> Sequence[str]:
        raise AssertionError(f"{name} was looked up, which tells whoever answers for it")

    async with opened(Policy(("example.org",)), never) as gate:
        answer = await say(gate, "CONNECT stolen-secret.evil.example:443 HTTP/1.1\r\n\r\n")
    assert b"stolen-secret.evil.example:443 is not on the list of what may be reached" in answer


async def test_a_private_list_never_opens_metadata(canary: Canary) -> None:
    async with opened(Policy(("*:*",), ("169.254.169.254:*", "*:*", "0.0.0.0/0:*"))) as gate:
        answer = await say(gate, "GET http://169.254.169.254/latest/ HTTP/1.1\r\n\r\n")
    assert b"metadata service, which no list opens" in answer


@pytest.mark.parametrize(
    ("listed", "host", "port", "fits"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("example.org", "example.org", 22, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "notexample.org", 443, False),
        ("Example.ORG.", "example.org", 443, True),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("example.org:*", "example.org", 5, True),
        ("*", "anything.example", 443, True),
        ("*", "anything.example", 25, False),
        ("*:*", "anything.example", 25, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8:*", "10.1.2.3", 5432, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("[fd00::]/8:8080", "fd12::1", 8080, True),
        ("[::1]:8080", "::1", 8080, True),
        ("127.0.0.1", "::ffff:127.0.0.1", 80, True),
    ],
)
def test_patterns(listed: str, host: str, port: int, fits: bool) -> None:
    assert pattern(listed).fits(host, port) is fits


@pytest.mark.parametrize(
    "listed",
    ["", "http://example.org", "example.org/path", "a b", "*.*", "ex*mple.org", "127.1", "10.0.0.5/8", "x:99999"],
)
def test_what_is_no_pattern_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|a port is"):
        pattern(listed)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("64:ff9b::8.8.8.8", "public"),
        ("64:ff9b::10.0.0.1", "private"),
        ("::ffff:8.8.8.8", "public"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::8.8.8.8", "translated"),
        ("2002:808:808::1", "translated"),
        ("2001:0:808:808::1", "translated"),
        ("fec0::1", "reserved"),
        ("4000::1", "reserved"),
        ("100::1", "reserved"),
        ("100.127.255.255", "private"),
        ("100.128.0.1", "public"),
        ("172.15.0.1", "public"),
        ("172.32.0.1", "public"),
    ],
)
def test_kinds_of_addresses(address: str, kind: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) == kind


def test_an_address_of_this_machine_is_its_own_though_the_world_may_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "_is_own", lambda address: str(address) == "8.8.4.4")
    with pytest.raises(gates.Refused, match=r"8\.8\.4\.4 is an address of this machine"):
        Policy(("*",)).address("8.8.4.4", 443, ipaddress.ip_address("8.8.4.4"))
    Policy((), ("8.8.4.4",)).address("8.8.4.4", 443, ipaddress.ip_address("8.8.4.4"))


async def test_an_objection_is_heard_before_the_name_is_looked_up(canary: Canary) -> None:
    policy = Policy(("*:*",), ("*:*",), objection=lambda host, port: f"{host} is denied" if host == "localhost" else "")
    async with opened(policy) as gate:
        assert b"localhost is denied" in await say(gate, f"GET http://localhost:{canary.port}/ HTTP/1.1\r\n\r\n")
        assert b"canary" in await say(gate, f"GET http://loops.example:{canary.port}/ HTTP/1.1\r\n\r\n")


# --- clients ---------------------------------------------------------------------------------------------------------


async def test_each_client_has_its_own_policy_and_nobody_else_is_let_in(canary: Canary) -> None:
    gate = Gate(resolve=named)
    await gate.start()
    url = f"http://127.0.0.1:{canary.port}/"
    try:
        gate.admit("1", Policy(private=(f"127.0.0.1:{canary.port}",)))
        gate.admit("2", Policy(("example.org",)))
        for name, status in (("1", 200), ("2", 403)):
            async with httpx.AsyncClient(proxy=gate.proxy(name), trust_env=False) as client:
                assert (await client.get(url)).status_code == status
        wrong = gate.proxy("1").replace("http://1:", "http://2:")
        for proxy in (f"http://{gate.host}:{gate.port}", wrong, f"http://3:x@{gate.host}:{gate.port}"):
            async with httpx.AsyncClient(proxy=proxy, trust_env=False) as client:
                answer = await client.get(url)
                assert answer.status_code == 407
                assert answer.headers["proxy-authenticate"].startswith("Basic")
        assert len(canary.visits) == 1
        assert b"proxy-authorization" not in canary.visits[0].lower()
        old = gate.proxy("1")
        gate.dismiss("1")
        async with httpx.AsyncClient(proxy=old, trust_env=False) as client:
            assert (await client.get(url)).status_code == 407
    finally:
        await gate.close()


async def test_dismissing_a_client_ends_its_tunnels(canary: Canary) -> None:
    gate = Gate(resolve=named)
    await gate.start()
    secret = gate.admit("1", Policy(private=(f"127.0.0.1:{canary.port}",)))
    given = base64.b64encode(f"1:{secret}".encode()).decode()
    reader, writer = await asyncio.open_connection(gate.host, gate.port)
    writer.write(f"CONNECT 127.0.0.1:{canary.port} HTTP/1.1\r\nProxy-Authorization: Basic {given}\r\n\r\n".encode())
    assert b"200" in await reader.readuntil(b"\r\n\r\n")
    gate.dismiss("1")
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()
    await gate.close()


async def test_a_client_has_so_many_connections_and_no_more(canary: Canary) -> None:
    async with opened(Policy(private=(f"127.0.0.1:{canary.port}",)), most=2) as gate:
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            writer.write(f"CONNECT 127.0.0.1:{canary.port} HTTP/1.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            held.append(writer)
        assert b" 503 " in await say(gate, f"CONNECT 127.0.0.1:{canary.port} HTTP/1.1\r\n\r\n")
        for writer in held:
            writer.close()


# --- HTTP ------------------------------------------------------------------------------------------------------------

Echo = Callable[[], int]


@pytest.fixture
async def echo(anyio_backend: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers with what it was sent, after the head."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b""
        if b"content-length:" in head.lower():
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
        elif b"chunked" in head.lower():
            body = await reader.readuntil(b"0\r\n\r\n")
        # Whatever else the gate would let through is there by now, or comes soon.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                body += await reader.read(65536)
        seen.append(head + body)
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n"
            b"X-Mine: 1\r\nProxy-Status: gate; x\r\n\r\ngood"
        )
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], seen
    server.close()


async def test_the_server_is_told_the_host_that_was_checked_and_nothing_of_the_proxy(
    echo: tuple[int, list[bytes]],
) -> None:
    port, seen = echo
    async with opened(Policy(private=(f"127.0.0.1:{port}",))) as gate:
        answer = await say(
            gate,
            f"GET http://127.0.0.1:{port}/a?b=%20 HTTP/1.1\r\nHost: evil.example\r\nProxy-Connection: keep-alive\r\n"
            "Connection: X-Drop, close\r\nX-Drop: 1\r\nX-Keep: 2\r\nCookie: a=b\r\n\r\n",
        )
    assert b"X-Mine: 1" in answer
    assert answer.count(b"Connection: close") == 1
    assert b"keep-alive" not in answer
    assert b"Proxy-Status" not in answer
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"GET /a?b=%20 HTTP/1.1"
    assert sorted(lines[1:-2]) == [
        b"Connection: close",
        b"Cookie: a=b",
        f"Host: 127.0.0.1:{port}".encode(),
        b"X-Keep: 2",
    ]


@pytest.mark.parametrize(
    ("headers", "body", "arrives"),
    [
        ("Content-Length: 5\r\n", b"hello", b"hello"),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_goes_through_and_what_follows_it_does_not(
    headers: str, body: bytes, arrives: bytes, echo: tuple[int, list[bytes]]
) -> None:
    port, seen = echo
    smuggled = b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n"
    async with opened(Policy(private=(f"127.0.0.1:{port}",))) as gate:
        head = f"POST http://127.0.0.1:{port}/ HTTP/1.1\r\n{headers}\r\n".encode()
        assert b"good" in await say(gate, head + body + smuggled)
    assert seen[0].partition(b"\r\n\r\n")[2] == arrives


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET https://example.org/ HTTP/1.1\r\n\r\n", 400),
        ("GET ftp://example.org/ HTTP/1.1\r\n\r\n", 400),
        ("GET file:///etc/passwd HTTP/1.1\r\n\r\n", 400),
        ("GET http:///x HTTP/1.1\r\n\r\n", 400),
        ("CONNECT example.org HTTP/1.1\r\n\r\n", 400),
        ("CONNECT example.org:0 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT example.org:99999 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT http://example.org/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://example.org/ HTTP/2.0\r\n\r\n", 400),
        ("GET http://example.org/\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET http://example.org/ HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET http://example.org/ HTTP/1.1\r\nX : a\r\n\r\n", 400),
        ("GET http://example.org/ HTTP/1.1\nX: a\r\n\r\n", 400),
        ("POST http://example.org/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST http://example.org/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST http://example.org/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        ("POST http://example.org/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET http://example.org/ HTTP/1.1\r\nX: " + "a" * 70_000 + "\r\n\r\n", 431),
    ],
)
async def test_what_could_be_read_two_ways_is_refused(head: str, status: int) -> None:
    async with opened(Policy(("*",))) as gate:
        answer = await say(gate, head)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


async def test_an_answer_that_is_no_http_is_not_passed_on() -> None:
    async def speaks_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speaks_another, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with opened(Policy(private=(f"127.0.0.1:{port}",))) as gate:
        assert b" 502 " in await say(gate, f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n")
    server.close()


async def test_a_slow_reader_holds_the_sender_back() -> None:
    sent = 0

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536

    server = await asyncio.start_server(pours, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with opened(Policy(private=(f"127.0.0.1:{port}",))) as gate:
        _, writer = await asyncio.open_connection(gate.host, gate.port, limit=65_536)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        await asyncio.sleep(1.0)
        held = sent
        await asyncio.sleep(1.0)
        # What lies in the buffers of the system and of both streams, and no more.
        assert sent - held < 1_000_000
        assert sent < 40_000_000
        writer.close()
    server.close()


async def test_a_connection_on_which_nothing_moves_is_ended(canary: Canary) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with opened(Policy(private=(f"127.0.0.1:{port}",)), idle_s=0.3) as gate:
        answer = await say(gate, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n", read_s=3)
        assert answer.endswith(b"established\r\n\r\n")
    server.close()


async def test_it_runs_as_a_program_that_reads_its_policy_again(canary: Canary, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    mine = f"127.0.0.1:{canary.port}"
    policy.write_text(json.dumps({"clients": {"7": {"secret": "s" * 24, "private": [mine]}}}))
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", gates.__file__, "--listen", ":0", "--policy", str(policy)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    try:
        port = json.loads(await program.stdout.readline())["listening"].rpartition(":")[2]
        proxy = f"http://7:{'s' * 24}@127.0.0.1:{port}"
        async with httpx.AsyncClient(proxy=proxy, trust_env=False) as client:
            assert (await client.get(f"http://{mine}/")).text == "canary"
            said = json.loads(await program.stdout.readline())
            assert (said["client"], said["host"], said["allowed"]) == ("7", "127.0.0.1", True)
            policy.write_text(json.dumps({"clients": {"7": {"secret": "s" * 24, "hosts": ["example.org"]}}}))
            program.send_signal(signal.SIGHUP)
            async with asyncio.timeout(5):
                while (await client.get(f"http://{mine}/")).status_code != 403:
                    await asyncio.sleep(0.05)
    finally:
        program.terminate()
        assert await program.wait() == 0
