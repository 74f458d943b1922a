"""Every route as data: method, path, query, body and the class of the answer; shared by both clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec

from ..abc import FileInfo, RouteInfo, SandboxInfo
from ..answers import (
    AlikeList,
    ApprovalList,
    FeedbackList,
    FileList,
    Health,
    Me,
    MemoryList,
    ModelList,
    NotesList,
    ProcessList,
    ProfileList,
    RecordList,
    ReportList,
    RequestList,
    RuleList,
    Said,
    SandboxList,
    SnapshotList,
    SpaceList,
    TemplateList,
    TerminalOpened,
    ToolList,
    UsageReport,
    UseList,
)
from ..model.agent import AgentSpec
from ..model.context import ENTRY_CHARS, ContextView
from ..model.control import BrowserStatus, ControlStatus, DisplayStatus
from ..model.errors import AetherError, BadRequest, Conflict, Forbidden, NotFound, ServerNotFound
from ..model.events import Record
from ..model.feedback import Judgement, Thumb
from ..model.image import Image
from ..model.memory import Alike, Change, Consolidated, Layer, Memory, MemoryPage, MemoryUse, Merged, Note, Recall, Sort
from ..model.memory_file import ImportReport
from ..model.notes import Notes
from ..model.personal import Holding
from ..model.plan import Plan, PlanAsItStands
from ..model.process import Process, Signal, SignalReport, State
from ..model.profile import Profile, Standing
from ..model.request import Request as AgentRequest
from ..model.snapshot import Branched, Branching, Comparison, Files, Snapshot, SnapshotDetail
from ..model.tool import Approval, ApprovalRule, Remember, ToolSpec, Verdict

T = TypeVar("T")
API = "aether/api/v1"


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call. `answer` is the class that the JSON becomes; `bytes` takes the body as it is, `None` no body.

    `unwrap` names the member of the answer that is wanted, where the rest is only its wrapping. A body of bytes is
    sent as `media`; any other as JSON.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    answer: Any
    unwrap: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    media: str = "application/zip"
    wait_s: float = 0.0

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return self.body if self.body is None or isinstance(self.body, bytes) else msgspec.json.encode(self.body)

    @property
    def media_type(self) -> str:
        """What the body is; '' where there is none."""
        if self.body is None:
            return ""
        return self.media if isinstance(self.body, bytes) else "application/json"

    def read(self, status: int, content_type: str, body: bytes, where: str) -> T:
        """The answer, or the error that the server raised. `where` is the server's address."""
        if status >= 400:
            raise failure(status, content_type, body, where)
        if self.answer is None:
            return None  # type: ignore[return-value]
        if self.answer is bytes:
            return body  # type: ignore[return-value]
        try:
            answer = msgspec.json.decode(body, type=self.answer)
        except msgspec.DecodeError as error:
            raise ServerNotFound(
                f"{where} answered what this client does not know ({error}); client and server may differ in version"
            ) from error
        return getattr(answer, self.unwrap) if self.unwrap else answer  # type: ignore[no-any-return]


def failure(status: int, content_type: str, body: bytes, where: str) -> AetherError:
    """The server's own error; for an answer that is none of Aether's, the class its status stands for."""
    if "json" in content_type:
        try:
            problem = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            problem = {}
        if status in (401, 403) and problem.get("detail") in ("Forbidden", "Unauthorized"):
            problem = {}  # Jupyter's own words, which say less than ours
        if problem.get("type") in AetherError.registry or problem.get("type") == AetherError.code:
            return AetherError.from_json(problem)
    if status in (401, 403) or 300 <= status < 400:
        return Forbidden(f"{where} does not accept the token; give the right one as token= or in AETHER_TOKEN")
    if status == 404:
        return ServerNotFound(f"{where} is no server with Aether: {_ENABLE}")
    if status in (502, 503, 504):
        return ServerNotFound(f"{where} does not answer (HTTP {status})")
    plain: dict[int, type[AetherError]] = {400: BadRequest, 409: Conflict, 410: NotFound}
    return plain.get(status, AetherError)(f"{where} answered HTTP {status}: {body[:200].decode(errors='replace')}")


