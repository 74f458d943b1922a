"""What a manifest may hold, what two of them differ in, and which snapshots are too many; pure.

A manifest that came from elsewhere was written by anybody: nothing in it is believed before it passed `check`.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from ..model.errors import BadSnapshot
from ..model.plan import changes
from ..model.snapshot import CHUNK_BYTES, NAMED, VERSION, ChangedFile, Comparison, Entry, LeftOut, Manifest, Snapshot

ENTRIES = 250_000
HOME_BYTES = 64 << 30
"""What the files of one snapshot may come to, holes in them included."""
PATH_BYTES, NAME_BYTES, DEEP = 3_000, 255, 200
KINDS, OPEN, OPEN_CHARS = 20, 1_000, 4_000
"""How many kinds of open things a manifest tells of, how many of each, and how long one may be."""
HOME = "/home/agent"
"""What a home is called inside a sandbox; a link may point there by that name."""
_KIND = re.compile(r"[a-z]{1,20}")


def check(manifest: Manifest, *, folds_case: bool) -> None:
    """Raise `BadSnapshot` for a manifest that names a place outside of the home, or does not hold together.

    `folds_case`: the file system takes names that differ in case alone for one.
    """
    if manifest.version != VERSION:
        raise BadSnapshot(f"it is of version {manifest.version}, and this server reads version {VERSION}")
    _check_extras(manifest.extras)
    if len(manifest.files) > ENTRIES:
        raise BadSnapshot(f"it holds {len(manifest.files):,} files; at most {ENTRIES:,}")
    kinds: dict[str, str] = {}
    folded: dict[str, Entry] = {}
    total = 0
    for entry in manifest.files:
        _check_path(entry.path)
        if entry.path in kinds:
            raise BadSnapshot(f"it names {shown(entry.path)} twice")
        kinds[entry.path] = entry.kind
        same = folded.setdefault(_fold(entry.path), entry)
        # One of them might be written through the other.
        if same is not entry and (folds_case or {same.kind, entry.kind} != {"file"}):
            raise BadSnapshot(f"{shown(same.path)} and {shown(entry.path)} would be one file where case does not count")
        _check_entry(entry)
        total += entry.size
    if total > HOME_BYTES:
        raise BadSnapshot(f"its files come to {total:,} bytes; at most {HOME_BYTES:,}")
    folders = {_fold(path): kind for path, kind in kinds.items()}
    for path in kinds:
        above = posixpath.dirname(path)
        while above:
            if folders.get(_fold(above), "directory") != "directory":
                raise BadSnapshot(f"{shown(path)} lies below {shown(above)}, which is a {folders[_fold(above)]}")
            above = posixpath.dirname(above)


def open_things(found: Mapping[str, Iterable[object]]) -> dict[str, list[str]]:
    """What was open, as a manifest may tell of it; kinds with nothing in them are left out."""
    cut = {kind: [str(each)[:OPEN_CHARS] for each in islice(things, OPEN)] for kind, things in found.items()}
    return {kind: things for kind, things in cut.items() if things}


def portable(manifest: Manifest) -> Manifest:
    """The manifest without what another machine would refuse or has no use for; what is left out is named."""
    kept: list[Entry] = []
    left: list[LeftOut] = []
    for entry in manifest.files:
        try:
            _check_path(entry.path)
            _check_entry(entry)
        except BadSnapshot as error:
            left.append(LeftOut(entry.path, error.message))
        else:
            kept.append(msgspec.structs.replace(entry, stamp=""))
    return msgspec.structs.replace(manifest, files=tuple(kept), left_out=(*manifest.left_out, *left)[:NAMED])


def leads_outside(path: str, target: str) -> bool:
    """Whether a link at `path` points out of the home, read by its letters alone."""
    if target.startswith("/"):
        whole = posixpath.normpath(target)
        return whole != HOME and not whole.startswith(HOME + "/")
    depth = path.count("/")
    for piece in target.split("/"):
        if piece == "..":
            depth -= 1
        elif piece not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return False


def compare(before: tuple[Snapshot, Manifest], after: tuple[Snapshot, Manifest]) -> Comparison:
    """What is otherwise in the second."""
    (old_snapshot, old), (new_snapshot, new) = before, after
    then = {entry.path: entry for entry in old.files if entry.kind != "directory"}
    now = {entry.path: entry for entry in new.files if entry.kind != "directory"}
    added = sorted(now.keys() - then.keys())
    removed = sorted(then.keys() - now.keys())
    both = then.keys() & now.keys()
    changed = sorted(path for path in both if _said(then[path]) != _said(now[path]))
    told = sorted([*added[:NAMED], *removed[:NAMED], *changed[:NAMED]])
    layers = sorted({*old.memory.layers, *new.memory.layers})
    return Comparison(
        before=old_snapshot,
        after=new_snapshot,
        added=len(added),
        removed=len(removed),
        changed=len(changed),
        unchanged=len(both) - len(changed),
        bytes=sum(e.size for e in now.values()) - sum(e.size for e in then.values()),
        files=[ChangedFile(path, _size(then, path), _size(now, path)) for path in told],
        steps=new_snapshot.step - old_snapshot.step,
        plan=changes(old.plan, new.plan),
        layers={layer: new.memory.layers.get(layer, 0) - old.memory.layers.get(layer, 0) for layer in layers},
    )


def too_many(snapshots: Sequence[Snapshot], keep: int) -> Sequence[Snapshot]:
    """Those that go so that `keep` stay: what was taken by itself first, then the oldest; none for 0.

    The newest stays, and so does whatever a person marked to be kept.
    """
    over = len(snapshots) - keep
    if keep <= 0 or over <= 0:
        return []
    newest = max(snapshots, key=lambda each: each.id).id
    free = [each for each in snapshots if not each.kept and each.id != newest]
    free.sort(key=lambda each: (each.reason in ("asked", "imported"), each.id))
    return free[:over]


def shown(path: str) -> str:
    """A path as an error names it."""
    return ascii(path if len(path) <= NAME_BYTES else path[:NAME_BYTES] + "…")


def digests(manifest: Manifest) -> Iterable[tuple[str, int]]:
    """Everything it names, each with its size; zeros are nothing that is kept."""
    for entry in manifest.files:
        yield from ((chunk.digest, chunk.size) for chunk in entry.chunks if chunk.digest)
    yield from ((chunk.digest, chunk.size) for chunk in (*manifest.memory.pages, *manifest.journal))


def _check_extras(extras: object) -> None:
    # The agent reads the kinds, so they are words and nothing else.
    if not isinstance(extras, dict) or len(extras) > KINDS or not all(map(_KIND.fullmatch, extras)):
        raise BadSnapshot("it tells of open things of kinds that there are not")
    for kind, things in extras.items():
        if not isinstance(things, list) or len(things) > OPEN:
            raise BadSnapshot(f"its open {kind} are no list of at most {OPEN:,}")
        if not all(isinstance(each, str) and len(each) <= OPEN_CHARS for each in things):
            raise BadSnapshot(f"its open {kind} are no texts of at most {OPEN_CHARS:,} characters")


def _check_path(path: str) -> None:
    pieces = path.split("/")
    if path.startswith("/") or "\\" in path or (len(pieces[0]) == 2 and pieces[0][1] == ":"):
        raise BadSnapshot(f"{shown(path)} is no path within a home")
    if any(piece in ("", ".", "..") for piece in pieces):
        raise BadSnapshot(f"{shown(path)} leads out of the home, or nowhere")
    if any(ord(letter) < 32 or letter == "\x7f" for letter in path):
        raise BadSnapshot(f"{shown(path)} has characters in it that no name should have")
    try:
        lengths = [len(piece.encode()) for piece in pieces]
    except UnicodeEncodeError:
        raise BadSnapshot(f"{shown(path)} has half of a character in it") from None
    if len(pieces) > DEEP or max(lengths) > NAME_BYTES or sum(lengths) + len(pieces) > PATH_BYTES:
        raise BadSnapshot(f"{shown(path)} is too long or too deep")


def _check_entry(entry: Entry) -> None:
    if entry.kind != "file" and (entry.size or entry.chunks):
        raise BadSnapshot(f"{shown(entry.path)} is a {entry.kind} and has content")
    if entry.kind != "link" and entry.target:
        raise BadSnapshot(f"{shown(entry.path)} is a {entry.kind} and points elsewhere")
    if entry.kind == "link":
        if not entry.target or len(entry.target) > PATH_BYTES or "\0" in entry.target or "\\" in entry.target:
            raise BadSnapshot(f"{shown(entry.path)} is a link to nowhere")
        if leads_outside(entry.path, entry.target):
            raise BadSnapshot(f"{shown(entry.path)} is a link that leads out of the home, to {shown(entry.target)}")
    if sum(chunk.size for chunk in entry.chunks) != entry.size:
        raise BadSnapshot(f"{shown(entry.path)} has parts that do not come to its size")
    if any(chunk.size != CHUNK_BYTES for chunk in entry.chunks[:-1]):
        raise BadSnapshot(f"{shown(entry.path)} is cut into parts of the wrong size")
    if not -(2**62) < entry.mtime_ns < 2**62:
        raise BadSnapshot(f"{shown(entry.path)} is of no time there is")


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _said(entry: Entry) -> tuple[object, ...]:
    return entry.kind, entry.size, entry.chunks, entry.target, entry.mode


def _size(entries: Mapping[str, Entry], path: str) -> int | None:
    entry = entries.get(path)
    return None if entry is None else entry.size
