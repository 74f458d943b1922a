"""The full text of each owner apart, split where no blanks stand between words; vectors tell when they were written."""

import sqlalchemy as sa
from alembic import op

from aether_jupyter.store.search import SPACE_BITS, indexed

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("memory_space", sa.Column("shelf", _KEY, nullable=False, server_default="0"))
    op.add_column("memory_vector", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("memory_vector_space", "memory_vector")
    op.create_index("memory_vector_newer", "memory_vector", ["space", "model", "revision"])
    op.execute(
        "UPDATE memory_space SET shelf = (SELECT min(o.id) FROM memory_space o WHERE o.owner = memory_space.owner)"
    )
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for shelf in [row[0] for row in connection.execute(sa.text("SELECT DISTINCT shelf FROM memory_space"))]:
        op.execute(f"CREATE VIRTUAL TABLE memory_text_{shelf} USING fts5(text, before, tokenize='porter unicode61')")
        spaces = connection.execute(sa.text("SELECT id FROM memory_space WHERE shelf = :s"), {"s": shelf}).all()
        put = sa.text(f"INSERT INTO memory_text_{shelf} (rowid, text, before) VALUES (:row, :text, :before)")  # noqa: S608
        for (space,) in spaces:
            within = {"first": space << SPACE_BITS, "last": ((space + 1) << SPACE_BITS) - 1}
            kept = sa.text("SELECT rowid, text, before FROM memory_text WHERE rowid BETWEEN :first AND :last")
            for part in connection.execute(kept, within).partitions(1_000):
                rows = [{"row": row, "text": indexed(text), "before": indexed(before)} for row, text, before in part]
                connection.execute(put, rows)
    op.execute("DROP TABLE memory_text")


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE memory_text USING fts5(text, before, tokenize='porter unicode61')")
        for (shelf,) in connection.execute(sa.text("SELECT DISTINCT shelf FROM memory_space")).all():
            op.execute(f"INSERT INTO memory_text (rowid, text, before) SELECT rowid, * FROM memory_text_{shelf}")  # noqa: S608
            op.execute(f"DROP TABLE memory_text_{shelf}")
    op.drop_index("memory_vector_newer", "memory_vector")
    op.create_index("memory_vector_space", "memory_vector", ["space", "model", "memory"])
    op.drop_column("memory_vector", "revision")
    op.drop_column("memory_space", "shelf")
