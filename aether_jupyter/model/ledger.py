"""The usage ledger's rows: what was used, by day, model and agent."""

from __future__ import annotations

import msgspec


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent used of one model on one day (the server's local day, as YYYY-MM-DD)."""

    day: str
    model: str
    pid: int
    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
