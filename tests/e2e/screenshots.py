"""Pictures of the real screens for the README: `python -m tests.e2e.screenshots [FOLDER]`.

The agents are scripts, so that each picture shows the same every time; all else is as a person gets it.
"""

from __future__ import annotations

import http.server
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat

from .lab import ROOT, Lab, begin, browser, has_desktop, open_lab, run, run_all_cells, wait_for

SCRIPTS = '''
from aether_jupyter.model.message import Text, ToolCall
from aether_jupyter.providers.scripted import register


def story(*turns):
    """A script that says these turns one after the other: words, or words and (tool, arguments)."""

    def answer(given, transcript):
        words, *call = turns[min(given, len(turns) - 1)]
        return (Text(words), ToolCall("", call[0], call[1])) if call else (Text(words),)

    return answer


CSV = "month,orders\\nJanuary,412\\nFebruary,388\\nMarch,467\\n"
register("orders", story(
    ("I will look at what is there before I write anything.", "list_files", {"path": "."}),
    ("The folder is empty, so I write the table first.", "write_file", {"path": "orders.csv", "content": CSV}),
    ("Now I check it by reading it back.", "read_file", {"path": "orders.csv"}),
    ("The sum needs a short command.", "run_command",
     {"command": "awk -F, 'NR>1 {s+=$2} END {print s}' orders.csv > total.txt && cat total.txt"}),
    ("The three months hold 1,267 orders; orders.csv and total.txt are in my home.",),
), pace_s=0.4)
register("cleanup", story(
    ("The build folder is from the last release. Nothing refers to it any more.", "run_command",
     {"command": "rm -r build && ls -la"}),
    ("The build folder is gone.",),
))
register("question", story(
    ("There are two date formats in the export.", "ask_person",
     {"question": "Which date format shall the report use?", "options": ["2026-11-22", "22 November 2026"]}),
    ("The report uses the format you chose.",),
))
def weeks():
    """Two steps a week: write, then something that takes a while."""
    for n in range(1, 24):
        words = f"Week {n}: I compare the figures with those of last year and note what stands out."
        yield words, "write_file", {"path": f"week-{n}.md", "content": f"# Week {n}\\n\\nOrders rose.\\n"}
        yield "Now I read the export of that week.", "run_command", {"command": f"sleep 4 && wc -c week-{n}.md"}


register("report", story(*weeks()))


def desk():
    """Opens the table in an editor, and adds a line to it now and then."""
    yield "I write down what I have so far.", "write_file", {"path": "orders.csv", "content": CSV}
    yield "I open it in the editor, where I see what I do.", "desktop_open", {"program": "mousepad orders.csv"}
    yield "The cursor belongs at the end.", "desktop_click", {"x": 640, "y": 420}
    yield "To the last line.", "desktop_press", {"keys": "ctrl+End"}
    yield "April is the next month.", "desktop_type", {"text": "April,501"}
    for _ in range(40):
        yield "Nothing else may change meanwhile.", "desktop_wait", {"seconds": 4}
        yield "I keep the editor in front.", "desktop_click", {"x": 640, "y": 420}


register("desk", story(*desk()))


def shop():
    """Looks through a shop and orders, and then watches what comes of it."""
    yield "I open the shop's own list of orders.", "browser_open", {"url": "SITE/orders"}
    yield "April is not there yet; what may be chosen?", "browser_read", {}
    yield "Only what is open matters.", "browser_select", {"target": 'combobox "State"', "options": ["open"]}
    yield "The note belongs to the first order.", "browser_type", {"target": 'textbox "Note"', "text": "checked"}
    yield "I mark the first one.", "browser_click", {"target": "1014,280", "dialog": "accept"}
    for _ in range(40):
        yield "The page says when it is kept.", "browser_wait", {"text": "all kept", "seconds": 60}


register("shop", story(*shop()))
register("stuck", story(
    ("I open the portal's letter.", "desktop_open", {"program": "mousepad"}),
    ("This is nothing I can know.", "ask_for_help",
     {"question": "The portal asks for a code from your phone. Please sign in; I go on with May."}),
    ("Signed in.",),
))
'''

FLEET: tuple[dict[str, Any], ...] = (
    {"name": "Count spring orders", "goal": "Write a table of the spring orders and add them up.", "script": "orders"},
    {"name": "Tidy the checkout", "goal": "Remove what the last build left behind.", "script": "cleanup"},
    {"name": "Weekly report", "goal": "Write the weekly report, one file a week.", "script": "report"},
    {"name": "Yearly comparison", "goal": "Compare each week with last year's.", "script": "report"},
    {"name": "Clean the export", "goal": "Bring the dates of the export into one format.", "script": "question"},
    {"name": "Nightly import", "goal": "Import last night's files.", "script": "fail"},
)


