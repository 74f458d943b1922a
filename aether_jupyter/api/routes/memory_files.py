"""Memories as a folder of Markdown: taken away as a zip, brought back with a preview; and MEMORY.md, a person's own."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from ...answers import NotesList
from ...model.access import Principal
from ...model.errors import Conflict
from ...model.memory import AgentName
from ...model.memory_file import FILE_BYTES, ImportReport
from ...model.notes import Notes
from ..archives import packed, unpacked
from ..bodies import WriteNotes
from ..routing import ZIP, Attachment, House, Upload, route


@route("GET", "/memories/export", scope="memory:read", media=(ZIP,))
async def export_memories(house: House, who: Principal, *, agent: AgentName) -> Attachment:
    """What an agent remembers as a zip of Markdown files with front matter; the same memories are the same bytes."""
    stem = re.sub(r"[^\w.-]+", "-", agent).strip("-.")[:60] or "agent"
    return Attachment(f"{stem}-memories.zip", ZIP, packed(house.memory_files.export(who, agent)))


@route("POST", "/memories/import", scope="memory:write", errors=(Conflict,))
async def import_memories(
    house: House,
    who: Principal,
    body: Upload,
    *,
    agent: AgentName,
    forget_missing: bool = False,
    apply: Annotated[str, msgspec.Meta(max_length=64)] = "",
) -> ImportReport:
    """What a folder of memories, edited by hand, would change. Nothing is written unless `apply` is a preview's digest.

    Files without an id are new memories, files in another layer's folder move there, and a memory whose file is gone
    is forgotten if `forget_missing` says so. What cannot be read, or was changed here meanwhile, is named and left.
    """
    files = unpacked(body.content, entry_bytes=FILE_BYTES)
    if apply:
        return await house.memory_files.apply(who, agent, files, apply, forget_missing=forget_missing)
    return await house.memory_files.preview(who, agent, files, forget_missing=forget_missing)


@route("GET", "/memories/notes", scope="memory:read")
async def list_notes(house: House, who: Principal, *, agent: AgentName) -> NotesList:
    """MEMORY.md of an agent in all its versions, the newest first: what a person wrote down for every run of it."""
    return NotesList(list(await house.notes.versions(who, agent)))


@route("POST", "/memories/notes", scope="memory:write", errors=(Conflict,))
async def write_notes(house: House, who: Principal, body: WriteNotes) -> Notes:
    """Write MEMORY.md. It is part of what the agent is told from the next time that it is taken up."""
    return await house.notes.write(who, body.agent, body.text, version=body.version)
