"""Each screen as a person meets it: keys, crowds, hidden tabs, foreign hands, notifications, and who cannot see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ..drawn import drawn
from .axe import violations
from .lab import Lab, begin, open_lab, run, run_all_cells, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SCRIPTS = """
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.scripted import register


def story(*turns):
    def answer(given, transcript):
        words, *call = turns[min(given, len(turns) - 1)]
        return (Text(words), ToolCall("", call[0], call[1])) if call else (Text(words),)

    return answer


register("remove", story(
    ("First a file.", "write_file", {"path": "old.txt", "content": "old"}),
    ("Now it goes.", "delete_file", {"path": "old.txt"}),
    ("It is gone.",),
))
register("question", story(
    ("There are two.", "ask_person", {"question": "Which one?", "options": ["The left", "The right"]}),
    ("Thanks.",),
))
register("code", story(*(
    turn
    for n in range(12)
    for turn in (
        (f"Word {n} alone", "run_command", {"command": f"sleep 0.6; echo word {n}"}),
        (f"Word {n} with `word {n}` and `more {n}` word", "run_command", {"command": "sleep 0.6; echo word"}),
    )
), ("The word is said.",)))
register("table", story(
    ("I look around.", "list_files", {"path": "."}),
    ("## Result\\n\\n| word | count |\\n|---|---|\\n| `a` | 1 |\\n\\nSee [here](https://example.org) and **this**.",),
))
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


def _state(lab: Lab, pid: int, state: str) -> None:
    wait_for(lambda: lab.process(pid)["state"] == state, 30, lambda: str(lab.process(pid)))


def _focus_card(page: Any) -> Any:
    card = page.locator("#aether-approvals .ae-approval").first
    card.wait_for(timeout=20_000)
    # A card that has just come takes no key for half a second.
    page.wait_for_timeout(700)
    card.focus()
    return card


def _hold(page: Any, key: str, seconds: float) -> None:
    """Hold a key down: the system repeats it, and Playwright marks each `down` after the first as a repeat."""
    # By the clock: on a slow machine each press takes long, and the question goes away after four seconds.
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page.keyboard.down(key)
        page.wait_for_timeout(50)


@pytest.mark.parametrize("key", ["a", "Enter"])
def test_a_held_key_never_passes_the_second_press(stage: Lab, chrome: Any, key: str) -> None:
    pid = stage.spawn(goal="Delete it.", name="Remover", model="scripted:remove", mode="accept_edits")
    _state(stage, pid, "WAITING")
    page = open_lab(chrome, stage)
    run(page, "aether:open-approvals")
    card = _focus_card(page)
    if key == "Enter":
        card.get_by_role("button", name="Approve").focus()
    _hold(page, key, 1.5)
    sure = card.get_by_role("button", name="Run delete_file, for good")
    assert sure.is_visible()
    assert stage.process(pid)["state"] == "WAITING"
    page.keyboard.up(key)
    # Two presses decide; where the browser is so slow that the question has gone away meanwhile, it is asked anew.
    deadline = time.monotonic() + 60
    while stage.process(pid)["state"] == "WAITING" and time.monotonic() < deadline:
        if not sure.is_visible():
            (card.get_by_role("button", name="Approve") if key == "Enter" else card).focus()
            page.keyboard.press(key)
            sure.wait_for(timeout=5000)
            page.wait_for_timeout(700)
        if key == "Enter":
            sure.focus()
        page.keyboard.press(key)
        page.wait_for_timeout(1500)
    _state(stage, pid, "ZOMBIE")


def test_a_double_click_is_not_two_decisions(stage: Lab, chrome: Any) -> None:
    pid = stage.spawn(goal="Delete it.", name="Remover", model="scripted:remove", mode="accept_edits")
    _state(stage, pid, "WAITING")
    page = open_lab(chrome, stage)
    run(page, "aether:open-approvals")
    card = _focus_card(page)
    card.get_by_role("button", name="Approve").dblclick()
    page.wait_for_timeout(700)
    assert stage.process(pid)["state"] == "WAITING"
    card.get_by_role("button", name="Run delete_file, for good").click()
    _state(stage, pid, "ZOMBIE")


