"""`AsyncAether` and `Aether`: every route as a method, with the classes of the model and the errors of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ..abc import FileInfo, RouteInfo, SandboxInfo
from ..answers import Health, Me, ModelList, SpaceList, TemplateList, UsageReport
from ..model.agent import AgentSpec
from ..model.context import ENTRY_CHARS, ContextView
from ..model.control import BrowserStatus, ControlStatus, DisplayStatus
from ..model.errors import ServerNotFound
from ..model.events import Record
from ..model.feedback import Judgement, Thumb
from ..model.image import Image
from ..model.memory import (
    Alike,
    Change,
    Consolidated,
    Layer,
    Memory,
    MemoryPage,
    MemoryUse,
    Merged,
    Note,
    Recall,
    Sort,
    SourceKind,
)
from ..model.memory_file import ImportReport
from ..model.notes import Notes
from ..model.personal import Holding
from ..model.plan import Plan, PlanAsItStands
from ..model.process import Process, Signal, SignalReport, State
from ..model.profile import Profile, Standing
from ..model.request import Request as AgentRequest
from ..model.snapshot import (
    Branched,
    Branching,
    Comparison,
    EditedMessage,
    EditedResult,
    Files,
    Remembered,
    Snapshot,
    SnapshotDetail,
)
from ..model.tool import Approval, ApprovalRule, Remember, ToolSpec, Verdict
from . import requests
from .discover import Address, discover
from .requests import Request

if TYPE_CHECKING:
    import httpx

    from .feed import Feed, Hub

T = TypeVar("T")
TIMEOUT_S = 15.0
BLOCK_BYTES = 1 << 20


class Screenshot(bytes):
    """A JPEG; a notebook shows it."""

    def _repr_jpeg_(self) -> bytes:
        return bytes(self)


class AsyncAether:
    """A server, spoken to from an event loop. Without arguments it finds the server itself (`discover`).

    Use it as `async with AsyncAether() as aether:`, or call `aclose()`. Every method raises the server's own errors
    (`model.errors`), and `ServerNotFound` where nobody answers.
    """

    def __init__(self, url: str = "", token: str = "", *, verify: bool | str | None = None) -> None:
        self._given = (url, token, verify)
        self._address: Address | None = None
        self._locating = asyncio.Lock()
        self._http: httpx.AsyncClient | None = None
        self._hub: Hub | None = None

    @classmethod
    def at(cls, address: Address) -> AsyncAether:
        """A client of a server that was found already."""
        client = cls()
        client._address = address
        return client

    async def locate(self) -> Address:
        """The server's address; finds it on first use. Raises `ServerNotFound`."""
        async with self._locating:
            if self._address is None:
                url, token, verify = self._given
                # In a thread: it reads files and asks servers.
                self._address = await asyncio.to_thread(discover, url, token, verify=verify)
        return self._address

    async def __aenter__(self) -> AsyncAether:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        hub, http, self._hub, self._http = self._hub, self._http, None, None
        if hub is not None:
            await hub.aclose()
        if http is not None:
            await http.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address.url if self._address else 'not connected'}>"

    @property
    def hub(self) -> Hub:
        """The one feed connection that all runs of this client share."""
        if self._hub is None:
            from .feed import Hub

            self._hub = Hub(self)
        return self._hub

    def feed(self, *, cursor: int | None = None, watch: Iterable[int] = ()) -> Feed:
        """A feed connection of one's own: `async for view in client.feed().views()`."""
        from .feed import Feed

        return Feed(self.locate, cursor=cursor, watch=watch)

    async def ask(self, request: Request[T]) -> T:
        """Send one request and read the answer."""
        import httpx

        address = await self.locate()
        if self._http is None:
            self._http = httpx.AsyncClient(**_connection(address))
        try:
            answer = await self._http.request(**_arguments(request))
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from error
        return request.read(answer.status_code, _type(answer), answer.content, address.url)

    async def me(self) -> Me:
        """Who the token stands for."""
        return await self.ask(requests.me())

    async def health(self) -> Health:
        """How each part of the server is."""
        return await self.ask(requests.health())

    async def processes(
        self,
        *,
        states: Iterable[State | str] = (),
        name: str = "",
        parent: int | None = None,
        reaped: bool = False,
        limit: int = 1000,
    ) -> list[Process]:
        """One's agents, newest first."""
        return await self.ask(requests.processes(states, name, parent, reaped, limit))

    async def spawn(self, spec: AgentSpec, *, parent: int | None = None) -> Process:
        """Start an agent; it is READY when this returns."""
        return await self.ask(requests.spawn(spec, parent))

    async def get(self, pid: int) -> Process:
        """One agent as it stands."""
        return await self.ask(requests.get(pid))

    async def spec(self, pid: int) -> AgentSpec:
        """What was asked for when it was spawned."""
        return await self.ask(requests.spec(pid))

    async def context(
        self, pid: int, step: int | None = None, *, entry: int | None = None, chars: int = ENTRY_CHARS
    ) -> ContextView:
        """What the model was told at `step`, the last one if none is named. Texts are cut at `chars` characters.

        With `entry` (the place of one) only that entry has its text, and all of it.
        """
        return await self.ask(requests.context(pid, step, entry, chars))

    async def asked(self, pid: int) -> list[AgentRequest]:
        """What other agents wait for from it, and what it waits for from them."""
        return await self.ask(requests.asked(pid))

    async def reap(self, pid: int, *, keep_home: bool = False) -> Process:
        """Take note of the end of an agent; its files are removed unless `keep_home`."""
        return await self.ask(requests.reap(pid, keep_home))

    async def records(self, pid: int, *, after: int = 0, before: int | None = None, limit: int = 200) -> list[Record]:
        """Its journal by `n`, ascending: at most `limit` lines after `after`, or the last `limit` before `before`."""
        return await self.ask(requests.records(pid, after, before, limit))

    async def wait(self, pid: int, *, timeout_s: float = 30.0) -> Process:
        """Return when it has ended or only a person can let it go on, at the latest after `timeout_s` (at most 60)."""
        return await self.ask(requests.wait(pid, timeout_s))

    async def signal(self, pid: int, signal: Signal | str) -> Process:
        """Pause (STOP), continue (CONT), interrupt (INT) or end (TERM, KILL) it."""
        return await self.ask(requests.signal(pid, signal))

    async def signal_many(self, signal: Signal | str, pids: Iterable[int]) -> SignalReport:
        """One signal to many; each that did not get it is named with the reason."""
        return await self.ask(requests.signal_many(signal, pids))

    async def keep_image(self, content: bytes) -> Image:
        """Keep a PNG, JPEG, WebP or GIF, so that a spec or a message can name it. Raises `BadRequest`, `TooMany`."""
        return await self.ask(requests.keep_image(content))

    async def image(self, digest: str) -> bytes:
        """The bytes of an image that one gave, or that a tool of one's agents made."""
        return await self.ask(requests.image(digest))

    async def send(
        self, pid: int, text: str, *, kind: str = "note", interrupt: bool = False, images: Sequence[Image] = ()
    ) -> str:
        """Words for it, and images that were kept, read before its next model call. Returns the id of the message."""
        return await self.ask(requests.send(pid, text, kind, interrupt, images))

    async def terminal(self, pid: int) -> str:
        """A new terminal in its sandbox; the name under which Jupyter's own terminals have it."""
        return await self.ask(requests.terminal(pid))

    async def display(self, pid: int) -> DisplayStatus:
        """Its desktop: whether it runs, how large it is, who has control and who looks."""
        return await self.ask(requests.display(pid))

    async def screenshot(self, pid: int, *, width: int = 1280) -> Screenshot:
        """What its desktop shows, as a JPEG, at most two seconds old. Raises `NotFound` if it does not run."""
        content: bytes = await self.ask(requests.screenshot(pid, width))
        return Screenshot(content)

    async def browser(self, pid: int) -> BrowserStatus:
        """Its browser: whether it is open, who has control and who looks."""
        return await self.ask(requests.browser(pid))

    async def take_control(self, pid: int) -> ControlStatus:
        """Take its desktop and browser over; it stops at once. Raises `ControlHeld` if somebody else has control."""
        return await self.ask(requests.take_control(pid))

    async def hand_back(self, pid: int, note: str = "") -> ControlStatus:
        """Hand control back, with words for it; it goes on, and is told what changed."""
        return await self.ask(requests.hand_back(pid, note))

    async def extend(
        self,
        pid: int,
        *,
        steps: int | None = None,
        tokens: int | None = None,
        cost_usd: float | None = None,
        wall_s: float | None = None,
    ) -> Process:
        """Add to its limits; if it waited at one, it goes on."""
        return await self.ask(requests.extend(pid, steps, tokens, cost_usd, wall_s))

    async def choose_model(self, pid: int, model: str) -> Process:
        """Another model for it (or `auto`), asked from its next step on. Raises `Forbidden` if it is not permitted."""
        return await self.ask(requests.choose_model(pid, model))

    async def plan(self, pid: int) -> PlanAsItStands:
        """Its plan as it stands, and who changed it last."""
        return await self.ask(requests.plan(pid))

    async def set_plan(self, pid: int, plan: Plan | str, *, seen: int | None = None) -> PlanAsItStands:
        """Give it another plan, as an outline or as steps; it is told before its next step.

        `seen`, the `n` of the plan that was read, guards what others did since: then it raises `Conflict`.
        """
        return await self.ask(requests.set_plan(pid, plan, seen))

    async def files(self, pid: int, path: str = "") -> list[FileInfo]:
        """The entries of one folder of its home."""
        return await self.ask(requests.files(pid, path))

    async def read_file(self, pid: int, path: str) -> bytes:
        """The bytes of one file of its home."""
        return await self.ask(requests.read_file(pid, path))

    async def export(self, pid: int, form: str = "json") -> bytes:
        """Its whole conversation as `json`, `text` or `notebook`."""
        return await self.ask(requests.export(pid, form))

    async def approvals(self, *, waiting: bool = True, pid: int | None = None, limit: int = 200) -> list[Approval]:
        """What waits for a decision; with `waiting=False` what was decided too."""
        return await self.ask(requests.approvals(waiting, pid, limit))

    async def approval(self, key: str) -> Approval:
        """One question to a person."""
        return await self.ask(requests.approval(key))

    async def decide(
        self,
        approval: Approval,
        verdict: Verdict,
        *,
        arguments: dict[str, Any] | None = None,
        answer: str | None = None,
        reason: str | None = None,
        steps: int | None = None,
        remember: Remember = "once",
    ) -> Approval:
        """Decide the call that `approval` shows. Raises `AlreadyDecided`, or `ApprovalMismatch` if it is another."""
        return await self.ask(
            requests.decide(approval.id, verdict, approval.digest, arguments, answer, reason, steps, remember)
        )

    async def rules(self) -> list[ApprovalRule]:
        """Standing approvals."""
        return await self.ask(requests.rules())

    async def revoke(self, key: str) -> None:
        """Withdraw a standing approval; the next such call asks again."""
        await self.ask(requests.revoke(key))

    async def usage(self, *, days: int = 30) -> UsageReport:
        """Tokens and money by day, model and agent."""
        return await self.ask(requests.usage(days))

    async def models(self) -> ModelList:
        """The models to choose from."""
        return await self.ask(requests.models())

    async def route(self, spec: AgentSpec) -> RouteInfo:
        """Which models an agent of this spec would be asked from first, and why; nothing is started."""
        return await self.ask(requests.route(spec))

    async def tools(self) -> list[ToolSpec]:
        """The tools that agents can be given."""
        return await self.ask(requests.tools())

    async def sandboxes(self) -> list[SandboxInfo]:
        """Where tools can run."""
        return await self.ask(requests.sandboxes())

    async def templates(self) -> TemplateList:
        """What agents can be begun from, and where one's shared folders lie on the server."""
        return await self.ask(requests.templates())

    async def give_feedback(self, pid: int, step: int, thumb: Thumb = "none", comment: str = "") -> Judgement:
        """Judge one step of an agent, ended or not; it replaces what you said of the step before."""
        return await self.ask(requests.give_feedback(pid, step, thumb, comment))

    async def feedback(self, pid: int) -> list[Judgement]:
        """What people said of its steps, by step."""
        return await self.ask(requests.feedback(pid))

    async def profiles(self, *, limit: int = 1000) -> list[Standing]:
        """The agents whose runs have ended, in figures; who ended last is first."""
        return await self.ask(requests.profiles(limit))

    async def profile(self, agent: str | int) -> Profile:
        """The profile of an agent by its name, or of the agent that the process of this PID is a run of."""
        return await self.ask(requests.profile(agent))

    async def remember(self, agent: str, *notes: Note | str) -> list[Memory]:
        """Keep notes for an agent, in one transaction; a text is a note of the semantic layer."""
        return await self.ask(requests.remember(agent, [n if isinstance(n, Note) else Note(text=n) for n in notes]))

    async def recall(
        self, agent: str, query: str, *, layers: Iterable[Layer | str] = (), tags: Iterable[str] = (), limit: int = 10
    ) -> Recall:
        """What an agent remembers, or was granted to read, that fits: best first, each with its reasons."""
        return await self.ask(requests.recall(agent, query, layers, tags, limit))

    async def memories(
        self,
        agent: str,
        *,
        sort: Sort = "newest",
        layers: Iterable[Layer | str] = (),
        tags: Iterable[str] = (),
        kinds: Iterable[SourceKind] = (),
        pinned: bool = False,
        forgotten: bool = False,
        cursor: str = "",
        limit: int = 200,
    ) -> MemoryPage:
        """A page of what an agent remembers, or has forgotten; `cursor` is the `next` of the page before.

        Sorted by newest, strength, importance or used (last use). `kinds` are where memories came from: agent, person …
        """
        asked = requests.memory_page(agent, sort, layers, tags, kinds, pinned, forgotten, cursor, limit)
        return await self.ask(asked)

    async def spaces(self) -> SpaceList:
        """The agents that remember something, and who may read it besides."""
        return await self.ask(requests.spaces())

    async def versions(self, key: int) -> list[Memory]:
        """A memory as it is, and before it was changed: the newest version first."""
        return await self.ask(requests.versions(key))

    async def change_memory(self, key: int, change: Change, *, version: int | None = None) -> Memory:
        """Change a memory. `version`, if given, must be the one that was seen."""
        return await self.ask(requests.change_memory(key, change, version))

    async def forget(self, key: int) -> Memory:
        """Forget a memory: it is found no more; its versions stay readable."""
        return await self.ask(requests.forget(key))

    async def restore_memory(self, key: int) -> Memory:
        """Undo that a memory was forgotten or merged into another."""
        return await self.ask(requests.restore_memory(key))

    async def merge_memories(self, *keys: int, change: Change | None = None, dry_run: bool = False) -> Merged:
        """Make one memory of several of one agent: the first stays. `dry_run` only tells what it would come to."""
        return await self.ask(requests.merge_memories(keys, change or Change(), dry_run))

    async def similar_memories(
        self, agent: str, *, layers: Iterable[Layer | str] = (), least: float = 0.8, limit: int = 50
    ) -> list[Alike]:
        """Pairs of an agent's memories that say nearly the same, the most alike first."""
        return await self.ask(requests.similar_memories(agent, layers, least, limit))

    async def memories_like(self, key: int, *, least: float = 0.8, limit: int = 20) -> list[Alike]:
        """What says nearly the same as this memory."""
        return await self.ask(requests.memories_like(key, least, limit))

    async def consolidate(self, agent: str) -> Consolidated:
        """Put an agent's memories in order now, and say what was merged, made and found to disagree, and its cost."""
        return await self.ask(requests.consolidate(agent))

    async def memory_reports(self, agent: str) -> list[Consolidated]:
        """What consolidations did with an agent's memories, and what was evicted; the last first."""
        return await self.ask(requests.memory_reports(agent))

    async def memory_uses(self, key: int) -> list[MemoryUse]:
        """Where a memory was given to a model, and which answers rest on it; the last first."""
        return await self.ask(requests.memory_uses(key))

    async def grant_memory(self, agent: str, reader: str, *, allow: bool = True) -> None:
        """Let one agent recall what another remembers, or no longer."""
        await self.ask(requests.grant_memory(agent, reader, allow))

    async def export_memories(self, agent: str) -> bytes:
        """What an agent remembers as a zip of Markdown files; `client.folder.unpack` writes them to a folder."""
        return await self.ask(requests.export_memories(agent))

    async def import_memories(
        self, agent: str, content: bytes, *, forget_missing: bool = False, apply: str = ""
    ) -> ImportReport:
        """What a zip of memories (`client.folder.pack`) would change; with a preview's digest as `apply`, do it."""
        return await self.ask(requests.import_memories(agent, content, forget_missing, apply))

    async def notes(self, agent: str) -> list[Notes]:
        """MEMORY.md of an agent in all its versions, the newest first."""
        return await self.ask(requests.notes(agent))

    async def write_notes(self, agent: str, text: str, *, version: int | None = None) -> Notes:
        """Write MEMORY.md, which every run of this agent is told; '' for none. `version` must be the one seen."""
        return await self.ask(requests.write_notes(agent, text, version))

    async def snapshots(self, pid: int | None = None, *, limit: int = 1000) -> list[Snapshot]:
        """One's snapshots, or those of one agent; the newest first."""
        return await self.ask(requests.snapshots(pid, limit))

    async def take_snapshot(self, pid: int, *, label: str = "", kept: bool = False) -> Snapshot:
        """Capture an agent: files, place in the journal, memory and plan. `kept` spares it when the oldest go."""
        return await self.ask(requests.take_snapshot(pid, label, kept))

    async def snapshot(self, key: int) -> SnapshotDetail:
        """One snapshot and what is in it."""
        return await self.ask(requests.snapshot(key))

    async def mark_snapshot(self, key: int, *, label: str | None = None, kept: bool | None = None) -> Snapshot:
        """Say what it is, and whether it is spared when the oldest go; what is left out stays."""
        return await self.ask(requests.mark_snapshot(key, label, kept))

    async def delete_snapshot(self, key: int) -> Snapshot:
        """Delete a snapshot, and from the disk what no other one holds."""
        return await self.ask(requests.delete_snapshot(key))

    async def compare_snapshots(self, before: int, after: int) -> Comparison:
        """What is otherwise in the second: files with their sizes, steps, plan and memories."""
        return await self.ask(requests.compare_snapshots(before, after))

    async def restore_snapshot(
        self,
        key: int,
        *,
        name: str = "",
        model: str = "",
        memory: Remembered | None = None,
        message: str = "",
        paused: bool = False,
        trusted: bool = False,
    ) -> Branched:
        """A new agent that goes on from a snapshot, with its files and what it remembered then (`memory="then"`).

        One that came from elsewhere keeps its instructions, role, desktop and hosts if it is `trusted`.
        """
        return await self.ask(requests.restore_snapshot(key, _how(name, model, memory, paused, message), trusted))

    async def fork(
        self,
        pid: int,
        step: int | None = None,
        *,
        name: str = "",
        model: str = "",
        message: str | EditedMessage = "",
        result: EditedResult | None = None,
        files: Files = "nearest",
        memory: Remembered | None = None,
        paused: bool = False,
    ) -> Branched:
        """A new agent that goes on from a step of this one (the present one if none is named), with one thing changed.

        `message` adds words, or changes those that an `EditedMessage` names; `result` changes what a call of the step
        came to. The notes of the answer say where its files differ from the step.
        """
        return await self.ask(requests.fork(pid, step, _how(name, model, memory, paused, message, result), files))

    async def export_snapshot(self, key: int, file: BinaryIO) -> None:
        """Write a snapshot to `file`, as it comes; another server takes it."""
        await self._save(requests.export_snapshot(key), file)

    async def import_snapshot(self, path: str | Path) -> Snapshot:
        """Bring a snapshot that was taken elsewhere. Raises `BadSnapshot` for what is damaged or no snapshot."""
        import httpx

        request, address = requests.import_snapshot(), await self.locate()
        if self._http is None:
            self._http = httpx.AsyncClient(**_connection(address))
        try:
            answer = await self._http.request(**_arguments(request) | _streamed(path, _blocks_async(path)))
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from error
        return request.read(answer.status_code, _type(answer), answer.content, address.url)

    async def my_data(self, agent: str = "") -> Holding:
        """How much is kept of oneself, or of an agent and those below it, and what an erasure would leave."""
        return await self.ask(requests.my_data(agent))

    async def export_my_data(self, file: BinaryIO, agent: str = "") -> None:
        """Write all of it to `file` as a zip, as it comes."""
        await self._save(requests.export_my_data(agent), file)

    async def _save(self, request: Request[bytes], file: BinaryIO) -> None:
        import httpx

        address = await self.locate()
        if self._http is None:
            self._http = httpx.AsyncClient(**_connection(address))
        try:
            async with self._http.stream(**_arguments(request)) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise requests.failure(answer.status_code, _type(answer), answer.content, address.url)
                async for block in answer.aiter_bytes():
                    file.write(block)
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from error

    async def erase_my_data(self, confirm: str, *, agent: str = "", force: bool = False) -> Holding:
        """Erase it for good. `confirm` is the agent's name, or one's own for everything; `force` kills what runs."""
        return await self.ask(requests.erase_my_data(agent, confirm, force))


