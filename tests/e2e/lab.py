"""A JupyterLab of its own, and a browser to look at it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Where the browser is, or None."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome"))
    return next((path for path in found if path), None)


def has_desktop() -> bool:
    """Whether there is an engine here that has the images of desktops."""
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "image", "inspect", "aether-desktop", "aether-desktop-light"]
    return subprocess.run(asked, capture_output=True).returncode == 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Lab:
    """A running JupyterLab with folders of its own. `config` is Python for its configuration file."""

    def __init__(self, folder: Path, *, config: str = "", base: str = "/", token: str = "e2e-token") -> None:
        self.folder, self.token = folder, token
        self.files = folder / "files"
        self.url = f"http://127.0.0.1:{free_port()}{base}"
        for name in ("files", "config", "labextensions"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        built = ROOT / "aether_jupyter" / "labextension"
        if not (built / "package.json").exists():
            raise RuntimeError("the labextension is not built; run `make setup`")
        link = folder / "labextensions" / "aether-jupyter"
        if not link.exists():
            link.symlink_to(built)
        # No question about news: it would lie over what is looked at.
        quiet = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True, exist_ok=True)
        quiet.write_text('{"fetchNews": "false"}')
        (folder / "config" / "jupyter_server_config.py").write_text(f"c = get_config()  # noqa\n{config}\n")
        self._base = base
        self._process: subprocess.Popen[bytes] | None = None
        self.page_errors: list[str] = []
        """What no page may leave behind: exceptions that nobody caught, and parts that had to be drawn again."""

    def start(self) -> None:
        """Start, and wait until the agents' part answers."""
        folder = self.folder
        port = int(self.url.split(":")[2].split("/")[0])
        environ = os.environ | {
            "AETHER_HOME": str(folder / "aether"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
        command += [f"--ServerApp.base_url={self._base}", f"--IdentityProvider.token={self.token}"]
        command += [f"--ServerApp.root_dir={self.files}", "--ServerApp.port_retries=0"]
        command += ["--ServerApp.jpserver_extensions={'aether_jupyter': True}", "--LabApp.expose_app_in_browser=True"]
        command += [f"--LabApp.extra_labextensions_path={folder / 'labextensions'}"]
        with (folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        wait_for(lambda: self._up(), 60, lambda: self.log())

    def _up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.log())
        try:
            self.get("aether/health")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def log(self) -> str:
        """The end of what the server wrote."""
        return (self.folder / "server.log").read_text(errors="replace")[-4000:]

    def get(self, path: str) -> Any:
        """A GET below the base URL."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """A POST below the base URL."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Any) -> Any:
        """A PUT below the base URL."""
        return self._ask("PUT", path, body)

    def spawn(self, **spec: Any) -> int:
        """An agent; gives its PID."""
        return int(self.post("aether/api/v1/processes", spec)["pid"])

    def process(self, pid: int) -> dict[str, Any]:
        """One agent as it is."""
        found: dict[str, Any] = self.get(f"aether/api/v1/processes/{pid}")
        return found

    def kill_agents(self) -> None:
        """End all agents at once."""
        for process in self.get("aether/api/v1/processes")["processes"]:
            if process["state"] != "ZOMBIE":
                self.post(f"aether/api/v1/processes/{process['pid']}/signals", {"signal": "KILL"})

    def _ask(self, method: str, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End in good order."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


def wait_for(true: Callable[[], Any], timeout_s: float = 30.0, words: Callable[[], str] = lambda: "") -> Any:
    """What `true` gives once it is true. Raises `AssertionError` with `words` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain. {words()}")
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield opened
        finally:
            opened.close()


def listen(lab: Lab, page: Any) -> None:
    """Note what goes wrong in a page."""
    page.on("pageerror", lambda error: lab.page_errors.append(f"{error}\n{error.stack}"))
    page.on(
        "console",
        lambda said: lab.page_errors.append(said.text) if "is drawn again" in said.text else None,
    )


def open_lab(
    chrome: Any,
    lab: Lab,
    *,
    width: int = 1440,
    height: int = 900,
    path: str = "lab",
    dark: bool = False,
    context: Any = None,
) -> Any:
    """A page with JupyterLab restored, in a context (cookies, storage) of its own unless one is given."""
    context = context or chrome.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    listen(lab, page)
    page.goto(f"{lab.url}{path}?token={lab.token}")
    ready(page)
    if dark:
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
    return page


def ready(page: Any) -> None:
    """Wait until Lab is restored, its splash is gone and the focus has come to rest in the main area."""
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored", timeout=60_000)
    page.evaluate("() => window.jupyterapp.restored.then(() => true)")
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=30_000)
    # Lab opens its launcher (or what it restores) after that and gives it the focus, on a slow machine a second later.
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.node.contains(document.activeElement)", timeout=60_000
    )


def run(page: Any, command: str, **arguments: Any) -> None:
    """Run one of Lab's commands."""
    page.evaluate(
        "([command, args]) => window.jupyterapp.commands.execute(command, args).then(() => null)", [command, arguments]
    )


def press(page: Any, key: str, code: str, *held: str) -> None:
    """A key of a keyboard that Playwright does not know, as the browser tells of it."""
    devtools = page.context.new_cdp_session(page)
    for each in held:
        devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": each, "code": "AltRight"})
    devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code, "text": key})
    devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code})
    for each in held:
        devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": each, "code": "AltRight"})


def begin(page: Any, command: str, **arguments: Any) -> None:
    """Begin one of Lab's commands without waiting for its end (running cells ends when the last one has run)."""
    page.evaluate(
        "([command, args]) => { void window.jupyterapp.commands.execute(command, args); }", [command, arguments]
    )


def run_all_cells(page: Any) -> None:
    """Begin all cells of the notebook in front, once its kernel is there."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel")
    page.evaluate(
        """async () => {
          const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
          await context.ready;
          await sessionContext.ready;
          await sessionContext.session.kernel.info;
        }"""
    )
    begin(page, "notebook:run-all-cells")