def test_keys_are_commands_that_can_be_changed_and_are_listed(stage: Lab, chrome: Any) -> None:
    settings = stage.folder / "settings" / "@jupyterlab" / "shortcuts-extension"
    settings.mkdir(parents=True)
    (settings / "shortcuts.jupyterlab-settings").write_text(
        json.dumps(
            {
                "shortcuts": [
                    {"command": command, "keys": [key], "selector": ".ae-approval:not(.cell)", "disabled": off}
                    for command, key, off in (
                        ("aether:approval-approve", "A", True),
                        ("aether:approval-approve", "Y", False),
                    )
                ]
            }
        )
    )
    risky = stage.spawn(goal="Remove it.", name="Tidy", model="scripted:risky")
    asks = stage.spawn(goal="Ask.", name="Asker", model="scripted:question")
    _state(stage, risky, "WAITING")
    _state(stage, asks, "WAITING")
    page = open_lab(chrome, stage)
    run(page, "aether:open-approvals")
    _focus_card(page)
    # Which of the two came last, and so stands first, is chance.
    there, back = "jk" if page.locator(".ae-approval:focus").filter(has_text="Asker").count() else "kj"
    page.locator(".ae-approval").filter(has_text="Asker").focus()
    page.keyboard.press(there)
    card = page.locator(".ae-approval:focus")
    assert "Y" in card.get_by_role("button", name="Approve").inner_text()
    page.keyboard.press("Shift+Slash")
    overview = page.locator("dialog.ae-keys")
    overview.wait_for()
    words = overview.inner_text()
    for expected in ("Keys of the approvals", "Next Request", "Choose an Answer", "Refuse, or Finish Here", "Y"):
        assert expected in words, words
    page.keyboard.press("Escape")
    overview.wait_for(state="detached")
    assert card.count() == 1, "the focus comes back"
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert stage.process(risky)["state"] == "WAITING"
    page.keyboard.press("y")
    _state(stage, risky, "ZOMBIE")
    page.locator("#aether-approvals .gone").wait_for(state="detached", timeout=20_000)
    page.keyboard.press(back)
    page.keyboard.press("2")
    _state(stage, asks, "ZOMBIE")
    for command, args, title in (
        ("aether:open-mission-control", {}, "Keys of Mission Control"),
        ("aether:open-agent", {"pid": risky}, "Keys of the agent view"),
    ):
        run(page, command, **args)
        page.wait_for_timeout(500)
        page.keyboard.press("Shift+Slash")
        page.locator("dialog.ae-keys").get_by_text(title).wait_for()
        page.keyboard.press("Shift+Slash")
        page.locator("dialog.ae-keys").wait_for(state="detached")


def test_a_crowd_of_equal_calls_is_decided_at_once(stage: Lab, chrome: Any) -> None:
    pids = [stage.spawn(goal="Remove it.", name="Tidy", model="scripted:risky") for _ in range(22)]
    alone = stage.spawn(goal="Delete it.", name="Tidy", model="scripted:remove", mode="accept_edits")
    for pid in (*pids, alone):
        _state(stage, pid, "WAITING")
    page = open_lab(chrome, stage)
    run(page, "aether:open-approvals")
    fold = page.locator("#aether-approvals .ae-approval.same")
    fold.wait_for(timeout=20_000)
    assert page.locator("#aether-approvals .ae-approval").count() == 2
    assert fold.locator("li").count() == 22
    # Approve comes only after the last line was on the screen.
    assert fold.get_by_role("button", name="Approve 22").count() == 0
    page.wait_for_timeout(700)
    fold.focus()
    for _ in range(30):
        if fold.get_by_role("button", name="Approve 22").count():
            break
        page.keyboard.press("o")
        page.wait_for_timeout(150)
    fold.get_by_role("button", name="Approve 22").click()
    for pid in pids:
        _state(stage, pid, "ZOMBIE")
    assert stage.process(alone)["state"] == "WAITING"
    records = stage.get(f"aether/api/v1/processes/{pids[0]}/records?limit=1000")["records"]
    assert [
        each["event"]["decision"]["verdict"] for each in records if each["event"]["type"] == "approval.decided"
    ] == ["approve"]


