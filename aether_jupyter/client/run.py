"""`spawn`, and the `Run` it gives: an agent as a Python object that can be awaited and iterated."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import msgspec

from ..answers import named
from ..model.agent import AgentSpec, Limits, Mode, SandboxSpec
from ..model.control import ControlStatus
from ..model.errors import BadRequest, ProcessFailed
from ..model.events import Notice, ProcessExited, Record, Reflected
from ..model.feedback import Judgement, Thumb
from ..model.harmless import line
from ..model.image import Image
from ..model.permission import Permission, parse_permission
from ..model.plan import Plan, PlanAsItStands
from ..model.process import ExitStatus, Process, Signal, State
from ..model.snapshot import EditedMessage, EditedResult, Files, Remembered, Snapshot
from ..model.tool import Approval, Decision, Remember
from ..model.view import advance
from . import decisions, show
from .client import Aether, AsyncAether, Screenshot
from .discover import Address
from .outputs import output_of
from .pictures import contents

PAGE = 500

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncAether] = weakref.WeakKeyDictionary()
_chosen: list[Address] = []


def connect(url: str = "", token: str = "", *, verify: bool | str | None = None) -> Aether:
    """Choose the server that `spawn`, `ps` and the magics talk to, and return a plain client of it.

    Without arguments the server is found as always. Raises `ServerNotFound` or `Forbidden` if it does not answer.
    """
    client = Aether(url, token, verify=verify)
    client.me()
    _chosen[:] = [client.address]
    _clients.clear()
    return client


def client() -> AsyncAether:
    """The client of the running event loop, shared by all runs in it."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = _clients[loop] = AsyncAether.at(_chosen[0]) if _chosen else AsyncAether()
    return found


def plain_client() -> Aether:
    """A client without an event loop, of the same server."""
    return Aether.at(_chosen[0]) if _chosen else Aether()


def make_spec(
    goal: str,
    *,
    model: str | None = None,
    tools: Iterable[str] | None = None,
    mode: Mode | str = Mode.ASK_RISKY,
    permissions: Iterable[str | Mapping[str, Any] | Permission] = (),
    role: str = "",
    sandbox: SandboxSpec | Mapping[str, Any] | str = "auto",
    desktop: str | None = None,
    network: str | None = None,
    hosts: Iterable[str] = (),
    disk_mb: int | None = None,
    gpus: int = 0,
    name: str = "",
    system: str = "",
    steps: int | None = 50,
    tokens: int | None = None,
    cost_usd: float | None = None,
    wall_s: float | None = None,
    fallbacks: Iterable[str] = (),
    output_schema: dict[str, Any] | None = None,
    temperature: float | None = None,
    max_output_tokens: int | None = None,
    keep_home: bool = False,
    keep_profile: bool = False,
    reflect: bool | None = None,
    workspaces: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    origin: str = "python",
) -> AgentSpec:
    """A request for one agent, checked as the server will check it. Raises `BadRequest` naming the field."""
    box = msgspec.to_builtins({"kind": sandbox} if isinstance(sandbox, str) else sandbox)
    if hosts and network is None:
        network = "allowed"
    asked = {
        "desktop": desktop,
        "network": network,
        "hosts": _names(hosts) or None,
        "disk_mb": disk_mb,
        "gpus": gpus or None,
    }
    box |= {name: value for name, value in asked.items() if value is not None}
    fields = {
        "goal": goal,
        "name": name,
        "model": model or "",
        "fallbacks": _names(fallbacks),
        "system": system,
        "tools": None if tools is None else _names(tools),
        "mode": str(mode),
        "permissions": [
            msgspec.to_builtins(parse_permission(each))
            for each in ((permissions,) if isinstance(permissions, str) else permissions)
        ],
        "role": role,
        "sandbox": box,
        "limits": msgspec.to_builtins(Limits(steps=steps, tokens=tokens, cost_usd=cost_usd, wall_s=wall_s)),
        "output_schema": output_schema,
        "temperature": temperature,
        "keep_home": keep_home,
        "keep_profile": keep_profile,
        "reflect": reflect,
        "workspaces": _names(workspaces),
        "labels": dict(labels or {}),
        "origin": origin,
    }
    if max_output_tokens is not None:
        fields["max_output_tokens"] = max_output_tokens
    try:
        return msgspec.convert(fields, AgentSpec)
    except msgspec.ValidationError as error:
        raise BadRequest(named(error)) from None


