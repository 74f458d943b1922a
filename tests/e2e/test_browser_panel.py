"""The browser of an agent in JupyterLab: watched, taken over and worked in, and handed back. Chromium is real."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .axe import violations
from .lab import Lab, open_lab, press, run, wait_for

pytestmark = pytest.mark.e2e

TABS = 12
SCRIPTS = '''
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.scripted import register


def visitor(given, transcript):
    """Opens the first page, clicks on a point of it, and then waits for what never comes."""
    if given == 0:
        return (Text("I open the desk."), ToolCall("", "browser_open", {"url": "SITE/desk.html"}))
    if given == 1:
        return (Text("The corner is free."), ToolCall("", "browser_click", {"target": "1200,700"}))
    return (Text("I wait."), ToolCall("", "browser_wait", {"text": "never there", "seconds": 60}))


def sitter(given, transcript):
    """Never opens anything."""
    return (Text("Nothing yet."), ToolCall("", "run_command", {"command": "sleep 60"}))


def collector(given, transcript):
    """Opens one tab after the other, and leaves them."""
    if given < TABS:
        return (Text("One more."), ToolCall("", "browser_open", {"url": "SITE/second.html", "new_tab": True}))
    return (Text("I wait."), ToolCall("", "browser_wait", {"text": "never there", "seconds": 60}))


register("visitor", visitor)
register("collector", collector)
register("sitter", sitter)
'''

PAGES = {
    "desk": """<!doctype html><title>Desk</title>
<style>
  body { margin: 0; height: 3000px; font: 16px sans-serif; }
  body > * { position: absolute; left: 100px; width: 200px; height: 30px; box-sizing: border-box; }
</style>
<button id="here" style="top: 100px">Here</button>
<input id="words" style="top: 200px">
<select id="list" style="top: 300px">
  <option>red<option disabled>grey<optgroup label="cold"><option>green<option>blue</optgroup>
</select>
<button id="ask" style="top: 400px">Ask</button>
<div id="slide" style="top: 500px; background: silver">Drag me</div>
<p style="top: 600px">Nothing here yet</p>
<script>
  const say = words => { document.title = words; };
  here.addEventListener('click', ({ clientX, clientY, detail }) => say(`here ${clientX},${clientY} x${detail}`));
  here.addEventListener('contextmenu', event => { event.preventDefault(); say('menu'); });
  words.addEventListener('input', () => say(`words ${words.value}`));
  words.addEventListener('keydown', ({ key }) => { if (key === 'Enter') say(`sent ${words.value}`); });
  list.addEventListener('change', () => say(`list ${list.value}`));
  ask.addEventListener('click', () => say(`asked ${confirm('Delete <b>everything</b>?')}`));
  slide.addEventListener('pointerdown', event => {
    slide.setPointerCapture(event.pointerId);
    const slid = end => [end.clientX - event.clientX, end.clientY - event.clientY].map(Math.round);
    slide.addEventListener('pointerup', end => say(`slid ${slid(end)}`), { once: true });
  });
  addEventListener('scroll', () => say(`scrolled ${Math.round(scrollY)}`));
</script>""",
    "moving": """<!doctype html><title>Moving</title>
<style>
  div { width: 200px; height: 200px; background: green; animation: go 1s linear infinite alternate; }
  @keyframes go { to { transform: translateX(800px); } }
</style><div></div>""",
    "second": "<!doctype html><title>Second <i>page</i></title><p>There is nothing else here.",
}


class Pages(http.server.BaseHTTPRequestHandler):
    """A small web site."""

    def do_GET(self) -> None:
        """One of the pages."""
        page = PAGES.get(self.path.strip("/").removesuffix(".html"))
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """Where the pages are, without the scheme."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lab(tmp_path: Path, site: str) -> Iterator[Lab]:
    (tmp_path / "scripts.py").write_text(SCRIPTS.replace("SITE", f"http://{site}").replace("TABS", str(TABS)))
    config = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import scripts\nc.Aether.private_hosts = [{site!r}]"
    started = Lab(tmp_path, config=config)
    started.start()
    try:
        yield started
    finally:
        started.kill_agents()
        started.stop()
    assert not started.page_errors


def _agent(lab: Lab, script: str = "visitor", steps: int = 3) -> int:
    tools = ["browser_open", "browser_click", "browser_wait", "run_command"]
    pid = lab.spawn(
        goal="Look around",
        name="visitor",
        model=f"scripted:{script}",
        mode="autonomous",
        tools=tools,
        sandbox={"network": "host"},
    )
    if script != "sitter":
        wait_for(lambda: lab.process(pid)["step"] >= steps, 60, lambda: str(lab.process(pid)))
    return pid


