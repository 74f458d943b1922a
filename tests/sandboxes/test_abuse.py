"""What an agent can do to the machine from inside a container: everything is tried, and nothing comes of it.

While an attack goes on, another agent works beside it. Its commands are timed in short spells, in which the attack is
frozen and let loose in turn, so that what else the machine does falls on both alike. What its host takes away meanwhile
falls harder on the spells in which two work, and only ever adds: so the least of up to five measurements counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from aether_jupyter import beneath
from aether_jupyter.abc import Sandbox
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import AetherError, ToolFailed
from aether_jupyter.sandboxes.docker import Docker, DockerSandbox
from aether_jupyter.volumes import Volumes

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.timeout(300)]

MEMORY_MB, DISK_MB, PIDS = 256, 64, 64
SPEC = SandboxSpec(memory_mb=MEMORY_MB, pids=PIDS, cpus=1, disk_mb=DISK_MB)
SPELLS, SPELL_S, ROUNDS = 16, 0.6, 5
LONGER, GROWN_MB = 1.2, 100
WORK = "echo done > made"


async def out(box: Sandbox, command: str, timeout_s: float = 30) -> str:
    done = await box.run(command, timeout_s=timeout_s)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.fixture
async def kind(docker_engine: None, anyio_backend: str, aether_home: Path) -> Docker:
    return Docker(aether_home)


async def opened(kind: Docker, home: Path, pid: int, volumes: Volumes | None = None) -> DockerSandbox:
    folder = home / "homes" / str(pid)
    folder.mkdir(exist_ok=True)
    if volumes is not None:
        volumes.use(pid, folder, DISK_MB << 20)
    return await kind.open(pid, SPEC, folder)


@pytest.fixture
async def volumes(aether_home: Path) -> AsyncIterator[Volumes]:
    found = Volumes(aether_home / "volumes", Settings(home=aether_home).home_write_mb_s * 1_000_000)
    if why := found.missing():
        pytest.skip(f"not run: no volumes: {why}")
    yield found
    for pid in found.used():
        found.remove(pid, aether_home / "homes" / str(pid))


@pytest.fixture
async def attacker(kind: Docker, aether_home: Path, volumes: Volumes) -> AsyncIterator[DockerSandbox]:
    box = await opened(kind, aether_home, 7, volumes)
    yield box
    await box.close()


@pytest.fixture
async def neighbour(kind: Docker, aether_home: Path) -> AsyncIterator[DockerSandbox]:
    box = await opened(kind, aether_home, 8)
    yield box
    await box.close()


def _frozen(home: Path, freeze: bool) -> None:
    """Stop or let loose the attacker's container, if it is there."""
    mine = ["--filter", f"label=aether.home={home}", "--filter", "label=aether.pid=7"]
    found = subprocess.run(["docker", "ps", "-q", *mine], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["docker", "pause" if freeze else "unpause", *found], capture_output=True)


async def _times(box: Sandbox, seconds: float) -> list[float]:
    found: list[float] = []
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        began = time.perf_counter()
        assert (await box.run(WORK, timeout_s=30)).exit_code == 0
        found.append(time.perf_counter() - began)
    return found


async def beside(attacker: DockerSandbox, neighbour: DockerSandbox, home: Path, attack: str) -> tuple[float, float]:
    """How much longer the neighbour's commands take while the attack goes on, and by how many MB the server grows."""
    process = psutil.Process()
    await asyncio.to_thread(_frozen, home, True)
    others = await asyncio.to_thread(psutil.cpu_percent, 1.0)
    if others > 40:
        pytest.skip(f"not run: other programs use {others:.0f} % of the processors, so nothing can be compared")
    await asyncio.to_thread(_frozen, home, False)
    await _times(neighbour, 1.0)
    before, most = process.memory_info().rss, 0
    over = asyncio.Event()

    async def attacking() -> None:
        while not over.is_set():
            # Whatever ends it – its own limit, the time, the container – it is begun again.
            with contextlib.suppress(AetherError):
                await attacker.run(attack, timeout_s=4, output_limit=16_000)

    task = asyncio.create_task(attacking())
    await asyncio.sleep(1.0)
    quiet: list[float] = []
    loud: list[float] = []
    try:
        for spell in range(SPELLS):
            freeze = spell % 2 == 0
            await asyncio.to_thread(_frozen, home, freeze)
            await asyncio.sleep(0.1)
            (quiet if freeze else loud).extend(await _times(neighbour, SPELL_S))
            most = max(most, process.memory_info().rss)
    finally:
        over.set()
        await asyncio.to_thread(_frozen, home, False)
        await task
    return statistics.median(loud) / statistics.median(quiet), (most - before) / 1e6