def _names(given: Iterable[str]) -> Any:
    # A single word is left as it is, to be refused by its field: its letters are no names.
    return given if isinstance(given, str) else list(given)


async def spawn(
    goal: str, *, images: Any = (), output: Any = None, on: AsyncAether | None = None, **options: Any
) -> Run:
    """Start an agent and return it as a `Run`. `images` go with the goal: paths, bytes or pictures of Pillow's.

    `options` are those of `AgentSpec`: `model`, `fallbacks`, `tools` (names), `mode` (`plan`, `ask_always`,
    `ask_risky`, `accept_edits`, `autonomous`), `permissions` (lines such as `"deny tool=run_command"`, on top of the
    administrator's), `role`, `sandbox` (`auto`, `docker`, `bubblewrap`, `host` or a `SandboxSpec`), of which
    `desktop` (`xfce`, or `openbox`, which is lighter), `network`, `hosts` (what its commands may reach), `disk_mb`
    and `gpus` can be said by themselves, `name`, `system`, `temperature`, `max_output_tokens`, `keep_home`,
    `keep_profile` (its browser's cookies, for later agents of its name), `reflect` (whether it looks back on its
    run), `workspaces`, `labels`, and the limits `steps`, `tokens`, `cost_usd`, `wall_s`. `output` is the type that
    the result must have:
    a Pydantic model, a dataclass, a msgspec Struct, any annotation or a JSON Schema. `on` is the client to use.

        run = await aether.spawn("Count the words in notes.txt")
        async for record in run:     # what it thinks and does, as it happens
            print(record.event)
        print(await run)             # its answer; ProcessFailed if it failed

    Raises `ServerNotFound`, `BadRequest`, `UnknownName`, `OverBudget`.
    """
    read: Callable[[Any], Any] | None = None
    if output is not None:
        wanted = output_of(output)
        options["output_schema"], read = wanted.schema, wanted.read
    server = on if on is not None else client()
    spec = make_spec(goal, **options)
    kept = await keep_images(images, on=server)
    process = await server.spawn(msgspec.structs.replace(spec, images=tuple(kept)))
    return Run(server, process, read)


async def keep_images(given: Any, *, on: AsyncAether) -> list[Image]:
    """Have the server keep images that an agent is to be given. Raises `BadRequest` for what is none or too large."""
    if isinstance(given, tuple | list) and not given:
        return []
    return [await on.keep_image(content) for content in await asyncio.to_thread(contents, given)]


async def attach(pid: int, *, on: AsyncAether | None = None) -> Run:
    """A `Run` of an agent that was started elsewhere."""
    server = on if on is not None else client()
    return Run(server, await server.get(pid), None)


def ps(*, all: bool = False, name: str = "") -> show.Table:  # noqa: A002 (the word of ps)
    """One's agents, newest first, as a list that shows itself as a table; `all` includes those that were reaped."""
    with plain_client() as server:
        return show.Table(server.processes(name=name, reaped=all))


P = ParamSpec("P")
T = TypeVar("T")