class Panel:
    """The panel as a person works in it; places are pixels of the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.node = page.locator(".jp-AetherBrowser")
        self.canvas = self.node.locator("canvas")
        self.tabs = self.node.get_by_role("tab")
        self.address = self.node.get_by_role("textbox", name="Address")
        self.sockets: list[Any] = []
        page.on("websocket", lambda socket: self.sockets.append(socket) if "/aether/browsers/" in socket.url else None)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where in the window this pixel of the page is drawn: its middle."""
        box = self.canvas.bounding_box()
        scale = box["width"] / 1280
        return box["x"] + (x + 0.5) * scale, box["y"] + (y + 0.5) * scale

    def connections(self) -> list[str]:
        """What became of the connections so far."""
        # What happened meanwhile is heard while something is asked.
        self.page.evaluate("() => null")
        return ["closed" if socket.is_closed() else "open" for socket in self.sockets]

    def click(self, x: float, y: float, **options: Any) -> None:
        self.page.mouse.click(*self.place(x, y), **options)

    def titled(self, words: str) -> None:
        """Wait until the tab in front has this title, which the page sets."""
        wait_for(lambda: words in self.title(), 20, lambda: f"{words!r}: {self.title()!r}")

    def title(self) -> str:
        """Of the tab in front."""
        return str(self.node.locator('[role="tab"][aria-selected="true"]').get_attribute("title") or "")

    def at(self, words: str) -> None:
        """Wait until the address is this one."""
        wait_for(lambda: words in self.address.input_value(), 20, lambda: str(self.address.input_value()))

    def pixels(self) -> int:
        """Something that differs when the picture does."""
        return int(
            self.canvas.evaluate(
                """node => {
                  if (node.hidden || !node.width) return 0;
                  const { data } = node.getContext('2d').getImageData(0, 0, node.width, node.height);
                  return new Uint32Array(data.buffer).reduce((sum, each, at) => (sum + each * (at % 997)) | 0, 1);
                }"""
            )
        )

    def shown(self) -> None:
        """Wait for a picture."""
        self.canvas.wait_for(timeout=60_000)
        wait_for(self.pixels, 30)

    def take(self) -> None:
        self.node.get_by_role("button", name="Take over").click()
        self.node.get_by_text("You have control").wait_for()


def _open(chrome: Any, lab: Lab, pid: int, **options: Any) -> Panel:
    page = open_lab(chrome, lab, **options)
    panel = Panel(page)
    run(page, "aether:open-browser", pid=pid)
    panel.node.wait_for()
    return panel


