"""A snapshot as one file: a zip of its manifest and its contents, each as it is kept; and what such a file may hold.

A file that comes in was written by anybody. Its names must be those that `packed` writes, nothing in it is unpacked
beyond what the manifest says of it, and every content must be what its name says. Nothing of it is put under a name of
its own, so there is no path to lead anywhere; the paths of the home are looked at in the manifest before any is made.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from ..engine.branch import At
from ..engine.manifest import check, digests
from ..model.errors import BadSnapshot
from ..model.events import Event, ProcessSpawned
from ..model.memory import Memory
from ..model.snapshot import CHUNK_BYTES, Chunk, Manifest
from ..sink import Sink
from .vault import Vault, decoded, unpacked

MEMBERS = 600_000
MANIFEST = "manifest.json"
OBJECT = re.compile(r"objects/([0-9a-f]{64})")
MANIFEST_BYTES = 256 << 20
JOURNAL_BYTES = 512 << 20
LINES_MOST = 500_000
RATIO = 500
"""How many times larger than the file its contents may be, where they come to more than `FREELY`."""
FREELY = 256 << 20
_ROOM = 1 << 16
_WHEN = (1980, 1, 1, 0, 0, 0)
_PAGE_BYTES = 1 << 20
PAGES = 2 * JOURNAL_BYTES // _PAGE_BYTES
"""In so many parts a journal may come; memories in no more than there are, each being looked up for itself."""

_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of a journal that is taken elsewhere."""

    at: float
    actor: str
    event: Event


_line = msgspec.json.Decoder(Line).decode
_memory = msgspec.json.Decoder(Memory).decode


def packed(vault: Vault, manifest: Manifest, journal: Iterable[At]) -> Iterator[bytes]:
    """The file in pieces. `manifest` is one that is fit for other machines; `journal` is written beside it."""
    import zstandard

    sink = Sink()
    written: set[str] = set()
    compressor = zstandard.ZstdCompressor(level=3)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        pages: list[Chunk] = []
        for page in _pages(journal):
            chunk = Chunk(len(page), hashlib.sha256(page).hexdigest())
            pages.append(chunk)
            if chunk.digest not in written:
                written.add(chunk.digest)
                archive.writestr(_named(f"objects/{chunk.digest}"), compressor.compress(page))
                yield sink.taken()
        for digest, _ in digests(manifest):
            if digest in written:
                continue
            written.add(digest)
            try:
                body = vault.stored(digest).read_bytes()
            except FileNotFoundError:
                raise BadSnapshot(f"a part of this snapshot is gone from the disk ({digest[:12]})") from None
            archive.writestr(_named(f"objects/{digest}"), body)
            yield sink.taken()
        whole = msgspec.structs.replace(manifest, journal=manifest.journal or tuple(pages))
        archive.writestr(_named(MANIFEST), _encode(whole))
    yield sink.taken()


