"""Images that people give and tools make: their bytes by their digest, and which processes name them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image",
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("about", sa.LargeBinary, nullable=False),
        sa.Column("words", sa.Text),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("owner", "digest"),
    )
    op.create_index("image_unnamed", "image", ["at"], sqlite_where=sa.text("named = 0"))
    op.create_table(
        "image_use",
        sa.Column("pid", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("pid", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("image_use_image", "image_use", ["owner", "digest"])


def downgrade() -> None:
    op.drop_table("image_use")
    op.drop_table("image")
