"""Twenty small tasks for the embedded model, each verified by its effect, and a way to run them by hand.

`python tests/providers/embedded_tasks.py [NAME …]` prints one line a task and the score. A task counts only if its
effect is there, whatever the agent says.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aether_jupyter.app import App, open_app
from aether_jupyter.config import from_environment
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Limits, Mode, SandboxSpec
from aether_jupyter.model.events import Guidance, ModelAnswered, ToolEnded
from aether_jupyter.model.message import Text, ToolCall

MODEL = "local:qwen2.5-coder-1.5b"


@dataclass(frozen=True)
class Task:
    """`verify` gets the agent's home, its last words, and what its commands printed."""

    name: str
    goal: str
    verify: Callable[[Path, str, str], bool]
    files: Mapping[str, str] = field(default_factory=dict)


def _text(home: Path, name: str) -> str:
    path = home / name
    return path.read_text().strip() if path.is_file() else ""


def _words(text: str) -> list[str]:
    return re.findall(r"[\w.]+", text)


TASKS = (
    Task(
        "create",
        "Create a file greeting.txt that contains exactly: Good morning, world",
        lambda home, said, printed: _text(home, "greeting.txt") == "Good morning, world",
    ),
    Task(
        "count-lines",
        "How many lines does poem.txt have? Write just the number into lines.txt.",
        lambda home, said, printed: _text(home, "lines.txt") == "7",
        {"poem.txt": "".join(f"verse {n}\n" for n in range(7))},
    ),
    Task(
        "rename",
        "Rename draft.md to final.md.",
        lambda home, said, printed: _text(home, "final.md") == "# Plan" and not (home / "draft.md").exists(),
        {"draft.md": "# Plan\n"},
    ),
    Task(
        "sort",
        "Sort the names in names.txt alphabetically and save them in sorted.txt.",
        lambda home, said, printed: _text(home, "sorted.txt").split() == ["Anna", "Ben", "Carl", "Zoe"],
        {"names.txt": "Zoe\nBen\nAnna\nCarl\n"},
    ),
    Task(
        "copy",
        "Make a backup copy of config.ini called config.ini.bak.",
        lambda home, said, printed: _text(home, "config.ini.bak") == "[a]\nb = 1" == _text(home, "config.ini"),
        {"config.ini": "[a]\nb = 1\n"},
    ),
    Task(
        "append",
        "Add a line with the text 'call the dentist' to the end of todo.txt. Keep the other lines.",
        lambda home, said, printed: (
            _text(home, "todo.txt").splitlines() == ["wash the car", "pay rent", "call the dentist"]
        ),
        {"todo.txt": "wash the car\npay rent\n"},
    ),
    Task(
        "folder",
        "Create a folder called reports and move every .log file into it.",
        lambda home, said, printed: (
            {p.name for p in (home / "reports").glob("*")} == {"a.log", "b.log"} and (home / "keep.txt").exists()
        ),
        {"a.log": "1\n", "b.log": "2\n", "keep.txt": "3\n"},
    ),
    Task(
        "sum",
        "Add up the numbers in numbers.txt and write the result into sum.txt.",
        lambda home, said, printed: _text(home, "sum.txt") in ("110", "110.0"),
        {"numbers.txt": "12\n30\n45\n23\n"},
    ),
    Task(
        "replace",
        "In letter.txt, replace every occurrence of 'Bob' with 'Alice'.",
        lambda home, said, printed: _text(home, "letter.txt") == "Dear Alice,\nhow is Alice's dog?\nBye, Alice",
        {"letter.txt": "Dear Bob,\nhow is Bob's dog?\nBye, Bob\n"},
    ),
    Task(
        "search",
        "Which file in this folder contains the word 'treasure'? Write its name into answer.txt.",
        lambda home, said, printed: (
            "cave.txt" in _text(home, "answer.txt") and "beach" not in _text(home, "answer.txt")
        ),
        {"beach.txt": "sand and sea\n", "cave.txt": "dark, but a treasure\n", "hill.txt": "grass\n"},
    ),
    Task(
        "script",
        "Write a Python script square.py that prints the squares of 1 to 5, one per line, and run it.",
        lambda home, said, printed: (home / "square.py").is_file() and "1\n4\n9\n16\n25" in printed,
    ),
    Task(
        "fix",
        "The script area.py fails. Find out why, fix it, and run it.",
        lambda home, said, printed: "heigth" not in _text(home, "area.py") and "12" in _words(printed),
        {"area.py": "def area(w, h):\n    return w * h\n\nheight = 4\nprint(area(3, heigth))\n"},
    ),
    Task(
        "run-script",
        "Run make_report.py and tell me what it printed.",
        lambda home, said, printed: "4711" in said,
        {"make_report.py": "print('code', 4700 + 11)\n"},
    ),
    Task(
        "csv-filter",
        "people.csv has columns name,age. Write the names of everybody older than 30 into older.txt, one per line.",
        lambda home, said, printed: sorted(_text(home, "older.txt").split()) == ["Mia", "Tom"],
        {"people.csv": "name,age\nTom,41\nEva,22\nMia,35\nJan,30\n"},
    ),
    Task(
        "json",
        "Read settings.json and write only the value of 'port' into port.txt.",
        lambda home, said, printed: _text(home, "port.txt") == "8123",
        {"settings.json": json.dumps({"host": "example", "port": 8123, "debug": True})},
    ),
    Task(
        "delete",
        "Delete all .tmp files here, but nothing else.",
        lambda home, said, printed: not list(home.glob("*.tmp")) and (home / "data.txt").exists(),
        {"x.tmp": "", "y.tmp": "", "data.txt": "precious\n"},
    ),
    Task(
        "unique",
        "Remove duplicate lines from colors.txt, so that each colour appears once. Save the result in colors.txt.",
        lambda home, said, printed: sorted(_text(home, "colors.txt").split()) == ["blue", "green", "red"],
        {"colors.txt": "red\nblue\nred\ngreen\nblue\n"},
    ),
    Task(
        "largest",
        "Which number in data.txt is the largest? Write it into max.txt.",
        lambda home, said, printed: _text(home, "max.txt") == "981",
        {"data.txt": "17\n981\n4\n300\n98\n"},
    ),
    Task(
        "merge",
        "Join part1.txt and part2.txt, in this order, into whole.txt.",
        lambda home, said, printed: _text(home, "whole.txt").split() == ["one", "two", "three", "four"],
        {"part1.txt": "one\ntwo\n", "part2.txt": "three\nfour\n"},
    ),
    Task(
        "multiply",
        "What is 37 times 24? Write the result into product.txt.",
        lambda home, said, printed: _text(home, "product.txt") == "888",
    ),
)


