"""The desktop's tools: what they send to its server, and what they do and say on a desktop in a real container."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aether_jupyter.abc import Desktop, Sandbox, ToolContext
from aether_jupyter.config import Settings
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import ToolArguments
from aether_jupyter.model.message import ToolCall
from aether_jupyter.model.tool import Outcome
from aether_jupyter.reading import reader
from aether_jupyter.rfb.actions import Action
from aether_jupyter.rfb.client import RfbClient
from aether_jupyter.rfb.input import Message
from aether_jupyter.runtime.toolbox import Toolbox
from aether_jupyter.sandboxes.docker import Docker, DockerSandbox
from aether_jupyter.tools import desktop

from ..rfb.server import answering, raw, update
from ..sandboxes.conftest import docker_engine

__all__ = ["docker_engine"]

pytestmark = pytest.mark.anyio

on_a_desktop = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture
def tools(settings: Settings) -> Toolbox:
    return Toolbox({each.spec.name: each for each in desktop.register_tools(settings)})


# --- what is sent -------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A client of a server that notes what pointer and keys did."""

    desk: RfbClient
    acts: list[bytes]

    def pointers(self) -> list[tuple[int, int, int]]:
        return [struct.unpack(">xBHH", each) for each in self.acts if each[0] == 5]

    def keys(self) -> list[tuple[int, int]]:
        return [struct.unpack(">xBxxI", each) for each in self.acts if each[0] == 4]

    async def heard(self) -> None:
        """All that was sent was read: what is asked after it is answered."""
        await self.desk.picture()


@pytest.fixture(params=[(1280, 800)])
async def told(request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Told]:
    acts: list[bytes] = []

    def answer(message: Message) -> bytes:
        if message.kind in ("pointer", "key"):
            acts.append(message.raw)
        return update(raw(0, 0, 1, 1)) if message.raw[0] == 3 else b""

    async with answering(tmp_path, answer, request.param) as place:
        desk = await RfbClient(*await asyncio.open_unix_connection(place)).open()
        yield Told(desk, acts)
        await desk.close()


async def test_what_is_dragged_in_steps_stays_held_on_the_way(told: Told) -> None:
    for action in (
        Action(kind="down", path=((10, 20),)),
        Action(kind="move", path=((30, 40),)),
        Action(kind="up", path=((50, 60),)),
        Action(kind="move", path=((70, 80),)),
    ):
        await desktop.perform(told.desk, action)
    await told.heard()
    assert told.pointers() == [(1, 10, 20), (1, 30, 40), (0, 50, 60), (0, 70, 80)]


async def test_a_call_that_is_cut_off_leaves_nothing_held_down(
    told: Told, tools: Toolbox, context: ToolContext
) -> None:
    async def desk() -> Desktop:
        return told.desk

    await desktop.perform(told.desk, Action(kind="down", path=((10, 20),)))
    call = ToolCall("c1", "computer", {"action": "hold_key", "text": "shift", "duration": 30})
    running = asyncio.create_task(tools.run(call, replace(context, desktop=desk)))
    while not told.keys():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    await told.heard()
    assert told.keys() == [(1, 0xFFE1), (0, 0xFFE1)]
    assert told.pointers() == [(1, 10, 20), (0, 10, 20)]


async def test_a_drag_goes_all_of_its_way_with_the_button_down(told: Told) -> None:
    await desktop.perform(told.desk, Action(kind="drag", path=((10, 10), (100, 10), (100, 50))))
    await told.heard()
    (first, *held, last) = told.pointers()
    assert first == (0, 10, 10)
    assert {button for button, _, _ in held} == {1}
    assert {(1, 10, 10), (1, 100, 10), (1, 100, 50)} <= set(held)
    assert last == (0, 100, 50)


