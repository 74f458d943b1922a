"""Finds the server to talk to: what was said, the environment, JupyterHub, the server of this kernel, any other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import msgspec

from ..model.errors import Forbidden, ServerNotFound

NOWHERE = (
    "No Jupyter server with Aether was found. Start one with `aether serve` (or `make run` in a checkout), "
    "or give its address in AETHER_URL and its token in AETHER_TOKEN."
)
ANYWHERE = frozenset({"0.0.0.0", "::", "[::]", "*", ""})  # noqa: S104 (compared with, not bound to)
PROBE_S = 3.0


@dataclass(frozen=True)
class Address:
    """Where a server is and what opens it. `url` ends with a slash; `verify` is as in httpx (False: any certificate).

    The token is never printed.
    """

    url: str
    token: str = ""
    verify: bool | str = True
    found: str = ""

    def __repr__(self) -> str:
        return f"Address({self.url!r}, found by {self.found or 'the caller'})"

    @property
    def local(self) -> bool:
        """Whether it is this machine, which no proxy of the environment is asked for."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries. Token authentication needs no XSRF cookie."""
        return {"Authorization": f"token {self.token}"} if self.token else {}


def tidy(url: str, token: str = "", verify: bool | str = True, found: str = "") -> Address:
    """An address as people paste it: `…/lab?token=abc` gives the base URL and the token."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerNotFound(f"{url!r} is no address of a server; it looks like http://127.0.0.1:8888/")
    path = parts.path
    # Of a Hub's address the first words are the person's, who may be called as a page is.
    home = re.match(r"(?:/.*?)?/user/[^/]+(?=/|$)", path)
    kept, path = (home[0], path[home.end() :]) if home else ("", path)
    for page in ("lab", "tree", "login", "doc"):
        before, at, _ = path.partition(f"/{page}")
        if at and (path == before + at or path.startswith(f"{before}{at}/")):
            path = before
    token = token or parse_qs(parts.query).get("token", [""])[0]
    return Address(
        urlunsplit((parts.scheme, parts.netloc, (kept + path).rstrip("/") + "/", "", "")), token, verify, found
    )


def discover(
    url: str = "",
    token: str = "",
    *,
    verify: bool | str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Address:
    """The server to talk to.

    In order: `url`; `AETHER_URL` with `AETHER_TOKEN`; JupyterHub's environment; the server that started this kernel
    or terminal; the first running server of this person that has Aether. `AETHER_CA` names a certificate file for
    servers with a certificate of their own. Raises `ServerNotFound` with what to do, `Forbidden` if the only server
    found does not accept its token.
    """
    if verify is None:
        verify = environ.get("AETHER_CA") or True
    token = token or environ.get("AETHER_TOKEN", "")
    if url:
        return tidy(url, token, verify, "url")
    if environ.get("AETHER_URL"):
        return tidy(environ["AETHER_URL"], token, verify, "AETHER_URL")
    trouble: Exception | None = None
    for address in candidates(environ, verify):
        try:
            probe(address)
        except (ServerNotFound, Forbidden) as error:
            trouble = trouble or error
            continue
        return address
    raise ServerNotFound(f"{NOWHERE} (Tried: {trouble})" if trouble else NOWHERE)


def candidates(environ: Mapping[str, str], verify: bool | str) -> Iterator[Address]:
    """Where a server may be, likeliest first. None of them was asked yet."""
    seen: set[str] = set()
    for address in (*_hub(environ, verify), *_own(environ, verify), *_running(verify)):
        if address.url not in seen:
            seen.add(address.url)
            yield address


def probe(address: Address) -> None:
    """Raise `ServerNotFound` or `Forbidden` unless Aether answers there."""
    import httpx

    from . import requests

    try:
        answer = httpx.get(
            f"{address.url}{requests.API}/me",
            headers=address.headers,
            timeout=PROBE_S,
            verify=address.verify,
            trust_env=not address.local,
        )
    except httpx.HTTPError as error:
        raise ServerNotFound(f"{address.url} does not answer: {error}") from error
    requests.me().read(answer.status_code, answer.headers.get("content-type", ""), answer.content, address.url)


def _hub(environ: Mapping[str, str], verify: bool | str) -> Iterator[Address]:
    token = environ.get("JUPYTERHUB_API_TOKEN")
    if not token:
        return
    here = environ.get("JUPYTERHUB_SERVICE_URL", "")
    if here.startswith("http"):
        parts = urlsplit(here)
        if (parts.hostname or "") in ANYWHERE:
            parts = parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1")
        path = environ.get("JUPYTERHUB_SERVICE_PREFIX") or parts.path
        yield tidy(urlunsplit((parts.scheme, parts.netloc, path, "", "")), token, verify, "JupyterHub")
    # A kernel on another machine cannot reach its server's own port, but it may reach the Hub's proxy.
    public = environ.get("JUPYTERHUB_PUBLIC_URL") or (
        environ["JUPYTERHUB_HOST"] + environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        if environ.get("JUPYTERHUB_HOST")
        else ""
    )
    if public:
        yield tidy(public, token, verify, "JupyterHub")


def _own(environ: Mapping[str, str], verify: bool | str) -> Iterator[Address]:
    named = environ.get("AETHER_SERVER_FILE")
    if named:
        yield from _read(Path(named), verify, "the server of this kernel")
    parent = environ.get("JPY_PARENT_PID", "")
    if parent.isdigit():
        from jupyter_core.paths import jupyter_runtime_dir

        yield from _read(Path(jupyter_runtime_dir()) / f"jpserver-{parent}.json", verify, "the server of this kernel")


def _running(verify: bool | str) -> Iterator[Address]:
    from jupyter_core.paths import jupyter_runtime_dir

    def age(path: Path) -> float:
        try:
            return -path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    for path in sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json"), key=age):
        yield from _read(path, verify, "a running server")


def _read(path: Path, verify: bool | str, found: str) -> Iterator[Address]:
    try:
        info: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return
    if info.get("sock") or not str(info.get("url", "")).startswith("http"):
        return
    parts = urlsplit(info["url"])
    if (parts.hostname or "") in ANYWHERE:
        netloc = f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1"
        parts = parts._replace(netloc=netloc)
    yield tidy(urlunsplit(parts), str(info.get("token") or ""), verify, found)
