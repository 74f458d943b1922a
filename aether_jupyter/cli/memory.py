"""`aether memory list | recall | remember | forget | restore | merge | similar | uses | consolidate | reports`, and
`export | import | notes`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from .common import CONFLICT, client_of, common, put

if TYPE_CHECKING:
    from ..model.memory_file import ImportReport


@click.group()
def memory() -> None:
    """What agents remember: listed, found, added, forgotten; as a folder of Markdown files, too."""


KIND = click.Choice(["agent", "person", "journal", "reflection", "consolidation", "import"])
LAYER = click.Choice(["episodic", "semantic", "procedural", "social"])


@memory.command("list")
@click.argument("agent", required=False)
@click.option("--layer", "layers", type=LAYER, multiple=True, help="Only this layer; may be given often.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be given often.")
@click.option("--kind", "kinds", type=KIND, multiple=True, help="Only from there; may be given often.")
@click.option(
    "--sort",
    type=click.Choice(["newest", "strength", "importance", "used"]),
    default="newest",
    show_default=True,
    help="used: what was of use last.",
)
@click.option("--pinned", is_flag=True, help="Only what is pinned.")
@click.option(
    "--forgotten", is_flag=True, help="What it has forgotten instead; `aether memory restore ID` brings one back."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=1000, show_default=True)
@click.option("--cursor", default="", help="The next page, as the one before names it.")
@common
def list_memories(agent: str | None, url: str, token: str, as_json: bool, **asked: Any) -> None:
    """List what AGENT remembers, newest first; without AGENT, who remembers something."""
    from ..client.show import page_text, spaces_text

    with client_of(url, token) as client:
        if agent is None:
            spaces = client.spaces()
            put(spaces, spaces_text(spaces), as_json)
            return
        found = client.memories(agent, **asked)
    put(found, page_text(found, agent), as_json)


@memory.command()
@click.argument("agent")
@click.argument("query", nargs=-1, required=True)
@click.option("--layer", "layers", type=LAYER, multiple=True, help="Only this layer; may be given often.")
@click.option("--limit", type=click.IntRange(1, 200), default=10, show_default=True)
@common
def recall(
    agent: str, query: tuple[str, ...], layers: tuple[str, ...], limit: int, url: str, token: str, as_json: bool
) -> None:
    """Find what AGENT remembers that fits QUERY, and why."""
    from ..client.show import recall_text

    with client_of(url, token) as client:
        found = client.recall(agent, " ".join(query), layers=layers, limit=limit)
    put(found, recall_text(found), as_json)


@memory.command()
@click.argument("agent")
@click.argument("text", nargs=-1, required=True)
@click.option("--layer", type=LAYER, default="semantic", show_default=True)
@click.option("--importance", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--tag", "tags", multiple=True, help="A word to find it by; may be given often.")
@common
def remember(
    agent: str,
    text: tuple[str, ...],
    layer: str,
    importance: float,
    tags: tuple[str, ...],
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Have AGENT remember TEXT; `-` reads it from standard input."""
    from ..model.memory import Layer, Note

    words = sys.stdin.read() if text == ("-",) else " ".join(text)
    note = Note(text=words, layer=Layer(layer), importance=importance, tags=tags)
    with client_of(url, token) as client:
        [kept] = client.remember(agent, note)
    put(kept, f"{agent} remembers it as {kept.id}.", as_json)


@memory.command()
@click.argument("key", metavar="ID", type=click.IntRange(1))
@common
def forget(key: int, url: str, token: str, as_json: bool) -> None:
    """Forget the memory ID; it is found no more."""
    with client_of(url, token) as client:
        gone = client.forget(key)
    put(gone, f"{gone.agent} remembers {gone.id} no more.", as_json)


@memory.command()
@click.argument("key", metavar="ID", type=click.IntRange(1))
@common
def restore(key: int, url: str, token: str, as_json: bool) -> None:
    """Bring back the memory ID, which was forgotten or went into another."""
    with client_of(url, token) as client:
        back = client.restore_memory(key)
    put(back, f"{back.agent} remembers {back.id} again.", as_json)


@memory.command()
@click.argument("keys", metavar="ID ID...", nargs=-1, required=True, type=click.IntRange(1))
@click.option("--text", default=None, help="What it shall say; else what the first says.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would come to.")
@common
def merge(keys: tuple[int, ...], text: str | None, dry_run: bool, url: str, token: str, as_json: bool) -> None:
    """Make one memory of several of one agent: the first ID stays, the others go into it."""
    from ..client.show import merged_text
    from ..model.memory import Change

    with client_of(url, token) as client:
        done = client.merge_memories(*keys, change=Change(text=text), dry_run=dry_run)
    put(done, merged_text(done, dry_run=dry_run), as_json)


