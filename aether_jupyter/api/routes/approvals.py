"""What waits for a person, decisions, and standing approvals."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...answers import ApprovalList, RuleList
from ...model.access import Principal
from ...model.errors import AlreadyDecided, ApprovalMismatch, ApprovalNotFound, RuleNotFound
from ...model.tool import Approval, Decision
from ..bodies import Decide, Pid
from ..routing import House, route

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@route("GET", "/approvals", scope="approvals:read")
async def list_approvals(
    house: House,
    who: Principal,
    *,
    waiting: bool = True,
    pid: Pid | None = None,
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200,
) -> ApprovalList:
    """What waits for a decision, newest first; with `waiting=false` what was decided or closed."""
    return ApprovalList(list(await house.approvals.list(who, waiting=waiting, pid=pid, limit=limit)))


@route("GET", "/approvals/{approval_id}", scope="approvals:read", errors=(ApprovalNotFound,))
async def get_approval(house: House, who: Principal, approval_id: Id) -> Approval:
    """One question to a person."""
    return await house.approvals.get(who, approval_id)


@route(
    "POST",
    "/approvals/{approval_id}/decision",
    scope="approvals:decide",
    errors=(ApprovalNotFound, AlreadyDecided, ApprovalMismatch),
)
async def decide_approval(house: House, who: Principal, approval_id: Id, body: Decide) -> Approval:
    """Decide. Who is second gets `already_decided`; `digest` guards against deciding another call than was shown."""
    decision = Decision(
        verdict=body.verdict,
        by=who.name,
        arguments=body.arguments,
        answer=body.answer,
        reason=body.reason,
        steps=body.steps,
        remember=body.remember,
    )
    return await house.approvals.decide(who, approval_id, decision, digest=body.digest)


@route("GET", "/rules", scope="rules:read")
async def list_rules(house: House, who: Principal) -> RuleList:
    """Standing approvals: for one agent's session, or for all of one's agents."""
    return RuleList(list(await house.approvals.rules(who)))


@route("DELETE", "/rules/{rule_id}", scope="rules:revoke", status=204, errors=(RuleNotFound,))
async def revoke_rule(house: House, who: Principal, rule_id: Id) -> None:
    """Withdraw a standing approval; the next such call asks again."""
    await house.approvals.revoke(who, rule_id)
