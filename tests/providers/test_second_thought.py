"""What a small model is told before its answer stands."""

from __future__ import annotations

import pytest

from aether_jupyter.model.message import ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn
from aether_jupyter.providers.second_thought import second_thought

SORT = "Sort names.txt into sorted.txt."


def calls(*commands: tuple[str, bool], goal: str = SORT, result: str = "result") -> list[Turn]:
    turns: list[Turn] = [UserTurn(goal)]
    for place, (command, ok) in enumerate(commands):
        turns.append(ModelTurn((ToolCall(f"c{place}", "run_command", {"command": command}),)))
        turns.append(ToolTurn(f"c{place}", "run_command", result, ok))
    return turns


def told(command: str, turns: list[Turn] | None = None) -> str:
    return second_thought(calls() if turns is None else turns, ToolCall("c", "run_command", {"command": command}))


def test_it_thinks_twice_before_it_repeats_itself() -> None:
    assert "exactly that" in told("ls x", calls(("ls x", False)))
    assert not told("ls x", calls(("ls x", False), ("touch x", True)))


def test_it_thinks_twice_before_it_repeats_what_failed() -> None:
    assert "failed before" in told("cat x", calls(("cat x", False), ("ls", True)))
    assert not told("cat x", calls(("cat x", False), ("mv y x", True)))


def test_it_thinks_twice_before_it_empties_what_it_reads() -> None:
    for command, emptied in {
        "sort a.txt | uniq > a.txt": True,
        "sort 'a b' > x; sort x > x": True,
        "sort a.txt > b.txt; cat b.txt": False,
        "echo x >> a.txt": False,
        "ls a.txt 2>&1": False,
        "sort -u a.txt -o a.txt": False,
    }.items():
        assert ("empties" in told(command)) is emptied, command


def test_it_thinks_twice_before_it_takes_echo_for_a_calculator() -> None:
    for command, mistaken in {
        "echo 37*24 > product.txt": True,
        "echo '12 + 5'": True,
        "echo $((37*24))": False,
        "echo 2024-01-02": False,
        "echo 5": False,
    }.items():
        assert ("calculate" in told(command)) is mistaken, command


@pytest.mark.parametrize(
    ("command", "way_out"),
    [
        ("find . -exec rm {} ", "-delete"),
        ("echo 'it", "inside a quotation"),
        ("awk '{s+=$2} END{print s}' a.csv > t", "awk -F, '{s+=$2} END{print s}' a.csv > t"),
        ("awk -F, '{s+=$2} END{print s/NR}' a.csv", "awk -F, '{s+=$2} END{print s/(NR-1)}' a.csv"),
        ("ls data | sort -rh | head -n 1", "ls -S data | head -n 1"),
        ("jq '.[].name' users > names", "jq -r '.[].name' users > names"),
        ("rename 's/a/b/' *", 'mv "$f"'),
        ("find . -name '*.a' -exec rename 's/a/b/' {} +", 'mv "$f"'),
        ("wc -l < a.log | grep ERROR", "grep -c"),
        ("echo ${#word} > n", "wc -m"),
        ("grep -l 'paid now' a.txt > b.txt; cat b.txt", "grep 'paid now' a.txt > b.txt; cat b.txt"),
    ],
)
def test_a_command_that_cannot_do_it_is_named_with_the_way_out(command: str, way_out: str) -> None:
    assert way_out in told(command)


@pytest.mark.parametrize(
    "command",
    [
        r"find . -exec rm {} \;",
        "find . -exec rm {} +",
        "cat <<E\nit's\nE",
        "awk -F, '{print $2}' a.csv",
        "awk '{print $2}' a.txt",
        "awk '{s+=$2} END{print s/NR}' a.txt",
        "ls -S | head -n 1",
        "ls | sort",
        "ls -l | sort -n",
        "jq -r .name a > b",
        "jq .name a",
        "echo rename a b",
        "wc -l < a.log",
        "word=$(cat a); echo ${#word} > n",
        "grep -l paid *.txt > b.txt",
        "grep -l paid a.txt b.txt > c.txt",
    ],
)
def test_a_command_that_can_do_it_stands(command: str) -> None:
    assert not told(command)


def test_it_looks_at_a_table_before_it_guesses_its_columns() -> None:
    goal = "Write the ids in orders.csv to ids.csv."
    guess = "awk -F, '{print $1}' orders.csv > ids.csv"
    assert "head -n 4 orders.csv" in told(guess, calls(goal=goal))
    assert not told(guess, calls(("cat orders.csv", True), goal=goal))
    assert not told("cp orders.csv ids.csv", calls(goal=goal))


def test_a_header_that_is_to_be_kept_is_not_left_out() -> None:
    keep = calls(("head a.csv", True), goal="Keep the rows of a.csv with Sales, with the header.")
    assert "NR==1" in told("awk -F, '$2==\"Sales\"' a.csv > b.csv", keep)
    assert not told("awk -F, 'NR==1 || $2==\"Sales\"' a.csv > b.csv", keep)
    assert not told(
        "awk -F, '$2==\"Sales\"' a.csv > b.csv", calls(("head a.csv", True), goal="Keep them without header.")
    )


def test_an_order_that_is_to_be_kept_is_not_sorted_away() -> None:
    keep = calls(goal="Remove duplicates from names.txt but keep the order.")
    assert "seen" in told("sort names.txt | uniq > u.txt", keep)
    assert not told("sort names.txt | uniq > u.txt")