async def test_the_wheel_turns_by_notches_and_keys_are_held_meanwhile(told: Told) -> None:
    action = Action(kind="scroll", path=((10, 20),), turns=(("down", 2), ("left", 1)), keys=("ctrl",))
    await desktop.perform(told.desk, action)
    await told.heard()
    assert [button for button, _, _ in told.pointers()] == [0, 16, 0, 16, 0, 32, 0]
    assert told.keys() == [(1, 0xFFE3), (0, 0xFFE3)]
    assert told.acts[0][0] == told.acts[-1][0] == 4


@pytest.mark.parametrize(("told", "seen"), [((2560, 1600), (1279, 799)), ((1280, 800), (1279, 799))], indirect=["told"])
async def test_places_of_the_picture_are_those_of_the_screen(told: Told, seen: tuple[int, int]) -> None:
    scale = told.desk.size[0] // 1280
    await desktop.perform(told.desk, Action(kind="move", path=(seen,)))
    assert told.desk.at == (seen[0] * scale, seen[1] * scale)
    assert await desktop.perform(told.desk, Action(kind="where")) == f"x={seen[0]}, y={seen[1]}"
    for beyond in ((1280, 0), (0, 800), (-1, 0)):
        with pytest.raises(ToolArguments, match="lies beyond the picture, which is 1280 by 800 pixels"):
            await desktop.perform(told.desk, Action(kind="move", path=(beyond,)))


async def test_thousandths_reach_from_corner_to_corner_and_no_further(told: Told) -> None:
    for place, pixel in (((0, 0), (0, 0)), ((500, 500), (640, 400)), ((1000, 1000), (1279, 799))):
        await desktop.perform(told.desk, Action(kind="move", path=(place,), thousandths=True))
        assert told.desk.at == pixel
    for beyond in ((1001, 0), (0, -1)):
        with pytest.raises(ToolArguments, match="thousandths go from 0 to 1000"):
            await desktop.perform(told.desk, Action(kind="move", path=(beyond,), thousandths=True))


async def test_a_key_that_is_none_is_said_before_anything_is_pressed(told: Told) -> None:
    with pytest.raises(ToolArguments, match="there is no key 'nokey'"):
        await desktop.perform(told.desk, Action(kind="press", keys=("ctrl", "nokey")))
    await told.heard()
    assert told.acts == []


@pytest.mark.parametrize(
    ("program", "said"), [(" ", "program is empty"), ("\t\n", "program is empty"), ("a 'b", "quote")]
)
async def test_a_program_that_is_none_is_refused_before_a_desktop_opens(
    tools: Toolbox, context: ToolContext, program: str, said: str
) -> None:
    outcome = await tools.run(ToolCall("c1", "desktop_open", {"program": program}), context)
    assert not outcome.ok
    assert said in outcome.content


# --- on a desktop -------------------------------------------------------------------------------------------------

Do = Callable[..., Awaitable[Outcome]]


class Seat(NamedTuple):
    """An agent at its desktop: `do` calls a tool, `out` gives what a command prints."""

    do: Do
    desk: RfbClient
    box: DockerSandbox

    async def out(self, command: str) -> str:
        return (await self.box.run(command, timeout_s=30)).stdout.decode()

    async def until(self, command: str, words: str) -> None:
        deadline = time.monotonic() + 30
        while words not in await self.out(command):
            assert time.monotonic() < deadline, f"{command} does not say {words}"
            await asyncio.sleep(0.05)

    async def rest(self) -> None:
        while await self.desk.changed(1.5):
            pass


@pytest.fixture
async def seat(
    docker_engine: None, anyio_backend: str, tmp_path: Path, tools: Toolbox, context: ToolContext
) -> AsyncIterator[Seat]:
    box = await Docker(tmp_path).open(7, SandboxSpec(desktop="openbox"), context.home)
    hands = await RfbClient(*await box.display()).open()

    async def sandbox() -> Sandbox:
        return box

    async def desk() -> Desktop:
        return hands

    async def do(tool: str, *, sees: bool = True, **arguments: Any) -> Outcome:
        here = replace(context, sandbox=sandbox, desktop=desk, sees=sees)
        return await tools.run(ToolCall("c1", tool, arguments), here)

    yield Seat(do, hands, box)
    await hands.close()
    await box.close()


