"""Snapshots and forks in JupyterLab: taken, compared, gone on from, carried elsewhere and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .axe import violations
from .lab import Lab, begin, open_lab, run, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCRIPTS = """
from aether_jupyter.model.message import Text, ToolCall, ToolTurn, UserTurn
from aether_jupyter.providers.scripted import register


def table(given, transcript):
    if given == 0:
        return (Text("I write it."), ToolCall("", "write_file", {"path": "table.csv", "content": "a,1"}))
    if given == 1:
        return (Text("I read it."), ToolCall("", "read_file", {"path": "table.csv"}))
    read = [turn.content for turn in transcript if isinstance(turn, ToolTurn)][-1]
    thanked = any("Thank you" in turn.text for turn in transcript if isinstance(turn, UserTurn))
    return (Text(f"It holds {read.split()[-1]}.{' You are welcome.' if thanked else ''}"),)


def more(given, transcript):
    if given == 0:
        return (Text("I write it."), ToolCall("", "write_file", {"path": "table.csv", "content": "a,1"}))
    if given == 1:
        return (Text("I ask."), ToolCall("", "ask_person", {"question": "More?"}))
    if given == 2:
        return (
            ToolCall("", "write_file", {"path": "table.csv", "content": "a,1 and b,2"}),
            ToolCall("", "write_file", {"path": "more.txt", "content": "more"}),
        )
    return (Text("Done."),)


register("table", table)
register("more", more)
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, config=SCRIPTS)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()
    assert not lab.page_errors


def _ended(lab: Lab, pid: int) -> dict[str, Any]:
    found: dict[str, Any] = wait_for(
        lambda: lab.process(pid) if lab.process(pid)["state"] == "ZOMBIE" else None, 60, lambda: str(lab.process(pid))
    )
    return found


def _newest(lab: Lab, but: int) -> int:
    """The newest agent, as soon as it is not `but`."""
    pids = [each["pid"] for each in lab.get("aether/api/v1/processes")["processes"]]
    return max(pids) if max(pids) > but else 0


def _spawned(lab: Lab) -> int:
    pid = lab.spawn(goal="Write a table.", name="Tables", model="scripted:table", mode="autonomous")
    _ended(lab, pid)
    return pid


def _files(lab: Lab, pid: int) -> dict[str, int]:
    """The paths in its home with their sizes."""
    found = lab.get(f"aether/api/v1/processes/{pid}/files")["files"]
    return {each["path"]: each["size_bytes"] for each in found}


def _snapshots(lab: Lab, pid: int) -> list[int]:
    found = lab.get(f"aether/api/v1/snapshots?pid={pid}")["snapshots"]
    return [each["id"] for each in found]


def _choose(page: Any, snapshot: int, what: str) -> None:
    page.get_by_role("button", name=f"What to do with snapshot {snapshot}").click()
    page.get_by_role("menuitem", name=what).click()


def test_snapshots_are_taken_compared_restored_and_deleted(stage: Lab, chrome: Any) -> None:
    pid = stage.spawn(goal="Write a table.", name="Tables", model="scripted:more", mode="autonomous")
    wait_for(lambda: stage.process(pid)["state"] == "WAITING", 60)
    page = open_lab(chrome, stage)
    run(page, "aether:open-agent", pid=pid)
    part = page.locator(".jp-AetherAgent .snapshots")
    rows = part.locator(".snaplist li")
    part.get_by_role("button", name="Take one").click()
    rows.first.wait_for(timeout=20_000)
    [asked] = stage.get("aether/api/v1/approvals")["approvals"]
    answer = {"verdict": "answer", "answer": "yes", "digest": asked.get("digest", "")}
    stage.post(f"aether/api/v1/approvals/{asked['id']}/decision", answer)
    _ended(stage, pid)
    part.get_by_role("button", name="Take one").click()
    rows.nth(1).wait_for(timeout=20_000)
    second, first = _snapshots(stage, pid)
    page.locator(".noterow", has_text=f"took snapshot {second}").wait_for(timeout=20_000)
    assert violations(page, ".jp-AetherAgent .ins") == []

    _choose(page, first, "Compare with another")
    _choose(page, second, f"Compare with snapshot {first}")
    compared = part.locator(".compared")
    compared.wait_for(timeout=20_000)
    words = compared.inner_text().split()
    assert "1 added, 0 removed, 1 changed" in " ".join(words)
    assert {"more.txt", "table.csv"} <= set(words)
    compared.get_by_role("button", name="Close the comparison").click()

    # The agent that goes on from the first has the files of that moment.
    _choose(page, first, "Restore as a new agent")
    other = wait_for(lambda: _newest(stage, pid), 30)
    page.locator(f"#aether-agent-{other}").wait_for(timeout=20_000)
    assert _files(stage, other) == {"table.csv": 3}

    # What is deleted is asked about, and No is no.
    run(page, "aether:open-agent", pid=pid)
    _choose(page, first, "Delete")
    dialog = page.locator(".jp-Dialog", has_text=f"Delete snapshot {first}?")
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert _snapshots(stage, pid) == [second, first]
    _choose(page, first, "Delete")
    dialog.get_by_role("button", name="Delete").click()
    rows.nth(1).wait_for(state="detached", timeout=20_000)
    assert _snapshots(stage, pid) == [second]


