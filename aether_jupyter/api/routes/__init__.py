"""Every route, one file a noun."""

from __future__ import annotations

from ..routing import routes_in
from . import (
    approvals,
    browsers,
    catalog,
    control,
    displays,
    feedback,
    images,
    memories,
    memory_files,
    personal,
    processes,
    snapshots,
    system,
)

ROUTES = routes_in(
    system,
    personal,
    catalog,
    processes,
    approvals,
    control,
    displays,
    browsers,
    images,
    feedback,
    memory_files,
    memories,
    snapshots,
)
