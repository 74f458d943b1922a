"""What a small model may answer, and what its answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.answer_grammar import answer_schema, grammar, to_parts

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


def names(schema: dict[str, Any]) -> list[str]:
    return [choice["properties"]["tool"]["const"] for choice in schema["anyOf"]]


def test_of_many_tools_it_gets_the_few_it_can_use() -> None:
    assert names(answer_schema(TOOLS)) == ["run_command", "write_file", "append_file", "read_file", "finish"]


def test_of_few_tools_it_gets_all() -> None:
    few = {name: TOOLS[name] for name in ("list_files", "edit_file")}
    assert names(answer_schema(few)) == ["list_files", "edit_file", "finish"]


def test_a_typed_result_takes_the_place_of_the_last_words() -> None:
    schema = answer_schema(TOOLS | {"final_result": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}})
    assert names(schema)[-1] == "final_result"
    assert schema["anyOf"][-1]["properties"]["n"] == {"type": "integer"}


def test_every_object_is_closed_and_reasons_come_first() -> None:
    for choice in answer_schema(TOOLS, why=True)["anyOf"]:
        assert choice["additionalProperties"] is False
        assert choice["required"][0] == "why"
        assert list(choice["properties"]) == choice["required"]


def test_texts_are_held_leniently_and_all_else_to_its_schema() -> None:
    typed = {"final_result": {"properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"], "$defs": {"N": {}}}}
    lines = grammar(answer_schema({"write_file": TOOLS["write_file"]} | typed, why=True)).splitlines()
    assert lines[0] == "%llguidance {}"
    assert lines[1] == "start: a0 | a1"
    assert lines[-2] == r'a0: "{\"why\":" TEXT ",\"tool\":\"write_file\",\"path\":" TEXT ",\"content\":" LAST'
    held = json.loads(lines[-1].removeprefix("a1: %json "))
    assert held["$defs"] == {"N": {}}
    assert held["required"] == ["why", "tool", "n"]


def test_a_call_without_arguments_is_only_its_name() -> None:
    schema = answer_schema({"list_requests": {"properties": {}}}, end=False)
    assert grammar(schema).splitlines()[-1] == r'a0: "{\"tool\":\"list_requests\"}"'


def test_answers_become_calls_and_words() -> None:
    assert to_parts('{"tool":"read_file","path":"a"}', "c") == ("", ToolCall("c", "read_file", {"path": "a"}))
    assert to_parts('{"why":"w","tool":"finish","answer":"done"}', "c") == ("w", Text("done"))
    assert to_parts('{"tool":"read_fi', "c")[1] == ToolCall("c", "unknown", None, '{"tool":"read_fi')


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (r"find . -exec rm {} \;", r"find . -exec rm {} \;"),
        (r"grep '\bx\.y\/z' \"a b\" c", r"""grep '\bx\.y\/z' "a b" c"""),
        (r"""awk '$2=="open"{print "}" $1}' a""", """awk '$2=="open"{print "}" $1}' a"""),
        (r"printf 'a\nb' \\; echo \u00e9 \u", "printf 'a\nb' \\; echo é \\u"),
        (r"""echo "a" > \"b\"""", '''echo "a" > "b"'''),
        (r'{"a": "b"}', '{"a": "b"}'),
    ],
)
def test_lone_backslashes_and_bare_quotation_marks_are_taken_as_meant(said: str, meant: str) -> None:
    assert to_parts(f'{{"why":"a \\"b\\"","tool":"run_command","command":"{said}"}}', "c") == (
        'a "b"',
        ToolCall("c", "run_command", {"command": meant}),
    )
