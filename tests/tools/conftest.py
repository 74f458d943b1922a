"""A tool's surroundings: a home, a sandbox that is asked for by name, and peers that only remember."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aether_jupyter.abc import Browser, Desktop, Sandbox, Seen, ToolContext
from aether_jupyter.config import Settings
from aether_jupyter.kernel.memories import Memories
from aether_jupyter.model.access import Principal
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.errors import NotFound, SandboxUnavailable, ToolFailed
from aether_jupyter.model.events import Notice
from aether_jupyter.model.feedback import Judgement
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import ToolCall
from aether_jupyter.model.plan import Plan
from aether_jupyter.model.request import NoteKind, Request, RequestKind, RequestVerdict
from aether_jupyter.model.tool import Outcome
from aether_jupyter.runtime.own_memory import AgentMemory
from aether_jupyter.runtime.sight import Sight
from aether_jupyter.runtime.toolbox import Toolbox
from aether_jupyter.sandboxes.host import Host
from aether_jupyter.store.database import Database
from aether_jupyter.tools import agents, feedback, files, memory, plan, shell, vision

Call = Callable[..., Awaitable[Outcome]]


def _request(name: str, sender: int, receiver: int, kind: RequestKind = "task") -> Request:
    times = {"created_at": 0.0, "due_at": 60.0}
    return Request(id=name, kind=kind, owner="ada", sender=sender, receiver=receiver, text="count", **times)


class Remembering:
    """Peers that note what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def send(self, to: int, text: str, *, kind: NoteKind = "note") -> str:
        self.asked.append(("send", to, text, kind))
        return "m1"

    async def broadcast(self, text: str, *, kind: NoteKind = "status") -> Sequence[int]:
        self.asked.append(("broadcast", text, kind))
        return [3, 4]

    async def ask(self, to: int, text: str, *, kind: RequestKind, timeout_s: float) -> Request:
        self.asked.append(("ask", to, text, kind, timeout_s))
        return _request("r1", 7, to, kind)

    async def answer(self, request: str, verdict: RequestVerdict, text: str) -> Request:
        self.asked.append(("answer", request, verdict, text))
        return msgspec.structs.replace(_request(request, 3, 7), status="refused")

    async def requests(self) -> Sequence[Request]:
        return [
            _request("r1", 3, 7),
            msgspec.structs.replace(_request("r2", 7, 3, "review"), status="accepted"),
        ]

    async def list(self) -> list[dict[str, Any]]:
        return [{"pid": 3, "name": "other", "state": "RUNNING", "goal": "count all the stars"}]

    async def spawn(self, goal: str, **options: Any) -> int:
        self.asked.append(("spawn", goal, options))
        return 12

    async def wait(self, pid: int, timeout_s: float) -> dict[str, Any]:
        self.asked.append(("wait", pid, timeout_s))
        return {"state": "ZOMBIE", "result": "done"}


class Planning:
    """A plan that every change changes at once."""

    def __init__(self) -> None:
        self.now = Plan()

    def read(self) -> Plan:
        return self.now

    async def change(self, edit: Callable[[Plan], Plan]) -> Plan:
        self.now = edit(self.now)
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, home_quota_bytes=1_000_000)


@pytest.fixture
def toolbox(settings: Settings) -> Toolbox:
    return Toolbox(
        {
            t.spec.name: t
            for module in (files, shell, agents, memory, plan, feedback, vision)
            for t in module.register_tools(settings)
        }
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "homes" / "7"
    home.mkdir(parents=True)
    return home


@pytest.fixture
async def database(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "aether.db", "NORMAL") as database:
        yield database


@pytest.fixture
async def context(anyio_backend: str, home: Path, tmp_path: Path, database: Database) -> AsyncIterator[ToolContext]:
    notices: list[Notice] = []
    sandbox = await Host(allowed=True).open(7, SandboxSpec(), home)
    (tmp_path / "shared").mkdir()

    async def give() -> Sandbox:
        return sandbox

    async def browse() -> Browser:
        raise ToolFailed("there is no browser here")

    async def said(most: int) -> Sequence[Judgement]:
        return ()

    async def given(beginning: str) -> bytes:
        raise NotFound(f"No image {beginning}")

    async def looks(image: Image, content: bytes, media_type: str, question: str) -> Seen:
        return Seen("", "", "nobody is here")

    async def nowhere() -> Desktop:
        raise SandboxUnavailable("this agent has no desktop")

    context = ToolContext(
        pid=7,
        owner="ada",
        call_id="call/1",
        step=1,
        home=home,
        sandbox=give,
        browser=browse,
        notify=notices.append,
        peers=Remembering(),
        memory=AgentMemory(Memories(database, None, 1_000), Principal.agent(7, "ada"), "clerk", 1),
        feedback=said,
        plan=Planning(),
        keep_image=Sight().keep,
        given_image=given,
        look=looks,
        desktop=nowhere,
        workspaces={"team": tmp_path / "shared"},
    )
    context.notices = notices  # type: ignore[attr-defined]
    yield context
    await sandbox.close()


@pytest.fixture
def call(toolbox: Toolbox, context: ToolContext) -> Call:
    async def make(tool: str, **arguments: Any) -> Outcome:
        return await toolbox.run(ToolCall("c1", tool, arguments), context)

    return make
