"""Images as each provider is sent them: to the byte, in the place that its API has for them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from aether_jupyter.engine.seeing import Unseen
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import ModelTurn, ToolCall, ToolTurn, UserTurn
from aether_jupyter.pictures import examine

from ..drawn import drawn
from .test_wire_formats import WEATHER, talking

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that keeps what it is sent, to the byte, and answers each provider's way that it has heard."""
    bodies: list[dict[str, Any]] = []
    answers = {
        "chat/completions": {"choices": [{"message": {"content": "seen"}, "finish_reason": "stop"}]},
        "v1/messages": {
            "id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "seen"}], "usage": {"input_tokens": 1, "output_tokens": 1},
        },
        "generateContent": {
            "candidates": [{"content": {"role": "model", "parts": [{"text": "seen"}]}, "finishReason": "STOP"}]
        },
    }  # fmt: skip

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response(next(body for path, body in answers.items() if path in request.path))

    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", bodies
    finally:
        await runner.cleanup()


def images_of(body: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Where in a request which images stand: the role or kind of the innermost thing that tells one."""
    found: list[tuple[str, bytes]] = []

    def look(thing: Any, where: str) -> None:
        if isinstance(thing, list):
            for each in thing:
                look(each, where)
        elif isinstance(thing, dict):
            where = thing["type"] if thing.get("type") == "tool_result" else thing.get("role") or where
            if thing.get("type") == "image_url":
                kind, _, data = thing["image_url"]["url"].partition(";base64,")
                assert kind == "data:image/png"
                found.append((where, base64.b64decode(data)))
            elif thing.get("type") == "base64":
                assert thing["media_type"] == "image/png"
                found.append((where, base64.b64decode(thing["data"])))
            elif "inlineData" in thing:
                assert thing["inlineData"]["mime_type"] == "image/png"
                found.append((where, base64.b64decode(thing["inlineData"]["data"], altchars=b"-_")))
            else:
                for each in thing.values():
                    look(each, where)

    look(body, "")
    return found


async def test_images_of_people_and_of_tools_arrive_to_the_byte() -> None:
    given, made = drawn("teal"), drawn("gold")
    kept = {image.digest: (image, content) for content in (given, made) for image in (examine(content),)}
    of_person, of_tool = kept.values()

    async def look(image: Image, sees: bool) -> tuple[bytes, str]:
        assert sees
        return kept[image.digest][1], image.media_type

    calls = ToolCall("c1", "get_weather", {"city": "Paris"}), ToolCall("c2", "get_weather", {"city": "Rome"})
    turns = [
        UserTurn("What is on it?", images=(of_person[0],)),
        ModelTurn(calls),
        ToolTurn("c1", "get_weather", "a map", images=(of_tool[0],)),
        ToolTurn("c2", "get_weather", "no map"),
    ]
    async with listening() as (url, bodies), talking(url) as talk:
        for model in ("openai:gpt-5-mini", "ollama:llava", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"):
            assert talk.sees(model)
            answer = await talk.ask((model,), system="", turns=turns, tools=(WEATHER,), look=look)
            assert answer.parts[0].text == "seen", model
            body = bodies.pop()
            places = images_of(body)
            assert [content for _, content in places] == [given, made], model
            tool = "tool_result" if model.startswith("anthropic") else "user"
            assert [where for where, _ in places] == ["user", tool], model
            told = json.dumps(body)
            assert all(image.digest[:12] in told for image, _ in (of_person, of_tool)), model
            if model.startswith(("openai", "ollama")):
                roles = [message["role"] for message in body["messages"]]
                assert roles == ["user", "assistant", "tool", "tool", "user"], model


async def test_a_model_that_takes_no_images_is_told_what_was_read_off_them() -> None:
    image = examine(drawn("teal"))

    async def look(image: Image, sees: bool) -> Unseen:
        assert not sees
        return Unseen("Total: 12.50")

    async with listening() as (url, bodies), talking(url) as talk:
        for model in ("openai:o3-mini", "ollama:qwen3"):
            await talk.ask((model,), system="", turns=[UserTurn("What is on it?", images=(image,))], look=look)
            body = bodies.pop()
            assert images_of(body) == []
            [message] = body["messages"]
            assert "You did not see it" in message["content"]
            assert "Total: 12.50" in message["content"]