class TestOnADesktop:
    pytestmark = on_a_desktop

    async def test_windows_are_brought_to_the_front_and_closed_by_their_title(self, seat: Seat) -> None:
        for name in ("first.txt", "second.txt"):
            (seat.box.home / name).touch()
            opened = await seat.do("desktop_open", program=f"mousepad --disable-server {name}")
            assert "is open" in opened.content, opened.content
            await seat.until("wmctrl -l", name)
        await seat.until("xdotool getactivewindow getwindowname", "second.txt")
        focused = await seat.do("desktop_windows", do="focus", window="FIRST")
        assert "in front now" in focused.content
        assert focused.images
        await seat.until("xdotool getactivewindow getwindowname", "first.txt")
        listed = (await seat.do("desktop_windows")).content
        both = await seat.do("desktop_windows", do="close", window=".txt")
        assert not both.ok
        assert "2 windows fit" in both.content
        assert listed in both.content
        (number,) = [row.split()[0] for row in listed.splitlines() if "first.txt" in row]
        closed = await seat.do("desktop_windows", do="close", window=number)
        assert "told to close" in closed.content
        left = (await seat.do("desktop_windows")).content
        assert "first.txt" not in left
        assert "second.txt" in left
        gone = await seat.do("desktop_windows", do="focus", window=number)
        assert f"no window fits '{number}'" in gone.content

    async def test_the_clipboard_is_read_and_written(self, seat: Seat) -> None:
        put = await seat.do("desktop_clipboard", text="für den Brief: 漢字")
        assert "17 characters are on the clipboard" in put.content
        assert await seat.out("timeout 9 xclip -o -selection clipboard") == "für den Brief: 漢字"
        command = "head -c 30000 /dev/zero | tr '\\0' a | timeout 20 xclip -i -selection clipboard >/dev/null 2>&1 &"
        await seat.box.run(command, timeout_s=30)
        deadline = time.monotonic() + 20
        while not (read := (await seat.do("desktop_clipboard")).content).startswith("aaa"):
            assert time.monotonic() < deadline, read
        assert read == "a" * 20_000 + "\n[30,000 characters in all]"

    async def test_programs_open_by_the_names_that_are_told(self, seat: Seat) -> None:
        for name in desktop._PROGRAMS:
            opened = await seat.do("desktop_open", program=name)
            assert opened.content.startswith(f"{name} is open."), opened.content
            assert "none is open" not in opened.content
        none = await seat.do("desktop_open", program="no-such-program --at all")
        assert not none.ok
        assert "no program 'no-such-program' here. There are: browser, editor" in none.content

    async def test_waiting_says_whether_anything_changed(self, seat: Seat) -> None:
        await seat.do("desktop_open", program="mousepad")
        await seat.rest()
        # The editor's cursor blinks all the while.
        still = await seat.do("desktop_wait", seconds=4)
        assert still.content.startswith("Nothing changed for 4 s."), still.content
        opening = asyncio.create_task(seat.box.run("sleep 1; setsid -f xterm >/dev/null 2>&1", timeout_s=30))
        changed = await seat.do("desktop_wait", seconds=20)
        await opening
        assert changed.content.startswith("It changed, after "), changed.content
        whole = await seat.do("desktop_wait", seconds=0.5, still=True)
        assert whole.content.startswith("Waited 0.5 s.")

    @pytest.mark.skipif(reader() is None, reason="not run: nothing here reads text off images")
    async def test_a_model_that_does_not_see_is_told_the_words_on_the_screen(self, seat: Seat) -> None:
        (seat.box.home / "letter.txt").write_text("Invoice for seventeen lanterns\n")
        opened = await seat.do("desktop_open", program="mousepad letter.txt")
        assert opened.ok
        assert opened.images[0].words == ""
        blind = await seat.do("desktop_screenshot", sees=False)
        assert "seventeen lanterns" in blind.images[0].words
        assert "letter.txt" in blind.content
        seen = await seat.do("desktop_screenshot")
        assert seen.images[0].words == ""
