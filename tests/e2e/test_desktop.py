"""The desktop of an agent in JupyterLab, on a real container: to watch, to take over, and to hand back."""

from __future__ import annotations

import itertools
import re
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .axe import violations
from .lab import Lab, has_desktop, open_lab, press, run, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

SCRIPTS = '''
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.scripted import register

EDITOR = (
    "until wmctrl -m; do sleep 0.2; done >/dev/null 2>&1; touch note.txt; setsid -f mousepad note.txt; "
    "until wmctrl -r Mousepad -b add,maximized_vert,maximized_horz; do sleep 0.2; done; "
)


def clerk(given, transcript):
    """Opens an editor as soon as there is a desktop, then works on; each of its calls takes a while."""
    command = EDITOR + "sleep 2" if given == 0 else f"sleep {1 if given == 1 else 20}; echo {given}"
    return (Text(f"Row {given} is next."), ToolCall("", "run_command", {"command": command}))


register("clerk", clerk)
'''
CANVAS = ".jp-AetherDesktop canvas"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if not has_desktop():
        pytest.skip("not run: no Docker engine with the images of desktops; make images builds them")
    (tmp_path / "scripts.py").write_text(SCRIPTS)
    config = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import scripts\nc.Aether.sandbox = 'docker'"
    started = Lab(tmp_path, config=config)
    started.start()
    try:
        yield started
    finally:
        started.kill_agents()
        started.stop()
    assert not started.page_errors


def _clerk(lab: Lab) -> int:
    desktop = {"kind": "docker", "desktop": "openbox", "memory_mb": 2048}
    return lab.spawn(goal="Reconcile", name="clerk", model="scripted:clerk", mode="autonomous", sandbox=desktop)


