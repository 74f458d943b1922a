"""File operations that stay below one folder, held by directory descriptors and never by comparing strings.

The folder is an agent's home: what lies in it is written by an agent, so every name may be a link that points out of
it, a fifo that never answers, or be swapped between a check and a use. Linux opens each path with `openat2`
(RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS); elsewhere the path is walked component by component with O_NOFOLLOW. Links are
listed, moved and deleted, but never followed. Windows has no directory descriptors: there each component is checked
for being a link before use, which a process that swaps names fast enough can outrun.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import re
import secrets
import stat as modes
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from .abc import FileInfo
from .model.errors import FileNotFound, ToolFailed

WORKDIR = "/home/agent"
"""The name of the home inside every isolated sandbox; paths that begin with it are taken as below the home."""

_POSIX = os.open in os.supports_dir_fd
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
_NOCTTY: int = getattr(os, "O_NOCTTY", 0)

_OPENAT2 = 437
_NO_XMAGIC_SYMLINKS_BENEATH = 0x02 | 0x04 | 0x08
_TEMPORARY = ".aether-part-"
_MOST = 100_000
_DEEP = 100
"""Levels of folders below one that is deleted, before what lies deeper is taken up to it."""
_DEEPEST = 1000
"""Levels of folders that are walked: each is found from the top, so the work grows with the square."""


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def parts(path: str, root: Path | None = None) -> tuple[str, ...]:
    """The components of a path below the home; `()` is the home itself.

    Accepts relative paths, and absolute ones that begin with `/home/agent`, `~` or `root`. Raises `ToolFailed` for NUL,
    `..` and every other absolute path.
    """
    if "\0" in path:
        raise ToolFailed("the path holds a NUL character; give a plain relative path such as 'notes/today.md'")
    if os.sep == "\\":
        path = path.replace("\\", "/")
    pieces = [piece for piece in path.split("/") if piece not in ("", ".")]
    if path.startswith("/") or re.match(r"[A-Za-z]:/", path):
        for prefix in (WORKDIR, None if root is None else root.as_posix()):
            if prefix is None:
                continue
            inside = [piece for piece in prefix.split("/") if piece]
            if pieces[: len(inside)] == inside:
                pieces = pieces[len(inside) :]
                break
        else:
            raise ToolFailed(
                f"{_shown(path)} is outside the agent's home; give a path relative to it, such as 'notes/today.md'"
            )
    elif pieces and pieces[0] == "~":
        pieces = pieces[1:]
    if ".." in pieces:
        raise ToolFailed(f"{_shown(path)} has '..' in it; paths start at the agent's home and only go down")
    for piece in pieces:
        try:
            long = len(os.fsencode(piece)) > 255
        except UnicodeEncodeError:
            raise ToolFailed(f"{_shown(path)} is no name a file can have: half of a character is in it") from None
        if long:
            raise ToolFailed(f"{_shown(path)} has a name longer than 255 bytes")
    return tuple(pieces)


def place(path: str, home: Path, workspaces: Mapping[str, Path]) -> tuple[Path, str, str]:
    """The folder an agent's path lies in (its home or a workspace), the name below it, and the path as it is shown.

    Raises `FileNotFound` for a workspace that is not mounted.
    """
    names = path.strip().split("/")
    if names[:2] == ["", "workspaces"] and len(names) > 2:
        root = workspaces.get(names[2])
        if root is None:
            raise FileNotFound(f"no workspace {names[2]!r}; there are: {', '.join(workspaces) or 'none'}")
        name = "/".join(parts("/".join(names[3:])))
        return root, name, f"/workspaces/{names[2]}/{name}"
    name = "/".join(parts(path, home))
    return home, name, name


def read(root: Path, path: str, *, offset: int = 0, limit: int | None = None) -> bytes:
    """Bytes of a regular file from `offset`, at most `limit`. Raises `FileNotFound`, `ToolFailed`."""
    with _regular(root, path, os.O_RDONLY) as fd:
        if offset:
            os.lseek(fd, offset, os.SEEK_SET)
        left = os.fstat(fd).st_size - offset if limit is None else limit
        blocks: list[bytes] = []
        while left > 0 and (block := os.read(fd, min(left, 1 << 20))):
            blocks.append(block)
            left -= len(block)
        return b"".join(blocks)


def blocks(root: Path, path: str, *, limit: int | None = None) -> Iterator[bytes]:
    """The file in blocks of a quarter of a megabyte, at most `limit` bytes. Raises `FileNotFound`, `ToolFailed`."""
    with _regular(root, path, os.O_RDONLY) as fd:
        # A file that grows while it is read would have no end.
        left = os.fstat(fd).st_size if limit is None else limit
        while left > 0 and (block := os.read(fd, min(left, 1 << 18))):
            yield block
            left -= len(block)


def stat(root: Path, path: str) -> FileInfo:
    """What the name stands for; a link is described as a link. Raises `FileNotFound`."""
    names = parts(path, root)
    if not names:
        return _info("", os.stat(root))
    with _enter(root, path, names[:-1]) as where, _told(path):
        return _info("/".join(names), os.lstat(where.at(names[-1]), dir_fd=where.fd))


def exists(root: Path, path: str) -> bool:
    """Whether the name is there, as anything."""
    try:
        stat(root, path)
    except FileNotFound:
        return False
    return True


def write(root: Path, path: str, data: bytes | Iterable[bytes]) -> None:
    """Put the whole content (or its blocks) in one move: readers see the old file or the new. Makes missing folders.

    The content is not flushed to the disk's platter; it survives the end of the program, not a power cut.
    """
    names = _named(path, parts(path, root))
    with _enter(root, path, names[:-1], create=True) as where, _told(path):
        mode: int | None = None
        try:
            old = os.lstat(where.at(names[-1]), dir_fd=where.fd)
        except FileNotFoundError:
            pass
        else:
            if modes.S_ISDIR(old.st_mode):
                raise ToolFailed(f"{_shown(path)} is a directory")
            if modes.S_ISREG(old.st_mode):
                mode = modes.S_IMODE(old.st_mode) & 0o777
        part = where.at(_TEMPORARY + secrets.token_hex(8))
        fd = os.open(
            part,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY,
            0o644,
            dir_fd=where.fd,
        )
        try:
            try:
                _give(fd, where)
                if mode is not None and _POSIX:
                    # As it was, whatever the umask says of new files.
                    os.fchmod(fd, mode)
                for block in (data,) if isinstance(data, bytes) else data:
                    _put(fd, block)
            finally:
                os.close(fd)
            _rename(where, part, where, where.at(names[-1]))
        except BaseException:
            _forget(part, where.fd)
            raise


def append(root: Path, path: str, data: bytes) -> None:
    """Add to the end of a file, made if missing. A file with several hard links is replaced, not written through."""
    names = _named(path, parts(path, root))
    with _enter(root, path, names[:-1], create=True) as where, _told(path):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NOFOLLOW | _NONBLOCK | _NOCTTY | _CLOEXEC | _BINARY
        fresh = False
        try:
            fd = os.open(where.at(names[-1]), flags & ~os.O_CREAT, dir_fd=where.fd)
        except FileNotFoundError:
            fd = os.open(where.at(names[-1]), flags | os.O_EXCL, 0o644, dir_fd=where.fd)
            fresh = True
        try:
            status = os.fstat(fd)
            _must_be_regular(path, status)
            if fresh:
                _give(fd, where)
            if status.st_nlink == 1:
                try:
                    _put(fd, data)
                except OSError:
                    # A piece of it is worse than nothing; what others appended meanwhile is not touched.
                    if status.st_size < os.fstat(fd).st_size < status.st_size + len(data):
                        os.ftruncate(fd, status.st_size)
                    raise
                return
        finally:
            os.close(fd)
    write(root, path, itertools.chain(blocks(root, path), (data,)))


def listing(root: Path, path: str = "", *, limit: int = 10_000) -> list[FileInfo]:
    """The entries of one folder by name, at most `limit`. Raises `FileNotFound`, `ToolFailed` for a file."""
    names = parts(path, root)
    with _enter(root, path, names) as where, _told(path):
        prefix = "".join(f"{name}/" for name in names)
        return sorted(_entries(where, prefix, limit), key=lambda entry: entry.path)


def walk(root: Path, path: str = "", *, limit: int = _MOST) -> Iterator[FileInfo]:
    """Everything below a folder, depth first, parents before children, links not followed, at most `limit` entries."""
    left = limit
    waiting = [parts(path, root)]
    first = True
    while waiting and left > 0:
        names = waiting.pop()
        if len(names) > _DEEPEST:
            continue
        try:
            with _enter(root, "/".join(names), names) as where, _told("/".join(names)):
                found = sorted(_entries(where, "".join(f"{name}/" for name in names), left), key=lambda e: e.path)
        except (FileNotFound, ToolFailed):
            # A folder that is gone or was swapped meanwhile is no reason to lose the rest; the first one is.
            if first:
                raise
            continue
        first = False
        left -= len(found)
        yield from found
        waiting.extend(tuple(e.path.split("/")) for e in reversed(found) if e.kind == "directory")


class Found:
    """An entry that `survey` came by, with its status. It can be opened until the next one is asked for."""

    def __init__(self, path: str, status: os.stat_result, where: _Where, name: str) -> None:
        self.path = path
        self.status = status
        self._where = where
        self._name = name

    def open(self) -> int:
        """A descriptor for reading, the caller's to close. Raises `OSError` for a link or what is gone."""
        flags = os.O_RDONLY | _NOFOLLOW | _NONBLOCK | _NOCTTY | _CLOEXEC | _BINARY
        if not _NOFOLLOW and modes.S_ISLNK(os.lstat(self._where.at(self._name)).st_mode):
            raise OSError(errno.ELOOP, "a link", self._name)
        return os.open(self._where.at(self._name), flags, dir_fd=self._where.fd)

    def target(self) -> str:
        """Where a link points. Raises `OSError`."""
        return os.readlink(self._where.at(self._name), dir_fd=self._where.fd)


