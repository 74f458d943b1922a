"""Profiles: what each agent name has done, read off one row for each of its ended runs.

The row is written in the transaction of the exit and completed in that of the reflection; nothing is counted twice
and nothing counts on. Figures are sums over an index; what they rest on is looked up for the one agent one asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Integer, Select, bindparam, case, cast, func, insert, select, update

from ..engine.lookback import OWN_TAGS
from ..engine.profile import COMMENTS, RUNS, STRATEGIES
from ..model.access import Principal, require
from ..model.agent import AgentSpec
from ..model.errors import BadRequest
from ..model.events import ToolEnded
from ..model.feedback import Judgement
from ..model.memory import Layer, Memory, memory_name
from ..model.process import Process
from ..model.profile import History, PastTask, Profile, Standing, Strategy
from ..store import tables
from ..store.database import Database, Transaction
from ..store.journal import decode_event
from .processes import Processes

LAST, SHOWN = 20, 10
"""The runs whose calls and roles are looked at, and how many tasks, tools, tags, judgements and strategies are told."""
CALLS = 5_000
GOAL_CHARS = 200
GOOD = 4
"""The rating from which what a run did is worth doing again."""

_process = msgspec.json.Decoder(Process).decode
_judgement = msgspec.json.Decoder(Judgement).decode
_memory = msgspec.json.Decoder(Memory).decode
_spec = msgspec.json.Decoder(AgentSpec).decode
o, f, p, e = tables.outcome, tables.feedback, tables.process, tables.event
m, s = tables.memory, tables.memory_space
_TOOL_ENDED = b'{"type":"tool.ended",'
_FIGURES = (
    o.c.agent,
    func.count().label("tasks"),
    func.coalesce(func.sum(cast(o.c.succeeded, Integer)), 0).label("succeeded"),
    func.count(o.c.succeeded).label("judged"),
    func.avg(o.c.rating).label("quality"),
    func.count(o.c.rating).label("rated"),
    func.sum(o.c.steps).label("steps"),
    func.sum(o.c.tokens).label("tokens"),
    func.sum(o.c.cost_usd).label("cost_usd"),
    func.sum(o.c.run_s).label("run_s"),
    func.min(o.c.ended_at).label("first_at"),
    func.max(o.c.ended_at).label("last_at"),
)
_THUMBS = (
    func.sum(case((f.c.thumb == "up", 1), else_=0)).label("up"),
    func.sum(case((f.c.thumb == "down", 1), else_=0)).label("down"),
)
# Asked for each agent that begins, so built once.
_RUNS_BEFORE = (
    select(o.c.succeeded, o.c.rating, o.c.strategy, o.c.tainted)
    .where(o.c.owner == bindparam("owner"), o.c.agent == bindparam("agent"), o.c.ended_at < bindparam("before"))
    .order_by(o.c.ended_at.desc())
    .limit(RUNS)
)
_SAID_BEFORE = (
    select(f.c.body)
    .where(f.c.owner == bindparam("owner"), f.c.agent == bindparam("agent"), f.c.at < bindparam("before"))
    .order_by(f.c.at.desc())
    .limit(RUNS)
)


class Profiles:
    """Figures of agent names; `get` and `of` add what they rest on, `history` is what the agent itself is told."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes
        processes.on_exit(self._ended)

    def spent(self, tx: Transaction, process: Process) -> None:
        """Something was spent on a run after its end."""
        tx.run(update(o).where(o.c.pid == process.pid).values(tokens=process.tokens, cost_usd=process.cost_usd))

    def rated(self, tx: Transaction, process: Process, strategy: str, *, tainted: bool) -> None:
        """The run has looked back: its rating, and what it would do again."""
        values = {"rating": process.rating, "strategy": strategy, "tainted": tainted}
        tx.run(update(o).where(o.c.pid == process.pid).values(**values))

    async def list(self, actor: Principal, *, limit: int = 1_000) -> Sequence[Standing]:
        """The agent names of this owner that have ended runs; who ended last is first."""
        require(actor, "processes:read")

        def look(connection: Connection) -> Sequence[Standing]:
            figures = (
                select(*_FIGURES)
                .where(o.c.owner == actor.owner)
                .group_by(o.c.agent)
                .order_by(func.max(o.c.ended_at).desc())
                .limit(limit)
            )
            thumbs = select(f.c.agent, *_THUMBS).where(f.c.owner == actor.owner).group_by(f.c.agent)
            said = {row.agent: (row.up, row.down) for row in connection.execute(thumbs)}
            return [
                Standing(**_figures(row, *said.get(row.agent, (0, 0)))) for row in connection.execute(figures).all()
            ]

        return await self._database.look(look)

    async def get(self, actor: Principal, agent: str) -> Profile:
        """The profile of one agent name, all zeros where no run of it has ended."""
        require(actor, "processes:read")
        if not agent.strip():
            raise BadRequest("agent: whose profile?")
        return await self._database.look(lambda connection: _profile(connection, actor.owner, agent))

    async def of(self, actor: Principal, pid: int) -> Profile:
        """The profile of the agent that this process is a run of."""
        name, *parents = await self._processes.lineage(actor, pid)
        return await self.get(actor, memory_name(name, parents))

    async def history(self, owner: str, agent: str, before: float) -> History | None:
        """What an agent is told of its runs that ended before this one began; None where there are none.

        It is looked up anew whenever the run is taken up: the same runs, for the time is that of its birth, with what
        they were rated since.
        """

        values = {"owner": owner, "agent": agent, "before": before}

        def look(connection: Connection) -> History | None:
            runs = connection.execute(_RUNS_BEFORE, values).all()
            if not runs:
                return None
            said = [_judgement(row.body) for row in connection.execute(_SAID_BEFORE, values)]
            ratings = [row.rating for row in runs if row.rating is not None]
            worked = [row.strategy for row in runs if row.strategy and (row.rating or 0) >= GOOD and not row.tainted]
            comments = [(each.by, each.comment) for each in said if each.comment]
            return History(
                tasks=len(runs),
                succeeded=sum(row.succeeded is True for row in runs),
                failed=sum(row.succeeded is False for row in runs),
                stopped=sum(row.succeeded is None for row in runs),
                quality=sum(ratings) / len(ratings) if ratings else None,
                thumbs_up=sum(each.thumb == "up" for each in said),
                thumbs_down=sum(each.thumb == "down" for each in said),
                comments=tuple(comments[:COMMENTS]),
                strategies=tuple(dict.fromkeys(worked))[:STRATEGIES],
            )

        return await self._database.look(look)

    def _ended(self, tx: Transaction, process: Process) -> None:
        assert process.exit is not None
        agent, child = self._processes.agent_name(tx, process)
        tx.run(
            insert(o),
            {
                "pid": process.pid,
                "owner": process.owner,
                "agent": agent,
                "ended_at": process.ended_at,
                "succeeded": process.exit.succeeded,
                "rating": None,
                "steps": process.step,
                "tokens": process.tokens,
                "cost_usd": process.cost_usd,
                "run_s": process.run_s,
                "strategy": "",
                "tainted": child,
            },
        )


