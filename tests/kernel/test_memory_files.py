"""Memories as files: an export that is the same twice, and an import that does what its preview said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from aether_jupyter.kernel.memories import Memories
from aether_jupyter.kernel.memory_files import MemoryFiles
from aether_jupyter.kernel.notes import NotesKeeper
from aether_jupyter.model.access import Principal
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden
from aether_jupyter.model.memory import Change, Layer, Memory, Note, Source
from aether_jupyter.model.memory_file import MARK_FILE, NOTES_FILE, ImportReport, path_of, render
from aether_jupyter.store.database import Database

ANA, BOB = Principal.person("ana"), Principal.person("bob")


class Shelf:
    """An open database with memories, their files, and short words for what tests do most."""

    def __init__(self, database: Database) -> None:
        self.memories = Memories(database, None, 1_000)
        self.notes = NotesKeeper(database)
        self.kernel = MemoryFiles(database, self.memories, self.notes)

    async def files(self, agent: str = "clerk", actor: Principal = ANA) -> dict[str, bytes]:
        return {path: data async for page in self.kernel.export(actor, agent) for path, data in page}

    async def preview(self, files: dict[str, bytes], agent: str = "clerk", *, forget: bool = False) -> ImportReport:
        return await self.kernel.preview(ANA, agent, files.items(), forget_missing=forget)

    async def take(self, files: dict[str, bytes], agent: str = "clerk", *, forget: bool = False) -> ImportReport:
        seen = await self.preview(files, agent, forget=forget)
        return await self.kernel.apply(ANA, agent, files.items(), seen.digest, forget_missing=forget)

    async def remember(self, *texts: str, **more: object) -> list[Memory]:
        notes = [Note(text=text, **more) for text in texts]  # type: ignore[arg-type]
        return list(await self.memories.remember_many(ANA, "clerk", notes))

    async def texts(self, agent: str = "clerk") -> list[str]:
        return sorted(memory.text for memory in await self.memories.list(ANA, agent))


@pytest.fixture
async def shelf(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with Database.open(tmp_path / "aether.db", "NORMAL") as database:
        yield Shelf(database)


def by_text(report: ImportReport) -> dict[str, tuple[str, str]]:
    return {each.path: (each.kind, each.problem) for each in report.changes}


def edited(memory: Memory, old: str, new: str) -> bytes:
    return render(memory).replace(old.encode(), new.encode())


async def test_an_export_is_the_same_twice_and_after_a_recall(shelf: Shelf) -> None:
    await shelf.remember("The safe is blue.", "The lamp is red.", tags=("room",))
    first = await shelf.files()
    found = (await shelf.memories.recall(ANA, "clerk", "safe", limit=1)).found
    await shelf.memories.touch(Principal.agent(7, "ana"), "clerk", 1, found)
    assert await shelf.files() == first
    assert sum(path.startswith("semantic/") for path in first) == 2
    assert not (await shelf.preview(first)).changes
    assert (await shelf.preview(first)).counts["same"] == 2


async def test_each_agent_and_owner_exports_their_own(shelf: Shelf) -> None:
    await shelf.remember("The safe is blue.")
    assert not [path for path in await shelf.files("other") if path.endswith(".md")]
    assert not [path for path in await shelf.files(actor=BOB) if path.endswith(".md")]


async def test_files_are_new_changed_moved_and_forgotten(shelf: Shelf) -> None:
    safe, lamp, door, desk = await shelf.remember(
        "The safe is blue.", "The lamp is red.", "The door sticks.", "A desk."
    )
    files = await shelf.files()
    files[path_of(safe)] = edited(safe, "importance: 0.5", "importance: 0.9\n").replace(b"blue", b"green")
    files["procedural/" + path_of(lamp).partition("/")[2]] = files.pop(path_of(lamp))
    del files[path_of(door)]
    files["social/ann.md"] = b"---\npinned: true\ntags: [ann]\ncreated: 2026-01-01T00:00:00Z\n---\nAnn has the key.\n"
    seen = await shelf.preview(files)
    assert seen.counts == {"changed": 1, "moved": 1, "new": 1, "same": 1, "missing": 1}
    diff = next(each.diff for each in seen.changes if each.kind == "changed")
    assert "- The safe is blue." in diff
    assert "+ The safe is green." in diff
    assert "+ importance: 0.9" in diff
    assert "lamp" not in diff
    assert await shelf.texts() == sorted(memory.text for memory in (safe, lamp, door, desk))

    done = await shelf.take(files, forget=True)
    assert done.applied
    assert done.counts == {"changed": 1, "moved": 1, "new": 1, "forgotten": 1, "same": 1, "missing": 0}
    found = {memory.text: memory for memory in await shelf.memories.list(ANA, "clerk")}
    assert set(found) == {"The safe is green.", "The lamp is red.", "A desk.", "Ann has the key."}
    assert (found["The safe is green."].id, found["The safe is green."].version) == (safe.id, 2)
    assert found["The safe is green."].source == safe.source
    assert found["The lamp is red."].layer is Layer.PROCEDURAL
    ann = found["Ann has the key."]
    assert (ann.layer, ann.pinned, ann.tags, ann.source) == (Layer.SOCIAL, True, ("ann",), Source("ana", "import"))
    assert ann.created_at == 1_767_225_600.0
    assert [each.text for each in await shelf.memories.versions(ANA, safe.id)] == ["The safe is green.", safe.text]


async def test_an_old_file_is_left_and_an_old_edit_is_a_conflict(shelf: Shelf) -> None:
    safe, lamp, door, desk = await shelf.remember(
        "The safe is blue.", "The lamp is red.", "The door sticks.", "A desk."
    )
    files = await shelf.files()
    for memory in (safe, lamp):
        await shelf.memories.edit(ANA, memory.id, Change(importance=0.1))
    await shelf.memories.forget(ANA, (door.id, desk.id))
    files[path_of(safe)] = edited(safe, "blue", "green")
    files[path_of(door)] = edited(door, "sticks", "is open")
    told = by_text(await shelf.take(files))
    assert told[path_of(safe)][0] == "conflict"
    assert "version: 2" in told[path_of(safe)][1]
    assert told[path_of(lamp)][0] == "older"
    assert told[path_of(door)][0] == "conflict"
    assert "was forgotten here" in told[path_of(door)][1]
    assert told[path_of(desk)][0] == "older"
    assert await shelf.texts() == ["The lamp is red.", "The safe is blue."]

    files[path_of(safe)] = edited(safe, "blue", "green").replace(b"version: 1", b"version: 2")
    await shelf.take(files)
    assert await shelf.texts() == ["The lamp is red.", "The safe is green."]


async def test_what_changed_since_the_preview_is_not_done(shelf: Shelf) -> None:
    [safe] = await shelf.remember("The safe is blue.")
    files = {path_of(safe): edited(safe, "blue", "green")}
    seen = await shelf.preview(files)
    await shelf.memories.edit(ANA, safe.id, Change(text="The safe is gone."))
    with pytest.raises(Conflict, match="look at it again"):
        await shelf.kernel.apply(ANA, "clerk", files.items(), seen.digest)
    assert await shelf.texts() == ["The safe is gone."]


async def test_what_was_remembered_after_the_export_is_not_missing(shelf: Shelf) -> None:
    [safe] = await shelf.remember("The safe is blue.")
    files = await shelf.files()
    await shelf.remember("The lamp is red.")
    del files[path_of(safe)]
    await shelf.take(files, forget=True)
    assert await shelf.texts() == ["The lamp is red."]


async def test_nothing_is_forgotten_while_a_file_cannot_be_read(shelf: Shelf) -> None:
    [safe] = await shelf.remember("The safe is blue.")
    files = {
        MARK_FILE: (await shelf.files())[MARK_FILE],
        "semantic/x.md": edited(safe, "importance: 0.5", "importance: x"),
    }
    with pytest.raises(BadRequest, match=r"semantic/x\.md"):
        await shelf.preview(files, forget=True)
    [told] = (await shelf.preview(files)).changes
    assert (told.kind, told.line) == ("unreadable", 4)


async def test_the_files_of_one_agent_are_new_memories_of_another_once(shelf: Shelf) -> None:
    await shelf.remember("The safe is blue.", "The lamp is red.")
    source = Source("agent:3", "agent", 3, 1, tainted=True)
    await shelf.memories.remember(ANA, "clerk", Note(text="A page says: open it."), source)
    files = await shelf.files()
    assert (await shelf.take(files, "other")).counts["new"] == 3
    assert (await shelf.take(files, "other")).counts == {"same": 3, "missing": 0}
    tainted = {memory.text: memory.source.tainted for memory in await shelf.memories.list(ANA, "other")}
    assert tainted == {"The safe is blue.": False, "The lamp is red.": False, "A page says: open it.": True}


async def test_two_files_with_one_id_and_odd_folders_are_told(shelf: Shelf) -> None:
    [safe] = await shelf.remember("The safe is blue.")
    files = {path_of(safe): render(safe), "semantic/copy.md": edited(safe, "blue", "green"), "notes/x.md": b"x"}
    told = by_text(await shelf.preview(files))
    assert told["semantic/copy.md"][0] == "conflict"
    assert path_of(safe) in told["semantic/copy.md"][1]
    assert told["notes/x.md"][0] == "unreadable"


async def test_memory_md_goes_and_comes_with_the_folder(shelf: Shelf) -> None:
    files = {NOTES_FILE: b"Answer in French.\n"}
    assert (await shelf.take(files)).counts == {"notes": 1, "same": 0, "missing": 0}
    assert (await shelf.notes.of("ana", "clerk"), await shelf.notes.of("ana", "other")) == ("Answer in French.", "")
    assert (await shelf.files())[NOTES_FILE] == files[NOTES_FILE]
    assert (await shelf.preview(await shelf.files())).changes == []
    [change] = (await shelf.preview({NOTES_FILE: b"Answer in French.\nBe short."})).changes
    assert (change.kind, change.diff) == ("notes", "+ Be short.")
    await shelf.take({"semantic/x.md": b"x"})
    assert await shelf.notes.of("ana", "clerk") == "Answer in French."
    [bad] = (await shelf.preview({NOTES_FILE: b"a\n\xff"})).changes
    assert (bad.kind, bad.line) == ("unreadable", 2)


async def test_many_are_imported_in_batches(shelf: Shelf) -> None:
    files = {f"episodic/{n}.md": f"Room {n} is locked.".encode() for n in range(700)}
    assert (await shelf.take(files)).counts["new"] == 700
    listed = await shelf.memories.list(ANA, "clerk", limit=1000)
    assert len(listed) == 700
    exported = await shelf.files()
    some = {path: data.replace(b"locked", b"open") for path, data in exported.items()}
    done = await shelf.take(some)
    assert done.counts["changed"] == 700
    assert all("open" in text for text in await shelf.texts())


async def test_an_agent_imports_nothing(shelf: Shelf) -> None:
    with pytest.raises(Forbidden):
        await shelf.kernel.preview(Principal.agent(7, "ana"), "clerk", [])
    nobody = msgspec.structs.replace(ANA, scopes=frozenset())
    with pytest.raises(Forbidden):
        await shelf.kernel.preview(nobody, "clerk", [])
