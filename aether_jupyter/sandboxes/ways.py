"""What runs in the egress container: one gate for each agent, at the address that only that agent's network has.

It is handed in as text and needs Python's standard library only. It is told over its standard input, one JSON object a
line, and ends when that closes: the server is gone, however it went.
in   {"gate": TEXT}   first, the program of `gate.py`
     {"open": PID, "address": IP, "hosts": […], "private": […]}   {"close": PID}
out  {"opened": PID}  {"failed": PID, "why": TEXT}   {"refused": PID, "host": TEXT, "why": TEXT}
"""

from __future__ import annotations

import asyncio
import json
import sys
import types
from typing import Any

PORT = 3128
LINE = 1 << 20


def say(**words: Any) -> None:
    """One line out."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def serve() -> None:
    """Until the input ends."""
    reader = asyncio.StreamReader(limit=LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    program = types.ModuleType("gate")
    sys.modules["gate"] = program
    exec(compile(json.loads(await reader.readline())["gate"], "gate.py", "exec"), program.__dict__)  # noqa: S102
    resolve = program.__dict__["SystemResolver"]()
    gates: dict[int, Any] = {}

    def heard(pid: int, decision: Any) -> None:
        if not decision.allowed:
            say(refused=pid, host=str(decision.host)[:300], why=str(decision.why)[:500])

    while line := await reader.readline():
        told = json.loads(line)
        pid = int(told.get("open", told.get("close", 0)))
        if (old := gates.pop(pid, None)) is not None:
            await old.close()
        if "open" not in told:
            continue
        try:
            listed = [program.__dict__["pattern"](each) for each in told["hosts"]]

            def objection(host: str, port: int, listed: Any = listed) -> str:
                # What the administrator opened at private addresses is open for whose list names it.
                known = any(each.fits(host, port) for each in listed)
                return "" if known else f"{host}:{port} is not on the list of this agent"

            policy = program.__dict__["Policy"](tuple(told["hosts"]), tuple(told["private"]), objection)
            gate = program.__dict__["Gate"](
                anonymous=policy, resolve=resolve, hear=lambda decision, pid=pid: heard(pid, decision)
            )
            await gate.start(told["address"], PORT)
        except (OSError, ValueError) as error:
            say(failed=pid, why=str(error))
        else:
            gates[pid] = gate
            say(opened=pid)


if __name__ == "__main__":
    asyncio.run(serve())