def test_a_person_takes_over_works_in_the_page_and_hands_back(chrome: Any, lab: Lab) -> None:
    pid = _agent(lab)
    context = chrome.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    panel = _open(chrome, lab, pid, context=context)
    page = panel.page
    panel.shown()
    panel.titled("Desk")
    panel.node.get_by_text("Agent has control").wait_for()
    # Where the agent clicked, and what it did.
    panel.node.locator(".cur.agent").wait_for()
    panel.node.locator(".side").get_by_text("1200,700").wait_for()
    assert not violations(page, ".jp-AetherBrowser")

    # A viewer's keys and clicks go nowhere, and nobody is left in doubt about it.
    panel.click(200, 115)
    page.keyboard.type("not mine")
    assert panel.address.get_attribute("title") == "Take over first"
    assert panel.node.get_by_role("button", name="Reload").get_attribute("aria-disabled") == "true"
    assert "Desk" in panel.title()

    panel.take()
    # In the middle of a call, which would have waited for a minute.
    wait_for(lambda: lab.process(pid)["state"] == "STOPPED", 5)
    stopped_at = lab.process(pid)["step"]
    assert "Desk" in panel.title()

    for x, y in ((101, 101), (200, 117), (299, 128)):
        panel.click(x, y)
        panel.titled(f"here {x},{y} x1")
    panel.click(150, 110, click_count=2)
    panel.titled("here 150,110 x2")
    panel.click(150, 110, button="right")
    panel.titled("menu")
    assert page.locator(".lm-Menu").count() == 0

    page.mouse.move(*panel.place(200, 515))
    page.mouse.down()
    page.mouse.move(*panel.place(260, 540), steps=5)
    page.mouse.move(*panel.place(240, 530))
    page.mouse.up()
    panel.titled("slid 40,15")

    panel.click(200, 215)
    page.keyboard.type("by hand ")
    press(page, "ä", "Quote")
    press(page, "€", "KeyE", "AltGraph")
    panel.titled("words by hand ä€")
    # What an input method put together comes as it is.
    context.new_cdp_session(page).send("Input.insertText", {"text": "漢字"})
    panel.titled("words by hand ä€漢字")
    page.keyboard.press("Backspace")
    panel.titled("words by hand ä€漢")
    page.keyboard.press("Enter")
    panel.titled("sent by hand ä€漢")

    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    wait_for(lambda: page.evaluate("() => navigator.clipboard.readText()") == "by hand ä€漢", 10)
    page.evaluate("() => navigator.clipboard.writeText('pasted: grün')")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")
    panel.titled("words pasted: grün")

    panel.click(200, 315)
    choices = panel.node.get_by_role("listbox")
    choices.wait_for()
    box, (x, y) = choices.bounding_box(), panel.place(100, 330)
    assert abs(box["x"] - x) < 3
    assert abs(box["y"] - y) < 3
    assert not violations(page, ".jp-AetherBrowser")
    # Past the one that cannot be chosen.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel.titled("list green")
    panel.click(200, 315)
    choices.get_by_role("option", name="blue").click()
    panel.titled("list blue")

    panel.click(200, 415)
    dialog = panel.node.get_by_role("dialog")
    # Words of the page are words, whatever they look like.
    dialog.get_by_text("Delete <b>everything</b>?").wait_for()
    assert not violations(page, ".jp-AetherBrowser")
    dialog.get_by_role("button", name="OK").click()
    panel.titled("asked true")
    panel.click(200, 415)
    dialog.wait_for()
    page.keyboard.press("Escape")
    panel.titled("asked false")

    page.mouse.move(*panel.place(800, 400))
    page.mouse.wheel(0, 240)
    panel.titled("scrolled 240")

    side = panel.node.locator(".side")
    side.get_by_text("you typed").first.wait_for()
    assert "by hand" not in side.inner_text()
    # The one key that comes back from the page.
    panel.click(800, 400)
    assert page.evaluate("() => document.activeElement.className") == "keys"
    page.keyboard.press("Control+Alt+Escape")
    assert page.evaluate("() => document.activeElement.className") != "keys"

    panel.node.get_by_label("Note for the agent").fill("I signed in. Go on.")
    panel.node.get_by_role("button", name="Hand back").click()
    panel.node.get_by_text("Agent has control").wait_for()
    wait_for(lambda: lab.process(pid)["step"] > stopped_at, 30)
    records = lab.get(f"aether/api/v1/processes/{pid}/records?limit=1000")["records"]
    returned = next(each["event"] for each in records if each["event"]["type"] == "control.returned")
    assert (returned["why"], returned["note"]) == ("returned", "I signed in. Go on.")
    (scene,) = returned["turn"]["scenes"]
    assert scene["stage"] == "browser"
    assert scene["before"]
    assert scene["after"]
    assert scene["open"] == ["scrolled 240"]
    assert {act["stage"] for act in returned["turn"]["did"]} == {"browser"}
    assert "by hand" not in str(returned)
    assert not violations(page, ".jp-AetherBrowser")


def test_addresses_and_tabs_are_those_of_the_person_in_control(chrome: Any, lab: Lab, site: str) -> None:
    pid = _agent(lab)
    panel = _open(chrome, lab, pid)
    page = panel.page
    panel.shown()
    panel.at(f"http://{site}/desk.html")
    panel.take()

    panel.address.fill("two words")
    panel.address.press("Enter")
    panel.node.get_by_text("That is no address").wait_for()
    panel.address.fill(f"{site}/second")
    panel.address.press("Enter")
    panel.titled("Second <i>page</i>")
    panel.at(f"http://{site}/second")
    panel.node.get_by_role("button", name="Back", exact=True).click()
    panel.titled("Desk")
    panel.node.get_by_role("button", name="Forward").click()
    panel.titled("Second")

    panel.node.get_by_role("button", name="New tab").click()
    page.keyboard.type(f"{site}/moving")
    page.keyboard.press("Enter")
    panel.titled("Moving")
    assert panel.tabs.count() == 2
    panel.tabs.first.click()
    panel.titled("Second")
    page.keyboard.press("ArrowRight")
    panel.titled("Moving")
    assert not violations(page, ".jp-AetherBrowser")
    page.keyboard.press("Delete")
    wait_for(lambda: panel.tabs.count() == 1, 20)
    panel.titled("Second")

    # What the gate refuses is said, and put away.
    panel.address.fill("http://169.254.169.254/latest")
    panel.address.press("Enter")
    trouble = panel.node.get_by_role("alert")
    trouble.wait_for(timeout=20_000)
    trouble.get_by_role("button", name="Dismiss").click()
    trouble.wait_for(state="detached")


