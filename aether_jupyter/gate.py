"""The one outbound gate: an HTTP forward proxy that decides by address where a client may connect, and pins it.

It takes CONNECT and absolute-form requests, reads the target once, resolves the name, checks every address that it has
and connects to one of those that were checked: a resolver whose next answer is another has no say. A redirect is a new
request, and so is checked anew. What a name may lead to is a `Policy`, one for each client, who is known by a secret.

Standard library only, and nothing of this package: the same text runs in a container between an internal network and
the world (`python gate.py --policy FILE`), and inside the server (`Gate`), where anything that speaks HTTP can use it
by its address (`Gate.proxy`), or ask for a checked connection (`connect`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import hmac
import ipaddress
import json
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Every address of a name, as text. Raises `OSError` where there is none."""

WEB_PORTS = frozenset({80, 443})
HEAD_BYTES = 65_536
CHUNK = 65_536
HEAD_S, RESOLVE_S, CONNECT_S, IDLE_S = 20.0, 10.0, 10.0, 600.0
LOOKUPS = 16
"""Names that are looked up at once; each holds a thread."""


class Refused(Exception):
    """The gate does not let this through; the message says why, for whoever reads the answer."""

    def __init__(self, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


# --- who may go where ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """One entry of a list: a name, `*.` and a name (all below it), `*` (any), an address or a network; and a port.

    Without a port it is those of the web, 80 and 443; `:*` is any.
    """

    text: str
    name: str = ""
    network: Network | None = None
    port: int | None = None
    any_port: bool = False

    def fits(self, host: str, port: int) -> bool:
        """Whether a host as it was asked for, a name or an address, is meant."""
        if not (self.any_port or (port in WEB_PORTS if self.port is None else port == self.port)):
            return False
        if self.network is not None:
            address = literal(host)
            return address is not None and _lies_in(address, self.network)
        if self.name == "*":
            return True
        if self.name.startswith("*."):
            return host.endswith(self.name[1:]) and literal(host) is None
        return host == self.name

    def holds(self, address: Address, port: int) -> bool:
        """Whether it is a network that an address lies in."""
        return self.network is not None and self.fits(str(address), port)


def pattern(text: str) -> Pattern:
    """An entry of a list. Raises `ValueError` with what is wrong."""
    bare, port, any_port = text.strip().lower(), None, False
    found = re.fullmatch(r"(\[[^\]]*\](?:/\d+)?|[^:]*(?:/\d+)?):(\*|\d{1,5})", bare)
    if found:
        bare, any_port = found[1], found[2] == "*"
        port = None if any_port else int(found[2])
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"{text!r}: a port is 1 to 65535")
    plain = bare.replace("[", "").replace("]", "")
    try:
        return Pattern(text, network=ipaddress.ip_network(plain), port=port, any_port=any_port)
    except ValueError:
        name = bare.removesuffix(".")
    if name != "*":
        try:
            below = _name(name.removeprefix("*."))
        except Refused:
            below = ""
        if not below or literal(below) is not None:
            raise ValueError(
                f"{text!r} is no host: write example.org, *.example.org, example.org:8443, 10.0.0.0/8 or *"
            ) from None
        name = f"*.{below}" if name.startswith("*.") else below
    return Pattern(text, name=name, port=port, any_port=any_port)


@dataclass(frozen=True)
class Policy:
    """Where a client may go.

    `hosts` may be reached at public addresses, `*` being all of them. `private` may also be reached in this machine and
    its networks; networks of the list count for whatever name leads there, if the name itself may be reached. Metadata
    services, link-local, multicast and reserved addresses are reached by no list. `objection` says why a host and port
    may not be reached for another reason, or ''.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    objection: Callable[[str, int], str] = lambda host, port: ""
    _patterns: tuple[tuple[Pattern, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lists = (self.hosts, self.private)
        object.__setattr__(self, "_patterns", tuple(tuple(pattern(each) for each in entries) for entries in lists))

    def name(self, host: str, port: int) -> None:
        """Raise `Refused` if no list leads there, so that not even its address is asked for."""
        hosts, private = self._patterns
        if not any(each.fits(host, port) for each in (*hosts, *private)):
            listed = ", ".join((*self.hosts, *self.private)) or "nothing"
            raise Refused(f"{_at(host, port)} is not on the list of what may be reached, which has {listed}")
        if why := self.objection(host, port):
            raise Refused(why)

    def address(self, host: str, port: int, address: Address) -> None:
        """Raise `Refused` if the name may be reached, but not there."""
        hosts, private = self._patterns
        kind = kind_of(address)
        if kind == "public":
            if any(each.fits(host, port) for each in (*hosts, *private)):
                return
        elif kind in PRIVATE and any(each.fits(host, port) or each.holds(address, port) for each in private):
            return
        leads = "" if literal(host) is not None else f", and {host} leads there"
        never = "" if kind in PRIVATE else ", which no list opens"
        raise Refused(f"{address} is {WORDS[kind]}{never}{leads}")


# --- what addresses are ----------------------------------------------------------------------------------------------

Kind = Literal["public", "loopback", "private", "own", "metadata", "link-local", "multicast", "reserved", "translated"]
PRIVATE: frozenset[str] = frozenset({"loopback", "private", "own"})
"""What a list of private addresses may open."""

WORDS: Mapping[str, str] = {
    "public": "a public address",
    "loopback": "a loopback address of this machine",
    "private": "an address of a private network",
    "own": "an address of this machine",
    "metadata": "the address of a cloud's metadata service",
    "link-local": "a link-local address",
    "multicast": "a multicast address",
    "reserved": "an address that is reserved",
    "translated": "an address that hides another one",
}

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("169.254.169.254/32", "metadata"),
    ("169.254.170.0/24", "metadata"),
    ("100.100.100.200/32", "metadata"),
    ("168.63.129.16/32", "metadata"),
    ("192.0.0.192/32", "metadata"),
    ("fd00:ec2::/32", "metadata"),
    ("fd20:ce::254/128", "metadata"),
    ("127.0.0.0/8", "loopback"),
    ("::1/128", "loopback"),
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.64.0.0/10", "private"),
    ("198.18.0.0/15", "private"),
    ("fc00::/7", "private"),
    ("169.254.0.0/16", "link-local"),
    ("fe80::/10", "link-local"),
    ("224.0.0.0/4", "multicast"),
    ("ff00::/8", "multicast"),
    ("0.0.0.0/8", "reserved"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "reserved"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "reserved"),
    ("192.175.48.0/24", "reserved"),
    ("198.51.100.0/24", "reserved"),
    ("203.0.113.0/24", "reserved"),
    ("240.0.0.0/4", "reserved"),
    ("2001::/23", "translated"),
    ("2002::/16", "translated"),
    ("2001:db8::/32", "reserved"),
    ("3fff::/20", "reserved"),
)
_NETWORKS = tuple((ipaddress.ip_network(text), kind) for text, kind in _KINDS)
_GLOBAL = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")


def kind_of(address: Address) -> Kind:
    """What an address is. One that carries an IPv4 address is what that is; a tunnel to one is refused as such."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return kind_of(address.ipv4_mapped)
        if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
            inner = kind_of(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
            return inner if inner != "public" or address in _NAT64 else "translated"
        if int(address) & 0xFFFFFFFF_00000000 in (0x00005EFE_00000000, 0x02005EFE_00000000):
            return "translated"
    for network, kind in _NETWORKS:
        if address in network:
            return kind
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL:
        return "reserved"
    return "own" if _is_own(address) else "public"


def _is_own(address: Address) -> bool:
    """Whether it is an address of this machine: only to those can a socket be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _lies_in(address: Address, network: Network) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address in network


def literal(host: str) -> Address | None:
    """The address that a host is written as, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


# --- what was asked for ----------------------------------------------------------------------------------------------

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def authority(text: str, default: int | None = None) -> tuple[str, int]:
    """Host and port of `host:port`, the host in lower case. Raises `Refused` for whatever could be read two ways.

    An address is four decimal numbers, or IPv6 in brackets: `127.1`, `0x7f000001` and `2130706433` are refused, and so
    are `user@host`, percent signs and letters beyond ASCII (a client writes such a name in Punycode).
    """
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", text)
    if found is None:
        raise Refused(
            f"{_shown(text)} is no host and port: write example.org:443, 192.0.2.1:80 or [2001:db8::1]:80", 400
        )
    if found[2] is None and default is None:
        raise Refused(f"{_shown(text)} has no port", 400)
    port = int(found[2]) if found[2] is not None else int(default or 0)
    if not 0 < port < 65536:
        raise Refused(f"{_shown(text)}: a port is 1 to 65535", 400)
    if text.startswith("["):
        address = literal(found[1][1:-1])
        if address is None:
            raise Refused(f"{_shown(text)} is no IPv6 address", 400)
        return str(address), port
    return _name(found[1]), port


def _name(text: str) -> str:
    """A host's name in lower case without its last dot, or an address as four numbers."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused(f"{_shown(text)} is no name of a host", 400)
    if _NUMBER.fullmatch(labels[-1]):
        # What ends in a number is an address to every resolver, in forms that they read differently.
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise Refused(f"{_shown(text)} is no address: write it as four decimal numbers", 403) from None
    return name


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")


# --- a checked connection --------------------------------------------------------------------------------------------


class SystemResolver:
    """Asks the system, in threads of its own: whoever waits for slow names keeps nobody else waiting."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, name: str) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(LOOKUPS, "gate")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, name)
        return tuple(dict.fromkeys(found))

    def close(self) -> None:
        """Let the threads go; what they still ask is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


async def checked(policy: Policy, host: str, port: int, resolve: Resolve) -> list[Address]:
    """The addresses of a host, all of which the policy lets through. Raises `Refused`."""
    policy.name(host, port)
    given = literal(host)
    if given is not None:
        addresses: list[Address] = [given]
    else:
        try:
            async with asyncio.timeout(RESOLVE_S):
                texts = await resolve(host)
        except TimeoutError:
            raise Refused(f"the name {host} was not resolved within {RESOLVE_S:g} s", 504) from None
        except (OSError, UnicodeError):
            raise Refused(f"the name {host} is not known", 502) from None
        # A scope (fe80::1%eth0) belongs to link-local addresses, which are refused without it as well.
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        if not addresses:
            raise Refused(f"the name {host} has no address", 502)
    for address in addresses:
        policy.address(host, port, address)
    return addresses


async def connect(
    policy: Policy, host: str, port: int, resolve: Resolve
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Address]:
    """A connection to the first address that answers, of those that were checked. Raises `Refused`."""
    addresses = await checked(policy, host, port, resolve)
    trouble = ""
    for address in addresses[:4]:
        try:
            async with asyncio.timeout(CONNECT_S):
                # An address in numbers: nothing is resolved again.
                reader, writer = await asyncio.open_connection(str(address), port, limit=HEAD_BYTES)
        except TimeoutError:
            trouble = f"{address} did not answer within {CONNECT_S:g} s"
        except OSError as error:
            trouble = f"{address}: {error.strerror or error}"
        else:
            return reader, writer, address
    raise Refused(f"{_at(host, port)} cannot be reached: {trouble}", 502)


# --- the proxy -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """What the gate did with one request. `address` is where it was led, '' if nowhere; `why` is why not."""

    client: str
    method: str
    host: str
    port: int
    allowed: bool
    address: str = ""
    why: str = ""


@dataclass
class _Client:
    policy: Policy
    secret: str
    open: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/(1\.[01])")
_STATUS = re.compile(r"HTTP/1\.[01] ([0-9]{3})( [^\r\n]*)?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00\r\n]*)")
_URL = re.compile(r"(?i:http)://([^/?#]*)((?:[/?][^#]*)?)")
_HOP = frozenset(
    {
        *("connection", "proxy-connection", "proxy-authorization", "proxy-authenticate", "keep-alive"),
        *("te", "upgrade", "host", "http2-settings", "proxy-status"),
    }
)


class Gate:
    """The proxy. Clients are admitted by name, each with its policy; `anonymous` is that of who gives no secret.

    `hear` is told of each decision, in the event loop: it must not wait. `most` is how many connections one client may
    have open, and eight times as many all of them.
    """

    def __init__(
        self,
        *,
        anonymous: Policy | None = None,
        resolve: Resolve | None = None,
        hear: Callable[[Decision], None] | None = None,
        most: int = 256,
        idle_s: float = IDLE_S,
    ) -> None:
        self._anonymous = _Client(anonymous, "") if anonymous is not None else None
        self._own_resolver = SystemResolver()
        self.resolve: Resolve = resolve or self._own_resolver
        self._hear = hear
        self._most = most
        self._idle_s = idle_s
        self._clients: dict[str, _Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.host, self.port = "", 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 is any that is free."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_BYTES)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._own_resolver.close()

    def admit(self, name: str, policy: Policy, secret: str = "") -> str:
        """Let a client in, or give one that is in another policy. Returns its secret."""
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
            raise ValueError(f"{name!r} is no name of a client: letters, digits, dots, dashes")
        known = self._clients.get(name)
        if known is not None:
            known.policy = policy
            known.secret = secret or known.secret
            return known.secret
        self._clients[name] = _Client(policy, secret or secrets.token_urlsafe(24))
        return self._clients[name].secret

    def allow_anonymous(self, policy: Policy | None) -> None:
        """The policy of who gives no secret; None to ask for one."""
        self._anonymous = _Client(policy, "") if policy is not None else None

    def dismiss(self, name: str) -> None:
        """Let a client in no more, and end its connections."""
        client = self._clients.pop(name, None)
        for task in list(client.open) if client is not None else ():
            task.cancel()

    def proxy(self, name: str) -> str:
        """The address of the gate with a client's secret in it, as HTTP libraries take a proxy."""
        return f"http://{name}:{self._clients[name].secret}@{_at(self.host, self.port)}"

    # --- one connection ----------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > 8 * self._most:
                raise Refused("too many connections are open at the gate; try again", 503)
            async with asyncio.timeout(HEAD_S):
                request = _request(await _head(reader))
            await self._serve(task, request, reader, writer)
        except Refused as refused:
            await _answer(writer, refused)
        except TimeoutError:
            await _answer(writer, Refused(f"no request came within {HEAD_S:g} s", 408))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Somebody is gone, or is to go: nothing is left to say. The task ends with its connection.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(
        self, task: asyncio.Task[None], request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        name, client = self._client(request)
        if len(client.open) >= self._most:
            raise Refused(f"{self._most} connections are open already; close some", 503)
        client.open.add(task)
        upstream: asyncio.StreamWriter | None = None
        host, port, path = "", 0, ""
        try:
            try:
                if request.method == "CONNECT":
                    host, port = authority(request.target)
                else:
                    host, port, path = _absolute(request.target)
                answers, upstream, address = await connect(client.policy, host, port, self.resolve)
            except Refused as refused:
                self._tell(Decision(name, request.method, host or request.target, port, False, why=refused.why))
                raise
            self._tell(Decision(name, request.method, host, port, True, str(address)))
            idle = _Idle(self._idle_s)
            if request.method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await idle.watch(_copy(reader, upstream, idle), _copy(answers, writer, idle), both=True)
            else:
                sent = _onward(request, _at(host, port) if port != 80 else _at(host, port)[:-3], path)
                await idle.watch(_ask(sent, request, reader, upstream, idle), _tell_back(answers, writer, idle))
        finally:
            client.open.discard(task)
            if upstream is not None:
                upstream.close()

    def _client(self, request: _Request) -> tuple[str, _Client]:
        given = request.all("proxy-authorization")
        if not given and self._anonymous is not None:
            return "", self._anonymous
        name, secret = _credentials(given[0]) if len(given) == 1 else ("", "")
        client = self._clients.get(name)
        # Compared for those who are not known as well: time must not tell who is.
        if not hmac.compare_digest(secret.encode(), (client.secret if client else secrets.token_urlsafe(24)).encode()):
            client = None
        if client is None:
            raise Refused("the gate asks for the name and secret of a client (Proxy-Authorization: Basic)", 407)
        return name, client

    def _tell(self, decision: Decision) -> None:
        if self._hear is not None:
            self._hear(decision)


class _Idle:
    """Ends a pair of copies when nothing came from either side for a while."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self.moved = 0

    async def watch(self, asking: Awaitable[None], answering: Awaitable[None], *, both: bool = False) -> None:
        """Run the two until the answer is over, or until `both` are."""
        answer = asyncio.ensure_future(answering)
        all_of_them = {asyncio.ensure_future(asking), answer}
        left = set(all_of_them)
        try:
            while left and (both or answer in left):
                before = self.moved
                done, left = await asyncio.wait(left, timeout=self._most_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if not done and self.moved == before:
                    return
        finally:
            for task in all_of_them:
                task.cancel()
            await asyncio.gather(*all_of_them, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: _Idle) -> None:
    """Bytes as they come, no faster than they are taken."""
    while data := await reader.read(CHUNK):
        idle.moved += 1
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _ask(
    head: bytes, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: _Idle
) -> None:
    """The request and exactly its body: what comes after it is nobody's."""
    writer.write(head)
    async for data in _body(request, reader):
        idle.moved += 1
        writer.write(data)
        await writer.drain()
    await writer.drain()


async def _tell_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: _Idle) -> None:
    """The answer, whose end is the end of the connection."""
    while True:
        try:
            head = await _head(reader)
        except (Refused, asyncio.IncompleteReadError):
            raise Refused("the server gave no answer that is HTTP", 502) from None
        first, *lines = head.split("\r\n")
        status = _STATUS.fullmatch(first)
        if status is None or not all(_HEADER.fullmatch(line) for line in lines):
            raise Refused("the server gave no answer that is HTTP", 502)
        if status[1] == "101":
            raise Refused("the server changed to another protocol, which was not asked for", 502)
        kept = [line for line in lines if line.partition(":")[0].lower() not in _HOP]
        if not status[1].startswith("1"):
            kept.append("Connection: close")
        writer.write("\r\n".join((first, *kept, "", "")).encode("latin-1"))
        if not status[1].startswith("1"):
            break
    while data := await reader.read(CHUNK):
        idle.moved += 1
        writer.write(data)
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> str:
    """All up to the empty line, without it."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refused(f"the headers are longer than {HEAD_BYTES} bytes", 431) from None
    return data[:-4].decode("latin-1")


def _request(head: str) -> _Request:
    first, *lines = head.split("\r\n")
    found = _REQUEST.fullmatch(first)
    if found is None:
        raise Refused("this is no request to a proxy over HTTP/1.1", 400)
    headers: list[tuple[str, str]] = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Refused("a header of the request is malformed", 400)
        headers.append((header[1], header[2].strip(" \t")))
    request = _Request(found[1], found[2], found[3], tuple(headers))
    lengths, encodings = request.all("content-length"), request.all("transfer-encoding")
    if len(lengths) > 1 or (lengths and encodings) or not all(re.fullmatch("[0-9]{1,15}", each) for each in lengths):
        raise Refused("the length of the request can be read two ways", 400)
    if [each.lower() for each in encodings] not in ([], ["chunked"]):
        raise Refused("the gate takes no transfer encoding but chunked", 501)
    return request


def _absolute(target: str) -> tuple[str, int, str]:
    """Host, port and path of an absolute-form target."""
    found = _URL.fullmatch(target)
    if found is None:
        raise Refused(f"{_shown(target)}: the gate takes CONNECT and http:// URLs", 400)
    host, port = authority(found[1], 80)
    return host, port, found[2] if found[2].startswith("/") else "/" + found[2]


def _onward(request: _Request, host: str, path: str) -> bytes:
    """The request as the server gets it: in origin form, for the host that was checked, without what is the proxy's."""
    named = {each.strip().lower() for value in request.all("connection") for each in value.split(",")}
    dropped = _HOP | (named - {"content-length", "transfer-encoding"})
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers if name.lower() not in dropped]
    return "\r\n".join((*lines, "Connection: close", "", "")).encode("latin-1")


async def _body(request: _Request, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The body of a request, with its framing."""
    if not request.all("transfer-encoding"):
        left = int((request.all("content-length") or ["0"])[0])
        while left > 0:
            data = await reader.read(min(left, CHUNK))
            if not data:
                raise ConnectionError
            left -= len(data)
            yield data
        return
    while True:
        line = await _line(reader)
        found = re.fullmatch(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n", line)
        if found is None:
            raise ConnectionError
        left = int(found[1], 16)
        if not left:
            break
        yield found[1] + b"\r\n"
        while left > 0:
            data = await reader.read(min(left, CHUNK))
            if not data:
                raise ConnectionError
            left -= len(data)
            yield data
        if await reader.readexactly(2) != b"\r\n":
            raise ConnectionError
        yield b"\r\n"
    # Trailers are read and left out.
    while await _line(reader) != b"\r\n":
        pass
    yield b"0\r\n\r\n"


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError:
        raise ConnectionError from None


def _credentials(value: str) -> tuple[str, str]:
    scheme, _, encoded = value.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, secret = text.partition(":")
    return (name, secret) if scheme.lower() == "basic" else ("", "")


_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


async def _answer(writer: asyncio.StreamWriter, refused: Refused) -> None:
    """Say no, and why, in plain text that no browser takes for a page."""
    body = f"The gate refuses this: {refused.why}.\n".encode()
    lines = [
        f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}",
        "Content-Type: text/plain; charset=utf-8",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
        # RFC 9209: by this a browser that shows the refusal is known not to show a page.
        "Proxy-Status: gate; error=http_request_denied",
        "Connection: close",
        "Proxy-Connection: close",
    ]
    if refused.status == 407:
        lines.append('Proxy-Authenticate: Basic realm="gate"')
    try:
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        async with asyncio.timeout(HEAD_S):
            await writer.drain()
    except (OSError, TimeoutError):
        # Whoever asked is gone.
        return


# --- as a program ----------------------------------------------------------------------------------------------------


def policies(text: str) -> tuple[Policy | None, dict[str, tuple[Policy, str]]]:
    """What a policy file says: who gives no secret, and each client with its own. Raises `ValueError`.

    `{"anonymous": {"hosts": ["example.org"]}, "clients": {"7": {"secret": "…", "hosts": ["*.pypi.org"]}}}`
    """
    found = json.loads(text)
    if not isinstance(found, dict) or set(found) - {"anonymous", "clients"}:
        raise ValueError("a policy file is an object with 'anonymous' and 'clients'")
    nobody = found.get("anonymous")
    clients = {
        name: (_policy({key: value for key, value in entry.items() if key != "secret"}), str(entry.get("secret", "")))
        for name, entry in (found.get("clients") or {}).items()
    }
    if not all(len(secret) >= 16 for _, secret in clients.values()):
        raise ValueError("the secret of a client has at least 16 characters")
    return None if nobody is None else _policy(nobody), clients


def _policy(entry: dict[str, Any]) -> Policy:
    if set(entry) - {"hosts", "private"}:
        raise ValueError("a policy has hosts and private")
    return Policy(tuple(entry.get("hosts", ())), tuple(entry.get("private", ())))


async def _serve_for_ever(arguments: argparse.Namespace) -> None:
    def say(decision: Decision) -> None:
        print(json.dumps(decision.__dict__), flush=True)  # noqa: T201 (its log)

    def load() -> None:
        if not arguments.policy:
            gate.allow_anonymous(Policy(tuple(arguments.allow), tuple(arguments.private)))
            return
        with open(arguments.policy, encoding="utf-8") as file:
            nobody, clients = policies(file.read())
        gate.allow_anonymous(nobody)
        for name in gate_clients - set(clients):
            gate.dismiss(name)
        for name, (policy, secret) in clients.items():
            gate.admit(name, policy, secret)
        gate_clients.clear()
        gate_clients.update(clients)

    def load_again() -> None:
        try:
            load()
        except (OSError, ValueError) as error:
            print(f"gate: the policy stays as it was: {error}", file=sys.stderr, flush=True)  # noqa: T201

    gate = Gate(hear=say)
    gate_clients: set[str] = set()
    load()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, load_again)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    host, port = authority(arguments.listen) if arguments.listen[0] != ":" else ("0.0.0.0", int(arguments.listen[1:]))  # noqa: S104 (asked for)
    await gate.start(host, port)
    print(json.dumps({"listening": _at(gate.host, gate.port)}), flush=True)  # noqa: T201
    await over.wait()
    await gate.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the gate until it is told to end; SIGHUP has it read its policy file again."""
    parser = argparse.ArgumentParser(prog="gate", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--listen", default="127.0.0.1:3128", metavar="HOST:PORT", help="':PORT' is every address")
    parser.add_argument("--policy", metavar="FILE", help="JSON: who may go where")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="HOST", help="without a file: where anybody may go"
    )
    parser.add_argument("--private", action="append", default=[], metavar="HOST", help="the same, at private addresses")
    asyncio.run(_serve_for_ever(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
