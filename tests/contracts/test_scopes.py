"""Every route and every action names a scope that is in the table, and every scope is used."""

from __future__ import annotations

import importlib
import pkgutil

import aether_jupyter.kernel
from aether_jupyter.api.routes import ROUTES
from aether_jupyter.kernel.action import ACTIONS
from aether_jupyter.model.access import AGENT, PERSON, SCOPES

for _module in pkgutil.iter_modules(aether_jupyter.kernel.__path__):
    importlib.import_module(f"aether_jupyter.kernel.{_module.name}")


def test_scopes_of_routes_and_actions_are_in_the_table() -> None:
    assert {route.scope for route in ROUTES} <= SCOPES.keys()
    assert ACTIONS
    assert set(ACTIONS.values()) <= SCOPES.keys()


def test_every_scope_is_used() -> None:
    assert {route.scope for route in ROUTES} == PERSON
    assert set(ACTIONS.values()) | PERSON == SCOPES.keys()


def test_agents_can_do_less_than_people_and_people_less_than_the_runtime() -> None:
    assert AGENT < PERSON < SCOPES.keys()
    assert "approvals:decide" not in AGENT
    assert "system:run" not in PERSON


def test_a_route_that_changes_something_has_a_scope_that_says_so() -> None:
    for route in ROUTES:
        reads = route.scope.endswith((":read", ":view"))
        assert reads == (route.method == "GET"), route.operation_id
