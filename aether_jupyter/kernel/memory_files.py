"""Memories as files: export, a preview of what an import would change, and the import itself.

The plan of an import is a pure function of the files and of what is remembered. Its digest names it, so that what a
person has seen is what is done, or nothing is.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select

from ..model.access import Principal, require
from ..model.errors import AetherError, BadRequest, Conflict, Forbidden
from ..model.memory import Change, Memory, Note, Source
from ..model.memory_file import (
    GIT_FILE,
    GIT_TEXT,
    MARK_FILE,
    NOTES_FILE,
    ChangeKind,
    FileChange,
    ImportReport,
    MemoryFile,
    mark,
    newest_in,
    parse,
    path_of,
    render,
)
from ..model.notes import NOTES_CHARS, Notes
from ..store import tables
from ..store.database import Database
from .memories import Memories
from .notes import NotesKeeper

PAGE = 1_000
BATCH = 256
"""Memories that one transaction writes, so that agents at work need not wait for the whole import."""
SHOWN = 1_000
SAME_S = 0.001
"""Two moments of making that are nearer than this are one: a file names microseconds."""
DIFFED = 20_000
"""Characters up to which two texts are compared line by line; of longer ones the middle part that differs is shown."""
DIFF_CHARS = 2_000
_ORDER: tuple[ChangeKind, ...] = (
    "unreadable",
    "conflict",
    "notes",
    "forgotten",
    "changed",
    "moved",
    "older",
    "new",
)

_ID = re.compile(rb"---\nid: ([1-9]\d{0,15})\n")
_memory = msgspec.json.Decoder(Memory).decode
s, m = tables.memory_space, tables.memory
_MINE = (
    (s.c.owner == bindparam("owner")),
    (s.c.agent == bindparam("agent")),
)
_PAGE = (
    select(m.c.id, m.c.body)
    .join(s, s.c.id == m.c.space)
    .where(*_MINE, m.c.forgotten.is_(False), m.c.id > bindparam("after"))
    .order_by(m.c.id)
    .limit(PAGE)
)
_FORGOTTEN = select(m.c.id, m.c.created_at).join(s, s.c.id == m.c.space).where(*_MINE, m.c.forgotten.is_(True))
_NEWEST = select(func.coalesce(func.max(m.c.id), 0)).join(s, s.c.id == m.c.space).where(*_MINE)

Files = Iterable[tuple[str, bytes]]
Step = tuple[FileChange, MemoryFile | tuple[str, int] | None]
"""A change and what it needs: the file, or MEMORY.md's text and the version it takes the place of."""


class _Plan(msgspec.Struct):
    """What is to be done, by file; `same` and `missing` are counts."""

    steps: list[Step]
    same: int
    missing: int


