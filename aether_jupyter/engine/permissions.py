"""Which permissions fit a call, and which of them wins; pure.

A condition is held against everything in the call that it could be about: every path, every host, every name. Where
that cannot be known – a path with `..`, a program that can open any file – it *may* fit. A deny or an ask holds if
anything fits or may fit; an allow only if all of it surely fits. So doubt asks or refuses, and never frees.

Deny beats ask beats allow, whoever wrote them: nobody's allow loosens another's deny or ask.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ..model.agent import AgentSpec
from ..model.permission import Permission
from ..model.tool import Risk, ToolSpec

Fit = bool | None
"""Surely, surely not, or `None`: it may."""

Level = Literal["administrator", "person"]

PATH_KINDS = frozenset({"file", "folder", "path"})
HOST_KINDS = frozenset({"host", "url"})
PROGRAM_KINDS = frozenset({"command", "code"})
WORKDIR = ("home", "agent")

Place = tuple[str, ...]
"""The parts of a path below a root: `~` is the agent's home, `/` the file system it sees."""


class Policy(msgspec.Struct, frozen=True):
    """The permissions in force for one agent: the administrator's, and those it was spawned with."""

    administrator: tuple[Permission, ...] = ()
    person: tuple[Permission, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.administrator or self.person)

    def lines(self) -> Iterator[tuple[Level, Permission]]:
        """Each line and who wrote it, the administrator's first."""
        yield from (("administrator", line) for line in self.administrator)
        yield from (("person", line) for line in self.person)


class Caller(msgspec.Struct, frozen=True):
    """Who calls: its name and those of the agents it descends from, its role, the model that proposed the call."""

    names: tuple[str, ...]
    role: str = ""
    model: str = ""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What a program in the agent's sandbox could touch, and by which absolute name a tool may know the home."""

    home: str = ""
    workspaces: tuple[str, ...] = ()
    isolated: bool = True
    network: bool = False


class Applied(msgspec.Struct, frozen=True):
    """The line that wins, who wrote it, and whether it surely fits."""

    permission: Permission
    by: Level
    certain: bool


def decide(
    policy: Policy, tool: ToolSpec, risk: Risk, arguments: dict[str, Any], caller: Caller, reach: Reach
) -> Applied | None:
    """The line that wins for one call, or None where none fits. `risk` is that of the call as it would run."""
    call = _Call(tool, risk, arguments, caller, reach)
    found = [
        Applied(line, by, certain=fit is True)
        for by, line in policy.lines()
        if (fit := _fits(line, call)) or (fit is None and line.verdict != "allow")
    ]
    order = ("deny", "ask", "allow")
    return min(found, key=lambda each: (order.index(each.permission.verdict), not each.certain), default=None)


def denied_model(policy: Policy, caller: Caller) -> Applied | None:
    """The line that forbids to ask this model at all: a deny on the model that is not about certain calls."""
    for by, line in policy.lines():
        if line.verdict != "deny" or not line.model or line.tool or line.risk or line.folder or line.host:
            continue
        fit = _every([_some(line.agent, caller.names), _some(line.role, (caller.role,)), _model(line, caller)])
        if fit is not False:
            return Applied(line, by, certain=fit is True)
    return None


def reached(policy: Policy, host: str, caller: Caller) -> Applied | None:
    """The line about hosts that wins for a request that a page makes by itself, as if the host were opened by name."""
    lines = Policy(*(tuple(each for each in level if each.host) for level in (policy.administrator, policy.person)))
    if not lines:
        return None
    url = f"//[{host}]" if ":" in host else f"//{host}"
    return decide(lines, _OPENING, Risk.NETWORK, {"url": url}, caller, Reach())


def inherited(parent: AgentSpec, child: AgentSpec) -> AgentSpec:
    """The child's request under all of its parent's permissions, and under its role unless it has one."""
    lines = tuple(dict.fromkeys((*parent.permissions, *child.permissions)))
    return msgspec.structs.replace(child, permissions=lines, role=child.role or parent.role)


