"""What models say to a computer, in the words of each provider: one action, or an error that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from aether_jupyter.model.errors import ToolArguments
from aether_jupyter.rfb.actions import HOLD_S, KEYS, NOTCHES, PATH, TYPED, WAIT_S, Action, chord, parsed
from aether_jupyter.rfb.keysyms import keysym

ANTHROPIC: list[tuple[dict[str, Any], Action]] = [
    ({"action": "screenshot"}, Action(kind="look")),
    ({"action": "cursor_position"}, Action(kind="where")),
    ({"action": "mouse_move", "coordinate": [3, 4]}, Action(kind="move", path=((3, 4),))),
    ({"action": "left_click", "coordinate": [3.4, 4.6]}, Action(kind="click", path=((3, 5),))),
    ({"action": "left_click"}, Action(kind="click")),
    (
        {"action": "left_click", "coordinate": [3, 4], "text": "ctrl+shift"},
        Action(kind="click", path=((3, 4),), keys=("ctrl", "shift")),
    ),
    ({"action": "right_click", "coordinate": [3, 4]}, Action(kind="click", path=((3, 4),), button=4)),
    ({"action": "middle_click", "coordinate": [3, 4]}, Action(kind="click", path=((3, 4),), button=2)),
    ({"action": "double_click", "coordinate": [3, 4]}, Action(kind="click", path=((3, 4),), count=2)),
    ({"action": "triple_click", "coordinate": [3, 4]}, Action(kind="click", path=((3, 4),), count=3)),
    ({"action": "left_mouse_down"}, Action(kind="down")),
    ({"action": "left_mouse_up", "coordinate": [3, 4]}, Action(kind="up", path=((3, 4),))),
    (
        {"action": "left_click_drag", "start_coordinate": [1, 2], "coordinate": [3, 4]},
        Action(kind="drag", path=((1, 2), (3, 4))),
    ),
    ({"action": "left_click_drag", "coordinate": [3, 4]}, Action(kind="drag", path=((3, 4),))),
    (
        {"action": "scroll", "coordinate": [3, 4], "scroll_direction": "down", "scroll_amount": 5, "text": "shift"},
        Action(kind="scroll", path=((3, 4),), turns=(("down", 5),), keys=("shift",)),
    ),
    (
        {"action": "scroll", "scroll_direction": "left", "scroll_amount": 9_999},
        Action(kind="scroll", turns=(("left", NOTCHES),)),
    ),
    ({"action": "type", "text": "a+b"}, Action(kind="type", text="a+b")),
    ({"action": "key", "text": "ctrl+s", "repeat": 3}, Action(kind="press", keys=("ctrl", "s"), count=3)),
    ({"action": "hold_key", "text": "shift", "duration": 2}, Action(kind="hold", keys=("shift",), seconds=2.0)),
    ({"action": "hold_key", "text": "w", "duration": 999}, Action(kind="hold", keys=("w",), seconds=HOLD_S)),
    ({"action": "wait", "duration": 3}, Action(kind="wait", seconds=3.0)),
    ({"action": "wait", "duration": 999}, Action(kind="wait", seconds=WAIT_S)),
]

OPENAI: list[tuple[dict[str, Any], Action]] = [
    ({"type": "screenshot"}, Action(kind="look")),
    ({"type": "click", "x": 3, "y": 4, "button": "left"}, Action(kind="click", path=((3, 4),))),
    ({"type": "click", "x": 3, "y": 4, "button": "right"}, Action(kind="click", path=((3, 4),), button=4)),
    ({"type": "click", "x": 3, "y": 4, "button": "wheel"}, Action(kind="click", path=((3, 4),), button=2)),
    ({"type": "click", "x": 3, "y": 4, "button": "back"}, Action(kind="press", keys=("browserback",))),
    ({"type": "click", "x": 3, "y": 4, "button": "forward"}, Action(kind="press", keys=("browserforward",))),
    ({"type": "click", "x": 3, "y": 4, "keys": ["CTRL"]}, Action(kind="click", path=((3, 4),), keys=("CTRL",))),
    ({"type": "click", "x": 3, "y": 4, "keys": "ctrl"}, Action(kind="click", path=((3, 4),), keys=("ctrl",))),
    ({"type": "double_click", "x": 3, "y": 4}, Action(kind="click", path=((3, 4),), count=2)),
    ({"type": "move", "x": 3, "y": 4}, Action(kind="move", path=((3, 4),))),
    (
        {"type": "drag", "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}, [5, 6]]},
        Action(kind="drag", path=((1, 2), (3, 4), (5, 6))),
    ),
    ({"type": "keypress", "keys": ["CTRL", "S"]}, Action(kind="press", keys=("CTRL", "S"))),
    (
        {"type": "scroll", "x": 3, "y": 4, "scroll_x": 0, "scroll_y": 300},
        Action(kind="scroll", path=((3, 4),), turns=(("down", 3),)),
    ),
    (
        {"type": "scroll", "x": 3, "y": 4, "scroll_x": -10, "scroll_y": -250},
        Action(kind="scroll", path=((3, 4),), turns=(("left", 1), ("up", 2))),
    ),
    ({"type": "type", "text": "hello"}, Action(kind="type", text="hello")),
    ({"type": "wait"}, Action(kind="wait", seconds=2.0)),
]

GEMINI: list[tuple[dict[str, Any], Action]] = [
    ({"action": "click_at", "x": 500, "y": 1000}, Action(kind="click", path=((500, 1000),), thousandths=True)),
    ({"action": "hover_at", "x": 0, "y": 9}, Action(kind="move", path=((0, 9),), thousandths=True)),
    (
        {"action": "type_text_at", "x": 5, "y": 6, "text": "hi"},
        Action(kind="type", path=((5, 6),), text="hi", thousandths=True, clear=True, enter=True),
    ),
    (
        {"action": "type_text_at", "x": 5, "y": 6, "text": "", "press_enter": False, "clear_before_typing": False},
        Action(kind="type", path=((5, 6),), thousandths=True),
    ),
    ({"action": "key_combination", "keys": "control+s"}, Action(kind="press", keys=("control", "s"))),
    ({"action": "scroll_document", "direction": "up"}, Action(kind="scroll", turns=(("up", 8),), thousandths=True)),
    (
        {"action": "scroll_at", "x": 5, "y": 6, "direction": "right", "magnitude": 200},
        Action(kind="scroll", path=((5, 6),), turns=(("right", 2),), thousandths=True),
    ),
    (
        {"action": "drag_and_drop", "x": 1, "y": 2, "destination_x": 3, "destination_y": 4},
        Action(kind="drag", path=((1, 2), (3, 4)), thousandths=True),
    ),
    ({"action": "wait_5_seconds"}, Action(kind="wait", seconds=5.0)),
]


@pytest.mark.parametrize(("said", "meant"), ANTHROPIC + OPENAI + GEMINI)
def test_each_provider_is_understood_in_its_own_words(said: dict[str, Any], meant: Action) -> None:
    assert parsed(said) == meant
    # What a call leaves out comes as null.
    assert parsed({"text": None, "keys": None, "coordinate": None, "x": None, "path": None} | said) == meant


@pytest.mark.parametrize(("said", "meant"), OPENAI)
def test_a_whole_action_of_openai_stands_under_its_name(said: dict[str, Any], meant: Action) -> None:
    assert parsed({"action": said}) == meant
    assert parsed({"type": "computer_call", "action": said, "x": None}) == meant


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "there is no action ''"),
        ({"action": "fly"}, "there is no action 'fly'. There are: click"),
        ({"action": {}}, "there is no action ''"),
        ({"action": {"type": "fly"}}, "there is no action 'fly'"),
        ({"action": {"type": "click", "x": 3}}, "click: it needs 'y'"),
        ({"action": {"action": {"type": "wait"}}}, "there is no action"),
        ({"type": "move"}, "it needs 'a place: coordinate"),
        ({"action": "left_click", "coordinate": [3]}, "a place is two numbers"),
        ({"action": "left_click", "coordinate": [3, 4, 5]}, "a place is two numbers"),
        ({"action": "left_click", "coordinate": ["a", "b"]}, "a place is two numbers"),
        ({"action": "left_click", "coordinate": [1e999, 0]}, "a place is two numbers"),
        ({"type": "drag", "path": [{"x": 1}]}, "a place is two numbers"),
        ({"type": "drag", "path": []}, f"a path has 1 to {PATH} places"),
        ({"type": "drag", "path": [[1, 1]] * (PATH + 1)}, f"a path has 1 to {PATH} places"),
        ({"type": "click", "x": 3, "y": 4, "button": "sixth"}, "button is one of left, middle, wheel, right, back"),
        ({"action": "scroll", "scroll_direction": "north"}, "the direction is one of up, down, left, right"),
        ({"action": "scroll_at", "x": 1, "y": 1}, "it needs 'direction'"),
        ({"type": "scroll", "scroll_y": 1e999}, "scroll: cannot convert"),
        ({"action": "type"}, "it needs 'text'"),
        ({"action": {"type": "type", "text": "a" * (TYPED + 1)}}, "at most 20,000 characters"),
        ({"action": "key"}, "it needs 'text, such as ctrl+s, or keys'"),
        ({"action": "key", "text": ""}, "no key is named"),
        ({"type": "keypress", "keys": []}, "no key is named"),
        ({"action": {"type": "keypress", "keys": 7}}, "keys are a chord"),
        ({"type": "keypress", "keys": ["a"] * (KEYS + 1)}, f"at most {KEYS} keys"),
        ({"action": "hold_key"}, "it needs 'text'"),
        ({"action": "hold_key", "text": "w", "duration": "long"}, "could not convert"),
    ],
)
def test_what_is_not_understood_is_said(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ToolArguments) as refused:
        parsed(said)
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl+shift+t", ("ctrl", "shift", "t")),
        ("ctrl + s", ("ctrl", "s")),
        ("+", ("+",)),
        ("ctrl++", ("ctrl", "+")),
        ("Return", ("Return",)),
    ],
)
def test_a_chord_is_its_keys(text: str, keys: tuple[str, ...]) -> None:
    assert chord(text) == keys


def test_the_keys_that_stand_for_buttons_are_keys() -> None:
    for name in ("back", "forward"):
        (key,) = parsed({"type": "click", "x": 0, "y": 0, "button": name}).keys
        assert keysym(key) is not None
