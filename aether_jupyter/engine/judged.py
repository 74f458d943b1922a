"""What a judgement of one step is about: read off the journal; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..model.events import (
    Event,
    MemoriesGiven,
    MessageSent,
    ModelAnswered,
    ModelRequested,
    ProcessExited,
    ProcessSpawned,
    ToolEnded,
)
from ..model.feedback import Thumb
from ..model.harmless import line
from ..model.message import Text, ToolCall
from ..model.view import describe

WEIGHT = 0.1
"""By how much one judgement moves the importance of a memory: ten of them make a detail unforgettable."""
_ABOUT_CHARS = 160


class Step(msgspec.Struct, frozen=True):
    """One step: what it did, in a line, the memories it rests on, and whether strangers' words were read by then."""

    about: str
    memories: tuple[int, ...]
    tainted: bool


def judged(events: Iterable[Event], step: int) -> Step | None:
    """The step that a person judges; None if the run has not made it.

    It rests on the memories that its answer cites, else on those that were given just before it. A judgement of the
    last step of a run that has ended is one of the run: it is about all that was given and cited in it.
    """
    given: dict[int, list[int]] = {}
    cited: dict[int, tuple[int, ...]] = {}
    waiting: list[int] = []
    about: str | None = None
    last, ended, touched, tainted = 0, False, False, False
    for event in events:
        match event:
            case MemoriesGiven():
                waiting += event.memories
                touched = touched or event.tainted
            case ProcessSpawned(spec=spec):
                touched = bool(spec.images)
            case MessageSent(sender=sender, images=images):
                touched = touched or bool(images) or sender.startswith("agent:")
            case ModelRequested():
                given.setdefault(event.step, []).extend(waiting)
                waiting = []
            case ModelAnswered():
                last = event.step
                if event.cited:
                    cited[last] = event.cited
                if last == step:
                    about, tainted = _about(event), touched
            case ToolEnded(outcome=outcome):
                touched = touched or "text" in outcome.labels.values()
            case ProcessExited():
                ended = True
            case _:
                pass
    if about is None:
        return None
    if ended and step == last:
        keys = [key for each in (*given.values(), *cited.values()) for key in each]
    else:
        keys = [*(cited.get(step) or given.get(step) or ())]
    return Step(about, tuple(dict.fromkeys(keys)), tainted)


def moves(step: Step, thumb: Thumb, before: Mapping[int, float]) -> dict[int, float]:
    """By how much the importance of each memory is to move; what the judgement `before` it had moved is undone."""
    by = {"up": WEIGHT, "down": -WEIGHT, "none": 0.0}[thumb]
    wanted = {key: -moved for key, moved in before.items()}
    for key in step.memories if by else ():
        wanted[key] = wanted.get(key, 0.0) + by
    return {key: move for key, move in wanted.items() if move}


def _about(event: ModelAnswered) -> str:
    calls = [describe(part) for part in event.parts if isinstance(part, ToolCall)]
    words = [part.text for part in event.parts if isinstance(part, Text)]
    return line("; ".join(calls) or " ".join(words), _ABOUT_CHARS)
