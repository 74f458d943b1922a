"""No sandbox: commands run as the server's own user on the bare host. Only by name, and only where it is allowed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from ..abc import NO_WORKSPACES, Availability, Completed, OnOutput, SandboxKind
from ..config import Settings
from ..model.agent import SandboxSpec
from ..model.errors import SandboxUnavailable
from ..plugins import hookimpl
from .command import Calls, clean_environment, run_process
from .lasting import run_lasting


@hookimpl
def register_sandboxes(settings: Settings) -> Iterable[SandboxKind]:
    """The bare host."""
    return [Host(settings.allow_host_sandbox)]


class Host:
    """Runs commands without isolation. It keeps the environment clean and ends what it started; nothing more."""

    name = "host"
    isolated = False

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed

    async def available(self) -> Availability:
        """Whether the administrator allows it."""
        if self._allowed:
            return Availability(True, "no isolation: commands run as the server's own user")
        return Availability(False, "it isolates nothing and is not allowed", "set c.Aether.allow_host_sandbox = True")

    async def open(
        self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path] = NO_WORKSPACES
    ) -> HostSandbox:
        """A folder to run commands in. Raises `SandboxUnavailable` unless allowed."""
        if spec.network == "allowed":
            raise SandboxUnavailable(
                f"the sandbox {self.name!r} cannot let an agent to some hosts only; take docker, or network='none'"
            )
        if not self._allowed:
            raise SandboxUnavailable(
                "the sandbox 'host' isolates nothing and is not allowed; c.Aether.allow_host_sandbox = True allows it"
            )
        if workspaces:
            raise SandboxUnavailable("the sandbox 'host' cannot mount workspaces; choose docker or bubblewrap")
        return HostSandbox(home)

    async def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Nothing is left that could be told from the user's own processes."""
        return []


class HostSandbox:
    """The bare host, with the agent's home as its working directory.

    On Windows nothing lasts from one shell line to the next: cmd.exe cannot tell what it leaves.
    """

    name = "host"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.workdir = os.path.realpath(home)
        self._calls = Calls()

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
        shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"
        if sys.platform == "win32" and isinstance(command, str):
            bash = shutil.which("bash")
            command = [bash, "-c", command] if bash is not None else ["cmd.exe", "/d", "/s", "/c", command]
        environment = clean_environment(self.workdir, os.environ.get("PATH", os.defpath), env)
        if sys.platform == "win32":
            environment |= {n: os.environ[n] for n in ("SystemRoot", "ComSpec", "PATHEXT", "TEMP") if n in os.environ}
        return await self._calls.run(
            run_lasting(
                command,
                shell,
                home=self.home,
                workdir=self.workdir,
                env=environment,
                run=lambda argv: run_process(
                    argv,
                    timeout_s=timeout_s,
                    env=environment,
                    cwd=os.path.join(self.workdir, cwd),
                    stdin=stdin,
                    output_limit=output_limit,
                    on_output=on_output,
                ),
            )
        )

    async def terminal(self) -> list[str]:
        """A shell in the home; see `aether_jupyter.abc.Sandbox`."""
        if sys.platform == "win32":
            raise SandboxUnavailable("the sandbox 'host' has no terminals on Windows; choose docker")
        if self._calls.closed:
            raise SandboxUnavailable("the sandbox is closed")
        from . import terminal

        shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"
        environment = clean_environment(
            self.workdir, os.environ.get("PATH", os.defpath), {"TERM": terminal.TYPE, "SHELL": shell}
        )
        return terminal.command([shell, "-i"], environment, cwd=self.workdir)

    async def close(self) -> None:
        """End what still runs."""
        await self._calls.close()
