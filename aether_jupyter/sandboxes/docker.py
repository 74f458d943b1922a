"""Sandboxes by Docker: one hardened container a process, with one shell server in it that runs the commands.

The engine manages a dozen `exec`s a second; the server (`inside.py`) starts a command in about two milliseconds. The
container is made on first use and ends with the connection to it, so a server that dies leaves none behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import posixpath
import secrets
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..abc import NO_WORKSPACES, Availability, Completed, OnOutput, Reader, SandboxKind, Writer
from ..config import Settings
from ..model.agent import Desktop, SandboxSpec
from ..model.errors import FolderNotFound, SandboxUnavailable, ToolFailed
from ..pacing import pace_group
from ..plugins import hookimpl
from . import egress
from .command import Calls, clean_environment
from .containers import AS_THE_ENGINE, IMAGES, PATH, SUBNETS, WORKDIR, Confinement, Engine, Started, Way
from .desktop import DISPLAY, RunningDesktop, demultiplexed
from .disk import DiskWatch
from .egress import Egress
from .fairness import Fairness, usage_file
from .gpus import Found as FoundGpus
from .gpus import Gpus
from .gpus import found as found_gpus
from .lasting import run_lasting
from .shell import Call, Connection

_START_TIMEOUT_S = 30.0
_KILL_TIMEOUT_S = 3.0
_MET = {
    "memory": "the sandbox's limit of {spec.memory_mb} MB of memory was reached, and a process was killed",
    "processes": "the sandbox's limit of {spec.pids} processes was reached, and none more was started",
}


@hookimpl
def register_sandboxes(settings: Settings) -> Iterable[SandboxKind]:
    """Docker, wherever an engine answers."""
    confinement = Confinement(settings.container_runtime, settings.apparmor_profile)
    return [
        Docker(
            settings.home,
            confinement=confinement,
            quota_bytes=settings.home_quota_bytes,
            write_bytes_s=settings.home_write_mb_s * 1_000_000,
            private_hosts=settings.private_hosts,
            subnets=settings.sandbox_subnets,
        )
    ]


class Docker:
    """Opens containers at the engine, and removes what is left over."""

    name = "docker"
    isolated = True

    def __init__(
        self,
        home: Path,
        images: Mapping[Desktop, str] = IMAGES,
        *,
        confinement: Confinement = AS_THE_ENGINE,
        quota_bytes: int = 2_000_000_000,
        write_bytes_s: int = 0,
        private_hosts: Sequence[str] = (),
        subnets: str = SUBNETS,
        find_gpus: FoundGpus = found_gpus,
    ) -> None:
        self.quota_bytes = quota_bytes
        self.write_bytes_s = write_bytes_s
        self._home = home
        self.engine = Engine(str(home), images, confinement, subnets, find_gpus)
        self.gpus = Gpus()
        self.fairness = Fairness(self.engine.weigh)
        self.egress = Egress(self.engine, private_hosts)
        self._lock = asyncio.Lock()
        self._starting = asyncio.Semaphore(4)
        self._asked_at = 0.0
        self._answer: Availability | None = None

    async def available(self) -> Availability:
        """Whether an engine answers and has the image. The answer holds for 30 seconds, a no for five."""
        async with self._lock:
            age = time.monotonic() - self._asked_at
            if self._answer is None or self.engine.trouble or age > (30 if self._answer.ok else 5):
                self._answer = await asyncio.to_thread(self.engine.ask)
                self._asked_at = time.monotonic()
                self.gpus.know(self.engine.gpus)
            told = str(self.gpus)
            return replace(self._answer, detail=f"{self._answer.detail}; {told}") if told else self._answer

    async def open(
        self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path] = NO_WORKSPACES
    ) -> DockerSandbox:
        """A running container over this home. Raises `SandboxUnavailable`."""
        answer = await self.available()
        if not answer.ok:
            raise SandboxUnavailable(f"docker: {answer.detail}. {answer.fix}", fix=answer.fix)
        sandbox = DockerSandbox(self, pid, spec, home, workspaces)
        try:
            await sandbox.start()
        except BaseException:
            # What was made for it already goes, too.
            await sandbox.close()
            raise
        return sandbox

    async def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Remove the containers of processes of this `AETHER_HOME` that are not alive."""
        if self._answer is None:
            await self.available()
        gone = await asyncio.to_thread(self.engine.reap, instance, alive)
        await asyncio.to_thread(self.engine.reap_ways, instance, self.egress.networks)
        return gone

    async def open_elsewhere(self, pid: int) -> bool:
        """Whether another server has the process's container; see `aether_jupyter.abc.OneForAll`."""
        return await asyncio.to_thread(self.engine.runs, self._name(pid))

    def _name(self, pid: int) -> str:
        return f"aether-{hashlib.sha256(str(self._home).encode()).hexdigest()[:10]}-{pid}"

    async def connect(
        self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path], way: Way | None
    ) -> tuple[Connection, Started]:
        """Start a container and its shell server. Raises `SandboxUnavailable`."""
        token = secrets.token_hex(8)
        others = await asyncio.to_thread(self.engine.gpus_elsewhere) if spec.gpus else ()
        gpus = self.gpus.take(pid, spec.gpus, others)
        name = self._name(pid)
        async with self._starting:
            starting = asyncio.ensure_future(
                asyncio.to_thread(self.engine.start, name, pid, spec, home, workspaces, token, way, gpus)
            )
            try:
                started = await asyncio.shield(starting)
            except asyncio.CancelledError:
                # A thread cannot be stopped; what it makes meanwhile is removed before the cancellation goes on.
                await asyncio.wait({starting})
                await asyncio.to_thread(self.engine.remove, name)
                raise
            # By its id: under its name another server may have put a container of its own meanwhile.
            connection = Connection(functools.partial(self.engine.remove, started.id), started.keep, started.id)
            try:
                await connection.open(started.stream)
                connection.introduce()
                said = await asyncio.wait_for(connection.hello, _START_TIMEOUT_S)
            except (OSError, TimeoutError) as error:
                await connection.close()
                words = str(error) if str(error) else "it took too long"
                raise SandboxUnavailable(f"docker: the container did not start: {words}") from None
            except BaseException:
                await connection.close()
                raise
        if said != token:
            await connection.close()
            raise SandboxUnavailable(
                "docker: the engine does not see the folder of the homes (it runs elsewhere, or the folder is not "
                f"shared with it); set AETHER_HOME to a folder that it shares, such as one below {Path.home()}"
            )
        return connection, started

    async def tunnel(self, container: str, argv: Sequence[str]) -> tuple[Reader, Writer]:
        """Run a program in a container and speak with it. Raises `SandboxUnavailable`."""
        stream, keep = await asyncio.to_thread(self.engine.tunnel, container, argv)
        return await demultiplexed(stream, keep)

    async def freeze(self, container: str) -> bool:
        """Stop all processes of a container where they stand; False if that cannot be done."""
        return await asyncio.to_thread(self.engine.freeze, container)

    async def thaw(self, container: str) -> None:
        """Let them go on."""
        await asyncio.to_thread(self.engine.thaw, container)


