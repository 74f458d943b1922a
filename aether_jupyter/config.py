"""Settings: traitlets at the edge (`c.Aether.…`), one frozen `Settings` within; only here is the environment read."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from traitlets import Any as Anything
from traitlets import Bool, Enum, Float, Int, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from .gate import pattern
from .model.agent import Mode
from .model.errors import BadRequest
from .model.permission import Permission, parse_permission
from .model.routing import FAMILIES, RoutingRule, is_auto, parse_rule, pinned


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set, with its default. Times in seconds, sizes in bytes, money in US dollars."""

    home: Path
    default_model: str = ""
    fallback_models: tuple[str, ...] = ()
    cheap_models: tuple[str, ...] = ()
    standard_models: tuple[str, ...] = ()
    frontier_models: tuple[str, ...] = ()
    routing: tuple[RoutingRule, ...] = ()
    seeing_models: tuple[str, ...] = ()
    sandbox: str = "auto"
    allow_host_sandbox: bool = False
    container_runtime: str = ""
    apparmor_profile: str = ""
    sandbox_subnets: str = "10.213.0.0/16"
    sandbox_idle_s: float = 900.0
    max_mode: Mode = Mode.AUTONOMOUS
    permissions: tuple[Permission, ...] = ()
    durability: str = "FULL"
    slots: int = 256
    model_calls: int = 128
    daily_budget_usd: float | None = None
    command_timeout_s: float = 120.0
    max_command_timeout_s: float = 600.0
    output_limit_bytes: int = 16_000
    home_quota_bytes: int = 2_000_000_000
    home_volumes: Literal["auto", "always", "never"] = "auto"
    home_write_mb_s: int = 100
    browser: str = ""
    browser_sandbox: bool = True
    browsers: int = 16
    browser_idle_s: float = 900.0
    private_hosts: tuple[str, ...] = ()
    keep_ended_s: float = 7 * 86_400.0
    compact_at_tokens: int = 0
    memory_limit: int = 50_000
    embeddings: str = "auto"
    journal: bool = True
    consolidate_every_s: float = 86_400.0
    reflection: Literal["auto", "always", "never"] = "auto"
    control_grace_s: float = 60.0
    snapshots_keep: int = 20
    snapshot_before_destructive: bool = False
    lease_s: float = 2.0
    model_timeout_s: float = 120.0
    model_attempts: int = 5
    environment: dict[str, str] = {}

    @property
    def database(self) -> Path:
        """The file that holds everything but the agents' homes."""
        return self.home / "aether.db"

    @property
    def homes(self) -> Path:
        """Where each process has its folder, named by its PID."""
        return self.home / "homes"

    @property
    def snapshots(self) -> Path:
        """Where the files of snapshots lie, in a folder for each owner."""
        return self.home / "snapshots"


PROVIDER_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GEMINI_BASE_URL",
    "GEMINI_API_VERSION",
    "OLLAMA_HOST",
    "AETHER_LOCAL_MODEL",
)
"""What providers read, under the SDKs' own names; handed to them as `Settings.environment` and to nobody else."""


def aether_home(environ: Mapping[str, str] = os.environ) -> Path:
    """`AETHER_HOME`, or `~/.aether`."""
    return Path(environ.get("AETHER_HOME") or Path.home() / ".aether").expanduser().absolute()


def from_environment(environ: Mapping[str, str] = os.environ, **changes: Any) -> Settings:
    """Settings from the environment and the given changes."""
    found = {name: environ[name] for name in PROVIDER_VARIABLES if environ.get(name)}
    base: dict[str, Any] = {"home": aether_home(environ), "environment": found}
    if environ.get("AETHER_MODEL"):
        base["default_model"] = environ["AETHER_MODEL"]
    return Settings(**(base | changes))


