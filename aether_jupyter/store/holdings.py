"""Which rows of every table are about a person, or about one of their agents.

It is read off the columns, so that a new table is found by its keys: `owner`, `pid` (`sender`, `receiver`), `space`,
`memory`, `agent` (`reader`). A table that has none of them must stand in `NOBODY`; a test holds it to that. Images are
those of the processes that name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select

from . import tables

NOBODY = frozenset({"worker", "meta"})
"""Servers with their leases, and the name of this `AETHER_HOME`: nothing about people."""

FEW = 400
"""Keys that one statement names."""

BULK = frozenset({"vector", "content"})
"""Columns that hold no text: vectors, and the bytes of images."""


class Whose(msgspec.Struct, frozen=True):
    """Everything of an owner, or of these agents alone: their names, spaces and processes."""

    owner: str
    whole: bool
    agents: tuple[str, ...] = ()
    spaces: tuple[int, ...] = ()
    pids: tuple[int, ...] = ()


def tables_of_people() -> Sequence[Table]:
    """Every table but those that hold nothing about people."""
    return [table for table in tables.metadata.sorted_tables if table.name not in NOBODY]


def rows_of(table: Table, whose: Whose) -> ColumnElement[bool]:
    """The condition that picks the rows of a table. Raises `LookupError` for one that has no key of a person's."""
    s, m, p = tables.memory_space, tables.memory, tables.process
    columns = table.c
    found: list[ColumnElement[bool]] = []
    if whose.whole:
        if "owner" in columns:
            return columns.owner == whose.owner
        spaces = select(s.c.id).where(s.c.owner == whose.owner)
        pids = select(p.c.pid).where(p.c.owner == whose.owner)
        keys = select(m.c.id).where(m.c.space.in_(spaces))
    else:
        spaces = select(s.c.id).where(s.c.id.in_(whose.spaces))
        pids = select(p.c.pid).where(p.c.pid.in_(whose.pids))
        keys = select(m.c.id).where(m.c.space.in_(whose.spaces))
    if "space" in columns:
        found.append(columns.space.in_(spaces))
    if "memory" in columns:
        found.append(columns.memory.in_(keys))
    found += [columns[name].in_(pids) for name in ("pid", "sender", "receiver") if name in columns]
    if table is tables.image:
        used = tables.image_use
        found.append(
            and_(columns.owner == whose.owner, columns.digest.in_(select(used.c.digest).where(used.c.pid.in_(pids))))
        )
    if table is s:
        found.append(s.c.id.in_(spaces))
    elif "agent" in columns and "owner" in columns:
        found.append(and_(columns.owner == whose.owner, columns.agent.in_(whose.agents)))
    if "reader" in columns and not whose.whole:
        mine = select(s.c.id).where(s.c.owner == whose.owner)
        found.append(and_(columns.space.in_(mine), columns.reader.in_(whose.agents)))
    if not found and table is not tables.text:
        raise LookupError(f"{table.name}: say in store.holdings whose its rows are")
    # Texts are kept by their digest for all agents of an owner; which no one needs any more is seen afterwards.
    return or_(*found) if found else columns.owner.is_(None)


def counted(connection: Connection, whose: Whose) -> Mapping[str, int]:
    """How many rows each table has of them, in words for people; tables without any are left out."""
    found: dict[str, int] = {}
    order = list(_CALLED)
    for table in sorted(tables_of_people(), key=lambda t: order.index(t.name) if t.name in order else len(order)):
        rows = connection.execute(select(func.count()).select_from(table).where(rows_of(table, whose))).scalar_one()
        if rows:
            found[called(table)] = int(rows)
    return found


def called(table: Table) -> str:
    """What people call the rows of a table."""
    return _CALLED.get(table.name, table.name.replace("_", " "))


def plain_row(row: Any) -> dict[str, Any]:
    """A row as JSON takes it: what is JSON in it stays so, and what is `BULK` is left out."""
    made: dict[str, Any] = {}
    for name, value in row._mapping.items():
        if not isinstance(value, bytes):
            made[name] = value
        elif name not in BULK:
            made[name] = msgspec.Raw(value)
    return made


_CALLED = {
    "process": "agents",
    "event": "journal lines",
    "memory": "memories",
    "approval": "approvals",
    "request": "requests between agents",
    "rule": "standing approvals",
    "memory_space": "memory spaces",
    "memory_tag": "tags",
    "memory_use": "uses of memories",
    "memory_report": "reports on memories",
    "memory_vector": "vectors",
    "memory_version": "versions of memories",
    "memory_grant": "grants",
    "memory_notes": "versions of MEMORY.md",
    "text": "standing instructions",
    "image": "images",
    "image_use": "uses of images",
    "usage": "lines of the usage ledger",
    "outcome": "outcomes",
    "feedback": "judgements of steps",
    "reflection": "reflections under way",
    "snapshot": "snapshots",
}