def taken_in(vault: Vault, path: Path, *, folds_case: bool) -> tuple[Manifest, int]:
    """Check a file and keep its contents. Returns the manifest and how many bytes were new.

    Raises `BadSnapshot`; what was kept by then is named by nobody, and swept. The caller holds the vault `alone`.
    """
    size = path.stat().st_size
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise BadSnapshot(f"it is no snapshot: {error}") from None
    with archive:
        members = _members(archive)
        manifest = decoded(_read(archive, members.pop(MANIFEST), MANIFEST_BYTES))
        check(manifest, folds_case=folds_case)
        wanted = dict(digests(manifest))
        _check_sizes(manifest, wanted, size)
        found = {named[1] for named in map(OBJECT.fullmatch, members) if named is not None}
        if missing := wanted.keys() - found:
            raise BadSnapshot(f"it lacks {len(missing)} of its contents, {min(missing)[:12]} among them")
        if extra := found - wanted.keys():
            raise BadSnapshot(f"it holds {len(extra)} contents that it does not name, {min(extra)[:12]} among them")
        fresh: dict[str, int] = {}
        for digest, length in wanted.items():
            body = _read(archive, members[f"objects/{digest}"], length + length // 8 + _ROOM)
            if hashlib.sha256(unpacked(body, length, length)).hexdigest() != digest:
                raise BadSnapshot(f"content {digest[:12]} is not what its checksum says")
            if vault.adopt(digest, body):
                fresh[digest] = len(body)
    vault.flush(list(fresh))
    _check_journal(vault, manifest)
    _check_memories(vault, manifest)
    return manifest, sum(fresh.values())


def journal_of(vault: Vault, manifest: Manifest) -> Sequence[At]:
    """The journal that a manifest brings. Raises `BadSnapshot`."""
    return [
        (n, line.at, line.actor, line.event) for n, line in enumerate(map(_read_line, vault.lines(manifest.journal)), 1)
    ]


def memories_of(vault: Vault, manifest: Manifest) -> Sequence[Memory]:
    """The memories in a snapshot. Raises `BadSnapshot`."""
    try:
        return [_memory(line) for line in vault.lines(manifest.memory.pages)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadSnapshot(f"a memory in it cannot be read: {error}") from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > MEMBERS:
        raise BadSnapshot(f"it holds {len(infos):,} entries; at most {MEMBERS:,}")
    for info in infos:
        name = info.filename
        if info.orig_filename != name or not (name == MANIFEST or OBJECT.fullmatch(name)):
            raise BadSnapshot(f"it holds an entry that no snapshot has: {name[:200]!a}")
        if name in found:
            raise BadSnapshot(f"it holds {name} twice")
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise BadSnapshot(f"{name} in it is no plain file")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1 or info.file_size != info.compress_size:
            raise BadSnapshot(f"{name} in it is packed in a way that no snapshot is")
        found[name] = info
    if MANIFEST not in found:
        raise BadSnapshot("it has no manifest.json, so it is no snapshot")
    return found


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    if info.file_size > most:
        raise BadSnapshot(f"{info.filename} in it is {info.file_size:,} bytes long; at most {most:,}")
    try:
        with archive.open(info) as file:
            body = file.read(most + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadSnapshot(f"{info.filename} in it cannot be read: {error}") from None
    if len(body) != info.file_size:
        raise BadSnapshot(f"{info.filename} in it is shorter than it says")
    return body


def _check_sizes(manifest: Manifest, wanted: dict[str, int], size: int) -> None:
    sizes: dict[str, int] = {}
    for digest, length in digests(manifest):
        if sizes.setdefault(digest, length) != length or length > CHUNK_BYTES:
            raise BadSnapshot(f"content {digest[:12]} is of two sizes")
    whole = sum(length for _, length in digests(manifest))
    if max(whole, sum(wanted.values())) > max(FREELY, RATIO * size):
        raise BadSnapshot(f"it would unpack from {size:,} bytes to {whole:,}; no real home is packed so small")
    text = sum(chunk.size for chunk in (*manifest.journal, *manifest.memory.pages))
    if text > JOURNAL_BYTES:
        raise BadSnapshot(f"its journal and memories come to {text:,} bytes; at most {JOURNAL_BYTES:,}")
    if not manifest.journal:
        raise BadSnapshot("it brings no journal")
    memories = sum(manifest.memory.layers.values())
    if len(manifest.journal) > PAGES or len(manifest.memory.pages) > memories + text // CHUNK_BYTES:
        raise BadSnapshot("its journal or memories are cut into more parts than any are")
    if any(not chunk.digest for chunk in (*manifest.journal, *manifest.memory.pages)):
        raise BadSnapshot("its journal or memories are zeros")


def _check_journal(vault: Vault, manifest: Manifest) -> None:
    count = 0
    for count, line in enumerate(vault.lines(manifest.journal), 1):
        if count > LINES_MOST:
            raise BadSnapshot("its journal is too long")
        event = _read_line(line).event
        if isinstance(event, ProcessSpawned) != (count == 1):
            raise BadSnapshot("its journal does not begin with the birth of one agent")
    if count < manifest.n:
        raise BadSnapshot(f"its journal has {count} lines; it says {manifest.n}")


def _check_memories(vault: Vault, manifest: Manifest) -> None:
    memories = memories_of(vault, manifest)
    if len(memories) > LINES_MOST:
        raise BadSnapshot(f"it holds {len(memories):,} memories; at most {LINES_MOST:,}")
    layers: dict[str, int] = {}
    for memory in memories:
        layers[memory.layer] = layers.get(memory.layer, 0) + 1
    if layers != manifest.memory.layers:
        raise BadSnapshot("its memories are not as many as it says")


def _read_line(line: bytes) -> Line:
    try:
        return _line(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadSnapshot(f"a line of its journal cannot be read: {error}") from None


def _pages(journal: Iterable[At]) -> Iterator[bytes]:
    page = b""
    for _, at, actor, event in journal:
        page += _encode(Line(at, actor, event)) + b"\n"
        while len(page) >= _PAGE_BYTES:
            yield page[:CHUNK_BYTES]
            page = page[CHUNK_BYTES:]
    if page:
        yield page


def _named(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.external_attr = 0o644 << 16
    return info
