"""Typed results: the schema a person gave, and whether what the model gives fits it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..model.errors import BadRequest, ToolArguments
from ..model.message import ToolCall


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `BadRequest` for what is no JSON Schema, or leads out of itself: nothing is fetched to judge a result."""
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path)) or "the schema"
        raise BadRequest(f"output_schema: {where}: {error.message[:300]}") from None
    for reference in _references(schema):
        if not _leads_somewhere(schema, reference):
            raise BadRequest(
                f"output_schema: $ref {reference[:200]!r} leads nowhere in it; put what it means into $defs"
            )


def fitting(call: ToolCall, schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the result tool, if they satisfy its schema; else `ToolArguments`."""
    from jsonschema import Draft202012Validator

    if call.arguments is None:
        raise ToolArguments(f"{call.tool}: the arguments are not a JSON object. You gave: {call.raw[:300]}")
    faults = sorted(Draft202012Validator(schema).iter_errors(call.arguments), key=lambda fault: list(fault.path))
    if faults:
        told = "; ".join(f"{'.'.join(map(str, f.path)) or 'the object'}: {f.message[:200]}" for f in faults[:5])
        raise ToolArguments(f"{call.tool} does not fit its schema: {told}")
    return call.arguments


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _leads_somewhere(schema: Any, reference: str) -> bool:
    """Whether a JSON pointer (`#/$defs/Row`) finds something in the schema."""
    if not reference.startswith("#"):
        return False
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and key.isdigit() and int(key) < len(schema):
            schema = schema[int(key)]
        elif isinstance(schema, dict) and key in schema:
            schema = schema[key]
        else:
            return False
    return reference == "#" or reference.startswith("#/")
