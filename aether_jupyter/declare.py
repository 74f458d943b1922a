"""Tools from functions: the signature is the schema, the docstring the description, the decorator the declaration.

    @tool(risk="write", effect="write", args={"path": "select:file", "text": "content"})
    async def note(ctx: ToolContext, path: str, text: str = "") -> str:
        '''Write a note.

        Args:
            path: File relative to the home.
            text: What to write.
        '''

`note` is then a `Tool`. In a class, `self` comes first and the tool is bound to the object it is read from; `tools_of`
lists them. An OpenAI function schema goes in by `from_function_schema` and comes out by `to_function_schema`.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import json
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, ParamSpec

import msgspec

from .abc import Tool, ToolContext
from .model.errors import ToolArguments
from .model.tool import Need, Outcome, Risk, ToolSpec

P = ParamSpec("P")
Body = Callable[..., Awaitable[Outcome | str]]
Effect = typing.Literal["read", "write", "send", "commit", "destroy"]


class FunctionTool(Generic[P]):
    """A tool whose body is an `async def`. It may return an `Outcome`, or a `str` that becomes a good one."""

    def __init__(self, spec: ToolSpec, function: Body, arguments: type[msgspec.Struct]) -> None:
        self.spec = spec
        self._function = function
        self._arguments = arguments
        self._names = arguments.__struct_fields__

    def __get__(self, instance: object | None, owner: type | None = None) -> FunctionTool[P]:
        if instance is None:
            return self
        return FunctionTool(self.spec, functools.partial(self._function, instance), self._arguments)

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with defaults filled in; raises `ToolArguments` with what is expected and what came."""
        given = arguments
        if None in arguments.values():
            # Many models send null for what they leave out.
            given = {name: value for name, value in arguments.items() if value is not None or not self._omits(name)}
        try:
            found = msgspec.convert(given, self._arguments, strict=False)
        except (msgspec.ValidationError, TypeError) as error:
            raise ToolArguments(complaint(self.spec, arguments, str(error))) from None
        return {name: getattr(found, name) for name in self._names}

    def _omits(self, name: str) -> bool:
        """Whether null can only mean that the argument is left out."""
        schema = self.spec.parameters["properties"].get(name)
        if schema is None or name in self.spec.parameters["required"]:
            return False
        choices: list[dict[str, Any]] = schema.get("anyOf", [schema])
        return not any(
            None in choice["enum"] if "enum" in choice else choice.get("type", "null") == "null" for choice in choices
        )

    async def __call__(self, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        result = await self._function(context, **arguments)
        return Outcome(ok=True, content=result) if isinstance(result, str) else result


def tool(
    *,
    risk: Risk | str,
    effect: Effect = "read",
    args: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    repeatable: bool = False,
    default: bool = True,
    needs: Need = "",
    name: str = "",
) -> Callable[[Callable[P, Awaitable[Outcome | str]]], FunctionTool[P]]:
    """Make a tool of the function below. The words are those of `ToolSpec`; `name` is the function's own if empty."""

    def decorate(function: Callable[P, Awaitable[Outcome | str]]) -> FunctionTool[P]:
        title = name or getattr(function, "__name__", "tool")
        description, words = _docstring(inspect.getdoc(function) or "")
        arguments = _struct(title, function)
        spec = ToolSpec(
            name=title,
            description=description,
            parameters=_schema(arguments, words),
            risk=Risk(risk),
            effect=effect,
            args=dict(args or {}),
            fields=dict(fields or {}),
            repeatable=repeatable,
            default=default,
            needs=needs,
        )
        unknown = set(spec.args) - set(arguments.__struct_fields__)
        if unknown:
            raise TypeError(f"tool {title} declares roles of arguments that it does not have: {sorted(unknown)}")
        return FunctionTool(spec, function, arguments)

    return decorate


def tools_of(instance: object) -> list[Tool]:
    """The tools that a class declares, bound to this object, in the order in which they are written."""
    found: dict[str, Tool] = {}
    for cls in reversed(type(instance).__mro__):
        for attribute, value in vars(cls).items():
            if isinstance(value, FunctionTool):
                found[attribute] = value.__get__(instance)
    return list(found.values())


class SchemaTool:
    """A tool described by a function schema that somebody else wrote. The schema is kept to the letter."""

    def __init__(
        self, spec: ToolSpec, function: Callable[..., Awaitable[Outcome | str]], schema: dict[str, Any]
    ) -> None:
        self.spec = spec
        self.schema = schema
        self._function = function

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as they came; raises `ToolArguments` where the schema does not allow them."""
        import jsonschema  # type: ignore[import-untyped, unused-ignore]

        error = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(self.spec.parameters).iter_errors(arguments)
        )
        if error is not None:
            raise ToolArguments(complaint(self.spec, arguments, f"{error.message} - at `{error.json_path}`"))
        return arguments

    async def __call__(self, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        result = await self._function(**arguments)
        return Outcome(ok=True, content=result) if isinstance(result, str) else result


def from_function_schema(
    schema: dict[str, Any],
    function: Callable[..., Awaitable[Outcome | str]],
    *,
    risk: Risk | str,
    effect: Effect = "write",
) -> SchemaTool:
    """A tool from an OpenAI function schema, with or without its `{"type": "function"}` cover."""
    inner = schema.get("function", schema)
    spec = ToolSpec(
        name=inner["name"],
        description=inner.get("description", ""),
        parameters=inner.get("parameters") or {"type": "object", "properties": {}},
        risk=Risk(risk),
        effect=effect,
    )
    return SchemaTool(spec, function, copy.deepcopy(schema))


def to_function_schema(declared: Tool | ToolSpec) -> dict[str, Any]:
    """The OpenAI function schema of a tool; one that came in as such a schema comes out unchanged."""
    if isinstance(declared, SchemaTool):
        return copy.deepcopy(declared.schema)
    spec = declared if isinstance(declared, ToolSpec) else declared.spec
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
    }


def complaint(spec: ToolSpec, arguments: Any, reason: str) -> str:
    """What is wrong with the arguments, in words a model can act on."""
    properties: dict[str, Any] = spec.parameters.get("properties", {})
    required: list[str] = spec.parameters.get("required", [])
    said: list[str] = []
    if isinstance(arguments, dict):
        for name in arguments:
            if name not in properties:
                near = difflib.get_close_matches(name, properties, 1)
                said.append(f"there is no argument {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        missing = [name for name in required if name not in arguments]
        if missing:
            said.append(f"missing: {', '.join(missing)}")
    if not said or ("required field" not in reason and "unknown field" not in reason):
        said.append(_plainly(reason))
    takes = ", ".join(
        f"{name} ({_type_word(schema)}{', required' if name in required else ''})"
        for name, schema in properties.items()
    )
    came = json.dumps(arguments, ensure_ascii=False, default=str)
    if len(came) > 300:
        came = came[:300] + "…"
    return f"{spec.name}: {'; '.join(said)}. It takes: {takes or 'no arguments'}. You gave: {came}"


def _plainly(reason: str) -> str:
    found = re.match(r"(?s)(.*?) - at `\$\.?(.*?)`$", reason)
    if found is None:
        return reason
    return f"argument {found[2]!r}: {found[1]}" if found[2] else found[1]


def _type_word(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_word(choice) for choice in schema["anyOf"])
    kind = schema.get("type", "anything")
    return f"list of {_type_word(schema['items'])}" if kind == "array" and "items" in schema else str(kind)


def _struct(title: str, function: Callable[..., Any]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    while parameters and hints.get(parameters[0].name) is not ToolContext:
        if parameters[0].name != "self":
            raise TypeError(f"tool {title}: the first parameter is to be the ToolContext")
        parameters.pop(0)
    fields: list[Any] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise TypeError(f"tool {title}: *{parameter.name} has no schema")
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        elif isinstance(parameter.default, (list, dict, set)):
            made = functools.partial(copy.deepcopy, parameter.default)
            fields.append((parameter.name, hints[parameter.name], msgspec.field(default_factory=made)))
        else:
            fields.append((parameter.name, hints[parameter.name], parameter.default))
    return msgspec.defstruct(title, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct], words: dict[str, str]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = _inlined(reference, components)
    schema.pop("title", None)
    schema.setdefault("required", [])
    schema["additionalProperties"] = False
    for name, described in schema["properties"].items():
        described.pop("title", None)
        if name in words:
            described.setdefault("description", words[name])
        if "description" not in described:
            raise TypeError(f"tool {arguments.__name__}: argument {name} has no description")
    return schema


def _inlined(node: Any, components: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return _inlined(components[node["$ref"].rsplit("/", 1)[1]], components) | rest
        return {key: _inlined(value, components) for key, value in node.items()}
    if isinstance(node, list):
        return [_inlined(value, components) for value in node]
    return node


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description and what its `Args:` part says of each argument."""
    before, _, after = text.partition("\nArgs:\n")
    words: dict[str, str] = {}
    name = ""
    for line in after.splitlines():
        found = re.match(r"\s{1,8}(\w+):\s+(.*)", line)
        if found:
            name, words[found[1]] = found[1], found[2].strip()
        elif name and line.strip():
            words[name] += " " + line.strip()
    return " ".join(before.split()), words
