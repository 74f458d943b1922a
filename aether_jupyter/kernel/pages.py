"""Pages of a list of memories: sorted and filtered by indexes alone, so that page 400 costs what the first does.

A cursor holds where the last page ended in each layer, for strength is comparable within one layer only: between
layers it shifts as time passes. So a cursor also holds the time to which it was reckoned.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import math
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from ..engine.recall import HALF_LIFE_S
from ..model.errors import BadRequest
from ..model.memory import Layer, Sort
from ..store import tables

m, t = tables.memory, tables.memory_tag
Place = tuple[float, int]
_BY: dict[Sort, Any] = {"importance": m.c.importance, "used": m.c.used_at, "strength": m.c.vitality}


class Wanted(msgspec.Struct, frozen=True):
    """Which memories, in which order, how many at once."""

    sort: Sort
    layers: tuple[Layer, ...]
    tags: tuple[str, ...]
    kinds: tuple[str, ...]
    pinned: bool
    forgotten: bool
    limit: int


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`last` is the value and id of the last one given, by layer for strength, else under ''."""

    sort: Sort
    at: float
    last: dict[str, Place]


_decoder = msgspec.msgpack.Decoder(Cursor)


def read(text: str, sort: Sort, now: float) -> Cursor:
    """The place a cursor stands for; the beginning for ''. Raises `BadRequest`."""
    if not text:
        return Cursor(sort, now, {})
    try:
        cursor = _decoder.decode(base64.urlsafe_b64decode(text))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise BadRequest("cursor: not one that this list has given; leave it out to begin anew") from None
    if not all(0 <= key < 2**63 for _, key in cursor.last.values()):
        raise BadRequest("cursor: not one that this list has given; leave it out to begin anew")
    if cursor.sort != sort:
        raise BadRequest(f"cursor: it belongs to a list sorted by {cursor.sort}; leave it out to begin anew")
    return cursor


def rows(connection: Connection, space: int, wanted: Wanted, at: Cursor) -> tuple[Sequence[Any], str]:
    """The rows of the next page, and the cursor of the one after it, '' where there is none."""
    if wanted.sort == "strength":
        found = _strongest(connection, space, wanted, at)
    else:
        statement = _from(_fitting(wanted, space), wanted.sort, at.last.get(""))
        found = [("", row) for row in connection.execute(statement.limit(wanted.limit + 1))]
    page = found[: wanted.limit]
    if len(found) == len(page):
        return [row for _, row in page], ""
    last = at.last | {part: (float(row.value), row.id) for part, row in page}
    following = base64.urlsafe_b64encode(msgspec.msgpack.encode(Cursor(wanted.sort, at.at, last)))
    return [row for _, row in page], following.decode()


def counts(connection: Connection, space: int, wanted: Wanted) -> tuple[int, dict[Layer, int]]:
    """How many fit the filters, and how many there are in each layer without them."""
    by_layer = select(m.c.layer, func.count().label("many")).where(
        m.c.space == space, m.c.forgotten.is_(wanted.forgotten)
    )
    layers = {Layer(row.layer): row.many for row in connection.execute(by_layer.group_by(m.c.layer))}
    if wanted.tags or wanted.kinds or wanted.pinned:
        statement = select(func.count()).where(*_fitting(wanted, space))
        return int(connection.execute(statement).scalar_one()), layers
    return sum(count for layer, count in layers.items() if layer in (wanted.layers or layers)), layers


def _strongest(connection: Connection, space: int, wanted: Wanted, at: Cursor) -> list[tuple[str, Any]]:
    each_layer = []
    for layer in wanted.layers or tuple(Layer):
        of_one = msgspec.structs.replace(wanted, layers=(layer,))
        statement = _from(_fitting(of_one, space), wanted.sort, at.last.get(layer)).limit(wanted.limit + 1)
        less = at.at / HALF_LIFE_S[layer]
        found = [(str(layer), row) for row in connection.execute(statement)]
        each_layer.append([((-(row.value - less), -row.id), (part, row)) for part, row in found])
    merged = heapq.merge(*each_layer, key=lambda pair: pair[0])
    return [pair for _, pair in zip(range(wanted.limit + 1), (row for _, row in merged), strict=False)]


def _fitting(wanted: Wanted, space: int) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [m.c.space == space, m.c.forgotten.is_(wanted.forgotten)]
    if len(wanted.layers) == 1:
        conditions.append(m.c.layer == str(wanted.layers[0]))
    elif wanted.layers:
        conditions.append(m.c.layer.in_([str(layer) for layer in wanted.layers]))
    if wanted.kinds:
        conditions.append(m.c.kind.in_(wanted.kinds))
    if wanted.pinned:
        # Nothing else has no end.
        conditions.append(m.c.vitality == math.inf)
    tagged = (select(t.c.memory).where(t.c.space == space, t.c.tag == tag) for tag in wanted.tags)
    return conditions + [m.c.id.in_(each) for each in tagged]


def _from(conditions: Sequence[ColumnElement[bool]], sort: Sort, last: Place | None) -> Any:
    if sort == "newest":
        after = [m.c.id < last[1]] if last is not None else []
        return select(m.c.id, m.c.body, m.c.id.label("value")).where(*conditions, *after).order_by(m.c.id.desc())
    by = _BY[sort]
    after = [tuple_(by, m.c.id) < tuple_(_bound(last[0]), last[1])] if last is not None else []
    return select(m.c.id, m.c.body, by.label("value")).where(*conditions, *after).order_by(by.desc(), m.c.id.desc())


def _bound(value: float) -> float:
    # What a client sends back may be no number at all; it then comes before everything.
    return math.inf if math.isnan(value) else value
