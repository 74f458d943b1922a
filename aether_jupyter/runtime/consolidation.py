"""Puts memories in order, in a quiet hour and when a person asks: duplicates become one, episodes become knowledge.

What is one and the same is merged without a model. A cheap model then reads what is new: it draws facts from it and
names memories that disagree. Memories with words of strangers are shown to it apart from the others, so what it draws
from the others has no stranger's hand in it. On a schedule a model is asked only where `c.Aether.cheap_models` names
one: nobody pays for what nobody asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec

from ..abc import Clock
from ..config import Settings
from ..engine import consolidation, lookback
from ..engine.permissions import Caller, Policy, denied_model
from ..kernel.consolidations import Begun, Consolidations, Drawn
from ..kernel.memories import Memories
from ..model.access import RUNTIME, Principal
from ..model.errors import AetherError, ModelRefused, ToolArguments
from ..model.memory import Consolidated, Layer, Memory, Note
from ..model.message import Turn, UserTurn
from .language import Answer, Language

log = logging.getLogger(__name__)

LOOK_S = 300.0
MERGES = 200
"""Duplicates that one consolidation merges at most."""
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
        report = Consolidated(agent=begun.agent, at=self._clock.now())
        try:
            report = await self._merge(begun, report)
            report = await self._draw(begun, report, paid=paid)
        except Exception as error:
            log.exception("the memories of %s were not all consolidated", begun.agent)
            told = error.message if isinstance(error, AetherError) else "a fault of the server; its log has the trace"
            report = msgspec.structs.replace(report, note=f"It was broken off: {told}")
        done = await self._consolidations.end(RUNTIME, begun, report)
        self._memories.changed()
        return done

    async def _merge(self, begun: Begun, report: Consolidated) -> Consolidated:
        """Make one of what says the same, as often as there is such a pair."""
        actor = Principal("consolidation", begun.owner, _SCOPES)
        merged: list[tuple[int, int]] = []
        while len(merged) < MERGES:
            pairs, _ = await self._memories.alike(actor, begun.agent, limit=MERGES)
            taken: set[int] = set()
            for pair in filter(consolidation.same, pairs):
                keys = {pair.first.id, pair.second.id}
                if keys & taken or len(merged) >= MERGES:
                    continue
                taken |= keys
                await self._memories.merge(actor, (pair.first.id, pair.second.id))
                merged.append((pair.second.id, pair.first.id))
            if not taken:
                break
        return msgspec.structs.replace(report, merged=tuple(merged))

    async def _draw(self, begun: Begun, report: Consolidated, *, paid: bool) -> Consolidated:
        """Have a model read what is new, what strangers had a hand in apart from the rest."""
        new = await self._consolidations.since(begun, _DRAWN_FROM, 2 * consolidation.ASKED)
        new = [each for each in new if each.source.kind != "consolidation"]
        parts = [
            part[: consolidation.ASKED]
            for tainted in (False, True)
            if len(part := [each for each in new if each.source.tainted is tainted]) >= consolidation.LEAST
        ]
        if not parts:
            return report
        if not paid:
            return msgspec.structs.replace(report, note="Duplicates only: c.Aether.cheap_models names no model to ask.")
        models = await self._models(begun)
        if isinstance(models, str):
            return msgspec.structs.replace(report, note=f"Duplicates only: {models}")
        for part in parts:
            report = await self._ask(begun, report, models, await self._beside(begun, part))
        return report

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
        return left or "No model that could be asked is permitted."

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

    async def _ask(
        self, begun: Begun, report: Consolidated, models: Sequence[str], memories: Sequence[Memory]
    ) -> Consolidated:
        shown = {memory.id: memory for memory in memories}
        turns: tuple[Turn, ...] = (UserTurn(consolidation.request(memories, self._clock.now())),)
        for attempt in range(consolidation.CORRECTIONS + 1):
            try:
                answer = await self._answer(begun, models, turns)
            except AetherError as error:
                return msgspec.structs.replace(report, note=f"No model answered: {error.message}")
            report = msgspec.structs.replace(
                report,
                model=answer.model,
                input_tokens=report.input_tokens + answer.usage.input_tokens,
                output_tokens=report.output_tokens + answer.usage.output_tokens,
                cost_usd=report.cost_usd + answer.cost_usd,
            )
            try:
                found = consolidation.read(answer.parts, shown)
            except ToolArguments as fault:
                if attempt == consolidation.CORRECTIONS:
                    return msgspec.structs.replace(report, note=f"{answer.model} gave no answer that fits.")
                turns = lookback.again(turns, answer.parts, fault)
                continue
            drawn = [
                Drawn(
                    Note(text=fact.text, layer=Layer(fact.layer), importance=fact.importance),
                    [shown[key] for key in fact.made_from],
                )
                for fact in consolidation.fresh(found, [memory.text for memory in memories])
            ]
            made, linked = await self._consolidations.draw(RUNTIME, begun, drawn, found.disagree)
            merged = await self._merge_found(begun, shown, found)
            return msgspec.structs.replace(
                report,
                merged=(*report.merged, *merged),
                made=(*report.made, *made),
                disagree=(*report.disagree, *linked),
            )
        raise ModelRefused("no answer")

    async def _merge_found(
        self, begun: Begun, shown: Mapping[int, Memory], found: consolidation.Found
    ) -> Sequence[tuple[int, int]]:
        """Merge what a model says is the same, where what differs is no fact; the older one stays."""
        actor = Principal("consolidation", begun.owner, _SCOPES)
        against = {frozenset(pair) for pair in found.disagree}
        merged: list[tuple[int, int]] = []
        for pair in found.same:
            kept, gone = sorted(pair)
            busy = {key for each in merged for key in each}
            if {kept, gone} & busy or frozenset(pair) in against:
                continue
            if consolidation.mergeable(shown[kept], shown[gone]):
                await self._memories.merge(actor, (kept, gone))
                merged.append((gone, kept))
        return merged

    async def _answer(self, begun: Begun, models: Sequence[str], turns: tuple[Turn, ...]) -> Answer:
        """One answer, reserved for before and charged after."""
        language, tool = self._language, consolidation.TOOL
        _, usd = language.estimate(models[0], consolidation.SYSTEM, turns, (tool,), consolidation.ANSWER_TOKENS)
        await self._consolidations.reserve(RUNTIME, begun, models[0], usd)
        while not language.spare(models[0]):
            await self._clock.sleep(1.0)
        answer: Answer | None = None
        try:
            answer = await language.ask(
                models,
                system=consolidation.SYSTEM,
                turns=turns,
                tools=(tool,),
                temperature=0.0,
                max_output_tokens=consolidation.ANSWER_TOKENS,
            )
        finally:
            if answer is not None:
                cost = answer.cost_usd if answer.usage.known else usd
                await self._consolidations.settle(RUNTIME, begun, answer.model, answer.usage, cost, (models[0], usd))
        return answer
