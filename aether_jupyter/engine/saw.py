"""What a model was told at one step, put back together from the journal: the same fold, and where each turn came from;
pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..model.agent import AgentSpec
from ..model.context import (
    Compacted,
    ContextEntry,
    ContextMemory,
    ContextSection,
    ContextView,
    EntryKind,
    SectionKind,
    Standing,
    Window,
)
from ..model.events import (
    AuxiliaryAnswered,
    ContextCompacted,
    Event,
    MemoriesGiven,
    ModelAnswered,
    ModelRequested,
)
from ..model.image import Image
from ..model.memory import TOLD, Memory
from ..model.message import KERNEL, MEMORY, SUMMARY, ModelTurn, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from ..model.tool import ToolSpec
from . import context, loop, tokens
from .seeing import Gallery


class Request(msgspec.Struct, frozen=True):
    """One request as the journal tells it. `origins` gives the step of each turn of `state`."""

    event: ModelRequested
    at: float
    state: loop.AgentState
    origins: Sequence[int]
    reminders: Sequence[tuple[int, MemoriesGiven]]
    compacted: Compacted | None


class Reading:
    """Folds the journal of one process up to the last request of `step` (None: the last of all)."""

    def __init__(self, spec: AgentSpec, step: int | None) -> None:
        self._state = loop.begin(spec)
        self._wanted = step
        self._origins = [0]
        self._reminders: list[tuple[int, MemoriesGiven]] = []
        self._compacted: Compacted | None = None
        self._writer = ""
        self._cited: dict[int, list[int]] = {}
        self.request: Request | None = None
        self.answer: ModelAnswered | None = None
        self.last_step = 0
        self.done = False

    def read(self, events: Iterable[tuple[int, float, Event]]) -> None:
        """Take the next events. `done` says that what follows does not matter, but for `last_step`."""
        for n, at, event in events:
            if self.done:
                return
            if isinstance(event, ModelRequested) and self._wanted is not None and event.step > self._wanted:
                self.done = True
                return
            self._fold(event, n, at)

    def _fold(self, event: Event, n: int, at: float) -> None:
        self._state = state = loop.fold(self._state, event, n, at)
        match event:
            case ContextCompacted():
                summed = [0] * (len(event.kept) + 2)
                self._origins = [*summed, *self._origins[1 + event.turns :]]
                self._reminders = [each for each in self._reminders if each[0] > event.last]
                self._compacted = Compacted(
                    event.first, event.last, self._writer, at, event.tokens_before, event.tokens_after
                )
            case AuxiliaryAnswered(purpose="summary", model=model):
                self._writer = model
            case MemoriesGiven():
                self._reminders.append((state.step + 1, event))
            case ModelRequested(step=step):
                self.last_step = step
                if self._wanted in (None, step):
                    self.request = Request(
                        event, at, state, tuple(self._origins), tuple(self._reminders), self._compacted
                    )
                    self.answer = None
            case ModelAnswered(step=step):
                for key in event.cited:
                    self._cited.setdefault(key, []).append(step)
                if self.request is not None and step == self.request.event.step:
                    self.answer = event
            case _:
                pass
        self._origins += [state.step] * (len(state.turns) - len(self._origins))

    @property
    def weighed(self) -> frozenset[int]:
        """The ids of all memories that came into question."""
        reminders = self.request.reminders if self.request is not None else ()
        return frozenset(
            key for _, given in reminders for key in (*given.memories, *(each.memory for each in given.weighed))
        )

    def memories(self, known: Mapping[int, Memory]) -> tuple[ContextMemory, ...]:
        """What was weighed for the request, the newest look first. `known` is what these memories say now."""
        found: dict[int, ContextMemory] = {}
        for step, given in reversed(self.request.reminders if self.request is not None else ()):
            told = {int(key): (layer, text) for key, layer, _, text in TOLD.findall(given.text)}
            weighed = {each.memory: each for each in given.weighed}
            for key in dict.fromkeys((*given.memories, *weighed)):
                now = known.get(key)
                layer, text = told.get(key) or ((str(now.layer), now.text) if now is not None else ("", ""))
                one = weighed.get(key)
                left_out = one.left_out if one is not None and key not in given.memories else ""
                before = found.get(key)
                if before is None or (before.left_out and not left_out):
                    found[key] = ContextMemory(
                        id=key,
                        step=step,
                        text=text,
                        layer=layer,
                        left_out=left_out,
                        cited=tuple(self._cited.get(key, ())),
                        why=one.why if one is not None else None,
                    )
        return tuple(found.values())


def view(
    pid: int,
    reading: Reading,
    parts: Sequence[Standing] | None,
    tools: Sequence[ToolSpec] | None,
    known: Mapping[int, Memory],
    window: Window,
    *,
    entry: int | None,
    chars: int,
) -> ContextView:
    """The request that was read. Texts are cut at `chars`; with `entry`, only that one has its text, and all of it.

    `parts` and `tools` are None where they were not kept.
    """
    request, answer = reading.request, reading.answer
    assert request is not None
    memories = reading.memories(known)
    told = sum(not memory.left_out for memory in memories)
    writing = _Writing(entry, chars)
    standing = parts or ()
    writing.section("system", "System", _texts(each for each in standing if each.kind == "system"))
    writing.section("notes", "MEMORY.md", _texts(each for each in standing if each.kind == "notes"))
    writing.section("profile", "Profile", _texts(each for each in standing if each.kind == "profile"))
    offered = tools or ()
    schemas = f"Tools, {len(offered)} schema{'s' if len(offered) != 1 else ''}"
    writing.section("tools", schemas, [_tool(each) for each in offered])
    turns = list(zip(request.state.turns, request.origins, strict=True))
    shown = _shown(request.state.turns) if request.state.pictured else {}
    summary = next((place for place, (turn, _) in enumerate(turns) if _by(turn, SUMMARY)), 0)
    goal, rest = turns[: max(summary, 1)], turns[max(summary, 1) :]
    writing.section("goal", "Goal" if len(goal) == 1 else "Goal and what people said", _pieces(goal, shown))
    ending = context.tail(request.state)
    writing.section("plan", "Plan", _texts(each for each in ending if each.kind == "plan"))
    remembered = f"Memories, {told} of {len(memories)} recalled"
    writing.section("memories", remembered, _pieces([each for each in rest if _by(each[0], MEMORY)]))
    done = request.compacted
    if done is not None:
        title = f"Summary of {_steps(done.first, done.last)}"
        writing.section("summary", title, _pieces([each for each in rest if _by(each[0], SUMMARY)]))
    steps = [each for each in rest if not _by(each[0], MEMORY) and not _by(each[0], SUMMARY)]
    of_model = [step for turn, step in steps if isinstance(turn, ModelTurn)]
    title = _steps(of_model[0], of_model[-1]).capitalize() if of_model else "What was said since"
    writing.section("steps", title, _pieces(steps, shown))
    usage = answer.usage if answer is not None and answer.usage.known else None
    return ContextView(
        pid=pid,
        step=request.event.step,
        last_step=reading.last_step,
        model=answer.model if answer is not None else request.event.model,
        at=request.at,
        tokens=sum(section.tokens for section in writing.sections),
        window_tokens=window.tokens,
        sections=tuple(writing.sections),
        memories=memories,
        compacted=done,
        why=request.event.why,
        input_tokens=usage.input_tokens if usage is not None else None,
        kept=parts is not None and tools is not None,
        abridged=window.own_tokens is not None,
    )


class _Piece(msgspec.Struct, frozen=True):
    kind: EntryKind
    text: str
    weight: float
    title: str = ""
    step: int | None = None
    ok: bool = True
    images: tuple[Image, ...] = ()
    shown: tuple[int, ...] = ()


_NONE: Mapping[int, tuple[int, ...]] = {}


class _Writing:
    """Sections as they are written, their entries counted through."""

    def __init__(self, entry: int | None, chars: int) -> None:
        self._entry = entry
        self._chars = chars
        self._place = 0
        self.sections: list[ContextSection] = []

    def section(self, kind: SectionKind, title: str, pieces: Sequence[_Piece]) -> None:
        """Add a section, unless there is nothing in it."""
        if not pieces:
            return
        entries = []
        for piece in pieces:
            most = self._chars if self._entry is None else len(piece.text) if self._entry == self._place else 0
            entries.append(
                ContextEntry(
                    place=self._place,
                    kind=piece.kind,
                    tokens=tokens.tokens(piece.weight),
                    chars=len(piece.text),
                    text=piece.text[:most],
                    title=piece.title,
                    step=piece.step,
                    ok=piece.ok,
                    images=piece.images,
                    shown=piece.shown,
                )
            )
            self._place += 1
        self.sections.append(ContextSection(kind, title, sum(each.tokens for each in entries), tuple(entries)))


def _texts(parts: Iterable[Standing]) -> list[_Piece]:
    return [_Piece("text", part.text, tokens.weight(part.text)) for part in parts]


def _tool(tool: ToolSpec) -> _Piece:
    schema = json.dumps(tool.parameters, indent=2, ensure_ascii=False)
    return _Piece("tool", f"{tool.description}\n\n{schema}", tokens.tool_weight(tool), tool.name)


def _shown(turns: Sequence[Turn]) -> Mapping[int, tuple[int, ...]]:
    """Which images of each turn, known by its identity, the model was shown or told the text of."""
    found: dict[int, tuple[int, ...]] = {}
    for place, number in sorted(Gallery().shown(turns)):
        found[id(turns[place])] = (*found.get(id(turns[place]), ()), number)
    return found


def _pieces(turns: Iterable[tuple[Turn, int]], shown: Mapping[int, tuple[int, ...]] = _NONE) -> list[_Piece]:
    return [piece for turn, step in turns for piece in _of(turn, step or None, shown.get(id(turn), ()))]


def _of(turn: Turn, step: int | None, shown: tuple[int, ...]) -> list[_Piece]:
    weight = tokens.turn_weight(turn)
    if not isinstance(turn, ModelTurn):
        weight += sum(tokens.image_weight(turn.images[number]) for number in shown)
    if isinstance(turn, UserTurn):
        by_nobody: dict[str, EntryKind] = {KERNEL: "kernel", MEMORY: "memory", SUMMARY: "text"}
        kind = by_nobody.get(turn.source, "message")
        return [_Piece(kind, turn.text, weight, turn.source, step, images=turn.images, shown=shown)]
    if isinstance(turn, ToolTurn):
        return [_Piece("result", turn.content, weight, turn.tool, step, turn.ok, turn.images, shown)]
    pieces = []
    for part in turn.parts:
        if isinstance(part, ToolCall):
            arguments = part.raw if part.arguments is None else json.dumps(part.arguments, indent=2, ensure_ascii=False)
            pieces.append(_Piece("call", arguments, tokens.call_weight(part), part.tool, step))
        else:
            spoken: EntryKind = "thinking" if isinstance(part, Thinking) else "answer"
            pieces.append(_Piece(spoken, part.text, tokens.weight(part.text), "", step))
    return pieces


def _by(turn: Turn, source: str) -> bool:
    return isinstance(turn, UserTurn) and turn.source == source


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first} to {last}"