def test_a_hidden_panel_catches_up_when_it_is_shown(stage: Lab, chrome: Any) -> None:
    first = stage.spawn(goal="Say hello.", name="First", model="scripted:hello", mode="autonomous")
    _state(stage, first, "ZOMBIE")
    page = open_lab(chrome, stage)
    run(page, "aether:open-mission-control")
    page.locator(".mc-card").first.wait_for(timeout=20_000)
    run(page, "aether:open-agent", pid=first)
    page.locator(".jp-AetherAgent .step").first.wait_for(timeout=20_000)
    second = stage.spawn(goal="Say hello.", name="Second", model="scripted:hello", mode="autonomous")
    _state(stage, second, "ZOMBIE")
    # Longer than the slowest paint, so that no later one can help.
    page.wait_for_timeout(1500)
    run(page, "aether:open-mission-control")
    page.locator(".mc-card").filter(has_text="Second").wait_for(timeout=1000)


def test_a_search_in_the_notebook_leaves_a_live_output_alone(stage: Lab, chrome: Any) -> None:
    cells = ["%load_ext aether_jupyter", "%%agent --model scripted:code --mode autonomous --name Words\nSay the word."]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, stage.files / "words.ipynb")
    page = open_lab(chrome, stage, path="lab/tree/words.ipynb")
    run_all_cells(page)
    page.locator(".ae-cell .curr").wait_for(timeout=60_000)
    begin(page, "documentsearch:start")
    page.locator(".jp-DocumentSearch-filter-button, button[title*='ilter']").first.click()
    page.get_by_label("Search Cell Outputs").check()
    page.locator(".jp-DocumentSearch-input").first.fill("word")
    output = page.locator(".ae-cell")
    output.get_by_text("The word is said").wait_for(timeout=90_000)
    # What has ended can be searched.
    wait_for(lambda: output.locator(".cm-searching, mark, .jp-mod-selected").count() > 0, 20)
    begin(page, "documentsearch:end")
    output.get_by_role("button", name="steps").click()
    output.get_by_text("Word 0 alone").wait_for()


def test_a_part_that_cannot_be_drawn_is_drawn_again(stage: Lab, chrome: Any) -> None:
    page = open_lab(chrome, stage)
    run(page, "aether:open-mission-control")
    pid = stage.spawn(goal="Remove it.", name="Tidy", model="scripted:risky")
    stage.spawn(goal="Remove it.", name="Other", model="scripted:risky")
    card = page.locator(".mc-card").filter(has_text="Tidy")
    for name in ("Tidy", "Other"):
        page.locator(".mc-card").filter(has_text=name).get_by_text("Waiting for you").wait_for(timeout=20_000)
    # A foreign hand takes away what React holds; the card leaves its group next, and is not there to be removed.
    page.evaluate("pid => document.querySelector(`.mc-card[data-pid='${pid}']`).remove()", pid)
    stage.post(f"aether/api/v1/processes/{pid}/signals", {"signal": "KILL"})
    card.get_by_text("Failed").wait_for(timeout=20_000)
    assert any("is drawn again" in text for text in stage.page_errors)
    stage.page_errors.clear()


def test_what_waits_is_told_outside_a_hidden_tab(stage: Lab, chrome: Any) -> None:
    settings = stage.folder / "settings" / "aether-jupyter"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text('{"desktopNotifications": true}')
    context = chrome.new_context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["notifications"], origin=stage.url)
    # A headless page is never in the background, and shows no notification of the system: what it asks for is noted.
    context.add_init_script(
        """
        window.told = [];
        window.Notification = class {
          static permission = 'granted';
          static requestPermission = () => Promise.resolve('granted');
          constructor(title, options) { window.told.push({ title, ...options, from: this }); }
          close() { this.closed = true; }
        };
        Object.defineProperty(document, 'hidden', { get: () => window.away === true });
        """
    )
    page = open_lab(chrome, stage, context=context)
    told = "() => window.told.map(({ title, body, tag }) => ({ title, body, tag }))"
    seen = stage.spawn(goal="Remove it.", name="Seen", model="scripted:risky")
    _state(stage, seen, "WAITING")
    page.wait_for_timeout(1000)
    assert page.evaluate(told) == [], "who looks needs no telling"
    page.evaluate("() => { window.away = true; }")
    pid = stage.spawn(goal="Remove it.", name="Tidy", model="scripted:risky")
    _state(stage, pid, "WAITING")
    wait_for(lambda: page.evaluate(told), 10)
    [news] = page.evaluate(told)
    assert news["title"] == "Waiting for you"
    assert news["body"] == "Tidy asks: run_command rm -r build"
    page.evaluate("() => { window.away = false; window.told[0].from.onclick(); }")
    page.locator(f'#aether-approvals [data-approval="{news["tag"]}"]:focus').wait_for(timeout=5000)
    assert page.evaluate("() => window.told[0].from.closed")


