"""The floor: the least that can be called an agent loop that survives. aiohttp, JSON, and one SQLite commit a step.

`python -m tests.bench.floor URL AGENTS STEPS DELAY_MS REPEAT` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "note",
            "description": "Write a note.",
            "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        },
    }
]


def note(text: str) -> str:
    return f"noted {text}"


async def agent(
    session: aiohttp.ClientSession, url: str, model: str, number: int, database: sqlite3.Connection, steps: list[float]
) -> None:
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "Write notes."},
    ]
    n = 0
    while True:
        began = time.perf_counter()
        body = json.dumps({"model": model, "messages": messages, "tools": TOOLS})
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
            message = (await response.json())["choices"][0]["message"]
        messages.append(message)
        results = [
            {"role": "tool", "tool_call_id": c["id"], "content": note(**json.loads(c["function"]["arguments"]))}
            for c in message.get("tool_calls") or ()
        ]
        messages.extend(results)
        n += 1
        database.execute("INSERT INTO step VALUES (?, ?, ?)", (number, n, json.dumps([message, *results])))
        database.commit()
        steps.append(time.perf_counter() - began)
        if not results:
            return


async def run(url: str, agents: int, model: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "floor.db")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE step (agent INTEGER, n INTEGER, body TEXT, PRIMARY KEY (agent, n))")
        database.commit()
        steps: list[float] = []
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await agent(session, url, "bench-1-0ms", -1, database, [])
            cpu, began = time.process_time(), time.perf_counter()
            await asyncio.gather(*(agent(session, url, model, i, database, steps) for i in range(agents)))
            wall = time.perf_counter() - began
            cpu = time.process_time() - cpu
        database.close()
    steps.sort()
    return {
        "wall_s": wall,
        "p95_s": steps[int(len(steps) * 0.95)],
        "cpu_ms_step": cpu / len(steps) * 1000,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def main() -> None:
    url, agents, steps, delay_ms, repeat = sys.argv[1:]
    model = f"bench-{steps}-{delay_ms}ms"
    found = [await run(f"{url}/chat/completions", int(agents), model) for _ in range(int(repeat))]
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
