"""The first whole walk: a cell spawns an agent, Mission Control shows it, the inbox lets it go on, the cell ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .lab import Lab, open_lab, ready, run, run_all_cells, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

USERS = """
from jupyter_server.auth import IdentityProvider, User


class ByCookie(IdentityProvider):
    # Stands for any identity provider that knows several people.
    def get_user(self, handler):
        if "token e2e-token" in handler.request.headers.get("Authorization", ""):
            handler._token_authenticated = True
            return User(username="ada")
        name = handler.get_cookie("who")
        return User(username=name) if name else None


c.ServerApp.identity_provider_class = ByCookie
"""


def _notebook(lab: Lab, name: str, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.files / name)


def _card(page: Any, name: str) -> Any:
    return page.locator(".mc-card").filter(has=page.locator("h3", has_text=name))


def _approve(page: Any) -> None:
    run(page, "aether:open-approvals")
    button = page.locator("#aether-approvals").get_by_role("button", name="Approve").first
    button.wait_for(timeout=20_000)
    # A card that has just come takes no click for half a second.
    page.wait_for_timeout(700)
    button.click()


def test_from_a_cell_to_mission_control_to_the_inbox_and_back(lab: Lab, chrome: Any) -> None:
    _notebook(
        lab,
        "walk.ipynb",
        "%load_ext aether_jupyter",
        "%%agent --model scripted:risky --name Tidy\nRemove what the last build left.",
        "print('the cell after it ran')",
    )
    page = open_lab(chrome, lab, path="lab/tree/walk.ipynb")
    run_all_cells(page)
    output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea")
    output.get_by_text("rm -r build").first.wait_for(timeout=60_000)
    output.get_by_role("button", name="Approve").wait_for()
    run(page, "aether:open-mission-control")
    card = _card(page, "Tidy")
    card.get_by_text("Waiting for you").wait_for(timeout=20_000)
    assert "rm -r build" in card.inner_text()
    _approve(page)
    card.get_by_text("Done").wait_for(timeout=60_000)
    run(page, "docmanager:open", path="walk.ipynb")
    page.locator(".jp-CodeCell").nth(2).get_by_text("the cell after it ran").last.wait_for(timeout=20_000)
    process = lab.process(1)
    assert process["exit"]["code"] == 0
    assert process["name"] == "Tidy"


def test_a_reload_in_the_middle_changes_nothing(lab: Lab, chrome: Any) -> None:
    page = open_lab(chrome, lab)
    run(page, "aether:open-mission-control")
    pid = lab.spawn(goal="Remove what the last build left.", name="Tidy", model="scripted:risky")
    card = _card(page, "Tidy")
    card.get_by_text("Waiting for you").wait_for(timeout=20_000)
    page.reload()
    ready(page)
    # Mission Control is open again by itself, and nothing was lost or asked twice.
    card.get_by_text("Waiting for you").wait_for(timeout=20_000)
    assert _card(page, "Tidy").count() == 1
    _approve(page)
    card.get_by_text("Done").wait_for(timeout=60_000)
    records = lab.get(f"aether/api/v1/processes/{pid}/records?limit=1000")["records"]
    assert sum(record["event"]["type"] == "approval.requested" for record in records) == 1


def test_a_second_browser_sees_the_same(lab: Lab, chrome: Any) -> None:
    one, two = open_lab(chrome, lab), open_lab(chrome, lab)
    for page in (one, two):
        run(page, "aether:open-mission-control")
    lab.spawn(goal="Remove what the last build left.", name="Tidy", model="scripted:risky")
    for page in (one, two):
        _card(page, "Tidy").get_by_text("Waiting for you").wait_for(timeout=20_000)
    _approve(one)
    for page in (one, two):
        _card(page, "Tidy").get_by_text("Done").wait_for(timeout=60_000)


def test_the_server_is_killed_and_the_screen_comes_back(lab: Lab, chrome: Any) -> None:
    page = open_lab(chrome, lab)
    run(page, "aether:open-mission-control")
    pid = lab.spawn(goal="Work slowly.", name="Slow", model="scripted:slow", mode="autonomous")
    _card(page, "Slow").get_by_text("Running").wait_for(timeout=20_000)
    lab.kill()
    before = 1
    lab.start()
    wait_for(lambda: lab.process(pid)["step"] > before and lab.process(pid)["state"] == "RUNNING", 30)
    _card(page, "Slow").get_by_text("Running").wait_for(timeout=40_000)
    lab.post(f"aether/api/v1/processes/{pid}/signals", {"signal": "KILL"})
    _card(page, "Slow").get_by_text("Failed").wait_for(timeout=20_000)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, config=USERS, base="/team/lab-1/")
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()


def test_another_user_sees_none_of_it(shared: Lab, chrome: Any) -> None:
    pid = shared.spawn(goal="Ada's own business.", name="Secret", model="scripted:risky")
    pages = {}
    for name in ("ada", "bob"):
        context = chrome.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "who", "value": name, "url": shared.url}])
        pages[name] = context.new_page()
        pages[name].goto(f"{shared.url}lab")
        ready(pages[name])
        run(pages[name], "aether:open-mission-control")
    _card(pages["ada"], "Secret").wait_for(timeout=20_000)
    pages["bob"].wait_for_timeout(1000)
    assert "Secret" not in pages["bob"].inner_text("body")
    status = pages["bob"].evaluate(
        "url => fetch(url).then(answer => answer.status)", f"{shared.url}aether/api/v1/processes/{pid}"
    )
    assert status == 404
    seen = pages["bob"].evaluate("url => fetch(url).then(a => a.json())", f"{shared.url}aether/api/v1/processes")
    assert json.dumps(seen) == '{"processes": []}'
