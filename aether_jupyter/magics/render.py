"""How an agent is shown in a cell: our renderer, widgets, questions in the cell, Markdown, or lines in a terminal.

JupyterLab draws `application/vnd.aether.process+json` itself and keeps it live, buttons included. Elsewhere the
kernel draws: with ipywidgets where their buttons can reach a busy cell, else by asking with `input()`, else as
Markdown that says how to decide from another cell.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import importlib.util
import os
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from ..client import show
from ..client.decisions import offered
from ..client.run import Run
from ..model.errors import AetherError
from ..model.events import Notice, Record, TextDelta
from ..model.harmless import line, plain
from ..model.process import Process
from ..model.tool import Approval, Remember

Ui = Literal["auto", "lab", "widget", "prompt", "markdown", "terminal"]
KINDS: tuple[Ui, ...] = ("auto", "lab", "widget", "prompt", "markdown", "terminal")
PAINT_S = 0.5


class Screen(Protocol):
    """One way to show a run: begun once, painted as things come, ended once."""

    def begin(self, run: Run) -> None: ...
    def heard(self, run: Run, thing: Record | Notice) -> None: ...
    async def asked(self, run: Run, approvals: list[Approval]) -> None: ...
    def end(self, run: Run, bound: str) -> None: ...


def choose(shell: Any, wanted: Ui, environ: Mapping[str, str] = os.environ) -> Ui:
    """What `auto` means here. It is a guess from the environment: `--ui` or `%config AetherMagics.ui` overrides it."""
    if wanted != "auto":
        return wanted
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "terminal"
    may_ask = bool(getattr(kernel, "_allow_stdin", False))
    foreign = "VSCODE_PID" in environ or "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules
    if foreign:
        return "widget" if buttons_reach_cells() else "prompt" if may_ask else "markdown"
    if "JPY_SESSION_NAME" in environ:  # set by a Jupyter server for the kernel of a document
        return "lab"
    return "prompt" if may_ask else "markdown"


def buttons_reach_cells() -> bool:
    """Whether this kernel hands a widget's clicks to a cell that is awaiting (ipykernel from 7.4 on)."""
    if importlib.util.find_spec("ipywidgets") is None:
        return False
    from ipykernel._version import version_info

    return tuple(version_info[:2]) >= (7, 4)


def screen(kind: Ui) -> Screen:
    """The screen of a kind that `choose` gave."""
    kinds: dict[Ui, type[Screen]] = {
        "lab": LabScreen,
        "widget": WidgetScreen,
        "prompt": PromptScreen,
        "markdown": MarkdownScreen,
        "terminal": TerminalScreen,
    }
    return kinds[kind]()


