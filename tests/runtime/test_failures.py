"""What refusals and failures of providers mean."""

from __future__ import annotations

import pytest

from aether_jupyter.model.errors import (
    ContextFull,
    ModelNotConfigured,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)
from aether_jupyter.runtime.failures import from_status


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ModelRefused),
        (401, ModelNotConfigured),
        (404, ModelNotConfigured),
        (408, ModelUnavailable),
        (413, ModelRefused),
        (429, ModelRateLimited),
        (500, ModelUnavailable),
        (529, ModelUnavailable),
    ],
)
def test_every_status_has_its_error(status: int, error: type[Exception]) -> None:
    found = from_status(status, "a:one", {"Retry-After": "3"}, {"error": {"message": "because of that."}})
    assert type(found) is error
    assert "because of that" in found.message


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 8203 tokens (7691 in the ", 8192),
        ("prompt is too long: 208310 tokens > 200000 maximum", 200_000),
        ("The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
        ("the request exceeds the available context size (4096 tokens), try increasing it", 4096),
        ("length of prompt_tokens (163280) must be less than max_seq_len (32768).", 32_768),
        ("the model is loaded with context length of only 4,096 tokens, which is not enough", 4096),
        ("Your input exceeds the context window of this model.", None),
        ("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length", 200_000),
        ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131_072),
        ("Invalid request: Your request exceeded model token limit: 8192", None),
        ("Input is too long for requested model.", None),
        ("invalid params, context window exceeds limit (2013)", None),
    ],
)
def test_a_context_that_is_too_long_is_told_from_other_refusals(said: str, window: int | None) -> None:
    found = from_status(400, "a:one", {}, {"error": {"message": said, "code": None}})
    assert isinstance(found, ContextFull)
    assert found.details.get("window_tokens") == window


@pytest.mark.parametrize(
    ("status", "error", "window"),
    [
        (400, {"message": "No.", "code": "context_length_exceeded"}, None),
        (413, {"message": "No.", "code": "tokens_limit_reached"}, None),
        (502, {"message": "No.", "type": "exceed_context_size_error", "n_prompt_tokens": 5012, "n_ctx": 4096}, 4096),
    ],
)
def test_a_context_that_is_too_long_is_told_by_its_code(
    status: int, error: dict[str, object], window: int | None
) -> None:
    found = from_status(status, "a:one", {}, {"error": error})
    assert isinstance(found, ContextFull)
    assert found.details.get("window_tokens") == window


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Invalid schema for function 'set_context_size': the maximum is missing"),
        (400, "messages[3].content: 'use a context window of 128 tokens' is not of type object"),
        (429, "This request's input tokens exceed the rate limit of 40,000 tokens per minute"),
    ],
)
def test_other_refusals_are_no_matter_of_length(status: int, said: str) -> None:
    assert not isinstance(from_status(status, "a:one", {}, {"error": {"message": said}}), ContextFull)


def test_the_wait_is_read_from_dates_and_from_google() -> None:
    body = {"error": {"details": [{"@type": "RetryInfo", "retryDelay": "12.5s"}]}}
    assert from_status(429, "m", {}, body).details["retry_after_s"] == 12.5
    past = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert from_status(503, "m", past, None).details["retry_after_s"] == 0.0
    assert "retry_after_s" not in from_status(503, "m", {"retry-after": "soon"}, None).details


@pytest.mark.parametrize(
    "error",
    [
        {"message": "maximum context length > ,,,, tokens"},
        {"message": "No.", "code": "context_length_exceeded", "n_ctx": -5},
        {"message": "No.", "code": "context_length_exceeded", "n_ctx": 3},
    ],
)
def test_what_is_no_size_of_a_window_is_not_taken_for_one(error: dict[str, object]) -> None:
    found = from_status(400, "a:one", {}, {"error": error})
    assert isinstance(found, ContextFull)
    assert "window_tokens" not in found.details