PLAN = """\
- [x] Collect the figures of the first half
  - [x] Read the exports
  - [x] Compare them with last year's
- [~] Write the weekly reports
  - [x] Weeks 1 to 8
  - [~] Weeks 9 to 16
  - [ ] Weeks 17 to 23
- [!] Ask for the figures of week 24 (because: the export is not there yet)
- [ ] Sum up the half year
  - [ ] What stands out
  - [ ] What to look at next
"""


MEMORIES: tuple[dict[str, Any], ...] = (
    {"text": "The export of January counts two days twice: rows 31 and 32.", "importance": 0.9, "days": 40},
    {"text": "priya wants totals without tax, and in the order of the months.", "layer": "social", "importance": 0.8},
    {"text": "Add orders up with awk on the file itself; the spreadsheet rounds.", "layer": "procedural", "days": 24},
    {"text": "February came late last year and is in March.", "layer": "episodic", "importance": 0.6, "days": 12},
    {"text": "The orders of a month are in one CSV with the columns month and orders.", "days": 30},
    {"text": "Each month has one CSV file of orders with two columns, month and orders.", "importance": 0.4, "days": 3},
    {"text": "ana reads the table on Monday mornings.", "layer": "social", "importance": 0.4, "days": 50},
    {"text": "The first run wrote total.txt beside the table, too.", "layer": "episodic", "days": 20},
    {"text": "Read a table back after writing it: twice a line was missing.", "layer": "procedural", "days": 60},
)


def _remember(lab: Lab) -> int:
    """What one of the agents knows from before; gives the id of the memory that is shown in full."""
    now = time.time()
    kept = []
    for agent, notes in (("Count spring orders", MEMORIES[::-1]), ("Weekly report", MEMORIES[1:3])):
        body = [{"tags": ["orders"], "at": now - note.pop("days", 0) * 86_400, **note} for note in map(dict, notes)]
        kept.append(lab.post("aether/api/v1/memories", {"agent": agent, "notes": body})["memories"])
    lab.post("aether/api/v1/memories/grants", {"agent": "Count spring orders", "reader": "Weekly report"})
    lab.post(f"aether/api/v1/memories/{kept[0][-3]['id']}", {"pinned": True})
    wait_for(lambda: not lab.get("aether/api/v1/memories/spaces")["waiting"], 60)
    return int(kept[0][-2]["id"])


def _fill(lab: Lab) -> dict[str, int]:
    pids = {"memory": _remember(lab)}
    for each in FLEET:
        mode = "autonomous" if each["script"] in ("orders", "report") else "ask_risky"
        pids[each["script"]] = lab.spawn(
            goal=each["goal"], name=each["name"], model=f"scripted:{each['script']}", mode=mode, origin="notebook"
        )
    wait_for(lambda: lab.process(pids["orders"])["state"] == "ZOMBIE", 60)
    lab.put(f"aether/api/v1/processes/{pids['report']}/plan", {"outline": PLAN})
    wait_for(lambda: lab.process(pids["cleanup"])["state"] == "WAITING", 30)
    return pids


def _notebook(lab: Lab) -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# Spring orders\nAn agent writes the table, adds it up, and shows its work."),
        nbformat.v4.new_code_cell("%load_ext aether_jupyter"),
        nbformat.v4.new_code_cell(
            "%%agent --model scripted:orders --mode autonomous --name Spring\n"
            "Write a table of the spring orders and add them up."
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.files / "spring_orders.ipynb")


def _shots(chrome: Any, lab: Lab, pids: dict[str, int], folder: Path, dark: bool, width: int, height: int) -> None:
    page, tag = _bare(chrome, lab, dark, width, height)
    narrow = width < 600

    def shot(name: str) -> None:
        page.wait_for_timeout(1200)
        page.screenshot(path=folder / f"{name}.{tag}.png")

    run(page, "aether:open-mission-control")
    page.locator(".mc-card").first.wait_for(timeout=20_000)
    shot("mission-control")
    run(page, "aether:open-agent", pid=pids["orders"])
    shot("agent")
    run(page, "aether:open-agent", pid=pids["report"])
    if narrow:
        page.get_by_role("tab", name="Plan").click()
    page.get_by_role("tree", name="Plan").wait_for()
    shot("plan")
    run(page, "aether:open-memory", agent="Count spring orders")
    page.locator(".mi-row[data-memory]").first.wait_for()
    page.locator(".mi-bar input").fill("totals of the orders")
    page.locator(".mi-row mark").first.wait_for()
    if not narrow:
        page.locator(f'.mi-row[data-memory="{pids["memory"]}"]').click()
    shot("memory")
    run(page, "aether:open-context", pid=pids["orders"], step=3)
    page.locator(".mi-told section").first.wait_for()
    if not narrow:
        page.get_by_label("Compare with").select_option("2")
    shot("context")
    run(page, "aether:open-mission-control")
    run(page, "aether:open-approvals")
    shot("approvals")
    if not narrow:
        run(page, "application:toggle-right-area")
    begin(page, "aether:new-agent")
    page.get_by_role("option", name="Write a script").click()
    shot("new-agent")
    page.context.close()


