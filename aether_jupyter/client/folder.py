"""A folder of memories on this side: packed for an import, and written from an export without losing what is in it.

Nothing is read or written through a link, and nothing outside of the folder.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .. import beneath
from ..model.errors import BadRequest, Conflict
from ..model.memory import Layer
from ..model.memory_file import GIT_FILE, MARK_FILE, NOTES_FILE, MemoryFile, parse

_TOP = (GIT_FILE, MARK_FILE, NOTES_FILE)
_EXPORTED = re.compile(rf"(?:{'|'.join(Layer)})/[^/\\]+\.md")


class Written(msgspec.Struct, frozen=True):
    """What an export did to the folder: how many files it wrote, took away, and left as they were."""

    written: int
    removed: int
    same: int


def pack(folder: Path) -> bytes:
    """The zip that an import takes: every Markdown file but READMEs and what lies in hidden folders.

    Raises `BadRequest` if there is no such folder.
    """
    if not folder.is_dir():
        raise BadRequest(f"{folder} is no folder")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            archive.writestr(path, beneath.read(folder, path))
    return out.getvalue()


def unpack(content: bytes, folder: Path, *, force: bool = False) -> Written:
    """Make the folder what the export says. Files that a person made and did not import yet stay.

    Raises `Conflict`, with nothing written, if files were edited and not imported; `force` writes over them.
    """
    new = dict(_exported(content))
    folder.mkdir(parents=True, exist_ok=True)
    old = {path: beneath.read(folder, path) for path in _files(folder)}
    readable = {path: file for path, data in new.items() if (file := _parsed(path, data)) is not None}
    by_id = {file.id: file for file in readable.values()}
    texts = {(file.layer, file.text) for file in readable.values()}
    edited, gone = [], []
    for path, data in old.items():
        if new.get(path) == data or path in _TOP:
            continue
        file = _parsed(path, data)
        if file is None or (file.id is None and (file.layer, file.text) not in texts):
            # By hand, and not imported: it stays, unless the export has a file of this very name.
            edited += [path] if path in new else []
        elif file.edited and file.id is not None and not _says(file, by_id.get(file.id)):
            edited.append(path)
        elif path not in new:
            gone.append(path)
    if NOTES_FILE in old and new.get(NOTES_FILE, b"") != old[NOTES_FILE]:
        edited.append(NOTES_FILE)
    if edited and not force:
        raise Conflict(
            f"{len(edited)} files in {folder} were edited and not imported: {', '.join(sorted(edited)[:5])}"
            f"{' …' if len(edited) > 5 else ''}. Import them first, or write over them with --force"
        )
    written = 0
    for path, data in new.items():
        if old.get(path) != data:
            beneath.write(folder, path, data)
            written += 1
    removed = {*gone, *(path for path in edited if path not in new)}
    for path in removed:
        beneath.delete(folder, path)
    return Written(written, len(removed), len(new) - written)


def _files(folder: Path) -> Iterator[str]:
    for entry in beneath.walk(folder, limit=1_000_000):
        path = entry.path
        name = path.rpartition("/")[2]
        hidden = any(part.startswith(".") for part in path.split("/"))
        markdown = name.endswith(".md") and not hidden and name.lower() != "readme.md"
        if entry.kind == "file" and (markdown or path in (MARK_FILE, GIT_FILE)):
            yield path


def _exported(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name not in _TOP and not _EXPORTED.fullmatch(name):
                    raise BadRequest(f"the server sent a file that is no memory: {name[:200]!r}; nothing was written")
                yield name, archive.read(name)
    except zipfile.BadZipFile as error:
        raise BadRequest(f"the server sent no zip file: {error}") from None


def _parsed(path: str, content: bytes) -> MemoryFile | None:
    if path in _TOP:
        return None
    try:
        return parse(path, content)
    except BadRequest:
        return None


def _says(file: MemoryFile, other: MemoryFile | None) -> bool:
    """Whether the other says what this one does: it was imported, and this is its file."""
    return other is not None and all(
        getattr(file, name) in (None, getattr(other, name))
        for name in ("text", "layer", "importance", "tags", "pinned")
    )
