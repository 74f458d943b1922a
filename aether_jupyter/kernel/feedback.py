"""Feedback: thumbs and comments of people on the steps of agents, and what they do to the memories behind a step.

A judgement belongs to a person and a step; a new one replaces it and undoes what it did. It weighs on memory at once:
what the step rested on becomes more or less important, as a version that says why. The agent itself reads judgements
by the tool `get_feedback` and in what it is told of its earlier runs. A comment on an agent that still works is more
than that: whoever writes it now means it for now, so it is a message as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, delete, insert, select
from uuid_utils import uuid7

from ..engine.judged import Step, judged, moves
from ..model.access import Principal, require
from ..model.errors import BadRequest
from ..model.events import FeedbackGiven, MessageSent
from ..model.feedback import COMMENT_CHARS, Judgement, Thumb
from ..model.process import State
from ..store import tables
from ..store.database import Database, Transaction
from .action import action
from .memories import Memories
from .processes import Processes

LIST_MOST = 1_000

_judgement = msgspec.json.Decoder(Judgement).decode
f = tables.feedback
_ONE = select(f.c.body).where(
    f.c.pid == bindparam("k"), f.c.step == bindparam("at_step"), f.c.person == bindparam("who")
)
_SAID = {"up": "thumb up", "down": "thumb down", "none": "comment"}


class Feedback:
    """What people said of steps; `give` is for people alone."""

    def __init__(self, database: Database, processes: Processes, memories: Memories) -> None:
        self._database = database
        self._processes = processes
        self._memories = memories

    async def give(self, actor: Principal, pid: int, step: int, thumb: Thumb, comment: str = "") -> Judgement:
        """Judge one step of a run, ended or not; it replaces what the same person said of the step before.

        No thumb and no comment take the judgement back. Raises `BadRequest` for a step that was not made.
        """
        require(actor, "feedback:give")
        if len(comment) > COMMENT_CHARS:
            raise BadRequest(f"comment: {len(comment):,} characters; at most {COMMENT_CHARS:,}")
        process = await self._processes.get(actor, pid)
        # Read before the transaction: what happened in a step that was made does not change.
        history = await self._processes.history(pid)
        found = await asyncio.to_thread(judged, (event for _, _, event in history), step)
        if found is None:
            made = f"it has made {process.step}" if process.step else "it has made none yet"
            raise BadRequest(f"step: process {pid} has no answer of step {step} to judge; {made}")
        given = await self._give(actor, pid, step, thumb, comment.strip(), found)
        if given.moved:
            self._memories.changed()
        return given

    @action("feedback:give")
    def _give(
        self, tx: Transaction, actor: Principal, pid: int, step: int, thumb: Thumb, comment: str, found: Step
    ) -> Judgement:
        row = self._processes.load(tx, actor, pid)
        process = row.process
        key = {"k": pid, "at_step": step, "who": actor.name}
        kept = tx.one(_ONE, key)
        old = _judgement(kept.body) if kept is not None else None
        before: Mapping[int, float] = old.moved if old is not None else {}
        why = f"feedback of {actor.name} on step {step} of {pid}"
        moved = self._memories.reweigh(tx, process.owner, moves(found, thumb, before), why)
        agent, parents = self._processes.agent_name(tx, process)
        given = Judgement(
            pid=pid,
            step=step,
            by=actor.name,
            agent=agent,
            thumb=thumb,
            comment=comment,
            at=tx.now,
            about=found.about,
            moved={
                each: by for each in (*before, *moved) if (by := round(before.get(each, 0.0) + moved.get(each, 0.0), 6))
            },
            # What an agent tells its child to do may come from what it has read.
            tainted=found.tainted or parents,
        )
        tx.run(delete(f).where(f.c.pid == pid, f.c.step == step, f.c.person == actor.name))
        if thumb != "none" or comment:
            tx.run(
                insert(f),
                {
                    "pid": pid,
                    "step": step,
                    "person": actor.name,
                    "owner": process.owner,
                    "agent": agent,
                    "at": tx.now,
                    "thumb": thumb,
                    "body": msgspec.json.encode(given),
                },
            )
        event = FeedbackGiven(step, actor.name, thumb, comment, tuple(moved))
        if comment and process.state is not State.ZOMBIE and (old is None or old.comment != comment):
            # Nothing of what the step did: this is a person's word, and all in it counts as theirs.
            words = f"on your step {step} of {process.step}, {_SAID[thumb]}: {comment}"
            self._processes.tell(tx, row, MessageSent(str(uuid7()), actor.name, words, "feedback"), before=(event,))
        else:
            self._processes.append(tx, row, actor.name, (event,))
        return given

    async def list(self, actor: Principal, pid: int) -> Sequence[Judgement]:
        """What people said of the steps of one run, by step."""
        await self._processes.get(actor, pid)
        rows = await self._database.fetch(select(f.c.body).where(f.c.pid == pid).order_by(f.c.step, f.c.at))
        return [_judgement(row.body) for row in rows]

    async def of_agent(self, actor: Principal, agent: str, *, limit: int = 20) -> Sequence[Judgement]:
        """What people said of the runs of one agent name, the newest first."""
        require(actor, "processes:read")
        rows = await self._database.fetch(
            select(f.c.body)
            .where(f.c.owner == actor.owner, f.c.agent == agent)
            .order_by(f.c.at.desc())
            .limit(min(limit, LIST_MOST))
        )
        return [_judgement(row.body) for row in rows]
