"""What a model writes for a target is what it means."""

from __future__ import annotations

import pytest

from aether_jupyter.model.browsing import ByCss, ByRole, ByText, Point, Ref, Target, target


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("e12", Ref("e12")),
        (" f1e3 ", Ref("f1e3")),
        ("[e12]", Ref("e12")),
        ("ref=e12", Ref("e12")),
        ("[ref=e12]", Ref("e12")),
        ('- button "Save" [ref=e9] [cursor=pointer]:', Ref("e9")),
        ('button "Save"', ByRole("button", "Save")),
        ("- link 'Go home'", ByRole("link", "Go home")),
        ('heading "Prices" [level=1]', ByRole("heading", "Prices")),
        ('banana "Save"', ByText('banana "Save')),
        ("120,300", Point(120, 300)),
        ("(12.5, 40)", Point(12.5, 40)),
        ("css=#a > .b", ByCss("#a > .b")),
        ("text=Sign in", ByText("Sign in")),
        ('"Sign in"', ByText("Sign in")),
        ("Sign in", ByText("Sign in")),
        ("e12 years", ByText("e12 years")),
    ],
)
def test_targets(text: str, meant: Target) -> None:
    assert target(text) == meant


def test_an_empty_target_is_refused() -> None:
    with pytest.raises(ValueError, match="the target is empty"):
        target("  ")