def test_only_what_can_be_had_is_offered(stage: Lab, chrome: Any) -> None:
    page = open_lab(chrome, stage)
    begin(page, "aether:new-agent")
    tiles = page.locator(".spawn-tiles")
    tiles.get_by_role("radio", name="Automatic").wait_for()
    offered = {each["name"]: each for each in stage.get("aether/api/v1/sandboxes")["sandboxes"]}
    page.wait_for_timeout(1000)
    assert tiles.get_by_role("radio", name="Host").count() == 0
    for name, title in (("docker", "Docker"), ("bubblewrap", "bubblewrap")):
        tile = tiles.get_by_role("radio", name=title)
        if not offered[name]["available"]["ok"]:
            # What is missing but can be set up says how, where it can be read.
            assert tile.get_attribute("aria-disabled") == "true"
            assert offered[name]["available"]["fix"] in page.locator(".spawn").inner_text()


def test_a_template_fills_the_form_and_asks_for_what_it_leaves_open(stage: Lab, chrome: Any) -> None:
    page = open_lab(chrome, stage)
    begin(page, "aether:new-agent", model="scripted:hello")
    goal = page.locator("#spawn-goal")
    explore = page.get_by_role("option", name="Explore a dataset")
    explore.click()
    selected = "() => { const g = document.activeElement; return g.value.slice(g.selectionStart, g.selectionEnd); }"
    wait_for(lambda: page.evaluate(selected) == "<file>", 5)
    offered = stage.get("aether/api/v1/templates")
    assert f"{offered['workspaces']}/data" in page.locator(".spawn-folders").inner_text()
    page.keyboard.press("Control+Enter")
    assert "<file>" in page.locator("#spawn-goal-problem").inner_text()
    assert page.evaluate(selected) == "<file>"
    # The arrows go from one template to the next; what a template said gives way, what a person wrote does not.
    explore.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("option", name="Fix a failing test", selected=True).wait_for()
    assert goal.input_value().startswith("In /workspaces/code/")
    goal.fill("Say hello.")
    explore.click()
    assert goal.input_value() == "Say hello."
    page.get_by_role("searchbox", name="Search templates").fill("quotes")
    assert page.locator(".spawn-templates [role=option] b").all_inner_texts() == ["Read texts", "Empty"]
    # What is folded away opens where it does not read well.
    page.locator(".spawn-more summary").click()
    page.locator("#spawn-permissions").fill("maybe tool=run_command")
    page.locator(".spawn-more summary").click()
    page.keyboard.press("Control+Enter")
    page.locator("#spawn-permissions-problem").wait_for()
    page.locator("#spawn-permissions:focus").fill("ask risk=write")
    page.keyboard.press("Control+Enter")
    page.locator("dialog.spawn").wait_for(state="detached")
    pid = stage.get("aether/api/v1/processes")["processes"][0]["pid"]
    spec = stage.get(f"aether/api/v1/processes/{pid}/spec")
    assert (spec["goal"], spec["role"], spec["mode"]) == ("Say hello.", "analyst", "accept_edits")
    assert (spec["workspaces"], spec["labels"]) == (["data"], {"template": "explore-a-dataset"})
    assert (spec["permissions"], spec["limits"]["steps"]) == ([{"verdict": "ask", "risk": ["write"]}], 40)
    assert "first lines" in spec["system"]


FAMILIES = """
c.Aether.default_model = "auto"
c.Aether.cheap_models = ["scripted:hello"]
c.Aether.standard_models = ["scripted:question"]
c.Aether.frontier_models = ["scripted:table"]
"""


