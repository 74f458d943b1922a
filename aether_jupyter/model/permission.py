"""Permissions: lines of a policy that allow, ask or deny the calls that fit their conditions.

One line as text, as the configuration, the terminal and notebooks take it:

    deny tool=run_command model=!local:* why="the code stays in the house"

`engine.permissions` says when a call fits and which line wins.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from .errors import BadRequest
from .tool import Risk

Glob = Annotated[str, msgspec.Meta(max_length=500)]
PermissionVerdict = Literal["allow", "ask", "deny"]

CONDITIONS = ("tool", "risk", "agent", "role", "folder", "model", "host")


class Permission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line: what happens to the calls that fit all its conditions. An empty condition fits every call.

    `tool`, `agent`, `role`, `model` (as `provider:model`) and `host` are patterns with `*`, `?` and `[…]`, and so is
    each part of `folder`, where `**` stands for any number of parts. A folder is relative to the agent's home, or
    `/workspaces/NAME`, and holds all that lies in it. A `!` in front of a pattern turns it round. `why` is told to
    the person who is asked and to the model that is refused.
    """

    verdict: PermissionVerdict
    tool: Glob = ""
    risk: tuple[Risk, ...] = ()
    agent: Glob = ""
    role: Glob = ""
    folder: Glob = ""
    model: Glob = ""
    host: Glob = ""
    why: Annotated[str, msgspec.Meta(max_length=1000)] = ""

    def __post_init__(self) -> None:
        for name in CONDITIONS:
            pattern = getattr(self, name)
            if isinstance(pattern, str) and (fault := _fault(name, pattern)):
                raise ValueError(f"{name}={pattern!r}: {fault}")

    def __str__(self) -> str:
        """The line as text, without `why`."""
        given = {name: ",".join(self.risk) if name == "risk" else getattr(self, name) for name in CONDITIONS}
        return " ".join((self.verdict, *(f"{name}={shlex.quote(value)}" for name, value in given.items() if value)))


def parse_permission(line: str | Mapping[str, Any] | Permission) -> Permission:
    """A permission from its text or its fields. Raises `BadRequest` with what is wrong and what there is."""
    if isinstance(line, Permission):
        return line
    if not isinstance(line, str | Mapping):
        raise BadRequest(f"{line!r} is no permission. {_FORM}")
    fields = _fields(line) if isinstance(line, str) else dict(line)
    known = Permission.__struct_fields__
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadRequest(f"{line!r} has no condition {name!r}.{hint} There are: {', '.join(CONDITIONS)}, why")
    try:
        return msgspec.convert(fields, Permission)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{line!r}: {error}. {_FORM}") from None


_FORM = "Write it as: allow, ask or deny, then conditions such as tool=run_command or folder=/workspaces/NAME"


def _fields(line: str) -> dict[str, Any]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadRequest(f"{line!r}: {error}. {_FORM}") from None
    if not words or words[0] not in ("allow", "ask", "deny"):
        raise BadRequest(f"{line!r} begins with none of allow, ask, deny. {_FORM}")
    fields: dict[str, Any] = {"verdict": words[0]}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise BadRequest(f"{line!r}: {word!r} is no condition. {_FORM}")
        if name in fields:
            raise BadRequest(f"{line!r} has {name} twice; write two permissions")
        fields[name] = value.split(",") if name == "risk" else value
    return fields


def _fault(name: str, pattern: str) -> str:
    """What is wrong with a pattern, or nothing."""
    bare = pattern.removeprefix("!")
    if not pattern:
        return ""
    if not bare.strip():
        return "the pattern is empty"
    if any(ord(letter) < 32 for letter in bare):
        return "the pattern holds a control character"
    if bare.count("[") != bare.count("]"):
        return "a '[' without its ']' (or the other way round)"
    if name == "folder" and ".." in bare.replace("\\", "/").split("/"):
        return "'..' leads nowhere here; name the folder itself"
    if name == "host" and ("/" in bare or "@" in bare or bare.count(":") == 1):
        return "a host is a name such as *.example.org, without scheme, port, path or user"
    if name == "model" and ":" not in bare and "*" not in bare:
        return "a model is named provider:model, such as openai:* or local:*"
    return ""
