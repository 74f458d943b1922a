"""A function's signature is its schema, and its refusals can be acted on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from aether_jupyter.abc import Tool, ToolContext
from aether_jupyter.declare import FunctionTool, from_function_schema, to_function_schema, tool, tools_of
from aether_jupyter.model.errors import ToolArguments
from aether_jupyter.model.tool import Outcome, Risk

pytestmark = pytest.mark.anyio


class Place(msgspec.Struct):
    """Where."""

    lat: float
    lon: float = 0.0


@tool(risk="network", effect="send", args={"to": "dest:email"}, fields={"id": "system"}, repeatable=True)
async def post(
    ctx: ToolContext,
    to: str,
    count: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1,
    kind: Literal["note", "call"] = "note",
    tags: list[str] = [],  # noqa: B006
    place: Place | None = None,
) -> str:
    """Post something
    to somebody.

    Args:
        to: Who gets it,
            by name.
        count: How often.
        kind: What it is.
        tags: Words.
        place: Where it is from.
    """
    tags.append("seen")
    return f"{to} {count} {kind} {tags} {place}"


def test_signature_and_docstring_become_the_declaration() -> None:
    spec = post.spec
    assert (spec.name, spec.description) == ("post", "Post something to somebody.")
    assert (spec.risk, spec.effect, spec.repeatable, spec.default) == (Risk.NETWORK, "send", True, True)
    assert (spec.args, spec.fields) == ({"to": "dest:email"}, {"id": "system"})
    assert spec.parameters["required"] == ["to"]
    assert spec.parameters["additionalProperties"] is False
    properties = spec.parameters["properties"]
    assert properties["to"] == {"type": "string", "description": "Who gets it, by name."}
    assert properties["count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "default": 1,
        "description": "How often.",
    }
    assert set(properties["kind"]["enum"]) == {"note", "call"}
    assert "$ref" not in msgspec.json.encode(spec.parameters).decode()
    assert isinstance(post, Tool)


async def test_arguments_are_converted_and_completed() -> None:
    found = post.check({"to": "ada", "count": "3", "place": {"lat": 1}})
    assert found == {"to": "ada", "count": 3, "kind": "note", "tags": [], "place": Place(1.0, 0.0)}
    left_out = {"to": "ada", "count": None, "kind": None, "tags": None, "place": None}
    assert post.check(left_out) == post.check({"to": "ada"})
    context: Any = None
    assert (await post(context, post.check({"to": "ada"}))).content == "ada 1 note ['seen'] None"
    assert (await post(context, post.check({"to": "ada"}))).content == "ada 1 note ['seen'] None"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["missing: to", "to (string, required)", "You gave: {}"]),
        ({"too": "x"}, ["no argument 'too' (did you mean 'to'?)", "missing: to"]),
        ({"to": None}, ["'to'", "Expected `str`, got `null`"]),
        ({"to": 5}, ["'to'", "Expected `str`, got `int`"]),
        ({"to": "x", "count": 9}, ["'count'", "<= 5"]),
        ({"to": "x", "count": "many"}, ["'count'", "Expected `int`, got `str`"]),
        ({"to": "x", "kind": "shout"}, ["'kind'", "shout", 'one of "call", "note"']),
        ({"to": "x", "tags": "a"}, ["'tags'", "list of string"]),
        ({"to": "x", "place": {}}, ["lat"]),
        ({"to": "x", "y": "z" * 5000}, ["no argument 'y'"]),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ToolArguments) as caught:
        post.check(arguments)
    for word in ("post: ", *words):
        assert word in caught.value.message
    assert len(caught.value.message) < 800


def test_undescribed_argument_is_a_mistake_of_the_author() -> None:
    with pytest.raises(TypeError, match="no description"):

        @tool(risk="safe")
        async def silent(ctx: ToolContext, what: str) -> str:
            """Do."""
            return what

    with pytest.raises(TypeError, match="roles"):

        @tool(risk="safe", args={"other": "dest"})
        async def confused(ctx: ToolContext) -> str:
            """Do."""
            return ""

    with pytest.raises(TypeError, match="ToolContext"):

        @tool(risk="safe")
        async def plain(what: str) -> str:
            """Do."""
            return what


class Counter:
    """Tools with a state."""

    def __init__(self, step: int) -> None:
        self.step = step

    @tool(risk="safe")
    async def add(self, ctx: ToolContext, to: int) -> Outcome:
        """Add.

        Args:
            to: A number.
        """
        return Outcome(ok=True, content=str(to + self.step))


async def test_methods_become_tools_of_their_object() -> None:
    context: Any = None
    one, ten = (tools_of(Counter(step))[0] for step in (1, 10))
    assert isinstance(Counter.add, FunctionTool)
    assert one.spec is ten.spec
    assert [(await t(context, t.check({"to": 5}))).content for t in (one, ten)] == ["6", "15"]


SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a place.",
            "strict": True,
            "parameters": {
                "type": "object",
                "$defs": {"unit": {"enum": ["c", "f"]}},
                "properties": {"place": {"type": "string"}, "unit": {"$ref": "#/$defs/unit"}},
                "required": ["place"],
                "additionalProperties": False,
            },
        },
    },
    {"name": "bare", "description": "No cover.", "parameters": {"type": "object", "properties": {}}},
    {"type": "function", "function": {"name": "nothing"}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_function_schema_comes_out_as_it_went_in(schema: dict[str, Any]) -> None:
    async def body(**arguments: Any) -> str:
        return repr(arguments)

    made = from_function_schema(schema, body, risk="network")
    assert to_function_schema(made) == schema
    again = from_function_schema(to_function_schema(post), body, risk="safe")
    assert again.spec.parameters == post.spec.parameters


async def test_foreign_schema_is_enforced() -> None:
    async def body(place: str, unit: str = "c") -> str:
        return place + unit

    made = from_function_schema(SCHEMAS[0], body, risk="network")
    context: Any = None
    assert (await made(context, made.check({"place": "Ulm", "unit": "f"}))).content == "Ulmf"
    for wrong, word in (
        ({}, "missing: place"),
        ({"place": "x", "unit": "k"}, "'k' is not one of"),
        ({"place": 1}, "place"),
    ):
        with pytest.raises(ToolArguments, match=word):
            made.check(wrong)
