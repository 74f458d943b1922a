"""A lean client for servers that speak OpenAI's chat completions: OpenAI, Ollama, vLLM, llama.cpp and many more.

The vendor's client costs nine times as much per call. Here a message is encoded once and its bytes are kept with it,
chunks are read into the few fields that matter, and one connection pool serves every model of a provider.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    BinaryContent,
    FinishReason,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from ..model.errors import ModelAnswerCut, ModelRefused, ModelUnavailable
from .spoken import OnText, SpokenModel

LOUD_CHARS = 1_000_000
"""Characters of one answer that are told to the listener; what comes after is only in the answer."""

MAX_BYTES = 64_000_000
"""Bytes of one answer; a server that sends more is not heard out."""

LINGER_S = 5.0
"""Seconds that usage and `[DONE]` may come after the reason to finish."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_WIRE = "_openai_wire"
_REASONING = re.compile(r"(o\d|gpt-5)")


class OpenAIHTTPModel(SpokenModel):
    """One model of one server. `session` gives the provider's open client session."""

    def __init__(
        self,
        system: str,
        name: str,
        *,
        base_url: str,
        api_key: str,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        super().__init__(system, name)
        split = urlsplit(base_url)
        # A name and password in it are a secret like a key; the URL stands in messages.
        login, _, place = split.netloc.rpartition("@")
        self._base_url = urlunsplit((split.scheme, place, split.path.rstrip("/"), "", ""))
        self._url = f"{self._base_url}/chat/completions"
        self._query = dict(parse_qsl(split.query)) or None
        # aiohttp's own look at the environment reads a file in a thread for every request.
        self._proxy = None if proxy_bypass(split.hostname or "") else getproxies().get(split.scheme)
        self._session = session
        self._headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
            if self._query and "api-version" in self._query:
                self._headers["api-key"] = api_key
        elif login:
            self._headers["Authorization"] = f"Basic {base64.b64encode(unquote(login).encode()).decode()}"
        self._reasons = _REASONING.match(name) is not None
        self._head = b'{"model":' + msgspec.json.encode(name) + b',"messages":['
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    @property
    def base_url(self) -> str:
        return self._base_url

    async def speak(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
        on_text: OnText | None,
    ) -> ModelResponse:
        """Raises `ModelHTTPError` for a status of 400 or more, `ModelUnavailable`, `ModelAnswerCut`."""
        body = self._body(messages, settings, parameters, on_text is not None)
        silence_s = settings.get("timeout")
        try:
            async with self._session().post(
                self._url,
                data=body,
                headers=self._headers,
                params=self._query,
                proxy=self._proxy,
                timeout=self._timeout(silence_s if isinstance(silence_s, int | float) else 120.0),
                # Whoever answers could send key and conversation on to anywhere.
                allow_redirects=False,
            ) as response:
                if response.status >= 300:
                    problem = await self._problem(response)
                    raise ModelHTTPError(response.status, self.model_name, problem, headers=dict(response.headers))
                kind = response.content_type
                if kind == "text/html":
                    raise ModelRefused(
                        f"{self.system}:{self.model_name}: {self._url} is a web page and no language model; "
                        "a base URL ends in /v1 as a rule"
                    )
                if kind == "text/event-stream" or (on_text is not None and kind != "application/json"):
                    return await self._heard(response.content, on_text or _unheard)
                return self._whole(await _bounded_body(response))
        except TimeoutError as error:
            raise ModelUnavailable(f"{self.system}:{self.model_name} stayed silent too long") from error
        except aiohttp.ClientError as error:
            words = str(error) or type(error).__name__
            raise ModelUnavailable(
                f"{self.system}:{self.model_name} is not to be reached at {self._base_url} ({words[:200]})"
            ) from error

    def _timeout(self, silence_s: float) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(silence_s)
        if found is None:
            found = aiohttp.ClientTimeout(total=None, sock_connect=min(silence_s, 30.0), sock_read=silence_s)
            self._timeouts[silence_s] = found
        return found

    def _body(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, stream: bool
    ) -> bytes:
        pieces = [self._head, b",".join(wire for message in messages if (wire := _wire(message))), b"]"]
        tools = _tools(parameters)
        if tools:
            pieces += (b',"tools":', tools)
        limit = settings.get("max_tokens")
        if limit is not None:
            pieces.append(b',"max_completion_tokens":%d' % limit if self._reasons else b',"max_tokens":%d' % limit)
        temperature = settings.get("temperature")
        if temperature is not None and not self._reasons:
            pieces += (b',"temperature":', msgspec.json.encode(temperature))
        pieces.append(b',"stream":true,"stream_options":{"include_usage":true}}' if stream else b"}")
        return b"".join(pieces)

    def _whole(self, data: bytes) -> ModelResponse:
        try:
            answer = _ANSWER.decode(data)
        except _UNREADABLE as error:
            raise ModelAnswerCut(f"{self.system}:{self.model_name} gave an answer that is no JSON ({error})") from error
        if not answer.choices:
            raise self._failed(answer.error)
        choice = answer.choices[0]
        message = choice.message or _Message()
        parts: list[ModelResponsePart] = []
        thought = message.reasoning_content or message.reasoning
        if thought:
            parts.append(ThinkingPart(thought))
        text = _words(message.content) or message.refusal
        if text:
            parts.append(TextPart(text))
        for place, call in enumerate(message.tool_calls or ()):
            function = call.function or _Function()
            parts.append(ToolCallPart(function.name or "", function.arguments, call.id or f"call-{place}"))
        if choice.finish_reason is None:
            raise ModelAnswerCut(f"{self.system}:{self.model_name} gave an answer without an end")
        return self._response(parts, choice.finish_reason, answer.usage, answer.model)

    async def _heard(self, content: aiohttp.StreamReader, on_text: OnText) -> ModelResponse:
        """Read server-sent events to their end, which is a reason to finish or `[DONE]`."""
        text: list[str] = []
        thought: list[str] = []
        calls = _Calls()
        usage: _Usage | None = None
        reason: str | None = None
        model: str | None = None
        done = False
        told = 0
        buffer = bytearray()
        seen = size = 0
        held = b""
        try:
            while not done:
                # Some servers keep a connection open after the last word, and say no [DONE].
                waiting = content.readany()
                data = await (waiting if reason is None else asyncio.wait_for(waiting, LINGER_S))
                if not data:
                    break
                size += len(data)
                if size > MAX_BYTES:
                    raise ModelAnswerCut(f"{self.system}:{self.model_name} sent more than {MAX_BYTES:,} bytes")
                buffer += data
                while (end := buffer.find(b"\n", seen)) >= 0:
                    line = bytes(buffer[:end]).strip()
                    del buffer[: end + 1]
                    seen = 0
                    if not line.startswith(b"data:"):
                        if held and not line:
                            raise ModelAnswerCut(f"{self.system}:{self.model_name} sent a chunk that is no JSON")
                        continue
                    line = held + line[5:].strip()
                    if line == b"[DONE]":
                        done = True
                        break
                    try:
                        chunk = _CHUNK.decode(line)
                    except msgspec.ValidationError:
                        raise
                    except msgspec.DecodeError:
                        # One event may be told in several lines; an empty line ends it.
                        held = line + b"\n"
                        continue
                    held = b""
                    if chunk.error is not None:
                        raise self._failed(chunk.error)
                    usage = chunk.usage or usage
                    model = model or chunk.model
                    if not chunk.choices:
                        continue
                    choice = chunk.choices[0]
                    reason = choice.finish_reason or reason
                    delta = choice.delta
                    if delta is None:
                        continue
                    thinking = delta.reasoning_content or delta.reasoning
                    if thinking:
                        thought.append(thinking)
                        told += len(thinking)
                        if told <= LOUD_CHARS:
                            on_text("thinking", thinking)
                    words = _words(delta.content) or delta.refusal
                    if words:
                        text.append(words)
                        told += len(words)
                        if told <= LOUD_CHARS:
                            on_text("text", words)
                    for piece in delta.tool_calls or ():
                        calls.take(piece)
                seen = len(buffer)
        except _UNREADABLE as error:
            raise ModelAnswerCut(f"{self.system}:{self.model_name} sent a chunk that is no JSON ({error})") from error
        except TimeoutError as error:
            if reason is None:
                raise ModelAnswerCut(f"{self.system}:{self.model_name} fell silent within its answer") from error
        except aiohttp.ClientError as error:
            if reason is None:
                raise ModelAnswerCut(
                    f"{self.system}:{self.model_name}: the answer was cut short, the connection broke"
                ) from error
        if done and not content.at_eof():
            # A connection is only used again when its answer was read to the last byte.
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(0.25):
                    while await content.readany():
                        pass
        if reason is None and not done:
            raise ModelAnswerCut(f"{self.system}:{self.model_name}: the answer was cut short before its end")
        parts: list[ModelResponsePart] = []
        if thought:
            parts.append(ThinkingPart("".join(thought)))
        if text:
            parts.append(TextPart("".join(text)))
        for place, call in enumerate(calls):
            parts.append(ToolCallPart(call.name, "".join(call.arguments), call.id or f"call-{place}"))
        return self._response(parts, reason or "stop", usage, model)

    async def _problem(self, response: aiohttp.ClientResponse) -> object:
        """What the server says is wrong, and what we make of it where it does not."""
        if response.status < 400:
            to = urlsplit(response.headers.get("Location", ""))
            place = f"{to.scheme}://{to.hostname}{to.path}" if to.hostname else to.path
            return {"error": f"it sends requests on to {place or 'nowhere'}; set the base URL to where it is to go"}
        data = await response.content.read(20_000)
        try:
            found: object = msgspec.json.decode(data)
        except _UNREADABLE:
            found = {"error": data.decode(errors="replace")[:500]} if response.content_type == "text/plain" else None
        if response.status == 404 and b"model" not in data.lower():
            return {"error": f"nothing is served at {self._url}; a base URL ends in /v1 as a rule"}
        return found

    def _response(
        self, parts: list[ModelResponsePart], reason: str, usage: _Usage | None, model: str | None
    ) -> ModelResponse:
        used = RequestUsage()
        if usage is not None:
            details = usage.prompt_tokens_details
            used = RequestUsage(
                input_tokens=usage.prompt_tokens or 0,
                output_tokens=usage.completion_tokens or 0,
                cache_read_tokens=(details.cached_tokens or 0) if details is not None else 0,
            )
        return ModelResponse(
            parts=parts,
            usage=used,
            model_name=model or self.model_name,
            provider_name=self.system,
            finish_reason=_REASONS.get(reason, "stop"),
        )

    def _failed(self, error: Any) -> Exception:
        """What a server says in the body of an answer whose status was fine."""
        status = 502
        if isinstance(error, dict):
            code = error.get("code") or error.get("status")
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
        return ModelHTTPError(status, self.model_name, {"error": error} if error is not None else "no answer in it")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: Any = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


class _Calls:
    """The calls of an answer, put together from their pieces."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int | None, _Call] = {}

    def __iter__(self) -> Iterator[_Call]:
        return iter(self._calls)

    def take(self, piece: _CallPiece) -> None:
        """Add a piece to the call it belongs to.

        Servers that number no calls start one with each new id; some give every call the same number.
        """
        function = piece.function or _Function()
        call = self._by_index.get(piece.index)
        if call is None or (piece.id and call.id and piece.id != call.id):
            call = _Call()
        elif piece.index is None and piece.id and function.name and call.arguments:
            # Without numbers, a whole call more under an id that was there is another call.
            call = _Call()
        if self._by_index.get(piece.index) is not call:
            self._by_index[piece.index] = call
            self._calls.append(call)
        call.id = piece.id or call.id
        if function.name and function.name != call.name:
            call.name += function.name
        if isinstance(function.arguments, str):
            call.arguments.append(function.arguments)
        elif function.arguments is not None:
            call.arguments.append(msgspec.json.encode(function.arguments).decode())


class _Call:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


_ANSWER = msgspec.json.Decoder(_Answer)
_CHUNK = _ANSWER

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
}


def _unheard(kind: str, text: str) -> None:
    """For a server that streams though it was not asked to."""


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(item.get("text", "")) for item in content if isinstance(item, dict))
    return ""


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for data in response.content.iter_any():
        size += len(data)
        if size > MAX_BYTES:
            raise ModelAnswerCut(f"The server sent more than {MAX_BYTES:,} bytes")
        pieces.append(data)
    return b"".join(pieces)


def _wire(message: ModelMessage) -> bytes:
    """The JSON objects of one message, comma-separated; kept with it, for it is sent again with every later step."""
    kept: bytes | None = vars(message).get(_WIRE)
    if kept is None:
        objects = _asked(message) if isinstance(message, ModelRequest) else _answered(message)
        kept = b",".join(map(msgspec.json.encode, objects))
        vars(message)[_WIRE] = kept
    return kept


def _asked(message: ModelRequest) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = []
    if message.instructions:
        objects.append({"role": "system", "content": message.instructions})
    shown: list[UserContent] = []
    for part in message.parts:
        if isinstance(part, SystemPromptPart):
            objects.append({"role": "system", "content": part.content})
        elif isinstance(part, ToolReturnPart):
            text, files = (part.content, []) if isinstance(part.content, str) else _result(part)
            objects.append({"role": "tool", "tool_call_id": part.tool_call_id, "content": text})
            shown += files
        elif isinstance(part, UserPromptPart):
            objects.append({"role": "user", "content": _user(part.content)})
    if shown:
        # A result takes words alone, and nothing may stand between the results of one answer.
        place = max(n for n, each in enumerate(objects) if each["role"] == "tool") + 1
        objects.insert(place, {"role": "user", "content": _user(shown)})
    return objects


def _result(part: ToolReturnPart) -> tuple[str, list[UserContent]]:
    """The words of a result, and its images with a line before each that says whose they are."""
    said, shown = [], list[UserContent]()
    for item in part.content_items(mode="str"):
        if isinstance(item, str):
            said.append(item)
        elif isinstance(item, BinaryContent) and item.is_image:
            shown += [f"[Image {item.identifier} of the result of {part.tool_name}, call {part.tool_call_id}]", item]
    return "\n".join(said), shown


def _user(given: str | Sequence[UserContent]) -> Any:
    if isinstance(given, str):
        return given
    content: list[dict[str, Any]] = []
    for item in given:
        if isinstance(item, str):
            content.append({"type": "text", "text": item})
        elif isinstance(item, ImageUrl):
            content.append({"type": "image_url", "image_url": {"url": item.url}})
        elif isinstance(item, BinaryContent) and item.is_image:
            data = base64.b64encode(item.data).decode()
            content.append({"type": "image_url", "image_url": {"url": f"data:{item.media_type};base64,{data}"}})
    return content


def _answered(message: ModelResponse) -> list[dict[str, Any]]:
    text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if not text and not calls:
        return []
    found: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        found["tool_calls"] = calls
    return [found]


def _tools(parameters: ModelRequestParameters) -> bytes:
    kept: bytes | None = vars(parameters).get(_WIRE)
    if kept is None:
        tools = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": tool.parameters_json_schema,
                },
            }
            for tool in (*parameters.function_tools, *parameters.output_tools)
        ]
        kept = msgspec.json.encode(tools) if tools else b""
        vars(parameters)[_WIRE] = kept
    return kept
