"""The seams: what a leaf must be so that the spine can use it.

The seam to language models is pydantic-ai's `Model`; what is here is everything else. A leaf (provider, tool,
sandbox) knows this file and `model`, and nothing above.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from .model.access import Principal
from .model.agent import AgentSpec, SandboxSpec
from .model.browsing import Deed, DialogAnswer, Happened, Reading, ReadingKind, Tab, Target
from .model.control import BrowserStatus, ControlStatus, DisplayStatus
from .model.events import Notice
from .model.feedback import Judgement
from .model.image import Image
from .model.memory import Consolidated, Layer, Memory, Note, Recall
from .model.personal import Holding
from .model.plan import Plan
from .model.process import Process
from .model.request import NoteKind, Request, RequestKind, RequestVerdict
from .model.routing import Family
from .model.screencast import Input, Shown
from .model.snapshot import Branched, Branching, Comparison, Files, Snapshot, SnapshotDetail
from .model.tool import Outcome, ToolSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture
    from pydantic_ai.models import Model


class Clock(Protocol):
    """Time as an argument: `now` is seconds since the epoch, `monotonic` is for measuring."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Completed:
    """A command that ended, or was ended. Output is bytes as written, at most `output_limit` of each stream.

    `stdout_bytes` and `stderr_bytes` count all that was written. `exit_code` is None only if it was cut off.
    `folder` is where a shell line ended: relative to the home where it lies in it (`.` is the home itself), else
    absolute, '' where that is not known.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    stdout_bytes: int
    stderr_bytes: int
    duration_s: float
    timed_out: bool = False
    stdout_path: str = ""
    stderr_path: str = ""
    folder: str = ""


OnOutput = Callable[[Literal["stdout", "stderr"], bytes], None]


@runtime_checkable
class Sandbox(Protocol):
    """Where one process's tools run. Made by a `SandboxKind`, closed with the process.

    The agent's home is `home` on the host and `workdir` inside. Isolation never fails open: whatever cannot be held
    raises `SandboxUnavailable`.
    """

    name: str
    home: Path
    workdir: str

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout_s: float,
        cwd: str = "",
        env: dict[str, str] | None = None,
        stdin: bytes = b"",
        output_limit: int = 1_000_000,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run a shell line (`str`) or an argv (sequence). A timeout ends it and returns what was printed.

        What a line exports is there for the next lines and goes before `env`, also after the sandbox was made anew; one
        that was cut off leaves nothing. An argv starts anew. Raises `FolderNotFound`, with nothing run, if `cwd`
        cannot be entered.
        """
        ...

    async def terminal(self) -> list[str]:
        """The argv that, run in a pseudo terminal on this server, shows a person a shell of the sandbox.

        What holds for commands holds for the shell. SIGUSR1 tells the program that the sandbox is ending. Raises
        `SandboxUnavailable`.
        """
        ...

    async def close(self) -> None:
        """End everything that still runs in it. Never raises for what is gone already."""
        ...


class Reader(Protocol):
    """What bytes are read from, as an `asyncio.StreamReader` is."""

    async def read(self, n: int = -1) -> bytes: ...
    async def readexactly(self, n: int) -> bytes: ...


class Writer(Protocol):
    """What bytes are written to, as an `asyncio.StreamWriter` is."""

    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class DesktopSandbox(Sandbox, Protocol):
    """A sandbox in which a desktop runs, if `SandboxSpec.desktop` says so."""

    async def display(self) -> tuple[Reader, Writer]:
        """A new connection to the desktop's RFB server; the desktop is started if it does not run.

        Raises `SandboxUnavailable` if it does not start.
        """
        ...


@runtime_checkable
class RestingSandbox(Protocol):
    """A sandbox that costs something while nobody uses it, and can be closed and opened anew meanwhile."""

    async def resting(self) -> bool:
        """Whether nothing that somebody began runs in it: no command, no terminal."""
        ...


