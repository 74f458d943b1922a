"""Desktops of agents in real containers: agents act on them, people watch, take over and hand back."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import ImageChops

from aether_jupyter import pictures
from aether_jupyter.app import open_app
from aether_jupyter.config import Settings
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.control import DisplayStatus
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden, NotFound, ProcessNotFound
from aether_jupyter.model.events import (
    ApprovalDecided,
    ApprovalRequested,
    ControlAsked,
    ControlReturned,
    ControlTaken,
    ToolEnded,
)
from aether_jupyter.model.message import Part, Text, ToolCall, Turn, UserTurn
from aether_jupyter.model.process import Signal, State
from aether_jupyter.rfb.client import RfbClient
from aether_jupyter.rfb.keysyms import CONTROL, of_character
from aether_jupyter.runtime.displays import Displays, View
from aether_jupyter.runtime.takeover import Takeovers
from tests.runtime.conftest import ANA, BOB, House
from tests.sandboxes.conftest import docker_engine

__all__ = ["docker_engine"]

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300), pytest.mark.usefixtures("docker_engine")]

Script = Callable[[str, Callable[[int, Sequence[Turn]], Sequence[Part]]], str]
DESK = SandboxSpec(desktop="xfce")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "aether", durability="NORMAL", control_grace_s=1.0)


@pytest.fixture
def displays(house: House) -> Displays:
    assert isinstance(house.app.displays, Displays)
    return house.app.displays


@pytest.fixture
def takeovers(house: House) -> Takeovers:
    assert isinstance(house.app.takeovers, Takeovers)
    return house.app.takeovers


class Watching:
    """A view as an RFB client of a person's, over the view's own bytes."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._buffer = self._pending = b""

    async def read(self, n: int = -1) -> bytes:
        if not self._buffer:
            self._buffer = await self.view.read()
        taken, self._buffer = (self._buffer, b"") if n < 0 else (self._buffer[:n], self._buffer[n:])
        return taken

    async def readexactly(self, n: int) -> bytes:
        found = b""
        while len(found) < n:
            piece = await self.read(n - len(found))
            if not piece:
                raise asyncio.IncompleteReadError(found, n)
            found += piece
        return found

    def write(self, data: bytes) -> None:
        self._pending += data

    async def drain(self) -> None:
        pending, self._pending = self._pending, b""
        await self.view.write(pending)

    def close(self) -> None:
        self.view.close()


async def watch(displays: Displays, who: Principal, pid: int, *, view_only: bool = False) -> RfbClient:
    seen = Watching(await displays.view(who, pid, view_only=view_only))
    return await RfbClient(seen, seen).open()


async def until(found: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := await found()):
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.05)
    return answer


async def in_state(house: House, pid: int, state: State) -> None:
    async def there() -> bool:
        return (await house.app.processes.get(ANA, pid)).state is state

    await until(there)


async def press(desk: RfbClient, *symbols: int) -> None:
    for symbol in symbols:
        await desk.key(symbol, down=True)
    for symbol in reversed(symbols):
        await desk.key(symbol, down=False)


def waiting(script: Script, *before: ToolCall, heard: list[Sequence[Turn]] | None = None) -> str:
    """An agent that does these calls one after the other, then asks for help; then it is done."""

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        if heard is not None:
            heard.append(turns)
        if n < len(before):
            return [before[n]]
        return [ToolCall("h", "ask_for_help", {"question": "Sign in, please."})] if n == len(before) else [Text("done")]

    return script("waits", play)


def outcomes(records: Sequence[Any]) -> list[Any]:
    return [r.event.outcome for r in records if isinstance(r.event, ToolEnded)]


async def test_an_agent_writes_a_letter_in_an_editor(house: House, script: Script) -> None:
    calls = [
        ("desktop_open", {"program": "mousepad letter.txt"}),
        ("desktop_click", {"x": 640, "y": 400}),
        ("desktop_type", {"text": "Grüße aus dem Büro\n2 €"}),
        ("desktop_press", {"keys": "ctrl+s"}),
        ("computer", {"action": "screenshot"}),
        ("desktop_windows", {}),
    ]

    def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
        return [ToolCall(f"c{n}", *calls[n])] if n < len(calls) else [Text("written")]

    tools = ("desktop_open", "desktop_click", "desktop_type", "desktop_press", "desktop_windows", "computer")
    await house.app.processes.wait(ANA, (await house.spawn("scripted:hello")).pid, timeout_s=20)
    done = await house.run(script("writer", play), sandbox=DESK, mode=Mode.ACCEPT_EDITS, tools=tools)
    records = await house.app.processes.records(ANA, done.pid, limit=200)
    assert [each.ok for each in outcomes(records)] == [True] * 6, [each.content for each in outcomes(records)]
    home = house.app.settings.homes / str(done.pid)
    assert (home / "letter.txt").read_text().strip() == "Grüße aus dem Büro\n2 €"
    image = outcomes(records)[4].images[0]
    assert (image.width, image.height, image.media_type) == (1280, 800, "image/jpeg")
    assert "letter.txt" in outcomes(records)[4].content
    assert "letter.txt - Mousepad" in outcomes(records)[5].content
    assert done.display == "xfce"


