"""`aether export-me` and `aether erase-me`: what is kept about oneself, taken away as a file, or erased."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .common import client_of, common, put, whole


@click.command("export-me")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--agent", default="", help="Only of the agent of this name, and those below it.")
@common
def export_me(file: Path, agent: str, url: str, token: str, as_json: bool) -> None:
    """Write all that is kept about you to FILE, a zip: every row, memories as Markdown, the files of agents."""
    with client_of(url, token) as client, whole(file) as out:
        client.export_my_data(out, agent)
    size = file.stat().st_size
    put({"file": str(file), "bytes": size}, f"{file}: {size:,} bytes. README.md in it says what is where.", as_json)


@click.command("erase-me")
@click.option("--agent", default="", help="Only the agent of this name, and those below it.")
@click.option("--force", is_flag=True, help="Kill agents that have not ended.")
@click.option("--dry-run", is_flag=True, help="Only show what there is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def erase_me(agent: str, force: bool, dry_run: bool, yes: bool, url: str, token: str, as_json: bool) -> None:
    """Erase all that is kept about you, for good: agents, journals, memories, files.

    Shows first what there is, and asks for the name. What stays is said, and why.
    """
    from ..client.show import holding_text

    with client_of(url, token) as client:
        found = client.my_data(agent)
        word = agent or client.me().user
        if dry_run or not yes:
            put(found, holding_text(found), as_json)
        if dry_run:
            return
        if not yes:
            if as_json or not sys.stdin.isatty():
                click.echo("Nothing was erased; --yes does it.", err=True)
                return
            if click.prompt(f"To erase it for good, type {word}") != word:
                click.echo("Nothing was erased.", err=True)
                return
        gone = client.erase_my_data(word, agent=agent, force=force)
    put(gone, holding_text(gone), as_json)
