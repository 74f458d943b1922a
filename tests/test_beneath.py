"""No name an agent can write leads out of its home, and nothing in it can make the server wait."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from aether_jupyter import beneath
from aether_jupyter.model.errors import AetherError, FileNotFound, ToolFailed

posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@pytest.fixture(params=["openat2", "walk"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home beside folders that must not be reached, by both ways of opening."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "_openat2", None)
    elif beneath._openat2 is None:
        pytest.skip("this system has no openat2")
    home = tmp_path / "7"
    for folder in (home, tmp_path / "7-sibling", tmp_path / "77", tmp_path / "outside"):
        folder.mkdir()
        (folder / "secret").write_text("canary")
    (home / "secret").unlink()
    return home


OUTSIDE = [
    "../outside/secret",
    "..",
    "a/../../outside/secret",
    "./../7-sibling/secret",
    "../7-sibling/secret",
    "../77/secret",
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "/home/agentx/secret",
    "/home/agent/../../etc/passwd",
    "/home/agent-sibling/secret",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd",
    "/dev/stdin",
    "a\0b",
    "\0",
    "secret\0/../../outside/secret",
    "....//....//outside/secret",
    "..%2foutside%2fsecret",
    "%2e%2e/outside/secret",
    "..\\outside\\secret",
    "~root/.ssh/id_rsa",
    "~/../outside/secret",
    "x" * 300,
    "/".join("d" * 200 for _ in range(30)),
    "file:///etc/passwd",
    "C:/Windows/win.ini",
    "\\\\?\\C:\\Windows",
    "．．/outside/secret",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_that_lead_out_are_refused(home: Path, path: str) -> None:
    for use in (beneath.read, beneath.stat, beneath.listing, beneath.delete):
        with pytest.raises(AetherError) as caught:
            use(home, path)
        assert isinstance(caught.value, (ToolFailed, FileNotFound))
        assert "canary" not in caught.value.message
    assert sorted(p.name for p in home.parent.iterdir()) == ["7", "7-sibling", "77", "outside"]


def test_sibling_whose_name_begins_alike_is_outside(home: Path) -> None:
    with pytest.raises(ToolFailed):
        beneath.read(home, f"{home}-sibling/secret")
    with pytest.raises(ToolFailed):
        beneath.write(home, f"{home}7/secret", b"x")
    assert (home.parent / "77" / "secret").read_text() == "canary"


def test_names_of_the_home_inside_and_outside_are_understood(home: Path) -> None:
    beneath.write(home, "/home/agent/a/x.txt", b"1")
    assert beneath.read(home, "a//./x.txt") == beneath.read(home, f"{home}/a/x.txt") == b"1"
    assert beneath.read(home, "~/a/x.txt") == b"1"
    assert beneath.parts("/home/agent") == ()
    assert [e.path for e in beneath.listing(home, "/home/agent/")] == ["a"]


@posix
def test_links_are_not_followed(home: Path) -> None:
    outside = home.parent / "outside"
    (home / "file").symlink_to(outside / "secret")
    (home / "folder").symlink_to(outside)
    (home / "root").symlink_to("/")
    (home / "up").symlink_to("..")
    (home / "magic").symlink_to("/proc/self/root")
    (home / "loop").symlink_to("loop")
    for path in ("file", "folder/secret", "root/etc/passwd", "up/outside/secret", "magic/etc/passwd", "loop"):
        with pytest.raises(ToolFailed, match="link"):
            beneath.read(home, path)
    for path in ("folder/new", "up/outside/new", "root/tmp/new", "loop/x"):
        with pytest.raises(ToolFailed):
            beneath.write(home, path, b"x")
        with pytest.raises(ToolFailed):
            beneath.append(home, path, b"x")
        with pytest.raises(ToolFailed):
            beneath.make_directory(home, path)
    with pytest.raises(ToolFailed):
        beneath.append(home, "file", b"x")
    with pytest.raises(ToolFailed):
        beneath.copy(home, "file", "copied")
    assert (outside / "secret").read_text() == "canary"
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]
    assert {e.kind for e in beneath.walk(home)} == {"link"}


@posix
def test_writing_to_a_link_replaces_the_link(home: Path) -> None:
    (home / "file").symlink_to(home.parent / "outside" / "secret")
    beneath.write(home, "file", b"mine")
    assert not (home / "file").is_symlink()
    assert (home.parent / "outside" / "secret").read_text() == "canary"


@posix
def test_deleting_takes_links_and_leaves_what_they_point_to(home: Path) -> None:
    (home / "d" / "e").mkdir(parents=True)
    (home / "d" / "e" / "f").write_text("x")
    (home / "d" / "out").symlink_to(home.parent / "outside")
    with pytest.raises(ToolFailed, match="not empty"):
        beneath.delete(home, "d")
    assert beneath.delete(home, "d", recursive=True) == 4
    assert (home.parent / "outside" / "secret").read_text() == "canary"
    with pytest.raises(ToolFailed, match="home itself"):
        beneath.delete(home, ".", recursive=True)


@posix
def test_moving_takes_the_link_itself(home: Path) -> None:
    (home / "link").symlink_to(home.parent / "outside")
    beneath.move(home, "link", "moved")
    assert (home / "moved").is_symlink()
    with pytest.raises(ToolFailed):
        beneath.move(home, "moved/secret", "stolen")


@posix
def test_hard_link_is_replaced_and_not_written_through(home: Path) -> None:
    os.link(home.parent / "outside" / "secret", home / "hard")
    beneath.append(home, "hard", b" and more")
    assert (home.parent / "outside" / "secret").read_text() == "canary"
    beneath.write(home, "hard", b"new")
    assert (home.parent / "outside" / "secret").read_text() == "canary"


@posix
@pytest.mark.timeout(10)
def test_pipes_sockets_and_devices_do_not_make_us_wait(home: Path) -> None:
    os.mkfifo(home / "pipe")
    server = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY)
    os.chdir(home)
    try:
        server.bind("sock")
    finally:
        os.fchdir(here)
        os.close(here)
    names = ["pipe", "sock"]
    if os.geteuid() == 0:
        os.mknod(home / "tty", stat.S_IFCHR | 0o666, os.makedev(5, 0))
        names.append("tty")
    for name in names:
        with pytest.raises(ToolFailed):
            beneath.read(home, name)
        with pytest.raises(ToolFailed):
            beneath.append(home, name, b"x")
        assert beneath.stat(home, name).kind == "other"
    server.close()


@posix
@pytest.mark.parametrize("swapped", ["folder", "file"])
def test_swapping_names_in_a_race_never_leads_out(home: Path, swapped: str) -> None:
    outside = home.parent / "outside"
    name, real, link = home / "name", home / "real", home / "link"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                if swapped == "folder":
                    real.mkdir()
                    (real / "secret").write_text("mine")
                else:
                    real.write_text("mine")
            with contextlib.suppress(OSError):
                link.symlink_to(outside if swapped == "folder" else outside / "secret")
            for thing in (real, link):
                with contextlib.suppress(OSError):
                    os.rename(thing, name)
                with contextlib.suppress(OSError):
                    os.rename(name, thing)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[bytes] = set()
    try:
        for turn in range(1000):
            with contextlib.suppress(AetherError):
                seen.add(beneath.read(home, "name/secret" if swapped == "folder" else "name"))
            if swapped == "folder":
                with contextlib.suppress(AetherError):
                    beneath.write(home, f"name/new{turn}", b"x")
                with contextlib.suppress(AetherError):
                    beneath.delete(home, "name", recursive=True)
    finally:
        stop.set()
        swapping.join()
        sys.setswitchinterval(before)
    assert b"canary" not in seen
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_text() == "canary"


def test_write_is_seen_whole_or_not_at_all(home: Path) -> None:
    one, two = b"1" * 200_000, b"2" * 200_000
    beneath.write(home, "f", one)
    stop = threading.Event()
    seen: set[bytes] = set()

    def look() -> None:
        while not stop.is_set():
            seen.add(beneath.read(home, "f"))

    looking = threading.Thread(target=look)
    looking.start()
    for turn in range(100):
        beneath.write(home, "f", two if turn % 2 else one)
    stop.set()
    looking.join()
    assert seen <= {one, two}
    assert [e.path for e in beneath.listing(home)] == ["f"]


def test_failed_write_leaves_the_old_file_and_no_rest(home: Path) -> None:
    beneath.write(home, "f", b"old")

    def broken() -> object:
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(ToolFailed, match="disk is full"):
        beneath.write(home, "f", broken())  # type: ignore[arg-type]
    assert beneath.read(home, "f") == b"old"
    assert [e.path for e in beneath.listing(home)] == ["f"]


@posix
def test_mode_of_a_replaced_file_is_kept(home: Path) -> None:
    beneath.write(home, "run.sh", b"#!/bin/sh\n")
    (home / "run.sh").chmod(0o755)
    beneath.write(home, "run.sh", b"#!/bin/sh\ntrue\n")
    assert stat.S_IMODE((home / "run.sh").stat().st_mode) == 0o755
    before = os.umask(0o077)
    try:
        beneath.write(home, "run.sh", b"#!/bin/sh\nfalse\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "run.sh").stat().st_mode) == 0o755


@posix
def test_appending_to_a_hard_link_keeps_all_of_it(home: Path) -> None:
    beneath.write(home, "one", b"x" * 600_000)
    os.link(home / "one", home / "two")
    beneath.append(home, "two", b"end")
    assert (home / "two").read_bytes() == b"x" * 600_000 + b"end"
    assert (home / "one").stat().st_size == 600_000


def test_a_file_without_end_is_read_to_the_size_it_had(home: Path) -> None:
    beneath.write(home, "log", b"x" * 300_000)
    seen = 0
    for block in beneath.blocks(home, "log"):
        beneath.append(home, "log", block)
        seen += len(block)
    assert seen == 300_000


def _dig(top: Path, levels: int) -> None:
    """Folders nested deeper than any path may be long."""
    here = os.open(top, os.O_RDONLY)
    for level in range(levels):
        os.mkdir("a-long-name", dir_fd=here)
        below = os.open("a-long-name", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=below))
        if level % 300 == 299:
            os.fchmod(here, 0o500)
        os.close(here)
        here = below
    os.close(here)


@posix
def test_folders_nested_beyond_reason_are_walked_and_deleted(home: Path) -> None:
    (home / "deep").mkdir()
    _dig(home / "deep", 1200)
    assert len(list(beneath.walk(home))) > 1000
    assert beneath.usage(home) == 0
    if os.geteuid() == 0:
        assert beneath.delete(home, "deep", recursive=True) == 2401
        assert not beneath.exists(home, "deep")
    beneath.remove(home)
    assert not home.exists()
    beneath.remove(home)


@posix
def test_removing_a_home_leaves_what_its_links_point_to(home: Path) -> None:
    outside = home.parent / "elsewhere"
    outside.mkdir(mode=0o755)
    (outside / "kept").write_text("x")
    (home / "link").symlink_to(outside)
    (home / "locked").mkdir()
    (home / "locked" / "link").symlink_to(outside / "kept")
    (home / "locked").chmod(0)
    beneath.remove(home)
    assert not home.exists()
    assert (outside / "kept").read_text() == "x"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755


def test_copy_and_move_land_where_a_shell_would_put_them(home: Path) -> None:
    beneath.write(home, "a/b/c.txt", b"c")
    assert beneath.copy(home, "a", "z") == "z"
    assert beneath.copy(home, "a/b/c.txt", "z") == "z/c.txt"
    assert beneath.copy(home, "a/b/c.txt", "new/") == "new/c.txt"
    assert beneath.move(home, "a/b", "z/d") == "z/d"
    assert sorted(e.path for e in beneath.walk(home) if e.kind == "file") == [
        "new/c.txt",
        "z/b/c.txt",
        "z/c.txt",
        "z/d/c.txt",
    ]
    for into in ("z/inside", "z/d/deeper"):
        with pytest.raises(ToolFailed, match="into itself"):
            beneath.move(home, "z", into)
        with pytest.raises(ToolFailed, match="into itself"):
            beneath.copy(home, "z", into)
    with pytest.raises(ToolFailed, match="room for"):
        beneath.copy(home, "z", "big", limit_bytes=2)
    assert not beneath.exists(home, "big")


def test_errors_name_no_path_of_the_host(home: Path) -> None:
    beneath.write(home, "file", b"x")
    for path in ("no/such", "file/below", "no"):
        with pytest.raises(AetherError) as caught:
            beneath.read(home, path)
        assert str(home.parent) not in caught.value.message


@posix
def test_files_of_a_root_server_belong_to_the_owner_of_the_home(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(home, 1000, 1000)
    beneath.write(home, "a/b/f", b"x")
    beneath.append(home, "a/g", b"x")
    assert {(home / p).stat().st_uid for p in ("a", "a/b", "a/b/f", "a/g")} == {1000}
