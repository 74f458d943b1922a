"""What a process is: its states, the moves between them, signals and exit status.

The words are POSIX's. Only the five states of `State` are ever stored; "thinking" or "using a tool" is read off the
last event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from .agent import Limits, Mode

Pid = int


class State(StrEnum):
    """Where a process stands. A reaped process is a ZOMBIE whose `reaped_at` is set."""

    READY = "READY"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    STOPPED = "STOPPED"
    ZOMBIE = "ZOMBIE"


MOVES: dict[State, frozenset[State]] = {
    State.READY: frozenset({State.RUNNING, State.STOPPED, State.ZOMBIE}),
    State.RUNNING: frozenset({State.READY, State.WAITING, State.STOPPED, State.ZOMBIE}),
    State.WAITING: frozenset({State.READY, State.STOPPED, State.ZOMBIE}),
    State.STOPPED: frozenset({State.READY, State.WAITING, State.ZOMBIE}),
    State.ZOMBIE: frozenset(),
}
"""The legal moves. READY to RUNNING is a claim; RUNNING to READY is a yield, or a claim that was lost."""


class Signal(StrEnum):
    """STOP pauses before the next deed, CONT goes on, INT drops the present step, TERM ends after it, KILL at once."""

    STOP = "STOP"
    CONT = "CONT"
    INT = "INT"
    TERM = "TERM"
    KILL = "KILL"


WaitKind = Literal["approval", "answer", "limit", "message", "agent", "time", "resource"]
FOR_A_PERSON: frozenset[str] = frozenset({"approval", "answer", "limit", "message"})
"""The kinds of waiting that only a person can end."""


class WaitReason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a process is WAITING. `detail` is a sentence for people; `until` is seconds since the epoch."""

    kind: WaitKind
    detail: str = ""
    approvals: tuple[str, ...] = ()
    until: float | None = None
    pid: Pid | None = None


class ExitStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a process ended: `code` 0 is success, 128 + n an end by signal n, anything else a failure.

    `message` is the answer on success and the sentence that explains the failure otherwise; `result` is the typed
    result when the spec asked for one.
    """

    code: int
    reason: Literal["completed", "failed", "limit", "terminated", "killed", "stuck"]
    message: str = ""
    result: Any = None
    error: str | None = None

    @property
    def succeeded(self) -> bool | None:
        """Whether it did what it was for; None where somebody ended it before, by a signal or at its limit."""
        return None if self.reason in ("killed", "terminated", "limit") else self.code == 0


VoiceKind = Literal["thought", "action", "observation", "message", "error", "answer"]


class Voice(msgspec.Struct, frozen=True):
    """The last thing an agent thought, did or saw, in at most 280 characters."""

    kind: VoiceKind
    text: str


class CameFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a process goes on from another one: whose journal up to event `n` (its step `step`) is its history.

    `pid` is None where that came from elsewhere. `files_step` is the step as of which the files are, None for no files.
    """

    pid: Pid | None = None
    n: int
    step: int
    snapshot: int | None = None
    files_step: int | None = None


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as every screen shows it. Times are seconds since the epoch, money is US dollars.

    `strip` holds the kinds of the last 20 timeline entries, oldest first: `t` thought, `a` action, `o` observation,
    `p` approval, `m` message, `e` error. `run_s` is the time spent RUNNING in claims that ended; while RUNNING add
    the time since `run_since`. `plan_done` of `plan_steps` are done, and event `plan_n` says so; `rating` is what a
    reflection gave, from 1 to 5. `display` is its kind of desktop, '' where it has none; `browser` says whether it
    may browse; `control` is the person who has taken control of them, '' while the agent has it.
    """

    pid: Pid
    name: str
    owner: str
    goal: str
    model: str
    sandbox: str
    mode: Mode
    limits: Limits
    state: State = State.READY
    parent: Pid | None = None
    wait: WaitReason | None = None
    exit: ExitStatus | None = None
    created_at: float = 0.0
    run_since: float | None = None
    run_s: float = 0.0
    ended_at: float | None = None
    reaped_at: float | None = None
    step: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    cost_known: bool = True
    voice: Voice | None = None
    strip: str = ""
    origin: str = "api"
    signal: Signal | None = None
    head: int = 0
    plan_done: int = 0
    plan_steps: int = 0
    plan_n: int = 0
    rating: int | None = None
    display: str = ""
    browser: bool = False
    control: str = ""
    came_from: CameFrom | None = None

    @property
    def tokens(self) -> int:
        """Tokens used so far, both ways."""
        return self.input_tokens + self.output_tokens

    @property
    def needs_person(self) -> bool:
        """Whether only a person can let it go on."""
        return self.state is State.WAITING and self.wait is not None and self.wait.kind in FOR_A_PERSON


class SignalReport(msgspec.Struct, frozen=True):
    """Which processes got it, and why the others did not."""

    delivered: list[int]
    failed: dict[int, str]
