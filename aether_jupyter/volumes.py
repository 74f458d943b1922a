"""Folders of a fixed size: an ext4 file system in one sparse file, mounted where the folder is.

For homes of agents, where the server is root on Linux and has loop devices: what is written there cannot come to more
than the file system holds, whoever writes it. A volume is mounted while a server uses it; locks on its file tell
several servers on one `AETHER_HOME` apart, so that none unmounts what another works on. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .model.errors import SandboxUnavailable
from .pacing import pace_volume

_OPTIONS = "loop,noatime,nosuid,nodev,discard,noinit_itable,errors=remount-ro"
_TIMEOUT_S = 60
_PROGRAMS = ("mkfs.ext4", "mount", "umount")
_SPARE_BYTES = 24 << 20
"""What the file system needs for itself, beside what grows with it."""
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
OWNER = 1000
"""Whom a volume belongs to: who commands run as where the server is root."""


class Volumes:
    """The volumes of one `AETHER_HOME`, each a file named by its PID. Safe to be used by threads.

    `write_bytes_s` is the pace at which each may be written to while it is used; with 0 it is any.
    """

    def __init__(self, folder: Path, write_bytes_s: int = 0) -> None:
        self._folder = folder
        self._write_bytes_s = write_bytes_s
        self._lock = threading.Lock()
        self._why: str | None = None
        self._used: dict[int, int] = {}
        self._asked_at: dict[int, float] = {}

    def missing(self) -> str:
        """Why there can be no volumes here; '' if there can. Tried once, by really mounting one."""
        with self._lock:
            if self._why is None:
                self._why = self._tried()
            return self._why

    def use(self, pid: int, mount: Path, size_bytes: int | None) -> bool:
        """Mount the volume of this process on its folder, made anew in this size where there is none and it is given.

        False if there is none, or if the folder holds files already and so stays as it is. Raises
        `SandboxUnavailable`.
        """
        with self._lock:
            if pid in self._used:
                self._asked_at[pid] = time.monotonic()
                return True
            image = self._image(pid)
            if not image.exists() and (size_bytes is None or not self._make(image, mount, size_bytes)):
                return False
            try:
                self._used[pid] = _held(image, mount)
            except FileNotFoundError:
                return False
            pace_volume(mount, self._write_bytes_s)
            self._asked_at[pid] = time.monotonic()
            return True

    @contextmanager
    def filling(self, image: Path, mount: Path, size_bytes: int) -> Iterator[None]:
        """A new volume that is nobody's yet, mounted to be filled within the block; `give` makes it a process's."""
        _format(image, size_bytes)
        _run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(mount))
        try:
            with contextlib.suppress(OSError):
                (mount / "lost+found").rmdir()
            yield
        finally:
            _run("umount", str(mount))

    def give(self, image: Path, pid: int) -> None:
        """Have a volume that was filled be that of a process, which has none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        image.rename(self._image(pid))

    def leave(self, pid: int, mount: Path, asked_before: float = float("inf")) -> bool:
        """Unmount it, unless another server uses it or something in it is open; then it can be tried again.

        It stays as well if `use` was called at `asked_before` (of the monotonic clock) or later: whoever decided to
        leave did not know of that.
        """
        with self._lock:
            fd = self._used.get(pid)
            if fd is None:
                return True
            if self._asked_at.get(pid, 0.0) >= asked_before:
                return False
            if _alone(fd):
                # What is left to be written need not be slow, and the device is somebody else's next.
                pace_volume(mount, 0)
                if not _unmounted(mount):
                    pace_volume(mount, self._write_bytes_s)
                    _shared(fd)
                    return False
            del self._used[pid]
            self._asked_at.pop(pid, None)
            os.close(fd)
            return True

    def remove(self, pid: int, mount: Path) -> None:
        """Unmount and delete it for good, whoever uses it still."""
        with self._lock:
            fd = self._used.pop(pid, None)
            self._asked_at.pop(pid, None)
            if os.path.ismount(mount):
                pace_volume(mount, 0)
                # What is open in it stays readable for who has it open, and is gone with the last of them.
                _run("umount", "--lazy", str(mount))
            self._image(pid).unlink(missing_ok=True)
            if fd is not None:
                os.close(fd)

    def pids(self) -> list[int]:
        """The processes that have one."""
        found = self._folder.glob("*.img") if self._folder.is_dir() else ()
        return [int(path.stem) for path in found if path.stem.isdigit()]

    def used(self) -> list[int]:
        """Those that are mounted by this server."""
        with self._lock:
            return list(self._used)

    def _image(self, pid: int) -> Path:
        return self._folder / f"{int(pid)}.img"

    def _make(self, image: Path, mount: Path, size_bytes: int) -> bool:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _exclusive(self._folder / "lock"):
            if image.exists():
                return True
            if mount.is_dir() and (os.path.ismount(mount) or any(mount.iterdir())):
                return False
            part = image.with_suffix(".part")
            _format(part, size_bytes)
            part.rename(image)
        return True

    def _tried(self) -> str:
        if not sys.platform.startswith("linux"):
            return "they need Linux"
        if os.geteuid() != 0:
            return "the server is not root"
        missing = [name for name in _PROGRAMS if shutil.which(name, path=_SBIN) is None]
        if missing:
            return f"there is no {missing[0]} here"
        if not os.path.exists("/dev/loop-control"):
            return "there are no loop devices here"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        image, place = self._folder / "trial", self._folder / "trial.d"
        try:
            with _exclusive(self._folder / "lock"):
                _format(image, 1 << 20)
                place.mkdir(exist_ok=True)
                os.close(_held(image, place))
                _unmounted(place)
        except (OSError, SandboxUnavailable) as error:
            return f"none can be mounted here: {error}"
        finally:
            image.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                place.rmdir()
        return ""


