"""MEMORY.md of each agent: written by a person, part of every run of that name, and kept in all its versions.

Runs ask for it once, when they begin. An owner's texts are known for a second, so that a thousand agents that begin
together cost one look, and agents without any cost nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, insert, select

from ..model.access import Principal, require
from ..model.errors import BadRequest, Conflict, Forbidden
from ..model.notes import NOTES_CHARS, Notes
from ..store import tables
from ..store.database import Database, Transaction
from .action import action

KNOWN_S = 1.0
"""Seconds until it is seen that another server wrote one."""

n = tables.memory_notes
_OF = select(n).where(n.c.owner == bindparam("owner"), n.c.agent == bindparam("agent")).order_by(n.c.version.desc())
_LAST = select(n.c.agent, func.max(n.c.version).label("version")).where(n.c.owner == bindparam("owner"))
_last = _LAST.group_by(n.c.agent).subquery()
_TEXTS = select(n.c.agent, n.c.text).join(
    _last, (n.c.agent == _last.c.agent) & (n.c.version == _last.c.version) & (n.c.owner == bindparam("owner"))
)


class NotesKeeper:
    """`of` is for runs, `versions` and `write` for people."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, owner: str, agent: str) -> str:
        """The text as it stands, '' if there is none."""
        async with self._asking.setdefault(owner, asyncio.Lock()):
            at, texts = self._known.get(owner, (-math.inf, {}))
            if time.monotonic() - at > KNOWN_S:
                texts = {
                    row.agent: row.text for row in await self._database.fetch(_TEXTS, {"owner": owner}) if row.text
                }
                self._known[owner] = time.monotonic(), texts
        return texts.get(agent, "")

    async def versions(self, actor: Principal, agent: str) -> Sequence[Notes]:
        """Every version, the newest first; none if nobody wrote one."""
        require(actor, "memory:read")
        rows = await self._database.fetch(_OF, {"owner": actor.owner, "agent": agent})
        return [Notes(agent=row.agent, text=row.text, version=row.version, at=row.at, by=row.actor) for row in rows]

    async def write(self, actor: Principal, agent: str, text: str, *, version: int | None = None) -> Notes:
        """Put a new text, or '' for none. `version`, if given, must be the one that was seen (0 for none)."""
        written = await self._write(actor, agent, text, version)
        self.forget(actor.owner)
        return written

    def forget(self, owner: str) -> None:
        """Look again at the next question."""
        self._known.pop(owner, None)

    @action("memory:write")
    def _write(self, tx: Transaction, actor: Principal, agent: str, text: str, version: int | None) -> Notes:
        return self.put(tx, actor, agent, text, version)

    def put(self, tx: Transaction, actor: Principal, agent: str, text: str, version: int | None = None) -> Notes:
        """`write` inside the transaction of another action, whose caller calls `forget` after the commit."""
        if actor.pid is not None:
            raise Forbidden("MEMORY.md is a person's; an agent keeps notes with its tool remember")
        if not agent.strip():
            raise BadRequest("agent: whose MEMORY.md?")
        if len(text) > NOTES_CHARS:
            raise BadRequest(
                f"text: {len(text):,} characters; MEMORY.md may have {NOTES_CHARS:,}, for it is sent with every "
                "request. Have the agent remember the rest"
            )
        now = tx.one(_OF.limit(1), {"owner": actor.owner, "agent": agent})
        seen = now.version if now is not None else 0
        if version is not None and version != seen:
            raise Conflict(f"MEMORY.md of {agent} was changed meanwhile (version {seen}, not {version}); look again")
        if text == (now.text if now is not None else ""):
            at, by = (now.at, now.actor) if now is not None else (tx.now, actor.name)
            return Notes(agent=agent, text=text, version=seen, at=at, by=by)
        new = Notes(agent=agent, text=text, version=seen + 1, at=tx.now, by=actor.name)
        values = {"owner": actor.owner, "agent": agent, "version": new.version, "at": new.at}
        tx.run(insert(n), values | {"actor": new.by, "text": text})
        return new