def _desktop(chrome: Any, folder: Path) -> None:
    """An agent's desktop: watched, taken over, and with the agent asking for help. It needs Docker and its image."""
    with tempfile.TemporaryDirectory() as place:
        lab = Lab(Path(place), config=f"{SCRIPTS}\nc.Aether.sandbox = 'docker'")
        lab.start()
        try:
            box = {"kind": "docker", "desktop": "xfce", "memory_mb": 3000}
            pids = {
                script: lab.spawn(goal=goal, name=name, model=f"scripted:{script}", mode="autonomous", sandbox=box)
                for script, name, goal in (
                    ("desk", "Enter the orders", "Enter the orders of April."),
                    ("stuck", "Fetch the invoices", "Fetch the invoices of May from the portal."),
                )
            }
            wait_for(lambda: lab.process(pids["desk"])["step"] >= 7, 120)
            wait_for(lambda: lab.process(pids["stuck"])["state"] == "WAITING", 60)
            for dark, width, height in ((False, 1440, 900), (False, 390, 844), (True, 1440, 900), (True, 390, 844)):
                _desktop_shots(chrome, lab, pids, folder, dark, width, height)
        finally:
            lab.stop()


def _desktop_shots(
    chrome: Any, lab: Lab, pids: dict[str, int], folder: Path, dark: bool, width: int, height: int
) -> None:
    page, tag = _bare(chrome, lab, dark, width, height)

    def shot(name: str) -> None:
        page.wait_for_timeout(2500)
        page.screenshot(path=folder / f"{name}.{tag}.png")

    run(page, "aether:open-desktop", pid=pids["desk"])
    page.locator(".jp-AetherDesktop .cur").wait_for(timeout=30_000)
    shot("desktop")
    page.get_by_role("button", name="Take over").click()
    page.get_by_label("Note for the agent").fill("I added May as well. Go on from there.")
    page.locator(".jp-AetherDesktop canvas").click(position={"x": 200, "y": 150})
    page.keyboard.type(" ")
    page.locator(".jp-AetherDesktop canvas").hover(position={"x": 180, "y": 120})
    shot("desktop-yours")
    page.get_by_role("button", name="Hand back").click()
    page.get_by_text("Agent has control").wait_for()
    run(page, "aether:open-desktop", pid=pids["stuck"])
    page.get_by_text("Asks for help").wait_for()
    shot("desktop-help")
    page.context.close()


SHOP = """<!doctype html><meta charset="utf-8"><title>Orders - Nordwind supplies</title>
<style>
  body { margin: 0; color: #222; background: #f6f5f2; font: 16px/1.5 sans-serif; }
  header { padding: 18px 40px; color: white; background: #24505c; font-size: 20px; font-weight: 600; }
  nav { float: right; font-weight: 400; word-spacing: 18px; }
  main { width: 1060px; margin: 26px auto; }
  form { display: flex; gap: 14px; align-items: center; margin: 14px 0; }
  input, select { height: 34px; padding: 0 8px; border: 1px solid #999; border-radius: 4px; font: inherit; }
  table { width: 100%; border-collapse: collapse; background: white; }
  th, td { padding: 10px 16px; border-bottom: 1px solid #ddd; text-align: left; }
  td button { height: 30px; padding: 0 14px; border: 0; border-radius: 4px; color: white; background: #24505c; }
</style>
<header>Nordwind supplies <nav>Orders Invoices Account</nav></header>
<main><h1>Orders of April</h1>
<form onsubmit="return false">
  <label>State <select><option>all<option>open<option>paid<option>returned</select></label>
  <label>Note <input size="34"></label>
</form>
<table><tr><th>Order<th>Customer<th>Day<th>Sum<th></tr>ROWS</table></main>
<script>
  for (const button of document.querySelectorAll('td button')) {
    button.onclick = () => {
      if (confirm('Mark this order as checked? It is then sent.')) button.textContent = 'Sent';
    };
  }
</script>"""
ROWS = (
    ("N-20981", "Ostsee Kontor", "2 April", "1,204.00"),
    ("N-20982", "Hafen & Co", "3 April", "318.50"),
    ("N-20983", "Brandt Logistik", "7 April", "9,870.00"),
    ("N-20984", "Lindner AG", "9 April", "77.20"),
    ("N-20985", "Ostsee Kontor", "14 April", "2,450.90"),
)


