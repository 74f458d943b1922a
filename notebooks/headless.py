"""Runs a tutorial without a screen, on a server of its own: prints what the agents did, and succeeds only if it is so.

    python notebooks/headless.py notebooks/01_first_agent.ipynb

Exit status 0 means that every cell ran, that the agents of the notebook ended with success, and that the file which
they were told to write is in their homes; that is read from the server, not from what the agents say.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from aether_jupyter.cli.server import own_server
from aether_jupyter.client import show
from aether_jupyter.client.client import Aether
from aether_jupyter.model.errors import AetherError

EFFECT = ("notes.txt", "written by an agent")
CELL_S = 900


def main(path: Path) -> int:
    """Run the notebook; 0 if it did what it says."""
    print(f"Running {path} on a server of its own …", flush=True)
    began = time.time()
    try:
        with own_server() as server:
            os.environ["AETHER_URL"], os.environ["AETHER_TOKEN"] = server.address.url, server.address.token
            with _nobody_there(server):
                played = _play(path)
            return played or _examine(server, began)
    except AetherError as error:
        print(error.message, file=sys.stderr)
        return 1


def _play(path: Path) -> int:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_S,
        resources={"metadata": {"path": str(path.parent)}},
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
        on_cell_executed=lambda cell, cell_index, execute_reply: _print(cell),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"\nA cell failed: {show.plain(error.evalue)}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _nobody_there(server: Aether) -> Iterator[None]:
    """Refuse what needs a person: without a screen nobody can be asked, and nothing must wait for ever."""
    done = threading.Event()

    def refuse() -> None:
        with Aether.at(server.address) as client:
            while not done.wait(2.0):
                for approval in client.approvals():
                    print(f"Nobody is there to decide: {show.line(show.call_text(approval))}", flush=True)
                    with contextlib.suppress(AetherError):
                        client.decide(approval, "finish" if approval.kind == "limit" else "refuse")

    thread = threading.Thread(target=refuse, name="nobody", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)


def _print(cell: Any) -> None:
    if cell.cell_type != "code":
        return
    print("\n" + "\n".join(f"    {row}" for row in cell.source.splitlines()))
    for output in cell.outputs:
        data = output.get("data") or {}
        print(show.plain(output.get("text") or data.get("text/plain") or "").rstrip(), flush=True)


def _examine(server: Aether, began: float) -> int:
    """What the agents of this run did, as the server knows it."""
    agents = [p for p in server.processes() if p.created_at >= began - 1]
    if not agents:
        print("\nNo agent ran.", file=sys.stderr)
        return 1
    wrong = 0
    for process in reversed(agents):
        print(f"\nAgent {process.pid}, {process.model}, in {process.sandbox}: {show.word(process)}")
        for record in server.records(process.pid, limit=1000):
            kind, words = show.event_text(record.event)
            if kind in ("action", "result", "error", "answer", "failed"):
                print(f"  {kind:8} {show.line(words, 160)}")
        name, text = EFFECT
        try:
            there = text in server.read_file(process.pid, name).decode(errors="replace")
        except AetherError as error:
            there = False
            print(f"  {error.message}")
        print(f"  checked  {name} {'holds' if there else 'does not hold'} the text it was told to write")
        wrong += not there or process.exit is None or process.exit.code != 0
    print(f"\n{len(agents) - wrong} of {len(agents)} agents did what they were told.")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python notebooks/headless.py NOTEBOOK")
    sys.exit(main(Path(sys.argv[1])))
