"""Up to which memory a model has read, apart from up to which duplicates were looked for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memory_report", sa.Column("read_upto", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("memory_report", "read_upto")