def test_an_agent_is_forked_from_a_step_by_a_key(stage: Lab, chrome: Any) -> None:
    pid = _spawned(stage)
    page = open_lab(chrome, stage)
    run(page, "aether:open-agent", pid=pid)
    step = page.get_by_role("region", name="Step 2")
    step.wait_for(timeout=20_000)
    # The overview of keys tells of it.
    page.keyboard.press("Shift+Slash")
    keys = page.locator("dialog.ae-keys")
    keys.locator("div", has=page.locator("dt", has_text="F")).get_by_text("Fork from the Step of the Agent").wait_for()
    page.keyboard.press("Escape")
    keys.wait_for(state="detached")

    step.focus()
    page.keyboard.press("f")
    fork = page.get_by_role("dialog", name="Fork from step 2")
    fork.wait_for()
    assert violations(page, ".ae-fork") == []
    # As it stands nothing would be changed.
    assert fork.get_by_role("button", name="Fork", exact=True).is_disabled()
    result = fork.get_by_label("What read_file came to")
    assert "a,1" in result.input_value()
    page.keyboard.press("Escape")
    fork.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.textContent.includes('Fork from here')"), "the focus comes back"

    page.keyboard.press("f")
    result.fill("1 c,3")
    fork.get_by_role("button", name="Fork", exact=True).click()
    other = wait_for(lambda: _newest(stage, pid), 30)
    assert _ended(stage, other)["exit"]["message"] == "It holds c,3."
    assert stage.process(pid)["exit"]["message"] == "It holds a,1."
    # Both are in sight, side by side.
    page.locator(f"#aether-agent-{other}").wait_for(timeout=20_000)
    assert page.locator(f"#aether-agent-{pid}").is_visible()

    # On a screen that is touched, the key and what it opens are there as well.
    touched = chrome.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = open_lab(chrome, stage, context=touched, path="lab/workspaces/touched")
    run(page, "application:set-mode", mode="single-document")
    run(page, "aether:open-agent", pid=pid)
    page.get_by_role("region", name="Step 2").focus(timeout=20_000)
    page.keyboard.press("f")
    fork = page.get_by_role("dialog", name="Fork from step 2")
    fork.get_by_role("button", name="Message").click()
    fork.get_by_label("What it reads before it goes on").fill("Thank you.")
    page.keyboard.press("Control+Enter")
    third = wait_for(lambda: _newest(stage, other), 30)
    assert _ended(stage, third)["exit"]["message"] == "It holds a,1. You are welcome."


def test_a_snapshot_goes_out_as_a_file_and_comes_in_again(stage: Lab, chrome: Any, tmp_path: Path) -> None:
    pid = _spawned(stage)
    taken = stage.post(f"aether/api/v1/processes/{pid}/snapshots", {"label": "to take along"})["id"]
    page = open_lab(chrome, stage)
    run(page, "aether:open-agent", pid=pid)
    page.locator(".snaplist", has_text="to take along").wait_for(timeout=20_000)
    with page.expect_download() as began:
        _choose(page, taken, "Export")
    file = tmp_path / began.value.suggested_filename
    began.value.save_as(file)
    assert file.suffix == ".aethersnapshot"

    with page.expect_file_chooser() as asked:
        begin(page, "aether:import-snapshot")
    asked.value.set_files(file)
    told = page.get_by_role("alert").filter(has_text="It came from elsewhere")
    told.wait_for(timeout=20_000)
    told.get_by_role("button", name="Restore as a new agent").click()
    other = wait_for(lambda: _newest(stage, pid), 30)
    page.locator(f"#aether-agent-{other}").wait_for(timeout=20_000)
    assert _files(stage, other) == {"table.csv": 3}

    # What is no snapshot is refused in words.
    bad = tmp_path / "bad.aethersnapshot"
    bad.write_bytes(b"no zip")
    with page.expect_file_chooser() as asked:
        begin(page, "aether:import-snapshot")
    asked.value.set_files(bad)
    page.get_by_role("alert").filter(has_text="snapshot").last.wait_for(timeout=20_000)
    assert len(stage.get("aether/api/v1/snapshots")["snapshots"]) == 2
