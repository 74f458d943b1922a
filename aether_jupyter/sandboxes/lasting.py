"""What lasts from one shell line to the next: the exported variables, and the folder in which the line ended.

Each line has a shell of its own, so nothing hangs while no line runs and a crash loses nothing. What it leaves is
told at its end in a small file of its own below the home. From that, changed variables go into one file there that
every later line begins with; the folder is handed back in `Completed` and belongs to the journal, because whoever
decides about a command must know where it runs.

Both files can be written by the sandbox's own commands. That gives them nothing which they do not have: they are of
the same user, and could as well export the variables. File tools, which may write unasked where a command may not
run, leave `.aether` alone. What the server takes from the files is bounded, and only ever goes back into the sandbox.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import posixpath
import re
import secrets
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from .. import beneath
from ..abc import Completed
from ..model.errors import AetherError
from .command import shell_argv

_FOLDER = ".aether/shell"
_EXPORTS = f"{_FOLDER}/exports"

_MOST = 100_000
"""Bytes of variables that are kept; a line that leaves more changes none of them."""
_LONGEST = 1_000
"""Characters of a folder's path that is kept."""

# One line, so that the command's own lines keep their numbers; no fork, so that it costs a fifth of a millisecond. What
# is after `eval` tells for a command that has set an EXIT trap of its own, which then runs.
_AROUND = (
    "_aether_end() {{ "
    "[ -z \"$_aether_line\" ] || {{ trap '' XFSZ || :; "
    "{{ command pwd -P; command printf '\\0'; command export -p; command printf '\\0'; }} >|{report} || :; "
    '_aether_line=; }}; return "$1"; }}; '
    "trap '{{ _aether_end 0; }} 2>/dev/null' EXIT; "
    '{begin}_aether_line=$1; shift; eval " $_aether_line"; {{ _aether_end "$?"; }} 2>/dev/null'
)

_NOT_KEPT = frozenset(
    b"PWD OLDPWD SHLVL _ _aether_line AETHER_CALL UID EUID PPID SHELLOPTS BASHOPTS BASH_VERSINFO BASHPID".split()
)
"""What each shell, or the sandbox, sets for itself; some of it cannot be set at all."""

# As `export -p` of dash, of bash, and of bash as sh writes it; what is kept is written as dash does.
_ENTRY = re.compile(
    rb"(declare -\w+|export(?: -\w+)?+|unset) ([A-Za-z_]\w*+)"
    rb"""(?:=((?:'[^']*+'|"(?:[^"\\]|\\.)*+"|\$'(?:[^'\\]|\\.)*+')++))?+\n""",
    re.DOTALL,
)
_PIECE = re.compile(rb"""'([^']*+)'|"((?:[^"\\]|\\.)*+)"|\$'((?:[^'\\]|\\.)*+)'""", re.DOTALL)
_CODES = dict(zip(b"abEfnrtv", b"\a\b\x1b\f\n\r\t\v", strict=True))

Variables = dict[bytes, bytes | None]
"""Values by name; None for one that is to be unset."""


async def run_lasting(
    command: str | Sequence[str],
    shell: str,
    *,
    home: Path,
    workdir: str,
    env: Mapping[str, str],
    run: Callable[[list[str]], Awaitable[Completed]],
) -> Completed:
    """Have `run` do a shell line that goes on where the one before left off, or an argv, which starts anew.

    `workdir` is the home as the command sees it, without links; `env` is the environment that `run` gives it. Raises
    `ToolFailed` for what no process can be given.
    """
    argv = shell_argv(command, shell)
    if not isinstance(command, str):
        return await run(argv)
    report = f"{_FOLDER}/{secrets.token_hex(8)}"
    try:
        beneath.make_directory(home, _FOLDER)
    except AetherError:
        # A full disk, or a link where the folder should be: this line runs all the same, and nothing of it lasts.
        return await run(argv)
    kept = _kept(home)
    try:
        done = await run([shell, "-c", _around(workdir, report, begins=bool(kept)), shell, command])
        left = b"" if done.timed_out else _read(home, report)
    finally:
        with contextlib.suppress(AetherError):
            beneath.delete(home, report)
    folder, *rest = left.split(b"\0")
    if len(rest) == 2 and not rest[1]:
        # Told to the end: a disk that was full in the middle of it has not unset the rest.
        before: Variables = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
        _keep(home, before, kept, _parsed(rest[0]))
    return dataclasses.replace(done, folder=_folder(folder, workdir))


