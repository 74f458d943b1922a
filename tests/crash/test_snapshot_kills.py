"""A server that is killed in the middle of a snapshot and of a restore: nothing is left half, and the agent goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.engine.manifest import digests
from aether_jupyter.runtime.vault import Vault

from .fleet import Server

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


def _started(home: Path, sandbox: str, point: str = "none") -> Server:
    server = Server.stopping(home, sandbox, point)
    server.until("ready")
    return server


def _asked(server: Server, order: str, key: str) -> Any:
    server.order(order)
    return server.until(key)[key]


def _left(home: Path, server: Server) -> list[str]:
    """Everything that lies about and that no row names."""
    server.order("look")
    found = server.until("manifests")
    vault = Vault(home / "snapshots", "crash")
    wrong = [f"{each} is in staging" for each in (vault.root / "staging").glob("*")]
    manifests = {each.name for each in (vault.root / "manifests").glob("*")}
    wrong += [f"manifest {name} and its row differ" for name in manifests ^ set(found["manifests"])]
    named = {digest for name in manifests for digest, _ in digests(vault.read(name))}
    kept = {each.parent.name + each.name for each in (vault.root / "objects").glob("*/*")}
    wrong += [f"content {digest[:12]} is nobody's, or gone" for digest in kept ^ named]
    homes = {each.stem for folder in ("homes", "volumes") for each in (home / folder).glob("*") if each.stem.isdigit()}
    wrong += [f"home {pid} is nobody's" for pid in homes - {str(pid) for pid in found["pids"]}]
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    wrong += [f"{each} is mounted" for each in mounts if each.startswith(str(home / "snapshots"))]
    wrong += [f"{name} remembers, and is nobody" for name in set(found["spaces"]) - set(found["names"])]
    return wrong


@pytest.mark.parametrize("point", ["copied", "kept", "written"])
def test_a_kill_during_a_snapshot_leaves_no_half_of_one_and_the_agent_goes_on(tmp_path: Path, point: str) -> None:
    home = tmp_path / "home"
    server = _started(home, "host", point)
    pid = _asked(server, "begin", "pid")
    assert _asked(server, f"take {pid}", "at") == point
    server.kill()
    server = _started(home, "host")
    try:
        assert _left(home, server) == []
        key = _asked(server, f"take {pid}", "key")
        assert "41 cases" in _asked(server, f"finish {pid}", "finished")
        again = _asked(server, f"restore {key}", "restored")
        assert "41 cases" in _asked(server, f"finish {again}", "finished")
        assert _left(home, server) == []
    finally:
        server.stop()


@pytest.mark.parametrize("point", ["filled", "placed"])
def test_a_kill_during_a_restore_leaves_no_half_of_one_and_it_can_be_restored(tmp_path: Path, point: str) -> None:
    home = tmp_path / "home"
    server = _started(home, "host", point)
    pid = _asked(server, "begin", "pid")
    key = _asked(server, f"take {pid}", "key")
    assert _asked(server, f"restore {key}", "at") == point
    server.kill()
    server = _started(home, "host")
    try:
        assert _left(home, server) == []
        again = _asked(server, f"restore {key}", "restored")
        assert again == pid + 1
        assert "41 cases" in _asked(server, f"finish {again}", "finished")
        assert "41 cases" in _asked(server, f"finish {pid}", "finished")
        assert _left(home, server) == []
    finally:
        server.stop()


def _containers(home: Path) -> list[str]:
    label = f"label=aether.home={home}"
    argv = ["docker", "ps", "--all", "--filter", label, "--format", "{{.State}}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.docker
def test_a_container_that_was_frozen_when_its_server_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = _started(home, "docker", "copied")
    pid = _asked(server, "begin", "pid")
    assert _asked(server, f"take {pid}", "at") == "copied"
    server.kill()
    assert _containers(home) == ["paused"]
    server = _started(home, "docker")
    try:
        assert _left(home, server) == []
        assert _asked(server, f"take {pid}", "key")
        assert "41 cases" in _asked(server, f"finish {pid}", "finished")
    finally:
        server.stop()
    assert _containers(home) == []