def _format(image: Path, size_bytes: int) -> None:
    """An empty file system that has room for so many bytes."""
    with image.open("wb") as file:
        file.truncate((size_bytes * 104 // 100 + _SPARE_BYTES) // 4096 * 4096)
    image.chmod(0o600)
    # A little is kept for the server, so that a full home can be worked on; the other options keep the file small.
    _run(
        *("mkfs.ext4", "-q", "-F", "-m", "0.1", "-i", "8192", "-J", "size=8"),
        *("-E", f"lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner={OWNER}:{OWNER}", str(image)),
    )


def _held(image: Path, mount: Path) -> int:
    """A descriptor of the image that says it is in use, and the image mounted. Raises `FileNotFoundError`."""
    fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            _shared(fd)
            if os.path.ismount(mount):
                return fd
            if os.fstat(fd).st_nlink == 0:
                raise FileNotFoundError(str(image))
            if not _alone(fd):
                # Another server is about to mount it, or has just let go of it.
                time.sleep(0.005)
                continue
            if not os.path.ismount(mount):
                mount.mkdir(mode=0o700, parents=True, exist_ok=True)
                _run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(mount))
                mount.chmod(0o700)
                with contextlib.suppress(OSError):
                    (mount / "lost+found").rmdir()
            # Between the two locks another server may have its turn: looked at again.
    except BaseException:
        os.close(fd)
        raise


def _alone(fd: int) -> bool:
    """Whether nobody else uses it; then nobody can begin to until the descriptor is closed or shared again."""
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _shared(fd: int) -> None:
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_SH)


def _unmounted(mount: Path) -> bool:
    if not os.path.ismount(mount):
        return True
    try:
        _run("umount", str(mount))
    except SandboxUnavailable:
        return False
    return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*argv: str) -> None:
    program = shutil.which(argv[0], path=_SBIN) or argv[0]
    try:
        done = subprocess.run(
            [program, *argv[1:]], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env={"LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(f"{argv[0]}: {error}") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-300:] or f"exit code {done.returncode}"
        raise SandboxUnavailable(f"{argv[0]}: {words}")
