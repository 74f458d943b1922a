"""Agents that may reach some hosts reach those by the gate, and neither anything else nor each other."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aether_jupyter import gate
from aether_jupyter.abc import Sandbox
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import BadRequest, SandboxUnavailable
from aether_jupyter.runtime.hosts import check_hosts
from aether_jupyter.sandboxes import fence
from aether_jupyter.sandboxes.bubblewrap import Bubblewrap
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.sandboxes.host import Host

from .test_confinement import expected, held, inspected

pytestmark = pytest.mark.anyio

SPEC = SandboxSpec(memory_mb=512, pids=64, cpus=1.5, network="allowed", hosts=("canary.test:*",))


def told(*argv: str) -> list[str]:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout.split()


def left(home: Path) -> tuple[list[str], list[str]]:
    label = f"label=aether.home={home}"
    return told("ps", "-aq", "--filter", label), told("network", "ls", "-q", "--filter", label)


class Canary:
    """A server on all of this machine's addresses that counts who reached it."""

    def __init__(self) -> None:
        self.reached = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncanary")
        await writer.drain()
        writer.close()


@pytest.fixture
async def canary(anyio_backend: str) -> AsyncIterator[Canary]:
    found = Canary()
    server = await asyncio.start_server(found.accept, "0.0.0.0", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
async def kind(docker_engine: None, anyio_backend: str, aether_home: Path) -> AsyncIterator[Docker]:
    # The bridge's own address stands for a host of a private network that the administrator opened.
    found = Docker(aether_home, private_hosts=("172.16.0.0/12:*",))
    yield found
    assert left(aether_home) == ([], [])


async def opened(kind: Docker, home: Path, pid: int, **changes: object) -> Sandbox:
    (home / "homes" / str(pid)).mkdir(exist_ok=True)
    spec = SandboxSpec(memory_mb=512, pids=64, cpus=1.5, network="allowed", **changes)  # type: ignore[arg-type]
    return await kind.open(pid, spec, home / "homes" / str(pid))


async def out(box: Sandbox, command: str) -> str:
    done = await box.run(command, timeout_s=40)
    return (done.stdout + done.stderr).decode()


STATUS = "curl -s -m 5 -o /dev/null -w '%{http_code} %{http_connect} '"


@pytest.mark.docker
async def test_the_gate_and_the_agent_are_held_like_every_container(kind: Docker, aether_home: Path) -> None:
    box = await opened(kind, aether_home, 7, hosts=("example.org",))
    try:
        by_image = {each["Config"]["Image"]: each for each in inspected(aether_home)}
        assert set(by_image) == {"aether-sandbox", "aether-egress"}
        agent, gate = by_image["aether-sandbox"], by_image["aether-egress"]
        (network,) = agent["NetworkSettings"]["Networks"].values()
        expecting = expected(aether_home, [f"{aether_home}/homes/7:/home/agent:bind"], network=network["NetworkID"])
        expecting |= {
            "Dns": ["192.0.2.53"],
            "DnsOptions": ["timeout:1", "attempts:1"],
            "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
        }
        assert held(agent) == expecting
        mine = expected(aether_home, [], network="bridge", shm_mb=32, tmp_mb=64) | {
            "Memory": 256 << 20,
            "MemorySwap": 256 << 20,
            "NanoCpus": 1_000_000_000,
            "Sysctls": {"net.ipv4.ip_forward": "0"},
        }
        assert held(gate) == {name: value for name, value in mine.items() if name != "Mounts"} | {"Mounts": []}
        assert (gate["Mounts"], gate["Config"]["User"]) == ([], "1000:1000")
        (inside,) = json.loads(
            subprocess.run(
                ["docker", "network", "inspect", network["NetworkID"]], capture_output=True, check=True
            ).stdout
        )
        assert inside["Internal"]
        assert len(inside["Containers"]) == 2
    finally:
        await box.close()


@pytest.mark.docker
async def test_only_listed_hosts_are_reached_and_never_without_the_gate(
    kind: Docker, aether_home: Path, canary: Canary
) -> None:
    bridge = told("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")[0]
    box = await opened(kind, aether_home, 7, hosts=("example.org", f"{bridge}:{canary.port}"))
    try:
        url = f"http://{bridge}:{canary.port}/"
        assert await out(box, f"curl -s -m 5 {url}") == "canary"
        assert canary.reached == 1
        refused = await out(box, f"curl -s -m 5 http://{bridge}:{canary.port + 1}/; {STATUS} https://elsewhere.test/")
        assert "is not on the list of this agent" in refused
        assert refused.endswith("000 403 ")
        # Around the gate there is nothing: neither this machine, by any of its addresses, nor anybody else.
        addresses = [bridge]
        addresses += subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()[:4]
        for address in (*addresses, "127.0.0.1", "169.254.169.254", "host.docker.internal"):
            direct = await out(box, f"{STATUS} --noproxy '*' 'http://{address}:{canary.port}/'")
            assert direct.startswith("000"), address
        assert canary.reached == 1
        looked_up = await out(box, "python3 -c 'import socket; socket.getaddrinfo(\"example.org\", 80)'")
        assert "gaierror" in looked_up
    finally:
        await box.close()


KNOCK = """
import errno, json, socket, sys
told = []
for host, port, device in json.loads(sys.argv[1]):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        knocking = socket.socket(family, kind)
        knocking.settimeout(2)
        try:
            # Whoever names the device goes around the routes.
            if device: knocking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            knocking.connect((host, port))
            knocking.send(b"x")
            told.append("sent")
        except TimeoutError: told.append("left")
        except OSError as error: told.append(errno.errorcode[error.errno])
print(json.dumps(told))
"""
CLOSED = {"EACCES", "EPERM", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"}
"""By the fence, or because there is no IPv6."""


async def knocked(box: Sandbox, *places: tuple[str, int]) -> list[list[str]]:
    """How it went by TCP and UDP, without and with a device named, for each place."""
    wanted = [(*place, device) for place in places for device in ("", "eth0")]
    done = await box.run(["python3", "-c", KNOCK, json.dumps(wanted)], timeout_s=60)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    return [told[4 * at : 4 * at + 4] for at in range(len(places))]


@pytest.mark.docker
async def test_who_has_the_network_of_the_machine_reaches_neither_it_nor_metadata(
    kind: Docker, aether_home: Path, canary: Canary
) -> None:
    home = aether_home / "homes" / "7"
    # What an agent put in the place of the image's Python begins nothing before the fence stands.
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "python3").write_text('#!/bin/sh\ntouch ~/begun\nexec /usr/bin/python3 "$@"\n')
    (home / ".local" / "bin" / "python3").chmod(0o755)
    other = await opened(kind, aether_home, 8, hosts=("example.org",))
    box = await kind.open(7, SandboxSpec(memory_mb=512, pids=64, cpus=1.5, network="host"), home)
    try:
        assert not (home / "begun").exists()
        bridge = told("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")[0]
        own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
        (egress,) = told("ps", "-q", "--filter", f"label=aether.home={aether_home}", "--filter", "label=aether.egress")
        neighbour = told("inspect", egress, "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}")[0]
        machine = [(address, canary.port) for address in dict.fromkeys((bridge, *own))]
        metadata = [("169.254.169.254", 80), ("169.254.170.2", 80), ("100.100.100.200", 80), ("fd00:ec2::254", 80)]
        for place, found in zip(
            [*machine, *metadata, (neighbour, 80)],
            await knocked(box, *machine, *metadata, (neighbour, 80)),
            strict=True,
        ):
            assert set(found) <= CLOSED, (place, found)
        assert canary.reached == 0
        # All else goes out: to an address that nobody has, and to whoever is asked for names.
        ((*_, outside),) = await knocked(box, ("198.51.100.1", 9))
        resolver = (await out(box, "sed -n 's/^nameserver //p' /etc/resolv.conf | head -1")).strip()
        ((*_, names),) = await knocked(box, (resolver, 53))
        assert (outside, names) == ("sent", "sent")
        # What fences has gone, and the agent cannot undo it.
        assert told("ps", "-aq", "--filter", "label=aether.fence") == []
        assert (
            await box.run("cat /proc/self/status | grep CapEff", timeout_s=20)
        ).stdout == b"CapEff:\t" + b"0" * 16 + b"\n"
    finally:
        await box.close()
        await other.close()


@pytest.mark.docker
async def test_where_no_fence_can_be_made_nobody_gets_the_network_of_the_machine(
    kind: Docker, aether_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, home = SandboxSpec(memory_mb=256, pids=64, network="host"), aether_home / "homes" / "7"
    # As under a runtime that has a network of its own: all is told to be well, and nothing is closed.
    words = b"import sys; print('[]' if sys.argv[1] == 'addresses' else 'fenced', end='')"
    monkeypatch.setattr("aether_jupyter.sandboxes.containers.text_of", lambda program: words)
    with pytest.raises(SandboxUnavailable, match="cannot be closed to network='host'"):
        await kind.open(7, spec, home)


def test_every_metadata_service_that_the_gate_knows_is_fenced() -> None:
    closed = [ipaddress.ip_network(each) for each in fence.ALWAYS]
    known = [ipaddress.ip_network(text) for text, what in gate._KINDS if what in ("metadata", "link-local")]
    for each in known:
        assert any(each.version == one.version and each.subnet_of(one) for one in closed), each  # type: ignore[arg-type]


def test_addresses_and_neighbours_are_read_as_the_kernel_tells_them(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(
        "Local:\n  |-- 10.0.2.0\n     /24 link UNICAST\n  |-- 10.0.2.15\n     /32 host LOCAL\n"
        "  |-- 127.0.0.1\n     /32 host LOCAL\n"
    )
    (tmp_path / "if_inet6").write_text(
        "fe800000000000000000000000000001 02 40 20 80 eth0\n" + "0" * 31 + "1 01 80 10 80 lo\n"
    )
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n"
        "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
    )
    assert fence.addresses(tmp_path) == ["10.0.2.15", "fe80::1"]
    assert [str(each) for each in fence.neighbours(tmp_path)] == ["172.17.0.0/16"]


@pytest.mark.docker
async def test_the_gates_own_network_and_metadata_stay_closed_by_every_way(
    kind: Docker, aether_home: Path, canary: Canary
) -> None:
    box = await opened(kind, aether_home, 7, hosts=("*:*",))
    try:
        for url in (
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1:3128/",
            f"http://localhost:{canary.port}/",
            "http://[::ffff:169.254.169.254]/",
            "http://0x7f.1/",
            "http://10.213.0.2:3128/",
        ):
            assert (await out(box, f"no_proxy= NO_PROXY= {STATUS} '{url}'")).startswith(("403", "400")), url
        assert canary.reached == 0
    finally:
        await box.close()


@pytest.mark.docker
async def test_agents_do_not_reach_each_other_nor_each_others_gate(kind: Docker, aether_home: Path) -> None:
    one = await opened(kind, aether_home, 7, hosts=("example.org",))
    two = await opened(kind, aether_home, 8, hosts=("*:*",))
    try:
        await out(two, "(python3 -m http.server 8123 --bind 0.0.0.0 >/dev/null 2>&1 &); sleep 1")
        theirs = (await out(two, "hostname -i")).split()[0]
        gate = (await out(two, "echo $http_proxy")).strip()
        assert await out(two, f"{STATUS} --noproxy '*' http://{theirs}:8123/") == "200 000 "
        for command in (
            f"{STATUS} --noproxy '*' http://{theirs}:8123/",
            f"{STATUS} http://{theirs}:8123/",
            f"http_proxy={gate} {STATUS} http://example.com/",
        ):
            assert not (await out(one, command)).startswith("200"), command
            assert (await out(one, command)).startswith(("000", "403")), command
    finally:
        await one.close()
        await two.close()


@pytest.mark.docker
async def test_a_gate_that_is_killed_is_begun_anew_where_it_was(
    kind: Docker, aether_home: Path, canary: Canary
) -> None:
    bridge = told("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")[0]
    box = await opened(kind, aether_home, 7, hosts=(f"{bridge}:*",))
    try:
        await out(box, "echo kept > /tmp/file")
        told(
            "kill", *told("ps", "-q", "--filter", f"label=aether.home={aether_home}", "--filter", "label=aether.egress")
        )
        await asyncio.sleep(0.5)
        assert await out(box, f"curl -s -m 5 http://{bridge}:{canary.port}/; cat /tmp/file") == "canarykept\n"
    finally:
        await box.close()


@pytest.mark.docker
async def test_networks_of_a_killed_server_are_reaped(kind: Docker, aether_home: Path) -> None:
    box = await opened(kind, aether_home, 7, hosts=("example.org",))
    told(
        *("network", "create", "--internal", "--label", f"aether.home={aether_home}", "--subnet", "10.213.255.0/29"),
        f"aether-left-{aether_home.name[-20:]}",
    )
    assert len(left(aether_home)[1]) == 2
    await kind.reap(str(aether_home), frozenset({7}))
    assert len(left(aether_home)[1]) == 1
    assert await out(box, "echo still") == "still\n"
    await box.close()


async def test_bubblewrap_says_what_it_cannot_close(
    anyio_backend: str, aether_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind = Bubblewrap(aether_home, 1_000_000)
    if not (await kind.available()).ok:
        pytest.skip("not run: bubblewrap does not work here")
    for network in ("none", "host"):
        box = await kind.open(7, SandboxSpec(network=network), aether_home / "homes" / "7")  # type: ignore[arg-type]
        await box.close()
        assert ("cannot close this machine's own ports and cloud metadata" in caplog.text) == (network == "host")


async def test_other_sandboxes_say_that_they_cannot(tmp_path: Path) -> None:
    for kind in (Bubblewrap(tmp_path, 1_000_000), Host(allowed=True)):
        with pytest.raises(SandboxUnavailable, match="some hosts only; take docker"):
            await kind.open(7, SPEC, tmp_path)


@pytest.mark.parametrize(
    ("network", "hosts", "words"),
    [
        ("allowed", (), "needs at least one host"),
        ("none", ("example.org",), "count with network='allowed' only"),
        ("allowed", ("http://example.org/",), "sandbox.hosts: 'http://example.org/'"),
        ("allowed", ("--privileged",), "sandbox.hosts: '--privileged'"),
        ("allowed", ("exa mple.org",), "sandbox.hosts: 'exa mple.org'"),
        ("allowed", ("example.org:99999",), "sandbox.hosts: 'example.org:99999'"),
    ],
)
def test_hosts_that_lead_nowhere_are_named(network: str, hosts: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        check_hosts(SandboxSpec(network=network, hosts=hosts))  # type: ignore[arg-type]
    check_hosts(SandboxSpec(network="allowed", hosts=("example.org", "*.pypi.org", "10.0.0.1:8080", "*")))
