"""Agents as processes: spawn, list, watch, signal, talk to, extend, reap; their timelines and files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Annotated

import anyio.to_thread
import msgspec

from ... import pictures
from ...answers import FileList, ProcessList, RecordList, RequestList, Said, TerminalOpened
from ...model.access import Principal
from ...model.agent import AgentSpec
from ...model.context import ENTRY_CHARS, ContextView
from ...model.errors import (
    Conflict,
    FileNotFound,
    Forbidden,
    IllegalTransition,
    ModelNotConfigured,
    NotFound,
    OverBudget,
    ProcessNotFound,
    SandboxUnavailable,
    TooMany,
    UnknownName,
)
from ...model.events import Record
from ...model.plan import PlanAsItStands
from ...model.process import Process, SignalReport, State
from ..bodies import (
    ChooseModel,
    ExportFormat,
    Extend,
    Natural,
    Pid,
    Say,
    SendSignal,
    SetPlan,
    SignalMany,
    Spawn,
)
from ..export import MEDIA_TYPES, export, named
from ..routing import Attachment, House, route

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]
FilePath = Annotated[str, msgspec.Meta(max_length=4096)]
PIECE_BYTES = 1_000_000
SHOWN_BYTES = 30_000_000
"""What the images of a notebook may come to."""


@route("GET", "/processes", scope="processes:read")
async def list_processes(
    house: House,
    who: Principal,
    *,
    state: tuple[State, ...] = (),
    name: Annotated[str, msgspec.Meta(max_length=120)] = "",
    parent: Pid | None = None,
    reaped: bool = False,
    limit: Limit = 1000,
) -> ProcessList:
    """One's agents, newest first. `state` takes several, with commas; reaped ones are left out unless asked for."""
    found = await house.processes.list(who, states=state, name=name, parent=parent, reaped=reaped, limit=limit)
    return ProcessList(list(found))


@route("POST", "/processes", scope="processes:spawn", status=201, errors=(UnknownName, OverBudget, TooMany))
async def spawn_process(house: House, who: Principal, body: Spawn) -> Process:
    """Start an agent. It is READY when this answers; the feed tells how it goes on."""
    return await house.processes.spawn(who, body.spec(), parent=body.parent)


@route("GET", "/processes/{pid}", scope="processes:read", errors=(ProcessNotFound,))
async def get_process(house: House, who: Principal, pid: Pid) -> Process:
    """One agent as it stands."""
    return await house.processes.get(who, pid)


@route("DELETE", "/processes/{pid}", scope="processes:reap", errors=(ProcessNotFound, IllegalTransition))
async def reap_process(house: House, who: Principal, pid: Pid, *, keep_home: bool = False) -> Process:
    """Take note of the end of an agent. Its files are removed unless `keep_home`."""
    return await house.processes.reap(who, pid, keep_home=keep_home)


@route("GET", "/processes/{pid}/spec", scope="processes:read", errors=(ProcessNotFound,))
async def get_spec(house: House, who: Principal, pid: Pid) -> AgentSpec:
    """What was asked for when it was spawned."""
    return await house.processes.spec(who, pid)


@route("GET", "/processes/{pid}/records", scope="processes:read", errors=(ProcessNotFound,))
async def list_records(
    house: House,
    who: Principal,
    pid: Pid,
    *,
    after: Natural = 0,
    before: Natural | None = None,
    limit: Limit = 200,
) -> RecordList:
    """Its journal by `n`, ascending: at most `limit` lines after `after`, or the last `limit` before `before`."""
    found = await house.processes.records(who, pid, after=after, before=before, limit=limit)
    return RecordList(list(found))


@route("GET", "/processes/{pid}/context", scope="processes:read", errors=(ProcessNotFound, NotFound))
async def get_context(
    house: House,
    who: Principal,
    pid: Pid,
    *,
    step: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    entry: Natural | None = None,
    chars: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = ENTRY_CHARS,
) -> ContextView:
    """What the model was told at `step` (the last one if none is named), section by section.

    Texts are cut at `chars`; with `entry` (the place of one) only that one has its text, and all of it.
    """
    return await house.contexts.get(who, pid, step, entry=entry, chars=chars)


@route("GET", "/processes/{pid}/requests", scope="processes:read", errors=(ProcessNotFound,))
async def list_requests(house: House, who: Principal, pid: Pid) -> RequestList:
    """What other agents wait for from it, and what it waits for from them; settled ones are in the records."""
    return RequestList(list(await house.requests.list(who, pid)))


@route("GET", "/processes/{pid}/wait", scope="processes:read", errors=(ProcessNotFound,))
async def wait_process(
    house: House, who: Principal, pid: Pid, *, timeout_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 30.0
) -> Process:
    """Answers when it has ended or only a person can let it go on, or after `timeout_s` with the state as it is."""
    return await house.processes.wait(who, pid, timeout_s=timeout_s)


@route("POST", "/processes/{pid}/signals", scope="processes:signal", errors=(ProcessNotFound, IllegalTransition))
async def signal_process(house: House, who: Principal, pid: Pid, body: SendSignal) -> Process:
    """Pause, continue, interrupt or end it."""
    return await house.processes.signal(who, pid, body.signal)


@route("POST", "/signals", scope="processes:signal")
async def signal_processes(house: House, who: Principal, body: SignalMany) -> SignalReport:
    """One signal to many; each that did not get it is named with the reason."""
    return await house.processes.signal_many(who, body.signal, body.pids)