_OPENING = ToolSpec(name="browser_open", description="", parameters={}, risk=Risk.NETWORK, args={"url": "url"})


# --- does a line fit -------------------------------------------------------------------------------------------------


class _Call(msgspec.Struct, frozen=True):
    tool: ToolSpec
    risk: Risk
    arguments: dict[str, Any]
    caller: Caller
    reach: Reach

    @property
    def program(self) -> bool:
        """Whether it runs code of the model's choice, whose deeds its arguments do not tell."""
        kinds = {_kind(role) for role in self.tool.args.values()}
        return bool(kinds & PROGRAM_KINDS) or (self.tool.risk is Risk.EXECUTE and not self.tool.args)


def _fits(line: Permission, call: _Call) -> Fit:
    strict = line.verdict == "allow"
    return _every(
        [
            _some(line.tool, (call.tool.name,), strict=strict),
            _risk(line, call),
            _some(line.agent, call.caller.names, strict=strict),
            _some(line.role, (call.caller.role,), strict=strict),
            _model(line, call.caller, strict=strict),
            _joined(_folders(line.folder, call), strict=strict) if line.folder else True,
            _joined(_hosts(line.host, call), strict=strict) if line.host else True,
        ]
    )


def _every(fits: Iterable[Fit]) -> Fit:
    """All conditions together: surely not if one does surely not."""
    found = list(fits)
    return False if False in found else None if None in found else True


def _joined(fits: Iterable[Fit], *, strict: bool) -> Fit:
    """One condition held against many values: strictly all must fit, else one is enough. None at all never fits."""
    found = list(fits)
    if not found:
        return False
    if strict:
        return _every(found)
    return True if True in found else None if None in found else False


def _some(pattern: str, values: Sequence[str], *, strict: bool = False) -> Fit:
    return _joined([_glob(pattern, value) for value in values], strict=strict) if pattern else True


def _risk(line: Permission, call: _Call) -> Fit:
    # A command with a network counts as network; who denies execute means it too, who allows execute does not.
    return not line.risk or call.risk in line.risk or (line.verdict != "allow" and call.tool.risk in line.risk)


def _model(line: Permission, caller: Caller, *, strict: bool = False) -> Fit:
    # A cassette that records asks another model, whose words it hands on.
    asked, _, recorded = caller.model.partition("?record=")
    return _some(line.model, (asked, recorded) if recorded else (asked,), strict=strict)


def _glob(pattern: str, value: str) -> Fit:
    """Whether the whole value is what the pattern says; in other letters of the same name it may be."""
    bare = pattern.removeprefix("!")
    fit: Fit = fnmatch.fnmatchcase(value, bare)
    if not fit and fnmatch.fnmatchcase(_folded(value), _folded(bare)):
        fit = None
    return _turned(fit, pattern)


def _turned(fit: Fit, pattern: str) -> Fit:
    return not fit if fit is not None and pattern.startswith("!") else fit


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


# --- folders ---------------------------------------------------------------------------------------------------------


def _folders(pattern: str, call: _Call) -> Iterator[Fit]:
    wanted, reach = _wanted(pattern), call.reach
    if call.program:
        yield from (_turned(fit, pattern) for fit in _program_folders(wanted, reach))
        return
    for name, value in call.arguments.items():
        kind = _kind(call.tool.args.get(name, ""))
        for text in _texts(value):
            if kind in PATH_KINDS:
                yield _turned(_leads_into(wanted, text, reach.home, tree=kind != "file"), pattern)
            elif not call.tool.args and _turned(_leads_into(wanted, text, reach.home, tree=True), pattern) is not False:
                # A tool that declares no roles at all may take this for a path, or not.
                yield None