class MemoryFiles:
    """`export` gives the files of one agent, `preview` and `apply` take them."""

    def __init__(self, database: Database, memories: Memories, notes: NotesKeeper) -> None:
        self._database = database
        self._memories = memories
        self._notes = notes

    async def export(self, actor: Principal, agent: str) -> AsyncIterator[Sequence[tuple[str, bytes]]]:
        """`(path, content)`, a page at a time: the same memories give the same files in the same order."""
        require(actor, "memory:read")
        who = {"owner": actor.owner, "agent": agent}
        newest = int((await self._database.fetch(_NEWEST, who))[0][0])
        versions = await self._notes.versions(actor, agent)
        notes = [(NOTES_FILE, f"{versions[0].text}\n".encode())] if versions and versions[0].text else []
        yield [(GIT_FILE, GIT_TEXT), (MARK_FILE, mark(agent, newest)), *notes]
        after = 0
        while rows := await self._database.fetch(_PAGE, who | {"after": after}):
            after = rows[-1].id
            yield await asyncio.to_thread(_rendered, rows)

    async def preview(
        self, actor: Principal, agent: str, files: Files, *, forget_missing: bool = False
    ) -> ImportReport:
        """What an import of these files would change. Nothing is written."""
        require(actor, "memory:write")
        plan = await self._plan(actor, agent, files, forget_missing)
        return _report(agent, plan, await asyncio.to_thread(_digest, plan), applied=False)

    async def apply(
        self, actor: Principal, agent: str, files: Files, digest: str, *, forget_missing: bool = False
    ) -> ImportReport:
        """Do what the preview with this digest said. Raises `Conflict` if it would be something else by now.

        It writes in batches. What somebody else changes meanwhile is left alone, and is a conflict in the report.
        """
        require(actor, "memory:write")
        plan = await self._plan(actor, agent, files, forget_missing)
        if await asyncio.to_thread(_digest, plan) != digest:
            raise Conflict("Files or memories have changed since the preview; look at it again")
        done: list[Step] = [step for step in plan.steps if step[0].kind in ("older", "conflict", "unreadable")]
        for kind, write in (
            ("notes", self._write),
            ("new", self._add),
            ("changed", self._edit),
            ("moved", self._edit),
            ("forgotten", self._drop),
        ):
            steps = [step for step in plan.steps if step[0].kind == kind]
            for at in range(0, len(steps), BATCH):
                done += await write(actor, agent, steps[at : at + BATCH])
        return _report(agent, _Plan(done, plan.same, plan.missing), digest, applied=True)

    async def _plan(self, actor: Principal, agent: str, files: Files, forget_missing: bool) -> _Plan:
        if not agent.strip():
            raise BadRequest("agent: whose memory?")
        if actor.pid is not None:
            raise Forbidden("An agent cannot import files; a person must")
        known: MutableMapping[int, Memory] = {}
        after, who = 0, {"owner": actor.owner, "agent": agent}
        while rows := await self._database.fetch(_PAGE, who | {"after": after}):
            after = rows[-1].id
            known.update({row.id: _read(row) for row in rows})
        gone = {row.id: row.created_at for row in await self._database.fetch(_FORGOTTEN, who)}
        versions = await self._notes.versions(actor, agent)
        notes = versions[0] if versions else None
        return await asyncio.to_thread(plan, known, gone, files, forget_missing, notes)

    async def _add(self, actor: Principal, agent: str, steps: Sequence[Step]) -> Sequence[Step]:
        done: MutableSequence[Step] = []
        for tainted in (False, True):
            some = [(c, file) for c, file in steps if isinstance(file, MemoryFile) and file.tainted is tainted]
            notes = [
                Note(
                    text=file.text,
                    layer=file.layer,
                    importance=0.5 if file.importance is None else file.importance,
                    tags=file.tags or (),
                    at=file.created,
                    pinned=file.pinned or False,
                )
                for _, file in some
            ]
            if notes:
                source = Source(actor.name, "import", tainted=tainted)
                kept = await self._memories.remember_many(actor, agent, notes, source)
                done += [
                    (msgspec.structs.replace(change, id=memory.id), file)
                    for (change, file), memory in zip(some, kept, strict=True)
                ]
        return done

    async def _edit(self, actor: Principal, agent: str, steps: Sequence[Step]) -> Sequence[Step]:
        async def one(change: FileChange, file: Any) -> Step:
            assert isinstance(file, MemoryFile)
            assert change.id is not None
            try:
                await self._memories.edit(actor, change.id, _change(file), version=file.version)
            except AetherError as error:
                return msgspec.structs.replace(change, kind="conflict", problem=error.message), file
            return change, file

        # Together, so that they share their commits.
        return await asyncio.gather(*(one(*step) for step in steps))

    async def _write(self, actor: Principal, agent: str, steps: Sequence[Step]) -> Sequence[Step]:
        done: MutableSequence[Step] = []
        for change, found in steps:
            assert isinstance(found, tuple)
            try:
                await self._notes.write(actor, agent, found[0], version=found[1])
            except AetherError as error:
                change = msgspec.structs.replace(change, kind="conflict", problem=error.message)  # noqa: PLW2901
            done.append((change, found))
        return done

    async def _drop(self, actor: Principal, agent: str, steps: Sequence[Step]) -> Sequence[Step]:
        async def one(change: FileChange) -> Step:
            assert change.id is not None
            try:
                await self._memories.forget(actor, (change.id,))
            except AetherError as error:
                return msgspec.structs.replace(change, kind="conflict", problem=error.message), None
            return change, None

        return await asyncio.gather(*(one(change) for change, _ in steps))


