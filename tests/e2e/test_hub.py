"""Behind a real JupyterHub: the kernel finds its server, the screen works through the proxy, people are apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from .lab import ROOT, free_port, ready, run, run_all_cells, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PROXY = Path(__file__).parent / "hub" / "node_modules" / ".bin" / "configurable-http-proxy"
CONFIG = """
c = get_config()  # noqa
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///" + {folder!r} + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = {folder!r} + "/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.pid_file = {folder!r} + "/proxy.pid"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.SimpleLocalProcessSpawner.home_dir_template = {folder!r} + "/people/{{username}}"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.jpserver_extensions={{'aether_jupyter': True}}",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.extra_labextensions_path=" + {folder!r} + "/labextensions",
]
# One home for all, so that what keeps people apart is the owner of each agent and nothing else.
c.Spawner.environment = {{"AETHER_HOME": {folder!r} + "/aether", "PYTHONPATH": {root!r}}}
c.Spawner.start_timeout = 60
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    if not PROXY.exists():
        pytest.fail("the Hub's proxy is not installed; run `make tools`")
    url = f"http://127.0.0.1:{free_port()}/"
    (tmp_path / "labextensions").mkdir()
    (tmp_path / "labextensions" / "aether-jupyter").symlink_to(ROOT / "aether_jupyter" / "labextension")
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(
        CONFIG.format(
            url=url,
            hub_port=free_port(),
            proxy_port=free_port(),
            folder=str(tmp_path),
            proxy=[str(PROXY)],
            python=sys.executable,
            root=str(ROOT),
        )
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY", "AETHER"))}
    log = (tmp_path / "hub.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub", "-f", str(config)], env=clean, stdout=log, stderr=log, cwd=tmp_path
    )
    try:
        yield url
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _open(chrome: Any, hub: str, name: str, path: str) -> Any:
    """Sign in by the Hub's own form and open a page of one's own server."""
    page = chrome.new_context(viewport={"width": 1440, "height": 900}).new_page()
    wait_for(lambda: _answers(page, f"{hub}hub/login"), 60)
    page.fill("#username_input", name)
    page.fill("#password_input", "any")
    page.click("#login_submit")
    page.wait_for_url(f"**/user/{name}/**", timeout=90_000)
    page.goto(f"{hub}user/{name}/{path}")
    ready(page)
    return page


def _answers(page: Any, url: str) -> bool:
    from playwright.sync_api import Error

    try:
        answer = page.goto(url)
    except Error:
        return False
    return bool(answer is not None and answer.ok)


def test_people_of_a_hub_run_agents_each_for_themselves(hub: str, chrome: Any, tmp_path: Path) -> None:
    home = tmp_path / "people" / "ana"
    home.mkdir(parents=True)
    cells = [
        "import aether_jupyter as aether",
        "run = await aether.spawn('Say hello.', name='Ours', model='scripted:hello')",
        "print('the agent said:', await run)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, home / "walk.ipynb")
    ana = _open(chrome, hub, "ana", "lab/tree/walk.ipynb")
    run_all_cells(ana)
    ana.get_by_text("the agent said:").wait_for(timeout=60_000)
    run(ana, "aether:open-mission-control")
    card = ana.locator(".mc-card").filter(has=ana.locator("h3", has_text="Ours"))
    card.get_by_text("Done").wait_for(timeout=20_000)
    mine = _fetch(ana, f"{hub}user/ana/aether/api/v1/processes")
    assert [each["owner"] for each in mine["body"]["processes"]] == ["ana"]
    bob = _open(chrome, hub, "bob", "lab")
    run(bob, "aether:open-mission-control")
    bob.wait_for_timeout(1000)
    assert "Ours" not in bob.inner_text("body")
    assert _fetch(bob, f"{hub}user/bob/aether/api/v1/processes")["body"] == {"processes": []}
    pid = mine["body"]["processes"][0]["pid"]
    assert _fetch(bob, f"{hub}user/bob/aether/api/v1/processes/{pid}")["status"] == 404
    assert _fetch(bob, f"{hub}user/ana/aether/api/v1/processes")["status"] in (401, 403, 404)


def _fetch(page: Any, url: str) -> dict[str, Any]:
    """A GET as Lab makes it; the Hub wants the XSRF token for that, too."""
    found = page.evaluate(
        """async url => {
          const token = document.cookie.match(/\\b_xsrf=([^;]*)/)?.[1] ?? '';
          const answer = await fetch(url, { headers: { 'X-XSRFToken': token } });
          return [answer.status, answer.ok ? await answer.json() : null];
        }""",
        url,
    )
    return {"status": found[0], "body": found[1]}
