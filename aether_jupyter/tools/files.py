"""Tools for files: read, write, edit, find and arrange what lies in the agent's home and its workspaces.

They work on the host below a directory descriptor, so they cost no command in a sandbox; `aether_jupyter.beneath` says
why nothing outside can be reached. A path `/workspaces/NAME/…` is in a workspace that the agent has mounted.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
import msgspec

from .. import beneath
from ..abc import FileInfo, Tool, ToolContext
from ..config import Settings
from ..declare import tool, tools_of
from ..model.errors import FileNotFound, ToolFailed, ToolTimeout
from ..model.tool import Evidence, Outcome
from ..plugins import hookimpl

T = TypeVar("T")

_INLINE = 64_000
"""Bytes up to which a file is read or written on the loop: 15 µs and 130 µs, less than the hop to a thread and back."""

_DIFF = 4_000
_EDITABLE = 5_000_000
_READABLE = 50_000_000
_SEARCH_S = 10.0
_USAGE_S = 10.0

Line = Annotated[int, msgspec.Meta(ge=1)]


@hookimpl
def register_tools(settings: Settings) -> Iterable[Tool]:
    """The file tools, which together keep a home within its quota."""
    return tools_of(Files(settings.home_quota_bytes))


class Files:
    """All tools that touch files. It remembers how full each folder is for a few seconds."""

    def __init__(self, quota_bytes: int) -> None:
        self._quota = quota_bytes
        self._used: dict[Path, tuple[float, int]] = {}

    @tool(risk="safe", args={"path": "select:file"}, fields={"content": "text"}, repeatable=True)
    async def read_file(
        self,
        ctx: ToolContext,
        path: str,
        offset: Line = 1,
        limit: Line = 2000,
    ) -> Outcome:
        """Read a text file. Returns its lines, as they are, from line `offset` on.

        Args:
            path: File, relative to your home directory.
            offset: First line to read, counted from 1.
            limit: How many lines to read at most.
        """
        root, name, shown = _place(ctx, path)
        size = beneath.stat(root, name).size_bytes
        if size > _READABLE:
            raise ToolFailed(f"{path!r} has {size} bytes; read parts of it with run_command (head, tail, sed, grep)")
        read = await _run(size, _read_lines, root, name, offset, limit, ctx.output_limit)
        if read.binary:
            raise ToolFailed(f"{path!r} is not text ({size} bytes, {_kind_of(read.text)}); look at it with run_command")
        text, last = read.text, offset - 1 + min(limit, max(0, read.lines - offset + 1))
        note = ""
        if len(text) > ctx.output_limit:
            whole = text.rfind(b"\n", 0, ctx.output_limit) + 1
            text = text[: whole or ctx.output_limit]
            last = offset - 1 + max(1, text.count(b"\n"))
            if not whole:
                note = f"\n[line {offset} goes on after these {len(text)} bytes; run_command (cut -c) shows the rest]"
        if offset > max(1, read.lines):
            note = f"[the file has {read.lines} lines; there is no line {offset}]"
        elif last < read.lines:
            note += f"\n[lines {offset}-{last} of {read.lines}; read on with offset={last + 1}]"
        elif not read.size:
            note = "[the file is empty]"
        return Outcome(
            ok=True,
            content=text.decode("utf-8", "replace") + note,
            evidence=Evidence(path=shown, sha256=read.sha256, stdout_bytes=read.size),
        )

    @tool(
        risk="write",
        effect="write",
        args={"path": "select:file", "content": "content"},
        fields={"path": "system"},
        repeatable=True,
    )
    async def write_file(self, ctx: ToolContext, path: str, content: str) -> Outcome:
        """Write a file, replacing what was there. Missing directories are made.

        Args:
            path: File, relative to your home directory.
            content: The whole new content.
        """
        root, name, shown = _target(ctx, path)
        data = content.encode("utf-8", "surrogatepass")
        before = await self._before(root, name)
        await self._room(ctx, root, len(data))
        sha256 = await _run(len(data), _write, root, name, data)
        what = "Wrote" if before is None else "Replaced"
        return Outcome(
            ok=True,
            content=f"{what} {shown}: {len(data)} bytes, {_lines(content)} lines.",
            evidence=Evidence(
                path=shown, sha256=sha256, diff=await _compared(before, data, shown), stdout_bytes=len(data)
            ),
        )

    @tool(risk="write", effect="write", args={"path": "select:file", "content": "content"}, fields={"path": "system"})
    async def append_file(self, ctx: ToolContext, path: str, content: str) -> Outcome:
        """Add text to the end of a file, which is made if missing.

        Args:
            path: File, relative to your home directory.
            content: Text to add, with its own line breaks.
        """
        root, name, shown = _target(ctx, path)
        data = content.encode("utf-8", "surrogatepass")
        await self._room(ctx, root, len(data))
        await _run(len(data), beneath.append, root, name, data)
        size = beneath.stat(root, name).size_bytes
        added = "".join(f"+{line}\n" for line in content.splitlines())
        return Outcome(
            ok=True,
            content=f"Added {len(data)} bytes to {shown}; it has {size} bytes now.",
            evidence=Evidence(path=shown, diff=added[:_DIFF], stdout_bytes=size),
        )

    @tool(
        risk="write",
        effect="write",
        args={"path": "select:file", "old_text": "content", "new_text": "content"},
        fields={"path": "system"},
    )
    async def edit_file(
        self, ctx: ToolContext, path: str, old_text: str, new_text: str, replace_all: bool = False
    ) -> Outcome:
        """Replace a piece of a text file. `old_text` must occur exactly once, unless `replace_all` is true.

        Args:
            path: File, relative to your home directory.
            old_text: The text to be replaced, exactly as it stands in the file, with its indentation.
            new_text: The text to put in its place.
            replace_all: Replace every occurrence.
        """
        root, name, shown = _target(ctx, path)
        if not old_text:
            raise ToolFailed("old_text is empty; to add text use append_file, to write a new file use write_file")
        size = beneath.stat(root, name).size_bytes
        before = b"" if size > _EDITABLE else await _run(size, _read_whole, root, name, _EDITABLE + 1)
        if max(size, len(before)) > _EDITABLE:
            raise ToolFailed(f"{shown} has {size} bytes; edit it with run_command (sed, python)")
        try:
            text = before.decode()
        except UnicodeDecodeError:
            raise ToolFailed(f"{shown} is not UTF-8 text; change it with run_command") from None
        count = text.count(old_text)
        if count == 0:
            hint = await anyio.to_thread.run_sync(_nearest, text, old_text)
            raise ToolFailed(f"old_text does not occur in {shown}{hint}")
        if count > 1 and not replace_all:
            raise ToolFailed(
                f"old_text occurs {count} times in {shown}; give more of the lines around it, or set replace_all"
            )
        if len(before) + count * (len(new_text) - len(old_text)) > _READABLE:
            raise ToolFailed(f"{shown} would have more than {_READABLE} bytes; make it with run_command")
        after = text.replace(old_text, new_text).encode("utf-8", "surrogatepass")
        await self._room(ctx, root, len(after) - len(before))
        sha256 = await _run(len(after), _write, root, name, after)
        return Outcome(
            ok=True,
            content=f"Replaced {count} occurrence{'s' * (count > 1)} in {shown}.",
            evidence=Evidence(
                path=shown, sha256=sha256, diff=await _compared(before, after, shown), stdout_bytes=len(after)
            ),
        )

    @tool(risk="safe", args={"path": "select:folder"}, fields={"entries": "text"}, repeatable=True)
    async def list_files(self, ctx: ToolContext, path: str = ".", recursive: bool = False) -> Outcome:
        """List a directory: one entry a line, directories end in '/', sizes in bytes.

        Args:
            path: Directory, relative to your home directory.
            recursive: Go into directories as well.
        """
        root, name, shown = _place(ctx, path)
        above = shown.removesuffix(name)
        if recursive:
            found = await anyio.to_thread.run_sync(lambda: list(beneath.walk(root, name, limit=2001)))
        else:
            found = await anyio.to_thread.run_sync(lambda: beneath.listing(root, name, limit=2001))
        found = [entry for entry in found if not entry.path.startswith(".aether/")]
        text = "\n".join(above + _line(entry) for entry in found[:1000])
        if len(found) > 1000:
            text += (
                f"\n[more than {1000 if len(found) > 2000 else len(found)} entries; list a directory below, or search]"
            )
        return Outcome(ok=True, content=text or "[empty]", evidence=Evidence(path=shown))

    @tool(risk="safe", args={"path": "select:folder"}, fields={"matches": "text"}, repeatable=True)
    async def search_files(self, ctx: ToolContext, pattern: str = "", glob: str = "*", path: str = ".") -> Outcome:
        """Find files by name, or lines in files by a regular expression. Answers `file:line: text`.

        Args:
            pattern: Regular expression for lines; empty to find files by name only.
            glob: Which files, such as '*.py'. It is matched against the name and the path.
            path: Directory to search in, relative to your home directory.
        """
        root, name, shown = _place(ctx, path)
        return await _search(root, name, shown, pattern, glob, ctx.output_limit)

    @tool(risk="write", effect="write", args={"path": "name:file"}, fields={"path": "system"}, repeatable=True)
    async def make_directory(self, ctx: ToolContext, path: str) -> Outcome:
        """Make a directory and its parents. One that exists is fine.

        Args:
            path: Directory, relative to your home directory.
        """
        root, name, shown = _target(ctx, path)
        beneath.make_directory(root, name)
        return Outcome(ok=True, content=f"{shown or '.'} is there.", evidence=Evidence(path=shown))

    @tool(
        risk="write",
        effect="write",
        args={"source": "select:path", "target": "name:path"},
        fields={"path": "system"},
    )
    async def move_file(self, ctx: ToolContext, source: str, target: str) -> Outcome:
        """Move or rename a file or directory. Into `target` if that is a directory. Replaces a file there.

        Args:
            source: What to move, relative to your home directory.
            target: New name, or directory to move it into.
        """
        _target(ctx, source)
        root, above, old, new = _pair(ctx, source, target)
        landed = above + beneath.move(root, old, new)
        return Outcome(ok=True, content=f"Moved {above}{old} to {landed}.", evidence=Evidence(path=landed))

    @tool(
        risk="write",
        effect="write",
        args={"source": "select:path", "target": "name:path"},
        fields={"path": "system"},
        repeatable=True,
    )
    async def copy_file(self, ctx: ToolContext, source: str, target: str) -> Outcome:
        """Copy a file, or a directory with all in it. Into `target` if that is a directory.

        Args:
            source: What to copy, relative to your home directory.
            target: Name of the copy, or directory to put it into.
        """
        root, above, old, new = _pair(ctx, source, target)
        self._used.pop(root, None)
        free = self._most(ctx, root) - await self._usage(root)
        landed = above + await anyio.to_thread.run_sync(
            functools.partial(beneath.copy, root, old, new, limit_bytes=max(0, free))
        )
        self._used.pop(root, None)
        return Outcome(ok=True, content=f"Copied {above}{old} to {landed}.", evidence=Evidence(path=landed))

    @tool(risk="destructive", effect="destroy", args={"path": "select:path"}, fields={"path": "system"})
    async def delete_file(self, ctx: ToolContext, path: str, recursive: bool = False) -> Outcome:
        """Delete a file, or a directory. It cannot be brought back.

        Args:
            path: What to delete, relative to your home directory.
            recursive: Needed for a directory that is not empty.
        """
        root, name, shown = _place(ctx, path)
        count = await anyio.to_thread.run_sync(functools.partial(beneath.delete, root, name, recursive=recursive))
        self._used.pop(root, None)
        more = f" and {count - 1} entries in it" if count > 1 else ""
        return Outcome(ok=True, content=f"Deleted {shown}{more}.", evidence=Evidence(path=shown))

    @tool(risk="safe", args={"path": "select:file"}, fields={"stat": "text"}, repeatable=True)
    async def stat_file(self, ctx: ToolContext, path: str) -> Outcome:
        """Tell what a path is: kind, size in bytes, time of change, SHA-256 of a file.

        Args:
            path: File or directory, relative to your home directory.
        """
        root, name, shown = _place(ctx, path)
        entry = beneath.stat(root, name)
        changed = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(entry.modified_at))
        digest = ""
        if entry.kind == "file" and entry.size_bytes <= 200_000_000:
            digest = await _run(entry.size_bytes, _digest, root, name, entry.size_bytes)
        text = f"{shown or '.'}: {entry.kind}, {entry.size_bytes} bytes, changed {changed}"
        return Outcome(
            ok=True,
            content=text + (f", sha256 {digest}" if digest else ""),
            evidence=Evidence(path=shown, sha256=digest, stdout_bytes=entry.size_bytes),
        )

    @tool(risk="safe", args={"path": "select:folder"}, fields={"changes": "text"}, repeatable=True)
    async def watch_files(
        self, ctx: ToolContext, path: str = ".", timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    ) -> Outcome:
        """Wait until something below a path is made, changed or removed, and tell what. Tells also if nothing was.

        Args:
            path: File or directory, relative to your home directory.
            timeout_s: How many seconds to wait at most.
        """
        root, name, shown = _place(ctx, path)
        above = shown.removesuffix(name)
        timeout_s = min(timeout_s, ctx.max_timeout_s)
        before = await anyio.to_thread.run_sync(_picture, root, name)
        with anyio.move_on_after(timeout_s):
            pause = 0.2
            while True:
                await anyio.sleep(pause)
                after = await anyio.to_thread.run_sync(_picture, root, name)
                if after != before:
                    made = [f"made {above}{p}" for p in after if p not in before]
                    changed = [f"changed {above}{p}" for p in after if p in before and after[p] != before[p]]
                    removed = [f"removed {above}{p}" for p in before if p not in after]
                    return Outcome(ok=True, content="\n".join((made + changed + removed)[:200]))
                # Big trees are looked at less often, small ones up to five times a second.
                pause = min(2.0, max(0.2, len(after) / 2000))
        return Outcome(ok=True, content=f"Nothing changed below {shown or '.'} within {timeout_s:g} s.")

    async def _before(self, root: Path, name: str) -> bytes | None:
        """What a file holds before it is replaced, for the diff; None if it is not there, empty if it is too big."""
        try:
            entry = beneath.stat(root, name)
        except FileNotFound:
            return None
        if entry.kind != "file" or entry.size_bytes > _INLINE:
            return b""
        return beneath.read(root, name, limit=_INLINE)

    async def _usage(self, root: Path) -> int:
        known = self._used.get(root)
        if known is not None and time.monotonic() - known[0] < _USAGE_S:
            return known[1]
        few = list(beneath.walk(root, limit=64))
        if len(few) < 64:
            used = sum(entry.size_bytes for entry in few if entry.kind == "file")
        else:
            used = await anyio.to_thread.run_sync(beneath.usage, root)
        if len(self._used) > 10_000:
            self._used.clear()
        self._used[root] = (time.monotonic(), used)
        return used

    def _most(self, ctx: ToolContext, root: Path) -> int:
        """Bytes that this folder may hold."""
        own = ctx.disk_bytes if root == ctx.home else None
        return self._quota if own is None else min(own, self._quota)

    async def _room(self, ctx: ToolContext, root: Path, extra: int) -> None:
        """Raise `ToolFailed` if `extra` bytes do not fit into the home's quota; count them if they do."""
        if extra <= 0:
            return
        quota = self._most(ctx, root)
        used = await self._usage(root)
        if used + extra > quota:
            # What is remembered may be late: a command may have made room since.
            self._used.pop(root, None)
            used = await self._usage(root)
        if used + extra > quota:
            raise ToolFailed(
                f"the home holds {used} of {quota} bytes, and {extra} more do not fit; delete something first"
            )
        self._used[root] = (self._used[root][0], used + extra)