class Aether(Configurable):
    """The traits that `jupyter aether --generate-config` writes; empty and zero mean the default of `Settings`."""

    home = Unicode("", help="Folder for the database, homes and weights; default AETHER_HOME or ~/.aether.").tag(
        config=True
    )
    default_model = Unicode(
        "", help="Model of agents that name none, as provider:model; auto lets the server choose one for each task."
    ).tag(config=True)
    fallback_models = List(Unicode(), help="Models tried in order when the first is not to be reached.").tag(
        config=True
    )
    cheap_models = List(
        Unicode(),
        help="Models for plain tasks and for work beside an agent's steps (summaries, reflections), tried in order. "
        "Empty: by price, of those that are ready.",
    ).tag(config=True)
    standard_models = List(
        Unicode(), help="Models for most tasks of agents with the model auto, in order. Empty: by price."
    ).tag(config=True)
    frontier_models = List(
        Unicode(), help="Models for what went wrong with a standard one, in order. Empty: by price."
    ).tag(config=True)
    routing = List(
        Anything(),
        help="Which family of models the steps of agents with the model auto go to; each line cheap, standard or "
        "frontier and conditions (role, agent, label, needs, goal~=, context, tools, steps, stumbles, left), "
        "such as 'frontier role=reviewer' or 'cheap goal~=summar context<20000'. The first that fits wins.",
    ).tag(config=True)
    seeing_models = List(
        Unicode(),
        help="Models that take images, where Aether does not know it by their name; patterns of provider:model such as "
        "'ollama:my-llava*', or with ! those that do not: '!openai:deepseek*'. Of several that fit, the last holds.",
    ).tag(config=True)
    sandbox = Enum(
        ["auto", "docker", "bubblewrap", "host"],
        "auto",
        help="Where tools run. auto: Docker where an engine answers, else bubblewrap; never the bare host.",
    ).tag(config=True)
    allow_host_sandbox = Bool(
        False, help="Whether a person may choose the sandbox 'host', which isolates nothing."
    ).tag(config=True)
    container_runtime = Unicode(
        "",
        help="Runtime of containers, by the name under which the engine knows it: runsc (gVisor), kata-runtime, …; "
        "empty: the engine's own.",
    ).tag(config=True)
    apparmor_profile = Unicode(
        "",
        help="AppArmor profile of containers, loaded by the administrator; aether_jupyter/sandboxes/aether-sandbox is "
        "one. Empty: the engine's own.",
    ).tag(config=True)
    sandbox_subnets = Unicode(
        "10.213.0.0/16",
        help="Private addresses, unused elsewhere, that the networks of agents with network='allowed' are taken from.",
    ).tag(config=True)
    sandbox_idle_s = Float(
        900.0,
        help="Seconds after which the container of an agent that waits or stopped is removed, if nobody uses it. Files "
        "stay, what it left running ends, and the next command starts a new one.",
    ).tag(config=True)
    max_mode = Enum([m.value for m in Mode], Mode.AUTONOMOUS.value, help="The freest mode an agent may get.").tag(
        config=True
    )
    permissions = List(
        Anything(),
        help="What agents may do, whoever starts them; each line allow, ask or deny and its conditions (tool, risk, "
        "agent, role, folder, model, host, why), such as 'deny folder=/workspaces/payroll model=!local:*'. Deny beats "
        "ask beats allow, and an agent's own permissions loosen none of these.",
    ).tag(config=True)
    durability = Enum(
        ["FULL", "NORMAL"],
        "FULL",
        help="SQLite's synchronous level. FULL survives power loss, NORMAL only the end of the program.",
    ).tag(config=True)
    slots = Int(256, help="Agents that may be RUNNING at once on this server.").tag(config=True)
    model_calls = Int(128, help="Model calls in flight at once on this server.").tag(config=True)
    daily_budget_usd = Float(0.0, help="Money one owner may spend a day, in US dollars; 0 is no limit.").tag(
        config=True
    )
    command_timeout_s = Float(120.0, help="Seconds a command may run unless it asks for more.").tag(config=True)
    max_command_timeout_s = Float(600.0, help="Seconds a command may ask for at most.").tag(config=True)
    output_limit_bytes = Int(16_000, help="Bytes of output a model reads; the rest goes to a file.").tag(config=True)
    home_quota_bytes = Int(
        2_000_000_000, help="Bytes an agent's home may hold, and the most that an agent can ask for."
    ).tag(config=True)
    home_volumes = Enum(
        ["auto", "always", "never"],
        "auto",
        help="Whether homes are volumes of fixed size. auto: where the server is root on Linux with loop devices; "
        "elsewhere what a home holds is measured while commands run. always: without volumes nothing runs.",
    ).tag(config=True)
    home_write_mb_s = Int(
        100,
        min=0,
        help="MB a second at which one agent may write to its home where that is a volume, so that others do not wait "
        "for the disk; 0: as fast as it can.",
    ).tag(config=True)
    browser = Unicode(
        "",
        help="Chromium for agents that browse: a path or a name on PATH. Empty: the system's, else Playwright's own.",
    ).tag(config=True)
    browser_sandbox = Bool(
        True,
        help="Whether Chromium must hold pages in its own sandbox. Turn it off only where the server has a container "
        "of its own. A server that is root has Chromium run by the user nobody, with a sandbox where there can be one.",
    ).tag(config=True)
    browsers = Int(
        16,
        help="Agents that may have a browser open at once; each takes some 100 MB. Beyond, one that is not used gives "
        "its memory back.",
    ).tag(config=True)
    browser_idle_s = Float(
        900.0,
        help="Seconds after which a browser that is not used gives its memory back; its tabs come back when it is.",
    ).tag(config=True)
    private_hosts = List(
        Unicode(),
        help="Hosts of this machine and its networks that agents with a network may reach through the gate, such as "
        "'intranet.example.org', '10.0.0.0/8:443' or 'localhost:8000'; without a port 80 and 443. Others are refused.",
    ).tag(config=True)
    keep_ended_s = Float(7 * 86_400.0, help="Seconds an ended agent is kept before it is reaped.").tag(config=True)
    compact_at_tokens = Int(
        0,
        help="Tokens of context at which an agent's older steps are told in short; 0 is about 70 % of what its model "
        "takes.",
    ).tag(config=True)
    memory_limit = Int(50_000, help="Memories an agent keeps in each layer; the most faded beyond are forgotten.").tag(
        config=True
    )
    embeddings = Unicode(
        "auto", help="Embedding model for recall by meaning; auto: the first there is, none: by words alone."
    ).tag(config=True)
    journal = Bool(
        True,
        help="Whether agents with the tool remember keep telling steps of a run by themselves: failures and how they "
        "were mended, what people refused, changed or said they want, and how it ended.",
    ).tag(config=True)
    consolidate_every_s = Float(
        86_400.0,
        help="Seconds after which new memories of an agent are put in order, when its owner's agents are at rest: what "
        "says the same is merged, and a model of cheap_models, if there is one, draws facts and names contradictions. "
        "It is charged to the owner. 0: only when asked.",
    ).tag(config=True)
    reflection = Enum(
        ["auto", "always", "never"],
        "auto",
        help="Whether an agent that has ended looks back on its run and keeps lessons, where it is not asked for or "
        "against it by name. auto: where it used a tool or failed, nobody ended it, and its model is not an embedded "
        "one. It is charged to the agent and its owner.",
    ).tag(config=True)
    control_grace_s = Float(
        60.0,
        help="Seconds after which a person who has taken an agent's desktop over and is not connected any more loses "
        "control, and the agent goes on.",
    ).tag(config=True)
    snapshots_keep = Int(
        20,
        help="Snapshots of one agent that stay: of more, those taken by themselves go first, then the oldest; the "
        "newest and those marked to be kept stay. 0: all.",
    ).tag(config=True)
    snapshot_before_destructive = Bool(
        False, help="Whether an agent is captured before it runs a destructive tool; it does not run if that fails."
    ).tag(config=True)
    model_timeout_s = Float(120.0, help="Seconds a model may stay silent.").tag(config=True)
    model_attempts = Int(5, help="Tries of one model call, the first included.").tag(config=True)

    @validate("permissions")
    def _readable(self, proposal: Any) -> list[Permission]:
        found = []
        for place, line in enumerate(proposal["value"]):
            try:
                found.append(parse_permission(line))
            except BadRequest as error:
                raise TraitError(f"c.Aether.permissions[{place}]: {error.message}") from None
        return found

    @validate("sandbox_subnets")
    def _subnets(self, proposal: Any) -> str:
        try:
            found = ipaddress.IPv4Network(proposal["value"])
        except ValueError as error:
            raise TraitError(f"c.Aether.sandbox_subnets: {error}") from None
        if not found.is_private or found.prefixlen > 24:
            raise TraitError(f"c.Aether.sandbox_subnets: {found} is to be private and have 256 addresses at least")
        return str(found)

    @validate("routing")
    def _routable(self, proposal: Any) -> list[RoutingRule]:
        found = []
        for place, line in enumerate(proposal["value"]):
            try:
                found.append(parse_rule(line))
            except BadRequest as error:
                raise TraitError(f"c.Aether.routing[{place}]: {error.message}") from None
        return found

    @validate("private_hosts")
    def _reachable(self, proposal: Any) -> list[str]:
        for each in proposal["value"]:
            try:
                pattern(each)
            except ValueError as error:
                raise TraitError(f"c.Aether.private_hosts: {error}") from None
        return list(proposal["value"])

    @validate("default_model", "cheap_models", "standard_models", "frontier_models", "fallback_models")
    def _named(self, proposal: Any) -> Any:
        trait, value = proposal["trait"].name, proposal["value"]
        for model in (value,) if isinstance(value, str) else value:
            if is_auto(model):
                if trait != "default_model":
                    raise TraitError(f"c.Aether.{trait}: {model!r} stands for a choice among models; name one")
                try:
                    pinned(model)
                except BadRequest as error:
                    raise TraitError(f"c.Aether.{trait}: {error.message}") from None
        return value

    def settings(self, environ: Mapping[str, str] = os.environ) -> Settings:
        """The frozen settings these traits stand for."""
        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in msgspec.structs.asdict(from_environment(environ))
            if self.has_trait(name) and getattr(self, name) not in ("", None)
        }
        if self.home:
            changes["home"] = Path(self.home).expanduser().absolute()
        changes["max_mode"] = Mode(self.max_mode)
        changes["fallback_models"] = tuple(self.fallback_models)
        for family in FAMILIES:
            changes[f"{family}_models"] = tuple(getattr(self, f"{family}_models"))
        changes["routing"] = tuple(self.routing)
        changes["seeing_models"] = tuple(self.seeing_models)
        changes["permissions"] = tuple(self.permissions)
        changes["private_hosts"] = tuple(self.private_hosts)
        changes["daily_budget_usd"] = self.daily_budget_usd or None
        return from_environment(environ, **changes)
