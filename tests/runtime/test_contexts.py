"""What the model saw, read back from the journal, beside what its provider was really sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aether_jupyter.config import Settings
from aether_jupyter.engine.tokens import tokens, turn_weight
from aether_jupyter.model.agent import AgentSpec
from aether_jupyter.model.errors import NotFound, ProcessNotFound
from aether_jupyter.model.memory import Note
from aether_jupyter.model.message import ModelTurn, Part, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn

from .conftest import ANA, BOB

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]


def of(view: Any, kind: str) -> Any:
    return next((section for section in view.sections if section.kind == kind), None)


async def test_each_step_is_told_as_the_provider_was_sent_it(house: Any, script: Script) -> None:
    asked: list[Sequence[Turn]] = []

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        asked.append(turns)
        if n < 3:
            return (Thinking(f"thought {n}"), ToolCall(f"c{n}", "tick", {"word": f"w{n}"}))
        return (Text("done"),)

    model = script("played", play)
    pid = (await house.run(model, tools=("tick",), role="tester")).pid
    for step in range(1, 5):
        view = await house.app.contexts.get(ANA, pid, step)
        assert (view.step, view.last_step, view.model, view.kept) == (step, 4, model, True)
        told = [entry.text for kind in ("goal", "steps") if of(view, kind) for entry in of(view, kind).entries]
        sent = []
        for turn in asked[step - 1]:
            if isinstance(turn, UserTurn):
                sent.append(turn.text)
            elif isinstance(turn, ToolTurn):
                sent.append(turn.content)
            elif isinstance(turn, ModelTurn):
                for part in turn.parts:
                    said = json.dumps(part.arguments, indent=2) if isinstance(part, ToolCall) else part.text
                    sent.append(said)
        assert told == sent
        assert of(view, "system").entries[0].text.startswith("You are")
        assert "Your role: tester." in of(view, "system").entries[0].text
        assert [entry.title for entry in of(view, "tools").entries] == ["tick"]
        assert view.tokens == sum(section.tokens for section in view.sections)
        assert view.input_tokens is not None
    assert view.compacted is None
    assert of(view, "steps").title == "Steps 1 to 3"
    assert [entry.step for entry in of(view, "steps").entries] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert (await house.app.contexts.get(ANA, pid)).step == 4


async def test_standing_instructions_are_kept_once_for_all_steps(
    house: Any, script: Script, settings: Settings
) -> None:
    import sqlite3

    model = script("thrice", lambda n, turns: (ToolCall(f"c{n}", "tick", {"word": "w"}),) if n < 3 else (Text("done"),))
    assert (await house.run(model, tools=("tick",))).step == 4
    with sqlite3.connect(settings.database) as read:
        assert read.execute("select count(*) from text where owner = 'ana'").fetchone() == (2,)


async def test_a_long_text_is_cut_and_one_entry_is_had_whole(house: Any, script: Script) -> None:
    word = "x" * 5_000
    model = script("long", lambda n, turns: (ToolCall("c", "tick", {"word": word}),) if not n else (Text("done"),))
    pid = (await house.run(model, tools=("tick",))).pid
    view = await house.app.contexts.get(ANA, pid, 2)
    cut = of(view, "steps").entries[1]
    assert (len(cut.text), cut.chars, cut.kind) == (4_000, 5_006, "result")
    assert cut.tokens == tokens(turn_weight(ToolTurn("c", "tick", f"heard {word}")))
    whole = await house.app.contexts.get(ANA, pid, 2, entry=cut.place)
    texts = [entry.text for section in whole.sections for entry in section.entries]
    assert texts[cut.place] == f"heard {word}"
    assert not any(text for place, text in enumerate(texts) if place != cut.place)


async def test_memories_are_told_with_what_came_of_them(house: Any, script: Script) -> None:
    notes = [Note(text=f"Spring orders: shelf {n} holds the {w}") for n, w in enumerate(("boxes", "jars", "lamps"))]
    kept = await house.app.memories.remember_many(ANA, "worker", notes)
    model = script("once", lambda n, turns: (Text("Spring orders of shelf 0: the boxes"),))
    spec = AgentSpec(goal="Count the Spring orders on the shelf", model=model, name="worker")
    pid = (await house.app.processes.spawn(ANA, spec)).pid
    await house.settled(pid)
    await house.app.memories.forget(ANA, [kept[2].id])
    view = await house.app.contexts.get(ANA, pid)
    assert of(view, "memories").title == "Memories, 3 of 3 recalled"
    assert of(view, "memories").entries[0].kind == "memory"
    by_id = {memory.id: memory for memory in view.memories}
    assert set(by_id) == {memory.id for memory in kept}
    first, gone = by_id[kept[0].id], by_id[kept[2].id]
    assert (first.text, first.layer, first.step, first.left_out) == (notes[0].text, "semantic", 1, "")
    assert (first.cited, gone.cited) == ((1,), ())
    assert first.why is not None
    assert first.why.score > 0
    assert gone.text == notes[2].text


async def test_what_was_never_asked_is_said_and_others_see_nothing(house: Any, script: Script) -> None:
    pid = (await house.run(script("once", lambda n, turns: (Text("done"),)))).pid
    with pytest.raises(NotFound, match="step 7 of process"):
        await house.app.contexts.get(ANA, pid, 7)
    with pytest.raises(ProcessNotFound):
        await house.app.contexts.get(BOB, pid)


async def test_what_was_erased_with_one_agent_is_kept_again_for_the_next(house: Any, script: Script) -> None:
    model = script("once", lambda n, turns: (Text("done"),))
    for _ in range(2):
        pid = (await house.run(model, tools=("tick",), name="same")).pid
        view = await house.app.contexts.get(ANA, pid)
        assert view.kept
        assert of(view, "tools") is not None
        await house.app.personal.erase(ANA, "", confirm="ana")
        with pytest.raises(ProcessNotFound):
            await house.app.contexts.get(ANA, pid)
