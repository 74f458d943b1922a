"""Puts memories in order, in a quiet hour and when a person asks: duplicates become one, episodes become knowledge.

What is one and the same is merged without a model. A cheap model then reads what is new: it draws facts from it and
names memories that disagree. Memories with words of strangers are shown to it apart from the others, so what it draws
from the others has no stranger's hand in it. On a schedule a model is asked only where `c.Aether.cheap_models` names
one: nobody pays for what nobody asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..abc import Clock
from ..config import Settings
from ..engine import consolidation, lookback
from ..engine.permissions import Caller, Policy, denied_model
from ..kernel.consolidations import Begun, Consolidations, Drawn
from ..kernel.memories import Memories
from ..model.access import RUNTIME, Principal
from ..model.errors import AetherError, ModelError, ModelRefused, ModelUnavailable, ToolArguments
from ..model.memory import Consolidated, Layer, Memory, Note
from ..model.message import Turn, UserTurn
from .language import Answer, Language

log = logging.getLogger(__name__)

LOOK_S = 300.0
SPARE_S = 1.0
SPARE_MOST_S = 120.0
"""So long it waits for a slot that no agent wants."""
DUPLICATES_AMONG, MERGES, GROUP = 10_000, 1_000, 100
"""Among how many of the newest duplicates are looked for, after how many merged ones it ends, how many go at once."""
NEW_LEAST = 5
"""As many new memories make one due."""
_DRAWN_FROM = (Layer.EPISODIC, Layer.SEMANTIC, Layer.SOCIAL)
_SCOPES = frozenset({"memory:read", "memory:write"})


class Consolidation:
    """`run` does those that are due, for ever; `consolidate` does one now."""

    def __init__(
        self,
        consolidations: Consolidations,
        memories: Memories,
        language: Language,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._consolidations = consolidations
        self._memories = memories
        self._language = language
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Look now and then for one that is due."""
        every_s = self._settings.consolidate_every_s
        while every_s > 0:
            await self._clock.sleep(min(LOOK_S, every_s))
            try:
                while (begun := await self._consolidations.begin_due(RUNTIME, every_s, NEW_LEAST)) is not None:
                    await self._go(begun, paid=bool(self._settings.cheap_models))
            except AetherError as error:
                log.warning("memories were not consolidated: %s", error.message)

    async def consolidate(self, actor: Principal, agent: str) -> Consolidated:
        """Do it now. Raises `Conflict` while another is under way, `MemoryNotFound` for who remembers nothing."""
        return await self._go(await self._consolidations.begin(actor, agent), paid=True)

    async def _go(self, begun: Begun, *, paid: bool) -> Consolidated:
        course = _Course(begun, Consolidated(agent=begun.agent, at=self._clock.now()), begun.after)
        try:
            await self._merge(course)
            await self._draw(course, paid=paid)
        except Exception as error:
            log.exception("the memories of %s were not all consolidated", begun.agent)
            told = error.message if isinstance(error, AetherError) else "a fault of the server; its log has the trace"
            course.set(note=f"It was broken off: {told}")
        done = await self._consolidations.end(RUNTIME, begun, course.report, course.read)
        self._memories.changed()
        return done

    async def _merge(self, course: _Course) -> None:
        """Make one of what says the same."""
        for kept, *gone in await self._consolidations.duplicates(course.begun, DUPLICATES_AMONG):
            for at in range(0, len(gone), GROUP):
                if len(course.report.merged) >= MERGES:
                    return
                await self._merge_into(course, kept, gone[at : at + GROUP])

    async def _merge_into(self, course: _Course, kept: Memory, gone: Sequence[Memory]) -> Sequence[int]:
        went = await self._consolidations.merge(RUNTIME, course.begun, kept, gone)
        course.set(merged=(*course.report.merged, *((each, kept.id) for each in went)))
        return went

    async def _draw(self, course: _Course, *, paid: bool) -> None:
        """Have a model read what is new, what strangers had a hand in apart from the rest."""
        begun, most = course.begun, 2 * consolidation.ASKED
        found = await self._consolidations.since(begun, _DRAWN_FROM, most)
        new = [each for each in found if each.source.kind != "consolidation"]
        if not found or (len(new) < consolidation.LEAST and len(found) < most):
            return
        if new and not paid:
            course.set(note="Duplicates only: c.Aether.cheap_models names no model to ask.")
            return
        models = await self._models(begun) if new else ()
        if isinstance(models, str):
            course.set(note=f"Duplicates only: {models}")
            return
        unread = {each.id for each in new}
        for tainted in (False, True):
            part = [each for each in new if each.source.tainted is tainted][: consolidation.ASKED]
            if part and await self._ask(course, models, await self._beside(begun, part)):
                unread -= {each.id for each in part}
            course.read = min(unread) - 1 if unread else found[-1].id

    async def _models(self, begun: Begun) -> Sequence[str] | str:
        """Whom to ask, or the sentence that says why nobody is."""
        language, settings = self._language, self._settings
        await language.prepare()
        try:
            chain = language.auxiliary((language.default_model(),))
        except AetherError as error:
            return error.message
        policy = Policy(settings.permissions, ())
        names = tuple(reversed(begun.agent.split(" › ")))
        left = [model for model in chain if denied_model(policy, Caller(names, "", model)) is None]
        if not left:
            return "No model that could be asked is permitted."
        # One that wants short prompts copies what it is shown (tried with 1.5 billion parameters).
        known = [model for model in left if language.knows(model)]
        able = [model for model in known if model in settings.cheap_models or not language.short(model)]
        words = f"{left[0]} is too small to judge memories; name a larger one in c.Aether.cheap_models."
        return able or words

    async def _beside(self, begun: Begun, part: Sequence[Memory]) -> Sequence[Memory]:
        """These, and of the same kind what is known that is nearest to each: it may disagree."""
        actor = Principal("consolidation", begun.owner, _SCOPES)
        shown = {each.id: each for each in part}
        for each in part[: consolidation.ASKED // 2]:
            found = await self._memories.recall(actor, begun.agent, each.text, limit=3)
            for near in found.found:
                memory = near.memory
                if memory.agent == begun.agent and memory.source.tainted == each.source.tainted:
                    shown.setdefault(memory.id, memory)
        return list(shown.values())[: 2 * consolidation.ASKED]

    async def _ask(self, course: _Course, models: Sequence[str], memories: Sequence[Memory]) -> bool:
        """Have a model read these; False where it gave no answer."""
        begun = course.begun
        shown = {memory.id: memory for memory in memories}
        turns: tuple[Turn, ...] = (UserTurn(consolidation.request(memories, self._clock.now())),)
        for attempt in range(consolidation.CORRECTIONS + 1):
            try:
                answer = await self._answer(begun, models, turns)
            except AetherError as error:
                course.set(note=f"No model answered: {error.message}")
                return False
            report = course.report
            course.set(
                model=answer.model,
                input_tokens=report.input_tokens + answer.usage.input_tokens,
                output_tokens=report.output_tokens + answer.usage.output_tokens,
                cost_usd=report.cost_usd + answer.cost_usd,
            )
            try:
                found = consolidation.read(answer.parts, shown)
            except ToolArguments as fault:
                if attempt == consolidation.CORRECTIONS:
                    course.set(note=f"{answer.model} gave no answer that fits.")
                    return True
                turns = lookback.again(turns, answer.parts, fault)
                continue
            drawn = [
                Drawn(
                    Note(text=fact.text, layer=Layer(fact.layer), importance=fact.importance),
                    [shown[key] for key in fact.made_from],
                )
                for fact in consolidation.fresh(found, [memory.text for memory in memories])
            ]
            against = [(shown[one], shown[other]) for one, other in found.disagree]
            made, linked = await self._consolidations.draw(RUNTIME, begun, drawn, against)
            course.set(made=(*course.report.made, *made), disagree=(*course.report.disagree, *linked))
            await self._merge_found(course, shown, found)
            return True
        raise ModelRefused("no answer")

    async def _merge_found(self, course: _Course, shown: Mapping[int, Memory], found: consolidation.Found) -> None:
        """Merge what a model says is the same, where what differs is no fact; the older one stays."""
        against = {frozenset(pair) for pair in found.disagree}
        busy: set[int] = set()
        for pair in found.same:
            kept, gone = sorted(pair)
            if {kept, gone} & busy or frozenset(pair) in against:
                continue
            if await self._merge_into(course, shown[kept], [shown[gone]]):
                busy |= {kept, gone}

    async def _answer(self, begun: Begun, models: Sequence[str], turns: tuple[Turn, ...]) -> Answer:
        """One answer, reserved for before and charged after."""
        language, tool = self._language, consolidation.TOOL
        _, usd = language.estimate(models[0], consolidation.SYSTEM, turns, (tool,), consolidation.ANSWER_TOKENS)
        waited_s = 0.0
        while not language.spare(models[0]):
            if waited_s >= SPARE_MOST_S:
                raise ModelUnavailable(f"{models[0]} was busy with the agents for {waited_s:.0f} s; try again later")
            await self._clock.sleep(SPARE_S)
            waited_s += SPARE_S
        reserved = await self._consolidations.reserve(RUNTIME, begun, models[0], usd)
        try:
            answer = await language.ask(
                models,
                system=consolidation.SYSTEM,
                turns=turns,
                tools=(tool,),
                temperature=0.0,
                max_output_tokens=consolidation.ANSWER_TOKENS,
            )
        except ModelError:
            await self._consolidations.settle(RUNTIME, begun, reserved)
            raise
        cost = answer.cost_usd if answer.usage.known else usd
        await self._consolidations.settle(RUNTIME, begun, reserved, answer.model, answer.usage, cost)
        return answer


@dataclass(slots=True)
class _Course:
    """How far one has come: what it came to so far, and up to which memory a model has read."""

    begun: Begun
    report: Consolidated
    read: int

    def set(self, **fields: Any) -> None:
        self.report = msgspec.structs.replace(self.report, **fields)
