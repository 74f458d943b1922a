"""Typed results: from a class to the JSON Schema that an agent's result must satisfy, and back to an instance."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..model.errors import BadRequest


@dataclasses.dataclass(frozen=True)
class Output:
    """The schema to ask for, and what turns a result into what the caller wants."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]


def output_of(wanted: Any) -> Output:
    """`wanted` is a Pydantic model, a dataclass, a msgspec Struct, any annotation, or a JSON Schema (a dict).

    Raises `BadRequest` if no schema can be made of it.
    """
    if isinstance(wanted, Mapping):
        return Output(dict(wanted), lambda result: result)
    if _is_native(wanted):
        try:
            schema = msgspec.json.schema(wanted)
        except TypeError:
            pass  # something in it is pydantic's, which knows dataclasses too
        else:
            return Output(_plain(schema), lambda result: msgspec.convert(result, wanted))
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(wanted)
        schema = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise BadRequest(f"output={wanted!r} has no JSON Schema: {error}") from error
    return Output(_plain(schema), adapter.validate_python)


def _is_native(wanted: Any) -> bool:
    """Whether msgspec reads it. Pydantic takes typed dictionaries of `typing` only from Python 3.12 on."""
    if not isinstance(wanted, type) or hasattr(wanted, "__pydantic_validator__"):
        return False
    return issubclass(wanted, msgspec.Struct) or dataclasses.is_dataclass(wanted) or typing.is_typeddict(wanted)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own definition in place of a reference to it, which providers do not take at the top."""
    shared = schema.get("$defs", {})
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return {**shared[name], "$defs": shared} if name in shared else schema
