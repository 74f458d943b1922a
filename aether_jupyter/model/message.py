"""The transcript: what was said between people, the agent and its tools.

pydantic-ai's `ModelMessage` is the form in which a language model is asked (`runtime.language` translates); these
lighter classes are what the journal keeps, so that a server which has asked no model yet need not import it. Each
part keeps the provider's own details (signatures, ids), so the translation back loses nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .image import Image


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    """Words of the model."""

    text: str
    provider: dict[str, Any] | None = None


class Thinking(msgspec.Struct, frozen=True, tag="thinking", omit_defaults=True):
    """Reasoning that a model shows apart from its answer."""

    text: str
    provider: dict[str, Any] | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="call", omit_defaults=True):
    """A call that the model proposes. `arguments` is `None` when `raw` could not be read as a JSON object."""

    id: str
    tool: str
    arguments: dict[str, Any] | None
    raw: str = ""
    provider: dict[str, Any] | None = None


Part = Text | Thinking | ToolCall


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call. `known` is false where the provider gave no usage and the reservation is charged."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    known: bool = True


KERNEL, MEMORY, SUMMARY, ANSWER = "kernel", "memory", "summary", "answer"
"""Who speaks in a user's turn where nobody does: the kernel, what the agent remembers, the summary of its older steps,
and what a person answered to a question that lies among these.
"""
NOBODY = frozenset((KERNEL, MEMORY, SUMMARY, ANSWER))

AGENT = "agent"
"""Who changed a plan, if its agent did."""


class UserTurn(msgspec.Struct, frozen=True, tag="user"):
    """Words of a person, another agent, or one of `NOBODY` (`source` says who), and the images that came with them."""

    text: str
    source: str = "person"
    images: tuple[Image, ...] = ()


class ModelTurn(msgspec.Struct, frozen=True, tag="model"):
    """One answer of the model."""

    parts: tuple[Part, ...]


class ToolTurn(msgspec.Struct, frozen=True, tag="tool"):
    """What one tool call came to, as the model reads it, and sees it."""

    call_id: str
    tool: str
    content: str
    ok: bool = True
    images: tuple[Image, ...] = ()


Turn = UserTurn | ModelTurn | ToolTurn


def encodable(text: str) -> str:
    """The text with lone surrogates replaced: a file's name or a model's answer may hold them, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
