"""One Chromium for all tests of a file, a small web site, and an agent with a home that drives it by its tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aether_jupyter.abc import Browser, ToolContext
from aether_jupyter.app import App, open_app
from aether_jupyter.browsers.chromium import Chromium
from aether_jupyter.browsers.found import chromium
from aether_jupyter.config import Settings
from aether_jupyter.engine.permissions import Applied
from aether_jupyter.model.agent import SandboxSpec
from aether_jupyter.model.image import Image
from aether_jupyter.model.message import Part, Text, ToolCall, Turn
from aether_jupyter.model.tool import Outcome
from aether_jupyter.pictures import examine
from aether_jupyter.providers import scripted
from aether_jupyter.runtime.browsers import Browsers
from aether_jupyter.runtime.toolbox import Toolbox
from aether_jupyter.tools.browser import register_tools

from .site import Site

QUOTA = 3_000_000


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One loop for the session: Chromium lives in it."""
    return "asyncio"


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No loop of pytest-jupyter's is needed here."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nor is there a server to clean up."""


@pytest.fixture(scope="session")
async def site(anyio_backend: str) -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


@pytest.fixture(scope="session")
async def kind(anyio_backend: str) -> AsyncIterator[Chromium]:
    if chromium() is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    kind = Chromium()
    yield kind
    await kind.close()


class Lasting:
    """The one Chromium of the session: what closes a test's browsers leaves it running."""

    name = "chromium"

    def __init__(self, kind: Chromium) -> None:
        self._kind = kind
        self.available = kind.available
        self.open = kind.open

    async def close(self) -> None:
        """Not yet."""


@dataclass
class Agent:
    """An agent as its tools see it. `say` calls one and gives its result; `do` expects that it works."""

    pid: int
    browsers: Browsers
    home: Path
    toolbox: Toolbox
    spec: SandboxSpec = field(default_factory=lambda: SandboxSpec(network="host"))
    state: Path | None = None
    rules: Callable[[str], Applied | None] = lambda host: None
    workspaces: dict[str, Path] = field(default_factory=dict)
    output_limit: int = 16_000
    sees: bool = True
    pictures: list[bytes] = field(default_factory=list)

    async def browser(self) -> Browser:
        return await self.browsers.open(self.pid, self.where, self.spec, self.state, self.rules)

    async def where(self) -> Path:
        return self.home

    async def keep_image(self, content: bytes) -> Image:
        self.pictures.append(content)
        return examine(content)

    async def say(self, name: str, **arguments: Any) -> Outcome:
        context: ToolContext = self  # type: ignore[assignment]
        return await self.toolbox.run(ToolCall("c1", f"browser_{name}", arguments), context)

    async def do(self, name: str, **arguments: Any) -> str:
        outcome = await self.say(name, **arguments)
        assert outcome.ok, outcome.content
        return outcome.content

    async def proof(self) -> str:
        """What stands in the element `proof` of the page in front."""
        text = await self.do("read", kind="text", where="css=#proof")
        return text.split("\n", 1)[1]


Make = Callable[..., Awaitable[Agent]]


@pytest.fixture
async def browsers(kind: Chromium, site: Site, tmp_path: Path) -> AsyncIterator[Browsers]:
    settings = Settings(
        home=tmp_path,
        home_quota_bytes=QUOTA,
        private_hosts=(f"127.0.0.1:{site.port}", f"localhost:{site.port}"),
    )
    async with Browsers({"chromium": Lasting(kind)}, settings) as browsers:
        yield browsers


@pytest.fixture
def make(browsers: Browsers, tmp_path: Path) -> Callable[..., Agent]:
    toolbox = Toolbox({tool.spec.name: tool for tool in register_tools(Settings(home=tmp_path))})

    def make(pid: int = 7, **fields: Any) -> Agent:
        home = tmp_path / "homes" / str(pid)
        home.mkdir(parents=True, exist_ok=True)
        return Agent(pid, browsers, home, toolbox, **fields)

    return make


@pytest.fixture
def agent(make: Callable[..., Agent]) -> Agent:
    return make()


@pytest.fixture
async def app(anyio_backend: str, site: Site, tmp_path: Path) -> AsyncIterator[App]:
    """A whole server's inside, whose agents may open the site."""
    if chromium() is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    settings = Settings(
        home=tmp_path / "aether",
        durability="NORMAL",
        private_hosts=(f"127.0.0.1:{site.port}", f"localhost:{site.port}"),
        control_grace_s=2.0,
    )
    async with open_app(settings) as app:
        yield app


Script = Callable[..., str]


@pytest.fixture
def script() -> Iterator[Script]:
    """Makes models that make these calls, one a step, and then say that they are done."""
    built_in = dict(scripted._SCRIPTS)

    def make(*calls: tuple[str, dict[str, object]]) -> str:
        name = f"browses-{len(scripted._SCRIPTS)}"

        def play(n: int, turns: Sequence[Turn]) -> Sequence[Part]:
            return [ToolCall("", *calls[n])] if n < len(calls) else [Text("Done.")]

        scripted.register(name, play)
        return f"scripted:{name}"

    yield make
    scripted._SCRIPTS.clear()
    scripted._SCRIPTS.update(built_in)
