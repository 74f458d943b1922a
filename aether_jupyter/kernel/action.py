"""`@action(scope)`: the one place where authority is asked and a transaction is opened.

The decorated method's body is plain synchronous SQL over the writer's connection, so it cannot wait on the network
while it holds the database. Callers await it and pass the principal first.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..model.access import SCOPES, Principal, require
from ..store.database import Database, Transaction


class Acting(Protocol):
    """Whoever has actions has a database."""

    _database: Database


S = TypeVar("S", bound=Acting)
P = ParamSpec("P")
R = TypeVar("R")
Body = Callable[Concatenate[S, Transaction, Principal, P], R]
Action = Callable[Concatenate[S, Principal, P], Awaitable[R]]

ACTIONS: dict[str, str] = {}
"""Every action by its qualified name, with its scope."""


def action(scope: str) -> Callable[[Body[S, P, R]], Action[S, P, R]]:
    """Make a body an action that needs `scope`."""
    if scope not in SCOPES:
        raise ValueError(f"unknown scope {scope!r}")

    def decorate(body: Body[S, P, R]) -> Action[S, P, R]:
        ACTIONS[body.__qualname__] = scope

        @functools.wraps(body)
        async def act(self: S, actor: Principal, /, *args: Any, **options: Any) -> R:
            require(actor, scope)
            return await self._database.write(lambda tx: body(self, tx, actor, *args, **options))

        return act

    return decorate