class MarkdownScreen:
    """One output, our MIME type with Markdown beside it, painted again at most twice a second."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._painted = 0.0
        self._shown = ""
        self._asked: list[Approval] = []

    def begin(self, run: Run) -> None:
        self._publish(run.process, show.summary_markdown(run.process), update=False)

    def heard(self, run: Run, thing: Record | Notice) -> None:
        if time.monotonic() - self._painted > PAINT_S and isinstance(thing, Record):
            self._publish(run.process, show.summary_markdown(run.process, approvals=self._asked), update=True)

    async def asked(self, run: Run, approvals: list[Approval]) -> None:
        self._asked = approvals
        self._publish(run.process, show.summary_markdown(run.process, approvals=approvals), update=True)

    def end(self, run: Run, bound: str) -> None:
        self._publish(run.process, show.summary_markdown(run.process, bound=bound), update=True)

    def _publish(self, process: Process, text: str, *, update: bool) -> None:
        if update and text == self._shown:
            return
        from IPython.display import publish_display_data

        self._painted, self._shown = time.monotonic(), text
        publish_display_data(  # type: ignore[no-untyped-call]
            show.bundle(process, text), transient={"display_id": self._id}, update=update
        )


class LabScreen(MarkdownScreen):
    """The same output for our renderer, which follows the feed itself and needs no paint in between."""

    def heard(self, run: Run, thing: Record | Notice) -> None:
        """Nothing: the renderer has heard it too."""


class PromptScreen(MarkdownScreen):
    """Markdown, and a question in the cell for what needs a person."""

    async def asked(self, run: Run, approvals: list[Approval]) -> None:
        await super().asked(run, approvals)
        for approval in approvals:
            await ask(run, approval)


class TerminalScreen:
    """Lines as they come, questions at the prompt."""

    def begin(self, run: Run) -> None:
        say(f"Agent {run.pid} ({line(run.process.model, 60) or 'default model'}) has started")

    def heard(self, run: Run, thing: Record | Notice) -> None:
        if isinstance(thing, Record):
            kind, words = show.event_text(thing.event)
            if kind and kind not in ("start", "asks", "answer", "failed"):
                say(f"  {kind:8} {line(words, 160)}")

    async def asked(self, run: Run, approvals: list[Approval]) -> None:
        for approval in approvals:
            await ask(run, approval)

    def end(self, run: Run, bound: str) -> None:
        say(show.summary_text(run.process))


class WidgetScreen:
    """ipywidgets: state, thought, the whole call with its buttons. Replaced by Markdown at the end, to be saved."""

    def __init__(self) -> None:
        import ipywidgets

        self._w = ipywidgets
        self._head = ipywidgets.HTML()
        self._voice = ipywidgets.HTML()
        self._questions = ipywidgets.VBox()
        self._markdown = MarkdownScreen()
        self._box = ipywidgets.VBox([self._head, self._voice, self._questions])
        self._words = ""
        self._painted = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, run: Run) -> None:
        from IPython.display import display

        self._paint(run)
        display(self._box)  # type: ignore[no-untyped-call]

    def heard(self, run: Run, thing: Record | Notice) -> None:
        if isinstance(thing, TextDelta):
            self._words = (self._words + thing.text)[-400:]
        elif isinstance(thing, Record):
            self._words = ""
            if not run.process.needs_person:
                self._questions.children = ()
        if time.monotonic() - self._painted > PAINT_S / 2 or isinstance(thing, Record):
            self._paint(run)

    async def asked(self, run: Run, approvals: list[Approval]) -> None:
        self._paint(run)
        self._questions.children = tuple(self._question(run, approval) for approval in approvals)

    def end(self, run: Run, bound: str) -> None:
        self._box.close()
        self._markdown._publish(run.process, show.summary_markdown(run.process, bound=bound), update=False)

    def _paint(self, run: Run) -> None:
        self._painted = time.monotonic()
        process = run.process
        head = f"{process.pid} · {show.steps(process)} steps · {show.money(process)} · {show.time_spent(process)}"
        self._head.value = f"<b>{html.escape(show.word(process))}</b> {html.escape(head)}"
        said = self._words or (process.voice.text if process.voice else "")
        self._voice.value = html.escape(line(said, 280))

    def _question(self, run: Run, approval: Approval) -> Any:
        w = self._w
        shown = [show.call_text(approval), approval.preview, approval.because, approval.where]
        blocks = "".join(f"<pre>{html.escape(plain(text))}</pre>" for text in shown if text)
        note = w.HTML()
        row: list[Any]
        if approval.kind == "question":
            field = w.Text(placeholder="Your answer")
            send = w.Button(description="Answer", button_style="primary")
            send.on_click(lambda _: self._decide(run.answer(field.value, approval), note))
            field.on_submit(lambda _: self._decide(run.answer(field.value, approval), note))
            row = [field, send, *(self._option(run, approval, option, note) for option in approval.options[:9])]
        else:
            limit = approval.kind == "limit"
            yes = w.Button(description=offered(approval).capitalize() if limit else "Approve", button_style="primary")
            no = w.Button(description="Finish here" if limit else "Refuse")
            why = w.Text(placeholder="Why not")
            session = w.Checkbox(description="For this session", value=False, indent=False)

            def remember() -> Remember:
                return "session" if session.value else "once"

            yes.on_click(lambda _: self._decide(run.approve(approval, remember=remember()), note))
            no.on_click(lambda _: self._decide(run.refuse(approval, reason=why.value), note))
            may_last = not limit and approval.risk is not None and approval.risk.value != "destructive"
            row = [yes, no, *([] if limit else [why]), *([session] if may_last else [])]
        return w.VBox([w.HTML(blocks), w.HBox(row), note])

    def _option(self, run: Run, approval: Approval, option: str, note: Any) -> Any:
        button = self._w.Button(description=line(option, 60))
        button.on_click(lambda _: self._decide(run.answer(option, approval), note))
        return button

    def _decide(self, deciding: asyncio.Task[Any], note: Any) -> None:
        async def tell() -> None:
            try:
                await deciding
            except AetherError as error:
                note.value = html.escape(error.message)

        task = asyncio.get_running_loop().create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def ask(run: Run, approval: Approval) -> None:
    """Ask with `input()` and decide. An empty answer refuses a call, finishes at a limit, and asks a question again."""
    say("\n" + show.asked_text(approval))
    try:
        if approval.kind == "question":
            words = ""
            while not words.strip():
                words = await _input("Your answer: ")
            await run.answer(words, approval)
        elif await _yes(f"Go on for {offered(approval)}? [y/N] " if approval.kind == "limit" else "Run it? [y/N] "):
            await run.approve(approval)
        elif approval.kind == "limit":
            await run.refuse(approval)
        else:
            await run.refuse(approval, reason=await _input("Why not (it reads this, may be empty): "))
    except AetherError as error:
        say(error.message)


async def _yes(question: str) -> bool:
    return (await _input(question)).strip().lower() in ("y", "yes")


async def _input(question: str) -> str:
    # Not in a thread: a kernel takes its answers only in the cell's own, and nothing else is to happen meanwhile.
    return input(question)  # noqa: ASYNC250


def say(text: str) -> None:
    """Print plain text."""
    sys.stdout.write(plain(text) + "\n")
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
