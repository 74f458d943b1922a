"""The Memory Inspector as a person meets it: find, read, edit, pin, merge, forget, share; and what a model saw."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .axe import violations
from .lab import Lab, begin, open_lab, run, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DAY_S = 86_400.0
API = "aether/api/v1/"


def _remember(lab: Lab, agent: str, *notes: dict[str, Any]) -> list[int]:
    """Keep notes, `days` ago if it is said; gives their ids."""
    body = [{"at": time.time() - note.pop("days", 0) * DAY_S, **note} for note in map(dict, notes)]
    kept = lab.post(f"{API}memories", {"agent": agent, "notes": body})["memories"]
    return [memory["id"] for memory in kept]


def _fixture(lab: Lab) -> dict[str, int]:
    keys = _remember(
        lab,
        "upload-fixer",
        {"text": "The upload service stores its parts as files below one folder of each upload.", "days": 20},
        {"text": "The upload service stores parts as files below one folder for each upload.", "tags": ["upload"]},
        {"text": "ana reviews changes in the morning.", "layer": "social", "tags": ["ana"]},
        {"text": "Flaky tests in April came from a shared port.", "layer": "episodic", "days": 40},
        {"text": "<b>priya</b> wants fixture names kept when a fixture is rewritten.", "layer": "social"},
    )
    _remember(lab, "other", {"text": "This is somebody else's fixture."})
    return dict(zip(("older", "newer", "ana", "flaky", "priya"), keys, strict=True))


def _memory(lab: Lab, key: int) -> Any:
    return lab.get(f"{API}memories/{key}")["memories"][0]


def _row(page: Any, key: int) -> Any:
    return page.locator(f'.mi-row[data-memory="{key}"]')


def _open(chrome: Any, lab: Lab, key: int, **look: Any) -> Any:
    page = open_lab(chrome, lab, **look)
    if look.get("width", 1440) < 600:
        run(page, "application:set-mode", mode="single-document")
        for side in ("left", "right"):
            if page.locator(f"#jp-{side}-stack").is_visible():
                run(page, f"application:toggle-{side}-area")
    run(page, "aether:open-memory", agent="upload-fixer")
    _row(page, key).wait_for(timeout=20_000)
    return page


def test_a_search_finds_and_marks_and_a_memory_is_edited_pinned_and_shared(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["priya"])
    assert page.locator(".mi-row[data-memory]").count() == 5
    assert "5" in page.get_by_role("tab", name="All").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("fixture nam")
    page.locator(".mi-found").get_by_text("found").wait_for()
    row = _row(page, keys["priya"])
    # What agents write is text, whatever it looks like, and the words that were found are marked in it.
    wait_for(lambda: row.locator("mark").all_inner_texts() == ["fixture", "names", "fixture"], 10)
    assert "<b>priya</b>" in row.inner_text()
    assert page.locator(".mi-row[data-memory]").count() == 1
    page.keyboard.press("Enter")
    detail = page.locator(f'.mi-detail[data-memory="{keys["priya"]}"]')
    detail.wait_for()
    page.locator(f'.mi-row[data-memory="{keys["priya"]}"]:focus').wait_for()
    page.keyboard.press("p")
    wait_for(lambda: _memory(lab, keys["priya"])["pinned"], 10)
    row.get_by_text("pinned").wait_for()

    page.keyboard.press("e")
    text = detail.get_by_label("Memory", exact=True)
    text.fill("priya wants fixture names kept.")
    detail.get_by_label("Tags").fill("priya, tests")
    page.keyboard.press("Control+Enter")
    text.wait_for(state="detached")
    kept = _memory(lab, keys["priya"])
    assert (kept["text"], kept["tags"]) == ("priya wants fixture names kept.", ["priya", "tests"])
    history = detail.locator(".mi-history")
    wait_for(lambda: "when a fixture is rewritten" in " ".join(history.locator("del").all_inner_texts()), 10)

    detail.get_by_role("button", name="Share").click()
    page.keyboard.type("release-writer")
    page.keyboard.press("Enter")
    detail.get_by_role("button", name="Share no more with release-writer").wait_for()
    assert lab.get(f"{API}memories/spaces")["spaces"][1]["readers"] == ["release-writer"]
    detail.get_by_role("button", name="Share no more with release-writer").click()
    wait_for(lambda: not any(space["readers"] for space in lab.get(f"{API}memories/spaces")["spaces"]), 10)


def test_an_edit_that_comes_too_late_loses_nothing(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"])
    _row(page, keys["ana"]).click()
    page.keyboard.press("e")
    text = page.locator(".mi-form textarea")
    text.fill("What I typed.")
    lab.post(f"{API}memories/{keys['ana']}", {"text": "What another wrote."})
    page.keyboard.press("Control+Enter")
    page.locator(".mi-form").get_by_text("What another wrote.").wait_for()
    assert text.input_value() == "What I typed."
    assert _memory(lab, keys["ana"])["text"] == "What another wrote."
    page.get_by_role("button", name="Save mine").click()
    text.wait_for(state="detached")
    assert _memory(lab, keys["ana"])["text"] == "What I typed."


def test_what_was_typed_outlives_a_look_elsewhere(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"])
    _row(page, keys["ana"]).click()
    page.keyboard.press("e")
    page.locator(".mi-form textarea").fill("Half a thought.")
    _row(page, keys["flaky"]).click()
    page.locator(f'.mi-detail[data-memory="{keys["flaky"]}"] .mi-whole').wait_for()
    page.get_by_role("tab", name="MEMORY.md").click()
    notes = page.get_by_label("MEMORY.md of upload-fixer")
    notes.fill("Half a note.")
    page.get_by_role("tab", name="Memories").click()
    _row(page, keys["ana"]).click()
    text = page.locator(f'.mi-detail[data-memory="{keys["ana"]}"] .mi-form textarea')
    text.wait_for()
    assert text.input_value() == "Half a thought."
    page.locator(".mi-form").get_by_role("button", name="Cancel").click()
    text.wait_for(state="detached")
    assert _memory(lab, keys["ana"])["text"] == "ana reviews changes in the morning."
    page.get_by_role("tab", name="MEMORY.md").click()
    assert notes.input_value() == "Half a note."
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. The next run is told it.").wait_for()


def test_keys_reach_the_memory_shown_though_the_list_does_not_have_it(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"])
    page.get_by_role("searchbox").fill("reviews")
    _row(page, keys["flaky"]).wait_for(state="detached")
    run(page, "aether:open-memory", agent="upload-fixer", memory=keys["flaky"])
    detail = page.locator(f'.mi-detail[data-memory="{keys["flaky"]}"]')
    detail.locator(".mi-whole").wait_for()
    run(page, "aether:memory-pin")
    wait_for(lambda: _memory(lab, keys["flaky"])["pinned"], 10)
    detail.get_by_role("button", name="Pinned").wait_for()
    run(page, "aether:memory-forget")
    wait_for(lambda: _memory(lab, keys["flaky"])["forgotten_at"] is not None, 10)
    detail.wait_for(state="detached")


def test_two_that_say_the_same_are_merged_and_forgetting_can_be_undone(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["newer"])
    for name in ("newer", "older"):
        _row(page, keys[name]).locator("input").click()
    bar = page.locator(".mi-selected")
    bar.get_by_text("They say nearly the same").wait_for()
    bar.get_by_role("button", name="Merge").click()
    dialog = page.locator("dialog.mi-dialog")
    result = dialog.get_by_label("What the merged memory says")
    result.wait_for()
    assert _memory(lab, keys["older"])["forgotten_at"] is None, "nothing is done before it was shown"
    result.fill("Uploads are kept as files.")
    page.keyboard.press("Control+Enter")
    dialog.wait_for(state="detached")
    wait_for(lambda: _memory(lab, keys["older"])["merged_into"] == keys["newer"], 10)
    assert _memory(lab, keys["newer"])["text"] == "Uploads are kept as files."
    _row(page, keys["older"]).wait_for(state="detached")

    _row(page, keys["flaky"]).click()
    page.locator(f'.mi-detail[data-memory="{keys["flaky"]}"]').wait_for()
    page.keyboard.press("Delete")
    undo = page.locator(".mi-undo")
    undo.wait_for()
    assert _memory(lab, keys["flaky"])["forgotten_at"] is not None
    assert _row(page, keys["flaky"]).count() == 0
    undo.get_by_role("button", name="Undo").click()
    _row(page, keys["flaky"]).wait_for()
    assert _memory(lab, keys["flaky"])["forgotten_at"] is None


def test_the_panel_hears_of_what_an_agent_does_and_is_the_same_after_a_reload(lab: Lab, chrome: Any) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"])
    _row(page, keys["ana"]).click()
    # No pointer and no focus in the list: what comes may be shown at once.
    page.mouse.move(2, 2)
    page.locator(".mi-detail").get_by_role("button", name="Pin").focus()
    pid = lab.spawn(goal="Remember ana's morning reviews.", name="upload-fixer", model="scripted:hello")
    wait_for(lambda: lab.process(pid)["state"] == "ZOMBIE", 30)
    new = _remember(lab, "upload-fixer", {"text": "Written while nobody told the page."})[0]
    again = lab.spawn(goal="Say hello to ana, who reviews.", name="upload-fixer", model="scripted:hello")
    wait_for(lambda: lab.process(again)["state"] == "ZOMBIE", 30)
    _row(page, new).wait_for(timeout=10_000)
    # Its place is kept, and a memory can be asked for by its number alone.
    page.wait_for_timeout(1500)
    page.reload()
    page.locator(f'.mi-detail[data-memory="{keys["ana"]}"]').wait_for(timeout=60_000)
    other = lab.get(f"{API}memories?agent=other")["memories"][0]["id"]
    run(page, "aether:open-memory", memory=other)
    page.locator(f'.mi-detail[data-memory="{other}"]').wait_for()
    assert page.locator(".mi-agents button.on").inner_text().startswith("other")
    page.keyboard.press("Shift+Slash")
    words = page.locator("dialog.ae-keys").inner_text()
    for expected in ("Keys of the Memory Inspector", "Search Memories", "Edit the Memory", "Next Memory"):
        assert expected in words, words


SCRIPT = """
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.scripted import register

