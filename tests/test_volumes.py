"""Volumes of fixed size: made, found again, told apart between servers, and gone without a trace."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from aether_jupyter.model.errors import SandboxUnavailable
from aether_jupyter.volumes import Volumes


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    found = Volumes(tmp_path / "volumes")
    if why := found.missing():
        pytest.skip(f"not run: no volumes: {why}")
    yield found
    for pid in found.used():
        found.remove(pid, tmp_path / "homes" / str(pid))
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_it_holds_so_much_and_no_more(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    assert volumes.use(7, home, 50 << 20)
    assert os.path.ismount(home)
    assert (home.stat().st_uid, home.stat().st_gid, home.stat().st_mode & 0o777) == (1000, 1000, 0o700)
    assert list(home.iterdir()) == []
    subprocess.run(["dd", "if=/dev/zero", f"of={home}/all", "bs=1M", "count=50", "status=none"], check=True)
    with pytest.raises(OSError, match="No space") as full:
        (home / "more").write_bytes(b"x" * (20 << 20))
    assert full.value.errno == errno.ENOSPC
    (home / "more").unlink()
    (home / "all").unlink()
    (home / "after").write_text("room again")


def test_the_file_is_as_small_as_what_it_holds_and_its_owners_alone(volumes: Volumes, tmp_path: Path) -> None:
    volumes.use(7, tmp_path / "homes" / "7", 2_000_000_000)
    image = tmp_path / "volumes" / "7.img"
    assert image.stat().st_blocks * 512 < 8 << 20
    assert image.stat().st_mode & 0o077 == 0
    assert image.parent.stat().st_mode & 0o077 == 0


def test_it_is_left_and_found_again_with_its_files(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    volumes.use(7, home, 20 << 20)
    (home / "kept").write_text("here")
    assert volumes.leave(7, home)
    assert not os.path.ismount(home)
    assert list(home.iterdir()) == []
    assert volumes.use(7, home, None)
    assert (home / "kept").read_text() == "here"
    assert Volumes(tmp_path / "volumes").pids() == [7]


def test_no_devices_and_no_programs_of_others_count_in_it(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    volumes.use(7, home, 20 << 20)
    (line,) = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(home) in line]
    assert {"nosuid", "nodev"} <= set(line.split()[3].split(","))


def test_a_folder_that_holds_files_stays_as_it_is(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    home.mkdir(parents=True)
    (home / "old").write_text("from before")
    assert not volumes.use(7, home, 20 << 20)
    assert (home / "old").read_text() == "from before"
    assert volumes.pids() == []


def test_what_is_open_keeps_it_mounted_and_it_can_be_left_later(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    volumes.use(7, home, 20 << 20)
    with (home / "file").open("w"):
        assert not volumes.leave(7, home)
        assert os.path.ismount(home)
    assert volumes.leave(7, home)
    assert not os.path.ismount(home)


def test_none_is_unmounted_that_another_server_uses(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    other = Volumes(tmp_path / "volumes")
    volumes.use(7, home, 20 << 20)
    assert other.use(7, home, None)
    assert volumes.leave(7, home)
    assert os.path.ismount(home)
    (home / "file").write_text("the other writes on")
    assert other.leave(7, home)
    assert not os.path.ismount(home)


def test_one_of_a_killed_server_is_taken_up_and_ended(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from aether_jupyter.volumes import Volumes
        Volumes(Path(sys.argv[1])).use(7, Path(sys.argv[2]), 20 << 20)
        (Path(sys.argv[2]) / "kept").write_text("by the dead")
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "volumes", home]).returncode == -9
    assert os.path.ismount(home)
    assert volumes.use(7, home, None)
    assert (home / "kept").read_text() == "by the dead"
    assert volumes.leave(7, home)
    assert not os.path.ismount(home)


def test_removing_takes_file_and_mount_though_somebody_looks_at_it(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    volumes.use(7, home, 20 << 20)
    with (home / "file").open("w"):
        volumes.remove(7, home)
        assert not os.path.ismount(home)
        assert volumes.pids() == []
    assert not volumes.use(7, home, None)


def test_what_cannot_be_mounted_is_told(volumes: Volumes, tmp_path: Path) -> None:
    home = tmp_path / "homes" / "7"
    (tmp_path / "volumes" / "7.img").write_bytes(b"no file system" * 1000)
    with pytest.raises(SandboxUnavailable, match="mount: "):
        volumes.use(7, home, None)


def test_who_is_not_root_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Volumes(tmp_path / "volumes").missing() in ("the server is not root", "they need Linux")
