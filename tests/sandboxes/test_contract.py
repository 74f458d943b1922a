"""What every sandbox does, and what every isolated one prevents."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from pathlib import Path

import anyio
import pytest

from aether_jupyter.abc import Completed, Sandbox, SandboxKind
from aether_jupyter.model.errors import AetherError, FolderNotFound, SandboxUnavailable, ToolFailed

from .conftest import SPEC

pytestmark = pytest.mark.anyio


async def run(sandbox: Sandbox, command: str | list[str], timeout_s: float = 20, **options: object) -> Completed:
    return await sandbox.run(command, timeout_s=timeout_s, **options)  # type: ignore[arg-type]


@pytest.fixture
def isolated(kind: SandboxKind, sandbox: Sandbox) -> Sandbox:
    if not kind.isolated:
        pytest.skip(f"{kind.name} isolates nothing")
    return sandbox


async def test_echo_comes_back(sandbox: Sandbox) -> None:
    done = await run(sandbox, "echo hello")
    assert (done.exit_code, done.stdout, done.stderr, done.timed_out) == (0, b"hello\n", b"", False)
    assert (done.stdout_bytes, done.stderr_bytes) == (6, 0)


async def test_streams_and_exit_code_are_apart(sandbox: Sandbox) -> None:
    done = await run(sandbox, "echo out; echo err >&2; exit 3")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


async def test_argv_is_not_read_by_a_shell(sandbox: Sandbox) -> None:
    done = await run(sandbox, ["printf", "%s|", "a b", "$HOME", "; touch pwned", "--"])
    assert done.stdout == b"a b|$HOME|; touch pwned|--|"
    assert not (sandbox.home / "pwned").exists()


async def test_unknown_command_fails(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "no-such-command-here")).exit_code == 127


async def test_nul_and_empty_commands_are_refused(sandbox: Sandbox) -> None:
    for command in ("echo \0", [], ["echo", "\0"], "echo \ud83d"):
        with pytest.raises(ToolFailed):
            await run(sandbox, command)


async def test_standard_input_reaches_the_command(sandbox: Sandbox) -> None:
    data = os.urandom(300_000)
    assert (await run(sandbox, "cat", stdin=data)).stdout == data
    assert (await run(sandbox, "cat")).stdout == b""
    assert (await run(sandbox, "true", stdin=data)).exit_code == 0


async def test_bytes_and_unicode_survive(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "printf 'ü€😀\\xff\\x00x'")).stdout == "ü€😀".encode() + b"\xff\0x"
    assert (await run(sandbox, "echo Grüße > 'ß ü.txt' && cat 'ß ü.txt'")).stdout.decode() == "Grüße\n"
    assert (sandbox.home / "ß ü.txt").read_text() == "Grüße\n"


async def test_it_starts_in_the_home_and_in_folders_of_it(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "pwd")).stdout.decode().strip() == sandbox.workdir
    await run(sandbox, "mkdir -p a/b")
    assert (await run(sandbox, "pwd", cwd="a/b")).stdout.decode().strip() == f"{sandbox.workdir}/a/b"


async def test_a_folder_that_is_not_there_is_named_and_nothing_runs(sandbox: Sandbox) -> None:
    await run(sandbox, "mkdir gone; touch file")
    for command in ("touch ran", ["touch", "ran"]):
        for folder in ("gone/away", "file", "/nowhere"):
            with pytest.raises(FolderNotFound, match=folder):
                await run(sandbox, command, cwd=folder, on_output=lambda stream, data: pytest.fail(f"said {data!r}"))
    assert not (sandbox.home / "ran").exists()
    assert (await run(sandbox, "exit 126", cwd="gone")).exit_code == 126


async def test_a_line_tells_in_which_folder_it_ended(sandbox: Sandbox) -> None:
    told = {
        "true": ".",
        "mkdir -p 'a/b c'; cd 'a/b c'": "a/b c",
        "cd a; exit 3": "a",
        "cd a; cd ..": ".",
        "cd /usr; set -e; false": "/usr",
        "cd a; trap 'echo bye' EXIT": "a",
        "(cd a)": ".",
        "ln -s a link; cd link": "a",
        "cd a; kill -9 $$": "",
        "cd a; exec true": "",
        "mkdir d; cd d; rmdir ../d": "",
        "mkdir $'bell\a'; cd $'bell\a'": "",
        "mkdir $'turn\u202e'; cd $'turn\u202e'": "",
    }
    assert {line: (await run(sandbox, line)).folder for line in told} == told
    assert (await run(sandbox, "cd ..", cwd="a/b c")).folder == "a"
    assert (await run(sandbox, ["true"], cwd="a")).folder == ""
    assert (await run(sandbox, "cd a; sleep 9", timeout_s=0.3)).folder == ""


async def test_exported_variables_last_and_outlive_the_sandbox(sandbox: Sandbox, kind: SandboxKind) -> None:
    first = "export ONE=1 TWO='two words' PATH=\"$PATH:/opt/mine\"; unset LC_ALL; LOOSE=3; f() { :; }; alias a=b"
    assert (await run(sandbox, f"{first}; exit 3")).exit_code == 3
    look = "echo $ONE,$TWO,${PATH##*:},${LC_ALL-none},${LOOSE-none},$(type f a >/dev/null 2>&1 || echo gone)"
    found = b"1,two words,/opt/mine,none,none,gone\n"
    assert (await run(sandbox, look)).stdout == found
    await sandbox.close()
    again = await kind.open(7, SPEC, sandbox.home)
    try:
        assert (await run(again, look)).stdout == found
        assert (await run(again, ["sh", "-c", "echo ${ONE-anew},$LC_ALL"])).stdout == b"anew,C.UTF-8\n"
        await run(again, "unset ONE; export TWO=other LC_ALL=C")
        assert (await run(again, "echo ${ONE-none},$TWO,$LC_ALL")).stdout == b"none,other,C\n"
    finally:
        await again.close()


async def test_what_the_sandbox_and_the_shell_set_themselves_is_not_kept(sandbox: Sandbox) -> None:
    look = "mkdir -p sub; cd sub; echo $SHLVL,$PWD,$OLDPWD,${BASHOPTS-},${SHELLOPTS-}"
    before = await run(sandbox, look)
    await run(sandbox, "cd sub; set -f; export SHLVL PWD OLDPWD AETHER_CALL=canary UID SHELLOPTS BASHOPTS; export X=1")
    done = await run(sandbox, look)
    assert (done.stdout, done.stderr) == (before.stdout, b"")
    assert b"canary" not in (await run(sandbox, "env")).stdout
    assert (sandbox.home / ".aether/shell/exports").read_bytes() == b"export X='1'\n"


async def test_lines_side_by_side_keep_the_variables_of_each(sandbox: Sandbox) -> None:
    await run(sandbox, "export SAME=0")
    await asyncio.gather(*(run(sandbox, f"sleep 0.{i}; export V{i}={i} SAME={i}; sleep 0.2") for i in range(4)))
    assert (await run(sandbox, "echo $V0$V1$V2$V3 $SAME")).stdout == b"0123 3\n"
    assert sorted(p.name for p in (sandbox.home / ".aether/shell").iterdir()) == ["exports"]


async def test_a_line_that_was_cut_off_leaves_nothing(sandbox: Sandbox) -> None:
    for line in ("export A=1; kill -9 $$", "export A=1; sleep 9"):
        await run(sandbox, line, timeout_s=0.5)
    with anyio.move_on_after(0.5):
        await run(sandbox, "export A=1; trap 'exit 0' TERM; sleep 9")
    assert (await run(sandbox, "echo ${A-none}")).stdout == b"none\n"
    assert list((sandbox.home / ".aether/shell").iterdir()) == []


async def test_files_persist_and_are_the_hosts_own(sandbox: Sandbox, kind: SandboxKind) -> None:
    await run(sandbox, "echo kept > file")
    assert (sandbox.home / "file").read_text() == "kept\n"
    await sandbox.close()
    again = await kind.open(7, SPEC, sandbox.home)
    try:
        assert (await run(again, "cat file && echo more >> file")).stdout == b"kept\n"
    finally:
        await again.close()


async def test_environment_holds_nothing_of_the_server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-5e1f")
    monkeypatch.setenv("JUPYTER_TOKEN", "canary-77aa")
    monkeypatch.setenv("PWD", "/canary")
    done = await run(sandbox, "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a canary; echo HOME=$HOME")
    if sandbox.name != "host":
        assert str(Path.cwd()).encode() not in done.stdout
    else:
        # Without isolation the server's own environment is in /proc for whoever looks; only the command's is clean.
        done = await run(sandbox, "env")
    assert b"canary" not in done.stdout
    assert f"HOME={sandbox.workdir}".encode() in done.stdout


async def test_extra_environment_is_given(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "echo $GREETING", env={"GREETING": "hi there"})).stdout == b"hi there\n"


async def test_timeout_returns_what_was_printed_and_ends_all(sandbox: Sandbox) -> None:
    began = time.monotonic()
    done = await run(sandbox, "echo early; (sleep 41.5 & sleep 41.5); echo late", timeout_s=1)
    assert time.monotonic() - began < 3
    assert (done.timed_out, done.exit_code, done.stdout) == (True, None, b"early\n")
    assert b"41.5" not in (await run(sandbox, "sleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout.replace(
        b"sleep 0.2", b""
    )


async def test_stubborn_command_is_killed_in_time(sandbox: Sandbox) -> None:
    began = time.monotonic()
    done = await run(sandbox, "trap '' TERM INT HUP; setsid sleep 30 & while :; do sleep 0.1; done", timeout_s=0.5)
    assert done.timed_out
    assert time.monotonic() - began < 2.5


async def test_cancellation_kills_the_command(sandbox: Sandbox) -> None:
    with anyio.move_on_after(0.7):
        await run(sandbox, "for i in $(seq 200); do echo $i >> beat; sleep 0.05; done")
    beats = (sandbox.home / "beat").read_text()
    await asyncio.sleep(0.4)
    assert (sandbox.home / "beat").read_text() == beats


async def test_close_kills_what_runs_and_refuses_more(sandbox: Sandbox) -> None:
    running = asyncio.create_task(run(sandbox, "for i in $(seq 200); do echo $i >> beat; sleep 0.05; done"))
    await asyncio.sleep(0.7)
    await sandbox.close()
    with pytest.raises(AetherError):
        await running
    beats = (sandbox.home / "beat").read_text()
    await asyncio.sleep(0.4)
    assert (sandbox.home / "beat").read_text() == beats
    with pytest.raises(SandboxUnavailable):
        await run(sandbox, "true")
    await sandbox.close()


async def test_commands_run_side_by_side(sandbox: Sandbox) -> None:
    await run(sandbox, "true")
    began = time.monotonic()
    done = await asyncio.gather(*(run(sandbox, f"sleep 0.5; echo {i}") for i in range(6)))
    assert [d.stdout for d in done] == [f"{i}\n".encode() for i in range(6)]
    assert time.monotonic() - began < 2


async def test_background_child_does_not_hold_the_answer(sandbox: Sandbox) -> None:
    began = time.monotonic()
    done = await run(sandbox, "sleep 3 & echo started")
    assert done.stdout == b"started\n"
    assert time.monotonic() - began < 2


async def test_output_is_seen_as_it_comes(sandbox: Sandbox) -> None:
    seen: list[tuple[str, bytes, float]] = []
    began = time.monotonic()
    await run(
        sandbox,
        "echo one; sleep 0.5; echo two >&2",
        on_output=lambda stream, data: seen.append((stream, data, time.monotonic() - began)),
    )
    assert [(s, d) for s, d, _ in seen] == [("stdout", b"one\n"), ("stderr", b"two\n")]
    assert seen[1][2] - seen[0][2] > 0.3


async def test_flood_of_output_is_counted_and_bounded(sandbox: Sandbox) -> None:
    await run(sandbox, "true")
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lags: list[float] = []

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            lags.append(time.monotonic() - began - 0.01)

    watching = asyncio.create_task(watch())
    done = await run(sandbox, "head -c 150000000 /dev/zero; echo end >&2", timeout_s=60, output_limit=1000)
    watching.cancel()
    assert (done.exit_code, done.stdout_bytes, len(done.stdout), done.stderr) == (0, 150_000_000, 1000, b"end\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert sorted(lags)[int(len(lags) * 0.95)] < 0.1


async def test_nothing_is_reached_by_network(isolated: Sandbox) -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code = (
        "import socket,sys\n"
        f"for place in (('127.0.0.1',{port}),('1.1.1.1',53),('169.254.169.254',80),('172.17.0.1',{port})):\n"
        "    try: socket.create_connection(place,1); print('reached',place)\n"
        "    except OSError: pass\n"
    )
    done = await run(isolated, ["python3", "-c", code])
    server.close()
    assert (done.exit_code, done.stdout) == (0, b"")


async def test_the_host_is_not_to_be_seen(isolated: Sandbox, aether_home: Path) -> None:
    (aether_home / "secret").write_text("canary")
    (aether_home / "homes" / "8").mkdir()
    (aether_home / "homes" / "8" / "other").write_text("canary")
    looked = " ".join(
        [
            str(aether_home / "secret"),
            "../8/other",
            "/etc/shadow",
            "/root/.ssh",
            "/var/run/docker.sock",
            str(Path.cwd()),
        ]
    )
    done = await run(isolated, f"for f in {looked}; do head -c 100 $f || ls $f/; done 2>/dev/null")
    assert done.stdout == b""


async def test_workspaces_are_shared_and_nothing_beside_them(kind: SandboxKind, aether_home: Path) -> None:
    if not kind.isolated:
        pytest.skip(f"{kind.name} isolates nothing")
    team = aether_home / "workspaces" / "team"
    for folder in (team, team.parent / "other", aether_home / "homes" / "8"):
        folder.mkdir(parents=True)
    (team / "plan").write_text("plan\n")
    one = await kind.open(7, SPEC, aether_home / "homes" / "7", {"team": team})
    two = await kind.open(8, SPEC, aether_home / "homes" / "8", {"team": team})
    try:
        assert (
            await run(one, "cat /workspaces/team/plan; echo more >> /workspaces/team/plan; ls /workspaces")
        ).stdout == (b"plan\nteam\n")
        assert (await run(two, "cat /workspaces/team/plan")).stdout == b"plan\nmore\n"
    finally:
        await one.close()
        await two.close()


async def test_commands_are_without_privileges(isolated: Sandbox) -> None:
    done = await run(isolated, "cat /proc/self/status; id -u")
    lines = dict(line.split(":", 1) for line in done.stdout.decode().splitlines() if ":" in line)
    assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 0
    assert int(lines["NoNewPrivs"]) == 1
    assert done.stdout.decode().splitlines()[-1] != "0"
    assert (await run(isolated, "unshare -U true || unshare -r true")).exit_code != 0
    assert (await run(isolated, "mount -t tmpfs x /tmp || umount /proc")).exit_code != 0


async def test_only_home_and_temporary_folders_can_be_written(isolated: Sandbox) -> None:
    places = ["/", "/dev", "/usr", "/etc", "/bin", "/home", "/proc/sys/kernel", "/usr/local/bin", "/sys"]
    done = await run(isolated, "; ".join(f"touch {p}/mine && echo wrote {p}" for p in places))
    assert done.stdout == b""
    assert (await run(isolated, "touch ~/x /tmp/x")).exit_code == 0


async def test_files_in_memory_are_bounded(isolated: Sandbox) -> None:
    """They count as nobody's memory where there is no control group."""
    fill = "for i in 1 2 3; do head -c 300M /dev/zero > {}/$i || break; done; du -sm {} | cut -f1; rm -f {}/[123]"
    for place in ("/tmp", "/dev/shm"):
        try:
            assert int((await run(isolated, fill.replace("{}", place))).stdout or 0) <= 512
        except SandboxUnavailable:
            assert isolated.name == "docker", "its memory limit counts them"
    assert (await run(isolated, "echo x > /dev/null && echo alive")).stdout == b"alive\n"