def test_a_model_is_chosen_for_the_task_and_changed_by_a_person(tmp_path: Path, chrome: Any) -> None:
    lab = Lab(tmp_path, config=SCRIPTS + FAMILIES)
    lab.start()
    try:
        page = open_lab(chrome, lab)
        # What the server would choose is told before anything is started, and follows what is written.
        begin(page, "aether:new-agent")
        page.locator("#spawn-goal").fill("Ask which one.")
        page.get_by_text("Now scripted:question. Standard: nothing asks for a cheaper").wait_for()
        page.locator("#spawn-goal").fill("Summarise it.")
        page.get_by_text("Now scripted:hello. Cheap: “summarise” is plain work").wait_for()
        page.locator("#spawn-goal").fill("Ask which one.")
        page.keyboard.press("Control+Enter")
        page.locator("dialog.spawn").wait_for(state="detached")
        pid = lab.get("aether/api/v1/processes")["processes"][0]["pid"]
        _state(lab, pid, "WAITING")
        run(page, "aether:open-agent", pid=pid)
        view = page.locator(".jp-AetherAgent")
        view.get_by_text("Standard: nothing asks for a cheaper or a stronger model.").wait_for()
        # Nothing of it is told by hovering alone.
        facts = view.get_by_role("button", name="Model, tokens and cost of step 1")
        facts.focus()
        page.keyboard.press("Enter")
        assert "scripted:question" in view.locator(".sfacts").inner_text()
        assert facts.get_attribute("aria-expanded") == "true"
        assert not violations(page, ".jp-AetherAgent")
        view.get_by_role("button", name="More", exact=True).click()
        page.get_by_role("menuitem", name="Change model").click()
        choice = page.locator(".jp-Dialog select")
        assert choice.locator("option").first.inner_text() == "Auto: the server chooses for each task"
        choice.select_option(label="Script table (scripted:table), frontier")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        view.get_by_text("chose the model scripted:table").wait_for()
        (asked,) = lab.get("aether/api/v1/approvals")["approvals"]
        answer = {"verdict": "answer", "answer": "The left", "digest": asked["digest"]}
        lab.post(f"aether/api/v1/approvals/{asked['id']}/decision", answer)
        _state(lab, pid, "ZOMBIE")
        assert lab.process(pid)["model"] == "scripted:table"
    finally:
        lab.stop()
    assert not lab.page_errors


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_screen_keeps_anybody_out(stage: Lab, chrome: Any, dark: bool, width: int) -> None:
    cell = "%%agent --model scripted:table --mode autonomous --name Table\nMake a table."
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("%load_ext aether_jupyter"), nbformat.v4.new_code_cell(cell)]
    )
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, stage.files / "table.ipynb")
    pids = {
        name: stage.spawn(goal=f"Do {name}.", name=name.title(), model=f"scripted:{name}", mode=mode)
        for name, mode in (
            ("table", "autonomous"),
            ("risky", "ask_risky"),
            ("question", "ask_risky"),
            ("remove", "accept_edits"),
            ("fail", "ask_risky"),
            ("slow", "autonomous"),
        )
    }
    stopped = stage.spawn(goal="Stop.", name="Stopped", model="scripted:slow", mode="autonomous")
    stage.post(f"aether/api/v1/processes/{stopped}/signals", {"signal": "STOP"})
    for name in ("risky", "question", "remove"):
        _state(stage, pids[name], "WAITING")
    _state(stage, pids["table"], "ZOMBIE")
    page = open_lab(chrome, stage, width=width, height=900, dark=dark)
    if width < 600:
        run(page, "application:set-mode", mode="single-document")
        for side in ("left", "right"):
            if page.locator(f"#jp-{side}-stack").is_visible():
                run(page, f"application:toggle-{side}-area")
    found: dict[str, list[str]] = {}

    def look(screen: str, *selectors: str) -> None:
        page.wait_for_timeout(400)
        found[screen] = violations(page, *selectors)

    run(page, "aether:open-mission-control")
    page.locator(".mc-card").first.wait_for(timeout=20_000)
    look("mission control, grid", ".jp-AetherMissionControl")
    page.locator(".jp-AetherMissionControl .mc-card").first.focus()
    page.keyboard.press("Space")
    look("mission control, selected", ".jp-AetherMissionControl")
    run(page, "aether:mission-control-clear")
    run(page, "aether:mission-control-toggle-view")
    look("mission control, table", ".jp-AetherMissionControl")
    run(page, "aether:mission-control-toggle-view")
    for name in ("table", "risky", "question", "fail", "slow"):
        run(page, "aether:open-agent", pid=pids[name])
        page.locator(f"#aether-agent-{pids[name]} .vrow").first.wait_for(timeout=20_000)
        look(f"agent view, {name}", f"#aether-agent-{pids[name]}")
    for tab in range(3):
        run(page, "aether:agent-tab-after")
        look(f"inspector, {tab}", f"#aether-agent-{pids['slow']}")
    begin(page, "aether:new-agent")
    page.locator("dialog.spawn").wait_for()
    page.wait_for_timeout(800)
    look("spawn dialog", ".jp-AetherSpawn")
    page.get_by_role("option", name="Explore a dataset").click()
    page.locator(".spawn-more summary").click()
    look("spawn dialog, from a template", ".jp-AetherSpawn")
    page.keyboard.press("Control+Enter")
    look("spawn dialog, goal missing", ".jp-AetherSpawn")
    page.keyboard.press("Escape")
    begin(page, "aether:show-keys")
    page.locator("dialog.ae-keys").wait_for()
    look("keys", ".jp-AetherKeys")
    page.keyboard.press("Escape")
    begin(page, "docmanager:open", path="table.ipynb")
    run_all_cells(page)
    page.locator(".ae-cell .res").wait_for(timeout=60_000)
    look("cell output", ".ae-cell")
    run(page, "aether:open-approvals")
    page.locator("#aether-approvals .ae-approval").first.wait_for()
    look("inbox", "#aether-approvals")
    for tab in ("Decided", "Rules"):
        page.locator("#aether-approvals").get_by_role("tab", name=tab).click()
        look(f"inbox, {tab}", "#aether-approvals")
    if width < 600:
        run(page, "application:toggle-right-area")
    run(page, "aether:show-agents")
    page.locator("#aether-agents .sb-row").first.wait_for()
    look("side panel", "#aether-agents")
    look("status bar", ".jp-AetherStatus")
    wrong = [f"{screen}: {said}" for screen, all_said in found.items() for said in all_said]
    assert not wrong, "\n".join(wrong)


