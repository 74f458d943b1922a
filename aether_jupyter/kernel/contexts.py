"""What the model saw: the exact context of a step, read back from the journal and from texts kept by their digests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from ..engine import saw
from ..model.access import Principal, require
from ..model.context import ENTRY_CHARS, ContextView, Standing, Window
from ..model.errors import AetherError, NotFound
from ..model.memory import Memory
from ..model.tool import ToolSpec
from ..store import tables
from ..store.database import Database
from ..store.journal import decode_event
from .processes import Processes

PAGE = 1_000
"""Events that are read and folded at once."""
SOME = 500

e, t, m = tables.event, tables.text, tables.memory
_EVENTS = (
    select(e.c.n, e.c.at, e.c.body)
    .where(e.c.pid == bindparam("k"), e.c.n > bindparam("after"))
    .order_by(e.c.n)
    .limit(PAGE)
)
_TEXT = select(t.c.body).where(t.c.owner == bindparam("owner"), t.c.digest == bindparam("digest"))
_MEMORIES = (
    select(m.c.id, m.c.body)
    .join(tables.memory_space, tables.memory_space.c.id == m.c.space)
    .where(m.c.id.in_(bindparam("keys", expanding=True)), tables.memory_space.c.owner == bindparam("owner"))
)
_standing = msgspec.json.Decoder(tuple[Standing, ...]).decode
_tools = msgspec.json.Decoder(tuple[ToolSpec, ...]).decode
_memory = msgspec.json.Decoder(Memory).decode


def digested(thing: Sequence[Standing] | Sequence[ToolSpec]) -> tuple[str, bytes]:
    """The digest and the body under which standing instructions or the schemas of tools are kept."""
    body = msgspec.json.encode(thing)
    return hashlib.blake2b(body, digest_size=16).hexdigest(), body


class Contexts:
    """`window` tells what a model takes at most; it raises `UnknownName` for one that is not here any more."""

    def __init__(self, database: Database, processes: Processes, window: Callable[[str], Window]) -> None:
        self._database = database
        self._processes = processes
        self._window = window

    async def get(
        self,
        actor: Principal,
        pid: int,
        step: int | None = None,
        *,
        entry: int | None = None,
        chars: int = ENTRY_CHARS,
    ) -> ContextView:
        """What the model was told at `step`, the last one if none is named; texts are cut at `chars` characters.

        With `entry` only that entry has its text, and all of it. Raises `NotFound` where no model was asked.
        """
        require(actor, "processes:read")
        process = await self._processes.get(actor, pid)
        spec = await self._processes.spec(actor, pid)
        reading = saw.Reading(spec, step)
        after = 0
        while not reading.done:
            rows = await self._database.fetch(_EVENTS, {"k": pid, "after": after})
            if not rows:
                break
            after = rows[-1].n
            await asyncio.to_thread(_read, reading, rows)
        request = reading.request
        if request is None:
            asked = f"; it has made {process.step} steps" if step is not None and process.step else ""
            which = f"at step {step} of" if step is not None else "for"
            raise NotFound(f"No model was asked {which} process {pid}{asked}")
        parts = await self._text(process.owner, request.event.system)
        tools = await self._text(process.owner, request.event.tools)
        known = await self._known(process.owner, reading.weighed)
        try:
            window = self._window(request.event.model)
        except AetherError:
            window = Window(0)
        found = await asyncio.to_thread(
            saw.view,
            pid,
            reading,
            _standing(parts) if parts is not None else None,
            _tools(tools) if tools is not None else None,
            known,
            window,
            entry=entry,
            chars=chars,
        )
        return msgspec.structs.replace(found, last_step=max(process.step, found.step))

    async def _text(self, owner: str, digest: str) -> bytes | None:
        rows = await self._database.fetch(_TEXT, {"owner": owner, "digest": digest}) if digest else ()
        return rows[0].body if rows else None

    async def _known(self, owner: str, keys: frozenset[int]) -> Mapping[int, Memory]:
        """What these memories say now, forgotten ones too."""
        wanted = sorted(keys)
        found = {}
        for at in range(0, len(wanted), SOME):
            rows = await self._database.fetch(_MEMORIES, {"keys": wanted[at : at + SOME], "owner": owner})
            found.update({row.id: _memory(row.body) for row in rows})
        return found


def _read(reading: saw.Reading, rows: Sequence[Any]) -> None:
    reading.read((row.n, row.at, decode_event(row.body)) for row in rows)
