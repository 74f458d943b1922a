"""Tools as declared, calls as decided: risk, effect, outcome, approval, decision, rule."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from .image import Image
from .message import ToolCall


class Risk(StrEnum):
    """What a call may do, mildest first. The order of `RISKS` is what policies compare."""

    SAFE = "safe"
    WRITE = "write"
    EXECUTE = "execute"
    NETWORK = "network"
    DESTRUCTIVE = "destructive"


RISKS: tuple[Risk, ...] = tuple(Risk)

Effect = Literal["read", "write", "send", "commit", "destroy"]


Need = Literal["", "desktop", "screen"]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tool as it declares itself.

    `parameters` is the JSON Schema of its arguments. `args` gives the role of each argument (`dest`, `url`,
    `select`, `amount`, `when`, `name`, `content`, `time`, each with an optional `:kind`); permissions look at the kinds
    `file`, `folder` and `path` (where all below counts too), `host`, `url`, and `command` or `code` (which may touch
    whatever the sandbox holds). `fields` gives the label of each field of its result (`system`, `registry`, `text`):
    who could have written that value. `repeatable` says that running it twice does no harm, so a call cut off by a
    crash is run again rather than reported as interrupted. `needs` is what an agent must have to be given it: a
    `desktop`, or a `screen`, which is a desktop or a browser.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    risk: Risk
    effect: Effect = "read"
    args: dict[str, str] = {}
    fields: dict[str, str] = {}
    repeatable: bool = False
    default: bool = True
    needs: Need = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What proves an outcome: exit code, head and tail of the output, hashes, paths. Text may be shortened.

    `folder` is where a command left the shell, if that is not where it began: relative to the home where it lies in it
    (`.` is the home itself), else absolute.
    """

    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    stdout_path: str = ""
    stderr_path: str = ""
    path: str = ""
    diff: str = ""
    sha256: str = ""
    timed_out: bool = False
    sandbox: str = ""
    folder: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a tool call ended. `content` is what the model reads; `error` is a code of `model.errors` where not ok.

    `images` were kept by `ToolContext.keep_image`; a model that takes images is shown them. `labels` says for each
    field of the result who could have written it (`system`, `registry` or `text`).
    """

    ok: bool
    content: str
    error: str | None = None
    evidence: Evidence | None = None
    images: tuple[Image, ...] = ()
    labels: dict[str, str] = {}
    duration_s: float = 0.0


ApprovalKind = Literal["call", "question", "limit"]
Verdict = Literal["approve", "edit", "answer", "refuse", "extend", "finish"]
Remember = Literal["once", "session", "always"]


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person said: `arguments` with edit, `answer` with answer, `reason` with refuse, `steps` with extend."""

    verdict: Verdict
    by: str = ""
    at: float = 0.0
    arguments: dict[str, Any] | None = None
    answer: str | None = None
    reason: str | None = None
    steps: int | None = None
    remember: Remember = "once"


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question to a person, kept as a row. It is bound to exactly one call by `digest`, and used once.

    `because` is why it asks, in a sentence; `where` the sandbox and folder the call would run in; `preview` a diff or
    script to be read first. `each_time` says that no standing yes can take its place.
    """

    id: str
    pid: int
    owner: str
    name: str
    kind: ApprovalKind
    step: int
    created_at: float
    call: ToolCall | None = None
    risk: Risk | None = None
    because: str = ""
    each_time: bool = False
    where: str = ""
    preview: str = ""
    question: str = ""
    options: tuple[str, ...] = ()
    digest: str = ""
    decision: Decision | None = None
    closed: str = ""


class ApprovalRule(msgspec.Struct, frozen=True, kw_only=True):
    """A standing yes: `pid` set means for that process's session only, else for every agent of the owner."""

    id: str
    owner: str
    tool: str
    pid: int | None
    created_at: float
    created_by: str
    uses: int = 0