def _around(workdir: str, report: str, *, begins: bool) -> str:
    exports = shlex.quote(posixpath.join(workdir, _EXPORTS))
    # Looked at again: a command beside this one may have removed it, and a plain sh would end at that.
    begin = f"[ ! -r {exports} ] || . {exports}; " if begins else ""
    return _AROUND.format(report=shlex.quote(posixpath.join(workdir, report)), begin=begin)


def _folder(told: bytes, workdir: str) -> str:
    """The folder that a line told, relative to the home where it lies in it; '' for one that is not to be kept."""
    path = told.decode("utf-8", "replace").removesuffix("\n")
    # People decide by what they read: a name that shows as something else, or as nothing, is none to go on in.
    plain = path.startswith("/") and path.isprintable() and "\ufffd" not in path and posixpath.normpath(path) == path
    if not plain or len(path) > _LONGEST:
        return ""
    return "." if path == workdir else path.removeprefix(f"{workdir}/")


def _keep(home: Path, before: Variables, kept: Variables, after: Variables) -> None:
    """Put what a line changed over what is kept now: another line may have ended while this one ran."""
    began = {name: value for name, value in {**before, **kept}.items() if value is not None and name not in _NOT_KEPT}
    changed = {name: value for name, value in after.items() if began.get(name) != value}
    gone = dict.fromkeys(began.keys() - after.keys())
    if not after or not (changed or gone):
        return
    now = _kept(home) | changed | gone
    text = _written({name: value for name, value in now.items() if value is not None or name in before})
    if len(text) <= _MOST:
        with contextlib.suppress(AetherError):
            beneath.write(home, _EXPORTS, text)


def _kept(home: Path) -> Variables:
    """The variables that are kept; none where the file is not as `_written` writes it."""
    text = _read(home, _EXPORTS)
    found = {m[2]: None if m[3] is None else _value(m[3]) for m in _ENTRY.finditer(text)}
    return found if _written(found) == text else {}


def _parsed(text: bytes) -> Variables:
    """The variables in what `export -p` said. Lists, and what is exported without a value, are in no environment."""
    found: Variables = {}
    at = 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            at = text.find(b"\n", at) + 1 or len(text)
            continue
        at = entry.end()
        if entry[3] is not None and entry[2] not in _NOT_KEPT:
            found[entry[2]] = _value(entry[3])
    return found


def _value(quoted: bytes) -> bytes:
    return b"".join(
        re.sub(rb'\\([\\$"`])', rb"\1", piece[2])
        if piece[2] is not None
        else re.sub(rb"(?s)\\([0-7]{1,3}|.)", _code, piece[3])
        if piece[3] is not None
        else piece[1]
        for piece in _PIECE.finditer(quoted)
    )


def _code(escape: re.Match[bytes]) -> bytes:
    said = escape[1]
    return bytes([int(said, 8) & 255 if said.isdigit() else _CODES.get(said[0], said[0])])


def _written(variables: Variables) -> bytes:
    return b"".join(
        b"unset %s\n" % name if value is None else b"export %s='%s'\n" % (name, value.replace(b"'", b"'\"'\"'"))
        for name, value in sorted(variables.items())
    )


def _read(home: Path, path: str) -> bytes:
    try:
        return beneath.read(home, path, limit=_MOST)
    except AetherError:
        return b""
