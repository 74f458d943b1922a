"""Where snapshots lie on the disk: contents by their digests, compressed, each once for an owner.

A capture has two halves. While the agent is held, only what changed is copied into one file (`spool`); afterwards, in
its own time, that is cut, hashed, compressed and kept (`keep`). A manifest is written last and moved into place, so a
crash leaves parts that nobody names, which `sweep` takes away.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import shutil
import stat as modes
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from .. import beneath
from ..engine.manifest import DEEP, ENTRIES, PATH_BYTES, digests
from ..model.errors import BadSnapshot, SnapshotNotFound, StorageFull, TooMany
from ..model.snapshot import CHUNK_BYTES, NAMED, Chunk, Entry, LeftOut, Manifest

if TYPE_CHECKING:
    import zstandard

LEVEL = 3
WINDOW_BYTES = 8 << 20
FEW = 64
"""So many new objects are flushed one by one; more by one call for the whole file system."""
SPARE_BYTES = 64 << 20
"""What must be left on the disk beside a copy."""
UNTAKEN = frozenset({".aether/token"})
"""What a sandbox writes anew whenever it begins."""
MANIFEST_BYTES = 512 << 20
LINE_BYTES = 32 << 20
RACY_NS = 2_000_000_000
"""A file that was changed so short before it was looked at may change again without a sign of it."""

_manifest = msgspec.json.Decoder(Manifest).decode


class Spooled(msgspec.Struct):
    """One name of the home. `extents` are the pieces of its content: offset in it, length, offset in the spool."""

    entry: Entry
    extents: list[tuple[int, int, int]]


class Capture(msgspec.Struct):
    """What was copied while the agent was held."""

    folder: Path
    found: list[Spooled]
    left_out: list[LeftOut]
    at_ns: int
    left: int = 0

    def leave(self, path: str, why: str) -> None:
        """Count a name that is not taken, and say why of the first."""
        self.left += 1
        if len(self.left_out) < NAMED:
            self.left_out.append(LeftOut(path.encode("utf-8", "replace").decode(), why))


class Vault:
    """The snapshots of one owner. Everything here blocks, so it is called in threads."""

    def __init__(self, root: Path, owner: str, durable: bool = True) -> None:
        # Quoted, so that no owner's name can be a path; a leading dot would survive quoting.
        self.root = root / f"of-{quote(owner, safe='')}"
        self._objects = self.root / "objects"
        self._manifests = self.root / "manifests"
        self._staging = self.root / "staging"
        self._durable = durable

    @contextmanager
    def alone(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the owner's vault against every other server; False if that is not to be had without waiting."""
        for folder in (self._objects, self._manifests, self._staging):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.root, wait=wait) as held:
            yield held

    # --- taking --------------------------------------------------------------------------------------------------

    def folder(self) -> Path:
        """A new folder for what is under way."""
        folder = self._staging / secrets.token_hex(8)
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def spool(self, home: Path, known: Mapping[str, Entry]) -> Capture:
        """Copy what is not `known` to be unchanged. This is what an agent is held for, so it does nothing else."""
        capture = Capture(self.folder(), [], [], time.time_ns())
        with _room(), (capture.folder / "spool").open("wb", buffering=0) as spool:
            if not home.is_dir():
                return capture
            free = shutil.disk_usage(capture.folder).free - SPARE_BYTES
            at = 0
            for found in beneath.survey(home, lambda path: capture.leave(path, "this folder could not be read")):
                if len(capture.found) >= ENTRIES:
                    raise TooMany(f"the home holds more than {ENTRIES:,} files; a snapshot takes no more")
                entry = _entry(found, capture)
                if entry is None:
                    continue
                old = known.get(entry.path)
                if old is not None and entry.kind == "file" and _same(old, entry):
                    capture.found.append(Spooled(old, []))
                    continue
                extents: list[tuple[int, int, int]] = []
                if entry.kind == "file" and entry.size:
                    try:
                        fd = found.open()
                    except OSError as error:
                        capture.leave(entry.path, f"it could not be read: {error.strerror}")
                        continue
                    try:
                        if not modes.S_ISREG(os.fstat(fd).st_mode):
                            capture.leave(entry.path, "it is no regular file any more")
                            continue
                        for begin, end in _data(fd, entry.size):
                            if at + end - begin > free:
                                raise StorageFull(
                                    f"There is no room on the disk for a copy of the home ({free:,} bytes are free). "
                                    "Delete old snapshots, or free some space; nothing was kept."
                                )
                            copied = _copied(fd, begin, end, spool.fileno())
                            extents.append((begin, copied, at))
                            at += copied
                    finally:
                        os.close(fd)
                capture.found.append(Spooled(entry, extents))
        return capture

    def keep(self, capture: Capture) -> tuple[tuple[Entry, ...], int]:
        """Keep what was copied. Returns the entries with their contents named, and how many bytes were new."""
        fresh: dict[str, int] = {}
        entries: list[Entry] = []
        with _room(), (capture.folder / "spool").open("rb", buffering=0) as spool, self._packer(fresh) as put:
            for each in capture.found:
                entry = each.entry
                if entry.chunks or entry.kind != "file" or not entry.size:
                    entries.append(entry)
                    continue
                chunks = []
                for begin in range(0, entry.size, CHUNK_BYTES):
                    size = min(CHUNK_BYTES, entry.size - begin)
                    content = _piece(spool.fileno(), each.extents, begin, size)
                    chunks.append(Chunk(size, put(content) if content is not None else ""))
                entries.append(msgspec.structs.replace(entry, chunks=tuple(chunks)))
        self._flush(list(fresh))
        return tuple(entries), sum(fresh.values())

    def keep_lines(self, pages: Iterable[bytes]) -> tuple[tuple[Chunk, ...], int]:
        """Keep pages of text, each as it is; none may be longer than a chunk."""
        fresh: dict[str, int] = {}
        chunks: list[Chunk] = []
        with _room(), self._packer(fresh) as put:
            for page in pages:
                chunks += [Chunk(len(part), put(part)) for part in _parts(page)]
        self._flush(list(fresh))
        return tuple(chunks), sum(fresh.values())

    def write(self, name: str, manifest: Manifest) -> None:
        """Put a manifest in its place, in one move."""
        import zstandard

        body = zstandard.ZstdCompressor(level=LEVEL).compress(msgspec.json.encode(manifest))
        with _room():
            part = self._staging / f"{name}.part"
            _write(part, body, flush=self._durable)
            part.replace(self._manifests / name)
            if self._durable:
                _flush_folder(self._manifests)

    def discard(self, capture: Capture) -> None:
        """Drop the copy."""
        shutil.rmtree(capture.folder, ignore_errors=True)

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, name: str) -> Manifest:
        """A manifest. Raises `SnapshotNotFound` where its file is gone, `BadSnapshot` where it cannot be read."""
        try:
            body = (self._manifests / name).read_bytes()
        except FileNotFoundError:
            raise SnapshotNotFound("The files of this snapshot are gone from the disk; delete it") from None
        return decoded(unpacked(body, None, MANIFEST_BYTES))

    def get(self, chunk: Chunk) -> bytes:
        """The bytes of one chunk, known to be what was kept. Raises `BadSnapshot`."""
        if not chunk.digest:
            return bytes(chunk.size)
        try:
            body = self._place(chunk.digest).read_bytes()
        except FileNotFoundError:
            raise BadSnapshot(f"a part of this snapshot is gone from the disk ({chunk.digest[:12]})") from None
        content = unpacked(body, chunk.size, chunk.size)
        if hashlib.sha256(content).hexdigest() != chunk.digest:
            raise BadSnapshot(f"a part of this snapshot is damaged on the disk ({chunk.digest[:12]})")
        return content

    def stored(self, digest: str) -> Path:
        """Where a content lies, as it is kept."""
        return self._place(digest)

    def lines(self, pages: Sequence[Chunk]) -> Iterator[bytes]:
        """The lines of kept pages."""
        # A line may go over many pages, and is put together once.
        pieces: list[bytes] = []
        length = 0
        for page in pages:
            first, *more = self.get(page).split(b"\n")
            pieces.append(first)
            length += len(first)
            if more:
                yield from (line for line in (b"".join(pieces), *more[:-1]) if line)
                pieces, length = [more[-1]], len(more[-1])
            if length > LINE_BYTES:
                raise BadSnapshot("a line of it is longer than any line is")
        if length:
            yield b"".join(pieces)

    def lay_out(self, manifest: Manifest, into: Path) -> None:
        """The files of a snapshot in an empty folder. Links come last, so that nothing is written through one."""
        with _room():
            links, folders = [], []
            for entry in manifest.files:
                place = into / entry.path
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if entry.kind == "directory":
                    place.mkdir(mode=0o700, exist_ok=True)
                    folders.append((place, entry))
                elif entry.kind == "link":
                    links.append((place, entry))
                else:
                    self._lay_file(place, entry)
            for place, entry in links:
                os.symlink(entry.target, place)
            _own(into)
            # The deepest first: a folder that may not be written is no obstacle by then.
            for place, entry in sorted(folders, key=lambda each: len(each[0].parts), reverse=True):
                if os.name == "posix":
                    place.chmod(entry.mode)
                os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))

    def _lay_file(self, place: Path, entry: Entry) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(place, flags, 0o600)
        try:
            at = 0
            for chunk in entry.chunks:
                if chunk.digest:
                    view = memoryview(self.get(chunk))
                    os.lseek(fd, at, os.SEEK_SET)
                    while view:
                        view = view[os.write(fd, view) :]
                at += chunk.size
            # What ends in zeros is as long as it was.
            os.ftruncate(fd, entry.size)
        finally:
            os.close(fd)
        if os.name == "posix":
            place.chmod(entry.mode)
        os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))

    # --- tidying -------------------------------------------------------------------------------------------------

    def sweep(self, names: Iterable[str]) -> int:
        """Take away what belongs to no snapshot of these names, and what was cut off. Returns the bytes that went.

        The caller holds the vault `alone`.
        """
        wanted = set(names)
        for folder in (self._staging, self._manifests):
            for path in folder.iterdir() if folder.is_dir() else ():
                if folder is self._manifests and path.name in wanted:
                    continue
                self.drop(path) if path.is_dir() else path.unlink(missing_ok=True)
        used: set[str] = set()
        for name in wanted:
            try:
                used.update(digest for digest, _ in digests(self.read(name)))
            except SnapshotNotFound:
                continue
            except BadSnapshot:
                # What it names is not known, so nothing can be told to be nobody's.
                return 0
        gone = 0
        for folder in self._objects.iterdir() if self._objects.is_dir() else ():
            for path in folder.iterdir():
                if folder.name + path.name not in used:
                    gone += path.stat().st_size
                    path.unlink(missing_ok=True)
        return gone

    def left_over(self, names: Iterable[str]) -> bool:
        """Whether there is something that belongs to no snapshot of these names, by its look."""
        manifests = {path.name for path in self._manifests.iterdir()} if self._manifests.is_dir() else set()
        return bool(manifests.difference(names)) or (self._staging.is_dir() and any(self._staging.iterdir()))

    def drop(self, folder: Path) -> None:
        """Delete a folder of the vault."""
        if folder.is_dir() and folder.is_relative_to(self.root):
            _unmount(folder / "home")
            beneath.remove(folder)

    # --- contents ------------------------------------------------------------------------------------------------

    def _place(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        """Whether a content is kept."""
        return self._place(digest).exists()

    def adopt(self, digest: str, packed: bytes) -> bool:
        """Keep a content that is packed and known to be right; False if it is there. `flush` makes it last."""
        place = self._place(digest)
        if place.exists():
            return False
        place.parent.mkdir(mode=0o700, exist_ok=True)
        part = self._staging / secrets.token_hex(8)
        _write(part, packed, flush=False)
        part.replace(place)
        return True

    def flush(self, digests: Sequence[str]) -> None:
        """See to it that these survive a power cut."""
        self._flush(list(digests))

    @contextmanager
    def _packer(self, fresh: dict[str, int]) -> Iterator[_Packer]:
        with ThreadPoolExecutor(2, "aether-pack") as pool:
            packer = _Packer(self, pool, fresh)
            yield packer
            packer.finish()

    def _flush(self, digests: Sequence[str]) -> None:
        if not self._durable or not digests:
            return
        if len(digests) > FEW and _sync_file_system(self._objects):
            return
        for digest in digests:
            with self._place(digest).open("rb+") as file:
                os.fsync(file.fileno())
        for folder in {self._place(digest).parent for digest in digests}:
            _flush_folder(folder)
        _flush_folder(self._objects)


class _Packer:
    """Hashes and compresses beside the reading; `fresh` gets what was not kept before, with its packed size."""

    def __init__(self, vault: Vault, pool: ThreadPoolExecutor, fresh: dict[str, int]) -> None:
        self._vault = vault
        self._pool = pool
        self._fresh = fresh
        self._pending: list[tuple[str, object]] = []
        self._seen: set[str] = set()

    def __call__(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._seen and not self._vault.has(digest):
            self._pending.append((digest, self._pool.submit(self._pack, digest, content)))
            if len(self._pending) >= 4:
                self._settle(2)
        self._seen.add(digest)
        return digest

    def _pack(self, digest: str, content: bytes) -> int:
        import zstandard

        packed = zstandard.ZstdCompressor(level=LEVEL).compress(content)
        return len(packed) if self._vault.adopt(digest, packed) else 0

    def _settle(self, leave: int) -> None:
        while len(self._pending) > leave:
            digest, future = self._pending.pop(0)
            self._fresh[digest] = future.result()  # type: ignore[attr-defined]

    def finish(self) -> None:
        self._settle(0)


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder against every other server, where the system can; False where one holds it and `wait` is False."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def chunks_of(page: bytes) -> Iterator[Chunk]:
    """A page as it would be kept."""
    return (Chunk(len(part), hashlib.sha256(part).hexdigest()) for part in _parts(page))


def unpacked(body: bytes, size: int | None, most: int) -> bytes:
    """The content of a zstandard frame: exactly `size` bytes if that is known, never more than `most`.

    Raises `BadSnapshot`. What the frame says of its size is looked at first, so that nothing is made room for in vain.
    """
    import zstandard

    try:
        said = zstandard.get_frame_parameters(body)
        if said.content_size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            raise BadSnapshot("a part of it does not say how long it is")
        if said.content_size > most or (size is not None and said.content_size != size):
            raise BadSnapshot("a part of it is longer or shorter than it says")
        decompressor: zstandard.ZstdDecompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        content = decompressor.decompress(body, max_output_size=most, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BadSnapshot(f"a part of it cannot be unpacked: {error}") from None
    if len(content) != said.content_size:
        raise BadSnapshot("a part of it is longer or shorter than it says")
    return content


def decoded(body: bytes) -> Manifest:
    """A manifest from JSON. Raises `BadSnapshot`."""
    try:
        return _manifest(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadSnapshot(f"its manifest cannot be read: {error}") from None


def _entry(found: beneath.Found, capture: Capture) -> Entry | None:
    path, status = found.path, found.status
    if path in UNTAKEN:
        return None
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        capture.leave(os.fsencode(path).decode("utf-8", "replace"), "its name is not UTF-8")
        return None
    if length > PATH_BYTES or path.count("/") >= DEEP:
        capture.leave(path, "it lies too deep, or its path is too long")
        return None
    base = Entry(path=path, mode=status.st_mode & 0o777, mtime_ns=status.st_mtime_ns)
    if modes.S_ISDIR(status.st_mode):
        return msgspec.structs.replace(base, kind="directory")
    if modes.S_ISLNK(status.st_mode):
        try:
            target = found.target()
            target.encode()
        except (OSError, UnicodeEncodeError):
            capture.leave(path, "where this link points cannot be said")
            return None
        return msgspec.structs.replace(base, kind="link", target=target)
    if not modes.S_ISREG(status.st_mode):
        capture.leave(path, "it is a socket, a pipe or a device")
        return None
    settled = capture.at_ns - status.st_ctime_ns > RACY_NS
    stamp = f"{status.st_ino:x}.{status.st_ctime_ns:x}" if settled else ""
    return msgspec.structs.replace(base, size=status.st_size, stamp=stamp)


def _same(old: Entry, new: Entry) -> bool:
    """Whether a file is untouched: nobody who may write it can set back when its inode changed."""
    same = (old.kind, old.size, old.mtime_ns, old.mode, old.stamp)
    return bool(old.stamp) and same == (new.kind, new.size, new.mtime_ns, new.mode, new.stamp)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data and no holes."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            yield at, size
            return
        if begin >= size:
            return
        at = min(os.lseek(fd, begin, os.SEEK_HOLE), size)
        yield begin, at


def _copied(fd: int, begin: int, end: int, into: int) -> int:
    """Copy a piece to the end of another file, within the kernel where that can be; returns how much there was."""
    os.lseek(fd, begin, os.SEEK_SET)
    left = end - begin
    inside = hasattr(os, "copy_file_range")
    while left > 0:
        if inside:
            try:
                count = os.copy_file_range(fd, into, min(left, 1 << 30))
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
                    raise
                inside = False
                continue
        else:
            block = os.read(fd, min(left, 1 << 20))
            view = memoryview(block)
            while view:
                view = view[os.write(into, view) :]
            count = len(block)
        if count == 0:
            break
        left -= count
    return end - begin - left


def _piece(fd: int, extents: Sequence[tuple[int, int, int]], begin: int, size: int) -> bytes | None:
    """A part of a file put together from the spool; None where it is all zeros."""
    content: bytearray | None = None
    for at, length, place in extents:
        first, last = max(begin, at), min(begin + size, at + length)
        if first >= last:
            continue
        data = _read(fd, last - first, place + first - at)
        if first == begin and last - first == size:
            return data if data.count(0) != size else None
        content = content if content is not None else bytearray(size)
        content[first - begin : last - begin] = data
    return bytes(content) if content is not None and any(content) else None


def _read(fd: int, size: int, at: int) -> bytes:
    os.lseek(fd, at, os.SEEK_SET)
    pieces = []
    while size > 0 and (block := os.read(fd, size)):
        pieces.append(block)
        size -= len(block)
    # A file that became shorter while it was copied ends in zeros.
    return b"".join(pieces) + bytes(size)


def _parts(page: bytes) -> Iterator[bytes]:
    for begin in range(0, len(page), CHUNK_BYTES):
        yield page[begin : begin + CHUNK_BYTES]


def _unmount(folder: Path) -> None:
    """A server that was cut off may have left a volume mounted there."""
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True, timeout=60)


def _own(folder: Path) -> None:
    """What a server that runs as root has put in a folder belongs to whom the folder does."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or (owner := folder.stat()).st_uid == 0:
        return
    for _, folders, files, fd in os.fwalk(folder):
        for name in (*folders, *files):
            os.chown(name, owner.st_uid, owner.st_gid, dir_fd=fd, follow_symlinks=False)


def _write(path: Path, body: bytes, *, flush: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(fd, view) :]
        if flush:
            os.fsync(fd)
    finally:
        os.close(fd)


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_file_system(folder: Path) -> bool:
    """Flush all of the file system at once; False where there is no such call."""
    if not sys.platform.startswith("linux"):
        return False
    fd = os.open(folder, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None, use_errno=True).syncfs(fd) == 0)
    finally:
        os.close(fd)


@contextmanager
def _room() -> Iterator[None]:
    """A full disk in words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk under AETHER_HOME is full; nothing was kept. Free some space.") from error
        raise


def folds_case(folder: Path) -> bool:
    """Whether the file system takes two names for one that differ in case alone."""
    probe = folder / "aA"
    with contextlib.ExitStack() as stack:
        probe.touch()
        stack.callback(probe.unlink, missing_ok=True)
        return (folder / "Aa").exists()