def survey(root: Path, missed: Callable[[str], None]) -> Iterator[Found]:
    """Everything below a folder with its status, parents before children, links not followed.

    A folder that cannot be entered, or not any more, is handed to `missed`; the root must be there.
    """
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        names = waiting.pop()
        path = "/".join(names)
        try:
            with (
                _enter(root, path, names) as where,
                os.scandir(where.fd if where.fd is not None else where.folder) as it,
            ):
                for entry in sorted(it, key=lambda each: each.name):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if modes.S_ISDIR(status.st_mode) and len(names) < _DEEPEST:
                        waiting.append((*names, entry.name))
                    yield Found(f"{path}/{entry.name}" if path else entry.name, status, where, entry.name)
        except (FileNotFound, ToolFailed, OSError):
            if not names:
                raise
            missed(path)


def usage(root: Path, *, limit: int = 1_000_000) -> int:
    """Bytes of all regular files below the folder."""
    return sum(entry.size_bytes for entry in walk(root, limit=limit) if entry.kind == "file")


def make_directory(root: Path, path: str) -> None:
    """Make a folder and its parents; one that is there already is fine."""
    with _enter(root, path, parts(path, root), create=True):
        return


def move(root: Path, source: str, target: str) -> str:
    """Rename within the home; into `target` where that is a folder. Returns the new path. Replaces a file there."""
    old = _named(source, parts(source, root))
    new = _landing(root, target, old[-1])
    if new[: len(old)] == old and new != old:
        raise ToolFailed(f"{_shown(source)} cannot be moved into itself")
    with _enter(root, source, old[:-1]) as here, _told(source):
        os.lstat(here.at(old[-1]), dir_fd=here.fd)
        with _enter(root, target, new[:-1], create=True) as there, _told(target):
            _rename(here, here.at(old[-1]), there, there.at(new[-1]))
    return "/".join(new)