def test_a_step_is_judged_by_keyboard_and_a_result_in_its_cell(stage: Lab, chrome: Any) -> None:
    pid = stage.spawn(goal="Look around.", name="judged", model="scripted:table", reflect=False)
    _state(stage, pid, "ZOMBIE")
    page = open_lab(chrome, stage)
    run(page, "aether:open-agent", pid=pid)
    first = page.locator('.jp-AetherAgent .step[aria-label="Step 1"]')
    first.focus()
    page.keyboard.press(".")
    up, down, comment = (first.locator(".tools .ae-thumbs button").nth(n) for n in range(3))
    assert up.evaluate("button => button === document.activeElement")
    assert min(up.bounding_box()[side] for side in ("width", "height")) >= 24
    page.keyboard.press("Enter")
    page.wait_for_function("button => button.getAttribute('aria-pressed') === 'true'", arg=up.element_handle())
    comment.focus()
    page.keyboard.press("Enter")
    page.locator(".ae-comment textarea").fill("Look into the folders, too.")
    page.keyboard.press("Control+Enter")
    first.locator(".ev.msg", has_text="You Look into the folders, too.").wait_for()
    # It closes when the server has it, and the focus comes back.
    page.wait_for_function("button => button === document.activeElement", arg=comment.element_handle())
    down.click()
    page.wait_for_function("button => button.getAttribute('aria-pressed') === 'true'", arg=down.element_handle())
    (said,) = stage.get(f"aether/api/v1/processes/{pid}/feedback")["feedback"]
    assert (said["step"], said["thumb"], said["comment"]) == (1, "down", "Look into the folders, too.")
    # The same in a cell: its thumbs are about the result.
    cell = nbformat.v4.new_code_cell("%%agent")
    data = {"application/vnd.aether.process+json": {"pid": pid, "cursor": 0, "name": "judged"}, "text/plain": "Done"}
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), stage.files / "judged.ipynb")
    run(page, "docmanager:open", path="judged.ipynb")
    thumb = page.locator('.ae-cell .ae-thumbs button[aria-label="Thumb up"]')
    thumb.click()
    page.wait_for_function("button => button.getAttribute('aria-pressed') === 'true'", arg=thumb.element_handle())
    wait_for(lambda: len(stage.get(f"aether/api/v1/processes/{pid}/feedback")["feedback"]) == 2)
    assert stage.get("aether/api/v1/profile?agent=judged")["thumbs_up"] == 1


