"""How a small model is spoken with: few words, plain forms, worked examples, and a look around made for it.

A model of one or two billion weights reads slowly, quotes badly, guesses instead of looking, and ends before it has
done all it was told. So each answer is one call in a form without quoting, held to it by a grammar; what lies in the
home is shown before it is asked; shell lines that fit the task are put beside it; and an answer that is likely wrong
is asked for once more. All of it is pure: turns in, words out.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from ..model.message import ModelTurn, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from .cookbook import fitting

CONTEXT_TOKENS = 4096
KEPT_CHARS = 1500
SEEN_CHARS = 800
OLD_CHARS = 120
PREFERRED = ("run_command", "write_file", "append_file", "read_file")
MAX_TOOLS = 6

_SYSTEM = """\
You are an agent in a Linux home folder. Do the task with tools. Each turn is one call, in one of these forms:
run_command BASH
read_file PATH
append_file PATH, then the text to add in the next lines
write_file PATH, then the whole text of the file in the next lines
finish ANSWER
- You see the files that are there. Lines after "Perhaps" may fit; f, d and out stand for the names of the task.
- Good commands: mkdir -p dir && mv *.txt dir/, grep WORD f > out, sort -u f -o f, sed -i 's/a/b/g' f, wc -l < f, \
python3 -c 'print(6*7)' > f. Never write > into a file that the same line reads.
- A number or word asked for stands alone in its file.
- To mend a file, write it whole and changed, then run it.
- Use only names and numbers from the task or from results. When a call failed, say why and try another way.
- If a file that the task needs is not there, finish and say so.
- Do every part of the task, then finish with a short answer that states the result."""

_TALK = r"""
>> Task: Put the sum of the prices in sales.txt into total.txt.
Files: sales.txt
Not there: total.txt
sales.txt:
pen 3
cup 8
<< run_command awk '{s+=$2} END{print s}' sales.txt > total.txt && cat total.txt
>> ok: 11
<< finish The sum is 11; it is in total.txt.
>> Task: Write the towns of geo/towns.csv with more than 5000 people in the north into big.txt.
Files: geo/, geo/towns.csv
Not there: big.txt
geo/towns.csv:
town,people,part
Ulm,9000,south
Kiel,9500,north
Au,800,north
Perhaps, for csv filter rows where column: awk -F, 'NR==1 || $2=="Sales"' f.csv > out.csv
<< run_command awk -F, 'NR>1 && $2>5000 && $3=="north"{print $1}' geo/towns.csv > big.txt && cat big.txt
>> ok: Kiel
<< finish big.txt has one town: Kiel.
>> Task: Count the words in speech.txt.
Files: talk.md, x.png
Not there: speech.txt
<< finish There is no speech.txt here, so its words cannot be counted.
>> Task: Move the file plan.doc into the folder old.
Files: talk.md
Not there: plan.doc
<< run_command mkdir -p old && mv plan.doc old/
>> failed: exit code: 1
stderr:
mv: cannot stat 'plan.doc': No such file or directory
<< # plan.doc is not there
finish There is no plan.doc here, so it cannot be moved.
>> Task: Write odd.py, which prints the odd numbers below 6, and run it.
Files: none
Not there: odd.py
<< write_file odd.py
for n in range(1, 6, 2):
    print(n)
>> ok: Wrote odd.py: 39 bytes, 2 lines.
<< run_command python3 odd.py
>> ok: 1
3
5
<< finish odd.py prints 1, 3 and 5.
>> Task: Put all .jpg files into a folder named photos.
Files: a.jpg, b.jpg, x.txt
<< run_command mkdir -p photos && mv *.jpg photos/ && ls photos
>> ok: a.jpg
b.jpg
<< finish a.jpg and b.jpg are in photos.
>> Task: Add the line 'buy milk' to notes.txt and tell me how many lines it has then.
Files: notes.txt
notes.txt:
call Tom
sleep
<< append_file notes.txt
buy milk
>> ok: Added 9 bytes to notes.txt; it has 24 bytes now.
<< run_command wc -l < notes.txt
>> ok: 3
<< finish notes.txt has 3 lines now.
>> Task: Run hello.py and mend it if it fails.
Files: hello.py
hello.py:
name = "Ann"
print("hello", nmae)
<< run_command python3 hello.py
>> failed: exit code: 1
stderr:
NameError: name 'nmae' is not defined
<< # nmae is misspelt, it must be name
write_file hello.py
name = "Ann"
print("hello", name)
>> ok: Replaced hello.py: 35 bytes, 2 lines.
<< run_command python3 hello.py
>> ok: hello Ann
<< finish A name was misspelt; hello.py now prints: hello Ann.
"""

_EXAMPLES = tuple(
    ("user" if mark == ">>" else "assistant", said)
    for mark, said in re.findall(r"^(>>|<<) (.*?)$(?=\n>>|\n<<|\n\Z)", _TALK, re.MULTILINE | re.DOTALL)
)


def own_instructions(system: str) -> str:
    """What a person added to the kernel's standing rules, which are its first paragraph and said shorter here."""
    return "\n\n".join(system.split("\n\n")[1:])[:1500]