async def test_a_person_helps_and_the_agent_is_told_what_changed(
    house: House, displays: Displays, takeovers: Takeovers, script: Script
) -> None:
    heard: list[Sequence[Turn]] = []
    model = waiting(script, ToolCall("o", "desktop_open", {"program": "mousepad code.txt"}), heard=heard)
    pid = (await house.spawn(model, sandbox=DESK, mode=Mode.ACCEPT_EDITS)).pid
    await in_state(house, pid, State.WAITING)
    person = await watch(displays, ANA, pid)
    # Until they take over, nothing that they send gets through.
    for character in "too early":
        await press(person, of_character(character))
    await takeovers.take(ANA, pid)
    status = await displays.status(ANA, pid)
    assert (status.holder, status.running, [v.controls for v in status.viewers]) == ("ana", True, [True])
    for character in "secret 42":
        await press(person, of_character(character))
    await press(person, CONTROL, ord("s"))
    letter = house.app.settings.homes / str(pid) / "code.txt"

    async def saved() -> bool:
        return letter.exists() and letter.read_text().strip() == "secret 42"

    await until(saved)
    await person.resize(1000, 600)
    resized = await displays.status(ANA, pid)
    assert (resized.width, resized.height) == (1000, 600)
    back = await takeovers.give_back(ANA, pid, "I typed the code.")
    assert back.holder == ""
    put_back = await displays.status(ANA, pid)
    assert (put_back.width, put_back.height) == (1280, 800)
    assert (await house.settled(pid)).state is State.ZOMBIE
    records = await house.app.processes.records(ANA, pid, limit=200)
    (returned,) = [r.event for r in records if isinstance(r.event, ControlReturned)]
    assert [(act.kind, act.count, act.key) for act in returned.turn.did] == [("type", 9, ""), ("key", 1, "ctrl+s")]
    assert "secret" not in msgspec.json.encode(records).decode().replace("code.txt", "")
    (scene,) = returned.turn.scenes
    assert scene.stage == "desktop"
    assert any("code.txt" in title for title in scene.open)
    assert scene.before is not None
    assert scene.after is not None
    for image in (scene.before, scene.after):
        found, content = await house.app.images.content(ANA, image.digest)
        assert (found.digest, len(content)) == (image.digest, image.size_bytes)
    said = " ".join(turn.text for turn in heard[-1] if isinstance(turn, UserTurn))
    assert "I typed the code." in said
    assert "typed 9 characters (not shown), pressed ctrl+s" in said
    assert "Your desktop" not in said
    await person.close()


