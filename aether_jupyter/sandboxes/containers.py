"""The Docker engine as far as sandboxes need it: asked how it is, told to make, list and remove containers.

Everything here blocks and is called from threads. What any container may do stands in `Engine.confined` and nowhere
else; nothing of it can be said by an agent but sizes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from .. import beneath
from ..abc import Availability
from ..gate import literal
from ..model.agent import Desktop, SandboxSpec
from ..model.errors import SandboxUnavailable, ToolFailed
from . import fence
from .command import clean_environment, own_home
from .fairness import USUAL
from .gpus import Found as FoundGpus
from .gpus import Gpu
from .gpus import found as found_gpus
from .seccomp import profile_json
from .shell import PYTHON, entry_point, text_of

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

WORKDIR = "/home/agent"
PATH = f"{WORKDIR}/.local/bin:/usr/local/bin:/usr/bin:/bin"
SOCKETS = "/run/aether"
"""Where a desktop puts its socket: a file system of its own, of one megabyte, as the agent may write there."""
IMAGES: Mapping[Desktop, str] = {
    "none": "aether-sandbox",
    "xfce": "aether-desktop",
    "openbox": "aether-desktop-light",
}

EGRESS_IMAGE = "aether-egress"
SUBNETS = "10.213.0.0/16"
"""Where the networks of agents that may reach some hosts lie, eight addresses each."""

GPUS = "aether.gpus"
"""The label of a container that names the GPUs it has."""
_NETWORKS = {"none": "none", "host": "bridge"}
_NOWHERE = "192.0.2.53"
"""An address that is nobody's, for documents. An engine would ask its own resolver for an agent with no way out."""
_NO_IPV6 = {"net.ipv6.conf.all.disable_ipv6": "1"}
_WAY_PREFIX = 29
_TRIES = 20
_ENGINE_TIMEOUT_S = 20
_LEAVING_S = 15.0
"""Seconds an engine is given to take a container away whose name is wanted again."""
_STILL_S = 60.0
"""Seconds a container of another server may stand still, for a copy of its files, before it is let go on."""
_LIMITS = {"MemoryLimit": "the memory", "PidsLimit": "the processes"}
_MASKED = (
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
)
"""What tells of the host: what engines hide by themselves, and what older ones do not."""
_FIX_ENGINE = "install it with 'apt-get install docker.io iptables' (or Docker Desktop) and start it"
_FIX_IMAGE = "run 'make images'"
_NO_FENCE = "the machine's own addresses and metadata services cannot be closed to network='host'"


class Way(NamedTuple):
    """The network of one agent that may reach some hosts: its id, and the addresses of the gate and of the agent."""

    network: str
    gate: str
    agent: str


class Started(NamedTuple):
    """A container that runs: the stream to its first process, what keeps that open, and the container's id.

    `sockets` is where its folder of sockets lies on the host, None where it has none or the server cannot go there;
    `uid` is whose they are.
    """

    stream: socket.socket
    keep: object
    id: str
    sockets: Path | None
    uid: int


@dataclass(frozen=True)
class Confinement:
    """What the administrator sets for every container; '' is the engine's own choice."""

    runtime: str = ""
    apparmor: str = ""


AS_THE_ENGINE = Confinement()