def _profile(connection: Connection, owner: str, agent: str) -> Profile:
    mine = (o.c.owner == owner, o.c.agent == agent)
    row = connection.execute(select(*_FIGURES).where(*mine).group_by(o.c.agent)).one_or_none()
    thumbs = connection.execute(select(*_THUMBS).where(f.c.owner == owner, f.c.agent == agent)).one()
    figures = _figures(row, thumbs.up or 0, thumbs.down or 0) if row is not None else {"agent": agent}
    last = connection.execute(
        select(o.c.pid, o.c.succeeded, o.c.rating, p.c.body, p.c.spec)
        .join(p, p.c.pid == o.c.pid)
        .where(*mine)
        .order_by(o.c.ended_at.desc())
        .limit(LAST)
    ).all()
    strategies = (
        select(o.c.pid, o.c.rating, o.c.strategy, o.c.tainted)
        .where(*mine, o.c.strategy != "", o.c.rating >= GOOD)
        .order_by(o.c.ended_at.desc())
        .limit(SHOWN)
    )
    said = select(f.c.body).where(f.c.owner == owner, f.c.agent == agent).order_by(f.c.at.desc()).limit(SHOWN)
    roles = (_spec(each.spec).role for each in last)
    return Profile(
        **figures,
        tools=_calls(connection, [each.pid for each in last if each.succeeded]),
        tags=_tags(connection, owner, agent),
        roles=tuple(dict.fromkeys(role for role in roles if role)),
        last=tuple(_task(each) for each in last[:SHOWN]),
        feedback=tuple(_judgement(each.body) for each in connection.execute(said)),
        strategies=_strategies(connection.execute(strategies)),
    )