class Shop(http.server.BaseHTTPRequestHandler):
    """The pages that an agent works on."""

    def do_GET(self) -> None:
        """The list of orders, whatever is asked for."""
        rows = "".join(f"<tr><td>{'<td>'.join(row)}<td><button>Check</button>" for row in ROWS)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(SHOP.replace("ROWS", rows).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _browser(chrome: Any, folder: Path) -> None:
    """An agent's browser: watched, and taken over while its page asks something."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as place:
        config = f"{SCRIPTS.replace('SITE', f'http://{site}')}\nc.Aether.private_hosts = [{site!r}]"
        lab = Lab(Path(place), config=config)
        lab.start()
        try:
            names = ("open", "read", "select", "type", "click", "wait")
            pid = lab.spawn(
                goal="Check the orders of April in the supplier's shop.",
                name="Check the orders",
                model="scripted:shop",
                mode="autonomous",
                tools=[f"browser_{name}" for name in names],
                sandbox={"network": "host"},
            )
            wait_for(lambda: lab.process(pid)["step"] >= 6, 60, lambda: str(lab.process(pid)))
            for dark, width, height in ((False, 1440, 900), (False, 390, 844), (True, 1440, 900), (True, 390, 844)):
                _browser_shots(chrome, lab, pid, folder, dark, width, height)
        finally:
            lab.stop()
            server.shutdown()


def _browser_shots(chrome: Any, lab: Lab, pid: int, folder: Path, dark: bool, width: int, height: int) -> None:
    page, tag = _bare(chrome, lab, dark, width, height)

    def shot(name: str) -> None:
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / f"{name}.{tag}.png")

    run(page, "aether:open-browser", pid=pid)
    panel = page.locator(".jp-AetherBrowser")
    panel.locator(".cur").wait_for(timeout=30_000)
    shot("browser-panel")
    panel.get_by_role("button", name="Take over").click()
    panel.get_by_label("Note for the agent").fill("The second one is a mistake: leave it as it is.")
    box = panel.locator("canvas").bounding_box()
    scale = box["width"] / 1280
    page.mouse.click(box["x"] + 1014 * scale, box["y"] + 331 * scale)
    panel.get_by_role("dialog").wait_for()
    shot("browser-panel-you")
    page.keyboard.press("Escape")
    panel.get_by_role("dialog").wait_for(state="detached")
    panel.get_by_role("button", name="Hand back").click()
    panel.get_by_text("Agent has control").wait_for()
    page.context.close()


def _bare(chrome: Any, lab: Lab, dark: bool, width: int, height: int) -> tuple[Any, str]:
    """Lab of this size with nothing at its sides, and what its pictures are called after."""
    tag = f"{'dark' if dark else 'light'}-{width}"
    page = open_lab(chrome, lab, width=width, height=height, dark=dark, path=f"lab/workspaces/{tag}")
    run(page, "application:set-mode", mode="single-document" if width < 600 else "multiple-document")
    for side in ("left", "right"):
        if page.locator(f"#jp-{side}-stack").is_visible():
            run(page, f"application:toggle-{side}-area")
    return page, tag


def _cell(chrome: Any, lab: Lab, folder: Path) -> None:
    page = open_lab(chrome, lab, path="lab/tree/spring_orders.ipynb")
    run_all_cells(page)
    page.locator(".jp-CodeCell").nth(1).get_by_text("1,267 orders").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1200)
    page.screenshot(path=folder / "cell.light-1440.png")
    page.context.close()


def main() -> None:
    """Take all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "labextension" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        lab = Lab(Path(place), config=SCRIPTS)
        _notebook(lab)
        lab.start()
        try:
            pids = _fill(lab)
            with browser() as chrome:
                _cell(chrome, lab, folder)
                for dark in (False, True):
                    _shots(chrome, lab, pids, folder, dark, 1440, 900)
                    _shots(chrome, lab, pids, folder, dark, 390, 844)
                _browser(chrome, folder)
                if has_desktop():
                    _desktop(chrome, folder)
                else:
                    print("no pictures of desktops: no Docker engine with their images")
        finally:
            lab.stop()


if __name__ == "__main__":
    main()
