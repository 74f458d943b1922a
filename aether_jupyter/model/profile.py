"""What is known of an agent's earlier runs: how many, how they ended, what they cost, what people said."""

from __future__ import annotations

import msgspec

from .feedback import Judgement
from .process import Pid


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The ended runs of one agent name in figures. Money is US dollars, times are seconds (since the epoch: `_at`).

    `stopped` were ended by a signal or at a limit, and count neither as success nor as failure; `success_rate` is what
    succeeded of the others. `quality` is the mean of the ratings (1 to 5) that `rated` runs gave themselves. Means are
    over `tasks`.
    """

    agent: str
    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    stopped: int = 0
    success_rate: float | None = None
    quality: float | None = None
    rated: int = 0
    thumbs_up: int = 0
    thumbs_down: int = 0
    steps: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    run_s: float = 0.0
    mean_tokens: float = 0.0
    mean_cost_usd: float = 0.0
    mean_run_s: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0


class PastTask(msgspec.Struct, frozen=True, kw_only=True):
    """One ended run. `succeeded` is None where somebody ended it before it was done; `reason` is that of its exit."""

    pid: Pid
    goal: str
    succeeded: bool | None
    reason: str
    ended_at: float
    rating: int | None = None
    cost_usd: float = 0.0


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """What a run that went well would do again. `tainted`: words of strangers may have had a hand in it."""

    text: str
    pid: Pid
    rating: int
    tainted: bool = False


class Profile(Standing, frozen=True, kw_only=True):
    """The figures of one agent name, and what they rest on.

    What it is good at is read off its last runs and its memory: `tools` counts the calls of the last runs that ended
    well, `tags` those of its procedural memories, `roles` are the last runs' own. `last` are its last tasks,
    `feedback` what people said last, `strategies` what worked, each the newest first.
    """

    tools: dict[str, int] = {}
    tags: dict[str, int] = {}
    roles: tuple[str, ...] = ()
    last: tuple[PastTask, ...] = ()
    feedback: tuple[Judgement, ...] = ()
    strategies: tuple[Strategy, ...] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last runs of an agent as it is told of them; `comments` and `strategies` hold no words of strangers."""

    tasks: int
    succeeded: int
    failed: int
    stopped: int
    quality: float | None = None
    thumbs_up: int = 0
    thumbs_down: int = 0
    comments: tuple[tuple[str, str], ...] = ()
    strategies: tuple[str, ...] = ()
