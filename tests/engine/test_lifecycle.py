"""The table of legal moves and what each signal writes in each state."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from aether_jupyter.engine.lifecycle import deliver, move
from aether_jupyter.model.agent import Limits, Mode
from aether_jupyter.model.errors import IllegalTransition
from aether_jupyter.model.events import StateChanged
from aether_jupyter.model.process import MOVES, Process, Signal, State, WaitReason
from aether_jupyter.model.view import advance

ASKING = WaitReason("approval", "It asks.", ("a1",))


def process(state: State = State.READY, **fields: object) -> Process:
    base = Process(
        pid=7, name="seven", owner="ana", goal="g", model="m", sandbox="auto", mode=Mode.ASK_RISKY, limits=Limits()
    )
    return msgspec.structs.replace(base, state=state, **fields)


@pytest.mark.parametrize(("start", "to"), list(itertools.product(State, State)))
def test_only_the_moves_of_the_table_are_legal(start: State, to: State) -> None:
    if to in MOVES[start]:
        move(process(start), to)
    else:
        with pytest.raises(IllegalTransition, match="Process 7"):
            move(process(start), to)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(sorted(set(State) - {State.ZOMBIE}), Signal)))
def test_every_signal_leads_by_legal_moves(state: State, signal: Signal) -> None:
    p = process(state, wait=ASKING if state is State.WAITING else None)
    for n, event in enumerate(deliver(p, signal), 1):
        if isinstance(event, StateChanged):
            move(p, event.state)
        p = advance(p, event, 1.0, n)


def test_an_ended_process_takes_no_signals() -> None:
    for signal in Signal:
        with pytest.raises(IllegalTransition, match="has ended"):
            deliver(process(State.ZOMBIE), signal)


def test_a_paused_wait_is_a_wait_again_after_continue() -> None:
    p = process(State.WAITING, wait=ASKING)
    for n, event in enumerate((*deliver(p, Signal.STOP),), 1):
        p = advance(p, event, 1.0, n)
    assert p.state is State.STOPPED
    assert p.wait == ASKING
    for n, event in enumerate(deliver(p, Signal.CONT), 3):
        p = advance(p, event, 2.0, n)
    assert (p.state, p.wait) == (State.WAITING, ASKING)


def test_kill_ends_whatever_it_was_doing_with_137() -> None:
    for state in (State.READY, State.RUNNING, State.WAITING, State.STOPPED):
        p = process(state)
        for n, event in enumerate(deliver(p, Signal.KILL), 1):
            p = advance(p, event, 1.0, n)
        assert p.state is State.ZOMBIE
        assert p.exit is not None
        assert p.exit.code == 137


def test_an_end_that_was_asked_for_is_not_forgotten_for_a_pause() -> None:
    p = process(State.RUNNING, signal=Signal.TERM)
    for signal in (Signal.STOP, Signal.INT, Signal.CONT):
        assert deliver(p, signal) == ()
    assert deliver(p, Signal.KILL) != ()