_ENABLE = "install aether_jupyter beside that server, then `jupyter server extension enable aether_jupyter`"


def me() -> Request[Me]:
    return Request("GET", f"{API}/me", Me)


def health() -> Request[Health]:
    return Request("GET", "aether/health", Health, wait_s=30.0)


def processes(
    states: Iterable[State | str], name: str, parent: int | None, reaped: bool, limit: int
) -> Request[list[Process]]:
    query = {
        "state": ",".join(str(State(s)) for s in states),
        "name": name,
        "parent": "" if parent is None else str(parent),
        "reaped": "true" if reaped else "",
        "limit": str(limit),
    }
    return Request("GET", f"{API}/processes", ProcessList, "processes", {k: v for k, v in query.items() if v})


def spawn(spec: AgentSpec, parent: int | None) -> Request[Process]:
    body = msgspec.to_builtins(spec)
    if parent is not None:
        body["parent"] = parent
    return Request("POST", f"{API}/processes", Process, body=body)


def get(pid: int) -> Request[Process]:
    return Request("GET", f"{API}/processes/{pid}", Process)


def spec(pid: int) -> Request[AgentSpec]:
    return Request("GET", f"{API}/processes/{pid}/spec", AgentSpec)


def context(pid: int, step: int | None, entry: int | None, chars: int) -> Request[ContextView]:
    query = {"chars": str(chars)} if chars != ENTRY_CHARS else {}
    query |= {name: str(value) for name, value in (("step", step), ("entry", entry)) if value is not None}
    return Request("GET", f"{API}/processes/{pid}/context", ContextView, query=query)


def reap(pid: int, keep_home: bool) -> Request[Process]:
    query = {"keep_home": "true"} if keep_home else {}
    return Request("DELETE", f"{API}/processes/{pid}", Process, query=query)


def records(pid: int, after: int, before: int | None, limit: int) -> Request[list[Record]]:
    query = {"limit": str(limit)}
    if after:
        query["after"] = str(after)
    if before is not None:
        query["before"] = str(before)
    return Request("GET", f"{API}/processes/{pid}/records", RecordList, "records", query)


def asked(pid: int) -> Request[list[AgentRequest]]:
    return Request("GET", f"{API}/processes/{pid}/requests", RequestList, "requests")


def wait(pid: int, timeout_s: float) -> Request[Process]:
    query = {"timeout_s": str(timeout_s)}
    return Request("GET", f"{API}/processes/{pid}/wait", Process, query=query, wait_s=timeout_s)


def signal(pid: int, what: Signal | str) -> Request[Process]:
    return Request("POST", f"{API}/processes/{pid}/signals", Process, body={"signal": str(what)})


def signal_many(what: Signal | str, pids: Iterable[int]) -> Request[SignalReport]:
    return Request("POST", f"{API}/signals", SignalReport, body={"signal": str(what), "pids": list(pids)})


def keep_image(content: bytes) -> Request[Image]:
    return Request("POST", f"{API}/images", Image, body=content, media="application/octet-stream", wait_s=60.0)


def image(digest: str) -> Request[bytes]:
    return Request("GET", f"{API}/images/{digest}", bytes, wait_s=60.0)


def send(pid: int, text: str, kind: str, interrupt: bool, images: Sequence[Image]) -> Request[str]:
    body = {"text": text, "kind": kind, "interrupt": interrupt, "images": images}
    return Request("POST", f"{API}/processes/{pid}/messages", Said, "id", body=body)


def terminal(pid: int) -> Request[str]:
    return Request("POST", f"{API}/processes/{pid}/terminal", TerminalOpened, "name", body={})


def display(pid: int) -> Request[DisplayStatus]:
    return Request("GET", f"{API}/processes/{pid}/display", DisplayStatus)


def screenshot(pid: int, width: int) -> Request[bytes]:
    return Request("GET", f"{API}/processes/{pid}/display/picture", bytes, query={"width": str(width)})


def browser(pid: int) -> Request[BrowserStatus]:
    return Request("GET", f"{API}/processes/{pid}/browser", BrowserStatus)


def take_control(pid: int) -> Request[ControlStatus]:
    return Request("POST", f"{API}/processes/{pid}/control", ControlStatus, body={})


