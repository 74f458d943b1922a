"""What is said to a small model before its answer stands: faults that can be told without running anything. Pure.

It repeats itself, takes for granted what it has not seen, mistakes some commands for others, and ends before it did all
it was told. One line that names the fault, and the way out where there is one, is often enough.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from ..model.message import ModelTurn, Text, ToolCall, ToolTurn, Turn, UserTurn

_NAMES = re.compile(r"(?<![\w./*-])[\w-][\w./-]*\.[A-Za-z]\w{1,4}(?![\w/])")


def second_thought(turns: Sequence[Turn], part: Text | ToolCall) -> str:
    """What to tell the model before it answers once more, or nothing where its answer may stand.

    A small model repeats itself, writes back what it has read, and ends before it did all it was told.
    """
    calls = _calls(turns)
    if isinstance(part, ToolCall):
        made = [(call.tool, call.arguments) for call in calls]
        mine = (part.tool, part.arguments)
        if made and (made[-1] == mine or (part.tool == "write_file" and mine in made)):
            return "You did exactly that before. Do something else."
        if part.arguments is None:
            return _NO_EXEC if "-exec" in part.raw else "That was too long. Give one short call."
        if mine in _failed(turns):
            return "That has failed before, and nothing has changed since. Do something else, or finish and say why."
        if "command" in part.arguments:
            command = str(part.arguments["command"])
            return _command_fault(command) or _haste(turns, command)
        return _content_fault(turns, calls, part)
    last = turns[-1] if turns else None
    if isinstance(last, ToolTurn) and last.ok and last.content.rstrip().endswith("(no output)") and _shows(calls[-1]):
        return "That file is empty, so the command found nothing. Look at its input and do it in another way."
    if _ABSENT.search(part.text) and any(
        _NO_FILE.search(turn.content) for turn in turns if isinstance(turn, ToolTurn) and not turn.ok
    ):
        # An honest end: what the task is about is not there.
        return ""
    goal = _goal(turns)
    seen = "\n".join(turn.content for turn in turns if isinstance(turn, ToolTurn) and turn.ok)
    touched = f"{_given(calls)}\n{seen}"
    globs = re.findall(r"[\w./-]*[*?][\w.*?/-]*", touched)
    missed = [
        name
        for name in dict.fromkeys(_NAMES.findall(goal))
        if name not in touched and not any(fnmatch.fnmatch(name, glob) for glob in globs)
    ]
    # Asked only early on: a model that cannot do it must be able to say so.
    if missed and len(calls) < 6:
        return f"Nothing was done with {' and '.join(missed)} yet. Do that part of the task first."
    undone = _undone(turns)
    if undone and len(calls) < 8:
        return f"This failed, so it is not done yet: {undone}. Do it in another, simpler way."
    return ""


_SUM = re.compile(r"\becho +['\"]?([\d.]+(?: *[*+/] *[\d.]+| +- +[\d.]+)+)")
_ABSENT = re.compile(r"n't|\b(not|no such|missing|cannot|absent)\b", re.IGNORECASE)
_NO_FILE = re.compile(r"no such file|not found|no file|does not exist", re.IGNORECASE)
_ABSENT_FILE = re.compile(r"([\w./-]+)'?: No such file")
_ORDER = re.compile(r"\b(keep|keeping|preserve|same|original|first)\b.*\border\b|\border of\b", re.IGNORECASE)
_KEPT = re.compile(r"\bkeep (?:the (?:file )?)?([\w-]+\.\w+)", re.IGNORECASE)
_BEGINNING = re.compile(r"\b(beginning|top|start) of\b|\bprepend|\bas (its|the) first line\b", re.IGNORECASE)
_FILLED = re.compile(r"\b(containing|that contains?|with the (text|content|word|line))\b", re.IGNORECASE)
_LINE = re.compile(r"\b(second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth) line of ([\w./-]+)", re.IGNORECASE)
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_MENDS = re.compile(r"\b(change|edit|update|fix|modify|mend|correct|set|insert|remove|put)\b", re.IGNORECASE)
_NO_EXEC = (
    "That line is not whole. Do not use -exec: *.txt means all such files, find has -delete, and xargs passes names on."
)


def _command_fault(command: str) -> str:
    """What is wrong in a shell line, as far as that can be told without running it."""
    if not _quoted_whole(command):
        return 'That line ends inside a quotation. Write it whole; in JSON a " within it is written as \\".'
    emptied = _emptied(command)
    if emptied:
        target = rf">\s*['\"]?{re.escape(emptied)}['\"]?"
        mended = re.sub(target, f"> {emptied}.new && mv {emptied}.new {emptied}", command, count=1)
        return f"That empties {emptied} before it is read. Say: {mended}"
    sum_ = _SUM.search(command)
    if sum_ is not None:
        return f"echo does not calculate. Use python3 -c 'print({sum_.group(1).strip()})'"
    if "-exec" in command and not re.search(r"-exec .*(\\;|';'|\+)", command):
        return _NO_EXEC
    if re.search(r"\bawk\b.*\.csv\b", command) and not re.search(r"-F|FS *=", command):
        return f"awk does not know the commas of .csv. Say: {re.sub(r'awk ', 'awk -F, ', command, count=1)}"
    if re.search(r"\bawk\b.*/ *NR\b.*\.csv\b", command):
        return f"NR counts the header, too. Say: {re.sub(r'/ *NR', '/(NR-1)', command, count=1)}"
    if re.search(r"\bls\b(?! +-\w*[lsS])[^|]*\| *sort +-\w*[hnr]", command):
        sizes = re.sub(r"\bls\b([^|]*?) *\| *sort +-\w+", r"ls -S\1", command)
        return f"ls gives names without sizes to sort by. The largest first: {sizes}"
    if re.search(r"\bjq (?!-)", command) and ">" in command:
        return f"jq leaves quotation marks around texts. Say: {re.sub(r'jq ', 'jq -r ', command, count=1)}"
    if re.search(r"(^|[;&|] *|-exec )rename ", command):
        return 'There is no rename. Say, with your endings: for f in *.a; do mv "$f" "${f%.a}.b"; done'
    if re.search(r"\bgrep -l ('[^']*'|\"[^\"]*\"|\S+) [\w./-]+ *(>|$)", command):
        return f"grep -l gives only the name of the file. Say: {command.replace('grep -l', 'grep', 1)}"
    length = re.search(r"\$\{#(\w+)\}", command)
    if length is not None and not re.search(rf"\b{length[1]}=|\b(for|read) {length[1]}\b", command):
        return f"No variable {length[1]} is set in that line. To count the characters of a text: printf %s TEXT | wc -m"
    if re.search(r"\bsed\b.*\bs/.*\\/", command):
        return "Slashes in what sed replaces go wrong easily. Part it by another mark: sed -i 's|OLD|NEW|g' FILE"
    if re.search(r"\bwc -l[^|]*\| *grep", command):
        return "wc -l counts all lines. grep -c WORD FILE counts those with a word."
    return ""


def _haste(turns: Sequence[Turn], command: str) -> str:
    """What a shell line takes for granted that was not looked at, or that the task says otherwise."""
    goal = _goal(turns)
    before = _given(_calls(turns))
    for name in re.findall(r"[\w./-]+\.(?:csv|tsv|json)\b", command):
        guesses = re.search(r"\b(awk|cut|jq|sed)\b|python3? -c", command) and f"> {name}" not in command
        if guesses and name in goal and name not in before:
            return f"Look at it first: head -n 4 {name}"
    if re.search(r"\bawk\b(?!.*NR *== *1)", command) and re.search(r"\b(with|keep) (the |its )?header", goal):
        return "That leaves out the header. To keep it, begin the condition with: NR==1 ||"
    if re.search(r"sort\b.*\buniq\b|sort -u", command) and _ORDER.search(goal):
        return "sort changes the order. This keeps it: awk '!seen[$0]++' FILE"
    if re.search(r"\btouch\b", command) and ">" not in command and _FILLED.search(goal):
        return "touch makes empty files. With a text in it: echo TEXT > FILE, for each file."
    for kept in _KEPT.findall(goal):
        if re.search(rf"\b(rm|mv)\b[^;&|]* {re.escape(kept)}\b", command):
            return f"The task says to keep {kept}. Leave it where it is."
    made = re.match(r"touch ([\w./-]+)", command.strip())
    return _made_up(turns, made[1]) if made else ""


def _made_up(turns: Sequence[Turn], path: str) -> str:
    """What to say to an empty file that is to stand for one that was found missing."""
    if any(path in _ABSENT_FILE.findall(turn.content) for turn in turns if isinstance(turn, ToolTurn)):
        return f"{path} is not there, and an empty one would be made up. Finish and say that it is missing."
    return ""


def _goal(turns: Sequence[Turn]) -> str:
    return next((turn.text for turn in turns if isinstance(turn, UserTurn)), "")


def _given(calls: Sequence[ToolCall]) -> str:
    return json.dumps([call.arguments for call in calls])


def _calls(turns: Sequence[Turn]) -> list[ToolCall]:
    return [p for turn in turns if isinstance(turn, ModelTurn) for p in turn.parts if isinstance(p, ToolCall)]


def _content_fault(turns: Sequence[Turn], calls: Sequence[ToolCall], part: ToolCall) -> str:
    """What is wrong in what is to be written into a file."""
    goal = _goal(turns)
    if part.tool == "append_file" and str((part.arguments or {}).get("path", "")).endswith(".json"):
        return "What is appended breaks JSON. Read the file, then write it whole and changed with write_file."
    if part.tool == "append_file" and _BEGINNING.search(goal):
        return "append_file adds at the end. At the beginning: sed -i '1i TEXT' FILE"
    if part.tool != "write_file" or part.arguments is None:
        return ""
    path, content = str(part.arguments.get("path", "")), str(part.arguments.get("content", ""))
    if not content.strip() and (fault := _made_up(turns, path)):
        return fault
    ends = content.count("\\n")
    if ends and "\n" not in content.strip() and (ends > 1 or content.rstrip().endswith("\\n")):
        return "There is a backslash and an n in it instead of a new line. In JSON a new line is \\n, not \\\\n."
    results = [turn.content.strip() for turn in turns if isinstance(turn, ToolTurn)]
    if content.strip() and content.strip() in results:
        if path in _given(calls):
            return "That is what was read, unchanged. What is wrong in it? Write it changed."
        return "That is all that was read, unchanged. If the task asks for a part of it, write only that part."
    line = _LINE.search(goal)
    if line is not None:
        number = _ORDINALS.index(line[1].lower()) + 2
        return f"Do not count by eye. Say: sed -n {number}p {line[2].rstrip('.')} > {path}"
    if _MENDS.search(goal) and path in goal and path not in _given(calls):
        return f"write_file leaves nothing of what was in {path}. Read it first."
    return ""


def _shows(call: ToolCall) -> bool:
    """Whether a command ends with showing a file that it has written."""
    command = str((call.arguments or {}).get("command", ""))
    return bool(re.search(r">\s*(\S+)\s*(?:;|&&)\s*cat\s+\1\s*$", command))


def _failed(turns: Sequence[Turn]) -> list[tuple[str, Any]]:
    """The calls that failed since something was last changed: they would fail again."""
    ok = {turn.call_id: turn.ok for turn in turns if isinstance(turn, ToolTurn)}
    failed: list[tuple[str, Any]] = []
    for turn in turns:
        for part in turn.parts if isinstance(turn, ModelTurn) else ():
            if not isinstance(part, ToolCall):
                continue
            if not ok.get(part.id, True):
                failed.append((part.tool, part.arguments))
            elif _changing(part):
                failed = []
    return failed


def _quoted_whole(command: str) -> bool:
    """Whether every quotation in a shell line is closed. A here-document may hold what it likes."""
    if "<<" in command:
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def _emptied(command: str) -> str:
    """A file that a pipeline both reads and is redirected into."""
    for line in re.split(r"&&|\|\||;", command):
        before, arrow, after = line.partition(">")
        target = after.split()[0].strip("'\"") if arrow and not after.startswith((">", "&")) and after.split() else ""
        if target and target in before.replace("'", " ").replace('"', " ").split():
            return target
    return ""


_CHANGES = re.compile(
    r">|\b(mv|cp|rm|mkdir|touch|tee|ln|chmod|tar|unzip|zip|python3?|bash|sh)\b|\b(sed|perl) -i|sort .*-o"
)


def _changing(call: ToolCall) -> bool:
    """Whether a call is there to change something."""
    if call.tool == "run_command":
        return bool(_CHANGES.search(str((call.arguments or {}).get("command", ""))))
    return call.tool != "read_file"


def _undone(turns: Sequence[Turn]) -> str:
    """The last call that was to change something, if it failed."""
    ok = {turn.call_id: turn.ok for turn in turns if isinstance(turn, ToolTurn)}
    for turn in reversed(turns):
        for part in reversed(turn.parts) if isinstance(turn, ModelTurn) else ():
            if not isinstance(part, ToolCall) or part.arguments is None:
                continue
            if _changing(part):
                return "" if ok.get(part.id, True) else str(part.arguments.get("command", "")) or part.tool
    return ""
