"""Asks each part how it is: the answers behind `/health`, the start-up banner and `aether doctor`."""

from __future__ import annotations

import asyncio
import shutil
import time

from sqlalchemy import text

from ..abc import Check
from ..config import Settings
from ..model.errors import AetherError
from ..store.database import Database
from .language import Language
from .machines import Machines
from .supervisor import Supervisor

LOW_BYTES = 500_000_000
SLOW_S = 0.1


async def checks(
    settings: Settings, database: Database, language: Language, machines: Machines, supervisor: Supervisor | None
) -> list[Check]:
    """Every part's own answer, asked now."""
    found = [await _database(database), await _disk(settings), await _loop()]
    found += await _sandboxes(machines)
    found.append(await asyncio.to_thread(_model, language))
    if supervisor is not None:
        found.append(Check("agents", supervisor.alive, f"{supervisor.running} running here", "Restart the server."))
    return found


async def _database(database: Database) -> Check:
    began = time.perf_counter()
    try:
        await database.write(lambda tx: tx.run(text("SELECT 1")).scalar())
        rows = await database.fetch(text("PRAGMA quick_check(1)"))  # type: ignore[arg-type]
    except AetherError as error:
        return Check("database", False, error.message, "Free disk space, or end the program that holds it.", True)
    ok = rows[0][0] == "ok"
    took = (time.perf_counter() - began) * 1000
    detail = f"{database.path}, {database.path.stat().st_size / 1e6:.1f} MB, answered in {took:.0f} ms"
    fix = "Stop the server and restore the file from a backup, or recover it with sqlite3 .recover."
    return Check("database", ok, detail if ok else str(rows[0][0]), fix, True)


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


async def _sandboxes(machines: Machines) -> list[Check]:
    found = [
        Check(f"sandbox {info.name}", info.available.ok, info.available.detail, info.available.fix)
        for info in await machines.statuses()
    ]
    try:
        found.append(Check("sandbox", True, f"agents run in {await machines.resolve('auto')}"))
    except AetherError as error:
        found.append(Check("sandbox", False, error.message, "Mend one of the sandboxes above.", True))
    return found


def _model(language: Language) -> Check:
    try:
        model = language.default_model()
        language.check(model)
    except AetherError as error:
        return Check("model", False, error.message, "Set up one of them and start the server again.")
    return Check("model", True, f"{model} is the default")