TURNS = (
    ("I look around.", "list_files", {"path": "."}),
    ("I keep it.", "remember", {"text": "The folder was empty.", "layer": "episodic"}),
)


def answer(given, transcript):
    if given >= len(TURNS):
        return (Text("It is done."),)
    words, tool, arguments = TURNS[given]
    return Text(words), ToolCall("", tool, arguments)


register("looks", answer)
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, config=SCRIPT)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()
    assert not lab.page_errors


def test_what_the_model_saw_is_shown_compared_and_leads_to_its_memories(stage: Lab, chrome: Any) -> None:
    keys = _fixture(stage)
    pid = stage.spawn(
        goal="Find out what priya wants of fixture names.",
        name="upload-fixer",
        model="scripted:looks",
        mode="autonomous",
    )
    wait_for(lambda: stage.process(pid)["state"] == "ZOMBIE", 30, lambda: str(stage.process(pid)))
    page = open_lab(chrome, stage)
    run(page, "aether:open-context", pid=pid, step=2)
    told = page.locator(".mi-told")
    told.locator('[data-section="goal"]').get_by_text("Find out what priya wants").wait_for(timeout=20_000)
    seen = stage.get(f"{API}processes/{pid}/context?step=2")
    assert page.locator(".mi-sections li").count() == len(seen["sections"])
    assert told.locator('[data-section="steps"]').get_by_text("I look around.").count() == 1
    assert told.locator('[data-section="steps"]').get_by_text("I keep it.").count() == 0
    page.get_by_role("button", name="Next step").click()
    added = told.locator('[data-section="steps"] .mi-entry.added')
    page.get_by_label("Compare with").select_option("2")
    wait_for(lambda: "I keep it." in " ".join(added.all_inner_texts()), 10)
    assert "I look around." not in " ".join(added.all_inner_texts())
    told.locator(".mi-recalled").get_by_role("button", name=f"#{keys['priya']}").click()
    page.locator(f'.mi-detail[data-memory="{keys["priya"]}"]').wait_for()
    # And from what the agent wrote to the step in which it did.
    kept = stage.get(f"{API}memories?agent=upload-fixer&kind=agent")["memories"][0]["id"]
    _row(page, kept).get_by_role("button", name=f"{pid} step 2").click()
    page.locator(f"#aether-agent-{pid} .step:focus").get_by_text("I keep it.").wait_for(timeout=10_000)


