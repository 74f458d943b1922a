"""How every container is held: by inspection to the letter, and from inside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, convert

from aether_jupyter.abc import Completed, Sandbox
from aether_jupyter.model.agent import AgentSpec, SandboxSpec
from aether_jupyter.model.errors import SandboxUnavailable, ToolFailed
from aether_jupyter.sandboxes.containers import Confinement
from aether_jupyter.sandboxes.docker import Docker
from aether_jupyter.sandboxes.seccomp import profile, profile_json

SPEC = SandboxSpec(memory_mb=512, pids=64, cpus=1.5)

EMPTY: tuple[Any, ...] = (None, "", [], {}, 0, False)


def inspected(home: Path) -> list[dict[str, Any]]:
    """Every container of this `AETHER_HOME`, as the engine tells of it."""
    command = ["docker", "ps", "-aq", "--filter", f"label=aether.home={home}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    told: list[dict[str, Any]] = json.loads(
        subprocess.run(["docker", "inspect", *found], capture_output=True, text=True, check=True).stdout
    )
    return told


def expected(home: Path, mounts: list[str], *, network: str = "none", shm_mb: int = 64, tmp_mb: int = 128) -> Any:
    """All of a container's configuration that is not empty. What is new in it must be put down here."""
    return {
        "AutoRemove": True,
        "CapDrop": ["ALL"],
        "CgroupnsMode": "host",
        "ConsoleSize": [0, 0],
        "CpuShares": 256,
        "IpcMode": "private",
        "LogConfig": {"Type": "none", "Config": {}},
        "MaskedPaths": [
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/sched_debug",
            "/proc/scsi",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/sys/devices/virtual/dmi",
            "/sys/devices/virtual/powercap",
            "/sys/firmware",
            "/sys/kernel/debug",
            "/sys/kernel/security",
            "/sys/kernel/tracing",
        ],
        "Memory": 512 << 20,
        "MemorySwap": 512 << 20,
        "Mounts": mounts,
        "NanoCpus": 1_500_000_000,
        "NetworkMode": network,
        "OomScoreAdj": 500,
        "PidsLimit": 64,
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        "ReadonlyRootfs": True,
        "Runtime": "runc",
        "SecurityOpt": ["no-new-privileges", f"seccomp={profile_json()}"],
        "ShmSize": shm_mb << 20,
        "Tmpfs": {
            "/tmp": f"size={tmp_mb}m,mode=1777,exec,nosuid,nodev",
            "/run": "size=16m,mode=755,nosuid,nodev",
        },
        "Ulimits": [
            {"Name": "core", "Hard": 0, "Soft": 0},
            {"Name": "nofile", "Hard": 4096, "Soft": 4096},
        ],
    }


def held(container: dict[str, Any]) -> dict[str, Any]:
    """What is not empty of how a container is held; its cgroup namespace is the engine's choice."""
    told = {name: value for name, value in container["HostConfig"].items() if value not in EMPTY}
    told["Mounts"] = sorted(f"{each.get('Source')}:{each['Target']}:{each['Type']}" for each in told.get("Mounts", ()))
    assert told.pop("RestartPolicy")["Name"] in ("", "no")
    assert told["CgroupnsMode"] in ("host", "private")
    return told | {"CgroupnsMode": "host"}


@pytest.fixture
async def box(docker_engine: None, anyio_backend: str, aether_home: Path) -> AsyncIterator[Sandbox]:
    shared = aether_home / "shared"
    shared.mkdir()
    opened = await Docker(aether_home).open(7, SPEC, aether_home / "homes" / "7", {"lab": shared})
    yield opened
    await opened.close()


@pytest.mark.docker
@pytest.mark.anyio
async def test_a_container_is_held_exactly_so(box: Sandbox, aether_home: Path) -> None:
    (container,) = inspected(aether_home)
    mounts = [f"{aether_home}/homes/7:/home/agent:bind", f"{aether_home}/shared:/workspaces/lab:bind"]
    assert held(container) == expected(aether_home, mounts)
    assert container["Config"]["User"] == "1000:1000"
    assert container["Config"]["Image"] == "aether-sandbox"
    assert container["Config"]["Labels"]["aether.pid"] == "7"
    assert sorted(each["Destination"] for each in container["Mounts"]) == ["/home/agent", "/workspaces/lab"]
    assert list(container["NetworkSettings"]["Networks"]) == ["none"]


