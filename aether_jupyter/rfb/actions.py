"""Actions on a desktop, in one form, out of the words in which the large providers' models say them.

The forms are those of Anthropic's computer tool (`action`, `coordinate`, `text`, …), of OpenAI's (`type`, `x`, `y`,
`path`, `keys`, …; also as a whole under `action`) and of Gemini's (`click_at`, `key_combination`, …, with places in
thousandths of the screen).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from ..model.errors import ToolArguments

Place = tuple[int, int]
Button = Literal["left", "middle", "right"]
Kind = Literal["look", "where", "move", "click", "down", "up", "drag", "scroll", "type", "press", "hold", "wait"]

BUTTONS: dict[str, int] = {"left": 1, "middle": 2, "wheel": 2, "right": 4}
SIDEWAYS = {"back": "browserback", "forward": "browserforward"}
"""Buttons beyond the seventh, which servers do not take, by the keys that do the same."""
WHEEL = {"up": 8, "down": 16, "left": 32, "right": 64}
NOTCH_PIXELS = 100
"""Pixels that browsers scroll for one notch of a wheel, about: providers name pixels, wheels have notches."""
NOTCHES = 30
THOUSAND = 1000
PATH, KEYS, TYPED = 500, 20, 20_000
"""Places of a drag, keys pressed together, characters typed in one action."""
HOLD_S, WAIT_S = 30.0, 60.0


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do. Places are pixels of the picture that the agent saw, or thousandths if `thousandths`.

    `path` has where it happens, for a drag all of the way. `keys` are pressed together, and held in a click. `turns`
    are notches of the wheel by direction; `clear` empties the field before typing, `enter` follows it.
    """

    kind: Kind
    path: tuple[Place, ...] = ()
    button: int = 1
    count: int = 1
    turns: tuple[tuple[str, int], ...] = ()
    text: str = ""
    keys: tuple[str, ...] = ()
    seconds: float = 1.0
    thousandths: bool = False
    clear: bool = False
    enter: bool = False


def parsed(arguments: Mapping[str, Any]) -> Action:
    """The action that these arguments mean, in whichever form. Raises `ToolArguments` with the forms there are."""
    nested = arguments.get("action")
    if isinstance(nested, Mapping):
        # Around it may stand a `type` of the call's own.
        arguments = nested
    name = arguments.get("action") or arguments.get("type") or ""
    read = _READERS.get(str(name).removeprefix("computer_").lower())
    if read is None:
        raise ToolArguments(f"computer: there is no action {name!r}. There are: {', '.join(sorted(_READERS))}")
    try:
        return read(_Words(arguments))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        missing = f"it needs {error}" if isinstance(error, KeyError) else str(error)
        raise ToolArguments(f"computer: {name}: {missing}") from None


def chord(text: str) -> tuple[str, ...]:
    """The keys of `ctrl+shift+t`; a plus that is itself a key stands last or alone."""
    if text == "+":
        return ("+",)
    if text.endswith("++"):
        return (*chord(text[:-2]), "+")
    return tuple(part.strip() if part.strip() else part for part in text.split("+"))