def test_what_is_missing_is_not_made_up() -> None:
    turns = calls(("wc -l < b.txt", False), goal="Count b.txt.", result="b.txt: No such file or directory")
    assert "missing" in told("touch b.txt", turns)
    assert "missing" in told("touch b.txt && wc -l < b.txt", turns)
    assert not told("touch c.txt", turns)
    # Its word that it is not there is the end, though nothing was done.
    assert not second_thought(turns, Text("b.txt does not exist."))


def test_it_thinks_twice_before_it_ends_with_something_undone() -> None:
    done = Text("It is sorted.")
    assert "sorted.txt" in second_thought(calls(("cat names.txt", True)), done)
    assert "failed" in second_thought(calls(("sort names.txt > sorted.txt", False), ("ls", True)), done)
    assert not second_thought(calls(("sort names.txt > sorted.txt", True)), done)
    assert not second_thought(calls(("sort n*.txt > sorted.txt", True)), done)
    # What it cannot do it must be able to say at last.
    assert not second_thought(calls(*[(f"cat names.txt {n}", True) for n in range(8)]), done)


def test_an_empty_outcome_is_not_the_end() -> None:
    command = ("grep x names.txt > sorted.txt; cat sorted.txt", True)
    empty = calls(command, result="exit code: 0\n(no output)")
    assert "empty" in second_thought(empty, Text("It is done."))
    assert not second_thought(calls(command), Text("It is done."))


def _read(content: str, goal: str = SORT) -> list[Turn]:
    read = ModelTurn((ToolCall("a", "read_file", {"path": "x.py"}),))
    return [UserTurn(goal), read, ToolTurn("a", "read_file", content)]


def _written(content: str, turns: list[Turn]) -> str:
    return second_thought(turns, ToolCall("b", "write_file", {"path": "x.py", "content": content}))


def test_it_thinks_twice_before_it_writes_back_what_it_read() -> None:
    assert "unchanged" in _written("print(1", _read("print(1\n"))
    assert not _written("print(1)", _read("print(1\n"))
    copy = ToolCall("b", "write_file", {"path": "y.py", "content": "print(1"})
    assert "a part" in second_thought(_read("print(1\n"), copy)


def test_it_reads_what_it_is_to_change_before_it_replaces_it() -> None:
    assert "Read it first" in _written("print(1)", [UserTurn("Fix x.py.")])
    assert not _written("print(1)", _read("print(1", "Fix x.py."))
    assert not _written("print(1)", [UserTurn("Write a program x.py.")])


def test_what_is_to_come_first_is_not_appended() -> None:
    line = ToolCall("b", "append_file", {"path": "x.py", "content": "a"})
    assert "at the end" in second_thought([UserTurn("Put a at the very beginning of x.py.")], line)
    assert not second_thought([UserTurn("Add a to x.py.")], line)


def test_what_is_appended_does_not_break_json() -> None:
    key = ToolCall("b", "append_file", {"path": "x.json", "content": '"a": 1'})
    assert "breaks JSON" in second_thought([UserTurn("Add a to x.json.")], key)


def test_a_line_is_not_counted_by_eye() -> None:
    turns = [UserTurn("Write the third line of a.txt to x.py.")]
    assert "sed -n 3p a.txt > x.py" in _written("b", turns)
    assert not told("sed -n 3p a.txt > x.py", list(turns))


def test_files_that_are_to_hold_something_are_not_made_empty() -> None:
    turns = calls(goal="Create a.txt and b.txt, each containing its name.")
    assert "empty" in told("touch a.txt b.txt", turns)
    assert not told("touch a.txt b.txt", calls(goal="Create a.txt and b.txt."))


def test_line_ends_are_not_written_as_letters() -> None:
    assert "backslash" in _written("a\\nb\\nc", _read("x"))
    assert "backslash" in _written("a\\n", _read("x"))
    assert not _written('print("a\\nb")', _read("x"))
    assert not _written('print("a\\nb")\nprint("\\n")\n', _read("x"))


def test_it_thinks_twice_before_it_replaces_slashes_between_slashes() -> None:
    for command, risky in {
        "sed -i 's/http:\\/\\/https:/https:/g' links.txt": True,
        "sed 's/a\\/b/c/' x": True,
        "sed -i 's|http://|https://|g' links.txt": False,
        "sed -i 's/red/blue/g' lists/x": False,
        "ls a\\/b": False,
    }.items():
        assert ("another mark" in told(command)) is risky, command


def test_it_thinks_twice_before_it_moves_what_it_is_to_keep() -> None:
    goal = "Delete old.txt and keep new.txt."
    for command, wrong in {
        "rm old.txt && mv new.txt old.txt": True,
        "rm old.txt new.txt": True,
        "rm old.txt": False,
        "rm old.txt; cat new.txt": False,
    }.items():
        assert ("keep new.txt" in told(command, calls(goal=goal))) is wrong, command


def test_it_thinks_twice_before_it_writes_an_empty_file_for_a_missing_one() -> None:
    missing = calls(("wc -l orders.txt", False), result="wc: orders.txt: No such file or directory")

    def write(path: str, content: str) -> str:
        return second_thought(missing, ToolCall("c", "write_file", {"path": path, "content": content}))

    assert "made up" in write("orders.txt", "")
    assert not write("orders.txt", "3 lines of orders")
    assert not write("empty.txt", "")
