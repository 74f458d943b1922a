"""What the OpenAPI document promises holds for requests that nobody here thought of, drawn from the document itself.

Half of them do not fit. None may end as a server's error, and every answer must be one that the document names.
"""

from __future__ import annotations

import io
import zipfile

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aether_jupyter.api.openapi import document
from aether_jupyter.api.routing import IMAGE_TYPES
from aether_jupyter.client.run import make_spec
from tests.drawn import drawn
from tests.faces import Server, server

__all__ = ["server"]

pytestmark = pytest.mark.slow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def populated(server: Server) -> Server:
    """With agents under the numbers that are drawn most often, one of which waits for a person."""
    with server.client() as client:
        for _ in range(3):
            pid = client.spawn(make_spec("x", model="scripted:risky")).pid
            client.wait(pid, timeout_s=20)
    return server


@schemathesis.serializer("application/zip")
def as_zip(context: schemathesis.SerializationContext, value: object) -> bytes:
    """What is drawn as the one file of a folder of memories, half of the time in a zip."""
    file = value if isinstance(value, bytes) else repr(value).encode()
    if len(file) % 2:
        return file
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("semantic/drawn.md", file)
    return out.getvalue()


@schemathesis.serializer(*IMAGE_TYPES)
def as_image(context: schemathesis.SerializationContext, value: object) -> bytes:
    """What is drawn, half of the time after the beginning of a PNG."""
    file = value if isinstance(value, bytes) else repr(value).encode()
    return drawn()[: len(file) * 8] + file if len(file) % 2 else drawn()


described = schemathesis.openapi.from_dict(document()).exclude(operation_id=["feed", "screencast"])


@described.parametrize()
@hypothesis.settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, populated: Server) -> None:
    if case.operation.definition.raw["operationId"] == "waitProcess":
        case.query = {"timeout_s": 0}
    case.call_and_validate(
        base_url=populated.url.rstrip("/"), headers={"Authorization": f"token {populated.token}"}, checks=CHECKS
    )
