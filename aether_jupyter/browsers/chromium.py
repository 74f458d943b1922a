"""One Chromium for the server, driven by Playwright: started with the first agent that needs it, mended when it falls.

It reaches nothing but the gate: every request of every page goes there by the proxy of its agent's context, names are
not resolved here, and WebRTC and QUIC, which know no proxy, are off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..abc import Availability, Browser, BrowserKind, BrowserSeat
from ..config import Settings
from ..model.errors import ToolFailed
from ..plugins import hookimpl
from . import found
from .seated import SeatedBrowser

if TYPE_CHECKING:
    import playwright.async_api as pw

log = logging.getLogger(__name__)

LAUNCH_S = 60.0
STOP_S = 10.0

FLAGS = (
    # No name is resolved here: the gate does that. Only the gate itself has an address.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--dns-prefetch-disable",
    "--disable-quic",
    # WebRTC would open sockets of its own, beside the proxy.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy",
    # What Chromium asks of its maker for itself.
    "--autofill-server-url=about:blank",
    "--disable-client-side-phishing-detection",
    "--disable-domain-reliability",
    "--no-pings",
    "--disable-gpu",
)
KEPT_ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "FONTCONFIG_PATH",
    "FONTCONFIG_FILE",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)
"""What Chromium gets of the environment: it shows strangers' pages, and the server's has keys."""


@hookimpl
def register_browsers(settings: Settings) -> Iterable[BrowserKind]:
    """Chromium."""
    return [Chromium(settings.browser, settings.browser_sandbox)]


class Chromium:
    """Keeps the one process, and seats agents in it."""

    name = "chromium"

    def __init__(self, chosen: str = "", own_sandbox: bool = True) -> None:
        self._chosen = chosen
        self._own_sandbox = own_sandbox
        self._lock = asyncio.Lock()
        self._driver: pw.Playwright | None = None
        self._browser: pw.Browser | None = None
        self._folder = ""

    async def available(self) -> Availability:
        """Whether there is a Chromium, and what to do where there is none."""
        return await asyncio.to_thread(found.availability, self._chosen)

    async def open(self, seat: BrowserSeat) -> Browser:
        """A browser of one agent: a context of its own. Raises `ToolFailed` with what to do."""
        opened = SeatedBrowser(seat, self.running)
        await opened.begin()
        return opened

    async def running(self, gate: str) -> pw.Browser:
        """The process, started if it is not there. It reaches nothing but `gate`."""
        async with self._lock:
            if self._browser is not None and self._browser.is_connected():
                return self._browser
            await self._stop()
            where = await self.available()
            if not where.ok:
                raise ToolFailed(f"there is no browser here: {where.detail}. {where.fix}")
            return await self._start(gate)

    async def _start(self, gate: str) -> pw.Browser:
        import playwright.async_api as pw

        path = await asyncio.to_thread(found.chromium, self._chosen)
        own_sandbox = self._own_sandbox and not found.as_root()
        self._folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="aether-browser-")
        environ = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        try:
            self._driver = await pw.async_playwright().start()
            self._browser = await self._driver.chromium.launch(
                executable_path=path,
                headless=True,
                chromium_sandbox=own_sandbox,
                args=list(FLAGS),
                # What belongs to no agent's context has no secret for the gate, and so goes nowhere.
                proxy={"server": gate},
                env={**environ, "HOME": self._folder},
                downloads_path=Path(self._folder) / "downloads",
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=LAUNCH_S * 1000,
            )
        except pw.Error as error:
            await self._stop()
            words = error.message
            if own_sandbox and "sandbox" in words.lower():
                raise ToolFailed(
                    "Chromium cannot make its own sandbox here. Let ordinary users make namespaces "
                    "(sysctl kernel.apparmor_restrict_unprivileged_userns=0, or kernel.unprivileged_userns_clone=1), "
                    "or, where the server runs in a container of its own, set c.Aether.browser_sandbox = False"
                ) from None
            last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "no reason was given")
            raise ToolFailed(f"Chromium ({path}) did not start: {last[:300]}") from None
        log.info("Chromium %s runs for the agents (%s)", self._browser.version, path)
        return self._browser

    async def close(self) -> None:
        """End the process; agents that are seated in it find it gone."""
        async with self._lock:
            await self._stop()

    async def _stop(self) -> None:
        browser, driver, folder = self._browser, self._driver, self._folder
        self._browser = self._driver = None
        self._folder = ""
        for ending in (browser.close() if browser else None, driver.stop() if driver else None):
            if ending is not None:
                # Whatever is left of one that fell: it must not keep the next one from starting.
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(STOP_S):
                        await ending
        if folder:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