def _place(ctx: ToolContext, path: str) -> tuple[Path, str, str]:
    """The folder a path lies in, its name below, and the name by which the agent finds it again."""
    return beneath.place(path, ctx.home, ctx.workspaces)


def _target(ctx: ToolContext, path: str) -> tuple[Path, str, str]:
    """As `_place`, for what is about to be written. Raises `ToolFailed` for what only the sandbox writes."""
    root, name, shown = _place(ctx, path)
    if root == ctx.home:
        _not_kept(name.split("/")[0])
    return root, name, shown


def _not_kept(name: str) -> None:
    # Variables of the shell lie there: a file that is written unasked must not change what an approved command does.
    if name.casefold() == ".aether":
        raise ToolFailed(".aether holds what is kept of your commands; it is read, but not written by file tools")


def _pair(ctx: ToolContext, source: str, target: str) -> tuple[Path, str, str, str]:
    """The folder both lie in, what stands before names in it, and the two names."""
    root, old, shown = _place(ctx, source)
    other, new, _ = _target(ctx, target)
    if other != root:
        raise ToolFailed("source and target are in different workspaces; read the one and write the other")
    if root == ctx.home:
        # Moved into a folder, it keeps its own name.
        _not_kept(old.rsplit("/", 1)[-1])
    return root, shown.removesuffix(old), old, new + "/" * (target.endswith("/") and bool(new))


