"""The file tools, as an agent meets them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from aether_jupyter.abc import ToolContext

from .conftest import Call

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_read(call: Call, home: Path) -> None:
    done = await call("write_file", path="a/note.txt", content="Grüße\nzwei\n")
    assert done.ok
    assert done.evidence is not None
    assert done.evidence.sha256 == hashlib.sha256("Grüße\nzwei\n".encode()).hexdigest()
    assert "+zwei" in done.evidence.diff
    assert (home / "a/note.txt").read_text() == "Grüße\nzwei\n"
    assert (await call("read_file", path="/home/agent/a/note.txt")).content == "Grüße\nzwei\n"


async def test_long_files_are_read_in_parts(call: Call, home: Path) -> None:
    (home / "long").write_text("".join(f"line {i}\n" for i in range(1, 10_001)))
    part = await call("read_file", path="long", offset=500, limit=2)
    assert part.content == "line 500\nline 501\n\n[lines 500-501 of 10000; read on with offset=502]"
    whole = await call("read_file", path="long", limit=100_000)
    assert len(whole.content) < 17_000
    assert "read on with offset=" in whole.content
    assert "there is no line 20000" in (await call("read_file", path="long", offset=20_000)).content
    (home / "empty").write_text("")
    assert (await call("read_file", path="empty")).content == "[the file is empty]"


async def test_binary_files_are_named_and_not_shown(call: Call, home: Path) -> None:
    (home / "pic").write_bytes(b"\x89PNG\r\n\0\0")
    done = await call("read_file", path="pic")
    assert (done.ok, done.error) == (False, "tool_failed")
    assert "PNG image" in done.content


async def test_edit_wants_exactly_one_place(call: Call, home: Path) -> None:
    (home / "f.py").write_text("def one():\n    return 1\n\ndef two():\n    return 1\n")
    twice = await call("edit_file", path="f.py", old_text="return 1", new_text="return 2")
    assert (twice.ok, "occurs 2 times" in twice.content) == (False, True)
    missing = await call("edit_file", path="f.py", old_text="return  1", new_text="return 2")
    assert "nearest line is 'return 1'" in missing.content
    assert not (await call("edit_file", path="f.py", old_text="", new_text="x")).ok
    good = await call("edit_file", path="f.py", old_text="two():\n    return 1", new_text="two():\n    return 2")
    assert good.ok
    assert good.evidence is not None
    assert "-    return 1\n+    return 2" in good.evidence.diff
    every = await call("edit_file", path="f.py", old_text="return", new_text="yield", replace_all=True)
    assert "2 occurrences" in every.content
    assert (home / "f.py").read_text().count("yield") == 2


async def test_append_list_move_copy_delete(call: Call, home: Path) -> None:
    await call("append_file", path="log", content="one\n")
    await call("append_file", path="log", content="two\n")
    assert (home / "log").read_text() == "one\ntwo\n"
    await call("make_directory", path="d/e")
    await call("copy_file", source="log", target="d")
    await call("move_file", source="log", target="d/e/")
    assert (await call("list_files", recursive=True)).content == "d/\nd/e/\nd/log  8\nd/e/log  8"
    assert (await call("list_files", path="d")).content == "d/e/\nd/log  8"
    refused = await call("delete_file", path="d")
    assert "not empty" in refused.content
    assert (await call("delete_file", path="d", recursive=True)).content == "Deleted d and 3 entries in it."
    assert list(home.iterdir()) == []


async def test_what_is_missing_says_so(call: Call) -> None:
    for tool in ("read_file", "delete_file", "stat_file"):
        done = await call(tool, path="nope.txt")
        assert (done.ok, done.error) == (False, "file_not_found")
        assert "nope.txt" in done.content
        assert "list_files" in done.content


async def test_paths_outside_are_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    for path in ("../../secret", str(tmp_path / "secret"), "/etc/passwd", "/workspaces/team/../../secret"):
        for tool, more in (
            ("read_file", {}),
            ("write_file", {"content": "x"}),
            ("list_files", {}),
            ("delete_file", {}),
        ):
            done = await call(tool, path=path, **more)
            assert (done.ok, "canary" in done.content) == (False, False)
    assert (tmp_path / "secret").read_text() == "canary"


async def test_workspaces_are_reached_by_name(call: Call, tmp_path: Path) -> None:
    assert (await call("write_file", path="/workspaces/team/plan.md", content="x")).ok
    assert (tmp_path / "shared" / "plan.md").read_text() == "x"
    assert "there are: team" in (await call("read_file", path="/workspaces/nobody/plan.md")).content


async def test_search_finds_names_and_lines(call: Call, home: Path) -> None:
    (home / "src").mkdir()
    (home / "src" / "a.py").write_text("import os\n\ndef find_me(): pass\n")
    (home / "b.txt").write_text("find_me too\n")
    (home / "blob").write_bytes(b"find_me\0")
    assert (await call("search_files", pattern=r"find_\w+")).content == (
        "b.txt:1: find_me too\nsrc/a.py:3: def find_me(): pass"
    )
    assert (await call("search_files", pattern="^def", glob="**/*.py")).content == "src/a.py:3: def find_me(): pass"
    assert (await call("search_files", glob="*.py")).content == "src/a.py"
    assert (await call("search_files", pattern="nowhere")).content == "[no match in 2 files]"
    bad = await call("search_files", pattern="find_me(")
    assert "missing )" in bad.content
    assert "find_me\\\\(" in bad.content


EVIL = ["(a+)+$", "(a|aa)+$", "(.*a){25}", "((a*)*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "a{0,900}a{0,900}$"]


@pytest.mark.parametrize("pattern", EVIL)
async def test_evil_patterns_do_not_hold_the_loop(call: Call, home: Path, pattern: str) -> None:
    (home / "evil").write_text(("a" * 5_000 + "!\n") * 50)
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - began - 0.005)

    watching = asyncio.create_task(watch())
    began = time.monotonic()
    await call("search_files", pattern=pattern)
    assert time.monotonic() - began < 3
    watching.cancel()
    assert worst < 0.2


async def test_stat_and_watch(call: Call, home: Path) -> None:
    (home / "f").write_text("abc")
    assert "file, 3 bytes, changed 2" in (await call("stat_file", path="f")).content
    waiting = asyncio.create_task(call("watch_files", timeout_s=5))
    await asyncio.sleep(0.3)
    (home / "new").write_text("x")
    assert (await waiting).content == "made new"
    assert "Nothing changed" in (await call("watch_files", timeout_s=0.3)).content


async def test_an_agent_with_less_disk_is_kept_within_that(call: Call, context: ToolContext) -> None:
    context.disk_bytes = 100_000
    done = await call("write_file", path="f", content="y" * 120_000)
    assert (done.ok, "holds 0 of 100000 bytes, and 120000 more do not fit" in done.content) == (False, True)
    assert (await call("write_file", path="/workspaces/team/f", content="y" * 120_000)).ok
    assert (await call("write_file", path="f", content="y" * 90_000)).ok


async def test_home_is_kept_within_its_quota(call: Call, home: Path) -> None:
    (home / "big").write_bytes(b"x" * 900_000)
    for tool, more in (
        ("write_file", {"path": "f", "content": "y" * 200_000}),
        ("append_file", {"path": "big", "content": "y" * 200_000}),
        ("copy_file", {"source": "big", "target": "again"}),
    ):
        done = await call(tool, **more)
        assert not done.ok, tool
        assert sorted(p.name for p in home.iterdir()) == ["big"]
    assert (await call("write_file", path="f", content="y" * 50_000)).ok
    assert not (await call("write_file", path="g", content="y" * 60_000)).ok
    await call("delete_file", path="big")
    assert (await call("write_file", path="g", content="y" * 60_000)).ok


async def test_files_of_aether_itself_are_not_listed(call: Call, home: Path) -> None:
    (home / ".aether").mkdir()
    (home / ".aether" / "token").write_text("x")
    assert ".aether/token" not in (await call("list_files", recursive=True)).content
    assert (await call("search_files", glob="token")).content == "[no such file]"


async def test_what_is_kept_of_the_shell_is_read_but_not_written(call: Call, home: Path) -> None:
    """Else a file that is written unasked could change what an approved command does."""
    (home / ".aether" / "shell").mkdir(parents=True)
    (home / ".aether" / "shell" / "exports").write_text("export A='1'\n")
    (home / "mine" / ".aether" / "shell").mkdir(parents=True)
    (home / "mine" / "exports").write_text("export A='2'\n")
    kept = ".aether/shell/exports"
    tries = [
        ("write_file", {"path": kept, "content": "x"}),
        ("move_file", {"source": kept, "target": "mine/taken"}),
        ("write_file", {"path": "/home/agent/./.Aether//shell/exports", "content": "x"}),
        ("append_file", {"path": kept, "content": "x"}),
        ("edit_file", {"path": kept, "old_text": "1", "new_text": "2"}),
        ("make_directory", {"path": ".aether/more"}),
        *((tool, {"source": "mine/exports", "target": kept}) for tool in ("move_file", "copy_file")),
        *((tool, {"source": "mine/exports", "target": ".aether/shell/"}) for tool in ("move_file", "copy_file")),
        *((tool, {"source": "mine/.aether", "target": "."}) for tool in ("move_file", "copy_file")),
        ("move_file", {"source": ".aether", "target": "away"}),
    ]
    for tool, arguments in tries:
        done = await call(tool, **arguments)
        assert (done.ok, ".aether holds" in done.content) == (False, True), (tool, arguments, done.content)
    assert (home / kept).read_text() == "export A='1'\n"
    assert "export A='1'" in (await call("read_file", path=kept)).content
    assert (await call("copy_file", source=kept, target="copy")).ok
    assert (await call("write_file", path="mine/.aether/x", content="x")).ok
    assert (await call("delete_file", path=kept)).ok


async def test_unreadable_file_is_told(call: Call, home: Path) -> None:
    (home / "f").write_text("x")
    (home / "f").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    assert "permission denied" in (await call("read_file", path="f")).content


async def test_names_with_line_breaks_and_blanks_survive(call: Call, context: ToolContext) -> None:
    for name in (" leading", "a b.txt", "-rf", "$(touch x)", "ünïcode😀", "quote'\"", "new\nline"):
        assert (await call("write_file", path=f"d/{name}", content=name)).ok, name
        assert (await call("read_file", path=f"d/{name}")).content == name
    assert len(list((context.home / "d").iterdir())) == 7


async def test_names_that_are_no_text_are_shown_and_kept(call: Call, home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("names are any bytes on Linux only")
    for name in (b"caf\xe9", b"folder\xff/inside"):
        place = os.fsencode(home) + b"/" + name
        os.makedirs(os.path.dirname(place), exist_ok=True)
        Path(os.fsdecode(place)).write_text("found")
    for done in (
        await call("list_files"),
        await call("list_files", recursive=True),
        await call("search_files", pattern="found"),
        await call("stat_file", path="caf\udce9"),
    ):
        assert "\ufffd" in done.content
        msgspec.json.encode(done)
    assert "no name a file can have" in (await call("write_file", path="half\ud83d", content="x")).content


async def test_reading_goes_on_where_it_stopped(call: Call, context: ToolContext, home: Path) -> None:
    """What does not fit is cut between lines, so that nothing is lost in between."""
    context.output_limit = 1000
    lines = [f"{n:03} {'ü' * 30}\n" for n in range(100)]
    (home / "f").write_text("".join(lines))
    got, offset = "", 1
    for _ in range(20):
        content = (await call("read_file", path="f", offset=offset)).content
        text, mark, rest = content.partition("\n[lines ")
        got += text + "\n" * bool(mark)
        if not mark:
            break
        offset = int(rest.partition("offset=")[2].rstrip("]"))
    assert got.replace("\n\n", "\n") == "".join(lines)
    (home / "one").write_text("y" * 5000 + "\nnext\n")
    content = (await call("read_file", path="one")).content
    assert content.startswith("y" * 1000 + "\n[line 1 goes on after these 1000 bytes")
    assert "offset=2" in content
    assert (await call("read_file", path="one", offset=2)).content == "next\n"


async def test_lines_are_counted_as_other_programs_count_them(call: Call, home: Path) -> None:
    (home / "f").write_bytes("a\x0cb\u2028c\r\nhere\n".encode())
    assert "f:2: here" in (await call("search_files", pattern="here")).content
    assert (await call("read_file", path="f", offset=2)).content == "here\n"


async def test_huge_files_are_not_taken_into_memory(call: Call, home: Path) -> None:
    with (home / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    for tool, more in (
        ("read_file", {"offset": 2}),
        ("edit_file", {"old_text": "a", "new_text": "b"}),
        ("append_file", {"content": "x"}),
        ("copy_file", {"source": "sparse", "target": "again"}),
    ):
        arguments = more if "source" in more else {"path": "sparse", **more}
        assert not (await call(tool, **arguments)).ok, tool
    assert (await call("stat_file", path="sparse")).ok
    assert (await call("search_files", pattern="x")).ok


async def test_big_files_do_not_hold_the_loop(call: Call, home: Path) -> None:
    (home / "big").write_text("some line of text\n" * 2_500_000)
    (home / "alike").write_text("\n".join(f"    value_{i % 40} = compute_{i % 37}({i % 11})" for i in range(3000)))
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            # By what this process itself computed meanwhile: other programs that want the processors hold nothing.
            began, worked = time.monotonic(), time.process_time()
            await asyncio.sleep(0.005)
            worst = max(worst, min(time.monotonic() - began, time.process_time() - worked))

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    assert (await call("read_file", path="big", offset=2_499_999)).content == "some line of text\n" * 2
    assert (
        "nearest line"
        in (await call("edit_file", path="alike", old_text="    value_x = compute_y()", new_text="")).content
    )
    watching.cancel()
    assert worst < 0.3


async def test_room_that_a_command_made_is_seen_at_once(call: Call, home: Path) -> None:
    assert (await call("write_file", path="big", content="x" * 900_000)).ok
    assert not (await call("write_file", path="more", content="x" * 200_000)).ok
    (home / "big").unlink()
    assert (await call("write_file", path="more", content="x" * 200_000)).ok


async def test_names_in_a_workspace_are_found_again(call: Call) -> None:
    assert (
        "/workspaces/team/plan.md" in (await call("write_file", path="/workspaces/team/plan.md", content="a")).content
    )
    for done in (
        await call("list_files", path="/workspaces/team"),
        await call("list_files", path="/workspaces/team", recursive=True),
        await call("search_files", path="/workspaces/team", pattern="a"),
    ):
        assert done.content.startswith("/workspaces/team/plan.md")
    moved = await call("move_file", source="/workspaces/team/plan.md", target="/workspaces/team/done/")
    assert moved.content == "Moved /workspaces/team/plan.md to /workspaces/team/done/plan.md."
    assert moved.evidence is not None
    assert moved.evidence.path == "/workspaces/team/done/plan.md"
