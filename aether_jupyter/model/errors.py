"""The one tree of errors, the same on the server, in the client and in a cell.

    AetherError                     500
    ├── BadRequest                  400  the request does not fit; the message names the field
    │   ├── UnknownName             400  no such tool, model, sandbox or signal
    │   └── BadSnapshot             422  a snapshot's file is damaged or not to be trusted; nothing of it was kept
    ├── Forbidden                   403
    ├── NotFound                    404
    │   ├── ProcessNotFound
    │   ├── ApprovalNotFound
    │   ├── RuleNotFound
    │   ├── RequestNotFound
    │   ├── MemoryNotFound
    │   ├── SnapshotNotFound
    │   └── FileNotFound
    │       └── FolderNotFound           a command was to begin in it; nothing ran
    ├── Conflict                    409
    │   ├── IllegalTransition            the process is in a state that does not allow it
    │   ├── AlreadyDecided               somebody decided first
    │   ├── ApprovalMismatch             the approval is for another call
    │   └── Fenced                       another server holds the process now
    ├── OverBudget                  402
    ├── TooMany                     429
    ├── StorageFull                 507
    ├── StorageBusy                 503
    ├── ServerNotFound              503  the client found no server to talk to
    ├── ProcessFailed               424  who awaits the result of an agent learns that it failed, and how
    ├── ModelError                  502
    │   ├── ModelNotConfigured      424  no key, no such model; the message gives the ways out
    │   ├── ModelUnavailable        503  down, overloaded or the circuit is open; may be tried again
    │   │   └── ModelRateLimited    429
    │   ├── ModelRefused            502  the request itself was refused; trying again does not help
    │   ├── ContextFull             413  the context is longer than the model takes
    │   └── ModelAnswerCut          502  the stream ended before the answer did
    ├── SandboxUnavailable          424  isolation is not to be had; nothing ran
    └── ToolError                   422  told to the model
        ├── ToolArguments                the arguments do not fit the schema
        ├── ToolFailed                   it ran and failed
        ├── ToolTimeout                  it ran too long
        ├── ToolInterrupted              the server ended while it ran
        └── ToolRefused                  policy or a person said no

Each class owns its `code` (its name in the JSON) and its HTTP `status`.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar


class AetherError(Exception):
    """Base of all. `message` names the thing and the way out; `details` is plain JSON for programs."""

    code: ClassVar[str] = "aether_error"
    status: ClassVar[int] = 500
    registry: ClassVar[dict[str, type[AetherError]]] = {}

    def __init_subclass__(cls, *, status: int | None = None) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        if status is not None:
            cls.status = status
        AetherError.registry[cls.code] = cls

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def to_json(self) -> dict[str, Any]:
        """Problem JSON (RFC 9457): `type` is the code."""
        return {
            "type": self.code,
            "title": type(self).__name__,
            "status": self.status,
            "detail": self.message,
            **({"details": self.details} if self.details else {}),
        }

    @staticmethod
    def from_json(body: dict[str, Any]) -> AetherError:
        """The same class that `to_json` was called on; an unknown code becomes `AetherError`."""
        cls = AetherError.registry.get(body.get("type", ""), AetherError)
        return cls(body.get("detail") or body.get("message") or "the server gave no reason", **body.get("details", {}))


class BadRequest(AetherError, status=400):
    """The request does not fit."""


class UnknownName(BadRequest):
    """No such tool, model, sandbox or signal."""


class BadSnapshot(BadRequest, status=422):
    """A snapshot's file is damaged, or holds what no snapshot may; nothing of it was kept."""


class Forbidden(AetherError, status=403):
    """The principal may not do that."""


class NotFound(AetherError, status=404):
    """It is not there, or belongs to somebody else."""


class ProcessNotFound(NotFound):
    """No such process."""


class ApprovalNotFound(NotFound):
    """No such approval."""


class RuleNotFound(NotFound):
    """No such rule."""


class RequestNotFound(NotFound):
    """No such request to this agent."""


class MemoryNotFound(NotFound):
    """No such memory."""


class SnapshotNotFound(NotFound):
    """No such snapshot."""


class FileNotFound(NotFound):
    """No such file in the agent's home."""


class FolderNotFound(FileNotFound):
    """The folder that a command was to begin in cannot be entered; nothing ran."""


class Conflict(AetherError, status=409):
    """The thing is in another state than the request supposes."""


class IllegalTransition(Conflict):
    """The state table has no such move."""


class ControlHeld(Conflict):
    """A person has control of the agent's desktop; `details["holder"]` says who."""


class AlreadyDecided(Conflict):
    """Somebody decided first."""


class ApprovalMismatch(Conflict):
    """The approval is for another call than the one shown."""


class Fenced(Conflict):
    """Another server holds the process now; nothing of the batch was written."""


class OverBudget(AetherError, status=402):
    """The owner's budget of the day is spent."""


class TooMany(AetherError, status=429):
    """A limit on how many is reached."""


class StorageFull(AetherError, status=507):
    """The disk is full; nothing was written."""


class StorageBusy(AetherError, status=503):
    """The database is locked by another program."""


class ServerNotFound(AetherError, status=503):
    """The client found no server to talk to."""


class ProcessFailed(AetherError, status=424):
    """An agent ended without success; `details` holds `pid`, `code`, `reason` and the `error` that ended it."""


class ModelError(AetherError, status=502):
    """A language model could not answer."""


class ModelNotConfigured(ModelError, status=424):
    """No key or no such model."""


class ModelUnavailable(ModelError, status=503):
    """Down or overloaded; it may be tried again after `details["retry_after_s"]`."""


class ModelRateLimited(ModelUnavailable, status=429):
    """The provider asked to wait."""


class ModelRefused(ModelError, status=502):
    """The provider refused the request itself."""


class ContextFull(ModelError, status=413):
    """The transcript is longer than the model takes, `details["window_tokens"]` where its provider says how much."""


class ModelAnswerCut(ModelError, status=502):
    """The stream ended before the answer did; nothing of it was used."""


class SandboxUnavailable(AetherError, status=424):
    """The isolation asked for is not to be had; nothing ran."""


class ToolError(AetherError, status=422):
    """What a tool says to the model by raising."""


class ToolArguments(ToolError):
    """The arguments do not fit the tool's schema."""


class ToolFailed(ToolError):
    """The tool ran and failed."""


class ToolTimeout(ToolError):
    """The tool ran longer than it may."""


class ToolInterrupted(ToolError):
    """The call had begun when it was cut off; whether it took effect is not known."""


class ToolRefused(ToolError):
    """Policy or a person said no."""