_NAMES = re.compile(r"(?<![\w./*-])[\w-][\w./-]*\.[A-Za-z]\w{1,4}(?![\w/])")


def second_thought(turns: Sequence[Turn], part: Text | ToolCall) -> str:
    """What to tell the model before it answers once more, or nothing where its answer may stand.

    A small model repeats itself, writes back what it has read, and ends before it did all it was told.
    """
    calls = [call for call, _ in _done(turns)]
    if isinstance(part, ToolCall):
        made = [(call.tool, call.arguments) for call in calls]
        mine = (part.tool, part.arguments)
        if made and (made[-1] == mine or (part.tool == "write_file" and mine in made)):
            return "You did exactly that before. Do something else."
        if mine in _failed_since_change(turns):
            return (
                "You did exactly that before, and it failed. Do something else, or finish and say what is in the way."
            )
        if part.arguments is None:
            return "That was too long. Give one short call."
        command = str(part.arguments.get("command", ""))
        emptied = _emptied(command)
        if emptied:
            target = rf">\s*['\"]?{re.escape(emptied)}['\"]?"
            mended = re.sub(target, f"> {emptied}.new && mv {emptied}.new {emptied}", command, count=1)
            return f"That empties {emptied} before it is read. Say: {mended}"
        sum_ = _SUM.search(command)
        if sum_ is not None:
            return f"echo does not calculate. Use python3 -c 'print({sum_.group(1).strip()})'"
        if "-exec" in command and not re.search(r"-exec .*(\\;|';'|\+)", command):
            return "That line is not whole. Do not use -exec: *.txt means all such files, and xargs passes names on."
        content = str(part.arguments.get("content", "")).strip()
        results = [turn.content.strip() for turn in turns if isinstance(turn, ToolTurn)]
        if part.tool == "write_file" and content and content in results:
            return "That is what was read, unchanged. What is wrong in it? Write it changed."
        return ""
    if _ADMITTED.search(part.text):
        return ""
    goal = next((turn.text for turn in turns if isinstance(turn, UserTurn)), "")
    # What a listing shows is not yet dealt with.
    seen = "\n".join(
        turn.content
        for turn in turns
        if isinstance(turn, ToolTurn) and turn.ok and not (turn.call_id.startswith(_LOOK) and turn.tool == "list_files")
    )
    touched = f"{json.dumps([call.arguments for call in calls])}\n{seen}"
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


_ADMITTED = re.compile(
    r"\b(no such|cannot|could not|can't|couldn't|not found|missing|there is no|not exist|not there)\b", re.IGNORECASE
)
_SUM = re.compile(r"\becho +['\"]?([\d.]+(?: *[*+/] *[\d.]+| +- +[\d.]+)+)")


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


def _undone(turns: Sequence[Turn]) -> str:
    """The last call that was to change something, if it failed."""
    for call, ok in reversed(_done(turns)):
        if _changes(call):
            return "" if ok else str((call.arguments or {}).get("command", "")) or call.tool
    return ""


def _failed_since_change(turns: Sequence[Turn]) -> list[tuple[str, dict[str, Any] | None]]:
    """The calls that failed since something was changed; they would fail again."""
    failed = []
    for call, ok in reversed(_done(turns)):
        if not ok:
            failed.append((call.tool, call.arguments))
        elif _changes(call):
            break
    return failed


def _done(turns: Sequence[Turn]) -> list[tuple[ToolCall, bool]]:
    """Its own calls, and whether each went well."""
    ok = {turn.call_id: turn.ok for turn in turns if isinstance(turn, ToolTurn)}
    calls = [part for turn in turns if isinstance(turn, ModelTurn) for part in turn.parts if isinstance(part, ToolCall)]
    return [(call, ok.get(call.id, True)) for call in calls if not call.id.startswith(_LOOK)]


def _changes(call: ToolCall) -> bool:
    if call.arguments is None or call.tool == "read_file":
        return False
    return call.tool != "run_command" or bool(_CHANGES.search(str(call.arguments.get("command", ""))))


