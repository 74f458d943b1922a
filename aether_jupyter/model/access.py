"""Who asks, and what they may do: principals and scopes."""

from __future__ import annotations

import msgspec

from .errors import Forbidden

SCOPES: dict[str, str] = {
    "processes:read": "see one's agents, their timelines and files",
    "processes:spawn": "start agents",
    "processes:signal": "pause, continue, interrupt and end agents",
    "processes:send": "write messages to agents",
    "processes:plan": "change the plans of agents",
    "processes:limits": "extend the limits of agents",
    "processes:model": "choose another model for agents",
    "displays:view": "watch the desktops of agents",
    "displays:control": "take agents' desktops over, and hand them back",
    "processes:reap": "remove ended agents and their files",
    "processes:terminal": "open terminals in the sandboxes of agents",
    "approvals:read": "see what waits for a decision",
    "approvals:decide": "approve, edit, answer and refuse",
    "rules:read": "see standing approvals",
    "rules:revoke": "withdraw standing approvals",
    "feedback:give": "judge what agents did",
    "memory:read": "see what agents remember",
    "memory:write": "add, edit, pin, share and forget memories",
    "snapshots:read": "see and take away snapshots of agents",
    "snapshots:write": "take, restore, fork, import and delete snapshots of agents",
    "usage:read": "see tokens and money spent",
    "me:read": "see and take away all that is kept about oneself",
    "me:erase": "erase all that is kept about oneself",
    "system:read": "see health, models, tools, sandboxes and templates",
    "system:run": "claim and record (the runtime itself)",
}
"""Every scope and what it allows; tests hold the routes and actions against it."""

PERSON: frozenset[str] = frozenset(SCOPES) - {"system:run"}
AGENT: frozenset[str] = frozenset(
    {"processes:read", "processes:spawn", "processes:send", "processes:signal", "memory:read", "memory:write"}
)


class Principal(msgspec.Struct, frozen=True):
    """Who acts: a person (`name` is the owner of what they spawn), an agent (`pid` set), or the runtime itself."""

    name: str
    owner: str
    scopes: frozenset[str] = PERSON
    pid: int | None = None

    @classmethod
    def person(cls, name: str) -> Principal:
        """A person who may do everything with what is theirs."""
        return cls(name=name, owner=name)

    @classmethod
    def agent(cls, pid: int, owner: str) -> Principal:
        """An agent: its owner's rights, cut down to what agents may do."""
        return cls(name=f"agent:{pid}", owner=owner, scopes=AGENT, pid=pid)


RUNTIME = Principal(name="runtime", owner="", scopes=frozenset(SCOPES))


def require(principal: Principal, scope: str) -> None:
    """Raise `Forbidden` unless the principal holds the scope."""
    if scope not in principal.scopes:
        raise Forbidden(f"{principal.name} may not {SCOPES[scope]} (scope {scope})")


def may_see(principal: Principal, owner: str) -> bool:
    """Whether what belongs to `owner` is there at all for this principal."""
    return principal is RUNTIME or principal.owner == owner