def copy(root: Path, source: str, target: str, *, limit_bytes: int = 1 << 40) -> str:
    """Copy a file, or a folder with all in it; into `target` where that is a folder. Links are left out.

    Returns the new path. Raises `ToolFailed` before writing if it holds more than `limit_bytes`.
    """
    old = _named(source, parts(source, root))
    new = _landing(root, target, old[-1])
    if new[: len(old)] == old:
        raise ToolFailed(f"{_shown(source)} cannot be copied into itself")
    entry = stat(root, source)
    if entry.kind == "link":
        raise ToolFailed(f"{_shown(source)} is a symbolic link; file tools do not follow links")
    inside = list(walk(root, source, limit=_MOST)) if entry.kind == "directory" else []
    if len(inside) == _MOST:
        raise ToolFailed(f"{_shown(source)} holds {_MOST:,} entries or more; copy it with run_command (cp -r)")
    size = entry.size_bytes + sum(e.size_bytes for e in inside if e.kind == "file")
    if size > limit_bytes:
        raise ToolFailed(f"{_shown(source)} holds {size} bytes, and there is room for {limit_bytes}")
    goal = "/".join(new)
    if entry.kind == "directory":
        make_directory(root, goal)
        for item in inside:
            below = goal + "/" + "/".join(item.path.split("/")[len(old) :])
            if item.kind == "directory":
                make_directory(root, below)
            elif item.kind == "file":
                write(root, below, blocks(root, item.path))
    else:
        write(root, goal, blocks(root, source))
    return goal