@route("POST", "/processes/{pid}/messages", scope="processes:send", status=201, errors=(ProcessNotFound,))
async def send_message(house: House, who: Principal, pid: Pid, body: Say) -> Said:
    """Words for it, and images, read before its next model call."""
    said = await house.processes.send(who, pid, body.text, kind=body.kind, interrupt=body.interrupt, images=body.images)
    return Said(said)


@route("POST", "/processes/{pid}/limits", scope="processes:limits", errors=(ProcessNotFound, IllegalTransition))
async def extend_limits(house: House, who: Principal, pid: Pid, body: Extend) -> Process:
    """Add to its limits; if it waited at one, it goes on."""
    return await house.processes.extend(
        who, pid, steps=body.steps, tokens=body.tokens, cost_usd=body.cost_usd, wall_s=body.wall_s
    )


@route(
    "POST",
    "/processes/{pid}/model",
    scope="processes:model",
    errors=(ProcessNotFound, IllegalTransition, UnknownName, ModelNotConfigured),
)
async def choose_model(house: House, who: Principal, pid: Pid, body: ChooseModel) -> Process:
    """Another model for it, or `auto`; it is asked from its next step on."""
    return await house.processes.choose_model(who, pid, body.model)


@route("GET", "/processes/{pid}/plan", scope="processes:read", errors=(ProcessNotFound,))
async def get_plan(house: House, who: Principal, pid: Pid) -> PlanAsItStands:
    """Its plan as it stands, as steps and as an outline, and who changed it last; an empty one if it has none."""
    return await house.plans.get(who, pid)


@route("PUT", "/processes/{pid}/plan", scope="processes:plan", errors=(ProcessNotFound, Conflict, IllegalTransition))
async def set_plan(house: House, who: Principal, pid: Pid, body: SetPlan) -> PlanAsItStands:
    """Give it another plan. It is told what changed before its next step, and sees the plan with each request.

    With `seen`, nothing is changed if the agent has another plan by now: `conflict`, with that one in `details`.
    """
    return await house.plans.change(who, pid, body.wanted(), seen=body.seen)


@route(
    "POST",
    "/processes/{pid}/terminal",
    scope="processes:terminal",
    status=201,
    errors=(ProcessNotFound, IllegalTransition, Conflict, Forbidden, SandboxUnavailable, TooMany),
)
async def open_terminal(house: House, who: Principal, pid: Pid) -> TerminalOpened:
    """A terminal of this Jupyter server that shows a shell of its sandbox; it ends with the sandbox.

    The name is that of Jupyter's own terminals: `/terminals/websocket/NAME` speaks with it. The journal of the process
    says who opened it and when it ended, and nothing of what is typed.
    """
    process = await house.processes.get(who, pid)
    spec = await house.processes.spec(who, pid)
    return TerminalOpened(await house.terminals.open(who, process, spec, house.surroundings, house.processes))


@route("GET", "/processes/{pid}/files", scope="processes:read", errors=(ProcessNotFound, FileNotFound))
async def list_files(house: House, who: Principal, pid: Pid, *, path: FilePath = "") -> FileList:
    """The entries of one folder of its home; `path` is relative to the home."""
    await house.processes.get(who, pid)
    return FileList(await house.surroundings.files(pid, path))


@route(
    "GET",
    "/processes/{pid}/files/content",
    scope="processes:read",
    media=("application/octet-stream",),
    errors=(ProcessNotFound, FileNotFound),
)
async def read_file(house: House, who: Principal, pid: Pid, *, path: FilePath) -> Attachment:
    """The bytes of one file of its home, for the disk: an agent wrote them."""
    await house.processes.get(who, pid)
    return Attachment(path.rstrip("/").rpartition("/")[2], "application/octet-stream", _pieces(house, pid, path))


async def _pieces(house: House, pid: int, path: str) -> AsyncGenerator[bytes, None]:
    offset = 0
    while piece := await house.surroundings.read_file(pid, path, offset=offset, limit=PIECE_BYTES):
        yield piece
        offset += len(piece)


@route(
    "GET",
    "/processes/{pid}/export",
    scope="processes:read",
    media=tuple(MEDIA_TYPES.values()),
    errors=(ProcessNotFound,),
)
async def export_process(
    house: House,
    who: Principal,
    pid: Pid,
    *,
    format: ExportFormat = "json",  # noqa: A002 (the name in the query)
) -> Attachment:
    """The whole conversation: `json` loses nothing, `text` is for reading, `notebook` opens in Jupyter.

    Images are in the notebook, the newest ones up to 30 MB; the other two name them by their digest.
    """
    process = await house.processes.get(who, pid)
    spec = await house.processes.spec(who, pid)
    records: list[Record] = []
    while page := await house.processes.records(who, pid, after=records[-1].n if records else 0, limit=1000):
        records += page
    shown = await _shown(house, who, named(spec, records)) if format == "notebook" else {}
    return await anyio.to_thread.run_sync(export, format, process, spec, records, shown)


async def _shown(house: House, who: Principal, digests: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """The images as a notebook shows them, as many as there is room for."""
    found: dict[str, tuple[bytes, str]] = {}
    left = SHOWN_BYTES
    for digest in digests:
        with suppress(NotFound):
            _, content = await house.images.content(who, digest)
            made = await anyio.to_thread.run_sync(pictures.for_models, content)
            left -= len(made[0])
            if left < 0:
                break
            found[digest] = made
    return found
