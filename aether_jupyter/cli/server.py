"""Servers that the terminal starts: one for a single run where none is found, and `aether serve`."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from ..client.client import Aether
from ..client.discover import Address, tidy
from ..model.errors import AetherError, BadRequest, ServerNotFound

START_S = 60.0
EXTENSION = "ServerApp.jpserver_extensions={'aether_jupyter': True}"


@contextlib.contextmanager
def found_or_started(url: str, token: str, *, detach: bool = False) -> Iterator[Aether]:
    """A client of the server that is found, else of one that lives as long as this context."""
    try:
        client = Aether(url, token)
    except ServerNotFound:
        if url or os.environ.get("AETHER_URL"):
            raise
        if detach:
            raise BadRequest(
                "A detached agent needs a server that stays. Start one with `aether serve`, then run this again."
            ) from None
        click.echo("No server found: starting one for this run (it ends with it; agents are kept).", err=True)
        with own_server() as client:
            yield client
        return
    with client:
        yield client


def serve_here(arguments: Sequence[str]) -> None:
    """Become `jupyter server` with the extension, without Lab."""
    command = [sys.executable, "-m", "jupyter_server", f"--{EXTENSION}", "--no-browser", *arguments]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 (our own interpreter)
    sys.exit(subprocess.run(command, check=False).returncode)


@contextlib.contextmanager
def own_server() -> Iterator[Aether]:
    """A private server: own runtime folder, own token, 127.0.0.1 only, a port the system chooses."""
    with tempfile.TemporaryDirectory(prefix="aether-run-") as folder, contextlib.ExitStack() as stack:
        log = stack.enter_context((Path(folder) / "log").open("w+b"))
        environment = os.environ | {"JUPYTER_RUNTIME_DIR": folder, "JUPYTER_TOKEN": secrets.token_urlsafe(32)}
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter_server",
                f"--{EXTENSION}",
                "--ServerApp.ip=127.0.0.1",
                "--ServerApp.port=0",
                f"--ServerApp.root_dir={Path.cwd()}",
                "--no-browser",
                "--allow-root",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # Ctrl-C is for the agent; the server ends when this program says so.
            start_new_session=True,
        )
        stack.callback(_end, process)
        client = stack.enter_context(_when_ready(process, Path(folder), environment["JUPYTER_TOKEN"]))
        yield client


def _when_ready(process: subprocess.Popen[bytes], folder: Path, token: str) -> Aether:
    until, trouble = time.monotonic() + START_S, ""
    while time.monotonic() < until:
        if process.poll() is not None:
            tail = (folder / "log").read_bytes()[-600:].decode(errors="replace").strip()
            raise ServerNotFound(f"The server for this run did not start: {tail}")
        address = _address(folder, token)
        if address is not None:
            client = Aether.at(address)
            try:
                # It listens before it writes its file, and answers as soon as Aether is open.
                client.me()
            except AetherError as error:
                trouble = f": {error.message}"
                client.close()
            else:
                return client
        # Jupyter tells of its port by a file alone, and no system call for new files is there on every system.
        time.sleep(0.1)
    raise ServerNotFound(f"The server for this run was not ready after {START_S:.0f} s{trouble}")


def _address(folder: Path, token: str) -> Address | None:
    for path in folder.glob("jpserver-*.json"):
        with contextlib.suppress(msgspec.DecodeError, FileNotFoundError):
            return tidy(msgspec.json.decode(path.read_bytes())["url"], token, True, "started for this run")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