def plan(
    known: Mapping[int, Memory],
    forgotten: Mapping[int, float],
    files: Files,
    forget_missing: bool,
    notes: Notes | None = None,
) -> _Plan:
    """What these files come to where this is remembered, and that was forgotten (when it was made, by id); pure."""
    return _Planning(known, forgotten, notes).of(files, forget_missing)


class _Planning:
    def __init__(self, known: Mapping[int, Memory], forgotten: Mapping[int, float], notes: Notes | None) -> None:
        self._known = known
        self._forgotten = forgotten
        self._notes = notes
        self._texts = {(memory.layer, memory.text) for memory in known.values()}
        self._seen: MutableMapping[int, str] = {}
        self._steps: list[Step] = []
        self._same = 0
        self._shown = 0

    def of(self, files: Files, forget_missing: bool) -> _Plan:
        newest = None
        for path, content in files:
            if path == MARK_FILE:
                newest = newest_in(content)
            elif path == NOTES_FILE:
                self._person(content)
            elif path != GIT_FILE:
                self._file(path, content)
        # What was remembered after the export is not missing from it.
        end = max(self._seen, default=0) if newest is None else newest
        gone = [memory for key, memory in self._known.items() if key not in self._seen and key <= end]
        if forget_missing and gone:
            unreadable = [change.path for change, _ in self._steps if change.kind == "unreadable"]
            if unreadable:
                # One of them may be the file that seems to be missing.
                raise BadRequest(
                    f"forget_missing: {len(unreadable)} files cannot be read, so it is not known what is missing; "
                    f"mend them first: {', '.join(unreadable[:5])}"
                )
            self._steps += [(FileChange(path=path_of(each), kind="forgotten", id=each.id), None) for each in gone]
            gone = []
        return _Plan(self._steps, self._same, len(gone))

    def _person(self, content: bytes) -> None:
        """MEMORY.md. One that is not there stays as it is; one that is empty takes it away."""
        old = self._notes.text if self._notes is not None else ""
        try:
            text = content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").decode()
        except UnicodeDecodeError as error:
            what, at = "it is not UTF-8; save the file as UTF-8", 1 + content[: error.start].count(b"\n")
            self._steps.append((FileChange(path=NOTES_FILE, kind="unreadable", problem=what, line=at), None))
            return
        if len(text) > NOTES_CHARS:
            what = f"it has {len(text):,} characters; {NOTES_FILE} may have {NOTES_CHARS:,}"
            self._steps.append((FileChange(path=NOTES_FILE, kind="unreadable", problem=what), None))
        elif text == old:
            self._same += 1
        else:
            diff = _compared(old.split("\n"), text.split("\n"), len(old) + len(text))
            version = self._notes.version if self._notes is not None else 0
            self._steps.append((FileChange(path=NOTES_FILE, kind="notes", diff=diff), (text, version)))

    def _file(self, path: str, content: bytes) -> None:
        if self._untouched(path, content):
            self._same += 1
            return
        try:
            file = parse(path, content)
        except BadRequest as error:
            line = error.details["line"]
            self._steps.append((FileChange(path=path, kind="unreadable", problem=error.message, line=line), None))
            return
        change = self._change(path, file)
        if change is None:
            self._same += 1
            return
        if change.kind in ("changed", "moved") and change.id is not None and self._shown < SHOWN:
            self._shown += 1
            old = self._known[change.id]
            change = msgspec.structs.replace(change, diff=_diff(old, _changed(old, file)))
        self._steps.append((change, file))

    def _untouched(self, path: str, content: bytes) -> bool:
        """Whether the file is, to the byte, what an export would write now: most are, and need no YAML."""
        found = _ID.match(content)
        memory = self._known.get(int(found[1])) if found else None
        if memory is None or memory.id in self._seen or not path.startswith(f"{memory.layer}/"):
            return False
        if render(memory) != content:
            return False
        self._seen[memory.id] = path
        return True

    def _change(self, path: str, file: MemoryFile) -> FileChange | None:
        """What one file comes to; None if there is nothing to do."""
        key = file.id or 0
        old = self._known.get(key)
        made_at = old.created_at if old is not None else self._forgotten.get(key)
        if made_at is None or (file.created is not None and abs(file.created - made_at) > SAME_S):
            # Without an id it is new; and the id of another agent or server is no memory of this one.
            if (file.layer, file.text) in self._texts:
                return None
            self._texts.add((file.layer, file.text))
            return FileChange(path=path, kind="new")
        if old is None:
            what = f"Memory {key} was forgotten here; to have it remembered again, take the line id: {key} out"
            return FileChange(path=path, kind="conflict" if file.edited else "older", id=key, problem=what)
        if key in self._seen:
            what = f"{self._seen[key]} has the id {key}, too; take the line out of one of them to make it a new memory"
            return FileChange(path=path, kind="conflict", id=key, problem=what)
        self._seen[key] = path
        new = _changed(old, file)
        if new == old:
            return None
        if file.version not in (None, old.version):
            what = f"Memory {key} is at version {old.version} here, and the file is from version {file.version}"
            if not file.edited:
                return FileChange(path=path, kind="older", id=key, problem=f"{what}; it was not edited, so it is left")
            way = f"export again and edit that, or write version: {old.version} to put the file over what is there"
            return FileChange(path=path, kind="conflict", id=key, problem=f"{what}; {way}")
        moved = msgspec.structs.replace(new, layer=old.layer) == old
        return FileChange(path=path, kind="moved" if moved else "changed", id=key)


