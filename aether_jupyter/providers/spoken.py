"""The base of Aether's own models: a pydantic-ai `Model` whose answer is heard while it is spoken.

pydantic-ai streams through an event per chunk, which costs more than the rest of a call. A `SpokenModel` has one
method, `speak`, which tells each new piece of text to a listener and returns the whole answer; `request` and
`request_stream` are made of it, so the model works wherever a pydantic-ai model does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from ..model.image import Image
from ..model.message import ModelTurn, Part, Text, Thinking, ToolCall, ToolTurn, Turn, UserTurn
from ..pictures import examine

OnText = Callable[[Literal["text", "thinking"], str], None]


class SpokenModel(Model[Any]):
    """A model of our own. A subclass gives `speak`; `system` is its prefix."""

    def __init__(self, system: str, name: str) -> None:
        super().__init__()
        self._system = system
        self._name = name

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return self._system

    @abstractmethod
    async def speak(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
        on_text: OnText | None,
    ) -> ModelResponse:
        """The whole answer, its words told to `on_text` as they come. Raises `model.errors.ModelError`."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return await self.speak(messages, model_settings or {}, model_request_parameters, None)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        answer = await self.speak(messages, model_settings or {}, model_request_parameters, None)
        yield CompletedStreamedResponse(answer, model_request_parameters=model_request_parameters, replay_events=True)


def system_text(messages: Sequence[ModelMessage]) -> str:
    """The words of the system part."""
    return "\n\n".join(
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, SystemPromptPart)
    )


def to_turns(messages: Sequence[ModelMessage]) -> list[Turn]:
    """The transcript without its system part, in the journal's own classes."""
    turns: list[Turn] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            turns.append(ModelTurn(parts=tuple(_part(part) for part in message.parts if _kept(part))))
            continue
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                text, images = _apart(part.content)
                turns.append(UserTurn(text, images=images))
            elif isinstance(part, ToolReturnPart):
                ok = part.outcome == "success"
                text, images = _apart(part.content) if isinstance(part.content, list) else (str(part.content), ())
                turns.append(ToolTurn(part.tool_call_id, part.tool_name, text, ok, images))
    return turns


def _apart(content: str | Sequence[Any]) -> tuple[str, tuple[Image, ...]]:
    """The words of what was said, and what its images are."""
    if isinstance(content, str):
        return content, ()
    text = "".join(item for item in content if isinstance(item, str))
    return text, tuple(examine(item.data) for item in content if isinstance(item, BinaryContent) and item.is_image)


def _kept(part: object) -> bool:
    return isinstance(part, TextPart | ThinkingPart | ToolCallPart)


def _part(part: object) -> Part:
    if isinstance(part, TextPart):
        return Text(part.content)
    if isinstance(part, ThinkingPart):
        return Thinking(part.content)
    assert isinstance(part, ToolCallPart)
    return ToolCall(part.tool_call_id, part.tool_name, part.args_as_dict())
