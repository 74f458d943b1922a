"""People look at an agent's browser, take it over and work there as in one of their own; Chromium is real."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from PIL import Image

from aether_jupyter.app import App, open_app
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import AgentSpec, Mode, SandboxSpec
from aether_jupyter.model.errors import BadRequest, Conflict, Forbidden, NotFound, ProcessNotFound
from aether_jupyter.model.events import ControlReturned
from aether_jupyter.model.process import State
from aether_jupyter.runtime.screencasts import CastView

from .conftest import Script
from .site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ANA, BOB = Principal.person("ana"), Principal.person("bob")
TOOLS = ("browser_open", "browser_read", "browser_wait")
WAIT = ("browser_wait", {"text": "never there", "seconds": 30})


async def spawn(app: App, model: str, **fields: Any) -> int:
    defaults: dict[str, Any] = {"mode": Mode.AUTONOMOUS, "tools": TOOLS, "sandbox": SandboxSpec(network="host")}
    return (await app.processes.spawn(ANA, AgentSpec(goal="look", model=model, **(defaults | fields)))).pid


class Seat:
    """A person before a view, as a panel is: draws what comes, and keeps what it is told."""

    def __init__(self, app: App, view: CastView, *, draws: bool = True) -> None:
        self.app = app
        self.view = view
        self.draws = draws
        self.frames: list[bytes] = []
        self.told: list[dict[str, Any]] = []
        self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        while message := await self.view.read():
            if isinstance(message, bytes):
                self.frames.append(message)
                if self.draws:
                    self.send("seen")
            else:
                self.told.append(msgspec.json.decode(message))

    def send(self, kind: str, **fields: Any) -> None:
        self.view.write(msgspec.json.encode({"kind": kind, **fields}))

    def last(self, kind: str) -> dict[str, Any] | None:
        return next((each for each in reversed(self.told) if each["kind"] == kind), None)

    async def until(self, true: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := true()):
            assert asyncio.get_running_loop().time() < deadline, (self.told[-5:], len(self.frames))
            await asyncio.sleep(0.02)
        return found

    async def at(self, title: str) -> dict[str, Any]:
        """Wait until the tab in front has this title."""

        def front() -> dict[str, Any] | None:
            tabs: list[dict[str, Any]] = (self.last("state") or {}).get("tabs", [])
            return next((tab for tab in tabs if tab["front"] and tab["title"] == title), None)

        found: dict[str, Any] = await self.until(front)
        return found

    def heard(self, words: str, after: int) -> bool:
        """Whether a trouble with these words was told since so many messages."""
        return any(words in each.get("words", "") for each in self.told[after:])

    def colour(self, x: int, y: int) -> tuple[int, ...]:
        with Image.open(io.BytesIO(self.frames[-1])) as picture:
            found: Any = picture.convert("RGB").getpixel((x, y))
        return tuple(found)

    def click(self, x: float, y: float, held: int = 0) -> None:
        self.send("mouse", event="move", x=x, y=y)
        self.send("mouse", event="down", x=x, y=y, button="left", held=held)
        self.send("mouse", event="up", x=x, y=y, button="left", held=held)

    def press(self, key: str, code: str = "", number: int = 0, text: str = "", held: int = 0) -> None:
        for down in (True, False):
            self.send("key", down=down, key=key, code=code, number=number, text=text if down else "", held=held)

    def type(self, text: str) -> None:
        for each in text:
            self.press(each, f"Key{each.upper()}", ord(each.upper()) if each.isascii() else 0, each)

    def leave(self) -> None:
        self.view.close()


Sit = Callable[..., Awaitable[Seat]]


@pytest.fixture
async def sit(app: App) -> AsyncIterator[Sit]:
    seats: list[Seat] = []

    async def sit(pid: int, who: Principal = ANA, *, draws: bool = True, view_only: bool = False) -> Seat:
        view = await app.screencasts.view(who, pid, view_only=view_only)
        seats.append(Seat(app, view, draws=draws))
        return seats[-1]

    yield sit
    for seat in seats:
        seat.leave()


async def stopped(app: App, pid: int) -> None:
    while (await app.processes.get(ANA, pid)).state is not State.STOPPED:
        await asyncio.sleep(0.02)


async def taken(app: App, sit: Sit, script: Script, url: str) -> tuple[int, Seat]:
    """An agent that has opened this page, in the hands of a person who looks at it."""
    pid = await spawn(app, script(("browser_open", {"url": url}), WAIT))
    seat = await sit(pid)
    await seat.until(lambda: (seat.last("state") or {}).get("tabs") and seat.frames)
    await app.takeovers.take(ANA, pid)
    await stopped(app, pid)
    return pid, seat


async def test_people_see_what_the_agent_opens_and_where_it_is(app: App, sit: Sit, script: Script, site: Site) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/desk"}), WAIT))
    seat = await sit(pid)
    tab = await seat.at("Desk")
    assert tab["url"] == f"{site.origin}/desk"
    await seat.until(lambda: seat.frames and seat.colour(20, 20) == pytest.approx((0, 128, 0), abs=12))
    with Image.open(io.BytesIO(seat.frames[-1])) as picture:
        assert picture.size == (1280, 800)
    status = await app.screencasts.status(ANA, pid)
    assert status.open
    assert [(viewer.name, viewer.controls) for viewer in status.viewers] == [("ana", False)]


async def test_nothing_a_viewer_without_control_sends_gets_through(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/desk"}), WAIT))
    seat = await sit(pid)
    await seat.at("Desk")
    seat.click(20, 20)
    seat.send("open", url=f"{site.origin}/form")
    await app.takeovers.take(ANA, pid)
    only = await sit(pid, view_only=True)
    only.click(20, 20)
    seat.click(30.0, 40.0)
    # The page says where it was pressed: once, by the one who may.
    assert await seat.at("pressed 1 at 30,40")
    with pytest.raises(ValueError, match="no message"):
        seat.view.write(b'{"kind": "mouse", "event": "down", "x": "far", "y": 1}')


async def test_a_second_person_neither_looks_nor_takes_over(app: App, script: Script, site: Site) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/desk"}), WAIT))
    for refused in (app.screencasts.view(BOB, pid), app.screencasts.status(BOB, pid), app.takeovers.take(BOB, pid)):
        with pytest.raises((ProcessNotFound, Forbidden)):
            await refused


async def test_the_browser_of_an_agent_that_works_on_another_server_is_refused_here(
    app: App, script: Script, site: Site
) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/desk"}), WAIT))
    while (await app.processes.get(ANA, pid)).step < 2:
        await asyncio.sleep(0.02)
    async with open_app(app.settings) as other:
        with pytest.raises(Conflict, match="another server"):
            await other.screencasts.view(ANA, pid)


async def test_an_agent_that_does_not_browse_has_nothing_to_look_at(app: App, script: Script) -> None:
    for fields in ({"tools": ("run_command",)}, {"sandbox": SandboxSpec(network="none")}):
        pid = await spawn(app, script(), **fields)
        assert not (await app.processes.get(ANA, pid)).browser
        await app.processes.wait(ANA, pid, timeout_s=30)
        with pytest.raises(NotFound):
            await app.screencasts.view(ANA, pid)


async def test_keys_of_any_layout_arrive_and_the_agent_is_told_of_the_turn(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid, seat = await taken(app, sit, script, f"{site.origin}/desk")
    seat.click(110, 210)
    seat.type("grün")
    seat.press("€", "KeyE", 69, "€")
    seat.press("a", "KeyA", 65, held=2)
    seat.send("copy")
    assert await seat.until(lambda: (seat.last("copied") or {}).get("text") == "grün€")
    seat.press("End", "End", 35)
    seat.send("insert", text=" — pasted")
    seat.press("Enter", "Enter", 13, "\r")
    await seat.at("said grün€ — pasted")
    await app.takeovers.give_back(ANA, pid, "I typed it.")
    records = await app.processes.records(ANA, pid, limit=1000)
    returned = next(record.event for record in records if isinstance(record.event, ControlReturned))
    assert returned.note == "I typed it."
    assert {act.stage for act in returned.turn.did} == {"browser"}
    assert sum(act.count for act in returned.turn.did if act.kind == "type") == 5 + len(" — pasted")
    assert "pasted" not in str(returned.turn.did)
    (scene,) = returned.turn.scenes
    assert (scene.stage, scene.open) == ("browser", ("said grün€ — pasted",))
    assert scene.before is not None
    assert scene.after is not None
    assert (await app.processes.get(ANA, pid)).control == ""


async def test_an_agent_asks_for_help_in_its_browser_and_waits_for_it(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    model = script(("browser_open", {"url": f"{site.origin}/desk"}), ("ask_for_help", {"question": "Sign in, please."}))
    pid = await spawn(app, model, tools=(*TOOLS, "ask_for_help"))
    seat = await sit(pid)
    while (await app.processes.get(ANA, pid)).state is not State.WAITING:
        await asyncio.sleep(0.02)
    await app.takeovers.take(ANA, pid)
    seat.click(30, 40)
    await seat.at("pressed 1 at 30,40")
    await app.takeovers.give_back(ANA, pid, "")
    done = await app.processes.wait(ANA, pid, timeout_s=30)
    assert done.exit is not None
    assert done.exit.code == 0
    with pytest.raises(BadRequest, match="needs a desktop, or tools to browse"):
        await spawn(app, model, tools=("ask_for_help", "run_command"))


async def test_lists_and_questions_are_the_persons_while_they_have_control(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid, seat = await taken(app, sit, script, f"{site.origin}/desk")
    seat.click(110, 310)
    choice = await seat.until(lambda: seat.last("choice"))
    assert [(each["label"], each.get("group", "")) for each in choice["options"]] == [
        ("red", ""),
        ("green", ""),
        ("blue", "cold"),
    ]
    assert (choice["chosen"], choice["x"], choice["y"]) == (0, 100.0, 300.0)
    seat.send("choose", index=2)
    await seat.at("chose blue")
    seat.click(110, 410)
    asked = await seat.until(lambda: seat.last("dialog"))
    assert (asked["type"], asked["message"], asked["given"]) == ("prompt", "Your name?", "nobody")
    seat.send("answer", accept=True, text="ana")
    await seat.at("named ana")
    assert seat.last("dialog_gone")
    # A question that is open when control goes back is answered no.
    seat.click(110, 410)
    await seat.until(lambda: len([each for each in seat.told if each["kind"] == "dialog"]) == 2)
    await app.takeovers.give_back(ANA, pid, "")
    await seat.at("named null")


async def test_questions_of_two_tabs_are_put_one_after_the_other(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    _, seat = await taken(app, sit, script, f"{site.origin}/desk")
    for _ in range(2):
        seat.send("open", url=f"{site.origin}/asks", new_tab=True)
    for number in (1, 2):
        await seat.until(lambda n=number: len([each for each in seat.told if each["kind"] == "dialog"]) == n)  # type: ignore[misc]
        seat.send("answer", accept=True)

    def both() -> bool:
        return [tab["title"] for tab in (seat.last("state") or {})["tabs"]].count("answered true") == 2

    await seat.until(both)


async def test_tabs_addresses_and_history(app: App, sit: Sit, script: Script, site: Site) -> None:
    _, seat = await taken(app, sit, script, f"{site.origin}/desk")
    first = (await seat.at("Desk"))["number"]
    seat.send("open", url=f"{site.other}/second", new_tab=True)
    await seat.at("Second")
    await seat.until(lambda: seat.colour(20, 20) == pytest.approx((0, 0, 255), abs=12))
    seat.send("tab", number=first)
    await seat.at("Desk")
    await seat.until(lambda: seat.colour(20, 20) == pytest.approx((0, 128, 0), abs=12))
    seat.send("open", url=f"{site.origin}/second")
    await seat.at("Second")
    seat.send("go", where="back")
    await seat.at("Desk")
    seat.send("close", number=first)
    await seat.at("Second")
    await seat.until(lambda: len((seat.last("state") or {})["tabs"]) == 1)


async def test_the_gate_holds_for_people_too_and_says_why(app: App, sit: Sit, script: Script, site: Site) -> None:
    _, seat = await taken(app, sit, script, f"{site.origin}/desk")
    for url, words in (
        ("http://127.0.0.1:12345/", "loopback"),
        ("file:///etc/passwd", "only http and https"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
    ):
        before = len(seat.told)
        seat.send("open", url=url)
        await seat.until(partial(seat.heard, words, before))


async def test_a_person_can_open_the_browser_before_the_agent_does(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    busy = script(("run_command", {"command": "sleep 60"}))
    pid = await spawn(app, busy, tools=("browser_open", "run_command"))
    seat = await sit(pid)
    await app.takeovers.take(ANA, pid)
    await seat.until(lambda: seat.told)
    assert not (seat.last("state") or {})["open"]
    seat.send("open", url=f"{site.origin}/desk")
    await seat.at("Desk")


async def test_frames_wait_for_who_draws_and_nobody_waits_for_the_slowest(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/moving"}), WAIT))
    slow = await sit(pid, draws=False)
    await slow.at("Moving")
    await slow.until(lambda: slow.frames)
    await asyncio.sleep(0.5)
    assert len(slow.frames) == 1
    quick = await sit(pid)
    await quick.until(lambda: len(quick.frames) > 20)
    assert len(slow.frames) == 1
    slow.send("seen")
    await slow.until(lambda: len(slow.frames) == 2)


async def test_a_page_that_stands_still_sends_nothing(app: App, sit: Sit, script: Script, site: Site) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/second"}), WAIT))
    seat = await sit(pid)
    await seat.at("Second")
    await asyncio.sleep(1.0)
    seen = len(seat.frames), len(seat.told)
    await asyncio.sleep(2.0)
    assert (len(seat.frames), len(seat.told)) == seen


async def test_a_browser_that_rests_says_so_and_wakes_with_an_address(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid, seat = await taken(app, sit, script, f"{site.origin}/desk")
    browser = app.screencasts._browsers.opened(pid)  # type: ignore[attr-defined]
    # Nobody's browser goes to rest while somebody looks.
    assert browser.idle_s == 0
    await browser.rest()
    await seat.until(lambda: not (seat.last("state") or {})["open"])
    other = await sit(pid)
    await other.until(lambda: other.told)
    seat.send("open", url=f"{site.origin}/second")
    await seat.at("Second")
    await other.at("Second")
    await other.until(lambda: other.frames)


async def test_control_lasts_while_somebody_looks_and_ends_when_they_are_gone(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    pid, seat = await taken(app, sit, script, f"{site.origin}/desk")
    await asyncio.sleep(5.0)
    assert (await app.processes.get(ANA, pid)).control == "ana"
    seat.leave()

    async def free() -> bool:
        return not (await app.processes.get(ANA, pid)).control

    for _ in range(300):
        if await free():
            break
        await asyncio.sleep(0.05)
    assert await free()


async def test_an_end_sends_those_who_look_away(app: App, sit: Sit, script: Script, site: Site) -> None:
    pid = await spawn(app, script(("browser_open", {"url": f"{site.origin}/desk"})))
    seat = await sit(pid)
    await app.processes.wait(ANA, pid, timeout_s=45)
    await asyncio.wait_for(asyncio.shield(seat._task), 10)


async def test_a_person_s_keys_paste_what_this_agent_s_browser_copied_and_nobody_else_s(
    app: App, sit: Sit, script: Script, site: Site
) -> None:
    _, seat = await taken(app, sit, script, f"{site.origin}/desk")
    # What lies in the clipboard that Chromium has for everybody.
    kind: Any = app.screencasts._browsers._kinds[0]
    context = await kind._browser.new_context()
    page = await context.new_page()
    await page.set_content("<textarea>of somebody else</textarea>")
    await page.locator("textarea").press("Control+a")
    await page.locator("textarea").press("Control+c")
    seat.click(110, 210)
    for key, code, number, held in (
        ("v", "KeyV", 86, 2),
        ("V", "KeyV", 86, 2 | 8),
        ("м", "", 86, 2),
        ("v", "", 0, 2),
        ("Insert", "Insert", 45, 8),
        ("", "", 45, 8),
        ("Paste", "", 0, 0),
    ):
        seat.press(key, code, number, held=held)
    seat.click(110, 210, held=0)
    for event in ("down", "up"):
        seat.send("mouse", event=event, x=110, y=210, button="middle")
    seat.type("ab")
    seat.press("a", "KeyA", 65, held=2)
    seat.press("c", "KeyC", 67, held=2)
    seat.press("End", "End", 35)
    seat.press("v", "KeyV", 86, held=2)
    seat.press("Enter", "Enter", 13, "\r")
    await seat.at("said abab")
    await context.close()