ATTACKS = {
    "fork bomb": "f() { f | f & }; f; sleep 10",
    "memory bomb": "python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 22))'; sleep 0.1",
    "memory bomb in /tmp and /dev/shm": "cat /dev/zero > /tmp/a; cat /dev/zero > /dev/shm/a; rm /tmp/a /dev/shm/a",
    "disk fill": "cat /dev/zero > big; rm big",
    "ten gigabytes of output": "head -c 10000000000 /dev/zero",
    "ten gigabytes of lines on both streams": "yes & yes >&2 & wait",
    "processor": "for i in 1 2 3 4; do while :; do :; done & done; wait",
    "open files": (
        'for i in $(seq 40); do python3 -c \'import os,time\ntry:\n while True: os.open("/etc/passwd", 0)\n'
        "except OSError: time.sleep(9)' & done; wait"
    ),
    "a million small files": "i=0; while :; do i=$((i+1)); : > f$i || break; done; rm -f f*",
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_others_and_the_server_do_not_feel_it(
    attacker: DockerSandbox, neighbour: DockerSandbox, aether_home: Path, attack: str
) -> None:
    measured = []
    for _ in range(ROUNDS):
        measured.append(await beside(attacker, neighbour, aether_home, attack))
        print("{:.2f} times as long, {:.1f} MB more".format(*measured[-1]))
        if measured[-1][0] < LONGER:
            break
    assert min(longer for longer, _ in measured) < LONGER
    assert max(grown_mb for _, grown_mb in measured) < GROWN_MB
    # And the one that attacked has a sandbox again.
    for _ in range(3):
        with contextlib.suppress(AetherError):
            assert "well\n" in await out(attacker, "rm -f big f*; echo well")
            break
    else:
        pytest.fail("the attacker's sandbox did not come back")


async def test_a_fork_bomb_ends_at_the_limit_of_processes(attacker: DockerSandbox) -> None:
    # Read by the shell itself, which could not start a program now.
    limit = 'for file in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do read -r n < $file && echo "$n"; done'
    told = await out(attacker, f"f() {{ f | f & }}; f; sleep 3; {limit}")
    assert "Resource temporarily unavailable" in told
    assert f"[the sandbox's limit of {PIDS} processes was reached, and none more was started]" in told
    assert f"\n{PIDS}\n" in f"\n{told}"
    assert await out(attacker, "echo well") == "well\n"


async def test_a_memory_bomb_is_ended_alone_and_told(attacker: DockerSandbox) -> None:
    done = await attacker.run("echo before; python3 -c 'x = bytearray(1 << 30)'; echo after=$?", timeout_s=60)
    assert done.stdout == b"before\nafter=137\n"
    assert b"[the sandbox's limit of 256 MB of memory was reached, and a process was killed]\n" in done.stderr
    assert b"limit of" not in (await attacker.run("echo calm", timeout_s=20)).stderr
    assert await out(attacker, "echo well") == "well\n"


async def test_every_place_that_can_be_written_is_full_at_its_size(attacker: DockerSandbox, aether_home: Path) -> None:
    free = shutil.disk_usage(aether_home).free
    for folder, most_mb in (("/home/agent", DISK_MB + 24), ("/tmp", MEMORY_MB // 4), ("/dev/shm", MEMORY_MB // 8)):
        fill = f"head -c 400M /dev/zero > {folder}/big; du -m {folder}/big | cut -f1; rm {folder}/big"
        done = await attacker.run(fill, timeout_s=60)
        assert b"No space left on device" in done.stderr, folder
        assert 0 < int(done.stdout) <= most_mb, folder
    # Nothing else takes a file at all: not the root, nor what the engine puts in.
    places = await out(attacker, "find / -xdev -type d -writable 2>/dev/null; df --output=target | tail -n +2")
    mounts = set(places.split())
    refused = await out(attacker, "for d in / /etc /run /usr /var /opt /dev /sys /proc; do touch $d/x && echo $d; done")
    assert [line for line in refused.splitlines() if line.startswith("/")] == []
    assert {"/home/agent", "/tmp", "/dev/shm"} <= mounts
    os.sync()
    assert free - shutil.disk_usage(aether_home).free < 300 << 20


async def test_a_full_home_can_be_worked_on_and_survives_its_container(
    attacker: DockerSandbox, aether_home: Path
) -> None:
    assert "No space left" in await out(attacker, "cat /dev/zero > big")
    assert "still here" in await out(attacker, "export X=1; echo still here")
    subprocess.run(
        [
            "docker",
            "kill",
            *subprocess.run(
                ["docker", "ps", "-q", "--filter", f"label=aether.home={aether_home}"], capture_output=True, text=True
            ).stdout.split(),
        ],
        capture_output=True,
        check=True,
    )
    await asyncio.sleep(0.5)
    assert await out(attacker, "ls; rm big; echo room > file; cat file") == "big\nroom\n"


async def test_nothing_of_the_host_is_to_be_read_or_touched(attacker: DockerSandbox, aether_home: Path) -> None:
    (aether_home / "canary").write_text("canary-of-the-host")
    devices = (await out(attacker, "ls /dev")).split()
    assert set(devices) <= {
        *("core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"),
        *("tty", "urandom", "zero"),
    }
    assert await out(attacker, "find /dev /sys /proc -maxdepth 2 -type b 2>/dev/null") == ""
    pids = {int(each) for each in (await out(attacker, "ls /proc")).split() if each.isdigit()}
    assert len(pids) < 6
    assert "python3" in await out(attacker, "tr '\\0' ' ' < /proc/1/cmdline")
    for command in (
        f"cat {aether_home}/canary",
        "cat /proc/1/root/etc/hostname /proc/1/environ /proc/1/mem",
        "cat /proc/kcore | head -c 1",
        "cat /proc/keys /proc/timer_list | head -c 1",
        "echo b > /proc/sysrq-trigger",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sys/kernel/core_pattern",
        "cat /etc/shadow",
        "ls /root",
        "dmesg | head -1",
        "ls /var/run/docker.sock /run/docker.sock",
        "mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk",
        "mknod /home/agent/mem c 1 1 && head -c 1 /home/agent/mem",
    ):
        done = await attacker.run(command, timeout_s=20)
        assert done.stdout.strip() == b"", command


async def test_nothing_is_mounted(attacker: DockerSandbox) -> None:
    before = await out(attacker, "cat /proc/self/mounts")
    for command in (
        "mount -t tmpfs none /tmp",
        "mount -t proc none /tmp",
        "mount --bind / /tmp",
        "mount -o remount,rw /",
        "mount -o remount,dev,suid /home/agent",
        "umount /tmp",
        "unshare -m true",
        "unshare -Ur true",
        "unshare -n true",
        "chroot /tmp true",
        "nsenter -t 1 -m true",
        "pivot_root . .",
        "losetup -f",
        "fusermount -u /tmp",
    ):
        assert (await attacker.run(command, timeout_s=20)).exit_code != 0, command
    assert await out(attacker, "cat /proc/self/mounts") == before


async def test_no_address_of_the_machine_or_of_a_cloud_is_reached(attacker: DockerSandbox) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", 0)
    port = server.sockets[0].getsockname()[1]
    own = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    places = [(each, port) for each in (*own[:6], "127.0.0.1", "172.17.0.1", "10.0.2.2", "192.168.0.1")]
    places += [("169.254.169.254", 80), ("169.254.170.2", 80), ("100.100.100.200", 80), ("fd00:ec2::254", 80)]
    code = (
        f"import socket\nfor place in {places!r}:\n"
        "    try:\n        socket.create_connection(place, 1)\n        print('reached', place)\n"
        "    except OSError:\n        pass\n"
    )
    done = await attacker.run(["python3", "-c", code], timeout_s=60)
    server.close()
    assert (done.exit_code, done.stdout) == (0, b"")


async def test_what_never_ends_is_ended_and_its_flood_is_cut(attacker: DockerSandbox) -> None:
    process = psutil.Process()
    before, began = process.memory_info().rss, time.monotonic()
    done = await attacker.run("trap '' TERM INT; head -c 10G /dev/zero; yes", timeout_s=8, output_limit=16_000)
    assert time.monotonic() - began < 8 + 2
    assert (done.timed_out, len(done.stdout)) == (True, 16_000)
    assert process.memory_info().rss - before < 100e6


async def test_open_files_end_at_their_number(attacker: DockerSandbox) -> None:
    code = "import os\nn = 0\ntry:\n    while True: os.open('/etc/passwd', 0); n += 1\nexcept OSError as e: print(n, e)"
    told = await out(attacker, f'ulimit -n 100000; python3 -c "{code}"')
    assert "Operation not permitted" in told or "cannot modify limit" in told
    assert "Too many open files" in told
    (counted,) = [line.split()[0] for line in told.splitlines() if "[Errno 24]" in line]
    assert 4000 < int(counted) < 4096


async def test_links_out_of_the_home_lead_nowhere_and_break_nothing(
    attacker: DockerSandbox, kind: Docker, aether_home: Path
) -> None:
    (aether_home / "outside").write_text("canary")
    home = attacker.home
    lines = (
        f"ln -s {aether_home}/outside link",
        "ln -s / root",
        "ln -s /var/run/docker.sock sock",
        f"mkdir d && ln -s {aether_home} d/up",
        f"rm -rf .aether && ln -s {aether_home} .aether",
    )
    for line in lines:
        assert (await attacker.run(line, timeout_s=20)).exit_code == 0
    for path in ("link", "root/etc/passwd", "d/up/outside", "sock", ".aether/outside"):
        with pytest.raises(ToolFailed):
            beneath.read(home, path)
        with pytest.raises(ToolFailed):
            beneath.write(home, f"{path}/x", b"x")
    assert (await attacker.run("export A=1; true", timeout_s=20)).exit_code == 0
    # Its next container starts, and nothing was written where the link led.
    await attacker.close()
    again = await kind.open(7, SPEC, home)
    try:
        assert await out(again, "echo well") == "well\n"
    finally:
        await again.close()
    assert sorted(path.name for path in aether_home.iterdir()) == ["homes", "outside", "volumes"]
    assert (aether_home / "outside").read_text() == "canary"
