"""Lab's own terminal in the sandbox of an agent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .lab import Lab, open_lab, run, wait_for

pytestmark = pytest.mark.e2e


def _said(page: Any) -> str:
    """What stands on the terminal's screen."""
    # Lab paints it on a canvas; its text is in the widget only.
    words: str = page.evaluate(
        """() => {
          const widgets = [...window.jupyterapp.shell.widgets('main')];
          const term = widgets.find(widget => widget.content?._term)?.content._term;
          if (!term) return '';
          const lines = term.buffer.active;
          const said = Array.from({ length: lines.length }, (_, y) => lines.getLine(y).translateToString(true));
          return said.filter(line => line).join(' | ');
        }"""
    )
    return words


def _size(page: Any) -> tuple[int, int]:
    """Rows and columns as the shell knows them."""
    page.keyboard.type("clear\n")
    wait_for(lambda: "size" not in _said(page), 10, lambda: _said(page))
    page.keyboard.type("stty size\n")
    wait_for(lambda: re.search(r"\d+ \d+ \|", _said(page)), 10, lambda: _said(page))
    found = re.search(r"(\d+) (\d+) \|", _said(page))
    assert found
    return int(found[1]), int(found[2])


def test_a_person_opens_a_terminal_in_an_agents_sandbox(chrome: Any, lab: Lab) -> None:
    pid = lab.spawn(goal="ask", name="asker", model="scripted:ask", sandbox={"kind": "bubblewrap"})
    wait_for(lambda: lab.process(pid)["state"] == "WAITING")
    page = open_lab(chrome, lab)
    run(page, "aether:open-agent", pid=pid)
    page.locator(".jp-AetherAgent").get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Open terminal").click()
    page.wait_for_selector(".jp-Terminal .xterm-helper-textarea", state="attached")
    wait_for(lambda: "agent@sandbox" in _said(page), 20, lambda: _said(page))
    page.locator(".jp-Terminal .xterm-screen").click()
    page.keyboard.type("echo typed by hand > note.txt\n")
    wait_for(lambda: (lab.folder / "aether" / "homes" / str(pid) / "note.txt").exists(), 10, lambda: _said(page))

    rows, columns = _size(page)
    page.set_viewport_size({"width": 1000, "height": 600})
    wait_for(lambda: _size(page)[0] < rows and _size(page)[1] < columns, 15, lambda: _said(page))

    # The tab says why it ends, and stays until that was read.
    lab.post(f"aether/api/v1/processes/{pid}/signals", {"signal": "KILL"})
    wait_for(lambda: "sandbox of this agent has ended" in " ".join(_said(page).split()), 20, lambda: _said(page))
    page.keyboard.press("Enter")
    page.locator(".jp-Terminal").wait_for(state="detached")
    # The agent's timeline tells that somebody was there.
    run(page, "aether:open-agent", pid=pid)
    page.locator(".noterow", has_text="You opened a terminal in its sandbox").wait_for(timeout=20_000)
    page.locator(".noterow", has_text="You left the terminal after").wait_for(timeout=20_000)


def test_the_palette_asks_whose_sandbox_and_an_ended_agent_has_none(chrome: Any, lab: Lab) -> None:
    done = lab.spawn(goal="hi", name="greeter", model="scripted:hello", sandbox={"kind": "bubblewrap"})
    wait_for(lambda: lab.process(done)["state"] == "ZOMBIE")
    page = open_lab(chrome, lab)
    run(page, "aether:open-agent", pid=done)
    page.locator(".jp-AetherAgent").get_by_role("button", name="More", exact=True).click()
    assert page.get_by_role("menuitem", name="Open terminal").is_disabled()
    page.keyboard.press("Escape")
    page.evaluate("() => { void window.jupyterapp.commands.execute('aether:open-terminal', {}); }")
    page.get_by_text("there is no sandbox to look into").wait_for()
    lab.spawn(goal="ask", name="asker", model="scripted:ask", sandbox={"kind": "bubblewrap"})
    # Lab has heard of it.
    page.get_by_text(re.compile(r"1 waits? for you")).first.wait_for()
    page.evaluate("() => { window.asked = window.jupyterapp.commands.execute('aether:open-terminal', {}); }")
    page.locator(".jp-Dialog").get_by_role("button", name="Open").click()
    page.wait_for_selector(".jp-Terminal .xterm-helper-textarea", state="attached")
