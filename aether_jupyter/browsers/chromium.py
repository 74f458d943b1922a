"""One Chromium for the server, driven by Playwright: started with the first agent that needs it, mended when it falls.

It reaches nothing but the gate: every request of every page goes there by the proxy of its agent's context, names are
not resolved here, and WebRTC and QUIC, which know no proxy, are off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..abc import Availability, Browser, BrowserKind, BrowserSeat
from ..config import Settings
from ..model.errors import ToolFailed
from ..plugins import hookimpl
from . import clipboard, found
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
    *clipboard.FLAGS,
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


FOLDER = "aether-browser-"
RUN = "run"
NOBODY = 65534


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
        root = found.as_root()
        lesser = root and path is not None and not await asyncio.to_thread(found.rooted, path)
        folder = await asyncio.to_thread(_folder, path if lesser else None)
        self._folder = str(folder)
        runner = folder / RUN
        # Root's Chromium has no sandbox of its own, nobody's has.
        own_sandbox = self._own_sandbox and (not root or runner.exists())
        try:
            self._driver = await pw.async_playwright().start()
            try:
                self._browser = await self._launch(runner if runner.exists() else path, gate, own_sandbox)
            except pw.Error as error:
                if not (root and own_sandbox and "sandbox" in error.message.lower()):
                    raise
                # In most containers nobody makes a sandbox; to be nobody there is what is left.
                self._browser = await self._launch(runner, gate, own_sandbox=False)
        except pw.Error as error:
            await self._stop()
            words = error.message
            if own_sandbox and "sandbox" in words.lower():
                raise ToolFailed(
                    "Chromium cannot make its own sandbox here. Let ordinary users make namespaces "
                    "(sysctl kernel.apparmor_restrict_unprivileged_userns=0, or kernel.unprivileged_userns_clone=1), "
                    "or, where the server runs in a container of its own, set c.Aether.browser_sandbox = False"
                ) from None
            said = [
                line.partition("[err]")[2].strip()
                for line in words.splitlines()
                if "[err]" in line and "dbus" not in line
            ]
            reason = said[-1] if said else words.strip().split("\n", 1)[0]
            raise ToolFailed(f"Chromium ({path}) did not start: {reason[:300]}") from None
        log.info("Chromium %s runs for the agents (%s)", self._browser.version, path)
        return self._browser

    async def _launch(self, path: str | Path | None, gate: str, own_sandbox: bool) -> pw.Browser:
        assert self._driver is not None
        environ = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        return await self._driver.chromium.launch(
            executable_path=path,
            headless=True,
            chromium_sandbox=own_sandbox,
            args=list(FLAGS),
            # What belongs to no agent's context has no secret for the gate, and so goes nowhere.
            proxy={"server": gate},
            env={**environ, "HOME": f"{self._folder}/home"},
            downloads_path=f"{self._folder}/downloads",
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            timeout=LAUNCH_S * 1000,
        )

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
                import playwright.async_api as pw

                # One that fell is closed already, and one that hangs must not keep the next one from starting.
                with contextlib.suppress(pw.Error, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await ending
        if folder:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _folder(stepping_down: str | None) -> Path:
    """A folder for what Chromium writes; with a program there that runs it as nobody, if it is to be `stepping_down`.

    Those of servers that were killed go: half of a download may be large.
    """
    import psutil

    above = (found.temporary() if stepping_down else None) or Path(tempfile.gettempdir())
    for old in above.glob(f"{FOLDER}*-*"):
        pid = old.name.removeprefix(FOLDER).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=above))
    for name in ("home", "downloads"):
        (folder / name).mkdir(mode=0o700)
        if stepping_down is not None:
            os.chown(folder / name, NOBODY, NOBODY)
    if stepping_down is not None:
        run = folder / RUN
        # Playwright makes a folder for the profile that is root's; of two such flags the last one counts.
        words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", stepping_down]
        profile = shlex.quote(f"--user-data-dir={folder}/home/profile")
        run.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@" {profile}\n')
        run.chmod(0o755)
        # It passes through to what is its own, and sees nothing else here.
        folder.chmod(0o711)
    return folder
