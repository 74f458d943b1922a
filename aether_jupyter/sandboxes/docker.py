"""Sandboxes by Docker: one hardened container a process, with one shell server in it that runs the commands.

The engine manages a dozen `exec`s a second; the server (`inside.py`) starts a command in about two milliseconds. The
container is made on first use and ends with the connection to it, so a server that dies leaves none behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import itertools
import json
import logging
import os
import posixpath
import secrets
import socket
import struct
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import beneath
from ..abc import NO_WORKSPACES, Availability, Completed, OnOutput, SandboxKind
from ..config import Settings
from ..model.agent import SandboxSpec
from ..model.errors import FolderNotFound, SandboxUnavailable, ToolFailed
from ..plugins import hookimpl
from .command import Calls, clean_environment, own_home
from .lasting import run_lasting

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

IMAGE = "aether-sandbox"
WORKDIR = "/home/agent"

_HEADER = struct.Struct(">cII")
_ENGINE_HEADER = struct.Struct(">BxxxI")
_FRAME_LIMIT = 1 << 20
_ENGINE_TIMEOUT_S = 20
_START_TIMEOUT_S = 30.0
_KILL_TIMEOUT_S = 3.0
_LEAVING_S = 15.0
"""Seconds an engine is given to take a container away whose name is wanted again."""
_PATH = f"{WORKDIR}/.local/bin:/usr/local/bin:/usr/bin:/bin"
_LOADER = """import os
text = b""
while len(text) < {size}:
    text += os.read(0, {size} - len(text)) or exit(1)
