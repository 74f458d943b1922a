"""One agent's plan, as its tools may change it.

A change is kept as a function of the plan until its call has ended; then it becomes an event, which is committed with
that end. If a person or a child that ended changed the plan in the meantime, it is made anew on what they left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..kernel.processes import Processes
from ..model.access import Principal
from ..model.errors import AetherError, BadRequest
from ..model.events import Event, PlanChanged
from ..model.message import AGENT
from ..model.plan import Plan, assigned, stamped

Edit = Callable[[Plan], Plan]


class PlanDesk:
    """The changes of one run: of calls under way, and of events that are not written yet.

    `now` gives the plan and the step as the run has folded them.
    """

    def __init__(self, processes: Processes, principal: Principal, now: Callable[[], tuple[Plan, int]]) -> None:
        self._processes = processes
        self._principal = principal
        self._now = now
        self._under_way: dict[str, Edit] = {}
        self._unwritten: list[Edit] = []

    def of(self, call_id: str) -> AgentPlan:
        """The plan for one call."""
        return AgentPlan(self, call_id)

    def read(self) -> Plan:
        """The plan with the changes of calls that are still under way."""
        plan, step = self._now()
        for edit in self._under_way.values():
            plan = stamped(plan, edit(plan), step)
        return plan

    async def change(self, call_id: str, edit: Edit) -> Plan:
        """Keep a change until its call ends. Returns the plan it comes to, or raises `BadRequest`."""
        plan = self.read()
        after = edit(plan)
        for pid in sorted(assigned(after) - assigned(plan)):
            if (await self._processes.get(self._principal, pid)).parent != self._principal.pid:
                raise BadRequest(f"agent {pid} is none that you started; start one with spawn_agent")
        before = self._under_way.get(call_id)
        self._under_way[call_id] = edit if before is None else _then(before, edit)
        return after

    def ended(self, call_id: str, ok: bool) -> PlanChanged | None:
        """The event that the end of a call makes of its change; a call that failed has changed nothing."""
        if call_id not in self._under_way:
            return None
        if not ok:
            del self._under_way[call_id]
            return None
        # In the order in which they were made, whichever call was the first to end.
        edit = self._under_way.pop(next(iter(self._under_way)))
        while call_id in self._under_way:
            edit = _then(edit, self._under_way.pop(next(iter(self._under_way))))
        event = self._event(edit, *self._now())
        if event is not None:
            self._unwritten.append(edit)
        return event

    def anew(self, plan: Plan, step: int, batch: Sequence[Event]) -> list[Event]:
        """The batch with its changes made on `plan`; one that does not fit it any more is left out."""
        edits = iter(self._unwritten)
        self._unwritten = []
        made: list[Event] = []
        for event in batch:
            if not isinstance(event, PlanChanged):
                made.append(event)
                continue
            edit = next(edits)
            new = self._event(edit, plan, step)
            if new is not None:
                plan = new.plan
                made.append(new)
                self._unwritten.append(edit)
        return made

    def written(self) -> None:
        """What was noted is in the journal."""
        self._unwritten.clear()

    def _event(self, edit: Edit, plan: Plan, step: int) -> PlanChanged | None:
        try:
            after = stamped(plan, edit(plan), step)
        except AetherError:
            # What it changed is gone by a person's hand; the agent is told of that, and sees the plan.
            return None
        return PlanChanged(after, AGENT) if after != plan else None


class AgentPlan:
    """Implements `abc.OwnPlan` for one call."""

    def __init__(self, desk: PlanDesk, call_id: str) -> None:
        self._desk = desk
        self._call_id = call_id

    def read(self) -> Plan:
        """The plan as it stands."""
        return self._desk.read()

    async def change(self, edit: Edit) -> Plan:
        """Change it. Raises `BadRequest` for what does not fit, or gives a step to an agent that is no child."""
        return await self._desk.change(self._call_id, edit)


def _then(first: Edit, second: Edit) -> Edit:
    return lambda plan: second(first(plan))
