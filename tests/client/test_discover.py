"""Which server is found, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aether_jupyter.client import discover as discovery
from aether_jupyter.client.client import Aether
from aether_jupyter.client.discover import Address, candidates, discover, tidy
from aether_jupyter.model.errors import Forbidden, ServerNotFound
from tests.faces import Server


@pytest.mark.parametrize(
    ("pasted", "url", "token"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888/", ""),
        ("http://127.0.0.1:8888/lab?token=abc", "http://127.0.0.1:8888/", "abc"),
        ("https://hub.example/user/ada/lab/tree/a.ipynb?token=x", "https://hub.example/user/ada/", "x"),
        ("127.0.0.1:8888/pre/fix/tree", "http://127.0.0.1:8888/pre/fix/", ""),
        ("http://h/labelled/", "http://h/labelled/", ""),
        ("http://h/user/lab/lab/tree/x", "http://h/user/lab/", ""),
        ("http://h/pre/user/doc", "http://h/pre/user/doc/", ""),
        ("https://[::1]:8888/lab", "https://[::1]:8888/", ""),
    ],
)
def test_addresses_as_people_paste_them(pasted: str, url: str, token: str) -> None:
    found = tidy(pasted)
    assert (found.url, found.token) == (url, token)


def test_no_address_is_refused() -> None:
    with pytest.raises(ServerNotFound, match="no address"):
        tidy("ftp://somewhere")


def test_a_token_is_not_printed() -> None:
    assert "secret" not in repr(Address("http://h/", "secret"))


def test_what_was_said_wins_over_the_environment() -> None:
    environ = {"AETHER_URL": "http://other/", "AETHER_TOKEN": "t"}
    assert discover("http://this/", environ=environ).url == "http://this/"
    assert discover(environ=environ).token == "t"


def test_a_hub_s_server_is_found_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    environ = {
        "JUPYTERHUB_API_TOKEN": "t",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/",
    }
    found = [(a.url, a.token) for a in candidates(environ, True)]
    assert found == [("http://127.0.0.1:8888/user/ada/", "t"), ("https://hub.example/user/ada/", "t")]


def test_a_hub_s_server_may_have_an_address_of_version_six() -> None:
    environ = {"JUPYTERHUB_API_TOKEN": "t", "JUPYTERHUB_SERVICE_URL": "http://[fd00::1]:8888/user/ada/"}
    assert next(candidates(environ, True)).url == "http://[fd00::1]:8888/user/ada/"


def test_the_server_of_this_kernel_comes_before_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for pid, port in ((7, 8007), (8, 8008)):
        info = {"url": f"http://127.0.0.1:{port}/", "token": "t"}
        (tmp_path / f"jpserver-{pid}.json").write_text(json.dumps(info))
    assert next(candidates({"JPY_PARENT_PID": "7"}, True)).url == "http://127.0.0.1:8007/"
    named = {"AETHER_SERVER_FILE": str(tmp_path / "jpserver-8.json"), "JPY_PARENT_PID": "7"}
    assert next(candidates(named, True)).url == "http://127.0.0.1:8008/"


def test_a_running_server_is_found_and_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime))
    found = discover(environ={})
    assert (found.url, found.token) == (server.url, server.token)


def test_servers_without_aether_are_passed_over(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    dead = {"url": "http://127.0.0.1:9/", "token": ""}
    (tmp_path / "jpserver-1.json").write_text(json.dumps(dead))
    (tmp_path / "jpserver-2.json").write_text("{")
    (tmp_path / "jpserver-3.json").write_text(json.dumps({"url": server.url, "token": server.token}))
    assert discover(environ={}).url == server.url


def test_no_server_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ServerNotFound, match="aether serve"):
        discover(environ={})


def test_a_wrong_token_is_forbidden(server: Server) -> None:
    with Aether(server.url, "wrong") as client, pytest.raises(Forbidden, match="token"):
        client.me()


def test_a_server_without_the_extension_says_how_to_enable_it(server: Server) -> None:
    with Aether(f"{server.url}elsewhere/", server.token) as client, pytest.raises(ServerNotFound, match="enable"):
        client.me()


def test_nobody_there_is_said_so() -> None:
    with Aether("http://127.0.0.1:9/") as client, pytest.raises(ServerNotFound, match="does not answer"):
        client.me()


def test_this_machine_is_asked_without_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    discovery.probe(Address(server.url, server.token))
    with server.client() as client:
        assert client.me().server.version