def hand_back(pid: int, note: str) -> Request[ControlStatus]:
    return Request("POST", f"{API}/processes/{pid}/control/return", ControlStatus, body={"note": note})


def extend(
    pid: int, steps: int | None, tokens: int | None, cost_usd: float | None, wall_s: float | None
) -> Request[Process]:
    more = {"steps": steps, "tokens": tokens, "cost_usd": cost_usd, "wall_s": wall_s}
    body = {name: value for name, value in more.items() if value is not None}
    return Request("POST", f"{API}/processes/{pid}/limits", Process, body=body)


def choose_model(pid: int, model: str) -> Request[Process]:
    return Request("POST", f"{API}/processes/{pid}/model", Process, body={"model": model})


def route(spec: AgentSpec) -> Request[RouteInfo]:
    return Request("POST", f"{API}/models/route", RouteInfo, body=msgspec.to_builtins(spec))


def plan(pid: int) -> Request[PlanAsItStands]:
    return Request("GET", f"{API}/processes/{pid}/plan", PlanAsItStands)


def set_plan(pid: int, plan: Plan | str, seen: int | None) -> Request[PlanAsItStands]:
    body: dict[str, Any] = {"outline": plan} if isinstance(plan, str) else {"plan": plan}
    if seen is not None:
        body["seen"] = seen
    return Request("PUT", f"{API}/processes/{pid}/plan", PlanAsItStands, body=body)


def files(pid: int, path: str) -> Request[list[FileInfo]]:
    return Request("GET", f"{API}/processes/{pid}/files", FileList, "files", {"path": path} if path else {})


def read_file(pid: int, path: str) -> Request[bytes]:
    return Request("GET", f"{API}/processes/{pid}/files/content", bytes, query={"path": path}, wait_s=60.0)


def export(pid: int, form: str) -> Request[bytes]:
    return Request("GET", f"{API}/processes/{pid}/export", bytes, query={"format": form}, wait_s=60.0)


def approvals(waiting: bool, pid: int | None, limit: int) -> Request[list[Approval]]:
    query = {"waiting": "true" if waiting else "false", "limit": str(limit)}
    if pid is not None:
        query["pid"] = str(pid)
    return Request("GET", f"{API}/approvals", ApprovalList, "approvals", query)


def approval(key: str) -> Request[Approval]:
    return Request("GET", f"{API}/approvals/{key}", Approval)


def decide(
    key: str,
    verdict: Verdict,
    digest: str,
    arguments: dict[str, Any] | None,
    answer: str | None,
    reason: str | None,
    steps: int | None,
    remember: Remember,
) -> Request[Approval]:
    body = {
        "verdict": verdict,
        "digest": digest,
        "arguments": arguments,
        "answer": answer,
        "reason": reason,
        "steps": steps,
        "remember": remember,
    }
    given = {name: value for name, value in body.items() if value is not None}
    return Request("POST", f"{API}/approvals/{key}/decision", Approval, body=given)


def rules() -> Request[list[ApprovalRule]]:
    return Request("GET", f"{API}/rules", RuleList, "rules")


def revoke(key: str) -> Request[None]:
    return Request("DELETE", f"{API}/rules/{key}", None)


def usage(days: int) -> Request[UsageReport]:
    return Request("GET", f"{API}/usage", UsageReport, query={"days": str(days)})


def models() -> Request[ModelList]:
    return Request("GET", f"{API}/models", ModelList)


def tools() -> Request[list[ToolSpec]]:
    return Request("GET", f"{API}/tools", ToolList, "tools")


def sandboxes() -> Request[list[SandboxInfo]]:
    return Request("GET", f"{API}/sandboxes", SandboxList, "sandboxes", wait_s=30.0)


def templates() -> Request[TemplateList]:
    return Request("GET", f"{API}/templates", TemplateList)


def remember(agent: str, notes: Iterable[Note]) -> Request[list[Memory]]:
    body = {"agent": agent, "notes": [msgspec.to_builtins(note) for note in notes]}
    return Request("POST", f"{API}/memories", MemoryList, "memories", body=body, wait_s=30.0)


