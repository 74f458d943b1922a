"""Names of downloads, made harmless, and the way of a finished one into an agent's home."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from pathlib import Path
from typing import IO

from .. import beneath
from ..model.errors import ToolFailed

FOLDER = "downloads"
_BLOCK = 1 << 18
_MOST_CHARS = 120


def harmless(suggested: str) -> str:
    """A file's name of what a site suggests: one part, no marks that a shell or an eye could be fooled by."""
    name = unicodedata.normalize("NFC", suggested).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c if c.isalnum() or c in " ._-()+@=," else "_" for c in name if unicodedata.category(c) != "Cf")
    name = re.sub(r"\s+", " ", name).strip(" ").lstrip(".-").rstrip(". ")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        stem, ending = name, ""
    stem = stem[: _MOST_CHARS - len(ending)].rstrip(". ") or "download"
    # Letters may take four bytes each, and a name has 255.
    while len(stem.encode()) > 200:
        stem = stem[:-1]
    return f"{stem}.{ending}" if ending else stem


def kept(home: Path, suggested: str, file: Path, quota_bytes: int) -> str:
    """Put a finished file into the home under a free name; returns its path. Raises `ToolFailed` if it is full."""
    try:
        # Chromium's user owns the folder: what lies there may be a link to what only the server may read.
        fd = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        raise ToolFailed("it is no file") from None
    with os.fdopen(fd, "rb") as opened:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ToolFailed("it is no file")
        return _put(home, suggested, opened, status.st_size, quota_bytes)


def _put(home: Path, suggested: str, file: IO[bytes], size: int, quota_bytes: int) -> str:
    used = beneath.usage(home)
    if used + size > quota_bytes:
        raise ToolFailed(f"the home holds {used} of {quota_bytes} bytes, and {size} more do not fit")
    name = harmless(suggested)
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    path = f"{FOLDER}/{name}"
    for number in range(2, 1000):
        if not beneath.exists(home, path):
            break
        path = f"{FOLDER}/{stem} ({number}){dot}{ending}"
    beneath.write(home, path, iter(lambda: file.read(_BLOCK), b""))
    return path
