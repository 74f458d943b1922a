"""What the server says of itself, and how it opens and closes."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import aether_jupyter.app
from aether_jupyter import __version__
from aether_jupyter.config import Settings
from aether_jupyter.extension import SERVER_FILE, Tenure
from aether_jupyter.model.access import PERSON
from aether_jupyter.model.errors import StorageBusy


async def test_me_is_the_account_of_the_server_under_its_own_login(call: Any) -> None:
    me = (await call("GET", "me")).json
    assert me["user"] == getpass.getuser()
    assert set(me["scopes"]) == PERSON
    assert me["server"]["version"] == __version__
    assert me["server"]["home_id"]


async def test_health_asks_each_part(call: Any) -> None:
    health = (await call("GET", "/aether/health")).json
    assert health["ok"] is all(check["ok"] for check in health["checks"] if check["fatal"])
    names = [check["name"] for check in health["checks"]]
    assert len(names) == len(set(names)) >= 9
    assert {"database", "home", "disk", "event loop", "sandbox", "model", "agents"} <= set(names)
    assert all(check["fix"] for check in health["checks"] if not check["ok"])


async def test_what_can_be_chosen_is_listed(call: Any) -> None:
    models = (await call("GET", "models")).json
    assert models["default"] == "scripted:hello"
    assert all({"id", "label", "available", "note"} <= model.keys() for model in models["models"])
    tools = {tool["name"] for tool in (await call("GET", "tools")).json["tools"]}
    assert {"read_file", "write_file", "run_command"} <= tools
    sandboxes = {one["name"]: one["isolated"] for one in (await call("GET", "sandboxes")).json["sandboxes"]}
    assert sandboxes["host"] is False
    assert sandboxes["bubblewrap"] is True


async def test_a_route_is_told_before_anything_is_started(call: Any) -> None:
    told = (await call("POST", "models/route", {"goal": "Count them", "model": "auto:cheap"})).json
    assert told["family"] == "cheap"
    assert told["why"].startswith("Cheap: the agent keeps to this family")
    listed = {each["id"]: each["families"] for each in (await call("GET", "models")).json["models"]}
    assert "cheap" in listed[told["models"][0]]
    named = (await call("POST", "models/route", {"goal": "Count them"})).json
    assert named == {"family": None, "models": ["scripted:hello"], "why": "The model is named."}
    denied = await call("POST", "models/route", {"goal": "x", "model": "auto", "permissions": ["deny model=*"]})
    assert (denied.status, denied.json["type"]) == (403, "forbidden")
    assert (await call("GET", "processes")).json["processes"] == []


async def test_templates_come_with_the_folder_that_agents_find_their_files_in(call: Any, tmp_path: Path) -> None:
    answer = (await call("GET", "templates")).json
    explore = next(each for each in answer["templates"] if each["name"] == "explore-a-dataset")
    assert explore["spec"]["workspaces"] == ["data"]
    folder = Path(answer["workspaces"]) / "data"
    assert folder.is_relative_to(tmp_path)
    spec = explore["spec"] | {"goal": "Say hello", "model": "scripted:hello"}
    started = await call("POST", "processes", spec)
    assert started.status == 201
    await call("GET", f"processes/{started.json['pid']}/wait", params={"timeout_s": "20"})
    assert folder.is_dir()


async def test_the_document_is_served(call: Any) -> None:
    assert (await call("GET", "openapi.json")).json["info"]["title"] == "Aether Jupyter"


async def test_kernels_and_terminals_inherit_where_the_server_is(
    jp_serverapp: Any, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER_FILE, "")
    (app,) = jp_serverapp.extension_manager.extension_apps["aether_jupyter"]
    await app._start_jupyter_server_extension(jp_serverapp)
    assert os.environ[SERVER_FILE] == jp_serverapp.info_file
    assert Path(jp_serverapp.info_file).stat().st_mode & 0o077 == 0
    await app.stop_extension()
    assert SERVER_FILE not in os.environ


async def test_requests_that_come_early_wait_and_a_fault_is_told_and_mended(
    jp_asyncio_loop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = aether_jupyter.app.open_app
    tries = 0

    @asynccontextmanager
    async def stubborn(settings: Settings) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StorageBusy("another program holds the database")
        async with opened(settings) as app:
            yield app

    monkeypatch.setattr(aether_jupyter.app, "open_app", stubborn)
    tenure = Tenure(Settings(home=tmp_path, durability="NORMAL"), logging.getLogger("tenure"), {})
    with pytest.raises(StorageBusy):
        await asyncio.gather(tenure.house(), tenure.house())
    async with asyncio.timeout(10):
        while True:
            try:
                house = await tenure.house()
                break
            except StorageBusy:
                await asyncio.sleep(0.05)
    assert house.instance
    await tenure.close()
    with pytest.raises(Exception, match="stopping"):
        await tenure.house()
