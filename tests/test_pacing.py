"""A volume is written to at its pace, whoever writes, and its device is left as it was found."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aether_jupyter.pacing import WRITES_S, pace_group, pace_volume
from aether_jupyter.volumes import Volumes

PACE = 20_000_000
THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")

Used = Callable[..., tuple[Volumes, Path]]


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Used]:
    """Makes a volume with room for 60 MB that is used."""
    made: list[Volumes] = []
    home = tmp_path / "homes" / "7"

    def use(bytes_s: int) -> tuple[Volumes, Path]:
        volumes = Volumes(tmp_path / "volumes", bytes_s)
        if why := volumes.missing():
            pytest.skip(f"not run: no volumes: {why}")
        made.append(volumes)
        assert volumes.use(7, home, 60 << 20)
        return volumes, home

    yield use
    for volumes in made:
        volumes.remove(7, home)


def _device(home: Path) -> str:
    number = home.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def _took(home: Path) -> float:
    began = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={home}/big", "bs=1M", "count=50", "conv=fsync"], check=True)
    return time.monotonic() - began


def test_a_volume_is_written_to_no_faster_than_its_pace(used: Used) -> None:
    if not THROTTLE.exists():
        pytest.skip("not run: the control groups of disks are not those of version 1 here")
    volumes, home = used(PACE)
    assert _took(home) > (50 << 20) / PACE * 0.8
    device = _device(home)
    assert f"{device} {PACE}\n" in THROTTLE.read_text()
    # Its device may be anybody's next.
    assert volumes.leave(7, home)
    assert f"{device} " not in THROTTLE.read_text()


def test_one_that_is_busy_keeps_its_pace(used: Used) -> None:
    if not THROTTLE.exists():
        pytest.skip("not run: the control groups of disks are not those of version 1 here")
    volumes, home = used(PACE)
    with (home / "open").open("w"):
        assert not volumes.leave(7, home)
        assert f"{_device(home)} {PACE}\n" in THROTTLE.read_text()


def test_without_a_pace_it_is_as_fast_as_the_disk(used: Used) -> None:
    _, home = used(0)
    assert _took(home) < (50 << 20) / PACE * 0.8


def test_a_group_is_told_the_device_and_its_pace(used: Used, tmp_path: Path) -> None:
    _, home = used(0)
    (tmp_path / "io.max").touch()
    pace_group(tmp_path, home, PACE)
    assert (tmp_path / "io.max").read_text() == f"{_device(home)} wbps={PACE} wiops={WRITES_S}"


def test_a_folder_of_the_machines_own_disk_is_never_slowed_down(tmp_path: Path) -> None:
    (tmp_path / "io.max").touch()
    pace_group(tmp_path, tmp_path, PACE)
    assert (tmp_path / "io.max").read_text() == ""
    before = THROTTLE.read_text() if THROTTLE.exists() else ""
    pace_volume(tmp_path, PACE)
    assert (THROTTLE.read_text() if THROTTLE.exists() else "") == before