def recall(agent: str, query: str, layers: Iterable[Layer | str], tags: Iterable[str], limit: int) -> Request[Recall]:
    asked = {"agent": agent, "query": query, "limit": str(limit)}
    asked |= {"layer": ",".join(Layer(layer) for layer in layers), "tag": ",".join(tags)}
    return Request("GET", f"{API}/memories/recall", Recall, query={k: v for k, v in asked.items() if v}, wait_s=30.0)


def memory_page(
    agent: str,
    sort: Sort,
    layers: Iterable[Layer | str],
    tags: Iterable[str],
    kinds: Iterable[str],
    pinned: bool,
    forgotten: bool,
    cursor: str,
    limit: int,
) -> Request[MemoryPage]:
    asked = {"agent": agent, "sort": sort, "limit": str(limit), "cursor": cursor}
    asked |= {"layer": ",".join(Layer(layer) for layer in layers), "tag": ",".join(tags), "kind": ",".join(kinds)}
    asked |= {"pinned": "true" if pinned else "", "forgotten": "true" if forgotten else ""}
    return Request("GET", f"{API}/memories", MemoryPage, query={k: v for k, v in asked.items() if v})


def merge_memories(keys: Iterable[int], change: Change, dry_run: bool) -> Request[Merged]:
    body = {"keys": list(keys), "dry_run": dry_run} | msgspec.to_builtins(change)
    return Request("POST", f"{API}/memories/merge", Merged, body=body)


def restore_memory(key: int) -> Request[Memory]:
    return Request("POST", f"{API}/memories/{key}/restore", Memory)


def similar_memories(agent: str, layers: Iterable[Layer | str], least: float, limit: int) -> Request[list[Alike]]:
    asked = {"agent": agent, "layer": ",".join(Layer(layer) for layer in layers)}
    asked |= {"least": str(least), "limit": str(limit)}
    path = f"{API}/memories/similar"
    return Request("GET", path, AlikeList, "pairs", {k: v for k, v in asked.items() if v}, wait_s=30.0)


def memories_like(key: int, least: float, limit: int) -> Request[list[Alike]]:
    asked = {"least": str(least), "limit": str(limit)}
    return Request("GET", f"{API}/memories/{key}/similar", AlikeList, "pairs", asked, wait_s=30.0)


def consolidate(agent: str) -> Request[Consolidated]:
    return Request("POST", f"{API}/memories/consolidate", Consolidated, body={"agent": agent}, wait_s=600.0)


def memory_reports(agent: str) -> Request[list[Consolidated]]:
    return Request("GET", f"{API}/memories/reports", ReportList, "reports", {"agent": agent})


def memory_uses(key: int) -> Request[list[MemoryUse]]:
    return Request("GET", f"{API}/memories/{key}/uses", UseList, "uses")


def spaces() -> Request[SpaceList]:
    return Request("GET", f"{API}/memories/spaces", SpaceList)


def versions(key: int) -> Request[list[Memory]]:
    return Request("GET", f"{API}/memories/{key}", MemoryList, "memories")


def change_memory(key: int, change: Change, version: int | None) -> Request[Memory]:
    body = msgspec.to_builtins(change)
    if version is not None:
        body["version"] = version
    return Request("POST", f"{API}/memories/{key}", Memory, body=body)


def forget(key: int) -> Request[Memory]:
    return Request("DELETE", f"{API}/memories/{key}", Memory)


def give_feedback(pid: int, step: int, thumb: Thumb, comment: str) -> Request[Judgement]:
    body = {"step": step, "thumb": thumb, "comment": comment}
    return Request("POST", f"{API}/processes/{pid}/feedback", Judgement, body=body)


def feedback(pid: int) -> Request[list[Judgement]]:
    return Request("GET", f"{API}/processes/{pid}/feedback", FeedbackList, "feedback")


def profiles(limit: int) -> Request[list[Standing]]:
    return Request("GET", f"{API}/profiles", ProfileList, "profiles", {"limit": str(limit)})


def profile(agent: str | int) -> Request[Profile]:
    if isinstance(agent, int):
        return Request("GET", f"{API}/processes/{agent}/profile", Profile)
    return Request("GET", f"{API}/profile", Profile, query={"agent": agent})