@pytest.mark.docker
@pytest.mark.anyio
@pytest.mark.parametrize("desktop", ["xfce", "openbox"])
async def test_a_desktop_is_held_like_every_container(
    docker_engine: None, anyio_backend: str, aether_home: Path, desktop: str
) -> None:
    spec = SandboxSpec(memory_mb=512, pids=64, cpus=1.5, desktop=desktop)  # type: ignore[arg-type]
    box = await Docker(aether_home).open(7, spec, aether_home / "homes" / "7")
    try:
        (container,) = inspected(aether_home)
        sockets = "None:/run/aether:volume"
        assert held(container) == expected(aether_home, [f"{aether_home}/homes/7:/home/agent:bind", sockets])
        (volume,) = [each for each in container["HostConfig"]["Mounts"] if each["Type"] == "volume"]
        assert volume["VolumeOptions"]["DriverConfig"] == {
            "Name": "local",
            "Options": {
                "type": "tmpfs",
                "device": "tmpfs",
                "o": "size=1m,nr_inodes=64,uid=1000,gid=1000,mode=0700,nosuid,nodev,noexec",
            },
        }
        assert container["Config"]["User"] == "1000:1000"
        assert list(container["NetworkSettings"]["Networks"]) == ["none"]
        told = await _out(box, "head -c 9M /dev/zero > /run/aether/big; df -k --output=size /run/aether | tail -1")
        assert "No space left" in told
        assert "1024" in told
    finally:
        await box.close()


async def _out(box: Sandbox, command: str, timeout_s: float = 30) -> str:
    done: Completed = await box.run(command, timeout_s=timeout_s)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.mark.docker
