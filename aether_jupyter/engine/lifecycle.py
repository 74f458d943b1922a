"""Legal moves and what a signal means in each state; pure."""

from __future__ import annotations

from ..model.errors import IllegalTransition
from ..model.events import Event, ProcessExited, SignalSent, StateChanged
from ..model.process import MOVES, ExitStatus, Process, Signal, State, WaitReason

NUMBERS = {Signal.INT: 2, Signal.KILL: 9, Signal.TERM: 15}
INTERRUPTED = WaitReason("message", "Interrupted. It goes on when you write to it or press Continue.")


def move(process: Process, to: State) -> None:
    """Raise `IllegalTransition` unless the table has this move."""
    if to not in MOVES[process.state]:
        raise IllegalTransition(f"Process {process.pid} is {process.state}; it cannot become {to}")


def ended_by(signal: Signal) -> ExitStatus:
    """The exit status of an end by signal: 128 + its number."""
    word = "Killed" if signal is Signal.KILL else "Terminated"
    return ExitStatus(
        128 + NUMBERS[signal], "killed" if signal is Signal.KILL else "terminated", f"{word} by a person."
    )


def deliver(process: Process, signal: Signal) -> tuple[Event, ...]:
    """What the kernel writes when a signal comes; empty if it changes nothing.

    A RUNNING process gets STOP, INT and TERM from its runner, at the next point where it can; KILL needs nobody's
    help. STOP keeps the reason of a WAITING process, so that CONT brings it back to waiting.
    """
    state = process.state
    if state is State.ZOMBIE:
        raise IllegalTransition(f"Process {process.pid} has ended; it takes no signals")
    if signal is Signal.KILL:
        return (SignalSent(signal), ProcessExited(ended_by(signal)))
    if signal is Signal.CONT:
        if state is State.RUNNING and process.signal is Signal.STOP:
            return (SignalSent(signal),)
        if state is State.WAITING and process.wait and process.wait.kind in ("message", "resource", "time"):
            return (SignalSent(signal), StateChanged(State.READY))
        if state is not State.STOPPED:
            return ()
        if process.wait is not None:
            return (SignalSent(signal), StateChanged(State.WAITING, process.wait))
        return (SignalSent(signal), StateChanged(State.READY))
    if state is State.RUNNING:
        # One signal is pending at a time, and an end that was asked for must not be forgotten for a pause.
        return () if process.signal is Signal.TERM else (SignalSent(signal),)
    if signal is Signal.TERM:
        return (SignalSent(signal), ProcessExited(ended_by(signal)))
    if signal is Signal.STOP:
        return () if state is State.STOPPED else (SignalSent(signal), StateChanged(State.STOPPED, process.wait))
    # INT drops the present step, and only a running process has one.
    return ()