@runtime_checkable
class OneForAll(Protocol):
    """A kind whose sandboxes are one a process for all servers of an `AETHER_HOME`: a second one ends the first."""

    async def open_elsewhere(self, pid: int) -> bool:
        """Whether one is open; asked only by who has none open for this process."""
        ...


@runtime_checkable
class Freezable(Protocol):
    """A sandbox whose processes can be stopped where they stand, so that files do not move while they are copied."""

    async def freeze(self) -> bool:
        """Stop them. False if there is nothing to stop, or it could not be done."""
        ...

    async def thaw(self) -> None:
        """Let them go on. Never raises for what is gone."""
        ...


Showing = Callable[[int], Awaitable[Mapping[str, Sequence[Any]]]]
"""What a process has open on a screen, by kind (`windows`, `pages`): what a snapshot notes beside its files."""


@dataclass(frozen=True)
class Availability:
    """Whether a sandbox or model can be used here, and if not, why and what to do."""

    ok: bool
    detail: str = ""
    fix: str = ""


NO_WORKSPACES: Mapping[str, Path] = MappingProxyType({})


class SandboxKind(Protocol):
    """One kind of sandbox: asks the machine, opens one for a process, removes what a crash left."""

    name: str
    isolated: bool

    async def available(self) -> Availability: ...
    async def open(self, pid: int, spec: SandboxSpec, home: Path, workspaces: Mapping[str, Path]) -> Sandbox:
        """One for this process; each workspace is mounted at `/workspaces/NAME`."""
        ...

    async def reap(self, instance: str, alive: Container[int]) -> list[int]:
        """Remove what belongs to processes of this `AETHER_HOME` (`instance`) that are not in `alive`.

        `alive` vouches for every process that was spawned after it was asked, too.
        """
        ...


class Onlooker(Protocol):
    """Who looks at a browser. `attended` says that a person has control and is there: what a page asks is theirs."""

    @property
    def attended(self) -> bool: ...
    def shown(self, what: Shown) -> None:
        """The tabs as they are now, or something for whoever has control."""
        ...

    async def frame(self, jpeg: bytes) -> None:
        """A picture of the page in front. Returns when the next may come."""
        ...


class Browser(Protocol):
    """One agent's browser: tabs of its own, cookies of its own, and nothing but the gate to reach the world by.

    Whatever goes wrong on a page is raised as a `ToolError` with what to do.
    """

    @property
    def awake(self) -> bool:
        """Whether it holds memory now."""
        ...

    @property
    def idle_s(self) -> float: ...
    @property
    def addresses(self) -> Sequence[str]:
        """What its tabs show, or will show again when it wakes, the oldest first."""
        ...

    async def act(self, deed: Deed, answer: DialogAnswer) -> Happened:
        """Do it, and tell what came of it when the page rests."""
        ...

    async def read(self, kind: ReadingKind, where: Target | None) -> Reading: ...
    async def picture(self, where: Target | None, whole: bool) -> bytes:
        """The window as a JPEG, a CSS pixel a pixel; one element of it; or the `whole` page."""
        ...

    async def tabs(self) -> Sequence[Tab]: ...
    async def watch(self, onlooker: Onlooker | None) -> None:
        """Show it from now on, whatever the agent does; to nobody for None. It does not wait for deeds."""
        ...

    def take(self, what: Input) -> None:
        """Pass on what the person does who has control, in this order; what comes of it is shown to the onlooker."""
        ...

    def let_go(self) -> None:
        """Release what the person holds down."""
        ...

    async def look(self) -> tuple[bytes, Sequence[str]] | None:
        """What it shows at once, as a JPEG, and the titles of its tabs; None while it shows nothing."""
        ...

    async def rest(self) -> None:
        """Give memory back until the next deed, which finds the same tabs."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class BrowserSeat:
    """What one agent's browser is given: its way to the gate, and where its cookies are kept, if they are.

    `home` gives the agent's home when something is to be written there, which may hold `home_bytes`. `refusals` gives
    what the gate has refused it since it was last asked; `vouch` takes the host of each address that was opened by
    name, and so was put before policy and permissions.
    """

    pid: int
    home: Callable[[], Awaitable[Path]]
    home_bytes: int
    gate: str
    user: str
    secret: str
    state: Path | None
    refusals: Callable[[], Sequence[str]]
    vouch: Callable[[str], None]


class BrowserKind(Protocol):
    """One kind of browser: says whether it is there, and seats agents in it."""

    name: str

    async def available(self) -> Availability: ...
    async def open(self, seat: BrowserSeat) -> Browser: ...
    async def close(self) -> None:
        """End its process. Browsers that are open start it again when they are used."""
        ...


class Desktop(Protocol):
    """An agent's own hands on its desktop. Sizes and places are pixels of the screen; see `rfb.client`."""

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def at(self) -> tuple[int, int]:
        """Where it put the pointer last."""
        ...

    @property
    def buttons(self) -> int:
        """What it holds down there, as `pointer` takes it."""
        ...

    async def picture(self) -> Picture: ...
    async def changed(self, timeout_s: float, *, settle_s: float = 0.3, share: float = 0.0) -> float: ...
    async def pointer(self, x: int, y: int, buttons: int = 0) -> None: ...
    async def key(self, keysym: int, *, down: bool) -> None: ...
    async def release(self) -> None:
        """Let go of every key and button that it holds down."""
        ...

    async def copy(self, text: str) -> None: ...
    async def clipboard(self, wait_s: float = 0.5) -> str: ...


