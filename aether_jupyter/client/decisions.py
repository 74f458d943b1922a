"""What a yes, a no and an answer mean for each kind of question to a person: the arguments of `decide`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.errors import ApprovalNotFound, BadRequest
from ..model.tool import Approval, Remember


def yes(approval: Approval, *, arguments: dict[str, Any] | None = None, remember: Remember = "once") -> dict[str, Any]:
    """Let the call run (with other `arguments` if given), or the agent go on by what its limit offers."""
    if approval.kind == "limit":
        return {"verdict": "extend"}
    if arguments is not None:
        return {"verdict": "edit", "arguments": arguments}
    return {"verdict": "approve", "remember": remember}


def no(approval: Approval, reason: str = "") -> dict[str, Any]:
    """Refuse the call or the answer, or end the agent at its limit. The agent reads the reason of a refusal."""
    if approval.kind == "limit":
        return {"verdict": "finish"}
    return {"verdict": "refuse", "reason": reason.strip() or None}


def answer(approval: Approval, words: str) -> dict[str, Any]:
    """Answer a question; the number of an option stands for its words."""
    words = words.strip()
    if words.isdecimal() and 0 < int(words) <= len(approval.options):
        words = approval.options[int(words) - 1]
    return {"verdict": "answer", "answer": words}


def offered(approval: Approval) -> str:
    """What a limit offers, as in `25 more steps`."""
    words = {"steps": "{} more steps", "tokens": "{} more tokens", "cost_usd": "${} more", "wall_s": "{} more seconds"}
    offers = [option.partition("=") for option in approval.options]
    return " and ".join(words[key].format(f"{float(value):g}") for key, _, value in offers if key in words) or "more"


def only(pid: int, pending: Sequence[Approval]) -> Approval:
    """The one thing that an agent asks for. Raises `ApprovalNotFound`, or `BadRequest` with the ids of several."""
    if not pending:
        raise ApprovalNotFound(f"Agent {pid} asks for nothing")
    if len(pending) > 1:
        raise BadRequest(f"Agent {pid} asks for {len(pending)} things; say which: {', '.join(a.id for a in pending)}")
    return pending[0]