@memory.command()
@click.argument("agent")
@click.option("--least", type=click.FloatRange(0.5, 1), default=0.8, show_default=True, help="How alike they must be.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@common
def similar(agent: str, least: float, limit: int, url: str, token: str, as_json: bool) -> None:
    """Pairs of AGENT's memories that say nearly the same."""
    from ..client.show import alike_text

    with client_of(url, token) as client:
        found = client.similar_memories(agent, least=least, limit=limit)
    put(found, alike_text(found), as_json)


@memory.command()
@click.argument("key", metavar="ID", type=click.IntRange(1))
@common
def uses(key: int, url: str, token: str, as_json: bool) -> None:
    """Where the memory ID was given to a model, and which answers rest on it."""
    from ..client.show import uses_text

    with client_of(url, token) as client:
        found = client.memory_uses(key)
    put(found, uses_text(found), as_json)


@memory.command()
@click.argument("agent")
@common
def consolidate(agent: str, url: str, token: str, as_json: bool) -> None:
    """Put AGENT's memories in order now: duplicates become one, and a cheap model draws facts from the rest."""
    from ..client.show import reports_text

    with client_of(url, token) as client:
        done = client.consolidate(agent)
    put(done, reports_text([done]), as_json)


@memory.command()
@click.argument("agent")
@common
def reports(agent: str, url: str, token: str, as_json: bool) -> None:
    """What consolidations did with AGENT's memories, and what was evicted by its limits."""
    from ..client.show import reports_text

    with client_of(url, token) as client:
        found = client.memory_reports(agent)
    put(found, reports_text(found), as_json)


FOLDER = click.Path(file_okay=False, path_type=Path)


@memory.command("export")
@click.argument("agent")
@click.argument("folder", type=FOLDER)
@click.option("--force", is_flag=True, help="Write over files that were edited and not imported.")
@common
def export_memories(agent: str, folder: Path, force: bool, url: str, token: str, as_json: bool) -> None:
    """Write what AGENT remembers to FOLDER: a Markdown file a memory, in a folder a layer.

    The same memories give the same files, so git shows what changed. Edit text, importance, tags and pinned; move a
    file to another layer's folder; add files (no front matter needed). Leave id, version and digest.
    """
    from ..client.folder import unpack

    with client_of(url, token) as client:
        content = client.export_memories(agent)
    done = unpack(content, folder, force=force)
    put(done, f"{folder}: {done.written} files written, {done.removed} removed, {done.same} as they were.", as_json)


@memory.command("import")
@click.argument("agent")
@click.argument("folder", type=FOLDER)
@click.option("--forget-missing", is_flag=True, help="Forget memories whose file is gone.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def import_memories(
    agent: str,
    folder: Path,
    forget_missing: bool,
    dry_run: bool,
    yes: bool,
    url: str,
    token: str,
    as_json: bool,
) -> None:
    """Bring FOLDER back as what AGENT remembers; shows first what would change.

    A file without an id is a new memory. What cannot be read, or was changed here meanwhile, is named and left alone;
    the command ends with exit code 5 then.
    """
    from ..client.folder import pack
    from ..client.show import import_text

    content = pack(folder)
    with client_of(url, token) as client:
        report = client.import_memories(agent, content, forget_missing=forget_missing)
        changes = any(report.counts.get(kind) for kind in ("notes", "new", "changed", "moved", "forgotten"))
        ask = changes and not dry_run
        if ask and not yes:
            put(report, import_text(report), as_json)
            if as_json or not sys.stdin.isatty():
                click.echo("Nothing was written; --yes does it.", err=True)
                _end(report)
                return
            click.confirm("Do it?", abort=True)
        if ask:
            report = client.import_memories(agent, content, forget_missing=forget_missing, apply=report.digest)
    put(report, import_text(report), as_json)
    _end(report)


@memory.command("notes")
@click.argument("agent")
@click.option("--set", "file", type=click.File("r", encoding="utf-8"), help="Write what this file says; - is stdin.")
@click.option("--edit", "editing", is_flag=True, help="Open it in your editor (EDITOR).")
@common
def memory_notes(agent: str, file: TextIO | None, editing: bool, url: str, token: str, as_json: bool) -> None:
    """Show or write AGENT's MEMORY.md: your own words, which every run of that name is told.

    A running agent is told the new text when it is taken up again: after it waited, gave its slot to another, or the
    server started anew.
    """
    with client_of(url, token) as client:
        versions = client.notes(agent)
        old = versions[0].text if versions else ""
        new = file.read() if file is not None else click.edit(old, extension=".md") if editing else None
        if new is None:
            put(versions, old or f"{agent} has no MEMORY.md; --edit or --set FILE writes one.", as_json)
            return
        written = client.write_notes(agent, new, version=versions[0].version if versions else 0)
    put(written, f"MEMORY.md of {agent} is version {written.version}.", as_json)


def _end(report: ImportReport) -> None:
    if report.counts.get("conflict") or report.counts.get("unreadable"):
        sys.exit(CONFLICT)
