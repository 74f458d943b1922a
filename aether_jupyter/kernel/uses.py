"""Where memories were given to models and cited, and that what was of use fades later.

Written in the transaction that records the event which tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, func, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from ..engine.recall import vitality
from ..model.events import MemoriesGiven, ModelAnswered
from ..model.memory import Memory, MemoryUse, Recalled
from ..model.process import Process
from ..store import tables
from ..store.database import Transaction

m, u = tables.memory, tables.memory_use
_decode = msgspec.json.Decoder(Memory).decode
_encode = msgspec.json.Encoder().encode
_GIVE = insert(u).on_conflict_do_nothing()
_ALIVE = select(m.c.id, m.c.body).where(m.c.id.in_(bindparam("keys", expanding=True)), m.c.forgotten.is_(False))
_LAST = (
    select(u.c.memory, func.max(u.c.step))
    .where(u.c.pid == bindparam("process"), u.c.memory.in_(bindparam("keys", expanding=True)), u.c.cited.is_(None))
    .group_by(u.c.memory)
)
_CITE = update(u).where(
    and_(u.c.pid == bindparam("process"), tuple_(u.c.memory, u.c.step).in_(_LAST)),
)
_SAVE = (
    update(m)
    .where(m.c.id == bindparam("key"))
    .values(vitality=bindparam("alive"), used_at=bindparam("used"), body=bindparam("whole"))
)
USES_MOST = 200


def given(tx: Transaction, process: Process, event: MemoriesGiven) -> None:
    """They were put before the model, for its next step."""
    scores = {each.memory: each.why.score for each in event.weighed}
    _give(tx, process.pid, process.step + 1, "reminded", {key: scores.get(key, 0.0) for key in event.memories})


def recalled(tx: Transaction, pid: int, step: int, found: Sequence[Recalled]) -> None:
    """They were found by the tool."""
    _give(tx, pid, step, "recalled", {each.memory.id: each.why.score for each in found})


def cited(tx: Transaction, process: Process, event: ModelAnswered) -> None:
    """An answer rests on them."""
    tx.run(_CITE.values(cited=event.step), {"process": process.pid, "keys": event.cited})
    touch(tx, event.cited, process.owner)


def touch(tx: Transaction, keys: Sequence[int], owner: str) -> None:
    """These were of use: they fade later. Whose they are besides is for the caller to have seen."""
    for row in tx.all(_ALIVE, {"keys": list(keys)}):
        memory = msgspec.structs.replace(_decode(row.body), id=row.id)
        if memory.owner != owner:
            continue
        used = msgspec.structs.replace(memory, uses=memory.uses + 1, used_at=tx.now)
        tx.run(_SAVE, {"key": row.id, "alive": vitality(used), "used": tx.now, "whole": _encode(used)})


def read(row: Any) -> MemoryUse:
    """A row as the doors tell it."""
    return MemoryUse(
        memory=row.memory, pid=row.pid, step=row.step, at=row.at, how=row.how, score=row.score, cited=row.cited
    )


def _give(tx: Transaction, pid: int, step: int, how: str, scores: dict[int, float]) -> None:
    rows = [
        {"memory": key, "pid": pid, "step": step, "how": how, "at": tx.now, "score": score, "cited": None}
        for key, score in scores.items()
    ]
    if rows:
        tx.run(_GIVE, rows)