exec(text)"""
_LIMITS = {"MemoryLimit": "the memory", "PidsLimit": "the processes"}
_FIX_ENGINE = "install it with 'apt-get install docker.io iptables' (or Docker Desktop) and start it"
_FIX_IMAGE = "run 'make images'"


@hookimpl
def register_sandboxes(settings: Settings) -> Iterable[SandboxKind]:
    """Docker, wherever an engine answers."""
    return [Docker(settings.home)]


class Docker:
    """Asks the engine, opens containers, removes what is left over."""

    name = "docker"
    isolated = True

    def __init__(self, home: Path, image: str = IMAGE) -> None:
        self._home = home
        self._image = image
        self._client: APIClient | None = None
        self._lock = asyncio.Lock()
        self._starting = asyncio.Semaphore(4)
        self._asked_at = 0.0
        self._answer: Availability | None = None
        self._cpus = 1
        self._user = ""

    async def available(self) -> Availability:
        """Whether an engine answers and has the image. The answer holds for 30 seconds, a no for five."""
        async with self._lock:
            age = time.monotonic() - self._asked_at
            if self._answer is None or age > (30 if self._answer.ok else 5):
                self._answer = await asyncio.to_thread(self._ask)
                self._asked_at = time.monotonic()
            return self._answer

    async def open(
        self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path] = NO_WORKSPACES
    ) -> DockerSandbox:
        """A running container over this home. Raises `SandboxUnavailable`."""
        answer = await self.available()
        if not answer.ok:
            raise SandboxUnavailable(f"docker: {answer.detail}. {answer.fix}", fix=answer.fix)
        sandbox = DockerSandbox(self, pid, spec, home, workspaces)
        await sandbox.start()
        return sandbox

    async def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Remove the containers of processes of this `AETHER_HOME` that are not alive."""
        if self._answer is None:
            await self.available()
        if self._client is None:
            return []
        return await asyncio.to_thread(self._reap, instance, alive)

    async def connect(self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path]) -> _Connection:
        """Start a container and its shell server. Raises `SandboxUnavailable`."""
        token = secrets.token_hex(8)
        name = f"aether-{hashlib.sha256(str(self._home).encode()).hexdigest()[:10]}-{pid}"
        async with self._starting:
            starting = asyncio.ensure_future(asyncio.to_thread(self._start, name, pid, spec, home, workspaces, token))
            try:
                sock, keep, made = await asyncio.shield(starting)
            except asyncio.CancelledError:
                # A thread cannot be stopped; what it makes meanwhile is removed before the cancellation goes on.
                await asyncio.wait({starting})
                await asyncio.to_thread(self._remove, name)
                raise
            # By its id: under its name another server may have put a container of its own meanwhile.
            connection = _Connection(functools.partial(self._remove, made), keep)
            try:
                await connection.open(sock)
                connection.begin_with(_source())
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
        return connection

    def _ask(self) -> Availability:
        try:
            import docker
            from docker.errors import DockerException, ImageNotFound
        except ImportError:
            return Availability(False, "the package 'docker' is missing", "pip install docker")
        try:
            if self._client is None:
                self._client = docker.APIClient(timeout=_ENGINE_TIMEOUT_S, **_engine())
                self._client._version = self._client._retrieve_server_version()
            info = self._client.info()
        except (DockerException, OSError) as error:
            self._client = None
            log.debug("no Docker engine: %s", error)
            return Availability(False, "no Docker engine answers", _FIX_ENGINE)
        if info.get("OSType") != "linux":
            return Availability(False, "the engine runs no Linux containers", "switch it to Linux containers")
        unlimited = [word for name, word in _LIMITS.items() if info.get(name) is False]
        if unlimited:
            # Such an engine starts containers all the same, and only says so in a warning.
            return Availability(
                False,
                f"the engine cannot limit {' and '.join(unlimited)} of a container",
                "a rootless engine needs control groups of version 2 for that "
                "(boot with systemd.unified_cgroup_hierarchy=1)",
            )
        try:
            image = self._client.inspect_image(self._image)
        except ImageNotFound:
            return Availability(False, f"the image {self._image} is not there", _FIX_IMAGE)
        except (DockerException, OSError) as error:
            return Availability(False, f"the engine refuses: {error}", _FIX_ENGINE)
        self._cpus = int(info.get("NCPU") or 1)
        self._user = _user("name=rootless" in info.get("SecurityOptions", ()))
        return Availability(
            True, f"engine {info.get('ServerVersion')}, image {image['Id'].removeprefix('sha256:')[:12]}"
        )

    def _start(
        self, name: str, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path], token: str
    ) -> tuple[socket.socket, object, str]:
        from docker.errors import APIError, DockerException, ImageNotFound
        from docker.types import Mount, Ulimit

        client = self._client
        if client is None:
            raise SandboxUnavailable(f"docker: no Docker engine answers. {_FIX_ENGINE}")
        uid, _, gid = self._user.partition(":")
        if hasattr(os, "geteuid") and os.geteuid() == 0 and uid != "0":
            for folder in (home, *workspaces.values()):
                own_home(folder, int(uid), int(gid))
        beneath.write(home, ".aether/token", token.encode())
        memory = spec.memory_mb << 20
        host = client.create_host_config(
            auto_remove=True,
            network_mode="none" if spec.network == "none" else "bridge",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            tmpfs={"/tmp": "size=512m,mode=1777,exec", "/run": "size=16m,mode=755"},  # noqa: S108 (inside the container)
            shm_size=256 << 20,
            ipc_mode="private",
            pids_limit=spec.pids,
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=int(min(spec.cpus, self._cpus) * 1e9),
            ulimits=[Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=4096, hard=4096)],
            # What the server says would otherwise be kept a second time, in the engine's own log.
            log_config={"Type": "none", "Config": {}},
            mounts=[
                Mount(WORKDIR, str(home), type="bind"),
                *(Mount(f"/workspaces/{name}", str(folder), type="bind") for name, folder in workspaces.items()),
            ],
        )
        try:
            deadline = time.monotonic() + _LEAVING_S
            while True:
                try:
                    made = client.create_container(
                        self._image,
                        ["python3", "-I", "-u", "-c", _LOADER.format(size=len(_source()))],
                        name=name,
                        hostname="sandbox",
                        user=self._user,
                        working_dir=WORKDIR,
                        environment=clean_environment(WORKDIR, _PATH),
                        stdin_open=True,
                        labels={"aether.home": str(self._home), "aether.pid": str(pid)},
                        host_config=host,
                        # An image's own entry point has no say.
                        entrypoint=[],
                    )
                    break
                except APIError as error:
                    if error.status_code != 409 or time.monotonic() > deadline:
                        raise
                    # Left by a server that had this process before, or ended by itself and not yet taken away.
                    self._remove(name)
                    time.sleep(0.05)
            keep = client.attach_socket(made, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            client.start(made)
        except ImageNotFound:
            self._answer = None
            raise SandboxUnavailable(f"docker: the image {self._image} is not there. {_FIX_IMAGE}") from None
        except APIError as error:
            self._answer = None
            self._remove(name)
            raise SandboxUnavailable(f"docker: the container did not start: {error.explanation or error}") from None
        except (DockerException, OSError) as error:
            self._answer = None
            self._remove(name)
            log.debug("no Docker engine: %s", error)
            raise SandboxUnavailable(f"docker: the engine does not answer any more. {_FIX_ENGINE}") from None
        raw = getattr(keep, "_sock", keep)
        if not isinstance(raw, socket.socket):
            self._remove(name)
            raise SandboxUnavailable("docker: the engine is reached by a way that has no sockets; use a Unix socket")
        return raw, keep, str(made["Id"])

    def _remove(self, container: str) -> None:
        from docker.errors import DockerException

        if self._client is None:
            return
        # It may be going by itself already, or be gone; a list by label finds what stays.
        with contextlib.suppress(DockerException, OSError):
            self._client.remove_container(container, force=True, v=True)

    def _reap(self, instance: str, alive: Container[int]) -> list[int]:
        from docker.errors import DockerException

        gone: list[int] = []
        if self._client is None:
            return gone
        try:
            for found in self._client.containers(all=True, filters={"label": f"aether.home={instance}"}):
                pid = found["Labels"].get("aether.pid", "")
                if pid.isdigit() and int(pid) not in alive:
                    self._remove(found["Id"])
                    gone.append(int(pid))
        except (DockerException, OSError) as error:
            log.warning("containers could not be listed: %s", error)
        return gone


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
        self._connection: _Connection | None = None

    async def start(self) -> _Connection:
        """The connection to the running container, made if there is none. Raises `SandboxUnavailable`."""
        async with self._lock:
            if self._connection is not None and self._connection.lost:
                await self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = await self._kind.connect(self._pid, self._spec, self.home, self._workspaces)
            return self._connection

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
        environment = clean_environment(WORKDIR, _PATH, env)
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

    async def close(self) -> None:
        """End what still runs and remove the container."""
        await self._calls.close()
        async with self._lock:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

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
        call = _Call(output_limit, on_output)
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
        return Completed(
            exit_code=None if call.timed_out else call.code,
            stdout=bytes(call.kept["stdout"]),
            stderr=bytes(call.kept["stderr"]),
            stdout_bytes=call.counted["stdout"],
            stderr_bytes=call.counted["stderr"],
            duration_s=time.perf_counter() - began,
            timed_out=call.timed_out,
        )

    async def _kill(self, connection: _Connection, number: int, call: _Call) -> None:
        """Kill one command; the whole container, if it does not die."""
        with contextlib.suppress(SandboxUnavailable):
            await connection.send(b"K", number, b"")
        done, _ = await asyncio.wait({call.ended}, timeout=_KILL_TIMEOUT_S)
        if not done:
            await connection.close()


class _Call:
    """What came of one command so far."""

    def __init__(self, limit: int, on_output: OnOutput | None) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.counted = {"stdout": 0, "stderr": 0}
        self.code: int | None = None
        self.trouble = ""
        self.astray = False
        self.timed_out = False
        self.lost = False
        self._limit = limit
        self._on_output = on_output

    def take(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        self.counted[stream] += len(data)
        room = self._limit - len(self.kept[stream])
        if room > 0:
            self.kept[stream] += data[:room]
        if self._on_output is not None:
            self._on_output(stream, data)

    def finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class _Connection:
    """The stream to a container's shell server. Nothing that comes from it is believed beyond its bounds."""

    def __init__(self, remove: Callable[[], None], keep: object) -> None:
        self.hello: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lost = False
        self._remove = remove
        # The client's own object closes the socket when it is collected.
        self._keep = keep
        self._numbers = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._said = b""

    async def open(self, sock: socket.socket) -> None:
        """Begin to read."""
        sock.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=sock, limit=1 << 18)
        self._task = asyncio.create_task(self._listen(reader))

    def begin_with(self, source: bytes) -> None:
        """Hand over the shell server's own text."""
        if self._writer is not None:
            self._writer.write(source)

    def begin(self, call: _Call) -> int:
        """A number under which the call's frames come."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._calls[number] = call
        return number

    def end(self, number: int) -> None:
        """Forget a call."""
        self._calls.pop(number, None)

    async def send(self, kind: bytes, number: int, body: bytes) -> None:
        """Write one frame. Raises `SandboxUnavailable` if the container is gone."""
        if self._writer is None or self.lost:
            raise SandboxUnavailable("the container has ended; the next command starts a new one")
        try:
            self._writer.write(_HEADER.pack(kind, number, len(body)) + body)
            await self._writer.drain()
        except OSError:
            self.lost = True
            raise SandboxUnavailable("the container has ended; the next command starts a new one") from None

    async def close(self) -> None:
        """End the container. Never raises for what is gone already."""
        self.lost = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=2.0)
        if self._writer is not None:
            self._writer.close()
        self._drop()
        removal = asyncio.ensure_future(asyncio.to_thread(self._remove))
        try:
            await asyncio.shield(removal)
        except asyncio.CancelledError:
            # Left alone, it would be cut off when the loop closes.
            await asyncio.wait({removal})
            raise

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        counted = 0
        try:
            while True:
                stream, length = _ENGINE_HEADER.unpack(await reader.readexactly(_ENGINE_HEADER.size))
                while length:
                    data = await reader.read(min(length, 1 << 16))
                    if not data:
                        return
                    length -= len(data)
                    if stream != 1:
                        self._said = (self._said + data)[-2000:]
                        continue
                    buffer += data
                    counted += len(data)
                    if not self._take(buffer):
                        log.warning("the shell server of a container sent a malformed frame; closing it")
                        return
                    if counted > _FRAME_LIMIT:
                        # A flood of output leaves the loop to others now and then, and is slowed by not being read.
                        counted = 0
                        await asyncio.sleep(0.002)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.lost = True
            self._drop()

    def _take(self, buffer: bytearray) -> bool:
        """Use up the whole frames in the buffer; false if one cannot be."""
        while len(buffer) >= _HEADER.size:
            kind, number, length = _HEADER.unpack_from(buffer)
            if length > _FRAME_LIMIT:
                return False
            if len(buffer) < _HEADER.size + length:
                return True
            body = bytes(buffer[_HEADER.size : _HEADER.size + length])
            del buffer[: _HEADER.size + length]
            call = self._calls.get(number)
            if kind == b"H":
                if not self.hello.done():
                    self.hello.set_result(body.decode("utf-8", "replace"))
            elif call is None or call.ended.done():
                continue
            elif kind == b"O":
                call.take("stdout", body)
            elif kind == b"S":
                call.take("stderr", body)
            elif kind == b"X" and not _told_end(call, body):
                return False
        return True

    def _drop(self) -> None:
        for call in self._calls.values():
            if not call.ended.done():
                call.lost = True
                call.finish()
        if not self.hello.done():
            words = self._said.decode("utf-8", "replace").strip()[-500:] or "it ended at once"
            self.hello.set_exception(OSError(words))
            # Nobody may be waiting any more; asked for once, it is not reported as forgotten.
            self.hello.exception()


def _engine() -> dict[str, Any]:
    """Where the engine is, as Docker's own command finds it: DOCKER_HOST, else the context that is in use."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    found: dict[str, Any] = kwargs_from_env()
    if "base_url" not in found:
        context = ContextAPI.get_current_context()
        if context is not None and context.Host:
            found = {"base_url": context.Host}
            if context.TLSConfig is not None:
                found["tls"] = context.TLSConfig
    return found


@functools.cache
def _source() -> bytes:
    return Path(__file__).with_name("inside.py").read_bytes()


def _told_end(call: _Call, body: bytes) -> bool:
    try:
        said: dict[str, Any] = json.loads(body)
        call.code = int(said["code"]) if "code" in said else None
        call.trouble = str(said.get("error", ""))[:500]
        call.astray = bool(said.get("folder"))
    except (ValueError, TypeError, AttributeError):
        return False
    call.finish()
    return True


def _user(rootless: bool) -> str:
    """Who commands run as: the server's own user, so that both may write the home; never root on the host."""
    if not hasattr(os, "geteuid"):
        return "1000:1000"
    if rootless:
        # In a rootless engine, root inside is the server's user outside.
        return "0:0"
    return "1000:1000" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