def test_memories_are_exported_edited_imported_and_notes_are_written(lab: Lab, chrome: Any, tmp_path: Path) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"])
    with page.expect_download() as begun:
        page.get_by_role("link", name="Export as Markdown").click()
    edited = tmp_path / "edited.zip"
    with zipfile.ZipFile(begun.value.path()) as exported, zipfile.ZipFile(edited, "w") as target:
        for name in exported.namelist():
            target.writestr(name, exported.read(name).replace(b"in the morning", b"in the evening"))
    page.locator('.mi-head input[type="file"]').set_input_files(edited)
    dialog = page.locator("dialog.mi-dialog")
    dialog.get_by_text("in the evening").wait_for()
    assert "morning" in _memory(lab, keys["ana"])["text"], "a preview writes nothing"
    dialog.get_by_role("button", name="Import", exact=True).click()
    dialog.wait_for(state="detached")
    assert "evening" in _memory(lab, keys["ana"])["text"]
    _row(page, keys["ana"]).get_by_text("in the evening").wait_for()

    page.get_by_role("tab", name="MEMORY.md").click()
    notes = page.get_by_label("MEMORY.md of upload-fixer")
    notes.fill("Reports go to priya.")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Saved. The next run is told it.").wait_for()
    notes.fill("Reports go to ana.")
    lab.post(f"{API}memories/notes", {"agent": "upload-fixer", "text": "By another hand.", "version": 1})
    page.keyboard.press("Control+Enter")
    page.locator(".mi-notes-tab").get_by_text("By another hand.").wait_for()
    assert notes.input_value() == "Reports go to ana.", "what was typed is not lost"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_inspector_keeps_nobody_out(lab: Lab, chrome: Any, dark: bool, width: int) -> None:
    keys = _fixture(lab)
    page = _open(chrome, lab, keys["ana"], width=width, height=900, dark=dark)
    found: dict[str, list[str]] = {}

    def look(screen: str) -> None:
        page.wait_for_timeout(500)
        found[screen] = violations(page, ".jp-AetherMemory")
        beyond = page.evaluate(
            "() => { const p = document.querySelector('.jp-AetherMemory'); return p.scrollWidth - p.clientWidth; }"
        )
        assert beyond <= 0, f"{screen} is wider than its place"

    look("list")
    page.locator(".mi-bar").get_by_role("button", name="Filter").click()
    look("filter")
    for name in ("newer", "older"):
        _row(page, keys[name]).locator("input").click()
    page.locator(".mi-selected .mi-alike").get_by_text("nearly").wait_for(state="attached")
    look("selected")
    begin(page, "aether:memory-merge")
    page.get_by_label("What the merged memory says").wait_for()
    look("merge")
    page.keyboard.press("Escape")
    run(page, "aether:memory-clear")
    _row(page, keys["newer"]).click()
    page.locator(".mi-detail .mi-uses").wait_for(state="attached")
    look("one memory")
    run(page, "aether:memory-edit")
    look("edit")
    page.keyboard.press("Escape")
    page.locator(".mi-detail").get_by_role("button", name="Share").click()
    look("share")
    page.keyboard.press("Escape")
    run(page, "aether:memory-forget")
    page.locator(".mi-undo").wait_for()
    look("undo")
    page.get_by_role("tab", name="MEMORY.md").click()
    page.get_by_label("MEMORY.md of upload-fixer").wait_for()
    look("notes")
    pid = lab.spawn(goal="Say hello to ana, who reviews.", name="upload-fixer", model="scripted:hello")
    wait_for(lambda: lab.process(pid)["state"] == "ZOMBIE", 30)
    run(page, "aether:open-context", pid=pid)
    page.locator(".mi-told section").first.wait_for()
    look("what the model saw")
    wrong = [f"{screen}: {said}" for screen, all_said in found.items() for said in all_said]
    assert not wrong, "\n".join(wrong)
