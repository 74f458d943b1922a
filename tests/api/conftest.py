"""A Jupyter server with the extension, the kernel on real SQLite in a folder of its own, and scripted models."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPResponse

API = "aether/api/v1"


@pytest.fixture
def jp_server_config(tmp_path: Path) -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"aether_jupyter": True},
            "allow_unauthenticated_access": False,
        },
        "Aether": {"home": str(tmp_path / "aether"), "default_model": "scripted:hello", "durability": "NORMAL"},
    }


class Answer:
    """What came back, whatever the status."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.code
        self.headers = response.headers
        self.body = response.body or b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def call(jp_fetch: Callable[..., Awaitable[HTTPResponse]]) -> Call:
    """`await call("GET", "me")` under the API; `path` may start with `/` for one outside it."""

    async def call(method: str, path: str, body: Any = None, **options: Any) -> Answer:
        whole = path.lstrip("/") if path.startswith("/") else f"{API}/{path}"
        headers = options.pop("headers", {})
        if method in ("POST", "PUT"):
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **headers}
        try:
            response = await jp_fetch(whole, method=method, body=body, headers=headers, **options)
        except HTTPClientError as error:
            if error.response is None:
                raise
            response = error.response
        return Answer(response)

    return call


@pytest.fixture
def raw(jp_serverapp: Any, http_server_client: Any) -> Call:
    """A request with nothing added: no token, no cookie, the path as it is under the base URL."""

    async def raw(method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        response = await http_server_client.fetch(
            jp_serverapp.base_url + path.lstrip("/"),
            method=method,
            body=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            follow_redirects=False,
            allow_nonstandard_methods=True,
            request_timeout=20,
            raise_error=False,
        )
        return Answer(response)

    return raw