class Engine:
    """One engine, its images by what they show, and one `AETHER_HOME`.

    `trouble` says that its last answer does not hold any more.
    """

    def __init__(
        self,
        instance: str,
        images: Mapping[Desktop, str],
        confinement: Confinement,
        subnets: str = SUBNETS,
        find_gpus: FoundGpus = found_gpus,
    ) -> None:
        self.trouble = False
        self.gpus: Sequence[Gpu] = ()
        self._find_gpus = find_gpus
        self._instance = instance
        self._confinement = confinement
        self._images = images
        self._subnets = ipaddress.IPv4Network(subnets)
        self._client: APIClient | None = None
        self._cpus = 1
        self._user = ""
        # The programs in containers that are the server's own, by container.
        self._tunnels: dict[str, set[str]] = {}
        self._frozen: set[str] = set()
        self._still_since: dict[str, float] = {}

    def ask(self) -> Availability:
        """Whether it answers, can limit, and has the image."""
        self.trouble = False
        try:
            import docker
            from docker.errors import DockerException, ImageNotFound
        except ImportError:
            return Availability(False, "the package 'docker' is missing", "pip install docker")
        try:
            if self._client is None:
                self._client = docker.APIClient(timeout=_ENGINE_TIMEOUT_S, **where())
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
        if (missing := self._missing(info)) is not None:
            return missing
        self.gpus = self._find_gpus(info)
        try:
            image = self._client.inspect_image(self._images["none"])
        except ImageNotFound:
            return Availability(False, f"the image {self._images['none']} is not there", _FIX_IMAGE)
        except (DockerException, OSError) as error:
            return Availability(False, f"the engine refuses: {error}", _FIX_ENGINE)
        self._cpus = int(info.get("NCPU") or 1)
        self._user = _user("name=rootless" in (info.get("SecurityOptions") or ()))
        held = "".join(f", {word}" for word in (self._confinement.runtime, self._confinement.apparmor) if word)
        return Availability(
            True, f"engine {info.get('ServerVersion')}, image {image['Id'].removeprefix('sha256:')[:12]}{held}"
        )

    def _missing(self, info: Mapping[str, Any]) -> Availability | None:
        """What containers are to be held by and the engine does not have."""
        runtime, apparmor = self._confinement.runtime, self._confinement.apparmor
        runtimes = sorted(info.get("Runtimes") or ())
        if runtime and runtime not in runtimes:
            return Availability(
                False,
                f"c.Aether.container_runtime = {runtime!r}: the engine has no such runtime, but "
                f"{', '.join(runtimes) or 'none that it names'}",
                "install it, name it under 'runtimes' in the engine's daemon.json and restart the engine",
            )
        options = info.get("SecurityOptions")
        found = {str(option).partition(",")[0] for option in options or ()}
        if options is not None and "name=seccomp" not in found:
            return Availability(
                False, "the engine cannot filter system calls", "use a kernel and an engine with seccomp"
            )
        if apparmor and "name=apparmor" not in found:
            return Availability(
                False,
                f"c.Aether.apparmor_profile = {apparmor!r}: the engine's kernel does not use AppArmor",
                "switch AppArmor on (boot with apparmor=1 security=apparmor), or leave the setting empty",
            )
        return None

    def confined(
        self, *, memory_mb: int, cpus: float, pids: int, network: str, mounts: Sequence[Any] = (), **more: Any
    ) -> dict[str, Any]:
        """How a container is held: no capabilities, no new ones, few system calls, a root that is read-only, limits.

        What is written to /tmp and /dev/shm counts as its memory, so they hold a part of it only.
        """
        from docker.types import Ulimit

        assert self._client is not None
        options = ["no-new-privileges", f"seccomp={profile_json()}"]
        if self._confinement.apparmor:
            options.append(f"apparmor={self._confinement.apparmor}")
        tmp = f"size={min(512, memory_mb // 4)}m,mode=1777,exec,nosuid,nodev"
        host: dict[str, Any] = self._client.create_host_config(
            auto_remove=True,
            network_mode=network,
            cap_drop=["ALL"],
            security_opt=options,
            read_only=True,
            tmpfs={"/tmp": tmp, "/run": "size=16m,mode=755,nosuid,nodev"},  # noqa: S108 (inside the container)
            shm_size=min(256, memory_mb // 8) << 20,
            ipc_mode="private",
            pids_limit=pids,
            mem_limit=memory_mb << 20,
            # Memory and swap together: none is swapped.
            memswap_limit=memory_mb << 20,
            nano_cpus=int(min(cpus, self._cpus) * 1e9),
            # Where processors are short, the server and everybody else go first; where memory is, it ends first.
            cpu_shares=USUAL,
            oom_score_adj=500,
            ulimits=[Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=4096, hard=4096)],
            # What the server says would otherwise be kept a second time, in the engine's own log.
            log_config={"Type": "none", "Config": {}},
            mounts=list(mounts),
            runtime=self._confinement.runtime or None,
            **more,
        )
        return host | {"MaskedPaths": [*_MASKED]}

    def start(
        self,
        name: str,
        pid: int,
        spec: SandboxSpec,
        home: Path,
        workspaces: Mapping[str, Path],
        token: str,
        way: Way | None = None,
        gpus: Sequence[Gpu] = (),
    ) -> Started:
        """Make and start a container over this home. Raises `SandboxUnavailable`.

        `way` is the network of an agent that may reach some hosts.
        """
        from docker.types import Mount

        uid, _, gid = self._user.partition(":")
        if hasattr(os, "geteuid") and os.geteuid() == 0 and uid != "0":
            for folder in (home, *workspaces.values()):
                own_home(folder, int(uid), int(gid))
        try:
            beneath.write(home, ".aether/token", token.encode())
        except ToolFailed:
            # What the agent put in its place, a link or a file, leads no word of the server's anywhere.
            beneath.delete(home, ".aether", recursive=True)
            beneath.write(home, ".aether/token", token.encode())
        image, desktop = self._images[spec.desktop], spec.desktop != "none"
        host = self.confined(
            memory_mb=spec.memory_mb,
            cpus=spec.cpus,
            pids=spec.pids,
            network=way.network if way is not None else _NETWORKS[spec.network],
            # Nobody there is asked for names: what an agent may reach, it reaches by the gate, which looks them up.
            device_requests=_requests(gpus),
            **({"dns": [_NOWHERE], "dns_opt": ["timeout:1", "attempts:1"], "sysctls": _NO_IPV6} if way else {}),
            mounts=[
                Mount(WORKDIR, str(home), type="bind"),
                *(Mount(f"/workspaces/{name}", str(folder), type="bind") for name, folder in workspaces.items()),
                *([_socket_folder(uid, gid)] if desktop else []),
            ],
        )
        started = self._launched(
            name,
            image,
            entry_point(),
            host,
            {"aether.pid": str(pid)} | ({GPUS: ",".join(gpu.id for gpu in gpus)} if gpus else {}),
            folders=desktop,
            hostname="sandbox",
            working_dir=WORKDIR,
            environment=clean_environment(WORKDIR, PATH),
            networking_config=None if way is None else self._endpoint(way.network, way.agent),
        )
        if spec.network == "host":
            # Nothing of the agent runs yet: its server waits for the text of its program.
            try:
                self._fence(started.id)
            except BaseException:
                self.remove(started.id)
                raise
        return started

    def _fence(self, container: str) -> None:
        """Close the machine's own addresses and metadata services to a container. Raises `SandboxUnavailable`."""
        from docker.errors import DockerException

        assert self._client is not None
        own = {each.address.partition("%")[0] for found in psutil.net_if_addrs().values() for each in found}
        # The engine's machine may be another one, and the server may be in a container itself.
        own |= set(json.loads(self._told(["addresses"], network="host")))
        listed = [each for each in sorted(own) if (found := literal(each)) is not None and not found.is_loopback]
        said = self._told(["close", *listed], network=f"container:{container}", cap_add=["NET_ADMIN"])
        try:
            # A runtime with a network of its own, such as gVisor's, would not heed it.
            probe = self._client.exec_create(container, [PYTHON, "-I", "-c", fence.PROBE], user=self._user)
            self._client.exec_start(probe)
            stands = said == fence.FENCED and self._client.exec_inspect(probe)["ExitCode"] == 0
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"docker: {_NO_FENCE}: {error}") from None
        if not stands:
            raise SandboxUnavailable(f"docker: {_NO_FENCE} with this engine and runtime; take network='allowed'")

    def _told(self, words: Sequence[str], **how: Any) -> str:
        """What `fence.py` says in a container that ends at once. Raises `SandboxUnavailable`."""
        from docker.errors import DockerException, ImageNotFound

        assert self._client is not None
        # The seccomp profile of agents knows no sockets of firewalls; the engine's own does.
        host = self.confined(memory_mb=128, cpus=1.0, pids=16, **how) | {"SecurityOpt": ["no-new-privileges"]}
        command = [PYTHON, "-I", "-c", text_of("fence.py").decode(), *words]
        made = None
        try:
            made = self._client.create_container(
                EGRESS_IMAGE, command, user="0:0", labels={"aether.fence": "1"}, host_config=host, entrypoint=[]
            )
            output = self._client.attach(made, stdout=True, stderr=True, stream=True, demux=True)
            self._client.start(made)
            parts = list(output)
        except ImageNotFound:
            self.trouble = True
            raise SandboxUnavailable(f"docker: the image {EGRESS_IMAGE} is not there. {_FIX_IMAGE}") from None
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"docker: {_NO_FENCE}: {error}") from None
        finally:
            if made is not None:
                self.remove(made["Id"])
        said = b"".join(out for out, _ in parts if out)
        if not said:
            words_of = b"".join(err for _, err in parts if err).decode("utf-8", "replace").strip()[-300:]
            raise SandboxUnavailable(f"docker: {_NO_FENCE}: {words_of or 'it said nothing'}. {_FIX_IMAGE}")
        return said.decode()

    def start_gate(self) -> Started:
        """Make and start the container with the gate. Raises `SandboxUnavailable`."""
        host = self.confined(memory_mb=256, cpus=1.0, pids=64, network="bridge", sysctls={"net.ipv4.ip_forward": "0"})
        # As it is there for one server, it has a name of its own.
        name = f"aether-egress-{secrets.token_hex(6)}"
        return self._launched(
            name, EGRESS_IMAGE, entry_point("ways.py"), host, {"aether.egress": "1"}, hostname="egress", working_dir="/"
        )

    def _launched(
        self,
        name: str,
        image: str,
        command: list[str],
        host: dict[str, Any],
        labels: dict[str, str],
        *,
        folders: bool = False,
        **more: Any,
    ) -> Started:
        from docker.errors import APIError, DockerException, ImageNotFound

        client = self._client
        if client is None:
            self.trouble = True
            raise SandboxUnavailable(f"docker: no Docker engine answers. {_FIX_ENGINE}")
        try:
            deadline = time.monotonic() + _LEAVING_S
            while True:
                try:
                    made = client.create_container(
                        image,
                        command,
                        name=name,
                        user=self._user,
                        stdin_open=True,
                        labels={"aether.home": self._instance, **labels},
                        host_config=host,
                        # An image's own entry point has no say.
                        entrypoint=[],
                        **more,
                    )
                    break
                except APIError as error:
                    if error.status_code != 409 or time.monotonic() > deadline:
                        raise
                    # Left by a server that had this process before, or ended by itself and not yet taken away.
                    self.remove(name)
                    time.sleep(0.05)
            keep = client.attach_socket(made, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            client.start(made)
            sockets = _sockets(client.inspect_container(made)) if folders else None
        except ImageNotFound:
            self.trouble = True
            raise SandboxUnavailable(f"docker: the image {image} is not there. {_FIX_IMAGE}") from None
        except APIError as error:
            self.trouble = True
            self.remove(name)
            raise SandboxUnavailable(f"docker: the container did not start: {error.explanation or error}") from None
        except (DockerException, OSError) as error:
            self.trouble = True
            self.remove(name)
            log.debug("no Docker engine: %s", error)
            raise SandboxUnavailable(f"docker: the engine does not answer any more. {_FIX_ENGINE}") from None
        raw = getattr(keep, "_sock", keep)
        if not isinstance(raw, socket.socket):
            self.remove(name)
            raise SandboxUnavailable("docker: the engine is reached by a way that has no sockets; use a Unix socket")
        return Started(raw, keep, str(made["Id"]), sockets, int(self._user.partition(":")[0]))

    def _endpoint(self, network: str, address: str) -> Any:
        assert self._client is not None
        return self._client.create_networking_config(
            {network: self._client.create_endpoint_config(ipv4_address=address)}
        )

    # --- networks ----------------------------------------------------------------------------------------------------

    def make_way(self, pid: int, gate: str) -> Way:
        """A network for one agent and the gate's container. Raises `SandboxUnavailable`."""
        from docker.errors import APIError, DockerException
        from docker.types import IPAMConfig, IPAMPool

        assert self._client is not None
        free = list(self._subnets.subnets(new_prefix=_WAY_PREFIX))
        trouble = ""
        for _ in range(_TRIES):
            subnet = secrets.choice(free)
            first, gate_at, agent_at = list(subnet.hosts())[:3]
            try:
                made = self._client.create_network(
                    f"aether-{pid}-{secrets.token_hex(4)}",
                    driver="bridge",
                    internal=True,
                    # The bridge itself gets no address, so that nothing of this machine can be reached by it.
                    options={"com.docker.network.bridge.inhibit_ipv4": "true"},
                    ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(first))]),
                    labels={"aether.home": self._instance, "aether.pid": str(pid)},
                )
            except APIError as error:
                trouble = str(error.explanation or error)
                if "overlap" in trouble:
                    # Another network has it, here or in the engine.
                    continue
                raise SandboxUnavailable(f"docker: no network can be made: {trouble}") from None
            except (DockerException, OSError) as error:
                raise SandboxUnavailable(f"docker: no network can be made: {error}") from None
            way = Way(str(made["Id"]), str(gate_at), str(agent_at))
            try:
                self.join_way(way, gate)
            except SandboxUnavailable:
                self.remove_way(way.network)
                raise
            return way
        raise SandboxUnavailable(
            f"docker: no network can be made: no part of {self._subnets} is free ({trouble}); "
            "set c.Aether.sandbox_subnets to addresses that nobody uses"
        )

    def join_way(self, way: Way, gate: str) -> None:
        """Put the gate's container into an agent's network. Raises `SandboxUnavailable`."""
        from docker.errors import DockerException

        assert self._client is not None
        try:
            self._client.connect_container_to_network(gate, way.network, ipv4_address=way.gate)
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"docker: the gate cannot be put into a network: {error}") from None

    def remove_way(self, network: str) -> None:
        """Remove a network and who is in it from it. Never raises for what is gone already."""
        from docker.errors import DockerException

        if self._client is None:
            return
        with contextlib.suppress(DockerException, OSError):
            for container in self._client.inspect_network(network).get("Containers") or {}:
                with contextlib.suppress(DockerException, OSError):
                    self._client.disconnect_container_from_network(container, network, force=True)
            self._client.remove_network(network)

    def reap_ways(self, instance: str, used: Container[str]) -> None:
        """Remove the networks of this `AETHER_HOME` that nobody is in, but for those in `used`."""
        from docker.errors import DockerException

        if self._client is None:
            return
        try:
            for found in self._client.networks(filters={"label": f"aether.home={instance}"}):
                if found["Id"] not in used and not self._client.inspect_network(found["Id"]).get("Containers"):
                    self.remove_way(found["Id"])
        except (DockerException, OSError) as error:
            log.warning("networks could not be listed: %s", error)

    def tunnel(self, container: str, argv: Sequence[str]) -> tuple[socket.socket, object]:
        """Run a program in a container; its input and output are the stream, and what keeps that open."""
        from docker.errors import DockerException

        assert self._client is not None
        try:
            made = self._client.exec_create(container, list(argv), stdin=True, user=self._user)
            self._tunnels.setdefault(container, set()).add(made["Id"])
            keep = self._client.exec_start(made, socket=True)
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"docker: no way into the container: {error}") from None
        return getattr(keep, "_sock", keep), keep

    def gpus_elsewhere(self) -> set[str]:
        """The GPUs that containers have, of whichever server. Raises `SandboxUnavailable`."""
        from docker.errors import DockerException

        assert self._client is not None
        try:
            found = self._client.containers(filters={"label": GPUS})
        except (DockerException, OSError) as error:
            raise SandboxUnavailable(f"docker: the engine does not say who has GPUs: {error}") from None
        return {each for container in found for each in container["Labels"][GPUS].split(",")}

    def weigh(self, container: str, shares: int) -> None:
        """How much a container counts where processors are short. Never raises for what is gone already."""
        from docker.errors import DockerException

        if self._client is not None:
            with contextlib.suppress(DockerException, OSError):
                self._client.update_container(container, cpu_shares=shares)

    def first_process(self, container: str) -> int:
        """The number of a container's first process on the engine's machine, 0 if that is not known."""
        from docker.errors import DockerException

        if self._client is not None:
            with contextlib.suppress(DockerException, OSError):
                return int(self._client.inspect_container(container)["State"]["Pid"])
        return 0

    def entered(self, container: str) -> bool:
        """Whether somebody's program runs in a container beside its shell server; False if it is gone.

        What the server itself runs there, to reach a desktop, is nobody's use of it.
        """
        from docker.errors import DockerException

        if self._client is None:
            return False
        try:
            found = set(self._client.inspect_container(container).get("ExecIDs") or ())
        except (DockerException, OSError):
            return False
        mine = self._tunnels.get(container, set())
        mine &= found
        return bool(found - mine)

    def freeze(self, container: str) -> bool:
        """Stop all processes of a container where they stand. False if it is gone, or the engine cannot."""
        from docker.errors import DockerException

        if self._client is None:
            return False
        self._frozen.add(container)
        try:
            self._client.pause(container)
        except (DockerException, OSError) as error:
            self._frozen.discard(container)
            log.warning("a container could not be frozen: %s", error)
            return False
        return True

    def thaw(self, container: str) -> None:
        """Let them go on. Never raises for what is gone already."""
        from docker.errors import DockerException

        if self._client is None:
            return
        with contextlib.suppress(DockerException, OSError):
            self._client.unpause(container)
        self._frozen.discard(container)

    def remove(self, container: str) -> None:
        """Remove a container, by name or id. Never raises for what is gone already."""
        from docker.errors import DockerException

        self._tunnels.pop(container, None)
        self._frozen.discard(container)
        if self._client is None:
            return
        # It may be going by itself already, or be gone; a list by label finds what stays.
        with contextlib.suppress(DockerException, OSError):
            self._client.remove_container(container, force=True, v=True)

    def runs(self, name: str) -> bool:
        """Whether a container of this name runs. It does only while a server is connected to it."""
        from docker.errors import DockerException

        try:
            found = self._client is not None and self._client.inspect_container(name)
        except (DockerException, OSError):
            return False
        return bool(found and found["State"]["Running"])

    def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Remove the containers of processes of this `AETHER_HOME` that are not alive.

        One that a server froze and left is let go on: it ends by itself, as there is nobody at its other end.
        """
        from docker.errors import DockerException

        gone: list[int] = []
        still: dict[str, float] = {}
        if self._client is None:
            return gone
        try:
            for found in self._client.containers(all=True, filters={"label": f"aether.home={instance}"}):
                pid, container = found["Labels"].get("aether.pid", ""), str(found["Id"])
                if pid.isdigit() and int(pid) not in alive:
                    self.remove(container)
                    gone.append(int(pid))
                elif found.get("State") == "paused" and container not in self._frozen:
                    still[container] = self._still_since.get(container, time.monotonic())
                    if time.monotonic() - still[container] >= _STILL_S:
                        log.info("the container of process %s stood still without a server and is let go on", pid)
                        self.thaw(container)
        except (DockerException, OSError) as error:
            log.warning("containers could not be listed: %s", error)
        self._still_since = still
        return gone


def _requests(gpus: Sequence[Gpu]) -> list[Any] | None:
    from docker.types import DeviceRequest

    if not gpus:
        return None
    return [DeviceRequest(driver="nvidia", device_ids=[gpu.id for gpu in gpus], capabilities=[["gpu"]])]


def _socket_folder(uid: str, gid: str) -> Any:
    from docker.types import DriverConfig, Mount

    options = f"size=1m,nr_inodes=64,uid={uid},gid={gid},mode=0700,nosuid,nodev,noexec"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    # Without a name it goes with its container.
    return Mount(SOCKETS, None, type="volume", driver_config=driver, no_copy=True)


def _sockets(container: Mapping[str, Any]) -> Path | None:
    """Where the folder of sockets lies on this machine, if the server may go there."""
    for mount in container.get("Mounts") or ():
        if mount["Destination"] == SOCKETS and mount.get("Source"):
            folder = Path(mount["Source"])
            with contextlib.suppress(OSError):
                return folder if os.access(folder, os.X_OK) else None
    return None


def where() -> dict[str, Any]:
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


def _user(rootless: bool) -> str:
    """Who commands run as: the server's own user, so that both may write the home; never root on the host."""
    if not hasattr(os, "geteuid"):
        return "1000:1000"
    if rootless:
        # In a rootless engine, root inside is the server's user outside.
        return "0:0"
    return "1000:1000" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
