"""Every error survives the way from server over JSON to client as the same class."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from tornado.web import HTTPError

from aether_jupyter.api.routing import problem, refusal
from aether_jupyter.model.errors import AetherError

KINDS: list[type[AetherError]] = [AetherError, *AetherError.registry.values()]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_an_error_comes_out_as_it_went_in(kind: type[AetherError]) -> None:
    error = kind("No process 7 — 50 % sure", pid=7, names=["a", "ü"])
    body = json.loads(problem(error, error.status))
    again = AetherError.from_json(body)
    assert type(again) is kind
    assert (again.message, again.details) == (error.message, error.details)
    assert body["status"] == kind.status == HTTPStatus(kind.status)


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "bad_request"),
        (413, "bad_request"),
        (500, "aether_error"),
    ],
)
def test_what_jupyter_refuses_has_a_class_too(status: int, code: str) -> None:
    cause = HTTPError(status, "50 % of it")
    error = refusal(status, "Reason", (HTTPError, cause, None))
    assert (error.code, error.message) == (code, "50 % of it")
    assert json.loads(problem(error, status))["status"] == status
