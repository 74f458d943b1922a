"""`AetherApp`: the Jupyter server extension. Reads traits, opens the app, hands the doors to Tornado, closes it."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Mapping
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from .api.routes import ROUTES
from .api.routing import House, handlers
from .api.sockets import BrowserSocket, DisplaySocket, FeedSocket, Socket, close_all
from .api.terminals import Terminals
from .config import Aether, Settings
from .model.errors import AetherError, ServerNotFound

SERVER_FILE = "AETHER_SERVER_FILE"
"""Names, for kernels and terminals of this server, the file in which Jupyter keeps its address and token."""

RETRY_S = 30.0


class Tenure:
    """Keeps the app open in a task of its own, for the doors to find, and opens it again if it falls.

    One task enters and leaves the app's context, because its task groups ask for that. Requests that come before it
    is open wait; while it cannot be opened they get the reason.
    """

    def __init__(self, settings: Settings, log: logging.Logger, web: Mapping[str, Any]) -> None:
        self.settings = settings
        self._terminals = Terminals(web)
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[House] | None = None
        self._closing = asyncio.Event()

    def begin(self) -> None:
        """Start to open the app in the running loop, unless that was done."""
        if self._task is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(), name="aether")

    async def house(self) -> House:
        """The open house. Raises what kept it from opening."""
        self.begin()
        assert self._opened is not None
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Close the app and wait until it is closed."""
        await self._terminals.close()
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _live(self) -> None:
        pause_s = 1.0
        while True:
            try:
                # In a thread: the imports take a while, and the server has pages to serve.
                module = await asyncio.to_thread(importlib.import_module, "aether_jupyter.app")
                async with module.open_app(self.settings) as app:
                    house = House(
                        instance=app.instance,
                        processes=app.processes,
                        requests=app.requests,
                        approvals=app.approvals,
                        feed=app.feed,
                        budgets=app.budgets,
                        surroundings=app.surroundings,
                        catalog=app.catalog,
                        memories=app.memories,
                        memory_files=app.memory_files,
                        contexts=app.contexts,
                        notes=app.notes,
                        personal=app.personal,
                        feedback=app.feedback,
                        profiles=app.profiles,
                        plans=app.plans,
                        snapshots=app.snapshots,
                        captures=app.captures,
                        images=app.images,
                        displays=app.displays,
                        screencasts=app.screencasts,
                        takeovers=app.takeovers,
                        terminals=self._terminals,
                    )
                    self._settle(house)
                    pause_s = 1.0
                    await self._banner(house)
                    await self._closing.wait()
                    self._settle(ServerNotFound("this server is stopping"))
                return
            except AetherError as error:
                self._log.error("Aether is not open: %s", error.message)
                self._settle(error)
            except Exception:  # noqa: BLE001 (whatever it is, Jupyter must go on and the doors must say so)
                self._log.exception("Aether is not open")
                self._settle(AetherError("Aether could not start on this server; the server's log says why"))
            try:
                await asyncio.wait_for(self._closing.wait(), pause_s)
                return
            except TimeoutError:
                pause_s = min(2 * pause_s, RETRY_S)

    def _settle(self, outcome: House | AetherError) -> None:
        if self._opened is None or self._opened.done():
            self._opened = asyncio.get_running_loop().create_future()
        if isinstance(outcome, House):
            self._opened.set_result(outcome)
        else:
            self._opened.set_exception(outcome)
            self._opened.exception()  # it may be that nobody asks, and that is fine

    async def _banner(self, house: House) -> None:
        """One line in the log for each part, after asking it."""
        checks = await house.surroundings.health()
        wide = max((len(check.name) for check in checks), default=0)
        for check in checks:
            level = logging.INFO if check.ok else logging.ERROR if check.fatal else logging.WARNING
            mend = f" – {check.fix}" if check.fix and not check.ok else ""
            state = "ok  " if check.ok else "FAIL" if check.fatal else "no  "
            self._log.log(level, "Aether  %-*s  %s  %s%s", wide, check.name, state, check.detail, mend)


class AetherApp(ExtensionApp):
    """Agents as processes of this Jupyter server. Settings are the traits of `Aether` (`c.Aether.…`)."""

    name = "aether_jupyter"
    description = __doc__ or ""
    extension_url = "/aether/health"
    load_other_extensions = True
    serverapp_config = {"open_browser": False}
    classes = [*ExtensionApp.classes, Aether]
    tenure: Tenure
    sockets: set[Socket]

    def initialize_settings(self) -> None:
        """Freeze the traits."""
        assert self.serverapp is not None
        self.tenure = Tenure(Aether(parent=self).settings(), self.log, self.serverapp.web_app.settings)
        self.sockets = set()

    def initialize_handlers(self) -> None:
        """Hand the doors to Tornado."""
        self.handlers.extend(handlers(ROUTES, self.tenure))
        arguments = {"entrance": self.tenure, "sockets": self.sockets}
        self.handlers.append((r"/aether/feed/?", FeedSocket, arguments))
        self.handlers.append((r"/aether/displays/(?P<pid>[0-9]{1,18})/?", DisplaySocket, arguments))
        self.handlers.append((r"/aether/browsers/(?P<pid>[0-9]{1,18})/?", BrowserSocket, arguments))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Open the app once the server's loop runs, without keeping the server waiting."""
        # The file holds the token, so its name may be inherited where the token itself had better not.
        os.environ[SERVER_FILE] = serverapp.info_file
        self.tenure.begin()

    async def stop_extension(self) -> None:
        """Say goodbye to the sockets, then close the app."""
        os.environ.pop(SERVER_FILE, None)
        await close_all(self.sockets)
        await self.tenure.close()


main = AetherApp.launch_instance