class Peers(Protocol):
    """What an agent may do with other agents: the kernel's system calls, cut down to its own rights."""

    async def send(self, to: int, text: str, *, kind: NoteKind = "note") -> str: ...
    async def broadcast(self, text: str, *, kind: NoteKind = "status") -> Sequence[int]: ...
    async def ask(self, to: int, text: str, *, kind: RequestKind, timeout_s: float) -> Request: ...
    async def answer(self, request: str, verdict: RequestVerdict, text: str) -> Request: ...
    async def requests(self) -> Sequence[Request]: ...
    async def list(self) -> list[dict[str, Any]]: ...
    async def spawn(self, goal: str, **options: Any) -> int: ...
    async def wait(self, pid: int, timeout_s: float) -> dict[str, Any]: ...


class OwnMemory(Protocol):
    """What one agent may do with its own memory, and read of what it was granted."""

    async def remember(self, note: Note, *, tainted: bool) -> Memory: ...
    async def recall(self, query: str, *, layers: Sequence[Layer] = (), limit: int = 10) -> Recall: ...
    async def forget(self, key: int) -> Memory: ...


class OwnPlan(Protocol):
    """What one agent may do with its plan. A change is kept when the call that made it ends well."""

    def read(self) -> Plan: ...
    async def change(self, edit: Callable[[Plan], Plan]) -> Plan:
        """The plan that `edit` makes of the one there is. `edit` may be called again on another plan."""
        ...


@dataclass(frozen=True)
class Seen:
    """What `model` says of an image; where nobody looked at it, `words` is '' and `why` says why."""

    model: str
    words: str
    why: str = ""


