"""Who looks back, what is asked, and what counts as an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aether_jupyter.engine import lookback
from aether_jupyter.engine.lookback import Lookback, alike, notes, read, request, wants
from aether_jupyter.engine.loop import RESULT_TOOL
from aether_jupyter.model.agent import AgentSpec, Limits, Mode
from aether_jupyter.model.errors import ToolArguments
from aether_jupyter.model.feedback import Judgement
from aether_jupyter.model.message import ModelTurn, Text, ToolCall, ToolTurn, UserTurn
from aether_jupyter.model.process import ExitStatus, Process, State

GOOD: dict[str, Any] = {
    "rating": 2,
    "worked": ["reading the file"],
    "failed": ["parsing it as CSV"],
    "lessons": ["Files named *.tsv in exports are separated by semicolons, so read them with sep=';'."],
    "strategy": "Look at the first line before parsing.",
}


def ended(code: int = 0, reason: str = "completed", strip: str = "taot") -> Process:
    return Process(
        pid=7,
        name="clerk",
        owner="ana",
        goal="Count the rows.",
        model="openai:gpt",
        sandbox="bubblewrap",
        mode=Mode.ASK_RISKY,
        limits=Limits(),
        state=State.ZOMBIE,
        step=3,
        strip=strip,
        exit=ExitStatus(code, reason, "It is done."),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("setting", "reflect", "process", "model", "wanted"),
    [
        ("auto", None, ended(), "openai:gpt", True),
        ("auto", None, ended(strip="t"), "openai:gpt", False),
        ("auto", None, ended(1, "failed", "te"), "openai:gpt", True),
        ("auto", None, ended(137, "killed"), "openai:gpt", False),
        ("auto", None, ended(143, "terminated"), "openai:gpt", False),
        ("auto", None, ended(), "local:qwen2.5-coder-1.5b", False),
        ("auto", None, ended(), "scripted:risky", False),
        ("auto", None, ended(), "cassette:run.jsonl", False),
        ("auto", True, ended(strip="t"), "local:qwen2.5-coder-1.5b", True),
        ("always", False, ended(), "openai:gpt", False),
        ("always", None, ended(strip="t"), "scripted:risky", True),
        ("never", None, ended(), "openai:gpt", False),
        ("never", True, ended(), "openai:gpt", True),
    ],
)
def test_who_looks_back(setting: Any, reflect: bool | None, process: Process, model: str, wanted: bool) -> None:
    process = msgspec.structs.replace(process, model=model)
    assert wants(setting, AgentSpec(goal="x", reflect=reflect), process) is wanted


def test_the_schema_that_is_sent_and_the_class_that_is_read_agree() -> None:
    assert list(lookback.TOOL.parameters["properties"]) == list(Lookback.__struct_fields__)
    assert lookback.TOOL.parameters["required"] == list(Lookback.__struct_fields__)
    assert read((Text("Here it is."), ToolCall("c", RESULT_TOOL, GOOD))) == msgspec.convert(GOOD, Lookback)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rating": 6}, "rating: Expected `int` <= 5"),
        ({"rating": "good"}, "rating: Expected `int`, got `str`"),
        ({"lessons": ["Too short."]}, "lessons[0]: Expected `str` of length >= 20"),
        ({"lessons": "one"}, "lessons: Expected `array`"),
        ({"worked": [1]}, "worked[0]: Expected `str`, got `int`"),
        ({"failed": ["x"] * 6}, "failed: Expected `array` of length <= 5"),
        ({"grade": 1}, "grade: there is no such field"),
        (
            {"lessons": ["Judge by what the tools have shown, not by what the agent said of itself."]},
            "lessons[0]: it repeats the instructions",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolArguments) as refused:
        read((ToolCall("c", RESULT_TOOL, GOOD | changes),))
    assert words in refused.value.message


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ToolArguments, match=r"rating: it is missing; .*strategy: Expected `str`"):
        read((ToolCall("c", RESULT_TOOL, {key: 1 for key in GOOD if key != "rating"}),))
    with pytest.raises(ToolArguments, match="did not call"):
        read((Text("All went well."),))
    with pytest.raises(ToolArguments, match="not a JSON object"):
        read((ToolCall("c", RESULT_TOOL, None, "{rating: "),))


def test_a_correction_follows_the_answer_it_is_about() -> None:
    fault = ToolArguments("rating: it is missing")
    said = lookback.again((UserTurn("look back"),), (ToolCall("c", RESULT_TOOL, {}),), fault)
    assert said[1:] == (
        ModelTurn((ToolCall("c", RESULT_TOOL, {}),)),
        ToolTurn("c", RESULT_TOOL, fault.message, ok=False),
    )
    assert lookback.again((UserTurn("look back"),), (), fault)[-1] == UserTurn(fault.message, "kernel")


def test_the_record_keeps_its_beginning_and_more_of_its_end() -> None:
    turns: list[Any] = [UserTurn("Count the rows.")]
    for n in range(1_000):
        turns.append(
            ModelTurn((Text(f"I look at part {n}."), ToolCall(f"c{n}", "run_command", {"command": f"wc {n}"})))
        )
        turns.append(ToolTurn(f"c{n}", "run_command", f"result {n} " + "y" * 5_000 + f" end {n}", ok=n != 999))
    said = [Judgement(pid=7, step=2, by="ana", agent="clerk", thumb="down", comment="Wrong file.", about="wc 1")]
    for short, room in ((False, lookback.ROOM_CHARS), (True, lookback.SHORT_ROOM_CHARS)):
        text = request(ended(1, "failed"), turns, said, short=short)
        assert len(text) < room + 50
        assert ("one sentence for the next run" in text) is short
        assert "The task was: Count the rows." in text
        assert "It failed (failed) after 3 steps" in text
        assert "- ana on step 2 (wc 1), thumb down: Wrong file." in text
        assert "I look at part 0." in text
        assert "FAILED of run_command: result 999" in text
        assert "end 999" in text
        assert "entries left out" in text


def test_what_a_failure_taught_counts_more_than_what_went_well() -> None:
    poor, fine = msgspec.convert(GOOD, Lookback), msgspec.convert(GOOD | {"rating": 5}, Lookback)
    (lesson,) = notes(poor, succeeded=False)
    assert (lesson.layer, lesson.importance, lesson.tags) == ("procedural", 0.84, ("lesson",))
    lesson, strategy = notes(fine, succeeded=True)
    assert lesson.importance == 0.5
    assert (strategy.text, strategy.tags) == (GOOD["strategy"], ("strategy",))


def test_lessons_of_nearly_the_same_words_are_one() -> None:
    assert alike(GOOD["lessons"][0], GOOD["lessons"][0].upper().replace("so read", "read"))
    assert not alike(GOOD["lessons"][0], "Files named *.tsv in exports are separated by tabs.")
    assert not alike("", "")
