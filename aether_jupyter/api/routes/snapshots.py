"""Agents as they stood: captured, listed, compared, gone on from, taken elsewhere and brought from there."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...answers import SnapshotList
from ...model.access import Principal
from ...model.errors import (
    BadSnapshot,
    Conflict,
    ModelNotConfigured,
    ProcessNotFound,
    SnapshotNotFound,
    StorageFull,
    UnknownName,
)
from ...model.snapshot import Branched, Comparison, Snapshot, SnapshotDetail
from ..bodies import Fork, Key, MarkSnapshot, Pid, Restore, TakeSnapshot
from ..routing import ZIP, Attachment, House, SnapshotUpload, route

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]


@route("POST", "/snapshots/import", scope="snapshots:write", status=201, errors=(BadSnapshot, StorageFull))
async def import_snapshot(house: House, who: Principal, body: SnapshotUpload) -> Snapshot:
    """Keep a snapshot that was taken elsewhere. Nothing of it runs before it is restored.

    What is damaged, or holds what no snapshot may, is refused whole.
    """
    return await house.captures.take_in(who, body.path)


@route("GET", "/snapshots", scope="snapshots:read", errors=(ProcessNotFound,))
async def list_snapshots(house: House, who: Principal, *, pid: Pid | None = None, limit: Limit = 1000) -> SnapshotList:
    """One's snapshots, or those of one agent; the newest first."""
    return SnapshotList(list(await house.snapshots.list(who, pid=pid, limit=limit)))


@route(
    "POST",
    "/processes/{pid}/snapshots",
    scope="snapshots:write",
    status=201,
    errors=(ProcessNotFound, Conflict, StorageFull),
)
async def take_snapshot(house: House, who: Principal, pid: Pid, body: TakeSnapshot) -> Snapshot:
    """Capture an agent: its files, its place in the journal, its memory and plan. It is held while files are copied."""
    return await house.captures.take(who, pid, label=body.label, kept=body.kept)


@route(
    "POST",
    "/processes/{pid}/fork",
    scope="snapshots:write",
    status=201,
    errors=(ProcessNotFound, Conflict, UnknownName, ModelNotConfigured, StorageFull),
)
async def fork_process(house: House, who: Principal, pid: Pid, body: Fork) -> Branched:
    """A new agent that goes on from a step of this one, which goes on as it is; with one thing changed, if wanted.

    The notes say where its files differ from the step: they are those of the last snapshot at or before it.
    """
    return await house.captures.fork(who, pid, body.step, body.how(), body.files)


@route("GET", "/snapshots/{snapshot_id}", scope="snapshots:read", errors=(SnapshotNotFound,))
async def get_snapshot(house: House, who: Principal, snapshot_id: Key) -> SnapshotDetail:
    """One snapshot and what is in it."""
    return await house.captures.detail(who, snapshot_id)


@route("PUT", "/snapshots/{snapshot_id}", scope="snapshots:write", errors=(SnapshotNotFound,))
async def mark_snapshot(house: House, who: Principal, snapshot_id: Key, body: MarkSnapshot) -> Snapshot:
    """Say what it is, and whether it is spared when the oldest go; what is left out stays."""
    return await house.snapshots.mark(who, snapshot_id, label=body.label, kept=body.kept)


@route("DELETE", "/snapshots/{snapshot_id}", scope="snapshots:write", errors=(SnapshotNotFound,))
async def delete_snapshot(house: House, who: Principal, snapshot_id: Key) -> Snapshot:
    """Delete a snapshot, and from the disk what no other one holds."""
    return await house.captures.delete(who, snapshot_id)


@route("GET", "/snapshots/{snapshot_id}/compare", scope="snapshots:read", errors=(SnapshotNotFound, BadSnapshot))
async def compare_snapshots(house: House, who: Principal, snapshot_id: Key, *, before: Key) -> Comparison:
    """What is otherwise in it than in the snapshot `before`: files with their sizes, steps, plan and memories."""
    return await house.captures.compare(who, before, snapshot_id)


@route(
    "POST",
    "/snapshots/{snapshot_id}/restore",
    scope="snapshots:write",
    status=201,
    errors=(SnapshotNotFound, BadSnapshot, Conflict, UnknownName, ModelNotConfigured, StorageFull),
)
async def restore_snapshot(house: House, who: Principal, snapshot_id: Key, body: Restore) -> Branched:
    """A new agent that goes on from a snapshot, with its files and, unless `memory` is `now`, what it remembered then.

    What came from elsewhere may do no more here than every agent may, asks before what is risky, and has no
    instructions of its own; its instructions, role, desktop and hosts stay if a person says that it is `trusted`.
    """
    return await house.captures.restore(who, snapshot_id, body.how(), trusted=body.trusted)


@route(
    "GET",
    "/snapshots/{snapshot_id}/export",
    scope="snapshots:read",
    media=(ZIP,),
    errors=(SnapshotNotFound, BadSnapshot),
)
async def export_snapshot(house: House, who: Principal, snapshot_id: Key) -> Attachment:
    """A snapshot as one file, which another server takes. Links that lead out of the home are left out."""
    name, pieces = await house.captures.export(who, snapshot_id)
    return Attachment(name, ZIP, pieces)
