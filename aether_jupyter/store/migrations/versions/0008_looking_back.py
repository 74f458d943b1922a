"""How runs ended, what people said of them, and which are to look back."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    outcome = op.create_table(
        "outcome",
        sa.Column("pid", _KEY, primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("ended_at", sa.Float, nullable=False),
        sa.Column("succeeded", sa.Boolean),
        sa.Column("rating", sa.Integer),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("run_s", sa.Float, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("tainted", sa.Boolean, nullable=False),
    )
    op.create_index("outcome_agent", "outcome", ["owner", "agent", "ended_at"])
    op.create_table(
        "feedback",
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("thumb", sa.String(4), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("pid", "step", "person"),
    )
    op.create_index("feedback_agent", "feedback", ["owner", "agent", "at"])
    op.create_table(
        "reflection",
        sa.Column("pid", _KEY, primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("worker", _KEY),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    _tell_of_ended_runs(outcome)


def _tell_of_ended_runs(outcome: sa.Table) -> None:
    """The runs that ended before have their place in the profiles, too."""
    connection = op.get_bind()
    family = {
        row.pid: (row.name, row.parent) for row in connection.execute(sa.text("SELECT pid, name, parent FROM process"))
    }
    ended = connection.execute(sa.text("SELECT pid, owner, body FROM process WHERE state = 'ZOMBIE'"))
    while rows := ended.fetchmany(1_000):
        connection.execute(outcome.insert(), [_row(row, family) for row in rows])


def _row(row: Any, family: dict[int, tuple[str, int | None]]) -> dict[str, object]:
    body = json.loads(row.body)
    names, at = [], row.pid
    while at is not None:
        name, at = family[at]
        names.append(name.replace("›", ">"))
    whole = " › ".join(reversed(names))
    long = f"{whole[:183]}…{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    status = body.get("exit") or {}
    return {
        "pid": row.pid,
        "owner": row.owner,
        "agent": whole if len(whole) <= 200 else long,
        "ended_at": body.get("ended_at") or 0.0,
        "succeeded": None if status.get("reason") in ("killed", "terminated") else status.get("code") == 0,
        "rating": body.get("rating"),
        "steps": body.get("step", 0),
        "tokens": body.get("input_tokens", 0) + body.get("output_tokens", 0),
        "cost_usd": body.get("cost_usd", 0.0),
        "run_s": body.get("run_s", 0.0),
        "strategy": "",
        "tainted": len(names) > 1,
    }


def downgrade() -> None:
    for name in ("reflection", "feedback", "outcome"):
        op.drop_table(name)