@dataclass
class ToolContext:
    """What a tool may touch while one call runs. `sandbox()` opens the process's sandbox on first use.

    `browser()` opens the process's browser on first use, or raises why it has none. `folder` is where shell lines
    begin: that in which the one of an earlier step ended, '' for the home.
    `disk_bytes` is what the home may hold, None as much as the server allows.
    `tainted` says that the agent has read words of strangers. `feedback` gives so many of the last judgements of the
    agent's runs, the newest first. `keep_image` keeps a PNG, JPEG, WebP or GIF for `Outcome.images`, and raises
    `BadRequest` for other bytes and for what is too large; `sees` says whether the model that is asked is shown images.
    `given_image` gives the bytes of an image in the agent's journal by the beginning of its digest, or raises
    `NotFound`. `look` has another model look: the image, its bytes as models take them, their type, and the question.
    `desktop()` opens the process's desktop on first use.
    """

    pid: int
    owner: str
    call_id: str
    step: int
    home: Path
    sandbox: Callable[[], Awaitable[Sandbox]]
    browser: Callable[[], Awaitable[Browser]]
    notify: Callable[[Notice], None]
    peers: Peers
    memory: OwnMemory
    feedback: Callable[[int], Awaitable[Sequence[Judgement]]]
    plan: OwnPlan
    keep_image: Callable[[bytes], Awaitable[Image]]
    given_image: Callable[[str], Awaitable[bytes]]
    look: Callable[[Image, bytes, str, str], Awaitable[Seen]]
    desktop: Callable[[], Awaitable[Desktop]]
    sees: bool = False
    tainted: bool = False
    timeout_s: float = 120.0
    max_timeout_s: float = 600.0
    output_limit: int = 16_000
    workspaces: dict[str, Path] = field(default_factory=dict)
    folder: str = ""
    disk_bytes: int | None = None


@runtime_checkable
class Tool(Protocol):
    """One thing that an agent can do. It raises `ToolError` to tell the model what went wrong."""

    spec: ToolSpec

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments, converted; raises `ToolArguments` with words the model can act on."""
        ...

    async def __call__(self, context: ToolContext, arguments: dict[str, Any]) -> Outcome: ...


@dataclass(frozen=True)
class ModelInfo:
    """One model as a person chooses it. Prices are dollars per million tokens, None where not known.

    `own_tokens` and `result_chars` are those of `model.context.Window`.
    `max_tools` is how many tools it can be given, None for any number. `sees` says whether it takes images. `families`
    are those it belongs to when the server chooses a model; the runtime says which.
    """

    id: str
    label: str
    available: Availability
    input_usd: float | None = None
    output_usd: float | None = None
    context_tokens: int = 128_000
    own_tokens: int | None = None
    result_chars: int | None = None
    note: str = ""
    max_tools: int | None = None
    sees: bool = False
    families: tuple[Family, ...] = ()


@dataclass(frozen=True)
class RouteInfo:
    """Which models an agent would be asked from now, the first one first, and why.

    `family` is None where the request names a model.
    """

    models: tuple[str, ...]
    why: str
    family: Family | None = None


class Embedder(Protocol):
    """Turns texts into unit vectors of one length. `name` says which model: vectors of two are never compared.

    `fault` is why it cannot be used after all, '' while it can.
    """

    name: str
    fault: str

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, computed off the event loop."""
        ...

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a query; the last ones are remembered. Raises `ModelNotConfigured` with the way out."""
        ...

    async def close(self) -> None: ...


class ModelProvider(Protocol):
    """Makes pydantic-ai models for one prefix (`openai`, `local`, …). Imports nothing heavy until `create`.

    `short` says that prompts must be short (few tools, few examples); `serial` that one call at a time is possible.
    """

    prefix: str
    short: bool
    serial: bool

    def models(self) -> list[ModelInfo]: ...
    def info(self, name: str) -> ModelInfo: ...
    async def create(self, name: str, progress: Callable[[str, float | None], None]) -> Model:
        """A model ready to be asked; raises `ModelNotConfigured` with the ways out."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class SandboxInfo:
    """One kind of sandbox as a person chooses it."""

    name: str
    isolated: bool
    available: Availability


@dataclass(frozen=True)
class Check:
    """One part's answer to "how are you": `fix` says what to do where not ok; without a `fatal` part nothing works."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    fatal: bool = False


@dataclass(frozen=True)
class FileInfo:
    """One entry of an agent's home; `path` is relative to it. Sizes in bytes, times in seconds since the epoch."""

    path: str
    kind: Literal["file", "directory", "link", "other"]
    size_bytes: int
    modified_at: float


