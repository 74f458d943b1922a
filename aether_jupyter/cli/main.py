"""`aether run | ps | logs | context | send | plan | signal | approvals | approve | refuse | answer | extend | rules |
revoke | take | return | shell | model | models | feedback | profile | memory | snapshot | export-me | erase-me |
doctor | serve`, over the same API.

Exit codes: 0 it worked (for `run`: the agent ended with success), 1 it failed, 2 the command line does not read well,
3 no server, 4 not there, 5 a conflict (somebody decided first, a wrong state), 6 the agent waits for a person,
130 interrupted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from .. import __version__
from .common import CONFLICT, INTERRUPTED, NO_SERVER, NOT_THERE, client_of, common, put, safe
from .memory import memory
from .personal import erase_me, export_me
from .shell import shell
from .snapshot import snapshot

if TYPE_CHECKING:
    from ..client.client import Aether
    from ..model.errors import AetherError
    from ..model.feedback import Thumb
    from ..model.tool import Approval, Remember


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aether")
def cli() -> None:
    """Agents as processes of a Jupyter server.

    Without --url the server is found: AETHER_URL, JupyterHub, the server of this terminal, any running one.
    """


@cli.command()
@click.argument("goal")
@click.option(
    "--model",
    default="",
    help="provider:model, or auto (auto:cheap, auto:standard, auto:frontier); else the server's default.",
)
@click.option(
    "--mode",
    type=click.Choice(["plan", "ask_always", "ask_risky", "accept_edits", "autonomous"]),
    default="ask_risky",
    help="What it may do without asking.",
)
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="allow, ask or deny, and conditions: 'deny tool=run_command', 'ask folder=reports'. May be given often.",
)
@click.option(
    "--image", "images", multiple=True, type=click.Path(exists=True, dir_okay=False), help="Image that goes with GOAL."
)
@click.option("--role", default="", help="What it is, in a word, such as researcher.")
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    help="Shared folder, which it finds at /workspaces/NAME. May be given often.",
)
@click.option("--sandbox", type=click.Choice(["auto", "docker", "bubblewrap", "host"]), default="auto")
@click.option(
    "--desktop",
    type=click.Choice(["none", "xfce", "openbox"]),
    default=None,
    help="A desktop of its own in Docker, which you can watch and take over.",
)
@click.option(
    "--network",
    type=click.Choice(["none", "allowed", "host"]),
    default=None,
    help="What its commands can reach: nothing, the hosts of --host, or all that this machine's network does.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Host its commands may reach, such as pypi.org, '*.pypi.org' or example.org:8443. May be given often.",
)
@click.option("--disk", "disk_mb", type=click.IntRange(16), default=None, help="MB its home may hold.")
@click.option("--gpus", type=click.IntRange(0), default=0, help="GPUs for itself alone.")
@click.option("--name", default="", help="What to call it.")
@click.option("--tools", default="", help="Names of tools, with commas; all of the default set where none is given.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True)
@click.option("--cost", type=float, default=None, help="US dollars it may spend.")
@click.option(
    "--reflect/--no-reflect",
    default=None,
    help="Whether it looks back on its run when that has ended; as the server is set where nothing is said.",
)
@click.option("--detach", is_flag=True, help="Print the PID and do not wait.")
@click.option("--yes", is_flag=True, help="Approve every call it asks for, without showing it first.")
@common
def run(
    goal: str,
    model: str,
    mode: str,
    permissions: tuple[str, ...],
    images: tuple[str, ...],
    role: str,
    workspaces: tuple[str, ...],
    sandbox: str,
    desktop: str | None,
    network: str | None,
    hosts: tuple[str, ...],
    disk_mb: int | None,
    gpus: int,
    name: str,
    tools: str,
    steps: int,
    cost: float | None,
    reflect: bool | None,
    detach: bool,
    yes: bool,
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Run an agent with GOAL and follow it to its end.

    What it may not do alone is asked for here, if this is a terminal; else the command ends with exit code 6 and the
    agent waits. Without a server to talk to, one is started for the run. Ctrl-C interrupts the agent.
    """
    from msgspec.structs import replace

    from ..client.pictures import contents
    from ..client.run import make_spec
    from .follow import follow
    from .server import found_or_started

    shown = contents(images)
    spec = make_spec(
        goal,
        model=model,
        mode=mode,
        permissions=permissions,
        role=role,
        workspaces=workspaces,
        sandbox=sandbox,
        desktop=desktop,
        network=network,
        hosts=hosts,
        disk_mb=disk_mb,
        gpus=gpus,
        name=name,
        tools=[t.strip() for t in tools.split(",") if t.strip()] or None,
        steps=steps,
        cost_usd=cost,
        reflect=reflect,
        origin="terminal",
    )
    with found_or_started(url, token, detach=detach) as client:
        kept = tuple(client.keep_image(content) for content in shown)
        process = client.spawn(replace(spec, images=kept))
        if detach:
            put(process, str(process.pid), as_json)
            return
        sys.exit(follow(client, process, as_json=as_json, yes=yes))


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Reaped ones too.")
@common
def ps(everything: bool, url: str, token: str, as_json: bool) -> None:
    """List agents, newest first."""
    from ..client.show import Table

    with client_of(url, token) as client:
        found = client.processes(reaped=everything)
    put(found, repr(Table(found)), as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.option("--follow", "-f", "on", is_flag=True, help="Go on until it ends.")
@common
def logs(pid: int, on: bool, url: str, token: str, as_json: bool) -> None:
    """Show what agent PID thought and did; with --json one record a line."""
    from .follow import show_record, tail

    with client_of(url, token) as client:
        if on:
            tail(client, pid, as_json=as_json)
            return
        after = 0
        while page := client.records(pid, after=after, limit=1000):
            for record in page:
                after = record.n
                show_record(record, as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.option("--step", type=click.IntRange(1), default=None, help="Which step; the last one where none is given.")
@common
def context(pid: int, step: int | None, url: str, token: str, as_json: bool) -> None:
    """Show what the model was told for a step of agent PID; with --json in full, else in short."""
    from ..client.show import context_text

    with client_of(url, token) as client:
        found = client.context(pid, step, chars=1_000_000 if as_json else 400)
    put(found, context_text(found), as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.argument("words", nargs=-1, required=True)
@click.option("--interrupt", is_flag=True, help="Drop its present step, so that it reads them at once.")
@click.option(
    "--image", "images", multiple=True, type=click.Path(exists=True, dir_okay=False), help="Image that goes with them."
)
@common
def send(
    pid: int, words: tuple[str, ...], interrupt: bool, images: tuple[str, ...], url: str, token: str, as_json: bool
) -> None:
    """Write WORDS to agent PID; `-` reads them from standard input."""
    from ..client.pictures import contents

    text = sys.stdin.read() if words == ("-",) else " ".join(words)
    shown = contents(images)
    with client_of(url, token) as client:
        kept = [client.keep_image(content) for content in shown]
        key = client.send(pid, text, interrupt=interrupt, images=kept)
    put({"id": key}, f"Sent to agent {pid}; it reads it before its next step.", as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.option("--set", "source", type=click.File(), help="Give it the outline in this file; `-` reads it here.")
@click.option(
    "--seen",
    type=click.IntRange(0),
    default=None,
    help="Only if its plan is still number N; what `aether plan` printed says so itself.",
)
@common
def plan(pid: int, source: TextIO | None, seen: int | None, url: str, token: str, as_json: bool) -> None:
    """Show the plan of agent PID, or give it another; the agent is told before its next step."""
    from ..client.show import plan_seen, plan_text

    outline = None if source is None else source.read()
    with client_of(url, token) as client:
        if outline is None:
            found = client.plan(pid)
        else:
            found = client.set_plan(pid, outline, seen=plan_seen(outline) if seen is None else seen)
    put(found, plan_text(found), as_json)


@cli.command()
@click.argument("what", type=click.Choice(["STOP", "CONT", "INT", "TERM", "KILL"], case_sensitive=False))
@click.argument("pids", type=click.IntRange(1), nargs=-1, required=True)
@common
def signal(what: str, pids: tuple[int, ...], url: str, token: str, as_json: bool) -> None:
    """Send a signal to PIDS: STOP pauses, CONT goes on, INT drops the step, TERM ends after it, KILL at once."""
    with client_of(url, token) as client:
        report = client.signal_many(what.upper(), pids)
    lines = [f"Agent {pid}: {what.upper()}" for pid in report.delivered]
    lines += [f"Agent {pid}: {why}" for pid, why in report.failed.items()]
    put(report, "\n".join(lines), as_json)
    if report.failed:
        sys.exit(CONFLICT if report.delivered or len(report.failed) > 1 else 1)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Decided ones too.")
@common
def approvals(everything: bool, url: str, token: str, as_json: bool) -> None:
    """List what waits for your decision."""
    from ..client.show import call_text

    with client_of(url, token) as client:
        found = client.approvals(waiting=not everything)
    text = "\n\n".join(f"{a.id}  agent {a.pid}, step {a.step}, {a.kind}\n{call_text(a)}" for a in found)
    put(found, text or "Nothing waits for you.", as_json)


@cli.command()
@click.argument("which")
@click.option("--session", "remember", flag_value="session", help="And calls of this tool by this agent from now on.")
@click.option("--always", "remember", flag_value="always", help="And calls of this tool by every agent from now on.")
@common
def approve(which: str, remember: Remember | None, url: str, token: str, as_json: bool) -> None:
    """Approve WHICH: the id of an approval, or the PID of an agent that asks for one thing."""
    from ..client import decisions

    with client_of(url, token) as client:
        one = _approval(client, which)
        done = client.decide(one, **decisions.yes(one, remember=remember or "once"))
    _decided(done, "Approved", as_json)


@cli.command()
@click.argument("which")
@click.option("--reason", default="", help="Why; the agent reads it.")
@common
def refuse(which: str, reason: str, url: str, token: str, as_json: bool) -> None:
    """Refuse WHICH: the id of an approval, or the PID of an agent that asks for one thing."""
    from ..client import decisions

    with client_of(url, token) as client:
        one = _approval(client, which)
        done = client.decide(one, **decisions.no(one, reason))
    _decided(done, "Refused", as_json)


@cli.command()
@click.argument("which")
@click.argument("words", nargs=-1, required=True)
@common
def answer(which: str, words: tuple[str, ...], url: str, token: str, as_json: bool) -> None:
    """Answer the question WHICH with WORDS."""
    from ..client import decisions

    with client_of(url, token) as client:
        one = _approval(client, which)
        done = client.decide(one, **decisions.answer(one, " ".join(words)))
    _decided(done, "Answered", as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.option("--steps", type=click.IntRange(1), default=None)
@click.option("--tokens", type=click.IntRange(1), default=None)
@click.option("--cost", type=float, default=None, help="US dollars.")
@click.option("--wall", type=float, default=None, help="Seconds of work.")
@common
def extend(
    pid: int,
    steps: int | None,
    tokens: int | None,
    cost: float | None,
    wall: float | None,
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Add to the limits of agent PID (25 steps where nothing is said)."""
    from ..client.show import summary_text

    if steps is tokens is cost is wall is None:
        steps = 25
    with client_of(url, token) as client:
        process = client.extend(pid, steps=steps, tokens=tokens, cost_usd=cost, wall_s=wall)
    put(process, summary_text(process), as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.argument("which", metavar="MODEL")
@common
def model(pid: int, which: str, url: str, token: str, as_json: bool) -> None:
    """Have agent PID ask MODEL from its next step on: provider:model, auto, or auto:cheap and the like."""
    with client_of(url, token) as client:
        process = client.choose_model(pid, which)
    put(process, f"Agent {pid} asks {which} from its next step on.", as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@common
def take(pid: int, url: str, token: str, as_json: bool) -> None:
    """Take control of the desktop and browser of agent PID. It stops at once; 'aether return' lets it go on."""
    with client_of(url, token) as client:
        status = client.take_control(pid)
    put(status, f"You have control of agent {pid}; it has stopped. aether return {pid} hands it back.", as_json)


@cli.command(name="return")
@click.argument("pid", type=click.IntRange(1))
@click.option("--note", default="", help="What the agent should know of your turn.")
@common
def give_back(pid: int, note: str, url: str, token: str, as_json: bool) -> None:
    """Hand control of its desktop and browser back to agent PID, which goes on and is told what changed."""
    with client_of(url, token) as client:
        status = client.hand_back(pid, note)
    put(status, f"Agent {pid} has control again.", as_json)


@cli.command()
@common
def models(url: str, token: str, as_json: bool) -> None:
    """List the models, their prices and the families from which auto chooses."""
    from ..client.show import models_text

    with client_of(url, token) as client:
        found = client.models()
    put(found, models_text(found), as_json)


@cli.command()
@common
def rules(url: str, token: str, as_json: bool) -> None:
    """List standing approvals."""
    from ..client.show import rules_text

    with client_of(url, token) as client:
        found = client.rules()
    put(found, rules_text(found), as_json)


@cli.command()
@click.argument("key", metavar="ID")
@common
def revoke(key: str, url: str, token: str, as_json: bool) -> None:
    """Withdraw the standing approval ID; such calls ask again."""
    with client_of(url, token) as client:
        client.revoke(key)
    put({"id": key}, f"Rule {key} is withdrawn; such calls ask again.", as_json)


@cli.command()
@click.argument("pid", type=click.IntRange(1))
@click.argument("step", type=click.IntRange(1), required=False)
@click.argument("thumb", type=click.Choice(["up", "down", "none"]), default="none")
@click.argument("comment", nargs=-1)
@common
def feedback(
    pid: int, step: int | None, thumb: Thumb, comment: tuple[str, ...], url: str, token: str, as_json: bool
) -> None:
    """Judge STEP of agent PID: THUMB up, down or none, and a COMMENT; without STEP, list what people said of it.

    It replaces what you said of the step before; none without a comment takes it back.
    """
    from ..client.show import feedback_text

    with client_of(url, token) as client:
        if step is None:
            found = client.feedback(pid)
            put(found, feedback_text(found), as_json)
            return
        given = client.give_feedback(pid, step, thumb, " ".join(comment))
    taken = given.thumb == "none" and not given.comment
    put(given, f"Taken back on step {step}." if taken else feedback_text([given]), as_json)


@cli.command()
@click.argument("agent", required=False)
@common
def profile(agent: str | None, url: str, token: str, as_json: bool) -> None:
    """Show what AGENT has done, named or by the PID of one of its runs; without AGENT, all agents in a line each."""
    from ..client.show import profile_text, profiles_text

    with client_of(url, token) as client:
        if agent is None:
            all_of_them = client.profiles()
            put(all_of_them, profiles_text(all_of_them), as_json)
            return
        one = client.profile(int(agent) if agent.isdecimal() else agent)
    put(one, profile_text(one), as_json)


cli.add_command(memory)
cli.add_command(snapshot)
cli.add_command(shell)
cli.add_command(export_me)
cli.add_command(erase_me)


@cli.command()
@common
def doctor(url: str, token: str, as_json: bool) -> None:
    """Check this machine and the server, and say what to do where something is not well."""
    from ..client.show import checks_text
    from .doctor import examine

    checks = examine(url, token)
    failed = any(check.fatal and not check.ok for check in checks)
    put({"ok": not failed, "checks": checks}, checks_text(checks), as_json)
    if failed:
        sys.exit(1)


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Run Aether on a Jupyter server without Lab; ARGUMENTS go to `jupyter server`."""
    from .server import serve_here

    serve_here(arguments)


def main() -> None:
    """The console script. Errors are one sentence and an exit code."""
    from ..model.errors import AetherError, BadRequest, Conflict, NotFound, ServerNotFound

    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        if "--json" in sys.argv:
            _say(BadRequest(error.format_message()))
        else:
            error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Who read the output has enough; Python would complain once more when it closes.
        sys.stderr.close()
        sys.exit(1)
    except AetherError as error:
        if "--json" in sys.argv:
            _say(error)
        else:
            click.echo(safe(error.message), err=True)
        kinds = ((ServerNotFound, NO_SERVER), (NotFound, NOT_THERE), (Conflict, CONFLICT), (BadRequest, 2))
        sys.exit(next((code for kind, code in kinds if isinstance(error, kind)), 1))


def _say(error: AetherError) -> None:
    import msgspec

    click.echo(msgspec.json.encode(error.to_json()).decode())


def _approval(client: Aether, which: str) -> Approval:
    from ..client.decisions import only

    return only(int(which), client.approvals(pid=int(which))) if which.isdecimal() else client.approval(which)


def _decided(approval: Approval, word: str, as_json: bool) -> None:
    from ..client.show import call_text
    from ..model.harmless import line

    put(approval, f"{word}: {line(call_text(approval))}", as_json)