def _file(lab: Lab, pid: int, path: str) -> str:
    request = urllib.request.Request(
        f"{lab.url}aether/api/v1/processes/{pid}/files/content?path={path}",
        headers={"Authorization": f"token {lab.token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def _display(lab: Lab, pid: int) -> dict[str, Any]:
    found: dict[str, Any] = lab.get(f"aether/api/v1/processes/{pid}/display")
    return found


def _shows(page: Any) -> bool:
    """Whether the picture holds more than one colour."""
    seen: int = page.evaluate(
        """selector => {
          const canvas = document.querySelector(selector);
          if (!canvas || !canvas.width) return 0;
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }""",
        CANVAS,
    )
    return seen > 20


def _sizes(page: Any) -> list[list[int]]:
    """Width and height of the desktop, and of the place for it in the panel."""
    found: list[list[int]] = page.locator(CANVAS).evaluate(
        """node => {
          const place = node.closest('.screen');
          return [[node.width, node.height], [place.clientWidth, place.clientHeight]];
        }"""
    )
    return found


def _fits(page: Any) -> bool:
    """Whether the desktop is as large as its place."""
    desktop, place = _sizes(page)
    return max(abs(have - want) for have, want in zip(desktop, place, strict=True)) <= 1


def _open(chrome: Any, lab: Lab, pid: int, **options: Any) -> Any:
    page = open_lab(chrome, lab, **options)
    run(page, "aether:open-desktop", pid=pid)
    page.wait_for_selector(CANVAS, timeout=60_000)
    wait_for(lambda: _shows(page), 30)
    return page


def _take(page: Any) -> None:
    """Take over, and wait until the desktop has the size of the panel: it is drawn anew for that."""
    page.get_by_role("button", name="Take over").click()
    page.get_by_text("You have control").wait_for()
    wait_for(lambda: _fits(page), 30, lambda: str(_sizes(page)))


def _containers(lab: Lab) -> list[str]:
    """Every container of the server, also one that has ended."""
    of_this = f"label=aether.home={lab.folder / 'aether'}"
    listed = subprocess.run(["docker", "ps", "-aq", "--filter", of_this], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def _inside(lab: Lab, command: str) -> str:
    """What a command in the container of the only agent prints."""
    argv = ["docker", "exec", *_containers(lab), "sh", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30).stdout


def _editor(page: Any, lab: Lab) -> None:
    """Click into the editor, which fills the desktop, and wait until it has the focus here and there."""
    page.locator(CANVAS).click(position={"x": 300, "y": 300})
    page.wait_for_function("s => document.activeElement === document.querySelector(s)", arg=CANVAS)
    wait_for(lambda: "note.txt" in _inside(lab, "xdotool getactivewindow getwindowname"), 30)


def _saved(page: Any, lab: Lab, pid: int, words: str) -> None:
    """Save until the file holds the words: an editor on a busy machine may be late."""

    def save() -> bool:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(400)
        return words in _text(lab, pid)

    wait_for(save, 60, lambda: _text(lab, pid))


def test_a_person_takes_over_types_and_hands_back(chrome: Any, lab: Lab) -> None:
    pid = _clerk(lab)
    page = _open(chrome, lab, pid)
    page.get_by_text("Agent has control").wait_for()
    wait_for(lambda: lab.process(pid)["step"] >= 3, 60)

    # A key of somebody who only looks on goes nowhere.
    page.locator(CANVAS).click(position={"x": 300, "y": 300})
    page.keyboard.type("not mine")

    assert not violations(page, ".jp-AetherDesktop")
    _take(page)
    # In the middle of a call.
    wait_for(lambda: lab.process(pid)["state"] == "STOPPED", 10)
    process = lab.process(pid)
    assert process["control"] == process["owner"]
    stopped_at = process["step"]

    # The desktop follows the size of the panel.
    before = _sizes(page)[0]
    page.set_viewport_size({"width": 1150, "height": 760})
    wait_for(lambda: _fits(page) and _sizes(page)[0] != before, 30, lambda: str(_sizes(page)))

    _editor(page, lab)
    page.keyboard.type("typed by hand ")
    # Letters of other keyboards come by what they are, not by where their keys lie.
    press(page, "ä", "Quote")
    press(page, "€", "KeyE", "AltGraph")
    press(page, "ß", "Minus")
    _saved(page, lab, pid, "typed by hand ä€ß")
    assert "not mine" not in _text(lab, pid)
    page.locator(".jp-AetherDesktop .side").get_by_text("you typed").first.wait_for()
    assert "typed by hand" not in page.locator(".jp-AetherDesktop .side").inner_text()

    # Lab's own keys are the desktop's as well, until it is left by the one key that comes back.
    page.keyboard.press("Control+Alt+Escape")
    assert not page.evaluate("s => document.activeElement === document.querySelector(s)", CANVAS)

    page.get_by_label("Note for the agent").fill("I signed in. Go on.")
    page.get_by_role("button", name="Hand back").click()
    page.get_by_text("Agent has control").wait_for()
    wait_for(lambda: lab.process(pid)["step"] > stopped_at, 30)
    records = lab.get(f"aether/api/v1/processes/{pid}/records?limit=1000")["records"]
    returned = next(r["event"] for r in records if r["event"]["type"] == "control.returned")
    assert (returned["why"], returned["note"]) == ("returned", "I signed in. Go on.")
    assert "typed by hand" not in str(returned)
    assert not violations(page, ".jp-AetherDesktop")
    # What the agent finds is as large as it was.
    wait_for(lambda: _sizes(page)[0] == [1280, 800], 30, lambda: str(_sizes(page)))


def _qualities(sent: list[bytes]) -> list[int]:
    """The picture qualities, 0 to 9, that the page asked the desktop for, in their order."""
    found = []
    for message in sent:
        if message[:1] == b"\x02":
            (count,) = struct.unpack_from(">H", message, 2)
            asked = struct.unpack_from(f">{count}i", message, 4)
            found += [32 + each for each in asked if -32 <= each <= -23]
    return found


def _choose(page: Any, quality: str) -> None:
    page.get_by_role("button", name="Quality").click()
    page.get_by_role("menuitem", name=re.compile(f"^{quality}")).click()


def test_full_screen_view_only_and_quality_do_what_they_say(chrome: Any, lab: Lab) -> None:
    pid = _clerk(lab)
    page = open_lab(chrome, lab)
    sent: list[bytes] = []

    def heard(socket: Any) -> None:
        if "/aether/displays/" in socket.url:
            socket.on("framesent", lambda data: sent.append(data if isinstance(data, bytes) else data.encode()))

    page.on("websocket", heard)
    run(page, "aether:open-desktop", pid=pid)
    page.wait_for_selector(CANVAS, timeout=60_000)
    wait_for(lambda: _shows(page), 30)
    wait_for(lambda: lab.process(pid)["step"] >= 3, 60)

    for name, level in (("Low", 1), ("Best", 9)):
        _choose(page, name)

        def asked(level: int = level) -> bool:
            # Playwright hears of messages only while it is asked for something itself.
            page.wait_for_timeout(100)
            return _qualities(sent)[-1:] == [level]

        wait_for(asked, 20, lambda: str(_qualities(sent)))
    wait_for(lambda: _shows(page), 30)

    _take(page)
    _editor(page, lab)
    only = page.get_by_role("switch", name="View only")
    only.click()
    page.locator(CANVAS).click(position={"x": 300, "y": 300})
    page.keyboard.type("unwanted")
    only.click()
    _editor(page, lab)
    page.keyboard.type("wanted")
    _saved(page, lab, pid, "wanted")
    assert _text(lab, pid).strip() == "wanted"
    page.keyboard.press("Control+Alt+Escape")

    small = _sizes(page)[0]
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("s => document.fullscreenElement?.contains(document.querySelector(s))", arg=CANVAS)
    wait_for(lambda: _fits(page) and _sizes(page)[0] > small, 30, lambda: str(_sizes(page)))
    page.get_by_role("button", name="Leave full screen").click()
    page.wait_for_function("() => document.fullscreenElement === null")
    wait_for(lambda: _fits(page) and _sizes(page)[0] == small, 30, lambda: str(_sizes(page)))


def _text(lab: Lab, pid: int) -> str:
    try:
        return _file(lab, pid, "note.txt")
    except urllib.error.HTTPError:
        return ""


def test_the_clipboard_goes_both_ways(chrome: Any, lab: Lab) -> None:
    pid = _clerk(lab)
    context = chrome.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = _open(chrome, lab, pid, context=context)
    wait_for(lambda: lab.process(pid)["step"] >= 3, 60)
    page.evaluate("() => navigator.clipboard.writeText('older')")
    _take(page)

    page.get_by_role("button", name="Clipboard").click()
    box = page.get_by_role("textbox", name="The clipboard of the desktop")
    box.fill("from here: grün €")
    page.get_by_role("button", name="Put it there").click()
    # What is put there on purpose is not replaced by what this page's clipboard holds all the while.
    _editor(page, lab)
    page.keyboard.press("Control+v")
    _saved(page, lab, pid, "from here: grün €")

    page.keyboard.type(" and from there")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    wanted = "from here: grün € and from there"
    wait_for(lambda: page.evaluate("() => navigator.clipboard.readText()").strip() == wanted, 30)
    page.keyboard.press("Control+Alt+Escape")
    page.get_by_role("button", name="Clipboard").click()
    wait_for(lambda: box.input_value().strip() == wanted, 30, lambda: box.input_value())
    page.keyboard.press("Escape")

    # What is copied elsewhere is there by itself once the desktop has the focus again, however soon it is pasted and
    # however long the browser takes to say what was copied.
    page.evaluate(
        """async () => {
          await navigator.clipboard.writeText('copied elsewhere');
          const read = navigator.clipboard.readText.bind(navigator.clipboard);
          navigator.clipboard.readText = async () => {
            await new Promise(done => setTimeout(done, 700));
            return read();
          };
        }"""
    )
    page.locator(CANVAS).click(position={"x": 300, "y": 300})
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")
    _saved(page, lab, pid, "copied elsewhere")
    assert _text(lab, pid).strip() == "copied elsewhere"


def _until_asked(page: Any, asked: list[float], times: int) -> None:
    """Wait until the page has asked for a picture so many times."""

    def often() -> bool:
        # Playwright hears of requests only while it is asked for something itself.
        page.wait_for_timeout(100)
        return len(asked) >= times

    wait_for(often, 60, lambda: str(asked))


def test_small_pictures_are_asked_for_once_and_a_lost_desktop_comes_back(chrome: Any, lab: Lab) -> None:
    pid = _clerk(lab)
    page = open_lab(chrome, lab)
    asked: list[float] = []
    page.on("request", lambda request: asked.append(time.monotonic()) if "/display/picture" in request.url else None)
    run(page, "aether:open-mission-control")
    # Looking never starts a desktop.
    page.locator(".ae-thumb.card").wait_for(state="attached")
    _until_asked(page, asked, 2)
    assert not _display(lab, pid)["running"]
    assert page.locator(".ae-thumb.card img").count() == 0

    # The VNC client is a script of its own, which nobody loads who opens no desktop.
    scripts = """() => performance.getEntriesByType('resource')
      .filter(({ name }) => name.includes('/aether-jupyter/static/')).length"""
    before = page.evaluate(scripts)
    run(page, "aether:open-desktop", pid=pid)
    wait_for(lambda: _shows(page), 60)
    assert page.evaluate(scripts) == before + 1
    page.get_by_text("Agent has control").wait_for()
    run(page, "aether:open-agent", pid=pid)
    page.get_by_role("tab", name="Desktop", exact=True).click()
    page.locator(".ae-thumb.wide img").wait_for(timeout=20_000)
    # Beside it, so that both are seen at once.
    page.evaluate(
        """() => {
          const { shell } = window.jupyterapp;
          const all = [...shell.widgets('main')];
          const of = name => all.find(widget => widget.node.matches(name) || widget.node.querySelector(name));
          const [control, agent] = [of('.jp-AetherMissionControl'), of('.jp-AetherAgent')];
          shell.add(control, 'main', { ref: agent.id, mode: 'split-bottom' });
        }"""
    )
    page.locator(".ae-thumb.card img").wait_for(timeout=20_000)
    asked.clear()
    _until_asked(page, asked, 4)
    gaps = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert min(gaps) > 1.8, gaps

    page.locator(".ae-thumb.card").click()
    page.locator(".jp-AetherDesktop").get_by_text("Agent has control").wait_for()
    wait_for(lambda: _shows(page), 30)
    (before_it,) = _containers(lab)
    lab.kill()
    page.get_by_text(re.compile("connection is lost; this was at")).wait_for(timeout=30_000)
    page.locator(".jp-AetherDesktop img.last").wait_for()
    # A server that was killed leaves no container behind: the next one makes its own.
    wait_for(lambda: not _containers(lab), 60, lambda: str(_containers(lab)))
    lab.start()
    page.locator(".jp-AetherDesktop img.last").wait_for(state="detached", timeout=60_000)
    wait_for(lambda: _shows(page), 30)
    (after_it,) = _containers(lab)
    assert after_it != before_it
