"""`%%agent` and `%aether` in a real kernel against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from aether_jupyter.client.show import MIME
from aether_jupyter.magics import words
from aether_jupyter.magics.agent import AetherMagics
from tests.drawn import drawn
from tests.faces import Server


class Kernel:
    """Cells run one after the other in one kernel."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client

    def run(self, source: str) -> list[Any]:
        """The outputs of a cell; an error is an output too."""
        cell = new_code_cell(source)
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return list(cell.outputs)

    def text(self, source: str) -> str:
        """The last output as a reader without Lab sees it."""
        [*_, last] = self.run(source)
        data = last.get("data", {})
        return str(data.get("text/markdown") or data.get("text/plain") or last.get("text") or last.get("evalue"))


@pytest.fixture(scope="module")
def kernel(server: Server) -> Iterator[Kernel]:
    notebook: nbformat.NotebookNode = new_notebook()
    client = NotebookClient(notebook, timeout=60, allow_errors=True, kernel_name="python3")
    with client.setup_kernel(env=server.environment):
        kernel = Kernel(client)
        assert kernel.run("%load_ext aether_jupyter\n%config AetherMagics.model = 'scripted:echo-file'") == []
        yield kernel


def test_a_cell_is_a_goal_and_its_result_is_bound(kernel: Kernel) -> None:
    [output] = kernel.run("%%agent --name writer\nWrite it")
    assert output["data"][MIME]["name"] == "writer"
    assert output["data"]["text/markdown"].startswith("**Done** after 3 steps")
    assert "written by an agent" in output["data"]["text/plain"]
    assert "written by an agent" in kernel.text("_agent")


def test_a_typed_result_is_bound_to_the_named_variable(kernel: Kernel) -> None:
    kernel.run("import dataclasses\n@dataclasses.dataclass\nclass Report:\n    answer: int")
    kernel.run("%%agent --model scripted:result --output report:Report\nHow much")
    assert kernel.text("report") == "Report(answer=42)"


def test_variables_stand_in_the_first_line_only(kernel: Kernel) -> None:
    kernel.run("which = 'scripted:hello'")
    kernel.run("%%agent --model {which}\nLeave {which} alone")
    kernel.run("import aether_jupyter as aether")
    assert kernel.text("aether.ps()[0].goal") == "'Leave {which} alone'"
    assert kernel.text("aether.ps()[0].model") == "'scripted:hello'"


def test_shared_folders_are_mounted_by_name(kernel: Kernel) -> None:
    kernel.run("%%agent --model scripted:hello --workspace data --workspace code --detach --output run\nLook around")
    kernel.run("import aether_jupyter as aether\nfrom aether_jupyter.client.client import Aether")
    assert kernel.text("Aether().spec(run.pid).workspaces") == "('data', 'code')"


def test_images_go_with_a_cell_and_with_words(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "a chart.png"
    path.write_bytes(drawn())
    kernel.run(f"from PIL import Image\nfrom pathlib import Path\nchart = Image.open({str(path)!r})")
    kernel.run(f"%%agent --model scripted:ask --image chart --image '{path}' --detach --output run\nLook")
    kernel.run("from aether_jupyter.client.client import Aether")
    assert kernel.text("{(i.width, i.height) for i in Aether().spec(run.pid).images}") == "{(64, 48)}"
    kernel.run(f"%aether send {{run.pid}} --image '{path}' and this")
    kernel.run("[said] = [r.event for r in Aether().records(run.pid) if hasattr(r.event, 'images')]")
    assert kernel.text("(said.text, len(said.images))") == "('and this', 1)"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%agent --model scripted:fail\nx", "The script refuses"),
        ("%%agent --frob\nx", "unrecognized arguments"),
        ("%%agent --steps many\nx", "invalid int"),
        ("%%agent\n", "Write the goal"),
        ("%%agent --output 1x\nx", "no name of a variable"),
        ("%%agent --output a:Nothing\nx", "does not have"),
        ("%%agent --model scripted:nothing\nx", "No script"),
        ("%aether frob", "no word 'frob'"),
        ("%aether signal 1", "Say which signal"),
        ("%aether logs 999999", "No process 999999"),
        ("%aether approve", "Say which one"),
        ("%aether approve x --for-ever", "--for-ever is no option here"),
        ("%aether ps --al", "--al is no option here"),
        ("%aether extend 7 50", "'50' is too much"),
        ("%aether extend 7 --steps", "no number"),
        ("%aether model 7", "Say which one"),
        ("%aether model x auto", "Say which agent"),
        ("%aether take", "Say which one"),
        ("%aether return 999999 done", "No process 999999"),
        ("%aether model 999999 auto", "No process 999999"),
        ("%aether logs ²", "Say which agent"),
        ("%aether send 7", "Say what"),
        ("%aether connect", "Say which one"),
    ],
)
def test_an_error_is_one_sentence(kernel: Kernel, cell: str, words: str) -> None:
    error = kernel.run(cell)[-1]
    assert error["output_type"] == "error"
    assert words in error["evalue"]
    assert len(error["traceback"]) == 1
    assert "Traceback" not in error["traceback"][0]


def test_a_detached_agent_is_decided_from_another_cell(kernel: Kernel) -> None:
    kernel.run("%%agent --detach --model scripted:risky --output run\nClean up")
    shown = kernel.text("await run.wait(person=True)\nrun")
    assert "rm -r build" in shown
    key = kernel.text("(await run.pending())[0].id").strip("'")
    assert key in kernel.text("%aether approvals")
    assert kernel.text(f"%aether refuse {key} keep it").count("Refused") == 1
    assert "keep it" in kernel.text("await run")
    assert "already" in kernel.run(f"%aether approve {key}")[-1]["evalue"].lower()