def _strategies(rows: Iterable[Any]) -> tuple[Strategy, ...]:
    """Each once, as the last run that went by it has told it."""
    found: dict[str, Strategy] = {}
    for row in rows:
        told = Strategy(text=row.strategy, pid=row.pid, rating=row.rating, tainted=row.tainted)
        found.setdefault(row.strategy, told)
    return tuple(found.values())


def _figures(row: Any, up: int, down: int) -> dict[str, Any]:
    return {
        "agent": row.agent,
        "tasks": row.tasks,
        "succeeded": row.succeeded,
        "failed": row.judged - row.succeeded,
        "stopped": row.tasks - row.judged,
        "success_rate": row.succeeded / row.judged if row.judged else None,
        "quality": float(row.quality) if row.quality is not None else None,
        "rated": row.rated,
        "thumbs_up": up,
        "thumbs_down": down,
        "steps": row.steps,
        "tokens": row.tokens,
        "cost_usd": row.cost_usd,
        "run_s": row.run_s,
        "mean_tokens": row.tokens / row.tasks,
        "mean_cost_usd": row.cost_usd / row.tasks,
        "mean_run_s": row.run_s / row.tasks,
        "first_at": row.first_at,
        "last_at": row.last_at,
    }


def _task(row: Any) -> PastTask:
    process = _process(row.body)
    assert process.exit is not None
    return PastTask(
        pid=process.pid,
        goal=process.goal[:GOAL_CHARS],
        succeeded=row.succeeded,
        reason=process.exit.reason,
        ended_at=process.ended_at or 0.0,
        rating=row.rating,
        cost_usd=process.cost_usd,
    )


def _calls(connection: Connection, pids: Sequence[int]) -> dict[str, int]:
    # Only the first bytes of other events are touched: their bodies may be large.
    ended: Select[Any] = (
        select(e.c.body)
        .where(e.c.pid.in_(pids), func.substr(e.c.body, 1, len(_TOOL_ENDED)) == _TOOL_ENDED)
        .order_by(e.c.pid.desc(), e.c.n.desc())
        .limit(CALLS)
    )
    events = (decode_event(row.body) for row in connection.execute(ended))
    return _most(event.tool for event in events if isinstance(event, ToolEnded) and event.outcome.ok)


def _tags(connection: Connection, owner: str, agent: str) -> dict[str, int]:
    kept = (
        select(m.c.body)
        .join(s, s.c.id == m.c.space)
        .where(s.c.owner == owner, s.c.agent == agent, m.c.forgotten.is_(False), m.c.layer == str(Layer.PROCEDURAL))
        .order_by(m.c.id.desc())
        .limit(CALLS // 10)
    )
    tags = (tag for row in connection.execute(kept) for tag in _memory(row.body).tags)
    return _most(tag for tag in tags if tag not in OWN_TAGS)


def _most(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common(SHOWN))