class PersonalData(Protocol):
    """All that is kept about a person, or about one of their agents; `app.py` hands it to the doors."""

    async def holding(self, actor: Principal, agent: str) -> Holding: ...
    def export(self, actor: Principal, agent: str) -> AsyncIterator[Iterable[tuple[str, bytes | Iterable[bytes]]]]: ...
    async def erase(self, actor: Principal, agent: str, *, confirm: str, force: bool = False) -> Holding: ...


class DisplayView(Protocol):
    """One person's view of a desktop: the bytes of the RFB protocol, both ways."""

    async def read(self) -> bytes:
        """What the desktop sends next; empty when it has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Pass on what may pass. Raises `ValueError` for what is no message, `OSError` if the desktop is gone."""
        ...

    def close(self) -> None: ...


class Displays(Protocol):
    """The desktops of agents as people see them; `app.py` hands it to the doors."""

    async def view(self, who: Principal, pid: int, *, view_only: bool = False) -> DisplayView: ...
    async def status(self, who: Principal, pid: int) -> DisplayStatus: ...
    async def picture(self, who: Principal, pid: int, width: int) -> bytes: ...


class CastView(Protocol):
    """One person's view of a browser: JPEG frames and JSON messages out, JSON messages in."""

    async def read(self) -> bytes | str:
        """What is to be sent next; empty when it has ended."""
        ...

    def write(self, message: str | bytes) -> None:
        """Take what the viewer sends. Raises `ValueError` for what is no message."""
        ...

    def close(self) -> None: ...


class Screencasts(Protocol):
    """The browsers of agents as people see them; `app.py` hands it to the doors."""

    async def view(self, who: Principal, pid: int, *, view_only: bool = False) -> CastView: ...
    async def status(self, who: Principal, pid: int) -> BrowserStatus: ...


class Takeovers(Protocol):
    """Control of agents' desktops and browsers as people take it; `app.py` hands it to the doors."""

    async def take(self, who: Principal, pid: int) -> ControlStatus: ...
    async def give_back(self, who: Principal, pid: int, note: str) -> ControlStatus: ...
    async def ask(self, who: Principal, pid: int) -> None: ...


class Captures(Protocol):
    """Snapshots taken, compared, taken elsewhere and gone on from; `app.py` hands it to the doors."""

    async def take(self, actor: Principal, pid: int, *, label: str = "", kept: bool = False) -> Snapshot: ...
    async def detail(self, actor: Principal, key: int) -> SnapshotDetail: ...
    async def compare(self, actor: Principal, before: int, after: int) -> Comparison: ...
    async def restore(self, actor: Principal, key: int, how: Branching, *, trusted: bool = False) -> Branched: ...
    async def fork(
        self, actor: Principal, pid: int, step: int | None, how: Branching, files: Files = "nearest"
    ) -> Branched: ...
    async def delete(self, actor: Principal, key: int) -> Snapshot: ...
    async def export(self, actor: Principal, key: int) -> tuple[str, AsyncGenerator[bytes, None]]: ...
    def upload(self) -> AbstractContextManager[Path]:
        """A file for what is to be imported; it is gone when the context is left."""
        ...

    async def take_in(self, actor: Principal, path: Path) -> Snapshot: ...


class Surroundings(Protocol):
    """What the doors show of the runtime without knowing it; `app.py` hands it in."""

    async def models(self) -> list[ModelInfo]: ...
    def default_model(self) -> str: ...
    async def route(self, spec: AgentSpec) -> RouteInfo: ...
    def tools(self) -> list[ToolSpec]: ...
    async def sandboxes(self) -> list[SandboxInfo]: ...
    def workspaces(self, owner: str) -> str: ...
    async def health(self) -> list[Check]: ...
    async def consolidate(self, who: Principal, agent: str) -> Consolidated: ...
    async def terminal(self, process: Process, spec: AgentSpec, ending: Callable[[], None]) -> list[str]: ...
    async def files(self, pid: int, path: str) -> list[FileInfo]: ...
    async def read_file(self, pid: int, path: str, *, offset: int = 0, limit: int = 1_000_000) -> bytes: ...