def _at_once(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, asyncio.Task[T]]:
    """Begin with the call, so that `run.signal("STOP")` works in a cell without `await`, which gives the answer."""

    @functools.wraps(method)
    def begin(*args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(method(*args, **kwargs))
        _begun.add(task)
        task.add_done_callback(_begun.discard)
        return task

    return begin


_begun: set[asyncio.Task[Any]] = set()
"""Kept until they are done: the loop itself holds tasks only weakly."""


class Run:
    """One agent. Await it for its result, iterate it for its records, or send it signals and words.

    All runs of one event loop share one connection to the server.
    """

    def __init__(self, server: AsyncAether, process: Process, read: Callable[[Any], Any] | None) -> None:
        self._server = server
        self._process = process
        self._read = read

    @property
    def process(self) -> Process:
        """The agent as last heard of."""
        heard = self._server.hub.processes.get(self._process.pid)
        if heard is not None and heard.head >= self._process.head:
            self._process = heard
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def name(self) -> str:
        """Its name."""
        return self._process.name

    @property
    def state(self) -> State:
        """Its state as last heard of."""
        return self.process.state

    @property
    def step(self) -> int:
        """The steps it has made."""
        return self.process.step

    @property
    def tokens(self) -> int:
        """The tokens it has used."""
        return self.process.tokens

    @property
    def cost_usd(self) -> float:
        """The money it has spent, in US dollars."""
        return self.process.cost_usd

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, `None` while it has not."""
        return self.process.exit

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.process.state is State.ZOMBIE

    @property
    def result(self) -> Any:
        """What `await run` gives, of an agent that has ended. Raises `ProcessFailed`; `BadRequest` if it goes on."""
        status = self.exit
        if status is None:
            raise BadRequest(f"Agent {self.pid} has not ended; await it for its result")
        if status.code != 0:
            raise ProcessFailed(
                f"Agent {self.pid} {_ENDS.get(status.reason, 'failed')}: {status.message or status.reason}",
                pid=self.pid,
                code=status.code,
                reason=status.reason,
                error=status.error,
            )
        if self._read is not None:
            try:
                return self._read(status.result)
            except ValueError as error:
                # The schema was satisfied, but not what else the type asks for.
                raise BadRequest(f"Agent {self.pid} gave a result that does not fit its type: {error}") from error
        return status.message if status.result is None else status.result

    def __await__(self) -> Generator[Any, None, Any]:
        return self._finish().__await__()

    async def _finish(self) -> Any:
        await self.wait()
        return self.result

    async def wait(self, *, person: bool = False) -> Process:
        """Wait until it has ended; with `person` also return when only a person can let it go on."""
        if not self.done:
            async with self._server.hub.follow(self.pid) as follower:
                self._process = await self._server.hub.until(
                    follower, lambda p: person and p.needs_person, self._process.head
                )
        return self._process

    async def reflection(self, *, timeout_s: float = 300.0) -> Reflected | None:
        """What it learnt, once it has ended and looked back; None if it has not within `timeout_s` of its end.

        Whether it looks back says `reflect` of its spec; why it gave that up is in its records.
        """
        await self.wait()
        hub = self._server.hub
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), hub.follow(self.pid) as follower:
                while hub.processes[self.pid].rating is None:
                    hub.check()
                    follower.waiting.clear()
                    follower.changed.clear()
                    await follower.changed.wait()
        before = hub.processes[self.pid].head + 1
        while page := await self._server.records(self.pid, before=before, limit=PAGE):
            for record in reversed(page):
                if isinstance(record.event, Reflected):
                    return record.event
                if isinstance(record.event, ProcessExited):
                    return None
            before = page[0].n
        return None

    def __aiter__(self) -> AsyncGenerator[Record, None]:
        return self.records()

    async def records(self, *, after: int = 0) -> AsyncGenerator[Record, None]:
        """What it thinks and does, from the record with `n` = `after` + 1 until it has ended; none is left out."""
        async with contextlib.aclosing(self._follow(after, notices=False)) as things:
            async for thing in things:
                if isinstance(thing, Record):
                    yield thing

    async def live(self, *, after: int = 0) -> AsyncGenerator[Record | Notice, None]:
        """The records, and between them what is shown and forgotten: words and output as they arrive."""
        async with contextlib.aclosing(self._follow(after, notices=True)) as things:
            async for thing in things:
                yield thing

    async def _follow(self, after: int, *, notices: bool) -> AsyncGenerator[Record | Notice, None]:
        hub = self._server.hub
        async with hub.follow(self.pid, notices=notices) as follower:
            while True:
                # Whatever is missing (from before, from a break, from a queue that ran over) is read by HTTP.
                while after < hub.processes[self.pid].head and not self._comes_next(follower.waiting, after):
                    page = await self._server.records(self.pid, after=after, limit=PAGE)
                    if not page:
                        break
                    for record in page:
                        after = record.n
                        self._fold(record)
                        yield record
                        if isinstance(record.event, ProcessExited):
                            return
                hub.check()
                if not follower.waiting:
                    if hub.processes[self.pid].state is State.ZOMBIE and after >= hub.processes[self.pid].head:
                        return
                    follower.changed.clear()
                    await follower.changed.wait()
                    continue
                thing = follower.waiting.popleft()
                if not isinstance(thing, Record):
                    yield thing
                elif thing.n == after + 1:
                    after = thing.n
                    self._fold(thing)
                    yield thing
                    if isinstance(thing.event, ProcessExited):
                        return

    def _fold(self, record: Record) -> None:
        # Records read by HTTP may be ahead of the feed.
        if record.n == self._process.head + 1:
            self._process = advance(self._process, record.event, record.at, record.n)

    @staticmethod
    def _comes_next(waiting: Iterable[Record | Notice], after: int) -> bool:
        return any(isinstance(thing, Record) and thing.n == after + 1 for thing in waiting)

    @_at_once
    async def signal(self, signal: Signal | str) -> Process:
        """Pause (STOP), continue (CONT), interrupt (INT) or end (TERM, KILL) it."""
        self._process = await self._server.signal(self.pid, signal)
        return self._process

    @_at_once
    async def send(self, text: str, *, interrupt: bool = False, images: Any = ()) -> str:
        """Words for it, read before its next model call; `interrupt` drops its present step.

        `images` go with them: paths, bytes or pictures of Pillow's.
        """
        kept = await keep_images(images, on=self._server)
        key = await self._server.send(self.pid, text, interrupt=interrupt, images=kept)
        self._process = await self._server.get(self.pid)
        return key

    @_at_once
    async def extend(
        self,
        *,
        steps: int | None = None,
        tokens: int | None = None,
        cost_usd: float | None = None,
        wall_s: float | None = None,
    ) -> Process:
        """Add to its limits; if it waited at one, it goes on."""
        more = {"steps": steps, "tokens": tokens, "cost_usd": cost_usd, "wall_s": wall_s}
        self._process = await self._server.extend(self.pid, **more)  # type: ignore[arg-type]
        return self._process

    @_at_once
    async def choose_model(self, model: str) -> Process:
        """Another model for it (or `auto`), asked from its next step on."""
        self._process = await self._server.choose_model(self.pid, model)
        return self._process

    async def screenshot(self, *, width: int = 1280) -> Screenshot:
        """What its desktop shows, as a JPEG, at most two seconds old; a notebook shows it."""
        return await self._server.screenshot(self.pid, width=width)

    @_at_once
    async def take_control(self) -> ControlStatus:
        """Take its desktop and browser over: it stops at once, in the middle of a call, too."""
        return await self._server.take_control(self.pid)

    @_at_once
    async def hand_back(self, note: str = "") -> ControlStatus:
        """Hand control back, with words for it; it goes on, and is told what changed."""
        return await self._server.hand_back(self.pid, note)

    @_at_once
    async def feedback(self, step: int, thumb: Thumb = "none", comment: str = "") -> Judgement:
        """Judge one of its steps: `up`, `down` or `none`, and a comment; it replaces what you said of it before.

        While it works, a comment is a message to it as well; its later runs read it in any case.
        """
        return await self._server.give_feedback(self.pid, step, thumb, comment)

    async def snapshot(self, label: str = "", *, kept: bool = False) -> Snapshot:
        """Capture it as it stands: files, place in the journal, memory and plan."""
        return await self._server.take_snapshot(self.pid, label=label, kept=kept)

    async def snapshots(self) -> list[Snapshot]:
        """Those that were taken of it, the newest first."""
        return await self._server.snapshots(self.pid)

    async def fork(
        self,
        step: int | None = None,
        *,
        name: str = "",
        model: str = "",
        message: str | EditedMessage = "",
        result: EditedResult | None = None,
        files: Files = "nearest",
        memory: Remembered | None = None,
        paused: bool = False,
    ) -> Run:
        """A new agent that goes on from a step of this one, which goes on as it is; see `Aether.fork`."""
        made = await self._server.fork(
            self.pid,
            step,
            name=name,
            model=model,
            message=message,
            result=result,
            files=files,
            memory=memory,
            paused=paused,
        )
        return Run(self._server, made.process, self._read)

    async def plan(self) -> PlanAsItStands:
        """Its plan as it stands, and who changed it last."""
        return await self._server.plan(self.pid)

    @_at_once
    async def set_plan(self, plan: Plan | str, *, seen: int | None = None) -> PlanAsItStands:
        """Give it another plan, as an outline or as steps; it is told before its next step.

            plan = await run.plan()
            await run.set_plan(plan.outline + "\n- [ ] Show it to Ana", seen=plan.n)

        With `seen`, raises `Conflict` if the agent has another plan by now.
        """
        return await self._server.set_plan(self.pid, plan, seen=seen)

    async def pending(self) -> list[Approval]:
        """What it waits for a person to decide."""
        return await self._server.approvals(pid=self.pid)

    @_at_once
    async def approve(
        self,
        approval: Approval | None = None,
        *,
        arguments: dict[str, Any] | None = None,
        remember: Remember = "once",
    ) -> Decision | None:
        """Approve what it asks for, with other `arguments` if given. Raises `BadRequest` if it asks for nothing."""
        one = approval or await self._only()
        return await self._decided(one, decisions.yes(one, arguments=arguments, remember=remember))

    @_at_once
    async def refuse(self, approval: Approval | None = None, *, reason: str = "") -> Decision | None:
        """Refuse what it asks for; it reads the reason."""
        one = approval or await self._only()
        return await self._decided(one, decisions.no(one, reason))

    @_at_once
    async def answer(self, text: str, approval: Approval | None = None) -> Decision | None:
        """Answer its question."""
        one = approval or await self._only()
        return await self._decided(one, decisions.answer(one, text))

    async def _decided(self, approval: Approval, said: dict[str, Any]) -> Decision | None:
        decided = await self._server.decide(approval, **said)
        # The feed may lag behind: whoever waits next must not see the state from before the decision.
        self._process = await self._server.get(self.pid)
        return decided.decision

    async def _only(self) -> Approval:
        pending = await self.pending()
        if not pending:
            raise BadRequest(f"Agent {self.pid} asks for nothing")
        return decisions.only(self.pid, pending)

    def display(self) -> None:
        """Show it in the cell: live in JupyterLab, as Markdown elsewhere."""
        from IPython.display import display

        display(self)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        approvals = [a for a in self._server.hub.approvals.values() if a.pid == self.pid]
        return show.bundle(self.process, show.summary_markdown(self.process, approvals=approvals))

    def __repr__(self) -> str:
        p = self.process
        return f"<Run {p.pid} {line(p.name, 40)!r} {p.state.value}, {show.steps(p)} steps, {show.money(p)}>"


_ENDS = {"terminated": "was ended", "killed": "was killed", "limit": "reached a limit", "stuck": "was stuck"}
