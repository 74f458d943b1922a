"""What the doors show of the runtime: models, tools, sandboxes, files and health, asked of the parts themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from .. import beneath
from ..abc import Check, FileInfo, ModelInfo, RouteInfo, SandboxInfo
from ..config import Settings
from ..engine.context import offered, system_prompt
from ..engine.permissions import Applied, Caller, Policy, denied_model
from ..engine.policy import clamp, model_denial
from ..engine.routing import choose, task_of
from ..kernel.memories import Memories
from ..model.access import Principal
from ..model.agent import AgentSpec
from ..model.errors import AetherError, BadRequest, Conflict, Forbidden, IllegalTransition, SandboxUnavailable
from ..model.memory import Consolidated
from ..model.message import UserTurn, encodable
from ..model.process import Process, State
from ..model.routing import is_auto, pinned
from ..model.tool import ToolSpec
from ..store.database import Database
from .browsers import Browsers
from .consolidation import Consolidation
from .health import checks
from .hosts import check_hosts
from .language import Language
from .machines import Machines
from .results import check_schema
from .supervisor import Supervisor
from .toolbox import Toolbox

log = logging.getLogger(__name__)


class LiveSurroundings:
    """Implements `abc.Surroundings`, and admits specs: the one place that knows what this server can run."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        language: Language,
        toolbox: Toolbox,
        machines: Machines,
        browsers: Browsers,
        memories: Memories,
    ) -> None:
        self._settings = settings
        self._database = database
        self._language = language
        self._toolbox = toolbox
        self._machines = machines
        self._browsers = browsers
        self._memories = memories
        self.supervisor: Supervisor | None = None
        self.consolidation: Consolidation | None = None
        self._automatic = "auto"

    async def models(self) -> list[ModelInfo]:
        """Every model one may choose; looking for local ones may touch the disk, so it is done in a thread."""
        return await asyncio.to_thread(self._language.models)

    async def consolidate(self, who: Principal, agent: str) -> Consolidated:
        """Put an agent's memories in order now."""
        assert self.consolidation is not None
        return await self.consolidation.consolidate(who, agent)

    def default_model(self) -> str:
        """The model of agents that name none, or empty where none is set up."""
        try:
            return self._language.default_model()
        except AetherError:
            return ""

    async def route(self, spec: AgentSpec) -> RouteInfo:
        """Which models an agent with this spec would be asked from at its first step. Raises what a spawn would."""
        model = spec.model or self._language.default_model()
        await self._language.prepare()
        self._language.check(model)
        if not is_auto(model):
            return RouteInfo((model, *spec.fallbacks), "The model is named.")
        tools = offered(self._toolbox.specs(spec.tools), spec)
        found = self._language.roster().only(self._permitted(spec, (spec.name,)))
        turns = (UserTurn(spec.goal, images=spec.images),)
        prompt = system_prompt(spec, spec.name)
        tokens, _ = self._language.estimate(found.models()[0], prompt, turns, tools, 0)
        images = bool(spec.images)
        task = task_of(spec, spec.name, context=tokens, tools=len(tools), limits=spec.limits, images=images)
        choice = choose(task, self._settings.routing, found, pinned=pinned(model))
        return RouteInfo(choice.models, choice.route.why, choice.route.family)

    def _denied(self, spec: AgentSpec, names: tuple[str, ...], models: Iterable[str]) -> dict[str, Applied]:
        """Those of the models that a permission forbids, and which."""
        policy = Policy(self._settings.permissions, spec.permissions)
        found = ((each, denied_model(policy, Caller(names, spec.role, each))) for each in models)
        return {each: applied for each, applied in found if applied is not None}

    def _permitted(self, spec: AgentSpec, names: tuple[str, ...]) -> list[str]:
        """The models that `auto` may come to. Raises `Forbidden` if there is none left."""
        models = self._language.roster().models()
        denied = self._denied(spec, names, models)
        left = [each for each in models if each not in denied]
        if not left:
            raise Forbidden(" ".join(model_denial(each, applied) for each, applied in denied.items()))
        return left

    def tools(self) -> list[ToolSpec]:
        """Every tool, as declared."""
        return list(self._toolbox.all())

    async def sandboxes(self) -> list[SandboxInfo]:
        """Every kind of sandbox and whether it can be used."""
        return await self._machines.statuses()

    def workspaces(self, owner: str) -> str:
        """The folder on the server in which the owner's shared folders lie."""
        return str(self._machines.workspaces_of(owner))

    async def health(self) -> list[Check]:
        """Each part's own answer."""
        return await checks(
            self._settings,
            self._database,
            self._language,
            self._machines,
            self._browsers,
            self._toolbox,
            self._memories,
            self.supervisor,
        )

    async def terminal(self, process: Process, spec: AgentSpec, ending: Callable[[], None]) -> list[str]:
        """What shows a person a shell of an agent's sandbox, which is opened if need be; see `abc.Sandbox.terminal`.

        `ending` is called before the sandbox ends. Raises `IllegalTransition` for an agent that has ended, `Conflict`
        for one that another server has.
        """
        if process.state is State.ZOMBIE:
            raise IllegalTransition(
                f"{process.name} ({process.pid}) has ended, and its sandbox with it; its files are still there to read"
            )
        works_here = self.supervisor is not None and await self.supervisor.may_open(process.pid)
        if not works_here or await self._machines.open_elsewhere(process.pid, spec.sandbox):
            raise Conflict(
                f"{process.name} ({process.pid}) is open on another server of this AETHER_HOME; open the terminal there"
            )
        workspaces = self._machines.workspaces(process.owner, spec.workspaces)
        return await self._machines.terminal(process.pid, spec.sandbox, workspaces, ending)

    async def files(self, pid: int, path: str) -> list[FileInfo]:
        """The entries of a folder in an agent's home."""
        home = await asyncio.to_thread(self._machines.homes.existing, pid)
        if not home.is_dir():
            return []
        found = await asyncio.to_thread(beneath.listing, home, path)
        return [replace(entry, path=encodable(entry.path)) for entry in found]

    async def read_file(self, pid: int, path: str, *, offset: int = 0, limit: int = 1_000_000) -> bytes:
        """A part of a file in an agent's home."""
        return await asyncio.to_thread(
            lambda: beneath.read(self._machines.homes.existing(pid), path, offset=offset, limit=limit)
        )

    async def find_sandbox(self) -> None:
        """Look what `auto` stands for here, so that new processes name it from the start."""
        try:
            self._automatic = await self._machines.resolve("auto")
        except SandboxUnavailable as error:
            log.warning("%s", error.message)

    def _check_desktop(self, spec: AgentSpec) -> None:
        """Raise `BadRequest` if the spec names tools that need a desktop and has none, or a desktop where none runs."""
        wanting = [tool for tool in self._toolbox.specs(spec.tools or ()) if not spec.has(tool.needs)]
        if wanting:
            what = (
                "a desktop"
                if any(tool.needs == "desktop" for tool in wanting)
                else "a desktop, or tools to browse and a network"
            )
            names = ", ".join(tool.name for tool in wanting)
            raise BadRequest(f"tools: {names}: needs {what}; set sandbox.desktop to xfce or openbox")
        if spec.sandbox.desktop != "none" and spec.sandbox.kind not in ("auto", "docker"):
            raise BadRequest(f"sandbox: a desktop runs in docker only, not in {spec.sandbox.kind}")

    def admit(self, spec: AgentSpec, names: tuple[str, ...]) -> AgentSpec:
        """The spec as it will run: model chosen, mode clamped. Raises what a person can mend before anything starts.

        `names` are those of the agent and of those above it, which permissions may be about.
        """
        model = spec.model or self._language.default_model()
        for each in filter(is_auto, spec.fallbacks):
            raise BadRequest(f"fallbacks: {each!r} stands for a choice among models; name one")
        self._language.check(model)
        denied = self._denied(spec, names, (model, *spec.fallbacks, *self._settings.fallback_models))
        for each in (model, *spec.fallbacks):
            if each in denied:
                raise Forbidden(f"{model_denial(each, denied[each])} Choose another.")
        if is_auto(model):
            self._permitted(spec, names)
        fallbacks = spec.fallbacks or tuple(each for each in self._settings.fallback_models if each not in denied)
        self._toolbox.specs(spec.tools)
        self._check_desktop(spec)
        if spec.output_schema is not None:
            check_schema(spec.output_schema)
        for line in spec.permissions:
            self._toolbox.check_permission(line)
        quota_mb = self._settings.home_quota_bytes >> 20
        if (disk_mb := spec.sandbox.disk_mb) is not None and disk_mb > quota_mb:
            raise BadRequest(
                f"sandbox.disk_mb: {disk_mb} MB are more than a home may hold here, {quota_mb} MB; ask for less, or "
                "the administrator for a greater c.Aether.home_quota_bytes"
            )
        check_hosts(spec.sandbox)
        kind = self._settings.sandbox if spec.sandbox.kind == "auto" else spec.sandbox.kind
        kind = self._automatic if kind == "auto" else kind
        if spec.sandbox.desktop != "none":
            kind = "docker"
        if spec.sandbox.network == "allowed" and kind not in ("docker", "auto"):
            raise BadRequest(
                f"sandbox.network: 'allowed' needs the sandbox docker, and this agent would run in {kind}; take 'none' "
                "or 'host', or start a Docker engine"
            )
        if spec.sandbox.gpus and kind not in ("docker", "auto"):
            raise BadRequest(f"sandbox.gpus: they need the sandbox docker, and this agent would run in {kind}")
        if kind == "host" and not self._settings.allow_host_sandbox:
            raise SandboxUnavailable(
                "The sandbox 'host' isolates nothing and is not allowed here. "
                "Choose auto, or ask the administrator for c.Aether.allow_host_sandbox = True"
            )
        return msgspec.structs.replace(
            spec,
            model=model,
            fallbacks=fallbacks,
            mode=clamp(spec.mode, self._settings.max_mode),
            sandbox=msgspec.structs.replace(spec.sandbox, kind=kind),
        )
