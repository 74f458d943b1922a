"""The tutorials run from top to bottom, on scripts always and on the embedded model where it is."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.faces import ROOT, Server, clean_environment, running_server
from tests.sandboxes.conftest import docker_engine

__all__ = ["docker_engine"]

FOLDER = ROOT / "notebooks"


def play(path: Path, environment: dict[str, str], cell_s: int = 110) -> str:
    """Everything the notebook shows."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=cell_s, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    with client.setup_kernel(env=environment):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(str(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in outputs)


def test_the_first_agent(server: Server) -> None:
    shown = play(FOLDER / "01_first_agent.ipynb", server.environment | {"AETHER_MODEL": "scripted:echo-file"})
    assert "this is not a language model" in shown, "a script is never silent"
    assert shown.count("wrote: written by an agent") == 2


def test_tools_and_approvals(server: Server) -> None:
    shown = play(FOLDER / "02_tools_and_approvals.ipynb", server.environment | {"AETHER_MODEL": "scripted:risky"})
    assert "may only plan" in shown
    assert "Keep the build folder" in shown
    assert "every agent" in shown
    assert "asked 0 times" in shown


def test_an_agent_that_learns(server: Server) -> None:
    shown = play(FOLDER / "03_memory.ipynb", server.environment | {"AETHER_MODEL": "scripted:apprentice"})
    assert "not accepted" in shown, "the first day fails"
    assert "Before a file is handed in at the desk, the first line of the file must be: team: data." in shown
    assert "version 2.0 is out" in shown, "the second day succeeds"
    assert "given, and cited" in shown


@pytest.mark.docker
@pytest.mark.timeout(400)
def test_a_desktop_and_a_browser(docker_engine: None, tmp_path: Path) -> None:
    page = b"<title>Tides</title><h1>High water at noon.</h1>"
    with serving(page) as port, running_server(tmp_path, f"--Aether.private_hosts=127.0.0.1:{port}") as server:
        environment = server.environment | {"TUTORIAL_SITE": f"http://127.0.0.1:{port}/"}
        shown = play(FOLDER / "05_desktop_and_browser.ipynb", environment)
    assert "this is not a language model" in shown
    assert "WAITING - It asks you something." in shown
    assert "has control of a desktop of 1280 by 800 pixels" in shown
    assert "Dear Priya,\nthe report is ready.\nplum" in shown
    assert "High water at noon." in shown


@contextmanager
def serving(page: bytes) -> Iterator[int]:
    """A web site of one page; gives its port."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    try:
        yield site.server_address[1]
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_tutorials_are_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


def headless(home: Path, model: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | {"AETHER_HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
    return subprocess.run(
        [sys.executable, str(FOLDER / "headless.py"), str(FOLDER / "01_first_agent.ipynb")],
        env=environment | ({"AETHER_MODEL": model} if model else {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def test_without_a_screen_it_succeeds_only_if_the_effect_is_there(tmp_path: Path) -> None:
    done = headless(tmp_path / "a", "scripted:echo-file", 110)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 agents did what they were told" in done.stdout


def test_without_a_screen_it_fails_if_nothing_was_done(tmp_path: Path) -> None:
    done = headless(tmp_path / "b", "scripted:hello", 110)
    assert done.returncode == 1


@pytest.mark.embedded
@pytest.mark.timeout(900)
def test_without_a_screen_on_the_embedded_model(tmp_path: Path) -> None:
    done = headless(tmp_path / "c", "local:qwen2.5-coder-1.5b", 890)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.embedded
@pytest.mark.timeout(1500)
def test_an_agent_learns_from_its_failure_on_the_embedded_model(tmp_path: Path) -> None:
    """The desk accepts the file of the second run, because the first one's lesson is given to it."""
    with running_server(tmp_path) as server:
        environment = server.environment | {"AETHER_MODEL": "local:qwen2.5-coder-1.5b"}
        shown = play(FOLDER / "03_memory.ipynb", environment, cell_s=700)
    assert "The agents below think with local:qwen2.5-coder-1.5b." in shown
    assert "not accepted" in shown, "the first day fails"
    assert "team: data\nversion 2.0 is out" in shown, "the second day succeeds"
    assert re.search(r"\] given(?:, and cited)?: .*team: data", shown), "and is given the lesson"
