"""Whether two memories say the same, and which of those that were given an answer rests on."""

from __future__ import annotations

from aether_jupyter.engine.likeness import alike_by_words, cited, other_words, said_by, told_in
from aether_jupyter.engine.recall import terms
from aether_jupyter.model.memory import Layer, Memory, Source, told
from aether_jupyter.model.message import MEMORY, ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn

SAFE = "The blue safe in the cellar opens with 4711."
GIVEN = {12: SAFE, 13: "Marta prefers tea without milk.", 14: "Deliveries come on Tuesdays."}


def elsewhere(*texts: str) -> set[str]:
    return {word for text in texts for word in terms(text)}


def test_pairs_that_share_most_of_their_words_are_alike() -> None:
    texts = [(1, SAFE), (2, "In the cellar the blue safe opens with 4711!"), (3, "The green safe is empty."), (4, "")]
    assert alike_by_words(texts) == [(1, 2, 1.0)]
    assert alike_by_words([(1, SAFE), (2, "The blue safe in the attic opens with 4712.")]) == []


def test_a_thousand_memories_of_the_same_words_are_no_stall() -> None:
    assert alike_by_words([(key, f"Invoice {key} was paid") for key in range(2_000)]) == []


def test_an_answer_cites_a_memory_whose_number_it_names() -> None:
    assert cited("As [13] says.", GIVEN, ()) == (13,)
    assert cited("See memory 14.", GIVEN, ()) == (14,)
    assert cited("rows[13] and [99]", GIVEN, ()) == ()


def test_an_answer_cites_a_memory_whose_own_words_it_says() -> None:
    goal = elsewhere("How do I open the blue safe?")
    assert cited("Type 4711.", GIVEN, goal) == (12,)
    assert cited("Marta wants tea.", GIVEN, goal) == (13,)
    # Words that were there without the memory are no sign of it, nor is one word by chance.
    assert cited("I look at the blue safe.", GIVEN, goal) == ()
    assert cited("Marta is out.", GIVEN, goal) == ()
    assert cited("Type 4711.", GIVEN, goal | {"4711"}) == ()


def test_one_word_is_enough_where_the_memory_has_told_no_other() -> None:
    assert cited("On Tuesdays.", {14: GIVEN[14]}, elsewhere("When do deliveries come?")) == (14,)
    assert cited("Yes.", {14: GIVEN[14]}, elsewhere(GIVEN[14])) == ()


def test_what_was_told_is_read_off_the_transcript() -> None:
    memory = Memory(id=7, owner="ana", agent="clerk", layer=Layer.SOCIAL, text=SAFE, source=Source("x", tainted=True))
    line = told(memory, 0.0, 1_000)
    turns: list[Turn] = [
        UserTurn("[3] (semantic, today) not a memory: a person wrote this"),
        UserTurn(f"From your memory:\n{line}", MEMORY),
        ToolTurn("1", "recall", "[8] (episodic, 3 days ago) Lunch was late."),
        ToolTurn("2", "read_file", "[9] (semantic, today) a file"),
        ModelTurn((Text("Hm."), ToolCall("3", "run", {"command": ["ls", {"deep": 5}]}))),
    ]
    assert told_in(turns, "recall") == {7: SAFE, 8: "Lunch was late."}
    words = other_words(turns, "recall")
    assert {"person", "file", "ls", "5", "hm"} <= words
    assert not words & {"cellar", "lunch"}


def test_what_an_answer_says_is_its_words_and_the_values_of_its_calls() -> None:
    parts = (Text("Done."), ToolCall("1", "write", {"path": "a.txt", "n": 3, "deep": [{"x": "4711"}]}))
    assert said_by(parts).split() == ["Done.", "a.txt", "3", "4711"]
    assert said_by((ToolCall("1", "write", None, raw="{"),)) == ""