@dataclass(frozen=True)
class Attempt:
    """What became of a task. `unasked` says that it ended after a failed call without a question back."""

    ok: bool
    said: str
    steps: list[str]
    unasked: bool


async def attempt(app: App, task: Task, *, timeout_s: float = 240.0) -> Attempt:
    """Run one task and look for its effect."""
    who = Principal.person("tester")
    homes = app.settings.homes
    spec = AgentSpec(
        goal=task.goal,
        model=MODEL,
        mode=Mode.AUTONOMOUS,
        sandbox=SandboxSpec(kind="bubblewrap"),
        limits=Limits(steps=12),
        keep_home=True,
    )
    seen = {int(path.name) for path in homes.glob("*")} if homes.is_dir() else set()
    pid = max(seen, default=0) + 1
    home = homes / str(pid)
    home.mkdir(parents=True, mode=0o700)
    homes.chmod(0o700)
    for name, content in task.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    process = await app.processes.spawn(who, spec)
    assert process.pid == pid
    process = await app.processes.wait(who, pid, timeout_s=timeout_s)
    steps: list[str] = []
    printed = ""
    failed = asked = False
    for record in await app.processes.records(who, pid):
        event = record.event
        if isinstance(event, ModelAnswered):
            for part in event.parts:
                if isinstance(part, ToolCall):
                    steps.append(f"{part.tool} {json.dumps(part.arguments)}")
                elif isinstance(part, Text):
                    steps.append(f"says {part.text}")
        elif isinstance(event, ToolEnded):
            printed += event.outcome.evidence.stdout if event.outcome.evidence is not None else ""
            failed = not event.outcome.ok
            steps.append(f"  -> {'ok' if event.outcome.ok else 'FAILED'} {event.outcome.content[:300]!r}")
        elif isinstance(event, Guidance):
            asked |= event.reason == "doubt"
            steps.append(f"  -> guided: {event.text[:80]}")
    said = process.exit.message if process.exit is not None else process.state
    ended = process.exit is not None and process.exit.reason == "completed"
    return Attempt(ended and task.verify(home, said, printed), said, steps, ended and failed and not asked)


async def main(names: list[str]) -> None:
    """Run the named tasks, or all."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(from_environment(home=Path(folder))) as app:
            score = total = 0
            for task in TASKS:
                if names and task.name not in names:
                    continue
                began = time.monotonic()
                done = await attempt(app, task)
                score, total = score + done.ok, total + 1
                took = time.monotonic() - began
                print(f"{'ok  ' if done.ok else 'FAIL'} {task.name} {took:.1f} s: {done.said}", flush=True)
                for step in () if done.ok else done.steps:
                    print(f"       {step}")
            print(f"{score} of {total}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