async def _run(size: int, work: Callable[..., T], *arguments: object) -> T:
    """Small work here, large work in a thread."""
    if size <= _INLINE:
        return work(*arguments)
    return await anyio.to_thread.run_sync(functools.partial(work, *arguments))


@dataclass(frozen=True)
class _Read:
    """A part of a file: `text` is the lines that were asked for, or the file's beginning where it is `binary`."""

    text: bytes
    lines: int
    size: int
    sha256: str
    binary: bool = False


def _read_lines(root: Path, name: str, offset: int, limit: int, output_limit: int) -> _Read:
    """Lines from `offset` on, a little more than `output_limit` bytes of them at most; the file goes by in blocks."""
    digest = hashlib.sha256()
    kept = bytearray()
    line, size, last = 1, 0, b""
    for block in beneath.blocks(root, name, limit=_READABLE):
        if not size and b"\0" in block[:8000]:
            return _Read(block[:16], 0, len(block), "", binary=True)
        digest.update(block)
        size += len(block)
        last = block
        count = block.count(b"\n")
        if line + count >= offset and line < offset + limit and len(kept) <= output_limit:
            pieces = block.split(b"\n")
            end = offset + limit - line
            kept += b"\n".join(pieces[max(0, offset - line) : end])
            if end <= count:
                kept += b"\n"
            del kept[output_limit + 1 :]
        line += count
    return _Read(bytes(kept), line - (not size or last.endswith(b"\n")), size, digest.hexdigest())