def test_an_image_is_pasted_sent_shown_and_opened(stage: Lab, chrome: Any) -> None:
    pid = stage.spawn(goal="ask", name="Asker", model="scripted:question")
    wait_for(lambda: stage.process(pid)["state"] == "WAITING")
    page = open_lab(chrome, stage)
    run(page, "aether:open-agent", pid=pid)
    words = page.get_by_role("textbox", name=f"Message to agent {pid}")
    words.wait_for()
    words.evaluate(
        """(node, bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], 'a.png', { type: 'image/png' }));
          node.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        list(drawn("teal", (640, 480))),
    )
    attached = page.locator(".comp .ae-pic img")
    attached.wait_for()
    send = page.get_by_role("button", name="Send", exact=True)
    assert send.get_attribute("aria-disabled") == "true", "an image alone says nothing"
    words.fill("What is on it?")
    send.click()
    attached.wait_for(state="detached")
    small = page.locator(".step.person .ae-picb").last
    small.locator("img").wait_for()
    assert small.locator("img").get_attribute("alt") == "Image, 640 by 480 pixels"
    assert small.locator("img").get_attribute("src").startswith("blob:")
    assert small.locator("img").evaluate("node => [node.naturalWidth, node.naturalHeight]") == [640, 480]
    small.focus()
    page.keyboard.press("Enter")
    large = page.get_by_role("dialog", name="Image")
    large.locator("img").wait_for()
    assert not violations(page, ".ae-large", ".comp")
    page.keyboard.press("Escape")
    large.wait_for(state="detached")
    assert small.evaluate("node => node === document.activeElement")

    chooser = page.locator(".comp input[type=file]")
    chooser.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
    page.get_by_role("alert").get_by_text("these bytes are no PNG").wait_for()


def test_a_new_agent_is_given_an_image_that_can_be_looked_at_before(tmp_path: Path, chrome: Any) -> None:
    lab = Lab(tmp_path, config=f"{SCRIPTS}\nc.Aether.default_model = 'scripted:question'")
    lab.start()
    try:
        _give_an_image(chrome, lab)
    finally:
        lab.stop()
    assert not lab.page_errors


def _give_an_image(chrome: Any, lab: Lab) -> None:
    page = open_lab(chrome, lab)
    begin(page, "aether:new-agent")
    dialog = page.locator("dialog.spawn")
    dialog.get_by_label("Goal").fill("What is on it?")
    image = {"name": "a.png", "mimeType": "image/png", "buffer": drawn()}
    dialog.locator("input[type=file]").set_input_files(image)
    dialog.locator(".ae-picb img").wait_for()
    dialog.locator(".ae-picb").click()
    large = page.get_by_role("dialog", name="Image")
    large.locator("img").wait_for()
    page.keyboard.press("Escape")
    large.wait_for(state="detached")
    assert dialog.is_visible(), "the dialog below stays"
    dialog.get_by_role("button", name="Remove the image").click()
    dialog.locator(".ae-picb").wait_for(state="detached")
    dialog.locator("input[type=file]").set_input_files(image)
    dialog.locator(".ae-picb img").wait_for()
    dialog.get_by_role("button", name="Start agent").click()
    dialog.wait_for(state="detached")
    [process] = lab.get("aether/api/v1/processes")["processes"]
    assert len(lab.get(f"aether/api/v1/processes/{process['pid']}/spec")["images"]) == 1