class Aether:
    """A server, spoken to from a plain program; the methods are those of `AsyncAether`, without `await`.

    Use it as `with Aether() as aether:`, or call `close()`.
    """

    def __init__(self, url: str = "", token: str = "", *, verify: bool | str | None = None) -> None:
        self.address: Address = discover(url, token, verify=verify)
        self._http: httpx.Client | None = None

    @classmethod
    def at(cls, address: Address) -> Aether:
        """A client of a server that was found already."""
        return cls(address.url, address.token, verify=address.verify)

    def __enter__(self) -> Aether:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            http.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address.url}>"

    def ask(self, request: Request[T]) -> T:
        """Send one request and read the answer."""
        import httpx

        if self._http is None:
            self._http = httpx.Client(**_connection(self.address))
        try:
            answer = self._http.request(**_arguments(request))
        except httpx.HTTPError as error:
            raise _unreachable(self.address, error) from error
        return request.read(answer.status_code, _type(answer), answer.content, self.address.url)

    def me(self) -> Me:
        """Who the token stands for."""
        return self.ask(requests.me())

    def health(self) -> Health:
        """How each part of the server is."""
        return self.ask(requests.health())

    def processes(
        self,
        *,
        states: Iterable[State | str] = (),
        name: str = "",
        parent: int | None = None,
        reaped: bool = False,
        limit: int = 1000,
    ) -> list[Process]:
        """One's agents, newest first."""
        return self.ask(requests.processes(states, name, parent, reaped, limit))

    def spawn(self, spec: AgentSpec, *, parent: int | None = None) -> Process:
        """Start an agent; it is READY when this returns."""
        return self.ask(requests.spawn(spec, parent))

    def get(self, pid: int) -> Process:
        """One agent as it stands."""
        return self.ask(requests.get(pid))

    def spec(self, pid: int) -> AgentSpec:
        """What was asked for when it was spawned."""
        return self.ask(requests.spec(pid))

    def context(
        self, pid: int, step: int | None = None, *, entry: int | None = None, chars: int = ENTRY_CHARS
    ) -> ContextView:
        """What the model was told at `step`, the last one if none is named. Texts are cut at `chars` characters.

        With `entry` (the place of one) only that entry has its text, and all of it.
        """
        return self.ask(requests.context(pid, step, entry, chars))

    def asked(self, pid: int) -> list[AgentRequest]:
        """What other agents wait for from it, and what it waits for from them."""
        return self.ask(requests.asked(pid))

    def reap(self, pid: int, *, keep_home: bool = False) -> Process:
        """Take note of the end of an agent; its files are removed unless `keep_home`."""
        return self.ask(requests.reap(pid, keep_home))

    def records(self, pid: int, *, after: int = 0, before: int | None = None, limit: int = 200) -> list[Record]:
        """Its journal by `n`, ascending: at most `limit` lines after `after`, or the last `limit` before `before`."""
        return self.ask(requests.records(pid, after, before, limit))

    def wait(self, pid: int, *, timeout_s: float = 30.0) -> Process:
        """Return when it has ended or only a person can let it go on, at the latest after `timeout_s` (at most 60)."""
        return self.ask(requests.wait(pid, timeout_s))

    def signal(self, pid: int, signal: Signal | str) -> Process:
        """Pause (STOP), continue (CONT), interrupt (INT) or end (TERM, KILL) it."""
        return self.ask(requests.signal(pid, signal))

    def signal_many(self, signal: Signal | str, pids: Iterable[int]) -> SignalReport:
        """One signal to many; each that did not get it is named with the reason."""
        return self.ask(requests.signal_many(signal, pids))

    def keep_image(self, content: bytes) -> Image:
        """Keep a PNG, JPEG, WebP or GIF, so that a spec or a message can name it. Raises `BadRequest`, `TooMany`."""
        return self.ask(requests.keep_image(content))

    def image(self, digest: str) -> bytes:
        """The bytes of an image that one gave, or that a tool of one's agents made."""
        return self.ask(requests.image(digest))

    def send(
        self, pid: int, text: str, *, kind: str = "note", interrupt: bool = False, images: Sequence[Image] = ()
    ) -> str:
        """Words for it, and images that were kept, read before its next model call. Returns the id of the message."""
        return self.ask(requests.send(pid, text, kind, interrupt, images))

    def terminal(self, pid: int) -> str:
        """A new terminal in its sandbox; the name under which Jupyter's own terminals have it."""
        return self.ask(requests.terminal(pid))

    def display(self, pid: int) -> DisplayStatus:
        """Its desktop: whether it runs, how large it is, who has control and who looks."""
        return self.ask(requests.display(pid))

    def screenshot(self, pid: int, *, width: int = 1280) -> Screenshot:
        """What its desktop shows, as a JPEG, at most two seconds old. Raises `NotFound` if it does not run."""
        return Screenshot(self.ask(requests.screenshot(pid, width)))

    def browser(self, pid: int) -> BrowserStatus:
        """Its browser: whether it is open, who has control and who looks."""
        return self.ask(requests.browser(pid))

    def take_control(self, pid: int) -> ControlStatus:
        """Take its desktop and browser over; it stops at once. Raises `ControlHeld` if somebody else has control."""
        return self.ask(requests.take_control(pid))

    def hand_back(self, pid: int, note: str = "") -> ControlStatus:
        """Hand control back, with words for it; it goes on, and is told what changed."""
        return self.ask(requests.hand_back(pid, note))

    def extend(
        self,
        pid: int,
        *,
        steps: int | None = None,
        tokens: int | None = None,
        cost_usd: float | None = None,
        wall_s: float | None = None,
    ) -> Process:
        """Add to its limits; if it waited at one, it goes on."""
        return self.ask(requests.extend(pid, steps, tokens, cost_usd, wall_s))

    def choose_model(self, pid: int, model: str) -> Process:
        """Another model for it (or `auto`), asked from its next step on. Raises `Forbidden` if it is not permitted."""
        return self.ask(requests.choose_model(pid, model))

    def plan(self, pid: int) -> PlanAsItStands:
        """Its plan as it stands, and who changed it last."""
        return self.ask(requests.plan(pid))

    def set_plan(self, pid: int, plan: Plan | str, *, seen: int | None = None) -> PlanAsItStands:
        """Give it another plan, as an outline or as steps; it is told before its next step.

        `seen`, the `n` of the plan that was read, guards what others did since: then it raises `Conflict`.
        """
        return self.ask(requests.set_plan(pid, plan, seen))

    def files(self, pid: int, path: str = "") -> list[FileInfo]:
        """The entries of one folder of its home."""
        return self.ask(requests.files(pid, path))

    def read_file(self, pid: int, path: str) -> bytes:
        """The bytes of one file of its home."""
        return self.ask(requests.read_file(pid, path))

    def export(self, pid: int, form: str = "json") -> bytes:
        """Its whole conversation as `json`, `text` or `notebook`."""
        return self.ask(requests.export(pid, form))

    def approvals(self, *, waiting: bool = True, pid: int | None = None, limit: int = 200) -> list[Approval]:
        """What waits for a decision; with `waiting=False` what was decided too."""
        return self.ask(requests.approvals(waiting, pid, limit))

    def approval(self, key: str) -> Approval:
        """One question to a person."""
        return self.ask(requests.approval(key))

    def decide(
        self,
        approval: Approval,
        verdict: Verdict,
        *,
        arguments: dict[str, Any] | None = None,
        answer: str | None = None,
        reason: str | None = None,
        steps: int | None = None,
        remember: Remember = "once",
    ) -> Approval:
        """Decide the call that `approval` shows. Raises `AlreadyDecided`, or `ApprovalMismatch` if it is another."""
        return self.ask(
            requests.decide(approval.id, verdict, approval.digest, arguments, answer, reason, steps, remember)
        )

    def rules(self) -> list[ApprovalRule]:
        """Standing approvals."""
        return self.ask(requests.rules())

    def revoke(self, key: str) -> None:
        """Withdraw a standing approval; the next such call asks again."""
        self.ask(requests.revoke(key))

    def usage(self, *, days: int = 30) -> UsageReport:
        """Tokens and money by day, model and agent."""
        return self.ask(requests.usage(days))

    def models(self) -> ModelList:
        """The models to choose from."""
        return self.ask(requests.models())

    def route(self, spec: AgentSpec) -> RouteInfo:
        """Which models an agent of this spec would be asked from first, and why; nothing is started."""
        return self.ask(requests.route(spec))

    def tools(self) -> list[ToolSpec]:
        """The tools that agents can be given."""
        return self.ask(requests.tools())

    def sandboxes(self) -> list[SandboxInfo]:
        """Where tools can run."""
        return self.ask(requests.sandboxes())

    def templates(self) -> TemplateList:
        """What agents can be begun from, and where one's shared folders lie on the server."""
        return self.ask(requests.templates())

    def give_feedback(self, pid: int, step: int, thumb: Thumb = "none", comment: str = "") -> Judgement:
        """Judge one step of an agent, ended or not; it replaces what you said of the step before."""
        return self.ask(requests.give_feedback(pid, step, thumb, comment))

    def feedback(self, pid: int) -> list[Judgement]:
        """What people said of its steps, by step."""
        return self.ask(requests.feedback(pid))

    def profiles(self, *, limit: int = 1000) -> list[Standing]:
        """The agents whose runs have ended, in figures; who ended last is first."""
        return self.ask(requests.profiles(limit))

    def profile(self, agent: str | int) -> Profile:
        """The profile of an agent by its name, or of the agent that the process of this PID is a run of."""
        return self.ask(requests.profile(agent))

    def remember(self, agent: str, *notes: Note | str) -> list[Memory]:
        """Keep notes for an agent, in one transaction; a text is a note of the semantic layer."""
        return self.ask(requests.remember(agent, [n if isinstance(n, Note) else Note(text=n) for n in notes]))

    def recall(
        self, agent: str, query: str, *, layers: Iterable[Layer | str] = (), tags: Iterable[str] = (), limit: int = 10
    ) -> Recall:
        """What an agent remembers, or was granted to read, that fits: best first, each with its reasons."""
        return self.ask(requests.recall(agent, query, layers, tags, limit))

    def memories(
        self,
        agent: str,
        *,
        sort: Sort = "newest",
        layers: Iterable[Layer | str] = (),
        tags: Iterable[str] = (),
        kinds: Iterable[SourceKind] = (),
        pinned: bool = False,
        forgotten: bool = False,
        cursor: str = "",
        limit: int = 200,
    ) -> MemoryPage:
        """A page of what an agent remembers, or has forgotten; `cursor` is the `next` of the page before.

        Sorted by newest, strength, importance or used (last use). `kinds` are where memories came from: agent, person …
        """
        asked = requests.memory_page(agent, sort, layers, tags, kinds, pinned, forgotten, cursor, limit)
        return self.ask(asked)

    def spaces(self) -> SpaceList:
        """The agents that remember something, and who may read it besides."""
        return self.ask(requests.spaces())

    def versions(self, key: int) -> list[Memory]:
        """A memory as it is, and before it was changed: the newest version first."""
        return self.ask(requests.versions(key))

    def change_memory(self, key: int, change: Change, *, version: int | None = None) -> Memory:
        """Change a memory. `version`, if given, must be the one that was seen."""
        return self.ask(requests.change_memory(key, change, version))

    def forget(self, key: int) -> Memory:
        """Forget a memory: it is found no more; its versions stay readable."""
        return self.ask(requests.forget(key))

    def restore_memory(self, key: int) -> Memory:
        """Undo that a memory was forgotten or merged into another."""
        return self.ask(requests.restore_memory(key))

    def merge_memories(self, *keys: int, change: Change | None = None, dry_run: bool = False) -> Merged:
        """Make one memory of several of one agent: the first stays. `dry_run` only tells what it would come to."""
        return self.ask(requests.merge_memories(keys, change or Change(), dry_run))

    def similar_memories(
        self, agent: str, *, layers: Iterable[Layer | str] = (), least: float = 0.8, limit: int = 50
    ) -> list[Alike]:
        """Pairs of an agent's memories that say nearly the same, the most alike first."""
        return self.ask(requests.similar_memories(agent, layers, least, limit))

    def memories_like(self, key: int, *, least: float = 0.8, limit: int = 20) -> list[Alike]:
        """What says nearly the same as this memory."""
        return self.ask(requests.memories_like(key, least, limit))

    def consolidate(self, agent: str) -> Consolidated:
        """Put an agent's memories in order now, and say what was merged, made and found to disagree, and its cost."""
        return self.ask(requests.consolidate(agent))

    def memory_reports(self, agent: str) -> list[Consolidated]:
        """What consolidations did with an agent's memories, and what was evicted; the last first."""
        return self.ask(requests.memory_reports(agent))

    def memory_uses(self, key: int) -> list[MemoryUse]:
        """Where a memory was given to a model, and which answers rest on it; the last first."""
        return self.ask(requests.memory_uses(key))

    def grant_memory(self, agent: str, reader: str, *, allow: bool = True) -> None:
        """Let one agent recall what another remembers, or no longer."""
        self.ask(requests.grant_memory(agent, reader, allow))

    def export_memories(self, agent: str) -> bytes:
        """What an agent remembers as a zip of Markdown files; `client.folder.unpack` writes them to a folder."""
        return self.ask(requests.export_memories(agent))

    def import_memories(
        self, agent: str, content: bytes, *, forget_missing: bool = False, apply: str = ""
    ) -> ImportReport:
        """What a zip of memories (`client.folder.pack`) would change; with a preview's digest as `apply`, do it."""
        return self.ask(requests.import_memories(agent, content, forget_missing, apply))

    def notes(self, agent: str) -> list[Notes]:
        """MEMORY.md of an agent in all its versions, the newest first."""
        return self.ask(requests.notes(agent))

    def write_notes(self, agent: str, text: str, *, version: int | None = None) -> Notes:
        """Write MEMORY.md, which every run of this agent is told; '' for none. `version` must be the one seen."""
        return self.ask(requests.write_notes(agent, text, version))

    def snapshots(self, pid: int | None = None, *, limit: int = 1000) -> list[Snapshot]:
        """One's snapshots, or those of one agent; the newest first."""
        return self.ask(requests.snapshots(pid, limit))

    def take_snapshot(self, pid: int, *, label: str = "", kept: bool = False) -> Snapshot:
        """Capture an agent: files, place in the journal, memory and plan. `kept` spares it when the oldest go."""
        return self.ask(requests.take_snapshot(pid, label, kept))

    def snapshot(self, key: int) -> SnapshotDetail:
        """One snapshot and what is in it."""
        return self.ask(requests.snapshot(key))

    def mark_snapshot(self, key: int, *, label: str | None = None, kept: bool | None = None) -> Snapshot:
        """Say what it is, and whether it is spared when the oldest go; what is left out stays."""
        return self.ask(requests.mark_snapshot(key, label, kept))

    def delete_snapshot(self, key: int) -> Snapshot:
        """Delete a snapshot, and from the disk what no other one holds."""
        return self.ask(requests.delete_snapshot(key))

    def compare_snapshots(self, before: int, after: int) -> Comparison:
        """What is otherwise in the second: files with their sizes, steps, plan and memories."""
        return self.ask(requests.compare_snapshots(before, after))

    def restore_snapshot(
        self,
        key: int,
        *,
        name: str = "",
        model: str = "",
        memory: Remembered | None = None,
        message: str = "",
        paused: bool = False,
        trusted: bool = False,
    ) -> Branched:
        """A new agent that goes on from a snapshot, with its files and what it remembered then (`memory="then"`).

        One that came from elsewhere keeps its instructions, role, desktop and hosts if it is `trusted`.
        """
        return self.ask(requests.restore_snapshot(key, _how(name, model, memory, paused, message), trusted))

    def fork(
        self,
        pid: int,
        step: int | None = None,
        *,
        name: str = "",
        model: str = "",
        message: str | EditedMessage = "",
        result: EditedResult | None = None,
        files: Files = "nearest",
        memory: Remembered | None = None,
        paused: bool = False,
    ) -> Branched:
        """A new agent that goes on from a step of this one (the present one if none is named), with one thing changed.

        `message` adds words, or changes those that an `EditedMessage` names; `result` changes what a call of the step
        came to. The notes of the answer say where its files differ from the step.
        """
        return self.ask(requests.fork(pid, step, _how(name, model, memory, paused, message, result), files))

    def export_snapshot(self, key: int, file: BinaryIO) -> None:
        """Write a snapshot to `file`, as it comes; another server takes it."""
        self._save(requests.export_snapshot(key), file)

    def import_snapshot(self, path: str | Path) -> Snapshot:
        """Bring a snapshot that was taken elsewhere. Raises `BadSnapshot` for what is damaged or no snapshot."""
        import httpx

        request, address = requests.import_snapshot(), self.address
        if self._http is None:
            self._http = httpx.Client(**_connection(address))
        try:
            answer = self._http.request(**_arguments(request) | _streamed(path, _blocks(path)))
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from error
        return request.read(answer.status_code, _type(answer), answer.content, address.url)

    def my_data(self, agent: str = "") -> Holding:
        """How much is kept of oneself, or of an agent and those below it, and what an erasure would leave."""
        return self.ask(requests.my_data(agent))

    def export_my_data(self, file: BinaryIO, agent: str = "") -> None:
        """Write all of it to `file` as a zip, as it comes."""
        self._save(requests.export_my_data(agent), file)

    def _save(self, request: Request[bytes], file: BinaryIO) -> None:
        import httpx

        address = self.address
        if self._http is None:
            self._http = httpx.Client(**_connection(address))
        try:
            with self._http.stream(**_arguments(request)) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise requests.failure(answer.status_code, _type(answer), answer.content, address.url)
                for block in answer.iter_bytes():
                    file.write(block)
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from error

    def erase_my_data(self, confirm: str, *, agent: str = "", force: bool = False) -> Holding:
        """Erase it for good. `confirm` is the agent's name, or one's own for everything; `force` kills what runs."""
        return self.ask(requests.erase_my_data(agent, confirm, force))