@pytest.mark.anyio
async def test_inside_it_has_no_rights(box: Sandbox) -> None:
    status = dict(
        line.split(":\t", 1) for line in (await _out(box, "cat /proc/self/status")).splitlines() if ":\t" in line
    )
    assert {status[f"Cap{each}"] for each in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"], status["Uid"].split()) == ("1", "2", ["1000"] * 4)
    assert "Read-only" in await _out(box, "touch /usr/x")
    assert (await _out(box, "ulimit -n -c")).split()[-1] == "0"
    assert (await _out(box, "ulimit -Hn")).strip() == "4096"
    assert (await _out(box, "cat /proc/net/route | wc -l; ls /sys/class/net")).split() == ["1", "lo"]
    assert (await _out(box, "df -BM --output=size /tmp /dev/shm | tail -n +2")).split() == ["128M", "64M"]
    assert await _out(box, "find /sys/firmware /sys/devices/virtual/dmi -type f 2>/dev/null; cat /proc/keys") == ""


FORBIDDEN = {
    "io_uring_setup": (425, "1, buf"),
    "io_setup": (206, "1, buf"),
    "keyctl": (250, "0, -3, 0"),
    "add_key": (248, "b'user', b'x', b'y', 1, -3"),
    "request_key": (249, "b'user', b'x', 0, -3"),
    "bpf": (321, "0, buf, 72"),
    "userfaultfd": (323, "1"),
    "perf_event_open": (298, "buf, 0, -1, -1, 0"),
    "mount": (165, "b'none', b'/tmp', b'tmpfs', 0, 0"),
    "umount2": (166, "b'/tmp', 0"),
    "pivot_root": (155, "b'/', b'/'"),
    "chroot": (161, "b'/tmp'"),
    "setns": (308, "0, 0"),
    "unshare user": (272, "0x10000000"),
    "unshare mount": (272, "0x20000"),
    "clone user namespace": (56, "0x10000011, 0, 0, 0, 0"),
    "clone net namespace": (56, "0x40000011, 0, 0, 0, 0"),
    "open_tree": (428, "-100, b'/', 0"),
    "move_mount": (429, "-1, b'', -100, b'/tmp', 4"),
    "fsopen": (430, "b'tmpfs', 0"),
    "mount_setattr": (442, "-100, b'/', 0, buf, 32"),
    "ptrace traceme": (101, "0, 0, 0, 0"),
    "process_vm_readv": (310, "1, buf, 1, buf, 1, 0"),
    "process_vm_writev": (311, "1, buf, 1, buf, 1, 0"),
    "pidfd_getfd": (438, "3, 0, 0"),
    "kcmp": (312, "1, 1, 0, 0, 0"),
    "kexec_load": (246, "0, 0, 0, 0"),
    "init_module": (175, "buf, 0, b''"),
    "finit_module": (313, "0, b'', 0"),
    "delete_module": (176, "b'x', 0"),
    "open_by_handle_at": (304, "-100, buf, 0"),
    "name_to_handle_at": (303, "-100, b'/', buf, buf, 0"),
    "personality 32 bit": (135, "8"),
    "personality no randomness": (135, "0x40000"),
    "socket vsock": (41, "40, 1, 0"),
    "socket alg": (41, "38, 5, 0"),
    "socket packet": (41, "17, 3, 0"),
    "socket netfilter": (41, "16, 3, 12"),
    "socket xfrm": (41, "16, 3, 6"),
    "socket bluetooth": (41, "31, 1, 0"),
    "socket can": (41, "29, 3, 1"),
    "socket sctp": (41, "2, 1, 132"),
    "socket udplite": (41, "2, 2, 136"),
    "socket raw": (41, "2, 3, 255"),
    "socketpair tipc": (53, "30, 1, 0, buf"),
    "msgget": (68, "0, 0o1600"),
    "mq_open": (240, "b'x', 0o102, 0o600, 0"),
    "memfd_secret": (447, "0"),
    "modify_ldt": (154, "0, buf, 16"),
    "iopl": (172, "3"),
    "ioperm": (173, "0x80, 1, 1"),
    "reboot": (169, "0xfee1dead, 672274793, 0x01234567, 0"),
    "swapon": (167, "b'/tmp/x', 0"),
    "syslog": (103, "3, buf, 100"),
    "acct": (163, "0"),
    "settimeofday": (164, "buf, 0"),
    "clock_settime": (227, "0, buf"),
    "quotactl": (179, "0, 0, 0, 0"),
    "fanotify_init": (300, "0, 0"),
    "vmsplice": (278, "1, buf, 1, 0"),
    "lookup_dcookie": (212, "0, buf, 10"),
}

PROBE = """
import ctypes, errno, os, platform, sys
assert platform.machine() == "x86_64", "the numbers are those of x86_64"
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
buf = ctypes.create_string_buffer(4096)
def ask(number, *arguments):
    wide = [a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments]
    ctypes.set_errno(0)
    result = call(ctypes.c_long(number), *wide)
    if result == 0 and number == 56:
        os._exit(0)
    return "done" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
"""


@pytest.mark.docker
@pytest.mark.anyio
async def test_every_forbidden_call_is_refused(box: Sandbox) -> None:
    asked = "".join(
        f"print({name!r}, ask({number}, {words}), sep='=')\n" for name, (number, words) in FORBIDDEN.items()
    )
    (box.home / "probe.py").write_text(PROBE + asked + "print('clone3', ask(435, buf, 88), sep='=')\n")
    told = dict(line.rsplit("=", 1) for line in (await _out(box, "python3 probe.py")).splitlines())
    assert told == dict.fromkeys(FORBIDDEN, "EPERM") | {"clone3": "ENOSYS"}


WORK = {
    "first": "git init -q r && cd r && git config user.email a@b && git config user.name a && touch f && git add f "
    "&& git commit -qm first && git log --format=%s",
    "thread": 'printf \'#include <pthread.h>\\n#include <stdio.h>\\nvoid*f(void*a){puts("thread");return 0;}\\n'
    "int main(){pthread_t t;pthread_create(&t,0,f,0);pthread_join(t,0);}' >a.c && gcc -pthread a.c && ./a.out",
    "4 [1]": "python3 -c 'import threading as t, multiprocessing as m; q=m.Queue(); "
    'x=t.Thread(target=q.put,args=(4,)); x.start(); print(q.get(), m.get_context("fork").Pool(2).map(abs,[-1]))\'',
    "True": "python3 -c 'from multiprocessing.shared_memory import SharedMemory as S; s=S(create=True,size=9); "
    "s.unlink(); print(len(s.buf)>8)'",
    "7": "python3 -m venv --without-pip v && v/bin/python -c 'print(7)'",
    "200": "(python3 -m http.server 8123 >/dev/null 2>&1 &) ; sleep 1; "
    "curl -s -o /dev/null -w '%{http_code}' localhost:8123",
    "through": "mkfifo p && (echo through >p &) && cat p",
    "True lo": 'python3 -c \'import socket; a=socket.getaddrinfo("localhost", 1); '
    "print(len(a) > 0, socket.if_nameindex()[0][1])'",
}


@pytest.mark.docker
@pytest.mark.anyio
async def test_what_agents_work_with_runs(box: Sandbox) -> None:
    assert {words: (await _out(box, line, 60)).strip() for words, line in WORK.items()} == {each: each for each in WORK}


def test_no_call_is_in_two_families_and_none_that_is_left_out_came_back() -> None:
    named = [name for rule in profile()["syscalls"] for name in rule["names"] if not rule.get("args")]
    assert len(named) == len(set(named))
    left_out = (
        "io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key bpf userfaultfd perf_event_open "
        "mount umount umount2 pivot_root setns unshare ptrace process_vm_readv process_vm_writev kexec_load "
        "kexec_file_load init_module finit_module delete_module open_by_handle_at "
        "name_to_handle_at chroot fsopen fsmount fsconfig "
        "move_mount open_tree mount_setattr pidfd_getfd kcmp memfd_secret syslog reboot swapon swapoff iopl ioperm"
    )
    assert set(named) & set(left_out.split()) == set()
    assert profile()["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(each["subArchitectures"] == [] for each in profile()["archMap"])


@pytest.mark.docker
@pytest.mark.anyio
async def test_a_runtime_that_the_engine_does_not_have_is_named(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    for confinement, words in (
        (Confinement(runtime="runsc"), r"container_runtime = 'runsc': the engine has no such runtime, but .*runc"),
        (Confinement(apparmor="aether-sandbox"), "apparmor_profile = 'aether-sandbox'"),
    ):
        kind = Docker(aether_home, confinement=confinement)
        if (await kind.available()).ok:
            pytest.skip("not run: this engine has it")
        with pytest.raises(SandboxUnavailable, match=words):
            await kind.open(7, SPEC, aether_home / "homes" / "7")


@pytest.mark.docker
@pytest.mark.anyio
async def test_a_runtime_that_is_there_is_used(docker_engine: None, anyio_backend: str, aether_home: Path) -> None:
    kind = Docker(aether_home, confinement=Confinement(runtime="io.containerd.runc.v2"))
    box = await kind.open(7, SPEC, aether_home / "homes" / "7")
    try:
        assert inspected(aether_home)[0]["HostConfig"]["Runtime"] == "io.containerd.runc.v2"
        assert (await box.run("echo in", timeout_s=20)).stdout == b"in\n"
    finally:
        await box.close()


HOSTILE = st.sampled_from(
    [
        "--privileged",
        "-v/:/host",
        "--device=/dev/sda",
        "../../etc",
        "/var/run/docker.sock",
        "a b\n--cap-add=ALL",
        "$(id)",
    ]
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), HOSTILE | st.text(max_size=30), min_size=1, max_size=5))
def test_no_spec_can_say_more_of_a_container_than_sizes(words: dict[str, str]) -> None:
    """Image, mounts, user, capabilities and runtime have no name in a spec: each such name is refused."""
    for name in ("image", "mounts", "volumes", "user", "privileged", "cap_add", "runtime", "devices", "security_opt"):
        with pytest.raises(ValidationError):
            convert({name: next(iter(words.values()))}, SandboxSpec)
    unknown = set(words) - set(SandboxSpec.__struct_fields__)
    if unknown:
        with pytest.raises(ValidationError):
            convert({name: words[name] for name in unknown}, SandboxSpec)


@pytest.mark.parametrize("name", ["--privileged", "../etc", "/", "a/b", "a:b", "A", "", "-v", "x\n", "." * 3])
def test_a_workspace_has_no_name_that_could_be_a_path_or_a_flag(name: str) -> None:
    with pytest.raises(ValidationError):
        convert({"goal": "x", "workspaces": [name]}, AgentSpec)


@pytest.mark.docker
@pytest.mark.anyio
async def test_names_and_labels_of_an_agent_are_never_read_as_flags(
    docker_engine: None, anyio_backend: str, aether_home: Path
) -> None:
    """Nothing of an agent's own words reaches the engine; folders with odd names arrive as they are, as one mount."""
    odd = aether_home / "a,readonly=false:rw --privileged"
    odd.mkdir()
    box = await Docker(aether_home).open(7, SPEC, odd, {})
    try:
        (container,) = inspected(aether_home)
        assert held(container) == expected(aether_home, [f"{odd}:/home/agent:bind"])
        assert (await box.run(["sh", "-c", "echo $0", "--privileged"], timeout_s=10)).stdout == b"--privileged\n"
        for argv in (["--privileged"], ["-v", "/:/host"]):
            with pytest.raises(ToolFailed):
                await box.run(argv, timeout_s=10)
        assert held(inspected(aether_home)[0]) == held(container)
    finally:
        await box.close()