def _read_whole(root: Path, name: str, limit: int) -> bytes:
    return beneath.read(root, name, limit=limit)


def _write(root: Path, name: str, data: bytes) -> str:
    """Returns the SHA-256 of what was written."""
    beneath.write(root, name, data)
    return hashlib.sha256(data).hexdigest()


def _digest(root: Path, name: str, size: int) -> str:
    digest = hashlib.sha256()
    for block in beneath.blocks(root, name, limit=size):
        digest.update(block)
    return digest.hexdigest()


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))


def _line(entry: FileInfo) -> str:
    if entry.kind == "directory":
        return entry.path + "/"
    return f"{entry.path}  {entry.size_bytes}" + ("" if entry.kind == "file" else f"  ({entry.kind})")


def _kind_of(data: bytes) -> str:
    for magic, word in ((b"\x89PNG", "PNG image"), (b"\xff\xd8", "JPEG image"), (b"%PDF", "PDF"), (b"PK\3\4", "zip")):
        if data.startswith(magic):
            return word
    return "binary"


async def _compared(before: bytes | None, after: bytes, name: str) -> str:
    # Two files that are much alike and long take a tenth of a second.
    weight = 0 if before is None else 8 * (len(before) + len(after))
    return await _run(weight, _diff, before, after, name)


