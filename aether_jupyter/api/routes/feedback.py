"""What people said of the steps of agents, and the profiles of agents."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...answers import FeedbackList, ProfileList
from ...model.access import Principal
from ...model.errors import ProcessNotFound
from ...model.feedback import Judgement
from ...model.memory import AgentName
from ...model.profile import Profile
from ..bodies import GiveFeedback, Pid
from ..routing import House, route


@route("GET", "/processes/{pid}/feedback", scope="processes:read", errors=(ProcessNotFound,))
async def list_feedback(house: House, who: Principal, pid: Pid) -> FeedbackList:
    """What people said of its steps, by step."""
    return FeedbackList(list(await house.feedback.list(who, pid)))


@route("POST", "/processes/{pid}/feedback", scope="feedback:give", errors=(ProcessNotFound,))
async def give_feedback(house: House, who: Principal, pid: Pid, body: GiveFeedback) -> Judgement:
    """Judge one step, of an agent that works or has ended; it replaces what one said of the step before.

    The memories that the step rested on become more or less important. A comment on an agent that still works is a
    message to it as well. No thumb and no comment take the judgement back.
    """
    return await house.feedback.give(who, pid, body.step, body.thumb, body.comment)


@route("GET", "/processes/{pid}/profile", scope="processes:read", errors=(ProcessNotFound,))
async def process_profile(house: House, who: Principal, pid: Pid) -> Profile:
    """The profile of the agent that this process is a run of; all zeros where no run of it has ended."""
    return await house.profiles.of(who, pid)


@route("GET", "/profiles", scope="processes:read")
async def list_profiles(
    house: House, who: Principal, *, limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
) -> ProfileList:
    """The agents whose runs have ended, in figures; who ended last is first."""
    return ProfileList(list(await house.profiles.list(who, limit=limit)))


@route("GET", "/profile", scope="processes:read")
async def agent_profile(house: House, who: Principal, *, agent: AgentName) -> Profile:
    """The profile of one agent by its name; all zeros where no run of it has ended."""
    return await house.profiles.get(who, agent)
