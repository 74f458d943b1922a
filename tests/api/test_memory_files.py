"""Memories as a zip over HTTP: taken away, previewed, brought back – and zips that mean harm."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from aether_jupyter.model.memory_file import GIT_FILE, MARK_FILE

ZIP = {"Content-Type": "application/zip"}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return out.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_folder_goes_and_comes_back(call: Any) -> None:
    await call("POST", "memories", {"agent": "clerk › child", "notes": [{"text": "The safe is blue."}]})
    where = {"agent": "clerk › child"}
    answer = await call("GET", "memories/export", params=where)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].endswith("clerk-child-memories.zip")
    assert answer.body == (await call("GET", "memories/export", params=where)).body
    files = unpacked(answer.body)
    assert [*files][:2] == [GIT_FILE, MARK_FILE]
    [path] = [name for name in files if name.endswith(".md")]
    files[path] = files[path].replace(b"blue", b"green")

    async def send(**more: str) -> Any:
        return await call("POST", "memories/import", packed(files), headers=ZIP, params=where | more)

    seen = (await send()).json
    assert (seen["applied"], seen["counts"]["changed"]) == (False, 1)
    assert (await send(apply="0" * 32)).status == 409
    assert (await send(apply=seen["digest"])).json["applied"]
    listed = (await call("GET", "memories", params=where)).json["memories"]
    assert [each["text"] for each in listed] == ["The safe is green."]


async def test_what_is_no_zip_of_memories_is_refused(call: Any) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(140):
            archive.writestr(f"semantic/{n}.md", bytes(4_100_000))
    cut = packed({"semantic/a.md": b"The safe is blue."})
    broken = bytearray(cut)
    broken[45] ^= 255
    for body, words in (
        (b"", "no zip"),
        (b"PK\x03\x04 and nothing", "no zip"),
        (cut[:-30], "no zip"),
        (bytes(broken), "cannot be read"),
        (packed({"../semantic/a.md": b"x"}), "outside"),
        (packed({"/semantic/a.md": b"x"}), "outside"),
        (bomb.getvalue(), "unpacks to more"),
    ):
        answer = await call("POST", "memories/import", body, headers=ZIP, params={"agent": "clerk"})
        assert (answer.status, answer.json["type"]) == (400, "bad_request"), answer.body
        assert words in answer.json["detail"], answer.json
    wrong = await call("POST", "memories/import", {"a": 1}, params={"agent": "clerk"})
    assert wrong.status == 415
    assert "application/zip" in wrong.json["detail"]


async def test_memory_md_is_read_and_written(call: Any) -> None:
    assert (await call("GET", "memories/notes", params={"agent": "clerk"})).json == {"notes": []}
    written = await call("POST", "memories/notes", {"agent": "clerk", "text": "Be short.", "version": 0})
    assert (written.status, written.json["version"]) == (200, 1)
    late = await call("POST", "memories/notes", {"agent": "clerk", "text": "Be long.", "version": 0})
    assert (late.status, late.json["type"]) == (409, "conflict")
    [kept] = (await call("GET", "memories/notes", params={"agent": "clerk"})).json["notes"]
    assert kept["text"] == "Be short."
    assert (await call("POST", "memories/notes", {"agent": "clerk", "text": "x" * 16_001})).status == 400