def _program_folders(wanted: Place, reach: Reach) -> Iterator[Fit]:
    if not reach.isolated or (wanted[0] == "/" and wanted[1:2] != ("workspaces",)):
        yield None
    yield _within(wanted, ("~",), tree=True)
    yield from (_within(wanted, ("/", "workspaces", name), tree=True) for name in reach.workspaces)


def _leads_into(wanted: Place, path: str, home: str, *, tree: bool) -> Fit:
    places = [_place(text, home) for text in {path, path.strip()}]
    fits = {None if place is None else _within(wanted, place, tree=tree) for place in places}
    if fits != {False}:
        return fits.pop() if len(fits) == 1 else None
    # Some file systems tell neither both cases of a letter nor trailing dots apart, and some part names by `\\`.
    place = _place(_folded(path).replace("\\", "/"), _folded(home))
    alike = tuple(part.rstrip(" .") for part in place or ())
    return None if place is None or _within(tuple(map(_folded, wanted)), alike, tree=tree) is not False else False


def _wanted(pattern: str) -> Place:
    bare = pattern.removeprefix("!")
    if bare.split("/", 1)[0] == "**":
        return tuple(part for part in bare.split("/") if part not in ("", "."))
    place = _place(bare, "")
    assert place is not None, "a permission's folder holds no '..'"
    return place


def _place(path: str, home: str) -> Place | None:
    """Where a path leads, or None where that cannot be said without looking at the disk."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in path:
        return None
    if path.startswith("/") or re.match("[A-Za-z]:/", path):
        for root in (WORKDIR, tuple(part for part in home.split("/") if part)):
            if root and parts[: len(root)] == root:
                return ("~", *parts[len(root) :])
        return ("/", *parts)
    return parts if parts[:1] == ("~",) else ("~", *parts)


def _within(wanted: Place, place: Place, *, tree: bool) -> Fit:
    """True if the place lies in the folder; None if the folder may lie in the place, and that counts (`tree`)."""
    at = _skipped(wanted, {0})
    for part in place:
        if len(wanted) in at:
            return True
        on = {i for i in at if wanted[i] != "**" and fnmatch.fnmatchcase(part, wanted[i])}
        at = _skipped(wanted, {i + 1 for i in on} | {i for i in at if wanted[i] == "**"})
    return True if len(wanted) in at else None if at and tree else False


def _skipped(wanted: Place, at: set[int]) -> set[int]:
    """The positions in a pattern, and those behind a `**`, which may also stand for no part at all."""
    found = set(at)
    for i in range(len(wanted)):
        if i in found and wanted[i] == "**":
            found.add(i + 1)
    return found


# --- hosts -----------------------------------------------------------------------------------------------------------


def _hosts(pattern: str, call: _Call) -> Iterator[Fit]:
    if call.program:
        if call.reach.network or not call.reach.isolated:
            yield None
        return
    tool, declared = call.tool, False
    for name, value in call.arguments.items():
        role = tool.args.get(name, "")
        if _kind(role) in HOST_KINDS or role.partition(":")[0] == "url":
            declared = True
            yield from (_host_fit(pattern, text) for text in _texts(value))
    if not declared and (tool.risk is Risk.NETWORK or (tool.risk is Risk.DESTRUCTIVE and not tool.args)):
        yield None


def _host_fit(pattern: str, text: str) -> Fit:
    host = host_of(text)
    if host is None:
        return None
    names = {host, _ascii(host)}
    fits = {_glob(pattern.lower(), name) for name in names}
    return fits.pop() if len(fits) == 1 else None


def host_of(text: str) -> str | None:
    """The host of a URL or a bare `host[:port]`, in lower case; None where two readers could differ about it."""
    if re.search(r"[\s\\\x00-\x1f]", text):
        return None
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host = parts.hostname
    except ValueError:
        return None
    return host.rstrip(".") or None if host and "%" not in host else None


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


# --- arguments -------------------------------------------------------------------------------------------------------


def _kind(role: str) -> str:
    return role.partition(":")[2]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
