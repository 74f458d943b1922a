"""The committed OpenAPI document is what the code would write, and holds together."""

from __future__ import annotations

import json
import re
from pathlib import Path

from aether_jupyter.api.openapi import document, text
from aether_jupyter.api.routes import ROUTES

COMMITTED = Path(__file__).parents[2] / "labextension" / "openapi.json"


def test_the_committed_document_is_fresh() -> None:
    assert COMMITTED.read_text() == text(), "run: python -m aether_jupyter.api.openapi > labextension/openapi.json"


def test_every_route_is_in_it_once_with_words() -> None:
    operations = {
        (method.upper(), path): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {(r.method, r.full_path) for r in ROUTES} | {
        ("GET", "/aether/feed"),
        ("GET", "/aether/browsers/{pid}"),
    }
    names = [operation["operationId"] for operation in operations.values()]
    assert len(names) == len(set(names))
    for operation in operations.values():
        assert operation["summary"]
        assert operation["x-scope"]


def test_every_reference_leads_somewhere() -> None:
    schemas = document()["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document())):
        assert name in schemas


def test_bodies_refuse_unknown_fields() -> None:
    schemas = document()["components"]["schemas"]
    for route in ROUTES:
        if route.decoder is not None:
            assert schemas[route.body.__name__]["additionalProperties"] is False


def test_what_the_server_writes_says_which_fields_are_always_there() -> None:
    schemas = document()["components"]["schemas"]
    assert set(schemas["Process"]["required"]) == set(schemas["Process"]["properties"])
    assert "required" not in schemas["Evidence"] or "stdout" not in schemas["Evidence"]["required"]
    assert schemas["Spawn"]["required"] == ["goal"]


def test_what_goes_both_ways_may_be_partial_in_a_request_only() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["Spawn"]["properties"]["limits"]["$ref"].endswith("/PartialLimits")
    assert schemas["Process"]["properties"]["limits"]["$ref"].endswith("/Limits")
    assert schemas["PartialLimits"]["required"] == []
    assert set(schemas["Limits"]["required"]) == set(schemas["Limits"]["properties"])
