"""`aether shell`: a terminal in the sandbox of an agent, shown in this one.

Jupyter's own terminals are spoken with: JSON lists over a WebSocket, `["stdin", text]` and `["set_size", rows,
columns]` there, `["setup", {}]`, `["stdout", text]` and `["disconnect", 1]` back.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from .common import client_of, common, put

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from ..client.client import Aether

BLOCK = 65_536


@click.command()
@click.argument("pid", type=click.IntRange(1))
@common
def shell(pid: int, url: str, token: str, as_json: bool) -> None:
    """Open a shell in the sandbox of agent PID, in this terminal; exit (or Ctrl-D) leaves it.

    What holds for the agent's commands holds for yours, and its journal says that you were there, not what you typed.
    What is shown comes from the sandbox as it is. With --json the terminal is only opened: its name is printed, under
    which /terminals/websocket/NAME of the server speaks with it. Not on Windows.
    """
    if as_json:
        with client_of(url, token) as client:
            put({"name": client.terminal(pid)}, "", as_json)
        return
    if os.name != "posix":
        raise click.ClickException(
            "A terminal cannot be handed over on Windows. Use 'Open Terminal' on the agent in JupyterLab."
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException(
            "There is no terminal here to show it in. Run it in one, or ask for the terminal's name with --json."
        )
    with client_of(url, token) as client:
        ended = asyncio.run(_shown(client, client.terminal(pid)))
    if not ended:
        raise click.ClickException("The connection to the server is gone, and the shell with it if the server is.")


async def _shown(client: Aether, name: str) -> bool:
    """Hand this terminal over until the other one ends. Whether it did; else the connection is lost."""
    import termios
    import tty

    from websockets.exceptions import ConnectionClosed

    from ..client.terminals import attach

    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(0)
    async with attach(client.address, name) as socket:
        keys: asyncio.Queue[str | None] = asyncio.Queue()
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def typed() -> None:
            try:
                data = os.read(0, BLOCK)
            except OSError:
                data = b""
            if not data:
                loop.remove_reader(0)
            keys.put_nowait(decoder.decode(data) if data else None)

        passing: asyncio.Task[None] | None = None
        ending = (signal.SIGTERM, signal.SIGHUP)
        tty.setraw(0)
        try:
            loop.add_reader(0, typed)
            loop.add_signal_handler(signal.SIGWINCH, keys.put_nowait, "")
            for number in ending:
                loop.add_signal_handler(number, keys.put_nowait, None)
            keys.put_nowait("")
            passing = asyncio.create_task(_passed(socket, keys, client, name))
            async for message in socket:
                kind, *rest = json.loads(message)
                if kind == "stdout":
                    _show(rest[0].encode())
                elif kind == "disconnect":
                    return True
            return False
        except ConnectionClosed:
            return False
        finally:
            if passing is not None:
                passing.cancel()
            loop.remove_reader(0)
            for number in (signal.SIGWINCH, *ending):
                loop.remove_signal_handler(number)
            with contextlib.suppress(termios.error):  # it may be this terminal that went
                termios.tcsetattr(0, termios.TCSADRAIN, before)


async def _passed(socket: ClientConnection, keys: asyncio.Queue[str | None], client: Aether, name: str) -> None:
    """Pass keys on as they come; '' says that the size has changed, None that nobody sits here any more."""
    from websockets.exceptions import ConnectionClosed

    from ..client.terminals import end
    from ..model.errors import NotFound

    with contextlib.suppress(ConnectionClosed):
        while (text := await keys.get()) is not None:
            if text:
                await socket.send(json.dumps(["stdin", text]))
            else:
                columns, rows = os.get_terminal_size(1)
                await socket.send(json.dumps(["set_size", rows, columns]))
        # Jupyter keeps a terminal that nobody looks at; nobody would find this one again.
        with contextlib.suppress(NotFound):
            await asyncio.to_thread(client.ask, end(name))


def _show(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
