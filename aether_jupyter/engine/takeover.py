"""A person's turn at an agent's desktop and browser: gathered act by act, and told to the agent; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ..model.control import Act, ActKind, Scene, Stage, Turn
from ..model.events import ControlReturned
from ..model.harmless import line
from ..model.message import KERNEL, UserTurn

KEYS, TITLE_CHARS = 20, 100
"""How many keys are named, and how much of a window's title."""


def handed_back(event: ControlReturned) -> tuple[UserTurn, ...]:
    """The person's own words, if there are any; then what is known of their turn, in the kernel's name.

    What the screen shows may be anybody's, so it is not said as the person's word.
    """
    said = (UserTurn(f"Message from {event.by} (hand-back): {event.note}", event.by),) if event.note else ()
    return (*said, UserTurn(told(event), KERNEL, event.turn.images))


def told(event: ControlReturned) -> str:
    """A turn in a few sentences: how long, how it ended, what was done, what is open now."""
    by, turn = line(event.by), event.turn
    stages = dict.fromkeys((*(act.stage for act in turn.did), *(scene.stage for scene in turn.scenes)))
    what = f" of your {' and '.join(stages)}" if stages else ""
    ended = {
        "returned": f"{by} had control{what} for {_time(event.duration_s)} and has handed it back.",
        "gone": f"{by} had control{what} and has been away since; you have it again.",
        "ended": f"{by} had control{what}.",
    }[event.why]
    scenes = {scene.stage: scene for scene in turn.scenes}
    parts = [ended, *_did(turn.did, stages), *(_open(scenes[each]) for each in stages if each in scenes)]
    return " ".join(part for part in (*parts, _pictures(turn)) if part)


def _did(did: tuple[Act, ...], stages: Collection[Stage]) -> list[str]:
    if not did:
        return ["They did nothing there."]
    found = []
    for stage in stages:
        acts = [act for act in did if act.stage == stage]
        if acts:
            where = f"{_WHERE[stage]} they" if len(stages) > 1 else "They"
            found.append(f"{where} {', '.join(_counted(acts))}.")
    return found


def _counted(acts: Sequence[Act]) -> list[str]:
    counts = Counter(act.kind for act in acts)
    words = [f"{_times(counts[kind], verb)}" for kind, verb in _VERBS.items() if counts[kind]]
    if typed := sum(act.count for act in acts if act.kind == "type"):
        words.append(f"typed {typed} characters (not shown)")
    keys = [act.key for act in acts if act.kind == "key"]
    if keys:
        words.append("pressed " + ", ".join(keys[-KEYS:]))
    return words


_WHERE: dict[Stage, str] = {"desktop": "On the desktop", "browser": "In the browser"}
_VERBS: dict[ActKind, str] = {
    "click": "clicked",
    "drag": "dragged",
    "scroll": "scrolled",
    "open": "opened pages",
    "choose": "chose from lists",
    "answer": "answered the page",
}


def _times(count: int, verb: str) -> str:
    return verb if count == 1 else f"{verb} {count} times"


def _open(scene: Scene) -> str:
    if scene.unseen:
        return f"The {scene.stage} did not answer when they left, so how they left it is not known."
    titles = [repr(line(title)[:TITLE_CHARS]) for title in scene.open]
    named = "Windows" if scene.stage == "desktop" else "Tabs"
    return f"{named} now: {', '.join(titles)}." if titles else ""


def _pictures(turn: Turn) -> str:
    shown = [scene for scene in turn.scenes if scene.before is not None or scene.after is not None]
    whose = [
        f"{scene.stage} {when}" for scene in shown for when in ("before", "after") if getattr(scene, when) is not None
    ]
    if len(shown) > 1:
        return f"The pictures show, in this order: {', '.join(whose)}. Look again before you go on."
    if len(whose) == 2:
        return "The first picture was taken before, the second after. Look again before you go on."
    if shown and shown[0].after is not None:
        return f"The picture shows the {shown[0].stage} now."
    if shown:
        return f"The picture shows the {shown[0].stage} before that. Look again before you go on."
    return "Look again before you go on."


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def joined(acts: list[Act], act: Act) -> None:
    """Add an act to those before it; what is typed or scrolled in one go is one act."""
    last = acts[-1] if acts else None
    if last is not None and (last.kind, last.stage) == (act.kind, act.stage) and act.kind in ("type", "scroll"):
        acts[-1] = replace(act, count=last.count + act.count)
    else:
        acts.append(act)
