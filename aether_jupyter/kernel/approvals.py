"""Approvals: what waits for a person, what was decided, and the standing rules a person can revoke.

Nothing waits in memory: an approval is a row, the agent's task has ended, and the decision makes the process READY
again – after a week and two restarts just the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from uuid_utils import uuid7

from ..model.access import Principal, may_see, require
from ..model.errors import AlreadyDecided, ApprovalMismatch, ApprovalNotFound, BadRequest, Forbidden, RuleNotFound
from ..model.events import ApprovalDecided, Event, StateChanged
from ..model.process import State
from ..model.tool import Approval, ApprovalRule, Decision, Risk
from ..store import tables
from ..store.database import Database, Transaction
from .action import action
from .processes import Processes

EXTENSION = 25
_ALLOWED = {
    "call": {"approve", "edit", "refuse"},
    "question": {"answer", "refuse"},
    "limit": {"extend", "finish"},
}
_GOES_WITH = {"arguments": "edit", "answer": "answer", "reason": "refuse", "steps": "extend"}
_approval = msgspec.json.Decoder(Approval).decode
a, r = tables.approval, tables.rule


class Approvals:
    """Lists, decides, and keeps the rules. Requests are written by `Processes.record` with the step they belong to."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes

    @action("approvals:decide")
    def decide(
        self, tx: Transaction, actor: Principal, approval_id: str, decision: Decision, *, digest: str = ""
    ) -> Approval:
        """Decide one; of two that come together the second gets `AlreadyDecided`.

        `digest`, if given, must be that of the call the person was shown.
        """
        if actor.pid is not None:
            raise Forbidden("An agent cannot decide; a person must")
        row = tx.one(select(a.c.owner, a.c.status, a.c.body).where(a.c.id == approval_id))
        if row is None or not may_see(actor, row.owner):
            raise ApprovalNotFound(f"No approval {approval_id}")
        approval = _approval(row.body)
        if row.status == "closed":
            raise AlreadyDecided(f"Nobody needs to decide any more. {approval.closed}")
        if approval.decision is not None:
            by = approval.decision
            raise AlreadyDecided(f"{by.by} has already decided: {by.verdict}", by=by.by, verdict=by.verdict)
        if digest and digest != approval.digest:
            raise ApprovalMismatch("The approval is for another call than the one shown; reload and look again")
        _check(approval, decision)
        decision = msgspec.structs.replace(decision, by=actor.name, at=tx.now)
        process = self._processes.load(tx, actor, approval.pid)
        if approval.kind == "limit" and decision.verdict == "extend":
            self._processes.enlarge(tx, process, actor.name, _growth(approval, decision))
            return msgspec.structs.replace(approval, decision=decision)
        decided = self._processes.close(tx, approval, decision)
        if decision.remember != "once":
            self._remember(tx, actor, approval, decision)
        call_id = approval.call.id if approval.call else approval.id
        events: list[Event] = [ApprovalDecided(approval.id, approval.kind, call_id, decision)]
        if process.process.state is State.WAITING:
            events.append(StateChanged(State.READY))
        self._processes.append(tx, process, actor.name, events)
        return decided

    async def get(self, actor: Principal, approval_id: str) -> Approval:
        """One approval, decided or not."""
        require(actor, "approvals:read")
        rows = await self._database.fetch(select(a.c.owner, a.c.body).where(a.c.id == approval_id))
        if not rows or not may_see(actor, rows[0].owner):
            raise ApprovalNotFound(f"No approval {approval_id}")
        return _approval(rows[0].body)

    async def list(
        self, actor: Principal, *, waiting: bool = True, pid: int | None = None, limit: int = 200
    ) -> Sequence[Approval]:
        """What waits, or what was decided or closed; newest first."""
        require(actor, "approvals:read")
        statement = select(a.c.body).where(a.c.owner == actor.owner).order_by(a.c.created_at.desc()).limit(limit)
        statement = statement.where(a.c.status == "waiting" if waiting else a.c.status != "waiting")
        if pid is not None:
            statement = statement.where(a.c.pid == pid)
        return [_approval(row.body) for row in await self._database.fetch(statement)]

    async def rules(self, actor: Principal) -> Sequence[ApprovalRule]:
        """The standing approvals of an owner, newest first."""
        require(actor, "rules:read")
        rows = await self._database.fetch(select(r).where(r.c.owner == actor.owner).order_by(r.c.created_at.desc()))
        return [ApprovalRule(**row._mapping) for row in rows]

    @action("rules:revoke")
    def revoke(self, tx: Transaction, actor: Principal, rule_id: str) -> None:
        """Withdraw a rule; the next such call asks again."""
        if not tx.run(delete(r).where(r.c.id == rule_id, r.c.owner == actor.owner)).rowcount:
            raise RuleNotFound(f"No rule {rule_id}")

    @action("system:run")
    def use_rule(self, tx: Transaction, actor: Principal, owner: str, pid: int, tool: str) -> str | None:
        """The rule that lets this call run without asking, counted as used; None if there is none."""
        found = tx.one(
            select(r.c.id)
            .where(r.c.owner == owner, r.c.tool == tool, or_(r.c.pid.is_(None), r.c.pid == pid))
            .order_by(r.c.pid.desc())
        )
        if found is None:
            return None
        tx.run(update(r).where(r.c.id == found.id).values(uses=r.c.uses + 1))
        return str(found.id)

    def _remember(self, tx: Transaction, actor: Principal, approval: Approval, decision: Decision) -> None:
        assert approval.call is not None
        values = {
            "id": str(uuid7()),
            "owner": actor.owner,
            "tool": approval.call.tool,
            "pid": approval.pid if decision.remember == "session" else None,
            "created_at": tx.now,
            "created_by": actor.name,
            "uses": 0,
        }
        tx.run(insert(r), values)


def _check(approval: Approval, decision: Decision) -> None:
    allowed = _ALLOWED[approval.kind]
    if decision.verdict not in allowed:
        raise BadRequest(f"verdict: a {approval.kind} takes {', '.join(sorted(allowed))}, not {decision.verdict}")
    for field, verdict in _GOES_WITH.items():
        # Left unsaid, a person who changed the arguments would take the call for changed.
        if getattr(decision, field) is not None and decision.verdict != verdict:
            raise BadRequest(f"{field}: goes with the verdict {verdict}, not with {decision.verdict}")
    if decision.verdict == "edit" and decision.arguments is None:
        raise BadRequest("arguments: edit needs the arguments to run with")
    if decision.verdict == "answer" and not (decision.answer or "").strip():
        raise BadRequest("answer: the agent needs words")
    if decision.steps is not None and not 1 <= decision.steps <= 100_000:
        raise BadRequest("steps: between 1 and 100000")
    if decision.remember != "once":
        if decision.verdict != "approve" or approval.kind != "call":
            raise BadRequest("remember: only an approved call can become a rule")
        if approval.risk is Risk.DESTRUCTIVE:
            raise BadRequest("remember: a destructive call is asked each time")
        if approval.each_time:
            raise BadRequest("remember: the administrator wants such calls asked each time")


def _growth(approval: Approval, decision: Decision) -> dict[str, float]:
    """By how much which limit grows: what the question offers (`cost_usd=1.0`), or the steps a person named."""
    growth: dict[str, float] = {}
    for key, _, value in (option.partition("=") for option in approval.options):
        growth[key] = int(value) if key in ("steps", "tokens") else float(value)
    if decision.steps is not None:
        growth["steps"] = decision.steps
    return growth or {"steps": EXTENSION}
