"""While a cell is busy: it is interrupted, buttons of widgets decide, and a question is asked in the cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from tests.faces import Server


class Live:
    """A kernel with a front end that answers questions and presses buttons."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.answers: list[str] = []
        self.comms: dict[str, dict[str, Any]] = {}

    def send(self, code: str, *, stdin: bool = False) -> str:
        return str(self.client.execute(code, allow_stdin=stdin, stop_on_error=False))

    def until(self, key: str, done: Any = None, timeout_s: float = 40) -> list[dict[str, Any]]:
        """The messages of one request, until it is idle or `done(message)`."""
        seen: list[dict[str, Any]] = []
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            self._answer()
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except Exception as error:
                if type(error).__name__ != "Empty":
                    raise
                continue
            content = message["content"]
            if message["msg_type"] == "comm_open":
                self.comms[content["comm_id"]] = dict(content["data"].get("state", {}))
            if message["msg_type"] == "comm_msg" and content["comm_id"] in self.comms:
                self.comms[content["comm_id"]].update(content["data"].get("state", {}))
            if message["parent_header"].get("msg_id") == key:
                seen.append(message)
                if message["msg_type"] == "status" and content["execution_state"] == "idle":
                    return seen
            if done is not None and done(message):
                return seen
        raise AssertionError(f"not done: {[(m['msg_type'], m['content']) for m in seen][-5:]}")

    def _answer(self) -> None:
        if self.answers and self.client.stdin_channel.msg_ready():
            self.client.get_stdin_msg(timeout=1)
            self.client.input(self.answers.pop(0))

    def button(self, description: str) -> str | None:
        return next((key for key, state in self.comms.items() if state.get("description") == description), None)

    def click(self, key: str) -> None:
        message = self.client.session.msg(
            "comm_msg", {"comm_id": key, "data": {"method": "custom", "content": {"event": "click"}}}
        )
        self.client.shell_channel.send(message)


@pytest.fixture
def live(server: Server) -> Iterator[tuple[Live, KernelManager]]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=server.environment)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=40)
        live = Live(client)
        live.until(live.send("%load_ext aether_jupyter"))
        yield live, manager
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_interrupting_the_cell_interrupts_the_agent(live: tuple[Live, KernelManager], server: Server) -> None:
    kernel, manager = live
    key = kernel.send("%%agent --model scripted:slow --name interrupted\nTake long")
    kernel.until(key, lambda m: m["msg_type"] == "display_data")
    with server.client() as client:
        while client.processes(name="interrupted")[0].step < 1:
            time.sleep(0.05)
    manager.interrupt_kernel()
    messages = kernel.until(key)
    [error] = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert "was interrupted" in error["evalue"]
    with server.client() as client:
        [process] = client.processes(name="interrupted")
        assert client.wait(process.pid, timeout_s=10).needs_person
        client.signal(process.pid, "KILL")


def test_a_button_decides_while_the_cell_is_busy(live: tuple[Live, KernelManager], server: Server) -> None:
    kernel, _ = live
    key = kernel.send("%%agent --ui widget --model scripted:risky --name by-button\nClean up")
    kernel.until(key, lambda _: kernel.button("Approve") is not None)
    button = kernel.button("Approve")
    assert button is not None
    kernel.click(button)
    messages = kernel.until(key)
    final = [m["content"]["data"].get("text/markdown", "") for m in messages if m["msg_type"] == "display_data"][-1]
    assert final.startswith("**Done**")
    with server.client() as client:
        [process] = client.processes(name="by-button")
        [approval] = client.approvals(pid=process.pid, waiting=False)
        assert approval.decision is not None
        assert approval.decision.verdict == "approve"


def test_a_question_is_asked_in_the_cell(live: tuple[Live, KernelManager], server: Server) -> None:
    kernel, _ = live
    kernel.answers = ["n", "the folder is needed"]
    key = kernel.send("%%agent --ui prompt --model scripted:risky --name by-prompt\nClean up", stdin=True)
    messages = kernel.until(key)
    text = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
    assert "rm -r build" in text
    with server.client() as client:
        [process] = client.processes(name="by-prompt")
        assert process.exit is not None
        assert "the folder is needed" in process.exit.message
