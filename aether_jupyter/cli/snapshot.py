"""`aether snapshot take | list | show | compare | restore | fork | keep | delete | export | import`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from .common import client_of, common, put, whole

KEY = click.IntRange(1)
MEMORY = click.Choice(["then", "now"])


@click.group()
def snapshot() -> None:
    """Agents as they stood: captured, compared, gone on from, taken elsewhere and brought from there."""


@snapshot.command()
@click.argument("pid", type=KEY)
@click.option("--label", default="", help="What it shall be called.")
@click.option("--keep", is_flag=True, help="Spare it when the oldest go.")
@common
def take(pid: int, label: str, keep: bool, url: str, token: str, as_json: bool) -> None:
    """Capture the agent PID: files, place in the journal, memory and plan. It is held while files are copied."""
    from ..client.show import snapshots_text

    with client_of(url, token) as client:
        taken = client.take_snapshot(pid, label=label, kept=keep)
    put(taken, f"{snapshots_text([taken])}\nIt was held for {taken.pause_s:.2f} s.", as_json)


@snapshot.command("list")
@click.argument("pid", type=KEY, required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=1000, show_default=True)
@common
def list_snapshots(pid: int | None, limit: int, url: str, token: str, as_json: bool) -> None:
    """List snapshots, or those of the agent PID; the newest first."""
    from ..client.show import snapshots_text

    with client_of(url, token) as client:
        found = client.snapshots(pid, limit=limit)
    put(found, snapshots_text(found), as_json)


@snapshot.command()
@click.argument("key", metavar="ID", type=KEY)
@common
def show(key: int, url: str, token: str, as_json: bool) -> None:
    """Show what is in the snapshot ID."""
    from ..client.show import snapshot_text

    with client_of(url, token) as client:
        found = client.snapshot(key)
    put(found, snapshot_text(found), as_json)


@snapshot.command()
@click.argument("before", type=KEY)
@click.argument("after", type=KEY)
@common
def compare(before: int, after: int, url: str, token: str, as_json: bool) -> None:
    """Show what is otherwise in the snapshot AFTER than in BEFORE."""
    from ..client.show import comparison_text

    with client_of(url, token) as client:
        found = client.compare_snapshots(before, after)
    put(found, comparison_text(found), as_json)


@snapshot.command()
@click.argument("key", metavar="ID", type=KEY)
@click.option("--name", default="", help="Another name for it.")
@click.option("--model", default="", help="The model to ask from here on.")
@click.option("--message", default="", help="Words that it reads before it goes on.")
@click.option("--memory", type=MEMORY, help="What it remembers: as then (the default), or as its name does now.")
@click.option("--paused", is_flag=True, help="Leave it stopped.")
@click.option(
    "--trusted", is_flag=True, help="You vouch for one from elsewhere: it keeps instructions, role, desktop, hosts."
)
@common
def restore(
    key: int,
    name: str,
    model: str,
    message: str,
    memory: Literal["then", "now"] | None,
    paused: bool,
    trusted: bool,
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Begin an agent that goes on from the snapshot ID, with its files."""
    from ..client.show import branched_text

    with client_of(url, token) as client:
        made = client.restore_snapshot(
            key, name=name, model=model, memory=memory, message=message, paused=paused, trusted=trusted
        )
    put(made, branched_text(made), as_json)


@snapshot.command()
@click.argument("pid", type=KEY)
@click.option("--step", type=click.IntRange(0), help="From which step; from where it stands if none is named.")
@click.option("--name", default="", help="Another name for it.")
@click.option("--model", default="", help="The model to ask from here on.")
@click.option("--message", default="", help="Words that it reads before it goes on.")
@click.option("--result", nargs=2, metavar="CALL TEXT", help="What a call of that step came to, instead.")
@click.option(
    "--files",
    type=click.Choice(["nearest", "now", "none"]),
    default="nearest",
    show_default=True,
    help="Those of the last snapshot at or before the step, as they are now, or none.",
)
@click.option("--memory", type=MEMORY, help="What it remembers: as its name does now (the default), or as then.")
@click.option("--paused", is_flag=True, help="Leave it stopped.")
@common
def fork(
    pid: int,
    step: int | None,
    name: str,
    model: str,
    message: str,
    result: tuple[str, str] | None,
    files: Literal["nearest", "now", "none"],
    memory: Literal["then", "now"] | None,
    paused: bool,
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Begin an agent that goes on from a step of the agent PID, which goes on as it is."""
    from ..client.show import branched_text
    from ..model.snapshot import EditedResult

    edited = EditedResult(*result) if result else None
    with client_of(url, token) as client:
        made = client.fork(
            pid,
            step,
            name=name,
            model=model,
            message=message,
            result=edited,
            files=files,
            memory=memory,
            paused=paused,
        )
    put(made, branched_text(made), as_json)


@snapshot.command()
@click.argument("key", metavar="ID", type=KEY)
@click.option("--label", help="What it shall be called.")
@click.option("--off", is_flag=True, help="Let it go with the oldest again.")
@common
def keep(key: int, label: str | None, off: bool, url: str, token: str, as_json: bool) -> None:
    """Spare the snapshot ID when the oldest go."""
    from ..client.show import snapshots_text

    with client_of(url, token) as client:
        marked = client.mark_snapshot(key, label=label, kept=not off)
    put(marked, snapshots_text([marked]), as_json)


@snapshot.command()
@click.argument("key", metavar="ID", type=KEY)
@common
def delete(key: int, url: str, token: str, as_json: bool) -> None:
    """Delete the snapshot ID, and from the disk what no other one holds."""
    with client_of(url, token) as client:
        gone = client.delete_snapshot(key)
    put(gone, f"Snapshot {gone.id} of {gone.name} is gone.", as_json)


@snapshot.command("export")
@click.argument("key", metavar="ID", type=KEY)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common
def export_snapshot(key: int, file: Path, url: str, token: str, as_json: bool) -> None:
    """Write the snapshot ID to FILE, which `aether snapshot import` takes elsewhere."""
    with client_of(url, token) as client, whole(file) as out:
        client.export_snapshot(key, out)
    size = file.stat().st_size
    put({"file": str(file), "bytes": size}, f"{file}: {size:,} bytes.", as_json)


@snapshot.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common
def import_snapshot(file: Path, url: str, token: str, as_json: bool) -> None:
    """Bring the snapshot in FILE. It is checked whole before anything of it is kept, and nothing of it runs."""
    from ..client.show import snapshots_text

    with client_of(url, token) as client:
        taken = client.import_snapshot(file)
    put(taken, f"{snapshots_text([taken])}\nTo go on from it: aether snapshot restore {taken.id}", as_json)