def _how(
    name: str,
    model: str,
    memory: Remembered | None,
    paused: bool,
    message: str | EditedMessage,
    result: EditedResult | None = None,
) -> Branching:
    edited = EditedMessage(message) if isinstance(message, str) and message else message or None
    assert not isinstance(edited, str)
    return Branching(name=name, model=model, memory=memory, paused=paused, message=edited, result=result)


def _streamed(path: str | Path, blocks: Any) -> dict[str, Any]:
    headers = {"Content-Type": "application/zip", "Content-Length": str(Path(path).stat().st_size)}
    return {"content": blocks, "headers": headers}


def _blocks(path: str | Path) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


async def _blocks_async(path: str | Path) -> AsyncIterator[bytes]:
    for block in _blocks(path):
        yield block


def _connection(address: Address) -> dict[str, Any]:
    return {
        "base_url": address.url,
        "headers": address.headers,
        "verify": address.verify,
        "timeout": TIMEOUT_S,
        "trust_env": not address.local,
    }


def _arguments(request: Request[Any]) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.path,
        "params": request.query,
        "content": request.content,
        "headers": {"Content-Type": request.media_type} if request.media_type else {},
        "timeout": TIMEOUT_S + request.wait_s,
    }


def _type(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", ""))


def _unreachable(address: Address, error: Exception) -> ServerNotFound:
    return ServerNotFound(f"{address.url} does not answer: {str(error) or type(error).__name__}")
