"""Traits of `c.Aether` become settings, or the server says which one is wrong and what to write."""

from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from aether_jupyter.config import Aether
from aether_jupyter.model.permission import Permission
from aether_jupyter.model.routing import Condition, RoutingRule
from aether_jupyter.model.tool import Risk


def settings(**traits: Any) -> Any:
    return Aether(config=Config({"Aether": traits})).settings({})


def test_permissions_are_lines_or_fields() -> None:
    given = ["deny tool=run_command risk=execute,network why='no programs'", {"verdict": "ask", "folder": "out"}]
    assert settings(permissions=given).permissions == (
        Permission(verdict="deny", tool="run_command", risk=(Risk.EXECUTE, Risk.NETWORK), why="no programs"),
        Permission(verdict="ask", folder="out"),
    )
    assert settings().permissions == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("deny tol=x", "no condition 'tol'. Did you mean 'tool'?"),
        ("forbid tool=x", "allow, ask, deny"),
        ("deny folder=[x", "without its"),
        ({"verdict": "no"}, "Invalid enum value"),
        (7, "no permission"),
    ],
)
def test_a_wrong_permission_is_named_and_never_passed_over(line: Any, words: str) -> None:
    with pytest.raises(TraitError) as caught:
        settings(permissions=["allow tool=*", line])
    assert str(caught.value).startswith("c.Aether.permissions[1]: ")
    assert words in str(caught.value)


def test_families_and_rules_of_routing() -> None:
    given = settings(cheap_models=["openai:nano"], routing=["frontier role=reviewer"], default_model="auto:cheap")
    assert given.cheap_models == ("openai:nano",)
    assert given.standard_models == given.frontier_models == ()
    assert given.routing == (RoutingRule("frontier", (Condition("role", "=", "reviewer"),)),)
    assert settings().routing == ()


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        (
            {"routing": ["cheap", "cheap goal=x"]},
            "c.Aether.routing[1]: 'cheap goal=x': goal takes ~=, as in goal~=summar",
        ),
        ({"routing": ["fast"]}, "c.Aether.routing[0]: 'fast' begins with 'fast', which is no family"),
        ({"cheap_models": ["auto"]}, "c.Aether.cheap_models: 'auto' stands for a choice among models; name one"),
        ({"fallback_models": ["auto:cheap"]}, "c.Aether.fallback_models: 'auto:cheap' stands for a choice"),
        ({"default_model": "auto:fast"}, "c.Aether.default_model: 'auto:fast' names no family of models"),
    ],
)
def test_wrong_routing_is_named_with_its_place(traits: Any, words: str) -> None:
    with pytest.raises(TraitError) as caught:
        settings(**traits)
    assert str(caught.value).startswith(words)