async def test_taking_over_cuts_a_call_off_and_handing_back_goes_on(
    house: House, displays: Displays, takeovers: Takeovers, script: Script
) -> None:
    model = waiting(
        script,
        ToolCall("o", "desktop_open", {"program": "mousepad slow.txt"}),
        ToolCall("t", "desktop_type", {"text": "x" * 20_000}),
    )
    pid = (await house.spawn(model, sandbox=DESK, mode=Mode.ACCEPT_EDITS)).pid

    async def typing() -> bool:
        process = await house.app.processes.get(ANA, pid)
        return process.voice is not None and process.voice.text.startswith("desktop_type")

    await until(typing)
    began = time.monotonic()
    await takeovers.take(ANA, pid)
    await in_state(house, pid, State.STOPPED)
    assert time.monotonic() - began < 2.0
    person = await watch(displays, ANA, pid)
    while await person.changed(0.5, share=0.001):
        pass
    before = await person.picture()
    await asyncio.sleep(0.7)
    # A cursor may blink, but no more letters come.
    drawn = ImageChops.difference(before, await person.picture()).convert("L").point(lambda value: 255 * (value > 0))
    assert drawn.histogram()[255] < 400
    await takeovers.give_back(ANA, pid, "")
    await in_state(house, pid, State.WAITING)
    ended = outcomes(await house.app.processes.records(ANA, pid, limit=200))
    assert [each.ok for each in ended] == [True, False]
    assert "took over" in ended[1].content
    await person.close()
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_a_second_user_sees_nothing_and_a_viewer_types_nothing(
    house: House, displays: Displays, takeovers: Takeovers, script: Script
) -> None:
    model = waiting(script, ToolCall("o", "desktop_open", {"program": "mousepad shared.txt"}))
    pid = (await house.spawn(model, sandbox=DESK, mode=Mode.ACCEPT_EDITS)).pid
    await in_state(house, pid, State.WAITING)
    for refused in (displays.view(BOB, pid), displays.picture(BOB, pid, 180), takeovers.take(BOB, pid)):
        with pytest.raises(ProcessNotFound):
            await refused
    await takeovers.take(ANA, pid)
    guest = Principal(name="vera", owner="ana", scopes=frozenset({"processes:read", "displays:view"}))
    lookers = [await watch(displays, guest, pid), await watch(displays, ANA, pid, view_only=True)]
    for looker in lookers:
        await press(looker, ord("z"))
        await looker.pointer(640, 400, 1)
        await looker.pointer(640, 400, 0)
        await looker.copy("planted")
        assert (await looker.picture()).size == (1280, 800)
        # Another size is an act, too.
        await looker._send(struct.pack(">BxHHBxIHHHHI", 251, 640, 480, 1, 0, 0, 0, 640, 480, 0))
    person = await watch(displays, ANA, pid)
    await press(person, CONTROL, ord("s"))
    await asyncio.sleep(1.0)
    shared = house.app.settings.homes / str(pid) / "shared.txt"
    assert not shared.exists() or shared.read_text() == ""
    assert (await person.picture()).size == (1280, 800)
    assert await person.clipboard() != "planted"
    status: DisplayStatus = await displays.status(ANA, pid)
    assert sorted((v.name, v.controls) for v in status.viewers) == [("ana", False), ("ana", True), ("vera", False)]
    for each in (*lookers, person):
        await each.close()
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_a_help_is_asked_for_given_and_told_and_all_of_it_is_in_the_journal(
    house: House, takeovers: Takeovers, script: Script
) -> None:
    heard: list[Sequence[Turn]] = []
    pid = (await house.spawn(waiting(script, heard=heard), sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)
    priya = Principal(name="priya", owner="ana")
    with pytest.raises(Conflict, match="nobody has taken control"):
        await takeovers.ask(priya, pid)
    await takeovers.take(ANA, pid)
    await takeovers.ask(priya, pid)
    with pytest.raises(ProcessNotFound):
        await takeovers.ask(BOB, pid)
    looks = Principal(name="vera", owner="ana", scopes=frozenset({"processes:read", "displays:view"}))
    with pytest.raises(Forbidden):
        await takeovers.ask(looks, pid)
    await takeovers.give_back(ANA, pid, "Priya does the rest.")
    await house.settled(pid)
    told = (ApprovalRequested, ControlTaken, ControlAsked, ControlReturned, ApprovalDecided)
    records = await house.app.processes.records(ANA, pid, limit=200)
    assert [(type(r.event), r.actor) for r in records if isinstance(r.event, told)] == [
        (ApprovalRequested, f"agent:{pid}"),
        (ControlTaken, "ana"),
        (ControlAsked, "priya"),
        (ControlReturned, "ana"),
        (ApprovalDecided, "ana"),
    ]
    said = " ".join(turn.text for turn in heard[-1] if isinstance(turn, UserTurn))
    assert "Priya does the rest." in said
    assert "ana had control" in said
    assert "priya" not in said


async def test_control_goes_back_when_the_person_is_gone(
    house: House, displays: Displays, takeovers: Takeovers, script: Script
) -> None:
    pid = (await house.spawn(waiting(script), sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)
    person = await watch(displays, ANA, pid)
    await takeovers.take(ANA, pid)
    await asyncio.sleep(3.5)
    assert (await displays.status(ANA, pid)).holder == "ana"
    await person.close()

    async def free() -> bool:
        return (await displays.status(ANA, pid)).holder == ""

    await until(free, 10)
    # Nobody answered what it asked for, so it still waits for that.
    assert (await house.app.processes.get(ANA, pid)).state is State.WAITING
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def inside(house: House, pid: int, command: str) -> None:
    """Run it in the agent's container."""
    spec = await house.app.processes.spec(ANA, pid)
    sandbox = await house.app.captures._machines.open(pid, spec.sandbox)
    assert (await sandbox.run(["sh", "-c", command], timeout_s=10)).exit_code == 0


async def test_a_frozen_desktop_keeps_control_from_nobody(
    house: House, displays: Displays, takeovers: Takeovers, script: Script
) -> None:
    heard: list[Sequence[Turn]] = []
    model = waiting(script, ToolCall("s", "desktop_screenshot", {}), heard=heard)
    pid = (await house.spawn(model, sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)
    await takeovers.take(ANA, pid)
    await inside(house, pid, "pkill -STOP Xtigervnc")
    async with asyncio.timeout(12):
        assert (await takeovers.give_back(ANA, pid, "I signed in.")).holder == ""
    assert (await house.settled(pid)).state is State.ZOMBIE
    said = " ".join(turn.text for turn in heard[-1] if isinstance(turn, UserTurn))
    assert "I signed in." in said
    assert "The desktop did not answer when they left, so how they left it is not known." in said
    assert "The picture shows the desktop before that." in said


async def test_a_view_that_fails_leaves_nobody_in_the_audience(
    house: House, displays: Displays, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = (await house.spawn(waiting(script), sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)

    async def fail(pid: int) -> None:
        raise OSError("the engine is gone")

    with monkeypatch.context() as patched:
        patched.setattr(displays, "_eyes_on", fail)
        with pytest.raises(OSError, match="engine is gone"):
            await displays.view(ANA, pid)
    assert displays.audience.of(pid) == ()
    person = await watch(displays, ANA, pid)
    assert len(displays.audience.of(pid)) == 1
    await person.close()
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_a_snapshot_names_the_windows_that_were_open(house: House, script: Script) -> None:
    model = waiting(script, ToolCall("o", "desktop_open", {"program": "mousepad plan.txt"}))
    pid = (await house.spawn(model, sandbox=DESK, mode=Mode.ACCEPT_EDITS)).pid
    await in_state(house, pid, State.WAITING)
    snapshot = await house.app.captures.take(ANA, pid)
    assert snapshot.extras == {"windows": 1}
    detail = await house.app.captures.detail(ANA, snapshot.id)
    assert ["plan.txt" in title for title in detail.extras["windows"]] == [True]
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_small_pictures_are_taken_once_and_start_nothing(
    house: House, displays: Displays, script: Script
) -> None:
    pid = (await house.spawn(waiting(script), sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)
    with pytest.raises(NotFound, match="does not run"):
        await displays.picture(ANA, pid, 180)
    person = await watch(displays, ANA, pid)
    small = await asyncio.gather(*(displays.picture(ANA, pid, 180) for _ in range(20)))
    assert len({id(each) for each in small}) == 1
    assert small[0].startswith(b"\xff\xd8")
    assert len(small[0]) < 20_000
    # Whatever widths are asked for, a few sizes serve all of them.
    many = await asyncio.gather(*(displays.picture(ANA, pid, width) for width in range(16, 4097, 60)))
    assert {pictures.examine(each).width for each in many} == {128, 256, 512, 1024, 1280}
    assert len({id(each) for each in many}) == len(displays._small) == 6
    await person.close()
    await house.app.processes.signal(ANA, pid, Signal.KILL)


async def test_no_picture_is_kept_of_agents_that_have_ended(house: House, displays: Displays, script: Script) -> None:
    pids = [(await house.spawn(waiting(script), sandbox=DESK)).pid for _ in range(3)]
    for pid in pids:
        await house.app.processes.signal(ANA, pid, Signal.KILL)
        # A screen that has not heard of it yet.
        with pytest.raises(NotFound, match="does not run"):
            await displays.picture(ANA, pid, 180)
    assert len(displays._small) == 1


async def test_pictures_come_while_the_agent_waits_for_a_change(
    house: House, displays: Displays, script: Script
) -> None:
    model = waiting(
        script, ToolCall("s", "desktop_screenshot", {}), ToolCall("w", "desktop_wait", {"seconds": 100, "still": False})
    )
    pid = (await house.spawn(model, sandbox=DESK)).pid

    async def looks() -> bool:
        process = await house.app.processes.get(ANA, pid)
        return process.voice is not None and process.voice.text.startswith("desktop_wait")

    await until(looks)
    async with asyncio.timeout(5):
        assert (await displays.picture(ANA, pid, 180)).startswith(b"\xff\xd8")
        assert (await displays.status(ANA, pid)).running
    await house.app.processes.signal(ANA, pid, Signal.KILL)


@pytest.mark.parametrize("last", ["it waits", "it works"])
async def test_a_desktop_that_another_server_has_is_refused_and_stays_as_it_is(
    settings: Settings, script: Script, last: str
) -> None:
    """It is one for all servers of a home: opened by a second one, it would end with all that is open on it."""
    opening = ToolCall("o", "desktop_open", {"program": "mousepad kept.txt"})
    works = ToolCall("w", "run_command", {"command": "sleep 60"})
    model = waiting(script, opening, *([works] if last == "it works" else []))
    async with AsyncExitStack() as servers:
        apps = [await servers.enter_async_context(open_app(settings)) for _ in range(2)]
        spec = AgentSpec(goal="g", model=model, sandbox=DESK, mode=Mode.AUTONOMOUS)
        pid = (await apps[0].processes.spawn(ANA, spec)).pid

        async def there() -> bool:
            process = await apps[0].processes.get(ANA, pid)
            if last == "it waits":
                return process.state is State.WAITING
            return process.voice is not None and process.voice.text.startswith("run_command")

        await until(there, 60)
        both = [app.displays for app in apps]
        assert all(isinstance(each, Displays) for each in both)
        has, has_not = sorted(both, key=lambda each: pid not in each._hands)
        refused: Awaitable[Any]
        for refused in (has_not.view(ANA, pid), has_not.status(ANA, pid)):
            with pytest.raises(Conflict, match=f"desktop of agent {pid} is open on another server.*look at it there"):
                await refused
        with pytest.raises(NotFound, match="does not run here"):
            await has_not.picture(ANA, pid, 180)
        stranger = next(app for app in apps if app.displays is has_not)
        process, full = await stranger.processes.get(ANA, pid), await stranger.processes.spec(ANA, pid)
        with pytest.raises(Conflict, match="open the terminal there"):
            await stranger.surroundings.terminal(process, full, lambda: None)
        assert not has._hands[pid].lost
        person = await watch(has, ANA, pid)
        assert any("kept.txt" in title for title in (await has.showing(pid))["windows"])
        assert (await has.status(ANA, pid)).running
        await person.close()
        await apps[0].processes.signal(ANA, pid, Signal.KILL)


async def test_a_desktop_opens_on_another_server_when_that_one_has_ended(settings: Settings, script: Script) -> None:
    model = waiting(script, ToolCall("o", "desktop_open", {"program": "mousepad kept.txt"}))
    async with open_app(settings) as two:
        async with open_app(settings) as one:
            spec = AgentSpec(goal="g", model=model, sandbox=DESK, mode=Mode.AUTONOMOUS)
            pid = (await one.processes.spawn(ANA, spec)).pid

            async def there() -> bool:
                return (await one.processes.get(ANA, pid)).state is State.WAITING

            await until(there, 60)
        displays = two.displays
        assert isinstance(displays, Displays)
        person = await watch(displays, ANA, pid)
        assert (await person.picture()).size == (1280, 800)
        await person.close()
        await two.processes.signal(ANA, pid, Signal.KILL)


async def test_an_end_takes_the_desktop_with_it(house: House, displays: Displays, script: Script) -> None:
    pid = (await house.spawn(waiting(script), sandbox=DESK)).pid
    await in_state(house, pid, State.WAITING)
    view = await displays.view(ANA, pid)
    assert (await view.read()).startswith(b"RFB 003.008")
    await house.app.processes.signal(ANA, pid, Signal.KILL)

    async def over() -> bool:
        return await view.read() == b""

    await until(over, 10)
    with pytest.raises(NotFound, match="has ended"):
        await displays.view(ANA, pid)


async def test_what_needs_a_desktop_is_not_given_to_agents_without_one(house: House) -> None:
    with pytest.raises(BadRequest, match="needs a desktop"):
        await house.spawn("scripted:hello", tools=("desktop_click",))
    with pytest.raises(BadRequest, match="docker only"):
        await house.spawn("scripted:hello", sandbox=SandboxSpec(kind="bubblewrap", desktop="xfce"))
    plain = await house.run("scripted:hello")
    assert plain.display == ""
    with pytest.raises(NotFound, match="has no desktop"):
        await house.app.displays.view(ANA, plain.pid)
