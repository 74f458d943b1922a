"""A real Jupyter server with the extension in its own process, for client, magics, terminal and tutorials."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aether_jupyter.client.client import Aether
from aether_jupyter.model.errors import AetherError

ROOT = Path(__file__).parents[1]
TOKEN = "only-for-tests"
START_S = 60.0


@dataclass
class Server:
    """Where it is, and the environment in which it is found."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    token: str = TOKEN
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime"

    @property
    def environment(self) -> dict[str, str]:
        """Of a program that shall talk to this server."""
        return clean_environment() | {"AETHER_URL": self.url, "AETHER_TOKEN": self.token} | self.extra

    def client(self) -> Aether:
        return Aether(self.url, self.token)


def clean_environment() -> dict[str, str]:
    """This environment without what could lead to another server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AETHER_", "JPY_", "JUPYTERHUB_"))}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def running_server(folder: Path, *options: str, base_url: str = "/some/prefix/") -> Iterator[Server]:
    """Start one under a prefix, with the scripted model, bubblewrap and these options; end it afterwards."""
    runtime = folder / "runtime"
    runtime.mkdir(parents=True)
    environment = clean_environment() | {
        "AETHER_HOME": str(folder / "home"),
        "AETHER_MODEL": "scripted:hello",
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_TOKEN": TOKEN,
    }
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyter_server",
            "--ServerApp.jpserver_extensions={'aether_jupyter': True}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            f"--ServerApp.base_url={base_url}",
            f"--ServerApp.root_dir={folder}",
            "--Aether.sandbox=bubblewrap",
            "--no-browser",
            "--allow-root",
            *options,
        ],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    try:
        yield Server(_address(process, folder), folder, process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    until, trouble = time.monotonic() + START_S, ""
    while time.monotonic() < until and process.poll() is None:
        for path in (folder / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError, FileNotFoundError):
                url = str(json.loads(path.read_text())["url"])
                try:
                    with Aether(url, TOKEN) as client:
                        client.me()
                except AetherError as error:
                    trouble = error.message
                    continue
                return url
        time.sleep(0.1)
    raise RuntimeError(f"no server: {trouble}\n{(folder / 'log').read_text()[-2000:]}")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="aether-faces-") as folder, running_server(Path(folder)) as found:
        yield found
