"""How the embedded model is spoken with, and what its answers become."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from aether_jupyter.model.message import ModelTurn, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.providers.cookbook import LINES, SHOWN, fitting
from aether_jupyter.providers.embedded import ANSWER_TOKENS
from aether_jupyter.providers.terse import CONTEXT_TOKENS, answer_grammar, look, prompt, second_thought, to_parts

STRING = {"type": "string"}
TOOLS: dict[str, dict[str, Any]] = {
    name: {"type": "object", "properties": dict.fromkeys(keys, STRING), "required": list(keys[:2])}
    for name, keys in {
        "list_files": ("path",),
        "read_file": ("path",),
        "edit_file": ("path", "old", "new"),
        "write_file": ("path", "content"),
        "append_file": ("path", "content"),
        "run_command": ("command",),
        "spawn_agent": ("goal",),
    }.items()
}


def forms(grammar: str) -> list[str]:
    start = next(line for line in grammar.splitlines() if line.startswith("start: "))
    return [form.split('"')[1].strip() for form in start.split("(", 1)[1].split(" | ")]


def calls(*commands: tuple[str, bool]) -> list[Turn]:
    turns: list[Turn] = [UserTurn("Sort names.txt into sorted.txt.")]
    for place, (command, ok) in enumerate(commands):
        turns.append(ModelTurn((ToolCall(f"c{place}", "run_command", {"command": command}),)))
        turns.append(ToolTurn(f"c{place}", "run_command", "result", ok))
    return turns


def test_of_many_tools_it_gets_the_few_it_can_use() -> None:
    assert forms(answer_grammar(TOOLS)) == ["run_command", "write_file", "append_file", "read_file", "finish"]


def test_of_few_tools_it_gets_all() -> None:
    few = {name: TOOLS[name] for name in ("list_files", "edit_file")}
    assert forms(answer_grammar(few)) == ["list_files", "edit_file", "finish"]


def test_a_typed_result_takes_the_place_of_the_last_words_and_is_json() -> None:
    result = {"properties": {"n": {"type": "integer", "description": "how many"}}, "required": ["n"]}
    grammar = answer_grammar(TOOLS | {"final_result": result})
    assert forms(grammar)[-1] == "final_result"
    schema = json.loads(grammar.split("%json ")[1].split("\n")[0].removesuffix(")"))
    assert schema["properties"] == {"n": {"type": "integer"}}
    assert schema["additionalProperties"] is False


def test_a_reason_comes_first_and_an_end_can_be_forbidden() -> None:
    assert "start: REASON (" in answer_grammar(TOOLS, why=True)
    assert "finish" not in forms(answer_grammar(TOOLS, end=False))


def test_answers_become_calls_and_words() -> None:
    assert to_parts("read_file a b.txt", "c", TOOLS) == ("", ToolCall("c", "read_file", {"path": "a b.txt"}))
    assert to_parts("# w\nfinish done\nand said", "c", TOOLS) == ("w", Text("done\nand said"))
    line = "awk -F, '$1==\"x\"' f > out"
    assert to_parts(f"run_command {line}", "c", TOOLS)[1] == ToolCall("c", "run_command", {"command": line})


def test_a_file_is_written_as_it_stands_and_ends_with_a_line_break() -> None:
    text = 'print("a\\n")\n\nx = 1'
    found = to_parts(f"write_file a.py\n{text}", "c", TOOLS)[1]
    assert found == ToolCall("c", "write_file", {"path": "a.py", "content": f"{text}\n"})


def test_what_has_no_plain_form_is_json() -> None:
    result = {"properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert to_parts('final_result {"n":4}', "c", {"final_result": result})[1] == ToolCall("c", "final_result", {"n": 4})


def test_what_cannot_be_read_is_a_call_without_arguments() -> None:
    for words in ("write_file only-a-name", "final_result {", "nonsense"):
        found = to_parts(words, "c", TOOLS)[1]
        assert isinstance(found, ToolCall)
        assert found.arguments is None


def test_what_it_said_is_shown_to_it_in_its_own_forms() -> None:
    for words in ("run_command ls 'a b'", "write_file a\none\ntwo", "finish It is done."):
        part = to_parts(words, "c", TOOLS)[1]
        assert prompt([UserTurn("a"), ModelTurn((part,))], "", 500)[-1] == {"role": "assistant", "content": words}


FIRST = (
    ToolCall("look-1-0", "list_files", {"path": ".", "recursive": True}),
    ToolCall("look-1-1", "search_files", {"pattern": "^", "glob": "a.txt"}),
    ToolCall("look-1-2", "search_files", {"pattern": "^", "glob": "b.txt"}),
)
LOOKED: list[Turn] = [
    UserTurn("Sort a.txt into b.txt."),
    ModelTurn(FIRST),
    ToolTurn("look-1-0", "list_files", "a.txt  12\nold/\nold/c.txt  0"),
    ToolTurn("look-1-1", "search_files", "a.txt:1: x: 1\na.txt:2: y\na.txt:3: "),
    ToolTurn("look-1-2", "search_files", "[no match in 0 files]"),
]
LOOKS = ("list_files", "search_files", "run_command")


def test_before_it_is_asked_a_look_is_taken_at_what_the_task_names() -> None:
    assert look(LOOKED[:1], LOOKS) == list(FIRST)
    assert not look(LOOKED, LOOKS)
    assert not look(LOOKED[:1], ("run_command",))


def test_what_was_seen_stands_with_the_task() -> None:
    assert prompt(LOOKED, "", 500)[-1]["content"].splitlines()[:6] == [
        "Task: Sort a.txt into b.txt.",
        "Files: a.txt, old/, old/c.txt (empty)",
        "Not there: b.txt",
        "a.txt:",
        "x: 1",
        "y",
    ]
    asked = prompt([*LOOKED, ModelTurn((Text("done"),))], "", 500)
    assert [message["role"] for message in asked[-2:]] == ["user", "assistant"]


def test_after_a_silent_change_a_look_is_taken_at_what_it_did() -> None:
    def after(command: str, result: str) -> list[ToolCall]:
        call = ToolCall("c", "run_command", {"command": command})
        return look([*LOOKED, ModelTurn((call,)), ToolTurn("c", "run_command", result)], LOOKS)

    silent = "exit code: 0\n(no output)"
    assert [call.arguments for call in after("sort a.txt > b.txt", silent)][1:] == [
        {"pattern": "^", "glob": "a.txt"},
        {"pattern": "^", "glob": "b.txt"},
    ]
    assert not after("sort a.txt > b.txt && cat b.txt", "exit code: 0\nstdout:\nx")
    assert not after("grep z a.txt", silent)


def test_a_listing_alone_does_not_count_as_done() -> None:
    assert "b.txt" in second_thought(LOOKED, Text("It is sorted."))


def test_it_may_say_that_something_is_not_there() -> None:
    assert not second_thought(LOOKED, Text("There is no c.txt here."))


def test_it_thinks_twice_before_it_fails_in_the_same_way() -> None:
    turns = calls(("cp x y", False), ("ls", True))
    assert "it failed" in second_thought(turns, ToolCall("c", "run_command", {"command": "cp x y"}))


def test_lines_that_fit_the_task_are_put_beside_it() -> None:
    for task, line in {
        "Remove the duplicate lines of a.txt but keep their order": "awk '!seen[$0]++' f > out",
        "In all files of the folder, replace every occurrence of red by blue": "sed -i 's/old/new/g'",
        "What is the sum of the column price in shop.csv?": "awk -F, 'NR>1 {s+=$3} END {print s}' f.csv",
    }.items():
        assert any(line in found for _, found in fitting(task)), task
        assert line in prompt([UserTurn(task)], "", 500)[-1]["content"]
    assert not fitting("Say hello.")
    assert all(len(fitting(job)) <= SHOWN for job, _ in LINES)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the lines are bash's")
def test_every_line_is_whole() -> None:
    assert len(LINES) > 100
    for _, line in LINES:
        done = subprocess.run(["bash", "-n", "-c", line], capture_output=True, check=False)
        assert done.returncode == 0, line


def test_the_prompt_begins_the_same_for_every_task() -> None:
    one = prompt([UserTurn("a")], "", 500)
    two = prompt([UserTurn("b"), ModelTurn((Text("x"),)), UserTurn("c")], "be kind", 500)
    assert one[:-1] == two[: len(one) - 1]
    assert one[-1] == {"role": "user", "content": "Task: a"}
    assert two[-1] == {"role": "user", "content": "c"}
    assert sum(len(message["content"]) for message in one) < 3600


def test_reasons_are_not_said_again() -> None:
    turns: list[Turn] = [UserTurn("a"), ModelTurn((Thinking("hm"), ToolCall("c", "read_file", {"path": "x"})))]
    assert prompt(turns, "", 500)[-1]["content"] == "read_file x"


def test_a_long_run_fits_its_context_and_keeps_the_task_and_the_end() -> None:
    turns: list[Turn] = [UserTurn("the task")]
    for place in range(60):
        turns.append(ModelTurn((ToolCall(f"c{place}", "run_command", {"command": "x" * 300}),)))
        turns.append(ToolTurn(f"c{place}", "run_command", f"result {place} " + "y" * 5000))
    asked = prompt(turns, "", ANSWER_TOKENS)
    head = prompt([UserTurn("")], "", 500)[:-1]
    assert sum(len(message["content"]) for message in asked) < 2.7 * CONTEXT_TOKENS
    assert asked[len(head)]["content"].startswith("Task: the task")
    assert "result 59" in asked[-1]["content"]


def test_it_thinks_twice_before_it_repeats_itself() -> None:
    again = ToolCall("c", "run_command", {"command": "ls x"})
    assert "exactly that" in second_thought(calls(("ls x", False)), again)
    assert not second_thought(calls(("ls x", False), ("touch x", True)), again)


def test_it_thinks_twice_before_it_empties_what_it_reads() -> None:
    for command, emptied in {
        "sort a.txt | uniq > a.txt": True,
        "sort 'a b' > x; sort x > x": True,
        "sort a.txt > b.txt; cat b.txt": False,
        "echo x >> a.txt": False,
        "ls a.txt 2>&1": False,
        "sort -u a.txt -o a.txt": False,
    }.items():
        assert bool(second_thought(calls(), ToolCall("c", "run_command", {"command": command}))) is emptied, command


def test_it_thinks_twice_before_it_takes_echo_for_a_calculator() -> None:
    for command, mistaken in {
        "echo 37*24 > product.txt": True,
        "echo '12 + 5'": True,
        "echo $((37*24))": False,
        "echo 2024-01-02": False,
        "echo 5": False,
    }.items():
        assert ("calculate" in second_thought(calls(), ToolCall("c", "run_command", {"command": command}))) is mistaken


def test_it_thinks_twice_before_it_ends_with_something_undone() -> None:
    done = Text("It is sorted.")
    assert "sorted.txt" in second_thought(calls(("cat names.txt", True)), done)
    assert "failed" in second_thought(calls(("sort names.txt > sorted.txt", False), ("ls", True)), done)
    assert not second_thought(calls(("sort names.txt > sorted.txt", True)), done)
    assert not second_thought(calls(("sort n*.txt > sorted.txt", True)), done)
    # What it cannot do it must be able to say at last.
    assert not second_thought(calls(*[("cat names.txt", True)] * 8), done)


def test_it_thinks_twice_before_it_writes_back_what_it_read() -> None:
    turns: list[Turn] = [
        UserTurn("Mend it."),
        ModelTurn((ToolCall("a", "read_file", {"path": "x"}),)),
        ToolTurn("a", "read_file", "print(1\n"),
    ]
    assert second_thought(turns, ToolCall("b", "write_file", {"path": "x", "content": "print(1"}))
    assert not second_thought(turns, ToolCall("b", "write_file", {"path": "x", "content": "print(1)"}))
