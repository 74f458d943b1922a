"""What an agent is told when a person hands its desktop back; pure."""

from __future__ import annotations

from collections import Counter

from ..model.control import Act, ActKind, Turn
from ..model.events import ControlReturned
from ..model.harmless import line
from ..model.message import KERNEL, UserTurn

KEYS, TITLE_CHARS = 20, 100
"""How many keys are named, and how much of a window's title."""


def handed_back(event: ControlReturned) -> tuple[UserTurn, ...]:
    """The person's own words, if there are any; then what is known of their turn, in the kernel's name.

    What the desktop shows may be anybody's, so it is not said as the person's word.
    """
    turn = event.turn
    images = tuple(image for image in (turn.before, turn.after) if image is not None)
    said = (UserTurn(f"Message from {event.by} (hand-back): {event.note}", event.by),) if event.note else ()
    return (*said, UserTurn(told(event), KERNEL, images))


def told(event: ControlReturned) -> str:
    """A turn in a few sentences: how long, how it ended, what was done, what is open now."""
    by = line(event.by)
    ended = {
        "returned": f"{by} had control of your desktop for {_time(event.duration_s)} and has handed it back.",
        "gone": f"{by} had control of your desktop and has been away since; you have it again.",
        "ended": f"{by} had control of your desktop.",
    }[event.why]
    return " ".join(part for part in (ended, _did(event.turn.did), _open(event.turn), _pictures(event.turn)) if part)


def _did(did: tuple[Act, ...]) -> str:
    if not did:
        return "They did nothing there."
    counts = Counter(act.kind for act in did)
    words = [f"{_times(counts[kind], verb)}" for kind, verb in _VERBS.items() if counts[kind]]
    if typed := sum(act.count for act in did if act.kind == "type"):
        words.append(f"typed {typed} characters (not shown)")
    keys = [act.key for act in did if act.kind == "key"]
    if keys:
        words.append("pressed " + ", ".join(keys[-KEYS:]))
    return f"They {', '.join(words)}."


_VERBS: dict[ActKind, str] = {"click": "clicked", "drag": "dragged", "scroll": "scrolled"}


def _times(count: int, verb: str) -> str:
    return verb if count == 1 else f"{verb} {count} times"


def _open(turn: Turn) -> str:
    titles = [repr(line(title)[:TITLE_CHARS]) for title in turn.windows]
    return f"Windows now: {', '.join(titles)}." if titles else ""


def _pictures(turn: Turn) -> str:
    if turn.before is not None and turn.after is not None:
        return "The first picture was taken before, the second after. Look again before you go on."
    if turn.after is not None:
        return "The picture shows the desktop now."
    return "Look again before you go on."


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
