"""Long runs: the older steps are told in short, and nothing is lost, whatever becomes of whoever writes the summary."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from aether_jupyter.app import App, open_app
from aether_jupyter.engine import loop
from aether_jupyter.engine.tokens import tokens, turn_weight
from aether_jupyter.model.agent import Limits
from aether_jupyter.model.context import Window
from aether_jupyter.model.errors import ContextFull, ModelRefused, ModelUnavailable
from aether_jupyter.model.events import (
    MODEL_INTERRUPTED,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ContextCompacted,
    Event,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
)
from aether_jupyter.model.message import ModelTurn, Part, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.model.process import Process, Signal, State
from aether_jupyter.providers import scripted

from .conftest import ANA
from .long_runs import GOAL, LIMIT, Shelves, Walker, Writer, long_settings, long_spec

E = TypeVar("E")


@dataclass
class Archive:
    """An open app with shelves to visit and somebody who tells in short."""

    app: App
    writer: Writer
    shelves: Shelves

    async def walk(self, steps: int, **fields: Any) -> tuple[Walker, int]:
        walker = Walker(steps)
        return walker, (await self.app.processes.spawn(ANA, long_spec(steps, walker, **fields))).pid

    async def ended(self, pid: int, timeout_s: float = 60) -> Process:
        process = await self.app.processes.wait(ANA, pid, timeout_s=timeout_s)
        assert process.exit is not None, process
        return process

    async def until(self, pid: int, fits: Callable[[Process], bool], timeout_s: float = 30) -> Process:
        async with asyncio.timeout(timeout_s):
            while not fits(process := await self.app.processes.get(ANA, pid)):
                await asyncio.sleep(0.005)
        return process

    async def told(self, pid: int, kind: type[E]) -> list[E]:
        return [event for _, _, event in await self.app.processes.history(pid) if isinstance(event, kind)]

    def costs(self, usd: float) -> None:
        """Make each call of a model reserve so much."""
        language = self.app.surroundings._language
        before = language.reserve
        language.reserve = lambda *given: (before(*given)[0], usd)  # type: ignore[method-assign]


@asynccontextmanager
async def archive(tmp_path: Path, writer: Writer | None = None, **changes: Any) -> AsyncIterator[Archive]:
    writer, shelves = writer or Writer(), Shelves()
    async with open_app(long_settings(tmp_path / "aether", **changes), plugins=[writer, shelves]) as app:
        yield Archive(app, writer, shelves)


def weight(turns: Sequence[Turn]) -> int:
    return tokens(sum(map(turn_weight, turns)))


def texts(turns: Sequence[Turn]) -> list[str]:
    return [t.text if isinstance(t, UserTurn) else t.content for t in turns if not isinstance(t, ModelTurn)]


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def hesitate() -> None:
        raise error

    return hesitate


async def never() -> None:
    await asyncio.Event().wait()


async def test_a_thousand_steps_stay_under_the_limit_and_keep_goal_and_words(tmp_path: Path) -> None:
    async with archive(tmp_path) as it:
        walker = Walker(1_000)
        pid = (await it.app.processes.spawn(ANA, long_spec(1_000, walker))).pid
        heard: dict[str, int] = {}

        async def rule(number: int) -> None:
            words = f"Rule {number}: write every name in capitals."
            await it.app.processes.send(ANA, pid, words)
            heard[f"Message from ana: {words}"] = len(walker.sent)

        async def before(shelf: int) -> None:
            if shelf % 300 == 50:
                await rule(shelf)

        async def hesitate() -> None:
            if len(it.writer.asked) % 15 == 3:
                await rule(10_000 + len(it.writer.asked))

        it.shelves.before, it.writer.hesitate = before, hesitate
        process = await it.ended(pid, 120)
        assert (process.exit.message, process.step) == ("All visited.", 1_000)  # type: ignore[union-attr]
        assert it.shelves.seen == list(range(1, 1_000))
        for turns in walker.sent:
            assert weight(turns) <= LIMIT
            assert turns[0] == UserTurn(GOAL)
            calls = {p.id for t in turns if isinstance(t, ModelTurn) for p in t.parts if isinstance(p, ToolCall)}
            assert calls == {turn.call_id for turn in turns if isinstance(turn, ToolTurn)}
        assert len(heard) > 5
        for words, step in heard.items():
            assert all(words in texts(turns) for turns in walker.sent[step:])
        compacted = await it.told(pid, ContextCompacted)
        assert len(compacted) > 20
        assert {each.first for each in compacted} == {1}
        assert [each.last for each in compacted] == sorted({each.last for each in compacted})
        assert all(each.tokens_after < 0.7 * each.tokens_before for each in compacted)
        # Each summary is told to whoever writes the next.
        assert all(f"Summary number {n}:" in asked for n, asked in enumerate(it.writer.asked[1:], 1))
        answered = await it.told(pid, ModelAnswered)
        calls_of_all = [part.id for answer in answered for part in answer.parts if isinstance(part, ToolCall)]
        assert len(set(calls_of_all)) == len(calls_of_all) == 999
        spent = [*answered, *await it.told(pid, AuxiliaryAnswered)]
        assert process.tokens == sum(each.usage.input_tokens + each.usage.output_tokens for each in spent)


async def test_what_was_compacted_stays_readable_and_the_view_tells_of_it(tmp_path: Path) -> None:
    async with archive(tmp_path) as it:
        walker, pid = await it.walk(80)
        await it.ended(pid)
        [*_, last] = await it.told(pid, ContextCompacted)
        view = await it.app.contexts.get(ANA, pid)
        assert view.compacted is not None
        assert (view.compacted.first, view.compacted.last, view.compacted.model) == (1, last.last, "writer:short")
        sections = {section.kind: section for section in view.sections}
        assert sections["summary"].title == f"Summary of steps 1 to {last.last}"
        assert last.summary in sections["summary"].entries[0].text
        assert sections["steps"].entries[0].step == last.last + 1
        whole = await it.app.contexts.get(ANA, pid, chars=1_000_000)
        assert texts(walker.sent[-1]) == [
            e.text
            for s in whole.sections
            if s.kind in ("goal", "summary", "steps")
            for e in s.entries
            if e.kind != "call"
        ]
        early = {section.kind: section for section in (await it.app.contexts.get(ANA, pid, 5)).sections}
        assert "summary" not in early
        assert [entry.step for entry in early["steps"].entries] == [1, 1, 2, 2, 3, 3, 4, 4]


async def test_a_writer_that_fails_loses_nothing_and_is_asked_again_when_there_is_more(tmp_path: Path) -> None:
    async with archive(tmp_path) as it:
        it.writer.hesitate = raising(ModelRefused("the writer is away"))
        walker, pid = await it.walk(120)
        await it.until(pid, lambda process: process.step > 60)
        it.writer.hesitate = raising(RuntimeError("no such thing"))
        process = await it.ended(pid)
        assert process.exit.message == "All visited."  # type: ignore[union-attr]
        failed = await it.told(pid, AuxiliaryAnswered)
        assert {each.error for each in failed} == {"model_refused", "model_unavailable"}
        assert all("All of them are kept" in each.message for each in failed)
        assert any("the writer is away" in each.message for each in failed)
        # Not at every step, but whenever there is a tenth more.
        assert 2 < len(failed) < 30
        assert len(walker.sent[-1]) == 1 + 2 * 119


async def test_where_all_has_become_too_long_it_waits_tries_again_and_says_the_way_out(tmp_path: Path) -> None:
    writer = Writer(window=5_000)
    writer.hesitate = raising(ModelRefused("the writer is away"))
    walker = Walker(200)
    async with archive(tmp_path, writer, compact_at_tokens=3_000) as it:
        spec = long_spec(200, walker)
        language = it.app.surroundings._language
        language._windows["scripted:walker"] = language.window("writer:short")
        pid = (await it.app.processes.spawn(ANA, spec)).pid
        process = await it.until(pid, lambda process: process.state is State.WAITING)
        assert process.wait is not None
        assert process.wait.kind == "resource"
        for words in ("longer than scripted:walker takes", "the writer is away", "c.Aether.cheap_models"):
            assert words in process.wait.detail
        seen = len(it.shelves.seen)
        it.writer.hesitate = Writer().hesitate
        await it.app.processes.signal(ANA, pid, Signal.CONT)
        await it.until(pid, lambda process: process.step > seen + 20)
        assert it.shelves.seen == list(range(1, len(it.shelves.seen) + 1))
        await it.app.processes.signal(ANA, pid, Signal.KILL)


class Narrow(Walker):
    """A walker whose server takes less than is known of it, and says how much only if it is `telling`."""

    def __init__(self, steps: int, window: int, *, telling: bool) -> None:
        super().__init__(steps)
        self.window, self.telling, self.refused = window, telling, 0

    def __call__(self, n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if weight(turns) > self.window:
            self.refused += 1
            told = {"window_tokens": self.window} if self.telling else {}
            raise ContextFull("scripted:walker does not take so long a context (400): too long", **told)
        return super().__call__(n, turns)


@pytest.mark.parametrize("telling", [True, False])
async def test_a_context_that_its_provider_refuses_as_too_long_is_told_in_short(tmp_path: Path, telling: bool) -> None:
    walker = Narrow(60, 3_000, telling=telling)
    async with archive(tmp_path, compact_at_tokens=0) as it:
        pid = (await it.app.processes.spawn(ANA, long_spec(60, walker, max_output_tokens=200))).pid
        process = await it.ended(pid)
        assert process.exit.message == "All visited."  # type: ignore[union-attr]
        assert it.shelves.seen == list(range(1, 60))
        # Once refused it is not asked that much again.
        assert walker.refused == 1
        [failed] = await it.told(pid, ModelFailed)
        assert failed.error == "context_full"
        assert len(await it.told(pid, ContextCompacted)) > 1
        assert all(turns[0] == UserTurn(GOAL) for turns in walker.sent)


async def test_a_refusal_after_other_failures_is_mended_as_well(tmp_path: Path) -> None:
    walker = Narrow(40, 3_000, telling=True)
    down = iter([ModelUnavailable("down"), ModelUnavailable("down")])

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if weight(turns) > walker.window and (error := next(down, None)) is not None:
            raise error
        return walker(n, turns)

    async with archive(tmp_path, compact_at_tokens=0) as it:
        spec = long_spec(40, walker, max_output_tokens=200)
        scripted.register("walker", play)
        pid = (await it.app.processes.spawn(ANA, spec)).pid
        for _ in range(2):
            await it.until(pid, lambda process: process.state is State.WAITING)
            await it.app.processes.signal(ANA, pid, Signal.CONT)
            await it.until(pid, lambda process: process.state is not State.WAITING)
        process = await it.ended(pid)
        assert process.exit.message == "All visited."  # type: ignore[union-attr]


async def test_what_one_agent_is_refused_is_no_limit_for_others_unless_the_provider_names_it(tmp_path: Path) -> None:
    async with archive(tmp_path, compact_at_tokens=0) as it:
        walker = Narrow(60, 3_000, telling=False)
        pid = (await it.app.processes.spawn(ANA, long_spec(60, walker, max_output_tokens=200))).pid
        await it.ended(pid)
        assert len(await it.told(pid, ContextCompacted)) > 1
        language = it.app.surroundings._language
        assert language.window("scripted:walker").tokens == 128_000
        await it.ended((await it.app.processes.spawn(ANA, long_spec(60, Narrow(60, 3_000, telling=True)))).pid)
        assert language.window("scripted:walker").tokens == 3_000


async def test_a_wider_fallback_takes_what_is_too_long_for_the_first(tmp_path: Path) -> None:
    async with archive(tmp_path, compact_at_tokens=0) as it:
        spec = long_spec(60, Narrow(60, 3_000, telling=True), max_output_tokens=200)
        wide = Walker(60)
        scripted.register("wide", wide)
        it.app.surroundings._language._windows["scripted:walker"] = Window(128_000)
        pid = (await it.app.processes.spawn(ANA, msgspec.structs.replace(spec, fallbacks=("scripted:wide",)))).pid
        process = await it.ended(pid)
        assert process.exit.message == "All visited."  # type: ignore[union-attr]
        assert not await it.told(pid, ModelFailed)
        assert len(wide.sent) == 1
        # What was named is known: from then on the first is given less.
        assert await it.told(pid, ContextCompacted)


async def test_a_refused_context_of_which_nothing_can_be_told_in_short_ends_the_run_with_the_way_out(
    tmp_path: Path,
) -> None:
    async with archive(tmp_path, compact_at_tokens=0) as it:
        pid = (await it.app.processes.spawn(ANA, long_spec(60, Narrow(60, 1, telling=True)))).pid
        process = await it.ended(pid)
        assert process.exit.error == "model_refused"  # type: ignore[union-attr]
        assert "use a model with a larger context" in process.exit.message  # type: ignore[union-attr]


async def test_a_writer_that_hangs_is_given_up_and_its_cost_is_reckoned(tmp_path: Path) -> None:
    async with archive(tmp_path, model_timeout_s=0.2) as it:
        it.costs(0.01)
        it.writer.hesitate = never
        _, pid = await it.walk(40)
        await it.ended(pid)
        failed = await it.told(pid, AuxiliaryAnswered)
        assert failed
        assert all("took longer than" in each.message and each.cost_usd == 0.01 for each in failed)
        assert it.shelves.seen == list(range(1, 40))


async def test_signals_are_obeyed_while_a_summary_is_written(tmp_path: Path) -> None:
    async with archive(tmp_path) as it:
        it.costs(0.01)
        it.writer.hesitate = never
        _, pid = await it.walk(60)
        async with asyncio.timeout(20):
            while not it.writer.asked:
                await asyncio.sleep(0.01)
        await it.app.processes.signal(ANA, pid, Signal.INT)
        process = await it.until(pid, lambda process: process.state is State.WAITING)
        [cut] = await it.told(pid, AuxiliaryAnswered)
        assert (cut.error, cut.cost_usd, process.reserved_usd) == (MODEL_INTERRUPTED, 0.01, 0.0)
        await it.app.processes.send(ANA, pid, "go on")
        async with asyncio.timeout(20):
            while len(it.writer.asked) < 2:
                await asyncio.sleep(0.01)
        await it.app.processes.signal(ANA, pid, Signal.KILL)
        process = await it.ended(pid)
        [_, killed] = await it.told(pid, AuxiliaryAnswered)
        assert (killed.error, killed.model, killed.cost_usd) == (MODEL_INTERRUPTED, "writer:short", 0.01)
        assert not await it.told(pid, ModelFailed)
        rows = {row.model: row.cost_usd for row in await it.app.budgets.usage(ANA)}
        assert rows["writer:short"] == 0.02


async def test_a_summary_that_cannot_be_paid_is_not_asked_for(tmp_path: Path) -> None:
    async with archive(tmp_path, daily_budget_usd=0.5) as it:
        it.costs(0.01)
        language = it.app.surroundings._language
        steps = language.reserve
        language.reserve = lambda model, *given: (steps(model, *given)[0], 2.0 if model == "writer:short" else 0.0)  # type: ignore[method-assign]
        _, pid = await it.walk(40)
        await it.ended(pid)
        assert not it.writer.asked
        refused = await it.told(pid, AuxiliaryAnswered)
        assert refused
        assert all(each.error == "over_budget" and each.cost_usd == 0 for each in refused)
        assert not await it.told(pid, AuxiliaryRequested)
        _, pid = await it.walk(40, limits=Limits(cost_usd=1.0))
        await it.ended(pid)
        assert "may cost $2.00" in (await it.told(pid, AuxiliaryAnswered))[0].message


async def test_a_server_killed_in_a_summary_loses_nothing_and_repeats_only_that(tmp_path: Path) -> None:
    home = tmp_path / "aether"
    command = [sys.executable, "-m", "tests.runtime.long_runs", str(home), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert await asyncio.to_thread(server.stdout.readline) == "writing\n"
        server.kill()
    async with archive(tmp_path) as it:
        scripted.register("walker", Walker(60))
        process = await it.ended(1)
        assert process.exit.message == "All visited."  # type: ignore[union-attr]
        history = [event for _, _, event in await it.app.processes.history(1)]
        aside = [each for each in history if isinstance(each, AuxiliaryRequested | AuxiliaryAnswered)]
        asked, cut, again, done = aside[:4]
        assert isinstance(asked, AuxiliaryRequested)
        assert isinstance(cut, AuxiliaryAnswered)
        assert cut.error == MODEL_INTERRUPTED
        assert (again, done.error if isinstance(done, AuxiliaryAnswered) else None) == (asked, "")
        called = [
            p.arguments["shelf"]
            for e in history
            if isinstance(e, ModelAnswered)  # type: ignore[index]
            for p in e.parts
            if isinstance(p, ToolCall)
        ]
        assert called == list(range(1, 60))
        assert [e.step for e in history if isinstance(e, ModelRequested)] == list(range(1, 61))


async def test_state_in_memory_is_what_the_journal_folds_to(tmp_path: Path) -> None:
    async with archive(tmp_path) as it:
        walker, pid = await it.walk(80)
        await it.ended(pid)
        state = loop.begin(await it.app.processes.spec(ANA, pid))
        folded: list[Event] = []
        for n, at, event in await it.app.processes.history(pid):
            state = loop.fold(state, event, n, at)
            folded.append(event)
        assert texts(walker.sent[-1]) == texts(state.turns[:-1])
        assert len(state.turns) < 60
        assert len(state.answered) == sum(isinstance(turn, ModelTurn) for turn in state.turns)
        assert len(state.past_calls) + len(state.answered) == 80