def answer_grammar(tools: dict[str, dict[str, Any]], *, why: bool = False, end: bool = True) -> str:
    """One form per tool and one for the end: `tool first-argument`, a second argument in the lines below it.

    So nothing is quoted twice, which costs a small model words and mistakes. What has no such form is JSON. Optional
    arguments are left out: each costs and tempts. `why` asks for a reason first, `end` whether it may finish.
    """
    forms = []
    for name in _chosen(tools):
        keys = _plain_keys(tools[name])
        if len(keys) == 1:
            forms.append(f'"{name} " LINE')
        elif keys:
            forms.append(f'"{name} " LINE "\\n" TEXT')
        else:
            forms.append(f'"{name} " %json {json.dumps(_required(tools[name]))}')
    if "final_result" not in tools and (end or not forms):
        forms.append('"finish " TEXT')
    start = f"start: {'REASON ' if why else ''}({' | '.join(forms)})"
    return "\n".join(
        ("%llguidance {}", start, r"REASON: /# [^\n]{1,160}\n/", r"LINE: /[^\n]{1,600}/", r"TEXT: /(.|\n)+/")
    )


def _chosen(tools: dict[str, dict[str, Any]]) -> list[str]:
    names = [name for name in PREFERRED if name in tools]
    names += [name for name in tools if name == "final_result"]
    if len(tools) <= MAX_TOOLS or not names:
        names += [name for name in tools if name not in names][: MAX_TOOLS - len(names)]
    return names