def delete(root: Path, path: str, *, recursive: bool = False) -> int:
    """Remove a file, a link itself, or a folder (`recursive`, else only an empty one). Returns how many went."""
    names = _named(path, parts(path, root))
    with _enter(root, path, names[:-1]) as where, _told(path):
        name = where.at(names[-1])
        if not modes.S_ISDIR(os.lstat(name, dir_fd=where.fd).st_mode):
            os.unlink(name, dir_fd=where.fd)
            return 1
    count = _empty(root, path, names) if recursive else 0
    with _enter(root, path, names[:-1]) as where, _told(path):
        os.rmdir(where.at(names[-1]), dir_fd=where.fd)
    return count + 1


def remove(root: Path) -> None:
    """Delete a home with all in it, however deep it is nested and whatever its folders' modes are.

    Raises `ToolFailed` for what cannot be deleted; a home that is not there is fine.
    """
    try:
        if _POSIX:
            os.chmod(root, 0o700)
        _empty(root, "", (), force=True)
        os.rmdir(root)
    except (FileNotFound, FileNotFoundError):
        return


def _empty(root: Path, path: str, names: tuple[str, ...], *, force: bool = False) -> int:
    """Delete all that is in a folder; returns how many went. `force` goes into folders that are locked, too."""
    count = 0
    waiting = [names]
    while waiting:
        here = waiting[-1]
        try:
            with _enter(root, path, here) as inside, _told(path):
                folders: list[str] = []
                for entry in list(_entries(inside, "", _MOST)):
                    name = inside.at(entry.path)
                    if entry.kind != "directory":
                        os.unlink(name, dir_fd=inside.fd)
                        count += 1
                        continue
                    folders.append(entry.path)
                    if force:
                        _unlock(name, inside.fd)
        except FileNotFound:
            if here == names:
                raise
            waiting.pop()
            continue
        if not folders:
            waiting.pop()
            if here != names:
                with _enter(root, path, here[:-1]) as above, _told(path):
                    os.rmdir(above.at(here[-1]), dir_fd=above.fd)
                count += 1
        elif len(here) - len(names) < _DEEP:
            waiting += [(*here, name) for name in folders]
        else:
            # Found again when the uppermost folder is looked at anew.
            with _enter(root, path, here) as deep, _enter(root, path, names) as top, _told(path):
                for name in folders:
                    _rename(deep, deep.at(name), top, top.at(_TEMPORARY + secrets.token_hex(8)))
    return count


def _unlock(name: str, dir_fd: int | None) -> None:
    """Make a folder of ours one that can be read and emptied; never what a link points to."""
    if not _POSIX:
        return
    try:
        os.chmod(name, 0o700, dir_fd=dir_fd, follow_symlinks=False)
    except NotImplementedError:
        # Linux changes the mode of what is open, under the name that /proc gives it.
        fd = os.open(name, os.O_PATH | _DIRECTORY | _NOFOLLOW | _CLOEXEC, dir_fd=dir_fd)
        try:
            os.chmod(f"/proc/self/fd/{fd}", 0o700)
        finally:
            os.close(fd)