def test_of_many_tabs_the_front_one_is_in_sight_and_none_lies_under_a_button(chrome: Any, lab: Lab) -> None:
    pid = _agent(lab, "collector", TABS + 1)
    panel = _open(chrome, lab, pid, width=390, height=844)
    if panel.page.locator("#jp-left-stack").is_visible():
        run(panel.page, "application:toggle-left-area")
    panel.shown()
    assert panel.tabs.count() == TABS
    front = panel.node.get_by_role("tab", selected=True)
    strip, tab, new = (
        each.bounding_box()
        for each in (panel.node.get_by_role("tablist"), front, panel.node.get_by_role("button", name="New tab"))
    )
    assert front.inner_text().startswith(str(TABS))
    assert tab["width"] >= 100
    assert strip["x"] <= tab["x"]
    assert tab["x"] + tab["width"] <= strip["x"] + strip["width"] + 1
    assert strip["x"] + strip["width"] <= new["x"]
    # The others are a turn of the wheel away.
    first = panel.tabs.first
    before = first.bounding_box()["x"]
    panel.node.get_by_role("tablist").hover()
    panel.page.mouse.wheel(0, -2_000)
    wait_for(lambda: first.bounding_box()["x"] > before and first.bounding_box()["x"] >= strip["x"])


def test_nothing_is_asked_for_while_pictures_come_and_all_see_the_same(chrome: Any, lab: Lab, site: str) -> None:
    pid = _agent(lab)
    panel = _open(chrome, lab, pid)
    panel.shown()
    panel.take()
    panel.address.fill(f"{site}/moving")
    panel.address.press("Enter")
    panel.titled("Moving")

    other = _open(chrome, lab, pid, path="lab/workspaces/other")
    other.shown()
    other.titled("Moving")
    other.node.get_by_text("2 watch").wait_for()
    # Whoever looks at the bar is told who looks on now.
    panel.canvas.hover()
    panel.node.locator(".bar").hover()
    panel.node.get_by_text("2 watch").wait_for()
    panel.canvas.hover()

    asked: list[str] = []
    panel.page.on("request", lambda request: asked.append(request.url))
    begun, seen = time.monotonic(), set()
    while time.monotonic() - begun < 5:
        seen.add((panel.pixels(), other.pixels()))
    assert len({mine for mine, _ in seen}) >= 5
    assert len({theirs for _, theirs in seen}) >= 5
    assert not [url for url in asked if "/processes/" in url], asked

    # Whoever has control stays there; for others the connection goes with the panel, and comes back with it.
    panel.node.get_by_role("button", name="Hand back").click()
    other.node.get_by_text("Agent has control").wait_for()
    assert other.connections() == ["open"]
    run(other.page, "aether:open-mission-control")
    wait_for(lambda: other.connections() == ["closed"], 20)
    run(other.page, "aether:open-browser", pid=pid)
    wait_for(lambda: other.connections() == ["closed", "open"], 20)
    wait_for(lambda: len({other.pixels() for _ in range(3)}) > 1, 20)


def test_a_browser_that_nobody_opened_is_opened_by_its_address_and_the_panel_is_restored(
    chrome: Any, lab: Lab, site: str
) -> None:
    pid = _agent(lab, "sitter")
    context = chrome.new_context(viewport={"width": 1440, "height": 900}, device_scale_factor=2)
    panel = _open(chrome, lab, pid, context=context)
    panel.node.get_by_text("The agent has not opened its browser yet. Take over to open it yourself.").wait_for()
    assert not violations(panel.page, ".jp-AetherBrowser")
    panel.take()
    panel.address.fill(f"{site}/desk.html")
    panel.address.press("Enter")
    panel.shown()
    # On a dense screen, and in full screen, a pixel is the same one.
    panel.click(101, 128)
    panel.titled("here 101,128 x1")
    panel.node.get_by_role("button", name="Full screen").click()
    wait_for(lambda: panel.page.evaluate("() => document.fullscreenElement !== null"), 10)
    panel.click(102, 127)
    panel.titled("here 102,127 x1")
    panel.page.evaluate("() => document.exitFullscreen()")
    wait_for(lambda: panel.page.evaluate("() => document.fullscreenElement === null"), 10)

    panel.page.reload()
    again = Panel(panel.page)
    again.node.wait_for(timeout=60_000)
    again.shown()
    again.titled("here 102,127 x1")
    again.node.get_by_text("You have control").wait_for()
    again.click(103, 126)
    again.titled("here 103,126 x1")
