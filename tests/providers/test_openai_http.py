"""The lean client against a server that misbehaves in every way a server can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aether_jupyter.clock import SystemClock
from aether_jupyter.config import Settings
from aether_jupyter.model.errors import (
    ModelAnswerCut,
    ModelError,
    ModelNotConfigured,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)
from aether_jupyter.model.message import Text, Thinking, ToolCall, ToolTurn, UserTurn
from aether_jupyter.model.tool import Risk, ToolSpec
from aether_jupyter.providers import models
from aether_jupyter.runtime import language as module
from aether_jupyter.runtime.language import Language

pytestmark = pytest.mark.anyio

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    risk=Risk.SAFE,
)


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    return (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"
    )


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"


def streamed(*pieces: bytes, abort: bool = False, pause_s: float = 0.0) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await out.prepare(request)
        for piece in pieces:
            await out.write(piece)
            if pause_s:
                await asyncio.sleep(pause_s)
        if abort and request.transport is not None:
            request.transport.close()
        return out

    return handle


def fixed(status: int, body: object, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return handle


@asynccontextmanager
async def served(
    *handlers: Handler, environment: dict[str, str] | None = None, login: str = "", **changes: Any
) -> AsyncIterator[tuple[Language, list[dict[str, Any]]]]:
    """A server that answers with one handler after the other, the last for ever; and the bodies it was sent."""
    left = list(handlers)
    bodies: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    settings = Settings(
        home=Path("/nonexistent"),
        environment={"OPENAI_BASE_URL": f"http://{login}127.0.0.1:{port}/v1", **(environment or {})},
        **({"model_timeout_s": 0.5, "model_attempts": 1} | changes),
    )
    it = Language({p.prefix: p for p in models.register_models(settings)}, settings, SystemClock())
    try:
        yield it, bodies
    finally:
        await it.close()
        await runner.cleanup()


async def ask(it: Language, *, stream: bool = True, heard: list[str] | None = None) -> Any:
    async with asyncio.timeout(20):
        return await it.ask(
            ("openai:test",),
            system="s",
            turns=(UserTurn("go"),),
            tools=(READ,),
            on_text=(lambda kind, text: heard.append(text) if heard is not None else None) if stream else None,
        )


async def test_a_streamed_answer_is_heard_and_whole() -> None:
    pieces = (
        chunk(role="assistant", reasoning_content="hm"),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "read_file", "arguments": '{"pa'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": 'th":"x"}'}}]),
        chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "read_file", "arguments": '{"path":"y"}'}}]),
        chunk("tool_calls"),
        USAGE,
        DONE,
    )
    heard: list[str] = []
    # Cut where no event ends, as networks do.
    joined = b": comment\n\n" + b"".join(pieces)
    async with served(streamed(*(joined[n : n + 7] for n in range(0, len(joined), 7)))) as (it, bodies):
        answer = await ask(it, heard=heard)
    assert heard == ["hm", "Hel", "lo"]
    assert answer.parts == (
        Thinking("hm"),
        Text("Hello"),
        ToolCall("a", "read_file", {"path": "x"}),
        ToolCall("b", "read_file", {"path": "y"}),
    )
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
    assert bodies[0]["stream_options"] == {"include_usage": True}
    assert bodies[0]["tools"][0]["function"]["parameters"] == READ.parameters


async def test_a_whole_answer_needs_no_stream() -> None:
    body = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    async with served(fixed(200, body)) as (it, _):
        assert (await ask(it, stream=False)).parts == (Text("hi"),)
        # A server that cannot stream answers at once, though it was asked to.
        assert (await ask(it)).parts == (Text("hi"),)


async def test_what_went_before_is_sent_in_the_form_that_servers_want() -> None:
    async with served(streamed(chunk("stop", content="x"), DONE)) as (it, bodies):
        from aether_jupyter.model.message import ModelTurn

        turns = (
            UserTurn("go"),
            ModelTurn((Thinking("hm"), Text("I read."), ToolCall("a", "read_file", {"path": "x"}))),
            ToolTurn("a", "read_file", "text"),
        )
        await it.ask(("openai:test",), system="s", turns=turns, temperature=0.5, max_output_tokens=50)
    assert [message["role"] for message in bodies[0]["messages"]] == ["system", "user", "assistant", "tool"]
    assert json.loads(bodies[0]["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"path": "x"}
    assert bodies[0]["messages"][3] == {"role": "tool", "tool_call_id": "a", "content": "text"}
    assert (bodies[0]["temperature"], bodies[0]["max_tokens"]) == (0.5, 50)


async def test_a_stream_that_ends_early_is_never_used() -> None:
    call = chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "read_file", "arguments": '{"path":"x"}'}}])
    for handler in (streamed(call), streamed(call, abort=True), streamed(chunk(content="half"))):
        async with served(handler) as (it, _):
            with pytest.raises(ModelAnswerCut, match="cut short"):
                await ask(it)


async def test_a_stall_ends_with_words() -> None:
    async with served(streamed(chunk(content="half"), b": still here\n\n", pause_s=3.0)) as (it, _):
        with pytest.raises(ModelAnswerCut, match="fell silent"):
            await ask(it)

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3.0)
        return web.Response()

    async with served(never) as (it, _):
        with pytest.raises(ModelUnavailable, match="silent too long"):
            await ask(it)


async def test_a_chunk_that_is_no_json_cuts_the_answer() -> None:
    async with served(streamed(chunk(content="a"), b"data: {oops\n\n", DONE)) as (it, _):
        with pytest.raises(ModelAnswerCut, match="no JSON"):
            await ask(it)


async def test_what_cannot_be_decoded_cuts_the_answer() -> None:
    deep = b'data: {"choices":[{"delta":{"content":' + b"[" * 50_000 + b"]" * 50_000 + b"}}]}\n\n"
    for broken in (deep, b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'):
        async with served(streamed(broken, chunk("stop"), DONE)) as (it, _):
            with pytest.raises(ModelAnswerCut, match="no JSON"):
                await ask(it)

    async def latin(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=401, body='{"error": "schlüssel"}'.encode("latin-1"), content_type="application/json"
        )

    async with served(latin) as (it, _):
        with pytest.raises(ModelNotConfigured, match="did not accept the key"):
            await ask(it)


async def test_an_error_within_a_stream_is_told() -> None:
    error = b'data: {"error": {"message": "the model crashed", "code": 500}}\n\n'
    async with served(streamed(chunk(content="a"), error)) as (it, _):
        with pytest.raises(ModelUnavailable, match="the model crashed"):
            await ask(it)


async def test_each_status_has_its_words() -> None:
    said = {"error": {"message": "because"}}
    for status, error, words in (
        (400, ModelRefused, "because"),
        (401, ModelNotConfigured, "OPENAI_API_KEY"),
        (404, ModelNotConfigured, "is not there"),
        (429, ModelRateLimited, "asks to wait 9 s"),
        (500, ModelUnavailable, "answered 500"),
    ):
        async with served(fixed(status, said, **{"Retry-After": "9"})) as (it, _):
            with pytest.raises(error, match=words):
                await ask(it)


async def test_an_overloaded_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.02)
    good = streamed(chunk("stop", content="hi"), USAGE, DONE)
    limited = fixed(429, {}, **{"Retry-After": "0.1"})
    async with served(limited, fixed(500, {}), streamed(chunk(content="x")), good, model_attempts=5) as (it, bodies):
        answer = await ask(it)
    assert (answer.parts, answer.attempts, len(bodies)) == ((Text("hi"),), 4, 4)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    settings = Settings(
        home=Path("/nonexistent"), environment={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, model_attempts=1
    )
    it = Language({p.prefix: p for p in models.register_models(settings)}, settings, SystemClock())
    with pytest.raises(ModelUnavailable, match=r"not to be reached at http://127.0.0.1:9/v1"):
        await ask(it)
    await it.close()


async def test_ten_megabytes_are_read_without_stalling_the_loop() -> None:
    big = [chunk(content="x" * 100_000) for _ in range(100)]
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            worst = max(worst, loop.time() - before)

    heard: list[str] = []
    async with served(streamed(*big, chunk("stop"), DONE)) as (it, _):
        await ask(it)
        watching = asyncio.create_task(watch())
        answer = await ask(it, heard=heard)
        watching.cancel()
    assert len(answer.parts[0].text) < 1_000_200
    assert sum(map(len, heard)) <= 1_000_000
    assert worst < 0.1


async def test_an_answer_without_end_is_not_heard_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from aether_jupyter.providers import openai_http

    monkeypatch.setattr(openai_http, "MAX_BYTES", 1_000_000)
    async with served(streamed(*[chunk(content="x" * 100_000) for _ in range(30)])) as (it, _):
        with pytest.raises(ModelAnswerCut, match="sent more than"):
            await ask(it)


async def test_malformed_empty_unknown_and_doubled_calls_come_through() -> None:
    calls = [
        {"index": 0, "id": "same", "function": {"name": "read_file", "arguments": '{"path": '}},
        {"index": 1, "id": "same", "function": {"name": "read_file", "arguments": ""}},
        {"index": 2, "id": "", "function": {"name": "teleport", "arguments": {"to": "moon"}}},
    ]
    async with served(streamed(chunk(tool_calls=calls), chunk("tool_calls"), DONE)) as (it, _):
        first, second, third = (await ask(it)).parts
    assert (first.id, first.arguments, first.raw) == ("same", None, '{"path": ')
    assert (second.id, second.arguments) == ("same-2", None)
    assert (third.tool, third.arguments) == ("teleport", {"to": "moon"})


async def test_connections_are_used_again() -> None:
    peers = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return await streamed(chunk("stop", content="x"), USAGE, DONE)(request)

    async with served(handle) as (it, _):
        for _ in range(10):
            await ask(it)
    assert len(peers) == 1


async def test_it_is_a_model_like_any_other_of_pydantic_ai() -> None:
    from pydantic_ai import Agent, BinaryContent

    async with served(streamed(chunk(content="a "), chunk("stop", content="cat"), USAGE, DONE)) as (it, bodies):
        await ask(it)
        agent = Agent(it._models["openai:test"])
        picture = BinaryContent(b"\x89PNG", media_type="image/png")
        assert (await agent.run(["What is this?", picture])).output == "a cat"
        async with agent.run_stream("and this?") as stream:
            assert await stream.get_output() == "a cat"
    parts = bodies[1]["messages"][0]["content"]
    assert parts[0] == {"type": "text", "text": "What is this?"}
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBO")


def function(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {**more, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "pieces",
    [
        # Numbers only in the first piece, then none; the id repeated in each piece; the name repeated too.
        [function("read_file", '{"path"', index=0, id="a"), function(None, ':"x"}', index=0)],
        [function("read_file", "", id="a"), function(None, '{"path"'), function(None, ':"x"}')],
        [function("read_file", "", id="a"), function(None, '{"path"', id="a"), function(None, ':"x"}', id="a")],
        [function("read_file", '{"path"', index=0, id="a"), function("read_file", ':"x"}', index=0, id="a")],
        [function("read_", "", index=0, id="a"), function("file", '{"path":"x"}', index=0)],
    ],
)
async def test_a_call_is_put_together_however_its_pieces_are_marked(pieces: list[dict[str, Any]]) -> None:
    chunks = [chunk(tool_calls=[piece]) for piece in pieces]
    async with served(streamed(*chunks, chunk("tool_calls"), DONE)) as (it, _):
        assert (await ask(it)).parts == (ToolCall("a", "read_file", {"path": "x"}),)


@pytest.mark.parametrize(
    "marks",
    [[{"index": 0, "id": "a"}, {"index": 0, "id": "b"}], [{"id": "a"}, {"id": "b"}], [{"id": "a"}, {"id": "a"}]],
)
async def test_calls_under_one_number_or_none_are_kept_apart(marks: list[dict[str, Any]]) -> None:
    chunks = [chunk(tool_calls=[function("read_file", '{"path":"x"}', **mark)]) for mark in marks]
    async with served(streamed(*chunks, chunk("tool_calls"), DONE)) as (it, _):
        parts = (await ask(it)).parts
    assert [part.arguments for part in parts] == [{"path": "x"}] * 2
    assert len({part.id for part in parts}) == 2


async def test_every_way_of_writing_an_event_is_read() -> None:
    """Line ends of two characters, comments, an event in several lines, characters cut in two, nulls, no [DONE]."""
    body = b"".join(
        (
            b": keep-alive\r\n\r\nevent: message\r\nid: 1\r\n",
            'data: {"choices": [{"delta": {"content": "häl'.encode(),
            'f 😀 "}}]}\r\n\r\n'.encode(),
            b'data: {"choices":\ndata: [{"delta": {"content": "and all"},\ndata: "finish_reason": null}]}\n\n',
            b'data: {"choices": null, "usage": null}\n\n',
            b'data:{"choices": [{"delta": null, "message": null, "finish_reason": "stop"}]}\n\n',
        )
    )
    for size in (1, 7, len(body)):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        async with served(streamed(*pieces)) as (it, _):
            assert (await ask(it)).parts == (Text("hälf 😀 and all"),)


async def test_a_server_that_never_hangs_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from aether_jupyter.providers import openai_http

    monkeypatch.setattr(openai_http, "LINGER_S", 0.1)
    silent = streamed(chunk("stop", content="done"), USAGE, b": \n", pause_s=0.3)
    async with served(silent, model_timeout_s=10.0) as (it, _):
        assert (await ask(it)).parts == (Text("done"),)


async def test_nobody_is_followed_elsewhere() -> None:
    asked: list[str | None] = []

    async def other(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Authorization"))
        return web.json_response({})

    async with served(other) as (elsewhere, _):
        there = elsewhere._settings.environment["OPENAI_BASE_URL"]
        for status in (301, 302, 307, 308):
            sent = fixed(status, {}, Location=f"{there}/chat/completions?token=secret")
            async with served(sent, environment={"OPENAI_API_KEY": "sk-canary-123"}) as (it, _):
                with pytest.raises(ModelRefused, match=r"sends requests on to http://127\.0\.0\.1") as caught:
                    await ask(it)
                assert "secret" not in str(caught.value)
    assert asked == []


async def test_a_base_url_that_leads_nowhere_is_told() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with served(page) as (it, _):
        with pytest.raises(ModelRefused, match="web page and no language model; a base URL ends in /v1"):
            await ask(it)
    async with served(fixed(404, {"detail": "Not Found"})) as (it, _):
        with pytest.raises(ModelNotConfigured, match=r"nothing is served at http://127.0.0.1.*/v1"):
            await ask(it)
    async with served(fixed(404, {"error": {"message": "The model 'x' does not exist"}})) as (it, _):
        with pytest.raises(ModelNotConfigured, match="The model 'x' does not exist"):
            await ask(it)


async def test_no_secret_is_in_what_is_said() -> None:
    said = {"error": {"message": "Incorrect API key provided: sk-canary-123 (Bearer sk-canary-123)"}}
    for status in (400, 401, 500):
        async with served(fixed(status, said), environment={"OPENAI_API_KEY": "sk-canary-123"}) as (it, _):
            with pytest.raises(ModelError, match=r"provided: \[key\]") as caught:
                await ask(it)
            assert "canary" not in json.dumps(caught.value.to_json())

    sent: list[str | None] = []

    async def refuse(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Authorization"))
        return web.json_response({"detail": "Not Found"}, status=404)

    async with served(refuse, login="ada:pa%20ss@") as (it, _):
        with pytest.raises(ModelNotConfigured) as caught:
            await ask(it)
    assert sent == ["Basic YWRhOnBhIHNz"]
    assert "pa" not in caught.value.message.partition("http")[2].partition("/v1")[0]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("gpu.local", "http://gpu.local:11434"),
        (":7000", "http://127.0.0.1:7000"),
        ("http://gpu.local", "http://gpu.local:80"),
        ("https://gpu.local/ollama/", "https://gpu.local:443/ollama"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("[::]", "http://127.0.0.1:11434"),
        ("gpu.local:port", "http://gpu.local:11434"),
    ],
)
async def test_ollama_is_looked_for_where_it_listens(host: str, url: str) -> None:
    environment = {"OLLAMA_HOST": host} if host else {}
    settings = Settings(home=Path("/nonexistent"), environment=environment)
    (provider,) = (p for p in models.register_models(settings) if p.prefix == "ollama")
    assert (await provider.create("qwen3", lambda what, done: None)).base_url == f"{url}/v1"