class _Where:
    """An open folder: `at` gives the name under which the system, handed `fd` as `dir_fd`, finds an entry of it."""

    def __init__(self, fd: int | None, folder: str) -> None:
        self.fd = fd
        self.folder = folder

    def at(self, name: str) -> str:
        return name if self.fd is not None else os.path.join(self.folder, name)


@contextmanager
def _enter(root: Path, path: str, names: tuple[str, ...], *, create: bool = False) -> Iterator[_Where]:
    """The folder `names` below the root, open; made where missing if `create`."""
    with _told(path):
        if not _POSIX:
            where = _Where(None, _checked(root, names, create))
            fd = None
        else:
            fd = os.open(root, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
            try:
                if names:
                    opened = _open_directory(fd, names, create)
                    os.close(fd)
                    fd = opened
            except BaseException:
                os.close(fd)
                raise
            where = _Where(fd, "")
    try:
        yield where
    finally:
        if fd is not None:
            os.close(fd)


def _open_directory(root_fd: int, names: tuple[str, ...], create: bool) -> int:
    flags = os.O_RDONLY | _DIRECTORY | _NOFOLLOW | _CLOEXEC
    if _openat2 is not None:
        try:
            return _openat2(root_fd, "/".join(names), flags)
        except OSError as error:
            # A path too long for one call can still be walked.
            if error.errno != errno.ENAMETOOLONG and not (create and error.errno == errno.ENOENT):
                raise
    fd = os.dup(root_fd)
    try:
        for name in names:
            try:
                below = os.open(name, flags, dir_fd=fd)
            except FileNotFoundError:
                if not create:
                    raise
                try:
                    os.mkdir(name, 0o755, dir_fd=fd)
                except FileExistsError:
                    made = False
                else:
                    made = True
                below = os.open(name, flags, dir_fd=fd)
                if made:
                    _give(below, _Where(fd, ""))
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd


def _find_openat2() -> Callable[[int, str, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    syscall = libc.syscall
    syscall.restype = ctypes.c_long

    def openat2(dir_fd: int, path: str, flags: int) -> int:
        how = _OpenHow(flags, 0, _NO_XMAGIC_SYMLINKS_BENEATH)
        encoded = os.fsencode(path)
        for _ in range(100):
            fd = syscall(
                ctypes.c_long(_OPENAT2),
                ctypes.c_int(dir_fd),
                ctypes.c_char_p(encoded),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if fd >= 0:
                return int(fd)
            code = ctypes.get_errno()
            # The kernel answers EAGAIN when something was renamed while it looked.
            if code not in (errno.EAGAIN, errno.EINTR):
                break
        raise OSError(code, os.strerror(code), path)

    try:
        os.close(openat2(-100, ".", os.O_RDONLY | _DIRECTORY | _CLOEXEC))
    except OSError:
        return None
    return openat2


_openat2 = _find_openat2()


def _checked(root: Path, names: tuple[str, ...], create: bool) -> str:
    """Where there are no directory descriptors: the folder's full path, each component looked at first."""
    here = root.resolve(strict=True)
    for name in names:
        here = here / name
        try:
            status = os.lstat(here)
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(here)
            status = os.lstat(here)
        reparse_tag: int = getattr(status, "st_reparse_tag", 0)
        if modes.S_ISLNK(status.st_mode) or reparse_tag:
            raise OSError(errno.ELOOP, "a link", str(here))
        if not modes.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(here))
    return str(here)


@contextmanager
def _regular(root: Path, path: str, flags: int) -> Iterator[int]:
    names = _named(path, parts(path, root))
    with _enter(root, path, names[:-1]) as where, _told(path):
        name = where.at(names[-1])
        if not _NOFOLLOW and modes.S_ISLNK(os.lstat(name).st_mode):
            raise OSError(errno.ELOOP, "a link", name)
        fd = os.open(name, flags | _NOFOLLOW | _NONBLOCK | _NOCTTY | _CLOEXEC | _BINARY, dir_fd=where.fd)
    try:
        with _told(path):
            _must_be_regular(path, os.fstat(fd))
            yield fd
    finally:
        os.close(fd)


def _put(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _must_be_regular(path: str, status: os.stat_result) -> None:
    if modes.S_ISDIR(status.st_mode):
        raise ToolFailed(f"{_shown(path)} is a directory; list_files shows what is in it")
    if not modes.S_ISREG(status.st_mode):
        raise ToolFailed(f"{_shown(path)} is a {_kind_word(status.st_mode)}, not a regular file")


def _entries(where: _Where, prefix: str, limit: int) -> Iterator[FileInfo]:
    with os.scandir(where.fd if where.fd is not None else where.folder) as found:
        for count, entry in enumerate(found):
            if count >= limit:
                return
            try:
                yield _info(prefix + entry.name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue


def _info(path: str, status: os.stat_result) -> FileInfo:
    kind: Literal["file", "directory", "link", "other"] = "other"
    if modes.S_ISREG(status.st_mode):
        kind = "file"
    elif modes.S_ISDIR(status.st_mode):
        kind = "directory"
    elif modes.S_ISLNK(status.st_mode):
        kind = "link"
    return FileInfo(path=path, kind=kind, size_bytes=status.st_size, modified_at=status.st_mtime)


def _kind_word(mode: int) -> str:
    for test, word in (
        (modes.S_ISFIFO, "pipe"),
        (modes.S_ISSOCK, "socket"),
        (modes.S_ISCHR, "device"),
        (modes.S_ISBLK, "device"),
        (modes.S_ISLNK, "symbolic link"),
    ):
        if test(mode):
            return word
    return "special file"


def _landing(root: Path, target: str, name: str) -> tuple[str, ...]:
    """Where something called `name` comes to lie when it is put at `target`."""
    names = parts(target, root)
    try:
        into = not names or target.endswith("/") or stat(root, target).kind == "directory"
    except FileNotFound:
        into = False
    return (*names, name) if into else names


def _rename(here: _Where, old: str, there: _Where, new: str) -> None:
    if _POSIX:
        os.rename(old, new, src_dir_fd=here.fd, dst_dir_fd=there.fd)
    else:
        os.replace(old, new)


def _give(fd: int, where: _Where) -> None:
    """A server that runs as root makes files for the owner of the folder, who is who the sandbox runs as."""
    if where.fd is None or os.geteuid() != 0:
        return
    status = os.fstat(where.fd)
    if status.st_uid != 0:
        os.fchown(fd, status.st_uid, status.st_gid)


def _forget(name: str, dir_fd: int | None) -> None:
    try:
        os.unlink(name, dir_fd=dir_fd)
    except OSError:
        # It was renamed already, or the disk is gone; the first error is the one worth telling.
        return


def _named(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ToolFailed(f"{_shown(path)} is the agent's home itself; name something inside it")
    return names


def _shown(path: str) -> str:
    return repr(path if len(path) <= 200 else path[:200] + "…")


@contextmanager
def _told(path: str) -> Iterator[None]:
    """The system's errors in words for the model, without paths of the host."""
    try:
        yield
    except OSError as error:
        name = _shown(path)
        if error.errno == errno.ENOENT:
            raise FileNotFound(f"there is no {name} in the agent's home; list_files shows what there is") from None
        words = {
            errno.ELOOP: f"{name} is a symbolic link or leads through one; file tools do not follow links",
            errno.EXDEV: f"{name} leads out of the agent's home",
            errno.ENOTDIR: f"a part of {name} is a file or a link, not a directory",
            errno.EISDIR: f"{name} is a directory",
            errno.ENOTEMPTY: f"{name} is a directory that is not empty; say recursive to delete all in it",
            errno.EEXIST: f"{name} is there already",
            errno.EACCES: f"{name} may not be touched: permission denied",
            errno.EPERM: f"{name} may not be touched: permission denied",
            errno.ENOSPC: "the disk is full; nothing was changed",
            errno.EDQUOT: "the disk quota is used up; nothing was changed",
            errno.ENXIO: f"{name} is a pipe or socket that nobody serves, not a regular file",
            errno.ENAMETOOLONG: f"{name} is too long",
        }
        raise ToolFailed(words.get(error.errno or 0, f"{name}: {os.strerror(error.errno or 0)}")) from None
