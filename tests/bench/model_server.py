"""A cheap OpenAI-compatible model server for benchmarks and crash tests, in a process of its own.

The name of the model says what it does: `bench-STEPS-DELAYms` answers with STEPS tool calls, one a request, and then
with text; each answer takes DELAY milliseconds. `bench-…-TOOL` calls the tool of that name (default `note`). How far a
conversation is, is read off its number of tool results, so the server remembers nothing and may be shared and killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator

from aiohttp import web

_MODEL = re.compile(rb'"model":\s*"bench-(\d+)-(\d+)ms(?:-(\w+))?"')
_RESULT = re.compile(rb'"role":\s*"tool"')
_STREAM = re.compile(rb'"stream":\s*true')


@functools.cache
def _answer(step: int, steps: int, tool: str) -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": f"Step {step + 1}."}
    reason = "stop"
    if step < steps:
        arguments = json.dumps({"text": f"step {step}"})
        call = {"id": f"call-{step}", "type": "function", "function": {"name": tool, "arguments": arguments}}
        message["tool_calls"] = [call]
        reason = "tool_calls"
    answer = {
        "id": "bench",
        "object": "chat.completion",
        "created": 0,
        "model": "bench",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100 + 40 * step, "completion_tokens": 20, "total_tokens": 120 + 40 * step},
    }
    return json.dumps(answer, separators=(",", ":")).encode()


@functools.cache
def _streamed(step: int, steps: int, tool: str) -> bytes:
    whole = json.loads(_answer(step, steps, tool))
    message, reason, usage = whole["choices"][0]["message"], whole["choices"][0]["finish_reason"], whole["usage"]
    for index, call in enumerate(message.get("tool_calls", ())):
        call["index"] = index
    chunks = [
        {"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": usage},
    ]
    lines = [json.dumps({"id": "bench", "object": "chat.completion.chunk", "model": "bench"} | c) for c in chunks]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


async def _complete(request: web.Request) -> web.Response:
    body = await request.read()
    found = _MODEL.search(body)
    if found is None:
        return web.json_response({"error": {"message": "no such model"}}, status=404)
    steps, delay_ms, tool = int(found[1]), int(found[2]), (found[3] or b"note").decode()
    if delay_ms:
        await asyncio.sleep(delay_ms / 1000)
    step = len(_RESULT.findall(body))
    if _STREAM.search(body):
        return web.Response(body=_streamed(step, steps, tool), content_type="text/event-stream")
    return web.Response(body=_answer(step, steps, tool), content_type="application/json")


async def _serve() -> None:
    app = web.Application(client_max_size=64_000_000)
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    # It ends with whoever started it: its standard input is closed then.
    await asyncio.to_thread(sys.stdin.buffer.read)


@contextlib.contextmanager
def model_server() -> Iterator[str]:
    """Start one; gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.model_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(_serve())
