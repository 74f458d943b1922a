"""What one asks for when spawning: goal, model, tools, sandbox and limits; and templates of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from .image import GivenImages
from .permission import Permission
from .tool import Need


class Mode(StrEnum):
    """What an agent may do without asking.

    PLAN only reads; ASK_ALWAYS asks before everything that is not safe and even for reads of the sandbox's shell;
    ASK_RISKY asks for execute, network and destructive calls; ACCEPT_EDITS also lets it execute inside the sandbox;
    AUTONOMOUS asks for nothing. Permissions hold in every mode; the administrator clamps it by `c.Aether.max_mode`.
    """

    PLAN = "plan"
    ASK_ALWAYS = "ask_always"
    ASK_RISKY = "ask_risky"
    ACCEPT_EDITS = "accept_edits"
    AUTONOMOUS = "autonomous"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one run may use before it waits for a person. `None` is no limit; `wall_s` counts time spent RUNNING."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = 50
    tokens: Annotated[int, msgspec.Meta(ge=1, le=10**15)] | None = None
    cost_usd: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None
    wall_s: Annotated[float, msgspec.Meta(gt=0, le=1e12)] | None = None


Desktop = Literal["none", "xfce", "openbox"]


Host = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where tools run. `auto` is Docker where an engine answers, else bubblewrap, and never the bare host.

    `desktop` is what the agent sees and people can take over: XFCE, or Openbox, which needs half the memory. It runs
    in Docker only, and from first use.
    With the network `allowed`, commands reach what `hosts` names and nothing else: names, `*.` and a name for all below
    it, each with a port if it is not 80 or 443. That needs Docker. `host` is the network of the machine.
    `disk_mb` is what the home may hold, `None` as much as the server lets a home hold. `gpus` are the agent's
    alone until it ends or its container is closed; they need Docker.
    """

    kind: Literal["auto", "docker", "bubblewrap", "host"] = "auto"
    network: Literal["none", "allowed", "host"] = "none"
    hosts: Annotated[tuple[Host, ...], msgspec.Meta(max_length=100)] = ()
    memory_mb: Annotated[int, msgspec.Meta(ge=64, le=1_048_576)] = 2048
    cpus: Annotated[float, msgspec.Meta(gt=0, le=256)] = 2.0
    pids: Annotated[int, msgspec.Meta(ge=8, le=32_768)] = 512
    desktop: Desktop = "none"
    disk_mb: Annotated[int, msgspec.Meta(ge=16, le=16_777_216)] | None = None
    gpus: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


PERMISSIONS = 200
"""How many permissions one agent may carry, those of its parents included."""

# `$` alone would let a line's end follow.
Role = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9 _-]{0,40}$(?!\n)")]
WorkspaceName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]


class AgentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request for one agent.

    `model` is `provider:model`, empty for the server's default; `fallbacks` are tried in order when it is not to be
    reached. `tools` names the tools it gets, `None` all of the default set. `output_schema` is a JSON Schema that
    the result must satisfy. `keep_home` keeps the files after the process is reaped, `keep_profile` the cookies and
    storage of its browser for later agents of its name. `reflect` says whether it looks back on its run when that has
    ended, `None` as the server is set. `workspaces` names folders that the owner's agents share; each is made on first
    use and mounted at `/workspaces/NAME`. `images` go with the goal; their bytes were kept beforehand (`POST /images`).
    """

    goal: Annotated[str, msgspec.Meta(min_length=1, max_length=200_000)]
    images: GivenImages = ()
    name: Annotated[str, msgspec.Meta(max_length=120)] = ""
    role: Role = ""
    model: Annotated[str, msgspec.Meta(max_length=300)] = ""
    fallbacks: tuple[str, ...] = ()
    system: Annotated[str, msgspec.Meta(max_length=200_000)] = ""
    tools: tuple[str, ...] | None = None
    mode: Mode = Mode.ASK_RISKY
    permissions: Annotated[tuple[Permission, ...], msgspec.Meta(max_length=PERMISSIONS)] = ()
    sandbox: SandboxSpec = SandboxSpec()
    limits: Limits = Limits()
    output_schema: dict[str, Any] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 4096
    keep_home: bool = False
    keep_profile: bool = False
    reflect: bool | None = None
    workspaces: tuple[WorkspaceName, ...] = ()
    labels: dict[str, str] = {}
    origin: Annotated[str, msgspec.Meta(max_length=300)] = "api"

    @property
    def browses(self) -> bool:
        """Whether it has a browser: tools for one, and a network."""
        return self.sandbox.network != "none" and any(name.startswith("browser_") for name in self.tools or ())

    def has(self, need: Need) -> bool:
        """Whether the agent has what a tool needs."""
        desktop = self.sandbox.desktop != "none"
        return not need or desktop or (need == "screen" and self.browses)


Category = Literal["development", "research", "data", "creative", "operations"]


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to begin from. What stands in `<angle brackets>` in the goal of its `spec` is for the person to say.

    `name` is how programs name it; `title` and `summary`, what one gets in a few words, are for people.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    summary: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    category: Category
    spec: AgentSpec
