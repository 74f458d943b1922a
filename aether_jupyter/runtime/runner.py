"""One agent at work: folds its journal, does what `engine.loop` decides, and records what came of it.

A step takes two commits: one with the model's answer and the calls that begin, one with how they ended and the next
request. Nothing is done before the fact that it begins is durable, so whatever a crash cuts off can be told.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from uuid_utils import uuid7

from ..abc import Browser, Clock, ToolContext
from ..config import Settings
from ..engine import compaction, context, journal, loop, permissions, policy, provenance
from ..engine import tokens as sizes
from ..engine.lifecycle import INTERRUPTED, ended_by
from ..engine.likeness import cited, other_words, said_by, told_in
from ..engine.profile import earlier_runs
from ..engine.recall import REMINDERS, TURNS, reminder, terms, turned
from ..engine.recall import TURN_STEPS as SILENT_STEPS
from ..engine.routing import choose, task_of
from ..engine.seeing import Unseen
from ..kernel.approvals import Approvals
from ..kernel.budgets import next_day
from ..kernel.contexts import digested
from ..kernel.feed import Feed
from ..kernel.feedback import Feedback
from ..kernel.memories import Memories
from ..kernel.notes import NotesKeeper
from ..kernel.processes import Claim, Processes
from ..kernel.profiles import Profiles
from ..kernel.requests import Requests
from ..model.access import RUNTIME, Principal
from ..model.agent import AgentSpec
from ..model.context import Window
from ..model.errors import (
    AetherError,
    ApprovalMismatch,
    ContextFull,
    Fenced,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    OverBudget,
    SandboxUnavailable,
    StorageBusy,
    StorageFull,
    ToolArguments,
    UnknownName,
)
from ..model.events import (
    ApprovalRequested,
    AuxiliaryAnswered,
    AuxiliaryRequested,
    ContextCompacted,
    Event,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    Notice,
    OutputDelta,
    Preparing,
    ProcessExited,
    StateChanged,
    TextDelta,
    ToolEnded,
    ToolStarted,
)
from ..model.harmless import plain
from ..model.image import Image
from ..model.memory import Source, memory_name
from ..model.message import KERNEL, ModelTurn, Part, Text, ToolCall, Turn, UserTurn
from ..model.process import ExitStatus, Process, Signal, State, WaitReason
from ..model.routing import Route, is_auto, pinned
from ..model.tool import Approval, Outcome, Risk
from .browsers import Browsers, seating
from .displays import Displays
from .holds import Holds
from .language import Answer, Language
from .machines import Machines
from .onlooker import Onlooker
from .own_memory import AgentMemory
from .own_plan import PlanDesk
from .peers import AgentPeers
from .results import fitting
from .sight import Eyes, Sight
from .toolbox import Toolbox

log = logging.getLogger(__name__)

TURN_STEPS = 3
"""Steps after which an agent gives its slot to another that waits for one."""
TOPIC_TURNS, TOPIC_CHARS = 16, 4_000
NOTICE_S = 0.1
SUMMARY_WAITS = 2
"""How long a summary may take: so many times as a model may keep silent."""
STORAGE_RETRY_S = 0.5
STORAGE_RETRY_MOST_S = 5.0


@dataclass(frozen=True)
class Runner:
    """What every run needs; `start` makes one. `lease` returns once this server's lease is known to be fresh.

    `capture` takes a snapshot of a process as its journal stood after an event, or raises why it cannot.
    """

    processes: Processes
    requests: Requests
    approvals: Approvals
    memories: Memories
    notes: NotesKeeper
    feedback: Feedback
    profiles: Profiles
    eyes: Eyes
    feed: Feed
    language: Language
    toolbox: Toolbox
    machines: Machines
    browsers: Browsers
    displays: Displays
    settings: Settings
    clock: Clock
    holds: Holds
    capture: Callable[[int, int], Awaitable[None]]
    lease: Callable[[], Awaitable[None]]
    others_wait: Callable[[], bool]

    def start(self, claim: Claim, process: Process) -> Run:
        """A run of this process under this claim; await its `go`."""
        return Run(self, claim, process)


class Run:
    """One process under one claim. It ends when the process waits, stops, ends, yields – or the claim is lost."""

    def __init__(self, runner: Runner, claim: Claim, process: Process) -> None:
        self._r = runner
        self._claim = claim
        self._process = process
        self._queue: list[Event] = []
        self._deed: asyncio.Future[Any] | None = None
        self._interrupted = False
        self._without_sandbox = ""
        self._destructive: set[str] = set()
        self._heard: tuple[int, Signal | None] = (0, None)
        self._steps = 0
        self._model = ""
        self._looked = 0
        self._read = 0
        self._told: dict[int, str] = {}
        self._elsewhere: set[str] = set()
        self._topic: set[str] = set()
        self._topic_step = 0
        self._turns = 0
        self._telling: journal.Telling | None = None
        self._session = runner.language.session()
        self._sight = Sight()
        self._writing = asyncio.Lock()
        self._onlooker = Onlooker(
            runner.language,
            whom=self._onlookers,
            afford=self._afford_aside,
            write=self._write_aside,
            note=self._note_aside,
            lease=runner.lease,
            timeout_s=SUMMARY_WAITS * runner.settings.model_timeout_s,
        )
        self._scales: dict[int | None, sizes.Scale] = {}

    def deliver(self, signal: Signal, n: int) -> None:
        """A signal came as event `n`. INT drops the deed in flight; STOP and TERM are seen before the next one."""
        if n <= self._process.head:
            return
        self._heard = (n, signal)
        self._listen()
        if signal is Signal.INT and self._deed is not None:
            self._interrupted = True
            self._deed.cancel()

    def taken_over(self, by: str, n: int) -> None:
        """A person took control as event `n`: the deed in flight is dropped, and none begins before they hand back."""
        if n <= self._process.head:
            return
        self._process = msgspec.structs.replace(self._process, control=by)
        if self._deed is not None:
            self._interrupted = True
            self._deed.cancel()

    def _listen(self) -> None:
        """A signal that came after the last commit is not in the process that this commit returned."""
        n, signal = self._heard
        if n > self._process.head:
            self._process = msgspec.structs.replace(self._process, signal=signal)

    async def go(self) -> None:
        """Work until there is nothing left to do. Never raises but for cancellation: a fault ends the process."""
        try:
            await self._work()
        except Fenced:
            log.info("process %s is run elsewhere now", self._claim.pid)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody ended this run: a tool or a client let a cancellation of its own escape.
            log.exception("process %s was cancelled from within", self._claim.pid)
            await self._fail(
                "A fault of a tool or model client ended it; the server's log has the trace.", "aether_error"
            )
        except (SandboxUnavailable, ModelError) as error:
            await self._fail(error.message, error.code)
        except AetherError as error:
            log.exception("process %s failed", self._claim.pid)
            await self._fail(error.message, error.code)
        except Exception as error:
            log.exception("process %s met a fault of the server", self._claim.pid)
            await self._fail(
                f"A fault of the server ended it ({type(error).__name__}); its log has the trace.", "aether_error"
            )

    # --- the loop ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        await self._load()
        while True:
            if await self._heed():
                return
            instruction = loop.decide(self._state)
            match instruction:
                case loop.AskModel(step=step):
                    if self._steps >= TURN_STEPS and self._r.others_wait():
                        await self._commit(StateChanged(State.READY))
                        return
                    if await self._think(step):
                        return
                case loop.Judge(calls=calls):
                    await self._run(await self._judge(calls))
                case loop.RunTools(calls=calls):
                    await self._run([call for each in calls if (call := await self._approved(each)) is not None])
                case loop.Guide(guidance=guidance):
                    self._note(guidance)
                case loop.Hold(reason=reason, delay_s=delay):
                    until = self._r.clock.now() + delay if delay is not None else None
                    reason = msgspec.structs.replace(reason, until=until)
                    if await self._conclude(StateChanged(State.WAITING, reason)):
                        return
                case loop.Exit(status=status):
                    if await self._conclude(ProcessExited(status)):
                        return
                case None:
                    raise AssertionError(f"nothing is decided for process {self._claim.pid}, and nothing is under way")

    async def _load(self) -> None:
        r = self._r
        self._spec: AgentSpec = self._claim.spec
        self._tools = context.offered(r.toolbox.specs(self._spec.tools), self._spec)
        self._by_name = {tool.name: tool for tool in self._tools}
        self._principal = Principal.agent(self._claim.pid, self._claim.owner)
        self._plan = PlanDesk(r.processes, self._principal, lambda: (self._state.plan, self._state.step))
        self._memory_name = memory_name(self._claim.name, self._claim.parents)
        self._workspaces = r.machines.workspaces(self._claim.owner, self._spec.workspaces)
        notes = await r.notes.of(self._claim.owner, self._memory_name)
        earlier = await r.profiles.history(self._claim.owner, self._memory_name, self._process.created_at)
        standing = context.standing(self._spec, self._claim.name, notes, earlier_runs(earlier))
        self._system = context.joined(standing)
        self._sent = digested(standing), digested(self._tools)
        self._policy = permissions.Policy(r.settings.permissions, self._spec.permissions)
        state = loop.begin(self._spec)
        # A process that was just spawned and claimed has no history worth a read: 1 is its birth, 2 this claim.
        if "remember" in self._by_name and r.settings.journal:
            # What a parent tells its child to do may come from what it has read.
            self._telling = journal.Telling(tainted=bool(self._claim.parents))
        fresh = self._process.head == 2
        began = StateChanged(State.RUNNING)
        history = [(2, r.clock.now(), began)] if fresh else await r.processes.history(self._claim.pid)
        for n, at, event in history:
            state = loop.fold(state, event, n, at)
            self._tell(event)
            if isinstance(event, ModelAnswered):
                self._model = event.model
        self._kept = self._state = state
        await r.machines.resolve(self._spec.sandbox.kind)
        if state.thinking:
            words = "The server ended while the model was asked; it is asked again."
            self._note(
                ModelFailed(state.step, self._process.model, loop.INTERRUPTED, words, self._process.reserved_usd)
            )
        if (aside := state.aside) is not None:
            words = "The server ended while a model was asked beside the steps."
            cost = aside.reserved_usd
            self._note(
                AuxiliaryAnswered(
                    aside.purpose,
                    aside.model,
                    cost_usd=cost,
                    cost_known=not cost,
                    error=loop.INTERRUPTED,
                    message=words,
                )
            )
        again: list[ToolCall] = []
        for each in state.calls:
            if each.status != "started":
                continue
            tool = self._by_name.get(each.call.tool)
            if tool is not None and tool.repeatable and (await self._ruling(each.call))[0].verdict != "deny":
                again.append(each.call)
                continue
            words = (
                "The server ended while this call ran. Whether it took effect is not known: look before you repeat it."
            )
            self._note(self._ended(each.call, Outcome(ok=False, content=words, error="tool_interrupted")))
        if again:
            await self._run(again, started=True)

    async def _heed(self) -> bool:
        """Obey a pending signal. True if that ends the run."""
        while (ending := self._obey()) is not None:
            # A signal or message that came meanwhile may change what there is to obey.
            if await self._conclude(*ending):
                return True
        return False

    def _obey(self) -> Sequence[Event] | None:
        """What a pending signal comes to; None if the run goes on."""
        signal = self._process.signal
        if signal is Signal.STOP:
            return (StateChanged(State.STOPPED),)
        if signal is Signal.TERM:
            return (ProcessExited(ended_by(signal)),)
        if signal is Signal.INT:
            for each in self._state.calls:
                if each.status != "asking":
                    self._note(self._dropped(each.call))
            if not self._state.calls:
                waits = StateChanged(State.WAITING, INTERRUPTED)
                # Who was interrupted and told what to do instead has nothing to wait for.
                return (waits, StateChanged(State.READY)) if self._state.redirected else (waits,)
        return None

    async def _think(self, step: int) -> bool:
        """Ask the model. True if a limit ends the run instead."""
        await self._remind()
        r, state, spec = self._r, self._state, self._spec
        await r.language.prepare()
        tail = context.joined(context.tail(state))
        models, route = self._whom(tail)
        if (shorter := self._too_long(models[0], tail)) is not None:
            await self._compact(step, models, shorter)
            return False
        tokens, usd = r.language.reserve(models[0], self._given(models[0], tail), spec.max_output_tokens)
        sentence = loop.afford(state, tokens, usd, r.clock.now())
        if sentence is not None:
            return await self._ask_limit(sentence, tokens, usd)
        try:
            (system, _), (tools, _) = self._sent
            requested = ModelRequested(step, models[0], tokens, usd, system=system, tools=tools)
            if route is not None:
                requested = msgspec.structs.replace(requested, why=route.why, family=route.family, since=route.since)
            await self._commit(requested)
        except OverBudget as error:
            wait = WaitReason("resource", error.message, until=next_day(r.clock.now()) + 1)
            return await self._conclude(StateChanged(State.WAITING, wait))
        if self._process.signal in (Signal.STOP, Signal.TERM, Signal.INT):
            self._note(ModelFailed(step, models[0], loop.INTERRUPTED, "Stopped before the model was asked."))
            return False
        await r.lease()
        self._steps += 1
        try:
            answer = await self._perform(
                r.language.ask(
                    models,
                    system=self._system,
                    turns=self._state.turns,
                    tools=self._tools,
                    temperature=spec.temperature,
                    max_output_tokens=spec.max_output_tokens,
                    on_text=self._words(step) if r.feed.followed(self._claim.owner) else None,
                    on_prepare=self._preparing,
                    session=self._session,
                    tail=context.joined(context.tail(self._state)),
                    taken=self._state.past_calls,
                    look=self._look if self._state.pictured else None,
                )
            )
        except ContextFull as error:
            self._note(self._refused_as_too_long(step, models, error))
            return False
        except ModelError as error:
            log.info("process %s: %s", self._claim.pid, error.message)
            self._note(ModelFailed(step, models[0], error.code, error.message))
            return False
        if answer is None:
            self._note(ModelFailed(step, models[0], loop.INTERRUPTED, "A person interrupted the model.", usd))
            return False
        self._model = answer.model
        cost = answer.cost_usd if answer.usage.known else usd
        self._note(
            ModelAnswered(
                step,
                answer.model,
                answer.parts,
                answer.usage,
                cost,
                answer.cost_known and answer.usage.known,
                answer.duration_s,
                answer.attempts,
                self._cited(answer.parts),
                instead=answer.instead,
            )
        )
        return False

    async def _look(self, image: Image, sees: bool) -> tuple[bytes, str] | Unseen:
        return await self._r.eyes.look(self._claim.owner, image, sees=sees)

    def _onlookers(self) -> Sequence[str]:
        """Whom a tool may show an image. Raises `ModelRefused` if permissions forbid all of them."""
        found = self._r.language.onlookers(self._named_models())
        return self._permitted_models(found) if found else found

    def _afford_aside(self, tokens: int, usd: float) -> str | None:
        # It is asked within a step that was begun: only money, tokens and time can stand in its way.
        begun = msgspec.structs.replace(self._state, step=0)
        return loop.afford(begun, tokens, usd, self._r.clock.now())

    async def _write_aside(self, event: Event) -> None:
        """Commit from within a tool: the run itself writes nothing meanwhile."""
        async with self._writing:
            await self._commit(event)

    async def _note_aside(self, event: Event) -> None:
        async with self._writing:
            self._note(event)

    def _named_models(self) -> tuple[str, ...]:
        """The model that a person chose, else the spec's own, and what is asked instead; the first may be `auto`."""
        return (self._state.chosen or self._spec.model or self._r.language.default_model(), *self._spec.fallbacks)

    def _whom(self, tail: str) -> tuple[Sequence[str], Route | None]:
        """Whom to ask for the next step, in order; and the route where the server chooses.

        Raises `ModelRefused` if none is permitted.
        """
        first, *fallbacks = named = self._named_models()
        if not is_auto(first):
            return self._permitted_models(named), None
        language, spec, state = self._r.language, self._spec, self._state
        found = language.roster()
        if not found.models():
            language.check(first)
        permitted = self._permitted_models((*found.models(), *fallbacks))
        left = found.only(permitted)
        if not left.models():
            return permitted, None
        task = task_of(
            spec,
            self._claim.name,
            context=self._given(permitted[0], tail),
            tools=len(self._tools),
            limits=state.limits,
            spent_usd=state.cost_usd,
            steps=state.step,
            stumbles=state.stumbles,
            images=state.pictured,
        )
        rules, family = self._r.settings.routing, pinned(first)
        choice = choose(task, rules, left, pinned=family, held=state.route)
        return tuple(dict.fromkeys((*choice.models, *(m for m in fallbacks if m in permitted)))), choice.route

    def _given(self, model: str, tail: str) -> int:
        """The tokens of the context as it stands, for this model."""
        return self._beside(model, tail) + sizes.tokens(self._scale(model).total(self._state.turns))

    def _beside(self, model: str, tail: str) -> int:
        """The tokens of what is said beside the transcript."""
        own = self._r.language.window(model).own_tokens
        if own is None:
            own = sizes.tokens(sizes.weight(self._system) + sizes.tools_weight(self._tools))
        return own + sizes.tokens(sizes.weight(tail))

    def _scale(self, model: str) -> sizes.Scale:
        most = self._r.language.window(model).result_chars
        return self._scales.setdefault(most, sizes.Scale(most))

    def _too_long(self, model: str, tail: str, room: int | None = None) -> compaction.Compact | None:
        """What is to be told in short before the model can be asked; None where there is room."""
        window = self._window(model, room or self._state.room)
        most = compaction.most(window, self._spec.max_output_tokens, self._r.settings.compact_at_tokens)
        if self._given(model, tail) <= most:
            return None
        weights = self._scale(model).weights(self._state.turns)
        return compaction.due(self._state, weights, self._beside(model, tail), most, window)

    def _refused_as_too_long(self, step: int, models: Sequence[str], error: ContextFull) -> ModelFailed:
        """The provider takes less than was thought: the older steps are told in short next, if any can be."""
        model = error.details.get("model", models[0])
        tail = context.joined(context.tail(self._state))
        # By our count it may seem to fit: so in this run no model is asked that much again.
        refused = int(0.95 * self._given(models[0], tail))
        room = min(refused, error.details.get("window_tokens") or refused)
        if self._too_long(models[0], tail, room) is not None:
            return ModelFailed(step, model, error.code, error.message, room=room)
        words = (
            f"{error.message} Nothing of it can be told in short; use a model with a larger context, or ask for fewer "
        )
        return ModelFailed(step, model, ModelRefused.code, f"{words}tokens of output (max_output_tokens).")

    def _window(self, model: str, room: int | None) -> Window:
        """What the model takes, in a run that has so much room."""
        window = self._r.language.window(model)
        return window if room is None else msgspec.structs.replace(window, tokens=min(window.tokens, room))

    async def _compact(self, step: int, models: Sequence[str], shorter: compaction.Compact) -> None:
        """Have the older steps told in short. Whatever goes wrong, all of them are kept, and the journal says why."""
        done, summary = await self._summarise(
            f"The context of step {step} is too long for {models[0]}.", models, shorter
        )
        self._note(done)
        if not summary:
            if shorter.over and done.error != loop.INTERRUPTED:
                window = self._window(models[0], self._state.room).tokens
                words = (
                    f"The context is longer than {models[0]} takes ({window:,} tokens). {done.message} Name a model "
                    "that can be asked for summaries in c.Aether.cheap_models, or use a model with a larger context."
                )
                self._note(ModelFailed(step, models[0], ContextFull.code, words))
            return
        tail = context.joined(context.tail(self._state))
        before, count = self._given(models[0], tail), len(shorter.covered)
        compacted = ContextCompacted(count, shorter.first, shorter.last, summary, before, 0, shorter.kept)
        # What was kept of the transcript before no longer fits: it is another from its beginning.
        self._session, self._scales, self._read = self._r.language.session(), {}, 0
        turns = loop.fold(self._state, compacted, self._state.head, 0.0).turns
        after = self._beside(models[0], tail) + sizes.tokens(self._scale(models[0]).total(turns))
        self._note(msgspec.structs.replace(compacted, tokens_after=after))
        await self._commit()

    async def _summarise(
        self, why: str, models: Sequence[str], shorter: compaction.Compact
    ) -> tuple[AuxiliaryAnswered, str]:
        """What asking for a summary came to, and the summary, '' where there is none."""
        r = self._r
        writers = self._permitted_models(r.language.auxiliary(models))
        writer = next(writer for writer in writers if r.language.knows(writer))

        def without(error: str, words: str, usd: float = 0.0) -> tuple[AuxiliaryAnswered, str]:
            log.warning("process %s: its older steps were not told in short: %s", self._claim.pid, words)
            told = f"The older steps could not be told in short: {words.rstrip('.')}. All of them are kept."
            return AuxiliaryAnswered("summary", writer, cost_usd=usd, cost_known=not usd, error=error, message=told), ""

        text = compaction.prompt(shorter, self._spec.goal, r.language.window(writer))
        asked = (UserTurn(text, KERNEL),)
        tokens, usd = r.language.estimate(writer, compaction.SYSTEM, asked, (), shorter.summary_tokens)
        sentence = loop.afford(self._state, tokens, usd, r.clock.now())
        if sentence is not None:
            return without(OverBudget.code, sentence)
        try:
            await self._commit(AuxiliaryRequested("summary", writer, tokens, usd, why))
        except OverBudget as error:
            return without(error.code, error.message)
        if self._process.signal in (Signal.STOP, Signal.TERM, Signal.INT):
            return without(loop.INTERRUPTED, "It was stopped before a model was asked")
        await r.lease()
        try:
            answer = await self._perform(self._summary(writers, asked, shorter.summary_tokens))
        except AetherError as error:
            return without(error.code, error.message)
        except TimeoutError:
            words = f"{writer} took longer than {SUMMARY_WAITS * r.settings.model_timeout_s:.0f} s"
            return without(ModelUnavailable.code, words, usd)
        except Exception as error:
            log.exception("process %s met a fault of a model client", self._claim.pid)
            words = f"a fault of a model client ({type(error).__name__}); the server's log has the trace"
            return without(ModelUnavailable.code, words, usd)
        if answer is None:
            return without(loop.INTERRUPTED, "A person interrupted it", usd)
        summary = "\n".join(part.text for part in answer.parts if isinstance(part, Text)).strip()
        done = AuxiliaryAnswered(
            "summary",
            answer.model,
            answer.usage,
            answer.cost_usd if answer.usage.known else usd,
            answer.cost_known and answer.usage.known,
            answer.duration_s,
        )
        if summary:
            return done, summary
        failed, _ = without(ModelRefused.code, f"{answer.model} wrote nothing")
        return msgspec.structs.replace(done, error=failed.error, message=failed.message), ""

    async def _summary(self, writers: Sequence[str], asked: Sequence[Turn], tokens: int) -> Answer:
        async with asyncio.timeout(SUMMARY_WAITS * self._r.settings.model_timeout_s):
            return await self._r.language.ask(
                writers,
                system=compaction.SYSTEM,
                turns=asked,
                temperature=0.0,
                max_output_tokens=tokens,
                on_prepare=self._preparing,
            )

    async def _judge(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Put calls before the policy; what may run now is returned, with its beginning noted."""
        run: list[ToolCall] = []
        for call in calls:
            try:
                arguments = self._checked(call)
            except AetherError as error:
                self._note(self._ended(call, Outcome(ok=False, content=error.message, error="tool_arguments")))
                continue
            if call.tool == loop.RESULT_TOOL:
                self._note(self._result(call, arguments))
            elif call.tool in loop.QUESTION_TOOLS:
                ruling, _ = await self._ruling(call)
                denied = ruling.verdict == "deny"
                asked = ApprovalRequested(self._question(call, arguments))
                self._note(self._refused(call, ruling) if denied else asked)
            elif (begun := await self._rule(call)) is not None:
                run.append(begun)
        return run

    async def _rule(self, call: ToolCall) -> ToolCall | None:
        r = self._r
        ruling, resolved = await self._ruling(call)
        why = ruling.why
        if ruling.verdict == "ask" and ruling.by != "administrator" and ruling.risk is not Risk.DESTRUCTIVE:
            rule = await r.approvals.use_rule(RUNTIME, self._claim.owner, self._claim.pid, call.tool)
            if rule is not None:
                ruling, why = policy.Ruling("allow", ruling.risk, ""), f"rule {rule}"
        if ruling.verdict == "deny":
            self._note(self._refused(call, ruling))
            return None
        if ruling.verdict == "ask":
            self._note(ApprovalRequested(self._approval(call, ruling, resolved)))
            return None
        return self._begin(call, why, ruling.risk)

    async def _ruling(self, call: ToolCall) -> tuple[policy.Ruling, str]:
        """What mode and permissions say to a call, and the sandbox it would run in."""
        spec, tool, r = self._spec, self._by_name[call.tool], self._r
        resolved = await r.machines.resolve(spec.sandbox.kind) if tool.risk is Risk.EXECUTE else spec.sandbox.kind
        most = r.settings.max_mode
        ruling = policy.rule(tool, policy.clamp(spec.mode, most), spec.sandbox, resolved)
        if not self._policy:
            return ruling, resolved
        reach = permissions.Reach(
            home=(r.settings.homes / str(self._claim.pid)).as_posix(),
            workspaces=spec.workspaces,
            isolated=resolved != "host",
            network=spec.sandbox.network != "none",
        )
        # As the tool will see them: what the model leaves out has a default that may be a path.
        arguments = self._checked(call)
        applied = permissions.decide(self._policy, tool, ruling.risk, arguments, self._caller(self._model), reach)
        return policy.permitted(ruling, applied, most), resolved

    def _caller(self, model: str) -> permissions.Caller:
        return permissions.Caller((self._claim.name, *self._claim.parents), self._spec.role, model)

    def _permitted_models(self, models: Sequence[str]) -> Sequence[str]:
        """Those that no permission forbids to ask. Raises `ModelRefused` if none is left."""
        if not self._policy:
            return models
        found = {model: permissions.denied_model(self._policy, self._caller(model)) for model in models}
        left = [model for model, applied in found.items() if applied is None]
        if not left:
            raise ModelRefused(" ".join(policy.model_denial(m, a) for m, a in found.items() if a is not None))
        return left

    async def _approved(self, open_call: loop.OpenCall) -> ToolCall | None:
        """The call a person approved, with its beginning noted. What was approved is what runs, to the byte.

        What is denied stays denied: a person may have put other arguments, or the server may have new permissions.
        """
        call = open_call.call
        if open_call.digest and policy.digest(call, self._claim.pid) != open_call.digest:
            raise ApprovalMismatch(f"The approval of call {call.id} is for other arguments; it did not run")
        try:
            ruling, _ = await self._ruling(call)
        except (ToolArguments, UnknownName) as error:
            self._note(self._ended(call, Outcome(ok=False, content=error.message, error="tool_arguments")))
            return None
        if ruling.verdict == "deny":
            self._note(self._refused(call, ruling))
            return None
        return self._begin(call, "edited by a person" if open_call.edited else "approved by a person", ruling.risk)

    def _begin(self, call: ToolCall, why: str, risk: Risk) -> ToolCall:
        if risk is Risk.DESTRUCTIVE and self._r.settings.snapshot_before_destructive:
            self._destructive.add(call.id)
        self._note(ToolStarted(self._state.step, call, why, provenance.sources(self._state.turns, call)))
        return call

    async def _run(self, calls: Sequence[ToolCall], *, started: bool = False) -> None:
        """Run calls that have begun, side by side; each end is recorded as it comes."""
        if not calls:
            return
        if self._destructive and not await self._captured(calls):
            return
        async with self._r.holds.working(self._claim.pid):
            if not started:
                await self._commit()
            await self._r.lease()
            try:
                files = any(map(self._may_write, calls))
                await self._r.machines.homes.ready(self._claim.pid, self._spec.sandbox, files=files)
            except SandboxUnavailable as error:
                for call in calls:
                    self._note(self._ended(call, Outcome(ok=False, content=error.message, error=error.code)))
                raise
            if len(calls) == 1:
                outcome = await self._perform(self._r.toolbox.run(calls[0], self._context(calls[0])))
                self._note(self._dropped(calls[0]) if outcome is None else self._came_to(calls[0], outcome))
            else:
                await self._run_many(calls)
        if self._without_sandbox:
            raise SandboxUnavailable(self._without_sandbox)

    def _may_write(self, call: ToolCall) -> bool:
        """Whether a call can touch the home, as far as its declaration says."""
        tool = self._by_name.get(call.tool)
        return tool is None or tool.risk is not Risk.SAFE

    async def _captured(self, calls: Sequence[ToolCall]) -> bool:
        """Have a snapshot taken of how it stood before these calls. Where that fails none of them runs."""
        self._destructive.clear()
        queued = len(self._queue)
        begun = next((place for place, event in enumerate(self._queue) if isinstance(event, ToolStarted)), queued)
        await self._commit()
        try:
            await self._r.capture(self._claim.pid, self._state.head - (queued - begun))
        except AetherError as error:
            words = f"It did not run: the snapshot that is taken before could not be had. {error.message}"
            for call in calls:
                self._note(self._ended(call, Outcome(ok=False, content=words, error="tool_failed")))
            return False
        return True

    async def _run_many(self, calls: Sequence[ToolCall]) -> None:
        tasks = {asyncio.ensure_future(self._r.toolbox.run(call, self._context(call))): call for call in calls}
        left = set(tasks)
        try:
            while left:
                done = await self._perform(asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED))
                if done is None:
                    break
                async with self._writing:
                    for task in done[0]:
                        left.discard(task)
                        self._note(self._came_to(tasks[task], task.result()))
                    if left:
                        await self._commit()
        finally:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        for task in left:
            call = tasks[task]
            self._note(self._dropped(call) if task.cancelled() else self._came_to(call, task.result()))

    async def _perform(self, deed: Coroutine[Any, Any, Any]) -> Any:
        """Await a deed that INT or a person who takes over may cut off; None if so."""
        self._interrupted = False
        if self._process.signal is Signal.INT or self._process.control:
            # It came between two deeds, when there was none to cut off.
            deed.close()
            return None
        self._deed = asyncio.ensure_future(deed)
        try:
            return await self._deed
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._interrupted and (task is None or not task.cancelling()):
                return None
            self._deed.cancel()
            raise
        finally:
            self._deed = None

    # --- recording -----------------------------------------------------------------------------------------------

    def _note(self, event: Event) -> None:
        """Fold an event now; it is written with the next commit, before anything else is done."""
        self._queue.append(event)
        self._state = loop.fold(self._state, event, self._state.head + 1, self._r.clock.now())
        if isinstance(event, ToolEnded) and (changed := self._plan.ended(event.call_id, event.outcome.ok)) is not None:
            self._note(changed)

    async def _commit(self, *events: Event) -> None:
        """Write what is queued and these. The state is then folded from what the journal really holds."""
        await self._record([*self._queue, *events])

    async def _conclude(self, *events: Event) -> bool:
        """Write what is queued, and these unless something came that they could not reckon with: then decide anew."""
        ending = next((event.status for event in events if isinstance(event, ProcessExited)), None)
        kept = ending is not None and self._owe(ending)
        try:
            concluded = await self._record(self._queue.copy(), events)
        except Exception:
            self._r.memories.owe_nothing(self._claim.pid)
            raise
        # Not where this task is cancelled: the commit may be under way.
        self._r.memories.owe_nothing(self._claim.pid)
        if kept and concluded:
            self._r.memories.changed()
        return concluded

    def _tell(self, event: Event) -> None:
        """Follow what the journal really holds."""
        if self._telling is not None:
            self._telling = journal.note(self._telling, event)

    def _owe(self, status: ExitStatus) -> bool:
        """Have what was telling of this run kept with its end."""
        if self._telling is None:
            return False
        told = functools.reduce(journal.note, self._queue, self._telling)
        pid, by = self._claim.pid, self._principal.name
        kept = journal.entries(told, self._spec.goal, status, named=bool(self._spec.name))
        notes = [(each.note, Source(by, "journal", pid, each.step, each.tainted)) for each in kept]
        self._r.memories.owe(pid, self._memory_name, notes, status)
        return bool(notes)

    async def _record(self, batch: list[Event], conclusion: Sequence[Event] = ()) -> bool:
        delay = STORAGE_RETRY_S
        asks = batch and isinstance(batch[-1], ModelRequested)
        texts = dict(self._sent) if asks else {}
        images = self._sight.named(batch)
        state, concluded = self._kept, True
        while True:
            try:
                recorded = await self._r.processes.record(
                    RUNTIME, self._claim, state.head, batch, conclusion, texts, images
                )
            except (StorageFull, StorageBusy) as error:
                # Nothing was written and nothing is lost: the agent pauses until the disk is well again.
                log.warning("process %s pauses: %s", self._claim.pid, error.message)
                await self._r.clock.sleep(delay)
                delay = min(delay * 2, STORAGE_RETRY_MOST_S)
                continue
            for n, at, event in recorded.missed:
                state = loop.fold(state, event, n, at)
                self._tell(event)
            if not recorded.stale:
                break
            batch, conclusion, concluded = self._plan.anew(state.plan, state.step, batch), (), False
        self._queue.clear()
        self._plan.written()
        if not self._state.calls:
            self._sight.clear()
        n = state.head
        for event in (*batch, *conclusion) if recorded.concluded else batch:
            n += 1
            state = loop.fold(state, event, n, recorded.at)
            self._tell(event)
        self._kept = self._state = state
        self._process = recorded.process
        self._listen()
        return concluded and recorded.concluded

    async def _fail(self, words: str, error: str) -> None:
        status = ExitStatus(1, "failed", words, error=error)
        try:
            self._owe(status)
            await self._commit(ProcessExited(status))
        except Fenced:
            log.info("process %s is run elsewhere now", self._claim.pid)
        except Exception:
            # The batch, or what others appended, may be what cannot be written or read; the end must be.
            log.exception("process %s: its last events could not be written", self._claim.pid)
            try:
                await self._r.processes.record(RUNTIME, self._claim, sys.maxsize, (ProcessExited(status),))
            except Exception:
                # One agent that cannot even end must not end those that run beside it.
                log.critical("process %s cannot be ended", self._claim.pid, exc_info=True)
        self._r.memories.owe_nothing(self._claim.pid)

    # --- making events -------------------------------------------------------------------------------------------

    def _checked(self, call: ToolCall) -> dict[str, Any]:
        tool = self._by_name.get(call.tool)
        if tool is None and call.tool in {spec.name for spec in self._r.toolbox.all()}:
            raise UnknownName(f"This agent has no tool {call.tool!r}. It has: {', '.join(self._by_name)}")
        if call.tool == loop.RESULT_TOOL and tool is not None:
            return fitting(call, tool.parameters)
        return self._r.toolbox.check(call)

    def _result(self, call: ToolCall, arguments: dict[str, Any]) -> ToolEnded:
        schema = self._spec.output_schema
        assert schema is not None
        value = context.unwrapped(self._by_name[loop.RESULT_TOOL], arguments, schema)
        return self._ended(call, Outcome(ok=True, content=msgspec.json.encode(value).decode()))

    def _ended(self, call: ToolCall, outcome: Outcome) -> ToolEnded:
        if outcome.error == SandboxUnavailable.code:
            self._without_sandbox = outcome.content
        return ToolEnded(self._state.step, call.id, call.tool, outcome)

    def _came_to(self, call: ToolCall, outcome: Outcome) -> ToolEnded:
        return self._ended(call, self._sight.checked(call.tool, outcome))

    def _refused(self, call: ToolCall, ruling: policy.Ruling) -> ToolEnded:
        return self._ended(call, Outcome(ok=False, content=ruling.why, error="tool_refused"))

    def _dropped(self, call: ToolCall) -> ToolEnded:
        words = "A person interrupted this call. Whether it took effect is not known."
        if self._process.control:
            words = "A person took over while this call ran. Whether it took effect is not known: look again."
        return self._ended(call, Outcome(ok=False, content=words, error="tool_interrupted"))

    def _approval(self, call: ToolCall, ruling: policy.Ruling, resolved: str) -> Approval:
        return self._asking(
            "call",
            call=call,
            risk=ruling.risk,
            because=ruling.why,
            each_time=ruling.by == "administrator",
            where=self._where(call, resolved),
        )

    def _where(self, call: ToolCall, resolved: str) -> str:
        """The sandbox, and where in it a shell line would run: its own `cwd`, else where the last step left off."""
        home = f"{resolved}, home of {self._claim.pid}"
        if "command" not in {role.partition(":")[2] for role in self._by_name[call.tool].args.values()}:
            return home
        folder = str((call.arguments or {}).get("cwd") or self._state.folder)
        # As it is, blanks and all: it is read to decide.
        shown = plain(folder[:1_000]).replace("\n", "\\x0a")
        return home if folder in ("", ".") else f"{home}, in {shown}"

    def _question(self, call: ToolCall, arguments: dict[str, Any]) -> Approval:
        options = tuple(str(option) for option in arguments.get("options") or ())
        return self._asking("question", call=call, question=str(arguments.get("question", "")), options=options)

    def _asking(self, kind: Literal["call", "question", "limit"], **fields: Any) -> Approval:
        call = fields.get("call")
        return Approval(
            id=str(uuid7()),
            pid=self._claim.pid,
            owner=self._claim.owner,
            name=self._claim.name,
            kind=kind,
            step=self._state.step,
            created_at=self._r.clock.now(),
            digest=policy.digest(call, self._claim.pid) if call is not None else "",
            **fields,
        )

    async def _ask_limit(self, sentence: str, tokens: int, usd: float) -> bool:
        state, limits = self._state, self._state.limits
        if sentence.startswith("All "):
            offer = "steps=25"
        elif "tokens" in sentence:
            offer = f"tokens={max(limits.tokens or 0, tokens)}"
        elif "$" in sentence:
            offer = f"cost_usd={math.ceil(max(limits.cost_usd or 0.0, usd) * 100) / 100:.2f}"
        else:
            offer = f"wall_s={math.ceil(limits.wall_s or 1.0)}"
        approval = self._asking("limit", question=sentence, options=(offer,))
        wait = WaitReason("limit", sentence, (approval.id,))
        log.info("process %s waits at step %s: %s", self._claim.pid, state.step, sentence)
        return await self._conclude(ApprovalRequested(approval), StateChanged(State.WAITING, wait))

    # --- for tools and screens -----------------------------------------------------------------------------------

    def _context(self, call: ToolCall) -> ToolContext:
        r, pid = self._r, self._claim.pid
        return ToolContext(
            pid=pid,
            owner=self._claim.owner,
            call_id=call.id,
            step=self._state.step,
            home=r.machines.home(pid),
            sandbox=lambda: r.machines.open(pid, self._spec.sandbox, self._workspaces),
            browser=self._browser,
            workspaces=self._workspaces,
            notify=self._notify,
            peers=AgentPeers(r.processes, r.requests, self._principal),
            memory=AgentMemory(r.memories, self._principal, self._memory_name, self._state.step),
            feedback=lambda most: r.feedback.of_agent(self._principal, self._memory_name, limit=most),
            plan=self._plan.of(call.id),
            keep_image=self._sight.keep,
            given_image=lambda beginning: r.eyes.given(self._claim.owner, pid, beginning),
            look=self._onlooker.look,
            sees=r.language.knows(self._model) and r.language.sees(self._model),
            desktop=lambda: r.displays.hands(pid, self._spec.sandbox, self._workspaces),
            # What an agent tells its child to do may come from what it has read.
            tainted=self._state.touched or bool(self._claim.parents),
            timeout_s=r.settings.command_timeout_s,
            max_timeout_s=r.settings.max_command_timeout_s,
            output_limit=r.settings.output_limit_bytes,
            folder=self._state.folder,
            disk_bytes=None if self._spec.sandbox.disk_mb is None else self._spec.sandbox.disk_mb << 20,
        )

    async def _browser(self) -> Browser:
        """The process's browser, under the permissions of this run."""
        r, pid = self._r, self._claim.pid
        names = (self._claim.name, *self._claim.parents)
        kept, rules = seating(r.settings, self._claim.owner, names, self._spec, lambda: self._model)

        async def home() -> Path:
            return await r.machines.homes.ready(pid, self._spec.sandbox)

        return await r.browsers.open(pid, home, self._spec.sandbox, kept, rules)

    async def _remind(self) -> None:
        """Put before the model what it remembers of what was newly said, if it has the tool to ask for more."""
        if "recall" not in self._by_name:
            return
        # What was learnt at such a goal counts when the agent begins, and not for what is said later.
        goal = "" if self._looked else self._spec.goal
        about, self._looked = loop.unheard(self._state, self._looked)
        try:
            about = about or await self._turned()
            if not about:
                return
            self._topic.update(terms(about, 200))
            found = await self._r.memories.recall(
                self._principal, self._memory_name, about, limit=2 * REMINDERS, goal=goal
            )
        except Exception:
            # It can still ask by itself; no agent ends because it was not reminded.
            log.exception("process %s was not reminded of what it knows", self._claim.pid)
            return
        given = reminder(about, self._looked, found, self._state.given, self._r.clock.now())
        if given is not None:
            self._topic_step = self._state.step
            self._note(given)

    async def _turned(self) -> str:
        """What the agent has said last if it has turned to something else since it was reminded; '' if not."""
        state = self._state
        silent = state.step - self._topic_step
        if silent < SILENT_STEPS or self._turns >= TURNS:
            return ""
        if not await self._r.memories.remembers(self._claim.owner, self._memory_name):
            return ""
        if not self._topic:
            # It was reminded of these before this server ran it.
            self._topic.update(terms("\n".join(loop.said(state)), 200))
        answers = [said_by(turn.parts) for turn in state.turns[-TOPIC_TURNS:] if isinstance(turn, ModelTurn)]
        newest = "\n".join(answers[-2:])[:TOPIC_CHARS]
        if not turned(self._topic, newest):
            return ""
        self._turns += 1
        return newest

    def _cited(self, parts: Sequence[Part]) -> tuple[int, ...]:
        """Which of the memories it was given an answer rests on."""
        if "recall" not in self._by_name:
            return ()
        turns = self._state.turns
        if len(turns) < self._read:
            self._read = 0
        new, self._read = turns[self._read :], len(turns)
        if told := told_in(new, "recall"):
            # Whatever had been said before there was something to cite counts as well.
            new, self._told = (turns if not self._told else new), self._told | told
        if not self._told:
            return ()
        self._elsewhere |= other_words(new, "recall")
        return cited(said_by(parts), self._told, self._elsewhere)

    def _notify(self, notice: Notice) -> None:
        if not isinstance(notice, OutputDelta) or self._r.feed.watched(self._claim.pid):
            self._r.feed.publish(self._claim.owner, notice)

    def _preparing(self, what: str, done: float | None) -> None:
        self._r.feed.publish(self._claim.owner, Preparing(self._claim.pid, what, done))

    def _words(self, step: int) -> Callable[[Literal["text", "thinking"], str], None]:
        """Collects words and shows them ten times a second, not a token at a time."""
        held: dict[Literal["text", "thinking"], str] = {}
        pid, owner, feed = self._claim.pid, self._claim.owner, self._r.feed
        later = asyncio.get_running_loop().call_later

        def show() -> None:
            for kind, words in held.items():
                feed.publish(owner, TextDelta(pid, step, kind, words))
            held.clear()

        def hear(kind: Literal["text", "thinking"], text: str) -> None:
            if not feed.watched(pid):
                return
            if not held:
                later(NOTICE_S, show)
            held[kind] = held.get(kind, "") + text

        return hear
