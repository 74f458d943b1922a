"""What a small model may answer, and what its answer means.

Each answer is one JSON object: a call of one tool, or `finish`. A grammar holds the model to the objects, and is
lenient where small models fail: with the marks that JSON wants before quotation marks and backslashes.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from ..model.message import Text, ToolCall

PREFERRED = ("run_command", "write_file", "append_file", "read_file")
MAX_TOOLS = 6


def answer_schema(tools: dict[str, dict[str, Any]], *, why: bool = False, end: bool = True) -> dict[str, Any]:
    """One closed object per tool and one for the end. Optional arguments are left out: each costs and tempts.

    `why` asks for a reason first, `end` whether it may finish.
    """
    names = [name for name in PREFERRED if name in tools]
    names += [name for name in tools if name == "final_result"]
    if len(tools) <= MAX_TOOLS or not names:
        names += [name for name in tools if name not in names][: MAX_TOOLS - len(names)]
    objects = [_object(name, tools[name], why) for name in names]
    if "final_result" not in tools and (end or not objects):
        answer = {"properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        objects.append(_object("finish", answer, why))
    definitions = {key: value for name in names for key, value in tools[name].get("$defs", {}).items()}
    return {"anyOf": objects} | ({"$defs": definitions} if definitions else {})


def _object(name: str, schema: dict[str, Any], why: bool) -> dict[str, Any]:
    first: dict[str, Any] = {"why": {"type": "string"}} if why else {}
    properties = schema.get("properties", {})
    required = [key for key in schema.get("required", ()) if key in properties]
    if not required:
        required = list(properties)
    return {
        "type": "object",
        "properties": first | {"tool": {"const": name}} | {key: _plain(properties[key]) for key in required},
        "required": [*first, "tool", *required],
        "additionalProperties": False,
    }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the words, and without lengths, which llama.cpp's grammars repeat to the letter."""
    dropped = ("description", "title", "default", "minLength", "maxLength", "format")
    return {key: value for key, value in schema.items() if key not in dropped} or {"type": "string"}


# JSON wants quotation marks and backslashes doubled by a backslash, which a small model forgets in shell lines and
# patterns. Held to JSON it would have to go on with something that it never meant, so here any character may follow a
# backslash, and the last text may have bare quotation marks: only `"}` and the model's own end of turn close it.
_TEXTS = r"""TEXT: /"([^"\\\x00-\x1f]|\\[^\x00-\x1f])*"/
LAST: /"[^\x00-\x1f]*"\}/"""


def grammar(schema: dict[str, Any]) -> str:
    """What llama.cpp is to hold the answer to: the objects of `answer_schema`, closely set, as Lark for llguidance."""
    rules: list[str] = []
    for found in schema["anyOf"]:
        if all(value == {"type": "string"} or "const" in value for value in found["properties"].values()):
            rules.append(_closely(found["properties"]))
        else:
            rules.append(f"%json {json.dumps(found | {key: schema[key] for key in schema.keys() & {'$defs'}})}")
    start = f"start: {' | '.join(f'a{n}' for n in range(len(rules)))}"
    return "\n".join(["%llguidance {}", start, _TEXTS, *(f"a{n}: {rule}" for n, rule in enumerate(rules))])


def _closely(properties: dict[str, Any]) -> str:
    parts: list[str] = []
    fixed = "{"
    for key, value in properties.items():
        fixed += f"{json.dumps(key)}:"
        if "const" in value:
            fixed += f"{json.dumps(value['const'])},"
        else:
            parts += [json.dumps(fixed), "TEXT"]
            fixed = ","
    if fixed == ",":
        return " ".join([*parts[:-1], "LAST"])
    return " ".join([*parts, json.dumps(f"{fixed.removesuffix(',')}}}")])


# What JSON knows stays; before all else the backslash is meant for itself. So it is in \b and \/, which JSON knows too.
_ESCAPE = re.compile(r'\\(?:["\\nrt]|u[0-9a-fA-F]{4}|(.))')
_OBJECT = re.compile(r'(\{(?:"\w+":"(?:[^"\\]|\\.)*",)*"\w+":")(.*)("\})\s*', re.DOTALL)


def _read(content: str) -> Any:
    """The object that was meant: JSON, but for lone backslashes and bare quotation marks in its last text."""
    content = _ESCAPE.sub(lambda escape: f"\\{escape[0]}" if escape[1] else escape[0], content)
    with contextlib.suppress(ValueError):
        return json.loads(content)
    found = _OBJECT.fullmatch(content)
    if found is None:
        return None
    text = re.sub(r'\\.|"', lambda mark: '\\"' if mark[0] == '"' else mark[0], found[2])
    with contextlib.suppress(ValueError):
        return json.loads(f"{found[1]}{text}{found[3]}")
    return None


def to_parts(content: str, call_id: str) -> tuple[str, Text | ToolCall]:
    """What one JSON object of the model means: its reason, if any, and its call or last words.

    What cannot be read is a call without arguments.
    """
    found = _read(content)
    if not isinstance(found, dict) or not isinstance(found.get("tool"), str):
        return "", ToolCall(call_id, "unknown", None, content)
    tool = found.pop("tool")
    why = str(found.pop("why", ""))
    if tool == "finish":
        return why, Text(str(found.get("answer", "")))
    return why, ToolCall(call_id, tool, found)
