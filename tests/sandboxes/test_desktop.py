"""The desktop in a real container: how soon it is there, what is seen and typed, and what its socket cannot be."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import SandboxUnavailable
from aether_jupyter.rfb.client import RfbClient
from aether_jupyter.rfb.keysyms import keysym, of_character
from aether_jupyter.sandboxes.connect import connect
from aether_jupyter.sandboxes.docker import Docker, DockerSandbox

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.anyio]


@pytest.fixture(params=["xfce", "openbox"])
async def box(
    request: pytest.FixtureRequest, docker_engine: None, anyio_backend: str, aether_home: Path
) -> AsyncIterator[DockerSandbox]:
    opened = await Docker(aether_home).open(7, SandboxSpec(desktop=request.param), aether_home / "homes" / "7")
    yield opened
    await opened.close()


@pytest.fixture
async def desk(box: DockerSandbox) -> AsyncIterator[RfbClient]:
    opened = await RfbClient(*await box.display()).open()
    yield opened
    await opened.close()


async def _until(found: Callable[[], Coroutine[Any, Any, Any]], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := await found()):
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.05)
    return answer


async def _out(box: DockerSandbox, command: str) -> str:
    return (await box.run(command, timeout_s=30)).stdout.decode()


async def _edit(box: DockerSandbox, desk: RfbClient, name: str) -> None:
    """An editor with the focus, on a file of the home."""
    await _until(lambda: _out(box, "wmctrl -m | grep -i name"))
    await box.run(f"touch {name}; setsid -f mousepad {name} >/dev/null 2>&1", timeout_s=30)
    await _until(lambda: _out(box, f"xdotool getactivewindow getwindowname 2>/dev/null | grep {name}"))
    await desk.changed(5)


async def _press(desk: RfbClient, *symbols: int) -> None:
    for symbol in symbols:
        await desk.key(symbol, down=True)
    for symbol in reversed(symbols):
        await desk.key(symbol, down=False)


async def test_what_is_typed_is_what_the_editor_saves(box: DockerSandbox, desk: RfbClient) -> None:
    await _edit(box, desk, "letter.txt")
    words = "Grüße, naïve Straße: 漢字 für 5 €\n\tq.e.d."
    for character in words:
        await _press(desk, of_character(character))
    control, save = keysym("ctrl"), keysym("s")
    assert control is not None
    assert save is not None
    await _press(desk, control, save)
    letter = box.home / "letter.txt"

    async def saved() -> bool:
        return letter.read_text().strip() == words

    await _until(saved)


async def test_a_picture_shows_the_desktop_with_its_pointer(box: DockerSandbox, desk: RfbClient) -> None:
    await _until(lambda: _out(box, "wmctrl -m | grep -i name"))
    await desk.pointer(640, 400)
    await desk.changed(2)
    here = await desk.picture()
    assert here.size == (1280, 800)
    assert len(here.getcolors(1 << 24) or ()) > 30
    await desk.pointer(300, 650)
    there = await desk.picture()

    def differs(x: int, y: int) -> bool:
        part = (x - 10, y - 10, x + 20, y + 20)
        return here.crop(part).tobytes() != there.crop(part).tobytes()

    assert differs(640, 400)
    assert differs(300, 650)
    assert not differs(900, 500)


async def test_the_clipboard_goes_both_ways(box: DockerSandbox, desk: RfbClient) -> None:
    await desk.copy("von außen: 漢字 €")
    # What is offered is fetched only when a program asks for it.
    assert await _out(box, "timeout 9 xclip -o -selection clipboard") == "von außen: 漢字 €"
    await box.run("printf 'von innen €\n2' | timeout 20 xclip -i -selection clipboard >/dev/null 2>&1 &", timeout_s=30)

    async def copied() -> bool:
        return await desk.clipboard() == "von innen €\n2"

    await _until(copied)


async def test_the_screen_takes_another_size(box: DockerSandbox, desk: RfbClient) -> None:
    await desk.resize(1024, 700)
    assert desk.size == (1024, 700)
    assert (await desk.picture()).size == (1024, 700)
    assert "1024x700" in await _out(box, "xdpyinfo | grep dimensions")


async def test_waiting_for_a_change_ends_when_something_is_drawn(box: DockerSandbox, desk: RfbClient) -> None:
    await _until(lambda: _out(box, "wmctrl -m | grep -i name"))
    while await desk.changed(1.5):
        pass
    began = time.monotonic()
    assert await desk.changed(1.0, share=0.05) == 0.0
    assert 0.9 < time.monotonic() - began < 2.0
    opening = asyncio.create_task(box.run("setsid -f xterm >/dev/null 2>&1", timeout_s=30))
    assert await desk.changed(20, share=0.05) > 0.05
    await opening


async def test_a_desktop_is_there_before_one_wonders(docker_engine: None, aether_home: Path) -> None:
    times = []
    for _ in range(3):
        began = time.monotonic()
        box = await Docker(aether_home).open(7, SandboxSpec(desktop="xfce"), aether_home / "homes" / "7")
        desk = await RfbClient(*await box.display()).open()
        await desk.picture()
        times.append(time.monotonic() - began)
        await desk.close()
        await box.close()
    assert statistics.median(times) < 2.0


async def test_the_way_through_the_engine_shows_the_same(box: DockerSandbox, desk: RfbClient) -> None:
    assert box._started is not None
    assert box._desktop is not None
    box._desktop._started = box._started._replace(sockets=None)
    other = await RfbClient(*await box.display()).open()
    try:
        assert (await other.picture()).size == desk.size
        await other.copy("durch den Tunnel")
        assert await _out(box, "timeout 9 xclip -o -selection clipboard") == "durch den Tunnel"
    finally:
        await other.close()


async def test_a_desktop_that_ended_is_started_anew(box: DockerSandbox, desk: RfbClient) -> None:
    await box.run("pkill Xtigervnc", timeout_s=30)

    async def lost() -> bool:
        return desk.lost

    await _until(lost)
    again = await RfbClient(*await box.display()).open()
    assert (await again.picture()).size == (1280, 800)
    await again.close()


async def test_a_command_that_dies_slowly_takes_nothing_else_with_it(docker_engine: None, aether_home: Path) -> None:
    """A person who takes over cuts a command off; what is open on the desktop stays, however busy the machine is."""
    box = await Docker(aether_home).open(7, SandboxSpec(desktop="openbox", memory_mb=2048), aether_home / "homes" / "7")
    desk = await RfbClient(*await box.display()).open()
    try:
        await _edit(box, desk, "letter.txt")
        # The kernel needs a while to take back what it holds.
        heavy = 'python3 -c \'held = b"x" * 1_300_000_000; open("holds", "w"); import time; time.sleep(60)\''
        running = asyncio.create_task(box.run(heavy, timeout_s=90))
        await _until(lambda: _out(box, "ls holds 2>/dev/null"))
        running.cancel()
        await asyncio.wait({running})
        assert "letter.txt" in await _out(box, "wmctrl -l")
        assert not desk.lost
        assert not await _out(box, "pgrep -f [1]_300_000_000")
    finally:
        await desk.close()
        await box.close()


async def test_programs_that_commands_start_find_the_display_and_the_bus(box: DockerSandbox, desk: RfbClient) -> None:
    assert "1280x800" in await _out(box, "xdpyinfo | grep dimensions")
    names = "dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"
    assert "org.freedesktop.DBus" in await _out(box, names)


async def test_the_folder_of_sockets_holds_a_megabyte_and_nothing_else_of_the_host(box: DockerSandbox) -> None:
    await (await box.display())[1].drain()
    full = await box.run("head -c 4000000 /dev/zero >/run/aether/fill; wc -c </run/aether/fill", timeout_s=30)
    assert int(full.stdout) <= 1 << 20
    assert b"No space left" in full.stderr


async def test_a_link_where_the_socket_was_leads_nowhere(box: DockerSandbox, desk: RfbClient, tmp_path: Path) -> None:
    # It would resolve on the host, where the server may open what the agent must not.
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(tmp_path / "private.sock"))
    other.listen()
    other.setblocking(False)
    await box.run(f"ln -sf {tmp_path}/private.sock /run/aether/vnc.sock", timeout_s=30)
    with pytest.raises(SandboxUnavailable, match="not the socket"):
        await box.display()
    with pytest.raises(BlockingIOError):
        other.accept()
    other.close()


async def test_what_is_no_socket_of_the_agent_is_not_connected_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    mine = socket.socket(socket.AF_UNIX)
    mine.bind(str(tmp_path / "sock"))
    mine.listen()
    for name, uid in (("file", os.getuid()), ("pipe", os.getuid()), ("sock", os.getuid() + 1)):
        with pytest.raises(OSError, match="not the socket"):
            connect(tmp_path, name, uid)
    for name in ("gone", "../" + tmp_path.name + "/gone"):
        with pytest.raises(FileNotFoundError):
            connect(tmp_path, name, os.getuid())
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"directory|symbolic"):
        connect(tmp_path / "folder", "sock", os.getuid())
    connect(tmp_path, "sock", os.getuid()).close()
    mine.close()


async def test_an_image_that_is_not_there_is_said_with_the_way_out(docker_engine: None, aether_home: Path) -> None:
    kind = Docker(aether_home, {"none": "aether-sandbox", "xfce": "aether-no-such", "openbox": "aether-no-such"})
    with pytest.raises(SandboxUnavailable, match=r"aether-no-such is not there\. run 'make images'"):
        await kind.open(7, SandboxSpec(desktop="xfce"), aether_home / "homes" / "7")