class DockerSandbox:
    """One process's container. If it ends by itself (memory, engine), the next command starts a new one."""

    name = "docker"
    workdir = WORKDIR

    def __init__(self, kind: Docker, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path]) -> None:
        self.home = home
        self._workspaces = workspaces
        self._kind = kind
        self._pid = pid
        self._spec = spec
        self._calls = Calls()
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._started: Started | None = None
        self._way: Way | None = None
        self._desktop: RunningDesktop | None = None
        self._opening = asyncio.Lock()
        self._frozen = ""
        most = kind.quota_bytes if spec.disk_mb is None else spec.disk_mb << 20
        self._ending: asyncio.Future[None] | None = None
        self._disk = DiskWatch(home, most, self._full, lambda: self.busy)

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._calls.running > 0

    async def start(self) -> Connection:
        """The connection to the running container, made if there is none. Raises `SandboxUnavailable`."""
        async with self._lock:
            if self._connection is not None and self._connection.lost:
                self._kind.fairness.drop(self._connection.container)
                await self._connection.close()
                self._connection = None
            if self._spec.network == "allowed":
                self._way = await self._kind.egress.open(self._pid, self._spec.hosts)
            if self._connection is None:
                self._connection, self._started = await self._kind.connect(
                    self._pid, self._spec, self.home, self._workspaces, self._way
                )
                await self._disk.close()
                container = self._started.id
                first = await asyncio.to_thread(self._kind.engine.first_process, container)
                self._kind.fairness.add(container, first)
                if (file := usage_file(container, first)) is not None:
                    pace_group(file.parent, self.home, self._kind.write_bytes_s)
            self._disk.start()
            return self._connection

    async def display(self) -> tuple[Reader, Writer]:
        """A connection to the desktop; see `aether_jupyter.abc.DesktopSandbox`."""
        if self._calls.closed:
            raise SandboxUnavailable("the sandbox is closed")
        connection = await self.start()
        assert self._started is not None
        async with self._opening:
            if self._desktop is not None and self._desktop.runs(connection):
                try:
                    return await self._desktop.connect()
                except SandboxUnavailable:
                    if not await self._desktop.ended():
                        raise
            self._desktop = RunningDesktop(connection, self._started, self._kind.tunnel)
            await self._desktop.start(self._environment())
            return await self._desktop.connect()

    def _environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        shown = {} if self._spec.desktop == "none" else DISPLAY
        led = {} if self._way is None else egress.environment(self._way)
        return clean_environment(WORKDIR, PATH, {**shown, **led, **(env or {})})

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
        environment = self._environment(env)
        return await self._calls.run(
            run_lasting(
                command,
                "/bin/bash",
                home=self.home,
                workdir=WORKDIR,
                env=environment,
                run=lambda argv: self._run(argv, timeout_s, cwd, environment, stdin, output_limit, on_output),
            )
        )

    async def terminal(self) -> list[str]:
        """A shell in the home, made in the running container; see `aether_jupyter.abc.Sandbox`."""
        if self._calls.closed:
            raise SandboxUnavailable("the sandbox is closed")
        from . import terminal

        connection = await self.start()
        environment = self._environment({"TERM": terminal.TYPE})
        return terminal.command(["/bin/bash", "-i"], environment, cwd=WORKDIR, container=connection.container)

    async def resting(self) -> bool:
        """Whether no command and no terminal is open; see `aether_jupyter.abc.RestingSandbox`."""
        if self.busy:
            return False
        started = self._started
        return started is None or not await asyncio.to_thread(self._kind.engine.entered, started.id)

    async def freeze(self) -> bool:
        """Stop all that runs in the container where it stands; see `aether_jupyter.abc.Freezable`."""
        connection = self._connection
        if connection is None or connection.lost:
            return False
        if await self._kind.freeze(connection.container):
            self._frozen = connection.container
        return bool(self._frozen)

    async def thaw(self) -> None:
        """Let it go on."""
        frozen, self._frozen = self._frozen, ""
        if frozen:
            await self._kind.thaw(frozen)

    async def close(self) -> None:
        """End what still runs and remove the container."""
        await self._calls.close()
        await self._disk.close()
        async with self._lock:
            if self._ending is not None:
                await self._ending
            if self._connection is not None:
                self._kind.fairness.drop(self._connection.container)
                await self._connection.close()
                self._connection = None
            self._kind.gpus.give_back(self._pid)
            await self._kind.egress.close(self._pid)

    async def _run(
        self,
        argv: list[str],
        timeout_s: float,
        cwd: str,
        env: dict[str, str],
        stdin: bytes,
        output_limit: int,
        on_output: OnOutput | None,
    ) -> Completed:
        connection = await self.start()
        began = time.perf_counter()
        call = Call(output_limit, on_output)
        number = connection.begin(call)
        try:
            wish = {
                "argv": argv,
                "cwd": posixpath.join(WORKDIR, cwd),
                "env": env,
                "stdin": bool(stdin),
            }
            await connection.send(b"R", number, json.dumps(wish).encode())
            for start in range(0, len(stdin), 65536):
                await connection.send(b"I", number, stdin[start : start + 65536])
            if stdin:
                await connection.send(b"E", number, b"")
            done, _ = await asyncio.wait({call.ended}, timeout=timeout_s)
            if not done:
                call.timed_out = True
                await self._kill(connection, number, call)
        except BaseException:
            if not call.ended.done():
                await asyncio.shield(self._kill(connection, number, call))
            raise
        finally:
            connection.end(number)
        if call.trouble and call.astray:
            raise FolderNotFound(f"the command did not run: its folder cannot be entered: {call.trouble}")
        if call.trouble:
            raise ToolFailed(f"the command could not be started: {call.trouble}")
        if call.lost:
            raise SandboxUnavailable(
                "the container ended while the command ran (its memory limit, or the engine was stopped); "
                "files are kept, and the next command starts a new one"
            )
        met = "".join(f"[{_MET[limit].format(spec=self._spec)}]\n" for limit in call.limits).encode()
        return Completed(
            exit_code=None if call.timed_out else call.code,
            stdout=bytes(call.kept["stdout"]),
            stderr=bytes(call.kept["stderr"]) + met,
            stdout_bytes=call.counted["stdout"],
            stderr_bytes=call.counted["stderr"] + len(met),
            duration_s=time.perf_counter() - began,
            timed_out=call.timed_out,
        )

    def _full(self, words: str) -> None:
        self._calls.cut(words)
        if self._connection is not None:
            # What commands left in the background ends with the container only.
            self._ending = asyncio.ensure_future(self._connection.close())

    async def _kill(self, connection: Connection, number: int, call: Call) -> None:
        """Kill one command; the whole container, if it does not die."""
        with contextlib.suppress(SandboxUnavailable):
            await connection.send(b"K", number, b"")
        done, _ = await asyncio.wait({call.ended}, timeout=_KILL_TIMEOUT_S)
        if not done:
            await connection.close()
