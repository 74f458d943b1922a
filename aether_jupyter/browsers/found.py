"""Where Chromium is: the path that is set, the system's own, or the one that Playwright has fetched."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..abc import Availability

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge")
_MAC = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
_FETCHED = (
    "chrome-linux/chrome",
    "chrome-linux64/chrome",
    "chrome-mac*/*.app/Contents/MacOS/*",
    "chrome-win*/chrome.exe",
)
INSTALL = "Install Chromium (Debian: apt-get install chromium), or run: playwright install chromium"


def chromium(chosen: str = "", environ: Mapping[str, str] = os.environ) -> str | None:
    """The program, or None. `chosen` is a path or a name on PATH, and then nothing else is looked for."""
    if chosen:
        return shutil.which(chosen)
    system = (shutil.which(name) for name in NAMES)
    return next((path for path in (*system, *_apps(), *_fetched(environ)) if path), None)


def availability(chosen: str = "") -> Availability:
    """Whether there is a Chromium, which, and whether its own sandbox can hold pages."""
    path = chromium(chosen)
    if path is None and chosen:
        return Availability(False, f"{chosen} is no program", f"Mend c.Aether.browser, or leave it empty. {INSTALL}")
    if path is None:
        return Availability(False, "no Chromium is installed", INSTALL)
    if not as_root():
        return Availability(True, path)
    if hindrance := rooted(path):
        return Availability(True, f"{path}, run as root and without its own sandbox: {hindrance}")
    return Availability(True, f"{path}, run as the user nobody")


def as_root() -> bool:
    """Whether this is root, for whom Chromium's sandbox does not work."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def rooted(path: str) -> str:
    """Why root cannot have the program run as nobody, '' where it can."""
    if shutil.which("setpriv") is None:
        return "there is no setpriv (util-linux)"
    if not open_to_all(Path(path)):
        return "it lies where only root may go"
    return "" if temporary() else "no folder for temporary files is open to nobody; set TMPDIR to one that is"


def temporary() -> Path | None:
    """A folder for temporary files that everybody may pass through, or None."""
    return next((path for path in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")) if open_to_all(path)), None)  # noqa: S108 (nobody's files there have a folder of their own)


def open_to_all(path: Path) -> bool:
    """Whether everybody may enter all folders above it and use it."""
    path = path.resolve()
    try:
        return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))
    except OSError:
        return False


def _apps() -> Iterator[str | None]:
    for name in _MAC if platform.system() == "Darwin" else ():
        yield path if os.access(path := f"/Applications/{name}", os.X_OK) else None


def _fetched(environ: Mapping[str, str]) -> Iterator[str]:
    """Those of Playwright, the newest first."""
    if environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        cache = Path(environ["PLAYWRIGHT_BROWSERS_PATH"])
    elif platform.system() == "Darwin":
        cache = Path.home() / "Library" / "Caches" / "ms-playwright"
    elif platform.system() == "Windows":
        cache = Path(environ.get("LOCALAPPDATA", Path.home())) / "ms-playwright"
    else:
        cache = Path.home() / ".cache" / "ms-playwright"
    if not cache.is_dir():
        return
    for folder in sorted(cache.glob("chromium-*"), key=lambda each: (len(each.name), each.name), reverse=True):
        for pattern in _FETCHED:
            yield from (str(path) for path in folder.glob(pattern) if os.access(path, os.X_OK))
