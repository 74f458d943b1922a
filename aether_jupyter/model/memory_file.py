"""A memory as a file: Markdown with front matter, which a person may edit by hand and git may compare.

    semantic/12-the-march-export-has-19-columns.md       the folder is the layer

    ---
    id: 12
    version: 3
    importance: 0.7
    tags: [export, march]
    pinned: false
    created: 2026-03-01T09:30:00.000000Z
    source: {by: "agent:4", kind: "agent", pid: 4, step: 2}
    digest: 5f0c6c2a9b1d3e47
    ---

    The March export has 19 columns.

The front matter is data: words, numbers and lists, and nothing that YAML would make of them. The text comes back to the
byte. The same memory gives the same bytes. `digest` tells a file that was edited from one that is only old.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from .errors import BadRequest
from .memory import TAGS, TEXT_CHARS, Importance, Layer, Memory, Tag

NOTES_FILE = "MEMORY.md"
"""At the top of the folder: what a person wrote down for this agent."""

MARK_FILE = ".aether.yaml"
"""Whose memories these are, and the newest one that was exported: what came later is not missing."""

GIT_FILE = ".gitattributes"
GIT_TEXT = b"*.md -text\n"
"""Git leaves line ends as they are: a memory's text comes back to the byte."""

FRONT_BYTES = 32_768
FILE_BYTES = 4 * TEXT_CHARS + FRONT_BYTES
_KEYS = ("id", "version", "layer", "importance", "tags", "pinned", "created", "source", "digest")
_FORMS = {
    "layer": f"one of {', '.join(Layer)}",
    "importance": "a number from 0 to 1",
    "tags": "a list such as [orders, march]; a tag has no comma and at most 60 characters",
    "pinned": "true or false",
}
_PLAIN = re.compile(r"\w(?:[\w ./@+-]*\w)?", re.ASCII)


class MemoryFile(msgspec.Struct, frozen=True, kw_only=True):
    """What one file says; None is what it leaves unsaid. `edited` is false while it is as it was exported."""

    text: str
    layer: Layer
    id: int | None = None
    version: int | None = None
    importance: float | None = None
    tags: tuple[str, ...] | None = None
    pinned: bool | None = None
    created: float | None = None
    tainted: bool = False
    edited: bool = True


