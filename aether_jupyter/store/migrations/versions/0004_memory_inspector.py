"""What lists of memories are sorted and filtered by, and where memories were used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("memory", sa.Column("importance", sa.Float, nullable=False, server_default="0.5"))
    op.add_column("memory", sa.Column("used_at", sa.Float, nullable=False, server_default="0"))
    op.add_column("memory", sa.Column("kind", sa.String(16), nullable=False, server_default="person"))
    op.create_table(
        "memory_tag",
        sa.Column("space", _KEY, nullable=False),
        sa.Column("tag", sa.String(60), nullable=False),
        sa.Column("memory", _KEY, nullable=False),
        sa.PrimaryKeyConstraint("space", "tag", "memory"),
        sqlite_with_rowid=False,
    )
    op.create_index("memory_tag_memory", "memory_tag", ["memory"])
    op.create_table(
        "memory_use",
        sa.Column("memory", _KEY, nullable=False),
        sa.Column("pid", _KEY, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("how", sa.String(8), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("cited", sa.Integer),
        sa.PrimaryKeyConstraint("memory", "pid", "step", "how"),
        sqlite_with_rowid=False,
    )
    op.create_index("memory_use_process", "memory_use", ["pid"])
    if op.get_bind().dialect.name == "sqlite":
        # What bodies tell already; a body is JSON in a BLOB.
        op.execute(
            "UPDATE memory SET importance = coalesce(json_extract(CAST(body AS TEXT), '$.importance'), 0.5), "
            "used_at = coalesce(json_extract(CAST(body AS TEXT), '$.used_at'), 0), "
            "kind = coalesce(json_extract(CAST(body AS TEXT), '$.source.kind'), 'person')"
        )
        op.execute(
            "INSERT OR IGNORE INTO memory_tag (space, tag, memory) SELECT memory.space, tag.value, memory.id "
            "FROM memory, json_each(CAST(memory.body AS TEXT), '$.tags') AS tag"
        )
    op.drop_index("memory_newest", "memory")
    op.drop_index("memory_fading", "memory")
    op.create_index("memory_newest", "memory", ["space", "forgotten", "id", "kind"])
    op.create_index("memory_fading", "memory", ["space", "forgotten", "layer", "vitality", "id", "kind"])
    op.create_index("memory_important", "memory", ["space", "forgotten", "importance", "id", "layer", "kind"])
    op.create_index("memory_used", "memory", ["space", "forgotten", "used_at", "id", "layer", "kind"])


def downgrade() -> None:
    for name in ("memory_used", "memory_important", "memory_fading", "memory_newest"):
        op.drop_index(name, "memory")
    op.create_index("memory_newest", "memory", ["space", "forgotten", "id"])
    op.create_index("memory_fading", "memory", ["space", "forgotten", "layer", "vitality"])
    op.drop_table("memory_use")
    op.drop_table("memory_tag")
    for name in ("kind", "used_at", "importance"):
        op.drop_column("memory", name)