async def test_the_kernel_cannot_be_set(isolated: Sandbox) -> None:
    """A server that runs as root shares its user with the commands, who would own /proc/sys then."""
    knobs = ["kernel/printk_delay", "kernel/core_pattern", "vm/swappiness", "net/ipv4/ip_default_ttl"]
    # Only opened for writing: were it possible, the test would not change the host.
    done = await run(isolated, "; ".join(f"(exec 3<>/proc/sys/{k}) 2>/dev/null && echo {k}" for k in knobs))
    assert done.stdout == b""
    assert (await run(isolated, "(exec 3>/proc/sysrq-trigger) 2>/dev/null")).exit_code != 0


async def test_fork_bomb_is_contained(isolated: Sandbox) -> None:
    await run(isolated, ":(){ :|:& };: ; sleep 1", timeout_s=4)
    began = time.monotonic()
    assert (await run(isolated, "echo alive")).stdout == b"alive\n"
    assert time.monotonic() - began < 5


async def test_memory_is_limited(isolated: Sandbox) -> None:
    done = await run(isolated, ["python3", "-c", "x = bytearray(1 << 30); print(len(x))"])
    assert done.exit_code not in (0, None)
    assert done.stdout == b""
    assert (await run(isolated, "echo alive")).stdout == b"alive\n"


async def test_processes_of_the_host_are_not_to_be_seen(isolated: Sandbox) -> None:
    done = await run(isolated, "ls -d /proc/[0-9]* | wc -l")
    assert int(done.stdout) < 10
    assert (await run(isolated, f"kill -0 {os.getpid()}")).exit_code != 0


async def test_many_commands_leave_nothing_open(sandbox: Sandbox) -> None:
    await run(sandbox, "true")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        await run(sandbox, "true")
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after - before < 5
