"""Every door is locked: found by asking the router, so that a new one without a lock fails here."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from aether_jupyter.api.routes import ROUTES
from aether_jupyter.api.routing import ACTIONS, Door, Route
from aether_jupyter.api.sockets import BrowserSocket, DisplaySocket, FeedSocket, Socket

XSRF = "aabbccdd"


def ours(jp_web_app: Any) -> list[tuple[str, type]]:
    """What the router knows of us: every pattern with `aether` in it, and its handler."""
    found = []
    for group in jp_web_app.wildcard_router.rules + jp_web_app.default_router.rules:
        for rule in getattr(group.target, "rules", [group]):
            pattern = getattr(getattr(rule.matcher, "regex", None), "pattern", "")
            if "/aether/" in pattern:
                found.append((pattern, rule.target))
    return found


def path_of(route: Route) -> str:
    return re.sub(r"{(\w+)}", "1", route.full_path)


async def cookie(raw: Any, jp_serverapp: Any) -> str:
    """A browser's cookies after a login by token."""
    token = jp_serverapp.identity_provider.token
    answer = await raw("GET", f"aether/api/v1/me?token={token}")
    assert answer.status == 200
    name, _, value = answer.headers.get_list("Set-Cookie")[0].partition(";")[0].partition("=")
    return f"{name}={value}; _xsrf={XSRF}"


def test_every_handler_of_ours_is_a_known_door(jp_serverapp: Any, jp_web_app: Any) -> None:
    handlers = ours(jp_web_app)
    assert len(handlers) == len({r.full_path for r in ROUTES}) + 3
    assert {h for _, h in handlers if issubclass(h, Socket)} == {FeedSocket, DisplaySocket, BrowserSocket}
    for pattern, handler in handlers:
        assert issubclass(handler, Door | Socket), pattern
        for method in handler.SUPPORTED_METHODS:
            if method != "OPTIONS":
                assert not getattr(getattr(handler, method.lower()), "__allow_unauthenticated", False), pattern
    routed = {(r.method, r.full_path) for r in ROUTES}
    served = {(m, r.full_path) for _, h in handlers if issubclass(h, Door) for m, r in h.routes.items()}
    assert served == routed
    assert {r.method for r in ROUTES} <= set(ACTIONS)


async def test_nobody_comes_in_without_a_login(raw: Any) -> None:
    for route in ROUTES:
        body = b"{}" if route.method == "POST" else None
        for headers in ({}, {"Authorization": "token wrong"}, {"Cookie": "username-localhost=forged"}):
            answer = await raw(route.method, path_of(route), body, Content_Type="application/json", **headers)
            assert answer.status == 403, (route.operation_id, headers, answer.status)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json["type"] == "forbidden"


async def test_a_browser_needs_the_xsrf_token_to_change_anything(raw: Any, jp_serverapp: Any) -> None:
    cookies = await cookie(raw, jp_serverapp)
    for route in (r for r in ROUTES if r.method != "GET"):
        body = b"[]" if route.method == "POST" else None
        bare = await raw(route.method, path_of(route), body, Content_Type="application/json", Cookie=cookies)
        assert bare.status == 403, route.operation_id
        wrong = await raw(route.method, path_of(route), body, Cookie=cookies, X_XSRFToken="ffff")
        assert wrong.status == 403, route.operation_id
        good = await raw(
            route.method, path_of(route), body, Content_Type="application/json", Cookie=cookies, X_XSRFToken=XSRF
        )
        assert good.status in (400, 404, 415), (route.operation_id, good.body)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1"])
async def test_foreign_pages_get_nothing(raw: Any, jp_serverapp: Any, origin: str) -> None:
    cookies = await cookie(raw, jp_serverapp)
    for route in ROUTES:
        body = b"{}" if route.method == "POST" else None
        answer = await raw(
            route.method,
            path_of(route),
            body,
            Content_Type="application/json",
            Cookie=cookies,
            X_XSRFToken=XSRF,
            Origin=origin,
        )
        assert answer.status in (403, 404), (route.operation_id, answer.status)
        assert "process" not in answer.body.decode().lower()
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_answers_are_not_kept_guessed_or_framed(call: Any) -> None:
    for route in (r for r in ROUTES if r.method == "GET" and not r.in_path):
        needed = {each.name: "x" for each in route.in_query if each.default is inspect.Parameter.empty}
        answer = await call("GET", "/" + route.full_path, params=needed)
        assert answer.status == 200, route.operation_id
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        archive = route.full_path.endswith("/export")
        assert answer.headers["Content-Type"] == ("application/zip" if archive else "application/json")


async def test_what_is_not_there_is_problem_json_too(call: Any) -> None:
    gone = await call("GET", "processes/999")
    assert (gone.status, gone.json["type"]) == (404, "process_not_found")
    assert gone.headers["Content-Type"] == "application/problem+json"
    wrong = await call("DELETE", "me")
    assert wrong.status == 405
    assert wrong.json["status"] == 405


@pytest.fixture
def deny() -> type:
    from jupyter_server.auth import Authorizer

    class Deny(Authorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            return resource != "aether" or action == "read"

    return Deny


class TestAuthorizer:
    """Jupyter's own authorizer is asked, with the resource `aether` and the right action."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any], deny: type) -> dict[str, Any]:
        jp_server_config["ServerApp"]["authorizer_class"] = deny
        return jp_server_config

    async def test_is_asked_for_every_route(self, call: Any) -> None:
        for route in ROUTES:
            answer = await call(route.method, "/" + path_of(route), {} if route.method == "POST" else None)
            assert (answer.status == 403) == (route.method != "GET"), (route.operation_id, answer.status)