ChangeKind = Literal["new", "changed", "moved", "forgotten", "notes", "older", "conflict", "unreadable"]


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an import makes of one file, or of a memory that has none any more.

    Older, conflict and unreadable ones are left as they are; `problem` says why and what to do. `line` counts from 1.
    `diff` is what changes, shortened.
    """

    path: str
    kind: ChangeKind
    id: int | None = None
    diff: str = ""
    problem: str = ""
    line: int | None = None


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """A preview of an import, or what it has done (`applied`).

    `counts` are by kind, with `same` (nothing to do) and `missing` (memories without a file, which stay). `changes` are
    the first thousand, what needs a person before the rest. `digest` names this very preview.
    """

    agent: str
    applied: bool
    digest: str
    counts: dict[str, int]
    changes: list[FileChange]


class _Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Any = None
    version: Any = None
    layer: Layer | None = None
    importance: Importance | None = None
    tags: tuple[Tag, ...] | None = None
    pinned: bool | None = None
    created: str | None = None
    source: dict[str, Any] | None = None
    digest: str | None = None


def path_of(memory: Memory) -> str:
    """Where its file lies below the folder."""
    words = re.findall(r"\w+", memory.text[:200].lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) > 48:
            break
        slug = f"{slug}-{word}" if slug else word
    return f"{memory.layer}/{memory.id}-{slug or 'memory'}.md"


def render(memory: Memory) -> bytes:
    """The file of a memory. Use and age are not in it, so that a recall changes no file."""
    source = {name: value for name, value in msgspec.to_builtins(memory.source).items() if value not in (None, False)}
    front = [
        f"id: {memory.id}",
        f"version: {memory.version}",
        f"importance: {memory.importance!r}",
        f"tags: [{', '.join(_scalar(tag) for tag in memory.tags)}]",
        f"pinned: {json.dumps(memory.pinned)}",
        f"created: {_moment(memory.created_at)}",
        f"source: {{{', '.join(f'{name}: {_quoted(value)}' for name, value in source.items())}}}",
    ]
    head = "\n".join(front).encode()
    body = memory.text.encode()
    return b"---\n%s\ndigest: %s\n---\n\n%s\n" % (head, _digest(memory.layer, head, body).encode(), body)


def parse(path: str, content: bytes) -> MemoryFile:
    """What a file says. A file without front matter is the text of a new memory.

    Raises `BadRequest` with what is wrong and how to mend it; `details["line"]` is where.
    """
    if len(content) > FILE_BYTES:
        raise _wrong(f"it has more than {FILE_BYTES:,} bytes; a memory has at most {TEXT_CHARS:,} characters")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.startswith(b"---\r\n"):
        # A tool has rewritten all line ends.
        content = content.replace(b"\r\n", b"\n")
    layer = _folder(path)
    head, body = _parted(content)
    front = _front(head)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line = 1 + content[: len(content) - len(body) + error.start].count(b"\n")
        raise _wrong("the text is not UTF-8; save the file as UTF-8", line) from None
    if not text.strip():
        raise _wrong("there is no text below the front matter; to forget the memory, delete the file and say so")
    if len(text) > TEXT_CHARS:
        raise _wrong(f"the text has {len(text):,} characters; a memory has at most {TEXT_CHARS:,}")
    if front.layer is not None and layer is not None and front.layer is not layer:
        raise _wrong(f"it lies in {layer}/ and says layer: {front.layer}; take the line out", _line(head, "layer"))
    found = layer or front.layer
    if found is None:
        raise _wrong(
            f"which layer? Move it to {', '.join(f'{each}/' for each in Layer)}, or add layer: {Layer.SEMANTIC}"
        )
    said = front.digest
    bare = re.sub(rb"(?m)^digest:.*\n?", b"", head).rstrip(b"\n") if said else b""
    return MemoryFile(
        text=text,
        layer=found,
        id=_number(head, "id", front.id),
        version=_number(head, "version", front.version),
        importance=front.importance,
        tags=front.tags,
        pinned=front.pinned,
        created=_seconds(head, front.created),
        tainted=str((front.source or {}).get("tainted", "")).lower() == "true",
        edited=said is None or said != _digest(found, bare, body),
    )


def mark(agent: str, newest: int) -> bytes:
    """The content of `MARK_FILE`."""
    return f"agent: {_quoted(agent)}\nnewest: {newest}\n".encode()


def newest_in(content: bytes) -> int | None:
    """The newest memory that was exported with this folder, None where the mark does not say."""
    found = re.search(rb"(?m)^newest: (\d{1,18})\s*$", content[:FRONT_BYTES])
    return int(found[1]) if found else None


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """The front matter without its fences, and the text as it was remembered."""
    if not content.startswith(b"---\n"):
        return b"", content[:-1] if content.endswith(b"\n") else content
    end = re.compile(rb"^---[ \t]*$", re.MULTILINE).search(content, 4, FRONT_BYTES + 8)
    if end is None:
        raise _wrong("the front matter has no end; close it with a line of three hyphens", 1)
    body = content[end.end() :].removeprefix(b"\n").removeprefix(b"\n")
    return content[4 : end.start()], body[:-1] if body.endswith(b"\n") else body


def _front(head: bytes) -> _Front:
    if not head.strip():
        return _Front()
    import yaml  # type: ignore[import-untyped]

    # BaseLoader makes words, lists and mappings: no dates, no booleans, no objects. Anchors it would follow.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        text = head.decode()
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise _wrong("the front matter refers to itself (& and *); write the words out", 2)
        found = yaml.load(text, Loader=loader)  # noqa: S506 (it makes plain words of everything)
    except UnicodeDecodeError:
        raise _wrong("the front matter is not UTF-8; save the file as UTF-8", 2) from None
    except yaml.YAMLError as error:
        at = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        raise _wrong(f"the front matter is no YAML: {said}", 2 + at.line if at else 2) from None
    except RecursionError:
        raise _wrong("the front matter is nested too deeply", 2) from None
    if not isinstance(found, dict):
        raise _wrong("the front matter must be lines such as 'importance: 0.7'", 2)
    unknown = next((name for name in found if name not in _KEYS), None)
    if unknown is not None:
        raise _wrong(f"{str(unknown)[:60]}: no such key; there is {', '.join(_KEYS)}", _line(head, str(unknown)))
    if found.get("tags") == "":
        found["tags"] = []
    found = {name: value for name, value in found.items() if value != ""}
    tags = found.get("tags")
    if isinstance(tags, list) and len(tags) > TAGS:
        raise _wrong(f"tags: {len(tags)}; a memory has at most {TAGS}", _line(head, "tags"))
    try:
        return msgspec.convert(found, _Front, strict=False)
    except msgspec.ValidationError as error:
        name = re.split(r"\W", str(error).partition(" - at `$.")[2], maxsplit=1)[0]
        raise _wrong(f"{name}: {_FORMS.get(name, 'leave it as it was exported, or out')}", _line(head, name)) from None
    except RecursionError:
        raise _wrong("the front matter is nested too deeply", 2) from None


def _folder(path: str) -> Layer | None:
    parts = path.split("/")[:-1]
    return next((Layer(part) for part in reversed(parts) if part in Layer.__members__.values()), None)


def _number(head: bytes, name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,15}", value):
        raise _wrong(f"{name}: not a number; leave it as it was exported, or out", _line(head, name))
    return int(value)


def _seconds(head: bytes, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        if re.fullmatch(r"-?[\d.]+(e[+-]?\d{1,2})?", value):
            return float(value)
        at = datetime.fromisoformat(value)
    except ValueError:
        raise _wrong("created: write it like 2026-03-01T09:30:00Z", _line(head, "created")) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _moment(seconds: float) -> str:
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return repr(seconds)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _scalar(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else _quoted(word)


def _quoted(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    told = (f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in value)
    return f'"{"".join(told)}"'


def _digest(layer: str, head: bytes, body: bytes) -> str:
    return hashlib.sha256(b"%s\n%s\n\n%s" % (layer.encode(), head, body)).hexdigest()[:16]


def _line(head: bytes, name: str) -> int:
    """Where a key stands in the file, whose first line is the fence."""
    for at, line in enumerate(head.splitlines(), 2):
        if line.startswith(name.encode() + b":"):
            return at
    return 2


def _wrong(message: str, line: int = 1) -> BadRequest:
    return BadRequest(message, line=line)
