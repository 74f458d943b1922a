"""Exports are pure, lose nothing, and disarm what agents wrote."""

from __future__ import annotations

import base64
import json

import msgspec
import nbformat

from aether_jupyter.api.export import as_json, as_notebook, as_text, export, named
from aether_jupyter.model.agent import AgentSpec, Limits, Mode
from aether_jupyter.model.events import (
    Event,
    MessageSent,
    ModelAnswered,
    ModelChosen,
    ModelRequested,
    ProcessExited,
    ProcessSpawned,
    Record,
    ToolEnded,
    ToolStarted,
)
from aether_jupyter.model.image import caption
from aether_jupyter.model.message import Text, ToolCall, Usage
from aether_jupyter.model.process import ExitStatus, Process
from aether_jupyter.model.tool import Evidence, Outcome
from aether_jupyter.pictures import examine

from ..drawn import drawn

SPEC = AgentSpec(goal="Build it")
PROCESS = Process(
    pid=7,
    name="builder",
    owner="ada",
    goal="Build it",
    model="m:x",
    sandbox="auto",
    mode=Mode.ASK_RISKY,
    limits=Limits(),
)
RUN = ToolCall(id="c1", tool="run_command", arguments={"command": "make\nls"})
WRITE = ToolCall(id="c2", tool="write_file", arguments={"path": "a.txt", "content": "hi"})
EVENTS: list[Event] = [
    ProcessSpawned(PROCESS, SPEC),
    ModelAnswered(1, "m:x", (Text("First ![x](http://evil/?q) <img src=x> \x1b[31mred\u202e"), RUN, WRITE), Usage()),
    ToolStarted(1, RUN),
    ToolEnded(
        1, "c1", "run_command", Outcome(ok=True, content="built", evidence=Evidence(exit_code=0, stdout="built\n"))
    ),
    ToolStarted(1, WRITE),
    ProcessExited(ExitStatus(0, "completed", "Done")),
]
RECORDS = [
    Record(seq=n, id=str(n), pid=7, n=n, owner="ada", actor="runtime", at=1.0 + n, event=event)
    for n, event in enumerate(EVENTS, 1)
]


def test_json_gives_the_records_back() -> None:
    body = json.loads(as_json(PROCESS, SPEC, RECORDS))
    assert msgspec.convert(body["records"], list[Record]) == RECORDS
    assert msgspec.convert(body["spec"], AgentSpec) == SPEC


def test_text_reads_from_top_to_bottom_without_control_characters() -> None:
    text = as_text(PROCESS, SPEC, RECORDS).decode()
    assert text.index("Build it") < text.index("$ make") < text.index("exit code 0") < text.index("Done")
    assert not {"\x1b", "\u202e", "\x00"} & set(text)


def test_no_backslash_of_an_agent_frees_its_html() -> None:
    from nbconvert.filters import markdown2html_mistune as markdown2html

    evil = ("\\<img src=http://evil/?a>", "\\![x](http://evil/?a)", "\\\\<script>1</script>", "~~~\n```\n<iframe>")
    for text in evil:
        events = [ProcessSpawned(PROCESS, SPEC), ModelAnswered(1, "m:x", (Text(text),), Usage())]
        records = [msgspec.structs.replace(r, event=e) for r, e in zip(RECORDS, events, strict=False)]
        for cell in json.loads(as_notebook(PROCESS, SPEC, records))["cells"]:
            shown = markdown2html(cell["source"])
            for tag in ("<img", "<script", "<iframe"):
                assert tag not in shown


def test_a_notebook_has_a_cell_a_call_and_no_live_html() -> None:
    notebook = json.loads(as_notebook(PROCESS, SPEC, RECORDS))
    nbformat.validate(notebook)
    run, write = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert run["source"] == "%%bash\nmake\nls"
    assert run["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "built\n"}]
    assert write["source"] == "%%writefile a.txt\nhi"
    assert write["outputs"] == []
    said = "".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert "![" not in said.replace("!\\[", "")
    assert "<img" not in said.replace("\\<", "")


def test_the_same_records_give_the_same_bytes() -> None:
    for kind in ("json", "text", "notebook"):
        assert export(kind, PROCESS, SPEC, RECORDS) == export(kind, PROCESS, SPEC, RECORDS)


def test_a_notebook_holds_the_images_and_the_text_names_them() -> None:
    content = drawn()
    image = examine(content)
    spec = AgentSpec(goal="Look", images=(image,))
    events: list[Event] = [
        MessageSent("m1", "ada", "and this", images=(image,)),
        ToolStarted(1, WRITE),
        ToolEnded(1, "c2", "write_file", Outcome(ok=True, content="drawn", images=(image,))),
    ]
    records = [msgspec.structs.replace(RECORDS[0], n=n, seq=n, event=event) for n, event in enumerate(events, 1)]
    assert named(spec, records) == [image.digest]
    data = base64.b64encode(content).decode()
    book = nbformat.reads(
        as_notebook(PROCESS, spec, records, {image.digest: (content, "image/png")}).decode(), as_version=4
    )
    nbformat.validate(book)
    goal, message, call = book.cells
    for cell in (goal, message):
        [(name, attached)] = cell.attachments.items()
        assert attached == {"image/png": data}
        assert f"(attachment:{name})" in cell.source
    assert call.outputs[-1].data["image/png"] == data
    # Without the bytes, or without room for them, their place is named.
    bare = nbformat.reads(as_notebook(PROCESS, spec, records).decode(), as_version=4)
    assert bare.cells[2].outputs[-1].data == {"text/plain": f"[{caption(image)}]"}
    assert as_text(PROCESS, spec, records).decode().count(caption(image)) == 3


def test_a_filename_is_plain() -> None:
    odd = msgspec.structs.replace(PROCESS, name='../"x"\r\n.html')
    assert export("text", odd, SPEC, []).filename == "7-x-.html.txt"


def test_the_choice_of_a_model_is_told_where_it_changes() -> None:
    why = "Standard: nothing asks for a cheaper or a stronger model."
    events: list[Event] = [
        ProcessSpawned(PROCESS, SPEC),
        ModelRequested(1, "m:x", why=why, family="standard", since=1),
        ModelAnswered(1, "m:y", (Text("Hm."),), Usage(), instead="m:x is closed"),
        ModelRequested(2, "m:x", why=why, family="standard", since=1),
        ModelChosen("auto:cheap", "ada"),
    ]
    records = [msgspec.structs.replace(r, event=e) for r, e in zip(RECORDS, events, strict=False)]
    text = as_text(PROCESS, SPEC, records).decode()
    assert text.count(why) == 1
    assert text.index("step 1 · asks m:x") < text.index("step 1 · answered by m:y") < text.index("m:x is closed")
    assert "ada chose auto:cheap" in text
    sources = "".join(cell["source"] for cell in json.loads(as_notebook(PROCESS, SPEC, records))["cells"])
    assert "nothing asks for a cheaper or a stronger model" in sources
