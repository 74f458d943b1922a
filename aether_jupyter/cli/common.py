"""What every command has: its options, its client, and two ways of answering – a text for people, JSON for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

if TYPE_CHECKING:
    from ..client.client import Aether

F = TypeVar("F", bound=Callable[..., Any])
NO_SERVER, NOT_THERE, CONFLICT, WAITS, INTERRUPTED = 3, 4, 5, 6, 130


def common(command: F) -> F:
    """The options that every command has."""
    for option in (
        click.option("--url", default="", help="Address of the server; else it is found (AETHER_URL)."),
        click.option("--token", default="", help="Its token (better in AETHER_TOKEN: others can read command lines)."),
        click.option("--json", "as_json", is_flag=True, help="JSON for programs."),
    ):
        command = option(command)
    return command


def client_of(url: str, token: str) -> Aether:
    """The server at this address, or the one that is found."""
    from ..client.client import Aether

    return Aether(url, token)


def put(value: Any, text: str, as_json: bool) -> None:
    """Answer with the value as JSON, or with the text."""
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(value).decode())
    else:
        click.echo(safe(text))


def safe(text: str) -> str:
    """Words of agents, harmless for a terminal."""
    from ..model.harmless import plain

    return plain(text)


@contextmanager
def whole(file: Path) -> Iterator[BinaryIO]:
    """Somewhere to write what is to become this file, for its owner only; a file of this name is whole."""
    part = file.with_name(f"{file.name}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            yield out
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