def grant_memory(agent: str, reader: str, allow: bool) -> Request[None]:
    return Request("POST", f"{API}/memories/grants", None, body={"agent": agent, "reader": reader, "allow": allow})


def export_memories(agent: str) -> Request[bytes]:
    return Request("GET", f"{API}/memories/export", bytes, query={"agent": agent}, wait_s=600.0)


def import_memories(agent: str, content: bytes, forget_missing: bool, apply: str) -> Request[ImportReport]:
    query = {"agent": agent, "forget_missing": "true" if forget_missing else "", "apply": apply}
    given = {name: value for name, value in query.items() if value}
    return Request("POST", f"{API}/memories/import", ImportReport, query=given, body=content, wait_s=600.0)


def notes(agent: str) -> Request[list[Notes]]:
    return Request("GET", f"{API}/memories/notes", NotesList, "notes", {"agent": agent})


def write_notes(agent: str, text: str, version: int | None) -> Request[Notes]:
    body = {"agent": agent, "text": text} | ({} if version is None else {"version": version})
    return Request("POST", f"{API}/memories/notes", Notes, body=body)


COPYING_S = 600.0
"""How long a home may take to be copied."""


def snapshots(pid: int | None, limit: int) -> Request[list[Snapshot]]:
    query = {"limit": str(limit)} | ({"pid": str(pid)} if pid is not None else {})
    return Request("GET", f"{API}/snapshots", SnapshotList, "snapshots", query)


def take_snapshot(pid: int, label: str, kept: bool) -> Request[Snapshot]:
    body = {"label": label, "kept": kept}
    return Request("POST", f"{API}/processes/{pid}/snapshots", Snapshot, body=body, wait_s=COPYING_S)


def snapshot(key: int) -> Request[SnapshotDetail]:
    return Request("GET", f"{API}/snapshots/{key}", SnapshotDetail)


def mark_snapshot(key: int, label: str | None, kept: bool | None) -> Request[Snapshot]:
    body = {name: value for name, value in (("label", label), ("kept", kept)) if value is not None}
    return Request("PUT", f"{API}/snapshots/{key}", Snapshot, body=body)


def delete_snapshot(key: int) -> Request[Snapshot]:
    return Request("DELETE", f"{API}/snapshots/{key}", Snapshot, wait_s=COPYING_S)


def compare_snapshots(before: int, after: int) -> Request[Comparison]:
    return Request("GET", f"{API}/snapshots/{after}/compare", Comparison, query={"before": str(before)})


def restore_snapshot(key: int, how: Branching, trusted: bool) -> Request[Branched]:
    body = msgspec.to_builtins(how) | {"trusted": trusted}
    return Request("POST", f"{API}/snapshots/{key}/restore", Branched, body=body, wait_s=COPYING_S)


def fork(pid: int, step: int | None, how: Branching, files: Files) -> Request[Branched]:
    body = msgspec.to_builtins(how) | {"step": step, "files": files}
    return Request("POST", f"{API}/processes/{pid}/fork", Branched, body=body, wait_s=COPYING_S)


def export_snapshot(key: int) -> Request[bytes]:
    return Request("GET", f"{API}/snapshots/{key}/export", bytes, wait_s=COPYING_S)


def import_snapshot() -> Request[Snapshot]:
    return Request("POST", f"{API}/snapshots/import", Snapshot, wait_s=COPYING_S)


def my_data(agent: str) -> Request[Holding]:
    return Request("GET", f"{API}/me/data", Holding, query={"agent": agent} if agent else {}, wait_s=60.0)


def export_my_data(agent: str) -> Request[bytes]:
    return Request("GET", f"{API}/me/export", bytes, query={"agent": agent} if agent else {}, wait_s=600.0)


def erase_my_data(agent: str, confirm: str, force: bool) -> Request[Holding]:
    query = {"agent": agent, "confirm": confirm, "force": "true" if force else ""}
    given = {name: value for name, value in query.items() if value}
    return Request("DELETE", f"{API}/me/data", Holding, query=given, wait_s=600.0)