def _diff(before: bytes | None, after: bytes, name: str) -> str:
    """A unified diff, shortened; empty where one side is binary or too big to compare in a moment."""
    if any(b"\0" in side or len(side) > _INLINE for side in (before or b"", after)):
        return ""
    old = (before or b"").decode("utf-8", "replace").splitlines()
    new = after.decode("utf-8", "replace").splitlines()
    if len(old) > 2000 or len(new) > 2000:
        return ""
    if not old:
        text = "\n".join((f"--- /dev/null\n+++ {name}\n@@ -0,0 +1,{len(new)} @@", *("+" + line for line in new)))
    else:
        text = "\n".join(difflib.unified_diff(old, new, name, name, lineterm=""))
    return text if len(text) <= _DIFF else text[:_DIFF] + "\n[cut]"


def _nearest(text: str, wanted: str) -> str:
    """The line of the file that looks most like the first one wanted, as a hint."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")[:200]
    lines = [line for line in text.splitlines()[:3000] if line.strip()]
    near = difflib.get_close_matches(first, [line.strip()[:200] for line in lines], 1, 0.6)
    return f"; the nearest line is {near[0]!r}" if near else "; read the file first and copy the text exactly"


def _picture(root: Path, name: str) -> dict[str, tuple[int, float]]:
    try:
        entry = beneath.stat(root, name)
    except FileNotFound:
        return {}
    found: Sequence[FileInfo] = [entry]
    if entry.kind == "directory":
        found = list(beneath.walk(root, name, limit=20_000))
    return {e.path: (e.size_bytes, e.modified_at) for e in found if not e.path.startswith(".aether")}


async def _search(root: Path, name: str, shown: str, pattern: str, glob: str, output_limit: int) -> Outcome:
    if len(pattern) > 1000 or len(glob) > 300:
        raise ToolFailed("the pattern is too long; use at most 1000 characters, and 300 for glob")
    find = _line_finder(pattern) if pattern else None
    deadline = time.monotonic() + _SEARCH_S
    found: list[str] = []
    state = {"files": 0, "cut": False}
    above = shown.removesuffix(name)

    def look() -> None:
        size = 0
        for entry in beneath.walk(root, name):
            if time.monotonic() > deadline:
                raise ToolTimeout(
                    f"the search took over {_SEARCH_S:g} s; search a smaller directory, or use run_command with rg"
                )
            if entry.kind != "file" or entry.path.startswith(".aether/") or not _globbed(entry.path, glob):
                continue
            if find is None:
                state["files"] += 1
                hits = [above + entry.path]
            elif entry.size_bytes > _EDITABLE:
                continue
            else:
                try:
                    data = beneath.read(root, entry.path, limit=_EDITABLE)
                except (FileNotFound, ToolFailed):
                    # Gone or swapped since it was listed.
                    continue
                if b"\0" in data[:8000]:
                    continue
                state["files"] += 1
                hits = [
                    f"{above}{entry.path}:{line}: {text[:300]}" for line, text in find(data.decode("utf-8", "replace"))
                ]
            for hit in hits:
                size += len(hit) + 1
                if len(found) >= 500 or size > output_limit:
                    state["cut"] = True
                    return
                found.append(hit)

    await anyio.to_thread.run_sync(look)
    text = "\n".join(found)
    if state["cut"]:
        text += f"\n[stopped after {len(found)} matches; narrow the pattern, glob or path]"
    if not found:
        text = f"[no match in {state['files']} files]" if pattern else "[no such file]"
    return Outcome(ok=True, content=text, evidence=Evidence(path=shown))


def _globbed(path: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(path.rsplit("/", 1)[-1], glob) or fnmatch.fnmatchcase(path, glob.removeprefix("**/"))


def _line_finder(pattern: str) -> Callable[[str], Iterable[tuple[int, str]]]:
    """Finds lines in linear time: Python's own `re` can be made to run for years, and holds the interpreter."""
    import re2  # type: ignore[import-untyped, unused-ignore]

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 23
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else "not understood"
        said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        raise ToolFailed(
            f"the pattern is no regular expression that search_files knows: {said} "
            f"(no look-around, no back-references). To search for this text as it is, give {re.escape(pattern)!r}"
        ) from None

    def find(text: str) -> Iterable[tuple[int, str]]:
        # Other marks that Python takes for the end of a line would put the numbers out of step with read_file and sed.
        for number, line in enumerate(text.split("\n"), 1):
            if compiled.search(line[:20_000]) is not None:
                yield number, line.rstrip("\r")

    return find
