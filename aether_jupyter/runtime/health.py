"""Asks each part how it is: the answers behind `/health`, the start-up banner and `aether doctor`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from ..abc import Check
from ..config import Settings
from ..kernel.memories import Memories
from ..model.errors import AetherError
from ..model.routing import FAMILIES
from ..reading import WAY_OUT, reader
from ..store.database import Database
from .browsers import Browsers
from .language import Language
from .machines import Machines
from .supervisor import Supervisor
from .toolbox import Toolbox

LOW_BYTES = 500_000_000
LOW_MEMORY_BYTES = 500_000_000
SLOW_S = 0.1


async def checks(
    settings: Settings,
    database: Database,
    language: Language,
    machines: Machines,
    browsers: Browsers,
    toolbox: Toolbox,
    memories: Memories,
    supervisor: Supervisor | None,
) -> list[Check]:
    """Every part's own answer, asked now."""
    found = [
        await _database(database),
        await asyncio.to_thread(_home, settings),
        await _disk(settings),
        await asyncio.to_thread(_memory),
        await _loop(),
        _versions(),
        await asyncio.to_thread(_front_end),
    ]
    found += await _sandboxes(machines, settings)
    found.append(await _homes(machines, settings))
    found.append(await _browser(browsers))
    found += await asyncio.to_thread(_models, language, settings)
    found.append(await asyncio.to_thread(_vision, language))
    found.append(_permissions(settings, toolbox))
    found.append(_recall(memories, settings))
    if supervisor is not None:
        found.append(_agents(supervisor))
    return found


def _recall(memories: Memories, settings: Settings) -> Check:
    model, fault = memories.embedding
    if fault:
        return Check("recall", False, "by words alone", fault)
    if model:
        return Check("recall", True, f"by words and by meaning ({model})")
    if settings.embeddings == "none":
        return Check("recall", True, "by words alone, as it is set up")
    return Check("recall", False, "by words alone", "pip install 'aether_jupyter[memory]' to find by meaning, too.")


async def _database(database: Database) -> Check:
    began = time.perf_counter()
    try:
        await database.write(lambda tx: tx.run(text("SELECT 1")).scalar())
        took = (time.perf_counter() - began) * 1000
        size = database.path.stat().st_size
        damage = await database.damage()
    except AetherError as error:
        return Check("database", False, error.message, "Free disk space, or end the program that holds it.", True)
    detail = f"{database.path}, {size / 1e6:.1f} MB, wrote in {took:.0f} ms"
    fix = "Stop the server and restore the file from a backup, or recover it with sqlite3 .recover."
    return Check("database", not damage, damage or detail, fix, True)


def _home(settings: Settings) -> Check:
    home = settings.home
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
        mode = settings.homes.stat().st_mode if settings.homes.exists() else 0
    except OSError as error:
        fix = f"Make {home} writable for {_account()}, or set AETHER_HOME to another folder."
        return Check("home", False, f"{home}: {error.strerror}", fix, True)
    if os.name == "posix" and mode & 0o077:
        return Check("home", False, f"others can read {settings.homes}", f"chmod 700 {settings.homes}")
    return Check("home", True, f"{home} is writable")


def _account() -> str:
    return f"user id {os.getuid()}" if hasattr(os, "getuid") else "this account"


def _memory() -> Check:
    free = _available_bytes()
    if free is None:
        return Check("memory", True, "cannot be asked on this system")
    fix = "End programs, lower c.Aether.slots, or use a remote model instead of the embedded one."
    return Check("memory", free > LOW_MEMORY_BYTES, f"{free / 1e9:.1f} GB available", fix)


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(found) * 1024 if found else None


def _versions() -> Check:
    ok = sys.version_info >= (3, 11) and sqlite3.sqlite_version_info >= (3, 35)
    detail = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    return Check("versions", ok, detail, "Aether needs Python 3.11 and SQLite 3.35 or newer.")


def _front_end() -> Check:
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions"):
        if (Path(folder) / "aether-jupyter" / "package.json").is_file():
            return Check("JupyterLab panels", True, f"installed in {folder}")
    fix = "Install the package itself (pip install aether-jupyter); cells, REST and the terminal work without them."
    return Check("JupyterLab panels", False, "not installed where JupyterLab looks", fix)


