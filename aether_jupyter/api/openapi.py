"""The OpenAPI 3.1 document, from the routes' signatures and docstrings and from the classes that go over the wire.

`python -m aether_jupyter.api.openapi > labextension/openapi.json` writes it; the TypeScript types come from that file.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import pkgutil
import re
import sys
import typing
from collections.abc import Iterable
from typing import Any

import msgspec

from .. import __version__
from ..answers import Frame, Problem
from ..model.access import SCOPES
from ..model.errors import AetherError, BadRequest, Forbidden, NotFound
from ..model.screencast import Input, SeenFrame, Shown
from .bodies import Watch
from .routes import ROUTES
from .routing import IMAGE_TYPES, PROBLEM, ZIP, Argument, Attachment, Route, is_upload

REFERENCE = "#/components/schemas/{name}"


@functools.cache
def document() -> dict[str, Any]:
    """The whole document as plain JSON."""
    requests = [each.body for each in ROUTES if each.body is not None and not is_upload(each.body)]
    answers = [each.returns for each in ROUTES if each.returns not in (None, type(None), Attachment)]
    frames = list(typing.get_args(Frame))
    shown = list(typing.get_args(Shown))
    inputs = [SeenFrame, *typing.get_args(Input)]
    arguments = [argument.type for each in ROUTES for argument in (*each.in_path, *each.in_query)]
    kinds = [*requests, Watch, *inputs, *answers, *frames, *shown, Problem, *arguments]
    found, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    by_kind = [(kind, schema) for kind, schema in zip(kinds, found, strict=True)]
    sent = _reachable([schema for kind, schema in by_kind if kind in (*requests, Watch, *inputs)], schemas)
    answered = _reachable([schema for kind, schema in by_kind if kind in (*answers, *frames, *shown, Problem)], schemas)
    _part(schemas, sent, answered)
    for name, schema in schemas.items():
        if name in answered:
            _require(schema)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])

    def schema_of(kind: Any) -> dict[str, Any]:
        return next(schema for other, schema in by_kind if other is kind or other == kind)

    paths: dict[str, dict[str, Any]] = {}
    for each in ROUTES:
        paths.setdefault(each.full_path, {})[each.method.lower()] = _operation(each, schema_of)
    messages = [schema_of(each) for each in inputs], [schema_of(each) for each in shown]
    paths["/aether/browsers/{pid}"] = {"get": _screencast(*messages)}
    paths["/aether/feed"] = {"get": _feed(schema_of(Watch), [schema_of(frame) for frame in frames])}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aether Jupyter",
            "version": __version__,
            "description": "Agents as processes of a Jupyter server. Errors are problem JSON; `type` is their code.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [
            {
                "url": "{base_url}",
                "description": "a Jupyter server",
                "variables": {"base_url": {"default": "/", "description": "its base URL"}},
            }
        ],
        "security": [{"token": []}, {"cookie": [], "xsrf": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token ` and Jupyter's token",
                },
                "cookie": {"type": "apiKey", "in": "cookie", "name": "username-host", "description": "Jupyter's login"},
                "xsrf": {"type": "apiKey", "in": "header", "name": "X-XSRFToken", "description": "the cookie `_xsrf`"},
            },
        },
        "x-scopes": SCOPES,
        "x-errors": {code: kind.status for code, kind in sorted(AetherError.registry.items())},
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _operation(each: Route, schema_of: Any) -> dict[str, Any]:
    summary, _, more = inspect.cleandoc(each.call.__doc__ or "").partition(". ")
    module = each.call.__module__.rpartition(".")[2]
    operation: dict[str, Any] = {
        "operationId": each.operation_id,
        "tags": [module],
        "summary": summary.rstrip("."),
        **({"description": more} if more else {}),
        "x-scope": each.scope,
    }
    parameters = [
        *({"name": a.name, "in": "path", "required": True, "schema": schema_of(a.type)} for a in each.in_path),
        *(_in_query(a, schema_of(a.type)) for a in each.in_query),
    ]
    if parameters:
        operation["parameters"] = parameters
    if is_upload(each.body):
        content = {media: {"schema": {"format": "binary"}} for media in each.body.media}
        operation["requestBody"] = {"required": True, "content": content}
    elif each.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of(each.body)}},
        }
    operation["responses"] = {str(each.status): _answer(each, schema_of), **_problems(each)}
    return operation


def _in_query(argument: Argument, schema: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if key != "default"}
    if argument.default is not None and argument.default is not inspect.Parameter.empty and not argument.many:
        schema["default"] = argument.default
    return {
        "name": argument.name,
        "in": "query",
        "required": argument.default is inspect.Parameter.empty,
        # `limit=` is the same as no limit given
        **({"allowEmptyValue": True} if argument.default is not inspect.Parameter.empty else {}),
        **({"style": "form", "explode": False} if argument.many else {}),
        "schema": schema,
    }


def _answer(each: Route, schema_of: Any) -> dict[str, Any]:
    if each.returns in (None, type(None)):
        return {"description": "done"}
    if each.returns is Attachment:
        return {
            "description": "a file",
            "headers": {"Content-Disposition": {"schema": {"type": "string"}}},
            "content": {
                media: {
                    "schema": {"format": "binary"} if media in ("application/octet-stream", ZIP, *IMAGE_TYPES) else {}
                }
                for media in each.media
            },
        }
    return {"description": "done", "content": {"application/json": {"schema": schema_of(each.returns)}}}


def _problems(each: Route) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    kinds: list[type[AetherError]] = [BadRequest, Forbidden]
    if each.in_path and not each.errors:
        kinds.append(NotFound)
    kinds += each.errors
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind.code)
    if each.body is not None:
        by_status.update({413: [BadRequest.code], 415: [BadRequest.code]})
    content = {PROBLEM: {"schema": {"$ref": REFERENCE.format(name=Problem.__name__)}}}
    return {
        **{
            str(status): {"description": " or ".join(f"`{code}`" for code in dict.fromkeys(codes)), "content": content}
            for status, codes in sorted(by_status.items())
        },
        "default": {"description": "any other problem", "content": content},
    }


def _feed(watch: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": REFERENCE.format(name=Problem.__name__)}}}
    return {
        "operationId": "feed",
        "tags": ["feed"],
        "summary": "A WebSocket that tells what happens to one's agents",
        "description": "Text frames, each one of `x-frames`. Without a cursor, with one that is too old, or when it "
        "reads too slowly, a client gets a snapshot first. A client may send `x-messages` at any time.",
        "x-scope": "processes:read",
        "x-frames": {"anyOf": frames},
        "x-messages": watch,
        "parameters": [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 0}}
        ],
        "responses": {
            "101": {"description": "the feed begins"},
            "400": {"description": "no WebSocket, or no such cursor", "content": content},
            "403": {"description": "not logged in, or from a foreign page", "content": content},
        },
    }


def _screencast(sent: list[dict[str, Any]], shown: list[dict[str, Any]]) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": REFERENCE.format(name=Problem.__name__)}}}
    pid = {"type": "integer", "minimum": 1}
    return {
        "operationId": "screencast",
        "tags": ["browsers"],
        "summary": "A WebSocket that shows an agent's browser, and takes what whoever has control does there",
        "description": "Binary frames are JPEG pictures of the page in front, a CSS pixel a pixel; the next comes when "
        "`seen` was sent for the last. Text frames are each one of `x-frames`; a client sends one of `x-messages`, "
        "which act only while it has control.",
        "x-scope": "displays:view",
        "x-frames": {"anyOf": shown},
        "x-messages": {"anyOf": sent},
        "parameters": [
            {"name": "pid", "in": "path", "required": True, "schema": pid},
            {"name": "view_only", "in": "query", "required": False, "schema": {"type": "boolean"}},
        ],
        "responses": {
            "101": {"description": "the screencast begins"},
            "400": {"description": "no WebSocket", "content": content},
            "403": {"description": "not logged in, or from a foreign page", "content": content},
            "404": {"description": "no such agent, or it does not browse", "content": content},
        },
    }


def _reachable(schemas: Iterable[dict[str, Any]], components: dict[str, Any]) -> set[str]:
    """The names of the components that these schemas refer to, and those in turn."""
    found: set[str] = set()
    waiting = list(schemas)
    while waiting:
        for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(components[name])
    return found


def _part(schemas: dict[str, dict[str, Any]], sent: set[str], answered: set[str]) -> None:
    """Give what goes both ways two schemas: in a request `PartialX`, where defaults may be left out, else `X`."""
    both = {name for name in sent & answered if "properties" in schemas[name] and name not in _sparse()}

    def parted(schema: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(schema)
        for name in both:
            text = text.replace(f'"{REFERENCE.format(name=name)}"', f'"{REFERENCE.format(name=f"Partial{name}")}"')
        return json.loads(text)  # type: ignore[no-any-return]

    for name in both:
        schemas[f"Partial{name}"] = {**parted(schemas[name]), "title": f"Partial{name}"}
    for name in sent - answered:
        schemas[name] = parted(schemas[name])


def _require(schema: dict[str, Any]) -> None:
    """What the server writes holds every field, unless its class leaves out defaults."""
    if "properties" in schema and schema["title"] not in _sparse():
        schema["required"] = list(schema["properties"])


@functools.cache
def _sparse() -> frozenset[str]:
    from .. import answers, model

    modules = [
        importlib.import_module(f"{model.__name__}.{each.name}") for each in pkgutil.iter_modules(model.__path__)
    ]
    return frozenset(
        name
        for module in (answers, *modules)
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, msgspec.Struct) and thing.__struct_config__.omit_defaults
    )


if __name__ == "__main__":
    sys.stdout.write(text())
