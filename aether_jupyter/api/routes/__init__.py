"""Every route, one file a noun."""

from __future__ import annotations

from ..routing import routes_in
from . import approvals, catalog, memories, memory_files, processes, system

ROUTES = routes_in(system, catalog, processes, approvals, memory_files, memories)
