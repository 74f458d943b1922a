"""What agents remember, with its full text."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "memory_space",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("vectors", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("memory_space_agent", "memory_space", ["owner", "agent"], unique=True)
    op.create_table(
        "memory",
        sa.Column("id", _KEY, primary_key=True, autoincrement=True),
        sa.Column("space", _KEY, nullable=False),
        sa.Column("layer", sa.String(10), nullable=False),
        sa.Column("forgotten", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("vitality", sa.Float, nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("memory_listed", "memory", ["space", "forgotten", "layer", "id"])
    op.create_index("memory_newest", "memory", ["space", "forgotten", "id"])
    op.create_index("memory_fading", "memory", ["space", "forgotten", "layer", "vitality"])
    op.create_index("memory_unembedded", "memory", ["model", "forgotten", "id"])
    op.create_table(
        "memory_vector",
        sa.Column("memory", _KEY, primary_key=True),
        sa.Column("space", _KEY, nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )
    op.create_index("memory_vector_space", "memory_vector", ["space", "model", "memory"])
    op.create_table(
        "memory_version",
        sa.Column("memory", _KEY, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("memory", "version"),
    )
    op.create_table(
        "memory_grant",
        sa.Column("space", _KEY, nullable=False),
        sa.Column("reader", sa.String(200), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("space", "reader"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE memory_text USING fts5(text, before, tokenize='porter unicode61')")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE memory_text")
    for name in ("memory_grant", "memory_version", "memory_vector", "memory", "memory_space"):
        op.drop_table(name)
