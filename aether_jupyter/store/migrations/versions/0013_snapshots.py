"""Snapshots of processes; their files lie beside the database."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "snapshot",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("pid", _KEY),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("manifest", sa.String(36), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("snapshot_process", "snapshot", ["pid", "n"])
    op.create_index("snapshot_owner", "snapshot", ["owner", "id"])


def downgrade() -> None:
    op.drop_table("snapshot")