def _change(file: MemoryFile) -> Change:
    return Change(text=file.text, layer=file.layer, importance=file.importance, tags=file.tags, pinned=file.pinned)


def _changed(old: Memory, file: MemoryFile) -> Memory:
    return msgspec.structs.replace(
        old,
        text=file.text,
        layer=file.layer,
        importance=old.importance if file.importance is None else file.importance,
        tags=old.tags if file.tags is None else file.tags,
        pinned=old.pinned if file.pinned is None else file.pinned,
    )


def _diff(old: Memory, new: Memory) -> str:
    """The lines that change, as a person reads them."""
    return _compared(_lines(old), _lines(new), len(old.text) + len(new.text))


def _compared(before: list[str], after: list[str], chars: int) -> str:
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    before, after = before[head : len(before) - tail], after[head : len(after) - tail]
    if chars <= DIFFED:
        rows: Iterable[str] = (row for row in difflib.ndiff(before, after) if row[0] in "+-")
    else:
        rows = (*(f"- {row}" for row in before), *(f"+ {row}" for row in after))
    out: list[str] = []
    size = 0
    for row in rows:
        if size > DIFF_CHARS:
            return "\n".join([*out, "…"])
        out.append(row if len(row) <= DIFF_CHARS else row[:DIFF_CHARS] + "…")
        size += len(row)
    return "\n".join(out)


def _lines(memory: Memory) -> list[str]:
    front = [
        f"layer: {memory.layer}",
        f"importance: {memory.importance}",
        f"tags: {', '.join(memory.tags)}",
        f"pinned: {'true' if memory.pinned else 'false'}",
    ]
    return [*front, *memory.text.split("\n")]


def _report(agent: str, plan: _Plan, digest: str, *, applied: bool) -> ImportReport:
    found = Counter(change.kind for change, _ in plan.steps)
    counts: dict[str, int] = {kind: found[kind] for kind in _ORDER if found[kind]}
    changes = sorted((change for change, _ in plan.steps), key=lambda each: (_ORDER.index(each.kind), each.path))
    return ImportReport(
        agent=agent,
        applied=applied,
        digest=digest,
        counts={**counts, "same": plan.same, "missing": plan.missing},
        changes=changes[:SHOWN],
    )


def _digest(plan: _Plan) -> str:
    sums = hashlib.sha256()
    for change, file in sorted(plan.steps, key=lambda step: step[0].path):
        sums.update(msgspec.json.encode((msgspec.structs.replace(change, diff=""), file)))
    return sums.hexdigest()[:32]


def _rendered(rows: Sequence[Any]) -> Sequence[tuple[str, bytes]]:
    return [(path_of(memory), render(memory)) for memory in map(_read, rows)]


def _read(row: Any) -> Memory:
    return msgspec.structs.replace(_memory(row.body), id=row.id)