def _agents(supervisor: Supervisor) -> Check:
    if supervisor.alive:
        return Check("agents", True, f"{supervisor.running} running here")
    fix = "Restart the server; its log says what ended the supervisor. Agents go on where they were."
    return Check("agents", False, "nobody runs them on this server", fix, True)


def _permissions(settings: Settings, toolbox: Toolbox) -> Check:
    in_force = "; ".join(map(str, settings.permissions)) or "no permissions of the administrator's"
    detail = f"up to mode {settings.max_mode}; {in_force}"
    try:
        for line in settings.permissions:
            toolbox.check_permission(line)
    except AetherError as error:
        return Check("permissions", False, f"{detail}. {error.message}", "Mend c.Aether.permissions and start again.")
    return Check("permissions", True, detail)


async def _disk(settings: Settings) -> Check:
    free = (await asyncio.to_thread(shutil.disk_usage, settings.home)).free
    fix = f"Free space on the disk of {settings.home}, or set AETHER_HOME to another."
    return Check("disk", free > LOW_BYTES, f"{free / 1e9:.1f} GB free", fix)


async def _loop() -> Check:
    began = time.perf_counter()
    await asyncio.sleep(0.01)
    late = time.perf_counter() - began - 0.01
    fix = "Something blocks the server; look for a plugin or extension that works in the event loop."
    return Check("event loop", late < SLOW_S, f"{late * 1000:.0f} ms late", fix)


async def _sandboxes(machines: Machines, settings: Settings) -> list[Check]:
    found = [
        Check(f"sandbox {info.name}", info.available.ok, info.available.detail, info.available.fix)
        for info in await machines.statuses()
        # What an administrator keeps closed is no fault.
        if info.isolated or settings.allow_host_sandbox
    ]
    try:
        found.append(Check("sandbox", True, f"agents run in {await machines.resolve('auto')}"))
    except AetherError as error:
        found.append(Check("sandbox", False, error.message, "Mend one of the sandboxes above.", True))
    return found


async def _homes(machines: Machines, settings: Settings) -> Check:
    """Which of the two holds what homes may hold: a volume's size, or measuring."""
    size, why = f"{settings.home_quota_bytes / 1e6:.0f} MB", await machines.homes.sized()
    if not why:
        return Check("homes", True, f"volumes of fixed size, {size} each")
    detail = f"folders of at most {size}, measured while commands run; volumes of fixed size: {why}"
    fix = "Run the server as root on Linux with loop devices, or set c.Aether.home_volumes = 'auto'."
    return Check("homes", settings.home_volumes != "always", detail, fix)


async def _browser(browsers: Browsers) -> Check:
    answer = await browsers.available()
    return Check("browser", answer.ok, answer.detail, answer.fix)


def _models(language: Language, settings: Settings) -> list[Check]:
    try:
        model = language.default_model()
        language.check(model)
    except AetherError as error:
        return [Check("model", False, error.message, "Set up one of them and start the server again.")]
    return [Check("model", True, f"{model} is the default"), _families(language, settings)]


def _vision(language: Language) -> Check:
    found = language.roster().candidates.values()
    seeing = sum(each.sees for each in found)
    reads = reader()
    by = f"text is read off images by {reads.name}" if reads is not None else "nothing reads text off images"
    detail = f"{seeing} of {len(found)} models take images; {by}"
    return Check(
        "vision", bool(seeing) or reads is not None, detail, f"{WAY_OUT}, or set up a model that takes images."
    )


def _families(language: Language, settings: Settings) -> Check:
    """What `auto` chooses from, and what of the settings cannot be asked."""
    language.models()
    families = language.roster().families
    detail = "; ".join(f"{family}: {', '.join(families[family]) or 'none'}" for family in FAMILIES)
    for family in FAMILIES:
        for model in getattr(settings, f"{family}_models"):
            try:
                language.check(model)
            except AetherError as error:
                return Check("model families", False, detail, f"c.Aether.{family}_models: {error.message}")
    return Check("model families", True, detail)
