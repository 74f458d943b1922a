"""`%%agent`: the cell is the goal of an agent, which is shown live until it ends; and `%aether`, the shell beside it.

A cell that begins with `%%agent` becomes an awaited call, so that the kernel's loop runs on while the agent works:
buttons of widgets are heard and an interrupt arrives. `AetherMagics.agent` itself is for code that calls
`run_cell_magic`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal as signals
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from traitlets import Enum, Unicode

from ..client.run import Run, spawn
from ..model.agent import Mode
from ..model.errors import AetherError, BadRequest
from ..model.events import Record
from ..model.harmless import plain
from ..model.process import Signal
from . import words
from .render import KINDS, Screen, choose, screen

DEFAULT_NAME = "_agent"

_NAMED = (
    *("name", "role", "system", "mode", "permissions", "workspaces", "sandbox"),
    *("desktop", "network", "hosts", "disk_mb", "gpus"),
    *("steps", "tokens", "cost_usd", "wall_s", "reflect"),
)


class _Parser(argparse.ArgumentParser):
    """Raises `BadRequest` where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise BadRequest(f"{message}; %%agent? lists the options")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise BadRequest(message or "")


def options() -> argparse.ArgumentParser:
    """The options of `%%agent`."""
    parser = _Parser(prog="%%agent", add_help=False, description="The rest of the cell is the goal.")
    add = parser.add_argument
    add("--model", default="", help="provider:model; the server's default where none is given")
    add("--mode", default=Mode.ASK_RISKY.value, choices=[m.value for m in Mode], help="what it may do without asking")
    add(
        "--permission",
        action="append",
        default=[],
        dest="permissions",
        help="allow, ask or deny, and conditions, in quotes: 'deny tool=run_command'; may be given often",
    )
    add(
        "--image",
        action="append",
        default=[],
        dest="images",
        help="image that goes with the goal: a path, or a variable with a path, bytes or a picture; may be given often",
    )
    add("--role", default="", help="what it is, in a word")
    add(
        "--workspace",
        action="append",
        default=[],
        dest="workspaces",
        help="shared folder, which it finds at /workspaces/NAME; may be given often",
    )
    add("--sandbox", default="auto", help="auto, docker, bubblewrap or host")
    add("--desktop", default=None, help="a desktop of its own in Docker: xfce, or openbox, which is lighter")
    add("--network", default=None, help="what its commands reach: none, allowed (the hosts of --host) or host")
    add("--host", action="append", default=[], dest="hosts", help="host that they may reach; may be given often")
    add("--disk", type=int, default=None, dest="disk_mb", help="MB its home may hold")
    add("--gpus", type=int, default=0, help="GPUs for itself alone")
    add("--name", default="", help="what to call it")
    add("--system", default="", help="standing instructions")
    add("--tools", default=None, help="names of tools, with commas; all of the default set where none is given")
    add("--steps", type=int, default=50, help="steps until it asks to go on (50)")
    add("--tokens", type=int, default=None, help="tokens until it asks to go on")
    add("--cost", "--budget", type=float, default=None, dest="cost_usd", help="US dollars until it asks to go on")
    add("--wall", type=float, default=None, dest="wall_s", help="seconds of work until it asks to go on")
    add("--output", default=DEFAULT_NAME, help="variable for the result, NAME or NAME:TYPE; _agent if none is given")
    add(
        "--reflect",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether it looks back on its run when that has ended (--no-reflect: not); else as the server is set",
    )
    add("--detach", action="store_true", help="do not wait; the variable gets the Run, which can be awaited")
    add("--ui", default="", choices=["", *KINDS], help="how to show it (%%config AetherMagics.ui)")
    return parser


@magics_class
class AetherMagics(Magics):
    """Agents in notebook cells."""

    ui = Enum(list(KINDS), "auto", help="How `%%agent` shows an agent: auto, lab, widget, prompt, markdown.").tag(
        config=True
    )
    model = Unicode("", help="Model of `%%agent` cells that name none; empty is the server's default.").tag(config=True)

    @cell_magic
    def agent(self, line: str, cell: str) -> None:
        """Run an agent whose goal is the cell.

            %%agent [--model M] [--mode MODE] [--permission 'deny tool=…'] [--image FILE] [--role R] [--workspace W]
                    [--sandbox S] [--desktop D] [--network N] [--host H] [--disk MB] [--gpus N] [--name N]
                    [--tools a,b] [--steps 50]
                    [--tokens N] [--cost USD] [--wall S] [--output NAME[:TYPE]] [--reflect | --no-reflect] [--detach]
                    [--ui KIND]
            Count the words in notes.txt and write the number to count.txt.

        The cell shows it live and ends with it; the result is bound to NAME (`_agent`). With TYPE (a Pydantic model,
        dataclass or other type of the notebook) the result is an instance of it. MODE is plan, ask_always, ask_risky
        (the default), accept_edits or autonomous. `{name}` in the first line is replaced by that variable.
        Interrupting the cell interrupts the agent, which then waits for your words: `%aether send PID …`.
        """
        trouble: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(run_cell(self.shell, line, cell, ui="markdown"))
            except BaseException as error:  # noqa: BLE001 (handed to the thread that asked)
                trouble.append(error)

        thread = threading.Thread(target=work, name="aether cell")
        thread.start()
        thread.join()
        if trouble:
            raise trouble[0]

    @line_magic
    def aether(self, line: str) -> Any:
        """See and steer agents.

        %aether ps [--all]                    one's agents
        %aether logs PID                      what it thought and did
        %aether context PID [--step N]        what the model was told
        %aether plan PID [--set FILE]         its plan, or another one for it
        %aether signal PID STOP|CONT|INT|TERM|KILL
        %aether send PID [--image FILE …] words …   words for it, and images
        %aether extend PID --steps 25         more steps, tokens (--tokens), money (--cost) or time (--wall)
        %aether models                        the models, and the families from which auto chooses
        %aether snapshot PID [label]          capture it; %aether snapshots [PID] lists them
        %aether restore ID [--paused]         another agent goes on from a snapshot
        %aether fork PID [--step N] [--model M] [--paused]   another one goes on from a step
        %aether take PID                      take its desktop and browser over; %aether return PID note hands them back
        %aether model PID auto                another model from the next step on; auto lets the server choose
        %aether approvals                     what waits for you
        %aether approve ID [--session|--always]   ID may be the PID of an agent that asks for one thing
        %aether refuse ID [why …]
        %aether answer ID words …
        %aether feedback PID [STEP up|down|none words …]   judge a step, or see what people said
        %aether profile [NAME or PID]         what an agent has done in its runs
        %aether memory [NAME[: words …]]      what an agent remembers; with words, what of it fits them
        %aether notes NAME[: words …]         its MEMORY.md: your own words, which every run of the name reads
        %aether rules                         standing approvals; %aether revoke ID withdraws one
        %aether doctor                        how the server is, and what to do where it is not well
        %aether connect URL [TOKEN]           another server than the one found
        """
        with _one_sentence():
            return words.perform(line)


