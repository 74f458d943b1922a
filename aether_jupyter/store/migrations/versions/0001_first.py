"""The first tables: processes, events, approvals, rules, usage, workers."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "process",
        sa.Column("pid", _KEY, primary_key=True, autoincrement=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("parent", _KEY),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("worker", _KEY),
        sa.Column("ready_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float),
        sa.Column("head", sa.Integer, nullable=False),
        sa.Column("reserved_usd", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("reaped", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("spec", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("process_ready", "process", ["owner", "ready_at"], sqlite_where=sa.text("state = 'READY'"))
    op.create_index("process_state", "process", ["state", "worker"])
    op.create_index("process_owner", "process", ["owner", "reaped", "pid"])
    op.create_index("process_parent", "process", ["parent"])
    op.create_table(
        "event",
        sa.Column("seq", _KEY, primary_key=True),
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("event_process", "event", ["pid", "n"], unique=True)
    op.create_table(
        "approval",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("approval_owner", "approval", ["owner", "status", "created_at"])
    op.create_index("approval_process", "approval", ["pid", "status"])
    op.create_table(
        "rule",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("tool", sa.String(200), nullable=False),
        sa.Column("pid", _KEY),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
    )
    op.create_index("rule_owner", "rule", ["owner", "tool"])
    op.create_table(
        "usage",
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("model", sa.String(300), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("owner", "day", "pid", "model"),
    )
    op.create_table(
        "worker",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    meta = op.create_table(
        "meta", sa.Column("key", sa.String(60), primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.bulk_insert(meta, [{"key": "instance", "value": uuid.uuid4().hex[:12]}])


def downgrade() -> None:
    for table in ("meta", "worker", "usage", "rule", "approval", "event", "process"):
        op.drop_table(table)