def test_an_agent_is_steered_by_words(kernel: Kernel) -> None:
    kernel.run("%%agent --detach --model scripted:slow --output run\nTake long")
    pid = kernel.text("run.pid")
    assert pid in kernel.text("%aether ps")
    assert "Sent" in kernel.text(f"%aether send {pid} be quick")
    assert f"Agent {pid} asks auto from its next step on." in kernel.text(f"%aether model {pid} auto")
    assert "Agents that name no model ask scripted:hello." in kernel.text("%aether models")
    assert "/51 steps" in kernel.text(f"%aether extend {pid} --steps 1")
    kernel.run(f'%aether send {pid} it\'s as "quick" as that')
    assert "Take long" in kernel.text(f"%aether context {pid} --step 1")
    assert "KILL" in kernel.text(f"%aether signal kill {pid}")
    assert 'it\'s as "quick" as that' in kernel.text(f"%aether logs {pid}")
    assert "Killed" in kernel.text(f"%aether logs {pid}")


def test_a_plan_is_shown_and_set_in_a_cell(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%agent --model scripted:slow --detach\nPlan it")
    (tmp_path / "plan.md").write_text("- [x] read\n- [ ] write")
    assert "1 of 2 done" in kernel.text(f"%aether plan {{_agent.pid}} --set {tmp_path / 'plan.md'}")
    assert "- [ ] write" in kernel.text("%aether plan {_agent.pid}")
    assert "plan.md" in kernel.text("%aether plan {_agent.pid} --set /nowhere/plan.md")
    kernel.run("await _agent.signal('KILL')")


def test_every_word_is_in_the_help() -> None:
    told = AetherMagics.aether.__doc__ or ""
    assert [word for word in words._WORDS if f"%aether {word}" not in told] == []


def test_many_runs_are_gathered_in_the_running_loop(kernel: Kernel) -> None:
    code = (
        "import asyncio, aether_jupyter as aether\n"
        "runs = await asyncio.gather(*[aether.spawn('x', model='scripted:hello') for _ in range(5)])\n"
        "len(await asyncio.gather(*runs))"
    )
    assert kernel.text(code) == "5"


def test_memories_are_read_and_memory_md_is_written_in_a_cell(kernel: Kernel) -> None:
    kernel.run("import aether_jupyter as aether; aether.connect().remember('Spring orders', 'Priya counts them.');")
    assert "Spring orders: 1 semantic" in kernel.text("%aether memory")
    assert "Priya counts them." in kernel.text("%aether memory Spring orders")
    assert "Priya counts them." in kernel.text("%aether memory Spring orders: who counts")
    assert "Say what to recall" in kernel.text("%aether memory Spring orders:")
    assert "has no MEMORY.md" in kernel.text("%aether notes Spring orders")
    assert "version 1" in kernel.text("%aether notes Spring orders: Answer in French: always.")
    assert "\nAnswer in French: always.\n" in kernel.text("%aether notes Spring orders")


def test_a_step_is_judged_and_a_profile_shown_in_a_cell(kernel: Kernel) -> None:
    [output] = kernel.run("%%agent --model scripted:hello --name judged --no-reflect\nhi")
    pid = output["data"][MIME]["pid"]
    assert "Nobody has said anything" in kernel.text(f"%aether feedback {pid}")
    assert "thumb down: too short" in kernel.text(f"%aether feedback {pid} 1 down too short")
    assert "too short" in kernel.text("%aether profile judged")
    assert "judged: 1 task; 1 succeeded" in kernel.text("%aether profile")
    assert "Taken back" in kernel.text(f"%aether feedback {pid} 1 none")
    assert "Say which step" in kernel.text(f"%aether feedback {pid} first up")


def test_an_agent_is_captured_and_goes_on_in_another(kernel: Kernel) -> None:
    kernel.run("%%agent --model scripted:echo-file --name kept\nWrite it")
    pid = kernel.text("import aether_jupyter as aether\nnext(each.pid for each in aether.ps() if each.name == 'kept')")
    taken = kernel.text(f"%aether snapshot {pid} the end")
    assert "goes on from it" in taken
    key = taken.partition("Snapshot ")[2].split()[0]
    assert "the end" in kernel.text(f"%aether snapshots {pid}")
    assert "goes on from step 3" in kernel.text(f"%aether restore {key} --paused")
    assert "goes on from step 1" in kernel.text(f"%aether fork {pid} --step 1 --paused")


def test_the_doctor_answers_in_a_cell(kernel: Kernel) -> None:
    assert "database" in kernel.text("%aether doctor")


def test_help_and_run_cell_magic_work(kernel: Kernel) -> None:
    assert "--detach" in kernel.text("print(get_ipython().find_cell_magic('agent').__doc__)")
    kernel.run("get_ipython().run_cell_magic('agent', '--output other', 'Write it')")
    assert "written by an agent" in kernel.text("other")


def test_loading_twice_and_unloading(kernel: Kernel) -> None:
    assert kernel.run("%reload_ext aether_jupyter") == []
    kernel.run("%unload_ext aether_jupyter")
    assert "not found" in str(kernel.run("%aether ps")[-1])
    kernel.run("%load_ext aether_jupyter\n%config AetherMagics.model = 'scripted:echo-file'")
    assert "PID" in str(kernel.run("%aether ps")[-1])
