"""Counting tokens without a tokeniser."""

from __future__ import annotations

import pytest

from aether_jupyter.engine.tokens import Scale, tokens, turn_weight, weight
from aether_jupyter.model.message import ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn

MEASURED = [
    ("The kernel records facts, the runtime does the deeds. ", 11),
    ("def fold(state, event):\n    return replace(state, head=n)\n", 14),
    ("37,116.2389,2026-11-10T08:37:00Z\n", 33),
    ("会话上下文会不断增长,直到超过模型的窗口。", 14),
    ("Агент работает над задачей шаг за шагом. ", 12),
]
"""Texts and what they come to in the vocabulary of Qwen2.5."""


@pytest.mark.parametrize(("text", "real"), MEASURED)
def test_the_estimate_is_near_what_a_tokeniser_counts(text: str, real: int) -> None:
    assert 0.75 * real <= tokens(weight(text * 100)) / 100 <= 2.1 * real


def test_a_scale_weighs_what_is_new_and_begins_again_when_the_past_changed() -> None:
    turns: list[Turn] = [
        UserTurn("go"),
        ModelTurn((Text("x"), ToolCall("c", "t", {"a": 1}))),
        ToolTurn("c", "t", "y" * 99),
    ]
    scale = Scale()
    for count in (1, 2, 3):
        assert scale.total(turns[:count]) == sum(map(turn_weight, turns[:count]))
    assert scale.total((UserTurn("other"), *turns[2:])) == turn_weight(UserTurn("other")) + turn_weight(turns[2])


def test_results_that_a_provider_shortens_count_for_what_is_left_of_them() -> None:
    turns = (UserTurn("go"), ToolTurn("c", "t", "y" * 9_000))
    assert Scale(100).total(turns) == Scale().total((turns[0], ToolTurn("c", "t", "y" * 100)))