def _plain_keys(schema: dict[str, Any]) -> list[str]:
    """The arguments of a tool that needs one or two texts and nothing else."""
    required = _required(schema)["properties"]
    plain = all(value.get("type") == "string" and "enum" not in value for value in required.values())
    return list(required) if plain and 1 <= len(required) <= 2 else []


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    keys = [key for key in schema.get("required", ()) if key in properties] or list(properties)
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {
        "type": "object",
        "properties": {key: _plain(properties[key]) for key in keys},
        "required": keys,
        "additionalProperties": False,
    } | definitions


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the words, and without lengths, which cost the grammar much."""
    dropped = ("description", "title", "default", "minLength", "maxLength", "format")
    return {key: value for key, value in schema.items() if key not in dropped} or {"type": "string"}


def prompt(turns: Sequence[Turn], instructions: str, answer_tokens: int) -> list[dict[str, str]]:
    """The chat for llama.cpp: the same beginning for every task, old results shortened where the context is short."""
    head = [{"role": "system", "content": _SYSTEM}]
    head += [{"role": role, "content": content} for role, content in _EXAMPLES]
    room = int((CONTEXT_TOKENS - answer_tokens - 64) * 2.6) - sum(len(m["content"]) + 16 for m in head)
    body: list[dict[str, str]] = []
    for kept in (KEPT_CHARS, 400, OLD_CHARS):
        body = _chat(turns, instructions, kept)
        if sum(len(m["content"]) + 16 for m in body) <= room:
            return head + body
    # The task itself and what happened last stay; what lies between is left out.
    while len(body) > 3 and sum(len(m["content"]) + 16 for m in body) > room:
        del body[1:3]
    return head + [{**m, "content": _shortened(m["content"], max(400, room // len(body)))} for m in body]


def look(turns: Sequence[Turn], tools: Collection[str]) -> list[ToolCall]:
    """Calls that are made without asking the model: what is there before it begins, and what a silent command did.

    They only read. A small model would guess instead of looking, and each of its own looks costs it seconds.
    """
    if not {"list_files", "search_files"} <= set(tools) or not turns:
        return []
    number = sum(isinstance(turn, ModelTurn) for turn in turns) + 1
    last = turns[-1]
    if len(turns) == 1 and isinstance(last, UserTurn):
        names = _NAMES.findall(last.text)
    elif isinstance(last, ToolTurn) and last.ok and last.content.endswith("(no output)"):
        command = _command_of(turns, last.call_id)
        if not _CHANGES.search(command):
            return []
        names = _NAMES.findall(command)
    else:
        return []
    calls = [ToolCall(f"{_LOOK}{number}-0", "list_files", {"path": ".", "recursive": True})]
    for place, name in enumerate(list(dict.fromkeys(names))[:4], 1):
        calls.append(ToolCall(f"{_LOOK}{number}-{place}", "search_files", {"pattern": "^", "glob": name}))
    return calls


_LOOK = "look-"


def _command_of(turns: Sequence[Turn], call_id: str) -> str:
    for turn in reversed(turns):
        for part in turn.parts if isinstance(turn, ModelTurn) else ():
            if isinstance(part, ToolCall) and part.id == call_id:
                return str((part.arguments or {}).get("command", ""))
    return ""


def _seen(result: ToolTurn) -> str:
    """What a look showed, in fewer words."""
    if not result.ok:
        return ""
    if result.tool == "list_files":
        lines = [] if result.content == "[empty]" else result.content.splitlines()
        names = [re.sub(r"  0$", " (empty)", line).split("  ")[0] for line in lines]
        more = f" and {len(names) - 40} more" if len(names) > 40 else ""
        return f"Files: {', '.join(names[:40]) or 'none'}{more}"
    contents: dict[str, list[str]] = {}
    for line in result.content.splitlines():
        found = re.match(r"([^:]+):\d+: (.*)", line)
        if found:
            contents.setdefault(found[1], []).append(found[2])
    return "\n".join(
        f"{name}:\n{_shortened(chr(10).join(lines).rstrip(), SEEN_CHARS)}" for name, lines in list(contents.items())[:4]
    )


def _absent(turns: Sequence[Turn], place: int) -> str:
    """The names a look was for that are not there: what is to be made, or what the task wrongly takes for granted."""
    wanted = {
        part.id: str(part.arguments["glob"])
        for turn in turns[:place]
        for part in (turn.parts if isinstance(turn, ModelTurn) else ())
        if isinstance(part, ToolCall) and part.arguments and "glob" in part.arguments
    }
    names = []
    for turn in turns[place:]:
        if not isinstance(turn, ToolTurn):
            break
        if turn.call_id in wanted and turn.content.endswith("[no match in 0 files]"):
            names.append(wanted[turn.call_id])
    return f"\nNot there: {', '.join(names)}" if names else ""


def _chat(turns: Sequence[Turn], instructions: str, kept: int) -> list[dict[str, str]]:
    body: list[dict[str, str]] = []
    last = len(turns) - 1
    hints = ""
    for place, turn in enumerate(turns):
        role = "user"
        if isinstance(turn, UserTurn):
            content = turn.text if body else f"Task: {turn.text}"
            if not body:
                hints = "".join(f"\nPerhaps, for {job}: {line}" for job, line in fitting(turn.text))
                if instructions:
                    content = f"{content}\n{instructions}"
                if not (place < last and _looked(turns[place + 1])):
                    content, hints = content + hints, ""
        elif isinstance(turn, ToolTurn):
            if turn.call_id.startswith(_LOOK):
                content = _seen(turn)
                if turn.tool == "list_files":
                    content += _absent(turns, place)
                if place == last or not isinstance(turns[place + 1], ToolTurn):
                    content, hints = (content + hints).strip(), ""
                if not content:
                    continue
            else:
                # Of a command that went well only what it printed.
                result = turn.content.removeprefix("exit code: 0\n").removeprefix("stdout:\n")
                result = _shortened(result, KEPT_CHARS if place == last else kept)
                content = f"{'ok' if turn.ok else 'failed'}: {result}"
                if not turn.ok and place == last and re.search("[Nn]o such file|there is no", result):
                    content += "\nIf it is not there, finish and say so."
        elif _looked(turn):
            continue
        else:
            role, content = "assistant", "\n".join(_said(part) for part in turn.parts if not isinstance(part, Thinking))
        if body and body[-1]["role"] == role:
            body[-1]["content"] += f"\n{content}"
        else:
            body.append({"role": role, "content": content})
    return body


def _looked(turn: Turn) -> bool:
    return isinstance(turn, ModelTurn) and any(isinstance(p, ToolCall) and p.id.startswith(_LOOK) for p in turn.parts)


def _said(part: Text | ToolCall) -> str:
    if isinstance(part, Text):
        return f"finish {part.text}"
    arguments = part.arguments or {}
    values = [str(value) for value in arguments.values()]
    if 1 <= len(values) <= 2 and all(isinstance(value, str) for value in arguments.values()):
        return f"{part.tool} " + "\n".join(value.rstrip("\n") for value in values)
    return f"{part.tool} {json.dumps(arguments, ensure_ascii=False, separators=(',', ':'))}"


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[-(limit - head) :]}"


def to_parts(content: str, call_id: str, tools: dict[str, dict[str, Any]]) -> tuple[str, Text | ToolCall]:
    """What the model's words mean: its reason, if any, and its call or last words.

    What cannot be read is a call without arguments.
    """
    why = ""
    if content.startswith("# "):
        why, _, content = content.removeprefix("# ").partition("\n")
    tool, _, rest = content.partition(" ")
    if tool == "finish":
        return why, Text(rest.strip())
    keys = _plain_keys(tools.get(tool, {}))
    values = rest.split("\n", 1) if len(keys) == 2 else [rest]
    if keys and len(values) == len(keys):
        arguments: dict[str, Any] = dict(zip(keys, (values[0].strip(), *values[1:]), strict=True))
        if "content" in arguments and not arguments["content"].endswith("\n"):
            arguments["content"] += "\n"
        return why, ToolCall(call_id, tool, arguments)
    try:
        found = json.loads(rest)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return why, ToolCall(call_id, tool, found)
    return why, ToolCall(call_id, tool, None, content)
