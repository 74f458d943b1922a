"""Requests between agents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("sender", _KEY, nullable=False),
        sa.Column("receiver", _KEY, nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("request_sender", "request", ["sender", "status"])
    op.create_index("request_receiver", "request", ["receiver", "status"])
    op.create_index("request_due", "request", ["status", "due_at"])


def downgrade() -> None:
    op.drop_table("request")
