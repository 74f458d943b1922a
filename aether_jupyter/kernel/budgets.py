"""The usage ledger: what each call cost, by owner, day, process and model; and the owner's budget of the day."""

from __future__ import annotations

import time

from sqlalchemy import bindparam, func, select

from ..model.access import Principal, require
from ..model.errors import OverBudget
from ..model.events import AuxiliaryAnswered, ModelAnswered, ModelFailed
from ..model.ledger import UsageRow
from ..model.message import Usage
from ..model.process import Process
from ..model.view import Spend
from ..store import tables
from ..store.database import Database, Transaction, upsert

u = tables.usage
_CHARGE = upsert(
    u, key=("owner", "day", "pid", "model"), add=("calls", "input_tokens", "output_tokens", "cost_usd"), keep=("name",)
)
_SPENT = select(func.coalesce(func.sum(u.c.cost_usd), 0.0)).where(
    u.c.owner == bindparam("owner"), u.c.day == bindparam("day")
)
_SUM = func.coalesce(func.sum(tables.process.c.reserved_usd), 0.0)
_RUNNING = select(_SUM).where(tables.process.c.owner == bindparam("owner"), tables.process.c.state == "RUNNING")
_LOOKING_BACK = (
    select(_SUM)
    .join(tables.reflection, tables.reflection.c.pid == tables.process.c.pid)
    .where(tables.reflection.c.owner == bindparam("owner"))
)
_RESERVED = select(_RUNNING.scalar_subquery() + _LOOKING_BACK.scalar_subquery())


class Budgets:
    """`daily_usd` is what one owner may spend a day; None is no limit."""

    def __init__(self, database: Database, daily_usd: float | None) -> None:
        self._database = database
        self.daily_usd = daily_usd

    def charge(self, tx: Transaction, process: Process, event: ModelAnswered | AuxiliaryAnswered | ModelFailed) -> None:
        """Write one call to the ledger, inside the transaction that records it."""
        if isinstance(event, ModelFailed):
            if not event.charged_usd:
                return
            tokens, cost = (0, 0), event.charged_usd
        else:
            tokens, cost = (event.usage.input_tokens, event.usage.output_tokens), event.cost_usd
        tx.run(
            _CHARGE,
            {
                "owner": process.owner,
                "day": day(tx.now),
                "pid": process.pid,
                "model": event.model,
                "name": process.name[:200],
                "calls": 1,
                "input_tokens": tokens[0],
                "output_tokens": tokens[1],
                "cost_usd": cost,
            },
        )

    def charge_beside(
        self, tx: Transaction, owner: str, name: str, model: str, usage: Usage, usd: float, *, calls: int, at: float
    ) -> None:
        """Write to the ledger what belongs to the agent `name` and to no process, on the day of `at`; less than 0 takes
        it back.
        """
        tx.run(
            _CHARGE,
            {
                "owner": owner,
                "day": day(at),
                "pid": 0,
                "model": model,
                "name": name[:200],
                "calls": calls,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost_usd": usd,
            },
        )

    def check(self, tx: Transaction, owner: str, wanted_usd: float) -> None:
        """Raise `OverBudget` if what is spent, reserved and wanted is more than the day's budget.

        It is asked in the transaction that reserves, so that of many who ask at once only those pass who fit.
        """
        if self.daily_usd is None or wanted_usd <= 0:
            return
        spent = tx.one(_SPENT, {"owner": owner, "day": day(tx.now)})[0]
        reserved = tx.one(_RESERVED, {"owner": owner})[0]
        if spent + reserved + wanted_usd > self.daily_usd:
            raise OverBudget(
                f"Today's budget of ${self.daily_usd:.2f} is used: ${spent:.2f} spent, ${reserved:.2f} reserved. "
                "It goes on tomorrow, or when the administrator raises c.Aether.daily_budget_usd."
            )

    async def spend(self, actor: Principal) -> Spend:
        """What the owner has spent today."""
        require(actor, "usage:read")
        now = time.time()
        rows = await self._database.fetch(_SPENT, {"owner": actor.owner, "day": day(now)})
        return Spend(day(now), rows[0][0], self.daily_usd, next_day(now))

    async def usage(self, actor: Principal, *, days: int = 30) -> list[UsageRow]:
        """The ledger of the last `days`, newest day first."""
        require(actor, "usage:read")
        since = day(time.time() - (days - 1) * 86_400)
        statement = select(u).where(u.c.owner == actor.owner, u.c.day >= since).order_by(u.c.day.desc(), u.c.pid.desc())
        return [
            UsageRow(**{name: getattr(r, name) for name in UsageRow.__struct_fields__})
            for r in await self._database.fetch(statement)
        ]


def day(at: float) -> str:
    """The local day of a moment."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def next_day(at: float) -> float:
    """When the local day of a moment is over."""
    local = time.localtime(at)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday + 1, 0, 0, 0, 0, 0, -1))
