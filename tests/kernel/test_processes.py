"""Claims, waits, budgets and leases as the runtime uses them, by hand: no supervisor claims anything here."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import msgspec
import pytest

from aether_jupyter.app import App, open_app
from aether_jupyter.config import Settings
from aether_jupyter.kernel.processes import Claim
from aether_jupyter.model.access import RUNTIME, Principal
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import OverBudget
from aether_jupyter.model.events import (
    ApprovalRequested,
    AuxiliaryRequested,
    ModelAnswered,
    ModelRequested,
    ProcessExited,
    StateChanged,
)
from aether_jupyter.model.message import ToolCall, Usage
from aether_jupyter.model.process import ExitStatus, Signal, State, WaitReason
from aether_jupyter.model.tool import Approval, Decision, Risk
from aether_jupyter.store.database import Database

ANA = Principal.person("ana")


class Bench:
    """An app that claims nothing by itself, and one worker in the hands of the test."""

    def __init__(self, app: App, worker: int) -> None:
        self.app = app
        self.processes = app.processes
        self.worker = worker

    async def running(self) -> Claim:
        await self.processes.spawn(ANA, AgentSpec(goal="g", model="scripted:hello"))
        ((claim, _),) = await self.processes.claim(RUNTIME, self.worker, 1)
        return claim

    async def record(self, claim: Claim, *events: Any) -> None:
        await self.processes.record(RUNTIME, claim, 1000, events)

    async def state(self, claim: Claim) -> State:
        return (await self.processes.get(ANA, claim.pid)).state

    async def becomes(self, claim: Claim, state: State) -> None:
        async with asyncio.timeout(5):
            while await self.state(claim) is not state:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def bench(settings: Settings, **changes: Any) -> AsyncIterator[Bench]:
    async with open_app(msgspec.structs.replace(settings, slots=0, **changes)) as app:
        yield Bench(app, await app.processes.register(RUNTIME, 30.0, "a test"))


def asking(approval: str, call: str) -> ApprovalRequested:
    return ApprovalRequested(
        Approval(
            id=approval,
            pid=1,
            owner="ana",
            name="n",
            kind="call",
            step=1,
            created_at=1.0,
            call=ToolCall(call, "t", {}),
            risk=Risk.EXECUTE,
        )
    )


async def nothing(it: Bench, claim: Claim) -> None:
    return None


async def message(it: Bench, claim: Claim) -> None:
    await it.processes.send(ANA, claim.pid, "any news?")


async def pause(it: Bench, claim: Claim) -> None:
    await it.processes.signal(ANA, claim.pid, Signal.STOP)
    await it.processes.signal(ANA, claim.pid, Signal.CONT)


async def more(it: Bench, claim: Claim) -> None:
    await it.processes.extend(ANA, claim.pid, steps=5)


@pytest.mark.parametrize("meanwhile", [nothing, message, pause, more])
async def test_a_wait_for_a_time_ends_by_itself_whatever_came_meanwhile(
    settings: Settings, meanwhile: Callable[[Bench, Claim], Awaitable[None]]
) -> None:
    async with bench(settings) as it:
        claim = await it.running()
        wait = WaitReason("resource", "The model is down.", until=time.time() + 0.3)
        await it.record(claim, StateChanged(State.WAITING, wait))
        await meanwhile(it, claim)
        assert await it.state(claim) is State.WAITING
        await it.becomes(claim, State.READY)


async def test_what_was_decided_while_it_was_stopped_does_not_wait_for_the_other_question(settings: Settings) -> None:
    async with bench(settings) as it:
        claim = await it.running()
        waits = WaitReason("approval", "It asks.", ("a1", "a2"))
        await it.record(claim, asking("a1", "c1"), asking("a2", "c2"), StateChanged(State.WAITING, waits))
        await it.processes.signal(ANA, claim.pid, Signal.STOP)
        await it.processes.signal(ANA, claim.pid, Signal.CONT)
        assert await it.state(claim) is State.WAITING
        await it.processes.signal(ANA, claim.pid, Signal.STOP)
        await it.app.approvals.decide(ANA, "a1", Decision(verdict="approve"))
        assert await it.state(claim) is State.STOPPED
        await it.processes.signal(ANA, claim.pid, Signal.CONT)
        assert await it.state(claim) is State.READY


async def test_of_many_that_reserve_at_once_only_those_pass_that_fit_the_budget_of_the_day(settings: Settings) -> None:
    async with bench(settings, daily_budget_usd=1.0) as it:
        claims = [await it.running() for _ in range(5)]
        results = await asyncio.gather(
            *(it.record(claim, ModelRequested(1, "m", 10, 0.4)) for claim in claims), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["NoneType"] * 2 + ["OverBudget"] * 3
        passed = [claim for claim, result in zip(claims, results, strict=True) if result is None]
        refused = next(claim for claim, result in zip(claims, results, strict=True) if result is not None)
        await it.record(passed[0], ProcessExited(ExitStatus(0, "completed", "done")))
        with pytest.raises(OverBudget):
            await it.record(refused, ModelRequested(1, "m", 10, 0.7))
        await it.record(refused, ModelRequested(1, "m", 10, 0.4))


async def test_a_call_that_was_killed_is_charged_at_its_reservation(settings: Settings) -> None:
    async with bench(settings) as it:
        claim = await it.running()
        await it.record(claim, ModelRequested(1, "m", 10, 0.4))
        await it.processes.signal(ANA, claim.pid, Signal.KILL)
        process = await it.processes.get(ANA, claim.pid)
        assert (process.cost_usd, process.reserved_usd) == (0.4, 0.0)
        assert (await it.app.budgets.spend(ANA)).cost_usd == 0.4


async def test_a_call_beside_the_steps_that_was_killed_is_charged_as_such(settings: Settings) -> None:
    async with bench(settings) as it:
        claim = await it.running()
        await it.record(claim, ModelRequested(1, "m", 10, 0.4), ModelAnswered(1, "m", (), Usage(), 0.1))
        await it.record(claim, AuxiliaryRequested("summary", "cheap", 10, 0.02))
        await it.processes.signal(ANA, claim.pid, Signal.KILL)
        process = await it.processes.get(ANA, claim.pid)
        assert (round(process.cost_usd, 6), process.reserved_usd) == (0.12, 0.0)
        assert {row.model: row.cost_usd for row in await it.app.budgets.usage(ANA)} == {"m": 0.1, "cheap": 0.02}


async def queued(database: Database, jobs: int) -> None:
    async with asyncio.timeout(10):
        while database._jobs.qsize() < jobs:
            await asyncio.sleep(0.001)


async def test_what_came_in_the_same_group_of_transactions_is_not_missed(settings: Settings) -> None:
    async with bench(settings) as it:
        claim = await it.running()
        known = (await it.processes.get(ANA, claim.pid)).head
        # While the writer is busy the next two are queued, so that it runs them as one group.
        database = it.processes._database
        held, free = threading.Event(), threading.Event()
        busy = asyncio.ensure_future(database.write(lambda tx: (held.set(), free.wait(10))))
        await asyncio.to_thread(held.wait, 10)
        sent = asyncio.ensure_future(it.processes.send(ANA, claim.pid, "any news?"))
        await queued(database, 1)
        ended = StateChanged(State.WAITING, WaitReason("message", "nothing to do"))
        recording = asyncio.ensure_future(
            it.processes.record(RUNTIME, claim, known, (ModelRequested(1, "m"),), (ended,))
        )
        await queued(database, 2)
        free.set()
        recorded = await recording
        await asyncio.gather(busy, sent)
        assert [type(event).__name__ for _, _, event in recorded.missed] == ["MessageSent"]
        assert [n for n, _, _ in recorded.missed] == [known + 1]
        # A conclusion that did not know of the message is not written.
        assert not recorded.concluded
        assert await it.state(claim) is State.RUNNING


async def test_a_clock_that_jumps_frees_the_dead_and_not_the_one_that_asks(settings: Settings) -> None:
    # No sweep of the app itself may come between.
    async with bench(settings, lease_s=3600.0) as it:
        mine = await it.running()
        others = []
        for lease_s in (-5.0, 3500.0):
            worker = await it.processes.register(RUNTIME, lease_s, "run out, or from before the clock was set back")
            await it.processes.spawn(ANA, AgentSpec(goal="g", model="scripted:hello"))
            ((claim, _),) = await it.processes.claim(RUNTIME, worker, 1)
            others.append(claim.pid)
        await it.processes.renew(RUNTIME, it.worker, -5.0)
        freed = await it.processes.steal(RUNTIME, it.worker)
        assert sorted(freed) == others
        assert await it.state(mine) is State.RUNNING
        assert await it.processes.renew(RUNTIME, it.worker, 30.0)


async def test_one_unreadable_row_keeps_no_other_from_being_freed(settings: Settings) -> None:
    async with bench(settings) as it:
        broken, well = await it.running(), await it.running()
        with closing(sqlite3.connect(settings.database)) as other, other:
            other.execute("UPDATE process SET body = ? WHERE pid = ?", (b"{}", broken.pid))
        await it.processes.retire(RUNTIME, it.worker)
        assert await it.state(well) is State.READY


async def test_only_homes_of_the_reaped_go_and_those_of_nobody(settings: Settings) -> None:
    async with bench(settings) as it:
        claims = [await it.running() for _ in range(4)]
        for claim in claims[:3]:
            await it.record(claim, ProcessExited(ExitStatus(0, "completed", "done")))
        await it.processes.reap(ANA, claims[0].pid)
        await it.processes.reap(ANA, claims[1].pid, keep_home=True)
        nobody = range(1000, 3000)
        with closing(sqlite3.connect(settings.database)) as other, other:
            # The numbers between them were given once, and whoever had them was erased.
            other.execute("UPDATE process SET pid = 3000 WHERE pid = ?", (claims[2].pid,))
        found = await it.processes.homes_to_remove([*(claim.pid for claim in claims), *nobody, 3000, 3001])
        # The last number was not given yet: whoever is about to have it has its home first.
        assert found == [claims[0].pid, claims[2].pid, *nobody]
        alive = await it.processes.alive()
        assert [claim.pid in alive for claim in claims] == [False, False, False, True]
