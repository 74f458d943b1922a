"""Agents that have ended look back: a model rates the run and draws lessons, which later runs of the name recall.

It follows facts. That a run is to look back is a row (`kernel.reflections`), so the exit waits for nothing, a restart
goes on with what is left, and of two servers one does it. Agents at work come first: it asks only where slots are
spare. Every call is reserved before it is made and charged after, to the run and to its owner's day; what cannot be
afforded, or is answered badly three times, is given up, and the journal says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from ..abc import Clock
from ..config import Settings
from ..engine import lookback, loop
from ..engine.permissions import Caller, Policy, denied_model
from ..kernel.feedback import Feedback
from ..kernel.memories import Memories
from ..kernel.processes import Processes
from ..kernel.reflections import Lessons, Owed, Reflections
from ..model.access import RUNTIME, Principal
from ..model.errors import (
    AetherError,
    Fenced,
    ModelAnswerCut,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    OverBudget,
    StorageBusy,
    StorageFull,
    ToolArguments,
)
from ..model.events import MODEL_INTERRUPTED, AuxiliaryAnswered, AuxiliaryRequested, Event, ProcessExited
from ..model.memory import Layer, Note
from ..model.message import Turn, UserTurn
from ..model.process import Process
from ..store.journal import Entry, Journal
from .dispatch import Lease
from .language import Answer, Language

log = logging.getLogger(__name__)

AT_ONCE = 4
TRIES = 3
"""How often it is begun at most: a server may die, or a model be down."""
AGAIN_S = 60.0
LOOK_S = 5.0
"""Seconds until it looks again by itself: another server on the same home may be gone, or a second try be due."""
SPARE_S = 0.5


class Reflection:
    """`run` looks back on what ends, for ever."""

    def __init__(
        self,
        reflections: Reflections,
        processes: Processes,
        memories: Memories,
        feedback: Feedback,
        language: Language,
        journal: Journal,
        lease: Lease,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._reflections = reflections
        self._processes = processes
        self._memories = memories
        self._feedback = feedback
        self._language = language
        self._lease = lease
        self._settings = settings
        self._clock = clock
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        journal.on_entry(self._hear)

    async def run(self) -> None:
        """Look back, a few runs at once."""
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                worker, free = self._lease.worker, AT_ONCE - len(self._busy)
                # The worker has no number before the supervisor has registered it.
                if worker and free:
                    for owed in await self._claim(worker, free):
                        pid = owed.process.pid
                        self._busy[pid] = group.create_task(self._keep(owed, worker), name=f"reflection-{pid}")
                        self._busy[pid].add_done_callback(lambda _, pid=pid: self._done(pid))  # type: ignore[misc]
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()

    async def _claim(self, worker: int, most: int) -> Sequence[Owed]:
        try:
            return await self._reflections.claim(RUNTIME, worker, most, tuple(self._busy))
        except AetherError as error:
            log.warning("no run could be looked back on: %s", error.message)
            return []

    def _hear(self, entry: Entry) -> None:
        if isinstance(entry.event, ProcessExited):
            self._wake.set()

    def _done(self, pid: int) -> None:
        self._busy.pop(pid, None)
        self._wake.set()

    async def _keep(self, owed: Owed, worker: int) -> None:
        pid = owed.process.pid
        try:
            await _Lookback(self, owed, worker).go()
        except Fenced as error:
            log.info("%s", error.message)
        except (StorageBusy, StorageFull) as error:
            # It stays this worker's, which takes it up again when it is no longer busy with it.
            log.warning("looking back on process %s waits: %s", pid, error.message)
            await self._clock.sleep(LOOK_S)
        except Exception as error:
            log.exception("looking back on process %s failed", pid)
            fault = error.message if isinstance(error, AetherError) else "A fault of the server; its log has the trace."
            code = error.code if isinstance(error, AetherError) else AetherError.code
            with suppress(AetherError):
                event = AuxiliaryAnswered("reflection", owed.spec.model, error=code, message=fault)
                await self._reflections.give_up(RUNTIME, worker, pid, event)


class _Lookback:
    """One run looks back."""

    def __init__(self, part: Reflection, owed: Owed, worker: int) -> None:
        self._p = part
        self._owed = owed
        self._worker = worker
        self._pid = owed.process.pid

    async def go(self) -> None:
        p, owed = self._p, self._owed
        history = [event for _, _, event in await p._processes.history(self._pid)]
        if not await self._settle(history):
            return
        models = await self._models()
        if not models:
            return
        said = await p._feedback.list(RUNTIME, self._pid)
        short = p._language.short(models[0])

        def read() -> tuple[str, bool]:
            state = loop.begin(owed.spec)
            for n, event in enumerate(history, 1):
                state = loop.fold(state, event, n, 0.0)
            return lookback.request(owed.process, state.turns, said, short=short), state.touched

        request, touched = await asyncio.to_thread(read)
        turns: tuple[Turn, ...] = (UserTurn(request),)
        for attempt in range(lookback.CORRECTIONS + 1):
            answer = await self._ask(models, turns)
            if answer is None:
                return
            event = AuxiliaryAnswered(
                "reflection",
                answer.model,
                answer.usage,
                answer.cost_usd if answer.usage.known else self._reserved_usd,
                answer.cost_known and answer.usage.known,
                answer.duration_s,
            )
            try:
                found = lookback.read(answer.parts)
            except ToolArguments as fault:
                event = msgspec.structs.replace(event, error=fault.code, message=fault.message)
                if attempt == lookback.CORRECTIONS:
                    await self._give_up(event)
                    return
                await p._reflections.answered(RUNTIME, self._worker, self._pid, event)
                turns = lookback.again(turns, answer.parts, fault)
            else:
                await self._learn(event, found, touched=touched)
                return

    async def _settle(self, history: Sequence[Event]) -> bool:
        """Charge a call that a server did not live to see answered. False if it has been tried often enough."""
        asked: AuxiliaryRequested | None = None
        for event in history:
            if isinstance(event, AuxiliaryRequested):
                asked = event
            elif isinstance(event, AuxiliaryAnswered):
                asked = None
        words = "The server ended while the model was asked; what that may have cost is charged."
        event = AuxiliaryAnswered(
            "reflection",
            asked.model if asked is not None else self._owed.spec.model,
            cost_usd=asked.reserved_usd if asked is not None else 0.0,
            cost_known=asked is None or not asked.reserved_usd,
            error=MODEL_INTERRUPTED,
            message=words,
        )
        if self._owed.tries > TRIES:
            await self._give_up(event)
            return False
        if asked is not None:
            await self._p._reflections.answered(RUNTIME, self._worker, self._pid, event)
        return True

    async def _models(self) -> Sequence[str]:
        """Whom to ask: the cheap ones, then its own, but for those that a permission forbids it to ask."""
        p, spec = self._p, self._owed.spec
        await p._language.prepare()
        chain = p._language.auxiliary((spec.model, *spec.fallbacks))
        policy = Policy(p._settings.permissions, spec.permissions)
        names = (self._owed.process.name, *self._owed.parents)
        left = [each for each in chain if denied_model(policy, Caller(names, spec.role, each)) is None]
        if not left:
            words = "No model that could be asked to look back is permitted."
            await self._give_up(AuxiliaryAnswered("reflection", spec.model, error=ModelRefused.code, message=words))
        return left

    async def _ask(self, models: Sequence[str], turns: tuple[Turn, ...]) -> Answer | None:
        """One answer, reserved for before; None if it was put off or given up."""
        p = self._p
        tokens, usd = p._language.estimate(models[0], lookback.SYSTEM, turns, (lookback.TOOL,), lookback.ANSWER_TOKENS)
        self._reserved_usd = usd
        while not p._language.spare(models[0]):
            await p._clock.sleep(SPARE_S)
        await p._lease.fresh()
        process = await p._processes.get(RUNTIME, self._pid)
        fault = _no_room(process, tokens, usd)
        if not fault:
            try:
                asked = AuxiliaryRequested("reflection", models[0], tokens, usd)
                await p._reflections.ask(RUNTIME, self._worker, self._pid, asked)
            except OverBudget as error:
                fault = error.message
        if fault:
            await self._give_up(AuxiliaryAnswered("reflection", models[0], error=OverBudget.code, message=fault))
            return None
        try:
            return await p._language.ask(
                models,
                system=lookback.SYSTEM,
                turns=turns,
                tools=(lookback.TOOL,),
                max_output_tokens=lookback.ANSWER_TOKENS,
            )
        except ModelError as error:
            event = AuxiliaryAnswered("reflection", models[0], error=error.code, message=error.message)
            if isinstance(error, ModelUnavailable | ModelAnswerCut) and self._owed.tries < TRIES:
                due = p._clock.now() + AGAIN_S * 4 ** (self._owed.tries - 1)
                await p._reflections.put_off(RUNTIME, self._worker, self._pid, event, due)
            else:
                await self._give_up(event)
            return None

    async def _learn(self, event: AuxiliaryAnswered, found: lookback.Lookback, *, touched: bool) -> None:
        """Keep what is new; what is known already is of use once more, and so fades later."""
        p, owed = self._p, self._owed
        principal = Principal.agent(self._pid, owed.process.owner)
        tainted = touched or owed.child
        assert owed.process.exit is not None
        new: list[Note] = []
        known: list[int] = []
        for note in lookback.notes(found, succeeded=owed.process.exit.succeeded is True):
            near = await p._memories.recall(principal, owed.agent, note.text, layers=(Layer.PROCEDURAL,), limit=5)
            same = next(
                (
                    each.memory
                    for each in near.found
                    if each.memory.agent == owed.agent
                    and lookback.alike(note.text, each.memory.text)
                    # A lesson of one's own is not replaced by one that strangers may have put there.
                    and (tainted or not each.memory.source.tainted)
                ),
                None,
            )
            if same is not None:
                known.append(same.id)
            elif not any(lookback.alike(note.text, each.text) for each in new):
                new.append(note)
        reflected = lookback.reflected(found, ())
        lessons = Lessons(reflected, tuple(new), tuple(known), tainted)
        await p._reflections.learn(RUNTIME, self._worker, owed, event, lessons)

    async def _give_up(self, event: AuxiliaryAnswered) -> None:
        log.info("process %s does not look back: %s", self._pid, event.message)
        await self._p._reflections.give_up(RUNTIME, self._worker, self._pid, event)


def _no_room(process: Process, tokens: int, usd: float) -> str:
    """The sentence that says which of the run's own limits leaves no room, '' where there is room."""
    limits = process.limits
    if limits.tokens is not None and process.tokens + tokens > limits.tokens:
        left = max(0, limits.tokens - process.tokens)
        return f"Looking back may need {tokens:,} tokens; {left:,} of the run's own limit are left."
    if limits.cost_usd is not None and process.cost_usd + usd > limits.cost_usd:
        left_usd = max(0.0, limits.cost_usd - process.cost_usd)
        return f"Looking back may cost ${usd:.2f}; ${left_usd:.2f} of the run's own ${limits.cost_usd:.2f} is left."
    return ""
