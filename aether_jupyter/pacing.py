"""How fast agents' volumes may be written to; the kernel's control groups hold it.

What an agent writes goes to the disk by the kernel's own hand, beyond the limits of the agent's sandbox: who fills its
home again and again would slow down everybody's files. Groups of version 1 count that for the root group, so there the
pace belongs to the volume. Version 2 counts it for the group that wrote, and has none for the root group, so there it
belongs to each sandbox. Where neither can be set nothing is.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

WRITES_S = 2_000
"""Single writes a second, beside the bytes: each waits for the journal of the file system beneath, as others' do."""
_VERSION_1 = Path("/sys/fs/cgroup/blkio")


def pace_volume(mount: Path, bytes_s: int) -> None:
    """Have the volume that is mounted here written at this pace, whoever writes; at any with 0. Version 1."""
    if (device := _device(mount)) is not None:
        set_control(_VERSION_1 / "blkio.throttle.write_bps_device", f"{device} {bytes_s}")
        set_control(_VERSION_1 / "blkio.throttle.write_iops_device", f"{device} {WRITES_S if bytes_s else 0}")


def pace_group(group: Path, mount: Path, bytes_s: int) -> None:
    """Have what is in this control group write to the volume at this pace, at any with 0. Version 2."""
    if (device := _device(mount)) is not None:
        pace = f"wbps={bytes_s} wiops={WRITES_S}" if bytes_s else "wbps=max wiops=max"
        set_control(group / "io.max", f"{device} {pace}")


def _device(mount: Path) -> str | None:
    """The numbers of the device that is mounted here, if it is one of a volume."""
    with contextlib.suppress(OSError):
        number = mount.stat().st_dev
        device = f"{os.major(number)}:{os.minor(number)}"
        if os.path.ismount(mount) and Path(f"/sys/dev/block/{device}/loop").is_dir():
            return device
    return None


def set_control(file: Path, text: str) -> None:
    """Write to a file of the kernel's control groups, where it exists and the server may."""
    with contextlib.suppress(OSError), os.fdopen(os.open(file, os.O_WRONLY | os.O_CLOEXEC), "w") as opened:
        opened.write(text)