def await_agent_cells(lines: list[str]) -> list[str]:
    """IPython input transformer: `%%agent` cells become an awaited call."""
    if not lines or lines[0].split(maxsplit=1)[:1] != ["%%agent"] or lines[0].rstrip().endswith("?"):
        return lines
    first = lines[0].strip().removeprefix("%%agent").strip()
    call = f"await __import__({__name__!r}, fromlist=['run_cell']).run_cell(get_ipython(), {first!r}, "
    return [f"{call}{''.join(lines[1:])!r})\n"]


async def run_cell(shell: Any, line: str, cell: str, *, ui: str = "") -> None:
    """What an `%%agent` cell does. Errors are shown as one sentence."""
    with _one_sentence():
        try:
            given = options().parse_args(shlex.split(shell.var_expand(line)))
        except ValueError as error:
            raise BadRequest(f"The line of %%agent does not read well: {error}") from None
        if not cell.strip():
            raise BadRequest("Write the goal of the agent into the cell, below %%agent")
        name, _, type_name = given.output.partition(":")
        if not name.isidentifier():
            raise BadRequest(f"--output {name!r} is no name of a variable")
        magics = shell.magics_manager.registry.get("AetherMagics")
        wanted: Any = ui or given.ui or (magics.ui if magics else "auto")
        chosen: dict[str, Any] = {
            "model": given.model or (magics.model if magics else ""),
            "tools": [t.strip() for t in given.tools.split(",") if t.strip()] if given.tools is not None else None,
            "origin": "notebook cell",
        }
        for option in _NAMED:
            chosen[option] = getattr(given, option)
        output = _type(shell, type_name) if type_name else None
        images = [shell.user_ns.get(each, each) if each.isidentifier() else each for each in given.images]
        run = await spawn(cell.strip(), images=images, output=output, **chosen)
        view = screen(choose(shell, wanted))
        view.begin(run)
        if given.detach:
            shell.user_ns[name] = run
            return
        with _interruptible(shell):
            try:
                await watch(run, view)
            except asyncio.CancelledError:
                await _interrupt(run, view)
                raise KeyboardInterrupt(f"Agent {run.pid} was interrupted") from None
        view.end(run, name if run.exit is not None and run.exit.code == 0 else "")
        shell.user_ns[name] = run.result


async def watch(run: Run, view: Screen) -> None:
    """Show the run until it ends, and hand what waits for a person to the screen, each question once."""
    told: set[str] = set()
    asking: asyncio.Task[None] | None = None
    try:
        async for thing in run.live():
            view.heard(run, thing)
            if not run.process.needs_person:
                told.clear()  # what is still open when it waits again is asked again
            elif isinstance(thing, Record) and (asking is None or asking.done()):
                new = [one for one in await run.pending() if one.id not in told]
                told |= {one.id for one in new}
                if new:
                    if asking is not None:
                        await asking
                    asking = asyncio.create_task(view.asked(run, new))
        if asking is not None and not asking.done():
            asking.cancel()
    finally:
        if asking is not None:
            await asyncio.gather(asking, return_exceptions=True)


async def _interrupt(run: Run, view: Screen) -> None:
    if not run.done:
        with contextlib.suppress(AetherError, TimeoutError):
            await run.signal(Signal.INT)
            await asyncio.wait_for(run.wait(person=True), 3.0)
    view.end(run, "")


@contextlib.contextmanager
def _interruptible(shell: Any) -> Iterator[None]:
    """In a terminal Ctrl-C shall cancel the cell; a kernel sees to that itself."""
    if getattr(shell, "kernel", None) is not None:
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    try:
        loop.add_signal_handler(signals.SIGINT, task.cancel)
    except (NotImplementedError, RuntimeError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signals.SIGINT)


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """An error of Aether, and an interrupt, is shown as what it says, without a wall of frames."""
    try:
        yield
    except (AetherError, KeyboardInterrupt) as error:
        title, said = type(error).__name__, plain(str(error))
        error._render_traceback_ = lambda *_: [f"\x1b[31m{title}\x1b[39m: {said}"]  # type: ignore[union-attr]
        raise


def _type(shell: Any, name: str) -> Any:
    import builtins

    found = shell.user_ns.get(name, getattr(builtins, name, None))
    if found is None:
        raise BadRequest(f"--output names the type {name!r}, which this notebook does not have")
    return found
