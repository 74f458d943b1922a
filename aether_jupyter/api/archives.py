"""Zip files: written as they are sent, a piece at a time, and read with an eye on what they would unpack to."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

import anyio.to_thread

from ..model.errors import BadRequest
from ..sink import Sink

ENTRIES = 250_000
UNPACKED_BYTES = 512_000_000
_WHEN = (1980, 1, 1, 0, 0, 0)
"""One time for every entry: the same files are the same zip."""

Entry = tuple[str, bytes | Iterable[bytes]]


async def packed(pages: AsyncIterator[Iterable[Entry]]) -> AsyncGenerator[bytes, None]:
    """A zip of these files, in pieces, the content of one page in memory at a time."""
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        async for page in pages:
            await anyio.to_thread.run_sync(_write, archive, page)
            if piece := sink.taken():
                yield piece
    yield sink.taken()


def unpacked(content: bytes, *, entry_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The files of a zip, one after the other; a larger one is cut after `entry_bytes` and one byte.

    Raises `BadRequest` for what is no zip, would unpack to too much, or names a place outside.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise BadRequest(f"the body is no zip file: {error}") from None
    with archive:
        found = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(found) > ENTRIES:
            raise BadRequest(f"the zip holds {len(found):,} files; at most {ENTRIES:,}")
        left = UNPACKED_BYTES
        for entry in found:
            name = entry.filename
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise BadRequest(f"the zip names a place outside of itself: {name[:200]!r}")
            try:
                with archive.open(entry) as file:
                    data = file.read(entry_bytes + 1)
            except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
                raise BadRequest(f"{name[:200]!r} in the zip cannot be read: {error}") from None
            left -= len(data)
            if left < 0:
                raise BadRequest(f"the zip unpacks to more than {UNPACKED_BYTES:,} bytes")
            yield name, data


def _write(archive: zipfile.ZipFile, page: Iterable[Entry]) -> None:
    for path, content in page:
        entry = zipfile.ZipInfo(path, _WHEN)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        if isinstance(content, bytes):
            archive.writestr(entry, content)
            continue
        with archive.open(entry, "w", force_zip64=True) as file:
            for block in content:
                file.write(block)
