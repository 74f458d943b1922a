"""What an agent is told of its own earlier runs: two or three lines; pure."""

from __future__ import annotations

from ..model.harmless import line
from ..model.profile import History

RUNS = 50
"""How many of its last runs it is told of: what it did long ago says little of what it does now."""
COMMENTS, STRATEGIES = 2, 2
_CHARS = 240


def earlier_runs(history: History | None) -> str:
    """The lines for the system part, '' where there is no history."""
    if history is None or not history.tasks:
        return ""
    ends = [f"{history.succeeded} succeeded"]
    ends += [f"{history.failed} failed"] if history.failed else []
    ends += [f"{history.stopped} {'was' if history.stopped == 1 else 'were'} stopped"] if history.stopped else []
    rated = f"; your own ratings average {history.quality:.1f} of 5" if history.quality is not None else ""
    many = f"{history.tasks} task{'' if history.tasks == 1 else 's'}"
    lines = [f"In your earlier runs you did {many}: {', '.join(ends)}{rated}."]
    thumbs = []
    if history.thumbs_up or history.thumbs_down:
        thumbs.append(f"{history.thumbs_up} thumbs up, {history.thumbs_down} down")
    thumbs += [f"{line(by, 40)} said: {line(comment, _CHARS)}" for by, comment in history.comments[:COMMENTS]]
    if thumbs:
        lines.append(f"People's feedback: {'; '.join(thumbs)}.".replace("..", "."))
    if history.strategies:
        lines.append(f"What worked: {' '.join(line(each, _CHARS) for each in history.strategies[:STRATEGIES])}")
    return "\n".join(lines)
