"""What became of memories in consolidations and evictions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "memory_report",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("space", _KEY, nullable=False),
        sa.Column("kind", sa.String(13), nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("upto", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("memory_report_space", "memory_report", ["space", "kind", "id"])


def downgrade() -> None:
    op.drop_table("memory_report")