class _Words:
    """Arguments, asked by name."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def get(self, name: str, default: Any = None) -> Any:
        value = self._given.get(name)
        return default if value is None else value

    def need(self, name: str) -> Any:
        value = self._given.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def place(self, prefix: str = "") -> Place:
        found = self.maybe(prefix)
        if found is None:
            raise KeyError("a place: coordinate [x, y], or x and y")
        return found

    def maybe(self, prefix: str = "") -> Place | None:
        at = self.get(f"{prefix}coordinate")
        if at is None and self.get(f"{prefix}x") is not None:
            at = (self.get(f"{prefix}x"), self.need(f"{prefix}y"))
        return None if at is None else _place(at)

    def way(self) -> tuple[Place, ...]:
        at = self.maybe()
        return () if at is None else (at,)


def _place(at: Any) -> Place:
    try:
        x, y = (at["x"], at["y"]) if isinstance(at, Mapping) else at
        return round(float(x)), round(float(y))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{at!r} is no place; a place is two numbers, such as [x, y]") from None


def _together(keys: Any) -> tuple[str, ...]:
    """Keys as a chord such as ctrl+s, or one by one."""
    if not isinstance(keys, str | list | tuple):
        raise ValueError("keys are a chord such as ctrl+s, or a list of keys")
    found = (chord(keys) if keys else ()) if isinstance(keys, str) else tuple(str(key) for key in keys)
    if len(found) > KEYS:
        raise ValueError(f"at most {KEYS} keys are pressed together")
    return found


def _text(words: _Words) -> str:
    text = str(words.need("text"))
    if len(text) > TYPED:
        raise ValueError(f"text has at most {TYPED:,} characters")
    return text


def _clicks(button: int, count: int) -> Callable[[_Words], Action]:
    def read(words: _Words) -> Action:
        held = _together(words.get("text") or words.get("keys", ()))
        return Action(kind="click", path=words.way(), button=button, count=count, keys=held)

    return read


def _click(words: _Words) -> Action:
    name = str(words.get("button", "left"))
    if name in SIDEWAYS:
        return Action(kind="press", keys=(SIDEWAYS[name],))
    button = BUTTONS.get(name)
    if button is None:
        raise ValueError(f"button is one of {', '.join((*BUTTONS, *SIDEWAYS))}")
    return Action(kind="click", path=words.way(), button=button, keys=_together(words.get("keys", ())))


def _scroll(words: _Words) -> Action:
    direction = words.get("scroll_direction") or words.get("direction")
    held = _together(words.get("text") or words.get("keys", ()))
    if direction is not None:
        if direction not in WHEEL:
            raise ValueError(f"the direction is one of {', '.join(WHEEL)}")
        turns: tuple[tuple[str, int], ...] = (
            (str(direction), min(max(int(words.get("scroll_amount", 3)), 1), NOTCHES)),
        )
    else:
        dx, dy = int(words.get("scroll_x", 0)), int(words.get("scroll_y", 0))
        turns = tuple(
            (way[0] if pixels < 0 else way[1], min(max(round(abs(pixels) / NOTCH_PIXELS), 1), NOTCHES))
            for pixels, way in ((dx, ("left", "right")), (dy, ("up", "down")))
            if pixels
        )
    return Action(kind="scroll", path=words.way(), turns=turns, keys=held)


def _drag(words: _Words) -> Action:
    path = words.get("path")
    if path is not None:
        way = tuple(_place(at) for at in path)
    else:
        start = words.maybe("start_")
        way = (*((start,) if start is not None else ()), words.place())
    if not 0 < len(way) <= PATH:
        raise ValueError(f"a path has 1 to {PATH} places")
    return Action(kind="drag", path=way)


def _keys(words: _Words) -> Action:
    keys = words.get("keys", words.get("text"))
    if keys is None:
        raise KeyError("text, such as ctrl+s, or keys")
    together = _together(keys)
    if not together:
        raise ValueError("no key is named; say text, such as ctrl+s, or keys")
    return Action(kind="press", keys=together, count=min(max(int(words.get("repeat", 1)), 1), 100))


def _hold(words: _Words) -> Action:
    seconds = min(max(float(words.get("duration", 1.0)), 0.0), HOLD_S)
    return Action(kind="hold", keys=_together(words.need("text")), seconds=seconds)


def _wait(words: _Words) -> Action:
    return Action(kind="wait", seconds=min(max(float(words.get("duration", words.get("seconds", 2.0))), 0.0), WAIT_S))


def _type_at(words: _Words) -> Action:
    clear, enter = bool(words.get("clear_before_typing", True)), bool(words.get("press_enter", True))
    text = _text(words)
    return Action(kind="type", path=(words.place(),), text=text, thousandths=True, clear=clear, enter=enter)


def _scroll_at(words: _Words) -> Action:
    direction, size = str(words.need("direction")), int(words.get("magnitude", 800))
    if direction not in WHEEL:
        raise ValueError(f"the direction is one of {', '.join(WHEEL)}")
    turns = ((direction, min(max(round(size / NOTCH_PIXELS), 1), NOTCHES)),)
    return Action(kind="scroll", path=words.way(), turns=turns, thousandths=True)


def _drop(words: _Words) -> Action:
    return Action(kind="drag", path=(words.place(), words.place("destination_")), thousandths=True)


_READERS: dict[str, Callable[[_Words], Action]] = {
    # Anthropic's
    "screenshot": lambda words: Action(kind="look"),
    "cursor_position": lambda words: Action(kind="where"),
    "mouse_move": lambda words: Action(kind="move", path=(words.place(),)),
    "left_click": _clicks(1, 1),
    "right_click": _clicks(4, 1),
    "middle_click": _clicks(2, 1),
    "double_click": _clicks(1, 2),
    "triple_click": _clicks(1, 3),
    "left_mouse_down": lambda words: Action(kind="down", path=words.way()),
    "left_mouse_up": lambda words: Action(kind="up", path=words.way()),
    "left_click_drag": _drag,
    "scroll": _scroll,
    "type": lambda words: Action(kind="type", text=_text(words)),
    "key": _keys,
    "hold_key": _hold,
    "wait": _wait,
    # OpenAI's
    "click": _click,
    "move": lambda words: Action(kind="move", path=(words.place(),)),
    "drag": _drag,
    "keypress": _keys,
    # Gemini's
    "click_at": lambda words: Action(kind="click", path=(words.place(),), thousandths=True),
    "hover_at": lambda words: Action(kind="move", path=(words.place(),), thousandths=True),
    "type_text_at": _type_at,
    "key_combination": _keys,
    "scroll_document": _scroll_at,
    "scroll_at": _scroll_at,
    "drag_and_drop": _drop,
    "wait_5_seconds": lambda words: Action(kind="wait", seconds=5.0),
}
